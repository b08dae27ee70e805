/* log_test.c: the embedded log: the checks for every log, and what belongs to its file. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/table.h"
#include "support/log_conformance.h"

#define TOPIC TL_SV("events")

static char dir[64], path[100];
static struct tl_err err;

static void folder_open(void)
{
    snprintf(dir, sizeof dir, "%s", "/tmp/tally_log_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log.db", dir);
}

static void folder_close(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

static void sql(const char *file, const char *text)
{
    sqlite3 *db = NULL;
    char *why = NULL;

    cr_assert_eq(sqlite3_open(file, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, &why), SQLITE_OK, "%s: %s", text, why);
    sqlite3_close(db);
}

static enum tl_code open_local(void *ctx, enum tl_log_mode mode, struct tl_log **out, struct tl_err *e)
{
    (void)ctx;
    return tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, mode, out, e);
}

static void delete_one(void *ctx, const char *topic, uint32_t partition, int64_t offset)
{
    char text[200];

    (void)ctx;
    (void)topic; /* the only one, so its number is 1 */
    snprintf(text, sizeof text, "DELETE FROM entries_1_%u WHERE \"offset\" = %lld", partition, (long long)offset);
    sql(path, text);
}

static const struct log_under_test local = {.topic = "events", .open = open_local, .make_gap = delete_one};

TestSuite(log, .init = folder_open, .fini = folder_close, .timeout = 60);

ParameterizedTestParameters(log, conformance)
{
    static size_t numbers[64];

    cr_assert_leq(log_checks_count, TL_COUNT(numbers));
    for (size_t i = 0; i < log_checks_count; i++)
        numbers[i] = i;
    return cr_make_param_array(size_t, numbers, log_checks_count);
}

ParameterizedTest(size_t *number, log, conformance, .init = folder_open, .fini = folder_close, .timeout = 60)
{
    cr_log_info("%s", log_checks[*number].name);
    log_checks[*number].run(&local);
}

static char *slurp(const char *file, size_t *size)
{
    FILE *stream = fopen(file, "rb");
    char *bytes = malloc(1 << 20);

    cr_assert_not_null(stream, "%s", file);
    *size = fread(bytes, 1, 1 << 20, stream);
    fclose(stream);
    return bytes;
}

static uint64_t hash_of(const char *file)
{
    size_t size;
    char *bytes = slurp(file, &size);
    uint64_t hash = tl_hash_bytes((struct tl_sv){bytes, size});

    free(bytes);
    return hash;
}

static int files_in_folder(void)
{
    char command[128], text[20] = "";
    FILE *pipe;

    snprintf(command, sizeof command, "ls -A '%s' | wc -l", dir);
    pipe = popen(command, "r");
    cr_assert_not_null(fgets(text, sizeof text, pipe));
    pclose(pipe);
    return atoi(text);
}

static void write_file(const char *file, const void *bytes, size_t size)
{
    FILE *stream = fopen(file, "wb");

    cr_assert_not_null(stream);
    cr_assert_eq(fwrite(bytes, 1, size, stream), size);
    fclose(stream);
}

/* Refused in both modes; the file keeps its bytes and nothing appears beside it. */
static void is_refused(const char *says)
{
    uint64_t before = hash_of(path);
    int files = files_in_folder();
    struct tl_log *log = NULL;

    for (int mode = TL_LOG_READ; mode <= TL_LOG_APPEND; mode++) {
        cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, (enum tl_log_mode)mode, &log, &err),
                     TL_ERR_CORRUPT, "%s", err.message);
        cr_assert_null(log);
        cr_assert_not_null(strstr(err.message, path), "the file is named: %s", err.message);
        cr_assert_not_null(strstr(err.message, says), "%s", err.message);
        cr_assert_eq(hash_of(path), before);
        cr_assert_eq(files_in_folder(), files);
    }
}

Test(log, a_reader_before_the_first_writer)
{
    struct tl_log *log = NULL;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_READ, &log, &err), TL_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, path), "%s", err.message);
    cr_assert_eq(files_in_folder(), 0);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "pulsar", .data_dir = dir}, TL_LOG_READ, &log, &err), TL_ERR_USAGE);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    tl_log_close(log);
    cr_assert_eq(files_in_folder(), 1, "log.db alone");
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_READ, &log, &err), TL_OK, "%s",
                 err.message);
    tl_log_close(log);
}

Test(log, another_programs_database_is_left_alone)
{
    sql(path, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
    is_refused("another program");
    sql(path, "PRAGMA application_id = 77; PRAGMA journal_mode = WAL");
    is_refused("0x0000004d");
}

Test(log, another_programs_wal_is_left_alone)
{
    sqlite3 *theirs = NULL;

    cr_assert_eq(sqlite3_open(path, &theirs), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(theirs, "PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)", NULL, NULL, NULL),
        SQLITE_OK);
    is_refused("another program");
    sqlite3_close(theirs);
}

Test(log, what_is_no_database_is_left_alone)
{
    char text[5000];

    memset(text, 'x', sizeof text);
    write_file(path, text, sizeof text);
    is_refused("no SQLite database");
    write_file(path, text, 10);
    is_refused("no SQLite database");
    write_file(path, text, 0);
    is_refused("no SQLite database");
}

Test(log, a_log_of_another_version_is_left_alone)
{
    struct tl_log *log = NULL;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    tl_log_close(log);
    sql(path, "PRAGMA user_version = 9");
    is_refused("its version is 9");
}

Test(log, damage_is_named)
{
    struct tl_log_record record = {.partition = 0, .log_ms = 1, .value = TL_SV("x")};
    struct tl_log *log = NULL;
    size_t size;
    char *bytes;

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, TOPIC, 1, &err), TL_OK);
    cr_assert_eq(tl_log_append(log, TOPIC, &record, 1, NULL, &err), TL_OK);
    tl_log_close(log);
    bytes = slurp(path, &size);
    memset(bytes + 100, 0x5a, size - 100);
    write_file(path, bytes, size);
    is_refused("damaged");
    free(bytes);
}

Test(log, many_entries_are_deleted_in_pieces)
{
    enum { ENTRIES = 25000 };
    static struct tl_log_record records[ENTRIES];
    struct tl_log *log = NULL;
    sqlite3 *db = NULL;
    sqlite3_stmt *count = NULL;

    for (size_t i = 0; i < ENTRIES; i++)
        records[i] = (struct tl_log_record){.partition = 0, .log_ms = 1, .value = TL_SV("x")};
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, TOPIC, 1, &err), TL_OK);
    cr_assert_eq(tl_log_append(log, TOPIC, records, ENTRIES, NULL, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_trim(log, TOPIC, 0, ENTRIES - 3, &err), TL_OK, "%s", err.message);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT count(*) FROM entries_1_0", -1, &count, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(count), SQLITE_ROW);
    cr_assert_eq(sqlite3_column_int(count, 0), 3);
    sqlite3_finalize(count);
    sqlite3_close(db);
    tl_log_close(log);
}

Test(log, a_wal_without_its_log_is_not_played_into_a_new_one)
{
    char wal[120];
    struct tl_log *log = NULL;

    snprintf(wal, sizeof wal, "%s-wal", path);
    write_file(wal, "x", 1);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err), TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, wal), "%s", err.message);
    cr_assert_eq(files_in_folder(), 1);
}

Test(log, a_log_that_is_taken_away_is_noticed)
{
    struct tl_log_record record = {.partition = 0, .log_ms = 1, .value = TL_SV("x")};
    struct tl_log_entries entries;
    struct tl_log *log = NULL, *reader = NULL, *fresh = NULL;
    uint32_t partitions;
    uint64_t identity;
    char aside[500];

    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_create_topic(log, TOPIC, 1, &err), TL_OK);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_READ, &reader, &err), TL_OK, "%s",
                 err.message);
    snprintf(aside, sizeof aside, "mv '%s' '%s.aside'; rm -f '%s-wal' '%s-shm'", path, path, path, path);
    cr_assert_eq(system(aside), 0);
    cr_assert_eq(tl_log_read(reader, TOPIC, 0, 0, 10, 10, &entries, &err), TL_ERR_IO);
    cr_assert_not_null(strstr(err.message, "taken away"), "%s", err.message);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &fresh, &err), TL_OK, "%s",
                 err.message);
    cr_assert_eq(tl_log_append(log, TOPIC, &record, 1, NULL, &err), TL_ERR_IO);
    cr_assert_not_null(strstr(err.message, "another file"), "%s", err.message);
    cr_assert_eq(tl_log_topic(reader, TOPIC, &partitions, &identity, &err), TL_ERR_IO);
    tl_log_close(fresh);
    tl_log_close(reader);
    tl_log_close(log);
}

/* A writer that dies at any moment leaves whole batches, and the note of the last of them. */
static bool read_note(void *ctx, struct tl_sv key, struct tl_sv value)
{
    (void)key;
    return !tl_sv_to_i64(value, ctx);
}

static void append_until_killed(void)
{
    struct tl_log *log = NULL;
    struct tl_log_record batch[50];
    int64_t done = 0;
    char text[24];

    if (tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err) != TL_OK ||
        tl_log_create_topic(log, TOPIC, 2, &err) != TL_OK ||
        tl_log_notes(log, TOPIC, TL_SV("n"), read_note, &done, &err) != TL_OK)
        _exit(1);
    for (;;) {
        struct tl_log_note note = {
            TL_SV("n"), {text, 0}
        };

        for (size_t i = 0; i < TL_COUNT(batch); i++)
            batch[i] = (struct tl_log_record){
                .partition = (uint32_t)(i % 2), .log_ms = 1, .value = TL_SV("some bytes that make up an entry of the log")};
        done += (int64_t)TL_COUNT(batch);
        note.value.size = (size_t)snprintf(text, sizeof text, "%lld", (long long)done);
        if (tl_log_append(log, TOPIC, batch, TL_COUNT(batch), &note, &err) != TL_OK)
            _exit(1);
    }
}

Test(log, kill_at_any_moment)
{
    for (unsigned round = 0; round < 15; round++) {
        struct tl_log *log = NULL;
        int64_t first = 0, end = 0, total = 0, note = 0;
        int status;
        pid_t child = fork();

        if (child == 0)
            append_until_killed();
        usleep(1000 + round * 3777);
        kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFSIGNALED(status));
        cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = dir}, TL_LOG_APPEND, &log, &err), TL_OK, "%s",
                     err.message);
        cr_assert_eq(tl_log_create_topic(log, TOPIC, 2, &err), TL_OK, "%s", err.message);
        for (uint32_t p = 0; p < 2; p++) {
            struct tl_log_entries entries;

            cr_assert_eq(tl_log_range(log, TOPIC, p, &first, &end, &err), TL_OK, "%s", err.message);
            cr_assert_eq(tl_log_read(log, TOPIC, p, 0, 1000000, SIZE_MAX, &entries, &err), TL_OK, "%s", err.message);
            cr_assert_eq((int64_t)entries.count, end);
            total += end;
        }
        cr_assert_eq(tl_log_notes(log, TOPIC, TL_SV("n"), read_note, &note, &err), TL_OK);
        cr_assert_eq(total, note, "%lld entries, noted %lld", (long long)total, (long long)note);
        tl_log_close(log);
    }
}

/* ---- a feed ---- */

/* As Kafka's Java clients deal: the hashes are those of its own test (org.apache.kafka.common.utils.UtilsTest). */
Test(log, a_key_leads_where_kafkas_clients_lead_it)
{
    static const struct {
        struct tl_sv key;
        int32_t murmur2;
    } known[] = {
        {TL_SV("21"),                                               -973932308 },
        {TL_SV("foobar"),                                           -790332482 },
        {TL_SV("a-little-bit-long-string"),                         -985981536 },
        {TL_SV("a-little-bit-longer-string"),                       -1486304829},
        {TL_SV("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971  },
        {TL_SV("abc"),                                              479470107  },
    };

    for (size_t i = 0; i < TL_COUNT(known); i++)
        cr_assert_eq(tl_log_partition_of(known[i].key, 7, 1000), (uint32_t)(known[i].murmur2 & 0x7fffffff) % 1000);
    cr_assert_eq(tl_log_partition_of((struct tl_sv){NULL, 0}, 1007, 1000), 7);
}

/* Partitions that are added meanwhile change nothing for who goes on with a feed's number. */
Test(log, a_feed_deals_among_as_many_as_the_one_before)
{
    const struct tl_log_feed_entry entries[] = {
        {.number = 3, .spread = 3, .value = TL_SV("a")},
        {.number = 4, .spread = 2, .value = TL_SV("b")},
    };
    struct tl_log_feed_outcome outcomes[4];
    struct tl_log_feed *feed = NULL;
    struct tl_log *log = NULL;
    uint32_t partitions = 0;
    int64_t first, end;
    size_t count;

    cr_assert_eq(open_local(NULL, TL_LOG_APPEND, &log, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_create_topic(log, TOPIC, 2, &err), TL_OK, "%s", err.message);
    for (int64_t i = 1; i <= 2; i++) {
        cr_assert_eq(tl_log_feed_open(log, TOPIC, &partitions, -1, &feed, &err), TL_OK, "%s", err.message);
        cr_assert_eq(partitions, 2);
        cr_assert_eq(tl_log_feed_send(feed, entries, 2, &count, &err), TL_OK, "%s", err.message);
        cr_assert_eq(count, 2);
        cr_assert_eq(tl_log_feed_outcomes(feed, outcomes, 4, &count, &err), TL_OK, "%s", err.message);
        cr_assert_eq(count, 2);
        cr_assert(outcomes[0].number == 3 && outcomes[0].code == TL_OK && outcomes[1].number == 4);
        cr_assert_eq(tl_log_feed_outcomes(feed, outcomes, 4, &count, &err), TL_OK);
        cr_assert_eq(count, 0, "each is told once");
        tl_log_feed_close(feed);
        for (uint32_t p = 0; p < 2; p++) {
            cr_assert_eq(tl_log_range(log, TOPIC, p, &first, &end, &err), TL_OK, "%s", err.message);
            cr_assert_eq(end, i);
        }
        cr_assert_eq(tl_log_create_topic(log, TOPIC, 4, &err), TL_OK, "%s", err.message);
    }
    tl_log_close(log);
}
