/* days_test.c: where ranges end: midnights of the zone, days of 23 and 25 hours, days that begin twice or never. */
#include "batch_layer/days.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "event/timestamp.h"
#include "support/sql_case.h"
#include "support/store_fixture.h"

TestSuite(days, .fini = store_folder_remove);

struct days_case {
    char name[48], zone[24], column[16]; /* of the event time: ts is an instant, at a wall clock */
    char first[24], last[24];            /* events: one a day of UTC at this time, from the first to the last */
    char now[24];                        /* the record was read to its end now and a quarter of an hour */
    char published[2][24];               /* ends of ranges that are published */
    char want[420];                      /* ends of all ranges, "-" behind those that are clean */
};

static int64_t ms_of(const char *text)
{
    int64_t ms = 0;

    cr_assert(tl_time_from_rfc3339(tl_sv_from(text), &ms), "%s", text);
    return ms;
}

static struct tl_plan *plan_of(const struct days_case *c)
{
    char sql[700];

    snprintf(sql, sizeof sql,
             "SET 'table.local-time-zone' = '%s'; CREATE TABLE t (at TIMESTAMP(3), ts TIMESTAMP_LTZ(3), WATERMARK FOR %s AS %s); "
             "CREATE VIEW v AS SELECT %s FROM t",
             c->zone, c->column, c->column, c->column);
    return sql_plan(sql);
}

/* A record of one file, and what it says of its events. */
struct record {
    struct tl_master_file file;
    struct tl_master_day days[8];
    struct tl_input_times block;
    struct tl_input_file facts;
    struct tl_input_partition partition;
    struct tl_input input;
};

static void record_make(struct record *record, const struct days_case *c, const struct tl_plan *plan)
{
    int64_t first_ms = ms_of(c->first), last_ms = ms_of(c->last);
    uint32_t count = 0;

    for (int64_t ms = first_ms; ms <= last_ms; ms += TL_DAY_MS)
        record->days[count++] = (struct tl_master_day){(int32_t)(ms / TL_DAY_MS), 1};
    record->file = (struct tl_master_file){.last_offset = count - 1, .blocks_count = 1};
    record->block = (struct tl_input_times){first_ms, last_ms};
    record->facts = (struct tl_input_file){.file = &record->file,
                                           .times = record->block,
                                           .blocks = &record->block,
                                           .watermark_ms = INT64_MIN,
                                           .days = record->days,
                                           .days_count = count};
    record->partition = (struct tl_input_partition){.topic = TL_SV("t"),
                                                    .files = &record->facts,
                                                    .files_count = 1,
                                                    .next_offset = count,
                                                    .end_ms = ms_of(c->now) + plan->settings.batch_grace_ms};
    record->input = (struct tl_input){.plan = plan, .partitions = &record->partition, .partitions_count = 1};
}

/* Publishes the ranges that the case says, with all of the record read. */
static void publish(struct tl_store *store, int64_t definition, const struct days_case *c, const struct record *record)
{
    int64_t run = store_run(store, "nightly"), from_ms = INT64_MIN;

    for (size_t i = 0; i < TL_COUNT(c->published) && c->published[i][0] != '\0'; i++) {
        store_stage_range(store, run, definition, from_ms, ms_of(c->published[i]));
        from_ms = ms_of(c->published[i]);
    }
    if (from_ms == INT64_MIN)
        return;
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("t"), 0, record->partition.next_offset, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_publish(store, run, 5, err));
}

static void print(const struct tl_days *days, char *out, size_t room)
{
    size_t size = 0;

    out[0] = '\0';
    for (uint32_t d = 0; d < days->count; d++) {
        char text[TL_TIME_TEXT_BYTES];

        cr_assert_eq(days->days[d].from_ms, d == 0 ? INT64_MIN : days->days[d - 1].to_ms, "a gap");
        cr_assert_gt(days->days[d].to_ms, days->days[d].from_ms, "nothing is a range");
        tl_time_to_iso_z(days->days[d].to_ms, text);
        size += (size_t)snprintf(out + size, room - size, "%s%s%s", d > 0 ? " " : "", text,
                                 days->days[d].reason == TL_DAY_CLEAN ? "-" : "");
    }
}

ParameterizedTestParameters(days, ranges)
{
    /* clang-format off */
    static struct days_case cases[] = {
        {"UTC", "UTC", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z", {""},
         "2021-03-13T00:00:00.000Z 2021-03-14T00:00:00.000Z 2021-03-15T00:00:00.000Z 2021-03-16T00:00:00.000Z"},
        {"23 hours", "America/Los_Angeles", "ts", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z", {""},
         "2021-03-12T08:00:00.000Z 2021-03-13T08:00:00.000Z 2021-03-14T08:00:00.000Z 2021-03-15T07:00:00.000Z 2021-03-16T07:00:00.000Z"},
        {"25 hours", "America/Los_Angeles", "ts", "2021-11-06T12:00:00Z", "2021-11-08T20:00:00Z", "2021-11-09T12:00:00Z", {""},
         "2021-11-05T07:00:00.000Z 2021-11-06T07:00:00.000Z 2021-11-07T07:00:00.000Z 2021-11-08T08:00:00.000Z 2021-11-09T08:00:00.000Z"},
        {"a millisecond before the day is over", "America/Los_Angeles", "ts", "2021-11-07T12:00:00Z", "2021-11-07T12:00:00Z",
         "2021-11-08T07:59:59.999Z", {""},
         "2021-11-06T07:00:00.000Z 2021-11-07T07:00:00.000Z"},
        {"and when it is", "America/Los_Angeles", "ts", "2021-11-07T12:00:00Z", "2021-11-07T12:00:00Z", "2021-11-08T08:00:00Z", {""},
         "2021-11-06T07:00:00.000Z 2021-11-07T07:00:00.000Z 2021-11-08T08:00:00.000Z"},
        {"a wall clock has its own midnights", "America/Los_Angeles", "at", "2021-03-13T12:00:00Z", "2021-03-15T20:00:00Z",
         "2021-03-16T12:00:00Z", {""},
         "2021-03-13T00:00:00.000Z 2021-03-14T00:00:00.000Z 2021-03-15T00:00:00.000Z 2021-03-16T00:00:00.000Z"},
        {"half an hour", "Asia/Kolkata", "ts", "2024-03-01T12:00:00Z", "2024-03-01T12:00:00Z", "2024-03-02T20:00:00Z", {""},
         "2024-02-29T18:30:00.000Z 2024-03-01T18:30:00.000Z 2024-03-02T18:30:00.000Z"},
        {"midnight is there twice", "America/Havana", "ts", "2024-11-03T12:00:00Z", "2024-11-03T12:00:00Z", "2024-11-04T12:00:00Z", {""},
         "2024-11-02T04:00:00.000Z 2024-11-03T04:00:00.000Z 2024-11-04T05:00:00.000Z"},
        {"midnight does not exist", "America/Havana", "ts", "2024-03-10T12:00:00Z", "2024-03-10T12:00:00Z", "2024-03-11T12:00:00Z", {""},
         "2024-03-09T05:00:00.000Z 2024-03-10T05:00:00.000Z 2024-03-11T04:00:00.000Z"},
        {"the day comes back after midnight", "America/St_Johns", "ts", "2010-11-07T12:00:00Z", "2010-11-07T12:00:00Z",
         "2010-11-08T12:00:00Z", {""},
         "2010-11-06T02:30:00.000Z 2010-11-07T03:30:00.000Z 2010-11-08T03:30:00.000Z"},
        {"not yet over the second time", "America/St_Johns", "ts", "2010-11-06T12:00:00Z", "2010-11-06T12:00:00Z",
         "2010-11-07T02:30:30Z", {""},
         "2010-11-05T02:30:00.000Z 2010-11-06T02:30:00.000Z"},
        {"a day's last hour does not exist", "America/Nuuk", "ts", "2024-03-31T12:00:00Z", "2024-03-31T12:00:00Z", "2024-04-01T12:00:00Z", {""},
         "2024-03-30T02:00:00.000Z 2024-03-31T01:00:00.001Z 2024-04-01T01:00:00.000Z"},
        {"a day that never was", "Pacific/Apia", "ts", "2011-12-30T05:00:00Z", "2011-12-30T05:00:00Z", "2011-12-31T12:00:00Z", {""},
         "2011-12-29T10:00:00.000Z 2011-12-30T10:00:00.000Z 2011-12-31T10:00:00.000Z"},
        {"what ends with a day stays", "America/Los_Angeles", "ts", "2021-03-14T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
         {"2021-03-14T08:00:00Z", "2021-03-15T07:00:00Z"},
         "2021-03-14T08:00:00.000Z- 2021-03-15T07:00:00.000Z- 2021-03-16T07:00:00.000Z"},
        {"what ends within a day grows", "America/Los_Angeles", "ts", "2021-03-14T12:00:00Z", "2021-03-15T20:00:00Z", "2021-03-16T12:00:00Z",
         {"2021-03-14T08:00:00Z", "2021-03-15T00:00:00Z"},
         "2021-03-14T08:00:00.000Z- 2021-03-15T07:00:00.000Z 2021-03-16T07:00:00.000Z"},
    };
    /* clang-format on */
    return cr_make_param_array(struct days_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct days_case *c, days, ranges, .fini = store_folder_remove)
{
    struct tl_days_wish wish = {.from_ms = INT64_MIN, .to_ms = INT64_MIN, .now_ms = ms_of(c->now)};
    struct tl_shape shape = store_windowless("v", 'a');
    struct tl_plan *plan = plan_of(c);
    struct tl_store *store;
    struct record record;
    struct tl_days days;
    int64_t definition = 0;
    char url[512], got[600];

    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &definition, err));
    record_make(&record, c, plan);
    publish(store, definition, c, &record);
    OK(tl_days_open(&days, store, definition, &record.input, &plan->views[0], &wish, err));
    print(&days, got, sizeof got);
    cr_assert_str_eq(got, c->want, "%s\ngot  %s\nwant %s", c->name, got, c->want);
    tl_days_close(&days);
    tl_store_close(store);
    tl_plan_close(plan);
}
