/* archive_verify.h: is the master record sound? Every byte of it is read, and what is not there is looked for.
 *
 *   what        wrong
 *   partition           one row for each: its offsets, files and messages
 *   damaged     yes     a file does not fit its index
 *   overlap     yes     two files have the same offsets
 *   missing     yes     there was a file, and it is gone: the one behind it, or complete.json, speaks of its offsets
 *   gap                 offsets without a file, of which nobody can say whether there was one (indexes of version 1 do not tell)
 *   statement   yes     complete.json is not what archive writes
 *   leftover            what a killed archive, compaction or retention left behind: nobody reads it */
#ifndef TL_ARCHIVE_VERIFY_H
#define TL_ARCHIVE_VERIFY_H

#include "main/option.h"

/* Of every topic on record. The rows go to stdout; TL_ERR_ANSWER_NO: something is wrong. `format` as print.h names them. */
TL_MUST_USE enum tl_code tl_archive_verify(const struct tl_common_options *common, const char *format, uint32_t jobs,
                                           struct tl_err *err);

#endif
