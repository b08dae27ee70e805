/* stream_test.c: a connection that takes slowly, not at all, or no more. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"

static struct {
    int drained, failed, readable;
} told;

static void on_readable(struct tl_stream *stream)
{
    (void)stream;
    told.readable++;
}

static void on_drained(struct tl_stream *stream)
{
    (void)stream;
    told.drained++;
}

static void on_failed(struct tl_stream *stream, const char *why)
{
    (void)why;
    told.failed++;
    tl_stream_give_up_writing(stream);
}

static const struct tl_stream_calls calls = {NULL, on_readable, on_drained, on_failed};

/* Both ends of a connection over the loopback, with little room in between. */
static void pair_open(struct event_base *base, struct tl_stream *stream, int *other)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int door = socket(AF_INET, SOCK_STREAM, 0), fd, few = 65536;

    memset(&told, 0, sizeof told);
    cr_assert_eq(bind(door, (const struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(door, 1), 0);
    cr_assert_eq(getsockname(door, (struct sockaddr *)&address, &size), 0);
    *other = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(*other, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    cr_assert_eq(connect(*other, (const struct sockaddr *)&address, size), 0);
    fd = accept4(door, NULL, NULL, SOCK_NONBLOCK);
    cr_assert_geq(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof few);
    close(door);
    tl_stream_init(stream, base, fd, false, NULL, &calls, NULL);
}

/* A number for each place, so that a byte in the wrong one shows. */
static char byte_at(size_t at)
{
    return (char)(at * 31 + at / 256);
}

static bool write_step(struct tl_stream *stream, size_t *written, size_t size)
{
    char *bytes = malloc(size);
    struct iovec parts[2] = {
        {bytes,            size / 3       },
        {bytes + size / 3, size - size / 3}
    };
    bool fine;

    cr_assert_not_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(*written + i);
    fine = tl_stream_write(stream, parts, 2);
    free(bytes);
    *written += size;
    return fine;
}

static size_t read_step(int fd, size_t *read_bytes, size_t size)
{
    char bytes[8192];
    ssize_t got = recv(fd, bytes, size < sizeof bytes ? size : sizeof bytes, MSG_DONTWAIT);

    for (ssize_t i = 0; i < got; i++)
        if (bytes[i] != byte_at(*read_bytes + (size_t)i))
            cr_assert_fail("another byte at %zu", *read_bytes + (size_t)i);
    *read_bytes += got > 0 ? (size_t)got : 0;
    return got > 0 ? (size_t)got : 0;
}

/* Something is always kept, and never much: what it is kept in does not grow with all that passes. */
Test(stream, what_is_kept_does_not_grow)
{
    struct event_base *base = event_base_new();
    size_t written = 0, read_bytes = 0, largest = 0;
    struct tl_stream stream;
    int other;

    pair_open(base, &stream, &other);
    while (written < 8000000) {
        while (tl_stream_pending(&stream) > 250000) { /* at one go no more goes than the kernel has room for */
            read_step(other, &read_bytes, 8000);
            event_base_loop(base, EVLOOP_NONBLOCK);
        }
        while (tl_stream_pending(&stream) < 400000)
            cr_assert(write_step(&stream, &written, 10000));
        largest = stream.out.capacity > largest ? stream.out.capacity : largest;
    }
    cr_assert_eq(told.drained, 0);
    cr_assert_lt(largest, (size_t)1500000);
    while (read_bytes < written) {
        read_step(other, &read_bytes, 8000);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    cr_assert_eq(told.drained, 1);
    cr_assert_eq(stream.taken, written);
    tl_stream_close(&stream);
    cr_assert_eq(recv(other, &told, 1, 0), 0);
    close(other);
    event_base_free(base);
}

/* It tells a side that takes slowly from one that takes nothing, also when what is taken makes no room here yet. */
Test(stream, progress)
{
    struct event_base *base = event_base_new();
    size_t written = 0, read_bytes = 0;
    struct tl_stream stream;
    uint64_t before;
    int other;

    pair_open(base, &stream, &other);
    while (tl_stream_pending(&stream) < 50000)
        cr_assert(write_step(&stream, &written, 10000));
    usleep(50000);
    before = tl_stream_progress(&stream);
    cr_assert_eq(tl_stream_progress(&stream), before);
    cr_assert_leq(before, stream.taken);
    for (size_t round = 0; round < 200 && tl_stream_progress(&stream) == before; round++) {
        while (read_step(other, &read_bytes, 8000) > 0) {}
        usleep(1000);
    }
    cr_assert_gt(tl_stream_progress(&stream), before);
    tl_stream_close(&stream);
    close(other);
    event_base_free(base);
}

/* Whoever closes with something kept says so: the other side must not take it for the end. */
Test(stream, closed_before_all_is_written)
{
    struct event_base *base = event_base_new();
    size_t written = 0, read_bytes = 0;
    struct tl_stream stream;
    int other;

    pair_open(base, &stream, &other);
    while (tl_stream_pending(&stream) < 50000)
        cr_assert(write_step(&stream, &written, 10000));
    tl_stream_close(&stream);
    cr_assert_not(tl_stream_is_open(&stream));
    errno = 0;
    while (read_step(other, &read_bytes, 8000) > 0) {}
    cr_assert_eq(errno, ECONNRESET);
    cr_assert_lt(read_bytes, written);
    close(other);
    event_base_free(base);
}

/* Who takes no more may have said why. */
Test(stream, what_was_said_can_be_read_by_one_who_cannot_write)
{
    const struct linger at_once = {.l_onoff = 1};
    struct event_base *base = event_base_new();
    struct tl_stream stream;
    size_t written = 0;
    char said[8] = {0};
    int other;

    pair_open(base, &stream, &other);
    tl_stream_reading(&stream, false);
    while (tl_stream_pending(&stream) < 50000)
        cr_assert(write_step(&stream, &written, 10000));
    cr_assert_eq(send(other, "enough", 6, 0), 6);
    setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(other);
    for (int i = 0; i < 100 && told.failed == 0; i++)
        event_base_loop(base, EVLOOP_ONCE);
    cr_assert_eq(told.failed, 1);
    cr_assert_eq(tl_stream_pending(&stream), 0);
    cr_assert_eq(tl_stream_read(&stream, said, sizeof said), 6);
    cr_assert_str_eq(said, "enough");
    cr_assert_leq(tl_stream_read(&stream, said, sizeof said), 0);
    tl_stream_close(&stream);
    event_base_free(base);
}
