/* line_source_test.c: lines come whole and in order, wherever chunks, frames and reads are cut. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/buf.h"
#include "speed_layer/line_source.h"

static char dir[64], path[100];
static struct tl_err err;

static void folder_open(void)
{
    snprintf(dir, sizeof dir, "%s", "/tmp/tally_lines_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.log", dir);
}

static void folder_close(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(line_source, .init = folder_open, .fini = folder_close);

static void write_file(struct tl_sv bytes)
{
    FILE *file = fopen(path, "wb");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
}

enum packing { PLAIN, ZSTD, GZIP };

static struct tl_sv pack(enum packing packing, struct tl_sv bytes, char *to, size_t room)
{
    size_t size;

    if (packing == PLAIN)
        return bytes;
    if (packing == ZSTD) {
        size = ZSTD_compress(to, room, bytes.data, bytes.size, 1);
        cr_assert_not(ZSTD_isError(size));
    } else {
        z_stream stream = {
            .next_in = (const Bytef *)bytes.data, .avail_in = (uInt)bytes.size, .next_out = (Bytef *)to, .avail_out = (uInt)room};

        cr_assert_eq(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
        size = stream.total_out;
        deflateEnd(&stream);
    }
    return (struct tl_sv){to, size};
}

/* All lines, each between brackets; '!' behind one without a line feed. */
static void gather(struct tl_line_source *source, struct tl_buf *out)
{
    struct tl_lines lines = {0};

    tl_buf_clear(out);
    while (!lines.at_end) {
        cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK, "%s", err.message);
        for (size_t i = 0; i < lines.count; i++) {
            tl_buf_put_str(out, "[");
            tl_buf_put_sv(out, lines.lines[i]);
            tl_buf_put_str(out, lines.unfinished && i == lines.count - 1 ? "]!" : "]");
        }
        cr_assert(lines.whole || lines.at_end);
    }
    tl_lines_done(&lines);
}

struct cut_case {
    char text[40], want[60];
    size_t size;
};

ParameterizedTestParameters(line_source, cut)
{
    static struct cut_case cases[] = {
        {"",                ""               },
        {"a",               "[a]!"           },
        {"a\n",             "[a]"            },
        {"a\nb",            "[a][b]!"        },
        {"\n\n",            "[][]"           },
        {"a\r\nb\r\n",      "[a][b]"         },
        {"a\rb\n\r\nc\r",   "[a\rb][][c]!"   },
        {"one\ntwo\nend\n", "[one][two][end]"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        cases[i].size = strlen(cases[i].text);
    return cr_make_param_array(struct cut_case, cases, sizeof cases / sizeof *cases);
}

/* Zeros before a line are no part of it, where a server went on writing at its old place in a log that had been cut. */
ParameterizedTestParameters(line_source, zeros)
{
    static struct cut_case cases[] = {
        {"\0\0\0a\nb\n",  "[a][b]",   .size = 7},
        {"a\n\0\0b\0c\n", "[a][b?c]", .size = 8},
        {"a\n\0\0",       "[a]",      .size = 4},
        {"\0\0",          "",         .size = 2},
        {"a\0\n\0\n",     "[a?][]",   .size = 5},
        {"a\n\0b",        "[a][b]!",  .size = 4},
    };
    return cr_make_param_array(struct cut_case, cases, sizeof cases / sizeof *cases);
}

static void cut_is(const struct cut_case *c)
{
    struct tl_sv text = {c->text, c->size};
    struct tl_line_source *source = NULL;
    struct tl_buf got;
    char packed[200];

    tl_buf_init(&got, 0);
    for (enum packing packing = PLAIN; packing <= GZIP; packing++) {
        write_file(pack(packing, text, packed, sizeof packed));
        cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
        cr_assert_eq(tl_line_source_is_plain(source), packing == PLAIN);
        for (int round = 0; round < 3; round++) { /* as often as one likes */
            gather(source, &got);
            for (size_t i = 0; i < got.size; i++)
                got.data[i] = got.data[i] == '\0' ? '?' : got.data[i];
            cr_assert(tl_sv_eq(tl_buf_sv(&got), tl_sv_from(c->want)), "'%s': %.*s", c->text, (int)got.size, got.data);
            cr_assert_eq(tl_line_source_seek(source, 0, &err), TL_OK);
        }
        tl_line_source_close(source);
    }
    tl_buf_done(&got);
}

ParameterizedTest(struct cut_case *c, line_source, cut, .init = folder_open, .fini = folder_close)
{
    cut_is(c);
}

ParameterizedTest(struct cut_case *c, line_source, zeros, .init = folder_open, .fini = folder_close)
{
    cut_is(c);
}

/* Lines of all lengths, one of them longer than several chunks, and more blank ones than a chunk takes. */
static void large_text(struct tl_buf *out)
{
    uint32_t state = 1;

    for (int i = 0; i < 30000; i++) {
        state = state * 1664525u + 1013904223u;
        for (uint32_t size = i == 20000 ? 5u << 20 : state >> 24; size > 0; size--)
            tl_buf_put_u8(out, (uint8_t)('a' + (size + state) % 26));
        tl_buf_put_u8(out, '\n');
    }
    for (int i = 0; i < 200000; i++)
        tl_buf_put_u8(out, '\n');
    tl_buf_put_str(out, "the end");
    cr_assert_not(out->failed);
}

/* `first_only`: a span. *end: where the next one begins. */
static void gather_bytes(struct tl_line_source *source, struct tl_buf *out, bool first_only, int64_t *end)
{
    struct tl_lines lines = {0};

    tl_buf_clear(out);
    while (!lines.at_end && !(first_only && out->size > 0)) {
        cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK, "%s", err.message);
        cr_assert_leq(lines.count, TL_SPAN_LINES);
        *end = lines.end;
        for (size_t i = 0; i < lines.count; i++) {
            tl_buf_put_sv(out, lines.lines[i]);
            if (!(lines.unfinished && i == lines.count - 1))
                tl_buf_put_u8(out, '\n');
        }
    }
    tl_lines_done(&lines);
}

static void breaks_off(struct tl_sv bytes)
{
    struct tl_line_source *source = NULL;
    struct tl_lines lines = {0};
    enum tl_code rc;

    write_file((struct tl_sv){bytes.data, bytes.size - 5});
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK);
    while ((rc = tl_line_source_next(source, &lines, &err)) == TL_OK)
        cr_assert_not(lines.at_end);
    cr_assert_eq(rc, TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, path), "%s", err.message);
    cr_assert_not_null(strstr(err.message, "breaks off at byte "), "%s", err.message);
    tl_lines_done(&lines);
    tl_line_source_close(source);
}

Test(line_source, what_comes_in_comes_out)
{
    static const struct {
        enum packing packing;
        const char *between;
        size_t size;
    } ways[] = {
        {PLAIN, "",                                                   0 },
        {ZSTD,  "",                                                   0 },
        {ZSTD,  "\x50\x2a\x4d\x18\x03\0\0\0xyz",                      11}, /* a frame that is to be skipped */
        {GZIP,  "",                                                   0 },
        {GZIP,  "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20}, /* an empty member */
    };
    struct tl_line_source *source = NULL;
    struct tl_buf text, got, packed;
    int64_t end = 0;
    size_t half;

    tl_buf_init(&text, 0);
    tl_buf_init(&got, 0);
    tl_buf_init(&packed, 0);
    large_text(&text);
    half = text.size / 3;
    cr_assert_not_null(tl_buf_reserve(&packed, text.size * 2));
    for (size_t way = 0; way < TL_COUNT(ways); way++) {
        struct tl_sv head = {text.data, half}, rest = {text.data + half, text.size - half};
        struct tl_sv bytes = tl_buf_sv(&text);

        if (ways[way].packing != PLAIN) { /* two frames or members */
            packed.size = pack(ways[way].packing, head, packed.data, packed.capacity).size;
            tl_buf_put(&packed, ways[way].between, ways[way].size);
            packed.size += pack(ways[way].packing, rest, packed.data + packed.size, packed.capacity - packed.size).size;
            bytes = tl_buf_sv(&packed);
        }
        write_file(bytes);
        cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
        gather_bytes(source, &got, false, &end);
        cr_assert_eq(got.size, text.size);
        cr_assert_eq(memcmp(got.data, text.data, text.size), 0);
        cr_assert_eq((size_t)tl_line_source_read_bytes(source), bytes.size);
        tl_line_source_close(source);
        if (ways[way].packing != PLAIN)
            breaks_off(bytes);
    }
    tl_buf_done(&text);
    tl_buf_done(&got);
    tl_buf_done(&packed);
}

/* Behind any span the file goes on as it would have: here too, and for another reader of it. */
Test(line_source, from_any_span)
{
    struct tl_line_source *source = NULL, *again = NULL;
    struct tl_buf text, span, rest;
    int64_t end = 0, whatever;
    size_t at = 0;

    tl_buf_init(&text, 0);
    tl_buf_init(&span, 0);
    tl_buf_init(&rest, 0);
    large_text(&text);
    write_file(tl_buf_sv(&text));
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_line_source_again(source, &again, &err), TL_OK, "%s", err.message);
    while (at < text.size && at < 600000) {
        gather_bytes(source, &span, true, &end);
        cr_assert_eq(memcmp(span.data, text.data + at, span.size), 0);
        at += span.size;
        cr_assert_eq((size_t)end, at);
        cr_assert_eq(tl_line_source_seek(again, end, &err), TL_OK);
        gather_bytes(again, &rest, true, &whatever);
        cr_assert_eq(memcmp(rest.data, text.data + at, rest.size), 0);
    }
    tl_line_source_close(again);
    tl_line_source_close(source);
    tl_buf_done(&text);
    tl_buf_done(&span);
    tl_buf_done(&rest);
}

static void fails_with(struct tl_sv bytes, const char *words)
{
    struct tl_line_source *source = NULL;
    struct tl_lines lines = {0};
    enum tl_code rc;

    write_file(bytes);
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
    do
        rc = tl_line_source_next(source, &lines, &err);
    while (rc == TL_OK && !lines.at_end);
    cr_assert_eq(rc, TL_ERR_CORRUPT, "%s", words);
    cr_assert_not_null(strstr(err.message, path), "%s", err.message);
    cr_assert_not_null(strstr(err.message, words), "%s: %s", words, err.message);
    tl_lines_done(&lines);
    tl_line_source_close(source);
}

Test(line_source, a_damaged_packed_file)
{
    char packed[200];

    for (enum packing packing = ZSTD; packing <= GZIP; packing++) {
        struct tl_sv bytes = pack(packing, TL_SV("some text that is packed\nand more of it\n"), packed, sizeof packed);

        memcpy(packed + bytes.size, "more", 4);
        fails_with((struct tl_sv){packed, bytes.size + 4},
                   packing == GZIP ? "stands behind its last member is no gzip" : "at byte");
        packed[bytes.size - 6] ^= 1; /* the sum at gzip's end; zstd's last block */
        if (packing == GZIP)
            fails_with(bytes, "is damaged at byte");
        memset(packed + (packing == GZIP ? 10 : 6), packing == GZIP ? 0xff : 0x5a, bytes.size - 10);
        fails_with(bytes, "is damaged at byte");
        fails_with((struct tl_sv){packed, 4}, "breaks off at byte 4");
    }
}

Test(line_source, a_byte_order_mark)
{
    struct tl_line_source *source = NULL;
    struct tl_buf got;

    tl_buf_init(&got, 0);
    write_file(TL_SV("\xef\xbb\xbf"
                     "a\n\xef\xbb\xbf"
                     "b\n"));
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
    for (int round = 0; round < 2; round++) {
        gather(source, &got);
        cr_assert(tl_sv_eq(tl_buf_sv(&got), TL_SV("[a][\xef\xbb\xbf"
                                                  "b]")),
                  "only the first: %.*s", (int)got.size, got.data);
        cr_assert_eq(tl_line_source_seek(source, 0, &err), TL_OK);
    }
    tl_line_source_close(source);
    tl_buf_done(&got);
}

/* What is in the bytes before the damage is not lost, but for half a line. */
Test(line_source, the_lines_before_the_damage)
{
    char packed[300];

    for (enum packing packing = ZSTD; packing <= GZIP; packing++) {
        struct tl_sv bytes = pack(packing, TL_SV("a\nb\nhalf a l"), packed, sizeof packed);
        struct tl_line_source *source = NULL;
        struct tl_lines lines = {0};

        bytes.size += pack(packing, TL_SV("ine\n"), packed + bytes.size, sizeof packed - bytes.size).size - 6;
        write_file(bytes);
        cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
        for (int round = 0; round < 2; round++) {
            cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK, "%s", err.message);
            cr_assert_geq(lines.count, 2);
            cr_assert(tl_sv_eq(lines.lines[0], TL_SV("a")) && tl_sv_eq(lines.lines[1], TL_SV("b")));
            cr_assert_not(lines.unfinished || lines.at_end || lines.whole);
            cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_ERR_CORRUPT);
            cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_ERR_CORRUPT);
            cr_assert_not_null(strstr(err.message, "breaks off at byte"), "%s", err.message);
            cr_assert_eq(tl_line_source_seek(source, 0, &err), TL_OK);
        }
        tl_lines_done(&lines);
        tl_line_source_close(source);
    }
}

/* As a tape or a block device leaves it, and as gzip itself has it. */
Test(line_source, zeros_behind_gzip)
{
    struct tl_line_source *source = NULL;
    struct tl_buf got;
    char packed[1000] = {0};
    size_t size = pack(GZIP, TL_SV("a\nb\n"), packed, sizeof packed).size;

    tl_buf_init(&got, 0);
    write_file((struct tl_sv){packed, size + 512});
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
    gather(source, &got);
    cr_assert(tl_sv_eq(tl_buf_sv(&got), TL_SV("[a][b]")));
    tl_line_source_close(source);
    tl_buf_done(&got);
}

/* copytruncate, while the log is read: what was read of the old one is its own, and nothing of the new one is taken for it. */
Test(line_source, a_log_that_is_cut_while_it_is_read)
{
    struct tl_line_source *source = NULL;
    struct tl_lines lines = {0};
    struct tl_buf text;

    tl_buf_init(&text, 0);
    large_text(&text);
    write_file(tl_buf_sv(&text));
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK);
    cr_assert_not(tl_line_source_was_cut(source));
    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK);
    cr_assert(lines.at_end);
    cr_assert_not(lines.unfinished, "half a line is none");
    cr_assert(tl_line_source_was_cut(source));
    tl_lines_done(&lines);
    tl_line_source_close(source);
    tl_buf_done(&text);
}

Test(line_source, a_pipe_is_kept)
{
    struct tl_line_source *source = NULL;
    struct tl_buf got;
    int ends[2];

    tl_buf_init(&got, 0);
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "a\nb\n", 4), 4);
    close(ends[1]);
    cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    cr_assert_eq(tl_line_source_open("-", dir, &source, &err), TL_OK, "%s", err.message);
    for (int round = 0; round < 2; round++) {
        gather(source, &got);
        cr_assert(tl_sv_eq(tl_buf_sv(&got), TL_SV("[a][b]")));
        cr_assert_eq(tl_line_source_seek(source, 0, &err), TL_OK);
    }
    cr_assert_str_eq(tl_line_source_name(source), "standard input");
    tl_line_source_close(source);
    cr_assert_eq(rmdir(dir), 0, "nothing is left behind");
    cr_assert_eq(mkdir(dir, 0777), 0);
    tl_buf_done(&got);
}

Test(line_source, what_is_no_log)
{
    struct tl_line_source *source = NULL;

    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_ERR_IO);
    cr_assert_eq(tl_line_source_open(dir, dir, &source, &err), TL_ERR_IO);
    write_file(TL_SV("BZh91AY"));
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_ERR_IO);
    cr_assert_not_null(strstr(err.message, "bzcat"), "%s", err.message);
    cr_assert_null(source);
}

/* A hole is zeros, and a line that begins with other bytes has no end. */
Test(line_source, a_line_without_end)
{
    struct tl_line_source *source = NULL;
    struct tl_lines lines = {0};
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    cr_assert_eq(ftruncate(fd, (off_t)TL_LINE_BYTES_MAX * 2), 0);
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK);
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK);
    cr_assert(lines.count == 0 && lines.at_end);
    cr_assert_eq(pwrite(fd, "a", 1, 0), 1);
    cr_assert_eq(tl_line_source_seek(source, 0, &err), TL_OK);
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_ERR_LIMIT);
    cr_assert_not_null(strstr(err.message, "the line that begins at byte 0 is longer than 64 MiB"), "%s", err.message);
    cr_assert_eq(pwrite(fd, "a\nb", 3, 0), 3);
    cr_assert_eq(tl_line_source_seek(source, 0, &err), TL_OK);
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK);
    cr_assert(lines.count == 1 && !lines.at_end && tl_sv_eq(lines.lines[0], TL_SV("a")));
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_ERR_LIMIT);
    cr_assert_not_null(strstr(err.message, "begins at byte 2 is"), "%s", err.message);
    close(fd);
    tl_lines_done(&lines);
    tl_line_source_close(source);
}
