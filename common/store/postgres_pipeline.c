/* postgres_pipeline.c: what is sent to the server and not waited for, and how it turned out. */
#include "store/postgres.h"

#include <stdio.h>

void tl_pg_note(struct tl_pg *pg, bool *went_well, const char *what)
{
    struct tl_pg_pending *pending = &pg->pending[pg->pending_count++];

    pending->went_well = went_well;
    snprintf(pending->what, sizeof pending->what, "%s", what);
}

/* Room for two more, and a connection that they can be sent over. */
enum tl_code tl_pg_make_room(struct tl_pg *pg, const char *what, struct tl_err *err)
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

    TL_TRY(tl_pg_make_room(pg, what, err));
    if (!PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    tl_pg_note(pg, NULL, what);
out:
    return rc;
}

/* The answer to the oldest that is pending. */
static PGresult *take_result(struct tl_pg *pg)
{
    PGresult *result = PQgetResult(pg->conn), *more;

    while (result != NULL && (more = PQgetResult(pg->conn)) != NULL)
        PQclear(more); /* a lost connection may have a second word to say */
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
        if (pending->went_well != NULL)
            *pending->went_well = good;
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
