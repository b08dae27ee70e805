/* store_checks.h: what the conformance suites of the store have in common. Each is a table of checks that take the kind of store, and runs on each kind:
 *
 *     static const struct store_check checks[] = {CHECK(a_check), CHECK(another)};
 *     STORE_SUITE(store_tick) */
#ifndef TL_TESTS_STORE_CHECKS_H
#define TL_TESTS_STORE_CHECKS_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "support/store_fixture.h"

struct store_check {
    const char *name;
    void (*run)(const struct store_backend *backend);
};
#define CHECK(name)                                                                                                              \
    {                                                                                                                            \
#name, name                                                                                                              \
    }
#define STORE_SUITE(suite)                                                                                                       \
    static size_t numbers[TL_COUNT(checks)];                                                                                     \
    static struct criterion_test_params all_checks(void)                                                                         \
    {                                                                                                                            \
        for (size_t i = 0; i < TL_COUNT(checks); i++)                                                                            \
            numbers[i] = i;                                                                                                      \
        return cr_make_param_array(size_t, numbers, TL_COUNT(checks));                                                           \
    }                                                                                                                            \
    static void run_check(size_t number, const struct store_backend *backend)                                                    \
    {                                                                                                                            \
        fprintf(stderr, "%s\n", checks[number].name);                                                                            \
        checks[number].run(backend);                                                                                             \
    }                                                                                                                            \
    ParameterizedTestParameters(suite, sqlite)                                                                                   \
    {                                                                                                                            \
        return all_checks();                                                                                                     \
    }                                                                                                                            \
    ParameterizedTestParameters(suite, postgres)                                                                                 \
    {                                                                                                                            \
        return all_checks();                                                                                                     \
    }                                                                                                                            \
    ParameterizedTest(size_t *number, suite, sqlite, .fini = store_folder_remove)                                                \
    {                                                                                                                            \
        run_check(*number, &store_sqlite);                                                                                       \
    }                                                                                                                            \
    ParameterizedTest(size_t *number, suite, postgres, .fini = store_folder_remove)                                              \
    {                                                                                                                            \
        run_check(*number, &store_postgres);                                                                                     \
    }

#define MIN_MS INT64_MIN
#define MAX_MS INT64_MAX

static char url[512];

static inline struct tl_store *fresh(const struct store_backend *backend)
{
    backend->url(url);
    return store_open(url, TL_STORE_WRITE);
}

static inline int64_t define(struct tl_store *store, struct tl_shape shape)
{
    int64_t id = 0;

    OK(tl_store_define(store, &shape, &id, err));
    return id;
}

static inline int64_t hits(struct tl_store *store)
{
    return define(store, store_windowed("hits", 'a'));
}

static inline struct tl_definition about(struct tl_store *store, int64_t id)
{
    struct tl_definition definition = {0};

    OK(tl_store_definition(store, id, &definition, err));
    return definition;
}

#define MERGED(store, view) store_answer(store, view, TL_LAYER_MERGED, MIN_MS, MAX_MS)

static inline void expect(const char *got, const char *want)
{
    cr_assert_str_eq(got, want, "got:\n%swant:\n%s", got, want);
}

static inline void drop_speed(struct tl_store *store, int64_t epoch, int64_t id, int64_t start_ms, int64_t end_ms,
                              const char *host)
{
    struct store_rows rows;
    int64_t change;

    store_rows_init(&rows, true, 1);
    store_rows_add(&rows, start_ms, end_ms, host, 0);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_drop_speed_rows(store, id, &rows.rows, err));
    OK(tl_store_commit(store, err));
    store_rows_done(&rows);
}

static inline enum tl_code join_ids(void *ctx, struct tl_sv ids, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_put_sv(text, ids);
    tl_buf_put_str(text, "|");
    return TL_OK;
}

static inline void expect_ids(struct tl_store *store, int64_t lane, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_dedup(store, lane, TL_SV("events"), 0, MAX_MS, join_ids, &text, err));
    cr_assert(tl_sv_eq(tl_buf_sv(&text), tl_sv_from(want)), "%.*s, not %s", TL_SV_ARG(tl_buf_sv(&text)), want);
    tl_buf_done(&text);
}

static inline void stage_one(struct tl_store *store, int64_t run, int64_t id, int64_t from_ms, int64_t to_ms, int64_t value)
{
    store_stage(store, run, id, to_ms - 10, to_ms, "b", value);
    store_stage_range(store, run, id, from_ms, to_ms);
}

static inline enum tl_code any_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    (void)ctx;
    (void)columns;
    (void)count;
    (void)err;
    return TL_OK;
}

#endif
