/* capture_meter.h: what the capture shows its operators of itself.
 *
 *     received = delivered + spooled + dropped      at every scrape
 *
 * Runs on: figures are the capture's, under its lock; the rest from any thread. Without a daemon every call does nothing. */
#ifndef TL_CAPTURE_METER_H
#define TL_CAPTURE_METER_H

#include "main/daemon.h"

enum tl_capture_reason {
    TL_CAPTURE_SPOOL_FULL,
    TL_CAPTURE_TOO_LARGE,
    TL_CAPTURE_DAMAGED, /* on disk */
    TL_CAPTURE_IO,      /* the disk did not take it */
    TL_CAPTURE_MEMORY,  /* neither the log nor the disk was fast enough */
    TL_CAPTURE_REASONS
};

struct tl_capture_figures {
    uint64_t received, delivered, dropped[TL_CAPTURE_REASONS];
    uint64_t spooled;  /* in the queue, in memory or on disk */
    int64_t oldest_ms; /* wall clock: when the first of them was taken */
    int64_t spool_bytes;
};

struct tl_capture_meter {
    struct tl_daemon *daemon;
    void (*read)(void *ctx, struct tl_capture_figures *out);
    void *ctx;
    struct tl_metric *received, *delivered, *dropped[TL_CAPTURE_REASONS], *spooled, *spool_bytes, *oldest;
    struct tl_health_check *log, *spool;
};

const char *tl_capture_reason_name(enum tl_capture_reason reason);

/* `read` gives figures that agree with one another; on the monitor's thread. */
TL_MUST_USE enum tl_code tl_capture_meter_open(struct tl_capture_meter *meter, struct tl_daemon *daemon,
                                               void (*read)(void *ctx, struct tl_capture_figures *out), void *ctx,
                                               struct tl_err *err);
void tl_capture_meter_close(struct tl_capture_meter *meter); /* `read` is not called any more */

/* NULL: it works. */
void tl_capture_meter_log(struct tl_capture_meter *meter, const char *why);
void tl_capture_meter_spool(struct tl_capture_meter *meter, const char *why);

#endif
