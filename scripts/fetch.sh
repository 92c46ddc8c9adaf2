# The packages that the VM image unpacks, fetched once and verified: source it after lib.sh and packages.sh.
# shellcheck shell=bash

TARBALLS="$CACHE/tarballs"

# pinned node VERSION -> the value of NODE_VERSION in versions.env
pinned() {
  local name="${1^^}_$2"
  printf '%s' "${!name}"
}

tarball() { printf '%s/%s-%s.tgz' "$TARBALLS" "$1" "$(pinned "$1" VERSION)"; }

# The form in which npm reports it.
integrity() {
  local hex
  hex=$(sha512sum <"$1" | cut -d' ' -f1 | sed 's/../\\x&/g')
  printf 'sha512-%s' "$(printf '%b' "$hex" | base64 -w0)"
}

verified() { [ -f "$1" ] && [ "$(integrity "$1")" = "$2" ]; }

npm_pack() { (cd "$1" && npm pack --ignore-scripts --cache "$1/npm-cache" --pack-destination "$1" "$2"); }

fetch_tarball() {
  local name=$1 spec file dir
  spec="$(pinned "$name" PACKAGE)@$(pinned "$name" VERSION)"
  file=$(tarball "$name")
  ! verified "$file" "$(pinned "$name" INTEGRITY)" || return 0
  need_commands npm=npm
  dir=$(mktemp -d "$CACHE/npm-pack.XXXXXX")
  logged "fetching $spec" "$CACHE/npm.log" "check the network and npm's settings" npm_pack "$dir" "$spec"
  mv "$dir"/*.tgz "$file"
  rm -rf "$dir"
  verified "$file" "$(pinned "$name" INTEGRITY)" ||
    die "$spec is $(integrity "$file") and images/vm/versions.env pins $(pinned "$name" INTEGRITY): do not use it before you know why"
}

fetch_tarballs() {
  local name
  mkdir -p "$TARBALLS"
  rm -rf "$CACHE"/npm-pack.*
  for name in node npm claude; do fetch_tarball "$name"; done
}
