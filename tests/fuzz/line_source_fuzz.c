/* line_source_fuzz.c: any bytes as a file that is imported, plain or zstd: the lines are what stands between line feeds, and
 * the same again from the beginning; or the file is refused. With an odd first byte the rest is packed first, so that frames
 * are whole. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "fuzz/target.h"
#include "main/stop.c" /* a layer's objects, and the commands', stand in no archive */
#include "speed_layer/line_source.c"

/* All lines, each with a line feed but for one that has none. */
static enum tl_code read_all(struct tl_line_source *source, struct tl_buf *text, struct tl_err *err)
{
    struct tl_lines lines = {0};
    enum tl_code rc = TL_OK;

    tl_buf_clear(text);
    while (rc == TL_OK && !lines.at_end) {
        rc = tl_line_source_next(source, &lines, err);
        for (size_t i = 0; rc == TL_OK && i < lines.count; i++) {
            CHECK(memchr(lines.lines[i].data, '\n', lines.lines[i].size) == NULL);
            tl_buf_put_sv(text, lines.lines[i]);
            if (!(lines.unfinished && i + 1 == lines.count))
                tl_buf_put_u8(text, '\n');
        }
        CHECK(rc != TL_OK || !lines.unfinished || lines.at_end);
        CHECK(rc != TL_OK || lines.count > 0 || lines.at_end);
    }
    return rc;
}

static struct tl_sv without_returns(struct tl_buf *out, struct tl_sv text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] != '\r' || (i + 1 < text.size && text.data[i + 1] != '\n'))
            tl_buf_put_u8(out, (uint8_t)text.data[i]);
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
        CHECK(tl_line_source_rewind(source, NULL) == TL_OK && read_all(source, &second, &err) == rc);
        CHECK(tl_sv_eq(tl_buf_sv(&first), tl_buf_sv(&second)));
        if (source->zstd == NULL)
            unpacked = &bytes;
        CHECK(unpacked == NULL || tl_sv_eq(tl_buf_sv(&first), without_returns(&plain, *unpacked)));
        tl_line_source_close(source);
    }
    tl_buf_done(&first);
    tl_buf_done(&second);
    tl_buf_done(&plain);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = {(const char *)data + 1, size - 1};
    size_t room, packed;
    char *frame;

    if (size == 0)
        return 0;
    if (data[0] % 2 == 0) {
        file_try(rest, NULL);
        return 0;
    }
    room = ZSTD_compressBound(rest.size);
    CHECK((frame = malloc(room)) != NULL);
    packed = ZSTD_compress(frame, room, rest.data, rest.size, 1);
    CHECK(!ZSTD_isError(packed));
    file_try((struct tl_sv){frame, packed}, &rest);
    free(frame);
    return 0;
}
