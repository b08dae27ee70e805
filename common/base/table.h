/* table.h: a hash table from key bytes to a fixed-size state.
 *
 * Open addressing over an index of (tag, entry number); entries stand in chunks that never move, so a state's address is
 * good until reset. A key is copied once, when it is first put. Nothing is ever deleted alone: a table lives and dies
 * with its window. The caller hashes (tl_hash_bytes), so that one hash can serve several tables.
 * Runs on: one thread. */
#ifndef TL_TABLE_H
#define TL_TABLE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/sv.h"

struct tl_table_slot;

struct tl_table {
    struct tl_table_slot *slots;
    uint32_t slots_count; /* a power of two, or 0 before the first put */
    uint32_t count;       /* entries */
    uint32_t count_max;
    uint32_t state_bytes;
    struct tl_arena memory; /* entries, keys, and what states point at */
    void **chunks;
    uint32_t chunks_count, chunks_capacity;
};

uint64_t tl_hash_bytes(struct tl_sv bytes); /* XXH3, 64 bits: stable, and what is written to disk may depend on it */

/* count_max 0: no limit but that of the numbers, 3 * 2^29. States are aligned for any type. */
void tl_table_init(struct tl_table *table, size_t state_bytes, uint32_t count_max);
void tl_table_done(struct tl_table *table);
void tl_table_reset(struct tl_table *table); /* empties it, keeps its memory */
/* The key's state, zeroed when the key is new (is_new may be NULL). NULL when memory or count_max ends; the table is then unchanged. */
TL_MUST_USE void *tl_table_put(struct tl_table *table, uint64_t hash, struct tl_sv key, bool *is_new);
void *tl_table_find(const struct tl_table *table, uint64_t hash, struct tl_sv key); /* NULL: not there */
/* Asks for the line that a put or find with this hash will read first: worth it some keys ahead, in tables beyond the cache. */
#define TL_TABLE_SLOT_BYTES 8
static inline void tl_table_prefetch(const struct tl_table *table, uint64_t hash)
{
    if (table->slots_count > 0)
        __builtin_prefetch((const char *)table->slots +
                           (size_t)((uint32_t)hash & (table->slots_count - 1)) * TL_TABLE_SLOT_BYTES);
}
/* The same for the entry that seems to be the key's; worth it when the prefetch before it has come. */
void tl_table_prefetch_entry(const struct tl_table *table, uint64_t hash);
/* The same for a table as a whole that has lain by for long, of which its struct is near: first where things lie, and then, when that has
 * come, the slots and the first entries. */
static inline void tl_table_prefetch_places(const struct tl_table *table)
{
    const char *slots = (const char *)table->slots;
    size_t bytes = (size_t)table->slots_count * TL_TABLE_SLOT_BYTES;

    __builtin_prefetch(table->chunks);
    if (bytes > 0 && bytes <= 256) {
        for (size_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(slots + at, 1);
        __builtin_prefetch(slots + bytes - 1, 1);
    }
}
static inline void tl_table_prefetch_entries(const struct tl_table *table)
{
    if (table->chunks_capacity > 0)
        for (size_t line = 0; line < 16; line++)
            __builtin_prefetch((const char *)table->chunks[0] + 64 * line, 1);
}
/* Entry number `i` (0 .. count-1) in order of first put. */
void *tl_table_at(const struct tl_table *table, uint32_t i, struct tl_sv *key, uint64_t *hash);
/* The entry number of a state that put, find or at gave. */
uint32_t tl_table_number(const struct tl_table *table, const void *state);
/* The entry numbers in order of their keys' bytes; the caller frees them. */
TL_MUST_USE enum tl_code tl_table_sorted(const struct tl_table *table, uint32_t **out, struct tl_err *err);
/* Memory with the table's lifetime, for what a state points at. */
static inline struct tl_arena *tl_table_arena(struct tl_table *table)
{
    return &table->memory;
}
size_t tl_table_bytes(const struct tl_table *table); /* all it holds from malloc */

#endif
