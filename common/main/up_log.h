/* up_log.h: the one place for what up and its parts have to say: stderr, and DIR/log/tally.log, each line once in each.
 *
 * A stderr that nobody reads (a pager, a terminal that was halted) holds nobody up: after a second it is left out until it takes lines again, and then
 * says how many; the file has them. A file that cannot be written is said once on stderr, and tried anew with each line. */
#ifndef TL_UP_LOG_H
#define TL_UP_LOG_H

#include "base/base.h"
#include "base/sv.h"

enum { TL_UP_LOG_FILE_BYTES = 16 << 20, TL_UP_LOG_FILES_KEPT = 4 };

struct tl_up_log;

/* Makes DIR/log where it is missing. From now on diag's lines go here. One in a process. `json`: --log-format. */
TL_MUST_USE enum tl_code tl_up_log_open(const char *data_dir, bool json, struct tl_up_log **out, struct tl_err *err);
/* Lines of a part. Those that do not name it (tl_part_output_sink) get a line above that does; as JSON they become lines of diag's. */
void tl_up_log_put(struct tl_up_log *log, const char *part, struct tl_sv lines, bool named);
void tl_up_log_close(struct tl_up_log *log); /* diag writes to stderr again; NULL is fine */

#endif
