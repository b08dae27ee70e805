/* intercept_limits_test.c: what `tally intercept` does not wait for, and does not take: time-outs, limits, requests that are none. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/http_get.h"
#include "support/intercept_run.h"

TestSuite(intercept_limits, .timeout = 60);

static void get(struct wire *wire, const char *target)
{
    wire_say(wire, "GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n", target);
}

static void expect_status(struct wire *wire, int status, bool ended)
{
    struct wire_body body = wire_answer(wire);

    cr_assert_eq(wire->status, status, "%d: %s", status, wire->head);
    cr_assert(body.whole);
    if (!ended)
        return;
    cr_assert_str_eq(wire_header(wire, "Connection"), "close");
    cr_assert(wire_ended(wire));
    cr_assert_not(wire->reset);
}

/* ---- time-outs ---- */

Test(intercept_limits, clients_that_do_not_go_on)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, ARGS("--head-timeout", "200ms", "--body-timeout", "500ms", "--idle-timeout", "200ms"));
    wire_open(&wire, intercept.port); /* says nothing */
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "GET / HTTP/1.1\r\nHost: a\r\n");
    expect_status(&wire, 408, true);
    wire_close(&wire);
    cr_assert_eq(site_connections(site), 0);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    expect_status(&wire, 408, true);
    cr_assert(site_waits_for_open(site, 0, 5000));
    wire_close(&wire);
    wire_open(&wire, intercept.port); /* slowly, and yet it comes */
    wire_say(&wire, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    for (int i = 0; i < 6; i++) {
        wire_noise(&wire, 1, 10000, false);
        tl_clock_sleep_ms(90);
    }
    expect_status(&wire, 200, false);
    cr_assert(wire_ended(&wire)); /* idle */
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

static void hold(struct site_visit *visit)
{
    if (strstr(visit->wire.head, "/ws") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    else if (strstr(visit->wire.head, "/half") != NULL)
        wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    (void)wire_ended(&visit->wire);
    site_hang_up(visit);
}

Test(intercept_limits, sites_that_do_not_go_on)
{
    struct site *site = site_open(hold, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, ARGS("--answer-timeout", "200ms", "--quiet-timeout", "200ms"));
    wire_open(&wire, intercept.port);
    get(&wire, "/nothing");
    expect_status(&wire, 504, false); /* and the connection can go on */
    get(&wire, "/half");
    cr_assert(wire_head(&wire));
    cr_assert_not(wire_body(&wire, false).whole);
    wire_close(&wire);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 101);
    cr_assert(wire_ended(&wire));
    wire_close(&wire);
    cr_assert(site_waits_for_open(site, 0, 5000));
    cr_assert_eq(site_requests(site), 3);
    intercept_stop(&intercept);
    site_close(site);
}

/* A socket that listens and has no room any more: whoever comes gets no answer. */
static int full_socket(uint16_t *port, int fillers[4])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(fd, 0), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (const struct sockaddr *)&address, size);
    }
    *port = ntohs(address.sin_port);
    return fd;
}

Test(intercept_limits, a_site_that_takes_no_connection)
{
    struct intercept intercept;
    int fillers[4], fd;
    struct wire wire;
    uint16_t port;

    fd = full_socket(&port, fillers);
    INTERCEPT(&intercept, NULL, ARGS("--upstream", intercept_url("http", port), "--connect-timeout", "200ms"));
    wire_open(&wire, intercept.port);
    get(&wire, "/");
    expect_status(&wire, 504, false);
    wire_close(&wire);
    intercept_stop(&intercept);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(fd);
}

static void much(struct site_visit *visit)
{
    (void)wire_body(&visit->wire, false);
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n");
    if (!wire_noise(&visit->wire, 1, 30000000, false))
        site_hang_up(visit);
}

Test(intercept_limits, clients_that_take_slowly_or_not_at_all)
{
    struct site *site = site_open(much, NULL);
    struct intercept intercept;
    struct wire slow, stuck;
    struct wire_body body;
    char piece[50000];
    int few = 65536;

    INTERCEPT(&intercept, site, ARGS("--write-timeout", "1s"));
    wire_open(&slow, intercept.port);
    wire_open(&stuck, intercept.port);
    setsockopt(slow.fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    get(&slow, "/");
    get(&stuck, "/");
    cr_assert(wire_head(&slow));
    for (int i = 0; i < 40; i++) {
        cr_assert(wire_read_all(&slow, piece, sizeof piece));
        tl_clock_sleep_ms(50);
    }
    cr_assert(site_waits_for_open(site, 1, 5000)); /* the other one is gone */
    snprintf(slow.head, sizeof slow.head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 30000000 - 40 * 50000);
    cr_assert(wire_body(&slow, false).whole);
    cr_assert(wire_head(&stuck));
    body = wire_body(&stuck, false);
    cr_assert_not(body.whole);
    wire_close(&slow);
    wire_close(&stuck);
    intercept_stop(&intercept);
    site_close(site);
}

static sem_t wake;

static void read_at_last(struct site_visit *visit)
{
    sem_wait(&wake);
    site_echo_line(visit);
}

/* The site takes nothing of a body: the client is not blamed for that (408), and not held for ever. */
Test(intercept_limits, a_site_that_takes_nothing_of_a_body)
{
    struct intercept intercept;
    struct site *site;
    struct wire wire;
    char zeros[65536] = {0};

    sem_init(&wake, 0, 0);
    site = site_open(read_at_last, NULL);
    INTERCEPT(&intercept, site, ARGS("--write-timeout", "400ms", "--body-timeout", "150ms", "--answer-timeout", "10s"));
    wire_open(&wire, intercept.port);
    wire_say(&wire, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    cr_assert_eq(fcntl(wire.fd, F_SETFL, O_NONBLOCK), 0);
    for (struct pollfd waits = {.fd = wire.fd, .events = POLLIN | POLLOUT};
         poll(&waits, 1, 5000) > 0 && !(waits.revents & POLLIN);)
        while (send(wire.fd, zeros, sizeof zeros, MSG_NOSIGNAL) > 0) {}
    cr_assert_eq(fcntl(wire.fd, F_SETFL, 0), 0);
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 504, "%s", wire.head);
    sem_post(&wake);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* ---- limits ---- */

static void say_long(struct wire *wire, const char *before, size_t size, const char *after)
{
    char *text = malloc(size + 1);

    cr_assert_not_null(text);
    memset(text, 'a', size);
    text[size] = '\0';
    wire_say(wire, "%s%s%s", before, text, after);
    free(text);
}

Test(intercept_limits, what_is_too_large)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, ARGS("--max-head", "2000", "--max-body", "1000"));
    wire_open(&wire, intercept.port);
    say_long(&wire, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 3000, "\r\n\r\n");
    expect_status(&wire, 431, true);
    wire_close(&wire);
    wire_open(&wire, intercept.port);
    say_long(&wire, "GET /", 3000, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_status(&wire, 414, true);
    wire_close(&wire);
    wire_open(&wire, intercept.port);
    say_long(&wire, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 1001, "");
    expect_status(&wire, 413, true);
    wire_close(&wire);
    wire_open(&wire, intercept.port); /* asks first: it need not send */
    wire_say(&wire, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    expect_status(&wire, 413, true);
    wire_close(&wire);
    cr_assert_eq(site_requests(site), 0);
    wire_open(&wire, intercept.port);
    say_long(&wire, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 1001, "\r\n0\r\n\r\n");
    expect_status(&wire, 413, true);
    wire_close(&wire);
    wire_open(&wire, intercept.port);
    say_long(&wire, "POST /1000 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", 1000, "");
    expect_status(&wire, 200, false);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

static void wait_for_wake(struct site_visit *visit)
{
    if (strstr(visit->wire.head, "/wait") != NULL)
        sem_wait(&wake);
    site_echo_line(visit);
}

Test(intercept_limits, the_one_that_has_been_idle_for_longest_makes_room)
{
    struct wire first, second, third, fourth;
    struct intercept intercept;
    struct site *site;

    sem_init(&wake, 0, 0);
    site = site_open(wait_for_wake, NULL);
    INTERCEPT(&intercept, site, ARGS("--max-connections", "2"));
    wire_open(&first, intercept.port);
    get(&first, "/1");
    expect_status(&first, 200, false);
    wire_open(&second, intercept.port);
    get(&second, "/2");
    expect_status(&second, 200, false);
    wire_open(&third, intercept.port);
    get(&third, "/wait");
    cr_assert(wire_ended(&first));
    get(&second, "/wait");
    while (site_requests(site) < 4)
        tl_clock_sleep_ms(2);
    wire_open(&fourth, intercept.port); /* waits at the door: nobody is idle */
    get(&fourth, "/4");
    cr_assert(wire_is_quiet(&fourth, 200));
    sem_post(&wake);
    sem_post(&wake);
    expect_status(&fourth, 200, false);
    expect_status(&second, 200, false);
    expect_status(&third, 200, false);
    wire_close(&first);
    wire_close(&second);
    wire_close(&third);
    wire_close(&fourth);
    intercept_stop(&intercept);
    site_close(site);
}

/* As many as there is room for begin a request and do not go on: that keeps nobody out. */
Test(intercept_limits, who_takes_long_to_begin_makes_room)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire first, second, third;

    INTERCEPT(&intercept, site, ARGS("--max-connections", "2", "--head-timeout", "30s"));
    wire_open(&first, intercept.port);
    wire_open(&second, intercept.port);
    wire_say(&first, "GET / HTTP/1.1\r\nHost: "); /* the other one has said nothing, for longer */
    wire_open(&third, intercept.port);
    get(&third, "/");
    expect_status(&third, 200, false);
    cr_assert(wire_ended(&second));
    cr_assert(wire_is_quiet(&first, 0));
    wire_close(&first);
    wire_close(&second);
    wire_close(&third);
    intercept_stop(&intercept);
    site_close(site);
}

Test(intercept_limits, options_that_are_wrong)
{
    static const char *const cases[][3] = {
        {"--idle-timeout",    "0s",   "--idle-timeout: from 1ms to 7d would do"        },
        {"--pool-timeout",    "8d",   "--pool-timeout: from 1ms to 7d would do"        },
        {"--max-head",        "1000", "--max-head 1000: 1024 to 1048576 bytes would do"},
        {"--threads",         "0",    "--threads 0: 1 to 64 would do"                  },
        {"--max-connections", "0",    "--max-connections 0: 1 or more would do"        },
        {"--tls-key",         "x",    "--tls-certificate and --tls-key belong together"},
        {"--trust-proxy",     "x",    "'x' is no network"                              },
        {"--upstream",        "x",    "--upstream x: right would be http://HOST:PORT"  },
        {"--listen",          "x",    "'x' is no address to listen on"                 },
    };
    char dir[RUN_DIR_BYTES];

    run_folder_make(dir);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct run run;

        RUN(&run, "intercept", "--data", dir, "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1", cases[c][0],
            cases[c][1]);
        cr_assert_eq(run.status, 2, "%s: %s", cases[c][0], run.err);
        cr_assert_not_null(strstr(run.err, cases[c][2]), "%s", run.err);
        run_done(&run);
    }
    run_folder_remove(dir);
}

Test(intercept_limits, connections_of_one_address)
{
    static const char client[] = "PROXY TCP4 203.0.113.1 192.0.2.1 4711 80\r\n";
    struct site *site = site_open(site_echo_line, NULL);
    struct wire first, second, third;
    struct intercept intercept;

    for (int proxy = 0; proxy < 2; proxy++) {
        INTERCEPT(&intercept, site,
                  proxy ? ARGS("--max-connections-per-ip", "2", "--trust-proxy", "loopback", "--proxy-protocol")
                        : ARGS("--max-connections-per-ip", "2"));
        wire_open(&first, intercept.port);
        wire_say(&first, "%s", proxy ? client : "");
        get(&first, "/");
        expect_status(&first, 200, false);
        wire_open(&second, intercept.port);
        wire_say(&second, "%s", proxy ? client : "");
        get(&second, "/");
        expect_status(&second, 200, false);
        wire_open(&third, intercept.port);
        wire_say(&third, "%s", proxy ? client : "");
        cr_assert(wire_ended(&third));
        wire_close(&third);
        wire_close(&first);
        for (int tries = 0; tries < 200; tries++) { /* its end has been seen soon */
            wire_open(&third, intercept.port);
            wire_say(&third, "%s", proxy ? client : "");
            get(&third, "/");
            if (wire_answer(&third).whole)
                break;
            wire_close(&third);
            tl_clock_sleep_ms(5);
        }
        cr_assert_eq(third.status, 200);
        wire_close(&second);
        wire_close(&third);
        intercept_stop(&intercept);
    }
    site_close(site);
}

/* ---- what is no request ---- */

static const struct {
    const char *bytes;
    int status; /* 0: closed without an answer */
} bad[] = {
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",                        400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd",                                           400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",                                             400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd",                                            400},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",           400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",                          501},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",                               400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",                                400},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",                                400},
    {"GET / HTTP/1.1\nHost: a\n\n",                                                                              400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",                                                          400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n",                                                                       400},
    {"GET / HTTP/1.1\r\n\r\n",                                                                                   400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",                                                             400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",                                                                      400},
    {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",                                                                400},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",                                                                405},
    {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",                                                                      405},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",                                                                       501},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",                                                                         505},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n",                                                                        505},
    {"GET /\r\n\r\n",                                                                                            400},
    {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",                                                                     400},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",                                                                400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\x01: a\r\n\r\n",                                                            400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rSet-Cookie: b\r\n\r\n",                                                 400},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",                                                             400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",                                    400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",                 400},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\n\r\n",                               400},
};

/* A body that breaks off in the middle has begun to go to the site, which never sees the end of it. */
static void only_whole(struct site_visit *visit)
{
    struct wire_body body = wire_body(&visit->wire, false);

    cr_assert_not(body.whole, "%s", visit->wire.head);
    site_hang_up(visit);
}

Test(intercept_limits, what_is_no_request)
{
    static const char next[] = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    struct site *site = site_open(only_whole, NULL);
    struct intercept intercept;

    INTERCEPT(&intercept, site, ARGS("--head-timeout", "5s"));
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++)
        for (int bytewise = 0; bytewise < 2; bytewise++) {
            struct wire_body body;
            struct wire wire;

            wire_open(&wire, intercept.port);
            if (bytewise)
                for (size_t i = 0; i < strlen(bad[b].bytes); i++)
                    wire_send(&wire, bad[b].bytes + i, 1);
            else
                wire_say(&wire, "%s%s", bad[b].bytes, next);
            body = wire_answer(&wire);
            cr_assert_eq(wire.status, bad[b].status, "%zu: %s -> %s", b, bad[b].bytes, wire.head);
            cr_assert(body.whole);
            cr_assert_str_eq(wire_header(&wire, "Connection"), "close");
            cr_assert(wire_ended(&wire), "%zu", b);
            wire_close(&wire);
        }
    cr_assert_eq(site_saw(site, "/smuggled"), 0);
    cr_assert_eq(site_saw(site, "GET "), 0);
    intercept_stop(&intercept);
    site_close(site);
}

/* A balancer that goes in the middle of its own line is waited for no longer. */
Test(intercept_limits, what_is_no_proxy_header)
{
    static const char *const texts[] = {"PROXY TCP4 203.0.113.1 192.", "PROXY TCP4 x y 1 2\r\n",
                                        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"};
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;

    INTERCEPT(&intercept, site, ARGS("--trust-proxy", "loopback", "--proxy-protocol"));
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        struct wire wire;

        wire_open(&wire, intercept.port);
        wire_say(&wire, "%s", texts[t]);
        wire_half_close(&wire);
        cr_assert_not(wire_is_quiet(&wire, 3000), "%zu", t);
        cr_assert(wire_ended(&wire), "%zu", t);
        wire_close(&wire);
    }
    cr_assert_eq(site_connections(site), 0);
    intercept_stop(&intercept);
    site_close(site);
}

/* Answers of a site that cannot be read, or could be in two ways. */
static const char *const bad_answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 1\n\na",
    "HTTP/2 200\r\n\r\n",
    "SSH-2.0-OpenSSH\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "HTTP/1.1 99 Odd\r\n\r\n",
    "",
};

static void answer_badly(struct site_visit *visit)
{
    wire_say(&visit->wire, "%s", bad_answers[strtoul(strchr(visit->wire.head, '/') + 1, NULL, 10)]);
    site_hang_up(visit);
}

Test(intercept_limits, what_is_no_answer)
{
    struct site *site = site_open(answer_badly, NULL);
    struct intercept intercept;

    INTERCEPT(&intercept, site, NO_ARGS);
    for (size_t b = 0; b < sizeof bad_answers / sizeof *bad_answers; b++) {
        char target[16];

        snprintf(target, sizeof target, "/%zu", b);
        cr_assert_eq(intercept_get(&intercept, target, NULL), 502, "%s", bad_answers[b]);
    }
    intercept_stop(&intercept);
    site_close(site);
}
