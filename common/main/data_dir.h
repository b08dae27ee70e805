/* data_dir.h: the folder that --data names. */
#ifndef TL_DATA_DIR_H
#define TL_DATA_DIR_H

#include "base/base.h"

/* Makes it, and the folders above it, where they are missing. */
TL_MUST_USE enum tl_code tl_data_dir_make(const char *path, struct tl_err *err);

#endif
