/* request_event.h: a request -> the JSON of an event, without its secrets.
 *
 *     {"event_id":"0192...","url":"/a?token=[redacted]","method":"GET","referrer":null,"user_agent":"{\"family\":...}","headers":"{\"accept\":...}",
 *      "host":"www.example.com","ip":"203.0.113.7","event_time":"2026-03-01T02:00:07.123Z","status":200,"duration_ms":12,"bytes":5120}
 *
 * What is not known is null. Authorization, Cookie, Set-Cookie, Proxy-Authorization and the headers that the user names are "[redacted]"; so are the
 * values of query parameters such as token and password, in url and referrer. Bytes that are no UTF-8 become U+FFFD: the event is JSON
 * whatever a client sends.
 * Runs on: rules are shared by all threads; a maker belongs to one. */
#ifndef TL_REQUEST_EVENT_H
#define TL_REQUEST_EVENT_H

#include "base/buf.h"
#include "main/option.h"
#include "net/http1.h"

struct tl_event_options {
    struct tl_option_list redact_headers; /* beside the four */
    struct tl_option_list mask_params;    /* beside the built-in ones */
    struct tl_option_list exclude;        /* paths; one that ends with a star stands for all that begin so */
    const char *file_extensions;          /* ".js,.css,..."; NULL: the built-in list; "none" or "": none */
    bool anonymize_ip, honor_dnt, log_localhost;
    const char *user_agents; /* file of rules; NULL: where Debian has it */
};

struct tl_url_mask;
struct tl_event_rules;
TL_MUST_USE enum tl_code tl_event_rules_open(const struct tl_event_options *options, struct tl_event_rules **out,
                                             struct tl_err *err);
void tl_event_rules_close(struct tl_event_rules *rules);

struct tl_event_maker;
TL_MUST_USE enum tl_code tl_event_maker_open(const struct tl_event_rules *rules, struct tl_event_maker **out, struct tl_err *err);
void tl_event_maker_close(struct tl_event_maker *maker);

/* Views, good for the call. */
struct tl_request {
    int64_t time_ms; /* wall clock */
    struct tl_sv method, target;
    struct tl_sv host; /* as sent, with its port; of a trusted proxy: X-Forwarded-Host */
    struct tl_sv ip;   /* the client's, as text */
    const struct tl_http1_header *headers;
    size_t headers_count;
};

struct tl_request_answer {
    int status;          /* 0: not known yet */
    int64_t duration_ms; /* to the answer's head; -1: not known */
    int64_t bytes;       /* its Content-Length; -1: none */
};

enum { TL_REQUEST_ID_BYTES = 36 };

/* For keys and the queue; views into the request, the maker or `out`, good until the maker's next call. */
struct tl_request_event {
    char id[TL_REQUEST_ID_BYTES];
    struct tl_sv host, ip, user_agent; /* as they are in the event, the agent's text as it was sent */
};

/* What takes the secrets out of its URLs. */
const struct tl_url_mask *tl_event_rules_mask(const struct tl_event_rules *rules);
/* A Host without its port, and without a point at its end: a view. */
struct tl_sv tl_request_host(struct tl_sv host);
/* Files, localhost, excluded paths, Do-Not-Track: passed on and not logged. */
bool tl_request_is_logged(const struct tl_event_rules *rules, const struct tl_request *request);
/* Appends all but the answer; false: out of memory, nothing is to be logged. Nothing is allocated once warm. */
TL_MUST_USE bool tl_request_event_begin(struct tl_event_maker *maker, const struct tl_request *request, struct tl_buf *out,
                                        struct tl_request_event *event);
/* What an event says that was collected, beside the request that brought it (collect.h): it counts instead of the headers. data NULL: null. */
struct tl_request_said {
    int64_t now_ms;  /* for the id: time_ms is the event's */
    struct tl_sv id; /* event_id; data NULL: one is made */
    struct tl_sv referrer, user_agent;
    struct tl_sv name, props; /* props: JSON */
};
TL_MUST_USE bool tl_request_event_begin_said(struct tl_event_maker *maker, const struct tl_request *request,
                                             const struct tl_request_said *said, struct tl_buf *out,
                                             struct tl_request_event *event);
/* Appends the answer and the closing brace. */
void tl_request_event_end(struct tl_buf *out, const struct tl_request_answer *answer);

#endif
