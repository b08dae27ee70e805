/* api_call.h: one request under way: what the api_*.c share. Private to the API.
 *
 * api.c           routes, formats, refusals
 * api_query.c     path and query string become words and parameters
 * api_rows.c      rows as JSON, NDJSON or CSV
 * api_views.c     /api/v1/views
 * api_view.c      /api/v1/views/NAME
 * api_batch.c     /api/v1/runs, /api/v1/checks, /api/v1/reconciliations, /api/v1/status */
#ifndef TL_API_CALL_H
#define TL_API_CALL_H

#include "api.h"
#include "base/arena.h"
#include "event/rows.h"

enum { TL_API_PARAMETERS_MAX = 64 };

struct tl_api_parameter {
    const char *name; /* the route's own */
    struct tl_sv value;
};

/* What a route takes. */
struct tl_api_taken {
    const char *name;
    bool repeated;
};

struct tl_api_call {
    const struct tl_api *api;
    const struct tl_api_request *request;
    struct tl_store *store;
    struct tl_arena *arena;
    struct tl_sv word; /* what stands for * in the route's path, decoded */
    struct tl_api_parameter parameters[TL_API_PARAMETERS_MAX];
    size_t parameters_count;
    enum tl_api_format format;
    int64_t now_ms;
    bool relative; /* it said "today", or the like: the same words mean something else later */
    struct tl_api_answer *answer;
    struct tl_problem *problem;
};

/* Ends a route's function: what is wrong stands in call->problem. */
#define TL_API_REFUSED TL_ERR_USAGE
#define tl_api_refuse(call, status, ...) (tl_problem_set((call)->problem, (status), __VA_ARGS__), TL_API_REFUSED)

/* ---- the query string ---- */

/* A part of a path without its %xx. False: a % that is none of these, or bytes that are no text. */
TL_MUST_USE bool tl_api_decode(struct tl_arena *arena, struct tl_sv text, bool plus_is_blank, struct tl_sv *out);
/* Fills call->parameters; refuses what the route does not take. */
TL_MUST_USE enum tl_code tl_api_read_query(struct tl_api_call *call, struct tl_sv query, const struct tl_api_taken *taken,
                                           size_t taken_count);
/* NULL: not given. */
const struct tl_sv *tl_api_get(const struct tl_api_call *call, const char *name);
/* They leave *out alone where it is not given. */
TL_MUST_USE enum tl_code tl_api_get_count(struct tl_api_call *call, const char *name, int64_t least, int64_t most, int64_t *out);
TL_MUST_USE enum tl_code tl_api_get_time(struct tl_api_call *call, const char *name, int64_t *out);
/* One of the words, which NULL ends; *out is its number. */
TL_MUST_USE enum tl_code tl_api_get_choice(struct tl_api_call *call, const char *name, const char *const *words, size_t *out);

/* ---- rows ---- */

/* Of a row's object. */
struct tl_api_member {
    struct tl_buf text; /* "name": and, if it is one that many rows have, the value of the row before */
    size_t name_size;
    uint64_t last;
};
/* Rows into a body: of JSON the objects with commas between, without the array's brackets. */
struct tl_api_rows {
    enum tl_api_format format;
    struct tl_buf *out;
    struct tl_buf cell; /* CSV */
    struct tl_api_member *members;
    size_t columns_count;
    uint64_t rows_count, rows_max; /* rows_max: of a page; 0: not known */
};
void tl_api_rows_init(struct tl_api_rows *rows, enum tl_api_format format, struct tl_buf *out);
void tl_api_rows_done(struct tl_api_rows *rows);
/* As tl_store_query's: ctx is the rows. */
TL_MUST_USE enum tl_code tl_api_rows_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_rows_add(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err);

/* "2015-05-17T10:05:00.000Z" with its quotes, or null (INT64_MIN). */
void tl_api_put_time(struct tl_buf *out, int64_t ms);
/* Seconds from `from_ms` to `to_ms`, or null where either is none. */
void tl_api_put_seconds(struct tl_buf *out, int64_t from_ms, int64_t to_ms);
/* From here on the body says how fresh it is. */
void tl_api_put_steady(struct tl_api_call *call);
/* `"as_of": "...", ` and the fresh tail: the end of each JSON object. */
void tl_api_put_tail(struct tl_api_call *call);

/* ---- the resources ---- */

TL_MUST_USE enum tl_code tl_api_views(struct tl_api_call *call, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_view(struct tl_api_call *call, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_runs(struct tl_api_call *call, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_run(struct tl_api_call *call, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_checks(struct tl_api_call *call, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_reconciliations(struct tl_api_call *call, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_reconciliation(struct tl_api_call *call, struct tl_err *err);
TL_MUST_USE enum tl_code tl_api_status(struct tl_api_call *call, struct tl_err *err);

/* Of the active definitions, by name: 404 with their names where the word is none of them. */
TL_MUST_USE enum tl_code tl_api_find_view(struct tl_api_call *call, struct tl_sv name, const char *parameter,
                                          struct tl_definition *out, struct tl_err *err);

/* What a URI may have as it is; the rest as %xx. Bytes that are encoded already stay. */
void tl_api_put_uri(struct tl_buf *out, struct tl_sv text);

#endif
