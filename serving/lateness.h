/* lateness.h: how many events would have been late under another watermark delay or allowed lateness: arithmetic over the ledger's lines.
 *
 * An event is too late for a window when W >= end - 1 + lateness, and W is the highest event time before it less the delay. So
 *
 *     passed = W - lateness = highest time before - (delay + lateness)
 *
 * and only that sum, the wait, decides: a second more of either keeps the same events and makes every window final a second later. A late
 * event's line has its time and W; its windows follow from the plan:
 *
 *                                  |<------- short ------->|
 *     [0 --------------------- 10) :                       : passed = 11.5 s
 *     -----------x-----------------|-----------------------|----------------> event time
 *                late by           9.999 s, when it fires
 *
 * With x more wait `passed` lies x further back, and the event is late still where x < short = passed - fire + 1 ms. That answers for all settings
 * with more wait than the present one, for what was in time stays so; of those with less the ledger does not know the events that it would make late
 * (trial.h does).
 *
 *     kind              windows of an event                                  fires when `passed` reaches
 *     TUMBLE            one                                                  end - 1, as the view's zone has it
 *     HOP, CUMULATE     one a slide or step: late for those that have fired  the same, of each
 *     COUNT_WINDOW      the event itself: its turn comes with its time       event time
 *     SESSION           its own [t, t + gap): at most, for a session that    the end of its own - 1
 *                       is open still would take it (session.c)
 *
 * With one partition this is exact: the event before decides. With several, W is the minimum over partitions, and another delay moves all of them alike;
 * but which of them is read first is different in each run.
 * Source: semantics.md 3 and 4. Runs on: the thread that opened it. Memory: 24 bytes a late event. */
#ifndef TL_LATENESS_H
#define TL_LATENESS_H

#include "base/buf.h"
#include "core/assign.h"

struct tl_late_event {
    int64_t passed_ms;                 /* by which it was judged */
    int64_t first_end_ms, last_end_ms; /* of its windows, on the wall clock */
};

struct tl_lateness {
    const struct tl_view *view;
    const struct tl_zone *zone;
    struct tl_assign assign;
    struct tl_late_event *events;
    size_t count, capacity;
};

/* Of a view with windows that reads a table; it must outlive this. */
void tl_lateness_init(struct tl_lateness *lateness, const struct tl_view *view);
void tl_lateness_done(struct tl_lateness *lateness);
/* An event that was judged by this watermark; one that is late for no window with `more_ms` more wait is left out. */
TL_MUST_USE enum tl_code tl_lateness_add(struct tl_lateness *lateness, int64_t time_ms, int64_t watermark_ms, int64_t more_ms,
                                         struct tl_err *err);

/* When the first of the event's windows fires: the time that `passed` has to reach. */
TL_MUST_USE enum tl_code tl_lateness_fires(struct tl_lateness *lateness, int64_t time_ms, int64_t *fires_ms, struct tl_err *err);

struct tl_late_count {
    uint64_t dropped; /* events that are late for all their windows */
    uint64_t partly;  /* for some; the others have them */
    uint64_t windows; /* that events are missing in, counted once for each */
};
/* Of those that were added, with so much more wait (not less than that by which some were left out). */
struct tl_late_count tl_lateness_count(const struct tl_lateness *lateness, int64_t more_ms);
/* The least further wait that leaves at most so many of them late for any window; 0: none is needed. */
TL_MUST_USE enum tl_code tl_lateness_enough(const struct tl_lateness *lateness, uint64_t late_max, int64_t *more_ms,
                                            struct tl_err *err);

/* The shortest duration of at least so much that people write: 1, 2, 3, 5, 10, 15, 20, 30, 45 s and min, 1, 2, 3, 6, 12 h, days, years. */
int64_t tl_natural_duration(int64_t least_ms);

/* ---- advice, for whoever writes it ---- */

enum tl_lateness_trust {
    TL_TRUST_EXACT,    /* that setting would have given these numbers */
    TL_TRUST_AT_MOST,  /* that, or fewer late events */
    TL_TRUST_ESTIMATE, /* another run gives others */
};
const char *tl_lateness_trust_name(enum tl_lateness_trust trust); /* "exact", "at most", "estimate" */

/* How long after their ends windows became final, by the timestamps of the log (finality.h). */
struct tl_waits {
    uint64_t count;                   /* of windows; 0: it is not known */
    int64_t half_ms, most_ms, all_ms; /* half of them no later than that, 99%, all */
};

/* One setting. */
struct tl_advice_row {
    int64_t delay_ms, lateness_ms; /* delay_ms INT64_MIN: the watermark is no fixed delay */
    int64_t more_ms;               /* so much later than now rows become final, and state goes, by event time; < 0: earlier */
    struct tl_late_count late;
    uint64_t split;      /* sessions: rows in one of their own, for another that they touch had fired */
    int64_t corrections; /* so many more changes to windows that the watermark had passed; INT64_MIN: not known */
    struct tl_waits waits;
    bool present, asked;
};

struct tl_advice {
    const struct tl_view *view;
    uint64_t events_count; /* that belong to the view and were not rejected: counted, partly counted or late */
    uint64_t late_count;   /* of them late or partly */
    uint64_t lines_count;  /* of these so many still have a line: rows tell of them alone */
    enum tl_lateness_trust trust;
    const char *why;                  /* it is no more than that; NULL where it is exact */
    bool split_known;                 /* rows say it */
    const struct tl_advice_row *rows; /* in order of more_ms */
    size_t rows_count;
    const struct tl_advice_row
        *best; /* the recommended one: the least further wait that leaves the target's share or less; NULL: none of these does */
    bool by_delay;      /* rows that were not asked for differ in the delay; else in the allowed lateness */
    const char *reason; /* for the one and not the other */
};
/* Events late for some window or all, of all that belong to the view: 0 to 1. Those whose lines are gone are taken to be as the others. */
double tl_advice_share(const struct tl_advice *advice, const struct tl_advice_row *row);
/* What the views file is to say for it: the WATERMARK clause of the table, or the SET above the view. Nothing for the present one. */
void tl_advice_put_line(const struct tl_advice *advice, const struct tl_source *source, const struct tl_advice_row *row,
                        struct tl_buf *out);

#endif
