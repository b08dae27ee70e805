/* source_log.h: which log the events of a table come from, and how it is reached.
 *
 * --log says the kind. Kafka's properties come from the table ('properties.*' of WITH), the environment (TALLY_KAFKA_SASL_PASSWORD is
 * sasl.password; TALLY_KAFKA_SASL_PASSWORD_FILE names a file with it, as systemd hands secrets on) and --kafka-property K=V; of two the later holds.
 * Sources that are reached in the same way share a handle.
 * Runs on: the thread that opened it, as log.h. */
#ifndef TL_SOURCE_LOG_H
#define TL_SOURCE_LOG_H

#include "log/log.h"
#include "main/option.h"
#include "sql/plan.h"

struct tl_source_logs;

/* Refuses a 'properties.*' that is none, with its place in the file, and what this tally does not read. */
TL_MUST_USE enum tl_code tl_source_logs_check(const struct tl_plan *plan, struct tl_err *err);

/* Of all sources of the plan, which it borrows. `plan` NULL: one source, of which no more is known than the options say. TL_ERR_NOT_FOUND: there is
 * no local log yet. */
TL_MUST_USE enum tl_code tl_source_logs_open(const struct tl_common_options *common, const struct tl_plan *plan,
                                             enum tl_log_mode mode, struct tl_source_logs **out, struct tl_err *err);
/* The same for who reads, when it is known how many partitions the process reads in all: they share its memory. */
TL_MUST_USE enum tl_code tl_source_logs_open_for(const struct tl_common_options *common, const struct tl_plan *plan,
                                                 uint32_t partitions, struct tl_source_logs **out, struct tl_err *err);
void tl_source_logs_close(struct tl_source_logs *logs);
/* tl_log_stop on all of them. NULL is fine. */
void tl_source_logs_stop(struct tl_source_logs *logs);
struct tl_log *tl_source_log(const struct tl_source_logs *logs, uint32_t source);
/* Looks at local logs through handles of their own from now on: a file that was replaced goes unnoticed through the old ones. */
TL_MUST_USE enum tl_code tl_source_logs_refresh(struct tl_source_logs *logs, struct tl_err *err);
/* tl_log_wait on all of them. */
bool tl_source_logs_wait(struct tl_source_logs *logs, int64_t timeout_ms);

/* Where a reader of this partition begins that has no position yet ('scan.startup.mode'): within what the log has. */
TL_MUST_USE enum tl_code tl_source_start(const struct tl_source_logs *logs, uint32_t source, uint32_t partition, int64_t *offset,
                                         struct tl_err *err);
/* And behind which offset it ends ('scan.bounded.mode'); INT64_MAX: it does not. */
TL_MUST_USE enum tl_code tl_source_bound(const struct tl_source_logs *logs, uint32_t source, uint32_t partition, int64_t *offset,
                                         struct tl_err *err);

#endif
