/* store_sqlite_test.c: the SQLite store's file: what is ours is opened, what is not stays as it was, byte for byte. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/store_fixture.h"

static char url[512];

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    char *why = NULL;

    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, &why), SQLITE_OK, "%s: %s", text, why);
    cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

static struct tl_buf content(const char *path)
{
    struct tl_buf bytes;
    FILE *file = fopen(path, "rb");
    char chunk[4096];
    size_t got;

    tl_buf_init(&bytes, 0);
    if (file == NULL)
        return bytes;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        tl_buf_put(&bytes, chunk, got);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static void make_store(void)
{
    struct tl_shape shape = store_windowed("hits", 'a');
    struct tl_store *store;
    int64_t id = 0;

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    store_put_speed(store, store_epoch(store), id, 0, 10, "a", 1);
    tl_store_close(store);
}

/* Both ways to open it are refused, and neither the file nor anything beside it has changed. */
static void expect_refusal(const char *word)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    struct tl_store *store = NULL;
    struct tl_buf before[TL_COUNT(beside)];
    char name[600];

    for (size_t i = 0; i < TL_COUNT(beside); i++) {
        snprintf(name, sizeof name, "%s%s", store_path(url), beside[i]);
        before[i] = content(name);
    }
    FAILS(TL_ERR_CORRUPT, word, tl_store_open(url, TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_CORRUPT, store_path(url), tl_store_open(url, TL_STORE_READ, &store, err));
    cr_assert_null(store);
    for (size_t i = 0; i < TL_COUNT(beside); i++) {
        struct tl_buf after;

        snprintf(name, sizeof name, "%s%s", store_path(url), beside[i]);
        after = content(name);
        if (i != 2) /* the index of a WAL is no content: SQLite makes it anew */
            cr_assert(tl_sv_eq(tl_buf_sv(&before[i]), tl_buf_sv(&after)), "%s has changed", name);
        tl_buf_done(&before[i]);
        tl_buf_done(&after);
    }
}

struct foreign_case {
    char name[40], word[40];
    char statements[200]; /* on a fresh SQLite file; or */
    char bytes[200];
};

ParameterizedTestParameters(store_sqlite, foreign)
{
    static struct foreign_case cases[] = {
        {"text",                          "no SQLite database", "",
         "not a database, but somebody's notes, and they are longer than one header of SQLite's would be: "
         "one hundred bytes and more"                                                                               },
        {"one byte",                      "no SQLite database", "",                                              "x"},
        {"another program's",             "of another program", "CREATE TABLE t (a); INSERT INTO t VALUES (1)",  "" },
        {"another program's, with an id", "0x00000007",         "PRAGMA application_id = 7; CREATE TABLE t (a)", "" },
        {"another program's, with a WAL", "of another program", "PRAGMA journal_mode = WAL; CREATE TABLE t (a)", "" },
    };
    return cr_make_param_array(struct foreign_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct foreign_case *c, store_sqlite, foreign, .fini = store_folder_remove)
{
    store_sqlite.url(url);
    if (c->statements[0] != '\0')
        sql(c->statements);
    else
        write_file(store_path(url), c->bytes, strlen(c->bytes));
    expect_refusal(c->word);
}

Test(store_sqlite, newer, .fini = store_folder_remove)
{
    make_store();
    sql("PRAGMA user_version = 9");
    expect_refusal("a newer tally");
}

/* The newer version stands in the WAL only: the tally that migrated it was killed. */
Test(store_sqlite, newer_in_the_wal, .fini = store_folder_remove)
{
    struct tl_buf file, wal;
    char name[600];
    sqlite3 *db = NULL;

    make_store();
    snprintf(name, sizeof name, "%s-wal", store_path(url));
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version = 9", NULL, NULL, NULL), SQLITE_OK);
    file = content(store_path(url));
    wal = content(name);
    cr_assert_gt(wal.size, 0);
    sqlite3_close(db);
    write_file(store_path(url), file.data, file.size);
    write_file(name, wal.data, wal.size);
    tl_buf_done(&file);
    tl_buf_done(&wal);
    expect_refusal("a newer tally");
}

static struct tl_buf schema_of(void)
{
    struct tl_buf text;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    tl_buf_init(&text, 0);
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(
        sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_master UNION ALL SELECT user_version FROM pragma_user_version ORDER BY 1",
                           -1, &statement, NULL),
        SQLITE_OK, "%s", sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW)
        tl_buf_printf(&text, "%s\n", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

/* What versions 8 to 3 added, taken away. */
#define WITHOUT_7                                                                                                                \
    "ALTER TABLE tally_change DROP COLUMN store;"                                                                                \
    "DROP TABLE tally_reconciliation; DROP TABLE tally_reconciliation_view; DROP TABLE tally_reconciliation_cause;"              \
    "DROP INDEX tally_dead_letter_log;"
#define WITHOUT_6                                                                                                                \
    WITHOUT_7                                                                                                                    \
    "DROP TABLE tally_publication; DROP TABLE tally_check_result; DROP TABLE tally_sealed; DROP TABLE tally_run_unread;"         \
    "DROP INDEX tally_run_range_definition; DROP INDEX tally_run_range_unpublished;"                                             \
    "ALTER TABLE tally_run DROP COLUMN events_count; ALTER TABLE tally_run DROP COLUMN bytes_count;"                             \
    "ALTER TABLE tally_run DROP COLUMN duplicates_count; ALTER TABLE tally_run DROP COLUMN checks;"                              \
    "ALTER TABLE tally_run DROP COLUMN failure; ALTER TABLE tally_run_range DROP COLUMN blocked;"                                \
    "ALTER TABLE tally_run_range DROP COLUMN carry_in; ALTER TABLE tally_run_range DROP COLUMN published;"                       \
    "ALTER TABLE tally_run_range DROP COLUMN pruned; ALTER TABLE tally_progress DROP COLUMN pruned_ms;"
#define WITHOUT_5 WITHOUT_6 "DROP TABLE tally_topic; ALTER TABLE tally_definition DROP COLUMN by_pattern;"
#define WITHOUT_4                                                                                                                \
    WITHOUT_5                                                                                                                    \
    "ALTER TABLE tally_epoch DROP COLUMN challenge; ALTER TABLE tally_epoch DROP COLUMN answer;"                                 \
    "ALTER TABLE tally_epoch DROP COLUMN change; ALTER TABLE tally_offset DROP COLUMN last_offset;"                              \
    "ALTER TABLE tally_offset DROP COLUMN fingerprint;"
#define WITHOUT_3                                                                                                                \
    WITHOUT_4                                                                                                                    \
    "ALTER TABLE tally_ledger DROP COLUMN function; ALTER TABLE tally_run DROP COLUMN versions;"                                 \
    " DROP TABLE tally_epoch_versions;"

/* A file of version 1 has what later ones added taken away from it. */
Test(store_sqlite, an_older_store_is_brought_up, .fini = store_folder_remove)
{
    struct tl_shape hits = store_windowed("hits", 'a'), visits = store_sessions("visits", 'b', 0);
    struct tl_buf before, after;
    struct tl_store *store = NULL;
    struct tl_definition definition;
    int64_t id = 0;

    make_store();
    before = schema_of();
    sql(WITHOUT_3 "ALTER TABLE tally_definition DROP COLUMN state_beside; ALTER TABLE tally_definition DROP COLUMN cut_per_key;"
                  " ALTER TABLE tally_definition DROP COLUMN ends_open;"
                  "ALTER TABLE tally_definition DROP COLUMN key_tail_bytes; DROP TABLE tally_open; DROP INDEX tally_cut_lowest;"
                  "PRAGMA user_version = 1");
    FAILS(TL_ERR_CORRUPT, "brings it up to date", tl_store_open(url, TL_STORE_READ, &store, err));
    cr_assert_null(store);
    tl_store_close(store_open(url, TL_STORE_WRITE));
    after = schema_of();
    cr_assert(tl_sv_eq(tl_buf_sv(&before), tl_buf_sv(&after)), "%.*s\nis not\n%.*s", TL_SV_ARG(tl_buf_sv(&after)),
              TL_SV_ARG(tl_buf_sv(&before)));
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &hits, &id, err));
    cr_assert_eq(id, 1);
    OK(tl_store_definition(store, id, &definition, err));
    cr_assert(definition.state_form == TL_STATE_IN_ROWS && !definition.cut_per_key && !definition.by_pattern);
    cr_assert_str_eq(store_answer(store, "hits", TL_LAYER_MERGED, INT64_MIN, INT64_MAX), "0 10 a 1 speed 0\n");
    OK(tl_store_define(store, &visits, &id, err));
    OK(tl_store_definition(store, id, &definition, err));
    cr_assert(definition.state_form == TL_STATE_BESIDE && definition.cut_per_key);
    tl_store_close(store);
    tl_buf_done(&before);
    tl_buf_done(&after);
}

/* What stood there stays, and topics are numbered from 1. */
Test(store_sqlite, version_4_comes_to_know_topics, .fini = store_folder_remove)
{
    struct tl_shape hits = store_windowed("hits", 'a'), sites = store_windowed("sites", 'b');
    const struct tl_sv topic = TL_SV("site-a");
    struct tl_store *store;
    struct tl_definition definition;
    int64_t id = 0;

    make_store();
    sql(WITHOUT_5 "PRAGMA user_version = 4");
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &hits, &id, err));
    cr_assert_eq(id, 1);
    cr_assert_str_eq(store_answer(store, "hits", TL_LAYER_MERGED, INT64_MIN, INT64_MAX), "0 10 a 1 speed 0\n");
    sites.by_pattern = true;
    OK(tl_store_define(store, &sites, &id, err));
    OK(tl_store_definition(store, id, &definition, err));
    cr_assert(definition.by_pattern);
    OK(tl_store_number_topics(store, &topic, 1, err));
    tl_store_close(store);
}

static enum tl_code see_old_line(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    (void)err;
    cr_assert(line->cause == TL_CAUSE_EVAL_ERROR && line->offset == 7 && line->function == NULL);
    ++*(int *)ctx;
    return TL_OK;
}

static enum tl_code see_old_run(void *ctx, const struct tl_run *run, struct tl_err *err)
{
    (void)err;
    cr_assert(tl_sv_eq(run->reason, TL_SV("nightly")) && run->versions.size == 0);
    ++*(int *)ctx;
    return TL_OK;
}

static enum tl_code see_undone(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    (void)ctx;
    (void)err;
    cr_assert_eq(published, run);
    return TL_OK;
}

Test(store_sqlite, version_2_keeps_its_ledger_and_its_runs, .fini = store_folder_remove)
{
    const struct tl_ledger_line line = {.offset = 7, .cause = TL_CAUSE_EVAL_ERROR, .function = "/"};
    struct tl_store *store;
    int lines = 0, runs = 0;

    make_store();
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, 1, 0, &line, 1, err));
    OK(tl_store_commit(store, err));
    store_run(store, "nightly");
    tl_store_close(store);
    sql(WITHOUT_3 "PRAGMA user_version = 2");
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_ledger(store, 1, 0, INT64_MIN, INT64_MAX, see_old_line, &lines, err));
    OK(tl_store_runs(store, see_old_run, &runs, err));
    cr_assert(lines == 1 && runs == 1);
    tl_store_close(store);
}

/* Its runs' publications are known, and what they point at can be rolled back; speed's rows may be gone, so the boundary may not. */
Test(store_sqlite, version_5_comes_to_know_publications, .fini = store_folder_remove)
{
    struct tl_store *store;
    int64_t run;

    make_store();
    store = store_open(url, TL_STORE_WRITE);
    for (int64_t hits = 1; hits <= 2; hits++) {
        run = store_run(store, "nightly");
        store_stage(store, run, 1, 0, 10, "b", hits);
        store_stage_range(store, run, 1, 0, 10);
        OK(tl_store_publish(store, run, 100 * hits, err));
    }
    tl_store_close(store);
    sql("UPDATE tally_run SET published = run, change = run;" WITHOUT_6 "PRAGMA user_version = 5");
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_unpublish(store, 0, "", 300, see_undone, NULL, err));
    cr_assert_str_eq(store_answer(store, "hits", TL_LAYER_MERGED, INT64_MIN, INT64_MAX), "0 10 b 1 batch 1\n");
    FAILS(TL_ERR_LIMIT, "rows are gone up to", tl_store_unpublish(store, 0, "", 300, see_undone, NULL, err));
    tl_store_close(store);
}

/* It stands in the table that it says, and nowhere else. */
Test(store_sqlite, a_damaged_secret_is_refused, .fini = store_folder_remove)
{
    uint8_t secret[TL_STORE_SECRET_BYTES];
    struct tl_store *store;

    make_store();
    sql("INSERT INTO tally_meta VALUES ('secret.visitor', x'0011')");
    store = store_open(url, TL_STORE_WRITE);
    FAILS(TL_ERR_CORRUPT, "secret.visitor has 2 bytes", tl_store_secret(store, TL_SV("visitor"), secret, err));
    tl_store_close(store);
}

Test(store_sqlite, no_version, .fini = store_folder_remove)
{
    make_store();
    sql("PRAGMA user_version = 0");
    expect_refusal("damaged");
}

Test(store_sqlite, table_missing, .fini = store_folder_remove)
{
    make_store();
    sql("DROP TABLE tally_epoch");
    expect_refusal("damaged");
}

Test(store_sqlite, cut_short, .fini = store_folder_remove)
{
    struct stat st;

    make_store();
    cr_assert_eq(stat(store_path(url), &st), 0);
    for (off_t size = 8192; size < st.st_size; size += 8192 * 7) {
        cr_assert_eq(truncate(store_path(url), size), 0);
        expect_refusal("damaged");
    }
    cr_assert_eq(truncate(store_path(url), 99), 0);
    expect_refusal("damaged");
    cr_assert_eq(truncate(store_path(url), 60), 0);
    expect_refusal("another program"); /* the mark is cut off */
}

static enum tl_code no_row(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    (void)ctx;
    (void)row;
    (void)err;
    return TL_OK;
}

/* Garbage in any page: an error, or rows, but never a crash. */
Test(store_sqlite, garbage_in_a_page, .fini = store_folder_remove)
{
    struct tl_buf whole;
    struct tl_store *store;
    struct tl_err err = {.message = ""};
    int refused = 0;

    make_store();
    whole = content(store_path(url));
    for (size_t page = 1; page < whole.size / 8192; page++) {
        char *damaged = malloc(whole.size);

        cr_assert_not_null(damaged);
        memcpy(damaged, whole.data, whole.size);
        memset(damaged + page * 8192, 0xa5, 4096);
        write_file(store_path(url), damaged, whole.size);
        free(damaged);
        store = NULL;
        if (tl_store_open(url, TL_STORE_WRITE, &store, &err) != TL_OK ||
            tl_store_rows(store, 1, TL_LAYER_SPEED, INT64_MIN, INT64_MAX, no_row, NULL, &err) != TL_OK) {
            cr_assert_eq(err.code, TL_ERR_CORRUPT, "page %zu: %s", page, err.message);
            cr_assert_not_null(strstr(err.message, store_path(url)), "%s", err.message);
            refused++;
        }
        tl_store_close(store);
    }
    cr_assert_gt(refused, 2);
    tl_buf_done(&whole);
}

Test(store_sqlite, an_empty_file_is_a_new_store, .fini = store_folder_remove)
{
    struct tl_store *store = NULL;

    store_sqlite.url(url);
    write_file(store_path(url), "", 0);
    FAILS(TL_ERR_NOT_FOUND, "no store yet", tl_store_open(url, TL_STORE_READ, &store, err));
    store = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(store_epoch(store), 1);
    tl_store_close(store);
}

Test(store_sqlite, a_folder_is_no_store, .fini = store_folder_remove)
{
    struct tl_store *store = NULL;

    store_sqlite.url(url);
    cr_assert_eq(mkdir(store_path(url), 0777), 0);
    FAILS(TL_ERR_CORRUPT, "not a file", tl_store_open(url, TL_STORE_WRITE, &store, err));
    strcat(url, "/none/views.db");
    FAILS(TL_ERR_IO, "none/views.db", tl_store_open(url, TL_STORE_WRITE, &store, err));
}

/* Whoever made the store was killed in its one transaction: pages in the file, the journal still there. */
Test(store_sqlite, half_made, .fini = store_folder_remove)
{
    sqlite3 *db = NULL;
    struct tl_buf file, journal;
    struct tl_store *store = NULL;
    char name[600];

    store_sqlite.url(url);
    snprintf(name, sizeof name, "%s-journal", store_path(url));
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    /* A cache of one page spills, so that pages stand in the file before the commit. */
    cr_assert_eq(
        sqlite3_exec(db,
                     "PRAGMA cache_size = 1; BEGIN EXCLUSIVE; CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                     "SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT randomblob(100) FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    file = content(store_path(url));
    journal = content(name);
    cr_assert_gt(file.size, 0);
    cr_assert_gt(journal.size, 0);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    write_file(store_path(url), file.data, file.size);
    write_file(name, journal.data, journal.size);
    FAILS(TL_ERR_NOT_FOUND, "no store yet", tl_store_open(url, TL_STORE_READ, &store, err));
    store = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(store_epoch(store), 1);
    tl_store_close(store);
    store = store_open(url, TL_STORE_READ);
    tl_store_close(store);
    tl_buf_done(&file);
    tl_buf_done(&journal);
}

/* Between making the store and writing a WAL there is a moment with a rollback journal; who reads then finds the store as it was before. */
Test(store_sqlite, stopped_with_a_journal, .fini = store_folder_remove)
{
    sqlite3 *db = NULL;
    struct tl_buf file, journal;
    struct tl_store *store;
    char name[600];

    make_store();
    sql("PRAGMA journal_mode = DELETE");
    snprintf(name, sizeof name, "%s-journal", store_path(url));
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(db,
                     "PRAGMA cache_size = 1; BEGIN EXCLUSIVE; DELETE FROM hits_speed; CREATE TABLE t (a); WITH RECURSIVE n(i) AS"
                     " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT randomblob(100) FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    file = content(store_path(url));
    journal = content(name);
    cr_assert_gt(journal.size, 0);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    write_file(store_path(url), file.data, file.size);
    write_file(name, journal.data, journal.size);
    store = store_open(url, TL_STORE_READ);
    cr_assert_eq(access(name, F_OK), -1, "the journal is still there");
    tl_store_close(store);
    sql("SELECT 1 / (SELECT count(*) FROM hits_speed); UPDATE hits_speed SET _change = _change");
    tl_buf_done(&file);
    tl_buf_done(&journal);
}

Test(store_sqlite, written_durably, .fini = store_folder_remove)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    make_store();
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    cr_assert_str_eq((const char *)sqlite3_column_text(statement, 0), "wal");
    sqlite3_finalize(statement);
    cr_assert_eq(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    cr_assert_str_eq((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* A view that somebody made on top of ours neither stops a swap nor is lost by it. */
Test(store_sqlite, views_on_top_outlive_a_swap, .fini = store_folder_remove)
{
    struct tl_shape shape = store_windowed("hits", 'b');
    struct tl_store *store;
    sqlite3 *db = NULL;
    int64_t id = 0;
    bool swapped = false;

    make_store();
    sql("CREATE VIEW mine AS SELECT host, sum(num_hits) AS n FROM hits GROUP BY host");
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert(swapped);
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "SELECT n FROM mine", NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    tl_store_close(store);
}

static enum tl_code see_nothing(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    (void)ctx;
    (void)published;
    (void)run;
    (void)err;
    return TL_OK;
}

/* A replay puts the rows in place again while they are taken away, and whoever takes them dies behind the first chunk: it is known that they are gone. */
Test(store_sqlite, rows_are_gone_only_where_that_is_noted, .fini = store_folder_remove)
{
    enum { ROWS = 5010 };
    struct tl_shape shape = store_windowed("hits", 'a');
    struct store_rows rows;
    struct tl_store *store;
    int64_t id = 0, run, change;

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    store_rows_init(&rows, true, ROWS);
    for (int64_t i = 0; i < ROWS; i++)
        store_rows_add(&rows, i * 10, i * 10 + 10, "a", 1);
    OK(tl_store_begin_tick(store, store_epoch(store), &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_put_final(store, id, ROWS * 10, err));
    OK(tl_store_commit(store, err));
    run = store_run(store, "r");
    store_stage_range(store, run, id, 0, ROWS * 10);
    OK(tl_store_publish(store, run, 100, err));
    sql("CREATE TRIGGER replayed BEFORE DELETE ON hits_speed BEGIN UPDATE tally_progress SET pruned_ms = -9223372036854775808; "
        "END;"
        "CREATE TRIGGER killed BEFORE DELETE ON hits_speed WHEN NOT EXISTS (SELECT 1 FROM hits_speed ORDER BY _end_ms LIMIT 1 "
        "OFFSET"
        " 10) BEGIN SELECT RAISE(ABORT, 'killed'); END");
    FAILS(TL_ERR_LIMIT, "killed", tl_store_prune_speed(store, id, 200, err));
    FAILS(TL_ERR_LIMIT, "rows are gone", tl_store_unpublish(store, 0, "", 300, see_nothing, NULL, err));
    store_rows_done(&rows);
    tl_store_close(store);
}

/* One works at a time, whatever his data directory is. */
Test(store_sqlite, work_is_locked, .fini = store_folder_remove)
{
    struct tl_store *first, *second;

    make_store();
    first = store_open(url, TL_STORE_WRITE);
    second = store_open(url, TL_STORE_WRITE);
    OK(tl_store_lock(first, "batch", "web1 pid 7", err));
    FAILS(TL_ERR_BUSY, ".batch.lock: pid ", tl_store_lock(second, "batch", "web1 pid 8", err));
    tl_store_close(first);
    OK(tl_store_lock(second, "batch", "web1 pid 8", err));
    tl_store_close(second);
}

/* Somebody else keeps the write lock: we wait, say so, and can go on afterwards. */
Test(store_sqlite, locked_by_another, .fini = store_folder_remove)
{
    struct tl_store *store;
    struct tl_err why = {.message = ""};
    sqlite3 *db = NULL;

    make_store();
    store = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(tl_store_begin(store, &why), TL_ERR_IO);
    cr_assert(why.retriable);
    cr_assert_not_null(strstr(why.message, "another process"), "%s", why.message);
    cr_assert_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    OK(tl_store_begin(store, err));
    tl_store_rollback(store);
    tl_store_rollback(store);
    FAILS(TL_ERR_IO, "inside another one", (tl_store_begin(store, err) == TL_OK ? tl_store_begin(store, err) : TL_OK));
    tl_store_close(store);
    sqlite3_close(db);
    store = store_open(url, TL_STORE_READ);
    FAILS(TL_ERR_IO, "reading only", tl_store_begin(store, err));
    tl_store_close(store);
}

/* While somebody commits as fast as he can, without waiting for the disk: two handles that are said to see the same do. */
Test(store_sqlite, two_handles_read_one_snapshot, .fini = store_folder_remove)
{
    struct tl_store *readers[2];
    int64_t together = 0;
    pid_t child;

    make_store();
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        sqlite3 *db = NULL;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sqlite3_open(store_path(url), &db) == SQLITE_OK && sqlite3_busy_timeout(db, 5000) == SQLITE_OK &&
            sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) == SQLITE_OK)
            while (sqlite3_exec(db, "UPDATE hits_speed SET num_hits = num_hits + 1", NULL, NULL, NULL) == SQLITE_OK)
                ;
        _exit(1);
    }
    for (int r = 0; r < 2; r++)
        readers[r] = store_open(url, TL_STORE_WALK);
    for (int round = 0; round < 4000; round++) {
        char first[256];
        const char *second;
        bool both;

        OK(tl_store_begin_read_both(readers[0], readers[1], &both, err));
        snprintf(first, sizeof first, "%s", store_answer(readers[0], "hits", TL_LAYER_SPEED, INT64_MIN, INT64_MAX));
        second = both ? store_answer(readers[1], "hits", TL_LAYER_SPEED, INT64_MIN, INT64_MAX) : first;
        cr_assert_str_eq(first, second);
        together += both;
        tl_store_rollback(readers[0]);
        tl_store_rollback(readers[1]);
    }
    cr_assert_eq(waitpid(child, NULL, WNOHANG), 0, "it is still at it");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_assert_gt(together, 0);
    for (int r = 0; r < 2; r++)
        tl_store_close(readers[r]);
}
