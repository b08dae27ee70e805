/* client_test.c: who sent a request, and what the site is told of it: spoofed headers, chains of proxies, RFC 7239's own examples. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "speed_layer/client.h"

static struct tl_http1_header headers[16];

/* "Name: value\n..." */
static struct tl_http1_head head_of(const char *lines)
{
    struct tl_http1_head head = {.host = TL_SV("site.example:80"), .headers = headers};
    struct tl_sv rest = tl_sv_from(lines);

    while (rest.size > 0) {
        struct tl_sv line = tl_sv_cut(&rest, '\n');

        cr_assert_lt(head.headers_count, TL_COUNT(headers));
        headers[head.headers_count].name = tl_sv_cut(&line, ':');
        headers[head.headers_count++].value = tl_sv_trim(line);
    }
    return head;
}

static struct tl_endpoint peer_of(const char *text)
{
    struct tl_endpoint peer = {.known = false};

    cr_assert(text[0] == '\0' || tl_endpoint_parse(tl_sv_from(text), &peer));
    return peer;
}

static struct tl_trust *trust_of(void)
{
    struct tl_option_list list = {
        .items = {"10.0.0.0/8", "2001:db8:ffff::/48", "loopback", "unix"},
          .count = 4
    };
    struct tl_trust *trust;
    struct tl_err err = {0};

    cr_assert_eq(tl_trust_open(&list, &trust, &err), TL_OK, "%s", err.message);
    return trust;
}

struct client_case {
    char name[60], peer[40];
    bool tls;
    char lines[200], want[80]; /* ip, scheme, host */
};

#define SITE " site.example:80"

/* clang-format off */
ParameterizedTestParameters(client, of)
{
    static struct client_case cases[] = {
        {"nobody between", "203.0.113.7:4711", false, "", "203.0.113.7 http" SITE},
        {"TLS", "[2001:db8::7]:4711", true, "", "2001:db8::7 https" SITE},
        {"a spoofed header", "203.0.113.7", false, "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Forwarded-Host: evil.com",
         "203.0.113.7 http" SITE},
        {"a spoofed Forwarded", "203.0.113.7", false, "Forwarded: for=1.2.3.4;proto=https;host=evil.com", "203.0.113.7 http" SITE},
        {"a proxy", "10.0.0.1", false, "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: https\nX-Forwarded-Host: x.com", "1.2.3.4 https x.com"},
        {"a proxy that says nothing", "10.0.0.1", false, "", "10.0.0.1 http" SITE},
        {"what the client put before", "10.0.0.1", false, "X-Forwarded-For: 6.6.6.6, 1.2.3.4\nX-Forwarded-Proto: https, http",
         "1.2.3.4 http" SITE},
        {"a chain", "10.0.0.1", false, "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.3,10.0.0.2", "1.2.3.4 http" SITE},
        {"a chain over several lines", "10.0.0.1", false, "X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 1.2.3.4,10.0.0.3\nx-forwarded-for: 10.0.0.2",
         "1.2.3.4 http" SITE},
        {"all are trusted", "10.0.0.1", false, "X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3 http" SITE},
        {"scheme and host from as far as the client", "10.0.0.1", false,
         "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2\nX-Forwarded-Proto: evil, https, http\nX-Forwarded-Host: evil.com, x.com, inner.com",
         "1.2.3.4 https x.com"},
        {"one scheme for a long chain", "10.0.0.1", false, "X-Forwarded-For: 1.2.3.4, 10.0.0.2\nX-Forwarded-Proto: https", "1.2.3.4 https" SITE},
        {"a proxy that says http before TLS", "10.0.0.1", true, "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: HTTP", "1.2.3.4 http" SITE},
        {"a scheme that is none", "10.0.0.1", true, "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Proto: gopher", "1.2.3.4 https" SITE},
        {"a host that is none", "10.0.0.1", false, "X-Forwarded-For: 1.2.3.4\nX-Forwarded-Host: a/b", "1.2.3.4 http" SITE},
        {"addresses with ports", "10.0.0.1", false, "X-Forwarded-For: [2001:db8::7]:4711, 10.0.0.2:80", "2001:db8::7 http" SITE},
        {"IPv6 without brackets", "::1", false, "X-Forwarded-For: 2001:db8::7", "2001:db8::7 http" SITE},
        {"a trusted IPv6 network", "2001:db8:ffff::1", false, "X-Forwarded-For: 1.2.3.4, 2001:db8:ffff:1::2", "1.2.3.4 http" SITE},
        {"IPv4 in IPv6", "::ffff:10.0.0.1", false, "X-Forwarded-For: ::ffff:1.2.3.4", "1.2.3.4 http" SITE},
        {"unknown ends the search", "10.0.0.1", false, "X-Forwarded-For: 1.2.3.4, unknown, 10.0.0.2", "10.0.0.2 http" SITE},
        {"an empty header", "10.0.0.1", false, "X-Forwarded-For:", "10.0.0.1 http" SITE},
        {"an empty item", "10.0.0.1", false, "X-Forwarded-For: 1.2.3.4,", "10.0.0.1 http" SITE},
        {"not an address", "10.0.0.1", false, "X-Forwarded-For: 1.2.3.4.5", "10.0.0.1 http" SITE},
        {"a Unix socket", "", false, "X-Forwarded-For: 1.2.3.4", "1.2.3.4 http" SITE},
        {"a Unix socket alone", "", false, "", " http" SITE},
        {"Forwarded", "10.0.0.1", false, "Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43;Host=x.com", "192.0.2.60 https x.com"},
        {"Forwarded with IPv6 and a port", "10.0.0.1", false, "Forwarded: For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17 http" SITE},
        {"Forwarded, a chain", "10.0.0.1", false, "Forwarded: for=6.6.6.6;proto=https, for=192.0.2.43;host=\"x.com:80\", for=10.0.0.2;proto=http",
         "192.0.2.43 http x.com:80"},
        {"Forwarded over several lines", "10.0.0.1", false, "Forwarded: for=192.0.2.43\nForwarded: for=10.0.0.2, for=\"10.0.0.3\"", "192.0.2.43 http" SITE},
        {"an obfuscated node", "10.0.0.1", false, "Forwarded: for=192.0.2.43, for=\"_gazonk\"", "10.0.0.1 http" SITE},
        {"an unknown node", "10.0.0.1", false, "Forwarded: for=192.0.2.43, for=unknown;proto=https", "10.0.0.1 https" SITE},
        {"an element without a node", "10.0.0.1", false, "Forwarded: for=192.0.2.43, proto=https", "10.0.0.1 https" SITE},
        {"a comma and a semicolon in quotes", "10.0.0.1", false, "Forwarded: for=192.0.2.43;by=\"a,b;for=6.6.6.6\"", "192.0.2.43 http" SITE},
        {"a quote that is escaped", "10.0.0.1", false, "Forwarded: for=192.0.2.43;by=\"a\\\",for=6.6.6.6\"", "192.0.2.43 http" SITE},
        {"a quote that the client left open", "10.0.0.1", false, "Forwarded: for=\"6.6.6.6, for=192.0.2.43", "192.0.2.43 http" SITE},
        {"escapes in an address", "10.0.0.1", false, "Forwarded: for=\"1\\92.0.2.43\"", "10.0.0.1 http" SITE},
        {"X-Forwarded-For counts before Forwarded", "10.0.0.1", false, "Forwarded: for=6.6.6.6;host=evil.com\nX-Forwarded-For: 1.2.3.4", "1.2.3.4 http" SITE},
    };
    return cr_make_param_array(struct client_case, cases, TL_COUNT(cases));
}
/* clang-format on */

ParameterizedTest(struct client_case *c, client, of)
{
    struct tl_trust *trust = trust_of();
    struct tl_http1_head head = head_of(c->lines);
    struct tl_endpoint peer = peer_of(c->peer);
    struct tl_client client;
    char got[200];

    tl_client_of(trust, &peer, tl_trust_has(trust, &peer), c->tls, &head, &client);
    snprintf(got, sizeof got, "%s %s %.*s", client.ip, client.https ? "https" : "http", TL_SV_ARG(client.host));
    cr_assert_str_eq(got, c->want, "%s: got '%s', want '%s'", c->name, got, c->want);
    tl_trust_close(trust);
}

struct told_case {
    char name[60], peer[40];
    bool tls;
    char lines[200], want[400];
};

/* clang-format off */
ParameterizedTestParameters(client, told)
{
    static struct told_case cases[] = {
        {"what an untrusted one says is dropped", "203.0.113.7:1", true,
         "X-Forwarded-For: 1.2.3.4\nForwarded: for=1.2.3.4\nX-Forwarded-Proto: http\nX-Forwarded-Host: evil.com",
         "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: site.example:80\r\nX-Real-IP: 203.0.113.7\r\n"
         "Forwarded: for=203.0.113.7;host=\"site.example:80\";proto=https\r\n"},
        {"IPv6 is quoted", "2001:db8::7", false, "",
         "X-Forwarded-For: 2001:db8::7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: site.example:80\r\nX-Real-IP: 2001:db8::7\r\n"
         "Forwarded: for=\"[2001:db8::7]\";host=\"site.example:80\";proto=http\r\n"},
        {"a chain goes on", "10.0.0.1", false, "X-Forwarded-For: 6.6.6.6, 1.2.3.4\nX-Forwarded-For: 10.0.0.2\nX-Forwarded-Proto: https\nX-Forwarded-Host: x.com",
         "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.2, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: x.com\r\nX-Real-IP: 1.2.3.4\r\n"
         "Forwarded: for=1.2.3.4;host=\"x.com\";proto=https, for=10.0.0.1;host=\"site.example:80\";proto=http\r\n"},
        {"Forwarded goes on", "10.0.0.1", false, "Forwarded: for=\"_x\", for=1.2.3.4;proto=https;host=x.com",
         "X-Forwarded-For: 1.2.3.4, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: x.com\r\nX-Real-IP: 1.2.3.4\r\n"
         "Forwarded: for=\"_x\", for=1.2.3.4;proto=https;host=x.com, for=10.0.0.1;host=\"site.example:80\";proto=http\r\n"},
        {"a Forwarded that the proxy let through", "10.0.0.1", false, "X-Forwarded-For: 1.2.3.4\nForwarded: for=6.6.6.6",
         "X-Forwarded-For: 1.2.3.4, 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: site.example:80\r\nX-Real-IP: 1.2.3.4\r\n"
         "Forwarded: for=1.2.3.4;host=\"site.example:80\";proto=http, for=10.0.0.1;host=\"site.example:80\";proto=http\r\n"},
        {"a proxy that says nothing of addresses", "10.0.0.1", false, "X-Forwarded-Proto: https",
         "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: site.example:80\r\nX-Real-IP: 10.0.0.1\r\n"
         "Forwarded: for=10.0.0.1;host=\"site.example:80\";proto=https\r\n"},
        {"a Unix socket", "", false, "",
         "X-Forwarded-Proto: http\r\nX-Forwarded-Host: site.example:80\r\nForwarded: for=unknown;host=\"site.example:80\";proto=http\r\n"},
    };
    return cr_make_param_array(struct told_case, cases, TL_COUNT(cases));
}
/* clang-format on */

ParameterizedTest(struct told_case *c, client, told)
{
    struct tl_trust *trust = trust_of();
    struct tl_http1_head head = head_of(c->lines);
    struct tl_endpoint peer = peer_of(c->peer);
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_client_put_forwarded(trust, &peer, tl_trust_has(trust, &peer), c->tls, &head, &out);
    cr_assert(tl_sv_eq(tl_buf_sv(&out), tl_sv_from(c->want)), "%s:\n got %.*s\nwant %s", c->name, (int)out.size, out.data,
              c->want);
    tl_buf_done(&out);
    tl_trust_close(trust);
}

Test(client, names)
{
    cr_assert(tl_client_is_forwarded_header(TL_SV("X-FORWARDED-FOR")));
    cr_assert(tl_client_is_forwarded_header(TL_SV("forwarded")));
    cr_assert(tl_client_is_forwarded_header(TL_SV("x-real-ip")));
    cr_assert_not(tl_client_is_forwarded_header(TL_SV("x-forwarded-port")));
    cr_assert(tl_client_is_claim(TL_SV("X-Forwarded-Port")));
    cr_assert_not(tl_client_is_claim(TL_SV("x-forwarded-for")));
}

Test(client, words_of_trust)
{
    struct tl_option_list list = {
        .items = {"private", "192.0.2.1"},
          .count = 2
    };
    static const char *const trusted[] = {"10.1.2.3", "172.31.0.1", "192.168.1.1", "fd00::1", "fe80::1", "192.0.2.1"},
                             *const others[] = {"172.32.0.1", "127.0.0.1", "::1", "192.0.2.2", "2001:db8::1", ""};
    struct tl_trust *trust;
    struct tl_err err = {0};

    cr_assert_eq(tl_trust_open(&list, &trust, &err), TL_OK);
    for (size_t i = 0; i < TL_COUNT(trusted); i++) {
        struct tl_endpoint yes = peer_of(trusted[i]), no = peer_of(others[i]);

        cr_assert(tl_trust_has(trust, &yes), "%s", trusted[i]);
        cr_assert_not(tl_trust_has(trust, &no), "%s", others[i]);
    }
    tl_trust_close(trust);
    list.items[0] = "10.0.0.0/33";
    cr_assert_eq(tl_trust_open(&list, &trust, &err), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "10.0.0.0/33"), "%s", err.message);
}
