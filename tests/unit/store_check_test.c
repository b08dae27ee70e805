/* store_check_test.c: figures of staged rows, results of checks and what is kept back, in every kind of store. */
#include <math.h>

#include "store/store_check.h"
#include "support/store_checks.h"

/* ---- figures ---- */

enum { HOST = 2, HITS = 3 };
static const uint32_t host[] = {HOST}, hits_column[] = {HITS};

static double figure(struct tl_store *store, int64_t id, int64_t run, int64_t from_ms, int64_t to_ms, struct tl_figure figure)
{
    double value = -7;

    OK(tl_store_figures(store, id, run, from_ms, to_ms, &figure, 1, &value, err));
    return value;
}

static void figures_of_a_range(const struct store_backend *backend)
{
    static const struct tl_value allowed[] = {
        {.kind = TL_STRING, .sv = {"a", 1}   },
        {.kind = TL_STRING, .sv = {"it's", 4}}
    };
    const struct tl_figure all[] = {
        {TL_FIGURE_ROWS,   NULL,        0, NULL,    0},
        {TL_FIGURE_ALIKE,  host,        1, NULL,    0},
        {TL_FIGURE_SUM,    hits_column, 1, NULL,    0},
        {TL_FIGURE_NULLS,  host,        1, NULL,    0},
        {TL_FIGURE_LATEST, NULL,        0, NULL,    0},
        {TL_FIGURE_OTHERS, host,        1, allowed, 2},
        {TL_FIGURE_OTHERS, host,        1, NULL,    0},
    };
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "one"), other = store_run(store, "other");
    double got[TL_COUNT(all)];

    store_stage(store, run, id, 0, 10, "before", 1);
    store_stage(store, run, id, 5, 15, "a", 3);
    store_stage(store, run, id, 5, 15, "it's", 4);
    store_stage(store, run, id, 10, 20, "b", INT64_MAX);
    store_stage(store, run, id, 15, 20, "c", INT64_MAX);
    store_stage(store, run, id, 20, 30, "behind", 1);
    store_stage(store, other, id, 5, 15, "a", 100);
    OK(tl_store_figures(store, id, run, 10, 20, all, TL_COUNT(all), got, err));
    cr_assert_eq(got[0], 4);
    cr_assert_eq(got[1], 0);
    cr_assert_float_eq(got[2], 2 * 9223372036854775807.0, 4096, "%g: no overflow", got[2]);
    cr_assert_eq(got[3], 0);
    cr_assert_eq(got[4], 20);
    cr_assert_eq(got[5], 2);
    cr_assert_eq(got[6], 4);
    OK(tl_store_figures(store, id, run, 30, 40, all, TL_COUNT(all), got, err));
    cr_assert_eq(got[0], 0);
    cr_assert_eq(got[2], 0);
    cr_assert_eq(got[4], -INFINITY);
    tl_store_close(store);
}

/* Sessions that end at the range's end belong to the next; events without a window are told by their time. */
static void figures_where_ranges_hold_their_beginning(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t sessions = define(store, store_sessions("visits", 'a', 0)), run = store_run(store, "one");
    int64_t events = define(store, store_windowless("bots", 'b'));
    static const uint32_t url_column[] = {1};
    struct store_rows rows;

    store_stage(store, run, sessions, 5, 10, "a", 1);
    store_stage(store, run, sessions, 6, 20, "a", 1);
    cr_assert_eq(figure(store, sessions, run, 10, 20, (struct tl_figure){.kind = TL_FIGURE_ROWS}), 1);
    cr_assert_eq(figure(store, sessions, run, 10, 20, (struct tl_figure){.kind = TL_FIGURE_LATEST}), 10);
    store_rows_init(&rows, false, 8);
    store_rows_add_event(&rows, 10, 0, 1, "/x");
    store_rows_add_event(&rows, 11, 0, 2, "/x");
    store_rows_add_event(&rows, 12, 0, 3, "/y");
    store_rows_add_event(&rows, 20, 0, 4, "/x");
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, events, &rows.rows, err));
    OK(tl_store_commit(store, err));
    cr_assert_eq(figure(store, events, run, 10, 20, (struct tl_figure){.kind = TL_FIGURE_ROWS}), 3);
    cr_assert_eq(figure(store, events, run, 10, 20, (struct tl_figure){TL_FIGURE_ALIKE, url_column, 1, NULL, 0}), 1);
    cr_assert_eq(figure(store, events, run, 10, 21, (struct tl_figure){TL_FIGURE_ALIKE, url_column, 1, NULL, 0}), 2);
    store_rows_done(&rows);
    tl_store_close(store);
}

/* Several rows of one window, told apart by their keys only. */
static void stage_value(struct tl_store *store, int64_t run, int64_t id, int64_t end_ms, const char *key, struct tl_vec *vec)
{
    int64_t start_ms = end_ms - 10;
    struct tl_sv name = {key, strlen(key)}, none = {NULL, 0};
    struct tl_rows rows = {
        .count = 1, .start_ms = &start_ms, .end_ms = &end_ms, .key = &name, .accumulators = &none, .columns = vec};

    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, id, &rows, err));
    OK(tl_store_commit(store, err));
}

static int64_t one_column(struct tl_store *store, const char *view, enum tl_kind kind)
{
    struct tl_shape shape = store_windowed(view, 'a');
    struct tl_shape_column column = {TL_SV("x"), kind, TL_ROLE_VALUE};

    shape.columns = &column;
    shape.columns_count = 1;
    return define(store, shape);
}

static void sums_of_numbers_that_are_none(const struct store_backend *backend)
{
    static const struct {
        const char *name;
        double values[4], want;
    } cases[] = {
        {"small", {0.5, -2, 4096, 0},                                     4094.5   },
        {"nan",   {1, NAN, INFINITY, 0},                                  NAN      },
        {"inf",   {1, INFINITY, -3, 0},                                   INFINITY },
        {"minus", {1, -INFINITY, 3, 0},                                   -INFINITY},
        {"both",  {INFINITY, -INFINITY, 3, 0},                            NAN      },
        {"large", {1.7976931348623157e308, 1.7976931348623157e308, 1, 0}, INFINITY },
    };
    static const enum tl_kind kinds[] = {TL_DOUBLE, TL_FLOAT};
    static const uint32_t column[] = {0};
    struct tl_store *store = fresh(backend);
    char view[32];

    for (size_t k = 0; k < TL_COUNT(kinds); k++) {
        for (size_t c = 0; c < TL_COUNT(cases); c++) {
            int64_t id, run = store_run(store, cases[c].name);
            double got;

            snprintf(view, sizeof view, "v%zu_%zu", k, c);
            id = one_column(store, view, kinds[k]);
            for (size_t i = 0; i < 4; i++) {
                double value = kinds[k] == TL_FLOAT ? (double)(float)cases[c].values[i] : cases[c].values[i];
                uint8_t null = i == 3;
                struct tl_vec vec = {.kind = kinds[k], .null = &null, .f64 = &value};

                stage_value(store, run, id, 10, (const char *[]){"a", "b", "c", "d"}[i], &vec);
            }
            got = figure(store, id, run, 0, 10, (struct tl_figure){TL_FIGURE_SUM, column, 1, NULL, 0});
            cr_assert(got == cases[c].want || (isnan(got) && isnan(cases[c].want)), "%s: %g", cases[c].name, got);
            cr_assert_eq(figure(store, id, run, 0, 10, (struct tl_figure){TL_FIGURE_NULLS, column, 1, NULL, 0}), 1);
        }
    }
    tl_store_close(store);
}

static void rows_that_are_alike(const struct store_backend *backend)
{
    static const uint32_t column[] = {0};
    struct tl_store *store = fresh(backend);
    int64_t id = one_column(store, "v", TL_DOUBLE), run = store_run(store, "one");
    double values[] = {1, 1, 1, NAN, NAN, 0, 0};
    const struct tl_figure alike = {TL_FIGURE_ALIKE, column, 1, NULL, 0};

    for (size_t i = 0; i < TL_COUNT(values); i++) {
        uint8_t null = i >= 5;
        struct tl_vec vec = {.kind = TL_DOUBLE, .null = &null, .f64 = &values[i]};
        char key[2] = {(char)('a' + i), '\0'};

        stage_value(store, run, id, 10, key, &vec);
        if (i == 0)
            stage_value(store, run, id, 20, "another window", &vec);
    }
    cr_assert_eq(figure(store, id, run, 0, 20, alike), 3, "two more of 1 and one more NaN; NULL is like none");
    tl_store_close(store);
}

static void every_kind_of_allowed_value(const struct store_backend *backend)
{
    static const struct {
        enum tl_kind kind;
        int64_t i64;
        double f64;
        const char *sv;
        struct tl_value allowed;
    } cases[] = {
        {TL_BOOLEAN,       1,             0,            NULL,             {.kind = TL_BOOLEAN, .i64 = 1}                   },
        {TL_TINYINT,       -128,          0,            NULL,             {.kind = TL_TINYINT, .i64 = -128}                },
        {TL_BIGINT,        INT64_MIN,     0,            NULL,             {.kind = TL_BIGINT, .i64 = INT64_MIN}            },
        {TL_BIGINT,        INT64_MAX,     0,            NULL,             {.kind = TL_BIGINT, .i64 = INT64_MAX}            },
        {TL_DOUBLE,        0,             0.1,          NULL,             {.kind = TL_DOUBLE, .f64 = 0.1}                  },
        {TL_FLOAT,         0,             (double)0.1f, NULL,             {.kind = TL_FLOAT, .f64 = (double)0.1f}          },
        {TL_STRING,        0,             0,            "a 'b' \\ \"c\"", {.kind = TL_STRING, .sv = {"a 'b' \\ \"c\"", 11}}},
        {TL_TIMESTAMP_LTZ, 1431856800123, 0,            NULL,             {.kind = TL_TIMESTAMP_LTZ, .i64 = 1431856800123} },
    };
    static const uint32_t column[] = {0};
    struct tl_store *store = fresh(backend);
    char view[32];

    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        int64_t id, run = store_run(store, "one"), i64 = cases[c].i64;
        struct tl_sv sv = cases[c].sv != NULL ? tl_sv_from(cases[c].sv) : (struct tl_sv){NULL, 0};
        double f64 = cases[c].f64;
        uint8_t null = 0;
        struct tl_vec vec = {.kind = cases[c].kind, .null = &null};
        struct tl_value other = cases[c].allowed;

        if (tl_kind_form(cases[c].kind) == TL_FORM_TEXT)
            vec.sv = &sv, other.sv = TL_SV("x");
        else if (tl_kind_form(cases[c].kind) == TL_FORM_F64)
            vec.f64 = &f64, other.f64 = 7;
        else
            vec.i64 = &i64, other.i64 = 0;
        snprintf(view, sizeof view, "v%zu", c);
        id = one_column(store, view, cases[c].kind);
        stage_value(store, run, id, 10, "k", &vec);
        cr_assert_eq(figure(store, id, run, 0, 10, (struct tl_figure){TL_FIGURE_OTHERS, column, 1, &cases[c].allowed, 1}), 0,
                     "case %zu", c);
        cr_assert_eq(figure(store, id, run, 0, 10, (struct tl_figure){TL_FIGURE_OTHERS, column, 1, &other, 1}), 1, "case %zu", c);
    }
    tl_store_close(store);
}

/* ---- results ---- */

static enum tl_code see_check(void *ctx, const struct tl_stored_check *check, struct tl_err *err)
{
    const struct tl_check_result *r = &check->result;
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "%.*s %.*s %lld (%lld,%lld] %.*s %.*s %d %llu %g [%g,%g] '%.*s'%s kept %d", TL_SV_ARG(r->view),
                  TL_SV_ARG(r->check), (long long)r->run, (long long)r->from_ms, (long long)r->to_ms, TL_SV_ARG(r->violation),
                  TL_SV_ARG(r->measure), r->passed, (unsigned long long)r->violations_count, r->measured, r->low, r->high,
                  TL_SV_ARG(r->detail), check->newest ? " newest" : "", (int)check->kept);
    if (check->accepted.size > 0)
        tl_buf_printf(text, " accepted %.*s by %.*s: %.*s", TL_SV_ARG(check->accepted), TL_SV_ARG(check->who),
                      TL_SV_ARG(check->reason));
    tl_buf_put_u8(text, '\n');
    return TL_OK;
}

static void expect_checks(struct tl_store *store, const char *view, int64_t run, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_checks(store, tl_sv_from(view), run, see_check, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, want, "got:\n%swant:\n%s", text.data, want);
    tl_buf_done(&text);
}

static struct tl_check_result result_of(int64_t run, int64_t id, int64_t from_ms, const char *check, double measured)
{
    return (struct tl_check_result){.run = run,
                                    .definition = id,
                                    .from_ms = from_ms,
                                    .to_ms = from_ms + 10,
                                    .check = tl_sv_from(check),
                                    .violation = TL_SV("fail update"),
                                    .measure = TL_SV("ROW_COUNT"),
                                    .passed = measured >= 5,
                                    .violations_count = measured >= 5 ? 0 : 1,
                                    .measured = measured,
                                    .low = 5,
                                    .high = INFINITY,
                                    .detail = TL_SV("")};
}

static void put(struct tl_store *store, struct tl_check_result result)
{
    OK(tl_store_begin(store, err));
    OK(tl_store_put_check_results(store, &result, 1, err));
    OK(tl_store_commit(store, err));
}

static void stage_empty(struct tl_store *store, int64_t run, int64_t id, int64_t from_ms)
{
    store_stage_range(store, run, id, from_ms, from_ms + 10);
}

static void results_come_back(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "1"), second;
    struct tl_check_result nothing = result_of(run, id, 0, "fresh", NAN);
    bool found = true;
    double measured = 0;

    stage_empty(store, run, id, 0);
    stage_empty(store, run, id, 10);
    put(store, result_of(run, id, 0, "volume", 3));
    put(store, result_of(run, id, 0, "volume", 7)); /* judged anew */
    put(store, result_of(run, id, 10, "volume", 9));
    nothing.low = -INFINITY;
    nothing.detail = TL_SV("no rows");
    nothing.measure = TL_SV("FRESHNESS");
    put(store, nothing);
    expect_checks(store, "", 0, ""); /* staged: seen by nobody */
    OK(tl_store_publish(store, run, 5, err));
    expect_checks(store, "hits", 0,
                  "hits fresh 1 (0,10] fail update FRESHNESS 0 1 nan [-inf,inf] 'no rows' newest kept 0\n"
                  "hits volume 1 (10,20] fail update ROW_COUNT 1 0 9 [5,inf] '' newest kept 0\n"
                  "hits volume 1 (0,10] fail update ROW_COUNT 1 0 7 [5,inf] '' newest kept 0\n");
    second = store_run(store, "2");
    stage_empty(store, second, id, 0);
    put(store, result_of(second, id, 0, "volume", 8));
    OK(tl_store_publish(store, second, 5, err));
    expect_checks(store, "", 1,
                  "hits fresh 1 (0,10] fail update FRESHNESS 0 1 nan [-inf,inf] 'no rows' kept 0\n"
                  "hits volume 1 (10,20] fail update ROW_COUNT 1 0 9 [5,inf] '' newest kept 0\n"
                  "hits volume 1 (0,10] fail update ROW_COUNT 1 0 7 [5,inf] '' kept 0\n");
    expect_checks(store, "other", 0, "");
    OK(tl_store_measured(store, id, second, 0, TL_SV("ROW_COUNT"), &found, &measured, err));
    cr_assert(found && measured == 8);
    OK(tl_store_measured(store, id, run, 0, TL_SV("FRESHNESS"), &found, &measured, err));
    cr_assert_not(found);
    tl_store_close(store);
}

static enum tl_code count_failed(void *ctx, const struct tl_check_result *result, struct tl_err *err)
{
    (void)result;
    (void)err;
    ++*(int *)ctx;
    return TL_OK;
}

/* Of a run that was killed and is gone on with: for other views, or up to another end. */
static void what_was_found_goes_with_what_was_staged(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "killed");
    int count = 0;

    stage_empty(store, run, id, 0);
    stage_empty(store, run, id, 10);
    put(store, result_of(run, id, 0, "volume", 3));
    put(store, result_of(run, id, 10, "volume", 3));
    OK(tl_store_unstage(store, run, id, 10, 20, err));
    OK(tl_store_failed_checks(store, run, count_failed, &count, err));
    cr_assert_eq(count, 1);
    OK(tl_store_discard_staged(store, err));
    OK(tl_store_failed_checks(store, run, count_failed, &count, err));
    cr_assert_eq(count, 1);
    tl_store_close(store);
}

/* ---- what belongs together ---- */

static void stage_carry(struct tl_store *store, int64_t run, int64_t id, int64_t from_ms, int64_t to_ms, const char *carry)
{
    struct tl_run_range range = {.run = run, .from_ms = from_ms, .to_ms = to_ms, .carry = tl_sv_from(carry)};

    OK(tl_store_begin(store, err));
    OK(tl_store_stage_range(store, id, &range, err));
    OK(tl_store_commit(store, err));
}

static enum tl_code see_staged(void *ctx, const struct tl_staged_range *range, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "(%lld,%lld]%s%s%s\n", (long long)range->from_ms, (long long)range->to_ms,
                  range->next_needs_it ? " next needs it" : "", range->needs_next ? " needs next" : "",
                  range->published ? " published" : "");
    return TL_OK;
}

static void expect_staged(struct tl_store *store, int64_t run, int64_t id, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_staged(store, run, id, see_staged, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, want, "got:\n%swant:\n%s", text.data, want);
    tl_buf_done(&text);
}

static void ranges_that_changed_carries_join(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run = store_run(store, "1");

    stage_carry(store, run, id, 0, 10, "x");
    stage_carry(store, run, id, 10, 20, "y");
    stage_carry(store, run, id, 20, 30, "z");
    stage_carry(store, run, id, 30, 50, "w");
    /* Nothing is published: one may go without the next, none without the one before it. */
    expect_staged(store, run, id, "(0,10] next needs it\n(10,20] next needs it\n(20,30] next needs it\n(30,50] next needs it\n");
    OK(tl_store_publish(store, run, 5, err));
    run = store_run(store, "2");
    stage_carry(store, run, id, 0, 10, "x");
    stage_carry(store, run, id, 10, 20, "changed");
    stage_carry(store, run, id, 20, 30, "z");
    stage_carry(store, run, id, 30, 40, "half");
    stage_carry(store, run, id, 40, 50, "changed");
    stage_carry(store, run, id, 50, 60, "");
    expect_staged(store, run, id,
                  "(0,10]\n(10,20] next needs it needs next\n(20,30]\n(30,40] next needs it needs next\n(40,50] next needs it\n"
                  "(50,60] next needs it\n");
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(figures_of_a_range),
    CHECK(figures_where_ranges_hold_their_beginning),
    CHECK(rows_that_are_alike),
    CHECK(sums_of_numbers_that_are_none),
    CHECK(every_kind_of_allowed_value),
    CHECK(results_come_back),
    CHECK(what_was_found_goes_with_what_was_staged),
    CHECK(ranges_that_changed_carries_join),
};

STORE_SUITE(store_check)
