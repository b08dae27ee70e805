/* event_id.h: ids of events: UUIDs of version 7 (RFC 9562), which grow: their first 48 bits are the time in milliseconds.
 *
 * Those of one maker grow strictly: 12 bits are a counter that begins anew, at random in its lower half, with each millisecond; where it ends, and
 * where the clock steps back, the time in the id goes on from the last one. 62 bits are random: asked of the system by the 2 KiB. */
#ifndef TL_EVENT_ID_H
#define TL_EVENT_ID_H

#include "base/base.h"

enum { TL_EVENT_ID_TEXT_BYTES = 36, TL_EVENT_ID_RANDOM_BYTES = 2048 };

struct tl_event_ids { /* all zero: ready */
    int64_t last_ms;
    unsigned counter;
    size_t random_left;
    uint8_t random[TL_EVENT_ID_RANDOM_BYTES];
};

/* False: the system gives no random bytes (errno says why). */
TL_MUST_USE bool tl_event_ids_next(struct tl_event_ids *ids, int64_t now_ms, char out[TL_EVENT_ID_TEXT_BYTES]);

#endif
