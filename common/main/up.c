/* up.c: the command: all parts in one group of processes, embedded default.
 *
 * Runs each part as a child of its own with the same shared options, starts it again when it ends (main/part.h), runs batch every
 * --batch-every and at --batch-at by the wall clock (then with reconcile behind it), and gathers what they say (main/up_log.h). It looks at nothing but the processes: whether a part gets on with its work is for
 * its own /readyz to say.
 *
 * The end, in this order, each with the patience that the parts' table states: first intercept, so that no request is cut and
 * all events reach the log; beside it a batch or a reconcile that is under way, which loses only its own run, and serve; then speed, with a last tick; then archive. Who does not
 * end in time is killed, and the exit status is 3. A second signal hurries: all are told to end at once and have 2 s. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "event/zone.h"
#include "main/command.h"
#include "main/hangup.h"
#include "main/notify.h"
#include "main/option.h"
#include "main/part.h"
#include "main/stop.h"
#include "main/up_log.h"
#include "main/views.h"
#include "net/monitor.h"
#include "sql/plan.h"

enum { LOOK_MS = 100, BATCH_EVERY_MS = 3600000, HURRY_MS = 2000, ARGS_MAX = 64 + 4 * TL_OPTION_LIST_MAX };

struct up_options {
    int64_t batch_every_ms, archive_every_ms, patience_ms;
    struct tl_option_list upstreams;
    const char *listen;       /* NULL: intercept's default */
    const char *serve_listen; /* NULL: serve's default */
    const char *batch_at, *batch_metrics_file;
};

/* In the order of the ports for monitors. */
enum { SPEED, ARCHIVE, INTERCEPT, SERVE, BATCH, RECONCILE, PARTS };

struct up {
    const struct tl_common_options *common;
    const struct up_options *own;
    struct tl_up_log *log;
    struct tl_functions *functions;
    struct tl_plan *plan;  /* for its time zone */
    int64_t batch_at_ms;   /* of the day; -1: at no time of its own */
    int64_t batch_next_ms; /* when that is next, wall clock */
    struct tl_part parts[PARTS];
    char listens[PARTS][TL_LISTEN_TEXT_BYTES]; /* for monitors; "": nowhere */
    int64_t hurried_ms;                        /* since when, monotonic; 0: nobody has said so */
};

/* ---- a part's command line ---- */

struct args {
    const char *items[ARGS_MAX];
    int count;
};

static void add(struct args *args, const char *word)
{
    assert(args->count < ARGS_MAX - 1);
    args->items[args->count++] = word;
}

static void add_option(struct args *args, const char *flag, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    add(args, flag);
    add(args, value);
}

static void add_list(struct args *args, const char *flag, const struct tl_option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        add_option(args, flag, list->items[i]);
}

static void add_common(struct args *args, const struct tl_common_options *common)
{
    add_option(args, "--views", common->views);
    add_option(args, "--data", common->data);
    add_option(args, "--log", common->log);
    add_option(args, "--store", common->store);
    add_option(args, "--log-format", common->log_format);
    add_option(args, "--functions", common->functions);
    add_option(args, "--places", common->places);
    add_option(args, "--user-agents", common->user_agents);
    add_option(args, "--checks", common->checks);
    add_list(args, "--kafka-property", &common->kafka_properties);
    if (common->verbose)
        add(args, "-v");
}

/* Sockets that systemd has opened (sd_listen_fds(3)) came to up, which keeps them open over restarts; they are for intercept. */
static void deal_sockets(bool wanted)
{
    const char *pid = getenv("LISTEN_PID");
    char own[24];

    if (pid == NULL || strtol(pid, NULL, 10) != getppid())
        return;
    snprintf(own, sizeof own, "%d", (int)getpid());
    if (wanted)
        setenv("LISTEN_PID", own, 1);
    else
        unsetenv("LISTEN_PID");
}

/* In the child. The command runs in this very program: no second binary to find, and none that an upgrade has changed meanwhile. */
static int run_part(const struct tl_part *part, void *ctx)
{
    struct up *up = ctx;
    size_t p = (size_t)(part - up->parts);
    struct args args = {.count = 0};
    char interval[32];

    tl_up_log_close(up->log);
    for (size_t other = 0; other < PARTS; other++)
        if (up->parts[other].output.fd >= 0)
            close(up->parts[other].output.fd);
    deal_sockets(p == INTERCEPT);
    add(&args, part->name);
    add_common(&args, up->common);
    add_option(&args, "--metrics-listen", up->listens[p]);
    if (p == ARCHIVE) {
        snprintf(interval, sizeof interval, "%lldms", (long long)up->own->archive_every_ms);
        add(&args, "--follow");
        add_option(&args, "--interval", interval);
    } else if (p == SERVE) {
        add_option(&args, "--listen", up->own->serve_listen);
    } else if (p == BATCH) {
        add_option(&args, "--metrics-file", up->own->batch_metrics_file);
    } else if (p == RECONCILE) {
        add(&args, "--quiet");
        dup2(STDERR_FILENO, STDOUT_FILENO); /* a report that somebody has to see stands with what the parts say */
    } else if (p == INTERCEPT) {
        add_list(&args, "--upstream", &up->own->upstreams);
        add_option(&args, "--listen", up->own->listen);
        for (int i = 0; i < up->common->args_count; i++)
            add(&args, up->common->args[i]);
    }
    args.items[args.count] = NULL;
    return tl_command_find(part->name)->run(args.count, (char **)(uintptr_t)args.items);
}

/* ---- watching ---- */

struct speaker {
    struct tl_up_log *log;
    const char *part;
};

static void hand_on(void *ctx, struct tl_sv lines, bool named)
{
    const struct speaker *speaker = ctx;

    tl_up_log_put(speaker->log, speaker->part, lines, named);
}

/* Waits until somebody says something, a child ends (its pipe closes) or a signal comes, but not for long. */
static void listen_to_parts(struct up *up)
{
    struct pollfd pipes[PARTS];

    for (size_t p = 0; p < PARTS; p++)
        pipes[p] = (struct pollfd){.fd = up->parts[p].output.fd, .events = POLLIN};
    (void)poll(pipes, PARTS, LOOK_MS);
    for (size_t p = 0; p < PARTS; p++) {
        struct speaker speaker = {up->log, up->parts[p].name};

        tl_part_output_read(&up->parts[p].output, tl_clock_monotonic_ms(), hand_on, &speaker);
    }
}

static bool has_ended(struct up *up, size_t p, bool wanted, struct tl_part_end *end)
{
    struct speaker speaker = {up->log, up->parts[p].name};

    return tl_part_ended(&up->parts[p], wanted, tl_clock_monotonic_ms(), hand_on, &speaker, end);
}

static bool is_used(const struct up *up, size_t p)
{
    if (p == SERVE)
        return tl_command_find("serve") != NULL && (up->own->serve_listen == NULL || strcmp(up->own->serve_listen, "none") != 0);
    if (p == RECONCILE)
        return up->batch_at_ms >= 0 && tl_command_find("reconcile") != NULL;
    return p != INTERCEPT || up->own->upstreams.count > 0;
}

static void tell(struct up *up, size_t p, int signal_number)
{
    if (up->parts[p].pid > 0)
        kill(up->parts[p].pid, signal_number);
}

static void hang_up(struct up *up)
{
    tell(up, INTERCEPT, SIGHUP); /* whoever has changed the certificate knows up's pid alone */
    tell(up, SERVE, SIGHUP);
}

/* ---- batch by the clock on the wall ---- */

static enum tl_code read_batch_at(struct up *up, struct tl_err *err)
{
    const char *text = up->own->batch_at;
    int hour = 0, minute = 0, end = 0;

    up->batch_at_ms = -1;
    if (text == NULL)
        return TL_OK;
    if (strlen(text) != 5 || sscanf(text, "%2d:%2d%n", &hour, &minute, &end) != 2 || end != 5 || text[0] == '-' ||
        text[0] == '+' || hour > 23 || minute < 0 || minute > 59)
        return tl_fail(err, TL_ERR_USAGE, "--batch-at %s: a time of day would do, by the clock of 'table.local-time-zone': 02:00",
                       text);
    up->batch_at_ms = (hour * INT64_C(60) + minute) * 60000;
    up->batch_next_ms = tl_zone_next_ms(up->plan->settings.zone, up->batch_at_ms, tl_clock_wall_ms());
    return TL_OK;
}

/* Due at its time whatever the monotonic clock has missed (a machine that slept), and in between every --batch-every where that was given. */
static void time_batch(struct up *up)
{
    struct tl_part *batch = &up->parts[BATCH];
    int64_t now_ms = tl_clock_wall_ms(), every_ms = up->own->batch_every_ms;

    if (up->batch_at_ms < 0)
        return;
    if (now_ms >= up->batch_next_ms) {
        batch->due_ms = tl_clock_monotonic_ms();
        up->batch_next_ms = tl_zone_next_ms(up->plan->settings.zone, up->batch_at_ms, now_ms);
    }
    batch->every_ms = up->batch_next_ms - now_ms;
    if (every_ms >= 0)
        batch->every_ms = tl_min_i64(batch->every_ms, every_ms);
    up->parts[RECONCILE].every_ms = batch->every_ms;
}

/* Until a signal comes or one has ended for good: then *status is what it ended with. */
static void supervise(struct up *up, int *status)
{
    struct tl_part_end end;

    while (!tl_stop_requested()) {
        if (tl_hangup_taken())
            hang_up(up);
        time_batch(up);
        for (size_t p = 0; p < PARTS; p++)
            if (is_used(up, p) && up->parts[p].pid == 0 && tl_clock_monotonic_ms() >= up->parts[p].due_ms)
                tl_part_start(&up->parts[p], run_part, up, tl_clock_monotonic_ms());
        tl_notify_ready();
        listen_to_parts(up);
        for (size_t p = 0; p < PARTS; p++) {
            if (!has_ended(up, p, false, &end))
                continue;
            if (end.final) {
                *status = end.status;
                return;
            }
            if (p == BATCH || p == RECONCILE) /* behind each batch, whatever that came to, and at no other time */
                up->parts[RECONCILE].due_ms = p == BATCH ? tl_clock_monotonic_ms() : INT64_MAX;
        }
    }
}

/* ---- the end ---- */

/* A second signal. */
static void hurry(struct up *up)
{
    if (!tl_stop_hurried() || up->hurried_ms > 0)
        return;
    up->hurried_ms = tl_clock_monotonic_ms();
    tl_diag(TL_WARN, "told to stop again: what has not ended in %d s is killed", HURRY_MS / 1000);
    for (size_t p = 0; p < PARTS; p++)
        tell(up, p, SIGTERM);
}

static bool is_over(const struct up *up, const struct tl_part *part, int64_t began_ms)
{
    int64_t now_ms = tl_clock_monotonic_ms();

    return now_ms - began_ms > part->patience_ms || (up->hurried_ms > 0 && now_ms - up->hurried_ms > HURRY_MS);
}

/* Tells the part to end and waits until it has; false: it has not ended well. A batch that is cut off has. */
static bool end_part(struct up *up, size_t p)
{
    struct tl_part *part = &up->parts[p];
    int64_t began_ms = tl_clock_monotonic_ms();
    struct tl_part_end end = {.status = 0};
    bool killed = false;

    tell(up, p, SIGTERM);
    while (part->pid > 0 && !has_ended(up, p, true, &end)) {
        hurry(up);
        if (!killed && is_over(up, part, began_ms)) {
            tl_diag(TL_ERROR, "%s has not ended in time, and is killed", part->name);
            tell(up, p, SIGKILL);
            killed = true;
        }
        listen_to_parts(up);
    }
    return part->repeats || end.status == 0;
}

static bool end_all(struct up *up)
{
    static const size_t order[] = {INTERCEPT, BATCH, RECONCILE, SERVE, SPEED, ARCHIVE};
    bool good = true;

    tell(up, BATCH, SIGTERM);
    tell(up, RECONCILE, SIGTERM);
    tell(up, SERVE, SIGTERM);
    for (size_t i = 0; i < TL_COUNT(order); i++)
        good = end_part(up, order[i]) && good;
    return good;
}

/* ---- the command ---- */

/* Each part has figures and a readiness of its own, so each listens by itself: on the port that was given, and on the ones behind it. */
static enum tl_code deal_ports(struct up *up, struct tl_err *err)
{
    struct tl_listen listen;
    enum tl_code rc = TL_OK;

    if (up->common->metrics_listen == NULL)
        return TL_OK;
    TL_TRY(tl_listen_parse(up->common->metrics_listen, &listen, err));
    for (size_t p = 0; p < PARTS; p++) {
        if (!up->parts[p].listens || !is_used(up, p))
            continue;
        tl_listen_text(&listen, up->listens[p]);
        if (listen.port == UINT16_MAX)
            TL_TRY(tl_fail(err, TL_ERR_USAGE,
                           "--metrics-listen: there are no ports behind %u for the other parts; 65000 would do",
                           (unsigned)listen.port));
        if (listen.port > 0)
            listen.port++;
    }
out:
    return rc;
}

static enum tl_code check_intercept(const struct up *up, struct tl_err *err)
{
    if (is_used(up, INTERCEPT))
        return tl_command_find("intercept") != NULL ? TL_OK
                                                    : tl_fail(err, TL_ERR_USAGE, "--upstream: this tally has no intercept");
    if (up->own->listen != NULL)
        return tl_fail(err, TL_ERR_USAGE, "--listen is for intercept, which --upstream URL starts");
    if (up->common->args_count > 0)
        return tl_fail(err, TL_ERR_USAGE, "'%s': what stands behind -- is for intercept, which --upstream URL starts",
                       up->common->args[0]);
    return TL_OK;
}

/* A mistake in the views file is said once, and nothing starts. *bounded: its events have an end. */
static enum tl_code check_views(struct up *up, bool *bounded, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_options_need_views(up->common, err));
    TL_TRY(tl_views_open(up->common, up->common->views, &up->functions, &up->plan, err));
    *bounded = true;
    for (uint32_t s = 0; s < up->plan->sources_count; s++)
        *bounded = *bounded && up->plan->sources[s].bounded;
out:
    return rc;
}

static enum tl_code up_main(const struct tl_common_options *common, const struct up_options *own, int *status, struct tl_err *err)
{
    struct up up = {
        .common = common,
        .own = own,
        .parts =
            {
                    [SPEED] = {.name = "speed", .listens = true, .patience_ms = 20000},
                    [ARCHIVE] = {.name = "archive", .listens = true, .patience_ms = 20000},
                    [INTERCEPT] = {.name = "intercept", .listens = true, .patience_ms = own->patience_ms},
                    [SERVE] = {.name = "serve", .listens = true, .patience_ms = 10000},
                    [BATCH] = {.name = "batch",
                           .repeats = true,
                           .every_ms = own->batch_every_ms >= 0 ? own->batch_every_ms : BATCH_EVERY_MS,
                           .patience_ms = 10000},
                    [RECONCILE] = {.name = "reconcile", .repeats = true, .due_ms = INT64_MAX, .patience_ms = 10000},
                    },
    };
    enum tl_code rc;

    for (size_t p = 0; p < PARTS; p++)
        up.parts[p].output.fd = -1;
    if (own->batch_every_ms == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--batch-every must be more than 0; 1h is usual"));
    TL_TRY(check_intercept(&up, err));
    TL_TRY(deal_ports(&up, err));
    TL_TRY(check_views(&up, &up.parts[SPEED].may_end, err));
    TL_TRY(read_batch_at(&up, err));
    time_batch(&up);
    up.parts[BATCH].due_ms = tl_clock_monotonic_ms() + up.parts[BATCH].every_ms;
    TL_TRY(tl_up_log_open(common->data, strcmp(common->log_format, "json") == 0, &up.log, err));
    supervise(&up, status);
    if (!end_all(&up) && *status == 0)
        *status = tl_exit_status(TL_ERR_IO);
out:
    tl_up_log_close(up.log);
    tl_views_close(up.functions, up.plan);
    return rc;
}

static const struct tl_option up_table[] = {
    {"upstream",           TL_OPT_LIST,     "URL",       "the website: starts intercept in front of it; again for more, as intercept takes it",
     offsetof(struct up_options,                                                                                                                                            upstreams),          0},
    {"listen",             TL_OPT_TEXT,     "ADDR:PORT", "where intercept takes requests (its default)",                                        offsetof(struct up_options, listen),             0},
    {"serve-listen",       TL_OPT_TEXT,     "ADDR:PORT", "where serve answers (127.0.0.1:8090); none: it is not started",
     offsetof(struct up_options,                                                                                                                                            serve_listen),       0},
    {"batch-every",        TL_OPT_DURATION, "1h",        "how often batch looks for days to recompute; with --batch-at not at all unless set",
     offsetof(struct up_options,                                                                                                                                            batch_every_ms),     0},
    {"batch-at",           TL_OPT_TEXT,     "HH:MM",
     "when batch runs each day, by the clock of 'table.local-time-zone', and reconcile behind it",                                              offsetof(struct up_options, batch_at),           0},
    {"batch-metrics-file", TL_OPT_FILE,     "FILE.prom", "what batch writes for the node exporter (--metrics-file)",
     offsetof(struct up_options,                                                                                                                                            batch_metrics_file), 0},
    {"archive-every",      TL_OPT_DURATION, "60s",       "how often the archive makes a file of what is new",
     offsetof(struct up_options,                                                                                                                                            archive_every_ms),   0},
    {"patience",           TL_OPT_DURATION, "40s",       "how long intercept may take to end: more than its --drain-timeout",
     offsetof(struct up_options,                                                                                                                                            patience_ms),        0},
};

static const struct tl_usage up_usage = {
    .synopsis = "[-- OPTION-OF-INTERCEPT...]",
    .text = "Runs speed, archive, batch and serve together until SIGTERM, and with --upstream intercept too; what stands behind "
            "-- is "
            "for intercept\n"
            "(`tally intercept --help`). With --metrics-listen speed answers there, archive on the next port, intercept on the "
            "one behind, then serve.\n"
            "\n"
            "A part that ends is started again after 0.5 s, then 1 s and so on up to 30 s; after a minute of running it begins "
            "with 0.5 s again.\n"
            "Exit status 2 or 75 of a part that has not yet run for a minute ends the whole with that status: no restart would "
            "help.\n"
            "SIGTERM and SIGINT end intercept first (--patience), then serve (10 s), speed (20 s) and archive (20 s); a second "
            "one gives all "
            "of them 2 s. SIGHUP is for intercept and serve, which read their certificates anew.\n"
            "\n"
            "What the parts say is on stderr and in DIR/log/tally.log, which is turned over at 16 MiB; four older ones are kept, "
            "tally.log.1\n"
            "the newest.",
    .example = "tally up --views views.sql --upstream http://127.0.0.1:3000 --listen 127.0.0.1:8080 -- --mode durable",
    .options = up_table,
    .options_count = TL_COUNT(up_table),
    .args_max = -1,
    .daemon = true,
};

TL_COMMAND(up, "all parts in one group of processes")
{
    struct up_options own = {.batch_every_ms = -1, .archive_every_ms = 60000, .patience_ms = 40000};
    struct tl_common_options common;
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&up_usage, argc, argv, &common, &own, &status))
        return status;
    tl_stop_install();
    tl_hangup_install();
    rc = up_main(&common, &own, &status, &err);
    if (rc != TL_OK) {
        tl_diag_err(&err);
        status = tl_exit_status(rc);
    }
    return status;
}
