/* endpoint.c: who is at the other end of a connection, and networks. See endpoint.h. */
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4_AT = 12, V4_PREFIX_BITS = 96, BITS = 128 };

static const uint8_t v4_prefix[V4_AT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const uint8_t bytes[16])
{
    return memcmp(bytes, v4_prefix, sizeof v4_prefix) == 0;
}

static void set_v4(struct tl_endpoint *out, const void *bytes)
{
    memcpy(out->bytes, v4_prefix, sizeof v4_prefix);
    memcpy(out->bytes + V4_AT, bytes, sizeof out->bytes - V4_AT);
}

void tl_endpoint_from_socket(const struct sockaddr *from, struct tl_endpoint *out)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    *out = (struct tl_endpoint){.known = from->sa_family == AF_INET || from->sa_family == AF_INET6};
    if (from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof v4);
        set_v4(out, &v4.sin_addr);
        out->port = ntohs(v4.sin_port);
    } else if (from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof v6);
        memcpy(out->bytes, &v6.sin6_addr, sizeof out->bytes);
        out->port = ntohs(v6.sin6_port);
    }
}

static bool parse_port(struct tl_sv text, uint16_t *out)
{
    uint32_t port = 0;

    if (text.size == 0 || text.size > 5)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool parse_bare(struct tl_sv text, struct tl_endpoint *out)
{
    char copy[TL_ENDPOINT_TEXT_BYTES];
    struct in_addr v4;

    if (text.size == 0 || text.size >= sizeof copy || memchr(text.data, '\0', text.size) != NULL)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1)
        set_v4(out, &v4);
    else if (inet_pton(AF_INET6, copy, out->bytes) != 1)
        return false;
    out->known = true;
    return true;
}

bool tl_endpoint_parse(struct tl_sv text, struct tl_endpoint *out)
{
    struct tl_endpoint endpoint = {.known = false};
    struct tl_sv host = text, port = {NULL, 0};
    const char *colon = text.size > 0 ? memchr(text.data, ':', text.size) : NULL;
    bool brackets = text.size > 0 && text.data[0] == '[';
    bool several = colon != NULL && memchr(colon + 1, ':', text.size - (size_t)(colon + 1 - text.data)) != NULL;

    if (brackets) {
        const char *end = memchr(text.data, ']', text.size);

        if (end == NULL)
            return false;
        host = (struct tl_sv){text.data + 1, (size_t)(end - text.data) - 1};
        port = (struct tl_sv){end + 1, text.size - host.size - 2};
        if (memchr(host.data, ':', host.size) == NULL || (port.size > 0 && port.data[0] != ':'))
            return false; /* [127.0.0.1], [::1]80 */
    } else if (colon != NULL && !several) {
        host.size = (size_t)(colon - text.data);
        port = (struct tl_sv){colon, text.size - host.size};
    }
    if (!parse_bare(host, &endpoint))
        return false;
    if (port.size > 0 && !parse_port((struct tl_sv){port.data + 1, port.size - 1}, &endpoint.port))
        return false;
    *out = endpoint;
    return true;
}

const char *tl_endpoint_text(const struct tl_endpoint *endpoint, char out[TL_ENDPOINT_TEXT_BYTES])
{
    out[0] = '\0';
    if (endpoint->known && is_v4(endpoint->bytes))
        inet_ntop(AF_INET, endpoint->bytes + V4_AT, out, TL_ENDPOINT_TEXT_BYTES);
    else if (endpoint->known)
        inet_ntop(AF_INET6, endpoint->bytes, out, TL_ENDPOINT_TEXT_BYTES);
    return out;
}

/* Sets what is beyond the first `bits` to zero: 10.1.2.3/8 and 10.0.0.0/8 are the same network. */
static void cut_to_bits(uint8_t bytes[16], unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = bits > i * 8 ? bits - i * 8 : 0;

        if (kept < 8)
            bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
}

enum tl_code tl_network_parse(struct tl_sv text, struct tl_network *out, struct tl_err *err)
{
    struct tl_sv rest = text, base = tl_sv_cut(&rest, '/');
    struct tl_endpoint endpoint = {.known = false};
    uint16_t bits = BITS;
    bool v4;

    if (!parse_bare(base, &endpoint))
        goto refused;
    v4 = memchr(base.data, ':', base.size) == NULL;
    if (base.size < text.size) {
        if (!parse_port(rest, &bits) || bits > (v4 ? BITS - V4_PREFIX_BITS : BITS))
            goto refused;
        bits = (uint16_t)(bits + (v4 ? V4_PREFIX_BITS : 0));
    }
    memcpy(out->bytes, endpoint.bytes, sizeof out->bytes);
    out->bits = bits;
    cut_to_bits(out->bytes, bits);
    return TL_OK;
refused:
    return tl_fail(err, TL_ERR_USAGE, "'%.*s' is no network; right would be 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1",
                   TL_SV_ARG(text));
}

bool tl_network_has(const struct tl_network *network, const struct tl_endpoint *endpoint)
{
    uint8_t bytes[16];

    if (!endpoint->known)
        return false;
    memcpy(bytes, endpoint->bytes, sizeof bytes);
    cut_to_bits(bytes, network->bits);
    return memcmp(bytes, network->bytes, sizeof bytes) == 0;
}

bool tl_endpoint_is_loopback(const struct tl_endpoint *endpoint)
{
    if (!endpoint->known)
        return false;
    return is_v4(endpoint->bytes) ? endpoint->bytes[V4_AT] == 127 : memcmp(endpoint->bytes, &in6addr_loopback, 16) == 0;
}
