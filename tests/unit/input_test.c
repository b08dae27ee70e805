/* input_test.c: how many events a reader of the record may have to tell apart at the same time. */
#include <criterion/criterion.h>
#include <string.h>

#include "batch_layer/input.h"

enum { BLOCKS_MAX = 4 };
#define DAY_MS INT64_C(86400000)

/* A file of one partition: blocks with their log timestamps and event times, in hours. */
struct part {
    int hours[BLOCKS_MAX][4]; /* log from, log to, events from, events to */
    uint32_t blocks;
    struct tl_master_day days[3];
    uint32_t days_count;
    struct tl_master_block master_blocks[BLOCKS_MAX];
    struct tl_input_times times[BLOCKS_MAX];
    struct tl_master_file file;
    struct tl_input_file facts;
    struct tl_input_partition partition;
};

static const int64_t bounds[] = {0, DAY_MS, 2 * DAY_MS, 3 * DAY_MS};

static int64_t ms_of(int hour)
{
    return (int64_t)hour * 3600000;
}

static void part_make(struct part *part)
{
    for (uint32_t b = 0; b < part->blocks; b++) {
        part->master_blocks[b].log_ms_min = ms_of(part->hours[b][0]);
        part->master_blocks[b].log_ms_max = ms_of(part->hours[b][1]);
        part->times[b] = (struct tl_input_times){ms_of(part->hours[b][2]), ms_of(part->hours[b][3])};
    }
    part->file = (struct tl_master_file){.blocks = part->master_blocks, .blocks_count = part->blocks};
    part->facts =
        (struct tl_input_file){.file = &part->file, .blocks = part->times, .days = part->days, .days_count = part->days_count};
    part->partition = (struct tl_input_partition){.files = &part->facts, .files_count = 1};
}

static void check(struct part *parts, uint32_t count, const int64_t *at, uint32_t ranges, uint64_t want_at_once,
                  uint64_t want_all)
{
    struct tl_input_partition partitions[4];
    struct tl_input input = {.partitions = partitions, .partitions_count = count};
    uint64_t at_once = 0, all = 0;
    struct tl_err err;

    for (uint32_t p = 0; p < count; p++) {
        part_make(&parts[p]);
        partitions[p] = parts[p].partition;
    }
    cr_assert_eq(tl_input_events_max(&input, at, ranges, &at_once, &all, &err), TL_OK);
    cr_expect_eq(at_once, want_at_once, "at once %llu", (unsigned long long)at_once);
    cr_expect_eq(all, want_all, "in all %llu", (unsigned long long)all);
}

Test(input, days_one_after_the_other_are_counted_alone)
{
    struct part parts[] = {
        {.hours = {{0, 24, 0, 23}, {25, 47, 24, 47}, {48, 71, 48, 71}},
         .blocks = 3,
         .days = {{0, 100}, {1, 300}, {2, 200}},
         .days_count = 3}
    };

    check(parts, 1, bounds, 3, 300, 600);
    check(parts, 1, bounds + 1, 1, 300, 300);
}

Test(input, days_whose_events_are_mixed_are_counted_together)
{
    struct part late[] = {
        {.hours = {{0, 24, 0, 23}, {25, 47, 20, 47}, {48, 71, 48, 71}},
         .blocks = 3,
         .days = {{0, 100}, {1, 300}, {2, 200}},
         .days_count = 3}
    };
    struct part two[] = {
        {.hours = {{0, 24, 0, 23}},   .blocks = 1, .days = {{0, 100}}, .days_count = 1},
        {.hours = {{20, 40, 24, 47}}, .blocks = 1, .days = {{1, 300}}, .days_count = 1},
    };

    check(late, 1, bounds, 3, 400, 600);
    check(two, 2, bounds, 3, 400, 400);
}

/* An event of the first day in the last block: all that lies between is kept until then. */
Test(input, a_straggler_keeps_days_open)
{
    struct part parts[] = {
        {.hours = {{0, 24, 0, 23}, {25, 47, 24, 47}, {48, 71, 1, 71}},
         .blocks = 3,
         .days = {{0, 100}, {1, 300}, {2, 200}},
         .days_count = 3}
    };

    check(parts, 1, bounds, 3, 600, 600);
}

/* The partition stands still until the other one has come to its highest log timestamp. */
Test(input, log_timestamps_that_step_back_wait_for_the_other_partition)
{
    struct part parts[] = {
        {.hours = {{60, 60, 0, 10}, {1, 2, 11, 23}}, .blocks = 2, .days = {{0, 100}}, .days_count = 1},
        {.hours = {{48, 61, 48, 71}},                .blocks = 1, .days = {{2, 200}}, .days_count = 1},
    };

    check(parts, 2, bounds, 3, 300, 300);
}

Test(input, ranges_of_another_zone_count_the_days_they_touch)
{
    const int64_t shifted[] = {DAY_MS - 3600000, 2 * DAY_MS - 3600000};
    struct part parts[] = {
        {.hours = {{0, 24, 0, 23}, {25, 47, 24, 47}}, .blocks = 2, .days = {{0, 100}, {1, 300}}, .days_count = 2}
    };

    check(parts, 1, shifted, 1, 400, 400);
}
