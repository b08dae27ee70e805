/* store.c: one handle of a store: opening, transactions, the secret. */
#include "store/store.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "store/store_handle.h"

/* Publications and definitions get growing numbers; a rollback strikes publications out. The sum: the one that is swapped in need not be the highest. */
static const char sql_published[] =
    "SELECT (SELECT COALESCE(max(published), 0) + count(undone_ms) FROM tally_publication)"
    " + (SELECT CAST(COALESCE(sum(definition), 0) AS BIGINT) FROM tally_definition WHERE state = 'active') * 4294967296";
/* Whoever waits for changes hears of it when the transaction is in (tl_store_wait). */
static const char *const sql_next_change[] = {
    [TL_DIALECT_SQLITE] = "UPDATE tally_change SET change = change + 1 RETURNING change",
    [TL_DIALECT_POSTGRES] = "UPDATE tally_change SET change = change + 1 RETURNING change, pg_notify('tally', current_schema())",
};
static const char sql_secret[] = "SELECT value FROM tally_meta WHERE name = 'secret.' || ?1";
static const char sql_put_secret[] =
    "INSERT INTO tally_meta (name, value) VALUES ('secret.' || ?1, ?2) ON CONFLICT (name) DO NOTHING";

/* ---- the handle ---- */

enum tl_code tl_store_open(const char *url, enum tl_store_mode mode, struct tl_store **out, struct tl_err *err)
{
    return tl_store_open_by(url, mode, 0, out, err);
}

enum tl_code tl_store_open_by(const char *url, enum tl_store_mode mode, int64_t deadline_ms, struct tl_store **out,
                              struct tl_err *err)
{
    struct tl_store *store = calloc(1, sizeof *store);
    enum tl_code rc;

    if (store == NULL)
        return tl_fail_memory(err, sizeof *store);
    store->names = -1;
    tl_arena_init(&store->lasting, 16384, 0);
    TL_TRY(tl_database_open(url, mode, deadline_ms, &store->database, err));
    *out = store;
    store = NULL;
out:
    tl_store_close(store);
    return rc;
}

void tl_store_close(struct tl_store *store)
{
    if (store == NULL)
        return;
    for (struct tl_known *known = store->known; known != NULL; known = known->next) {
        tl_known_close(known);
        tl_buf_done(&known->speed_table);
        tl_buf_done(&known->batch_table);
        tl_buf_done(&known->state_table);
    }
    tl_database_close(store->database);
    tl_arena_done(&store->lasting);
    free(store->list);
    free(store);
}

enum tl_code tl_store_lock(struct tl_store *store, const char *work, const char *who, struct tl_err *err)
{
    return tl_database_lock(store->database, work, who, err);
}

/* ---- transactions ---- */

/* Who sees that tables may be called otherwise looks the definitions up anew. */
static void refresh(struct tl_store *store, int64_t names)
{
    if (names == store->names)
        return;
    for (struct tl_known *known = store->known; known != NULL; known = known->next) {
        known->fresh = false;
        tl_known_close(known);
    }
    store->names = names;
}

enum tl_code tl_store_begin_how(struct tl_store *store, enum tl_begin how, struct tl_err *err)
{
    int64_t names = 0;
    enum tl_code rc;

    TL_TRY(tl_database_begin(store->database, how, &names, err));
    refresh(store, names);
out:
    return rc;
}

enum tl_code tl_store_begin(struct tl_store *store, struct tl_err *err)
{
    return tl_store_begin_how(store, TL_BEGIN_WRITE, err);
}

enum tl_code tl_store_begin_read(struct tl_store *store, struct tl_err *err)
{
    return tl_store_begin_how(store, TL_BEGIN_READ, err);
}

enum tl_code tl_store_begin_read_both(struct tl_store *store, struct tl_store *other, bool *both, struct tl_err *err)
{
    int64_t names = 0;
    enum tl_code rc;

    TL_TRY(tl_database_begin_both(store->database, other->database, &names, both, err));
    refresh(store, names);
    if (*both)
        refresh(other, names);
out:
    return rc;
}

enum tl_code tl_store_commit(struct tl_store *store, struct tl_err *err)
{
    return tl_database_commit(store->database, err);
}

void tl_store_rollback(struct tl_store *store)
{
    tl_database_rollback(store->database);
}

enum tl_code tl_store_end(struct tl_store *store, enum tl_code rc, struct tl_err *err)
{
    if (rc == TL_OK)
        rc = tl_database_commit(store->database, err);
    if (rc != TL_OK)
        tl_database_rollback(store->database);
    return rc;
}

enum tl_code tl_store_read_begin(struct tl_store *store, bool *mine, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *mine = false;
    if (tl_database_begun(store->database) && store->implicit_reads == 0)
        return TL_OK;
    if (store->implicit_reads == 0)
        TL_TRY(tl_store_begin_read(store, err));
    store->implicit_reads++;
    *mine = true;
out:
    return rc;
}

void tl_store_read_end(struct tl_store *store, bool mine)
{
    if (mine && --store->implicit_reads == 0)
        tl_database_rollback(store->database); /* it read only */
}

enum tl_code tl_store_next_change(struct tl_store *store, int64_t *change, struct tl_err *err)
{
    return tl_database_get(store->database, sql_next_change[store->database->dialect], change, NULL, err, "");
}

enum tl_code tl_store_version(struct tl_store *store, int64_t *version, struct tl_err *err)
{
    return tl_database_version(store->database, version, err);
}

enum tl_code tl_store_published_version(struct tl_store *store, int64_t *version, struct tl_err *err)
{
    return tl_database_get(store->database, sql_published, version, NULL, err, "");
}

void tl_store_deadline(struct tl_store *store, int64_t at_ms)
{
    tl_database_deadline(store->database, at_ms);
}

static bool is_readable(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};

    return fd >= 0 && poll(&look, 1, 0) > 0;
}

enum tl_code tl_store_wait(struct tl_store *store, int64_t timeout_ms, int wake_fd, bool *changed, struct tl_err *err)
{
    int64_t until_ms = tl_add_sat_i64(tl_clock_monotonic_ms(), timeout_ms), left_ms = timeout_ms, version = 0;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_database_version(store->database, &version, err));
        *changed = !store->waited || version != store->waited_version;
        store->waited = true;
        store->waited_version = version;
        if (*changed || left_ms <= 0 || is_readable(wake_fd))
            break;
        TL_TRY(tl_database_wait(store->database, left_ms, wake_fd, err));
        left_ms = until_ms - tl_clock_monotonic_ms();
    }
out:
    return rc;
}

/* ---- the secret ---- */

static enum tl_code secret_read(struct tl_store *store, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], bool *found,
                                struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    struct tl_sv value;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_secret, &answer, err, "t", name));
    TL_TRY(tl_answer_next(answer, found, err));
    if (!*found)
        goto out;
    value = tl_answer_bytes(answer, 0);
    if (value.size != TL_STORE_SECRET_BYTES)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: secret.%.*s has %zu bytes, not %d",
                       store->database->place, TL_SV_ARG(name), value.size, TL_STORE_SECRET_BYTES));
    memcpy(out, value.data, TL_STORE_SECRET_BYTES);
out:
    tl_answer_close(answer);
    return rc;
}

/* Of two processes that begin at once the second finds what the first has made. */
static enum tl_code secret_make(struct tl_store *store, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], struct tl_err *err)
{
    uint8_t made[TL_STORE_SECRET_BYTES];
    bool found = false;
    enum tl_code rc;

    if (getrandom(made, sizeof made, 0) != (ssize_t)sizeof made)
        return tl_fail_errno(err, TL_ERR_IO, "%s: no random bytes to make a secret of", store->database->place);
    TL_TRY(tl_store_begin(store, err));
    rc = tl_database_do(store->database, sql_put_secret, err, "tb", name, (struct tl_sv){(const char *)made, sizeof made});
    if (rc == TL_OK)
        rc = secret_read(store, name, made, &found, err);
    TL_TRY(tl_store_end(store, rc, err));
    assert(found);
    memcpy(out, made, sizeof made);
out:
    return rc;
}

enum tl_code tl_store_secret(struct tl_store *store, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], struct tl_err *err)
{
    bool found = false;
    enum tl_code rc;

    TL_TRY(secret_read(store, name, out, &found, err));
    if (found)
        goto out;
    if (!store->database->writable)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND,
                       "%s: there is no secret.%.*s yet: nothing was counted with it; `tally speed` or `tally batch` makes it",
                       store->database->place, TL_SV_ARG(name)));
    TL_TRY(secret_make(store, name, out, err));
out:
    return rc;
}
