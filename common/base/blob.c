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
    return blob;
}

struct tl_blob *tl_blob_copy(struct tl_sv bytes)
{
    struct tl_blob *blob = tl_blob_make(bytes.size);

    if (blob != NULL && bytes.size > 0)
        memcpy(blob->data, bytes.data, bytes.size);
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
    if (blob != NULL && atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) == 1)
        free(blob);
}
