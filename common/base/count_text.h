/* count_text.h: how counts and shares are written for people: 1234567 as "1,234,567", 9998 of 10000 as "99.98%".
 *
 * For summaries and tables on the terminal; JSON, CSV and the metrics hold plain digits. */
#ifndef TL_COUNT_TEXT_H
#define TL_COUNT_TEXT_H

#include "base/base.h"

enum { TL_COUNT_TEXT_BYTES = 32 }; /* 20 digits, 6 commas, the zero at the end */

/* Returns `out`, zero-terminated, so that it can stand in a printf's arguments. */
const char *tl_count_text(uint64_t count, char out[TL_COUNT_TEXT_BYTES]);

enum { TL_SHARE_TEXT_BYTES = 8, TL_SHARE_WHOLE = 10000 };

/* In hundredths of a percent, cut: TL_SHARE_WHOLE means all, and what is not nothing is 1 at least. whole > 0. */
unsigned tl_share_of(uint64_t part, uint64_t whole);
/* "99.98%", "100%". share <= TL_SHARE_WHOLE. */
const char *tl_share_text(unsigned share, char out[TL_SHARE_TEXT_BYTES]);

#endif
