#!/usr/bin/env bash
# Installs what the tests need, runs every check and every test, and ends with "N passed, N failed".
# usage: scripts/test.sh [--node VERSION] [VITEST ARGUMENTS…]
#   --node 24   run it all with that Node (taken from the npm registry) in a copy of the checkout
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

# The checkout's fixed tools come from packages; on a bare machine some programs are not there yet.
ensure_programs() {
  local missing=()
  command -v python3 >/dev/null || missing+=(python3)
  command -v make >/dev/null || missing+=(make)
  command -v g++ >/dev/null || missing+=(g++)
  command -v setsid >/dev/null || missing+=(util-linux)
  # For tests of the live screen; where it cannot be had they are skipped with that reason.
  command -v tmux >/dev/null || missing+=(tmux)
  # For tests under a systemd of their own, which only root can give a /run of its own.
  if [[ $(id -u) -eq 0 ]]; then
    [[ -x /lib/systemd/systemd ]] || missing+=(systemd)
    [[ -e /usr/lib/systemd/user/dbus.socket ]] || missing+=(dbus-user-session)
  fi
  # For tests on real mounts, which only root can make; elsewhere they are skipped with that reason.
  if [[ $(id -u) -eq 0 ]]; then
    command -v mkfs.vfat >/dev/null || missing+=(dosfstools)
    command -v mkfs.ext2 >/dev/null || missing+=(e2fsprogs)
  fi
  # For tests of the store on Redis; elsewhere they are skipped with that reason.
  command -v redis-server >/dev/null || missing+=(redis-server)
  # For tests that set the clock of a worker alone; elsewhere they are skipped with that reason.
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime)
  ((${#missing[@]} == 0)) && return
  if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    say "Installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "These programs are missing and cannot be installed without root: ${missing[*]}" >&2
  fi
}

run_with_other_node() {
  local version=$1
  shift
  copy=$(mktemp -d)
  trap 'rm -rf "$copy"' EXIT
  say "Copying the checkout, for Node $version"
  git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
  local arch
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) arch=$(uname -m) ;;
  esac
  npm install --silent --prefix "$copy/.node" "node-linux-$arch@$version" >/dev/null
  local node=$copy/.node/node_modules/node-linux-$arch
  # Its own headers, for the one package that is compiled.
  export npm_config_nodedir=$node
  (cd "$copy" && git init -q . && PATH="$node/bin:$PATH" bash scripts/test.sh "$@")
}

if [[ ${1:-} == --node ]]; then
  run_with_other_node "${@:2}"
  exit
fi

ensure_programs
say "Node $(node --version), npm $(npm --version)"
if [[ ! -f node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
  say "Installing packages"
  npm ci --no-fund --no-audit
fi

say "Building"
bash scripts/build.sh

say "Style, layers, unused code, types"
npx biome ci --colors=off .
node scripts/check-layers.mjs
npx knip
npx tsc -p tsconfig.test.json

say "Tests"
report=$(mktemp)
status=0
npx vitest run --reporter=default --reporter=json --outputFile.json="$report" "$@" || status=$?
node scripts/test-totals.mjs "$report" "$status"
