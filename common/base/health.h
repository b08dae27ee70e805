/* health.h: is a daemon getting on with its work, and if not, what keeps it?
 *
 * Is:      a state ("running", "standing by: ...") and checks: what the daemon depends on, and what it must move on with.
 * Is not:  a probe: who looks at a log or a store says what it has seen (main/watch.h), and who works says when something got done.
 * Runs on: any thread; a mutex inside. Times are monotonic milliseconds and come as arguments.
 *
 * A check that owes nothing may be silent for as long as it likes: a quiet site is no fault. One that owes something, a partition with unread
 * events or a tick that waits to be committed, must show progress within TL_HEALTH_PATIENCE_MS:
 *
 *     owe           owe           ok             owe                        28 s later: stuck
 *      |-------------|-------------|              |---------------------------------|
 *      from the first                             from the first after the last ok */
#ifndef TL_HEALTH_H
#define TL_HEALTH_H

#include "base/base.h"
#include "base/buf.h"
#include "base/sv.h"

/* A stop is to show within 30 s: less the second between two looks at the log, and one for the reader. */
enum { TL_HEALTH_PATIENCE_MS = 28000 };

struct tl_health;
struct tl_health_check; /* lives as long as the health */

/* `part` is the command's name. Not ready ("starting") until tl_health_state says so. */
TL_MUST_USE enum tl_code tl_health_open(const char *part, struct tl_health **out, struct tl_err *err);
void tl_health_close(struct tl_health *health);

/* What the daemon is at. Not ready: it says why in `state`. */
TL_PRINTF(3, 4) void tl_health_state(struct tl_health *health, bool ready, const char *state, ...);

/* The check of that name: made when it is new. `owes` says what is to be done, for the reason: "no tick was taken". */
TL_MUST_USE enum tl_code tl_health_check(struct tl_health *health, struct tl_sv name, const char *owes,
                                         struct tl_health_check **out, struct tl_err *err);
void tl_health_ok(struct tl_health_check *check, int64_t now_ms);  /* it shows life: nothing is owed, nothing is wrong */
void tl_health_owe(struct tl_health_check *check, int64_t now_ms); /* something is to be done */
/* It cannot be reached: not ready from now on, until ok. */
void tl_health_fail(struct tl_health_check *check, int64_t now_ms, const char *why);
/* It is owed, and this went wrong; it is tried again, so that it counts only when it goes on for too long. */
void tl_health_retry(struct tl_health_check *check, int64_t now_ms, const char *why);
/* Shown with the check: how far behind it is. */
void tl_health_lag(struct tl_health_check *check, int64_t lag_events);

/* The answer, and why, as a JSON object: {"ready": false, "part": "speed", "state": "running", "reason": "store: ...", "checks": [...]}. */
TL_MUST_USE bool tl_health_ready(struct tl_health *health, int64_t now_ms, struct tl_buf *json);

#endif
