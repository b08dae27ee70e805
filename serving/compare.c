/* compare.c: walks the rows of both layers side by side. See compare.h. */
#include "compare.h"

#include <string.h>

/* Before the key: view, start, end. */
enum { IDENTITY_HEAD = 20 };

void tl_compare_init(struct tl_compare *compare, uint32_t units_max)
{
    tl_arena_init(&compare->memory, 1u << 16, 0);
    tl_table_init(&compare->units, sizeof(struct tl_unit), units_max);
    tl_buf_init(&compare->identity, 0);
}

void tl_compare_done(struct tl_compare *compare)
{
    tl_arena_done(&compare->memory);
    tl_table_done(&compare->units);
    tl_buf_done(&compare->identity);
}

/* ---- units ---- */

static bool put_identity(struct tl_compare *compare, uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    struct tl_buf *identity = &compare->identity;

    tl_buf_clear(identity);
    tl_buf_put_u32(identity, view);
    tl_buf_put_u64(identity, (uint64_t)start_ms);
    tl_buf_put_u64(identity, (uint64_t)end_ms);
    tl_buf_put_sv(identity, key);
    return !identity->failed;
}

uint32_t tl_compare_units(const struct tl_compare *compare)
{
    return compare->units.count;
}

struct tl_unit *tl_compare_unit(const struct tl_compare *compare, uint32_t i)
{
    struct tl_sv key;
    uint64_t hash;

    return tl_table_at(&compare->units, i, &key, &hash);
}

struct tl_unit *tl_compare_find(struct tl_compare *compare, uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    struct tl_sv identity;

    if (!put_identity(compare, view, start_ms, end_ms, key))
        return NULL;
    identity = tl_buf_sv(&compare->identity);
    return tl_table_find(&compare->units, tl_hash_bytes(identity), identity);
}

bool tl_unit_values_eq(const struct tl_value *a, const struct tl_value *b, uint32_t columns_count)
{
    if (a == NULL || b == NULL)
        return a == b;
    for (uint32_t c = 0; c < columns_count; c++)
        if (!tl_value_eq(&a[c], &b[c]))
            return false;
    return true;
}

const struct tl_value *tl_compare_keep(struct tl_compare *compare, const struct tl_value *columns, uint32_t columns_count)
{
    struct tl_value *kept = tl_arena_alloc(&compare->memory, (columns_count + 1) * sizeof *kept);

    if (kept == NULL)
        return NULL;
    for (uint32_t c = 0; c < columns_count; c++) {
        kept[c] = columns[c];
        if (tl_kind_form(columns[c].kind) == TL_FORM_TEXT && !columns[c].is_null &&
            !tl_arena_copy(&compare->memory, columns[c].sv, &kept[c].sv))
            return NULL;
    }
    return kept;
}

static enum tl_code add_unit(struct tl_compare *compare, uint32_t view, const struct tl_stored_row *const rows[TL_SIDES],
                             struct tl_err *err)
{
    const struct tl_stored_row *row = rows[TL_SIDE_SPEED] != NULL ? rows[TL_SIDE_SPEED] : rows[TL_SIDE_BATCH];
    struct tl_sv identity;
    struct tl_unit *unit;
    uint64_t hash;

    if (!put_identity(compare, view, row->start_ms, row->end_ms, row->key))
        return tl_fail_memory(err, row->key.size);
    identity = tl_buf_sv(&compare->identity);
    unit = tl_table_put(&compare->units, tl_hash_bytes(identity), identity, NULL);
    if (unit == NULL)
        return tl_fail(err, TL_ERR_MEMORY,
                       "more units differ (%u so far) than there is memory for; a shorter --from --to takes less",
                       compare->units.count);
    *unit = (struct tl_unit){.view = view, .start_ms = row->start_ms, .end_ms = row->end_ms};
    (void)tl_table_at(&compare->units, tl_table_number(&compare->units, unit), &unit->key, &hash);
    unit->key = (struct tl_sv){unit->key.data + IDENTITY_HEAD, unit->key.size - IDENTITY_HEAD};
    for (int side = 0; side < TL_SIDES; side++) {
        if (rows[side] == NULL)
            continue;
        unit->stored[side] = tl_compare_keep(compare, rows[side]->columns, rows[side]->columns_count);
        if (unit->stored[side] == NULL)
            return tl_fail_memory(err, rows[side]->columns_count * sizeof(struct tl_value));
    }
    return TL_OK;
}

/* ---- the walk ---- */

static int by_place(const struct tl_stored_row *a, const struct tl_stored_row *b)
{
    if (a->end_ms != b->end_ms)
        return a->end_ms < b->end_ms ? -1 : 1;
    if (a->start_ms != b->start_ms)
        return a->start_ms < b->start_ms ? -1 : 1;
    return tl_sv_cmp(a->key, b->key);
}

enum tl_code tl_compare_view(struct tl_compare *compare, struct tl_store *store, uint32_t view, int64_t definition,
                             int64_t from_ms, int64_t to_ms, struct tl_compare_counts *counts, struct tl_err *err)
{
    static const enum tl_layer layers[TL_SIDES] = {TL_LAYER_SPEED, TL_LAYER_BATCH};
    struct tl_store_cursor *cursors[TL_SIDES] = {NULL, NULL};
    const struct tl_stored_row *next[TL_SIDES] = {NULL, NULL};
    enum tl_code rc = TL_OK;

    for (int side = 0; side < TL_SIDES; side++) {
        TL_TRY(tl_store_cursor_open(store, definition, layers[side], from_ms, to_ms, &cursors[side], err));
        TL_TRY(tl_store_cursor_next(cursors[side], &next[side], err));
    }
    while (next[TL_SIDE_SPEED] != NULL || next[TL_SIDE_BATCH] != NULL) {
        const struct tl_stored_row *rows[TL_SIDES] = {next[TL_SIDE_SPEED], next[TL_SIDE_BATCH]};

        if (rows[0] != NULL && rows[1] != NULL) {
            int order = by_place(rows[0], rows[1]);

            if (order != 0)
                rows[order < 0 ? 1 : 0] = NULL; /* the layer that is further has no such row */
        }
        counts->groups_count++;
        if (rows[0] != NULL && rows[1] != NULL && rows[0]->columns_count == rows[1]->columns_count &&
            tl_unit_values_eq(rows[0]->columns, rows[1]->columns, rows[0]->columns_count))
            counts->equal_count++;
        else
            TL_TRY(add_unit(compare, view, rows, err));
        for (int side = 0; side < TL_SIDES; side++)
            if (rows[side] != NULL)
                TL_TRY(tl_store_cursor_next(cursors[side], &next[side], err));
    }
out:
    for (int side = 0; side < TL_SIDES; side++)
        if (cursors[side] != NULL)
            tl_store_cursor_close(cursors[side]);
    return rc;
}
