/* live_http.h: /api/v1/live and /api/v1/live/sse: connections of the HTTP server that listen to what changes.
 *
 *   loop (http_server)                              watcher (a thread of its own: changes, live)
 *   handshake, messages, ends  ──── letters ───>    tl_live_join, _take, _leave
 *   frames to connections      <─── batches ────    one a turn, for all clients
 *
 * Is:      WebSockets, and server-sent events for whoever only reads: GET .../sse?view=hits&where=...&from=...&last=..., with Last-Event-ID (or since=) as
 *          the number to come back with; each message as data:, with id: where it has a seq; a comment where nothing happens. One that is refused is answered with a problem.
 * Is not:  who may come in: that is asked before.
 * Runs on: the server's loop, but for open, stop and close. */
#ifndef TL_LIVE_HTTP_H
#define TL_LIVE_HTTP_H

#include "gate.h"
#include "live.h"
#include "net/http_server.h"
#include "pulse.h"

struct tl_live_http;

struct tl_live_http_config {
    struct tl_http_server *server;
    struct tl_serve_meter *meter;
    struct tl_gate *gate; /* what answers have to have, and which pages may open a WebSocket, for which CORS does not hold */
    struct tl_pulse
        *pulse; /* knows of a change before clients are told: what they then ask for must not be older. NULL: nobody asks */
    struct tl_changes_config changes;
    struct tl_live_limits limits;
    size_t unread_bytes_max; /* of a client's messages that the watcher has not read yet: 1008; 0: 256 KiB */
    int64_t heartbeat_ms;    /* a stream of events is silent for so long at most; 0: 15 s */
};

/* Begins the watcher. TL_ERR_BUSY: another serve has the file. */
TL_MUST_USE enum tl_code tl_live_http_open(const struct tl_live_http_config *config, struct tl_live_http **out,
                                           struct tl_err *err);
/* Takes calls of these two paths: false, and the call is the caller's still, for any other. */
bool tl_live_http_take(struct tl_live_http *live, struct tl_http_call *call);
/* Any thread. */
struct tl_live_figures tl_live_http_figures(struct tl_live_http *live);
/* Ends the watcher, and the connections with it; while the loop runs. */
void tl_live_http_stop(struct tl_live_http *live);
/* Behind tl_http_server_close. */
void tl_live_http_close(struct tl_live_http *live);

#endif
