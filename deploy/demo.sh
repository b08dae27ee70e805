#!/bin/bash
# demo.sh: the whole pipeline, each command shown before its output. `make demo` builds first and calls this.
#
# First a real site with real requests: visitors -> tally intercept -> the bookshop of deploy/demo_site, counted while they come. Then two days of
# made-up traffic, with what goes wrong in real logs planted in it.
#
# DEMO_SECONDS (20) says how long the visitors stay, DEMO_SEED (7) which traffic, DEMO_EVENTS (120000) how much of it is made up, DEMO_DIR (build/demo)
# where it goes; what an earlier demo left there is replaced. With DATABASE_URL the bookshop keeps its records in that PostgreSQL. DEMO_SITE
# (build/demo_site) is where it was built; where it is not, for want of Node.js 20, the first part is left out.
# It ends with the dashboard of what was counted, at DEMO_PORT (8090): on a terminal until Ctrl-C, else it was only looked whether it answers.
# The last row of each part is tally's own verdict: the demo exits as `tally reconcile` does.
set -euo pipefail
cd "$(dirname "$0")/.."

seed=${DEMO_SEED:-7}
events=${DEMO_EVENTS:-120000}
dir=${DEMO_DIR:-build/demo}
seconds=${DEMO_SECONDS:-20}
site=${DEMO_SITE:-build/demo_site}
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

# --- a site of its own, live ----------------------------------------------------------------------------------------------

started=()
# Ends what this script has started, and waits for it.
stop_all() {
    [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
    wait
    started=()
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The first group of a pattern in a file, as soon as it is there; the process that writes it must live.
wait_for() { # FILE PATTERN PID
    local found
    for _ in $(seq 600); do
        found=$(sed -nE "s|.*$2.*|\1|p" "$1" | head -n 1)
        [ -z "$found" ] || break
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    if [ -z "$found" ]; then
        cat "$1" >&2
        echo "demo.sh: that has not started" >&2
        return 1
    fi
    echo "$found"
}

start_site() {
    SITE_DB=$dir/live/site.db deploy/demo_site/serve.sh 0 "$site" >"$dir/live/site.log" 2>&1 &
    started+=($!)
    site_url=$(wait_for "$dir/live/site.log" 'Local: *(http://[^ ]*)' "${started[-1]}")
    # Whoever comes first waits for what is loaded then.
    node -e 'Promise.all(["", "/books/1", "/books/999"].map((path) => fetch(process.argv[1] + path)))' "$site_url"
}

start_tally() {
    printf '%s$ tally up --upstream %s --listen 127.0.0.1:0 --serve-listen 127.0.0.1:0 -- --trust-proxy 127.0.0.1 &%s\n' "$dim" "$site_url" "$reset"
    "$tally" up --upstream "$site_url" --listen 127.0.0.1:0 --serve-listen 127.0.0.1:0 --archive-every 1s -- --trust-proxy 127.0.0.1 \
        2>"$dir/live/up.log" &
    started+=($!)
    front=http://127.0.0.1:$(wait_for "$dir/live/up.log" 'intercept listens url=127.0.0.1:([0-9]+)' "${started[-1]}")
    echo "the dashboard, while they come: http://127.0.0.1:$(wait_for "$dir/live/up.log" 'serve listens url=127.0.0.1:([0-9]+)' "${started[-1]}")/"
}

# How many requests the visitors have made that are to be in the log, by their own count, and how many are.
compare_counts() {
    local asked counted
    asked=$(python3 -c 'import json, sys; n = json.load(open(sys.argv[1])); print(sum(n[k] for k in ("pages", "updates", "not_found", "failed")))' "$dir/live/visitors.json")
    counted=$("$tally" query answers_10s --format csv --limit 1000000 | python3 -c 'import csv, sys; print(sum(int(row["requests"]) for row in csv.DictReader(sys.stdin)))')
    echo "the visitors asked $asked times, files aside; tally has counted $counted"
    [ "$asked" = "$counted" ]
}

records() {
    if [ -n "${DATABASE_URL:-}" ]; then echo PostgreSQL; else echo SQLite; fi
}

live_part() {
    rm -rf "$dir/live"
    mkdir -p "$dir/live"
    export TALLY_VIEWS=deploy/demo/live.sql TALLY_DATA=$dir/live/data

    say "1. A bookshop on Next.js, which keeps its books in $(records), and tally in front of it"
    start_site
    start_tally
    printf 'people and crawlers come to %s for %s s, with pages, updates and mistakes\n' "$front" "$seconds"

    say "2. What they look at, while they do"
    node deploy/demo_site/visitors.js "$front" "$seconds" "$seed" >"$dir/live/visitors.json" &
    local visitors=$!
    for _ in 1 2 3; do
        sleep $((seconds / 4))
        run tally query page_views_10s
    done
    wait "$visitors"
    cat "$dir/live/visitors.json"

    say "3. The end: each request is in the log once"
    stop_all
    sed -n 's/^[^ ]* info \(up .* ended\)/\1/p' "$dir/live/up.log"
    run tally query answers_10s
    compare_counts || live_status=1

    say "4. The batch layer has counted them too, from the record"
    run tally archive
    run tally batch --to now 2>/dev/null
    run tally query page_views_10s
    run tally reconcile || live_status=$?
}

mkdir -p "$dir"
live_status=0
if [ -e "$site/built" ]; then
    live_part
else
    say "1. to 4. are left out: the site they are about is not in $site (make build/demo_site; Node.js 20 or newer)"
fi

# --- two days of made-up traffic -----------------------------------------------------------------------------------------

rm -rf "$dir/data"
export TALLY_VIEWS=deploy/demo/views.sql TALLY_DATA=$dir/data

say "5. What goes wrong: two days of traffic, with late, repeated, misdated and broken lines planted in it"
run traffic --seed "$seed" --events "$events" --days 2 --start "$start" --summary "$dir/planted.json" >"$dir/traffic.jsonl"
cat "$dir/planted.json"

say "6. What is counted: two views in SQL"
printf '%s$ sed -n "/^CREATE VIEW/,/;/p" deploy/demo/views.sql%s\n' "$dim" "$reset"
sed -n '/^CREATE VIEW/,/;/p' deploy/demo/views.sql
printf '%s$ export TALLY_VIEWS=%s TALLY_DATA=%s%s\n' "$dim" "$TALLY_VIEWS" "$TALLY_DATA" "$reset"

say "7. Into the log, two partitions"
run tally import "$dir/traffic.jsonl" --format jsonl --into log --partitions 2

say "8. The speed layer counts the stream"
# One worker: this reads two days at once, and workers that race through a backlog call nothing late that the other has not seen yet.
run tally speed --once --workers 1

say "9. The batch layer counts again, from the full record, and publishes up to a moment inside the data"
run tally archive
run tally batch --to "$boundary"

say "10. One view shows the best number known: batch up to the time boundary, the stream after it"
run tally query page_views_5m --from 2025-03-04T21:50:00Z --to 2025-03-04T22:10:00Z
printf '%s$ tally query traffic_1h --format csv | a bar an hour (# batch, + stream)%s\n' "$dim" "$reset"
"$tally" query traffic_1h --layer batch --limit 1000000 --format csv >"$dir/batch.csv"
"$tally" query traffic_1h --to 2025-03-05 --limit 1000000 --format csv >"$dir/merged.csv"
chart "$(tail -n 1 "$dir/batch.csv" | cut -d, -f1)" <"$dir/merged.csv"

say "11. Where each event went: the sums agree"
run tally status

say "12. Why the two layers differ: late events, and copies that reached the other partition"
status=0
run tally reconcile --limit 3 || status=$?
"$tally" reconcile --format html --by host >"$dir/report.html" || [ "$status" -ne 0 ]
echo "With pictures: $dir/report.html"

[ "$status" -ne 0 ] || status=$live_status

say "13. To look at"
serve_demo() { # port
    printf '%s$ tally serve --listen 127.0.0.1:%s &%s\n' "$dim" "$1" "$reset"
    "$tally" serve --listen "127.0.0.1:$1" 2>"$dir/serve.log" &
    started+=($!)
    served=$(wait_for "$dir/serve.log" 'listens url=127.0.0.1:([0-9]+)' "${started[-1]}")
}
serve_demo "${DEMO_PORT:-8090}" 2>/dev/null || serve_demo 0 # the port is somebody's
echo "Next: tally query page_views_5m --layer speed, tally explain, or your own access.log (README.md). The data is in $dir."
say "The dashboard: http://127.0.0.1:$served/"
if [ -t 1 ]; then
    echo "Ctrl-C ends it."
    wait
fi
exit "$status"
