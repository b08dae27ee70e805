/* part_output.c: what a part writes to stderr. See part_output.h. */
#include "main/part_output.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* PIPE_BYTES: room for what a part says while nobody reads, some thousand lines; where the system does not give so much it is 64 KiB.
 * A line of diag's has at most 64 KiB; a longer one that somebody else writes is cut. */
enum {
    PIPE_BYTES = 1 << 20,
    READ_BYTES = 16 * 1024,
    READS_MAX = 64,
    HELD_MAX = 128 * 1024,
    QUIET_MS = 100,
    CRASH_QUIET_MS = 1000
};

enum tl_code tl_part_output_open(struct tl_part_output *output, int *write_fd, struct tl_err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "cannot make a pipe");
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        close(ends[0]);
        close(ends[1]);
        return tl_fail_errno(err, TL_ERR_IO, "cannot set up a pipe");
    }
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    output->fd = ends[0];
    output->heard_ms = 0;
    tl_buf_init(&output->held, 0);
    *write_fd = ends[1];
    return TL_OK;
}

/* "2026-03-01T02:00:07Z " or the beginning of a JSON line. */
static bool is_diag(struct tl_sv text)
{
    static const char time[] = "0000-00-00T00:00:00Z ", json[] = "{\"ts\":\"";
    size_t i = 0;

    if (text.size >= sizeof json - 1 && memcmp(text.data, json, sizeof json - 1) == 0)
        return true;
    for (; i < sizeof time - 1 && i < text.size; i++)
        if (time[i] == '0' ? !isdigit((unsigned char)text.data[i]) : time[i] != text.data[i])
            return false;
    return i == sizeof time - 1;
}

static struct tl_sv from(const struct tl_part_output *output, size_t at)
{
    return (struct tl_sv){output->held.data + at, output->held.size - at};
}

static void hand_on(struct tl_part_output *output, size_t size, tl_part_output_sink sink, void *ctx)
{
    struct tl_buf *held = &output->held;

    if (size == 0)
        return;
    sink(ctx, (struct tl_sv){held->data, size}, is_diag(tl_buf_sv(held)));
    memmove(held->data, held->data + size, held->size - size);
    held->size -= size;
}

/* The end of the first block, where the beginning of the next one is there, or 0. */
static size_t first_block(const struct tl_part_output *output)
{
    const struct tl_buf *held = &output->held;

    for (size_t at = 0; at < held->size;) {
        const char *end = memchr(held->data + at, '\n', held->size - at);

        if (end == NULL)
            return 0;
        at = (size_t)(end - held->data) + 1;
        if (at < held->size && is_diag(from(output, at)))
            return at;
    }
    return 0;
}

static size_t whole_lines(const struct tl_part_output *output)
{
    const char *last = output->held.size > 0 ? memrchr(output->held.data, '\n', output->held.size) : NULL;

    return last != NULL ? (size_t)(last - output->held.data) + 1 : 0;
}

static void hand_on_all(struct tl_part_output *output, tl_part_output_sink sink, void *ctx)
{
    struct tl_buf *held = &output->held;
    size_t block;

    while ((block = first_block(output)) > 0)
        hand_on(output, block, sink, ctx);
    if (held->size > 0 && held->data[held->size - 1] != '\n')
        tl_buf_put_u8(held, '\n');
    hand_on(output, held->size, sink, ctx);
}

/* False: nothing more is there just now, or (*ended) for ever. */
static bool read_some(struct tl_part_output *output, int64_t now_ms, bool *ended)
{
    char *room = tl_buf_reserve(&output->held, READ_BYTES);
    ssize_t got;

    if (room == NULL) { /* what is held gives room the next time */
        output->held.failed = false;
        return false;
    }
    do
        got = read(output->fd, room, READ_BYTES);
    while (got < 0 && errno == EINTR);
    *ended = got == 0 || (got < 0 && errno != EAGAIN);
    if (got <= 0)
        return false;
    output->held.size += (size_t)got;
    output->heard_ms = now_ms;
    return true;
}

void tl_part_output_read(struct tl_part_output *output, int64_t now_ms, tl_part_output_sink sink, void *ctx)
{
    struct tl_buf *held = &output->held;
    bool ended = false;
    int64_t silent_ms;
    size_t block;

    if (output->fd < 0)
        return;
    for (int reads = 0; reads < READS_MAX && read_some(output, now_ms, &ended); reads++) {
        while ((block = first_block(output)) > 0)
            hand_on(output, block, sink, ctx);
        if (held->size > HELD_MAX) {
            hand_on(output, whole_lines(output), sink, ctx);
            if (held->size > HELD_MAX)
                hand_on_all(output, sink, ctx);
        }
    }
    if (ended) {
        tl_part_output_close(output, sink, ctx);
        return;
    }
    if (held->size == 0)
        return;
    silent_ms = now_ms - output->heard_ms;
    if (silent_ms >= (is_diag(tl_buf_sv(held)) ? QUIET_MS : CRASH_QUIET_MS))
        hand_on(output, whole_lines(output), sink, ctx);
}

void tl_part_output_close(struct tl_part_output *output, tl_part_output_sink sink, void *ctx)
{
    bool ended = false;

    if (output->fd < 0)
        return;
    while (read_some(output, output->heard_ms, &ended))
        continue;
    hand_on_all(output, sink, ctx);
    tl_buf_done(&output->held);
    close(output->fd);
    output->fd = -1;
}
