/* stored_chunk.h: stored rows of a windowed view as columns, as the core handed them on when they became final: for views that read the view.
 *
 * The store keeps the instants of a window's bounds; a view that reads them sees the wall clock of the zone. Runs on: one thread. */
#ifndef TL_STORED_CHUNK_H
#define TL_STORED_CHUNK_H

#include "base/arena.h"
#include "event/zone.h"
#include "store/store.h"

#ifdef TL_TINY
enum { TL_STORED_CHUNK_ROWS = 2 };
#else
enum { TL_STORED_CHUNK_ROWS = 1024 };
#endif

struct tl_stored_chunk {
    const struct tl_shape *shape;
    const struct tl_zone *zone;
    struct tl_arena arena, text; /* for its life; until it is cleared */
    uint32_t count;
    int64_t start_ms[TL_STORED_CHUNK_ROWS], end_ms[TL_STORED_CHUNK_ROWS];
    struct tl_sv key[TL_STORED_CHUNK_ROWS];
    struct tl_vec *columns;
};

/* `zone` is that of the view's windows; it and the shape must outlive the chunk. */
TL_MUST_USE enum tl_code tl_stored_chunk_init(struct tl_stored_chunk *chunk, const struct tl_shape *shape,
                                              const struct tl_zone *zone, struct tl_err *err);
void tl_stored_chunk_done(struct tl_stored_chunk *chunk); /* a zeroed one too */
/* Copies the row; the chunk must not be full. */
TL_MUST_USE enum tl_code tl_stored_chunk_add(struct tl_stored_chunk *chunk, const struct tl_stored_row *row, struct tl_err *err);
static inline bool tl_stored_chunk_full(const struct tl_stored_chunk *chunk)
{
    return chunk->count == TL_STORED_CHUNK_ROWS;
}
/* Good until it is cleared. */
struct tl_rows tl_stored_chunk_rows(const struct tl_stored_chunk *chunk);
void tl_stored_chunk_clear(struct tl_stored_chunk *chunk);

#endif
