#!/bin/bash
# country.sh: fetches the CC0 file that says for every address of the internet its country (function_place_test.c), by its pinned version, and
# checks what came.
#
# tests/reference/country.sh FOLDER
set -euo pipefail

package=@ip-location-db/geo-whois-asn-country-mmdb@2.3.2026061719
sha512=xemBDNQl4mCYDuVbqe3jKGKsVDykZGkfvebhtOh/3VGLadq8vsp7t7ontpMUt3hH7sAGT0eLDyJ99SV+0waxZg==

folder=$1
mkdir -p "$folder"
command -v npm >/dev/null || sh "$(dirname "$0")/../lint/deps.sh" npm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! npm pack --silent --pack-destination "$work" "$package" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    echo "country.sh: npm has not brought $package" >&2
    exit 1
fi
archive=$(echo "$work"/*.tgz)
got=$(python3 -c 'import base64, hashlib, sys; print(base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode())' "$archive")
if [ "$got" != "$sha512" ]; then
    echo "country.sh: $package is not what was pinned: sha512 $got" >&2
    exit 1
fi
tar -xzf "$archive" -C "$work" package/geo-whois-asn-country.mmdb
mv "$work/package/geo-whois-asn-country.mmdb" "$folder/country.mmdb"
