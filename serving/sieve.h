/* sieve.h: lets messages pass that have an event of a group that somebody asks for, and counts nothing.
 *
 * Most events of a day concern no unit that differs. The sieve finds out the groups of each event as the core does, once, so that only what is left is
 * worked through more thoroughly, and by less than all threads.
 * Runs on: one thread at a time; several sieves side by side. */
#ifndef TL_SIEVE_H
#define TL_SIEVE_H

#include "core/core.h"

struct tl_sieve;

/* Is the group asked for? As tl_core_config.wanted. */
typedef bool (*tl_sieve_asks)(void *ctx, uint32_t view, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms,
                              struct tl_sv key);
/* Events with bounds[0] <= time < bounds[1] of the views that are wanted. All arguments stay the caller's while it is open. */
TL_MUST_USE enum tl_code tl_sieve_open(const struct tl_plan *plan, const bool *views_wanted, const int64_t bounds[2],
                                       tl_sieve_asks asks, void *ctx, struct tl_sieve **out, struct tl_err *err);
void tl_sieve_close(struct tl_sieve *sieve); /* NULL is fine */
/* Of TL_BATCH_ROWS messages at most, those that pass: valid until the next call, or as long as the messages. */
TL_MUST_USE enum tl_code tl_sieve_pass(struct tl_sieve *sieve, const struct tl_core_input *input,
                                       const struct tl_message **passed, size_t *count, struct tl_err *err);

#endif
