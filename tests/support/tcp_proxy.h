/* tcp_proxy.h: stands between a client and a server and cuts the connection around a word that the client sends: PostgreSQL's COMMIT.
 *
 * What the client sends in one go is one piece: it is looked at for the word, and passed on whole or not at all. Runs in a thread of its own;
 * both ends of a cut connection are reset, as by a network that has gone. */
#ifndef TL_TESTS_TCP_PROXY_H
#define TL_TESTS_TCP_PROXY_H

#include <stddef.h>
#include <stdint.h>

struct tcp_proxy;

enum tcp_proxy_cut {
    TCP_PROXY_PASS,
    TCP_PROXY_BEFORE, /* the piece with the word does not reach the server */
    TCP_PROXY_SENT,   /* it does, and at once the connection is gone */
    TCP_PROXY_AFTER,  /* it does, and the server answers, and nobody hears it */
    TCP_PROXY_SAY,    /* it does, and the client hears a pooler's own word, and then nothing */
    TCP_PROXY_HOLD,   /* it does not, and nothing passes either way any more: TCP lives, and nobody answers */
    TCP_PROXY_ALL,    /* whoever connects is cut off at once */
};

/* To 127.0.0.1:port. `word`: its bytes, up to 32. */
struct tcp_proxy *tcp_proxy_open(const void *word, size_t size, uint16_t port);
uint16_t tcp_proxy_port(const struct tcp_proxy *proxy);
/* Cuts at the nth (1 ..) piece with the word from now on, once. */
void tcp_proxy_cut(struct tcp_proxy *proxy, enum tcp_proxy_cut how, int nth);
int tcp_proxy_cuts(struct tcp_proxy *proxy);  /* so far */
void tcp_proxy_drop(struct tcp_proxy *proxy); /* resets all connections that there are */
void tcp_proxy_close(struct tcp_proxy *proxy);

#endif
