/* recent.h: what a function found for the texts that it saw lately: a cache of one thread (tl_memory_kind's memory).
 *
 * Log lines of one visitor come together, so few texts answer most calls. When it is full it is emptied: no order is kept, and a stream of
 * texts that never repeat costs a copy each. */
#ifndef TL_RECENT_H
#define TL_RECENT_H

#include "base/sv.h"

struct tl_recent;

struct tl_recent *tl_recent_open(void); /* NULL: out of memory */
void tl_recent_close(struct tl_recent *recent);
/* *value is what was put, good until the next put. */
bool tl_recent_find(const struct tl_recent *recent, struct tl_sv key, struct tl_sv *value);
/* Long ones, and what there is no memory for, are not kept. value.data NULL is a value like others. */
void tl_recent_put(struct tl_recent *recent, struct tl_sv key, struct tl_sv value);

#endif
