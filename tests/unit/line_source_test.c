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

static struct tl_sv pack(struct tl_sv bytes, char *to, size_t room)
{
    size_t size = ZSTD_compress(to, room, bytes.data, bytes.size, 1);

    cr_assert_not(ZSTD_isError(size));
    return (struct tl_sv){to, size};
}

/* All lines, each between brackets; '!' behind one without a line feed. */
static void gather(struct tl_line_source *source, struct tl_buf *out)
{
    struct tl_lines lines = {0};

    tl_buf_clear(out);
    while (!lines.at_end) {
        cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK, "%s", err.message);
        for (size_t i = 0; i < lines.count; i++)
            tl_buf_printf(out, "[%.*s]%s", TL_SV_ARG(lines.lines[i]), lines.unfinished && i == lines.count - 1 ? "!" : "");
        cr_assert(lines.count > 0 || lines.at_end);
    }
}

struct cut_case {
    char text[40], want[60];
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
    return cr_make_param_array(struct cut_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct cut_case *c, line_source, cut, .init = folder_open, .fini = folder_close)
{
    struct tl_line_source *source = NULL;
    struct tl_buf got;
    char packed[200];

    tl_buf_init(&got, 0);
    for (int is_packed = 0; is_packed < 2; is_packed++) {
        write_file(is_packed ? pack(tl_sv_from(c->text), packed, sizeof packed) : tl_sv_from(c->text));
        cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
        for (int round = 0; round < 3; round++) { /* as often as one likes */
            gather(source, &got);
            cr_assert(tl_sv_eq(tl_buf_sv(&got), tl_sv_from(c->want)), "'%s': %.*s", c->text, (int)got.size, got.data);
            cr_assert_eq(tl_line_source_rewind(source, &err), TL_OK);
        }
        tl_line_source_close(source);
    }
    tl_buf_done(&got);
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

static void gather_bytes(struct tl_line_source *source, struct tl_buf *out)
{
    struct tl_lines lines = {0};

    tl_buf_clear(out);
    while (!lines.at_end) {
        cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK, "%s", err.message);
        for (size_t i = 0; i < lines.count; i++) {
            tl_buf_put_sv(out, lines.lines[i]);
            if (!(lines.unfinished && i == lines.count - 1))
                tl_buf_put_u8(out, '\n');
        }
    }
}

Test(line_source, what_comes_in_comes_out)
{
    struct tl_line_source *source = NULL;
    struct tl_buf text, got, packed;
    uint64_t taken, all;
    size_t half;

    tl_buf_init(&text, 0);
    tl_buf_init(&got, 0);
    tl_buf_init(&packed, 0);
    large_text(&text);
    half = text.size / 3;
    for (int round = 0; round < 3; round++) {
        struct tl_sv bytes = tl_buf_sv(&text);

        if (round > 0) { /* two frames; then with one that is to be skipped between them */
            struct tl_sv head = {text.data, half}, rest = {text.data + half, text.size - half};

            tl_buf_clear(&packed);
            cr_assert_not_null(tl_buf_reserve(&packed, text.size * 2));
            packed.size = pack(head, packed.data, packed.capacity).size;
            if (round == 2)
                tl_buf_put(&packed, "\x50\x2a\x4d\x18\x03\0\0\0xyz", 11);
            packed.size += pack(rest, packed.data + packed.size, packed.capacity - packed.size).size;
            bytes = tl_buf_sv(&packed);
        }
        write_file(bytes);
        cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
        gather_bytes(source, &got);
        cr_assert_eq(got.size, text.size);
        cr_assert_eq(memcmp(got.data, text.data, text.size), 0);
        tl_line_source_progress(source, &taken, &all);
        cr_assert_eq(taken, bytes.size);
        cr_assert_eq(all, bytes.size);
        tl_line_source_close(source);
        if (round == 0)
            continue;
        /* Cut off anywhere it is no file of ours. */
        write_file((struct tl_sv){bytes.data, bytes.size - 5});
        cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK);
        for (;;) {
            struct tl_lines lines;
            enum tl_code rc = tl_line_source_next(source, &lines, &err);

            if (rc != TL_OK) {
                cr_assert_eq(rc, TL_ERR_CORRUPT);
                break;
            }
            cr_assert_not(lines.at_end);
        }
        tl_line_source_close(source);
    }
    tl_buf_done(&text);
    tl_buf_done(&got);
    tl_buf_done(&packed);
}

Test(line_source, a_damaged_packed_file)
{
    struct tl_line_source *source = NULL;
    struct tl_lines lines;
    char packed[200];
    struct tl_sv bytes = pack(TL_SV("some text that is packed\nand more of it\n"), packed, sizeof packed);

    memset(packed + 6, 0x5a, bytes.size - 6);
    write_file(bytes);
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK);
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, path), "%s", err.message);
    tl_line_source_close(source);
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
        cr_assert_eq(tl_line_source_rewind(source, &err), TL_OK);
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
    write_file(TL_SV("\x1f\x8b\x08"));
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_ERR_IO);
    cr_assert_not_null(strstr(err.message, "gzip"), "%s", err.message);
    cr_assert_null(source);
}

Test(line_source, a_line_without_end)
{
    struct tl_line_source *source = NULL;
    struct tl_lines lines;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    cr_assert_eq(ftruncate(fd, (off_t)TL_LINE_BYTES_MAX * 2), 0);
    close(fd);
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK);
    cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_ERR_LIMIT);
    cr_assert_not_null(strstr(err.message, "longer than 64 MiB"), "%s", err.message);
    tl_line_source_close(source);
}
