#!/bin/bash
# promtool.sh: brings Prometheus' own checker of metrics and rules, out of Debian's package, without installing that: it would start a server.
#
# tests/reference/promtool.sh FOLDER
set -euo pipefail

folder=$(realpath -m "$1")
mkdir -p "$folder"
if command -v promtool >/dev/null; then
    ln -sfn "$(command -v promtool)" "$folder/promtool"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
cd "$work"
# The lists of packages may be missing or old.
if ! apt-get download -q prometheus >log 2>&1 && ! { $as_root apt-get update -q >log 2>&1 && apt-get download -q prometheus >log 2>&1; }; then
    cat log >&2
    echo "promtool.sh: apt-get has not brought the package prometheus" >&2
    exit 1
fi
dpkg-deb -x prometheus_*.deb unpacked
mv unpacked/usr/bin/promtool "$folder/promtool"
