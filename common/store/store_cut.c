/* store_cut.c: cuts per key in the store: all anew at a publication or a rollback, lowered by a tick whose row comes to cross one.
 *
 * Only a key with a session across the boundary has a cut below it, so a publication looks at those: the carried ones, and speed's rows
 * that end behind the boundary and begin before it. From there each key is walked by itself, through the indexes on key and end: a key that
 * is never quiet (a monitor's) leads far back, and must not take the rows of all others along. The walk reads the key's rows down to its
 * cut, whatever the tables hold. It ends by itself where speed's rows end, pruned or never there: batch's sessions of a key do not cross one
 * another (its count windows may, within a millisecond). What a cut would want that comes to lie below speed's oldest kept row is pending.
 * Between publications a tick keeps to what holds for each cut: no row of its key crosses it. A row that goes leaves that true. */
#include "store/cut.h"

#include "store/store_handle.h"

/* clang-format off */
static const char sql_forget_cuts[] = "DELETE FROM tally_cut WHERE definition = ?1";
static const char *const sql_cut[] = {
    [TL_DIALECT_SQLITE] = "SELECT cut_ms FROM tally_cut WHERE definition = ?1 AND \"key\" = ?2",
    [TL_DIALECT_POSTGRES] = "SELECT cut_ms FROM tally_cut WHERE definition = ?1 AND " TL_POSTGRES_INDEXED("\"key\"")
                            " = " TL_POSTGRES_INDEXED("?2") " AND \"key\" = ?2",
};
static const char *const sql_put_cut[] = {
    [TL_DIALECT_SQLITE] = "INSERT INTO tally_cut (definition, \"key\", cut_ms) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT (definition, \"key\") DO UPDATE SET cut_ms = excluded.cut_ms",
    [TL_DIALECT_POSTGRES] = "INSERT INTO tally_cut (definition, \"key\", cut_ms) VALUES (?1, ?2, ?3)"
                            " ON CONFLICT (definition, " TL_POSTGRES_INDEXED("\"key\"") ") DO UPDATE SET cut_ms = excluded.cut_ms",
};
/* Those of before a rollback stand under the definition's number with a minus. */
static const char sql_set_aside[] = "UPDATE tally_cut SET definition = -definition WHERE definition = ?1";
static const char sql_boundary[] = "SELECT boundary_ms FROM tally_progress WHERE definition = ?1";
/* clang-format on */

/* ---- the walk of one key ---- */

/* _start_ms, _end_ms in descending order of _end_ms: ctx is an answer. */
static enum tl_code next_span(void *ctx, struct tl_cut_span *out, bool *there, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_answer_next(ctx, there, err));
    if (*there)
        *out = (struct tl_cut_span){tl_answer_i64(ctx, 0), tl_answer_i64(ctx, 1)};
out:
    return rc;
}

/* Parameters: 1 the key, 2 the boundary (batch's only). */
static enum tl_code open_spans(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_merge_view view = tl_known_view(d);
    enum tl_dialect dialect = store->database->dialect;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "SELECT s._start_ms, s._end_ms FROM ");
    tl_merge_view_put_name(&sql, view.speed_table);
    tl_buf_put_str(&sql, " AS s WHERE ");
    tl_merge_view_put_has_key(&sql, dialect, &view, "s", "?1");
    tl_buf_put_str(&sql, " ORDER BY s._end_ms DESC");
    if (d->own[TL_OWN_SPEED_SPANS] == NULL)
        TL_TRY(tl_database_prepare(store->database, &sql, "b", &d->own[TL_OWN_SPEED_SPANS], err, "read"));
    tl_buf_clear(&sql);
    tl_buf_put_str(&sql, "SELECT b._start_ms, b._end_ms FROM ");
    tl_merge_view_put_name(&sql, view.batch_table);
    tl_buf_put_str(&sql, " AS b WHERE ");
    tl_merge_view_put_has_key(&sql, dialect, &view, "b", "?1");
    tl_buf_put_str(&sql, " AND b._end_ms <= ?2 AND b._run = ");
    tl_merge_view_put_run_of(&sql, &view, "b");
    tl_buf_put_str(&sql, " ORDER BY b._end_ms DESC");
    TL_TRY(tl_database_prepare(store->database, &sql, "bi", &d->own[TL_OWN_BATCH_SPANS], err, "read"));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code walk(struct tl_store *store, struct tl_known *d, struct tl_sv key, int64_t boundary_ms, int64_t *cut_ms,
                         struct tl_err *err)
{
    struct tl_answer *speed = NULL, *batch = NULL;
    enum tl_code rc = TL_OK;

    if (d->own[TL_OWN_BATCH_SPANS] == NULL)
        TL_TRY(open_spans(store, d, err));
    TL_TRY(tl_statement_stream(d->own[TL_OWN_SPEED_SPANS], &speed, err, key));
    TL_TRY(tl_statement_stream(d->own[TL_OWN_BATCH_SPANS], &batch, err, key, boundary_ms));
    TL_TRY(tl_cut_walk(
        (struct tl_cut_layer[]){
            {next_span, speed},
            {next_span, batch}
    },
        cut_ms, err));
out:
    tl_answer_close(speed);
    tl_answer_close(batch);
    return rc;
}

/* ---- a publication ---- */

/* The keys that have a session across the boundary, each with the earliest start of one. */
static enum tl_code begin_walks(struct tl_store *store, struct tl_known *d, int64_t boundary_ms, int64_t run, struct tl_err *err)
{
    struct tl_merge_view view = tl_known_view(d);
    struct tl_statement *statement = NULL;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_printf(
        &sql,
        "INSERT INTO tally_cut (definition, \"key\", cut_ms) SELECT %lld, n.k, MIN(n.start_ms) FROM (SELECT o.\"key\" AS k,"
        " o.start_ms AS start_ms FROM tally_open AS o WHERE o.run = ?1 AND o.definition = %lld AND o.to_ms = ?2"
        " AND o.start_ms < ?2 UNION ALL SELECT ",
        (long long)d->id, (long long)d->id);
    tl_merge_view_put_key(&sql, store->database->dialect, &view, "s");
    tl_buf_put_str(&sql, ", s._start_ms FROM ");
    tl_merge_view_put_name(&sql, view.speed_table);
    tl_buf_put_str(&sql, " AS s WHERE s._end_ms > ?2 AND s._start_ms < ?2) AS n GROUP BY n.k");
    TL_TRY(tl_database_prepare(store->database, &sql, "ii", &statement, err, "cut the keys of %.*s", TL_SV_ARG(d->view)));
    TL_TRY(tl_statement_do(statement, err, run, boundary_ms));
out:
    tl_statement_close(statement);
    tl_buf_done(&sql);
    return rc;
}

static void put_crossing(struct tl_buf *sql, enum tl_dialect dialect, const struct tl_merge_view *view, struct tl_sv table)
{
    tl_buf_put_str(sql, "EXISTS (SELECT 1 FROM ");
    tl_merge_view_put_name(sql, table);
    tl_buf_put_str(sql, " AS x WHERE ");
    tl_merge_view_put_has_key(sql, dialect, view, "x", "c.\"key\"");
    tl_buf_put_str(sql, " AND x._end_ms > c.cut_ms AND x._start_ms < c.cut_ms");
}

/* The cuts that have further to go. One statement: where the layers agree, which is most keys, it is two lookups a key and no walk. A
 * publication of 100,000 keys that are open at the boundary takes 0.5 to 0.9 s of processor time; with a walk for each it was up to 1.5. */
static enum tl_code open_crossed(struct tl_store *store, struct tl_known *d, int64_t boundary_ms, struct tl_answer **out,
                                 struct tl_err *err)
{
    struct tl_merge_view view = tl_known_view(d);
    enum tl_dialect dialect = store->database->dialect;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_printf(&sql, "SELECT c.\"key\", c.cut_ms FROM tally_cut AS c WHERE c.definition = %lld AND (", (long long)d->id);
    put_crossing(&sql, dialect, &view, view.speed_table);
    tl_buf_put_str(&sql, ") OR ");
    put_crossing(&sql, dialect, &view, view.batch_table);
    tl_buf_put_str(&sql, " AND x._end_ms <= ?1 AND x._run = ");
    tl_merge_view_put_run_of(&sql, &view, "x");
    tl_buf_put_str(&sql, ")) ORDER BY c.\"key\"");
    TL_TRY(tl_database_stream_text(store->database, &sql, out, err, "i", boundary_ms));
out:
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_cuts_renew(struct tl_store *store, struct tl_known *d, int64_t boundary_ms, int64_t run, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_do(store->database, sql_forget_cuts, err, "i", d->id));
    TL_TRY(begin_walks(store, d, boundary_ms, run, err));
    /* A cut that is written while they are listed keeps its place in the list; seen once more it would walk nowhere. */
    TL_TRY(open_crossed(store, d, boundary_ms, &answer, err));
    for (;;) {
        int64_t cut_ms;
        struct tl_sv key;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        key = tl_answer_bytes(answer, 0);
        cut_ms = tl_answer_i64(answer, 1);
        TL_TRY(walk(store, d, key, boundary_ms, &cut_ms, err));
        TL_TRY(tl_database_do(store->database, sql_put_cut[store->database->dialect], err, "ibi", d->id, key, cut_ms));
    }
out:
    tl_answer_close(answer);
    return rc;
}

/* ---- a rollback ---- */

enum tl_code tl_cuts_set_aside(struct tl_store *store, const struct tl_known *d, struct tl_err *err)
{
    return tl_database_do(store->database, sql_set_aside, err, "i", d->id);
}

/* Pruned are rows that end up to there and begin below their key's cut, as it was. So where a cut is not lower than it was they are not asked for;
 * nor where it is the start of a row that is there and ends behind: there the layers agree. */
enum tl_code tl_cuts_find_lost(struct tl_store *store, const struct tl_known *d, int64_t boundary_ms, int64_t pruned_ms,
                               bool *lost, struct tl_err *err)
{
    struct tl_merge_view view = tl_known_view(d);
    enum tl_dialect dialect = store->database->dialect;
    struct tl_answer *answer = NULL;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "SELECT 1 FROM tally_cut AS c LEFT JOIN tally_cut AS o ON o.definition = -c.definition AND ");
    tl_merge_view_put_same_key(&sql, dialect, "o.\"key\"", "c.\"key\"");
    tl_buf_put_str(&sql, " WHERE c.definition = ?1 AND c.cut_ms < ?2 AND c.cut_ms < COALESCE(o.cut_ms, ?3) AND NOT EXISTS"
                         " (SELECT 1 FROM ");
    tl_merge_view_put_name(&sql, view.speed_table);
    tl_buf_put_str(&sql, " AS s WHERE ");
    tl_merge_view_put_has_key(&sql, dialect, &view, "s", "c.\"key\"");
    tl_buf_put_str(&sql, " AND s._start_ms = c.cut_ms AND s._end_ms > ?2) LIMIT 1");
    TL_TRY(tl_database_stream_text(store->database, &sql, &answer, err, "iii", d->id, pruned_ms, boundary_ms));
    TL_TRY(tl_answer_next(answer, lost, err));
    tl_answer_close(answer);
    answer = NULL;
    TL_TRY(tl_database_do(store->database, sql_forget_cuts, err, "i", -d->id));
out:
    tl_answer_close(answer);
    tl_buf_done(&sql);
    return rc;
}

/* ---- a tick ---- */

enum tl_code tl_cuts_lower(struct tl_store *store, struct tl_known *d, const struct tl_rows *rows, struct tl_err *err)
{
    int64_t boundary_ms = INT64_MIN;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_boundary, &boundary_ms, NULL, err, "i", d->id));
    for (uint32_t i = 0; i < rows->count; i++) {
        struct tl_sv key = tl_known_key(d, rows->key[i]);
        int64_t cut_ms = boundary_ms;
        bool found = false;

        if (rows->start_ms[i] >= boundary_ms) /* no cut lies higher */
            continue;
        TL_TRY(tl_database_get(store->database, sql_cut[store->database->dialect], &cut_ms, &found, err, "ib", d->id, key));
        if (!found)
            cut_ms = boundary_ms;
        if (!tl_cut_crosses(rows->start_ms[i], rows->end_ms[i], cut_ms))
            continue;
        TL_TRY(walk(store, d, key, boundary_ms, &cut_ms, err));
        TL_TRY(tl_database_do(store->database, sql_put_cut[store->database->dialect], err, "ibi", d->id, key, cut_ms));
    }
out:
    return rc;
}
