/* store_fixture.h: a store in a folder of its own, and small rows to put into it: shared by the tests of store and merged view. */
#ifndef TL_TESTS_STORE_FIXTURE_H
#define TL_TESTS_STORE_FIXTURE_H

#include "base/arena.h"
#include "store/store.h"

/* One kind of store that the conformance suite runs on. */
struct store_backend {
    const char *name;
    void (*url)(char out[512]); /* of a new, empty place */
    bool reader_holds_names;    /* a table that somebody reads is not renamed or dropped before he is done */
};
extern const struct store_backend store_sqlite;
/* A schema of its own in the server of POSTGRES_URL, or of build/servers.env (`make postgres`). */
extern const struct store_backend store_postgres;
/* What POSTGRES_URL, POSTGRES_ADMIN_URL ... say; fails the test where there is none. */
const char *store_server(const char *name);
/* Runs statements, one after the other, in the schema of a URL of store_postgres, or in the database of any URL; fails the test when one fails. */
void store_postgres_sql(const char *url, const char *statements);
/* The same in a session that stays, with what it has locked, until it is released. */
void *store_postgres_hold(const char *url, const char *statements);
void store_postgres_release(void *held);
/* The answer as text: a line for each row, its values with a blank between. Good until the next call. */
const char *store_postgres_ask(const char *url, const char *query);

/* The path of the file behind a URL of store_sqlite. */
const char *store_path(const char *url);
/* The test's own folder under $TMPDIR or /tmp, made by the first call. */
void store_folder(char out[400]);
void store_folder_remove(void); /* .fini: the schemas that the test has made go too */

struct tl_store *store_open(const char *url, enum tl_store_mode mode); /* fails the test when it fails */

/* The view hits_5m: window_start, window_end, host (key), num_hits. `hash` differs by its first character. */
struct tl_shape store_windowed(const char *view, char hash);
/* The same columns of a view of sessions or, with STORE_TAIL_BYTES, of count windows: state beside the rows, a cut for each key. */
enum { STORE_TAIL_BYTES = 4 };
struct tl_shape store_sessions(const char *view, char hash, uint32_t key_tail_bytes);
/* The view bots: event_time, url; a row per event. */
struct tl_shape store_windowless(const char *view, char hash);

struct store_rows {
    struct tl_arena arena;
    struct tl_rows rows;
    uint32_t capacity;
    bool windowed;
};
void store_rows_init(struct store_rows *rows, bool windowed, uint32_t capacity);
void store_rows_done(struct store_rows *rows);
void store_rows_clear(struct store_rows *rows);
/* The key is the host's, the accumulator the hits' bytes. */
void store_rows_add(struct store_rows *rows, int64_t start_ms, int64_t end_ms, const char *host, int64_t hits);
/* Adds to the last row's key a tail: its start. */
void store_rows_add_tail(struct store_rows *rows);
void store_rows_add_event(struct store_rows *rows, int64_t time_ms, uint32_t partition, int64_t offset, const char *url);

/* One row in a transaction of its own. */
void store_put_speed(struct tl_store *store, int64_t epoch, int64_t definition, int64_t start_ms, int64_t end_ms,
                     const char *host, int64_t hits);
void store_stage(struct tl_store *store, int64_t run, int64_t definition, int64_t start_ms, int64_t end_ms, const char *host,
                 int64_t hits);
void store_stage_range(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms, int64_t to_ms);
/* One session, without a tail, that the range carries over its end. */
void store_stage_open(struct tl_store *store, int64_t run, int64_t definition, int64_t to_ms, int64_t start_ms, const char *host);
int64_t store_run(struct tl_store *store, const char *reason);
int64_t store_epoch(struct tl_store *store);

/* The answer to a query as text: a line for each row, its values (times in milliseconds) with a blank between. Good until the next call. */
const char *store_answer(struct tl_store *store, const char *view, enum tl_layer layer, int64_t from_ms, int64_t to_ms);

/* Calls that must succeed, and calls that must give a code; the message is shown. */
#define OK(call)                                                                                                                 \
    do {                                                                                                                         \
        struct tl_err err_ = {.message = "?"};                                                                                   \
        struct tl_err *err = &err_;                                                                                              \
        enum tl_code code_ = (call);                                                                                             \
        cr_assert_eq(code_, TL_OK, "%s: code %d: %s", #call, (int)code_, err->message);                                          \
    } while (0)
#define FAILS(code, text, call)                                                                                                  \
    do {                                                                                                                         \
        struct tl_err err_ = {.message = "?"};                                                                                   \
        struct tl_err *err = &err_;                                                                                              \
        enum tl_code code_ = (call);                                                                                             \
        cr_assert_eq(code_, code, "%s: code %d, not " #code ": %s", #call, (int)code_, err->message);                            \
        cr_assert(strstr(err->message, text) != NULL, "%s: '%s' is not in: %s", #call, text, err->message);                      \
    } while (0)

#endif
