/* id_spill.h: which of a sequence of event ids are duplicates, where the ids do not fit into memory.
 *
 *   put:    id, number ──by hash──> one of the parts, all in one file       put ... put, judge, next ... next
 *   judge:  each part through a set of ids ──> numbers of its duplicates and conflicts, in order, in another file
 *   next:   the parts' numbers merged: what is said of number 0, 1, 2 ...
 *
 * A part whose ids do not fit after all is done in rounds: the set takes what it has room for, the events that it does not know go on to
 * the next round, with a mark where their id was known. So the verdicts are exact whatever the ids are, and memory holds.
 *
 * Memory: at most memory_bytes, and 1 MiB for its tables. Disk, while it works: 24 bytes an event, 8 bytes a duplicate. The files have no
 * name in their folder, so whatever ends the process frees their room.
 * Runs on: one thread, or under the caller's turn. */
#ifndef TL_ID_SPILL_H
#define TL_ID_SPILL_H

#include "core/dedup.h"

enum { TL_ID_SPILL_MEMORY_MIN = 1 << 16 };

struct tl_id_spill;

/* `ids_expected`: how many will be put, or more; only speed depends on it. A smaller memory_bytes counts as the minimum. */
TL_MUST_USE enum tl_code tl_id_spill_open(const char *folder, uint64_t memory_bytes, uint64_t ids_expected,
                                          struct tl_id_spill **out, struct tl_err *err);
void tl_id_spill_close(struct tl_id_spill *spill);
TL_MUST_USE enum tl_code tl_id_spill_put(struct tl_id_spill *spill, struct tl_id id, struct tl_err *err);
/* Once, behind the last put. Ends early, as a failure, when a stop is requested. */
TL_MUST_USE enum tl_code tl_id_spill_judge(struct tl_id_spill *spill, struct tl_err *err);
/* The verdict on the next number. More than were put: TL_ERR_CORRUPT. */
TL_MUST_USE enum tl_code tl_id_spill_next(struct tl_id_spill *spill, enum tl_seen *seen, struct tl_err *err);
/* TL_ERR_CORRUPT: not all numbers have been asked for. */
TL_MUST_USE enum tl_code tl_id_spill_end(const struct tl_id_spill *spill, struct tl_err *err);

#endif
