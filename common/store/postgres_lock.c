/* postgres_lock.c: work on the store that one process does at a time, on whatever machine it runs: an advisory lock of the session.
 *
 * Who holds it stands in the session's application_name, for the message to the second one. A session that is lost has let go of it: the next one
 * takes it again, and fails where another process was quicker. The server may not have noticed yet that a session of ours is lost: that one is ended. */
#include "store/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { OWN_SESSION_ENDS_MS = 45000, POLL_MS = 50 };

/* clang-format off */
static const char sql_name_session[] = "SELECT set_config('application_name', 'tally ' || $1 || ' on ' || $2, false)";
static const char sql_take[] = "SELECT CAST(pg_try_advisory_lock(1951558517, hashtext($1 || '.' || $2)) AS INTEGER), pg_backend_pid()";
static const char sql_end_own[] =
    "SELECT count(*), count(*) FILTER (WHERE pg_terminate_backend(a.pid)) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 1951558517 AND a.pid = CAST($1 AS INTEGER)"
    " AND a.application_name = current_setting('application_name') AND $2 <> ''";
static const char sql_holder[] =
    "SELECT a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM pg_locks AS l"
    " JOIN pg_stat_activity AS a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 1951558517"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND l.objid = CAST(CAST(hashtext($1 || '.' || $2) AS BIGINT) & 4294967295 AS OID)";
/* clang-format on */

/* A question with two texts. */
static enum tl_code ask(struct tl_pg *pg, const char *sql, const char *first, const char *second, PGresult **out,
                        struct tl_err *err)
{
    static const char what[] = "lock the store";
    const char *values[] = {first, second};
    enum tl_code rc;

    TL_TRY(tl_pg_make_room(pg, what, strlen(sql), err));
    if (!PQsendQueryParams(pg->conn, sql, 2, NULL, values, NULL, NULL, 1))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    tl_pg_note(pg, NULL, what);
    TL_TRY(tl_pg_sent(pg, what, strlen(sql), err));
    TL_TRY(tl_pg_drain(pg, out, err));
out:
    return rc;
}

/* Another role's session does not show its name. */
static enum tl_code fail_held(struct tl_pg *pg, struct tl_err *err)
{
    PGresult *result = NULL;
    enum tl_code rc;

    TL_TRY(ask(pg, sql_holder, pg->schema, pg->work, &result, err));
    if (PQntuples(result) == 1 && !PQgetisnull(result, 0, 1))
        TL_TRY(tl_fail(err, TL_ERR_BUSY, "%s: another %s works on this store: %s, connected since %s", pg->base.place, pg->work,
                       PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1)));
    TL_TRY(
        tl_fail(err, TL_ERR_BUSY, "%s: another %s works on this store (pg_locks says which session)", pg->base.place, pg->work));
out:
    PQclear(result);
    return rc;
}

static enum tl_code try_lock(struct tl_pg *pg, bool *taken, struct tl_err *err)
{
    PGresult *result = NULL;
    enum tl_code rc;

    TL_TRY(ask(pg, sql_take, pg->schema, pg->work, &result, err));
    *taken = tl_pg_i64(result, 0, 0) != 0;
    if (*taken)
        pg->lock_session = tl_pg_i64(result, 0, 1);
out:
    PQclear(result);
    return rc;
}

/* *own: the lock is still held by our own last session. */
static enum tl_code end_own(struct tl_pg *pg, bool *own, struct tl_err *err)
{
    PGresult *result = NULL;
    char session[24];
    enum tl_code rc;

    snprintf(session, sizeof session, "%lld", (long long)pg->lock_session);
    TL_TRY(ask(pg, sql_end_own, session, pg->who, &result, err));
    *own = tl_pg_i64(result, 0, 0) > 0;
out:
    PQclear(result);
    return rc;
}

enum tl_code tl_pg_take_lock(struct tl_pg *pg, struct tl_err *err)
{
    int64_t until_ms = tl_clock_monotonic_ms() + OWN_SESSION_ENDS_MS;
    bool taken = false, own = true;
    enum tl_code rc = TL_OK;

    if (pg->work == NULL)
        return TL_OK;
    TL_TRY(ask(pg, sql_name_session, pg->work, pg->who, NULL, err));
    TL_TRY(try_lock(pg, &taken, err));
    while (!taken && own && pg->lock_session != 0 && tl_clock_monotonic_ms() < until_ms) {
        TL_TRY(end_own(pg, &own, err));
        tl_clock_sleep_ms(own ? POLL_MS : 0);
        TL_TRY(try_lock(pg, &taken, err));
    }
    if (!taken)
        TL_TRY(fail_held(pg, err));
out:
    return rc;
}

enum tl_code tl_pg_lock(struct tl_database *database, const char *work, const char *who, struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(database);
    enum tl_code rc = TL_OK;

    assert(pg->work == NULL && !pg->begun);
    pg->work = strdup(work);
    pg->who = strdup(who);
    if (pg->work == NULL || pg->who == NULL)
        TL_TRY(tl_fail_memory(err, strlen(work) + strlen(who)));
    TL_TRY(tl_pg_take_lock(pg, err));
out:
    if (rc != TL_OK) {
        free(pg->work);
        free(pg->who);
        pg->work = pg->who = NULL;
    }
    return rc;
}
