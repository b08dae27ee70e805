/* outbox.c: what a connection is still to write. See outbox.h. */
#include "net/outbox.h"

#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 8, KEEP_MAX = 8, RECORD_BYTES = 16 << 10 /* of TLS, at most (stream.c) */ };

/* Empty: what a burst took goes back. */
static void reset(struct tl_outbox *outbox)
{
    assert(outbox->count == 0);
    outbox->first = outbox->at = outbox->bytes = 0;
    if (outbox->capacity <= KEEP_MAX)
        return;
    free(outbox->blobs);
    outbox->blobs = NULL;
    outbox->capacity = 0;
}

void tl_outbox_done(struct tl_outbox *outbox)
{
    for (size_t b = 0; b < outbox->count; b++)
        tl_blob_drop(outbox->blobs[outbox->first + b]);
    free(outbox->blobs);
    *outbox = (struct tl_outbox){0};
}

bool tl_outbox_put(struct tl_outbox *outbox, struct tl_blob *blob)
{
    size_t capacity = outbox->capacity == 0 ? 4 : outbox->capacity * 2;

    if (blob == NULL)
        return false;
    if (blob->size == 0) {
        tl_blob_drop(blob);
        return true;
    }
    if (outbox->first + outbox->count == outbox->capacity) {
        if (outbox->first > outbox->capacity / 2) {
            memmove(outbox->blobs, outbox->blobs + outbox->first, outbox->count * sizeof(struct tl_blob *));
            outbox->first = 0;
        } else if (TL_RESIZE(outbox->blobs, capacity)) {
            outbox->capacity = capacity;
        } else {
            tl_blob_drop(blob);
            return false;
        }
    }
    outbox->blobs[outbox->first + outbox->count++] = blob;
    outbox->bytes += blob->size;
    return true;
}

void tl_outbox_drop(struct tl_outbox *outbox)
{
    size_t kept = 0, bytes = 0;

    for (; kept < outbox->count && (kept == 0 || bytes < outbox->at + RECORD_BYTES); kept++)
        bytes += outbox->blobs[outbox->first + kept]->size;
    while (outbox->count > kept)
        tl_blob_drop(outbox->blobs[outbox->first + --outbox->count]);
    outbox->bytes = bytes;
}

/* So many of the bytes in front are written. */
static void take(struct tl_outbox *outbox, size_t size)
{
    outbox->at += size;
    while (outbox->count > 0 && outbox->at >= outbox->blobs[outbox->first]->size) {
        struct tl_blob *blob = outbox->blobs[outbox->first++];

        outbox->count--;
        outbox->at -= blob->size;
        outbox->bytes -= blob->size;
        tl_blob_drop(blob);
    }
    if (outbox->count == 0)
        reset(outbox);
}

bool tl_outbox_flush(struct tl_outbox *outbox, struct tl_stream *stream)
{
    while (outbox->count > 0) {
        struct iovec parts[PARTS_MAX];
        size_t offered = 0;
        ssize_t size;
        int count = 0;

        for (; count < PARTS_MAX && (size_t)count < outbox->count; count++) {
            struct tl_blob *blob = outbox->blobs[outbox->first + (size_t)count];
            size_t at = count == 0 ? outbox->at : 0;

            parts[count] = (struct iovec){blob->data + at, blob->size - at};
            offered += blob->size - at;
        }
        size = tl_stream_offer(stream, parts, count);
        if (size == TL_STREAM_FAILED)
            return false;
        take(outbox, (size_t)size);
        if ((size_t)size < offered)
            break;
    }
    return true;
}
