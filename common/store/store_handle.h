/* store_handle.h: one handle of a store: what the store_*.c share. Private to common/store.
 *
 * store.c               opening, transactions, the secret, the version
 * store_definition.c    definitions: registered, swapped in
 * store_replay.c        speed tables made anew beside those that serve
 * store_known.c         what the handle knows of them
 * store_tables.c        their tables, indexes and views
 * store_topic.c         numbers of topics
 * store_rows.c          how rows go into them
 * store_speed.c         the tick: rows, state, offsets, ledger, dead letters, event ids
 * store_batch.c         runs: begun and staged
 * store_publish.c       the pointer: publication, rollback
 * store_prune.c         deletions in short transactions: what was staged for nothing, superseded, taken over
 * store_run.c           what is read of runs
 * store_reconciliation.c what reconciliations came to (store_reconciliation.h)
 * store_cut.c           cuts per key: anew at a publication, lowered by a tick
 * store_read.c          rows in the order of their identity; counts
 * store_select.c        queries: conditions, an order, pages (store_select.h)
 * store_change.c        what the merged view shows, for who tells what has changed (store_change.h)
 * database.h             what they stand on: the connection to SQLite or PostgreSQL, with the schema of the tally_ tables
 *
 * Values in a view's tables (the names are those of merge_view.h):
 *                      SQLite                                        PostgreSQL
 *   BOOLEAN            INTEGER                                       boolean
 *   integers           INTEGER                                       smallint, integer, bigint
 *   FLOAT, DOUBLE      REAL (NaN and -0.0: database_sqlite.c)         real, double precision
 *   STRING             TEXT                                          text, sorted by its bytes
 *   times              milliseconds in "_ms_<name>"; <name>, the time itself, is a column of the merged view only
 *   window columns     not stored: _start_ms and _end_ms tell them; times in the merged view
 *
 * In SQLite both tables are clustered (WITHOUT ROWID): v_speed on (_end_ms, _start_ms, _key), v_batch on (_run, _end_ms, _start_ms, _key), so
 * that a run's rows, which come in order of time, are appended. _acc stands last: a reader of values does not pass over it. v_state is
 * clustered on (_end_ms, _start_ms, _key): what is over goes from its front. In PostgreSQL the same columns are a unique index
 * (TL_POSTGRES_INDEXED). Where each key has a boundary of its own, both have an index on key and _end_ms besides, for the walk of cut.h. */
#ifndef TL_STORE_HANDLE_H
#define TL_STORE_HANDLE_H

#include "base/arena.h"
#include "store/database.h"
#include "store/store.h"

enum { TL_STORE_CHUNK_ROWS = 5000 /* of a deletion in one short transaction */ };

/* Statements on a definition's own tables, made when they are first wanted. */
enum tl_known_own {
    TL_OWN_UPSERT,
    TL_OWN_DROP_ROWS,
    TL_OWN_PUT_STATES,
    TL_OWN_DROP_STATE,
    TL_OWN_DROP_STATES,
    TL_OWN_STAGE,
    TL_OWN_SPEED_SPANS,
    TL_OWN_BATCH_SPANS,
    TL_OWN_COUNT,
};

/* A definition that the handle has come to know. */
struct tl_known {
    struct tl_known *next;
    int64_t id;
    char hash[33];
    int64_t lateness_ms;
    struct tl_sv view, topic, normalised; /* like the columns, kept until the handle is closed */
    bool by_pattern, windowed, cut_per_key, ends_open;
    enum tl_state_form state_form;
    uint32_t key_tail_bytes;
    struct tl_shape_column *columns;
    uint32_t columns_count;
    uint32_t *stored; /* indexes of the columns that are stored: all but the window's */
    uint32_t stored_count;
    /* The rest goes when tables come to be called otherwise. */
    bool fresh;
    enum tl_definition_state state;
    struct tl_buf speed_table, batch_table, state_table; /* the last also where there is none */
    struct tl_statement *own[TL_OWN_COUNT];
};

struct tl_store {
    struct tl_database *database;
    unsigned implicit_reads; /* calls that read in a transaction of their own making */
    int64_t names;           /* by which the definitions' tables are known */
    bool waited;             /* and so tl_store_wait has seen a version */
    int64_t waited_version;
    struct tl_arena lasting;
    struct tl_known *known;
    struct tl_definition *list;
    size_t list_capacity;
};

/* ---- transactions ---- */

TL_MUST_USE enum tl_code tl_store_begin_how(struct tl_store *store, enum tl_begin how, struct tl_err *err);
/* The end of a call with a transaction of its own: commits where all went well, else rolls back; rc, or why it could not be committed. */
TL_MUST_USE enum tl_code tl_store_end(struct tl_store *store, enum tl_code rc, struct tl_err *err);
/* A snapshot for one call where the caller has no transaction open; they nest. */
TL_MUST_USE enum tl_code tl_store_read_begin(struct tl_store *store, bool *mine, struct tl_err *err);
void tl_store_read_end(struct tl_store *store, bool mine);
/* The lock that ticks, publications and whoever takes the epoch over wait for, till the transaction's end. */
TL_MUST_USE enum tl_code tl_store_lock_epoch(struct tl_store *store, struct tl_epoch *out, struct tl_err *err);
/* The same for whoever holds this epoch, and answers a challenge; TL_ERR_FENCED. */
TL_MUST_USE enum tl_code tl_store_own_epoch(struct tl_store *store, int64_t epoch, struct tl_err *err);
/* A tick of a replay (store_replay.c). */
TL_MUST_USE enum tl_code tl_store_begin_build(struct tl_store *store, int64_t *change, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_next_change(struct tl_store *store, int64_t *change, struct tl_err *err);

/* ---- definitions ---- */

/* One with tables; TL_ERR_NOT_FOUND otherwise. */
TL_MUST_USE enum tl_code tl_known_find(struct tl_store *store, int64_t id, struct tl_known **out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_known_any(struct tl_store *store, int64_t id, struct tl_known **out,
                                      struct tl_err *err); /* retired ones too */
TL_MUST_USE enum tl_code tl_known_fill(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_known_active(struct tl_store *store, struct tl_sv view, int64_t *id, struct tl_err *err);
TL_MUST_USE enum tl_code tl_known_add(struct tl_store *store, const struct tl_shape *shape, enum tl_definition_state state,
                                      int64_t *id, struct tl_err *err);
TL_MUST_USE enum tl_code tl_known_set_state(struct tl_store *store, int64_t id, enum tl_definition_state state,
                                            struct tl_err *err);
/* In a TL_BEGIN_SWAP whose names have changed: its tables go, and what the store has of it but for what `tally runs` counts. */
TL_MUST_USE enum tl_code tl_definition_retire(struct tl_store *store, int64_t id, struct tl_err *err);
struct tl_merge_view tl_known_view(const struct tl_known *known);
void tl_known_close(struct tl_known *known); /* its statements */
/* The name of a definition's table; what: "_speed", "_batch", "_state". */
void tl_known_put_table(struct tl_buf *out, struct tl_sv view, const char *what, const char *hash,
                        enum tl_definition_state state);

/* ---- tables ---- */

/* TL_ERR_DEFINITION: a name of a view or a column that cannot be one here; one that is taken. */
TL_MUST_USE enum tl_code tl_tables_check_names(const struct tl_store *store, const struct tl_shape *shape, struct tl_err *err);
TL_MUST_USE enum tl_code tl_tables_check_free(struct tl_store *store, const struct tl_shape *shape, struct tl_sv name,
                                              struct tl_err *err);
TL_MUST_USE enum tl_code tl_tables_make(struct tl_store *store, const struct tl_shape *shape, const struct tl_merge_view *view,
                                        struct tl_sv state_table, struct tl_err *err);
/* Where rows are never written again, what is new among them is found by _change. Stores of before had no such index: it is made where there is none. */
TL_MUST_USE enum tl_code tl_tables_index_changes(struct tl_store *store, int64_t definition, bool windowed,
                                                 struct tl_sv speed_table, struct tl_err *err);
TL_MUST_USE enum tl_code tl_tables_make_view(struct tl_store *store, const struct tl_merge_view *view, bool replaces,
                                             struct tl_err *err);
TL_MUST_USE enum tl_code tl_tables_drop(struct tl_store *store, struct tl_sv name, struct tl_err *err);
TL_MUST_USE enum tl_code tl_tables_rename(struct tl_store *store, struct tl_sv from, struct tl_sv to, struct tl_err *err);

/* ---- rows ---- */

/* "INSERT INTO <table> (<own>, _end_ms, _start_ms, _key, _acc, ...)" and the rows of tl_known_bulk; own: "_run" or "_change". */
TL_MUST_USE enum tl_code tl_known_put_insert(struct tl_store *store, struct tl_buf *out, const struct tl_known *known,
                                             const struct tl_buf *table, const char *own, bool new_rows, struct tl_buf *types,
                                             struct tl_err *err);
/* Runs such an INSERT. `order`: tl_statement_append; else NULL. */
TL_MUST_USE enum tl_code tl_known_insert(struct tl_statement *statement, const struct tl_known *known, int64_t own,
                                         const struct tl_rows *rows, const uint32_t *order, struct tl_err *err);
void tl_store_put_stored_name(struct tl_buf *out, const struct tl_shape_column *column);
/* "_end_ms, _start_ms, _key" as the unique index has them. */
void tl_store_put_row_key(struct tl_buf *out, enum tl_dialect dialect);

/* ---- the pointer ---- */

/* Of an answer with from_ms, to_ms and run. */
TL_MUST_USE enum tl_code tl_answer_each_range(struct tl_answer *answer,
                                              enum tl_code (*each)(void *ctx, const struct tl_run_range *range,
                                                                   struct tl_err *err),
                                              void *ctx, struct tl_err *err);

/* The end of the ranges that touch, from the first one on; only those published before `before_ms`, INT64_MAX: all. *last is the run of the
 * last of them. INT64_MIN where there is none. */
TL_MUST_USE enum tl_code tl_pointer_end(struct tl_store *store, int64_t definition, int64_t before_ms, int64_t *end_ms,
                                        int64_t *last, struct tl_err *err);

/* ---- cuts ---- */

/* The key that rows of one key share. */
static inline struct tl_sv tl_known_key(const struct tl_known *known, struct tl_sv key)
{
    assert(key.size >= known->key_tail_bytes);
    return (struct tl_sv){key.data, key.size - known->key_tail_bytes};
}
/* Of a definition with cut_per_key, all anew: its pointer and boundary are the new ones, `run` is the one whose range ends at the boundary. */
TL_MUST_USE enum tl_code tl_cuts_renew(struct tl_store *store, struct tl_known *known, int64_t boundary_ms, int64_t run,
                                       struct tl_err *err);
/* A rollback: the cuts as they are stand by, and then are held against the new ones and forgotten. *lost: where a key's cut is lower now, and
 * speed's rows above it may be gone, for they had been pruned up to `pruned_ms` when the boundary was `boundary_ms`. */
TL_MUST_USE enum tl_code tl_cuts_set_aside(struct tl_store *store, const struct tl_known *known, struct tl_err *err);
TL_MUST_USE enum tl_code tl_cuts_find_lost(struct tl_store *store, const struct tl_known *known, int64_t boundary_ms,
                                           int64_t pruned_ms, bool *lost, struct tl_err *err);
/* The cuts that these rows of speed, which stand in its table by now, come to cross. */
TL_MUST_USE enum tl_code tl_cuts_lower(struct tl_store *store, struct tl_known *known, const struct tl_rows *rows,
                                       struct tl_err *err);

#endif
