/* diff_test.c: `tally diff` says beforehand what a backfill with the changed views file then does to the rows: for filters, functions, aggregates,
 * keys, windows, settings and checks; and shows nothing where nothing changes, wherever the range is cut. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "event/timestamp.h"
#include "log/log.h"
#include "support/chance.h"
#include "support/diff_scene.h"
#include "support/dump.h"
#include "support/library.h"
#include "support/store_fixture.h"

TestSuite(diff, .init = diff_scene_open, .fini = diff_scene_close, .timeout = 300);

static const char *text_of(int64_t ms, char out[TL_TIME_TEXT_BYTES])
{
    tl_time_to_iso_z(ms, out);
    return out;
}

/* The columns that are compared. */
static bool is_compared(json_t *view, const char *name)
{
    json_t *column;
    size_t i;

    json_array_foreach(json_object_get(view, "columns"), i, column)
    {
        if (strcmp(json_string_value(json_object_get(column, "column")), name) == 0)
            return true;
    }
    return false;
}

/* A row's compared columns, as one text that is the same for the same values. */
static char *row_text(json_t *view, json_t *row)
{
    json_t *mine = json_object(), *value;
    const char *name;
    char *text;

    json_object_foreach(row, name, value)
    {
        if (is_compared(view, name))
            cr_assert_eq(json_object_set(mine, name, value), 0);
    }
    text = json_dumps(mine, JSON_SORT_KEYS);
    json_decref(mine);
    return text;
}

/* ---- rows as sets of texts ---- */

struct texts {
    char **items;
    size_t count;
};

static void texts_add(struct texts *texts, char *text)
{
    texts->items = realloc(texts->items, (texts->count + 1) * sizeof *texts->items);
    cr_assert_not_null(texts->items);
    texts->items[texts->count++] = text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void texts_sort(struct texts *texts)
{
    if (texts->count > 0)
        qsort(texts->items, texts->count, sizeof *texts->items, by_text);
}

static void texts_done(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct texts){0};
}

/* What a store has published of the view in the range: what ends at a bound of it belongs to the range behind it where `ends_open`. */
static struct texts rows_of(json_t *view, const char *store, int64_t from_ms, int64_t to_ms, bool ends_open)
{
    char from[TL_TIME_TEXT_BYTES], to[TL_TIME_TEXT_BYTES];
    struct texts texts = {0};
    struct run run = {0};
    json_error_t mistake;
    json_t *rows, *row;
    size_t i;

    RUN(&run, "query", json_string_value(json_object_get(view, "view")), "--store", store, "--layer", "batch", "--format", "json",
        "--limit", "10000000", "--from", text_of(from_ms - ends_open, from), "--to", text_of(to_ms - ends_open, to));
    cr_assert_eq(run.status, 0, "%s", run.err);
    rows = json_loads(run.out, 0, &mistake);
    cr_assert_not_null(rows, "%s\n%s", mistake.text, run.out);
    json_array_foreach(rows, i, row)
    {
        texts_add(&texts, row_text(view, row));
    }
    json_decref(rows);
    run_done(&run);
    texts_sort(&texts);
    return texts;
}

static struct texts without(const struct texts *all, const struct texts *some)
{
    struct texts left = {0};
    size_t at = 0;

    for (size_t i = 0; i < all->count; i++) {
        while (at < some->count && strcmp(some->items[at], all->items[i]) < 0)
            at++;
        if (at < some->count && strcmp(some->items[at], all->items[i]) == 0)
            at++;
        else
            texts_add(&left, strdup(all->items[i]));
    }
    return left;
}

static struct texts units_of(json_t *view, const char *side)
{
    struct texts texts = {0};
    json_t *unit;
    size_t i;

    json_array_foreach(json_object_get(view, "units"), i, unit)
    {
        json_t *row = json_object_get(unit, side);

        if (!json_is_null(row))
            texts_add(&texts, row_text(view, row));
    }
    texts_sort(&texts);
    return texts;
}

static void expect_same(const struct texts *got, const struct texts *want, const char *what, const char *words)
{
    for (size_t i = 0; i < got->count && i < want->count; i++)
        if (strcmp(got->items[i], want->items[i]) != 0)
            cr_assert_fail("%s: %s: got %s, want %s\n%s", what, "another row", got->items[i], want->items[i], words);
    cr_assert_eq(got->count, want->count, "%s: %zu rows, not %zu (%s)\n%s", what, got->count, want->count,
                 got->count > want->count ? got->items[want->count] : want->items[got->count], words);
}

/* The preview's rows are those by which the stores differ. */
static void expect_exact(json_t *report, const char *name, int64_t from_ms, int64_t to_ms, bool ends_open, const char *words)
{
    json_t *view = diff_view(report, name);
    struct texts olds = rows_of(view, diff_scene.old_store, from_ms, to_ms, ends_open),
                 news = rows_of(view, diff_scene.new_store, from_ms, to_ms, ends_open);
    struct texts gone = without(&olds, &news), come = without(&news, &olds);
    struct texts said_gone = units_of(view, "old"), said_come = units_of(view, "new");

    cr_assert_eq(diff_number(view, "rows_old"), (long long)olds.count, "%s: rows of OLD: %lld, not %zu\n%s", name,
                 diff_number(view, "rows_old"), olds.count, words);
    cr_assert_eq(diff_number(view, "rows_new"), (long long)news.count, "%s: rows of NEW: %lld, not %zu\n%s", name,
                 diff_number(view, "rows_new"), news.count, words);
    expect_same(&said_gone, &gone, "rows of OLD", words);
    expect_same(&said_come, &come, "rows of NEW", words);
    texts_done(&olds);
    texts_done(&news);
    texts_done(&gone);
    texts_done(&come);
    texts_done(&said_gone);
    texts_done(&said_come);
}

/* Events by reason, in the view. */
static long long events(json_t *view, const char *reason, const char *counted_by)
{
    long long count = 0;
    json_t *moved;
    size_t i;

    json_array_foreach(json_object_get(view, "events"), i, moved)
    {
        if (strcmp(json_string_value(json_object_get(moved, "reason")), reason) == 0 &&
            strcmp(json_string_value(json_object_get(moved, "counted_by")), counted_by) == 0)
            count += diff_number(moved, "events");
    }
    return count;
}

/* A change in words. */
static bool says(json_t *view, const char *words)
{
    json_t *word;
    size_t i;

    json_array_foreach(json_object_get(view, "changes"), i, word)
    {
        if (strstr(json_string_value(word), words) != NULL)
            return true;
    }
    return false;
}

/* ---- one change after the other ---- */

struct change_case {
    char name[60];
    char old_view[700], new_view[700];
    char settings[100]; /* of NEW */
    bool ends_open;
    char reason[30], counted_by[10]; /* must be among the events' */
};

ParameterizedTestParameters(diff, change)
{
    static struct change_case cases[] = {
        {"a filter",            DIFF_HITS("COUNT(*) AS c",                             "",                                                        "host",""), DIFF_HITS("COUNT(*) AS c","WHERE n < 95",                           "host", ""), "",
         false, "filter", "old"},
        {"a wider filter",                  DIFF_HITS("COUNT(*) AS c",                                                                     "WHERE n < 50",                                                                                                                                   "host",""),
         DIFF_HITS("COUNT(*) AS c","WHERE n < 52","host", ""), "", false, "filter", "new"},
        {"a function of the key",       DIFF_HITS("COUNT(*) AS c","","host",""),
         DIFF_HITS("COUNT(*) AS c","",                                                                                                                                                                                                                                  "REPLACE(host, 'h1', 'h2')", ""), "", false, "key", "both"},
        {"an aggregate",                DIFF_HITS("SUM(n) AS c",                                                             "",                                                                                                                 "host",""),DIFF_HITS("MAX(n) AS c","","host", ""), "", false, "values",
         "both"},
        {"what is summed up",                  DIFF_HITS("COUNT(*) AS c, SUM(n) AS s",                                                    "",                                                                                                           "host",""),
         DIFF_HITS("COUNT(*) AS c, SUM(n + 1) AS s","","host", ""), "", false, "values", "both"},
        {"a kind",               DIFF_HITS("SUM(n) AS c",                                                                    "",                                                                                                                "host",""),DIFF_HITS("CAST(SUM(n) AS DOUBLE) / 2 AS c","","host", ""), "",
         false, "values", "both"},
        {"HAVING",                   DIFF_HITS("COUNT(*) AS c",                                                                  "",                                                                                                                        "host",""),DIFF_HITS("COUNT(*) AS c",                                              "","host", " HAVING COUNT(*) > 4"), "",
         false, "values", "both"},
        {"a failing function",   DIFF_HITS("COUNT(*) AS c", "",     "host",""),
         DIFF_HITS("COUNT(*) AS c","WHERE 100 / n >= 0",                                       "host", ""), "", false, "", ""},
        {"a cast that fails",                  DIFF_HITS("COUNT(*) AS c",                                                                     "",                                                                                                                         "host",""),
         DIFF_HITS("COUNT(CAST(REPLACE(CAST(n AS STRING), '7', 'x') AS INT)) AS c","","host", ""), "", false, "function",
         "old"},
        {"duplicates count",                   DIFF_HITS("COUNT(*) AS c","","host",""),DIFF_HITS("COUNT(*) AS c",                                                                                                                                                                                                                             "",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                "host", ""),
         "SET 'tally.dedup.key' = '';\n", false, "duplicate", "new"},
        {"hops",                 DIFF_HOP(""),                                                              DIFF_HOP("WHERE n <> 3"),                                                                                                                 "",false,"filter","old"},
        {"hops of one pane",                  DIFF_HITS("COUNT(*) AS c",                                              "",                                                                                                     "host",""),
         "CREATE VIEW v AS SELECT window_start, window_end, host AS k, COUNT(*) AS c FROM TABLE(HOP(TABLE events,"
         " DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '10' SECOND)) WHERE n <> 3 GROUP BY window_start, window_end, "
         "host;\n","",false, "filter", "old"},
        {"cumulating windows",               DIFF_CUMULATE(""),                                                                    DIFF_CUMULATE("WHERE n <> 3"),                                                                                                          "",false,"filter","old"           },
        {"sessions", DIFF_SESSION("3",                                                ""),                                                                                                      DIFF_SESSION("3","WHERE n <> 3"),"",true,"filter", "old"},
        {"a longer gap",   DIFF_SESSION("3",              ""), DIFF_SESSION("5",""),"",true, "window", "both"},
        {"count windows",                  DIFF_COUNT("12",                                                                     ""),                                                                                                                         DIFF_COUNT("12","WHERE n <> 3"),"",true,"filter", "old"},
        {"longer count windows",                   DIFF_COUNT("3",                                                                    ""),                                                                                                                                                                                     DIFF_COUNT("4",                                                                                                                                                                                ""),                                                                                                                                                                                                                  "",true,"window", "both"},
        {"events",                "CREATE VIEW v AS SELECT event_id, n FROM events WHERE n > 90;\n",
         "CREATE VIEW v AS SELECT event_id, n + n / 95 AS n FROM events WHERE n > 91;\n",                                                                                                              "",false,"filter","old"},
    };

    return cr_make_param_array(struct change_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct change_case *c, diff, change, .init = diff_scene_open, .fini = diff_scene_close, .timeout = 300)
{
    int64_t from_ms = VISITS_START_MS + 301000, to_ms = VISITS_START_MS + 987000;
    char old_text[1200], new_text[1200];
    json_t *reports[3], *view;

    if (strcmp(c->reason, "duplicate") == 0) { /* they are rare */
        from_ms = VISITS_START_MS - 3600000;
        to_ms = DIFF_END_MS + 3600000;
    }
    snprintf(old_text, sizeof old_text, DIFF_TABLE "%s", c->old_view);
    snprintf(new_text, sizeof new_text, "%s" DIFF_TABLE "%s", c->settings, c->new_view);
    diff_write_views(old_text, new_text);
    diff_record();
    diff_backfill(diff_scene.new_views, diff_scene.new_store, NULL);
    /* OLD's rows computed, then published; then by the store's definition alone. */
    reports[0] = diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, NULL});
    cr_expect_eq(diff_scene.status, 1, "%s: status %d: %s", c->name, diff_scene.status, diff_scene.said);
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    reports[1] = diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, NULL});
    reports[2] = diff_preview(from_ms, to_ms, NULL);
    for (int r = 0; r < 3; r++) {
        view = diff_view(reports[r], "v");
        expect_exact(reports[r], "v", from_ms, to_ms, c->ends_open, c->name);
        cr_expect_str_eq(json_string_value(json_object_get(view, "old_rows")), r == 0 ? "computed" : "published", "%s", c->name);
        cr_expect_eq(diff_number(view, "left_out_rows"), 0, "%s", c->name);
        if (r == 2)
            break;
        cr_expect_eq(diff_number(view, "unproved"), 0, "%s: %lld groups do not come out", c->name, diff_number(view, "unproved"));
        if (c->reason[0] != 0)
            cr_expect_gt(events(view, c->reason, c->counted_by), 0, "%s: %s", c->name,
                         json_dumps(json_object_get(view, "events"), 0));
    }
    for (int r = 0; r < 3; r++)
        json_decref(reports[r]);
}

/* HOP and CUMULATE of one pane are TUMBLE, and offsets repeat with the size. */
Test(diff, windows_of_another_name_are_the_same_windows)
{
    static const char *const windows[] = {
        "TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '4' SECOND)",
        "TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '-6' SECOND)",
        "HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '10' SECOND, INTERVAL '4' SECOND)",
        "CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '10' SECOND, INTERVAL '14' SECOND)",
        /* others */
        "HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '10' SECOND, INTERVAL '4' SECOND)",
        "TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '5' SECOND)",
    };
    static const char form[] = DIFF_TABLE "CREATE VIEW v AS SELECT window_start, window_end, window_time, host, COUNT(*) AS c\n"
                                          "    FROM TABLE(%s) GROUP BY window_start, window_end, window_time, host;\n";
    char texts[2][1200];

    snprintf(texts[0], sizeof texts[0], form, windows[0]);
    for (size_t w = 1; w < TL_COUNT(windows); w++) {
        json_t *report, *view;

        snprintf(texts[1], sizeof texts[1], form, windows[w]);
        diff_write_views(texts[0], texts[1]);
        if (w == 1) {
            diff_record();
            diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
        }
        report = diff_preview(VISITS_START_MS + 301000, VISITS_START_MS + 987000,
                              (const char *const[]){"--views", diff_scene.old_views, NULL});
        view = diff_view(report, "v");
        cr_expect_eq(diff_scene.status, w < 4 ? 0 : 1, "%s: status %d", windows[w], diff_scene.status);
        cr_expect_eq(strcmp(json_string_value(json_object_get(view, "compared")), "groups") == 0, w < 4, "%s", windows[w]);
        if (w < 4)
            cr_expect_gt(diff_number(view, "equal"), 0, "%s", windows[w]);
        json_decref(report);
    }
}

/* ---- the edges ---- */

Test(diff, no_edge_is_a_change)
{
    struct chance chance = chance_open("diff/no_edge_is_a_change");
    char new_text[6000];
    int compared = 0;

    snprintf(new_text, sizeof new_text, "SET 'tally.allowed-lateness' = '1 min';\n%s", visits_windows);
    diff_write_views(visits_windows, new_text);
    diff_record();
    for (int round = 0; round < 20; round++) {
        int64_t from_ms = VISITS_START_MS + (int64_t)chance_below(&chance, DIFF_EVENTS * DIFF_STEP_MS),
                to_ms = from_ms + 1 + (int64_t)chance_below(&chance, 300000);
        char words[120], back[20];
        json_t *report;

        if (round == 4)
            diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
        if (chance_below(&chance, 2) == 0) { /* on a bound of many windows */
            from_ms -= from_ms % 30000;
            to_ms += 10000 - to_ms % 10000;
        }
        snprintf(words, sizeof words, "TALLY_SEED=%llu round %d: %lld to %lld", (unsigned long long)chance.seed, round,
                 (long long)from_ms, (long long)to_ms);
        report = diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, NULL});
        cr_assert_eq(diff_scene.status, 0, "%s: status %d: %s", words, diff_scene.status, diff_scene.said);
        diff_expect_nothing(report, words, true);
        json_decref(report);
        snprintf(back, sizeof back, "%us", 1 + chance_below(&chance, 40));
        report = diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, "--read-back", back, NULL});
        diff_expect_nothing(report, words, false);
        cr_assert(diff_scene.status == 0 || diff_scene.status == 3, "%s: --read-back %s: status %d: %s", words, back,
                  diff_scene.status, diff_scene.said);
        compared += strcmp(json_string_value(json_object_get(diff_view(report, "visits_1m"), "compared")), "no") != 0;
        json_decref(report);
    }
    cr_expect_gt(compared, 0, "with a short --read-back sessions of sessions are never known");
}

/* ---- views on views ---- */

/* Sessions with another filter change, and so do the windows and the rows that are made of them. */
Test(diff, views_on_views)
{
    static const char *const names[] = {"visits", "visits_1m", "long_visits"};
    int64_t from_ms = VISITS_START_MS + 333333, to_ms = VISITS_START_MS + 900000;
    const char *gap = strstr(visits_windows, "INTERVAL '3' SECOND))");
    char new_text[6000];
    json_t *report;

    cr_assert_not_null(gap);
    gap += strlen("INTERVAL '3' SECOND))");
    snprintf(new_text, sizeof new_text, "%.*s WHERE n <> 3%s", (int)(gap - visits_windows), visits_windows, gap);
    diff_write_views(visits_windows, new_text);
    diff_record();
    diff_backfill(diff_scene.new_views, diff_scene.new_store, NULL);
    for (int published = 0; published < 2; published++) {
        report = diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, NULL});
        cr_expect_eq(diff_scene.status, 1);
        if (published == 0)
            diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
        for (size_t v = 0; v < sizeof names / sizeof *names; v++) {
            expect_exact(report, names[v], from_ms, to_ms, true, names[v]);
            cr_expect_gt(json_array_size(json_object_get(diff_view(report, names[v]), "units")), 0, "%s", names[v]);
        }
        cr_expect_gt(events(diff_view(report, "visits"), "filter", "old"), 0);
        cr_expect_eq(diff_number(diff_view(report, "visits"), "unproved"), 0);
        cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "hops"), "state")), "unchanged");
        json_decref(report);
    }
}

/* ---- random pairs ---- */

static const struct {
    const char *before, *behind; /* the key, where it has one */
} windows[] = {
    {"TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)",                        NULL                                                },
    {"TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '7' SECOND, INTERVAL '3' SECOND)",    NULL                                                },
    {"HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND, INTERVAL '20' SECOND)",      NULL                                                },
    {"CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)", NULL                                                },
    {"SESSION(TABLE events PARTITION BY ",                                                        ", DESCRIPTOR(event_time), INTERVAL '3' SECOND)"    },
    {"SESSION(TABLE events PARTITION BY ",                                                        ", DESCRIPTOR(event_time), INTERVAL '4' SECOND)"    },
    {"COUNT_WINDOW(TABLE events PARTITION BY ",                                                   ", DESCRIPTOR(event_time), 5, INTERVAL '15' SECOND)"},
    {"COUNT_WINDOW(TABLE events PARTITION BY ",                                                   ", DESCRIPTOR(event_time), 6, INTERVAL '15' SECOND)"},
};
enum { SPANS_FROM = 4 };
static const char *const filters[] = {"",
                                      "WHERE n < 97",
                                      "WHERE n <> 3",
                                      "WHERE host <> 'h1'",
                                      "WHERE n >= 0",
                                      "WHERE CAST(REPLACE(CAST(n AS STRING), '77', 'x') AS INT) < 1000"};
static const char *const aggregates[] = {"COUNT(*) AS a, SUM(n) AS b",
                                         "COUNT(*) AS a, MAX(n) AS b",
                                         "COUNT(DISTINCT n) AS a, MIN(n) AS b",
                                         "SUM(n) AS a, AVG(n) AS b",
                                         "COUNT(*) FILTER (WHERE n > 50) AS a, LAST_VALUE(n) AS b, FIRST_VALUE(n) AS extra",
                                         "SUM(CAST(n AS DOUBLE) / 7) AS a, LISTAGG(CAST(n AS STRING)) AS b"};
static const char *const keys[] = {"host", "host", "n"};
static const char *const havings[] = {"", "", " HAVING COUNT(*) > 2"};
static const char *const settings[] = {"", "", "SET 'tally.dedup.key' = '';\n", "SET 'tally.max-future-skew' = '1 s';\n",
                                       "SET 'tally.allowed-lateness' = '30 s';\n"};

static uint32_t pick(struct chance *chance, size_t count, uint32_t was)
{
    return chance_below(chance, 2) == 0 && was < count ? was : chance_below(chance, (uint32_t)count);
}

static const char *const surroundings[] = {"", "SET 'table.local-time-zone' = 'Asia/Kolkata';\n",
                                           "SET 'tally.batch-range' = 'hour';\n"};

struct random_view {
    uint32_t window, filter, aggregate, key, having, setting, surrounding;
};

#define PICK(list, was) pick(chance, sizeof(list) / sizeof *(list), (was))

static struct random_view random_view(struct chance *chance, const struct random_view *was)
{
    struct random_view view = {PICK(windows, was != NULL ? was->window : UINT32_MAX),
                               PICK(filters, was != NULL ? was->filter : UINT32_MAX),
                               PICK(aggregates, was != NULL ? was->aggregate : UINT32_MAX),
                               PICK(keys, was != NULL ? was->key : UINT32_MAX),
                               PICK(havings, was != NULL ? was->having : UINT32_MAX),
                               PICK(settings, was != NULL ? was->setting : UINT32_MAX),
                               PICK(surroundings, UINT32_MAX)};

    if (was != NULL) { /* groups that can be compared: sessions whatever their gap, the others' windows are the same */
        view.window =
            was->window < SPANS_FROM ? was->window : SPANS_FROM + (was->window - SPANS_FROM) / 2 * 2 + chance_below(chance, 2);
        view.key = was->key;
        view.surrounding = was->surrounding;
    }
    return view;
}

static void put_view(const struct random_view *view, char out[1500])
{
    char window[200];

    snprintf(window, sizeof window, "%s%s%s", windows[view->window].before,
             windows[view->window].behind != NULL ? keys[view->key] : "",
             windows[view->window].behind != NULL ? windows[view->window].behind : "");
    snprintf(out, 1500,
             "%s%s" DIFF_TABLE "CREATE VIEW v AS SELECT window_start, window_end, %s AS k, %s%s FROM TABLE(%s) %s"
             " GROUP BY window_start, window_end, %s%s%s;\n",
             surroundings[view->surrounding], settings[view->setting], keys[view->key], aggregates[view->aggregate],
             view->window >= SPANS_FROM + 2 ? ", closed_by" : "", window, filters[view->filter], keys[view->key],
             view->window >= SPANS_FROM + 2 ? ", closed_by" : "", havings[view->having]);
}

static int64_t some_end(struct chance *chance, int64_t otherwise)
{
    char sql[200], *text;
    int64_t end_ms;

    snprintf(sql, sizeof sql, "SELECT _end_ms FROM v_batch ORDER BY 1 LIMIT 1 OFFSET %u", chance_below(chance, 500));
    text = dump_sql(diff_scene.old_store + strlen("sqlite:"), sql);
    end_ms = text[0] != 0 ? strtoll(text, NULL, 10) : otherwise;
    free(text);
    return end_ms;
}

Test(diff, random_pairs_are_what_a_backfill_gives)
{
    struct chance chance = chance_open("diff/random_pairs");
    const char *given = getenv("TALLY_DIFF_ROUNDS");
    int rounds = given != NULL ? atoi(given) : 8;

    for (int round = 0; round < rounds; round++) {
        struct random_view was = random_view(&chance, NULL), is = random_view(&chance, &was);
        int64_t from_ms = VISITS_START_MS + (int64_t)chance_below(&chance, DIFF_EVENTS * DIFF_STEP_MS),
                to_ms = from_ms + 1 + (int64_t)chance_below(&chance, 600000);
        char old_text[1500], new_text[1500], words[4000];
        bool published = chance_below(&chance, 2) == 0;
        const char *at_once = chance_below(&chance, 2) == 0 ? "1kB" : "128MiB";
        json_t *report, *view;

        put_view(&was, old_text);
        put_view(&is, new_text);
        diff_write_views(old_text, new_text);
        if (round == 0)
            diff_record();
        remove(diff_scene.old_store + strlen("sqlite:"));
        remove(diff_scene.new_store + strlen("sqlite:"));
        diff_backfill(diff_scene.new_views, diff_scene.new_store, NULL);
        diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
        if (chance_below(&chance, 2) == 0) { /* exactly where something ends */
            from_ms = some_end(&chance, from_ms);
            to_ms = some_end(&chance, to_ms);
            to_ms = to_ms > from_ms ? to_ms : from_ms + 60000;
        }
        snprintf(words, sizeof words, "TALLY_SEED=%llu round %d: %lld to %lld\n%s\n%s", (unsigned long long)chance.seed, round,
                 (long long)from_ms, (long long)to_ms, old_text, new_text);
        if (published)
            report =
                diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, "--at-once", at_once, NULL});
        else /* a store without it: the last --store wins */
            report = diff_preview(from_ms, to_ms,
                                  (const char *const[]){"--views", diff_scene.old_views, "--store", diff_scene.new_store,
                                                        "--at-once", at_once, NULL});
        view = diff_view(report, "v");
        cr_assert(diff_scene.status == 0 || diff_scene.status == 1, "%s: status %d: %s", words, diff_scene.status,
                  diff_scene.said);
        if (strcmp(json_string_value(json_object_get(view, "state")), "unchanged") != 0) {
            cr_assert_str_eq(json_string_value(json_object_get(view, "compared")), "groups", "%s", words);
            expect_exact(report, "v", from_ms, to_ms, was.window >= SPANS_FROM, words);
            cr_assert_eq(diff_number(view, "unproved"), 0, "%lld groups do not come out\n%s", diff_number(view, "unproved"),
                         words);
            cr_assert_eq(diff_number(view, "left_out_rows"), 0, "%s", words);
            cr_assert_eq(diff_scene.status,
                         json_array_size(json_object_get(view, "units")) > 0 || says(view, "column extra removed") ||
                             says(view, "its values are not compared"), /* which is gone as it was, though the range has no row */
                         "%s", words);
        }
        json_decref(report);
    }
}

/* ---- threads ---- */

/* Copies come from near and from far behind, with other values and in other partitions, and many events have one log timestamp. */
static void record_copies(struct chance *chance)
{
    enum { COPIED = 6000, A_TIME = 20 };
    static char texts[COPIED][160];
    static struct tl_log_record records[COPIED];
    struct tl_log *log = NULL;
    struct tl_err err;
    struct run run = {0};

    for (int i = 0; i < COPIED; i++) {
        uint32_t far = chance_below(chance, 4) == 0 ? 2000 : 400; /* in the next chunk, most likely */
        int id = i > 2000 && chance_below(chance, 2) == 0 ? i - (int)chance_below(chance, far) : i;
        char when[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(VISITS_START_MS + id / 4 * 1000, when); /* ties of the event's time, too */
        snprintf(texts[i], sizeof texts[i], "{\"event_id\": \"e%d\", \"host\": \"h%u\", \"n\": %u, \"event_time\": \"%s\"}", id,
                 chance_below(chance, 7), chance_below(chance, 100), when);
        records[i] = (struct tl_log_record){
            .partition = chance_below(chance, 3), .log_ms = VISITS_START_MS + i / A_TIME * 1000, .value = tl_sv_from(texts[i])};
    }
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = diff_scene.data}, TL_LOG_APPEND, &log, &err),
                 TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_create_topic(log, TL_SV("events"), 3, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_append(log, TL_SV("events"), records, COPIED, NULL, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
    RUN(&run, "archive", "--views", diff_scene.old_views, "--data", diff_scene.data, "--file-bytes", "20000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

static void expect_equal(json_t *got, json_t *want, const char *words)
{
    char *texts[2] = {json_dumps(got, JSON_INDENT(1)), json_dumps(want, JSON_INDENT(1))};

    cr_assert(json_equal(got, want), "%s\n%s\nwith one thread:\n%s", words, texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}

Test(diff, threads_change_nothing)
{
    struct chance chance = chance_open("diff/threads");

    for (int round = 0; round < 10; round++) {
        struct random_view was = random_view(&chance, NULL), is = random_view(&chance, &was);
        int64_t from_ms = VISITS_START_MS + (int64_t)chance_below(&chance, 1500000),
                to_ms = from_ms + 1 + (int64_t)chance_below(&chance, 900000);
        const char *store =
            chance_below(&chance, 2) == 0 ? diff_scene.old_store : diff_scene.new_store; /* new_store: nothing is published */
        const char *at_once = chance_below(&chance, 2) == 0 ? "60kB" : "128MiB";
        const char *limit = chance_below(&chance, 2) == 0 ? "5" : "100000";
        char old_text[1500], new_text[1500], words[4000], back[20];
        json_t *want = NULL;

        put_view(&was, old_text);
        put_view(&is, new_text);
        diff_write_views(old_text, new_text);
        if (round == 0)
            record_copies(&chance);
        remove(diff_scene.old_store + strlen("sqlite:"));
        diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
        snprintf(back, sizeof back, "%us", 1 + chance_below(&chance, 60));
        for (size_t j = 0; j < 4; j++) {
            const char *jobs = (const char *const[]){"1", "2", "3", "8"}[j];
            json_t *report =
                diff_preview(from_ms, to_ms,
                             (const char *const[]){"--views", diff_scene.old_views, "--store", store, "--at-once", at_once,
                                                   "--read-back", back, "--limit", limit, "--jobs", jobs, NULL});

            snprintf(words, sizeof words, "TALLY_SEED=%llu round %d: %s threads, %lld to %lld\n%s\n%s",
                     (unsigned long long)chance.seed, round, jobs, (long long)from_ms, (long long)to_ms, old_text, new_text);
            if (want == NULL)
                want = json_incref(report);
            expect_equal(report, want, words);
            json_decref(report);
        }
        json_decref(want);
    }
}

/* ---- checks and functions of NEW ---- */

static json_t *one_change(const char *old_text, const char *new_text, const char *const *more)
{
    diff_write_views(old_text, new_text);
    diff_record();
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    return diff_preview(VISITS_START_MS, VISITS_START_MS + 600000, more);
}

static void expect_unknown(json_t *report, const char *name, const char *want)
{
    const char *got = json_string_value(json_object_get(diff_view(report, name), "events_unknown"));

    if (want == NULL)
        cr_expect_null(got, "%s: %s", name, got);
    else
        cr_expect(got != NULL && strcmp(got, want) == 0, "%s: %s, not %s", name, got, want);
    cr_expect_eq(json_is_true(json_object_get(diff_view(report, name), "events_known")), want == NULL, "%s", name);
}

Test(diff, where_no_events_are_listed_it_says_why)
{
    static const char form[] =
        "%s" DIFF_TABLE
        "CREATE VIEW hits AS SELECT window_start AS began, window_end AS ended, window_time AS rowtime, host, COUNT(*) AS hits\n"
        "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) %s\n"
        "    GROUP BY window_start, window_end, window_time, host;\n"
        "CREATE VIEW sums AS SELECT window_start AS began, window_end AS ended, window_time AS rowtime, SUM(hits) AS hits\n"
        "    FROM TABLE(TUMBLE(TABLE hits, DESCRIPTOR(rowtime), INTERVAL '1' MINUTE)) %s\n"
        "    GROUP BY window_start, window_end, window_time;\n"
        "CREATE VIEW tops AS SELECT window_start, window_end, MAX(hits) AS hits\n"
        "    FROM TABLE(TUMBLE(TABLE sums, DESCRIPTOR(rowtime), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;\n";
    int64_t from_ms = VISITS_START_MS + 333333, to_ms = VISITS_START_MS + 900000;
    char old_text[3000], new_text[3000];
    struct run run = {0};
    json_t *report;

    snprintf(old_text, sizeof old_text, form, "", "", "");
    snprintf(new_text, sizeof new_text, form, "", "WHERE n <> 3", "");
    report = one_change(old_text, new_text, (const char *const[]){"--views", diff_scene.old_views, NULL});
    expect_unknown(report, "hits", NULL);
    expect_unknown(report, "sums", "it is made of rows of hits, whose own are listed there");
    expect_unknown(report, "tops", "it is made of rows of sums");
    json_decref(report);
    report = diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, "--no-events", NULL});
    expect_unknown(report, "hits", "--no-events");
    json_decref(report);
    report = diff_preview(from_ms, to_ms, NULL);
    expect_unknown(report, "hits", "OLD's text is not here: --views FILE has it");
    json_decref(report);
    RUN(&run, "diff", diff_scene.new_views, "--data", diff_scene.data, "--store", diff_scene.old_store, "--from",
        "2026-03-01T00:05:00Z", "--to", "2026-03-01T00:15:00Z", "--views", diff_scene.old_views);
    cr_expect_not_null(
        strstr(run.out, "\n  the events behind it are not listed: it is made of rows of hits, whose own are listed there\n"),
        "%s", run.out);
    run_done(&run);
    snprintf(new_text, sizeof new_text, form, "", "", "WHERE hits > 3");
    diff_write_views(old_text, new_text);
    report = diff_preview(from_ms, to_ms, (const char *const[]){"--views", diff_scene.old_views, NULL});
    expect_unknown(report, "sums", "it is made of rows of hits, which is unchanged");
    json_decref(report);
}

/* An event that both definitions count for the same group is one event behind it. */
Test(diff, an_event_counts_once_for_a_group)
{
    json_t *report = one_change(DIFF_TABLE DIFF_HITS("SUM(n) AS c", "", "host", ""),
                                DIFF_TABLE DIFF_HITS("SUM(n) * 2 AS c", "", "host", ""),
                                (const char *const[]){"--views", diff_scene.old_views, NULL}),
           *unit, *reason;
    size_t i, j;
    long long sum = 0;

    json_array_foreach(json_object_get(diff_view(report, "v"), "units"), i, unit)
    {
        json_array_foreach(json_object_get(unit, "events"), j, reason) sum += diff_number(reason, "events");
    }
    cr_expect_gt(sum, 1000);
    cr_expect_eq(sum, events(diff_view(report, "v"), "values", "both"));
    json_decref(report);
}

Test(diff, checks_of_new_drop_events)
{
    const char *text = DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", "");
    int64_t to_ms = VISITS_START_MS + 600000;
    json_t *report, *view;

    snprintf(diff_scene.checks, sizeof diff_scene.checks, "%s",
             run_file_write(diff_scene.dir, "checks.sql",
                            "ALTER TABLE events ADD CONSTRAINT small EXPECT (n < 90) ON VIOLATION DROP ROW;\n"
                            "ALTER TABLE events ADD CONSTRAINT has_host EXPECT (host IS NOT NULL);\n"));
    report =
        one_change(text, text, (const char *const[]){"--views", diff_scene.old_views, "--new-checks", diff_scene.checks, NULL});
    view = diff_view(report, "v");
    cr_expect_eq(diff_scene.status, 1);
    diff_backfill(diff_scene.new_views, diff_scene.new_store, diff_scene.checks);
    expect_exact(report, "v", VISITS_START_MS, to_ms, false, "checks");
    cr_expect_eq(diff_number(view, "unproved"), 0);
    cr_expect_gt(events(view, "check", "old"), 20);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(view, "events"), 0), "name")), "small");
    json_decref(report);
    /* Without them the definitions are the same, and nothing is computed. */
    report = diff_preview(VISITS_START_MS, to_ms, (const char *const[]){"--views", diff_scene.old_views, NULL});
    cr_expect_eq(diff_scene.status, 0);
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "v"), "state")), "unchanged");
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "v"), "compared")), "no");
    json_decref(report);
}

/* A function of the user's own that means something else: the definition is the same, and its numbers are not. */
static const char *library(const char *name, const char *threshold)
{
    static char path[2][LIBRARY_PATH_BYTES];
    static int next;
    char text[700], source[300];

    snprintf(text, sizeof text,
             "#include <tally_function.h>\n"
             "static bool is_large(struct tally_call *call, const struct tally_value *args, struct tally_value *result)\n"
             "{ (void)call; result->i64 = args[0].i64 > %s; return true; }\n"
             "static const struct tally_scalar scalars[] = {{\"IS_LARGE\", {TALLY_BIGINT}, TALLY_BOOLEAN, 0, is_large}};\n"
             "const struct tally_library tally_library = {TALLY_LIBRARY_HEAD, \"1.0\", NULL, scalars, 1, NULL, 0};\n",
             threshold);
    snprintf(source, sizeof source, "%s.c", name);
    snprintf(source, sizeof source, "%s", run_file_write(diff_scene.dir, source, text));
    next = 1 - next;
    library_build(diff_scene.dir, name, source, "", path[next]);
    return path[next];
}

Test(diff, functions_of_new)
{
    const char *text = DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE IS_LARGE(n)", "host", ""), *was = library("was", "50"),
               *is = library("is", "52");
    struct run run = {0};
    json_t *report, *view;

    diff_write_views(text, text);
    visits_append(diff_scene.data, DIFF_PARTITIONS, DIFF_STEP_MS, 0, DIFF_EVENTS);
    RUN(&run, "archive", "--views", diff_scene.old_views, "--data", diff_scene.data, "--functions", was);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "batch", "--views", diff_scene.old_views, "--data", diff_scene.data, "--store", diff_scene.old_store, "--to",
        "2026-03-01T02:00:00Z", "--functions", was);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "batch", "--views", diff_scene.new_views, "--data", diff_scene.data, "--store", diff_scene.new_store, "--to",
        "2026-03-01T02:00:00Z", "--functions", is);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    report =
        diff_preview(VISITS_START_MS, VISITS_START_MS + 600000,
                     (const char *const[]){"--views", diff_scene.old_views, "--functions", was, "--new-functions", is, NULL});
    view = diff_view(report, "v");
    cr_expect_eq(diff_scene.status, 1, "%s", diff_scene.said);
    expect_exact(report, "v", VISITS_START_MS, VISITS_START_MS + 600000, false, "functions");
    cr_expect_eq(diff_number(view, "unproved"), 0);
    cr_expect_gt(events(view, "filter", "old"), 10);
    json_decref(report);
}

/* ---- other groups ---- */

static json_t *column_of(json_t *view, const char *name)
{
    json_t *column;
    size_t i;

    json_array_foreach(json_object_get(view, "columns"), i, column)
    {
        if (strcmp(json_string_value(json_object_get(column, "column")), name) == 0)
            return column;
    }
    cr_assert_fail("no column %s", name);
    return NULL;
}

/* Groups of other keys and other windows are compared by what both have: the sums of the real rows over the same events. */
Test(diff, other_keys_and_windows_are_put_together)
{
    const char *old_text =
        DIFF_TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, n, COUNT(*) AS c, SUM(n) AS s, COUNT(DISTINCT n) AS d"
                   " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))"
                   " GROUP BY window_start, window_end, host, n;\n";
    const char *new_text =
        DIFF_TABLE "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c, SUM(n) AS s, COUNT(DISTINCT n) AS d"
                   " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '15' SECOND)) WHERE n <> 50"
                   " GROUP BY window_start, window_end, host;\n";
    json_t *report = one_change(old_text, new_text, (const char *const[]){"--views", diff_scene.old_views, NULL}),
           *view = diff_view(report, "v"), *unit;
    size_t i;

    diff_backfill(diff_scene.new_views, diff_scene.new_store, NULL);
    cr_expect_eq(diff_scene.status, 1);
    cr_assert_str_eq(json_string_value(json_object_get(view, "compared")), "common_groups");
    cr_expect_eq(diff_number(view, "unproved"), 0);
    cr_expect_gt(json_array_size(json_object_get(view, "units")), 2);
    cr_expect_eq(diff_number(column_of(view, "c"), "old") - diff_number(column_of(view, "c"), "new"),
                 events(view, "filter", "old"));
    cr_expect_eq(diff_number(column_of(view, "s"), "old") - diff_number(column_of(view, "s"), "new"),
                 50 * events(view, "filter", "old"));
    json_array_foreach(json_object_get(view, "units"), i, unit)
    {
        json_t *was = json_object_get(unit, "old"), *is = json_object_get(unit, "new");

        cr_expect_eq(diff_number(was, "d") - diff_number(is, "d"), 1,
                     "a distinct count of the group, and none that was added up");
    }
    json_decref(report);
    /* OLD's events are not known to the store. */
    report = diff_preview(VISITS_START_MS, VISITS_START_MS + 600000, NULL);
    view = diff_view(report, "v");
    cr_expect_eq(diff_scene.status, 1);
    cr_assert_str_eq(json_string_value(json_object_get(view, "compared")), "totals");
    cr_expect_gt(diff_number(column_of(view, "c"), "old"), diff_number(column_of(view, "c"), "new"));
    json_decref(report);
}

/* Rows of other keys or windows are other rows: what both have may sum up to the same, and no published row stays. */
struct regroup_case {
    char name[40], old_size[5], old_keys[20], new_size[5], new_keys[60];
    char line[120]; /* of the report: the view's, with OLD's text */
};

ParameterizedTestParameters(diff, regroup)
{
    static struct regroup_case cases[] = {
        {"a key and HAVING",      "10", "host",    "10", "host, n HAVING COUNT(*) > 1000",
         "v: its rows are other rows; by what both have, equal in 412 of 412 groups, before HAVING; c "},
        {"a longer window",       "10", "host",    "20", "host",
         "v: its rows are other rows; by what both have, equal in 210 of 210 groups; c "               },
        {"a key less",            "10", "host, n", "10", "host",
         "v: its rows are other rows; by what both have, equal in 412 of 412 groups; c "               },
        {"another key and n < 9", "10", "host",    "10", "host, n",
         "v: its rows are other rows; by what both have, different in 406 of 412 groups; c "           },
    };

    return cr_make_param_array(struct regroup_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct regroup_case *c, diff, regroup, .init = diff_scene_open, .fini = diff_scene_close, .timeout = 300)
{
    static const char form[] = DIFF_TABLE "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE("
                                          "TABLE events, DESCRIPTOR(event_time), INTERVAL '%s' SECOND)) %s"
                                          " GROUP BY window_start, window_end, %s;\n";
    const char *filter = strstr(c->name, "n < 9") != NULL ? "WHERE n < 9" : "";
    char old_text[1000], new_text[1000];
    struct run run = {0};
    json_t *report, *view;

    snprintf(old_text, sizeof old_text, form, c->old_size, "", c->old_keys);
    snprintf(new_text, sizeof new_text, form, c->new_size, filter, c->new_keys);
    report = one_change(old_text, new_text, (const char *const[]){"--views", diff_scene.old_views, NULL});
    view = diff_view(report, "v");
    cr_expect_eq(diff_scene.status, 1, "%s: status %d", c->name, diff_scene.status);
    cr_assert_str_eq(json_string_value(json_object_get(view, "compared")), "common_groups", "%s", c->name);
    cr_expect(json_is_true(json_object_get(view, "other_rows")), "%s", c->name);
    cr_expect_eq(diff_number(view, "changed") + diff_number(view, "only_old") > 0, filter[0] != 0, "%s", c->name);
    json_decref(report);
    RUN(&run, "diff", diff_scene.new_views, "--views", diff_scene.old_views, "--data", diff_scene.data, "--store",
        diff_scene.old_store, "--from", "2026-03-01T00:00:00Z", "--to", "2026-03-01T00:10:00Z");
    cr_expect_eq(run.status, 1, "%s: %s", c->name, run.err);
    cr_expect_not_null(strstr(run.out, c->line), "%s: no '%s' in\n%s", c->name, c->line, run.out);
    cr_expect_eq(strstr(run.out, ", without HAVING") != NULL, strstr(c->new_keys, "HAVING") != NULL, "%s:\n%s", c->name, run.out);
    run_done(&run);
    /* Totals alone, from the store's text. */
    RUN(&run, "diff", diff_scene.new_views, "--data", diff_scene.data, "--store", diff_scene.old_store, "--from",
        "2026-03-01T00:00:00Z", "--to", "2026-03-01T00:10:00Z");
    cr_expect_eq(run.status, 1, "%s: %s", c->name, run.err);
    cr_expect_not_null(strstr(run.out, "v: its rows are other rows, "), "%s:\n%s", c->name, run.out);
    run_done(&run);
}

Test(diff, a_column_that_is_gone_or_not_compared_is_a_change)
{
    static const char *const new_texts[] = {DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                                            DIFF_TABLE DIFF_HITS("COUNT(*) AS c, CAST(SUM(n) AS STRING) AS s", "", "host", "")};

    for (int i = 0; i < 2; i++) {
        json_t *report;
        struct run run = {0};

        diff_write_views(DIFF_TABLE DIFF_HITS("COUNT(*) AS c, SUM(n) AS s", "", "host", ""), new_texts[i]);
        if (i == 0)
            diff_record();
        diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
        report =
            diff_preview(VISITS_START_MS, VISITS_START_MS + 600000, (const char *const[]){"--views", diff_scene.old_views, NULL});
        cr_expect_eq(diff_scene.status, 1, "status %d: %s", diff_scene.status, new_texts[i]);
        cr_expect_eq(diff_number(diff_view(report, "v"), "equal"), diff_number(diff_view(report, "v"), "rows_old"));
        json_decref(report);
        RUN(&run, "diff", diff_scene.new_views, "--views", diff_scene.old_views, "--data", diff_scene.data, "--store",
            diff_scene.old_store, "--from", "2026-03-01T00:00:00Z", "--to", "2026-03-01T00:10:00Z");
        cr_expect_not_null(strstr(run.out, " groups change in the columns that are compared; c "), "%s", run.out);
        run_done(&run);
    }
}

Test(diff, views_come_and_go_and_change_in_words)
{
    const char *old_text =
        "SET 'tally.allowed-lateness' = '1 min';\n" DIFF_TABLE
        "CREATE VIEW same AS SELECT window_start, window_end, COUNT(*) AS c"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n"
        "CREATE VIEW gone AS SELECT window_start, window_end, MAX(n) AS c"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n"
        "CREATE VIEW called_a AS SELECT window_start, window_end, MIN(n) AS c"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n"
        "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c, SUM(n) AS s"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
        "host;\n";
    const char *new_text =
        "SET 'tally.allowed-lateness' = '1 min';\n" DIFF_TABLE
        "CREATE VIEW same AS SELECT window_start, window_end, COUNT(*) AS c"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n"
        "CREATE VIEW come AS SELECT window_start, window_end, SUM(n) AS c"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n"
        "CREATE VIEW called_b AS SELECT window_start, window_end, MIN(n) AS c"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n"
        "SET 'tally.allowed-lateness' = '2 min';\n"
        "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c, CAST(SUM(n) AS BIGINT) AS s, MAX(n) AS m"
        " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
        "host;\n";
    json_t *report = one_change(old_text, new_text, (const char *const[]){"--views", diff_scene.old_views, NULL}), *view;

    cr_expect_eq(diff_scene.status, 1, "a view is gone");
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "same"), "state")), "unchanged");
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "come"), "state")), "added");
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "gone"), "state")), "removed");
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "called_b"), "state")), "renamed");
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "called_b"), "was")), "called_a");
    view = diff_view(report, "v");
    cr_expect(says(view, "column m added: INT MAX(n)"));
    cr_expect(says(view, "column s retyped: INT -> BIGINT"));
    cr_expect(says(view, "allowed lateness: 60000 ms -> 120000 ms"));
    cr_expect_eq(diff_number(view, "equal"), diff_number(view, "rows_old"));
    json_decref(report);
    report = diff_preview(VISITS_START_MS, VISITS_START_MS + 600000,
                          (const char *const[]){"--views", diff_scene.old_views, "same", NULL});
    cr_expect_eq(json_array_size(json_object_get(report, "views")), 1, "those that were asked for");
    cr_expect_eq(diff_scene.status, 0, "what was not asked for does not count");
    json_decref(report);
    report = diff_preview(VISITS_START_MS, VISITS_START_MS + 600000,
                          (const char *const[]){"--views", diff_scene.old_views, "gone", NULL});
    cr_expect_eq(diff_scene.status, 1, "a view is gone");
    json_decref(report);
    report = diff_preview(VISITS_START_MS, VISITS_START_MS + 600000,
                          (const char *const[]){"--views", diff_scene.old_views, "come", "called_b", "v", NULL});
    cr_expect_eq(diff_scene.status, 0, "another type of equal numbers, a new column, another lateness: %s",
                 json_dumps(report, 0));
    json_decref(report);
}

/* ---- what is not there ---- */

/* Of a command that fails: its words. */
static void expect_refusal(int want, const char *words, const char *const *args)
{
    struct run run = {0};

    run_start(&run, args);
    run_wait(&run);
    cr_expect_eq(run.status, want, "%s: status %d: %s", words, run.status, run.err);
    cr_expect_not_null(strstr(run.err, words), "not '%s' but: %s", words, run.err);
    run_done(&run);
}

Test(diff, bad_input)
{
    static const char old_text[] = DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                      new_text[] = DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n > 3", "host", "");
    char broken[300];

    diff_write_views(old_text, new_text);
    diff_record();
    expect_refusal(2, "--from must be before --to",
                   (const char *const[]){"diff", diff_scene.new_views, "--views", diff_scene.old_views, "--data", diff_scene.data,
                                         "--store", diff_scene.old_store, "--from", "2026-03-02", "--to", "2026-03-01", NULL});
    expect_refusal(2, "nothing of OLD is published",
                   (const char *const[]){"diff", diff_scene.new_views, "--views", diff_scene.old_views, "--data", diff_scene.data,
                                         "--store", diff_scene.old_store, NULL});
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    expect_refusal(2, "has no view 'w'",
                   (const char *const[]){"diff", diff_scene.new_views, "w", "--views", diff_scene.old_views, "--data",
                                         diff_scene.data, "--store", diff_scene.old_store, NULL});
    expect_refusal(2, "did you mean 'c'",
                   (const char *const[]){"diff", diff_scene.new_views, "--by", "cc", "--views", diff_scene.old_views, "--data",
                                         diff_scene.data, "--store", diff_scene.old_store, NULL});
    snprintf(broken, sizeof broken, "%s",
             run_file_write(diff_scene.dir, "broken.sql", DIFF_TABLE "CREATE VIEW v AS SELECT hostt FROM events;\n"));
    expect_refusal(2, "broken.sql:4:",
                   (const char *const[]){"diff", broken, "--views", diff_scene.old_views, "--data", diff_scene.data, "--store",
                                         diff_scene.old_store, NULL});
    expect_refusal(3, "",
                   (const char *const[]){"diff", diff_scene.new_views, "--data", diff_scene.data, "--store", diff_scene.new_store,
                                         "--from", "2026-03-01", "--to", "2026-03-02", NULL});
}

Test(diff, ranges_that_are_not_published_or_on_record_are_said)
{
    json_t *report = one_change(DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                                DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n > 3", "host", ""), NULL);
    char *notes;

    cr_expect_eq(diff_scene.status, 1);
    json_decref(report);
    /* Published to 02:00, by the store alone; then all of it with OLD's text. */
    report = diff_preview(VISITS_START_MS, VISITS_START_MS + 4 * 3600000, NULL);
    notes = json_dumps(json_object_get(report, "notes"), 0);
    cr_expect_eq(diff_scene.status, 1);
    cr_expect_not_null(strstr(notes, "2026-03-01T02:00:00.000Z, which is what is published"), "%s", notes);
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "v"), "to")), "2026-03-01T02:00:00.000Z");
    free(notes);
    json_decref(report);
    report = diff_preview(VISITS_START_MS + 3 * 3600000, VISITS_START_MS + 4 * 3600000, NULL);
    notes = json_dumps(json_object_get(report, "notes"), 0);
    cr_expect_eq(diff_scene.status, 3);
    cr_expect_not_null(strstr(notes, "nothing of the range is published"), "%s", notes);
    free(notes);
    json_decref(report);
    report = diff_preview(VISITS_START_MS + 3 * 3600000, VISITS_START_MS + 4 * 3600000,
                          (const char *const[]){"--views", diff_scene.old_views, NULL});
    notes = json_dumps(json_object_get(report, "notes"), 0);
    cr_expect_eq(diff_scene.status, 0);
    cr_expect_not_null(strstr(notes, "before the range"), "%s", notes);
    free(notes);
    json_decref(report);
}

Test(diff, the_last_day_that_has_rows_is_what_is_compared_unless_said)
{
    const char *args[] = {
        "diff", diff_scene.new_views, "--data", diff_scene.data, "--store", diff_scene.old_store, "--format", "json", NULL};
    json_t *report = one_change(DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                                DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n > 3", "host", ""), NULL),
           *whole;
    struct run run = {0};

    RUN(&run, "batch", "--views", diff_scene.old_views, "--data", diff_scene.data, "--store", diff_scene.old_store, "--to",
        "2026-03-05T00:00:00Z");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    run_start(&run, args);
    run_wait(&run);
    cr_expect_eq(run.status, 1, "%s", run.err);
    whole = json_loads(run.out, 0, NULL);
    cr_assert_not_null(whole);
    cr_expect_lt(strcmp(json_string_value(json_object_get(whole, "to")), "2026-03-02T00:00:00.001Z"), 0, "%s", run.out);
    cr_expect_gt(diff_number(diff_view(whole, "v"), "changed"), diff_number(diff_view(report, "v"), "changed"));
    run_done(&run);
    json_decref(report);
    json_decref(whole);
}

/* Sessions whose beginning is further back than was read are left out: that the others are equal does not make them so. */
Test(diff, what_is_left_out_is_not_called_unchanged)
{
    const char *args[] = {"diff",    diff_scene.new_views,   "--views", diff_scene.old_views,   "--data",      diff_scene.data,
                          "--store", diff_scene.old_store,   "--from",  "2026-03-01T00:10:00Z", "--read-back", "1s",
                          "--to",    "2026-03-01T00:20:00Z", NULL};
    struct run run = {0};

    diff_write_views(DIFF_TABLE DIFF_SESSION("5", ""),
                     "SET 'tally.allowed-lateness' = '1 min';\n" DIFF_TABLE DIFF_SESSION("5", ""));
    diff_record();
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    run_start(&run, args);
    run_wait(&run);
    cr_expect_eq(run.status, 3, "status %d: %s", run.status, run.out);
    cr_expect_not_null(strstr(run.out, " are left out: not all of the events are known"), "%s", run.out);
    cr_expect_not_null(strstr(run.out, " groups that are compared change; "), "%s", run.out);
    cr_expect_not_null(strstr(run.err, "a longer --read-back may do"), "%s", run.err);
    run_done(&run);
}

/* ---- the other store ---- */

Test(diff, postgresql_has_olds_rows)
{
    json_t *report;

    store_postgres.url(diff_scene.old_store);
    report = one_change(DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                        DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n > 3", "host", ""),
                        (const char *const[]){"--views", diff_scene.old_views, NULL});
    diff_backfill(diff_scene.new_views, diff_scene.new_store, NULL);
    cr_expect_eq(diff_scene.status, 1);
    cr_expect_str_eq(json_string_value(json_object_get(diff_view(report, "v"), "old_rows")), "published");
    expect_exact(report, "v", VISITS_START_MS, VISITS_START_MS + 600000, false, "PostgreSQL");
    cr_expect_eq(diff_number(diff_view(report, "v"), "unproved"), 0);
    cr_expect_gt(events(diff_view(report, "v"), "filter", "old"), 0);
    json_decref(report);
    store_folder_remove();
}

/* ---- spans of time ---- */

/* An event whose windows end in several spans of time, of which one is done after the other, is behind all of them, and counts once. */
Test(diff, an_event_of_two_spans_counts_once)
{
    static const char from[] =
        "SET 'tally.batch-range' = 'hour';\n" DIFF_TABLE "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c"
        " FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE, INTERVAL '2' HOUR))";
    char old_text[1000], new_text[1000];
    json_t *report;
    long long units, taken, missing;

    snprintf(old_text, sizeof old_text, "%s GROUP BY window_start, window_end;\n", from);
    snprintf(new_text, sizeof new_text, "%s WHERE n <> 3 GROUP BY window_start, window_end;\n", from);
    report = one_change(old_text, new_text, (const char *const[]){"--views", diff_scene.old_views, NULL});
    json_decref(report);
    report = diff_preview(VISITS_START_MS - 3600000, VISITS_START_MS + 4 * 3600000,
                          (const char *const[]){"--views", diff_scene.old_views, "--at-once", "1kB", NULL});
    units = diff_number(diff_view(report, "v"), "changed");
    cr_expect_gt(units, 20);
    cr_expect_eq(diff_number(diff_view(report, "v"), "unproved"), 0);
    taken = events(diff_view(report, "v"), "filter", "old");
    missing =
        diff_number(column_of(diff_view(report, "v"), "c"), "old") - diff_number(column_of(diff_view(report, "v"), "c"), "new");
    cr_expect_eq(24 * taken, missing, "each of %lld events is in 24 windows, which makes no %lld", taken, missing);
    json_decref(report);
}

/* ---- what came after the publication ---- */

Test(diff, events_that_came_after_the_publication_are_told_apart)
{
    json_t *report = one_change(DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                                DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n > 3", "host", ""),
                                (const char *const[]){"--views", diff_scene.old_views, NULL});
    struct run run = {0};
    json_t *view;

    cr_expect_eq(events(diff_view(report, "v"), "archived_after_publish", "new"), 0);
    json_decref(report);
    visits_append(diff_scene.data, DIFF_PARTITIONS, DIFF_STEP_MS, 0, 100); /* once more: copies; and new ones */
    visits_append(diff_scene.data, DIFF_PARTITIONS, DIFF_STEP_MS / 2, DIFF_EVENTS, DIFF_EVENTS + 200);
    RUN(&run, "archive", "--views", diff_scene.old_views, "--data", diff_scene.data);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    report =
        diff_preview(VISITS_START_MS, VISITS_START_MS + 1000000, (const char *const[]){"--views", diff_scene.old_views, NULL});
    view = diff_view(report, "v");
    cr_expect_gt(events(view, "archived_after_publish", "new"), 0);
    cr_expect_gt(events(view, "filter", "old"), 0);
    cr_expect_eq(diff_number(view, "unproved"), 0);
    json_decref(report);
}

/* ---- formats ---- */

Test(diff, formats)
{
    static const char *const formats[] = {"text", "md", "csv"};
    static const char *const words[][3] = {
        {"v: 68 of ",                                                  "  69 events that only OLD counts: NEW's filter does not take them\n", "largest differences of c first:\n"},
        {"### v: ",                                                    "- 69 events that only OLD counts: NEW's filter does not take them\n", "  - `2026-03-01T00:"              },
        {"view,window_start,window_end,key,change,column,old,new\r\n", "\"k=h",                                                               ",changed,\"c\",6,4\r\n"           },
    };

    diff_write_views(DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "", "host", ""),
                     DIFF_TABLE DIFF_HITS("COUNT(*) AS c", "WHERE n < 95", "host", ""));
    diff_record();
    diff_backfill(diff_scene.old_views, diff_scene.old_store, NULL);
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        struct run run = {0};

        RUN(&run, "diff", diff_scene.new_views, "--views", diff_scene.old_views, "--data", diff_scene.data, "--store",
            diff_scene.old_store, "--format", formats[f], "--limit", "4", "--from", "2026-03-01T00:05:01Z", "--to",
            "2026-03-01T00:16:27Z");
        cr_expect_eq(run.status, 1, "%s", run.err);
        for (int w = 0; w < 3; w++)
            cr_expect_not_null(strstr(run.out, words[f][w]), "%s: no '%s' in\n%s", formats[f], words[f][w], run.out);
        run_done(&run);
    }
}
