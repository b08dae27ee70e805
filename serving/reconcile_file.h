/* reconcile_file.h: what the last reconcile came to, for the textfile collector of Prometheus' node exporter: --metrics-file DIR/tally_reconcile.prom.
 *
 * Written anew by every one, failed ones too (main/metrics_file.h). tally_reconcile_groups_total goes on from the file that is there. */
#ifndef TL_RECONCILE_FILE_H
#define TL_RECONCILE_FILE_H

#include "store/store_reconciliation.h"

/* Of `it` times and exit status are there; `reported`: so are the counts, for there was a report. */
TL_MUST_USE enum tl_code tl_reconcile_file_write(const char *path, const struct tl_reconciliation *it, bool reported,
                                                 struct tl_err *err);

#endif
