/* serve_tls_test.c: `tally serve` over TLS: the API and the WebSocket with clients that look closely, certificates that are wrong, run out or change, and who speaks
 * something else to that port. */
#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/serve_run.h"
#include "support/ws_frame.h"

enum { PATIENCE_MS = 20000 };

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, host;\n";

static struct pipeline p;
static struct serve serve;
static char certificate[300], key[300];
static int counted;

static void count_event(void)
{
    char line[200], path[300];

    snprintf(line, sizeof line, "{\"event_id\":\"e%d\",\"host\":\"a\",\"event_time\":\"2024-03-01T10:00:00.000Z\"}\n", ++counted);
    snprintf(path, sizeof path, "%s", run_file_write(p.dir, "line.jsonl", line));
    TALLY(&p, 0, "import", path, "--format", "jsonl");
    TALLY(&p, 0, "speed", "--once");
}

/* Runs in the test's folder. */
static int shell(const char *command)
{
    char whole[2000];

    snprintf(whole, sizeof whole, "cd '%s' && { %s; } 2>&1", p.dir, command);
    return system(whole);
}

/* As a program that renews certificates does it: each file is replaced whole. */
static void use_certificate(const char *name)
{
    char command[300];

    snprintf(command, sizeof command, "for e in pem key; do cp %s.$e new && mv new now.$e; done", name);
    cr_assert_eq(shell(command), 0);
}

static void open_scene(void)
{
    pipeline_open(&p, views_text);
    unsetenv("TALLY_STORE");
    unsetenv("TALLY_SERVE_TOKEN");
    signal(SIGPIPE, SIG_IGN);
    wire_certificate(p.dir, "first", "localhost");
    wire_certificate(p.dir, "second", "localhost");
    use_certificate("first");
    snprintf(certificate, sizeof certificate, "%s/now.pem", p.dir);
    snprintf(key, sizeof key, "%s/now.key", p.dir);
    count_event();
}

static void close_scene(void)
{
    run_done(&serve.run);
    pipeline_close(&p);
}

TestSuite(serve_tls, .init = open_scene, .fini = close_scene, .timeout = 120);

static void start(void)
{
    serve_start(&serve, &p, (const char *const[]){"--tls-certificate", certificate, "--tls-key", key, NULL});
    serve_found(&serve);
}

static bool open_tls(struct wire *wire, const char *ca)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s.pem", p.dir, ca);
    return wire_open_tls(wire, serve.port, path, "localhost");
}

static void expect_api(const char *ca)
{
    static struct wire wire;
    struct wire_body body;

    cr_assert(open_tls(&wire, ca), "no handshake with %s", ca);
    wire_say(&wire, "GET /api/v1/views HTTP/1.1\r\nHost: localhost\r\n\r\n");
    body = wire_answer(&wire);
    cr_assert_eq(wire.status, 200);
    cr_assert(body.whole && strstr(body.begins, "\"hits\"") != NULL, "%s", body.begins);
    wire_close(&wire);
}

Test(serve_tls, the_api_and_the_changes_come_over_it)
{
    static struct wire wire;
    const char *python = getenv("TALLY_PYTHON");
    char command[1500];

    start();
    expect_api("first");
    cr_assert(open_tls(&wire, "first"));
    cr_assert(ws_shake(&wire, ""));
    ws_say(&wire, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    ws_hear_words(&wire, "\"n\":1");
    count_event();
    ws_hear_words(&wire, "\"n\":2");
    wire_close(&wire);
    /* Another library's client, and other versions than ours. */
    snprintf(command, sizeof command,
             "'%s' -c \"import ssl, urllib.request as u; c = ssl.create_default_context(cafile='first.pem'); "
             "print(u.urlopen('https://localhost:%u/api/v1/views', context=c).read()[:20])\" >&2",
             python != NULL ? python : "python3", serve.port);
    cr_expect_eq(shell(command), 0);
    for (size_t v = 0; v < 4; v++) {
        static const char *const versions[] = {"-tls1", "-tls1_1", "-tls1_2", "-tls1_3"};

        snprintf(
            command, sizeof command,
            "printf 'GET /api/v1/views HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' | timeout 20 openssl "
            "s_client -quiet -ign_eof -cipher 'DEFAULT:@SECLEVEL=0' -verify_return_error -CAfile first.pem -connect "
            "127.0.0.1:%u %s | grep -q '^HTTP/1.1 200'",
            serve.port, versions[v]);
        cr_expect_eq(shell(command) == 0, v >= 2, "%s", versions[v]);
    }
    serve_stop(&serve);
}

static int times_read(void)
{
    char *said = run_err_so_far(&serve.run);
    int times = 0;

    for (const char *at = said; (at = strstr(at, "the certificate was read anew")) != NULL; at++)
        times++;
    free(said);
    return times;
}

Test(serve_tls, a_certificate_that_changes_is_used_for_who_comes_next)
{
    static struct wire before, wire;

    start();
    cr_assert(open_tls(&before, "first"));
    cr_assert(ws_shake(&before, ""));
    ws_say(&before, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    ws_hear_words(&before, "\"n\":1");
    use_certificate("second");
    cr_assert(run_says(&serve.run, "the certificate was read anew", PATIENCE_MS));
    expect_api("second");
    cr_assert_not(open_tls(&wire, "first"));
    wire_close(&wire);
    /* One that is none: the one before stays, and it is said. */
    cr_assert_eq(shell("echo nothing > new && mv new now.pem"), 0);
    cr_assert(run_says(&serve.run, "the certificate of before stays", PATIENCE_MS));
    expect_api("second");
    use_certificate("first");
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; times_read() < 2; tl_clock_sleep_ms(50))
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms);
    expect_api("first");
    run_signal(&serve.run, SIGHUP); /* also where nothing has changed */
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; times_read() < 3; tl_clock_sleep_ms(50))
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "SIGHUP does nothing");
    expect_api("first");
    /* Who is there stays. */
    count_event();
    ws_hear_words(&before, "\"n\":2");
    wire_close(&before);
    serve_stop(&serve);
}

/* The second one as it was, and its time is over since yesterday. */
static void make_old(void)
{
    char path[300];
    FILE *file;
    X509 *x509;
    EVP_PKEY *pkey;

    cr_assert_eq(shell("cp second.pem old.pem && cp second.key old.key"), 0);
    snprintf(path, sizeof path, "%s/old.key", p.dir);
    file = fopen(path, "re");
    pkey = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    snprintf(path, sizeof path, "%s/old.pem", p.dir);
    file = fopen(path, "r+e");
    x509 = PEM_read_X509(file, NULL, NULL, NULL);
    cr_assert(pkey != NULL && x509 != NULL);
    X509_gmtime_adj(X509_getm_notBefore(x509), -7L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x509), -86400L);
    cr_assert_gt(X509_sign(x509, pkey, EVP_sha256()), 0);
    rewind(file);
    cr_assert_eq(PEM_write_X509(file, x509), 1);
    fclose(file);
    X509_free(x509);
    EVP_PKEY_free(pkey);
}

Test(serve_tls, one_that_has_run_out_is_refused_by_the_client)
{
    static struct wire wire;

    make_old();
    use_certificate("old");
    start();
    cr_assert_not(open_tls(&wire, "old"));
    wire_close(&wire);
    use_certificate("second"); /* renewed while it runs */
    cr_assert(run_says(&serve.run, "the certificate was read anew", PATIENCE_MS));
    expect_api("second");
    serve_stop(&serve);
}

Test(serve_tls, what_does_not_fit_is_refused_at_the_start)
{
    struct run run;
    char other[300];

    snprintf(other, sizeof other, "%s/second.key", p.dir);
    RUN(&run, "serve", "--data", p.data, "--listen", "127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", other);
    cr_assert_eq(run.status, 2, "%d: %s", run.status, run.err);
    cr_assert_not_null(strstr(run.err, other), "%s", run.err);
    run_done(&run);
    RUN(&run, "serve", "--data", p.data, "--listen", "127.0.0.1:0", "--tls-certificate", certificate);
    cr_assert_eq(run.status, 2, "%d: %s", run.status, run.err);
    run_done(&run);
    RUN(&run, "serve", "--data", p.data, "--listen", "127.0.0.1:0", "--tls-certificate", key, "--tls-key", key);
    cr_assert_eq(run.status, 2, "%d: %s", run.status, run.err);
    run_done(&run);
}

/* The end, and nothing of HTTP in the clear; nor does it wait for more. */
Test(serve_tls, who_speaks_in_the_clear_is_ended)
{
    static const char *const said[] = {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n",
                                       "\x16\x03\x01\xff\xff junk"};
    char text[4096];

    start();
    for (size_t s = 0; s < TL_COUNT(said); s++) {
        int fd = http_connect(serve.port);
        int64_t began_ms = tl_clock_monotonic_ms();
        ssize_t got, size = 0;

        cr_assert_eq(write(fd, said[s], strlen(said[s])), (ssize_t)strlen(said[s]));
        do {
            cr_assert_eq(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_MS), 1, "it waits for more");
            got = read(fd, text + size, sizeof text - 1 - (size_t)size);
            size += got > 0 ? got : 0;
        } while (got > 0);
        text[size] = '\0';
        cr_expect_null(strstr(text, "HTTP/1"), "%s", text);
        cr_expect_lt(tl_clock_monotonic_ms() - began_ms, 9000, "its end is that of its patience");
        close(fd);
        expect_api("first");
    }
    serve_stop(&serve);
}

/* Beyond the loopback secrets are a must (serve_test.c), and TLS is not: there may be a proxy. It is said. */
Test(serve_tls, beyond_the_loopback_it_is_missed)
{
    static const char words[] = "without TLS: secrets and numbers can be read on their way";
    struct run run;
    char *said;

    cr_assert_eq(setenv("TALLY_SERVE_TOKEN", "0123456789abcdef0123", 1), 0);
    for (int tls = 0; tls < 2; tls++) {
        run_start(&run,
                  (const char *const[]){"serve", "--data", p.data, "--listen", "0.0.0.0:0", "--metrics-listen", "127.0.0.1:0",
                                        tls ? "--tls-certificate" : NULL, certificate, "--tls-key", key, NULL});
        cr_assert(run_says(&run, "serve listens", PATIENCE_MS), "%s", run_err_so_far(&run));
        said = run_err_so_far(&run);
        cr_expect_eq(strstr(said, words) == NULL, tls == 1, "%s", said);
        free(said);
        run_signal(&run, SIGTERM);
        run_wait(&run);
        cr_expect_eq(run.status, 0);
        run_done(&run);
    }
    unsetenv("TALLY_SERVE_TOKEN");
    start(); /* and here it is no secret's matter */
    said = run_err_so_far(&serve.run);
    cr_expect_null(strstr(said, words));
    free(said);
    serve_stop(&serve);
}
