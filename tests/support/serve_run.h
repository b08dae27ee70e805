/* serve_run.h: `tally serve` as a process over the folder of a pipeline, and what it answers.
 *
 *     struct serve serve;
 *     struct serve_answer answer;
 *
 *     serve_start(&serve, &p, (const char *const[]){"--rate", "5", NULL});
 *     answer = serve_get(&serve, "/api/v1/views");
 *     cr_assert_eq(answer.status, 200);
 *     serve_done(&answer);
 *     serve_stop(&serve); */
#ifndef TL_TEST_SERVE_RUN_H
#define TL_TEST_SERVE_RUN_H

#include "support/http_get.h"
#include "support/pipeline.h"

struct serve {
    struct run run;
    uint16_t port, monitor;
};

/* On ports of its own; `args` more options. Returns when it listens. */
void serve_start(struct serve *serve, const struct pipeline *p, const char *const *args);
/* Waits until it has looked at the store. */
void serve_found(const struct serve *serve);
/* SIGTERM; it must end well. */
void serve_stop(struct serve *serve);

struct serve_answer {
    int status;
    size_t size; /* of the body, as its head says */
    char *body;  /* in `http` */
    struct http_answer http;
};

/* Over a connection of its own; `headers`: lines, each with its CRLF. */
struct serve_answer serve_ask(const struct serve *serve, const char *method, const char *target, const char *headers);
struct serve_answer serve_get(const struct serve *serve, const char *target);
void serve_done(struct serve_answer *answer);
/* The value of a header; "": there is none. Good for the next seven calls. */
const char *serve_header(const struct serve_answer *answer, const char *name);
/* Asks until the answer has that status and those words in head or body; fails the test where it does not come to it. The caller ends the answer. */
struct serve_answer serve_wait(const struct serve *serve, const char *target, int status, const char *words);

#endif
