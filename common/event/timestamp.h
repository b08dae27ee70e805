/* timestamp.h: texts <-> milliseconds since 1970-01-01, proleptic Gregorian calendar, no leap seconds.
 *
 * Source of each accepted form: semantics.md 9.1 (JSON) and 8 (functions), read off Flink 2.3. */
#ifndef TL_TIMESTAMP_H
#define TL_TIMESTAMP_H

#include "base/base.h"
#include "base/sv.h"

#define TL_DAY_MS INT64_C(86400000)
#define TL_HOUR_MS INT64_C(3600000)
/* The calendar's ends: 0000-01-01T00:00:00.000 and 9999-12-31T23:59:59.999, what the texts can say. */
#define TL_TIME_MIN_MS INT64_C(-62167219200000)
#define TL_TIME_MAX_MS INT64_C(253402300799999)

int64_t tl_days_from_civil(int64_t year, unsigned month, unsigned day);
void tl_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);
unsigned tl_month_days(int64_t year, unsigned month);

/* The Julian calendar, which Java's older classes count before this day, 1582-10-15. */
#define TL_GREGORIAN_DAYS INT64_C(-141427)
int64_t tl_days_from_julian(int64_t year, unsigned month, unsigned day);
void tl_julian_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

/* 0 for Sunday. */
static inline int64_t tl_weekday_of_days(int64_t days)
{
    return ((days + 4) % 7 + 7) % 7;
}

/* The day of a wall clock, and how far it is into that day. */
static inline int64_t tl_days_of_ms(int64_t ms)
{
    return ms / TL_DAY_MS - (ms % TL_DAY_MS < 0);
}
static inline int64_t tl_ms_of_day(int64_t ms)
{
    int64_t rest = ms % TL_DAY_MS;

    return rest < 0 ? rest + TL_DAY_MS : rest;
}

/* The four forms of Flink's JSON format. Each has all of its digits: years 0000 to 9999, seconds, then nothing or a point and 1 to 9
 * digits (cut to milliseconds); nothing before or behind. Three of them are resolved as Java's ResolverStyle.SMART does: a day up
 * to 31 that the month does not have becomes its last (*clamped), 24:00:00 with nothing behind is the next day's midnight. The
 * fourth, TIMESTAMP in ISO-8601, is Java's ISO_LOCAL_DATE_TIME, whose style is STRICT: both are bad there. Not taken, though Java
 * would: signed years, a point without digits, and in ISO-8601 a time without seconds. What is written on failure is nothing. */
/* JSON, TIMESTAMP, SQL: "yyyy-MM-dd HH:mm:ss[.f{1..9}]"; *clamped when the day was cut to the month's last (2024-02-30). */
TL_MUST_USE bool tl_time_from_sql(struct tl_sv text, int64_t *ms, bool *clamped);
/* JSON, TIMESTAMP_LTZ, SQL: the same with a literal Z. */
TL_MUST_USE bool tl_time_from_sql_z(struct tl_sv text, int64_t *ms, bool *clamped);
/* JSON, TIMESTAMP, ISO-8601: "yyyy-MM-ddTHH:mm:ss[.f]", a trailing Z is bad. Strict: *clamped is always false. */
TL_MUST_USE bool tl_time_from_iso(struct tl_sv text, int64_t *ms, bool *clamped);
/* JSON, TIMESTAMP_LTZ, ISO-8601: the same, a trailing Z is required. The hot one. */
TL_MUST_USE bool tl_time_from_iso_z(struct tl_sv text, int64_t *ms, bool *clamped);
/* What people and programs type: RFC 3339 with Z or an offset, seconds and fraction optional, or a bare date (midnight UTC).
 * A time of day without a zone is refused, so is a day that the month does not have. T and Z may be small, and T a space. */
TL_MUST_USE bool tl_time_from_rfc3339(struct tl_sv text, int64_t *ms);
/* "10/Oct/2000:13:55:36 -0700" of access logs. */
TL_MUST_USE bool tl_time_from_access_log(struct tl_sv text, int64_t *ms);

enum { TL_TIME_TEXT_BYTES = 32 };
/* "2015-05-17T10:05:00.000Z", zero-terminated; returns the length. Years beyond 0..9999 get a sign and more digits. */
size_t tl_time_to_iso_z(int64_t ms, char out[TL_TIME_TEXT_BYTES]);
/* "2015-05-17 10:05:00.000": a TIMESTAMP(3) as Flink prints it. */
size_t tl_time_to_sql(int64_t ms, char out[TL_TIME_TEXT_BYTES]);

#endif
