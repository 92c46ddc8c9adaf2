#!/bin/sh
# A throwaway PostgreSQL for tests: postgres.sh BIN DIR LOCK STATE USER. Makes a cluster in DIR, reachable by a socket there only, and
# runs it until nobody has held LOCK for three seconds; then, or when it fails, removes DIR and STATE. The server gets a signal when
# this script dies. fsync is off: the tests ask for what commits are told, not for what a power cut leaves.
set -eu
bin=$1 dir=$2 lock=$3 state=$4 user=$5
# In a subshell, which it becomes.
as_user() {
  if [ "$user" = self ]; then exec setpriv --pdeathsig QUIT "$@"; else exec setpriv --reuid "$user" --regid "$user" --clear-groups --pdeathsig QUIT "$@"; fi
}
server=
cleanup() {
  trap - EXIT
  [ -z "$server" ] || { kill -QUIT "$server" 2>/dev/null || true; wait "$server" || true; }
  rm -rf "$dir" "$state"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
cd "$dir"
mkdir data
[ "$user" = self ] || chown "$user:$user" "$dir" data
(as_user "$bin/initdb" -D "$dir/data" -U ff -A trust -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions)
setting() { printf -- '-c\n%s\n' "$1"; }
# shellcheck disable=SC2046
as_user "$bin/postgres" -D "$dir/data" -k "$dir" $(setting listen_addresses= && setting fsync=off && setting full_page_writes=off &&
  setting autovacuum=off && setting max_connections=300 && setting shared_buffers=64MB) &
server=$!
quiet=0
exec 9>>"$lock"
while [ "$quiet" -lt 6 ]; do
  kill -0 "$server"
  if flock -n -x 9; then
    flock -u 9
    quiet=$((quiet + 1))
  else
    quiet=0
  fi
  sleep 0.5
done
# Whoever comes now waits for the lock, and then finds no STATE.
flock -x 9
