/* advise_lateness_test.c: what `reconcile --advise-lateness` says of other settings is what `speed` comes to under them. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "support/chance.h"
#include "support/pipeline.h"

enum {
    EVENTS = 6000,
    QUIET = 600,
    PIECE = 200,
    SETTINGS = 20,
    LESS = 4,
    TEXT = 200,
    DELAY_MS = 5000,
    LATENESS_MS = 1000,
    HOUR_MS = 3600000,
    BEGIN_MS = HOUR_MS / 2 * 3
};

static const char *const names[] = {"tens", "hops", "steps", "visits", "fives"};
enum { TENS, HOPS, STEPS, VISITS, FIVES, VIEWS };

/* Sessions are short, and most events are of two hosts: rows that are late take each other along. */
static const char views[] =
    "CREATE VIEW tens AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "  FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "  WHERE n <> 3 GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW hops AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "  FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))\n"
    "  GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW steps AS SELECT window_start, window_end, host, SUM(60 / n) AS total, COUNT(*) AS hits\n"
    "  FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))\n"
    "  GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(60 / n) AS total\n"
    "  FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '8' SECOND))\n"
    "  GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW fives AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "  FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 5, INTERVAL '20' SECOND))\n"
    "  WHERE n > 1 GROUP BY window_start, window_end, host;\n";

static const char *script(int64_t delay_ms, int64_t lateness_ms)
{
    static char out[4096];

    snprintf(out, sizeof out,
             "SET 'tally.allowed-lateness' = '%" PRId64 " ms';\n"
             "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),\n"
             "  WATERMARK FOR event_time AS event_time - INTERVAL '%" PRId64 ".%03" PRId64 "' SECOND(4, 3))\n"
             "  WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json',\n"
             "  'json.timestamp-format.standard' = 'ISO-8601', 'scan.watermark.emit.strategy' = 'on-event');\n%s",
             lateness_ms, delay_ms / 1000, delay_ms % 1000, views);
    return out;
}

/* ---- a history ---- */

/* Times of 2026-03-01. */
static int put_event(char *out, uint32_t id, uint32_t host, uint32_t n, int64_t ms)
{
    return snprintf(out, TEXT,
                    "{\"event_id\":\"e%u\",\"host\":\"h%u\",\"n\":%u,\"event_time\":\"2026-03-01T%02d:%02d:%02d.%03dZ\"}", id,
                    host, n, (int)(ms / HOUR_MS), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

/* An hour in order. Half an hour behind it one in which a third come up to a minute late, some up to a quarter of an hour, and some are copies, in the
 * future or broken; last an event that makes all windows fire. */
static struct tl_log_record records[EVENTS];

static void make_history(struct chance *chance, uint32_t partitions)
{
    static char texts[EVENTS][TEXT];
    static uint32_t ids[EVENTS];
    static int64_t times[EVENTS];

    for (uint32_t i = 0; i < EVENTS; i++) {
        bool quiet = i < QUIET;
        int64_t now_ms = quiet ? (int64_t)i * 6000 : BEGIN_MS + (int64_t)(i - QUIET) * 650 + chance_below(chance, 600);
        uint32_t host = quiet ? 9 : chance_below(chance, 4) > 0 ? chance_below(chance, 2) : 10 + chance_below(chance, 200);
        int size;

        if (i == EVENTS - 1)
            now_ms += 6 * HOUR_MS;
        ids[i] = i;
        times[i] = now_ms;
        if (!quiet && i < EVENTS - 1 && chance_below(chance, 3) == 0)
            times[i] = tl_max_i64(now_ms - chance_below(chance, chance_below(chance, 20) == 0 ? 900000 : 60000), BEGIN_MS);
        if (i > QUIET + 50 && i < EVENTS - 1 && chance_below(chance, 12) == 0) { /* a copy, often of a late one */
            uint32_t of = i - 1 - chance_below(chance, 50);

            ids[i] = ids[of];
            times[i] = times[of];
        }
        if (!quiet &&
            i % 200 ==
                100) /* a host whose session fires, and has a row that is split off 28 events later, and none that is late */
            times[i] = now_ms;
        if (!quiet && i % 200 == 128)
            times[i] = times[i - 28] + 8000;
        if (!quiet && (i % 200 == 100 || i % 200 == 128)) {
            ids[i] = i;
            host = 1000 + i / 200;
        }
        size = put_event(texts[i], ids[i], host, chance_below(chance, 5) == 0 ? 0 : 1 + chance_below(chance, 5), times[i]);
        if (!quiet && i < EVENTS - 1 && chance_below(chance, 50) == 0)
            size = put_event(texts[i], i, host, 1, now_ms + 4 * HOUR_MS);
        if (!quiet && i < EVENTS - 1 && chance_below(chance, 60) == 0)
            size = snprintf(texts[i], TEXT, "{\"event_time\":");
        records[i] = (struct tl_log_record){
            .partition = quiet ? 0 : chance_below(chance, partitions),
            .log_ms = INT64_C(1772323200000) + now_ms,
            .value = {texts[i], (size_t)size}
        };
    }
}

/* The quiet hour is on record, in a file of its own, and half of the other in files of some minutes; the rest is in the log alone. */
static void play_history(struct pipeline *p, struct chance *chance)
{
    make_history(chance, 1);
    pipeline_append(p, 1, records, QUIET);
    TALLY(p, 0, "archive");
    for (int at = QUIET; at < QUIET + EVENTS / 2; at += PIECE) {
        pipeline_append(p, 1, records + at, PIECE);
        TALLY(p, 0, "archive");
    }
    TALLY(p, 0, "speed", "--once"); /* and begins anew with what it has stored */
    pipeline_append(p, 1, records + QUIET + EVENTS / 2, EVENTS - QUIET - EVENTS / 2);
    TALLY(p, 0, "speed", "--once");
}

/* Whoever reads this file of the record now finds it damaged. */
static void damage_record(const struct pipeline *p, int64_t first_offset)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+%010" PRId64 ".jsonl.zst", p->data, first_offset);
    file = fopen(path, "r+b");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fseek(file, 500, SEEK_SET), 0);
    cr_assert_gt(fputs("this is not what was written here", file), 0);
    cr_assert_eq(fclose(file), 0);
}

/* ---- a run ---- */

struct numbers {
    long long late, partly, missed, split;
    char trust[24];
};

static void count_anew(struct pipeline *p, const char *sql)
{
    char path[sizeof p->store + 8];

    pipeline_define(p, sql);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", p->store, (const char *const[]){"", "-wal", "-shm"}[i]);
        (void)unlink(path);
    }
    TALLY(p, 0, "speed", "--once");
}

static long long outcome_of(struct pipeline *p, const char *outcome, const char *view)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT %s FROM tally_outcome JOIN tally_definition USING (definition) WHERE view = '%s'", outcome,
             view);
    return pipeline_number(p, sql);
}

/* Each event once for each window that has it. */
static long long rows_of(struct pipeline *p, const char *view)
{
    char sql[100];

    snprintf(sql, sizeof sql, "SELECT SUM(hits) FROM %s_speed", view);
    return pipeline_number(p, sql);
}

/* `whole`: the rows of a run in which nothing is late. */
static struct numbers numbers_of(struct pipeline *p, int view, const long long *whole)
{
    const char *name = names[view];
    struct numbers got = {.late = outcome_of(p, "late", name), .partly = outcome_of(p, "partly_counted", name)};

    got.split = pipeline_number(p, "SELECT COUNT(*) FROM tally_ledger JOIN tally_definition USING (definition)"
                                   " WHERE view = 'visits' AND cause = 3");
    /* Rows that wait for the watermark stand in no count window yet. */
    got.missed = view == FIVES ? got.late : whole[view] - rows_of(p, name);
    return got;
}

static void check_same(int view, int64_t delay_ms, int64_t lateness_ms, const struct numbers *told, const struct numbers *got)
{
    cr_assert(told->late == got->late && told->partly == got->partly && told->missed == got->missed &&
                  (view != VISITS || told->split == got->split),
              "%s, delay %" PRId64 " ms, lateness %" PRId64
              " ms: told %lld late, %lld partly, %lld missed, %lld split; it is %lld, "
              "%lld, %lld, %lld",
              names[view], delay_ms, lateness_ms, told->late, told->partly, told->missed, told->split, got->late, got->partly,
              got->missed, got->split);
}

/* ---- the advice ---- */

/* A field of a CSV line, up to the quoted ones. */
static const char *field(const char *line, int number)
{
    while (number-- > 0)
        line = strchr(line, ',') + 1;
    return line;
}

static struct numbers told_of(const char *csv, const char *view, int64_t delay_ms, int64_t lateness_ms)
{
    char begin[120];
    const char *line;
    struct numbers told;

    snprintf(begin, sizeof begin, "\n%s,%" PRId64 ",%" PRId64 ",", view, delay_ms, lateness_ms);
    line = strstr(csv, begin);
    cr_assert_not_null(line, "%s is not in %s", begin, csv);
    told = (struct numbers){.late = strtoll(field(line, 6), NULL, 10),
                            .partly = strtoll(field(line, 7), NULL, 10),
                            .missed = strtoll(field(line, 8), NULL, 10),
                            .split = field(line, 9)[0] == ',' ? -1 : strtoll(field(line, 9), NULL, 10)};
    snprintf(told.trust, sizeof told.trust, "%.*s", (int)strcspn(field(line, 11), ","), field(line, 11));
    return told;
}

struct settings {
    int64_t delay_ms[SETTINGS], lateness_ms[SETTINGS];
    char delays[SETTINGS * 16], latenesses[SETTINGS * 16]; /* as options */
    struct numbers told[SETTINGS];                         /* of one view */
};

/* Half of them by the delay, half by the lateness. */
static void choose(struct settings *settings, struct chance *chance, int from, int count, bool less)
{
    settings->delays[0] = settings->latenesses[0] = '\0';
    for (int s = from; s < from + count; s++) {
        bool by_delay = s % 2 == 0 || less;
        char *list = by_delay ? settings->delays : settings->latenesses;
        int64_t more_ms = less                           ? -(int64_t)chance_below(chance, DELAY_MS + 1)
                          : chance_below(chance, 4) == 0 ? chance_below(chance, 900000)
                                                         : chance_below(chance, 60000);

        settings->delay_ms[s] = DELAY_MS + (by_delay ? more_ms : 0);
        settings->lateness_ms[s] = LATENESS_MS + (by_delay ? 0 : more_ms);
        sprintf(list + strlen(list), "%s%" PRId64 "ms", list[0] == '\0' ? "" : ",",
                by_delay ? settings->delay_ms[s] : settings->lateness_ms[s]);
    }
}

static void advise(struct pipeline *p, const struct settings *settings)
{
    if (settings->latenesses[0] == '\0')
        TALLY(p, 0, "reconcile", "--advise-lateness", "--format", "csv", "--delay", settings->delays);
    else
        TALLY(p, 0, "reconcile", "--advise-lateness", "--format", "csv", "--delay", settings->delays, "--lateness",
              settings->latenesses);
}

static void count_whole(struct pipeline *p, long long whole[VIEWS])
{
    count_anew(p, script(DELAY_MS, 24 * HOUR_MS));
    for (int v = 0; v < VIEWS; v++) {
        cr_assert_eq(outcome_of(p, "late", names[v]), 0);
        whole[v] = rows_of(p, names[v]);
    }
}

/* One run and what it says of 20 other settings; then 20 runs. */
Test(advise_lateness, twenty_settings_are_predicted, .timeout = 600)
{
    struct chance chance = chance_open("advise_lateness");
    static struct settings settings;
    struct numbers told[SETTINGS][VIEWS];
    long long whole[VIEWS];
    struct pipeline p;

    pipeline_open(&p, script(DELAY_MS, LATENESS_MS));
    play_history(&p, &chance);
    choose(&settings, &chance, 0, LESS, true);
    advise(&p, &settings);
    for (int s = 0; s < LESS; s++)
        for (int v = 0; v < VIEWS; v++)
            told[s][v] = told_of(p.run.out, names[v], settings.delay_ms[s], settings.lateness_ms[s]);
    /* With more wait, what lies before the first late event is not read. */
    damage_record(&p, 0);
    TALLY(&p, 3, "reconcile", "--advise-lateness", "--delay", "1s");
    choose(&settings, &chance, LESS, SETTINGS - LESS, false);
    advise(&p, &settings);
    for (int s = LESS; s < SETTINGS; s++)
        for (int v = 0; v < VIEWS; v++)
            told[s][v] = told_of(p.run.out, names[v], settings.delay_ms[s], settings.lateness_ms[s]);
    count_whole(&p, whole);
    for (int s = 0; s < SETTINGS; s++) {
        count_anew(&p, script(settings.delay_ms[s], settings.lateness_ms[s]));
        for (int v = 0; v < VIEWS; v++) {
            struct numbers got = numbers_of(&p, v, whole);

            cr_assert_str_eq(told[s][v].trust, "exact", "%s: %s", names[v], told[s][v].trust);
            check_same(v, settings.delay_ms[s], settings.lateness_ms[s], &told[s][v], &got);
        }
    }
    pipeline_close(&p);
}

/* Whoever writes what is recommended has no more late events than were to be. */
Test(advise_lateness, recommended, .timeout = 120)
{
    struct chance chance = chance_open("advise_lateness");
    static char sql[8192];
    struct pipeline p;
    const char *line;
    char write[200];

    pipeline_open(&p, script(DELAY_MS, LATENESS_MS));
    play_history(&p, &chance);
    TALLY(&p, 0, "reconcile", "--advise-lateness", "--target", "2%", "tens");
    line = strstr(p.run.out, "recommended: SET");
    cr_assert_not_null(line, "%s", p.run.out);
    cr_assert_not_null(strstr(p.run.out, "above CREATE VIEW tens"), "%s", p.run.out);
    snprintf(write, sizeof write, "%.*s", (int)strcspn(line + 13, ";") + 1, line + 13);
    line = strstr(script(DELAY_MS, LATENESS_MS), "CREATE VIEW tens");
    snprintf(sql, sizeof sql, "%.*s%s\n%s", (int)(line - script(DELAY_MS, LATENESS_MS)), script(DELAY_MS, LATENESS_MS), write,
             line);
    count_anew(&p, sql);
    cr_assert_leq(50 * outcome_of(&p, "late", "tens"), outcome_of(&p, "late", "tens") + outcome_of(&p, "counted", "tens"), "%s",
                  write);
    /* Now it is as it is to be. */
    TALLY(&p, 0, "reconcile", "--advise-lateness", "--target", "0.02", "tens");
    cr_assert_not_null(strstr(p.run.out, "recommended: as it is"), "%s", p.run.out);
    pipeline_close(&p);
}

/* Without some events of its keys, nobody knows what a session would have taken: no more are late than by the watermark alone. */
Test(advise_lateness, at_most, .timeout = 120)
{
    struct chance chance = chance_open("advise_lateness");
    static struct settings settings;
    long long whole[VIEWS];
    char path[256];
    struct pipeline p;

    pipeline_open(&p, script(DELAY_MS, LATENESS_MS));
    play_history(&p, &chance);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+%010d.%s", p.data, QUIET,
                 (const char *const[]){"jsonl.zst", "index"}[i]);
        cr_assert_eq(unlink(path), 0, "%s", path);
    }
    choose(&settings, &chance, 0, LESS, true);
    advise(&p, &settings);
    cr_assert_not_null(strstr(p.run.err, "the record does not have all events"), "%s", p.run.err);
    choose(&settings, &chance, LESS, SETTINGS - LESS, false);
    advise(&p, &settings);
    for (int s = LESS; s < SETTINGS; s++)
        settings.told[s] = told_of(p.run.out, "visits", settings.delay_ms[s], settings.lateness_ms[s]);
    cr_assert_str_eq(told_of(p.run.out, "hops", settings.delay_ms[LESS], settings.lateness_ms[LESS]).trust, "exact");
    count_whole(&p, whole);
    for (int s = LESS; s < SETTINGS; s++) {
        count_anew(&p, script(settings.delay_ms[s], settings.lateness_ms[s]));
        cr_assert_str_eq(settings.told[s].trust, "at most", "%s", settings.told[s].trust);
        cr_assert_geq(settings.told[s].late, numbers_of(&p, VISITS, whole).late);
    }
    pipeline_close(&p);
}

/* Which partition is read first is different in each run: it says so, and how far it is off is printed. */
Test(advise_lateness, several_partitions, .timeout = 240)
{
    struct chance chance = chance_open("advise_lateness");
    static struct settings settings;
    struct numbers told[SETTINGS][VIEWS];
    enum { RUNS = 3, AT_ONCE = 600 };

    choose(&settings, &chance, 0, RUNS, false);
    make_history(&chance, 3);
    for (int run = -1; run < RUNS; run++) {
        struct pipeline p;

        pipeline_open(&p, run < 0 ? script(DELAY_MS, LATENESS_MS) : script(settings.delay_ms[run], settings.lateness_ms[run]));
        for (int at = 0; at < EVENTS; at += AT_ONCE) {
            pipeline_append(&p, 3, records + at, AT_ONCE);
            TALLY(&p, 0, "speed", "--once", "--workers", "2");
        }
        if (run < 0)
            advise(&p, &settings);
        for (int v = 0; v < VIEWS; v++) {
            long long late, partly;

            for (int s = 0; s < RUNS && run < 0; s++) {
                told[s][v] = told_of(p.run.out, names[v], settings.delay_ms[s], settings.lateness_ms[s]);
                cr_assert_str_eq(told[s][v].trust, "estimate", "%s", told[s][v].trust);
            }
            late = outcome_of(&p, "late", names[v]);
            partly = outcome_of(&p, "partly_counted", names[v]);
            if (run < 0)
                cr_assert_gt(late + partly, v == VISITS ? 0 : 50, "%s: %lld late, %lld partly", names[v], late, partly);
            else
                fprintf(stderr, "%s, %" PRId64 " ms more: %lld late and %lld partly were told, this run has %lld and %lld\n",
                        names[v], settings.delay_ms[run] + settings.lateness_ms[run] - DELAY_MS - LATENESS_MS, told[run][v].late,
                        told[run][v].partly, late, partly);
        }
        pipeline_close(&p);
    }
}

static int64_t waited(const char *csv, const char *view, int64_t delay_ms, int64_t lateness_ms, int number)
{
    char begin[120];
    const char *line;

    snprintf(begin, sizeof begin, "\n%s,%" PRId64 ",%" PRId64 ",", view, delay_ms, lateness_ms);
    line = strstr(csv, begin);
    cr_assert_not_null(line, "%s is not in %s", begin, csv);
    cr_assert_neq(field(line, number)[0], ',', "%s", line);
    return strtoll(field(line, number), NULL, 10);
}

/* An event a second, in the log two seconds later, but for an hour in which there is none; two are late. */
Test(advise_lateness, wall_clock, .timeout = 60)
{
    enum { COUNT = 1200, LATER = 13, OPEN, HALF, MOST, ALL, CORRECTIONS };
    static char texts[COUNT][TEXT];
    struct pipeline p;

    for (int i = 0; i < COUNT; i++) {
        int64_t ms = (int64_t)i * 1000 + (i < COUNT / 2 ? 0 : HOUR_MS);
        int size = put_event(texts[i], (uint32_t)i, 0, 2, i == 16 || i == 46 ? 3000 : ms);

        records[i] = (struct tl_log_record){
            .log_ms = INT64_C(1772323200000) + ms + 2000, .value = {texts[i], (size_t)size}
        };
    }
    pipeline_open(&p, script(DELAY_MS, 0));
    pipeline_append(&p, 1, records, 700);
    TALLY(&p, 0, "archive");
    pipeline_append(&p, 1, records + 700, COUNT - 700);
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "reconcile", "--advise-lateness", "--format", "csv", "--delay", "15s", "--lateness", "1s", "--wall-clock");
    /* [0, 10) is final with the event at 15 s, which is in the log at 17 s. */
    cr_assert_eq(waited(p.run.out, "tens", 5000, 0, HALF), 7000, "%s", p.run.out);
    cr_assert_eq(waited(p.run.out, "tens", 5000, 1000, HALF), 8000);
    cr_assert_eq(waited(p.run.out, "tens", 15000, 0, HALF), 17000);
    /* [590, 600) waits for the event at 4,200 s: 99 in 100 do not. */
    cr_assert_eq(waited(p.run.out, "tens", 5000, 0, MOST), 7000);
    cr_assert_eq(waited(p.run.out, "tens", 5000, 0, ALL), 3602000);
    cr_assert_eq(waited(p.run.out, "tens", 15000, 0, ALL), 3612000);
    /* A session that ends with t ends at t + 8 s, and is final with the event at t + 13 s. */
    cr_assert_eq(waited(p.run.out, "visits", 5000, 0, HALF), 7000);
    cr_assert_eq(waited(p.run.out, "fives", 5000, 0, HALF), 6999);
    cr_assert_eq(waited(p.run.out, "tens", 15000, 0, LATER), 10000);
    cr_assert_eq(waited(p.run.out, "tens", 15000, 0, OPEN), 25000);
    cr_assert_eq(waited(p.run.out, "hops", 5000, 1000, OPEN), 66000);
    cr_assert_eq(waited(p.run.out, "visits", 5000, 1000, OPEN), 14000);
    cr_assert_eq(waited(p.run.out, "fives", 5000, 1000, OPEN), 6000);
    /* One of the late events comes when the watermark is at 10 s, the other half a minute later. */
    cr_assert_eq(told_of(p.run.out, "tens", 5000, 0).late, 2);
    cr_assert_eq(told_of(p.run.out, "tens", 5000, 1000).late, 1);
    cr_assert_eq(waited(p.run.out, "tens", 5000, 0, CORRECTIONS), 0);
    cr_assert_eq(waited(p.run.out, "tens", 5000, 1000, CORRECTIONS), 1);
    cr_assert_eq(waited(p.run.out, "tens", 15000, 0, CORRECTIONS), 0);
    pipeline_close(&p);
}

/* What asks for something that is not to be had says so. */
Test(advise_lateness, usage, .timeout = 60)
{
    struct pipeline p;

    pipeline_open(&p, script(DELAY_MS, 0));
    TALLY(&p, 2, "reconcile", "--delay", "1s");
    cr_assert_not_null(strstr(p.run.err, "go with --advise-lateness"), "%s", p.run.err);
    TALLY(&p, 2, "reconcile", "--advise-lateness", "--target", "much");
    cr_assert_not_null(strstr(p.run.err, "0.1% would do"), "%s", p.run.err);
    TALLY(&p, 2, "reconcile", "--advise-lateness", "--delay", "1s,soon");
    TALLY(&p, 2, "reconcile", "--advise-lateness", "nothing");
    TALLY(&p, 3, "reconcile", "--advise-lateness"); /* no store yet */
    pipeline_append(&p, 1, NULL, 0);
    TALLY(&p, 0, "speed", "--once");
    pipeline_define(&p, script(DELAY_MS + 1, 0));
    TALLY(&p, 0, "reconcile", "--advise-lateness");
    cr_assert_not_null(strstr(p.run.err, "speed has counted nothing yet as the views file has it now"), "%s", p.run.err);
    pipeline_close(&p);
}
