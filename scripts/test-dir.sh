#!/usr/bin/env bash
# Makes a directory for what tests write, and prints its path: in memory where there is room, since they sync their
# files to the disk thousands of times; nobody takes away the power meanwhile.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

ROOM=4000000 # kB

in_memory() {
  [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ -w /dev/shm ] &&
    [ "$(df -k --output=avail /dev/shm | tail -n 1)" -ge "$ROOM" ] &&
    [ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -ge "$ROOM" ]
}

in_memory && at=/dev/shm || at=${TMPDIR:-/tmp}
dir=$(mktemp -d "$at/ff-test.XXXXXX")
# PostgreSQL runs as a user of its own.
chmod 755 "$dir"
echo "$dir"
