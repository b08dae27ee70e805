/* agg_state.h: what an accumulator is to agg.c: a row of functions. For the files agg*.c alone.
 *
 * A shape is what is accumulated and from which physical form; a state is a shape at work within a layout. `block` below is always the
 * group's whole block: tl_agg_at() finds the state in it.
 * A block is const to merge (from), finish and save, yet what it points at may be put in order by them: that is not its contents. */
#ifndef TL_AGG_STATE_H
#define TL_AGG_STATE_H

#include "core/agg.h"

/* Rows rows[i] go to blocks[i], with the memory arenas[i]. */
struct tl_agg_selection {
    const uint32_t *rows;
    uint32_t count;
    void *const *blocks;
    struct tl_arena *const *arenas;
};

struct tl_agg_state {
    const struct tl_agg_shape *shape;
    const struct tl_agg_call *call; /* the first that reads it: its arguments, filter and DISTINCT are those of all */
    const uint32_t *inputs;         /* input numbers of the arguments */
    uint32_t where;                 /* input number of the filter */
    uint32_t offset;                /* within the block */
    bool counted;                   /* an AVG reads it: sums keep their count */
};

struct tl_agg_shape {
    uint32_t bytes; /* of the state, a multiple of 8 */
    /* The filter has been applied already; NULL arguments are the shape's to skip. */
    bool (*step)(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to);
    bool (*merge)(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena);
    bool (*finish)(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                   uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out);
    void (*save)(const struct tl_agg_state *state, const void *block, struct tl_buf *out);
    /* TL_ERR_CORRUPT or TL_ERR_MEMORY; agg.c fills the error. */
    enum tl_code (*load)(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena);
};

/* By form where there are three: TL_FORM_I64, TL_FORM_F64, TL_FORM_TEXT. */
extern const struct tl_agg_shape tl_agg_count_star, tl_agg_count;
extern const struct tl_agg_shape tl_agg_sum[2];
extern const struct tl_agg_shape tl_agg_min[3], tl_agg_max[3];
extern const struct tl_agg_shape tl_agg_first[3], tl_agg_last[3];
extern const struct tl_agg_shape tl_agg_distinct[3];
extern const struct tl_agg_shape tl_agg_moments[2];
extern const struct tl_agg_shape tl_agg_list, tl_agg_list_distinct;
extern const struct tl_agg_shape tl_agg_percentile, tl_agg_approx_percentile;
extern const struct tl_agg_shape tl_agg_approx_distinct;
extern const struct tl_agg_shape tl_agg_funnel;
/* An aggregate of a library's has one of its own: that parts its states from those of others. */
struct tl_agg_shape tl_agg_user(size_t state_bytes);

static inline void *tl_agg_at(const struct tl_agg_state *state, void *block)
{
    return (char *)block + state->offset;
}
static inline const void *tl_agg_in(const struct tl_agg_state *state, const void *block)
{
    return (const char *)block + state->offset;
}
static inline const struct tl_vec *tl_agg_input(const struct tl_agg_state *state, const struct tl_agg_rows *in, uint32_t arg)
{
    return &in->inputs[state->inputs[arg]];
}

/* Where a row stands in the order of FIRST_VALUE, LAST_VALUE and LISTAGG. */
struct tl_agg_place {
    int64_t time_ms, offset;
    uint32_t partition, number;
};

static inline struct tl_agg_place tl_agg_place_of(const struct tl_agg_rows *in, uint32_t row)
{
    return (struct tl_agg_place){in->time_ms[row], in->offset[row],
                                 in->partition != NULL ? in->partition[row] : in->partition_all, in->number[row]};
}
int tl_agg_place_order(const struct tl_agg_place *a, const struct tl_agg_place *b);
/* zigzag time, varint partition, zigzag offset, varint number */
void tl_agg_place_save(const struct tl_agg_place *place, struct tl_buf *out);
TL_MUST_USE bool tl_agg_place_load(struct tl_reader *bytes, struct tl_agg_place *out);

/* A value of the kind, as bytes: zigzag value | u64 bits (one NaN only). False: not such a value, or the bytes end. */
TL_MUST_USE bool tl_agg_load_i64(struct tl_reader *bytes, enum tl_kind kind, int64_t *out);
TL_MUST_USE bool tl_agg_load_f64(struct tl_reader *bytes, enum tl_kind kind, double *out);
/* The u8 before what may be there or not: 0 or 1. */
TL_MUST_USE bool tl_agg_load_any(struct tl_reader *bytes, bool *out);

/* A text that is kept and overwritten in place where it fits. Capacities double, so what is left behind in the arena stays below what is
 * in use. All zero: none yet. */
struct tl_agg_text {
    char *data; /* NULL: none */
    uint32_t size, capacity;
};

TL_MUST_USE bool tl_agg_text_keep(struct tl_agg_text *kept, struct tl_sv text, struct tl_arena *arena);
static inline struct tl_sv tl_agg_text_sv(const struct tl_agg_text *kept)
{
    return (struct tl_sv){kept->data, kept->size};
}

/* Gives an array that lives in an arena room for `wanted` items, at least doubling it. */
#define TL_AGG_GROW(array, capacity, wanted, arena) tl_agg_grow(&(array), sizeof *(array), &(capacity), (wanted), (arena))
TL_MUST_USE bool tl_agg_grow(void *array_at, size_t item_bytes, uint32_t *capacity, uint64_t wanted, struct tl_arena *arena);

#endif
