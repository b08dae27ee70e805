/* line_source.c: the lines of a file, plain or packed, a span at a time. See line_source.h. */
#include "speed_layer/line_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "event/batch.h"
#include "main/progress.h"
#include "main/stop.h"
#include "speed_layer/unpack.h"

#ifdef TL_TINY
enum { PACKED_BYTES = 128 << 10, STEP_BYTES = 256 };
#else
enum { PACKED_BYTES = 128 << 10, STEP_BYTES = 256 << 10 };
#endif

struct tl_line_source {
    const char *name;
    int fd;
    bool named;               /* a file with a name, and not standard input */
    off_t start, at;          /* of the file */
    off_t size;               /* the largest that was seen */
    struct tl_unpack *unpack; /* NULL: plain */
    char *packed;
    struct tl_unpack_step step; /* in: what of `packed` is still to be taken */
    int64_t filled;             /* unpacked bytes that were read */
    bool ended, cut;
    bool leaves_tail, left_tail;
    int64_t changed_ms;    /* the file, when it was last read */
    struct tl_err failure; /* what reading ended with: said once the whole lines before it have been handed out */
    char *rest;            /* read, and not handed out */
    size_t rest_bytes, rest_capacity;
};

/* ---- reading bytes ---- */

static enum tl_code fail_read(const struct tl_line_source *source, struct tl_err *err)
{
    return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", source->name);
}

static enum tl_code read_some(struct tl_line_source *source, char *to, size_t room, size_t *got, struct tl_err *err)
{
    struct stat now;
    ssize_t bytes;

    do
        bytes = pread(source->fd, to, room, source->at);
    while (bytes < 0 && errno == EINTR);
    if (bytes < 0)
        return fail_read(source, err);
    source->at += bytes;
    *got = (size_t)bytes;
    if (fstat(source->fd, &now) != 0)
        return fail_read(source, err);
    if (now.st_size < source->at && now.st_size < source->size) {
        *got = 0; /* cut under our hands: what lies there now is another log's */
        source->cut = true;
    }
    source->size = tl_max_i64(source->size, now.st_size);
    source->changed_ms = (int64_t)now.st_mtim.tv_sec * 1000 + now.st_mtim.tv_nsec / 1000000;
    return TL_OK;
}

static enum tl_code fail_packed(const struct tl_line_source *source, const char *what, const char *why, struct tl_err *err)
{
    size_t ahead = source->step.in_bytes - source->step.taken;

    return tl_fail(err, TL_ERR_CORRUPT, "%s: the %s file %s at byte %" PRId64 "%s%s; a copy that is whole would go on from there",
                   source->name, tl_unpack_name(source->unpack), what, (int64_t)(source->at - source->start) - (int64_t)ahead,
                   why[0] != '\0' ? ": " : "", why);
}

/* Adds to `bytes` what the file has next, also where it then fails; at its end sets `ended`. */
static enum tl_code fill(struct tl_line_source *source, char *bytes, size_t room, size_t *got, struct tl_err *err)
{
    struct tl_unpack_step *step = &source->step;
    enum tl_code rc = TL_OK;

    *got = 0;
    if (source->unpack == NULL) {
        TL_TRY(read_some(source, bytes, room, got, err));
        source->ended = *got == 0;
        return TL_OK;
    }
    step->out = bytes;
    step->out_bytes = room;
    step->given = 0;
    while (step->given == 0 && !source->ended) {
        bool at_end = false;
        const char *why;

        if (step->taken == step->in_bytes) {
            step->in = source->packed;
            step->taken = 0;
            TL_TRY(read_some(source, source->packed, PACKED_BYTES, &step->in_bytes, err));
            at_end = step->in_bytes == 0;
        }
        if (at_end && !tl_unpack_is_within(source->unpack)) {
            source->ended = true;
            break;
        }
        why = tl_unpack_some(source->unpack, step); /* at the file's end: what it still holds */
        *got = step->given;
        if (why != NULL)
            TL_TRY(fail_packed(source, "is damaged", why, err));
        if (at_end && step->given == 0 && tl_unpack_is_within(source->unpack))
            TL_TRY(fail_packed(source, "breaks off", "", err));
    }
out:
    return rc;
}

/* ---- opening ---- */

static enum tl_code fail_stopped(const struct tl_line_source *source, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_IO, "%s: stopped by a signal; nothing of it was taken", source->name);
}

/* Copies what can be read only once into a file that lives as long as it is open. A writer may go on without end. */
static enum tl_code spool(struct tl_line_source *source, int from, const char *data_dir, struct tl_err *err)
{
    char path[PATH_MAX], buffer[65536];
    struct tl_progress bar;
    uint64_t copied = 0;
    enum tl_code rc = TL_OK;

    tl_progress_begin(&bar, "copy");

    snprintf(path, sizeof path, "%s/import.XXXXXX", data_dir);
    source->fd = mkostemp(path, O_CLOEXEC);
    if (source->fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot make a file to keep %s in", data_dir, source->name);
    unlink(path);
    for (;;) {
        ssize_t got = read(from, buffer, sizeof buffer), put = 0;

        if (tl_stop_requested())
            TL_TRY(fail_stopped(source, err));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            TL_TRY(fail_read(source, err));
        if (got == 0)
            break;
        while (put < got) {
            ssize_t more = write(source->fd, buffer + put, (size_t)(got - put));

            if (more < 0 && errno != EINTR)
                TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot keep %s there", data_dir, source->name));
            put += more > 0 ? more : 0;
        }
        copied += (uint64_t)got;
        tl_progress_step(&bar, copied, 0);
    }
out:
    tl_progress_end(&bar);
    return rc;
}

static enum tl_code open_file(struct tl_line_source *source, const char *path, const char *data_dir, struct tl_err *err)
{
    struct stat st;
    enum tl_code rc = TL_OK;
    int fd;

    do /* opening a FIFO waits for whoever writes to it */
        fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR && !tl_stop_requested());
    if (fd < 0 && errno == EINTR)
        TL_TRY(fail_stopped(source, err));
    if (fd < 0 || fstat(fd, &st) != 0)
        TL_TRY(fail_read(source, err));
    if (S_ISREG(st.st_mode)) {
        source->start = lseek(fd, 0, SEEK_CUR); /* who calls may have read some of standard input */
        source->named = strcmp(path, "-") != 0;
        source->fd = fd;
        fd = -1;
    } else if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && isatty(fd) == 0) { /* /dev/zero would have no end */
        TL_TRY(tl_fail(err, TL_ERR_IO, "%s: is neither a file nor a pipe", source->name));
    } else {
        TL_TRY(spool(source, fd, data_dir, err));
    }
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

/* By the first bytes, not by the name: logs are renamed by those who rotate them. */
static enum tl_code recognise(struct tl_line_source *source, struct tl_err *err)
{
    static const struct {
        char magic[8];
        size_t size;
        char what[16], with[16];
    } others[] = {
        {"BZh",           3, "bzip2", "bzcat"   },
        {"\xfd"
         "7zXZ", 5, "xz",    "xzcat"   },
        {"PK\x03\x04",    4, "zip",   "unzip -p"},
    };
    unsigned char head[8] = {0};
    size_t got = 0;
    uint32_t magic;
    bool is_gzip;
    enum tl_code rc = TL_OK;

    source->at = source->start;
    TL_TRY(read_some(source, (char *)head, sizeof head, &got, err));
    magic = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
    for (size_t i = 0; i < TL_COUNT(others); i++)
        if (got >= others[i].size && memcmp(head, others[i].magic, others[i].size) == 0)
            TL_TRY(tl_fail(err, TL_ERR_IO, "%s: packed with %s, which import does not read; %s %s | tally import - would do",
                           source->name, others[i].what, others[i].with, source->name));
    is_gzip = got >= 2 && head[0] == 0x1f && head[1] == 0x8b;
    if (is_gzip || (got >= 4 && (magic == ZSTD_MAGICNUMBER || (magic & 0xfffffff0u) == ZSTD_MAGIC_SKIPPABLE_START))) {
        TL_TRY(tl_unpack_open(is_gzip ? TL_UNPACK_GZIP : TL_UNPACK_ZSTD, &source->unpack, err));
        source->packed = malloc(PACKED_BYTES);
        if (source->packed == NULL)
            TL_TRY(tl_fail_memory(err, PACKED_BYTES));
    }
out:
    return rc;
}

enum tl_code tl_line_source_open(const char *path, const char *data_dir, struct tl_line_source **out, struct tl_err *err)
{
    struct tl_line_source *source = calloc(1, sizeof *source);
    enum tl_code rc;

    if (source == NULL)
        return tl_fail_memory(err, sizeof *source);
    source->fd = -1;
    source->name = strcmp(path, "-") == 0 ? "standard input" : path;
    TL_TRY(open_file(source, path, data_dir, err));
    TL_TRY(recognise(source, err));
    TL_TRY(tl_line_source_seek(source, 0, err));
    *out = source;
out:
    if (rc != TL_OK)
        tl_line_source_close(source);
    return rc;
}

enum tl_code tl_line_source_again(const struct tl_line_source *source, struct tl_line_source **out, struct tl_err *err)
{
    struct tl_line_source *again = calloc(1, sizeof *again);
    enum tl_code rc;

    assert(source->unpack == NULL);
    if (again == NULL)
        return tl_fail_memory(err, sizeof *again);
    again->name = source->name;
    again->start = source->start;
    again->fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 3);
    if (again->fd < 0)
        TL_TRY(fail_read(source, err));
    TL_TRY(tl_line_source_seek(again, 0, err));
    *out = again;
out:
    if (rc != TL_OK)
        tl_line_source_close(again);
    return rc;
}

void tl_line_source_close(struct tl_line_source *source)
{
    if (source == NULL)
        return;
    if (source->fd >= 0)
        close(source->fd);
    tl_unpack_close(source->unpack);
    free(source->packed);
    free(source->rest);
    free(source);
}

enum tl_code tl_line_source_seek(struct tl_line_source *source, int64_t place, struct tl_err *err)
{
    source->at = source->start + place;
    source->rest_bytes = 0;
    source->filled = place;
    source->ended = source->cut = source->left_tail = false;
    source->failure.code = TL_OK;
    source->step = (struct tl_unpack_step){0};
    return source->unpack != NULL ? tl_unpack_restart(source->unpack, err) : TL_OK;
}

/* ---- lines ---- */

void tl_lines_done(struct tl_lines *lines)
{
    free(lines->bytes);
    free(lines->lines);
    *lines = (struct tl_lines){0};
}

/* What is handed out while it grows: [0, cut) has been cut into lines, [cut, filled) not yet; no line feed is in [cut, searched). */
struct cutting {
    struct tl_lines *lines;
    size_t cut, searched, filled, span_bytes;
};

/* The lines move along with the bytes that they stand in. */
static enum tl_code make_room(const struct cutting *at, size_t room, struct tl_err *err)
{
    struct tl_lines *lines = at->lines;
    size_t wanted = at->filled + room + TL_MESSAGE_PADDING;
    size_t capacity = lines->bytes_capacity == 0 ? TL_SPAN_BYTES + 2 * STEP_BYTES + TL_MESSAGE_PADDING : lines->bytes_capacity;
    char *bytes;

    if (wanted <= lines->bytes_capacity)
        return TL_OK;
    while (capacity < wanted)
        capacity *= 2;
    bytes = malloc(capacity);
    if (bytes == NULL)
        return tl_fail_memory(err, capacity);
    if (at->filled > 0)
        memcpy(bytes, lines->bytes, at->filled);
    for (size_t i = 0; i < lines->count; i++)
        lines->lines[i].data = bytes + (lines->lines[i].data - lines->bytes);
    free(lines->bytes);
    lines->bytes = bytes;
    lines->bytes_capacity = capacity;
    return TL_OK;
}

static enum tl_code add_line(struct tl_lines *lines, struct tl_sv line, struct tl_err *err)
{
    if (lines->count == lines->lines_capacity) {
        size_t capacity = lines->lines_capacity == 0 ? 256 : lines->lines_capacity * 2;
        struct tl_sv *grown = realloc(lines->lines, capacity * sizeof *grown);

        if (grown == NULL)
            return tl_fail_memory(err, capacity * sizeof *grown);
        lines->lines = grown;
        lines->lines_capacity = capacity;
    }
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    lines->lines[lines->count++] = line;
    return TL_OK;
}

/* The server's clock and ours may differ a little. */
static bool may_be_half(const struct tl_line_source *source)
{
    return source->leaves_tail && source->named && source->unpack == NULL &&
           llabs(tl_clock_wall_ms() - source->changed_ms) < TL_TAIL_LEFT_MS;
}

static enum tl_code cut_lines(struct tl_line_source *source, struct cutting *at, struct tl_err *err)
{
    static const struct tl_sv mark = {"\xef\xbb\xbf", 3};
    struct tl_lines *lines = at->lines;
    enum tl_code rc = TL_OK;

    while (!lines->whole) {
        bool is_first = at->cut == 0 && source->filled == (int64_t)at->filled;
        const char *begin, *end, *from;
        size_t size;

        while (at->cut < at->filled && lines->bytes[at->cut] == '\0')
            at->cut++;
        if (is_first && tl_sv_starts((struct tl_sv){lines->bytes, at->filled}, mark))
            at->cut = mark.size;
        if (at->cut == at->filled)
            break;
        begin = lines->bytes + at->cut;
        from = lines->bytes + (at->searched > at->cut ? at->searched : at->cut);
        end = memchr(from, '\n', (size_t)(lines->bytes + at->filled - from));
        size = end == NULL ? at->filled - at->cut : (size_t)(end - begin);
        if (end == NULL && !source->ended) {
            if (size >= TL_LINE_BYTES_MAX)
                TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                               "%s: the line that begins at %sbyte %" PRId64 " is longer than %u MiB; is it a log?", source->name,
                               source->unpack != NULL ? "the unpacked " : "", source->filled - (int64_t)size,
                               TL_LINE_BYTES_MAX >> 20));
            at->searched = at->filled;
            break;
        }
        at->cut += size + (end != NULL ? 1 : 0);
        if (end == NULL && source->cut)
            break; /* how it would have gone on is not known */
        source->left_tail = end == NULL && may_be_half(source);
        if (source->left_tail)
            break;
        TL_TRY(add_line(lines, (struct tl_sv){begin, size}, err));
        lines->unfinished = end == NULL;
        at->span_bytes += lines->lines[lines->count - 1].size + 1;
        lines->whole = end != NULL && (lines->count == TL_SPAN_LINES || at->span_bytes >= TL_SPAN_BYTES);
    }
out:
    return rc;
}

/* What is behind the span waits for the next call. */
static enum tl_code keep_rest(struct tl_line_source *source, const struct cutting *at, struct tl_err *err)
{
    size_t bytes = at->filled - at->cut;

    if (bytes > source->rest_capacity) {
        char *rest = realloc(source->rest, bytes);

        if (rest == NULL)
            return tl_fail_memory(err, bytes);
        source->rest = rest;
        source->rest_capacity = bytes;
    }
    if (bytes > 0)
        memcpy(source->rest, at->lines->bytes + at->cut, bytes);
    source->rest_bytes = bytes;
    return TL_OK;
}

static enum tl_code say_failure(const struct tl_line_source *source, struct tl_err *err)
{
    *err = source->failure;
    return err->code;
}

enum tl_code tl_line_source_next(struct tl_line_source *source, struct tl_lines *lines, struct tl_err *err)
{
    struct cutting at = {.lines = lines};
    enum tl_code rc;

    lines->count = 0;
    lines->unfinished = lines->at_end = lines->whole = false;
    TL_TRY(make_room(&at, source->rest_bytes + STEP_BYTES, err));
    if (source->rest_bytes > 0)
        memcpy(lines->bytes, source->rest, source->rest_bytes);
    at.filled = source->rest_bytes;
    for (;;) {
        struct tl_err *failure = &source->failure;
        size_t got;

        if (cut_lines(source, &at, failure) == TL_ERR_MEMORY)
            TL_TRY(say_failure(source, err)); /* a line is missing */
        if (lines->whole || source->ended || failure->code != TL_OK)
            break;
        if (lines->count == 0 && at.cut == at.filled) /* zeros, as far as it was read */
            at.cut = at.filled = at.searched = 0;
        TL_TRY(make_room(&at, STEP_BYTES, err));
        (void)!fill(source, lines->bytes + at.filled, STEP_BYTES, &got, failure);
        at.filled += got;
        source->filled += (int64_t)got;
    }
    if (lines->count == 0 && source->failure.code != TL_OK)
        TL_TRY(say_failure(source, err));
    TL_TRY(keep_rest(source, &at, err));
    lines->end = source->at - source->start - (int64_t)source->rest_bytes;
    lines->at_end = source->ended && source->rest_bytes == 0;
out:
    return rc;
}

void tl_line_source_leave_tail(struct tl_line_source *source, bool leave)
{
    source->leaves_tail = leave;
}

bool tl_line_source_left_tail(const struct tl_line_source *source)
{
    return source->left_tail;
}

bool tl_line_source_is_plain(const struct tl_line_source *source)
{
    return source->unpack == NULL;
}

bool tl_line_source_was_cut(const struct tl_line_source *source)
{
    return source->cut;
}

const char *tl_line_source_name(const struct tl_line_source *source)
{
    return source->name;
}

int64_t tl_line_source_read_bytes(const struct tl_line_source *source)
{
    return source->at - source->start;
}

int tl_line_source_file(const struct tl_line_source *source)
{
    return source->named ? source->fd : -1;
}
