/* count_text.c: how a count is written for people. See count_text.h. */
#include "base/count_text.h"

#include <inttypes.h>
#include <stdio.h>

const char *tl_count_text(uint64_t count, char out[TL_COUNT_TEXT_BYTES])
{
    char digits[24];
    size_t size = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count), to = 0;

    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            out[to++] = ',';
        out[to++] = digits[i];
    }
    out[to] = '\0';
    return out;
}
