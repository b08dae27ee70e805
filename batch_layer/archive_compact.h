/* archive_compact.h: many small files of the master record become few large ones.
 *
 * Of each partition, neighbours are merged as long as they fit into one file of --file-bytes; a file that has half of that stays as it is. Messages
 * keep their offsets, log timestamps and bytes, and the new file is read back and compared with the old ones before it stands in their
 * place (master.h draws how, and why no reader sees a mixture). The facts of event time in its index are by the views file at hand, so a file
 * whose index speaks of another rule, which batch would read anew in each run, is written anew even alone.
 * A damaged file stays, is named, and ends the command with 3 when all else is done. */
#ifndef TL_ARCHIVE_COMPACT_H
#define TL_ARCHIVE_COMPACT_H

#include "main/option.h"

struct tl_archive_compact {
    uint64_t file_bytes, messages_max; /* of one file */
    int64_t wait_ms;                   /* for those who read or write a topic */
};
/* All topics that the views file reads, and what was imported for them. One at a time on a data directory: TL_ERR_BUSY. */
TL_MUST_USE enum tl_code tl_archive_compact(const struct tl_common_options *common, const struct tl_archive_compact *own,
                                            struct tl_err *err);

#endif
