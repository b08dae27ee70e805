/* bad_input_test.c: whatever stands in the log, in a views file or in a file that is not ours: every part ends as it should, and says so.
 *
 * An event that cannot be read is a dead letter with its offset, reason and bytes; one that can in part is counted; both layers agree.
 * What is not ours or damaged is named and left as it is. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "event/batch.h"
#include "support/pipeline.h"

#define LOG_MS INT64_C(1709251200000) /* 2024-03-01T00:00:00Z */
#define TIME "\"event_time\": \"2024-03-01T00:00:01.000Z\""

static const char views[] =
    "CREATE TABLE events (\n"
    "    event_id STRING, host STRING, n INT, d DOUBLE, payload STRING, event_time TIMESTAMP_LTZ(3),\n"
    "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND\n"
    ") WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS\n"
    "    SELECT window_start, window_end, host, COUNT(*) AS hits, COUNT(payload) AS payloads, SUM(n) AS s, SUM(d) AS x\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW raw AS SELECT host, payload, n, d, event_time FROM events;\n";

/* ---- a log of bad events ---- */

enum { ANY = -2, COUNTED = -1, FUTURE = 0 }; /* else the reason of a dead letter */

struct bad {
    char *bytes;
    size_t size;
    int want;
    char name[80];
};

static struct bad *bads;
static size_t bads_count;

static void bad_add(const char *name, const char *bytes, size_t size, int want)
{
    struct bad *grown = realloc(bads, (bads_count + 1) * sizeof *bads);

    cr_assert_not_null(grown);
    bads = grown;
    bads[bads_count] = (struct bad){.bytes = malloc(size + 1), .size = size, .want = want};
    cr_assert_not_null(bads[bads_count].bytes);
    memcpy(bads[bads_count].bytes, bytes, size);
    snprintf(bads[bads_count++].name, sizeof bads->name, "%s", name);
}
#define BAD(name, text, want) bad_add((name), (text), sizeof(text) - 1, (want))

/* `head`, then `middle` so many times, then `tail`. */
static void bad_repeat(const char *name, const char *head, const char *middle, size_t times, const char *tail, int want)
{
    size_t size = strlen(head) + strlen(middle) * times + strlen(tail), at = strlen(head);
    char *text = malloc(size + 1);

    cr_assert_not_null(text);
    memcpy(text, head, strlen(head));
    for (size_t i = 0; i < times; i++, at += strlen(middle))
        memcpy(text + at, middle, strlen(middle));
    memcpy(text + at, tail, strlen(tail));
    bad_add(name, text, size, want);
    free(text);
}

static void add_each_kind(void)
{
    static const char bom[] = "\xEF\xBB\xBF{" TIME "}";

    BAD("before 1970", "{\"host\": \"a\", \"event_time\": \"1969-12-31T23:59:59.999Z\"}",
        COUNTED);                                                                      /* the first: nothing is late yet */
    BAD("year 0", "{\"host\": \"a\", \"event_time\": \"0000-01-01T00:00:00Z\"}", ANY); /* late for its window */
    BAD("a good one", "{\"host\": \"a\", \"n\": 1, \"d\": 0.5, " TIME "}", COUNTED);
    BAD("year 9999", "{\"host\": \"a\", \"event_time\": \"9999-12-31T23:59:59.999Z\"}", FUTURE);
    BAD("year 10000", "{\"host\": \"a\", \"event_time\": \"10000-01-01T00:00:00Z\"}", TL_DEAD_TIME_BAD);
    BAD("no event time", "{\"host\": \"a\"}", TL_DEAD_TIME_MISSING);
    BAD("event time NULL", "{\"host\": \"a\", \"event_time\": null}", TL_DEAD_TIME_MISSING);
    BAD("event time a word", "{\"host\": \"a\", \"event_time\": \"yesterday\"}", TL_DEAD_TIME_BAD);
    BAD("event time a number", "{\"host\": \"a\", \"event_time\": 1709251200000}", TL_DEAD_TIME_BAD);
    BAD("event time an object", "{\"host\": \"a\", \"event_time\": {}}", TL_DEAD_TIME_BAD);
    BAD("empty message", "", TL_DEAD_EMPTY);
    BAD("blanks", " \t ", TL_DEAD_EMPTY);
    BAD("cut in an object", "{\"host\": \"a\", " TIME, TL_DEAD_NOT_JSON);
    BAD("cut in a string", "{" TIME ", \"host\": \"a", TL_DEAD_NOT_JSON);
    BAD("cut in an escape", "{" TIME ", \"host\": \"a\\", TL_DEAD_NOT_JSON);
    BAD("no JSON", "GET / HTTP/1.1", TL_DEAD_NOT_JSON);
    BAD("a number", "5", TL_DEAD_NOT_OBJECT);
    BAD("binary", "\x00\x01\xff\xfe\x7f", TL_DEAD_NOT_JSON);
    BAD("text behind", "{" TIME "} more", TL_DEAD_TRAILING);
    BAD("two objects", "{" TIME "}{" TIME "}", TL_DEAD_TRAILING);
    BAD("two lines", "{" TIME ",\n\"host\": \"lines\"}", COUNTED);
    BAD("wrong types", "{\"host\": [1], \"n\": {}, \"d\": \"x\", \"payload\": true, " TIME "}", COUNTED);
    BAD("INT out of range", "{\"host\": \"range\", \"n\": 2147483648, " TIME "}", COUNTED);
    BAD("INT far out of range", "{\"host\": \"range\", \"n\": -1e400, " TIME "}", COUNTED);
    BAD("DOUBLE out of range", "{\"host\": \"range\", \"d\": 1e999, " TIME "}", COUNTED);
    BAD("invalid UTF-8 in a value", "{\"host\": \"\xff\xc0\xaf\", " TIME "}", COUNTED);
    BAD("invalid UTF-8 in a key", "{\"\xff\": 1, \"host\": \"utf\", " TIME "}", COUNTED);
    BAD("UTF-8 cut at the end of a value", "{\"host\": \"\xe2\x82\", " TIME "}", COUNTED);
    BAD("NUL in a value, as it is", "{\"host\": \"a\x00z\", " TIME "}", COUNTED);
    BAD("NUL in a value, escaped", "{\"host\": \"a\\u0000z\", " TIME "}", COUNTED);
    BAD("lone surrogate", "{\"host\": \"\\ud800\", " TIME "}", ANY);
    bad_add("byte order mark", bom, sizeof bom - 1, ANY);
    BAD("array", "[{" TIME ", \"host\": \"array\"}, {" TIME ", \"host\": \"array\"}]", COUNTED);
    BAD("empty array", "[]", TL_DEAD_EMPTY);
    bad_repeat("10,000 arrays deep", "", "[", 10000, "", TL_DEAD_TOO_DEEP);
    bad_repeat("10,000 objects deep, closed", "{" TIME ", \"payload\": ", "{\"a\":", 10000, "1", TL_DEAD_TOO_DEEP);
    bad_repeat("10 MB", "{" TIME ", \"payload\": \"", "0123456789", 1000000, "\"}", TL_DEAD_TOO_LARGE);
    bad_repeat("7 MB", "{" TIME ", \"host\": \"long\", \"payload\": \"", "0123456789", 700000, "\"}", COUNTED);
    bad_repeat("100,000 keys", "{" TIME ", \"host\": \"keys\"", ", \"k\": 1", 100000, "}", COUNTED);
    BAD("closing", "{\"host\": \"z\", " TIME "}", COUNTED);
}

/* Closes what bad_repeat opened: 10,000 closing braces more. */
static void close_deep(void)
{
    for (size_t i = 0; i < bads_count; i++) {
        struct bad *bad = &bads[i];

        if (strcmp(bad->name, "10,000 objects deep, closed") != 0)
            continue;
        bad->bytes = realloc(bad->bytes, bad->size + 10002);
        cr_assert_not_null(bad->bytes);
        memset(bad->bytes + bad->size, '}', 10001);
        bad->size += 10001;
    }
}

/* The texts of the shared suite as whole events (none has an event time: all are dead letters) and as the value of a field. */
static int add_suite(void)
{
    const char *folder = shared_path("data/json-test-suite");
    struct dirent *entry;
    int count = 0;
    DIR *dir;

    if (folder == NULL || (dir = opendir(folder)) == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        static char text[1 << 20], event[(1 << 20) + 200];
        char path[1400];
        size_t size;
        int head;
        FILE *file;

        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", shared_path("data/json-test-suite"), entry->d_name);
        file = fopen(path, "rb");
        cr_assert_not_null(file, "%s", path);
        size = fread(text, 1, sizeof text, file);
        fclose(file);
        bad_add(entry->d_name, text, size, TL_DEAD_TIME_MISSING + 100); /* a dead letter of whatever reason */
        head = snprintf(event, sizeof event, "{" TIME ", \"host\": \"suite %c\", \"payload\": ", entry->d_name[0]);
        memcpy(event + head, text, size);
        event[head + (int)size] = '}';
        bad_add(entry->d_name, event, (size_t)head + size + 1, entry->d_name[0] == 'y' ? COUNTED : ANY);
        count++;
    }
    closedir(dir);
    return count;
}

static void append_all(struct pipeline *p)
{
    struct tl_log_record *records = calloc(bads_count, sizeof *records);

    cr_assert_not_null(records);
    for (size_t i = 0; i < bads_count; i++)
        records[i] = (struct tl_log_record){
            .partition = 0, .log_ms = LOG_MS + (int64_t)i, .value = {bads[i].bytes, bads[i].size}
        };
    pipeline_append(p, 1, records, bads_count);
    free(records);
}

/* Each dead letter has its message's own bytes (the first 64 KiB), a reason that is wanted there, and each wanted one is there. */
static void check_dead_letters(const struct pipeline *p)
{
    sqlite3_stmt *each = NULL;
    sqlite3 *db = NULL;
    char *dead = calloc(bads_count, 1);

    cr_assert_not_null(dead);
    cr_assert_eq(sqlite3_open_v2(p->store, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db,
                                    "SELECT \"offset\", reason, raw, log_ms, topic FROM tally_dead_letter WHERE partition = 0",
                                    -1, &each, NULL),
                 SQLITE_OK, "%s", sqlite3_errmsg(db));
    while (sqlite3_step(each) == SQLITE_ROW) {
        size_t at = (size_t)sqlite3_column_int64(each, 0), size = (size_t)sqlite3_column_bytes(each, 2);
        int reason = sqlite3_column_int(each, 1);
        const struct bad *bad = &bads[at];

        cr_assert_lt(at, bads_count);
        dead[at] = dead[at] != 0 ? dead[at] : 1;
        cr_assert(bad->want == ANY || bad->want == reason || bad->want == TL_DEAD_TIME_MISSING + 100, "%s: %s", bad->name,
                  tl_dead_reason_text((enum tl_dead_reason)reason));
        /* A message of several bad rows is kept with one of them. */
        if (size > 0 || bad->size == 0)
            dead[at] = 2;
        cr_assert(size == 0 || (int64_t)size == tl_min_i64((int64_t)bad->size, 1 << 16), "%s: %zu bytes of %zu", bad->name, size,
                  bad->size);
        cr_assert(size == 0 || memcmp(sqlite3_column_blob(each, 2), bad->bytes, size) == 0, "%s: other bytes", bad->name);
        cr_assert_eq(sqlite3_column_int64(each, 3), LOG_MS + (int64_t)at);
        cr_assert_str_eq((const char *)sqlite3_column_text(each, 4), "events");
    }
    sqlite3_finalize(each);
    sqlite3_close(db);
    for (size_t i = 0; i < bads_count; i++) {
        cr_assert(dead[i] || bads[i].want <= 0, "%s: no dead letter", bads[i].name);
        cr_assert_neq(dead[i], 1, "%s: its bytes are not kept", bads[i].name);
    }
    free(dead);
}

static void check_same_rows(struct pipeline *p, const char *view)
{
    char *speed = pipeline_rows(p, view, "speed"), *batch = pipeline_rows(p, view, "batch");

    cr_assert_gt(strlen(speed), 100);
    cr_assert_str_eq(speed, batch, "view %s: the layers differ", view);
    free(speed);
    free(batch);
}

static long long hits_of(struct pipeline *p, const char *host)
{
    char sql[200];

    snprintf(sql, sizeof sql, "SELECT coalesce(sum(hits), 0) FROM hits WHERE host = '%s'", host);
    return pipeline_number(p, sql);
}

Test(bad_input, both_layers_take_it_and_agree, .timeout = 120)
{
    struct pipeline p;
    int suite;

    pipeline_open(&p, views);
    add_each_kind();
    close_deep();
    suite = add_suite();
    if (suite == 0)
        fprintf(stderr, "bad_input: without the suite of JSON texts: %s\n", SHARED_SKIP);
    BAD("the last", "{\"host\": \"last\", \"event_time\": \"2024-03-01T00:01:30.000Z\"}", COUNTED);
    append_all(&p);
    TALLY(&p, 0, "speed", "--once");
    check_dead_letters(&p);
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    check_same_rows(&p, "raw");

    /* The year 0 comes behind 1970 and is late for its window, and that is the only difference. */
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_ledger WHERE run = 0 AND cause = 1"), 1);
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_ledger WHERE run = 0 AND cause = 10 AND \"offset\" = 3"), 2,
                 "the year 9999 is in the future, for both views");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_ledger WHERE run = 0 AND cause = 10"), 2);
    TALLY(&p, 0, "reconcile", "--format", "json");
    cr_assert(strstr(p.run.out, "\"explained\": 1, \"unexplained\": 0") != NULL, "%.500s", p.run.out);
    TALLY(&p, 0, "status", "--format", "json");
    cr_assert(strstr(p.run.out, "\"agrees\": false") == NULL, "%s", p.run.out);

    cr_assert_eq(hits_of(&p, "last"), 1);
    cr_assert_eq(hits_of(&p, "lines"), 1);
    cr_assert_eq(hits_of(&p, "array"), 2);
    cr_assert_eq(hits_of(&p, "range"), 3);
    cr_assert_eq(hits_of(&p, "long"), 1);
    cr_assert_eq(hits_of(&p, "keys"), 1);
    cr_assert_eq(hits_of(&p, "utf"), 1);
    cr_assert_eq(hits_of(&p, "a\xEF\xBF\xBDz"), 2, "NUL becomes U+FFFD");
    cr_assert_eq(hits_of(&p, "[1]"), 1, "an array is its text for a STRING");
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM hits WHERE host = 'range' AND s IS NULL AND x IS NULL"), 1);
    if (suite > 0) {
        cr_assert_eq(suite, 318);
        cr_assert_eq(hits_of(&p, "suite y"), 95, "each valid text is taken as a value");
        cr_assert_eq(pipeline_number(&p, "SELECT payloads FROM hits WHERE host = 'suite n'"), 3,
                     "of the invalid ones only those with a bare control character in a string, as Flink takes them");
    }
    pipeline_close(&p);
}

/* A compacted topic has messages without a value. */
Test(bad_input, a_tombstone_is_a_dead_letter, .timeout = 60)
{
    struct pipeline p;
    sqlite3 *db = NULL;
    char path[RUN_DIR_BYTES + 64];

    pipeline_open(&p, views);
    BAD("before", "{\"host\": \"a\", " TIME "}", COUNTED);
    BAD("", "", TL_DEAD_EMPTY);
    BAD("behind", "{\"host\": \"a\", " TIME "}", COUNTED);
    append_all(&p);
    snprintf(path, sizeof path, "%s/log.db", p.data);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "UPDATE entries_1_0 SET value = NULL WHERE \"offset\" = 1", NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_changes(db), 1);
    sqlite3_close(db);
    TALLY(&p, 0, "speed", "--once");
    check_dead_letters(&p);
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    check_same_rows(&p, "hits");
    cr_assert_eq(hits_of(&p, "a"), 2);
    pipeline_close(&p);
}

/* ---- a views file with a mistake ---- */

struct command_case {
    char words[4][32];
};

ParameterizedTestParameters(bad_views, every_command_says_where_and_makes_nothing)
{
    static struct command_case cases[] = {
        {{"speed", "--once"}}, {{"speed"}},   {{"archive"}}, {{"archive", "--follow"}},
        {{"batch"}},           {{"explain"}}, {{"up"}},      {{"import", "-", "--format", "jsonl"}},
        {{"reconcile"}},
    };

    return cr_make_param_array(struct command_case, cases, sizeof cases / sizeof *cases);
}

static int files_in(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int count = 0;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

ParameterizedTest(struct command_case *c, bad_views, every_command_says_where_and_makes_nothing, .timeout = 60)
{
    const char *args[5] = {NULL};
    struct pipeline p;

    pipeline_open(&p, "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3),\n"
                      "    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND) WITH ('topic' = 'events');\n"
                      "CREATE VIEW hits AS SELECT hots FROM events;\n");
    for (size_t i = 0; i < 4; i++)
        args[i] = c->words[i][0] != '\0' ? c->words[i] : NULL;
    pipeline_tally(&p, 2, args);
    cr_assert(strstr(p.run.err, "views.sql:3:28: ") != NULL, "%s", p.run.err);
    cr_assert(strstr(p.run.err, "SELECT hots FROM events") != NULL && strstr(p.run.err, "^^^^") != NULL, "%s", p.run.err);
    cr_assert_str_eq(p.run.out, "");
    cr_assert_eq(files_in(p.data), 0, "%s has made something", c->words[0]);
    pipeline_close(&p);
}

/* ---- files that are not ours, or no longer whole ---- */

enum victim { STORE, LOG, ARCHIVE, INDEX, COMPLETE };
enum damage { FOREIGN, FOREIGN_DATABASE, CUT, NOISE, EMPTY };

struct damage_case {
    char name[40];
    enum victim victim;
    enum damage damage;
    char commands[3][16]; /* each must refuse */
};

ParameterizedTestParameters(bad_file, is_named_and_left_as_it_is)
{
    static struct damage_case cases[] = {
        {"store: a text",         STORE,    FOREIGN,          {"speed", "batch", "query"}   },
        {"store: another's",      STORE,    FOREIGN_DATABASE, {"speed", "batch", "query"}   },
        {"store: noise",          STORE,    NOISE,            {"speed", "batch", "query"}   },
        {"log: a text",           LOG,      FOREIGN,          {"speed", "archive", "import"}},
        {"log: another's",        LOG,      FOREIGN_DATABASE, {"speed", "archive", "import"}},
        {"log: noise",            LOG,      NOISE,            {"speed", "archive", "import"}},
        {"archive: a text",       ARCHIVE,  FOREIGN,          {"batch"}                     },
        {"archive: cut",          ARCHIVE,  CUT,              {"batch"}                     },
        {"archive: noise",        ARCHIVE,  NOISE,            {"batch"}                     },
        {"archive: empty",        ARCHIVE,  EMPTY,            {"batch"}                     },
        {"index: a text",         INDEX,    FOREIGN,          {"batch"}                     },
        {"index: cut",            INDEX,    CUT,              {"batch"}                     },
        {"index: noise",          INDEX,    NOISE,            {"batch"}                     },
        {"complete.json: a text", COMPLETE, FOREIGN,          {"batch"}                     },
        {"complete.json: empty",  COMPLETE, EMPTY,            {"batch"}                     },
    };

    return cr_make_param_array(struct damage_case, cases, sizeof cases / sizeof *cases);
}

static char *bytes_of(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long end;

    cr_assert(file != NULL && fseek(file, 0, SEEK_END) == 0, "%s", path);
    end = ftell(file);
    rewind(file);
    bytes = malloc((size_t)end + 1);
    cr_assert(bytes != NULL && fread(bytes, 1, (size_t)end, file) == (size_t)end);
    fclose(file);
    *size = (size_t)end;
    return bytes;
}

static void do_damage(const char *path, enum damage damage)
{
    char command[700], *bytes;
    size_t size;
    FILE *file;

    if (damage == FOREIGN_DATABASE) {
        remove(path);
        snprintf(command, sizeof command, "sqlite3 '%s' 'CREATE TABLE people (name TEXT); INSERT INTO people VALUES (1)'", path);
        cr_assert_eq(system(command), 0);
        return;
    }
    bytes = bytes_of(path, &size);
    if (damage == NOISE) /* the beginning stays */
        for (size_t i = size / 3; i < size; i++)
            bytes[i] = (char)(bytes[i] ^ (char)(i * 7 + 1));
    if (damage == CUT)
        size = size * 2 / 3;
    if (damage == EMPTY)
        size = 0;
    file = fopen(path, "wb");
    cr_assert_not_null(file);
    if (damage == FOREIGN)
        fputs("this is a letter to my grandmother, not a file of tally; it is long enough to look like something\n", file);
    else
        cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(bytes);
}

ParameterizedTest(struct damage_case *c, bad_file, is_named_and_left_as_it_is, .timeout = 60)
{
    static const char *const names[] = {"views.db", "log.db", "topics/events/partition=0/events+0+0000000000.jsonl.zst",
                                        "topics/events/partition=0/events+0+0000000000.index", "topics/events/complete.json"};
    const char *name = names[c->victim], *base = strrchr(name, '/');
    char path[RUN_DIR_BYTES + 100], wal[RUN_DIR_BYTES * 3 + 400], *before, *after;
    size_t size_before, size_after;
    struct pipeline p;

    pipeline_open(&p, views);
    for (int i = 0; i < 500; i++) {
        char text[200];
        int size = snprintf(text, sizeof text, "{\"event_id\": \"e%d\", \"host\": \"h%d\", " TIME "}", i, i * 7919 % 97);

        bad_add("", text, (size_t)size, COUNTED);
    }
    append_all(&p);
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    if (c->victim == STORE || c->victim == LOG)
        TALLY(&p, 0, "batch", "--to", "now");
    base = base != NULL ? base + 1 : name;
    snprintf(path, sizeof path, "%s/%s", p.data, name);
    if (c->victim == STORE ||
        c->victim == LOG) { /* all of it into the one file, so that the damage is not mended out of the side file */
        snprintf(wal, sizeof wal, "sqlite3 '%s' 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null && rm -f '%s-wal' '%s-shm'", path,
                 path, path);
        cr_assert_eq(system(wal), 0);
    }
    do_damage(path, c->damage);
    before = bytes_of(path, &size_before);
    for (size_t i = 0; i < 3 && c->commands[i][0] != '\0'; i++) {
        if (strcmp(c->commands[i], "import") == 0) {
            const char *lines = run_file_write(p.dir, "more.jsonl", "{\"host\": \"x\", " TIME "}\n");

            TALLY(&p, 3, "import", lines, "--format", "jsonl", "--into", "log");
        } else if (strcmp(c->commands[i], "query") == 0) {
            TALLY(&p, 3, "query", "hits");
        } else if (strcmp(c->commands[i], "speed") == 0) {
            TALLY(&p, 3, "speed", "--once");
        } else if (strcmp(c->commands[i], "batch") == 0) {
            TALLY(&p, 3, "batch", "--to", "now");
        } else {
            TALLY(&p, 3, c->commands[i]);
        }
        cr_assert(strstr(p.run.err, base) != NULL, "%s: %s does not name it: %s", c->name, c->commands[i], p.run.err);
        after = bytes_of(path, &size_after);
        cr_assert(size_after == size_before && memcmp(before, after, size_before) == 0, "%s: %s has changed it", c->name,
                  c->commands[i]);
        free(after);
    }
    if (c->victim == LOG && c->damage != NOISE) { /* the answer is the store's; that the log's end is missing from it is said */
        TALLY(&p, 0, "status");
        cr_assert(strstr(p.run.err, " warn status how far the log goes is not known: ") != NULL &&
                      strstr(p.run.err, base) != NULL,
                  "%s: %s", c->name, p.run.err);
    }
    free(before);
    pipeline_close(&p);
}
