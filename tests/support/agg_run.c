/* agg_run.c: one aggregate over rows that a test writes. */
#include "support/agg_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { PARTS_MAX = 5 };

void agg_run_open(struct agg_run *run, const struct tl_agg_call *call, const enum tl_kind *kinds, uint32_t kinds_count,
                  bool where, uint32_t rows_max)
{
    struct tl_err err;
    uint32_t room = rows_max > 0 ? rows_max : 1;

    memset(run, 0, sizeof *run);
    cr_assert_lt(kinds_count, AGG_RUN_ARGS_MAX);
    tl_arena_init(&run->arena, 1 << 16, 0);
    run->call = *call;
    run->call.args = run->args;
    run->call.args_count = kinds_count;
    run->call.where = where ? &run->exprs[kinds_count] : NULL;
    for (uint32_t i = 0; i < kinds_count + where; i++) {
        run->exprs[i] = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = i < kinds_count ? kinds[i] : TL_BOOLEAN, .slot = i};
        run->args[i] = &run->exprs[i];
        cr_assert(tl_vec_alloc(&run->arena, run->exprs[i].kind, room, &run->columns[i]));
    }
    cr_assert_eq(tl_agg_layout_init(&run->layout, &run->call, 1, &run->arena, &err), TL_OK);
    cr_assert_eq(run->layout.state_bytes % 8, 0);
    for (uint32_t i = 0; i < run->layout.inputs_count; i++)
        run->inputs[i] = run->columns[run->layout.inputs[i]->slot];
    run->time_ms = tl_arena_alloc(&run->arena, room * sizeof *run->time_ms);
    run->offset = tl_arena_alloc(&run->arena, room * sizeof *run->offset);
    run->partition = tl_arena_alloc(&run->arena, room * sizeof *run->partition);
    run->number = tl_arena_alloc(&run->arena, room * sizeof *run->number);
    for (uint32_t r = 0; r < rows_max; r++) {
        run->time_ms[r] = run->offset[r] = r;
        run->partition[r] = run->number[r] = 0;
    }
    run->rows_count = rows_max;
}

void agg_run_close(struct agg_run *run)
{
    tl_arena_done(&run->arena);
}

void agg_run_put(struct agg_run *run, uint32_t arg, uint32_t row, struct tl_value value)
{
    tl_vec_set(&run->columns[arg], row, &value);
}

static void step(struct agg_run *run, const uint32_t *rows, uint32_t count, void *const *blocks, struct tl_arena *const *arenas)
{
    struct tl_agg_rows in = {run->inputs, run->time_ms, run->offset, run->partition, run->number, 0};

    cr_assert(tl_agg_step(&run->layout, &in, rows, count, blocks, arenas));
}

static void *block_new(struct agg_run *run, struct tl_arena *arena)
{
    void *block = tl_arena_zalloc(arena, run->layout.state_bytes + 1);

    cr_assert_not_null(block);
    return block;
}

void *agg_run_block(struct agg_run *run, struct tl_arena *arena)
{
    void *block = block_new(run, arena);

    for (uint32_t r = 0; r < run->rows_count; r++)
        step(run, &r, 1, &block, &arena);
    return block;
}

struct tl_value agg_run_finish(struct agg_run *run, const void *block)
{
    struct tl_vec out;

    cr_assert(tl_vec_alloc(&run->arena, run->call.kind, 1, &out));
    cr_assert(tl_agg_finish(&run->layout, 0, &block, 1, &run->arena, &out));
    return tl_vec_get(&out, 0);
}

struct tl_value agg_run_result(struct agg_run *run)
{
    return agg_run_finish(run, agg_run_block(run, &run->arena));
}

static void shuffle(struct chance *chance, uint32_t *items, uint32_t count)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = chance_below(chance, i), swap = items[i - 1];

        items[i - 1] = items[j];
        items[j] = swap;
    }
}

static void *through_bytes(struct agg_run *run, const void *block, struct tl_arena *arena)
{
    struct tl_buf bytes, again;
    struct tl_reader reader;
    struct tl_err err;
    void *loaded = block_new(run, arena);

    tl_buf_init(&bytes, 0);
    tl_buf_init(&again, 0);
    tl_agg_save(&run->layout, block, &bytes);
    reader = tl_reader_of(tl_buf_sv(&bytes));
    cr_assert_eq(tl_agg_load(&run->layout, &reader, loaded, arena, &err), TL_OK, "%s", err.message);
    cr_assert(tl_reader_at_end(&reader));
    tl_agg_save(&run->layout, loaded, &again);
    cr_assert(tl_sv_eq(tl_buf_sv(&bytes), tl_buf_sv(&again)), "saved, loaded and saved again: other bytes");
    tl_buf_done(&bytes);
    tl_buf_done(&again);
    return loaded;
}

void agg_run_check_parts(struct agg_run *run, struct chance *chance)
{
    uint32_t parts = 1 + chance_below(chance, PARTS_MAX), order[PARTS_MAX];
    struct tl_arena memory[PARTS_MAX], *arenas[PARTS_MAX];
    void *blocks[PARTS_MAX];
    uint32_t *rows = tl_arena_alloc(&run->arena, (run->rows_count + 1) * sizeof *rows);
    const void *whole = agg_run_block(run, &run->arena);
    struct tl_value want = agg_run_finish(run, whole), got;
    struct tl_buf one, two;

    for (uint32_t p = 0; p < parts; p++) {
        tl_arena_init(&memory[p], 1 << 12, 0);
        arenas[p] = &memory[p];
        blocks[p] = block_new(run, &memory[p]);
        order[p] = p;
    }
    for (uint32_t r = 0; r < run->rows_count; r++)
        rows[r] = r;
    shuffle(chance, rows, run->rows_count);
    for (uint32_t i = 0; i < run->rows_count;) {
        uint32_t p = chance_below(chance, parts);
        uint32_t count = 1 + chance_below(chance, 8);
        void *to[8];
        struct tl_arena *with[8];

        if (count > run->rows_count - i)
            count = run->rows_count - i;
        for (uint32_t c = 0; c < count; c++) {
            to[c] = blocks[p];
            with[c] = arenas[p];
        }
        step(run, rows + i, count, to, with);
        i += count;
    }
    shuffle(chance, order, parts);
    for (uint32_t p = 1; p < parts; p++) {
        const void *from = blocks[order[p]];

        if (chance_below(chance, 2))
            from = through_bytes(run, from, arenas[order[p]]);
        cr_assert(tl_agg_merge(&run->layout, blocks[order[0]], from, arenas[order[0]]));
    }
    got = agg_run_finish(run, blocks[order[0]]);
    cr_assert(tl_value_eq(&want, &got), "seed %llu: in %u parts another result", (unsigned long long)chance->seed, parts);
    tl_buf_init(&one, 0);
    tl_buf_init(&two, 0);
    tl_agg_save(&run->layout, whole, &one);
    tl_agg_save(&run->layout, blocks[order[0]], &two);
    cr_assert(tl_sv_eq(tl_buf_sv(&one), tl_buf_sv(&two)), "seed %llu: in %u parts other bytes", (unsigned long long)chance->seed,
              parts);
    got = agg_run_finish(run, through_bytes(run, whole, &run->arena));
    cr_assert(tl_value_eq(&want, &got), "seed %llu: through bytes another result", (unsigned long long)chance->seed);
    tl_buf_done(&one);
    tl_buf_done(&two);
    for (uint32_t p = 0; p < parts; p++)
        tl_arena_done(&memory[p]);
}
