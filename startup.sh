#!/usr/bin/env bash
# From a fresh checkout to a running pair of processes, and a diagnosis. Run it again: restarts cleanly.
# usage: startup.sh [CONFIG]     the config of the checkout, written if there is none, or another one
#        startup.sh --stop [CONFIG]
# Exit code: that of the diagnosis (0 all is well, 1 a warning, 2 critical, 3 unknown); 78 for a bad config.
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
cli="$here/dist/cli.js"

say() { printf '%s\n' "$*"; }
fail() {
  local code=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$code"
}

usage() { sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"; }

# Sets config to an absolute path; the default is the one of this checkout, wherever we were called from.
find_config() {
  local given=${1:-} name
  if [[ -n $given ]]; then
    [[ -f $given ]] || fail 78 "There is no config at $given." "Write one with: npx dogged init, or leave the argument out."
    config=$(readlink -f "$given")
    return
  fi
  for name in "$here"/dogged.config.{yaml,yml,json,mjs,js,ts}; do
    if [[ -f $name ]]; then
      config=$name
      return
    fi
  done
  config="$here/dogged.config.yaml"
}

check_node() {
  local install="Install it from https://nodejs.org/en/download, or with your system's packages, and run this again."
  command -v node >/dev/null || fail 69 "dogged needs Node 20.19 or newer, and there is no node here." "$install"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail 69 "dogged needs Node 20.19 or newer; this is $(node --version)." "$install"
  command -v npm >/dev/null || fail 69 "dogged needs npm, which comes with Node, and there is none here." "$install"
}

install_packages() {
  local installed="$here/node_modules/.package-lock.json"
  [[ -f $installed && ! $here/package-lock.json -nt $installed ]] && return
  say "Installing packages …"
  # Building needs the development packages, also where NODE_ENV=production is set.
  (cd "$here" && npm ci --include=dev --no-fund --no-audit --loglevel=error)
}

build() {
  [[ -f $cli && -z $(find "$here"/{src,package.json,tsconfig.json,scripts/build.sh} -newer "$cli" -print -quit) ]] && return
  say "Building …"
  bash "$here/scripts/build.sh"
}

stop=false
arguments=()
for argument in "$@"; do
  case $argument in
    --stop) stop=true ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) fail 64 "startup.sh knows no $argument." "$(usage)" ;;
    *) arguments+=("$argument") ;;
  esac
done
((${#arguments[@]} <= 1)) || fail 64 "startup.sh takes one config." "$(usage)"
find_config "${arguments[0]:-}"

if $stop; then
  [[ -f $cli ]] || fail 0 "Nothing has been built here, so nothing runs."
  exec node "$cli" stop -c "$config"
fi

check_node
# Two of us at once would install over each other. The lock ends with this script: no child keeps it.
mkdir -p "$here/state"
exec 9>"$here/state/startup.lock"
if command -v flock >/dev/null; then flock 9; fi
install_packages 9>&-
build 9>&-
[[ -f $config ]] || node "$cli" init "$here" 9>&-

# A pipe, so that nohup leaves no file behind. Both processes also lead sessions of their own.
status=0
nohup node "$cli" restart -c "$config" </dev/null 2>&1 9>&- | grep -v '^nohup: ' 9>&- || status=$?
exec 9>&-
if ((status == 78)); then exit "$status"; fi
say ""
exec node "$cli" health --diagnose -c "$config"
