/* client.h: who sent a request: the address behind the proxies that are trusted, and what the site is told of it.
 *
 * A peer within --trust-proxy may say who was before it, in X-Forwarded-For, X-Forwarded-Proto and -Host, or Forwarded (RFC 7239), which counts where
 * there is no X-Forwarded-For. Read from the right, the first address that is not trusted itself is the client; where all are, the first in the
 * list. What is no address ("unknown", "_hidden") ends the search: then it is the proxy that said so. Scheme and host are those that stand as far from
 * the right as the client does, or where there are fewer, the first. What anybody else says of the kind is dropped.
 * Runs on: any thread; nothing is kept. */
#ifndef TL_CLIENT_H
#define TL_CLIENT_H

#include "base/buf.h"
#include "main/option.h"
#include "net/endpoint.h"
#include "net/http1.h"

/* --trust-proxy's addresses: "10.0.0.0/8", "::1", "loopback" (127.0.0.0/8, ::1), "private" (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16,
 * 169.254.0.0/16, fc00::/7, fe80::/10), "unix" (whoever comes through a Unix socket). */
struct tl_trust;
TL_MUST_USE enum tl_code tl_trust_open(const struct tl_option_list *list, struct tl_trust **out, struct tl_err *err);
void tl_trust_close(struct tl_trust *trust);
bool tl_trust_has(const struct tl_trust *trust, const struct tl_endpoint *address);

struct tl_client {
    char ip[TL_ENDPOINT_TEXT_BYTES]; /* zero-terminated, as inet_ntop writes it; IPv4 in IPv6 as IPv4 */
    bool https;
    struct tl_sv host; /* a view into the head */
};

/* `peer`: who is connected, or by PROXY protocol was; `peer_trusted`: that one is trusted. */
void tl_client_of(const struct tl_trust *trust, const struct tl_endpoint *peer, bool peer_trusted, bool tls,
                  const struct tl_http1_head *head, struct tl_client *out);
/* A name or address with or without a port, as one may stand in Host. */
bool tl_client_is_host(struct tl_sv text);
/* Is it one of the headers that tl_client_put_forwarded writes anew (X-Real-IP is one too)? */
bool tl_client_is_forwarded_header(struct tl_sv name);
/* Does it say of the client what only a proxy may say, in another way than those (X-Forwarded-Port, True-Client-IP, CF-Connecting-IP, ...)? It is to be
 * dropped where the peer is not trusted. */
bool tl_client_is_claim(struct tl_sv name);
/* Appends X-Forwarded-For, -Proto, -Host, X-Real-IP and Forwarded, each a line with CR LF: a trusted peer's, and the peer behind it. Forwarded has
 * the client and the peer, or a trusted peer's list and the peer where that one sends no X-Forwarded-For. */
void tl_client_put_forwarded(const struct tl_trust *trust, const struct tl_endpoint *peer, bool peer_trusted, bool tls,
                             const struct tl_http1_head *head, struct tl_buf *out);

#endif
