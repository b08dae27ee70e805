#!/bin/bash
# llhttp.sh: brings the C sources of llhttp, out of Debian's package node-llhttp, without installing that: it asks for other packages of Node's, which
# do not go together with a Node from elsewhere.
#
# deploy/llhttp.sh FOLDER: llhttp.h, llhttp.c, api.c and http.c, of 8.1, in FOLDER
set -euo pipefail

folder=$(realpath -m "$1")
mkdir -p "$folder"
root=
if [ ! -e /usr/share/llhttp/llhttp.c ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    cd "$work"
    # The lists of packages may be missing or old.
    if ! apt-get download -q node-llhttp >log 2>&1 && ! { $as_root apt-get update -q >log 2>&1 && apt-get download -q node-llhttp >log 2>&1; }; then
        cat log >&2
        echo "llhttp.sh: apt-get has not brought the package node-llhttp" >&2
        exit 1
    fi
    dpkg-deb -x node-llhttp_*.deb unpacked
    root=$work/unpacked
fi
header=$root/usr/share/include/llhttp/llhttp.h
# What http1.c counts on was looked up in this version.
if ! grep -q '^#define LLHTTP_VERSION_MAJOR 8$' "$header" || ! grep -q '^#define LLHTTP_VERSION_MINOR 1$' "$header"; then
    echo "llhttp.sh: node-llhttp is $(sed -n 's/^#define LLHTTP_VERSION_M.*OR //p' "$header" | paste -sd.), and 8.1 is wanted" >&2
    exit 1
fi
cp "$header" "$root"/usr/share/llhttp/{llhttp,api,http}.c "$folder"
