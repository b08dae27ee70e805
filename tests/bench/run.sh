#!/bin/bash
# run.sh: the figures of the core and of batch beside their yardsticks, run in turn on the same machine in the same minutes.
#
# `make bench` calls it. BENCH_DIR is where the bench programs are (build/release), TALLY_BIN the program. BENCH_COUNT (2000000) events,
# BENCH_ROUNDS (5) rounds, BENCH_ONLY: which parts. What it makes lies in build/bench and is used again.
#
#   core windows state functions user batch
#   diff        the preview of a change beside the backfill that it goes before, of the same range
#   import      a year of an access log into the master record, beside its writer alone; the same again, and grown
#   reconcile   comparing both layers over a day, beside recomputing it
#   speed       memory by open groups, 10,000 to 1 million, and 5 million with BENCH_LONG=1, which takes minutes; a backlog of one key
#   kafka       from a topic to committed rows, beside a bare consumer and Flink; Flink is fetched from Maven Central, or left out
#   freshness   from an event's hand-over to its row in another connection: BENCH_SECONDS (20) each of eight ways, three rounds at most:
#               some ten minutes
#   replay      speed's tables made anew out of history, beside batch over the same record and beside the live run: speed_layer/KAPPA.md
#   store       rows a second into each store
#   intercept   requests a second, latency, memory and CPU beside nginx and HAProxy (Debian's, in BENCH_PROXIES), and a broker that is killed
#   serve       from a request to a WebSocket client; many clients; answers a second
#
# Only ratios of two programs of one round count: the machines are noisy. Each row says what was measured, its ratio or figure (median of
# the rounds), the target, and whether it was hit.
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=${BENCH_DIR:-build/release}
tally=${TALLY_BIN:-build/release/tally}
count=${BENCH_COUNT:-2000000}
rounds=${BENCH_ROUNDS:-5}
parts='core windows state functions user batch diff import reconcile speed replay kafka freshness store intercept serve'
only=${BENCH_ONLY:-$parts}
bench=tests/bench
work=build/bench
mkdir -p "$work"
misses=0

# ---- helpers -------------------------------------------------------------------------------------------------------------
note() {
    printf '%s\n' "$*" >&2
}
# The value of name=value in a line.
field() {
    sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" <<<"$2"
}
median() {
    tr ' ' '\n' <<<"$*" | sed '/^$/d' | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0) ? a / b : 0 }'
}
# Million events a second; MB.
millions() {
    awk -v n="$1" 'BEGIN { printf "%.2f M/s", n / 1e6 }'
}
megabytes() {
    awk -v n="$1" 'BEGIN { printf "%.0f MB", n / 1e6 }'
}
row() {
    printf '%-58s %-24s %-22s %s\n' "$@"
}
# row_target NAME SHOWN VALUE '>='|'<=' TARGET TEXT
row_target() {
    local verdict=hit

    if ! awk -v a="$3" -v b="$5" -v op="$4" 'BEGIN { exit !(op == ">=" ? a >= b : a <= b) }'; then
        verdict=MISS
        misses=$((misses + 1))
    fi
    row "$1" "$2" "$6" "$verdict"
}
wants() {
    grep -qw -- "$1" <<<"$only"
}
# The same rows on both sides, or the comparison means nothing.
same() {
    if [ "$2" != "$3" ]; then
        note "run.sh: $1 differ: $2 and $3; the figures below compare different work"
        misses=$((misses + 1))
    fi
}

# ---- data ----------------------------------------------------------------------------------------------------------------
events() {
    local made
    made="$count $(cksum <"$programs/bench_events")"
    if [ ! -s "$work/$1.jsonl" ] || [ "$(cat "$work/$1.made" 2>/dev/null)" != "$made" ]; then
        note "  making $work/$1.jsonl ($count events)"
        rm -rf "$work/$1.made" "$work/$1.data"
        "$programs/bench_events" "$1" --count "$count" >"$work/$1.jsonl"
        echo "$made" >"$work/$1.made"
    fi
}
# The same events as a master record: what `tally batch` and DuckDB both read.
archive() {
    if [ ! -e "$work/$1.data/done" ]; then
        note "  importing $work/$1.jsonl into the master record"
        rm -rf "$work/$1.data"
        "$tally" import "$work/$1.jsonl" --format jsonl --into archive --views $bench/views.sql --data "$work/$1.data" >&2
        touch "$work/$1.data/done"
    fi
}
# DuckDB, ClickHouse and Polars, whose scripts take the same arguments and print the same line.
peers=
find_peers() {
    local venv=$work/venv

    if ! cmp -s $bench/requirements.txt "$venv/requirements.txt"; then
        note "  installing DuckDB, ClickHouse and Polars from PyPI into $venv"
        rm -rf "$venv"
        if ! { python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r $bench/requirements.txt; } >&2; then
            note "  no DuckDB, ClickHouse and Polars here (python3-venv and PyPI are needed): their rows are left out"
            return 0
        fi
        cp $bench/requirements.txt "$venv/requirements.txt"
    fi
    peers=$venv/bin/python
}

# ---- core ----------------------------------------------------------------------------------------------------------------
core() {
    local shape i line yard=() ours=() dedup=() checked=() share allocations=() warm=() yard_line='' our_line=''

    for shape in sparse dense; do
        events "$shape"
        yard=() ours=() dedup=() checked=() allocations=() warm=()
        for ((i = 0; i < rounds; i++)); do
            yard_line=$("$programs/bench_yardstick" "$work/$shape.jsonl")
            our_line=$("$programs/bench_core_rate" $bench/views.sql "$work/$shape.jsonl")
            line=$("$programs/bench_core_rate" $bench/views_dedup.sql "$work/$shape.jsonl")
            dedup+=("$(field events_per_s "$line")")
            line=$("$programs/bench_core_rate" $bench/views.sql "$work/$shape.jsonl" 1 retire $bench/checks.sql)
            checked+=("$(field events_per_s "$line")")
            warm+=("$(field allocations "$line")")
            yard+=("$(field events_per_s "$yard_line")")
            ours+=("$(field events_per_s "$our_line")")
            allocations+=("$(field allocations "$our_line")")
        done
        same "rows ($shape)" "$(field rows "$yard_line")" "$(field rows "$our_line")"
        same "checksums ($shape)" "$(field checksum "$yard_line")" "$(field checksum "$our_line")"
        row "yardstick, $shape" "$(millions "$(median "${yard[@]}")")" "$(field rows "$yard_line") rows" ""
        share=$(ratio "$(median "${ours[@]}")" "$(median "${yard[@]}")")
        row_target "core, $shape: share of the yardstick" "$share ($(millions "$(median "${ours[@]}")"))" "$share" '>=' 0.70 ">= 0.70"
        row_target "core, $shape: against 1.9 M/s" "$(millions "$(median "${ours[@]}")")" "$(median "${ours[@]}")" '>=' 1900000 ">= 1.9 M/s"
        row "core, $shape, with deduplication" "$(millions "$(median "${dedup[@]}")")" "" ""
        row_target "core, $shape: allocations once warm" "$(median "${allocations[@]}")" "$(median "${allocations[@]}")" '<=' 0 "0"
        row "core, $shape, with three row checks" "$(millions "$(median "${checked[@]}")")" "$(field dropped "$line") of $(field events "$line") dropped" ""
        row_target "core, $shape: allocations once warm, with row checks" "$(median "${warm[@]}")" "$(median "${warm[@]}")" '<=' 0 "0"
    done
}

# ---- windows -------------------------------------------------------------------------------------------------------------
# HOP, CUMULATE and sessions beside TUMBLE of a minute, the same keys and aggregates. `retire`: each row leaves once. `ticks`: as speed takes
# them, with the rows that are not final yet; there are the allocations counted, for sessions and slices come and go: now and
# then a table whose keys have mostly gone is built anew, some ten allocations, and an event has none.
windows_core() { # shape, retire|ticks
    local shape=$1 mode=$2 view i line events
    local -A rate=() update=() per_row=() rows=() allocated=()

    for ((i = 0; i < rounds; i++)); do
        for view in tumble hop cumulate session count; do
            [ "$view$mode" != sessionretire ] || continue # what was late, only an advance judges
            line=$("$programs/bench_core_rate" "$bench/views_$view.sql" "$work/$shape.jsonl" 1 "$mode")
            rate[$view]+=" $(field events_per_s "$line")"
            update[$view]+=" $(field push_ns "$line")"
            per_row[$view]+=" $(field rows_ns "$line")"
            allocated[$view]+=" $(field allocations_per_event "$line")"
            rows[$view]=$(field rows "$line")
            events=$(field events "$line")
        done
    done
    for view in hop cumulate; do
        line="$view, $shape, $mode: "
        i=$(ratio "$(median "${rate[tumble]}")" "$(median "${rate[$view]}")")
        if [ "$shape" = dense ]; then
            row_target "${line}cost of an event against tumble" "$i x ($(millions "$(median "${rate[$view]}")"))" "$i" '<=' 1.5 "<= 1.5 x"
        else
            row "${line}cost of an event against tumble" "$i x ($(millions "$(median "${rate[$view]}")"))" \
                "$(ratio "${rows[$view]}" "$events") rows an event" ""
        fi
        i=$(ratio "$(median "${update[$view]}")" "$(median "${update[tumble]}")")
        row_target "${line}the same without its rows" "$i x ($(median "${update[$view]}") ns)" "$i" '<=' 1.5 "<= 1.5 x"
        row "${line}cost of a row" "$(median "${per_row[$view]}") ns" "tumble $(median "${per_row[tumble]}") ns" ""
    done
    [ "$mode" = ticks ] || return 0
    for view in session count; do
        row "$view, $shape, $mode" "$(millions "$(median "${rate[$view]}")")" "${rows[$view]} rows" ""
    done
    for view in hop cumulate session; do
        row_target "$view, $shape, $mode: allocations an event once warm" "$(median "${allocated[$view]}")" \
            "$(median "${allocated[$view]}")" '<=' 0.001 "0: <= 0.001"
    done
}
windows() {
    local shape

    for shape in dense sparse; do
        events "$shape"
        windows_core "$shape" retire
    done
    windows_core dense ticks
}

# ---- state ---------------------------------------------------------------------------------------------------------------
state() {
    local line first='' size

    line=$("$programs/bench_state_bytes" $bench/views_state.sql visits 1000000)
    same "open sessions" 1000000 "$(field groups "$line")"
    row_target "1,000,000 open sessions: bytes each" "$(field bytes_per_event "$line")" "$(field bytes_per_event "$line")" '<=' 200 "<= 200"
    row "1,000,000 open sessions: peak memory" "$(megabytes "$(field rss_bytes "$line")")" "" ""
    line=$("$programs/bench_state_bytes" $bench/views_state.sql exact 10000000)
    same "distinct numbers" 10000000 "$(field last "$line")"
    row_target "COUNT(DISTINCT) of 10,000,000 BIGINT: bytes each" "$(field bytes_per_event "$line")" "$(field bytes_per_event "$line")" '<=' 16 "<= 16"
    row "COUNT(DISTINCT) of 10,000,000 BIGINT: peak memory" "$(megabytes "$(field rss_bytes "$line")")" "" ""
    for size in 10000 1000000 10000000; do
        line=$("$programs/bench_state_bytes" $bench/views_state.sql approximate "$size")
        first=${first:-$(field bytes "$line")}
        row_target "APPROX_COUNT_DISTINCT of $size: bytes, scratch and all" "$(field bytes "$line") ($(field last "$line"))" \
            "$(field bytes "$line")" '<=' "$first" "as of 10000"
    done
}

# ---- functions -----------------------------------------------------------------------------------------------------------
# Over the user agents of a real web log where one lies beside the project, else over made ones; warm, one thread, the best of its own rounds.
functions() {
    local log=../shared/data/apache_logs lines line name

    if [ -s "$log" ]; then
        lines=$("$programs/bench_function_rate" "$log")
    else
        note "  no $log here: the user agents are made"
        lines=$("$programs/bench_function_rate")
    fi
    line=$(grep '^user_agents ' <<<"$lines")
    row "user agents: the rules opened" "$(field load_ms "$line") ms" "" ""
    row "user agents: each of $(field different "$line") for the first time" "$(field cold_per_s "$line") /s" \
        "$(field rules_each "$line") expressions" ""
    for name in PARSE_USER_AGENT IS_BOT; do
        line=$(grep "^$name " <<<"$lines")
        row_target "$name, warm" "$(millions "$(field events_per_s "$line")")" "$(field events_per_s "$line")" '>=' 2000000 ">= 2 M/s"
    done
}

# ---- batch ---------------------------------------------------------------------------------------------------------------
batch_against() { # shape, plain|dedup|sessions
    local shape=$1 kind=$2 i views peer line='' glob="$work/$1.data/topics/*/partition=*/*.jsonl.zst"
    local ours=() our_line=''
    local -A theirs=() rows=() rss=()
    local -A name=([duckdb]=DuckDB [clickhouse]=ClickHouse [polars]=Polars)

    case $kind in
        plain) views=$bench/views.sql ;;
        dedup) views=$bench/views_dedup.sql ;;
        sessions) views=$bench/views_session.sql ;;
    esac
    for ((i = 0; i < rounds; i++)); do
        our_line=$("$programs/bench_batch_rate" "$views" "$work/$shape.data" memory)
        ours+=("$(field events_per_s "$our_line")")
        for peer in duckdb clickhouse polars; do
            [ -n "$peers" ] || break
            line=$("$peers" $bench/${peer}_batch.py 1 memory "$kind" "$glob")
            theirs[$peer]+=" $(field events_per_s "$line")"
            rss[$peer]+=" $(field rss_bytes "$line")"
            rows[$peer]=$(field rows "$line")
        done
    done
    if [ -z "$peers" ]; then
        row "batch in memory, $shape, $kind" "$(millions "$(median "${ours[@]}")")" "no peers here" ""
        return 0
    fi
    for peer in duckdb clickhouse polars; do
        same "rows (batch, $shape, $kind, $peer)" "$(field rows "$our_line")" "${rows[$peer]}"
        line=$(ratio "$(median "${ours[@]}")" "$(median "${theirs[$peer]}")")
        row_target "batch in memory, $shape, $kind: against ${name[$peer]}" "$line x ($(millions "$(median "${ours[@]}")"))" "$line" '>=' 2 ">= 2 x"
        row "  ${name[$peer]}" "$(millions "$(median "${theirs[$peer]}")")" "$(megabytes "$(median "${rss[$peer]}")")" ""
    done
}
# Row by row, once and not timed.
same_sessions() { # shape
    local side

    [ -n "$peers" ] || return 0
    "$programs/bench_batch_rate" $bench/views_session.sql "$work/$1.data" "csv:$work/ours.csv" >/dev/null
    "$peers" $bench/duckdb_batch.py 1 memory sessions "$work/$1.data/topics/*/partition=*/*.jsonl.zst" "$work/theirs.csv" >/dev/null
    for side in ours theirs; do
        LC_ALL=C sort -o "$work/$side.csv" "$work/$side.csv"
    done
    same "sessions ($1)" "$(cksum <"$work/ours.csv")" "$(cksum <"$work/theirs.csv")"
    rm -f "$work/ours.csv" "$work/theirs.csv"
}
batch_published() { # shape
    local shape=$1 i glob="$work/$1.data/topics/*/partition=*/*.jsonl.zst"
    local ours=() tables=() peak=() own=() line='' seconds rss rows

    for ((i = 0; i < rounds; i++)); do
        rm -f "$work/store.db" "$work/store.db-wal" "$work/store.db-shm"
        "$programs/bench_timed" "$work/timed" "$tally" batch --views $bench/views.sql --data "$work/$shape.data" \
            --store "sqlite:$work/store.db" --to now >/dev/null 2>"$work/batch.log" || {
            cat "$work/batch.log" >&2
            return 1
        }
        line=$(cat "$work/timed")
        ours+=("$(field seconds "$line")")
        peak+=("$(field rss_bytes "$line")")
        if [ "$shape" = sparse ]; then
            rm -f "$work/own.db" "$work/own.db-wal" "$work/own.db-shm"
            line=$("$programs/bench_batch_rate" $bench/views.sql "$work/$shape.data" "sqlite:$work/own.db")
            own+=("$(field rows_per_s "$line")")
            rows=$(field rows "$line")
        elif [ -n "$peers" ]; then
            tables+=("$(field seconds "$("$peers" $bench/duckdb_batch.py 1 table plain "$glob" "$work/own.duckdb")")")
        fi
    done
    seconds=$(median "${ours[@]}")
    rss=$(median "${peak[@]}")
    if [ "$shape" = sparse ]; then
        row_target "batch published, sparse: share of the store's row rate" \
            "$(ratio "$(awk -v r="$rows" -v s="$seconds" 'BEGIN { print r / s }')" "$(median "${own[@]}")") (${seconds} s)" \
            "$(ratio "$(awk -v r="$rows" -v s="$seconds" 'BEGIN { print r / s }')" "$(median "${own[@]}")")" '>=' 0.8 ">= 0.80"
        row "batch, sparse: peak memory" "$(megabytes "$rss")" "" ""
    else
        if [ -n "$peers" ]; then
            row_target "batch published, dense: against DuckDB's own table" "$(ratio "$(median "${tables[@]}")" "$seconds") x (${seconds} s)" \
                "$(ratio "$(median "${tables[@]}")" "$seconds")" '>=' 2 ">= 2 x"
        fi
        row_target "batch, dense: peak memory" "$(megabytes "$rss")" "$rss" '<=' 100000000 "<= 100 MB"
        batch_deduplicated "$shape"
    fi
}
# Peak memory beside the ids, where they find room, and where --memory leaves them none: then the record is read twice.
batch_deduplicated() { # shape
    local memory i line rss
    local -A seconds=()

    for memory in 16GB 4MB; do
        rss=0
        for ((i = 0; i < rounds; i++)); do
            rm -f "$work"/dedup.db*
            "$programs/bench_timed" "$work/timed" "$tally" batch --views $bench/views_dedup.sql --data "$work/$1.data" \
                --store "sqlite:$work/dedup.db" --to now --memory $memory >/dev/null 2>"$work/batch.log"
            seconds[$memory]+=" $(field seconds "$(cat "$work/timed")")"
            line=$(field rss_bytes "$(cat "$work/timed")")
            rss=$((line > rss ? line : rss))
        done
        if [ $memory = 16GB ]; then
            row_target "batch, $1, dedup: peak memory beside 24 bytes an id" "$(megabytes $((rss - 24 * count)))" $((rss - 24 * count)) '<=' \
                100000000 "<= 100 MB"
        else
            row_target "batch, $1, dedup, --memory 4MB: peak memory beside that" "$(megabytes $((rss - 4000000)))" $((rss - 4000000)) '<=' \
                100000000 "<= 100 MB"
            row "  its time against that with room for all" "$(ratio "$(median "${seconds[4MB]}")" "$(median "${seconds[16GB]}")") x" "" ""
        fi
    done
    rm -f "$work"/dedup.db*
}
# A month of which one day has changed, against a record that holds that day alone: an event comes late, and `tally batch` runs.
batch_one_day() {
    local i side line day=2025-03-17 ratio_of
    local -A seconds=() whole=()

    events month
    archive month
    if ! cmp -s "$work/month.made" "$work/day.made"; then
        rm -rf "$work/day.data"
        grep -F "\"event_time\":\"${day}T" "$work/month.jsonl" >"$work/day.jsonl"
        cp "$work/month.made" "$work/day.made"
    fi
    archive day
    for side in month day; do
        rm -f "$work/$side.db"*
        "$programs/bench_timed" "$work/timed" "$tally" batch --views $bench/views.sql --data "$work/$side.data" --store "sqlite:$work/$side.db" >/dev/null
        whole[$side]=$(field seconds "$(cat "$work/timed")")
    done
    for ((i = 0; i < rounds; i++)); do
        for side in month day; do
            line=$(date +%s%N)
            printf '{"event_id":"late-%s","host":"www.example.com","referrer":null,"event_time":"%sT12:00:00.000Z"}\n' "$line" $day >"$work/late.jsonl"
            "$tally" import "$work/late.jsonl" --format jsonl --into archive --views $bench/views.sql --data "$work/$side.data" 2>/dev/null >&2
            line=$("$programs/bench_timed" "$work/timed" "$tally" batch --views $bench/views.sql --data "$work/$side.data" --store "sqlite:$work/$side.db")
            grep -q ': 1 range,' <<<"$line" || {
                note "run.sh: one day was to be computed: $line"
                misses=$((misses + 1))
            }
            seconds[$side]+=" $(field seconds "$(cat "$work/timed")")"
        done
    done
    ratio_of=$(ratio "$(median "${seconds[month]}")" "$(median "${seconds[day]}")")
    row_target "batch, one dirty day of 30: time against that day alone" "$ratio_of x ($(median "${seconds[month]}") s)" "$ratio_of" '<=' 1.2 "<= 1.2 x"
    row "  all 30 days" "${whole[month]} s" "" ""
    rm -f "$work"/month.db* "$work"/day.db* "$work/late.jsonl"
}
batch() {
    local shape kind

    find_peers
    batch_one_day
    for shape in sparse dense; do
        events "$shape"
        archive "$shape"
        same_sessions "$shape"
        for kind in plain dedup sessions; do
            batch_against "$shape" "$kind"
        done
        batch_published "$shape"
    done
}

# ---- speed ---------------------------------------------------------------------------------------------------------------
# As many open groups as referrers in one window that is still open when the log ends. Each has one event, and so one id in the set that
# finds duplicates.
groups() { # how many; sets rss
    local dir=$work/groups.data

    rm -rf "$dir"
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) {
        ms = int(i * 280000 / n)
        printf "{\"event_id\":\"g%d\",\"host\":\"www.example.com\",\"referrer\":\"https://example.org/from/%d\",\"event_time\":\"2025-03-03T10:%02d:%02d.%03dZ\"}\n",
            i, i, ms / 60000, ms / 1000 % 60, ms % 1000 } }' |
        "$tally" import - --format jsonl --into log --views $bench/views_dedup.sql --data "$dir" >&2
    "$programs/bench_timed" "$work/timed" "$tally" speed --once --views $bench/views_dedup.sql --data "$dir" >/dev/null 2>"$work/speed.log" || {
        cat "$work/speed.log" >&2
        return 1
    }
    same "open groups" "$1" "$(sqlite3 "$dir/views.db" 'SELECT count(*) FROM hits_by_referrer WHERE NOT _final')"
    rm -rf "$dir"
    rss=$(field rss_bytes "$(cat "$work/timed")")
}
speed() {
    local size sizes='10000 100000 1000000' rss few=0

    if [ -n "${BENCH_LONG:-}" ]; then
        sizes+=' 5000000'
    else
        note "  5,000,000 open groups take minutes: BENCH_LONG=1 adds them"
    fi
    for size in $sizes; do
        groups "$size"
        if [ "$size" = 10000 ]; then
            few=$rss
            row "speed: memory at 10000 open groups" "$(megabytes "$rss")" "" ""
        elif [ "$size" = 100000 ]; then
            row_target "speed: memory at 100000 open groups" "$(megabytes "$rss")" "$rss" '<=' 64000000 "<= 64 MB"
        else
            row "speed: memory at $size open groups" "$(megabytes "$rss")" "" ""
        fi
        [ "$size" = 10000 ] || row "  bytes for each group over 10000" "$(((rss - few) / (size - 10000)))" "" ""
    done
    backlog count
    backlog session
}

# A backlog of one busy key in one tick: what an event costs must not grow with how many there are. CPU time: a tick is waited for.
backlog() { # views
    local size i line dir=$work/backlog.data
    local -A seconds=()

    for size in 100000 400000; do
        for ((i = 0; i < rounds; i++)); do
            rm -rf "$dir"
            awk -v n=$size 'BEGIN { for (i = 0; i < n; i++)
                printf "{\"event_id\":\"e%d\",\"host\":\"www.example.com\",\"ip\":\"192.0.2.1\",\"event_time\":\"2025-03-03T%02d:%02d:%02d.%03dZ\"}\n",
                    i, i / 36000, (i / 600) % 60, (i / 10) % 60, (i % 10) * 100 }' |
                "$tally" import - --format jsonl --into log --views "$bench/views_$1.sql" --data "$dir" 2>/dev/null
            "$programs/bench_timed" "$work/timed" "$tally" speed --once --tick 5s --views "$bench/views_$1.sql" --data "$dir" >/dev/null 2>&1
            seconds[$size]+=" $(field cpu_seconds "$(cat "$work/timed")")"
        done
    done
    line=$(ratio "$(median "${seconds[400000]}")" "$(awk -v s="$(median "${seconds[100000]}")" 'BEGIN { print 4 * s }')")
    row_target "$1: an event of 400,000 of one key against 100,000" "$line x ($(median "${seconds[400000]}") s of CPU)" "$line" '<=' 1.5 "<= 1.5 x"
}

# ---- import --------------------------------------------------------------------------------------------------------------
# The lines of the real access log, or made-up ones, over a year: each at its own second or beside a few others.
access_log() {
    local log=$work/access.log made shared=${TALLY_SHARED:-../shared}/data/apache_logs

    made="$count lines of $(cksum <"$bench/run.sh")"
    [ "$(cat "$log.made" 2>/dev/null)" != "$made" ] || return 0
    note "  making $log ($count lines)"
    [ -r "$shared" ] || shared=/dev/null
    awk -v n="$count" -v log_file="$shared" 'BEGIN {
        while ((getline line <log_file) > 0) {
            at = index(line, "[")
            before[lines + 0] = substr(line, 1, at); behind[lines++] = substr(line, at + 27)
        }
        for (; lines < 1000; lines++) {
            before[lines] = "192.0.2." (lines % 250) " - - ["
            behind[lines] = "] \"GET /page/" lines " HTTP/1.1\" 200 " lines " \"-\" \"Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0\""
        }
        split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", month, " ")
        for (i = 0; i < n; i++) {
            s = int(i * (336 * 86400 / n)); d = int(s / 86400); s %= 86400
            printf "%s%02d/%s/2025:%02d:%02d:%02d +0000%s\n", before[i % lines], d % 28 + 1, month[int(d / 28) + 1], int(s / 3600), int(s / 60) % 60, s % 60, behind[i % lines]
        }
    }' >"$log"
    echo "$made" >"$log.made"
}
import_once() { # reads work, leaves the figures in $work/timed
    "$programs/bench_timed" "$work/timed" "$tally" import "$work/access.log" --format combined --host www.example.com --into archive \
        --views $bench/views.sql --data "$work/import.data" >/dev/null
}
# MB of the log a second: `lines` bytes in so many seconds.
log_rate() {
    awk -v bytes="$(stat -c %s "$work/access.log")" -v s="$1" 'BEGIN { printf "%.0f MB/s", (s > 0) ? bytes / s / 1e6 : 0 }'
}
import() {
    local i line name

    local -A seconds=()
    access_log
    for ((i = 0; i < rounds; i++)); do
        rm -rf "$work/import.data"
        import_once
        seconds[import]+=" $(field seconds "$(cat "$work/timed")")"
        seconds[cpu]+=" $(field cpu_seconds "$(cat "$work/timed")")"
        seconds[rss]+=" $(field rss_bytes "$(cat "$work/timed")")"
        line=$("$programs/bench_master_rate" "$work/import.data" events.import)
        seconds[writer]+=" $(field seconds "$line")"
        seconds[writer_cpu]+=" $(field cpu_seconds "$line")"
        import_once
        seconds[again]+=" $(field seconds "$(cat "$work/timed")")"
        cp "$work/access.log" "$work/access.log.before"
        head -n 1000 "$work/access.log.before" >>"$work/access.log"
        import_once
        seconds[grown]+=" $(field seconds "$(cat "$work/timed")")"
        mv "$work/access.log.before" "$work/access.log"
    done
    rm -rf "$work/import.data"
    row "the master record's writer alone" "$(log_rate "$(median "${seconds[writer]}")") of log" "$(megabytes "$(field raw_bytes "$line")") of events" ""
    line=$(ratio "$(median "${seconds[writer]}")" "$(median "${seconds[import]}")")
    row_target "import into the record: share of its rate" "$line ($(log_rate "$(median "${seconds[import]}")"))" "$line" '>=' 0.80 ">= 0.80"
    row "  CPU and memory; CPU of the writer" "$(median "${seconds[cpu]}") s, $(megabytes "$(median "${seconds[rss]}")")" "$(median "${seconds[writer_cpu]}") s" ""
    for name in again grown; do
        line=$(ratio "$(median "${seconds[import]}")" "$(median "${seconds[$name]}")")
        row_target "import, the same $name: against reading it" "$line x ($(median "${seconds[$name]}") s)" "$line" '>=' 5 ">= 5 x"
    done
}

# ---- Kafka ---------------------------------------------------------------------------------------------------------------
servers() { # reads broker and base
    # shellcheck disable=SC1091  # `make bench` has started the servers, which write it
    broker=$(. build/servers.env && echo "$KAFKA_URL")
    # shellcheck disable=SC1091
    base=$(. build/servers.env && echo "$POSTGRES_URL")
}
drop_schema() {
    psql -q "$base" -c 'SET client_min_messages = warning' -c "DROP SCHEMA IF EXISTS $1 CASCADE"
}
flink=
find_flink() {
    local out=build/flink-kafka changed

    changed=$(find tests/flink/src tests/flink/pom.xml -type f -newer "$out/rate.built" 2>/dev/null) || changed=all
    if [ -n "$changed" ]; then
        note "  fetching Flink from Maven Central into $out"
        mkdir -p $out
        if ! mvn -q -B -Pkafka -f tests/flink/pom.xml -Dout="$PWD/$out" compile >&2; then
            note "  no Flink here (Java 17, Maven and Maven Central are needed): its rows are left out"
            return 0
        fi
        touch $out/rate.built
    fi
    flink=$out
}
# views.sql on a topic, for tally and for Flink, whose job ends where the topic does. Flink's watermarks come as it makes them by default,
# every 200 ms: one for each event would only cost it.
topic_views() { # topic
    sed "s/'topic' = 'events'/'topic' = '$1'/" $bench/views.sql >"$work/$1.sql"
    sed "s/localhost:9092/$broker/; s/'scan.watermark.emit.strategy' = 'on-event'/'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'/" \
        "$work/$1.sql" >"$work/$1.bounded.sql"
    "$tally" explain --flink --views "$work/$1.bounded.sql" | sed "s/'connector' = 'print'/'connector' = 'blackhole'/" >"$work/$1.flink.sql"
}
# From a topic to its end, in a new store; leaves the figures in $work/timed.
kafka_once() { # topic, SQLite|PostgreSQL
    local url=sqlite:$work/kafka.db

    rm -rf "$work/kafka.data" "$work"/kafka.db*
    drop_schema bench_kafka
    [ "$2" = SQLite ] || url="$base?schema=bench_kafka"
    "$programs/bench_timed" "$work/timed" "$tally" speed --once --views "$work/$1.sql" --data "$work/kafka.data" --log kafka \
        --kafka-property "bootstrap.servers=$broker" --store "$url" >/dev/null 2>"$work/kafka.log" || {
        cat "$work/kafka.log" >&2
        return 1
    }
}
# The events beyond the first $few a second, of two times: of all events and of $few.
rate_beyond() {
    awk -v n="$count" -v few="$few" -v all="$1" -v start="$2" 'BEGIN { print (all > start) ? (n - few) / (all - start) : 0 }'
}
flink_once() { # topic, topic of few, parallelism: sets line to its rate and memory
    local all start

    line=$("$programs/bench_timed" "$work/timed" java -Xmx3g --add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED \
        --add-opens=java.base/java.time=ALL-UNNAMED -cp "$flink/classes:$flink/lib/*" tally.Rate "$3" "$work/$1.flink.sql" "$work/$2.flink.sql")
    all=$(field seconds "$(grep -F "/$1.flink.sql" <<<"$line")")
    start=$(field seconds "$(grep -F "/$2.flink.sql" <<<"$line")")
    line="rate=$(rate_beyond "$all" "$start") rss_bytes=$(field rss_bytes "$(cat "$work/timed")")"
}
# From a topic of two partitions to committed rows. The bare consumer is timed from its first message to its last, without its start and its
# end; so the same command runs on a topic of 1,000 events too, in the same round, and its time is taken off:
# (N - 1,000) / (T(N) - T(1,000)). Flink's likewise: both views as one job, in a JVM that has run the same jobs before, with no sink
# (blackhole). CPU and memory are those of the whole process.
kafka() {
    local i line broker base few=1000 store all start parallelism best topic=bench-dense-$count topic_few
    local -A rate=()

    if [ "$count" -le $few ]; then
        note "run.sh: kafka needs a BENCH_COUNT above $few"
        return 1
    fi
    servers
    find_flink
    events dense
    topic_few=$topic-first-$few
    head -n $few "$work/dense.jsonl" >"$work/first.jsonl"
    "$programs/bench_kafka_rate" fill "$broker" "$topic" 2 "$work/dense.jsonl"
    "$programs/bench_kafka_rate" fill "$broker" "$topic_few" 2 "$work/first.jsonl"
    topic_views "$topic"
    topic_views "$topic_few"
    for ((i = 0; i < rounds; i++)); do
        line=$("$programs/bench_kafka_rate" read "$broker" "$topic" 2)
        rate[bare]+=" $(field messages_per_s "$line")"
        for store in SQLite PostgreSQL; do
            kafka_once "$topic_few" $store
            start=$(field seconds "$(cat "$work/timed")")
            kafka_once "$topic" $store
            all=$(field seconds "$(cat "$work/timed")")
            rate[$store]+=" $(rate_beyond "$all" "$start")"
            rate[start_$store]+=" $start"
            rate[cpu_$store]+=" $(field cpu_seconds "$(cat "$work/timed")")"
            rate[rss_$store]+=" $(field rss_bytes "$(cat "$work/timed")")"
        done
        for parallelism in 1 2; do
            [ -n "$flink" ] || break
            flink_once "$topic" "$topic_few" $parallelism
            rate[flink_$parallelism]+=" $(field rate "$line")"
            rate[flink_rss_$parallelism]+=" $(field rss_bytes "$line")"
        done
    done
    drop_schema bench_kafka
    rm -rf "$work/kafka.data" "$work"/kafka.db*
    row "Kafka: a bare consumer, dense" "$(millions "$(median "${rate[bare]}")")" "" ""
    for store in SQLite PostgreSQL; do
        line=$(ratio "$(median "${rate[$store]}")" "$(median "${rate[bare]}")")
        row_target "Kafka to committed rows in $store: share of it" "$line ($(millions "$(median "${rate[$store]}")"))" "$line" '>=' 0.7 ">= 0.70"
        row "  CPU and memory" "$(median "${rate[cpu_$store]}") s, $(megabytes "$(median "${rate[rss_$store]}")")" \
            "$(median "${rate[start_$store]}") s for $few" ""
    done
    if [ -z "$flink" ]; then
        row "Kafka: Flink 2.3, no sink" "" "no Flink here" ""
        return 0
    fi
    for parallelism in 1 2; do
        row "Kafka: Flink 2.3, no sink, parallelism $parallelism" "$(millions "$(median "${rate[flink_$parallelism]}")")" \
            "$(megabytes "$(median "${rate[flink_rss_$parallelism]}")")" ""
    done
    best=$(printf '%s\n' "$(median "${rate[flink_1]}")" "$(median "${rate[flink_2]}")" | sort -g | tail -n 1)
    for store in SQLite PostgreSQL; do
        line=$(ratio "$(median "${rate[$store]}")" "$best")
        row_target "Kafka to committed rows in $store: against Flink" "$line x" "$line" '>=' 5 ">= 5 x"
    done
}

# ---- freshness -----------------------------------------------------------------------------------------------------------
# From an event's hand-over to librdkafka to its row in another connection, while speed reads Kafka. Sets line; 1: a row never came.
freshness_once() { # SQLite|PostgreSQL, events a second, tick
    local topic=bench-freshness-$RANDOM$RANDOM store=sqlite:$work/fresh.db view=probes url=sqlite:$work/fresh.db rc=0

    rm -rf "$work/fresh.data" "$work"/fresh.db*
    drop_schema bench_fresh
    [ "$1" = SQLite ] || store=$base view=bench_fresh.probes url="$base?schema=bench_fresh"
    "$programs/bench_kafka_rate" fill "$broker" "$topic" 2 /dev/null
    sed "s/'topic' = 'events'/'topic' = '$topic'/" $bench/views_freshness.sql >"$work/fresh.sql"
    line=$("$programs/bench_freshness" "$broker" "$topic" "$2" "${BENCH_SECONDS:-20}" "$work/dense.jsonl" "$store" $view \
        "$tally" speed --tick "$3" --views "$work/fresh.sql" --data "$work/fresh.data" --log kafka \
        --kafka-property "bootstrap.servers=$broker" --store "$url" 2>"$work/fresh.log") || rc=$?
    "$programs/bench_kafka_rate" drop "$broker" "$topic"
    [ $rc = 0 ] || tail -n 5 "$work/fresh.log" >&2
    return $rc
}
# p50_ms or p99_ms; at 10,000 a second they have targets: 120 and 300 ms at a tick of 200 ms, p99 100 ms at one of 50 ms.
freshness_row() { # way, its name, p50|p99
    local value target=

    value=$(median "${figure["$1 $3"]}")
    case "${1#* } $3" in
        '10000 200ms p50') target=120 ;;
        '10000 200ms p99') target=300 ;;
        '10000 50ms p99') target=100 ;;
    esac
    if [ -n "$target" ]; then
        row_target "$2: $3" "$value ms" "$value" '<=' $target "<= $target ms"
    else
        row "$2: $3" "$value ms" "" ""
    fi
}
freshness() {
    local i line broker base store events tick way name rc
    local -A figure=() lost=()

    servers
    events dense
    for ((i = 0; i < rounds && i < 3; i++)); do
        for tick in 200ms 50ms; do
            for events in 10000 100000; do
                for store in PostgreSQL SQLite; do
                    way="$store $events $tick" rc=0
                    freshness_once $store $events $tick || rc=$?
                    if [ $rc = 1 ]; then
                        lost[$way]=yes
                        continue
                    fi
                    [ $rc = 0 ] || return $rc
                    for name in p50 p99 max; do figure["$way $name"]+=" $(field ${name}_ms "$line")"; done
                    for name in probes events_per_s behind polls_per_s poll_us cpu_seconds rss_bytes; do
                        figure["$way $name"]+=" $(field $name "$line")"
                    done
                done
            done
        done
    done
    drop_schema bench_fresh
    rm -rf "$work/fresh.data" "$work"/fresh.db*
    for tick in 200ms 50ms; do
        for events in 10000 100000; do
            for store in PostgreSQL SQLite; do
                way="$store $events $tick" name="fresh in $store, $events/s, tick $tick"
                if [ -n "${lost[$way]:-}" ]; then
                    row_target "$name: rows that never came" "some" 1 '<=' 0 "none"
                    continue
                fi
                freshness_row "$way" "$name" p50
                freshness_row "$way" "$name" p99
                row "  max, probes; events sent, not yet taken" "$(median "${figure["$way max"]}") ms, $(median "${figure["$way probes"]}")" \
                    "$(median "${figure["$way events_per_s"]}")/s, $(median "${figure["$way behind"]}")" ""
                row "  polls; CPU and memory of speed" "$(median "${figure["$way polls_per_s"]}")/s of $(median "${figure["$way poll_us"]}") us" \
                    "$(median "${figure["$way cpu_seconds"]}") s, $(megabytes "$(median "${figure["$way rss_bytes"]}")")" ""
            done
        done
    done
}

# ---- functions from a library ---------------------------------------------------------------------------------------------
user() {
    local line

    cc -std=c11 -O2 -Icommon/core -shared -fPIC -fvisibility=hidden -o "$work/rate_functions.so" tests/library/rate_functions.c
    while read -r line; do
        row "$(field function "$line") from a library: time against built in" \
            "$(field ratio "$line") x ($(millions "$(field user_per_s "$line")"))" "built in $(millions "$(field builtin_per_s "$line")")" ""
    done < <("$programs/bench_user_function_rate" "$work/rate_functions.so")
}

# ---- store ---------------------------------------------------------------------------------------------------------------
# Rows a second into each store: new ones, the same once more, staged ones; PostgreSQL's against bare libpq in the same round.
store() {
    local i way what line='' url broker base
    local -A rate=()

    servers
    for ((i = 0; i < rounds; i++)); do
        rm -f "$work"/rate.db*
        line=$("$programs/bench_store_rate" "sqlite:$work/rate.db" 200000)
        for what in insert update stage; do rate[sqlite_$what]+=" $(field ${what}_rows_per_s "$line")"; done
        url="$base?schema=bench_store"
        drop_schema bench_store
        line=$("$programs/bench_store_rate" "$url" 200000)
        for what in insert update stage; do rate[postgres_$what]+=" $(field ${what}_rows_per_s "$line")"; done
        for way in unnest pipeline copy values; do
            line=$("$programs/bench_postgres_rate" "$base" $way 200000)
            for what in insert update; do rate[${way}_$what]+=" $(field ${what}_rows_per_s "$line")"; done
        done
    done
    drop_schema bench_store
    rm -f "$work"/rate.db*
    for what in insert update stage; do
        row "store, SQLite: $what" "$(median "${rate[sqlite_$what]}") rows/s" "" ""
        row "store, PostgreSQL: $what" "$(median "${rate[postgres_$what]}") rows/s" \
            "$(ratio "$(median "${rate[postgres_$what]}")" "$(median "${rate[sqlite_$what]}")") of SQLite's" ""
    done
    for what in insert update; do
        for way in pipeline copy values; do
            row "bare libpq, $way: $what" "$(median "${rate[${way}_$what]}") rows/s" "" ""
        done
        line=$(ratio "$(median "${rate[postgres_$what]}")" "$(median "${rate[unnest_$what]}")")
        row_target "store, PostgreSQL, $what: against bare libpq, unnest" "$line ($(median "${rate[unnest_$what]}") rows/s)" "$line" '>=' 0.8 ">= 0.80"
    done
}

# ---- reconcile -----------------------------------------------------------------------------------------------------------
# shellcheck disable=SC1091  # it is looked at by itself
. $bench/reconcile.sh

# ---- diff ----------------------------------------------------------------------------------------------------------------
# shellcheck disable=SC1091  # it is looked at by itself
. $bench/diff.sh

# ---- replay --------------------------------------------------------------------------------------------------------------
# shellcheck disable=SC1091  # it is looked at by itself
. $bench/replay.sh

# ---- intercept -----------------------------------------------------------------------------------------------------------
# shellcheck disable=SC1091  # it is looked at by itself
. $bench/intercept.sh

# ---- serve ---------------------------------------------------------------------------------------------------------------
# shellcheck disable=SC1091  # it is looked at by itself
. $bench/serving.sh

# ---- all of it -----------------------------------------------------------------------------------------------------------
printf '%s events, %s rounds, %s, %s cores\n\n' "$count" "$rounds" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)" "$(nproc)"
row "what" "figure (median)" "target" ""
for part in $parts; do
    if wants "$part"; then
        "$part"
    fi
done
printf '\n%s\n' "$([ "$misses" = 0 ] && echo 'every target was hit' || echo "$misses missed")"
