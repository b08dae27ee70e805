/* store_replay.c: a view's speed tables made anew beside those that serve, and put in their place: the definition, and all of batch's, stays.
 *
 * A replay's build is a definition of its own, with its own rows, state, offsets, ledger and outcomes; its hash is that of the definition that it
 * is made for with an 'r' in front, which no other hash has. So nobody takes it for that one, nor for a changed one that is to come:
 *
 *     hits_speed          hits_batch   pointer, cuts, runs, publications     definition 3   active
 *     hits_speed__r1f2...   (empty)                                           definition 9   building, hash r1f2...
 *        swap, one transaction
 *     (dropped)           hits_batch   pointer, runs ...; cuts anew           definition 3   active, with 9's rows, offsets, ledger, outcomes
 *     hits_speed                                                              definition 9   retired
 *
 * A cut follows from both layers' rows, so the keys are cut anew as by a publication. */
#include <stdio.h>
#include <string.h>

#include "store/store_handle.h"

/* clang-format off */
static const char sql_active_by_hash[] =
    "SELECT definition FROM tally_definition WHERE view = ?1 AND hash = ?2 AND state = 'active'";
static const char sql_next_build[] =
    "SELECT definition FROM tally_definition WHERE state = 'building' AND hash LIKE 'r%' AND definition > ?1 ORDER BY definition LIMIT 1";
static const char sql_state[] = "SELECT definition FROM tally_definition WHERE definition = ?1 AND state = ?2";
/* A partition that the active one has read further than the build. */
static const char sql_behind[] =
    "SELECT a.partition FROM tally_offset AS a LEFT JOIN tally_offset AS b ON b.definition = ?2 AND b.partition = a.partition"
    " WHERE a.definition = ?1 AND (b.next_offset IS NULL OR b.next_offset < a.next_offset) LIMIT 1";
static const char *const sql_forget[] = {
    "DELETE FROM tally_offset WHERE definition = ?1",
    "DELETE FROM tally_outcome WHERE definition = ?1",
    "DELETE FROM tally_ledger WHERE definition = ?1 AND run = 0",
};
static const char *const sql_move[] = {
    "UPDATE tally_offset SET definition = ?1 WHERE definition = ?2",
    "UPDATE tally_outcome SET definition = ?1 WHERE definition = ?2",
    "UPDATE tally_ledger SET definition = ?1 WHERE definition = ?2 AND run = 0",
};
static const char sql_move_progress[] =
    "UPDATE tally_progress SET final_ms = (SELECT b.final_ms FROM tally_progress AS b WHERE b.definition = ?2),"
    " identity = (SELECT b.identity FROM tally_progress AS b WHERE b.definition = ?2), speed_ready = 1 WHERE definition = ?1";
static const char sql_nothing_pruned[] = "UPDATE tally_progress SET pruned_ms = ?2 WHERE definition = ?1";
static const char sql_forget_progress[] = "DELETE FROM tally_progress WHERE definition = ?1";
static const char sql_drop_lane[] = "DELETE FROM tally_dedup WHERE lane = ?1";
static const char sql_boundary[] = "SELECT boundary_ms FROM tally_progress WHERE definition = ?1";
static const char sql_forget_cuts[] = "DELETE FROM tally_cut WHERE definition = ?1";
static const char sql_change[] = "SELECT change FROM tally_change";
/* clang-format on */

enum tl_code tl_store_define_replay(struct tl_store *store, const struct tl_shape *shape, int64_t *active, int64_t *id,
                                    struct tl_err *err)
{
    struct tl_shape build = *shape;
    bool mine = false, found = false;
    char hash[33];
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    rc = tl_database_get(store->database, sql_active_by_hash, active, &found, err, "tt", shape->view, tl_sv_from(shape->hash));
    tl_store_read_end(store, mine);
    TL_TRY(rc);
    if (!found)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: view '%.*s' does not serve with definition %.8s", store->database->place,
                       TL_SV_ARG(shape->view), shape->hash));
    snprintf(hash, sizeof hash, "r%.31s", shape->hash);
    build.hash = hash;
    TL_TRY(tl_store_define(store, &build, id, err));
out:
    return rc;
}

static bool is_kept(int64_t id, const int64_t *keep, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (keep[i] == id)
            return true;
    return false;
}

static enum tl_code retire_build(struct tl_store *store, int64_t id, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_database_names_changed(store->database, err));
    TL_TRY(tl_definition_retire(store, id, err));
out:
    return rc;
}

enum tl_code tl_store_drop_replays(struct tl_store *store, const int64_t *keep, size_t count, size_t *dropped, struct tl_err *err)
{
    int64_t id = 0;
    bool found = false;
    enum tl_code rc;

    for (*dropped = 0;;) {
        TL_TRY(tl_database_get(store->database, sql_next_build, &id, &found, err, "i", id));
        if (!found)
            break;
        if (is_kept(id, keep, count))
            continue;
        TL_TRY(tl_store_begin_how(store, TL_BEGIN_SWAP, err));
        TL_TRY(tl_store_end(store, retire_build(store, id, err), err));
        ++*dropped;
    }
out:
    return rc;
}

enum tl_code tl_store_begin_build(struct tl_store *store, int64_t *change, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_WRITE, err));
    rc = tl_database_get(store->database, sql_change, change, NULL, err, "");
    if (rc != TL_OK)
        tl_store_rollback(store);
out:
    return rc;
}

/* ---- the swap ---- */

static enum tl_code check_state(struct tl_store *store, int64_t id, const char *state, struct tl_err *err)
{
    int64_t found_id;
    bool found = false;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_state, &found_id, &found, err, "it", id, tl_sv_from(state)));
    if (!found)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: definition %lld is not what it was: the view has changed meanwhile",
                       store->database->place, (long long)id));
out:
    return rc;
}

static enum tl_code may_swap(struct tl_store *store, const struct tl_replay *replays, size_t count, bool *may, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *may = true;
    for (size_t i = 0; i < count && *may; i++) {
        int64_t partition;
        bool behind = false;

        TL_TRY(check_state(store, replays[i].active, "active", err));
        TL_TRY(check_state(store, replays[i].build, "building", err));
        TL_TRY(tl_database_get(store->database, sql_behind, &partition, &behind, err, "ii", replays[i].active, replays[i].build));
        *may = !behind;
    }
out:
    return rc;
}

/* As at a publication: of what is published, and of speed's rows as they are now. */
static enum tl_code cut_anew(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    int64_t boundary_ms = INT64_MIN, end_ms, last;
    enum tl_code rc;

    if (!d->cut_per_key)
        return TL_OK;
    TL_TRY(tl_database_get(store->database, sql_boundary, &boundary_ms, NULL, err, "i", d->id));
    TL_TRY(tl_pointer_end(store, d->id, INT64_MAX, &end_ms, &last, err));
    if (boundary_ms == INT64_MIN)
        return tl_database_do(store->database, sql_forget_cuts, err, "i", d->id);
    TL_TRY(tl_cuts_renew(store, d, boundary_ms, last, err));
out:
    return rc;
}

static enum tl_code put_in_place(struct tl_store *store, const struct tl_replay *replay, struct tl_err *err)
{
    enum tl_dialect dialect = store->database->dialect;
    struct tl_known *d, *build;
    struct tl_merge_view view;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, replay->active, &d, err));
    TL_TRY(tl_known_find(store, replay->build, &build, err));
    tl_known_close(d); /* statements on tables that go */
    tl_known_close(build);
    if (dialect == TL_DIALECT_POSTGRES) { /* there a view holds its tables, whatever they are called */
        view = tl_known_view(d);
        view.speed_table = tl_buf_sv(&build->speed_table);
        TL_TRY(tl_tables_make_view(store, &view, true, err));
    }
    TL_TRY(tl_tables_drop(store, tl_buf_sv(&d->speed_table), err));
    TL_TRY(tl_tables_rename(store, tl_buf_sv(&build->speed_table), tl_buf_sv(&d->speed_table), err));
    TL_TRY(tl_tables_drop(store, tl_buf_sv(&build->batch_table), err));
    if (d->state_form == TL_STATE_BESIDE) {
        TL_TRY(tl_tables_drop(store, tl_buf_sv(&d->state_table), err));
        TL_TRY(tl_tables_rename(store, tl_buf_sv(&build->state_table), tl_buf_sv(&d->state_table), err));
    }
    if (dialect == TL_DIALECT_SQLITE) {
        view = tl_known_view(d);
        TL_TRY(tl_tables_make_view(store, &view, true, err));
    }
    for (size_t i = 0; i < TL_COUNT(sql_forget); i++)
        TL_TRY(tl_database_do(store->database, sql_forget[i], err, "i", replay->active));
    for (size_t i = 0; i < TL_COUNT(sql_move); i++)
        TL_TRY(tl_database_do(store->database, sql_move[i], err, "ii", replay->active, replay->build));
    TL_TRY(tl_database_do(store->database, sql_move_progress, err, "ii", replay->active, replay->build));
    if (replay->whole)
        TL_TRY(tl_database_do(store->database, sql_nothing_pruned, err, "ii", replay->active, INT64_MIN));
    TL_TRY(tl_database_do(store->database, sql_forget_progress, err, "i", replay->build));
    TL_TRY(tl_database_do(store->database, sql_drop_lane, err, "i", replay->build));
    TL_TRY(tl_known_set_state(store, replay->build, TL_DEFINITION_RETIRED, err));
    TL_TRY(cut_anew(store, d, err));
out:
    return rc;
}

static enum tl_code swap(struct tl_store *store, const struct tl_replay *replays, size_t count, int64_t epoch, bool *swapped,
                         struct tl_err *err)
{
    int64_t change;
    bool may;
    enum tl_code rc;

    TL_TRY(tl_store_own_epoch(store, epoch, err));
    TL_TRY(may_swap(store, replays, count, &may, err));
    if (!may)
        goto out;
    TL_TRY(tl_database_names_changed(store->database, err));
    TL_TRY(tl_store_next_change(store, &change, err));
    for (size_t i = 0; i < count; i++)
        TL_TRY(put_in_place(store, &replays[i], err));
    *swapped = true;
out:
    return rc;
}

enum tl_code tl_store_swap_replays(struct tl_store *store, const struct tl_replay *replays, size_t count, int64_t epoch,
                                   bool *swapped, struct tl_err *err)
{
    bool done = false;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_SWAP, err));
    TL_TRY(tl_store_end(store, swap(store, replays, count, epoch, &done, err), err));
    *swapped = done;
out:
    return rc;
}
