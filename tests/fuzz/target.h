/* target.h: what fuzz targets share: the entry point, and how a broken promise is told. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/sv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                                         \
    do {                                                                                                                         \
        if (!(condition))                                                                                                        \
            abort();                                                                                                             \
    } while (0)

/* A copy of its own size, so that the sanitizer sees a read beyond it; to be freed. */
static inline struct tl_sv fuzz_copy(struct tl_sv text)
{
    char *copy = malloc(text.size > 0 ? text.size : 1);

    CHECK(copy != NULL);
    memcpy(copy, text.size > 0 ? text.data : "", text.size);
    return (struct tl_sv){copy, text.size};
}

#endif
