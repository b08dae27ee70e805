/* base_test.c: errors are filled once, never overrun, and have the exit status that scripts rely on. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>

#include "base/base.h"

Test(base, fail_fills_and_returns_the_code)
{
    struct tl_err err = {TL_OK, true, "old"};

    cr_assert_eq(tl_fail(&err, TL_ERR_LIMIT, "%s has %d rows", "hits_5m", 3), TL_ERR_LIMIT);
    cr_assert_eq(err.code, TL_ERR_LIMIT);
    cr_assert_not(err.retriable);
    cr_assert_str_eq(err.message, "hits_5m has 3 rows");
    cr_assert_eq(tl_fail(NULL, TL_ERR_IO, "nobody listens"), TL_ERR_IO);
}

Test(base, fail_may_quote_its_own_message)
{
    struct tl_err err;

    (void)tl_fail(&err, TL_ERR_IO, "disk full");
    (void)tl_fail(&err, TL_ERR_IO, "views.db: %s", err.message);
    cr_assert_str_eq(err.message, "views.db: disk full");
}

Test(base, fail_errno_adds_the_reason_and_keeps_errno)
{
    struct tl_err err;

    errno = ENOENT;
    cr_assert_eq(tl_fail_errno(&err, TL_ERR_IO, "views.sql"), TL_ERR_IO);
    cr_assert_eq(errno, ENOENT);
    cr_assert_str_eq(err.message, "views.sql: No such file or directory");
    cr_assert_not(err.retriable);
    errno = EAGAIN;
    (void)tl_fail_errno(&err, TL_ERR_IO, "socket");
    cr_assert(err.retriable);
}

Test(base, fail_cuts_what_does_not_fit)
{
    struct tl_err err;
    char text[4000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    errno = EIO;
    (void)tl_fail_errno(&err, TL_ERR_IO, "%s", text);
    cr_assert_eq(strlen(err.message), sizeof err.message - 1);
}

static enum tl_code one_way_out(enum tl_code first, int *steps)
{
    enum tl_code rc;

    TL_TRY(first);
    (*steps)++;
out:
    return rc;
}

Test(base, try_leaves_at_the_first_failure)
{
    int steps = 0;

    cr_assert_eq(one_way_out(TL_OK, &steps), TL_OK);
    cr_assert_eq(steps, 1);
    cr_assert_eq(one_way_out(TL_ERR_BUSY, &steps), TL_ERR_BUSY);
    cr_assert_eq(steps, 1);
}

struct status_case {
    enum tl_code code;
    int status;
};

ParameterizedTestParameters(base, exit_status)
{
    static struct status_case cases[] = {
        {TL_OK,             0 },
        {TL_ERR_ANSWER_NO,  1 },
        {TL_ERR_USAGE,      2 },
        {TL_ERR_DEFINITION, 2 },
        {TL_ERR_IO,         3 },
        {TL_ERR_CORRUPT,    3 },
        {TL_ERR_MEMORY,     3 },
        {TL_ERR_FENCED,     3 },
        {TL_ERR_LIMIT,      3 },
        {TL_ERR_UNKNOWN,    3 },
        {TL_ERR_BUSY,       75},
    };
    return cr_make_param_array(struct status_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct status_case *c, base, exit_status)
{
    cr_assert_eq(tl_exit_status(c->code), c->status, "code %d: got %d, want %d", (int)c->code, tl_exit_status(c->code),
                 c->status);
}

Test(base, sums_saturate_at_the_ends_of_the_axis)
{
    cr_assert_eq(tl_add_sat_i64(INT64_MAX, 1), INT64_MAX);
    cr_assert_eq(tl_add_sat_i64(INT64_MIN, -1), INT64_MIN);
    cr_assert_eq(tl_add_sat_i64(INT64_MAX, INT64_MIN), -1);
    cr_assert_eq(tl_min_i64(-1, 1), -1);
    cr_assert_eq(tl_max_i64(-1, 1), 1);
}

Test(base, an_array_grows_or_stays_as_it_is)
{
    uint32_t *numbers = NULL;

    cr_assert(TL_RESIZE(numbers, 3));
    numbers[2] = 7;
    cr_assert(TL_RESIZE(numbers, 1000));
    cr_expect_eq(numbers[2], 7);
    cr_expect_not(TL_RESIZE(numbers, SIZE_MAX / 2), "more bytes than a size holds");
    cr_expect_eq(numbers[2], 7);
    free(numbers);
}
