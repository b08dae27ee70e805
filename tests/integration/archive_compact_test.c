/* archive_compact_test.c: `tally archive --compact`: few large files instead of many small ones, and nobody notices. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "master/master.h"
#include "support/record.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES], views[256], data[256];
static struct run run;
static struct tl_err err;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", record_views));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    cr_assert_eq(unsetenv("TALLY_VIEWS"), 0);
    cr_assert_eq(unsetenv("TALLY_CLOCK_FILE"), 0);
}

static void folder_close(void)
{
    run_done(&run);
    run_folder_remove(dir);
}

TestSuite(archive_compact, .init = folder_open, .fini = folder_close);

#define TALLY(...) (run_done(&run), RUN(&run, __VA_ARGS__, "--views", views, "--data", data))

static void small_files(uint32_t partitions, int64_t to)
{
    record_append(data, "events", partitions, 0, to);
    TALLY("archive", "--file-bytes", "2000");
    cr_assert_eq(run.status, 0, "%s", run.err);
}

static void shell(char *out, size_t size, const char *command)
{
    char text[600];
    FILE *pipe;
    size_t got;

    snprintf(text, sizeof text, "cd '%s' && %s", data, command);
    pipe = popen(text, "r");
    cr_assert_not_null(pipe);
    got = fread(out, 1, size - 1, pipe);
    out[got] = '\0';
    cr_assert_eq(pclose(pipe), 0, "%s", text);
}

static const char sums[] = "for p in topics/*/partition=*; do zstdcat $p/*.jsonl.zst | sha256sum; done";

Test(archive_compact, small_files_become_large_ones_with_the_same_bytes)
{
    char before[400], after[400];
    uint32_t files;

    small_files(2, 1500);
    shell(before, sizeof before, sums);
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.err, "");
    cr_assert_not_null(strstr(run.out, " files of topic events into 2\n"), "%s", run.out);
    for (uint32_t p = 0; p < 2; p++) {
        cr_assert_eq(record_verify(data, "events", p, 0, &files), 1500);
        cr_assert_eq(files, 1);
    }
    shell(after, sizeof after, sums);
    cr_assert_str_eq(after, before, "what zstdcat reads is the same, byte for byte");
    shell(after, sizeof after, "find topics -name '_*' | wc -l");
    cr_assert_eq(atoi(after), 0, "nothing is left over");
    run_done(&run);
    RUN(&run, "archive", "--verify", "--data", data);
    cr_assert_eq(run.status, 0, "%s\n%s", run.out, run.err);
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, "", "a second run has nothing to do");
    record_append(data, "events", 2, 1500, 1600);
    TALLY("archive");
    cr_assert_str_eq(run.out, "archived 200 events of topic events (2 partitions) in 2 files\n", "archive goes on behind them");
}

Test(archive_compact, files_stop_growing_at_file_bytes)
{
    uint32_t before, after;

    small_files(1, 2000);
    record_verify(data, "events", 0, 0, &before);
    TALLY("archive", "--compact", "--file-bytes", "20000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, &after), 2000);
    cr_assert(after >= 8 && after < before / 5, "%" PRIu32 " of %" PRIu32, after, before);
    TALLY("archive", "--compact", "--file-bytes", "20000");
    cr_assert_str_eq(run.out, "", "those that are full stay as they are");
}

static uint64_t only_time_rule(void)
{
    struct tl_master *master = NULL;
    const struct tl_master_file *files;
    size_t count;
    uint64_t rule;

    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(count, 1);
    rule = files[0].time_rule;
    tl_master_close(master);
    return rule;
}

/* Batch would read such a file in every run to learn its times. */
Test(archive_compact, an_index_by_another_rule_of_time_is_made_anew)
{
    char other[2000], *delay;
    uint64_t before;

    record_append(data, "events", 1, 0, 200);
    TALLY("archive");
    before = only_time_rule();
    TALLY("archive", "--compact");
    cr_assert_str_eq(run.out, "");
    snprintf(other, sizeof other, "%s", record_views);
    delay = strstr(other, "INTERVAL '15' SECOND");
    cr_assert_not_null(delay);
    memcpy(delay, "INTERVAL '25' SECOND", 20);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", other));
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, "merged 1 file of topic events into 1\n");
    cr_assert_neq(only_time_rule(), before);
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 200);
    TALLY("archive", "--compact");
    cr_assert_str_eq(run.out, "");
}

Test(archive_compact, waits_for_whoever_reads)
{
    struct tl_master *master = NULL;
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *files;
    const struct tl_message *messages;
    size_t count, messages_count;
    uint32_t left;

    small_files(1, 300);
    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    cr_assert_gt(count, 3);
    TALLY("archive", "--compact", "--wait", "0ms");
    cr_assert_eq(run.status, 75, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "topic events is being read or written"), "%s", run.err);
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    for (size_t f = 0; f < count; f++)
        cr_assert_eq(tl_master_read_block(reader, &files[f], 0, &messages, &messages_count, &err), TL_OK, "%s", err.message);
    tl_master_reader_close(reader);

    run_done(&run);
    run_start(&run, (const char *const[]){"archive", "--compact", "--views", views, "--data", data, NULL});
    cr_assert_not(run_wait_for(&run, 300), "it waits");
    tl_master_let_go(master, TL_SV("events"));
    cr_assert(run_wait_for(&run, 10000));
    cr_assert_eq(run.status, 0, "%s", run.err);
    tl_master_close(master);
    cr_assert_eq(record_verify(data, "events", 0, 0, &left), 300);
    cr_assert_eq(left, 1);
}

Test(archive_compact, one_at_a_time)
{
    struct run first = {0};
    struct tl_master *master = NULL;
    const struct tl_master_file *files;
    size_t count;

    small_files(1, 300);
    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events"), &files, &count, &err), TL_OK, "%s", err.message);
    run_start(&first, (const char *const[]){"archive", "--compact", "--views", views, "--data", data, NULL});
    for (int i = 0; i < 500; i++) {
        struct timespec nap = {.tv_nsec = 10000000};
        char lock[300];

        snprintf(lock, sizeof lock, "%s/topics/_events", data); /* it has the lock, and waits for us */
        if (access(lock, F_OK) == 0)
            break;
        nanosleep(&nap, NULL);
    }
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 75, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "record.lock"), "%s", run.err);
    run_signal(&first, SIGKILL);
    run_wait(&first);
    run_done(&first);
    tl_master_close(master);
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 0, "%s", run.err);
}

Test(archive_compact, archive_goes_on_meanwhile)
{
    struct run follow = {0};
    uint32_t files;

    record_append(data, "events", 1, 0, 100);
    run_start(&follow,
              (const char *const[]){"archive", "--views", views, "--data", data, "--follow", "--interval", "20ms", NULL});
    for (int64_t to = 200; to <= 1000; to += 100) {
        record_append(data, "events", 1, to - 100, to);
        TALLY("archive", "--compact");
        cr_assert_eq(run.status, 0, "%s", run.err);
    }
    for (int i = 0; i < 500 && record_verify(data, "events", 0, 0, NULL) < 1000; i++)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    run_signal(&follow, SIGTERM);
    cr_assert(run_wait_for(&follow, 10000));
    cr_assert_eq(follow.status, 0, "%s", follow.err);
    cr_assert_str_eq(follow.err, "");
    run_done(&follow);
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(record_verify(data, "events", 0, 0, &files), 1000);
    cr_assert_eq(files, 1);
}

Test(archive_compact, a_damaged_file_is_left_and_the_rest_is_merged)
{
    char path[400];
    unsigned char byte;
    struct stat before, after;
    uint32_t files;
    int fd;

    for (int64_t from = 0; from < 600; from += 100) {
        record_append(data, "events", 1, from, from + 100);
        TALLY("archive");
    }
    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+0000000200.index", data); /* the third of six */
    fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, 40), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 40), 1);
    cr_assert_eq(fstat(fd, &before), 0);
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 3, "%s", run.err);
    cr_assert_not_null(strstr(run.err, path), "%s", run.err);
    cr_assert_str_eq(run.out, "merged 5 files of topic events into 2\n");
    cr_assert_eq(stat(path, &after), 0);
    cr_assert_eq(after.st_ino, before.st_ino, "the same file, and nobody touched it");
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 40), 1);
    close(fd);
    cr_assert_eq(record_verify(data, "events", 0, 0, &files), 600);
    cr_assert_eq(files, 3);

    /* One that shows its damage when it is read. */
    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+0000000000.jsonl.zst", data);
    fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, 200), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 200), 1);
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 3, "%s", run.err);
    cr_assert_not_null(strstr(run.err, path), "%s", run.err);
    cr_assert_str_eq(run.out, "");
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 200), 1);
    close(fd);
    cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 600);
}

/* The old files of a partition that was exchanged go, whatever becomes of the next one. */
Test(archive_compact, what_was_replaced_goes_although_another_partition_fails)
{
    char out[100];

    small_files(2, 600);
    shell(out, sizeof out, "mv topics/events/partition=1 elsewhere && ln -s ../../elsewhere topics/events/partition=1");
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 3, "%s", run.err);
    cr_assert_not_null(strstr(run.err, "partition=1: is a link"), "%s", run.err);
    shell(out, sizeof out, "ls topics/events/partition=0/*.jsonl.zst | wc -l");
    cr_assert_eq(atoi(out), 1, "%s", out);
    shell(out, sizeof out, "find topics -name '_*' | wc -l");
    cr_assert_eq(atoi(out), 0, "the old ones are still there");
}

/* ---- whoever takes no lock ---- */

enum { NAMES_BYTES = 1 << 14 };

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The names that a reader finds who lists the folder once. False: it was exchanged meanwhile, and the old one may have lost some. */
static bool names_read(char out[NAMES_BYTES])
{
    static char names[300][NAME_MAX + 1];
    char folder[300];
    size_t count = 0, size = 0;
    struct stat listed, there;
    DIR *stream;

    snprintf(folder, sizeof folder, "%s/topics/events/partition=0", data);
    stream = opendir(folder);
    cr_assert_not_null(stream, "the folder is always there");
    cr_assert_eq(fstat(dirfd(stream), &listed), 0);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream))
        if (strstr(entry->d_name, ".jsonl.zst") != NULL && count < 300)
            snprintf(names[count++], sizeof names[0], "%s", entry->d_name);
    closedir(stream);
    qsort(names, count, sizeof names[0], by_text);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        size += (size_t)snprintf(out + size, NAMES_BYTES - size, "%s\n", names[i]);
    cr_assert_eq(stat(folder, &there), 0);
    return there.st_ino == listed.st_ino;
}

Test(archive_compact, a_reader_without_locks_sees_the_old_files_or_the_new)
{
    static char before[NAMES_BYTES], seen[NAMES_BYTES], first_new[NAMES_BYTES];
    char bytes[20];
    unsigned seen_count = 0, exchanges = 0;

    small_files(1, 800);
    for (int64_t size = 5000; size < 200000; size *= 3) {
        snprintf(bytes, sizeof bytes, "%" PRId64, size);
        cr_assert(names_read(before));
        first_new[0] = '\0';
        run_done(&run);
        run_start(&run,
                  (const char *const[]){"archive", "--compact", "--file-bytes", bytes, "--views", views, "--data", data, NULL});
        do {
            if (!names_read(seen))
                continue;
            seen_count++;
            if (strcmp(seen, before) == 0)
                cr_assert_str_eq(first_new, "", "once the new ones are there, the old ones are gone");
            else if (first_new[0] == '\0')
                memcpy(first_new, seen, sizeof seen);
            else
                cr_assert_str_eq(seen, first_new, "all at once");
        } while (!run_wait_for(&run, 0));
        cr_assert_eq(run.status, 0, "%s", run.err);
        cr_assert(names_read(seen));
        exchanges += strcmp(seen, before) != 0;
        if (first_new[0] != '\0')
            cr_assert_str_eq(seen, first_new);
        cr_assert_eq(record_verify(data, "events", 0, 0, NULL), 800);
    }
    cr_assert_geq(exchanges, 3);
    cr_assert_gt(seen_count, exchanges);
}

/* ---- batch ---- */

static void rows_of(char out[1 << 15])
{
    run_done(&run);
    RUN(&run, "query", "hits_5m", "--layer", "batch", "--format", "csv", "--data", data);
    cr_assert_eq(run.status, 0, "%s", run.err);
    snprintf(out, 1 << 15, "%s", run.out);
}

Test(archive_compact, batch_has_nothing_to_do_and_would_do_the_same)
{
    static char before[1 << 15], after[1 << 15];

    cr_assert_eq(setenv("TALLY_CLOCK_FILE", run_file_write(dir, "clock", "1772500000000"), 1), 0);
    small_files(2, 3000);
    TALLY("batch", "--to", "2026-03-01T00:30:00Z");
    cr_assert_eq(run.status, 0, "%s", run.err);
    rows_of(before);
    cr_assert_not_null(strstr(before, "2026-03-01T00:25:00.000Z"), "%s", before);
    TALLY("archive", "--compact");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.out, "into 2\n"), "%s", run.out);
    TALLY("batch", "--to", "2026-03-01T00:30:00Z");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, "", "no day became dirty");
    TALLY("batch", "--from", "2026-02-01", "--to", "2026-03-01T00:30:00Z");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_neq(run.out[0], '\0');
    rows_of(after);
    cr_assert_str_eq(after, before);
}
