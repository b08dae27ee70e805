#!/bin/bash
# proxies.sh: brings nginx and HAProxy out of Debian's packages without installing them: these would start services.
#
# tests/bench/proxies.sh FOLDER      FOLDER/nginx and FOLDER/haproxy are the programs
set -euo pipefail

folder=$(realpath -m "$1")
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
cd "$work"
# The lists of packages may be missing or old.
if ! apt-get download -q nginx haproxy >log 2>&1 && ! { $as_root apt-get update -q >log 2>&1 && apt-get download -q nginx haproxy >log 2>&1; }; then
    cat log >&2
    echo "proxies.sh: apt-get has not brought the packages nginx and haproxy" >&2
    exit 1
fi
for package in nginx haproxy; do
    dpkg-deb -x ${package}_*.deb unpacked
    mv unpacked/usr/sbin/$package "$folder/$package"
done
