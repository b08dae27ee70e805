/* function_time.c: arithmetic on timestamps and intervals; the text of a timestamp as Flink's CAST and TO_TIMESTAMP(s) read it. */
#include "core/function_time.h"

#include "core/function_rows.h"
#include "event/timestamp.h"

/* Takes at least `min` and at most `max` digits off the text. */
static bool take_digits(struct tl_sv *text, size_t min, size_t max, unsigned *out)
{
    unsigned value = 0;
    size_t count = 0;

    for (; count < max && count < text->size && text->data[count] >= '0' && text->data[count] <= '9'; count++)
        value = value * 10 + (unsigned)(text->data[count] - '0');
    if (count < min)
        return false;
    text->data += count;
    text->size -= count;
    *out = value;
    return true;
}

static bool take_char(struct tl_sv *text, char c)
{
    if (text->size == 0 || text->data[0] != c)
        return false;
    text->data++;
    text->size--;
    return true;
}

static bool take_fraction_ms(struct tl_sv *text, unsigned *ms)
{
    size_t before = text->size, digits;
    unsigned value;

    if (!take_digits(text, 0, 9, &value))
        return false;
    digits = before - text->size;
    for (; digits < 9; digits++)
        value *= 10;
    *ms = value / 1000000;
    return true;
}

bool tl_time_from_text(struct tl_sv text, int64_t *ms)
{
    unsigned year, month, day, hour = 0, minute = 0, second = 0, fraction = 0;

    if (!take_digits(&text, 4, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 1, 2, &month) ||
        !take_char(&text, '-') || !take_digits(&text, 1, 2, &day))
        return false;
    if (text.size > 0) {
        if (!take_char(&text, ' ') || !take_digits(&text, 1, 2, &hour) || !take_char(&text, ':') ||
            !take_digits(&text, 1, 2, &minute) || !take_char(&text, ':') || !take_digits(&text, 1, 2, &second))
            return false;
        if (take_char(&text, '.') && !take_fraction_ms(&text, &fraction))
            return false;
    }
    if (text.size > 0 || year == 0 || month < 1 || month > 12 || day < 1 || day > 31 || minute > 59 || second > 59)
        return false;
    if (hour > 23 && !(hour == 24 && minute == 0 && second == 0 && fraction == 0))
        return false;
    if (day > tl_month_days(year, month))
        day = tl_month_days(year, month);
    *ms = tl_days_from_civil(year, month, day) * TL_DAY_MS + ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + fraction;
    return true;
}

/* Times near the ends of the axis saturate. */
static bool time_plus(const struct tl_call *call)
{
    const int64_t *a = call->args[0].i64, *b = call->args[1].i64;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = tl_add_sat_i64(a[row], b[row]);
    return true;
}

static bool time_minus(const struct tl_call *call)
{
    const int64_t *a = call->args[0].i64, *b = call->args[1].i64;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (__builtin_sub_overflow(a[row], b[row], &call->out->i64[row]))
            call->out->i64[row] = b[row] < 0 ? INT64_MAX : INT64_MIN;
    }
    return true;
}

static bool interval_negate(const struct tl_call *call)
{
    const int64_t *a = call->args[0].i64;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = a[row] == INT64_MIN ? INT64_MAX : -a[row];
    return true;
}

static const struct tl_function functions[] = {
    TL_INFIX("+", TIMESTAMP, INTERVAL, TIMESTAMP, time_plus, false),
    TL_INFIX("+", TIMESTAMP_LTZ, INTERVAL, TIMESTAMP_LTZ, time_plus, false),
    TL_INFIX("+", INTERVAL, TIMESTAMP, TIMESTAMP, time_plus, false),
    TL_INFIX("+", INTERVAL, TIMESTAMP_LTZ, TIMESTAMP_LTZ, time_plus, false),
    TL_INFIX("+", INTERVAL, INTERVAL, INTERVAL, time_plus, false),
    TL_INFIX("-", TIMESTAMP, INTERVAL, TIMESTAMP, time_minus, false),
    TL_INFIX("-", TIMESTAMP_LTZ, INTERVAL, TIMESTAMP_LTZ, time_minus, false),
    TL_INFIX("-", INTERVAL, INTERVAL, INTERVAL, time_minus, false),
    TL_PREFIX("NEGATE", INTERVAL, INTERVAL, interval_negate),
};

const struct tl_catalog tl_functions_time = {functions, TL_COUNT(functions), &tl_functions_cast, NULL};
