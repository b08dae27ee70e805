/* versions_test.c: versions that differ are named with who has them; what only one side has is no difference. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "serving/versions.h"

struct versions_case {
    char name[48], speed[80], later[80], batch[80], reconcile[80], want[200];
};

ParameterizedTestParameters(versions, differences)
{
    static struct versions_case cases[] = {
        {"nothing",            "",                         "",                         "",                         "",             ""                                      },
        {"all agree",          "tzdata 2025b; places x 1", "tzdata 2025b; places x 1", "tzdata 2025b; places x 1",
         "tzdata 2025b; places x 1",                                                                                               ""                                      },
        {"one has more",       "tzdata 2025b",             "",                         "tzdata 2025b; places x 1", "tzdata 2025b", ""                                      },
        {"batch has another",  "tzdata 2025b",             "",                         "tzdata 2026a",             "tzdata 2026a",
         "tzdata 2025b (speed), tzdata 2026a (batch, reconcile)"                                                                                                           },
        {"speed had another",  "tzdata 2025b",             "tzdata 2026a",             "tzdata 2026a",             "tzdata 2026a",
         "tzdata 2025b (speed), tzdata 2026a (speed, batch, reconcile)"                                                                                                    },
        {"only reconcile's",   "tzdata 2025b",             "",                         "tzdata 2025b",             "tzdata 2026a",
         "tzdata 2025b (speed, batch), tzdata 2026a (reconcile)"                                                                                                           },
        {"the name is a word", "places x 1",               "",                         "placesx 1; tzdata 2025b",  "",             ""                                      },
        {"one of two",         "tzdata 2025b; places x 1", "",                         "places x 2;tzdata 2025b;", "",             "places x 1 (speed), places x 2 (batch)"},
    };
    return cr_make_param_array(struct versions_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct versions_case *c, versions, differences)
{
    struct tl_versions versions = {0};
    struct tl_err err = {0};
    struct tl_buf text;

    tl_buf_init(&text, 0);
    cr_assert_eq(tl_versions_add(&versions, TL_VERSIONS_SPEED, tl_sv_from(c->speed), &err), TL_OK);
    cr_assert_eq(tl_versions_add(&versions, TL_VERSIONS_SPEED, tl_sv_from(c->later), &err), TL_OK);
    cr_assert_eq(tl_versions_add(&versions, TL_VERSIONS_BATCH, tl_sv_from(c->batch), &err), TL_OK);
    cr_assert_eq(tl_versions_add(&versions, TL_VERSIONS_RECONCILE, tl_sv_from(c->reconcile), &err), TL_OK);
    tl_versions_put_differences(&versions, &text);
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, c->want, "%s: %s", c->name, text.data);
    tl_buf_done(&text);
    tl_versions_done(&versions);
}
