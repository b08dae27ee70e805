/* boundary_test.c: the boundary's proof: a reader polls totals without rest while speed, archive, batch and rollback run and are killed at random
 * instants. No poll shows a gap or a double, and what the store says of the same instant explains every change of a total.
 *
 * A history is a folder with events in 1 to 3 partitions: late ones, copies in other partitions, such as a check drops, broken ones. They come in
 * parts, one a cycle; a cycle is archive, batch up to some instant, perhaps a rollback and batch again, perhaps a replay, each perhaps killed on its way,
 * while speed follows and is killed too. TALLY_CYCLES: how many (`make test-boundary`); else a sample. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/timestamp.h"
#include "support/boundary_reader.h"
#include "support/pipeline.h"
#include "support/store_fixture.h"

#ifdef TL_SANITIZED
enum { SAMPLE = 12 };
#else
enum { SAMPLE = 48 };
#endif
enum { CYCLES_OF_A_HISTORY = 12 };
enum command { SPEED, ARCHIVE, BATCH, ROLLBACK, REPLAY, COMMANDS };

struct figures {
    int histories, cycles, runs[COMMANDS], kills[COMMANDS], refused;
    struct reader_counts seen;
};
struct scene {
    struct chance *chance;
    struct figures *figures;
    struct model model;
    struct pipeline p;
    struct boundary_reader reader;
    struct run speed;
    char url[700], workers[4], said[8000];
    int appended;
    bool rolled_back;
    int64_t took_ms[COMMANDS]; /* the last time that it was left alone: a kill falls within */
};

static uint32_t below(struct scene *s, uint32_t n)
{
    return chance_below(s->chance, n);
}

static void say(struct scene *s, const char *what, const char *more, const char *end)
{
    size_t size = strlen(s->said);

    snprintf(s->said + size, sizeof s->said - size, "%s%s%s", what, more, end);
}

static void nap_us(uint32_t us)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

/* ---- speed ---- */

static void start_speed(struct scene *s)
{
    run_start(&s->speed, (const char *const[]){"speed", "--tick", "2ms", "--workers", s->workers, "--views", s->p.views, "--data",
                                               s->p.data, "--store", s->url, NULL});
    s->figures->runs[SPEED]++;
}

static void kill_speed(struct scene *s)
{
    run_signal(&s->speed, SIGKILL);
    run_wait(&s->speed);
    cr_assert_eq(s->speed.status, 128 + SIGKILL, "speed ended by itself: %s", s->speed.err);
    run_done(&s->speed);
    s->figures->kills[SPEED]++;
}

/* ---- the others ---- */

/* A command, which is killed on its way, or while which speed is, or is left alone: its exit status. */
static int command(struct scene *s, enum command what, const char *const *words)
{
    const char *args[16];
    size_t count = 0;
    uint32_t fate = below(s, 3);
    int64_t started_ms = tl_clock_monotonic_ms();
    struct run run = {0};
    int status;

    for (; words[count] != NULL; count++)
        args[count] = words[count];
    memcpy(args + count, (const char *[]){"--views", s->p.views, "--data", s->p.data, "--store", s->url, NULL}, 7 * sizeof *args);
    for (size_t i = 0; i < count; i++)
        say(s, i == 0 ? "tally " : " ", words[i], "");
    run_start(&run, args);
    s->figures->runs[what]++;
    if (fate < 2) {
        nap_us(below(s, (uint32_t)(s->took_ms[what] > 500 ? 500 : s->took_ms[what]) * 1000 + 1));
        if (fate == 0) {
            run_signal(&run, SIGKILL);
        } else {
            kill_speed(s);
            start_speed(s);
        }
    }
    run_wait(&run);
    status = run.status;
    s->figures->kills[what] += status == 128 + SIGKILL;
    if (fate == 2)
        s->took_ms[what] = tl_clock_monotonic_ms() - started_ms;
    say(s, status == 128 + SIGKILL ? " (killed)" : fate == 1 ? " (speed killed)" : "", "", "\n");
    cr_assert(status == 0 || status == 1 || status == 128 + SIGKILL || (what == ROLLBACK && status == 2) ||
                  (status == 75 && (what == REPLAY ||
                                    strncmp(s->url, "postgresql:", 11) == 0)) /* a killed one's session lives on for a moment */,
              "%s\nexit %d: %s", s->said, status, run.err);
    run_done(&run);
    return status;
}

/* Again until it has not been killed. */
static void command_whole(struct scene *s, enum command what, const char *const *words)
{
    int status;

    do
        status = command(s, what, words);
    while (status == 128 + SIGKILL || status == 75);
}

/* Mostly about where the events have come to, and where windows end. */
static void instant(struct scene *s, char out[TL_TIME_TEXT_BYTES])
{
    int64_t at_ms = MODEL_START_MS + MODEL_SPAN_MS / MODEL_EVENTS * s->appended;
    int64_t from_ms = at_ms - TL_DAY_MS, to_ms = at_ms + TL_DAY_MS / 2, ms;
    uint32_t to = below(s, 4);

    if (below(s, 4) == 0)
        from_ms = MODEL_START_MS - TL_DAY_MS, to_ms = MODEL_START_MS + MODEL_SPAN_MS + TL_DAY_MS;
    ms = from_ms + (int64_t)(chance_u64(s->chance) % (uint64_t)(to_ms - from_ms));
    if (to > 0)
        ms -= ms % (to == 1 ? TL_HOUR_MS : 6 * TL_HOUR_MS);
    tl_time_to_iso_z(ms, out);
}

static void append(struct scene *s, int upto)
{
    struct tl_log_record records[MODEL_EVENTS];
    size_t count = 0;

    for (; s->appended < upto; s->appended++, count++) {
        const struct model_event *event = &s->model.events[s->appended];

        records[count] =
            (struct tl_log_record){.partition = event->partition, .log_ms = event->log_ms, .value = tl_sv_from(event->text)};
    }
    pipeline_append(&s->p, s->model.partitions, records, count);
}

/* What was rolled back is computed again only when asked for, and without --force only what is dirty is. */
static void publish(struct scene *s)
{
    char to[TL_TIME_TEXT_BYTES], from[TL_TIME_TEXT_BYTES];

    instant(s, to);
    tl_time_to_iso_z(MODEL_START_MS - below(s, 2) * TL_DAY_MS + below(s, 2) * TL_DAY_MS, from);
    if (strcmp(from, to) >= 0 || below(s, s->rolled_back ? 5 : 2) == 0)
        command_whole(s, BATCH, (const char *const[]){"batch", "--to", to, NULL});
    else if (below(s, 3) == 0)
        command_whole(s, BATCH, (const char *const[]){"batch", "--force", "--to", to, NULL});
    else
        command_whole(s, BATCH, (const char *const[]){"batch", "--from", from, "--to", to, NULL});
}

static void cycle(struct scene *s, int upto)
{
    uint32_t part = (uint32_t)(upto - s->appended);

    append(s, s->appended + (int)below(s, part + 1));
    command_whole(s, ARCHIVE, (const char *const[]){"archive", NULL});
    append(s, upto);
    if (below(s, 2) == 0)
        command_whole(s, ARCHIVE, (const char *const[]){"archive", NULL});
    publish(s);
    for (uint32_t back = below(s, 3); back > 0; back--) {
        int status = command(s, ROLLBACK, (const char *const[]){"batch", "--rollback", NULL});

        s->figures->refused += status == 1;
        s->figures->runs[ROLLBACK] -= status == 2; /* nothing is published */
        s->rolled_back = true;
        if (below(s, 3) > 0)
            publish(s);
    }
    if (s->model.partitions == 1 && below(s, 2) == 0) /* with more, other events may be late than before */
        command_whole(s, REPLAY, (const char *const[]){"replay", "--tick", "2ms", NULL});
    if (below(s, 3) == 0) {
        kill_speed(s);
        start_speed(s);
    }
    s->figures->cycles++;
}

static void history(struct chance *chance, struct figures *figures, const char *url, int cycles)
{
    static struct scene scene;
    struct scene *s = &scene;
    char text[3000];

    *s = (struct scene){
        .chance = chance, .figures = figures, .took_ms = {30, 30, 60, 30, 300}
    };
    snprintf(s->said, sizeof s->said, "TALLY_SEED=%llu\n", (unsigned long long)chance->seed);
    model_open(&s->model, chance, 1 + below(s, MODEL_PARTITIONS));
    snprintf(text, sizeof text, "SET 'tally.dedup.horizon' = '30 d';\nSET 'tally.speed-retention' = '%s';\n%s",
             below(s, 2) == 0 ? "0 s" : "7 d", model_tables);
    pipeline_open(&s->p, text);
    say(s, text, "", "");
    cr_assert_eq(setenv("TALLY_CHECKS", run_file_write(s->p.dir, "checks.sql", model_checks), 1), 0);
    if (url != NULL)
        snprintf(s->url, sizeof s->url, "%s", url);
    else
        snprintf(s->url, sizeof s->url, "sqlite:%.600s", s->p.store);
    snprintf(s->workers, sizeof s->workers, "%u", 1 + below(s, 3));
    append(s, 10);
    TALLY(&s->p, 0, "speed", "--once", "--store", s->url); /* the views are there */
    s->reader.counts = figures->seen;
    boundary_reader_start(&s->reader, &s->model, s->url);
    start_speed(s);
    for (int c = 1; c <= cycles && !atomic_load(&s->reader.failed); c++)
        cycle(s, 10 + (MODEL_EVENTS - 10) * c / cycles);
    kill_speed(s);
    if (!atomic_load(&s->reader.failed))
        TALLY(&s->p, 0, "speed", "--once", "--store", s->url);
    boundary_reader_stop(&s->reader, s->said);
    figures->seen = s->reader.counts;
    figures->histories++;
    pipeline_close(&s->p);
}

static void report(const char *store, const struct figures *f)
{
    const struct reader_counts *seen = &f->seen;

    fprintf(stderr,
            "boundary on %s: %d histories, %d cycles; kills: %d of speed, %d of archive, %d of batch, %d of rollback, %d of %d "
            "replays; %d of %d "
            "rollbacks refused\n  %lld polls, %.0f a second; %lld states; %lld changes of totals: %lld with a tick, %lld with a "
            "publication, %lld with a rollback; %lld times a key wanted rows that were pruned\n  events of views that came:",
            store, f->histories, f->cycles, f->kills[SPEED], f->kills[ARCHIVE], f->kills[BATCH], f->kills[ROLLBACK],
            f->kills[REPLAY], f->runs[REPLAY], f->refused, f->runs[ROLLBACK], (long long)seen->polls,
            (double)seen->polls * 1e9 / (double)seen->ns, (long long)seen->states, (long long)seen->changes,
            (long long)seen->ticks, (long long)seen->publications, (long long)seen->undone, (long long)seen->pending);
    for (int r = 0; r < MODEL_REASONS; r++)
        fprintf(stderr, " %lld %s,", (long long)seen->came[r], model_reasons[r]);
    fprintf(stderr, " that went:");
    for (int r = 0; r < MODEL_REASONS; r++)
        fprintf(stderr, " %lld %s,", (long long)seen->went[r], model_reasons[r]);
    fprintf(stderr, "\n");
}

static void prove(const char *store, const struct store_backend *backend, int cycles)
{
    const char *wanted = getenv("TALLY_CYCLES");
    struct chance chance = chance_open("boundary");
    struct figures figures = {0};

    if (wanted != NULL)
        cycles = atoi(wanted);
    while (figures.cycles < cycles) {
        char url[512];

        if (backend != NULL)
            backend->url(url);
        history(&chance, &figures, backend != NULL ? url : NULL, CYCLES_OF_A_HISTORY);
        chance.seed = chance.state; /* this history alone can be had again */
    }
    report(store, &figures);
    cr_expect_gt(figures.seen.ticks, 0);
    cr_expect_gt(figures.seen.publications, 0);
    cr_expect_gt(figures.seen.undone, 0);
}

TestSuite(boundary, .timeout = 20000, .fini = store_folder_remove);

Test(boundary, no_poll_shows_a_gap_or_a_double)
{
    prove("SQLite", NULL, SAMPLE);
}

Test(boundary, nor_on_postgresql)
{
    prove("PostgreSQL", &store_postgres, SAMPLE / 2);
}
