# reconcile.sh: what it costs to compare both layers over a day, beside computing that day again. Read by run.sh.
#
# dense's events, in the log and on record, with views.sql under a watermark behind which none comes late, so that no group differs. Into one day events are then
# imported, so that about 1% of its groups differ: the layers' rows are compared, and the events of these groups read again. On one day these groups
# lie in a quarter of an hour, as an outage leaves them; on another they are spread over all of it, so that hardly a block of the record has none.
# shellcheck shell=bash disable=SC2154  # run.sh has rounds, work and the helpers

reconcile_views=$work/views_reconcile.sql
spread_day=2025-03-04 quarter_day=2025-03-05 equal_day=2025-03-06

reconcile_tally() { # command and its own options
    "$tally" "$@" --views "$reconcile_views" --data "$work/reconcile.data"
}
reconcile_data() {
    sed "s/INTERVAL '15' SECOND/INTERVAL '20' MINUTE/" "$bench/views.sql" >"$reconcile_views"
    if cmp -s "$work/dense.made" "$work/reconcile.data/made"; then
        return 0
    fi
    note "  making $work/reconcile.data: the log, the record and both layers' rows"
    rm -rf "$work/reconcile.data"
    mkdir -p "$work/reconcile.data"
    {
        reconcile_tally import "$work/dense.jsonl" --format jsonl --into log
        reconcile_tally speed --once
        reconcile_tally archive
        {
            grep -F "\"event_time\":\"${spread_day}T" "$work/dense.jsonl" | awk 'NR % 900 == 0'
            grep -E "\"event_time\":\"${quarter_day}T12:(0.|1[0-4])" "$work/dense.jsonl"
        } | sed 's/"event_id":"/&planted-/' >"$work/planted.jsonl"
        reconcile_tally import "$work/planted.jsonl" --format jsonl --into archive
        reconcile_tally batch
    } >&2
    cp "$work/dense.made" "$work/reconcile.data/made"
}
# The share of a day's groups that differ, in percent.
differing_share() { # from, to
    reconcile_tally reconcile --from "$1" --to "$2" --format json |
        sed -n 's/^"summary": {"groups": \([0-9]*\), "equal": \([0-9]*\),.*/\1 \2/p' | awk '{ printf "%.2f", 100 * ($1 - $2) / $1 }'
}
reconcile_day() { # from, to, text, at most
    local i share rss=0
    local recomputed=() compared=()

    for ((i = 0; i < rounds; i++)); do
        "$programs/bench_timed" "$work/timed" "$tally" batch --force --from "$1" --to "$2" --views "$reconcile_views" \
            --data "$work/reconcile.data" >/dev/null
        recomputed+=("$(field seconds "$(cat "$work/timed")")")
        "$programs/bench_timed" "$work/timed" "$tally" reconcile --from "$1" --to "$2" --views "$reconcile_views" \
            --data "$work/reconcile.data" >/dev/null
        compared+=("$(field seconds "$(cat "$work/timed")")")
        rss=$(field rss_bytes "$(cat "$work/timed")")
    done
    share=$(ratio "$(median "${compared[@]}")" "$(median "${recomputed[@]}")")
    row_target "reconcile a day, $3: time against computing it" "$share x ($(median "${compared[@]}") s)" "$share" '<=' "$4" "<= $4 x"
    row "  its peak memory" "$(megabytes "$rss")" "" ""
}
reconcile() {
    local day to

    events dense
    reconcile_data
    for day in $equal_day $quarter_day $spread_day; do
        to=$(date -u -d "$day + 1 day" +%F)
        case $day in
        "$equal_day") reconcile_day "$day" "$to" "no difference" 0.10 ;;
        "$quarter_day") reconcile_day "$day" "$to" "$(differing_share "$day" "$to")% of its groups, in 15 min" 0.33 ;;
        *) reconcile_day "$day" "$to" "$(differing_share "$day" "$to")% of its groups, all over it" 0.33 ;;
        esac
    done
    same "shares of groups that differ where none should" "$(differing_share $equal_day "$(date -u -d "$equal_day + 1 day" +%F)")" 0.00
}
