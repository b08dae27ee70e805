/* delta_test.c: deltas that follow one another, folded into one, lead from the same to the same. */
#include "serving/delta.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/chance.h"

enum { ROWS = 6, DELTAS = 8 };

struct state {
    int value[ROWS]; /* 0: the row is not there */
};

static struct tl_sv digit(int value)
{
    return (struct tl_sv){&"0123456789"[value], 1};
}

static struct tl_delta_op op_of(int row, int old, int now, enum tl_delta_cause cause)
{
    static const char keys[] = "aabbcc"; /* rows differ by end, start or key */

    return (struct tl_delta_op){
        .start_ms = row % 2,
        .end_ms = 10 + row / 4,
        .key = {&keys[row], 1         },
        .had = old != 0,
        .has = now != 0,
        .old = {0,          digit(old)},
        .now = {0,          digit(now)},
        .cause = cause
    };
}

static int row_of(const struct tl_delta_op *op)
{
    for (int row = 0; row < ROWS; row++) {
        struct tl_delta_op other = op_of(row, 0, 0, TL_DELTA_NO_CAUSE);

        if (other.start_ms == op->start_ms && other.end_ms == op->end_ms && tl_sv_eq(other.key, op->key))
            return row;
    }
    cr_assert_fail("there is no such row");
    return 0;
}

static void apply(struct state *state, struct tl_sv bytes, bool *seen, size_t *ranges)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_delta_item item;

    while (tl_delta_next(&reader, &item)) {
        int row;

        if (item.is_range) {
            ++*ranges;
            continue;
        }
        row = row_of(&item.op);
        cr_assert_not(seen[row], "a row stands there once");
        seen[row] = true;
        cr_assert_eq(item.op.had ? item.op.old.values.data[0] - '0' : 0, state->value[row]);
        cr_assert_neq(item.op.has ? item.op.now.values.data[0] - '0' : 0, state->value[row], "no change");
        state->value[row] = item.op.has ? item.op.now.values.data[0] - '0' : 0;
    }
    cr_assert(tl_reader_at_end(&reader));
}

Test(delta, folded_leads_to_the_same)
{
    struct chance chance = chance_open("delta");

    for (int round = 0; round < 2000; round++) {
        struct state before, after;
        struct tl_buf all, folded;
        bool seen[ROWS] = {false};
        struct tl_err err = {.message = ""};
        size_t ranges = 0, ranges_put = 0;

        tl_buf_init(&all, 0);
        tl_buf_init(&folded, 0);
        for (int row = 0; row < ROWS; row++)
            before.value[row] = (int)chance_below(&chance, 3);
        after = before;
        for (int d = 0; d < DELTAS; d++) {
            if (chance_below(&chance, 4) == 0) {
                tl_delta_put_range(&all, &(struct tl_delta_range){INT64_MIN, 7, 3, d % 2 != 0});
                ranges_put++;
            }
            for (int row = 0; row < ROWS; row++) {
                int now = (int)chance_below(&chance, 4);
                struct tl_delta_op op =
                    op_of(row, after.value[row], now, chance_below(&chance, 2) ? TL_DELTA_LATE_EVENT : TL_DELTA_NO_CAUSE);

                if (now == after.value[row] || chance_below(&chance, 3) > 0)
                    continue;
                tl_delta_put_op(&all, &op);
                after.value[row] = now;
            }
        }
        cr_assert_eq(tl_delta_fold(tl_buf_sv(&all), &folded, &err), TL_OK, "%s", err.message);
        apply(&before, tl_buf_sv(&folded), seen, &ranges);
        cr_assert_eq(ranges, ranges_put);
        for (int row = 0; row < ROWS; row++)
            cr_assert_eq(before.value[row], after.value[row]);
        tl_buf_done(&all);
        tl_buf_done(&folded);
    }
}

Test(delta, damaged_bytes_are_said)
{
    struct tl_delta_op op = op_of(1, 2, 3, TL_DELTA_LATE_EVENT);
    struct tl_buf bytes, out;
    struct tl_err err;

    tl_buf_init(&bytes, 0);
    tl_buf_init(&out, 0);
    tl_delta_put_op(&bytes, &op);
    for (size_t size = 1; size < bytes.size; size++)
        cr_assert_eq(tl_delta_fold((struct tl_sv){bytes.data, size}, &out, &err), TL_ERR_CORRUPT, "%zu", size);
    tl_buf_done(&bytes);
    tl_buf_done(&out);
}
