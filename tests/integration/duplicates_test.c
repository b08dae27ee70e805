/* duplicates_test.c: batch with less memory than the event ids take gives what it gives with enough, on any number of threads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/outcome.h"
#include "event/timestamp.h"
#include "log/log.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/visits.h"

enum { MESSAGES = 50000, PARTITIONS = 3, STEP_MS = 3456 /* two days in all */, APPEND = 500, TEXT_BYTES = 400 };

static char dir[RUN_DIR_BYTES], views[300], data[300];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(duplicates, .init = folder_open, .fini = folder_close, .timeout = 120);

/* An event of its own, or a copy of one that came before, near or far, or one with its id and another time. */
static size_t put_event(struct chance *chance, int number, char *out, size_t room)
{
    int id = number;
    int64_t time_ms;
    char when[TL_TIME_TEXT_BYTES];

    switch (chance_below(chance, 6)) {
    case 0: id = number - (int)chance_below(chance, 20); break;
    case 1: id = (int)chance_below(chance, (uint32_t)number + 1); break;
    case 2: id = (int)chance_below(chance, 10); break;
    default: break;
    }
    id = id < 0 ? 0 : id;
    time_ms =
        VISITS_START_MS + (int64_t)id * STEP_MS - id % 50 * 700000; /* some nine hours late: both days are open all the time */
    if (chance_below(chance, 10) == 0)
        time_ms += chance_below(chance, 3);
    tl_time_to_iso_z(time_ms, when);
    return (size_t)snprintf(out, room, "{\"event_id\": \"e%d\", \"host\": \"h%d\", \"n\": %d, \"event_time\": \"%s\"}", id,
                            id % 7, number % 100, when);
}

/* One in ten messages has two events; log timestamps of the partitions go to and fro. */
static void append_history(struct chance *chance)
{
    static char texts[APPEND][TEXT_BYTES];
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("events"), PARTITIONS, &err), TL_OK, "%s", err.message);
    for (int number = 0; number < MESSAGES;) {
        struct tl_log_record records[APPEND];

        for (int i = 0; i < APPEND; i++, number++) {
            bool two = chance_below(chance, 10) == 0;
            size_t size = (size_t)snprintf(texts[i], TEXT_BYTES, "%s", two ? "[" : "");

            size += put_event(chance, number, texts[i] + size, TEXT_BYTES - size);
            if (two) {
                size += (size_t)snprintf(texts[i] + size, TEXT_BYTES - size, ", ");
                size += put_event(chance, number, texts[i] + size, TEXT_BYTES - size);
                size += (size_t)snprintf(texts[i] + size, TEXT_BYTES - size, "]");
            }
            records[i] = (struct tl_log_record){
                .partition = chance_below(chance, PARTITIONS),
                .log_ms = VISITS_START_MS + (int64_t)number * STEP_MS + chance_below(chance, 60000),
                .value = {texts[i], size}
            };
        }
        cr_assert_eq(tl_log_append(log, TL_SV("events"), records, APPEND, NULL, &err), TL_OK, "%s", err.message);
    }
    tl_log_close(log);
}

static void must(struct run *run, const char *const *args)
{
    run_start(run, args);
    run_wait(run);
    cr_assert_eq(run->status, 0, "%s: %s", args[0], run->err);
}

/* Rows of both views and every line of the ledger, of a publication into a store of its own. */
static char *published(const char *name, const char *jobs, const char *memory, bool twice)
{
    char path[400], url[420], *rows, *big, *ledger, *all;
    struct run run = {0};
    size_t size;

    snprintf(path, sizeof path, "%s/%s.db", dir, name);
    snprintf(url, sizeof url, "sqlite:%s", path);
    must(&run, (const char *const[]){"batch", "--views", views, "--data", data, "--store", url, "--to", "2026-03-03T00:00:00Z",
                                     "--jobs", jobs, "--memory", memory, "-v", NULL});
    cr_expect_eq(strstr(run.err, "read twice") != NULL, twice, "%s: %s", name, run.err);
    run_done(&run);
    rows = dump_batch(path, "hits");
    big = dump_batch(path, "big");
    ledger = dump_sql(path, "SELECT definition, partition, \"offset\", \"row\", cause, flags, event_time_ms FROM tally_ledger"
                            " WHERE run > 0 ORDER BY 1, 2, 3, 4");
    size = strlen(rows) + strlen(big) + strlen(ledger) + 1;
    all = malloc(size);
    cr_assert_not_null(all);
    snprintf(all, size, "%s%s%s", rows, big, ledger);
    free(rows);
    free(big);
    free(ledger);
    return all;
}

static long ledger_lines(const char *name, const char *column, int value)
{
    char path[400], sql[200], *text;
    long count;

    snprintf(path, sizeof path, "%s/%s.db", dir, name);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM tally_ledger WHERE run > 0 AND definition = 1 AND %s = %d", column, value);
    text = dump_sql(path, sql);
    count = strtol(text, NULL, 10);
    free(text);
    return count;
}

Test(duplicates, with_too_little_memory_as_with_enough_on_any_number_of_threads)
{
    struct chance chance = chance_open("duplicates");
    struct run run = {0};
    char *want, *got, name[20], jobs[4];

    append_history(&chance);
    must(&run, (const char *const[]){"archive", "--views", views, "--data", data, NULL});
    run_done(&run);
    want = published("enough", "1", "1GB", false);
    cr_assert_gt(ledger_lines("enough", "cause", TL_CAUSE_DUPLICATE), MESSAGES / 4);
    cr_assert_gt(ledger_lines("enough", "flags", TL_FLAG_ID_CONFLICT), MESSAGES / 100);
    for (int threads = 1; threads <= 3; threads++) {
        snprintf(name, sizeof name, "little%d", threads);
        snprintf(jobs, sizeof jobs, "%d", threads);
        got = published(name, jobs, "1MB", true);
        cr_expect(strcmp(got, want) == 0, "on %d threads it is another result", threads);
        free(got);
    }
    got = published("threads", "3", "1GB", false);
    cr_expect(strcmp(got, want) == 0, "with enough memory, on 3 threads, it is another result");
    free(got);
    free(want);
}

/* A folder stands where the ids would go. */
Test(duplicates, ids_that_can_be_put_nowhere_end_the_run_and_the_next_one_does_its_work)
{
    struct chance chance = chance_open("duplicates");
    struct run run = {0};
    char path[400], *text;

    append_history(&chance);
    must(&run, (const char *const[]){"archive", "--views", views, "--data", data, NULL});
    run_done(&run);
    snprintf(path, sizeof path, "%s/_batch.ids", data);
    cr_assert_eq(mkdir(path, 0777), 0);
    RUN(&run, "batch", "--views", views, "--data", data, "--memory", "1MB", "--to", "2026-03-03");
    cr_expect_eq(run.status, 3);
    cr_expect(strstr(run.err, path) != NULL && strstr(run.err, "--memory") != NULL, "%s", run.err);
    run_done(&run);
    cr_assert_eq(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/views.db", data);
    text = dump_sql(path, "SELECT count(*) FROM tally_pointer");
    cr_expect_str_eq(text, "0\n");
    free(text);
    must(&run, (const char *const[]){"batch", "--views", views, "--data", data, "--memory", "1MB", "--to", "2026-03-03", NULL});
    run_done(&run);
    text = dump_sql(path, "SELECT count(*) > 0 FROM tally_pointer");
    cr_expect_str_eq(text, "1\n");
    free(text);
}

Test(duplicates, an_amount_that_is_none_is_refused)
{
    struct run run = {0};

    RUN(&run, "batch", "--views", views, "--data", data, "--memory", "64");
    cr_expect_eq(run.status, 2);
    cr_expect(strstr(run.err, "64MB or 2GB") != NULL, "%s", run.err);
    run_done(&run);
    RUN(&run, "batch", "--views", views, "--data", data, "--memory", "10kB");
    cr_expect_eq(run.status, 2);
    cr_expect(strstr(run.err, "64MB or 2GB") != NULL, "%s", run.err);
    run_done(&run);
}
