/* user_agent_cache_test.c: what was found out once is not found out again, and what was handed out stays until the batch is
 * over. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/user_agent_cache.h"
#include "support/chance.h"

static struct tl_user_agents *agents;
static struct tl_user_agent_cache *cache;
static struct tl_arena batch;

static void open_cache(void)
{
    struct tl_err err = {0};

    cr_assert_eq(tl_user_agents_open(TL_USER_AGENTS_PATH, &agents, &err), TL_OK, "%s", err.message);
    cache = tl_user_agent_cache_open();
    cr_assert_not_null(cache);
    tl_arena_init(&batch, 4096, 0);
}

static void close_cache(void)
{
    tl_user_agent_cache_close(cache);
    tl_arena_done(&batch);
    tl_user_agents_close(agents);
}

TestSuite(user_agent_cache, .init = open_cache, .fini = close_cache);

static struct tl_user_agent_answer find(const char *text)
{
    struct tl_user_agent_answer answer;

    cr_assert(tl_user_agent_cache_find(cache, agents, tl_sv_from(text), &batch, &answer));
    return answer;
}

/* User agent number n: the answer tells it from all others. */
static const char *agent_of(uint32_t n, char text[64])
{
    snprintf(text, 64, "curl/%u.%u (x86_64-pc-linux-gnu)", n / 100, n % 100);
    return text;
}

static void check_answer(struct tl_user_agent_answer answer, uint32_t n)
{
    char want[80];

    snprintf(want, sizeof want, "{\"family\":\"curl\",\"major\":\"%u\",\"minor\":\"%u\",", n / 100, n % 100);
    cr_assert(tl_sv_starts(answer.json, tl_sv_from(want)), "%.*s is of %s", TL_SV_ARG(answer.json), want);
    cr_assert(answer.is_bot);
}

Test(user_agent_cache, regular_expressions_never_run_twice)
{
    char text[64];
    uint64_t run;

    for (uint32_t n = 0; n < 1000; n++)
        check_answer(find(agent_of(n, text)), n);
    run = cache->scratch.rules_run;
    cr_assert_gt(run, 1000);
    for (uint32_t n = 0; n < 10000; n++)
        check_answer(find(agent_of(n % 1000, text)), n % 1000);
    cr_assert_eq(cache->scratch.rules_run, run);
    cr_assert_eq(cache->misses, 1000);
    cr_assert_eq(cache->count, 1000);
}

/* Texts that differ behind what counts are one. */
Test(user_agent_cache, long_ones_share)
{
    char text[TL_USER_AGENT_BYTES_MAX + 2];

    memset(text, 'x', sizeof text);
    for (size_t more = 0; more <= 2; more++) {
        struct tl_user_agent_answer answer;

        cr_assert(tl_user_agent_cache_find(cache, agents, (struct tl_sv){text, TL_USER_AGENT_BYTES_MAX + more}, &batch, &answer));
    }
    cr_assert_eq(cache->misses, 1);
}

/* Far more texts in one batch than the cache holds: each answer stays as it was handed out (the address sanitizer looks on). */
Test(user_agent_cache, answers_outlive_their_place)
{
    enum { ROWS = 3000 };
    static struct tl_user_agent_answer answers[ROWS];
    char text[64];

    cache->count_max = 16;
    for (int round = 0; round < 3; round++) {
        for (uint32_t n = 0; n < ROWS; n++)
            answers[n] = find(agent_of(n, text));
        for (uint32_t n = 0; n < ROWS; n++)
            check_answer(answers[n], n);
        cr_assert_eq(cache->count, 16);
        tl_arena_reset(&batch);
    }
}

Test(user_agent_cache, bytes_are_bounded)
{
    char text[64];

    cache->bytes_max = 20000;
    for (uint32_t n = 0; n < 3000; n++) {
        check_answer(find(agent_of(n, text)), n);
        cr_assert_leq(cache->bytes, 20000);
    }
    cr_assert(cache->count > 20 && cache->count < 200, "%u", cache->count);
}

/* One that is larger than all there may be goes when the next comes. */
Test(user_agent_cache, a_giant_is_answered)
{
    char text[64];

    cache->bytes_max = 100;
    for (uint32_t n = 0; n < 50; n++) {
        check_answer(find(agent_of(n, text)), n);
        cr_assert_eq(cache->count, 1);
    }
}

/* A hundred come again and again among others that come once. */
Test(user_agent_cache, hot_ones_stay)
{
    char text[64];

    cache->count_max = 400;
    for (uint32_t n = 0; n < 100; n++)
        find(agent_of(n, text));
    for (uint32_t n = 0; n < 20000; n++) {
        find(agent_of(n % 100, text));
        find(agent_of(1000 + n, text));
        if (n % 500 == 0)
            tl_arena_reset(&batch);
    }
    cr_assert_eq(cache->misses, 20100);
}

/* Against no cache at all, through growing, evicting and holes that close. */
Test(user_agent_cache, random_histories)
{
    struct chance chance = chance_open("user_agent_cache/random_histories");
    char text[64];

    for (int history = 0; history < 20; history++) {
        uint32_t texts = 1 + chance_below(&chance, 300);

        cache->count_max = 1 + chance_below(&chance, 200);
        for (uint32_t i = 0; i < 2000; i++) {
            uint32_t n = chance_below(&chance, texts);

            check_answer(find(agent_of(n, text)), n);
            if (chance_below(&chance, 100) == 0)
                tl_arena_reset(&batch);
        }
    }
}

static void in_brackets(struct tl_sv json, struct tl_sv text, struct tl_buf *out)
{
    tl_buf_printf(out, "[%c %.*s]", json.data[0], TL_SV_ARG(text));
}

Test(user_agent_cache, what_is_known_is_peeked_at_and_kept_as_the_owner_wants_it)
{
    struct tl_user_agent_answer answer;

    cr_assert_not(tl_user_agent_cache_peek(cache, TL_SV("curl/8"), &answer), "nothing is known yet");
    cache->dress = in_brackets;
    cr_assert(tl_sv_eq(find("curl/8").json, TL_SV("[{ curl/8]")));
    cr_assert(tl_user_agent_cache_peek(cache, TL_SV("curl/8"), &answer));
    cr_assert(tl_sv_eq(answer.json, TL_SV("[{ curl/8]")) && answer.is_bot);
    cr_assert_not(tl_user_agent_cache_peek(cache, TL_SV("curl/9"), &answer));
    cr_assert_eq(cache->misses, 1);
}
