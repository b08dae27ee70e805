/* serve_meter.h: what `tally serve` counts for its monitors. Counters are atomic: any thread. */
#ifndef TL_SERVE_METER_H
#define TL_SERVE_METER_H

#include "live.h"
#include "main/daemon.h"

/* Where an answer of the API came from. */
enum tl_served { TL_SERVED_STORE, TL_SERVED_CACHE, TL_SERVED_STALE, TL_SERVED_KINDS };

struct tl_serve_meter;

/* What is looked at when a monitor asks. On its thread. */
struct tl_serve_levels {
    unsigned connections, waiting;
    size_t cached_bytes;
    struct tl_live_figures live;
};

/* `daemon` NULL: nothing is shown, and counting costs next to nothing. */
TL_MUST_USE enum tl_code tl_serve_meter_open(struct tl_daemon *daemon, struct tl_serve_levels (*levels)(void *ctx), void *ctx,
                                             struct tl_serve_meter **out, struct tl_err *err);
void tl_serve_meter_start(struct tl_serve_meter *meter); /* from now on `levels` may be asked */
void tl_serve_meter_stop(struct tl_serve_meter *meter);  /* and from now on not; NULL is fine */
void tl_serve_meter_close(struct tl_serve_meter *meter);
void tl_serve_meter_status(struct tl_serve_meter *meter, int status); /* of each answer to a request */
void tl_serve_meter_served(struct tl_serve_meter *meter, enum tl_served from);
void tl_serve_meter_query(struct tl_serve_meter *meter, int64_t took_ns); /* the store was asked, and answered or not */

#endif
