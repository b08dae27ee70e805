/* planted_causes_test.c: 1 to 50 of every cause are planted by known ids, in random mixtures: these are found, each with its cause in each kind of
 * view, and nothing else; and rows that are forged among them, in either layer's tables, are found as unexplained, each.
 *
 *   0 s .. 299 s      a body, what is planted in time, targets of forgery; speed follows until its partitions are idle: the watermark is 286 s
 *   not_yet_final     batch has published to 330 s, and speed stores of a key no sliding window behind the next one
 *   300 s .. 890 s    what is late, by the partition that was left out or by itself; a gap in the log; the rest of the body
 *   settled           archived, imported, checked and published to 600 s; what speed has not read
 *   later             read by speed, and not archived or not published; of a sealed day
 *   forged
 *
 * TALLY_MIXTURES says how many. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "log/log.h"
#include "store/store.h"
#include "support/chance.h"
#include "support/kafka_broker.h"
#include "support/reconcile_scene.h"
#include "support/store_fixture.h"

#define BY_HOST "    GROUP BY window_start, window_end, host;\n"
static const char views[] =
    "CREATE VIEW tens AS SELECT window_start AS ten_start, window_end AS ten_end, window_time, host, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, window_time, host;\n"
    "CREATE VIEW tenths AS SELECT window_start, window_end, host, SUM(100 / (`bytes` - 50)) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n" BY_HOST
    "CREATE VIEW hops AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '30' SECOND))\n" BY_HOST
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n" BY_HOST
    "CREATE VIEW threes AS SELECT window_start, window_end, host, COUNT(*) AS hits, closed_by\n"
    "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host, closed_by;\n"
    "CREATE VIEW minutes AS SELECT window_start, window_end, host, SUM(hits) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(window_time), INTERVAL '1' MINUTE))\n" BY_HOST
    "CREATE VIEW big AS SELECT event_time, event_id, host, `bytes` AS hits FROM events WHERE `bytes` > 2;\n";
enum { TENS, TENTHS, HOPS, VISITS, THREES, MINUTES, BIG, VIEWS };
static const char *const view_names[VIEWS] = {"tens", "tenths", "hops", "visits", "threes", "minutes", "big"};

static const char checks[] = "ALTER TABLE events ADD CONSTRAINT kept_out EXPECT (host NOT LIKE 'reject%') ON VIOLATION DROP ROW;";

/* What is planted, and the cause that it is in each view. */
enum plant { LATE, SPLIT, BRIDGE, TWICE, REJECT, OLD, IDLE, GAP, UNREAD, AFTER, UNARCHIVED, SEALED, PLANTS };
static const char *const plant_names[PLANTS] = {"late", "split", "bridge", "twice", "reject",     "old",
                                                "idle", "gap",   "unread", "after", "unarchived", "sealed"};
#define ALL(cause)                                                                                                               \
    {                                                                                                                            \
        cause, cause, cause, cause, cause, cause, cause                                                                          \
    }
#define WINDOWS(cause)                                                                                                           \
    {                                                                                                                            \
        cause, cause, cause, cause, cause, cause, NULL                                                                           \
    }
#define ROWS(cause)                                                                                                              \
    {                                                                                                                            \
        [BIG] = cause                                                                                                            \
    }
static const char *const settled[PLANTS][VIEWS] = {
    [LATE] = WINDOWS("late_drop"),
    [SPLIT] = {"late_drop", "late_drop", "late_partial", "session_split",  "late_drop", "late_drop", NULL},
    [BRIDGE] = {"late_drop", "late_drop", "late_partial", "session_bridge", "late_drop", "late_drop", NULL},
    [TWICE] = ALL("duplicate"),
    [REJECT] = ALL("dq_reject:kept_out"),
    [OLD] = ALL("imported"),
    [IDLE] = WINDOWS("fired_by_idle"),
    [GAP] = ALL("offset_gap"),
    [UNREAD] = ALL("not_yet_read"),
};
static const char *const later[PLANTS][VIEWS] = {
    [UNREAD] = WINDOWS("late_drop"), /* read by then */
    [AFTER] = ROWS("archived_after_publish"),
    [UNARCHIVED] = ROWS("not_yet_archived"),
    [SEALED] = ROWS("sealed_day"),
};

/* Not differences, but in the report. */
enum flaw { PAIR, CONFLICT, BROKEN, FLAWED, TIMELESS, SOON, FAILS, FLAWS };
static const char *const flaw_names[FLAWS] = {"pair", "conflict", "broken", "flawed", "timeless", "soon", "fails"};
static const char *const flaw_causes[FLAWS] = {"duplicate",      "id_conflict",  "json_bad_row", "json_bad_field",
                                               "bad_event_time", "future_event", "eval_error"};

enum { PLANT_MAX = 50, TEXT_MAX = 1 << 17 };

struct story {
    struct scene scene;
    struct chance chance;
    uint32_t counts[PLANTS], flaws[FLAWS];
    const char *postgres; /* the store's URL; NULL: the folder's own */
};

#define SEED(story) (unsigned long long)(story)->chance.seed

/* ---- events ---- */

struct planned {
    int64_t second;
    uint32_t partition, number;
    char text[TEXT_BYTES];
};
static struct planned planned[4000];
static uint32_t planned_count;

static struct planned *plan(uint32_t partition, int64_t second)
{
    struct planned *mine = &planned[planned_count];

    cr_assert_lt(planned_count, sizeof planned / sizeof *planned);
    mine->second = second;
    mine->partition = partition;
    mine->number = planned_count++;
    return mine;
}

static void plan_event(uint32_t partition, const char *name, uint32_t i, const char *host, int64_t second, int64_t bytes)
{
    char id[40], own[40];
    const struct event event = {id, second, own, bytes};

    snprintf(id, sizeof id, "%s-%u", name, i);
    snprintf(own, sizeof own, "%s%u.example", host, i);
    event_text(plan(partition, second)->text, TEXT_BYTES, &event);
}

/* An event of its own host, with the name of what it is planted for. */
static void plan_plant(enum plant p, uint32_t partition, uint32_t i, int64_t second)
{
    plan_event(partition, plant_names[p], i, plant_names[p], second, 5);
}

static void plan_body(int64_t from, int64_t to)
{
    for (int64_t second = from; second < to; second += 10)
        for (uint32_t p = 0; p < 2; p++)
            plan_event(p, "body", (uint32_t)second + p, "body", second + p, second / 10 % 7);
}

static int by_time(const void *a, const void *b)
{
    const struct planned *x = a, *y = b;

    if (x->second != y->second)
        return x->second < y->second ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* Appends what is planned, in order of event time or as it was planned. */
static void append_planned(struct story *story, int64_t log_second, bool in_order)
{
    static struct tl_log_record records[APPEND_MAX];

    if (in_order)
        qsort(planned, planned_count, sizeof *planned, by_time);
    for (uint32_t at = 0; at < planned_count;) {
        uint32_t count = 0;

        for (; at < planned_count && count < APPEND_MAX; at++)
            records[count++] = (struct tl_log_record){.partition = planned[at].partition,
                                                      .log_ms = START_MS + log_second * 1000,
                                                      .value = tl_sv_from(planned[at].text)};
        append_records(&story->scene, records, count);
    }
    planned_count = 0;
}

static void shuffle_planned(struct story *story)
{
    for (uint32_t i = planned_count; i > 1; i--) {
        uint32_t other = chance_below(&story->chance, i);
        struct planned swap = planned[other];

        planned[other] = planned[i - 1];
        planned[i - 1] = swap;
    }
}

static int64_t below(struct story *story, uint32_t bound)
{
    return chance_below(&story->chance, bound);
}

/* ---- what is forged ---- */

enum how { CHANGED, LOST, INVENTED, MOVED, HOWS };
enum whose { OF_SPEED, OF_BATCH, OF_BOTH, WHOSE };
enum { SHIFT_MS = 240000 }; /* into other windows of every kind, within what is published */

static bool is_target(int view)
{
    return view != TENTHS; /* as tens */
}

static const char *target_of(int view, int how, int whose)
{
    static char names[4][40];
    static int at;

    return snprintf(names[at % 4], 40, "target%d.example", (view * HOWS + how) * WHOSE + whose) < 0 ? "" : names[at++ % 4];
}

static void plan_targets(void)
{
    for (int v = 0; v < VIEWS; v++)
        for (int t = 0; is_target(v) && t < HOWS * WHOSE; t++)
            plan_event(0, "target", (uint32_t)(v * HOWS * WHOSE + t), "target", 110 + v * HOWS * WHOSE + t, 5);
}

TL_PRINTF(2, 3) static void change_store(struct story *story, const char *format, ...)
{
    char sql[400];
    va_list args;

    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    if (story->postgres != NULL)
        store_postgres_sql(story->postgres, sql);
    else
        forge(&story->scene, sql);
}

static void forge_one(struct story *story, int view, int how, const char *layer, const char *host)
{
    char table[40], shift[120];

    snprintf(table, sizeof table, "%s_%s", view_names[view], layer);
    snprintf(shift, sizeof shift, "_start_ms = _start_ms + %d, _end_ms = _end_ms + %d", SHIFT_MS, SHIFT_MS);
    switch ((enum how)how) {
    case CHANGED: change_store(story, "UPDATE %s SET hits = hits + 7 WHERE host = '%s'", table, host); break;
    case LOST: change_store(story, "DELETE FROM %s WHERE host = '%s'", table, host); break;
    case INVENTED:
        change_store(story, "CREATE TABLE made AS SELECT * FROM %s WHERE host = '%s'", table, host);
        change_store(story, "UPDATE made SET %s", shift);
        change_store(story, "INSERT INTO %s SELECT * FROM made", table);
        change_store(story, "DROP TABLE made");
        break;
    case MOVED: change_store(story, "UPDATE %s SET %s WHERE host = '%s'", table, shift, host); break;
    case HOWS: break;
    }
}

/* Also where there is an honest difference, which does not cover it. */
static const struct {
    int view;
    const char *layer, *host;
} covered[] = {
    {TENS,    "batch", "late0.example"  },
    {HOPS,    "speed", "twice0.example" },
    {VISITS,  "speed", "split0.example" },
    {THREES,  "batch", "bridge0.example"},
    {MINUTES, "batch", "old0.example"   },
    {BIG,     "speed", "twice0.example" },
};

static void forge_targets(struct story *story)
{
    for (size_t c = 0; c < sizeof covered / sizeof *covered; c++)
        forge_one(story, covered[c].view, CHANGED, covered[c].layer, covered[c].host);
    for (int v = 0; v < VIEWS; v++) {
        for (int how = 0; is_target(v) && how < HOWS; how++) {
            forge_one(story, v, how, "speed", target_of(v, how, OF_SPEED));
            forge_one(story, v, how, "batch", target_of(v, how, OF_BATCH));
            forge_one(story, v, how, "speed", target_of(v, how, OF_BOTH));
            forge_one(story, v, how, "batch", target_of(v, how, OF_BOTH));
        }
    }
}

/* ---- what is found ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct list {
    char text[TEXT_MAX];
    char *items[8000];
    size_t count, used;
};

TL_PRINTF(2, 3) static void list_add(struct list *list, const char *format, ...)
{
    va_list args;

    cr_assert(list->count < 8000 && list->used + 100 < TEXT_MAX);
    list->items[list->count++] = list->text + list->used;
    va_start(args, format);
    list->used += (size_t)vsnprintf(list->text + list->used, 100, format, args) + 1;
    va_end(args);
}

/* Sorted, each once. */
static const char *list_join(struct list *list)
{
    static char texts[2][TEXT_MAX];
    static int at;
    char *text = texts[at++ % 2];
    size_t used = 0;

    qsort(list->items, list->count, sizeof *list->items, by_text);
    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++)
        if (i == 0 || strcmp(list->items[i], list->items[i - 1]) != 0)
            used += (size_t)snprintf(text + used, TEXT_MAX - used, "%s ", list->items[i]);
    list->count = list->used = 0;
    return text;
}

/* The words of `a` that `b` has not; both are sorted. */
static void put_missing(const char *a, const char *b, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    while (*a != '\0') {
        size_t x = strcspn(a, " "), y = strcspn(b, " ");
        int order = *b == '\0' ? -1 : memcmp(a, b, x < y ? x : y);

        order = order == 0 ? (x > y) - (x < y) : order;
        if (order < 0 && used + x + 2 < size)
            used += (size_t)snprintf(out + used, size - used, "%.*s ", (int)x, a);
        if (order >= 0)
            b += y + 1;
        if (order <= 0)
            a += x + 1;
    }
}

static void expect_same(const struct story *story, const char *what, const char *got, const char *want)
{
    char missing[1000], more[1000];

    put_missing(want, got, missing, sizeof missing);
    put_missing(got, want, more, sizeof more);
    cr_assert_str_eq(got, want, "TALLY_SEED=%llu: %s: not found: %s\nfound: %s", SEED(story), what, missing, more);
}

/* A query over the last report as ?1; its one column. */
static const char *ask(const struct story *story, const char *sql, const char *view)
{
    static struct list list;
    sqlite3 *db;
    sqlite3_stmt *statement;

    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_bind_text(statement, 1, story->scene.run.out, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, view, -1, SQLITE_STATIC);
    while (sqlite3_step(statement) == SQLITE_ROW)
        list_add(&list, "%s",
                 sqlite3_column_type(statement, 0) == SQLITE_NULL ? "?" : (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return list_join(&list);
}

/* Every cause with every event that is named for it. */
static const char sql_causes[] =
    "SELECT (c.value ->> 'cause') || ':' || (s.value ->> 'event_id') FROM json_each(?1, '$.units') AS u,"
    " json_each(u.value, '$.causes') AS c, json_each(c.value, '$.samples') AS s"
    " WHERE u.value ->> 'view' = ?2";
static const char sql_unexplained[] =
    "SELECT (value ->> 'view') || ':' || coalesce(value ->> '$.key.host', value ->> '$.speed.host', value ->> '$.batch.host',"
    " value ->> '$.recomputed.speed.host', value ->> '$.recomputed.batch.host') FROM json_each(?1, '$.units') WHERE value ->> "
    "'verdict' = 'unexplained' AND ?2 = ''";
static const char sql_alike[] = "SELECT (value ->> 'cause') || ':' || (value ->> 'event_id') FROM json_each(?1, '$.alike') WHERE "
                                "value ->> 'event_id' IS NOT NULL"
                                " AND ?2 = ''";
static const char sql_counts[] =
    "SELECT c.key || '=' || c.value FROM json_each(?1, '$.views') AS v, json_each(v.value, '$.causes') AS c"
    " WHERE v.value ->> 'name' = ?2";

static void compare(struct story *story, int status, const char *option)
{
    run_done(&story->scene.run);
    RUN(&story->scene.run, "reconcile", "--views", story->scene.views, "--data", story->scene.dir, "--format", "json", "--limit",
        "100000", option);
    cr_assert_eq(story->scene.run.status, status, "TALLY_SEED=%llu: exit status %d: %.4000s%s", SEED(story),
                 story->scene.run.status, story->scene.run.out, story->scene.run.err);
}

static const char *cause_of(int p, int view, bool is_later)
{
    return is_later && (p == UNREAD || later[p][view] != NULL) ? later[p][view] : settled[p][view];
}

/* All that was planted, and nothing else; and as often as it was. */
static void expect_planted(struct story *story, bool is_later)
{
    static struct list list;

    for (int v = 0; v < VIEWS; v++) {
        const char *want, *got;

        for (int p = 0; p < PLANTS; p++)
            for (uint32_t i = 0; i < story->counts[p]; i++)
                if (cause_of(p, v, is_later) != NULL)
                    list_add(&list, "%s:%s-%u", cause_of(p, v, is_later), plant_names[p], i);
        want = list_join(&list);
        got = ask(story, sql_causes, view_names[v]);
        expect_same(story, view_names[v], got, want);
        for (int p = 0; p < PLANTS; p++) {
            const char *cause = cause_of(p, v, is_later);
            uint64_t count = 0;

            for (int other = 0; cause != NULL && other < PLANTS; other++) {
                const char *others = cause_of(other, v, is_later);

                count += others != NULL && strcmp(others, cause) == 0 ? story->counts[other] : 0;
            }
            if (count > 0)
                list_add(&list, "%s=%" PRIu64, cause, count);
        }
        want = list_join(&list);
        got = ask(story, sql_counts, view_names[v]);
        expect_same(story, view_names[v], got, want);
    }
}

/* What both layers treat alike: dead letters have no id, but a number. */
static void expect_flaws(struct story *story)
{
    static struct list list;
    const char *want, *got;

    for (int f = 0; f < FLAWS; f++) {
        char path[80];

        snprintf(path, sizeof path, "$.%s.%s", f == CONFLICT || f == FLAWED ? "counted_by_both" : "refused_by_both",
                 flaw_causes[f]);
        cr_assert_eq(report_count(&story->scene, path), story->flaws[f], "TALLY_SEED=%llu: %s: %" PRId64 ", not %u", SEED(story),
                     path, report_count(&story->scene, path), story->flaws[f]);
        for (uint32_t i = 0; f != BROKEN && f != TIMELESS && i < story->flaws[f]; i++)
            list_add(&list, "%s:%s-%u", flaw_causes[f], flaw_names[f], i);
    }
    want = list_join(&list);
    got = ask(story, sql_alike, "");
    expect_same(story, "the report", got, want);
}

/* Of views on forged rows no row comes out of them any more; only --full looks at those that are equal. */
static void expect_forged(struct story *story, bool full)
{
    static struct list list;
    const char *want, *got;

    for (int v = 0; v < VIEWS; v++) {
        for (int t = 0; is_target(v) && t < HOWS * WHOSE; t++) {
            const char *host = target_of(v, t / WHOSE, t % WHOSE);

            if (full || t % WHOSE != OF_BOTH)
                list_add(&list, "%s:%s", view_names[v], host);
            if (full && v == TENS)
                list_add(&list, "minutes:%s", host);
        }
    }
    for (size_t c = 0; c < sizeof covered / sizeof *covered; c++)
        list_add(&list, "%s:%s", view_names[covered[c].view], covered[c].host);
    list_add(&list, "minutes:late0.example"); /* made of a row that is forged */
    want = list_join(&list);
    got = ask(story, sql_unexplained, "");
    expect_same(story, "the report", got, want);
}

/* ---- the story ---- */

static void plan_flaws(struct story *story)
{
    for (uint32_t i = 0; i < story->flaws[PAIR]; i++)
        for (int copy = 0; copy < 2; copy++)
            plan_event(0, "pair", i, "pair", 60 + i, 5);
    for (uint32_t i = 0; i < story->flaws[CONFLICT]; i++)
        for (int copy = 0; copy < 2; copy++)
            plan_event(0, "conflict", i, "conflict", 60 + (int64_t)i + copy, 5);
    for (uint32_t i = 0; i < story->flaws[BROKEN]; i++)
        snprintf(plan(0, 60 + i)->text, TEXT_BYTES, "{\"event_id\":\"broken-%u", i);
    for (uint32_t i = 0; i < story->flaws[FLAWED]; i++)
        snprintf(plan(0, 60)->text, TEXT_BYTES,
                 "{\"event_id\":\"flawed-%u\",\"host\":\"flawed%u.example\",\"bytes\":\"many\",\"event_time\":\"2026-03-01T00:01:"
                 "00.000Z\"}",
                 i, i);
    for (uint32_t i = 0; i < story->flaws[TIMELESS]; i++)
        snprintf(plan(0, 60 + i)->text, TEXT_BYTES, "{\"event_id\":\"timeless-%u\",\"host\":\"a\",\"bytes\":5}", i);
    for (uint32_t i = 0; i < story->flaws[SOON]; i++)
        plan_event(0, "soon", i, "soon", 9 * 86400, 5);
    for (uint32_t i = 0; i < story->flaws[FAILS]; i++)
        plan_event(0, "fails", i, "fails", 60 + i, 50);
}

static void begin(struct story *story)
{
    struct run run = {0};

    plan_body(0, 300);
    plan_targets();
    plan_flaws(story);
    for (uint32_t i = 0; i < story->counts[SPLIT]; i++)
        plan_event(0, "whole", i, "split", 270, 5);
    for (uint32_t i = 0; i < story->counts[BRIDGE]; i++) {
        plan_event(0, "left", i, "bridge", 258, 5);
        plan_event(0, "right", i, "bridge", 274, 5);
    }
    for (uint32_t i = 0; i < story->counts[TWICE]; i++) {
        int64_t second = 200 + below(story, 60);

        plan_plant(TWICE, 0, i, second);
        plan_plant(TWICE, 1, i, second);
    }
    for (uint32_t i = 0; i < story->counts[REJECT]; i++)
        plan_plant(REJECT, below(story, 2) == 0 ? 0 : 1, i, 60 + below(story, 200));
    plan_event(2, "anchor", 0, "other", 150, 1);
    append_planned(story, 299, true);
    scene_speed_start(&story->scene, &run, "2");
    scene_speed_stop(&run);
}

/* Of what comes behind 270 s, batch has a window that speed has not come to yet. */
static void expect_not_yet_final(struct story *story)
{
    static struct list list;
    const char *want, *got;

    scene_archive(&story->scene);
    scene_batch(&story->scene, 330);
    compare(story, 0, NULL);
    for (uint32_t i = 0; i < story->counts[SPLIT]; i++)
        list_add(&list, "not_yet_final:whole-%u", i);
    for (uint32_t i = 0; i < story->counts[BRIDGE]; i++)
        list_add(&list, "not_yet_final:right-%u", i);
    for (uint32_t second = 270; second < 300; second += 10)
        for (uint32_t p = 0; p < 2; p++)
            list_add(&list, "not_yet_final:body-%u", second + p);
    for (uint32_t i = 0; i < story->counts[TWICE]; i++)
        list_add(&list, "duplicate:twice-%u", i);
    for (uint32_t i = 0; i < story->counts[REJECT]; i++)
        list_add(&list, "dq_reject:kept_out:reject-%u", i);
    want = list_join(&list);
    got = ask(story, sql_causes, "hops");
    expect_same(story, "hops", got, want);
}

/* What partition 1 then holds is lost: batch has it on record. */
static void plant_gap(struct story *story)
{
    struct tl_log *log = NULL;
    struct tl_err err;
    int64_t first, end;

    if (story->scene.log != NULL) { /* Kafka lets go of offsets when it likes */
        story->counts[GAP] = 0;
        return;
    }
    for (uint32_t i = 0; i < story->counts[GAP]; i++)
        plan_plant(GAP, 1, i, 400 + below(story, 100));
    append_planned(story, 299, false);
    scene_archive(&story->scene);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = story->scene.dir}, TL_LOG_APPEND, &log, &err),
                 TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_range(log, TL_SV("events"), 1, &first, &end, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_trim(log, TL_SV("events"), 1, end, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
}

static void go_on(struct story *story)
{
    static struct event old[PLANT_MAX];
    static char texts[PLANT_MAX][2][40];

    for (uint32_t i = 0; i < story->counts[IDLE]; i++)
        plan_plant(IDLE, 2, i, 160 + below(story, 5)); /* none is late for another one of them */
    shuffle_planned(story);
    plan_event(2, "caught-up", 0, "other", 292, 1);
    append_planned(story, 299, false);
    scene_speed(&story->scene);
    plant_gap(story);
    for (uint32_t i = 0; i < story->counts[LATE]; i++)
        plan_plant(LATE, 0, i, 20 + below(story, 80));
    for (uint32_t i = 0; i < story->counts[SPLIT]; i++)
        plan_plant(SPLIT, 0, i, 278);
    for (uint32_t i = 0; i < story->counts[BRIDGE]; i++)
        plan_plant(BRIDGE, 0, i, 266);
    shuffle_planned(story);
    plan_body(300, 900);
    plan_event(2, "anchor", 1, "other", 890, 1);
    append_planned(story, 899, false);
    tally(&story->scene, "speed", "--once", "--accept-gap");
    scene_speed(&story->scene);
    for (uint32_t i = 0; i < story->counts[OLD]; i++) {
        snprintf(texts[i][0], sizeof texts[i][0], "old-%u", i);
        snprintf(texts[i][1], sizeof texts[i][1], "old%u.example", i);
        old[i] = (struct event){texts[i][0], 60 + below(story, 500), texts[i][1], 5};
    }
    scene_import(&story->scene, old, story->counts[OLD]);
    for (uint32_t i = 0; i < story->counts[UNREAD]; i++)
        plan_plant(UNREAD, 0, i, 320 + below(story, 200));
    append_planned(story, 899, false);
    scene_archive(&story->scene);
    scene_batch(&story->scene, 600);
}

static void end(struct story *story)
{
    char url[PATH_BYTES + 16];
    struct tl_store *store;

    snprintf(url, sizeof url, "sqlite:%s", story->scene.store);
    scene_speed(&story->scene);
    for (uint32_t i = 0; i < story->counts[AFTER]; i++)
        plan_plant(AFTER, 0, i, 60 + below(story, 500));
    for (uint32_t i = 0; i < story->counts[SEALED]; i++)
        plan_plant(SEALED, 1, i, -100 - below(story, 500));
    shuffle_planned(story);
    append_planned(story, 899, false);
    scene_speed(&story->scene);
    scene_archive(&story->scene);
    for (uint32_t i = 0; i < story->counts[UNARCHIVED]; i++)
        plan_plant(UNARCHIVED, 1, i, 60 + below(story, 500));
    append_planned(story, 899, false);
    scene_speed(&story->scene);
    store = store_open(story->postgres != NULL ? story->postgres : url, TL_STORE_WRITE);
    OK(tl_store_begin(store, err));
    OK(tl_store_seal(store, tl_sv_from(story->scene.topic), START_MS, START_MS, err));
    OK(tl_store_commit(store, err));
    tl_store_close(store);
}

static void play(struct story *story)
{
    for (int p = 0; p < PLANTS; p++)
        story->counts[p] = 1 + chance_below(&story->chance, PLANT_MAX);
    for (int f = 0; f < FLAWS; f++)
        story->flaws[f] = 1 + chance_below(&story->chance, PLANT_MAX);
    story->scene.partitions = 3;
    story->scene.takes_for_idle = true;
    scene_define(&story->scene, views, "");
    scene_checks(&story->scene, checks);
    begin(story);
    expect_not_yet_final(story);
    go_on(story);
    compare(story, 0, NULL);
    story->counts[AFTER] = story->counts[UNARCHIVED] = story->counts[SEALED] = 0;
    expect_planted(story, false);
    expect_flaws(story);
    for (int p = AFTER; p < PLANTS; p++)
        story->counts[p] = 1 + chance_below(&story->chance, PLANT_MAX);
    end(story);
    compare(story, 0, "--full");
    expect_planted(story, true);
    expect_flaws(story);
    forge_targets(story);
    compare(story, 1, NULL);
    expect_planted(story, true);
    expect_forged(story, false);
    compare(story, 1, "--full");
    expect_forged(story, true);
}

static void play_all(const char *name, const char *postgres, struct tl_log_spec *log)
{
    const char *given = getenv("TALLY_MIXTURES");
    uint32_t mixtures = given != NULL ? (uint32_t)strtoul(given, NULL, 10) : 1;
    const struct chance first = chance_open(name);

    for (uint32_t m = 0; m < mixtures; m++) {
        static struct story story;
        char url[512];

        memset(&story, 0, sizeof story);
        story.chance.seed = story.chance.state = first.seed + m; /* which shows it again alone */
        scene_open(&story.scene, views, "");
        if (postgres != NULL) {
            store_postgres.url(url);
            setenv("TALLY_STORE", url, 1);
            story.postgres = url;
        }
        if (log != NULL) {
            snprintf(story.scene.topic, sizeof story.scene.topic, "%s", kafka_topic("planted"));
            story.scene.log = log;
        }
        play(&story);
        scene_close(&story.scene);
    }
}

TestSuite(planted_causes, .timeout = 3600);

Test(planted_causes, are_found_on_sqlite)
{
    play_all("planted_causes/are_found_on_sqlite", NULL, NULL);
}

Test(planted_causes, are_found_on_postgres, .fini = store_folder_remove)
{
    play_all("planted_causes/are_found_on_postgres", "", NULL);
}

Test(planted_causes, are_found_on_kafka)
{
    setenv("TALLY_LOG", "kafka", 1);
    setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_URL"), 1);
    play_all("planted_causes/are_found_on_kafka", NULL, kafka_spec(KAFKA_PLAIN));
}
