/* carry.c: what a view carries over a bound. See carry.h. */
#include "carry.h"

#include <stdlib.h>
#include <xxhash.h>

int64_t tl_carry_hash(struct tl_sv bytes)
{
    int64_t hash = (int64_t)XXH3_64bits(bytes.data, bytes.size);

    return hash == 0 ? 1 : hash;
}

enum tl_code tl_carries_open(struct tl_carries *carries, struct tl_store *store, const int64_t *definitions, uint32_t views_count,
                             struct tl_err *err)
{
    *carries = (struct tl_carries){.store = store, .definitions = definitions, .count = views_count};
    carries->views = calloc(views_count, sizeof *carries->views);
    if (carries->views == NULL)
        return tl_fail_memory(err, views_count * sizeof *carries->views);
    for (uint32_t v = 0; v < views_count; v++)
        tl_buf_init(&carries->views[v].bytes, 0);
    return TL_OK;
}

void tl_carries_close(struct tl_carries *carries)
{
    for (uint32_t v = 0; carries->views != NULL && v < carries->count; v++)
        tl_buf_done(&carries->views[v].bytes);
    free(carries->views);
    *carries = (struct tl_carries){0};
}

enum tl_code tl_carry_published(const struct tl_carries *carries, uint32_t view, int64_t at_ms, struct tl_buf *out,
                                struct tl_err *err)
{
    tl_buf_clear(out);
    return tl_store_carry(carries->store, carries->definitions[view], at_ms, out, err);
}

enum tl_code tl_carry_at(struct tl_carries *carries, uint32_t view, int64_t at_ms, struct tl_sv *out, struct tl_err *err)
{
    struct tl_carry *carry = &carries->views[view];
    enum tl_code rc = TL_OK;

    if (!carry->known || carry->at_ms != at_ms)
        TL_TRY(tl_carry_published(carries, view, at_ms, &carry->bytes, err));
    *out = tl_buf_sv(&carry->bytes);
out:
    return rc;
}

enum tl_code tl_carry_remember(struct tl_carries *carries, uint32_t view, int64_t at_ms, struct tl_sv bytes, struct tl_err *err)
{
    struct tl_carry *carry = &carries->views[view];

    carry->known = true;
    carry->at_ms = at_ms;
    tl_buf_clear(&carry->bytes);
    tl_buf_put_sv(&carry->bytes, bytes);
    return tl_buf_check(&carry->bytes, "carry", err);
}
