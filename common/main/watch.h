/* watch.h: looks at the log's ends and at the store once a second, with handles and threads of its own.
 *
 * So a lag grows and a dependency is missed while those who work are stuck, and a look that takes long holds up nobody. It fills the
 * checks "log" and "store" of the daemon's health, and the gauges of the same. */
#ifndef TL_WATCH_H
#define TL_WATCH_H

#include "main/daemon.h"
#include "sql/plan.h"

enum { TL_WATCH_MS = 1000 };

struct tl_watch_config {
    struct tl_daemon *daemon;
    const struct tl_common_options *common;
    const struct tl_plan *plan; /* of its sources the topics are looked at */
    bool store;                 /* it depends on the store */
    /* The partition of a topic that a source reads holds offsets [first, end). On one of the watch's threads. */
    void (*log_range)(void *ctx, struct tl_sv topic, uint32_t partition, int64_t first, int64_t end);
    void (*topic_gone)(void *ctx, struct tl_sv topic); /* the log does not have it: deleted, or not made yet; the same thread */
    void *ctx;
};

struct tl_watch;

/* The config's pointers outlive the watch. */
TL_MUST_USE enum tl_code tl_watch_open(const struct tl_watch_config *config, struct tl_watch **out, struct tl_err *err);
void tl_watch_close(struct tl_watch *watch);

#endif
