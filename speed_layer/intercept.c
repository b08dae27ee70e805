/* intercept.c: the command: stands in front of a website, logs each request, passes it on.
 *
 * The end, in this order: nobody is accepted any more; requests that are under way get their answers; the queue of events gets its time; what is
 * left of it is on disk. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "main/command.h"
#include "main/hangup.h"
#include "main/daemon.h"
#include "main/notify.h"
#include "main/option.h"
#include "main/stop.h"
#include "main/views.h"
#include "net/listen.h"
#include "net/tls.h"
#include "speed_layer/intercept_meter.h"
#include "speed_layer/loop.h"

enum {
    LOOK_MS = 200,
    REFRESH_S = 30,
    BACKLOG = 4096,
    THREADS_MAX = 64,
    OTHER_FILES = 200,
    CAPTURE_PATIENCE_MS = 5000,
    TIMEOUT_MS_MAX = 7 * 86400000
};

struct intercept_options {
    const char *listen, *mode, *key, *certificate, *certificate_key, *upstream_ca;
    struct tl_option_list upstreams, trusted;
    struct tl_event_options event;
    struct tl_capture_options capture;
    struct tl_collect_options collect;
    struct tl_intercept_times times;
    int64_t threads, head_bytes_max, body_bytes_max, connections_max, peer_max, drain_ms;
    bool proxy_protocol, no_collect;
};

struct intercept {
    const struct tl_common_options *common;
    const struct intercept_options *options;
    struct tl_functions *functions;
    struct tl_plan *plan; /* NULL: no views file */
    struct tl_daemon *daemon;
    struct tl_intercept shared;
    struct tl_listen listen;
    struct tl_loop *loops[THREADS_MAX];
    unsigned long long turns[THREADS_MAX]; /* of each loop, as of the last look */
    size_t loops_count;
    struct tl_intercept_meter *meter;
    pthread_t names; /* looks up where the sites are: a resolver may take its time */
    pthread_mutex_t names_mutex;
    pthread_cond_t names_end;
    bool names_running, ending; /* with the mutex: ending */
};

/* ---- SIGHUP: the certificate anew ---- */

/* Connections that are open keep theirs. */
static void reload(struct intercept *intercept)
{
    struct tl_err err = {0};
    SSL_CTX *fresh, *old;

    if (!tl_hangup_taken() || intercept->options->certificate == NULL)
        return;
    if (tl_tls_server_open(intercept->options->certificate, intercept->options->certificate_key, &fresh, &err) != TL_OK) {
        tl_diag(TL_ERROR, "the certificate of before stays: %s", err.message);
        return;
    }
    pthread_mutex_lock(&intercept->shared.tls_mutex);
    old = intercept->shared.tls;
    intercept->shared.tls = fresh;
    pthread_mutex_unlock(&intercept->shared.tls_mutex);
    tl_tls_close(old);
    tl_diag(TL_INFO, "the certificate was read anew");
}

/* ---- opening ---- */

/* A connection of a client and one to the site, each a file. */
static unsigned connections_max(const struct intercept_options *options)
{
    struct rlimit files;
    int64_t most = options->connections_max;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        if (files.rlim_cur != RLIM_INFINITY && most > tl_max_i64((int64_t)files.rlim_cur - OTHER_FILES, 16))
            most = tl_max_i64((int64_t)files.rlim_cur - OTHER_FILES, 16);
    }
    return (unsigned)tl_min_i64(most, INT32_MAX);
}

static enum tl_code listen_open(struct intercept *intercept, struct tl_err *err)
{
    struct tl_intercept *shared = &intercept->shared;
    char text[TL_LISTEN_TEXT_BYTES];
    int on = 1;
    enum tl_code rc;

    TL_TRY(tl_listen_parse(intercept->options->listen, &intercept->listen, err));
    TL_TRY(tl_listen_handed_over(&intercept->listen, &shared->listen_fd, err));
    shared->handed_over = shared->listen_fd >= 0;
    if (!shared->handed_over)
        TL_TRY(tl_listen_open(&intercept->listen, BACKLOG, &shared->listen_fd, err));
    /* Connections inherit both. */
    setsockopt(shared->listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(shared->listen_fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    tl_diag_event(TL_INFO, "listens",
                  (const struct tl_diag_kv[]){
                      {"url", tl_listen_text(&intercept->listen, text), 0}
    },
                  1);
out:
    return rc;
}

static enum tl_code check_times(const struct tl_intercept_times *times, struct tl_err *err)
{
    const struct {
        const char *name;
        int64_t ms;
    } all[] = {
        {"head",    times->head   },
        {"body",    times->body   },
        {"write",   times->write  },
        {"idle",    times->idle   },
        {"connect", times->connect},
        {"answer",  times->answer },
        {"quiet",   times->quiet  },
        {"pool",    times->pool   },
    };

    for (size_t t = 0; t < TL_COUNT(all); t++)
        if (all[t].ms < 1 || all[t].ms > TIMEOUT_MS_MAX)
            return tl_fail(err, TL_ERR_USAGE, "--%s-timeout: from 1ms to 7d would do; no end at all is none", all[t].name);
    return TL_OK;
}

static enum tl_code check(const struct intercept_options *options, struct tl_err *err)
{
    if (options->threads < 1 || options->threads > THREADS_MAX)
        return tl_fail(err, TL_ERR_USAGE, "--threads %lld: 1 to %d would do", (long long)options->threads, THREADS_MAX);
    if ((options->certificate == NULL) != (options->certificate_key == NULL))
        return tl_fail(err, TL_ERR_USAGE, "--tls-certificate and --tls-key belong together");
    if (options->proxy_protocol && options->trusted.count == 0)
        return tl_fail(err, TL_ERR_USAGE,
                       "--proxy-protocol is for connections of proxies that are trusted: --trust-proxy CIDR says which");
    if (options->head_bytes_max < 1024 || options->head_bytes_max > 1 << 20)
        return tl_fail(err, TL_ERR_USAGE, "--max-head %lld: 1024 to 1048576 bytes would do", (long long)options->head_bytes_max);
    if (options->connections_max < 1)
        return tl_fail(err, TL_ERR_USAGE, "--max-connections 0: 1 or more would do");
    return check_times(&options->times, err);
}

static enum tl_code shared_open(struct intercept *intercept, struct tl_err *err)
{
    const struct intercept_options *options = intercept->options;
    struct tl_intercept *shared = &intercept->shared;
    enum tl_code rc;

    shared->times = options->times;
    shared->mode = options->capture.mode;
    shared->key = options->capture.key;
    shared->proxy_protocol = options->proxy_protocol;
    shared->head_bytes_max = (size_t)options->head_bytes_max;
    shared->body_bytes_max = options->body_bytes_max;
    shared->connections_max = connections_max(options);
    shared->peer_max = (unsigned)tl_min_i64(options->peer_max, INT32_MAX);
    if (getrandom(&shared->peer_seed, sizeof shared->peer_seed, 0) != (ssize_t)sizeof shared->peer_seed)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "getrandom"));
    TL_TRY(tl_trust_open(&options->trusted, &shared->trust, err));
    TL_TRY(tl_upstreams_open(&options->upstreams, options->upstream_ca, &shared->upstreams, err));
    TL_TRY(tl_event_rules_open(&options->event, &shared->rules, err));
    if (!options->no_collect)
        TL_TRY(tl_collect_open(&options->collect, &shared->collect, err));
    if (options->certificate != NULL)
        TL_TRY(tl_tls_server_open(options->certificate, options->certificate_key, &shared->tls, err));
    TL_TRY(tl_daemon_open("intercept", intercept->common, &intercept->daemon, err));
    TL_TRY(tl_capture_open(intercept->common, intercept->plan, &options->capture, intercept->daemon, &shared->capture, err));
    TL_TRY(listen_open(intercept, err));
out:
    return rc;
}

static enum tl_code loops_open(struct intercept *intercept, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (; intercept->loops_count < (size_t)intercept->options->threads; intercept->loops_count++)
        TL_TRY(tl_loop_open(&intercept->shared, &intercept->loops[intercept->loops_count], err));
    TL_TRY(tl_intercept_meter_open(intercept->daemon, intercept->loops, intercept->loops_count, &intercept->meter, err));
    for (size_t l = 0; l < intercept->loops_count; l++)
        TL_TRY(tl_loop_start(intercept->loops[l], err));
out:
    return rc;
}

/* ---- the run ---- */

static void *names_main(void *arg)
{
    struct intercept *intercept = arg;

    pthread_mutex_lock(&intercept->names_mutex);
    while (!intercept->ending) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += REFRESH_S;
        if (pthread_cond_timedwait(&intercept->names_end, &intercept->names_mutex, &until) != ETIMEDOUT || intercept->ending)
            continue;
        pthread_mutex_unlock(&intercept->names_mutex);
        tl_upstreams_refresh(intercept->shared.upstreams);
        pthread_mutex_lock(&intercept->names_mutex);
    }
    pthread_mutex_unlock(&intercept->names_mutex);
    return NULL;
}

static enum tl_code names_start(struct intercept *intercept, struct tl_err *err)
{
    sigset_t all, before;
    int failure;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&intercept->names, NULL, names_main, intercept);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start a thread for names");
    }
    intercept->names_running = true;
    return TL_OK;
}

static void names_stop(struct intercept *intercept)
{
    if (!intercept->names_running)
        return;
    pthread_mutex_lock(&intercept->names_mutex);
    intercept->ending = true;
    pthread_cond_signal(&intercept->names_end);
    pthread_mutex_unlock(&intercept->names_mutex);
    pthread_join(intercept->names, NULL);
}

/* A loop that is stuck keeps main's sign of life back (main/notify.h), so that a watchdog sees it. Otherwise each has turned since the last look. */
static void await_loops(struct intercept *intercept)
{
    for (size_t l = 0; l < intercept->loops_count; l++) {
        atomic_ullong *turns = &intercept->loops[l]->counts.turns;

        while (atomic_load_explicit(turns, memory_order_relaxed) == intercept->turns[l])
            tl_clock_sleep_ms(TL_DEADLINE_TICK_MS);
        intercept->turns[l] = atomic_load_explicit(turns, memory_order_relaxed);
    }
}

static void serve(struct intercept *intercept)
{
    tl_notify_ready();
    if (intercept->daemon != NULL)
        tl_health_state(intercept->daemon->health, true, "running");
    while (!tl_stop_requested()) {
        tl_clock_sleep_ms(LOOK_MS);
        reload(intercept);
        await_loops(intercept);
    }
    if (intercept->daemon != NULL)
        tl_health_state(intercept->daemon->health, false, "drains");
}

static void close_all(struct intercept *intercept)
{
    struct tl_intercept *shared = &intercept->shared;

    for (size_t l = 0; l < intercept->loops_count; l++)
        tl_loop_drain(intercept->loops[l], intercept->options->drain_ms);
    for (size_t l = 0; l < intercept->loops_count; l++)
        tl_loop_join(intercept->loops[l]);
    tl_capture_close(shared->capture, CAPTURE_PATIENCE_MS); /* its last words are for the loops */
    tl_intercept_meter_close(intercept->meter);
    for (size_t l = 0; l < intercept->loops_count; l++)
        tl_loop_close(intercept->loops[l]);
    if (shared->listen_fd >= 0)
        close(shared->listen_fd);
    names_stop(intercept);
    tl_daemon_close(intercept->daemon);
    tl_upstreams_close(shared->upstreams);
    tl_collect_close(shared->collect);
    tl_event_rules_close(shared->rules);
    tl_trust_close(shared->trust);
    tl_tls_close(shared->tls);
    tl_views_close(intercept->functions, intercept->plan);
}

static enum tl_code intercept_main(const struct tl_common_options *common, const struct intercept_options *options,
                                   struct tl_err *err)
{
    struct intercept *intercept = calloc(1, sizeof *intercept);
    enum tl_code rc = TL_OK;

    if (intercept == NULL)
        return tl_fail_memory(err, sizeof *intercept);
    intercept->common = common;
    intercept->options = options;
    intercept->shared.listen_fd = -1;
    pthread_mutex_init(&intercept->shared.tls_mutex, NULL);
    pthread_mutex_init(&intercept->names_mutex, NULL);
    pthread_cond_init(&intercept->names_end, NULL);
    TL_TRY(check(options, err));
    if (common->views != NULL)
        TL_TRY(tl_views_open(common, common->views, &intercept->functions, &intercept->plan, err));
    TL_TRY(shared_open(intercept, err));
    TL_TRY(loops_open(intercept, err));
    TL_TRY(names_start(intercept, err));
    serve(intercept);
out:
    close_all(intercept);
    pthread_mutex_destroy(&intercept->shared.tls_mutex);
    pthread_mutex_destroy(&intercept->names_mutex);
    pthread_cond_destroy(&intercept->names_end);
    free(intercept);
    return rc;
}

/* ---- options ---- */

#define AT(field) offsetof(struct intercept_options, field)

static const struct tl_option intercept_table[] = {
    {"listen",                 TL_OPT_TEXT,     "ADDR:PORT",                  "where clients come to (127.0.0.1:8080)",                                     AT(listen),                0},
    {"upstream",               TL_OPT_LIST,     "[HOST=]URL",                 "the site; HOST=URL for that host alone, *.HOST=URL for all below it",        AT(upstreams),
     0                                                                                                                                                                                  },
    {"upstream-ca",            TL_OPT_FILE,     "FILE",                       "whose certificates a site of https is to have (whom the system trusts)",
     AT(upstream_ca),                                                                                                                                                                  0},
    {"tls-certificate",        TL_OPT_FILE,     "FILE",                       "speaks TLS: certificate (PEM, with its chain), read anew on SIGHUP",
     AT(certificate),                                                                                                                                                                  0},
    {"tls-key",                TL_OPT_FILE,     "FILE",                       "its key (PEM)",                                                              AT(certificate_key),       0},
    {"trust-proxy",            TL_OPT_LIST,     "CIDR",                       "a proxy before this one: what it says of the client counts",                 AT(trusted),               0},
    {"proxy-protocol",         TL_OPT_FLAG,     NULL,                         "trusted proxies begin each connection with a PROXY header, v1 or v2",
     AT(proxy_protocol),                                                                                                                                                               0},
    {"mode",                   TL_OPT_CHOICE,   "best-effort|broker|durable", "when an event counts as captured (best-effort: the site never waits)",
     AT(mode),                                                                                                                                                                         0},
    {"key",                    TL_OPT_CHOICE,   "none|host|ip|visitor",       "what decides on an event's partition (none: its id)",                        AT(key),                   0},
    {"topic",                  TL_OPT_TEXT,     "NAME",                       "where events go (the views file's, or events)",                              AT(capture.topic),         0},
    {"partitions",             TL_OPT_COUNT,    "N",                          "of a topic that is not there yet",                                           AT(capture.partitions),    0},
    {"spool",                  TL_OPT_FILE,     "DIR",                        "where events wait while the log is away (DIR/spool of --data)",              AT(capture.spool),         0},
    {"spool-max",              TL_OPT_COUNT,    "BYTES",                      "of the spool; beyond it events are dropped, and counted (1073741824)",
     AT(capture.spool_bytes_max),                                                                                                                                                      0},
    {"memory-max",             TL_OPT_COUNT,    "BYTES",                      "of events in memory; beyond it they go to the spool (33554432)",
     AT(capture.memory_bytes_max),                                                                                                                                                     0},
    {"redact-header",          TL_OPT_LIST,     "NAME",                       "a header whose value is never logged, beside Authorization, Cookie, ...",
     AT(event.redact_headers),                                                                                                                                                         0},
    {"mask-param",             TL_OPT_LIST,     "NAME",                       "a query parameter whose value is never logged, beside token, password, ...",
     AT(event.mask_params),                                                                                                                                                            0},
    {"exclude",                TL_OPT_LIST,     "PATH",                       "is passed on and not logged: /health, or /admin/* for all below",            AT(event.exclude),         0},
    {"files",                  TL_OPT_TEXT,     ".EXT,...",                   "endings of what is passed on and not logged (none: no files)",               AT(event.file_extensions),
     0                                                                                                                                                                                  },
    {"log-localhost",          TL_OPT_FLAG,     NULL,                         "logs requests to localhost too",                                             AT(event.log_localhost),   0},
    {"anonymize-ip",           TL_OPT_FLAG,     NULL,                         "keeps 24 bits of an IPv4 address, 48 of IPv6",                               AT(event.anonymize_ip),    0},
    {"honor-dnt",              TL_OPT_FLAG,     NULL,                         "logs nobody who sends DNT or Sec-GPC",                                       AT(event.honor_dnt),       0},
    {"no-collect",             TL_OPT_FLAG,     NULL,                         "takes no events at /tally/collect: the path is the site's",                  AT(no_collect),            0},
    {"collect-path",           TL_OPT_TEXT,     "/tally",                     "below which events of browsers and servers come",                            AT(collect.path),          0},
    {"collect-origin",         TL_OPT_LIST,     "URL",                        "whose pages may send events, beside the site's own; * for all",              AT(collect.origins),
     0                                                                                                                                                                                  },
    {"collect-token-file",     TL_OPT_FILE,     "FILE",                       "the word that servers are known by (or TALLY_COLLECT_TOKEN)",
     AT(collect.token_file),                                                                                                                                                           0},
    {"threads",                TL_OPT_COUNT,    "N",                          "that serve requests (as many as there are cores)",                           AT(threads),               0},
    {"max-head",               TL_OPT_COUNT,    "BYTES",                      "of a request's head (32768)",                                                AT(head_bytes_max),        0},
    {"max-body",               TL_OPT_COUNT,    "BYTES",                      "of a request's body (0: no limit)",                                          AT(body_bytes_max),        0},
    {"max-connections",        TL_OPT_COUNT,    "N",                          "of clients at a time (10000)",                                               AT(connections_max),       0},
    {"max-connections-per-ip", TL_OPT_COUNT,    "N",                          "of one address that is no trusted proxy (0: no limit)",                      AT(peer_max),              0},
    {"head-timeout",           TL_OPT_DURATION, "10s",                        "for a request's head, and a handshake",                                      AT(times.head),            0},
    {"body-timeout",           TL_OPT_DURATION, "20s",                        "for each 10000 bytes of a request's body",                                   AT(times.body),            0},
    {"write-timeout",          TL_OPT_DURATION, "60s",                        "for whoever takes nothing of what is sent",                                  AT(times.write),           0},
    {"idle-timeout",           TL_OPT_DURATION, "60s",                        "between two requests",                                                       AT(times.idle),            0},
    {"connect-timeout",        TL_OPT_DURATION, "5s",                         "for the site to take a connection",                                          AT(times.connect),         0},
    {"answer-timeout",         TL_OPT_DURATION, "60s",                        "for the head of the site's answer",                                          AT(times.answer),          0},
    {"quiet-timeout",          TL_OPT_DURATION, "10min",                      "between two pieces of an answer, or of a WebSocket",                         AT(times.quiet),           0},
    {"pool-timeout",           TL_OPT_DURATION, "4s",                         "that a connection to the site waits for another request",                    AT(times.pool),            0},
    {"drain-timeout",          TL_OPT_DURATION, "10s",                        "on SIGTERM, for requests that are under way",                                AT(drain_ms),              0},
};

static const struct tl_usage intercept_usage = {
    .text =
        "A reverse proxy: each request becomes one event in the log, and goes on to the site. If the log is away, events wait\n"
        "on disk; the site never does, unless --mode durable asks for it.",
    .example = "tally intercept --listen 127.0.0.1:8080 --upstream http://127.0.0.1:3000",
    .options = intercept_table,
    .options_count = TL_COUNT(intercept_table),
    .daemon = true,
};

static int64_t cores(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : tl_min_i64(count, THREADS_MAX);
}

TL_COMMAND(intercept, "stands in front of a website and logs each request")
{
    static const char *const keys[] = {"none", "host", "ip", "visitor"}, *const modes[] = {"best-effort", "broker", "durable"};
    struct intercept_options own = {
        .listen = "127.0.0.1:8080",
        .mode = "best-effort",
        .key = "none",
        .threads = cores(),
        .head_bytes_max = 32 << 10,
        .connections_max = 10000,
        .drain_ms = 10000,
        .collect = TL_COLLECT_OPTIONS_DEFAULT,
        .capture = {.spool_bytes_max = 1 << 30, .memory_bytes_max = 32 << 20},
        .times = { .head = 10000,
                    .idle = 60000,
                    .body = 20000,
                    .write = 60000,
                    .connect = 5000,
                    .answer = 60000,
                    .quiet = 600000,
                    .pool = 4000},
    };
    struct tl_common_options common;
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&intercept_usage, argc, argv, &common, &own, &status))
        return status;
    for (size_t i = 0; i < TL_COUNT(keys); i++)
        if (strcmp(own.key, keys[i]) == 0)
            own.capture.key = (enum tl_capture_key)i;
    for (size_t i = 0; i < TL_COUNT(modes); i++)
        if (strcmp(own.mode, modes[i]) == 0)
            own.capture.mode = (enum tl_capture_mode)i;
    own.event.user_agents = common.user_agents;
    tl_stop_install();
    tl_hangup_install();
    rc = intercept_main(&common, &own, &err);
    if (rc != TL_OK) {
        tl_diag_err(&err);
        status = tl_exit_status(rc);
    }
    return status;
}
