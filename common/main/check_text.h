/* check_text.h: what a check found, in words: for whoever reads stderr, `tally checks` and the report. */
#ifndef TL_CHECK_TEXT_H
#define TL_CHECK_TEXT_H

#include "base/buf.h"
#include "store/store_check.h"

/* "12", "0.25", "2 h" (FRESHNESS); "-" where nothing was measured. */
void tl_check_put_measured(struct tl_buf *out, const struct tl_check_result *result);
/* "50 to 200", "at least 1", "at most 2 h", "0"; "-" without any. */
void tl_check_put_bounds(struct tl_buf *out, const struct tl_check_result *result);
/* "2015-05-17T00:00:00.000Z..2015-05-18T00:00:00.000Z" */
void tl_check_put_range(struct tl_buf *out, int64_t from_ms, int64_t to_ms);
/* "check volume: ROW_COUNT is 12, where 50 to 200 would do (the median of 3 ranges is 100)" */
void tl_check_put_result(struct tl_buf *out, const struct tl_check_result *result);
bool tl_check_keeps_back(const struct tl_check_result *result); /* has failed, and is one of FAIL UPDATE */
/* Of a stored one: it keeps its range back now; a person overruled it. */
bool tl_check_keeps_back_now(const struct tl_stored_check *check);
bool tl_check_is_accepted(const struct tl_stored_check *check);
/* "passed", "warned", "dropped", "kept back", "accepted"; "failed": it kept a range back that was computed anew, or rolled back, since. */
const char *tl_check_verdict(const struct tl_stored_check *check);

#endif
