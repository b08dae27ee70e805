/* watermark_test.c: what judges an event, with one partition and with several, idle and revived. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "core/watermark.h"

static void open_two(struct tl_watermark *w, int64_t others_ms)
{
    struct tl_watermark_partition own[] = {
        {0, INT64_MIN, false},
        {1, INT64_MIN, false}
    };
    struct tl_err err;

    cr_assert_eq(tl_watermark_init(w, own, 2, others_ms, INT64_MIN, INT64_MIN, &err), TL_OK);
}

static void hear(struct tl_watermark *w, int64_t others_ms, int64_t floor_ms)
{
    tl_watermark_hear(w, &(struct tl_watermark_heard){others_ms, floor_ms, others_ms, floor_ms});
}

Test(watermark, a_row_is_judged_by_the_rows_before_it)
{
    struct tl_watermark_partition own[] = {
        {0, INT64_MIN, false}
    };
    int64_t event_ms[] = {1000, 14999, 9999}, judged_ms[3];
    struct tl_watermark w;
    struct tl_err err;

    cr_assert_eq(tl_watermark_init(&w, own, 1, INT64_MAX, INT64_MIN, INT64_MIN, &err), TL_OK);
    tl_watermark_pass(&w, 0, event_ms, 3, judged_ms);
    cr_expect_eq(judged_ms[0], INT64_MIN);
    cr_expect_eq(judged_ms[1], 1000);
    cr_expect_eq(judged_ms[2], 14999);
    cr_expect_eq(w.judge_ms, 14999);
    tl_watermark_done(&w);
}

Test(watermark, rows_without_a_watermark_change_nothing)
{
    struct tl_watermark_partition own[] = {
        {0, 500, false}
    };
    int64_t event_ms[] = {INT64_MIN, 700}, judged_ms[2];
    struct tl_watermark w;
    struct tl_err err;

    cr_assert_eq(tl_watermark_init(&w, own, 1, INT64_MAX, 500, INT64_MIN, &err), TL_OK);
    tl_watermark_pass(&w, 0, event_ms, 2, judged_ms);
    cr_expect_eq(judged_ms[0], 500);
    cr_expect_eq(judged_ms[1], 500);
    cr_expect_eq(w.judge_ms, 700);
    tl_watermark_done(&w);
}

Test(watermark, a_partition_without_events_holds_everything_back_until_it_is_idle)
{
    int64_t event_ms[] = {100000}, judged_ms[1];
    struct tl_watermark w;

    open_two(&w, INT64_MAX);
    tl_watermark_pass(&w, 0, event_ms, 1, judged_ms);
    cr_expect_eq(w.judge_ms, INT64_MIN);
    tl_watermark_idle(&w, 1, true);
    cr_expect_eq(w.judge_ms, 100000);
    tl_watermark_done(&w);
}

/* semantics.md case 18: the revived partition takes part at once, so the watermark stalls until it has caught up. */
Test(watermark, a_revived_partition_stalls_but_never_sets_back)
{
    int64_t a[] = {100000}, b[] = {50000}, c[] = {120000}, d[] = {130000}, judged_ms[1];
    struct tl_watermark w;

    open_two(&w, INT64_MAX);
    tl_watermark_pass(&w, 0, a, 1, judged_ms);
    tl_watermark_idle(&w, 1, true);
    tl_watermark_pass(&w, 1, b, 1, judged_ms);
    cr_expect_eq(judged_ms[0], 100000, "P1's row is judged by what was reached");
    tl_watermark_pass(&w, 0, c, 1, judged_ms);
    cr_expect_eq(w.judge_ms, 100000, "P1 at 50 s holds the minimum");
    tl_watermark_pass(&w, 1, d, 1, judged_ms);
    cr_expect_eq(w.judge_ms, 120000);
    tl_watermark_done(&w);
}

Test(watermark, the_others_count_as_last_heard)
{
    int64_t a[] = {100000}, b[] = {110000}, judged_ms[1];
    struct tl_watermark w;

    open_two(&w, 30000);
    tl_watermark_pass(&w, 0, a, 1, judged_ms);
    tl_watermark_pass(&w, 1, b, 1, judged_ms);
    cr_expect_eq(w.judge_ms, 30000);
    hear(&w, 105000, INT64_MIN);
    cr_expect_eq(w.judge_ms, 100000);
    hear(&w, 20000, INT64_MIN);
    cr_expect_eq(w.judge_ms, 100000, "never back");
    tl_watermark_done(&w);
}

Test(watermark, when_all_are_idle_only_the_floor_moves)
{
    int64_t a[] = {100000}, judged_ms[1];
    struct tl_watermark w;

    open_two(&w, INT64_MAX);
    tl_watermark_pass(&w, 0, a, 1, judged_ms);
    tl_watermark_idle(&w, 1, true);
    tl_watermark_idle(&w, 0, true);
    cr_expect_eq(w.judge_ms, 100000);
    hear(&w, INT64_MAX, 250000);
    cr_expect_eq(w.judge_ms, 250000);
    tl_watermark_done(&w);
}

Test(watermark, a_stored_judgement_is_kept)
{
    struct tl_watermark_partition own[] = {
        {0, 1000, false}
    };
    int64_t event_ms[] = {1500}, judged_ms[1];
    struct tl_watermark w;
    struct tl_err err;

    cr_assert_eq(tl_watermark_init(&w, own, 1, 500, 900, INT64_MIN, &err), TL_OK);
    tl_watermark_pass(&w, 0, event_ms, 1, judged_ms);
    cr_expect_eq(judged_ms[0], 900);
    tl_watermark_done(&w);
}

/* ---- what would judge, had every partition been waited for ---- */

static int64_t patient_of(const struct tl_watermark *w, int64_t event_ms)
{
    int64_t patient_ms;

    tl_watermark_patient(w, &event_ms, 1, &patient_ms);
    return patient_ms;
}

/* semantics.md case 18 again. */
Test(watermark, a_revived_partition_is_told_what_it_missed)
{
    int64_t a[] = {100000}, b[] = {50000, 70000, 60000}, c[] = {120000}, d[] = {130000}, judged_ms[3], patient_ms[3];
    struct tl_watermark w;

    open_two(&w, INT64_MAX);
    tl_watermark_pass(&w, 0, a, 1, judged_ms);
    cr_expect_eq(w.left_out, false);
    tl_watermark_idle(&w, 1, true);
    tl_watermark_pass(&w, 1, b, 3, judged_ms);
    cr_expect_eq(w.left_out, true);
    tl_watermark_patient(&w, b, 3, patient_ms);
    cr_expect_eq(patient_ms[0], INT64_MIN, "nothing had come of P1 before");
    cr_expect_eq(patient_ms[1], 50000);
    cr_expect_eq(patient_ms[2], 70000);
    cr_expect_eq(judged_ms[2], 100000);
    tl_watermark_pass(&w, 0, c, 1, judged_ms);
    cr_expect_eq(w.left_out, true);
    cr_expect_eq(patient_of(&w, c[0]), 70000);
    tl_watermark_pass(&w, 1, d, 1, judged_ms);
    cr_expect_eq(patient_of(&w, d[0]), 70000);
    tl_watermark_pass(&w, 0, d, 1, judged_ms);
    cr_expect_eq(w.left_out, false, "both are beyond what was judged by");
    cr_expect_eq(judged_ms[0], 120000);
    tl_watermark_done(&w);
}

Test(watermark, idle_partitions_of_others_are_heard_of)
{
    struct tl_watermark_partition own[] = {
        {0, INT64_MIN, false}
    };
    int64_t a[] = {100000, 60000}, judged_ms[2], patient_ms[2];
    struct tl_watermark w;
    struct tl_err err;

    cr_assert_eq(tl_watermark_init(&w, own, 1, 40000, INT64_MIN, INT64_MIN, &err), TL_OK);
    tl_watermark_hear(&w, &(struct tl_watermark_heard){INT64_MAX, 40000, 40000, 40000});
    tl_watermark_pass(&w, 0, a, 2, judged_ms);
    cr_expect_eq(w.left_out, true);
    tl_watermark_patient(&w, a, 2, patient_ms);
    cr_expect_eq(judged_ms[1], 100000);
    cr_expect_eq(patient_ms[1], 40000);
    tl_watermark_done(&w);
}

/* All are idle, and the committer raises the floor to the highest. */
Test(watermark, a_floor_over_idle_partitions_is_not_patient)
{
    int64_t a[] = {100000}, b[] = {90000}, judged_ms[1];
    struct tl_watermark w;

    open_two(&w, INT64_MAX);
    tl_watermark_pass(&w, 0, a, 1, judged_ms);
    tl_watermark_pass(&w, 1, b, 1, judged_ms);
    tl_watermark_idle(&w, 0, true);
    tl_watermark_idle(&w, 1, true);
    tl_watermark_hear(&w, &(struct tl_watermark_heard){INT64_MAX, 100000, INT64_MAX, 90000});
    tl_watermark_pass(&w, 1, b, 1, judged_ms);
    cr_expect_eq(judged_ms[0], 100000);
    cr_expect_eq(patient_of(&w, b[0]), 90000);
    tl_watermark_done(&w);
}

/* A restart keeps what was judged by, and sees by the partitions how far that was without leaving one out. */
Test(watermark, a_restart_knows_what_was_left_out)
{
    struct tl_watermark_partition own[] = {
        {0, 100000, false},
        {1, 50000,  false}
    };
    int64_t b[] = {60000}, judged_ms[1];
    struct tl_watermark w;
    struct tl_err err;

    cr_assert_eq(tl_watermark_init(&w, own, 2, INT64_MAX, 100000, INT64_MIN, &err), TL_OK);
    tl_watermark_pass(&w, 1, b, 1, judged_ms);
    cr_expect_eq(judged_ms[0], 100000);
    cr_expect_eq(w.left_out, true);
    cr_expect_eq(patient_of(&w, b[0]), 50000);
    tl_watermark_done(&w);
    own[1].watermark_ms = INT64_MIN; /* new since */
    cr_assert_eq(tl_watermark_init(&w, own, 2, INT64_MAX, 100000, 100000, &err), TL_OK);
    tl_watermark_pass(&w, 1, b, 1, judged_ms);
    cr_expect_eq(judged_ms[0], 100000);
    cr_expect_eq(w.left_out, false, "nobody was left out");
    cr_expect_eq(patient_of(&w, b[0]), 100000);
    tl_watermark_done(&w);
}

static int64_t combined(const struct tl_watermark_partition *partitions, uint32_t count)
{
    struct tl_watermark_sum sum = TL_WATERMARK_NOTHING;

    for (uint32_t i = 0; i < count; i++)
        tl_watermark_add(&sum, partitions[i].watermark_ms, partitions[i].idle);
    return tl_watermark_combined(&sum);
}

Test(watermark, combined)
{
    struct tl_watermark_partition active[] = {
        {0, 100, false},
        {1, 50,  false},
        {2, 10,  true }
    };
    struct tl_watermark_partition idle[] = {
        {0, 100, true},
        {1, 50,  true}
    };
    struct tl_watermark_partition ended[] = {
        {0, TL_WATERMARK_END, false},
        {1, 50,               true },
        {2, TL_WATERMARK_END, false},
    };

    cr_expect_eq(combined(active, 3), 50);
    cr_expect_eq(combined(idle, 2), 100, "all idle: the highest");
    cr_expect_eq(combined(idle, 0), INT64_MIN);
    cr_expect_eq(combined(ended, 3), 50, "the one that goes on says how far it is");
    cr_expect_eq(combined(ended, 1), TL_WATERMARK_END);
}

/* One has ended, and another one is idle: it may have events again, and they are not late. */
Test(watermark, the_end_of_one_is_not_that_of_others)
{
    const struct tl_watermark_partition partitions[] = {
        {0, 100, false},
        {1, 100, false}
    };
    int64_t event_ms = 160, judged_ms = 0;
    struct tl_watermark w;

    cr_assert_eq(tl_watermark_init(&w, partitions, 2, INT64_MAX, INT64_MIN, INT64_MIN, NULL), TL_OK);
    tl_watermark_end(&w, 0);
    cr_expect_eq(w.judge_ms, 100);
    tl_watermark_idle(&w, 1, true);
    cr_expect_eq(w.judge_ms, 100);
    tl_watermark_pass(&w, 1, &event_ms, 1, &judged_ms);
    cr_expect_eq(judged_ms, 100);
    cr_expect_eq(w.judge_ms, 160);
    tl_watermark_end(&w, 1);
    cr_expect_eq(w.judge_ms, 160, "nobody knows of the others");
    hear(&w, INT64_MAX, TL_WATERMARK_END);
    cr_expect_eq(w.judge_ms, TL_WATERMARK_END);
    tl_watermark_done(&w);
}
