/* fence.h: which process may write the speed tables: one stands by while another lives, takes over when it is gone, and shows that it lives.
 *
 * What keeps the tables right is the store's epoch alone: each tick's first statement locks the epoch row and fails if the epoch is not its
 * own. So taking over is safe at any time, and the fence only decides when it is wise: never from a process that lives, within 10 s
 * from one that does not. A process is taken to be gone when
 *   - it has left: its last act was to strike its name out;
 *   - it ran on this machine and its process has ended (process.h): at once;
 *   - it does not answer. Who stands by challenges the owner through the epoch row; the owner looks there twice a second, on a thread of its
 *     own, and answers. So it counts time by one clock alone, machines need not agree on theirs, and where nobody stands by
 *     nothing is written.
 *
 *     stands by                    tally_epoch                   owner
 *     challenge + 1  ──────────>   epoch 7, challenge 4
 *                                  answer 4          <──────────  answers, or its next tick does
 *     answered: stands by on
 *     not answered for 5 s, and still not when the row is locked:
 *     epoch 8        ──────────>   epoch 8                        its next tick, or its next look, finds 8: TL_ERR_FENCED
 *
 * A long tick holds the row's lock and answers with it, so it is never taken for silence. An owner whose main thread has stopped
 * (a deadlock, SIGSTOP) gives no answer. Where it has stopped in the middle of a tick nobody can ask; but then its session in the store waits for its
 * client's next word, and when that has not come for 5 s whoever stands by ends the session, which undoes the tick, and takes over. Runs on: the main thread of speed, and one that looks after challenges. */
#ifndef TL_FENCE_H
#define TL_FENCE_H

#include "store/store.h"

struct tl_fence;

/* Waits until this process may write and raises the epoch. It calls `standing_by` once when it has to wait ("web2 pid 7": the owner); NULL: it
 * does not wait, and TL_ERR_BUSY says who is at work. *out is NULL with TL_OK when the program was told to stop meanwhile. `url` opens a handle
 * for the thread. */
TL_MUST_USE enum tl_code tl_fence_take(struct tl_store *store, const char *url, void (*standing_by)(void *ctx, const char *owner),
                                       void *ctx, struct tl_fence **out, struct tl_err *err);
/* For a replay, from whoever has it, who lives: it is told by its next tick or look. TL_ERR_BUSY: a tick is under way. */
TL_MUST_USE enum tl_code tl_fence_take_away(struct tl_store *store, const char *url, struct tl_fence **out, struct tl_err *err);
/* Of who was fenced: is it a replay's, dead or alive, or has it left already? Then he stands by and goes on; else somebody else writes now. */
bool tl_fence_was_taken_away(const struct tl_epoch *now);
int64_t tl_fence_epoch(const struct tl_fence *fence);
/* The main thread is alive; TL_ERR_FENCED when another process has taken over. Wanted at least every minute. No I/O. NULL is
 * fine: a replay, which writes beside whoever may. */
TL_MUST_USE enum tl_code tl_fence_check(struct tl_fence *fence, struct tl_err *err);
/* After a commit whose outcome is unknown: raises the epoch again, which waits for whatever the lost connection's transaction still does, and tells
 * whether the tick with that change number is in the store. TL_ERR_FENCED: another process was quicker. */
TL_MUST_USE enum tl_code tl_fence_renew(struct tl_fence *fence, struct tl_store *store, int64_t change, bool *committed,
                                        struct tl_err *err);
/* Ends the thread. `store` not NULL: leaves in order, so that the next one need not wait. NULL is fine. */
void tl_fence_close(struct tl_fence *fence, struct tl_store *store);

#endif
