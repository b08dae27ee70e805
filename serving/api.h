/* api.h: a request for data -> an answer out of the store. The paths and their parameters stand in openapi.json.
 *
 * Is:      what a reader's thread does: the request is read, checked and answered in one snapshot of the store.
 * Is not:  HTTP (who may ask, ETag, compression, how long an answer holds: serve.c, gate.h, answers.h).
 * Runs on: any thread, with a store handle of its own; `struct tl_api` does not change.
 *
 * JSON is one object; the last of its members are "as_of", when its rows were read, and "stale": TL_API_FRESH_TAIL ends it, and becomes
 * {..., "stale": true, "stale_s": 12} where it is served once more while the store is away. */
#ifndef TL_API_H
#define TL_API_H

#include "main/option.h"
#include "problem.h"
#include "sql/plan.h"
#include "store/store.h"

#define TL_API_FRESH_TAIL "\"stale\": false}\n"

enum tl_api_format { TL_API_JSON, TL_API_CSV, TL_API_NDJSON, TL_API_FORMATS };

struct tl_api {
    const struct tl_common_options *common;
    const struct tl_plan *plan; /* of the views file, for roll-ups; NULL: there is none */
};

/* The formats that an Accept header takes, the best first, as letters of "jcn"; "" where it takes none of them. No header: all. */
void tl_api_accept(struct tl_sv accept, char out[TL_API_FORMATS + 1]);

struct tl_api_request {
    struct tl_sv path, query; /* as they were sent; query without its '?' */
    char accept[TL_API_FORMATS + 1];
};

/* How long an answer is what would be answered again. */
enum tl_api_valid {
    TL_API_ONCE,      /* a refusal */
    TL_API_BRIEFLY,   /* it tells of what leaves no trace in the store's version, or of the clock: a second */
    TL_API_UNCHANGED, /* until the store's version changes */
    TL_API_PUBLISHED, /* left of the boundary: until tl_store_published_version changes */
    TL_API_ALWAYS,
};

struct tl_api_answer {
    int status;
    const char *type; /* Content-Type */
    enum tl_api_valid valid;
    bool
        has_tail; /* TL_API_FRESH_TAIL; when it was read, and so how far behind the layers were, stands in it: it holds for some seconds */
    size_t steady_bytes;           /* of the body, what does not grow by itself until it is read again; 0: all */
    int64_t as_of_ms, boundary_ms; /* INT64_MIN: none */
    struct tl_buf body;
    struct tl_buf headers; /* lines with their "\r\n" */
};

void tl_api_answer_init(struct tl_api_answer *answer);
void tl_api_answer_done(struct tl_api_answer *answer);
/* Also a refusal is an answer, with problem+json. TL_ERR_*: the store could not tell; the answer is nothing then. */
TL_MUST_USE enum tl_code tl_api_answer(const struct tl_api *api, struct tl_store *store, const struct tl_api_request *request,
                                       struct tl_api_answer *answer, struct tl_err *err);
/* Is it a path of the API? So that others know what is left to them. */
bool tl_api_has(struct tl_sv path);

#endif
