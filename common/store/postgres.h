/* postgres.h: a connection to a PostgreSQL server: what the files of its driver share. Private to common/store.
 *
 * postgres_link.c      a URL becomes a connection; what the server says becomes an error with a hint
 * postgres_pipeline.c  what is sent and not waited for
 * postgres_params.c    values and rows as parameters
 * postgres_schema.c    the schema of the tally_ tables: made, migrated, refused
 * postgres_lock.c      work that one process does at a time
 * postgres_wait.c      waiting until somebody has committed
 * database_postgres.c   the driver: transactions, statements, answers
 *
 * The connection is in libpq's pipeline mode as long as it lives: statements go out one after the other, and their answers are
 * taken when somebody wants to know, which is one way there and back for as many of them as there are. Whatever leaves the machine ends with a
 * Sync, though: the server counts how long a client keeps a transaction waiting from a Sync on, and in between for ever. */
#ifndef TL_POSTGRES_H
#define TL_POSTGRES_H

#include <libpq-fe.h>

#include "base/base.h"
#include "base/buf.h"
#include "store/database.h"

enum { TL_PG_PENDING_MAX = 256, TL_PG_WHAT_BYTES = 96 };

/* A statement whose answer has not been taken yet. */
struct tl_pg_pending {
    bool *went_well; /* becomes whether it has; NULL: nobody wants to know */
    bool sync;       /* no statement, but the end of a run of them */
    char what[TL_PG_WHAT_BYTES];
};

struct tl_pg {
    struct tl_database base;
    PGconn *conn; /* NULL: none; the next begin makes one */
    char *url;    /* without our own parameters */
    char *schema;
    char *work, *who;     /* what is locked, by whom; NULL: nothing is */
    int64_t lock_session; /* the server's session that had the lock last; 0: none */
    uint64_t connections; /* so far: what was prepared on an earlier one is no more */
    uint64_t names_given; /* to statements and cursors */
    struct tl_pg_pending pending[TL_PG_PENDING_MAX];
    size_t pending_count;
    size_t unsynced_bytes;    /* of what was sent since the last Sync, about */
    int64_t silence_ms;       /* how long a server may say nothing where it is impatiently waited for */
    bool impatient;           /* so it is, but where a statement may take long: in snapshots, in what batch writes, in swaps */
    bool silent;              /* it has been silent for too long: the connection is as good as lost */
    uint64_t asked_to_listen; /* the connection on which LISTEN was tried last */
    bool listens;             /* it was taken there */
    bool begun, begun_write, failed; /* in a transaction; it can only be rolled back */
    struct tl_err first;             /* why: whoever hears of it later hears the same */
};

static inline struct tl_pg *tl_pg_of(struct tl_database *database)
{
    return (struct tl_pg *)database;
}

/* ---- the link ---- */

/* Takes ours out of the URL: `schema`. */
TL_MUST_USE enum tl_code tl_pg_take_url(struct tl_pg *pg, const char *url, struct tl_err *err);
/* Connects, or connects anew, and sets the connection up; no look at the schema yet. */
TL_MUST_USE enum tl_code tl_pg_connect(struct tl_pg *pg, struct tl_err *err);
void tl_pg_disconnect(struct tl_pg *pg);
bool tl_pg_lost(const struct tl_pg *pg);
/* What the server said: of `result`, or, where there is none, of the connection, which is lost then. */
TL_MUST_USE enum tl_code tl_pg_fail(struct tl_pg *pg, struct tl_err *err, const char *what, const PGresult *result);

/* ---- the pipeline ---- */

/* Room for two more that are pending, of so many bytes, and a connection that they can be sent over; then whoever sends notes it, and says when all is
 * sent. */
TL_MUST_USE enum tl_code tl_pg_make_room(struct tl_pg *pg, const char *what, size_t bytes, struct tl_err *err);
void tl_pg_note(struct tl_pg *pg, bool *went_well, const char *what);
TL_MUST_USE enum tl_code tl_pg_sent(struct tl_pg *pg, const char *what, size_t bytes, struct tl_err *err);
/* Sends a text without parameters; its answer is pending. */
TL_MUST_USE enum tl_code tl_pg_send(struct tl_pg *pg, const char *sql, const char *what, struct tl_err *err);
/* Takes all answers. *last (may be NULL): the last one, to be cleared by the caller. The first failure is the one that counts. */
TL_MUST_USE enum tl_code tl_pg_drain(struct tl_pg *pg, PGresult **last, struct tl_err *err);
TL_MUST_USE enum tl_code tl_pg_exec(struct tl_pg *pg, const char *sql, const char *what, struct tl_err *err); /* both */

/* ---- parameters ---- */

/* The parameters of one run, each in binary. */
struct tl_pg_params {
    Oid *types;
    const char **values;
    int *lengths, *formats;
    struct tl_buf *bytes; /* of each, where it is not where `values` points by itself */
    size_t count;
};
/* Types as in database.h; bulk: of many rows. Done in any case. */
TL_MUST_USE enum tl_code tl_pg_params_init(struct tl_pg_params *params, const char *types, bool bulk, struct tl_err *err);
void tl_pg_params_done(struct tl_pg_params *params);
/* TL_ERR_LIMIT: more than PostgreSQL takes. `what` is what the statement does. */
TL_MUST_USE enum tl_code tl_pg_params_bind(struct tl_pg_params *params, struct tl_pg *pg, const char *what,
                                           const struct tl_bind *binds, struct tl_err *err);
/* *to: how many rows from `from` on go into one statement, at least one; then those rows. */
TL_MUST_USE enum tl_code tl_pg_params_chunk(const struct tl_pg_params *params, struct tl_pg *pg, const char *what,
                                            const struct tl_bulk_column *columns, size_t from, size_t rows_count, size_t *to,
                                            struct tl_err *err);
TL_MUST_USE enum tl_code tl_pg_params_rows(struct tl_pg_params *params, const char *types, const struct tl_bulk_column *columns,
                                           size_t from, size_t to, struct tl_err *err);

/* ---- the schema ---- */

/* Looks whether it is ours; makes or migrates it where the handle may write. After each connect. */
TL_MUST_USE enum tl_code tl_pg_check_schema(struct tl_pg *pg, struct tl_err *err);

/* ---- the lock ---- */

/* Takes it for the session, where the handle is to hold one. After each connect: it goes with the session. */
TL_MUST_USE enum tl_code tl_pg_take_lock(struct tl_pg *pg, struct tl_err *err);
TL_MUST_USE enum tl_code tl_pg_lock(struct tl_database *database, const char *work, const char *who, struct tl_err *err);

/* ---- changes ---- */

/* As tl_database_wait. */
TL_MUST_USE enum tl_code tl_pg_wait(struct tl_database *database, int64_t timeout_ms, int wake_fd, struct tl_err *err);

/* A number of a binary answer. */
int64_t tl_pg_i64(const PGresult *result, int row, int column);

#endif
