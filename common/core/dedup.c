/* dedup.c: event ids already counted. See dedup.h.
 *
 * Both forms are open addressing with linear probing over a capacity that need not be a power of two: the home of a hash is
 * its upper bits times the capacity (Lemire's fast range), so tables can grow by less than 2 and stay full enough for the
 * promised 24 bytes an id. The horizon keeps its ids in a queue of chunks in the order they came, and an index of queue positions
 * beside it; the queue's front is what is forgotten next. */
#include "core/dedup.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct tl_id tl_id_of(struct tl_sv id, int64_t event_time_ms)
{
    XXH128_hash_t hash = XXH3_128bits(id.data, id.size);
    struct tl_id out = {hash.high64, (uint32_t)hash.low64, (uint32_t)XXH3_64bits(&event_time_ms, sizeof event_time_ms)};

    if (out.high == 0 && out.low == 0) /* the empty slot of an id set */
        out.low = 1;
    return out;
}

static uint32_t home_of(uint64_t hash, uint32_t capacity)
{
    return (uint32_t)(((hash >> 32) * capacity) >> 32);
}

/* ---- the horizon ---- */

#ifdef TL_TINY
enum { CHUNK_IDS = 2, CHUNK_IDS_MIN = 1, INDEX_MIN = 2 };
#else
enum { CHUNK_IDS = 4096, CHUNK_IDS_MIN = 4, INDEX_MIN = 64 };
#endif

struct entry {
    uint64_t high;
    uint32_t time;
    uint32_t log; /* log timestamp less the chunk's base; never above UINT32_MAX, a chunk ends there */
};

struct chunk {
    int64_t base_ms;
    uint32_t count; /* ids in it; less than its room where the base had to change */
    uint32_t room;  /* at most CHUNK_IDS */
    uint64_t first; /* position of its first id */
    struct entry ids[];
};

/* Positions count all ids ever remembered, and live ones span at most ids_max, so 30 bits tell them apart.
 *
 *   index slot   31      30         29 .. 0
 *                used    by time    low bits of the position      (0: empty)
 *
 * The newest event of an id stands where its id says, the others of the same id where id and time say: so an id that stands on very
 * many events, each with a time of its own, is no chain of them all. The oldest event of an id is forgotten first, and is its newest only
 * where it is the last: nothing ever has to be put in its place.
 *
 * Chunks are found through a small ring of chunk pointers: positions are dense, but
 * chunks may be short, so the ring is searched by binary search over `first`. */
#define SLOT_USED (1u << 31)
#define SLOT_BY_TIME (1u << 30)
#define SLOT_POSITION (SLOT_BY_TIME - 1)

struct tl_horizon {
    int64_t horizon_ms;
    uint32_t ids_max;
    int64_t newest_ms;
    uint64_t front, back; /* live positions are [front, back) */
    uint64_t saved;       /* positions below it are in the store */
    struct chunk **chunks;
    uint32_t chunks_count, chunks_capacity, chunks_first;
    struct chunk *spare;
    size_t chunks_bytes; /* the spare's too */
    uint32_t *index;
    uint32_t index_capacity;
};

enum tl_code tl_horizon_open(int64_t horizon_ms, uint32_t ids_max, struct tl_horizon **out, struct tl_err *err)
{
    struct tl_horizon *horizon = calloc(1, sizeof *horizon);

    if (horizon == NULL)
        return tl_fail_memory(err, sizeof *horizon);
    horizon->horizon_ms = horizon_ms;
    horizon->ids_max = ids_max;
    horizon->newest_ms = INT64_MIN;
    *out = horizon;
    return TL_OK;
}

void tl_horizon_close(struct tl_horizon *horizon)
{
    if (horizon == NULL)
        return;
    for (uint32_t i = 0; i < horizon->chunks_count; i++)
        free(horizon->chunks[horizon->chunks_first + i]);
    free(horizon->spare);
    free(horizon->chunks);
    free(horizon->index);
    free(horizon);
}

size_t tl_horizon_count(const struct tl_horizon *horizon)
{
    return (size_t)(horizon->back - horizon->front);
}

size_t tl_horizon_bytes(const struct tl_horizon *horizon)
{
    return sizeof *horizon + horizon->chunks_bytes + horizon->chunks_capacity * sizeof(struct chunk *) +
           (size_t)horizon->index_capacity * sizeof *horizon->index;
}

static size_t chunk_bytes(uint32_t room)
{
    return sizeof(struct chunk) + room * sizeof(struct entry);
}

static void chunk_free(struct tl_horizon *horizon, struct chunk *chunk)
{
    if (chunk == NULL)
        return;
    horizon->chunks_bytes -= chunk_bytes(chunk->room);
    free(chunk);
}

static struct chunk *chunk_make(struct tl_horizon *horizon, uint32_t room)
{
    struct chunk *chunk = horizon->spare;

    horizon->spare = NULL;
    if (chunk != NULL && chunk->room == room)
        return chunk;
    chunk_free(horizon, chunk);
    chunk = malloc(chunk_bytes(room));
    if (chunk == NULL)
        return NULL;
    chunk->room = room;
    horizon->chunks_bytes += chunk_bytes(room);
    return chunk;
}

static struct chunk *chunk_of(const struct tl_horizon *horizon, uint64_t position)
{
    uint32_t low = horizon->chunks_first, high = horizon->chunks_first + horizon->chunks_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (horizon->chunks[middle]->first <= position)
            low = middle;
        else
            high = middle;
    }
    return horizon->chunks[low];
}

static struct entry *entry_at(const struct tl_horizon *horizon, uint64_t position, int64_t *log_ms)
{
    struct chunk *chunk = chunk_of(horizon, position);
    struct entry *entry = &chunk->ids[position - chunk->first];

    *log_ms = chunk->base_ms + (int64_t)entry->log;
    return entry;
}

/* The position that an index slot stands for: the live one with these low bits. */
static uint64_t position_of(const struct tl_horizon *horizon, uint32_t slot)
{
    return horizon->front + ((slot - (uint32_t)horizon->front) & SLOT_POSITION);
}

static const struct entry *entry_of(const struct tl_horizon *horizon, uint32_t slot, int64_t *log_ms)
{
    return entry_at(horizon, position_of(horizon, slot), log_ms);
}

static uint32_t entry_home(const struct tl_horizon *horizon, uint64_t high, uint32_t time, bool by_time)
{
    return home_of(by_time ? (high ^ time) * UINT64_C(0x9e3779b97f4a7c15) : high, horizon->index_capacity);
}

static uint32_t next_slot(const struct tl_horizon *horizon, uint32_t at)
{
    return at + 1 == horizon->index_capacity ? 0 : at + 1;
}

static void index_put(struct tl_horizon *horizon, const struct entry *entry, uint64_t position, bool by_time)
{
    uint32_t at = entry_home(horizon, entry->high, entry->time, by_time);

    while (horizon->index[at] != 0)
        at = next_slot(horizon, at);
    horizon->index[at] = SLOT_USED | (by_time ? SLOT_BY_TIME : 0) | ((uint32_t)position & SLOT_POSITION);
}

static bool is_between(uint32_t hole, uint32_t home, uint32_t at)
{
    return hole <= at ? (hole < home && home <= at) : (hole < home || home <= at);
}

/* Closes the hole, so that no tombstones pile up. */
static void index_remove(struct tl_horizon *horizon, uint32_t hole)
{
    for (uint32_t at = next_slot(horizon, hole); horizon->index[at] != 0; at = next_slot(horizon, at)) {
        int64_t unused_ms;
        const struct entry *entry = entry_of(horizon, horizon->index[at], &unused_ms);

        if (is_between(hole, entry_home(horizon, entry->high, entry->time, horizon->index[at] & SLOT_BY_TIME), at))
            continue;
        horizon->index[hole] = horizon->index[at];
        hole = at;
    }
    horizon->index[hole] = 0;
}

/* The slot of the newest event of the id. False: there is none. */
static bool find_newest(const struct tl_horizon *horizon, uint64_t high, uint32_t *at)
{
    for (*at = entry_home(horizon, high, 0, false); horizon->index[*at] != 0; *at = next_slot(horizon, *at)) {
        int64_t unused_ms;

        if (!(horizon->index[*at] & SLOT_BY_TIME) && entry_of(horizon, horizon->index[*at], &unused_ms)->high == high)
            return true;
    }
    return false;
}

/* The event is the newest of its id from now on. */
static void index_add(struct tl_horizon *horizon, uint64_t position)
{
    int64_t unused_ms;
    const struct entry *entry = entry_at(horizon, position, &unused_ms);
    uint32_t at;

    if (find_newest(horizon, entry->high, &at)) {
        uint64_t before = position_of(horizon, horizon->index[at]);

        index_remove(horizon, at);
        index_put(horizon, entry_at(horizon, before, &unused_ms), before, true);
    }
    index_put(horizon, entry, position, false);
}

static void index_drop_front(struct tl_horizon *horizon)
{
    int64_t unused_ms;
    const struct entry *entry = entry_at(horizon, horizon->front, &unused_ms);
    uint32_t at;

    if (!find_newest(horizon, entry->high, &at) || position_of(horizon, horizon->index[at]) != horizon->front) {
        at = entry_home(horizon, entry->high, entry->time, true);
        while (!(horizon->index[at] & SLOT_BY_TIME) || position_of(horizon, horizon->index[at]) != horizon->front)
            at = next_slot(horizon, at);
    }
    index_remove(horizon, at);
}

/* Room for one more id at a load of at most 0.85. */
static enum tl_code index_grow(struct tl_horizon *horizon, struct tl_err *err)
{
    uint64_t count = tl_horizon_count(horizon);
    uint32_t capacity;
    uint32_t *index;

    if (horizon->index_capacity > 0 && (count + 1) * 20 <= (uint64_t)horizon->index_capacity * 17)
        return TL_OK;
    capacity = horizon->index_capacity ? horizon->index_capacity + horizon->index_capacity / 2 + 2 : INDEX_MIN + 1;
    index = calloc(capacity, sizeof *index);
    if (index == NULL)
        return tl_fail_memory(err, capacity * sizeof *index);
    free(horizon->index);
    horizon->index = index;
    horizon->index_capacity = capacity;
    for (uint64_t position = horizon->front; position < horizon->back; position++)
        index_add(horizon, position);
    return TL_OK;
}

static void forget_front(struct tl_horizon *horizon)
{
    index_drop_front(horizon);
    horizon->front++;
    while (horizon->chunks_count > 1) {
        struct chunk *chunk = horizon->chunks[horizon->chunks_first];

        if (horizon->front < chunk->first + chunk->count)
            break;
        horizon->chunks_first++;
        horizon->chunks_count--;
        chunk_free(horizon, horizon->spare);
        horizon->spare = chunk;
    }
}

/* What lies behind the horizon of the newest log timestamp remembered goes, and with it room is made for one more. */
static void forget(struct tl_horizon *horizon)
{
    int64_t log_ms;

    while (horizon->front < horizon->back) {
        (void)entry_at(horizon, horizon->front, &log_ms);
        if (log_ms >= tl_add_sat_i64(horizon->newest_ms, -horizon->horizon_ms) && tl_horizon_count(horizon) < horizon->ids_max)
            break;
        forget_front(horizon);
    }
}

/* A chunk at the back that can take an id of this log timestamp. */
static enum tl_code chunk_for(struct tl_horizon *horizon, int64_t log_ms, struct chunk **out, struct tl_err *err)
{
    struct chunk *last = horizon->chunks_count ? horizon->chunks[horizon->chunks_first + horizon->chunks_count - 1] : NULL;
    struct chunk *chunk;
    uint32_t room = CHUNK_IDS_MIN;

    if (last != NULL && last->count < last->room && log_ms >= last->base_ms &&
        (uint64_t)log_ms - (uint64_t)last->base_ms <= UINT32_MAX) {
        *out = last;
        return TL_OK;
    }
    if (horizon->chunks_first + horizon->chunks_count == horizon->chunks_capacity) {
        if (horizon->chunks_first > horizon->chunks_capacity / 2) {
            memmove(horizon->chunks, horizon->chunks + horizon->chunks_first, horizon->chunks_count * sizeof(struct chunk *));
            horizon->chunks_first = 0;
        } else {
            uint32_t capacity = horizon->chunks_capacity * 2 + 8;
            struct chunk **chunks = realloc(horizon->chunks, capacity * sizeof *chunks);

            if (chunks == NULL)
                return tl_fail_memory(err, capacity * sizeof *chunks);
            horizon->chunks = chunks;
            horizon->chunks_capacity = capacity;
        }
    }
    /* Twice what the last one came to hold: where log timestamps leap to and fro each chunk holds one id, and must not have room for
     * thousands. */
    if (last != NULL)
        room = last->count >= CHUNK_IDS / 2 ? CHUNK_IDS : (uint32_t)tl_max_i64(2 * last->count, CHUNK_IDS_MIN);
    chunk = chunk_make(horizon, room);
    if (chunk == NULL)
        return tl_fail_memory(err, chunk_bytes(room));
    /* Log timestamps may step back, and in a log that was filled backwards they do so all the time: with half of the room below, a chunk
     * holds 24 days either way. */
    chunk->base_ms = tl_add_sat_i64(log_ms, -(INT64_C(1) << 31));
    chunk->count = 0;
    chunk->first = horizon->back;
    horizon->chunks[horizon->chunks_first + horizon->chunks_count++] = chunk;
    *out = chunk;
    return TL_OK;
}

static enum tl_code remember(struct tl_horizon *horizon, uint64_t high, uint32_t time, int64_t log_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    struct chunk *chunk = NULL;

    TL_TRY(index_grow(horizon, err));
    TL_TRY(chunk_for(horizon, log_ms, &chunk, err));
    chunk->ids[chunk->count++] = (struct entry){high, time, (uint32_t)(log_ms - chunk->base_ms)};
    index_add(horizon, horizon->back++);
out:
    return rc;
}

static enum tl_seen horizon_find(const struct tl_horizon *horizon, struct tl_id id, int64_t log_ms)
{
    int64_t from_ms = tl_add_sat_i64(log_ms, -horizon->horizon_ms), then_ms;
    const struct entry *entry;
    enum tl_seen answer;
    uint32_t at;

    if (horizon->index_capacity == 0 || !find_newest(horizon, id.high, &at))
        return TL_SEEN_NEW;
    entry = entry_of(horizon, horizon->index[at], &then_ms);
    if (then_ms >= from_ms && entry->time == id.time)
        return TL_SEEN_DUPLICATE;
    answer = then_ms >= from_ms ? TL_SEEN_CONFLICT : TL_SEEN_NEW;
    for (at = entry_home(horizon, id.high, id.time, true); horizon->index[at] != 0; at = next_slot(horizon, at)) {
        if (!(horizon->index[at] & SLOT_BY_TIME))
            continue;
        entry = entry_of(horizon, horizon->index[at], &then_ms);
        if (entry->high == id.high && entry->time == id.time && then_ms >= from_ms)
            return TL_SEEN_DUPLICATE;
    }
    return answer;
}

enum tl_code tl_horizon_see(struct tl_horizon *horizon, struct tl_id id, int64_t log_ms, enum tl_seen *seen, struct tl_err *err)
{
    enum tl_seen answer = horizon_find(horizon, id, log_ms);

    if (answer != TL_SEEN_DUPLICATE) { /* a duplicate leaves no trace: a restart would not know of it */
        enum tl_code rc;

        horizon->newest_ms = tl_max_i64(horizon->newest_ms, log_ms);
        forget(horizon);
        rc = remember(horizon, id.high, id.time, log_ms, err);
        if (rc != TL_OK)
            return rc;
    }
    *seen = answer;
    return TL_OK;
}

void tl_horizon_save(const struct tl_horizon *horizon, struct tl_buf *out)
{
    uint64_t position = horizon->saved > horizon->front ? horizon->saved : horizon->front;

    while (position < horizon->back) {
        const struct chunk *chunk = chunk_of(horizon, position);
        uint64_t end = chunk->first + chunk->count;

        tl_buf_put_u64(out, (uint64_t)chunk->base_ms);
        tl_buf_put_u32(out, (uint32_t)(end - position));
        for (; position < end; position++) {
            const struct entry *entry = &chunk->ids[position - chunk->first];

            tl_buf_put_u64(out, entry->high);
            tl_buf_put_u32(out, entry->time);
            tl_buf_put_u32(out, entry->log);
        }
    }
}

void tl_horizon_saved(struct tl_horizon *horizon)
{
    horizon->saved = horizon->back;
}

enum tl_code tl_horizon_load(struct tl_horizon *horizon, struct tl_sv bytes, struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(bytes);
    enum tl_code rc = TL_OK;

    while (!tl_reader_at_end(&reader)) {
        int64_t base_ms = (int64_t)tl_reader_u64(&reader);
        uint32_t count = tl_reader_u32(&reader);
        enum tl_seen seen;

        if (reader.failed || (uint64_t)count * 16 > (uint64_t)(reader.end - reader.at))
            return tl_fail(err, TL_ERR_CORRUPT, "ids for deduplication: %zu bytes that are not whole", bytes.size);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t high = tl_reader_u64(&reader);
            uint32_t time = tl_reader_u32(&reader);
            int64_t log_ms = tl_add_sat_i64(base_ms, (int64_t)tl_reader_u32(&reader));

            /* Seen, not only remembered: two tables of a topic save the same ids. */
            TL_TRY(tl_horizon_see(horizon, (struct tl_id){.high = high, .time = time}, log_ms, &seen, err));
        }
    }
    tl_horizon_saved(horizon);
out:
    return rc;
}

/* ---- the set of a range ---- */

/* Segments by the id's top bits grow one at a time, so that the whole never stands twice in memory. */
enum { SEGMENT_BITS = 6, SEGMENTS = 1 << SEGMENT_BITS };

struct segment {
    struct tl_id *ids; /* high and low both 0: empty */
    uint32_t count, capacity;
};

struct tl_idset {
    struct segment segments[SEGMENTS];
    size_t count, held_bytes;
};

enum tl_code tl_idset_open(struct tl_idset **out, struct tl_err *err)
{
    struct tl_idset *set = calloc(1, sizeof *set);

    if (set == NULL)
        return tl_fail_memory(err, sizeof *set);
    set->held_bytes = sizeof *set;
    *out = set;
    return TL_OK;
}

void tl_idset_close(struct tl_idset *set)
{
    if (set == NULL)
        return;
    for (int i = 0; i < SEGMENTS; i++)
        free(set->segments[i].ids);
    free(set);
}

size_t tl_idset_count(const struct tl_idset *set)
{
    return set->count;
}
size_t tl_idset_bytes(const struct tl_idset *set)
{
    return set->held_bytes;
}

static bool is_free(const struct tl_id *slot)
{
    return slot->high == 0 && slot->low == 0;
}

/* Where an id is looked for first, and an event of it that has another time than one before: an id that stands on very many events,
 * each with a time of its own, would else be a chain of them all. */
static uint32_t id_home(const struct segment *segment, struct tl_id id)
{
    return home_of(id.high << SEGMENT_BITS, segment->capacity);
}

static uint32_t time_home(const struct segment *segment, struct tl_id id)
{
    return home_of((id.high ^ id.time) * UINT64_C(0x9e3779b97f4a7c15), segment->capacity);
}

/* What is known of the event; *at: its slot, or the free one that it may have. */
static enum tl_seen segment_find(const struct segment *segment, struct tl_id id, uint32_t *at)
{
    for (*at = id_home(segment, id);; *at = *at + 1 == segment->capacity ? 0 : *at + 1) {
        const struct tl_id *there = &segment->ids[*at];

        if (is_free(there))
            return TL_SEEN_NEW;
        if (there->high == id.high && there->low == id.low) {
            if (there->time == id.time)
                return TL_SEEN_DUPLICATE;
            break;
        }
    }
    for (*at = time_home(segment, id);; *at = *at + 1 == segment->capacity ? 0 : *at + 1) {
        const struct tl_id *there = &segment->ids[*at];

        if (is_free(there))
            return TL_SEEN_CONFLICT;
        if (there->high == id.high && there->low == id.low && there->time == id.time)
            return TL_SEEN_DUPLICATE;
    }
}

static enum tl_code segment_grow(struct tl_idset *set, struct segment *segment, struct tl_err *err)
{
    struct segment grown = {0};

    if ((uint64_t)(segment->count + 1) * 10 <= (uint64_t)segment->capacity * 9)
        return TL_OK;
    grown.capacity = segment->capacity + segment->capacity * 3 / 10 + 4;
    grown.ids = calloc(grown.capacity, sizeof *grown.ids);
    if (grown.ids == NULL)
        return tl_fail_memory(err, grown.capacity * sizeof *grown.ids);
    for (uint32_t i = 0; i < segment->capacity; i++) {
        uint32_t at;

        if (is_free(&segment->ids[i]))
            continue;
        (void)segment_find(&grown, segment->ids[i], &at);
        grown.ids[at] = segment->ids[i];
    }
    grown.count = segment->count;
    set->held_bytes += (size_t)(grown.capacity - segment->capacity) * sizeof *grown.ids;
    free(segment->ids);
    *segment = grown;
    return TL_OK;
}

static struct segment *segment_of(struct tl_idset *set, struct tl_id id)
{
    return &set->segments[id.high >> (64 - SEGMENT_BITS)];
}

enum tl_code tl_idset_see(struct tl_idset *set, struct tl_id id, enum tl_seen *seen, struct tl_err *err)
{
    struct segment *segment = segment_of(set, id);
    enum tl_code rc = TL_OK;
    uint32_t at;

    TL_TRY(segment_grow(set, segment, err));
    *seen = segment_find(segment, id, &at);
    if (*seen == TL_SEEN_DUPLICATE)
        return TL_OK;
    segment->ids[at] = id;
    segment->count++;
    set->count++;
out:
    return rc;
}

enum tl_seen tl_idset_look(struct tl_idset *set, struct tl_id id)
{
    const struct segment *segment = segment_of(set, id);
    uint32_t at;

    return segment->capacity == 0 ? TL_SEEN_NEW : segment_find(segment, id, &at);
}

void tl_idset_prefetch(struct tl_idset *set, struct tl_id id)
{
    const struct segment *segment = segment_of(set, id);

    if (segment->capacity > 0)
        __builtin_prefetch(&segment->ids[id_home(segment, id)]);
}
