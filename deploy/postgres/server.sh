#!/bin/bash
# server.sh: a PostgreSQL server of one's own for tests and trials: a cluster in a folder, on a port of its own, that nothing else uses.
#
# server.sh start DIR [ENV_FILE]    makes the cluster if there is none, starts it if it does not run. ENV_FILE (DIR.env) then says where it is:
#                                   POSTGRES_URL        role and database "tally", over TCP, with a password
#                                   POSTGRES_ADMIN_URL  the superuser, over the socket
#                                   POSTGRES_CA         the certificate that signed the server's, for sslmode=verify-full
#                                   POSTGRES_DIR        the cluster's folder, for pg_ctl
#                                   What lies beside it as kafka.env and postgres.env is put together in servers.env.
# server.sh stop DIR [ENV_FILE]     ends it; the cluster stays
# server.sh remove DIR [ENV_FILE]   ends it, and removes DIR
# server.sh ctl DIR ARGUMENT...     pg_ctl on it, as the user who owns it: `ctl DIR restart -m immediate`
#
# The server refuses to run as root: then it runs as the system user postgres. Where that user cannot reach DIR, the cluster lies in /var/tmp.
# Nothing is on the disk for sure here (fsync is off): what is killed comes back, what loses its power does not.
set -euo pipefail

die() {
    echo "server.sh: $*" >&2
    exit 1
}
# What the caller has open is not the server's, which lives longer.
for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || [ "$fd" -eq 255 ] || eval "exec $fd>&-"
done
[ $# -ge 2 ] || die "usage: server.sh start|stop|remove|ctl DIR ..."
action=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2

bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || die "there is no PostgreSQL in /usr/lib/postgresql; \`make deps\` installs it"

as_owner=()
owner=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
    owner=postgres
    as_owner=(runuser -u postgres --)
fi

place=$dir
if [ "$(id -u)" -eq 0 ]; then
    chown postgres: "$dir"
    if ! "${as_owner[@]}" test -w "$dir"; then
        place=/var/tmp/tally-postgres-$(cksum <<<"$dir" | cut -d' ' -f1)
        install -d -o postgres -g postgres -m 700 "$place"
    fi
fi
cluster=$place/cluster
# A socket's path may have 107 bytes.
sockets=$place
if [ ${#sockets} -gt 80 ]; then
    sockets=/var/tmp/tally-sockets-$(cksum <<<"$dir" | cut -d' ' -f1)
    install -d -o "$owner" -m 755 "$sockets"
fi

ctl() {
    (cd / && "${as_owner[@]}" "$bin/pg_ctl" -D "$cluster" "$@")
}
running() {
    ctl status >/dev/null 2>&1
}
sql() { # database, statements
    (cd / && "${as_owner[@]}" psql -X -q -v ON_ERROR_STOP=1 -h "$sockets" -p "$(cat "$place/port")" -U postgres -d "$1" -c "$2") >/dev/null
}

# Below those that the system gives to whoever connects, and that brokers of tests choose from (deploy/kafka).
free_port() {
    local port

    while :; do
        port=$((10000 + RANDOM % 5000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# A certificate for localhost, and the one that signed it.
certificates() {
    local work=$1

    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=tally test CA' -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout "$work/server.key" -out "$work/server.csr" 2>/dev/null
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >"$work/san"
    openssl x509 -req -in "$work/server.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 3650 -extfile "$work/san" \
        -out "$work/server.crt" 2>/dev/null
    chmod 600 "$work/server.key"
    chmod 644 "$work/ca.crt"
}

make_cluster() {
    rm -rf "$cluster"
    (cd / && "${as_owner[@]}" "$bin/initdb" -D "$cluster" -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 \
        >"$place/initdb.log" 2>&1) || {
        cat "$place/initdb.log" >&2
        die "initdb failed"
    }
    certificates "$place"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$place"/server.* "$place"/ca.*
    cat >>"$cluster/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$sockets'
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
fsync = off
full_page_writes = off
ssl = on
ssl_cert_file = '$place/server.crt'
ssl_key_file = '$place/server.key'
log_line_prefix = '%m [%p] %u@%d '
CONF
    free_port >"$place/port"
}

start() {
    local attempt

    [ -e "$cluster/PG_VERSION" ] || make_cluster
    for attempt in 1 2 3 4 5; do
        ! running || break
        if ctl start -w -t 60 -l "$place/server.log" -o "-p $(cat "$place/port")" >/dev/null 2>&1; then
            break
        fi
        [ "$attempt" -lt 5 ] || {
            tail -n 20 "$place/server.log" >&2
            die "the server in $dir did not start"
        }
        free_port >"$place/port" # the port may have been taken meanwhile
    done
    if ! sql postgres 'SELECT 1' 2>/dev/null; then
        die "the server in $dir gives no answer; $place/server.log says why"
    fi
    if ! sql tally 'SELECT 1' 2>/dev/null; then
        sql postgres "CREATE ROLE tally LOGIN PASSWORD 'tally'"
        sql postgres 'CREATE DATABASE tally OWNER tally'
    fi
}

# What is known of the servers, in one file; two scripts may write at once.
write_env() {
    local env=$1 folder

    folder=$(dirname "$env")
    cat >"$env.new" <<ENV
POSTGRES_URL='postgresql://tally:tally@127.0.0.1:$(cat "$place/port")/tally'
POSTGRES_ADMIN_URL='postgresql://postgres@/postgres?host=$sockets&port=$(cat "$place/port")'
POSTGRES_CA='$place/ca.crt'
POSTGRES_DIR='$dir'
ENV
    mv "$env.new" "$env"
    put_together "$folder"
}
put_together() {
    (
        flock 9
        cat "$1/kafka.env" "$1/postgres.env" >"$1/servers.env.new" 2>/dev/null || true
        mv "$1/servers.env.new" "$1/servers.env"
    ) 9>"$1/servers.lock"
}

case $action in
start)
    env=${1:-$dir.env}
    exec 8>"$dir.lock"
    flock 8
    start 8>&-
    write_env "$env"
    ;;
stop)
    env=${1:-$dir.env}
    exec 8>"$dir.lock"
    flock 8
    if running; then
        ctl stop -w -m fast >/dev/null
    fi
    rm -f "$env"
    put_together "$(dirname "$env")"
    ;;
remove)
    env=${1:-$dir.env}
    if running; then
        ctl stop -w -m immediate >/dev/null
    fi
    rm -rf "$env" "$place" "$dir" "$dir.lock"
    [ "$sockets" = "$place" ] || rm -rf "$sockets"
    put_together "$(dirname "$env")"
    ;;
ctl)
    ctl "$@"
    ;;
*) die "'$action' is nothing it does; start, stop, remove or ctl" ;;
esac
