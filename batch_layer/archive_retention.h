/* archive_retention.h: old files of the master record go.
 *
 *   record       [a][b][c][d][e]         a, b, c: all their events lie before S
 *   published    (1st] (2nd] (3rd] (4th]
 *                          S  ┆  now - AGE
 *
 * S is the last end of a published range, of every view that reads the topic, that lies AGE back: before it nothing is dirty, blocked, refused or rolled back in
 * any of them. A definition of the store that is not in the views file, whether it serves or is still being built, counts like the others (others.h); where it
 * takes its events' times from elsewhere, nothing of what it reads goes. What a view carries over S are accumulators, so no event before S is needed for what
 * lies behind it.
 * From each partition the first files go, as long as all their events lie before S; never the last file, for archive goes on by it. S lies before all days of
 * which something is lost or damaged, and a partition with an old file that is so keeps all that lies before it, too, so that it can be told what is wrong. That is
 * said, and is TL_ERR_CORRUPT when all else is done. Before the first file goes, the topic is sealed up to S in the store (sealed.h), and what is on record for days that were sealed before is
 * in the ledgers. Whatever is killed, the next run does the rest. */
#ifndef TL_ARCHIVE_RETENTION_H
#define TL_ARCHIVE_RETENTION_H

#include "main/option.h"

struct tl_archive_retention {
    int64_t age_ms;  /* > 0 */
    int64_t wait_ms; /* for those who read or write a topic */
    bool dry_run;    /* only says which files would go */
    const char *format;
};
TL_MUST_USE enum tl_code tl_archive_retain(const struct tl_common_options *common, const struct tl_archive_retention *own,
                                           struct tl_err *err);

#endif
