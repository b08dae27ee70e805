/* count_text.c: how counts and shares are written for people. See count_text.h. */
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

unsigned tl_share_of(uint64_t part, uint64_t whole)
{
    unsigned share = (unsigned)((double)part / (double)whole * TL_SHARE_WHOLE);

    if (part == whole)
        return TL_SHARE_WHOLE;
    if (share == 0 && part > 0)
        return 1;
    return share > TL_SHARE_WHOLE - 1 ? TL_SHARE_WHOLE - 1 : share;
}

const char *tl_share_text(unsigned share, char out[TL_SHARE_TEXT_BYTES])
{
    if (share >= TL_SHARE_WHOLE)
        snprintf(out, TL_SHARE_TEXT_BYTES, "100%%");
    else
        snprintf(out, TL_SHARE_TEXT_BYTES, "%u.%02u%%", share / 100, share % 100);
    return out;
}
