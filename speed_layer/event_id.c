/* event_id.c: UUIDs of version 7. See event_id.h. */
#include "speed_layer/event_id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { ID_BYTES = 16, TIME_BYTES = 6, RANDOM_BYTES = ID_BYTES - TIME_BYTES, COUNTER_MAX = 0xfff, COUNTER_BEGIN_MAX = 0x7ff };

static bool refill(struct tl_event_ids *ids)
{
    for (size_t have = 0; have < sizeof ids->random;) {
        ssize_t got = getrandom(ids->random + have, sizeof ids->random - have, 0);

        if (got < 0 && errno != EINTR)
            return false;
        have += got < 0 ? 0 : (size_t)got;
    }
    ids->random_left = sizeof ids->random;
    return true;
}

static void to_text(const uint8_t id[ID_BYTES], char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[id[i] >> 4];
        *out++ = digits[id[i] & 15];
    }
}

bool tl_event_ids_next(struct tl_event_ids *ids, int64_t now_ms, char out[TL_EVENT_ID_TEXT_BYTES])
{
    uint8_t id[ID_BYTES];

    if (ids->random_left < RANDOM_BYTES && !refill(ids))
        return false;
    ids->random_left -= RANDOM_BYTES;
    memcpy(id + TIME_BYTES, ids->random + ids->random_left, RANDOM_BYTES);
    if (now_ms <= ids->last_ms && ids->counter < COUNTER_MAX) {
        ids->counter++;
    } else {
        ids->last_ms = now_ms > ids->last_ms ? now_ms : ids->last_ms + 1;
        ids->counter = (unsigned)(id[6] << 8 | id[7]) & COUNTER_BEGIN_MAX;
    }
    for (size_t i = 0; i < TIME_BYTES; i++)
        id[i] = (uint8_t)(ids->last_ms >> (8 * (TIME_BYTES - 1 - i)));
    id[6] = (uint8_t)(0x70 | ids->counter >> 8);
    id[7] = (uint8_t)ids->counter;
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
    to_text(id, out);
    return true;
}
