/* buf.h: bytes that grow up to a stated maximum, and a reader that never runs past their end. */
#ifndef TL_BUF_H
#define TL_BUF_H

#include <string.h>

#include "base/base.h"
#include "base/sv.h"

/* A failed append sets `failed` and drops that append and all that follow, so a run of appends is checked once. */
struct tl_buf {
    char *data;
    size_t size, capacity, bytes_max; /* bytes_max 0: no limit of its own */
    bool failed;
};

void tl_buf_init(struct tl_buf *buf, size_t bytes_max);
void tl_buf_done(struct tl_buf *buf);
static inline void tl_buf_clear(struct tl_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}
static inline struct tl_sv tl_buf_sv(const struct tl_buf *buf)
{
    return (struct tl_sv){buf->data, buf->size};
}
TL_MUST_USE char *tl_buf_grow(struct tl_buf *buf, size_t more); /* what reserve does where there is no room yet */
/* Room for `more` further bytes behind size; NULL (and failed) if there is none. Does not change size. */
TL_MUST_USE static inline char *tl_buf_reserve(struct tl_buf *buf, size_t more)
{
    if (!buf->failed && buf->data != NULL && buf->bytes_max == 0 && more <= buf->capacity - buf->size)
        return buf->data + buf->size;
    return tl_buf_grow(buf, more);
}
static inline void tl_buf_put(struct tl_buf *buf, const void *bytes, size_t size)
{
    char *at = size > 0 ? tl_buf_reserve(buf, size) : NULL;

    if (at != NULL) {
        assert(bytes != NULL);
        memcpy(at, bytes, size);
        buf->size += size;
    }
}
static inline void tl_buf_put_sv(struct tl_buf *buf, struct tl_sv text)
{
    tl_buf_put(buf, text.data, text.size);
}
static inline void tl_buf_put_str(struct tl_buf *buf, const char *text)
{
    tl_buf_put(buf, text, strlen(text));
}
static inline void tl_buf_put_u8(struct tl_buf *buf, uint8_t value)
{
    char *at = tl_buf_reserve(buf, 1);

    if (at != NULL) {
        *at = (char)value;
        buf->size++;
    }
}
void tl_buf_put_u32(struct tl_buf *buf, uint32_t value);       /* little endian */
void tl_buf_put_u64(struct tl_buf *buf, uint64_t value);       /* little endian */
void tl_buf_put_varint(struct tl_buf *buf, uint64_t value);    /* LEB128 */
void tl_buf_put_zigzag(struct tl_buf *buf, int64_t value);     /* signed, LEB128 of the zigzag form */
void tl_buf_put_block(struct tl_buf *buf, struct tl_sv bytes); /* varint size, then the bytes */
TL_PRINTF(2, 3) void tl_buf_printf(struct tl_buf *buf, const char *fmt, ...);
void tl_buf_put_decimal(struct tl_buf *buf, uint64_t value);
void tl_buf_put_i64(struct tl_buf *buf, int64_t value); /* as a decimal */
/* The text as a JSON string with its quotes: escapes what RFC 8259 demands, takes well-formed UTF-8 as it is. */
void tl_buf_put_json(struct tl_buf *buf, struct tl_sv text);
TL_MUST_USE enum tl_code tl_buf_check(const struct tl_buf *buf, const char *what, struct tl_err *err);

/* Reads what tl_buf_put_* wrote. A read past the end sets `failed` and gives zeros; check once at the end. */
struct tl_reader {
    const char *at, *end;
    bool failed;
};

static inline struct tl_reader tl_reader_of(struct tl_sv bytes)
{
    return (struct tl_reader){bytes.data, bytes.size ? bytes.data + bytes.size : bytes.data, false};
}
/* `size` bytes of it, in place. */
static inline struct tl_sv tl_reader_bytes(struct tl_reader *reader, size_t size)
{
    struct tl_sv bytes = {reader->at, size};

    if (reader->failed || size > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return (struct tl_sv){NULL, 0};
    }
    if (size > 0)
        reader->at += size;
    return bytes;
}
static inline uint8_t tl_reader_u8(struct tl_reader *reader)
{
    struct tl_sv byte = tl_reader_bytes(reader, 1);

    return byte.size > 0 ? (uint8_t)byte.data[0] : 0;
}
uint32_t tl_reader_u32(struct tl_reader *reader);
uint64_t tl_reader_u64(struct tl_reader *reader);
uint64_t tl_reader_long_varint(struct tl_reader *reader); /* what tl_reader_varint does for more than one byte, or none */
static inline uint64_t tl_reader_varint(struct tl_reader *reader)
{
    if (!reader->failed && reader->at < reader->end && (*reader->at & 0x80) == 0)
        return (uint64_t)*reader->at++;
    return tl_reader_long_varint(reader);
}
static inline int64_t tl_reader_zigzag(struct tl_reader *reader)
{
    uint64_t value = tl_reader_varint(reader);

    return (int64_t)((value >> 1) ^ (value & 1 ? UINT64_MAX : 0));
}
struct tl_sv tl_reader_block(struct tl_reader *reader);
static inline bool tl_reader_at_end(const struct tl_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

#endif
