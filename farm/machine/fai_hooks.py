"""Floor 4: what the farm hooks into FAI's tasks: fai-guide, "Hooks".

All that differs from one run to the next comes on the kernel's command line, as variables:
``SERVER_URL`` is where files come from and logs go to.
"""

from __future__ import annotations

from farm.machine.wish import SERVER

CLASS = "FARM"
"""What the farm itself wants of every machine."""

SITE = "SITE"
"""The workspace's own class."""

MONITOR_FATAL = "TASKERROR fatal"
LOGS = "fai-logs.tar.gz"
STATUS = "fai-status"
MEDIUM = "/run/initramfs/live"
"""Where dracut mounts the medium that it was booted from: dracut.cmdline(7)."""

INSTALLED = "FARM-INSTALLED"
"""Said on the console at the end, for whoever hears nothing over a network."""

CLASSES = f"""\
#!/bin/bash
echo "LINUX {CLASS} {SITE}"
"""

# Sourced by FAI's task "setup". Its own die() ends in a shell on a console that nobody looks at.
SUBROUTINES = f"""\
die() {{
    [ -n "$DYING" ] && return 99    # saving the logs may fail too
    DYING=1
    echo "FAI-FATAL: task=$taskname code=${{task_error:-1}} $*"
    sendmon "{MONITOR_FATAL} ${{task_error:-1}}"
    "$FAI/hooks/savelog.LAST"
    sync
    exec halt -dfp                  # never boot a disk that is half installed
}}
"""

SETUP = """\
# What FAI says is on the screen too, so that a picture of it shows how far it is.
( tail -n +1 -F "$LOGDIR/fai.log" 2>/dev/null > /dev/tty1 ) &
"""

EXTRBASE = f"""\
#!/bin/bash
mkdir -p "$FAI/basefiles"
curl --silent --show-error --fail --retry 3 --output "$FAI/basefiles/{CLASS}.tar.zst" \\
    "$SERVER_URL/base.tar.zst" || {{ task_error 800; exit 1; }}
"""

# Where FAI has put the sources of apt, this host's server is known from now on.
UPDATEBASE = f"""\
#!/bin/bash
if [ -d "{MEDIUM}/candidate" ]; then    # it was booted from a medium that has everything
    mkdir -p "$target{MEDIUM}"
    mount --bind "{MEDIUM}" "$target{MEDIUM}"
fi
sed -i "s#{SERVER}#$SERVER_URL#" "$target"/etc/apt/sources.list.d/*
fcopy -B -i -r /usr/share/keyrings
rm -f "$target/etc/apt/sources.list"
cat > "$target/etc/apt/apt.conf.d/90farm-install" <<END
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "2";
END
if [ -n "$APT_PROXY" ]; then
    cat >> "$target/etc/apt/apt.conf.d/90farm-install" <<END
Acquire::http::Proxy "$APT_PROXY";
Acquire::http::Proxy::$SERVER_HOST "DIRECT";
END
fi
mkdir -p "$target/etc/dpkg/dpkg.cfg.d"
echo force-unsafe-io > "$target/etc/dpkg/dpkg.cfg.d/farm-install"
mkdir -p "$target/etc/default/grub.d"
cat > "$target/etc/default/grub.d/farm.cfg" <<END
GRUB_TIMEOUT=0
GRUB_RECORDFAIL_TIMEOUT=0
GRUB_DISABLE_OS_PROBER=true
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_TERMINAL=console
END
exit 0
"""

# The initrd of the base file is good; packages would have it made again, which takes a minute.
INSTSOFT = """\
#!/bin/bash
$ROOTCMD dpkg-divert --quiet --local --rename --add --divert \\
    /usr/sbin/update-initramfs.real /usr/sbin/update-initramfs
printf '#!/bin/sh\\nexit 0\\n' > "$target/usr/sbin/update-initramfs"
chmod 755 "$target/usr/sbin/update-initramfs"
exit 0
"""

SAVELOG = f"""\
#!/bin/bash
# Send all logs home, before the machine goes down: after a good installation and after a bad one.
dmesg > "$LOGDIR/dmesg.log" 2>/dev/null
[ ! -r "$target/var/lib/dpkg/status" ] || cp "$target/var/lib/dpkg/status" "$LOGDIR/{STATUS}"
case $SERVER_URL in
    file:*)
        [ -n "$DYING" ] || echo {INSTALLED}
        exit 0 ;;
esac
tar -C "$LOGDIR" -czf /tmp/{LOGS} . &&
    curl --silent --show-error --max-time 60 --upload-file /tmp/{LOGS} "$SERVER_URL/upload/{LOGS}"
exit 0
"""
