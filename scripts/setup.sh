#!/usr/bin/env bash
# Makes this machine ready: setup.sh [docker] [lint] [nextest] [gh] [postgres] [tmux] [capture] [bench]. Installs what is missing, changes nothing else.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/packages.sh"
. "$ROOT/scripts/docker.sh"
. "$ROOT/images/vm/versions.env"

RUSTUP_INIT=https://static.rust-lang.org/rustup/dist/x86_64-unknown-linux-gnu/rustup-init

check_machine() {
  [ "$(uname -sm)" = "Linux x86_64" ] || die "only Linux on x86-64 is supported: this is $(uname -sm)"
  [ -d "${CARGO_TARGET_DIR:-$ROOT/target}" ] || need_space "$ROOT" 6000 "the first build"
}

wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

rust_is_recent() {
  local found
  found=$(rustc --version 2>/dev/null | awk '{ print $2 }') || return 1
  [ -n "$found" ] && [ "$(printf '%s\n' "$1" "$found" | sort -V | head -n 1)" = "$1" ]
}

check_rust() {
  local wanted
  wanted=$(wanted_rust)
  if have rustup; then
    rust_is_recent "$wanted" || die "Rust >= $wanted is needed and $(rustc --version 2>&1 | head -n 1) is active: run 'rustup update stable && rustup default stable'"
  elif ! have rustc || ! have cargo; then
    die "Rust >= $wanted is missing: run 'curl --proto =https -fo /tmp/rustup-init $RUSTUP_INIT && chmod +x /tmp/rustup-init && /tmp/rustup-init -y && . ~/.cargo/env'"
  else
    rust_is_recent "$wanted" || die "Rust >= $wanted is needed and $(rustc --version) is too old: run 'curl --proto =https -fo /tmp/rustup-init $RUSTUP_INIT && chmod +x /tmp/rustup-init && /tmp/rustup-init -y && . ~/.cargo/env'"
  fi
}

check_rust_tools() {
  { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 ||
    die "cargo fmt or cargo clippy is missing: run 'rustup component add rustfmt clippy'"
}

need_nextest() {
  ! cargo nextest --version >/dev/null 2>&1 || return 0
  timed "installing cargo-nextest $CARGO_NEXTEST_VERSION (built from source, some minutes)" \
    cargo install --locked "cargo-nextest@$CARGO_NEXTEST_VERSION" ||
    die "cargo-nextest could not be installed: check the network and run 'cargo install --locked cargo-nextest@$CARGO_NEXTEST_VERSION'"
}

# The programs only: tests start servers of their own, so that Debian is kept from making and starting one meanwhile.
need_postgres() {
  local dir=/etc/postgresql-common/createcluster.d conf
  ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || return 0
  need_root "installing PostgreSQL's programs"
  install_packages postgresql-common
  conf=$dir/zz-factory-factory.conf
  as_root mkdir -p "$dir"
  as_root sh -c "echo 'create_main_cluster = false' >$conf"
  (install_packages postgresql-15) || { as_root rm -f "$conf"; exit 1; }
  as_root rm -f "$conf"
}

# The program only: Debian is kept from starting a server meanwhile.
need_nginx() {
  local policy=/usr/sbin/policy-rc.d kept=
  ! have nginx || return 0
  need_root "installing nginx"
  [ -e "$policy" ] && kept=1
  [ -n "$kept" ] || as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
  (install_packages nginx) || { [ -n "$kept" ] || as_root rm -f "$policy"; exit 1; }
  [ -n "$kept" ] || as_root rm -f "$policy"
}

check_machine
need_commands cc=gcc,libc6-dev strip=binutils git=git curl=curl
[ -e /etc/ssl/certs/ca-certificates.crt ] || install_packages ca-certificates
check_rust
for part in "$@"; do
  case $part in
    docker) need_docker ;;
    lint) check_rust_tools ;;
    nextest) need_nextest ;;
    gh) need_commands gh=gh ;;
    tmux) need_commands tmux=tmux mkfifo=coreutils ;;
    capture) need_commands tcpdump=tcpdump ;;
    postgres) need_postgres ;;
    bench) need_nginx; need_commands rsync=rsync ;;
    *) die "setup.sh knows docker, lint, nextest, gh, postgres, tmux, capture and bench, not '$part'" ;;
  esac
done
