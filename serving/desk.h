/* desk.h: takes a request of the API on the loop, and gives the answer: out of what is kept, or out of the store by way of a reader.
 *
 *   request ──> kept, and holds? ──yes──> answer (304, gzip, zstd)
 *                   │ no
 *                   ├── the same is being asked already: waits with it
 *                   ├── the store is away: the last answer, marked as stale; else 503
 *                   └── a job for the readers ──full──> 503; too slow ──> 504
 *
 * Runs on: the server's loop. */
#ifndef TL_DESK_H
#define TL_DESK_H

#include "answers.h"
#include "gate.h"
#include "readers.h"
#include "serve_meter.h"

struct tl_desk_config {
    struct tl_http_server *server;
    const struct tl_api *api;
    struct tl_readers *readers;
    struct tl_pulse *pulse;
    const struct tl_gate *gate;
    struct tl_serve_meter *meter;
    int64_t query_ms; /* that a query may take, its time in the queue included */
    size_t cache_bytes_max;
};

struct tl_desk;

TL_MUST_USE enum tl_code tl_desk_open(const struct tl_desk_config *config, struct tl_desk **out, struct tl_err *err);
/* When all its jobs have come back. */
void tl_desk_close(struct tl_desk *desk);
/* Answers the call, now or later; a path that is none of the API's with 404. */
void tl_desk_ask(struct tl_desk *desk, struct tl_http_call *call);
/* The same bytes whenever the path is asked for: a page, a script. They outlive the desk. */
void tl_desk_give(struct tl_desk *desk, struct tl_http_call *call, const char *type, struct tl_sv bytes);
size_t tl_desk_cached_bytes(const struct tl_desk *desk); /* any thread */

#endif
