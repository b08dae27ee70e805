/* endpoint.h: who is at the other end of a connection: an address of IPv4 or IPv6 and a port; and networks of them. */
#ifndef TL_ENDPOINT_H
#define TL_ENDPOINT_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/base.h"
#include "base/sv.h"

enum { TL_ENDPOINT_TEXT_BYTES = INET6_ADDRSTRLEN };

/* 16 bytes, IPv4 as ::ffff:a.b.c.d; all zero and not known: a Unix socket. */
struct tl_endpoint {
    uint8_t bytes[16];
    bool known;
    uint16_t port;
};

struct tl_network {
    uint8_t bytes[16];
    unsigned bits; /* of the 128 */
};

void tl_endpoint_from_socket(const struct sockaddr *from, struct tl_endpoint *out);
/* "203.0.113.7", "203.0.113.7:4711", "2001:db8::1", "[2001:db8::1]:4711". */
TL_MUST_USE bool tl_endpoint_parse(struct tl_sv text, struct tl_endpoint *out);
/* As inet_ntop writes it, IPv4 as IPv4, without the port; "" where it is not known. */
const char *tl_endpoint_text(const struct tl_endpoint *endpoint, char out[TL_ENDPOINT_TEXT_BYTES]);
/* "10.0.0.0/8", "2001:db8::/32", or a single address. */
TL_MUST_USE enum tl_code tl_network_parse(struct tl_sv text, struct tl_network *out, struct tl_err *err);
bool tl_network_has(const struct tl_network *network, const struct tl_endpoint *endpoint);
bool tl_endpoint_is_loopback(const struct tl_endpoint *endpoint);

#endif
