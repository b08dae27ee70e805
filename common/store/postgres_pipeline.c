/* postgres_pipeline.c: what is sent to the server and not waited for, and how it turned out.
 *
 * The socket does not block: who waits, for room to send or for an answer, waits in poll(), and where a server is waited for impatiently, one that says
 * nothing for silence_ms is given up. TCP alone does not tell: a server whose processes stand still goes on acknowledging. */
#include "store/postgres.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum {
    LIBPQ_SENDS_BYTES = 8192, /* libpq sends by itself what comes to as much as this */
    MESSAGE_BYTES = 256,      /* what stands around a statement's text and parameters */
};

/* ---- waiting ---- */

/* How long it may say nothing; -1: as long as it likes. At a deadline the server stops by itself (try_begin), unless nobody hears it. */
static int patience_ms(const struct tl_pg *pg)
{
    int64_t left_ms = pg->base.deadline_ms + TL_STORE_GRACE_MS - tl_clock_monotonic_ms();

    if (pg->base.deadline_ms != 0)
        return (int)tl_max_i64(left_ms, 0);
    return pg->impatient ? (int)pg->silence_ms : -1;
}

/* Until something comes, or there is room to send. */
static bool wait_for_server(struct tl_pg *pg, short events)
{
    struct pollfd socket = {.fd = PQsocket(pg->conn), .events = events};
    int count;

    do
        count = poll(&socket, 1, patience_ms(pg));
    while (count < 0 && errno == EINTR);
    pg->silent = count == 0;
    if (count <= 0)
        return false;
    return socket.revents == POLLOUT || PQconsumeInput(pg->conn) == 1;
}

static bool flush(struct tl_pg *pg)
{
    int left;

    while ((left = PQflush(pg->conn)) == 1)
        if (!wait_for_server(pg, POLLIN | POLLOUT))
            return false;
    return left == 0;
}

static PGresult *get_result(struct tl_pg *pg)
{
    while (!pg->silent && PQisBusy(pg->conn))
        if (!wait_for_server(pg, POLLIN))
            break;
    return pg->silent ? NULL : PQgetResult(pg->conn); /* of a connection that broke it says so */
}

/* ---- sending ---- */

void tl_pg_note(struct tl_pg *pg, bool *went_well, const char *what)
{
    struct tl_pg_pending *pending = &pg->pending[pg->pending_count++];

    pending->went_well = went_well;
    pending->sync = false;
    snprintf(pending->what, sizeof pending->what, "%s", what);
}

static bool synchronise(struct tl_pg *pg)
{
    if (!PQpipelineSync(pg->conn))
        return false;
    tl_pg_note(pg, NULL, "");
    pg->pending[pg->pending_count - 1].sync = true;
    pg->unsynced_bytes = 0;
    return flush(pg);
}

enum tl_code tl_pg_make_room(struct tl_pg *pg, const char *what, size_t bytes, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (pg->failed) {
        if (err != NULL)
            *err = pg->first;
        return pg->first.code;
    }
    if (tl_pg_lost(pg))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    if (pg->pending_count + 5 > TL_PG_PENDING_MAX) /* two, and the Syncs before, behind and at the end */
        TL_TRY(tl_pg_drain(pg, NULL, err));
    if (pg->unsynced_bytes > 0 && pg->unsynced_bytes + bytes + MESSAGE_BYTES >= LIBPQ_SENDS_BYTES && !synchronise(pg))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
out:
    return rc;
}

enum tl_code tl_pg_sent(struct tl_pg *pg, const char *what, size_t bytes, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    pg->unsynced_bytes += bytes + MESSAGE_BYTES;
    if (pg->unsynced_bytes >= LIBPQ_SENDS_BYTES && !synchronise(pg))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
out:
    return rc;
}

enum tl_code tl_pg_send(struct tl_pg *pg, const char *sql, const char *what, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_pg_make_room(pg, what, strlen(sql), err));
    if (!PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    tl_pg_note(pg, NULL, what);
    TL_TRY(tl_pg_sent(pg, what, strlen(sql), err));
out:
    return rc;
}

/* ---- answers ---- */

/* The answer to the oldest that is pending. */
static PGresult *take_result(struct tl_pg *pg, bool sync)
{
    PGresult *result = get_result(pg), *more;

    while (!sync && result != NULL && (more = get_result(pg)) != NULL)
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
    struct tl_err why;
    enum tl_code rc = TL_OK;

    if (pg->pending_count == 0)
        return TL_OK;
    if (!pg->pending[pg->pending_count - 1].sync && !synchronise(pg))
        rc = tl_pg_fail(pg, &why, pg->pending[0].what, NULL);
    for (size_t i = 0; i < pg->pending_count; i++) {
        struct tl_pg_pending *pending = &pg->pending[i];
        bool good;

        if (pending->sync) {
            PQclear(take_result(pg, true));
            continue;
        }
        PQclear(result);
        result = take_result(pg, false);
        good = is_good(result);
        if (pending->went_well != NULL)
            *pending->went_well = good;
        if (!good && rc == TL_OK)
            rc = tl_pg_fail(pg, &why, pending->what, result);
    }
    pg->pending_count = 0;
    if (rc != TL_OK && err != NULL)
        *err = why;
    if (rc != TL_OK && pg->begun && !pg->failed) {
        pg->failed = true;
        pg->first = why;
    }
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
