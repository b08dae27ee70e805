/* endpoint_test.c: addresses as text and from sockets, and which networks they are in. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <sys/un.h>

#include "net/endpoint.h"

Test(endpoint, text_is_read)
{
    static const struct {
        const char *text, *address; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {"203.0.113.7",             "203.0.113.7", 0    },
        {"203.0.113.7:4711",        "203.0.113.7", 4711 },
        {"2001:DB8::1",             "2001:db8::1", 0    },
        {"[2001:db8::1]",           "2001:db8::1", 0    },
        {"[2001:db8::1]:65535",     "2001:db8::1", 65535},
        {"::ffff:203.0.113.7",      "203.0.113.7", 0    },
        {"[::ffff:203.0.113.7]:80", "203.0.113.7", 80   },
        {"::",                      "::",          0    },
        {"",                        NULL,          0    },
        {":",                       NULL,          0    },
        {"203.0.113.7:",            NULL,          0    },
        {"203.0.113.7:65536",       NULL,          0    },
        {"203.0.113.7:+1",          NULL,          0    },
        {"203.0.113.7:123456",      NULL,          0    },
        {"203.0.113",               NULL,          0    },
        {"203.0.113.007",           NULL,          0    },
        {"203.0.113.256",           NULL,          0    },
        {" 203.0.113.7",            NULL,          0    },
        {"[203.0.113.7]",           NULL,          0    },
        {"[203.0.113.7:80]",        NULL,          0    },
        {"[2001:db8::1",            NULL,          0    },
        {"[2001:db8::1]80",         NULL,          0    },
        {"[2001:db8::1]:",          NULL,          0    },
        {"[]",                      NULL,          0    },
        {"fe80::1%eth0",            NULL,          0    },
        {"1:2:3:4:5:6:7:8:9",       NULL,          0    },
        {"unknown",                 NULL,          0    },
        {"_hidden",                 NULL,          0    },
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_endpoint endpoint = {.port = 1};
        char text[TL_ENDPOINT_TEXT_BYTES];
        bool taken = tl_endpoint_parse(tl_sv_from(cases[i].text), &endpoint);

        cr_assert_eq(taken, cases[i].address != NULL, "'%s'", cases[i].text);
        if (!taken) {
            cr_expect(!endpoint.known && endpoint.port == 1, "'%s' has left something", cases[i].text);
            continue;
        }
        cr_expect_str_eq(tl_endpoint_text(&endpoint, text), cases[i].address, "'%s'", cases[i].text);
        cr_expect_eq(endpoint.port, cases[i].port, "'%s'", cases[i].text);
    }
}

Test(endpoint, a_zero_byte_ends_no_address)
{
    struct tl_endpoint endpoint;

    cr_expect(!tl_endpoint_parse((struct tl_sv){"1.2.3.4\0", 8}, &endpoint));
    cr_expect(!tl_endpoint_parse((struct tl_sv){NULL, 0}, &endpoint));
}

Test(endpoint, of_a_socket)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct tl_endpoint endpoint;
    char text[TL_ENDPOINT_TEXT_BYTES];

    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    tl_endpoint_from_socket((const struct sockaddr *)&v4, &endpoint);
    cr_expect_str_eq(tl_endpoint_text(&endpoint, text), "192.0.2.1");
    cr_expect_eq(endpoint.port, 80);
    inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr);
    tl_endpoint_from_socket((const struct sockaddr *)&v6, &endpoint);
    cr_expect_str_eq(tl_endpoint_text(&endpoint, text), "2001:db8::7");
    cr_expect_eq(endpoint.port, 443);
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
    tl_endpoint_from_socket((const struct sockaddr *)&v6, &endpoint);
    cr_expect_str_eq(tl_endpoint_text(&endpoint, text), "192.0.2.1");
    tl_endpoint_from_socket((const struct sockaddr *)&un, &endpoint);
    cr_expect(!endpoint.known);
    cr_expect_str_eq(tl_endpoint_text(&endpoint, text), "");
    cr_expect(!tl_endpoint_is_loopback(&endpoint));
}

Test(endpoint, networks)
{
    static const struct {
        const char *network, *inside, *outside;
    } cases[] = {
        {"10.0.0.0/8",          "10.255.0.1",       "11.0.0.0"       },
        {"10.1.2.3/8",          "10.0.0.1",         "9.255.255.255"  },
        {"192.0.2.128/25",      "192.0.2.129",      "192.0.2.127"    },
        {"192.0.2.1",           "::ffff:192.0.2.1", "192.0.2.2"      },
        {"192.0.2.1/32",        "192.0.2.1",        "192.0.2.0"      },
        {"0.0.0.0/0",           "255.1.1.1",        "2001:db8::1"    },
        {"::/0",                "1.2.3.4",          NULL             },
        {"::ffff:10.0.0.0/104", "10.1.1.1",         "11.1.1.1"       },
        {"2001:db8::/33",       "2001:db8:7fff::",  "2001:db8:8000::"},
        {"::1",                 "::1",              "::2"            },
    };
    static const char *const refused[] = {
        "",       "/",      "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0.0/-1", "10/8",
        "::/129", "[::]/0", "x",         "10.0.0.0 /8", "10.0.0.0:80",  "::1/1x",      "10.0.0.0/000008"};
    struct tl_network network;
    struct tl_endpoint endpoint;
    struct tl_err err;

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        cr_assert_eq(tl_network_parse(tl_sv_from(cases[i].network), &network, &err), TL_OK, "%s", cases[i].network);
        cr_assert(tl_endpoint_parse(tl_sv_from(cases[i].inside), &endpoint));
        cr_expect(tl_network_has(&network, &endpoint), "%s has no %s", cases[i].network, cases[i].inside);
        if (cases[i].outside == NULL)
            continue;
        cr_assert(tl_endpoint_parse(tl_sv_from(cases[i].outside), &endpoint));
        cr_expect(!tl_network_has(&network, &endpoint), "%s has %s", cases[i].network, cases[i].outside);
    }
    for (size_t i = 0; i < TL_COUNT(refused); i++) {
        cr_assert_eq(tl_network_parse(tl_sv_from(refused[i]), &network, &err), TL_ERR_USAGE, "%s", refused[i]);
        cr_expect_not_null(strstr(err.message, "10.0.0.0/8"), "%s", err.message);
    }
    endpoint = (struct tl_endpoint){.known = false};
    cr_assert_eq(tl_network_parse(TL_SV("::/0"), &network, &err), TL_OK);
    cr_expect(!tl_network_has(&network, &endpoint), "who is not known is nowhere");
}

Test(endpoint, loopback)
{
    static const char *const own[] = {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}, *const others[] = {"128.0.0.1",
                                                                                                                 "::2", "::"};
    struct tl_endpoint endpoint;

    for (size_t i = 0; i < TL_COUNT(own); i++)
        cr_expect(tl_endpoint_parse(tl_sv_from(own[i]), &endpoint) && tl_endpoint_is_loopback(&endpoint), "%s", own[i]);
    for (size_t i = 0; i < TL_COUNT(others); i++)
        cr_expect(tl_endpoint_parse(tl_sv_from(others[i]), &endpoint) && !tl_endpoint_is_loopback(&endpoint), "%s", others[i]);
}
