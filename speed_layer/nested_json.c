/* nested_json.c: JSON that stands as a text in JSON. See nested_json.h. */
#include "speed_layer/nested_json.h"

#include <string.h>

enum { STEP = 64, ESCAPE_BYTES_MAX = 7 /* \\u001f */, UTF8_BYTES_MAX = 4, WORD = 8 };

static char *put_control(char *to, unsigned char c, bool twice)
{
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    if (twice)
        *to++ = '\\';
    *to++ = 'u';
    *to++ = '0';
    *to++ = '0';
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
    return to;
}

/* One character that is not plain ASCII; *size: of its bytes. */
static char *put_special(char *to, struct tl_sv text, size_t at, bool twice, size_t *size)
{
    static const struct tl_sv replacement = {"\xef\xbf\xbd", 3};
    const unsigned char c = (unsigned char)text.data[at];

    *size = 1;
    if (c == '"' || c == '\\') {
        const size_t slashes = twice ? 3 : 1;

        memcpy(to, "\\\\\\", slashes);
        to[slashes] = (char)c;
        return to + slashes + 1;
    }
    if (c != 0 && c < 0x20)
        return put_control(to, c, twice);
    *size = c == 0 ? 0 : tl_utf8_size(text.data + at, text.size - at);
    if (*size == 0) {
        *size = 1;
        memcpy(to, replacement.data, replacement.size);
        return to + replacement.size;
    }
    memcpy(to, text.data + at, *size);
    return to + *size;
}

static bool is_plain(char c)
{
    return (unsigned char)(c - 0x20) < 0x60 && c != '"' && c != '\\';
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
/* In the top bit of each byte: is it zero? Exact in bytes below 0x80, and the others have been looked at. */
static uint64_t zeros(uint64_t word)
{
    return (word - EACH(1)) & ~word & EACH(0x80);
}

/* Eight bytes at once: none of them to be escaped. Half of the time of byte by byte. */
static bool words_plain(const char *at)
{
    uint64_t word;

    memcpy(&word, at, WORD);
    return ((word & EACH(0x80)) | ((word - EACH(0x20)) & ~word & EACH(0x80)) | zeros(word ^ EACH('"')) |
            zeros(word ^ EACH('\\'))) == 0;
}

static void put(struct tl_buf *out, struct tl_sv text, bool twice)
{
    for (size_t at = 0; at < text.size;) {
        const size_t end = text.size - at > STEP ? at + STEP : text.size;
        char *from = tl_buf_reserve(out, (STEP + UTF8_BYTES_MAX) * ESCAPE_BYTES_MAX), *to = from;

        if (from == NULL)
            return;
        while (at < end) {
            size_t size = 1;

            if (end - at >= WORD && words_plain(text.data + at)) {
                memcpy(to, text.data + at, size = WORD);
                to += WORD;
            } else if (is_plain(text.data[at]))
                *to++ = text.data[at];
            else
                to = put_special(to, text, at, twice, &size);
            at += size;
        }
        out->size += (size_t)(to - from);
    }
}

void tl_nested_json_put(struct tl_buf *out, struct tl_sv json)
{
    put(out, json, false);
}

void tl_nested_json_put_text(struct tl_buf *out, struct tl_sv text)
{
    tl_buf_put_sv(out, TL_SV("\\\""));
    put(out, text, true);
    tl_buf_put_sv(out, TL_SV("\\\""));
}

void tl_nested_json_put_part(struct tl_buf *out, struct tl_sv text)
{
    put(out, text, true);
}
