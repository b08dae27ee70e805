/* line_source.c: the lines of a file, plain or zstd, a chunk at a time, and again from the beginning. */
#include "speed_layer/line_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "event/batch.h"
#include "main/stop.h"

enum { PACKED_BYTES = 128 << 10, LINES_MAX = 65536 };

struct tl_line_source {
    const char *name;
    int fd;
    off_t start, at, size; /* of the file; size -1: unknown */
    ZSTD_DStream *zstd;    /* NULL: plain */
    char *packed;          /* what zstd reads from */
    ZSTD_inBuffer in;
    bool in_frame, file_ended;
    char *bytes; /* [taken, filled) is not handed out yet */
    size_t taken, filled, capacity;
    struct tl_sv *lines;
    size_t lines_capacity;
};

static enum tl_code fail_read(const struct tl_line_source *source, struct tl_err *err)
{
    return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", source->name);
}

static enum tl_code read_some(struct tl_line_source *source, char *to, size_t room, size_t *got, struct tl_err *err)
{
    ssize_t bytes;

    do
        bytes = pread(source->fd, to, room, source->at);
    while (bytes < 0 && errno == EINTR);
    if (bytes < 0)
        return fail_read(source, err);
    source->at += bytes;
    *got = (size_t)bytes;
    return TL_OK;
}

/* ---- opening ---- */

/* Copies what can be read only once into a file that lives as long as it is open. */
static enum tl_code spool(struct tl_line_source *source, int from, const char *data_dir, struct tl_err *err)
{
    char path[PATH_MAX], buffer[65536];
    enum tl_code rc = TL_OK;

    snprintf(path, sizeof path, "%s/import.XXXXXX", data_dir);
    source->fd = mkostemp(path, O_CLOEXEC);
    if (source->fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot make a file to keep %s in", data_dir, source->name);
    unlink(path);
    for (;;) {
        ssize_t got = read(from, buffer, sizeof buffer), put = 0;

        if (got < 0 && errno == EINTR && !tl_stop_requested())
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
    }
out:
    return rc;
}

static enum tl_code open_file(struct tl_line_source *source, const char *path, const char *data_dir, struct tl_err *err)
{
    struct stat st;
    enum tl_code rc = TL_OK;
    int fd;

    fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        TL_TRY(fail_read(source, err));
    if (S_ISREG(st.st_mode)) {
        source->start = lseek(fd, 0, SEEK_CUR); /* who calls may have read some of standard input */
        source->fd = fd;
        fd = -1;
    } else {
        TL_TRY(spool(source, fd, data_dir, err));
    }
    if (fstat(source->fd, &st) != 0)
        TL_TRY(fail_read(source, err));
    source->size = st.st_size;
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
        {"\x1f\x8b",      2, "gzip",  "zcat"    },
        {"BZh",           3, "bzip2", "bzcat"   },
        {"\xfd"
         "7zXZ", 5, "xz",    "xzcat"   },
        {"PK\x03\x04",    4, "zip",   "unzip -p"},
    };
    unsigned char head[8] = {0};
    size_t got = 0;
    uint32_t magic;
    enum tl_code rc = TL_OK;

    source->at = source->start;
    TL_TRY(read_some(source, (char *)head, sizeof head, &got, err));
    magic = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
    for (size_t i = 0; i < TL_COUNT(others); i++)
        if (got >= others[i].size && memcmp(head, others[i].magic, others[i].size) == 0)
            TL_TRY(tl_fail(err, TL_ERR_IO, "%s: packed with %s, which import does not read; %s %s | tally import - would do",
                           source->name, others[i].what, others[i].with, source->name));
    if (got >= 4 && (magic == ZSTD_MAGICNUMBER || (magic & 0xfffffff0u) == ZSTD_MAGIC_SKIPPABLE_START)) {
        source->zstd = ZSTD_createDStream();
        source->packed = malloc(PACKED_BYTES);
        if (source->zstd == NULL || source->packed == NULL)
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
    TL_TRY(tl_line_source_rewind(source, err));
    *out = source;
out:
    if (rc != TL_OK)
        tl_line_source_close(source);
    return rc;
}

void tl_line_source_close(struct tl_line_source *source)
{
    if (source == NULL)
        return;
    if (source->fd >= 0)
        close(source->fd);
    ZSTD_freeDStream(source->zstd);
    free(source->packed);
    free(source->bytes);
    free(source->lines);
    free(source);
}

enum tl_code tl_line_source_rewind(struct tl_line_source *source, struct tl_err *err)
{
    source->at = source->start;
    source->taken = source->filled = 0;
    source->file_ended = source->in_frame = false;
    source->in = (ZSTD_inBuffer){source->packed, 0, 0};
    if (source->zstd != NULL && ZSTD_isError(ZSTD_initDStream(source->zstd)))
        return tl_fail_memory(err, ZSTD_DStreamInSize());
    return TL_OK;
}

/* ---- reading ---- */

/* Fills [filled, filled + room) with at least one byte, or sets file_ended. */
static enum tl_code fill(struct tl_line_source *source, size_t room, struct tl_err *err)
{
    ZSTD_outBuffer out = {source->bytes + source->filled, room, 0};
    enum tl_code rc = TL_OK;
    size_t got = 0;

    if (source->zstd == NULL) {
        TL_TRY(read_some(source, source->bytes + source->filled, room, &got, err));
        source->filled += got;
        source->file_ended = got == 0;
        return TL_OK;
    }
    while (out.pos == 0) {
        size_t left;
        bool ended = false;

        if (source->in.pos == source->in.size) {
            TL_TRY(read_some(source, source->packed, PACKED_BYTES, &got, err));
            source->in = (ZSTD_inBuffer){source->packed, got, 0};
            ended = got == 0;
        }
        if (ended && !source->in_frame) {
            source->file_ended = true;
            break;
        }
        left = ZSTD_decompressStream(source->zstd, &out, &source->in); /* at the file's end: what it still holds */
        if (ZSTD_isError(left))
            TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the zstd file is damaged: %s", source->name, ZSTD_getErrorName(left)));
        source->in_frame = left != 0;
        if (ended && source->in_frame && out.pos == 0)
            TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the zstd file breaks off", source->name));
    }
    source->filled += out.pos;
out:
    return rc;
}

static enum tl_code make_room(struct tl_line_source *source, size_t *room, struct tl_err *err)
{
    size_t capacity = source->capacity;
    char *bytes;

    if (source->taken > 0) {
        memmove(source->bytes, source->bytes + source->taken, source->filled - source->taken);
        source->filled -= source->taken;
        source->taken = 0;
    }
    if (source->filled >= TL_LINE_BYTES_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%s: a line is longer than %u MiB; is it a log?", source->name,
                       TL_LINE_BYTES_MAX >> 20);
    if (capacity == 0)
        capacity = TL_LINES_CHUNK_BYTES;
    else if (source->filled == capacity)
        capacity *= 2;
    if (capacity > source->capacity) {
        bytes = realloc(source->bytes, capacity + TL_MESSAGE_PADDING);
        if (bytes == NULL)
            return tl_fail_memory(err, capacity);
        source->bytes = bytes;
        source->capacity = capacity;
    }
    *room = capacity - source->filled;
    return TL_OK;
}

static enum tl_code add_line(struct tl_line_source *source, size_t *count, struct tl_sv line, struct tl_err *err)
{
    if (*count == source->lines_capacity) {
        size_t capacity = source->lines_capacity == 0 ? 256 : source->lines_capacity * 2;
        struct tl_sv *lines = realloc(source->lines, capacity * sizeof *lines);

        if (lines == NULL)
            return tl_fail_memory(err, capacity * sizeof *lines);
        source->lines = lines;
        source->lines_capacity = capacity;
    }
    source->lines[(*count)++] = line;
    return TL_OK;
}

static enum tl_code cut_lines(struct tl_line_source *source, struct tl_lines *out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    while (out->count < LINES_MAX && source->taken < source->filled) {
        char *begin = source->bytes + source->taken;
        const char *end = memchr(begin, '\n', source->filled - source->taken);
        struct tl_sv line = {begin, end == NULL ? source->filled - source->taken : (size_t)(end - begin)};

        if (end == NULL && !source->file_ended)
            break;
        out->unfinished = end == NULL;
        source->taken += line.size + (end == NULL ? 0 : 1);
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        TL_TRY(add_line(source, &out->count, line, err));
    }
out:
    return rc;
}

enum tl_code tl_line_source_next(struct tl_line_source *source, struct tl_lines *out, struct tl_err *err)
{
    struct tl_lines lines = {0};
    enum tl_code rc = TL_OK;
    size_t room = 0;

    TL_TRY(cut_lines(source, &lines, err)); /* what the last chunk left, where it had too many lines */
    while (lines.count == 0 && !(source->file_ended && source->taken == source->filled)) {
        if (!source->file_ended) {
            TL_TRY(make_room(source, &room, err));
            while (room > 0 && !source->file_ended) {
                size_t before = source->filled;

                TL_TRY(fill(source, room, err));
                room -= source->filled - before;
            }
        }
        TL_TRY(cut_lines(source, &lines, err));
    }
    lines.lines = source->lines;
    lines.at_end = source->file_ended && source->taken == source->filled;
    *out = lines;
out:
    return rc;
}

const char *tl_line_source_name(const struct tl_line_source *source)
{
    return source->name;
}

void tl_line_source_progress(const struct tl_line_source *source, uint64_t *taken, uint64_t *all)
{
    *taken = (uint64_t)(source->at - source->start);
    *all = source->size > source->start ? (uint64_t)(source->size - source->start) : 0;
}
