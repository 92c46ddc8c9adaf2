# Debian packages that a step needs: source it after lib.sh.
# shellcheck shell=bash

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -o DPkg::Lock::Timeout=120 "$@"; }

# Once per run of a script, its children included.
refresh_lists() {
  [ -z "${FF_LISTS_ARE_FRESH:-}" ] || return 0
  need_root "refreshing apt's package lists"
  logged "refreshing apt's package lists" "$CACHE/apt.log" "check the network and apt's sources" apt_get update
  export FF_LISTS_ARE_FRESH=1
}

# A plan that would also upgrade or remove something is refused before it starts.
apt_plan_is_harmless() {
  local plan=$1
  ! grep -Eq '^(Remv|Purg) |^Inst [^ ]+ \[' <<<"$plan"
}

# install_packages PACKAGE…
install_packages() {
  local log="$CACHE/apt.log" plan
  local -a install=(install --no-install-recommends --no-upgrade --no-remove)
  have apt-get || die "these packages are missing and there is no apt-get to install them: install $* by hand"
  need_root "installing the missing packages ($*)"
  refresh_lists
  plan=$(apt_get "${install[@]}" --simulate "$@" 2>&1) ||
    die "apt cannot install $* ($(tail -n 1 <<<"$plan")): check apt's sources and run again"
  apt_plan_is_harmless "$plan" ||
    die "installing $* would upgrade or remove other packages, which set-up never does: run 'apt-get install $*' as root yourself, then run again"
  logged "installing $*" "$log" "check the network, the disk space and apt's sources" \
    apt_get "${install[@]}" --yes "$@"
  hash -r
}

# need_commands COMMAND=PACKAGE[,PACKAGE…]…: installs the packages of the commands that are missing, together.
need_commands() {
  local pair
  local -a missing=() packages
  for pair in "$@"; do
    have "${pair%%=*}" && continue
    IFS=, read -ra packages <<<"${pair#*=}"
    missing+=("${packages[@]}")
  done
  [ "${#missing[@]}" -eq 0 ] || install_packages "${missing[@]}"
}
