#!/bin/bash
# kafka.sh: a Kafka broker of one's own for tests and trials: up, down, or killed as a power cut would.
#
# kafka.sh up DIR       starts one with all that it has under DIR, unless it is running; says where it is in DIR/kafka.env
# kafka.sh down DIR     ends it and forgets its topics
# kafka.sh kill DIR     kill -9: `up` starts it again on the same ports, with its topics
# kafka.sh jars DIR     fetches the jars only (KAFKA_JARS, build/kafka-jars unless set)
#
# Listeners: plaintext; TLS that demands a client's certificate; SASL over TLS with PLAIN and SCRAM for alice and for bob. Whoever comes over plaintext may do
# everything; alice and bob what no rule forbids.
set -euo pipefail
home=$(cd "$(dirname "$0")" && pwd)
do=${1:-} dir=${2:-}
if [ -z "$do" ] || [ -z "$dir" ]; then
    sed -n '3,7s/^# //p' "$0" >&2
    exit 2
fi
jars=${KAFKA_JARS:-$home/../../build/kafka-jars}

# Several trees may share one folder of jars: who comes second waits, and finds them there.
fetch_jars() {
    mkdir -p "$jars"
    exec 8>"$jars/lock"
    flock 8
    if [ ! "$jars/pom.xml" -nt "$home/pom.xml" ]; then
        echo "  MVN  deploy/kafka" >&2
        mvn -q -B -f "$home/pom.xml" -Dout="$(cd "$jars" && pwd)" compile >&2
        cp "$home/pom.xml" "$jars/"
    fi
    exec 8>&-
}

# The number may be another process's by now: the command line tells.
running() { [ -f "$dir/pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$dir/pid")/cmdline" | grep -qF "$dir/server.properties"; }

# On the broker's port somebody listens, and it is this broker: another program may have been given the port while this one was down.
answers() {
    local port inode
    port=$(sed -n 's/^plain=//p' "$dir/ports")
    while read -r inode; do
        if [ -n "$(find "/proc/$(cat "$dir/pid")/fd" -lname "socket:\\[$inode\\]" 2>/dev/null)" ]; then
            (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
            return
        fi
    done < <(awk -v at="$(printf ':%04X$' "$port")" '$4 == "0A" && $2 ~ at { print $10 }' /proc/net/tcp /proc/net/tcp6)
    return 1
}

# A free port each, below those that the system gives to whoever connects: while the broker is down, a client that tries and tries again could else be
# given the broker's own port, and find itself there.
choose_ports() {
    python3 - >"$dir/ports" <<'PY'
import random, socket
taken = []
for name in ["plain", "ssl", "sasl", "controller"]:
    while True:
        s, port = socket.socket(), random.randint(15000, 32000)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        taken.append(s)
        print(f"{name}={port}")
        break
PY
}

certificate() { # NAME CA SUBJECT: NAME.key (PKCS #8) and NAME.crt, signed by the CA
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$3" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -out "$1.crt" -days 3650 \
        -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
    rm "$1.csr"
}

make_certificates() {
    mkdir -p "$dir/tls"
    (
        umask 077
        cd "$dir/tls"
        for ca in ca other-ca; do
            openssl req -x509 -newkey rsa:2048 -nodes -keyout $ca.key -out $ca.crt -days 3650 -subj "/CN=tally test $ca" 2>/dev/null
        done
        certificate server ca localhost
        certificate client ca client
        certificate stranger other-ca stranger
        cat server.key server.crt >server.pem
        openssl pkcs8 -topk8 -in client.key -passout pass:client-key-secret -out client-locked.key
    )
}

write_properties() {
    local plain ssl sasl controller
    # shellcheck disable=SC1091  # written above
    . "$dir/ports"
    cat >"$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$plain,SSL://127.0.0.1:$ssl,SASL_SSL://127.0.0.1:$sasl,CONTROLLER://127.0.0.1:$controller
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.keystore.location=$dir/tls/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/tls/ca.crt
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret" user_bob="bob-secret";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
auto.create.topics.enable=false
delete.topic.enable=true
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
message.max.bytes=33554432
replica.fetch.max.bytes=33554432
log.retention.ms=-1
log.segment.delete.delay.ms=1000
log.cleaner.backoff.ms=200
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=2
background.threads=2
EOF
}

java_tool() { java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" "$@"; }

# An id that begins with a dash would be taken for an option.
format() {
    local scram=() user
    for user in alice bob; do
        scram+=(--add-scram "SCRAM-SHA-256=[name=$user,password=$user-secret,iterations=4096]")
        scram+=(--add-scram "SCRAM-SHA-512=[name=$user,password=$user-secret,iterations=4096]")
    done
    java_tool kafka.tools.StorageTool format --cluster-id "$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c1-22)" \
        --config "$dir/server.properties" "${scram[@]}" >"$dir/format.log" 2>&1 || {
        tail -n 5 "$dir/format.log" >&2
        return 1
    }
}

start() {
    # 9: the lock that `up` holds; the broker must not keep it.
    setsid java -Xmx384m -Xms64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dlog4j2.level=WARN -cp "$jars/*" kafka.Kafka "$dir/server.properties" >>"$dir/broker.log" 2>&1 </dev/null 9>&- &
    echo $! >"$dir/pid"
    for _ in $(seq 600); do
        if answers; then
            return
        fi
        running || break
        sleep 0.1
    done
    return 1
}

make() {
    rm -rf "$dir/data" "$dir/tls" "$dir/broker.log"
    choose_ports
    make_certificates
    write_properties
    format
    touch "$dir/formatted"
}

write_environment() {
    local plain ssl sasl controller
    # shellcheck disable=SC1091
    . "$dir/ports"
    printf '%s=%q\n' \
        KAFKA_URL "127.0.0.1:$plain" \
        KAFKA_SSL_URL "127.0.0.1:$ssl" \
        KAFKA_SASL_URL "127.0.0.1:$sasl" \
        KAFKA_CA "$dir/tls/ca.crt" \
        KAFKA_OTHER_CA "$dir/tls/other-ca.crt" \
        KAFKA_CLIENT_CERTIFICATE "$dir/tls/client.crt" \
        KAFKA_CLIENT_KEY "$dir/tls/client.key" \
        KAFKA_CLIENT_LOCKED_KEY "$dir/tls/client-locked.key" \
        KAFKA_CLIENT_KEY_PASSWORD client-key-secret \
        KAFKA_STRANGER_CERTIFICATE "$dir/tls/stranger.crt" \
        KAFKA_STRANGER_KEY "$dir/tls/stranger.key" \
        KAFKA_USER alice \
        KAFKA_PASSWORD alice-secret \
        KAFKA_OTHER_USER bob \
        KAFKA_OTHER_PASSWORD bob-secret \
        KAFKA_DIR "$dir" >"$dir/kafka.env.new"
    mv "$dir/kafka.env.new" "$dir/kafka.env"
}

stop() { # SIGNAL
    running || return 0
    local pid
    pid=$(cat "$dir/pid")
    kill "-$1" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        running || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
exec 9>"$dir/lock"
flock 9
case $do in
up)
    if running && answers; then
        exit 0
    fi
    fetch_jars
    stop KILL
    for ((tries = 3; ; tries--)); do
        is_new=
        if [ ! -f "$dir/formatted" ]; then
            make
            is_new=1
        fi
        write_environment # first: who comes after one that was interrupted here finds a broker that runs
        if start; then
            break
        fi
        # A port was free when it was chosen, and has become another program's before the broker was up.
        if [ -n "$is_new" ] && [ $tries -gt 1 ] && grep -q 'Address already in use' "$dir/broker.log"; then
            rm "$dir/formatted"
            continue
        fi
        echo "kafka.sh: the broker does not come up; $dir/broker.log ends with:" >&2
        tail -n 5 "$dir/broker.log" >&2
        exit 1
    done
    ;;
down)
    stop KILL # nothing of it is kept
    rm -rf "$dir/data" "$dir/formatted" "$dir/kafka.env" "$dir/pid" "$dir/broker.log"
    ;;
kill) stop KILL ;;
jars) fetch_jars ;;
*)
    echo "kafka.sh: $do is none of up, down, kill, jars" >&2
    exit 2
    ;;
esac
