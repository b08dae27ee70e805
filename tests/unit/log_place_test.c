/* log_place_test.c: offsets by partition, as Flink writes and refuses them. */
#include "event/log_place.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

struct offsets_case {
    char text[120];
    char want[80];  /* "0:42 1:300"; empty: refused */
    char wrong[60]; /* what is named then */
};

ParameterizedTestParameters(log_place, offsets)
{
    static struct offsets_case cases[] = {
        {"partition:0,offset:42;partition:1,offset:300",                   "0:42 1:300",            ""                                           },
        {"partition:0,offset:42",                                          "0:42",                  ""                                           },
        {"partition:0,offset:42;",                                         "0:42",                  ""                                           },
        {"partition:3,offset:1;partition:1,offset:2",                      "1:2 3:1",               ""                                           },
        {"partition:1,offset:1;partition:0,offset:5;partition:1,offset:2", "0:5 1:2",               ""                                           },
        {"partition:0,offset:9223372036854775807",                         "0:9223372036854775807", ""                                           },
        {"partition:2147483647,offset:0",                                  "2147483647:0",          ""                                           },
        {"",                                                               "",                      ""                                           },
        {";",                                                              "",                      ";"                                          },
        {"partition:0",                                                    "",                      "partition:0"                                },
        {"partition:0;offset:42",                                          "",                      "partition:0"                                },
        {"partition:0,offset:42;;partition:1,offset:1",                    "",                      "partition:0,offset:42;;partition:1,offset:1"},
        {"partition:0,offset:42;part:1,offset:1",                          "",                      "part:1,offset:1"                            },
        {"partition:0,offset:",                                            "",                      "partition:0,offset:"                        },
        {"partition:,offset:1",                                            "",                      "partition:,offset:1"                        },
        {"partition:0,offset:-1",                                          "",                      "partition:0,offset:-1"                      },
        {"partition:-1,offset:1",                                          "",                      "partition:-1,offset:1"                      },
        {"partition:0,offset:1,offset:2",                                  "",                      "partition:0,offset:1,offset:2"              },
        {"partition:0, offset:1",                                          "",                      "partition:0, offset:1"                      },
        {" partition:0,offset:1",                                          "",                      " partition:0,offset:1"                      },
        {"partition:0,offset:9223372036854775808",                         "",                      "partition:0,offset:9223372036854775808"     },
        {"partition:2147483648,offset:0",                                  "",                      "partition:2147483648,offset:0"              },
        {"offset:0,partition:1",                                           "",                      "offset:0,partition:1"                       },
        {"0:42",                                                           "",                      "0:42"                                       },
    };

    return cr_make_param_array(struct offsets_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct offsets_case *c, log_place, offsets)
{
    struct tl_arena arena;
    struct tl_log_place place = {0};
    struct tl_sv wrong = {NULL, 0};
    char text[200] = "";
    size_t at = 0;

    tl_arena_init(&arena, 1024, 0);
    if (c->want[0] == '\0') {
        cr_assert_not(tl_log_offsets_read(tl_sv_from(c->text), &arena, &place, &wrong), "%s", c->text);
        cr_assert(wrong.data != NULL && tl_sv_eq(wrong, tl_sv_from(c->wrong)), "%s: %.*s", c->text, TL_SV_ARG(wrong));
    } else {
        cr_assert(tl_log_offsets_read(tl_sv_from(c->text), &arena, &place, &wrong), "%s: %.*s", c->text, TL_SV_ARG(wrong));
        cr_assert_eq(place.kind, TL_PLACE_OFFSETS);
        for (size_t i = 0; i < place.offsets_count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%u:%lld", i > 0 ? " " : "", place.offsets[i].partition,
                                   (long long)place.offsets[i].offset);
        cr_assert_str_eq(text, c->want);
    }
    tl_arena_done(&arena);
}
