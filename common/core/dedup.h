/* dedup.h: event ids already counted: within a horizon of one partition (speed), or all of a range (batch).
 *
 * A copy has the same id and the same event time; the same id with another event time is another event, counted in both layers
 * and flagged id_conflict (semantics.md 10.1). Ids are kept as hashes (XXH3-128 of the id, 32 bits of the event time's hash): two
 * different ids are taken for one with a chance below 2^-60 per pair seen together.
 * Memory: at most 24 bytes an id in either form (dedup_test.c measures it), with room that grows by 1.3 to 1.5, not by 2.
 * Runs on: one thread, or under the caller's turn. */
#ifndef TL_DEDUP_H
#define TL_DEDUP_H

#include "base/base.h"
#include "base/buf.h"
#include "base/sv.h"

struct tl_id {
    uint64_t high;
    uint32_t low;
    uint32_t time; /* hash of the event time */
};

enum tl_seen { TL_SEEN_NEW, TL_SEEN_DUPLICATE, TL_SEEN_CONFLICT /* counted, flagged */ };

struct tl_id tl_id_of(struct tl_sv id, int64_t event_time_ms);

/* ---- speed: the ids of one partition within `horizon_ms` of log timestamp and the last `ids_max` ids (at most 2^30) ---- */

struct tl_horizon;
TL_MUST_USE enum tl_code tl_horizon_open(int64_t horizon_ms, uint32_t ids_max, struct tl_horizon **out, struct tl_err *err);
void tl_horizon_close(struct tl_horizon *horizon);
/* Judges the event and remembers it when it is not a duplicate. What is forgotten depends only on the ids that were
 * remembered and their log timestamps, so a restart, which has no others, judges alike. TL_ERR_MEMORY leaves it unchanged. */
TL_MUST_USE enum tl_code tl_horizon_see(struct tl_horizon *horizon, struct tl_id id, int64_t log_ms, enum tl_seen *seen,
                                        struct tl_err *err);
/* Ids remembered since the last tl_horizon_saved, as bytes for the store: for each run of up to 2^32 ms a base (i64) and a count
 * (u32), then 16 bytes an id: high (u64), time (u32), log timestamp less base (u32). */
void tl_horizon_save(const struct tl_horizon *horizon, struct tl_buf *out);
void tl_horizon_saved(struct tl_horizon *horizon);
TL_MUST_USE enum tl_code tl_horizon_load(struct tl_horizon *horizon, struct tl_sv bytes, struct tl_err *err);
size_t tl_horizon_count(const struct tl_horizon *horizon);
size_t tl_horizon_bytes(const struct tl_horizon *horizon);

/* ---- batch: all ids of a range of event time ---- */

struct tl_idset;
TL_MUST_USE enum tl_code tl_idset_open(struct tl_idset **out, struct tl_err *err);
void tl_idset_close(struct tl_idset *set);
TL_MUST_USE enum tl_code tl_idset_see(struct tl_idset *set, struct tl_id id, enum tl_seen *seen, struct tl_err *err);
enum tl_seen tl_idset_look(struct tl_idset *set, struct tl_id id); /* what see would say, and nothing is remembered */
void tl_idset_prefetch(struct tl_idset *set, struct tl_id id);     /* a few ids before it is asked for */
size_t tl_idset_count(const struct tl_idset *set);
size_t tl_idset_bytes(const struct tl_idset *set);

#endif
