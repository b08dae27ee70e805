/* batch_file.h: what the last run came to, for the textfile collector of Prometheus' node exporter: --metrics-file DIR/tally_batch.prom.
 *
 * Written anew by every run, failed ones too (main/metrics_file.h). */
#ifndef TL_BATCH_FILE_H
#define TL_BATCH_FILE_H

#include "scope.h"

struct tl_batch_outcome {
    int exit_status;
    int64_t started_ms, ended_ms;
    uint64_t ranges_count, rows_count, events_count, bytes_count, duplicates_count;
    uint64_t kept_count; /* ranges that checks keep back, or that are refused */
};

/* `scope` may be half open: what it knows is told. */
TL_MUST_USE enum tl_code tl_batch_file_write(const char *path, const struct tl_scope *scope,
                                             const struct tl_batch_outcome *outcome, struct tl_err *err);

#endif
