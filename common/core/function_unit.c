/* function_unit.c: functions on timestamps by units of time: FLOOR, CEIL, EXTRACT and short forms, TIMESTAMPADD, TIMESTAMPDIFF.
 *
 * What Flink computes is computed here, also where it looks odd:
 *   - WEEK begins on Sunday in FLOOR and CEIL, and is ISO's week, from Monday on, in EXTRACT;
 *   - CEIL to WEEK and longer units looks at the day alone: 2024-03-01 10:00 to MONTH is that day's midnight, which is before it;
 *     to QUARTER it goes on to the next one on every day but 1 January;
 *   - before 1970 days are cut towards 1970 in FLOOR and CEIL to WEEK and longer units, in EXTRACT all is: no hour is above 0;
 *   - FLOOR and CEIL to WEEK and longer units count the Julian calendar before 1582-10-15, and take its date for a Gregorian one;
 *   - on TIMESTAMP_LTZ the offset of the zone is that at the argument: FLOOR TO DAY on the day of a change misses midnight, and
 *     EPOCH is that of the wall clock; TIMESTAMPADD and TIMESTAMPDIFF compute with instants, months too;
 *   - TIMESTAMPDIFF is an INT that drops bits, and WEEK is that of SECOND, divided.
 * Source: Apache Flink 2.3, DateTimeUtils and the call generators of flink-table-planner. */
#include <stdio.h>
#include <string.h>

#include "core/function_number.h"
#include "core/function_rows.h"
#include "event/timestamp.h"
#include "event/zone.h"

enum unit {
    MILLISECOND,
    SECOND,
    MINUTE,
    HOUR,
    DAY,
    WEEK,
    MONTH,
    QUARTER,
    YEAR,
    DECADE,
    CENTURY,
    MILLENNIUM,
    EPOCH,
    DOW,
    ISODOW,
    DOY,
    ISOYEAR,
    MICROSECOND,
    NANOSECOND,
    UNITS,
};

static const char *const unit_names[UNITS] = {"MILLISECOND", "SECOND", "MINUTE",  "HOUR",        "DAY",        "WEEK",  "MONTH",
                                              "QUARTER",     "YEAR",   "DECADE",  "CENTURY",     "MILLENNIUM", "EPOCH", "DOW",
                                              "ISODOW",      "DOY",    "ISOYEAR", "MICROSECOND", "NANOSECOND"};

static const int64_t unit_ms[UNITS] = {
    [MILLISECOND] = 1, [SECOND] = 1000, [MINUTE] = 60000, [HOUR] = 3600000, [DAY] = TL_DAY_MS, [WEEK] = 7 * TL_DAY_MS};
static const int64_t unit_months[UNITS] = {
    [MONTH] = 1, [QUARTER] = 3, [YEAR] = 12, [DECADE] = 120, [CENTURY] = 1200, [MILLENNIUM] = 12000};

/* What a call is prepared with. */
struct measure {
    enum unit unit;
    const struct tl_zone *zone; /* NULL too where the argument has none */
};

/* The unit is a word of the call, so always a constant where the binder prepares it. Units from `first` to `last` are taken. */
static enum tl_code measure_prepare(const struct tl_prepare *with, uint32_t arg, enum unit first, enum unit last,
                                    const void **state, struct tl_err *err)
{
    const struct tl_value *word = &with->constants[arg];
    struct measure *measure;
    char all[200]; /* the names together have 150 bytes */
    size_t size = 0;

    if (word->is_null)
        return tl_fail(err, TL_ERR_DEFINITION, "the unit is a word that stands in the call");
    measure = tl_arena_alloc(with->arena, sizeof *measure);
    if (measure == NULL)
        return tl_fail_memory(err, sizeof *measure);
    measure->zone = with->zone;
    for (enum unit unit = first; unit <= last; unit++) {
        if (tl_sv_eq(word->sv, tl_sv_from(unit_names[unit]))) {
            measure->unit = unit;
            *state = measure;
            return TL_OK;
        }
        size += (size_t)snprintf(all + size, sizeof all - size, "%s%s", unit == first ? "" : ", ", unit_names[unit]);
    }
    return tl_fail(err, TL_ERR_DEFINITION, "there is no unit %.*s here; there are %s", TL_SV_ARG(word->sv), all);
}

static int64_t days_to_ms(int64_t days)
{
    int64_t ms;

    return tl_mul_overflows(days, TL_DAY_MS, &ms) ? (days < 0 ? INT64_MIN : INT64_MAX) : ms;
}

/* --- FLOOR, CEIL ----------------------------------------------------------------------------------------------------------- */

static int64_t floor_days(enum unit unit, int64_t days, int64_t year, unsigned month)
{
    switch (unit) {
    case WEEK: return days - tl_weekday_of_days(days);
    case MONTH: return tl_days_from_civil(year, month, 1);
    case QUARTER: return tl_days_from_civil(year, (month - 1) / 3 * 3 + 1, 1);
    case YEAR: return tl_days_from_civil(year, 1, 1);
    case DECADE: return tl_days_from_civil(year / 10 * 10, 1, 1);
    case CENTURY: return tl_days_from_civil((year + 99) / 100 * 100 - 99, 1, 1);
    default: return tl_days_from_civil((year + 999) / 1000 * 1000 - 999, 1, 1);
    }
}

/* Month 13 is the next January. */
static int64_t ceil_days(enum unit unit, int64_t days, int64_t year, unsigned month, unsigned day)
{
    const bool first = month == 1 && day == 1;

    switch (unit) {
    case WEEK: return days + (7 - tl_weekday_of_days(days)) % 7;
    case MONTH: return tl_days_from_civil(year, day > 1 ? month + 1 : month, 1);
    case QUARTER: return tl_days_from_civil(year, (month - 1) / 3 * 3 + (first ? 1 : 4), 1);
    case YEAR: return tl_days_from_civil(first ? year : year + 1, 1, 1);
    case DECADE: return tl_days_from_civil((1 + year / 10) * 10, 1, 1);
    case CENTURY: return tl_days_from_civil((year + 99) / 100 * 100 + 1, 1, 1);
    default: return tl_days_from_civil((year + 999) / 1000 * 1000 + 1, 1, 1);
    }
}

static int64_t bound_of_days(enum unit unit, int64_t ms, bool up)
{
    int64_t days = ms / TL_DAY_MS, year;
    unsigned month, day;

    if (days < TL_GREGORIAN_DAYS) {
        tl_julian_from_days(days, &year, &month, &day);
        if (unit == WEEK)
            return days_to_ms(tl_days_from_civil(year, month, day) +
                              (up ? (7 - tl_weekday_of_days(days)) % 7 : -tl_weekday_of_days(days)));
    } else {
        tl_civil_from_days(days, &year, &month, &day);
    }
    return days_to_ms(up ? ceil_days(unit, days, year, month, day) : floor_days(unit, days, year, month));
}

static int64_t bound_of(enum unit unit, int64_t ms, bool up)
{
    int64_t size = unit_ms[unit], rest;

    if (unit >= WEEK)
        return bound_of_days(unit, ms, up);
    rest = ms % size;
    if (up)
        return rest > 0 ? tl_add_sat_i64(ms - rest, size) : ms - rest;
    return rest < 0 ? tl_add_sat_i64(ms - rest, -size) : ms - rest;
}

static bool bound_all(const struct tl_call *call, const struct tl_zone *zone, bool up)
{
    const struct measure *measure = call->state;
    struct tl_zone_span span = {0};

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t local_ms = tl_zone_local_near_ms(zone, &span, call->args[0].i64[row]);

        call->out->i64[row] = tl_add_sat_i64(bound_of(measure->unit, local_ms, up), -span.offset_ms);
    }
    return true;
}

static bool floor_wall(const struct tl_call *call)
{
    return bound_all(call, NULL, false);
}

static bool floor_instant(const struct tl_call *call)
{
    return bound_all(call, ((const struct measure *)call->state)->zone, false);
}

static bool ceil_wall(const struct tl_call *call)
{
    return bound_all(call, NULL, true);
}

static bool ceil_instant(const struct tl_call *call)
{
    return bound_all(call, ((const struct measure *)call->state)->zone, true);
}

static enum tl_code bound_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    return measure_prepare(with, 1, MILLISECOND, MILLENNIUM, state, err);
}

/* --- EXTRACT --------------------------------------------------------------------------------------------------------------- */

/* The week of ISO 8601 is of the year that its Thursday is in. */
static int64_t iso_week(int64_t days, int64_t *year)
{
    int64_t thursday = days + 3 - (tl_weekday_of_days(days) + 6) % 7;
    unsigned month, day;

    tl_civil_from_days(thursday, year, &month, &day);
    return (thursday - tl_days_from_civil(*year, 1, 1)) / 7 + 1;
}

static int64_t up_by(int64_t year, int64_t size)
{
    return year > 0 ? (year + size - 1) / size : (year - size + 1) / size;
}

static int64_t extract_of_days(enum unit unit, int64_t days)
{
    int64_t year, iso_year, week;
    unsigned month, day;

    if (unit == DOW)
        return tl_weekday_of_days(days) + 1;
    if (unit == ISODOW)
        return (tl_weekday_of_days(days) + 6) % 7 + 1;
    if (unit == WEEK || unit == ISOYEAR) {
        week = iso_week(days, &iso_year);
        return unit == WEEK ? week : iso_year;
    }
    tl_civil_from_days(days, &year, &month, &day);
    switch (unit) {
    case DAY: return day;
    case DOY: return days - tl_days_from_civil(year, 1, 1) + 1;
    case MONTH: return month;
    case QUARTER: return (month + 2) / 3;
    case DECADE: return year / 10;
    case CENTURY: return up_by(year, 100);
    case MILLENNIUM: return up_by(year, 1000);
    default: return year;
    }
}

static int64_t extract(enum unit unit, int64_t ms)
{
    switch (unit) {
    case NANOSECOND: return ms % 1000 * 1000000;
    case MICROSECOND: return ms % 1000 * 1000;
    case MILLISECOND: return ms % 1000;
    case SECOND: return ms % 60000 / 1000;
    case MINUTE: return ms % 3600000 / 60000;
    case HOUR: return ms % TL_DAY_MS / 3600000;
    case EPOCH: return ms / 1000;
    default: return extract_of_days(unit, ms / TL_DAY_MS);
    }
}

static void extract_all(const struct tl_call *call, enum unit unit, const struct tl_zone *zone, const struct tl_vec *from)
{
    struct tl_zone_span span = {0};

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = extract(unit, tl_zone_local_near_ms(zone, &span, from->i64[row]));
}

static bool extract_wall(const struct tl_call *call)
{
    extract_all(call, ((const struct measure *)call->state)->unit, NULL, &call->args[1]);
    return true;
}

static bool extract_instant(const struct tl_call *call)
{
    const struct measure *measure = call->state;

    extract_all(call, measure->unit, measure->zone, &call->args[1]);
    return true;
}

static enum tl_code extract_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    return measure_prepare(with, 0, MILLISECOND, NANOSECOND, state, err);
}

/* YEAR(t) is EXTRACT(YEAR FROM t). */
static enum unit unit_of_name(const char *name)
{
    static const struct {
        const char *name;
        enum unit unit;
    } others[] = {
        {"DAYOFYEAR",  DOY},
        {"DAYOFMONTH", DAY},
        {"DAYOFWEEK",  DOW},
    };
    enum unit unit = 0;

    for (size_t i = 0; i < TL_COUNT(others); i++)
        if (strcmp(name, others[i].name) == 0)
            return others[i].unit;
    while (strcmp(name, unit_names[unit]) != 0)
        unit++;
    return unit;
}

static bool short_wall(const struct tl_call *call)
{
    extract_all(call, unit_of_name(call->function->name), NULL, &call->args[0]);
    return true;
}

static bool short_instant(const struct tl_call *call)
{
    extract_all(call, unit_of_name(call->function->name), call->state, &call->args[0]);
    return true;
}

static enum tl_code short_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    (void)err;
    *state = with->zone;
    return TL_OK;
}

/* --- TIMESTAMPADD, TIMESTAMPDIFF ------------------------------------------------------------------------------------------- */

/* A day that the month does not have is its last. */
static int64_t days_add_months(int64_t days, int64_t months)
{
    int64_t year, of_year;
    unsigned month, day, last;

    tl_civil_from_days(days, &year, &month, &day);
    months += month - 1;
    of_year = (months % 12 + 12) % 12;
    year += (months - of_year) / 12;
    month = (unsigned)of_year + 1;
    last = tl_month_days(year, month);
    return tl_days_from_civil(year, month, day < last ? day : last);
}

static int64_t add_months(int64_t ms, int64_t months)
{
    return tl_add_sat_i64(days_to_ms(days_add_months(tl_days_of_ms(ms), months)), tl_ms_of_day(ms));
}

/* Whole months from `from` to `to`, days alone; the same with a minus where `to` is earlier. */
static int64_t days_months_between(int64_t from, int64_t to)
{
    int64_t from_year, to_year, months;
    unsigned from_month, to_month, day;

    if (to < from)
        return -days_months_between(to, from);
    tl_civil_from_days(from, &from_year, &from_month, &day);
    tl_civil_from_days(to, &to_year, &to_month, &day);
    months = (to_year - from_year) * 12 + (int64_t)to_month - (int64_t)from_month;
    return days_add_months(from, months) > to ? months - 1 : months;
}

/* The time of day counts on the last of them alone. */
static int64_t months_between(int64_t from_ms, int64_t to_ms)
{
    int64_t from = tl_days_of_ms(from_ms), to = tl_days_of_ms(to_ms), months = days_months_between(from, to);

    if (days_add_months(from, months) == to && tl_ms_of_day(to_ms) < tl_ms_of_day(from_ms))
        months--;
    return months;
}

static bool timestamp_add(const struct tl_call *call)
{
    const struct measure *measure = call->state;
    const int64_t months = unit_months[measure->unit], size = unit_ms[measure->unit];

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        int64_t count = call->args[1].i64[row], ms = call->args[2].i64[row], by;

        if (tl_mul_overflows(count, months > 0 ? months : size, &by) || (months > 0 && (by > INT32_MAX || by < INT32_MIN)))
            tl_call_fail(call, row);
        else
            call->out->i64[row] = months > 0 ? add_months(ms, by) : tl_add_sat_i64(ms, by);
    }
    return true;
}

/* An INT, by Java's cast, which drops bits; of weeks it is the seconds that lose them. */
static int64_t difference(enum unit unit, int64_t from_ms, int64_t to_ms)
{
    int64_t ms;

    if (unit_months[unit] > 0)
        return tl_i64_wrap(TL_INT, months_between(from_ms, to_ms) / unit_months[unit]);
    if (__builtin_sub_overflow(to_ms, from_ms, &ms))
        ms = to_ms < 0 ? INT64_MIN : INT64_MAX;
    if (unit == WEEK)
        return tl_i64_wrap(TL_INT, ms / 1000) / (unit_ms[WEEK] / 1000);
    return tl_i64_wrap(TL_INT, ms / unit_ms[unit]);
}

static bool timestamp_diff(const struct tl_call *call)
{
    const struct measure *measure = call->state;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        call->out->i64[row] = difference(measure->unit, call->args[1].i64[row], call->args[2].i64[row]);
    return true;
}

static enum tl_code add_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    return measure_prepare(with, 0, MILLISECOND, MILLENNIUM, state, err);
}

static enum tl_code diff_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    return measure_prepare(with, 0, SECOND, YEAR, state, err);
}

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

#define BOUND(NAME, A, KERNEL)                                                                                                   \
    {                                                                                                                            \
        .name = NAME " TO", .signature = NAME "(" #A " TO unit) -> " #A, .args = {TL_##A, TL_STRING}, .args_min = 2,             \
        .args_max = 2, .result = TL_##A, .null_in_null_out = true, .unit_arg = 2, .kernel = (KERNEL), .prepare = bound_prepare   \
    }
#define EXTRACT(A, KERNEL)                                                                                                       \
    {                                                                                                                            \
        .name = "EXTRACT FROM", .signature = "EXTRACT(unit FROM " #A ") -> BIGINT", .args = {TL_STRING, TL_##A}, .args_min = 2,  \
        .args_max = 2, .result = TL_BIGINT, .null_in_null_out = true, .unit_arg = 1, .kernel = (KERNEL),                         \
        .prepare = extract_prepare                                                                                               \
    }
#define SHORT(NAME)                                                                                                              \
    TL_PREFIX(NAME, TIMESTAMP, BIGINT, short_wall),                                                                              \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(TIMESTAMP_LTZ) -> BIGINT", .args = {TL_TIMESTAMP_LTZ}, .args_min = 1, .args_max = 1, \
        .result = TL_BIGINT, .null_in_null_out = true, .kernel = short_instant, .prepare = short_prepare                         \
    }
#define ADD(A)                                                                                                                   \
    {                                                                                                                            \
        .name = "TIMESTAMPADD", .signature = "TIMESTAMPADD(unit, BIGINT, " #A ") -> " #A,                                        \
        .args = {TL_STRING, TL_BIGINT, TL_##A}, .args_min = 3, .args_max = 3, .result = TL_##A, .null_in_null_out = true,        \
        .can_fail = true, .unit_arg = 1, .kernel = timestamp_add, .prepare = add_prepare                                         \
    }
#define DIFF(A)                                                                                                                  \
    {                                                                                                                            \
        .name = "TIMESTAMPDIFF", .signature = "TIMESTAMPDIFF(unit, " #A ", " #A ") -> INT", .args = {TL_STRING, TL_##A, TL_##A}, \
        .args_min = 3, .args_max = 3, .result = TL_INT, .null_in_null_out = true, .unit_arg = 1, .kernel = timestamp_diff,       \
        .prepare = diff_prepare                                                                                                  \
    }

static const struct tl_function functions[] = {
    BOUND("FLOOR", TIMESTAMP, floor_wall),
    BOUND("FLOOR", TIMESTAMP_LTZ, floor_instant),
    BOUND("CEIL", TIMESTAMP, ceil_wall),
    BOUND("CEIL", TIMESTAMP_LTZ, ceil_instant),
    BOUND("CEILING", TIMESTAMP, ceil_wall),
    BOUND("CEILING", TIMESTAMP_LTZ, ceil_instant),
    EXTRACT(TIMESTAMP, extract_wall),
    EXTRACT(TIMESTAMP_LTZ, extract_instant),
    SHORT("YEAR"),
    SHORT("QUARTER"),
    SHORT("MONTH"),
    SHORT("WEEK"),
    SHORT("DAYOFYEAR"),
    SHORT("DAYOFMONTH"),
    SHORT("DAYOFWEEK"),
    SHORT("HOUR"),
    SHORT("MINUTE"),
    SHORT("SECOND"),
    ADD(TIMESTAMP),
    ADD(TIMESTAMP_LTZ),
    DIFF(TIMESTAMP),
    DIFF(TIMESTAMP_LTZ),
};

const struct tl_catalog tl_functions_unit = {functions, TL_COUNT(functions), &tl_functions_url, NULL};
