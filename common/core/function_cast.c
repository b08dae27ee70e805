/* function_cast.c: CAST between all kinds that Flink casts, by Flink's rules.
 *
 * What cannot be read fails the row (eval_error); Flink's job would fail. Integers narrow by dropping bits, reals to integers
 * saturate and then narrow (Java's narrowing conversions). TIMESTAMP_LTZ meets texts and TIMESTAMP on the wall clock of
 * 'table.local-time-zone': what that shows twice is the earlier instant, what it never shows is moved on by the gap. There is no CAST
 * between numbers and timestamps: Flink refuses it.
 * Source: Apache Flink 2, the CastRule classes of flink-table-planner, BinaryStringDataUtil, CastRulesTest. */
#include <string.h>

#include "core/function_number.h"
#include "core/function_rows.h"
#include "core/function_time.h"
#include "event/timestamp.h"
#include "event/zone.h"

static bool same_i64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = call->args[0].i64[row];
    return true;
}

static bool same_f64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->f64[row] = call->args[0].f64[row];
    return true;
}

static bool same_text(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->sv[row] = call->args[0].sv[row];
    return true;
}

/* Integer or boolean to integer or boolean. */
static bool i64_to_i64(const struct tl_call *call)
{
    const enum tl_kind kind = call->out->kind;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_i64_wrap(kind, call->args[0].i64[row]);
    return true;
}

static bool i64_to_f64(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->f64[row] = (double)call->args[0].i64[row];
    return true;
}

static bool i64_to_f32(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->f64[row] = (double)(float)call->args[0].i64[row];
    return true;
}

static bool f64_to_i64(const struct tl_call *call)
{
    const enum tl_kind kind = call->out->kind;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_f64_to_i64(kind, call->args[0].f64[row]);
    return true;
}

/* NaN is not 0, and so TRUE. */
static bool f64_to_boolean(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = call->args[0].f64[row] != 0;
    return true;
}

static bool f64_to_f32(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->f64[row] = (double)(float)call->args[0].f64[row];
    return true;
}

/* Copies a short text into the batch's memory. */
static bool put_text(const struct tl_call *call, uint32_t row, const char *text, size_t size)
{
    char *copy = tl_arena_bytes(call->arena, size);

    if (copy == NULL)
        return false;
    memcpy(copy, text, size);
    call->out->null[row] = 0;
    call->out->sv[row] = (struct tl_sv){copy, size};
    return true;
}

static bool boolean_to_text(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        call->out->sv[row] = call->args[0].i64[row] ? TL_SV("TRUE") : TL_SV("FALSE");
    }
    return true;
}

static bool i64_to_text(const struct tl_call *call)
{
    char text[TL_NUMBER_TEXT_BYTES];

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!put_text(call, row, text, tl_i64_print(call->args[0].i64[row], text)))
            return false;
    }
    return true;
}

static bool f64_to_text(const struct tl_call *call)
{
    const bool is_float = call->args[0].kind == TL_FLOAT;
    char text[TL_NUMBER_TEXT_BYTES];

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!put_text(call, row, text, tl_f64_print(call->args[0].f64[row], is_float, text)))
            return false;
    }
    return true;
}

/* The state of a call that crosses between instants and wall clocks is the zone. A TIMESTAMP has none, and NULL is UTC: its own clock. */
static enum tl_code zone_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    (void)err;
    *state = with->zone;
    return TL_OK;
}

static bool time_to_text(const struct tl_call *call)
{
    struct tl_zone_span span = {0};
    char text[TL_TIME_TEXT_BYTES];

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!put_text(call, row, text, tl_time_to_sql(tl_zone_local_near_ms(call->state, &span, call->args[0].i64[row]), text)))
            return false;
    }
    return true;
}

static bool instant_to_wall(const struct tl_call *call)
{
    struct tl_zone_span span = {0};

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_zone_local_near_ms(call->state, &span, call->args[0].i64[row]);
    return true;
}

static bool wall_to_instant(const struct tl_call *call)
{
    struct tl_zone_span span = {0};

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_zone_instant_near_ms(call->state, &span, call->args[0].i64[row]);
    return true;
}

static bool read_boolean(struct tl_sv text, int64_t *out)
{
    static const struct {
        char word[6];
        bool value;
    } words[] = {
        {"t",     1},
        {"true",  1},
        {"y",     1},
        {"yes",   1},
        {"1",     1},
        {"f",     0},
        {"false", 0},
        {"n",     0},
        {"no",    0},
        {"0",     0}
    };

    for (size_t i = 0; i < TL_COUNT(words); i++) {
        if (tl_sv_eq_nocase(text, tl_sv_from(words[i].word))) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

static bool text_to_boolean(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        if (!read_boolean(call->args[0].sv[row], &call->out->i64[row]))
            tl_call_fail(call, row);
    return true;
}

/* Blanks around the number are no mistake; other white space is. */
static struct tl_sv without_blanks(struct tl_sv text)
{
    while (text.size > 0 && text.data[0] == ' ')
        text = (struct tl_sv){text.data + 1, text.size - 1};
    while (text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

static bool text_to_i64(const struct tl_call *call)
{
    const enum tl_kind kind = call->out->kind;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_i64_read(without_blanks(call->args[0].sv[row]), kind, &call->out->i64[row]))
            tl_call_fail(call, row);
    }
    return true;
}

static bool text_to_f64(const struct tl_call *call)
{
    const bool is_float = call->out->kind == TL_FLOAT;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        enum tl_read read = tl_f64_read(call->args[0].sv[row], is_float, call->arena, &call->out->f64[row]);

        if (read == TL_READ_MEMORY)
            return false;
        if (read == TL_READ_BAD)
            tl_call_fail(call, row);
    }
    return true;
}

bool tl_text_to_time(const struct tl_call *call)
{
    struct tl_zone_span span = {0};
    int64_t local_ms;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (tl_time_from_text(call->args[0].sv[row], &local_ms))
            call->out->i64[row] = tl_zone_instant_near_ms(call->state, &span, local_ms);
        else
            tl_call_fail(call, row);
    }
    return true;
}

#define CAST_PREPARED(A, RESULT, KERNEL, CAN_FAIL, PREPARE)                                                                      \
    {                                                                                                                            \
        .name = "CAST", .signature = "CAST(" #A " AS " #RESULT ") -> " #RESULT, .args = {TL_##A}, .args_min = 1, .args_max = 1,  \
        .result = TL_##RESULT, .null_in_null_out = true, .can_fail = (CAN_FAIL), .kernel = (KERNEL), .prepare = (PREPARE)        \
    }
#define CAST(A, RESULT, KERNEL, CAN_FAIL) CAST_PREPARED(A, RESULT, KERNEL, CAN_FAIL, NULL)
#define CAST_ZONED(A, RESULT, KERNEL, CAN_FAIL) CAST_PREPARED(A, RESULT, KERNEL, CAN_FAIL, zone_prepare)
/* TRY_CAST is CAST, and what it cannot read is NULL. Where nothing can fail the binder takes CAST itself. */
#define TRY_CAST(RESULT, KERNEL, PREPARE)                                                                                        \
    {                                                                                                                            \
        .name = "TRY_CAST", .signature = "TRY_CAST(STRING AS " #RESULT ") -> " #RESULT, .args = {TL_STRING}, .args_min = 1,      \
        .args_max = 1, .result = TL_##RESULT, .null_in_null_out = true, .fails_to_null = true, .kernel = (KERNEL),               \
        .prepare = (PREPARE)                                                                                                     \
    }
#define FROM_INTEGER(A)                                                                                                          \
    CAST(A, BOOLEAN, i64_to_i64, false), CAST(A, TINYINT, i64_to_i64, false), CAST(A, SMALLINT, i64_to_i64, false),              \
        CAST(A, INT, i64_to_i64, false), CAST(A, BIGINT, i64_to_i64, false), CAST(A, FLOAT, i64_to_f32, false),                  \
        CAST(A, DOUBLE, i64_to_f64, false)
#define FROM_REAL(A)                                                                                                             \
    CAST(A, BOOLEAN, f64_to_boolean, false), CAST(A, TINYINT, f64_to_i64, false), CAST(A, SMALLINT, f64_to_i64, false),          \
        CAST(A, INT, f64_to_i64, false), CAST(A, BIGINT, f64_to_i64, false), CAST(A, STRING, f64_to_text, false)

static const struct tl_function functions[] = {
    FROM_INTEGER(BOOLEAN),
    CAST(BOOLEAN, STRING, boolean_to_text, false),
    FROM_INTEGER(TINYINT),
    CAST(TINYINT, STRING, i64_to_text, false),
    FROM_INTEGER(SMALLINT),
    CAST(SMALLINT, STRING, i64_to_text, false),
    FROM_INTEGER(INT),
    CAST(INT, STRING, i64_to_text, false),
    FROM_INTEGER(BIGINT),
    CAST(BIGINT, STRING, i64_to_text, false),
    FROM_REAL(FLOAT),
    CAST(FLOAT, FLOAT, same_f64, false),
    CAST(FLOAT, DOUBLE, same_f64, false),
    FROM_REAL(DOUBLE),
    CAST(DOUBLE, FLOAT, f64_to_f32, false),
    CAST(DOUBLE, DOUBLE, same_f64, false),
    CAST(STRING, BOOLEAN, text_to_boolean, true),
    CAST(STRING, TINYINT, text_to_i64, true),
    CAST(STRING, SMALLINT, text_to_i64, true),
    CAST(STRING, INT, text_to_i64, true),
    CAST(STRING, BIGINT, text_to_i64, true),
    CAST(STRING, FLOAT, text_to_f64, true),
    CAST(STRING, DOUBLE, text_to_f64, true),
    CAST(STRING, STRING, same_text, false),
    CAST(STRING, TIMESTAMP, tl_text_to_time, true),
    CAST_ZONED(STRING, TIMESTAMP_LTZ, tl_text_to_time, true),
    CAST(TIMESTAMP, STRING, time_to_text, false),
    CAST(TIMESTAMP, TIMESTAMP, same_i64, false),
    CAST_ZONED(TIMESTAMP, TIMESTAMP_LTZ, wall_to_instant, false),
    CAST_ZONED(TIMESTAMP_LTZ, STRING, time_to_text, false),
    CAST_ZONED(TIMESTAMP_LTZ, TIMESTAMP, instant_to_wall, false),
    CAST(TIMESTAMP_LTZ, TIMESTAMP_LTZ, same_i64, false),
    TRY_CAST(BOOLEAN, text_to_boolean, NULL),
    TRY_CAST(TINYINT, text_to_i64, NULL),
    TRY_CAST(SMALLINT, text_to_i64, NULL),
    TRY_CAST(INT, text_to_i64, NULL),
    TRY_CAST(BIGINT, text_to_i64, NULL),
    TRY_CAST(FLOAT, text_to_f64, NULL),
    TRY_CAST(DOUBLE, text_to_f64, NULL),
    TRY_CAST(TIMESTAMP, tl_text_to_time, NULL),
    TRY_CAST(TIMESTAMP_LTZ, tl_text_to_time, zone_prepare),
};

const struct tl_catalog tl_functions_cast = {functions, TL_COUNT(functions), &tl_functions_address, NULL};
