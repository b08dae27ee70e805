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

struct share_case {
    uint64_t part, whole;
    char want[TL_SHARE_TEXT_BYTES];
};

ParameterizedTestParameters(count_text, shares)
{
    static struct share_case cases[] = {
        {0,              1,          "0.00%" },
        {1,              1,          "100%"  },
        {1,              1000000,    "0.01%" },
        {999999,         1000000,    "99.99%"},
        {1,              3,          "33.33%"},
        {9998,           10000,      "99.98%"},
        {UINT64_MAX - 1, UINT64_MAX, "99.99%"},
    };
    return cr_make_param_array(struct share_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct share_case *c, count_text, shares)
{
    char text[TL_SHARE_TEXT_BYTES];

    cr_assert_str_eq(tl_share_text(tl_share_of(c->part, c->whole), text), c->want);
}
