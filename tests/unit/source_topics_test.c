/* source_topics_test.c: which topics a table reads, where they are found, and that their numbers are the store's. */
#include "main/source_topics.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/source_log.h"
#include "support/sql_case.h"
#include "support/store_fixture.h"

#define SOURCE(name, options)                                                                                                    \
    "CREATE TABLE " name " (a TIMESTAMP(3), WATERMARK FOR a AS a) WITH (" options ");\nCREATE VIEW v" name                       \
    " AS SELECT a FROM " name ";\n"

static struct tl_source_topics *opened(const struct tl_plan *plan)
{
    struct tl_source_topics *topics = NULL;

    OK(tl_source_topics_open(plan, &topics, err));
    return topics;
}

/* "site-a=1 site-b=? ": the source's topics by name, each with its number. */
static const char *known(const struct tl_source_topics *topics, uint32_t source)
{
    static char text[400];
    uint32_t count;
    const struct tl_source_topic *list = tl_source_topics_of(topics, source, &count);
    size_t size = 0;

    text[0] = '\0';
    for (uint32_t t = 0; t < count; t++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%.*s=", TL_SV_ARG(list[t].name));
        if (list[t].number == TL_TOPIC_NO_NUMBER)
            size += (size_t)snprintf(text + size, sizeof text - size, "? ");
        else
            size += (size_t)snprintf(text + size, sizeof text - size, "%u ", list[t].number);
    }
    return text;
}

/* ---- what matches ---- */

struct match_case {
    char pattern[60], topic[60];
    bool matches;
};

ParameterizedTestParameters(source_topics, match)
{
    static struct match_case cases[] = {
        {"events-.*",       "events-a",          true },
        {"events-.*",       "events-",           true },
        {"events-.*",       "my-events-a",       false}, /* all of the name, not a part of it */
        {"events",          "events-a",          false},
        {"events|events-a", "events-a",          true }, /* the first way that fits need not be the whole */
        {"a|b",             "b",                 true },
        {"^site-[0-9]{2}$", "site-07",           true },
        {"site-\\d+",       "site-7",            true },
        {"(?i)Site-.*",     "sITE-x",            true },
        {"Site-.*",         "site-x",            false},
        {"(?!site-test).*", "site-test",         false},
        {".*",              "anything.at_all-7", true },
        {".*",              "events.import",     false}, /* of the record: what was imported for events */
        {".*",              "dead-letters",      false}, /* what this file's dead letters go to */
        {".*",              "no topic's name",   false},
    };
    return cr_make_param_array(struct match_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct match_case *c, source_topics, match)
{
    char sql[600];
    struct tl_plan *plan;
    struct tl_source_topics *topics;
    bool matches = false;

    snprintf(sql, sizeof sql, "SET 'tally.dead-letter.topic' = 'dead-letters';\n" SOURCE("t", "'topic-pattern' = '%s'"),
             c->pattern);
    plan = sql_plan(sql);
    topics = opened(plan);
    OK(tl_source_topics_match(topics, 0, tl_sv_from(c->topic), &matches, err));
    cr_assert_eq(matches, c->matches, "'%s' and %s", c->pattern, c->topic);
    tl_source_topics_close(topics);
    tl_plan_close(plan);
}

Test(source_topics, a_table_of_one_topic_reads_that_alone)
{
    struct tl_plan *plan = sql_plan(SOURCE("t", "'topic' = 'x.y'"));
    struct tl_source_topics *topics = opened(plan);
    bool matches = true;

    cr_assert_str_eq(known(topics, 0), "x.y=0 ");
    OK(tl_source_topics_match(topics, 0, TL_SV("xzy"), &matches, err));
    cr_assert_not(matches, "a name is no pattern");
    OK(tl_source_topics_match(topics, 0, TL_SV("x.y"), &matches, err));
    cr_assert(matches);
    OK(tl_source_topics_add(topics, 0, TL_SV("other"), err));
    cr_assert_str_eq(known(topics, 0), "x.y=0 ");
    tl_source_topics_close(topics);
    tl_plan_close(plan);
}

Test(source_topics, a_pattern_that_comes_to_no_end_is_told)
{
    struct tl_plan *plan = sql_plan(SOURCE("t", "'topic-pattern' = '(a|aa)+[bd]'"));
    struct tl_source_topics *topics = opened(plan);
    bool matches;

    FAILS(
        TL_ERR_LIMIT, "comes to no end with the topic aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
        tl_source_topics_match(topics, 0, TL_SV("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"), &matches, err));
    tl_source_topics_close(topics);
    tl_plan_close(plan);
}

Test(source_topics, what_is_no_pattern_says_where)
{
    FAILS(TL_ERR_DEFINITION, "is refused at character 3", tl_topic_pattern_check(TL_SV("a[[b"), err));
    OK(tl_topic_pattern_check(TL_SV("a[b]"), err));
}

Test(source_topics, a_pattern_of_another_table_meets_or_does_not)
{
    static const struct {
        const char *pattern;
        bool meets;
    } cases[] = {
        {"x.y",   true },
        {"x..",   true },
        {"x",     false},
        {"z.*",   false},
        {"a[[b]", true }, /* no pattern by our rules: nobody can tell */
    };
    struct tl_plan *plan = sql_plan(SOURCE("t", "'topic' = 'x.y'"));
    struct tl_source_topics *topics = opened(plan);

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        bool meets = !cases[i].meets;

        OK(tl_source_topics_meet(topics, 0, tl_sv_from(cases[i].pattern), &meets, err));
        cr_assert_eq(meets, cases[i].meets, "%s", cases[i].pattern);
    }
    tl_source_topics_close(topics);
    tl_plan_close(plan);
}

Test(source_topics, partitions_that_cannot_be_told_apart)
{
    OK(tl_source_topic_check(TL_SV("x"), 65536, err));
    FAILS(TL_ERR_LIMIT, "topic x has 65537 partitions, and 65536 of a topic can be told apart",
          tl_source_topic_check(TL_SV("x"), 65537, err));
}

/* ---- log and store ---- */

static void make_topic(const char *data, const char *topic)
{
    struct tl_log *log = NULL;

    OK(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, err));
    OK(tl_log_create_topic(log, tl_sv_from(topic), 1, err));
    tl_log_close(log);
}

/* Speed finds topics in the log, batch on record: whoever is first gives the number, and the other one has the same. */
Test(source_topics, both_layers_have_the_same_numbers, .fini = store_folder_remove)
{
    struct tl_plan *plan = sql_plan(SOURCE("t", "'topic-pattern' = 'site-.*'") SOURCE("u", "'topic' = 'site-b'")
                                        SOURCE("w", "'topic-pattern' = '.*-[bc]'"));
    struct tl_source_topics *speed = opened(plan), *batch = opened(plan);
    struct tl_log *log = NULL;
    struct tl_store *store;
    char data[400], url[512];

    store_folder(data);
    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    make_topic(data, "site-b");
    make_topic(data, "site-a");
    make_topic(data, "blog");
    OK(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_READ, &log, err));
    for (uint32_t s = 0; s < 3; s++)
        OK(tl_source_topics_look(speed, s, log, err));
    cr_assert_str_eq(known(speed, 0), "site-a=? site-b=? ");
    OK(tl_source_topics_number(speed, store, err));
    cr_assert_str_eq(known(speed, 0), "site-a=1 site-b=2 ");
    cr_assert_str_eq(known(speed, 1), "site-b=0 ", "of a table with 'topic' it is ever 0");
    cr_assert_str_eq(known(speed, 2), "site-b=2 ");

    OK(tl_source_topics_add(batch, 0, TL_SV("site-c"), err)); /* on record, and gone from the log */
    OK(tl_source_topics_add(batch, 0, TL_SV("blog"), err));
    cr_assert_str_eq(known(batch, 0), "site-c=? ");
    OK(tl_source_topics_number(batch, store, err));
    cr_assert_str_eq(known(batch, 0), "site-c=3 site-a=1 site-b=2 ");

    make_topic(data, "site-d");
    OK(tl_source_topics_look(speed, 0, log, err));
    OK(tl_source_topics_number(speed, store, err));
    cr_assert_str_eq(known(speed, 0), "site-a=1 site-b=2 site-d=4 site-c=3 ");
    cr_assert_str_eq(known(speed, 2), "site-b=2 site-c=3 ");
    cr_assert(tl_sv_eq(tl_source_topic_name(speed, 0, 4 << 16 | 7), TL_SV("site-d")));
    cr_assert(tl_sv_eq(tl_source_topic_name(speed, 1, 7), TL_SV("site-b")));
    cr_assert_null(tl_source_topic_name(speed, 0, 9 << 16).data);
    tl_log_close(log);
    tl_store_close(store);
    tl_source_topics_close(speed);
    tl_source_topics_close(batch);
    tl_plan_close(plan);
}
