/* intercept_test.c: `tally intercept` between a client and a site, each byte of which the test decides: what is passed on, and how. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/intercept_run.h"

TestSuite(intercept, .timeout = 60);

/* ---- connections ---- */

static void get(struct wire *wire, const char *target)
{
    wire_say(wire, "GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n", target);
}

static void expect_line(struct wire *wire, const char *line)
{
    struct wire_body body = wire_answer(wire);

    cr_assert_eq(wire->status, 200, "%s: %s", line, wire->head);
    cr_assert(body.whole, "%s", line);
    cr_assert_str_eq(body.begins, line);
}

Test(intercept, both_sides_keep_their_connections)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire first, second;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&first, intercept.port);
    for (int i = 0; i < 3; i++) {
        get(&first, "/a");
        expect_line(&first, "GET /a");
        cr_assert_null(wire_header(&first, "Connection"));
    }
    wire_open(&second, intercept.port);
    get(&second, "/b");
    expect_line(&second, "GET /b");
    cr_assert_eq(site_connections(site), 1);
    cr_assert_eq(site_requests(site), 4);
    wire_close(&first);
    wire_close(&second);
    intercept_stop(&intercept);
    site_close(site);
}

/* Requests one behind the other, with bodies in between, in one piece and byte by byte. */
Test(intercept, requests_that_do_not_wait_are_answered_in_order)
{
    static const char requests[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                                   "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                                   "\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n"
                                   "PUT /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                                   "GET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                                   "GET /never HTTP/1.1\r\nHost: a\r\n\r\n";
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;

    INTERCEPT(&intercept, site, NO_ARGS);
    for (size_t step = 1; step < sizeof requests; step = step == 1 ? 7 : step == 7 ? sizeof requests - 1 : sizeof requests) {
        struct wire wire;

        wire_open(&wire, intercept.port);
        for (size_t at = 0; at < sizeof requests - 1; at += step)
            wire_send(&wire, requests + at, sizeof requests - 1 - at < step ? sizeof requests - 1 - at : step);
        expect_line(&wire, "GET /1");
        expect_line(&wire, "POST /2");
        expect_line(&wire, "GET /3");
        expect_line(&wire, "PUT /4");
        expect_line(&wire, "GET /5");
        cr_assert_str_eq(wire_header(&wire, "Connection"), "close");
        cr_assert(wire_ended(&wire));
        wire_close(&wire);
    }
    cr_assert_eq(site_requests(site), 15);
    cr_assert_eq(site_saw(site, "/never"), 0);
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- bodies ---- */

/* The target says what comes: /SEED/BYTES/l or c (by length, in chunks) or e (until the end). */
static void noise(struct site_visit *visit)
{
    struct wire_body body = wire_body(&visit->wire, false);
    unsigned long long seed = 0, bytes = 0;
    char how = 'l';

    sscanf(visit->wire.head, "%*s /%llu/%llu/%c", &seed, &bytes, &how);
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nX-Whole: %d\r\nX-Bytes: %llu\r\nX-Hash: %llu\r\n", body.whole,
             (unsigned long long)body.bytes, (unsigned long long)body.hash);
    if (how == 'l')
        wire_say(&visit->wire, "Content-Length: %llu\r\n\r\n", bytes);
    else
        wire_say(&visit->wire, how == 'c' ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    wire_noise(&visit->wire, seed, bytes, how == 'c');
    if (how == 'e')
        site_hang_up(visit);
}

static void exchange_noise(struct wire *wire, uint64_t seed, uint64_t up, bool up_chunked, uint64_t down, char down_how)
{
    struct wire_body body;
    char want[32];

    wire_say(wire, "POST /%llu/%llu/%c HTTP/1.1\r\nHost: a\r\n", (unsigned long long)seed, (unsigned long long)down, down_how);
    if (up_chunked)
        wire_say(wire, "Transfer-Encoding: chunked\r\n\r\n");
    else
        wire_say(wire, "Content-Length: %llu\r\n\r\n", (unsigned long long)up);
    cr_assert(wire_noise(wire, seed + 1, up, up_chunked));
    body = wire_answer(wire);
    cr_assert_eq(wire->status, 200, "%s", wire->head);
    snprintf(want, sizeof want, "%llu", (unsigned long long)wire_noise_hash(seed + 1, up));
    cr_assert_str_eq(wire_header(wire, "X-Hash"), want, "up %llu %d", (unsigned long long)up, up_chunked);
    cr_assert_str_eq(wire_header(wire, "X-Whole"), "1");
    cr_assert(body.whole);
    cr_assert_eq(body.bytes, down);
    cr_assert_eq(body.hash, wire_noise_hash(seed, down), "down %llu %c", (unsigned long long)down, down_how);
}

Test(intercept, bodies_are_the_same_in_both_directions)
{
    static const uint64_t sizes[] = {0, 1, 65535, 65536, 65537, 700001, 5000000};
    static const char hows[] = "lce";
    struct site *site = site_open(noise, NULL);
    struct intercept intercept;
    struct wire wire;
    uint64_t seed = 1;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t h = 0; h < 3; h++, seed++)
            exchange_noise(&wire, seed, sizes[s], seed % 2 == 0, sizes[(s * 3 + h) % 7], hows[h]);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- answers without a body ---- */

static void bodiless(struct site_visit *visit)
{
    const char *head = visit->wire.head;

    if (strncmp(head, "HEAD", 4) == 0)
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
                 strstr(head, "/chunked") != NULL ? "Transfer-Encoding: chunked" : "Content-Length: 12345");
    else if (strstr(head, "/204") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n");
    else if (strstr(head, "/304") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n");
    else
        site_echo_line(visit);
}

Test(intercept, answers_without_a_body)
{
    struct site *site = site_open(bodiless, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_str_eq(wire_header(&wire, "Content-Length"), "12345");
    wire_say(&wire, "HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 200);
    get(&wire, "/204");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 204);
    cr_assert_null(wire_header(&wire, "Content-Length"));
    get(&wire, "/304");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 304);
    cr_assert_str_eq(wire_header(&wire, "Content-Length"), "77");
    get(&wire, "/after");
    expect_line(&wire, "GET /after");
    cr_assert_eq(site_connections(site), 1);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- answers before the answer ---- */

static void interim(struct site_visit *visit)
{
    if (strstr(visit->wire.head, "/hints") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    if (strstr(visit->wire.head, "Expect: 100-continue") != NULL || strstr(visit->wire.head, "/unasked") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 100 Continue\r\n\r\n");
    site_echo_line(visit);
}

Test(intercept, interim_answers)
{
    struct site *site = site_open(interim, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 100, "%s", wire.head);
    wire_say(&wire, "hello");
    expect_line(&wire, "POST /a");
    get(&wire, "/unasked");
    expect_line(&wire, "GET /unasked");
    get(&wire, "/hints");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 103);
    cr_assert_str_eq(wire_header(&wire, "Link"), "</a.css>");
    expect_line(&wire, "GET /hints");
    wire_say(&wire, "GET /hints HTTP/1.0\r\n\r\n");
    expect_line(&wire, "GET /hints");
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* It has seen enough, and does not read the rest. */
static void refuse_early(struct site_visit *visit)
{
    char some[1000];

    wire_read_all(&visit->wire, some, sizeof some);
    wire_say(&visit->wire, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    site_hang_up(visit);
}

static void *upload(void *arg)
{
    (void)wire_noise(arg, 1, 30000000, false);
    return NULL;
}

Test(intercept, a_refusal_reaches_a_client_that_still_sends)
{
    struct site *site = site_open(refuse_early, NULL);
    struct intercept intercept;

    INTERCEPT(&intercept, site, NO_ARGS);
    for (int i = 0; i < 30; i++) {
        struct wire_body body;
        struct wire wire;
        pthread_t sender;

        wire_open(&wire, intercept.port);
        wire_say(&wire, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n");
        cr_assert_eq(pthread_create(&sender, NULL, upload, &wire), 0);
        body = wire_answer(&wire);
        cr_assert_eq(wire.status, 413, "%d: %s", i, wire.head);
        cr_assert_str_eq(body.begins, "big");
        cr_assert_str_eq(wire_header(&wire, "Connection"), "close");
        pthread_join(sender, NULL);
        wire_close(&wire);
    }
    cr_assert_eq(site_requests(site), 30);
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- versions and ends ---- */

Test(intercept, clients_of_http_1_0)
{
    struct site *site = site_open(noise, NULL);
    struct intercept intercept;
    struct wire_body body;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "GET /1/10/l HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    body = wire_answer(&wire);
    cr_assert(body.whole && body.bytes == 10);
    cr_assert_str_eq(wire_header(&wire, "Connection"), "keep-alive");
    wire_say(&wire, "GET /2/100000/c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    body = wire_answer(&wire);
    cr_assert(body.whole && body.bytes == 100000 && body.hash == wire_noise_hash(2, 100000));
    cr_assert_null(wire_header(&wire, "Transfer-Encoding"));
    cr_assert_str_eq(wire_header(&wire, "Connection"), "close");
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "GET /3/100000/e HTTP/1.0\r\n\r\n");
    body = wire_answer(&wire);
    cr_assert(body.whole && body.bytes == 100000 && body.hash == wire_noise_hash(3, 100000));
    wire_close(&wire);
    cr_assert_eq(site_saw(site, "Host: 127.0.0.1:"), 3);
    intercept_stop(&intercept);
    site_close(site);
}

/* Half of what was promised, and then the end, or a cut. */
static void break_off(struct site_visit *visit)
{
    bool cut = strstr(visit->wire.head, "/cut") != NULL;

    if (strstr(visit->wire.head, "/length") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    else if (strstr(visit->wire.head, "/chunks") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    else
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\n\r\nhalf");
    tl_clock_sleep_ms(30);
    if (cut)
        site_cut(visit);
    else
        site_hang_up(visit);
}

Test(intercept, an_answer_that_was_cut_is_never_whole)
{
    static const char *const targets[] = {"/length/end", "/length/cut", "/chunks/end", "/chunks/cut", "/until/cut"};
    struct site *site = site_open(break_off, NULL);
    struct intercept intercept;

    INTERCEPT(&intercept, site, NO_ARGS);
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
        for (int minor = 0; minor < 2; minor++) {
            struct wire wire;

            wire_open(&wire, intercept.port);
            wire_say(&wire, "GET %s HTTP/1.%d\r\nHost: a\r\n\r\n", targets[t], minor);
            cr_assert(wire_head(&wire), "%s 1.%d", targets[t], minor);
            cr_assert_not(wire_body(&wire, false).whole, "%s 1.%d", targets[t], minor);
            cr_assert(wire_ended(&wire));
            wire_close(&wire);
        }
    intercept_stop(&intercept);
    site_close(site);
}

/* A client that says it will send no more may still wait for all of its answer, wherever that is just then. */
static void slow_answer(struct site_visit *visit)
{
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 500003\r\n\r\nab");
    tl_clock_sleep_ms(100);
    wire_noise(&visit->wire, 1, 500000, false);
    wire_say(&visit->wire, "z");
}

Test(intercept, a_client_that_has_ended_its_side_gets_all_of_its_answer)
{
    struct site *site = site_open(slow_answer, NULL);
    struct intercept intercept;

    INTERCEPT(&intercept, site, NO_ARGS);
    for (int late = 0; late < 2; late++) {
        struct wire wire;

        wire_open(&wire, intercept.port);
        get(&wire, "/a");
        if (late)
            cr_assert(wire_head(&wire));
        wire_half_close(&wire);
        if (!late)
            cr_assert(wire_head(&wire));
        cr_assert(wire_body(&wire, false).whole, "%d", late);
        cr_assert(wire_ended(&wire));
        wire_close(&wire);
    }
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- events, WebSockets ---- */

static sem_t events_read;

static void send_events(struct site_visit *visit)
{
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        wire_say(&visit->wire, "data: %d\n\n", i);
        sem_wait(&events_read); /* the next one comes when this one has been read */
    }
    cr_assert(wire_ended(&visit->wire)); /* the client has gone, and the site hears of it */
    site_hang_up(visit);
    sem_post(&events_read);
}

Test(intercept, events_arrive_one_by_one)
{
    struct site *site;
    struct intercept intercept;
    struct wire wire;

    sem_init(&events_read, 0, 0);
    site = site_open(send_events, NULL);
    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    get(&wire, "/events");
    cr_assert(wire_head(&wire));
    cr_assert_str_eq(wire_header(&wire, "Content-Type"), "text/event-stream");
    for (int i = 0; i < 5; i++) {
        char event[16] = {0}, want[16];

        snprintf(want, sizeof want, "9\r\ndata: %d\n\n\r\n", i);
        cr_assert(wire_read_all(&wire, event, strlen(want)));
        cr_assert_str_eq(event, want);
        sem_post(&events_read);
    }
    wire_close(&wire);
    cr_assert(site_waits_for_open(site, 0, 5000));
    intercept_stop(&intercept);
    site_close(site);
}

/* Echoes, from the bytes on that came with the handshake. */
static void web_socket(struct site_visit *visit)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nwelcome";
    char bytes[30000];
    size_t size;

    if (strstr(visit->wire.head, "Upgrade: websocket\r\n") == NULL) {
        site_echo_line(visit);
        return;
    }
    wire_send(&visit->wire, answer, sizeof answer - 1);
    while ((size = wire_read(&visit->wire, bytes, sizeof bytes)) > 0)
        wire_send(&visit->wire, bytes, size);
    wire_say(&visit->wire, "bye");
    site_hang_up(visit);
}

static void *talk(void *arg)
{
    wire_noise(arg, 7, 3000000, false);
    wire_half_close(arg);
    return NULL;
}

Test(intercept, a_web_socket_passes_as_it_is)
{
    struct site *site = site_open(web_socket, NULL);
    struct intercept intercept;
    char early[12] = {0}, bye[3];
    struct wire_body body;
    struct wire wire;
    pthread_t talker;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nearly");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 101);
    cr_assert_str_eq(wire_header(&wire, "Upgrade"), "websocket");
    cr_assert_str_eq(wire_header(&wire, "Connection"), "Upgrade");
    cr_assert_str_eq(wire_header(&wire, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    cr_assert_eq(wire_headers_count(&wire, "Upgrade"), 1);
    cr_assert(wire_read_all(&wire, early, 12));
    cr_assert_eq(memcmp(early, "welcomeearly", 12), 0);
    cr_assert_eq(pthread_create(&talker, NULL, talk, &wire), 0);
    wire.status = 200; /* what is echoed, as a body */
    snprintf(wire.head, sizeof wire.head, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
    body = wire_body(&wire, false);
    cr_assert(body.whole && body.hash == wire_noise_hash(7, 3000000));
    pthread_join(talker, NULL);
    cr_assert(wire_read_all(&wire, bye, 3)); /* what comes when the client has said all that it will */
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    cr_assert_eq(site_saw(site, "Upgrade: websocket\r\n"), 1);
    cr_assert_eq(site_saw(site, "Connection: Upgrade\r\n"), 1);
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- heads ---- */

Test(intercept, headers_of_one_connection_stay_there)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    wire_say(&wire,
             "GET /a HTTP/1.1\r\nHost: www.example.com:8080\r\nConnection: Upgrade, HTTP2-Settings, X-Keep, X-Forwarded-For\r\n"
             "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
             "TE: trailers\r\nTrailer: X\r\nProxy: http://evil\r\nX-Keep: 1\r\nAccept: */*\r\n\r\n");
    expect_line(&wire, "GET /a");
    cr_assert_eq(site_saw(site, "Host: www.example.com:8080\r\n"), 1);
    cr_assert_eq(site_saw(site, "X-Keep: 1\r\n"), 1);
    cr_assert_eq(site_saw(site, "Accept: */*\r\n"), 1);
    for (size_t n = 0; n < 7; n++)
        cr_assert_eq(site_saw(site, ARGS("Upgrade:", "h2c", "Keep-Alive", "Proxy-Connection", "TE:", "Trailer", "\r\nProxy:")[n]),
                     0);
    cr_assert_eq(site_saw(site, "X-Forwarded-For: 127.0.0.1\r\n"), 1);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

static const char spoofed[] =
    "GET /a HTTP/1.1\r\nHost: www.example.com\r\nX-Forwarded-For: 203.0.113.9\r\nX_Forwarded_For: 203.0.113.8\r\n"
    "X-Forwarded-Proto: https\r\nX-Forwarded-Host: other.example.com\r\nForwarded: for=203.0.113.7\r\n\r\n";

Test(intercept, who_the_client_is)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "%s", spoofed);
    expect_line(&wire, "GET /a");
    wire_close(&wire);
    cr_assert_eq(site_saw(site, "203.0.113."), 0);
    cr_assert_eq(site_saw(site, "X-Forwarded-For: 127.0.0.1\r\n"), 1);
    cr_assert_eq(site_saw(site, "X-Forwarded-Proto: http\r\n"), 1);
    cr_assert_eq(site_saw(site, "X-Forwarded-Host: www.example.com\r\n"), 1);
    intercept_stop(&intercept);

    INTERCEPT(&intercept, site, ARGS("--trust-proxy", "loopback"));
    wire_open(&wire, intercept.port);
    wire_say(&wire, "%s", spoofed);
    expect_line(&wire, "GET /a");
    wire_close(&wire);
    cr_assert_eq(site_saw(site, "X-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n"), 1);
    cr_assert_eq(site_saw(site, "203.0.113.8"), 0);
    cr_assert_eq(site_saw(site, "X-Forwarded-Host: other.example.com\r\n"), 1);
    intercept_stop(&intercept);
    site_close(site);
}

static void send_in_pieces(struct wire *wire, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size; at++) {
        wire_send(wire, bytes + at, 1);
        if (at % 8 == 0)
            tl_clock_sleep_ms(1);
    }
}

/* What a load balancer puts before the connection's bytes, whole and in pieces, before plain HTTP and before TLS. */
Test(intercept, proxy_headers)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *client;
    } headers[] = {
        {"PROXY TCP4 203.0.113.1 192.0.2.1 4711 80\r\n",                                     42, "203.0.113.1"},
        {"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\x00\x71\x02\xc0\x00\x02\x01\x12\x67\0\x50", 28, "203.0.113.2"},
        {"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",                                                   16, "127.0.0.1"  }, /* LOCAL: the balancer's own check */
    };
    struct site *site = site_open(site_echo_line, NULL);
    char dir[RUN_DIR_BYTES], certificate[RUN_DIR_BYTES + 16], key[RUN_DIR_BYTES + 16];
    struct intercept intercept;

    run_folder_make(dir);
    wire_certificate(dir, "a", "localhost");
    snprintf(certificate, sizeof certificate, "%s/a.pem", dir);
    snprintf(key, sizeof key, "%s/a.key", dir);
    for (int tls = 0; tls < 2; tls++) {
        INTERCEPT(&intercept, site,
                  tls ? ARGS("--trust-proxy", "127.0.0.1", "--proxy-protocol", "--tls-certificate", certificate, "--tls-key", key)
                      : ARGS("--trust-proxy", "127.0.0.1", "--proxy-protocol"));
        for (size_t h = 0; h < sizeof headers / sizeof *headers; h++)
            for (int pieces = 0; pieces < 2; pieces++) {
                char want[64];
                unsigned before;
                struct wire wire;

                snprintf(want, sizeof want, "X-Forwarded-For: %s", headers[h].client);
                before = site_saw(site, want);
                wire_open(&wire, intercept.port);
                if (pieces)
                    send_in_pieces(&wire, headers[h].bytes, headers[h].size);
                else
                    wire_send(&wire, headers[h].bytes, headers[h].size);
                if (tls)
                    cr_assert(wire_shake(&wire, certificate, "localhost"));
                get(&wire, "/a");
                expect_line(&wire, "GET /a");
                wire_close(&wire);
                cr_assert_eq(site_saw(site, want), before + 1, "%s %d %d", want, tls, pieces);
            }
        intercept_stop(&intercept);
    }
    run_folder_remove(dir);
    site_close(site);
}

/* ---- sites ---- */

static void say_name(struct site_visit *visit)
{
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%s", (const char *)visit->ctx);
}

Test(intercept, several_sites_by_their_host)
{
    static const struct {
        const char *host, *site;
    } cases[] = {
        {"shop.example.com",      "a"},
        {"SHOP.example.com:8080", "a"},
        {"shop.example.com.",     "a"},
        {"x.example.com",         "b"},
        {"y.x.example.com",       "b"},
        {"example.com",           "" },
        {"other.org",             "" },
        {"[::1]:80",              "" },
    };
    static char a_name[] = "a", b_name[] = "b";
    struct site *a = site_open(say_name, a_name), *b = site_open(say_name, b_name);
    char first[64], second[64];
    struct intercept intercept;

    snprintf(first, sizeof first, "shop.example.com=%s", intercept_url("http", site_port(a)));
    snprintf(second, sizeof second, "*.example.com=%s", intercept_url("http", site_port(b)));
    INTERCEPT(&intercept, NULL, ARGS("--upstream", first, "--upstream", second));
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct wire_body body;
        struct wire wire;

        wire_open(&wire, intercept.port);
        wire_say(&wire, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[c].host);
        body = wire_answer(&wire);
        cr_assert_eq(wire.status, cases[c].site[0] != '\0' ? 200 : 421, "%s: %s", cases[c].host, wire.head);
        if (cases[c].site[0] != '\0')
            cr_assert_str_eq(body.begins, cases[c].site);
        wire_close(&wire);
    }
    intercept_stop(&intercept);
    site_close(a);
    site_close(b);
}

/* Of a name's addresses the next is tried where the first takes no connection: localhost may be ::1 first, where nobody listens. */
static void *get_many(void *arg)
{
    const struct intercept *intercept = arg;

    for (int i = 0; i < 50; i++)
        cr_assert_eq(intercept_get(intercept, "/a", NULL), 200);
    return NULL;
}

static void say_and_close(struct site_visit *visit)
{
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na");
    site_hang_up(visit);
}

Test(intercept, a_name_with_several_addresses)
{
    struct site *site = site_open(say_and_close, NULL);
    struct intercept intercept;
    pthread_t others[4];
    char url[64];

    snprintf(url, sizeof url, "http://localhost:%u", (unsigned)site_port(site));
    INTERCEPT(&intercept, NULL, ARGS("--upstream", url));
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&others[i], NULL, get_many, &intercept), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(others[i], NULL);
    cr_assert_eq(site_requests(site), 200);
    intercept_stop(&intercept);
    site_close(site);
}

/* The second request on a connection finds it closed, as when a site's patience ends just then. */
static void answer_once(struct site_visit *visit)
{
    if (visit->request == 0 && strstr(visit->wire.head, "/large") != NULL) {
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
        wire_noise(&visit->wire, 4, 20000000, false);
        return;
    }
    if (visit->request == 0) {
        site_echo_line(visit);
        return;
    }
    if (visit->connection % 2 == 0)
        site_cut(visit);
    else
        site_hang_up(visit);
}

Test(intercept, a_site_that_closes_just_then)
{
    struct site *site = site_open(answer_once, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    for (int i = 0; i < 10; i++) {
        get(&wire, "/page");
        expect_line(&wire, "GET /page");
    }
    for (int i = 0; i < 2; i++) { /* repeated, and slowly taken */
        struct wire_body body;

        get(&wire, "/large");
        cr_assert(wire_head(&wire));
        tl_clock_sleep_ms(100);
        body = wire_body(&wire, false);
        cr_assert(body.whole && body.hash == wire_noise_hash(4, 20000000));
    }
    /* An update is never sent twice: it fails, and says so. */
    for (int i = 0; i < 4; i++) {
        unsigned before = site_saw(site, "POST /update");
        struct wire_body body;

        get(&wire, "/page");
        expect_line(&wire, "GET /page");
        wire_say(&wire, "POST /update HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        body = wire_answer(&wire);
        cr_assert(body.whole);
        cr_assert_eq(wire.status, 502, "%d: %s", i, wire.head);
        cr_assert_eq(site_saw(site, "POST /update"), before + 1);
    }
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

struct stray {
    atomic_int wanted, sent;
};

static void answer_with_stray_bytes(struct site_visit *visit)
{
    struct stray *stray = visit->ctx;

    site_echo_line(visit);
    if (visit->connection > 0)
        return;
    while (!atomic_load(&stray->wanted))
        tl_clock_sleep_ms(1);
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray");
    atomic_store(&stray->sent, 1);
}

/* Both lie there when the loop looks: the request first, and then what nobody has asked for. */
Test(intercept, bytes_behind_an_answer_are_nobodys)
{
    struct stray stray = {0};
    struct site *site = site_open(answer_with_stray_bytes, &stray);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    get(&wire, "/first");
    expect_line(&wire, "GET /first");
    run_signal(&intercept.run, SIGSTOP);
    cr_assert_eq(waitid(P_PID, (id_t)intercept.run.pid, &(siginfo_t){0}, WSTOPPED), 0);
    get(&wire, "/second");
    atomic_store(&stray.wanted, 1);
    while (!atomic_load(&stray.sent))
        tl_clock_sleep_ms(1);
    run_signal(&intercept.run, SIGCONT);
    expect_line(&wire, "GET /second");
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

Test(intercept, a_site_that_is_down_and_comes_back)
{
    struct site *site = site_open(site_echo_line, NULL);
    uint16_t port = site_port(site);
    struct intercept intercept;
    struct wire_body body;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    get(&wire, "/a");
    expect_line(&wire, "GET /a");
    site_close(site);
    for (int i = 0; i < 2; i++) {
        get(&wire, "/a");
        body = wire_answer(&wire);
        cr_assert_eq(wire.status, 502);
        cr_assert_not_null(strstr(body.begins, "The site cannot be reached."), "%s", body.begins);
    }
    cr_assert(run_says(&intercept.run, "Connection refused", 1000));
    site = site_open_at(site_echo_line, NULL, port);
    get(&wire, "/a");
    expect_line(&wire, "GET /a");
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- much ---- */

static void echo_id(struct site_visit *visit)
{
    struct wire_body body = wire_body(&visit->wire, false);
    unsigned long id = strtoul(visit->wire.head + strcspn(visit->wire.head, "/") + 1, NULL, 10);

    if (!body.whole)
        return;
    if (id % 37 == 5) {
        site_cut(visit); /* before the answer */
        return;
    }
    if (id % 3 == 0)
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Id: %lu\r\n\r\n", 3000, id);
    else
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Id: %lu\r\n\r\n", id);
    if (id % 41 == 7) {
        wire_say(&visit->wire, "%s", id % 3 == 0 ? "half" : "4\r\nhalf\r\n");
        site_cut(visit); /* within it */
        return;
    }
    wire_noise(&visit->wire, id, 3000, id % 3 != 0);
}

#ifdef TL_SANITIZED
enum { IDS = 200 };
#else
enum { IDS = 700 };
#endif

struct talkers {
    const struct intercept *intercept;
    unsigned long first;
    unsigned whole, failed;
};

static void *ask_with_ids(void *arg)
{
    struct talkers *mine = arg;
    struct wire wire = {.fd = -1};

    for (unsigned long id = mine->first; id < mine->first + IDS; id++) {
        struct wire_body body;
        const char *said;

        if (wire.fd < 0)
            wire_open(&wire, mine->intercept->port);
        if (id % 5 == 0)
            wire_say(&wire, "POST /%lu HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", id);
        else
            wire_say(&wire, "GET /%lu HTTP/1.1\r\nHost: a\r\n\r\n", id);
        if (id % 53 == 11) { /* goes before the answer */
            wire_cut(&wire);
            continue;
        }
        body = wire_answer(&wire);
        said = wire_header(&wire, "X-Id");
        if (said != NULL)
            cr_assert_eq(strtoul(said, NULL, 10), id);
        if (wire.status == 200 && body.whole) {
            cr_assert_eq(body.hash, wire_noise_hash(id, 3000));
            mine->whole++;
            continue;
        }
        mine->failed++;
        cr_assert(wire.status == 502 || (wire.status == 200 && id % 41 == 7), "%lu: %s", id, wire.head);
        if (wire.status != 502) {
            cr_assert(wire_ended(&wire));
            wire_close(&wire);
        }
    }
    wire_close(&wire);
    return NULL;
}

/* Whatever is cut where: nobody gets another's answer. */
Test(intercept, no_answer_goes_to_somebody_else)
{
    enum { TALKERS = 12 };
    struct site *site = site_open(echo_id, NULL);
    struct talkers talkers[TALKERS];
    pthread_t threads[TALKERS];
    struct intercept intercept;
    unsigned whole = 0;

    INTERCEPT(&intercept, site, ARGS("--threads", "2"));
    for (size_t t = 0; t < TALKERS; t++) {
        talkers[t] = (struct talkers){.intercept = &intercept, .first = (unsigned long)t * 1000 + 1};
        cr_assert_eq(pthread_create(&threads[t], NULL, ask_with_ids, &talkers[t]), 0);
    }
    for (size_t t = 0; t < TALKERS; t++) {
        pthread_join(threads[t], NULL);
        whole += talkers[t].whole;
    }
    cr_assert_gt(whole, TALKERS * IDS * 6 / 7);
    intercept_stop(&intercept);
    site_close(site);
}

enum { MUCH = 200000000, FEW_BYTES = 6 << 20 };

/* Whoever takes slowly slows down who sends; nothing piles up in between. */
Test(intercept, a_large_download_takes_no_memory)
{
    struct site *site = site_open(noise, NULL);
    struct intercept intercept;
    struct wire_body body;
    struct wire wire;
    size_t before;

    INTERCEPT(&intercept, site, NO_ARGS);
    cr_assert_eq(intercept_get(&intercept, "/1/100000/c", NULL), 200);
    before = intercept_peak(&intercept);
    wire_open(&wire, intercept.port);
    get(&wire, "/9/200000000/l");
    cr_assert(wire_head(&wire));
    tl_clock_sleep_ms(200);
    body = wire_body(&wire, false);
    cr_assert(body.whole && body.bytes == MUCH);
    cr_assert_eq(body.hash, wire_noise_hash(9, MUCH));
    cr_assert_lt(intercept_peak(&intercept), before + FEW_BYTES);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

static void read_late(struct site_visit *visit)
{
    tl_clock_sleep_ms(200);
    noise(visit);
}

Test(intercept, a_large_upload_takes_no_memory)
{
    struct site *site = site_open(read_late, NULL);
    struct intercept intercept;
    struct wire wire;
    size_t before;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    exchange_noise(&wire, 1, 100000, true, 10, 'l');
    before = intercept_peak(&intercept);
    exchange_noise(&wire, 2, MUCH, true, 10, 'l');
    cr_assert_lt(intercept_peak(&intercept), before + FEW_BYTES);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}
