# serving.sh: how soon a request is seen by those who watch, how many may watch, and how many questions are answered. Read by run.sh behind intercept.sh.
#
# What is seen: requests go through intercept, the log, speed, the store and serve to a client of its WebSocket; probes among 2,000 requests a second, on the
# embedded default, and with Kafka and PostgreSQL. Who watches: 5,000 clients that stand there, and 1,000 of one view that changes every 200 ms. Questions: a view's
# 10,000 rows as JSON, kept and asked for anew; serve's CPU is what counts, for the clients have the other core.
# shellcheck shell=bash disable=SC2154  # run.sh has rounds, work and the helpers, intercept.sh the site

serve_port='' serve_pid='' speed_pid=''
serve_dir=$work/serve
serve_start() { # store, views
    serve_port=$(free_port)
    "$tally" serve --store "$1" --views "$2" --data "$serve_dir" --listen "127.0.0.1:$serve_port" 2>"$serve_dir/serve.err" &
    serve_pid=$!
    wait_for_port "$serve_port" $serve_pid "$serve_dir/serve.err"
}
# Site, intercept, speed and serve. The proxy's folder is intercept.sh's; log and store are in ours.
serve_pipeline() { # local|kafka
    local store=sqlite:$serve_dir/views.db log=(--log local)

    rm -rf "$serve_dir"
    mkdir -p "$serve_dir"
    proxy_port=$(free_port)
    if [ "$1" = kafka ]; then
        topic=bench_serve_$$_$RANDOM
        schema=bench_serve_$$_$RANDOM
        store="$base?schema=$schema"
        log=(--log kafka --kafka-property "bootstrap.servers=$broker")
        "$programs/bench_kafka_rate" fill "$broker" "$topic" 2 /dev/null
    fi
    sed "s/'topic' = 'events'/'topic' = '${topic:-events}'/" "$bench/views_serve.sql" >"$serve_dir/views.sql"
    "$tally" intercept --listen "127.0.0.1:$proxy_port" --upstream "http://127.0.0.1:$site_port" --data "$serve_dir" --topic "${topic:-events}" "${log[@]}" \
        2>"$serve_dir/intercept.err" &
    proxy_pid=$!
    wait_for_port "$proxy_port" $proxy_pid "$serve_dir/intercept.err"
    curl -s -o /dev/null "http://127.0.0.1:$proxy_port/page" # so that there is a log
    "$tally" speed --views "$serve_dir/views.sql" --data "$serve_dir" --store "$store" "${log[@]}" 2>"$serve_dir/speed.err" &
    speed_pid=$!
    serve_wait_for_view "$store"
    serve_start "$store" "$serve_dir/views.sql"
}
serve_wait_for_view() { # store
    local i

    for ((i = 0; i < 200; i++)); do
        ! "$tally" query hits --store "$1" >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    note "run.sh: speed has made no view:"
    tail -n 20 "$serve_dir/speed.err" >&2
    return 1
}
serve_end() {
    stop "$serve_pid"
    stop "$speed_pid"
    stop "$proxy_pid"
    [ -z "$schema" ] || drop_schema "$schema"
    [ -z "$topic" ] || "$programs/bench_kafka_rate" drop "$broker" "$topic"
    schema='' topic=''
}
# From a request to the number in a browser, in a client of the WebSocket.
serve_seen() {
    local way i line seconds=${BENCH_SECONDS:-10} p50 p99

    for way in local kafka; do
        p50='' p99=''
        for ((i = 0; i < rounds; i++)); do
            serve_pipeline $way
            "$programs/bench_http_load" rate "$proxy_port" 32 2000 $((seconds + 5)) >"$serve_dir/load.txt" &
            load_pid=$!
            line=$("$programs/bench_live_load" probe "$proxy_port" "$serve_port" probes "$seconds")
            wait $load_pid
            same "probes that were not seen ($way)" 0 "$(field unseen "$line")"
            same "requests that were not answered ($way)" 0 "$(field failed "$(cat "$serve_dir/load.txt")")"
            p50+=" $(field p50_ms "$line")" p99+=" $(field p99_ms "$line")"
            serve_end
        done
        p50=$(median "$p50") p99=$(median "$p99")
        if [ $way = local ]; then
            row_target "serve: from a request to a WebSocket client, 2,000/s: p50" "$p50 ms" "$p50" '<=' 150 "<= 150 ms"
            row_target "  p99" "$p99 ms" "$p99" '<=' 400 "<= 400 ms"
        else
            row "  with Kafka and PostgreSQL: p50, p99" "$p50 ms, $p99 ms" "" ""
        fi
    done
}
serve_watched() {
    local line before after cpu seconds=${BENCH_SECONDS:-10} idle_rss

    serve_pipeline local
    coproc idle { exec "$programs/bench_live_load" idle "$serve_port" 5000 probes; }
    read -r line <&"${idle[0]}"
    sleep 2
    idle_rss=$(rss_of $serve_pid)
    same "clients that stand there" "ready=5000" "$line"
    eval "exec ${idle[1]}>&-"
    wait "$idle_PID" || true
    row_target "serve: memory with 5,000 clients that stand there" "$(megabytes "$idle_rss")" "$idle_rss" '<=' 200000000 "<= 200 MB"
    "$programs/bench_http_load" rate "$proxy_port" 8 200 $((seconds + 5)) >/dev/null &
    load_pid=$!
    before=$(cpu_of $serve_pid)
    line=$("$programs/bench_live_load" fan "$serve_port" 1000 hits "$seconds")
    after=$(cpu_of $serve_pid)
    wait $load_pid
    cpu=$(awk -v a="$after" -v b="$before" -v s="$seconds" 'BEGIN { printf "%.2f", (a - b) / s }')
    row_target "serve: 1,000 clients of a view that changes with each tick: cores" "$cpu" "$cpu" '<=' 1 "<= 1.00"
    row "  messages a client; from the first client to the last: p50, p99" \
        "$(ratio "$(field messages "$line")" 1000), $(field spread_p50_ms "$line") ms, $(field spread_p99_ms "$line") ms" "" ""
    same "clients that were cut off" 0 "$(field closed "$line")"
    serve_end
}
# Answers by second of serve's CPU.
serve_asked_once() { # script or nothing
    local out before after

    before=$(cpu_of $serve_pid)
    out=$(wrk -t1 -c16 "-d${BENCH_SECONDS:-5}s" ${1:+-s "$1"} "http://127.0.0.1:$serve_port/api/v1/views/hits?limit=10000")
    after=$(cpu_of $serve_pid)
    bad=$(awk '/Socket errors:/ { gsub(",", ""); n += $4 + $6 + $8 + $10 } /Non-2xx/ { n += $NF } END { print n + 0 }' <<<"$out")
    per_core=$(awk -v n="$(awk '/ requests in / { print $1 }' <<<"$out")" -v c="$before" -v d="$after" 'BEGIN { printf "%.0f", n / (d - c) }')
}
serve_asked() {
    local kept='' anew='' i

    events dense
    rm -rf "$serve_dir"
    mkdir -p "$serve_dir"
    "$tally" import "$work/dense.jsonl" --format jsonl --into archive --views "$bench/views.sql" --data "$serve_dir" >&2
    "$tally" batch --views "$bench/views.sql" --data "$serve_dir" >&2
    serve_start "sqlite:$serve_dir/views.db" "$bench/views.sql"
    same "rows of the view" 10000 "$(curl -s "http://127.0.0.1:$serve_port/api/v1/views/hits?limit=10000&format=csv" | sed 1d | wc -l)"
    # Each asks for another time to begin at, before all rows.
    printf 'local n = 0\nrequest = function()\n  n = n + 1\n  return wrk.format(nil, wrk.path .. string.format("&from=2000-01-01T00:%%02d:%%02d.%%03dZ", n / 60000 %% 60, n / 1000 %% 60, n %% 1000))\nend\n' >"$serve_dir/anew.lua"
    for ((i = 0; i < rounds; i++)); do
        serve_asked_once
        kept+=" $per_core"
        same "kept answers that were none" 0 "$bad"
        serve_asked_once "$serve_dir/anew.lua"
        anew+=" $per_core"
        same "answers that were none" 0 "$bad"
    done
    stop "$serve_pid"
    row_target "serve: 10,000 rows, kept: answers a second and core" "$(median "$kept")" "$(median "$kept")" '>=' 2000 ">= 2000"
    row_target "  asked for anew" "$(median "$anew")" "$(median "$anew")" '>=' 300 ">= 300"
}
serve() {
    local schema='' topic='' broker base

    trap 'kill $serve_pid $speed_pid $proxy_pid $site_pid 2>/dev/null' EXIT
    servers
    site_start
    serve_seen
    serve_watched
    stop "$site_pid"
    serve_asked
    trap - EXIT
    rm -rf "$serve_dir" "$work/intercept"
}
