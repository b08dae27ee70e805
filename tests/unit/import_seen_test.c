/* import_seen_test.c: what is noted of a file is believed as far as import_seen.h says, and no further. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"
#include "speed_layer/import_seen.h"

enum { SPANS = 40, LINE_BYTES = 8 };

static char dir[64], path[100];
static struct tl_err err;
static struct tl_import_seen *seen;
static struct tl_line_source *source;
static struct tl_import_progress progress;
static const struct tl_import_kind kind = {
    TL_IMPORT_JSONL, {"events", 6},
     {NULL,     0}
};

static void open_all(void)
{
    snprintf(dir, sizeof dir, "%s", "/tmp/tally_seen_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.log", dir);
    cr_assert_eq(tl_import_seen_open(dir, &seen, &err), TL_OK);
    cr_assert_eq(tl_import_progress_init(&progress, &err), TL_OK);
}

static void close_all(void)
{
    char command[128];

    tl_line_source_close(source);
    tl_import_seen_close(seen);
    tl_import_progress_done(&progress);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(import_seen, .init = open_all, .fini = close_all);

static void write_lines(int64_t from, int64_t to, const char *how)
{
    FILE *file = fopen(path, how);

    cr_assert_not_null(file);
    for (int64_t i = from; i < to; i++)
        fprintf(file, "%07d\n", (int)i);
    cr_assert_eq(fclose(file), 0);
}

/* The time of its change, as of long ago: so it is settled. */
static void set_back(int seconds)
{
    const struct timespec times[2] = {{.tv_sec = 1700000000 + seconds}, {.tv_sec = 1700000000 + seconds}};

    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void open_file(void)
{
    tl_line_source_close(source);
    source = NULL;
    cr_assert_eq(tl_line_source_open(path, dir, &source, &err), TL_OK, "%s", err.message);
}

/* As after an import of all of it. */
static void note(void)
{
    struct tl_file_identity opened;
    struct tl_lines lines = {0};

    open_file();
    cr_assert(tl_file_identity_of(source, &opened));
    cr_assert_eq(tl_import_progress_begin(&progress, &kind, &err), TL_OK);
    while (!lines.at_end) {
        cr_assert_eq(tl_line_source_next(source, &lines, &err), TL_OK);
        cr_assert_eq(tl_import_progress_take(&progress, &lines, tl_import_span_hash(progress.state, &lines), 5, 7, &err), TL_OK);
    }
    cr_assert_eq(tl_import_seen_note(seen, source, &opened, &progress, &err), TL_OK);
    tl_lines_done(&lines);
}

/* As the next command finds it. */
static const struct tl_import_seen_file *find(void)
{
    cr_assert_eq(tl_import_seen_write(seen, &err), TL_OK, "%s", err.message);
    tl_import_seen_close(seen);
    seen = NULL;
    cr_assert_eq(tl_import_seen_open(dir, &seen, &err), TL_OK);
    open_file();
    return tl_import_seen_find(seen, source, &kind);
}

static void write_span(int64_t span, char c)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    cr_assert_eq(pwrite(fd, &c, 1, span * TL_SPAN_LINES * LINE_BYTES + 3), 1);
    close(fd);
}

Test(import_seen, a_file_is_known_again)
{
    struct tl_import_entry entry;
    const struct tl_import_seen_file *file;

    write_lines(0, SPANS * TL_SPAN_LINES + 5, "w");
    set_back(0);
    note();
    tl_import_progress_entry(&progress, &entry);
    file = find();
    cr_assert_not_null(file);
    cr_assert_eq(file->spans_count, SPANS);
    cr_assert(memcmp(&file->entry.hash, &entry.hash, sizeof entry.hash) == 0 && file->entry.lines_count == entry.lines_count);
    for (size_t i = 0; i < SPANS; i++) {
        cr_assert_eq(file->spans[i].end, (int64_t)(i + 1) * TL_SPAN_LINES * LINE_BYTES);
        cr_assert(file->spans[i].time_ms_min == 5 && file->spans[i].time_ms_max == 7 &&
                  file->spans[i].lines_count == TL_SPAN_LINES);
    }
    write_lines(1000, 2000, "a"); /* it has grown */
    cr_assert_not_null(find());
    set_back(1); /* and that long ago */
    cr_assert_not_null(find());
    cr_assert_eq(rename(path, strcat(strcpy((char[200]){0}, path), ".1")), 0);
    strcat(path, ".1");
    cr_assert_not_null(find(), "under another name");
}

Test(import_seen, what_is_not_believed)
{
    struct stat st;

    write_lines(0, SPANS * TL_SPAN_LINES, "w");
    set_back(0);
    note();
    cr_assert_not_null(find());
    set_back(1);
    cr_assert_null(find(), "of the same size, and changed since");
    set_back(0);
    cr_assert_not_null(find());
    for (int i = 0; i < 2; i++) { /* the first and the last */
        write_span(i * (SPANS - 1), 'x');
        set_back(0);
        cr_assert_null(find(), "span %d is another one", i);
        write_span(i * (SPANS - 1), i == 0 ? '0' : (char)('0' + (SPANS - 1) * TL_SPAN_LINES / 1000 % 10));
        set_back(0);
        cr_assert_not_null(find());
    }
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(truncate(path, st.st_size - 1), 0);
    set_back(0);
    cr_assert_null(find(), "it is shorter");
}

/* Of many spans sixteen are looked at; this one is not. Nothing tells of it but the time of the change, and that was set back. */
Test(import_seen, not_all_of_it_is_read)
{
    write_lines(0, SPANS * TL_SPAN_LINES, "w");
    set_back(0);
    note();
    write_span(1, 'x');
    cr_assert_null(find(), "the time of its change tells");
    set_back(0);
    cr_assert_not_null(find());
}

/* Nobody has touched the inode: a look at both ends will do. */
Test(import_seen, what_nobody_has_touched)
{
    struct tl_import_seen_file *file;

    write_lines(0, SPANS * TL_SPAN_LINES, "w");
    set_back(0);
    note();
    file = (struct tl_import_seen_file *)(uintptr_t)find();
    cr_assert_not_null(file);
    cr_assert_eq(file->identity.inode_changed_ns, 0, "it was touched a moment ago");
    file->spans[SPANS / 2].hash.low64++; /* found where sixteen are looked at */
    for (size_t i = 0; i < SPANS; i++)
        file->spans[i].hash.high64 += i > 0 && i < SPANS - 1;
    cr_assert_null(tl_import_seen_find(seen, source, &kind));
    cr_assert(tl_file_identity_of(source, &file->identity)); /* as it would have been noted two seconds later */
    cr_assert_not_null(tl_import_seen_find(seen, source, &kind));
}

/* A change within the clock's tick would not show in the time of the last change. */
Test(import_seen, a_change_of_a_moment_ago_is_not_settled)
{
    write_lines(0, 10, "w");
    note();
    cr_assert_null(find());
    write_lines(10, 20, "a");
    cr_assert_not_null(find(), "it has grown, and its lines will tell");
}

Test(import_seen, packed)
{
    const struct tl_import_kind other = {
        .format = TL_IMPORT_COMMON, .topic = {"events", 6}
    };
    char command[300];

    write_lines(0, 50000, "w");
    snprintf(command, sizeof command, "gzip '%s'", path);
    cr_assert_eq(system(command), 0);
    strcat(path, ".gz");
    note();
    cr_assert_null(find(), "it is of a moment ago");
    set_back(0);
    note();
    cr_assert_not_null(find());
    cr_assert_eq(find()->spans_count, 0);
    cr_assert_null(tl_import_seen_find(seen, source, &other), "under another format nothing was imported");
    write_span(0, 'x');
    set_back(0);
    cr_assert_null(find(), "its first bytes are others");
}

Test(import_seen, another_file_under_the_same_number)
{
    write_lines(0, TL_SPAN_LINES - 3, "w");
    set_back(0);
    note();
    write_lines(7, 7 + 2 * TL_SPAN_LINES, "w"); /* the same inode, longer */
    cr_assert_not_null(find(), "no span of it was whole: its lines will tell");
    write_lines(0, TL_SPAN_LINES, "w");
    set_back(0);
    note();
    write_lines(7, 7 + 2 * TL_SPAN_LINES, "w");
    cr_assert_null(find());
}

/* As it was written before paths were kept: the same, without them. */
Test(import_seen, version_1)
{
    char name[100], bytes[4000];
    struct tl_reader reader;
    struct tl_buf out, whole;
    struct tl_sv block;
    const char *place;
    size_t size;
    FILE *file;

    write_lines(0, 10, "w");
    set_back(0);
    note();
    cr_assert(tl_sv_eq(find()->path, tl_sv_from(path)));
    snprintf(name, sizeof name, "%s/imports.seen", dir);
    file = fopen(name, "r");
    cr_assert_not_null(file);
    size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    reader = tl_reader_of((struct tl_sv){bytes + 12, size - 12});
    block = tl_reader_block(&reader);
    place = memmem(block.data, block.size, path, strlen(path));
    cr_assert_not_null(place);
    tl_buf_init(&out, 0);
    tl_buf_put(&out, block.data, (size_t)(place - 1 - block.data));
    place += strlen(path);
    tl_buf_put(&out, place, (size_t)(block.data + block.size - place));
    block = tl_buf_sv(&out);
    tl_buf_init(&whole, 0);
    tl_buf_put(&whole, bytes, 8);
    tl_buf_put_u32(&whole, 1);
    tl_buf_put_block(&whole, block);
    tl_buf_put_u64(&whole, tl_hash_bytes(tl_buf_sv(&whole)));
    file = fopen(name, "w");
    cr_assert_eq(fwrite(whole.data, 1, whole.size, file), whole.size);
    fclose(file);
    cr_assert_not_null(find());
    cr_assert_eq(find()->path.size, 0);
    tl_buf_done(&out);
    tl_buf_done(&whole);
}
