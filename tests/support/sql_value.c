/* sql_value.c: evaluates an expression of a views file over one event. */
#include "support/sql_value.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/expr.h"
#include "core/function.h"
#include "core/function_number.h"
#include "event/timestamp.h"

enum { CONSTANTS_MAX = 200 };

const struct tl_catalog *sql_value_catalog(void)
{
    static struct tl_functions *functions;
    static struct tl_function_files files;
    struct tl_err err = {0};

    files.places = getenv("TALLY_TEST_PLACES");
    if (files.places == NULL)
        files.places = "build/places/city.mmdb";
    if (functions == NULL) {
        cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_OK, "%s", err.message);
        tl_functions_secret_set(functions, (const uint8_t *)"the secret of the tests' visitors");
    }
    return tl_functions_catalog(functions);
}

/* The expression's plan, and the columns of the one event: those of the schema, then constants that were taken out. */
struct scene {
    struct tl_plan *plan;
    struct tl_arena arena;
    struct tl_vec slots[32 + CONSTANTS_MAX], event_time;
    uint32_t slots_count;
    struct tl_memories memories;
};

static struct tl_value event_value(struct tl_sv name)
{
    static const struct {
        const char *name;
        struct tl_value value;
    } values[] = {
        {"id",   {.kind = TL_STRING, .sv = {"a", 1}}               },
        {"host", {.kind = TL_STRING, .sv = {"www.example.com", 15}}},
        {"url",  {.kind = TL_STRING, .sv = {"/a/b?x=1", 8}}        },
        {"ip",   {.kind = TL_STRING, .sv = {"203.0.113.7", 11}}    },
        {"n",    {.kind = TL_INT, .i64 = 7}                        },
        {"big",  {.kind = TL_BIGINT, .i64 = 5000000000}            },
        {"d",    {.kind = TL_DOUBLE, .f64 = 1.5}                   },
        {"ok",   {.kind = TL_BOOLEAN, .i64 = 1}                    },
        {"at",   {.kind = TL_TIMESTAMP, .i64 = 1709287200123}      },
        {"ts",   {.kind = TL_TIMESTAMP_LTZ, .i64 = 1709287200123}  },
    };

    for (size_t i = 0; i < TL_COUNT(values); i++)
        if (tl_sv_eq(name, tl_sv_from(values[i].name)))
            return values[i].value;
    cr_assert_fail("no column %.*s", TL_SV_ARG(name));
    return values[0].value;
}

static void column_add(struct scene *s, const struct tl_value *value, enum tl_kind kind)
{
    cr_assert_lt(s->slots_count, TL_COUNT(s->slots));
    cr_assert(tl_vec_alloc(&s->arena, kind, 1, &s->slots[s->slots_count]));
    tl_vec_set(&s->slots[s->slots_count++], 0, value);
}

static bool scene_open(struct scene *s, const char *zone, const char *expression, struct tl_err *err)
{
    char sql[2000];

    *s = (struct scene){0};
    snprintf(sql, sizeof sql,
             "SET 'table.local-time-zone' = '%s';\n"
             "CREATE TABLE t (id STRING, host STRING, url STRING, ip STRING, n INT, big BIGINT, d DOUBLE, ok BOOLEAN, at "
             "TIMESTAMP(3), "
             "ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);\n"
             "CREATE VIEW v AS SELECT %s AS x FROM t",
             zone, expression);
    if (tl_plan_parse(tl_sv_from(sql), "views.sql", sql_value_catalog(), &s->plan, err) != TL_OK)
        return false;
    tl_arena_init(&s->arena, 4096, 0);
    for (uint32_t i = 0; i < s->plan->sources[0].schema.fields_count; i++) {
        const struct tl_field *field = &s->plan->sources[0].schema.fields[i];
        struct tl_value value = event_value(field->name);

        column_add(s, &value, field->kind);
    }
    s->event_time = s->slots[0]; /* replaced below; the schema has the event time in any case */
    for (uint32_t i = 0; i < s->slots_count; i++)
        if (tl_sv_eq(s->plan->sources[0].schema.fields[i].name, TL_SV("ts")))
            s->event_time = s->slots[i];
    return true;
}

static void scene_close(struct scene *s)
{
    tl_memories_done(&s->memories);
    tl_arena_done(&s->arena);
    tl_plan_close(s->plan);
}

static void value_print(const struct tl_value *value, struct tl_buf *out)
{
    char text[(int)TL_NUMBER_TEXT_BYTES + (int)TL_TIME_TEXT_BYTES];

    if (value->is_null) {
        tl_buf_put_str(out, "NULL");
        return;
    }
    switch (value->kind) {
    case TL_BOOLEAN: tl_buf_put_str(out, value->i64 ? "TRUE" : "FALSE"); break;
    case TL_FLOAT:
    case TL_DOUBLE: tl_buf_put(out, text, tl_f64_print(value->f64, value->kind == TL_FLOAT, text)); break;
    case TL_STRING:
        tl_buf_put_u8(out, '\'');
        for (size_t i = 0; i < value->sv.size; i++) {
            tl_buf_put(out, value->sv.data + i, 1);
            if (value->sv.data[i] == '\'')
                tl_buf_put_u8(out, '\'');
        }
        tl_buf_put_u8(out, '\'');
        break;
    case TL_TIMESTAMP:
    case TL_TIMESTAMP_LTZ: tl_buf_put(out, text, tl_time_to_sql(value->i64, text)); break;
    default: tl_buf_printf(out, "%lld", (long long)value->i64); break;
    }
}

static void evaluate(struct scene *s, struct tl_buf *out)
{
    const struct tl_expr *expr = s->plan->views[0].outputs[0].expr;
    const char *failed[1] = {NULL};
    const uint32_t rows[1] = {0};
    struct tl_eval eval = {.slots = s->slots,
                           .slots_count = s->slots_count,
                           .event_time = &s->event_time,
                           .rows_count = 1,
                           .arena = &s->arena,
                           .failed = failed,
                           .memories = &s->memories};
    struct tl_vec vec;
    struct tl_value value;

    out->size = 0;
    cr_assert(tl_expr_eval(&eval, expr, rows, 1, &vec));
    value = tl_vec_get(&vec, 0);
    if (failed[0] != NULL) {
        cr_assert(value.is_null || expr->op != TL_EXPR_CALL);
        tl_buf_printf(out, "ERROR %s", failed[0]);
    } else {
        value_print(&value, out);
    }
    tl_buf_put_u8(out, 0);
    out->size--;
}

/* Puts the constants of calls into columns. The state is prepared anew; a function that refuses keeps its constants. */
static void take_constants_out(struct scene *s, struct tl_expr *expr)
{
    struct tl_value constants[TL_ARGS_MAX];
    struct tl_prepare with = {.constants = constants,
                              .args_count = expr->args_count,
                              .zone = s->plan->settings.zone,
                              .functions = sql_value_catalog()->files,
                              .arena = &s->plan->arena};
    const void *state = NULL;
    struct tl_err err;

    for (uint32_t i = 0; i < expr->args_count; i++)
        if (expr->args[i]->op != TL_EXPR_CONSTANT)
            take_constants_out(s, expr->args[i]);
    if (expr->op != TL_EXPR_CALL)
        return;
    for (uint32_t i = 0; i < expr->args_count; i++)
        constants[i] = (struct tl_value){.kind = TL_NULL, .is_null = true};
    if (expr->function->prepare != NULL && expr->function->prepare(&with, &state, &err) != TL_OK)
        return;
    expr->state = state;
    for (uint32_t i = 0; i < expr->args_count; i++) {
        struct tl_expr *slot;

        if (expr->args[i]->op != TL_EXPR_CONSTANT)
            continue;
        slot = tl_arena_zalloc(&s->plan->arena, sizeof *slot);
        cr_assert_not_null(slot);
        *slot = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = expr->args[i]->kind, .slot = s->slots_count};
        column_add(s, &expr->args[i]->constant, expr->args[i]->kind);
        expr->args[i] = slot;
    }
}

bool sql_value_of(const char *zone, const char *expression, struct tl_buf *out)
{
    struct tl_err err = {0};
    struct scene s;

    out->size = 0;
    if (!scene_open(&s, zone, expression, &err)) {
        tl_buf_put_str(out, err.message);
        tl_buf_put_u8(out, 0);
        out->size--;
        return false;
    }
    evaluate(&s, out);
    scene_close(&s);
    return true;
}

void sql_value_check_in(const char *zone, const struct sql_value *c)
{
    struct tl_err err = {0};
    struct tl_buf out;
    struct scene s;

    tl_buf_init(&out, 0);
    cr_assert(scene_open(&s, zone, c->expression, &err), "%s: %s", c->name, err.message);
    evaluate(&s, &out);
    cr_assert_str_eq((char *)out.data, c->want, "%s: %s is %s, want %s", c->name, c->expression, (char *)out.data, c->want);
    take_constants_out(&s, s.plan->views[0].outputs[0].expr);
    evaluate(&s, &out);
    cr_assert_str_eq((char *)out.data, c->want, "%s: %s over columns is %s, want %s", c->name, c->expression, (char *)out.data,
                     c->want);
    scene_close(&s);
    tl_buf_done(&out);
}

void sql_value_check(const struct sql_value *c)
{
    sql_value_check_in("UTC", c);
}
