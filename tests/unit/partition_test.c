/* partition_test.c: one number for topic and partition, and which of two messages comes first. */
#include "event/partition.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

struct number_case {
    char name[60];
    uint32_t topic, in_topic, imported, want;
};

ParameterizedTestParameters(partition, number)
{
    static struct number_case cases[] = {
        {"a table's one topic: its own numbers",  0,                   7,                           0,                     7                      },
        {"its last partition",                    0,                   TL_TOPIC_PARTITIONS_MAX - 1, 0,                     0xffff                 },
        {"the first topic of a pattern",          1,                   0,                           0,                     0x10000                },
        {"another, with a partition",             300,                 5,                           0,                     UINT32_C(300) << 16 | 5},
        {"the last of all",                       TL_TOPIC_NUMBER_MAX, TL_TOPIC_PARTITIONS_MAX - 1, 0,                     0x7fffffff             },
        {"what was imported for a table's topic", 0,                   1,                           TL_PARTITION_IMPORTED, 0x80000001             },
        {"and for a topic of a pattern",          2,                   0,                           TL_PARTITION_IMPORTED, 0x80020000             },
    };
    return cr_make_param_array(struct number_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct number_case *c, partition, number)
{
    uint32_t number = c->imported | tl_partition_number(c->topic, c->in_topic);

    cr_assert_eq(number, c->want, "%s: %u", c->name, number);
    cr_assert_eq(tl_partition_topic(number), c->topic);
    cr_assert_eq(tl_partition_in_topic(number), c->in_topic);
    cr_assert_eq(tl_partition_base(number), c->imported | tl_partition_number(c->topic, 0));
}

struct order_case {
    char name[60];
    uint32_t a;
    int64_t a_offset;
    uint32_t b;
    int64_t b_offset;
    int want;
};

#define T(topic, in_topic) (UINT32_C(topic) << 16 | (in_topic))
#define IMPORTED(topic) (TL_PARTITION_IMPORTED | UINT32_C(topic) << 16)

ParameterizedTestParameters(partition, order)
{
    static struct order_case cases[] = {
        {"the same message", T(1,                     2),                       3,                                                            T(1,                                                                              2),                                                                                                                                                             3, 0},
        {"offsets of one partition",                 T(0,                                        2),                                       3,                                                                                T(0,                                                                                                                       2),                                                                                                                                                                                                                                              4, -1},
        {"partitions of one topic, whatever the offset",                T(0,                                      1),                                                            9,                                                                                                                        T(0,                                     2),4, -1},
        {"partitions of two topics, whatever the topic",                 T(2,                                     1),9,T(1,2),                                                                                                                                                                                                         4, -1},
        {"one partition of two topics: the offset",T(2,1),        3,                                                                                                                              T(1,                                                                                                                                                                                                                               1),                                                                                                                                                                                    4, -1},
        {"the topic ends the tie",                  T(2, 1),                        4,                                                                                                   T(1,                                                                                                                                                                           1),                                                                                                                                                                                                         4, 1},
        {"an import comes behind the log, as ever",                 IMPORTED(0),                                      0,                                                              T(0,                                                                                                   5),                                                                                                                                                               9,                                                                                                                                        1},
        {"also behind another topic's",               IMPORTED(1),                                    0,                                                           T(2,                    5),9,1},
        {"of two imports the offset",                 IMPORTED(1),2,IMPORTED(2),1,1},
        {"of two imports with one offset the topic",IMPORTED(1),2,IMPORTED(2),2,                                                                                                                                    -1                                                                                                                                                                                                                                                                                                                                                                                                                                                         },
    };
    return cr_make_param_array(struct order_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct order_case *c, partition, order)
{
    cr_assert_eq(tl_partition_order(c->a, c->a_offset, c->b, c->b_offset), c->want, "%s", c->name);
    cr_assert_eq(tl_partition_order(c->b, c->b_offset, c->a, c->a_offset), -c->want, "%s, the other way", c->name);
}
