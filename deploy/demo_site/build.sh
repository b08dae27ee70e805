#!/bin/bash
# build.sh: copies the demo site and the package it uses into a folder, brings what they need from npm by their lock file, and builds it.
#
# deploy/demo_site/build.sh FOLDER
set -euo pipefail

deploy=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
export NEXT_TELEMETRY_DISABLED=1
mkdir -p "$folder"
log=$folder/build.log
# What is installed already, and Next's cache, stay for the next time.
for part in express demo_site; do
    mkdir -p "$folder/$part"
    find "$folder/$part" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .next -exec rm -rf {} +
    (cd "$deploy/$part" && tar -c --exclude=./node_modules --exclude=./.next .) | tar -x -C "$folder/$part"
done
cd "$folder/demo_site"
if ! { npm ci --no-progress && node node_modules/next/dist/bin/next build; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "build.sh: the demo site could not be built; all of it is in $log" >&2
    exit 1
fi
