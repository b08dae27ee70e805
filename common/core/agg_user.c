/* agg_user.c: accumulators of aggregates from a library: core/tally_function.h says what these promise.
 *
 * The library's state is the state. Rows with a NULL argument are skipped.
 *
 * Byte form: u32 size, then what the library's save() wrote. */
#include <string.h>

#include "core/agg_state.h"
#include "core/user_call.h"

enum { SIZE_BYTES = 4 };

static const struct tally_aggregate *own_of(const struct tl_agg_state *state)
{
    return state->call->user->own;
}

/* A state cannot fail as a row can. */
static bool is_denied(const struct tl_user_call *user)
{
    return user->denied || user->too_much;
}

static bool user_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const struct tally_aggregate *own = own_of(state);
    struct tl_user_call user = tl_user_call_with(NULL, NULL);
    struct tally_value args[TALLY_ARGS_MAX] = {{0}};
    uint32_t args_count = state->call->args_count;

    for (uint32_t a = 0; a < args_count; a++)
        args[a].type = (enum tally_type)state->call->args[a]->kind;
    for (uint32_t i = 0; i < to->count; i++) {
        bool any_null = false;

        for (uint32_t a = 0; a < args_count; a++) {
            tl_user_value(tl_agg_input(state, in, a), to->rows[i], &args[a]);
            any_null |= args[a].is_null;
        }
        if (any_null)
            continue;
        user.arena = to->arenas[i];
        own->step(&user.call, tl_agg_at(state, to->blocks[i]), args);
        if (is_denied(&user))
            return false;
    }
    return true;
}

static bool user_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    struct tl_user_call user = tl_user_call_with(arena, NULL);

    own_of(state)->merge(&user.call, tl_agg_at(state, into), tl_agg_in(state, from));
    return !is_denied(&user);
}

static bool user_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    static const struct tally_value null = {.is_null = true};
    struct tl_user_call user = tl_user_call_with(arena, NULL);
    struct tl_user_results into = tl_user_results_into(out);

    for (uint32_t i = 0; i < blocks_count; i++) {
        struct tally_value result = tl_user_result(call->kind);
        bool done = own_of(state)->finish(&user.call, tl_agg_in(state, blocks[i]), &result);

        if (is_denied(&user))
            return false;
        if ((!done || !tl_user_result_take(&into, i, &result)) && !tl_user_result_take(&into, i, &null))
            return false;
    }
    return true;
}

static void user_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    struct tl_user_call user = tl_user_call_with(NULL, out);
    size_t at = out->size;

    tl_buf_put_u32(out, 0);
    own_of(state)->save(&user.call, tl_agg_in(state, block));
    if (out->size - at > (size_t)UINT32_MAX || is_denied(&user))
        out->failed = true;
    if (out->failed)
        return;
    for (uint32_t i = 0; i < SIZE_BYTES; i++)
        out->data[at + i] = (char)((out->size - at - SIZE_BYTES) >> (8 * i));
}

static enum tl_code user_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct tl_user_call user = tl_user_call_with(arena, NULL);
    struct tl_sv own = tl_reader_bytes(bytes, tl_reader_u32(bytes));
    bool done;

    if (bytes->failed)
        return TL_ERR_CORRUPT;
    done = own_of(state)->load(&user.call, tl_agg_at(state, block), own.data, own.size);
    if (is_denied(&user))
        return TL_ERR_MEMORY;
    return done ? TL_OK : TL_ERR_CORRUPT;
}

struct tl_agg_shape tl_agg_user(size_t state_bytes)
{
    return (struct tl_agg_shape){(uint32_t)((state_bytes + 7) / 8 * 8), user_step, user_merge, user_finish, user_save, user_load};
}
