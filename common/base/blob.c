/* blob.c: shared bytes. See blob.h. */
#include "base/blob.h"

#include <stdlib.h>
#include <string.h>

struct tl_blob *tl_blob_make(size_t size)
{
    struct tl_blob *blob = size <= SIZE_MAX - sizeof *blob ? malloc(sizeof *blob + size) : NULL;

    if (blob == NULL)
        return NULL;
    atomic_init(&blob->refs, 1);
    blob->size = size;
    blob->data = (char *)(blob + 1);
    return blob;
}

struct tl_blob *tl_blob_copy(struct tl_sv bytes)
{
    struct tl_blob *blob = tl_blob_make(bytes.size);

    if (blob != NULL && bytes.size > 0)
        memcpy(blob->data, bytes.data, bytes.size);
    return blob;
}

struct tl_blob *tl_blob_take(struct tl_buf *buf)
{
    struct tl_blob *blob = tl_blob_make(0);
    char *fitting;

    if (blob == NULL || buf->size == 0)
        return blob;
    fitting = realloc(buf->data, buf->size); /* it may be kept for long */
    blob->data = fitting != NULL ? fitting : buf->data;
    blob->size = buf->size;
    buf->data = NULL;
    tl_buf_done(buf);
    return blob;
}

struct tl_blob *tl_blob_hold(struct tl_blob *blob)
{
    atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    return blob;
}

void tl_blob_drop(struct tl_blob *blob)
{
    /* Acquire and release: what others have read of it, they have read before it goes. */
    if (blob == NULL || atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (blob->data != (char *)(blob + 1))
        free(blob->data);
    free(blob);
}
