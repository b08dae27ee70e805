/* http1_fuzz.c: bytes of a connection: the same messages, or the same refusal, in whatever pieces they come; and pieces of bodies lie in them.
 *
 * Input: a byte (1: answers, 2: they are to HEAD, 4: short heads alone are taken), a seed for the sizes of the pieces, and then the connection. */
#include "fuzz/target.h"
#include "support/http1_feed.h"

enum { HEAD_BYTES_MAX = 4096, SHORT_HEAD_BYTES_MAX = 64, SMALL = 600 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void feed_pieces(struct http1_feed *feed, struct tl_sv bytes, size_t piece_bytes_max, uint32_t seed)
{
    http1_feed_begin(feed);
    for (size_t upto = 0; upto < bytes.size;) {
        upto += 1 + next_random(&seed) % piece_bytes_max;
        http1_feed_upto(feed, bytes, upto < bytes.size ? upto : bytes.size);
    }
    http1_feed_end(feed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_buf whole, pieces;
    struct http1_feed feed = {.out = &whole};
    struct tl_sv bytes;
    struct tl_err err;

    if (size < 2)
        return 0;
    bytes = (struct tl_sv){(const char *)data + 2, size - 2};
    feed.kind = (data[0] & 1) != 0 ? TL_HTTP1_RESPONSE : TL_HTTP1_REQUEST;
    feed.answers_head = (data[0] & 2) != 0;
    CHECK(tl_http1_open(feed.kind, (data[0] & 4) != 0 ? SHORT_HEAD_BYTES_MAX : HEAD_BYTES_MAX, &feed.http, &err) == TL_OK);
    tl_buf_init(&whole, 0);
    tl_buf_init(&pieces, 0);
    http1_feed_begin(&feed);
    http1_feed_upto(&feed, bytes, bytes.size);
    http1_feed_end(&feed);
    feed.out = &pieces;
    for (size_t largest = bytes.size < SMALL ? 1 : 16; largest <= 256; largest *= 16) {
        feed_pieces(&feed, bytes, largest, data[1]);
        CHECK(tl_sv_eq(tl_buf_sv(&whole), tl_buf_sv(&pieces)));
    }
    tl_http1_close(feed.http);
    tl_buf_done(&whole);
    tl_buf_done(&pieces);
    return 0;
}
