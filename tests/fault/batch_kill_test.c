/* batch_kill_test.c: kill -9 of batch at random instants: readers see the publication before or the one after, never a mix, and the next
 * run gives what a run gives that was never killed. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/visits.h"

enum { STEP_MS = 17280, A_DAY = 5000 };

static char dir[RUN_DIR_BYTES], views[300];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(batch_kill, .init = folder_open, .fini = folder_close);

static void must(const char *data, const char *command, const char *more)
{
    struct run run = {0};

    RUN(&run, command, "--views", views, "--data", data, more);
    cr_assert_eq(run.status, 0, "%s: %s", command, run.err);
    run_done(&run);
}

/* A reader that never rests: the number of events in the merged view up to the boundary is one that some whole publication has. */
struct reader {
    pthread_t thread;
    atomic_bool stop;
    char store[400];
    char seen[16][40]; /* distinct answers, in order */
    int seen_count;
    long reads;
};

static void *read_on(void *arg)
{
    struct reader *reader = arg;

    while (!atomic_load(&reader->stop)) {
        /* One statement is one snapshot: all views' boundaries and the rows served from batch. */
        char *now = dump_sql(reader->store, "SELECT (SELECT coalesce(sum(hits), 0) FROM hits WHERE _layer = 'batch'),"
                                            " (SELECT count(*) FROM big WHERE _layer = 'batch'),"
                                            " (SELECT count(DISTINCT boundary_ms) FROM tally_progress)");

        if (reader->seen_count == 0 || strcmp(now, reader->seen[reader->seen_count - 1]) != 0) {
            cr_assert_lt(reader->seen_count, 16, "more states than publications");
            snprintf(reader->seen[reader->seen_count++], sizeof reader->seen[0], "%s", now);
        }
        reader->reads++;
        free(now);
    }
    return NULL;
}

static const char row_checks[] = "ALTER TABLE events ADD CONSTRAINT small EXPECT (n < 97) ON VIOLATION DROP ROW;\n"
                                 "ALTER TABLE events ADD CONSTRAINT even EXPECT (n / 2 * 2 = n);\n";

/* What checks dropped and found, in the ranges that serve: a run that was killed when it had published is superseded by the next one. */
static const char dropped[] =
    "SELECT d.view, q.partition, q.\"offset\", q.\"row\", q.check_name, q.event, l.function, l.event_time_ms"
    " FROM tally_quarantine AS q JOIN tally_definition AS d ON d.definition = q.definition JOIN tally_ledger AS l ON"
    " (l.definition, l.run, l.partition, l.\"offset\", l.\"row\") = (q.definition, q.run, q.partition, q.\"offset\","
    " q.\"row\") AND l.cause = 11 JOIN tally_pointer AS p ON p.definition = q.definition AND p.run = q.run"
    " AND l.event_time_ms >= p.from_ms AND l.event_time_ms < p.to_ms ORDER BY d.view, q.partition, q.\"offset\", q.\"row\"";
static const char found[] = "SELECT d.view, c.from_ms, c.check_name, c.violations_count, c.detail FROM tally_check_result AS c"
                            " JOIN tally_pointer AS p ON p.run = c.run AND p.definition = c.definition AND p.from_ms = c.from_ms"
                            " JOIN tally_definition AS d ON d.definition = c.definition WHERE c.violations_count > 0"
                            " ORDER BY d.view, c.from_ms, c.check_name";
static const char not_published[] =
    "SELECT (SELECT count(*) FROM hits_batch WHERE _run NOT IN (SELECT run FROM tally_run WHERE state ="
    " 'published')), (SELECT count(*) FROM tally_quarantine WHERE run NOT IN (SELECT run FROM tally_run"
    " WHERE state = 'published'))";

static void same_answer(const char *calm, const char *rough, const char *sql, size_t size_min)
{
    char *want = dump_sql(calm, sql), *got = dump_sql(rough, sql);

    cr_assert_gt(strlen(want), size_min, "%s", want);
    cr_expect(strcmp(got, want) == 0, "differs from a run that was never killed: %s", sql);
    free(want);
    free(got);
}

Test(batch_kill, readers_see_whole_publications_and_the_next_run_repairs, .timeout = 240)
{
    const char *kills_wanted = getenv("TALLY_KILLS");
    int kills = kills_wanted != NULL ? atoi(kills_wanted) : 12, killed = 0;
    struct chance chance = chance_open("batch_kill");
    char calm[300], rough[300], store[400], *want, *got;
    struct reader reader = {.seen_count = 0};
    struct run run = {0};
    int64_t started_ns, whole_ns;

    snprintf(calm, sizeof calm, "%s/calm", dir);
    snprintf(rough, sizeof rough, "%s/rough", dir);
    setenv("TALLY_CHECKS", run_file_write(dir, "checks.sql", row_checks), 1);
    for (int side = 0; side < 2; side++) {
        const char *data = side == 0 ? calm : rough;

        mkdir(data, 0777);
        visits_append(data, 2, STEP_MS, 0, 3 * A_DAY);
        must(data, "archive", NULL);
    }
    started_ns = tl_clock_monotonic_ns();
    must(calm, "batch", NULL);
    whole_ns = tl_clock_monotonic_ns() - started_ns;
    must(rough, "speed", "--once");
    snprintf(reader.store, sizeof reader.store, "%s/views.db", rough);
    pthread_create(&reader.thread, NULL, read_on, &reader);
    for (int k = 0; k < kills * 3 && killed < kills; k++) {
        int64_t after_ns = (int64_t)chance_below(&chance, (uint32_t)whole_ns);
        struct timespec nap = {.tv_sec = after_ns / 1000000000, .tv_nsec = after_ns % 1000000000};

        run_start(&run, (const char *const[]){"batch", "--views", views, "--data", rough, "--from", "2026-03-01", NULL});
        nanosleep(&nap, NULL);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        killed += run.status == 128 + SIGKILL;
        run_done(&run);
    }
    cr_expect_gt(killed, 0, "no run was caught at work");
    must(rough, "batch", "--to=2026-03-04");
    atomic_store(&reader.stop, true);
    pthread_join(reader.thread, NULL);
    cr_assert_gt(reader.reads, 0);
    /* Nothing, then all three days of both views at one boundary: no state in between, and none after. */
    cr_expect_leq(reader.seen_count, 2, "%d states, the second: %s", reader.seen_count, reader.seen[1]);
    cr_expect_str_eq(reader.seen[0], "0|0|1\n");
    snprintf(store, sizeof store, "%s/views.db", calm);
    want = dump_batch(store, "hits");
    got = dump_batch(reader.store, "hits");
    cr_assert_gt(strlen(want), 10000);
    cr_expect(strcmp(got, want) == 0, "the rows differ from those of a run that was never killed");
    free(want);
    free(got);
    same_answer(store, reader.store, dropped, 10000);
    same_answer(store, reader.store, found, 300);
    /* What the killed runs had staged is gone. */
    got = dump_sql(reader.store, not_published);
    cr_expect_str_eq(got, "0|0\n");
    free(got);
}

Test(batch_kill, a_second_run_is_told_who_holds_the_lock, .timeout = 60)
{
    struct run first = {0}, second = {0};
    char data[300];
    bool told = false;

    snprintf(data, sizeof data, "%s/data", dir);
    mkdir(data, 0777);
    visits_append(data, 1, STEP_MS, 0, 4 * A_DAY);
    must(data, "archive", NULL);
    for (int i = 0; i < 20 && !told; i++) {
        run_start(&first, (const char *const[]){"batch", "--views", views, "--data", data, "--from", "2026-03-01", NULL});
        tl_clock_sleep_ms(10 + 3 * i);
        run_start(&second, (const char *const[]){"batch", "--views", views, "--data", data, NULL});
        run_wait(&second);
        run_wait(&first);
        cr_assert_eq(first.status == 0 || first.status == 75, true, "%s", first.err);
        told = second.status == 75 && strstr(second.err, "pid") != NULL && strstr(second.err, "batch.lock") != NULL;
        run_done(&first);
        run_done(&second);
    }
    cr_expect(told, "two runs never met");
}

/* ---- with checks ---- */

static const char kept_checks[] = "ALTER VIEW hits ADD CONSTRAINT few EXPECT (ROW_COUNT <= 10000) ON VIOLATION FAIL UPDATE;\n"
                                  "ALTER VIEW big ADD CONSTRAINT none EXPECT (ROW_COUNT <= 100) ON VIOLATION FAIL UPDATE;\n";

/* Kills the command at random instants of the time that it takes, again and again; after each the answer to `sql` is one of two. */
static void kill_at_random(const char *const *command, int64_t whole_ns, const char *store, const char *sql, const char *before,
                           const char *after, struct chance *chance)
{
    int kills = getenv("TALLY_KILLS") != NULL ? atoi(getenv("TALLY_KILLS")) : 6;

    for (int k = 0; k < kills; k++) {
        int64_t after_ns = (int64_t)chance_below(chance, (uint32_t)whole_ns);
        struct timespec nap = {.tv_sec = after_ns / 1000000000, .tv_nsec = after_ns % 1000000000};
        struct run run = {0};
        char *now;

        run_start(&run, command);
        nanosleep(&nap, NULL);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        run_done(&run);
        now = dump_sql(store, sql);
        cr_assert(strcmp(now, before) == 0 || strcmp(now, after) == 0, "%s gives %s", sql, now);
        free(now);
    }
}

/* Results and what they keep back come with the run, and what a person accepts is published whole or not at all. */
Test(batch_kill, checks_and_acceptances_are_whole, .timeout = 120)
{
    static const char
        pointed[] = "SELECT definition, count(*), max(run) FROM tally_pointer GROUP BY definition",
        whole[] = /* hits are out whole or not at all, and no range of a run that is over has escaped its check */
        "SELECT COALESCE((SELECT max(to_ms) FROM tally_pointer WHERE definition = 1), 0), (SELECT count(*) FROM tally_run_range "
        "AS g JOIN "
        "tally_run AS r"
        " ON r.run = g.run WHERE r.state <> 'staged' AND g.from_ms > -9e18 AND NOT EXISTS (SELECT 1 FROM tally_check_result AS c"
        " WHERE c.run = g.run AND c.definition = g.definition AND c.from_ms = g.from_ms))";
    struct chance chance = chance_open("batch_kill checks");
    char data[300], store[400], checks[300];
    struct run run = {0};
    int64_t started_ns, whole_ns;
    char *before, *after;

    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    snprintf(checks, sizeof checks, "%s", run_file_write(dir, "checks.sql", kept_checks));
    mkdir(data, 0777);
    visits_append(data, 2, STEP_MS, 0, 2 * A_DAY);
    must(data, "archive", NULL);
    must(data, "speed", "--once");
    started_ns = tl_clock_monotonic_ns();
    RUN(&run, "batch", "--views", views, "--data", data, "--dry-run"); /* its time */
    whole_ns = 3 * (tl_clock_monotonic_ns() - started_ns);
    run_done(&run);
    kill_at_random((const char *const[]){"batch", "--views", views, "--data", data, "--checks", checks, "--to=2026-03-02", NULL},
                   whole_ns, store, whole, "0|0\n", "1772409600000|0\n", &chance);
    RUN(&run, "batch", "--views", views, "--data", data, "--checks", checks, "--to=2026-03-02");
    cr_assert(run.status == 1 || run.out_size == 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "checks", "--data", data, "--format", "csv");
    cr_assert_eq(run.status, 1, "big is kept back: %s", run.out);
    cr_expect(strstr(run.out, "few,fail update,passed") != NULL && strstr(run.out, "none,fail update,kept back") != NULL, "%s",
              run.out);
    run_done(&run);
    before = dump_sql(store, pointed);
    started_ns = tl_clock_monotonic_ns();
    RUN(&run, "batch", "--views", views, "--data", data, "--checks", checks, "--accept", "few", "--reason",
        "x"); /* nothing: its time */
    whole_ns = tl_clock_monotonic_ns() - started_ns;
    cr_assert_eq(run.status, 1, "%s", run.err);
    run_done(&run);
    after = dump_sql(
        store, "SELECT definition, count(*), max(run) FROM (SELECT definition, run FROM tally_pointer UNION ALL SELECT"
               " definition, run FROM tally_run_range WHERE blocked IN (1, 2) AND published IS NULL AND run = (SELECT max(run)"
               " FROM tally_run)) GROUP BY definition");
    kill_at_random((const char *const[]){"batch", "--views", views, "--data", data, "--checks", checks, "--accept", "none",
                                         "--reason", "so it is", NULL},
                   whole_ns, store, pointed, before, after, &chance);
    RUN(&run, "batch", "--views", views, "--data", data, "--checks", checks, "--accept", "none", "--reason", "so it is");
    cr_expect(run.status == 0 || strstr(run.err, "nothing is kept back by none") != NULL, "%s", run.err);
    run_done(&run);
    free(before);
    before = dump_sql(store, pointed);
    cr_expect_str_eq(before, after);
    free(before);
    free(after);
    after = dump_sql(store, "SELECT accepted, reason FROM tally_publication WHERE accepted <> ''");
    cr_expect_str_eq(after, "none|so it is\n");
    free(after);
}
