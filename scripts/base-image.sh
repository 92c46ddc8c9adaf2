#!/usr/bin/env bash
# Makes ff-base:<suite>: Debian, pulled when a registry answers, else built here from this machine's package sources.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/packages.sh"
. "$ROOT/scripts/apt-sources.sh"
. "$ROOT/images/vm/versions.env"

TAG="ff-base:$DEBIAN_SUITE"
LOG="$CACHE/base-image.log"
LABEL=cloud.factory-factory
SOURCES=$(host_sources "$DEBIAN_SUITE")
INPUTS=$({ cat "$0" "$ROOT/scripts/apt-sources.sh"; printf '%s\n' "$DEBIAN_SUITE $DEBIAN_IMAGE" "$SOURCES"; } | sha256sum | cut -c1-16)

registry_answers() { timeout 8 docker manifest inspect "$DEBIAN_IMAGE" >/dev/null 2>&1 </dev/null; }

pull_base() {
  local context="$CACHE/base-context"
  timeout 300 docker pull "$DEBIAN_IMAGE" || return
  rm -rf "$context"
  mkdir -p "$context/etc" || return
  [ -z "$SOURCES" ] || write_sources "$context" "$SOURCES"
  printf 'FROM %s\nCOPY etc/ /etc/\nLABEL %s.image=base %s.inputs=%s\n' \
    "$DEBIAN_IMAGE" "$LABEL" "$LABEL" "$INPUTS" >"$context/Dockerfile"
  docker build -t "$TAG" "$context"
}

mirror() { awk -v suite="$DEBIAN_SUITE" '$1 == suite { print $2 }' <<<"$SOURCES"; }

refresh_sources() {
  refresh_lists
  SOURCES=$(host_sources "$DEBIAN_SUITE")
  [ -n "$(mirror)" ] ||
    die "no registry answers and apt has no Debian $DEBIAN_SUITE source with http(s): add one to /etc/apt, or load an image named $TAG into Docker"
}

# As root: fills the directory ROOT with a trimmed Debian. bootstrap ROOT SUITE MIRROR SOURCES
bootstrap() {
  local root=$1 suite=$2 mirror=$3
  debootstrap --variant=minbase "$suite" "$root" "$mirror"
  rm -f "$root/etc/apt/sources.list"
  write_sources "$root" "$4"
  printf 'path-exclude=/usr/share/%s\n' 'doc/*' 'man/*' 'info/*' 'locale/*' >"$root/etc/dpkg/dpkg.cfg.d/slim"
  printf 'path-include=/usr/share/doc/*/copyright\nforce-unsafe-io\n' >>"$root/etc/dpkg/dpkg.cfg.d/slim"
  chroot "$root" env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get -o APT::Update::Error-Mode=any update && apt-get upgrade --yes --no-install-recommends && apt-get clean'
  trim "$root"
}

trim() {
  (
    cd "$1" || exit
    rm -rf var/lib/apt/lists/* var/cache/apt/* var/cache/debconf/*-old var/lib/dpkg/*-old var/log/apt
    rm -rf usr/share/man/* usr/share/info/* usr/share/locale/* tmp/* run/*
    find usr/share/doc -type f ! -name copyright -delete
    find usr/share/doc -type l ! -name copyright -delete
    find usr/share/doc -mindepth 1 -type d -empty -delete
    find var/log -type f -delete
    find . -xdev -type f -perm /6000 -exec chmod a-s {} +
    rm -f etc/hostname etc/resolv.conf etc/machine-id
  )
}

bootstrap_base() {
  local root
  root=$(mktemp -d /var/tmp/ff-base.XXXXXX)
  # shellcheck disable=SC2064
  trap "as_root rm -rf --one-file-system '$root'" EXIT
  as_root env "PATH=$PATH:/usr/sbin:/sbin" "http_proxy=$(package_proxy)" \
    bash "$0" --bootstrap "$root" "$DEBIAN_SUITE" "$(mirror)" "$SOURCES" || return
  as_root tar -C "$root" --numeric-owner --sort=name --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
    docker import -c 'CMD ["bash"]' -c "LABEL $LABEL.image=base $LABEL.inputs=$INPUTS" - "$TAG"
}

main() {
  [ "$(image_label "$TAG" $LABEL.inputs)" != "$INPUTS" ] || return 0
  if registry_answers; then
    say "base image $TAG: pulling $DEBIAN_IMAGE"
    if pull_base >"$LOG" 2>&1; then return 0; fi
    say "the pull failed (log: $LOG): building it here"
  else
    say "base image $TAG: no registry answers"
  fi
  [ -n "$(mirror)" ] || refresh_sources
  PATH="$PATH:/usr/sbin:/sbin" need_commands debootstrap=debootstrap
  need_root "building the base image with debootstrap"
  need_space /var/tmp 1500 "building the base image"
  logged "base image $TAG: debootstrap" "$LOG" "check the network, the disk space and apt's sources" bootstrap_base
}

if [ "${1:-}" = --bootstrap ]; then
  shift
  bootstrap "$@"
else
  main
fi
