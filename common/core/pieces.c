/* pieces.c: key -> the pieces of its time that are open. See pieces.h. */
#include "core/pieces.h"

#include <stdlib.h>
#include <string.h>

#ifdef TL_TINY
enum { TIDY_MIN = 1 };
#else
enum { TIDY_MIN = 4096 }; /* below this the memory is not worth the work */
#endif

void tl_pieces_init(struct tl_pieces *pieces, const struct tl_agg_layout *layout, uint32_t key_bytes, uint32_t extra_bytes)
{
    assert(key_bytes >= sizeof(struct tl_key) && extra_bytes % 8 == 0);
    *pieces = (struct tl_pieces){.layout = layout, .extra_bytes = extra_bytes};
    tl_table_init(&pieces->table, key_bytes, 0);
}

void tl_pieces_done(struct tl_pieces *pieces)
{
    tl_table_done(&pieces->table);
    free(pieces->changed);
}

static void forget(struct tl_pieces *pieces)
{
    pieces->free = NULL;
    pieces->count = pieces->keys_count = pieces->free_count = pieces->left_behind = 0;
    pieces->changed_count = 0;
}

void tl_pieces_reset(struct tl_pieces *pieces)
{
    tl_table_reset(&pieces->table);
    forget(pieces);
}

struct tl_key *tl_pieces_key(struct tl_pieces *pieces, struct tl_sv key)
{
    return tl_table_put(&pieces->table, tl_hash_bytes(key), key, NULL);
}

struct tl_sv tl_pieces_key_text(const struct tl_pieces *pieces, const struct tl_key *key)
{
    struct tl_sv text;
    uint64_t hash;

    (void)tl_table_at(&pieces->table, tl_table_number(&pieces->table, key), &text, &hash);
    return text;
}

struct tl_key *tl_pieces_at(const struct tl_pieces *pieces, uint32_t i)
{
    return tl_table_at(&pieces->table, i, NULL, NULL);
}

static size_t piece_bytes(const struct tl_pieces *pieces)
{
    return sizeof(struct tl_piece) + pieces->extra_bytes + pieces->layout->state_bytes;
}

static bool is_before(const struct tl_piece *piece, int64_t from_ms, int64_t to_ms)
{
    return piece->from_ms != from_ms ? piece->from_ms < from_ms : piece->to_ms < to_ms;
}

struct tl_piece *tl_pieces_insert(struct tl_pieces *pieces, struct tl_key *key, struct tl_piece **link, int64_t from_ms,
                                  int64_t to_ms, uint32_t segment)
{
    struct tl_piece *piece = pieces->free;

    if (piece != NULL) {
        pieces->free = piece->older;
        pieces->free_count--;
    } else if ((piece = tl_arena_alloc(tl_table_arena(&pieces->table), piece_bytes(pieces))) == NULL) {
        return NULL;
    }
    memset(piece, 0, piece_bytes(pieces));
    piece->from_ms = from_ms;
    piece->to_ms = to_ms;
    piece->segment = segment;
    if (key->newest == NULL)
        pieces->keys_count++;
    piece->older = *link;
    *link = piece;
    pieces->count++;
    return piece;
}

struct tl_piece *tl_pieces_add(struct tl_pieces *pieces, struct tl_key *key, int64_t from_ms, int64_t to_ms, uint32_t segment)
{
    struct tl_piece **link = &key->newest;

    while (*link != NULL && !is_before(*link, from_ms, to_ms))
        link = &(*link)->older;
    return tl_pieces_insert(pieces, key, link, from_ms, to_ms, segment);
}

struct tl_piece *tl_pieces_unlink(struct tl_pieces *pieces, struct tl_key *key, struct tl_piece **link)
{
    struct tl_piece *piece = *link;

    *link = piece->older;
    pieces->count--;
    if (key->newest == NULL)
        pieces->keys_count--;
    return piece;
}

void tl_pieces_let_go(struct tl_pieces *pieces, struct tl_piece *piece)
{
    piece->older = pieces->free;
    pieces->free = piece;
    pieces->free_count++;
    pieces->left_behind++;
}

void tl_pieces_drop(struct tl_pieces *pieces, struct tl_key *key, struct tl_piece **link)
{
    tl_pieces_let_go(pieces, tl_pieces_unlink(pieces, key, link));
}

bool tl_pieces_mark(struct tl_pieces *pieces, struct tl_key *key)
{
    if (key->changed)
        return true;
    if (pieces->changed_count == pieces->changed_capacity) {
        uint32_t capacity = pieces->changed_capacity * 2 + 64;

        if (!TL_RESIZE(pieces->changed, capacity))
            return false;
        pieces->changed_capacity = capacity;
    }
    pieces->changed[pieces->changed_count++] = key;
    key->changed = 1;
    return true;
}

void tl_pieces_settle(struct tl_pieces *pieces)
{
    for (uint32_t c = 0; c < pieces->changed_count; c++)
        pieces->changed[c]->changed = 0;
    pieces->changed_count = 0;
}

/* The accumulators move by a merge into empty ones, which copies what they point at. */
static bool copy_pieces(const struct tl_pieces *pieces, const struct tl_key *from, struct tl_key *to, struct tl_arena *arena)
{
    struct tl_piece **link = &to->newest;

    for (const struct tl_piece *piece = from->newest; piece != NULL; piece = piece->older) {
        struct tl_piece *copy = tl_arena_zalloc(arena, piece_bytes(pieces));

        if (copy == NULL)
            return false;
        memcpy(copy, piece, sizeof *copy + pieces->extra_bytes);
        if (!tl_agg_merge(pieces->layout, tl_piece_block(pieces, copy), tl_piece_block(pieces, piece), arena))
            return false;
        *link = copy;
        link = &copy->older;
    }
    *link = NULL;
    return true;
}

static bool is_wasteful(const struct tl_pieces *pieces)
{
    uint64_t gone = pieces->table.count - pieces->keys_count;

    if (gone > pieces->keys_count / 2 + TIDY_MIN || pieces->free_count > 2 * pieces->count + TIDY_MIN)
        return true;
    /* Pieces that come and go leave nothing behind but what their accumulators pointed at, and that shows in what is held. */
    return pieces->left_behind > 2 * pieces->count + TIDY_MIN && tl_table_bytes(&pieces->table) > 2 * pieces->built_bytes;
}

enum tl_code tl_pieces_tidy(struct tl_pieces *pieces, bool *moved, struct tl_err *err)
{
    struct tl_table next;
    enum tl_code rc = TL_OK;

    assert(pieces->changed_count == 0);
    *moved = false;
    if (!is_wasteful(pieces))
        return TL_OK;
    tl_table_init(&next, pieces->table.state_bytes, 0);
    for (uint32_t i = 0; i < pieces->table.count; i++) {
        struct tl_sv text;
        uint64_t hash;
        struct tl_key *from = tl_table_at(&pieces->table, i, &text, &hash), *to;

        if (from->newest == NULL)
            continue;
        to = tl_table_put(&next, hash, text, NULL);
        if (to == NULL)
            TL_TRY(tl_fail_memory(err, text.size));
        memcpy(to, from, pieces->table.state_bytes);
        if (!copy_pieces(pieces, from, to, tl_table_arena(&next)))
            TL_TRY(tl_fail_memory(err, piece_bytes(pieces)));
    }
    tl_table_done(&pieces->table);
    pieces->table = next;
    pieces->free = NULL;
    pieces->free_count = pieces->left_behind = 0;
    pieces->built_bytes = tl_table_bytes(&pieces->table);
    *moved = true;
    return TL_OK;
out:
    tl_table_done(&next);
    return rc;
}

size_t tl_pieces_bytes(const struct tl_pieces *pieces)
{
    return tl_table_bytes(&pieces->table) + pieces->changed_capacity * sizeof(struct tl_key *);
}
