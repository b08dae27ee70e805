#!/bin/bash
# demo.sh: the whole pipeline on made-up traffic, each command shown before its output. `make demo` builds first and calls this.
#
# DEMO_SEED (7) says which traffic, DEMO_EVENTS (120000) how much of it, DEMO_DIR (build/demo) where it goes; what an
# earlier demo left there is replaced.
# The last row of the story is tally's own verdict: the demo exits as `tally reconcile` does.
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${DEMO_SEED:-7}
events=${DEMO_EVENTS:-120000}
dir=${DEMO_DIR:-build/demo}
tally=${TALLY_BIN:-build/tally}
traffic=${TRAFFIC_BIN:-build/release/traffic}
# Two days of traffic; batch publishes up to ten in the evening of the second, the stream has the rest.
start=2025-03-03
boundary=2025-03-04T22:00:00Z

# What is written for the reader alone; colours where they can be seen.
bold='' dim='' reset=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' reset=$'\e[0m'
fi
say() {
    printf '\n%s%s%s\n' "$bold" "$1" "$reset"
}
# Shows a command as one would type it (on the demo's own stdout, wherever the command's goes), then runs it.
exec 3>&1
run() {
    printf '%s$ %s%s\n' "$dim" "$*" "$reset" >&3
    case $1 in
    tally) "$tally" "${@:2}" ;;
    traffic) "$traffic" "${@:2}" ;;
    *) "$@" ;;
    esac
}

# One bar an hour, from CSV with window_start first and the number third; rows up to $1 (an instant) are batch's.
chart() {
    awk -F, -v last_batch="$1" '
        NR == 1 { next }
        { day[++n] = substr($1, 6, 5); hour[n] = substr($1, 12, 5); start[n] = $1; count[n] = $3; if ($3 > top) top = $3 }
        END {
            for (i = 1; i <= n; i++) {
                width = top > 0 ? int(count[i] * 50 / top + 0.5) : 0
                layer = start[i] <= last_batch ? "batch" : "speed"
                if (layer == "speed" && i > 1 && start[i - 1] <= last_batch)
                    printf "  ------------- the time boundary: published up to here; the stream has the rest\n"
                bar = ""
                for (k = 0; k < width; k++)
                    bar = bar (layer == "batch" ? "#" : "+")
                printf "  %s %s %6d %s\n", (i == 1 || day[i] != day[i - 1]) ? day[i] : "     ", hour[i], count[i], bar
            }
        }'
}

mkdir -p "$dir"
rm -rf "$dir/data"
export TALLY_VIEWS=deploy/demo/views.sql TALLY_DATA=$dir/data

say "1. A website's traffic: two days of people and crawlers, with late, repeated, misdated and broken lines planted in it"
run traffic --seed "$seed" --events "$events" --days 2 --start "$start" --summary "$dir/planted.json" >"$dir/traffic.jsonl"
cat "$dir/planted.json"

say "2. What is counted: two views in SQL"
printf '%s$ sed -n "/^CREATE VIEW/,/;/p" deploy/demo/views.sql%s\n' "$dim" "$reset"
sed -n '/^CREATE VIEW/,/;/p' deploy/demo/views.sql
printf '%s$ export TALLY_VIEWS=%s TALLY_DATA=%s%s\n' "$dim" "$TALLY_VIEWS" "$TALLY_DATA" "$reset"

say "3. Into the log, two partitions"
run tally import "$dir/traffic.jsonl" --format jsonl --into log --partitions 2

say "4. The speed layer counts the stream"
# One worker: this reads two days at once, and workers that race through a backlog call nothing late that the other has not seen yet.
run tally speed --once --workers 1

say "5. The batch layer counts again, from the full record, and publishes up to a moment inside the data"
run tally archive
run tally batch --to "$boundary"

say "6. One view shows the best number known: batch up to the time boundary, the stream after it"
run tally query page_views_5m --from 2025-03-04T21:50:00Z --to 2025-03-04T22:10:00Z
printf '%s$ tally query traffic_1h --format csv | a bar an hour (# batch, + stream)%s\n' "$dim" "$reset"
"$tally" query traffic_1h --layer batch --limit 1000000 --format csv >"$dir/batch.csv"
"$tally" query traffic_1h --to 2025-03-05 --limit 1000000 --format csv >"$dir/merged.csv"
chart "$(tail -n 1 "$dir/batch.csv" | cut -d, -f1)" <"$dir/merged.csv"

say "7. Where each event went: the sums agree"
run tally status

say "8. Why the two layers differ: late events, and copies that reached the other partition"
status=0
run tally reconcile --limit 3 || status=$?

say "Next: tally query page_views_5m --layer speed, tally explain, or your own access.log (README.md). The data is in $dir."
exit "$status"
