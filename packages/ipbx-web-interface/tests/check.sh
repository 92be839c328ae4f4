#!/bin/sh
# Check the command line of ipbx-web-interface and the page that it serves.
#
# usage: check.sh COMMAND PAGE VERSION
#
# No server is started: that needs an installed page, and a network.

set -eu

command=$1
page=$2
version=$3

# expect STATUS OUTPUT ARGUMENT...: run the command; compare status and output.
expect() {
    status=$1 output=$2
    shift 2
    seen=0
    said=$(sh "$command" "$@" 2>&1) || seen=$?
    if [ "$seen" != "$status" ] || [ "$said" != "$output" ]; then
        printf 'FAILED: ipbx-web-interface %s\n' "$*"
        printf 'expected, status %s:\n%s\n' "$status" "$output"
        printf 'came, status %s:\n%s\n' "$seen" "$said"
        exit 1
    fi
    printf 'ok: ipbx-web-interface %s\n' "$*"
}

try="try 'ipbx-web-interface --help'"
expect 0 "ipbx-web-interface $version" --version
expect 2 "ipbx-web-interface: --port needs a value; $try" --port
expect 2 "ipbx-web-interface: unknown argument 8080; $try" 8080
for port in '' 0 080 65536 123456 http -1; do
    expect 2 "ipbx-web-interface: not a port: '$port'; $try" --port "$port"
done
for address in localhost '[::1]' 127.0.0.1/8; do
    expect 2 "ipbx-web-interface: not an IP address: '$address'; $try" --address "$address"
done

grep -q "<p class=\"version\">Version $version</p>" "$page"
printf 'ok: the page shows version %s\n' "$version"
if grep -n '@[A-Z]*@' "$page" "$command"; then
    printf 'FAILED: a place holder was left\n'
    exit 1
fi
if grep -nE '(src|href)="?(https?:)?//' "$page"; then
    printf 'FAILED: the page asks for something from another machine\n'
    exit 1
fi
printf 'ok: the page is complete in itself\n'
