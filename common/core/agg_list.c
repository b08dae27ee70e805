/* agg_list.c: accumulators of LISTAGG: texts in the order of (event time, partition, offset, row number).
 *
 * Flink joins them as they arrive; by that, speed and batch could not agree. NULLs are skipped; the list of nothing is NULL.
 * With DISTINCT each text comes once, at its first place: the state is a set of texts (agg_set.h), each with a pointer to its place.
 * Without, it is an array, put in order when it is read: rows come nearly in order, so it mostly is.
 * One row has one place, but rows of an inner view (relay.c), and forged bytes, may share one; texts at the same place are in their own order.
 *
 * Byte form, of both: varint count; in order: place (agg_state.h), block text */
#include <stdlib.h>
#include <string.h>

#include "core/agg_set.h"
#include "core/agg_state.h"

struct entry {
    struct tl_agg_place place;
    struct tl_sv text;
};

struct entries {
    struct entry *items;
    uint32_t count, capacity;
    bool sorted;
};

struct list {
    struct entries *entries; /* NULL: none yet */
};

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = tl_agg_place_order(&x->place, &y->place);

    return order != 0 ? order : tl_sv_cmp(x->text, y->text);
}

static void sort(struct entries *entries)
{
    if (entries->count > 0 && !entries->sorted)
        qsort(entries->items, entries->count, sizeof *entries->items, by_place);
    entries->sorted = true;
}

/* --- the joined text, the bytes ---------------------------------------------------------------------------------------- */

static bool join(const struct entry *items, uint32_t count, struct tl_sv separator, struct tl_arena *arena, struct tl_sv *out)
{
    size_t size = 0;
    char *at;

    for (uint32_t i = 0; i < count; i++)
        if (tl_add_overflows(size, items[i].text.size + (i > 0 ? separator.size : 0), &size))
            return false;
    at = tl_arena_bytes(arena, size + 1);
    if (at == NULL)
        return false;
    *out = (struct tl_sv){at, size};
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && separator.size > 0) {
            memcpy(at, separator.data, separator.size);
            at += separator.size;
        }
        if (items[i].text.size > 0)
            memcpy(at, items[i].text.data, items[i].text.size);
        at += items[i].text.size;
    }
    return true;
}

static void entries_save(const struct entry *items, uint32_t count, struct tl_buf *out)
{
    tl_buf_put_varint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        tl_agg_place_save(&items[i].place, out);
        tl_buf_put_block(out, items[i].text);
    }
}

static bool entry_load(struct tl_reader *bytes, struct entry *out)
{
    if (!tl_agg_place_load(bytes, &out->place))
        return false;
    out->text = tl_reader_block(bytes);
    return !bytes->failed;
}

/* --- LISTAGG ----------------------------------------------------------------------------------------------------------- */

static bool list_add(struct list *list, const struct entry *entry, struct tl_arena *arena)
{
    struct entries *entries = list->entries;
    struct entry *last;

    if (entries == NULL) {
        entries = tl_arena_zalloc(arena, sizeof *entries);
        if (entries == NULL)
            return false;
        entries->sorted = true;
        list->entries = entries;
    }
    if (!TL_AGG_GROW(entries->items, entries->capacity, (uint64_t)entries->count + 1, arena))
        return false;
    last = &entries->items[entries->count];
    last->place = entry->place;
    if (!tl_arena_copy(arena, entry->text, &last->text))
        return false;
    if (entries->count > 0 && by_place(last - 1, last) > 0)
        entries->sorted = false;
    entries->count++;
    return true;
}

static bool list_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const struct tl_vec *arg = tl_agg_input(state, in, 0);

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];
        struct entry entry;

        if (arg->null[row])
            continue;
        entry = (struct entry){tl_agg_place_of(in, row), arg->sv[row]};
        if (!list_add(tl_agg_at(state, to->blocks[i]), &entry, to->arenas[i]))
            return false;
    }
    return true;
}

static bool list_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    const struct list *list = tl_agg_in(state, from);

    for (uint32_t i = 0; list->entries != NULL && i < list->entries->count; i++)
        if (!list_add(tl_agg_at(state, into), &list->entries->items[i], arena))
            return false;
    return true;
}

static bool list_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                        uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct list *list = tl_agg_in(state, blocks[i]);

        out->null[i] = list->entries == NULL || list->entries->count == 0;
        out->sv[i] = (struct tl_sv){NULL, 0};
        if (out->null[i])
            continue;
        sort(list->entries);
        if (!join(list->entries->items, list->entries->count, call->separator, arena, &out->sv[i]))
            return false;
    }
    return true;
}

static void list_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct list *list = tl_agg_in(state, block);

    if (list->entries != NULL)
        sort(list->entries);
    entries_save(list->entries != NULL ? list->entries->items : NULL, list->entries != NULL ? list->entries->count : 0, out);
}

static enum tl_code list_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct list *list = tl_agg_at(state, block);
    uint64_t count = tl_reader_varint(bytes);

    for (uint64_t i = 0; i < count && !bytes->failed; i++) {
        struct entry entry;

        if (!entry_load(bytes, &entry))
            return TL_ERR_CORRUPT;
        if (!list_add(list, &entry, arena))
            return TL_ERR_MEMORY;
        if (!list->entries->sorted)
            return TL_ERR_CORRUPT;
    }
    return bytes->failed ? TL_ERR_CORRUPT : TL_OK;
}

const struct tl_agg_shape tl_agg_list = {sizeof(struct list), list_step, list_merge, list_finish, list_save, list_load};

/* --- LISTAGG(DISTINCT) ------------------------------------------------------------------------------------------------- */

struct distinct_list {
    struct tl_set set;
    struct tl_agg_place *spare; /* for the next text: made before it is in the set, which cannot take it out again */
};

static struct tl_agg_place *place_of(uint64_t word)
{
    return (struct tl_agg_place *)(uintptr_t)word;
}

static bool set_add(struct distinct_list *list, const struct entry *entry, struct tl_arena *arena)
{
    uint64_t *word;

    if (list->spare == NULL && (list->spare = tl_arena_alloc(arena, sizeof *list->spare)) == NULL)
        return false;
    if (!tl_set_put_text_word(&list->set, entry->text, arena, &word))
        return false;
    if (*word == 0) {
        *list->spare = entry->place;
        *word = (uint64_t)(uintptr_t)list->spare;
        list->spare = NULL;
    } else if (tl_agg_place_order(&entry->place, place_of(*word)) < 0) {
        *place_of(*word) = entry->place;
    }
    return true;
}

static bool set_step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const struct tl_vec *arg = tl_agg_input(state, in, 0);

    for (uint32_t i = 0; i < to->count; i++) {
        uint32_t row = to->rows[i];
        struct entry entry;

        if (arg->null[row])
            continue;
        entry = (struct entry){tl_agg_place_of(in, row), arg->sv[row]};
        if (!set_add(tl_agg_at(state, to->blocks[i]), &entry, to->arenas[i]))
            return false;
    }
    return true;
}

static bool set_merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    const struct distinct_list *list = tl_agg_in(state, from);
    struct tl_set_member member;
    uint64_t at = 0;

    while (tl_set_next(&list->set, &at, &member)) {
        struct entry entry = {*place_of(member.word), member.text};

        if (!set_add(tl_agg_at(state, into), &entry, arena))
            return false;
    }
    return true;
}

/* The members in order of their places; `items` has room for them all. */
static void set_entries(const struct tl_set *set, struct entry *items)
{
    struct tl_set_member member;
    uint64_t at = 0;
    uint32_t count = 0;

    while (tl_set_next(set, &at, &member))
        items[count++] = (struct entry){*place_of(member.word), member.text};
    if (count > 0)
        qsort(items, count, sizeof *items, by_place);
}

static bool set_finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                       uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    struct entry *items = NULL;
    uint32_t capacity = 0;

    for (uint32_t i = 0; i < blocks_count; i++) {
        const struct tl_set *set = &((const struct distinct_list *)tl_agg_in(state, blocks[i]))->set;

        out->null[i] = tl_set_count(set) == 0;
        out->sv[i] = (struct tl_sv){NULL, 0};
        if (out->null[i])
            continue;
        if (!TL_AGG_GROW(items, capacity, tl_set_count(set), arena))
            return false;
        set_entries(set, items);
        if (!join(items, set->count, call->separator, arena, &out->sv[i]))
            return false;
    }
    return true;
}

static void set_save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct tl_set *set = &((const struct distinct_list *)tl_agg_in(state, block))->set;
    struct entry *items = calloc(set->count + 1u, sizeof *items);

    if (items == NULL) {
        out->failed = true;
        return;
    }
    set_entries(set, items);
    entries_save(items, set->count, out);
    free(items);
}

static enum tl_code set_load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct distinct_list *list = tl_agg_at(state, block);
    uint64_t count = tl_reader_varint(bytes);
    struct entry last =
                     {
                         .text = {NULL, 0}
    },
                 entry;

    for (uint64_t i = 0; i < count && !bytes->failed; i++) {
        if (!entry_load(bytes, &entry) || (i > 0 && by_place(&last, &entry) >= 0))
            return TL_ERR_CORRUPT;
        if (!set_add(list, &entry, arena))
            return TL_ERR_MEMORY;
        if (list->set.count != i + 1) /* a text that was there */
            return TL_ERR_CORRUPT;
        last = entry;
    }
    return bytes->failed ? TL_ERR_CORRUPT : TL_OK;
}

const struct tl_agg_shape tl_agg_list_distinct = {
    sizeof(struct distinct_list), set_step, set_merge, set_finish, set_save, set_load};
