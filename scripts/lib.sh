# Shared by the scripts of this directory: source it, do not run it.
# shellcheck shell=bash
set -euo pipefail
umask 022

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="$ROOT/.cache"
export ROOT CACHE
mkdir -p "$CACHE"

say() { printf '==> %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# need_root WHAT: before the first as_root, and where a password can still be asked for.
need_root() {
  [ "$(id -u)" -ne 0 ] || return 0
  if have sudo; then
    sudo -n true 2>/dev/null || sudo -v || true
  fi
  { have sudo && sudo -n true 2>/dev/null; } ||
    die "$1 needs root: run the same command again as root, or as a user who may use sudo"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# timed LABEL COMMAND…: shows the command's output and how long it took.
timed() {
  local label=$1 start=$SECONDS
  shift
  say "$label"
  "$@" || return
  printf '    done in %d s\n' $((SECONDS - start))
}

# logged LABEL LOG HINT COMMAND…: keeps the output in LOG; a failure shows its end and one sentence.
logged() {
  local label=$1 log=$2 hint=$3 start=$SECONDS
  shift 3
  say "$label"
  if ! ("$@") >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    die "$label failed: $hint (whole output: $log)"
  fi
  printf '    done in %d s\n' $((SECONDS - start))
}

# need_space DIR MEGABYTES WHAT-FOR
need_space() {
  local free
  free=$(df -Pm "$1" 2>/dev/null | awk 'NR == 2 { print $4 }')
  [ -z "$free" ] || [ "$free" -ge "$2" ] ||
    die "$3 needs $2 MB free in $1, where $free MB are left: free some disk space and run again"
}

image_label() { docker image inspect -f "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null || true; }
