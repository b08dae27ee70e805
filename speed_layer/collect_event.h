/* collect_event.h: one event that a browser or a server has sent, as it says: read and checked.
 *
 *     {"url":"/a","referrer":null,"host":"x.com","event_id":"0192...","name":"page_view","props":{...}}              from anybody
 *      "ip", "user_agent", "headers", "event_time", "method", "status", "duration_ms", "bytes"                       from who has the token, beside these
 *
 * url is required; name is page_view unless it is said, or the method is: that is a request, as intercept logs it. Members that are not known are
 * passed over; null is as if it were not there, but of ip, user_agent and headers, where it says that the sender's own do not count. */
#ifndef TL_COLLECT_EVENT_H
#define TL_COLLECT_EVENT_H

#include <jansson.h>

#include "base/buf.h"
#include "net/endpoint.h"
#include "net/http1.h"

enum {
    TL_COLLECT_URL_BYTES_MAX = 8192,
    TL_COLLECT_PROPS_BYTES_MAX = 16384,
    TL_COLLECT_NAME_BYTES_MAX = 255,
    TL_COLLECT_AGENT_BYTES_MAX = 4096,
    TL_COLLECT_DEPTH_MAX = 32,
    TL_COLLECT_REASON_BYTES = 200,
    TL_COLLECT_ID_BYTES = 36,
};

/* Texts are views into the event (or of its own), data NULL where nothing is said. */
struct tl_collected {
    struct tl_sv url; /* path, query and fragment; of an absolute one its host is in `host` */
    struct tl_sv referrer, host, name, ip, user_agent, method;
    char id[TL_COLLECT_ID_BYTES];
    bool has_id, has_time, has_referrer;
    bool says_ip, says_agent, says_headers;
    int64_t time_ms, status, duration_ms, bytes; /* -1 (of the last three): not said */
    json_t *props;                               /* the event's; NULL: none */
    struct tl_http1_header headers[TL_HTTP1_HEADERS_MAX];
    size_t headers_count;
    /* its own */
    char ip_text[TL_ENDPOINT_TEXT_BYTES];
    json_t *headers_own, *agent_own;
};

/* NULL, or why it is refused: static, or in `reason`. Either way to be closed. */
const char *tl_collected_read(json_t *event, bool trusted, char reason[TL_COLLECT_REASON_BYTES], struct tl_collected *out);
void tl_collected_close(struct tl_collected *collected);

#endif
