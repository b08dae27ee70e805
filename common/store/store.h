/* store.h: where the views' rows, the accumulators, the offsets and the ledger live: one transaction holds them all.
 *
 * Is:      what speed commits at a tick, what batch stages and publishes, what serving reads. SQLite now; PostgreSQL behind the same calls.
 * Is not:  a place that knows windows or accumulators: rows and bytes come from core and go back to it.
 *
 * Tables, for a view v (names in the store; identifiers are quoted in one function):
 *   v_speed     rows of the stream: _end_ms, _start_ms, _key (the identity), the view's columns, _acc, _change
 *   v_batch     rows of the batch runs: the same with _run instead of _change; staged and superseded runs stand there too
 *   v           the SQL VIEW that serves each window once: batch up to the time boundary, speed after it, with _layer, _final (merge_view.h)
 *   v_state     where the shape says TL_STATE_BESIDE: state that belongs to no row: _end_ms, _start_ms, _key, _bytes
 *   While a definition is being built beside the active one, its tables are v_speed__<8 hex>, v_batch__<8 hex> and so on; the swap renames.
 *   The tables hold times as INTEGER milliseconds and no window columns; v shows them as ISO text, with the milliseconds beside them.
 *   tally_*     definition, column, topic, progress, offset, dedup, ledger, dead_letter, outcome, epoch, epoch_versions, change, run, run_range, run_offset, run_unread,
 *               pointer, publication, open, cut, quarantine, check_result, sealed, reconciliation,
 *               reconciliation_view, reconciliation_cause, meta
 *
 * Where the shape says cut_per_key, each key has a time boundary of its own, at or below B (cut.h). tally_cut has those that lie below. The
 * publication computes them, from both layers' rows and from what batch carries over B; a tick lowers them, by itself, when a row that it
 * puts comes to cross one. Until the next publication none is raised.
 *
 * `_final` is not written row by row: a row is final when _end_ms <= the definition's final_ms, which each tick moves on.
 * `_change` has no index: it would change with every row of every tick, and cost as much as the row (SQLite: 2 to 3 times the rows a second without
 * it). Of a view with windows, what has changed since a look is not beyond the final_ms of that look: the identity's index gives
 * those rows. Rows without a window are never updated: there it has one. (store_change.h)
 * Every call that fails leaves the transaction to be rolled back. Runs on: one handle a thread. */
#ifndef TL_STORE_H
#define TL_STORE_H

#include "base/base.h"
#include "base/buf.h"
#include "event/batch.h"
#include "event/outcome.h"
#include "event/rows.h"

struct tl_store;

enum tl_store_mode {
    TL_STORE_READ, /* TL_ERR_NOT_FOUND where there is none */
    TL_STORE_WALK, /* the same, for whoever reads rows in their order, each once: few pages of it are kept in memory */
    TL_STORE_WRITE, /* makes file and schema if need be; migrates an older schema; refuses a newer or foreign one (TL_ERR_CORRUPT) */
};

/* "sqlite:PATH". */
TL_MUST_USE enum tl_code tl_store_open(const char *url, enum tl_store_mode mode, struct tl_store **out, struct tl_err *err);
/* The same with a deadline from the beginning (tl_store_deadline): a server that does not answer is not waited for. */
TL_MUST_USE enum tl_code tl_store_open_by(const char *url, enum tl_store_mode mode, int64_t deadline_ms, struct tl_store **out,
                                          struct tl_err *err);
void tl_store_close(struct tl_store *store);

/* Work of this kind ("batch") is done on the store by one at a time, on whatever machine: by this handle, until it is closed. TL_ERR_BUSY says who is at
 * it; `who` is this one ("web2 pid 7"). Beside a SQLite file lies a lock file for it (PATH.batch.lock, lock.h). */
TL_MUST_USE enum tl_code tl_store_lock(struct tl_store *store, const char *work, const char *who, struct tl_err *err);

/* A write transaction (short) or a snapshot to read from. Calls below that write need one open, unless they say "own transaction". */
TL_MUST_USE enum tl_code tl_store_begin(struct tl_store *store, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_begin_read(struct tl_store *store, struct tl_err *err);
/* The same, and the same snapshot in another handle on the store, for another thread. *both false: somebody was writing all the time, and only the
 * first has begun. */
TL_MUST_USE enum tl_code tl_store_begin_read_both(struct tl_store *store, struct tl_store *other, bool *both, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_commit(struct tl_store *store, struct tl_err *err);
void tl_store_rollback(struct tl_store *store); /* of either; without one, nothing */

/* What this handle asks from now on has to be answered by then (monotonic; 0: whenever it likes): a read that takes longer is stopped and fails, at the
 * latest TL_STORE_GRACE_MS later, and other handles go on. Set outside of transactions. */
enum { TL_STORE_GRACE_MS = 1000 };
void tl_store_deadline(struct tl_store *store, int64_t at_ms);

enum { TL_STORE_SECRET_BYTES = 32 };
/* The store's own random bytes under that name: made, in a transaction of its own, where there are none yet; a store opened for reading
 * gives TL_ERR_NOT_FOUND then. For whoever can read the store they are no secret. */
TL_MUST_USE enum tl_code tl_store_secret(struct tl_store *store, struct tl_sv name, uint8_t out[TL_STORE_SECRET_BYTES],
                                         struct tl_err *err);

/* ---- definitions ---- */

enum tl_definition_state { TL_DEFINITION_BUILDING, TL_DEFINITION_ACTIVE, TL_DEFINITION_RETIRED };

struct tl_definition {
    int64_t id;
    char hash[33];
    enum tl_definition_state state;
    int64_t lateness_ms;
    int64_t final_ms;              /* speed: rows with end_ms <= this are final; INT64_MIN: none */
    int64_t boundary_ms;           /* B: batch serves rows with end_ms <= this; INT64_MIN: nothing is published */
    int64_t pruned_ms;             /* speed's rows that ended by then may be gone, and its ledger before; INT64_MIN: nothing is */
    bool speed_ready;              /* speed has caught up at least once */
    bool speed_known;              /* speed has offsets for it */
    enum tl_state_form state_form; /* this and the next two as in the shape */
    bool cut_per_key, ends_open;
    uint32_t key_tail_bytes;
    bool by_pattern;
    struct tl_sv view, topic, normalised; /* valid until the next call that lists definitions */
};

/* Own transaction. Finds the definition by (view, hash) or registers it and makes its tables; it is active at once when the view had none. A
 * retired one that comes back is registered anew. */
TL_MUST_USE enum tl_code tl_store_define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err);
/* The same without registering it: *id is 0 where it is not known. */
TL_MUST_USE enum tl_code tl_store_find(struct tl_store *store, struct tl_sv view, const char *hash, int64_t *id,
                                       struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_definition(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err);
/* The active definition of a view. TL_ERR_NOT_FOUND, with the views that there are in the message. */
TL_MUST_USE enum tl_code tl_store_active(struct tl_store *store, struct tl_sv view, struct tl_definition *out,
                                         struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_definitions(struct tl_store *store, const struct tl_definition **out, size_t *count,
                                              struct tl_err *err);
/* The view's own columns, in their order; good as long as the handle. */
TL_MUST_USE enum tl_code tl_store_columns(struct tl_store *store, int64_t definition, const struct tl_shape_column **out,
                                          uint32_t *count, struct tl_err *err);
/* Own transaction. Swaps a building definition in when it has all that the active one of its view has: it is speed_ready if the other one
 * is known to speed, and published as far as the other one is. *swapped says whether. The other one's tables go. `epoch`: the caller's, and
 * TL_ERR_FENCED when it is not that one any more, as a tick; 0: batch's. TL_ERR_BUSY: somebody reads or writes just now; later, then. */
TL_MUST_USE enum tl_code tl_store_swap(struct tl_store *store, int64_t id, int64_t epoch, bool *swapped, struct tl_err *err);

/* ---- replays: speed tables made anew beside those that serve (store_replay.c) ---- */

/* Own transaction. The build that takes the place of the view's speed tables, found or registered with tables of its own; it is a definition whose
 * rows, state, positions, ledger and outcomes are written as any other's, and which tl_store_definitions does not list. *active: the one that serves. TL_ERR_NOT_FOUND: the view
 * does not serve with this definition. The caller of all that is about replays holds the lock "replay". */
TL_MUST_USE enum tl_code tl_store_define_replay(struct tl_store *store, const struct tl_shape *shape, int64_t *active,
                                                int64_t *id, struct tl_err *err);
/* Own transactions: builds that an earlier replay has left go, but those to keep. TL_ERR_BUSY as tl_store_swap. */
TL_MUST_USE enum tl_code tl_store_drop_replays(struct tl_store *store, const int64_t *keep, size_t count, size_t *dropped,
                                               struct tl_err *err);
struct tl_replay {
    int64_t active, build;
    bool whole; /* nothing was passed over: what was pruned of speed is there again */
};
/* Own transaction, all of them or none: speed's rows, state, positions, ledger and outcomes of the active definitions are those of their builds from now on, which
 * are no more; batch's stay, and keys are cut anew. *swapped: no build stood behind. TL_ERR_FENCED and TL_ERR_BUSY as tl_store_swap; TL_ERR_NOT_FOUND: a view has changed. */
TL_MUST_USE enum tl_code tl_store_swap_replays(struct tl_store *store, const struct tl_replay *replays, size_t count,
                                               int64_t epoch, bool *swapped, struct tl_err *err);

/* ---- topics of tables with 'topic-pattern' ---- */

/* A topic has one number in a store, from 1 on, whichever table reads it: rows, ledger lines and positions know its partitions by that
 * (event/partition.h). It is given out once, to whoever comes first, and never again.
 *
 * Own transaction, under the epoch row's lock: all of them have a number from now on; new ones in the order given. TL_ERR_LIMIT: there are
 * TL_TOPIC_NUMBER_MAX already, and none was given out. */
TL_MUST_USE enum tl_code tl_store_number_topics(struct tl_store *store, const struct tl_sv *topics, size_t count,
                                                struct tl_err *err);
/* By number. */
TL_MUST_USE enum tl_code tl_store_topics(struct tl_store *store,
                                         enum tl_code (*each)(void *ctx, uint32_t number, struct tl_sv topic, struct tl_err *err),
                                         void *ctx, struct tl_err *err);

/* ---- the speed layer's tick ---- */

/* Who may write the speed tables, and whether he lives (speed_layer/fence.h has the protocol). */
enum { TL_STORE_OWNER_MAX = 192 };
struct tl_epoch {
    int64_t epoch;
    int64_t challenge;              /* raised by who stands by */
    int64_t answer;                 /* the challenge that the owner has answered last */
    int64_t change;                 /* the number of the last tick that was committed, under whatever epoch; 0: none */
    char owner[TL_STORE_OWNER_MAX]; /* empty: it has left in order */
};
TL_MUST_USE enum tl_code tl_store_epoch(struct tl_store *store, struct tl_epoch *out, struct tl_err *err);
/* Own transaction: raises the epoch; the caller may write from now on, whoever held it before may not. `seen`: only where the epoch is still
 * that one and has neither ticked nor answered since, else TL_ERR_BUSY; NULL: in any case. *out is what stands there now. TL_ERR_BUSY too where a tick, or whoever
 * else has the row locked, does not let go of it at once. */
TL_MUST_USE enum tl_code tl_store_take_epoch(struct tl_store *store, const char *owner, const struct tl_epoch *seen,
                                             struct tl_epoch *out, struct tl_err *err);
/* Own transactions: raises the challenge (TL_ERR_BUSY as above); answers one, TL_ERR_FENCED when the epoch is not that one any more, as a tick; strikes the owner out. */
TL_MUST_USE enum tl_code tl_store_challenge(struct tl_store *store, int64_t *challenge, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_answer(struct tl_store *store, int64_t epoch, int64_t challenge, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_leave_epoch(struct tl_store *store, int64_t epoch, struct tl_err *err);
/* A session of the server that has the epoch's row locked and waits for its client's next word. */
struct tl_store_holder {
    int64_t session;   /* 0: there is none, or nobody can tell (a SQLite file; a session of another role) */
    int64_t statement; /* the same as long as the client has said nothing new */
    bool ticks;        /* it is the owner's, in a tick; else a publication's, or of somebody at work by hand */
};
TL_MUST_USE enum tl_code tl_store_silent_holder(struct tl_store *store, struct tl_store_holder *out, struct tl_err *err);
/* Ends the session where it is still as it was: its transaction is rolled back. */
TL_MUST_USE enum tl_code tl_store_end_holder(struct tl_store *store, const struct tl_store_holder *holder, bool *ended,
                                             struct tl_err *err);
/* Own transaction: what speed's functions work with from this epoch on (function.h: tl_functions_versions). */
TL_MUST_USE enum tl_code tl_store_put_versions(struct tl_store *store, int64_t epoch, struct tl_sv versions, struct tl_err *err);
/* All that speed has worked with, the earliest first. */
TL_MUST_USE enum tl_code tl_store_versions(struct tl_store *store,
                                           enum tl_code (*each)(void *ctx, int64_t epoch, struct tl_sv versions,
                                                                struct tl_err *err),
                                           void *ctx, struct tl_err *err);
/* Begins a tick's transaction: locks the epoch row first (TL_ERR_FENCED when the epoch is not ours any more), then takes the next change
 * number, so that the order of commits is the order of numbers. It stands in the epoch row afterwards, and answers the challenge there. Epoch 0: a replay's, which
 * writes what nobody is shown, beside whoever has the epoch; *change is then the last number that was given out. */
TL_MUST_USE enum tl_code tl_store_begin_tick(struct tl_store *store, int64_t epoch, int64_t *change, struct tl_err *err);

/* Inserts or replaces rows by identity, each at most once a call. Where each key has a boundary of its own, a row that crosses it lowers it. */
TL_MUST_USE enum tl_code tl_store_put_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows,
                                                 int64_t change, struct tl_err *err);
/* Rows that are no longer: a session that grew, a group that HAVING hides now. By identity (columns are not looked at); one that is not there
 * is no error. */
TL_MUST_USE enum tl_code tl_store_drop_speed_rows(struct tl_store *store, int64_t definition, const struct tl_rows *rows,
                                                  struct tl_err *err);
/* Inserts, replaces or (empty bytes) deletes state by identity, each at most once a call; TL_STATE_BESIDE only. */
TL_MUST_USE enum tl_code tl_store_put_states(struct tl_store *store, int64_t definition, const struct tl_states *states,
                                             struct tl_err *err);
/* Deletes the states with end_ms <= upto_ms. */
TL_MUST_USE enum tl_code tl_store_drop_states(struct tl_store *store, int64_t definition, int64_t upto_ms, struct tl_err *err);
/* All of them, one at a time (count 1), in order of (end_ms, start_ms, key). */
TL_MUST_USE enum tl_code tl_store_states(struct tl_store *store, int64_t definition,
                                         enum tl_code (*each)(void *ctx, const struct tl_states *states, struct tl_err *err),
                                         void *ctx, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_put_final(struct tl_store *store, int64_t definition, int64_t final_ms, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_put_ready(struct tl_store *store, int64_t definition, struct tl_err *err);

struct tl_position {
    uint32_t partition;
    int64_t next_offset;
    int64_t watermark_ms;                  /* of the partition; INT64_MIN: none */
    int64_t judged_ms;                     /* the watermark that its last event was judged by */
    int64_t log_ms;                        /* highest log timestamp read */
    uint64_t messages_count, events_count; /* read so far, in all */
    int64_t last_offset;                   /* of the last message read; INT64_MIN: none */
    uint64_t fingerprint;                  /* of that message (log.h); 0: not known */
};
TL_MUST_USE enum tl_code tl_store_put_position(struct tl_store *store, int64_t definition, const struct tl_position *position,
                                               struct tl_err *err);
/* The topic's identity (log.h) under which the positions were taken. */
TL_MUST_USE enum tl_code tl_store_put_identity(struct tl_store *store, int64_t definition, uint64_t identity, struct tl_err *err);

/* Adds to the definition's totals of speed. */
TL_MUST_USE enum tl_code tl_store_add_outcomes(struct tl_store *store, int64_t definition, const uint64_t counts[TL_OUTCOMES],
                                               struct tl_err *err);
/* run 0: speed's ledger. A line that is there already stays as it is. */
TL_MUST_USE enum tl_code tl_store_put_ledger(struct tl_store *store, int64_t definition, int64_t run,
                                             const struct tl_ledger_line *lines, size_t count, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_put_dead(struct tl_store *store, struct tl_sv topic, uint32_t partition,
                                           const struct tl_dead *dead, size_t count, struct tl_err *err);
/* One tick's ids of one partition. lane 0: the active definitions, which stand at the same offsets; else a building definition's id. */
TL_MUST_USE enum tl_code tl_store_put_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition,
                                            int64_t next_offset, int64_t log_ms_max, struct tl_sv ids, struct tl_err *err);
/* Drops the blobs whose log_ms_max lies below `log_ms`, and all of a lane when it is INT64_MAX. */
TL_MUST_USE enum tl_code tl_store_drop_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition,
                                             int64_t log_ms, struct tl_err *err);

/* ---- what speed reads when it starts ---- */

TL_MUST_USE enum tl_code tl_store_positions(struct tl_store *store, int64_t definition,
                                            enum tl_code (*each)(void *ctx, const struct tl_position *position,
                                                                 struct tl_err *err),
                                            void *ctx, uint64_t *identity, struct tl_err *err);
/* The ids of a lane up to `next_offset`: the ones behind it are of definitions that stood further than the one that starts now. */
TL_MUST_USE enum tl_code tl_store_dedup(struct tl_store *store, int64_t lane, struct tl_sv topic, uint32_t partition,
                                        int64_t next_offset,
                                        enum tl_code (*each)(void *ctx, struct tl_sv ids, struct tl_err *err), void *ctx,
                                        struct tl_err *err); /* in the order of next_offset */

/* A stored row with its accumulators and its values; views are valid during the call. `columns` as in the shape, roles WINDOW_* included. */
struct tl_stored_row {
    int64_t start_ms, end_ms;
    struct tl_sv key;
    const struct tl_value *columns;
    uint32_t columns_count;
    /* Not of a cursor: */
    struct tl_sv accumulators;
    int64_t change_or_run;
    uint32_t partition, row; /* without a window */
    int64_t offset;
};
enum tl_layer { TL_LAYER_MERGED, TL_LAYER_SPEED, TL_LAYER_BATCH };
/* Rows of one layer with from_ms < end_ms <= to_ms (without a window: from_ms <= event time < to_ms), in order of (end_ms, start_ms, key); of
 * batch, published rows only. TL_LAYER_MERGED is not for this call. */
TL_MUST_USE enum tl_code tl_store_rows(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms,
                                       int64_t to_ms,
                                       enum tl_code (*each)(void *ctx, const struct tl_stored_row *row, struct tl_err *err),
                                       void *ctx, struct tl_err *err);
/* The same as a cursor, so that two can be walked side by side: identities and values alone, which is what whoever compares looks at. */
struct tl_store_cursor;
TL_MUST_USE enum tl_code tl_store_cursor_open(struct tl_store *store, int64_t definition, enum tl_layer layer, int64_t from_ms,
                                              int64_t to_ms, struct tl_store_cursor **out, struct tl_err *err);
/* *row is NULL at the end; valid until the next call on this cursor. */
TL_MUST_USE enum tl_code tl_store_cursor_next(struct tl_store_cursor *cursor, const struct tl_stored_row **row,
                                              struct tl_err *err);
void tl_store_cursor_close(struct tl_store_cursor *cursor);

/* ---- batch: stage under a run's id, then publish in one short transaction ---- */

enum tl_run_state { TL_RUN_STAGED, TL_RUN_PUBLISHED, TL_RUN_FAILED, TL_RUN_ROLLED_BACK };

/* Own transaction. `reason` is what `tally runs` shows: "nightly", "backfill 2015-05-17..2015-05-20"; `versions` what its functions work with
 * (function.h: tl_functions_versions). */
TL_MUST_USE enum tl_code tl_store_run_begin(struct tl_store *store, const char *reason, struct tl_sv versions, int64_t started_ms,
                                            int64_t *run, struct tl_err *err);
/* The hash of the checks that it works by (check.h); why it is failed, or what of it is blocked: for people. */
TL_MUST_USE enum tl_code tl_store_put_run_checks(struct tl_store *store, int64_t run, struct tl_sv checks, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_put_run_failure(struct tl_store *store, int64_t run, const char *failure, struct tl_err *err);
/* What it has read: each job adds its part. */
struct tl_run_totals {
    uint64_t events_count, bytes_count /* of the record, unpacked */, duplicates_count;
};
TL_MUST_USE enum tl_code tl_store_add_run_totals(struct tl_store *store, int64_t run, const struct tl_run_totals *totals,
                                                 struct tl_err *err);
/* In a transaction; where it fails, some of the rows are there: roll back. */
TL_MUST_USE enum tl_code tl_store_stage_rows(struct tl_store *store, int64_t run, int64_t definition, const struct tl_rows *rows,
                                             struct tl_err *err);
/* The archive's offsets that the run read: batch's part of the manifest. Every message below next_offset was seen, but those said to be unread. Staging
 * the offset of a partition again forgets what was unread there. */
TL_MUST_USE enum tl_code tl_store_stage_offset(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition,
                                               int64_t next_offset, struct tl_err *err);
/* These, up to and including the last, were not: their file was damaged, or gone. */
TL_MUST_USE enum tl_code tl_store_stage_unread(struct tl_store *store, int64_t run, struct tl_sv topic, uint32_t partition,
                                               int64_t first_offset, int64_t last_offset, struct tl_err *err);
/* Rows belong to the range (from_ms, to_ms] that holds their end; with ends_open to [from_ms, to_ms), for what ends at to_ms is carried
 * (tl_store_stage_open) and belongs to the next one; without a window to the [from_ms, to_ms) of their event time. */
struct tl_run_range {
    int64_t run, from_ms, to_ms; /* INT64_MIN: from the beginning of time */
    uint64_t rows_count;
    uint64_t outcomes[TL_OUTCOMES]; /* of the events with event time in [from_ms, to_ms) */
    struct tl_sv carry;             /* for staging: what is still open at to_ms, bytes of core; tl_store_carry reads it */
    int64_t carry_in;               /* XXH3-64 of the carry that it was computed with; 0: not known */
    bool refused; /* for staging: a line alone, never to be published: what belongs there could not, or was not to be computed */
};
enum { TL_STORE_REFUSED = 4 }; /* what tally_run_range.blocked says of it */
TL_MUST_USE enum tl_code tl_store_stage_range(struct tl_store *store, int64_t definition, const struct tl_run_range *range,
                                              struct tl_err *err);
/* What the staged range that ends at `to_ms` carries over that end, of a definition with cut_per_key: start and key of each session or
 * count window (the rest of `rows` is not looked at). It is wanted where the boundary will lie: at the end of a run's last range. */
TL_MUST_USE enum tl_code tl_store_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms,
                                             const struct tl_rows *rows, struct tl_err *err);
/* Own transaction, short: locks the epoch row as a tick does, points every staged range of the run that is not blocked at it (older ranges
 * that a new one covers go; a partial overlap is an error and publishes nothing), moves the boundaries, cuts the keys anew where each has its own,
 * takes a change number, adds a publication, marks the run. A run of which all is blocked is failed. Once more: what is no longer blocked. */
TL_MUST_USE enum tl_code tl_store_publish(struct tl_store *store, int64_t run, int64_t ended_ms, struct tl_err *err);
/* The same by somebody who overrules a check. */
struct tl_acceptance {
    struct tl_sv check, who, reason;
};
TL_MUST_USE enum tl_code tl_store_publish_as(struct tl_store *store, int64_t run, const struct tl_acceptance *by,
                                             int64_t ended_ms, struct tl_err *err);
/* Own transaction, as a publication: undoes whole publications, the newest first, up to and including the first one of the run (0: the
 * newest alone). Pointer, boundaries and cuts are then as those that stay have left them. `who` is kept with them. `each` is told what was undone, the newest first. TL_ERR_NOT_FOUND: the run
 * has none; TL_ERR_LIMIT: rows that would be seen again are gone, or what would be undone is of sealed days and could not be had again. Nothing
 * has changed then. */
TL_MUST_USE enum tl_code tl_store_unpublish(struct tl_store *store, int64_t run, const char *who, int64_t now_ms,
                                            enum tl_code (*each)(void *ctx, int64_t published, int64_t run, struct tl_err *err),
                                            void *ctx, struct tl_err *err);
/* Ranges of a definition (run, from_ms, to_ms) whose publication was undone, and that nothing has been published over since. */
TL_MUST_USE enum tl_code tl_store_rolled_back(struct tl_store *store, int64_t definition,
                                              enum tl_code (*each)(void *ctx, const struct tl_run_range *range,
                                                                   struct tl_err *err),
                                              void *ctx, struct tl_err *err);
/* Own transactions, short: removes what unpublished runs staged, and marks them failed. The caller holds batch's lock. */
TL_MUST_USE enum tl_code tl_store_discard_staged(struct tl_store *store, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_discard_staged_but(struct tl_store *store, int64_t run,
                                                     struct tl_err *err); /* all but this one */
/* Own transactions, short: of what a run has staged and not published, the ranges of a definition that lie in (from_ms, to_ms], and rows and
 * ledger lines of ranges there that are not whole. */
TL_MUST_USE enum tl_code tl_store_unstage(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms, int64_t to_ms,
                                          struct tl_err *err);
/* Own transactions, short: ranges that were superseded or rolled back before that instant lose their rows and ledger lines, and so do those that
 * were never published, of runs that ended before it. What `tally runs` shows of them stays. */
TL_MUST_USE enum tl_code tl_store_prune_superseded(struct tl_store *store, int64_t before_ms, struct tl_err *err);
/* Own transactions, short: speed rows and ledger lines whose range was published before `published_before_ms` go, but no row that is served
 * still, for its key is cut below. */
TL_MUST_USE enum tl_code tl_store_prune_speed(struct tl_store *store, int64_t definition, int64_t published_before_ms,
                                              struct tl_err *err);

/* Published ranges of a definition in order of time. */
TL_MUST_USE enum tl_code tl_store_ranges(struct tl_store *store, int64_t definition,
                                         enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err),
                                         void *ctx, struct tl_err *err);
/* Adds to `out` what the published range that ends at `to_ms` carries; nothing where no range ends there. It may be large: it is read where
 * it is needed, not with the ranges. */
TL_MUST_USE enum tl_code tl_store_carry(struct tl_store *store, int64_t definition, int64_t to_ms, struct tl_buf *out,
                                        struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_run_offsets(struct tl_store *store, int64_t run,
                                              enum tl_code (*each)(void *ctx, struct tl_sv topic, uint32_t partition,
                                                                   int64_t next_offset, struct tl_err *err),
                                              void *ctx, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_run_unread(struct tl_store *store, int64_t run,
                                             enum tl_code (*each)(void *ctx, struct tl_sv topic, uint32_t partition,
                                                                  int64_t first_offset, int64_t last_offset, struct tl_err *err),
                                             void *ctx, struct tl_err *err);

/* Adds to `out` what a run's own range that begins there carries over its end, published or not. */
TL_MUST_USE enum tl_code tl_store_staged_carry(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms,
                                               struct tl_buf *out, struct tl_err *err);

/* ---- sealed days ----
 *
 * Retention takes events from the record whose days every view has published. From then on ranges that begin before `upto_ms` stay as they are. */
/* Never goes back. */
TL_MUST_USE enum tl_code tl_store_seal(struct tl_store *store, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms,
                                       struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_sealed(struct tl_store *store,
                                         enum tl_code (*each)(void *ctx, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms,
                                                              struct tl_err *err),
                                         void *ctx, struct tl_err *err);
/* Events of this published range that came when it was sealed: lines of its run's ledger, with the cause sealed_day, and as many late events more in its
 * outcomes. Lines that are there already count once; *added: the others. */
TL_MUST_USE enum tl_code tl_store_put_sealed(struct tl_store *store, int64_t definition, const struct tl_run_range *range,
                                             const struct tl_ledger_line *lines, size_t count, uint64_t *added,
                                             struct tl_err *err);

struct tl_run {
    int64_t id, started_ms, ended_ms; /* ended_ms INT64_MIN: not ended */
    enum tl_run_state state;
    struct tl_sv reason, versions; /* versions: empty for runs of before they were kept */
    bool same_normaliser;          /* as the one of this program */
    struct tl_sv checks, failure;
    struct tl_run_totals totals;
    uint64_t ranges_count, rows_count, published_count /* ranges */, blocked_count /* ranges that are not published */;
    uint64_t checks_passed, checks_warned, checks_failed;
};
TL_MUST_USE enum tl_code tl_store_runs(struct tl_store *store,
                                       enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err), void *ctx,
                                       struct tl_err *err);
/* The newest first, `limit` at most (< 0: all). */
TL_MUST_USE enum tl_code tl_store_newest_runs(struct tl_store *store, int64_t limit,
                                              enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err),
                                              void *ctx, struct tl_err *err);
#define TL_STORE_STAGED_RUN 0 /* the newest that is staged */
/* One run; `each` is not called where there is no such one. */
TL_MUST_USE enum tl_code tl_store_run(struct tl_store *store, int64_t run,
                                      enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err), void *ctx,
                                      struct tl_err *err);
struct tl_run_range_state {
    struct tl_sv view;
    int64_t definition;
    bool retired; /* the definition */
    bool blocked, pruned;
    int64_t published; /* its publication; 0: none */
    bool serves;       /* the pointer is at it */
    bool undone;       /* its publication was rolled back */
};
/* All ranges of a run, by view and time. */
TL_MUST_USE enum tl_code tl_store_run_ranges(struct tl_store *store, int64_t run,
                                             enum tl_code (*each)(void *ctx, const struct tl_run_range *range,
                                                                  const struct tl_run_range_state *state, struct tl_err *err),
                                             void *ctx, struct tl_err *err);
struct tl_publication {
    int64_t published, run, at_ms, change;
    struct tl_acceptance accepted; /* check empty: nothing was overruled */
    int64_t undone_ms;             /* INT64_MIN: it stands */
    struct tl_sv undone_by;
};
/* In their order; of one run, or (0) of all. */
TL_MUST_USE enum tl_code tl_store_publications(struct tl_store *store, int64_t run,
                                               enum tl_code (*each)(void *ctx, const struct tl_publication *publication,
                                                                    struct tl_err *err),
                                               void *ctx, struct tl_err *err);

/* ---- serving ---- */

struct tl_query {
    struct tl_sv view;
    enum tl_layer layer;
    int64_t from_ms, to_ms; /* as tl_store_rows; INT64_MIN and INT64_MAX: all */
    int64_t limit;          /* < 0: all */
};
/* Calls head once with the columns: the view's own, then _layer and _final; then row for each, sorted by window and then by the view's other columns. Times
 * come as TL_TIMESTAMP_LTZ values. */
TL_MUST_USE enum tl_code
tl_store_query(struct tl_store *store, const struct tl_query *query,
               enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err),
               enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err), void *ctx,
               struct tl_err *err);
/* Speed's totals (run 0) or the sums over the published ranges (run -1) of a definition. */
TL_MUST_USE enum tl_code tl_store_outcomes(struct tl_store *store, int64_t definition, int64_t run, uint64_t counts[TL_OUTCOMES],
                                           struct tl_err *err);
/* Ledger lines of a definition in order of (partition, offset, row): of speed (run 0), or of one batch run. Of events with from_ms <= time < to_ms, and all
 * that no event time places: gaps, and events from the future. */
TL_MUST_USE enum tl_code tl_store_ledger(struct tl_store *store, int64_t definition, int64_t run, int64_t from_ms, int64_t to_ms,
                                         enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line, struct tl_err *err),
                                         void *ctx, struct tl_err *err);
/* Of a partition, the lines from this place on. */
struct tl_ledger_floor {
    uint32_t partition;
    int64_t offset;
};
/* The same of speed, of these partitions (each once) and no other, from their floors on: what lies before is passed over without being read. Of what no
 * event time places, gaps alone. */
TL_MUST_USE enum tl_code tl_store_ledger_from(struct tl_store *store, int64_t definition, const struct tl_ledger_floor *floors,
                                              size_t floors_count, int64_t from_ms, int64_t to_ms,
                                              enum tl_code (*each)(void *ctx, const struct tl_ledger_line *line,
                                                                   struct tl_err *err),
                                              void *ctx, struct tl_err *err);
/* Of which definition, and of which events: from_ms <= time < to_ms. */
struct tl_ledger_span {
    int64_t definition, from_ms, to_ms;
};
/* What both ledgers of a definition say of an event: speed's, and that of the run which serves the event's time. */
struct tl_ledger_pair {
    uint32_t partition, row;
    int64_t offset, event_time_ms;
    enum tl_cause speed, batch; /* of an event from the future batch is not asked: NONE */
    uint8_t speed_flags, batch_flags;
};
/* Those that have a line in both, speed's of one of these causes (a bit each), and each of speed's from the future, whatever its time; in order of (partition, offset, row), and several definitions'
 * of one event one after the other. Each definition once. Floors as above. */
TL_MUST_USE enum tl_code tl_store_ledger_pairs(struct tl_store *store, const struct tl_ledger_span *spans, size_t spans_count,
                                               const struct tl_ledger_floor *floors, size_t floors_count, uint32_t causes,
                                               enum tl_code (*each)(void *ctx, const struct tl_ledger_pair *pair,
                                                                    struct tl_err *err),
                                               void *ctx, struct tl_err *err);
/* Lines per cause. */
TL_MUST_USE enum tl_code tl_store_ledger_counts(struct tl_store *store, int64_t definition, int64_t run,
                                                uint64_t counts[TL_CAUSES], struct tl_err *err);
/* The functions that failed (eval_error) and how many lines each has, the most first. */
TL_MUST_USE enum tl_code tl_store_ledger_failures(struct tl_store *store, int64_t definition, int64_t run,
                                                  enum tl_code (*each)(void *ctx, struct tl_sv function, uint64_t count,
                                                                       struct tl_err *err),
                                                  void *ctx, struct tl_err *err);
struct tl_dead_place {
    uint32_t partition, row; /* partition as the topic has it */
    int64_t offset, log_ms;
    enum tl_dead_reason reason;
};
/* Dead letters of a topic with from_ms <= log_ms < to_ms, in order of (partition, offset, row), without their bytes. */
TL_MUST_USE enum tl_code tl_store_dead(struct tl_store *store, struct tl_sv topic, int64_t from_ms, int64_t to_ms,
                                       enum tl_code (*each)(void *ctx, const struct tl_dead_place *dead, struct tl_err *err),
                                       void *ctx, struct tl_err *err);
TL_MUST_USE enum tl_code tl_store_dead_count(struct tl_store *store, struct tl_sv topic, uint64_t *count, struct tl_err *err);
/* Changes whenever somebody else has committed since the last call on this handle: in PostgreSQL, a tick, a publication, a rollback or a swap. A file
 * that is no longer where it was opened is a failure. */
TL_MUST_USE enum tl_code tl_store_version(struct tl_store *store, int64_t *version, struct tl_err *err);
/* Changes with each publication, rollback and swap of a definition: as long as it does not, rows of windows that end at or before the boundary B stay as
 * they are, but for keys with boundaries of their own. */
TL_MUST_USE enum tl_code tl_store_published_version(struct tl_store *store, int64_t *version, struct tl_err *err);
/* Outside of transactions. Waits until that version is another one than when this was called last (the first call on a handle does not wait), `timeout_ms` are over, or `wake_fd`
 * (-1: none) can be read; *changed says whether it is. In PostgreSQL a change is heard of by NOTIFY, which ticks, publications, rollbacks and
 * swaps give in their transactions; beside a SQLite file by its WAL being written (sqlite_wait.c). */
TL_MUST_USE enum tl_code tl_store_wait(struct tl_store *store, int64_t timeout_ms, int wake_fd, bool *changed,
                                       struct tl_err *err);

#endif
