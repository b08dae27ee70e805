/* function_pattern.c: functions that print and read times by patterns of letters: DATE_FORMAT, TO_TIMESTAMP, FROM_UNIXTIME, ...
 *
 * Flink prints and reads timestamps with java.time, and the rest with java.text (time_pattern.h): DATE_FORMAT(STRING, f), CONVERT_TZ,
 * UNIX_TIMESTAMP and FROM_UNIXTIME are lenient, and take the later instant of a wall clock that is shown twice.
 * A pattern that is a constant is compiled, and refused, when the views file is bound. */
#include <stdlib.h>
#include <string.h>

#include "core/function_number.h"
#include "core/function_rows.h"
#include "core/function_time.h"
#include "core/pattern_cache.h"
#include "core/time_pattern.h"
#include "event/timestamp.h"
#include "event/zone.h"

/* --- patterns that come with the events ------------------------------------------------------------------------------------ */

static enum tl_code pattern_compile(struct tl_sv text, enum tl_time_style style, bool reads, struct tl_arena *arena,
                                    const struct tl_time_pattern **out, struct tl_err *err)
{
    struct tl_time_pattern *pattern = tl_arena_alloc(arena, sizeof *pattern);
    enum tl_code rc;

    if (pattern == NULL)
        return tl_fail_memory(err, sizeof *pattern);
    rc = tl_time_pattern_compile(text, style, reads, pattern, err);
    if (rc == TL_OK)
        *out = pattern;
    return rc;
}

#define COMPILE(NAME, STYLE, READS)                                                                                              \
    static enum tl_code NAME(struct tl_sv text, struct tl_arena *arena, const void **out)                                        \
    {                                                                                                                            \
        const struct tl_time_pattern *pattern = NULL;                                                                            \
        enum tl_code rc = pattern_compile(text, (STYLE), (READS), arena, &pattern, NULL);                                        \
                                                                                                                                 \
        *out = pattern;                                                                                                          \
        return rc;                                                                                                               \
    }

COMPILE(print_compile, TL_TIME_JAVA_TIME, false)
COMPILE(read_compile, TL_TIME_JAVA_TIME, true)
COMPILE(print_old_compile, TL_TIME_JAVA_TEXT, false)
COMPILE(read_old_compile, TL_TIME_JAVA_TEXT, true)

struct patterns {
    struct tl_pattern_cache *of[2][2]; /* by style, and whether they are read by */
};

static void patterns_close(void *memory)
{
    struct patterns *patterns = memory;

    for (int i = 0; i < 4; i++)
        tl_pattern_cache_close(patterns->of[i / 2][i % 2]);
    free(patterns);
}

static void *patterns_open(void)
{
    static tl_pattern_compile *const compile[2][2] = {
        [TL_TIME_JAVA_TIME] = {print_compile,     read_compile    },
        [TL_TIME_JAVA_TEXT] = {print_old_compile, read_old_compile},
    };
    struct patterns *patterns = calloc(1, sizeof *patterns);

    for (int i = 0; i < 4 && patterns != NULL; i++) {
        patterns->of[i / 2][i % 2] = tl_pattern_cache_open(compile[i / 2][i % 2]);
        if (patterns->of[i / 2][i % 2] == NULL) {
            patterns_close(patterns);
            patterns = NULL;
        }
    }
    return patterns;
}

static const struct tl_memory_kind patterns_memory = {patterns_open, patterns_close};

/* --- what calls are prepared with ------------------------------------------------------------------------------------------ */

struct manner {
    const struct tl_time_pattern *pattern;  /* NULL: it is a column */
    const struct tl_time_pattern *standard; /* of java.text: yyyy-MM-dd HH:mm:ss */
    const struct tl_zone *zone;             /* that of the session, or that which the call names */
    const struct tl_zone *to;               /* CONVERT_TZ */
};

static const struct tl_value *constant_of(const struct tl_prepare *with, uint32_t arg)
{
    const struct tl_value *value = arg < with->args_count ? &with->constants[arg] : NULL;

    return value == NULL || value->is_null || value->kind == TL_NULL ? NULL : value;
}

/* The pattern is argument 1; java.text has a standard one for calls without. */
static enum tl_code manner_prepare(const struct tl_prepare *with, enum tl_time_style style, bool reads, struct manner **out,
                                   struct tl_err *err)
{
    const struct tl_value *constant = constant_of(with, 1);
    struct manner *manner = tl_arena_zalloc(with->arena, sizeof *manner);
    enum tl_code rc = TL_OK;

    if (manner == NULL)
        return tl_fail_memory(err, sizeof *manner);
    manner->zone = with->zone;
    if (style == TL_TIME_JAVA_TEXT)
        TL_TRY(pattern_compile(TL_SV("yyyy-MM-dd HH:mm:ss"), style, true, with->arena, &manner->standard, err));
    if (with->args_count < 2)
        manner->pattern = manner->standard;
    else if (constant != NULL)
        TL_TRY(pattern_compile(constant->sv, style, reads, with->arena, &manner->pattern, err));
    *out = manner;
out:
    return rc;
}

/* A zone has to be known when the views file is bound: reading one for an event would be a file for an event. */
static enum tl_code zone_prepare(const struct tl_prepare *with, uint32_t arg, const struct tl_zone **out, struct tl_err *err)
{
    const struct tl_value *constant = constant_of(with, arg);

    if (constant == NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "the name of a zone has to be a constant text");
    return tl_zone_open(constant->sv, with->arena, out, err);
}

#define PREPARE(NAME, STYLE, READS)                                                                                              \
    static enum tl_code NAME(const struct tl_prepare *with, const void **state, struct tl_err *err)                              \
    {                                                                                                                            \
        struct manner *manner = NULL;                                                                                            \
        enum tl_code rc = manner_prepare(with, (STYLE), (READS), &manner, err);                                                  \
                                                                                                                                 \
        *state = manner;                                                                                                         \
        return rc;                                                                                                               \
    }

PREPARE(print_prepare, TL_TIME_JAVA_TIME, false)
PREPARE(read_prepare, TL_TIME_JAVA_TIME, true)
PREPARE(print_old_prepare, TL_TIME_JAVA_TEXT, false)
PREPARE(read_old_prepare, TL_TIME_JAVA_TEXT, true)

/* TO_TIMESTAMP_LTZ(s, pattern, zone). */
static enum tl_code read_zoned_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    struct manner *manner = NULL;
    enum tl_code rc;

    TL_TRY(manner_prepare(with, TL_TIME_JAVA_TIME, true, &manner, err));
    TL_TRY(zone_prepare(with, 2, &manner->zone, err));
    *state = manner;
out:
    return rc;
}

/* CONVERT_TZ(s, from, to). */
static enum tl_code convert_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    struct manner *manner = tl_arena_zalloc(with->arena, sizeof *manner);
    enum tl_code rc;

    if (manner == NULL)
        return tl_fail_memory(err, sizeof *manner);
    TL_TRY(pattern_compile(TL_SV("yyyy-MM-dd HH:mm:ss"), TL_TIME_JAVA_TEXT, true, with->arena, &manner->standard, err));
    TL_TRY(zone_prepare(with, 1, &manner->zone, err));
    TL_TRY(zone_prepare(with, 2, &manner->to, err));
    *state = manner;
out:
    return rc;
}

/* --- print ----------------------------------------------------------------------------------------------------------------- */

/* *out NULL: the row's pattern is none. False: out of memory. */
static bool pattern_of(const struct tl_call *call, uint32_t row, enum tl_time_style style, bool reads,
                       const struct tl_time_pattern **out)
{
    const struct manner *manner = call->state;
    const void *found = manner->pattern;

    if (found == NULL &&
        !tl_pattern_cache_get(((struct patterns *)call->memory)->of[style][reads], call->args[1].sv[row], &found))
        return false;
    *out = found;
    return true;
}

static bool put_time(const struct tl_call *call, uint32_t row, const struct tl_time_pattern *pattern, int64_t local_ms)
{
    char text[TL_TIME_PATTERN_TEXT_MAX], *copy;
    size_t size = tl_time_pattern_print(pattern, local_ms, text);

    copy = tl_arena_bytes(call->arena, size);
    if (copy == NULL)
        return false;
    memcpy(copy, text, size);
    call->out->null[row] = 0;
    call->out->sv[row] = (struct tl_sv){copy, size};
    return true;
}

/* Events come in the order of time, so most rows have the text of the row before: days above all. */
static bool print_all(const struct tl_call *call, const struct tl_zone *zone)
{
    const bool constant = ((const struct manner *)call->state)->pattern != NULL;
    struct tl_zone_span span = {0};
    int64_t from_ms = 0, grain_ms = 0; /* of the last text */
    struct tl_sv text = {0};

    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        const struct tl_time_pattern *pattern;
        int64_t local_ms = tl_zone_local_near_ms(zone, &span, call->args[0].i64[row]);

        if (!pattern_of(call, row, TL_TIME_JAVA_TIME, false, &pattern))
            return false;
        if (pattern == NULL) {
            tl_call_fail(call, row);
        } else if (local_ms >= from_ms && (uint64_t)local_ms - (uint64_t)from_ms < (uint64_t)grain_ms) {
            call->out->null[row] = 0;
            call->out->sv[row] = text;
        } else {
            if (!put_time(call, row, pattern, local_ms))
                return false;
            text = call->out->sv[row];
            from_ms = tl_add_sat_i64(local_ms, -(tl_ms_of_day(local_ms) % pattern->grain_ms));
            grain_ms = constant ? pattern->grain_ms : 0;
        }
    }
    return true;
}

static bool print_wall(const struct tl_call *call)
{
    return print_all(call, NULL);
}

static bool print_instant(const struct tl_call *call)
{
    return print_all(call, ((const struct manner *)call->state)->zone);
}

/* FROM_UNIXTIME. Seconds that are no milliseconds any more are NULL. */
static bool print_seconds(const struct tl_call *call)
{
    const struct tl_zone *zone = ((const struct manner *)call->state)->zone;
    struct tl_zone_span span = {0};
    int64_t ms;

    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        const struct tl_time_pattern *pattern;

        if (!pattern_of(call, row, TL_TIME_JAVA_TEXT, false, &pattern))
            return false;
        if (pattern == NULL)
            tl_call_fail(call, row);
        else if (tl_mul_overflows(call->args[0].i64[row], 1000, &ms))
            tl_call_null(call, row);
        else if (!put_time(call, row, pattern, tl_zone_local_near_ms(zone, &span, ms)))
            return false;
    }
    return true;
}

/* --- read ------------------------------------------------------------------------------------------------------------------ */

/* Digits and `behind`; 0: to the end. */
static bool take_number(struct tl_sv *text, char behind, size_t size_max, int64_t *out)
{
    size_t size = 0;

    *out = 0;
    for (; size < text->size && size < size_max && text->data[size] >= '0' && text->data[size] <= '9'; size++)
        *out = *out * 10 + (text->data[size] - '0');
    if (size == 0 || (behind == 0 ? size != text->size : size == text->size || text->data[size] != behind))
        return false;
    size += behind != 0;
    text->data += size;
    text->size -= size;
    return true;
}

/* h:m:s[.f] */
static bool read_clock_loosely(struct tl_sv text, int64_t *ms)
{
    int64_t hour, minute, second, fraction = 0;
    size_t digits = 9;

    if (!take_number(&text, ':', 9, &hour) || !take_number(&text, ':', 9, &minute))
        return false;
    if (text.size > 0 && memchr(text.data, '.', text.size) == NULL) {
        if (!take_number(&text, 0, 9, &second))
            return false;
    } else {
        if (!take_number(&text, '.', 9, &second))
            return false;
        digits = text.size;
        if (!take_number(&text, 0, 9, &fraction))
            return false;
    }
    for (; digits < 9; digits++)
        fraction *= 10;
    *ms = hour * 3600000 + minute * 60000 + second * 1000 + fraction / 1000000;
    return true;
}

/* What TO_TIMESTAMP takes although it does not fit the pattern: yyyy-[m]m-[d]d, or that, one space and h:m:s[.f]. All but the month
 * is carried on: 2024-02-30 is 2024-03-01, 25:00:00 an hour of the next day.
 * Source: java.sql.Date.valueOf and java.sql.Timestamp.valueOf. */
static bool read_loosely(struct tl_sv text, int64_t *ms)
{
    int64_t year, month, day, clock_ms = 0;
    const char *space;
    struct tl_sv date;

    text = tl_sv_trim(text);
    if (text.size < 8 || memchr(text.data, '-', text.size) != text.data + 4)
        return false;
    space = memchr(text.data, ' ', text.size);
    date = tl_sv_cut(&text, ' ');
    if (!take_number(&date, '-', 4, &year) || !take_number(&date, '-', 2, &month) || !take_number(&date, 0, 2, &day) ||
        month < 1 || month > 12 || day < 1 || day > 31 || (space != NULL && !read_clock_loosely(text, &clock_ms)))
        return false;
    if (year == 0) /* Java's old classes have no year 0, and lose the era on the way */
        year = 1;
    *ms = (tl_days_from_civil(year, (unsigned)month, 1) + day - 1) * TL_DAY_MS + clock_ms;
    return true;
}

static bool read_all(const struct tl_call *call, const struct tl_zone *zone)
{
    struct tl_zone_span span = {0};

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        const struct tl_time_pattern *pattern;
        struct tl_sv text = call->args[0].sv[row];
        int64_t local_ms;

        if (!pattern_of(call, row, TL_TIME_JAVA_TIME, true, &pattern))
            return false;
        if (pattern != NULL && (tl_time_pattern_read(pattern, text, &local_ms) || read_loosely(text, &local_ms)))
            call->out->i64[row] = tl_zone_instant_near_ms(zone, &span, local_ms);
        else
            tl_call_null(call, row);
    }
    return true;
}

/* TO_TIMESTAMP_LTZ(s, pattern) too reads the clock of UTC, whatever the session's zone is. */
static bool read_utc(const struct tl_call *call)
{
    return read_all(call, NULL);
}

static bool read_zoned(const struct tl_call *call)
{
    return read_all(call, ((const struct manner *)call->state)->zone);
}

/* java.text takes the later instant of a wall clock that is shown twice, and goes on in a gap as java.time does. */
static int64_t instant_later(const struct tl_zone *zone, int64_t local_ms)
{
    return tl_max_i64(tl_zone_instant_ms(zone, local_ms), tl_zone_last_ms(zone, local_ms));
}

/* DATE_FORMAT(s, pattern) */
static bool print_text(const struct tl_call *call)
{
    const struct manner *manner = call->state;
    int64_t local_ms;

    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        const struct tl_time_pattern *pattern;

        if (!pattern_of(call, row, TL_TIME_JAVA_TEXT, false, &pattern))
            return false;
        if (pattern == NULL)
            tl_call_fail(call, row);
        else if (!tl_time_pattern_read_lenient(manner->standard, call->args[0].sv[row], &local_ms))
            tl_call_null(call, row);
        else if (!put_time(call, row, pattern, local_ms))
            return false;
    }
    return true;
}

/* UNIX_TIMESTAMP: a text that is none is the smallest BIGINT, as on Flink. */
static bool read_seconds(const struct tl_call *call)
{
    const struct manner *manner = call->state;
    int64_t local_ms;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        const struct tl_time_pattern *pattern;

        if (!pattern_of(call, row, TL_TIME_JAVA_TEXT, true, &pattern))
            return false;
        if (pattern == NULL)
            tl_call_fail(call, row);
        else if (tl_time_pattern_read_lenient(pattern, call->args[0].sv[row], &local_ms))
            call->out->i64[row] = instant_later(manner->zone, local_ms) / 1000;
        else
            call->out->i64[row] = INT64_MIN;
    }
    return true;
}

static bool convert_zone(const struct tl_call *call)
{
    const struct manner *manner = call->state;
    struct tl_zone_span span = {0};
    int64_t local_ms;

    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_time_pattern_read_lenient(manner->standard, call->args[0].sv[row], &local_ms))
            tl_call_null(call, row);
        else if (!put_time(call, row, manner->standard,
                           tl_zone_local_near_ms(manner->to, &span, instant_later(manner->zone, local_ms))))
            return false;
    }
    return true;
}

/* --- numbers --------------------------------------------------------------------------------------------------------------- */

enum { EPOCH_DIGITS_MAX = 9 };

static const int64_t powers[EPOCH_DIGITS_MAX + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

/* The seconds that a TIMESTAMP_LTZ can be of. */
static const int64_t seconds_min = TL_TIME_MIN_MS / 1000, seconds_max = TL_TIME_MAX_MS / 1000;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The number has this many digits behind its seconds. False: a row's precision is none. */
static bool digits_of(const struct tl_call *call, uint32_t row, int64_t *digits)
{
    *digits = call->args_count > 1 ? call->args[1].i64[row] : 3;
    return *digits >= 0 && *digits <= EPOCH_DIGITS_MAX;
}

static bool epoch_i64(const struct tl_call *call)
{
    int64_t digits;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t value = call->args[0].i64[row];

        if (!digits_of(call, row, &digits)) {
            tl_call_fail(call, row);
            continue;
        }
        if (floor_div(value, powers[digits]) < seconds_min || floor_div(value, powers[digits]) > seconds_max)
            tl_call_null(call, row);
        else
            call->out->i64[row] = digits > 3 ? floor_div(value, powers[digits - 3]) : value * powers[3 - digits];
    }
    return true;
}

static bool epoch_f64(const struct tl_call *call)
{
    int64_t digits;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        double value = call->args[0].f64[row], seconds;

        if (!digits_of(call, row, &digits)) {
            tl_call_fail(call, row);
            continue;
        }
        seconds = value / (double)powers[digits];
        if (seconds < (double)seconds_min || seconds > (double)seconds_max)
            tl_call_null(call, row);
        else
            call->out->i64[row] = floor_div(tl_f64_to_i64(TL_BIGINT, value * (double)powers[9 - digits]), 1000000);
    }
    return true;
}

static enum tl_code epoch_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    const struct tl_value *digits = constant_of(with, 1);

    *state = NULL;
    if (digits != NULL && (digits->i64 < 0 || digits->i64 > EPOCH_DIGITS_MAX))
        return tl_fail(err, TL_ERR_DEFINITION, "the precision is 0 for seconds, 3 for milliseconds, at most 9, and not %lld",
                       (long long)digits->i64);
    return TL_OK;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

/* Rows of the same form: A, then the texts of a pattern and a zone as far as the call has them. */
#define ROW(NAME, SIGNATURE, A, ARGS_COUNT, RESULT, CAN_FAIL, KERNEL, PREPARE)                                                   \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME SIGNATURE " -> " #RESULT, .args = {TL_##A, TL_STRING, TL_STRING},                      \
        .args_min = (ARGS_COUNT), .args_max = (ARGS_COUNT), .result = TL_##RESULT, .null_in_null_out = true,                     \
        .can_fail = (CAN_FAIL), .kernel = (KERNEL), .prepare = (PREPARE), .memory = &patterns_memory                             \
    }
#define EPOCH(A, KERNEL)                                                                                                         \
    {                                                                                                                            \
        .name = "TO_TIMESTAMP_LTZ", .signature = "TO_TIMESTAMP_LTZ(" #A "[, INT]) -> TIMESTAMP_LTZ", .args = {TL_##A, TL_INT},   \
        .args_min = 1, .args_max = 2, .result = TL_TIMESTAMP_LTZ, .null_in_null_out = true, .can_fail = true,                    \
        .kernel = (KERNEL), .prepare = epoch_prepare                                                                             \
    }

static const struct tl_function functions[] = {
    ROW("DATE_FORMAT", "(TIMESTAMP, STRING)", TIMESTAMP, 2, STRING, true, print_wall, print_prepare),
    ROW("DATE_FORMAT", "(TIMESTAMP_LTZ, STRING)", TIMESTAMP_LTZ, 2, STRING, true, print_instant, print_prepare),
    ROW("DATE_FORMAT", "(STRING, STRING)", STRING, 2, STRING, true, print_text, print_old_prepare),
    TL_ROW("TO_TIMESTAMP", "TO_TIMESTAMP(STRING) -> TIMESTAMP", 1, 1, TIMESTAMP, tl_text_to_time, .args = {TL_STRING},
           .fails_to_null = true),
    ROW("TO_TIMESTAMP", "(STRING, STRING)", STRING, 2, TIMESTAMP, false, read_utc, read_prepare),
    EPOCH(BIGINT, epoch_i64),
    EPOCH(DOUBLE, epoch_f64),
    ROW("TO_TIMESTAMP_LTZ", "(STRING)", STRING, 1, TIMESTAMP_LTZ, true, tl_text_to_time, NULL),
    ROW("TO_TIMESTAMP_LTZ", "(STRING, STRING)", STRING, 2, TIMESTAMP_LTZ, false, read_utc, read_prepare),
    ROW("TO_TIMESTAMP_LTZ", "(STRING, STRING, STRING)", STRING, 3, TIMESTAMP_LTZ, false, read_zoned, read_zoned_prepare),
    ROW("FROM_UNIXTIME", "(BIGINT)", BIGINT, 1, STRING, false, print_seconds, print_old_prepare),
    ROW("FROM_UNIXTIME", "(BIGINT, STRING)", BIGINT, 2, STRING, true, print_seconds, print_old_prepare),
    ROW("UNIX_TIMESTAMP", "(STRING)", STRING, 1, BIGINT, false, read_seconds, read_old_prepare),
    ROW("UNIX_TIMESTAMP", "(STRING, STRING)", STRING, 2, BIGINT, true, read_seconds, read_old_prepare),
    ROW("CONVERT_TZ", "(STRING, STRING, STRING)", STRING, 3, STRING, false, convert_zone, convert_prepare),
};

const struct tl_catalog tl_functions_pattern = {functions, TL_COUNT(functions), &tl_functions_place, NULL};
