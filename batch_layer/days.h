/* days.h: which ranges of a view are dirty, and why; and up to where it may be published.
 *
 *   published      (-inf,17th] (17th,18th] (18th,19th]            B = 19th
 *   new input         |            x                               events of the 17th came late
 *   complete for                                       20th 07:30
 *   to recompute                (17th,18th]             (19th,20th] nightly: up to the end of the last whole day
 *
 * Ranges are hours, days or months ('tally.batch-range'; rows do not depend on it), or what --to made of them. They are recomputed whole: what is
 * asked for or has new input is cut anew at both ends of units that may have events (these are known by days of UTC), so the empty span before the
 * first event, and any other, is one range. What is published stays as it was cut. Units are those of the wall clock of 'table.local-time-zone'
 * where the event time is TIMESTAMP_LTZ: a day may have 23 or 25 hours, an hour two. A last range that ends within a unit grows with it. Ranges never
 * leave gaps. What a changed carry makes dirty is
 * only known when the range before it has been recomputed: stage.c extends its jobs then. */
#ifndef TL_DAYS_H
#define TL_DAYS_H

#include "input.h"
#include "store/store.h"

enum tl_day_reason {
    TL_DAY_CLEAN,
    TL_DAY_NEW,
    TL_DAY_INPUT,
    TL_DAY_ASKED,
    TL_DAY_DEFINITION, /* nothing of the definition, or not the same of all its family, is published */
    TL_DAY_SEALED,     /* nothing of the definition is published, and the record has lost events of it: nothing can be computed */
};

struct tl_day {
    int64_t from_ms, to_ms; /* (from_ms, to_ms] */
    enum tl_day_reason reason;
    int64_t carry_in; /* clean: XXH3-64 of the carry that it was computed with; 0: not known */
    bool held;        /* clean: a later publication of it was rolled back */
    bool sealed;      /* clean: for good, whatever comes */
    /* To recompute: bytes on record, unpacked, of blocks that begin in it, and of those that begin before it and reach into it. A job that begins
     * here reads the latter once more. */
    uint64_t begun_bytes, shared_bytes;
};

/* Is there anything to compute? */
static inline bool tl_day_is_work(const struct tl_day *day)
{
    return day->reason != TL_DAY_CLEAN && day->reason != TL_DAY_SEALED;
}

struct tl_days {
    struct tl_arena arena;
    struct tl_day *days; /* contiguous, in order of time; clean ones as published */
    uint32_t count, capacity;
    int64_t boundary_ms; /* B as published; INT64_MIN: nothing is */
    int64_t target_ms;   /* where the last of `days` ends; INT64_MIN: nothing can be published */
    int64_t complete_ms; /* up to which the archive is complete */
    /* Ranges whose publication a person has undone stay as they are, and what is new behind them waits, until they are asked for. */
    int64_t held_from_ms, held_to_ms; /* from the first one's beginning to the last one's end; equal: none */
    int64_t held_run;                 /* whose publication it was, of the first */
    bool holds;                       /* there are such ranges, whether or not anything is to be done there */
    bool undone;                      /* there are, or they are asked for */
    /* The record has lost events before this (sealed.h): ranges that begin before it stay as they are. INT64_MIN: none. */
    int64_t sealed_ms;
    int64_t sealed_asked_ms; /* the end of the last one that was asked for all the same; INT64_MIN: none was */
};

struct tl_days_wish {
    int64_t from_ms; /* backfill: recompute what overlaps (from_ms, to_ms], dirty or not; INT64_MIN: only what is dirty */
    int64_t to_ms;   /* publish up to here; INT64_MIN: up to the end of the last whole unit */
    int64_t now_ms;
    int64_t lateness_ms; /* how far behind the watermark rows become final: of a view on a view, all of theirs together */
    bool
        force; /* recompute all that is published, where from_ms does not say what; and more in both cases: what was rolled back too */
    bool leave; /* nothing is to be done, whatever has changed: the view is not wanted */
    bool anew;  /* all of time as one, cut at the ends of units, whatever is published; with leave: it waits for what is held */
    int64_t at_least_ms; /* with anew: published up to here at least */
};

/* `definition` 0: one that the store does not know; a store that is NULL knows nothing. */
TL_MUST_USE enum tl_code tl_days_open(struct tl_days *days, struct tl_store *store, int64_t definition,
                                      const struct tl_input *input, const struct tl_view *view, const struct tl_days_wish *wish,
                                      struct tl_err *err);
void tl_days_close(struct tl_days *days);

#endif
