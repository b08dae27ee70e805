/* spool_test.c: what was appended is read back, whatever has become of the files in between. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "speed_layer/spool.h"
#include "support/run.h"

enum { SEGMENT_BYTES = 1000, VALUE_BYTES = 40 };

static char dir[RUN_DIR_BYTES];
static struct tl_spool *spool;
static struct tl_spool_found found;
static struct tl_err err;

#define ok(call) cr_assert_eq((call), TL_OK, "%s", err.message)

static void folder_open(void)
{
    run_folder_make(dir);
}

static void folder_close(void)
{
    tl_spool_close(spool);
    run_folder_remove(dir);
}

TestSuite(spool, .init = folder_open, .fini = folder_close, .timeout = 60);

static void open_it(void)
{
    tl_spool_close(spool);
    spool = NULL;
    ok(tl_spool_open(dir, SEGMENT_BYTES, &spool, &found, &err));
}

static void value_of(uint64_t sequence, char out[VALUE_BYTES + 1])
{
    snprintf(out, VALUE_BYTES + 1, "value %*" PRIu64, (int)(sequence % 20), sequence);
}

static size_t record_make(char *at, uint64_t sequence)
{
    char value[VALUE_BYTES + 1];
    struct tl_spool_record record = {
        .sequence = sequence, .taken_ms = (int64_t)sequence * 10, .key = TL_SV("key"), .id = TL_SV("id")};

    value_of(sequence, value);
    record.value = tl_sv_from(value);
    tl_spool_record_write(at, &record);
    return tl_spool_record_bytes(&record);
}

/* One by one, so that segments end where they are full. */
static void append(uint64_t from, uint64_t to)
{
    _Alignas(8) char bytes[200];

    for (uint64_t i = from; i < to; i++) {
        size_t size = record_make(bytes, i);

        ok(tl_spool_append(spool, bytes, size, i, i + 1, &err));
    }
    ok(tl_spool_sync(spool, &err));
}

static void record_check(const struct tl_spool_record *record)
{
    char value[VALUE_BYTES + 1];

    value_of(record->sequence, value);
    cr_assert_eq(record->taken_ms, (int64_t)record->sequence * 10);
    cr_assert(tl_sv_eq(record->key, TL_SV("key")) && tl_sv_eq(record->id, TL_SV("id")) &&
              tl_sv_eq(record->value, tl_sv_from(value)));
}

struct reading {
    uint64_t count, lost, last;
};

/* All of them, each whole and in order. */
static struct reading read_all_of(uint64_t from, uint64_t until)
{
    struct tl_spool_reader *reader = NULL;
    struct reading reading = {0};
    struct tl_spool_batch batch;

    ok(tl_spool_reader_open(spool, &reader, &err));
    for (uint64_t next = from; next < until; next = batch.next) {
        ok(tl_spool_read(reader, next, until, &batch, &err));
        cr_assert_gt(batch.next, next);
        for (size_t i = 0; i < batch.count; i++) {
            cr_assert_gt(batch.records[i].sequence, reading.last);
            record_check(&batch.records[i]);
            reading.last = batch.records[i].sequence;
        }
        reading.count += batch.count;
        reading.lost += batch.lost;
    }
    tl_spool_reader_close(reader);
    return reading;
}

static int segments(char names[100][32])
{
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    int count = 0;

    while ((entry = readdir(folder)) != NULL)
        if (strstr(entry->d_name, ".spool") != NULL) {
            int at = count++;

            for (; at > 0 && strcmp(names[at - 1], entry->d_name) > 0; at--)
                strcpy(names[at], names[at - 1]);
            snprintf(names[at], 32, "%.31s", entry->d_name);
        }
    closedir(folder);
    return count;
}

static char *path_of(const char *name)
{
    static char path[RUN_DIR_BYTES + 40];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int64_t size_of(const char *name)
{
    struct stat st;

    cr_assert_eq(stat(path_of(name), &st), 0);
    return st.st_size;
}

static void flip(const char *name, int64_t at)
{
    FILE *file = fopen(path_of(name), "r+b");
    int byte;

    cr_assert_not_null(file);
    fseek(file, at, SEEK_SET);
    byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 0x5a, file);
    fclose(file);
}

Test(spool, a_round_trip_over_many_segments)
{
    char names[100][32];

    open_it();
    cr_assert_eq(found.front, found.next);
    cr_assert_eq(found.events, 0);
    append(found.next, found.next + 100);
    cr_assert_gt(segments(names), 3);
    cr_assert_eq(read_all_of(1, 101).count, 100);
    cr_assert_eq(read_all_of(50, 70).count, 20);
    open_it();
    cr_assert_eq(found.events, 100);
    cr_assert_eq(found.next, 101);
    cr_assert_eq(read_all_of(1, 101).count, 100);
}

Test(spool, what_is_acknowledged_goes_and_stays_gone)
{
    char names[100][32];
    int before;

    open_it();
    append(1, 101);
    before = segments(names);
    tl_spool_release(spool, 60, true);
    cr_assert_lt(segments(names), before);
    cr_assert_eq(read_all_of(60, 101).count, 41);
    open_it();
    cr_assert_eq(found.front, 60);
    cr_assert_eq(found.events, 41);
    cr_assert_eq(read_all_of(found.front, found.next).count, 41);
    tl_spool_release(spool, 101, true);
    cr_assert_eq(segments(names), 0);
    cr_assert_eq(tl_spool_bytes(spool), 0);
    open_it();
    cr_assert_eq(found.events, 0);
    cr_assert_eq(found.next, 101, "a sequence is never given out twice");
}

Test(spool, a_gap_is_nothing_lost)
{
    open_it();
    append(1, 11);
    append(500, 511);
    cr_assert_eq(read_all_of(1, 511).count, 21);
    open_it();
    cr_assert_eq(found.events, 21);
    cr_assert_eq(read_all_of(1, 511).count, 21);
    cr_assert_eq(read_all_of(1, 511).lost, 0);
}

/* As kill -9 and a machine that stops leave it. */
Test(spool, a_torn_tail_is_cut_at_the_last_whole_record)
{
    _Alignas(8) char bytes[3 * 200];
    int64_t ends[4] = {40};
    char names[100][32];
    size_t size = 0;

    for (uint64_t i = 1; i <= 3; i++) {
        size += record_make(bytes + size, i);
        ends[i] = 40 + (int64_t)size;
    }
    for (int64_t cut = 0; cut <= ends[3]; cut++) {
        uint64_t whole = 0;

        open_it();
        cr_assert_eq(found.next, 1);
        ok(tl_spool_append(spool, bytes, size, 1, 4, &err));
        cr_assert_eq(segments(names), 1);
        cr_assert_eq(truncate(path_of(names[0]), cut), 0);
        while (whole < 3 && ends[whole + 1] <= cut)
            whole++;
        open_it();
        cr_assert_eq(found.events, whole, "cut at %" PRId64, cut);
        cr_assert_eq(found.cut_bytes, cut <= 40 ? 0 : cut - ends[whole], "cut at %" PRId64 ": %" PRId64, cut, found.cut_bytes);
        cr_assert_eq(read_all_of(1, 4).count, whole);
        cr_assert_eq(read_all_of(1, 4).lost, 0);
        if (cut % 16 == 0) {
            append(found.next, found.next + 1);
            cr_assert_eq(read_all_of(1, 5).count, whole + 1);
        }
        for (int i = segments(names); i-- > 0;)
            unlink(path_of(names[i]));
        unlink(path_of("position"));
    }
}

/* Any byte of a record that has others around it: that one is lost, and told. */
Test(spool, a_damaged_record_is_counted_and_the_rest_is_read)
{
    char names[100][32];

    open_it();
    append(1, 61);
    cr_assert_gt(segments(names), 2);
    for (int64_t at = 40, end = size_of(names[0]); at < end; at++) {
        struct reading reading;

        flip(names[0], at);
        open_it();
        cr_assert_eq(found.events, 60);
        reading = read_all_of(1, 61);
        cr_assert_eq(reading.lost, 1, "byte %" PRId64 ": %" PRIu64, at, reading.lost);
        cr_assert_eq(reading.count, 59, "byte %" PRId64, at);
        flip(names[0], at);
    }
}

Test(spool, a_damaged_header_hides_no_record)
{
    char names[100][32];

    open_it();
    append(1, 61);
    cr_assert_gt(segments(names), 2);
    for (int64_t at = 0; at < 40; at++) {
        flip(names[1], at);
        open_it();
        cr_assert_eq(found.events, 60);
        cr_assert_eq(read_all_of(1, 61).count, 60);
        cr_assert_eq(read_all_of(1, 61).lost, 0);
        flip(names[1], at);
    }
}

Test(spool, damage_names_the_file_and_the_place)
{
    struct tl_spool_reader *reader = NULL;
    struct tl_spool_batch batch;
    char names[100][32], want[RUN_DIR_BYTES + 100];

    open_it();
    append(1, 61);
    segments(names);
    flip(names[0], 41);
    ok(tl_spool_reader_open(spool, &reader, &err));
    ok(tl_spool_read(reader, 1, 61, &batch, &err));
    snprintf(want, sizeof want, "%s/%s is damaged at byte 40", dir, names[0]);
    cr_assert_str_eq(batch.damage, want);
    tl_spool_reader_close(reader);
}

/* A damaged position is an old one: events are sent once more, and none is lost. */
Test(spool, a_damaged_position_loses_nothing)
{
    for (int64_t at = 0; at < 32; at++) {
        char names[100][32];

        open_it();
        append(found.next, found.next + 5);
        tl_spool_release(spool, found.next + 2, true);
        flip("position", at);
        open_it();
        cr_assert_geq(found.events, 3);
        cr_assert_eq(read_all_of(found.front, found.next).count, found.events);
        tl_spool_release(spool, found.next, true);
        cr_assert_eq(segments(names), 0);
    }
}

/* A writer that appends while a reader reads: what the reader had read to its end goes on. */
Test(spool, a_reader_follows_the_writer)
{
    struct tl_spool_reader *reader = NULL;
    struct tl_spool_batch batch;
    uint64_t next = 1;

    open_it();
    ok(tl_spool_reader_open(spool, &reader, &err));
    for (uint64_t end = 2; end < 200; end++) {
        append(end - 1, end);
        while (next < end) {
            ok(tl_spool_read(reader, next, end, &batch, &err));
            cr_assert_eq(batch.count, 1);
            cr_assert_eq(batch.records[0].sequence, next);
            next = batch.next;
        }
        if (end % 7 == 0)
            tl_spool_release(spool, next, false);
        if (end % 11 == 0)
            tl_spool_reader_rest(reader);
    }
    tl_spool_reader_close(reader);
}

Test(spool, a_record_that_is_larger_than_a_segment)
{
    enum { BIG = 3 << 20 };
    char *bytes = malloc(BIG + 100), *value = malloc(BIG);
    struct tl_spool_record record = {
        .sequence = 6, .value = {value, BIG}
    };
    struct tl_spool_reader *reader = NULL;
    struct tl_spool_batch batch;

    memset(value, 'x', BIG);
    open_it();
    append(1, 6);
    tl_spool_record_write(bytes, &record);
    ok(tl_spool_append(spool, bytes, tl_spool_record_bytes(&record), 6, 7, &err));
    append(7, 10);
    ok(tl_spool_reader_open(spool, &reader, &err));
    ok(tl_spool_read(reader, 6, 10, &batch, &err));
    cr_assert_eq(batch.count, 1);
    cr_assert(tl_sv_eq(batch.records[0].value, record.value));
    ok(tl_spool_read(reader, 7, 10, &batch, &err));
    cr_assert_eq(batch.count, 3);
    tl_spool_reader_close(reader);
    free(bytes);
    free(value);
}

Test(spool, files_of_others_are_left_alone)
{
    FILE *file;

    open_it();
    append(1, 3);
    file = fopen(path_of("notes.spool"), "w");
    fclose(file);
    file = fopen(path_of("0000.spool"), "w");
    fclose(file);
    open_it();
    cr_assert_eq(found.events, 2);
    tl_spool_release(spool, 3, true);
    cr_assert_eq(access(path_of("notes.spool"), F_OK), 0);
    cr_assert_eq(access(path_of("0000.spool"), F_OK), 0);
}
