/* store_ops.h: what a kind of store implements: the calls of store.h, one pointer each. Private to common/store.
 *
 * Is:      the seam between store.c, which callers see, and store_sqlite*.c (later store_postgres.c).
 * A store's struct begins with struct tl_store, a cursor's with struct tl_store_cursor. */
#ifndef TL_STORE_OPS_H
#define TL_STORE_OPS_H

#include "store/store.h"

struct tl_store_ops {
    void (*close)(struct tl_store *store);
    enum tl_code (*begin)(struct tl_store *store, struct tl_err *err);
    enum tl_code (*begin_read)(struct tl_store *store, struct tl_err *err);
    enum tl_code (*commit)(struct tl_store *store, struct tl_err *err);
    void (*rollback)(struct tl_store *store);

    enum tl_code (*secret)(struct tl_store *store, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES], struct tl_err *err);
    enum tl_code (*define)(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err);
    enum tl_code (*definition)(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err);
    enum tl_code (*active)(struct tl_store *store, struct tl_sv view, struct tl_definition *out, struct tl_err *err);
    enum tl_code (*definitions)(struct tl_store *store, const struct tl_definition **out, size_t *count, struct tl_err *err);
    enum tl_code (*swap)(struct tl_store *store, int64_t id, bool *swapped, struct tl_err *err);

    enum tl_code (*epoch)(struct tl_store *store, struct tl_epoch *out, struct tl_err *err);
    enum tl_code (*take_epoch)(struct tl_store *store, const char *owner, const struct tl_epoch *seen, struct tl_epoch *out,
                               struct tl_err *err);
    enum tl_code (*challenge)(struct tl_store *store, int64_t *challenge, struct tl_err *err);
    enum tl_code (*answer)(struct tl_store *store, int64_t epoch, int64_t challenge, struct tl_err *err);
    enum tl_code (*leave_epoch)(struct tl_store *store, int64_t epoch, struct tl_err *err);
    enum tl_code (*put_versions)(struct tl_store *store, int64_t epoch, struct tl_sv versions, struct tl_err *err);
    enum tl_code (*versions)(struct tl_store *store,
                             enum tl_code (*each)(void *ctx, int64_t epoch, struct tl_sv versions, struct tl_err *err), void *ctx,
                             struct tl_err *err);
    enum tl_code (*begin_tick)(struct tl_store *store, int64_t epoch, int64_t *change, struct tl_err *err);
    enum tl_code (*put_speed_rows)(struct tl_store *store, int64_t definition, const struct tl_rows *rows, int64_t change,
                                   struct tl_err *err);
    enum tl_code (*drop_speed_rows)(struct tl_store *store, int64_t definition, const struct tl_rows *rows, struct tl_err *err);
    enum tl_code (*put_states)(struct tl_store *store, int64_t definition, const struct tl_states *states, struct tl_err *err);
    enum tl_code (*drop_states)(struct tl_store *store, int64_t definition, int64_t upto_ms, struct tl_err *err);
    enum tl_code (*states)(struct tl_store *store, int64_t definition,
                           enum tl_code (*each)(void *ctx, const struct tl_states *states, struct tl_err *err), void *ctx,
                           struct tl_err *err);
    enum tl_code (*put_final)(struct tl_store *store, int64_t definition, int64_t final_ms, struct tl_err *err);
    enum tl_code (*put_ready)(struct tl_store *store, int64_t definition, struct tl_err *err);
    enum tl_code (*put_position)(struct tl_store *store, int64_t definition, const struct tl_position *position,
                                 struct tl_err *err);
    enum tl_code (*put_identity)(struct tl_store *store, int64_t definition, uint64_t identity, struct tl_err *err);
    enum tl_code (*add_outcomes)(struct tl_store *store, int64_t definition, const uint64_t counts[TL_OUTCOMES],
                                 struct tl_err *err);
    enum tl_code (*put_ledger)(struct tl_store *store, int64_t definition, int64_t run, const struct tl_ledger_line *lines,
                               size_t count, struct tl_err *err);
    enum tl_code (*put_dead)(struct tl_store *store, struct tl_sv topic, uint32_t partition, const struct tl_dead *dead,
                             size_t count, struct tl_err *err);
    enum tl_code (*put_dedup)(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                              int64_t log_ms_max, struct tl_sv ids, struct tl_err *err);
    enum tl_code (*drop_dedup)(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t log_ms,
                               struct tl_err *err);
    enum tl_code (*positions)(struct tl_store *store, int64_t definition,
                              enum tl_code (*each)(void *ctx, const struct tl_position *position, struct tl_err *err), void *ctx,
                              uint64_t *identity, struct tl_err *err);
    enum tl_code (*dedup)(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                          enum tl_code (*each)(void *ctx, struct tl_sv ids, struct tl_err *err), void *ctx, struct tl_err *err);

    enum tl_code (*cursor_open)(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                                struct tl_store_cursor **out, struct tl_err *err);
    enum tl_code (*cursor_next)(struct tl_store_cursor *cursor, const struct tl_stored_row **row, struct tl_err *err);
    void (*cursor_close)(struct tl_store_cursor *cursor);

    enum tl_code (*run_begin)(struct tl_store *store, const char *reason, struct tl_sv versions, int64_t started_ms, int64_t *run,
                              struct tl_err *err);
    enum tl_code (*stage_rows)(struct tl_store *store, int64_t run, int64_t definition, const struct tl_rows *rows,
                               struct tl_err *err);
    enum tl_code (*stage_offset)(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                 struct tl_err *err);
    enum tl_code (*stage_range)(struct tl_store *store, int64_t definition, const struct tl_run_range *range, struct tl_err *err);
    enum tl_code (*stage_open)(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms, const struct tl_rows *rows,
                               struct tl_err *err);
    enum tl_code (*publish)(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err);
    enum tl_code (*discard_staged)(struct tl_store *store, struct tl_err *err);
    enum tl_code (*prune_speed)(struct tl_store *store, int64_t definition, int64_t published_before_ms, struct tl_err *err);
    enum tl_code (*carry)(struct tl_store *store, int64_t definition, int64_t to_ms, struct tl_buf *out, struct tl_err *err);
    enum tl_code (*ranges)(struct tl_store *store, int64_t definition,
                           enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err), void *ctx,
                           struct tl_err *err);
    enum tl_code (*run_offsets)(struct tl_store *store, int64_t run,
                                enum tl_code (*each)(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                                     struct tl_err *err),
                                void *ctx, struct tl_err *err);
    enum tl_code (*runs)(struct tl_store *store, enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err),
                         void *ctx, struct tl_err *err);

    enum tl_code (*query)(struct tl_store *store, const struct tl_query *query,
                          enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count,
                                               struct tl_err *err),
                          enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err),
                          void *ctx, struct tl_err *err);
    enum tl_code (*outcomes)(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_OUTCOMES],
                             struct tl_err *err);
    enum tl_code (*ledger)(struct tl_store *store, int64_t definition, int64_t run,
                           enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line, struct tl_err *err), void *ctx,
                           struct tl_err *err);
    enum tl_code (*ledger_counts)(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_CAUSES],
                                  struct tl_err *err);
    enum tl_code (*ledger_failures)(struct tl_store *store, int64_t definition, int64_t run,
                                    enum tl_code (*each)(void *ctx, struct tl_sv function, uint64_t count, struct tl_err *err),
                                    void *ctx, struct tl_err *err);
    enum tl_code (*dead_count)(struct tl_store *store, struct tl_sv topic, uint64_t *count, struct tl_err *err);
    enum tl_code (*version)(struct tl_store *store, int64_t *version, struct tl_err *err);
};

struct tl_store {
    const struct tl_store_ops *ops;
};

struct tl_store_cursor {
    struct tl_store *store;
};

/* Of store_sqlite.c; `path` is what stands behind "sqlite:". */
TL_MUST_USE enum tl_code tl_store_sqlite_open(const char *path, enum tl_store_mode mode, struct tl_store **out,
                                              struct tl_err *err);

#endif
