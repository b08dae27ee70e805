#!/bin/bash
# build.sh: copies the demo site and the package it uses into a folder, brings what they need from npm by their lock files, and builds the site.
#
# deploy/demo_site/build.sh FOLDER [express]     express: what the package's own tests need, too
set -euo pipefail

deploy=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
export NEXT_TELEMETRY_DISABLED=1
node=$(node -p 'process.versions.node' 2>/dev/null || echo none)
if [ "${node%%.*}" = none ] || [ "${node%%.*}" -lt 20 ]; then
    echo "build.sh: the demo site needs Node.js 20 or newer; here is $node" >&2
    exit 1
fi
mkdir -p "$folder"
log=$(realpath "$folder")/build.log
: >"$log"

# All but what is installed already, and Next's cache.
copy() {
    mkdir -p "$folder/$1"
    find "$folder/$1" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .next -exec rm -rf {} +
    tar -c -C "$deploy/$1" --exclude=./node_modules --exclude=./.next . | tar -x -C "$folder/$1"
}
# By the lock file, and only when that is another one.
install() {
    cmp -s "$1/package-lock.json" "$1/node_modules/.installed" && return
    (cd "$1" && npm ci --no-progress && cp package-lock.json node_modules/.installed)
}
all() {
    copy express
    copy demo_site
    install "$folder/demo_site"
    [ "${1:-}" != express ] || install "$folder/express"
    rm -rf "$folder/demo_site/node_modules/tally-express/lib"
    cp -r "$deploy/express/lib" "$folder/demo_site/node_modules/tally-express/"
    (cd "$folder/demo_site" && node node_modules/next/dist/bin/next build)
}
if ! (set -e; all "${2:-}") >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "build.sh: the demo site could not be built; all of it is in $log" >&2
    exit 1
fi
