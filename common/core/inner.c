/* inner.c: a view on a windowed view, without windows of its own: groups, or bare rows, in the windows of what it reads.
 *
 * All rows of one window become final at once, and are pushed between two settles (retires): so nothing stays, nothing is late, and a row that
 * comes out is final. */
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "core/window_kind.h"

/* A group's key in the table: end, start (8 bytes each), and the key. */
enum { HEAD_BYTES = 16 };

struct row {
    int64_t start_ms, end_ms;
    struct tl_sv key;
    const struct tl_value *values; /* the view's outputs */
};

struct inner {
    struct tl_table groups;
    struct tl_buf key;
    /* inner_rows: */
    struct row *rows;
    size_t count, capacity;
    struct tl_arena text;
};

static enum tl_code inner_open(struct tl_window *w, struct tl_err *err)
{
    struct inner *own = w->own = calloc(1, sizeof *own);

    if (own == NULL)
        return tl_fail_memory(err, sizeof *own);
    tl_table_init(&own->groups, w->layout.state_bytes, 0);
    tl_buf_init(&own->key, 0);
    tl_arena_init(&own->text, 1u << 12, 0);
    return TL_OK;
}

static void inner_close(struct tl_window *w)
{
    struct inner *own = w->own;

    tl_table_done(&own->groups);
    tl_buf_done(&own->key);
    tl_arena_done(&own->text);
    free(own->rows);
    free(own);
}

static void inner_reset(struct tl_window *w)
{
    struct inner *own = w->own;

    tl_table_reset(&own->groups);
    tl_arena_reset(&own->text);
    own->count = 0;
}

static uint64_t inner_groups(const struct tl_window *w)
{
    const struct inner *own = w->own;

    return own->groups.count + own->count;
}

static size_t inner_bytes(const struct tl_window *w)
{
    const struct inner *own = w->own;

    return sizeof *own + tl_table_bytes(&own->groups) + own->text.held_bytes + own->key.capacity +
           own->capacity * sizeof *own->rows;
}

/* ---- rows in ---- */

static bool keep_value(struct inner *own, const struct tl_value *value, struct tl_value *out)
{
    *out = *value;
    return value->is_null || tl_kind_form(value->kind) != TL_FORM_TEXT || tl_arena_copy(&own->text, value->sv, &out->sv);
}

static enum tl_code keep_row(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                             const struct tl_value *values, struct tl_err *err)
{
    struct inner *own = w->own;
    uint32_t outputs = w->view->outputs_count;
    struct tl_value *kept = tl_arena_alloc(&own->text, (outputs + 1) * sizeof *kept);
    struct row row = {.start_ms = start_ms, .end_ms = end_ms, .values = kept};
    bool ok = kept != NULL && tl_arena_copy(&own->text, key, &row.key);

    for (uint32_t o = 0; ok && o < outputs; o++)
        ok = keep_value(own, &values[o], &kept[o]);
    if (ok && own->count == own->capacity) {
        size_t capacity = own->capacity * 2 + 64;

        ok = TL_RESIZE(own->rows, capacity);
        if (ok)
            own->capacity = capacity;
    }
    if (!ok)
        return tl_fail_memory(err, outputs * sizeof *kept);
    own->rows[own->count++] = row;
    return TL_OK;
}

static enum tl_code push_row(struct tl_window *w, const struct tl_window_rows *in, uint32_t row, struct tl_err *err)
{
    uint32_t outputs = w->view->outputs_count;
    struct tl_value *values = tl_arena_alloc(&w->scratch, (outputs + 1) * sizeof *values);
    enum tl_code rc;

    if (values == NULL)
        return tl_fail_memory(err, outputs * sizeof *values);
    for (uint32_t o = 0; o < outputs; o++)
        values[o] = tl_vec_get(&in->outputs[o], row);
    rc = keep_row(w, in->start_ms[row], in->end_ms[row], in->row_key[row], values, err);
    tl_arena_reset(&w->scratch);
    return rc;
}

static bool is_wanted(const struct tl_window_rows *in, uint32_t row, struct tl_sv key)
{
    int64_t watermark_ms = INT64_MIN;

    return in->wanted == NULL || in->wanted(in->wanted_ctx, row, in->start_ms[row], in->end_ms[row], key, &watermark_ms);
}

static void *group_get(struct inner *own, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    tl_buf_clear(&own->key);
    tl_buf_put_u64(&own->key, (uint64_t)end_ms);
    tl_buf_put_u64(&own->key, (uint64_t)start_ms);
    tl_buf_put_sv(&own->key, key);
    if (own->key.failed)
        return NULL;
    return tl_table_put(&own->groups, tl_hash_bytes(tl_buf_sv(&own->key)), tl_buf_sv(&own->key), NULL);
}

static enum tl_code inner_push(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                               struct tl_err *err)
{
    struct inner *own = w->own;
    enum tl_code rc = TL_OK;

    (void)verdict;
    for (uint32_t i = 0; i < in->rows_count; i++) {
        uint32_t row = in->rows[i];
        void *block;

        if (w->view->inner_rows) {
            if (is_wanted(in, row, in->row_key[row]))
                TL_TRY(push_row(w, in, row, err));
            continue;
        }
        if (!tl_window_encode_key(w, in->keys, row))
            TL_TRY(tl_fail_memory(err, w->key.size));
        if (!is_wanted(in, row, tl_buf_sv(&w->key)))
            continue;
        block = group_get(own, in->start_ms[row], in->end_ms[row], tl_buf_sv(&w->key));
        if (block == NULL)
            TL_TRY(tl_fail_memory(err, w->layout.state_bytes));
        tl_window_take(w, row, block, tl_table_arena(&own->groups));
    }
    TL_TRY(tl_window_step(w, in, err));
out:
    return rc;
}

static enum tl_code inner_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err)
{
    struct inner *whole = into->own, *part = from->own;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < part->groups.count; i++) {
        struct tl_sv key;
        uint64_t hash;
        const void *given = tl_table_at(&part->groups, i, &key, &hash);
        void *block = tl_table_put(&whole->groups, hash, key, NULL);

        if (block == NULL || !tl_agg_merge(&into->layout, block, given, tl_table_arena(&whole->groups)))
            TL_TRY(tl_fail_memory(err, into->layout.state_bytes));
    }
    for (size_t i = 0; i < part->count; i++)
        TL_TRY(keep_row(into, part->rows[i].start_ms, part->rows[i].end_ms, part->rows[i].key, part->rows[i].values, err));
out:
    return rc;
}

/* ---- rows out ---- */

static enum tl_code emit_all(struct tl_window *w, struct tl_err *err)
{
    const struct inner *own = w->own;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < own->groups.count; i++) {
        struct tl_window_ref ref = {0};
        struct tl_reader head;

        ref.block = tl_table_at(&own->groups, i, &ref.key, NULL);
        head = tl_reader_of(ref.key);
        ref.end_ms = (int64_t)tl_reader_u64(&head);
        ref.start_ms = (int64_t)tl_reader_u64(&head);
        ref.key = ref.row_key = (struct tl_sv){ref.key.data + HEAD_BYTES, ref.key.size - HEAD_BYTES};
        TL_TRY(tl_window_emit(w, &ref, err));
    }
    for (size_t i = 0; i < own->count; i++) {
        struct tl_window_ref ref = {.start_ms = own->rows[i].start_ms,
                                    .end_ms = own->rows[i].end_ms,
                                    .key = own->rows[i].key,
                                    .row_key = own->rows[i].key,
                                    .values = own->rows[i].values};

        TL_TRY(tl_window_emit(w, &ref, err));
    }
out:
    return rc;
}

static enum tl_code inner_settle(struct tl_window *w, struct tl_err *err)
{
    (void)err;
    inner_reset(w);
    return TL_OK;
}

/* Its rows are final when they are first stored, and never asked for again. */
static enum tl_code inner_load(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                               struct tl_err *err)
{
    (void)w;
    (void)start_ms;
    (void)end_ms;
    (void)key;
    (void)bytes;
    (void)err;
    return TL_OK;
}

static enum tl_code inner_retire(struct tl_window *w, int64_t upto_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    (void)upto_ms;
    TL_TRY(emit_all(w, err));
    TL_TRY(tl_window_flush(w, err));
    inner_reset(w);
out:
    return rc;
}

const struct tl_window_ops tl_window_inner = {
    .open = inner_open,
    .close = inner_close,
    .reset = inner_reset,
    .push = inner_push,
    .merge = inner_merge,
    .finals = emit_all,
    .changed = emit_all,
    .settle = inner_settle,
    .load = inner_load,
    .retire = inner_retire,
    .open_rows = emit_all,
    .groups = inner_groups,
    .bytes = inner_bytes,
};
