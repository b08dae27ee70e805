/* line_source_fuzz.c: any bytes as a file that is imported, plain or packed: the lines are what stands between line feeds, and
 * the same again from the beginning and from any span; or the file is refused. The first byte says whether the rest is packed
 * first, with zstd or gzip, so that frames are whole. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "fuzz/target.h"
#include "main/progress.c"
#include "main/notify.c"
#include "main/stop.c" /* a layer's objects, and the commands', stand in no archive */
#include "speed_layer/line_source.c"
#include "speed_layer/unpack.c"

static struct tl_lines lines;

static void put_lines(struct tl_buf *text)
{
    for (size_t i = 0; i < lines.count; i++) {
        CHECK(memchr(lines.lines[i].data, '\n', lines.lines[i].size) == NULL);
        tl_buf_put_sv(text, lines.lines[i]);
        if (!(lines.unfinished && i + 1 == lines.count))
            tl_buf_put_u8(text, '\n');
    }
}

/* All lines from where it stands, each with a line feed but for one that has none. */
static enum tl_code read_all(struct tl_line_source *source, struct tl_buf *text, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    tl_buf_clear(text);
    for (lines.at_end = false; rc == TL_OK && !lines.at_end;) {
        rc = tl_line_source_next(source, &lines, err);
        if (rc == TL_OK)
            put_lines(text);
        CHECK(rc != TL_OK || !lines.unfinished || lines.at_end);
        CHECK(rc != TL_OK || !(lines.unfinished && lines.whole));
        CHECK(rc != TL_OK || lines.whole || lines.at_end);
    }
    return rc;
}

/* Behind the first span of a plain file, the lines are the rest of them. */
static void try_again(struct tl_line_source *source, struct tl_sv all)
{
    struct tl_line_source *again;
    struct tl_buf first, rest;
    struct tl_err err;
    int64_t end;

    tl_buf_init(&first, 0);
    tl_buf_init(&rest, 0);
    CHECK(tl_line_source_again(source, &again, &err) == TL_OK);
    CHECK(tl_line_source_next(again, &lines, &err) == TL_OK);
    put_lines(&first);
    end = lines.end;
    if (lines.whole) {
        CHECK(tl_line_source_seek(again, end, &err) == TL_OK && read_all(again, &rest, &err) == TL_OK);
        tl_buf_put_sv(&first, tl_buf_sv(&rest));
    }
    CHECK(tl_sv_eq(tl_buf_sv(&first), all));
    tl_line_source_close(again);
    tl_buf_done(&first);
    tl_buf_done(&rest);
}

/* Without carriage returns before line feeds, and zeros before lines. */
static struct tl_sv as_lines(struct tl_buf *out, struct tl_sv text)
{
    bool begins = true;

    for (size_t i = 0; i < text.size; i++) {
        bool ends = text.data[i] == '\r' && (i + 1 == text.size || text.data[i + 1] == '\n');

        if (begins && text.data[i] == '\0')
            continue;
        if (!ends)
            tl_buf_put_u8(out, (uint8_t)text.data[i]);
        begins = text.data[i] == '\n';
    }
    return tl_buf_sv(out);
}

/* `unpacked`: what is in the file, where that is known. */
static void file_try(struct tl_sv bytes, const struct tl_sv *unpacked)
{
    struct tl_buf first, second, plain;
    struct tl_line_source *source;
    struct tl_err err = {0};
    char path[64];
    int fd = memfd_create("line_source_fuzz", MFD_CLOEXEC);
    enum tl_code rc;

    CHECK(fd >= 0 && write(fd, bytes.data, bytes.size) == (ssize_t)bytes.size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    tl_buf_init(&first, 0);
    tl_buf_init(&second, 0);
    tl_buf_init(&plain, 0);
    rc = tl_line_source_open(path, "/tmp", &source, &err);
    CHECK(rc == TL_OK || rc == TL_ERR_IO);
    if (rc == TL_OK) {
        rc = read_all(source, &first, &err);
        CHECK(rc == TL_OK || ((rc == TL_ERR_CORRUPT || rc == TL_ERR_LIMIT) && err.code == rc));
        CHECK(rc == TL_OK || unpacked == NULL);
        CHECK(tl_line_source_seek(source, 0, NULL) == TL_OK && read_all(source, &second, &err) == rc);
        CHECK(tl_sv_eq(tl_buf_sv(&first), tl_buf_sv(&second)));
        if (tl_line_source_is_plain(source))
            unpacked = &bytes;
        if (rc == TL_OK && tl_line_source_is_plain(source))
            try_again(source, tl_buf_sv(&first));
        CHECK(unpacked == NULL || tl_sv_eq(tl_buf_sv(&first), as_lines(&plain, *unpacked)));
        tl_line_source_close(source);
    }
    tl_buf_done(&first);
    tl_buf_done(&second);
    tl_buf_done(&plain);
    close(fd);
}

static size_t pack(struct tl_sv text, bool gzip, char *to, size_t room)
{
    z_stream stream = {
        .next_in = (const Bytef *)text.data, .avail_in = (uInt)text.size, .next_out = (Bytef *)to, .avail_out = (uInt)room};
    size_t packed;

    if (gzip) {
        CHECK(deflateInit2(&stream, 1, Z_DEFLATED, GZIP_ALONE, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
        packed = stream.total_out;
        CHECK(deflateEnd(&stream) == Z_OK);
    } else {
        packed = ZSTD_compress(to, room, text.data, text.size, 1);
        CHECK(!ZSTD_isError(packed));
    }
    return packed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = {(const char *)data + 1, size - 1};
    size_t room;
    char *packed;

    if (size == 0)
        return 0;
    if (data[0] % 2 == 0) {
        file_try(rest, NULL);
        return 0;
    }
    room = ZSTD_compressBound(rest.size) + 64; /* gzip's header and end too */
    CHECK((packed = malloc(room)) != NULL);
    file_try((struct tl_sv){packed, pack(rest, data[0] % 4 == 3, packed, room)}, &rest);
    free(packed);
    return 0;
}
