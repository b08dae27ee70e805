/* capture_queue.h: events in memory, in blocks, as they will lie on disk (spool.h).
 *
 * Is:      the end of the queue: what came last. What came before may have gone from here, to the disk or to the log.
 * Is not:  locked: every call with the capture's lock. What a place shows stays there without it, until the place moves on. */
#ifndef TL_CAPTURE_QUEUE_H
#define TL_CAPTURE_QUEUE_H

#include "speed_layer/spool.h"

struct tl_capture_block {
    struct tl_capture_block *next;
    uint64_t first, end; /* its events */
    size_t used, capacity;
    unsigned holders; /* the queue, and places */
    _Alignas(8) char records[];
};

struct tl_capture_queue {
    struct tl_capture_block *head, *tail, *spare;
    size_t block_bytes;
    int64_t bytes; /* in use */
    uint64_t next; /* the sequence of the next event */
};

void tl_capture_queue_init(struct tl_capture_queue *queue, size_t block_bytes, uint64_t next);
void tl_capture_queue_done(struct tl_capture_queue *queue);
/* Gives the event its sequence. False: no memory, and nothing is changed. */
TL_MUST_USE bool tl_capture_queue_put(struct tl_capture_queue *queue, struct tl_spool_record *record);
/* The first event that is here; `next` where there is none. */
uint64_t tl_capture_queue_first(const struct tl_capture_queue *queue);
/* Blocks that hold only events below `sequence` go. */
void tl_capture_queue_drop(struct tl_capture_queue *queue, uint64_t sequence);

/* Where somebody reads. {0}: nowhere yet. */
struct tl_capture_place {
    struct tl_capture_block *block;
    size_t at;
    uint64_t sequence;
};

struct tl_capture_run {
    char *records;
    size_t bytes;
    uint64_t first, end;
};

/* Events that lie one behind the other, from `sequence` on. False: there are none here. */
TL_MUST_USE bool tl_capture_place_look(struct tl_capture_queue *queue, struct tl_capture_place *place, uint64_t sequence,
                                       struct tl_capture_run *out);
void tl_capture_place_pass(struct tl_capture_place *place, size_t bytes, uint64_t sequence); /* without the lock too */
void tl_capture_place_leave(struct tl_capture_queue *queue, struct tl_capture_place *place);

#endif
