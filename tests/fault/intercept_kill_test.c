/* intercept_kill_test.c: kill -9 of `tally intercept --mode durable` under load, at random instants, while its log goes and comes: every request that the site
 * has seen, or a client has an answer to, is in the log in the end; and at every scrape what was received is delivered, waits or was dropped.
 * TALLY_KILLS: how often (3). */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "support/chance.h"
#include "support/http_get.h"
#include "support/run.h"
#include "support/site.h"

enum { REQUESTS_MAX = 4000000, CLIENTS = 8, LIFE_MS_MAX = 500, PATIENCE_MS = 30000 };

static char dir[RUN_DIR_BYTES], listen_at[32], upstream[64];
static uint16_t port;
static struct site *site;
static struct tl_err err;
static atomic_llong next_request;
static atomic_bool stops;
static atomic_uchar *seen, *answered; /* by request */

/* ---- the site, and its clients ---- */

static void note_and_answer(struct site_visit *visit)
{
    long long number;

    if (sscanf(visit->wire.head, "GET /r/%lld ", &number) == 1)
        atomic_store(&seen[number], 1);
    wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/* True: a whole answer of 200. */
static bool ask(int fd, long long number)
{
    char text[512];
    size_t got = 0;
    int size =
        snprintf(text, sizeof text, "GET /r/%lld HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: kill test\r\n\r\n", number);

    if (send(fd, text, (size_t)size, MSG_NOSIGNAL) != size)
        return false;
    while (got + 1 < sizeof text) {
        ssize_t more = recv(fd, text + got, sizeof text - 1 - got, 0);

        if (more <= 0)
            return false;
        got += (size_t)more;
        text[got] = '\0';
        if (strstr(text, "\r\n\r\nok") != NULL)
            return strncmp(text, "HTTP/1.1 200 ", 13) == 0;
        if (strncmp(text, "HTTP/1.1 200 ", got < 13 ? got : 13) != 0)
            return false;
    }
    return false;
}

static void *client_main(void *arg)
{
    int fd = -1;

    (void)arg;
    while (!atomic_load(&stops)) {
        long long number;

        if (fd < 0)
            fd = http_connect(port);
        if (fd < 0) {
            tl_clock_sleep_ms(2);
            continue;
        }
        number = atomic_fetch_add(&next_request, 1);
        if (number >= REQUESTS_MAX)
            break;
        if (ask(fd, number)) {
            atomic_store(&answered[number], 1);
        } else {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* ---- the program ---- */

static void life_begin(struct run *run)
{
    char data[RUN_DIR_BYTES + 8];

    snprintf(data, sizeof data, "%s/data", dir);
    run_start(run, (const char *const[]){"intercept", "--data", data, "--listen", listen_at, "--upstream", upstream, "--mode",
                                         "durable", "--threads", "2", "--memory-max", "1000000", "--metrics-listen", ":0", NULL});
    cr_assert(run_says(run, "intercept listens url=", PATIENCE_MS), "%s", run_err_so_far(run));
}

static void check_sum(uint16_t metrics)
{
    struct http_answer answer = http_get(metrics, "/metrics");
    double received, sum;

    cr_assert_eq(answer.status, 200);
    received = http_sample(answer.body, "tally_intercept_events_received_total");
    sum = http_sample(answer.body, "tally_intercept_events_delivered_total") + http_sample(answer.body, "tally_spool_events") +
          http_sample_sum(answer.body, "tally_intercept_events_dropped_total{");
    cr_assert_eq(received, sum, "%.0f received, %.0f accounted for", received, sum);
    http_done(&answer);
}

static void move_log(const char *from, const char *to)
{
    char old[RUN_DIR_BYTES + 32], fresh[RUN_DIR_BYTES + 32];

    snprintf(old, sizeof old, "%s/data/%s", dir, from);
    snprintf(fresh, sizeof fresh, "%s/data/%s", dir, to);
    cr_assert_eq(rename(old, fresh), 0, "%s: %s", old, strerror(errno));
}

static void folder_in_place_of_log(bool there)
{
    char path[RUN_DIR_BYTES + 32];

    snprintf(path, sizeof path, "%s/data/log.db", dir);
    if (there)
        move_log("log.db", "log.away");
    cr_assert_eq(there ? mkdir(path, 0700) : rmdir(path), 0);
    if (!there)
        move_log("log.away", "log.db");
}

static void scrape_for(uint16_t metrics, int64_t ms)
{
    int64_t until_ms = tl_clock_monotonic_ms() + ms;

    do {
        check_sum(metrics);
        tl_clock_sleep_ms(20);
    } while (tl_clock_monotonic_ms() < until_ms);
}

static void one_life(struct chance *chance)
{
    bool away = chance_below(chance, 2) == 0;
    struct run run = {0};
    uint16_t metrics;

    life_begin(&run);
    metrics = http_port_said(&run, "intercept");
    scrape_for(metrics, 20 + chance_below(chance, LIFE_MS_MAX));
    if (away) {
        folder_in_place_of_log(true);
        scrape_for(metrics, 20 + chance_below(chance, LIFE_MS_MAX));
    }
    run_signal(&run, SIGKILL);
    run_wait(&run);
    cr_assert_eq(run.status, 128 + SIGKILL, "%s", run.err);
    run_done(&run);
    if (away)
        folder_in_place_of_log(false);
}

/* The last one sends what all have left, and ends well. */
static void last_life(void)
{
    struct run run = {0};
    char *text;

    life_begin(&run);
    text = http_wait_for(http_port_said(&run, "intercept"), "/metrics", 200, "\ntally_spool_events 0\n", PATIENCE_MS);
    cr_assert_not_null(text, "the spool does not come back to nothing");
    free(text);
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* ---- the log ---- */

static void mark_logged(unsigned char *logged)
{
    char data[RUN_DIR_BYTES + 8];
    const struct tl_log_spec spec = {.kind = "local", .data_dir = data};
    struct tl_log_entries entries;
    struct tl_log *log = NULL;
    int64_t next = 0;

    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(tl_log_open(&spec, TL_LOG_READ, &log, &err), TL_OK, "%s", err.message);
    do {
        cr_assert_eq(tl_log_read(log, TL_SV("events"), 0, next, 10000, SIZE_MAX, &entries, &err), TL_OK, "%s", err.message);
        for (size_t i = 0; i < entries.count; i++) {
            struct tl_sv value = entries.messages[i].value;
            const char *at = memmem(value.data, value.size, "/r/", 3);

            cr_assert_not_null(at);
            logged[strtoll(at + 3, NULL, 10)] = 1;
        }
        next = entries.next_offset;
    } while (entries.count > 0);
    tl_log_close(log);
}

Test(intercept_kill, durable, .timeout = 1800)
{
    struct chance chance = chance_open("intercept_kill");
    long long kills = getenv("TALLY_KILLS") != NULL ? strtoll(getenv("TALLY_KILLS"), NULL, 10) : 3, saw = 0, told = 0,
              missing = 0;
    unsigned char *logged = calloc(REQUESTS_MAX, 1);
    pthread_t clients[CLIENTS];

    seen = calloc(REQUESTS_MAX, sizeof *seen);
    answered = calloc(REQUESTS_MAX, sizeof *answered);
    run_folder_make(dir);
    site = site_open(note_and_answer, NULL);
    port = http_free_ports(1);
    snprintf(listen_at, sizeof listen_at, "127.0.0.1:%u", (unsigned)port);
    snprintf(upstream, sizeof upstream, "http://127.0.0.1:%u", (unsigned)site_port(site));
    for (int i = 0; i < CLIENTS; i++)
        cr_assert_eq(pthread_create(&clients[i], NULL, client_main, NULL), 0);
    for (long long i = 0; i < kills; i++)
        one_life(&chance);
    atomic_store(&stops, true);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    last_life();
    site_close(site);
    mark_logged(logged);
    for (long long i = 0; i < atomic_load(&next_request); i++) {
        bool owed = atomic_load(&seen[i]) || atomic_load(&answered[i]);

        saw += atomic_load(&seen[i]);
        told += atomic_load(&answered[i]);
        missing += owed && !logged[i];
    }
    cr_assert_gt(told, 0);
    cr_assert_eq(missing, 0, "%lld of %lld requests that the site has seen", missing, saw);
    cr_log_info("%lld kills: the site saw %lld requests and clients were answered %lld; none of them is missing", kills, saw,
                told);
    run_folder_remove(dir);
    free(seen);
    free(answered);
    free(logged);
}
