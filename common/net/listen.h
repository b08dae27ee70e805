/* listen.h: an address to listen on, and the socket that does. */
#ifndef TL_LISTEN_H
#define TL_LISTEN_H

#include "base/base.h"

/* An address to listen on: "127.0.0.1:9464", "[::1]:9464", "localhost:9464"; without one (":9464", "9464") 127.0.0.1. Port 0: any that is free. */
enum { TL_LISTEN_HOST_BYTES = 256, TL_LISTEN_TEXT_BYTES = TL_LISTEN_HOST_BYTES + 8 };
struct tl_listen {
    char host[TL_LISTEN_HOST_BYTES]; /* without brackets */
    uint16_t port;
    int64_t deadline_ms; /* how long a connection may last; 0: TL_MONITOR_DEADLINE_MS */
};
TL_MUST_USE enum tl_code tl_listen_parse(const char *text, struct tl_listen *out, struct tl_err *err);
/* As it is written: with brackets around an address of IPv6. */
const char *tl_listen_text(const struct tl_listen *listen, char out[TL_LISTEN_TEXT_BYTES]);
/* A socket that listens there, and does not block; listen->port is then the one that it got. */
TL_MUST_USE enum tl_code tl_listen_open(struct tl_listen *listen, int backlog, int *fd, struct tl_err *err);
/* The one that whoever started this process has opened for it (LISTEN_FDS, LISTEN_PID): so a restart refuses no connection. -1: none. */
TL_MUST_USE enum tl_code tl_listen_handed_over(struct tl_listen *listen, int *fd, struct tl_err *err);

#endif
