/* passes_test.c: a cookie stands for a secret until it is taken, or its time is over, and what goes on by it ends with it; whoever has most makes room. */
#include "serving/passes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { DAY = 24 * 3600 * 1000 };

static struct tl_passes *passes;
static int64_t now_ms;

static void open_passes(void)
{
    struct tl_err err;

    now_ms = 1000;
    cr_assert_eq(tl_passes_open(8090, INT64_C(30) * DAY, &passes, &err), TL_OK);
}

static void close_passes(void)
{
    tl_passes_close(passes);
}

TestSuite(passes, .init = open_passes, .fini = close_passes);

static struct tl_http_call call_with(const char *cookie, struct tl_http1_header *header)
{
    *header = (struct tl_http1_header){TL_SV("Cookie"), tl_sv_from(cookie)};
    return (struct tl_http_call){
        .head = {.headers = header, .headers_count = 1}
    };
}

/* name=value of a new one, to a browser with that header. */
static void give_to(struct tl_http_call call, size_t owner, char cookie[200], char whole[256])
{
    struct tl_buf headers;
    struct tl_err err;

    tl_buf_init(&headers, 0);
    cr_assert_eq(tl_passes_give(passes, &call, owner, now_ms, &headers, &err), TL_OK);
    snprintf(whole, 256, "%.*s", TL_SV_ARG(tl_buf_sv(&headers)));
    cr_assert_eq(sscanf(whole, "Set-Cookie: %199[^;]", cookie), 1, "%s", whole);
    tl_buf_done(&headers);
}

static void give(size_t owner, char cookie[200])
{
    char whole[256];

    give_to((struct tl_http_call){.path = TL_SV("/session")}, owner, cookie, whole);
}

static bool has(const char *cookie)
{
    struct tl_http1_header header;
    struct tl_http_call call = call_with(cookie, &header);

    return tl_passes_has(passes, &call, now_ms);
}

static void take(const char *cookie)
{
    struct tl_http1_header header;
    struct tl_http_call call = call_with(cookie, &header);
    struct tl_buf headers;

    tl_buf_init(&headers, 0);
    tl_passes_take(passes, &call, now_ms, &headers);
    tl_buf_done(&headers);
}

/* What a browser sees is TLS where a proxy ends it, too. */
Test(passes, of_tls_no_cookie_goes_without_it)
{
    struct tl_http1_header https = {TL_SV("Origin"), TL_SV("https://numbers.example")},
                           http = {TL_SV("Origin"), TL_SV("http://numbers.example")};
    char cookie[200], whole[256];

    give_to((struct tl_http_call){.is_tls = true}, 0, cookie, whole);
    cr_expect_not_null(strstr(whole, "; Path=/; HttpOnly; SameSite=Strict; Secure\r\n"), "%s", whole);
    give_to(
        (struct tl_http_call){
            .head = {.headers = &https, .headers_count = 1}
    },
        0, cookie, whole);
    cr_expect_not_null(strstr(whole, "; Path=/; HttpOnly; SameSite=Strict; Secure\r\n"), "%s", whole);
    give_to(
        (struct tl_http_call){
            .head = {.headers = &http, .headers_count = 1}
    },
        0, cookie, whole);
    cr_expect_not_null(strstr(whole, "; Path=/; HttpOnly; SameSite=Strict\r\n"), "%s", whole);
    cr_expect(strncmp(cookie, "tally-8090=", 11) == 0 && strlen(cookie) == 11 + 64, "%s", cookie);
}

Test(passes, what_is_taken_is_good_no_more)
{
    char one[200], other[200], text[600];

    give(0, one);
    give(0, other);
    cr_expect(has(one) && has(other));
    snprintf(text, sizeof text, "tally-8090=; tally-8091=x;%s ; a", one);
    cr_expect(has(text));
    cr_expect(!has("") && !has("tally-8090=") && !has("tally-8090") && !has(";;="));
    snprintf(text, sizeof text, "tally-8091=%s", one + strlen("tally-8090="));
    cr_expect(!has(text), "another server's");
    take(one);
    cr_expect(!has(one) && has(other));
}

Test(passes, of_many_cookies_of_that_name_a_few_are_looked_at)
{
    char good[200], text[4096];
    size_t size = 0;

    give(0, good);
    for (int i = 0; i < 10; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "tally-8090=%064d; ", i);
    snprintf(text + size, sizeof text - size, "%s", good);
    cr_expect(!has(text));
    cr_expect(has(text + 5 * (size / 10)));
}

Test(passes, who_signs_in_anew_has_one)
{
    char first[200], second[200], whole[256];
    struct tl_http1_header header;

    give(0, first);
    give_to(call_with(first, &header), 0, second, whole);
    cr_expect(!has(first) && has(second));
}

Test(passes, each_has_an_end_whatever_its_use)
{
    char used[200], idle[200];

    give(0, used);
    give(0, idle);
    for (int thirds = 0; thirds < 90; thirds++, now_ms += DAY / 3)
        cr_assert(has(used), "%d", thirds);
    cr_expect(!has(idle));
    now_ms = 1000 + INT64_C(30) * DAY - 1;
    cr_expect(has(used));
    now_ms++;
    cr_expect(!has(used));
}

/* Sixteen people sign in with one token, and another one again and again. */
Test(passes, nobody_sends_away_who_has_fewer)
{
    char few[16][200], first[200], cookie[200];

    for (int i = 0; i < 16; i++)
        give(7, few[i]);
    now_ms++;
    give(8, first);
    now_ms++;
    for (int i = 0; i < 2 * TL_PASSES_MAX; i++)
        give(8, cookie);
    for (int i = 0; i < 16; i++)
        cr_expect(has(few[i]), "%d", i);
    cr_expect(!has(first) && has(cookie));
}

/* ---- what goes on ---- */

static unsigned ended;

static void on_over(struct tl_pass_use *use)
{
    cr_assert_null(use->at);
    ended++;
}

static void use_pass(const char *cookie, struct tl_pass_use *use)
{
    struct tl_http1_header header;
    struct tl_http_call call = call_with(cookie, &header);

    *use = (struct tl_pass_use){.over = on_over};
    tl_passes_use(passes, &call, now_ms, use);
}

Test(passes, what_goes_on_ends_with_it)
{
    struct tl_pass_use one, two, gone, others, none;
    char cookie[200], other[200];

    give(0, cookie);
    give(0, other);
    use_pass(cookie, &one);
    use_pass(cookie, &gone);
    use_pass(cookie, &two);
    use_pass(other, &others);
    use_pass("tally-8090=0", &none);
    cr_expect_null(none.at);
    tl_pass_use_done(&none);
    tl_pass_use_done(&gone);
    take(cookie);
    cr_expect_eq(ended, 2);
    cr_expect(one.at == NULL && two.at == NULL && others.at != NULL);
    tl_pass_use_done(&one);
    tl_pass_use_done(&others);
}

Test(passes, what_goes_on_is_a_use_but_not_for_ever)
{
    struct tl_pass_use use;
    char cookie[200], idle[200];

    give(0, cookie);
    give(0, idle);
    use_pass(cookie, &use);
    for (int days = 0; days < 59; days++) {
        now_ms += DAY / 2 - 1000;
        tl_passes_look(passes, now_ms);
    }
    cr_expect_eq(ended, 0);
    cr_expect(has(cookie) && !has(idle));
    now_ms = 1000 + INT64_C(30) * DAY;
    tl_passes_look(passes, now_ms);
    cr_expect_eq(ended, 1);
}

Test(passes, who_makes_room_ends_too)
{
    struct tl_pass_use use;
    char cookie[200];

    give(0, cookie);
    use_pass(cookie, &use);
    now_ms++;
    for (int i = 0; i < TL_PASSES_MAX; i++)
        give(0, cookie);
    cr_expect_eq(ended, 1);
}
