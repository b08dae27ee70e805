/* metrics_file.h: figures of a command that ends, for the textfile collector of Prometheus' node exporter: --metrics-file DIR/NAME.prom.
 *
 * Written to a name beside it and renamed: the collector sees the old text or the new one. What must outlive a failed run (when one last succeeded), and
 * counters that go on from run to run, are read from the text that is there. */
#ifndef TL_METRICS_FILE_H
#define TL_METRICS_FILE_H

#include "base/metrics.h"

/* What the file says of a series, labels and all, as it is written there: `tally_x_total{result="equal"}`. 0: nothing. */
double tl_metrics_file_read(const char *path, const char *series);
/* One figure; of a family without labels, labels_count 0. */
TL_MUST_USE enum tl_code tl_metrics_file_set(struct tl_metrics *metrics, const struct tl_metric_family *family,
                                             const struct tl_metric_label *labels, size_t labels_count, double value,
                                             struct tl_err *err);
TL_MUST_USE enum tl_code tl_metrics_file_write(const char *path, struct tl_metrics *metrics, struct tl_err *err);

#endif
