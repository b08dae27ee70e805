/* base64url.c: bytes as text for a URL. See base64url.h. */
#include "base/base64url.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void tl_base64url_put(struct tl_buf *out, struct tl_sv bytes)
{
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        bits = bits << 8 | (uint8_t)bytes.data[i];
        for (have += 8; have >= 6; have -= 6)
            tl_buf_put_u8(out, (uint8_t)letters[bits >> (have - 6) & 63]);
    }
    if (have > 0)
        tl_buf_put_u8(out, (uint8_t)letters[bits << (6 - have) & 63]);
}

bool tl_base64url_read(struct tl_sv text, struct tl_buf *out)
{
    size_t before = out->size;
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < text.size; i++) {
        const char *letter = memchr(letters, text.data[i], sizeof letters - 1);

        if (letter == NULL) {
            out->size = before;
            return false;
        }
        bits = bits << 6 | (uint32_t)(letter - letters);
        have += 6;
        if (have >= 8) {
            have -= 8;
            tl_buf_put_u8(out, (uint8_t)(bits >> have));
        }
    }
    if (have >= 6 || (bits & ((1u << have) - 1)) != 0) {
        out->size = before;
        return false;
    }
    return true;
}
