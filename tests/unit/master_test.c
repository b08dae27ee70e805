/* master_test.c: what a writer was given is read back, and what does not fit is refused with its name. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/buf.h"
#include "master/master.h"
#include "master/master_index.h"

static char dir[64];
static struct tl_err err;

static void folder_open(void)
{
    snprintf(dir, sizeof dir, "%s", "/tmp/tally_master_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void folder_close(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(master, .init = folder_open, .fini = folder_close);

static struct tl_master *master_open(void)
{
    struct tl_master *master = NULL;

    cr_assert_eq(tl_master_open(dir, &master, &err), TL_OK, "%s", err.message);
    return master;
}

/* Message number `i` of a partition: mostly a line, now and then none, and offsets have gaps. */
struct sample {
    struct tl_message message;
    char text[600];
};

static void sample_make(struct sample *sample, uint32_t i, int64_t first_offset)
{
    int64_t offset = first_offset + i + i / 7 * 3;
    int64_t log_ms = 1772323200000 + (int64_t)i * 40 - (i % 5) * 1000;
    int size;

    switch (i % 19) {
    case 3: size = snprintf(sample->text, sizeof sample->text, "{\"a\":%u,\n\"b\":2}", i); break;
    case 8: size = snprintf(sample->text, sizeof sample->text, "not JSON %u", i); break;
    case 11: size = snprintf(sample->text, sizeof sample->text, "\xff\xfe%u", i); break;
    case 14: size = 0; break;
    default:
        size =
            snprintf(sample->text, sizeof sample->text, "{\"event_id\":\"%u\",\"url\":\"/%.*s\"}", i, (int)(i * 37 % 400),
                     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
                     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
                     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
                     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
    }
    sample->message = (struct tl_message){
        offset, log_ms, {sample->text, (size_t)size}
    };
    if (i % 38 == 14)
        sample->message.value = (struct tl_sv){NULL, 0}; /* a tombstone, and no empty text */
}

static enum tl_code writer_add(struct tl_master_writer *writer, int64_t offset, int64_t log_ms, struct tl_sv value,
                               int64_t time_ms)
{
    struct tl_message message = {offset, log_ms, value};
    struct tl_master_facts facts = {.events_count = time_ms == INT64_MIN ? 0 : 1,
                                    .time_ms = &time_ms,
                                    .watermark_ms = time_ms == INT64_MIN ? INT64_MIN : time_ms - 15000};

    return tl_master_writer_add(writer, &message, &facts, &err);
}

/* Returns the offset behind the last one. */
static int64_t file_write(struct tl_master *master, struct tl_sv topic, uint32_t partition, int64_t first_offset, uint32_t count)
{
    struct tl_master_writer *writer = NULL;
    static struct sample sample;

    cr_assert_eq(tl_master_writer_open(master, topic, partition, 77, &writer, &err), TL_OK, "%s", err.message);
    for (uint32_t i = 0; i < count; i++) {
        sample_make(&sample, i, first_offset);
        cr_assert_eq(writer_add(writer, sample.message.offset, sample.message.log_ms, sample.message.value,
                                i % 19 == 8 ? INT64_MIN : sample.message.log_ms - 500),
                     TL_OK, "%s", err.message);
    }
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
    return sample.message.offset + 1;
}

/* Returns what is wrong, or NULL: threads may not assert. */
static const char *file_compare(struct tl_master_reader *reader, const struct tl_master_file *file, struct tl_err *why)
{
    static _Thread_local struct sample sample;
    uint32_t i = 0;

    for (uint32_t b = 0; b < file->blocks_count; b++) {
        const struct tl_message *messages;
        size_t count;

        if (tl_master_read_block(reader, file, b, &messages, &count, why) != TL_OK)
            return why->message;
        if (count != file->blocks[b].messages_count)
            return "count";
        for (size_t m = 0; m < count; m++, i++) {
            volatile char padding;

            sample_make(&sample, i, file->first_offset);
            if (messages[m].offset != sample.message.offset)
                return "offset";
            if (messages[m].log_ms != sample.message.log_ms)
                return "log timestamp";
            if ((messages[m].value.data == NULL) != (sample.message.value.data == NULL) ||
                !tl_sv_eq(messages[m].value, sample.message.value))
                return "value";
            for (size_t p = 0; messages[m].value.data != NULL && p < TL_MESSAGE_PADDING; p++)
                padding = messages[m].value.data[messages[m].value.size + p];
            (void)padding;
        }
    }
    return i == file->messages_count ? NULL : "too few";
}

Test(master, what_was_written_is_read_back)
{
    struct tl_master *master = master_open();
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *files;
    const char *wrong;
    size_t count;
    int64_t next;
    uint32_t blocks = 0;

    next = file_write(master, TL_SV("events"), 0, 0, 9000);
    file_write(master, TL_SV("events"), 0, next, 1);
    file_write(master, TL_SV("events"), 0, next + 1000, 500);
    file_write(master, TL_SV("events"), 12, 5, 300);
    file_write(master, TL_SV("events"), 2, 3000000000000, 300);
    file_write(master, TL_SV("events2"), 0, 0, 20);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 5);
    cr_assert_eq(files[0].partition, 0);
    cr_assert_eq(files[1].first_offset, next);
    cr_assert_eq(files[1].last_offset, next);
    cr_assert_eq(files[2].first_offset, next + 1000);
    cr_assert_eq(files[3].partition, 2);
    cr_assert_eq(files[4].partition, 12, "partitions are in order of their numbers");
    cr_assert_not_null(strstr(files[0].path, "/topics/events/partition=0/events+0+0000000000.jsonl.zst"));
    cr_assert_not_null(strstr(files[3].path, "/topics/events/partition=2/events+2+3000000000000.jsonl.zst"));
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(files[i].time_rule, 77);
        blocks += files[i].blocks_count;
        wrong = file_compare(reader, &files[i], &err);
        cr_assert_null(wrong, "%s: %s", files[i].path, wrong);
    }
    cr_assert_gt(blocks, 5, "a file has several blocks");
    /* Going back and forth between files is fine too. */
    wrong = file_compare(reader, &files[0], &err);
    cr_assert_null(wrong, "%s", wrong);
    tl_master_reader_close(reader);
    tl_master_close(master);
}

struct reading {
    const struct tl_master_file *files;
    size_t count;
    const char *wrong;
    struct tl_err why;
};

static void *read_all(void *ctx)
{
    struct reading *reading = ctx;
    struct tl_master_reader *reader;

    if (tl_master_reader_open(&reader, &reading->why) != TL_OK)
        return NULL;
    reading->wrong = NULL;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < reading->count && reading->wrong == NULL; i++)
            reading->wrong = file_compare(reader, &reading->files[i], &reading->why);
    tl_master_reader_close(reader);
    return NULL;
}

Test(master, two_readers_read_side_by_side)
{
    struct tl_master *master = master_open();
    const struct tl_master_file *files;
    struct reading readings[2];
    pthread_t threads[2];
    size_t count;

    file_write(master, TL_SV("events"), 0, 0, 5000);
    file_write(master, TL_SV("events"), 1, 0, 3000);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK);
    for (int i = 0; i < 2; i++) {
        readings[i] = (struct reading){files, count, "has not begun", {0}};
        cr_assert_eq(pthread_create(&threads[i], NULL, read_all, &readings[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_null(readings[i].wrong, "%s", readings[i].wrong);
    }
    tl_master_close(master);
}

Test(master, facts_of_file_blocks_and_days)
{
    const int64_t day_ms = 86400000;
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;
    const struct tl_master_file *files;
    size_t count;
    int64_t three[3] = {-1, 2 * day_ms, 2 * day_ms - 1};
    struct tl_message message = {7, 5000, TL_SV("[{},{},{}]")};
    struct tl_master_facts facts = {.events_count = 3, .time_ms = three, .watermark_ms = 1234};

    cr_assert_eq(tl_master_writer_open(master, TL_SV("t"), 0, 9, &writer, &err), TL_OK);
    cr_assert_eq(tl_master_writer_add(writer, &message, &facts, &err), TL_OK);
    cr_assert_eq(writer_add(writer, 9, INT64_MIN, TL_SV("{}"), 0), TL_OK);
    cr_assert_eq(writer_add(writer, 10, INT64_MAX, TL_SV("{}"), INT64_MIN), TL_OK);
    cr_assert_eq(writer_add(writer, 11, 6000, TL_SV("{}"), 40 * day_ms), TL_OK);
    cr_assert_eq(writer_add(writer, 12, 6000, TL_SV("{}"), 1), TL_OK);
    cr_assert_eq(tl_master_writer_raw_bytes(writer), 11 + 4 * 3);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("t"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    cr_assert_eq(files[0].first_offset, 7);
    cr_assert_eq(files[0].last_offset, 12);
    cr_assert_eq(files[0].messages_count, 5);
    cr_assert_eq(files[0].raw_bytes, 11 + 4 * 3);
    cr_assert_eq(files[0].time_ms_min, -1);
    cr_assert_eq(files[0].time_ms_max, 40 * day_ms);
    cr_assert_eq(files[0].watermark_ms, 40 * day_ms - 15000);
    cr_assert_eq(files[0].days_count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        static const struct tl_master_day want[] = {
            {-1, 1},
            {0,  2},
            {1,  1},
            {2,  1},
            {40, 1}
        };

        cr_assert_eq(files[0].days[i].day, want[i].day, "day %" PRIu32, i);
        cr_assert_eq(files[0].days[i].events_count, want[i].events_count, "day %" PRIu32, i);
    }
    cr_assert_eq(files[0].blocks_count, 1);
    cr_assert_eq(files[0].blocks[0].log_ms_min, INT64_MIN);
    cr_assert_eq(files[0].blocks[0].log_ms_max, INT64_MAX);
    cr_assert_eq(files[0].blocks[0].time_ms_max, 40 * day_ms);
    tl_master_close(master);
}

Test(master, days_in_no_order_are_joined)
{
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;
    const struct tl_master_file *files;
    size_t count;

    cr_assert_eq(tl_master_writer_open(master, TL_SV("t"), 0, 9, &writer, &err), TL_OK);
    for (int64_t i = 0; i < 5000; i++)
        cr_assert_eq(writer_add(writer, i, 0, TL_SV("{}"), (i * 7919 % 500 - 250) * 86400000), TL_OK);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("t"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(files[0].days_count, 500);
    for (uint32_t i = 0; i < 500; i++) {
        cr_assert_eq(files[0].days[i].day, (int32_t)i - 250);
        cr_assert_eq(files[0].days[i].events_count, 10);
    }
    tl_master_close(master);
}

Test(master, no_event_with_a_usable_time)
{
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *files;
    const struct tl_message *messages;
    size_t count;

    cr_assert_eq(tl_master_writer_open(master, TL_SV("t"), 0, 9, &writer, &err), TL_OK);
    cr_assert_eq(writer_add(writer, 3, 100, (struct tl_sv){NULL, 0}, INT64_MIN), TL_OK);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("t"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_gt(files[0].time_ms_min, files[0].time_ms_max);
    cr_assert_gt(files[0].blocks[0].time_ms_min, files[0].blocks[0].time_ms_max);
    cr_assert_eq(files[0].watermark_ms, INT64_MIN);
    cr_assert_eq(files[0].days_count, 0);
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    cr_assert_eq(tl_master_read_block(reader, &files[0], 0, &messages, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    cr_assert_null(messages[0].value.data);
    tl_master_reader_close(reader);
    tl_master_close(master);
}

/* ---- what is a line ---- */

struct line_case {
    char name[40];
    char text[40];
    int size;
    int lines; /* in the data file; the rest is in the other file */
};

ParameterizedTestParameters(master, what_is_a_line)
{
    static struct line_case cases[] = {
        {"object",                       "{\"a\":1}",                                        7,  1},
        {"array",                        "[{}]",                                             4,  1},
        {"string",                       "\"x\"",                                            3,  1},
        {"number",                       "-12.5",                                            5,  1},
        {"one digit",                    "1",                                                1,  1},
        {"true",                         "true",                                             4,  1},
        {"null",                         "null",                                             4,  1},
        {"spaces and tabs around",       " \t{}\t ",                                         6,  1},
        {"a tab inside",                 "{\t}",                                             3,  1},
        {"valid UTF-8",                  "{\"a\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}", 17, 1},
        {"no matter what is inside",     "{nonsense}",                                       10, 1},
        {"empty",                        "",                                                 0,  0},
        {"white space",                  "  \t",                                             3,  0},
        {"text",                         "hello",                                            5,  0},
        {"cut off",                      "{\"a\":1",                                         6,  0},
        {"one quote",                    "\"",                                               1,  0},
        {"text behind",                  "{}x",                                              3,  0},
        {"nearly true",                  "trues",                                            5,  0},
        {"newline inside",               "{\n}",                                             3,  0},
        {"newline at the end",           "{}\n",                                             3,  0},
        {"carriage return",              "{}\r",                                             3,  0},
        {"NUL inside",                   "{\"a\":\"\0\"}",                                   9,  0},
        {"control character far inside", "{\"abcdefghijkl\x01mnop\":1}",                     23, 0},
        {"DEL is plain",                 "{\"abcdefghijkl\x7fmnop\":1}",                     23, 1},
        {"byte order mark",              "\xef\xbb\xbf{}",                                   5,  0},
        {"overlong",                     "{\"a\":\"\xc0\xaf\"}",                             10, 0},
        {"surrogate",                    "{\"a\":\"\xed\xa0\x80\"}",                         11, 0},
        {"beyond U+10FFFF",              "{\"a\":\"\xf4\x90\x80\x80\"}",                     12, 0},
        {"cut off in a character",       "{\"a\":\"\xe2\x82\"}",                             10, 0},
        {"a byte of the middle alone",   "{\"a\":\"\x80\"}",                                 9,  0},
    };
    return cr_make_param_array(struct line_case, cases, sizeof cases / sizeof *cases);
}

/* What a program of the system makes of the file. */
static size_t command_read(const char *command, char *out, size_t size)
{
    FILE *pipe = popen(command, "r");
    size_t got;

    cr_assert_not_null(pipe);
    got = fread(out, 1, size, pipe);
    cr_assert_eq(pclose(pipe), 0, "%s", command);
    return got;
}

ParameterizedTest(struct line_case *c, master, what_is_a_line)
{
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *files;
    const struct tl_message *messages;
    char command[256], lines[128];
    size_t count, size;

    cr_assert_eq(tl_master_writer_open(master, TL_SV("t"), 0, 0, &writer, &err), TL_OK);
    cr_assert_eq(writer_add(writer, 0, 0, (struct tl_sv){c->text, (size_t)c->size}, INT64_MIN), TL_OK);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_list(master, TL_SV("t"), &files, &count, &err), TL_OK, "%s", err.message);
    snprintf(command, sizeof command, "zstdcat '%s'", files[0].path);
    size = command_read(command, lines, sizeof lines);
    cr_assert_eq(size, c->lines ? (size_t)c->size + 1 : 0, "%s: %zu bytes of lines", c->name, size);
    cr_assert_eq(memcmp(lines, c->text, size > 0 ? size - 1 : 0), 0, "%s", c->name);
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    cr_assert_eq(tl_master_read_block(reader, &files[0], 0, &messages, &count, &err), TL_OK, "%s", err.message);
    cr_assert(tl_sv_eq(messages[0].value, (struct tl_sv){c->text, (size_t)c->size}), "%s: is read back byte for byte", c->name);
    tl_master_reader_close(reader);
    tl_master_close(master);
}

Test(master, a_line_longer_than_other_readers_take_is_none)
{
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *files;
    const struct tl_message *messages;
    size_t count, size = TL_MASTER_LINE_BYTES_MAX + 1;
    char *text = malloc(size);

    cr_assert_not_null(text);
    memset(text, ' ', size);
    memcpy(text, "[", 1);
    memcpy(text + size - 1, "]", 1);
    cr_assert_eq(tl_master_writer_open(master, TL_SV("t"), 0, 0, &writer, &err), TL_OK);
    cr_assert_eq(writer_add(writer, 0, 0, (struct tl_sv){text, size}, INT64_MIN), TL_OK);
    text[size - 2] = ']';
    cr_assert_eq(writer_add(writer, 1, 0, (struct tl_sv){text, size - 1}, INT64_MIN), TL_OK);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("t"), &files, &count, &err), TL_OK);
    cr_assert_eq(files[0].blocks_count, 2, "a large message fills its block");
    cr_assert_eq(files[0].blocks[0].raw_bytes, 0);
    cr_assert_eq(files[0].blocks[1].raw_bytes, TL_MASTER_LINE_BYTES_MAX + 1);
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(tl_master_read_block(reader, &files[0], i, &messages, &count, &err), TL_OK, "%s", err.message);
        cr_assert_eq(messages[0].value.size, size - i);
    }
    tl_master_reader_close(reader);
    tl_master_close(master);
    free(text);
}

Test(master, the_files_are_what_zstdcat_reads)
{
    struct tl_master *master = master_open();
    char command[256];
    size_t size = 8u << 20, got, at = 0;
    char *text = malloc(size);
    static struct sample sample;

    cr_assert_not_null(text);
    file_write(master, TL_SV("events"), 0, 0, 4000);
    snprintf(command, sizeof command, "zstdcat '%s/topics/events/partition=0/events+0+0000000000.jsonl.zst'", dir);
    got = command_read(command, text, size);
    for (uint32_t i = 0; i < 4000; i++) {
        sample_make(&sample, i, 0);
        if (i % 19 == 3 || i % 19 == 8 || i % 19 == 11 || i % 19 == 14)
            continue;
        cr_assert_leq(at + sample.message.value.size + 1, got);
        cr_assert_eq(memcmp(text + at, sample.message.value.data, sample.message.value.size), 0, "message %" PRIu32, i);
        at += sample.message.value.size;
        cr_assert_eq(text[at++], '\n');
    }
    cr_assert_eq(at, got, "the lines, and nothing else");
    free(text);
    tl_master_close(master);
}

/* ---- what does not fit ---- */

enum damage {
    DATA_CUT,
    DATA_LONGER,
    DATA_GONE,
    OTHER_CUT,
    OTHER_GONE,
    INDEX_CUT,
    INDEX_LONGER,
    INDEX_EMPTY,
    INDEX_GONE,
    INDEX_FOREIGN,
    INDEX_OF_ANOTHER,
    NAME_OFF,
    NAME_SHORT,
    OVERLAP,
};

struct damage_case {
    char name[40];
    enum damage damage;
    char said[60];
    char file[32]; /* the message names this one */
};

static const char *const stem = "topics/events/partition=0/events+0+0000000000";

static void path_of(char out[256], const char *suffix)
{
    snprintf(out, 256, "%s/%s%s", dir, stem, suffix);
}

static void file_append(const char *path, const char *text, size_t size)
{
    FILE *file = fopen(path, "ab");

    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(text, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static void file_cut(const char *path, off_t by)
{
    struct stat found;

    cr_assert_eq(stat(path, &found), 0);
    cr_assert_eq(truncate(path, found.st_size - by), 0);
}

ParameterizedTestParameters(master, what_does_not_fit_is_refused)
{
    static struct damage_case cases[] = {
        {"data file cut off",         DATA_CUT,         "by its index",                 "00.jsonl.zst"        },
        {"data file grown",           DATA_LONGER,      "by its index",                 "00.jsonl.zst"        },
        {"other file cut off",        OTHER_CUT,        "by its index",                 "00.other.zst"        },
        {"other file gone",           OTHER_GONE,       "is missing",                   "00.other.zst"        },
        {"index cut off",             INDEX_CUT,        "it should have",               "00.index"            },
        {"index grown",               INDEX_LONGER,     "it should have",               "00.index"            },
        {"index empty",               INDEX_EMPTY,      "is cut off",                   "00.index"            },
        {"index gone",                INDEX_GONE,       "is missing",                   "00.index"            },
        {"index is something else",   INDEX_FOREIGN,    "does not begin with TLYINDEX", "00.index"            },
        {"index of another file",     INDEX_OF_ANOTHER, "belongs to another file",      "00.index"            },
        {"name of another partition", NAME_OFF,         "is not named as",              "events+1+"           },
        {"name with a short offset",  NAME_SHORT,       "is not named as",              "events+0+5.jsonl.zst"},
        {"offsets twice",             OVERLAP,          "already",                      "events+0+0000000010" },
    };
    return cr_make_param_array(struct damage_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct damage_case *c, master, what_does_not_fit_is_refused)
{
    struct tl_master *master = master_open();
    const struct tl_master_file *files = NULL;
    char data[256], other[256], index[256], to[300], command[1024];
    size_t count = 99;

    file_write(master, TL_SV("events"), 0, 0, 400);
    path_of(data, ".jsonl.zst");
    path_of(other, ".other.zst");
    path_of(index, ".index");
    switch (c->damage) {
    case DATA_CUT: file_cut(data, 1); break;
    case DATA_LONGER: file_append(data, "x", 1); break;
    case DATA_GONE: cr_assert_eq(unlink(data), 0); break;
    case OTHER_CUT: file_cut(other, 1); break;
    case OTHER_GONE: cr_assert_eq(unlink(other), 0); break;
    case INDEX_CUT: file_cut(index, 1); break;
    case INDEX_LONGER: file_append(index, "x", 1); break;
    case INDEX_EMPTY: cr_assert_eq(truncate(index, 0), 0); break;
    case INDEX_GONE: cr_assert_eq(unlink(index), 0); break;
    case INDEX_FOREIGN:
        cr_assert_eq(truncate(index, 0), 0);
        file_append(index, "{\"I am\":\"a JSON file of somebody else\"}", 39);
        break;
    case INDEX_OF_ANOTHER:
        file_write(master, TL_SV("events"), 0, 5000, 400);
        snprintf(command, sizeof command, "cp '%s/topics/events/partition=0/events+0+0000005000.index' '%s'", dir, index);
        cr_assert_eq(system(command), 0);
        break;
    case NAME_OFF:
        snprintf(to, sizeof to, "%s/topics/events/partition=0/events+1+0000000000.jsonl.zst", dir);
        cr_assert_eq(rename(data, to), 0);
        break;
    case NAME_SHORT:
        snprintf(to, sizeof to, "%s/topics/events/partition=0/events+0+5.jsonl.zst", dir);
        cr_assert_eq(rename(data, to), 0);
        break;
    case OVERLAP: file_write(master, TL_SV("events"), 0, 10, 4); break;
    }
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_ERR_CORRUPT, "%s", c->name);
    cr_assert_not_null(strstr(err.message, c->said), "%s: %s", c->name, err.message);
    cr_assert_not_null(strstr(err.message, c->file), "%s: %s", c->name, err.message);
    cr_assert_eq(count, 99, "what was not read was not handed out");
    tl_master_close(master);
}

/* A flipped bit: the listing or the reading says so and names the file. A few bits of a zstd frame mean nothing (padding): then all is read as
 * it was written. */
static void flip_and_read(const char *suffix, bool whole)
{
    int found_count = 0, spared = 0;
    struct tl_master *master = master_open();
    struct tl_master_reader *reader = NULL;
    char path[256];
    struct stat found;
    unsigned char byte;
    int fd;

    file_write(master, TL_SV("events"), 0, 0, 120);
    path_of(path, suffix);
    cr_assert_eq(stat(path, &found), 0);
    fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    for (off_t at = 0; at < found.st_size; at += whole ? 1 : 3) {
        unsigned char flipped;
        const struct tl_master_file *files;
        size_t count;
        enum tl_code rc;

        cr_assert_eq(pread(fd, &byte, 1, at), 1);
        flipped = (unsigned char)(byte ^ 1u << (at % 8));
        cr_assert_eq(pwrite(fd, &flipped, 1, at), 1);
        rc = tl_master_list(master, TL_SV("events"), &files, &count, &err);
        if (rc == TL_OK) {
            const char *wrong;

            err.code = TL_OK;
            cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
            wrong = file_compare(reader, &files[0], &err);
            tl_master_reader_close(reader);
            if (wrong == NULL) {
                spared++;
                cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
                continue;
            }
            rc = err.code;
        }
        found_count++;
        cr_assert_eq(rc, TL_ERR_CORRUPT, "%s: byte %lld: %d %s", suffix, (long long)at, rc, err.message);
        cr_assert_not_null(strstr(err.message, stem), "%s: byte %lld: %s", suffix, (long long)at, err.message);
        cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    cr_assert_gt(found_count, 20 * spared);
    if (whole)
        cr_assert_eq(spared, 0);
    tl_master_close(master);
}

Test(master, a_flipped_bit_of_the_index_is_found)
{
    flip_and_read(".index", true);
}
Test(master, a_flipped_bit_of_the_data_is_found)
{
    flip_and_read(".jsonl.zst", false);
}
Test(master, a_flipped_bit_of_the_others_is_found)
{
    flip_and_read(".other.zst", false);
}

Test(master, foreign_files_are_passed_over)
{
    static const char *const foreign[] = {"README",
                                          "events.jsonl.zst",
                                          "_SUCCESS",
                                          "part-0000.parquet",
                                          "events+0+0000000000.csv",
                                          ".events+0+0000000000.jsonl.zst"};
    struct tl_master *master = master_open();
    const struct tl_master_file *files;
    char path[300];
    size_t count;

    file_write(master, TL_SV("events"), 0, 0, 10);
    for (size_t i = 0; i < TL_COUNT(foreign); i++) {
        snprintf(path, sizeof path, "%s/topics/events/partition=0/%s", dir, foreign[i]);
        file_append(path, "x", 1);
        snprintf(path, sizeof path, "%s/topics/events/%s", dir, foreign[i]);
        file_append(path, "x", 1);
    }
    snprintf(path, sizeof path, "%s/topics/events/partition=01", dir);
    cr_assert_eq(mkdir(path, 0777), 0);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    file_write(master, TL_SV("events"), 0, 100, 10);
    for (size_t i = 0; i < TL_COUNT(foreign); i++) {
        snprintf(path, sizeof path, "%s/topics/events/partition=0/%s", dir, foreign[i]);
        cr_assert_eq(access(path, F_OK), 0, "%s is still there", foreign[i]);
    }
    tl_master_close(master);
}

/* Two tables on one topic list it through one handle, and a file may come in between. */
Test(master, a_list_stays_when_the_topic_is_listed_again)
{
    struct tl_master *master = master_open();
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *first, *second;
    size_t first_count, second_count;

    file_write(master, TL_SV("events"), 0, 5000, 40);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &first, &first_count, &err), TL_OK, "%s", err.message);
    file_write(master, TL_SV("events"), 0, 0, 400);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &second, &second_count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(second_count, 2);
    cr_assert_eq(first_count, 1);
    cr_assert_eq(first[0].first_offset, 5000);
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    cr_assert_eq(file_compare(reader, &first[0], &err), NULL);
    cr_assert_eq(file_compare(reader, &second[0], &err), NULL);
    cr_assert_eq(file_compare(reader, &second[1], &err), NULL);
    tl_master_reader_close(reader);
    tl_master_close(master);
}

/* A table with 'topic-pattern' may read thousands of topics: no file is open for each. */
Test(master, many_topics_are_listed_with_few_open_files)
{
    struct rlimit few = {40, 40};
    struct tl_master *master = master_open();
    char name[20];

    for (int t = 0; t < 60; t++) {
        snprintf(name, sizeof name, "topic-%d", t);
        file_write(master, tl_sv_from(name), 0, 0, 3);
    }
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int t = 0; t < 60; t++) {
        const struct tl_master_file *files;
        size_t count;

        snprintf(name, sizeof name, "topic-%d", t);
        cr_assert_eq(tl_master_list(master, tl_sv_from(name), &files, &count, &err), TL_OK, "%s", err.message);
        cr_assert_eq(count, 1);
    }
    tl_master_close(master);
}

/* ---- killed, failed and abandoned writers ---- */

static size_t names_count(const char *folder)
{
    DIR *stream = opendir(folder);
    size_t count = 0;

    if (stream == NULL)
        return 0;
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream))
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

Test(master, what_a_killed_writer_left_is_cleaned_and_overwritten)
{
    struct tl_master *master = master_open();
    const struct tl_master_file *files;
    struct tl_master_writer *writer = NULL;
    char folder[200], path[300];
    size_t count;

    file_write(master, TL_SV("events"), 0, 0, 400);
    snprintf(folder, sizeof folder, "%s/topics/events/partition=0", dir);
    /* Killed behind the renames of index and others: the data file has no name yet. */
    path_of(path, ".jsonl.zst");
    cr_assert_eq(unlink(path), 0);
    snprintf(path, sizeof path, "%s/_events+0+0000000000.jsonl.zst", folder);
    file_append(path, "half", 4);
    snprintf(path, sizeof path, "%s/_events+0+0000000400.index", folder);
    file_append(path, "half", 4);
    snprintf(path, sizeof path, "%s/_events+1+0000000400.index", folder);
    file_append(path, "not of this partition", 21);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 0, "a file is there when its data file is");
    cr_assert_eq(names_count(folder), 5);

    /* The next writer begins with the same offset, and this time nothing stands beside the lines. */
    cr_assert_eq(tl_master_writer_open(master, TL_SV("events"), 0, 77, &writer, &err), TL_OK);
    cr_assert_eq(names_count(folder), 3, "temporary files are removed");
    cr_assert_eq(writer_add(writer, 0, 0, TL_SV("{}"), 5), TL_OK);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
    cr_assert_eq(names_count(folder), 3, "data, index, and what is not ours");
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    cr_assert_eq(files[0].messages_count, 1);
    tl_master_close(master);
}

Test(master, an_empty_and_an_abandoned_writer_leave_nothing)
{
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;
    const struct tl_master_file *files;
    char folder[200];
    size_t count;

    cr_assert_eq(tl_master_writer_open(master, TL_SV("events"), 0, 0, &writer, &err), TL_OK);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK);
    cr_assert_eq(names_count(dir), 0, "not even a folder");
    cr_assert_eq(tl_master_writer_open(master, TL_SV("events"), 0, 0, &writer, &err), TL_OK);
    for (int64_t i = 0; i < 1000; i++)
        cr_assert_eq(writer_add(writer, i, 0, TL_SV("{\"a\":\"something that fills a block\"}"), 5), TL_OK);
    tl_master_writer_abandon(writer);
    tl_master_writer_abandon(NULL);
    snprintf(folder, sizeof folder, "%s/topics/events/partition=0", dir);
    cr_assert_eq(names_count(folder), 0);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(tl_master_list(master, TL_SV("never seen"), &files, &count, &err), TL_OK);
    cr_assert_eq(count, 0);
    tl_master_close(master);
}

Test(master, offsets_ascend_and_files_never_change)
{
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;

    file_write(master, TL_SV("t"), 0, 0, 10);
    cr_assert_eq(tl_master_writer_open(master, TL_SV("t"), 0, 0, &writer, &err), TL_OK);
    cr_assert_eq(writer_add(writer, 0, 0, TL_SV("{}"), 5), TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, "is there already"), "%s", err.message);
    cr_assert_eq(writer_add(writer, 50, 0, TL_SV("{}"), 5), TL_ERR_IO, "a writer that has failed takes nothing more");
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_ERR_IO);
    cr_assert_eq(tl_master_writer_open(master, TL_SV("t"), 0, 0, &writer, &err), TL_OK);
    cr_assert_eq(writer_add(writer, 50, 0, TL_SV("{}"), 5), TL_OK);
    cr_assert_eq(writer_add(writer, 50, 0, TL_SV("{}"), 5), TL_ERR_LIMIT);
    cr_assert_eq(writer_add(writer, 49, 0, TL_SV("{}"), 5), TL_ERR_LIMIT);
    cr_assert_eq(writer_add(writer, 51, 0, TL_SV("{}"), 5), TL_OK, "a refused message leaves the writer as it was");
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK);
    tl_master_close(master);
}

/* The file system takes `limit` bytes of each file and no more: whichever write it hits, nothing becomes visible, and the
 * next run finds the folder fit for use. */
Test(master, a_failed_write_leaves_nothing_visible)
{
    struct tl_master *master = master_open();
    const struct tl_master_file *files;
    struct rlimit before, limit;
    char folder[200];
    size_t count;
    int failed = 0;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    snprintf(folder, sizeof folder, "%s/topics/events/partition=0", dir);
    for (rlim_t bytes = 0;; bytes += 97) {
        struct tl_master_writer *writer = NULL;
        static struct sample sample;
        enum tl_code rc = TL_OK;

        limit = (struct rlimit){bytes, before.rlim_max};
        cr_assert_eq(tl_master_writer_open(master, TL_SV("events"), 0, 77, &writer, &err), TL_OK, "%s", err.message);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        for (uint32_t i = 0; i < 150 && rc == TL_OK; i++) {
            sample_make(&sample, i, 0);
            rc = writer_add(writer, sample.message.offset, sample.message.log_ms, sample.message.value, 5);
        }
        rc = tl_master_writer_finish(writer, &err);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
        cr_assert_eq(count, rc == TL_OK ? 1 : 0, "at %llu bytes", (unsigned long long)bytes);
        if (rc == TL_OK)
            break;
        cr_assert_eq(rc, TL_ERR_IO);
        cr_assert_eq(names_count(folder), 0, "at %llu bytes", (unsigned long long)bytes);
        failed++;
    }
    cr_assert_gt(failed, 3);
    tl_master_close(master);
}

/* ---- names ---- */

struct topic_case {
    char topic[40];
    char folder[80];
};

ParameterizedTestParameters(master, topics_are_encoded)
{
    static struct topic_case cases[] = {
        {"events.import", "events.import"},
        {"..",            "%2E."         },
        {".",             "%2E"          },
        {"__consumer",    "%5F_consumer" },
        {"a/../b",        "a%2F..%2Fb"   },
        {"a+0+b",         "a%2B0%2Bb"    },
        {"100%",          "100%25"       },
        {"\xc3\xa4",      "%C3%A4"       },
        {"a_b-c",         "a_b-c"        },
    };
    return cr_make_param_array(struct topic_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct topic_case *c, master, topics_are_encoded)
{
    struct tl_master *master = master_open();
    const struct tl_master_file *files;
    char path[300];
    size_t count;

    file_write(master, tl_sv_from(c->topic), 3, 0, 10);
    snprintf(path, sizeof path, "%s/topics/%s/partition=3/%s+3+0000000000.jsonl.zst", dir, c->folder, c->folder);
    cr_assert_eq(access(path, F_OK), 0, "%s", path);
    cr_assert_eq(tl_master_list(master, tl_sv_from(c->topic), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    cr_assert(tl_sv_eq(files[0].topic, tl_sv_from(c->topic)));
    tl_master_close(master);
}

Test(master, topics_without_a_place_are_refused)
{
    struct tl_master *master = master_open();
    struct tl_master_writer *writer = NULL;
    char name[300];

    memset(name, 'x', sizeof name);
    cr_assert_eq(tl_master_writer_open(master, (struct tl_sv){name, 214}, 0, 0, &writer, &err), TL_ERR_LIMIT);
    cr_assert_eq(tl_master_writer_open(master, (struct tl_sv){name, 0}, 0, 0, &writer, &err), TL_ERR_USAGE);
    cr_assert_eq(tl_master_writer_open(master, (struct tl_sv){name, 213}, UINT32_MAX, 0, &writer, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(writer_add(writer, INT64_MAX, 0, TL_SV("{}"), 5), TL_OK, "the longest name fits: %s", err.message);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
    tl_master_close(master);
}

/* ---- the lock ---- */

/* Whoever had no room for a descriptor when it listed has it later, and the lock then as well. */
Test(master, a_lock_that_could_not_be_had_is_asked_for_again)
{
    struct tl_master *master = master_open(), *other = master_open();
    const struct tl_master_file *files;
    struct rlimit limit, none;
    size_t count;

    file_write(master, TL_SV("events"), 0, 0, 40);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){3, limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    cr_assert_eq(tl_master_list(other, TL_SV("events"), &files, &count, &err), TL_ERR_IO);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_not_null(strstr(err.message, "record.lock"), "%s", err.message);
    cr_assert_eq(tl_master_list(other, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    cr_assert_eq(tl_master_thin(master, TL_SV("events"), NULL, 0, 0, &err), TL_ERR_BUSY, "somebody reads");
    tl_master_close(other);
    cr_assert_eq(tl_master_thin(master, TL_SV("events"), NULL, 0, 0, &err), TL_OK, "%s", err.message);
    tl_master_close(master);
}

/* ---- thinned out ---- */

Test(master, old_files_go_and_what_a_killed_one_left_of_them)
{
    static const struct tl_master_complete offsets[] = {
        {.partition = 0, .offset = 5000, .end_ms = INT64_MIN},
        {.partition = 2, .offset = 10,   .end_ms = INT64_MIN},
    };
    struct tl_master *master = master_open(), *other = master_open();
    const struct tl_master_complete *thinned;
    const struct tl_master_file *files;
    char path[256];
    size_t count;

    file_write(master, TL_SV("events"), 0, 0, 400);
    file_write(master, TL_SV("events"), 0, 5000, 40);
    file_write(master, TL_SV("events"), 1, 0, 40);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_list(other, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_thin(master, TL_SV("events"), offsets, 2, 0, &err), TL_ERR_BUSY, "somebody reads");
    tl_master_let_go(other, TL_SV("events"));
    path_of(path, ".jsonl.zst");
    cr_assert_eq(unlink(path), 0); /* killed behind the first of the three */
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 2);
    cr_assert_eq(tl_master_thin(master, TL_SV("events"), offsets, 2, 0, &err), TL_OK, "%s", err.message);
    path_of(path, ".index");
    cr_assert_neq(access(path, F_OK), 0);
    path_of(path, ".other.zst");
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 2);
    cr_assert_eq(files[0].first_offset, 5000);
    cr_assert_eq(tl_master_thin(master, TL_SV("events"), &offsets[1], 1, 0, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_read_thinned(master, TL_SV("events"), &thinned, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 2, "what was taken before is not forgotten");
    cr_assert_eq(thinned[0].offset, 5000);
    cr_assert_eq(thinned[1].partition, 2);
    tl_master_close(other);
    tl_master_close(master);
}

/* ---- complete.json ---- */

Test(master, complete_is_written_and_read)
{
    static const struct tl_master_complete wrote[] = {
        {0, 5000,      1772323200000},
        {1, 0,         INT64_MIN    },
        {7, INT64_MAX, -1           }
    };
    struct tl_master *master = master_open();
    const struct tl_master_complete *complete;
    uint64_t identity = 9;
    size_t count = 9;

    cr_assert_eq(tl_master_read_complete(master, TL_SV("a \"topic\""), &complete, &count, &identity, &err), TL_OK);
    cr_assert_eq(count, 0);
    cr_assert_eq(identity, 0);
    cr_assert_eq(tl_master_write_complete(master, TL_SV("a \"topic\""), wrote, 3, UINT64_MAX - 1, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_master_read_complete(master, TL_SV("a \"topic\""), &complete, &count, &identity, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(count, 3);
    cr_assert_eq(identity, UINT64_MAX - 1);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(complete[i].partition, wrote[i].partition);
        cr_assert_eq(complete[i].offset, wrote[i].offset);
        cr_assert_eq(complete[i].end_ms, wrote[i].end_ms);
    }
    cr_assert_eq(tl_master_write_complete(master, TL_SV("a \"topic\""), wrote, 0, 1, &err), TL_OK);
    cr_assert_eq(tl_master_read_complete(master, TL_SV("a \"topic\""), &complete, &count, &identity, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(count, 0);
    cr_assert_eq(identity, 1);
    tl_master_close(master);
}

Test(master, a_changed_statement_is_refused)
{
    static const struct tl_master_complete wrote[] = {
        {0, 5000, 1772323200000},
        {1, 0,    INT64_MIN    }
    };
    struct tl_arena arena;
    struct tl_buf text;
    const struct tl_master_complete *complete;
    uint64_t identity;
    size_t count;

    tl_arena_init(&arena, 4096, 0);
    tl_buf_init(&text, 0);
    cr_assert_eq(tl_master_complete_encode(TL_SV("events"), wrote, 2, 42, &text, &err), TL_OK);
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];

        cr_assert_eq(
            tl_master_complete_decode((struct tl_sv){text.data, i}, TL_SV("events"), &arena, &complete, &count, &identity, &err),
            TL_ERR_CORRUPT, "cut off at %zu", i);
        text.data[i] = (char)(byte ^ 1 << (i % 8));
        cr_assert_eq(tl_master_complete_decode(tl_buf_sv(&text), TL_SV("events"), &arena, &complete, &count, &identity, &err),
                     TL_ERR_CORRUPT, "byte %zu", i);
        text.data[i] = byte;
    }
    cr_assert_eq(tl_master_complete_decode(tl_buf_sv(&text), TL_SV("events"), &arena, &complete, &count, &identity, &err), TL_OK,
                 "%s", err.message);
    tl_buf_put_u8(&text, '\n');
    cr_assert_eq(tl_master_complete_decode(tl_buf_sv(&text), TL_SV("events"), &arena, &complete, &count, &identity, &err),
                 TL_ERR_CORRUPT);
    text.size--;
    cr_assert_eq(tl_master_complete_decode(tl_buf_sv(&text), TL_SV("others"), &arena, &complete, &count, &identity, &err),
                 TL_ERR_CORRUPT);
    tl_buf_done(&text);
    tl_arena_done(&arena);
}

Test(master, a_damaged_complete_names_its_file)
{
    static const struct tl_master_complete wrote[] = {
        {0, 5000, 1772323200000}
    };
    struct tl_master *master = master_open();
    const struct tl_master_complete *complete;
    uint64_t identity;
    size_t count;
    char path[200];

    cr_assert_eq(tl_master_write_complete(master, TL_SV("events"), wrote, 1, 42, &err), TL_OK);
    snprintf(path, sizeof path, "%s/topics/events/complete.json", dir);
    file_append(path, "{", 1);
    cr_assert_eq(tl_master_read_complete(master, TL_SV("events"), &complete, &count, &identity, &err), TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, path), "%s", err.message);
    tl_master_close(master);
}

/* ---- an index that contradicts itself, with a hash that fits ---- */

Test(master, an_index_that_contradicts_itself_is_refused)
{
    struct tl_master_block blocks[2] = {
        {.packed_bytes = 10,
         .raw_bytes = 20,
         .messages_count = 3,
         .first_offset = 5,
         .last_offset = 9,
         .log_ms_min = 1,
         .log_ms_max = 2,
         .time_ms_min = 1,
         .time_ms_max = 0},
        {.packed_bytes = 10,
         .raw_bytes = 20,
         .messages_count = 2,
         .first_offset = 10,
         .last_offset = 11,
         .log_ms_min = 1,
         .log_ms_max = 2,
         .time_ms_min = 1,
         .time_ms_max = 0},
    };
    struct tl_master_extent extents[2] = {{.entries_bytes = 6}, {.entries_bytes = 4}};
    struct tl_master_day days[2] = {
        {5, 1},
        {6, 1}
    };
    struct tl_master_index index = {
        .file = {.topic = TL_SV("t"), .days = days, .days_count = 2, .blocks = blocks, .blocks_count = 2},
          .extents = extents
    };
    struct tl_master_index out;
    struct tl_arena arena;
    struct tl_buf bytes;

    tl_arena_init(&arena, 4096, 0);
    tl_buf_init(&bytes, 0);
    for (int wrong = 0; wrong < 9; wrong++) {
        struct tl_master_block blocks_before[2];
        struct tl_master_extent extents_before[2];
        enum tl_code rc;

        memcpy(blocks_before, blocks, sizeof blocks);
        memcpy(extents_before, extents, sizeof extents);
        days[1].day = 6;
        switch (wrong) {
        case 0: break;
        case 1: blocks[1].first_offset = 9; break;              /* starts where the one before ends */
        case 2: blocks[0].messages_count = 6; break;            /* more messages than offsets */
        case 3: blocks[0].raw_bytes = 5; break;                 /* more lines than bytes */
        case 4: extents[0].others_count = 4; break;             /* more others than messages */
        case 5: extents[0].other_packed_bytes = 9; break;       /* a frame for no others */
        case 6: extents[1].entries_bytes = 3; break;            /* fewer entries than messages */
        case 7: blocks[0].packed_bytes = UINT64_MAX - 5; break; /* a sum that overflows */
        case 8: days[1].day = 5; break;
        }
        tl_buf_clear(&bytes);
        cr_assert_eq(tl_master_index_encode(&index, &bytes, &err), TL_OK);
        rc = tl_master_index_decode(tl_buf_sv(&bytes), &arena, &out, &err);
        cr_assert_eq(rc, wrong == 0 ? TL_OK : TL_ERR_CORRUPT, "case %d: %d", wrong, rc);
        memcpy(blocks, blocks_before, sizeof blocks);
        memcpy(extents, extents_before, sizeof extents);
    }
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
}

Test(master, a_statement_of_the_first_version_is_read)
{
    static const struct tl_master_complete wrote[] = {
        {0, 5000, 1772323200000, 4998}
    };
    struct tl_arena arena;
    struct tl_buf text;
    const struct tl_master_complete *complete;
    uint64_t identity, check;
    size_t count, until;
    char *at, line[40];

    tl_arena_init(&arena, 4096, 0);
    tl_buf_init(&text, 0);
    cr_assert_eq(tl_master_complete_encode(TL_SV("events"), wrote, 1, 42, &text, &err), TL_OK);
    cr_assert_eq(tl_master_complete_decode(tl_buf_sv(&text), TL_SV("events"), &arena, &complete, &count, &identity, &err), TL_OK);
    cr_assert_eq(complete[0].files_offset, 4998);

    at = memmem(text.data, text.size, ", \"files_to\": 4998", 18);
    cr_assert_not_null(at);
    memmove(at, at + 18, (size_t)(text.data + text.size - at - 18));
    text.size -= 18;
    at = memmem(text.data, text.size, "\"version\": 2", 12);
    at[11] = '1';
    at = memmem(text.data, text.size, "  \"check\"", 9);
    until = (size_t)(at - text.data);
    check = XXH3_64bits(text.data, until);
    snprintf(line, sizeof line, "  \"check\": \"%016" PRIx64 "\"\n}\n", check);
    memcpy(at, line, strlen(line));
    cr_assert_eq(tl_master_complete_decode(tl_buf_sv(&text), TL_SV("events"), &arena, &complete, &count, &identity, &err), TL_OK,
                 "%s", err.message);
    cr_assert_eq(complete[0].offset, 5000);
    cr_assert_eq(complete[0].files_offset, 0, "not known");
    tl_buf_done(&text);
    tl_arena_done(&arena);
}

/* ---- which topics there are ---- */

static enum tl_code see_name(void *ctx, struct tl_sv topic, struct tl_err *e)
{
    char(*names)[60] = ctx;
    size_t i = 0;

    (void)e;
    while (names[i][0] != '\0')
        i++;
    snprintf(names[i], sizeof names[i], "%.*s", TL_SV_ARG(topic));
    return TL_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

Test(master, topics_on_record)
{
    static const char *const topics[] = {"site-a", ".hidden_one", "a b/c%", "events.import"};
    struct tl_master_complete complete = {0, 0, 0};
    struct tl_master *master = master_open();
    char names[10][60] = {""}, command[300];

    cr_assert_eq(tl_master_topics(master, see_name, names, &err), TL_OK, "no record yet: %s", err.message);
    cr_assert_str_eq(names[0], "");
    for (size_t i = 0; i < TL_COUNT(topics); i++)
        cr_assert_eq(tl_master_write_complete(master, tl_sv_from(topics[i]), &complete, 1, 1, &err), TL_OK, "%s", err.message);
    /* What is none of ours: a file, and names that no topic is written as. */
    snprintf(command, sizeof command, "cd '%s/topics' && touch README && mkdir 'a%%2' 'a%%41' 'a%%2f' 'x y' .git", dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(tl_master_topics(master, see_name, names, &err), TL_OK, "%s", err.message);
    qsort(names, 4, sizeof names[0], by_text);
    cr_assert_str_eq(names[0], ".hidden_one");
    cr_assert_str_eq(names[1], "a b/c%");
    cr_assert_str_eq(names[2], "events.import");
    cr_assert_str_eq(names[3], "site-a");
    cr_assert_str_eq(names[4], "");
    tl_master_close(master);
}
