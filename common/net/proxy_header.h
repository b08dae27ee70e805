/* proxy_header.h: the PROXY protocol, versions 1 and 2: what a load balancer puts before a connection's bytes to say who is behind it.
 * Source: HAProxy, doc/proxy-protocol.txt. */
#ifndef TL_PROXY_HEADER_H
#define TL_PROXY_HEADER_H

#include "net/endpoint.h"

enum { TL_PROXY_HEADER_BYTES_MAX = 536 };
enum tl_proxy_result { TL_PROXY_MORE, TL_PROXY_DONE, TL_PROXY_BAD };

/* `bytes` are all that came so far. DONE: *used of them are the header; *from is whom it names, or not known (LOCAL, UNKNOWN, Unix sockets): then the
 * peer counts. */
enum tl_proxy_result tl_proxy_header_read(struct tl_sv bytes, struct tl_endpoint *from, size_t *used);

#endif
