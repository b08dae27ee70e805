/* passes_test.c: a cookie stands for a secret until it is taken; whichever would end first makes room. */
#include "serving/passes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct tl_passes *passes;

static void open_passes(void)
{
    struct tl_err err;

    cr_assert_eq(tl_passes_open(8090, &passes, &err), TL_OK);
}

static void close_passes(void)
{
    tl_passes_close(passes);
}

TestSuite(passes, .init = open_passes, .fini = close_passes);

/* name=value of a new one. */
static void give(bool is_tls, char cookie[200], char whole[256])
{
    struct tl_http_call call = {.is_tls = is_tls};
    struct tl_buf headers;
    struct tl_err err;

    tl_buf_init(&headers, 0);
    cr_assert_eq(tl_passes_give(passes, &call, &headers, &err), TL_OK);
    snprintf(whole, 256, "%.*s", TL_SV_ARG(tl_buf_sv(&headers)));
    cr_assert_eq(sscanf(whole, "Set-Cookie: %199[^;]", cookie), 1, "%s", whole);
    tl_buf_done(&headers);
}

static struct tl_http_call call_with(const char *cookie, struct tl_http1_header *header)
{
    *header = (struct tl_http1_header){TL_SV("Cookie"), tl_sv_from(cookie)};
    return (struct tl_http_call){
        .head = {.headers = header, .headers_count = 1}
    };
}

static bool has(const char *cookie)
{
    struct tl_http1_header header;
    struct tl_http_call call = call_with(cookie, &header);

    return tl_passes_has(passes, &call);
}

Test(passes, of_tls_no_cookie_goes_without_it)
{
    char cookie[200], whole[256];

    give(true, cookie, whole);
    cr_expect_not_null(strstr(whole, "; Path=/; HttpOnly; SameSite=Strict; Secure\r\n"), "%s", whole);
    give(false, cookie, whole);
    cr_expect_not_null(strstr(whole, "; Path=/; HttpOnly; SameSite=Strict\r\n"), "%s", whole);
    cr_expect(strncmp(cookie, "tally-8090=", 11) == 0 && strlen(cookie) == 11 + 64, "%s", cookie);
}

Test(passes, what_is_taken_is_good_no_more)
{
    char one[200], other[200], whole[256], text[600];
    struct tl_http1_header header;
    struct tl_http_call call;
    struct tl_buf headers;

    give(false, one, whole);
    give(false, other, whole);
    cr_expect(has(one) && has(other));
    snprintf(text, sizeof text, "tally-8090=; tally-8091=x;%s ; a", one);
    cr_expect(has(text));
    cr_expect(!has("") && !has("tally-8090=") && !has("tally-8090") && !has(";;="));
    snprintf(text, sizeof text, "tally-8091=%s", one + strlen("tally-8090="));
    cr_expect(!has(text), "another server's");
    call = call_with(one, &header);
    tl_buf_init(&headers, 0);
    tl_passes_take(passes, &call, &headers);
    tl_buf_done(&headers);
    cr_expect(!has(one) && has(other));
}

Test(passes, there_is_room_for_so_many)
{
    char first[200], cookie[200], whole[256];

    give(false, first, whole);
    for (int i = 0; i < TL_PASSES_MAX + 1; i++)
        give(false, cookie, whole);
    cr_expect(!has(first) && has(cookie));
}
