/* store_publish.c: the pointer: which run serves which range. A publication moves it, a rollback moves it back.
 *
 * tally_pointer says for each definition which run serves which range. The ranges of one run that touch form a chain; a range that was
 * published before must lie wholly inside one chain (and goes) or wholly outside all of them. So what the pointer is follows from the
 * publications in their order: a range is pointed at unless one that was published later overlaps it.
 *
 *   publication 1   (..........17th] (17th,18th] (18th,19th]
 *   publication 2                    (17th,18th]
 *   publication 3                                (18th,19th] (19th,20th]
 *   pointer              1                2           3           3
 *   without 3            1                2           1                        the boundary is the 19th again
 *
 * A rollback strikes publications out, the newest first, and makes the pointer anew from those that stay. It cannot be where the rows
 * that would be seen again are gone: pruned ranges of superseded runs, or speed's rows behind the boundary that would come about. Nor where
 * what it strikes out could not be computed again: ranges of sealed days that have anything in them. */
#include "store/store_check.h"
#include "store/store_handle.h"

#include <stdio.h>

#include "event/timestamp.h"

/* clang-format off */
static const char sql_run_state[] = "SELECT state FROM tally_run WHERE run = ?1";
/* A definition that was replaced while the run went on has no rows any more. */
#define OF_RUN " WHERE run = ?1 AND published IS NULL AND blocked = 0 AND pruned = 0 AND definition IN (SELECT definition FROM tally_progress)"
static const char sql_has_staged[] = "SELECT 1 FROM tally_run_range" OF_RUN " LIMIT 1";
static const char sql_taken_ranges[] =
    "SELECT definition, from_ms, to_ms FROM tally_run_range WHERE run = ?1 AND published = ?2 ORDER BY definition, from_ms";
static const char sql_take_ranges[] = "UPDATE tally_run_range SET published = ?2" OF_RUN;
static const char sql_next_published[] = "SELECT COALESCE(MAX(published), 0) + 1 FROM tally_publication";
static const char sql_add_publication[] =
    "INSERT INTO tally_publication (published, run, at_ms, change, accepted, who, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
static const char sql_across[] =
    "SELECT from_ms, to_ms, run FROM tally_pointer WHERE definition = ?1 AND to_ms > ?2 AND from_ms < ?3"
    " AND (from_ms < ?2 OR to_ms > ?3) LIMIT 1";
static const char sql_cover[] = "DELETE FROM tally_pointer WHERE definition = ?1 AND from_ms >= ?2 AND to_ms <= ?3";
static const char sql_point[] =
    "INSERT INTO tally_pointer (definition, from_ms, to_ms, run) SELECT definition, from_ms, to_ms, run FROM tally_run_range"
    " WHERE published = ?1 AND definition = ?2";
static const char sql_pointers[] =
    "SELECT p.from_ms, p.to_ms, p.run, b.at_ms FROM tally_pointer AS p JOIN tally_run_range AS r ON r.run = p.run"
    " AND r.definition = p.definition AND r.from_ms = p.from_ms JOIN tally_publication AS b ON b.published = r.published"
    " WHERE p.definition = ?1 ORDER BY p.to_ms";
static const char sql_put_boundary[] = "UPDATE tally_progress SET boundary_ms = ?2 WHERE definition = ?1";
static const char sql_end_run[] = "UPDATE tally_run SET state = ?3, ended_ms = ?2 WHERE run = ?1";

static const char sql_release[] =
    "UPDATE tally_run_range SET blocked = 0 WHERE run = ?1 AND definition = ?2 AND from_ms = ?3 AND blocked IN (1, 2)"
    " AND published IS NULL AND pruned = 0 RETURNING 1";
/* One of which all was kept back. */
static const char sql_revive[] = "UPDATE tally_run SET state = 'published' WHERE run = ?1 AND state = 'failed'";

static const char sql_newest[] = "SELECT published FROM tally_publication WHERE undone_ms IS NULL ORDER BY published DESC LIMIT 1";
static const char sql_first_of_run[] =
    "SELECT published FROM tally_publication WHERE run = ?1 AND undone_ms IS NULL ORDER BY published LIMIT 1";
static const char sql_undo[] =
    "UPDATE tally_publication SET undone_ms = ?2, undone_by = ?3 WHERE published >= ?1 AND undone_ms IS NULL";
static const char sql_undone[] =
    "SELECT published, run FROM tally_publication WHERE published >= ?1 AND undone_ms = ?2 ORDER BY published DESC";
static const char sql_undo_runs[] =
    "UPDATE tally_run SET state = 'rolled back' WHERE state = 'published' AND NOT EXISTS (SELECT 1 FROM tally_publication AS b"
    " WHERE b.run = tally_run.run AND b.undone_ms IS NULL)";
static const char sql_undone_definitions[] =
    "SELECT DISTINCT r.definition FROM tally_publication AS b JOIN tally_run_range AS r ON r.run = b.run AND r.published = b.published"
    " JOIN tally_progress AS g ON g.definition = r.definition WHERE b.published >= ?1 ORDER BY r.definition";
/* Of what is struck out. A definition by a pattern reads what its runs have read of topics. An empty range of a new definition is made anew as it was. */
static const char sql_undone_sealed[] =
    "SELECT MAX(r.run), MAX(r.to_ms) FROM tally_publication AS b CROSS JOIN tally_run_range AS r"
    " WHERE b.published >= ?2 AND b.undone_ms = ?3 AND r.run = b.run AND r.definition = ?1 AND r.published = b.published"
    " AND EXISTS (SELECT 1 FROM tally_sealed AS s WHERE r.from_ms < s.upto_ms AND (s.topic = ?4 OR (?5 <> 0 AND EXISTS"
    " (SELECT 1 FROM tally_run_offset AS o WHERE o.run = r.run AND o.topic IN (s.topic, s.topic || '.import')))))"
    " AND r.rows_count + r.dead_letter + r.future + r.duplicate + r.filtered + r.rejected + r.late + r.partly_counted + r.counted > 0"
    " HAVING count(*) > 0";
static const char sql_unpoint[] = "DELETE FROM tally_pointer WHERE definition = ?1";
/* A later publication that stays overlaps the range r. The ranges of one publication do not overlap, so only the last that begins before r's end can lie across r: found by the primary key, while a
 * condition on both ends looks at all of a year of hours for each hour. */
#define LATER " EXISTS (SELECT 1 FROM tally_publication AS c WHERE c.published > r.published AND c.undone_ms IS NULL" \
    " AND r.from_ms < (SELECT n.to_ms FROM tally_run_range AS n WHERE n.run = c.run AND n.definition = r.definition" \
    " AND n.from_ms < r.to_ms AND n.published = c.published ORDER BY n.from_ms DESC LIMIT 1))"
static const char sql_replay[] =
    "INSERT INTO tally_pointer (definition, from_ms, to_ms, run) SELECT r.definition, r.from_ms, r.to_ms, r.run FROM tally_run_range AS r"
    " JOIN tally_publication AS b ON b.published = r.published WHERE r.definition = ?1 AND b.undone_ms IS NULL AND NOT" LATER;
static const char sql_pointed_and_pruned[] =
    "SELECT r.run FROM tally_pointer AS p JOIN tally_run_range AS r ON r.run = p.run AND r.definition = p.definition"
    " AND r.from_ms = p.from_ms WHERE p.definition = ?1 AND r.pruned <> 0 ORDER BY r.to_ms LIMIT 1";
static const char sql_progress[] = "SELECT boundary_ms, pruned_ms FROM tally_progress WHERE definition = ?1";
static const char sql_replaced[] =
    "SELECT count(*) FROM tally_definition AS d JOIN tally_definition AS o ON o.view = d.view AND o.definition < d.definition"
    " AND o.state = 'retired' WHERE d.definition = ?1 AND d.state = 'active'";
static const char sql_rolled_back[] =
    "SELECT r.from_ms, r.to_ms, r.run FROM tally_publication AS b CROSS JOIN tally_run_range AS r"
    " WHERE b.undone_ms IS NOT NULL AND r.run = b.run AND r.definition = ?1 AND r.published = b.published AND NOT" LATER
    " ORDER BY r.from_ms, r.to_ms";
/* clang-format on */

struct chain {
    int64_t definition, from_ms, to_ms;
};

/* Ranges published before that the chain covers go; one that it cuts is an error. */
static enum tl_code cover(struct tl_store *store, const struct chain *chain, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_across, &answer, err, "iii", chain->definition, chain->from_ms, chain->to_ms));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row)
        TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                       "%s: the range (%lld, %lld] of definition %lld would cut the range (%lld, %lld] that run %lld published; "
                       "a range that "
                       "covers it, or ends where it begins, would do; nothing was published",
                       store->database->place, (long long)chain->from_ms, (long long)chain->to_ms, (long long)chain->definition,
                       (long long)tl_answer_i64(answer, 0), (long long)tl_answer_i64(answer, 1),
                       (long long)tl_answer_i64(answer, 2)));
    TL_TRY(tl_database_do(store->database, sql_cover, err, "iii", chain->definition, chain->from_ms, chain->to_ms));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_pointer_end(struct tl_store *store, int64_t definition, int64_t before_ms, int64_t *end_ms, int64_t *last,
                            struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false, first = true;
    enum tl_code rc;

    *end_ms = INT64_MIN;
    *last = 0;
    TL_TRY(tl_database_ask(store->database, sql_pointers, &answer, err, "i", definition));
    for (;; first = false) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row || (!first && tl_answer_i64(answer, 0) != *end_ms))
            break;
        if (before_ms != INT64_MAX && tl_answer_i64(answer, 3) >= before_ms)
            break;
        *end_ms = tl_answer_i64(answer, 1);
        *last = tl_answer_i64(answer, 2);
    }
out:
    tl_answer_close(answer);
    return rc;
}

/* The boundary, and the cuts, as the pointer wants them now. */
static enum tl_code renew_boundary(struct tl_store *store, struct tl_known *d, int64_t *boundary_ms, struct tl_err *err)
{
    int64_t last;
    enum tl_code rc;

    TL_TRY(tl_pointer_end(store, d->id, INT64_MAX, boundary_ms, &last, err));
    TL_TRY(tl_database_do(store->database, sql_put_boundary, err, "ii", d->id, *boundary_ms));
    if (d->cut_per_key)
        TL_TRY(tl_cuts_renew(store, d, *boundary_ms, last, err));
out:
    return rc;
}

/* ---- publication ---- */

static enum tl_code point(struct tl_store *store, int64_t published, int64_t definition, struct tl_err *err)
{
    struct tl_known *d;
    int64_t boundary_ms;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    TL_TRY(tl_database_do(store->database, sql_point, err, "ii", published, definition));
    TL_TRY(renew_boundary(store, d, &boundary_ms, err));
out:
    return rc;
}

/* The run's state allows it; *done: it has been published before. */
static enum tl_code may_publish(struct tl_store *store, int64_t run, bool *done, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_run_state, &answer, err, "i", run));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no run %lld to publish", store->database->place, (long long)run));
    *done = tl_sv_eq(tl_answer_text(answer, 0), TL_SV("published"));
    if (!*done && !tl_sv_eq(tl_answer_text(answer, 0), TL_SV("staged")))
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: run %lld is %.*s: nothing of it is staged; a new run would do",
                       store->database->place, (long long)run, TL_SV_ARG(tl_answer_text(answer, 0))));
out:
    tl_answer_close(answer);
    return rc;
}

/* Walks the staged ranges, which are the publication's once they are taken: chain after chain, definition after definition. */
static enum tl_code move_pointer(struct tl_store *store, int64_t run, int64_t published, struct tl_answer *taken,
                                 struct tl_err *err)
{
    struct chain chain = {0};
    bool row = false, any = false;
    enum tl_code rc = TL_OK;

    do {
        struct chain next = {0};

        TL_TRY(tl_answer_next(taken, &row, err));
        if (row) {
            next = (struct chain){tl_answer_i64(taken, 0), tl_answer_i64(taken, 1), tl_answer_i64(taken, 2)};
            if (any && next.definition == chain.definition && next.from_ms < chain.to_ms)
                TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                               "%s: run %lld staged two ranges of definition %lld that overlap at %lld; nothing was published",
                               store->database->place, (long long)run, (long long)next.definition, (long long)next.from_ms));
            if (any && next.definition == chain.definition && next.from_ms == chain.to_ms) {
                chain.to_ms = next.to_ms;
                continue;
            }
        }
        if (any) {
            TL_TRY(cover(store, &chain, err));
            if (!row || next.definition != chain.definition)
                TL_TRY(point(store, published, chain.definition, err));
        }
        chain = next;
        any = true;
    } while (row);
out:
    return rc;
}

static enum tl_code publish(struct tl_store *store, int64_t run, const struct tl_acceptance *by, int64_t ended_ms,
                            struct tl_err *err)
{
    static const struct tl_acceptance nobody = {
        .check = {"", 0},
          .who = {"", 0},
          .reason = {"", 0}
    };
    struct tl_answer *taken = NULL;
    int64_t change = 0, published = 0, one = 0;
    bool done = false, any = false;
    enum tl_code rc;

    if (by == NULL)
        by = &nobody;
    TL_TRY(may_publish(store, run, &done, err));
    TL_TRY(tl_store_replace_kept(store, run, err));
    TL_TRY(tl_database_get(store->database, sql_has_staged, &one, &any, err, "i", run));
    if (!any) {
        if (!done) /* all of it is blocked */
            TL_TRY(tl_database_do(store->database, sql_end_run, err, "iit", run, ended_ms, TL_SV("failed")));
        goto out; /* or a commit whose answer was lost */
    }
    TL_TRY(tl_store_next_change(store, &change, err));
    TL_TRY(tl_database_get(store->database, sql_next_published, &published, NULL, err, ""));
    TL_TRY(tl_database_do(store->database, sql_add_publication, err, "iiiittt", published, run, ended_ms, change, by->check,
                          by->who, by->reason));
    TL_TRY(tl_database_do(store->database, sql_take_ranges, err, "ii", run, published));
    TL_TRY(tl_database_ask(store->database, sql_taken_ranges, &taken, err, "ii", run, published));
    TL_TRY(move_pointer(store, run, published, taken, err));
    TL_TRY(tl_database_do(store->database, sql_end_run, err, "iit", run, ended_ms, TL_SV("published")));
out:
    tl_answer_close(taken);
    return rc;
}

enum tl_code tl_store_publish_as(struct tl_store *store, int64_t run, const struct tl_acceptance *by, int64_t ended_ms,
                                 struct tl_err *err)
{
    struct tl_epoch epoch;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_PUBLISH, err));
    rc = tl_store_lock_epoch(store, &epoch, err); /* no tick is under way */
    if (rc == TL_OK)
        rc = publish(store, run, by, ended_ms, err);
    TL_TRY(tl_store_end(store, rc, err));
out:
    return rc;
}

/* From here on they are the run's as if no check had ever kept them back. */
static enum tl_code release(struct tl_store *store, int64_t run, const struct tl_kept_range *ranges, size_t count,
                            struct tl_err *err)
{
    int64_t one = 0;
    bool found = false;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < count; i++) {
        TL_TRY(tl_database_get(store->database, sql_release, &one, &found, err, "iii", run, ranges[i].definition,
                               ranges[i].from_ms));
        if (!found)
            TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: run %lld keeps no range back that begins at %lld; nothing was published",
                           store->database->place, (long long)run, (long long)ranges[i].from_ms));
    }
    TL_TRY(tl_database_do(store->database, sql_revive, err, "i", run));
out:
    return rc;
}

enum tl_code tl_store_publish_kept(struct tl_store *store, int64_t run, const struct tl_kept_range *ranges, size_t count,
                                   const struct tl_acceptance *by, int64_t ended_ms, struct tl_err *err)
{
    struct tl_epoch epoch;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_PUBLISH, err));
    rc = tl_store_lock_epoch(store, &epoch, err);
    if (rc == TL_OK)
        rc = release(store, run, ranges, count, err);
    if (rc == TL_OK)
        rc = publish(store, run, by, ended_ms, err);
    TL_TRY(tl_store_end(store, rc, err));
out:
    return rc;
}

enum tl_code tl_store_publish(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err)
{
    return tl_store_publish_as(store, run, NULL, ended_ms, err);
}

/* ---- rollback ---- */

static enum tl_code find_publication(struct tl_store *store, int64_t run, int64_t *published, struct tl_err *err)
{
    const char *place = store->database->place;
    struct tl_answer *answer = NULL;
    bool found = false, row = false;
    enum tl_code rc;

    if (run == 0) {
        TL_TRY(tl_database_get(store->database, sql_newest, published, &found, err, ""));
        if (!found)
            TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: no publication is left to be rolled back", place));
        goto out;
    }
    TL_TRY(tl_database_get(store->database, sql_first_of_run, published, &found, err, "i", run));
    if (found)
        goto out;
    TL_TRY(tl_database_ask(store->database, sql_run_state, &answer, err, "i", run));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no run %lld; tally runs shows those that there are", place,
                       (long long)run));
    TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: run %lld is %.*s: nothing that it published is left to be rolled back", place,
                   (long long)run, TL_SV_ARG(tl_answer_text(answer, 0))));
out:
    tl_answer_close(answer);
    return rc;
}

static void time_text(int64_t time_ms, char out[TL_TIME_TEXT_BYTES])
{
    if (time_ms == INT64_MIN)
        snprintf(out, TL_TIME_TEXT_BYTES, "the beginning");
    else
        tl_time_to_iso_z(time_ms, out);
}

/* The rows that would be seen again are there. */
static enum tl_code check_rows(struct tl_store *store, const struct tl_known *d, int64_t boundary_ms, struct tl_err *err)
{
    char gone[TL_TIME_TEXT_BYTES], at[TL_TIME_TEXT_BYTES];
    struct tl_answer *answer = NULL;
    int64_t run = 0, replaced = 0;
    bool row = false, found = false;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_pointed_and_pruned, &run, &found, err, "i", d->id));
    if (found)
        TL_TRY(
            tl_fail(err, TL_ERR_LIMIT,
                    "view %.*s: rows of run %lld would be shown again, and they are gone: they were superseded longer ago than "
                    "'tally.speed-retention'; nothing was rolled back; tally batch --force computes anew",
                    TL_SV_ARG(d->view), (long long)run));
    TL_TRY(tl_database_ask(store->database, sql_progress, &answer, err, "i", d->id));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row || boundary_ms >= tl_answer_i64(answer, 0))
        goto out;
    time_text(boundary_ms, at);
    if (tl_answer_i64(answer, 1) > boundary_ms) {
        time_text(tl_answer_i64(answer, 1), gone);
        TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                       "view %.*s: speed would serve what lies behind %s again, and its rows are gone up to %s "
                       "('tally.speed-retention'); nothing was rolled back; tally batch --force computes anew",
                       TL_SV_ARG(d->view), at, gone));
    }
    TL_TRY(tl_database_get(store->database, sql_replaced, &replaced, NULL, err, "i", d->id));
    if (boundary_ms == INT64_MIN && replaced > 0)
        TL_TRY(
            tl_fail(err, TL_ERR_LIMIT,
                    "view %.*s: nothing of its present definition would be left published, and the definition before it is gone; "
                    "nothing was rolled back; give the views file of before to tally batch",
                    TL_SV_ARG(d->view)));
out:
    tl_answer_close(answer);
    return rc;
}

/* What is struck out could be had again. */
static enum tl_code check_sealed(struct tl_store *store, const struct tl_known *d, int64_t published, int64_t now_ms,
                                 struct tl_err *err)
{
    struct tl_sv topic = d->by_pattern ? (struct tl_sv){"", 0} : d->topic;
    char upto[TL_TIME_TEXT_BYTES];
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_undone_sealed, &answer, err, "iiiti", d->id, published, now_ms, topic,
                           (int64_t)d->by_pattern));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        goto out;
    tl_time_to_iso_z(tl_answer_i64(answer, 1), upto);
    TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                   "view %.*s: what run %lld has published up to %s could not be had again: these days are sealed, and the "
                   "record has lost events of them (tally archive --retention); nothing was rolled back; tally batch --from TIME "
                   "computes anew what lies behind the sealed days",
                   TL_SV_ARG(d->view), (long long)tl_answer_i64(answer, 0), upto));
out:
    tl_answer_close(answer);
    return rc;
}

/* The same for keys whose cut has stepped back below what is pruned: rows above it would be seen again. */
static enum tl_code check_cuts(struct tl_store *store, const struct tl_known *d, int64_t boundary_ms, int64_t pruned_ms,
                               struct tl_err *err)
{
    char gone[TL_TIME_TEXT_BYTES];
    bool lost = false;
    enum tl_code rc;

    TL_TRY(tl_cuts_find_lost(store, d, boundary_ms, pruned_ms, &lost, err));
    if (!lost)
        goto out;
    time_text(pruned_ms, gone);
    TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                   "view %.*s: speed would serve again what a window holds that began before %s, and its rows are gone up to %s "
                   "('tally.speed-retention'); nothing was rolled back; tally batch --force computes anew",
                   TL_SV_ARG(d->view), gone, gone));
out:
    return rc;
}

static enum tl_code point_back(struct tl_store *store, int64_t definition, int64_t published, int64_t now_ms, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_answer *answer = NULL;
    int64_t boundary_ms, last, before_ms, pruned_ms;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    TL_TRY(tl_database_ask(store->database, sql_progress, &answer, err, "i", definition));
    TL_TRY(tl_answer_next(answer, &row, err));
    before_ms = tl_answer_i64(answer, 0);
    pruned_ms = tl_answer_i64(answer, 1);
    TL_TRY(check_sealed(store, d, published, now_ms, err));
    TL_TRY(tl_database_do(store->database, sql_unpoint, err, "i", definition));
    TL_TRY(tl_database_do(store->database, sql_replay, err, "i", definition));
    TL_TRY(tl_pointer_end(store, definition, INT64_MAX, &boundary_ms, &last, err));
    TL_TRY(check_rows(store, d, boundary_ms, err));
    if (d->cut_per_key)
        TL_TRY(tl_cuts_set_aside(store, d, err));
    TL_TRY(renew_boundary(store, d, &boundary_ms, err));
    if (d->cut_per_key)
        TL_TRY(check_cuts(store, d, before_ms, pruned_ms, err));
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code unpublish(struct tl_store *store, int64_t run, const char *who, int64_t now_ms,
                              enum tl_code (*each)(void *ctx, int64_t published, int64_t run, struct tl_err *err), void *ctx,
                              struct tl_err *err)
{
    struct tl_answer *undone = NULL, *definitions = NULL;
    int64_t published = 0, change = 0;
    bool row = false;
    enum tl_code rc;

    TL_TRY(find_publication(store, run, &published, err));
    TL_TRY(tl_database_do(store->database, sql_undo, err, "iit", published, now_ms, tl_sv_from(who)));
    TL_TRY(tl_database_do(store->database, sql_undo_runs, err, ""));
    TL_TRY(tl_database_ask(store->database, sql_undone_definitions, &definitions, err, "i", published));
    for (;;) {
        TL_TRY(tl_answer_next(definitions, &row, err));
        if (!row)
            break;
        TL_TRY(point_back(store, tl_answer_i64(definitions, 0), published, now_ms, err));
    }
    TL_TRY(tl_store_next_change(store, &change, err));
    TL_TRY(tl_database_ask(store->database, sql_undone, &undone, err, "ii", published, now_ms));
    for (;;) {
        TL_TRY(tl_answer_next(undone, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_i64(undone, 0), tl_answer_i64(undone, 1), err));
    }
out:
    tl_answer_close(undone);
    tl_answer_close(definitions);
    return rc;
}

enum tl_code tl_store_unpublish(struct tl_store *store, int64_t run, const char *who, int64_t now_ms,
                                enum tl_code (*each)(void *ctx, int64_t published, int64_t run, struct tl_err *err), void *ctx,
                                struct tl_err *err)
{
    struct tl_epoch epoch;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_PUBLISH, err));
    rc = tl_store_lock_epoch(store, &epoch, err); /* no tick is under way */
    if (rc == TL_OK)
        rc = unpublish(store, run, who, now_ms, each, ctx, err);
    TL_TRY(tl_store_end(store, rc, err));
out:
    return rc;
}

enum tl_code tl_answer_each_range(struct tl_answer *answer,
                                  enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err),
                                  void *ctx, struct tl_err *err)
{
    bool row = false;
    enum tl_code rc;

    for (;;) {
        struct tl_run_range range;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        range = (struct tl_run_range){
            .from_ms = tl_answer_i64(answer, 0), .to_ms = tl_answer_i64(answer, 1), .run = tl_answer_i64(answer, 2)};
        TL_TRY(each(ctx, &range, err));
    }
out:
    return rc;
}

enum tl_code tl_store_rolled_back(struct tl_store *store, int64_t definition,
                                  enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err),
                                  void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_rolled_back, &answer, err, "i", definition));
    TL_TRY(tl_answer_each_range(answer, each, ctx, err));
out:
    tl_answer_close(answer);
    return rc;
}
