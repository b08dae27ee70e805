/* pieces.h: key -> the pieces of its time that are open, newest first: slices, sessions, rows that wait.
 *
 *     "a.example" ─> [10:05, 10:06) ─> [10:04, 10:05) ─> [10:01, 10:02)        each with its accumulators
 *     "b.example" ─> [10:03, 10:04)
 *
 * Pieces come and go one by one, unlike the groups of a pane. What is let go is used again; a table whose keys have mostly gone, or whose
 * accumulators have left much behind in the arena, is built anew (tl_pieces_tidy), so memory follows what is open.
 * Runs on: one thread. */
#ifndef TL_PIECES_H
#define TL_PIECES_H

#include "base/table.h"
#include "core/agg.h"

struct tl_piece {
    struct tl_piece *older;
    int64_t from_ms, to_ms; /* the kind's own; the list is in descending order of (from_ms, to_ms) */
    uint32_t segment;       /* range between bounds that its rows are of */
    uint32_t marks;         /* the kind's own */
    /* what the kind adds, and the accumulators, follow */
};

/* A kind may add to it. */
struct tl_key {
    struct tl_piece *newest; /* NULL: the key has gone */
    uint32_t changed;        /* stands in the list of changed keys */
    uint32_t marks;          /* the kind's own */
};

struct tl_pieces {
    const struct tl_agg_layout *layout;
    struct tl_table table;
    uint32_t extra_bytes; /* between a piece and its accumulators; a multiple of 8 */
    struct tl_piece *free;
    uint64_t count, keys_count; /* pieces; keys that have one */
    uint64_t free_count;        /* pieces that wait to be used again */
    uint64_t left_behind; /* pieces let go since the table was built: their accumulators may have left memory in the arena */
    size_t built_bytes;   /* of the table, when it was built */
    struct tl_key **changed;
    uint32_t changed_count, changed_capacity;
};

void tl_pieces_init(struct tl_pieces *pieces, const struct tl_agg_layout *layout, uint32_t key_bytes, uint32_t extra_bytes);
void tl_pieces_done(struct tl_pieces *pieces);
void tl_pieces_reset(struct tl_pieces *pieces); /* empties it, keeps its memory */

/* The key's entry, made (zeroed) where it is new. NULL: out of memory. */
struct tl_key *tl_pieces_key(struct tl_pieces *pieces, struct tl_sv key);
struct tl_sv tl_pieces_key_text(const struct tl_pieces *pieces, const struct tl_key *key);
/* Entry number i, 0 .. table.count - 1; gone ones too. */
struct tl_key *tl_pieces_at(const struct tl_pieces *pieces, uint32_t i);

/* A new piece at its place in the key's list, its accumulators and what the kind adds zeroed. NULL: out of memory. */
struct tl_piece *tl_pieces_add(struct tl_pieces *pieces, struct tl_key *key, int64_t from_ms, int64_t to_ms, uint32_t segment);
/* The same at a place of the caller's choice: *link is what comes behind it. */
struct tl_piece *tl_pieces_insert(struct tl_pieces *pieces, struct tl_key *key, struct tl_piece **link, int64_t from_ms,
                                  int64_t to_ms, uint32_t segment);
/* Takes the piece out of the list; `link` points to it. It is the caller's until he lets it go. */
struct tl_piece *tl_pieces_unlink(struct tl_pieces *pieces, struct tl_key *key, struct tl_piece **link);
/* Its bytes stay as they are until the next piece is made, or a tidy. */
void tl_pieces_let_go(struct tl_pieces *pieces, struct tl_piece *piece);
/* Both in one. */
void tl_pieces_drop(struct tl_pieces *pieces, struct tl_key *key, struct tl_piece **link);
static inline void *tl_piece_extra(const struct tl_piece *piece)
{
    return (char *)(uintptr_t)(const void *)piece + sizeof *piece;
}
static inline void *tl_piece_block(const struct tl_pieces *pieces, const struct tl_piece *piece)
{
    return (char *)tl_piece_extra(piece) + pieces->extra_bytes;
}
/* Puts it into the list of changed keys, once. False: out of memory. */
TL_MUST_USE bool tl_pieces_mark(struct tl_pieces *pieces, struct tl_key *key);
void tl_pieces_settle(struct tl_pieces *pieces); /* forgets the marks */
/* Builds the table anew where that pays. *moved: every key and piece has another address. Nothing may be marked as changed. */
TL_MUST_USE enum tl_code tl_pieces_tidy(struct tl_pieces *pieces, bool *moved, struct tl_err *err);
size_t tl_pieces_bytes(const struct tl_pieces *pieces);

#endif
