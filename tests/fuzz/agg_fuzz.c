/* agg_fuzz.c: accumulators from any bytes: refused, or a state that saves, loads, merges and finishes. */
#include <stdlib.h>
#include <string.h>

#include "core/agg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum tl_kind kinds[] = {TL_BOOLEAN, TL_INT, TL_BIGINT, TL_FLOAT, TL_DOUBLE, TL_STRING, TL_TIMESTAMP_LTZ};
enum { AGGS = TL_AGG_WINDOW_FUNNEL + 1, STEPS = 3 };

static void must(bool held)
{
    if (!held)
        abort();
}

static bool takes(const struct tl_agg_call *call, enum tl_kind kind)
{
    switch (call->agg) {
    case TL_AGG_COUNT_STAR:
    case TL_AGG_COUNT:
    case TL_AGG_MIN:
    case TL_AGG_MAX:
    case TL_AGG_FIRST_VALUE:
    case TL_AGG_LAST_VALUE:
    case TL_AGG_APPROX_COUNT_DISTINCT: return true;
    case TL_AGG_LISTAGG: return kind == TL_STRING;
    case TL_AGG_WINDOW_FUNNEL: return kind == TL_TIMESTAMP_LTZ;
    default: return tl_kind_is_numeric(kind);
    }
}

static enum tl_kind result_of(enum tl_agg_kind agg, enum tl_kind arg)
{
    switch (agg) {
    case TL_AGG_COUNT_STAR:
    case TL_AGG_COUNT:
    case TL_AGG_APPROX_COUNT_DISTINCT:
    case TL_AGG_WINDOW_FUNNEL: return TL_BIGINT;
    case TL_AGG_PERCENTILE:
    case TL_AGG_APPROX_PERCENTILE: return TL_DOUBLE;
    default: return arg;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_arena arena;
    struct tl_expr arg = {.op = TL_EXPR_SLOT}, step = {.op = TL_EXPR_SLOT, .kind = TL_BOOLEAN};
    struct tl_expr *args[1 + STEPS] = {&arg, &step, &step, &step};
    struct tl_agg_call call = {.args = args, .args_count = 1, .point = 0.3, .separator = TL_SV(","), .within_ms = 100};
    struct tl_agg_layout layout;
    struct tl_buf first, second;
    struct tl_vec out;
    const void *blocks[2];
    void *block, *again;
    struct tl_reader reader;
    bool loaded;

    if (size < 2)
        return 0;
    /* The first two bytes choose the call and whether it is DISTINCT, the rest is its byte form. */
    call.agg = (enum tl_agg_kind)(data[0] % AGGS);
    call.distinct = data[0] / AGGS % 2;
    arg.kind = kinds[data[1] % TL_COUNT(kinds)];
    if (!takes(&call, arg.kind))
        return 0;
    if (call.agg == TL_AGG_WINDOW_FUNNEL)
        call.args_count = 1 + STEPS;
    call.kind = result_of(call.agg, arg.kind);
    tl_arena_init(&arena, 4096, 0);
    tl_buf_init(&first, 0);
    tl_buf_init(&second, 0);
    must(tl_agg_layout_init(&layout, &call, 1, &arena, NULL) == TL_OK);
    must((block = tl_arena_zalloc(&arena, layout.state_bytes)) != NULL);
    must((again = tl_arena_zalloc(&arena, layout.state_bytes)) != NULL);
    must(tl_vec_alloc(&arena, call.kind, 2, &out));
    reader = tl_reader_of((struct tl_sv){(const char *)data + 2, size - 2});
    loaded = tl_agg_load(&layout, &reader, block, &arena, NULL) == TL_OK;
    must(arena.held_bytes <= (1u << 20) + 64 * size); /* counts are not believed before what they count has been read */
    if (loaded) {
        tl_agg_save(&layout, block, &first);
        reader = tl_reader_of(tl_buf_sv(&first));
        must(tl_agg_load(&layout, &reader, again, &arena, NULL) == TL_OK && tl_reader_at_end(&reader));
        tl_agg_save(&layout, again, &second);
        must(tl_sv_eq(tl_buf_sv(&first), tl_buf_sv(&second)));
        must(tl_agg_merge(&layout, again, block, &arena));
        must(tl_agg_merge(&layout, again, block, &arena));
        blocks[0] = block;
        blocks[1] = again;
        must(tl_agg_finish(&layout, 0, blocks, 2, &arena, &out));
        tl_agg_save(&layout, again, &second);
    }
    tl_buf_done(&first);
    tl_buf_done(&second);
    tl_arena_done(&arena);
    return 0;
}
