/* whole_test.c: properties of the whole program, sampled: the way to the result does not matter.
 *
 * Partitions, workers, restarts, the number of archive files, batch day by day or at once: equal rows. And what each day's life holds: a
 * second run, late data, another views file, a second batch at the same time, wrong words. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "event/timestamp.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/pipeline.h"

#define START_MS INT64_C(1709251200000) /* 2024-03-01T00:00:00Z */
#define DAY(n) (START_MS + (n)*TL_DAY_MS)
enum {
    BURSTS = 30,
    BURST = 20,
    EVENTS = BURSTS * BURST,
    BOUND_MS = 15000,
    BURST_EVERY_MS = 9000000
}; /* 2.5 h: a good three days */

#define TABLE                                                                                                                    \
    "SET 'table.local-time-zone' = 'UTC';\n"                                                                                     \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, x DOUBLE, event_time TIMESTAMP_LTZ(3),\n"                         \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND\n"                                                        \
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
#define HITS                                                                                                                     \
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(n) AS total, AVG(x) AS mean\n"             \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "     \
    "host;\n"
#define BIG "CREATE VIEW big AS SELECT event_id, host, n, event_time FROM events WHERE n > 60;\n"
#define LONG                                                                                                                     \
    "CREATE VIEW slow AS SELECT window_start, window_end, COUNT(*) AS hits, MIN(n) AS lo, MAX(x) AS hi\n"                        \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '7' HOUR)) GROUP BY window_start, window_end;\n"

/* ---- events ---- */

struct made {
    int64_t arrival_ms;
    char text[200];
};

static struct made made[EVENTS * 2];
static size_t made_count;

static int by_arrival(const void *a, const void *b)
{
    const struct made *x = a, *y = b;

    return x->arrival_ms != y->arrival_ms ? (x->arrival_ms > y->arrival_ms) - (x->arrival_ms < y->arrival_ms)
                                          : strcmp(x->text, y->text);
}

/* The same events for the same content; another order of arrival within the bound for each `order`. */
static void make_events(uint64_t content, uint64_t order)
{
    struct chance what = {.state = content}, when = {.state = order};

    made_count = 0;
    for (int i = 0; i < EVENTS; i++) {
        int64_t time_ms = START_MS + i / BURST * (int64_t)BURST_EVERY_MS + chance_below(&what, 40000);
        char text[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(time_ms, text);
        snprintf(made[made_count].text, sizeof made->text,
                 "{\"event_id\": \"e%d\", \"host\": \"h%u\", \"n\": %u, \"x\": %u.%ue%d, \"event_time\": \"%s\"}", i,
                 chance_below(&what, 3), chance_below(&what, 100), chance_below(&what, 1000), chance_below(&what, 1000),
                 (int)chance_below(&what, 30) - 15, text);
        made[made_count++].arrival_ms = time_ms + chance_below(&when, BOUND_MS);
    }
    qsort(made, made_count, sizeof *made, by_arrival);
}

/* Deals `made[from..to)` to the partitions; about one in ten is delivered twice, to the same one. */
static void append_made(struct pipeline *p, uint32_t partitions, size_t from, size_t to, bool copies, struct chance *chance)
{
    static struct tl_log_record records[EVENTS * 2];
    size_t count = 0;

    for (size_t i = from; i < to; i++) {
        uint32_t partition = chance_below(chance, partitions);
        unsigned times = copies && chance_below(chance, 10) == 0 ? 2 : 1;

        while (times-- > 0)
            records[count++] =
                (struct tl_log_record){.partition = partition, .log_ms = made[i].arrival_ms, .value = tl_sv_from(made[i].text)};
    }
    pipeline_append(p, partitions, records, count);
}

static void append_one(struct pipeline *p, const char *host, int64_t time_ms, int64_t log_ms)
{
    char text[200], when[TL_TIME_TEXT_BYTES];
    struct tl_log_record record = {
        .partition = 0, .log_ms = log_ms, .value = {text, 0}
    };

    tl_time_to_iso_z(time_ms, when);
    record.value.size = (size_t)snprintf(text, sizeof text, "{\"host\": \"%s\", \"n\": 1, \"event_time\": \"%s\"}", host, when);
    pipeline_append(p, 1, &record, 1);
}

/* ---- rows ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The rows of all three views; those without a window sorted, for which partition they came through is not theirs to say. */
static char *all_rows(struct pipeline *p, const char *layer)
{
    char *hits = pipeline_rows(p, "hits", layer), *slow = pipeline_rows(p, "slow", layer), *big = pipeline_rows(p, "big", layer);
    char *lines[EVENTS * 2], *out;
    size_t count = 0, size = strlen(hits) + strlen(slow) + strlen(big) + 10;

    for (char *line = strtok(big, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        cr_assert_lt(count, TL_COUNT(lines));
        lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, by_text);
    out = calloc(1, size);
    cr_assert_not_null(out);
    size = (size_t)sprintf(out, "%s%s", hits, slow);
    for (size_t i = 0; i < count; i++)
        size += (size_t)sprintf(out + size, "%s\n", lines[i]);
    free(hits);
    free(slow);
    free(big);
    return out;
}

static void is_rows(struct pipeline *p, const char *layer, const char *want, const char *how)
{
    char *got = all_rows(p, layer);
    size_t at = 0;

    while (got[at] != '\0' && got[at] == want[at])
        at++;
    while (at > 0 && got[at - 1] != '\n')
        at--;
    cr_assert_str_eq(got, want, "%s, layer %s: from here on\n%.200s\nand should be\n%.200s", how, layer, got + at, want + at);
    free(got);
}

/* All of the store as SQL text. The caller frees. */
static char *store_text(const struct pipeline *p)
{
    char command[400], *text = NULL;
    size_t size = 0, got;
    FILE *shell;

    snprintf(command, sizeof command, "sqlite3 '%s' .dump", p->store);
    shell = popen(command, "r");
    cr_assert_not_null(shell);
    do {
        text = realloc(text, size + 65537);
        cr_assert_not_null(text);
        got = fread(text + size, 1, 65536, shell);
        size += got;
    } while (got > 0);
    text[size] = '\0';
    cr_assert_eq(pclose(shell), 0);
    return text;
}

/* ---- any way ---- */

static const char *number(uint32_t value, char out[12])
{
    snprintf(out, 12, "%u", value);
    return out;
}

/* Speed over what is there now: to the end, or followed for a moment and stopped. */
static void run_speed(struct pipeline *p, uint32_t workers, struct chance *chance)
{
    char text[12];

    number(workers, text);
    if (chance_below(chance, 2) == 0) {
        TALLY(p, 0, "speed", "--once", "--workers", text);
        return;
    }
    run_done(&p->run);
    run_start(&p->run,
              (const char *const[]){"speed", "--views", p->views, "--data", p->data, "--workers", text, "--tick", "5ms", NULL});
    tl_clock_sleep_ms(30 + chance_below(chance, 60)); /* before that it could not yet know of SIGTERM */
    run_signal(&p->run, SIGTERM);
    run_wait(&p->run);
    cr_assert(p->run.status == 0 || p->run.status == 128 + SIGTERM, "exit %d: %s", p->run.status, p->run.err);
}

static void run_batch(struct pipeline *p, struct chance *chance)
{
    if (chance_below(chance, 2) == 0) /* day by day */
        for (int day = 1; day <= 3; day++) {
            char to[TL_TIME_TEXT_BYTES];

            tl_time_to_iso_z(DAY(day), to);
            TALLY(p, 0, "batch", "--to", to);
        }
    TALLY(p, 0, "batch", "--to", "now");
}

Test(whole, any_way_gives_the_same_rows, .timeout = 120)
{
    struct chance chance = chance_open("whole");
    uint64_t content = chance_u64(&chance);
    struct pipeline p;
    char *want = NULL;

    for (int history = 0; history < 7; history++) {
        uint32_t partitions = history == 0 ? 1 : 1 + chance_below(&chance, 3),
                 workers = history == 0 ? 1 : 1 + chance_below(&chance, 3);
        uint32_t steps = history == 0 ? 1 : 2 + chance_below(&chance, 4);
        char how[100];

        snprintf(how, sizeof how, "history %d: %u partitions, %u workers, %u steps, TALLY_SEED=%" PRIu64, history, partitions,
                 workers, steps, chance.seed);
        pipeline_open(&p, TABLE HITS LONG BIG);
        make_events(content, chance_u64(&chance));
        for (uint32_t s = 0; s < steps; s++) {
            append_made(&p, partitions, made_count * s / steps, made_count * (s + 1) / steps, history > 0, &chance);
            if (history > 0 && chance_below(&chance, 4) > 0)
                run_speed(&p, workers, &chance);
            if (history > 0 && chance_below(&chance, 2) == 0)
                TALLY(&p, 0, "archive");
            if (history > 0 && chance_below(&chance, 4) == 0)
                TALLY(&p, 0, "batch");
        }
        TALLY(&p, 0, "speed", "--once");
        TALLY(&p, 0, "archive");
        if (want == NULL) {
            want = all_rows(&p, "speed");
            cr_assert_gt(strlen(want), 5000);
            cr_assert_eq(pipeline_number(&p, "SELECT sum(hits) FROM hits"), EVENTS);
            cr_assert_eq(pipeline_number(&p, "SELECT sum(hits) FROM slow"), EVENTS);
        }
        is_rows(&p, "speed", want, how);
        /* Where a night has passed already, what came behind it is pending: its day is past, and served after the next run. */
        if (pipeline_number(&p, "SELECT count(*) FROM tally_run") == 0)
            is_rows(&p, "merged", want, how);
        run_batch(&p, &chance);
        is_rows(&p, "batch", want, how);
        is_rows(&p, "speed", want, how);
        is_rows(&p, "merged", want, how);
        cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_ledger WHERE cause NOT IN (0, 5)"), 0, "%s", how);
        TALLY(&p, 0, "status");
        cr_assert(strstr(p.run.out, "every event is accounted for") != NULL, "%s: %s", how, p.run.out);
        TALLY(&p, 0, "reconcile", "--format", "json");
        cr_assert(strstr(p.run.out, "\"explained\": 0, \"unexplained\": 0") != NULL, "%s: %.500s", how, p.run.out);
        pipeline_close(&p);
    }
    free(want);
}

/* ---- each day's life ---- */

/* Three days, counted and archived, published up to the last midnight. */
static void live_three_days(struct pipeline *p)
{
    struct chance chance = {.state = 1};

    pipeline_open(p, TABLE HITS LONG BIG);
    make_events(7, 8);
    append_made(p, 1, 0, made_count, false, &chance);
    TALLY(p, 0, "speed", "--once");
    TALLY(p, 0, "archive");
    TALLY(p, 0, "batch");
    cr_assert(strncmp(p->run.out, "run 1: ", 7) == 0, "%s", p->run.out);
}

Test(whole, batch_run_twice_changes_nothing, .timeout = 60)
{
    struct pipeline p;
    char *before, *after;

    live_three_days(&p);
    before = store_text(&p);
    TALLY(&p, 0, "batch");
    cr_assert_str_eq(p.run.out, "", "a nightly run without work is silent");
    cr_assert_str_eq(p.run.err, "");
    after = store_text(&p);
    cr_assert_str_eq(after, before, "the store has changed");
    free(after);
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "speed", "--once");
    cr_assert_str_eq(p.run.out, "");
    TALLY(&p, 0, "batch");
    cr_assert_str_eq(p.run.out, "");
    free(before);
    /* Asked for, a day is done again, and its rows are what they were. */
    before = all_rows(&p, "batch");
    TALLY(&p, 0, "batch", "--from", "2024-03-02", "--to", "2024-03-03");
    cr_assert(strncmp(p.run.out, "run 2: ", 7) == 0, "%s", p.run.out);
    is_rows(&p, "batch", before, "done again");
    free(before);
    pipeline_close(&p);
}

Test(whole, late_data_makes_its_day_dirty_and_no_other, .timeout = 60)
{
    struct pipeline p;
    int64_t late_ms = DAY(1) + 12 * 3600000 + 3600; /* noon of the second day, in no burst */
    char *before, *after, *ranges, want[100];

    live_three_days(&p);
    before = all_rows(&p, "merged");
    append_one(&p, "late", late_ms, DAY(4));
    TALLY(&p, 0, "speed", "--once");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_ledger WHERE run = 0 AND cause = 1"), 2,
                 "late for hits and slow");
    is_rows(&p, "merged", before, "before the late event is archived");
    TALLY(&p, 0, "reconcile");
    TALLY(&p, 0, "archive");
    is_rows(&p, "merged", before, "before it is published");
    TALLY(&p, 0, "reconcile");
    TALLY(&p, 0, "batch");
    cr_assert(strncmp(p.run.out, "run 2: ", 7) == 0, "%s", p.run.out);
    /* "slow" has windows of 7 hours: what is open at midnight goes on into the next day only where it has changed, and the one over
     * this midnight, 21:00 to 04:00, has not. */
    ranges = dump_sql(p.store, "SELECT DISTINCT from_ms, to_ms FROM tally_run_range WHERE run = 2");
    snprintf(want, sizeof want, "%" PRId64 "|%" PRId64 "\n", DAY(1), DAY(2));
    cr_assert_str_eq(ranges, want);
    free(ranges);
    after = pipeline_rows(&p, "hits", "merged");
    cr_assert(strstr(after, "2024-03-02T12:00:00.000Z,2024-03-02T12:00:10.000Z,late,1,1,\n") != NULL, "%s", after);
    free(after);
    cr_assert_eq(pipeline_number(&p, "SELECT sum(hits) FROM hits"), EVENTS + 1);
    cr_assert_eq(pipeline_number(&p, "SELECT sum(hits) FROM slow"), EVENTS + 1);
    TALLY(&p, 0, "reconcile", "--format", "json");
    cr_assert(strstr(p.run.out, "\"explained\": 2, \"unexplained\": 0") != NULL, "%.500s", p.run.out);
    TALLY(&p, 0, "status");
    TALLY(&p, 0, "batch");
    cr_assert_str_eq(p.run.out, "", "and then all is clean");
    free(before);
    pipeline_close(&p);
}

/* An event in a window that crosses midnight makes the day that it ends in dirty as well. */
Test(whole, late_data_in_a_window_over_midnight_reaches_the_next_day, .timeout = 60)
{
    struct pipeline p;
    char *ranges, want[160];

    live_three_days(&p);
    append_one(&p, "late", DAY(2) - 3600000, DAY(4)); /* 23:00 of the second day: slow's window there ends on the third */
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch");
    ranges = dump_sql(p.store, "SELECT view, from_ms, to_ms FROM tally_run_range JOIN tally_definition USING (definition)"
                               " WHERE run = 2 AND view IN ('hits', 'slow') ORDER BY 1, 2");
    snprintf(want, sizeof want, "hits|%" PRId64 "|%" PRId64 "\nslow|%" PRId64 "|%" PRId64 "\nslow|%" PRId64 "|%" PRId64 "\n",
             DAY(1), DAY(2), DAY(1), DAY(2), DAY(2), DAY(3));
    cr_assert_str_eq(ranges, want);
    free(ranges);
    cr_assert_eq(pipeline_number(&p, "SELECT sum(hits) FROM slow"), EVENTS + 1);
    cr_assert_eq(pipeline_number(
                     &p, "SELECT sum(hits) FROM slow_batch b WHERE EXISTS (SELECT * FROM tally_pointer t JOIN tally_definition d"
                         " USING (definition) WHERE d.view = 'slow' AND t.run = b._run AND b._end_ms > t.from_ms AND"
                         " b._end_ms <= t.to_ms)"),
                 EVENTS + 1);
    TALLY(&p, 0, "reconcile");
    pipeline_close(&p);
}

/* ---- another views file ---- */

#define HITS_AGAIN                                                                                                               \
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, MAX(n) AS total, AVG(x) AS mean\n"             \
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND)) WHERE n > 10\n"                          \
    "    GROUP BY window_start, window_end, host;\n"

/* What the second definition gives by itself, in a folder where there never was another. */
static char *rows_of_new(void)
{
    struct pipeline p;
    struct chance chance = {.state = 1};
    char *rows;

    pipeline_open(&p, TABLE HITS_AGAIN LONG BIG);
    make_events(7, 8);
    append_made(&p, 1, 0, made_count, false, &chance);
    TALLY(&p, 0, "speed", "--once");
    rows = all_rows(&p, "speed");
    pipeline_close(&p);
    return rows;
}

static void change_views(bool speed_first)
{
    struct pipeline p;
    char *old, *new = rows_of_new();

    live_three_days(&p);
    old = all_rows(&p, "merged");
    cr_assert_str_neq(old, new);
    pipeline_define(&p, TABLE HITS_AGAIN LONG BIG);
    is_rows(&p, "merged", old, "before anything runs with the new file");
    if (speed_first)
        TALLY(&p, 0, "speed", "--once");
    else
        TALLY(&p, 0, "batch");
    is_rows(&p, "merged", old, "one layer has caught up");
    if (speed_first)
        TALLY(&p, 0, "batch");
    else
        TALLY(&p, 0, "speed", "--once");
    is_rows(&p, "merged", new, "both have caught up");
    is_rows(&p, "speed", new, "both have caught up");
    TALLY(&p, 0, "batch", "--to", "now");
    is_rows(&p, "batch", new, "all is published");
    is_rows(&p, "merged", new, "all is published");
    TALLY(&p, 0, "reconcile");
    TALLY(&p, 0, "status");

    /* And back again. */
    pipeline_define(&p, TABLE HITS LONG BIG);
    is_rows(&p, "merged", new, "back: before anything runs");
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "batch", "--to", "now");
    is_rows(&p, "merged", old, "back: both have caught up");
    is_rows(&p, "speed", old, "back: both have caught up");
    TALLY(&p, 0, "reconcile");
    free(old);
    free(new);
    pipeline_close(&p);
}

Test(whole, a_changed_view_is_swapped_in_when_it_has_caught_up_speed_first, .timeout = 60)
{
    change_views(true);
}

Test(whole, a_changed_view_is_swapped_in_when_it_has_caught_up_batch_first, .timeout = 60)
{
    change_views(false);
}

/* ---- ranges, wrong words, a second one ---- */

Test(whole, from_beyond_the_boundary_starts_at_the_boundary_and_says_so, .timeout = 60)
{
    struct pipeline p;
    struct chance chance = {.state = 1};
    char *want, *gaps;

    pipeline_open(&p, TABLE HITS LONG BIG);
    make_events(7, 8);
    append_made(&p, 1, 0, made_count, false, &chance);
    TALLY(&p, 0, "speed", "--once");
    want = all_rows(&p, "speed");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2024-03-02");
    is_rows(&p, "merged", want, "one day is published");
    TALLY(&p, 0, "batch", "--from", "2024-03-04", "--to", "2024-03-05");
    cr_assert(strstr(p.run.err, "starts at 2024-03-02T00:00:00.000Z") != NULL, "%s", p.run.err);
    gaps =
        dump_sql(p.store, "SELECT count(*) FROM tally_pointer a WHERE a.from_ms > (SELECT min(from_ms) FROM tally_pointer b WHERE"
                          " b.definition = a.definition) AND NOT EXISTS (SELECT * FROM tally_pointer b WHERE"
                          " b.definition = a.definition AND b.to_ms = a.from_ms)");
    cr_assert_str_eq(gaps, "0\n", "ranges leave a gap");
    free(gaps);
    is_rows(&p, "merged", want, "all is published");
    is_rows(&p, "batch", want, "all is published");
    free(want);
    pipeline_close(&p);
}

Test(whole, wrong_words_are_refused_with_the_right_ones, .timeout = 60)
{
    struct pipeline p;

    pipeline_open(&p, TABLE HITS LONG BIG);
    TALLY(&p, 3, "query", "hits");
    cr_assert(strstr(p.run.err, "there is no store yet") != NULL, "%s", p.run.err);
    TALLY(&p, 3, "status");
    cr_assert(strstr(p.run.err, "there is no store yet") != NULL, "%s", p.run.err);
    TALLY(&p, 3, "reconcile");
    cr_assert(strstr(p.run.err, "there is no store yet") != NULL, "%s", p.run.err);
    cr_assert_neq(access(p.store, F_OK), 0, "asking has made a store");
    pipeline_close(&p);

    live_three_days(&p);
    TALLY(&p, 2, "query", "hit");
    cr_assert(strstr(p.run.err, "big, hits, slow") != NULL, "%s", p.run.err);
    TALLY(&p, 2, "query", "hits", "--layer", "stream");
    TALLY(&p, 2, "query", "hits", "--format", "xml");
    TALLY(&p, 2, "query", "hits", "--from", "2024-03-05", "--to", "2024-03-01");
    TALLY(&p, 2, "query");
    TALLY(&p, 2, "batch", "--from", "2024-03-05", "--to", "2024-03-01");
    TALLY(&p, 2, "batch", "--from", "2024-03-01", "--to", "2024-03-01");
    TALLY(&p, 2, "batch", "--from", "tomorrow week");
    TALLY(&p, 2, "reconcile", "--from", "2024-03-05", "--to", "2024-03-01");
    TALLY(&p, 2, "speed", "--once", "--tick", "fast");
    TALLY(&p, 2, "import", "--format", "clf", "-");
    cr_assert_str_eq(p.run.out, "");
    pipeline_close(&p);
}

Test(whole, help_is_had_as_people_ask_for_it)
{
    struct run run = {0};
    static const char *const ways[][3] = {
        {"query", "--help", NULL},
        {"help",  "query",  NULL},
        {"query", "-h",     NULL},
    };

    for (size_t i = 0; i < TL_COUNT(ways); i++) {
        run_start(&run, ways[i]);
        run_wait(&run);
        cr_assert_eq(run.status, 0, "%s", run.err);
        cr_assert_eq(strncmp(run.out, "usage: tally query ", 19), 0, "%s", run.out);
        run_done(&run);
    }
    RUN(&run, "help", "spede");
    cr_assert_eq(run.status, 2);
    cr_assert_not_null(strstr(run.err, "did you mean 'speed'?"), "%s", run.err);
    run_done(&run);
}

Test(whole, a_second_batch_is_told_who_holds_the_lock, .timeout = 60)
{
    struct pipeline p;
    struct tl_lock *lock = NULL;
    struct tl_err err;
    char path[RUN_DIR_BYTES + 60], pid[40], *before, *after;

    live_three_days(&p);
    append_one(&p, "late", DAY(1) + 1, DAY(4));
    TALLY(&p, 0, "archive");
    snprintf(path, sizeof path, "%s/batch.lock", p.data);
    snprintf(pid, sizeof pid, "pid %d since 20", (int)getpid());
    cr_assert_eq(tl_lock_take(path, "batch", &lock, &err), TL_OK, "%s", err.message);
    before = store_text(&p);
    TALLY(&p, 75, "batch");
    cr_assert(strstr(p.run.err, pid) != NULL, "'%s' is not in: %s", pid, p.run.err);
    after = store_text(&p);
    cr_assert_str_eq(after, before);
    free(before);
    free(after);
    tl_lock_release(lock);
    TALLY(&p, 0, "batch");
    cr_assert(strncmp(p.run.out, "run 2: ", 7) == 0, "%s", p.run.out);
    pipeline_close(&p);
}

/* A window by count that ends where batch has published up to is not yet batch's: what HAVING, or the WHERE of a view on it, hides of it while it is
 * open must not hide that it is. */
Test(whole, a_window_that_ends_at_the_boundary_is_served_whatever_hides_it_while_it_is_open, .timeout = 60)
{
    static const char text[] =
        TABLE "CREATE VIEW pairs AS SELECT window_start AS s, window_end AS e, host, COUNT(*) AS hits\n"
              "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 2, INTERVAL '1' HOUR))\n"
              "    GROUP BY window_start, window_end, host HAVING COUNT(*) > 1;\n"
              "CREATE VIEW whole AS SELECT window_start AS s, window_end AS e, host, COUNT(*) AS hits\n"
              "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 2, INTERVAL '1' HOUR))\n"
              "    GROUP BY window_start, window_end, host;\n"
              "CREATE VIEW twos AS SELECT s, e, host, hits FROM whole WHERE hits > 1;\n"
              "CREATE VIEW parts AS SELECT s, e, host, 2 / (hits - 1) AS two FROM whole;\n"; /* fails while it has one event */
    static const int seconds[] = {10, 20, 30, 40, 4000};
    static const char *const names[] = {"pairs", "whole", "twos", "parts"};
    struct tl_log_record records[TL_COUNT(seconds)];
    char texts[TL_COUNT(seconds)][160];
    struct pipeline p;

    pipeline_open(&p, text);
    for (size_t i = 0; i < TL_COUNT(seconds); i++) {
        char time[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(START_MS + seconds[i] * INT64_C(1000), time);
        snprintf(texts[i], sizeof texts[i], "{\"event_id\":\"e%zu\",\"host\":\"a\",\"event_time\":\"%s\"}", i, time);
        records[i] = (struct tl_log_record){.log_ms = START_MS + seconds[i] * INT64_C(1000), .value = tl_sv_from(texts[i])};
    }
    pipeline_append(&p, 1, records, TL_COUNT(seconds));
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2024-03-01T00:00:20.001Z");
    for (size_t v = 0; v < TL_COUNT(names); v++) {
        char *rows = pipeline_rows(&p, names[v], "merged");

        cr_expect(strstr(rows, "2024-03-01T00:00:10.000Z,2024-03-01T00:00:20.001Z,a,2") != NULL, "%s: %s", names[v], rows);
        cr_expect(strstr(rows, "2024-03-01T00:00:30.000Z,2024-03-01T00:00:40.001Z,a,2") != NULL, "%s: %s", names[v], rows);
        free(rows);
    }
    pipeline_close(&p);
}

/* A watermark that the views file puts beyond the calendar stands at its end, and speed comes to rest. */
Test(whole, a_watermark_beyond_the_calendar_is_no_wait_without_end, .timeout = 60)
{
#define FAR "INTERVAL '9999999999' DAY(10)"
#define FARTHER FAR " + " FAR " + " FAR " + " FAR
    static const char text[] =
        "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time + " FARTHER
        " + " FARTHER " + " FARTHER ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json',"
        " 'json.timestamp-format.standard' = 'ISO-8601');\n"
        "CREATE VIEW hits AS SELECT window_start, window_end, COUNT(*) AS hits\n"
        "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' DAY)) GROUP BY window_start, window_end;\n";
    const struct tl_log_record record = {.log_ms = START_MS, .value = TL_SV("{\"event_time\":\"2024-03-01T00:00:00.000Z\"}")};
    struct pipeline p;
    char *rows;

    pipeline_open(&p, text);
    pipeline_append(&p, 1, &record, 1);
    TALLY(&p, 0, "speed", "--once");
    rows = pipeline_rows(&p, "hits", "speed");
    cr_expect(strstr(rows, "2024-03-01T00:00:00.000Z,2024-03-02T00:00:00.000Z,1") != NULL, "%s", rows);
    free(rows);
    pipeline_close(&p);
}
