#!/bin/bash
# intercept.sh: the part `intercept` of run.sh, which reads it in.
#
# nginx, HAProxy and tally in front of the same site (nginx, a page of 1 KiB), one worker thread each and a JSON line a request: into a file, and
# for tally into the embedded log or into Kafka. Each way stands alone, one after the other in each round. Loads come from wrk, as fast as it
# gets answers, and from bench_http_load, at the same rate for all.
# shellcheck disable=SC2154  # what run.sh has set
set -euo pipefail

proxies=${BENCH_PROXIES:-build/proxies}
site_port='' proxy_port='' proxy_pid='' site_pid=''
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
answers() { # port
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
wait_for_port() { # port, pid, log
    local i

    for ((i = 0; i < 200; i++)); do
        ! answers "$1" || return 0
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    note "run.sh: nobody listens on port $1:"
    tail -n 20 "$3" >&2
    return 1
}
# One process, all its files below $work/intercept.
nginx_conf() { # name, text for http {}
    local dir=$work/intercept kind

    {
        [ "$(id -u)" -ne 0 ] || echo 'user root;'
        printf 'daemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\npid %s/%s.pid;\n' "$PWD/$dir" "$1"
        printf 'events { worker_connections 20000; }\nhttp {\n'
        for kind in client_body proxy fastcgi uwsgi scgi; do
            printf '%s_temp_path %s/%s.tmp;\n' $kind "$PWD/$dir" $kind
        done
        printf 'keepalive_requests 1000000000;\nkeepalive_timeout 1h;\n%s\n}\n' "$2"
    } >"$dir/$1.conf"
}
site_start() {
    local dir=$work/intercept

    rm -rf "$dir"
    mkdir -p "$dir/site"
    head -c 1024 /dev/zero | tr '\0' x >"$dir/site/body"
    site_port=$(free_port)
    nginx_conf site "access_log off; server { listen 127.0.0.1:$site_port backlog=4096; root $PWD/$dir/site; location / { try_files /body =404; } }"
    "$proxies/nginx" -c "$PWD/$dir/site.conf" -e "$PWD/$dir/site.log" 2>"$dir/site.err" &
    site_pid=$!
    wait_for_port "$site_port" $site_pid "$dir/site.err"
}
# shellcheck disable=SC2016  # the dollars are nginx's
nginx_proxy() {
    nginx_conf nginx "log_format event escape=json '{\"event_id\":\"\$request_id\",\"url\":\"\$scheme://\$host\$request_uri\",\"referrer\":\"\$http_referer\",\"user_agent\":\"\$http_user_agent\",\"host\":\"\$host\",\"ip\":\"\$remote_addr\",\"event_time\":\"\$time_iso8601\",\"method\":\"\$request_method\",\"status\":\$status,\"duration\":\"\$upstream_header_time\",\"bytes\":\$body_bytes_sent}';
access_log $PWD/$work/intercept/events.log event buffer=64k flush=1s;
upstream site { server 127.0.0.1:$site_port; keepalive 128; keepalive_requests 1000000000; }
server { listen 127.0.0.1:$proxy_port backlog=4096; location / { proxy_pass http://site; proxy_http_version 1.1; proxy_set_header Connection \"\";
proxy_set_header Host \$host; proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto \$scheme; } }"
    exec "$proxies/nginx" -c "$PWD/$work/intercept/nginx.conf" -e "$PWD/$work/intercept/nginx.log"
}
haproxy_proxy() {
    cat >"$work/intercept/haproxy.conf" <<END
global
    nbthread 1
    maxconn 4000
    log stdout format raw local0
defaults
    mode http
    log global
    timeout client 1h
    timeout server 1h
    timeout connect 5s
    timeout http-keep-alive 1h
    unique-id-format %[uuid()]
frontend site
    bind 127.0.0.1:$proxy_port backlog 4096
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request capture req.hdr(Host) len 128
    http-request capture req.hdr(Referer) len 256
    http-request capture req.hdr(User-Agent) len 256
    log-format '{"event_id":"%ID","url":"%[capture.req.uri,json(utf8s)]","host":"%[capture.req.hdr(0),json(utf8s)]","referrer":"%[capture.req.hdr(1),json(utf8s)]","user_agent":"%[capture.req.hdr(2),json(utf8s)]","ip":"%ci","event_time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","method":"%HM","status":%ST,"duration_ms":%Tr,"bytes":%B}'
    default_backend site
backend site
    http-reuse always
    server site 127.0.0.1:$site_port pool-max-conn 128
END
    exec "$proxies/haproxy" -f "$work/intercept/haproxy.conf" >"$work/intercept/events.log"
}
tally_proxy() { # further options
    exec "$tally" intercept --listen "127.0.0.1:$proxy_port" --upstream "http://127.0.0.1:$site_port" --data "$work/intercept/data" --threads 1 \
        --max-connections 12000 --idle-timeout 1h --metrics-listen "127.0.0.1:$metrics_port" "$@"
}
proxy_start() { # nginx|haproxy|local|kafka
    proxy_port=$(free_port)
    metrics_port=$(free_port)
    rm -rf "$work/intercept/data" "$work/intercept/events.log"
    case $1 in
        nginx) nginx_proxy & ;;
        haproxy) haproxy_proxy & ;;
        local) tally_proxy & ;;
        kafka)
            "$programs/bench_kafka_rate" fill "$broker" "$topic" 2 /dev/null
            tally_proxy --log kafka --kafka-property "bootstrap.servers=$broker" --topic "$topic" &
            ;;
    esac 2>"$work/intercept/$1.err"
    proxy_pid=$!
    wait_for_port "$proxy_port" $proxy_pid "$work/intercept/$1.err"
}
stop() { # pid
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
# Seconds of CPU that a process has had, all its threads.
cpu_of() { # pid
    sed 's/.*) //' "/proc/$1/stat" | awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) / hz }'
}
rss_of() { # pid
    awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$1/status"
}
# Sets rate (requests a second), cpu_us (the proxy's, a request) and bad (what was not answered well).
wrk_once() { # path, seconds
    local before after out requests

    before=$(cpu_of $proxy_pid)
    out=$(wrk -t1 -c64 "-d${2}s" -H 'Host: www.example.com' -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' \
        -H 'Referer: https://www.example.com/' --latency "http://127.0.0.1:$proxy_port$1")
    after=$(cpu_of $proxy_pid)
    rate=$(awk '/^Requests\/sec:/ { print $2 }' <<<"$out")
    requests=$(awk '/ requests in / { print $1 }' <<<"$out")
    bad=$(awk '/Socket errors:/ { gsub(",", ""); n += $4 + $6 + $8 + $10 } /Non-2xx/ { n += $NF } END { print n + 0 }' <<<"$out")
    cpu_us=$(awk -v a="$after" -v b="$before" -v n="$requests" 'BEGIN { print (n > 0) ? (a - b) * 1e6 / n : 0 }')
}
metric() { # name: sums the series of tally's figures
    python3 -c 'import sys, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:%s/metrics" % sys.argv[1]).read().decode()
print(int(sum(float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l.split("{")[0].split(" ")[0] == sys.argv[2])))' "$metrics_port" "$1"
}
row_of_way() { # way: what it is called
    case $1 in
        nginx) echo "nginx" ;;
        haproxy) echo "HAProxy" ;;
        local) echo "intercept, embedded log" ;;
        kafka) echo "intercept, Kafka" ;;
    esac
}
# All ways in each round; the fixed rate is that of the first round's nginx, divided by 3.
intercept_ways() {
    local i way seconds=${BENCH_SECONDS:-5} line fixed=0
    local -A figure=()

    for ((i = 0; i < rounds; i++)); do
        for way in nginx haproxy local kafka; do
            proxy_start $way
            wrk_once /page 1
            wrk_once /page "$seconds"
            figure[$way rate]+=" $rate"
            figure[$way cpu]+=" $cpu_us"
            figure[$way bad]=$((${figure[$way bad]:-0} + bad))
            [ "$fixed" != 0 ] || fixed=$(awk -v r="$rate" 'BEGIN { print int(r / 3) }')
            line=$("$programs/bench_http_load" rate "$proxy_port" 64 "$fixed" "$seconds")
            for what in p50 p99; do figure[$way $what]+=" $(field "${what}_us" "$line")"; done
            figure[$way bad]=$((${figure[$way bad]} + $(field failed "$line")))
            case $way in
                local | kafka)
                    wrk_once /page.css "$seconds" # a file: passed on, and not logged
                    figure[$way cpu_unlogged]+=" $cpu_us"
                    ;;
            esac
            stop $proxy_pid
        done
    done
    for way in nginx haproxy local kafka; do
        figure[$way rate]=$(median "${figure[$way rate]}")
        for what in cpu p50 p99; do figure[$way $what]=$(median "${figure[$way $what]}"); done
    done
    for way in nginx haproxy; do
        row "$(row_of_way $way): requests a second, CPU each" "${figure[$way rate]}/s, ${figure[$way cpu]} us" "" ""
        row "  p50, p99 at $fixed/s" "${figure[$way p50]} us, ${figure[$way p99]} us" "" ""
    done
    for way in local kafka; do
        line=$(ratio "${figure[$way rate]}" "${figure[nginx rate]}")
        row_target "$(row_of_way $way): requests a second against nginx" "$line x (${figure[$way rate]}/s)" "$line" '>=' 1 ">= 1.0 x"
        line=$(ratio "${figure[$way p99]}" "${figure[nginx p99]}")
        row_target "  p99 at $fixed/s against nginx" "$line x (${figure[$way p99]} us)" "$line" '<=' 1.2 "<= 1.2 x"
        row "  p50; against HAProxy: requests a second, p99" "${figure[$way p50]} us" \
            "$(ratio "${figure[$way rate]}" "${figure[haproxy rate]}") x, $(ratio "${figure[$way p99]}" "${figure[haproxy p99]}") x" ""
        line=$(median "${figure[$way cpu_unlogged]}")
        row "  CPU an event, with its request" "${figure[$way cpu]} us" "without logging $line us" ""
    done
    for way in nginx haproxy local kafka; do
        row_target "$(row_of_way $way): requests that were not answered well" "${figure[$way bad]}" "${figure[$way bad]}" '<=' 0 "0"
    done
}
# 10,000 connections that have had a request and stand there. nginx beside it.
intercept_idle() {
    local way idle line
    local -A rss=()

    for way in nginx local; do
        proxy_start $way
        coproc idle { exec "$programs/bench_http_load" idle "$proxy_port" 10000; }
        read -r line <&"${idle[0]}"
        rss[$way]=$(rss_of $proxy_pid)
        same "connections that stand there ($way)" "ready=10000 failed=0" "$line"
        eval "exec ${idle[1]}>&-"
        wait "$idle_PID" || true
        stop $proxy_pid
    done
    row_target "intercept: memory with 10,000 idle connections" "$(megabytes "${rss[local]}")" "${rss[local]}" '<=' 100000000 "<= 100 MB"
    row "nginx: the same" "$(megabytes "${rss[nginx]}")" "" ""
}
# The broker is killed while requests come in: none fails, and all of them are in the topic once it is back.
intercept_kill() {
    local dir=$work/broker seconds=${BENCH_SECONDS:-5} fixed=2000 before during i waiting count

    mkdir -p "$dir"
    deploy/kafka/kafka.sh up "$dir" >&2
    # shellcheck disable=SC1091
    broker=$(. "$dir/kafka.env" && echo "$KAFKA_URL")
    proxy_start kafka
    before=$("$programs/bench_http_load" rate "$proxy_port" 64 $fixed $((2 * seconds)))
    (sleep 1 && deploy/kafka/kafka.sh kill "$dir") &
    during=$("$programs/bench_http_load" rate "$proxy_port" 64 $fixed $((2 * seconds)))
    waiting=$(metric tally_spool_events)
    deploy/kafka/kafka.sh up "$dir" >&2
    for ((i = 0; i < 600; i++)); do
        [ "$(metric tally_spool_events)" != 0 ] || break
        sleep 0.1
    done
    stop $proxy_pid
    count=$("$programs/bench_kafka_rate" print "$broker" "$topic" 2 | grep -o '"event_id":"[^"]*"' | sort -u | wc -l)
    deploy/kafka/kafka.sh down "$dir"
    row_target "broker killed: requests that failed" "$(field failed "$during")" "$(field failed "$during")" '<=' 0 "0"
    i=$(ratio "$(field p99_us "$during")" "$(field p99_us "$before")")
    row_target "  p99 against before, at $fixed/s" "$i x ($(field p99_us "$during") us)" "$i" '<=' 2 "<= 2 x"
    row "  events in the spool at the worst" "$waiting" "" ""
    i=$(($(field requests "$before") + $(field requests "$during") - count))
    row_target "  events that are missing in the topic afterwards" "$i" "$i" '<=' 0 "0"
}
intercept() {
    # shellcheck disable=SC2034  # servers sets base too
    local broker base topic=bench-intercept-$RANDOM$RANDOM what rate=0 cpu_us=0 bad=0 metrics_port=''

    trap 'kill $proxy_pid $site_pid 2>/dev/null' EXIT
    servers
    site_start
    intercept_ways
    intercept_idle
    intercept_kill
    stop "$site_pid"
    servers
    "$programs/bench_kafka_rate" drop "$broker" "$topic"
    trap - EXIT
    rm -rf "$work/intercept"
}
