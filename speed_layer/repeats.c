/* repeats.c: how often a line has come before in its log. */
#include "speed_layer/repeats.h"

#include <stdlib.h>
#include <string.h>

#ifdef TL_TINY
enum { CAPACITY_MIN = 2 };
#else
enum { CAPACITY_MIN = 1 << 14 };
#endif

void tl_repeats_init(struct tl_repeats *repeats)
{
    *repeats = (struct tl_repeats){0};
    tl_table_init(&repeats->more, sizeof(uint64_t), 0);
}

void tl_repeats_done(struct tl_repeats *repeats)
{
    free(repeats->seen);
    tl_table_done(&repeats->more);
}

void tl_repeats_clear(struct tl_repeats *repeats)
{
    free(repeats->seen); /* a small log need not clear what a large one took */
    repeats->seen = NULL;
    repeats->seen_count = repeats->seen_capacity = 0;
    tl_table_reset(&repeats->more);
}

/* The slot that holds the hash, or the empty one where it belongs. */
static uint64_t *slot_of(uint64_t *seen, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)hash & (capacity - 1);

    while (seen[at] != 0 && seen[at] != hash)
        at = (at + 1) & (capacity - 1);
    return &seen[at];
}

static enum tl_code grow(struct tl_repeats *repeats, struct tl_err *err)
{
    size_t capacity = repeats->seen_capacity == 0 ? CAPACITY_MIN : repeats->seen_capacity * 2;
    uint64_t *seen = calloc(capacity, sizeof *seen);

    if (seen == NULL)
        return tl_fail_memory(err, capacity * sizeof *seen);
    for (size_t i = 0; i < repeats->seen_capacity; i++)
        if (repeats->seen[i] != 0)
            *slot_of(seen, capacity, repeats->seen[i]) = repeats->seen[i];
    free(repeats->seen);
    repeats->seen = seen;
    repeats->seen_capacity = capacity;
    return TL_OK;
}

void tl_repeats_expect(const struct tl_repeats *repeats, uint64_t hash)
{
    if (repeats->seen_capacity > 0)
        __builtin_prefetch(&repeats->seen[(size_t)hash & (repeats->seen_capacity - 1)]);
}

enum tl_code tl_repeats_count(struct tl_repeats *repeats, uint64_t hash, uint64_t *before, struct tl_err *err)
{
    struct tl_sv key;
    uint64_t *slot, *count;
    enum tl_code rc = TL_OK;

    if (hash == 0)
        hash = 1;
    key = (struct tl_sv){(const char *)&hash, sizeof hash};
    if (repeats->seen_count + 1 > repeats->seen_capacity / 4 * 3)
        TL_TRY(grow(repeats, err));
    slot = slot_of(repeats->seen, repeats->seen_capacity, hash);
    if (*slot == 0) {
        *slot = hash;
        repeats->seen_count++;
        *before = 0;
        return TL_OK;
    }
    count = tl_table_put(&repeats->more, hash, key, NULL);
    if (count == NULL)
        return tl_fail_memory(err, sizeof *count);
    *before = ++*count;
out:
    return rc;
}
