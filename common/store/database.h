/* database.h: one connection to the database that holds a store: transactions, statements, answers, errors. Private to common/store.
 *
 * Is:      the seam below the store's logic (store_*.c), with a driver for each kind: database_sqlite.c, database_postgres.c. It also makes and
 *          migrates the schema: the tally_ tables.
 * Is not:  a place that knows definitions, runs or rows.
 *
 * A statement's text is one for all databases as far as they agree: parameters are ?1, ?2, ...; what differs asks database->dialect.
 * Types of parameters: i int64_t, o truth (int64_t), f double, t struct tl_sv as text, b struct tl_sv as bytes. They are borrowed for the
 * call; what an answer gives is valid until its next row.
 *
 * A statement that gives nothing (do, bulk) may be on its way when the call returns: its failure then shows in a later call of the transaction, at
 * the latest in its commit. A statement runs in the order in which it was given, and so does what reads.
 * Runs on: one handle a thread. */
#ifndef TL_DATABASE_H
#define TL_DATABASE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/sv.h"
#include "event/value.h"
#include "store/merge_view.h"

struct tl_database_driver;

enum { TL_DATABASE_STATEMENTS_MAX = 192 };

struct tl_database {
    const struct tl_database_driver *driver;
    enum tl_dialect dialect;
    bool writable;
    int64_t deadline_ms; /* monotonic; 0: none */
    char *place;         /* the path, or the server and its database: what a message begins with */
    struct {
        const char *sql; /* the constant's address is the key */
        struct tl_statement *statement;
    } kept[TL_DATABASE_STATEMENTS_MAX];
    size_t kept_count;
};

struct tl_statement {
    struct tl_database *database;
    char *types, *what; /* what it does, as in "write rows of hits_5m"; NULL: nothing that is worth a word */
};

struct tl_answer {
    struct tl_database *database;
};

struct tl_bind {
    char type;
    union {
        int64_t i64;
        double f64;
        struct tl_sv sv;
    };
};
static inline struct tl_bind tl_bind_i64(int64_t value)
{
    return (struct tl_bind){.type = 'i', .i64 = value};
}
static inline struct tl_bind tl_bind_text(struct tl_sv value)
{
    return (struct tl_bind){.type = 't', .sv = value};
}

/* One parameter of a bulk statement: where its value for each row is. */
enum tl_layout {
    TL_LAYOUT_I64,
    TL_LAYOUT_U32,
    TL_LAYOUT_U8,
    TL_LAYOUT_F64,
    TL_LAYOUT_SV,
    TL_LAYOUT_CSTRING, /* const char *; NULL: no value */
};
struct tl_bulk_column {
    enum tl_layout layout;
    const void *at;      /* of the first row */
    size_t stride;       /* bytes to the next row's; 0: one value for all rows, and a capital letter in the types */
    const uint8_t *null; /* of each row, or NULL: all have a value */
};

/* ---- the connection ---- */

/* The URLs of store.h. */
TL_MUST_USE enum tl_code tl_database_open(const char *url, enum tl_store_mode mode, int64_t deadline_ms, struct tl_database **out,
                                          struct tl_err *err);
void tl_database_close(struct tl_database *database);

/* As tl_store_lock; outside of transactions. */
TL_MUST_USE enum tl_code tl_database_lock(struct tl_database *database, const char *work, const char *who, struct tl_err *err);

enum tl_begin {
    TL_BEGIN_READ,  /* a snapshot */
    TL_BEGIN_WRITE, /* what tables are called stays as it is until its end */
    TL_BEGIN_TICK, /* the same, for the epoch's owner, who is done in a moment: a client that stands still in it loses it after some seconds */
    TL_BEGIN_BETWEEN_TICKS, /* the same, for whoever takes the epoch's row without being its owner */
    TL_BEGIN_PUBLISH,       /* the same; its statements may take long */
    TL_BEGIN_LOOK,          /* as a tick; TL_ERR_BUSY at once, or nearly, where a row that it wants is held by another one */
    TL_BEGIN_DEFINE,        /* may make tables; one at a time */
    TL_BEGIN_SWAP, /* may drop and rename tables: no other write is under way, and where one is, or somebody reads, TL_ERR_BUSY at once, or nearly */
};
/* *names changes whenever tables may have come to be called otherwise. */
TL_MUST_USE enum tl_code tl_database_begin(struct tl_database *database, enum tl_begin how, int64_t *names, struct tl_err *err);
/* TL_BEGIN_READ of two connections to the same database, with the same snapshot; *both false: there was none, and only the first has begun. */
TL_MUST_USE enum tl_code tl_database_begin_both(struct tl_database *database, struct tl_database *other, int64_t *names,
                                                bool *both, struct tl_err *err);
/* TL_ERR_UNKNOWN: it may have happened or not. */
TL_MUST_USE enum tl_code tl_database_commit(struct tl_database *database, struct tl_err *err);
void tl_database_rollback(struct tl_database *database); /* without a transaction, nothing */
bool tl_database_begun(const struct tl_database *database);

/* Something of that name is there, in upper or lower case. */
TL_MUST_USE enum tl_code tl_database_has_object(struct tl_database *database, struct tl_sv name, bool *there, struct tl_err *err);
/* In a TL_BEGIN_SWAP, before any table is touched: others are to see that tables are called otherwise now. TL_ERR_BUSY where somebody reads. */
TL_MUST_USE enum tl_code tl_database_names_changed(struct tl_database *database, struct tl_err *err);
/* In a TL_BEGIN_DEFINE or _SWAP: the view of that name, from now on, shows what `create` ("CREATE VIEW ...") says. */
TL_MUST_USE enum tl_code tl_database_replace_view(struct tl_database *database, struct tl_sv name, const struct tl_buf *create,
                                                  struct tl_err *err);
/* Changes whenever somebody else has committed. Fails where the file is no longer the one that was opened. */
TL_MUST_USE enum tl_code tl_database_version(struct tl_database *database, int64_t *version, struct tl_err *err);
/* As tl_store_deadline. */
void tl_database_deadline(struct tl_database *database, int64_t at_ms);
/* Outside of transactions: until somebody may have committed, `timeout_ms` are over, or wake_fd (-1: none) can be read. It may well return for
 * nothing, and by itself does so before long where nobody would say a word. */
TL_MUST_USE enum tl_code tl_database_wait(struct tl_database *database, int64_t timeout_ms, int wake_fd, struct tl_err *err);

/* ---- statements ---- */

/* `sql` is a named constant: its statement is kept as long as the handle, and its types are always the same. */
TL_MUST_USE enum tl_code tl_database_do(struct tl_database *database, const char *sql, struct tl_err *err, const char *types,
                                        ...);
/* One number (*found NULL: there must be a row). */
TL_MUST_USE enum tl_code tl_database_get(struct tl_database *database, const char *sql, int64_t *out, bool *found,
                                         struct tl_err *err, const char *types, ...);
/* An answer that fits into memory. The store may be called again while its rows are walked. */
TL_MUST_USE enum tl_code tl_database_ask(struct tl_database *database, const char *sql, struct tl_answer **out,
                                         struct tl_err *err, const char *types, ...);
/* An answer of any size, in a transaction; so may the store then. */
TL_MUST_USE enum tl_code tl_database_stream(struct tl_database *database, const char *sql, struct tl_answer **out,
                                            struct tl_err *err, const char *types, ...);
TL_MUST_USE enum tl_code tl_database_bulk(struct tl_database *database, const char *sql, const char *types,
                                          const struct tl_bulk_column *columns, size_t rows_count, struct tl_err *err);
/* The same for a text made at run time. */
TL_MUST_USE enum tl_code tl_database_do_text(struct tl_database *database, const struct tl_buf *sql, struct tl_err *err);
TL_MUST_USE enum tl_code tl_database_stream_text(struct tl_database *database, const struct tl_buf *sql, struct tl_answer **out,
                                                 struct tl_err *err, const char *types, ...);
/* `what` is copied, printed by its arguments. */
TL_PRINTF(6, 7)
TL_MUST_USE enum tl_code tl_database_prepare(struct tl_database *database, const struct tl_buf *sql, const char *types,
                                             struct tl_statement **out, struct tl_err *err, const char *what, ...);
void tl_statement_close(struct tl_statement *statement);
TL_MUST_USE enum tl_code tl_statement_do(struct tl_statement *statement, struct tl_err *err, ...);
TL_MUST_USE enum tl_code tl_statement_stream(struct tl_statement *statement, struct tl_answer **out, struct tl_err *err, ...);
/* As many binds as it has parameters. */
TL_MUST_USE enum tl_code tl_statement_stream_binds(struct tl_statement *statement, const struct tl_bind *binds,
                                                   struct tl_answer **out, struct tl_err *err);
/* How many rows it has changed: it is done when this returns. As many binds as it has parameters. */
TL_MUST_USE enum tl_code tl_statement_change(struct tl_statement *statement, const struct tl_bind *binds, int64_t *changed,
                                             struct tl_err *err);
/* Runs it for each of the rows: its text has tl_database_put_rows where they stand. A column for each parameter. */
TL_MUST_USE enum tl_code tl_statement_bulk(struct tl_statement *statement, const struct tl_bulk_column *columns,
                                           size_t rows_count, struct tl_err *err);
/* The rows of a bulk statement, as INSERT wants them behind its columns. Capital letters come first. */
void tl_database_put_rows(struct tl_buf *out, enum tl_dialect dialect, const char *types);
/* The same for rows that are new; tl_statement_append runs it. The statement begins with what the first one says, and says nothing of
 * conflicts; where it fails, some of the rows may be there: the transaction is to be rolled back. */
const char *tl_database_insert_new(enum tl_dialect dialect);
void tl_database_put_new_rows(struct tl_buf *out, enum tl_dialect dialect, const char *types);
/* `order`: of the rows, by the table's key, where it is clustered by it. */
TL_MUST_USE enum tl_code tl_statement_append(struct tl_statement *statement, const struct tl_bulk_column *columns,
                                             const uint32_t *order, size_t rows_count, struct tl_err *err);

/* ---- answers ---- */

TL_MUST_USE enum tl_code tl_answer_next(struct tl_answer *answer, bool *row, struct tl_err *err);
void tl_answer_close(struct tl_answer *answer); /* NULL: nothing */
bool tl_answer_null(struct tl_answer *answer, int column);
int64_t tl_answer_i64(struct tl_answer *answer, int column); /* NULL: 0; a truth: 0 or 1 */
double tl_answer_f64(struct tl_answer *answer, int column);
struct tl_sv tl_answer_text(struct tl_answer *answer, int column); /* ends with a 0 behind its size; NULL: no data */
struct tl_sv tl_answer_bytes(struct tl_answer *answer, int column);
/* Fills in the value of its kind, as the store keeps it (times: milliseconds), NULL or not, in one call; a text without the 0 behind it. */
void tl_answer_value(struct tl_answer *answer, int column, struct tl_value *value);

/* ---- what a driver does: the calls above, one pointer each ---- */

enum tl_run_how {
    TL_RUN_DO,
    TL_RUN_ASK,
    TL_RUN_STREAM,
    TL_RUN_CHANGE,
};

struct tl_database_driver {
    void (*close)(struct tl_database *database);
    enum tl_code (*lock)(struct tl_database *database, const char *work, const char *who, struct tl_err *err);
    enum tl_code (*begin)(struct tl_database *database, enum tl_begin how, int64_t *names, struct tl_err *err);
    enum tl_code (*begin_both)(struct tl_database *database, struct tl_database *other, int64_t *names, bool *both,
                               struct tl_err *err);
    enum tl_code (*commit)(struct tl_database *database, struct tl_err *err);
    void (*rollback)(struct tl_database *database);
    bool (*begun)(const struct tl_database *database);
    enum tl_code (*has_object)(struct tl_database *database, struct tl_sv name, bool *there, struct tl_err *err);
    enum tl_code (*names_changed)(struct tl_database *database, struct tl_err *err);
    enum tl_code (*replace_view)(struct tl_database *database, struct tl_sv name, const struct tl_buf *create,
                                 struct tl_err *err);
    enum tl_code (*version)(struct tl_database *database, int64_t *version, struct tl_err *err);
    void (*deadline)(struct tl_database *database); /* base.deadline_ms has changed; NULL: it is looked at where it matters */
    enum tl_code (*wait)(struct tl_database *database, int64_t timeout_ms, int wake_fd, struct tl_err *err);

    /* database, types and what are filled in by the caller. */
    enum tl_code (*statement)(struct tl_database *database, struct tl_sv sql, const char *types, struct tl_statement **out,
                              struct tl_err *err);
    void (*statement_close)(struct tl_statement *statement);
    /* *out: ASK and STREAM; *changed: CHANGE. `owned`: the answer closes the statement. */
    enum tl_code (*run)(struct tl_statement *statement, enum tl_run_how how, bool owned, const struct tl_bind *binds,
                        struct tl_answer **out, int64_t *changed, struct tl_err *err);
    /* order: NULL but in tl_statement_append. */
    enum tl_code (*bulk)(struct tl_statement *statement, const struct tl_bulk_column *columns, const uint32_t *order,
                         size_t rows_count, struct tl_err *err);

    enum tl_code (*next)(struct tl_answer *answer, bool *row, struct tl_err *err);
    void (*answer_close)(struct tl_answer *answer);
    bool (*null)(struct tl_answer *answer, int column);
    int64_t (*i64)(struct tl_answer *answer, int column);
    double (*f64)(struct tl_answer *answer, int column);
    struct tl_sv (*text)(struct tl_answer *answer, int column);
    struct tl_sv (*bytes)(struct tl_answer *answer, int column);
    void (*value)(struct tl_answer *answer, int column, struct tl_value *value);
};

/* Of the drivers. `path` is what stands behind "sqlite:". */
TL_MUST_USE enum tl_code tl_database_sqlite_open(const char *path, enum tl_store_mode mode, struct tl_database **out,
                                                 struct tl_err *err);
TL_MUST_USE enum tl_code tl_database_postgres_open(const char *url, enum tl_store_mode mode, int64_t deadline_ms,
                                                   struct tl_database **out, struct tl_err *err);

#endif
