/* master_index.h: the index beside each file of the master record: its byte form, and what it says once it is read.
 *
 * Is:      bytes <-> struct. Nothing here opens a file.
 * Is not:  for the layers: they see struct tl_master_file (master.h).
 *
 * Three files stand side by side, and the index says how long each part of the other two is. The k-th block is the k-th zstd frame of
 * the data file, the k-th stretch of entries in the index, and (if it has others) the next zstd frame of the other file.
 *
 *   .index       0   8  "TLYINDEX"
 *                8   4  version, 3 (2 has no frame's hash and no line's size, and 1 no begin either)
 *               12   4  n: bytes of the head
 *               16   n  head, below
 *             16+n   8  XXH3-64 of the bytes 0 .. 16+n
 *             24+n   .  entries of block 0, entries of block 1, ...: up to the end of the file
 *
 *   head            .  topic: varint size, bytes
 *                   .  partition: varint
 *                   8  time rule
 *                   .  highest watermark: zigzag (INT64_MIN: none)
 *                   8  XXH3-64 of the whole data file
 *                   8  XXH3-64 of the whole other file (of no bytes where there is none)
 *                   .  number of days: varint; each: zigzag day (minus the day before, which is 0 at first), varint events (> 0)
 *                   .  first offset: varint
 *                   .  first offset minus begin, plus 1: varint (0: begin is not known; version 2: not plus 1)
 *                   .  number of blocks: varint (> 0); each:
 *                          .  varint  bytes of its frame in the data file
 *                          .  varint  the same unpacked
 *                          .  varint  messages (> 0)
 *                          .  varint  others among them
 *                          .  varint  bytes of its frame in the other file (0: no others, no frame)
 *                          .  varint  the same unpacked
 *                          .  varint  bytes of its entries
 *                          8  XXH3-64 of its entries
 *                          8  XXH3-64 of its frame in the data file, as it stands there
 *                          .  varint  first offset minus the last offset of the block before (> 0); block 0: 0
 *                          .  varint  last offset minus first offset
 *                          .  zigzag  smallest log timestamp (minus that of the block before, which is 0 at first)
 *                          .  varint  largest log timestamp minus the smallest
 *                          .  zigzag  smallest event time
 *                          .  zigzag  largest event time (smaller than the smallest: no event with a usable time)
 *
 *   entries, each   .  varint  (offset minus the offset before, minus 1) << 1, plus 1 if the message is an other
 *                              (before the first stands the block's first offset minus 1)
 *                   .  zigzag  log timestamp minus the one before (before the first: the block's smallest)
 *                   .  varint  of a line: its bytes, without the "\n"
 *
 *   .jsonl.zst      a frame unpacked: the block's lines, each with "\n" behind it
 *
 *   .other.zst      a frame unpacked: the block's others, each:
 *                0   4  n: bytes of the value, or 0xffffffff: a tombstone, and no bytes follow
 *                4   8  offset
 *               12   8  log timestamp
 *               20   n  value
 *             20+n   8  XXH3-64 of the bytes 0 .. 20+n
 *
 * Numbers are little endian; varint is LEB128, zigzag its signed form; differences of timestamps wrap at 64 bits. Sums (bytes of a file,
 * messages, its smallest and largest event time) are not written twice: they follow from the blocks. */
#ifndef TL_MASTER_INDEX_H
#define TL_MASTER_INDEX_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "master/master.h"

enum {
    TL_MASTER_INDEX_VERSION = 3,
    TL_MASTER_INDEX_VERSION_BEGIN = 2, /* since then it says what the file follows */
    TL_MASTER_INDEX_VERSION_FRAME = 3, /* and since then what lies in the frame, and where */
    TL_MASTER_INDEX_EDGE = 16,         /* bytes before the head */
    TL_MASTER_OTHER_EDGE = 28,         /* bytes of an other beside its value */
};
#define TL_MASTER_TOMBSTONE UINT32_MAX
/* So that what a reader holds for one block has a maximum, however short the lines are. */
#define TL_MASTER_BLOCK_MESSAGES_MAX 65536u

/* What the index says of a block beyond struct tl_master_block. */
struct tl_master_extent {
    uint64_t entries_position, entries_bytes, entries_hash; /* in the index */
    uint64_t packed_hash;                                   /* of the frame in the data file; since version FRAME */
    uint64_t other_position, other_packed_bytes, other_raw_bytes;
    uint32_t others_count;
};

struct tl_master_index {
    uint32_t version;
    struct tl_master_file file;             /* path is the lister's to fill; file.index is this struct */
    const struct tl_master_extent *extents; /* one for each of file.blocks */
    uint64_t data_bytes, data_hash, other_bytes, other_hash;
    uint64_t index_bytes;                /* of the whole index, entries included */
    const char *index_path, *other_path; /* the lister's to fill */
};

/* Appends the index, of this version, up to its entries, which the caller writes behind it. Of `index` the derived fields (sums, positions)
 * and its version are not read. What stands there must be true: ascending days, blocks and offsets. */
TL_MUST_USE enum tl_code tl_master_index_encode(const struct tl_master_index *index, struct tl_buf *out, struct tl_err *err);
/* How many bytes the index has before its entries, from its first TL_MASTER_INDEX_EDGE bytes. TL_ERR_CORRUPT says what is wrong, and what
 * would be right. */
TL_MUST_USE enum tl_code tl_master_index_edge(struct tl_sv bytes, uint64_t *head_end, struct tl_err *err);
/* `bytes`: the index up to its entries. Everything in *out lives in `arena`, topic too. TL_ERR_CORRUPT says what is wrong, and leaves
 * it to the caller to say in which file. */
TL_MUST_USE enum tl_code tl_master_index_decode(struct tl_sv bytes, struct tl_arena *arena, struct tl_master_index *out,
                                                struct tl_err *err);

/* One entry at a time: writer's and reader's side. `before_*` is kept by the caller and starts as drawn above; line_bytes is not read of
 * an other. */
void tl_master_entry_put(struct tl_buf *out, int64_t offset, int64_t log_ms, bool other, size_t line_bytes, int64_t before_offset,
                         int64_t before_log_ms);
/* Fills offset and log_ms of messages_count messages, and others[i] with 1 for an other; since version FRAME the value's size of each that
 * is none, with no data yet. TL_ERR_CORRUPT: hash, or no fit. */
TL_MUST_USE enum tl_code tl_master_entries_decode(struct tl_sv bytes, uint32_t version, const struct tl_master_block *block,
                                                  const struct tl_master_extent *extent, struct tl_message *messages,
                                                  uint8_t *others, struct tl_err *err);

void tl_master_other_put(struct tl_buf *out, const struct tl_message *message);
/* The next other: a view into the reader's bytes. TL_ERR_CORRUPT: length or hash. */
TL_MUST_USE enum tl_code tl_master_other_next(struct tl_reader *reader, struct tl_message *out, struct tl_err *err);

/* ---- complete.json ----
 *
 *   {
 *     "version": 2,
 *     "topic": "events",
 *     "log": "9f86d081884c7d65",
 *     "partitions": [
 *       {"partition": 0, "complete_to": 5000, "files_to": 4999, "log_end_at_ms": 1772323200000},
 *       {"partition": 1, "complete_to": 0, "files_to": 0, "log_end_at_ms": null}
 *     ],
 *     "check": "0123456789abcdef"
 *   }
 *
 * `log` is the log's identity, `check` the XXH3-64 of the bytes before the line it stands on, both in hex: a statement by which
 * batch publishes should not be believed with a digit changed. White space is as above, nothing else is taken; version 1 has no files_to. */
TL_MUST_USE enum tl_code tl_master_complete_encode(struct tl_sv topic, const struct tl_master_complete *complete, size_t count,
                                                   uint64_t identity, struct tl_buf *out, struct tl_err *err);
/* *complete lives in `arena`. */
TL_MUST_USE enum tl_code tl_master_complete_decode(struct tl_sv bytes, struct tl_sv topic, struct tl_arena *arena,
                                                   const struct tl_master_complete **complete, size_t *count, uint64_t *identity,
                                                   struct tl_err *err);

#endif
