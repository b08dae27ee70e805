/* store.c: hands each call of store.h to the kind of store that the URL named. */
#include "store/store.h"

#include "base/sv.h"
#include "store/store_ops.h"

enum tl_code tl_store_open(const char *url, enum tl_store_mode mode, struct tl_store **out, struct tl_err *err)
{
    struct tl_sv text = tl_sv_from(url);

    if (tl_sv_starts(text, TL_SV("sqlite:")) && text.size > sizeof "sqlite:" - 1)
        return tl_store_sqlite_open(url + sizeof "sqlite:" - 1, mode, out, err);
    if (tl_sv_starts(text, TL_SV("postgresql:")) || tl_sv_starts(text, TL_SV("postgres:")))
        return tl_fail(err, TL_ERR_USAGE, "--store: this tally keeps its rows in SQLite only; sqlite:PATH would do");
    return tl_fail(err, TL_ERR_USAGE,
                   "--store %s: not the URL of a store; sqlite:PATH would do, as in sqlite:tally-data/views.db", url);
}

void tl_store_close(struct tl_store *store)
{
    if (store != NULL)
        store->ops->close(store);
}

void tl_store_rollback(struct tl_store *store)
{
    store->ops->rollback(store);
}

enum tl_code tl_store_rows(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                           enum tl_code (*each)(void *ctx, const struct tl_stored_row *row, struct tl_err *err), void *ctx,
                           struct tl_err *err)
{
    struct tl_store_cursor *cursor = NULL;
    const struct tl_stored_row *row;
    enum tl_code rc;

    TL_TRY(store->ops->cursor_open(store, definition, layer, from_ms, to_ms, &cursor, err));
    for (;;) {
        TL_TRY(store->ops->cursor_next(cursor, &row, err));
        if (row == NULL)
            break;
        TL_TRY(each(ctx, row, err));
    }
out:
    tl_store_cursor_close(cursor);
    return rc;
}

enum tl_code tl_store_cursor_next(struct tl_store_cursor *cursor, const struct tl_stored_row **row, struct tl_err *err)
{
    return cursor->store->ops->cursor_next(cursor, row, err);
}

void tl_store_cursor_close(struct tl_store_cursor *cursor)
{
    if (cursor != NULL)
        cursor->store->ops->cursor_close(cursor);
}

enum tl_code tl_store_begin(struct tl_store *store, struct tl_err *err)
{
    return store->ops->begin(store, err);
}

enum tl_code tl_store_begin_read(struct tl_store *store, struct tl_err *err)
{
    return store->ops->begin_read(store, err);
}

enum tl_code tl_store_commit(struct tl_store *store, struct tl_err *err)
{
    return store->ops->commit(store, err);
}

enum tl_code tl_store_secret(struct tl_store *store, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], struct tl_err *err)
{
    return store->ops->secret(store, name, out, err);
}

enum tl_code tl_store_define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err)
{
    return store->ops->define(store, shape, id, err);
}

enum tl_code tl_store_definition(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err)
{
    return store->ops->definition(store, id, out, err);
}

enum tl_code tl_store_active(struct tl_store *store, struct tl_sv view, struct tl_definition *out, struct tl_err *err)
{
    return store->ops->active(store, view, out, err);
}

enum tl_code tl_store_definitions(struct tl_store *store, const struct tl_definition **out, size_t *count, struct tl_err *err)
{
    return store->ops->definitions(store, out, count, err);
}

enum tl_code tl_store_swap(struct tl_store *store, int64_t id, bool *swapped, struct tl_err *err)
{
    return store->ops->swap(store, id, swapped, err);
}

enum tl_code tl_store_epoch(struct tl_store *store, struct tl_epoch *out, struct tl_err *err)
{
    return store->ops->epoch(store, out, err);
}

enum tl_code tl_store_take_epoch(struct tl_store *store, const char *owner, const struct tl_epoch *seen, struct tl_epoch *out,
                                 struct tl_err *err)
{
    return store->ops->take_epoch(store, owner, seen, out, err);
}

enum tl_code tl_store_challenge(struct tl_store *store, int64_t *challenge, struct tl_err *err)
{
    return store->ops->challenge(store, challenge, err);
}

enum tl_code tl_store_answer(struct tl_store *store, int64_t epoch, int64_t challenge, struct tl_err *err)
{
    return store->ops->answer(store, epoch, challenge, err);
}

enum tl_code tl_store_leave_epoch(struct tl_store *store, int64_t epoch, struct tl_err *err)
{
    return store->ops->leave_epoch(store, epoch, err);
}

enum tl_code tl_store_put_versions(struct tl_store *store, int64_t epoch, struct tl_sv versions, struct tl_err *err)
{
    return store->ops->put_versions(store, epoch, versions, err);
}

enum tl_code tl_store_versions(struct tl_store *store,
                               enum tl_code (*each)(void *ctx, int64_t epoch, struct tl_sv versions, struct tl_err *err),
                               void *ctx, struct tl_err *err)
{
    return store->ops->versions(store, each, ctx, err);
}

enum tl_code tl_store_begin_tick(struct tl_store *store, int64_t epoch, int64_t *change, struct tl_err *err)
{
    return store->ops->begin_tick(store, epoch, change, err);
}

enum tl_code tl_store_put_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, int64_t change,
                                     struct tl_err *err)
{
    return store->ops->put_speed_rows(store, definition, rows, change, err);
}

enum tl_code tl_store_drop_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, struct tl_err *err)
{
    return store->ops->drop_speed_rows(store, definition, rows, err);
}

enum tl_code tl_store_put_states(struct tl_store *store, int64_t definition, const struct tl_states *states, struct tl_err *err)
{
    return store->ops->put_states(store, definition, states, err);
}

enum tl_code tl_store_drop_states(struct tl_store *store, int64_t definition, int64_t upto_ms, struct tl_err *err)
{
    return store->ops->drop_states(store, definition, upto_ms, err);
}

enum tl_code tl_store_states(struct tl_store *store, int64_t definition,
                             enum tl_code (*each)(void *ctx, const struct tl_states *states, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    return store->ops->states(store, definition, each, ctx, err);
}

enum tl_code tl_store_put_final(struct tl_store *store, int64_t definition, int64_t final_ms, struct tl_err *err)
{
    return store->ops->put_final(store, definition, final_ms, err);
}

enum tl_code tl_store_put_ready(struct tl_store *store, int64_t definition, struct tl_err *err)
{
    return store->ops->put_ready(store, definition, err);
}

enum tl_code tl_store_put_position(struct tl_store *store, int64_t definition, const struct tl_position *position,
                                   struct tl_err *err)
{
    return store->ops->put_position(store, definition, position, err);
}

enum tl_code tl_store_put_identity(struct tl_store *store, int64_t definition, uint64_t identity, struct tl_err *err)
{
    return store->ops->put_identity(store, definition, identity, err);
}

enum tl_code tl_store_add_outcomes(struct tl_store *store, int64_t definition, const uint64_t counts[TL_OUTCOMES],
                                   struct tl_err *err)
{
    return store->ops->add_outcomes(store, definition, counts, err);
}

enum tl_code tl_store_put_ledger(struct tl_store *store, int64_t definition, int64_t run, const struct tl_ledger_line *lines,
                                 size_t count, struct tl_err *err)
{
    return store->ops->put_ledger(store, definition, run, lines, count, err);
}

enum tl_code tl_store_put_dead(struct tl_store *store, struct tl_sv topic, uint32_t partition, const struct tl_dead *dead,
                               size_t count, struct tl_err *err)
{
    return store->ops->put_dead(store, topic, partition, dead, count, err);
}

enum tl_code tl_store_put_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                int64_t log_ms_max, struct tl_sv ids, struct tl_err *err)
{
    return store->ops->put_dedup(store, lane, topic, partition, next_offset, log_ms_max, ids, err);
}

enum tl_code tl_store_drop_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t log_ms,
                                 struct tl_err *err)
{
    return store->ops->drop_dedup(store, lane, topic, partition, log_ms, err);
}

enum tl_code tl_store_positions(struct tl_store *store, int64_t definition,
                                enum tl_code (*each)(void *ctx, const struct tl_position *position, struct tl_err *err),
                                void *ctx, uint64_t *identity, struct tl_err *err)
{
    return store->ops->positions(store, definition, each, ctx, identity, err);
}

enum tl_code tl_store_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                            enum tl_code (*each)(void *ctx, struct tl_sv ids, struct tl_err *err), void *ctx, struct tl_err *err)
{
    return store->ops->dedup(store, lane, topic, partition, next_offset, each, ctx, err);
}

enum tl_code tl_store_cursor_open(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                                  struct tl_store_cursor **out, struct tl_err *err)
{
    return store->ops->cursor_open(store, definition, layer, from_ms, to_ms, out, err);
}

enum tl_code tl_store_run_begin(struct tl_store *store, const char *reason, struct tl_sv versions, int64_t started_ms,
                                int64_t *run, struct tl_err *err)
{
    return store->ops->run_begin(store, reason, versions, started_ms, run, err);
}

enum tl_code tl_store_stage_rows(struct tl_store *store, int64_t run, int64_t definition, const struct tl_rows *rows,
                                 struct tl_err *err)
{
    return store->ops->stage_rows(store, run, definition, rows, err);
}

enum tl_code tl_store_stage_offset(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition,
                                   int64_t next_offset, struct tl_err *err)
{
    return store->ops->stage_offset(store, run, topic, partition, next_offset, err);
}

enum tl_code tl_store_stage_range(struct tl_store *store, int64_t definition, const struct tl_run_range *range,
                                  struct tl_err *err)
{
    return store->ops->stage_range(store, definition, range, err);
}

enum tl_code tl_store_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms,
                                 const struct tl_rows *rows, struct tl_err *err)
{
    return store->ops->stage_open(store, run, definition, to_ms, rows, err);
}

enum tl_code tl_store_publish(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err)
{
    return store->ops->publish(store, run, ended_ms, err);
}

enum tl_code tl_store_discard_staged(struct tl_store *store, struct tl_err *err)
{
    return store->ops->discard_staged(store, err);
}

enum tl_code tl_store_prune_speed(struct tl_store *store, int64_t definition, int64_t published_before_ms, struct tl_err *err)
{
    return store->ops->prune_speed(store, definition, published_before_ms, err);
}

enum tl_code tl_store_ranges(struct tl_store *store, int64_t definition,
                             enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    return store->ops->ranges(store, definition, each, ctx, err);
}

enum tl_code tl_store_carry(struct tl_store *store, int64_t definition, int64_t to_ms, struct tl_buf *out, struct tl_err *err)
{
    return store->ops->carry(store, definition, to_ms, out, err);
}

enum tl_code tl_store_run_offsets(struct tl_store *store, int64_t run,
                                  enum tl_code (*each)(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                                       struct tl_err *err),
                                  void *ctx, struct tl_err *err)
{
    return store->ops->run_offsets(store, run, each, ctx, err);
}

enum tl_code tl_store_runs(struct tl_store *store, enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err),
                           void *ctx, struct tl_err *err)
{
    return store->ops->runs(store, each, ctx, err);
}

enum tl_code tl_store_query(struct tl_store *store, const struct tl_query *query,
                            enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count,
                                                 struct tl_err *err),
                            enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err),
                            void *ctx, struct tl_err *err)
{
    return store->ops->query(store, query, head, row, ctx, err);
}

enum tl_code tl_store_outcomes(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_OUTCOMES],
                               struct tl_err *err)
{
    return store->ops->outcomes(store, definition, run, counts, err);
}

enum tl_code tl_store_ledger(struct tl_store *store, int64_t definition, int64_t run,
                             enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    return store->ops->ledger(store, definition, run, each, ctx, err);
}

enum tl_code tl_store_ledger_counts(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_CAUSES],
                                    struct tl_err *err)
{
    return store->ops->ledger_counts(store, definition, run, counts, err);
}

enum tl_code tl_store_ledger_failures(struct tl_store *store, int64_t definition, int64_t run,
                                      enum tl_code (*each)(void *ctx, struct tl_sv function, uint64_t count, struct tl_err *err),
                                      void *ctx, struct tl_err *err)
{
    return store->ops->ledger_failures(store, definition, run, each, ctx, err);
}

enum tl_code tl_store_dead_count(struct tl_store *store, struct tl_sv topic, uint64_t *count, struct tl_err *err)
{
    return store->ops->dead_count(store, topic, count, err);
}

enum tl_code tl_store_version(struct tl_store *store, int64_t *version, struct tl_err *err)
{
    return store->ops->version(store, version, err);
}
