/* access_log.h: a line of a web server's access log -> an event.
 *
 *   common          %h %l %u %t "%r" %>s %b
 *   combined        the same, then "%{Referer}i" "%{User-Agent}i"; what servers put behind that is passed over
 *   vhost_combined  %v:%p, then as combined
 *
 * Apache's letters; nginx writes the same. Escapes inside quotes (\" \\ \xHH \t \n ...) are read; bytes that are no UTF-8
 * become U+FFFD, as the normaliser makes them (json_event.h), so that the event is JSON for every reader. Source: Apache 2.4,
 * mod_log_config; nginx, ngx_http_log_module. */
#ifndef TL_ACCESS_LOG_H
#define TL_ACCESS_LOG_H

#include "base/buf.h"

enum tl_access_format { TL_ACCESS_COMMON, TL_ACCESS_COMBINED, TL_ACCESS_VHOST_COMBINED };

/* Views into the line. data NULL: not there, or "-". */
struct tl_access_line {
    struct tl_sv vhost; /* without its port */
    struct tl_sv ip;
    int64_t time_ms;
    struct tl_sv request, referrer, user_agent; /* without quotes, escapes as they stand */
    int64_t status, bytes;                      /* -1: "-" */
};

/* NULL when the line was read; otherwise why it was not, and *out is not to be used. */
const char *tl_access_line_read(enum tl_access_format format, struct tl_sv text, struct tl_access_line *out);

/* Its time alone, as tl_access_line_read would give it. Some lines that it could not read have one too. */
bool tl_access_line_time(enum tl_access_format format, struct tl_sv text, int64_t *time_ms);

enum { TL_EVENT_ID_BYTES = 36, TL_EVENT_ID_AT = 13 /* of the event's JSON */ };

/* What is counted of an event. */
struct tl_access_event {
    bool is_file_request;    /* as IS_FILE_REQUEST says of its url */
    struct tl_sv user_agent; /* as in the event, good until the next call; data NULL: null */
};

/* Appends one JSON object: the columns of an event, and method, status, bytes. `host` counts where the line has none (data
 * NULL: null). `scratch` is for the writer's own use: one for all lines, so that nothing is allocated once warm.
 *
 * A request that does not begin with a method ("\x16\x03", as those who speak TLS to the wrong port leave it) is the url as it
 * is, and the method is null. */
void tl_access_event_put(struct tl_buf *out, struct tl_buf *scratch, const struct tl_access_line *line, struct tl_sv host,
                         const char id[TL_EVENT_ID_BYTES], struct tl_access_event *what);

#endif
