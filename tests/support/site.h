/* site.h: a website for the interceptor's tests: a server whose answers are written in the test, and which notes what it got.
 *
 *     static void hello(struct site_visit *visit)          called for each request, when its head has been read
 *     {
 *         wire_body(&visit->wire, false);
 *         wire_say(&visit->wire, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
 *     }
 *
 * A thread accepts, and each connection has one of its own. */
#ifndef TL_TEST_SITE_H
#define TL_TEST_SITE_H

#include "support/wire.h"

struct site;

struct site_visit {
    struct wire wire; /* wire.head: the request's */
    struct site *site;
    struct site_connection *of;
    unsigned connection, request; /* of the site, from 0; of the connection, from 0 */
    void *ctx;
};

typedef void site_answer(struct site_visit *visit);

struct site *site_open(site_answer *answer, void *ctx);
/* With TLS. */
struct site *site_open_tls(site_answer *answer, void *ctx, const char *certificate, const char *key);
/* At a port: where one has stood before. */
struct site *site_open_at(site_answer *answer, void *ctx, uint16_t port);
/* Cuts what is open, and waits for all threads. */
void site_close(struct site *site);
uint16_t site_port(const struct site *site);

unsigned site_connections(struct site *site); /* that were accepted */
unsigned site_requests(struct site *site);    /* whose head came whole */
/* Waits until the connections that are open are so many. */
bool site_waits_for_open(struct site *site, unsigned count, int timeout_ms);
/* How many of the heads had the words in them. */
unsigned site_saw(struct site *site, const char *words);

/* Ends a visit's connection, or resets it. */
void site_hang_up(struct site_visit *visit);
void site_cut(struct site_visit *visit);
/* 200 with the request line as text: "GET /a". Reads the body. */
void site_echo_line(struct site_visit *visit);

#endif
