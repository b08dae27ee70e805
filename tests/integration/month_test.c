/* month_test.c: a month computed range by range, in any order, in parts that grow, again and after kills, has the rows, outcomes and carries of
 * one run over everything.
 *
 * Two folders with the same log. In one everything is archived and published at once. In the other it comes in rounds, late events among it; between
 * them run what cron, an operator and a power cut do. Then both are published up to one instant. TALLY_MONTHS says how many histories. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/timestamp.h"
#include "log/log.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/pipeline.h"
#include "support/store_fixture.h"

enum { EVENTS = 260, PARTITIONS = 3, ROUNDS_MAX = 4, TEXT_BYTES = 200 };

#define TABLE                                                                                                                    \
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"                                   \
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"                                                         \
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
#define VIEW(name, what, window, by)                                                                                             \
    "CREATE VIEW " name " AS SELECT window_start, window_end, " what " FROM TABLE(" window ") GROUP BY window_start, "           \
    "window_end" by ";\n"
#define OF "TABLE events, DESCRIPTOR(event_time), "
#define BY "TABLE events PARTITION BY host, DESCRIPTOR(event_time), "

static const char views_text[] = TABLE VIEW("days", "COUNT(*) AS c, SUM(100 / n) AS q", "TUMBLE(" OF "INTERVAL '1' DAY)", "")
    VIEW("sevens", "host, SUM(n) AS s, FIRST_VALUE(n) AS f", "TUMBLE(" OF "INTERVAL '7' HOUR)", ", host") VIEW(
        "hops", "host, COUNT(*) AS c, COUNT(DISTINCT n) AS d", "HOP(" OF "INTERVAL '6' HOUR, INTERVAL '3' DAY)", ", host")
        VIEW("steps", "host, SUM(n) AS s, LAST_VALUE(n) AS l", "CUMULATE(" OF "INTERVAL '6' HOUR, INTERVAL '1' DAY)", ", host")
            VIEW("visits", "host, COUNT(*) AS c, LISTAGG(event_id) AS ids", "SESSION(" BY "INTERVAL '3' HOUR)", ", host") VIEW(
                "nines", "host, closed_by, COUNT(*) AS c, MIN(n) AS m", "COUNT_WINDOW(" BY "9, INTERVAL '4' DAY)",
                ", host, closed_by") "CREATE VIEW busy AS SELECT window_start, window_end, host, COUNT(*) AS c FROM TABLE(HOP(" OF
                                     "INTERVAL '12' HOUR, INTERVAL '1' DAY)) WHERE n > 10 GROUP BY window_start, window_end, "
                                     "host HAVING COUNT(*) > 2;\n"
                                     "CREATE VIEW raw AS SELECT event_time, host, n, 100 / n AS q FROM events WHERE n < 40;\n"
                                     "CREATE VIEW inner_visits AS SELECT window_start AS ws, window_end AS we, window_time AS "
                                     "wt, host, COUNT(*) AS c"
                                     " FROM TABLE(SESSION(" BY
                                     "INTERVAL '5' HOUR)) GROUP BY window_start, window_end, window_time, host;\n"
                                     "CREATE VIEW long_visits AS SELECT ws, we, wt, host, c FROM inner_visits WHERE c > 1;\n"
                                     "CREATE VIEW of_visits AS SELECT window_start, window_end, COUNT(*) AS v, SUM(c) AS c"
                                     " FROM TABLE(TUMBLE(TABLE inner_visits, DESCRIPTOR(wt), INTERVAL '1' DAY)) GROUP BY "
                                     "window_start, window_end;\n"
                                     "CREATE VIEW of_long AS SELECT window_start, window_end, host, COUNT(*) AS v"
                                     " FROM TABLE(HOP(TABLE long_visits, DESCRIPTOR(wt), INTERVAL '6' HOUR, INTERVAL '2' DAY)) "
                                     "GROUP BY window_start, window_end, host;\n";
static const char *const names[] = {"days", "sevens", "hops",         "steps",       "visits",    "nines",
                                    "busy", "raw",    "inner_visits", "long_visits", "of_visits", "of_long"};

/* Where the clock changes, a day is missing, hours begin at half past, a month ends. */
static const struct place {
    const char *zone, *start;
} places[] = {
    {"UTC",                 "2024-02-26"},
    {"America/Los_Angeles", "2021-03-10"},
    {"America/Los_Angeles", "2021-11-03"},
    {"Asia/Kolkata",        "2024-02-26"},
    {"Pacific/Apia",        "2011-12-26"},
    {"Australia/Lord_Howe", "2024-04-03"},
};

struct month {
    struct chance *chance;
    const struct place *place;
    int64_t start_ms, end_ms, publish_ms; /* of the events; up to where both sides publish */
    char texts[EVENTS][TEXT_BYTES];
    uint32_t partition[EVENTS];
    const char *store; /* NULL: the folder's own */
    int carries;       /* that could be compared */
    char said[4000];   /* what was done, for whoever has to find out */
};

/* Nothing here is about a disk: where memory can stand in for it, half a minute is saved. */
static void use_memory(void)
{
    if (access("/dev/shm", W_OK) == 0)
        cr_assert_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
}

TestSuite(month, .init = use_memory);

static uint32_t below(struct month *m, uint32_t n)
{
    return chance_below(m->chance, n);
}

/* Mostly in order; some come days late, some come again, some have the id of another, some are none. */
static void make_events(struct month *m)
{
    for (int i = 0; i < EVENTS; i++) {
        int64_t span_ms = m->end_ms - m->start_ms, time_ms = m->start_ms + span_ms * i / EVENTS + below(m, 3600000);
        int id = i;
        char when[TL_TIME_TEXT_BYTES];

        m->partition[i] = below(m, PARTITIONS);
        if (i > 10 && below(m, 12) == 0) {
            memcpy(m->texts[i], m->texts[i - 1 - (int)below(m, 10)], TEXT_BYTES);
            continue;
        }
        if (below(m, 40) == 0) {
            snprintf(m->texts[i], TEXT_BYTES, "{\"broken\": %d", i);
            continue;
        }
        if (below(m, 4) == 0)
            time_ms = m->start_ms + (int64_t)(chance_u64(m->chance) % (uint64_t)span_ms);
        if (below(m, 20) == 0) /* exactly on an edge */
            time_ms -= tl_ms_of_day(time_ms) % TL_HOUR_MS;
        if (i > 0 && below(m, 30) == 0)
            id = (int)below(m, (uint32_t)i);
        tl_time_to_iso_z(time_ms, when);
        snprintf(m->texts[i], TEXT_BYTES, "{\"event_id\": \"e%d\", \"host\": \"h%u\", \"n\": %u, \"event_time\": \"%s\"}", id,
                 below(m, 4), below(m, 50), when);
    }
}

static void append(struct pipeline *p, const struct month *m, int from, int to)
{
    struct tl_log_record records[EVENTS];

    for (int i = from; i < to; i++)
        records[i] = (struct tl_log_record){
            .partition = m->partition[i], .log_ms = m->publish_ms + i * 1000, .value = tl_sv_from(m->texts[i])};
    pipeline_append(p, PARTITIONS, records + from, (size_t)(to - from));
}

static void define(struct pipeline *p, const struct month *m, uint32_t unit)
{
    static const char *const units[] = {"hour", "day", "month"};
    char text[sizeof views_text + 200];

    snprintf(text, sizeof text, "SET 'table.local-time-zone' = '%s';\nSET 'tally.batch-range' = '%s';\n%s", m->place->zone,
             units[unit], views_text);
    pipeline_define(p, text);
}

static void instant(struct month *m, char out[TL_TIME_TEXT_BYTES])
{
    int64_t ms = m->start_ms - TL_DAY_MS + (int64_t)(chance_u64(m->chance) % (uint64_t)(m->end_ms - m->start_ms + 3 * TL_DAY_MS));

    if (below(m, 3) == 0)
        ms -= tl_ms_of_day(ms);
    tl_time_to_iso_z(ms, out);
}

static void say(struct month *m, const char *const *args, const char *more)
{
    size_t size = strlen(m->said);

    for (size_t i = 0; args[i] != NULL; i++)
        size += (size_t)snprintf(m->said + size, sizeof m->said - size, " %s", args[i]);
    snprintf(m->said + size, sizeof m->said - size, "%s\n", more);
}

/* A batch run with more words, somehow. */
static void batch(struct pipeline *p, struct month *m, const char *const *words, bool may_die)
{
    const char *args[16] = {
        "batch", "--jobs", (const char *[]){"1", "2", "3"}
            [below(m, 3)]
    };
    size_t count = 3;

    for (size_t i = 0; words[i] != NULL; i++)
        args[count++] = words[i];
    if (m->store != NULL) {
        args[count++] = "--store";
        args[count++] = m->store;
    }
    if (may_die && below(m, 4) == 0) {
        args[count] = "--views", args[count + 1] = p->views, args[count + 2] = "--data", args[count + 3] = p->data;
        say(m, words, " (killed)");
        run_done(&p->run);
        run_start(&p->run, args);
        tl_clock_sleep_ms(1 + below(m, 40));
        run_signal(&p->run, SIGKILL);
        run_wait(&p->run);
        return;
    }
    say(m, words, "");
    pipeline_tally(p, -1, args);
    cr_assert_eq(p->run.status, 0, "TALLY_SEED=%llu %s\n%s%s", (unsigned long long)m->chance->seed, m->place->zone, m->said,
                 p->run.err);
}

static void random_run(struct pipeline *p, struct month *m)
{
    char from[TL_TIME_TEXT_BYTES], to[TL_TIME_TEXT_BYTES];

    define(p, m, below(m, 3));
    instant(m, from);
    do
        instant(m, to);
    while (strcmp(from, to) >= 0 && below(m, 50) > 0);
    if (strcmp(from, to) >= 0)
        return;
    switch (below(m, 5)) {
    case 0: /* publishes all of time up to now, so what comes later is late */
        if (below(m, 4) == 0)
            batch(p, m, (const char *const[]){NULL}, true);
        break;
    case 1: batch(p, m, (const char *const[]){"--from", from, NULL}, true); break;
    case 2: batch(p, m, (const char *const[]){"--from", from, "--to", to, NULL}, true); break;
    default: batch(p, m, (const char *const[]){"--to", to, NULL}, true); break;
    }
}

static void publish_all(struct pipeline *p, struct month *m)
{
    char to[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(m->publish_ms, to);
    define(p, m, below(m, 3));
    batch(p, m, (const char *const[]){"--to", to, NULL}, false);
}

static void same_rows(struct pipeline *want, struct pipeline *got, const struct month *m)
{
    for (size_t v = 0; v < TL_COUNT(names); v++) {
        char *wanted = pipeline_rows(want, names[v], "batch"), *rows;

        if (m->store != NULL)
            cr_assert_eq(setenv("TALLY_STORE", m->store, 1), 0);
        rows = pipeline_rows(got, names[v], "batch");
        unsetenv("TALLY_STORE");
        cr_assert_gt(strlen(wanted), 100, "%s", names[v]);
        cr_assert(strcmp(rows, wanted) == 0, "TALLY_SEED=%llu %s: %s differs\n%s--- want\n%s--- got\n%s",
                  (unsigned long long)m->chance->seed, m->place->zone, names[v], m->said, wanted, rows);
        free(wanted);
        free(rows);
    }
}

#define PUBLISHED                                                                                                                \
    " FROM tally_pointer AS p JOIN tally_run_range AS r ON r.run = p.run AND r.definition = p.definition AND r.from_ms ="        \
    " p.from_ms JOIN tally_definition AS d ON d.definition = p.definition"

static void same_outcomes(struct pipeline *want, struct pipeline *got, const struct month *m)
{
    static const char sql[] =
        "SELECT d.view, sum(dead_letter), sum(future), sum(duplicate), sum(filtered), sum(rejected), sum(late),"
        " sum(partly_counted), sum(counted), sum(rows_count)" PUBLISHED " GROUP BY d.view ORDER BY d.view";
    char *wanted = dump_sql(want->store, sql), *counts = dump_sql(got->store, sql);

    cr_assert_str_eq(counts, wanted, "TALLY_SEED=%llu %s\n%s--- want\n%s--- got\n%s", (unsigned long long)m->chance->seed,
                     m->place->zone, m->said, wanted, counts);
    free(wanted);
    free(counts);
}

/* Where both have a range end, the same is open across it. */
static void same_carries(struct pipeline *want, struct pipeline *got, struct month *m)
{
    static const char sql[] = "SELECT d.view, p.to_ms, hex(r.carry)" PUBLISHED " ORDER BY 1, 2";
    char *wanted = dump_sql(want->store, sql), *carries = dump_sql(got->store, sql);
    int common = 0;

    for (char *line = carries, *end; *line != '\0'; line = end + 1) {
        char *bar = strrchr(line, '|'), key[120], *twin;

        end = strchr(line, '\n');
        *end = '\0';
        bar = strrchr(line, '|');
        snprintf(key, sizeof key, "%.*s", (int)(bar + 1 - line), line);
        for (twin = wanted; (twin = strstr(twin, key)) != NULL && twin != wanted && twin[-1] != '\n'; twin++)
            ;
        if (twin == NULL)
            continue;
        common++;
        cr_assert(strncmp(twin, line, strlen(line)) == 0 && twin[strlen(line)] == '\n',
                  "TALLY_SEED=%llu %s: the carry over %s differs\n%s", (unsigned long long)m->chance->seed, m->place->zone, key,
                  m->said);
    }
    m->carries += common;
    free(wanted);
    free(carries);
}

/* How many carries could be compared. */
static int one_month(struct chance *chance, const char *store)
{
    static struct month month;
    struct month *m = &month;
    struct pipeline calm, rough;
    uint32_t rounds;
    int done = 0;

    *m = (struct month){.chance = chance, .store = store};
    m->place = &places[below(m, TL_COUNT(places))];
    cr_assert(tl_time_from_rfc3339(tl_sv_from(m->place->start), &m->start_ms));
    m->end_ms = m->start_ms + 8 * TL_DAY_MS;
    m->publish_ms = m->end_ms + 9 * TL_DAY_MS;
    make_events(m);
    pipeline_open(&rough, views_text);
    rounds = 1 + below(m, ROUNDS_MAX);
    for (uint32_t r = 0; r < rounds; r++) {
        int to = r + 1 == rounds ? EVENTS : done + (int)below(m, (uint32_t)(EVENTS - done));

        append(&rough, m, done, to);
        done = to;
        define(&rough, m, 1);
        TALLY(&rough, 0, "archive", "--file-bytes", below(m, 2) == 0 ? "20000" : "100000");
        say(m, (const char *const[]){"archive", NULL}, "");
        for (uint32_t runs = below(m, 4); runs > 0; runs--)
            random_run(&rough, m);
    }
    publish_all(&rough, m);
    if (below(m, 2) == 0)
        random_run(&rough, m);
    publish_all(&rough, m);
    m->store = NULL;
    pipeline_open(&calm, views_text);
    append(&calm, m, 0, EVENTS);
    define(&calm, m, 1);
    TALLY(&calm, 0, "archive");
    publish_all(&calm, m);
    m->store = store;
    same_rows(&calm, &rough, m);
    if (store == NULL) {
        same_outcomes(&calm, &rough, m);
        same_carries(&calm, &rough, m);
    }
    pipeline_close(&calm);
    pipeline_close(&rough);
    return m->carries;
}

Test(month, in_any_order_in_parts_and_again_the_rows_are_those_of_one_run, .timeout = 3000)
{
    const char *wanted = getenv("TALLY_MONTHS");
    struct chance chance = chance_open("month");
    int carries = 0;

    for (int i = wanted != NULL ? atoi(wanted) : 4; i > 0; i--) {
        carries += one_month(&chance, NULL);
        chance.seed = chance.state; /* this history alone can be had again */
    }
    cr_assert_gt(carries, (int)TL_COUNT(names));
}

Test(month, on_postgresql_too, .timeout = 120, .fini = store_folder_remove)
{
    struct chance chance = chance_open("month");
    char url[512];

    store_postgres.url(url);
    (void)one_month(&chance, url);
}
