/* function_time.h: the text of a timestamp as Flink's CAST and TO_TIMESTAMP(s) read it. */
#ifndef TL_FUNCTION_TIME_H
#define TL_FUNCTION_TIME_H

#include "base/base.h"
#include "base/sv.h"

struct tl_call; /* sql/catalog.h */

/* yyyy-[M]M-[d]d[ [H]H:[m]m:[s]s[.f{0..9}]], cut to milliseconds. A day beyond its month is cut to the month's last, 24:00:00 is the
 * next midnight, the year 0000 is refused (semantics.md 8; java.time's SMART resolver). */
TL_MUST_USE bool tl_time_from_text(struct tl_sv text, int64_t *ms);
/* The kernel of CAST and of TO_TIMESTAMP(s): the state is the zone of the text's clock, NULL for UTC. What does not read fails. */
TL_MUST_USE bool tl_text_to_time(const struct tl_call *call);

#endif
