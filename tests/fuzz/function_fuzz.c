/* function_fuzz.c: any function of the catalog over any values, constants or columns: refused where it is bound, or a value of
 * its kind, the same for the same arguments; NULL for NULL where it says so, and no failure where it says that it cannot fail.
 *
 *     block name, u8 which of its overloads, u8 how many arguments more than it must have (from 0x80: in Berlin), and each:
 *     u8 (bits below), then by its kind a number, 8 bytes or a block
 *
 * A name that no function has stands for one all the same, so that what is new is found without a seed. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/expr.h"
#include "core/function.h"
#include "event/zone.h"
#include "fuzz/target.h"

enum {
    ARG_NULL = 1,
    ARG_CONSTANT = 2,
    IN_ZONE = 0x80,
    ROWS = 3,
    ROW_NULL = 1 /* its columns are all NULL; the other rows are alike */
};

static const struct tl_catalog *catalog;
static struct tl_functions *functions;
static const struct tl_zone *zone;

static void catalog_open(void)
{
    static const struct tl_function_files files = {0};
    static const uint8_t secret[TL_SECRET_BYTES] = {7};
    static struct tl_arena zone_memory;

    CHECK(tl_functions_open(&files, &functions, NULL) == TL_OK);
    tl_functions_secret_set(functions, secret);
    catalog = tl_functions_catalog(functions);
    tl_arena_init(&zone_memory, 4096, 0);
    CHECK(tl_zone_open(TL_SV("Europe/Berlin"), &zone_memory, &zone, NULL) == TL_OK);
}

/* The n-th function of this name; of an empty one: of all. Their number in *count. */
static const struct tl_function *function_at(struct tl_sv name, size_t n, size_t *count)
{
    const struct tl_function *found = NULL;

    *count = 0;
    for (const struct tl_catalog *at = catalog; at != NULL; at = at->next)
        for (size_t i = 0; i < at->functions_count; i++)
            if (name.size == 0 || tl_sv_eq(name, tl_sv_from(at->functions[i].name)))
                if ((*count)++ == n)
                    found = &at->functions[i];
    return found;
}

static const struct tl_function *function_read(struct tl_reader *reader)
{
    struct tl_sv name = tl_reader_block(reader), any = {NULL, 0};
    size_t which = tl_reader_u8(reader), count;

    (void)function_at(name, 0, &count);
    if (count > 0 && name.size > 0)
        return function_at(name, which % count, &count);
    (void)function_at(any, 0, &count);
    return function_at(any, (size_t)(tl_hash_bytes(name) + which) % count, &count);
}

/* ---- arguments ---- */

/* As texts are: well-formed UTF-8 without NUL; what is not becomes question marks. */
static struct tl_sv text_of(struct tl_sv bytes, struct tl_arena *arena)
{
    struct tl_sv text;
    char *at;

    CHECK(tl_arena_copy(arena, bytes, &text));
    at = (char *)(uintptr_t)text.data;
    for (size_t i = 0, step; i < text.size; i += step) {
        step = tl_utf8_size(text.data + i, text.size - i);
        if (step == 0 || at[i] == '\0') {
            at[i] = '?';
            step = 1;
        }
    }
    return text;
}

static struct tl_value unit_of(uint8_t which)
{
    static const char *const units[] = {"MILLENNIUM", "CENTURY",     "DECADE",      "YEAR", "QUARTER", "MONTH",
                                        "WEEK",       "DAY",         "DOY",         "DOW",  "HOUR",    "MINUTE",
                                        "SECOND",     "MILLISECOND", "MICROSECOND", "EPOCH"};

    return (struct tl_value){.kind = TL_STRING, .sv = tl_sv_from(units[which % TL_COUNT(units)])};
}

static struct tl_value value_read(struct tl_reader *reader, enum tl_kind kind, struct tl_arena *arena)
{
    struct tl_value value = {.kind = kind};
    uint64_t bits;
    int64_t min, max;

    switch (tl_kind_form(kind)) {
    case TL_FORM_TEXT: value.sv = text_of(tl_reader_block(reader), arena); break;
    case TL_FORM_F64:
        bits = tl_reader_u64(reader);
        memcpy(&value.f64, &bits, sizeof bits);
        if (kind == TL_FLOAT && fabs(value.f64) > (double)FLT_MAX)
            value.f64 = 1.5;
        if (kind == TL_FLOAT)
            value.f64 = (double)(float)value.f64;
        break;
    case TL_FORM_I64:
        value.i64 = tl_reader_zigzag(reader);
        if (kind == TL_BOOLEAN) {
            value.i64 &= 1;
        } else if (kind >= TL_TINYINT && kind <= TL_BIGINT) {
            tl_kind_range(kind, &min, &max);
            value.i64 = tl_max_i64(min, tl_min_i64(max, value.i64));
        }
        break;
    }
    return value;
}

struct call {
    const struct tl_function *function;
    struct tl_arena arena;
    struct tl_expr expr, args[TL_ARGS_MAX], *args_at[TL_ARGS_MAX];
    struct tl_value constants[TL_ARGS_MAX];
    struct tl_vec columns[TL_ARGS_MAX];
    bool with_null; /* in the rows that are alike */
};

static void arg_read(struct call *call, uint32_t a, enum tl_kind kind, bool is_unit, struct tl_reader *reader)
{
    uint8_t how = tl_reader_u8(reader);
    struct tl_value value = is_unit ? unit_of(how / 4) : value_read(reader, kind, &call->arena);
    struct tl_value null = {.kind = kind, .is_null = true};
    bool constant = (how & ARG_CONSTANT) != 0 || is_unit || kind == TL_INTERVAL;

    if ((how & ARG_NULL) != 0 && !is_unit)
        value = null;
    call->with_null |= value.is_null;
    CHECK(tl_vec_alloc(&call->arena, kind, ROWS, &call->columns[a]));
    for (size_t row = 0; row < ROWS; row++)
        tl_vec_set(&call->columns[a], row, row == ROW_NULL && !constant ? &null : &value);
    call->constants[a] = constant ? value : (struct tl_value){.kind = TL_NULL, .is_null = true};
    call->args[a] =
        (struct tl_expr){.op = constant ? TL_EXPR_CONSTANT : TL_EXPR_SLOT, .kind = kind, .constant = value, .slot = a};
    call->args_at[a] = &call->args[a];
}

/* False: refused. */
static bool call_open(struct call *call, struct tl_reader *reader)
{
    const struct tl_function *function = call->function;
    uint8_t how = tl_reader_u8(reader);
    uint32_t count = function->args_min + how % IN_ZONE % (function->args_max - function->args_min + 1u), last = 0;
    struct tl_err err = {0};
    struct tl_prepare with;
    enum tl_code rc;

    while (last + 1 < TL_PARAMETERS_MAX && function->args[last + 1] != 0)
        last++;
    for (uint32_t a = 0; a < count; a++)
        arg_read(call, a, function->args[a < last ? a : last], function->unit_arg == a + 1, reader);
    if (function->of_event)
        arg_read(call, count++, TL_TIMESTAMP_LTZ, false, reader);
    call->expr = (struct tl_expr){
        .op = TL_EXPR_CALL, .kind = function->result, .function = function, .args = call->args_at, .args_count = count};
    with = (struct tl_prepare){.constants = call->constants,
                               .args_count = count,
                               .zone = how & IN_ZONE ? zone : NULL,
                               .functions = functions,
                               .arena = &call->arena};
    rc = function->prepare != NULL ? function->prepare(&with, &call->expr.state, &err) : TL_OK;
    CHECK(rc == TL_OK || (rc != TL_ERR_MEMORY && err.message[0] != '\0'));
    return rc == TL_OK;
}

/* ---- results ---- */

static void check_value(const struct tl_value *value)
{
    int64_t min, max;

    if (value->is_null)
        return;
    if (value->kind == TL_STRING) {
        for (size_t i = 0, step; i < value->sv.size; i += step) {
            step = tl_utf8_size(value->sv.data + i, value->sv.size - i);
            CHECK(step > 0 && value->sv.data[i] != '\0');
        }
    } else if (value->kind == TL_FLOAT) {
        CHECK(isnan(value->f64) || (double)(float)value->f64 == value->f64);
    } else if (value->kind == TL_BOOLEAN) {
        CHECK(value->i64 == 0 || value->i64 == 1);
    } else if (value->kind >= TL_TINYINT && value->kind <= TL_BIGINT) {
        tl_kind_range(value->kind, &min, &max);
        CHECK(value->i64 >= min && value->i64 <= max);
    }
}

static void call_evaluate(struct call *call)
{
    static const uint32_t rows[ROWS] = {0, 1, 2};
    const struct tl_function *function = call->function;
    struct tl_memories memories = {0};
    const char *failed[ROWS] = {NULL};
    struct tl_eval eval = {.slots = call->columns,
                           .slots_count = TL_ARGS_MAX,
                           .rows_count = ROWS,
                           .arena = &call->arena,
                           .failed = failed,
                           .memories = &memories};
    struct tl_value values[ROWS];
    struct tl_vec out;

    CHECK(tl_expr_eval(&eval, &call->expr, rows, ROWS, &out));
    for (size_t row = 0; row < ROWS; row++) {
        values[row] = tl_vec_get(&out, row);
        check_value(&values[row]);
        CHECK(failed[row] == NULL || (function->can_fail && !function->fails_to_null && values[row].is_null));
    }
    CHECK(tl_value_eq(&values[0], &values[2]) && failed[0] == failed[2]);
    CHECK(!(function->null_in_null_out && call->with_null) || values[0].is_null);
    tl_memories_done(&memories);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_reader reader = tl_reader_of((struct tl_sv){(const char *)data, size});
    struct call call = {0};

    if (catalog == NULL)
        catalog_open();
    call.function = function_read(&reader);
    tl_arena_init(&call.arena, 1u << 14, 0);
    if (call_open(&call, &reader))
        call_evaluate(&call);
    tl_arena_done(&call.arena);
    return 0;
}
