/* replay_test.c: speed's tables made anew out of history: the same as those of the run that counted live, from the log, from the record, from both;
 * and what becomes of it where some of the history is gone, somebody else is at work, or speed runs on. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "master/master.h"
#include "store/store.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/kafka_broker.h"
#include "support/postgres_dump.h"
#include "support/run.h"
#include "support/store_fixture.h"
#include "support/visits.h"

enum { STEP_MS = 200, EVENTS = 3000, PATIENCE_MS = 30000, ARGS_MAX = 20 };

static char dir[RUN_DIR_BYTES], views[300], data[300], store[400];
static struct run run;

static void views_are(const char *text)
{
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", text));
}

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
    views_are(visits_views);
}

static void folder_close(void)
{
    run_done(&run);
    run_folder_remove(dir);
    store_folder_remove();
}

TestSuite(replay, .init = folder_open, .fini = folder_close, .timeout = 120);

static void tally(int status, const char *const *args)
{
    const char *all[ARGS_MAX];
    size_t count = 0;

    for (; args[count] != NULL; count++)
        all[count] = args[count];
    cr_assert(count + 5 <= ARGS_MAX);
    memcpy(&all[count], (const char *const[]){"--views", views, "--data", data, NULL}, 5 * sizeof *all);
    run_done(&run);
    run_start(&run, all);
    run_wait(&run);
    cr_assert_eq(run.status, status, "%s: exit status %d\n%s%s", args[0], run.status, run.out, run.err);
}
#define TALLY(status, ...) tally(status, (const char *const[]){__VA_ARGS__, NULL})

static long number_of(const char *sql)
{
    char *text = dump_sql(store, sql);
    long number = strtol(text, NULL, 10);

    free(text);
    return number;
}

static void trim(uint32_t partition, int64_t offset)
{
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_trim(log, TL_SV("events"), partition, offset, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
}

/* Runs a statement on the store. */
static void forge(const char *sql)
{
    char line[1000];

    snprintf(line, sizeof line, "sqlite3 '%s' \"%s\"", store, sql);
    cr_assert_eq(system(line), 0, "%s", line);
}

static char *dump_all(const char *const *names)
{
    return dump_speeds(store, names);
}

static const char *const both[] = {"hits", "big", NULL};

static void expect_dump(const char *const *names, char *want)
{
    char *got = dump_all(names);

    expect_same_lines(got, want);
    free(got);
    free(want);
}

/* Nothing of a build is left. */
static void expect_clean(void)
{
    cr_expect_eq(number_of("SELECT count(*) FROM tally_definition WHERE state = 'building'"), 0);
    cr_expect_eq(number_of("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE '%\\_\\_r%' ESCAPE '\\'"), 0);
    cr_expect_eq(number_of("SELECT count(*) FROM tally_dedup WHERE lane <> 0"), 0);
    cr_expect_eq(number_of("SELECT count(*) FROM tally_offset WHERE definition NOT IN"
                           " (SELECT definition FROM tally_definition WHERE state = 'active')"),
                 0);
}

/* ---- one partition: the same as the run that counted live ---- */

/* Live, in pieces with restarts between; then a few rows, lines and outcomes are spoiled, so that a replay that does nothing shows. */
static void live_then_spoiled(const char *const *names, uint32_t partitions, int events, char **want)
{
    for (int k = 0; k < 3; k++) {
        visits_append(data, partitions, STEP_MS, k * events / 3, (k + 1) * events / 3);
        TALLY(0, "speed", "--once", "--tick", "7ms");
    }
    *want = dump_all(names);
    forge("DELETE FROM tally_ledger WHERE run = 0 AND \"\"offset\"\" % 3 = 0; UPDATE tally_outcome SET counted = counted + 5;"
          " UPDATE tally_offset SET events_count = 1");
    for (; *names != NULL; names++) {
        char sql[200];

        snprintf(sql, sizeof sql, "DELETE FROM %s_speed WHERE _start_ms %% 7 < 4", *names);
        forge(sql);
    }
}

struct tick_case {
    char tick[8];
    bool windows;
};

ParameterizedTestParameters(replay, equals_the_live_run)
{
    static struct tick_case cases[] = {
        {"1ms",   false},
        {"1ms",   true },
        {"30ms",  true },
        {"1s",    false},
        {"1000s", true },
    };
    return cr_make_param_array(struct tick_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct tick_case *c, replay, equals_the_live_run)
{
    const char *const *names = c->windows ? visits_windows_names : both;
    char *want;

    views_are(c->windows ? visits_windows : visits_views);
    live_then_spoiled(names, 1, EVENTS, &want);
    TALLY(0, "replay", "--tick", c->tick);
    cr_expect(strstr(run.err, "the new tables serve") != NULL, "%s", run.err);
    cr_expect(strstr(run.err, " 3000 events") != NULL, "%s", run.err);
    expect_dump(names, want);
    expect_clean();
}

/* Speed goes on with the ids, the open windows and the sessions that the replay has left. */
Test(replay, speed_goes_on_from_a_replay_as_if_there_had_been_none)
{
    char *want, *unused;

    views_are(visits_windows);
    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "speed", "--once");
    want = dump_all(visits_windows_names);
    cr_assert_eq(unlink(store), 0);
    snprintf(data, sizeof data, "%s/other", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
    live_then_spoiled(visits_windows_names, 1, EVENTS / 2, &unused);
    free(unused);
    TALLY(0, "replay");
    visits_append(data, 1, STEP_MS, EVENTS / 2, EVENTS);
    TALLY(0, "speed", "--once");
    expect_dump(visits_windows_names, want);
}

/* ---- one view, and its family ---- */

Test(replay, a_family_is_replayed_together_and_other_views_are_left_alone)
{
    char *want;

    views_are(visits_windows);
    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "speed", "--once");
    want = dump_all((const char *const[]){"visits", "visits_1m", "long_visits", NULL});
    forge("DELETE FROM visits_speed; DELETE FROM visits_1m_speed; DELETE FROM hops_speed");
    TALLY(0, "replay", "long_visits");
    cr_expect(strstr(run.err, "replayed 3 views") != NULL, "%s", run.err);
    expect_dump((const char *const[]){"visits", "visits_1m", "long_visits", NULL}, want);
    cr_expect_eq(number_of("SELECT count(*) FROM hops_speed"), 0);
    TALLY(2, "replay", "visitz");
    cr_expect(strstr(run.err, "visits") != NULL, "%s", run.err);
}

/* ---- the record ---- */

struct source_case {
    char option[16];
    int64_t trimmed; /* the log's first offset then */
};

ParameterizedTestParameters(replay, reads_the_record_and_the_log)
{
    static struct source_case cases[] = {
        {"",              0   },
        {"--from-record", 0   },
        {"--from-log",    0   },
        {"",              1000},
        {"--from-record", 1700},
        {"",              2000},
    };
    return cr_make_param_array(struct source_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct source_case *c, replay, reads_the_record_and_the_log)
{
    char *want;

    visits_append(data, 1, STEP_MS, 0, 1200);
    TALLY(0, "archive");
    visits_append(data, 1, STEP_MS, 1200, 2000);
    TALLY(0, "archive");
    visits_append(data, 1, STEP_MS, 2000, EVENTS);
    TALLY(0, "speed", "--once");
    want = dump_all(both);
    forge("DELETE FROM hits_speed WHERE _start_ms % 7 < 4; DELETE FROM tally_ledger WHERE \"\"offset\"\" % 2 = 0");
    if (c->trimmed > 0)
        trim(0, c->trimmed);
    if (c->option[0] != '\0')
        TALLY(0, "replay", c->option);
    else
        TALLY(0, "replay");
    expect_dump(both, want);
    expect_clean();
}

Test(replay, a_dry_run_says_what_would_be_read_and_writes_nothing)
{
    char *before, *after;

    visits_append(data, 1, STEP_MS, 0, 2000);
    TALLY(0, "archive");
    visits_append(data, 1, STEP_MS, 2000, EVENTS);
    TALLY(0, "speed", "--once");
    trim(0, 1500);
    before = dump_sql(store, "SELECT * FROM tally_definition");
    TALLY(0, "replay", "--dry-run");
    cr_expect_str_eq(run.out, "view hits\nview big\ntopic events partition 0 offsets 0 to 1999: master record\n"
                              "topic events partition 0 offsets 2000 to 2999: log\n");
    TALLY(0, "replay", "--dry-run", "--from-log");
    cr_expect_str_eq(run.out, "view hits\nview big\ntopic events partition 0 offsets 0 to 1499: gone\n"
                              "topic events partition 0 offsets 1500 to 2999: log\n");
    after = dump_sql(store, "SELECT * FROM tally_definition");
    cr_expect_str_eq(after, before);
    free(before);
    free(after);
}

/* ---- what is gone ---- */

static void expect_gap_of(const char *offsets)
{
    char *lines = dump_sql(store, "SELECT l.\"offset\", l.\"row\" FROM tally_ledger l JOIN tally_definition d USING (definition)"
                                  " WHERE d.view = 'hits' AND d.state = 'active' AND l.cause = 22 ORDER BY 1, 2");

    cr_expect_str_eq(lines, offsets);
    free(lines);
}

Test(replay, what_is_gone_from_the_log_is_said_first_and_is_an_outage_when_it_is_accepted)
{
    char *want, *before;
    long of_all;

    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "speed", "--once");
    of_all = number_of("SELECT sum(hits) FROM hits_speed");
    trim(0, 1000);
    before = dump_all(both);
    TALLY(3, "replay");
    cr_expect(strstr(run.err, "topic events partition 0 offsets 0 to 999\n") != NULL, "%s", run.err);
    cr_expect(strstr(run.err, "--accept-gap") != NULL, "%s", run.err);
    expect_dump(both, before);
    cr_expect_eq(number_of("SELECT count(*) FROM tally_definition"), 2);
    TALLY(0, "replay", "--accept-gap");
    expect_gap_of("0|0\n999|1\n");
    cr_expect(number_of("SELECT sum(hits) FROM hits_speed") < of_all);
    cr_expect_eq(number_of("SELECT events_count FROM tally_offset"), EVENTS - 1000);
    TALLY(0, "status");
    /* Once more: the same. */
    want = dump_all(both);
    TALLY(0, "replay", "--accept-gap");
    expect_dump(both, want);
    visits_append(data, 1, STEP_MS, EVENTS, EVENTS + 100);
    TALLY(0, "speed", "--once");
    cr_expect_eq(number_of("SELECT events_count FROM tally_offset"), EVENTS - 900);
}

/* The layers differ by what was passed over, and the report says so. */
Test(replay, reconcile_explains_a_gap_that_was_accepted)
{
    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "archive");
    TALLY(0, "speed", "--once");
    TALLY(0, "batch", "--to", "2026-03-01T00:08:00Z");
    trim(0, 1000);
    TALLY(0, "replay", "--from-log", "--accept-gap");
    TALLY(0, "reconcile");
    cr_expect(strstr(run.out, "0 unexplained") != NULL, "%s", run.out);
    cr_expect(strstr(run.out, "100% of groups equal") == NULL, "%s", run.out);
    TALLY(0, "replay"); /* the record heals it */
    TALLY(0, "reconcile");
    cr_expect_eq(number_of("SELECT count(*) FROM tally_ledger WHERE cause = 22"), 0);
}

/* Where the record's file is gone and the log still has what was in it, the log is read. */
Test(replay, a_file_of_the_record_that_is_gone_is_read_from_the_log_as_far_as_that_goes)
{
    char pattern[500], *want;
    glob_t found;

    visits_append(data, 1, STEP_MS, 0, 1200);
    TALLY(0, "archive");
    visits_append(data, 1, STEP_MS, 1200, 2000);
    TALLY(0, "archive");
    visits_append(data, 1, STEP_MS, 2000, EVENTS);
    TALLY(0, "archive");
    TALLY(0, "speed", "--once");
    want = dump_all(both);
    snprintf(pattern, sizeof pattern, "%s/topics/events/partition=0/events+0+0000001200.*", data);
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        cr_assert_eq(unlink(found.gl_pathv[i]), 0);
    globfree(&found);
    TALLY(0, "replay", "--from-record");
    expect_dump(both, want);
    trim(0, 1500);
    TALLY(3, "replay");
    cr_expect(strstr(run.err, "offsets 1200 to 1499\n") != NULL, "%s", run.err);
    TALLY(0, "replay", "--accept-gap");
    expect_gap_of("1200|0\n1499|1\n");
    cr_expect_eq(number_of("SELECT events_count FROM tally_offset"), EVENTS - 300);
}

/* What retention has taken from the record is read from the log while that has it, and is gone when it has not. */
Test(replay, what_was_thinned_out_is_gone_when_the_log_has_let_go_of_it)
{
    const struct tl_master_complete below = {.offset = 1200};
    struct tl_master *master = NULL;
    struct tl_err err;
    char *want;

    visits_append(data, 1, STEP_MS, 0, 1200);
    TALLY(0, "archive");
    visits_append(data, 1, STEP_MS, 1200, EVENTS);
    TALLY(0, "archive");
    TALLY(0, "speed", "--once");
    want = dump_all(both);
    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_thin(master, TL_SV("events"), &below, 1, 1000, &err), TL_OK, "%s", err.message);
    tl_master_close(master);
    TALLY(0, "replay", "--dry-run", "--from-record");
    cr_expect(strstr(run.out, "offsets 0 to 1199: log\n") != NULL, "%s", run.out);
    TALLY(0, "replay", "--from-record");
    expect_dump(both, want);
    trim(0, 1100);
    TALLY(3, "replay");
    cr_expect(strstr(run.err, "offsets 0 to 1099\n") != NULL, "%s", run.err);
    trim(0, 2000);
    TALLY(3, "replay");
    cr_expect(strstr(run.err, "offsets 0 to 1199\n") != NULL, "%s", run.err);
    TALLY(0, "replay", "--accept-gap");
    expect_gap_of("0|0\n1199|1\n");
    cr_expect_eq(number_of("SELECT events_count FROM tally_offset"), EVENTS - 1200);
}

/* A changed definition reads what the record has and the log has no more. */
Test(replay, a_changed_definition_is_built_from_the_record_where_the_log_begins_later)
{
    static const char changed[] =
        "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"
        "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"
        ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
        "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(n) AS total, MIN(n) AS low\n"
        "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
        "    GROUP BY window_start, window_end, host;\n"
        "CREATE VIEW big AS SELECT event_id, n FROM events WHERE n > 90;\n";
    char *want;

    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "archive");
    TALLY(0, "speed", "--once");
    want = dump_sql(store, "SELECT _start_ms, host, hits, total FROM hits_speed ORDER BY 1, 2");
    trim(0, 1500);
    views_are(changed);
    TALLY(0, "speed", "--once");
    cr_expect(strstr(run.err, "from the master record and the log") != NULL, "%s", run.err);
    cr_expect_eq(number_of("SELECT count(low) > 0 FROM hits_speed"), 1);
    {
        char *got = dump_sql(store, "SELECT _start_ms, host, hits, total FROM hits_speed ORDER BY 1, 2");

        expect_same_lines(got, want);
        free(got);
    }
    free(want);
}

/* What 'scan.startup.mode' has left out when the view was new is left out again, though the log has it. */
Test(replay, what_was_left_out_at_the_start_is_left_out_again)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_views, place);
    char sql[4000], *want;

    snprintf(sql, sizeof sql, "%.*s%s, 'scan.startup.mode' = 'latest-offset'%s", (int)(at - visits_views), visits_views, place,
             at + strlen(place));
    views_are(sql);
    visits_append(data, 1, STEP_MS, 0, 1000);
    TALLY(0, "speed", "--once");
    visits_append(data, 1, STEP_MS, 1000, EVENTS);
    TALLY(0, "speed", "--once");
    want = dump_all(both);
    forge("DELETE FROM hits_speed WHERE _start_ms % 7 < 4");
    TALLY(0, "replay");
    expect_dump(both, want);
    expect_gap_of("0|0\n999|1\n");
    trim(0, 500);
    TALLY(0, "replay");
}

/* An outage later on is none of that, and the record has filled it. */
Test(replay, an_outage_later_on_was_not_left_out_at_the_start)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_views, place);
    char sql[4000];

    snprintf(sql, sizeof sql, "%.*s%s, 'scan.startup.mode' = 'latest-offset'%s", (int)(at - visits_views), visits_views, place,
             at + strlen(place));
    views_are(sql);
    visits_append(data, 1, STEP_MS, 0, 0);
    TALLY(0, "speed", "--once");
    visits_append(data, 1, STEP_MS, 0, 1000);
    TALLY(0, "speed", "--once");
    visits_append(data, 1, STEP_MS, 1000, 2000);
    TALLY(0, "archive");
    trim(0, 1500);
    TALLY(0, "speed", "--once", "--accept-gap");
    expect_gap_of("1000|0\n1499|1\n");
    TALLY(0, "replay");
    cr_expect_eq(number_of("SELECT events_count FROM tally_offset"), 2000);
    expect_gap_of("");
    TALLY(0, "replay", "--from-log", "--accept-gap");
    cr_expect_eq(number_of("SELECT events_count FROM tally_offset"), 500);
    TALLY(0, "replay");
    cr_expect_eq(number_of("SELECT events_count FROM tally_offset"), 2000);
}

/* ---- several partitions ---- */

static void expect_the_log(const char *view, long events)
{
    char sql[1200], want[100], *sums;

    snprintf(
        sql, sizeof sql,
        "SELECT (SELECT sum(hits) FROM hits_speed) = o.counted, (SELECT count(*) FROM tally_ledger l WHERE l.definition ="
        " o.definition AND run = 0 AND cause <> 0) = o.late + o.duplicate + o.future + o.rejected, o.counted + o.late + "
        "o.duplicate + o.future"
        " + o.rejected + o.filtered + o.dead_letter, (SELECT sum(events_count) FROM tally_offset f WHERE f.definition ="
        " o.definition), (SELECT sum(next_offset) FROM tally_offset f WHERE f.definition = o.definition) FROM tally_outcome o"
        " JOIN tally_definition d USING (definition) WHERE view = '%s' AND d.state = 'active'",
        view);
    snprintf(want, sizeof want, "1|1|%ld|%ld|%ld\n", events, events, events);
    sums = dump_sql(store, sql);
    cr_expect_str_eq(sums, want);
    free(sums);
}

Test(replay, several_partitions_account_for_every_event_and_reconcile_explains_all)
{
    static const char *const workers[] = {"1", "2", "3"};

    visits_append(data, 3, STEP_MS, 0, EVENTS);
    TALLY(0, "speed", "--once");
    TALLY(0, "archive");
    TALLY(0, "batch", "--to", "2026-03-01T00:08:00Z");
    for (size_t i = 0; i < 3; i++) {
        forge("DELETE FROM hits_speed WHERE _start_ms % 7 < 4");
        TALLY(0, "replay", "--workers", workers[i], "--tick", "20ms");
        expect_the_log("hits", EVENTS);
        TALLY(0, "status");
        TALLY(0, "reconcile");
    }
}

/* A partition that fell silent long ago holds nobody up: windows of the others are final as they were live. */
Test(replay, a_partition_that_ended_long_ago_is_idle_by_the_logs_own_time)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_views, place);
    struct tl_log *log = NULL;
    struct tl_err err;
    char sql[4000];

    snprintf(sql, sizeof sql, "%.*s%s, 'scan.watermark.idle-timeout' = '30 s'%s", (int)(at - visits_views), visits_views, place,
             at + strlen(place));
    views_are(sql);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK);
    visits_append_to(log, "events", 2, STEP_MS, 0, 200);
    for (int i = 200; i < 2000; i++) {
        char text[200];
        struct tl_log_record record = {.partition = 0, .log_ms = VISITS_START_MS + i * STEP_MS};

        snprintf(text, sizeof text,
                 "{\"event_id\": \"e%d\", \"host\": \"h\", \"n\": 1, \"event_time\": \"2026-03-01T00:%02d:%02dZ\"}", i,
                 i / 5 / 60, i / 5 % 60);
        record.value = tl_sv_from(text);
        cr_assert_eq(tl_log_append(log, TL_SV("events"), &record, 1, NULL, &err), TL_OK);
    }
    tl_log_close(log);
    TALLY(0, "speed", "--once");
    TALLY(0, "replay", "--workers", "2");
    cr_expect_eq(number_of("SELECT final_ms / 1000 - 1772323200 FROM tally_progress g JOIN tally_definition d USING (definition)"
                           " WHERE d.view = 'hits' AND d.state = 'active'"),
                 394, "%ld", number_of("SELECT max(final_ms) / 1000 - 1772323200 FROM tally_progress"));
    expect_the_log("hits", 2000);
}

static void append_hosts(struct tl_log *log, uint32_t partition, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[200];
        struct tl_log_record record = {.partition = partition, .log_ms = VISITS_START_MS + i * INT64_C(1000)};
        struct tl_err err;

        snprintf(text, sizeof text,
                 "{\"event_id\": \"e%u_%d\", \"host\": \"h\", \"n\": 1, \"event_time\": \"2026-03-01T00:%02d:%02dZ\"}", partition,
                 i, i / 60, i % 60);
        record.value = tl_sv_from(text);
        cr_assert_eq(tl_log_append(log, TL_SV("events"), &record, 1, NULL, &err), TL_OK, "%s", err.message);
    }
}

/* Where a partition has more in the log than was counted so far, it is not idle: what it has would be late. Behind a pause that is longer than the
 * time-out it was idle until then, and windows are final up to there. */
static void replay_with_a_backlog(const char *workers, int pause_s)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_views, place);
    struct tl_log *log = NULL;
    struct tl_err err;
    char sql[4000];
    long final_s;

    snprintf(sql, sizeof sql, "%.*s%s, 'scan.watermark.idle-timeout' = '30 s'%s", (int)(at - visits_views), visits_views, place,
             at + strlen(place));
    views_are(sql);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("events"), 2, &err), TL_OK, "%s", err.message);
    append_hosts(log, 0, 0, 600);
    append_hosts(log, 1, 0, 1800);
    TALLY(0, "speed", "--once");
    append_hosts(log, 0, 600 + pause_s, 1800);
    tl_log_close(log);
    TALLY(0, "replay", "--workers", workers, "--tick", "5ms");
    final_s = number_of("SELECT max(final_ms) / 1000 - 1772323200 FROM tally_progress");
    cr_expect(final_s >= 590 + pause_s && final_s < 600 + pause_s, "%ld", final_s);
    TALLY(0, "speed", "--once");
    cr_expect_eq(
        number_of("SELECT counted FROM tally_outcome o JOIN tally_definition d USING (definition) WHERE d.view = 'hits' AND"
                  " d.state = 'active'"),
        3600 - pause_s);
    cr_expect_eq(number_of("SELECT max(late) FROM tally_outcome"), 0);
    expect_the_log("hits", 3600 - pause_s);
}

Test(replay, a_partition_with_a_backlog_is_not_idle)
{
    replay_with_a_backlog("1", 0);
}

Test(replay, a_partition_with_a_backlog_is_not_idle_to_another_worker)
{
    replay_with_a_backlog("2", 0);
}

Test(replay, a_partition_with_a_backlog_behind_a_pause_is_not_idle_behind_that)
{
    replay_with_a_backlog("1", 100);
}

/* ---- batch beside it ---- */

Test(replay, what_batch_has_published_stays_and_sessions_are_cut_anew)
{
    char *before, *after, *rows, *cuts;

    views_are(visits_windows);
    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "archive");
    TALLY(0, "speed", "--once");
    TALLY(0, "batch", "--to", "2026-03-01T00:07:33Z");
    TALLY(0, "query", "visits", "--format", "csv", "--limit", "100000");
    before = strdup(run.out);
    rows = dump_all(visits_windows_names);
    cuts = dump_sql(store, "SELECT definition, hex(\"key\"), cut_ms FROM tally_cut ORDER BY 1, 2");
    cr_assert(strlen(cuts) > 0);
    forge("DELETE FROM visits_speed; DELETE FROM hops_speed; DELETE FROM tally_cut; UPDATE tally_outcome SET late = 0");
    TALLY(0, "replay");
    expect_dump(visits_windows_names, rows);
    TALLY(0, "query", "visits", "--format", "csv", "--limit", "100000");
    cr_expect_str_eq(run.out, before);
    after = dump_sql(store, "SELECT definition, hex(\"key\"), cut_ms FROM tally_cut ORDER BY 1, 2");
    cr_expect_str_eq(after, cuts);
    TALLY(0, "reconcile");
    TALLY(0, "batch", "--to", "2026-03-01T00:09:11Z");
    TALLY(0, "reconcile");
    free(before);
    free(after);
    free(cuts);
}

/* Rows that retention has taken from speed are there again, so a publication can be rolled back behind them. */
Test(replay, what_retention_has_pruned_is_there_again)
{
    char clock[300], sql[4000], *want, *got;
    FILE *file;

    snprintf(sql, sizeof sql, "SET 'tally.speed-retention' = '1 h'; SET 'tally.batch-range' = 'hour';\n%s", visits_views);
    views_are(sql);
    snprintf(clock, sizeof clock, "%s/clock", dir);
    file = fopen(clock, "w");
    fprintf(file, "%lld\n", (long long)(VISITS_START_MS + 86400000));
    fclose(file);
    cr_assert_eq(setenv("TALLY_CLOCK_FILE", clock, 1), 0);
    visits_append(data, 1, 20 * STEP_MS, 0, EVENTS);
    TALLY(0, "archive");
    TALLY(0, "speed", "--once");
    want = dump_sql(store, "SELECT _start_ms, host, hits FROM hits_speed ORDER BY 1, 2");
    TALLY(0, "batch", "--to", "2026-03-01T01:00:00Z");
    file = fopen(clock, "w");
    fprintf(file, "%lld\n", (long long)(VISITS_START_MS + 2 * 86400000));
    fclose(file);
    TALLY(0, "batch", "--to", "2026-03-01T02:00:00Z");
    cr_assert_eq(number_of("SELECT count(*) FROM hits_speed WHERE _end_ms <= 1772326800000"), 0);
    TALLY(0, "batch", "--rollback");
    TALLY(1, "batch", "--rollback"); /* speed's rows behind it are gone */
    TALLY(0, "replay");
    got = dump_sql(store, "SELECT _start_ms, host, hits FROM hits_speed ORDER BY 1, 2");
    expect_same_lines(got, want);
    free(got);
    free(want);
    TALLY(0, "reconcile");
    TALLY(0, "batch", "--rollback");
    cr_assert_eq(unsetenv("TALLY_CLOCK_FILE"), 0);
}

/* ---- stopped on the way ---- */

static void stop_in_the_middle(const char *option, const char *more)
{
    struct run replay = {0};
    long stood = 0;

    run_start(&replay, (const char *const[]){"replay", "--views", views, "--data", data, "--tick", "1ms", option, more, NULL});
    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; stood == 0 && tl_clock_monotonic_ms() < until;)
        stood = number_of("SELECT coalesce(max(o.events_count), 0) FROM tally_offset o JOIN tally_definition d USING (definition)"
                          " WHERE d.state = 'building'");
    run_signal(&replay, SIGTERM);
    run_wait(&replay);
    cr_assert_eq(replay.status, 3, "it stood at %ld: %s", stood, replay.err);
    cr_expect(strstr(replay.err, "stopped before the end") != NULL, "%s", replay.err);
    run_done(&replay);
}

Test(replay, one_that_was_stopped_goes_on_and_one_that_passed_over_what_is_there_now_begins_anew)
{
    enum { MANY = 30000 };
    char *want;

    visits_append(data, 1, STEP_MS, 0, MANY);
    TALLY(0, "archive");
    TALLY(0, "speed", "--once");
    want = dump_all(both);
    stop_in_the_middle(NULL, NULL);
    TALLY(0, "status");
    TALLY(0, "replay");
    cr_expect(strstr(run.err, "going on where it stopped") != NULL, "%s", run.err);
    expect_dump(both, want);
    stop_in_the_middle(NULL, NULL);
    TALLY(0, "replay", "hits"); /* of other views: the builds go */
    cr_expect(strstr(run.err, "going on where it stopped") == NULL, "%s", run.err);
    expect_clean();
    trim(0, 1000);
    want = dump_all(both);
    stop_in_the_middle("--from-log", "--accept-gap");
    TALLY(0, "replay");
    cr_expect(strstr(run.err, "going on where it stopped") == NULL, "%s", run.err);
    expect_dump(both, want);
    expect_clean();
}

/* An unfinished replay of two views, one of which is changed then: the other one's build has no event ids any more, and copies would count. */
Test(replay, one_of_which_a_view_has_changed_meanwhile_begins_anew)
{
    enum { MANY = 30000 };
    static const char sum[] = ", SUM(n) AS total";
    const char *at = strstr(visits_views, sum);
    char sql[4000], *want;

    visits_append(data, 1, STEP_MS, 0, MANY);
    TALLY(0, "speed", "--once");
    want = dump_all((const char *const[]){"big", NULL});
    stop_in_the_middle(NULL, NULL);
    snprintf(sql, sizeof sql, "%.*s, MIN(n) AS low%s", (int)(at - visits_views), visits_views, at + strlen(sum));
    views_are(sql);
    TALLY(0, "speed", "--once");
    TALLY(0, "replay", "big");
    cr_expect(strstr(run.err, "going on where it stopped") == NULL, "%s", run.err);
    expect_dump((const char *const[]){"big", NULL}, want);
    expect_clean();
}

/* ---- somebody else is at work ---- */

Test(replay, one_at_a_time)
{
    char url[420];
    struct tl_store *held;
    struct tl_err err;

    visits_append(data, 1, STEP_MS, 0, 100);
    TALLY(0, "speed", "--once");
    snprintf(url, sizeof url, "sqlite:%s", store);
    held = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(tl_store_lock(held, "replay", "me", &err), TL_OK, "%s", err.message);
    TALLY(75, "replay");
    TALLY(0, "replay", "--dry-run");
    tl_store_close(held);
    TALLY(0, "replay");
    TALLY(2, "replay", "--from-log", "--from-record");
}

Test(replay, a_store_that_is_not_there_is_not_made)
{
    TALLY(3, "replay");
    cr_expect(access(store, F_OK) != 0);
}

/* Somebody reads the old tables for ever? In SQLite he keeps what he sees; speed that runs is asked aside, and goes on with the new tables. */
Test(replay, speed_runs_on_while_it_is_replayed)
{
    struct run speed = {0};
    char *want;

    views_are(visits_windows);
    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "speed", "--once");
    forge("DELETE FROM hops_speed WHERE _start_ms % 7 < 4; DELETE FROM visits_speed");
    run_start(&speed, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", NULL});
    for (int k = 0; k < 3; k++) {
        visits_append(data, 1, STEP_MS, EVENTS + k * 200, EVENTS + (k + 1) * 200);
        TALLY(0, "replay");
        cr_assert_eq(speed.status, -1);
    }
    visits_append(data, 1, STEP_MS, EVENTS + 600, EVENTS + 1000);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;
         number_of("SELECT min(events_count) FROM tally_offset") < EVENTS + 1000 && tl_clock_monotonic_ms() < until_ms;)
        tl_clock_sleep_ms(50);
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_expect_eq(speed.status, 0, "%s", speed.err);
    cr_expect(strstr(speed.err, "a replay puts tables in place") != NULL, "%s", speed.err);
    run_done(&speed);
    TALLY(0, "speed", "--once");
    want = dump_all(visits_windows_names);
    cr_assert_eq(unlink(store), 0);
    TALLY(0, "speed", "--once");
    expect_dump(visits_windows_names, want);
}

/* A replay that is killed while it has the epoch is followed as any other: here one of another machine, which nobody can ask. */
Test(replay, speed_goes_on_behind_a_replay_that_is_gone)
{
    struct run speed = {0};
    struct tl_store *held;
    struct tl_epoch epoch;
    struct tl_err err;
    char url[420];

    visits_append(data, 1, STEP_MS, 0, 100);
    TALLY(0, "speed", "--once");
    run_start(&speed, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", NULL});
    tl_clock_sleep_ms(500);
    snprintf(url, sizeof url, "sqlite:%s", store);
    held = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(tl_store_take_epoch(held, "web2 pid 7 since 1 boot 2 space 3 replay", NULL, &epoch, &err), TL_OK, "%s",
                 err.message);
    cr_assert(run_says(&speed, "standing by: speed runs on web2 pid 7", PATIENCE_MS));
    visits_append(data, 1, STEP_MS, 100, 200);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;
         number_of("SELECT min(events_count) FROM tally_offset") < 200 && tl_clock_monotonic_ms() < until_ms;)
        tl_clock_sleep_ms(50);
    cr_expect_eq(number_of("SELECT min(events_count) FROM tally_offset"), 200);
    tl_store_close(held);
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_expect_eq(speed.status, 0, "%s", speed.err);
    run_done(&speed);
}

/* Speed moves on all the time: it has to be held for the last bit, and only for that. */
Test(replay, a_steady_stream_holds_no_replay_up_and_is_held_up_for_a_moment_only)
{
    enum { MORE = 4000, PER_STEP = 10 };
    struct run speed = {0};
    char *want;
    pid_t stream;

    visits_append(data, 1, STEP_MS, 0, EVENTS);
    TALLY(0, "speed", "--once");
    forge("DELETE FROM hits_speed WHERE _start_ms % 7 < 4");
    run_start(&speed, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", NULL});
    stream = fork();
    if (stream == 0) {
        for (int i = 0; i < MORE; i += PER_STEP) {
            visits_append(data, 1, STEP_MS, EVENTS + i, EVENTS + i + PER_STEP);
            tl_clock_sleep_ms(10);
        }
        _exit(0);
    }
    tl_clock_sleep_ms(500);
    TALLY(0, "replay");
    cr_expect_eq(waitpid(stream, NULL, WNOHANG), 0, "the stream was over first");
    cr_assert_eq(waitpid(stream, NULL, 0), stream);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;
         number_of("SELECT min(events_count) FROM tally_offset") < EVENTS + MORE && tl_clock_monotonic_ms() < until_ms;)
        tl_clock_sleep_ms(50);
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_expect_eq(speed.status, 0, "%s", speed.err);
    run_done(&speed);
    want = dump_all(both);
    cr_assert_eq(unlink(store), 0);
    TALLY(0, "speed", "--once");
    expect_dump(both, want);
}

/* ---- the other log, the other store ---- */

static void kafka_views(const char *topic)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_views, place);
    char sql[4000];

    snprintf(sql, sizeof sql, "%.*s'topic' = '%s'%s", (int)(at - visits_views), visits_views, topic, at + strlen(place));
    views_are(sql);
}

Test(replay, on_kafka_and_postgres_it_is_the_same)
{
    char url[512], topic[200], *want, *got;
    struct tl_log *log = NULL;
    struct tl_err err;
    struct run speed = {0}, replay = {0};
    struct tl_store *reader;

    store_postgres.url(url);
    snprintf(topic, sizeof topic, "%s", kafka_topic("replay"));
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_URL"), 1), 0);
    cr_assert_eq(setenv("TALLY_STORE", url, 1), 0);
    cr_assert_eq(setenv("TALLY_LOG", "kafka", 1), 0);
    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND, &log, &err), TL_OK, "%s", err.message);
    kafka_views(topic);
    visits_append_to(log, topic, 1, STEP_MS, 0, 1200);
    TALLY(0, "archive");
    visits_append_to(log, topic, 1, STEP_MS, 1200, EVENTS);
    TALLY(0, "speed", "--once");
    want = postgres_dump(url);
    store_postgres_sql(url, "DELETE FROM hits_speed WHERE _start_ms % 7 < 4; DELETE FROM tally_ledger WHERE \"offset\" % 3 = 0;"
                            " UPDATE tally_outcome SET counted = 1");
    cr_assert_eq(tl_log_trim(log, tl_sv_from(topic), 0, 700, &err), TL_OK, "%s", err.message);
    TALLY(3, "replay", "--from-log");
    TALLY(0, "replay");
    got = postgres_dump(url);
    expect_same_lines(got, want);
    free(got);
    cr_expect_str_eq(store_postgres_ask(url, "SELECT count(*) FROM tally_definition WHERE state = 'building'"), "0\n");
    run_start(&speed, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "20ms", NULL});
    /* Somebody reads the tables: they cannot go, and speed gets on meanwhile. */
    reader = store_open(url, TL_STORE_READ);
    cr_assert_eq(tl_store_begin_read(reader, &err), TL_OK);
    store_answer(reader, "hits", TL_LAYER_MERGED, INT64_MIN, INT64_MAX);
    run_start(&replay, (const char *const[]){"replay", "hits", "--views", views, "--data", data, NULL});
    cr_assert(run_says(&replay, "somebody reads the tables", PATIENCE_MS));
    visits_append_to(log, topic, 1, STEP_MS, EVENTS, EVENTS + 100);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(50))
        if (strtol(store_postgres_ask(url,
                                      "SELECT min(o.events_count) FROM tally_offset o JOIN tally_definition d USING (definition)"
                                      " WHERE d.state = 'active'"),
                   NULL, 10) == EVENTS + 100)
            break;
    cr_assert(run_wait_for(&replay, 0) == false);
    cr_assert_eq(tl_store_commit(reader, &err), TL_OK);
    tl_store_close(reader);
    run_wait(&replay);
    cr_expect_eq(replay.status, 0, "%s", replay.err);
    run_done(&replay);
    free(want);
    tl_clock_sleep_ms(1500);
    want = postgres_dump(url);
    TALLY(0, "replay");
    tl_clock_sleep_ms(1500);
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_expect_eq(speed.status, 0, "%s", speed.err);
    run_done(&speed);
    got = postgres_dump(url);
    expect_same_lines(got, want);
    free(got);
    free(want);
    tl_log_close(log);
    cr_assert_eq(unsetenv("TALLY_STORE"), 0);
    cr_assert_eq(unsetenv("TALLY_LOG"), 0);
}
