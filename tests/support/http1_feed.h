/* http1_feed.h: what a connection makes of its bytes, as text: each message, or why it was refused. */
#ifndef HTTP1_FEED_H
#define HTTP1_FEED_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/http1.h"

struct http1_feed {
    struct tl_http1 *http;
    enum tl_http1_kind kind;
    bool answers_head; /* responses: all are to HEAD */
    bool plain;        /* heads without what was made of them, and without the header that llhttp_fixtures.py puts in */
    bool in_body, ended;
    size_t pos; /* up to here the bytes are used */
    size_t messages;
    struct tl_buf *out;
};

static inline bool http1_feed_within(struct tl_sv part, struct tl_sv all)
{
    return part.size == 0 || (part.data >= all.data && part.data + part.size <= all.data + all.size);
}

/* Nothing in it would end a line for anybody. */
static inline bool http1_feed_is_line(struct tl_sv text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '\0' || text.data[i] == '\r' || text.data[i] == '\n')
            return false;
    return true;
}

static inline void http1_feed_headers(struct http1_feed *feed, const struct tl_http1_head *head, struct tl_sv bytes)
{
    for (size_t i = 0; i < head->headers_count; i++) {
        struct tl_http1_header header = head->headers[i];

        if (!http1_feed_within(header.name, bytes) || !http1_feed_within(header.value, bytes) || header.name.size == 0 ||
            !http1_feed_is_line(header.name) || !http1_feed_is_line(header.value))
            abort();
        if (feed->plain && tl_sv_eq(header.value, TL_SV("inserted.test")))
            continue;
        tl_buf_put_str(feed->out, "|");
        tl_buf_put_sv(feed->out, header.name);
        tl_buf_put_str(feed->out, ":");
        tl_buf_put_sv(feed->out, header.value);
    }
    tl_buf_put_str(feed->out, "\n[");
}

/* "GET /a host=x 1.1 none|Host:x\n[", plain "GET /a|Host:x\n[" */
static inline void http1_feed_head(struct http1_feed *feed, const struct tl_http1_head *head, struct tl_sv bytes)
{
    static const char *const framings[] = {"none", "length", "chunked", "close"};
    struct tl_buf *out = feed->out;

    if (feed->kind == TL_HTTP1_REQUEST)
        tl_buf_printf(out, "%.*s %.*s", TL_SV_ARG(head->method), TL_SV_ARG(head->target));
    else
        tl_buf_printf(out, "%d %.*s", head->status, TL_SV_ARG(head->reason));
    if (!feed->plain) {
        if (feed->kind == TL_HTTP1_REQUEST)
            tl_buf_printf(out, " host=%.*s", TL_SV_ARG(head->host));
        tl_buf_printf(out, " 1.%u %s", head->minor, framings[head->framing]);
        if (head->content_length != UINT64_MAX)
            tl_buf_printf(out, " length=%llu", (unsigned long long)head->content_length);
        tl_buf_printf(out, "%s%s%s", head->keep_alive ? "" : " last", head->expect_continue ? " expect" : "",
                      head->upgrade_websocket ? " websocket" : "");
    }
    http1_feed_headers(feed, head, bytes);
}

static inline enum tl_http1_result http1_feed_step_head(struct http1_feed *feed, struct tl_sv bytes, size_t *used)
{
    struct tl_http1_head head;
    enum tl_http1_result result;

    if (bytes.size == 0)
        return TL_HTTP1_MORE;
    tl_http1_answers_head(feed->http, feed->answers_head);
    result = tl_http1_head(feed->http, bytes, &head, used);
    if (result != TL_HTTP1_DONE)
        return result;
    http1_feed_head(feed, &head, bytes);
    feed->in_body = true;
    feed->messages++;
    return result;
}

static inline enum tl_http1_result http1_feed_step_body(struct http1_feed *feed, struct tl_sv bytes, size_t *used)
{
    struct tl_sv piece;
    enum tl_http1_result result = tl_http1_body(feed->http, bytes, &piece, used);

    if (!http1_feed_within(piece, bytes) || *used > bytes.size || piece.size > *used)
        abort();
    tl_buf_put_sv(feed->out, piece);
    if (result == TL_HTTP1_DONE) {
        tl_buf_put_str(feed->out, "]\n");
        tl_http1_next(feed->http);
        feed->in_body = false;
    }
    return result;
}

/* Takes one step with the bytes that have come and are not used; false: no more can be done with them. */
static inline bool http1_feed_step(struct http1_feed *feed, struct tl_sv bytes)
{
    size_t used = 0;
    bool body = feed->in_body;
    enum tl_http1_result result = (body ? http1_feed_step_body : http1_feed_step_head)(feed, bytes, &used);

    feed->pos += used;
    if (result == TL_HTTP1_BAD) {
        tl_buf_printf(feed->out, "%srefused: %d", body ? "] " : "", tl_http1_status(feed->http));
        /* Within a body the words may depend on how the bytes came. */
        if (!body)
            tl_buf_printf(feed->out, " %s", tl_http1_reason(feed->http));
        feed->ended = true;
        return false;
    }
    return result == TL_HTTP1_DONE || used > 0;
}

/* All bytes before `upto` have come; what is handed over lies at another address each time, with nothing behind it. */
static inline void http1_feed_upto(struct http1_feed *feed, struct tl_sv all, size_t upto)
{
    bool on = !feed->ended;

    while (on) {
        size_t size = upto - feed->pos;
        char *copy = malloc(size > 0 ? size : 1);

        if (copy == NULL)
            abort();
        if (size > 0)
            memcpy(copy, all.data + feed->pos, size);
        on = http1_feed_step(feed, (struct tl_sv){copy, size});
        free(copy);
    }
}

static inline void http1_feed_begin(struct http1_feed *feed)
{
    feed->in_body = feed->ended = false;
    feed->pos = feed->messages = 0;
    tl_buf_clear(feed->out);
    tl_http1_reset(feed->http);
}

/* The other side closes. */
static inline void http1_feed_end(struct http1_feed *feed)
{
    enum tl_http1_result result;

    if (feed->ended)
        return;
    result = tl_http1_eof(feed->http);
    if (feed->in_body)
        tl_buf_put_str(feed->out, result == TL_HTTP1_DONE ? "]\n" : "] unfinished");
    else
        tl_buf_put_str(feed->out, result == TL_HTTP1_DONE ? "" : "unfinished");
}

#endif
