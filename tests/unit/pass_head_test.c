/* pass_head_test.c: heads as they are passed on, byte for byte. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "speed_layer/pass_head.h"

static struct tl_http1 *http;

static struct tl_http1_head read_head(enum tl_http1_kind kind, const char *text, bool answers_head)
{
    struct tl_http1_head head;
    struct tl_err err;
    size_t used;

    tl_http1_close(http);
    cr_assert_eq(tl_http1_open(kind, 8192, &http, &err), TL_OK);
    tl_http1_answers_head(http, answers_head);
    cr_assert_eq(tl_http1_head(http, tl_sv_from(text), &head, &used), TL_HTTP1_DONE, "%s: %s", text, tl_http1_reason(http));
    return head;
}

static void expect_request(const char *text, const char *want)
{
    struct tl_http1_head head = read_head(TL_HTTP1_REQUEST, text, false);
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_pass_request(&out, &head, "site:3000", false);
    tl_buf_put_u8(&out, 0);
    cr_expect_str_eq(out.data, want, "%s\nis not\n%s", out.data, want);
    tl_buf_done(&out);
    tl_http1_close(http);
    http = NULL;
}

Test(pass_head, requests)
{
    expect_request("GET /a?b HTTP/1.1\r\nAccept:  x \r\nhost: a\r\n\r\n", "GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: x\r\n");
    expect_request("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: site:3000\r\n");
    expect_request("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 007\r\nExpect: 100-Continue\r\n\r\n",
                   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n");
    expect_request("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\nTrailer: x\r\n\r\n",
                   "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n");
    expect_request("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
                   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n");
    /* What belongs to the connection, and what says who is before it. */
    expect_request(
        "GET / HTTP/1.1\r\nHost: a\r\nCONNECTION: close, x\r\nX: 1\r\nkeep-alive: 5\r\nproxy-connection: x\r\nTE: trailers\r\n"
        "Upgrade: h2c\r\nProxy: http://b\r\nX-Forwarded-For: 1.2.3.4\r\nX_Forwarded_Host: b\r\nForwarded: for=1.2.3.4\r\n"
        "Proxy-Authorization: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nProxy-Authorization: y\r\n");
    expect_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo, WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
}

static void expect_answer(const char *text, struct tl_pass_answer how, const char *want)
{
    struct tl_http1_head head = read_head(TL_HTTP1_RESPONSE, text, how.head);
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_pass_answer(&out, &head, &how);
    tl_buf_put_u8(&out, 0);
    cr_expect_str_eq(out.data, want, "%s\nis not\n%s", out.data, want);
    tl_buf_done(&out);
    tl_http1_close(http);
    http = NULL;
}

Test(pass_head, answers)
{
    const struct tl_pass_answer keeps = {.keep_alive = true, .minor = 1}, ends = {.minor = 1}, old = {.minor = 0},
                                old_keeps = {.keep_alive = true, .minor = 0},
                                head = {.keep_alive = true, .minor = 1, .head = true};

    expect_answer("HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\nProxy: x\r\n\r\n",
                  keeps, "HTTP/1.1 200 Fine\r\nProxy: x\r\nContent-Length: 3\r\n\r\n");
    expect_answer("HTTP/1.0 404\r\nContent-Length: 0\r\n\r\n", ends,
                  "HTTP/1.1 404 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    expect_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n", keeps,
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", old, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    expect_answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", old_keeps,
                  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n");
    expect_answer("HTTP/1.1 200 OK\r\nX: until close\r\n\r\n", keeps,
                  "HTTP/1.1 200 OK\r\nX: until close\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect_answer("HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", head, "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n");
    expect_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head, "HTTP/1.1 200 OK\r\n\r\n");
    expect_answer("HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", keeps, "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
    expect_answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", keeps,
                  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
    expect_answer("HTTP/1.1 103 Early Hints\r\nLink: a\r\nConnection: x\r\n\r\n", keeps,
                  "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
    expect_answer(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s\r\n\r\n",
        (struct tl_pass_answer){.minor = 1, .websocket = true},
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

Test(pass_head, pages_of_our_own)
{
    struct tl_buf out;
    const char *body;
    size_t size;

    tl_buf_init(&out, 0);
    tl_pass_page(&out, 502, "The site cannot be reached.", &(struct tl_pass_answer){.keep_alive = true, .minor = 1});
    tl_buf_put_u8(&out, 0);
    cr_assert_eq(strncmp(out.data, "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html; charset=utf-8\r\n", 66), 0, "%s",
                 out.data);
    body = strstr(out.data, "\r\n\r\n") + 4;
    cr_assert_eq(sscanf(strstr(out.data, "Content-Length: "), "Content-Length: %zu", &size), 1);
    cr_expect_eq(strlen(body), size);
    cr_expect_not_null(strstr(body, "<h1>Bad Gateway</h1><p>The site cannot be reached.</p>"));
    cr_expect_null(strstr(out.data, "Connection:"));
    tl_buf_clear(&out);
    tl_pass_page(&out, 405, "No.", &(struct tl_pass_answer){.minor = 1, .head = true});
    tl_buf_put_u8(&out, 0);
    cr_expect_not_null(strstr(out.data, "Allow: "));
    cr_expect_not_null(strstr(out.data, "Connection: close\r\n\r\n"));
    cr_expect_str_eq(strstr(out.data, "\r\n\r\n"), "\r\n\r\n");
    tl_buf_done(&out);
    cr_expect_str_eq(tl_pass_status_text(418), "Error");
}
