/* rollup_test.c: rows rolled up are what a view with the larger window has, whatever the aggregate is. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "core/core.h"
#include "event/timestamp.h"
#include "event/zone.h"
#include "serving/rollup.h"
#include "simulate.h"
#include "sql/shape.h"
#include "support/store_checks.h"

/* ---- views over the events of a golden case ---- */

static char *read_file(const char *name, const char *ending)
{
    static char text[65536];
    char path[200];
    size_t size;
    FILE *file;

    snprintf(path, sizeof path, "tests/golden/%s.%s", name, ending);
    file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    return text;
}

static struct tl_sv statement_of(struct tl_sv *rest)
{
    const char *end = memmem(rest->data, rest->size, ";\n", 2);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    struct tl_sv statement = {rest->data, size}, behind = {rest->data + size + 2, rest->size - size - 2};

    *rest = end == NULL ? (struct tl_sv){NULL, 0} : behind;
    return statement;
}

/* The case's views, those of TUMBLE with this window; `host` false: without the key, and no other views. */
static struct tl_plan *plan_of(const char *name, const char *window, bool host)
{
    struct tl_buf sql;
    struct tl_sv rest = tl_sv_from(read_file(name, "sql"));
    struct tl_plan *plan;

    tl_buf_init(&sql, 0);
    while (rest.size > 0) {
        struct tl_sv statement = statement_of(&rest);
        const char *at = memmem(statement.data, statement.size, "(TUMBLE(", 8), *size, *end = statement.data + statement.size;

        if (at == NULL) {
            if (host || memmem(statement.data, statement.size, "CREATE VIEW", 11) == NULL) {
                tl_buf_put_sv(&sql, statement);
                tl_buf_put_str(&sql, ";\n");
            }
            continue;
        }
        size = memmem(at, (size_t)(end - at), "), INTERVAL", 11);
        cr_assert_not_null(size);
        for (const char *c = statement.data; c < end;) {
            if (!host && strncmp(c, "host, ", 6) == 0) {
                c += 6;
            } else if (!host && strncmp(c, ", host", 6) == 0 && c + 6 == end) {
                c += 6;
            } else if (c == size) {
                tl_buf_printf(&sql, "), INTERVAL %s", window);
                c = memmem(c, (size_t)(end - c), "))", 2);
            } else {
                tl_buf_put_u8(&sql, (uint8_t)*c++);
            }
        }
        tl_buf_put_str(&sql, ";\n");
    }
    tl_buf_put_u8(&sql, '\0');
    plan = sim_plan(sql.data);
    tl_buf_done(&sql);
    return plan;
}

enum { MINUTES = 5, PUBLISHED_MS = 120000, FINAL_MS = 250000 };

/* All of the case's events, once a minute. */
static void history_of(const char *name, struct sim_history *history)
{
    char *text = read_file(name, "events");

    for (int minute = 0; minute < MINUTES; minute++)
        for (struct tl_sv rest = tl_sv_from(text); rest.size > 0;) {
            struct tl_sv line = tl_sv_cut(&rest, '\n');
            char *copy = strndup(line.data, line.size), *from = copy;

            while (*from == '@')
                from = strchr(from, ' ') + 1;
            for (char *at = from; (at = strstr(at, "T00:00:")) != NULL; at++)
                at[5] = (char)('0' + minute);
            if (*from != '#')
                sim_add(history, 0, 1 + (int64_t)history->count, from);
            free(copy);
        }
}

struct sink {
    struct tl_store *store;
    int64_t id, run;
};

static enum tl_code stage(void *ctx, const struct tl_rows *rows, struct tl_err *unused)
{
    const struct sink *sink = ctx;

    (void)unused;
    OK(tl_store_begin(sink->store, err));
    OK(tl_store_stage_rows(sink->store, sink->run, sink->id, rows, err));
    OK(tl_store_commit(sink->store, err));
    return TL_OK;
}

static enum tl_code put(void *ctx, const struct tl_rows *rows, struct tl_err *unused)
{
    const struct sink *sink = ctx;
    int64_t change;

    (void)unused;
    OK(tl_store_begin_tick(sink->store, sink->run, &change, err));
    OK(tl_store_put_speed_rows(sink->store, sink->id, rows, change, err));
    OK(tl_store_put_final(sink->store, sink->id, FINAL_MS, err));
    OK(tl_store_commit(sink->store, err));
    return TL_OK;
}

/* Batch has published what ends in the first two minutes, but for sessions. */
static void fill_views(struct tl_store *store, struct tl_plan *plan, const struct sim_history *history)
{
    struct tl_core_config config = {.plan = plan};
    struct tl_core *core = NULL;
    struct tl_partial *partial = NULL, *all = NULL;
    int64_t epoch = store_epoch(store);

    OK(tl_core_open(&config, &core, err));
    OK(tl_partial_open(plan, NULL, &partial, err));
    OK(tl_partial_open(plan, NULL, &all, err));
    for (size_t e = 0; e < history->count; e++) {
        struct tl_message message = {history->events[e].offset, history->events[e].log_ms, tl_sv_from(history->events[e].text)};
        struct tl_core_input input = {.messages = &message, .count = 1, .next_offset = message.offset + 1};

        OK(tl_core_push(core, &input, partial, err));
    }
    OK(tl_partial_merge_windows(all, partial, err));
    for (uint32_t v = 0; v < plan->views_count; v++) {
        struct sink sink = {.store = store};
        struct tl_shape shape;

        OK(tl_shape_of(plan, &plan->views[v], &shape, err));
        OK(tl_store_define(store, &shape, &sink.id, err));
        if (all->views[v].window == NULL)
            continue;
        if (!shape.cut_per_key) {
            sink.run = store_run(store, "r");
            OK(tl_window_retire(all->views[v].window, PUBLISHED_MS, stage, &sink, err));
            store_stage_range(store, sink.run, sink.id, 0, PUBLISHED_MS);
            OK(tl_store_publish(store, sink.run, 1, err));
        }
        sink.run = epoch;
        OK(tl_window_retire(all->views[v].window, INT64_MAX, put, &sink, err));
    }
    tl_partial_close(partial);
    tl_partial_close(all);
    tl_core_close(core);
}

/* ---- asking ---- */

struct text {
    struct tl_buf text;
    size_t count; /* of the columns, without _layer and _final unless `all` */
    bool all;
};

static enum tl_code text_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    struct text *t = ctx;

    (void)err;
    t->count = t->all ? count : count - 2;
    for (size_t i = 0; i < t->count; i++)
        tl_buf_printf(&t->text, "%s%.*s", i == 0 ? "" : " ", TL_SV_ARG(columns[i].name));
    tl_buf_put_str(&t->text, "\n");
    return TL_OK;
}

static enum tl_code text_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct text *t = ctx;

    (void)count;
    (void)err;
    for (size_t i = 0; i < t->count; i++) {
        tl_buf_put_str(&t->text, i == 0 ? "" : " ");
        if (values[i].is_null)
            tl_buf_put_str(&t->text, "NULL");
        else if (values[i].kind == TL_STRING)
            tl_buf_put_sv(&t->text, values[i].sv);
        else if (tl_kind_form(values[i].kind) == TL_FORM_F64)
            tl_buf_printf(&t->text, "%.17g", values[i].f64 + 0.0);
        else
            tl_buf_printf(&t->text, "%lld", (long long)values[i].i64);
    }
    tl_buf_put_str(&t->text, "\n");
    return TL_OK;
}

static void start(struct text *t)
{
    *t = (struct text){.all = t->all};
    tl_buf_init(&t->text, 0);
}

static const char *rows_of(struct tl_store *store, struct tl_sv view, bool host)
{
    static struct text t;
    static const struct tl_order orders[] = {
        {{"window_end", 10}, false},
        {{"host", 4},        false}
    };
    struct tl_select select = {
        .view = view, .from_ms = MIN_MS, .to_ms = MAX_MS, .orders = orders, .orders_count = 1u + host, .limit = -1};

    tl_buf_done(&t.text);
    start(&t);
    OK(tl_store_select(store, &select, text_head, text_row, &t, NULL, NULL, err));
    tl_buf_put_u8(&t.text, '\0');
    return t.text.data;
}

static struct tl_rollup rollup_of(struct tl_sv view, int64_t bucket_ms, bool host)
{
    static const struct tl_sv keys[] = {
        {"host", 4}
    };

    return (struct tl_rollup){
        .select = {.view = view, .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1},
        .group_by = keys,
        .group_by_count = host,
        .bucket_ms = bucket_ms
    };
}

static const char *rolled(struct tl_store *store, const struct tl_plan *plan, const struct tl_rollup *asked, bool all)
{
    static struct text t;
    bool more = false;

    tl_buf_done(&t.text);
    t.all = all;
    start(&t);
    OK(tl_rollup_run(store, plan, asked, text_head, text_row, &t, &more, NULL, err));
    tl_buf_put_u8(&t.text, '\0');
    return t.text.data;
}

/* What stands behind the window's bounds. */
static void put_behind(struct tl_buf *out, const char *rows)
{
    struct tl_sv rest = tl_sv_from(rows);

    tl_buf_init(out, 0);
    while (rest.size > 0) {
        struct tl_sv line = tl_sv_cut(&rest, '\n');

        (void)tl_sv_cut(&line, ' ');
        (void)tl_sv_cut(&line, ' ');
        tl_buf_put_sv(out, line);
        tl_buf_put_str(out, "\n");
    }
    tl_buf_put_u8(out, '\0');
}

static const char *const cases[] = {
    "aggregates_bigint", "aggregates_deviation",     "aggregates_distinct", "aggregates_double", "aggregates_int",
    "aggregates_order",  "aggregates_order_of_ties", "aggregates_quantile", "aggregates_text",   "funnel"};

static void each_aggregate_is_that_of_the_larger_window(const struct store_backend *backend)
{
    static const struct {
        const char *window;
        int64_t ms;
    } larger[] = {
        {"'1' MINUTE", 60000 },
        {"'5' MINUTE", 300000}
    };

    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        struct tl_plan *small = plan_of(cases[c], "'1' SECOND", true);
        struct tl_store *store = fresh(backend);
        struct sim_history history = {0};
        int tumbles = 0;

        history_of(cases[c], &history);
        fill_views(store, small, &history);
        for (int k = 0; k < 4; k++) {
            bool host = k % 2 == 0;
            struct tl_plan *large = plan_of(cases[c], larger[k / 2].window, host);
            struct tl_store *other = fresh(backend);

            fill_views(other, large, &history);
            for (uint32_t v = 0; v < large->views_count; v++) {
                struct tl_sv view = large->views[v].name;
                struct tl_rollup asked = rollup_of(view, larger[k / 2].ms, host);
                enum tl_window_kind kind = tl_plan_view(small, view)->window.window;

                if (kind == TL_WINDOW_TUMBLE) {
                    cr_assert_not_null(strchr(strchr(rows_of(other, view, host), 10) + 1, 10));
                    expect(rolled(store, small, &asked, false), rows_of(other, view, host));
                    tumbles++;
                } else if (kind == TL_WINDOW_HOP || kind == TL_WINDOW_CUMULATE) {
                    FAILS(TL_ERR_USAGE, "its windows overlap",
                          tl_rollup_run(store, small, &asked, text_head, text_row, NULL, &(bool){false}, NULL, err));
                } else if (kind == TL_WINDOW_SESSION && larger[k / 2].ms == 300000) {
                    /* Whole, from any beginning: the sessions of all time are the events of the largest window. */
                    struct tl_buf got, want;

                    asked.bucket_ms = 0;
                    put_behind(&want, rows_of(other, large->views[0].name, host));
                    put_behind(&got, rolled(store, small, &asked, false));
                    expect(got.data, want.data);
                    tl_buf_done(&got);
                    tl_buf_done(&want);
                }
            }
            tl_store_close(other);
            tl_plan_close(large);
        }
        cr_assert_geq(tumbles, 4);
        sim_history_done(&history);
        tl_store_close(store);
        tl_plan_close(small);
    }
}

/* ---- what is asked, and what is refused ---- */

static const char table_sql[] =
    "CREATE TABLE events (host STRING, page STRING, ms INT, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, page, COUNT(*) AS n, COUNT(DISTINCT ms) AS d,\n"
    "    CONCAT(host, page) AS place, AVG(ms) * 2 AS twice, UPPER(host) AS loud, window_start AS again\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host, page;\n"
    "CREATE VIEW busy AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host HAVING COUNT(*) > 1;\n"
    "CREATE VIEW top AS SELECT window_start, window_end, SUM(n) AS n FROM hits GROUP BY window_start, window_end;\n"
    "CREATE VIEW counted AS SELECT window_start, window_end, host, COUNT(*) AS n, closed_by\n"
    "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 2, INTERVAL '1' MINUTE))\n"
    "    GROUP BY window_start, window_end, host, closed_by;\n"
    "CREATE VIEW bare AS SELECT event_time, host FROM events;\n";

static void scene(const struct store_backend *backend, struct tl_store **store, struct tl_plan **plan)
{
    static const char *const hosts[] = {"a", "b"}, *const pages[] = {"/", "/it's", "\xc3\xa4"};
    struct sim_history history = {0};
    char text[200];

    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text,
                 "{\"event_time\": \"1970-01-01T00:%02d:%02d.000Z\", \"host\": %s%s%s, \"page\": \"%s\", \"ms\": %d}", i / 6,
                 i % 6 * 10, i % 7 == 0 ? "" : "\"", i % 7 == 0 ? "null" : hosts[i % 2], i % 7 == 0 ? "" : "\"", pages[i % 3],
                 i % 5);
        sim_add(&history, 0, 1 + i, text);
    }
    *store = fresh(backend);
    *plan = sim_plan(table_sql);
    fill_views(*store, *plan, &history);
    sim_history_done(&history);
}

static void keys_buckets_orders(const struct store_backend *backend)
{
    static const struct tl_sv both[] = {
        {"page", 4},
        {"host", 4}
    };
    struct tl_condition where[2] = {
        {TL_SV("host"),    TL_OP_EQ, TL_SV("a")    },
        {TL_SV("_end_ms"), TL_OP_LE, TL_SV("60000")}
    };
    struct tl_order order[] = {
        {TL_SV("n"),    true },
        {TL_SV("page"), false}
    };
    struct tl_rollup asked = rollup_of(TL_SV("hits"), 0, false);
    struct tl_store *store;
    struct tl_plan *plan;
    struct text text = {0};
    bool more = true;

    scene(backend, &store, &plan);
    expect(rolled(store, plan, &asked, true), "window_start window_end n d twice _layer _final\n0 300000 30 5 4 merged 0\n");
    asked.bucket_ms = 60000;
    expect(rolled(store, plan, &asked, true), "window_start window_end n d twice _layer _final\n"
                                              "0 60000 6 5 2 batch 1\n60000 120000 6 5 2 batch 1\n"
                                              "120000 180000 6 5 4 speed 1\n180000 240000 6 5 4 speed 1\n"
                                              "240000 300000 6 5 4 speed 0\n");
    asked.select.layer = TL_LAYER_BATCH;
    asked.select.from_ms = 60000;
    asked.select.to_ms = 100000;
    asked.bucket_ms = 0;
    expect(rolled(store, plan, &asked, true), "window_start window_end n d twice _layer _final\n60000 100000 4 4 4 batch 1\n");
    asked = rollup_of(TL_SV("hits"), 600000, false); /* all of its rows are final, and it may get more */
    asked.select.to_ms = 240000;
    expect(rolled(store, plan, &asked, true), "window_start window_end n d twice _layer _final\n0 600000 24 5 2 merged 0\n");
    asked = rollup_of(TL_SV("hits"), 0, true);
    expect(rolled(store, plan, &asked, true), "window_start window_end host n d twice loud _layer _final\n"
                                              "0 300000 NULL 5 5 4 NULL merged 0\n0 300000 a 12 5 2 A merged 0\n"
                                              "0 300000 b 13 5 4 B merged 0\n");
    asked.group_by = both;
    asked.group_by_count = 2;
    asked.select.conditions = where;
    asked.select.conditions_count = 1;
    asked.select.orders = order;
    asked.select.orders_count = 2;
    asked.select.limit = 2;
    expect(rolled(store, plan, &asked, false), "window_start window_end page host n d place twice loud\n"
                                               "20000 280000 / a 4 4 a/ 4 A\n20000 280000 /it's a 4 4 a/it's 2 A\n");
    OK(tl_rollup_run(store, plan, &asked, text_head, text_row, &text, &more, NULL, err));
    tl_buf_done(&text.text);
    cr_assert(more);
    asked.select.conditions_count = 2;
    asked.select.limit = 9;
    expect(rolled(store, plan, &asked, false), "window_start window_end page host n d place twice loud\n"
                                               "20000 60000 /it's a 1 1 a/it's 8 A\n20000 60000 \xc3\xa4 a 1 1 a\xc3\xa4 4 A\n");
    /* What a time-out closed is counted where it ends. */
    asked = rollup_of(TL_SV("counted"), 300000, true);
    expect(rolled(store, plan, &asked, false), "window_start window_end host n\n0 300000 NULL 4\n0 300000 a 12\n0 300000 b 12\n"
                                               "300000 600000 NULL 1\n300000 600000 b 1\n");
    tl_store_close(store);
    tl_plan_close(plan);
}

static void what_cannot_be_rolled_up(const struct store_backend *backend)
{
    static const struct {
        const char *view, *key, *where, *order, *message, *parameter, *allowed;
        int64_t bucket_ms;
    } refused[] = {
        {"busy",    "host",                        NULL,           NULL,   "it has HAVING",                                                           "group_by", NULL,           0    },
        {"top",     "n",                           NULL,           NULL,   "its rows are made of another view's rows",                                "group_by", NULL,           0    },
        {"bare",    "host",                        NULL,           NULL,   "its rows are events",                                                     "bucket",   NULL,           60000},
        {"hits",    "hots",                        NULL,           NULL,   "'hots' is no key of the view; did you mean 'host'? there are host, page", "group_by",
         "host",                                                                                                                                                                  0    },
        {"hits",    "n",                           NULL,           NULL,   "'n' is no key of the view",                                               "group_by", "host",         0    },
        {"hits",    "'; DROP TABLE tally_run; --", NULL,           NULL,   "is no key of the view",                                                   "group_by", "host",         0    },
        {"counted", "host",                        NULL,           NULL,   "not a span of time",                                                      "bucket",   NULL,           -1   },
        {"hits",    "host",                        NULL,           NULL,   "windows of view 'hits' are of INTERVAL '20' SECOND",                      "bucket",   NULL,           30000},
        {"hits",    "host",                        "n:gt:5",       NULL,   "'n' is no column that rows to be rolled up can be chosen by",             "where",    "window_start",
         60000                                                                                                                                                                         },
        {"hits",    "host",                        "host:gt:\xff", NULL,   "UTF-8",                                                                   "where",    NULL,           60000},
        {"hits",    "host",                        NULL,           "page", "'page' is no column of the roll-up",                                      "order",    "window_start", 60000},
    };
    struct tl_store *store;
    struct tl_plan *plan;
    struct tl_rollup asked;
    struct text text;
    bool more;

    scene(backend, &store, &plan);
    for (size_t i = 0; i < TL_COUNT(refused); i++) {
        struct tl_sv key = tl_sv_from(refused[i].key);
        struct tl_condition condition;
        struct tl_order order = tl_order_read(tl_sv_from(refused[i].order != NULL ? refused[i].order : ""));
        struct tl_refusal refusal;
        struct tl_err err = {.message = ""};

        asked = rollup_of(tl_sv_from(refused[i].view), refused[i].bucket_ms, true);
        asked.group_by = &key;
        if (refused[i].where != NULL)
            cr_assert_eq(tl_condition_read(tl_sv_from(refused[i].where), &condition, NULL, &err), TL_OK);
        asked.select.conditions = &condition;
        asked.select.conditions_count = refused[i].where != NULL;
        asked.select.orders = &order;
        asked.select.orders_count = refused[i].order != NULL;
        cr_assert_eq(tl_rollup_run(store, plan, &asked, text_head, text_row, &text, &more, &refusal, &err), TL_ERR_USAGE,
                     "%s: %s", refused[i].message, err.message);
        cr_assert(strstr(err.message, refused[i].message) != NULL, "'%s' is not in: %s", refused[i].message, err.message);
        cr_assert_str_eq(refusal.parameter, refused[i].parameter);
        cr_assert_eq(refusal.allowed_count > 0, refused[i].allowed != NULL, "%s", refused[i].message);
    }
    asked = rollup_of(TL_SV("hits"), 60000, true);
    asked.select.cursor = TL_SV("AAAA");
    FAILS(TL_ERR_USAGE, "a roll-up has no pages",
          tl_rollup_run(store, plan, &asked, text_head, text_row, &text, &more, NULL, err));
    asked.select.cursor = TL_SV("");
    asked.select.view = TL_SV("nope");
    FAILS(TL_ERR_NOT_FOUND, "there are", tl_rollup_run(store, plan, &asked, text_head, text_row, &text, &more, NULL, err));
    asked.select.view = TL_SV("hits");
    tl_plan_close(plan);
    plan = plan_of("aggregates_int", "'10' SECOND", true);
    FAILS(TL_ERR_DEFINITION, "no definition in the views file",
          tl_rollup_run(store, plan, &asked, text_head, text_row, &text, &more, NULL, err));
    tl_plan_close(plan);
    plan = sim_plan("CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"
                    " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json');\n"
                    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE events,"
                    " DESCRIPTOR(event_time), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, host;");
    FAILS(TL_ERR_DEFINITION, "another definition than the views file",
          tl_rollup_run(store, plan, &asked, text_head, text_row, &text, &more, NULL, err));
    tl_plan_close(plan);
    tl_store_close(store);
}

/* Days of a zone, over a night that shows an hour twice: against a view of a day in that zone. */
static void buckets_lie_on_a_wall_clock(const struct store_backend *backend)
{
    static const char sql[] =
        "SET 'table.local-time-zone' = '%s';\n"
        "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"
        " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
        "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE events,"
        " DESCRIPTOR(event_time), INTERVAL %s)) GROUP BY window_start, window_end, host;";
    static const struct {
        const char *window;
        int64_t ms;
    } larger[] = {
        {"'30' MINUTE", 1800000 },
        {"'1' HOUR",    3600000 },
        {"'1' DAY",     86400000}
    };
    struct tl_arena arena;
    const struct tl_zone *zone;
    struct sim_history history = {0};
    struct tl_plan *small;
    struct tl_store *store = fresh(backend);
    char text[900];

    tl_arena_init(&arena, 4096, 0);
    OK(tl_zone_open(TL_SV("Europe/Berlin"), &arena, &zone, err));
    for (int64_t ms = INT64_C(1761433200000) /* 2025-10-25T23:00Z */; ms < INT64_C(1761433200000) + 6 * 3600000;
         ms += 7 * 60000) {
        char time[TL_TIME_TEXT_BYTES];

        tl_time_to_iso_z(ms, time);
        snprintf(text, sizeof text, "{\"event_time\": \"%s\", \"host\": \"%s\"}", time, ms % 3 == 0 ? "x" : "y");
        sim_add(&history, 0, ms, text);
    }
    snprintf(text, sizeof text, sql, "UTC", "'5' MINUTE");
    small = sim_plan(text);
    fill_views(store, small, &history);
    for (size_t i = 0; i < TL_COUNT(larger); i++) {
        struct tl_rollup asked = rollup_of(TL_SV("hits"), larger[i].ms, true);
        struct tl_store *other = fresh(backend);
        struct tl_plan *large;

        snprintf(text, sizeof text, sql, "Europe/Berlin", larger[i].window);
        large = sim_plan(text);
        fill_views(other, large, &history);
        asked.zone = zone;
        expect(rolled(store, small, &asked, false), rows_of(other, TL_SV("hits"), true));
        tl_plan_close(large);
        tl_store_close(other);
    }
    sim_history_done(&history);
    tl_arena_done(&arena);
    tl_plan_close(small);
    tl_store_close(store);
}

/* What comes out is held in memory. */
Test(rollup, has_a_limit, .fini = store_folder_remove)
{
    struct sim_history history = {0};
    struct tl_rollup asked = rollup_of(TL_SV("hits"), 60000, true);
    const struct tl_sv page = TL_SV("page");
    struct tl_store *store = fresh(&store_sqlite);
    struct tl_plan *plan = sim_plan(table_sql);
    struct text text = {0};
    bool more = false;

    for (int i = 0; i <= TL_ROLLUP_ROWS_MAX; i++) {
        char json[120];

        snprintf(json, sizeof json,
                 "{\"event_time\": \"1970-01-01T00:03:00.%03dZ\", \"host\": \"a\", \"page\": \"/%d\", \"ms\": 1}", i % 1000, i);
        sim_add(&history, 0, 1 + i, json);
    }
    plan->views_count = 1;
    fill_views(store, plan, &history);
    start(&text);
    asked.group_by = &page;
    FAILS(TL_ERR_LIMIT, "more than 100000 rows; a shorter range would do, or a view with APPROX_COUNT_DISTINCT",
          tl_rollup_run(store, plan, &asked, text_head, text_row, &text, &more, NULL, err));
    cr_assert_eq(text.text.size, 0);
    asked.group_by_count = 0;
    expect(rolled(store, plan, &asked, false), "window_start window_end n d twice\n180000 240000 100001 1 2\n");
    tl_buf_done(&text.text);
    sim_history_done(&history);
    tl_plan_close(plan);
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(each_aggregate_is_that_of_the_larger_window),
    CHECK(keys_buckets_orders),
    CHECK(what_cannot_be_rolled_up),
    CHECK(buckets_lie_on_a_wall_clock),
};

STORE_SUITE(rollup)
