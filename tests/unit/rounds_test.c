/* rounds_test.c: when a replay takes over. */
#include <criterion/criterion.h>

#include "speed_layer/rounds.h"

static bool ends(struct tl_rounds *rounds, int64_t ms)
{
    return tl_rounds_may_end(rounds, ms);
}

Test(rounds, behind_a_short_one)
{
    struct tl_rounds rounds = {0};

    cr_expect(!ends(&rounds, 3600000));
    cr_expect(!ends(&rounds, 60000));
    cr_expect(!ends(&rounds, TL_ROUND_SHORT_MS + 1));
    cr_expect(ends(&rounds, TL_ROUND_SHORT_MS));
}

/* Also when somebody read the tables then and it is tried again. */
Test(rounds, when_they_get_no_shorter)
{
    struct tl_rounds rounds = {0};

    cr_expect(!ends(&rounds, 3600000));
    cr_expect(!ends(&rounds, 9000));
    cr_expect(!ends(&rounds, 9500));
    cr_expect(!ends(&rounds, 8900));
    cr_expect(ends(&rounds, 9100));
    cr_expect(ends(&rounds, 9000));
    cr_expect(!ends(&rounds, 5000), "it gets somewhere again");
}
