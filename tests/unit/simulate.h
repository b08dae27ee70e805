/* simulate.h: both layers around the real core, without threads, log and store, so that thousands of histories run in a second.
 *
 * The stream: partitions dealt to workers, read in a random interleaving, ticks and restarts at random places; what a restart finds is what
 * the last tick kept, as bytes. At the end its input ends, and every window fires. Batch: ranges, chunks, workers and carry. Both give rows as
 * lines of text, sorted. */
#ifndef TL_SIMULATE_H
#define TL_SIMULATE_H

#include "core/core.h"
#include "sql/check.h"
#include "sql/plan.h"

struct sim_event {
    uint32_t partition;
    int64_t offset, log_ms;
    char *text;
};

struct sim_history {
    struct sim_event *events; /* in order of arrival; offsets ascend within a partition */
    size_t count, capacity;
    uint32_t partitions_count;
};

struct sim_result {
    struct tl_buf rows;    /* "view start end value value ..." lines, sorted */
    struct tl_buf ended;   /* of a stream: the same when its input has ended, and nothing is provisional any more */
    struct tl_buf ledger;  /* "view partition offset row cause" lines, sorted; dq_reject with ":check" behind it */
    struct tl_buf dropped; /* of a batch: "partition offset row check bytes" lines of what checks dropped, sorted */
    struct tl_buf found; /* "check violations failures" lines of a batch's checks that found something, over all ranges, sorted */
    struct tl_buf flags; /* "partition offset row flag ..." lines of rows that have no other line, sorted */
    uint64_t outcomes[16][TL_OUTCOMES]; /* per view; dead letters, future and duplicates included */
    uint64_t events_count;
    int64_t final_ms[16]; /* before the input ended */
};

struct tl_plan *sim_plan(const char *sql); /* fails the test with the mistake */
struct tl_checks *sim_checks(struct tl_plan *plan, const char *sql);
void sim_add(struct sim_history *history, uint32_t partition, int64_t log_ms, const char *text);
void sim_history_done(struct sim_history *history);
void sim_result_done(struct sim_result *result);

struct sim_stream {
    uint32_t workers_count;
    unsigned seed;
    int tick_percent;    /* after a read */
    int restart_percent; /* after a tick */
    uint32_t read_max;   /* events a read */
};
void sim_stream(struct tl_plan *plan, const struct sim_history *history, const struct sim_stream *how, struct sim_result *out);

struct sim_batch {
    uint32_t workers_count;
    unsigned seed;
    const int64_t *bounds; /* ranges_count + 1; rows with end <= the last bound are given */
    uint32_t ranges_count;
    bool one_pass; /* all ranges at once; else range by range with carries as bytes */
    uint32_t chunk_max;
    const struct tl_checks *checks; /* NULL: none */
};
void sim_batch(struct tl_plan *plan, const struct sim_history *history, const struct sim_batch *how, struct sim_result *out);

#endif
