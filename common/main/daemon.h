/* daemon.h: what a command that stays shows its operators: /metrics, /healthz, /readyz and /version where --metrics-listen says.
 *
 *   /metrics   Prometheus text (base/metrics.h)
 *   /healthz   200 as long as the process lives: nothing is looked at
 *   /readyz    200 or 503, and a JSON object that says why (base/health.h); 503 also while it stands by or drains
 *   /version   the program's, as JSON
 *
 * Is not: a probe of anything. The layer fills metrics and health; main/watch.h looks at log and store for it. */
#ifndef TL_DAEMON_H
#define TL_DAEMON_H

#include "base/health.h"
#include "base/metrics.h"
#include "base/process_metrics.h"
#include "main/option.h"
#include "net/monitor.h"

struct tl_daemon {
    const char *part;
    struct tl_metrics *metrics;
    struct tl_health *health;
    struct tl_process_metrics process;
    struct tl_metric *ready;
    struct tl_monitor *monitor;
};

/* Listens on return, and has said where on stderr. *out is NULL where --metrics-listen was not given. `part` is the command's name. After
 * anything that forks. */
TL_MUST_USE enum tl_code tl_daemon_open(const char *part, const struct tl_common_options *common, struct tl_daemon **out,
                                        struct tl_err *err);
void tl_daemon_close(struct tl_daemon *daemon); /* before whatever its metrics and checks are used by is gone */

#endif
