/* record.h: fills an embedded log with known messages, and compares a master record with what they were. */
#ifndef TL_TEST_RECORD_H
#define TL_TEST_RECORD_H

#include <stdint.h>
#include <sys/types.h>

#include "event/batch.h"

/* One table `events` on the topic of the same name, and one view. */
extern const char record_views[];

enum { RECORD_TEXT_BYTES = 256 };
#define RECORD_START_MS INT64_C(1772323200000) /* 2026-03-01T00:00:00Z: log timestamp of message 0 */

/* Message number `i`: mostly an event, some messages that are no line of JSON, and tombstones do not occur (an append has none). One a second;
 * its event time is half a second before the log's timestamp. */
struct tl_message record_message(int64_t i, char text[RECORD_TEXT_BYTES]);

/* Makes the topic if need be and appends messages `from` .. `to`-1 of each partition, in transactions of 500. */
void record_append(const char *data_dir, const char *topic, uint32_t partitions, int64_t from, int64_t to);

/* What stands on record of a partition: every offset from `first` on exactly once, in order, each message byte for byte with its
 * log timestamp. Returns the offset behind the last one (`first` where there is nothing). A file that is damaged or
 * overlaps fails the test; `files_count` (may be NULL) says how many there are. */
int64_t record_verify(const char *data_dir, const char *topic, uint32_t partition, int64_t first, uint32_t *files_count);
/* Changes a byte of the file; twice is as before. */
void record_flip(const char *path, off_t at);

#endif
