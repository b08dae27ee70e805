/* count_text.h: how a count is written for people: 1234567 as "1,234,567".
 *
 * For summaries and tables on the terminal; JSON, CSV and the metrics hold plain digits. */
#ifndef TL_COUNT_TEXT_H
#define TL_COUNT_TEXT_H

#include "base/base.h"

enum { TL_COUNT_TEXT_BYTES = 32 }; /* 20 digits, 6 commas, the zero at the end */

/* Returns `out`, zero-terminated, so that it can stand in a printf's arguments. */
const char *tl_count_text(uint64_t count, char out[TL_COUNT_TEXT_BYTES]);

#endif
