/* recent.c: what a function found for the texts that it saw lately. See recent.h. */
#include "core/recent.h"

#include <stdlib.h>

#include "base/table.h"

#ifdef TL_TINY
enum { ENTRIES_MAX = 2, ENTRY_BYTES_MAX = 600 };
#else
enum { ENTRIES_MAX = 4096, ENTRY_BYTES_MAX = 600 }; /* 2.5 MB at most */
#endif

struct tl_recent {
    struct tl_table values; /* struct tl_sv, whose text stands beside the keys */
};

struct tl_recent *tl_recent_open(void)
{
    struct tl_recent *recent = calloc(1, sizeof *recent);

    if (recent != NULL)
        tl_table_init(&recent->values, sizeof(struct tl_sv), ENTRIES_MAX);
    return recent;
}

void tl_recent_close(struct tl_recent *recent)
{
    tl_table_done(&recent->values);
    free(recent);
}

bool tl_recent_find(const struct tl_recent *recent, struct tl_sv key, struct tl_sv *value)
{
    const struct tl_sv *found = tl_table_find(&recent->values, tl_hash_bytes(key), key);

    if (found != NULL)
        *value = *found;
    return found != NULL;
}

void tl_recent_put(struct tl_recent *recent, struct tl_sv key, struct tl_sv value)
{
    struct tl_sv *kept, copy = {NULL, 0};

    if (key.size + value.size > ENTRY_BYTES_MAX)
        return;
    if (recent->values.count == ENTRIES_MAX)
        tl_table_reset(&recent->values);
    if (value.data != NULL && !tl_arena_copy(tl_table_arena(&recent->values), value, &copy))
        return;
    kept = tl_table_put(&recent->values, tl_hash_bytes(key), key, NULL);
    if (kept != NULL)
        *kept = copy;
}
