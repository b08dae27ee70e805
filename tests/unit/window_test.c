/* window_test.c: every kind of window against a model that holds all events in a list and knows nothing of slices, fragments, ticks and ranges.
 *
 * Streams of one partition, with late events, are compared event by event: rows, ledger, outcomes. What the stream has of windows that are
 * not yet final must be what the model has of them so far. Batch is compared with the same model without a watermark. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"
#include "simulate.h"
#include "support/chance.h"

#define TABLE                                                                                                                    \
    "CREATE TABLE events (host STRING, n INT, event_time TIMESTAMP_LTZ(3),"                                                      \
    " WATERMARK FOR event_time AS event_time - INTERVAL '%s' SECOND)"                                                            \
    " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"
#define SELECT "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c, SUM(n) AS s FROM TABLE("
#define GROUP ") GROUP BY window_start, window_end, host;"

enum { EVENTS_MAX = 400, KEYS = 3 };

struct window_case {
    char name[40];
    char window[120];
    enum tl_window_kind kind;
    int64_t size_ms, slide_ms, offset_ms;
    uint32_t rows_max;
    int64_t lateness_ms;
    char delay[8]; /* of the watermark, in seconds */
    int64_t delay_ms;
};

struct event {
    int64_t time_ms, watermark_ms; /* what it is judged by */
    int key, n;
    bool late, partly;
    enum tl_cause cause;
};

/* ---- the model ---- */

struct model {
    const struct window_case *of;
    struct event *events;
    size_t count;
    bool stream;
    int64_t watermark_ms; /* after all events */
    struct tl_buf rows, ledger;
    int64_t final_ms; /* rows up to here are in `rows`; INT64_MAX: all */
};

static void put_row(struct model *m, int64_t start_ms, int64_t end_ms, int key, int count, int sum)
{
    if (end_ms > m->final_ms)
        return;
    tl_buf_printf(&m->rows, "v %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " \"h%d\" %d %d\n", start_ms, end_ms, start_ms,
                  end_ms, key, count, sum);
}

static bool passed(const struct model *m, const struct event *e, int64_t end_ms)
{
    return m->stream && e->watermark_ms != INT64_MIN && e->watermark_ms >= end_ms - 1 + m->of->lateness_ms;
}

static int64_t floor_to(int64_t ms, int64_t offset_ms, int64_t size_ms)
{
    int64_t rest = (ms - offset_ms) % size_ms;

    return ms - (rest < 0 ? rest + size_ms : rest);
}

/* All windows that some event lies in, one after the other. */
static void model_time_windows(struct model *m)
{
    const struct window_case *c = m->of;
    int64_t low = INT64_MAX, high = INT64_MIN;

    for (size_t i = 0; i < m->count; i++) {
        low = tl_min_i64(low, m->events[i].time_ms);
        high = tl_max_i64(high, m->events[i].time_ms);
        m->events[i].late = true;
        m->events[i].partly = false;
    }
    for (int64_t end_ms = floor_to(low, c->offset_ms, c->slide_ms); end_ms <= high + c->size_ms + c->slide_ms;
         end_ms += c->slide_ms) {
        int64_t start_ms = c->kind == TL_WINDOW_CUMULATE ? floor_to(end_ms - 1, c->offset_ms, c->size_ms) : end_ms - c->size_ms;

        for (int key = 0; key < KEYS; key++) {
            int count = 0, sum = 0;

            for (size_t i = 0; i < m->count; i++) {
                struct event *e = &m->events[i];

                if (e->key != key || e->time_ms < start_ms || e->time_ms >= end_ms)
                    continue;
                if (passed(m, e, end_ms)) {
                    e->partly = true;
                    continue;
                }
                e->late = false;
                count++;
                sum += e->n;
            }
            if (count > 0)
                put_row(m, start_ms, end_ms, key, count, sum);
        }
    }
    for (size_t i = 0; i < m->count; i++)
        m->events[i].cause = m->events[i].late ? TL_CAUSE_LATE_DROP : m->events[i].partly ? TL_CAUSE_LATE_PARTIAL : TL_CAUSE_NONE;
}

struct session {
    int64_t start_ms, end_ms;
    int key, count, sum;
    bool gone, forgotten;
};

/* Twice the gap behind the watermark a session that has fired is told of no more, once no open one begins within a gap of its end. */
static void model_forget(const struct model *m, const struct event *e, struct session *all, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        struct session *old = &all[s];
        bool kept = false;

        if (old->gone || old->forgotten || old->key != e->key || !passed(m, e, old->end_ms + 2 * m->of->size_ms))
            continue;
        for (size_t o = 0; o < count && !kept; o++)
            kept = !all[o].gone && all[o].key == e->key && !passed(m, e, all[o].end_ms) &&
                   all[o].start_ms <= old->end_ms + m->of->size_ms;
        old->forgotten = !kept;
    }
}

/* Flink's rule, event by event: what has fired takes no more rows. */
static void model_sessions(struct model *m)
{
    static struct session all[EVENTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < m->count; i++) {
        struct event *e = &m->events[i];
        struct session mine = {e->time_ms, e->time_ms + m->of->size_ms, e->key, 1, e->n, false, false};
        int touched_fired = 0, touched_old = 0; /* old: fired so long ago that a late row is not told from others by it */
        bool joined = false;

        model_forget(m, e, all, count);
        for (size_t s = 0; s < count; s++) {
            struct session *other = &all[s];

            if (other->gone || other->key != e->key || other->start_ms > e->time_ms + m->of->size_ms ||
                other->end_ms < e->time_ms)
                continue;
            if (passed(m, e, other->end_ms)) {
                touched_fired += !passed(m, e, other->end_ms + 2 * m->of->size_ms);
                touched_old += passed(m, e, other->end_ms + 2 * m->of->size_ms) && !other->forgotten;
                continue;
            }
            mine.start_ms = tl_min_i64(mine.start_ms, other->start_ms);
            mine.end_ms = tl_max_i64(mine.end_ms, other->end_ms);
            mine.count += other->count;
            mine.sum += other->sum;
            other->gone = true;
            joined = true;
        }
        e->late = !joined && passed(m, e, e->time_ms + m->of->size_ms);
        e->cause = TL_CAUSE_NONE;
        if (e->late)
            e->cause = touched_fired > 1 ? TL_CAUSE_SESSION_BRIDGE : TL_CAUSE_LATE_DROP;
        else if (touched_fired > 0 || (joined && touched_old > 0))
            e->cause = TL_CAUSE_SESSION_SPLIT;
        if (!e->late)
            all[count++] = mine;
    }
    for (size_t s = 0; s < count; s++)
        if (!all[s].gone)
            put_row(m, all[s].start_ms, all[s].end_ms, all[s].key, all[s].count, all[s].sum);
}

static int by_time(const void *a, const void *b)
{
    const struct event *const *x = a, *const *y = b;

    if ((*x)->time_ms != (*y)->time_ms)
        return (*x)->time_ms < (*y)->time_ms ? -1 : 1;
    return (*x > *y) - (*x < *y);
}

static void model_counts(struct model *m)
{
    static struct event *sorted[EVENTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < m->count; i++) {
        struct event *e = &m->events[i];

        e->late = m->stream && e->watermark_ms != INT64_MIN && e->watermark_ms - m->of->lateness_ms >= e->time_ms;
        e->cause = e->late ? TL_CAUSE_LATE_DROP : TL_CAUSE_NONE;
        if (!e->late)
            sorted[count++] = e;
    }
    qsort(sorted, count, sizeof sorted[0], by_time);
    for (int key = 0; key < KEYS; key++) {
        int64_t first_ms = 0;
        uint32_t rows = 0;
        int sum = 0;

        for (size_t i = 0; i < count; i++) {
            if (sorted[i]->key != key)
                continue;
            if (rows > 0 && sorted[i]->time_ms >= first_ms + m->of->size_ms) {
                put_row(m, first_ms, first_ms + m->of->size_ms, key, (int)rows, sum);
                rows = 0;
            }
            if (rows == 0) {
                first_ms = sorted[i]->time_ms;
                sum = 0;
            }
            sum += sorted[i]->n;
            if (++rows == m->of->rows_max) {
                put_row(m, first_ms, sorted[i]->time_ms + 1, key, (int)rows, sum);
                rows = 0;
            }
        }
        if (rows > 0)
            put_row(m, first_ms, first_ms + m->of->size_ms, key, (int)rows, sum);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct tl_buf *text)
{
    size_t count = 0;
    char *copy, **lines;

    tl_buf_put_u8(text, 0);
    copy = strdup(text->data);
    lines = calloc(text->size, sizeof *lines);
    cr_assert(copy != NULL && lines != NULL);
    for (char *at = copy; *at != 0; at = strchr(at, 0) + 1) {
        lines[count++] = at;
        *strchr(at, '\n') = 0;
    }
    qsort(lines, count, sizeof *lines, by_text);
    tl_buf_clear(text);
    for (size_t i = 0; i < count; i++)
        tl_buf_printf(text, "%s\n", lines[i]);
    tl_buf_put_u8(text, 0);
    free(lines);
    free(copy);
}

static void model_run(struct model *m)
{
    tl_buf_init(&m->rows, 0);
    tl_buf_init(&m->ledger, 0);
    if (m->of->kind == TL_WINDOW_SESSION)
        model_sessions(m);
    else if (m->of->kind == TL_WINDOW_COUNT)
        model_counts(m);
    else
        model_time_windows(m);
    for (size_t i = 0; i < m->count; i++)
        if (m->events[i].cause != TL_CAUSE_NONE)
            tl_buf_printf(&m->ledger, "v 0 %zu 0 %s\n", i, tl_cause_name(m->events[i].cause));
    sort_lines(&m->rows);
    sort_lines(&m->ledger);
}

static void model_done(struct model *m)
{
    tl_buf_done(&m->rows);
    tl_buf_done(&m->ledger);
}

/* ---- histories ---- */

static struct tl_plan *plan_of(const struct window_case *c)
{
    char sql[1000];

    snprintf(sql, sizeof sql, "SET 'tally.allowed-lateness' = '%d s'; SET 'tally.dedup.key' = '';" TABLE SELECT "%s" GROUP,
             (int)(c->lateness_ms / 1000), c->delay, c->window);
    return sim_plan(sql);
}

/* Mostly in order, with gaps that close sessions, ties, and events that are late by anything; some follow one another back, each within a gap of
 * the one before it: so an open session is taken back to what has fired long ago. */
static size_t make_events(struct event *events, const struct window_case *c, struct chance *chance, struct sim_history *history)
{
    size_t count = 20 + chance_below(chance, EVENTS_MAX - 20);
    int64_t time_ms = (int64_t)chance_below(chance, 100000) - 50000, watermark_ms = INT64_MIN;
    uint32_t late_percent = chance_below(chance, 60), back_percent = chance_below(chance, 90);

    for (size_t i = 0; i < count; i++) {
        char text[200], when[TL_TIME_TEXT_BYTES];
        struct event *e = &events[i];

        time_ms += chance_below(chance, chance_below(chance, 20) == 0 ? 60000 : 3000);
        *e = (struct event){.time_ms = time_ms, .watermark_ms = watermark_ms};
        e->key = (int)chance_below(chance, KEYS);
        if (chance_below(chance, 100) < late_percent) {
            bool back = i > 0 && chance_below(chance, 100) < back_percent;

            if (back) {
                e->key = events[i - 1].key;
                e->time_ms = events[i - 1].time_ms;
            }
            e->time_ms -= chance_below(chance, back ? (uint32_t)c->size_ms : 40000);
        }
        if (chance_below(chance, 3) == 0)
            e->time_ms = floor_to(e->time_ms, 0, 1000); /* on the edge of things */
        e->n = (int)chance_below(chance, 10);
        watermark_ms = tl_max_i64(watermark_ms, e->time_ms - c->delay_ms);
        tl_time_to_iso_z(e->time_ms, when);
        snprintf(text, sizeof text, "{\"host\": \"h%d\", \"n\": %d, \"event_time\": \"%s\"}", e->key, e->n, when);
        sim_add(history, 0, time_ms, text);
    }
    return count;
}

/* The lines of rows whose end is not beyond final_ms. */
static void keep_final(struct tl_buf *rows, int64_t final_ms, struct tl_buf *out)
{
    tl_buf_init(out, 0);
    for (const char *at = rows->data; *at != 0; at = strchr(at, '\n') + 1) {
        int64_t start_ms, end_ms;

        cr_assert_eq(sscanf(at, "v %" SCNd64 " %" SCNd64, &start_ms, &end_ms), 2);
        if (end_ms <= final_ms)
            tl_buf_put_sv(out, (struct tl_sv){at, (size_t)(strchr(at, '\n') - at) + 1});
    }
    tl_buf_put_u8(out, 0);
}

/* Each line of `some` stands in `all`. */
static void check_subset(const char *some, const char *all, const char *name, uint64_t seed)
{
    for (const char *at = some; *at != 0; at = strchr(at, '\n') + 1) {
        char line[200];

        snprintf(line, sizeof line, "%.*s", (int)(strchr(at, '\n') - at) + 1, at);
        cr_assert(strncmp(all, line, strlen(line)) == 0 || strstr(all, line) != NULL, "%s, seed %" PRIu64 ": %snot in\n%s", name,
                  seed, line, all);
    }
}

/* ---- the cases ---- */

static struct window_case cases[] = {
    {"tumble",                "TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)",                            TL_WINDOW_TUMBLE,   10000, 10000, 0,    0, 0,     "5",
     5000                                                                                                                                                                                 },
    {"tumble, lateness",      "TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '7' SECOND, INTERVAL '3' SECOND)",
     TL_WINDOW_TUMBLE,                                                                                                                             7000,  7000,  3000, 0, 12000, "0", 0   },
    {"hop",                   "HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '15' SECOND)",          TL_WINDOW_HOP,      15000, 5000,  0,
     0,                                                                                                                                                                   0,     "0", 0   },
    {"hop, delay and offset",
     "HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '4' SECOND, INTERVAL '20' SECOND, INTERVAL '1' SECOND)",              TL_WINDOW_HOP,
     20000,                                                                                                                                               4000,  1000, 0, 0,     "7", 7000},
    {"hop, lateness",         "HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '10' SECOND)",          TL_WINDOW_HOP,
     10000,                                                                                                                                               5000,  0,    0, 8000,  "2", 2000},
    {"hop of one slide",      "HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '5' SECOND)",           TL_WINDOW_HOP,
     5000,                                                                                                                                                5000,  0,    0, 0,     "2", 2000},
    {"cumulate",              "CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '30' SECOND)",     TL_WINDOW_CUMULATE,
     30000,                                                                                                                                               5000,  0,    0, 0,     "0", 0   },
    {"cumulate, lateness",
     "CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '4' SECOND, INTERVAL '20' SECOND, INTERVAL '2' SECOND)",         TL_WINDOW_CUMULATE, 20000, 4000,  2000, 0, 9000,  "3", 3000},
    {"session",               "SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '8' SECOND)",          TL_WINDOW_SESSION,  8000,
     8000,                                                                                                                                                       0,    0, 0,     "0", 0   },
    {"session, delay",        "SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND)",          TL_WINDOW_SESSION,
     5000,                                                                                                                                                5000,  0,    0, 0,     "6", 6000},
    {"session, lateness",     "SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '6' SECOND)",
     TL_WINDOW_SESSION,                                                                                                                            6000,  6000,  0,    0, 10000, "1", 1000},
    {"count",                 "COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '20' SECOND)", TL_WINDOW_COUNT,
     20000,                                                                                                                                               20000, 0,    3, 0,     "4", 4000},
    {"count of one",          "COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 1, INTERVAL '20' SECOND)",
     TL_WINDOW_COUNT,                                                                                                                              20000, 20000, 0,    1, 0,     "0", 0   },
    {"count, short time-out", "COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 5, INTERVAL '6' SECOND)",
     TL_WINDOW_COUNT,                                                                                                                              6000,  6000,  0,    5, 3000,  "9", 9000},
};

ParameterizedTestParameters(window, a_stream_with_late_events_is_what_the_model_says)
{
    return cr_make_param_array(struct window_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct window_case *c, window, a_stream_with_late_events_is_what_the_model_says, .timeout = 120)
{
    enum { HISTORIES = 60 };
    static struct event events[EVENTS_MAX];
    struct chance chance = chance_open(c->name);
    struct tl_plan *plan = plan_of(c);

    for (int h = 0; h < HISTORIES; h++) {
        struct sim_history history = {0};
        struct sim_stream how = {.workers_count = 1,
                                 .seed = (unsigned)chance_u64(&chance),
                                 .tick_percent = 1 + (int)chance_below(&chance, 60),
                                 .restart_percent = (int)chance_below(&chance, 50),
                                 .read_max = 1 + chance_below(&chance, 30)};
        struct sim_result got;
        struct model m = {.of = c, .events = events, .stream = true};
        struct tl_buf final;

        m.count = make_events(events, c, &chance, &history);
        sim_stream(plan, &history, &how, &got);
        m.final_ms = got.final_ms[0];
        model_run(&m);
        keep_final(&got.rows, m.final_ms, &final);
        cr_assert_str_eq(final.data, m.rows.data, "%s, seed %" PRIu64 ", history %d: final rows", c->name, chance.seed, h);
        cr_assert_str_eq(got.ledger.data, m.ledger.data, "%s, seed %" PRIu64 ", history %d: ledger", c->name, chance.seed, h);
        cr_assert_eq(got.outcomes[0][TL_OUT_LATE] + got.outcomes[0][TL_OUT_PARTLY_COUNTED] + got.outcomes[0][TL_OUT_COUNTED],
                     m.count);
        model_done(&m);
        m.final_ms = INT64_MAX;
        model_run(&m);
        check_subset(got.rows.data, m.rows.data, c->name, chance.seed);
        cr_assert_str_eq(got.ended.data, m.rows.data, "%s, seed %" PRIu64 ", history %d: all has fired", c->name, chance.seed, h);
        model_done(&m);
        tl_buf_done(&final);
        sim_result_done(&got);
        sim_history_done(&history);
    }
    tl_plan_close(plan);
}

/* ---- sessions that have fired, and how long they are told of ---- */

/* At watermark 30, twice the gap behind [0, 10), [20, 40) begins within a gap of its end: a row can still be taken and touch both. [30, 40) begins
 * farther behind, and what takes it back to 20 comes too late to keep [0, 10). */
struct shade_case {
    char name[60];
    int32_t second[8]; /* events of one key, until -1; the gap is 10 s, and the watermark follows at once */
    char ledger[60];
};

ParameterizedTestParameters(window, what_the_ledger_tells_of_a_session_is_the_same_whenever_ticks_come)
{
    static struct shade_case shades[] = {
        {"kept by an open session",           {0, 20, 30, 10, -1},         "v 0 3 0 session_split\n"},
        {"kept by one that was taken back",   {0, 25, 29, 19, 30, 10, -1}, "v 0 5 0 session_split\n"},
        {"forgotten before it is come to",    {0, 30, 20, 10, -1},         ""                       },
        {"forgotten, and come to once more",  {0, 30, 20, 10, 9, -1},      ""                       },
        {"forgotten without an open session", {0, 50, 40, 30, 20, 10, -1}, ""                       },
    };

    return cr_make_param_array(struct shade_case, shades, TL_COUNT(shades));
}

ParameterizedTest(struct shade_case *c, window, what_the_ledger_tells_of_a_session_is_the_same_whenever_ticks_come)
{
    static const int ticks[] = {0, 50, 100}, restarts[] = {0, 100}; /* percent: of events, and of ticks */
    enum { PLACES = 20 };
    char sql[1000];
    struct sim_history history = {0};
    struct tl_plan *plan;

    snprintf(sql, sizeof sql, "SET 'tally.dedup.key' = '';" TABLE SELECT "%s" GROUP, "0",
             "SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND)");
    plan = sim_plan(sql);
    for (size_t i = 0; c->second[i] >= 0; i++) {
        char text[200], when[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(c->second[i] * INT64_C(1000), when);
        snprintf(text, sizeof text, "{\"host\": \"k\", \"n\": 1, \"event_time\": \"%s\"}", when);
        sim_add(&history, 0, 60000, text);
    }
    for (size_t i = 0; i < TL_COUNT(ticks) * TL_COUNT(restarts) * PLACES; i++) {
        struct sim_stream how = {.workers_count = 1,
                                 .seed = (unsigned)(i % PLACES),
                                 .tick_percent = ticks[i / PLACES % TL_COUNT(ticks)],
                                 .restart_percent = restarts[i / PLACES / TL_COUNT(ticks)],
                                 .read_max = 1};
        struct sim_result got;

        sim_stream(plan, &history, &how, &got);
        cr_assert_str_eq(got.ledger.data, c->ledger, "%s, ticks %d %%, restarts %d %%, seed %u: %s", c->name, how.tick_percent,
                         how.restart_percent, how.seed, got.ledger.data);
        sim_result_done(&got);
    }
    sim_history_done(&history);
    tl_plan_close(plan);
}

ParameterizedTestParameters(window, batch_is_the_model_without_a_watermark)
{
    return cr_make_param_array(struct window_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct window_case *c, window, batch_is_the_model_without_a_watermark, .timeout = 120)
{
    enum { HISTORIES = 40, RANGES_MAX = 6 };
    static struct event events[EVENTS_MAX];
    struct chance chance = chance_open(c->name);
    struct tl_plan *plan = plan_of(c);

    for (int h = 0; h < HISTORIES; h++) {
        struct sim_history history = {0};
        struct model m = {.of = c, .events = events, .final_ms = INT64_MAX};
        int64_t bounds[RANGES_MAX + 1];
        struct sim_batch how = {.workers_count = 1 + chance_below(&chance, 3),
                                .bounds = bounds,
                                .ranges_count = 1 + chance_below(&chance, RANGES_MAX),
                                .chunk_max = 1 + chance_below(&chance, 60)};

        m.count = make_events(events, c, &chance, &history);
        model_run(&m);
        bounds[0] = INT64_MIN;
        for (uint32_t r = 1; r < how.ranges_count; r++) {
            bounds[r] = events[m.count * r / how.ranges_count].time_ms + (int64_t)chance_below(&chance, 3) - 1;
            if (chance_below(&chance, 3) == 0)
                bounds[r] = floor_to(bounds[r], c->offset_ms, c->slide_ms);
            if (bounds[r] <= bounds[r - 1])
                bounds[r] = bounds[r - 1] + 1;
        }
        bounds[how.ranges_count] = INT64_C(1) << 58;
        for (int pass = 0; pass < 2; pass++) {
            struct sim_result got;

            how.seed = (unsigned)chance_u64(&chance);
            how.one_pass = pass == 0;
            sim_batch(plan, &history, &how, &got);
            cr_assert_str_eq(got.rows.data, m.rows.data, "%s, seed %" PRIu64 ", history %d, %s", c->name, chance.seed, h,
                             pass == 0 ? "in one pass" : "range by range");
            cr_assert_str_eq(got.ledger.data, "");
            sim_result_done(&got);
        }
        model_done(&m);
        sim_history_done(&history);
    }
    tl_plan_close(plan);
}
