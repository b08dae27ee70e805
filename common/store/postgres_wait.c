/* postgres_wait.c: waits until somebody has committed: LISTEN, and what tl_store_next_change says with NOTIFY.
 *
 * All stores of a database use one channel; a notice names its schema. Where the server takes no LISTEN (a standby, a pooler that deals
 * connections out by transaction) nobody says a word, so the wait ends by itself before long. */
#include <poll.h>
#include <string.h>

#include "store/postgres.h"

enum { ANYWAY_MS = 5000, WITHOUT_LISTEN_MS = 200 };

/* *said: somebody has, in our schema. */
static void hear(struct tl_pg *pg, bool *said)
{
    PGnotify *notice;

    while ((notice = PQnotifies(pg->conn)) != NULL) {
        *said = *said || strcmp(notice->extra, pg->schema) == 0;
        PQfreemem(notice);
    }
}

enum tl_code tl_pg_wait(struct tl_database *database, int64_t timeout_ms, int wake_fd, struct tl_err *err)
{
    struct tl_pg *pg = tl_pg_of(database);
    struct pollfd fds[2] = {
        {.fd = wake_fd, .events = POLLIN}
    };
    bool said = false;
    struct tl_err refused;
    enum tl_code rc = TL_OK;

    assert(!pg->begun);
    if (tl_pg_lost(pg)) /* what has happened meanwhile is for the next look, which connects anew */
        return TL_OK;
    if (pg->asked_to_listen != pg->connections) {
        pg->asked_to_listen = pg->connections;
        pg->listens = tl_pg_exec(pg, "LISTEN tally", "wait for changes", &refused) == TL_OK;
        return TL_OK; /* what was committed before it is looked at first */
    }
    hear(pg, &said);
    if (said)
        return TL_OK;
    fds[1] = (struct pollfd){.fd = PQsocket(pg->conn), .events = POLLIN};
    if (poll(fds, 2, (int)tl_min_i64(pg->listens ? ANYWAY_MS : WITHOUT_LISTEN_MS, timeout_ms)) > 0 && fds[1].revents != 0) {
        if (PQconsumeInput(pg->conn) != 1)
            TL_TRY(tl_pg_fail(pg, err, "wait for changes", NULL));
        hear(pg, &said);
    }
out:
    return rc;
}
