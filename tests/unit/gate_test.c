/* gate_test.c: who may come in, by what a request shows and where it comes from: wrong secrets, pages of other sites, names of other machines. */
#include "serving/gate.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "support/http_scene.h"
#include "support/wire.h"

#define TOKEN "Authorization: Bearer a-secret-of-some-length\r\n"
#define WRONG_TOKEN "Authorization: Bearer another-secret-of-it\r\n"
#define ANN "Authorization: Basic YW5uOnBhc3Mgd29yZCE=\r\n"       /* ann:pass word! */
#define WRONG_ANN "Authorization: Basic YW5uOnBhc3N3b3JkISE=\r\n" /* ann:password!! */
#define BOB "Authorization: Basic Ym9iOnBhc3Mgd29yZCE=\r\n"       /* bob:pass word! */
#define FAR "Peer: 203.0.113.7\r\n"
#define FARTHER "Peer: 203.0.113.8\r\n"

static struct http_scene scene;
static struct tl_gate *gate;
static struct tl_gate_options options;
static struct tl_serve_meter *meter;

/* Peer says where a request comes from. */
static void on_request(void *ctx, struct tl_http_call *call)
{
    struct tl_sv peer = tl_http_call_header(call, "peer");

    (void)ctx;
    if (peer.data != NULL)
        cr_assert(tl_endpoint_parse(peer, &call->peer));
    if (tl_gate_let_in(gate, call))
        tl_http_answer(call, 200, (struct tl_sv){NULL, 0}, NULL);
}

static void open_gate(const char *secrets, struct tl_gate_options with)
{
    struct tl_http_server_config config = http_scene_config(on_request, NULL);
    char path[] = "/tmp/tally-gate-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    struct tl_err err = {.message = ""};

    config.limits.head_bytes_max = 32768;
    http_scene_start(&scene, &config);
    fputs(secrets, file);
    fclose(file);
    options = with;
    options.auth_file = secrets[0] != '\0' ? path : NULL;
    cr_assert_eq(tl_serve_meter_open(NULL, NULL, NULL, &meter, &err), TL_OK);
    cr_assert_eq(tl_gate_open(&options, tl_http_server_listen(scene.server), meter, &gate, &err), TL_OK, "%s", err.message);
    remove(path);
}

static void open_usual(void)
{
    open_gate("token wall a-secret-of-some-length\nbasic ann pass word!\nbasic bob pass word!\n",
              (struct tl_gate_options){.rate = -1});
}

static void close_gate(void)
{
    http_scene_close(&scene);
    tl_gate_close(gate);
    tl_serve_meter_close(meter);
}

TestSuite(gate, .init = open_usual, .fini = close_gate);
TestSuite(gate_open, .fini = close_gate);

static struct wire wire;

static int ask_as(const char *host, const char *method, const char *path, const char *headers)
{
    wire_open(&wire, scene.port);
    wire_say(&wire, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", method, path, host, headers);
    cr_assert(wire_head(&wire));
    wire_close(&wire);
    return wire.status;
}

static int ask(const char *method, const char *path, const char *headers)
{
    return ask_as("127.0.0.1", method, path, headers);
}

static int get(const char *headers)
{
    return ask("GET", "/api/v1/views", headers);
}

/* How many of so many are looked at. */
static int guess(const char *headers, int times)
{
    int looked_at = 0;

    for (int i = 0; i < times; i++) {
        int status = get(headers);

        cr_assert(status == 401 || status == 429, "%d", status);
        looked_at += status == 401;
    }
    return looked_at;
}

/* A proxy on this machine comes with everybody. */
Test(gate, who_guesses_by_way_of_a_proxy_waits_and_nobody_else)
{
    cr_assert_lt(guess(WRONG_ANN, 40), 25);
    cr_assert_eq(get(ANN), 429, "the name that is guessed at waits");
    cr_assert_str_eq(wire_header(&wire, "retry-after"), "1");
    cr_assert_eq(get(BOB), 200);
    cr_assert_lt(guess(WRONG_TOKEN, 40), 25);
    cr_assert_eq(get(TOKEN), 200);
    cr_assert_eq(get(""), 401);
    cr_assert_lt(guess("Authorization: Basic\r\n", 40), 25);
    cr_assert_lt(guess("Authorization: Digest a\r\n", 40), 25);
    cr_assert_eq(get(BOB), 200);
}

Test(gate, who_guesses_from_afar_waits_and_nobody_else)
{
    cr_assert_lt(guess(FAR WRONG_TOKEN, 40), 25);
    cr_assert_eq(get(FAR TOKEN), 429, "none of his is looked at");
    cr_assert_eq(get(FAR ANN), 429);
    cr_assert_eq(get(FARTHER TOKEN), 200);
    cr_assert_eq(get(TOKEN), 200);
}

/* Whoever has signed in shows no secret any more. */
Test(gate, who_is_in_stays_in)
{
    const char *given;
    char cookie[200];

    cr_assert_eq(ask("POST", "/session", FAR ANN), 204);
    given = wire_header(&wire, "set-cookie");
    snprintf(cookie, sizeof cookie, FAR "Cookie: %.*s\r\n", (int)strcspn(given, ";"), given);
    guess(FAR WRONG_ANN, 40);
    cr_assert_eq(get(cookie), 200);
}

/* Whatever --rate has. */
Test(gate_open, guesses_are_counted_without_a_rate)
{
    open_gate("token wall a-secret-of-some-length\n", (struct tl_gate_options){.rate = 0});
    cr_assert_lt(guess(FAR WRONG_TOKEN, 40), 25);
    cr_assert_eq(get(FARTHER TOKEN), 200);
}

/* What others do wrong is no request of mine: behind a proxy all have one address. */
Test(gate_open, guesses_use_up_nobodys_rate)
{
    open_gate("basic ann pass word!\nbasic bob pass word!\n", (struct tl_gate_options){.rate = 50});
    guess(WRONG_ANN, 30);
    cr_assert_eq(get(BOB), 200);
}

/* Without a connection; "ann:...". */
static bool lets_in(const char *credentials)
{
    struct tl_http_call *call = calloc(1, sizeof *call);
    struct tl_http1_header header = {.name = TL_SV("Authorization")};
    char value[100] = "Basic ";
    bool in;

    EVP_EncodeBlock((unsigned char *)value + 6, (const unsigned char *)credentials, (int)strlen(credentials));
    header.value = tl_sv_from(value);
    *call = (struct tl_http_call){
        .head = {.headers = &header, .headers_count = 1, .host = TL_SV("localhost")},
        .method = TL_SV("GET"),
        .path = TL_SV("/api")
    };
    tl_buf_init(&call->body_bytes, 0);
    cr_assert(tl_endpoint_parse(TL_SV("127.0.0.1"), &call->peer));
    in = tl_gate_let_in(gate, call);
    if (in)
        free(call);
    return in;
}

/* So many other names in between that each place has had some: that does not make it whole again and again. */
Test(gate, guesses_at_other_names_help_nobody)
{
    int64_t begun_ms = tl_clock_monotonic_ms();
    int looked_at = 0;
    char name[100];

    for (int round = 0; round < 12; round++) {
        for (; lets_in("ann:pass word!"); looked_at++)
            cr_assert(!lets_in("ann:password!!"));
        for (int i = 0; i < 30000; i++) {
            snprintf(name, sizeof name, "n%d.%d:password!!", round, i);
            cr_assert(!lets_in(name));
        }
    }
    cr_assert_lt(looked_at, 130 + 4 * (tl_clock_monotonic_ms() - begun_ms) / 1000, "%d", looked_at);
}

Test(gate, what_can_be_read_in_two_ways_is_refused)
{
    char header[30000];

    cr_assert_eq(get(TOKEN WRONG_TOKEN), 400);
    cr_assert_eq(get(WRONG_TOKEN TOKEN), 400);
    cr_assert_eq(get(TOKEN "authorization: x\r\n"), 400);
    cr_assert_eq(get("Proxy-" TOKEN), 401);
    cr_assert_eq(get("Authorization : Bearer a-secret-of-some-length\r\n"), 400);
    cr_assert_eq(get("Authorization: Bearer\r\n"), 401);
    cr_assert_eq(get("Authorization: Basic Og==\r\n"), 401); /* : */
    cr_assert_eq(get("Authorization: Basic YW5u\r\n"), 401); /* ann */
    cr_assert_eq(get("Authorization: Basic YW5uOnBhc3Mgd29yZCE\r\n"), 401);
    cr_assert_eq(get("Authorization: Basic ====\r\n"), 401);
    memset(header, 'A', sizeof header);
    memcpy(header, "Authorization: Basic ", 21);
    strcpy(header + sizeof header - 3, "\r\n");
    cr_assert_eq(get(header), 401);
    memcpy(header, "Authorization: Bearer", 21);
    cr_assert_eq(get(header), 401);
}

/* The hash of nothing is no secret either. */
Test(gate_open, nothing_is_no_secret)
{
    open_gate("token none sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
              (struct tl_gate_options){0});
    cr_assert_eq(get("Authorization: Bearer \r\n"), 401);
    cr_assert_eq(get("Authorization: Bearer\r\n"), 401);
}

/* A browser sends a password that it knows, and asks nobody before it posts. */
Test(gate, pages_of_others_sign_nobody_in_or_out)
{
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"",                                                                   204},
        {"Origin: http://127.0.0.1\r\n",                                       204},
        {"Origin: https://127.0.0.1\r\n",                                      204}, /* a proxy has taken TLS off */
        {"Origin: https://numbers.example\r\nSec-Fetch-Site: same-origin\r\n", 204}, /* and has changed Host */
        {"Origin: https://numbers.example\r\n",                                403},
        {"Origin: http://127.0.0.1:81\r\n",                                    403},
        {"Origin: null\r\n",                                                   403},
        {"Origin: null\r\nSec-Fetch-Site: cross-site\r\n",                     403},
        {"Origin: http://evil.example\r\nSec-Fetch-Site: same-site\r\n",       403},
        {"Origin: http://evil.example\r\nHost-Of-It: http://127.0.0.1\r\n",    403},
    };
    char headers[400];

    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        snprintf(headers, sizeof headers, "%s" ANN, cases[c].headers);
        cr_expect_eq(ask("POST", "/session", headers), cases[c].status, "%s", cases[c].headers);
        cr_expect_eq(wire_header(&wire, "set-cookie") != NULL, cases[c].status == 204, "%s", cases[c].headers);
        cr_expect_eq(ask("DELETE", "/session", headers), cases[c].status, "%s", cases[c].headers);
    }
}

/* A name that somebody else has point here (DNS rebinding). */
Test(gate_open, a_name_of_another_machine_is_refused_where_nobody_is_asked)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {
        {"127.0.0.1",               200},
        {"127.0.0.1:8090",          200},
        {"LOCALHOST:8090",          200},
        {"[::1]",                   200},
        {"[::1]:8090",              200},
        {"127.3.2.1",               200},
        {"evil.example",            421},
        {"127.0.0.1.evil.example",  421},
        {"localhost.evil.example",  421},
        {"localhost.",              421},
        {"0.0.0.0",                 421},
        {"192.168.0.1",             421},
        {"[::2]",                   421},
        {"localhost@evil.example",  400},
        {"localhost:x",             400},
        {"evil.example, localhost", 400},
    };

    open_gate("", (struct tl_gate_options){.rate = -1});
    for (size_t c = 0; c < TL_COUNT(cases); c++)
        cr_expect_eq(ask_as(cases[c].host, "GET", "/", ""), cases[c].status, "%s", cases[c].host);
    cr_expect_eq(ask("POST", "/session", ANN), 405);
}
