#!/bin/bash
# serve.sh: the demo site on a port of the loopback, as it was built (make build/demo_site).
#
# deploy/demo_site/serve.sh PORT [FOLDER]     FOLDER: where it was built, build/demo_site unless given
# DATABASE_URL: records in PostgreSQL (?schema=NAME: of their own there); else SITE_DB: in that SQLite file. TALLY_COLLECT (and TALLY_TOKEN): its requests go to that
# collector. SITE_SCRIPT: /tally/tally.js or wherever the script for browsers is. Each is optional.
set -euo pipefail

port=${1:?serve.sh: a port is to be given: serve.sh 3000}
folder=${2:-$(dirname "$0")/../../build/demo_site}
export NEXT_TELEMETRY_DISABLED=1 NODE_ENV=production
SITE_DB=$(realpath -m "${SITE_DB:-$folder/site.db}")
export SITE_DB
cd "$folder/demo_site"
exec node node_modules/next/dist/bin/next start --hostname 127.0.0.1 --port "$port"
