/* sieve.c: lets messages pass that have an event of a group that somebody asks for. See sieve.h. */
#include "sieve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct tl_sieve {
    struct tl_core *core;
    struct tl_partial *partial; /* stays empty but for what the core says of each message */
    tl_sieve_asks asks;
    void *ctx;
    const struct tl_core_input *input; /* being passed, */
    bool caught[TL_BATCH_ROWS];        /* and which messages of it are to pass */
    struct tl_message passed[TL_BATCH_ROWS];
};

static bool is_asked_for(void *ctx, uint32_t view, const struct tl_core_event *event, int64_t start_ms, int64_t end_ms,
                         struct tl_sv key, int64_t *watermark_ms)
{
    struct tl_sieve *sieve = ctx;
    size_t low = 0, high = sieve->input->count;

    (void)watermark_ms;
    if (!sieve->asks(sieve->ctx, view, event, start_ms, end_ms, key))
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sieve->input->messages[middle].offset < event->offset)
            low = middle + 1;
        else
            high = middle;
    }
    assert(low < sieve->input->count && sieve->input->messages[low].offset == event->offset);
    sieve->caught[low] = true;
    return false;
}

enum tl_code tl_sieve_open(const struct tl_plan *plan, const bool *views_wanted, const int64_t bounds[2], tl_sieve_asks asks,
                           void *ctx, struct tl_sieve **out, struct tl_err *err)
{
    static const struct tl_window_options whole_windows = {.ranges_count = 1, .whole = true};
    struct tl_sieve *sieve = calloc(1, sizeof *sieve);
    struct tl_core_config config = {.plan = plan,
                                    .views_wanted = views_wanted,
                                    .bounds = bounds,
                                    .ranges_count = 1,
                                    .wanted = is_asked_for,
                                    .wanted_ctx = sieve};
    enum tl_code rc = TL_OK;

    if (sieve == NULL)
        return tl_fail_memory(err, sizeof *sieve);
    sieve->asks = asks;
    sieve->ctx = ctx;
    TL_TRY(tl_core_open(&config, &sieve->core, err));
    TL_TRY(tl_partial_open(plan, &whole_windows, &sieve->partial, err));
    *out = sieve;
    sieve = NULL;
out:
    tl_sieve_close(sieve);
    return rc;
}

void tl_sieve_close(struct tl_sieve *sieve)
{
    if (sieve == NULL)
        return;
    tl_core_close(sieve->core);
    tl_partial_close(sieve->partial);
    free(sieve);
}

enum tl_code tl_sieve_pass(struct tl_sieve *sieve, const struct tl_core_input *input, const struct tl_message **passed,
                           size_t *count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    assert(input->count <= TL_BATCH_ROWS);
    sieve->input = input;
    memset(sieve->caught, 0, input->count * sizeof *sieve->caught);
    TL_TRY(tl_core_push(sieve->core, input, sieve->partial, err));
    tl_partial_reset(sieve->partial); /* its dead letters and ledger must not grow with the record */
    *count = 0;
    for (size_t i = 0; i < input->count; i++)
        if (sieve->caught[i])
            sieve->passed[(*count)++] = input->messages[i];
    *passed = sieve->passed;
out:
    return rc;
}
