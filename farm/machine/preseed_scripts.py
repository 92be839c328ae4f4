"""Floor 4: what debian-installer runs beside its own: scripts for the shell of busybox.

All that differs from one run to the next, the addresses, they find out from the address that the
answers came from and from the kernel's command line.
"""

from __future__ import annotations

EARLY, LATE = "early.sh", "late.sh"
SITE = "site.tar"
SYSLOG, PARTMAN = "syslog", "partman"
"""Logs that are sent home, by the names they have in ``/var/log`` of the installer."""

FATAL, DONE = "TASKERROR fatal", "TASKEND installation"
"""What the scripts say to the monitor, beside ``TASKBEGIN`` and a menu item."""

# What both scripts begin with. A PUT is written by hand, through nc. What fails would be asked
# about on a console that nobody looks at: the machine tells it and powers off instead.
_TALK = f"""\
set -eu
url=$(debconf-get preseed/url)
server=${{url#http://}}
server=${{server%%/*}}
host=${{server%:*}}
port=${{server##*:}}
monitor=$(sed -n 's/.*FARM_MONITOR=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
name=$(debconf-get netcfg/get_hostname)
say() {{ echo "$name $*" | nc "$host" "$monitor" > /dev/null 2>&1 || :; }}
send_logs() {{
    for log in {SYSLOG} {PARTMAN}; do
        [ -f "/var/log/$log" ] || continue
        cp "/var/log/$log" /tmp/farm-log
        {{
            printf 'PUT /upload/%s HTTP/1.0\\r\\nContent-Length: %s\\r\\n\\r\\n' \\
                "$log" "$(wc -c < /tmp/farm-log)"
            cat /tmp/farm-log
        }} | nc "$host" "$port" > /dev/null 2>&1 || :
    done
}}
give_up() {{
    say {FATAL} "$1"
    send_logs
    poweroff -f
}}
trap 'code=$?; [ "$code" = 0 ] || give_up "$code"' EXIT
"""

# Run as soon as the answers are there: the network is up, no disk has been looked at. The server
# is no host that the proxy could ask: a machine calls it by an address of its own network.
_EARLY = f"""\
proxy=$(sed -n 's/.*FARM_PROXY=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
mkdir -p /tmp/site
wget -q -O /tmp/{SITE} "http://$server/{SITE}"
tar -x -C /tmp/site -f /tmp/{SITE}
rm /tmp/{SITE}
debconf-set mirror/http/proxy "$proxy"
debconf-get debian-installer/locale > /tmp/locale
candidate=$(debconf-get apt-setup/local0/repository | sed "s#@SERVER@#http://$server#")
debconf-set apt-setup/local0/repository "$candidate"
[ "$(debconf-get apt-setup/local0/repository)" = "$candidate" ]
logger -t farm "repository: $candidate"
hook=/usr/lib/post-base-installer.d/00farm
cat > $hook <<END
#!/bin/sh
mkdir -p /target/etc/apt/apt.conf.d
cat > /target/etc/apt/apt.conf.d/90farm-install <<CONF
Acquire::http::Proxy::$host "DIRECT";
Acquire::Languages "none";
Acquire::Retries "2";
CONF
END
chmod 755 $hook
watch() {{
    tail -n +1 -f /var/log/syslog | while read -r line; do
        case $line in
            *"Menu item '"*"' selected"*)
                item=${{line##*Menu item \\'}}
                say TASKBEGIN "${{item%%\\'*}}"
                ;;
            *"WARNING **: Configuring '"*"' failed"* | *"net-retriever: error: "* | \\
                *"WARNING **: package retrieval failed"* | *"Bad archive mirror"* | \\
                *"no packages matching running kernel"* | *"mirror does not support"*)
                give_up 1
                ;;
        esac
    done
}}
# Whoever waits for this script waits until nobody holds what it writes to: not even a shell that
# keeps it aside while a function writes elsewhere.
(
    exec < /dev/null > /dev/null 2>&1
    watch
) &
"""

# Run at the end, with the new system in /target.
_LATE = """\
target=/target
say TASKBEGIN late
mkdir -p $target/root/.ssh $target/usr/share/keyrings
chmod 700 $target/root/.ssh
cp /tmp/site/authorized_keys $target/root/.ssh/authorized_keys
chmod 600 $target/root/.ssh/authorized_keys
cp /tmp/site/keyrings/* $target/usr/share/keyrings/
rm -f $target/etc/apt/sources.list $target/etc/apt/apt.conf
rm -f $target/etc/apt/apt.conf.d/90farm-install $target/etc/apt/keyrings/apt-setup_local*
for file in /tmp/site/sources/*; do
    sed "s#@SERVER@#http://$server#" "$file" > "$target/etc/apt/sources.list.d/${file##*/}"
done
locale=$(debconf-get debian-installer/locale)
if [ "$locale" != "$(cat /tmp/locale)" ]; then
    logger -t farm "there is no locale $(cat /tmp/locale): $locale took its place"
    exit 1
fi
echo "LANG=$locale" > $target/etc/default/locale
in-target systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer
[ ! -d /tmp/site/files ] || cp -R /tmp/site/files/. $target/
if [ -d /tmp/site/scripts ]; then
    mkdir -p $target/tmp/farm-scripts
    cp /tmp/site/scripts/* $target/tmp/farm-scripts/
    for file in "$target"/tmp/farm-scripts/*; do
        # As FAI runs them, but from inside: $target is the root, $ROOTCMD nothing. What there is
        # to read is debconf's, and not theirs.
        in-target env target= ROOTCMD= sh -c 'exec "$0" < /dev/null' \
            "/tmp/farm-scripts/${file##*/}"
    done
    rm -rf $target/tmp/farm-scripts
fi
in-target apt-get clean
: > $target/etc/machine-id
send_logs
"""

SCRIPTS = {EARLY: _TALK + _EARLY, LATE: f"{_TALK}{_LATE}say {DONE} 0\n"}
"""The scripts that the answers name, by path on the server."""
