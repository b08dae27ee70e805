/* import_test.c: `tally import` as a user runs it: what is new, known and broken, and what lies in the log afterwards. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/lock.h"
#include "base/table.h"
#include "log/log.h"
#include "master/master.h"
#include "support/run.h"

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, url STRING, host STRING, event_time TIMESTAMP_LTZ(3),\n"
    " WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, COUNT(*) AS n\n"
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;\n";
static const char two_topics_text[] =
    "CREATE TABLE a (event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'topic_a', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE TABLE b (event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'topic_b', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW va AS SELECT event_time FROM a;\n"
    "CREATE VIEW vb AS SELECT event_time FROM b;\n";

static char dir[RUN_DIR_BYTES], views[200], data[200], path[300];
static struct run run;
static struct tl_err err;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", views_text));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(path, sizeof path, "%s/access.log", dir);
    unsetenv("TALLY_VIEWS");
    unsetenv("TALLY_DATA");
    unsetenv("TALLY_CLOCK_FILE");
}

static void folder_close(void)
{
    run_done(&run);
    run_folder_remove(dir);
}

TestSuite(import, .init = folder_open, .fini = folder_close, .timeout = 120);

#define IMPORT(...) (run_done(&run), RUN(&run, "import", "--views", views, "--data", data, __VA_ARGS__))

static void says(const char *want)
{
    char whole[1400];

    cr_assert_eq(run.status, 0, "%s", run.err);
    snprintf(whole, sizeof whole, "%s\n", want);
    cr_assert_str_eq(run.out, whole);
}

static void write_file(const char *name, const char *bytes, size_t size)
{
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

/* A line of a combined log; every tenth repeats the one before it, every 97th is broken, every 89th is blank. */
static void put_line(struct tl_buf *out, int i)
{
    int n = i % 10 == 9 ? i - 1 : i;

    if (i % 97 == 96)
        tl_buf_printf(out, "line %d is broken\n", i);
    else if (i % 89 == 88)
        tl_buf_put_str(out, "\n");
    else
        tl_buf_printf(out, "10.0.%d.%d - - [01/Mar/2026:10:%02d:%02d +0000] \"GET /page/%d HTTP/1.1\" 200 %d \"-\" \"agent\"\n",
                      n / 250 % 250, n % 250, n / 60 % 60, n % 60, n, n);
}

static void write_log(const char *name, int lines)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    for (int i = 0; i < lines; i++)
        put_line(&text, i);
    cr_assert_not(text.failed);
    write_file(name, text.data, text.size);
    tl_buf_done(&text);
}

/* How many of the first `lines` are of which kind. */
static void count_lines(int lines, int *good, int *broken, int *blank)
{
    *good = *broken = *blank = 0;
    for (int i = 0; i < lines; i++)
        if (i % 97 == 96)
            ++*broken;
        else if (i % 89 == 88)
            ++*blank;
        else
            ++*good;
}

/* ---- what lies in the log ---- */

static struct tl_log *log_open(void)
{
    struct tl_log *log = NULL;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_READ, &log, &err), TL_OK, "%s",
                 err.message);
    return log;
}

static int64_t log_end(struct tl_log *log, const char *topic, uint32_t partition)
{
    int64_t first = 0, end = 0;

    cr_assert_eq(tl_log_range(log, tl_sv_from(topic), partition, &first, &end, &err), TL_OK, "%s", err.message);
    return end;
}

static struct tl_log_entries log_read(struct tl_log *log, uint32_t partition)
{
    struct tl_log_entries entries = {0};

    cr_assert_eq(tl_log_read(log, TL_SV("events"), partition, 0, 1 << 24, SIZE_MAX, &entries, &err), TL_OK, "%s", err.message);
    cr_assert(entries.at_end);
    return entries;
}

/* The text between `before` and the next quote. */
static struct tl_sv field(struct tl_sv value, const char *before)
{
    const char *at = memmem(value.data, value.size, before, strlen(before)), *end;

    cr_assert_not_null(at, "%.*s", TL_SV_ARG(value));
    at += strlen(before);
    end = memchr(at, '"', value.size - (size_t)(at - value.data));
    cr_assert_not_null(end);
    return (struct tl_sv){at, (size_t)(end - at)};
}

/* Every event of the first `lines` is there once, in order, with an id of its own; broken lines stand between as they are. */
static void verify_events(const struct tl_message *messages, size_t count, int lines)
{
    struct tl_table ids;
    size_t at = 0;

    tl_table_init(&ids, 1, 0);
    for (int i = 0; i < lines; i++) {
        int n = i % 10 == 9 ? i - 1 : i;
        struct tl_sv value, id;
        char want[60];
        bool is_new = false;

        if (i % 97 != 96 && i % 89 == 88)
            continue;
        cr_assert_lt(at, count, "line %d is missing", i);
        value = messages[at++].value;
        if (i % 97 == 96) {
            snprintf(want, sizeof want, "line %d is broken", i);
            cr_assert(tl_sv_eq(value, tl_sv_from(want)), "%.*s", TL_SV_ARG(value));
            continue;
        }
        snprintf(want, sizeof want, "/page/%d", n);
        cr_assert(tl_sv_eq(field(value, "\"url\":\""), tl_sv_from(want)), "line %d: %.*s", i, TL_SV_ARG(value));
        id = field(value, "\"event_id\":\"");
        cr_assert_eq(id.size, 36);
        cr_assert_not_null(tl_table_put(&ids, tl_hash_bytes(id), id, &is_new));
        cr_assert(is_new, "line %d: the id %.*s is there already", i, TL_SV_ARG(id));
    }
    cr_assert_eq(at, count, "%zu too many", count - at);
    tl_table_done(&ids);
}

static void verify_log(int lines)
{
    struct tl_log *log = log_open();
    struct tl_log_entries entries = log_read(log, 0);

    verify_events(entries.messages, entries.count, lines);
    tl_log_close(log);
}

/* ---- tests ---- */

static void sh(const char *format, const char *a, const char *b)
{
    char command[1000];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof command, format, a, b);
#pragma GCC diagnostic pop
    cr_assert_eq(system(command), 0, "%s", command);
}

Test(import, a_second_time_adds_nothing)
{
    char copy[300], want[900];

    write_log("access.log", 1000);
    snprintf(copy, sizeof copy, "%s/another name.log", dir);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 1,000 lines: 979 new, 0 known, 10 broken, 11 blank; 979 by bots, 0 for files", path);
    says(want);
    verify_log(1000);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 1,000 lines: 0 new, 1,000 known, 0 broken", path);
    says(want);
    cr_assert_str_eq(run.err, "");
    cr_assert_eq(rename(path, copy), 0);
    IMPORT(copy, copy, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want,
             "%s: 1,000 lines: 0 new, 1,000 known, 0 broken\n%s: 1,000 lines: 0 new, 1,000 known, 0 broken\n"
             "all 2 logs: 2,000 lines: 0 new, 2,000 known, 0 broken",
             copy, copy);
    says(want);
    verify_log(1000);
}

Test(import, the_same_log_twice_on_one_command_line)
{
    char want[900];

    write_log("access.log", 100);
    IMPORT(path, path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want,
             "%s: 100 lines: 98 new, 0 known, 1 broken, 1 blank; 98 by bots, 0 for files\n"
             "%s: 100 lines: 0 new, 100 known, 0 broken\n"
             "all 2 logs: 200 lines: 98 new, 100 known, 1 broken, 1 blank; 98 by bots, 0 for files",
             path, path);
    says(want);
    verify_log(100);
}

Test(import, a_log_that_has_grown_is_continued)
{
    char want[400], older[300];

    write_log("older.log", 300);
    snprintf(older, sizeof older, "%s", path);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    write_log("access.log", 1000);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 1,000 lines: 685 new, 300 known, 7 broken, 8 blank; 685 by bots, 0 for files", path);
    says(want);
    verify_log(1000);
    IMPORT(older, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 300 lines: 0 new, 300 known, 0 broken", older);
    says(want); /* an older copy is known too */
    verify_log(1000);
}

Test(import, equal_lines_on_both_sides_of_an_import)
{
    static const char line[] = "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"\n";
    struct tl_log *log;
    struct tl_log_entries entries;
    struct tl_buf text;

    tl_buf_init(&text, 0);
    for (int i = 0; i < 2; i++) {
        tl_buf_put_str(&text, line);
        write_file("access.log", text.data, text.size);
        IMPORT(path, "--format", "combined", "--host", "x.com");
        cr_assert_eq(run.status, 0, "%s", run.err);
    }
    log = log_open();
    entries = log_read(log, 0);
    cr_assert_eq(entries.count, 2);
    cr_assert_not(
        tl_sv_eq(field(entries.messages[0].value, "\"event_id\":\""), field(entries.messages[1].value, "\"event_id\":\"")));
    tl_log_close(log);
    tl_buf_done(&text);
}

Test(import, standard_input_that_was_read_from)
{
    char command[2000];

    write_log("access.log", 50);
    snprintf(command, sizeof command,
             "{ read skipped; '%s' import - --views '%s' --data '%s' --format combined --host x.com > '%s/out'; } < '%s'",
             run_program(), views, data, dir, path);
    cr_assert_eq(system(command), 0);
    sh("grep -q '^standard input: 49 lines: 49 new, 0 known, 0 broken; 49 by bots, 0 for files$' '%s/out'", dir, "");
}

Test(import, another_log_is_new)
{
    struct tl_log *log;

    write_log("access.log", 50);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    write_file("b.log", "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"\n", 72);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(run.out, "1 line: 1 new, 0 known"), "%s%s", run.out, run.err);
    log = log_open();
    cr_assert_eq(log_end(log, "events", 0), 51);
    tl_log_close(log);
}

Test(import, a_last_line_without_a_line_feed)
{
    static const char one[] = "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /1 HTTP/1.1\" 200 1 \"-\" \"-\"";
    static const char half[] = "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /2 HT";
    static const char rest[] = "TP/1.1\" 200 1 \"-\" \"-\"\n";
    struct tl_buf text;
    struct tl_log *log;

    tl_buf_init(&text, 0);
    tl_buf_put_str(&text, one);
    write_file("access.log", text.data, text.size);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(run.out, "1 line: 1 new, 0 known, 0 broken"), "%s", run.out);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(run.out, "1 line: 0 new, 1 known, 0 broken"), "%s", run.out);

    tl_buf_put_str(&text, "\n"); /* it was whole, and goes on with half a line */
    tl_buf_put_str(&text, half);
    write_file("access.log", text.data, text.size);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(run.out, "2 lines: 0 new, 1 known, 1 broken"), "%s", run.out);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(run.out, "2 lines: 0 new, 2 known, 0 broken"), "%s", run.out);

    tl_buf_put_str(&text, rest); /* the half is whole now: another line */
    write_file("access.log", text.data, text.size);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(run.out, "2 lines: 1 new, 1 known, 0 broken"), "%s", run.out);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(run.out, "2 lines: 0 new, 2 known, 0 broken"), "%s", run.out);
    log = log_open();
    cr_assert_eq(log_end(log, "events", 0), 3);
    tl_log_close(log);
    tl_buf_done(&text);
}

Test(import, packed_and_from_standard_input)
{
    char packed[320], command[4000], want[600];

    write_log("access.log", 5000);
    snprintf(packed, sizeof packed, "%s.zst", path);
    sh("head -c 100000 '%s' | zstd -q > '%s'", path, packed); /* two frames, cut within a line */
    sh("tail -c +100001 '%s' | zstd -q >> '%s'", path, packed);
    IMPORT(packed, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 5,000 lines: 4,893 new, 0 known, 51 broken, 56 blank; 4,893 by bots, 0 for files", packed);
    says(want);
    verify_log(5000);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 5,000 lines: 0 new, 5,000 known, 0 broken", path);
    says(want);
    /* Through a pipe, as a file, and packed through a pipe. */
    snprintf(command, sizeof command,
             "cat '%s' | '%s' import - --views '%s' --data '%s' --format combined --host x.com > '%s/out' &&"
             " '%s' import - --views '%s' --data '%s' --format combined --host x.com < '%s' >> '%s/out' &&"
             " cat '%s' | '%s' import - --views '%s' --data '%s' --format combined --host x.com >> '%s/out'",
             path, run_program(), views, data, dir, run_program(), views, data, path, dir, packed, run_program(), views, data,
             dir);
    cr_assert_eq(system(command), 0);
    sh("test \"$(sort -u '%s/out')\" = 'standard input: 5,000 lines: 0 new, 5,000 known, 0 broken'", dir, "");
    sh("test \"$(wc -l < '%s/out')\" = 3", dir, "");
    verify_log(5000);
    sh("head -c 20000 '%s' > '%s'", packed, path);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(run.status, 3);
    cr_assert_not_null(strstr(run.err, "breaks off"), "%s", run.err);
    verify_log(5000);
}

Test(import, json_lines_go_in_byte_for_byte)
{
    static const char text[] =
        "{\"event_time\":\"2026-03-01T10:00:00Z\"}\n  {\"a\" : 1}\t\r\n\n[{\"a\":1}]\nnonsense\n{\"cut\":\n\xff\xfe\n   \n\v\n";
    static const char *const want[] = {
        "{\"event_time\":\"2026-03-01T10:00:00Z\"}", "  {\"a\" : 1}\t", "[{\"a\":1}]", "nonsense", "{\"cut\":", "\xff\xfe", "\v"};
    struct tl_log *log;
    struct tl_log_entries entries;

    write_file("events.jsonl", text, sizeof text - 1);
    IMPORT(path, "--format", "jsonl");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.out, "9 lines: 3 new, 0 known, 4 broken, 2 blank"), "%s", run.out);
    cr_assert_not_null(strstr(run.err, "events.jsonl:5: not a JSON object line=nonsense"), "%s", run.err);
    log = log_open();
    entries = log_read(log, 0);
    cr_assert_eq(entries.count, TL_COUNT(want));
    for (size_t i = 0; i < TL_COUNT(want); i++)
        cr_assert(tl_sv_eq(entries.messages[i].value, tl_sv_from(want[i])), "%zu: %.*s", i, TL_SV_ARG(entries.messages[i].value));
    tl_log_close(log);
}

Test(import, a_broken_line_never_becomes_an_event)
{
    static const char text[] = "{\"event_time\":\"2026-03-01T10:00:00Z\"}\n [1]\n\xef\xbb\xbf{\"a\":1}\nx {}\n1\n2\n";
    static const char *const want[] = {"unreadable line: {\"event_time\":\"2026-03-01T10:00:00Z\"}",
                                       "unreadable line:  [1]",
                                       "unreadable line: \xef\xbb\xbf{\"a\":1}",
                                       "x {}",
                                       "1",
                                       "2"};
    struct tl_log *log;
    struct tl_log_entries entries;

    write_file("access.log", text, sizeof text - 1);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.out, "6 lines: 0 new, 0 known, 6 broken"), "%s", run.out);
    cr_assert_not_null(strstr(run.err, "access.log:5: "), "%s", run.err);
    cr_assert_null(strstr(run.err, "access.log:6: "), "the first five are shown: %s", run.err);
    cr_assert_not_null(strstr(run.err, "further lines"), "%s", run.err);
    log = log_open();
    entries = log_read(log, 0);
    cr_assert_eq(entries.count, TL_COUNT(want));
    for (size_t i = 0; i < TL_COUNT(want); i++)
        cr_assert(tl_sv_eq(entries.messages[i].value, tl_sv_from(want[i])), "%zu: %.*s", i, TL_SV_ARG(entries.messages[i].value));
    tl_log_close(log);
}

Test(import, partitions)
{
    struct tl_log *log;
    int64_t ends[3], all = 0;

    write_log("access.log", 1000);
    IMPORT(path, "--format", "combined", "--host", "x.com", "--partitions", "3");
    cr_assert_eq(run.status, 0, "%s", run.err);
    log = log_open();
    for (uint32_t p = 0; p < 3; p++) {
        struct tl_log_entries entries;

        all += ends[p] = log_end(log, "events", p);
        cr_assert(ends[p] > 250 && ends[p] < 420, "%" PRId64, ends[p]);
        entries = log_read(log, p);
        for (size_t i = 1; i < entries.count; i++)
            cr_assert_geq(entries.messages[i].log_ms, entries.messages[i - 1].log_ms);
    }
    cr_assert_eq(all, 989);
    write_log("b.log", 5);
    IMPORT(path, "--format", "common", "--partition", "1", "--host", "x.com"); /* another format: other lines */
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_eq(log_end(log, "events", 1), ends[1] + 5);
    IMPORT(path, "--format", "common", "--partition", "3", "--host", "x.com");
    cr_assert_eq(run.status, 2);
    cr_assert_not_null(strstr(run.err, "has 3 partitions"), "%s", run.err);
    tl_log_close(log);
}

Test(import, ids_follow_from_host_line_and_place)
{
    struct tl_log *log;
    struct tl_log_entries entries;
    char first[3][40], second[3][40];
    static const char line[] = "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"\n";
    struct tl_buf text;

    tl_buf_init(&text, 0);
    for (int i = 0; i < 3; i++)
        tl_buf_put_str(&text, line);
    write_file("access.log", text.data, text.size);
    for (int round = 0; round < 3; round++) {
        snprintf(data, sizeof data, "%s/data%d", dir, round);
        IMPORT(path, "--format", "combined", "--host", round < 2 ? "x.com" : "y.com");
        cr_assert_eq(run.status, 0, "%s", run.err);
        log = log_open();
        entries = log_read(log, 0);
        cr_assert_eq(entries.count, 3);
        for (size_t i = 0; i < 3; i++)
            snprintf(round == 0 ? first[i] : second[i], 40, "%.*s",
                     TL_SV_ARG(field(entries.messages[i].value, "\"event_id\":\"")));
        tl_log_close(log);
        for (int i = 0; i < 3 && round > 0; i++)
            cr_assert_eq(strcmp(first[i], second[i]) == 0, round == 1, "%s %s", first[i], second[i]);
    }
    cr_assert_str_neq(first[0], first[1]);
    cr_assert_str_neq(first[1], first[2]);
    cr_assert_str_neq(first[0], first[2]);
    cr_assert_eq(first[0][14], '8', "a UUID of version 8");
    tl_buf_done(&text);
}

Test(import, wrong_usage)
{
    char other[300];

    write_log("access.log", 10);
    run_done(&run);
    RUN(&run, "import", path, "--format", "combined", "--data", data);
    cr_assert_eq(run.status, 2);
    IMPORT(path);
    cr_assert_eq(run.status, 2);
    cr_assert_not_null(strstr(run.err, "--format"), "%s", run.err);
    IMPORT(path, "--format", "jsonl", "--host", "x");
    cr_assert_eq(run.status, 2);
    IMPORT(path, "--format", "vhost_combined", "--host", "x");
    cr_assert_eq(run.status, 2);
    IMPORT(path, "--format", "combined", "--into", "archive", "--partitions", "2");
    cr_assert_eq(run.status, 2);
    IMPORT(path, "--format", "combined", "--topic", "other");
    cr_assert_eq(run.status, 2);
    cr_assert_not_null(strstr(run.err, "events"), "%s", run.err);
    snprintf(other, sizeof other, "%s/missing.log", dir);
    IMPORT(path, other, "--format", "combined");
    cr_assert_eq(run.status, 3);
    cr_assert_not_null(strstr(run.err, other), "%s", run.err);
    cr_assert_str_eq(run.out, "", "nothing is taken when a file is missing");
    snprintf(views, sizeof views, "%s", run_file_write(dir, "two.sql", two_topics_text));
    IMPORT(path, "--format", "combined");
    cr_assert_eq(run.status, 2);
    cr_assert_not_null(strstr(run.err, "topic_a, topic_b"), "%s", run.err);
    IMPORT(path, "--format", "combined", "--topic", "topic_b");
    cr_assert_eq(run.status, 0, "%s", run.err);
}

Test(import, a_log_keeps_its_host)
{
    write_log("access.log", 10);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(run.status, 0, "%s", run.err);
    IMPORT(path, "--format", "combined", "--host", "y.com");
    cr_assert_eq(run.status, 2);
    cr_assert_not_null(strstr(run.err, "--host x.com"), "%s", run.err);
    IMPORT(path, "--format", "combined");
    cr_assert_eq(run.status, 2);
    verify_log(10);
}

Test(import, other_packings_are_named)
{
    write_file("access.log.bz2", "BZh91AY", 7);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(run.status, 3);
    cr_assert_not_null(strstr(run.err, "bzcat"), "%s", run.err);
    write_file("access.log.xz", "\xfd\x37zXZ\0\0", 7);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(run.status, 3);
    cr_assert_not_null(strstr(run.err, "xzcat"), "%s", run.err);
}

Test(import, one_at_a_time)
{
    struct tl_lock *lock = NULL;
    char lock_path[300];

    write_log("access.log", 10);
    cr_assert_eq(mkdir(data, 0777), 0);
    snprintf(lock_path, sizeof lock_path, "%s/import.lock", data);
    cr_assert_eq(tl_lock_take(lock_path, "import", &lock, &err), TL_OK, "%s", err.message);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(run.status, 75);
    cr_assert_not_null(strstr(run.err, "another import holds"), "%s", run.err);
    tl_lock_release(lock);
}

/* ---- into the record ---- */

static int64_t verify_record(int lines)
{
    struct tl_master *master = NULL;
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *files;
    const struct tl_master_complete *complete;
    struct tl_message *messages = NULL;
    struct tl_buf text;
    size_t files_count, count = 0, complete_count, at = 0;
    int64_t next = 0;
    uint64_t identity;

    tl_buf_init(&text, 0);
    cr_assert_eq(tl_master_open(data, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events.import"), &files, &files_count, &err), TL_OK, "%s", err.message);
    for (size_t f = 0; f < files_count; f++) {
        cr_assert_eq(files[f].partition, 0);
        for (uint32_t b = 0; b < files[f].blocks_count; b++) {
            const struct tl_message *some;
            size_t some_count;

            cr_assert_eq(tl_master_read_block(reader, &files[f], b, &some, &some_count, &err), TL_OK, "%s", err.message);
            messages = realloc(messages, (count + some_count) * sizeof *messages);
            for (size_t i = 0; i < some_count; i++) {
                cr_assert_eq(some[i].offset, next++, "no gap, no copy");
                messages[count] = some[i];
                messages[count++].value.data = NULL;
                tl_buf_put_sv(&text, some[i].value);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        messages[i].value.data = text.data + at;
        at += messages[i].value.size;
    }
    verify_events(messages, count, lines);
    cr_assert_eq(tl_master_read_complete(master, TL_SV("events.import"), &complete, &complete_count, &identity, &err), TL_OK);
    cr_assert_eq(complete_count, lines > 0);
    if (lines > 0) {
        cr_assert_eq(complete[0].offset, next);
        cr_assert_eq(complete[0].end_ms, INT64_MAX);
        cr_assert_neq(identity, 0);
    }
    free(messages);
    tl_buf_done(&text);
    tl_master_reader_close(reader);
    tl_master_close(master);
    return (int64_t)files_count;
}

Test(import, into_the_archive)
{
    char want[1200], first[300];

    write_log("first.log", 300);
    snprintf(first, sizeof first, "%s", path);
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", "archive");
    snprintf(want, sizeof want, "%s: 300 lines: 294 new, 0 known, 3 broken, 3 blank; 294 by bots, 0 for files", path);
    says(want);
    cr_assert_eq(verify_record(300), 1);
    write_log("access.log", 1000);
    IMPORT(first, path, path, "--format", "combined", "--host", "x.com", "--into", "archive");
    snprintf(want, sizeof want,
             "%s: 300 lines: 0 new, 300 known, 0 broken\n"
             "%s: 1,000 lines: 685 new, 300 known, 7 broken, 8 blank; 685 by bots, 0 for files\n"
             "%s: 1,000 lines: 0 new, 1,000 known, 0 broken\n"
             "all 3 logs: 2,300 lines: 685 new, 1,600 known, 7 broken, 8 blank; 685 by bots, 0 for files",
             first, path, path);
    says(want);
    cr_assert_eq(verify_record(1000), 2);
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", "log");
    snprintf(want, sizeof want, "%s: 1,000 lines: 0 new, 1,000 known, 0 broken", path);
    says(want); /* in the record: not once more into the log */
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", "archive");
    says(want);
    sh("rm '%s/topics/events.import/complete.json'", data, ""); /* as after a kill between the file and the statement */
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", "archive");
    says(want);
    cr_assert_eq(verify_record(1000), 2);
}

Test(import, what_is_in_the_log_does_not_go_into_the_archive)
{
    write_log("access.log", 100);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", "archive");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.out, "0 new, 100 known"), "%s", run.out);
    cr_assert_eq(verify_record(0), 0);
}

Test(import, a_damaged_list_of_imports_is_left_alone)
{
    char list[300];
    FILE *file;

    write_log("access.log", 10);
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", "archive");
    snprintf(list, sizeof list, "%s/imports.list", data);
    file = fopen(list, "r+b");
    cr_assert_not_null(file);
    fseek(file, 20, SEEK_SET);
    fputc('?', file);
    fclose(file);
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", "archive");
    cr_assert_eq(run.status, 3);
    cr_assert_not_null(strstr(run.err, list), "%s", run.err);
    cr_assert_eq(verify_record(10), 1);
}

/* ---- kill -9 ---- */

static void nap_us(long us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    nanosleep(&time, NULL);
}

/* Kills import at moments that move through its whole run, and then lets it end. */
static void kill_rounds(const char *into, const char *file_bytes, int lines, long step_us)
{
    enum {
        EVEN_STEPS = 80
    }; /* a slow machine or a sanitizer goes on in ever longer ones, for the time would be a square of the length */
    int good, broken, blank;
    int kills = 0;

    write_log("access.log", lines);
    for (long after_us = 1000;; after_us += kills < EVEN_STEPS ? step_us : after_us / 2) {
        run_done(&run);
        run_start(&run,
                  (const char *const[]){"import", "--views", views, "--data", data, path, "--format", "combined", "--host",
                                        "x.com", "--into", into, file_bytes == NULL ? NULL : "--file-bytes", file_bytes, NULL});
        nap_us(after_us);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        if (run.status != 128 + SIGKILL)
            break;
        kills++;
    }
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_gt(kills, 3);
    IMPORT(path, "--format", "combined", "--host", "x.com", "--into", into);
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.out, ": 0 new, "), "%s", run.out);
    count_lines(lines, &good, &broken, &blank);
    cr_log_info("%d kills; %d events, %d broken lines", kills, good, broken);
}

Test(import, killed_again_and_again_into_the_log)
{
    kill_rounds("log", NULL, 200000, 4000);
    verify_log(200000);
}

Test(import, killed_again_and_again_into_the_archive)
{
    kill_rounds("archive", "100000", 100000, 2000); /* a file for every chunk of lines */
    cr_assert_geq(verify_record(100000), 4);
}

Test(import, a_signal_ends_it_between_transactions)
{
    char log_path[220];

    snprintf(log_path, sizeof log_path, "%s/log.db", data);
    write_log("access.log", 200000);
    run_done(&run);
    run_start(&run, (const char *const[]){"import", "--views", views, "--data", data, path, "--format", "combined", "--host",
                                          "x.com", NULL});
    for (int naps = 0; access(log_path, F_OK) != 0 && naps < 10000; naps++) /* before that the signal would simply end it */
        nap_us(1000);
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_assert(run.status == 3 || run.status == 0, "%d", run.status); /* 0: it was faster than the signal */
    if (run.status == 3)
        cr_assert_not_null(strstr(run.err, "stopped by a signal"), "%s", run.err);
    IMPORT(path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(run.status, 0, "%s", run.err);
    verify_log(200000);
}

/* ---- a real log ---- */

Test(import, a_real_log)
{
    const char *shared = getenv("TALLY_SHARED");
    struct tl_log *log;
    struct tl_log_entries entries;
    struct tl_table ids;

    snprintf(path, sizeof path, "%s/data/apache_logs", shared != NULL && shared[0] != '\0' ? shared : "../shared");
    if (access(path, R_OK) != 0)
        cr_skip_test("the shared access log is not there (../shared, or TALLY_SHARED)");
    IMPORT(path, "--format", "combined", "--host", "www.semicomplete.com");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_not_null(strstr(run.out, ": 10,000 lines: 10,000 new, 0 known, 0 broken; 2,675 by bots, 5,408 for files\n"), "%s", run.out);
    cr_assert_str_eq(run.err, "");
    log = log_open();
    entries = log_read(log, 0);
    cr_assert_eq(entries.count, 10000);
    tl_table_init(&ids, 1, 0);
    for (size_t i = 0; i < entries.count; i++) {
        struct tl_sv id = field(entries.messages[i].value, "\"event_id\":\"");

        cr_assert_not_null(tl_table_put(&ids, tl_hash_bytes(id), id, NULL));
    }
    cr_assert_eq(ids.count, 10000, "lines that occur more than once have ids of their own");
    tl_table_done(&ids);
    tl_log_close(log);
}
