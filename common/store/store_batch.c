/* store_batch.c: batch's runs in the store: begun, and staged under a run's id, visible to nobody. */
#include "store/store_handle.h"

#include <stdlib.h>

#include "event/schema.h"

/* clang-format off */
static const char sql_run_begin[] =
    "INSERT INTO tally_run (reason, versions, started_ms, state, normaliser) VALUES (?1, ?2, ?3, 'staged', ?4) RETURNING run";
static const char sql_put_checks[] = "UPDATE tally_run SET checks = ?2 WHERE run = ?1";
static const char sql_put_failure[] = "UPDATE tally_run SET failure = ?2 WHERE run = ?1";
static const char sql_add_totals[] =
    "UPDATE tally_run SET events_count = events_count + ?2, bytes_count = bytes_count + ?3, duplicates_count = duplicates_count + ?4"
    " WHERE run = ?1";
static const char sql_stage_offset[] =
    "INSERT INTO tally_run_offset (run, topic, partition, next_offset) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (run, topic, partition) DO UPDATE SET next_offset = excluded.next_offset";
static const char sql_forget_unread[] = "DELETE FROM tally_run_unread WHERE run = ?1 AND topic = ?2 AND partition = ?3";
static const char sql_stage_unread[] =
    "INSERT INTO tally_run_unread (run, topic, partition, first_offset, last_offset) VALUES (?1, ?2, ?3, ?4, ?5)"
    " ON CONFLICT (run, topic, partition, first_offset) DO UPDATE SET last_offset = excluded.last_offset";
/* 0 is no hash that is known. */
static const char sql_stage_range[] =
    "INSERT INTO tally_run_range (run, definition, from_ms, to_ms, rows_count, dead_letter, future, duplicate, filtered, rejected, late,"
    " partly_counted, counted, carry, carry_in, blocked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, NULLIF(?15, 0), ?16)"
    " ON CONFLICT (run, definition, from_ms) DO UPDATE SET to_ms = excluded.to_ms, rows_count = excluded.rows_count,"
    " dead_letter = excluded.dead_letter, future = excluded.future, duplicate = excluded.duplicate, filtered = excluded.filtered,"
    " rejected = excluded.rejected, late = excluded.late, partly_counted = excluded.partly_counted, counted = excluded.counted,"
    " carry = excluded.carry, carry_in = excluded.carry_in, blocked = excluded.blocked";
/* A key may have several sessions among the rows: the earliest counts. */
static const char *const sql_stage_open[] = {
    [TL_DIALECT_SQLITE] =
        "INSERT INTO tally_open (run, definition, to_ms, \"key\", start_ms) {ROWS}"
        " ON CONFLICT (run, definition, to_ms, \"key\") DO UPDATE SET start_ms = min(start_ms, excluded.start_ms)",
    [TL_DIALECT_POSTGRES] =
        "INSERT INTO tally_open (run, definition, to_ms, \"key\", start_ms) SELECT n.r, n.d, n.t, n.k, min(n.s) FROM ({ROWS})"
        " AS n (r, d, t, k, s) GROUP BY n.r, n.d, n.t, n.k"
        " ON CONFLICT (run, definition, to_ms, " TL_POSTGRES_INDEXED("\"key\"") ")"
        " DO UPDATE SET start_ms = LEAST(tally_open.start_ms, excluded.start_ms)",
};
/* clang-format on */

enum tl_code tl_store_run_begin(struct tl_store *store, const char *reason, struct tl_sv versions, int64_t started_ms,
                                int64_t *run, struct tl_err *err)
{
    int64_t begun = 0;
    enum tl_code rc;

    TL_TRY(tl_store_begin(store, err));
    rc = tl_database_get(store->database, sql_run_begin, &begun, NULL, err, "ttii", tl_sv_from(reason), versions, started_ms,
                         (int64_t)TL_NORMALISER_VERSION);
    TL_TRY(tl_store_end(store, rc, err));
    *run = begun;
out:
    return rc;
}

enum tl_code tl_store_put_run_checks(struct tl_store *store, int64_t run, struct tl_sv checks, struct tl_err *err)
{
    return tl_database_do(store->database, sql_put_checks, err, "it", run, checks);
}

enum tl_code tl_store_put_run_failure(struct tl_store *store, int64_t run, const char *failure, struct tl_err *err)
{
    return tl_database_do(store->database, sql_put_failure, err, "it", run, tl_sv_from(failure));
}

enum tl_code tl_store_add_run_totals(struct tl_store *store, int64_t run, const struct tl_run_totals *totals, struct tl_err *err)
{
    return tl_database_do(store->database, sql_add_totals, err, "iiii", run, (int64_t)totals->events_count,
                          (int64_t)totals->bytes_count, (int64_t)totals->duplicates_count);
}

static enum tl_code open_stage(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_buf sql, types;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_init(&types, 0);
    TL_TRY(tl_known_put_insert(store, &sql, d, &d->batch_table, "_run", true, &types, err));
    TL_TRY(tl_database_prepare(store->database, &sql, types.data, &d->own[TL_OWN_STAGE], err, "stage rows of %.*s",
                               TL_SV_ARG(d->view)));
out:
    tl_buf_done(&sql);
    tl_buf_done(&types);
    return rc;
}

static int by_key(const void *a, const void *b, void *ctx)
{
    const struct tl_rows *rows = ctx;

    return tl_sv_cmp(rows->key[*(const uint32_t *)a], rows->key[*(const uint32_t *)b]);
}

/* Windows come in order of time, and the rows of one as a hash table has them. */
static void put_in_order(const struct tl_rows *rows, uint32_t *order)
{
    for (uint32_t first = 0, end; first < rows->count; first = end) {
        for (end = first;
             end < rows->count && rows->end_ms[end] == rows->end_ms[first] && rows->start_ms[end] == rows->start_ms[first]; end++)
            order[end] = end;
        qsort_r(order + first, end - first, sizeof *order, by_key, (void *)(uintptr_t)rows);
    }
}

enum tl_code tl_store_stage_rows(struct tl_store *store, int64_t run, int64_t definition, const struct tl_rows *rows,
                                 struct tl_err *err)
{
    struct tl_known *d;
    uint32_t *order = NULL;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    if (d->own[TL_OWN_STAGE] == NULL)
        TL_TRY(open_stage(store, d, err));
    if (store->database->dialect == TL_DIALECT_SQLITE) {
        order = malloc((rows->count + 1) * sizeof *order);
        if (order == NULL)
            TL_TRY(tl_fail_memory(err, rows->count * sizeof *order));
        put_in_order(rows, order);
    }
    TL_TRY(tl_known_insert(d->own[TL_OWN_STAGE], d, run, rows, order, err));
out:
    free(order);
    return rc;
}

enum tl_code tl_store_stage_offset(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition,
                                   int64_t next_offset, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_database_do(store->database, sql_stage_offset, err, "itii", run, topic, (int64_t)partition, next_offset));
    TL_TRY(tl_database_do(store->database, sql_forget_unread, err, "iti", run, topic, (int64_t)partition));
out:
    return rc;
}

enum tl_code tl_store_stage_unread(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition,
                                   int64_t first_offset, int64_t last_offset, struct tl_err *err)
{
    return tl_database_do(store->database, sql_stage_unread, err, "itiii", run, topic, (int64_t)partition, first_offset,
                          last_offset);
}

enum tl_code tl_store_stage_range(struct tl_store *store, int64_t definition, const struct tl_run_range *range,
                                  struct tl_err *err)
{
    const uint64_t *counts = range->outcomes;

    assert(range->from_ms < range->to_ms);
    return tl_database_do(store->database, sql_stage_range, err, "iiiiiiiiiiiiibii", range->run, definition, range->from_ms,
                          range->to_ms, (int64_t)range->rows_count, (int64_t)counts[0], (int64_t)counts[1], (int64_t)counts[2],
                          (int64_t)counts[3], (int64_t)counts[4], (int64_t)counts[5], (int64_t)counts[6], (int64_t)counts[7],
                          range->carry, range->carry_in, (int64_t)(range->refused ? TL_STORE_REFUSED : 0));
}

enum tl_code tl_store_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms,
                                 const struct tl_rows *rows, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_sv *keys = NULL;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    assert(d->cut_per_key);
    keys = malloc((rows->count + 1) * sizeof *keys);
    if (keys == NULL)
        TL_TRY(tl_fail_memory(err, rows->count * sizeof *keys));
    for (uint32_t i = 0; i < rows->count; i++)
        keys[i] = tl_known_key(d, rows->key[i]);
    TL_TRY(tl_database_bulk(store->database, sql_stage_open[store->database->dialect], "IIIbi",
                            (struct tl_bulk_column[]){
                                {TL_LAYOUT_I64, &run,           0,                      NULL},
                                {TL_LAYOUT_I64, &definition,    0,                      NULL},
                                {TL_LAYOUT_I64, &to_ms,         0,                      NULL},
                                {TL_LAYOUT_SV,  keys,           sizeof *keys,           NULL},
                                {TL_LAYOUT_I64, rows->start_ms, sizeof *rows->start_ms, NULL},
    },
                            rows->count, err));
out:
    free(keys);
    return rc;
}
