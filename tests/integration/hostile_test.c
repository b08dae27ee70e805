/* hostile_test.c: hostile clients before `tally intercept`: a site behind it sees exactly what intercept has counted (tests/hostile/hostile.py). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/run.h"

Test(hostile, a_site_sees_what_was_counted)
{
    const char *python = getenv("TALLY_PYTHON"), *cases = getenv("TALLY_LLHTTP_CASES");
    char command[2000];

    cr_assert(python != NULL && cases != NULL,
              "TALLY_PYTHON and TALLY_LLHTTP_CASES are not set; make test-integration sets them");
    snprintf(command, sizeof command, "%s -B tests/hostile/hostile.py --tally %s --cases %s --behind h11,node --quick 1>&2",
             python, run_program(), cases);
    cr_assert_eq(system(command), 0, "%s", command);
}
