/* serve.c: the command: answers dashboards and programs from the store.
 *
 *     loop thread     all connections: gate (who may ask), desk (what is kept), pages. It never touches a store or a file
 *     readers         each with a store handle: answer what is not kept (readers.h, api.h)
 *     pulse           one store handle: has it changed, is it there (pulse.h)
 *     main            options, signals, the end
 *
 * The end, in this order: nobody is accepted any more, and answers that are under way have PATIENCE_MS; the readers end; what they still had to say
 * goes nowhere. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "assets.h"
#include "base/clock.h"
#include "base/diag.h"
#include "desk.h"
#include "live_http.h"
#include "main/command.h"
#include "main/hangup.h"
#include "main/notify.h"
#include "main/stop.h"
#include "main/views.h"
#include "serving/openapi_json.h"

enum {
    LOOK_MS = 100,
    PATIENCE_MS = 5000,
    QUEUE_MAX = 256,
    OTHER_FILES = 200,
    HEAD_BYTES_MAX = 32768, /* a cursor may have half of it */
    HEAD_MS = 10000,
    IDLE_MS = 60000,
    WRITE_MS = 30000,
    MEMORY_KEPT_BYTES = 16 << 20,
};

struct serve_options {
    const char *listen, *certificate, *key;
    struct tl_gate_options gate;
    int64_t horizon_ms, readers, query_ms, cache_bytes_max, connections_max, peer_max;
};

struct serve {
    const struct serve_options *own;
    struct tl_api api;
    struct tl_functions *functions;
    struct tl_plan *plan; /* NULL: no views file */
    struct tl_daemon *daemon;
    struct tl_serve_meter *meter;
    struct tl_gate *gate;
    struct tl_pulse *pulse;
    struct tl_readers *readers;
    struct tl_http_server *server;
    struct tl_desk *desk;
    struct tl_live_http *live;
    pthread_t loop;
    bool running;
};

/* ---- requests ---- */

static void on_request(void *ctx, struct tl_http_call *call)
{
    struct serve *serve = ctx;
    const struct tl_asset *asset = tl_asset_find(call->path);

    if (!tl_gate_let_in(serve->gate, call))
        return;
    if (tl_sv_eq(call->path, TL_SV("/sign_in.html"))) /* the gate gives it, in place of "/", to whoever is not in */
        asset = NULL;
    if (tl_sv_eq(call->path, TL_SV("/openapi.json")) || tl_sv_eq(call->path, TL_SV("/api/v1/openapi.json")))
        tl_desk_give(serve->desk, call, "application/json", (struct tl_sv){(const char *)openapi_json, sizeof openapi_json});
    else if (asset != NULL)
        tl_desk_give(serve->desk, call, asset->type, (struct tl_sv){(const char *)asset->bytes, asset->size});
    else if (!tl_live_http_take(serve->live, call))
        tl_desk_ask(serve->desk, call);
}

static void on_reloaded(void *ctx, const struct tl_err *err)
{
    (void)ctx;
    if (err != NULL)
        tl_diag(TL_ERROR, "the certificate of before stays: %s", err->message);
    else
        tl_diag(TL_INFO, "the certificate was read anew");
}

static void *loop_main(void *arg)
{
    tl_http_server_run(arg);
    return NULL;
}

/* ---- opening ---- */

/* On a monitor's thread. */
static struct tl_serve_levels levels(void *ctx)
{
    const struct serve *serve = ctx;

    return (struct tl_serve_levels){
        .connections = tl_http_server_connections(serve->server),
        .waiting = tl_readers_waiting(serve->readers),
        .cached_bytes = tl_desk_cached_bytes(serve->desk),
        .live = tl_live_http_figures(serve->live),
    };
}

static unsigned connections_max(const struct serve_options *own)
{
    struct rlimit files;
    int64_t most = own->connections_max;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_cur != RLIM_INFINITY)
            most = tl_min_i64(most, tl_max_i64((int64_t)files.rlim_cur - OTHER_FILES, 16));
    }
    return (unsigned)tl_min_i64(most, INT32_MAX);
}

static enum tl_code check(const struct serve_options *own, struct tl_err *err)
{
    if ((own->certificate == NULL) != (own->key == NULL))
        return tl_fail(err, TL_ERR_USAGE, "--tls-certificate and --tls-key belong together");
    if (own->readers < 1 || own->readers > TL_READERS_MAX)
        return tl_fail(err, TL_ERR_USAGE, "--readers %lld: 1 to %d would do", (long long)own->readers, TL_READERS_MAX);
    if (own->query_ms < 1 || own->query_ms > 3600000)
        return tl_fail(err, TL_ERR_USAGE, "--query-timeout: from 1ms to 1h would do");
    if (own->connections_max < 1)
        return tl_fail(err, TL_ERR_USAGE, "--max-connections 0: 1 or more would do");
    return TL_OK;
}

static enum tl_code server_open(struct serve *serve, struct tl_err *err)
{
    const struct serve_options *own = serve->own;
    struct tl_http_server_config config = {
        .certificate = own->certificate,
        .key = own->key,
        .limits = {.head_bytes_max = HEAD_BYTES_MAX,
                   .body_bytes_max = 0,
                   .connections_max = connections_max(own),
                   .connections_per_address = (unsigned)tl_min_i64(own->peer_max, INT32_MAX),
                   .head_ms = HEAD_MS,
                   .idle_ms = IDLE_MS,
                   .body_ms = HEAD_MS,
                   .write_ms = WRITE_MS},
        .request = on_request,
        .reloaded = on_reloaded,
        .ctx = serve,
    };
    char text[TL_LISTEN_TEXT_BYTES];
    enum tl_code rc;

    TL_TRY(tl_listen_parse(own->listen, &config.listen, err));
    TL_TRY(tl_gate_open(&own->gate, &config.listen, serve->meter, &serve->gate, err));
    TL_TRY(tl_http_server_open(&config, &serve->server, err));
    if (own->certificate == NULL && !tl_gate_is_loopback(serve->gate))
        tl_diag(
            TL_WARN,
            "--listen %s without TLS: secrets and numbers can be read on their way; --tls-certificate and --tls-key would do, "
            "or a proxy in front that speaks TLS",
            own->listen);
    tl_diag_event(TL_INFO, "listens",
                  (const struct tl_diag_kv[]){
                      {"url", tl_listen_text(tl_http_server_listen(serve->server), text), 0}
    },
                  1);
out:
    return rc;
}

static enum tl_code start_loop(struct serve *serve, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&serve->loop, NULL, loop_main, serve->server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start a thread");
    }
    serve->running = true;
    return TL_OK;
}

static enum tl_code live_open(struct serve *serve, struct tl_err *err)
{
    struct tl_live_http_config config = {.server = serve->server,
                                         .meter = serve->meter,
                                         .gate = serve->gate,
                                         .pulse = serve->pulse,
                                         .changes = tl_changes_usual(),
                                         .limits = tl_live_usual_limits()};
    char *file = NULL;
    enum tl_code rc = TL_OK;

    if (asprintf(&file, "%s/live.db", serve->api.common->data) < 0)
        TL_TRY(tl_fail_memory(err, 0));
    config.changes.store = serve->api.common->store;
    config.changes.file = file;
    config.changes.horizon_ms = serve->own->horizon_ms;
    TL_TRY(tl_live_http_open(&config, &serve->live, err));
out:
    free(file);
    return rc;
}

/* Answers of a megabyte come and go. Their memory is used again: given back and taken anew, each page of it costs a fault. Of each thread's, so much at most. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT_BYTES);
    mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_BYTES);
}

static enum tl_code open_all(struct serve *serve, struct tl_err *err)
{
    const struct serve_options *own = serve->own;
    const char *store = serve->api.common->store;
    enum tl_code rc;

    TL_TRY(check(own, err));
    keep_memory();
    if (serve->api.common->views != NULL)
        TL_TRY(tl_views_open(serve->api.common, serve->api.common->views, &serve->functions, &serve->plan, err));
    serve->api.plan = serve->plan;
    TL_TRY(tl_daemon_open("serve", serve->api.common, &serve->daemon, err));
    TL_TRY(tl_serve_meter_open(serve->daemon, levels, serve, &serve->meter, err));
    TL_TRY(server_open(serve, err));
    TL_TRY(tl_pulse_open(store, serve->daemon, &serve->pulse, err));
    TL_TRY(tl_readers_open(
        &(struct tl_readers_config){
            .store = store, .count = (unsigned)own->readers, .queue_max = QUEUE_MAX, .pulse = serve->pulse},
        &serve->readers, err));
    TL_TRY(tl_desk_open(&(struct tl_desk_config){.server = serve->server,
                                                 .api = &serve->api,
                                                 .readers = serve->readers,
                                                 .pulse = serve->pulse,
                                                 .gate = serve->gate,
                                                 .meter = serve->meter,
                                                 .query_ms = own->query_ms,
                                                 .cache_bytes_max = (size_t)own->cache_bytes_max},
                        &serve->desk, err));
    TL_TRY(live_open(serve, err));
    tl_serve_meter_start(serve->meter);
    TL_TRY(start_loop(serve, err));
out:
    return rc;
}

static void close_all(struct serve *serve)
{
    tl_serve_meter_stop(serve->meter);
    tl_live_http_stop(serve->live);
    if (serve->running) {
        tl_http_server_stop(serve->server, PATIENCE_MS);
        pthread_join(serve->loop, NULL);
    }
    tl_readers_stop(serve->readers);
    tl_http_server_close(serve->server); /* with what the readers had to say */
    tl_readers_close(serve->readers);
    tl_live_http_close(serve->live);
    tl_desk_close(serve->desk);
    tl_pulse_close(serve->pulse);
    tl_gate_close(serve->gate);
    tl_serve_meter_close(serve->meter);
    tl_daemon_close(serve->daemon);
    tl_views_close(serve->functions, serve->plan);
}

/* ---- the run ---- */

static enum tl_code serve_main(const struct tl_common_options *common, const struct serve_options *own, struct tl_err *err)
{
    struct serve serve = {.own = own, .api = {.common = common}};
    enum tl_code rc;

    TL_TRY(open_all(&serve, err));
    if (serve.daemon != NULL)
        tl_health_state(serve.daemon->health, true, "running");
    tl_notify_ready();
    while (!tl_stop_requested()) {
        tl_clock_sleep_ms(LOOK_MS);
        if (tl_hangup_taken() && own->certificate != NULL)
            tl_http_server_reload(serve.server);
    }
    if (serve.daemon != NULL)
        tl_health_state(serve.daemon->health, false, "drains");
out:
    close_all(&serve);
    return rc;
}

/* ---- options ---- */

#define AT(field) offsetof(struct serve_options, field)

static const struct tl_option serve_table[] = {
    {"listen",                 TL_OPT_TEXT,     "ADDR:PORT", "where it is asked (127.0.0.1:8090); beyond the loopback with a secret only",           AT(listen),
     0                                                                                                                                                                     },
    {"auth-file",              TL_OPT_FILE,     "FILE",      "who may ask: lines 'token NAME SECRET', 'basic USER PASSWORD' (or TALLY_SERVE_TOKEN)",
     AT(gate.auth_file),                                                                                                                                                  0},
    {"tls-certificate",        TL_OPT_FILE,     "FILE",
     "speaks TLS: certificate (PEM, with its chain), read anew when it changes and on SIGHUP",                                                       AT(certificate),     0},
    {"tls-key",                TL_OPT_FILE,     "FILE",      "its key (PEM)",                                                                        AT(key),             0},
    {"cors",                   TL_OPT_LIST,     "ORIGIN",    "whose pages may read answers: https://dashboard.example, or * (none but its own)",
     AT(gate.origins),                                                                                                                                                    0},
    {"host",                   TL_OPT_LIST,     "NAME",      "a name that requests may have in Host on the loopback, for a proxy before it",         AT(gate.hosts),
     0                                                                                                                                                                     },
    {"rate",                   TL_OPT_COUNT,    "N",         "requests a second that one address may make (200, and any number on the loopback)",
     AT(gate.rate),                                                                                                                                                       0},
    {"readers",                TL_OPT_COUNT,    "N",         "threads that ask the store, each with a connection of its own (4)",                    AT(readers),         0},
    {"live-horizon",           TL_OPT_DURATION, "24h",       "what changes is told of windows that end later than so long ago",                      AT(horizon_ms),
     0                                                                                                                                                                     },
    {"query-timeout",          TL_OPT_DURATION, "10s",       "that a query may take; then it is stopped",                                            AT(query_ms),        0},
    {"cache",                  TL_OPT_BYTES,    "64MB",      "of answers that are kept",                                                             AT(cache_bytes_max), 0},
    {"max-connections",        TL_OPT_COUNT,    "N",         "of clients at a time (10000)",                                                         AT(connections_max), 0},
    {"max-connections-per-ip", TL_OPT_COUNT,    "N",         "of one address (0: no limit)",                                                         AT(peer_max),        0},
};

static const struct tl_usage serve_usage = {
    .text = "The views over HTTP: /api/v1/views, /api/v1/views/NAME, runs, checks, reconciliations and status, as JSON, CSV or "
            "NDJSON; /openapi.json\n"
            "describes them. It only reads, so it may run on another machine than those who write. Rows are rolled up over "
            "longer spans with --views only.",
    .example = "tally serve --data tally-data",
    .options = serve_table,
    .options_count = TL_COUNT(serve_table),
    .daemon = true,
};

TL_COMMAND(serve, "answers dashboards and programs from the store")
{
    struct serve_options own = {.listen = "127.0.0.1:8090",
                                .gate = {.rate = -1},
                                .readers = 4,
                                .horizon_ms = INT64_C(86400000),
                                .query_ms = 10000,
                                .cache_bytes_max = 64000000,
                                .connections_max = 10000};
    struct tl_common_options common;
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&serve_usage, argc, argv, &common, &own, &status))
        return status;
    tl_stop_install();
    tl_hangup_install();
    rc = serve_main(&common, &own, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
