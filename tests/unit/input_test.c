/* input_test.c: how many events a reader of the record may have to tell apart at the same time, and what is new to him. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
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

/* ---- what is new ---- */

struct new_case {
    char name[60];
    int64_t next_offset;
    struct tl_input_span unread[2];
    uint32_t unread_count;
    bool day[3]; /* has each of the days something new? */
};

ParameterizedTestParameters(input, what_a_run_has_not_read_is_new)
{
    static struct new_case cases[] = {
        {"all was read",                             30, {{0, 0}},           0, {false, false, false}},
        {"a file came",                              29, {{0, 0}},           0, {false, false, true} },
        {"a block of a merged file came",            15, {{0, 0}},           0, {false, true, true}  },
        {"a file was gone, and what is behind read", 30, {{10, 19}},         1, {false, true, false} },
        {"part of a file, which is merged now",      30, {{0, 4}, {29, 29}}, 2, {true, false, true}  },
        {"nobody can say what was behind",           30, {{20, INT64_MAX}},  1, {false, false, true} },
        {"what was gone is still gone",              40, {{31, 35}},         1, {false, false, false}},
    };
    return cr_make_param_array(struct new_case, cases, sizeof cases / sizeof *cases);
}

/* One file of offsets 0 to 19, two blocks and days; and one of 20 to 29, the third day. */
ParameterizedTest(struct new_case *c, input, what_a_run_has_not_read_is_new)
{
    struct part merged =
                    {
                        .hours = {{0, 24, 0, 23}, {25, 47, 24, 47}},
                          .blocks = 2, .days = {{0, 10},        {1, 10}         },
                          .days_count = 2
    },
                last = {.hours = {{48, 71, 48, 71}}, .blocks = 1, .days = {{2, 10}}, .days_count = 1};
    struct tl_input_file files[2];
    struct tl_input_partition partition = {.files = files, .files_count = 2};

    part_make(&merged);
    part_make(&last);
    merged.master_blocks[0].last_offset = 9;
    merged.master_blocks[1].first_offset = 10;
    merged.master_blocks[1].last_offset = merged.file.last_offset = 19;
    last.master_blocks[0].first_offset = last.file.first_offset = 20;
    last.master_blocks[0].last_offset = last.file.last_offset = 29;
    files[0] = merged.facts;
    files[0].times = (struct tl_input_times){0, ms_of(47)};
    files[1] = last.facts;
    files[1].times = (struct tl_input_times){ms_of(48), ms_of(71)};
    for (int d = 0; d < 3; d++)
        cr_expect_eq(tl_input_has_new(&partition, c->next_offset, c->unread, c->unread_count, d * DAY_MS, (d + 1) * DAY_MS),
                     c->day[d], "%s: day %d", c->name, d);
}
