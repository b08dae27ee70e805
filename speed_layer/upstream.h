/* upstream.h: the sites that requests are passed on to, by the host that they ask for.
 *
 *     http://127.0.0.1:3000                    every host that no other upstream names
 *     shop.example.com=http://10.0.0.5:8080    this one
 *     *.example.com=https://app.internal       all below it
 *
 * Names are looked up when they are opened, and again by tl_upstreams_refresh: a site that moves is found without a restart.
 * Runs on: any thread; a mutex guards the addresses. */
#ifndef TL_UPSTREAM_H
#define TL_UPSTREAM_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "main/option.h"

enum { TL_UPSTREAM_ADDRESSES_MAX = 16 };

struct tl_upstream_address {
    struct sockaddr_storage socket;
    socklen_t size;
};

struct tl_upstream {
    uint32_t number;
    struct tl_sv name; /* the host that requests ask for, in lower case; "*.example.com"; empty: any other */
    char *host;        /* where the site is */
    char *authority;   /* the same with its port, for messages and for requests without a Host */
    char *port;
    SSL_CTX *tls; /* NULL: http */
    pthread_mutex_t mutex;
    struct tl_upstream_address addresses[TL_UPSTREAM_ADDRESSES_MAX]; /* with the mutex */
    size_t addresses_count, next;
    atomic_llong said_ms; /* when it was last said that it fails (monotonic) */
};

struct tl_upstreams;

/* `list`: as above. `ca` NULL: of https the certificates are checked against the system's authorities. A name that is not found now is no
 * error: it is looked up again. */
TL_MUST_USE enum tl_code tl_upstreams_open(const struct tl_option_list *list, const char *ca, struct tl_upstreams **out,
                                           struct tl_err *err);
void tl_upstreams_close(struct tl_upstreams *upstreams);
size_t tl_upstreams_count(const struct tl_upstreams *upstreams);
/* The one for a request's Host (with or without a port, in any case), or NULL. */
struct tl_upstream *tl_upstreams_find(struct tl_upstreams *upstreams, struct tl_sv host);
/* Looks all names up anew; may take as long as the resolver does. */
void tl_upstreams_refresh(struct tl_upstreams *upstreams);
/* For a request's first attempt (0) the next address in turn, and for each further one the next behind that: `*turn` is kept in between. False: its
 * name is not known. */
bool tl_upstream_address(struct tl_upstream *upstream, size_t attempt, size_t *turn, struct tl_upstream_address *out);
size_t tl_upstream_addresses_count(struct tl_upstream *upstream);
/* Tells the operator that it fails and why: a line every 10 s at most. */
void tl_upstream_complain(struct tl_upstream *upstream, const char *why, int64_t now_ms);

#endif
