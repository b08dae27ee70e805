/* monitor_test.c: where it listens, and what it answers to those who ask rightly and those who do not. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/monitor.h"
#include "support/http_get.h"

struct address_case {
    char text[80], written[80]; /* written empty: it is refused */
};

ParameterizedTestParameters(monitor, addresses)
{
    static struct address_case cases[] = {
        {"127.0.0.1:9464",     "127.0.0.1:9464" },
        {"0.0.0.0:9464",       "0.0.0.0:9464"   },
        {"[::1]:9464",         "[::1]:9464"     },
        {"[::]:0",             "[::]:0"         },
        {"localhost:1",        "localhost:1"    },
        {":9464",              "127.0.0.1:9464" },
        {"9464",               "127.0.0.1:9464" },
        {":65535",             "127.0.0.1:65535"},
        {":65536",             ""               },
        {"",                   ""               },
        {":",                  ""               },
        {"127.0.0.1",          ""               },
        {"127.0.0.1:",         ""               },
        {"127.0.0.1:http",     ""               },
        {"127.0.0.1:+1",       ""               },
        {"127.0.0.1:-1",       ""               },
        {"127.0.0.1: 1",       ""               },
        {"::1:9464",           ""               }, /* which of its colons is the port's? */
        {"[]:9464",            ""               },
        {"[::1]",              ""               },
        {"http://localhost:1", ""               },
    };

    return cr_make_param_array(struct address_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct address_case *c, monitor, addresses)
{
    struct tl_listen listen;
    struct tl_err err;
    char text[TL_LISTEN_TEXT_BYTES];
    enum tl_code rc = tl_listen_parse(c->text, &listen, &err);

    if (c->written[0] == '\0') {
        cr_expect_eq(rc, TL_ERR_USAGE, "'%s' was taken", c->text);
        cr_expect_not_null(strstr(err.message, "[::1]:9464"), "%s", err.message);
        return;
    }
    cr_assert_eq(rc, TL_OK, "%s: %s", c->text, err.message);
    cr_expect_str_eq(tl_listen_text(&listen, text), c->written);
}

static int write_number(void *ctx, struct tl_buf *out)
{
    tl_buf_printf(out, "number %d\n", ++*(int *)ctx);
    return 200;
}

static int write_large(void *ctx, struct tl_buf *out)
{
    (void)ctx;
    for (int i = 0; i < 100000; i++)
        tl_buf_put_str(out, "0123456789abcdef0123456789abcde\n");
    return 503;
}

static int write_too_large(void *ctx, struct tl_buf *out)
{
    (void)ctx;
    out->failed = true;
    return 200;
}

static const struct tl_monitor_page pages[] = {
    {"/number",    "text/plain", write_number   },
    {"/large",     "text/plain", write_large    },
    {"/too-large", "text/plain", write_too_large},
};

static struct tl_monitor *monitor;
static uint16_t port;
static int number;

static void monitor_open(void)
{
    const struct tl_listen listen = {.host = "127.0.0.1"};
    struct tl_err err;

    number = 0;
    cr_assert_eq(tl_monitor_open(&listen, pages, TL_COUNT(pages), &number, &monitor, &err), TL_OK, "%s", err.message);
    port = tl_monitor_listen(monitor)->port;
    cr_assert_neq(port, 0);
}

static void monitor_close(void)
{
    tl_monitor_close(monitor);
}

TestSuite(monitor, .timeout = 60);

Test(monitor, a_page_is_made_anew_for_each_request, .init = monitor_open, .fini = monitor_close)
{
    for (int i = 1; i <= 3; i++) {
        struct http_answer answer = http_get(port, i == 2 ? "/number?query=is+not+looked+at" : "/number");
        char want[20];

        snprintf(want, sizeof want, "number %d\n", i);
        cr_expect_eq(answer.status, 200, "%s", answer.all);
        cr_expect_str_eq(answer.body, want);
        cr_expect_not_null(strstr(answer.all, "Content-Type: text/plain\r\n"));
        cr_expect_not_null(strstr(answer.all, "Connection: close\r\n"));
        http_done(&answer);
    }
}

Test(monitor, a_large_page_comes_whole, .init = monitor_open, .fini = monitor_close)
{
    struct http_answer answer = http_get(port, "/large");

    cr_expect_eq(answer.status, 503);
    cr_expect_eq(strlen(answer.body), 3200000, "%zu", strlen(answer.body));
    http_done(&answer);
    answer = http_get(port, "/too-large");
    cr_expect_eq(answer.status, 500, "what found no memory is not shown in part");
    cr_expect_str_eq(answer.body, "");
    http_done(&answer);
}

struct request_case {
    char name[40], request[100];
    int fill; /* so many bytes of a header in it */
    int status;
};

ParameterizedTestParameters(monitor, requests)
{
    static struct request_case cases[] = {
        {"another path",        "GET /other HTTP/1.1\r\nHost: a\r\n\r\n",                               0,     404},
        {"the root",            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",                                    0,     200},
        {"HEAD",                "HEAD /number HTTP/1.1\r\nHost: a\r\n\r\n",                             0,     200},
        {"POST",                "POST /number HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",        0,     405},
        {"DELETE",              "DELETE /number HTTP/1.1\r\nHost: a\r\n\r\n",                           0,     405},
        {"no method",           "\x16\x03\x01 / HTTP/1.1\r\n\r\n",                                      0,     501},
        {"a body that is long", "POST /number HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 0,     413},
        {"a head that fits",    "GET /number HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n",                     6000,  200},
        {"a head that is long", "GET /number HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n",                     20000, 400},
        {"HTTP/1.0",            "GET /number HTTP/1.0\r\n\r\n",                                         0,     200},
    };

    return cr_make_param_array(struct request_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct request_case *c, monitor, requests, .init = monitor_open, .fini = monitor_close)
{
    char *fill = calloc(1, (size_t)c->fill + 1), *request = NULL;
    const char *at = strstr(c->request, "%s");
    struct http_answer answer;

    cr_assert_not_null(fill);
    memset(fill, 'a', (size_t)c->fill);
    if (at != NULL)
        cr_assert_geq(asprintf(&request, "%.*s%s%s", (int)(at - c->request), c->request, fill, at + 2), 0);
    else
        request = strdup(c->request);
    answer = http_send(port, request, strlen(request));
    cr_expect_eq(answer.status, c->status, "%s: %d, not %d: %s", c->name, answer.status, c->status, answer.all);
    if (strncmp(request, "HEAD", 4) == 0) {
        cr_expect_str_eq(answer.body, "", "a HEAD has no body: %s", answer.all);
        cr_expect_not_null(strstr(answer.all, "Content-Length: 9\r\n"), "%s", answer.all);
    }
    if (c->status == 405)
        cr_expect_not_null(strstr(answer.all, "Allow: GET, HEAD\r\n"), "%s", answer.all);
    http_done(&answer);
    answer = http_get(port, "/number");
    cr_expect_eq(answer.status, 200, "%s: the next one was not answered", c->name);
    http_done(&answer);
    free(request);
    free(fill);
}

Test(monitor, a_port_that_is_taken_is_said, .init = monitor_open, .fini = monitor_close)
{
    struct tl_monitor *second = NULL;
    struct tl_err err;

    cr_assert_eq(tl_monitor_open(tl_monitor_listen(monitor), pages, TL_COUNT(pages), &number, &second, &err), TL_ERR_IO);
    cr_expect_null(second);
    cr_expect_not_null(strstr(err.message, "cannot listen on 127.0.0.1:"), "%s", err.message);
    cr_expect_not_null(strstr(err.message, "Address already in use"), "%s", err.message);
}

Test(monitor, an_address_of_ipv6_is_listened_on)
{
    const struct tl_listen listen = {.host = "::1"};
    struct tl_err err;
    char text[TL_LISTEN_TEXT_BYTES];
    enum tl_code rc = tl_monitor_open(&listen, pages, TL_COUNT(pages), &number, &monitor, &err);

    if (rc != TL_OK && strstr(err.message, "Cannot assign requested address") != NULL)
        cr_skip_test("this machine has no ::1");
    cr_assert_eq(rc, TL_OK, "%s", err.message);
    cr_expect_eq(strncmp(tl_listen_text(tl_monitor_listen(monitor), text), "[::1]:", 6), 0, "%s", text);
    tl_monitor_close(monitor);
}

/* The next waits until one of those that are there has ended. */
Test(monitor, of_many_connections_some_wait, .init = monitor_open, .fini = monitor_close)
{
    static const char request[] = "GET /number HTTP/1.1\r\nHost: x\r\n\r\n";
    int fds[TL_MONITOR_CONNECTIONS_MAX + 1];
    struct pollfd last = {.events = POLLIN};
    struct http_answer answer;

    for (int i = 0; i <= TL_MONITOR_CONNECTIONS_MAX; i++)
        cr_assert_geq(fds[i] = http_connect(port), 0);
    last.fd = fds[TL_MONITOR_CONNECTIONS_MAX];
    cr_assert_eq(write(last.fd, request, sizeof request - 1), (ssize_t)sizeof request - 1);
    cr_expect_eq(poll(&last, 1, 300), 0, "it is served beside all the others");
    close(fds[0]);
    cr_expect_eq(poll(&last, 1, 10000), 1, "it is never served");
    for (int i = 1; i <= TL_MONITOR_CONNECTIONS_MAX; i++)
        close(fds[i]);
    answer = http_get(port, "/number");
    cr_expect_eq(answer.status, 200);
    http_done(&answer);
}

/* A byte now and then is no silence. */
Test(monitor, a_connection_that_dawdles_is_ended)
{
    const struct tl_listen listen = {.host = "127.0.0.1", .deadline_ms = 500};
    struct tl_err err;
    bool ended = false;
    int fd;

    cr_assert_eq(tl_monitor_open(&listen, pages, TL_COUNT(pages), &number, &monitor, &err), TL_OK, "%s", err.message);
    fd = http_connect(tl_monitor_listen(monitor)->port);
    for (int i = 0; i < 200 && !ended; i++) {
        struct pollfd one = {.fd = fd, .events = POLLIN};

        ended = poll(&one, 1, 50) == 1 || send(fd, "G", 1, MSG_NOSIGNAL) != 1;
    }
    cr_expect(ended, "after ten seconds it is still there");
    close(fd);
    tl_monitor_close(monitor);
}

Test(monitor, closes_at_once_with_a_request_half_sent, .init = monitor_open)
{
    static const char half[] = "GET /number HTTP/1.1\r\nHost";
    int64_t before_ms;
    int fd = http_connect(port);

    cr_assert_eq(write(fd, half, sizeof half - 1), (ssize_t)sizeof half - 1);
    tl_clock_sleep_ms(50);
    before_ms = tl_clock_monotonic_ms();
    tl_monitor_close(monitor);
    cr_expect_lt(tl_clock_monotonic_ms() - before_ms, 5000);
    close(fd);
    cr_expect_eq(http_get(port, "/number").status, 0, "nobody listens any more");
}
