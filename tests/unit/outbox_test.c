/* outbox_test.c: what waits to be written: in order, once, and let go when it is written. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/outbox.h"

static unsigned drained;

static void on_readable(struct tl_stream *stream)
{
    (void)stream;
}

static void on_drained(struct tl_stream *stream)
{
    drained++;
    cr_assert(tl_outbox_flush(stream->ctx, stream));
}

static void on_failed(struct tl_stream *stream, const char *why)
{
    (void)stream;
    (void)why;
}

static const struct tl_stream_calls calls = {NULL, on_readable, on_drained, on_failed};

/* So many blobs, of many sizes, each of another letter; what comes out at the other side is the same. */
Test(outbox, all_in_order)
{
    enum { BLOBS = 3000 };
    static struct tl_blob *blobs[BLOBS];
    struct event_base *base = event_base_new();
    struct tl_outbox outbox = {0};
    struct tl_stream stream;
    size_t at = 0, in_blob = 0;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    tl_stream_init(&stream, base, fds[0], false, NULL, &calls, &outbox);
    for (size_t b = 0; b < BLOBS; b++) {
        blobs[b] = tl_blob_make(b * 7919 % 5000);
        cr_assert_not_null(blobs[b]);
        memset(blobs[b]->data, 'a' + (int)(b % 26), blobs[b]->size);
        cr_assert(tl_outbox_put(&outbox, tl_blob_hold(blobs[b])));
        if (b % 100 == 0)
            cr_assert(tl_outbox_flush(&outbox, &stream));
    }
    while (at < BLOBS) {
        char bytes[7001];
        ssize_t size;

        event_base_loop(base, EVLOOP_NONBLOCK);
        size = recv(fds[1], bytes, sizeof bytes, 0);
        for (ssize_t i = 0; i < size; i++) {
            for (; at < BLOBS && in_blob == blobs[at]->size; in_blob = 0)
                at++;
            cr_assert_lt(at, (size_t)BLOBS);
            if (bytes[i] != blobs[at]->data[in_blob++])
                cr_assert_fail("another byte in blob %zu", at);
        }
        while (at < BLOBS && in_blob == blobs[at]->size && tl_outbox_pending(&outbox) == 0) {
            at++;
            in_blob = 0;
        }
        for (size_t b = 0; b + 1 < at; b++)
            cr_assert_leq(atomic_load(&blobs[b]->refs), 2u);
    }
    cr_assert_gt(drained, 0u);
    cr_assert_leq(outbox.capacity, 8u);
    for (size_t b = 0; b < BLOBS; b++) {
        cr_assert_eq(atomic_load(&blobs[b]->refs), 1u);
        tl_blob_drop(blobs[b]);
    }
    tl_outbox_done(&outbox);
    tl_stream_close(&stream);
    close(fds[1]);
    event_base_free(base);
}

/* From the end, and never what has begun. */
Test(outbox, drop)
{
    struct tl_blob *blob = tl_blob_copy(TL_SV("0123456789"));
    struct tl_outbox outbox = {0};

    cr_assert_not_null(blob);
    for (int i = 0; i < 5000; i++)
        cr_assert(tl_outbox_put(&outbox, tl_blob_hold(blob)));
    cr_assert_eq(tl_outbox_pending(&outbox), 50000u);
    outbox.at = 5;
    tl_outbox_drop(&outbox);
    cr_assert_geq(tl_outbox_pending(&outbox), (size_t)16 << 10);
    cr_assert_lt(tl_outbox_pending(&outbox), (size_t)17 << 10);
    cr_assert_eq(atomic_load(&blob->refs), 1 + outbox.count);
    tl_outbox_drop(&outbox);
    cr_assert_geq(tl_outbox_pending(&outbox), (size_t)16 << 10);
    tl_outbox_done(&outbox);
    cr_assert_eq(atomic_load(&blob->refs), 1u);
    cr_assert(tl_outbox_put(&outbox, blob));
    tl_outbox_drop(&outbox);
    cr_assert_eq(tl_outbox_pending(&outbox), 10u);
    cr_assert_not(tl_outbox_put(&outbox, NULL));
    tl_outbox_done(&outbox);
    tl_outbox_done(&outbox);
}
