/* agg_set.c: an exact set of numbers or of texts that grows without leaving memory behind.
 *
 * A member's key is a 64-bit hash that no other number has (the finalizer of MurmurHash3 is a bijection), or for a text 32 bits of its hash
 * above the 32-bit reference to where it is kept. Members stand in order of key (texts of equal hash in order of their bytes): that makes
 * iteration canonical, and lets the table grow where it stands.
 *
 *     up to DENSE_MAX members   a sorted array, doubled when it is full
 *     beyond                    a table of slots in chunks; 0 is an empty slot
 *
 *         slots  |   | a | b |   | c | d | e |   |   | f |   |   |          keys a < b < c < ... < f
 *                0           ^home(d)              homes       slots
 *
 * home(key) = key * homes / 2^64, so homes are in order too. A member stands at its home or behind it with no empty slot between: a search
 * begins at the home and ends at the first empty slot or greater key. There is no wrapping around: behind the homes there are some slots
 * more, and a chunk more when these do not do.
 *
 * When more than LOAD_MAX of the homes are in use, there are to be a quarter more. Chunks are added, all members move to the very end
 * (from the last on), and then (from the first on) each to its new home or behind the one before it. Such a move never overtakes the
 * members still to be moved when, for each member j of n, home(j) <= slots - n + j: so many slots there must be, which one look at all
 * members finds out. Hashes that cluster can make that twice the members, and searches slow, but never wrong. */
#include "core/agg_set.h"

#include <string.h>

#include "base/table.h"
#include "core/agg_state.h"

#ifdef TL_TINY
enum { CHUNK_BITS = 2, DENSE_MAX = 3 };
#else
enum { CHUNK_BITS = 9, DENSE_MAX = 256 };
#endif
enum { CHUNK_SLOTS = 1 << CHUNK_BITS, TAIL_SLOTS = 32, LOAD_MAX_EIGHTHS = 7 };

__extension__ typedef unsigned __int128 u128;

/* --- texts: kept in blocks, referred to by 32 bits --------------------------------------------------------------------- */

/* Place q (in bytes, from 64 on) is in block k of 64 << k bytes, which begins at place 64 << k; from 1 MiB on blocks have that size. A
 * reference is q / 4, so there may be 16 GiB. A longer text has several blocks that lie side by side. At a place: varint size, bytes. */
enum { PLACE_MIN = 64, FIRST_BITS = 6, LARGE_BITS = 20, UNIT = 4, LARGE_BLOCK = 1 << LARGE_BITS };

struct tl_set_texts {
    char **blocks;
    uint32_t blocks_count, blocks_capacity;
    uint64_t used; /* the next free place */
};

static uint32_t block_of(uint64_t place)
{
    if (place < LARGE_BLOCK)
        return (uint32_t)(63 - __builtin_clzll(place)) - FIRST_BITS;
    return (uint32_t)(LARGE_BITS - FIRST_BITS + (place >> LARGE_BITS) - 1);
}

static uint64_t block_start(uint64_t place)
{
    if (place < LARGE_BLOCK)
        return UINT64_C(1) << (63 - __builtin_clzll(place));
    return place & ~(uint64_t)(LARGE_BLOCK - 1);
}

static uint64_t block_bytes(uint64_t place)
{
    return place < LARGE_BLOCK ? block_start(place) : LARGE_BLOCK;
}

static struct tl_sv text_at(const struct tl_set_texts *texts, uint32_t ref)
{
    uint64_t place = (uint64_t)ref * UNIT;
    const char *at = texts->blocks[block_of(place)] + (place - block_start(place));
    struct tl_reader reader = {at, at + 10, false};
    size_t size = (size_t)tl_reader_varint(&reader);

    return (struct tl_sv){reader.at, size};
}

/* Makes the blocks that hold `bytes` from `place` on, which begins a block or stands in one that is there. */
static bool blocks_make(struct tl_set_texts *texts, uint64_t place, uint64_t bytes, struct tl_arena *arena)
{
    uint32_t first = block_of(place), last = block_of(place + bytes - 1);
    char *memory;

    if (first < texts->blocks_count && texts->blocks[first] != NULL)
        return true;
    if (!TL_AGG_GROW(texts->blocks, texts->blocks_capacity, (uint64_t)last + 1, arena))
        return false;
    memory = tl_arena_bytes(arena, (size_t)(last - first + 1) * (size_t)block_bytes(place));
    if (memory == NULL)
        return false;
    while (texts->blocks_count <= last)
        texts->blocks[texts->blocks_count++] = NULL; /* passed over: too small */
    for (uint32_t i = first; i <= last; i++)
        texts->blocks[i] = memory + (size_t)(i - first) * LARGE_BLOCK;
    return true;
}

static bool text_put(struct tl_set_texts *texts, struct tl_sv text, struct tl_arena *arena, uint32_t *ref)
{
    uint64_t place = texts->used, bytes;
    char head[10], *at;
    size_t head_size = 0;

    for (uint64_t rest = text.size; head_size == 0 || rest > 0; rest >>= 7)
        head[head_size++] = (char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    bytes = (head_size + text.size + UNIT - 1) / UNIT * UNIT;
    /* A block is not straddled, but for a text that no block holds. */
    if (place + bytes > block_start(place) + block_bytes(place)) {
        place = block_start(place) + block_bytes(place);
        while (place < LARGE_BLOCK && bytes > block_bytes(place))
            place += block_bytes(place);
    }
    if ((place + bytes) / UNIT > UINT32_MAX || !blocks_make(texts, place, bytes, arena))
        return false;
    at = texts->blocks[block_of(place)] + (place - block_start(place));
    memcpy(at, head, head_size);
    if (text.size > 0)
        memcpy(at + head_size, text.data, text.size);
    *ref = (uint32_t)(place / UNIT);
    texts->used = place + bytes;
    return true;
}

/* --- keys -------------------------------------------------------------------------------------------------------------- */

/* MurmurHash3's finalizer and the way back. */
static uint64_t key_of(uint64_t value)
{
    value ^= value >> 33;
    value *= UINT64_C(0xff51afd7ed558ccd);
    value ^= value >> 33;
    value *= UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ value >> 33;
}

static uint64_t value_of(uint64_t key)
{
    key ^= key >> 33;
    key *= UINT64_C(0x9cb4b2f8129337db);
    key ^= key >> 33;
    key *= UINT64_C(0x4f74430c22a54005);
    return key ^ key >> 33;
}

/* Only the upper half of a text's key is its own: the lower one is where it happens to be kept. */
static uint64_t text_key(struct tl_sv text)
{
    return tl_hash_bytes(text) & ~(uint64_t)UINT32_MAX;
}

struct wanted {
    uint64_t key;
    struct tl_sv text;
};

/* The member in a slot against the one that is looked for. */
static inline int member_order(const struct tl_set *set, uint64_t key, const struct wanted *wanted)
{
    if (set->texts != NULL) {
        if (key >> 32 == wanted->key >> 32)
            return tl_sv_cmp(text_at(set->texts, (uint32_t)key), wanted->text);
    }
    return (key > wanted->key) - (key < wanted->key);
}

static inline uint32_t home_of(uint64_t key, uint32_t homes)
{
    return (uint32_t)((key >> 32) * homes >> 32);
}

/* --- slots ------------------------------------------------------------------------------------------------------------- */

static inline uint64_t *slot_at(const struct tl_set *set, uint32_t i)
{
    uint64_t *const *chunks = set->memory;

    return chunks[i >> CHUNK_BITS] + ((size_t)(i & (CHUNK_SLOTS - 1)) << set->worded);
}

static inline void slot_move(const struct tl_set *set, uint32_t to, uint32_t from)
{
    uint64_t *a = slot_at(set, to), *b = slot_at(set, from);

    a[0] = b[0];
    b[0] = 0;
    if (set->worded)
        a[1] = b[1];
}

/* At least so many slots. */
static bool slots_grow(struct tl_set *set, uint64_t wanted, struct tl_arena *arena)
{
    uint64_t **chunks = set->memory;
    uint32_t have = set->slots >> CHUNK_BITS;
    uint64_t want = (wanted + CHUNK_SLOTS - 1) >> CHUNK_BITS;

    if (!TL_AGG_GROW(chunks, set->chunks_capacity, want, arena))
        return false;
    set->memory = chunks;
    for (; have < want; have++) {
        chunks[have] = tl_arena_zalloc(arena, (size_t)CHUNK_SLOTS * sizeof(uint64_t) << set->worded);
        if (chunks[have] == NULL)
            return false;
        set->slots += CHUNK_SLOTS;
    }
    return true;
}

/* More homes for the same members. */
static bool table_widen(struct tl_set *set, uint32_t homes, struct tl_arena *arena)
{
    uint32_t old_slots = set->slots, seen = 0, at, last;
    uint64_t spare = TAIL_SLOTS; /* most of home(j) - j */

    for (uint32_t i = 0; i < old_slots && seen < set->count; i++) {
        uint64_t key = *slot_at(set, i);

        if (key != 0) {
            uint32_t home = home_of(key, homes);

            if (home > seen && home - seen > spare)
                spare = home - seen;
            seen++;
        }
    }
    if (!slots_grow(set, (uint64_t)tl_max_i64((int64_t)(set->count + spare), (int64_t)homes + TAIL_SLOTS), arena))
        return false;
    at = set->slots;
    for (uint32_t i = old_slots; i-- > 0;)
        if (*slot_at(set, i) != 0)
            if (--at != i)
                slot_move(set, at, i);
    last = 0;
    for (uint32_t i = set->slots - set->count; i < set->slots; i++) {
        uint32_t home = home_of(*slot_at(set, i), homes);
        uint32_t to = home > last ? home : last;

        assert(to <= i);
        if (to != i)
            slot_move(set, to, i);
        last = to + 1;
    }
    set->homes = homes;
    return true;
}

/* From the sorted array to the table. */
static bool table_make(struct tl_set *set, struct tl_arena *arena)
{
    struct tl_set table = {.worded = set->worded, .texts = set->texts, .count = set->count, .zero_word = set->zero_word};
    const uint64_t *dense = set->memory;

    /* In the first slots side by side, as if there were no homes yet. */
    if (!slots_grow(&table, set->count, arena))
        return false;
    for (uint32_t i = 0; i < set->count; i++)
        memcpy(slot_at(&table, i), dense + ((size_t)i << set->worded), sizeof *dense << set->worded);
    if (!table_widen(&table, set->count + set->count / 2, arena))
        return false;
    *set = table;
    return true;
}

/* --- put --------------------------------------------------------------------------------------------------------------- */

/* The new slot's key; a text is kept now. */
static bool key_make(struct tl_set *set, const struct wanted *wanted, struct tl_arena *arena, uint64_t *key)
{
    uint32_t ref;

    *key = wanted->key;
    if (set->texts == NULL)
        return true;
    if (!text_put(set->texts, wanted->text, arena, &ref))
        return false;
    *key |= ref;
    return true;
}

static bool put_dense(struct tl_set *set, const struct wanted *wanted, struct tl_arena *arena, uint64_t **slot)
{
    uint32_t low = 0, high = set->count;
    uint64_t *slots = set->memory, key;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = member_order(set, slots[(size_t)middle << set->worded], wanted);

        if (order == 0) {
            *slot = slots + ((size_t)middle << set->worded);
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (set->count == set->slots) {
        uint32_t slots_count = set->slots == 0 ? 4 : set->slots * 2;
        uint64_t *grown = tl_arena_alloc(arena, slots_count * sizeof *grown << set->worded);

        if (grown == NULL)
            return false;
        if (set->count > 0)
            memcpy(grown, slots, set->count * sizeof *grown << set->worded);
        set->memory = slots = grown;
        set->slots = slots_count;
    }
    if (!key_make(set, wanted, arena, &key))
        return false;
    *slot = slots + ((size_t)low << set->worded);
    memmove(*slot + (1 << set->worded), *slot, (set->count - low) * sizeof *slots << set->worded);
    (*slot)[0] = key;
    if (set->worded)
        (*slot)[1] = 0;
    set->count++;
    return true;
}

/* True: it is there. Else *at is where it belongs, before the next greater one. */
static bool table_find(const struct tl_set *set, const struct wanted *wanted, uint32_t *at)
{
    for (*at = home_of(wanted->key, set->homes); *at < set->slots; ++*at) {
        uint64_t key = *slot_at(set, *at);
        int order;

        if (key == 0)
            return false;
        order = member_order(set, key, wanted);
        if (order >= 0)
            return order == 0;
    }
    return false;
}

static bool put_table(struct tl_set *set, const struct wanted *wanted, struct tl_arena *arena, uint64_t **slot)
{
    uint32_t at, end;
    uint64_t key;

    if (table_find(set, wanted, &at)) {
        *slot = slot_at(set, at);
        return true;
    }
    if (set->count == TL_SET_COUNT_MAX)
        return false;
    if ((uint64_t)set->count * 8 >= (uint64_t)set->homes * LOAD_MAX_EIGHTHS) {
        if (!table_widen(set, set->homes + set->homes / 4 + 1, arena))
            return false;
        (void)table_find(set, wanted, &at);
    }
    for (end = at; end < set->slots && *slot_at(set, end) != 0;)
        end++;
    if ((end == set->slots && !slots_grow(set, (uint64_t)end + 1, arena)) || !key_make(set, wanted, arena, &key))
        return false;
    for (; end > at; end--)
        slot_move(set, end, end - 1);
    *slot = slot_at(set, at);
    (*slot)[0] = key;
    if (set->worded)
        (*slot)[1] = 0;
    set->count++;
    return true;
}

static bool put(struct tl_set *set, const struct wanted *wanted, struct tl_arena *arena, uint64_t **slot)
{
    if (set->homes == 0 && set->count == DENSE_MAX && !table_make(set, arena))
        return false;
    return set->homes == 0 ? put_dense(set, wanted, arena, slot) : put_table(set, wanted, arena, slot);
}

bool tl_set_put(struct tl_set *set, uint64_t value, struct tl_arena *arena)
{
    struct wanted wanted = {.key = key_of(value)};
    uint64_t *slot;

    if (wanted.key == 0) {
        set->zero_word = 1;
        return true;
    }
    return put(set, &wanted, arena, &slot);
}

bool tl_set_put_word(struct tl_set *set, uint64_t value, struct tl_arena *arena, uint64_t **word)
{
    struct wanted wanted = {.key = key_of(value)};
    uint64_t *slot;

    if (wanted.key == 0) {
        *word = &set->zero_word;
        return true;
    }
    set->worded = true;
    if (!put(set, &wanted, arena, &slot))
        return false;
    *word = slot + 1;
    return true;
}

static bool texts_make(struct tl_set *set, struct tl_arena *arena)
{
    if (set->texts != NULL)
        return true;
    set->texts = tl_arena_zalloc(arena, sizeof *set->texts);
    if (set->texts == NULL)
        return false;
    set->texts->used = PLACE_MIN;
    return true;
}

bool tl_set_put_text(struct tl_set *set, struct tl_sv text, struct tl_arena *arena)
{
    struct wanted wanted = {text_key(text), text};
    uint64_t *slot;

    return texts_make(set, arena) && put(set, &wanted, arena, &slot);
}

bool tl_set_put_text_word(struct tl_set *set, struct tl_sv text, struct tl_arena *arena, uint64_t **word)
{
    struct wanted wanted = {text_key(text), text};
    uint64_t *slot;

    set->worded = true;
    if (!texts_make(set, arena) || !put(set, &wanted, arena, &slot))
        return false;
    *word = slot + 1;
    return true;
}

/* --- walk -------------------------------------------------------------------------------------------------------------- */

/* *at is 0 before the number whose key is 0, else one more than the slot to look at next. */
bool tl_set_next(const struct tl_set *set, uint64_t *at, struct tl_set_member *out)
{
    uint64_t i = *at;

    if (i == 0) {
        *at = i = 1;
        if (set->zero_word != 0) {
            *out = (struct tl_set_member){.value = 0, .word = set->zero_word};
            return true;
        }
    }
    for (i--; i < (set->homes == 0 ? set->count : set->slots); i++) {
        const uint64_t *slot =
            set->homes == 0 ? (const uint64_t *)set->memory + ((size_t)i << set->worded) : slot_at(set, (uint32_t)i);

        if (*slot != 0) {
            *at = i + 2;
            *out = (struct tl_set_member){.word = set->worded ? slot[1] : 1};
            if (set->texts != NULL)
                out->text = text_at(set->texts, (uint32_t)*slot);
            else
                out->value = value_of(*slot);
            return true;
        }
    }
    *at = i + 1;
    return false;
}

int tl_set_order(const struct tl_set_member *a, const struct tl_set_member *b, bool texts)
{
    uint64_t x = texts ? text_key(a->text) : key_of(a->value), y = texts ? text_key(b->text) : key_of(b->value);

    return x != y ? (x > y) - (x < y) : texts ? tl_sv_cmp(a->text, b->text) : 0;
}
