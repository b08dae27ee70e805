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

#include "base/lock.h"
#include "base/table.h"
#include "master/master.h"
#include "master/master_index.h"
#include "support/logs.h"

static const char two_topics_text[] =
    "CREATE TABLE a (event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'topic_a', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE TABLE b (event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'topic_b', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW va AS SELECT event_time FROM a;\n"
    "CREATE VIEW vb AS SELECT event_time FROM b;\n";

TestSuite(import, .init = logs_open, .fini = logs_close, .timeout = 120);

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

    logs_write_log("access.log", 1000);
    snprintf(copy, sizeof copy, "%s/another name.log", logs.dir);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 1,000 lines: 979 new, 0 known, 10 broken, 11 blank; 979 by bots, 0 for files", logs.path);
    logs_says(want);
    logs_verify_log(1000);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 1,000 lines: 0 new, 1,000 known, 0 broken", logs.path);
    logs_says(want);
    cr_assert_str_eq(logs.run.err, "");
    cr_assert_eq(rename(logs.path, copy), 0);
    IMPORT(copy, copy, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want,
             "%s: 1,000 lines: 0 new, 1,000 known, 0 broken\n%s: 1,000 lines: 0 new, 1,000 known, 0 broken\n"
             "all 2 logs: 2,000 lines: 0 new, 2,000 known, 0 broken",
             copy, copy);
    logs_says(want);
    logs_verify_log(1000);
}

Test(import, the_same_log_twice_on_one_command_line)
{
    char want[900];

    logs_write_log("access.log", 100);
    IMPORT(logs.path, logs.path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want,
             "%s: 100 lines: 98 new, 0 known, 1 broken, 1 blank; 98 by bots, 0 for files\n"
             "%s: 100 lines: 0 new, 100 known, 0 broken\n"
             "all 2 logs: 200 lines: 98 new, 100 known, 1 broken, 1 blank; 98 by bots, 0 for files",
             logs.path, logs.path);
    logs_says(want);
    logs_verify_log(100);
}

Test(import, a_log_that_has_grown_is_continued)
{
    char want[400], older[300];

    logs_write_log("older.log", 300);
    snprintf(older, sizeof older, "%s", logs.path);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    logs_write_log("access.log", 1000);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 1,000 lines: 685 new, 300 known, 7 broken, 8 blank; 685 by bots, 0 for files", logs.path);
    logs_says(want);
    logs_verify_log(1000);
    IMPORT(older, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 300 lines: 0 new, 300 known, 0 broken", older);
    logs_says(want); /* an older copy is known too */
    logs_verify_log(1000);
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
        logs_write_file("access.log", text.data, text.size);
        IMPORT(logs.path, "--format", "combined", "--host", "x.com");
        cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    }
    log = logs_log_open();
    entries = logs_log_read(log, 0);
    cr_assert_eq(entries.count, 2);
    cr_assert_not(tl_sv_eq(logs_field(entries.messages[0].value, "\"event_id\":\""),
                           logs_field(entries.messages[1].value, "\"event_id\":\"")));
    tl_log_close(log);
    tl_buf_done(&text);
}

Test(import, standard_input_that_was_read_from)
{
    char command[2000];

    logs_write_log("access.log", 50);
    snprintf(command, sizeof command,
             "{ read skipped; '%s' import - --views '%s' --data '%s' --format combined --host x.com > '%s/out'; } < '%s'",
             run_program(), logs.views, logs.data, logs.dir, logs.path);
    cr_assert_eq(system(command), 0);
    sh("grep -q '^standard input: 49 lines: 49 new, 0 known, 0 broken; 49 by bots, 0 for files$' '%s/out'", logs.dir, "");
}

Test(import, another_log_is_new)
{
    struct tl_log *log;

    logs_write_log("access.log", 50);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    logs_write_file("b.log", "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"\n", 72);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "1 line: 1 new, 0 known"), "%s%s", logs.run.out, logs.run.err);
    log = logs_log_open();
    cr_assert_eq(logs_log_end(log, "events", 0), 51);
    tl_log_close(log);
}

/* Nobody writes there any more. */
static void write_settled(const struct tl_buf *text)
{
    logs_write_file("access.log", text->data, text->size);
    sh("touch -d '2026-03-01 12:00' '%s'", logs.path, "");
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
    write_settled(&text);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "1 line: 1 new, 0 known, 0 broken"), "%s", logs.run.out);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "1 line: 0 new, 1 known, 0 broken"), "%s", logs.run.out);

    tl_buf_put_str(&text, "\n"); /* it was whole, and goes on with half a line */
    tl_buf_put_str(&text, half);
    write_settled(&text);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "2 lines: 0 new, 1 known, 1 broken"), "%s", logs.run.out);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "2 lines: 0 new, 2 known, 0 broken"), "%s", logs.run.out);

    tl_buf_put_str(&text, rest); /* the half is whole now: another line */
    write_settled(&text);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "2 lines: 1 new, 1 known, 0 broken"), "%s", logs.run.out);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "2 lines: 0 new, 2 known, 0 broken"), "%s", logs.run.out);
    log = logs_log_open();
    cr_assert_eq(logs_log_end(log, "events", 0), 3);
    tl_log_close(log);
    tl_buf_done(&text);
}

/* It may be half written even where it reads as a whole one. */
Test(import, a_last_line_that_is_being_written)
{
    static const char whole[] = "1.1.1.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /1 HTTP/1.1\" 200 1 \"-\" \"-\"\n";
    static const char half[] = "1.1.1.1 - - [01/Mar/2026:10:00:01 +0000] \"GET /2 HTTP/1.1\" 200 1 \"-\" \"Mozilla/5.0 (X11";
    static const char rest[] = ") Firefox/1\"\n";
    struct tl_buf text;
    struct tl_log *log;

    tl_buf_init(&text, 0);
    tl_buf_put_str(&text, whole);
    tl_buf_put_str(&text, half);
    logs_write_file("access.log", text.data, text.size);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "1 line: 1 new, 0 known, 0 broken"), "%s", logs.run.out);
    cr_assert_not_null(strstr(logs.run.err, "it is left for the next import"), "%s", logs.run.err);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "1 line: 0 new, 1 known, 0 broken"), "%s", logs.run.out);
    tl_buf_put_str(&text, rest);
    logs_write_file("access.log", text.data, text.size);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "2 lines: 1 new, 1 known, 0 broken"), "%s", logs.run.out);
    log = logs_log_open();
    cr_assert_eq(logs_log_end(log, "events", 0), 2);
    tl_log_close(log);

    tl_buf_put_str(&text, half); /* nobody goes on with this one */
    logs_write_file("access.log", text.data, text.size);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "2 lines: 0 new, 2 known, 0 broken"), "%s", logs.run.out);
    sh("touch -d '-61 seconds' '%s'", logs.path, "");
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, "3 lines: 1 new, 2 known, 0 broken"), "%s", logs.run.out);
    cr_assert_str_eq(logs.run.err, "");
    tl_buf_done(&text);
}

/* A packed file does not grow, nor does what came in on standard input. */
Test(import, a_last_line_of_what_does_not_grow)
{
    char command[2000];

    logs_write_log("access.log", 10);
    sh("head -c -1 '%s' > '%s/part'; ", logs.path, logs.dir);
    sh("gzip -c '%s/part' > '%s'", logs.dir, logs.path);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_not_null(strstr(logs.run.out, ": 10 lines: 10 new"), "%s%s", logs.run.out, logs.run.err);
    snprintf(command, sizeof command,
             "'%s' import - --views '%s' --data '%s/b' --format combined --host x.com < '%s/part' > '%s/out'", run_program(),
             logs.views, logs.dir, logs.dir, logs.dir);
    cr_assert_eq(system(command), 0);
    sh("grep -q '^standard input: 10 lines: 10 new' '%s/out'", logs.dir, "");
}

Test(import, packed_and_from_standard_input)
{
    char packed[320], command[4000], want[600];

    logs_write_log("access.log", 5000);
    snprintf(packed, sizeof packed, "%s.zst", logs.path);
    sh("head -c 100000 '%s' | zstd -q > '%s'", logs.path, packed); /* two frames, cut within a line */
    sh("tail -c +100001 '%s' | zstd -q >> '%s'", logs.path, packed);
    IMPORT(packed, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 5,000 lines: 4,893 new, 0 known, 51 broken, 56 blank; 4,893 by bots, 0 for files", packed);
    logs_says(want);
    logs_verify_log(5000);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    snprintf(want, sizeof want, "%s: 5,000 lines: 0 new, 5,000 known, 0 broken", logs.path);
    logs_says(want);
    /* Through a pipe, as a file, and packed through a pipe. */
    snprintf(command, sizeof command,
             "cat '%s' | '%s' import - --views '%s' --data '%s' --format combined --host x.com > '%s/out' &&"
             " '%s' import - --views '%s' --data '%s' --format combined --host x.com < '%s' >> '%s/out' &&"
             " cat '%s' | '%s' import - --views '%s' --data '%s' --format combined --host x.com >> '%s/out'",
             logs.path, run_program(), logs.views, logs.data, logs.dir, run_program(), logs.views, logs.data, logs.path, logs.dir,
             packed, run_program(), logs.views, logs.data, logs.dir);
    cr_assert_eq(system(command), 0);
    sh("test \"$(sort -u '%s/out')\" = 'standard input: 5,000 lines: 0 new, 5,000 known, 0 broken'", logs.dir, "");
    sh("test \"$(wc -l < '%s/out')\" = 3", logs.dir, "");
    logs_verify_log(5000);
    sh("head -c 20000 '%s' > '%s'", packed, logs.path);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_not_null(strstr(logs.run.err, "breaks off"), "%s", logs.run.err);
    logs_verify_log(5000);
}

Test(import, json_lines_go_in_byte_for_byte)
{
    static const char text[] =
        "{\"event_time\":\"2026-03-01T10:00:00Z\"}\n  {\"a\" : 1}\t\r\n\n[{\"a\":1}]\nnonsense\n{\"cut\":\n\xff\xfe\n   \n\v\n";
    static const char *const want[] = {
        "{\"event_time\":\"2026-03-01T10:00:00Z\"}", "  {\"a\" : 1}\t", "[{\"a\":1}]", "nonsense", "{\"cut\":", "\xff\xfe", "\v"};
    struct tl_log *log;
    struct tl_log_entries entries;

    logs_write_file("events.jsonl", text, sizeof text - 1);
    IMPORT(logs.path, "--format", "jsonl");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, "9 lines: 3 new, 0 known, 4 broken, 2 blank"), "%s", logs.run.out);
    cr_assert_not_null(strstr(logs.run.err, "events.jsonl:5: not a JSON object line=nonsense"), "%s", logs.run.err);
    log = logs_log_open();
    entries = logs_log_read(log, 0);
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

    logs_write_file("access.log", text, sizeof text - 1);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, "6 lines: 0 new, 0 known, 6 broken"), "%s", logs.run.out);
    cr_assert_not_null(strstr(logs.run.err, "access.log:5: "), "%s", logs.run.err);
    cr_assert_null(strstr(logs.run.err, "access.log:6: "), "the first five are shown: %s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.err, "further lines"), "%s", logs.run.err);
    log = logs_log_open();
    entries = logs_log_read(log, 0);
    cr_assert_eq(entries.count, TL_COUNT(want));
    for (size_t i = 0; i < TL_COUNT(want); i++)
        cr_assert(tl_sv_eq(entries.messages[i].value, tl_sv_from(want[i])), "%zu: %.*s", i, TL_SV_ARG(entries.messages[i].value));
    tl_log_close(log);
}

/* What is named is taken as it is; but lines that are those of another format have a right one, and nothing takes them back out of the log. */
Test(import, lines_of_another_format_are_refused)
{
    static const char json[] = "{\"event_time\":\"2026-03-01T10:00:00Z\"}\n\n{\"a\":1}\n";

    logs_write_log("access.log", 100);
    IMPORT(logs.path, "--format", "common");
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err,
                              "access.log: its lines are not common but combined, and none is taken; --format combined "
                              "would do"),
                       "%s", logs.run.err);
    cr_assert_str_eq(logs.run.out, "");
    IMPORT(logs.path, "--format", "jsonl");
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err, "--format combined would do"), "%s", logs.run.err);
    IMPORT(logs.path, "--format", "combined");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    logs_verify_log(100);
    logs_write_file("events.log", json, sizeof json - 1);
    IMPORT(logs.path, "--format", "combined");
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err, "--format jsonl would do"), "%s", logs.run.err);
    logs_verify_log(100);
}

Test(import, partitions)
{
    struct tl_log *log;
    int64_t ends[3], all = 0;

    logs_write_log("access.log", 1000);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--partitions", "3");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    log = logs_log_open();
    for (uint32_t p = 0; p < 3; p++) {
        struct tl_log_entries entries;

        all += ends[p] = logs_log_end(log, "events", p);
        cr_assert(ends[p] > 250 && ends[p] < 420, "%" PRId64, ends[p]);
        entries = logs_log_read(log, p);
        for (size_t i = 1; i < entries.count; i++)
            cr_assert_geq(entries.messages[i].log_ms, entries.messages[i - 1].log_ms);
    }
    cr_assert_eq(all, 989);
    logs_write_lines("b.log", 2000, 2005);
    IMPORT(logs.path, "--format", "combined", "--partition", "1", "--host", "x.com");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_eq(logs_log_end(log, "events", 1), ends[1] + 5);
    IMPORT(logs.path, "--format", "combined", "--partition", "3", "--host", "x.com");
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err, "has 3 partitions"), "%s", logs.run.err);
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
    logs_write_file("access.log", text.data, text.size);
    for (int round = 0; round < 3; round++) {
        snprintf(logs.data, sizeof logs.data, "%s/data%d", logs.dir, round);
        IMPORT(logs.path, "--format", "combined", "--host", round < 2 ? "x.com" : "y.com");
        cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
        log = logs_log_open();
        entries = logs_log_read(log, 0);
        cr_assert_eq(entries.count, 3);
        for (size_t i = 0; i < 3; i++)
            snprintf(round == 0 ? first[i] : second[i], 40, "%.*s",
                     TL_SV_ARG(logs_field(entries.messages[i].value, "\"event_id\":\"")));
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
    logs_write_log("access.log", 10);
    run_done(&logs.run);
    RUN(&logs.run, "import", logs.path, "--format", "combined", "--data", logs.data);
    cr_assert_eq(logs.run.status, 2);
    IMPORT(logs.path);
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err, "--format"), "%s", logs.run.err);
    IMPORT(logs.path, "--format", "jsonl", "--host", "x");
    cr_assert_eq(logs.run.status, 2);
    IMPORT(logs.path, "--format", "vhost_combined", "--host", "x");
    cr_assert_eq(logs.run.status, 2);
    IMPORT(logs.path, "--format", "combined", "--into", "archive", "--partitions", "2");
    cr_assert_eq(logs.run.status, 2);
    IMPORT(logs.path, "--format", "combined", "--topic", "other");
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err, "events"), "%s", logs.run.err);
    snprintf(logs.views, sizeof logs.views, "%s", run_file_write(logs.dir, "two.sql", two_topics_text));
    IMPORT(logs.path, "--format", "combined");
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err, "topic_a, topic_b"), "%s", logs.run.err);
    IMPORT(logs.path, "--format", "combined", "--topic", "topic_b");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
}

Test(import, a_log_keeps_its_host)
{
    logs_write_log("access.log", 10);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    IMPORT(logs.path, "--format", "combined", "--host", "y.com");
    cr_assert_eq(logs.run.status, 2);
    cr_assert_not_null(strstr(logs.run.err, "--host x.com"), "%s", logs.run.err);
    IMPORT(logs.path, "--format", "combined");
    cr_assert_eq(logs.run.status, 2);
    logs_verify_log(10);
}

Test(import, other_packings_are_named)
{
    logs_write_file("access.log.bz2", "BZh91AY", 7);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_not_null(strstr(logs.run.err, "bzcat"), "%s", logs.run.err);
    logs_write_file("access.log.xz", "\xfd\x37zXZ\0\0", 7);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_not_null(strstr(logs.run.err, "xzcat"), "%s", logs.run.err);
}

Test(import, one_at_a_time)
{
    struct tl_lock *lock = NULL;
    char lock_path[300];

    logs_write_log("access.log", 10);
    cr_assert_eq(mkdir(logs.data, 0777), 0);
    snprintf(lock_path, sizeof lock_path, "%s/import.lock", logs.data);
    cr_assert_eq(tl_lock_take(lock_path, "import", &lock, &logs.err), TL_OK, "%s", logs.err.message);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 75);
    cr_assert_not_null(strstr(logs.run.err, "another import holds"), "%s", logs.run.err);
    tl_lock_release(lock);
}

/* ---- into the record ---- */

Test(import, into_the_archive)
{
    char want[1200], first[300];

    logs_write_log("first.log", 300);
    snprintf(first, sizeof first, "%s", logs.path);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    snprintf(want, sizeof want, "%s: 300 lines: 294 new, 0 known, 3 broken, 3 blank; 294 by bots, 0 for files", logs.path);
    logs_says(want);
    cr_assert_eq(logs_verify_record(300), 1);
    logs_write_log("access.log", 1000);
    IMPORT(first, logs.path, logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    snprintf(want, sizeof want,
             "%s: 300 lines: 0 new, 300 known, 0 broken\n"
             "%s: 1,000 lines: 685 new, 300 known, 7 broken, 8 blank; 685 by bots, 0 for files\n"
             "%s: 1,000 lines: 0 new, 1,000 known, 0 broken\n"
             "all 3 logs: 2,300 lines: 685 new, 1,600 known, 7 broken, 8 blank; 685 by bots, 0 for files",
             first, logs.path, logs.path);
    logs_says(want);
    cr_assert_eq(logs_verify_record(1000), 2);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "log");
    snprintf(want, sizeof want, "%s: 1,000 lines: 0 new, 1,000 known, 0 broken", logs.path);
    logs_says(want); /* in the record: not once more into the log */
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    logs_says(want);
    sh("rm '%s/topics/events.import/complete.json'", logs.data, ""); /* as after a kill between the file and the statement */
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    logs_says(want);
    cr_assert_eq(logs_verify_record(1000), 2);
}

/* The table's time, the same one computed: the first is known when the event is made, the second is read out of it. */
static const char computed_text[] =
    "CREATE TABLE events (event_id STRING, event_time TIMESTAMP_LTZ(3), t AS event_time + INTERVAL '0' SECOND,\n"
    " WATERMARK FOR t AS t - INTERVAL '15' SECOND)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, COUNT(*) AS n\n"
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(t), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;\n";

static void put_facts(struct tl_buf *out)
{
    struct tl_master *master = NULL;
    const struct tl_master_file *files;
    size_t count;

    cr_assert_eq(tl_master_open(logs.data, &master, &logs.err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events.import"), &files, &count, &logs.err), TL_OK, "%s", logs.err.message);
    for (size_t f = 0; f < count; f++) {
        tl_buf_printf(out, "%" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", files[f].messages_count, files[f].time_ms_min,
                      files[f].time_ms_max, files[f].watermark_ms);
        for (uint32_t d = 0; d < files[f].days_count; d++)
            tl_buf_printf(out, "day %d %" PRIu64 "\n", files[f].days[d].day, files[f].days[d].events_count);
        for (uint32_t b = 0; b < files[f].blocks_count; b++)
            tl_buf_printf(out, "block %" PRIu32 " %" PRId64 " %" PRId64 "\n", files[f].blocks[b].messages_count,
                          files[f].blocks[b].time_ms_min, files[f].blocks[b].time_ms_max);
    }
    tl_master_close(master);
}

Test(import, the_record_s_index_is_as_if_the_events_had_been_read)
{
    static const char odd[] = "1.1.1.1 - - [01/Jan/2099:10:00:00 +0000] \"GET /future HTTP/1.1\" 200 1 \"-\" \"-\"\n"
                              "1.1.1.1 - - [01/Jan/0001:00:00:00 +0000] \"GET /old HTTP/1.1\" 200 1 \"-\" \"-\"\n"
                              "1.1.1.1 - - [28/Feb/2026:23:59:59 -0200] \"GET /\\x00\xff HTTP/1.1\" 200 1 \"-\" \"-\"\n"
                              "{\"event_time\":\"2026-03-01T10:00:00Z\"}\nnothing\n";
    char odd_path[300];
    struct tl_buf direct, read;

    tl_buf_init(&direct, 0);
    tl_buf_init(&read, 0);
    logs_write_file("odd.log", odd, sizeof odd - 1);
    snprintf(odd_path, sizeof odd_path, "%s", logs.path);
    logs_write_log("access.log", 20000);
    IMPORT(logs.path, odd_path, "--format", "combined", "--host", "x.com", "--into", "archive", "--file-bytes", "2000000");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    put_facts(&direct);
    snprintf(logs.data, sizeof logs.data, "%s/read", logs.dir);
    snprintf(logs.views, sizeof logs.views, "%s", run_file_write(logs.dir, "computed.sql", computed_text));
    IMPORT(logs.path, odd_path, "--format", "combined", "--host", "x.com", "--into", "archive", "--file-bytes", "2000000");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    put_facts(&read);
    cr_assert(tl_sv_eq(tl_buf_sv(&direct), tl_buf_sv(&read)), "%.*s\n\n%.*s", TL_SV_ARG(tl_buf_sv(&direct)),
              TL_SV_ARG(tl_buf_sv(&read)));
    cr_assert_not_null(memmem(direct.data, direct.size, "day 20513 ", 10), "%.*s", TL_SV_ARG(tl_buf_sv(&direct)));
    tl_buf_done(&direct);
    tl_buf_done(&read);
}

static void record_is(uint64_t messages, uint64_t others)
{
    struct tl_master *master = NULL;
    const struct tl_master_file *files;
    size_t count;
    uint64_t others_found = 0;

    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_eq(tl_master_open(logs.data, &master, &logs.err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events.import"), &files, &count, &logs.err), TL_OK, "%s", logs.err.message);
    cr_assert_eq(count, 1);
    cr_assert_eq(files[0].messages_count, messages);
    for (uint32_t b = 0; b < files[0].blocks_count; b++)
        others_found += files[0].index->extents[b].others_count;
    cr_assert_eq(others_found, others, "%" PRIu64, others_found);
    tl_master_close(master);
}

/* Other readers of the record's data files find whole lines of JSON there, and nothing else. */
Test(import, what_is_no_line_of_json_stands_beside_the_record_s_lines)
{
    static const char access[] = "1.1.1.1 - - [28/Feb/2026:23:59:59 -0200] \"GET /\\x00\xff HTTP/1.1\" 200 1 \"-\" \"-\"\n"
                                 "{\"event_time\":\"2026-03-01T10:00:00Z\"}\nnothing\n";
    static const char json[] = "{\"event_time\":\"2026-03-01T10:00:00Z\"}\n{\"url\":\"\ttab\"}\n{\"url\":\"\xff\"}\n"
                               "{\"url\":\"\x01\"}\nnothing\n[1]\n";

    logs_write_file("access.log", access, sizeof access - 1);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    record_is(3, 2);
    snprintf(logs.data, sizeof logs.data, "%s/json", logs.dir);
    logs_write_file("events.jsonl", json, sizeof json - 1);
    IMPORT(logs.path, "--format", "jsonl", "--into", "archive");
    record_is(6, 3);
}

Test(import, what_is_in_the_log_does_not_go_into_the_archive)
{
    logs_write_log("access.log", 100);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, "0 new, 100 known"), "%s", logs.run.out);
    cr_assert_eq(logs_verify_record(0), 0);
}

Test(import, a_damaged_list_of_imports_is_left_alone)
{
    char list[300];
    FILE *file;

    logs_write_log("access.log", 10);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    snprintf(list, sizeof list, "%s/imports.list", logs.data);
    file = fopen(list, "r+b");
    cr_assert_not_null(file);
    fseek(file, 20, SEEK_SET);
    fputc('?', file);
    fclose(file);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", "archive");
    cr_assert_eq(logs.run.status, 3);
    cr_assert_not_null(strstr(logs.run.err, list), "%s", logs.run.err);
    cr_assert_eq(logs_verify_record(10), 1);
}

/* ---- kill -9 ---- */

static void nap_us(long us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    nanosleep(&time, NULL);
}

/* Kills import at moments that move through its whole logs.run, and then lets it end. */
static void kill_rounds(const char *into, const char *file_bytes, int lines, long step_us)
{
    enum {
        EVEN_STEPS = 80
    }; /* a slow machine or a sanitizer goes on in ever longer ones, for the time would be a square of the length */
    int good, broken, blank;
    int kills = 0;

    logs_write_log("access.log", lines);
    for (long after_us = 1000;; after_us += kills < EVEN_STEPS ? step_us : after_us / 2) {
        run_done(&logs.run);
        run_start(&logs.run, (const char *const[]){"import", "--views", logs.views, "--data", logs.data, logs.path, "--format",
                                                   "combined", "--host", "x.com", "--into", into,
                                                   file_bytes == NULL ? NULL : "--file-bytes", file_bytes, NULL});
        nap_us(after_us);
        run_signal(&logs.run, SIGKILL);
        run_wait(&logs.run);
        if (logs.run.status != 128 + SIGKILL)
            break;
        kills++;
    }
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_gt(kills, 3);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com", "--into", into);
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, ": 0 new, "), "%s", logs.run.out);
    logs_count_lines(lines, &good, &broken, &blank);
    cr_log_info("%d kills; %d events, %d broken lines", kills, good, broken);
}

Test(import, killed_again_and_again_into_the_log)
{
    kill_rounds("log", NULL, 200000, 4000);
    logs_verify_log(200000);
}

Test(import, killed_again_and_again_into_the_archive)
{
    kill_rounds("archive", "100000", 100000, 2000); /* a file for every chunk of lines */
    cr_assert_geq(logs_verify_record(100000), 4);
}

Test(import, a_signal_ends_it_between_transactions)
{
    char log_path[220];

    snprintf(log_path, sizeof log_path, "%s/log.db", logs.data);
    logs_write_log("access.log", 200000);
    run_done(&logs.run);
    run_start(&logs.run, (const char *const[]){"import", "--views", logs.views, "--data", logs.data, logs.path, "--format",
                                               "combined", "--host", "x.com", NULL});
    for (int naps = 0; access(log_path, F_OK) != 0 && naps < 10000; naps++) /* before that the signal would simply end it */
        nap_us(1000);
    run_signal(&logs.run, SIGTERM);
    run_wait(&logs.run);
    cr_assert(logs.run.status == 3 || logs.run.status == 0, "%d", logs.run.status); /* 0: it was faster than the signal */
    if (logs.run.status == 3)
        cr_assert_not_null(strstr(logs.run.err, "stopped by a signal"), "%s", logs.run.err);
    IMPORT(logs.path, "--format", "combined", "--host", "x.com");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    logs_verify_log(200000);
}

/* ---- a real log ---- */

Test(import, a_real_log)
{
    const char *shared = getenv("TALLY_SHARED");
    struct tl_log *log;
    struct tl_log_entries entries;
    struct tl_table ids;

    snprintf(logs.path, sizeof logs.path, "%s/data/apache_logs", shared != NULL && shared[0] != '\0' ? shared : "../shared");
    if (access(logs.path, R_OK) != 0)
        cr_skip_test("the shared access log is not there (../shared, or TALLY_SHARED)");
    IMPORT(logs.path, "--format", "combined", "--host", "www.semicomplete.com");
    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    cr_assert_not_null(strstr(logs.run.out, ": 10,000 lines: 10,000 new, 0 known, 0 broken; 2,675 by bots, 5,408 for files\n"),
                       "%s", logs.run.out);
    cr_assert_str_eq(logs.run.err, "");
    log = logs_log_open();
    entries = logs_log_read(log, 0);
    cr_assert_eq(entries.count, 10000);
    tl_table_init(&ids, 1, 0);
    for (size_t i = 0; i < entries.count; i++) {
        struct tl_sv id = logs_field(entries.messages[i].value, "\"event_id\":\"");

        cr_assert_not_null(tl_table_put(&ids, tl_hash_bytes(id), id, NULL));
    }
    cr_assert_eq(ids.count, 10000, "lines that occur more than once have ids of their own");
    tl_table_done(&ids);
    tl_log_close(log);
}
