/* metrics.h: counters, gauges and histograms, and the text of them that Prometheus reads.
 *
 * Is:      numbers under a name and labels. What belongs together is changed between tl_metrics_begin and tl_metrics_end, and a reader
 *          sees all of it or nothing: sums that must agree do so at every scrape.
 * Is not:  a server (net/monitor.h), nor anything for the path of events: a thread counts in its own memory and publishes once a tick.
 * Runs on: any thread. One mutex, taken once by a publication and once by a reading; no call between begin and end allocates.
 *
 *     static const struct tl_metric_family ticks = {.name = "tally_ticks_total", .type = TL_COUNTER, .help = "..."};
 *     struct tl_metric *series;
 *
 *     TL_TRY(tl_metrics_series(metrics, &ticks, NULL, 0, &series, err));
 *     tl_metrics_begin(metrics);
 *     tl_metric_add(series, 1);
 *     tl_metrics_end(metrics);
 *
 * A series that has never been given a value is not shown. Its values are doubles, as Prometheus keeps them: counts are exact up to 2^53.
 * Source: Prometheus, "Exposition formats", text format 0.0.4. */
#ifndef TL_METRICS_H
#define TL_METRICS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/sv.h"

#define TL_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct tl_metrics;
struct tl_metric; /* one series; lives as long as the metrics */

enum tl_metric_type { TL_COUNTER, TL_GAUGE, TL_HISTOGRAM };

/* Constant for the life of the metrics: series point to it. The name has its unit in it, and a counter's ends in _total. */
struct tl_metric_family {
    const char *name;
    enum tl_metric_type type;
    const char *help;
    const double *bounds; /* of a histogram: upper bounds, ascending, without +Inf */
    size_t bounds_count;
};

struct tl_metric_label {
    const char *name;
    struct tl_sv value; /* any bytes: what is no UTF-8 becomes U+FFFD */
};

TL_MUST_USE enum tl_code tl_metrics_open(struct tl_metrics **out, struct tl_err *err);
void tl_metrics_close(struct tl_metrics *metrics);

/* The series of the family with these labels: made when it is new, the same one again otherwise. Not between begin and end. */
TL_MUST_USE enum tl_code tl_metrics_series(struct tl_metrics *metrics, const struct tl_metric_family *family,
                                           const struct tl_metric_label *labels, size_t labels_count, struct tl_metric **out,
                                           struct tl_err *err);

void tl_metrics_begin(struct tl_metrics *metrics);
void tl_metrics_end(struct tl_metrics *metrics);

/* The following between begin and end. */
void tl_metric_add(struct tl_metric *metric, double more);          /* a counter: more >= 0 */
void tl_metric_set(struct tl_metric *metric, double value);         /* a gauge, or a counter that is kept elsewhere */
void tl_metric_set_since(struct tl_metric *gauge, int64_t wall_ms); /* shown as the seconds that have passed since then */
void tl_metric_observe(struct tl_metric *histogram, double value);
/* A histogram that is kept elsewhere: each bucket for itself, bounds_count + 1 of them. */
void tl_metric_set_buckets(struct tl_metric *histogram, const uint64_t *buckets, double sum);
void tl_metric_forget(struct tl_metric *metric); /* not shown until it gets a value again */

/* `publish` is called at the beginning of each reading, on the reader's thread, outside of begin and end. At most 4. */
void tl_metrics_on_read(struct tl_metrics *metrics, void (*publish)(void *ctx), void *ctx);
/* It is not called any more from then on; a call that is under way is waited for. */
void tl_metrics_off_read(struct tl_metrics *metrics, void (*publish)(void *ctx), void *ctx);
/* Appends the text of all that has a value; families in the order in which they came. `now_ms` is the wall clock, for tl_metric_set_since. */
void tl_metrics_text(struct tl_metrics *metrics, int64_t now_ms, struct tl_buf *out);

#endif
