/* compare.c: walks the rows of both layers side by side. See compare.h. */
#include "compare.h"

#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "event/timestamp.h"

/* Before the key: view, start, end. */
enum { IDENTITY_HEAD = 20 };

/* A key's differing spans, in order of time: they do not overlap. State of compare->spans. */
struct spans {
    struct tl_unit **units;
    uint32_t count;
};

void tl_compare_init(struct tl_compare *compare, uint32_t units_max)
{
    tl_arena_init(&compare->memory, 1u << 16, 0);
    tl_table_init(&compare->units, sizeof(struct tl_unit), units_max);
    tl_table_init(&compare->spans, sizeof(struct spans), 0);
    tl_table_init(&compare->links, sizeof(struct tl_unit_link), 0);
    tl_buf_init(&compare->identity, 0);
    compare->beside = NULL;
    compare->full = NULL;
    compare->full_count = 0;
}

void tl_compare_done(struct tl_compare *compare)
{
    free(compare->full);
    tl_arena_done(&compare->memory);
    tl_table_done(&compare->units);
    tl_table_done(&compare->spans);
    tl_table_done(&compare->links);
    tl_buf_done(&compare->identity);
}

/* ---- units ---- */

bool tl_compare_by_span(const struct tl_view *view)
{
    return view->window.window == TL_WINDOW_SESSION || view->window.window == TL_WINDOW_COUNT;
}

struct tl_sv tl_unit_key(const struct tl_view *plan_view, const struct tl_shape *shape, struct tl_sv row_key)
{
    if (tl_compare_by_span(plan_view) && row_key.size >= shape->key_tail_bytes)
        row_key.size -= shape->key_tail_bytes;
    return row_key;
}

/* False: no memory, which cannot be where there is room (tl_compare_room). */
static bool put_identity(struct tl_buf *room, uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    char *at;

    tl_buf_clear(room);
    at = tl_buf_reserve(room, IDENTITY_HEAD + key.size);
    if (at == NULL)
        return false;
    memcpy(at, &view, sizeof view);
    memcpy(at + 4, &start_ms, sizeof start_ms);
    memcpy(at + 12, &end_ms, sizeof end_ms);
    if (key.size > 0)
        memcpy(at + IDENTITY_HEAD, key.data, key.size);
    room->size = IDENTITY_HEAD + key.size;
    return true;
}

enum tl_code tl_compare_room(const struct tl_compare *compare, struct tl_buf *room, struct tl_err *err)
{
    tl_buf_clear(room);
    return tl_buf_reserve(room, IDENTITY_HEAD + compare->key_max) != NULL ? TL_OK
                                                                          : tl_fail_memory(err, IDENTITY_HEAD + compare->key_max);
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

static struct tl_sv put_span_key(struct tl_buf *room, uint32_t view, struct tl_sv key)
{
    tl_buf_clear(room);
    tl_buf_put_u32(room, view);
    tl_buf_put_sv(room, key);
    return tl_buf_sv(room);
}

static struct tl_unit *find_span(const struct tl_compare *compare, struct tl_buf *room, uint32_t view, int64_t time_ms,
                                 struct tl_sv key)
{
    const struct spans *spans;
    struct tl_sv identity = put_span_key(room, view, key);
    uint32_t low = 0, high;

    spans = tl_table_find(&compare->spans, tl_hash_bytes(identity), identity);
    if (spans == NULL)
        return NULL;
    for (high = spans->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;

        if (spans->units[middle]->end_ms <= time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spans->count && spans->units[low]->start_ms <= time_ms ? spans->units[low] : NULL;
}

/* Makes its unit known by the key. Spans come in order of time. */
static enum tl_code index_span(struct tl_compare *compare, struct tl_unit *unit, struct tl_err *err)
{
    struct tl_sv identity = put_span_key(&compare->identity, unit->view, unit->key);
    struct spans *spans;

    spans = compare->identity.failed ? NULL : tl_table_put(&compare->spans, tl_hash_bytes(identity), identity, NULL);
    if (spans == NULL)
        return tl_fail_memory(err, unit->key.size);
    if ((spans->count & (spans->count - 1)) == 0) { /* room for the next power of two; the old one is left behind */
        size_t room = spans->count == 0 ? 1 : 2 * (size_t)spans->count;
        struct tl_unit **units = tl_arena_alloc(&compare->memory, room * sizeof(struct tl_unit *));

        if (units == NULL)
            return tl_fail_memory(err, room * sizeof(struct tl_unit *));
        if (spans->count > 0)
            memcpy(units, spans->units, spans->count * sizeof(struct tl_unit *));
        spans->units = units;
    }
    spans->units[spans->count++] = unit;
    return TL_OK;
}

struct tl_unit *tl_compare_find_in(const struct tl_compare *compare, struct tl_buf *room, const struct tl_view *plan_view,
                                   uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    struct tl_sv identity;

    if (key.size > compare->key_max)
        return NULL;
    if (tl_compare_by_span(plan_view))
        return find_span(compare, room, view, start_ms, key);
    if (!put_identity(room, view, start_ms, end_ms, key))
        return NULL;
    identity = tl_buf_sv(room);
    return tl_table_find(&compare->units, tl_hash_bytes(identity), identity);
}

struct tl_unit *tl_compare_find(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view, int64_t start_ms,
                                int64_t end_ms, struct tl_sv key)
{
    return tl_compare_find_in(compare, &compare->identity, plan_view, view, start_ms, end_ms, key);
}

static enum tl_code add_unit(struct tl_compare *compare, uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                             struct tl_unit **out, struct tl_err *err)
{
    struct tl_sv identity;
    struct tl_unit *unit;
    uint64_t hash;

    if (!put_identity(&compare->identity, view, start_ms, end_ms, key))
        return tl_fail_memory(err, key.size);
    identity = tl_buf_sv(&compare->identity);
    unit = tl_table_put(&compare->units, tl_hash_bytes(identity), identity, NULL);
    if (unit == NULL)
        return tl_fail(err, TL_ERR_MEMORY,
                       "more units differ (%u so far) than there is memory for; a shorter --from --to takes less",
                       compare->units.count);
    *unit = (struct tl_unit){.view = view, .start_ms = start_ms, .end_ms = end_ms};
    if (key.size > compare->key_max)
        compare->key_max = key.size;
    (void)tl_table_at(&compare->units, tl_table_number(&compare->units, unit), &unit->key, &hash);
    unit->key = (struct tl_sv){unit->key.data + IDENTITY_HEAD, unit->key.size - IDENTITY_HEAD};
    *out = unit;
    return TL_OK;
}

/* ---- rows of units ---- */

bool tl_unit_values_eq(const struct tl_value *a, const struct tl_value *b, uint32_t columns_count)
{
    if (a == NULL || b == NULL)
        return a == b;
    for (uint32_t c = 0; c < columns_count; c++)
        if (!tl_value_eq(&a[c], &b[c]))
            return false;
    return true;
}

static const struct tl_value *keep_values(struct tl_compare *compare, const struct tl_value *columns, uint32_t columns_count)
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

static enum tl_code keep_row(struct tl_compare *compare, int64_t start_ms, int64_t end_ms, struct tl_sv key,
                             const struct tl_value *columns, uint32_t columns_count, struct tl_unit_row **out, struct tl_err *err)
{
    struct tl_unit_row *row = tl_arena_zalloc(&compare->memory, sizeof *row);

    if (row == NULL || !tl_arena_copy(&compare->memory, key, &row->key) ||
        (row->columns = keep_values(compare, columns, columns_count)) == NULL)
        return tl_fail_memory(err, columns_count * sizeof(struct tl_value));
    row->start_ms = start_ms;
    row->end_ms = end_ms;
    *out = row;
    return TL_OK;
}

static enum tl_code add_stored(struct tl_compare *compare, struct tl_unit *unit, enum tl_side side,
                               const struct tl_stored_row *stored, bool equal, struct tl_err *err)
{
    struct tl_unit_row *row;
    enum tl_code rc = TL_OK;

    TL_TRY(keep_row(compare, stored->start_ms, stored->end_ms, stored->key, stored->columns, stored->columns_count, &row, err));
    row->equal = equal;
    if (unit->last[side] != NULL)
        unit->last[side]->next = row;
    else
        unit->stored[side] = row;
    unit->last[side] = row;
out:
    return rc;
}

/* ---- in full ---- */

static const struct tl_compare_range *full_range(const struct tl_compare *compare, uint32_t view)
{
    return view < compare->full_count && compare->full[view].full ? &compare->full[view] : NULL;
}

static enum tl_code know_range(struct tl_compare *compare, const struct tl_compare_range *range, struct tl_err *err)
{
    struct tl_compare_range *ranges = compare->full;

    if (range->view >= compare->full_count) {
        if (!TL_RESIZE(ranges, range->view + 1))
            return tl_fail_memory(err, (range->view + 1) * sizeof *ranges);
        memset(&ranges[compare->full_count], 0, (range->view + 1 - compare->full_count) * sizeof *ranges);
        compare->full = ranges;
        compare->full_count = range->view + 1;
    }
    ranges[range->view] = *range;
    return TL_OK;
}

/* What of an end lies in (from, to] once it is taken off: where ranges hold their beginning, [from, to) is (from - 1, to - 1]. */
static int64_t ends_limit(const struct tl_compare_range *range, int64_t limit_ms)
{
    return range->shape->ends_open && limit_ms != INT64_MAX ? tl_add_sat_i64(limit_ms, -1) : limit_ms;
}

/* Is the end compared? */
static bool is_inside(const struct tl_compare_range *range, int64_t end_ms)
{
    return end_ms > ends_limit(range, range->from_ms) && end_ms <= ends_limit(range, range->to_ms);
}

/* Of an event of a view that is compared by span: may it be of a group that ends here and that neither layer has? Of those from before, the range
 * before has left what is waiting. */
static bool is_of_rest(struct tl_compare *compare, const struct tl_compare_range *range, int64_t time_ms, struct tl_sv key)
{
    const struct tl_compare_waiting *waiting;
    struct tl_sv rest_key;

    if (time_ms >= range->from_ms || range->waiting == NULL)
        return time_ms >= range->from_ms && time_ms < range->to_ms;
    rest_key = put_span_key(&compare->identity, range->view, key);
    waiting = tl_table_find(range->waiting, tl_hash_bytes(rest_key), rest_key);
    return waiting != NULL && time_ms >= waiting->from_ms;
}

static struct tl_unit *find_rest(struct tl_compare *compare, uint32_t view, struct tl_sv key)
{
    struct tl_sv identity;

    if (!put_identity(&compare->identity, view, INT64_MIN, INT64_MAX, key))
        return NULL; /* it is then added, and that says so */
    identity = tl_buf_sv(&compare->identity);
    return tl_table_find(&compare->units, tl_hash_bytes(identity), identity);
}

enum tl_code tl_compare_claim(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view, int64_t start_ms,
                              int64_t end_ms, struct tl_sv key, struct tl_unit **out, struct tl_err *err)
{
    const struct tl_compare_range *range = full_range(compare, view);
    struct tl_unit *unit = tl_compare_find(compare, plan_view, view, start_ms, end_ms, key);
    enum tl_code rc = TL_OK;

    if (unit == NULL && range != NULL && tl_compare_by_span(plan_view)) {
        if (is_of_rest(compare, range, start_ms, key) && (unit = find_rest(compare, view, key)) == NULL) {
            TL_TRY(add_unit(compare, view, INT64_MIN, INT64_MAX, key, &unit, err));
            unit->rest = unit->equal = true;
        }
    } else if (unit == NULL && range != NULL &&
               (range->shape->windowed ? is_inside(range, end_ms) : start_ms >= range->from_ms && start_ms < range->to_ms)) {
        TL_TRY(add_unit(compare, view, start_ms, end_ms, key, &unit, err));
        unit->equal = true;
    }
    *out = unit;
out:
    return rc;
}

/* What came out of a key's rest, in full: is it a group that ends here, and whole? With HAVING nobody can tell: what it hides hangs together with
 * what it shows, and stands in no row. */
static struct tl_unit *rest_of(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view, int64_t end_ms,
                               struct tl_sv key)
{
    const struct tl_compare_range *range = full_range(compare, view);

    if (range == NULL || !tl_compare_by_span(plan_view) || !is_inside(range, end_ms) || plan_view->having != NULL)
        return NULL;
    return find_rest(compare, view, key);
}

static enum tl_code adopt_rows(struct tl_compare *compare, const struct tl_unit_row *from, uint32_t columns_count,
                               struct tl_unit_row **to, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (; from != NULL; from = from->next) {
        TL_TRY(keep_row(compare, from->start_ms, from->end_ms, from->key, from->columns, columns_count, to, err));
        (*to)->equal = from->equal;
        (*to)->came_out = from->came_out;
        to = &(*to)->next;
    }
out:
    return rc;
}

/* The rest of a key has no bounds: it gets those of what came out. */
static void bounds_of_rest(const struct tl_unit *unit, int64_t *start_ms, int64_t *end_ms)
{
    *start_ms = INT64_MAX;
    *end_ms = INT64_MIN;
    for (int side = 0; side < TL_SIDES; side++) {
        for (const struct tl_unit_row *row = unit->others[side]; row != NULL; row = row->next) {
            *start_ms = tl_min_i64(*start_ms, row->start_ms);
            *end_ms = tl_max_i64(*end_ms, row->end_ms);
        }
    }
}

enum tl_code tl_compare_adopt(struct tl_compare *compare, const struct tl_view *plan_view, const struct tl_unit *unit,
                              uint32_t columns_count, struct tl_unit **out, struct tl_err *err)
{
    int64_t start_ms = unit->start_ms, end_ms = unit->end_ms;
    struct tl_unit *mine = NULL;
    struct tl_sv identity;
    enum tl_code rc = TL_OK;

    *out = NULL;
    if (unit->rest)
        bounds_of_rest(unit, &start_ms, &end_ms);
    if (!put_identity(&compare->identity, unit->view, start_ms, end_ms, unit->key))
        TL_TRY(tl_fail_memory(err, unit->key.size));
    identity = tl_buf_sv(&compare->identity);
    if (tl_table_find(&compare->units, tl_hash_bytes(identity), identity) != NULL)
        return TL_OK;
    TL_TRY(add_unit(compare, unit->view, start_ms, end_ms, unit->key, &mine, err));
    mine->equal = unit->equal;
    mine->rest = unit->rest;
    if (tl_compare_by_span(plan_view) && !unit->rest)
        TL_TRY(index_span(compare, mine, err));
    for (int side = 0; side < TL_SIDES; side++) {
        mine->agrees[side] = unit->agrees[side];
        TL_TRY(adopt_rows(compare, unit->stored[side], columns_count, &mine->stored[side], err));
        TL_TRY(adopt_rows(compare, unit->others[side], columns_count, &mine->others[side], err));
    }
    *out = mine;
out:
    return rc;
}

static struct tl_unit_row *stored_row(struct tl_unit *unit, enum tl_side side, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    struct tl_unit_row *row = unit->stored[side];

    while (row != NULL && (row->start_ms != start_ms || row->end_ms != end_ms || !tl_sv_eq(row->key, key)))
        row = row->next;
    return row;
}

/* As the store would give it back: of a window it keeps the instants, where the core's columns have the wall clock of the view's zone. */
static struct tl_value stored_value(const struct tl_shape *shape, const struct tl_rows *rows, uint32_t column, uint32_t row)
{
    struct tl_value value = tl_vec_get(&rows->columns[column], row);
    enum tl_column_role role = shape->columns[column].role;

    if (role == TL_ROLE_WINDOW_START)
        value.i64 = rows->start_ms[row];
    else if (role == TL_ROLE_WINDOW_END)
        value.i64 = rows->end_ms[row];
    else if (role == TL_ROLE_WINDOW_TIME)
        value.i64 = rows->end_ms[row] - 1;
    return value;
}

enum tl_code tl_compare_came_out(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view,
                                 const struct tl_shape *shape, enum tl_side side, const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_value *columns = malloc(((size_t)shape->columns_count + 1) * sizeof *columns);
    enum tl_code rc = TL_OK;

    if (columns == NULL)
        return tl_fail_memory(err, shape->columns_count * sizeof *columns);
    for (uint32_t i = 0; i < rows->count; i++) {
        struct tl_sv key = rows->key[i];
        struct tl_unit *unit =
            tl_compare_find(compare, plan_view, view, rows->start_ms[i], rows->end_ms[i], tl_unit_key(plan_view, shape, key));
        struct tl_unit_row *stored, *other;

        if (unit == NULL)
            unit = rest_of(compare, plan_view, view, rows->end_ms[i], tl_unit_key(plan_view, shape, key));
        if (unit == NULL)
            continue;
        for (uint32_t c = 0; c < shape->columns_count; c++)
            columns[c] = stored_value(shape, rows, c, i);
        stored = stored_row(unit, side, rows->start_ms[i], rows->end_ms[i], key);
        if (stored != NULL && tl_unit_values_eq(columns, stored->columns, shape->columns_count)) {
            stored->came_out = true;
            continue;
        }
        TL_TRY(keep_row(compare, rows->start_ms[i], rows->end_ms[i], key, columns, shape->columns_count, &other, err));
        other->came_out = true;
        other->next = unit->others[side];
        unit->others[side] = other;
    }
out:
    free(columns);
    return rc;
}

struct settling {
    struct tl_compare *compare;
    const struct tl_view *plan_view;
    const struct tl_shape *shape;
    struct tl_table *waiting;
    uint32_t view;
    enum tl_side side;
};

static enum tl_code settle_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    const struct settling *of = ctx;

    return tl_compare_came_out(of->compare, of->plan_view, of->view, of->shape, of->side, rows, err);
}

/* Of a key's rest, for nothing else reaches beyond the range. */
static enum tl_code note_waiting(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    const struct settling *of = ctx;

    for (uint32_t i = 0; i < rows->count; i++) {
        struct tl_sv key = put_span_key(&of->compare->identity, of->view, tl_unit_key(of->plan_view, of->shape, rows->key[i]));
        bool is_new = false;
        struct tl_compare_waiting *waiting = tl_table_put(of->waiting, tl_hash_bytes(key), key, &is_new);

        if (waiting == NULL)
            return tl_fail_memory(err, sizeof *waiting);
        *waiting =
            (struct tl_compare_waiting){of->view, is_new ? rows->start_ms[i] : tl_min_i64(waiting->from_ms, rows->start_ms[i])};
    }
    return TL_OK;
}

enum tl_code tl_compare_settle(struct tl_compare *compare, const struct tl_view *plan_view, uint32_t view,
                               const struct tl_shape *shape, enum tl_side side, struct tl_window *window,
                               struct tl_table *waiting, struct tl_err *err)
{
    const struct tl_compare_range *range = full_range(compare, view);
    struct settling of = {compare, plan_view, shape, waiting, view, side};
    bool goes_on = waiting != NULL && range != NULL && tl_compare_by_span(plan_view);
    enum tl_code rc;

    TL_TRY(tl_window_retire(window, goes_on ? range->to_ms : INT64_MAX, settle_rows, &of, err));
    if (goes_on)
        TL_TRY(tl_window_open_rows(window, note_waiting, &of, err));
out:
    return rc;
}

bool tl_compare_full_spans(const struct tl_compare *compare, uint32_t view, struct tl_time_spans *spans)
{
    const struct tl_compare_range *range = full_range(compare, view);
    int64_t from_ms;
    bool ok;

    if (range == NULL)
        return true;
    from_ms = tl_add_sat_i64(range->from_ms, -1); /* an inner row's time is its last millisecond */
    if (!tl_compare_by_span(range->plan_view))
        from_ms = tl_add_sat_i64(tl_add_sat_i64(from_ms, -range->plan_view->window.size_ms),
                                 range->plan_view->window.zone == NULL ? 0 : -TL_DAY_MS);
    ok = tl_time_spans_add(spans, from_ms, range->to_ms);
    for (uint32_t i = 0; range->waiting != NULL && i < range->waiting->count; i++) {
        const struct tl_compare_waiting *waiting = tl_table_at(range->waiting, i, NULL, NULL);

        ok = ok && (waiting->view != view || tl_time_spans_add(spans, waiting->from_ms, range->from_ms));
    }
    return ok;
}

const struct tl_value *tl_unit_any_row(const struct tl_unit *unit)
{
    const struct tl_unit_row *rows[] = {unit->stored[TL_SIDE_SPEED], unit->stored[TL_SIDE_BATCH], unit->others[TL_SIDE_SPEED],
                                        unit->others[TL_SIDE_BATCH]};

    for (size_t r = 0; r < TL_COUNT(rows); r++)
        if (rows[r] != NULL)
            return rows[r]->columns;
    return NULL;
}

void tl_unit_conclude_rows(struct tl_unit *unit)
{
    for (int side = 0; side < TL_SIDES; side++) {
        unit->agrees[side] = unit->others[side] == NULL;
        for (const struct tl_unit_row *row = unit->stored[side]; row != NULL; row = row->next)
            unit->agrees[side] = unit->agrees[side] && row->came_out;
    }
}

enum tl_code tl_compare_link(struct tl_compare *compare, struct tl_unit *inner, struct tl_unit *outer, struct tl_err *err)
{
    uint32_t numbers[2] = {tl_table_number(&compare->units, inner), tl_table_number(&compare->units, outer)};
    struct tl_sv key = {(const char *)numbers, sizeof numbers};
    struct tl_unit_link *link;
    bool is_new = false;

    link = tl_table_put(&compare->links, tl_hash_bytes(key), key, &is_new);
    if (link == NULL)
        return tl_fail_memory(err, sizeof *link);
    if (!is_new)
        return TL_OK;
    *link = (struct tl_unit_link){inner, outer, outer->inners, inner->outers};
    outer->inners = inner->outers = link;
    return TL_OK;
}

/* ---- two cursors side by side ---- */

struct pair {
    struct tl_store_cursor *cursors[TL_SIDES];
    struct tl_ahead *ahead; /* of batch, in place of its cursor, where there is a handle for it */
    const struct tl_stored_row *next[TL_SIDES];
    const struct tl_stored_row *rows[TL_SIDES]; /* at one place; NULL: the layer has none there. Both: there are no more */
    bool equal;
};

static enum tl_code next_of(struct pair *pair, int side, struct tl_err *err)
{
    return side == TL_SIDE_BATCH && pair->ahead != NULL ? tl_ahead_next(pair->ahead, &pair->next[side], err)
                                                        : tl_store_cursor_next(pair->cursors[side], &pair->next[side], err);
}

/* Rows with an end in (from, to]; of a view without windows, events with a time in [from, to). */
static enum tl_code pair_open(struct pair *pair, struct tl_store *store, struct tl_store *beside, int64_t definition,
                              int64_t from_ms, int64_t to_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *pair = (struct pair){0};
    if (beside != NULL)
        TL_TRY(tl_ahead_open(beside, definition, TL_LAYER_BATCH, from_ms, to_ms, &pair->ahead, err));
    else
        TL_TRY(tl_store_cursor_open(store, definition, TL_LAYER_BATCH, from_ms, to_ms, &pair->cursors[TL_SIDE_BATCH], err));
    TL_TRY(tl_store_cursor_open(store, definition, TL_LAYER_SPEED, from_ms, to_ms, &pair->cursors[TL_SIDE_SPEED], err));
    for (int side = 0; side < TL_SIDES; side++)
        TL_TRY(next_of(pair, side, err));
out:
    return rc;
}

static void pair_close(struct pair *pair)
{
    tl_ahead_close(pair->ahead);
    for (int side = 0; side < TL_SIDES; side++)
        if (pair->cursors[side] != NULL)
            tl_store_cursor_close(pair->cursors[side]);
}

static int by_place(const struct tl_stored_row *a, const struct tl_stored_row *b)
{
    if (a->end_ms != b->end_ms)
        return a->end_ms < b->end_ms ? -1 : 1;
    if (a->start_ms != b->start_ms)
        return a->start_ms < b->start_ms ? -1 : 1;
    return tl_sv_cmp(a->key, b->key);
}

/* Moves on to the next place. */
static enum tl_code pair_next(struct pair *pair, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int side = 0; side < TL_SIDES; side++)
        if (pair->rows[side] != NULL)
            TL_TRY(next_of(pair, side, err));
    memcpy(pair->rows, pair->next, sizeof pair->rows);
    pair->equal = false;
    if (pair->rows[0] == NULL || pair->rows[1] == NULL)
        return TL_OK;
    if (by_place(pair->rows[0], pair->rows[1]) != 0)
        pair->rows[by_place(pair->rows[0], pair->rows[1]) < 0 ? 1 : 0] = NULL; /* the layer that is further has no such row */
    else
        pair->equal = pair->rows[0]->columns_count == pair->rows[1]->columns_count &&
                      tl_unit_values_eq(pair->rows[0]->columns, pair->rows[1]->columns, pair->rows[0]->columns_count);
out:
    return rc;
}

static const struct tl_stored_row *any_row(const struct pair *pair)
{
    return pair->rows[TL_SIDE_SPEED] != NULL ? pair->rows[TL_SIDE_SPEED] : pair->rows[TL_SIDE_BATCH];
}

/* ---- windows ---- */

static enum tl_code compare_windows(struct tl_compare *compare, struct tl_store *store, const struct tl_compare_range *range,
                                    struct tl_compare_counts *counts, struct tl_err *err)
{
    int64_t asked_ms = ends_limit(range, range->asked_ms);
    const struct tl_stored_row *row;
    struct pair pair;
    enum tl_code rc = TL_OK;

    TL_TRY(pair_open(&pair, store, compare->beside, range->definition, ends_limit(range, range->from_ms),
                     ends_limit(range, range->to_ms), err));
    for (;;) {
        bool beside;

        TL_TRY(pair_next(&pair, err));
        row = any_row(&pair);
        if (row == NULL)
            break;
        beside = range->asked_ms != range->from_ms && row->end_ms <= asked_ms;
        counts->groups_count += !beside;
        counts->equal_count += !beside && pair.equal;
        if (!pair.equal || range->full) {
            struct tl_unit *unit;

            TL_TRY(add_unit(compare, range->view, row->start_ms, row->end_ms, row->key, &unit, err));
            unit->beside = beside;
            unit->equal = pair.equal;
            unit->equal_count = pair.equal;
            for (int side = 0; side < TL_SIDES; side++)
                if (pair.rows[side] != NULL)
                    TL_TRY(add_stored(compare, unit, (enum tl_side)side, pair.rows[side], false, err));
        }
    }
out:
    pair_close(&pair);
    return rc;
}

/* ---- spans ---- */

/* A span of one key, as far as it has been found. */
struct found {
    int64_t from_ms, to_ms; /* INT64_MAX: batch carries some of it */
    bool differs;           /* or all are units */
    bool unequal;
    bool inside;           /* has a row that is compared */
    uint32_t inside_count; /* of those that have been made one with it, of which a row is compared */
    struct tl_sv key;
    struct found *older;
};

/* State of walk.keys. */
struct found_key {
    struct found *newest; /* in descending order of time; they do not overlap */
};

struct walk {
    struct tl_compare *compare;
    const struct tl_compare_range *range;
    int64_t from_ms; /* rows have been read from there on, in the sense of the range */
    struct tl_table keys;
    struct found *free;
    uint32_t count;
};

static enum tl_code add_found(struct walk *walk, struct tl_sv key, const struct found *more, struct tl_err *err)
{
    struct found_key *entry = tl_table_put(&walk->keys, tl_hash_bytes(key), key, NULL);
    struct found sum = *more, *found;

    if (entry == NULL)
        return tl_fail_memory(err, key.size);
    /* Ends do not go down, so what does not overlap the newest one overlaps none. */
    while (entry->newest != NULL && entry->newest->to_ms > sum.from_ms) {
        found = entry->newest;
        sum.from_ms = tl_min_i64(sum.from_ms, found->from_ms);
        sum.to_ms = tl_max_i64(sum.to_ms, found->to_ms);
        sum.differs = sum.differs || found->differs;
        sum.unequal = sum.unequal || found->unequal;
        sum.inside = sum.inside || found->inside;
        entry->newest = found->older;
        found->older = walk->free;
        walk->free = found;
        walk->count--;
    }
    found = walk->free;
    if (found != NULL)
        walk->free = found->older;
    else if ((found = tl_arena_alloc(tl_table_arena(&walk->keys), sizeof *found)) == NULL)
        return tl_fail_memory(err, sizeof *found);
    *found = sum;
    found->inside_count = sum.inside;
    found->older = entry->newest;
    entry->newest = found;
    walk->count++;
    return TL_OK;
}

static bool is_beyond(const struct tl_compare_range *range, int64_t end_ms)
{
    return end_ms > ends_limit(range, range->to_ms);
}

static enum tl_code add_carried(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct walk *walk = ctx;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < rows->count; i++) {
        struct found more = {.from_ms = rows->start_ms[i], .to_ms = INT64_MAX, .differs = walk->range->full};

        if (more.from_ms < walk->range->to_ms)
            TL_TRY(add_found(walk, tl_unit_key(walk->range->plan_view, walk->range->shape, rows->key[i]), &more, err));
    }
out:
    return rc;
}

/* What batch carries over its boundary is in no row of it yet. */
static enum tl_code walk_carried(struct walk *walk, struct tl_store *store, struct tl_err *err)
{
    struct tl_window *window = NULL;
    struct tl_buf carry;
    enum tl_code rc = TL_OK;

    tl_buf_init(&carry, 0);
    TL_TRY(tl_store_carry(store, walk->range->definition, walk->range->boundary_ms, &carry, err));
    if (carry.size == 0)
        goto out;
    TL_TRY(tl_window_open(walk->range->plan_view, NULL, &window, err));
    TL_TRY(tl_window_restore(window, tl_buf_sv(&carry), err));
    TL_TRY(tl_window_open_rows(window, add_carried, walk, err));
out:
    tl_window_close(window);
    tl_buf_done(&carry);
    return rc;
}

/* All rows from walk->from_ms on that begin before the end of what is compared, and what is carried. */
static enum tl_code walk_spans(struct walk *walk, struct tl_store *store, struct tl_err *err)
{
    const struct tl_compare_range *range = walk->range;
    struct pair pair;
    enum tl_code rc = TL_OK;

    TL_TRY(pair_open(&pair, store, walk->compare->beside, range->definition, ends_limit(range, walk->from_ms), INT64_MAX, err));
    for (;;) {
        const struct tl_stored_row *row;
        struct found more;

        TL_TRY(pair_next(&pair, err));
        row = any_row(&pair);
        if (row == NULL)
            break;
        if (row->start_ms >= range->to_ms)
            continue;
        more = (struct found){.from_ms = row->start_ms,
                              .to_ms = row->end_ms,
                              .differs = range->full || (!pair.equal && !is_beyond(range, row->end_ms)),
                              .unequal = !pair.equal && !is_beyond(range, row->end_ms),
                              .inside = is_inside(range, row->end_ms)};
        TL_TRY(add_found(walk, tl_unit_key(range->plan_view, range->shape, row->key), &more, err));
    }
    TL_TRY(walk_carried(walk, store, err));
out:
    pair_close(&pair);
    return rc;
}

/* How far back the spans with compared rows reach; INT64_MAX: there is none. */
static int64_t earliest(const struct walk *walk)
{
    int64_t earliest_ms = INT64_MAX;

    for (uint32_t i = 0; i < walk->keys.count; i++) {
        const struct found_key *entry = tl_table_at(&walk->keys, i, NULL, NULL);

        for (const struct found *found = entry->newest; found != NULL; found = found->older)
            if (found->inside)
                earliest_ms = tl_min_i64(earliest_ms, found->from_ms);
    }
    return earliest_ms;
}

/* Walks until no span reaches back to where nothing has been read: each time twice as far as it had to be. */
static enum tl_code find_spans(struct walk *walk, struct tl_store *store, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (walk->from_ms = walk->range->from_ms;;) {
        int64_t earliest_ms;

        TL_TRY(walk_spans(walk, store, err));
        earliest_ms = earliest(walk);
        if (earliest_ms >= walk->from_ms || walk->from_ms <= walk->range->floor_ms)
            break;
        walk->from_ms = tl_max_i64(walk->range->floor_ms, tl_add_sat_i64(earliest_ms, earliest_ms - walk->from_ms));
        tl_table_reset(&walk->keys);
        walk->free = NULL;
        walk->count = 0;
    }
out:
    return rc;
}

/* Takes on what of the key's events hangs together with it. */
static void grow(struct found *found, const struct tl_time_spans *spans)
{
    int64_t from_ms = found->from_ms, to_ms = found->to_ms;

    for (size_t i = 0; i < spans->count; i++) {
        const struct tl_time_span *span = &spans->items[i];

        if (span->from_ms < to_ms && span->to_ms > from_ms) {
            found->from_ms = tl_min_i64(found->from_ms, span->from_ms);
            found->to_ms = tl_max_i64(found->to_ms, span->to_ms);
        }
    }
}

/* Makes one of those that overlap now. They are in descending order. */
static void join_found(struct walk *walk, struct found_key *entry)
{
    for (struct found *found = entry->newest; found != NULL;) {
        struct found *older = found->older;

        if (older == NULL || older->to_ms <= found->from_ms) {
            found = older;
            continue;
        }
        found->from_ms = tl_min_i64(found->from_ms, older->from_ms);
        found->to_ms = tl_max_i64(found->to_ms, older->to_ms);
        found->differs = found->differs || older->differs;
        found->unequal = found->unequal || older->unequal;
        found->inside_count += older->inside_count;
        found->inside = found->inside || older->inside;
        found->older = older->older;
        walk->count--;
    }
}

static enum tl_code grow_found(struct walk *walk, struct tl_table *reaches, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < walk->keys.count; i++) {
        struct tl_sv key;
        uint64_t hash;
        const struct found_key *entry = tl_table_at(&walk->keys, i, &key, &hash);
        const struct found *found = entry->newest;

        while (found != NULL && !found->differs)
            found = found->older;
        if (found != NULL && tl_table_put(reaches, hash, key, NULL) == NULL)
            return tl_fail_memory(err, key.size);
    }
    if (reaches->count == 0)
        return TL_OK;
    TL_TRY(walk->range->reach(walk->range->reach_ctx, walk->range, reaches, err));
    for (uint32_t i = 0; i < reaches->count; i++) {
        struct tl_sv key;
        uint64_t hash;
        const struct tl_compare_reach *reach = tl_table_at(reaches, i, &key, &hash);
        struct found_key *entry = tl_table_find(&walk->keys, hash, key);

        for (struct found *found = entry->newest; found != NULL; found = found->older)
            grow(found, &reach->spans);
        join_found(walk, entry);
        for (const struct found *found = entry->newest; found != NULL; found = found->older)
            if (found->differs) /* all rows of it are to be collected */
                walk->from_ms = tl_min_i64(walk->from_ms, found->from_ms);
    }
out:
    return rc;
}

static enum tl_code grow_spans(struct walk *walk, struct tl_err *err)
{
    struct tl_table reaches;
    enum tl_code rc;

    if (walk->range->plan_view->having == NULL)
        return TL_OK;
    tl_table_init(&reaches, sizeof(struct tl_compare_reach), 0);
    rc = grow_found(walk, &reaches, err);
    for (uint32_t i = 0; i < reaches.count; i++) {
        struct tl_compare_reach *reach = tl_table_at(&reaches, i, NULL, NULL);

        tl_time_spans_done(&reach->spans);
    }
    tl_table_done(&reaches);
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;

    if (x->to_ms != y->to_ms)
        return x->to_ms < y->to_ms ? -1 : 1;
    if (x->from_ms != y->from_ms)
        return x->from_ms < y->from_ms ? -1 : 1;
    return tl_sv_cmp(x->key, y->key);
}

/* Counts the spans, and makes units of those that differ. */
static enum tl_code settle_spans(struct walk *walk, struct tl_compare_counts *counts, struct tl_err *err)
{
    const struct tl_compare_range *range = walk->range;
    struct found **differing = malloc(((size_t)walk->count + 1) * sizeof(struct found *));
    size_t count = 0;
    enum tl_code rc = TL_OK;

    if (differing == NULL)
        return tl_fail_memory(err, walk->count * sizeof(struct found *));
    for (uint32_t i = 0; i < walk->keys.count; i++) {
        struct tl_sv key;
        struct found_key *entry = tl_table_at(&walk->keys, i, &key, NULL);

        for (struct found *found = entry->newest; found != NULL; found = found->older) {
            bool beside = range->asked_ms != range->from_ms && found->to_ms <= ends_limit(range, range->asked_ms);

            if (!found->inside && !range->full) /* in full, what is of another range must be known */
                continue;
            if (found->differs) {
                found->key = key;
                differing[count++] = found;
            } else {
                counts->groups_count += beside ? 0 : found->inside_count;
                counts->equal_count += beside ? 0 : found->inside_count;
            }
        }
    }
    qsort(differing, count, sizeof(struct found *), by_time);
    for (size_t d = 0; d < count; d++) {
        bool beyond = is_beyond(range, differing[d]->to_ms);
        bool gone = range->floor_ms != INT64_MIN && differing[d]->from_ms < range->floor_ms;
        struct tl_unit *unit;

        TL_TRY(add_unit(walk->compare, range->view, differing[d]->from_ms, differing[d]->to_ms, differing[d]->key, &unit, err));
        TL_TRY(index_span(walk->compare, unit, err));
        unit->left_out = beyond || gone || !differing[d]->inside;
        unit->equal = !differing[d]->unequal;
        unit->equal_count = unit->equal ? differing[d]->inside_count : 0;
        unit->beside = range->asked_ms != range->from_ms && differing[d]->to_ms <= ends_limit(range, range->asked_ms);
        if (unit->beside)
            continue;
        counts->groups_count += !unit->left_out;
        counts->gone_count += gone;
        counts->beyond_count += beyond && !gone;
    }
out:
    free(differing);
    return rc;
}

/* The second walk: the rows of the differing spans. */
static enum tl_code collect_rows(struct walk *walk, struct tl_store *store, struct tl_err *err)
{
    const struct tl_compare_range *range = walk->range;
    struct pair pair;
    enum tl_code rc = TL_OK;

    TL_TRY(pair_open(&pair, store, walk->compare->beside, range->definition, ends_limit(range, walk->from_ms),
                     ends_limit(range, range->to_ms), err));
    for (;;) {
        const struct tl_stored_row *row;
        struct tl_unit *unit;

        TL_TRY(pair_next(&pair, err));
        row = any_row(&pair);
        if (row == NULL)
            break;
        unit = find_span(walk->compare, &walk->compare->identity, range->view, row->start_ms,
                         tl_unit_key(range->plan_view, range->shape, row->key));
        for (int side = 0; unit != NULL && side < TL_SIDES; side++)
            if (pair.rows[side] != NULL)
                TL_TRY(add_stored(walk->compare, unit, (enum tl_side)side, pair.rows[side], pair.equal, err));
    }
out:
    pair_close(&pair);
    return rc;
}

static enum tl_code compare_spans(struct tl_compare *compare, struct tl_store *store, const struct tl_compare_range *range,
                                  struct tl_compare_counts *counts, struct tl_err *err)
{
    struct walk walk = {.compare = compare, .range = range};
    enum tl_code rc = TL_OK;

    tl_table_init(&walk.keys, sizeof(struct found_key), 0);
    TL_TRY(find_spans(&walk, store, err));
    TL_TRY(grow_spans(&walk, err));
    TL_TRY(settle_spans(&walk, counts, err));
    TL_TRY(collect_rows(&walk, store, err));
out:
    tl_table_done(&walk.keys);
    return rc;
}

enum tl_code tl_compare_view(struct tl_compare *compare, struct tl_store *store, const struct tl_compare_range *range,
                             struct tl_compare_counts *counts, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (range->full)
        TL_TRY(know_range(compare, range, err));
    rc = tl_compare_by_span(range->plan_view) ? compare_spans(compare, store, range, counts, err)
                                              : compare_windows(compare, store, range, counts, err);
out:
    return rc;
}
