/* preview.c: what a changed view's rows were and will be, group by group. See preview.h. */
#include "preview.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "event/partition.h"

/* IDENTITY_HEAD: before the key: end, start. */
enum { IDENTITY_HEAD = 16, KEYS_MAX = 64 };

/* A row that was added: looked up a few rows later, when the lines of memory that this takes have come. */
struct tl_preview_waiting {
    uint64_t hash;
    size_t identity_at, row_at, end; /* in waiting_bytes */
    enum tl_before_after side;
};
enum { WAITING_MAX = 64, SOON = 8, SOONER = 4 /* rows ahead: its slot, its entry */ };

/* State of preview->rows. */
struct both {
    struct tl_sv row[TL_BOTH];
    struct tl_preview_unit *unit; /* not of spans */
    bool differs;                 /* of spans, where both sides have it */
    bool hidden;                  /* of spans: nothing can be said of it, nor of what overlaps it */
};

/* A row of a unit. */
struct tl_preview_span {
    struct tl_sv key;
    int64_t start_ms, end_ms;
    struct both *both;
    struct tl_preview_unit *unit;
};

static bool layouts_same(const struct tl_preview *preview)
{
    const struct tl_change *change = preview->change;

    if (change->side_columns_count[TL_OLD] != change->side_columns_count[TL_NEW])
        return false;
    for (uint32_t c = 0; c < change->columns_count; c++)
        if (change->columns[c].at[TL_OLD] != change->columns[c].at[TL_NEW] ||
            change->columns[c].kind[TL_OLD] != change->columns[c].kind[TL_NEW])
            return false;
    return true;
}

enum tl_code tl_preview_open(struct tl_preview *preview, struct tl_err *err)
{
    const struct tl_change *change = preview->change;

    tl_arena_init(&preview->step, 1u << 16, 0);
    tl_arena_init(&preview->memory, 1u << 12, 0);
    tl_table_init(&preview->rows, sizeof(struct both), 0);
    tl_table_init(&preview->counted[0], sizeof(int64_t), 0);
    tl_table_init(&preview->counted[1], sizeof(int64_t), 0);
    tl_buf_init(&preview->buf, 0);
    tl_buf_init(&preview->waiting_bytes, 0);
    preview->layouts_same = layouts_same(preview);
    preview->waiting = tl_arena_alloc(&preview->memory, WAITING_MAX * sizeof *preview->waiting);
    preview->totals = tl_arena_zalloc(&preview->memory, (change->columns_count + 1u) * sizeof *preview->totals);
    for (int side = 0; side < TL_BOTH; side++) {
        preview->values[side] =
            tl_arena_zalloc(&preview->memory, (change->side_columns_count[side] + 1u) * sizeof(struct tl_value));
        preview->columns[side] =
            tl_arena_zalloc(&preview->memory, (change->side_columns_count[side] + 1u) * sizeof(struct tl_value));
        if (preview->values[side] == NULL || preview->columns[side] == NULL)
            return tl_fail_memory(err, change->side_columns_count[side] * sizeof(struct tl_value));
    }
    return preview->totals == NULL || preview->waiting == NULL
               ? tl_fail_memory(err, change->columns_count * sizeof *preview->totals)
               : TL_OK;
}

static void kept_done(struct tl_preview_unit *unit)
{
    for (struct tl_moved *moved = unit->moved, *next; moved != NULL; moved = next) {
        next = moved->next;
        free(moved);
    }
    free((char *)(uintptr_t)unit->key.data);
    for (int side = 0; side < TL_BOTH; side++)
        free((char *)(uintptr_t)unit->row[side].data);
}

void tl_preview_done(struct tl_preview *preview)
{
    for (size_t k = 0; k < preview->kept_count; k++)
        kept_done(&preview->kept[k]);
    free(preview->kept);
    free(preview->units);
    free(preview->chosen);
    for (int side = 0; side < TL_BOTH; side++)
        free(preview->of_key[side]);
    tl_table_done(&preview->rows);
    tl_table_done(&preview->counted[0]);
    tl_table_done(&preview->counted[1]);
    tl_arena_done(&preview->step);
    tl_arena_done(&preview->memory);
    tl_buf_done(&preview->buf);
    tl_buf_done(&preview->waiting_bytes);
}

/* ---- keys ---- */

static bool keys_stand(const struct tl_preview *preview, enum tl_before_after side)
{
    const struct tl_change *change = preview->change;

    if (preview->rolled)
        return false;
    if (side == TL_NEW || !preview->groups)
        return true;
    for (uint32_t n = 0; n < change->keys_count[TL_NEW]; n++)
        if (change->key_of[n] != n)
            return false;
    return true;
}

/* Picks the keys that are compared, in NEW's order, out of a side's. False: out of memory, or it is none. */
static bool put_picked(const struct tl_preview *preview, struct tl_buf *out, enum tl_before_after side, struct tl_sv key)
{
    const struct tl_change *change = preview->change;
    const uint32_t *from = preview->rolled ? change->common[side] : change->key_of;
    uint32_t count = preview->rolled ? change->common_count : change->keys_count[TL_NEW];
    struct tl_reader reader = tl_reader_of(key);
    struct tl_sv parts[KEYS_MAX] = {
        {NULL, 0}
    };

    if (change->keys_count[side] > TL_COUNT(parts))
        return false;
    for (uint32_t k = 0; k < change->keys_count[side]; k++) {
        struct tl_value value;

        parts[k].data = reader.at;
        if (!tl_value_get_key(&reader, change->key_kinds[side][k], &value))
            return false;
        parts[k].size = (size_t)(reader.at - parts[k].data);
    }
    for (uint32_t k = 0; k < count; k++)
        tl_buf_put_sv(out, parts[from[k]]);
    return true;
}

/* Adds end, start, the group's key, and what tells rows of one window apart: the last so many bytes. The key's size without that; SIZE_MAX: as
 * tl_preview_key. */
static size_t put_identity(const struct tl_preview *preview, struct tl_buf *out, enum tl_before_after side, int64_t start_ms,
                           int64_t end_ms, struct tl_sv row_key, uint32_t tail_bytes)
{
    struct tl_sv key = row_key, tail = {NULL, 0};
    size_t before = out->size, key_bytes;

    if (key.size >= tail_bytes && tail_bytes > 0) {
        key.size -= tail_bytes;
        tail = (struct tl_sv){key.data + key.size, tail_bytes};
    }
    tl_buf_put_u64(out, (uint64_t)end_ms);
    tl_buf_put_u64(out, (uint64_t)start_ms);
    if (keys_stand(preview, side))
        tl_buf_put_sv(out, key);
    else if (!put_picked(preview, out, side, key))
        return SIZE_MAX;
    key_bytes = out->size - before - IDENTITY_HEAD;
    tl_buf_put_sv(out, tail);
    return out->failed ? SIZE_MAX : key_bytes;
}

static struct tl_sv put_key(const struct tl_preview *preview, struct tl_buf *out, enum tl_before_after side, struct tl_sv row_key,
                            uint32_t tail_bytes)
{
    size_t size;

    tl_buf_clear(out);
    size = put_identity(preview, out, side, 0, 0, row_key, tail_bytes);
    return size == SIZE_MAX ? (struct tl_sv){NULL, 0} : (struct tl_sv){out->data + IDENTITY_HEAD, size};
}

struct tl_sv tl_preview_key(const struct tl_preview *preview, struct tl_buf *scratch, enum tl_before_after side,
                            struct tl_sv row_key)
{
    return put_key(preview, scratch, side, row_key, preview->tail_bytes);
}

/* ---- rows ---- */

static double number_of(const struct tl_value *value)
{
    if (value->is_null)
        return 0;
    return tl_kind_form(value->kind) == TL_FORM_F64 ? value->f64 : (double)value->i64;
}

static bool add_up(struct tl_preview *preview, enum tl_before_after side, const struct tl_value *columns)
{
    const struct tl_change *change = preview->change;

    for (uint32_t c = 0; columns != NULL && c < change->columns_count; c++) {
        const struct tl_change_column *column = &change->columns[c];
        const struct tl_value *value;

        if (!column->sums_up || !preview->used[c])
            continue;
        value = &columns[column->at[side]];
        if (value->is_null)
            continue;
        if (tl_kind_form(value->kind) != TL_FORM_F64)
            preview->totals[c].whole[side] += (long double)value->i64;
        else if (!tl_exact_sum_add(&preview->totals[c].real[side], value->f64, &preview->memory))
            return false;
    }
    preview->groups_count[side] += columns != NULL;
    return true;
}

void tl_preview_put_row(const struct tl_preview *preview, struct tl_buf *out, enum tl_before_after side,
                        const struct tl_value *columns)
{
    for (uint32_t c = 0; c < preview->change->side_columns_count[side]; c++)
        tl_value_put_key(out, &columns[c]);
    tl_buf_put_u8(out, 0); /* a row of no columns is a row */
}

static const struct tl_value *read_row(struct tl_preview *preview, enum tl_before_after side, struct tl_sv row)
{
    const struct tl_change *change = preview->change;
    struct tl_reader reader = tl_reader_of(row);

    if (row.data == NULL)
        return NULL;
    for (uint32_t c = 0; c < change->side_columns_count[side]; c++)
        if (!tl_value_get_key(&reader, change->column_kinds[side][c], &preview->values[side][c]))
            return NULL;
    return preview->values[side];
}

const struct tl_value *tl_preview_values(struct tl_preview *preview, const struct tl_preview_unit *unit,
                                         enum tl_before_after side)
{
    return read_row(preview, side, unit->row[side]);
}

/* Of a window the store keeps the instants, where the core's columns have the wall clock of the view's zone. */
const struct tl_value *tl_preview_columns(struct tl_preview *preview, enum tl_before_after side, const struct tl_rows *rows,
                                          uint32_t row)
{
    struct tl_value *columns = preview->columns[side];

    for (uint32_t c = 0; c < preview->change->side_columns_count[side]; c++) {
        enum tl_column_role role = preview->shape[side]->columns[c].role;

        columns[c] = tl_vec_get(&rows->columns[c], row);
        if (role == TL_ROLE_WINDOW_START)
            columns[c].i64 = rows->start_ms[row];
        else if (role == TL_ROLE_WINDOW_END)
            columns[c].i64 = rows->end_ms[row];
        else if (role == TL_ROLE_WINDOW_TIME)
            columns[c].i64 = rows->end_ms[row] - 1;
    }
    return columns;
}

static struct tl_sv waiting_identity(const struct tl_preview *preview, const struct tl_preview_waiting *waiting)
{
    return (struct tl_sv){preview->waiting_bytes.data + waiting->identity_at, waiting->row_at - waiting->identity_at};
}

/* Lets those in that wait. */
static enum tl_code let_in(struct tl_preview *preview, struct tl_err *err)
{
    const struct tl_preview_waiting *waiting = preview->waiting;

    for (uint32_t w = 0; w < preview->waiting_count; w++) {
        struct tl_sv row = {preview->waiting_bytes.data + waiting[w].row_at, waiting[w].end - waiting[w].row_at};
        struct both *both;

        if (w + SOON < preview->waiting_count)
            tl_table_prefetch(&preview->rows, waiting[w + SOON].hash);
        if (w + SOONER < preview->waiting_count)
            tl_table_prefetch_entry(&preview->rows, waiting[w + SOONER].hash);
        both = tl_table_put(&preview->rows, waiting[w].hash, waiting_identity(preview, &waiting[w]), NULL);
        if (both == NULL)
            return tl_fail_memory(err, row.size);
        both->hidden = both->hidden || row.size == 0;
        if (row.size > 0 && !tl_arena_copy(tl_table_arena(&preview->rows), row, &both->row[waiting[w].side]))
            return tl_fail_memory(err, row.size);
    }
    preview->waiting_count = 0;
    tl_buf_clear(&preview->waiting_bytes);
    return TL_OK;
}

enum tl_code tl_preview_add(struct tl_preview *preview, enum tl_before_after side, int64_t start_ms, int64_t end_ms,
                            struct tl_sv key, struct tl_sv row, struct tl_err *err)
{
    struct tl_preview_waiting waiting = {.identity_at = preview->waiting_bytes.size, .side = side};

    if (!preview->groups)
        return add_up(preview, side, read_row(preview, side, row)) ? TL_OK : tl_fail_memory(err, row.size);
    if (put_identity(preview, &preview->waiting_bytes, side, start_ms, end_ms, key, preview->tail_bytes) == SIZE_MAX)
        return tl_fail(err, TL_ERR_CORRUPT, "the key of a group cannot be read");
    waiting.row_at = preview->waiting_bytes.size;
    tl_buf_put_sv(&preview->waiting_bytes, row);
    if (preview->waiting_bytes.failed)
        return tl_fail_memory(err, row.size);
    waiting.end = preview->waiting_bytes.size;
    waiting.hash = tl_hash_bytes(waiting_identity(preview, &waiting));
    preview->waiting[preview->waiting_count++] = waiting;
    return preview->waiting_count == WAITING_MAX ? let_in(preview, err) : TL_OK;
}

/* ---- units ---- */

bool tl_preview_same(const struct tl_value *a, const struct tl_value *b)
{
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    if (a->kind == b->kind)
        return tl_value_eq(a, b);
    if (tl_kind_form(a->kind) == TL_FORM_I64 && tl_kind_form(b->kind) == TL_FORM_I64)
        return a->i64 == b->i64;
    return number_of(a) == number_of(b);
}

/* Of both sides, NULL where there is none. `counts`: the columns that differ are counted. */
static bool rows_differ(struct tl_preview *preview, const struct tl_value *olds, const struct tl_value *news, bool counts)
{
    const struct tl_change *change = preview->change;
    bool differ = false;

    for (uint32_t c = 0; c < change->columns_count; c++) {
        const struct tl_change_column *column = &change->columns[c];

        if (!preview->used[c] || !column->compared)
            continue;
        if (olds != NULL && news != NULL && tl_preview_same(&olds[column->at[TL_OLD]], &news[column->at[TL_NEW]]))
            continue;
        preview->totals[c].changed_count += counts;
        differ = true;
    }
    return differ || olds == NULL || news == NULL;
}

/* Of both sides' columns, NULL where there is none. */
static double change_of(const struct tl_preview *preview, const struct tl_value *const values[TL_BOTH])
{
    double number[TL_BOTH] = {0, 0}, change;

    if (preview->by < 0)
        return 0;
    for (int side = 0; side < TL_BOTH; side++)
        if (values[side] != NULL)
            number[side] = number_of(&values[side][preview->change->columns[preview->by].at[side]]);
    change = fabs(number[TL_NEW] - number[TL_OLD]);
    return isnan(change) ? INFINITY : change;
}

static enum tl_code add_unit(struct tl_preview *preview, const struct tl_preview_unit *unit,
                             const struct tl_value *const values[TL_BOTH], size_t *capacity, struct tl_err *err)
{
    if (preview->units_count == *capacity) {
        *capacity = *capacity * 2 + 64;
        if (!TL_RESIZE(preview->units, *capacity))
            return tl_fail_memory(err, *capacity * sizeof *preview->units);
    }
    preview->units[preview->units_count] = *unit;
    preview->units[preview->units_count++].change = change_of(preview, values);
    preview->changed_count += unit->row[TL_OLD].data != NULL && unit->row[TL_NEW].data != NULL;
    preview->only_count[TL_OLD] += unit->row[TL_NEW].data == NULL;
    preview->only_count[TL_NEW] += unit->row[TL_OLD].data == NULL;
    return TL_OK;
}

static struct tl_preview_span span_of(const struct tl_preview *preview, struct both *both, struct tl_sv identity)
{
    struct tl_reader reader = tl_reader_of(identity);
    struct tl_preview_span span = {.both = both};

    span.end_ms = (int64_t)tl_reader_u64(&reader);
    span.start_ms = (int64_t)tl_reader_u64(&reader);
    span.key = tl_reader_bytes(&reader, (size_t)(reader.end - reader.at) - preview->tail_bytes);
    return span;
}

static int by_key_and_start(const void *a, const void *b)
{
    const struct tl_preview_span *x = a, *y = b;
    int order = tl_sv_cmp(x->key, y->key);

    if (order == 0)
        order = (x->start_ms > y->start_ms) - (x->start_ms < y->start_ms);
    return order != 0 ? order : (x->end_ms > y->end_ms) - (x->end_ms < y->end_ms);
}

/* Rows of each side that the other does not have as they are, put in order. */
static enum tl_code collect_spans(struct tl_preview *preview, struct tl_err *err)
{
    for (int side = 0; side < TL_BOTH; side++) {
        size_t count = 0;

        if (!TL_RESIZE(preview->of_key[side], preview->rows.count + 1u))
            return tl_fail_memory(err, preview->rows.count * sizeof *preview->of_key[side]);
        for (uint32_t i = 0; i < preview->rows.count; i++) {
            struct tl_sv identity;
            struct both *both = tl_table_at(&preview->rows, i, &identity, NULL);

            if (both->row[side].data != NULL && (both->row[1 - side].data == NULL || both->differs))
                preview->of_key[side][count++] = span_of(preview, both, identity);
        }
        qsort(preview->of_key[side], count, sizeof *preview->of_key[side], by_key_and_start);
        preview->of_key_count[side] = count;
    }
    return TL_OK;
}

static struct tl_preview_unit unit_of(const struct tl_preview_span *old_span, const struct tl_preview_span *new_span)
{
    const struct tl_preview_span *spans[TL_BOTH] = {old_span, new_span};
    struct tl_preview_unit unit = {0};

    for (int side = 0; side < TL_BOTH; side++) {
        if (spans[side] == NULL)
            continue;
        unit.key = spans[side]->key;
        unit.start_ms[side] = spans[side]->start_ms;
        unit.end_ms[side] = spans[side]->end_ms;
        unit.row[side] = spans[side]->both->row[side];
    }
    return unit;
}

/* An old row and a new one of a key that overlap are one unit: whichever of the two ends first has no other partner. */
static enum tl_code pair_spans(struct tl_preview *preview, size_t *capacity, struct tl_err *err)
{
    size_t at[TL_BOTH] = {0, 0};
    enum tl_code rc = TL_OK;

    while (at[TL_OLD] < preview->of_key_count[TL_OLD] || at[TL_NEW] < preview->of_key_count[TL_NEW]) {
        struct tl_preview_span *next[TL_BOTH];
        const struct tl_value *values[TL_BOTH];
        struct tl_preview_unit unit;
        int order;

        for (int side = 0; side < TL_BOTH; side++)
            next[side] = at[side] < preview->of_key_count[side] ? &preview->of_key[side][at[side]] : NULL;
        order = next[TL_OLD] == NULL ? 1 : next[TL_NEW] == NULL ? -1 : tl_sv_cmp(next[TL_OLD]->key, next[TL_NEW]->key);
        if (order == 0 && next[TL_OLD]->end_ms <= next[TL_NEW]->start_ms)
            order = -1;
        else if (order == 0 && next[TL_NEW]->end_ms <= next[TL_OLD]->start_ms)
            order = 1;
        unit = unit_of(order <= 0 ? next[TL_OLD] : NULL, order >= 0 ? next[TL_NEW] : NULL);
        for (enum tl_before_after side = TL_OLD; side < TL_BOTH; side++)
            values[side] = read_row(preview, side, unit.row[side]);
        (void)rows_differ(preview, values[TL_OLD], values[TL_NEW], true);
        for (int side = 0; side < TL_BOTH; side++)
            if (unit.row[side].data != NULL) {
                next[side]->unit = (struct tl_preview_unit *)(uintptr_t)(preview->units_count + 1); /* its number, for now */
                at[side]++;
            }
        TL_TRY(add_unit(preview, &unit, values, capacity, err));
    }
    for (int side = 0; side < TL_BOTH; side++)
        for (size_t s = 0; s < preview->of_key_count[side]; s++)
            preview->of_key[side][s].unit = &preview->units[(uintptr_t)preview->of_key[side][s].unit - 1];
out:
    return rc;
}

/* Groups that both have, as the same windows. Where the other side has none, spans are held against each other later. */
static enum tl_code settle_groups(struct tl_preview *preview, size_t *capacity, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < preview->rows.count; i++) {
        struct tl_sv identity;
        struct both *both = tl_table_at(&preview->rows, i, &identity, NULL);
        struct tl_preview_span span;
        const struct tl_value *values[TL_BOTH];
        struct tl_preview_unit unit;
        bool equal = preview->layouts_same && tl_sv_eq(both->row[TL_OLD], both->row[TL_NEW]);

        if (both->row[TL_OLD].data == NULL && both->row[TL_NEW].data == NULL) /* left out */
            continue;
        for (enum tl_before_after side = TL_OLD; side < TL_BOTH; side++) {
            values[side] = equal && side == TL_NEW ? values[TL_OLD] : read_row(preview, side, both->row[side]);
            if (!add_up(preview, side, values[side]))
                TL_TRY(tl_fail_memory(err, sizeof *preview->totals));
        }
        if (preview->spans && (values[TL_OLD] == NULL || values[TL_NEW] == NULL))
            continue;
        if (equal || !rows_differ(preview, values[TL_OLD], values[TL_NEW], !preview->spans)) {
            preview->equal_count++;
            continue;
        }
        span = span_of(preview, both, identity);
        if (preview->spans) {
            both->differs = true;
            continue;
        }
        unit = unit_of(both->row[TL_OLD].data != NULL ? &span : NULL, both->row[TL_NEW].data != NULL ? &span : NULL);
        both->unit = (struct tl_preview_unit *)(uintptr_t)(preview->units_count + 1);
        TL_TRY(add_unit(preview, &unit, values, capacity, err));
    }
out:
    return rc;
}

static int64_t start_of(const struct tl_preview_unit *unit)
{
    return unit->row[TL_OLD].data != NULL ? unit->start_ms[TL_OLD] : unit->start_ms[TL_NEW];
}

static int largest_first(const void *a, const void *b)
{
    const struct tl_preview_unit *x = a, *y = b;
    int order;

    if (x->change != y->change)
        return x->change > y->change ? -1 : 1;
    if (start_of(x) != start_of(y))
        return start_of(x) < start_of(y) ? -1 : 1;
    order = tl_sv_cmp(x->key, y->key);
    for (int side = 0; side < TL_BOTH && order == 0; side++) /* of COUNT_WINDOW, whose windows may begin together */
        order = tl_sv_cmp(x->row[side], y->row[side]);
    return order;
}

static int chosen_first(const void *a, const void *b)
{
    return largest_first(*(struct tl_preview_unit *const *)a, *(struct tl_preview_unit *const *)b);
}

/* Those that stand before what is kept already, as far as there is room. */
static enum tl_code choose_units(struct tl_preview *preview, struct tl_err *err)
{
    const struct tl_preview_unit *last =
        preview->keep_max > 0 && preview->kept_count == preview->keep_max ? &preview->kept[preview->keep_max - 1] : NULL;

    if (preview->keep_max == 0)
        return TL_OK;
    if (!TL_RESIZE(preview->chosen, preview->units_count + 1))
        return tl_fail_memory(err, preview->units_count * sizeof *preview->chosen);
    for (size_t u = 0; u < preview->units_count; u++)
        if (last == NULL || largest_first(&preview->units[u], last) < 0)
            preview->chosen[preview->chosen_count++] = &preview->units[u];
    if (preview->chosen_count > 1)
        qsort(preview->chosen, preview->chosen_count, sizeof *preview->chosen, chosen_first);
    if (preview->chosen_count > preview->keep_max)
        preview->chosen_count = preview->keep_max;
    for (size_t u = 0; u < preview->chosen_count; u++)
        preview->chosen[u]->chosen = true;
    return TL_OK;
}

/* Of unit_bits. The table has its slots by the hash's lower half. */
static uint64_t bit_of(const struct tl_preview *preview, uint64_t hash)
{
    return hash >> 32 & preview->unit_bits_mask;
}

/* The units stand where they stay: their rows know them from now on. Most events belong to none, which the bits tell without a look into the large
 * table. */
static enum tl_code mark_units(struct tl_preview *preview, struct tl_err *err)
{
    size_t bits = 1024;

    while (bits < 16 * preview->units_count && bits < UINT32_MAX / 2)
        bits *= 2;
    preview->unit_bits = tl_arena_zalloc(&preview->step, bits / 8);
    preview->unit_bits_mask = bits - 1;
    if (preview->unit_bits == NULL)
        return tl_fail_memory(err, bits / 8);
    for (uint32_t i = 0; i < preview->rows.count; i++) {
        uint64_t hash, bit;
        struct both *both = tl_table_at(&preview->rows, i, NULL, &hash);

        if (both->unit == NULL)
            continue;
        both->unit = &preview->units[(uintptr_t)both->unit - 1];
        bit = bit_of(preview, hash);
        preview->unit_bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return TL_OK;
}

static void hide(struct both *both, uint64_t *count)
{
    for (int side = 0; side < TL_BOTH; side++)
        *count += both->row[side].data != NULL;
    both->row[TL_OLD] = both->row[TL_NEW] = (struct tl_sv){NULL, 0};
    both->hidden = true;
}

/* Which row stands against which goes on from overlap to overlap, so a chain of them goes with any that is hidden. */
static enum tl_code hide_chains(struct tl_preview *preview, uint64_t *count, struct tl_err *err)
{
    struct tl_preview_span *spans = malloc((preview->rows.count + 1u) * sizeof *spans);
    size_t spans_count = 0;

    if (spans == NULL)
        return tl_fail_memory(err, preview->rows.count * sizeof *spans);
    for (uint32_t i = 0; i < preview->rows.count; i++) {
        struct tl_sv identity;
        struct both *both = tl_table_at(&preview->rows, i, &identity, NULL);

        spans[spans_count++] = span_of(preview, both, identity);
    }
    qsort(spans, spans_count, sizeof *spans, by_key_and_start);
    for (size_t first = 0, next; first < spans_count; first = next) {
        int64_t end_ms = spans[first].end_ms;
        bool hidden = spans[first].both->hidden;

        for (next = first + 1; next < spans_count && spans[next].start_ms < end_ms && tl_sv_eq(spans[next].key, spans[first].key);
             next++) {
            end_ms = tl_max_i64(end_ms, spans[next].end_ms);
            hidden = hidden || spans[next].both->hidden;
        }
        for (size_t s = first; hidden && s < next; s++)
            hide(spans[s].both, count);
    }
    free(spans);
    return TL_OK;
}

enum tl_code tl_preview_leave_out(struct tl_preview *preview, bool (*is_out)(const void *ctx, int64_t start_ms, int64_t end_ms),
                                  const void *ctx, uint64_t *count, struct tl_err *err)
{
    bool any = false;
    enum tl_code rc;

    TL_TRY(let_in(preview, err));
    for (uint32_t i = 0; i < preview->rows.count; i++) {
        struct tl_sv identity;
        struct both *both = tl_table_at(&preview->rows, i, &identity, NULL);
        struct tl_preview_span span = span_of(preview, both, identity);

        if (is_out(ctx, span.start_ms, span.end_ms))
            hide(both, count);
        any = any || both->hidden;
    }
    if (preview->spans && any)
        TL_TRY(hide_chains(preview, count, err));
out:
    return rc;
}

enum tl_code tl_preview_settle(struct tl_preview *preview, struct tl_err *err)
{
    size_t capacity = 0;
    enum tl_code rc = TL_OK;

    free(preview->units);
    preview->units = NULL;
    preview->units_count = preview->chosen_count = 0;
    TL_TRY(let_in(preview, err));
    TL_TRY(settle_groups(preview, &capacity, err));
    if (preview->spans) {
        TL_TRY(collect_spans(preview, err));
        TL_TRY(pair_spans(preview, &capacity, err));
    } else {
        TL_TRY(mark_units(preview, err));
    }
    TL_TRY(choose_units(preview, err));
out:
    return rc;
}

/* ---- the events of units ---- */

/* A row that may be a unit's. */
static struct both *find_both(const struct tl_preview *preview, struct tl_buf *scratch, enum tl_before_after side,
                              int64_t start_ms, int64_t end_ms, struct tl_sv row_key)
{
    struct tl_sv identity;
    uint64_t hash;

    tl_buf_clear(scratch);
    if (put_identity(preview, scratch, side, start_ms, end_ms, row_key, preview->tail_bytes) == SIZE_MAX)
        return NULL;
    identity = tl_buf_sv(scratch);
    hash = tl_hash_bytes(identity);
    if (preview->unit_bits != NULL && (preview->unit_bits[bit_of(preview, hash) / 64] >> bit_of(preview, hash) % 64 & 1) == 0)
        return NULL;
    return tl_table_find(&preview->rows, hash, identity);
}

/* The row of a side that the time lies in. */
static struct tl_preview_unit *find_span(const struct tl_preview *preview, enum tl_before_after side, struct tl_sv key,
                                         int64_t time_ms)
{
    struct tl_preview_span wanted = {.key = key, .start_ms = time_ms, .end_ms = INT64_MAX};
    const struct tl_preview_span *spans = preview->of_key[side];
    size_t low = 0, high = preview->of_key_count[side];

    while (low < high) { /* the first behind it */
        size_t middle = low + (high - low) / 2;

        if (by_key_and_start(&spans[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !tl_sv_eq(spans[low - 1].key, key) || spans[low - 1].end_ms <= time_ms)
        return NULL;
    return spans[low - 1].unit;
}

struct tl_preview_unit *tl_preview_find(const struct tl_preview *preview, struct tl_buf *scratch, enum tl_before_after side,
                                        int64_t start_ms, int64_t end_ms, struct tl_sv row_key, bool *own)
{
    struct both *both;

    *own = true;
    if (preview->spans) {
        struct tl_sv key = put_key(preview, scratch, side, row_key, 0); /* an event's key has no tail */
        struct tl_preview_unit *unit;

        if (key.data == NULL)
            return NULL;
        unit = find_span(preview, side, key, start_ms);
        *own = unit != NULL;
        return unit != NULL ? unit : find_span(preview, side == TL_OLD ? TL_NEW : TL_OLD, key, start_ms);
    }
    both = find_both(preview, scratch, side, start_ms, end_ms, row_key);
    return both == NULL ? NULL : both->unit;
}

enum tl_code tl_preview_came_out(struct tl_preview *preview, enum tl_before_after side, int64_t start_ms, int64_t end_ms,
                                 struct tl_sv key, const struct tl_value *columns, struct tl_err *err)
{
    const struct both *both = find_both(preview, &preview->buf, side, start_ms, end_ms, key);
    struct tl_preview_unit *unit;

    if (both == NULL) /* the row that stands there in its place does not come out */
        return TL_OK;
    unit = preview->spans ? find_span(preview, side, tl_preview_key(preview, &preview->buf, side, key), start_ms) : both->unit;
    if (unit == NULL)
        return TL_OK;
    tl_buf_clear(&preview->buf);
    tl_preview_put_row(preview, &preview->buf, side, columns);
    if (preview->buf.failed)
        return tl_fail_memory(err, preview->buf.size);
    if (tl_sv_eq(tl_buf_sv(&preview->buf), both->row[side]))
        unit->came_out[side] = true;
    else
        unit->other_came_out = true;
    return TL_OK;
}

static bool sample_before(const struct tl_moved_sample *a, const struct tl_moved_sample *b)
{
    int order;

    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms;
    order = tl_partition_order(a->partition, a->offset, b->partition, b->offset);
    return order != 0 ? order < 0 : a->row < b->row;
}

static void add_sample(struct tl_moved *moved, const struct tl_moved_sample *event)
{
    uint32_t at = moved->samples_count;

    while (at > 0 && sample_before(event, &moved->samples[at - 1]))
        at--;
    if (at == TL_MOVED_SAMPLES_MAX)
        return;
    moved->samples_count += moved->samples_count < TL_MOVED_SAMPLES_MAX;
    for (uint32_t s = moved->samples_count - 1; s > at; s--)
        moved->samples[s] = moved->samples[s - 1];
    moved->samples[at] = *event;
}

bool tl_moved_count(struct tl_arena *memory, struct tl_moved **list, enum tl_moved_why why, enum tl_before_after side,
                    const char *name, const struct tl_moved_sample *event)
{
    struct tl_moved **at = list, *mine;

    for (; *at != NULL; at = &(*at)->next) {
        int order = (int)(*at)->why - (int)why;

        if (order == 0)
            order = (int)(*at)->side - (int)side;
        if (order == 0)
            order = strcmp((*at)->name != NULL ? (*at)->name : "", name != NULL ? name : "");
        if (order > 0)
            break;
        if (order == 0)
            goto found;
    }
    mine = tl_arena_zalloc(memory, sizeof *mine);
    if (mine == NULL)
        return false;
    *mine = (struct tl_moved){.next = *at, .why = why, .side = side, .name = name};
    *at = mine;
found:
    mine = *at;
    mine->events_count++;
    add_sample(mine, event);
    return true;
}

/* A later span may meet the event again. */
static bool remember(struct tl_preview *preview, struct tl_table *counted, struct tl_sv identity, int64_t time_ms)
{
    int64_t *mine;

    if (time_ms < tl_add_sat_i64(preview->to_ms, -preview->reach_ms))
        return true;
    mine = tl_table_put(counted, tl_hash_bytes(identity), identity, NULL);
    if (mine != NULL)
        *mine = time_ms;
    return mine != NULL;
}

bool tl_preview_meets(struct tl_preview *preview, struct tl_sv identity, int64_t time_ms, bool *ok)
{
    if (preview->reach_ms == 0)
        return true;
    if (tl_table_find(&preview->counted[0], tl_hash_bytes(identity), identity) != NULL)
        return false;
    *ok = remember(preview, &preview->counted[1], identity, time_ms);
    return true;
}

/* Those of this span and of the ones before it, less what lies too far behind. */
static enum tl_code pass_on(struct tl_preview *preview, struct tl_err *err)
{
    struct tl_table counted = preview->counted[0];

    for (uint32_t i = 0; i < counted.count; i++) {
        struct tl_sv identity;
        const int64_t *time_ms = tl_table_at(&counted, i, &identity, NULL);

        if (!remember(preview, &preview->counted[1], identity, *time_ms))
            return tl_fail_memory(err, identity.size);
    }
    tl_table_reset(&counted);
    preview->counted[0] = preview->counted[1];
    preview->counted[1] = counted;
    return TL_OK;
}

/* ---- what is kept ---- */

static bool copy_bytes(struct tl_sv *bytes)
{
    char *copy = malloc(bytes->size + 1);

    if (copy != NULL && bytes->size > 0)
        memcpy(copy, bytes->data, bytes->size);
    bytes->data = copy;
    return copy != NULL;
}

static enum tl_code keep_unit(struct tl_preview *preview, const struct tl_preview_unit *unit, struct tl_err *err)
{
    struct tl_preview_unit *mine = &preview->kept[preview->kept_count];
    struct tl_moved **at = &mine->moved;
    bool ok;

    *mine = *unit;
    mine->moved = NULL;
    mine->row[TL_OLD] = mine->row[TL_NEW] = mine->key = (struct tl_sv){NULL, 0};
    preview->kept_count++;
    mine->key = unit->key;
    ok = copy_bytes(&mine->key);
    for (int side = 0; side < TL_BOTH; side++) {
        if (unit->row[side].data == NULL)
            continue;
        mine->row[side] = unit->row[side];
        ok = copy_bytes(&mine->row[side]) && ok;
    }
    for (const struct tl_moved *moved = unit->moved; moved != NULL; moved = moved->next) {
        *at = malloc(sizeof **at);
        if (*at == NULL)
            return tl_fail_memory(err, sizeof **at);
        **at = *moved;
        (*at)->next = NULL;
        at = &(*at)->next;
    }
    return ok ? TL_OK : tl_fail_memory(err, unit->key.size);
}

void tl_preview_finish(struct tl_preview *preview)
{
    if (preview->kept_count > 1)
        qsort(preview->kept, preview->kept_count, sizeof *preview->kept, largest_first);
    while (preview->kept_count > preview->keep_max)
        kept_done(&preview->kept[--preview->kept_count]);
}

static bool is_proved(const struct tl_preview *preview, const struct tl_preview_unit *unit)
{
    for (int side = 0; side < TL_BOTH; side++)
        if (preview->proves[side] && unit->row[side].data != NULL && !unit->came_out[side])
            return false;
    return !unit->other_came_out;
}

enum tl_code tl_preview_keep(struct tl_preview *preview, bool proved, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(pass_on(preview, err));
    for (size_t u = 0; proved && u < preview->units_count; u++)
        preview->unproved_count += !is_proved(preview, &preview->units[u]);
    if (!TL_RESIZE(preview->kept, preview->kept_count + preview->chosen_count + 1))
        TL_TRY(tl_fail_memory(err, preview->chosen_count * sizeof *preview->kept));
    for (size_t u = 0; u < preview->chosen_count; u++)
        TL_TRY(keep_unit(preview, preview->chosen[u], err));
    tl_preview_finish(preview);
    preview->units_count = preview->chosen_count = 0;
    preview->unit_bits = NULL;
    preview->of_key_count[TL_OLD] = preview->of_key_count[TL_NEW] = 0;
    tl_table_reset(&preview->rows);
    tl_arena_reset(&preview->step);
out:
    return rc;
}
