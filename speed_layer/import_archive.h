/* import_archive.h: imported events go straight into the master record, as a topic of their own: <topic>.import, partition 0.
 *
 * Which logs it holds stands in DIR/imports.list:
 *
 *   "TLYIMPRT", u32 version 1, then for each import: u8 done, zigzag first offset of the data file it is in, block topic of the
 *   record, block entry (import_progress.h); last u64 XXH3 of all before
 *
 * The list is written, atomically, before the data file gets its name, with `done` 0: an entry that is not done counts only if
 * a file of the record holds that offset. So a kill between the two neither loses nor doubles a line: without the file the
 * entry falls away, with it the entry stands. Offsets are given by one import at a time (import.lock), and never twice.
 *
 * The record of such a topic is complete at any time: batch need not wait for anything. */
#ifndef TL_IMPORT_ARCHIVE_H
#define TL_IMPORT_ARCHIVE_H

#include "speed_layer/import_chunk.h"
#include "speed_layer/import_progress.h"
#include "sql/plan.h"

struct tl_import_archive;

/* `source` of the plan says how event times of the topic are read. `file_bytes`: a data file is finished when it holds so many. */
TL_MUST_USE enum tl_code tl_import_archive_open(const char *data_dir, const struct tl_plan *plan, uint32_t source,
                                                struct tl_sv topic, uint64_t file_bytes, struct tl_import_archive **out,
                                                struct tl_err *err);
void tl_import_archive_close(struct tl_import_archive *archive); /* what is not committed is dropped */
/* Adds what the record of the topic holds to `progress`. There need not be a record. */
TL_MUST_USE enum tl_code tl_import_archive_known(const char *data_dir, struct tl_sv topic, struct tl_import_progress *progress,
                                                 struct tl_err *err);
/* The next log begins. */
void tl_import_archive_begin(struct tl_import_archive *archive);
/* The chunk's records. `entry`: what is to be kept of the log once these are on record. */
TL_MUST_USE enum tl_code tl_import_archive_append(struct tl_import_archive *archive, const struct tl_import_chunk *chunk,
                                                  const struct tl_import_entry *entry, struct tl_err *err);
/* On return all that was appended is on record, durably. */
TL_MUST_USE enum tl_code tl_import_archive_commit(struct tl_import_archive *archive, struct tl_err *err);
/* Bytes that wait for a commit. */
uint64_t tl_import_archive_waiting(const struct tl_import_archive *archive);

#endif
