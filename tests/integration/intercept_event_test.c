/* intercept_event_test.c: when an event leaves, what it knows then, and which partition it goes to. */
#include <criterion/criterion.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "support/intercept_run.h"

TestSuite(intercept_event, .timeout = 60);

enum { PATIENCE_MS = 20000 };

static void get(struct wire *wire, const char *target, const char *host)
{
    wire_say(wire, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host);
}

/* The head when it is told to, the body when it is told to again. */
struct held {
    sem_t head, body;
};

static void hold(struct site_visit *visit)
{
    struct held *held = visit->ctx;

    (void)wire_body(&visit->wire, false);
    sem_wait(&held->head);
    wire_say(&visit->wire, "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n");
    sem_wait(&held->body);
    wire_say(&visit->wire, "done");
}

static void held_open(struct held *held)
{
    cr_assert_eq(sem_init(&held->head, 0, 0), 0);
    cr_assert_eq(sem_init(&held->body, 0, 0), 0);
}

/* The body is still to come. */
Test(intercept_event, leaves_with_the_answers_head)
{
    struct held held;
    struct site *site;
    struct intercept intercept;
    struct wire wire;

    held_open(&held);
    site = site_open(hold, &held);
    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    get(&wire, "/head", "www.example.com");
    sem_post(&held.head);
    cr_assert(wire_head(&wire));
    cr_expect(intercept_has_logged(&intercept, "\"status\":201,", 1, PATIENCE_MS));
    cr_expect_eq(intercept_logged(&intercept, 0, "\"bytes\":4}"), 1);
    cr_expect_eq(intercept_logged(&intercept, 0, "\"duration_ms\":null"), 0);
    sem_post(&held.body);
    cr_expect(wire_body(&wire, false).whole);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* A site that thinks for long: the event has left without its answer, and leaves once. */
Test(intercept_event, leaves_after_two_seconds_without_an_answer)
{
    struct held held;
    struct site *site;
    struct intercept intercept;
    struct wire wire;

    held_open(&held);
    site = site_open(hold, &held);
    INTERCEPT(&intercept, site, NO_ARGS);
    wire_open(&wire, intercept.port);
    get(&wire, "/slow", "www.example.com");
    cr_expect(intercept_has_logged(&intercept, "\"status\":null,\"duration_ms\":null,\"bytes\":null}", 1, PATIENCE_MS));
    sem_post(&held.head);
    sem_post(&held.body);
    wire_answer(&wire);
    cr_expect_eq(wire.status, 201);
    get(&wire, "/behind", "www.example.com");
    sem_post(&held.head);
    sem_post(&held.body);
    wire_answer(&wire);
    cr_expect(intercept_has_logged(&intercept, "/behind", 1, PATIENCE_MS));
    cr_expect_eq(intercept_logged(&intercept, 0, "/slow"), 1);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* In durable mode the queue has the event when the site hears of the request: its answer is not waited for. */
Test(intercept_event, durable_leaves_before_the_request)
{
    struct held held;
    struct site *site;
    struct intercept intercept;
    struct wire wire;

    held_open(&held);
    site = site_open(hold, &held);
    INTERCEPT(&intercept, site, ARGS("--mode", "durable"));
    wire_open(&wire, intercept.port);
    get(&wire, "/first", "www.example.com");
    sem_post(&held.head);
    sem_post(&held.body);
    wire_answer(&wire);
    cr_expect_eq(wire.status, 201);
    cr_expect(intercept_has_logged(&intercept, "\"status\":null,", 1, PATIENCE_MS));
    cr_expect_eq(intercept_logged(&intercept, 0, "\"status\":201"), 0);
    wire_close(&wire);
    intercept_stop(&intercept);
    site_close(site);
}

/* By host one partition has all of a host; by the event's id none has all. */
Test(intercept_event, the_key_decides_on_the_partition)
{
    static const char *const keys[] = {"host", "none"};
    enum { EVENTS = 40, PARTITIONS = 4 };

    for (size_t k = 0; k < 2; k++) {
        struct site *site = site_open(site_echo_line, NULL);
        struct intercept intercept;
        struct wire wire;
        int most = 0, all = 0;

        INTERCEPT(&intercept, site, ARGS("--key", keys[k], "--partitions", "4"));
        wire_open(&wire, intercept.port);
        for (int i = 0; i < EVENTS; i++) {
            get(&wire, "/a", "www.example.com");
            wire_answer(&wire);
        }
        wire_close(&wire);
        run_signal(&intercept.run, SIGTERM); /* it ends when all are in the log */
        run_wait(&intercept.run);
        cr_assert_eq(intercept.run.status, 0, "%s", intercept.run.err);
        run_done(&intercept.run);
        for (unsigned p = 0; p < PARTITIONS; p++) {
            int here = intercept_logged(&intercept, p, "www.example.com");

            all += here;
            most = here > most ? here : most;
        }
        cr_expect_eq(all, EVENTS, "%s: %d", keys[k], all);
        cr_expect_eq(most == EVENTS, k == 0, "%s: %d of %d in one", keys[k], most, EVENTS);
        run_folder_remove(intercept.dir);
        site_close(site);
    }
}
