#!/bin/bash
# Runs a command where a libvirt daemon of the system runs that touches nothing of this host. To be
# started in namespaces of its own:
#   unshare --user --map-root-user --map-auto --mount --net --kill-child THIS FOLDER COMMAND...
set -euo pipefail
folder=$1
shift

mount --make-rprivate /
mount -t sysfs sysfs /sys # it is per network namespace: libvirt looks for its bridge there
ip link set lo up
for path in /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$path"
    mount -t tmpfs -o mode=755 tmpfs "$path"
done
mkdir -p /var/lib/libvirt/{dnsmasq,qemu,network,boot} /run/libvirt/network /var/log/libvirt/qemu
mkdir -p "$folder"/{etc,work}
mount -t overlay overlay -o "userxattr,lowerdir=/etc,upperdir=$folder/etc,workdir=$folder/work" /etc
mkdir -p /etc/libvirt
rm -rf /etc/libvirt/qemu/networks
# The daemon wants to know them, although it will not use them.
getent passwd libvirt-qemu > /dev/null || echo libvirt-qemu:x:64055:64055::/:/bin/false >> /etc/passwd
getent group libvirt-qemu > /dev/null || echo libvirt-qemu:x:64055: >> /etc/group
cat > /etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
cgroup_controllers = []
remember_owner = 0
namespaces = []
stdio_handler = "file"
security_driver = "none"
END

libvirtd -p /run/libvirt/libvirtd.pid > "$folder/libvirtd.log" 2>&1 &
for _ in $(seq 100); do
    [[ -S /run/libvirt/libvirt-sock ]] && break
    sleep 0.1
done
"$@"
