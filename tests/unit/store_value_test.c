/* store_value_test.c: values and names go into every kind of store and come back as they were, in order. */
#include <math.h>

#include "support/store_checks.h"

struct value_case {
    char name[24];
    enum tl_kind kind;
    bool is_null, text;
    int64_t i64;
    double f64;
    char sv[24];
    size_t size;
};

static enum tl_code see_value(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    struct tl_value *value = ctx;

    (void)err;
    cr_assert_eq(row->columns_count, 1);
    cr_assert_eq(row->accumulators.size, 0);
    *value = row->columns[0];
    if (value->kind == TL_STRING && !value->is_null) {
        static char kept[64];

        if (value->sv.size > 0)
            memcpy(kept, value->sv.data, value->sv.size);
        value->sv.data = kept;
    }
    return TL_OK;
}

static void came_back(const struct value_case *c, const struct tl_value *got)
{
    cr_assert_eq(got->kind, c->kind, "%s", c->name);
    cr_assert_eq(got->is_null, c->is_null, "%s", c->name);
    if (!c->is_null && tl_kind_form(c->kind) == TL_FORM_I64)
        cr_assert_eq(got->i64, c->i64, "%s", c->name);
    if (!c->is_null && tl_kind_form(c->kind) == TL_FORM_F64)
        cr_assert(got->f64 == c->f64 || (isnan(got->f64) && isnan(c->f64)), "%s: %g", c->name, got->f64);
    if (!c->is_null && tl_kind_form(c->kind) == TL_FORM_TEXT)
        cr_assert(tl_sv_eq(got->sv, (struct tl_sv){c->sv, c->size}), "%s: %.*s", c->name, TL_SV_ARG(got->sv));
}

static enum tl_code queried_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    cr_assert_eq(count, 3);
    cr_assert_neq(columns[0].kind, TL_TIMESTAMP, "times are instants");
    return TL_OK;
}

static enum tl_code queried_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    const struct value_case *c = ctx;

    (void)err;
    cr_assert_eq(count, 3);
    cr_assert_eq(values[0].is_null, c->is_null);
    if (c->kind == TL_TIMESTAMP && !c->is_null)
        cr_assert_eq(values[0].i64, c->i64);
    return TL_OK;
}

static void stage(struct tl_store *store, int64_t id, const struct tl_rows *rows)
{
    int64_t run = store_run(store, "nightly");

    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, id, rows, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 5, err));
}

static void every_kind_of_value_comes_back(const struct store_backend *backend)
{
    static struct value_case cases[] = {
        {"true",           TL_BOOLEAN,     .i64 = 1                            },
        {"false",          TL_BOOLEAN,     .i64 = 0                            },
        {"tinyint",        TL_TINYINT,     .i64 = -128                         },
        {"smallint",       TL_SMALLINT,    .i64 = 32767                        },
        {"int",            TL_INT,         .i64 = INT32_MIN                    },
        {"bigint min",     TL_BIGINT,      .i64 = INT64_MIN                    },
        {"bigint max",     TL_BIGINT,      .i64 = INT64_MAX                    },
        {"float",          TL_FLOAT,       .f64 = 0.100000001490116119384765625},
        {"double",         TL_DOUBLE,      .f64 = 0.1                          },
        {"whole double",   TL_DOUBLE,      .f64 = 1e15                         },
        {"large double",   TL_DOUBLE,      .f64 = 1.7976931348623157e308       },
        {"denormal",       TL_DOUBLE,      .f64 = 4.9406564584124654e-324      },
        {"infinity",       TL_DOUBLE,      .f64 = INFINITY                     },
        {"minus infinity", TL_DOUBLE,      .f64 = -INFINITY                    },
        {"nan",            TL_DOUBLE,      .f64 = NAN                          },
        {"nan float",      TL_FLOAT,       .f64 = NAN                          },
        {"text",           TL_STRING,      .sv = "a'b\"c \xf0\x9f\x98\x80",      .size = 10},
        {"empty text",                TL_STRING,                   .sv = "",                               .size = 0},
        {"digits",       TL_STRING,                     .sv = "0012",                    .size = 4},
        {"the word NaN",    TL_STRING,.sv = "NaN",      .size = 3},
        {"timestamp",    TL_TIMESTAMP,                   .i64 = -1                                        },
        {"instant",      TL_TIMESTAMP_LTZ,     .i64 = INT64_C(1431856800123)             },
        {"no number",        TL_BIGINT, .is_null = true   },
        {"no double",      TL_DOUBLE,    .is_null = true                        },
        {"no text",      TL_STRING,      .is_null = true                       },
        {"no time",        TL_TIMESTAMP,        .is_null = true                       },
        {"no truth",        TL_BOOLEAN,   .is_null = true                },
    };
    struct tl_store *store = fresh(backend);
    int64_t epoch = store_epoch(store), change;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct value_case *c = &cases[i];
        struct tl_shape_column column = {TL_SV("x"), c->kind, TL_ROLE_VALUE};
        char view[32];
        struct tl_shape shape = store_windowed(view, 'a');
        int64_t start = 0, end = 10, id, i64 = c->i64;
        double f64 = c->f64;
        struct tl_sv key = TL_SV("k"), accumulators = {NULL, 0}, sv = {c->sv, c->size};
        uint8_t null = c->is_null;
        struct tl_vec vec = {.kind = c->kind, .null = &null};
        struct tl_rows rows = {
            .count = 1, .start_ms = &start, .end_ms = &end, .key = &key, .accumulators = &accumulators, .columns = &vec};
        struct tl_query query = {.layer = TL_LAYER_MERGED, .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};
        struct tl_value got = {.kind = TL_NULL};

        if (tl_kind_form(c->kind) == TL_FORM_TEXT)
            vec.sv = &sv;
        else if (tl_kind_form(c->kind) == TL_FORM_F64)
            vec.f64 = &f64;
        else
            vec.i64 = &i64;
        snprintf(view, sizeof view, "v%zu", i);
        shape.view = query.view = tl_sv_from(view);
        shape.columns = &column;
        shape.columns_count = 1;
        id = define(store, shape);
        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_put_speed_rows(store, id, &rows, change, err));
        OK(tl_store_commit(store, err));
        OK(tl_store_rows(store, id, TL_LAYER_SPEED, MIN_MS, MAX_MS, see_value, &got, err));
        came_back(c, &got);
        OK(tl_store_query(store, &query, queried_head, queried_row, c, err));
        stage(store, id, &rows);
        OK(tl_store_rows(store, id, TL_LAYER_BATCH, MIN_MS, MAX_MS, see_value, &got, err));
        came_back(c, &got);
    }
    tl_store_close(store);
}

enum { MANY = 200 };

static enum tl_code see_many(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    (void)err;
    cr_assert_eq(row->columns_count, MANY);
    for (uint32_t i = 0; i < MANY; i++)
        cr_assert_eq(row->columns[i].i64, row->start_ms * 1000 + i);
    ++*(int *)ctx;
    return TL_OK;
}

static void many_columns(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("wide", 'a');
    static struct tl_shape_column columns[MANY];
    static char names[MANY][8];
    static struct tl_vec vecs[MANY];
    static int64_t numbers[MANY][2];
    int64_t start[2] = {1, 0}, end[2] = {10, 10};
    uint8_t null[2] = {0};
    struct tl_sv keys[2] = {TL_SV("k"), TL_SV("k")};
    struct tl_rows rows = {.count = 2, .start_ms = start, .end_ms = end, .key = keys, .columns = vecs};
    int count = 0;
    int64_t id;

    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "x%u", i);
        columns[i] = (struct tl_shape_column){tl_sv_from(names[i]), TL_BIGINT, TL_ROLE_VALUE};
        for (int row = 0; row < 2; row++)
            numbers[i][row] = start[row] * 1000 + i;
        vecs[i] = (struct tl_vec){.kind = TL_BIGINT, .null = null, .i64 = numbers[i]};
    }
    shape.columns = columns;
    shape.columns_count = MANY;
    id = define(store, shape);
    stage(store, id, &rows);
    OK(tl_store_rows(store, id, TL_LAYER_BATCH, MIN_MS, MAX_MS, see_many, &count, err));
    cr_assert_eq(count, 2);
    tl_store_close(store);
}

static void names_are_quoted(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("select \"x\"; DROP TABLE tally_run; --", 'a');
    struct tl_shape_column columns[4];
    int64_t id, epoch = store_epoch(store);

    memcpy(columns, shape.columns, sizeof columns);
    columns[2].name = TL_SV("group \"by\"");
    columns[3].name = TL_SV("order");
    shape.columns = columns;
    id = define(store, shape);
    store_put_speed(store, epoch, id, 0, 10, "it's", 1);
    expect(store_answer(store, "select \"x\"; DROP TABLE tally_run; --", TL_LAYER_MERGED, MIN_MS, MAX_MS),
           "0 10 it's 1 speed 0\n");
    tl_store_close(store);
}

static void names_that_cannot_stand_side_by_side(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("hits", 'a'), other;
    struct tl_shape_column columns[4];
    int64_t id = 0;

    OK(tl_store_define(store, &shape, &id, err));
    other = store_windowed("hits_state", 'b');
    OK(tl_store_define(store, &other, &id, err)); /* a view of TUMBLE has no such table */
    other = store_sessions("HITS", 'b', 0);
    FAILS(TL_ERR_DEFINITION, "already has something named", tl_store_define(store, &other, &id, err));
    other = store_windowed("HITS_speed", 'b');
    FAILS(TL_ERR_DEFINITION, "already has something named", tl_store_define(store, &other, &id, err));
    other = store_windowed("tally_run", 'b');
    FAILS(TL_ERR_DEFINITION, "the store's own", tl_store_define(store, &other, &id, err));
    other = store_windowed("more", 'b');
    memcpy(columns, other.columns, sizeof columns);
    other.columns = columns;
    columns[3].name = TL_SV("HOST");
    FAILS(TL_ERR_DEFINITION, "upper and lower case", tl_store_define(store, &other, &id, err));
    columns[3].name = TL_SV("_Layer");
    FAILS(TL_ERR_DEFINITION, "_Layer", tl_store_define(store, &other, &id, err));
    columns[3].name = TL_SV("_ms_host");
    columns[2].kind = TL_TIMESTAMP;
    FAILS(TL_ERR_DEFINITION, "milliseconds of 'host'", tl_store_define(store, &other, &id, err));
    columns[2].kind = TL_STRING;
    OK(tl_store_define(store, &other, &id, err));
    tl_store_close(store);
}

static enum tl_code count_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    (void)values;
    (void)count;
    (void)err;
    ++*(int64_t *)ctx;
    return TL_OK;
}

static void answers_are_sorted_and_limited(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store);
    struct tl_query query = {.view = TL_SV("hits"), .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};

    store_put_speed(store, epoch, id, 10, 20, "z", 1);
    store_put_speed(store, epoch, id, 10, 20, "\xc3\xa4", 1);
    store_put_speed(store, epoch, id, 0, 20, "q", 1);
    store_put_speed(store, epoch, id, 10, 20, "B", 1);
    store_put_speed(store, epoch, id, 0, 10, "zz", 1);
    expect(MERGED(store, "hits"),
           "0 10 zz 1 speed 0\n0 20 q 1 speed 0\n10 20 B 1 speed 0\n10 20 z 1 speed 0\n10 20 \xc3\xa4 1 speed 0\n");
    for (query.limit = 0; query.limit < 7; query.limit++) {
        int64_t rows = 0;

        OK(tl_store_query(store, &query, any_head, count_row, &rows, err));
        cr_assert_eq(rows, query.limit < 5 ? query.limit : 5);
    }
    query.view = TL_SV("nope");
    FAILS(TL_ERR_NOT_FOUND, "there are: hits", tl_store_query(store, &query, any_head, count_row, NULL, err));
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(every_kind_of_value_comes_back),
    CHECK(many_columns),
    CHECK(names_are_quoted),
    CHECK(names_that_cannot_stand_side_by_side),
    CHECK(answers_are_sorted_and_limited),
};

STORE_SUITE(store_value)
