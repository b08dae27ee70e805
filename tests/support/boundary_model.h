/* boundary_model.h: what the merged views must serve at an instant, by the events that were planted and what the store says of that instant.
 *
 * A model of its own: the core is not asked. From the store it takes how far each layer has come (offsets, boundary, pointer, cuts, the
 * watermark) and speed's ledger, for with several partitions which event is late is for speed to say; everything else (which window an
 * event is in, which copy counts, what a check drops, which groups HAVING hides) follows from the events. An event has a random weight
 * of 40 bits, and the views add them up: a total says which events it has counted.
 * Source: design.md "serving"; semantics.md 1, 5, 6.4, 10.1, 10.3. */
#ifndef TL_TEST_BOUNDARY_MODEL_H
#define TL_TEST_BOUNDARY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "support/chance.h"

enum {
    MODEL_EVENTS = 180,
    MODEL_PARTITIONS = 3,
    MODEL_HOSTS = 3,
    MODEL_RANGES_MAX = 100, /* of a view */
    MODEL_TEXT_BYTES = 200,
};
enum model_view {
    VIEW_HITS,   /* TUMBLE */
    VIEW_BUSY,   /* TUMBLE, with HAVING */
    VIEW_HOPS,   /* HOP */
    VIEW_VISITS, /* SESSION */
    VIEW_FIVES,  /* COUNT_WINDOW */
    VIEW_RAW,    /* without a window */
    MODEL_VIEWS,
};
extern const char *const model_views[MODEL_VIEWS];
extern const char model_tables[], model_checks[]; /* a views file (settings may stand before it), a checks file */
#define MODEL_START_MS INT64_C(1708905600000)     /* 2024-02-26 */
#define MODEL_SPAN_MS INT64_C(259200000)          /* three days */

enum model_kind { EVENT_COUNTS, EVENT_BROKEN, EVENT_FUTURE };

struct model_event {
    enum model_kind kind;
    uint32_t partition, host;
    int64_t offset, time_ms, log_ms, weight;
    int number; /* a check drops 90 and more, `raw` has those above 59 */
    int id; /* that of the event that it copies, or else its own; with that one's time it is a copy, with another a conflict */
    int copy_before; /* the copy of it that was planted before it; -1: none */
    bool is_copied;
    char text[MODEL_TEXT_BYTES];
};
struct model {
    uint32_t partitions;
    struct model_event events[MODEL_EVENTS];
};
void model_open(struct model *model, struct chance *chance, uint32_t partitions);

/* ---- what one snapshot of the store says ---- */

struct model_range {
    int64_t from_ms, to_ms, next_offset[MODEL_PARTITIONS]; /* what the run had read that serves it */
};
struct model_view_state {
    int64_t boundary_ms, final_ms, pruned_ms;
    int64_t next_offset[MODEL_PARTITIONS]; /* of speed */
    int64_t cut_ms[MODEL_HOSTS];           /* INT64_MAX: none */
    int64_t kept_from_ms[MODEL_HOSTS]; /* speed's rows that begin before may have been pruned, for once they lay below the cut */
    struct model_range ranges[MODEL_RANGES_MAX];
    size_t ranges_count;
};
struct model_state {
    int64_t change, published, undone; /* publications so far, and how many of them are rolled back */
    struct model_view_state views[MODEL_VIEWS];
};
/* A line of speed's ledger; it stays when the store has pruned it. */
struct model_line {
    uint8_t cause; /* 0: none */
    int64_t watermark_ms;
};
struct model_lines {
    struct model_line of[MODEL_VIEWS][MODEL_EVENTS];
};

/* ---- what follows ---- */

enum { MODEL_SPEED, MODEL_BATCH, MODEL_LAYERS };
struct model_served {
    uint8_t times[MODEL_VIEWS][MODEL_EVENTS][MODEL_LAYERS]; /* in how many windows the layer serves the event */
    bool gone[MODEL_VIEWS][MODEL_EVENTS]; /* speed's row of it may have been pruned before the cut was lowered: pending */
};
struct model_sum {
    int64_t count, weight;
};
struct model_totals {
    struct model_sum of[MODEL_VIEWS][MODEL_HOSTS][MODEL_LAYERS];
};
void model_serve(const struct model *model, const struct model_state *state, const struct model_lines *lines,
                 struct model_served *out);
void model_add_up(const struct model *model, const struct model_served *served, struct model_totals *out);
/* Does the ledger say what it must of the events that speed has read? What is wrong is added to `why`. */
bool model_check_lines(const struct model *model, const struct model_state *state, const struct model_lines *lines,
                       struct tl_buf *why);

/* Does no cut lie above the boundary, and none lower than at the last instant that no window of the key can cross? (The sums say that it is not too
 * high.) */
bool model_check_cuts(const struct model *model, const struct model_state *state, const struct model_lines *lines,
                      struct tl_buf *why);

/* Why an event is served more or fewer times than before. */
enum model_reason {
    REASON_ARRIVED,   /* speed has read it */
    REASON_FIRED,     /* a window of it that speed does not show: one that has not fired, or a count window behind the next */
    REASON_GROUP,     /* HAVING hides its group in one layer, or at one time */
    REASON_LATE,      /* too late for speed: batch counts it */
    REASON_DUPLICATE, /* of copies, batch counts one */
    REASON_REJECTED,  /* batch has a check that drops it */
    REASON_ARCHIVED,  /* its time is published, and the run had not read it: pending */
    REASON_AHEAD,     /* batch has read it, and speed has not yet */
    MODEL_REASONS,
};
extern const char *const model_reasons[MODEL_REASONS];
/* False: for none that has to do with what moved in the store between the two. */
bool model_reason_of(const struct model *model, const struct model_lines *lines, enum model_view view, int event,
                     const struct model_state *before, const struct model_state *after, enum model_reason *out);

#endif
