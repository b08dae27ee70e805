/* store_tables.c: the tables, indexes and views of a definition: made, renamed, dropped, and said what they are for. */
#include "store/store_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char *const sql_change_indexes[] = {
    [TL_DIALECT_SQLITE] = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = ?1 AND name LIKE 'tally_change_%'",
    [TL_DIALECT_POSTGRES] = "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ?1"
                            " AND indexname LIKE 'tally_change_%'",
};
/* clang-format on */
static const char sql_comment[] = "SELECT comment FROM tally_definition WHERE definition = ?1";

/* ---- what may not be ---- */

enum tl_code tl_tables_check_free(struct tl_store *store, const struct tl_shape *shape, struct tl_sv name, struct tl_err *err)
{
    bool there = false;
    enum tl_code rc;

    TL_TRY(tl_database_has_object(store->database, name, &there, err));
    if (there)
        TL_TRY(tl_fail(
            err, TL_ERR_DEFINITION,
            "view '%.*s': the store %s already has something named '%.*s' (names differ there by more than upper and lower "
            "case); another name for the view would do",
            TL_SV_ARG(shape->view), store->database->place, TL_SV_ARG(name)));
out:
    return rc;
}

/* SQLite takes 'Host' and 'host' for one name, and some names are the store's own. */
static enum tl_code check_columns(const struct tl_shape *shape, struct tl_err *err)
{
    static const char *const own[] = {"_end_ms", "_start_ms", "_key", "_run",    "_change",   "_acc",
                                      "_layer",  "_final",    "_row", "_offset", "_partition"};
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < shape->columns_count; i++) {
        struct tl_sv name = shape->columns[i].name;

        for (size_t k = 0; k < TL_COUNT(own); k++)
            if (tl_sv_eq_nocase(name, tl_sv_from(own[k])))
                TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                               "view '%.*s': the column name '%.*s' is one of the store's own; another name would do (AS ...)",
                               TL_SV_ARG(shape->view), TL_SV_ARG(name)));
        for (uint32_t k = 0; k < shape->columns_count; k++) {
            struct tl_sv other = shape->columns[k].name;
            struct tl_sv ms = {other.data, other.size};

            if (k < i && tl_sv_eq_nocase(name, other))
                TL_TRY(tl_fail(
                    err, TL_ERR_DEFINITION,
                    "view '%.*s': the columns '%.*s' and '%.*s' would be one in the store, which takes upper and lower case for "
                    "the same; another name for one of them would do (AS ...)",
                    TL_SV_ARG(shape->view), TL_SV_ARG(other), TL_SV_ARG(name)));
            if (tl_merge_view_is_time(shape->columns[k].kind) && name.size == ms.size + 4 &&
                tl_sv_eq_nocase((struct tl_sv){name.data, 4}, TL_SV("_ms_")) &&
                tl_sv_eq_nocase((struct tl_sv){name.data + 4, ms.size}, ms))
                TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                               "view '%.*s': the column name '%.*s' is what the store calls the milliseconds of '%.*s'; another "
                               "name would do",
                               TL_SV_ARG(shape->view), TL_SV_ARG(name), TL_SV_ARG(other)));
        }
    }
out:
    return rc;
}

/* PostgreSQL cuts a longer name off without a word. A view's longest table is <view>_speed__<8 hex>. */
static enum tl_code check_lengths(const struct tl_store *store, const struct tl_shape *shape, struct tl_err *err)
{
    enum { NAME_BYTES_MAX = 63, TABLE_BYTES = sizeof "_speed__01234567" - 1 };
    enum tl_code rc = TL_OK;

    if (store->database->dialect != TL_DIALECT_POSTGRES)
        return TL_OK;
    if (shape->view.size + TABLE_BYTES > NAME_BYTES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                       "view '%.*s': the name has %zu bytes, and PostgreSQL leaves room for %d; a shorter one would do",
                       TL_SV_ARG(shape->view), shape->view.size, NAME_BYTES_MAX - TABLE_BYTES));
    for (uint32_t i = 0; i < shape->columns_count; i++) {
        const struct tl_shape_column *column = &shape->columns[i];
        size_t room = NAME_BYTES_MAX - (tl_merge_view_is_time(column->kind) ? sizeof "_ms_" - 1 : 0);

        if (column->name.size > room)
            TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                           "view '%.*s': the column name '%.*s' has %zu bytes, and PostgreSQL leaves room for %zu; a shorter one "
                           "would do (AS ...)",
                           TL_SV_ARG(shape->view), TL_SV_ARG(column->name), column->name.size, room));
    }
out:
    return rc;
}

enum tl_code tl_tables_check_names(const struct tl_store *store, const struct tl_shape *shape, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(check_columns(shape, err));
    TL_TRY(check_lengths(store, shape, err));
    if (shape->view.size == 0 ||
        tl_sv_eq_nocase((struct tl_sv){shape->view.data, shape->view.size < 6 ? shape->view.size : 6}, TL_SV("tally_")) ||
        tl_sv_eq_nocase((struct tl_sv){shape->view.data, shape->view.size < 7 ? shape->view.size : 7}, TL_SV("sqlite_")))
        TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                       "view '%.*s': names that begin with tally_ or sqlite_ are the store's own; another would do",
                       TL_SV_ARG(shape->view)));
out:
    return rc;
}

/* ---- what the tables are for, for whoever looks at them with another tool ---- */

TL_PRINTF(5, 6)
static enum tl_code comment_on(struct tl_store *store, const char *kind, struct tl_sv name, struct tl_err *err, const char *text,
                               ...)
{
    struct tl_buf sql;
    char *printed = NULL;
    enum tl_code rc = TL_OK;
    va_list args;

    tl_buf_init(&sql, 0);
    va_start(args, text);
    if (vasprintf(&printed, text, args) < 0)
        rc = tl_fail_memory(err, strlen(text));
    va_end(args);
    TL_TRY(rc);
    tl_buf_printf(&sql, "COMMENT ON %s ", kind);
    tl_merge_view_put_name(&sql, name);
    tl_buf_put_str(&sql, " IS ");
    tl_merge_view_put_text(&sql, tl_sv_from(printed));
    TL_TRY(tl_database_do_text(store->database, &sql, err));
out:
    free(printed);
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code comment_on_column(struct tl_store *store, struct tl_sv view, struct tl_sv column, const char *text,
                                      struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "COMMENT ON COLUMN ");
    tl_merge_view_put_name(&sql, view);
    tl_buf_put_str(&sql, ".");
    tl_merge_view_put_name(&sql, column);
    tl_buf_put_str(&sql, " IS ");
    tl_merge_view_put_text(&sql, tl_sv_from(text));
    TL_TRY(tl_database_do_text(store->database, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code comment_on_tables(struct tl_store *store, const struct tl_merge_view *view, const struct tl_sv *state_table,
                                      struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (store->database->dialect != TL_DIALECT_POSTGRES)
        return TL_OK;
    TL_TRY(comment_on(store, "TABLE", view->speed_table, err, "tally: rows of %.*s as the stream gives them (definition %lld)",
                      TL_SV_ARG(view->view), (long long)view->definition));
    TL_TRY(
        comment_on(store, "TABLE", view->batch_table, err,
                   "tally: rows of %.*s as batch gives them, also those of runs that are staged or superseded (definition %lld)",
                   TL_SV_ARG(view->view), (long long)view->definition));
    if (state_table != NULL)
        TL_TRY(comment_on(store, "TABLE", *state_table, err, "tally: what is open in %.*s (definition %lld)",
                          TL_SV_ARG(view->view), (long long)view->definition));
out:
    return rc;
}

static enum tl_code comment_on_view(struct tl_store *store, const struct tl_merge_view *view, struct tl_err *err)
{
    static const struct {
        const char *column, *text;
        bool windowless;
    } columns[] = {
        {"_layer",     "batch or speed: which layer the row is from",                               false},
        {"_final",     "whether the row stays as it is until a later run of batch",                 false},
        {"_start_ms",  "the window's start, milliseconds since 1970",                               false},
        {"_end_ms",    "the window's end, milliseconds since 1970: indexed, what to cut ranges by", false},
        {"_partition",
         "the partition of the log that the event stands in (with topic-pattern: of topic _partition >> 16 in tally_topic, "
         "partition _partition & 65535)",                                                           true },
        {"_offset",    "its offset there",                                                          true },
        {"_row",       "which of the message's events it is",                                       true },
    };
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    if (store->database->dialect != TL_DIALECT_POSTGRES)
        return TL_OK;
    TL_TRY(tl_database_ask(store->database, sql_comment, &answer, err, "i", view->definition));
    TL_TRY(tl_answer_next(answer, &row, err));
    TL_TRY(comment_on(store, "VIEW", view->view, err, "%.*s%stally: batch up to the time boundary, speed after it",
                      TL_SV_ARG(tl_answer_text(answer, 0)), tl_answer_text(answer, 0).size > 0 ? "; " : ""));
    for (size_t i = 0; i < TL_COUNT(columns); i++)
        if (!columns[i].windowless || !view->windowed)
            TL_TRY(comment_on_column(store, view->view, tl_sv_from(columns[i].column), columns[i].text, err));
out:
    tl_answer_close(answer);
    return rc;
}

/* ---- tables ---- */

static void put_type(struct tl_buf *out, enum tl_dialect dialect, enum tl_kind kind)
{
    if (dialect == TL_DIALECT_SQLITE) {
        switch (tl_kind_form(kind)) {
        case TL_FORM_I64: tl_buf_put_str(out, " INTEGER"); break;
        case TL_FORM_F64: tl_buf_put_str(out, " REAL"); break;
        case TL_FORM_TEXT: tl_buf_put_str(out, " TEXT"); break;
        }
        return;
    }
    switch (kind) {
    case TL_BOOLEAN: tl_buf_put_str(out, " BOOLEAN"); break;
    case TL_TINYINT:
    case TL_SMALLINT: tl_buf_put_str(out, " SMALLINT"); break;
    case TL_INT: tl_buf_put_str(out, " INTEGER"); break;
    case TL_FLOAT: tl_buf_put_str(out, " REAL"); break;
    case TL_DOUBLE: tl_buf_put_str(out, " DOUBLE PRECISION"); break;
    default: tl_buf_put_str(out, tl_kind_form(kind) == TL_FORM_TEXT ? " TEXT COLLATE \"C\"" : " BIGINT"); break;
    }
}

void tl_store_put_row_key(struct tl_buf *out, enum tl_dialect dialect)
{
    tl_buf_put_str(out, "_end_ms, _start_ms, ");
    tl_merge_view_put_indexed(out, dialect, "_key");
}

/* The last column and what follows: SQLite's primary key; in PostgreSQL an index that holds an expression is made by itself. There a row that is
 * written again each tick (speed's, a state) finds room in its page, and no index hears of it: with half of each page free and none on
 * _change, 10,000 rows written 20 times took 2.8 MB and 0.7 MB of index, all of them HOT, at 115,000 to 146,000 rows a second of processor
 * time; with full pages 29 MB and 1.3 MB at 75,000 to 78,000; with half of each page free and an index on _change 8 MB and 3.5 MB at 67,000. */
static void put_last_column(struct tl_buf *out, enum tl_dialect dialect, const char *name, bool batch)
{
    if (dialect == TL_DIALECT_SQLITE)
        tl_buf_printf(out, "%s BLOB NOT NULL, PRIMARY KEY (%s_end_ms, _start_ms, _key)) WITHOUT ROWID", name,
                      batch ? "_run, " : "");
    else
        tl_buf_printf(out, "%s BYTEA NOT NULL)%s", name, batch ? "" : " WITH (fillfactor = 50)");
}

/* Batch's table has _run in front of the key, speed's has _change. */
static void put_create_table(struct tl_buf *out, enum tl_dialect dialect, const struct tl_shape *shape, struct tl_sv table,
                             bool batch)
{
    const char *integer = dialect == TL_DIALECT_SQLITE ? "INTEGER NOT NULL, " : "BIGINT NOT NULL, ";

    tl_buf_put_str(out, "CREATE TABLE ");
    tl_merge_view_put_name(out, table);
    tl_buf_put_str(out, " (");
    for (uint32_t i = 0; i < shape->columns_count; i++) {
        const struct tl_shape_column *column = &shape->columns[i];

        if (tl_merge_view_is_window(column->role))
            continue;
        tl_store_put_stored_name(out, column);
        put_type(out, dialect, column->kind);
        tl_buf_put_str(out, ", ");
    }
    if (batch)
        tl_buf_printf(out, "_run %s", integer);
    tl_buf_printf(out, "_end_ms %s_start_ms %s_key %s", integer, integer,
                  dialect == TL_DIALECT_SQLITE ? "BLOB NOT NULL, " : "BYTEA NOT NULL, ");
    if (!shape->windowed)
        tl_buf_printf(out, "_partition %s_offset %s_row %s", integer, integer, integer);
    if (!batch)
        tl_buf_printf(out, "_change %s", integer);
    put_last_column(out, dialect, "_acc", batch);
}

/* An index keeps its name when its table is renamed. */
static enum tl_code make_index(struct tl_store *store, const char *what, const char *name, int64_t definition, struct tl_sv table,
                               const struct tl_buf *columns, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_printf(&sql, "CREATE %s tally_%s_%lld ON ", what, name, (long long)definition);
    tl_merge_view_put_name(&sql, table);
    tl_buf_put_str(&sql, " (");
    tl_buf_put_sv(&sql, tl_buf_sv(columns));
    tl_buf_put_str(&sql, ")");
    TL_TRY(tl_database_do_text(store->database, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code make_key_index(struct tl_store *store, const struct tl_merge_view *view, const char *name, struct tl_sv table,
                                   struct tl_err *err)
{
    struct tl_buf key, columns;
    enum tl_code rc;

    tl_buf_init(&key, 0);
    tl_buf_init(&columns, 0);
    tl_merge_view_put_key(&key, store->database->dialect, view, NULL);
    tl_buf_put_u8(&key, '\0');
    TL_TRY(tl_buf_check(&key, "an index", err));
    tl_merge_view_put_indexed(&columns, store->database->dialect, key.data);
    tl_buf_put_str(&columns, ", _end_ms");
    TL_TRY(make_index(store, "INDEX", name, view->definition, table, &columns, err));
out:
    tl_buf_done(&key);
    tl_buf_done(&columns);
    return rc;
}

static enum tl_code make_identity_index(struct tl_store *store, int64_t definition, const char *name, struct tl_sv table,
                                        const char *before, struct tl_err *err)
{
    struct tl_buf columns;
    enum tl_code rc = TL_OK;

    tl_buf_init(&columns, 0);
    if (store->database->dialect == TL_DIALECT_SQLITE)
        goto out; /* it is the primary key */
    tl_buf_put_str(&columns, before);
    tl_store_put_row_key(&columns, store->database->dialect);
    TL_TRY(make_index(store, "UNIQUE INDEX", name, definition, table, &columns, err));
out:
    tl_buf_done(&columns);
    return rc;
}

static enum tl_code make_state_table(struct tl_store *store, int64_t definition, struct tl_sv table, struct tl_err *err)
{
    enum tl_dialect dialect = store->database->dialect;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "CREATE TABLE ");
    tl_merge_view_put_name(&sql, table);
    tl_buf_put_str(&sql, dialect == TL_DIALECT_SQLITE
                             ? " (_end_ms INTEGER NOT NULL, _start_ms INTEGER NOT NULL, _key BLOB NOT NULL, "
                             : " (_end_ms BIGINT NOT NULL, _start_ms BIGINT NOT NULL, _key BYTEA NOT NULL, ");
    put_last_column(&sql, dialect, "_bytes", false);
    TL_TRY(tl_database_do_text(store->database, &sql, err));
    TL_TRY(make_identity_index(store, definition, "state", table, "", err));
out:
    tl_buf_done(&sql);
    return rc;
}

/* A replay's index stays with the table that it puts in place, under its own number. */
enum tl_code tl_tables_index_changes(struct tl_store *store, int64_t definition, bool windowed, struct tl_sv speed_table,
                                     struct tl_err *err)
{
    struct tl_buf columns;
    int64_t count = 0;
    enum tl_code rc = TL_OK;

    tl_buf_init(&columns, 0);
    if (!windowed)
        TL_TRY(
            tl_database_get(store->database, sql_change_indexes[store->database->dialect], &count, NULL, err, "t", speed_table));
    tl_buf_put_str(&columns, "_change");
    if (!windowed && count == 0)
        TL_TRY(make_index(store, "INDEX", "change", definition, speed_table, &columns, err));
out:
    tl_buf_done(&columns);
    return rc;
}

enum tl_code tl_tables_make(struct tl_store *store, const struct tl_shape *shape, const struct tl_merge_view *view,
                            struct tl_sv state_table, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    put_create_table(&sql, store->database->dialect, shape, view->speed_table, false);
    TL_TRY(tl_database_do_text(store->database, &sql, err));
    tl_buf_clear(&sql);
    put_create_table(&sql, store->database->dialect, shape, view->batch_table, true);
    TL_TRY(tl_database_do_text(store->database, &sql, err));
    TL_TRY(make_identity_index(store, view->definition, "speed", view->speed_table, "", err));
    TL_TRY(make_identity_index(store, view->definition, "batch", view->batch_table, "_run, ", err));
    TL_TRY(tl_tables_index_changes(store, view->definition, shape->windowed, view->speed_table, err));
    if (shape->cut_per_key) {
        TL_TRY(make_key_index(store, view, "key_speed", view->speed_table, err));
        TL_TRY(make_key_index(store, view, "key_batch", view->batch_table, err));
    }
    if (shape->state == TL_STATE_BESIDE)
        TL_TRY(make_state_table(store, view->definition, state_table, err));
    TL_TRY(comment_on_tables(store, view, shape->state == TL_STATE_BESIDE ? &state_table : NULL, err));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_tables_make_view(struct tl_store *store, const struct tl_merge_view *view, bool replaces, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_merge_view_put(&sql, store->database->dialect, view);
    if (replaces)
        TL_TRY(tl_database_replace_view(store->database, view->view, &sql, err));
    else
        TL_TRY(tl_database_do_text(store->database, &sql, err));
    TL_TRY(comment_on_view(store, view, err));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_tables_drop(struct tl_store *store, struct tl_sv name, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "DROP TABLE ");
    tl_merge_view_put_name(&sql, name);
    TL_TRY(tl_database_do_text(store->database, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_tables_rename(struct tl_store *store, struct tl_sv from, struct tl_sv to, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "ALTER TABLE ");
    tl_merge_view_put_name(&sql, from);
    tl_buf_put_str(&sql, " RENAME TO ");
    tl_merge_view_put_name(&sql, to);
    TL_TRY(tl_database_do_text(store->database, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}
