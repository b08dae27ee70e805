# replay.sh: what it costs to make speed's tables anew out of history, beside batch over the same history. Read by run.sh.
#
# The same events in the log, on record, and counted by speed: then batch computes the record into a store of its own, and replay makes speed's tables
# anew, once from the record and once from the log. One partition, as one import fills.
# shellcheck shell=bash disable=SC2154  # run.sh has rounds, work and the helpers

replay_live() { # shape; makes the data and the live store once
    local dir=$work/$1.replay

    if ! cmp -s "$work/$1.made" "$dir/made"; then
        note "  putting $work/$1.jsonl into a log, and on record"
        rm -rf "$dir"
        "$tally" import "$work/$1.jsonl" --format jsonl --into log --views "$bench/views.sql" --data "$dir" >&2
        "$tally" archive --views "$bench/views.sql" --data "$dir" 2>/dev/null >&2
        cp "$work/$1.made" "$dir/made"
    fi
}
replay() {
    local shape i side line rows dir
    local -A seconds cpu rss made

    for shape in dense sparse; do
        events "$shape"
        replay_live "$shape"
        dir=$work/$shape.replay
        seconds=() cpu=() rss=() made=()
        cat "$dir"/topics/*/partition=*/*.zst "$dir/log.db" >/dev/null # what reads first does not read from the disk alone
        for ((i = 0; i < rounds; i++)); do
            rm -f "$dir"/batch.db* "$dir"/views.db*
            for side in live batch record log; do
                case $side in
                    live) set -- speed --once ;;
                    batch) set -- batch --to now --store "sqlite:$dir/batch.db" ;;
                    *) set -- replay "--from-$side" ;;
                esac
                "$programs/bench_timed" "$work/timed" "$tally" "$@" --views "$bench/views.sql" --data "$dir" >/dev/null 2>"$work/replay.log" || {
                    cat "$work/replay.log" >&2
                    return 1
                }
                line=$(cat "$work/timed")
                seconds[$side]+=" $(field seconds "$line")"
                cpu[$side]+=" $(field cpu_seconds "$line")"
                rss[$side]+=" $(field rss_bytes "$line")"
                case $side in
                    batch) rows=$(sqlite3 "$dir/batch.db" 'SELECT count(*) FROM hits_by_referrer_batch') ;;
                    *) rows=$(sqlite3 "$dir/views.db" 'SELECT count(*) FROM hits_by_referrer_speed') ;;
                esac
                made[$side]=$rows
            done
        done
        same "rows ($shape, live and record)" "${made[live]}" "${made[record]}"
        same "rows ($shape, live and log)" "${made[live]}" "${made[log]}"
        row "batch, $shape" "$(median "${seconds[batch]}") s, $(median "${cpu[batch]}") s CPU" "$(megabytes "$(median "${rss[batch]}")")" "${made[batch]} rows"
        for side in record log live; do
            row "$([ $side = live ] && echo "speed live" || echo "replay from the $side"), $shape" \
                "$(median "${seconds[$side]}") s, $(median "${cpu[$side]}") s CPU" "$(megabytes "$(median "${rss[$side]}")")" "${made[$side]} rows"
            row "  against batch: time, CPU, memory" "$(ratio "$(median "${seconds[$side]}")" "$(median "${seconds[batch]}")") x, $(ratio \
                "$(median "${cpu[$side]}")" "$(median "${cpu[batch]}")") x, $(ratio "$(median "${rss[$side]}")" "$(median "${rss[batch]}")") x" "" ""
        done
    done
}
