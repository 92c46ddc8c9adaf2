# This machine's own Debian package sources: source it after lib.sh.
# shellcheck shell=bash

# A mirror list stands for its first entry.
resolve_mirror() {
  local list=${1#mirror+file:}
  [ "$list" != "$1" ] || { printf '%s\n' "${1%/}"; return; }
  list=/${list#"${list%%[!/]*}"}
  [ ! -r "${list%/}" ] || awk '/^[^#]/ { print $1; exit }' "${list%/}" | sed 's|/*$||'
}

# Lines of "SUITE URI": the suite itself, its updates and its security fixes, as apt knows them here.
host_sources() {
  local suite uri seen=" "
  have apt-get || return 0
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "Debian" && $2 == "main" { print $3, $4 }' |
    while read -r suite uri; do
      case $suite in "$1" | "$1-updates" | "$1-security") ;; *) continue ;; esac
      uri=$(resolve_mirror "$uri")
      case $uri in http*) ;; *) continue ;; esac
      case $seen in *" $suite "*) continue ;; esac
      seen+="$suite "
      printf '%s %s\n' "$suite" "$uri"
    done || true
}

# write_sources DIR SOURCES: DIR/etc gets apt's sources, and the CA bundle when one of them needs TLS.
write_sources() {
  local suite uri file="$1/etc/apt/sources.list.d/debian.sources"
  mkdir -p "${file%/*}"
  while read -r suite uri; do
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suite"
    printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n'
  done <<<"$2" >"$file"
  chmod 0644 "$file"
  if grep -q '^URIs: https:' "$file"; then
    mkdir -p "$1/etc/apt/apt.conf.d"
    install -m 0644 /etc/ssl/certs/ca-certificates.crt "$1/etc/apt/ca.crt"
    printf 'Acquire::https::CAInfo "/etc/apt/ca.crt";\n' >"$1/etc/apt/apt.conf.d/90ca"
  fi
}

# The proxy that downloads of packages need here, if any.
package_proxy() {
  local PROXY=
  if [ -n "${http_proxy:-}" ]; then
    PROXY=$http_proxy
  elif have apt-config; then
    eval "$(apt-config shell PROXY Acquire::http::Proxy)"
  fi
  [ "$PROXY" = DIRECT ] || printf '%s' "$PROXY"
}
