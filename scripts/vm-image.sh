#!/usr/bin/env bash
# Makes the VM image: vm-image.sh AGENT-BINARY. Builds only what changed, prints the sizes.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/packages.sh"
. "$ROOT/scripts/fetch.sh"
. "$ROOT/scripts/apt-sources.sh"
. "$ROOT/images/vm/versions.env"

TAG="${FF_VM_IMAGE:-ff-vm:latest}"
LABEL=cloud.factory-factory
AGENT="${1:?usage: vm-image.sh AGENT-BINARY}"
CONTEXT="$CACHE/vm-context"
HOST_CA=/usr/local/share/ca-certificates

# The development profile keeps line tables, which would make the layer several times larger.
strip_agent() {
  local stripped="$CACHE/ff-agent" origin
  [ -f "$AGENT" ] || die "$AGENT is missing: build it with 'make image'"
  origin=$(stat -c '%n %s %y' "$AGENT")
  if [ ! -f "$stripped" ] || [ "$(cat "$stripped.origin" 2>/dev/null)" != "$origin" ]; then
    strip --strip-all -o "$stripped" "$AGENT"
    printf '%s\n' "$origin" >"$stripped.origin"
  fi
}

host_certificates() { [ ! -d "$HOST_CA" ] || find -L "$HOST_CA" -type f -name '*.crt' | sort; }

inputs() {
  {
    docker image inspect -f '{{.Id}}' "ff-base:$DEBIAN_SUITE"
    cat "$ROOT"/images/vm/*
    host_certificates | tr '\n' '\0' | xargs -0r cat
    sha256sum <"$CACHE/ff-agent"
  } | sha256sum | cut -c1-16
}

# Without its headers and symbols Node.js takes 78 MB less. (The Claude CLI's binary does not survive `strip`.)
unpack_node() {
  local node="$TARBALLS/node-$NODE_VERSION"
  if [ ! "$node" -nt "$(tarball node)" ]; then
    tar -xzOf "$(tarball node)" package/bin/node >"$node.new"
    strip --strip-all "$node.new"
    chmod 0755 "$node.new"
    mv "$node.new" "$node"
  fi
  ln "$node" "$1"
}

assemble_context() {
  local certificate count=0
  rm -rf "$CONTEXT"
  mkdir -p "$CONTEXT/ca"
  install -m 0644 "$ROOT/images/vm/"{Dockerfile,npmrc,profile.sh,bashrc} "$CONTEXT/"
  install -m 0755 "$CACHE/ff-agent" "$CONTEXT/"
  unpack_node "$CONTEXT/node"
  ln "$(tarball npm)" "$CONTEXT/npm.tgz"
  ln "$(tarball claude)" "$CONTEXT/claude.tgz"
  while read -r certificate; do
    install -m 0644 "$certificate" "$CONTEXT/ca/$((count += 1))-${certificate##*/}"
  done < <(host_certificates)
}

build() {
  local proxy
  local -a args=(--build-arg "BASE=ff-base:$DEBIAN_SUITE" --build-arg "GIT_APT=$GIT_APT" --build-arg "GH_APT=$GH_APT")
  proxy=$(package_proxy)
  [ -z "$proxy" ] || args+=(--build-arg "http_proxy=$proxy")
  [ -z "${https_proxy:-}" ] || args+=(--build-arg "https_proxy=$https_proxy")
  docker build --force-rm "${args[@]}" --label "$LABEL.inputs=$1" --tag "$TAG" "$CONTEXT"
}

# Untagged leftovers of earlier builds: only ours, and only those that no container uses.
drop_replaced() { docker image prune --force --filter "label=$LABEL.image" >/dev/null 2>&1 || true; }

docker_space() {
  local dir
  dir=$(docker info -f '{{.DockerRootDir}}')
  [ ! -d "$dir" ] || need_space "$dir" 2500 "the VM image"
}

report() {
  local bytes layer
  bytes=$(docker image inspect -f '{{.Size}}' "$TAG")
  layer=$(docker history --no-trunc --format '{{.Size}} {{.CreatedBy}}' "$TAG" |
    awk '/COPY.*\/usr\/local\/bin\/ff-agent/ { print $1; exit }')
  say "VM image $TAG: $((bytes / 1000000)) MB, of which the agent's layer is $layer ($1)"
}

main() {
  local wanted start=$SECONDS
  exec 9>"$CACHE/image.lock"
  flock 9
  "$ROOT/scripts/base-image.sh"
  strip_agent
  wanted=$(inputs)
  if [ "$(image_label "$TAG" $LABEL.inputs)" = "$wanted" ]; then
    report "unchanged"
    return
  fi
  docker_space
  fetch_tarballs
  assemble_context
  logged "building $TAG" "$CACHE/vm-image.log" "check the network and the disk space" build "$wanted"
  drop_replaced
  report "built in $((SECONDS - start)) s"
}

main
