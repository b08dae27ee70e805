/* logs.c: logs to import, and what lies in the log or the record afterwards. See logs.h. */
#include "support/logs.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/table.h"
#include "master/master.h"

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, url STRING, host STRING, event_time TIMESTAMP_LTZ(3),\n"
    " WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND)\n"
    "WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, COUNT(*) AS n\n"
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;\n";

struct logs logs;

void logs_open(void)
{
    run_folder_make(logs.dir);
    snprintf(logs.views, sizeof logs.views, "%s", run_file_write(logs.dir, "views.sql", views_text));
    snprintf(logs.data, sizeof logs.data, "%s/data", logs.dir);
    snprintf(logs.path, sizeof logs.path, "%s/access.log", logs.dir);
    unsetenv("TALLY_VIEWS");
    unsetenv("TALLY_DATA");
    unsetenv("TALLY_CLOCK_FILE");
}

void logs_close(void)
{
    run_done(&logs.run);
    run_folder_remove(logs.dir);
}

void logs_says(const char *want)
{
    char whole[1400];

    cr_assert_eq(logs.run.status, 0, "%s", logs.run.err);
    snprintf(whole, sizeof whole, "%s\n", want);
    cr_assert_str_eq(logs.run.out, whole);
}

void logs_write_file(const char *name, const char *bytes, size_t size)
{
    FILE *file;

    snprintf(logs.path, sizeof logs.path, "%s/%s", logs.dir, name);
    file = fopen(logs.path, "wb");
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

void logs_write_lines(const char *name, int from, int to)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    for (int i = from; i < to; i++)
        put_line(&text, i);
    cr_assert_not(text.failed);
    logs_write_file(name, text.data, text.size);
    tl_buf_done(&text);
}

void logs_write_log(const char *name, int lines)
{
    logs_write_lines(name, 0, lines);
}

/* How many of the first `lines` are of which kind. */
void logs_count_lines(int lines, int *good, int *broken, int *blank)
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

struct tl_log *logs_log_open(void)
{
    struct tl_log *log = NULL;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = logs.data}, TL_LOG_READ, &log, &logs.err), TL_OK,
                 "%s", logs.err.message);
    return log;
}

int64_t logs_log_end(struct tl_log *log, const char *topic, uint32_t partition)
{
    int64_t first = 0, end = 0;

    cr_assert_eq(tl_log_range(log, tl_sv_from(topic), partition, &first, &end, &logs.err), TL_OK, "%s", logs.err.message);
    return end;
}

struct tl_log_entries logs_log_read(struct tl_log *log, uint32_t partition)
{
    struct tl_log_entries entries = {0};

    cr_assert_eq(tl_log_read(log, TL_SV("events"), partition, 0, 1 << 24, SIZE_MAX, &entries, &logs.err), TL_OK, "%s",
                 logs.err.message);
    cr_assert(entries.at_end);
    return entries;
}

/* The text between `before` and the next quote. */
struct tl_sv logs_field(struct tl_sv value, const char *before)
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
        cr_assert(tl_sv_eq(logs_field(value, "\"url\":\""), tl_sv_from(want)), "line %d: %.*s", i, TL_SV_ARG(value));
        id = logs_field(value, "\"event_id\":\"");
        cr_assert_eq(id.size, 36);
        cr_assert_not_null(tl_table_put(&ids, tl_hash_bytes(id), id, &is_new));
        cr_assert(is_new, "line %d: the id %.*s is there already", i, TL_SV_ARG(id));
    }
    cr_assert_eq(at, count, "%zu too many", count - at);
    tl_table_done(&ids);
}

void logs_verify_log(int lines)
{
    struct tl_log *log = logs_log_open();
    struct tl_log_entries entries = logs_log_read(log, 0);

    verify_events(entries.messages, entries.count, lines);
    tl_log_close(log);
}

/* ---- what lies in the record ---- */

int64_t logs_verify_record(int lines)
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
    cr_assert_eq(tl_master_open(logs.data, &master, &logs.err), TL_OK, "%s", logs.err.message);
    cr_assert_eq(tl_master_reader_open(&reader, &logs.err), TL_OK);
    cr_assert_eq(tl_master_list(master, TL_SV("events.import"), &files, &files_count, &logs.err), TL_OK, "%s", logs.err.message);
    for (size_t f = 0; f < files_count; f++) {
        cr_assert_eq(files[f].partition, 0);
        for (uint32_t b = 0; b < files[f].blocks_count; b++) {
            const struct tl_message *some;
            size_t some_count;

            cr_assert_eq(tl_master_read_block(reader, &files[f], b, &some, &some_count, &logs.err), TL_OK, "%s",
                         logs.err.message);
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
    cr_assert_eq(tl_master_read_complete(master, TL_SV("events.import"), &complete, &complete_count, &identity, &logs.err),
                 TL_OK);
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
