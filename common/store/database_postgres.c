/* database_postgres.c: a store in a PostgreSQL server: transactions, statements, answers.
 *
 * A write transaction is READ COMMITTED and begins with a weak lock on tally_schema, so that what tables are called stays as it is until its end;
 * who must be alone takes the epoch row (store_handle.h), a definition a lock that only other definitions want. A read is a snapshot
 * (REPEATABLE READ, READ ONLY) and waits for nobody.
 *
 * Statements that give nothing are sent and not waited for (postgres.h). Whoever asks, or commits, waits for all that was sent before. A
 * statement is prepared at its second use.
 *
 * Rows go in as arrays, one a column, in binary: INSERT ... SELECT ... FROM unnest($1, $2, ...), up to 4,096 of them a statement. COPY into a
 * temporary table and one upsert out of it is as fast, within what the machine's noise lets one see (bench_postgres_rate), and a prepared
 * statement a row a third of it; this way needs no second table, and no other state of the connection.
 *
 * Large answers come through a cursor, some hundred rows at a time, so that the connection is free for others meanwhile.
 *
 * A connection that is lost in a transaction fails it, and that is known; the next begin makes a new one. Lost while its COMMIT is under way,
 * nobody knows: TL_ERR_UNKNOWN. One that was lost while nothing was under way is made anew without a word. */
#include "store/postgres.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BULK_ROWS = 4096, BULK_BYTES = 8 << 20, VALUE_BYTES_MAX = 1000000000 };
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701
};
enum { OID_BOOLS = 1000, OID_BYTEAS = 1001, OID_TEXTS = 1009, OID_INT8S = 1016, OID_FLOAT8S = 1022 };
enum { FETCH_FIRST = 32, FETCH_MAX = 8192, FETCH_BYTES = 4 << 20 };

struct tl_pg_statement {
    struct tl_statement base;
    char *sql;
    size_t count; /* of parameters */
    bool used, prepared;
    uint64_t connection; /* on which it is prepared */
    char name[24];
};

struct pg_answer {
    struct tl_answer base;
    struct tl_statement *closes;
    PGresult *result;
    int row;
    char cursor[24]; /* "": the answer is whole */
    int fetched;     /* rows that were asked for: fewer came, so there are no more */
    uint64_t connection;
};

/* ---- the pipeline ---- */

static void note_pending(struct tl_pg *pg, struct tl_pg_statement *prepares, const char *what)
{
    struct tl_pg_pending *pending = &pg->pending[pg->pending_count++];

    pending->prepares = prepares;
    snprintf(pending->what, sizeof pending->what, "%s", what);
}

/* Room for two more, and a connection that they can be sent over. */
static enum tl_code make_room(struct tl_pg *pg, const char *what, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (pg->failed && !tl_pg_lost(pg))
        TL_TRY(tl_fail(err, TL_ERR_IO, "%s: %s: something has failed before in this transaction", pg->base.place, what));
    if (tl_pg_lost(pg))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    if (pg->pending_count + 2 > TL_PG_PENDING_MAX)
        TL_TRY(tl_pg_drain(pg, NULL, err));
out:
    return rc;
}

enum tl_code tl_pg_send(struct tl_pg *pg, const char *sql, const char *what, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(make_room(pg, what, err));
    if (!PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    note_pending(pg, NULL, what);
out:
    return rc;
}

/* The answer to the oldest that is pending. */
static PGresult *take_result(struct tl_pg *pg)
{
    PGresult *result = PQgetResult(pg->conn), *more;

    while (result != NULL && (more = PQgetResult(pg->conn)) != NULL) {
        PQclear(result); /* a lost connection may have a second word to say */
        result = more;
    }
    return result;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result); /* NULL: a fatal error */

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

enum tl_code tl_pg_drain(struct tl_pg *pg, PGresult **last, struct tl_err *err)
{
    PGresult *result = NULL;
    enum tl_code rc = TL_OK;

    if (pg->pending_count == 0)
        return TL_OK;
    pg->failure_at = SIZE_MAX;
    if (!PQpipelineSync(pg->conn))
        rc = tl_pg_fail(pg, err, pg->pending[0].what, NULL);
    for (size_t i = 0; i < pg->pending_count; i++) {
        struct tl_pg_pending *pending = &pg->pending[i];
        bool good;

        PQclear(result);
        result = take_result(pg);
        good = is_good(result);
        if (pending->prepares != NULL)
            pending->prepares->prepared = good;
        if (!good && rc == TL_OK) {
            rc = tl_pg_fail(pg, err, pending->what, result);
            pg->failure_at = tl_pg_is(result, "") ? i : SIZE_MAX;
        }
    }
    pg->pending_count = 0;
    PQclear(PQgetResult(pg->conn)); /* the end of the pipeline's run */
    if (rc != TL_OK)
        pg->failed = pg->begun;
    if (rc == TL_OK && last != NULL)
        *last = result;
    else
        PQclear(result);
    return rc;
}

enum tl_code tl_pg_exec(struct tl_pg *pg, const char *sql, const char *what, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_pg_send(pg, sql, what, err));
    TL_TRY(tl_pg_drain(pg, NULL, err));
out:
    return rc;
}

/* ---- the connection ---- */

static enum tl_code connect_and_check(struct tl_pg *pg, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_pg_connect(pg, err));
    TL_TRY(tl_pg_check_schema(pg, err));
out:
    if (rc != TL_OK)
        tl_pg_disconnect(pg);
    return rc;
}

/* Outside of a transaction: there is a connection, made anew if need be. *made says whether. */
static enum tl_code ensure(struct tl_pg *pg, bool *made, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    assert(!pg->begun);
    *made = tl_pg_lost(pg);
    if (*made)
        TL_TRY(connect_and_check(pg, err));
out:
    return rc;
}

static void op_close(struct tl_database *database)
{
    struct tl_pg *pg = tl_pg_of(database);

    tl_pg_disconnect(pg);
    free(pg->url);
    free(pg->schema);
    free(database->place);
    free(pg);
}

/* ---- transactions ---- */

static const char sql_read_names[] = "SELECT names FROM tally_schema";
static const char *const sql_begin[][4] = {
    [TL_BEGIN_READ] = {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"                                                          },
    [TL_BEGIN_WRITE] = { "BEGIN ISOLATION LEVEL READ COMMITTED",                                                                                                                            "LOCK TABLE tally_schema IN ROW SHARE MODE"},
 /* Who is stopped in the middle of a tick (SIGSTOP, a machine that is away) must not keep the epoch's row for ever: another one is to take
     * over within 10 s. */
    [TL_BEGIN_TICK] = {                                                                      "BEGIN ISOLATION LEVEL READ COMMITTED", "SET LOCAL idle_in_transaction_session_timeout = '5s'",
                       "LOCK TABLE tally_schema IN ROW SHARE MODE"},
    [TL_BEGIN_DEFINE] = {                                                                      "BEGIN ISOLATION LEVEL READ COMMITTED",                                    "LOCK TABLE tally_schema IN SHARE UPDATE EXCLUSIVE MODE"},
 /* Ticks queue up behind it while it waits: not for long. */
    [TL_BEGIN_SWAP] = {                                       "BEGIN ISOLATION LEVEL READ COMMITTED",                                                                                                                                                                                                                                      "SET LOCAL lock_timeout = '1s'",
                       "LOCK TABLE tally_schema IN EXCLUSIVE MODE"},
};

static enum tl_code try_begin(struct tl_pg *pg, enum tl_begin how, int64_t *names, struct tl_err *err)
{
    PGresult *result = NULL;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < TL_COUNT(sql_begin[how]) && sql_begin[how][i] != NULL; i++)
        TL_TRY(tl_pg_send(pg, sql_begin[how][i], "begin a transaction", err));
    TL_TRY(tl_pg_send(pg, sql_read_names, "begin a transaction", err));
    pg->begun = true;
    pg->begun_write = how != TL_BEGIN_READ;
    TL_TRY(tl_pg_drain(pg, &result, err));
    if (PQntuples(result) != 1)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the schema is damaged: it does not say its version", pg->base.place));
    *names = tl_pg_i64(result, 0, 0);
out:
    PQclear(result);
    return rc;
}

static void op_rollback(struct tl_database *database)
{
    struct tl_pg *pg = tl_pg_of(database);
    struct tl_err ignored;

    if (!tl_pg_lost(pg))
        (void)!tl_pg_drain(pg, NULL, &ignored);
    pg->failed = false; /* for the next line */
    if (tl_pg_lost(pg) || tl_pg_exec(pg, "ROLLBACK", "roll back", &ignored) != TL_OK)
        tl_pg_disconnect(pg);
    pg->begun = pg->begun_write = pg->failed = false;
}

static enum tl_code op_begin(struct tl_database *database, enum tl_begin how, int64_t *names, struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(database);
    bool made, lost;
    enum tl_code rc;

    TL_TRY(ensure(pg, &made, err));
    rc = try_begin(pg, how, names, err);
    lost = tl_pg_lost(pg);
    if (rc != TL_OK)
        op_rollback(database);
    if (rc != TL_OK && lost && !made) { /* it was cut while nobody looked */
        TL_TRY(ensure(pg, &made, err));
        rc = try_begin(pg, how, names, err);
        if (rc != TL_OK)
            op_rollback(database);
    }
out:
    return rc;
}

/* Lost while the COMMIT is under way: unless the server has said before that something else failed, nobody knows what became of it. */
static enum tl_code op_commit(struct tl_database *database, struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(database);
    PGresult *result = NULL;
    struct tl_err why = {.code = TL_OK};
    size_t commit_at;
    enum tl_code rc;

    if (!pg->begun_write) {
        op_rollback(database); /* it read only */
        return TL_OK;
    }
    TL_TRY(tl_pg_send(pg, "COMMIT", "commit", err));
    commit_at = pg->pending_count - 1;
    rc = tl_pg_drain(pg, &result, &why);
    if (rc == TL_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        rc = tl_fail(&why, TL_ERR_IO, "%s: commit: the server has rolled the transaction back", database->place);
    PQclear(result);
    if (rc == TL_OK) {
        pg->begun = pg->begun_write = false;
        return TL_OK;
    }
    if (tl_pg_lost(pg) && pg->failure_at >= commit_at) {
        tl_pg_disconnect(pg);
        return tl_fail(err, TL_ERR_UNKNOWN, "%s; whether the commit has happened is not known", why.message);
    }
    if (err != NULL)
        *err = why;
out:
    return rc;
}

static bool op_begun(const struct tl_database *database)
{
    return ((const struct tl_pg *)database)->begun;
}

/* ---- statements ---- */

/* ?1 becomes $1, but not in 'a text' or in "a name". */
static char *with_dollars(struct tl_sv sql, size_t *count)
{
    char *text = malloc(sql.size + 1);
    char quote = 0;

    *count = 0;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < sql.size; i++) {
        char c = sql.data[i];

        text[i] = c;
        if (quote != 0)
            quote = c == quote ? 0 : quote;
        else if (c == '\'' || c == '"')
            quote = c;
        else if (c == '?')
            text[i] = '$';
    }
    text[sql.size] = '\0';
    return text;
}

static enum tl_code op_statement(struct tl_database *database, struct tl_sv sql, const char *types, struct tl_statement **out,
                                 struct tl_err *err)
{
    struct tl_pg_statement *statement = calloc(1, sizeof *statement);
    size_t ignored;

    (void)database;
    if (statement != NULL)
        statement->sql = with_dollars(sql, &ignored);
    if (statement == NULL || statement->sql == NULL) {
        free(statement);
        return tl_fail_memory(err, sql.size);
    }
    statement->count = strlen(types);
    *out = &statement->base;
    return TL_OK;
}

/* What it was called on the server goes with the connection: a definition's statements are made anew at a swap, and no more often. */
static void op_statement_close(struct tl_statement *base)
{
    struct tl_pg_statement *statement = (struct tl_pg_statement *)base;
    struct tl_pg *pg = tl_pg_of(base->database);

    for (size_t i = 0; i < pg->pending_count; i++)
        if (pg->pending[i].prepares == statement)
            pg->pending[i].prepares = NULL;
    free(statement->sql);
    free(statement);
}

static const char *what_of(const struct tl_pg_statement *statement)
{
    return statement->base.what != NULL ? statement->base.what : "run a statement";
}

static Oid type_of(char type, bool bulk)
{
    switch (type) {
    case 'o': return bulk ? OID_BOOLS : OID_BOOL;
    case 'f': return bulk ? OID_FLOAT8S : OID_FLOAT8;
    case 't': return bulk ? OID_TEXTS : OID_TEXT;
    case 'b': return bulk ? OID_BYTEAS : OID_BYTEA;
    case 'O': return OID_BOOL;
    case 'F': return OID_FLOAT8;
    case 'T': return OID_TEXT;
    case 'B': return OID_BYTEA;
    case 'I': return OID_INT8;
    default: return bulk ? OID_INT8S : OID_INT8;
    }
}

/* The parameters of one run, each in binary. */
struct pg_params {
    Oid *types;
    const char **values;
    int *lengths, *formats;
    struct tl_buf *bytes; /* of each, where it is not where `values` points by itself */
    size_t count;
};

static void params_done(struct pg_params *params)
{
    for (size_t i = 0; params->bytes != NULL && i < params->count; i++)
        tl_buf_done(&params->bytes[i]);
    free(params->bytes);
    free(params->types);
    free(params->values);
    free(params->lengths);
    free(params->formats);
}

/* To be done in any case. */
static enum tl_code params_init(struct pg_params *params, const struct tl_pg_statement *statement, bool bulk, struct tl_err *err)
{
    size_t count = statement->count;

    *params = (struct pg_params){.count = count,
                                 .types = malloc((count + 1) * sizeof *params->types),
                                 .values = calloc(count + 1, sizeof *params->values),
                                 .lengths = calloc(count + 1, sizeof *params->lengths),
                                 .formats = malloc((count + 1) * sizeof *params->formats),
                                 .bytes = calloc(count + 1, sizeof *params->bytes)};
    if (params->types == NULL || params->values == NULL || params->lengths == NULL || params->formats == NULL ||
        params->bytes == NULL)
        return tl_fail_memory(err, count * sizeof *params->bytes);
    for (size_t i = 0; i < count; i++) {
        params->types[i] = type_of(statement->base.types[i], bulk);
        params->formats[i] = 1;
    }
    return TL_OK;
}

static void put_be32(struct tl_buf *out, uint32_t value)
{
    value = htobe32(value);
    tl_buf_put(out, &value, sizeof value);
}

static void put_be64(struct tl_buf *out, uint64_t value)
{
    value = htobe64(value);
    tl_buf_put(out, &value, sizeof value);
}

static void put_number(struct tl_buf *out, char type, int64_t number, double real)
{
    uint64_t bits;

    if (type == 'o' || type == 'O') {
        tl_buf_put_u8(out, number != 0);
    } else if (type == 'f' || type == 'F') {
        memcpy(&bits, &real, sizeof bits);
        put_be64(out, bits);
    } else {
        put_be64(out, (uint64_t)number);
    }
}

static enum tl_code check_size(struct tl_pg *pg, const char *what, size_t bytes, struct tl_err *err)
{
    if (bytes > VALUE_BYTES_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%s: %s: a row of %zu bytes is larger than PostgreSQL takes (1 GB)", pg->base.place,
                       what, bytes);
    return TL_OK;
}

/* Sends it; the caller's parameters are copied by then. `sql` NULL: the statement's own text, prepared where it is used again. */
static enum tl_code send(struct tl_pg *pg, struct tl_pg_statement *statement, const char *sql, const struct pg_params *params,
                         struct tl_err *err)
{
    const char *what = what_of(statement);
    bool again = statement->used && sql == NULL;
    int count = (int)params->count, sent;
    enum tl_code rc;

    TL_TRY(make_room(pg, what, err));
    if (again && (!statement->prepared || statement->connection != pg->connections)) {
        statement->connection = pg->connections;
        snprintf(statement->name, sizeof statement->name, "s%llu", (unsigned long long)++pg->names_given);
        if (!PQsendPrepare(pg->conn, statement->name, statement->sql, count, params->types))
            TL_TRY(tl_pg_fail(pg, err, what, NULL));
        note_pending(pg, statement, what);
        statement->prepared = true; /* for what is sent behind it; its answer says whether that was right */
    }
    sent = again ? PQsendQueryPrepared(pg->conn, statement->name, count, params->values, params->lengths, params->formats, 1)
                 : PQsendQueryParams(pg->conn, sql != NULL ? sql : statement->sql, count, params->types, params->values,
                                     params->lengths, params->formats, 1);
    if (!sent)
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    note_pending(pg, NULL, what);
    statement->used = true;
out:
    return rc;
}

static enum tl_code bind_all(struct tl_pg *pg, const struct tl_pg_statement *statement, const struct tl_bind *binds,
                             struct pg_params *params, struct tl_err *err)
{
    size_t bytes = 0;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < params->count; i++) {
        char type = statement->base.types[i];

        if (type == 't' || type == 'b') {
            params->values[i] = binds[i].sv.size == 0 ? "" : binds[i].sv.data;
            bytes += binds[i].sv.size;
            TL_TRY(check_size(pg, what_of(statement), bytes, err));
            params->lengths[i] = (int)binds[i].sv.size;
        } else {
            tl_buf_init(&params->bytes[i], 0);
            put_number(&params->bytes[i], type, binds[i].i64, binds[i].f64);
            TL_TRY(tl_buf_check(&params->bytes[i], "a statement", err));
            params->values[i] = params->bytes[i].data;
            params->lengths[i] = (int)params->bytes[i].size;
        }
    }
out:
    return rc;
}

static enum tl_code open_answer(struct tl_pg *pg, struct pg_answer **out, struct tl_err *err)
{
    struct pg_answer *answer = calloc(1, sizeof *answer);

    if (answer == NULL)
        return tl_fail_memory(err, sizeof *answer);
    answer->base.database = &pg->base;
    answer->row = -1;
    answer->connection = pg->connections;
    *out = answer;
    return TL_OK;
}

static enum tl_code fetch(struct tl_pg *pg, struct pg_answer *answer, int rows, struct tl_err *err)
{
    char sql[80];
    enum tl_code rc;

    snprintf(sql, sizeof sql, "FETCH FORWARD %d FROM %s", rows, answer->cursor);
    TL_TRY(tl_pg_send(pg, sql, "read", err));
    PQclear(answer->result);
    answer->result = NULL;
    TL_TRY(tl_pg_drain(pg, &answer->result, err));
    answer->fetched = rows;
    answer->row = -1;
out:
    return rc;
}

static enum tl_code run_stream(struct tl_pg *pg, struct tl_pg_statement *statement, const struct pg_params *params,
                               struct pg_answer *answer, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    snprintf(answer->cursor, sizeof answer->cursor, "c%llu", (unsigned long long)++pg->names_given);
    tl_buf_printf(&sql, "DECLARE %s BINARY NO SCROLL CURSOR FOR ", answer->cursor);
    tl_buf_put_str(&sql, statement->sql);
    tl_buf_put_u8(&sql, '\0');
    TL_TRY(tl_buf_check(&sql, "a statement", err));
    TL_TRY(send(pg, statement, sql.data, params, err));
    TL_TRY(fetch(pg, answer, FETCH_FIRST, err));
out:
    tl_buf_done(&sql);
    return rc;
}

/* Sends it, and takes its answer where somebody wants one. */
static enum tl_code run_once(struct tl_pg *pg, struct tl_pg_statement *statement, enum tl_run_how how,
                             const struct pg_params *params, struct pg_answer *answer, int64_t *changed, struct tl_err *err)
{
    PGresult *result = NULL;
    enum tl_code rc;

    if (how == TL_RUN_STREAM)
        return run_stream(pg, statement, params, answer, err);
    TL_TRY(send(pg, statement, NULL, params, err));
    if (how == TL_RUN_DO && pg->begun)
        goto out;
    TL_TRY(tl_pg_drain(pg, &result, err));
    if (how == TL_RUN_ASK) {
        answer->result = result;
        result = NULL;
    } else if (how == TL_RUN_CHANGE) {
        *changed = strtoll(PQcmdTuples(result), NULL, 10);
    }
out:
    PQclear(result);
    return rc;
}

static void op_answer_close(struct tl_answer *base)
{
    struct pg_answer *answer = (struct pg_answer *)base;
    struct tl_pg *pg = tl_pg_of(base->database);
    struct tl_statement *closes = answer->closes;
    struct tl_err ignored;
    char sql[40];

    if (answer->cursor[0] != '\0' && answer->result != NULL && pg->begun && !pg->failed &&
        answer->connection == pg->connections) {
        snprintf(sql, sizeof sql, "CLOSE %s", answer->cursor);
        (void)!tl_pg_send(pg, sql, "read", &ignored);
    }
    PQclear(answer->result);
    free(answer);
    tl_statement_close(closes);
}

static enum tl_code op_run(struct tl_statement *base, enum tl_run_how how, bool owned, const struct tl_bind *binds,
                           struct tl_answer **out, int64_t *changed, struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(base->database);
    struct tl_pg_statement *statement = (struct tl_pg_statement *)base;
    struct pg_answer *answer = NULL;
    struct pg_params params;
    bool made = false;
    enum tl_code rc;

    assert(how != TL_RUN_STREAM || pg->begun);
    TL_TRY(params_init(&params, statement, false, err));
    TL_TRY(bind_all(pg, statement, binds, &params, err));
    if (!pg->begun)
        TL_TRY(ensure(pg, &made, err));
    if (how == TL_RUN_ASK || how == TL_RUN_STREAM)
        TL_TRY(open_answer(pg, &answer, err));
    rc = run_once(pg, statement, how, &params, answer, changed, err);
    /* A question that is no part of a transaction is asked once more where the connection was cut while nobody looked. */
    if (rc != TL_OK && how == TL_RUN_ASK && !pg->begun && !made && tl_pg_lost(pg)) {
        TL_TRY(ensure(pg, &made, err));
        rc = run_once(pg, statement, how, &params, answer, changed, err);
    }
    TL_TRY(rc);
    if (answer != NULL) {
        answer->closes = owned ? base : NULL;
        *out = &answer->base;
        answer = NULL;
    }
out:
    if (answer != NULL)
        op_answer_close(&answer->base);
    params_done(&params);
    return rc;
}

/* ---- many rows ---- */

static struct tl_sv text_at(const struct tl_bulk_column *column, size_t row)
{
    const void *cell = (const char *)column->at + row * column->stride;

    return column->layout == TL_LAYOUT_CSTRING ? tl_sv_from(*(const char *const *)cell) : *(const struct tl_sv *)cell;
}

static bool is_null(const struct tl_bulk_column *column, size_t row)
{
    if (column->layout == TL_LAYOUT_CSTRING)
        return *(const char *const *)(const void *)((const char *)column->at + row * column->stride) == NULL;
    return column->null != NULL && column->null[row] != 0;
}

static bool is_text(const struct tl_bulk_column *column)
{
    return column->layout == TL_LAYOUT_SV || column->layout == TL_LAYOUT_CSTRING;
}

static void put_cell(struct tl_buf *out, char type, const struct tl_bulk_column *column, size_t row)
{
    const void *cell = (const char *)column->at + row * column->stride;
    int64_t number = 0;
    double real = 0;

    switch (column->layout) {
    case TL_LAYOUT_I64: number = *(const int64_t *)cell; break;
    case TL_LAYOUT_U32: number = *(const uint32_t *)cell; break;
    case TL_LAYOUT_U8: number = *(const uint8_t *)cell; break;
    case TL_LAYOUT_F64: real = *(const double *)cell; break;
    case TL_LAYOUT_SV:
    case TL_LAYOUT_CSTRING: tl_buf_put_sv(out, text_at(column, row)); return;
    }
    put_number(out, type, number, real);
}

/* An array as PostgreSQL's array_recv reads it: dimensions, whether it has NULLs, the type; size and lower bound; each value behind its
 * size, -1 for NULL. */
static void put_array(struct tl_buf *out, char type, const struct tl_bulk_column *column, size_t from, size_t to)
{
    bool text = is_text(column);
    uint32_t bytes = type == 'o' ? 1 : 8;

    put_be32(out, 1);
    put_be32(out, column->null != NULL || column->layout == TL_LAYOUT_CSTRING);
    put_be32(out, type_of(type, false));
    put_be32(out, (uint32_t)(to - from));
    put_be32(out, 1);
    for (size_t row = from; row < to; row++) {
        if (is_null(column, row)) {
            put_be32(out, UINT32_MAX);
            continue;
        }
        put_be32(out, text ? (uint32_t)text_at(column, row).size : bytes);
        put_cell(out, type, column, row);
    }
}

/* How many rows from `from` on go into one statement: at least one. */
static enum tl_code chunk_of(struct tl_pg *pg, const struct tl_pg_statement *statement, const struct tl_bulk_column *columns,
                             size_t from, size_t rows_count, size_t *to, struct tl_err *err)
{
    size_t sum = 0, row = from;
    enum tl_code rc = TL_OK;

    for (; row < rows_count && row - from < BULK_ROWS; row++) {
        size_t bytes = 0;

        for (size_t i = 0; i < statement->count; i++)
            bytes += 4 + (is_text(&columns[i]) ? is_null(&columns[i], row) ? 0 : text_at(&columns[i], row).size : 8);
        if (row > from && sum + bytes > BULK_BYTES)
            break;
        TL_TRY(check_size(pg, what_of(statement), bytes, err));
        sum += bytes;
    }
    *to = row;
out:
    return rc;
}

static enum tl_code op_bulk(struct tl_statement *base, const struct tl_bulk_column *columns, size_t rows_count,
                            struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(base->database);
    struct tl_pg_statement *statement = (struct tl_pg_statement *)base;
    struct pg_params params;
    enum tl_code rc;

    assert(pg->begun);
    TL_TRY(params_init(&params, statement, true, err));
    for (size_t from = 0, to; from < rows_count; from = to) {
        TL_TRY(chunk_of(pg, statement, columns, from, rows_count, &to, err));
        for (size_t i = 0; i < params.count; i++) {
            struct tl_buf *bytes = &params.bytes[i];
            char type = base->types[i];

            tl_buf_clear(bytes);
            if (type >= 'A' && type <= 'Z')
                put_cell(bytes, type, &columns[i], 0);
            else
                put_array(bytes, type, &columns[i], from, to);
            TL_TRY(tl_buf_check(bytes, "rows", err));
            params.values[i] = bytes->size == 0 ? "" : bytes->data;
            params.lengths[i] = (int)bytes->size;
        }
        TL_TRY(send(pg, statement, NULL, &params, err));
    }
out:
    params_done(&params);
    return rc;
}

/* ---- answers ---- */

static enum tl_code op_next(struct tl_answer *base, bool *row, struct tl_err *err)
{
    struct pg_answer *answer = (struct pg_answer *)base;
    struct tl_pg *pg = tl_pg_of(base->database);
    int rows;
    enum tl_code rc = TL_OK;

    if (answer->cursor[0] != '\0' && answer->row + 1 >= PQntuples(answer->result) &&
        PQntuples(answer->result) == answer->fetched) {
        rows = answer->fetched;
        if (PQresultMemorySize(answer->result) < FETCH_BYTES)
            rows = rows * 4 < FETCH_MAX ? rows * 4 : FETCH_MAX;
        else if (PQresultMemorySize(answer->result) > (size_t)4 * FETCH_BYTES)
            rows = rows > 4 ? rows / 4 : 1;
        TL_TRY(fetch(pg, answer, rows, err));
    }
    *row = answer->row + 1 < PQntuples(answer->result);
    answer->row += *row;
out:
    return rc;
}

int64_t tl_pg_i64(const PGresult *result, int row, int column)
{
    const char *data = PQgetvalue(result, row, column);
    uint64_t bits64;
    uint32_t bits32;
    uint16_t bits16;

    if (PQgetisnull(result, row, column))
        return 0;
    switch (PQgetlength(result, row, column)) {
    case 8: memcpy(&bits64, data, sizeof bits64); return (int64_t)be64toh(bits64);
    case 4: memcpy(&bits32, data, sizeof bits32); return (int32_t)be32toh(bits32);
    case 2: memcpy(&bits16, data, sizeof bits16); return (int16_t)be16toh(bits16);
    case 1: return data[0];
    default: return 0;
    }
}

static int64_t op_i64(struct tl_answer *base, int column)
{
    const struct pg_answer *answer = (const struct pg_answer *)base;

    return tl_pg_i64(answer->result, answer->row, column);
}

static bool op_null(struct tl_answer *base, int column)
{
    const struct pg_answer *answer = (const struct pg_answer *)base;

    return PQgetisnull(answer->result, answer->row, column) != 0;
}

static double op_f64(struct tl_answer *base, int column)
{
    const struct pg_answer *answer = (const struct pg_answer *)base;
    const char *data = PQgetvalue(answer->result, answer->row, column);
    uint64_t bits64;
    uint32_t bits32;
    double wide = 0;
    float narrow;

    if (PQgetisnull(answer->result, answer->row, column))
        return 0;
    if (PQftype(answer->result, column) == OID_FLOAT4) {
        memcpy(&bits32, data, sizeof bits32);
        bits32 = be32toh(bits32);
        memcpy(&narrow, &bits32, sizeof narrow);
        return narrow;
    }
    assert(PQftype(answer->result, column) == OID_FLOAT8);
    memcpy(&bits64, data, sizeof bits64);
    bits64 = be64toh(bits64);
    memcpy(&wide, &bits64, sizeof wide);
    return wide;
}

static struct tl_sv op_text(struct tl_answer *base, int column)
{
    const struct pg_answer *answer = (const struct pg_answer *)base;

    if (PQgetisnull(answer->result, answer->row, column))
        return (struct tl_sv){NULL, 0};
    return (struct tl_sv){PQgetvalue(answer->result, answer->row, column),
                          (size_t)PQgetlength(answer->result, answer->row, column)};
}

/* ---- what is PostgreSQL's own ---- */

static enum tl_code op_has_object(struct tl_database *database, struct tl_sv name, bool *there, struct tl_err *err)
{
    static const char sql[] =
        "SELECT count(*) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
        " AND lower(relname::text COLLATE \"C\") = lower(?1 COLLATE \"C\")";
    int64_t count = 0;
    enum tl_code rc;

    TL_TRY(tl_database_get(database, sql, &count, NULL, err, "t", name));
    *there = count != 0;
out:
    return rc;
}

static enum tl_code op_names_changed(struct tl_database *database, struct tl_err *err)
{
    static const char sql[] = "UPDATE tally_schema SET names = names + 1";

    return tl_database_do(database, sql, err, "");
}

/* The view is replaced where its columns allow it, so that what people made on top of it, and whom they let read it, stays. Else it is made
 * anew, which fails where something depends on it. */
static enum tl_code op_replace_view(struct tl_database *database, struct tl_sv name, const struct tl_buf *create,
                                    struct tl_err *err)
{
    static const char head[] = "CREATE VIEW ";
    struct tl_pg *pg = tl_pg_of(database);
    struct tl_err refused = {.code = TL_OK};
    PGresult *result = NULL;
    struct tl_buf sql;
    bool fits;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    assert(create->size > sizeof head && memcmp(create->data, head, sizeof head - 1) == 0);
    tl_buf_put_str(&sql, "CREATE OR REPLACE VIEW ");
    tl_buf_put(&sql, create->data + sizeof head - 1, create->size - (sizeof head - 1));
    tl_buf_put_u8(&sql, '\0');
    TL_TRY(tl_buf_check(&sql, "a statement", err));
    TL_TRY(tl_pg_exec(pg, "SAVEPOINT view", "replace a view", err));
    rc = tl_pg_exec(pg, sql.data, "replace a view", &refused);
    fits = rc == TL_OK;
    if (!fits && (tl_pg_lost(pg) || strstr(refused.message, "SQLSTATE 42P16") == NULL)) {
        if (err != NULL)
            *err = refused;
        goto out;
    }
    pg->failed = false;
    TL_TRY(tl_pg_exec(pg, fits ? "RELEASE SAVEPOINT view" : "ROLLBACK TO SAVEPOINT view", "replace a view", err));
    if (fits)
        goto out;
    tl_buf_clear(&sql);
    tl_buf_put_str(&sql, "DROP VIEW ");
    tl_merge_view_put_name(&sql, name);
    TL_TRY(tl_database_do_text(database, &sql, err));
    TL_TRY(tl_database_do_text(database, create, err));
out:
    PQclear(result);
    tl_buf_done(&sql);
    return rc;
}

/* Ticks and publications take a change number, swaps another one. */
static enum tl_code op_version(struct tl_database *database, int64_t *version, struct tl_err *err)
{
    static const char sql[] = "SELECT c.change + s.names * 1099511627776 FROM tally_change AS c, tally_schema AS s";

    return tl_database_get(database, sql, version, NULL, err, "");
}

static const struct tl_database_driver postgres_driver = {
    .close = op_close,
    .begin = op_begin,
    .commit = op_commit,
    .rollback = op_rollback,
    .begun = op_begun,
    .has_object = op_has_object,
    .names_changed = op_names_changed,
    .replace_view = op_replace_view,
    .version = op_version,
    .statement = op_statement,
    .statement_close = op_statement_close,
    .run = op_run,
    .bulk = op_bulk,
    .next = op_next,
    .answer_close = op_answer_close,
    .null = op_null,
    .i64 = op_i64,
    .f64 = op_f64,
    .text = op_text,
    .bytes = op_text,
};

enum tl_code tl_database_postgres_open(const char *url, enum tl_store_mode mode, struct tl_database **out, struct tl_err *err)
{
    struct tl_pg *pg = calloc(1, sizeof *pg);
    enum tl_code rc;

    if (pg == NULL)
        return tl_fail_memory(err, sizeof *pg);
    pg->base.driver = &postgres_driver;
    pg->base.dialect = TL_DIALECT_POSTGRES;
    pg->base.writable = mode == TL_STORE_WRITE;
    pg->base.place = strdup("postgresql:");
    if (pg->base.place == NULL)
        TL_TRY(tl_fail_memory(err, 16));
    TL_TRY(tl_pg_take_url(pg, url, err));
    TL_TRY(connect_and_check(pg, err));
    *out = &pg->base;
    pg = NULL;
out:
    if (pg != NULL)
        tl_database_close(&pg->base);
    return rc;
}
