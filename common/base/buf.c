/* buf.c: bytes that grow up to a stated maximum, and a reader that never runs past their end. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tl_buf_init(struct tl_buf *buf, size_t bytes_max)
{
    *buf = (struct tl_buf){.bytes_max = bytes_max};
}

void tl_buf_done(struct tl_buf *buf)
{
    free(buf->data);
    *buf = (struct tl_buf){.bytes_max = buf->bytes_max};
}

/* `slack` bytes behind the wanted ones do not count towards bytes_max (vsnprintf's zero). */
static bool grow(struct tl_buf *buf, size_t more, size_t slack)
{
    size_t size, wanted, capacity = buf->capacity;
    char *data;

    if (buf->failed)
        return false;
    if (tl_add_overflows(buf->size, more, &size) || (buf->bytes_max != 0 && size > buf->bytes_max) ||
        tl_add_overflows(size, slack, &wanted))
        goto failed;
    if (wanted <= capacity && buf->data != NULL)
        return true;
    if (tl_mul_overflows(capacity, 2, &capacity) || capacity < wanted)
        capacity = wanted;
    if (capacity < 64)
        capacity = 64;
    data = realloc(buf->data, capacity);
    if (data == NULL)
        goto failed;
    buf->data = data;
    buf->capacity = capacity;
    return true;
failed:
    buf->failed = true;
    return false;
}

char *tl_buf_grow(struct tl_buf *buf, size_t more)
{
    return grow(buf, more, 0) ? buf->data + buf->size : NULL;
}

static void put_little(struct tl_buf *buf, uint64_t value, size_t size)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    tl_buf_put(buf, bytes, size);
}

void tl_buf_put_u32(struct tl_buf *buf, uint32_t value)
{
    put_little(buf, value, 4);
}

void tl_buf_put_u64(struct tl_buf *buf, uint64_t value)
{
    put_little(buf, value, 8);
}

void tl_buf_put_varint(struct tl_buf *buf, uint64_t value)
{
    unsigned char bytes[10];
    size_t size = 0;

    if (value < 0x80) {
        tl_buf_put_u8(buf, (uint8_t)value);
        return;
    }
    while (value >= 0x80) {
        bytes[size++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (unsigned char)value;
    tl_buf_put(buf, bytes, size);
}

void tl_buf_put_zigzag(struct tl_buf *buf, int64_t value)
{
    tl_buf_put_varint(buf, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

void tl_buf_put_block(struct tl_buf *buf, struct tl_sv bytes)
{
    size_t size_before = buf->size;

    tl_buf_put_varint(buf, bytes.size);
    tl_buf_put_sv(buf, bytes);
    if (buf->failed)
        buf->size = size_before; /* no size without its bytes */
}

void tl_buf_printf(struct tl_buf *buf, const char *fmt, ...)
{
    size_t room = buf->capacity - buf->size;
    va_list args;
    int size;

    if (buf->failed)
        return;
    va_start(args, fmt);
    size = vsnprintf(buf->data == NULL ? NULL : buf->data + buf->size, buf->data == NULL ? 0 : room, fmt, args);
    va_end(args);
    if (size < 0) {
        buf->failed = true;
        return;
    }
    if ((size_t)size >= room || (buf->bytes_max != 0 && (size_t)size > buf->bytes_max - buf->size)) {
        if (!grow(buf, (size_t)size, 1))
            return;
        va_start(args, fmt);
        vsnprintf(buf->data + buf->size, (size_t)size + 1, fmt, args);
        va_end(args);
    }
    buf->size += (size_t)size;
}

void tl_buf_put_decimal(struct tl_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    tl_buf_put(buf, digits + at, sizeof digits - at);
}

void tl_buf_put_i64(struct tl_buf *buf, int64_t value)
{
    if (value < 0)
        tl_buf_put_u8(buf, '-');
    tl_buf_put_decimal(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Is one of the eight a control character, a quotation mark, a backslash, or none of ASCII's? A borrow from a byte that is none of them cannot happen, so
 * what stands above a first hit is the only thing that may be wrong. */
static bool any_to_escape(const unsigned char *bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t word, quote, backslash;

    memcpy(&word, bytes, sizeof word);
    quote = word ^ ones * '"';
    backslash = word ^ ones * '\\';
    return (((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & tops) != 0;
}

void tl_buf_put_json(struct tl_buf *buf, struct tl_sv text)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t size_before = buf->size, plain = 0, i = 0; /* bytes[plain .. i) waits to be put as it is */

    tl_buf_put(buf, "\"", 1);
    while (i < text.size) {
        unsigned char c;
        size_t size = 1;
        char escape[6];
        size_t escape_size = 0;

        while (text.size - i >= 8 && !any_to_escape(bytes + i))
            i += 8;
        if (i == text.size || (text.size - i < 8 && text.size >= 8 && !any_to_escape(bytes + text.size - 8)))
            break;
        c = bytes[i];

        if (c >= 0x80) {
            size = tl_utf8_size(text.data + i, text.size - i);
            if (size == 0) {
                size = 1;
                memcpy(escape, "\xef\xbf\xbd", escape_size = 3); /* U+FFFD */
            }
        } else if (c < 0x20 || c == '"' || c == '\\') {
            escape[escape_size++] = '\\';
            switch (c) {
            case '"':
            case '\\': escape[escape_size++] = (char)c; break;
            case '\b': escape[escape_size++] = 'b'; break;
            case '\f': escape[escape_size++] = 'f'; break;
            case '\n': escape[escape_size++] = 'n'; break;
            case '\r': escape[escape_size++] = 'r'; break;
            case '\t': escape[escape_size++] = 't'; break;
            default:
                escape[1] = 'u';
                escape[2] = escape[3] = '0';
                escape[4] = hex[c >> 4];
                escape[5] = hex[c & 15];
                escape_size = 6;
            }
        }
        if (escape_size > 0) {
            tl_buf_put(buf, bytes + plain, i - plain);
            tl_buf_put(buf, escape, escape_size);
            plain = i + size;
        }
        i += size;
    }
    if (text.size > plain)
        tl_buf_put(buf, bytes + plain, text.size - plain);
    tl_buf_put(buf, "\"", 1);
    if (buf->failed)
        buf->size = size_before;
}

enum tl_code tl_buf_check(const struct tl_buf *buf, const char *what, struct tl_err *err)
{
    if (!buf->failed)
        return TL_OK;
    if (buf->bytes_max != 0)
        return tl_fail(err, TL_ERR_LIMIT, "%s: does not fit its maximum of %zu bytes, or memory has ended", what, buf->bytes_max);
    return tl_fail(err, TL_ERR_MEMORY, "%s: out of memory behind %zu bytes", what, buf->size);
}

static uint64_t read_little(struct tl_reader *reader, size_t size)
{
    struct tl_sv bytes = tl_reader_bytes(reader, size);
    uint64_t value = 0;

    for (size_t i = 0; i < bytes.size; i++)
        value |= (uint64_t)(unsigned char)bytes.data[i] << (8 * i);
    return value;
}

uint32_t tl_reader_u32(struct tl_reader *reader)
{
    return (uint32_t)read_little(reader, 4);
}

uint64_t tl_reader_u64(struct tl_reader *reader)
{
    return read_little(reader, 8);
}

uint64_t tl_reader_long_varint(struct tl_reader *reader)
{
    const char *at = reader->at;
    uint64_t value = 0;

    for (unsigned shift = 0; !reader->failed && shift < 64 && at < reader->end; shift += 7) {
        unsigned char byte = (unsigned char)*at++;

        if (shift == 63 && byte > 1)
            break; /* more than 64 bits */
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            reader->at = at;
            return value;
        }
    }
    reader->failed = true;
    return 0;
}

struct tl_sv tl_reader_block(struct tl_reader *reader)
{
    uint64_t size = tl_reader_varint(reader);

    if (size > SIZE_MAX) {
        reader->failed = true;
        return (struct tl_sv){NULL, 0};
    }
    return tl_reader_bytes(reader, (size_t)size);
}
