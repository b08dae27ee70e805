/* upstream_test.c: which site a request goes to, and what is no --upstream. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "speed_layer/upstream.h"

static struct tl_option_list list_of(const char *first, const char *second, const char *third)
{
    return (struct tl_option_list){
        .items = {first, second, third},
        .count = third != NULL    ? 3
                 : second != NULL ? 2
                 : first != NULL  ? 1
                                  : 0
    };
}

static const char *authority_for(struct tl_upstreams *upstreams, const char *host)
{
    struct tl_upstream *found = tl_upstreams_find(upstreams, tl_sv_from(host));

    return found != NULL ? found->authority : "none";
}

Test(upstream, the_exact_name_then_the_longest_star_then_any)
{
    struct tl_option_list list =
        list_of("Shop.example.com=http://127.0.0.1:1", "*.example.com=http://127.0.0.1:2/", "*.eu.example.com=http://[::1]:3");
    struct tl_upstreams *upstreams;
    struct tl_err err;

    list.items[list.count++] = "http://127.0.0.1";
    cr_assert_eq(tl_upstreams_open(&list, NULL, &upstreams, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_upstreams_count(upstreams), 4);
    cr_expect_str_eq(authority_for(upstreams, "shop.example.com"), "127.0.0.1:1");
    cr_expect_str_eq(authority_for(upstreams, "SHOP.EXAMPLE.COM:8080"), "127.0.0.1:1");
    cr_expect_str_eq(authority_for(upstreams, "shop.example.com."), "127.0.0.1:1");
    cr_expect_str_eq(authority_for(upstreams, "a.example.com"), "127.0.0.1:2");
    cr_expect_str_eq(authority_for(upstreams, "x.shop.example.com"), "127.0.0.1:2");
    cr_expect_str_eq(authority_for(upstreams, "a.eu.example.com"), "[::1]:3");
    cr_expect_str_eq(authority_for(upstreams, "eu.example.com"), "127.0.0.1:2");
    cr_expect_str_eq(authority_for(upstreams, "example.com"), "127.0.0.1");
    cr_expect_str_eq(authority_for(upstreams, ".example.com"), "127.0.0.1");
    cr_expect_str_eq(authority_for(upstreams, "evil-example.com"), "127.0.0.1");
    cr_expect_str_eq(authority_for(upstreams, "[::1]:80"), "127.0.0.1");
    cr_expect_str_eq(authority_for(upstreams, ""), "127.0.0.1");
    tl_upstreams_close(upstreams);
}

Test(upstream, nobody_for_a_host_that_is_not_named)
{
    struct tl_option_list list = list_of("a.org=http://127.0.0.1:1", NULL, NULL);
    struct tl_upstreams *upstreams;
    struct tl_err err;

    cr_assert_eq(tl_upstreams_open(&list, NULL, &upstreams, &err), TL_OK, "%s", err.message);
    cr_expect_str_eq(authority_for(upstreams, "b.org"), "none");
    cr_expect_str_eq(authority_for(upstreams, ""), "none");
    tl_upstreams_close(upstreams);
}

Test(upstream, addresses_go_round_and_a_request_tries_each)
{
    struct tl_option_list list = list_of("http://127.0.0.1:3000", "a.org=http://no.such.name.invalid:1", NULL);
    struct tl_upstreams *upstreams;
    struct tl_upstream *upstream;
    struct tl_upstream_address address;
    size_t turn = 77;
    struct tl_err err;

    cr_assert_eq(tl_upstreams_open(&list, NULL, &upstreams, &err), TL_OK, "%s", err.message);
    upstream = tl_upstreams_find(upstreams, TL_SV("a.org"));
    cr_expect_eq(tl_upstream_addresses_count(upstream), 0);
    cr_expect_not(tl_upstream_address(upstream, 0, &turn, &address));

    upstream = tl_upstreams_find(upstreams, TL_SV("b.org"));
    cr_assert_eq(tl_upstream_addresses_count(upstream), 1);
    cr_assert(tl_upstream_address(upstream, 0, &turn, &address));
    cr_expect_eq(address.socket.ss_family, AF_INET);
    /* As if its name had three. */
    upstream->addresses[1] = upstream->addresses[2] = upstream->addresses[0];
    upstream->addresses[1].size = 1;
    upstream->addresses[2].size = 2;
    upstream->addresses_count = 3;
    upstream->next = 0;
    for (socklen_t round = 0; round < 6; round++) {
        size_t mine;

        cr_assert(tl_upstream_address(upstream, 0, &mine, &address));
        cr_expect_eq(address.size % 16, round % 3);
        cr_assert(tl_upstream_address(upstream, 0, &turn, &address)); /* another request, in between */
        cr_assert(tl_upstream_address(upstream, 1, &mine, &address));
        cr_expect_eq(address.size % 16, (round + 1) % 3);
        upstream->next--;
    }
    tl_upstreams_close(upstreams);
}

static struct bad {
    char first[64], second[64], says[96];
} bads[] = {
    {"",                       "",                   "--upstream is missing"                                     },
    {"127.0.0.1:3000",         "",                   "--upstream 127.0.0.1:3000: right would be http://HOST:PORT"},
    {"ftp://a",                "",                   "--upstream ftp://a: right would be"                        },
    {"http://",                "",                   "--upstream http://: right would be"                        },
    {"http://a/path",          "",                   "--upstream http://a/path: right would be"                  },
    {"http://a?b=c",           "",                   "right would be"                                            },
    {"http://user@a",          "",                   "right would be"                                            },
    {"http://a:",              "",                   "right would be"                                            },
    {"http://a:0",             "",                   "right would be"                                            },
    {"http://a:65536",         "",                   "right would be"                                            },
    {"http://a:-1",            "",                   "right would be"                                            },
    {"http://a:80x",           "",                   "right would be"                                            },
    {"http://::1:80",          "",                   "right would be"                                            },
    {"http://[::1",            "",                   "right would be"                                            },
    {"http://[::1]80",         "",                   "right would be"                                            },
    {"http://[127.0.0.1]:80",  "",                   "right would be"                                            },
    {"=http://a",              "",                   "--upstream =http://a: right would be"                      },
    {"a:80=http://a",          "",                   "right would be"                                            },
    {"*=http://a",             "",                   "right would be"                                            },
    {"*.=http://a",            "",                   "right would be"                                            },
    {"a.*.b=http://a",         "",                   "right would be"                                            },
    {"a/b=http://a",           "",                   "right would be"                                            },
    {"http://127.0.0.1",       "http://[::1]",       "--upstream: two of them are for every host; one would do"  },
    {"a.org=http://127.0.0.1", "A.org=http://[::1]", "--upstream: two of them are for a.org; one would do"       },
};

ParameterizedTestParameters(upstream, what_is_none)
{
    return cr_make_param_array(struct bad, bads, TL_COUNT(bads));
}

ParameterizedTest(struct bad *bad, upstream, what_is_none)
{
    struct tl_option_list list =
        list_of(bad->first[0] != '\0' ? bad->first : NULL, bad->second[0] != '\0' ? bad->second : NULL, NULL);
    struct tl_upstreams *upstreams = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_upstreams_open(&list, NULL, &upstreams, &err), TL_ERR_USAGE, "%s %s", bad->first, bad->second);
    cr_expect_not_null(strstr(err.message, bad->says), "%s", err.message);
    cr_expect_null(upstreams);
}

Test(upstream, authorities_that_are_not_there)
{
    struct tl_option_list list = list_of("https://localhost", NULL, NULL);
    struct tl_upstreams *upstreams = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_upstreams_open(&list, "/nowhere/ca.pem", &upstreams, &err), TL_ERR_USAGE);
    cr_expect_not_null(strstr(err.message, "/nowhere/ca.pem"), "%s", err.message);
}
