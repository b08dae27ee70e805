/* intercept_meter.h: the interceptor's figures: connections, requests, answers. The queue's own are capture.h's. */
#ifndef TL_INTERCEPT_METER_H
#define TL_INTERCEPT_METER_H

#include "main/daemon.h"
#include "speed_layer/loop.h"

struct tl_intercept_meter;

/* *out is NULL where `daemon` is. Reads the loops' counts when it is asked: close the daemon before them. */
TL_MUST_USE enum tl_code tl_intercept_meter_open(struct tl_daemon *daemon, struct tl_loop **loops, size_t loops_count,
                                                 struct tl_intercept_meter **out, struct tl_err *err);
void tl_intercept_meter_close(struct tl_intercept_meter *meter);

#endif
