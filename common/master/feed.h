/* feed.h: messages of the master record in the order in which duplicates are judged: (log timestamp, partition, offset).
 *
 *   partition 0   [block][block][block] ──┐
 *   partition 1   [block][block] ─────────┼─> merged by message ──> chunk, chunk, chunk ... (one core push each)
 *   import, 0     [block] ────────────────┘
 *
 * Whoever opens it says which blocks are read. A chunk's messages are views into unpacked blocks, which are kept as long as a chunk needs
 * them.
 * Runs on: any thread, one at a time (crew.c holds a lock around it), but for tl_feed_unpack, which is most of the work: whoever wants
 * a chunk first unpacks what is claimed, so that blocks lie ready before they are needed. */
#ifndef TL_FEED_H
#define TL_FEED_H

#include "event/batch.h"
#include "master/master.h"

struct tl_feed;

struct tl_chunk {
    struct tl_message *messages;
    uint32_t *partitions; /* of each message */
    size_t count, capacity;
    struct tl_feed_block **held;
    size_t held_count, held_capacity;
};

struct tl_feed_ref {
    const struct tl_master_file *file; /* outlives the feed */
    uint32_t block;
    int64_t min_ms; /* no event of the block lies before it */
    const void *of; /* the caller's own */
};

TL_MUST_USE enum tl_code tl_feed_open(struct tl_feed **out, struct tl_err *err);
void tl_feed_close(struct tl_feed *feed);
/* One more block to be read; the partitions one after the other, the blocks of each by offset. Before anything is claimed. */
TL_MUST_USE enum tl_code tl_feed_add(struct tl_feed *feed, uint32_t partition, const struct tl_feed_ref *ref, struct tl_err *err);
/* A block to be unpacked now: one that is needed next, or will be soon. NULL in *block: none for the moment. */
TL_MUST_USE enum tl_code tl_feed_claim(struct tl_feed *feed, struct tl_feed_block **block, struct tl_err *err);
TL_MUST_USE enum tl_code tl_feed_unpack(struct tl_feed_block *block, struct tl_err *err); /* on any thread, beside all else */
const struct tl_feed_ref *tl_feed_ref_of(const struct tl_feed_block *block);
/* Hands it in: with its messages, or with none where it could not be unpacked. */
void tl_feed_unpacked(struct tl_feed *feed, struct tl_feed_block *block);
/* Whether the next message is known, or that there is none. False: another thread is unpacking what is needed. */
bool tl_feed_ready(const struct tl_feed *feed);
/* Only when ready. Fills the chunk with up to TL_BATCH_ROWS messages; count 0 at the end. */
TL_MUST_USE enum tl_code tl_feed_next(struct tl_feed *feed, struct tl_chunk *chunk, struct tl_err *err);
/* Gives back the blocks that the chunk holds. */
void tl_feed_release(struct tl_feed *feed, struct tl_chunk *chunk);
void tl_chunk_done(struct tl_chunk *chunk);
/* No message that is still to come has an event before this time; INT64_MAX at the end. */
int64_t tl_feed_floor_ms(const struct tl_feed *feed);
/* For progress: uncompressed bytes in all and handed out. */
uint64_t tl_feed_bytes(const struct tl_feed *feed, uint64_t *done);

#endif
