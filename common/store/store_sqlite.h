/* store_sqlite.h: one SQLite handle: what the store_sqlite*.c share. Private to common/store.
 *
 * store_sqlite.c        the file, its schema, transactions, statements, errors
 * store_sqlite_definition.c  views' definitions, their tables, the swap
 * store_sqlite_speed.c  the tick: rows, state, offsets, ledger, dead letters, event ids
 * store_sqlite_batch.c  runs: stage, publish, discard, prune
 * store_sqlite_cut.c    cuts per key: anew at a publication, lowered by a tick
 * store_sqlite_read.c   cursors and queries
 *
 * Values in a view's tables (the names are those of merge_view.h):
 *   BOOLEAN, integers  INTEGER
 *   FLOAT, DOUBLE      REAL; NaN is the text 'NaN', for SQLite would make NULL of it; infinities are REAL. -0.0 may come back as 0.0
 *   STRING             TEXT
 *   times              INTEGER milliseconds in "_ms_<name>"; <name>, the ISO text, is a column of the merged view only
 *   window columns     not stored: _start_ms and _end_ms tell them; ISO text in the merged view
 * Both tables are clustered (WITHOUT ROWID): v_speed on (_end_ms, _start_ms, _key), v_batch on (_run, _end_ms, _start_ms, _key), so that
 * a run's rows, which come in order of time, are appended. _acc stands last: a reader of values does not pass over it. Where each key has a
 * boundary of its own, both have an index on key and _end_ms besides, for the walk of cut.h. v_state is clustered on (_end_ms, _start_ms,
 * _key): what is over goes from its front. */
#ifndef TL_STORE_SQLITE_H
#define TL_STORE_SQLITE_H

#include <sqlite3.h>

#include "base/arena.h"
#include "base/buf.h"
#include "store/merge_view.h"
#include "store/store_ops.h"

#define TL_SQ_BUSY_MS 5000
#define TL_SQ_CHUNK_ROWS 5000 /* of a deletion in one short transaction */
#define TL_SQ_NAN "NaN"

enum { TL_SQ_STATEMENTS_MAX = 96 };

/* Statements on a definition's own tables, made when they are first wanted. */
enum tl_sq_own {
    TL_SQ_UPSERT,
    TL_SQ_DROP_ROW,
    TL_SQ_PUT_STATE,
    TL_SQ_DROP_STATE,
    TL_SQ_DROP_STATES,
    TL_SQ_STAGE,
    TL_SQ_SPEED_SPANS,
    TL_SQ_BATCH_SPANS,
    TL_SQ_OWN,
};

struct tl_sq_definition {
    struct tl_sq_definition *next;
    int64_t id;
    char hash[33];
    int64_t lateness_ms;
    struct tl_sv view, topic, normalised; /* like the columns, kept until the handle is closed */
    bool windowed, cut_per_key, ends_open;
    enum tl_state_form state_form;
    uint32_t key_tail_bytes;
    struct tl_shape_column *columns;
    uint32_t columns_count;
    uint32_t *stored; /* indexes of the columns that are stored: all but the window's */
    uint32_t stored_count;
    /* The rest goes when the schema changes. */
    bool known;
    enum tl_definition_state state;
    struct tl_buf speed_table, batch_table, state_table; /* the last also where there is none */
    sqlite3_stmt *own[TL_SQ_OWN];
};

struct tl_sq {
    struct tl_store base;
    sqlite3 *db;
    char *path;
    bool writable;
    unsigned implicit_reads; /* calls that read in a transaction of their own making */
    int64_t schema_version;  /* by which the definitions' names are known */
    struct tl_arena lasting;
    struct tl_sq_definition *definitions;
    struct {
        const char *sql; /* the constant's address is the key */
        sqlite3_stmt *statement;
    } statements[TL_SQ_STATEMENTS_MAX];
    size_t statements_count;
    struct tl_definition *list;
    size_t list_capacity;
};

static inline struct tl_sq *tl_sq_of(struct tl_store *store)
{
    return (struct tl_sq *)store;
}

/* ---- errors and statements ---- */

/* The error that SQLite reports on the handle now; `doing` is what failed, as in "write rows of hits_5m". */
TL_PRINTF(3, 4) enum tl_code tl_sq_fail(struct tl_sq *s, struct tl_err *err, const char *doing, ...);

/* Types of the values that follow: i int64_t, t struct tl_sv as TEXT, b struct tl_sv as BLOB. They are borrowed until the
 * statement is closed. `sql` is a named constant: the statement is kept for the handle. */
TL_MUST_USE enum tl_code tl_sq_statement(struct tl_sq *s, const char *sql, sqlite3_stmt **out, struct tl_err *err,
                                         const char *types, ...);
/* The same for a text made at run time. */
TL_MUST_USE enum tl_code tl_sq_prepare(struct tl_sq *s, const struct tl_buf *sql, sqlite3_stmt **out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_sq_step(struct tl_sq *s, sqlite3_stmt *statement, bool *row, struct tl_err *err);
void tl_sq_statement_close(struct tl_sq *s, sqlite3_stmt *statement);
/* A statement without rows, and one that gives one number (*found NULL: there must be a row). */
TL_MUST_USE enum tl_code tl_sq_do(struct tl_sq *s, const char *sql, struct tl_err *err, const char *types, ...);
TL_MUST_USE enum tl_code tl_sq_get(struct tl_sq *s, const char *sql, int64_t *out, bool *found, struct tl_err *err,
                                   const char *types, ...);
TL_MUST_USE enum tl_code tl_sq_exec(struct tl_sq *s, const char *sql, struct tl_err *err);

struct tl_sv tl_sq_column_text(sqlite3_stmt *statement, int column); /* valid until the next step */
struct tl_sv tl_sq_column_blob(sqlite3_stmt *statement, int column);

/* ---- transactions ---- */

/* Write transactions of a call's own. */
TL_MUST_USE enum tl_code tl_sq_begin(struct tl_sq *s, struct tl_err *err);
TL_MUST_USE enum tl_code tl_sq_commit(struct tl_sq *s, struct tl_err *err);
void tl_sq_rollback(struct tl_sq *s);
/* A snapshot for one call where the caller has no transaction open; they nest. */
TL_MUST_USE enum tl_code tl_sq_read_begin(struct tl_sq *s, bool *mine, struct tl_err *err);
void tl_sq_read_end(struct tl_sq *s, bool mine);
TL_MUST_USE enum tl_code tl_sq_next_change(struct tl_sq *s, int64_t *change, struct tl_err *err);

/* ---- definitions ---- */

/* One with tables; TL_ERR_NOT_FOUND otherwise. */
TL_MUST_USE enum tl_code tl_sq_definition(struct tl_sq *s, int64_t id, struct tl_sq_definition **out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_sq_active(struct tl_sq *s, struct tl_sv view, int64_t *id, struct tl_err *err);
struct tl_merge_view tl_sq_merge_view(const struct tl_sq_definition *definition);
void tl_sq_close_own(struct tl_sq_definition *definition);

/* ---- rows ---- */

/* "INSERT INTO <table> (<own>, _end_ms, _start_ms, _key, _acc, ...) VALUES (?1, ...)"; own: "_run" or "_change", parameter 1. */
void tl_sq_put_insert(struct tl_buf *out, const struct tl_sq_definition *definition, const struct tl_buf *table, const char *own);
void tl_sq_put_stored_name(struct tl_buf *out, const struct tl_shape_column *column);
/* Binds row i to all parameters of that INSERT but the first; SQLITE_OK or not. Borrows the row. */
TL_MUST_USE int tl_sq_bind_row(sqlite3_stmt *statement, const struct tl_sq_definition *definition, const struct tl_rows *rows,
                               uint32_t i);

/* ---- cuts ---- */

/* The key that rows of one key share. */
static inline struct tl_sv tl_sq_key(const struct tl_sq_definition *definition, struct tl_sv key)
{
    assert(key.size >= definition->key_tail_bytes);
    return (struct tl_sv){key.data, key.size - definition->key_tail_bytes};
}
/* Of a definition with cut_per_key, all anew: its pointer and boundary are the new ones, `run` is the one whose range ends at the boundary. */
TL_MUST_USE enum tl_code tl_sq_cuts_renew(struct tl_sq *s, struct tl_sq_definition *definition, int64_t boundary_ms, int64_t run,
                                          struct tl_err *err);
/* The cuts that these rows of speed, which stand in its table by now, come to cross. */
TL_MUST_USE enum tl_code tl_sq_cuts_lower(struct tl_sq *s, struct tl_sq_definition *definition, const struct tl_rows *rows,
                                          struct tl_err *err);

/* ---- the calls of store.h, by file ---- */

enum tl_code tl_sq_define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err);
enum tl_code tl_sq_definition_get(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err);
enum tl_code tl_sq_active_get(struct tl_store *store, struct tl_sv view, struct tl_definition *out, struct tl_err *err);
enum tl_code tl_sq_definitions(struct tl_store *store, const struct tl_definition **out, size_t *count, struct tl_err *err);
enum tl_code tl_sq_swap(struct tl_store *store, int64_t id, bool *swapped, struct tl_err *err);

enum tl_code tl_sq_epoch(struct tl_store *store, struct tl_epoch *out, struct tl_err *err);
enum tl_code tl_sq_take_epoch(struct tl_store *store, const char *owner, const struct tl_epoch *seen, struct tl_epoch *out,
                              struct tl_err *err);
enum tl_code tl_sq_challenge(struct tl_store *store, int64_t *challenge, struct tl_err *err);
enum tl_code tl_sq_answer(struct tl_store *store, int64_t epoch, int64_t challenge, struct tl_err *err);
enum tl_code tl_sq_leave_epoch(struct tl_store *store, int64_t epoch, struct tl_err *err);
enum tl_code tl_sq_put_versions(struct tl_store *store, int64_t epoch, struct tl_sv versions, struct tl_err *err);
enum tl_code tl_sq_versions(struct tl_store *store,
                            enum tl_code (*each)(void *ctx, int64_t epoch, struct tl_sv versions, struct tl_err *err), void *ctx,
                            struct tl_err *err);
enum tl_code tl_sq_begin_tick(struct tl_store *store, int64_t epoch, int64_t *change, struct tl_err *err);
enum tl_code tl_sq_put_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, int64_t change,
                                  struct tl_err *err);
enum tl_code tl_sq_drop_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows, struct tl_err *err);
enum tl_code tl_sq_put_states(struct tl_store *store, int64_t definition, const struct tl_states *states, struct tl_err *err);
enum tl_code tl_sq_drop_states(struct tl_store *store, int64_t definition, int64_t upto_ms, struct tl_err *err);
enum tl_code tl_sq_states(struct tl_store *store, int64_t definition,
                          enum tl_code (*each)(void *ctx, const struct tl_states *states, struct tl_err *err), void *ctx,
                          struct tl_err *err);
enum tl_code tl_sq_put_final(struct tl_store *store, int64_t definition, int64_t final_ms, struct tl_err *err);
enum tl_code tl_sq_put_ready(struct tl_store *store, int64_t definition, struct tl_err *err);
enum tl_code tl_sq_put_position(struct tl_store *store, int64_t definition, const struct tl_position *position,
                                struct tl_err *err);
enum tl_code tl_sq_put_identity(struct tl_store *store, int64_t definition, uint64_t identity, struct tl_err *err);
enum tl_code tl_sq_add_outcomes(struct tl_store *store, int64_t definition, const uint64_t counts[TL_OUTCOMES],
                                struct tl_err *err);
enum tl_code tl_sq_put_ledger(struct tl_store *store, int64_t definition, int64_t run, const struct tl_ledger_line *lines,
                              size_t count, struct tl_err *err);
enum tl_code tl_sq_put_dead(struct tl_store *store, struct tl_sv topic, uint32_t partition, const struct tl_dead *dead,
                            size_t count, struct tl_err *err);
enum tl_code tl_sq_put_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                             int64_t log_ms_max, struct tl_sv ids, struct tl_err *err);
enum tl_code tl_sq_drop_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t log_ms,
                              struct tl_err *err);
enum tl_code tl_sq_positions(struct tl_store *store, int64_t definition,
                             enum tl_code (*each)(void *ctx, const struct tl_position *position, struct tl_err *err), void *ctx,
                             uint64_t *identity, struct tl_err *err);
enum tl_code tl_sq_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                         enum tl_code (*each)(void *ctx, struct tl_sv ids, struct tl_err *err), void *ctx, struct tl_err *err);

enum tl_code tl_sq_run_begin(struct tl_store *store, const char *reason, struct tl_sv versions, int64_t started_ms, int64_t *run,
                             struct tl_err *err);
enum tl_code tl_sq_stage_rows(struct tl_store *store, int64_t run, int64_t definition, const struct tl_rows *rows,
                              struct tl_err *err);
enum tl_code tl_sq_stage_offset(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                struct tl_err *err);
enum tl_code tl_sq_stage_range(struct tl_store *store, int64_t definition, const struct tl_run_range *range, struct tl_err *err);
enum tl_code tl_sq_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms, const struct tl_rows *rows,
                              struct tl_err *err);
enum tl_code tl_sq_publish(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err);
enum tl_code tl_sq_discard_staged(struct tl_store *store, struct tl_err *err);
enum tl_code tl_sq_prune_speed(struct tl_store *store, int64_t definition, int64_t published_before_ms, struct tl_err *err);

enum tl_code tl_sq_cursor_open(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms, int64_t to_ms,
                               struct tl_store_cursor **out, struct tl_err *err);
enum tl_code tl_sq_cursor_next(struct tl_store_cursor *cursor, const struct tl_stored_row **row, struct tl_err *err);
void tl_sq_cursor_close(struct tl_store_cursor *cursor);
enum tl_code tl_sq_carry(struct tl_store *store, int64_t definition, int64_t to_ms, struct tl_buf *out, struct tl_err *err);
enum tl_code tl_sq_ranges(struct tl_store *store, int64_t definition,
                          enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err), void *ctx,
                          struct tl_err *err);
enum tl_code tl_sq_run_offsets(struct tl_store *store, int64_t run,
                               enum tl_code (*each)(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                                    struct tl_err *err),
                               void *ctx, struct tl_err *err);
enum tl_code tl_sq_runs(struct tl_store *store, enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err),
                        void *ctx, struct tl_err *err);
enum tl_code tl_sq_query(struct tl_store *store, const struct tl_query *query,
                         enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err),
                         enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err),
                         void *ctx, struct tl_err *err);
enum tl_code tl_sq_outcomes(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_OUTCOMES],
                            struct tl_err *err);
enum tl_code tl_sq_ledger(struct tl_store *store, int64_t definition, int64_t run,
                          enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line, struct tl_err *err), void *ctx,
                          struct tl_err *err);
enum tl_code tl_sq_ledger_counts(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_CAUSES],
                                 struct tl_err *err);
enum tl_code tl_sq_ledger_failures(struct tl_store *store, int64_t definition, int64_t run,
                                   enum tl_code (*each)(void *ctx, struct tl_sv function, uint64_t count, struct tl_err *err),
                                   void *ctx, struct tl_err *err);
enum tl_code tl_sq_dead_count(struct tl_store *store, struct tl_sv topic, uint64_t *count, struct tl_err *err);
enum tl_code tl_sq_version(struct tl_store *store, int64_t *version, struct tl_err *err);

#endif
