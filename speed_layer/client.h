/* client.h: who sent a request: the address behind the proxies that are trusted, and what the site is told of it.
 *
 * A peer within --trust-proxy may say who was before it, in X-Forwarded-For, X-Forwarded-Proto and -Host, or Forwarded (RFC 7239), which counts where
 * there is no X-Forwarded-For; read from the right, the first address that is not trusted itself is the client. What anybody else says of the kind is dropped.
 * Runs on: any thread; nothing is kept. */
#ifndef TL_CLIENT_H
#define TL_CLIENT_H

#include "base/buf.h"
#include "main/option.h"
#include "net/endpoint.h"
#include "net/http1.h"

struct tl_trust; /* --trust-proxy's addresses: "10.0.0.0/8", "::1", "loopback", "private" */
TL_MUST_USE enum tl_code tl_trust_open(const struct tl_option_list *list, struct tl_trust **out, struct tl_err *err);
void tl_trust_close(struct tl_trust *trust);
bool tl_trust_has(const struct tl_trust *trust, const struct tl_endpoint *address);

struct tl_client {
    char ip[TL_ENDPOINT_TEXT_BYTES]; /* zero-terminated, as inet_ntop writes it; IPv4 in IPv6 as IPv4 */
    bool https;
    struct tl_sv host; /* a view into the head */
};

/* `peer`: who is connected, or by PROXY protocol was; `peer_trusted`: who is connected is trusted. */
void tl_client_of(const struct tl_trust *trust, const struct tl_endpoint *peer, bool peer_trusted, bool tls,
                  const struct tl_http1_head *head, struct tl_client *out);
/* Is it one of the headers that tl_client_put_forwarded writes anew? */
bool tl_client_is_forwarded_header(struct tl_sv name);
/* Appends X-Forwarded-For, -Proto, -Host and Forwarded, each a line with CR LF: a trusted peer's, and the peer behind it. */
void tl_client_put_forwarded(const struct tl_trust *trust, const struct tl_endpoint *peer, bool peer_trusted, bool tls,
                             const struct tl_http1_head *head, struct tl_buf *out);

#endif
