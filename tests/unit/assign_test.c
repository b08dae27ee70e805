/* assign_test.c: runs say of each row what the row alone would have been told, whatever the order of the rows. */
#include <criterion/criterion.h>

#include "core/assign.h"
#include "support/chance.h"

#define SPRING_MS INT64_C(1615716000000) /* 2021-03-14T10:00:00Z: the clock of Los Angeles jumps from 02:00 to 03:00 */

enum { ROWS = 300 };

static struct tl_window_spec random_spec(struct chance *chance, const struct tl_zone *zone)
{
    static const enum tl_window_kind kinds[] = {TL_WINDOW_TUMBLE, TL_WINDOW_HOP, TL_WINDOW_CUMULATE};
    struct tl_window_spec spec = {.window = kinds[chance_below(chance, 3)], .zone = zone};
    int64_t minutes = 1 + chance_below(chance, 90);

    spec.slide_ms = minutes * 60000;
    spec.size_ms = spec.window == TL_WINDOW_TUMBLE ? spec.slide_ms : spec.slide_ms * (1 + chance_below(chance, 5));
    spec.offset_ms = (int64_t)chance_below(chance, (uint32_t)spec.slide_ms) - (chance_below(chance, 2) ? spec.slide_ms - 1 : 0);
    return spec;
}

/* By the definitions: the windows whose bounds hold the row's wall clock. */
static void check_row(const struct tl_window_spec *spec, const struct tl_slice_run *run, int64_t time_ms)
{
    int64_t local_ms = tl_zone_local_ms(spec->zone, time_ms);
    int64_t whole_ms = tl_window_start_ms(local_ms, spec->offset_ms, spec->size_ms);

    cr_assert(run->slice_ms <= local_ms && local_ms < run->first_ms);
    cr_assert_eq(tl_window_start_ms(run->slice_ms, spec->offset_ms, spec->slide_ms), run->slice_ms);
    cr_assert_eq(run->first_ms, run->slice_ms + spec->slide_ms);
    cr_assert_eq(run->last_ms, spec->window == TL_WINDOW_HOP ? run->slice_ms + spec->size_ms : whole_ms + spec->size_ms);
    cr_assert(run->last_ms >= run->first_ms && run->last_ms - spec->size_ms <= local_ms);
    cr_assert_eq(run->first_fire_ms, tl_fire_ms(spec->zone, run->first_ms));
    cr_assert_eq(run->last_fire_ms, tl_fire_ms(spec->zone, run->last_ms));
    cr_assert_geq(run->first_fire_ms, time_ms, "a row's first window fires at or behind the row");
}

Test(assign, each_row_is_told_its_slice)
{
    struct chance chance = chance_open("assign");
    struct tl_arena arena;
    const struct tl_zone *zone;
    struct tl_err err = {0};

    tl_arena_init(&arena, 1u << 12, 0);
    cr_assert_eq(tl_zone_open(TL_SV("America/Los_Angeles"), &arena, &zone, &err), TL_OK, "%s", err.message);
    for (int round = 0; round < 200; round++) {
        struct tl_window_spec spec = random_spec(&chance, chance_below(&chance, 2) ? zone : NULL);
        struct tl_assign assign;
        int64_t time_ms[ROWS], at_ms = SPRING_MS - 7200000;
        uint32_t rows[ROWS], count = 0, changes = 0;
        const struct tl_slice_run *run;

        tl_assign_init(&assign, &spec);
        for (uint32_t row = 0; row < ROWS; row++) {
            at_ms += chance_below(&chance, 90000);
            time_ms[row] = at_ms - (chance_below(&chance, 4) == 0 ? chance_below(&chance, 7200000) : 0);
            if (chance_below(&chance, 3) > 0)
                rows[count++] = row;
        }
        cr_assert(tl_assign_rows(&assign, rows, count, time_ms));
        run = assign.runs;
        for (uint32_t i = 0; i < count; i++) {
            for (; rows[i] >= run->upto; changes++)
                run++;
            check_row(&spec, run, time_ms[rows[i]]);
        }
        cr_assert(count == 0 || changes + 1 == assign.count, "each run has a row");
        cr_assert(tl_assign_rows(&assign, rows, 0, time_ms) && assign.count == 0);
        tl_assign_done(&assign);
    }
    tl_arena_done(&arena);
}

Test(assign, the_same_slices)
{
    struct tl_window_spec a = {.window = TL_WINDOW_HOP, .size_ms = 60000, .slide_ms = 20000}, b = a;

    cr_assert(tl_assign_same(&a, &b));
    b.offset_ms = 1;
    cr_assert_not(tl_assign_same(&a, &b));
    b = a;
    b.window = TL_WINDOW_CUMULATE;
    cr_assert_not(tl_assign_same(&a, &b), "the last window of a slice is another");
    b = a;
    b.size_ms = 40000;
    cr_assert_not(tl_assign_same(&a, &b));
}
