#!/bin/sh
# deps.sh: installs the Debian packages named as arguments that are missing, and nothing else; silent when all are there.
set -eu

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    # A foreign-architecture copy makes dpkg-query print several states in a row; one "installed" is what counts.
    case $state in
    installed*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "deps: missing:$missing; this is no Debian, install what corresponds to them" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "deps: missing:$missing; neither root nor sudo here; as root: apt-get install$missing" >&2
    exit 1
fi
echo "deps: installing$missing" >&2
# shellcheck disable=SC2086  # words are meant: package names hold no spaces
{
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } \
        >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "deps: could not install$missing" >&2
        exit 1
    fi
}
