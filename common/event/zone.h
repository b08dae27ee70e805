/* zone.h: time zones: instants <-> the wall clock of a place, by the rules of the tz database.
 *
 * Is:      the zones of the system's tzdata (TZif files with the rule behind their table), and fixed offsets.
 * Is not:  the zone of the process: TZ is never read, so a definition means the same on every machine. No abbreviations, no leap seconds.
 * Runs on: any thread: a zone does not change once it is open.
 *
 * A wall clock is milliseconds as if it were UTC, as in a TL_TIMESTAMP (value.h). NULL is UTC, in every call. Results saturate at
 * the ends of int64_t. Not every wall clock is shown once:
 *
 *     instants  ----- 01:59 | 03:00 -----        ----- 01:00 . 01:59 | 01:00 . 01:59 | 02:00 -----
 *                           T                             first         last
 *     gap: 02:30 is never shown                  overlap: 01:30 is shown twice
 *
 *                 the wall clock's instants    in a gap        never goes back as the wall clock goes on
 *     first_ms    the earliest                 T               yes
 *     last_ms     the latest                   T               yes
 *     instant_ms  the earliest                 T + how far     no: what lies in a gap comes out behind T, as what lies behind it does
 *                                              into the gap
 *
 * Sources: RFC 9636 (TZif, and the TZ string behind it); semantics.md 2.3 for first and last; java.time's LocalDateTime.atZone, which
 * is what Flink 2.3 casts with (DateTimeUtils), for instant_ms; Flink's TableConfigValidation for the names. */
#ifndef TL_ZONE_H
#define TL_ZONE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/sv.h"

struct tl_zone;

/* What 'table.local-time-zone' takes on Flink: "UTC", "GMT", a name of the tz database ("Europe/Berlin"), or an offset from GMT of at
 * most 18 hours ("GMT+05:30", "GMT-8", "GMT+0530"). Zones that are UTC for ever, under whatever name, are NULL. The zone lives in the
 * arena. The database is TZDIR of the environment, else /usr/share/zoneinfo.
 * TL_ERR_NOT_FOUND: there is no such zone (or no database). TL_ERR_CORRUPT: its file is no TZif file that can be believed. */
TL_MUST_USE enum tl_code tl_zone_open(struct tl_sv name, struct tl_arena *arena, const struct tl_zone **out, struct tl_err *err);
/* The same from the bytes of a TZif file, any version. */
TL_MUST_USE enum tl_code tl_zone_read(struct tl_sv name, struct tl_sv bytes, struct tl_arena *arena, const struct tl_zone **out,
                                      struct tl_err *err);
/* As it was opened; offsets in full ("GMT+05:00"), and "UTC" for every zone that is UTC. */
struct tl_sv tl_zone_name(const struct tl_zone *zone);

/* Instants [from_ms, to_ms) with one offset; to_ms INT64_MAX: for ever. Spans follow one another without gaps; two neighbours may have
 * the same offset. */
struct tl_zone_span {
    int64_t from_ms, to_ms;
    int64_t offset_ms; /* wall clock minus instant; more than -25 h, less than 26 h */
};
struct tl_zone_span tl_zone_span(const struct tl_zone *zone, int64_t instant_ms);

int64_t tl_zone_local_ms(const struct tl_zone *zone, int64_t instant_ms);
int64_t tl_zone_first_ms(const struct tl_zone *zone, int64_t local_ms);
int64_t tl_zone_last_ms(const struct tl_zone *zone, int64_t local_ms);
int64_t tl_zone_instant_ms(const struct tl_zone *zone, int64_t local_ms);
/* Where a window that ends at this wall clock is over: one behind tl_zone_last_ms of its last millisecond. No instant at or behind it
 * shows an earlier wall clock; never goes back. A day of the zone lies between the ends of the day before and of its own. */
int64_t tl_zone_end_ms(const struct tl_zone *zone, int64_t local_ms);

/* The next instant behind `after_ms` at which the clock shows that time of day: once a day; the first time where it is shown twice, and where the
 * clock leaps over it then. */
int64_t tl_zone_next_ms(const struct tl_zone *zone, int64_t of_day_ms, int64_t after_ms);

/* What such an end shows: the wall clock behind that of the last instant before it. */
static inline int64_t tl_zone_end_local_ms(const struct tl_zone *zone, int64_t end_ms)
{
    return tl_add_sat_i64(tl_zone_local_ms(zone, tl_add_sat_i64(end_ms, -1)), 1);
}

/* For loops over rows: *span is the one that the row before fell into ({0} at first), and is moved on where it does not hold. */
static inline int64_t tl_zone_local_near_ms(const struct tl_zone *zone, struct tl_zone_span *span, int64_t instant_ms)
{
    if (instant_ms < span->from_ms || instant_ms >= span->to_ms)
        *span = tl_zone_span(zone, instant_ms);
    return tl_add_sat_i64(instant_ms, span->offset_ms);
}
int64_t tl_zone_instant_near_ms(const struct tl_zone *zone, struct tl_zone_span *span, int64_t local_ms);

/* All names of the database, in no order, from the arena. Empty where there is no database. */
TL_MUST_USE enum tl_code tl_zone_names(struct tl_arena *arena, struct tl_sv **out, size_t *count, struct tl_err *err);

enum { TL_ZONE_VERSION_BYTES = 16 };
/* "2025b": the version of the database, zero-terminated; empty where it does not say. Returns the length. */
size_t tl_zone_version(char out[TL_ZONE_VERSION_BYTES]);

#endif
