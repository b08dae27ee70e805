/* archive_test.c: `tally archive` as a user runs it, on the embedded log. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "master/master.h"
#include "support/record.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES], views[256], data[256];
static struct run run;
static struct tl_err err;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", record_views));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    cr_assert_eq(unsetenv("TALLY_VIEWS"), 0);
    cr_assert_eq(unsetenv("TALLY_CLOCK_FILE"), 0);
}

static void folder_close(void)
{
    run_done(&run);
    run_folder_remove(dir);
}

TestSuite(archive, .init = folder_open, .fini = folder_close);

#define ARCHIVE() (run_done(&run), RUN(&run, "archive", "--views", views, "--data", data))
#define ARCHIVE_WITH(...) (run_done(&run), RUN(&run, "archive", "--views", views, "--data", data, __VA_ARGS__))

static void nap(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

/* complete.json's word for a partition. */
static struct tl_master_complete complete_read(uint32_t partition)
{
    struct tl_master *master = NULL;
    const struct tl_master_complete *complete;
    struct tl_master_complete found = {partition, -1, INT64_MIN};
    uint64_t identity;
    size_t count;

    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_read_complete(master, TL_SV("events"), &complete, &count, &identity, &err), TL_OK, "%s", err.message);
    for (size_t i = 0; i < count; i++)
        if (complete[i].partition == partition)
            found = complete[i];
    tl_master_close(master);
    return found;
}

Test(archive, a_log_that_is_not_there_is_nothing_to_do)
{
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, "");
    cr_assert_not_null(strstr(run.err, "nothing to archive"), "%s", run.err);
}

Test(archive, a_topic_that_is_not_there_is_nothing_to_do)
{
    record_append(data, "others", 1, 0, 10);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, "");
}

Test(archive, copies_what_is_there_once)
{
    record_append(data, "events", 2, 0, 5000);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, "archived 10,000 events of topic events (2 partitions) in 2 files\n");
    cr_assert_str_eq(run.err, "");
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 5000);
    cr_assert_eq(record_verify(data, "events", 1, 0, NULL), 5000);
    cr_assert_eq(complete_read(0).offset, 5000);
    cr_assert_eq(complete_read(1).offset, 5000);

    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, "", "a second run has nothing to add");

    record_append(data, "events", 2, 5000, 5001);
    record_append(data, "events", 3, 5001, 5001); /* a third partition, empty */
    ARCHIVE();
    cr_assert_str_eq(run.out, "archived 2 events of topic events (3 partitions) in 2 files\n");
    for (uint32_t p = 0; p < 2; p++) {
        uint32_t files;

        cr_assert_eq(record_verify(data, "events", p, 0, &files), 5001);
        cr_assert_eq(files, 2);
    }
    cr_assert_eq(complete_read(2).offset, 0);
}

Test(archive, begins_a_new_file_when_one_is_full)
{
    uint32_t files;

    record_append(data, "events", 1, 0, 2000);
    ARCHIVE_WITH("--file-bytes", "20000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, &files), 2000);
    cr_assert(files >= 7 && files <= 12, "%" PRIu32 " files of 20,000 bytes", files);
}

Test(archive, the_index_has_the_facts_of_the_events)
{
    struct tl_master *master = NULL;
    const struct tl_master_file *files;
    size_t count;

    record_append(data, "events", 1, 0, 100); /* offset 0 lies half a second before midnight */
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    cr_assert_eq(files[0].messages_count, 100);
    cr_assert_eq(files[0].time_ms_min, RECORD_START_MS - 500);
    cr_assert_eq(files[0].time_ms_max, RECORD_START_MS + 99 * 1000 - 500);
    cr_assert_eq(files[0].watermark_ms, RECORD_START_MS + 99 * 1000 - 500 - 15000);
    cr_assert_neq(files[0].time_rule, 0);
    cr_assert_eq(files[0].days_count, 2);
    cr_assert_eq(files[0].days[0].day, (int32_t)(RECORD_START_MS / 86400000 - 1));
    cr_assert_eq(files[0].days[0].events_count, 1);
    /* 7, 48, 89 and 23, 64 are no JSON; 19 and 60 have a newline inside and are events like any other. */
    cr_assert_eq(files[0].days[1].events_count, 94);
    tl_master_close(master);
}

Test(archive, says_when_the_log_ended)
{
    char clock[300];

    snprintf(clock, sizeof clock, "%s", run_file_write(dir, "clock", "1772400000000"));
    cr_assert_eq(setenv("TALLY_CLOCK_FILE", clock, 1), 0);
    record_append(data, "events", 1, 0, 10);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(complete_read(0).offset, 10);
    cr_assert_eq(complete_read(0).end_ms, INT64_C(1772400000000));
    /* Nothing was added, and still the log was seen to its end, later. */
    run_file_write(dir, "clock", "1772400060000");
    ARCHIVE();
    cr_assert_eq(complete_read(0).end_ms, INT64_C(1772400060000));
}

Test(archive, one_at_a_time)
{
    struct run first = {0};
    char want[400];

    record_append(data, "events", 1, 0, 10);
    run_start(&first, (const char *const[]){"archive", "--views", views, "--data", data, "--follow", "--interval", "50ms", NULL});
    for (int i = 0; i < 200 && complete_read(0).offset != 10; i++)
        nap(20);
    ARCHIVE();
    cr_assert_eq(run.status, 75, "%s", run.err);
    snprintf(want, sizeof want, "another archive holds %s/archive.lock: pid %ld since 20", data, (long)first.pid);
    cr_assert_not_null(strstr(run.err, want), "%s", run.err);
    run_signal(&first, SIGKILL);
    run_wait(&first);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "a holder that died has let go: %s", run.err);
    run_done(&first);
}

Test(archive, follow_copies_what_comes_and_ends_with_a_signal)
{
    run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--follow", "--interval", "50ms", NULL});
    nap(100); /* there is no log yet */
    record_append(data, "events", 2, 0, 100);
    for (int i = 0; i < 300 && (complete_read(0).offset != 100 || complete_read(1).offset != 100); i++)
        nap(20);
    cr_assert_eq(record_verify(data, "events", 1, 0, NULL), 100);
    record_append(data, "events", 2, 100, 150);
    for (int i = 0; i < 300 && (complete_read(0).offset != 150 || complete_read(1).offset != 150); i++)
        nap(20);
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 150);
    run_signal(&run, SIGTERM);
    cr_assert(run_wait_for(&run, 5000), "ends soon after SIGTERM");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(strncmp(run.out, "archived 300 events of topic events (2 partitions) in ", 54), 0, "%s", run.out);
}

/* Is there a file of the record, or one in the making? */
static bool record_begun(void)
{
    char command[400];

    snprintf(command, sizeof command, "test -n \"$(find '%s/topics' -name '*.jsonl.zst' 2>/dev/null)\"", data);
    return system(command) == 0;
}

Test(archive, a_signal_ends_it_behind_the_current_file)
{
    record_append(data, "events", 2, 0, 20000);
    run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--file-bytes", "1000", NULL});
    for (int i = 0; i < 1000 && !record_begun(); i++)
        nap(1);
    run_signal(&run, SIGTERM);
    cr_assert(run_wait_for(&run, 5000), "ends soon after SIGTERM");
    cr_assert_eq(run.status, 0, "%s", run.err);
    for (uint32_t p = 0; p < 2; p++)
        cr_assert_eq(record_verify(data, "events", p, 0, NULL), complete_read(p).offset, "the statement says what is on record");
    cr_assert_lt(record_verify(data, "events", 0, 0, NULL), 20000, "it was caught at work");
    cr_assert_eq(complete_read(1).end_ms, INT64_MIN, "the log's end was never reached");
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    for (uint32_t p = 0; p < 2; p++)
        cr_assert_eq(record_verify(data, "events", p, 0, NULL), 20000);
}

Test(archive, follow_outlives_a_disk_that_fails_for_a_while)
{
    char topics[300];

    /* A file where the folder should be: nothing can be written below it. */
    record_append(data, "events", 1, 0, 100);
    snprintf(topics, sizeof topics, "%s", run_file_write(data, "topics", "in the way"));
    run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--follow", "--interval", "50ms", NULL});
    nap(400);
    cr_assert_eq(unlink(topics), 0);
    for (int i = 0; i < 300 && complete_read(0).offset != 100; i++)
        nap(20);
    run_signal(&run, SIGTERM);
    cr_assert(run_wait_for(&run, 5000), "ends soon after SIGTERM");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 100);
    cr_assert_not_null(strstr(run.err, "tries again"), "%s", run.err);
    cr_assert_eq(strstr(strstr(run.err, "tries again") + 1, "tries again"), NULL, "said once: %s", run.err);
    cr_assert_not_null(strstr(run.err, "works again"), "%s", run.err);
}

Test(archive, a_topic_made_again_is_not_mixed_with_the_old_one)
{
    char command[400];
    uint32_t files;

    record_append(data, "events", 1, 0, 100);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    snprintf(command, sizeof command, "rm -f '%s'/log.db*", data);
    cr_assert_eq(system(command), 0);
    record_append(data, "events", 1, 0, 300); /* longer than the old one */
    ARCHIVE();
    cr_assert_eq(run.status, 3, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "topic events was deleted and made again"), "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, &files), 100, "the record is as it was");
    cr_assert_eq(files, 1);
    ARCHIVE_WITH("--accept-gap");
    cr_assert_eq(run.status, 3, "that is no gap: %s", run.err);
}

static void log_trim(uint32_t partition, int64_t offset)
{
    struct tl_log *log = NULL;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_trim(log, TL_SV("events"), partition, offset, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
}

Test(archive, a_gap_is_named_and_not_passed_over)
{
    uint32_t files;
    struct tl_master *master = NULL;
    const struct tl_master_file *list;
    size_t count;

    record_append(data, "events", 2, 0, 100);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    record_append(data, "events", 2, 100, 200);
    log_trim(1, 150);
    ARCHIVE();
    cr_assert_eq(run.status, 3, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "topic events partition 1: offsets 100 to 149 are missing"), "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, &files), 100, "nothing was copied, of no partition");
    ARCHIVE_WITH("--accept-gap");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "partition=1 first_offset=100 last_offset=149"), "%s", run.err);
    cr_assert_str_eq(run.out, "archived 150 events of topic events (2 partitions) in 2 files\n");
    cr_assert_eq(record_verify(data, "events", 0, 0, &files), 200);
    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &list, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 4);
    cr_assert_eq(list[3].first_offset, 150);
    cr_assert_eq(list[3].last_offset, 199);
    tl_master_close(master);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "the gap was accepted once and for all: %s", run.err);
}

Test(archive, what_was_seen_empty_has_no_gap_either)
{
    record_append(data, "events", 1, 0, 0);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(complete_read(0).offset, 0);
    record_append(data, "events", 1, 0, 100);
    log_trim(0, 50);
    ARCHIVE();
    cr_assert_eq(run.status, 3, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "offsets 0 to 49 are missing"), "%s", run.err);
}

Test(archive, a_log_that_was_trimmed_before_begins_where_it_begins)
{
    record_append(data, "events", 1, 0, 100);
    log_trim(0, 40);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 40, NULL), 100);
}

Test(archive, a_log_emptied_after_it_was_archived_is_no_gap)
{
    record_append(data, "events", 1, 0, 100);
    ARCHIVE();
    log_trim(0, 100);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    record_append(data, "events", 1, 100, 120);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 120);
}

/* ---- a damaged record ---- */

static const char two_tables[] =
    "CREATE TABLE events (event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json');\n"
    "CREATE TABLE orders (event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'orders', 'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, COUNT(*) AS num_hits\n"
    "FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;\n"
    "CREATE VIEW bought AS SELECT window_start, window_end, COUNT(*) AS num\n"
    "FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;\n";

/* Offsets 0 to 99 and 100 to 199 of both topics are on record, and 200 to 249 are in the log. */
static void two_topics(void)
{
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", two_tables));
    for (int64_t from = 0; from < 250; from += 100) {
        record_append(data, "events", 1, from, tl_min_i64(from + 100, 250));
        record_append(data, "orders", 1, from, tl_min_i64(from + 100, 250));
        if (from < 200)
            ARCHIVE();
    }
}

static const char *path_of(int64_t first, const char *suffix)
{
    static char path[400];

    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+%010" PRId64 "%s", data, first, suffix);
    return path;
}

static bool is_on_record(const char *topic, int64_t first)
{
    char path[400];

    snprintf(path, sizeof path, "%s/topics/%s/partition=0/%s+0+%010" PRId64 ".jsonl.zst", data, topic, topic, first);
    return access(path, F_OK) == 0;
}

static void errors_say_once(const char *text)
{
    const char *said = strstr(run.err, text);

    cr_assert_not_null(said, "\"%s\" in:\n%s", text, run.err);
    cr_assert_null(strstr(said + 1, text), "\"%s\" twice in:\n%s", text, run.err);
}

struct behind_case {
    char name[40], suffix[12], said[12];
    int64_t first; /* of the file */
    enum { CUT, FLIP, GONE } what;
};

ParameterizedTestParameters(archive, goes_on_behind_what_is_damaged)
{
    static struct behind_case cases[] = {
        {"an old file that was cut off",  ".jsonl.zst", ".jsonl.zst", 0,   CUT },
        {"an old file's index",           ".index",     ".index",     0,   FLIP},
        {"an old file that is gone",      ".jsonl.zst", "",           0,   GONE},
        {"an old index that is gone",     ".index",     ".index",     0,   GONE},
        {"the last file",                 ".jsonl.zst", "",           100, FLIP},
        {"the last file, which is gone",  ".jsonl.zst", "",           100, GONE},
        {"the last file's index",         ".index",     ".index",     100, FLIP},
        {"the last index, which is gone", ".index",     ".index",     100, GONE},
    };
    return cr_make_param_array(struct behind_case, cases, sizeof cases / sizeof *cases);
}

/* All that archive needs of what is on record is where it ends. */
ParameterizedTest(struct behind_case *c, archive, goes_on_behind_what_is_damaged)
{
    const char *path;

    two_topics();
    path = path_of(c->first, c->suffix);
    switch (c->what) {
    case CUT: cr_assert_eq(truncate(path, 100), 0); break;
    case FLIP: record_flip(path, 40); break;
    case GONE: cr_assert_eq(unlink(path), 0); break;
    }
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s: %s", c->name, run.err);
    cr_assert(is_on_record("events", 200) && is_on_record("orders", 200), "%s", c->name);
    if (c->said[0] != '\0')
        errors_say_once(path_of(c->first, c->said));
    else
        cr_assert_str_eq(run.err, "", "%s", c->name);
    cr_assert_eq(complete_read(0).offset, 250, "%s", c->name);
    record_append(data, "events", 1, 250, 300);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s: %s", c->name, run.err);
    cr_assert(is_on_record("events", 250), "%s", c->name);
}

/* The last file has no index, and no statement speaks of its end. */
Test(archive, a_topic_whose_end_nobody_knows_is_left_out)
{
    char statement[400], moved[400];

    two_topics();
    snprintf(statement, sizeof statement, "%s/topics/events/complete.json", data);
    snprintf(moved, sizeof moved, "%s/complete.json", data);
    record_flip(path_of(100, ".index"), 40);
    record_flip(statement, 60);
    for (int i = 0; i < 2; i++) {
        ARCHIVE();
        cr_assert_eq(run.status, 3, "%s", run.err);
        errors_say_once(i == 0 ? statement : path_of(100, ".index"));
        errors_say_once("the record is damaged: 1 topic is left out; all else was done");
        cr_assert(is_on_record("orders", 200) && !is_on_record("events", 200));
        cr_assert_eq(rename(statement, moved), i == 0 ? 0 : -1);
    }
    record_flip(path_of(100, ".index"), 40);
    ARCHIVE();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.err, "");
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 250);
}

Test(archive, follow_goes_on_with_the_other_topics_and_looks_again)
{
    char statement[400];

    two_topics();
    snprintf(statement, sizeof statement, "%s/topics/events/complete.json", data);
    record_flip(statement, 60);
    run_done(&run);
    run_start(&run, (const char *const[]){"archive", "--views", views, "--data", data, "--follow", "--interval", "50ms", NULL});
    for (int i = 0; i < 300 && !is_on_record("orders", 200); i++)
        nap(20);
    record_append(data, "orders", 1, 250, 300);
    for (int i = 0; i < 300 && !is_on_record("orders", 250); i++)
        nap(20);
    cr_assert(is_on_record("orders", 250) && !is_on_record("events", 200));
    record_flip(statement, 60);
    for (int i = 0; i < 300 && complete_read(0).offset != 250; i++)
        nap(20);
    run_signal(&run, SIGTERM);
    cr_assert(run_wait_for(&run, 5000), "ends soon after SIGTERM");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 250);
    errors_say_once(statement);
    errors_say_once("1 topic is left out; all else was done; tries again every ");
    errors_say_once("works again");
}

Test(archive, a_foreign_log_is_refused_by_name)
{
    char path[400];

    snprintf(path, sizeof path, "%s",
             run_file_write(data, "log.db", "this is no database, and long enough to be looked at in earnest"));
    ARCHIVE();
    cr_assert_eq(run.status, 3, "%s", run.err);
    cr_assert_not_null(strstr(run.err, path), "%s", run.err);
}

Test(archive, wrong_usage)
{
    char wrong[300];

    run_done(&run);
    RUN(&run, "archive", "--data", data);
    cr_assert_eq(run.status, 2, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "--views"), "%s", run.err);
    ARCHIVE_WITH("--interval", "0s");
    cr_assert_eq(run.status, 2, "%s", run.err);
    ARCHIVE_WITH("--file-bytes", "many");
    cr_assert_eq(run.status, 2, "%s", run.err);
    snprintf(wrong, sizeof wrong, "%s", run_file_write(dir, "wrong.sql", "CREATE TABLE events (url STRING\n"));
    run_done(&run);
    RUN(&run, "archive", "--data", data, "--views", wrong);
    cr_assert_eq(run.status, 2, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "wrong.sql:"), "%s", run.err);
}
