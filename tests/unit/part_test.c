/* part_test.c: how long a part that fails has to wait, and which ends are final. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/part.h"

Test(part, pauses_double_from_half_a_second_to_thirty)
{
    static const int64_t want[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};

    for (int f = 0; f < (int)TL_COUNT(want); f++) {
        cr_expect_eq(tl_part_pause_ms(f + 1, 0), want[f] * 3 / 4);
        cr_expect_eq(tl_part_pause_ms(f + 1, 1023), want[f] * 5 / 4);
        for (uint32_t chance = 1; chance < 100000; chance = chance * 3 + 1)
            cr_expect(tl_part_pause_ms(f + 1, chance) >= want[f] * 3 / 4 && tl_part_pause_ms(f + 1, chance) <= want[f] * 5 / 4);
    }
    cr_expect_eq(tl_part_pause_ms(1000000, 0), 22500);
}

/* ---- ends ---- */

static char heard[4096];

static void hear(void *ctx, struct tl_sv lines, bool named)
{
    (void)ctx;
    (void)named;
    strncat(heard, lines.data, lines.size);
}

static int ends_with(const struct tl_part *part, void *ctx)
{
    int status = *(int *)ctx;

    (void)part;
    (void)!write(STDERR_FILENO, "last words", 10);
    if (status < 0)
        raise(-status);
    _exit(status);
}

static struct tl_part_end run(struct tl_part *part, int status, int64_t ran_ms)
{
    struct tl_part_end end = {.status = -1};
    int64_t started_ms = 1000;

    heard[0] = '\0';
    tl_part_start(part, ends_with, &status, started_ms);
    cr_assert_gt(part->pid, 0);
    while (!tl_part_ended(part, false, started_ms + ran_ms, hear, NULL, &end))
        tl_clock_sleep_ms(1);
    cr_expect_str_eq(heard, "last words\n");
    cr_expect_eq(part->pid, 0);
    return end;
}

struct end_case {
    char name[60];
    int status; /* -9: by signal 9 */
    int64_t ran_ms;
    bool may_end, repeats, final;
    int want; /* status */
};

ParameterizedTestParameters(part, ends)
{
    static struct end_case cases[] = {
        {"wrong usage at its start",          2,        10,    false, false, true,  2 },
        {"a lock at its start",               75,       10,    false, false, true,  75},
        {"wrong usage of one that is proven", 2,        60000, false, false, false, 2 },
        {"a lock of one that is proven",      75,       60000, false, false, false, 75},
        {"something outside",                 3,        10,    false, false, false, 3 },
        {"done, without being told",          0,        10,    false, false, false, 0 },
        {"done, of what has an end",          0,        10,    true,  false, true,  0 },
        {"a failure of what has an end",      3,        10,    true,  false, false, 3 },
        {"a signal",                          -SIGKILL, 10,    false, false, false, 3 },
        {"batch, with a wrong usage",         2,        10,    false, true,  false, 2 },
        {"batch, beside another one",         75,       10,    false, true,  false, 75},
    };

    return cr_make_param_array(struct end_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct end_case *c, part, ends)
{
    struct tl_part part = {.name = "speed", .may_end = c->may_end, .repeats = c->repeats, .every_ms = 3600000};
    struct tl_part_end end;

    part.output.fd = -1;
    end = run(&part, c->status, c->ran_ms);
    cr_expect_eq(end.final, c->final, "%s", c->name);
    cr_expect_eq(end.status, c->want, "%s", c->name);
    if (c->repeats)
        cr_expect_eq(part.due_ms, 1000 + c->ran_ms + 3600000);
    else if (!c->final)
        cr_expect(part.due_ms >= 1000 + c->ran_ms + 375 && part.due_ms <= 1000 + c->ran_ms + 625, "%s", c->name);
}

Test(part, a_minute_of_running_forgets_the_failures)
{
    struct tl_part part = {.name = "speed"};
    int64_t pause_ms;

    part.output.fd = -1;
    for (int i = 0; i < 4; i++)
        run(&part, 3, 10);
    pause_ms = part.due_ms - 1010;
    cr_expect(pause_ms >= 3000 && pause_ms <= 5000, "%lld", (long long)pause_ms);
    run(&part, 3, 60000);
    pause_ms = part.due_ms - 61000;
    cr_expect(pause_ms >= 375 && pause_ms <= 625, "%lld", (long long)pause_ms);
    cr_expect(part.proven);
}
