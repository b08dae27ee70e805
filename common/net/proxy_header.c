/* proxy_header.c: the PROXY protocol. See proxy_header.h. */
#include "net/proxy_header.h"

#include <string.h>

#include "base/sv.h"

/* Version 2:
 *
 *     0            12      13       14      16
 *     | signature  | 2 cmd | fam tr | length | addresses (by family), then TLVs: length bytes | */
static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    V2_HEAD_BYTES = 16,
    V2_COMMAND_LOCAL = 0x20,
    V2_COMMAND_PROXY = 0x21,
    V2_FAMILY_UNSPEC = 0,
    V2_FAMILY_INET = 1,
    V2_FAMILY_INET6 = 2,
    V2_FAMILY_UNIX = 3,
    V2_TRANSPORT_MAX = 2, /* unspecified, stream, datagram */
    V2_INET_BYTES = 12,
    V2_INET6_BYTES = 36,
    V2_UNIX_BYTES = 216,
    V1_BYTES_MAX = 107, /* with CRLF: "PROXY UNKNOWN" and two addresses of IPv6 in full */
};

static uint16_t two_bytes(const char *at)
{
    return (uint16_t)((unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

static bool is_port(struct tl_sv text, uint16_t *out)
{
    int64_t port;

    if (text.size == 0 || text.data[0] < '0' || text.data[0] > '9' || (text.size > 1 && text.data[0] == '0') ||
        !tl_sv_to_i64(text, &port) || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

/* An address as version 1 writes it: without a port, of the family that was named. */
static bool is_address(struct tl_sv text, bool v6, struct tl_endpoint *out)
{
    bool colon = text.size > 0 && memchr(text.data, ':', text.size) != NULL;

    return colon == v6 && (text.size == 0 || text.data[0] != '[') && tl_endpoint_parse(text, out);
}

/* A line without its CRLF. */
static bool read_v1(struct tl_sv line, struct tl_endpoint *from)
{
    struct tl_sv rest = line;
    struct tl_sv protocol, source, target, source_port, target_port;
    struct tl_endpoint to;
    uint16_t port, to_port;
    bool v6;

    (void)tl_sv_cut(&rest, ' '); /* "PROXY" */
    protocol = tl_sv_cut(&rest, ' ');
    if (tl_sv_eq(protocol, TL_SV("UNKNOWN")))
        return true;
    v6 = tl_sv_eq(protocol, TL_SV("TCP6"));
    if (!v6 && !tl_sv_eq(protocol, TL_SV("TCP4")))
        return false;
    source = tl_sv_cut(&rest, ' ');
    target = tl_sv_cut(&rest, ' ');
    source_port = tl_sv_cut(&rest, ' ');
    target_port = rest;
    if (!is_address(source, v6, from) || !is_address(target, v6, &to) || !is_port(source_port, &port) ||
        !is_port(target_port, &to_port))
        return false;
    from->port = port;
    return true;
}

static enum tl_proxy_result v1(struct tl_sv bytes, struct tl_endpoint *from, size_t *used)
{
    size_t looked = bytes.size < V1_BYTES_MAX ? bytes.size : V1_BYTES_MAX;
    const char *end = memchr(bytes.data, '\n', looked);
    struct tl_endpoint named = {.known = false};

    if (end == NULL)
        return looked == V1_BYTES_MAX ? TL_PROXY_BAD : TL_PROXY_MORE;
    if (end[-1] != '\r' || !read_v1((struct tl_sv){bytes.data, (size_t)(end - bytes.data) - 1}, &named))
        return TL_PROXY_BAD;
    *from = named;
    *used = (size_t)(end - bytes.data) + 1;
    return TL_PROXY_DONE;
}

/* The addresses of a PROXY command. False: fewer bytes than the family needs, or a family that is not known. */
static bool read_v2_addresses(unsigned family, struct tl_sv body, struct tl_endpoint *from)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    switch (family) {
    case V2_FAMILY_UNSPEC: return true;
    case V2_FAMILY_UNIX: return body.size >= V2_UNIX_BYTES;
    case V2_FAMILY_INET:
        if (body.size < V2_INET_BYTES)
            return false;
        memcpy(&v4.sin_addr, body.data, 4);
        memcpy(&v4.sin_port, body.data + 8, 2);
        tl_endpoint_from_socket((const struct sockaddr *)&v4, from);
        return true;
    case V2_FAMILY_INET6:
        if (body.size < V2_INET6_BYTES)
            return false;
        memcpy(&v6.sin6_addr, body.data, 16);
        memcpy(&v6.sin6_port, body.data + 32, 2);
        tl_endpoint_from_socket((const struct sockaddr *)&v6, from);
        return true;
    default: return false;
    }
}

static enum tl_proxy_result v2(struct tl_sv bytes, struct tl_endpoint *from, size_t *used)
{
    struct tl_endpoint named = {.known = false};
    unsigned command, family, transport;
    size_t body_bytes;

    if (bytes.size < V2_HEAD_BYTES)
        return TL_PROXY_MORE;
    command = (unsigned char)bytes.data[12];
    family = (unsigned char)bytes.data[13] >> 4;
    transport = (unsigned char)bytes.data[13] & 0xf;
    body_bytes = two_bytes(bytes.data + 14);
    if ((command != V2_COMMAND_LOCAL && command != V2_COMMAND_PROXY) || body_bytes > TL_PROXY_HEADER_BYTES_MAX - V2_HEAD_BYTES)
        return TL_PROXY_BAD;
    if (bytes.size < V2_HEAD_BYTES + body_bytes)
        return TL_PROXY_MORE;
    if (command == V2_COMMAND_PROXY &&
        (transport > V2_TRANSPORT_MAX ||
         !read_v2_addresses(family, (struct tl_sv){bytes.data + V2_HEAD_BYTES, body_bytes}, &named)))
        return TL_PROXY_BAD;
    *from = named;
    *used = V2_HEAD_BYTES + body_bytes;
    return TL_PROXY_DONE;
}

enum tl_proxy_result tl_proxy_header_read(struct tl_sv bytes, struct tl_endpoint *from, size_t *used)
{
    const struct tl_sv first = {"PROXY ", 6}, second = {signature, sizeof signature};
    struct tl_sv begun = bytes;

    if (tl_sv_starts(bytes, second))
        return v2(bytes, from, used);
    if (tl_sv_starts(bytes, first))
        return v1(bytes, from, used);
    if (begun.size < second.size && (tl_sv_starts(first, begun) || tl_sv_starts(second, begun)))
        return TL_PROXY_MORE;
    return TL_PROXY_BAD;
}
