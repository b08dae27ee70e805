/* store_change.c: what the merged view shows, row by row with its identity, and what has moved since. See store_change.h. */
#include "store/store_change.h"

#include <stdlib.h>

#include "store/store_handle.h"

/* clang-format off */
static const char sql_mark[] =
    "SELECT c.change, c.store, COALESCE((SELECT MAX(p.published) FROM tally_publication AS p), 0), COALESCE((SELECT p.published"
    " FROM tally_publication AS p WHERE p.undone_ms IS NULL ORDER BY p.published DESC LIMIT 1), 0) FROM tally_change AS c";
static const char sql_cuts[] =
    "SELECT count(*), CAST(COALESCE(sum(cut_ms), 0) AS BIGINT), COALESCE(min(cut_ms), ?2) FROM tally_cut WHERE definition = ?1";
static const char sql_published_ranges[] =
    "SELECT r.from_ms, r.to_ms, r.run FROM tally_publication AS b JOIN tally_run_range AS r ON r.run = b.run AND r.published = b.published"
    " WHERE b.published >= ?2 AND b.published <= ?3 AND (b.undone_ms IS NOT NULL) = (?4 <> 0) AND r.definition = ?1"
    " ORDER BY b.published, r.from_ms";
/* clang-format on */

enum tl_code tl_store_mark(struct tl_store *store, struct tl_store_mark *out, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    assert(tl_database_begun(store->database)); /* the names are known since its beginning */
    TL_TRY(tl_database_ask(store->database, sql_mark, &answer, err, ""));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: it has no change number", store->database->place));
    *out = (struct tl_store_mark){.store = tl_answer_i64(answer, 1),
                                  .change = tl_answer_i64(answer, 0),
                                  .names = store->names,
                                  .published = tl_answer_i64(answer, 2),
                                  .standing = tl_answer_i64(answer, 3)};
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_cuts(struct tl_store *store, int64_t definition, struct tl_store_cuts *out, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    *out = (struct tl_store_cuts){.lowest_ms = INT64_MAX};
    TL_TRY(tl_database_ask(store->database, sql_cuts, &answer, err, "ii", definition, INT64_MAX));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row)
        *out = (struct tl_store_cuts){tl_answer_i64(answer, 0), tl_answer_i64(answer, 1), tl_answer_i64(answer, 2)};
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_published_ranges(struct tl_store *store, int64_t definition, int64_t first, int64_t last, bool undone,
                                       enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err),
                                       void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    enum tl_code rc;

    TL_TRY(
        tl_database_ask(store->database, sql_published_ranges, &answer, err, "iiii", definition, first, last, (int64_t)undone));
    TL_TRY(tl_answer_each_range(answer, each, ctx, err));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_served_columns(struct tl_store *store, int64_t definition, struct tl_served_columns *out,
                                     struct tl_err *err)
{
    struct tl_known *d;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    *out = (struct tl_served_columns){d->columns, d->columns_count, d->windowed};
out:
    return rc;
}

/* ---- what is served ---- */

struct tl_served_cursor {
    const struct tl_known *d;
    struct tl_answer *answer;
    struct tl_value *columns;
    struct tl_served_row row;
};

static void put_layer(struct tl_buf *sql, enum tl_dialect dialect, const struct tl_known *d, enum tl_layer layer,
                      const struct tl_served_what *what)
{
    struct tl_merge_view view = tl_known_view(d);
    bool batch = layer == TL_LAYER_BATCH, ticks_alone = what->changed_after != INT64_MIN;

    tl_buf_put_str(sql, batch ? "SELECT _start_ms, _end_ms, _key, _run" : "SELECT _start_ms, _end_ms, _key, 0 AS _run");
    for (uint32_t i = 0; i < d->stored_count; i++) {
        tl_buf_put_str(sql, ", ");
        tl_store_put_stored_name(sql, &d->columns[d->stored[i]]);
    }
    tl_merge_view_put_from(sql, &view, layer);
    if (batch) {
        tl_merge_view_put_published(sql, &view);
        tl_buf_put_str(sql, " AND ");
    }
    if (d->windowed || !ticks_alone) {
        tl_merge_view_put_served(sql, dialect, &view, layer);
        tl_buf_put_str(sql, " AND ");
    }
    if (ticks_alone)
        tl_buf_printf(sql, "_change > %lld AND ", (long long)what->changed_after);
    tl_buf_printf(sql, "_end_ms > %lld", (long long)(what->behind_ms == INT64_MIN ? INT64_MIN + 1 : what->behind_ms));
}

static void put_select(struct tl_buf *sql, enum tl_dialect dialect, const struct tl_known *d, const struct tl_served_what *what)
{
    if (what->newest >= 0)
        tl_buf_put_str(sql, "SELECT * FROM (");
    if (what->changed_after == INT64_MIN) {
        put_layer(sql, dialect, d, TL_LAYER_BATCH, what);
        tl_buf_put_str(sql, " UNION ALL ");
    }
    put_layer(sql, dialect, d, TL_LAYER_SPEED, what);
    if (what->newest >= 0)
        tl_buf_printf(sql, " ORDER BY _end_ms DESC, _start_ms DESC, _key DESC LIMIT %lld) AS n", (long long)what->newest);
    tl_buf_put_str(sql, " ORDER BY _end_ms, _start_ms, _key");
}

enum tl_code tl_store_served(struct tl_store *store, const struct tl_served_what *what, struct tl_served_cursor **out,
                             struct tl_err *err)
{
    struct tl_served_cursor *c = calloc(1, sizeof *c);
    struct tl_known *d;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    if (c == NULL)
        return tl_fail_memory(err, sizeof *c);
    TL_TRY(tl_known_find(store, what->definition, &d, err));
    c->d = d;
    c->columns = calloc((size_t)d->columns_count + 1, sizeof *c->columns);
    if (c->columns == NULL)
        TL_TRY(tl_fail_memory(err, ((size_t)d->columns_count + 1) * sizeof *c->columns));
    for (uint32_t i = 0; i < d->columns_count; i++)
        c->columns[i].kind = d->columns[i].kind;
    put_select(&sql, store->database->dialect, d, what);
    TL_TRY(tl_database_stream_text(store->database, &sql, &c->answer, err, ""));
    *out = c;
    c = NULL;
out:
    tl_served_close(c);
    tl_buf_done(&sql);
    return rc;
}

enum tl_code tl_served_next(struct tl_served_cursor *c, const struct tl_served_row **row, struct tl_err *err)
{
    const struct tl_known *d = c->d;
    bool found = false;
    int at = 4;
    enum tl_code rc;

    *row = NULL;
    TL_TRY(tl_answer_next(c->answer, &found, err));
    if (!found)
        goto out;
    c->row = (struct tl_served_row){.start_ms = tl_answer_i64(c->answer, 0),
                                    .end_ms = tl_answer_i64(c->answer, 1),
                                    .key = tl_answer_bytes(c->answer, 2),
                                    .run = tl_answer_i64(c->answer, 3),
                                    .columns = c->columns};
    for (uint32_t i = 0; i < d->stored_count; i++)
        tl_answer_value(c->answer, at++, &c->columns[d->stored[i]]);
    for (uint32_t i = 0; i < d->columns_count; i++)
        if (tl_merge_view_is_window(d->columns[i].role))
            c->columns[i].i64 = d->columns[i].role == TL_ROLE_WINDOW_START ? c->row.start_ms
                                : d->columns[i].role == TL_ROLE_WINDOW_END ? c->row.end_ms
                                                                           : c->row.end_ms - 1;
    *row = &c->row;
out:
    return rc;
}

void tl_served_close(struct tl_served_cursor *c)
{
    if (c == NULL)
        return;
    tl_answer_close(c->answer);
    free(c->columns);
    free(c);
}
