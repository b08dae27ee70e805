/* collect.h: the collector: events that browsers and servers send to the site's own address, and the script for browsers.
 *
 *     POST /tally/collect     one event or a batch: JSON, a JSON array (application/json, or text/plain, as navigator.sendBeacon sends it), or
 *                             application/x-ndjson; what an event may say: collect_event.h
 *     OPTIONS /tally/collect  a browser asks whether a page of another origin may
 *     GET /tally/pixel.gif    ?url=&referrer=&name=; without url the Referer is it
 *     GET /tally/tally.js     the script
 *
 *     204  all were taken            400  {"accepted":2,"rejected":[{"index":1,"reason":"url is missing"}]}, or {"error":"..."} where it is no JSON
 *     401  a wrong token             403  another origin           405, 413, 415
 *
 * What an event does not say is the request's: address, user agent, headers, time. Who sends the token (Authorization: Bearer) may say these too. What
 * is not logged of requests (localhost, files, excluded paths, Do-Not-Track) is not logged here either, and counts as taken.
 *
 * Is not:  a connection: it is given whole requests, and gives whole answers.
 * Runs on: any thread; nothing is kept. */
#ifndef TL_COLLECT_H
#define TL_COLLECT_H

#include "speed_layer/capture.h"
#include "speed_layer/request_event.h"

struct tl_collect_options {
    const char *path; /* "/tally" */
    struct tl_option_list
        origins; /* "https://www.example.com", or "*": pages of these may send events, beside those of the request's own host */
    const char *token_file; /* its first line; NULL: TALLY_COLLECT_TOKEN, and where that is not set nobody is trusted */
    int64_t body_bytes_max, events_max;
};
#define TL_COLLECT_OPTIONS_DEFAULT                                                                                               \
    {                                                                                                                            \
        .path = "/tally", .body_bytes_max = 256 << 10, .events_max = 1000                                                        \
    }

struct tl_collect;
TL_MUST_USE enum tl_code tl_collect_open(const struct tl_collect_options *options, struct tl_collect **out, struct tl_err *err);
void tl_collect_close(struct tl_collect *collect);
/* A longer body need not be read: it may be handed over cut, and is answered by 413. */
size_t tl_collect_body_max(const struct tl_collect *collect);

/* Is it for the collector? Other paths below its own are the site's. */
bool tl_collect_is_mine(const struct tl_collect *collect, struct tl_sv target);

/* Called for each event while the answer is made, in order; takes copies. */
struct tl_collect_sink {
    void (*put)(void *ctx, const struct tl_capture_event *event);
    void *ctx;
};

struct tl_collect_answer {
    int status;
    size_t taken_count;  /* events that the sink was given */
    struct tl_buf lines; /* of the head, each with CR LF; without Content-Length and Connection */
    struct tl_buf body;  /* of HEAD too: what is not sent then is stated */
};

void tl_collect_answer_init(struct tl_collect_answer *answer);
void tl_collect_answer_done(struct tl_collect_answer *answer);

/* `request` is as it is logged of others, its target the whole one. Never fails: without memory it is a 503. Where an event is to be captured before it is
 * answered (broker, durable), the caller waits for what the sink was given; what was not taken is a 503. */
void tl_collect_answer(const struct tl_collect *collect, const struct tl_event_rules *rules, struct tl_event_maker *maker,
                       const struct tl_request *request, struct tl_sv body, const struct tl_collect_sink *sink,
                       struct tl_collect_answer *answer);

#endif
