/* duplicates.h: which events of a span of ranges are duplicates, in memory where the ids fit, else with the help of files.
 *
 *   they fit:      the span is read once; a set of ids per range answers at once
 *   they do not:   the span is read twice: the first time the ids are put aside (id_spill.h), the second time their verdicts are there
 *
 * Either way events are asked about in the order of the feed, so the smallest (log timestamp, partition, offset) wins, and the answers
 * are the same. Duplicates are those of one range: the same id in another one is another event.
 * Runs on: under the caller's turn. */
#ifndef TL_DUPLICATES_H
#define TL_DUPLICATES_H

#include "core/dedup.h"
#include "input.h"

enum { TL_DUPLICATES_MEMORY_MIN = 1000000 };

struct tl_duplicates_limit {
    uint64_t memory_bytes; /* for the ids; 0: no limit */
    const char *folder;    /* for what does not fit; must outlive the call to open alone */
};

struct tl_duplicates;

TL_MUST_USE enum tl_code tl_duplicates_open(const struct tl_input *input, const int64_t *bounds, uint32_t ranges_count,
                                            const struct tl_duplicates_limit *limit, struct tl_duplicates **out,
                                            struct tl_err *err);
void tl_duplicates_close(struct tl_duplicates *duplicates);
/* Whether the first reading is still to be done: all ids are asked about, and the answers, which are TL_SEEN_NEW, mean nothing. */
bool tl_duplicates_reads_ahead(const struct tl_duplicates *duplicates);
/* Ends the first reading. Ends early, as a failure, when a stop is requested. */
TL_MUST_USE enum tl_code tl_duplicates_judge(struct tl_duplicates *duplicates, struct tl_err *err);
TL_MUST_USE enum tl_code tl_duplicates_see(struct tl_duplicates *duplicates, const struct tl_id *ids, const int64_t *time_ms,
                                           uint32_t count, uint8_t *seen /* enum tl_seen */, struct tl_err *err);
/* No event before this time will be asked about. */
void tl_duplicates_forget(struct tl_duplicates *duplicates, int64_t floor_ms);
/* All has been asked: TL_ERR_CORRUPT where the two readings were not the same. */
TL_MUST_USE enum tl_code tl_duplicates_end(const struct tl_duplicates *duplicates, struct tl_err *err);

#endif
