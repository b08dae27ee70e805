/* blob.h: bytes that nobody changes any more, shared by whoever holds them: a cached answer, or a frame that goes to a thousand clients, exists
 * once.
 *
 * Runs on: any thread; the last one to drop a blob frees it. */
#ifndef TL_BLOB_H
#define TL_BLOB_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/sv.h"

struct tl_blob {
    atomic_uint refs;
    size_t size;
    char *data; /* behind the blob, or what tl_blob_take has taken */
};

/* One reference. NULL: out of memory. */
struct tl_blob *tl_blob_copy(struct tl_sv bytes);
/* The same, of so many bytes that the caller writes before anybody else gets to hold it. */
struct tl_blob *tl_blob_make(size_t size);
/* Of the buffer's own memory, which is empty afterwards; NULL: out of memory, and it has kept it. */
struct tl_blob *tl_blob_take(struct tl_buf *buf);
/* One reference more; returns its argument. */
struct tl_blob *tl_blob_hold(struct tl_blob *blob);
/* NULL is fine. */
void tl_blob_drop(struct tl_blob *blob);

#endif
