/* window.c: puts rows into event-time windows: what all kinds share: keys, accumulators, rows on their way out. See window.h. */
#include "core/window_kind.h"

#include <stdlib.h>
#include <string.h>

#include "core/expr.h"

/* A chunk of rows, of gone rows or of states on its way out. */
struct tl_window_out {
    tl_rows_sink rows, gone;
    enum tl_code (*states)(void *ctx, const struct tl_states *states, struct tl_err *err);
    void *ctx;
    bool of_open; /* rows of windows that are open: HAVING, which asks for the whole window, hides none */
    bool ordered; /* each chunk by identity: it goes into an index */
    struct tl_window_ref refs[TL_WINDOW_CHUNK_ROWS];
    uint32_t count;
    /* As columns: */
    int64_t start_ms[TL_WINDOW_CHUNK_ROWS], end_ms[TL_WINDOW_CHUNK_ROWS];
    struct tl_sv key[TL_WINDOW_CHUNK_ROWS], bytes[TL_WINDOW_CHUNK_ROWS];
    size_t bytes_at[TL_WINDOW_CHUNK_ROWS + 1];
    const void *blocks[TL_WINDOW_CHUNK_ROWS];
    uint32_t all[TL_WINDOW_CHUNK_ROWS], kept[TL_WINDOW_CHUNK_ROWS];
    const char *failed[TL_WINDOW_CHUNK_ROWS];
    struct tl_memories memories;
    struct tl_vec *slots, *outputs;
    struct tl_buf text;
};

/* ---- opening ---- */

static enum tl_kind slot_kind(const struct tl_view *view, uint32_t slot)
{
    if (slot == TL_SLOT_CLOSED_BY)
        return TL_STRING;
    if (slot < TL_SLOT_KEYS)
        return TL_TIMESTAMP;
    return slot < TL_SLOT_KEYS + view->keys_count ? view->keys[slot - TL_SLOT_KEYS]->kind
                                                  : view->aggs[slot - TL_SLOT_KEYS - view->keys_count].kind;
}

static uint32_t slots_count(const struct tl_view *view)
{
    return TL_SLOT_KEYS + view->keys_count + view->aggs_count;
}

static enum tl_code open_out(struct tl_window *w, struct tl_err *err)
{
    const struct tl_view *view = w->view;
    struct tl_window_out *out = tl_arena_zalloc(&w->arena, sizeof *out);
    uint32_t slots = slots_count(view);

    if (out == NULL)
        return tl_fail_memory(err, sizeof *out);
    w->out = out;
    tl_buf_init(&out->text, 0);
    out->slots = tl_arena_zalloc(&w->arena, slots * sizeof *out->slots);
    out->outputs = tl_arena_zalloc(&w->arena, (view->outputs_count + 1) * sizeof *out->outputs);
    if (out->slots == NULL || out->outputs == NULL)
        return tl_fail_memory(err, slots * sizeof *out->slots);
    for (uint32_t i = 0; i < TL_WINDOW_CHUNK_ROWS; i++)
        out->all[i] = i;
    for (uint32_t i = 0; i < slots; i++) {
        if (!tl_vec_alloc(&w->arena, slot_kind(view, i), TL_WINDOW_CHUNK_ROWS, &out->slots[i]))
            return tl_fail_memory(err, TL_WINDOW_CHUNK_ROWS * sizeof(struct tl_sv));
        memset(out->slots[i].null, 0, TL_WINDOW_CHUNK_ROWS);
    }
    for (uint32_t o = 0; view->inner_rows && o < view->outputs_count; o++)
        if (!tl_vec_alloc(&w->arena, view->outputs[o].kind, TL_WINDOW_CHUNK_ROWS, &out->outputs[o]))
            return tl_fail_memory(err, TL_WINDOW_CHUNK_ROWS * sizeof(struct tl_sv));
    return TL_OK;
}

static const struct tl_window_ops *kind_of(const struct tl_view *view, bool whole)
{
    switch (view->window.window) {
    case TL_WINDOW_HOP:
    case TL_WINDOW_CUMULATE: return whole ? &tl_window_pane : &tl_window_slice;
    case TL_WINDOW_SESSION: return &tl_window_session;
    case TL_WINDOW_COUNT: return &tl_window_count;
    case TL_WINDOW_INNER: return &tl_window_inner;
    case TL_WINDOW_NONE:
    case TL_WINDOW_TUMBLE: break;
    }
    return &tl_window_pane;
}

enum tl_code tl_window_open(const struct tl_view *view, const struct tl_window_options *options, struct tl_window **out,
                            struct tl_err *err)
{
    struct tl_window *w = calloc(1, sizeof *w);
    enum tl_code rc = TL_OK;

    if (w == NULL)
        return tl_fail_memory(err, sizeof *w);
    w->view = view;
    if (options != NULL)
        w->options = *options;
    w->kind = kind_of(view, w->options.whole);
    w->span = (struct tl_zone_span){INT64_MAX, INT64_MIN, 0};
    w->passed_ms = w->settled_ms = INT64_MIN;
    tl_arena_init(&w->arena, 1u << 14, 0);
    tl_arena_init(&w->scratch, 1u << 14, 0);
    tl_buf_init(&w->key, 0);
    tl_assign_init(&w->assign, &view->window);
    TL_TRY(tl_agg_layout_init(&w->layout, view->aggs, view->aggs_count, &w->arena, err));
    TL_TRY(open_out(w, err));
    TL_TRY(w->kind->open(w, err));
    *out = w;
    w = NULL;
out:
    tl_window_close(w);
    return rc;
}

void tl_window_close(struct tl_window *w)
{
    if (w == NULL)
        return;
    if (w->own != NULL)
        w->kind->close(w);
    free(w->states);
    free(w->arenas);
    free(w->taken);
    free(w->lines);
    tl_assign_done(&w->assign);
    tl_buf_done(&w->key);
    if (w->out != NULL) {
        tl_buf_done(&w->out->text);
        tl_memories_done(&w->out->memories);
    }
    tl_arena_done(&w->scratch);
    tl_arena_done(&w->arena);
    free(w);
}

void tl_window_reset(struct tl_window *w)
{
    assert(w->passed_ms == INT64_MIN && w->joined == 0);
    w->kind->reset(w);
}

uint64_t tl_window_groups(const struct tl_window *w)
{
    return w->kind->groups(w);
}

size_t tl_window_bytes(const struct tl_window *w)
{
    return sizeof *w + w->arena.held_bytes + w->scratch.held_bytes + w->key.capacity + w->out->text.capacity +
           w->rows_capacity * (sizeof *w->states + sizeof *w->arenas + sizeof *w->taken) + w->lines_capacity * sizeof *w->lines +
           w->assign.capacity * sizeof *w->assign.runs + w->kind->bytes(w);
}

/* ---- geometry ---- */

uint32_t tl_range_of(const int64_t *bounds, uint32_t count, int64_t time_ms, uint32_t near)
{
    uint32_t low = 0, high = count;

    if (time_ms >= bounds[near] && time_ms < bounds[near + 1])
        return near;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (bounds[middle] <= time_ms)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int64_t tl_window_start_instant(const struct tl_window *w, int64_t local_start_ms)
{
    return w->view->window.zone == NULL ? local_start_ms : tl_zone_first_ms(w->view->window.zone, local_start_ms);
}

int64_t tl_window_end_instant(const struct tl_window *w, int64_t local_end_ms)
{
    return tl_add_sat_i64(tl_window_fire_ms(w, local_end_ms), 1);
}

bool tl_window_is_repeated(const struct tl_window *w, int64_t local_start_ms, int64_t local_end_ms)
{
    const struct tl_window_spec *spec = &w->view->window;
    int64_t slice_ms = local_end_ms - spec->slide_ms;

    return spec->window == TL_WINDOW_CUMULATE && spec->zone != NULL && slice_ms > local_start_ms &&
           tl_zone_local_ms(spec->zone, tl_window_start_instant(w, slice_ms)) >= local_end_ms;
}

int64_t tl_window_states_upto_ms(const struct tl_window *w)
{
    return w->kind->states_upto_ms != NULL ? w->kind->states_upto_ms(w) : INT64_MIN;
}

int64_t tl_window_next_bound_ms(const struct tl_window *w)
{
    return w->options.bounds == NULL ? INT64_MAX : w->options.bounds[w->joined + 1];
}

int64_t tl_window_final_ms(const struct tl_view *view, int64_t watermark_ms)
{
    if (watermark_ms == INT64_MIN)
        return INT64_MIN;
    return tl_add_sat_i64(tl_add_sat_i64(watermark_ms, -view->lateness_ms), 1);
}

/* ---- rows in ---- */

bool tl_window_room(struct tl_window *w, uint32_t rows)
{
    w->taken_count = 0;
    if (rows <= w->rows_capacity)
        return true;
    if (!TL_RESIZE(w->states, rows) || !TL_RESIZE(w->arenas, rows) || !TL_RESIZE(w->taken, rows))
        return false;
    w->rows_capacity = rows;
    return true;
}

/* One text column, the most common key, is written by hand: the same form as tl_value_put_key. */
bool tl_window_encode_key(struct tl_window *w, const struct tl_vec *keys, uint32_t row)
{
    struct tl_buf *key = &w->key;

    tl_buf_clear(key);
    for (uint32_t i = 0; i < w->view->keys_count; i++) {
        const struct tl_vec *column = &keys[i];

        if (column->kind == TL_STRING && !column->null[row]) {
            struct tl_sv text = column->sv[row];
            char *at = tl_buf_reserve(key, text.size + 2);

            if (at == NULL)
                return false;
            at[0] = 1;
            if (text.size > 0)
                memcpy(at + 1, text.data, text.size);
            at[text.size + 1] = 0;
            key->size += text.size + 2;
        } else {
            struct tl_value value = tl_vec_get(column, row);

            tl_value_put_key(key, &value);
        }
    }
    return !key->failed;
}

enum tl_code tl_window_step(struct tl_window *w, const struct tl_window_rows *in, struct tl_err *err)
{
    if (!tl_agg_step(&w->layout, &in->agg, w->taken, w->taken_count, w->states, w->arenas))
        return tl_fail_memory(err, w->layout.state_bytes);
    w->taken_count = 0;
    return TL_OK;
}

enum tl_code tl_window_push(struct tl_window *w, const struct tl_window_rows *in, struct tl_window_verdict *verdict,
                            struct tl_err *err)
{
    struct tl_window_rows rows = *in;

    verdict->late_count = verdict->held_count = 0;
    if (!tl_window_room(w, in->rows_count))
        return tl_fail_memory(err, in->rows_count * sizeof *w->states);
    if (rows.runs == NULL && tl_assign_knows(&w->view->window)) {
        if (!tl_assign_rows(&w->assign, in->rows, in->rows_count, in->time_ms))
            return tl_fail_memory(err, in->rows_count * sizeof *w->assign.runs);
        rows.runs = w->assign.runs;
    }
    return w->kind->push(w, &rows, verdict, err);
}

enum tl_code tl_window_merge(struct tl_window *into, struct tl_window *from, struct tl_err *err)
{
    enum tl_code rc = into->kind->merge(into, from, err);

    tl_window_reset(from);
    return rc;
}

/* ---- rows out ---- */

/* The way back from tl_window_encode_key, texts by hand again. */
static bool decode_key(struct tl_window *w, struct tl_sv key, uint32_t row)
{
    struct tl_reader reader = tl_reader_of(key);

    for (uint32_t k = 0; k < w->view->keys_count; k++) {
        struct tl_vec *column = &w->out->slots[TL_SLOT_KEYS + k];

        if (column->kind == TL_STRING && reader.at < reader.end && *reader.at == 1) {
            const char *text = reader.at + 1, *zero = memchr(text, 0, (size_t)(reader.end - text));

            if (zero == NULL)
                return false;
            column->null[row] = 0;
            column->sv[row] = (struct tl_sv){text, (size_t)(zero - text)};
            reader.at = zero + 1;
        } else {
            struct tl_value value;

            if (!tl_value_get_key(&reader, column->kind, &value))
                return false;
            tl_vec_set(column, row, &value);
        }
    }
    return w->view->inner_rows || tl_reader_at_end(&reader); /* a bare row has the key of the row that it is made of */
}

static enum tl_code fill_slots(struct tl_window *w, struct tl_err *err)
{
    struct tl_window_out *out = w->out;
    struct tl_vec *slots = out->slots;

    for (uint32_t i = 0; i < out->count; i++) {
        const struct tl_window_ref *ref = &out->refs[i];

        out->blocks[i] = ref->block;
        slots[TL_SLOT_WINDOW_START].i64[i] = tl_window_local_ms(w, ref->start_ms);
        slots[TL_SLOT_WINDOW_END].i64[i] = tl_add_sat_i64(tl_window_local_ms(w, tl_add_sat_i64(ref->end_ms, -1)), 1);
        slots[TL_SLOT_WINDOW_TIME].i64[i] = ref->end_ms - 1;
        slots[TL_SLOT_CLOSED_BY].sv[i] = ref->by_count ? TL_SV("count") : TL_SV("timeout");
        if (!decode_key(w, ref->key, i))
            return tl_fail(err, TL_ERR_CORRUPT, "view %.*s: a stored group key cannot be read", TL_SV_ARG(w->view->name));
    }
    for (uint32_t a = 0; a < w->view->aggs_count; a++)
        if (!tl_agg_finish(&w->layout, a, out->blocks, out->count, &w->scratch, &slots[TL_SLOT_KEYS + w->view->keys_count + a]))
            return tl_fail_memory(err, w->layout.state_bytes);
    return TL_OK;
}

/* Takes out the groups that HAVING hides; they go to `gone`, where anybody wants to know. */
static enum tl_code apply_having(struct tl_window *w, struct tl_eval *eval, struct tl_err *err)
{
    struct tl_window_out *out = w->out;
    uint32_t kept, next = 0, hidden = 0;
    enum tl_code rc = TL_OK;

    memcpy(out->kept, out->all, out->count * sizeof *out->kept);
    kept = tl_expr_filter(eval, w->view->having, out->kept, out->count);
    if (kept == UINT32_MAX)
        return tl_fail_memory(err, 0);
    if (kept == out->count)
        return TL_OK;
    for (uint32_t i = 0; i < out->count; i++) {
        if (next < kept && out->kept[next] == i) {
            out->refs[next++] = out->refs[i];
            continue;
        }
        out->start_ms[hidden] = out->refs[i].start_ms;
        out->end_ms[hidden] = out->refs[i].end_ms;
        out->key[hidden++] = out->refs[i].row_key;
    }
    out->count = kept;
    if (out->gone != NULL) {
        struct tl_rows rows = {.count = hidden, .start_ms = out->start_ms, .end_ms = out->end_ms, .key = out->key};

        TL_TRY(out->gone(out->ctx, &rows, err));
    }
    TL_TRY(fill_slots(w, err));
out:
    return rc;
}

/* HOP's and CUMULATE's windows share their slices: what rolls up over time is the slices' business. */
static bool rows_have_accumulators(const struct tl_window *w)
{
    return w->kind != &tl_window_slice && w->kind != &tl_window_inner;
}

/* What was put into `text` for row i; no row may have put anything, and then there is no text. */
static struct tl_sv text_of(const struct tl_window_out *out, uint32_t i)
{
    size_t size = out->bytes_at[i + 1] - out->bytes_at[i];

    return size == 0 ? (struct tl_sv){NULL, 0} : (struct tl_sv){out->text.data + out->bytes_at[i], size};
}

static enum tl_code put_accumulators(struct tl_window *w, struct tl_err *err)
{
    struct tl_window_out *out = w->out;

    tl_buf_clear(&out->text);
    for (uint32_t i = 0; i < out->count; i++) {
        out->bytes_at[i] = out->text.size;
        if (rows_have_accumulators(w))
            tl_agg_save(&w->layout, out->refs[i].block, &out->text);
    }
    out->bytes_at[out->count] = out->text.size;
    for (uint32_t i = 0; i < out->count; i++)
        out->bytes[i] = text_of(out, i);
    return tl_buf_check(&out->text, "accumulators", err);
}

static enum tl_code fill_outputs(struct tl_window *w, struct tl_eval *eval, struct tl_err *err)
{
    const struct tl_view *view = w->view;
    struct tl_window_out *out = w->out;

    for (uint32_t o = 0; o < view->outputs_count; o++) {
        if (view->inner_rows) {
            for (uint32_t i = 0; i < out->count; i++)
                tl_vec_set(&out->outputs[o], i, &out->refs[i].values[o]);
        } else if (!tl_expr_eval(eval, view->outputs[o].expr, out->all, out->count, &out->outputs[o])) {
            /* A column that cannot be computed from its aggregates (say, a division by a count of 0) is NULL. */
            return tl_fail_memory(err, 0);
        }
        if (tl_kind_form(out->outputs[o].kind) ==
            TL_FORM_F64) /* -0 becomes 0: SQLite has none, and a view on this one must see what is stored */
            for (uint32_t i = 0; i < out->count; i++)
                out->outputs[o].f64[i] += 0.0;
    }
    return TL_OK;
}

/* The bytes of a group that is large are not kept once its row is out. */
static void let_text_go(struct tl_window_out *out)
{
    enum { KEPT_BYTES = 1 << 20 };

    if (out->text.capacity > KEPT_BYTES) {
        tl_buf_done(&out->text);
        tl_buf_init(&out->text, 0);
    }
}

static int by_identity(const void *a, const void *b)
{
    const struct tl_window_ref *x = a, *y = b;

    if (x->end_ms != y->end_ms)
        return x->end_ms < y->end_ms ? -1 : 1;
    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    return tl_sv_cmp(x->row_key, y->row_key);
}

enum tl_code tl_window_flush(struct tl_window *w, struct tl_err *err)
{
    const struct tl_view *view = w->view;
    struct tl_window_out *out = w->out;
    struct tl_eval eval = {.slots = out->slots,
                           .slots_count = slots_count(view),
                           .rows_count = out->count,
                           .arena = &w->scratch,
                           .failed = out->failed,
                           .memories = &out->memories};
    struct tl_rows rows = {
        .start_ms = out->start_ms, .end_ms = out->end_ms, .key = out->key, .accumulators = out->bytes, .columns = out->outputs};
    enum tl_code rc = TL_OK;

    if (out->count == 0)
        return TL_OK;
    if (out->ordered)
        qsort(out->refs, out->count, sizeof *out->refs, by_identity);
    memset(out->failed, 0, out->count * sizeof *out->failed);
    TL_TRY(fill_slots(w, err));
    if (view->having != NULL && !out->of_open)
        TL_TRY(apply_having(w, &eval, err));
    TL_TRY(put_accumulators(w, err));
    rows.count = out->count;
    for (uint32_t i = 0; i < out->count; i++) {
        out->start_ms[i] = out->refs[i].start_ms;
        out->end_ms[i] = out->refs[i].end_ms;
        out->key[i] = out->refs[i].row_key;
    }
    TL_TRY(fill_outputs(w, &eval, err));
    if (out->count > 0)
        TL_TRY(out->rows(out->ctx, &rows, err));
out:
    out->count = 0;
    let_text_go(out);
    tl_arena_reset(&w->scratch);
    return rc;
}

static enum tl_code flush_gone(struct tl_window *w, struct tl_err *err)
{
    struct tl_window_out *out = w->out;
    struct tl_rows rows = {.count = out->count, .start_ms = out->start_ms, .end_ms = out->end_ms, .key = out->key};

    for (uint32_t i = 0; i < out->count; i++) {
        out->start_ms[i] = out->refs[i].start_ms;
        out->end_ms[i] = out->refs[i].end_ms;
        out->key[i] = out->refs[i].row_key;
    }
    out->count = 0;
    return rows.count == 0 ? TL_OK : out->gone(out->ctx, &rows, err);
}

static enum tl_code flush_states(struct tl_window *w, struct tl_err *err)
{
    struct tl_window_out *out = w->out;
    struct tl_states states = {
        .count = out->count, .start_ms = out->start_ms, .end_ms = out->end_ms, .key = out->key, .bytes = out->bytes};
    enum tl_code rc = tl_buf_check(&out->text, "state", err);

    for (uint32_t i = 0; i < out->count; i++)
        out->bytes[i] = text_of(out, i);
    out->count = 0;
    if (rc == TL_OK && states.count > 0)
        rc = out->states(out->ctx, &states, err);
    tl_buf_clear(&out->text);
    return rc;
}

enum tl_code tl_window_emit(struct tl_window *w, const struct tl_window_ref *ref, struct tl_err *err)
{
    w->out->refs[w->out->count++] = *ref;
    return w->out->count == TL_WINDOW_CHUNK_ROWS ? tl_window_flush(w, err) : TL_OK;
}

enum tl_code tl_window_emit_gone(struct tl_window *w, const struct tl_window_ref *ref, struct tl_err *err)
{
    w->out->refs[w->out->count++] = *ref;
    return w->out->count == TL_WINDOW_CHUNK_ROWS ? flush_gone(w, err) : TL_OK;
}

enum tl_code tl_window_emit_state(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                                  struct tl_err *err)
{
    struct tl_window_out *out = w->out;
    uint32_t i = out->count++;

    out->start_ms[i] = start_ms;
    out->end_ms[i] = end_ms;
    out->key[i] = key;
    out->bytes_at[i] = out->text.size;
    tl_buf_put_sv(&out->text, bytes);
    out->bytes_at[i + 1] = out->text.size;
    return out->count == TL_WINDOW_CHUNK_ROWS ? flush_states(w, err) : TL_OK;
}

/* What kinds emit goes to these sinks from now on. */
static void aim(struct tl_window *w, tl_rows_sink rows, const struct tl_window_sink *sink, void *ctx)
{
    w->out->ordered = sink != NULL;
    w->out->rows = rows;
    w->out->gone = sink != NULL ? sink->gone : NULL;
    w->out->states = sink != NULL ? sink->states : NULL;
    w->out->ctx = ctx;
    w->out->count = 0;
    tl_buf_clear(&w->out->text);
}

/* ---- a stream ---- */

enum tl_code tl_window_note_judged(struct tl_window *w, const struct tl_ledger_line *line, struct tl_err *err)
{
    if (w->lines_count == w->lines_capacity) {
        size_t capacity = w->lines_capacity * 2 + 16;

        if (!TL_RESIZE(w->lines, capacity))
            return tl_fail_memory(err, capacity * sizeof *w->lines);
        w->lines_capacity = capacity;
    }
    w->lines[w->lines_count++] = *line;
    return TL_OK;
}

enum tl_code tl_window_advance(struct tl_window *w, int64_t watermark_ms, struct tl_window_judged *judged, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    w->lines_count = 0;
    memset(w->outcomes, 0, sizeof w->outcomes);
    w->passed_ms = tl_max_i64(w->passed_ms, tl_window_passed_ms(w, watermark_ms));
    if (w->kind->advance != NULL)
        TL_TRY(w->kind->advance(w, err));
    judged->lines = w->lines;
    judged->lines_count = w->lines_count;
    for (int o = 0; o < TL_OUTCOMES; o++)
        judged->outcomes[o] += w->outcomes[o];
out:
    return rc;
}

enum tl_code tl_window_finals(struct tl_window *w, tl_rows_sink sink, void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    aim(w, sink, NULL, ctx);
    TL_TRY(w->kind->finals(w, err));
    TL_TRY(tl_window_flush(w, err));
out:
    return rc;
}

enum tl_code tl_window_changed(struct tl_window *w, const struct tl_window_sink *sink, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    aim(w, sink->rows, sink, sink->ctx);
    if (w->kind->states != NULL && sink->states != NULL) {
        TL_TRY(w->kind->states(w, err));
        TL_TRY(flush_states(w, err));
    }
    if (w->kind->gone != NULL) {
        TL_TRY(w->kind->gone(w, err));
        TL_TRY(flush_gone(w, err));
    }
    TL_TRY(w->kind->changed(w, err));
    TL_TRY(tl_window_flush(w, err));
out:
    return rc;
}

enum tl_code tl_window_settle(struct tl_window *w, struct tl_err *err)
{
    enum tl_code rc = w->kind->settle(w, err);

    w->settled_ms = w->passed_ms;
    return rc;
}

void tl_window_resume(struct tl_window *w, int64_t final_ms)
{
    w->passed_ms = w->settled_ms = final_ms == INT64_MIN ? INT64_MIN : tl_add_sat_i64(final_ms, -1);
}

/* A damaged store, or a library that has changed. */
static enum tl_code fail_unreadable(const struct tl_window *w, const char *what, struct tl_err *err)
{
    for (uint32_t i = 0; i < w->layout.calls_count; i++)
        if (w->layout.calls[i].agg == TL_AGG_USER)
            return tl_fail(err, TL_ERR_CORRUPT,
                           "view %.*s: %s cannot be read; %s is of a library: it has to read what it wrote before",
                           TL_SV_ARG(w->view->name), what, w->layout.calls[i].user->name);
    return tl_fail(err, TL_ERR_CORRUPT, "view %.*s: %s cannot be read", TL_SV_ARG(w->view->name), what);
}

static enum tl_code check_load(const struct tl_window *w, enum tl_code rc, struct tl_err *err)
{
    return rc != TL_ERR_CORRUPT ? rc : fail_unreadable(w, "stored accumulators", err);
}

enum tl_code tl_window_load_row(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                                struct tl_sv accumulators, struct tl_err *err)
{
    return check_load(w, w->kind->load(w, start_ms, end_ms, key, accumulators, err), err);
}

enum tl_code tl_window_load_state(struct tl_window *w, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                                  struct tl_err *err)
{
    return check_load(w, w->kind->load(w, start_ms, end_ms, key, bytes, err), err);
}

/* ---- batch ---- */

enum tl_code tl_window_retire(struct tl_window *w, int64_t upto_ms, tl_rows_sink sink, void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    assert(upto_ms <= tl_window_next_bound_ms(w));
    aim(w, sink, NULL, ctx);
    TL_TRY(w->kind->retire(w, upto_ms, err));
    TL_TRY(tl_window_flush(w, err));
out:
    return rc;
}

enum tl_code tl_window_cut(struct tl_window *w, struct tl_buf *carry, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    assert(w->joined < w->options.ranges_count);
    if (w->kind->cut != NULL)
        TL_TRY(w->kind->cut(w, carry, err));
    TL_TRY(tl_buf_check(carry, "carry", err));
    if (w->joined + 1 < w->options.ranges_count)
        w->joined++;
out:
    return rc;
}

enum tl_code tl_window_open_rows(struct tl_window *w, tl_rows_sink sink, void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (w->kind->open_rows == NULL)
        return TL_OK;
    aim(w, sink, NULL, ctx);
    w->out->of_open = true;
    TL_TRY(w->kind->open_rows(w, err));
    TL_TRY(tl_window_flush(w, err));
out:
    w->out->of_open = false;
    return rc;
}

enum tl_code tl_window_restore(struct tl_window *w, struct tl_sv carry, struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(carry);
    enum tl_code rc = TL_OK;

    if (carry.size == 0)
        return TL_OK;
    if (w->kind->restore != NULL)
        rc = w->kind->restore(w, &reader, err);
    if (rc == TL_ERR_CORRUPT || (rc == TL_OK && !tl_reader_at_end(&reader)))
        rc = fail_unreadable(w, "the carry of open windows", err);
    return rc;
}

/* ---- bytes ---- */

enum tl_code tl_window_save_block(struct tl_window *w, const void *block, struct tl_buf *out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    tl_buf_clear(&w->key); /* free between rows */
    tl_agg_save(&w->layout, block, &w->key);
    TL_TRY(tl_buf_check(&w->key, "accumulators", err));
    tl_buf_put_block(out, tl_buf_sv(&w->key));
out:
    return rc;
}

/* What is loaded is a copy that only the merge needs: of the many rows that a roll-up adds to one group, one at a time. */
enum tl_code tl_window_load_block(struct tl_window *w, struct tl_sv bytes, void *block, struct tl_arena *arena,
                                  struct tl_err *err)
{
    struct tl_arena_place place = tl_arena_mark(&w->scratch);
    struct tl_reader reader = tl_reader_of(bytes);
    void *loaded = tl_arena_zalloc(&w->scratch, w->layout.state_bytes + 1u);
    enum tl_code rc = TL_OK;

    if (loaded == NULL)
        TL_TRY(tl_fail_memory(err, w->layout.state_bytes));
    TL_TRY(tl_agg_load(&w->layout, &reader, loaded, &w->scratch, err));
    if (!tl_reader_at_end(&reader))
        TL_TRY(TL_ERR_CORRUPT);
    if (!tl_agg_merge(&w->layout, block, loaded, arena))
        TL_TRY(tl_fail_memory(err, w->layout.state_bytes));
out:
    tl_arena_rewind(&w->scratch, place);
    return rc;
}
