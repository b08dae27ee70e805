/* whole_file.h: a small file of a folder, read as a whole and replaced as a whole: whoever reads it sees what was there before,
 * or all that is there now, also after a power cut. */
#ifndef TL_WHOLE_FILE_H
#define TL_WHOLE_FILE_H

#include "base/buf.h"

/* Into `out`, up to its bytes_max (more is TL_ERR_LIMIT). TL_ERR_NOT_FOUND: there is none. */
TL_MUST_USE enum tl_code tl_whole_file_read(const char *folder, const char *name, struct tl_buf *out, struct tl_err *err);
/* By rename of _<name>, fsynced before and the folder after it. */
TL_MUST_USE enum tl_code tl_whole_file_replace(const char *folder, const char *name, struct tl_sv bytes, struct tl_err *err);

#endif
