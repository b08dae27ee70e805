/* database_postgres.c: a store in a PostgreSQL server: transactions, statements, answers.
 *
 * A write transaction is READ COMMITTED and begins with a weak lock on tally_schema, so that what tables are called stays as it is until its end;
 * who must be alone takes the epoch row (store_handle.h), a definition a lock that only other definitions want. A read is a snapshot
 * (REPEATABLE READ, READ ONLY) with a lock that only the last step of a swap waits for, so that its tables are still called what it was told; it
 * waits for that step alone.
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

#include "base/clock.h"

enum { OID_FLOAT4 = 700, OID_FLOAT8 = 701 };
enum { FETCH_FIRST = 32, FETCH_MAX = 8192, FETCH_BYTES = 4 << 20 };

struct tl_pg_statement {
    struct tl_statement base;
    char *sql;
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

/* ---- the connection ---- */

static enum tl_code connect_and_check(struct tl_pg *pg, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_pg_connect(pg, err));
    TL_TRY(tl_pg_check_schema(pg, err));
    TL_TRY(tl_pg_take_lock(pg, err));
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
    free(pg->work);
    free(pg->who);
    free(database->place);
    free(pg);
}

/* ---- transactions ---- */

static const char sql_read_names[] = "SELECT names FROM tally_schema";
/* clang-format off */
#define LEAVES_OTHERS_IN_PEACE "SET LOCAL idle_in_transaction_session_timeout = '8s'"
static const char *const sql_begin[][5] = {
    /* The lock comes before the snapshot: what tables are called is as new as what is read. */
    [TL_BEGIN_READ] = {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "LOCK TABLE tally_schema IN ACCESS SHARE MODE"},
    [TL_BEGIN_WRITE] = {"BEGIN ISOLATION LEVEL READ COMMITTED", "LOCK TABLE tally_schema IN ROW SHARE MODE"},
    /* Who is stopped in the middle of a tick (SIGSTOP, a machine that is away) must not keep the epoch's row for ever. Who stands by ends such a
     * session sooner (fence.h), and knows it by the mode of this lock. */
    [TL_BEGIN_TICK] = {"BEGIN ISOLATION LEVEL READ COMMITTED", LEAVES_OTHERS_IN_PEACE, "LOCK TABLE tally_schema IN ROW EXCLUSIVE MODE"},
    [TL_BEGIN_BETWEEN_TICKS] = {"BEGIN ISOLATION LEVEL READ COMMITTED", LEAVES_OTHERS_IN_PEACE,
                                "LOCK TABLE tally_schema IN ROW SHARE MODE"},
    [TL_BEGIN_PUBLISH] = {"BEGIN ISOLATION LEVEL READ COMMITTED", "SET LOCAL idle_in_transaction_session_timeout = '30s'",
                          "LOCK TABLE tally_schema IN ROW SHARE MODE"},
    [TL_BEGIN_LOOK] = {"BEGIN ISOLATION LEVEL READ COMMITTED", LEAVES_OTHERS_IN_PEACE, "SET LOCAL lock_timeout = '500ms'",
                       "LOCK TABLE tally_schema IN ROW SHARE MODE"},
    [TL_BEGIN_DEFINE] = {"BEGIN ISOLATION LEVEL READ COMMITTED", "LOCK TABLE tally_schema IN SHARE UPDATE EXCLUSIVE MODE"},
    /* Ticks and dashboards queue up behind it while it waits: not for long. */
    [TL_BEGIN_SWAP] = {"BEGIN ISOLATION LEVEL READ COMMITTED", LEAVES_OTHERS_IN_PEACE, "SET LOCAL lock_timeout = '200ms'",
                       "LOCK TABLE tally_schema IN EXCLUSIVE MODE"},
};
/* clang-format on */

/* A statement of it may take as long as it likes: of a snapshot, in what batch writes, and where a swap deletes a large ledger. */
static bool may_take_long(enum tl_begin how)
{
    return how == TL_BEGIN_READ || how == TL_BEGIN_WRITE || how == TL_BEGIN_PUBLISH || how == TL_BEGIN_SWAP;
}

/* `snapshot`: another connection's, which keeps what tables are called as it is: there is nothing to lock. NULL: its own. */
static enum tl_code try_begin(struct tl_pg *pg, enum tl_begin how, const char *snapshot, int64_t *names, struct tl_err *err)
{
    PGresult *result = NULL;
    char limit[64];
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < TL_COUNT(sql_begin[how]) && sql_begin[how][i] != NULL; i++) {
        TL_TRY(tl_pg_send(pg, i > 0 && snapshot != NULL ? snapshot : sql_begin[how][i], "begin a transaction", err));
        if (i > 0 || pg->base.deadline_ms == 0)
            continue;
        snprintf(limit, sizeof limit, "SET LOCAL statement_timeout = %lld",
                 (long long)tl_max_i64(pg->base.deadline_ms - tl_clock_monotonic_ms(), 1));
        TL_TRY(tl_pg_send(pg, limit, "begin a transaction", err));
    }
    TL_TRY(tl_pg_send(pg, sql_read_names, "begin a transaction", err));
    pg->begun = true;
    pg->begun_write = how != TL_BEGIN_READ;
    pg->impatient = !may_take_long(how);
    TL_TRY(tl_pg_drain(pg, &result, err));
    if (PQntuples(result) != 1)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the schema is damaged: it does not say its version", pg->base.place));
    *names = tl_pg_i64(result, 0, 0);
out:
    PQclear(result);
    return rc;
}

static void ended(struct tl_pg *pg)
{
    pg->begun = pg->begun_write = pg->failed = false;
    pg->impatient = pg->base.writable;
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
    ended(pg);
}

static enum tl_code begin(struct tl_database *database, enum tl_begin how, const char *snapshot, int64_t *names,
                          struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(database);
    bool made, lost;
    enum tl_code rc;

    TL_TRY(ensure(pg, &made, err));
    rc = try_begin(pg, how, snapshot, names, err);
    lost = tl_pg_lost(pg);
    if (rc != TL_OK)
        op_rollback(database);
    if (rc != TL_OK && lost && !made) { /* it was cut while nobody looked */
        TL_TRY(ensure(pg, &made, err));
        rc = try_begin(pg, how, snapshot, names, err);
        if (rc != TL_OK)
            op_rollback(database);
    }
out:
    return rc;
}

static enum tl_code op_begin(struct tl_database *database, enum tl_begin how, int64_t *names, struct tl_err *err)
{
    return begin(database, how, NULL, names, err);
}

static enum tl_code op_begin_both(struct tl_database *database, struct tl_database *other, int64_t *names, bool *both,
                                  struct tl_err *err)
{
    static const char sql_export[] = "SELECT pg_export_snapshot()";
    struct tl_answer *answer = NULL;
    char set[128];
    bool row = false;
    enum tl_code rc;

    *both = false;
    TL_TRY(op_begin(database, TL_BEGIN_READ, names, err));
    TL_TRY(tl_database_ask(database, sql_export, &answer, err, ""));
    TL_TRY(tl_answer_next(answer, &row, err));
    snprintf(set, sizeof set, "SET TRANSACTION SNAPSHOT '%.*s'", TL_SV_ARG(tl_answer_text(answer, 0)));
    TL_TRY(begin(other, TL_BEGIN_READ, set, names, err));
    *both = true;
out:
    tl_answer_close(answer);
    if (rc != TL_OK)
        op_rollback(database);
    return rc;
}

/* Lost while the COMMIT is under way: nobody knows what became of it. What was heard first may be a pooler's own word, not the server's. */
static enum tl_code op_commit(struct tl_database *database, struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(database);
    PGresult *result = NULL;
    struct tl_err why = {.code = TL_OK};
    enum tl_code rc;

    if (!pg->begun_write) {
        op_rollback(database); /* it read only */
        return TL_OK;
    }
    TL_TRY(tl_pg_send(pg, "COMMIT", "commit", err));
    rc = tl_pg_drain(pg, &result, &why);
    if (rc == TL_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        rc = tl_fail(&why, TL_ERR_IO, "%s: commit: the server has rolled the transaction back", database->place);
    PQclear(result);
    if (rc == TL_OK) {
        ended(pg);
        return TL_OK;
    }
    if (tl_pg_lost(pg)) {
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
static char *with_dollars(struct tl_sv sql)
{
    char *text = malloc(sql.size + 1);
    char quote = 0;

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

    (void)database;
    (void)types;
    if (statement != NULL)
        statement->sql = with_dollars(sql);
    if (statement == NULL || statement->sql == NULL) {
        free(statement);
        return tl_fail_memory(err, sql.size);
    }
    *out = &statement->base;
    return TL_OK;
}

/* What it was called on the server goes with the connection: a definition's statements are made anew at a swap, and no more often. */
static void op_statement_close(struct tl_statement *base)
{
    struct tl_pg_statement *statement = (struct tl_pg_statement *)base;
    struct tl_pg *pg = tl_pg_of(base->database);

    for (size_t i = 0; i < pg->pending_count; i++)
        if (pg->pending[i].went_well == &statement->prepared)
            pg->pending[i].went_well = NULL;
    free(statement->sql);
    free(statement);
}

static const char *what_of(const struct tl_pg_statement *statement)
{
    return statement->base.what != NULL ? statement->base.what : "run a statement";
}

/* Sends it; the caller's parameters are copied by then. `sql` NULL: the statement's own text, prepared where it is used again. */
static enum tl_code send(struct tl_pg *pg, struct tl_pg_statement *statement, const char *sql, const struct tl_pg_params *params,
                         struct tl_err *err)
{
    const char *what = what_of(statement);
    bool again = statement->used && sql == NULL;
    int count = (int)params->count, sent;
    size_t bytes = strlen(sql != NULL ? sql : statement->sql);
    enum tl_code rc;

    for (size_t i = 0; i < params->count; i++)
        bytes += (size_t)params->lengths[i];
    TL_TRY(tl_pg_make_room(pg, what, bytes, err));
    if (again && (!statement->prepared || statement->connection != pg->connections)) {
        statement->connection = pg->connections;
        snprintf(statement->name, sizeof statement->name, "s%llu", (unsigned long long)++pg->names_given);
        if (!PQsendPrepare(pg->conn, statement->name, statement->sql, count, params->types))
            TL_TRY(tl_pg_fail(pg, err, what, NULL));
        tl_pg_note(pg, &statement->prepared, what);
        statement->prepared = true; /* for what is sent behind it; its answer says whether that was right */
    }
    sent = again ? PQsendQueryPrepared(pg->conn, statement->name, count, params->values, params->lengths, params->formats, 1)
                 : PQsendQueryParams(pg->conn, sql != NULL ? sql : statement->sql, count, params->types, params->values,
                                     params->lengths, params->formats, 1);
    if (!sent)
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    tl_pg_note(pg, NULL, what);
    statement->used = true;
    TL_TRY(tl_pg_sent(pg, what, bytes, err));
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

static enum tl_code run_stream(struct tl_pg *pg, struct tl_pg_statement *statement, const struct tl_pg_params *params,
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
                             const struct tl_pg_params *params, struct pg_answer *answer, int64_t *changed, struct tl_err *err)
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
    struct tl_pg_params params;
    bool made = false;
    enum tl_code rc;

    assert(how != TL_RUN_STREAM || pg->begun);
    TL_TRY(tl_pg_params_init(&params, base->types, false, err));
    TL_TRY(tl_pg_params_bind(&params, pg, what_of(statement), binds, err));
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
    tl_pg_params_done(&params);
    return rc;
}

static enum tl_code op_bulk(struct tl_statement *base, const struct tl_bulk_column *columns, const uint32_t *order,
                            size_t rows_count, struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(base->database);
    struct tl_pg_statement *statement = (struct tl_pg_statement *)base;
    struct tl_pg_params params;
    enum tl_code rc;

    (void)order; /* its tables are heaps */
    assert(pg->begun);
    TL_TRY(tl_pg_params_init(&params, base->types, true, err));
    for (size_t from = 0, to; from < rows_count; from = to) {
        TL_TRY(tl_pg_params_chunk(&params, pg, what_of(statement), columns, from, rows_count, &to, err));
        TL_TRY(tl_pg_params_rows(&params, base->types, columns, from, to, err));
        TL_TRY(send(pg, statement, NULL, &params, err));
    }
out:
    tl_pg_params_done(&params);
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

static void op_value(struct tl_answer *answer, int column, struct tl_value *value)
{
    value->is_null = op_null(answer, column);
    switch (tl_kind_form(value->kind)) {
    case TL_FORM_I64: value->i64 = op_i64(answer, column); break;
    case TL_FORM_F64: value->f64 = op_f64(answer, column); break;
    case TL_FORM_TEXT: value->sv = op_text(answer, column); break;
    }
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
    static const char sql_lock[] = "LOCK TABLE tally_schema IN ACCESS EXCLUSIVE MODE",
                      sql[] = "UPDATE tally_schema SET names = names + 1";
    enum tl_code rc;

    TL_TRY(tl_database_do(database, sql_lock, err, ""));
    TL_TRY(tl_database_do(database, sql, err, ""));
out:
    return rc;
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
    pg->failed = false; /* it is known, and ends here */
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
    .lock = tl_pg_lock,
    .begin = op_begin,
    .begin_both = op_begin_both,
    .commit = op_commit,
    .rollback = op_rollback,
    .begun = op_begun,
    .has_object = op_has_object,
    .names_changed = op_names_changed,
    .replace_view = op_replace_view,
    .version = op_version,
    .wait = tl_pg_wait,
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
    .value = op_value,
};

enum tl_code tl_database_postgres_open(const char *url, enum tl_store_mode mode, int64_t deadline_ms, struct tl_database **out,
                                       struct tl_err *err)
{
    struct tl_pg *pg = calloc(1, sizeof *pg);
    enum tl_code rc;

    if (pg == NULL)
        return tl_fail_memory(err, sizeof *pg);
    pg->base.driver = &postgres_driver;
    pg->base.dialect = TL_DIALECT_POSTGRES;
    pg->base.writable = mode == TL_STORE_WRITE;
    pg->base.deadline_ms = deadline_ms;
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
