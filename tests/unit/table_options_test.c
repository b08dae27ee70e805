/* table_options_test.c: WITH: where reading begins and ends, properties, what Flink refuses. */
#include "sql/table_options.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sql/bind.h"
#include "sql/plan_text.h"
#include "support/sql_case.h"

#define TABLE(options) "CREATE TABLE u (a TIMESTAMP(3), WATERMARK FOR a AS a) WITH (" options ")"
#define VIEW ";\nCREATE VIEW v AS SELECT a FROM u;"

static struct tl_plan *planned(const char *options)
{
    char sql[1200];

    snprintf(sql, sizeof sql, "CREATE TABLE u (a TIMESTAMP(3), WATERMARK FOR a AS a) WITH (%s)" VIEW, options);
    return sql_plan(sql);
}

Test(table_options, unless_set)
{
    struct tl_plan *plan = planned("'topic' = 'x'");
    const struct tl_source *source = &plan->sources[0];

    cr_assert_eq(source->startup.kind, TL_PLACE_EARLIEST, "positions live in the store, so a new view begins where the log does");
    cr_assert_not(source->bounded);
    cr_assert_eq(source->properties_count, 0);
    cr_assert_null(source->topic_pattern.data);
    cr_assert_eq(source->dead_letter_topic.size, 0);
    tl_plan_close(plan);
}

Test(table_options, properties_are_handed_on_as_written)
{
    struct tl_plan *plan =
        planned("'topic' = 'x',\n 'properties.bootstrap.servers' = 'a:1,b:2', 'properties.sasl.username' = 'Al ice'");
    const struct tl_source *source = &plan->sources[0];

    cr_assert_eq(source->properties_count, 2);
    cr_assert(tl_sv_eq(source->properties[0].key, TL_SV("bootstrap.servers")));
    cr_assert(tl_sv_eq(source->properties[0].value, TL_SV("a:1,b:2")));
    cr_assert(tl_sv_eq(source->properties[1].key, TL_SV("sasl.username")));
    cr_assert(tl_sv_eq(source->properties[1].value, TL_SV("Al ice")));
    cr_assert_eq(source->properties[1].place.line, 2);
    tl_plan_close(plan);
}

Test(table_options, a_pattern_is_carried)
{
    struct tl_plan *plan = planned("'topic-pattern' = 'events-[a-z]+'");

    cr_assert(tl_sv_eq(plan->sources[0].topic_pattern, TL_SV("events-[a-z]+")));
    cr_assert_null(plan->sources[0].topic.data, "no one topic stands for it");
    tl_plan_close(plan);
}

Test(table_options, dead_letters_have_a_topic_of_the_whole_file)
{
    struct tl_plan *plan = sql_plan("SET 'tally.dead-letter.topic' = 'events.dead';\n" TABLE("'topic' = 'x'") VIEW);

    cr_assert(tl_sv_eq(plan->sources[0].dead_letter_topic, TL_SV("events.dead")));
    tl_plan_close(plan);
    plan = sql_plan("SET 'tally.dead-letter.topic' = 'd'; RESET 'tally.dead-letter.topic';\n" TABLE("'topic' = 'x'") VIEW);
    cr_assert_eq(plan->sources[0].dead_letter_topic.size, 0);
    tl_plan_close(plan);
}

struct place_case {
    char options[250];
    enum tl_log_place_kind kind;
    int64_t timestamp_ms;
    size_t offsets_count;
};

ParameterizedTestParameters(table_options, startup)
{
    static struct place_case cases[] = {
        {"'scan.startup.mode' = 'earliest-offset'",                                              TL_PLACE_EARLIEST,  0, 0},
        {"'scan.startup.mode' = 'latest-offset'",                                                TL_PLACE_LATEST,    0, 0},
        {"'scan.startup.mode' = 'Latest-Offset'",                                                TL_PLACE_LATEST,    0, 0},
        {"'scan.startup.mode' = 'group-offsets', 'properties.group.id' = 'g'",                   TL_PLACE_GROUP,     0, 0},
        {"'scan.startup.timestamp-millis' = '1709287200000', 'scan.startup.mode' = 'timestamp'", TL_PLACE_TIMESTAMP,
         1709287200000,                                                                                                 0},
        {"'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = "
         "'partition:0,offset:42;partition:1,offset:300'",                              TL_PLACE_OFFSETS,   0, 2},
        {"'scan.startup.timestamp-millis' = '5', 'scan.startup.mode' = 'latest-offset'",         TL_PLACE_LATEST,    0, 0},
    };

    return cr_make_param_array(struct place_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct place_case *c, table_options, startup)
{
    struct tl_plan *plan = planned(c->options);
    const struct tl_log_place *place = &plan->sources[0].startup;

    cr_assert_eq(place->kind, c->kind, "%s", c->options);
    cr_assert_eq(place->timestamp_ms, c->timestamp_ms, "%s", c->options);
    cr_assert_eq(place->offsets_count, c->offsets_count, "%s", c->options);
    cr_assert_not(plan->sources[0].bounded);
    tl_plan_close(plan);
}

ParameterizedTestParameters(table_options, bound)
{
    static struct place_case cases[] = {
        {"'scan.bounded.mode' = 'latest-offset'",                                                              TL_PLACE_LATEST,    0, 0},
        {"'scan.bounded.mode' = 'group-offsets'",                                                              TL_PLACE_GROUP,     0, 0},
        {"'scan.bounded.mode' = 'timestamp', 'scan.bounded.timestamp-millis' = '7'",                           TL_PLACE_TIMESTAMP, 7, 0},
        {"'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:2,offset:9'", TL_PLACE_OFFSETS,
         0,                                                                                                                           1},
    };

    return cr_make_param_array(struct place_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct place_case *c, table_options, bound)
{
    struct tl_plan *plan = planned(c->options);
    const struct tl_log_place *place = &plan->sources[0].bound;

    cr_assert(plan->sources[0].bounded, "%s", c->options);
    cr_assert_eq(place->kind, c->kind, "%s", c->options);
    cr_assert_eq(place->timestamp_ms, c->timestamp_ms, "%s", c->options);
    cr_assert_eq(place->offsets_count, c->offsets_count, "%s", c->options);
    tl_plan_close(plan);
    plan = planned("'scan.bounded.mode' = 'unbounded'");
    cr_assert_not(plan->sources[0].bounded);
    tl_plan_close(plan);
}

/* None of it is part of what a view counts. */
Test(table_options, no_definition_changes_with_it)
{
    struct tl_plan *plain = planned("'topic' = 'x'"),
                   *other = planned("'topic' = 'x', 'properties.client.id' = 'c', 'scan.startup.mode' = 'latest-offset', "
                                    "'scan.bounded.mode' = 'timestamp', 'scan.bounded.timestamp-millis' = '7'");

    cr_assert_str_eq(plain->views[0].hash, other->views[0].hash);
    tl_plan_close(plain);
    tl_plan_close(other);
}

Test(table_options, explain_says_where_reading_begins_and_ends)
{
    struct tl_plan *plan =
        planned("'topic' = 'x', 'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '1709287200000', "
                "'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:2,offset:9'");
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_plan_print(plan, &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_not_null(strstr(out.data, "the first entry since 2024-03-01T10:00:00.000Z\n"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "offset by partition: 2: 9\n"), "%s", out.data);
    tl_buf_clear(&out);
    tl_plan_print_flink(plan, &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_not_null(strstr(out.data, "'scan.bounded.specific-offsets' = 'partition:2,offset:9'"), "handed on to Flink: %s",
                       out.data);
    tl_buf_done(&out);
    tl_plan_close(plan);
}

ParameterizedTestParameters(table_options, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"pattern beside a topic",
         TABLE("'topic' = 'x', 'topic-pattern' = 'x.*'"), 1, 76, "'topic' and 'topic-pattern' exclude one another", "'topic-pattern'", "keep one of the two"},
        {"empty pattern",
         TABLE("'topic-pattern' = ''"), 1, 79, "'topic-pattern' cannot be ''", "''", "write a regular expression: 'events-.*'"},
        {"startup mode",
         TABLE("'scan.startup.mode' = 'earliest'"), 1, 83, "'scan.startup.mode' cannot be 'earliest'", "'earliest'",
         "write 'earliest-offset', 'latest-offset', 'group-offsets', 'timestamp' or 'specific-offsets'"},
        {"bounded mode",
         TABLE("'scan.bounded.mode' = 'earliest-offset'"), 1, 83, "'scan.bounded.mode' cannot be 'earliest-offset'", "'earliest-offset'",
         "write 'unbounded', 'latest-offset', 'group-offsets', 'timestamp' or 'specific-offsets'"},
        {"no timestamp",
         TABLE("'scan.startup.mode' = 'timestamp'"), 1, 83, "'scan.startup.mode' = 'timestamp' wants 'scan.startup.timestamp-millis'", "'timestamp'",
         "add it: milliseconds since 1970, such as '1709287200000'"},
        {"timestamp as text",
         TABLE("'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '2024-03-01'"), 1, 130,
         "'scan.startup.timestamp-millis' cannot be '2024-03-01'", "'2024-03-01'", "write milliseconds since 1970, such as '1709287200000'"},
        {"no offsets",
         TABLE("'scan.bounded.mode' = 'specific-offsets'"), 1, 83, "'scan.bounded.mode' = 'specific-offsets' wants 'scan.bounded.specific-offsets'",
         "'specific-offsets'", "add it: 'partition:0,offset:42;partition:1,offset:300'"},
        {"offsets",
         TABLE("'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = '0:42'"), 1, 137, "'0:42' says no partition and offset", "'0:42'",
         "write 'partition:0,offset:42;partition:1,offset:300'"},
        {"offsets of a pattern",
         TABLE("'topic-pattern' = 'x.*', 'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = 'partition:0,offset:1'"), 1, 108,
         "offsets by partition are of one topic", "'specific-offsets'", "write 'topic' = 'name' in place of 'topic-pattern'"},
        {"offsets where a pattern ends",
         TABLE("'topic-pattern' = 'x.*', 'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = 'partition:0,offset:1'"), 1, 108,
         "offsets by partition are of one topic", "'specific-offsets'", "write 'topic' = 'name' in place of 'topic-pattern'"},
        {"scan option",
         TABLE("'scan.start.mode' = 'latest-offset'"), 1, 61, "Flink's Kafka table has no option 'scan.start.mode'", "'scan.start.mode'",
         "did you mean 'scan.startup.mode'?"},
        {"tally in WITH",
         TABLE("'tally.dead-letter.topic' = 'd'"), 1, 61, "'tally.dead-letter.topic' in WITH: Flink refuses a table with it", "'tally.dead-letter.topic'",
         "write it as SET 'key' = 'value', which Flink passes over"},
        {"dead letters to no topic",
         "SET 'tally.dead-letter.topic' = 'a b'", 1, 33, "'a b' cannot be the name of a topic", "'a b'",
         "a topic's name has letters, digits, '.', '_' and '-', at most 249"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, table_options, mistakes)
{
    sql_mistake_check(c);
}
