/* proxy_header_test.c: what load balancers put before a connection's bytes, in both versions, and what only looks like it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/proxy_header.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static struct tl_sv own_copy(struct tl_sv bytes, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    cr_assert_not_null(copy);
    if (size > 0)
        memcpy(copy, bytes.data, size);
    return (struct tl_sv){copy, size};
}

/* As much of it as has come: more is wanted until the last byte; what is behind it changes nothing. */
static enum tl_proxy_result read_all(struct tl_sv bytes, struct tl_endpoint *from, size_t *used)
{
    enum tl_proxy_result result = TL_PROXY_MORE;

    for (size_t size = 0; size <= bytes.size && result == TL_PROXY_MORE; size++) {
        struct tl_sv come = own_copy(bytes, size);

        result = tl_proxy_header_read(come, from, used);
        free((void *)(uintptr_t)come.data);
    }
    return result;
}

static void expect_taken(struct tl_sv header, const char *address, uint16_t port)
{
    struct tl_endpoint from = {.port = 7}, whole;
    char text[TL_ENDPOINT_TEXT_BYTES], text_whole[TL_ENDPOINT_TEXT_BYTES];
    size_t used = 0, used_whole = 0;
    struct tl_buf both;

    cr_assert_eq(read_all(header, &from, &used), TL_PROXY_DONE, "%.*s", TL_SV_ARG(header));
    cr_expect_eq(used, header.size);
    cr_expect_str_eq(tl_endpoint_text(&from, text), address);
    cr_expect_eq(from.port, port);
    tl_buf_init(&both, 0);
    tl_buf_put_sv(&both, header);
    tl_buf_put_str(&both, "GET / HTTP/1.1\r\n");
    cr_assert_eq(tl_proxy_header_read(tl_buf_sv(&both), &whole, &used_whole), TL_PROXY_DONE);
    cr_expect_eq(used_whole, header.size);
    cr_expect_str_eq(tl_endpoint_text(&whole, text_whole), address);
    tl_buf_done(&both);
}

static void expect_result(struct tl_sv header, enum tl_proxy_result want)
{
    struct tl_endpoint from;
    size_t used;

    cr_expect_eq(read_all(header, &from, &used), want, "byte by byte: %.*s", TL_SV_ARG(header));
    cr_expect_eq(tl_proxy_header_read(header, &from, &used), want, "whole: %.*s", TL_SV_ARG(header));
}

Test(proxy_header, version_1)
{
    static const char *const refused[] = {
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1:5 192.0.2.2 1 2\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 [::1] ::2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "PROXX",
        "PROXY\r\n",
        "GET / HTTP/1.1\r\n",
        "PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123\r\n",
    };

    expect_taken(TL_SV("PROXY TCP4 192.0.2.1 198.51.100.255 4711 443\r\n"), "192.0.2.1", 4711);
    expect_taken(TL_SV("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"), "2001:db8::1", 0);
    expect_taken(TL_SV("PROXY UNKNOWN\r\n"), "", 0);
    expect_taken(TL_SV("PROXY UNKNOWN ffff::1 whatever 1 2\r\n"), "", 0);
    for (size_t i = 0; i < TL_COUNT(refused); i++)
        expect_result(tl_sv_from(refused[i]), TL_PROXY_BAD);
    expect_result(TL_SV(""), TL_PROXY_MORE);
    expect_result(TL_SV("PROXY TCP4 192.0.2.1 198.51.100.255 4711 443\r"), TL_PROXY_MORE);
}

Test(proxy_header, version_2)
{
    static const char v4[] = V2 "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\1\xbb";
    static const char v4_tlvs[] = V2 "\x21\x11\0\x13\xc0\0\2\1\xc6\x33\x64\1\x12\x67\1\xbb\x04\0\4abcd";
    static const char v6[] =
        V2 "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x12\x67\1\xbb";
    static const char local[] = V2 "\x20\0\0\0",
                      local_with_addresses[] = V2 "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\1\xbb";
    static const char unspecified[] = V2 "\x21\0\0\3abc", datagram[] = V2 "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\1\xbb";
    static const char version_3[] = V2 "\x31\x11\0\x0c", command_2[] = V2 "\x22\x11\0\x0c", too_long[] = V2 "\x21\x11\2\x09";
    static const char short_v4[] = V2 "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\1\x12\x67\1";
    static const char family_4[] = V2 "\x21\x41\0\1a", transport_3[] = V2 "\x21\x13\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\1\xbb";
    static const char short_v6[] = V2 "\x21\x21\0\1a", short_unix[] = V2 "\x21\x31\0\1a", bad_signature[] = "\r\n\r\n\0\r\nQUIX";
    struct tl_buf full;

    expect_taken(TL_SV(v4), "192.0.2.1", 4711);
    expect_taken(TL_SV(v4_tlvs), "192.0.2.1", 4711);
    expect_taken(TL_SV(v6), "2001:db8::7", 4711);
    expect_taken(TL_SV(local), "", 0);
    expect_taken(TL_SV(local_with_addresses), "", 0);
    expect_taken(TL_SV(unspecified), "", 0);
    expect_taken(TL_SV(datagram), "192.0.2.1", 4711);
    expect_result(TL_SV(version_3), TL_PROXY_BAD);
    expect_result(TL_SV(command_2), TL_PROXY_BAD);
    expect_result(TL_SV(too_long), TL_PROXY_BAD);
    expect_result(TL_SV(short_v4), TL_PROXY_BAD);
    expect_result(TL_SV(short_v6), TL_PROXY_BAD);
    expect_result(TL_SV(short_unix), TL_PROXY_BAD);
    expect_result(TL_SV(family_4), TL_PROXY_BAD);
    expect_result(TL_SV(transport_3), TL_PROXY_BAD);
    expect_result(TL_SV(bad_signature), TL_PROXY_BAD);
    tl_buf_init(&full, 0);
    tl_buf_put_sv(&full, TL_SV(V2 "\x21\x31\2\x08")); /* Unix sockets, and as long as a header may be */
    while (full.size < TL_PROXY_HEADER_BYTES_MAX)
        tl_buf_put_u8(&full, 'x');
    expect_taken(tl_buf_sv(&full), "", 0);
    tl_buf_done(&full);
}
