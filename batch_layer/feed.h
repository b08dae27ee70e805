/* feed.h: messages of the master record in the order in which batch judges duplicates: (log timestamp, partition, offset).
 *
 *   partition 0   [block][block][block] ──┐
 *   partition 1   [block][block] ─────────┼─> merged by message ──> chunk, chunk, chunk ... (one core push each)
 *   import, 0     [block] ────────────────┘
 *
 * Only blocks that may hold events of the wanted span of event time are read. A chunk's messages are views into unpacked blocks,
 * which are kept as long as a chunk needs them.
 * Runs on: any thread, one at a time (recompute.c holds a lock around it), but for tl_feed_unpack, which is most of the work: whoever wants
 * a chunk first unpacks what is claimed, so that blocks lie ready before they are needed. */
#ifndef TL_FEED_H
#define TL_FEED_H

#include "event/batch.h"
#include "input.h"

struct tl_feed;

struct tl_chunk {
    struct tl_message *messages;
    uint32_t *partitions; /* of each message */
    size_t count, capacity;
    struct tl_feed_block **held;
    size_t held_count, held_capacity;
};

/* All blocks of the source's input that may have events with from_ms <= time < to_ms. `input` must outlive the feed. */
TL_MUST_USE enum tl_code tl_feed_open(const struct tl_input *input, int64_t from_ms, int64_t to_ms, struct tl_feed **out,
                                      struct tl_err *err);
void tl_feed_close(struct tl_feed *feed);
/* A block to be unpacked now: one that is needed next, or will be soon. NULL in *block: none for the moment. */
TL_MUST_USE enum tl_code tl_feed_claim(struct tl_feed *feed, struct tl_feed_block **block, struct tl_err *err);
TL_MUST_USE enum tl_code tl_feed_unpack(struct tl_feed_block *block, struct tl_err *err); /* on any thread, beside all else */
const struct tl_input_file *tl_feed_file(const struct tl_feed_block *block);              /* that it is of */
void tl_feed_unpacked(struct tl_feed *feed, struct tl_feed_block *block);                 /* hands it in */
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
