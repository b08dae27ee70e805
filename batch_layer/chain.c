/* chain.c: which of a run's ranges may be published when checks keep some of them back. See chain.h. */
#include "chain.h"

#include <stdlib.h>
#include <string.h>

struct tl_chain_span *tl_chain_find(struct tl_chain *chain, int64_t from_ms)
{
    for (uint32_t s = 0; s < chain->count; s++)
        if (chain->spans[s].from_ms == from_ms)
            return &chain->spans[s];
    return NULL;
}

static enum tl_code add_span(struct tl_chain *chain, const struct tl_staged_range *range, struct tl_err *err)
{
    if (chain->count == chain->capacity) {
        uint32_t capacity = chain->capacity * 2 + 32;

        if (!TL_RESIZE(chain->spans, capacity))
            return tl_fail_memory(err, capacity * sizeof *chain->spans);
        chain->capacity = capacity;
    }
    chain->spans[chain->count++] = (struct tl_chain_span){.from_ms = range->from_ms,
                                                          .to_ms = range->to_ms,
                                                          .published = range->published,
                                                          .kept = range->kept,
                                                          .next_needs_it = range->next_needs_it,
                                                          .needs_next = range->needs_next};
    return TL_OK;
}

static enum tl_code see_range(void *ctx, const struct tl_staged_range *range, struct tl_err *err)
{
    struct tl_chain *chain = ctx;
    struct tl_chain_span *span = tl_chain_find(chain, range->from_ms);

    if (span == NULL)
        return add_span(chain, range, err);
    span->published = span->published && range->published;
    span->next_needs_it = span->next_needs_it || range->next_needs_it;
    span->needs_next = span->needs_next || range->needs_next;
    if (range->kept == TL_KEPT_REFUSED)
        span->kept = TL_KEPT_REFUSED;
    return TL_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct tl_chain_span *x = a, *y = b;

    return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

enum tl_code tl_chain_open(struct tl_chain *chain, struct tl_store *store, int64_t run, const int64_t *definitions,
                           uint32_t definitions_count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *chain = (struct tl_chain){0};
    for (uint32_t d = 0; d < definitions_count; d++)
        TL_TRY(tl_store_staged(store, run, definitions[d], see_range, chain, err));
    if (chain->count > 0)
        qsort(chain->spans, chain->count, sizeof *chain->spans, by_time);
out:
    return rc;
}

void tl_chain_close(struct tl_chain *chain)
{
    free(chain->spans);
    *chain = (struct tl_chain){0};
}

static bool waits(const struct tl_chain_span *span)
{
    return !span->published && span->kept != TL_KEPT_REPLACED && span->kept != TL_KEPT_REFUSED;
}

static bool stays_back(const struct tl_chain_span *span)
{
    return span->kept != TL_KEPT_NOT;
}

static bool keep(struct tl_chain_span *span)
{
    if (!waits(span) || stays_back(span))
        return false;
    span->kept = TL_KEPT_CHAIN;
    return true;
}

/* The span that begins where this one ends. */
static const struct tl_chain_span *behind(const struct tl_chain *chain, uint32_t s)
{
    return s + 1 < chain->count && chain->spans[s + 1].from_ms == chain->spans[s].to_ms ? &chain->spans[s + 1] : NULL;
}

void tl_chain_settle(struct tl_chain *chain)
{
    bool changed = true;

    for (uint32_t s = 0; s < chain->count; s++)
        if (waits(&chain->spans[s]))
            chain->spans[s].kept = chain->spans[s].failed ? TL_KEPT_CHECK : TL_KEPT_NOT;
    while (changed) {
        changed = false;
        for (uint32_t s = 0; s < chain->count; s++) {
            struct tl_chain_span *span = &chain->spans[s];
            const struct tl_chain_span *next = behind(chain, s);

            if (next != NULL && stays_back(span) && span->next_needs_it)
                changed = keep(&chain->spans[s + 1]) || changed;
            if (span->needs_next && (next == NULL || next->published || stays_back(next)))
                changed = keep(span) || changed;
        }
    }
}
