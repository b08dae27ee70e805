/* count_text_test.c: a comma before every third digit from the right, and nowhere else. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "base/count_text.h"

struct count_case {
    uint64_t count;
    char want[TL_COUNT_TEXT_BYTES];
};

ParameterizedTestParameters(count_text, written)
{
    static struct count_case cases[] = {
        {0,          "0"                         },
        {7,          "7"                         },
        {999,        "999"                       },
        {1000,       "1,000"                     },
        {99999,      "99,999"                    },
        {123456,     "123,456"                   },
        {1000000,    "1,000,000"                 },
        {UINT64_MAX, "18,446,744,073,709,551,615"},
    };
    return cr_make_param_array(struct count_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct count_case *c, count_text, written)
{
    char text[TL_COUNT_TEXT_BYTES];

    cr_assert_eq(strcmp(tl_count_text(c->count, text), c->want), 0, "got %s, want %s", text, c->want);
}
