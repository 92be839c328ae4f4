#!/bin/sh
# Check that ipbx-config does what its manual page says.
#
# usage: check.sh COMMAND VERSION

set -eu

command=$(realpath "$1")
version=$2
dir=$(mktemp -d)
cd "$dir"
trap 'rm -rf "$dir"' EXIT

# expect STATUS OUTPUT ARGUMENT...: run the command; compare status and output.
expect() {
    status=$1 output=$2
    shift 2
    seen=0
    sh "$command" "$@" > out 2>&1 || seen=$?
    if [ "$seen" != "$status" ] || [ "$(cat out)" != "$output" ]; then
        printf 'FAILED: ipbx-config %s\n' "$*"
        printf 'expected, status %s:\n%s\ncame, status %s:\n' "$status" "$output" "$seen"
        cat out
        exit 1
    fi
    printf 'ok: ipbx-config %s\n' "$*"
}

cat > good <<END
# a comment
  name = two words
empty =
port=1
  # another comment
sum = 1 + 1 = 2
port = 2
END
echo 'no equals sign' > bad

expect 0 "ipbx-config $version" --version
expect 0 'two words' --file good get name
expect 0 '' --file good get empty
expect 0 '1 + 1 = 2' --file good get sum
expect 0 '2' --file good get port
expect 0 'name=two words
empty=
port=2
sum=1 + 1 = 2' --file good list
expect 1 "ipbx-config: absent is not set in good" --file good get absent
expect 2 "ipbx-config: bad, line 1: expected KEY = VALUE, not: no equals sign" --file bad list
expect 2 "ipbx-config: absent does not exist" --file absent list
expect 2 "ipbx-config: . is a directory" --file . list
expect 2 "ipbx-config: get needs exactly one KEY; try 'ipbx-config --help'" get
expect 2 "ipbx-config: KEY must not be empty; try 'ipbx-config --help'" get ''
expect 2 "ipbx-config: unknown command sing; try 'ipbx-config --help'" sing
expect 2 "ipbx-config: unknown option --loud; try 'ipbx-config --help'" --loud
