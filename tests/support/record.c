/* record.c: fills an embedded log with known messages, and compares a master record with what they were. */
#include "support/record.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "master/master.h"

const char record_views[] =
    "SET 'table.local-time-zone' = 'UTC';\n"
    "CREATE TABLE events (\n"
    "    event_id STRING, url STRING, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',\n"
    "        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits_5m AS\n"
    "    SELECT window_start, window_end, COUNT(*) AS num_hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))\n"
    "    GROUP BY window_start, window_end;\n";

struct tl_message record_message(int64_t i, char text[RECORD_TEXT_BYTES])
{
    int64_t log_ms = RECORD_START_MS + i * 1000;
    time_t event_s = (time_t)((log_ms - 500) / 1000);
    struct tm parts;
    char when[32];
    int size;

    gmtime_r(&event_s, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S.500Z", &parts);
    switch (i % 41) {
    case 7: size = snprintf(text, RECORD_TEXT_BYTES, "no JSON at all %" PRId64, i); break;
    case 19: size = snprintf(text, RECORD_TEXT_BYTES, "{\"event_id\":\"%" PRId64 "\",\n\"event_time\":\"%s\"}", i, when); break;
    case 23: size = snprintf(text, RECORD_TEXT_BYTES, "\xff\xfe %" PRId64, i); break;
    default:
        size = snprintf(text, RECORD_TEXT_BYTES,
                        "{\"event_id\":\"%" PRId64 "\",\"url\":\"/page/%" PRId64 "\",\"event_time\":\"%s\"}", i, i * 31 % 1000,
                        when);
    }
    return (struct tl_message){
        i, log_ms, {text, (size_t)size}
    };
}

void record_append(const char *data_dir, const char *topic, uint32_t partitions, int64_t from, int64_t to)
{
    enum { AT_ONCE = 500 };
    static char texts[AT_ONCE][RECORD_TEXT_BYTES];
    static struct tl_log_record records[AT_ONCE];
    struct tl_log *log = NULL;
    struct tl_err err;
    struct tl_sv name = tl_sv_from(topic);

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data_dir}, TL_LOG_APPEND, &log, &err), TL_OK,
                 "%s", err.message);
    cr_assert_eq(tl_log_create_topic(log, name, partitions, &err), TL_OK, "%s", err.message);
    for (uint32_t p = 0; p < partitions; p++) {
        for (int64_t at = from; at < to;) {
            size_t count = 0;

            for (; count < AT_ONCE && at < to; at++, count++) {
                struct tl_message message = record_message(at, texts[count]);

                records[count] = (struct tl_log_record){.partition = p, .log_ms = message.log_ms, .value = message.value};
            }
            cr_assert_eq(tl_log_append(log, name, records, count, NULL, &err), TL_OK, "%s", err.message);
        }
    }
    tl_log_close(log);
}

int64_t record_verify(const char *data_dir, const char *topic, uint32_t partition, int64_t first, uint32_t *files_count)
{
    struct tl_master *master = NULL;
    struct tl_master_reader *reader = NULL;
    const struct tl_master_file *files;
    struct tl_err err;
    size_t count;
    int64_t next = first;
    uint32_t found = 0;

    cr_assert_eq(tl_master_open(data_dir, &master, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_reader_open(&reader, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_master_list(master, tl_sv_from(topic), &files, &count, &err), TL_OK, "%s", err.message);
    for (size_t f = 0; f < count; f++) {
        if (files[f].partition != partition)
            continue;
        found++;
        cr_assert_eq(files[f].first_offset, next, "%s: begins at %" PRId64 ", and the one before ends at %" PRId64, files[f].path,
                     files[f].first_offset, next - 1);
        for (uint32_t b = 0; b < files[f].blocks_count; b++) {
            const struct tl_message *messages;
            size_t messages_count;

            cr_assert_eq(tl_master_read_block(reader, &files[f], b, &messages, &messages_count, &err), TL_OK, "%s", err.message);
            for (size_t m = 0; m < messages_count; m++, next++) {
                char text[RECORD_TEXT_BYTES];
                struct tl_message want = record_message(next, text);

                cr_assert_eq(messages[m].offset, next, "%s: offset %" PRId64 " instead of %" PRId64, files[f].path,
                             messages[m].offset, next);
                cr_assert_eq(messages[m].log_ms, want.log_ms, "%s: log timestamp of offset %" PRId64, files[f].path, next);
                cr_assert(tl_sv_eq(messages[m].value, want.value), "%s: value of offset %" PRId64, files[f].path, next);
            }
        }
        cr_assert_eq(files[f].last_offset, next - 1);
    }
    tl_master_reader_close(reader);
    tl_master_close(master);
    if (files_count != NULL)
        *files_count = found;
    return next;
}

void record_flip(const char *path, off_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);

    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}
