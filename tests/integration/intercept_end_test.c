/* intercept_end_test.c: `tally intercept` with TLS on either side, and how it ends and gives its place to the next one. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/http_get.h"
#include "support/intercept_run.h"

TestSuite(intercept_end, .timeout = 60);

enum { PATH_BYTES = RUN_DIR_BYTES + 16 };

static void get(struct wire *wire, const char *target)
{
    wire_say(wire, "GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n", target);
}

static void expect_200(struct wire *wire)
{
    struct wire_body body = wire_answer(wire);

    cr_assert_eq(wire->status, 200, "%s", wire->head);
    cr_assert(body.whole);
}

/* ---- TLS ---- */

struct pair {
    char certificate[PATH_BYTES], key[PATH_BYTES];
};

static struct pair certificate_make(const char *dir, const char *file, const char *name)
{
    struct pair pair;

    wire_certificate(dir, file, name);
    snprintf(pair.certificate, sizeof pair.certificate, "%s/%s.pem", dir, file);
    snprintf(pair.key, sizeof pair.key, "%s/%s.key", dir, file);
    return pair;
}

static void copy_file(const char *from, const char *to)
{
    char command[4 * PATH_BYTES];

    snprintf(command, sizeof command, "cat '%s' > '%s'", from, to);
    cr_assert_eq(system(command), 0);
}

static void noise(struct site_visit *visit)
{
    struct wire_body body = wire_body(&visit->wire, false);

    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nX-Hash: %llu\r\nTransfer-Encoding: chunked\r\n\r\n",
             (unsigned long long)body.hash);
    wire_noise(&visit->wire, 3, 2000000, true);
}

Test(intercept_end, a_certificate_is_read_anew)
{
    struct site *site = site_open(noise, NULL);
    struct pair first, second, live;
    char dir[RUN_DIR_BYTES], want[32];
    struct intercept intercept;
    struct wire old, fresh;
    struct wire_body body;

    run_folder_make(dir);
    first = certificate_make(dir, "first", "localhost");
    second = certificate_make(dir, "second", "localhost");
    snprintf(live.certificate, sizeof live.certificate, "%s/live.pem", dir);
    snprintf(live.key, sizeof live.key, "%s/live.key", dir);
    copy_file(first.certificate, live.certificate);
    copy_file(first.key, live.key);
    INTERCEPT(&intercept, site, ARGS("--tls-certificate", live.certificate, "--tls-key", live.key));
    cr_assert(wire_open_tls(&old, intercept.port, first.certificate, "localhost"));
    wire_say(&old, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
    wire_noise(&old, 5, 1000000, false);
    body = wire_answer(&old);
    snprintf(want, sizeof want, "%llu", (unsigned long long)wire_noise_hash(5, 1000000));
    cr_assert_str_eq(wire_header(&old, "X-Hash"), want);
    cr_assert(body.whole && body.hash == wire_noise_hash(3, 2000000));
    cr_assert_eq(site_saw(site, "X-Forwarded-Proto: https\r\n"), 1);

    copy_file(second.certificate, live.certificate); /* the key is still the other one's */
    run_signal(&intercept.run, SIGHUP);
    cr_assert(run_says(&intercept.run, "the certificate of before stays", 5000));
    cr_assert(wire_open_tls(&fresh, intercept.port, first.certificate, "localhost"));
    wire_close(&fresh);
    copy_file(second.key, live.key);
    run_signal(&intercept.run, SIGHUP);
    cr_assert(run_says(&intercept.run, "the certificate was read anew", 5000));
    cr_assert(wire_open_tls(&fresh, intercept.port, second.certificate, "localhost"));
    get(&fresh, "/");
    expect_200(&fresh);
    wire_close(&fresh);
    cr_assert_not(wire_open_tls(&fresh, intercept.port, first.certificate, "localhost"));
    wire_close(&fresh);
    get(&old, "/");
    expect_200(&old);
    wire_close(&old);
    wire_open(&fresh, intercept.port); /* plain, where TLS is spoken */
    get(&fresh, "/");
    cr_assert_not(wire_answer(&fresh).whole);
    wire_close(&fresh);
    intercept_stop(&intercept);
    run_folder_remove(dir);
    site_close(site);
}

/* To the client of HTTP/1.0 a connection's end is the answer's; one that was cut must not look so. */
static void break_off(struct site_visit *visit)
{
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    tl_clock_sleep_ms(30);
    site_hang_up(visit);
}

Test(intercept_end, a_cut_answer_has_no_good_bye)
{
    struct site *site = site_open(break_off, NULL);
    char dir[RUN_DIR_BYTES];
    struct intercept intercept;
    struct wire wire;
    struct pair pair;

    run_folder_make(dir);
    pair = certificate_make(dir, "a", "localhost");
    INTERCEPT(&intercept, site, ARGS("--tls-certificate", pair.certificate, "--tls-key", pair.key));
    cr_assert(wire_open_tls(&wire, intercept.port, pair.certificate, "localhost"));
    wire_say(&wire, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_not(wire_body(&wire, false).whole);
    wire_close(&wire);
    intercept_stop(&intercept);
    run_folder_remove(dir);
    site_close(site);
}

Test(intercept_end, a_site_of_https)
{
    struct site *site, *other;
    struct pair right, wrong;
    char dir[RUN_DIR_BYTES];
    struct intercept intercept;
    struct wire wire;

    run_folder_make(dir);
    right = certificate_make(dir, "right", "localhost");
    wrong = certificate_make(dir, "wrong", "www.example.com");
    site = site_open_tls(noise, NULL, right.certificate, right.key);
    other = site_open_tls(noise, NULL, wrong.certificate, wrong.key);

    INTERCEPT(&intercept, NULL, ARGS("--upstream", intercept_url("https", site_port(site)), "--upstream-ca", right.certificate));
    wire_open(&wire, intercept.port);
    for (int i = 0; i < 2; i++) {
        struct wire_body body;
        char want[32];

        wire_say(&wire, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire_noise(&wire, 6, 1000000, true);
        body = wire_answer(&wire);
        snprintf(want, sizeof want, "%llu", (unsigned long long)wire_noise_hash(6, 1000000));
        cr_assert_str_eq(wire_header(&wire, "X-Hash"), want);
        cr_assert(body.whole && body.hash == wire_noise_hash(3, 2000000));
    }
    wire_close(&wire);
    cr_assert_eq(site_connections(site), 1);
    intercept_stop(&intercept);

    /* Not the authority that is believed; and one that is, for another name. */
    INTERCEPT(&intercept, NULL, ARGS("--upstream", intercept_url("https", site_port(site)), "--upstream-ca", wrong.certificate));
    cr_assert_eq(intercept_get(&intercept, "/", NULL), 502);
    cr_assert(run_says(&intercept.run, "certificate", 1000));
    intercept_stop(&intercept);
    INTERCEPT(&intercept, NULL, ARGS("--upstream", intercept_url("https", site_port(other)), "--upstream-ca", wrong.certificate));
    cr_assert_eq(intercept_get(&intercept, "/", NULL), 502);
    cr_assert(run_says(&intercept.run, "mismatch", 1000));
    intercept_stop(&intercept);
    cr_assert_eq(site_requests(site), 2);
    cr_assert_eq(site_requests(other), 0);
    run_folder_remove(dir);
    site_close(site);
    site_close(other);
}

/* ---- the end ---- */

static sem_t wake;

static void wait_or_much(struct site_visit *visit)
{
    if (strstr(visit->wire.head, "/wait") != NULL)
        sem_wait(&wake);
    if (strstr(visit->wire.head, "/much") == NULL) {
        site_echo_line(visit);
        return;
    }
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n");
    wire_noise(&visit->wire, 2, 8000000, false);
}

static bool is_refused(uint16_t port)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + 3000; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(10)) {
        int fd = http_connect(port);

        if (fd < 0)
            return true;
        close(fd);
    }
    return false;
}

Test(intercept_end, requests_under_way_get_their_answers)
{
    struct wire busy, idle, slow, late;
    struct intercept intercept;
    struct wire_body body;
    struct site *site;
    int64_t began_ms;

    sem_init(&wake, 0, 0);
    site = site_open(wait_or_much, NULL);
    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&idle, intercept.port);
    get(&idle, "/");
    expect_200(&idle);
    wire_open(&late, intercept.port);
    get(&late, "/");
    expect_200(&late);
    wire_open(&slow, intercept.port); /* reads its answer, of a connection that ends with it, when all else is over */
    wire_say(&slow, "GET /much HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    cr_assert(wire_head(&slow));
    wire_open(&busy, intercept.port);
    get(&busy, "/wait");
    while (site_requests(site) < 4)
        tl_clock_sleep_ms(2);

    began_ms = tl_clock_monotonic_ms();
    run_signal(&intercept.run, SIGTERM);
    cr_assert(is_refused(intercept.port));
    get(&late, "/"); /* sent before its client could know */
    expect_200(&late);
    cr_assert_str_eq(wire_header(&late, "Connection"), "close");
    cr_assert(wire_ended(&late));
    cr_assert(wire_ended(&idle));
    cr_assert_not(idle.reset);
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 5000);
    sem_post(&wake);
    expect_200(&busy);
    cr_assert_str_eq(wire_header(&busy, "Connection"), "close");
    cr_assert(wire_ended(&busy));
    tl_clock_sleep_ms(300);
    body = wire_body(&slow, false);
    cr_assert(body.whole && body.hash == wire_noise_hash(2, 8000000));
    wire_close(&busy);
    wire_close(&idle);
    wire_close(&late);
    wire_close(&slow);
    cr_assert(run_wait_for(&intercept.run, 5000));
    cr_assert_eq(intercept.run.status, 0, "%s", intercept.run.err);
    run_done(&intercept.run);
    run_folder_remove(intercept.dir);
    site_close(site);
}

Test(intercept_end, the_end_waits_only_so_long)
{
    struct intercept intercept;
    struct site *site;
    struct wire wire;

    sem_init(&wake, 0, 0);
    site = site_open(wait_or_much, NULL);
    INTERCEPT(&intercept, site, ARGS("--drain-timeout", "300ms"));
    wire_open(&wire, intercept.port);
    get(&wire, "/wait");
    while (site_requests(site) < 1)
        tl_clock_sleep_ms(2);
    run_signal(&intercept.run, SIGTERM);
    cr_assert(run_wait_for(&intercept.run, 5000));
    cr_assert_eq(intercept.run.status, 0, "%s", intercept.run.err);
    cr_assert_not(wire_answer(&wire).whole);
    run_done(&intercept.run);
    run_folder_remove(intercept.dir);
    sem_post(&wake);
    wire_close(&wire);
    site_close(site);
}

/* ---- a socket that is handed over ---- */

static int door_open(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(fd, 1024), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* As systemd does it: the socket is file 3, and two variables say so. */
static void start_at_door(struct run *run, int door, const char *program, const char *dir, const char *url)
{
    char command[1024];

    snprintf(command, sizeof command,
             "export LISTEN_PID=$$ LISTEN_FDS=1; exec '%s' intercept --data '%s' --upstream %s --threads 2 3<&%d", program, dir,
             url, door);
    setenv("TALLY_BIN", "/bin/bash", 1); /* dash knows no file beyond 9 */
    run_start(run, ARGS("-c", command));
    cr_assert(run_says(run, "intercept listens", 10000));
}

static atomic_bool enough;

struct visitor {
    uint16_t port;
    bool keeps;
    unsigned answered, failed;
};

/* One request after the other, each over a connection of its own or as many over one as it is told that it may. */
static void *visit(void *arg)
{
    struct visitor *visitor = arg;
    struct wire wire = {.fd = -1};

    while (!atomic_load(&enough)) {
        struct wire_body body;

        if (wire.fd < 0)
            wire_open(&wire, visitor->port);
        wire_say(&wire, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", visitor->keeps ? "" : "Connection: close\r\n");
        body = wire_answer(&wire);
        if (wire.status == 200 && body.whole)
            visitor->answered++;
        else
            visitor->failed++;
        if (!body.whole || wire_header(&wire, "Connection") != NULL)
            wire_close(&wire);
    }
    wire_close(&wire);
    return NULL;
}

Test(intercept_end, a_restart_fails_no_request)
{
    enum { VISITORS = 6 };
    struct site *site = site_open(site_echo_line, NULL);
    const char *url = intercept_url("http", site_port(site));
    char program[512], dir[RUN_DIR_BYTES];
    struct visitor visitors[VISITORS];
    pthread_t threads[VISITORS];
    unsigned answered = 0;
    struct run run;
    uint16_t port;
    int door;

    snprintf(program, sizeof program, "%s", run_program());
    run_folder_make(dir);
    door = door_open(&port);
    start_at_door(&run, door, program, dir, url);
    for (size_t v = 0; v < VISITORS; v++) {
        visitors[v] = (struct visitor){.port = port, .keeps = v % 2 == 0};
        cr_assert_eq(pthread_create(&threads[v], NULL, visit, &visitors[v]), 0);
    }
    for (int restart = 0; restart < 3; restart++) {
        tl_clock_sleep_ms(150);
        run_signal(&run, SIGTERM);
        run_wait(&run);
        cr_assert_eq(run.status, 0, "%s", run.err);
        run_done(&run);
        start_at_door(&run, door, program, dir, url);
    }
    tl_clock_sleep_ms(100);
    atomic_store(&enough, true);
    for (size_t v = 0; v < VISITORS; v++) {
        pthread_join(threads[v], NULL);
        cr_assert_eq(visitors[v].failed, 0, "%zu: %u", v, visitors[v].failed);
        answered += visitors[v].answered;
    }
    cr_assert_gt(answered, VISITORS);
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    close(door);
    run_folder_remove(dir);
    site_close(site);
}
