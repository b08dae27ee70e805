/* store_definition.c: definitions are registered, built beside the active one, and swapped in.
 *
 * An active definition's tables are <view>_speed and <view>_batch, and <view>_state where it has state beside its rows; one that is being
 * built beside it has <view>_speed__<8 hex> and so on.
 * The swap is one transaction: the old tables go, the new ones take their names, and the merged view is made for them. In SQLite
 * legacy_alter_table is on for writers, so that a rename neither rewrites nor trips over views that people made on top of ours: a view is a
 * text there. In PostgreSQL it holds its tables, whatever they are called, so it is made first, and only then may the old ones go. */
#include "store/store_handle.h"

/* clang-format off */
static const char sql_by_hash[] = "SELECT definition FROM tally_definition WHERE view = ?1 AND hash = ?2 AND state <> 'retired'";
static const char sql_active_of[] = "SELECT definition FROM tally_definition WHERE view = ?1 AND state = 'active'";
static const char sql_older_of_view[] =
    "SELECT definition FROM tally_definition WHERE view = ?1 AND definition <> ?2 AND (state = 'active' OR (state = 'building' AND definition < ?2))";
static const char sql_replay_of_view[] =
    "SELECT definition FROM tally_definition WHERE view = ?1 AND state = 'building' AND hash LIKE 'r%' LIMIT 1";
static const char sql_replay[] = "SELECT definition FROM tally_definition WHERE state = 'building' AND hash LIKE 'r%' LIMIT 1";
static const char *const sql_forget[] = {
    "DELETE FROM tally_progress WHERE definition = ?1", "DELETE FROM tally_offset WHERE definition = ?1",
    "DELETE FROM tally_outcome WHERE definition = ?1",  "DELETE FROM tally_ledger WHERE definition = ?1",
    "DELETE FROM tally_pointer WHERE definition = ?1",  "DELETE FROM tally_cut WHERE definition = ?1",
    "DELETE FROM tally_quarantine WHERE definition = ?1", "DELETE FROM tally_dedup WHERE lane = ?1",
    "DELETE FROM tally_open WHERE definition = ?1",
};
/* What `tally runs` counts stays; the carry was the old definition's. */
static const char sql_forget_carry[] = "UPDATE tally_run_range SET carry = ?2 WHERE definition = ?1";
static const char sql_drop_lane[] = "DELETE FROM tally_dedup WHERE lane = ?1";
/* clang-format on */

static enum tl_code define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err)
{
    enum tl_definition_state state;
    struct tl_merge_view view;
    struct tl_buf speed, batch, beside;
    int64_t active = 0;
    bool found = false;
    enum tl_code rc;

    tl_buf_init(&speed, 0);
    tl_buf_init(&batch, 0);
    tl_buf_init(&beside, 0);
    TL_TRY(tl_database_get(store->database, sql_by_hash, id, &found, err, "tt", shape->view, tl_sv_from(shape->hash)));
    if (found) {
        struct tl_known *d;

        TL_TRY(tl_known_find(store, *id, &d, err));
        TL_TRY(tl_tables_index_changes(store, *id, d->windowed, tl_buf_sv(&d->speed_table), err));
        goto out;
    }
    TL_TRY(tl_tables_check_names(store, shape, err));
    TL_TRY(tl_database_get(store->database, sql_active_of, &active, &found, err, "t", shape->view));
    state = found ? TL_DEFINITION_BUILDING : TL_DEFINITION_ACTIVE;
    tl_known_put_table(&speed, shape->view, "_speed", shape->hash, state);
    tl_known_put_table(&batch, shape->view, "_batch", shape->hash, state);
    tl_known_put_table(&beside, shape->view, "_state", shape->hash, state);
    TL_TRY(tl_buf_check(&speed, "a table's name", err));
    TL_TRY(tl_buf_check(&batch, "a table's name", err));
    TL_TRY(tl_buf_check(&beside, "a table's name", err));
    if (state == TL_DEFINITION_ACTIVE)
        TL_TRY(tl_tables_check_free(store, shape, shape->view, err));
    TL_TRY(tl_tables_check_free(store, shape, tl_buf_sv(&speed), err));
    TL_TRY(tl_tables_check_free(store, shape, tl_buf_sv(&batch), err));
    if (shape->state == TL_STATE_BESIDE)
        TL_TRY(tl_tables_check_free(store, shape, tl_buf_sv(&beside), err));
    TL_TRY(tl_known_add(store, shape, state, id, err));
    view = (struct tl_merge_view){.definition = *id,
                                  .view = shape->view,
                                  .topic = shape->topic,
                                  .by_pattern = shape->by_pattern,
                                  .speed_table = tl_buf_sv(&speed),
                                  .batch_table = tl_buf_sv(&batch),
                                  .windowed = shape->windowed,
                                  .cut_per_key = shape->cut_per_key,
                                  .key_tail_bytes = shape->key_tail_bytes,
                                  .ends_open = shape->ends_open,
                                  .columns = shape->columns,
                                  .columns_count = shape->columns_count};
    TL_TRY(tl_tables_make(store, shape, &view, tl_buf_sv(&beside), err));
    if (state == TL_DEFINITION_ACTIVE)
        TL_TRY(tl_tables_make_view(store, &view, false, err));
out:
    tl_buf_done(&speed);
    tl_buf_done(&batch);
    tl_buf_done(&beside);
    return rc;
}

enum tl_code tl_store_define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err)
{
    int64_t found = 0;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_DEFINE, err));
    TL_TRY(tl_store_end(store, define(store, shape, &found, err), err));
    *id = found;
out:
    return rc;
}

enum tl_code tl_store_find(struct tl_store *store, struct tl_sv view, const char *hash, int64_t *id, struct tl_err *err)
{
    bool found = false;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_by_hash, id, &found, err, "tt", view, tl_sv_from(hash)));
    if (!found)
        *id = 0;
out:
    return rc;
}

/* ---- the swap ---- */

enum tl_code tl_definition_retire(struct tl_store *store, int64_t id, struct tl_err *err)
{
    struct tl_known *old;
    enum tl_code rc;

    TL_TRY(tl_known_any(store, id, &old, err));
    TL_TRY(tl_tables_drop(store, tl_buf_sv(&old->speed_table), err));
    TL_TRY(tl_tables_drop(store, tl_buf_sv(&old->batch_table), err));
    if (old->state_form == TL_STATE_BESIDE)
        TL_TRY(tl_tables_drop(store, tl_buf_sv(&old->state_table), err));
    for (size_t i = 0; i < TL_COUNT(sql_forget); i++)
        TL_TRY(tl_database_do(store->database, sql_forget[i], err, "i", id));
    TL_TRY(tl_database_do(store->database, sql_forget_carry, err, "ib", id, (struct tl_sv){NULL, 0}));
    TL_TRY(tl_known_set_state(store, id, TL_DEFINITION_RETIRED, err));
out:
    return rc;
}

/* Older ones that were still being built when the definition changed again go too. */
static enum tl_code retire_older(struct tl_store *store, const struct tl_known *d, struct tl_err *err)
{
    int64_t older = 0;
    bool found = false;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_database_get(store->database, sql_older_of_view, &older, &found, err, "ti", d->view, d->id));
        if (!found)
            break;
        TL_TRY(tl_definition_retire(store, older, err));
    }
out:
    return rc;
}

/* A replay's builds of several views have one lane of event ids, under the number of one of them. Without that one the others cannot be gone on with,
 * so all go. */
static enum tl_code retire_replays(struct tl_store *store, const struct tl_known *d, struct tl_err *err)
{
    int64_t replay = 0;
    bool found = false;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_replay_of_view, &replay, &found, err, "t", d->view));
    while (found) {
        TL_TRY(tl_definition_retire(store, replay, err));
        TL_TRY(tl_database_get(store->database, sql_replay, &replay, &found, err, ""));
    }
out:
    return rc;
}

/* Has it all that the active one has? *replaces: there is one. */
static enum tl_code may_swap(struct tl_store *store, int64_t id, bool *may, bool *replaces, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_definition is, other;
    int64_t active = 0;
    enum tl_code rc;

    *may = *replaces = false;
    TL_TRY(tl_known_find(store, id, &d, err));
    if (d->state == TL_DEFINITION_ACTIVE)
        goto out;
    TL_TRY(tl_known_fill(store, id, &is, err));
    TL_TRY(tl_database_get(store->database, sql_active_of, &active, replaces, err, "t", d->view));
    *may = true;
    if (*replaces) {
        TL_TRY(tl_known_fill(store, active, &other, err));
        *may = (!other.speed_known || is.speed_ready) && is.boundary_ms >= other.boundary_ms;
    }
out:
    return rc;
}

static enum tl_code swap(struct tl_store *store, int64_t id, int64_t epoch, bool *swapped, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_merge_view view;
    struct tl_buf speed, batch, beside;
    int64_t change;
    bool may, replaces;
    enum tl_code rc = TL_OK;

    tl_buf_init(&speed, 0);
    tl_buf_init(&batch, 0);
    tl_buf_init(&beside, 0);
    if (epoch != 0)
        TL_TRY(tl_store_own_epoch(store, epoch, err));
    TL_TRY(may_swap(store, id, &may, &replaces, err));
    if (!may)
        goto out;
    TL_TRY(tl_known_find(store, id, &d, err));
    TL_TRY(tl_database_names_changed(store->database, err));
    TL_TRY(tl_store_next_change(store, &change, err)); /* what the view shows has changed */
    view = tl_known_view(d);
    if (store->database->dialect == TL_DIALECT_POSTGRES)
        TL_TRY(tl_tables_make_view(store, &view, replaces, err));
    TL_TRY(retire_replays(store, d, err));
    TL_TRY(retire_older(store, d, err));
    tl_known_put_table(&speed, d->view, "_speed", d->hash, TL_DEFINITION_ACTIVE);
    tl_known_put_table(&batch, d->view, "_batch", d->hash, TL_DEFINITION_ACTIVE);
    tl_known_put_table(&beside, d->view, "_state", d->hash, TL_DEFINITION_ACTIVE);
    TL_TRY(tl_buf_check(&speed, "a table's name", err));
    TL_TRY(tl_buf_check(&batch, "a table's name", err));
    TL_TRY(tl_buf_check(&beside, "a table's name", err));
    TL_TRY(tl_tables_rename(store, view.speed_table, tl_buf_sv(&speed), err));
    TL_TRY(tl_tables_rename(store, view.batch_table, tl_buf_sv(&batch), err));
    if (d->state_form == TL_STATE_BESIDE)
        TL_TRY(tl_tables_rename(store, tl_buf_sv(&d->state_table), tl_buf_sv(&beside), err));
    TL_TRY(tl_known_set_state(store, id, TL_DEFINITION_ACTIVE, err));
    /* From now on it stands where the other active ones stand, in their lane of event ids. */
    TL_TRY(tl_database_do(store->database, sql_drop_lane, err, "i", id));
    view.speed_table = tl_buf_sv(&speed);
    view.batch_table = tl_buf_sv(&batch);
    if (store->database->dialect == TL_DIALECT_SQLITE)
        TL_TRY(tl_tables_make_view(store, &view, replaces, err));
    *swapped = true;
out:
    tl_buf_done(&speed);
    tl_buf_done(&batch);
    tl_buf_done(&beside);
    return rc;
}

/* Looks before it locks: what is not ready yet holds nobody up. */
enum tl_code tl_store_swap(struct tl_store *store, int64_t id, int64_t epoch, bool *swapped, struct tl_err *err)
{
    bool done = false, may = false, replaces, mine = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    rc = may_swap(store, id, &may, &replaces, err);
    tl_store_read_end(store, mine);
    TL_TRY(rc);
    if (may) {
        TL_TRY(tl_store_begin_how(store, TL_BEGIN_SWAP, err));
        TL_TRY(tl_store_end(store, swap(store, id, epoch, &done, err), err));
    }
    *swapped = done;
out:
    return rc;
}
