/* cause_events.h: the events behind each cause, as the proof comes upon them: the first ones with their place, and how late the late ones were.
 *
 * Each event is taken once per cause, whatever the number of views and windows that it differs in (cause.c counts so). The first ones are those
 * that come first by partition and offset, in whatever order they are found.
 * How late: the watermark by which speed judged the event, less its event time. The watermark's own delay is not in it: an event that is 1 s late
 * by a watermark of 15 s came 16 s behind the newest.
 * Memory: 64 bytes or so for each event that is kept, at most `samples_max` a cause, and of dq_reject a check. */
#ifndef TL_CAUSE_EVENTS_H
#define TL_CAUSE_EVENTS_H

#include "compare.h"

/* Steps of lateness: [0 .. from 7 days on). The first holds what was not behind the watermark at all: a row may come in order and still be split
 * from a session that has fired. */
enum { TL_LATE_STEPS = 12 };
extern const int64_t tl_late_from_ms[TL_LATE_STEPS];   /* ascending; [0] is INT64_MIN. A step ends where the next begins */
extern const char *const tl_late_names[TL_LATE_STEPS]; /* "1 s to 5 s" */

struct tl_cause_sample {
    uint32_t view; /* the first that it differs in */
    struct tl_unit_sample event;
};

struct tl_cause_group {
    enum tl_cause cause;
    struct tl_sv check; /* dq_reject: which; else empty */
    uint64_t events_count;
    struct tl_cause_sample *samples;
    size_t samples_count;
    struct tl_cause_group *next; /* in order of cause, then of check */
};

struct tl_cause_events {
    struct tl_arena memory;
    size_t samples_max;
    struct tl_cause_group *groups;
    uint64_t late_count[TL_LATE_STEPS];
    uint64_t late_unknown_count; /* of which speed's ledger tells no watermark */
};

void tl_cause_events_init(struct tl_cause_events *events, size_t samples_max);
void tl_cause_events_done(struct tl_cause_events *events);
/* late_drop, late_partial, session_split, session_bridge: how late such an event was is counted. */
bool tl_cause_is_late(enum tl_cause cause);
/* An event has this cause, and (a mask of 1 << cause) has been taken for those `before`. `check` lives as long as the events. `watermark_ms`: by
 * which speed judged it, INT64_MIN where that is unknown. False: out of memory. */
TL_MUST_USE bool tl_cause_events_add(struct tl_cause_events *events, uint32_t before, enum tl_cause cause, struct tl_sv check,
                                     const struct tl_cause_sample *sample, int64_t watermark_ms);

/* Once all are there: puts those that are kept in order. */
void tl_cause_events_settle(struct tl_cause_events *events);

#endif
