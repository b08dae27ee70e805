/* lock.h: one process at a time: a lock file that the system lets go of when its holder dies.
 *
 * Is:      flock(2) on a file that stays where it is, and in it who holds it and since when, for the message to the second one.
 * Is not:  a fence against a process that has stalled (the store's epoch is). */
#ifndef TL_LOCK_H
#define TL_LOCK_H

#include "base/base.h"

struct tl_lock;

/* Takes the lock, or does not wait: TL_ERR_BUSY says "another <what> holds <path>: pid 123 since 2026-03-01T02:00:07Z". Makes the file
 * and its folder if need be. */
TL_MUST_USE enum tl_code tl_lock_take(const char *path, const char *what, struct tl_lock **out, struct tl_err *err);
void tl_lock_release(struct tl_lock *lock); /* NULL is fine */

#endif
