#!/bin/bash
# access_log_reference.sh: prints as CSV what the sqlite3 shell computes from the real access log, without any of tally's code.
#
# access_log_reference.sh VIEW [LOG]
# access_log_reference.sh all FOLDER [LOG]
#
#   VIEW    one of the views of views.sql and views_10s.sql: as `tally query VIEW --format csv` is to print it, lines ending in LF
#   facts   lines, repeated lines, readable lines, how many are late for which windows, first and last time
#   all     each of them, into FOLDER/NAME.csv
# LOG is the log in Combined format; unless given, data/apache_logs in $TALLY_SHARED, or in ../shared beside the repository.
# Exit status: 0 done, 2 wrong usage, 3 there is no log or sqlite3 failed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
views='hits_5m hits_by_ip_5m files_by_method_1d kind_by_url_1h errors hits_10s by_status_10s facts'

usage() {
    echo "usage: access_log_reference.sh VIEW|facts [LOG], or: all FOLDER [LOG]; views: $views" >&2
    exit 2
}

[ $# -ge 1 ] || usage
what=$1
shift
folder=
if [ "$what" = all ]; then
    [ $# -ge 1 ] || usage
    folder=$1
    shift
elif ! grep -qw -- "$what" <<<"$views"; then
    usage
fi
[ $# -le 1 ] || usage
log=${1:-${TALLY_SHARED:-$here/../../../shared}/data/apache_logs}
if [ ! -r "$log" ]; then
    echo "access_log_reference.sh: there is no $log" >&2
    exit 3
fi

# In ascii mode nothing is quoted: a line is a row, and no byte of the log ends a column.
script() {
    printf 'CREATE TABLE line(text TEXT);\n.mode ascii\n.separator "\\037" "\\n"\n.import "%s" line\n' "$log"
    printf '.mode list\n.read "%s/access_log.sql"\n' "$here"
    if [ "$what" = all ]; then
        for view in $views; do
            printf '.output "%s/%s.csv"\nSELECT csv FROM ref_%s;\n' "$folder" "$view" "$view"
        done
    else
        printf 'SELECT csv FROM ref_%s;\n' "$what"
    fi
}

[ -z "$folder" ] || mkdir -p "$folder"
script | sqlite3 -batch -bail -init /dev/null :memory: || exit 3
