/* monitor.h: a small HTTP server for operators and their monitors: a few pages, made anew for each request.
 *
 * Is:      libevent's evhttp on a thread of its own, so that it answers while everything else is stuck.
 * Is not:  for the public. It knows no TLS and no passwords, and evhttp's parser is lenient; so where no address is given it listens on the
 *          loopback alone. GET and HEAD, no keep-alive, heads up to 8 KiB, no bodies to speak of, 10 s of silence end a connection, and so
 *          do 30 s whatever it does. 64 connections at a time; the next waits for one of them to end.
 *
 * The thread takes no signals. */
#ifndef TL_MONITOR_H
#define TL_MONITOR_H

#include "base/base.h"
#include "base/buf.h"
#include "net/listen.h"

enum { TL_MONITOR_CONNECTIONS_MAX = 64, TL_MONITOR_DEADLINE_MS = 30000 };
struct tl_monitor_page {
    const char *path, *content_type;
    /* Appends the body and gives the HTTP status. Runs on the server's thread. */
    int (*write)(void *ctx, struct tl_buf *out);
};

struct tl_monitor;

/* `pages` (constant for the server's life) get `ctx`. It listens on return. */
TL_MUST_USE enum tl_code tl_monitor_open(const struct tl_listen *listen, const struct tl_monitor_page *pages, size_t pages_count,
                                         void *ctx, struct tl_monitor **out, struct tl_err *err);
void tl_monitor_close(struct tl_monitor *monitor);
/* Where it listens, with the port that it got. */
const struct tl_listen *tl_monitor_listen(const struct tl_monitor *monitor);

#endif
