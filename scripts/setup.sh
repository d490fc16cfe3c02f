#!/usr/bin/env bash
# Set-up for every make target: system packages where it may, .venv, pinned dependencies.
#   scripts/setup.sh demo|test
# Does not: change anything outside this folder except apt packages, and those only as root.
# An unchanged set-up costs well under a second: a stamp holds the digest of its inputs and is
# written last, so an interrupted run is noticed and repaired by the next one.
set -uo pipefail
group="${1:-demo}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
cd "$root" || exit 1
venv="$root/.venv"
py="$venv/bin/python"
stamp="$venv/.stamp"
unfinished="$venv/.unfinished"
NEEDED_MB=2500

say() { printf '%s\n' "set-up: $*" >&2; }
die() { say "$*"; exit 1; }

case "$group" in demo | test) ;; *) die "expected 'demo' or 'test', got '$group'" ;; esac

# --- system packages -------------------------------------------------------------------------

has_library() { PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -qF "$1"; }
has_command() { command -v "$1" >/dev/null 2>&1; }
has_postgres() { has_command postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

# What the product itself needs: without it the demo cannot end.
missing_required() {
  has_library libpango-1.0.so && has_library libpangoft2-1.0.so || echo libpango-1.0-0 libpangoft2-1.0-0
  has_library libharfbuzz-subset.so || echo libharfbuzz-subset0
  has_command openssl || echo openssl
  "$python" -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
}

# What only tests use: a test that lacks one fails and says how to get it.
missing_for_tests() {
  has_command pdftotext || echo poppler-utils
  has_command chromium || has_command chromium-browser || has_command google-chrome || echo chromium
  has_command java || echo default-jre-headless
  has_command npm || echo npm
  [ -e /usr/share/java/jaxb-api.jar ] || echo libjaxb-java
  has_library libgomp.so.1 || echo libgomp1
  has_command redis-server || echo redis-server
  has_postgres || echo postgresql
  has_command go && [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || echo golang-go golang-golang-x-mod-dev
  has_command softhsm2-util || echo softhsm2
  has_command ssh-keygen || echo openssh-client
}

apt_may() { [ "$(id -u)" = 0 ] && has_command apt-get; }

apt_install() {
  local log="$root/.setup.apt.log"
  say "installing system packages: $*"
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 3 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

system_packages() {
  local needed
  needed="$(missing_required | tr '\n' ' ')"
  if [ -n "${needed// /}" ]; then
    # shellcheck disable=SC2086  # a list of package names
    if ! apt_may || ! apt_install $needed; then
      die "these system packages are missing; install them and run this again: ${needed% }"
    fi
  fi
  [ "$group" = test ] || return 0
  needed="$(missing_for_tests | tr '\n' ' ')"
  [ -n "${needed// /}" ] || return 0
  # shellcheck disable=SC2086
  if ! apt_may || ! apt_install $needed; then
    say "tests that need these will fail; install them: ${needed% }"
  fi
}

# --- python ----------------------------------------------------------------------------------

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3 python3.12 python3.13; do
    [ -n "$candidate" ] && has_command "$candidate" || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python="$candidate"
      return 0
    fi
  done
  die "Python 3.11 or newer is needed and was not found; install it, or name it: make PYTHON=/path/to/python3.11 $group"
}

enough_disk() {
  local free_mb
  [ -f "$unfinished" ] || [ ! -x "$py" ] || return 0
  free_mb="$(df -Pm "$root" | awk 'NR == 2 {print $4}')"
  [ "${free_mb:-$NEEDED_MB}" -ge "$NEEDED_MB" ] ||
    die "the disk has $free_mb MB free and the dependencies need $NEEDED_MB MB; free some and run this again"
}

make_venv() {
  # A folder that was moved, or a creation that was cut short, is begun anew.
  if [ -x "$py" ] && "$py" -m pip --version >/dev/null 2>&1 &&
    [ "$("$py" -c 'import sys; print(sys.prefix)')" = "$venv" ] &&
    [ "$(cat "$venv/.home" 2>/dev/null || echo "$venv")" = "$venv" ]; then
    return 0
  fi
  say "creating .venv with $("$python" --version)"
  "$python" -m venv --clear "$venv" || die "could not create $venv"
  printf '%s\n' "$venv" >"$venv/.home"
}

# uv does not read pip's configuration: pass on what the environment says about indexes and TLS.
pip_setting() { "$py" -m pip config get "global.$1" 2>/dev/null; }

uv_options() {
  local value word
  options=(--index-strategy unsafe-best-match)
  value="${PIP_INDEX_URL:-$(pip_setting index-url)}"
  [ -z "$value" ] || options+=(--index-url "$value")
  for word in ${PIP_EXTRA_INDEX_URL:-$(pip_setting extra-index-url)}; do
    options+=(--extra-index-url "$word")
  done
  for word in ${PIP_FIND_LINKS:-$(pip_setting find-links)}; do
    options+=(--find-links "$word")
  done
  value="${PIP_CERT:-$(pip_setting cert)}"
  [ -z "$value" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$value}"
  export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-180}"
}

failed() {
  if grep -qiE 'no space left|disk quota' "$1"; then
    die "the disk is full; free some space and run this again"
  fi
  tail -n 8 "$1" >&2
  die "the dependencies could not be installed (above: why); run this again to go on from here"
}

install_dependencies() {
  local log="$venv/setup.log" again=() options=() uv_pin
  [ ! -f "$unfinished" ] || again=(--reinstall)
  : >"$unfinished"
  say "installing the pinned dependencies (about a minute)"
  uv_pin="$(grep -i '^uv==' constraints.txt)"
  if [ -x "$venv/bin/uv" ] || "$py" -m pip install -q --disable-pip-version-check "$uv_pin" >"$log" 2>&1; then
    uv_options
    if "$venv/bin/uv" pip install --python "$py" "${options[@]}" "${again[@]+"${again[@]}"}" \
      -b constraints.txt -c constraints.txt -e '.[dev]' >"$log" 2>&1; then
      return 0
    fi
    say "uv could not do it ($(tail -n 1 "$log")); trying pip"
  fi
  PIP_CONSTRAINT=constraints.txt "$py" -m pip install -q --disable-pip-version-check ${again[0]:+--force-reinstall} \
    -c constraints.txt -e '.[dev]' >"$log" 2>&1 || failed "$log"
}

# PyTorch is for tests alone; its CPU build has a local version and, on Linux, an index of its own.
install_torch() {
  local log="$venv/torch.log" options=() pins
  "$py" -c 'import torch, safetensors' 2>/dev/null && return 0
  pins="$(grep -E '^(torch|safetensors)==' constraints.txt | tr '\n' ' ')"
  say "installing PyTorch for the tests (CPU build, 190 MB)"
  uv_options
  # shellcheck disable=SC2086  # a list of pins
  if "$venv/bin/uv" pip install --python "$py" "${options[@]}" -c constraints.txt \
    "$(grep '^torch==' constraints.txt)+cpu" "$(grep '^safetensors==' constraints.txt)" >"$log" 2>&1 ||
    "$venv/bin/uv" pip install --python "$py" --torch-backend cpu -c constraints.txt $pins >"$log" 2>&1; then
    return 0
  fi
  tail -n 3 "$log" >&2
  die "PyTorch could not be installed, and the tests of two formats need it: install ${pins% } into .venv and run this again"
}

# --- the run ---------------------------------------------------------------------------------

inputs_digest() {
  { cat pyproject.toml constraints.txt scripts/setup.sh; printf '%s' "$venv"; } | sha256sum | cut -d' ' -f1
}

is_current() { [ ! -f "$unfinished" ] && [ "$(cat "$stamp-$1" 2>/dev/null)" = "$digest" ] && [ -x "$py" ]; }

digest="$(inputs_digest)"
if is_current "$group" || { [ "$group" = demo ] && is_current test; }; then
  exit 0
fi

if has_command flock; then
  exec 9>"$root/.setup.lock" || die "this folder cannot be written to: $root"
  if ! flock -n 9; then
    say "another set-up is running in this folder; waiting for it to end"
    flock -w 900 9 || die "the other set-up has not ended after 15 minutes; end it and run this again"
    is_current "$group" && exit 0
  fi
fi
trap 'say "interrupted; run it again to go on"; exit 130' INT TERM

find_python
enough_disk
system_packages
make_venv
if ! is_current demo && ! is_current test; then
  install_dependencies
fi
rm -f "$unfinished"
[ "$group" = demo ] || install_torch
printf '%s\n' "$digest" >"$stamp-$group.new" && mv -f "$stamp-$group.new" "$stamp-$group" ||
  die "the disk is full; free some space and run this again"
say "done"
