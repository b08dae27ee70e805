# diff.sh: the preview of a change beside the backfill that it goes before, of the same range. Read by run.sh.
#
# A filter before it goes live, against `tally batch` with it into a store of its own: the numbers alone, and with the events behind them, where OLD's
# rows are published; and with those computed, too. Time and CPU of both: where others use the cores too, the time alone says little.
# shellcheck shell=bash disable=SC2154  # run.sh has rounds, work and the helpers

diff_views=tests/bench/views.sql

diff() {
    local shape change i way line
    local -A seconds=() cpu=() held=()

    for shape in sparse dense; do
        events "$shape"
        archive "$shape"
        rm -f "$work"/diff_old.db*
        "$tally" batch --views $diff_views --data "$work/$shape.data" --store "sqlite:$work/diff_old.db" --to now >/dev/null 2>&1
        for change in none some all; do
            sed -e "s/GROUP BY window_start, window_end, host/WHERE $(diff_filter "$change") &/" $diff_views >"$work/diff_new.sql"
            seconds=() cpu=() held=()
            for ((i = 0; i < rounds; i++)); do
                for way in batch numbers events computed; do
                    rm -f "$work"/diff_new.db*
                    diff_run "$way" "$shape"
                    seconds[$way]+=" $(field seconds "$(cat "$work/timed")")"
                    cpu[$way]+=" $(field cpu_seconds "$(cat "$work/timed")")"
                    held[$way]+=" $(field rss_bytes "$(cat "$work/timed")")"
                done
            done
            line=$(sed -n 's/^hits_by_referrer: \(.* change\).*/\1/p' "$work/diff.txt")
            row "diff, $shape: $line" "batch $(median "${seconds[batch]}") s" "$(median "${cpu[batch]}") s CPU" ""
            for way in numbers events computed; do
                i=$(ratio "$(median "${seconds[$way]}")" "$(median "${seconds[batch]}")")
                if [ $way = numbers ]; then
                    row_target "  $way: time against batch" "$i x ($(median "${seconds[$way]}") s)" "$i" '<=' 1.00 "<= 1.00 x"
                else
                    row "  $way: time against batch" "$i x ($(median "${seconds[$way]}") s)" "" ""
                fi
                row "    CPU against batch's" "$(ratio "$(median "${cpu[$way]}")" "$(median "${cpu[batch]}")") x ($(median "${cpu[$way]}") s)" \
                    "$(megabytes "$(median "${held[$way]}")")" ""
            done
        done
    done
    rm -f "$work"/diff_old.db* "$work"/diff_new.db*
}
# Takes every event; all but one of a hundred; half of them.
diff_filter() {
    case $1 in
        none) echo 'event_id IS NOT NULL' ;;
        some) echo "event_id NOT LIKE '%77'" ;;
        all) echo "event_id > 'e5'" ;;
    esac
}
diff_run() { # way, shape; status 1 of a preview says that numbers change
    local range=(--from 2022-12-01 --to 2025-04-01 --data "$work/$2.data") old=(--views "$diff_views" --store "sqlite:$work/diff_old.db")

    case $1 in
        batch) set -- batch --views "$work/diff_new.sql" --store "sqlite:$work/diff_new.db" --data "$work/$2.data" --to 2025-04-01 ;;
        numbers) set -- diff "$work/diff_new.sql" "${range[@]}" "${old[@]}" --no-events ;;
        events) set -- diff "$work/diff_new.sql" "${range[@]}" "${old[@]}" ;;
        computed) set -- diff "$work/diff_new.sql" "${range[@]}" --views $diff_views --store "sqlite:$work/diff_none.db" ;;
    esac
    "$programs/bench_timed" "$work/timed" "$tally" "$@" >"$work/diff.txt" 2>"$work/diff.log" || [ "$1$?" = diff1 ] || {
        cat "$work/diff.log" >&2
        return 1
    }
}
