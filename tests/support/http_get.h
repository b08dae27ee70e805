/* http_get.h: asks a program under test for its pages, as a monitor does, and reads numbers out of them. */
#ifndef TL_TEST_HTTP_GET_H
#define TL_TEST_HTTP_GET_H

#include <stdint.h>

#include "support/run.h"

/* A socket, or -1 where nobody listens. */
int http_connect(uint16_t port);

/* The first of so many ports in a row that nobody listens on just now. */
uint16_t http_free_ports(int count);

struct http_answer {
    int status; /* 0: no answer that is one */
    char *all;  /* as it came */
    char *body; /* in it */
};

/* Sends the bytes to a port of the loopback and reads until the other side closes. */
struct http_answer http_send(uint16_t port, const char *request, size_t size);
struct http_answer http_get(uint16_t port, const char *path);
void http_done(struct http_answer *answer);

/* The port that a program said on stderr; waits for it. `part` is the command's name: of `tally up` each child says its own. */
uint16_t http_port_said(const struct run *run, const char *part);
/* Asks again and again until the page has that status, and the text in it; then its body, which the caller frees. NULL: the time is over. */
char *http_wait_for(uint16_t port, const char *path, int status, const char *text, int timeout_ms);

/* Of Prometheus text: the value of `series` as it is written, with its labels; NAN where it is not there. */
double http_sample(const char *text, const char *series);
/* The sum over the series that begin so: "tally_events_total{view=\"hits\"". */
double http_sample_sum(const char *text, const char *beginning);

#endif
