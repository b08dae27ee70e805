/* database.c: what all drivers have in common: constants whose statements are kept, parameters out of an argument list, rows of a bulk statement. */
#include "store/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/sqlite_rows.h"

enum { BINDS_MAX = 20 };

/* ---- the connection ---- */

enum tl_code tl_database_open(const char *url, enum tl_store_mode mode, int64_t deadline_ms, struct tl_database **out,
                              struct tl_err *err)
{
    struct tl_sv text = tl_sv_from(url);

    if (tl_sv_starts(text, TL_SV("sqlite:")) && text.size > sizeof "sqlite:" - 1)
        return tl_database_sqlite_open(url + sizeof "sqlite:" - 1, mode, out, err);
    if (tl_sv_starts(text, TL_SV("postgresql://")) || tl_sv_starts(text, TL_SV("postgres://")))
        return tl_database_postgres_open(url, mode, deadline_ms, out, err);
    return tl_fail(err, TL_ERR_USAGE,
                   "--store %.*s: not the URL of a store; sqlite:PATH would do, as in sqlite:tally-data/views.db, or "
                   "postgresql://USER@HOST/DATABASE",
                   strchr(url, '@') != NULL ? 8 : 200, url); /* it may hold a password */
}

void tl_database_close(struct tl_database *database)
{
    if (database == NULL)
        return;
    for (size_t i = 0; i < database->kept_count; i++)
        tl_statement_close(database->kept[i].statement);
    database->driver->close(database);
}

enum tl_code tl_database_lock(struct tl_database *database, const char *work, const char *who, struct tl_err *err)
{
    return database->driver->lock != NULL ? database->driver->lock(database, work, who, err) : TL_OK;
}

enum tl_code tl_database_begin(struct tl_database *database, enum tl_begin how, int64_t *names, struct tl_err *err)
{
    if (database->driver->begun(database))
        return tl_fail(err, TL_ERR_IO, "%s: a transaction was to begin inside another one", database->place);
    if (how != TL_BEGIN_READ && !database->writable)
        return tl_fail(err, TL_ERR_IO, "%s: opened for reading only", database->place);
    return database->driver->begin(database, how, names, err);
}

enum tl_code tl_database_begin_both(struct tl_database *database, struct tl_database *other, int64_t *names, bool *both,
                                    struct tl_err *err)
{
    assert(database->driver == other->driver && !tl_database_begun(database) && !tl_database_begun(other));
    return database->driver->begin_both(database, other, names, both, err);
}

enum tl_code tl_database_commit(struct tl_database *database, struct tl_err *err)
{
    return database->driver->commit(database, err);
}

void tl_database_rollback(struct tl_database *database)
{
    if (database->driver->begun(database))
        database->driver->rollback(database);
}

bool tl_database_begun(const struct tl_database *database)
{
    return database->driver->begun(database);
}

enum tl_code tl_database_has_object(struct tl_database *database, struct tl_sv name, bool *there, struct tl_err *err)
{
    return database->driver->has_object(database, name, there, err);
}

enum tl_code tl_database_names_changed(struct tl_database *database, struct tl_err *err)
{
    return database->driver->names_changed(database, err);
}

enum tl_code tl_database_replace_view(struct tl_database *database, struct tl_sv name, const struct tl_buf *create,
                                      struct tl_err *err)
{
    return database->driver->replace_view(database, name, create, err);
}

enum tl_code tl_database_version(struct tl_database *database, int64_t *version, struct tl_err *err)
{
    return database->driver->version(database, version, err);
}

void tl_database_deadline(struct tl_database *database, int64_t at_ms)
{
    database->deadline_ms = at_ms;
    if (database->driver->deadline != NULL)
        database->driver->deadline(database);
}

enum tl_code tl_database_wait(struct tl_database *database, int64_t timeout_ms, int wake_fd, struct tl_err *err)
{
    return database->driver->wait(database, timeout_ms, wake_fd, err);
}

/* ---- statements ---- */

/* Takes `what`. */
static enum tl_code open_statement(struct tl_database *database, struct tl_sv sql, const char *types, char *what,
                                   struct tl_statement **out, struct tl_err *err)
{
    struct tl_statement *statement = NULL;
    char *own_types = strdup(types);
    enum tl_code rc = TL_OK;

    if (own_types == NULL)
        TL_TRY(tl_fail_memory(err, strlen(types)));
    TL_TRY(database->driver->statement(database, sql, types, &statement, err));
    statement->database = database;
    statement->types = own_types;
    statement->what = what;
    own_types = what = NULL;
    *out = statement;
out:
    free(own_types);
    free(what);
    return rc;
}

enum tl_code tl_database_prepare(struct tl_database *database, const struct tl_buf *sql, const char *types,
                                 struct tl_statement **out, struct tl_err *err, const char *what, ...)
{
    char *own_what = NULL;
    enum tl_code rc;
    va_list args;

    TL_TRY(tl_buf_check(sql, "a statement", err));
    va_start(args, what);
    if (vasprintf(&own_what, what, args) < 0)
        rc = tl_fail_memory(err, strlen(what));
    va_end(args);
    TL_TRY(rc);
    TL_TRY(open_statement(database, tl_buf_sv(sql), types, own_what, out, err));
out:
    return rc;
}

void tl_statement_close(struct tl_statement *statement)
{
    if (statement == NULL)
        return;
    free(statement->types);
    free(statement->what);
    statement->database->driver->statement_close(statement);
}

/* A constant says {ROWS} where the rows of a bulk statement stand. */
static enum tl_code open_constant(struct tl_database *database, const char *sql, const char *types, struct tl_statement **out,
                                  struct tl_err *err)
{
    static const char rows[] = "{ROWS}";
    const char *at = strstr(sql, rows);
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    if (at != NULL) {
        tl_buf_put(&text, sql, (size_t)(at - sql));
        tl_database_put_rows(&text, database->dialect, types);
        tl_buf_put_str(&text, at + sizeof rows - 1);
    } else {
        tl_buf_put_str(&text, sql);
    }
    TL_TRY(tl_buf_check(&text, "a statement", err));
    TL_TRY(open_statement(database, tl_buf_sv(&text), types, NULL, out, err));
out:
    tl_buf_done(&text);
    return rc;
}

static enum tl_code keep(struct tl_database *database, const char *sql, const char *types, struct tl_statement **out,
                         struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < database->kept_count; i++)
        if (database->kept[i].sql == sql) {
            *out = database->kept[i].statement;
            assert(strcmp((*out)->types, types) == 0);
            return TL_OK;
        }
    assert(database->kept_count < TL_DATABASE_STATEMENTS_MAX);
    TL_TRY(open_constant(database, sql, types, out, err));
    database->kept[database->kept_count].sql = sql;
    database->kept[database->kept_count].statement = *out;
    database->kept_count++;
out:
    return rc;
}

static void take_binds(struct tl_bind binds[BINDS_MAX], const char *types, va_list args)
{
    for (size_t i = 0; types[i] != '\0'; i++) {
        assert(i < BINDS_MAX);
        binds[i].type = types[i];
        switch (types[i]) {
        case 'i':
        case 'o': binds[i].i64 = va_arg(args, int64_t); break;
        case 'f': binds[i].f64 = va_arg(args, double); break;
        default: binds[i].sv = va_arg(args, struct tl_sv); break;
        }
    }
}

static enum tl_code run(struct tl_statement *statement, enum tl_run_how how, bool owned, struct tl_answer **out,
                        struct tl_err *err, va_list args)
{
    struct tl_bind binds[BINDS_MAX];

    take_binds(binds, statement->types, args);
    return statement->database->driver->run(statement, how, owned, binds, out, NULL, err);
}

static enum tl_code run_kept(struct tl_database *database, const char *sql, enum tl_run_how how, struct tl_answer **out,
                             struct tl_err *err, const char *types, va_list args)
{
    struct tl_statement *statement;
    enum tl_code rc;

    TL_TRY(keep(database, sql, types, &statement, err));
    TL_TRY(run(statement, how, false, out, err, args));
out:
    return rc;
}

enum tl_code tl_database_do(struct tl_database *database, const char *sql, struct tl_err *err, const char *types, ...)
{
    enum tl_code rc;
    va_list args;

    va_start(args, types);
    rc = run_kept(database, sql, TL_RUN_DO, NULL, err, types, args);
    va_end(args);
    return rc;
}

enum tl_code tl_database_ask(struct tl_database *database, const char *sql, struct tl_answer **out, struct tl_err *err,
                             const char *types, ...)
{
    enum tl_code rc;
    va_list args;

    va_start(args, types);
    rc = run_kept(database, sql, TL_RUN_ASK, out, err, types, args);
    va_end(args);
    return rc;
}

enum tl_code tl_database_stream(struct tl_database *database, const char *sql, struct tl_answer **out, struct tl_err *err,
                                const char *types, ...)
{
    enum tl_code rc;
    va_list args;

    va_start(args, types);
    rc = run_kept(database, sql, TL_RUN_STREAM, out, err, types, args);
    va_end(args);
    return rc;
}

enum tl_code tl_database_get(struct tl_database *database, const char *sql, int64_t *out, bool *found, struct tl_err *err,
                             const char *types, ...)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;
    va_list args;

    va_start(args, types);
    rc = run_kept(database, sql, TL_RUN_ASK, &answer, err, types, args);
    va_end(args);
    TL_TRY(rc);
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row)
        *out = tl_answer_i64(answer, 0);
    else if (found == NULL)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: no answer to: %s", database->place, sql));
    if (found != NULL)
        *found = row;
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_database_bulk(struct tl_database *database, const char *sql, const char *types,
                              const struct tl_bulk_column *columns, size_t rows_count, struct tl_err *err)
{
    struct tl_statement *statement;
    enum tl_code rc;

    TL_TRY(keep(database, sql, types, &statement, err));
    TL_TRY(tl_statement_bulk(statement, columns, rows_count, err));
out:
    return rc;
}

enum tl_code tl_database_do_text(struct tl_database *database, const struct tl_buf *sql, struct tl_err *err)
{
    struct tl_statement *statement = NULL;
    enum tl_code rc;

    TL_TRY(
        tl_database_prepare(database, sql, "", &statement, err, "run '%.*s'", (int)(sql->size < 60 ? sql->size : 60), sql->data));
    TL_TRY(database->driver->run(statement, TL_RUN_DO, false, NULL, NULL, NULL, err));
out:
    tl_statement_close(statement);
    return rc;
}

enum tl_code tl_database_stream_text(struct tl_database *database, const struct tl_buf *sql, struct tl_answer **out,
                                     struct tl_err *err, const char *types, ...)
{
    struct tl_statement *statement = NULL;
    enum tl_code rc;
    va_list args;

    TL_TRY(tl_database_prepare(database, sql, types, &statement, err, "read"));
    va_start(args, types);
    rc = run(statement, TL_RUN_STREAM, true, out, err, args);
    va_end(args);
out:
    if (rc != TL_OK)
        tl_statement_close(statement);
    return rc;
}

enum tl_code tl_statement_do(struct tl_statement *statement, struct tl_err *err, ...)
{
    enum tl_code rc;
    va_list args;

    va_start(args, err);
    rc = run(statement, TL_RUN_DO, false, NULL, err, args);
    va_end(args);
    return rc;
}

enum tl_code tl_statement_stream(struct tl_statement *statement, struct tl_answer **out, struct tl_err *err, ...)
{
    enum tl_code rc;
    va_list args;

    va_start(args, err);
    rc = run(statement, TL_RUN_STREAM, false, out, err, args);
    va_end(args);
    return rc;
}

enum tl_code tl_statement_stream_binds(struct tl_statement *statement, const struct tl_bind *binds, struct tl_answer **out,
                                       struct tl_err *err)
{
    return statement->database->driver->run(statement, TL_RUN_STREAM, false, binds, out, NULL, err);
}

enum tl_code tl_statement_change(struct tl_statement *statement, const struct tl_bind *binds, int64_t *changed,
                                 struct tl_err *err)
{
    return statement->database->driver->run(statement, TL_RUN_CHANGE, false, binds, NULL, changed, err);
}

enum tl_code tl_statement_bulk(struct tl_statement *statement, const struct tl_bulk_column *columns, size_t rows_count,
                               struct tl_err *err)
{
    return rows_count == 0 ? TL_OK : statement->database->driver->bulk(statement, columns, NULL, rows_count, err);
}

enum tl_code tl_statement_append(struct tl_statement *statement, const struct tl_bulk_column *columns, const uint32_t *order,
                                 size_t rows_count, struct tl_err *err)
{
    return rows_count == 0 ? TL_OK : statement->database->driver->bulk(statement, columns, order, rows_count, err);
}

static const char *array_of(char type)
{
    switch (type) {
    case 'o': return "boolean";
    case 'f': return "double precision";
    case 't': return "text";
    case 'b': return "bytea";
    default: return "bigint";
    }
}

static bool is_capital(char type)
{
    return type >= 'A' && type <= 'Z';
}

void tl_database_put_rows(struct tl_buf *out, enum tl_dialect dialect, const char *types)
{
    size_t at = 0;

    if (dialect == TL_DIALECT_SQLITE) {
        for (; types[at] != '\0'; at++)
            tl_buf_printf(out, "%s?%zu", at == 0 ? "VALUES (" : ", ", at + 1);
        tl_buf_put_str(out, ")");
        return;
    }
    tl_buf_put_str(out, "SELECT ");
    for (; is_capital(types[at]); at++)
        tl_buf_printf(out, "?%zu::%s, ", at + 1, array_of((char)(types[at] - 'A' + 'a')));
    tl_buf_put_str(out, "r.* FROM unnest(");
    for (size_t first = at; types[at] != '\0'; at++)
        tl_buf_printf(out, "%s?%zu::%s[]", at == first ? "" : ", ", at + 1, array_of(types[at]));
    tl_buf_put_str(out, ") AS r");
}

/* FAIL: with ABORT, SQLite would keep a copy of each page that the statement changes, in a file where they are more than 64 KB: of 1.94 million
 * rows 15,000 pages. */
const char *tl_database_insert_new(enum tl_dialect dialect)
{
    return dialect == TL_DIALECT_SQLITE ? "INSERT OR FAIL INTO " : "INSERT INTO ";
}

void tl_database_put_new_rows(struct tl_buf *out, enum tl_dialect dialect, const char *types)
{
    if (dialect == TL_DIALECT_SQLITE && strlen(types) <= TL_SQLITE_ROWS_COLUMNS)
        tl_sqlite_rows_put_select(out, strlen(types));
    else
        tl_database_put_rows(out, dialect, types);
}

/* ---- answers ---- */

enum tl_code tl_answer_next(struct tl_answer *answer, bool *row, struct tl_err *err)
{
    return answer->database->driver->next(answer, row, err);
}

void tl_answer_close(struct tl_answer *answer)
{
    if (answer != NULL)
        answer->database->driver->answer_close(answer);
}

bool tl_answer_null(struct tl_answer *answer, int column)
{
    return answer->database->driver->null(answer, column);
}

int64_t tl_answer_i64(struct tl_answer *answer, int column)
{
    return answer->database->driver->i64(answer, column);
}

double tl_answer_f64(struct tl_answer *answer, int column)
{
    return answer->database->driver->f64(answer, column);
}

struct tl_sv tl_answer_text(struct tl_answer *answer, int column)
{
    return answer->database->driver->text(answer, column);
}

struct tl_sv tl_answer_bytes(struct tl_answer *answer, int column)
{
    return answer->database->driver->bytes(answer, column);
}

void tl_answer_value(struct tl_answer *answer, int column, struct tl_value *value)
{
    answer->database->driver->value(answer, column, value);
}
