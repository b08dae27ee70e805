/* table.c: a hash table from key bytes to a fixed-size state. */
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Eight bytes a slot, eight slots a cache line: a probe reads one line, and the tag (the hash's upper half; the slot's place is
 * made of its lower half) keeps it from visiting an entry that is not the one. */
struct tl_table_slot {
    uint32_t tag;
    uint32_t entry; /* entry number + 1; 0: empty */
};

static_assert(sizeof(struct tl_table_slot) == TL_TABLE_SLOT_BYTES, "tl_table_prefetch counts on it");

/* An entry: this, then the state (aligned for any type). A short key stands in the entry, so that comparing it touches no
 * other line.
 *
 *      0        8      12       16                 32
 *      +--------+------+--------+------------------+-----------+
 *      | hash   | size | number | key              | state ... |     size <= 16
 *      | hash   | size | number | pointer |        | state ... |     longer
 *      +--------+------+--------+------------------+-----------+ */
struct entry {
    uint64_t hash;
    uint32_t key_size;
    uint32_t number;
    union {
        char near[16];
        const char *far;
    } key;
};

enum {
    KEY_NEAR_MAX = 16,
    SLOTS_FIRST = 16,
    MEMORY_CHUNK_FIRST_BYTES = 4096,
    MEMORY_CHUNK_LAST_BYTES = 256 * 1024,
    /* Chunk 0 has 16 entries and each next one twice as many, up to 8192: a window with three keys stays small, and the
     * address of entry i is still a shift and a count of leading zeros away. */
    CHUNK_FIRST_LOG2 = 4,
    CHUNK_LAST_LOG2 = 13,
    CHUNKS_GROWING = CHUNK_LAST_LOG2 - CHUNK_FIRST_LOG2,
    ENTRIES_GROWING = (1 << CHUNK_LAST_LOG2) - (1 << CHUNK_FIRST_LOG2), /* in the chunks before the first of full size */
};

static_assert(sizeof(struct entry) == 32, "the header keeps the state aligned");
static_assert(offsetof(struct entry, key) + KEY_NEAR_MAX == sizeof(struct entry), "a short key fills the header");

uint64_t tl_hash_bytes(struct tl_sv bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}

static size_t stride_of(const struct tl_table *table)
{
    size_t align = _Alignof(max_align_t);

    return sizeof(struct entry) + ((table->state_bytes + (align - 1)) & ~(align - 1));
}

static void place_of(uint32_t i, uint32_t *chunk, uint32_t *offset)
{
    if (i < ENTRIES_GROWING) {
        uint32_t shifted = i + (1u << CHUNK_FIRST_LOG2);
        uint32_t log2 = 31u - (uint32_t)__builtin_clz(shifted);

        *chunk = log2 - CHUNK_FIRST_LOG2;
        *offset = shifted - (1u << log2);
    } else {
        *chunk = CHUNKS_GROWING + ((i - ENTRIES_GROWING) >> CHUNK_LAST_LOG2);
        *offset = (i - ENTRIES_GROWING) & ((1u << CHUNK_LAST_LOG2) - 1);
    }
}

static uint32_t chunk_entries(uint32_t chunk)
{
    return 1u << (chunk < CHUNKS_GROWING ? chunk + CHUNK_FIRST_LOG2 : CHUNK_LAST_LOG2);
}

static struct entry *entry_at(const struct tl_table *table, uint32_t i)
{
    uint32_t chunk, offset;

    place_of(i, &chunk, &offset);
    return (struct entry *)(void *)((char *)table->chunks[chunk] + offset * stride_of(table));
}

static const char *entry_key(const struct entry *entry)
{
    return entry->key_size <= KEY_NEAR_MAX ? entry->key.near : entry->key.far;
}

static void *entry_state(struct entry *entry)
{
    return entry + 1;
}

void tl_table_init(struct tl_table *table, size_t state_bytes, uint32_t count_max)
{
    assert(state_bytes <= UINT32_MAX / 2);
    *table = (struct tl_table){
        .state_bytes = (uint32_t)state_bytes,
        /* The entry number + 1 and the number of slots (a power of two, at most three quarters full) are 32 bits wide. */
        .count_max = count_max == 0 || count_max > UINT32_C(3) << 29 ? UINT32_C(3) << 29 : count_max,
    };
    tl_arena_init(&table->memory, MEMORY_CHUNK_FIRST_BYTES, 0);
}

void tl_table_done(struct tl_table *table)
{
    free(table->slots);
    free(table->chunks);
    tl_arena_done(&table->memory);
    table->slots = NULL;
    table->chunks = NULL;
    table->slots_count = table->count = table->chunks_count = table->chunks_capacity = 0;
}

void tl_table_reset(struct tl_table *table)
{
    uint32_t mask = table->slots_count - 1;

    if (table->count > 0 && table->count < table->slots_count / 16) {
        /* A few entries in what was once a large table: only their slots are cleared. An emptied slot on the way does not end
         * the search, for the entry's own slot is known to come. */
        for (uint32_t i = 0; i < table->count; i++) {
            uint32_t at = (uint32_t)entry_at(table, i)->hash & mask;

            while (table->slots[at].entry != i + 1)
                at = (at + 1) & mask;
            table->slots[at] = (struct tl_table_slot){0, 0};
        }
    } else if (table->count > 0) {
        memset(table->slots, 0, table->slots_count * sizeof *table->slots);
    }
    tl_arena_reset(&table->memory);
    table->memory.chunk_bytes = MEMORY_CHUNK_FIRST_BYTES; /* the same requests find the same chunks */
    table->count = 0;
    table->chunks_count = 0;
}

/* The entry with the key, or NULL and in *empty the slot where it belongs. */
static struct entry *lookup(const struct tl_table *table, uint64_t hash, struct tl_sv key, uint32_t *empty)
{
    uint32_t mask = table->slots_count - 1, tag = (uint32_t)(hash >> 32);

    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        struct tl_table_slot slot = table->slots[at];
        struct entry *entry;

        if (slot.entry == 0) {
            *empty = at;
            return NULL;
        }
        if (slot.tag != tag)
            continue;
        entry = entry_at(table, slot.entry - 1);
        if (entry->hash == hash && entry->key_size == key.size &&
            (key.size == 0 || memcmp(entry_key(entry), key.data, key.size) == 0))
            return entry;
    }
}

void tl_table_prefetch_entry(const struct tl_table *table, uint64_t hash)
{
    const struct tl_table_slot *slot;

    if (table->slots_count == 0)
        return;
    slot = &table->slots[(uint32_t)hash & (table->slots_count - 1)];
    if (slot->entry != 0 && slot->tag == (uint32_t)(hash >> 32))
        __builtin_prefetch(entry_at(table, slot->entry - 1));
}

static bool slots_grow(struct tl_table *table)
{
#ifdef TL_TINY
    uint32_t first = 2;
#else
    uint32_t first = SLOTS_FIRST;
#endif
    uint32_t count = table->slots_count == 0 ? first : table->slots_count * 2, mask = count - 1;
    struct tl_table_slot *slots = calloc(count, sizeof *slots);

    if (slots == NULL)
        return false;
    /* Entries are read in their order; only the slots are written at random. */
    for (uint32_t i = 0; i < table->count; i++) {
        uint64_t hash = entry_at(table, i)->hash;
        uint32_t at = (uint32_t)hash & mask;

        while (slots[at].entry != 0)
            at = (at + 1) & mask;
        slots[at] = (struct tl_table_slot){(uint32_t)(hash >> 32), i + 1};
    }
    free(table->slots);
    table->slots = slots;
    table->slots_count = count;
    return true;
}

static bool chunk_ready(struct tl_table *table, uint32_t chunk)
{
    size_t bytes;

    if (chunk < table->chunks_count)
        return true;
    if (chunk == table->chunks_capacity) {
        uint32_t capacity = table->chunks_capacity == 0 ? 16 : table->chunks_capacity * 2;
        void **chunks = realloc(table->chunks, capacity * sizeof *chunks);

        if (chunks == NULL)
            return false;
        table->chunks = chunks;
        table->chunks_capacity = capacity;
    }
    if (tl_mul_overflows(stride_of(table), (size_t)chunk_entries(chunk), &bytes))
        return false;
    /* What stands beside the entries (long keys, what states point at) grows in step with them. */
    if (bytes > table->memory.chunk_bytes && table->memory.chunk_bytes < MEMORY_CHUNK_LAST_BYTES)
        table->memory.chunk_bytes *= 2;
    table->chunks[chunk] = tl_arena_alloc(&table->memory, bytes);
    if (table->chunks[chunk] == NULL)
        return false;
    table->chunks_count = chunk + 1;
    return true;
}

void *tl_table_put(struct tl_table *table, uint64_t hash, struct tl_sv key, bool *is_new)
{
    uint32_t empty = 0, chunk, offset;
    struct entry *entry = table->slots_count == 0 ? NULL : lookup(table, hash, key, &empty);
    const char *far = NULL;

    if (entry != NULL) {
        if (is_new != NULL)
            *is_new = false;
        return entry_state(entry);
    }
    if (table->count >= table->count_max || key.size > UINT32_MAX)
        return NULL;
    place_of(table->count, &chunk, &offset);
    if (!chunk_ready(table, chunk))
        return NULL;
    if ((uint64_t)(table->count + 1) * 4 > (uint64_t)table->slots_count * 3) {
        if (!slots_grow(table))
            return NULL;
        lookup(table, hash, key, &empty);
    }
    if (key.size > KEY_NEAR_MAX) {
        char *copy = tl_arena_bytes(&table->memory, key.size);

        if (copy == NULL)
            return NULL;
        far = memcpy(copy, key.data, key.size);
    }
    entry = entry_at(table, table->count);
    memset(entry, 0, stride_of(table));
    entry->hash = hash;
    entry->key_size = (uint32_t)key.size;
    entry->number = table->count;
    if (far != NULL)
        entry->key.far = far;
    else if (key.size > 0)
        memcpy(entry->key.near, key.data, key.size);
    table->slots[empty] = (struct tl_table_slot){(uint32_t)(hash >> 32), table->count + 1};
    table->count++;
    if (is_new != NULL)
        *is_new = true;
    return entry_state(entry);
}

void *tl_table_find(const struct tl_table *table, uint64_t hash, struct tl_sv key)
{
    uint32_t empty;
    struct entry *entry = table->slots_count == 0 ? NULL : lookup(table, hash, key, &empty);

    return entry == NULL ? NULL : entry_state(entry);
}

void *tl_table_at(const struct tl_table *table, uint32_t i, struct tl_sv *key, uint64_t *hash)
{
    struct entry *entry;

    assert(i < table->count);
    entry = entry_at(table, i);
    if (key != NULL)
        *key = (struct tl_sv){entry_key(entry), entry->key_size};
    if (hash != NULL)
        *hash = entry->hash;
    return entry_state(entry);
}

uint32_t tl_table_number(const struct tl_table *table, const void *state)
{
    uint32_t number = ((const struct entry *)state)[-1].number;

    assert(number < table->count && entry_state(entry_at(table, number)) == state);
    return number;
}

size_t tl_table_bytes(const struct tl_table *table)
{
    return table->memory.held_bytes + table->slots_count * sizeof *table->slots + table->chunks_capacity * sizeof *table->chunks;
}

static int by_key(const void *a, const void *b, void *table)
{
    struct tl_sv key_a, key_b;

    (void)tl_table_at(table, *(const uint32_t *)a, &key_a, NULL);
    (void)tl_table_at(table, *(const uint32_t *)b, &key_b, NULL);
    return tl_sv_cmp(key_a, key_b);
}

enum tl_code tl_table_sorted(const struct tl_table *table, uint32_t **out, struct tl_err *err)
{
    uint32_t *order = malloc(((size_t)table->count + 1) * sizeof *order);

    if (order == NULL)
        return tl_fail_memory(err, table->count * sizeof *order);
    for (uint32_t i = 0; i < table->count; i++)
        order[i] = i;
    qsort_r(order, table->count, sizeof *order, by_key, (void *)(uintptr_t)(const void *)table);
    *out = order;
    return TL_OK;
}
