/* spool.h: events on disk, in order, until the log has them.
 *
 * Is:      segments, files that are only appended to; one writer and one reader; up to where all is acknowledged.
 * Is not:  a queue that knows a log, or what is still in memory (capture.h).
 *
 * Each event has a sequence, which ascends. Within a segment no sequence is missing; between two segments there may be a gap: what lies in it never
 * came to the disk, for the log had it. Numbers are little endian.
 *
 *     DIR/<first sequence, 20 digits>.spool
 *        0  "TLspool1"
 *        8  first sequence
 *       16  where the segment before ends: what it has from there on was written in vain
 *       24  wall clock when it was made, milliseconds
 *       32  XXH3 of the 32 bytes before
 *       40  records
 *
 *     a record, on a multiple of 8
 *        0  bytes of the body, 4          | key | id | value | 0 to 7 zeros
 *        4  the low half of the XXH3 of the head without this field, 4
 *        8  sequence
 *       16  XXH3 of the body
 *       24  wall clock when it was taken, milliseconds
 *       32  bytes of the value, 4; of the key, 2; of the id, 2
 *       40  the body
 *
 *     DIR/position     two slots of 16 bytes, written in turn: a sequence below which all is acknowledged, and XXH3 of that
 *
 * Head and body are checked apart: so a length that is damaged leads nobody astray. Behind what is damaged the next whole record is looked for; JSON has no
 * zero bytes, so that no value can hold what looks like one.
 *
 * Runs on: a spool belongs to one thread, a reader to one thread; the list of segments between them has a mutex. */
#ifndef TL_SPOOL_H
#define TL_SPOOL_H

#include "base/base.h"
#include "base/sv.h"

enum { TL_SPOOL_HEAD_BYTES = 40, TL_SPOOL_SMALL_MAX = 1024 /* a key's and an id's bytes */ };

struct tl_spool_record {
    uint64_t sequence;
    int64_t taken_ms;
    struct tl_sv key, id, value;
};

/* All bytes of it, with those that fill it up. */
size_t tl_spool_record_bytes(const struct tl_spool_record *record);
/* Writes it to `at`, which is a multiple of 8, but for its checks: tl_spool_append fills these in. */
void tl_spool_record_write(char *at, const struct tl_spool_record *record);
/* What was written so; gives its bytes. */
size_t tl_spool_record_view(const char *at, struct tl_spool_record *out);

struct tl_spool;

/* What the last run has left. */
struct tl_spool_found {
    uint64_t front, next; /* the first sequence that is not acknowledged; the one to go on with */
    uint64_t events;      /* what is to be sent, damaged ones included */
    int64_t oldest_ms;    /* wall clock: about when the first of them was taken; 0: there are none */
    int64_t cut_bytes;    /* a torn end: so many bytes were cut off; 0: none */
};

/* The folder is there, and is nobody else's. `segment_bytes`: about so many a file. */
TL_MUST_USE enum tl_code tl_spool_open(const char *folder, int64_t segment_bytes, struct tl_spool **out,
                                       struct tl_spool_found *found, struct tl_err *err);
void tl_spool_close(struct tl_spool *spool);

/* Appends records that lie one behind the other, `first` to `end` - 1, and fills in their checks. They are on disk for good once tl_spool_sync has
 * returned. After a failure of either, what was appended from tl_spool_kept on counts for nothing: append it once more, and it goes to another file. */
TL_MUST_USE enum tl_code tl_spool_append(struct tl_spool *spool, char *records, size_t bytes, uint64_t first, uint64_t end,
                                         struct tl_err *err);
TL_MUST_USE enum tl_code tl_spool_sync(struct tl_spool *spool, struct tl_err *err);
/* Up to here what was appended is on disk for good. */
uint64_t tl_spool_kept(const struct tl_spool *spool);
/* All below `sequence` is acknowledged: keeps that (now and then, and when `now`), and removes the segments that nobody needs any more. */
void tl_spool_release(struct tl_spool *spool, uint64_t sequence, bool now);
int64_t tl_spool_bytes(struct tl_spool *spool); /* on disk; from any thread */

struct tl_spool_reader;

TL_MUST_USE enum tl_code tl_spool_reader_open(struct tl_spool *spool, struct tl_spool_reader **out, struct tl_err *err);
void tl_spool_reader_close(struct tl_spool_reader *reader);

struct tl_spool_batch {
    const struct tl_spool_record *records; /* good until the reader's next call */
    size_t count;
    uint64_t next;    /* to read on with */
    uint64_t lost;    /* so many events between `from` and `next` are damaged */
    char damage[300]; /* where, if there are any */
};

/* What is on disk of `from` to `until` - 1, as much as is handy at once: some, or `next` is `until`. */
TL_MUST_USE enum tl_code tl_spool_read(struct tl_spool_reader *reader, uint64_t from, uint64_t until, struct tl_spool_batch *out,
                                       struct tl_err *err);
/* Gives memory back while nothing is to be read. */
void tl_spool_reader_rest(struct tl_spool_reader *reader);

#endif
