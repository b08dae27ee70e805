/* up.c: the command: all parts in one group of processes, embedded default.
 *
 * Starts each part as a child of its own with the same shared options, and batch again every --batch-every. A part that ends by itself ends
 * the whole: the others are told to drain (SIGTERM), and up gives the exit status of the first to go. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "main/command.h"
#include "main/option.h"
#include "main/stop.h"
#include "main/views.h"
#include "net/monitor.h"
#include "sql/plan.h"

enum { LOOK_MS = 100, DRAIN_MS = 10000, ARGS_MAX = 32 + 2 * TL_OPTION_LIST_MAX };

struct up_options {
    int64_t batch_every_ms, archive_every_ms;
};

struct part {
    const char *name;
    const char *extra[4]; /* its own options */
    bool listens;         /* answers monitors, where there are to be answered any */
    char listen[TL_LISTEN_TEXT_BYTES];
    bool repeats;   /* batch: ends and is started again */
    pid_t pid;      /* 0: not running */
    int64_t due_ms; /* when to start it next, monotonic */
};

/* The child runs the command in this very program: no second binary to find, and the shared options are passed on as flags. */
static int run_part(const struct part *part, const struct tl_common_options *common)
{
    const struct tl_command *command = tl_command_find(part->name);
    const char *args[ARGS_MAX] = {part->name,  "--views", common->views, "--data",       common->data,      "--log",
                                  common->log, "--store", common->store, "--log-format", common->log_format};
    const struct {
        const char *flag, *value;
    } files[] = {
        {"--functions",   common->functions  },
        {"--places",      common->places     },
        {"--user-agents", common->user_agents},
        {"--checks",      common->checks     },
    };
    int count = 11;

    for (size_t i = 0; i < TL_COUNT(files); i++)
        if (files[i].value != NULL) {
            args[count++] = files[i].flag;
            args[count++] = files[i].value;
        }
    for (size_t i = 0; i < common->kafka_properties.count; i++) {
        args[count++] = "--kafka-property";
        args[count++] = common->kafka_properties.items[i];
    }
    if (common->verbose)
        args[count++] = "-v";
    if (part->listen[0] != '\0') {
        args[count++] = "--metrics-listen";
        args[count++] = part->listen;
    }
    for (int e = 0; e < 4 && part->extra[e] != NULL; e++)
        args[count++] = part->extra[e];
    args[count] = NULL;
    return command->run(count, (char **)(uintptr_t)args);
}

static enum tl_code start(struct part *part, const struct tl_common_options *common, struct tl_err *err)
{
    pid_t parent = getpid();

    fflush(stdout);
    part->pid = fork();
    if (part->pid < 0) {
        part->pid = 0;
        return tl_fail_errno(err, TL_ERR_IO, "cannot start %s", part->name);
    }
    if (part->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a killed parent leaves nobody behind */
        if (getppid() != parent)
            _exit(3);
        exit(run_part(part, common));
    }
    return TL_OK;
}

/* Looks after children that have ended. *status: of a part that was not to end. */
static bool some_ended(struct part *parts, size_t count, const struct up_options *own, int *status)
{
    int how;
    pid_t pid;

    while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
        for (size_t p = 0; p < count; p++) {
            int code = WIFEXITED(how) ? WEXITSTATUS(how) : 3;

            if (parts[p].pid != pid)
                continue;
            parts[p].pid = 0;
            if (parts[p].repeats) {
                parts[p].due_ms = tl_clock_monotonic_ms() + own->batch_every_ms;
                if (code != 0)
                    tl_diag(TL_WARN, "%s ended with status %d; it runs again in %lld s", parts[p].name, code,
                            (long long)(own->batch_every_ms / 1000));
                continue;
            }
            if (WIFSIGNALED(how))
                tl_diag(TL_ERROR, "%s was ended by signal %d", parts[p].name, WTERMSIG(how));
            else
                tl_diag(code == 0 ? TL_INFO : TL_ERROR, "%s ended with status %d", parts[p].name, code);
            *status = code;
            return true;
        }
    }
    return false;
}

static void drain(struct part *parts, size_t count)
{
    int64_t until_ms = tl_clock_monotonic_ms() + DRAIN_MS;
    bool left = true;

    for (size_t p = 0; p < count; p++)
        if (parts[p].pid > 0)
            kill(parts[p].pid, SIGTERM);
    while (left) {
        left = false;
        for (size_t p = 0; p < count; p++) {
            if (parts[p].pid > 0 && waitpid(parts[p].pid, NULL, WNOHANG) != 0)
                parts[p].pid = 0;
            left = left || parts[p].pid > 0;
        }
        if (left && tl_clock_monotonic_ms() > until_ms) {
            for (size_t p = 0; p < count; p++)
                if (parts[p].pid > 0)
                    kill(parts[p].pid, SIGKILL);
            until_ms = INT64_MAX;
        }
        if (left)
            tl_clock_sleep_ms(20);
    }
}

/* Each part has figures and a readiness of its own, so each listens by itself: on the port that was given, and on the ones behind it. */
static enum tl_code deal_ports(struct part *parts, size_t count, const char *metrics_listen, struct tl_err *err)
{
    struct tl_listen listen;
    enum tl_code rc = TL_OK;

    if (metrics_listen == NULL)
        return TL_OK;
    TL_TRY(tl_listen_parse(metrics_listen, &listen, err));
    for (size_t p = 0; p < count; p++) {
        if (!parts[p].listens)
            continue;
        tl_listen_text(&listen, parts[p].listen);
        if (listen.port == UINT16_MAX)
            TL_TRY(tl_fail(err, TL_ERR_USAGE, "--metrics-listen: there is no port behind %u for the archive; 65534 would do",
                           (unsigned)listen.port));
        if (listen.port > 0)
            listen.port++;
    }
out:
    return rc;
}

static enum tl_code up_main(const struct tl_common_options *common, const struct up_options *own, int *status, struct tl_err *err)
{
    char interval[32];
    struct part parts[] = {
        {.name = "speed",   .listens = true                              },
        {.name = "archive", .extra = {"--follow", "--interval", interval}, .listens = true},
        {.name = "batch",                 .repeats = true                                               },
    };
    struct tl_functions *functions = NULL;
    struct tl_plan *plan = NULL;
    enum tl_code rc = TL_OK;

    snprintf(interval, sizeof interval, "%lldms", (long long)own->archive_every_ms);
    TL_TRY(tl_options_need_views(common, err));
    TL_TRY(deal_ports(parts, TL_COUNT(parts), common->metrics_listen, err));
    TL_TRY(tl_views_open(common, common->views, &functions, &plan, err)); /* a mistake is said once, and nothing starts */
    tl_views_close(functions, plan);
    parts[2].due_ms = tl_clock_monotonic_ms() + own->batch_every_ms;
    while (!tl_stop_requested()) {
        for (size_t p = 0; p < TL_COUNT(parts); p++)
            if (parts[p].pid == 0 && tl_clock_monotonic_ms() >= parts[p].due_ms)
                TL_TRY(start(&parts[p], common, err));
        if (some_ended(parts, TL_COUNT(parts), own, status))
            break;
        tl_clock_sleep_ms(LOOK_MS);
    }
out:
    drain(parts, TL_COUNT(parts));
    return rc;
}

static const struct tl_option up_table[] = {
    {"batch-every",   TL_OPT_DURATION, "1h",  "how often batch looks for days to recompute",
     offsetof(struct up_options, batch_every_ms),   0},
    {"archive-every", TL_OPT_DURATION, "60s", "how often the archive makes a file of what is new",
     offsetof(struct up_options, archive_every_ms), 0},
};

static const struct tl_usage up_usage = {
    .text =
        "Runs speed, archive and batch together until SIGTERM. With --metrics-listen speed answers there, and archive on the\n"
        "next port.",
    .example = "tally up --views views.sql --data tally-data",
    .options = up_table,
    .options_count = TL_COUNT(up_table),
    .daemon = true,
};

TL_COMMAND(up, "all parts in one group of processes")
{
    struct up_options own = {.batch_every_ms = 3600000, .archive_every_ms = 60000};
    struct tl_common_options common;
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&up_usage, argc, argv, &common, &own, &status))
        return status;
    tl_stop_install();
    rc = up_main(&common, &own, &status, &err);
    if (rc != TL_OK) {
        tl_diag_err(&err);
        status = tl_exit_status(rc);
    }
    return status;
}
