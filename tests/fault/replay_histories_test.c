/* replay_histories_test.c: random histories, counted live with kills and restarts, and replayed with kills: with one partition the tables are the same, with
 * several every event is accounted for and reconcile explains what parts from batch.
 * TALLY_HISTORIES: how many (`make test-replays`). */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/postgres_dump.h"
#include "support/run.h"
#include "support/visits.h"

static char dir[RUN_DIR_BYTES];

struct history {
    char views[300], data[300], store[400];
    bool windows;
    uint32_t partitions;
    int events, step_ms, pieces, archived; /* events 0 .. archived - 1 are on record */
};

static void folder_open(void)
{
    run_folder_make(dir);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(replay_histories, .init = folder_open, .fini = folder_close, .timeout = 100000);

static void start(struct run *run, const struct history *h, const char *const *words)
{
    const char *all[20] = {words[0], "--views", h->views, "--data", h->data};
    size_t count = 5;

    for (size_t i = 1; words[i] != NULL; i++)
        all[count++] = words[i];
    all[count] = NULL;
    run_start(run, all);
}

static void tally(const struct history *h, const char *const *words)
{
    struct run run = {0};

    start(&run, h, words);
    run_wait(&run);
    cr_assert_eq(run.status, 0, "%s: %d: %s%s", words[0], run.status, run.out, run.err);
    run_done(&run);
}
#define TALLY(h, ...) tally(h, (const char *const[]){__VA_ARGS__, NULL})

/* Killed after up to so many milliseconds, unless it has ended by itself. */
static void killed(const struct history *h, struct chance *chance, unsigned ms, const char *const *words)
{
    const struct timespec nap = {.tv_nsec = (long)chance_below(chance, ms * 1000000u)};
    struct run run = {0};

    start(&run, h, words);
    nanosleep(&nap, NULL);
    run_signal(&run, SIGKILL);
    run_wait(&run);
    cr_assert(run.status == 0 || run.status == 128 + SIGKILL, "%s: %s", words[0], run.err);
    run_done(&run);
}
#define KILLED(h, chance, ms, ...) killed(h, chance, ms, (const char *const[]){__VA_ARGS__, NULL})

static const char *a_tick(struct chance *chance)
{
    static const char *const ticks[] = {"1ms", "5ms", "20ms", "40ms", "300ms"};

    return ticks[chance_below(chance, 5)];
}

static void make(struct history *h, struct chance *chance, int number)
{
    char name[40];

    *h = (struct history){.windows = chance_below(chance, 2) == 0,
                          .partitions = chance_below(chance, 3) < 2 ? 1 : 2 + chance_below(chance, 3),
                          .events = 100 + (int)chance_below(chance, 4000),
                          .step_ms = 20 + (int)chance_below(chance, 2000),
                          .pieces = 1 + (int)chance_below(chance, 4)};
    snprintf(name, sizeof name, "views%d.sql", number);
    snprintf(h->views, sizeof h->views, "%s", run_file_write(dir, name, h->windows ? visits_windows : visits_views));
    snprintf(h->data, sizeof h->data, "%s/data%d", dir, number);
    snprintf(h->store, sizeof h->store, "%s/views.db", h->data);
    cr_assert_eq(mkdir(h->data, 0777), 0);
}

static void live(struct history *h, struct chance *chance)
{
    for (int k = 0; k < h->pieces; k++) {
        int upto = (k + 1) * h->events / h->pieces;

        visits_append(h->data, h->partitions, h->step_ms, k * h->events / h->pieces, upto);
        for (uint32_t kills = chance_below(chance, 3); kills > 0; kills--)
            KILLED(h, chance, 80, "speed", "--tick", a_tick(chance));
        TALLY(h, "speed", "--once", "--tick", a_tick(chance));
        if (chance_below(chance, 2) == 0) {
            TALLY(h, "archive");
            h->archived = upto;
        }
    }
}

/* Of what is on record the log may have let go. */
static bool trim_some(const struct history *h, struct chance *chance)
{
    struct tl_log *log = NULL;
    struct tl_err err;

    if (h->archived == 0 || chance_below(chance, 2) == 0)
        return false;
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = h->data}, TL_LOG_APPEND, &log, &err), TL_OK);
    for (uint32_t p = 0; p < h->partitions; p++)
        cr_assert_eq(
            tl_log_trim(log, TL_SV("events"), p, (int64_t)chance_below(chance, (uint32_t)h->archived) / h->partitions, &err),
            TL_OK, "%s", err.message);
    tl_log_close(log);
    return true;
}

static const char *const *names_of(const struct history *h)
{
    static const char *const plain[] = {"hits", "big", NULL};

    return h->windows ? visits_windows_names : plain;
}

static void spoil(const struct history *h)
{
    char line[1000];

    for (const char *const *name = names_of(h); *name != NULL; name++) {
        snprintf(line, sizeof line,
                 "sqlite3 '%s' 'DELETE FROM %s_speed WHERE _start_ms %% 3 < 2; UPDATE tally_outcome SET late = 9'", h->store,
                 *name);
        cr_assert_eq(system(line), 0);
    }
}

static void replay(const struct history *h, struct chance *chance, bool trimmed)
{
    static const char *const workers[] = {"1", "2", "3"};
    const char *from = chance_below(chance, 2) == 0 ? "--from-record" : trimmed ? NULL : "--from-log";

    for (uint32_t kills = chance_below(chance, 4); kills > 0; kills--)
        KILLED(h, chance, 150, "replay", "--tick", a_tick(chance), from);
    TALLY(h, "replay", "--tick", a_tick(chance), "--workers", workers[chance_below(chance, 3)], from);
}

static void play(struct chance *chance, int number)
{
    struct history h;
    char *want, *got;
    bool trimmed;

    make(&h, chance, number);
    fprintf(stderr, "history %d: %d events, %d ms apart, %u partitions, %d pieces%s\n", number, h.events, h.step_ms, h.partitions,
            h.pieces, h.windows ? ", windows" : "");
    live(&h, chance);
    if (chance_below(chance, 2) == 0) {
        TALLY(&h, "archive");
        h.archived = h.events;
        TALLY(&h, "batch", "--to", "now");
    }
    want = dump_speeds(h.store, names_of(&h));
    trimmed = trim_some(&h, chance);
    spoil(&h);
    replay(&h, chance, trimmed);
    got = dump_speeds(h.store, names_of(&h));
    if (h.partitions == 1)
        expect_same_lines(got, want);
    TALLY(&h, "status");
    TALLY(&h, "archive");
    TALLY(&h, "batch", "--to", "now");
    TALLY(&h, "reconcile");
    free(got);
    free(want);
}

Test(replay_histories, random_ones)
{
    const char *wanted = getenv("TALLY_HISTORIES");
    struct chance chance = chance_open("replay_histories");

    for (int number = 0; number < (wanted != NULL ? atoi(wanted) : 4); number++)
        play(&chance, number);
}
