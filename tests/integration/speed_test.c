/* speed_test.c: the speed layer as its operator sees it: following, new partitions, a log that was made again, a second process, SIGTERM. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "store/store.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/visits.h"

enum { STEP_MS = 200, PATIENCE_MS = 20000 };

static char dir[RUN_DIR_BYTES], views[300], data[300], store[400];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(speed, .init = folder_open, .fini = folder_close, .timeout = 60);

static void follow(struct run *run)
{
    run_start(run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", NULL});
}

/* Waits until speed has read so many messages of view "hits". */
static bool has_read(long messages)
{
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until; tl_clock_sleep_ms(20)) {
        char *sum;
        long found;

        if (access(store, F_OK) != 0)
            continue;
        sum = dump_sql(store, "SELECT count(*) FROM sqlite_master WHERE name = 'tally_offset'");
        found = strtol(sum, NULL, 10);
        free(sum);
        if (found == 0) /* the store is being made */
            continue;
        sum = dump_sql(store,
                       "SELECT coalesce(sum(o.messages_count), 0) FROM tally_offset o JOIN tally_definition d USING (definition)"
                       " WHERE d.view = 'hits'");
        found = strtol(sum, NULL, 10);
        free(sum);
        if (found >= messages)
            return true;
    }
    return false;
}

Test(speed, follows_what_is_appended_and_drains_on_sigterm)
{
    struct run run = {0};

    follow(&run); /* before there is a log at all */
    cr_expect(run_says(&run, "waiting for the log", 20000));
    visits_append(data, 2, STEP_MS, 0, 1000);
    cr_expect(has_read(1000));
    visits_append(data, 2, STEP_MS, 1000, 1500);
    cr_expect(has_read(1500));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect(strstr(run.err, "waiting for the log") != NULL, "%s", run.err);
    run_done(&run);
}

Test(speed, new_partitions_are_dealt_while_it_runs)
{
    struct run run = {0};

    visits_append(data, 1, STEP_MS, 0, 500);
    follow(&run);
    cr_expect(has_read(500));
    visits_append(data, 3, STEP_MS, 500, 1100);
    cr_expect(has_read(1100), "the new partitions were not read");
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* ---- a busy partition beside a quiet one ---- */

enum { BACKLOG = 200000 };

static void append_at(uint32_t partition, int from, int to, const char *time)
{
    static char texts[1000][120];
    const struct tl_log_spec spec = {.kind = "local", .data_dir = data};
    struct tl_log_record records[1000];
    struct tl_log *log;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&spec, TL_LOG_APPEND, &log, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("events"), 2, &err), TL_OK, "%s", err.message);
    while (from < to) {
        size_t count = 0;

        for (; from < to && count < TL_COUNT(records); from++, count++) {
            snprintf(texts[count], sizeof texts[count], "{\"event_id\":\"%u-%d\",\"host\":\"h\",\"event_time\":\"%s\"}",
                     partition, from, time);
            records[count] = (struct tl_log_record){
                .partition = partition, .log_ms = VISITS_START_MS + 3600000, .value = tl_sv_from(texts[count])};
        }
        cr_assert_eq(tl_log_append(log, TL_SV("events"), records, count, NULL, &err), TL_OK, "%s", err.message);
    }
    tl_log_close(log);
}

/* What "hits" has read of both, as of one tick. */
static void messages_of(long count[2])
{
    char *text = dump_sql(store, "SELECT partition, messages_count FROM tally_offset JOIN tally_definition USING (definition)"
                                 " WHERE view = 'hits' ORDER BY 1");

    cr_assert_eq(sscanf(text, "0|%ld 1|%ld", &count[0], &count[1]), 2, "%s", text);
    free(text);
}

static void wait_for(uint32_t partition, long messages, long count[2])
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(1)) {
        messages_of(count);
        if (count[partition] >= messages)
            return;
    }
    cr_assert_fail("partition %u came to %ld", partition, count[partition]);
}

/* The busy one is ahead and always has something; what comes to the quiet one, which is behind, is read all the same. */
Test(speed, a_quiet_partition_is_read_beside_a_busy_one)
{
    struct run run = {0};
    long count[2];

    append_at(0, 0, 1, "2026-03-01T00:10:00Z");
    append_at(1, 0, 1, "2026-03-01T00:00:00Z");
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", "--workers", "1", NULL});
    cr_assert(has_read(2));
    run_signal(&run, SIGSTOP);
    append_at(0, 1, BACKLOG, "2026-03-01T00:10:00Z");
    run_signal(&run, SIGCONT);
    wait_for(0, 1000, count);
    run_signal(&run, SIGSTOP);
    cr_assert_lt(count[0], BACKLOG, "the backlog is too small for this machine");
    append_at(1, 1, 2, "2026-03-01T00:00:01Z");
    run_signal(&run, SIGCONT);
    wait_for(1, 2, count);
    cr_expect_lt(count[0], BACKLOG, "it was read when nothing else was left");
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

Test(speed, a_silent_partition_is_said_once)
{
    static const char format[] = "'format' = 'json'";
    const char *at = strstr(visits_views, format);
    const char *line;
    char text[2000];
    struct run run = {0};

    cr_assert(at != NULL);
    snprintf(text, sizeof text, "%.*s'scan.watermark.idle-timeout' = '200 ms', %s", (int)(at - visits_views), visits_views, at);
    run_file_write(dir, "views.sql", text);
    visits_append(data, 2, STEP_MS, 0, 500);
    follow(&run);
    cr_expect(has_read(500));
    cr_expect(run_says(&run, " topic=events partition=0 idle_ms=", PATIENCE_MS));
    cr_expect(run_says(&run, " topic=events partition=1 idle_ms=", PATIENCE_MS));
    tl_clock_sleep_ms(600); /* three times the timeout: it could say it again */
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    line = strstr(run.err, " warn speed partition idle topic=events partition=1 idle_ms=");
    cr_assert(line != NULL, "%s", run.err);
    cr_expect(strstr(line + 1, " warn speed partition idle topic=events partition=1 ") == NULL, "said twice: %s", run.err);
    cr_expect(strstr(run.err, " topic=events partition=0 idle_ms=") != NULL, "%s", run.err);
    run_done(&run);
}

Test(speed, a_log_that_was_made_again_ends_it_at_work_and_at_start)
{
    struct run run = {0};
    char path[400];

    visits_append(data, 1, STEP_MS, 0, 500);
    follow(&run);
    cr_expect(has_read(500));
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"log.db", "log.db-wal", "log.db-shm"};

        snprintf(path, sizeof path, "%s/%s", data, names[i]);
        unlink(path);
    }
    visits_append(data, 1, STEP_MS, 0, 900);
    cr_assert(run_wait_for(&run, PATIENCE_MS), "it goes on as if nothing had happened");
    cr_expect_eq(run.status, 3);
    run_done(&run);
    RUN(&run, "speed", "--views", views, "--data", data, "--once");
    cr_expect_eq(run.status, 3);
    cr_expect(strstr(run.err, "deleted and made again") != NULL, "%s", run.err);
    run_done(&run);
    RUN(&run, "status", "--data", data);
    cr_expect(strstr(run.err, "topic events was deleted and made again since view hits was counted") != NULL, "%s", run.err);
    run_done(&run);
}

Test(speed, a_second_one_stands_by_and_a_second_once_is_told)
{
    struct run first = {0}, second = {0}, once = {0};

    visits_append(data, 1, STEP_MS, 0, 300);
    follow(&first);
    cr_expect(has_read(300));
    RUN(&once, "speed", "--views", views, "--data", data, "--once");
    cr_expect_eq(once.status, 75);
    cr_expect(strstr(once.err, "pid") != NULL, "%s", once.err);
    run_done(&once);
    follow(&second);
    tl_clock_sleep_ms(300);
    run_signal(&first, SIGKILL); /* the second takes over */
    run_wait(&first);
    visits_append(data, 1, STEP_MS, 300, 700);
    cr_expect(has_read(700), "nobody took over");
    run_signal(&second, SIGTERM);
    run_wait(&second);
    cr_expect_eq(second.status, 0, "%s", second.err);
    cr_expect(strstr(second.err, "standing by") != NULL, "%s", second.err);
    run_done(&first);
    run_done(&second);
}

/* The list at the top of speed.c, walked with several workers that are busy: in the middle of a backlog, of a tick, of a new deal. What the
 * thread sanitizer sees on the way ends the program with another status. */
Test(speed, shutdown_is_in_order_whatever_the_workers_do, .timeout = 240)
{
    enum { ROUNDS = 8, HALF = 3000 };
    struct chance chance = chance_open("speed/shutdown");
    struct run run = {0};
    uint32_t partitions = 5;
    int appended = 0;

    for (int round = 1; round <= ROUNDS; round++) {
        char *sum;

        visits_append(data, partitions, STEP_MS, appended, appended + HALF);
        run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", round % 2 ? "3ms" : "100ms",
                                              "--workers", "3", NULL});
        cr_assert(has_read(appended + 1), "round %d: nothing was read", round);
        if (round % 2 == 0) {
            partitions += round == 4; /* one more: all are dealt again */
            visits_append(data, partitions, STEP_MS, appended + HALF, appended + 2 * HALF);
            appended += HALF;
            tl_clock_sleep_ms(chance_below(&chance, round == 4 ? 1200 : 60));
        }
        appended += HALF;
        run_signal(&run, round % 3 ? SIGTERM : SIGINT);
        run_wait(&run);
        cr_assert_eq(run.status, 0, "round %d: exit %d: %s", round, run.status, run.err);
        run_done(&run);
        RUN(&run, "speed", "--views", views, "--data", data, "--once", "--workers", "3");
        cr_assert_eq(run.status, 0, "round %d: exit %d: %s", round, run.status, run.err);
        run_done(&run);
        sum = dump_sql(store, "SELECT sum(o.messages_count) FROM tally_offset o JOIN tally_definition d USING (definition)"
                              " WHERE d.view = 'hits'");
        cr_assert_eq(strtol(sum, NULL, 10), (long)appended, "round %d: %d appended, read %s", round, appended, sum);
        free(sum);
    }
}

/* A stalled process that comes back: somebody else has raised the epoch meanwhile, and its next tick is refused. */
Test(speed, a_zombie_is_refused_at_its_next_tick)
{
    struct run run = {0};
    struct tl_store *other = NULL;
    struct tl_err err;
    char url[500];
    struct tl_epoch epoch;
    enum tl_code rc = TL_OK;

    visits_append(data, 3, STEP_MS, 0, 300);
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", "--workers", "3", NULL});
    cr_expect(has_read(300));
    snprintf(url, sizeof url, "sqlite:%s", store);
    cr_assert_eq(tl_store_open(url, TL_STORE_WRITE, &other, &err), TL_OK, "%s", err.message);
    for (int attempt = 0; attempt < 5; attempt++) { /* one that stands still within a transaction keeps the store locked */
        run_signal(&run, SIGSTOP);
        rc = tl_store_take_epoch(other, "another", NULL, &epoch, &err);
        if (rc == TL_OK)
            break;
        run_signal(&run, SIGCONT);
        tl_clock_sleep_ms(50);
    }
    cr_assert_eq(rc, TL_OK, "%s", err.message);
    tl_store_close(other);
    visits_append(data, 3, STEP_MS, 300, 600);
    run_signal(&run, SIGCONT);
    cr_assert(run_wait_for(&run, PATIENCE_MS), "it goes on writing");
    cr_expect_eq(run.status, 3, "%d %s", run.status, run.err);
    {
        char *sum = dump_sql(
            store,
            "SELECT sum(o.messages_count) FROM tally_offset o JOIN tally_definition d USING (definition) WHERE d.view = 'hits'");

        cr_expect_str_eq(sum, "300\n");
        free(sum);
    }
    run_done(&run);
}

/* One partition: the rows are those of a run that nobody disturbed. */
static void expect_equal_to_one_pass(void)
{
    char url[500], path[400];
    struct run once = {0};
    char *got, *want;

    snprintf(path, sizeof path, "%s/undisturbed.db", dir);
    snprintf(url, sizeof url, "sqlite:%s", path);
    RUN(&once, "speed", "--views", views, "--data", data, "--store", url, "--once");
    cr_assert_eq(once.status, 0, "%s", once.err);
    run_done(&once);
    got = dump_speed(store, "hits");
    want = dump_speed(path, "hits");
    cr_expect_str_eq(got, want);
    free(got);
    free(want);
}

/* The other way round: nobody raises the epoch but a second process, which finds that the first one gives no answer. */
Test(speed, one_that_stands_still_is_taken_over_within_10_s_and_refused)
{
    struct run first = {0}, second = {0};
    int64_t stopped_ms;
    char *sum;

    visits_append(data, 1, STEP_MS, 0, 300);
    follow(&first);
    cr_expect(has_read(300));
    follow(&second);
    tl_clock_sleep_ms(4000); /* it asks twice, and is answered */
    sum = dump_sql(store, "SELECT challenge >= 2, answer >= 1, epoch FROM tally_epoch");
    cr_expect_str_eq(sum, "1|1|1\n", "%s", sum);
    free(sum);
    run_signal(&first, SIGSTOP);
    stopped_ms = tl_clock_monotonic_ms();
    visits_append(data, 1, STEP_MS, 300, 600);
    cr_expect(has_read(600), "nobody took over");
    cr_expect_lt(tl_clock_monotonic_ms() - stopped_ms, 10000);
    run_signal(&first, SIGCONT);
    visits_append(data, 1, STEP_MS, 600, 900);
    cr_assert(run_wait_for(&first, PATIENCE_MS), "it goes on");
    cr_expect_eq(first.status, 3, "%d %s", first.status, first.err);
    cr_expect(strstr(first.err, "taken over") != NULL, "%s", first.err);
    cr_expect(has_read(900));
    run_signal(&second, SIGTERM);
    run_wait(&second);
    cr_expect_eq(second.status, 0, "%s", second.err);
    run_done(&second);
    sum = dump_sql(store, "SELECT epoch, owner, (SELECT count(*) > 20 FROM hits) FROM tally_epoch");
    cr_expect_str_eq(sum, "2||1\n", "%s", sum);
    free(sum);
    expect_equal_to_one_pass();
    run_done(&first);
}

Test(speed, up_runs_all_parts_and_ends_them)
{
    struct run run = {0};
    char *left;

    visits_append(data, 2, 17280, 0, 12000); /* more than two days */
    run_start(&run, (const char *const[]){"up", "--serve-listen", "127.0.0.1:0", "--views", views, "--data", data,
                                          "--archive-every", "200ms", "--batch-every", "300ms", NULL});
    cr_expect(has_read(12000));
    for (int i = 0; i < 200; i++) {
        char *published = dump_sql(store, "SELECT count(*) FROM tally_pointer");
        bool done = strcmp(published, "0\n") != 0;

        free(published);
        if (done)
            break;
        tl_clock_sleep_ms(50);
    }
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    left = dump_sql(store, "SELECT min(boundary_ms) >= 1772496000000, min(boundary_ms) % 86400000 FROM tally_progress");
    cr_expect_str_eq(left, "1|0\n", "published up to a midnight, the two whole days at least: %s", left);
    free(left);
    run_done(&run);
}
