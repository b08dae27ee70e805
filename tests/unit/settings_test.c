/* settings_test.c: SET: values, defaults, where each holds; durations; what is refused. */
#include "sql/settings.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "event/zone.h"
#include "support/sql_case.h"

Test(settings, defaults)
{
    struct tl_plan *plan = sql_plan(EVENTS "CREATE VIEW v AS SELECT ts FROM t");
    const struct tl_settings *s = &plan->settings;

    cr_assert(tl_sv_eq(s->time_zone, TL_SV("UTC")) && s->zone == NULL);
    cr_assert(s->future_skew_max_ms == 300000 && s->dedup_horizon_ms == 3600000 && s->dedup_ids_max == 1000000);
    cr_assert(s->batch_grace_ms == 900000 && s->speed_retention_ms == 7 * INT64_C(86400000) && s->event_bytes_max == 8u << 20);
    cr_assert_eq(s->batch_range, TL_RANGE_DAY);
    cr_assert_eq(plan->views[0].lateness_ms, 0);
    tl_plan_close(plan);
}

Test(settings, each_can_be_set)
{
    struct tl_plan *plan = sql_plan(
        EVENTS
        "SET 'table.local-time-zone' = 'Etc/UTC'; SET 'tally.allowed-lateness' = '1 min'; SET 'tally.max-future-skew' = '2 h';"
        "SET 'tally.dedup.key' = 'id'; SET 'tally.dedup.horizon' = '3 d'; SET 'tally.batch-grace' = '0';"
        "SET 'tally.speed-retention' = '30 days'; SET 'tally.max-event-bytes' = '512 kb'; SET 'pipeline.name' = 'x';"
        "SET 'tally.batch-range' = 'hour'; CREATE VIEW v AS SELECT ts FROM t");
    const struct tl_settings *s = &plan->settings;

    cr_assert_eq(s->batch_range, TL_RANGE_HOUR);
    cr_assert(s->future_skew_max_ms == 7200000 && s->dedup_horizon_ms == 3 * INT64_C(86400000) && s->batch_grace_ms == 0);
    cr_assert(s->speed_retention_ms == 30 * INT64_C(86400000) && s->event_bytes_max == 512u << 10);
    cr_assert_eq(plan->sources[0].schema.event_bytes_max, 512u << 10);
    cr_assert_eq(plan->views[0].lateness_ms, 60000);
    cr_assert(plan->sources[0].dedup_slot >= 0 &&
              tl_sv_eq(plan->sources[0].schema.fields[plan->sources[0].dedup_slot].name, TL_SV("id")));
    tl_plan_close(plan);
}

/* Lateness holds for the views below it, all else for the file. */
Test(settings, where_they_hold)
{
    struct tl_plan *plan = sql_plan(
        EVENTS "CREATE VIEW a AS SELECT ts FROM t; SET 'tally.allowed-lateness' = '5 s'; SET 'tally.batch-grace' = '1 s';"
               "CREATE VIEW b AS SELECT ts FROM t; RESET 'tally.allowed-lateness'; CREATE VIEW c AS SELECT ts FROM t;"
               "SET 'tally.batch-grace' = '2 s'");

    cr_assert(plan->views[0].lateness_ms == 0 && plan->views[1].lateness_ms == 5000 && plan->views[2].lateness_ms == 0);
    cr_assert_eq(plan->settings.batch_grace_ms, 2000, "the last one holds");
    tl_plan_close(plan);
}

/* The last zone holds for expressions above it too: they print instants on its wall clock. */
Test(settings, time_zone)
{
    struct tl_plan *plan = sql_plan(EVENTS "SET 'table.local-time-zone' = 'Asia/Tokyo';"
                                           "CREATE VIEW v AS SELECT ts, CAST(ts AS STRING) AS text FROM t;"
                                           "SET 'table.local-time-zone' = 'America/Los_Angeles';");
    const struct tl_zone *zone = plan->settings.zone;

    cr_assert(tl_sv_eq(plan->settings.time_zone, TL_SV("America/Los_Angeles")));
    cr_assert_eq(tl_zone_local_ms(zone, 0), -8 * INT64_C(3600000));
    cr_assert(tl_sv_eq(tl_zone_name(plan->views[0].outputs[1].expr->state), TL_SV("America/Los_Angeles")));
    tl_plan_close(plan);
    plan =
        sql_plan(EVENTS "SET 'table.local-time-zone' = 'Asia/Tokyo'; RESET 'table.local-time-zone'; CREATE VIEW v AS SELECT ts, "
                        "CAST(ts AS STRING) AS text FROM t");
    cr_assert(plan->settings.zone == NULL && tl_sv_eq(plan->settings.time_zone, TL_SV("UTC")));
    cr_assert_null(plan->views[0].outputs[1].expr->state);
    tl_plan_close(plan);
    plan = sql_plan(EVENTS "SET 'table.local-time-zone' = 'GMT+5'; CREATE VIEW v AS SELECT ts FROM t");
    cr_assert(tl_sv_eq(plan->settings.time_zone, TL_SV("GMT+05:00")));
    tl_plan_close(plan);
}

Test(settings, reset)
{
    struct tl_plan *plan = sql_plan(
        EVENTS
        "SET 'tally.max-future-skew' = '1 s'; SET 'tally.dedup.horizon' = '1 s'; SET 'tally.batch-grace' = '1 s';"
        "SET 'tally.speed-retention' = '1 s'; SET 'tally.max-event-bytes' = '1 kb'; SET 'tally.dedup.key' = 'nothing';"
        "RESET 'tally.max-future-skew'; RESET 'tally.dedup.horizon'; RESET 'tally.batch-grace'; RESET 'tally.speed-retention';"
        "RESET 'tally.max-event-bytes'; RESET 'tally.dedup.key'; RESET 'table.local-time-zone'; "
        "SET 'tally.batch-range' = 'month'; RESET 'tally.batch-range'; CREATE VIEW v AS SELECT ts FROM t");

    cr_assert(plan->settings.future_skew_max_ms == 300000 && plan->settings.dedup_horizon_ms == 3600000 &&
              plan->settings.batch_grace_ms == 900000);
    cr_assert(plan->settings.speed_retention_ms == 7 * INT64_C(86400000) && plan->settings.event_bytes_max == 8u << 20);
    cr_assert_eq(plan->settings.batch_range, TL_RANGE_DAY);
    tl_plan_close(plan);
    plan = sql_plan(EVENTS "SET 'tally.batch-grace' = '1 s'; RESET; CREATE VIEW v AS SELECT ts FROM t");
    cr_assert_eq(plan->settings.batch_grace_ms, 900000);
    tl_plan_close(plan);
}

Test(settings, deduplication)
{
    static const char table[] =
        "CREATE TABLE u (event_id STRING, other STRING, a TIMESTAMP(3), WATERMARK FOR a AS a);CREATE VIEW v AS SELECT a FROM u;";
    static const char number[] =
        "CREATE TABLE u (event_id BIGINT, a TIMESTAMP(3), WATERMARK FOR a AS a);CREATE VIEW v AS SELECT a FROM u;";
    char sql[300];
    struct tl_plan *plan = sql_plan(table);

    cr_assert(tl_sv_eq(plan->sources[0].schema.fields[plan->sources[0].dedup_slot].name, TL_SV("event_id")));
    tl_plan_close(plan);
    snprintf(sql, sizeof sql, "%sSET 'tally.dedup.key' = ''", table);
    plan = sql_plan(sql);
    cr_assert(plan->sources[0].dedup_slot == -1 && plan->sources[0].schema.fields_count == 1);
    tl_plan_close(plan);
    plan = sql_plan(number);
    cr_assert_eq(plan->sources[0].dedup_slot, -1, "by default only a text is an id");
    tl_plan_close(plan);
}

struct duration_case {
    char text[32];
    bool good;
    int64_t ms;
    char printed[24];
};

ParameterizedTestParameters(settings, durations)
{
    /* clang-format off */
    static struct duration_case cases[] = {
        {"200 ms", true, 200, "200 ms"},       {"30 s", true, 30000, "30 s"},           {"5min", true, 300000, "5 min"},
        {"1 h", true, 3600000, "1 h"},         {"7 d", true, 604800000, "7 d"},         {"2 days", true, 172800000, "2 d"},
        {"90 seconds", true, 90000, "90 s"},   {"60 sec", true, 60000, "1 min"},        {" 10 Minutes ", true, 600000, "10 min"},
        {"1500", true, 1500, "1500 ms"},       {"0", true, 0, "0 ms"},                  {"24 hours", true, 86400000, "1 d"},
        {"1 millisecond", true, 1, "1 ms"},    {"", false, 0, ""},                      {"s", false, 0, ""},
        {"-5 s", false, 0, ""},                {"1.5 s", false, 0, ""},                 {"5 weeks", false, 0, ""},
        {"99999999999999999999 s", false, 0, ""}, {"9223372036854775807 d", false, 0, ""}, {"5 s s", false, 0, ""},
    };
    /* clang-format on */
    return cr_make_param_array(struct duration_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct duration_case *c, settings, durations)
{
    int64_t ms = 0;
    struct tl_buf buf;

    cr_assert_eq(tl_duration_read(tl_sv_from(c->text), &ms), c->good, "%s", c->text);
    if (!c->good)
        return;
    cr_assert_eq(ms, c->ms, "%s: %lld", c->text, (long long)ms);
    tl_buf_init(&buf, 0);
    tl_duration_print(ms, &buf);
    cr_assert(tl_sv_eq(tl_buf_sv(&buf), tl_sv_from(c->printed)), "%s: %.*s", c->text, TL_SV_ARG(tl_buf_sv(&buf)));
    tl_buf_done(&buf);
}

ParameterizedTestParameters(settings, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"unknown tally key",
         EVENTS "SET 'tally.allowed-latenes' = '5 s'",
         2, 5, "there is no setting 'tally.allowed-latenes'",
         "'tally.allowed-latenes'", "did you mean 'tally.allowed-lateness'?"},
        {"unknown tally key, nothing near",
         EVENTS "SET 'tally.colour' = 'red'",
         2, 5, "there is no setting 'tally.colour'",
         "'tally.colour'", "there are tally.allowed-lateness, tally.max-future-skew, tally.dedup.key, tally.dedup.horizon, tally.batch-grace, tally.batch-range, tally.speed-retention, tally.max-event-bytes and tally.dead-letter.topic"},
        {"no duration",
         EVENTS "SET 'tally.allowed-lateness' = '5 fortnights'",
         2, 32, "'5 fortnights' is no duration",
         "'5 fortnights'", "write a whole number and a unit: '200 ms', '30 s', '5 min', '1 h', '7 d'"},
        {"negative duration",
         EVENTS "SET 'tally.batch-grace' = '-5 s'",
         2, 27, "'-5 s' is no duration",
         "'-5 s'", "write a whole number and a unit: '200 ms', '30 s', '5 min', '1 h', '7 d'"},
        {"duration out of range",
         EVENTS "SET 'tally.speed-retention' = '99999 d'",
         2, 31, "'tally.speed-retention' is out of range",
         "'99999 d'", "write at most '3650 d'"},
        {"horizon of nothing",
         EVENTS "SET 'tally.dedup.horizon' = '0'",
         2, 29, "'tally.dedup.horizon' is out of range",
         "'0'", "write at least '1 ms' and at most '3650 d'"},
        {"no size",
         EVENTS "SET 'tally.max-event-bytes' = 'big'",
         2, 31, "'big' is no size",
         "'big'", "write a whole number and a unit: '512 kb', '8 mb'"},
        {"size out of range",
         EVENTS "SET 'tally.max-event-bytes' = '10'",
         2, 31, "'tally.max-event-bytes' is out of range",
         "'10'", "write at least '1 kb' and at most '1 gb'"},
        {"no length of a range",
         EVENTS "SET 'tally.batch-range' = 'week'",
         2, 27, "'week' is no length of a range",
         "'week'", "write 'hour', 'day' or 'month'"},
        {"time zone",
         EVENTS "SET 'table.local-time-zone' = 'Europe/Berln'",
         2, 31, "there is no time zone 'Europe/Berln'",
         "'Europe/Berln'", "did you mean 'Europe/Berlin'?"},
        {"time zone in small letters",
         EVENTS "SET 'table.local-time-zone' = 'america/los_angeles'",
         2, 31, "there is no time zone 'america/los_angeles'",
         "'america/los_angeles'", "did you mean 'America/Los_Angeles'?"},
        {"a town",
         EVENTS "SET 'table.local-time-zone' = 'kathmandu'",
         2, 31, "there is no time zone 'kathmandu'",
         "'kathmandu'", "did you mean 'Asia/Kathmandu'?"},
        {"an abbreviation",
         EVENTS "SET 'table.local-time-zone' = 'PST'",
         2, 31, "there is no time zone 'PST'",
         "'PST'", "write 'UTC', a place as 'Europe/Berlin', or an offset as 'GMT+05:30'"},
        {"an offset without GMT",
         EVENTS "SET 'table.local-time-zone' = '+05:30'",
         2, 31, "there is no time zone '+05:30'",
         "'+05:30'", "write 'UTC', a place as 'Europe/Berlin', or an offset as 'GMT+05:30'"},
        {"an offset from UTC",
         EVENTS "SET 'table.local-time-zone' = 'UTC+08:00'",
         2, 31, "there is no time zone 'UTC+08:00'",
         "'UTC+08:00'", "write 'UTC', a place as 'Europe/Berlin', or an offset as 'GMT+05:30'"},
        {"the zone of the machine",
         EVENTS "SET 'table.local-time-zone' = 'default'",
         2, 31, "'default' is another zone on another machine",
         "'default'", "write 'UTC', or the zone that is meant: 'Europe/Berlin'"},
        {"a mistake above a time zone",
         EVENTS "SET 'tally.colour' = 'red'; SET 'table.local-time-zone' = 'PST'",
         2, 5, "there is no setting 'tally.colour'",
         "'tally.colour'", "there are tally.allowed-lateness, tally.max-future-skew, tally.dedup.key, tally.dedup.horizon, tally.batch-grace, tally.batch-range, tally.speed-retention, tally.max-event-bytes and tally.dead-letter.topic"},
        {"dedup key that is no column",
         EVENTS "SET 'tally.dedup.key' = 'idd';\nCREATE VIEW v AS SELECT ts FROM t",
         2, 25, "there is no column 'idd' in t",
         "'idd'", "did you mean 'id'?"},
        {"dedup key that is no text",
         EVENTS "SET 'tally.dedup.key' = 'n';\nCREATE VIEW v AS SELECT ts FROM t",
         2, 25, "an event's id is STRING, and 'n' in t is INT",
         "'n'", "declare the column STRING: numbers are read as their text"},
        {"reset of an unknown key",
         EVENTS "RESET 'tally.dedup'",
         2, 7, "there is no setting 'tally.dedup'",
         "'tally.dedup'", "did you mean 'tally.dedup.key'?"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, settings, mistakes)
{
    sql_mistake_check(c);
}
