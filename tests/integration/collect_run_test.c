/* collect_run_test.c: the collector behind a real `tally intercept`: bodies in pieces, answers that wait for the log, what then stands in it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "support/intercept_run.h"

TestSuite(collect_run, .timeout = 60);

static void post(struct wire *wire, const char *body)
{
    wire_say(wire,
             "POST /tally/collect HTTP/1.1\r\nHost: shop.example.com\r\nContent-Type: application/json\r\nContent-Length: "
             "%zu\r\n\r\n%s",
             strlen(body), body);
}

struct mode_case {
    char mode[16];
};

ParameterizedTestParameters(collect_run, what_is_answered_is_captured)
{
    static struct mode_case cases[] = {{"broker"}, {"durable"}};

    return cr_make_param_array(struct mode_case, cases, sizeof cases / sizeof *cases);
}

/* In these modes 204 comes when the event is captured: kill -9 right behind it loses nothing. */
ParameterizedTest(struct mode_case *c, collect_run, what_is_answered_is_captured)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, ARGS("--mode", c->mode));
    wire_open(&wire, intercept.port);
    for (int i = 0; i < 20; i++) {
        post(&wire, "{\"url\":\"/captured\"}");
        cr_assert(wire_head(&wire));
        cr_assert_eq(wire.status, 204, "%s", wire.head);
    }
    run_signal(&intercept.run, SIGKILL);
    run_wait(&intercept.run);
    run_done(&intercept.run);
    wire_close(&wire);
    intercept_restart(&intercept, site, ARGS("--mode", c->mode));
    for (int64_t until = tl_clock_monotonic_ms() + 10000;
         intercept_logged(&intercept, 0, "/captured") < 20 && tl_clock_monotonic_ms() < until;)
        tl_clock_sleep_ms(20);
    cr_assert_geq(intercept_logged(&intercept, 0, "/captured"), 20);
    cr_assert_eq(site_requests(site), 0);
    intercept_stop(&intercept);
    site_close(site);
}

/* Byte by byte, in chunks, with a request for the site behind it on the same connection; of a batch the good ones are kept. */
Test(collect_run, bodies_in_pieces)
{
    static const char stream[] =
        "POST /tally/collect HTTP/1.1\r\nHost: shop.example.com\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        "c\r\n[{\"url\":\"/on\r\n1b\r\ne\"},{\"no\":1},{\"url\":\"/two\"}\r\n1\r\n]\r\n0\r\n\r\n"
        "GET /site HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire_body body;
    struct wire wire;

    INTERCEPT(&intercept, site, ARGS("--mode", "broker"));
    wire_open(&wire, intercept.port);
    for (size_t i = 0; i < sizeof stream - 1; i++)
        cr_assert(wire_send(&wire, stream + i, 1));
    body = wire_answer(&wire);
    cr_assert_eq(wire.status, 400, "%s", wire.head);
    cr_assert_str_eq(body.begins, "{\"accepted\":2,\"rejected\":[{\"index\":1,\"reason\":\"url is missing\"}]}\n");
    body = wire_answer(&wire);
    cr_assert_str_eq(body.begins, "GET /site");
    cr_assert_eq(intercept_logged(&intercept, 0, "\"/one\""), 1);
    cr_assert_eq(intercept_logged(&intercept, 0, "\"/two\""), 1);
    cr_assert_eq(site_requests(site), 1);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* Whoever asks first whether he may is told so at once; a body that is too long is refused before all of it has come. */
Test(collect_run, expectations_and_limits)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire wire;

    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    wire_say(&wire, "POST /tally/collect HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                    "Content-Length: 12\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 100);
    wire_say(&wire, "{\"url\":\"/a\"}");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 204, "%s", wire.head);
    wire_say(&wire,
             "POST /tally/collect HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n");
    wire_noise(&wire, 1, 300000, false);
    wire_answer(&wire);
    cr_assert_eq(wire.status, 413, "%s", wire.head);
    cr_assert_str_eq(wire_header(&wire, "Connection"), "close");
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* Without it the path is the site's. */
Test(collect_run, the_path_is_the_sites_where_nothing_is_collected)
{
    struct site *site = site_open(site_echo_line, NULL);
    struct intercept intercept;
    struct wire_body body;
    struct wire wire;

    INTERCEPT(&intercept, site, ARGS("--no-collect"));
    wire_open(&wire, intercept.port);
    post(&wire, "{\"url\":\"/a\"}");
    body = wire_answer(&wire);
    cr_assert_str_eq(body.begins, "POST /tally/collect");
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}
