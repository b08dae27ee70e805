#!/bin/bash
# test.sh: the functions of example.c in both layers: the same events through speed and through batch give the same rows.
#
# test.sh LIB.so        (`make test` calls it; TALLY_BIN is the program, else `tally` of the PATH; WORK_DIR keeps the data, else it is thrown away)
# Speed is stopped and started in the middle, so that states of the aggregates go through their byte form.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
library=$(realpath "${1:-$here/example.so}")
tally=${TALLY_BIN:-tally}
work=${WORK_DIR:-}
if [ -z "$work" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
rm -rf "$work/data"
export TALLY_FUNCTIONS=$library TALLY_VIEWS=$here/views.sql TALLY_DATA=$work/data

say() {
    printf 'test.sh: %s\n' "$*"
}
fail() {
    say "$*" >&2
    exit 1
}
run() {
    "$tally" "$@" >"$work/$1.out" 2>"$work/$1.err" || {
        local status=$?
        cat "$work/$1.out" "$work/$1.err" >&2
        fail "tally $* ended with $status"
    }
}

# An event a second, from second $1 to $2 and with a pause in each minute: six URLs, three hosts, and now and then a session that is no number.
events() {
    awk -v from="$1" -v to="$2" 'BEGIN {
        split("/ /shop /shop/cart?utm_source=mail&id=7 /shop/shoes/red /news?id=3&utm_source=feed#top /a/b/c/d?utm_source=mail", urls, " ")
        for (i = from; i < to; i++) {
            if (i % 60 >= 36 && i % 60 < 49)
                continue
            printf "{\"event_id\": \"e%d\", \"host\": \"h%d\", \"url\": \"%s\", \"session\": \"%s\", \"seconds\": %.2f, \"event_time\": \"2025-03-03T%02d:%02d:%02d.000Z\"}\n",
                i, (i * 7) % 3, urls[1 + (i * 5) % 6], i % 50 == 49 ? "none" : sprintf("%x", i * 4099), 0.01 + (i * 37) % 100, 10 + i / 3600, i / 60 % 60, i % 60
        }
    }'
}

events 0 315 >"$work/first.jsonl"
events 315 600 >"$work/second.jsonl"
events 7200 7201 >"$work/last.jsonl" # moves the watermark beyond all that is compared
for part in first second last; do
    run import "$work/$part.jsonl" --format jsonl --into log
    run speed --once --workers 1
done
run archive
run batch --to 2025-03-03T11:00:00Z

for view in sources hosts visits threes hours; do
    for layer in speed batch; do
        "$tally" query "$view" --layer "$layer" --to 2025-03-03T11:00:00Z --limit 1000000 --format csv >"$work/$view.$layer.csv"
    done
    [ "$view" = hours ] || [ "$(wc -l <"$work/$view.batch.csv")" -gt 10 ] || fail "$view has hardly a row"
    cmp "$work/$view.speed.csv" "$work/$view.batch.csv" || fail "$view: speed and batch differ"
    say "$view: $(($(wc -l <"$work/$view.batch.csv") - 1)) rows, the same in speed and batch"
done
run reconcile
say "ok"
