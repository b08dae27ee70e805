/* report.h: what reconcile found, and the writers of it: text for a terminal, JSON, CSV, Markdown, HTML.
 *
 * Is not: the finding (compare.h, cause.h). Everything here is borrowed by the caller's struct for the call.
 *
 * JSON, one object, keys always in this order (report.schema.json is the same for programs); times are instants ("2015-05-17T10:05:00.000Z"), null where there is none:
 *   notes            [text]  what must be known first: a range that was cut, views without a publication, rows that are gone, a record with holes
 *   headline         text
 *   range            {from, to: as asked, null: no bound; cut: true where more was asked for than is published}
 *   summary          {groups, equal, explained, unexplained, pending}   pending: those among the explained that the next commit or run changes, and
 *                    spans that are left out (compare.h), no groups yet, since they reach beyond what is compared
 *                    proved: with --full, those of the equal and the explained that came out of a recomputation; else null
 *                    named: those of the unexplained that rules_changed or nondeterministic_udf is likely to be behind (suspect.h): not proved
 *   causes           {cause: events; of these two: groups}   an event that differs in several views counts once per cause; only causes that occur, in the order of 10.2.
 *                    dq_reject has the check's name behind it, "dq_reject:has_host", here and below. Events that one layer did not count; session_split: both did, and speed in a session of its own
 *   cause_details    [{cause, events, meaning, what_to_do, samples: [{view, topic, partition, offset, row, event_time, event_id}], samples_left_out}]
 *                    at most --limit samples a cause
 *   timeline         {step_seconds, steps: [{from, explained, pending, unexplained}]}   differing units by where they start (timeline.h), pending ones
 *                    not among the explained; from --from, or the first that differs, to --to, or the last
 *   lateness         {steps: [{from_ms: null for what was not behind, events}], unknown}   of late_drop, late_partial, session_split, session_bridge, fired_by_idle:
 *                    how far behind the watermark (cause_events.h), each event once
 *   by               null, or with --by {column, views: [{view, values: [{value, groups, explained, unexplained, sums: {column: {speed, batch,
 *                    difference}}}], others: {values: how many, groups, ...}}], views_without: [name]}   difference_by.h; at most --limit values a view
 *   refused_by_both  {cause: events}   of json_bad_row, bad_event_time, future_event, duplicate, eval_error: those that occur in what is compared, by
 *                    the times that alike.h tells
 *   counted_by_both  {cause: events}   of id_conflict, json_bad_field: events with a flaw, counted all the same
 *   alike            [{cause, topic, partition, offset, row, event_time (null: it has none), event_id}]   of both, for each cause at most --limit
 *   views            [{name, definition: {file, served, building: hashes, null where there is none}, from, to, boundary, groups, equal, explained,
 *                      unexplained, pending, proved, causes}]   served, building: what the store has of the view; where `file` is neither, the
 *                    definition has changed: nothing of the view is compared, the first note says so, and the exit status is 2
 *   checks           [{view, from, to, check, on_violation, verdict: "warned" | "dropped" | "kept back" | "accepted" | "failed", measure, measured,
 *                    low, high, violations, accepted_by, reason}]   what did not pass in the range, and what is kept back behind it; at most --limit
 *   checks_left_out  how many are not listed
 *   units            [{view, verdict: "explained" | "unexplained", pending, window: {start, end} (null without one), key: {column: value},
 *                      speed: {column: value} | null, batch, and where unexplained recomputed: {speed, batch}, causes: [{cause,
 *                      missing_in: "speed" | "batch" | null (session_split), events, samples: [{topic, partition, offset, row, event_time,
 *                      event_id}]}]}]
 *                    unexplained ones first, at most --limit of them. Of sessions and count windows the unit is a span of the key's time, `window`
 *                    is that span, speed, batch and the recomputed ones are lists of rows, 1,000 at most of each, and rows_left_out stands before causes
 *   units_left_out   how many differing units are not listed
 * `recomputed` is what the layer should hold by its own offsets and ledger.
 *
 * CSV (RFC 4180), one table for all that there is; `record` says what a row is, and an empty cell that there is nothing to say. In this order:
 *   note        text
 *   cut         text: that lists are cut, and counts are not; where --limit cuts one
 *   summary     text: the headline; window_start, window_end: the range as asked; groups to proved (with --full); left_out: differing units that are not listed
 *   view        view; window_start, window_end: the range as compared; groups to proved
 *   check       text, view, window_start, window_end: a check that did not pass. check_others: left_out: how many are not listed
 *   cause       text: meaning, and what to do; cause, events; left_out: events that are not named
 *   event       cause, view, topic to event_id: an event behind that cause
 *   refused_by_both, counted_by_both   cause, events: what is no difference
 *   by          view, key: the value; speed, batch, difference: the sums; groups, explained, unexplained
 *   by_others   the same of all values that are not listed; left_out: how many. by_without: a view that lacks the column
 *   unit        a differing unit, once for each of its causes, and once where it has none: view, verdict (explained, pending, unexplained), window_start,
 *               window_end, key, speed, batch, recomputed_speed, recomputed_batch; cause, missing_in, events, and the first such event, topic
 *               to event_id; left_out: rows of a span that are not listed
 * key, speed, batch, difference and the recomputed ones are JSON as above. Texts come from strangers, and spreadsheets take what begins with = + - @ for
 * a formula. So such a text has a ' before it, and one that begins with ' another; the same behind each ; tab and line end, where programs that
 * look for other separators than ours begin a cell, with blanks before it or not. Take one ' away there to have the text. In JSON, ; is \u003b.
 *
 * Markdown and HTML have the sections of the text. HTML is one file that loads nothing and runs nothing, with the timeline, the lateness and the
 * causes as pictures. Where people read, a text from outside ends after TL_REPORT_TEXT_BYTES, and says how long it is. */
#ifndef TL_REPORT_H
#define TL_REPORT_H

#include "alike.h"
#include "base/buf.h"
#include "cause_events.h"
#include "difference_by.h"
#include "event/rows.h"
#include "main/source_topics.h"
#include "store/store_check.h"
#include "timeline.h"

struct tl_report_view {
    struct tl_sv name;
    const char *file_hash, *served_hash, *building_hash; /* the last two of the store; NULL: it has none */
    const struct tl_source_topic *topics;                /* of its source */
    uint32_t topics_count;
    const struct tl_shape *shape;
    int64_t from_ms, to_ms; /* as compared; INT64_MIN: from the beginning. from >= to: nothing was */
    int64_t boundary_ms;    /* INT64_MIN: nothing is published */
    int64_t definition;     /* 0: the store does not know it */
    struct tl_sv runs;      /* of batch, that serve what is compared: "3-9, 12" */
    uint64_t groups_count, equal_count, explained_count, unexplained_count, pending_count;
    uint64_t beyond_count, gone_count; /* left out: see compare.h */
    uint64_t proved_count;             /* of the equal and the explained, with --full */
    bool by_span;                      /* units have lists of rows */
    uint64_t events_count[TL_CAUSES];
    const struct tl_check_events *checks; /* those of dq_reject */
};

struct tl_report_finding {
    struct tl_check_result result;
    const char *verdict;      /* check_text.h */
    struct tl_sv who, reason; /* empty: nobody overruled it */
};

struct tl_report_alike {
    uint32_t view; /* of the source, for its topics */
    struct tl_alike_event event;
};

struct tl_report {
    const struct tl_sv *notes;
    size_t notes_count;
    int64_t from_ms, to_ms; /* as asked: INT64_MIN and INT64_MAX where not */
    bool cut;
    const struct tl_report_view *views; /* as in the plan: tl_unit's view is a number in here */
    const bool *views_wanted;
    uint32_t views_count;
    uint64_t groups_count, equal_count, explained_count, unexplained_count, pending_count;
    bool full;
    uint64_t proved_count;
    uint64_t named_count; /* of the unexplained */
    uint64_t events_count[TL_CAUSES];
    uint64_t explained_events[TL_CAUSES]; /* of them, those of explained groups: the headline's */
    const struct tl_check_events *checks;
    const struct tl_cause_events *found; /* NULL: nothing differs */
    struct tl_timeline timeline;         /* of units that differ and are judged */
    const struct tl_by *by;              /* NULL: not asked for */
    uint64_t alike_count[TL_CAUSES];     /* not differences: refused by both layers, or counted by both */
    const struct tl_report_alike *alike;
    size_t alike_shown;
    const struct tl_report_finding *findings; /* of checks */
    size_t findings_count, findings_left_out;
    struct tl_unit *const *units; /* those to be listed */
    size_t units_count, units_left_out;
};

/* The headline: "99.98% of groups equal; 0.02% explained: 312 late events, 41 duplicates; 0 unexplained". No line end. Shares are
 * cut to two digits so that 100% means all, and one that is not nothing shows as 0.01% at least. Events of unexplained groups alone are not in it. */
void tl_report_headline(const struct tl_report *report, struct tl_buf *out);
/* What comes from outside is escaped: no control character reaches the terminal. */
void tl_report_text(const struct tl_report *report, struct tl_buf *out);
void tl_report_json(const struct tl_report *report, struct tl_buf *out);
void tl_report_csv(const struct tl_report *report, struct tl_buf *out);
void tl_report_markdown(const struct tl_report *report, struct tl_buf *out);
void tl_report_html(const struct tl_report *report, struct tl_buf *out);

/* ---- what the writers share ---- */

enum {
    TL_REPORT_ROWS_SHOWN = 8,   /* of a unit that is a span, where people read */
    TL_REPORT_ROWS_MAX = 1000,  /* and where programs do */
    TL_REPORT_TEXT_BYTES = 200, /* of a text from outside, where people read */
};

void tl_report_put_count(struct tl_buf *out, uint64_t count); /* "1,234" */
void tl_report_put_counted(struct tl_buf *out, uint64_t count, const char *one, const char *many);
void tl_report_put_time(struct tl_buf *out, int64_t ms); /* as an instant; INT64_MIN: "the beginning" */
/* Text from outside: in quotes unless it is plain, without any control character, line end or override of direction; a long one is cut. */
void tl_report_put_safe(struct tl_buf *out, struct tl_sv text);
void tl_report_put_value(struct tl_buf *out, const struct tl_value *value);                /* safe */
void tl_report_put_cause(struct tl_buf *out, enum tl_cause cause, struct tl_sv check);     /* "dq_reject:has_host", safe */
void tl_report_put_cause_raw(struct tl_buf *out, enum tl_cause cause, struct tl_sv check); /* as it is */
void tl_report_put_topic(struct tl_buf *out, const struct tl_report_view *view,
                         uint32_t partition); /* "events", "events.import" */
/* "[2015-05-17T10:05:00.000Z, 2015-05-17T10:10:00.000Z)", without a window "event at 2015-05-17T10:05:01.000Z". */
void tl_report_put_window(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit);
/* " host=a path=/", safe; nothing where the view has no keys. */
void tl_report_put_key(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit);
/* " hits=2 bytes=12", of a span its window before them; NULL: " no row". Safe. */
void tl_report_put_row(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_row *row);
/* "2 events not counted by speed" */
void tl_report_put_missing(struct tl_buf *out, const struct tl_unit_cause *cause);
/* "events/1 offset 42 row 3 at 2015-05-17T10:05:01.000Z id a", safe. */
void tl_report_put_sample(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit_sample *sample);
uint64_t tl_report_rows(const struct tl_unit *unit, enum tl_side side, bool recomputed); /* how many there are */
/* JSON: a row's columns as an object, NULL as null; a layer's row, or the list of them, as the units have it. Gives how many rows are left out. */
void tl_report_json_columns(struct tl_buf *out, const struct tl_shape *shape, const struct tl_value *row, bool keys_only);
uint64_t tl_report_json_rows(struct tl_buf *out, const struct tl_report_view *view, const struct tl_unit *unit, enum tl_side side,
                             bool recomputed);
/* "3 dead letters and 0 future events (of the whole log), 41 duplicates" */
/* Of what both layers treat alike (alike.h): the others are counted. */
bool tl_report_is_refusal(enum tl_cause cause);
void tl_report_put_refused(struct tl_buf *out, const struct tl_report *report);
/* "kept back: view hits, 2015-05-17T00:00:00.000Z..., check volume: ..." */
void tl_report_put_finding(struct tl_buf *out, const struct tl_report_finding *finding);
/* What is said behind the headline where --limit cuts a list; NULL: it cuts none. */
const char *tl_report_cut_note(const struct tl_report *report);
/* Of what --limit cuts: " (20 of 1,000,000; --limit shows more)"; nothing where all are shown. */
void tl_report_put_cut(struct tl_buf *out, uint64_t shown, uint64_t left_out);
/* A sum of --by: of a side, or (TL_SIDES) batch - speed with its sign. */
void tl_report_put_sum(struct tl_buf *out, const struct tl_by_view *view, const struct tl_by_value *value, uint32_t sum,
                       int side);
/* The intro, and the names of the views that lack the column of --by; false, and nothing, where none does. */
bool tl_report_put_views_without(struct tl_buf *out, const struct tl_report *report, const char *intro);
const char *tl_report_side(enum tl_side side); /* "speed", "batch" */
/* The rows that a layer has stored, or that came out of its events, one after the other; `after` NULL: the first. NULL: no more. */
const struct tl_unit_row *tl_report_next_row(const struct tl_unit *unit, enum tl_side side, bool recomputed,
                                             const struct tl_unit_row *after);

#endif
