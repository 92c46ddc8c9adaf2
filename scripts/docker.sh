# A Docker engine that answers: source it after lib.sh and packages.sh.
# shellcheck shell=bash

docker_answers() { have docker && timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>"$CACHE/docker.err"; }

check_context() {
  local context
  context=$(docker context show 2>/dev/null || echo default)
  [ -n "${DOCKER_HOST:-}" ] || [ "$context" = default ] ||
    die "Docker's context '$context' is in use and the server would not see it: run 'export DOCKER_HOST=$(docker context inspect -f '{{.Endpoints.docker.Host}}')', then run again"
}

# With AppArmor in the kernel and no parser for its profiles, dockerd starts no container.
engine_packages() {
  echo docker.io
  if grep -qs Y /sys/module/apparmor/parameters/enabled && [ ! -x /sbin/apparmor_parser ]; then echo apparmor; fi
}

install_engine() {
  local -a packages
  need_space /var/lib 4000 "Docker with the VM image"
  mapfile -t packages < <(engine_packages)
  install_packages "${packages[@]}"
}

start_engine() {
  local log="$CACHE/dockerd.log"
  need_root "starting Docker"
  if [ -d /run/systemd/system ]; then
    say "starting Docker through systemd"
    as_root systemctl start docker || die "Docker did not start: 'journalctl -u docker' says why"
    return
  fi
  say "starting dockerd in the background (log: $log)"
  # shellcheck disable=SC2016
  as_root sh -c 'setsid nohup dockerd </dev/null >"$1" 2>&1 &' sh "$log"
}

wait_for_engine() {
  local deadline=$((SECONDS + 60)) log="$CACHE/dockerd.log"
  until docker_answers; do
    stop_without_rights
    if [ "$SECONDS" -ge "$deadline" ] || grep -qs 'failed to start daemon' "$log"; then
      die "Docker was started and does not answer: $(tail -n 1 "$log" 2>/dev/null || cat "$CACHE/docker.err")"
    fi
    sleep 0.5
  done
}

stop_without_rights() {
  ! grep -qi 'permission denied' "$CACHE/docker.err" ||
    die "you may not use Docker: run 'sudo usermod -aG docker $(id -un) && newgrp docker', then run again"
}

need_docker() {
  if docker_answers; then
    check_context
    return
  fi
  [ -z "${DOCKER_HOST:-}" ] ||
    die "DOCKER_HOST is '$DOCKER_HOST' and no Docker answers there: start that engine, or unset DOCKER_HOST to have one set up here"
  if have docker; then
    check_context
    stop_without_rights
  fi
  { have docker && PATH="$PATH:/usr/sbin:/sbin" have dockerd; } || install_engine
  docker_answers || start_engine
  wait_for_engine
}
