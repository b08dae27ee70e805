/* derivation_test.c: rows of a view on a view come out of the inner rows of their layer, and differ by the inner units that feed them. */
#include "serving/derivation.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "core/function.h"
#include "sql/shape.h"
#include "support/store_fixture.h"

/* Both views have the columns window_start, window_end, host and hits. */
static const char sql[] =
    "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"
    " WITH ('connector' = 'kafka', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"
    "CREATE VIEW inner_hits AS SELECT window_start, window_end, host, COUNT(*) AS hits"
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '0.010' SECOND)) GROUP BY window_start, window_end, host;"
    "CREATE VIEW outer_hits AS SELECT window_start, window_end, MAX(host) AS host, SUM(hits) AS hits FROM inner_hits"
    " WHERE host <> 'x' GROUP BY window_start, window_end;";

enum { INNER, OUTER, VIEWS };

struct row {
    int view;
    int64_t start_ms;
    char host[4];
    int64_t hits; /* 0: the end of the list */
};

struct derivation_case {
    char name[64];
    struct row speed[6], batch[6];
    char want
        [96]; /* of each outer unit: its start, '+' or '-' whether speed's and batch's rows come out, and how many inner units feed it */
};

ParameterizedTestParameters(derivation, prove)
{
    static struct derivation_case cases[] = {
        {"what differs below",
         {{INNER, 0, "a", 1}, {INNER, 0, "b", 2}, {OUTER, 0, "b", 3}},
         {{INNER, 0, "a", 1}, {INNER, 0, "b", 5}, {OUTER, 0, "b", 6}},
         "0++1 "                                                                                                                                        },
        {"two of one window, and none of another",
         {{INNER, 0, "a", 1}, {OUTER, 0, "a", 1}, {INNER, 10, "a", 1}, {OUTER, 10, "a", 1}},
         {{INNER, 0, "a", 2}, {INNER, 0, "b", 5}, {OUTER, 0, "b", 7}, {INNER, 10, "a", 1}, {OUTER, 10, "a", 1}},
         "0++2 "                                                                                                                                        },
        {"what the filter keeps away feeds nothing",
         {{INNER, 0, "a", 1}, {INNER, 0, "x", 2}, {OUTER, 0, "a", 1}},
         {{INNER, 0, "a", 2}, {INNER, 0, "x", 9}, {OUTER, 0, "a", 2}},
         "0++1 "                                                                                                                                        },
        {"a forged row",                             {{INNER, 0, "a", 1}, {OUTER, 0, "a", 9}}, {{INNER, 0, "a", 1}, {OUTER, 0, "a", 1}},   "0-+0 "      },
        {"one beside a difference",                  {{INNER, 0, "a", 1}, {OUTER, 0, "a", 1}}, {{INNER, 0, "a", 2}, {OUTER, 0, "a", 3}},   "0+-1 "      },
        {"one less",                                 {{INNER, 0, "a", 1}},                     {{INNER, 0, "a", 1}, {OUTER, 0, "a", 1}},   "0-+0 "      },
        {"one more",                                 {{OUTER, 0, "a", 1}},                     {{INNER, 10, "a", 1}, {OUTER, 10, "a", 1}}, "0-+0 10++1 "},
    };

    return cr_make_param_array(struct derivation_case, cases, sizeof cases / sizeof *cases);
}

struct scene {
    struct tl_plan *plan;
    struct tl_shape shapes[VIEWS];
    struct tl_store *store;
    int64_t definitions[VIEWS];
    int64_t epoch, run;
};

static void scene_open(struct scene *s)
{
    char url[512];

    memset(s, 0, sizeof *s);
    OK(tl_plan_parse(tl_sv_from(sql), "test", tl_function_catalog(), &s->plan, err));
    store_sqlite.url(url);
    s->store = store_open(url, TL_STORE_WRITE);
    for (int v = 0; v < VIEWS; v++) {
        OK(tl_shape_of(s->plan, &s->plan->views[v], &s->shapes[v], err));
        OK(tl_store_define(s->store, &s->shapes[v], &s->definitions[v], err));
    }
    s->epoch = store_epoch(s->store);
    s->run = store_run(s->store, "test");
}

static void scene_close(struct scene *s)
{
    tl_store_close(s->store);
    tl_plan_close(s->plan);
}

static void put(const struct scene *s, enum tl_side side, const struct row *row)
{
    struct tl_value host = {.kind = TL_STRING, .sv = tl_sv_from(row->host)};
    struct tl_sv key, accumulators = {"", 0}, hosts[1] = {host.sv};
    int64_t start_ms = row->start_ms, end_ms = row->start_ms + 10, hits = row->hits, change;
    uint8_t null[1] = {0};
    struct tl_vec columns[4] = {
        {.kind = TL_TIMESTAMP, .null = null, .i64 = &start_ms},
        {.kind = TL_TIMESTAMP, .null = null, .i64 = &end_ms  },
        {.kind = TL_STRING,    .null = null, .sv = hosts     },
        {.kind = TL_BIGINT,    .null = null, .i64 = &hits    }
    };
    struct tl_rows rows = {
        .count = 1, .start_ms = &start_ms, .end_ms = &end_ms, .key = &key, .accumulators = &accumulators, .columns = columns};
    struct tl_buf bytes;

    tl_buf_init(&bytes, 0);
    if (row->view == INNER) /* the outer view has no keys */
        tl_value_put_key(&bytes, &host);
    key = tl_buf_sv(&bytes);
    if (side == TL_SIDE_SPEED) {
        OK(tl_store_begin_tick(s->store, s->epoch, &change, err));
        OK(tl_store_put_speed_rows(s->store, s->definitions[row->view], &rows, change, err));
    } else {
        OK(tl_store_begin(s->store, err));
        OK(tl_store_stage_rows(s->store, s->run, s->definitions[row->view], &rows, err));
    }
    OK(tl_store_commit(s->store, err));
    tl_buf_done(&bytes);
}

static void compare_both(const struct scene *s, struct tl_compare *compare)
{
    struct tl_compare_counts counts = {0};

    for (uint32_t v = 0; v < VIEWS; v++) {
        struct tl_compare_range range = {.view = v,
                                         .plan_view = &s->plan->views[v],
                                         .shape = &s->shapes[v],
                                         .definition = s->definitions[v],
                                         .boundary_ms = 100,
                                         .from_ms = INT64_MIN,
                                         .to_ms = 100,
                                         .asked_ms = INT64_MIN,
                                         .floor_ms = INT64_MIN};

        OK(tl_compare_view(compare, s->store, &range, &counts, err));
    }
}

static void describe(const struct tl_compare *compare, struct tl_buf *out)
{
    for (uint32_t u = 0; u < tl_compare_units(compare); u++) {
        struct tl_unit *unit = tl_compare_unit(compare, u);
        int inners = 0;

        if (unit->view != OUTER)
            continue;
        for (const struct tl_unit_link *link = unit->inners; link != NULL; link = link->next_inner) {
            cr_assert_eq(link->outer, unit);
            cr_assert_eq(link->inner->view, INNER);
            cr_assert_eq(link->inner->start_ms, unit->start_ms);
            inners++;
        }
        tl_unit_conclude_rows(unit);
        tl_buf_printf(out, "%lld%c%c%d ", (long long)unit->start_ms, unit->agrees[TL_SIDE_SPEED] ? '+' : '-',
                      unit->agrees[TL_SIDE_BATCH] ? '+' : '-', inners);
    }
    tl_buf_put_u8(out, '\0');
}

ParameterizedTest(struct derivation_case *c, derivation, prove, .fini = store_folder_remove)
{
    struct tl_derivation derivation;
    struct tl_compare compare;
    struct scene s;
    struct tl_buf found;

    scene_open(&s);
    for (int i = 0; i < 6 && c->speed[i].hits != 0; i++)
        put(&s, TL_SIDE_SPEED, &c->speed[i]);
    for (int i = 0; i < 6 && c->batch[i].hits != 0; i++)
        put(&s, TL_SIDE_BATCH, &c->batch[i]);
    for (int v = 0; v < VIEWS; v++)
        store_stage_range(s.store, s.run, s.definitions[v], INT64_MIN, 100);
    OK(tl_store_publish(s.store, s.run, 1, err));
    tl_compare_init(&compare, 0);
    compare_both(&s, &compare);
    derivation = (struct tl_derivation){
        .plan = s.plan,
        .store = s.store,
        .compare = &compare,
        .shapes = (const struct tl_shape *const[]){&s.shapes[INNER], &s.shapes[OUTER]},
        .definitions = s.definitions
    };
    OK(tl_derivation_prove(&derivation, err));
    tl_buf_init(&found, 0);
    describe(&compare, &found);
    cr_assert_str_eq(found.data, c->want, "%s: %s", c->name, found.data);
    tl_buf_done(&found);
    tl_compare_done(&compare);
    scene_close(&s);
}
