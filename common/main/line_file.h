/* line_file.h: a file that lines are appended to, turned over by size: NAME, and what was NAME before as NAME.1 (the newest) and so on.
 *
 * Is not: fsynced. Whoever wants each line after a power cut has journald. */
#ifndef TL_LINE_FILE_H
#define TL_LINE_FILE_H

#include "base/base.h"
#include "base/sv.h"

struct tl_line_file;

/* Appends to what is there. `bytes_max`: of one file; `kept`: how many older ones, at least 1. */
TL_MUST_USE enum tl_code tl_line_file_open(const char *path, int64_t bytes_max, int kept, struct tl_line_file **out,
                                           struct tl_err *err);
/* Whole lines, which stay together in one file. After TL_ERR_IO the next call tries anew; part of the lines may be in the file. */
TL_MUST_USE enum tl_code tl_line_file_write(struct tl_line_file *file, struct tl_sv lines, struct tl_err *err);
void tl_line_file_close(struct tl_line_file *file); /* NULL is fine */

#endif
