#!/usr/bin/env bash
# Removes what this project made on this machine: in Docker only what carries its labels, then .cache and target.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

INSTANCE=label=cloud.factory-factory.instance
IMAGE=label=cloud.factory-factory.image
TARGET="${CARGO_TARGET_DIR:-$ROOT/target}"

# A volume is a user's home, logins included.
confirm_homes() {
  local answer
  [ "${YES:-}" != 1 ] || return 0
  [ -t 0 ] || die "this would delete the homes named above: run 'make clean YES=1' if that is what you want"
  read -rp "Delete these homes for good? [y/N] " answer
  [ "$answer" = y ] || die "nothing was removed"
}

# remove WHAT LIST-COMMAND -- REMOVE-COMMAND: both are docker subcommands.
remove() {
  local what=$1 list=$2 ids
  shift 2
  # shellcheck disable=SC2086
  mapfile -t ids < <(docker $list | sort -u)
  [ "${#ids[@]}" -gt 0 ] || return 0
  say "removing ${#ids[@]} $what: ${ids[*]}"
  docker "$@" "${ids[@]}" >/dev/null
}

clean_docker() {
  local homes
  if ! have docker || ! timeout 20 docker version >/dev/null 2>&1; then
    say "Docker does not answer: nothing is removed there"
    return
  fi
  homes=$(docker volume ls -q --filter "$INSTANCE")
  if [ -n "$homes" ]; then
    say "homes of VMs:"
    printf '    %s\n' "$homes"
    confirm_homes
  fi
  remove containers "ps -aq --filter $INSTANCE" rm --force
  remove volumes "volume ls -q --filter $INSTANCE" volume rm
  remove networks "network ls -q --filter $INSTANCE" network rm
  remove images "images -q --filter $IMAGE" rmi --force
}

clean_docker
say "removing .cache and ${TARGET#"$ROOT"/}"
rm -rf "$CACHE" "$TARGET"
say "kept: the servers' and desktops' own data directories, and every package that set-up installed"
