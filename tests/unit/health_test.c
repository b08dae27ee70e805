/* health_test.c: who owes something and does not move is stuck, who owes nothing may be silent, who cannot be reached is named. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/health.h"

enum { START_MS = 1000 };

static struct tl_health *health;
static struct tl_health_check *store, *place;

static void health_open(void)
{
    cr_assert_eq(tl_health_open("speed", &health, NULL), TL_OK);
    cr_assert_eq(tl_health_check(health, TL_SV("store"), "no tick was taken", &store, NULL), TL_OK);
    cr_assert_eq(tl_health_check(health, TL_SV("events/0"), "nothing was read", &place, NULL), TL_OK);
    tl_health_state(health, true, "running");
}

static void health_close(void)
{
    tl_health_close(health);
}

TestSuite(health, .init = health_open, .fini = health_close);

/* `reason`: what is to be in it; NULL: it is ready, and there is none. */
static void expect(int64_t now_ms, const char *reason)
{
    struct tl_buf json;
    bool ready;

    tl_buf_init(&json, 0);
    ready = tl_health_ready(health, now_ms, &json);
    tl_buf_put_u8(&json, 0);
    cr_expect_eq(ready, reason == NULL, "at %lld: %s", (long long)now_ms, json.data);
    cr_expect_not_null(strstr(json.data, reason != NULL ? reason : "\"reason\": null"), "no '%s' in %s", reason, json.data);
    cr_expect_not_null(strstr(json.data, ready ? "{\"ready\": true" : "{\"ready\": false"), "%s", json.data);
    tl_buf_done(&json);
}

Test(health, is_not_ready_before_it_says_so)
{
    struct tl_health *young;
    struct tl_buf json;

    cr_assert_eq(tl_health_open("archive", &young, NULL), TL_OK);
    tl_buf_init(&json, 0);
    cr_expect_not(tl_health_ready(young, START_MS, &json));
    tl_buf_put_u8(&json, 0);
    cr_expect_str_eq(json.data, "{\"ready\": false, \"part\": \"archive\", \"state\": \"starting\", \"reason\": \"starting\", "
                                "\"checks\": [\n]}\n");
    tl_buf_done(&json);
    tl_health_close(young);
}

Test(health, silence_is_no_fault_where_nothing_is_owed)
{
    expect(START_MS, NULL);
    tl_health_ok(place, START_MS);
    expect(START_MS + INT64_C(86400000), NULL);
}

Test(health, what_is_owed_counts_from_the_first_time)
{
    tl_health_owe(place, START_MS);
    tl_health_owe(place, START_MS + 20000);
    tl_health_lag(place, 1200);
    expect(START_MS + TL_HEALTH_PATIENCE_MS - 1, NULL);
    expect(START_MS + TL_HEALTH_PATIENCE_MS, "events/0: nothing was read for 28 s, 1200 events behind\"");
}

Test(health, a_sign_of_life_begins_the_patience_anew)
{
    tl_health_owe(place, START_MS);
    tl_health_ok(place, START_MS + 20000);
    expect(START_MS + 60000, NULL);
    tl_health_owe(place, START_MS + 20500);
    expect(START_MS + 20500 + TL_HEALTH_PATIENCE_MS - 1, NULL);
    expect(START_MS + 20500 + TL_HEALTH_PATIENCE_MS, "events/0: nothing was read");
    tl_health_ok(place, START_MS + 90000);
    expect(START_MS + 90001, NULL);
}

Test(health, what_cannot_be_reached_shows_at_once_and_until_it_can)
{
    tl_health_fail(store, START_MS, "connection refused");
    expect(START_MS, "store: cannot be reached for 0 s: connection refused\"");
    tl_health_fail(store, START_MS + 12000, "no route to host");
    expect(START_MS + 12999, "store: cannot be reached for 12 s: no route to host\"");
    tl_health_ok(store, START_MS + 13000);
    expect(START_MS + 13000, NULL);
}

Test(health, what_is_tried_again_shows_when_it_goes_on_for_too_long)
{
    tl_health_retry(store, START_MS, "database is locked");
    tl_health_retry(store, START_MS + 5000, "database is \"locked\"");
    expect(START_MS + TL_HEALTH_PATIENCE_MS - 1, NULL);
    expect(START_MS + TL_HEALTH_PATIENCE_MS, "store: no tick was taken for 28 s: database is \\\"locked\\\"\"");
    tl_health_ok(store, START_MS + 40000);
    expect(START_MS + 100000, NULL);
}

Test(health, who_stands_by_says_so_and_what_is_wrong_beside)
{
    tl_health_state(health, false, "standing by: pid %d is at work", 7);
    expect(START_MS, "\"reason\": \"standing by: pid 7 is at work\"");
    tl_health_fail(store, START_MS, "gone");
    expect(START_MS, "\"reason\": \"standing by: pid 7 is at work; store: cannot be reached for 0 s: gone\"");
}

Test(health, the_answer_has_each_check_and_its_age)
{
    struct tl_buf json;

    tl_health_ok(store, START_MS);
    tl_health_owe(place, START_MS + 500);
    tl_health_lag(place, 3);
    tl_buf_init(&json, 0);
    cr_expect(tl_health_ready(health, START_MS + 1500, &json));
    tl_buf_put_u8(&json, 0);
    cr_expect_str_eq(json.data, "{\"ready\": true, \"part\": \"speed\", \"state\": \"running\", \"reason\": null, \"checks\": [\n"
                                "    {\"name\": \"store\", \"ok\": true, \"age_seconds\": 1.500, \"waiting_seconds\": null},\n"
                                "    {\"name\": \"events/0\", \"ok\": true, \"age_seconds\": null, \"waiting_seconds\": 1.000, "
                                "\"lag_events\": 3}\n]}\n");
    tl_buf_done(&json);
}

Test(health, a_name_is_one_check)
{
    struct tl_health_check *again;

    cr_assert_eq(tl_health_check(health, TL_SV("store"), "no tick was taken", &again, NULL), TL_OK);
    cr_expect_eq(again, store);
}
