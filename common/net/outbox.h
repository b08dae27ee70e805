/* outbox.h: what a connection is still to write: shared bytes, one after the other, none of them copied.
 *
 * Is not:  a limit. Whoever puts something in looks at tl_outbox_pending.
 * Runs on: the stream's loop. */
#ifndef TL_OUTBOX_H
#define TL_OUTBOX_H

#include "base/blob.h"
#include "net/stream.h"

/* All zero is an empty one; an empty one holds next to no memory. */
struct tl_outbox {
    struct tl_blob **blobs; /* from `first` on, `count` of them */
    size_t first, count, capacity;
    size_t at;    /* so much of the first is written */
    size_t bytes; /* of all of them, written or not */
};

void tl_outbox_done(struct tl_outbox *outbox);
static inline size_t tl_outbox_pending(const struct tl_outbox *outbox)
{
    return outbox->bytes - outbox->at;
}
/* Takes the reference, also where it fails; NULL is what could not be made. False: out of memory. */
TL_MUST_USE bool tl_outbox_put(struct tl_outbox *outbox, struct tl_blob *blob);
/* Drops whole blobs from the end, and keeps those in front that may have begun to be written: also where TLS has them in a record. */
void tl_outbox_drop(struct tl_outbox *outbox);
/* Writes as much as goes now. Where something is left, the stream's `drained` is called when there is room. False: the stream has failed. */
TL_MUST_USE bool tl_outbox_flush(struct tl_outbox *outbox, struct tl_stream *stream);

#endif
