/* store_epoch.c: who may write the speed tables: the epoch row, and what the functions of each epoch worked with. */
#include <stdio.h>

#include "store/store_handle.h"

/* clang-format off */
static const char sql_epoch[] = "SELECT epoch, challenge, answer, change, owner FROM tally_epoch";
/* SQLite has one lock for all that write, and a transaction to write holds it from its beginning. */
static const char *const sql_lock_epoch[] = {
    [TL_DIALECT_SQLITE] = sql_epoch,
    [TL_DIALECT_POSTGRES] = "SELECT epoch, challenge, answer, change, owner FROM tally_epoch FOR UPDATE",
};
static const char sql_take_epoch[] = "UPDATE tally_epoch SET epoch = epoch + 1, owner = ?1";
static const char sql_challenge[] = "UPDATE tally_epoch SET challenge = challenge + 1 RETURNING challenge";
static const char sql_answer[] = "UPDATE tally_epoch SET answer = ?1";
static const char sql_answer_all[] = "UPDATE tally_epoch SET answer = challenge";
static const char sql_answer_by_tick[] = "UPDATE tally_epoch SET answer = challenge, change = ?1";
static const char sql_leave_epoch[] = "UPDATE tally_epoch SET owner = '' WHERE epoch = ?1";
static const char sql_put_versions[] =
    "INSERT INTO tally_epoch_versions (epoch, versions) SELECT ?1, ?2"
    " WHERE ?2 IS DISTINCT FROM (SELECT versions FROM tally_epoch_versions ORDER BY epoch DESC LIMIT 1)";
/* Who holds a lock that only whoever has locked the row or waits for it can have, and does nothing but wait for his own client. */
static const char *const sql_silent_holder[] = {
    [TL_DIALECT_SQLITE] = NULL,
    [TL_DIALECT_POSTGRES] =
        "SELECT a.pid, CAST(extract(epoch FROM a.query_start) * 1000000 AS BIGINT), EXISTS (SELECT 1 FROM pg_locks AS t"
        " WHERE t.pid = a.pid AND t.relation = CAST('tally_schema' AS regclass) AND t.mode = 'RowExclusiveLock')"
        " FROM pg_stat_activity AS a"
        " JOIN pg_locks AS l ON l.pid = a.pid WHERE l.locktype = 'relation' AND l.relation = CAST('tally_epoch' AS regclass)"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND l.mode IN ('RowShareLock', 'RowExclusiveLock') AND l.granted AND a.wait_event_type = 'Client'"
        " ORDER BY 2 LIMIT 1",
};
static const char sql_end_holder[] =
    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ?1"
    " AND CAST(extract(epoch FROM query_start) * 1000000 AS BIGINT) = ?2 AND wait_event_type = 'Client'";
static const char sql_versions[] = "SELECT epoch, versions FROM tally_epoch_versions ORDER BY epoch";
/* clang-format on */

/* ---- the row ---- */

static enum tl_code read_epoch(struct tl_store *store, const char *sql, struct tl_epoch *out, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql, &answer, err, ""));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: it has no epoch", store->database->place));
    *out = (struct tl_epoch){.epoch = tl_answer_i64(answer, 0),
                             .challenge = tl_answer_i64(answer, 1),
                             .answer = tl_answer_i64(answer, 2),
                             .change = tl_answer_i64(answer, 3)};
    snprintf(out->owner, sizeof out->owner, "%.*s", TL_SV_ARG(tl_answer_text(answer, 4)));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_epoch(struct tl_store *store, struct tl_epoch *out, struct tl_err *err)
{
    return read_epoch(store, sql_epoch, out, err);
}

enum tl_code tl_store_lock_epoch(struct tl_store *store, struct tl_epoch *out, struct tl_err *err)
{
    return read_epoch(store, sql_lock_epoch[store->database->dialect], out, err);
}

static enum tl_code lock_own(struct tl_store *store, int64_t epoch, struct tl_err *err)
{
    struct tl_epoch now;
    enum tl_code rc;

    TL_TRY(tl_store_lock_epoch(store, &now, err));
    if (now.epoch != epoch)
        TL_TRY(tl_fail(err, TL_ERR_FENCED, "%s: %s has taken over the store (epoch %lld, ours was %lld); nothing was written",
                       store->database->place, now.owner[0] == '\0' ? "another process" : now.owner, (long long)now.epoch,
                       (long long)epoch));
out:
    return rc;
}

enum tl_code tl_store_own_epoch(struct tl_store *store, int64_t epoch, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(lock_own(store, epoch, err));
    TL_TRY(tl_database_do(store->database, sql_answer_all, err, ""));
out:
    return rc;
}

/* ---- taking over ---- */

enum tl_code tl_store_take_epoch(struct tl_store *store, const char *owner, const struct tl_epoch *seen, struct tl_epoch *out,
                                 struct tl_err *err)
{
    struct tl_epoch now = {0};
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_LOOK, err));
    rc = tl_store_lock_epoch(store, &now, err);
    if (rc == TL_OK && seen != NULL && (now.epoch != seen->epoch || now.answer != seen->answer || now.change != seen->change))
        rc = tl_fail(err, TL_ERR_BUSY, "%s: %s has shown itself", store->database->place, now.owner);
    if (rc == TL_OK)
        rc = tl_database_do(store->database, sql_take_epoch, err, "t", tl_sv_from(owner));
    TL_TRY(tl_store_end(store, rc, err));
    *out = now;
    out->epoch++;
    snprintf(out->owner, sizeof out->owner, "%s", owner);
out:
    return rc;
}

enum tl_code tl_store_challenge(struct tl_store *store, int64_t *challenge, struct tl_err *err)
{
    int64_t raised = 0;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_LOOK, err));
    TL_TRY(tl_store_end(store, tl_database_get(store->database, sql_challenge, &raised, NULL, err, ""), err));
    *challenge = raised;
out:
    return rc;
}

enum tl_code tl_store_silent_holder(struct tl_store *store, struct tl_store_holder *out, struct tl_err *err)
{
    const char *sql = sql_silent_holder[store->database->dialect];
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    *out = (struct tl_store_holder){0};
    if (sql == NULL)
        return TL_OK;
    TL_TRY(tl_database_ask(store->database, sql, &answer, err, ""));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row)
        *out = (struct tl_store_holder){tl_answer_i64(answer, 0), tl_answer_i64(answer, 1), tl_answer_i64(answer, 2) != 0};
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_end_holder(struct tl_store *store, const struct tl_store_holder *holder, bool *ended, struct tl_err *err)
{
    int64_t count = 0;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_end_holder, &count, NULL, err, "ii", holder->session, holder->statement));
    *ended = count > 0;
out:
    return rc;
}

/* A statement of who holds the epoch. */
static enum tl_code do_as_owner(struct tl_store *store, int64_t epoch, const char *sql, int64_t value, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_TICK, err));
    rc = lock_own(store, epoch, err);
    if (rc == TL_OK)
        rc = tl_database_do(store->database, sql, err, "i", value);
    TL_TRY(tl_store_end(store, rc, err));
out:
    return rc;
}

enum tl_code tl_store_answer(struct tl_store *store, int64_t epoch, int64_t challenge, struct tl_err *err)
{
    return do_as_owner(store, epoch, sql_answer, challenge, err);
}

enum tl_code tl_store_leave_epoch(struct tl_store *store, int64_t epoch, struct tl_err *err)
{
    return do_as_owner(store, epoch, sql_leave_epoch, epoch, err);
}

enum tl_code tl_store_begin_tick(struct tl_store *store, int64_t epoch, int64_t *change, struct tl_err *err)
{
    enum tl_code rc;

    if (epoch == 0)
        return tl_store_begin_build(store, change, err);
    TL_TRY(tl_store_begin_how(store, TL_BEGIN_TICK, err));
    rc = lock_own(store, epoch, err);
    if (rc == TL_OK)
        rc = tl_store_next_change(store, change, err);
    if (rc == TL_OK)
        rc = tl_database_do(store->database, sql_answer_by_tick, err, "i", *change);
    if (rc != TL_OK)
        tl_store_rollback(store);
out:
    return rc;
}

/* ---- what functions worked with ---- */

enum tl_code tl_store_put_versions(struct tl_store *store, int64_t epoch, struct tl_sv versions, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_store_begin(store, err));
    TL_TRY(tl_store_end(store, tl_database_do(store->database, sql_put_versions, err, "it", epoch, versions), err));
out:
    return rc;
}

enum tl_code tl_store_versions(struct tl_store *store,
                               enum tl_code (*each)(void *ctx, int64_t epoch, struct tl_sv versions, struct tl_err *err),
                               void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_versions, &answer, err, ""));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_i64(answer, 0), tl_answer_text(answer, 1), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}
