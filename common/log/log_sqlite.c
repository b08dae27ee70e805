/* log_sqlite.c: the embedded log: one SQLite file, DIR/log.db.
 *
 * A partition is a table of its own, keyed by offset, so that every append goes to the right edge of a B-tree. One table for
 * all, keyed by (topic, partition, offset) WITHOUT ROWID, took 1 M entries of 660 bytes at 335,000/s and 18% more disk; tables
 * with an integer key take them at 510,000/s (pages of 16 KiB; of 4 KiB: 410,000/s). Offsets come from a counter row, for
 * SQLite gives a deleted rowid out again.
 *
 *   topic      id, name, identity (random, 64 bits), partitions
 *   partition  topic, partition -> first offset that is there, next to be given out, highest log timestamp
 *   note       key -> value
 *   entries_<topic id>_<partition>   offset -> log_ms, value (NULL: a tombstone)
 *
 * WAL and synchronous=FULL: what append returned from is on the disk. A file is made under another name and renamed, so that
 * log.db is ours from its first moment; it is known by its application_id, which is read before SQLite looks at anything else
 * beside it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "log/log_ops.h"

#define APPLICATION_ID 0x544c6c67 /* "TLlg" */
#define SCHEMA_VERSION 1
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

enum { BUSY_MS = 10000, PARTITIONS_MAX = 1024, TRIM_ROWS = 10000, WAIT_MS_MIN = 5, WAIT_MS_MAX = 20 };

/* clang-format off */
static const char sql_make[] =
    "PRAGMA page_size = 16384; PRAGMA synchronous = FULL;"
    "BEGIN EXCLUSIVE;"
    "PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";"
    "PRAGMA user_version = " TEXT_OF(SCHEMA_VERSION) ";"
    /* AUTOINCREMENT: an id names tables, so it must never come back. */
    "CREATE TABLE topic (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, identity INTEGER NOT NULL,"
    " partitions INTEGER NOT NULL) STRICT;"
    "CREATE TABLE partition (topic INTEGER NOT NULL, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL,"
    " next_offset INTEGER NOT NULL, log_ms INTEGER NOT NULL, PRIMARY KEY (topic, partition)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE note (\"key\" BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "COMMIT;"
    "PRAGMA journal_mode = WAL;";
/* 16 MiB of WAL between checkpoints: a page that an append fills up is written back once, not at every commit. */
static const char sql_tune_append[] =
    "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1024; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192";
static const char sql_tune_read[] = "PRAGMA query_only = ON; PRAGMA cache_size = -8192";
static const char sql_make_entries[] =
    "CREATE TABLE entries_%lld_%u (\"offset\" INTEGER PRIMARY KEY, log_ms INTEGER NOT NULL, value BLOB) STRICT";
static const char sql_insert_entry[] = "INSERT INTO entries_%lld_%u VALUES (?1, ?2, ?3)";
static const char sql_select_entries[] = "SELECT \"offset\", log_ms, value FROM entries_%lld_%u WHERE \"offset\" >= ?1 ORDER BY \"offset\"";
static const char sql_select_since[] = "SELECT \"offset\" FROM entries_%lld_%u WHERE \"offset\" >= ?1 AND log_ms >= ?2 ORDER BY \"offset\" LIMIT 1";
static const char sql_delete_entries[] =
    "DELETE FROM entries_%lld_%u WHERE \"offset\" IN"
    " (SELECT \"offset\" FROM entries_%lld_%u WHERE \"offset\" < ?1 ORDER BY \"offset\" LIMIT " TEXT_OF(10000) ")";
_Static_assert(TRIM_ROWS == 10000, "sql_delete_entries says it again");

enum sql {
    SQL_BEGIN_READ, SQL_BEGIN_WRITE, SQL_COMMIT, SQL_DATA_VERSION, SQL_TOPIC, SQL_TOPICS, SQL_ADD_TOPIC, SQL_RAISE_TOPIC, SQL_ADD_PARTITION,
    SQL_PARTITION, SQL_SET_PARTITION, SQL_SET_FIRST, SQL_PUT_NOTE, SQL_NOTES, SQL_COUNT,
};
static const char *const sql_texts[SQL_COUNT] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_DATA_VERSION] = "PRAGMA data_version",
    [SQL_TOPIC] = "SELECT id, partitions, identity FROM topic WHERE name = ?1",
    [SQL_TOPICS] = "SELECT name FROM topic ORDER BY name",
    [SQL_ADD_TOPIC] = "INSERT INTO topic (name, identity, partitions) VALUES (?1, ?2, ?3)",
    [SQL_RAISE_TOPIC] = "UPDATE topic SET partitions = ?2 WHERE id = ?1",
    [SQL_ADD_PARTITION] = "INSERT INTO partition VALUES (?1, ?2, 0, 0, ?3)",
    [SQL_PARTITION] = "SELECT first_offset, next_offset, log_ms FROM partition WHERE topic = ?1 AND partition = ?2",
    [SQL_SET_PARTITION] = "UPDATE partition SET next_offset = ?3, log_ms = ?4 WHERE topic = ?1 AND partition = ?2",
    [SQL_SET_FIRST] = "UPDATE partition SET first_offset = ?3 WHERE topic = ?1 AND partition = ?2",
    [SQL_PUT_NOTE] = "INSERT INTO note VALUES (?1, ?2) ON CONFLICT (\"key\") DO UPDATE SET value = excluded.value",
    [SQL_NOTES] = "SELECT \"key\", value FROM note WHERE \"key\" >= ?1 AND substr(\"key\", 1, length(?1)) = ?1 ORDER BY \"key\"",
};
/* clang-format on */

/* What a handle knows of one partition. The counters hold within one transaction only. */
struct lane {
    sqlite3_stmt *insert, *select;
    bool loaded;
    int64_t first, next, log_ms;
};

struct topic {
    char *name; /* size bytes */
    size_t name_size;
    int64_t id;
    uint64_t identity;
    struct lane *lanes;
    uint32_t lanes_count;
};

struct sqlite_log {
    struct tl_log base;
    sqlite3 *db;
    char *path;
    dev_t device;
    ino_t inode;
    sqlite3_stmt *statements[SQL_COUNT];
    struct topic *topics;
    size_t topics_count;
    int64_t version_seen;          /* data_version as of the last wait */
    uint64_t own_seen, own_change; /* data_version does not count what this connection commits */
    struct tl_buf bytes;           /* of the last read */
    struct tl_message *messages;
    size_t messages_capacity;
};

static struct sqlite_log *of(struct tl_log *log)
{
    return (struct sqlite_log *)log;
}

/* ---- errors, statements, transactions ---- */

static enum tl_code fail_sqlite(sqlite3 *db, const char *path, const char *doing, struct tl_err *err)
{
    int extended = sqlite3_extended_errcode(db), primary = extended & 0xff;
    char advice[128];

    tl_disk_advice(primary == SQLITE_READONLY                          ? EROFS
                   : primary == SQLITE_IOERR && tl_at_size_limit(path) ? EFBIG
                                                                       : sqlite3_system_errno(db),
                   advice, sizeof advice);
    if (primary == SQLITE_NOMEM)
        return tl_fail(err, TL_ERR_MEMORY, "%s: %s: out of memory", path, doing);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FORMAT || primary == SQLITE_ERROR)
        return tl_fail(err, TL_ERR_CORRUPT, "%s: %s: the log is damaged (%s); nothing was written; put a backup in its place",
                       path, doing, sqlite3_errmsg(db));
    if (primary == SQLITE_TOOBIG)
        return tl_fail(err, TL_ERR_LIMIT, "%s: %s: an entry is larger than SQLite takes (1 GB)", path, doing);
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        tl_fail(err, TL_ERR_IO, "%s: %s: another process has kept the log locked for %d s; try again when it is done", path,
                doing, BUSY_MS / 1000);
    else if (primary == SQLITE_FULL)
        tl_fail(err, TL_ERR_IO, "%s: %s: the disk is full; free some space and try again", path, doing);
    else
        tl_fail(err, TL_ERR_IO, "%s: %s: %s (SQLite code %d)%s", path, doing, sqlite3_errmsg(db), extended, advice);
    if (err != NULL)
        err->retriable = primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_FULL ||
                         primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    return TL_ERR_IO;
}

static enum tl_code fail(struct sqlite_log *log, const char *doing, struct tl_err *err)
{
    return fail_sqlite(log->db, log->path, doing, err);
}

static int bind_sv(sqlite3_stmt *statement, int at, struct tl_sv bytes)
{
    return sqlite3_bind_blob64(statement, at, bytes.size == 0 ? "" : bytes.data, bytes.size, SQLITE_STATIC);
}

static struct tl_sv column_sv(sqlite3_stmt *statement, int column)
{
    const char *data = sqlite3_column_blob(statement, column);

    return (struct tl_sv){data, (size_t)sqlite3_column_bytes(statement, column)};
}

/* Steps to the end or to the next row, and resets where there is none. */
static enum tl_code step(struct sqlite_log *log, sqlite3_stmt *statement, bool *row, const char *doing, struct tl_err *err)
{
    int got = sqlite3_step(statement);
    enum tl_code rc = TL_OK;

    *row = got == SQLITE_ROW;
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        rc = fail(log, doing, err);
    if (got != SQLITE_ROW)
        sqlite3_reset(statement);
    return rc;
}

static enum tl_code run(struct sqlite_log *log, sqlite3_stmt *statement, const char *doing, struct tl_err *err)
{
    bool row;
    enum tl_code rc = step(log, statement, &row, doing, err);

    sqlite3_reset(statement);
    return rc;
}

static enum tl_code prepare_for(struct sqlite_log *log, const char *format, int64_t topic, uint32_t partition, sqlite3_stmt **out,
                                struct tl_err *err)
{
    char sql[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the formats are the constants above */
    snprintf(sql, sizeof sql, format, (long long)topic, partition, (long long)topic, partition);
#pragma GCC diagnostic pop
    if (sqlite3_prepare_v3(log->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return fail(log, "prepare a statement", err);
    return TL_OK;
}

static enum tl_code begin(struct sqlite_log *log, enum sql how, struct tl_err *err)
{
    for (size_t t = 0; t < log->topics_count; t++)
        for (uint32_t p = 0; p < log->topics[t].lanes_count; p++)
            log->topics[t].lanes[p].loaded = false;
    return run(log, log->statements[how], "begin a transaction", err);
}

static enum tl_code commit(struct sqlite_log *log, struct tl_err *err)
{
    return run(log, log->statements[SQL_COMMIT], "commit", err);
}

static void roll_back(struct sqlite_log *log)
{
    if (!sqlite3_get_autocommit(log->db))
        sqlite3_exec(log->db, "ROLLBACK", NULL, NULL, NULL);
}

/* A file that was moved away or replaced stays readable for whoever has it open, and never changes again: that must not pass
 * for quiet. */
static enum tl_code check_same_file(struct sqlite_log *log, struct tl_err *err)
{
    struct stat st;

    if (stat(log->path, &st) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: the log was taken away while it was open", log->path);
    if (st.st_dev != log->device || st.st_ino != log->inode)
        return tl_fail(err, TL_ERR_IO,
                       "%s: another file has taken the log's place while it was open; start again to read that one", log->path);
    return TL_OK;
}

/* ---- topics ---- */

static enum tl_code topic_slot(struct sqlite_log *log, struct tl_sv name, struct topic **out, struct tl_err *err)
{
    struct topic *topics;

    for (size_t i = 0; i < log->topics_count; i++)
        if (log->topics[i].name_size == name.size && memcmp(log->topics[i].name, name.data, name.size) == 0) {
            *out = &log->topics[i];
            return TL_OK;
        }
    topics = realloc(log->topics, (log->topics_count + 1) * sizeof *topics);
    if (topics == NULL)
        return tl_fail_memory(err, (log->topics_count + 1) * sizeof *topics);
    log->topics = topics;
    topics[log->topics_count] = (struct topic){.name = malloc(name.size + 1), .name_size = name.size};
    if (topics[log->topics_count].name == NULL)
        return tl_fail_memory(err, name.size);
    memcpy(topics[log->topics_count].name, name.data, name.size);
    *out = &topics[log->topics_count++];
    return TL_OK;
}

static void lanes_drop(struct topic *topic)
{
    for (uint32_t p = 0; p < topic->lanes_count; p++) {
        sqlite3_finalize(topic->lanes[p].insert);
        sqlite3_finalize(topic->lanes[p].select);
    }
    free(topic->lanes);
    topic->lanes = NULL;
    topic->lanes_count = 0;
}

/* Within a transaction: looks the topic up, for others may have made it or raised its partitions. */
static enum tl_code topic_find(struct sqlite_log *log, struct tl_sv name, struct topic **out, struct tl_err *err)
{
    sqlite3_stmt *statement = log->statements[SQL_TOPIC];
    struct topic *topic;
    struct lane *lanes;
    int64_t id, partitions;
    uint64_t identity;
    enum tl_code rc = TL_OK;
    bool row;

    if (name.size == 0 || name.size > INT_MAX)
        return tl_fail(err, TL_ERR_NOT_FOUND, "%s: a topic needs a name", log->path);
    sqlite3_bind_text64(statement, 1, name.data, name.size, SQLITE_STATIC, SQLITE_UTF8);
    TL_TRY(step(log, statement, &row, "look a topic up", err));
    if (!row)
        return tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no topic %.*s yet", log->path, TL_SV_ARG(name));
    id = sqlite3_column_int64(statement, 0);
    partitions = sqlite3_column_int64(statement, 1);
    identity = (uint64_t)sqlite3_column_int64(statement, 2);
    if (partitions < 1 || partitions > PARTITIONS_MAX)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the log is damaged: topic %.*s has %lld partitions; put a backup in its place",
                       log->path, TL_SV_ARG(name), (long long)partitions));
    TL_TRY(topic_slot(log, name, &topic, err));
    if (topic->id != id)
        lanes_drop(topic);
    if (topic->lanes_count < (uint32_t)partitions) {
        lanes = realloc(topic->lanes, (size_t)partitions * sizeof *lanes);
        if (lanes == NULL)
            TL_TRY(tl_fail_memory(err, (size_t)partitions * sizeof *lanes));
        memset(lanes + topic->lanes_count, 0, ((size_t)partitions - topic->lanes_count) * sizeof *lanes);
        topic->lanes = lanes;
        topic->lanes_count = (uint32_t)partitions;
    }
    topic->id = id;
    topic->identity = identity;
    *out = topic;
out:
    sqlite3_reset(statement);
    return rc;
}

/* Within a transaction: the partition with its counters. */
static enum tl_code lane_find(struct sqlite_log *log, struct topic *topic, uint32_t partition, struct lane **out,
                              struct tl_err *err)
{
    sqlite3_stmt *statement = log->statements[SQL_PARTITION];
    struct lane *lane;
    enum tl_code rc = TL_OK;
    bool row;

    if (partition >= topic->lanes_count)
        return tl_fail(err, TL_ERR_NOT_FOUND, "%s: topic %.*s has %u partition%s, numbered from 0; there is no partition %u",
                       log->path, (int)topic->name_size, topic->name, topic->lanes_count, topic->lanes_count == 1 ? "" : "s",
                       partition);
    lane = &topic->lanes[partition];
    if (!lane->loaded) {
        sqlite3_bind_int64(statement, 1, topic->id);
        sqlite3_bind_int64(statement, 2, partition);
        TL_TRY(step(log, statement, &row, "look a partition up", err));
        if (!row)
            TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                           "%s: the log is damaged: partition %u of topic %.*s is missing; put a backup in its place", log->path,
                           partition, (int)topic->name_size, topic->name));
        lane->first = sqlite3_column_int64(statement, 0);
        lane->next = sqlite3_column_int64(statement, 1);
        lane->log_ms = sqlite3_column_int64(statement, 2);
        lane->loaded = true;
    }
    *out = lane;
out:
    sqlite3_reset(statement);
    return rc;
}

static enum tl_code add_partitions(struct sqlite_log *log, int64_t topic, uint32_t from, uint32_t to, struct tl_err *err)
{
    sqlite3_stmt *make = NULL, *add = log->statements[SQL_ADD_PARTITION];
    enum tl_code rc = TL_OK;

    for (uint32_t p = from; p < to; p++) {
        TL_TRY(prepare_for(log, sql_make_entries, topic, p, &make, err));
        TL_TRY(run(log, make, "make a partition", err));
        sqlite3_finalize(make);
        make = NULL;
        sqlite3_bind_int64(add, 1, topic);
        sqlite3_bind_int64(add, 2, p);
        sqlite3_bind_int64(add, 3, INT64_MIN);
        TL_TRY(run(log, add, "make a partition", err));
    }
out:
    sqlite3_finalize(make);
    return rc;
}

static enum tl_code op_create_topic(struct tl_log *base, struct tl_sv name, uint32_t partitions, struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    sqlite3_stmt *statement;
    struct topic *topic = NULL;
    uint64_t identity = 0;
    enum tl_code rc;

    if (name.size == 0)
        return tl_fail(err, TL_ERR_USAGE, "%s: a topic needs a name", log->path);
    if (partitions > PARTITIONS_MAX)
        return tl_fail(err, TL_ERR_USAGE, "%s: topic %.*s: %u partitions are too many; at most %d", log->path, TL_SV_ARG(name),
                       partitions, PARTITIONS_MAX);
    TL_TRY(check_same_file(log, err));
    TL_TRY(begin(log, SQL_BEGIN_WRITE, err));
    rc = topic_find(log, name, &topic, NULL);
    if (rc == TL_ERR_NOT_FOUND) {
        if (getrandom(&identity, sizeof identity, 0) != (ssize_t)sizeof identity)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: no random number for a new topic", log->path));
        identity |= 1; /* 0 says "none" elsewhere */
        if (partitions == 0)
            partitions = 1;
        statement = log->statements[SQL_ADD_TOPIC];
        sqlite3_bind_text64(statement, 1, name.data, name.size, SQLITE_STATIC, SQLITE_UTF8);
        sqlite3_bind_int64(statement, 2, (int64_t)identity);
        sqlite3_bind_int64(statement, 3, partitions);
        TL_TRY(run(log, statement, "make a topic", err));
        TL_TRY(add_partitions(log, sqlite3_last_insert_rowid(log->db), 0, partitions, err));
    } else if (rc == TL_OK) {
        if (partitions > topic->lanes_count) {
            statement = log->statements[SQL_RAISE_TOPIC];
            sqlite3_bind_int64(statement, 1, topic->id);
            sqlite3_bind_int64(statement, 2, partitions);
            TL_TRY(run(log, statement, "raise the partitions of a topic", err));
            TL_TRY(add_partitions(log, topic->id, topic->lanes_count, partitions, err));
        }
    } else {
        TL_TRY(topic_find(log, name, &topic, err)); /* once more, for the error's text */
    }
    TL_TRY(commit(log, err));
    log->own_change++;
out:
    if (rc != TL_OK)
        roll_back(log);
    return rc;
}

static enum tl_code op_topic(struct tl_log *base, struct tl_sv name, uint32_t *partitions, uint64_t *identity, struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    struct topic *topic = NULL;
    enum tl_code rc;

    TL_TRY(check_same_file(log, err));
    TL_TRY(begin(log, SQL_BEGIN_READ, err));
    TL_TRY(topic_find(log, name, &topic, err));
    *partitions = topic->lanes_count;
    *identity = topic->identity;
out:
    roll_back(log); /* it read only */
    return rc;
}

static enum tl_code op_topics(struct tl_log *base, bool (*each)(void *ctx, struct tl_sv name), void *ctx, struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    sqlite3_stmt *list = log->statements[SQL_TOPICS];
    bool row = true;
    enum tl_code rc;

    TL_TRY(check_same_file(log, err));
    while (row) {
        TL_TRY(step(log, list, &row, "list the topics", err));
        row = row && each(ctx, column_sv(list, 0));
    }
out:
    sqlite3_reset(list);
    return rc;
}

static enum tl_code op_range(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t *first, int64_t *end,
                             struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    struct topic *topic = NULL;
    struct lane *lane = NULL;
    enum tl_code rc;

    TL_TRY(begin(log, SQL_BEGIN_READ, err));
    TL_TRY(topic_find(log, name, &topic, err));
    TL_TRY(lane_find(log, topic, partition, &lane, err));
    *first = lane->first;
    *end = lane->next;
out:
    roll_back(log);
    return rc;
}

/* Looks, for that costs a few microseconds here. */
static bool op_end_heard(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t *end)
{
    int64_t first;

    return op_range(base, name, partition, &first, end, NULL) == TL_OK;
}

/* Timestamps do not ascend (an import may give its own), so the first entry at or after one is found by going through them. */
static enum tl_code first_since(struct sqlite_log *log, struct tl_sv name, uint32_t partition, int64_t timestamp_ms,
                                int64_t *offset, struct tl_err *err)
{
    struct topic *topic = NULL;
    struct lane *lane = NULL;
    sqlite3_stmt *find = NULL;
    bool row;
    enum tl_code rc;

    TL_TRY(begin(log, SQL_BEGIN_READ, err));
    TL_TRY(topic_find(log, name, &topic, err));
    TL_TRY(lane_find(log, topic, partition, &lane, err));
    TL_TRY(prepare_for(log, sql_select_since, topic->id, partition, &find, err));
    sqlite3_bind_int64(find, 1, lane->first);
    sqlite3_bind_int64(find, 2, timestamp_ms);
    TL_TRY(step(log, find, &row, "look for a timestamp", err));
    *offset = row ? sqlite3_column_int64(find, 0) : lane->next;
out:
    sqlite3_finalize(find);
    roll_back(log);
    return rc;
}

static enum tl_code op_place(struct tl_log *base, struct tl_sv name, uint32_t partition, const struct tl_log_place *place,
                             int64_t *offset, struct tl_err *err)
{
    int64_t first, end;
    enum tl_code rc;

    if (place->kind == TL_PLACE_TIMESTAMP)
        return first_since(of(base), name, partition, place->timestamp_ms, offset, err);
    TL_TRY(op_range(base, name, partition, &first, &end, err));
    if (place->kind == TL_PLACE_GROUP)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND,
                       "%s: the embedded log knows no consumer groups; 'earliest-offset' begins where the log does",
                       of(base)->path));
    *offset = place->kind == TL_PLACE_LATEST ? end : first;
    for (size_t i = 0; place->kind == TL_PLACE_OFFSETS && i < place->offsets_count; i++)
        if (place->offsets[i].partition == partition)
            *offset = place->offsets[i].offset;
out:
    return rc;
}

/* ---- reading ---- */

static enum tl_code check_offset(struct sqlite_log *log, const struct topic *topic, uint32_t partition, const struct lane *lane,
                                 int64_t offset, struct tl_err *err)
{
    if (offset < lane->first)
        return tl_fail(
            err, TL_ERR_GAP,
            "%s: topic %.*s partition %u: offset out of range: wanted from %lld on, but the log begins at %lld; the %lld entries "
            "%lld to %lld are gone",
            log->path, (int)topic->name_size, topic->name, partition, (long long)offset, (long long)lane->first,
            (long long)(lane->first - offset), (long long)offset, (long long)(lane->first - 1));
    if (offset > lane->next)
        return tl_fail(
            err, TL_ERR_GAP,
            "%s: topic %.*s partition %u: offset out of range: wanted from %lld on, but the log ends at %lld; the %lld entries "
            "%lld to %lld are missing: an older copy of the log?",
            log->path, (int)topic->name_size, topic->name, partition, (long long)offset, (long long)lane->next,
            (long long)(offset - lane->next), (long long)lane->next, (long long)(offset - 1));
    return TL_OK;
}

static enum tl_code reserve_message(struct sqlite_log *log, size_t count, struct tl_err *err)
{
    struct tl_message *messages;
    size_t capacity = log->messages_capacity == 0 ? 64 : log->messages_capacity * 2;

    if (count < log->messages_capacity)
        return TL_OK;
    messages = realloc(log->messages, capacity * sizeof *messages);
    if (messages == NULL)
        return tl_fail_memory(err, capacity * sizeof *messages);
    log->messages = messages;
    log->messages_capacity = capacity;
    return TL_OK;
}

/* Copies the rows. While the block may still move, a value's data is a place in it; NULL only for a tombstone. */
static enum tl_code copy_entries(struct sqlite_log *log, sqlite3_stmt *select, size_t messages_max, size_t bytes_max,
                                 size_t *count, bool *done, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    bool row = false;

    tl_buf_clear(&log->bytes);
    *count = 0;
    *done = false;
    while (*count < messages_max) {
        struct tl_message *message;
        struct tl_sv value;
        bool null;
        char *to;

        TL_TRY(step(log, select, &row, "read entries", err));
        if (!row) {
            *done = true;
            break;
        }
        null = sqlite3_column_type(select, 2) == SQLITE_NULL;
        value = null ? (struct tl_sv){NULL, 0} : column_sv(select, 2);
        if (value.size > 0 && value.data == NULL)
            TL_TRY(fail(log, "read an entry", err));
        if (*count > 0 && log->bytes.size + value.size > bytes_max)
            break;
        TL_TRY(reserve_message(log, *count, err));
        to = tl_buf_reserve(&log->bytes, value.size + TL_MESSAGE_PADDING);
        if (to == NULL)
            TL_TRY(tl_fail_memory(err, value.size + TL_MESSAGE_PADDING));
        message = &log->messages[(*count)++];
        message->offset = sqlite3_column_int64(select, 0);
        message->log_ms = sqlite3_column_int64(select, 1);
        message->value = (struct tl_sv){null ? NULL : "", value.size};
        if (value.data != NULL)
            memcpy(to, value.data, value.size);
        log->bytes.size += value.size;
    }
    if (log->bytes.data != NULL) /* what stands behind the last one is read too, and compared by nobody: give it one content */
        memset(log->bytes.data + log->bytes.size, 0, TL_MESSAGE_PADDING);
out:
    sqlite3_reset(select);
    return rc;
}

static enum tl_code op_read(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t offset, size_t messages_max,
                            size_t bytes_max, struct tl_log_entries *out, struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    struct topic *topic = NULL;
    struct lane *lane = NULL;
    size_t count = 0, at = 0;
    bool done = false;
    enum tl_code rc;

    assert(messages_max > 0);
    TL_TRY(begin(log, SQL_BEGIN_READ, err));
    TL_TRY(topic_find(log, name, &topic, err));
    TL_TRY(lane_find(log, topic, partition, &lane, err));
    TL_TRY(check_offset(log, topic, partition, lane, offset, err));
    if (lane->select == NULL)
        TL_TRY(prepare_for(log, sql_select_entries, topic->id, partition, &lane->select, err));
    sqlite3_bind_int64(lane->select, 1, offset);
    TL_TRY(copy_entries(log, lane->select, messages_max, bytes_max, &count, &done, err));
    if (count == 0)
        TL_TRY(check_same_file(log, err));
    for (size_t i = 0; i < count; i++) {
        if (log->messages[i].value.data != NULL)
            log->messages[i].value.data = log->bytes.data + at;
        at += log->messages[i].value.size;
    }
    out->messages = log->messages;
    out->count = count;
    out->next_offset = done ? lane->next : log->messages[count - 1].offset + 1;
    out->at_end = out->next_offset >= lane->next;
out:
    roll_back(log);
    return rc;
}

static int64_t data_version(struct sqlite_log *log)
{
    sqlite3_stmt *statement = log->statements[SQL_DATA_VERSION];
    int64_t version = log->version_seen;

    if (sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return version;
}

/* Compares with what the last wait saw, not with the last read: somebody may have appended to a partition that was read a
 * while ago. */
static bool op_wait(struct tl_log *base, int64_t timeout_ms)
{
    struct sqlite_log *log = of(base);
    int64_t until_ms = tl_add_sat_i64(tl_clock_monotonic_ms(), timeout_ms), pause_ms = WAIT_MS_MIN;

    for (;;) {
        int64_t version = data_version(log), left_ms = until_ms - tl_clock_monotonic_ms();

        if (version != log->version_seen || log->own_change != log->own_seen) {
            log->version_seen = version;
            log->own_seen = log->own_change;
            return true;
        }
        if (left_ms <= 0)
            return false;
        tl_clock_sleep_ms(tl_min_i64(pause_ms, left_ms));
        pause_ms = tl_min_i64(pause_ms + WAIT_MS_MIN, WAIT_MS_MAX);
    }
}

/* ---- appending ---- */

static enum tl_code append_records(struct sqlite_log *log, struct topic *topic, const struct tl_log_record *records, size_t count,
                                   struct tl_err *err)
{
    int64_t now_ms = tl_clock_wall_ms();
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < count; i++) {
        const struct tl_log_record *record = &records[i];
        struct lane *lane = NULL;
        int64_t log_ms;

        TL_TRY(lane_find(log, topic, record->partition, &lane, err));
        if (lane->insert == NULL)
            TL_TRY(prepare_for(log, sql_insert_entry, topic->id, record->partition, &lane->insert, err));
        log_ms = record->log_ms != INT64_MIN ? record->log_ms : tl_max_i64(now_ms, lane->log_ms);
        sqlite3_bind_int64(lane->insert, 1, lane->next);
        sqlite3_bind_int64(lane->insert, 2, log_ms);
        if (record->value.data == NULL)
            sqlite3_bind_null(lane->insert, 3);
        else if (bind_sv(lane->insert, 3, record->value) != SQLITE_OK)
            TL_TRY(fail(log, "append an entry", err));
        TL_TRY(run(log, lane->insert, "append an entry", err));
        lane->next++;
        lane->log_ms = tl_max_i64(lane->log_ms, log_ms);
    }
    for (uint32_t p = 0; p < topic->lanes_count; p++) {
        sqlite3_stmt *set = log->statements[SQL_SET_PARTITION];

        if (!topic->lanes[p].loaded)
            continue;
        sqlite3_bind_int64(set, 1, topic->id);
        sqlite3_bind_int64(set, 2, p);
        sqlite3_bind_int64(set, 3, topic->lanes[p].next);
        sqlite3_bind_int64(set, 4, topic->lanes[p].log_ms);
        TL_TRY(run(log, set, "count the entries", err));
    }
out:
    return rc;
}

static enum tl_code op_append(struct tl_log *base, struct tl_sv name, const struct tl_log_record *records, size_t records_count,
                              const struct tl_log_note *note, struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    struct topic *topic = NULL;
    enum tl_code rc;

    TL_TRY(check_same_file(log, err));
    TL_TRY(begin(log, SQL_BEGIN_WRITE, err));
    if (records_count > 0) {
        TL_TRY(topic_find(log, name, &topic, err));
        TL_TRY(append_records(log, topic, records, records_count, err));
    }
    if (note != NULL) {
        sqlite3_stmt *put = log->statements[SQL_PUT_NOTE];

        if (bind_sv(put, 1, note->key) != SQLITE_OK || bind_sv(put, 2, note->value) != SQLITE_OK)
            TL_TRY(fail(log, "keep a note", err));
        TL_TRY(run(log, put, "keep a note", err));
    }
    TL_TRY(commit(log, err));
    log->own_change++;
out:
    if (rc != TL_OK)
        roll_back(log);
    return rc;
}

static enum tl_code op_notes(struct tl_log *base, struct tl_sv topic, struct tl_sv prefix,
                             bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value), void *ctx, struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    sqlite3_stmt *statement = log->statements[SQL_NOTES];
    enum tl_code rc = TL_OK;
    bool row;

    (void)topic;
    bind_sv(statement, 1, prefix);
    do
        TL_TRY(step(log, statement, &row, "read notes", err));
    while (row && each(ctx, column_sv(statement, 0), column_sv(statement, 1)));
out:
    sqlite3_reset(statement);
    return rc;
}

/* The range is cut first, so that nobody reads half of what is going; then the rows go in short transactions. Rows that a
 * killed trim left are below `first`: no reader sees them, and the next trim takes them along. */
static enum tl_code op_trim(struct tl_log *base, struct tl_sv name, uint32_t partition, int64_t offset, struct tl_err *err)
{
    struct sqlite_log *log = of(base);
    sqlite3_stmt *set = log->statements[SQL_SET_FIRST], *delete = NULL;
    struct topic *topic = NULL;
    struct lane *lane = NULL;
    int64_t first;
    enum tl_code rc;

    TL_TRY(check_same_file(log, err));
    TL_TRY(begin(log, SQL_BEGIN_WRITE, err));
    TL_TRY(topic_find(log, name, &topic, err));
    TL_TRY(lane_find(log, topic, partition, &lane, err));
    first = tl_max_i64(lane->first, tl_min_i64(offset, lane->next));
    sqlite3_bind_int64(set, 1, topic->id);
    sqlite3_bind_int64(set, 2, partition);
    sqlite3_bind_int64(set, 3, first);
    TL_TRY(run(log, set, "trim", err));
    TL_TRY(commit(log, err));
    log->own_change++;
    TL_TRY(prepare_for(log, sql_delete_entries, topic->id, partition, &delete, err));
    sqlite3_bind_int64(delete, 1, first);
    do
        TL_TRY(run(log, delete, "delete entries", err));
    while (sqlite3_changes(log->db) == TRIM_ROWS);
out:
    sqlite3_finalize(delete);
    if (rc != TL_OK)
        roll_back(log);
    return rc;
}

/* ---- the file ---- */

static void op_close(struct tl_log *base)
{
    struct sqlite_log *log = of(base);

    for (size_t t = 0; t < log->topics_count; t++) {
        lanes_drop(&log->topics[t]);
        free(log->topics[t].name);
    }
    free(log->topics);
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(log->statements[i]);
    sqlite3_close(log->db);
    tl_buf_done(&log->bytes);
    free(log->messages);
    free(log->path);
    free(log);
}

static void remove_with(const char *path, const char *suffix)
{
    char name[PATH_MAX + 16];

    snprintf(name, sizeof name, "%s%s", path, suffix);
    unlink(name);
}

/* An empty log under `path`: all its bytes are on the disk when this returns. */
static enum tl_code make_database(const char *path, struct tl_err *err)
{
    sqlite3 *db = NULL;
    enum tl_code rc = TL_OK;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(db, sql_make, NULL, NULL, NULL) != SQLITE_OK)
        rc = fail_sqlite(db, path, "make the log", err);
    sqlite3_close(db);
    return rc;
}

/* Makes log.db unless it is there. The folder's own lock keeps others out meanwhile; a killed maker leaves log.db.new at most. */
static enum tl_code make_file(const char *data_dir, const char *path, struct tl_err *err)
{
    char fresh[PATH_MAX + 8], other[PATH_MAX + 8];
    enum tl_code rc = TL_OK;
    bool there;
    int folder;

    if (access(path, F_OK) == 0)
        return TL_OK;
    snprintf(fresh, sizeof fresh, "%s.new", path);
    snprintf(other, sizeof other, "%s-wal", path);
    if (mkdir(data_dir, 0777) != 0 && errno != EEXIST)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot make the folder", data_dir);
    folder = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot open the folder", data_dir);
    while (flock(folder, LOCK_EX) != 0)
        if (errno != EINTR)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot lock the folder", data_dir));
    there = access(path, F_OK) == 0;        /* somebody was faster */
    if (!there && access(other, F_OK) == 0) /* SQLite would play it into the new file */
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s is there, but not the log it belongs to; bring %s back, or move both away", other,
                       path));
    if (!there) {
        remove_with(fresh, "");
        remove_with(fresh, "-journal");
        remove_with(fresh, "-wal");
        remove_with(fresh, "-shm");
        TL_TRY(make_database(fresh, err));
        if (rename(fresh, path) != 0)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be named", path));
        if (fsync(folder) != 0)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be made durable", data_dir));
    }
out:
    close(folder);
    return rc;
}

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Looks at the first 100 bytes through the file that SQLite has opened (a close() of our own would drop the locks of other
 * handles of this process) before any statement runs: so nothing is recovered, rolled back or written beside a file that is
 * not ours. */
static enum tl_code check_header(struct sqlite_log *log, struct tl_err *err)
{
    unsigned char header[100] = {0};
    sqlite3_file *file = NULL;
    int got;

    if (sqlite3_file_control(log->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == NULL ||
        file->pMethods == NULL)
        return fail(log, "open", err);
    got = file->pMethods->xRead(file, header, sizeof header, 0);
    if (got != SQLITE_OK && got != SQLITE_IOERR_SHORT_READ)
        return tl_fail(err, TL_ERR_IO, "%s: cannot be read (SQLite code %d)", log->path, got);
    if (memcmp(header, "SQLite format 3", 16) != 0)
        return tl_fail(err, TL_ERR_CORRUPT,
                       "%s: not a log of tally: the file is no SQLite database, or is damaged; nothing was written; name another "
                       "folder with "
                       "--data, or put a backup in its place",
                       log->path);
    if (big_endian(header + 68) != APPLICATION_ID)
        return tl_fail(
            err, TL_ERR_CORRUPT,
            "%s: not a log of tally: a SQLite database of another program (application_id 0x%08x, tally's is 0x%08x); nothing "
            "was written; name another folder with --data",
            log->path, (unsigned)big_endian(header + 68), (unsigned)APPLICATION_ID);
    if (big_endian(header + 60) != SCHEMA_VERSION)
        return tl_fail(
            err, TL_ERR_CORRUPT,
            "%s: another tally made this log (its version is %u, this tally knows %d); nothing was written; use that tally, or "
            "another folder with --data",
            log->path, (unsigned)big_endian(header + 60), SCHEMA_VERSION);
    return TL_OK;
}

static const struct tl_log_ops sqlite_ops = {
    .close = op_close,
    .create_topic = op_create_topic,
    .topic = op_topic,
    .topics = op_topics,
    .range = op_range,
    .end_heard = op_end_heard,
    .place = op_place,
    .read = op_read,
    .wait = op_wait,
    .append = op_append,
    .notes = op_notes,
    .trim = op_trim,
};

static enum tl_code find_file(struct sqlite_log *log, struct tl_err *err)
{
    struct stat st;

    if (stat(log->path, &st) != 0 && errno == ENOENT)
        return tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no log yet", log->path);
    if (stat(log->path, &st) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be opened", log->path);
    if (!S_ISREG(st.st_mode))
        return tl_fail(err, TL_ERR_CORRUPT, "%s: not a log of tally: it is no file", log->path);
    log->device = st.st_dev;
    log->inode = st.st_ino;
    return TL_OK;
}

static enum tl_code prepare(struct sqlite_log *log, enum tl_log_mode mode, struct tl_err *err)
{
    sqlite3_busy_timeout(log->db, BUSY_MS);
    if (sqlite3_exec(log->db, mode == TL_LOG_READ ? sql_tune_read : sql_tune_append, NULL, NULL, NULL) != SQLITE_OK)
        return fail(log, "open", err);
    for (size_t i = 0; i < SQL_COUNT; i++)
        if (sqlite3_prepare_v3(log->db, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &log->statements[i], NULL) != SQLITE_OK)
            return fail(log, "prepare a statement", err);
    log->version_seen = data_version(log);
    return TL_OK;
}

enum tl_code tl_log_sqlite_open(const char *data_dir, enum tl_log_mode mode, struct tl_log **out, struct tl_err *err)
{
    struct sqlite_log *log = NULL;
    enum tl_code rc = TL_OK;

    if (strlen(data_dir) + sizeof "/log.db" > PATH_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%.200s...: the path is longer than %d bytes", data_dir, PATH_MAX - 1);
    log = calloc(1, sizeof *log);
    if (log == NULL)
        return tl_fail_memory(err, sizeof *log);
    log->base.ops = &sqlite_ops;
    if (asprintf(&log->path, "%s/log.db", data_dir) < 0) {
        log->path = NULL;
        TL_TRY(tl_fail_memory(err, strlen(data_dir)));
    }
    if (mode == TL_LOG_APPEND)
        TL_TRY(make_file(data_dir, log->path, err));
    TL_TRY(find_file(log, err));
    if (sqlite3_open_v2(log->path, &log->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        TL_TRY(fail(log, "open", err));
    TL_TRY(check_header(log, err));
    TL_TRY(prepare(log, mode, err));
    *out = &log->base;
out:
    if (rc != TL_OK)
        op_close(&log->base);
    return rc;
}
