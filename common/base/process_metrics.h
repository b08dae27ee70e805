/* process_metrics.h: what every Prometheus client says of its process: processor, memory, open files, since when. */
#ifndef TL_PROCESS_METRICS_H
#define TL_PROCESS_METRICS_H

#include "base/metrics.h"

enum { TL_PROCESS_METRICS = 6 };

struct tl_process_metrics {
    struct tl_metrics *metrics;
    struct tl_metric *series[TL_PROCESS_METRICS];
};

/* Adds them to the metrics, which look them up anew at each reading: *process lives as long as they do. */
TL_MUST_USE enum tl_code tl_process_metrics_add(struct tl_process_metrics *process, struct tl_metrics *metrics,
                                                struct tl_err *err);

#endif
