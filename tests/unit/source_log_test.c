/* source_log_test.c: where Kafka's properties come from, and what is refused in WITH. */
#include "main/source_log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/sql_case.h"

#define SOURCE(name, options)                                                                                                    \
    "CREATE TABLE " name " (a TIMESTAMP(3), WATERMARK FOR a AS a) WITH (" options ");\nCREATE VIEW v" name                       \
    " AS SELECT a FROM " name ";\n"

static struct tl_err err;
static struct tl_common_options common = {.data = "/nowhere", .log = "kafka"};

static enum tl_code opens(const char *sql)
{
    struct tl_plan *plan = sql_plan(sql);
    struct tl_source_logs *logs = NULL;
    enum tl_code rc;

    err = (struct tl_err){0};
    rc = tl_source_logs_open(&common, plan, TL_LOG_READ, &logs, &err);
    tl_source_logs_close(logs);
    tl_plan_close(plan);
    return rc;
}

Test(source_log, the_table_the_environment_and_flags_in_this_order)
{
    static const char table[] =
        SOURCE("t", "'topic' = 'x', 'properties.bootstrap.servers' = 'a:1', 'properties.security.protocol' = 'plaintext'");

    cr_assert_eq(opens(table), TL_OK, "%s", err.message);
    /* Each place is seen by the mistake that it makes. */
    setenv("TALLY_KAFKA_SECURITY_PROTOCOL", "from-environment", 1);
    cr_assert_eq(opens(table), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "from-environment"), "%s", err.message);
    unsetenv("TALLY_KAFKA_SECURITY_PROTOCOL");
    common.kafka_properties = (struct tl_option_list){
        {"ssl.ca.location=/no/such/file=name", "security.protocol=ssl"},
        2
    };
    setenv("TALLY_KAFKA_SSL_CA_LOCATION", "/overruled", 1);
    cr_assert_eq(opens(table), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "/no/such/file=name"), "the flag wins: %s", err.message);
}

Test(source_log, wrong_flags_and_variables)
{
    static const char table[] = SOURCE("t", "'topic' = 'x'");

    cr_assert_eq(opens(table), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "no broker is named"), "%s", err.message);
    setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", "a:1", 1);
    cr_assert_eq(opens(table), TL_OK, "%s", err.message);
    setenv("TALLY_KAFKA_COLOUR", "red", 1);
    cr_assert_eq(opens(table), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "colour"), "%s", err.message);
    unsetenv("TALLY_KAFKA_COLOUR");
    common.kafka_properties = (struct tl_option_list){{"sasl.password:hush-hush"}, 1};
    cr_assert_eq(opens(table), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "--kafka-property: number 1 wants NAME=VALUE"), "%s", err.message);
}

Test(source_log, a_secret_from_a_file)
{
    static const char table[] = SOURCE("t", "'topic' = 'x', 'properties.bootstrap.servers' = 'a:1'");
    char path[] = "/tmp/tally_secret_XXXXXX";
    int file = mkstemp(path);

    cr_assert_eq(write(file, "not-a-protocol\n", 15), 15);
    close(file);
    setenv("TALLY_KAFKA_SECURITY_PROTOCOL_FILE", path, 1);
    cr_assert_eq(opens(table), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "\"not-a-protocol\""), "without the line's end: %s", err.message);
    unlink(path);
    cr_assert_eq(opens(table), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "environment variable TALLY_KAFKA_SECURITY_PROTOCOL_FILE"), "%s", err.message);
    cr_assert_not_null(strstr(err.message, path), "%s", err.message);
}

static bool shares(const struct tl_source_logs *logs, uint32_t a, uint32_t b)
{
    return tl_source_log(logs, a) == tl_source_log(logs, b);
}

/* A handle of Kafka has one place in a partition. */
Test(source_log, who_shares_a_handle)
{
    struct tl_plan *plan = sql_plan(SOURCE("a", "'topic' = 'x', 'properties.bootstrap.servers' = 'k:1'")
                                        SOURCE("b", "'topic' = 'y', 'properties.bootstrap.servers' = 'k:1'")
                                            SOURCE("c", "'topic' = 'x', 'properties.bootstrap.servers' = 'k:1'")
                                                SOURCE("d", "'topic' = 'z', 'properties.bootstrap.servers' = 'other:1'"));
    struct tl_source_logs *logs = NULL;

    cr_assert_eq(tl_source_logs_open(&common, plan, TL_LOG_READ, &logs, &err), TL_OK, "%s", err.message);
    cr_assert(shares(logs, 0, 1));
    cr_assert_not(shares(logs, 0, 2), "two tables of one topic");
    cr_assert_not(shares(logs, 0, 3), "another cluster");
    cr_assert_not(shares(logs, 2, 3));
    tl_source_logs_close(logs);
    tl_plan_close(plan);
}

static void is_refused(const char *sql, const char *want)
{
    struct tl_plan *plan = sql_plan(sql);

    cr_assert_eq(tl_source_logs_check(plan, &err), TL_ERR_DEFINITION);
    cr_assert_str_eq(err.message, want);
    tl_plan_close(plan);
}

Test(source_log, mistakes_have_a_place_in_the_file)
{
    is_refused(SOURCE("t", "'topic' = 'x',\n 'properties.bootstrap.server' = 'a:1'"),
               "views.sql:2:2: No such configuration property: \"bootstrap.server\"\n"
               "  2 |  'properties.bootstrap.server' = ...\n"
               "    |  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
               "  did you mean 'bootstrap.servers'?");
    is_refused(SOURCE("t", "'topic' = 'x',\n 'properties.security.protocol' = 'tls'"),
               "views.sql:2:35: Invalid value \"tls\" for configuration property \"security.protocol\"\n"
               "  2 |  'properties.security.protocol' = ...\n"
               "    |                                   ^^^^^");
    is_refused(SOURCE("t", "'topic' = 'x',\n 'properties.auto.offset.reset' = 'earliest'"),
               "views.sql:2:2: 'auto.offset.reset' is tally's own to set\n"
               "  2 |  'properties.auto.offset.reset' = ...\n"
               "    |  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
               "  leave it out: where to begin is 'scan.startup.mode', and an offset that is gone is an error");
    is_refused(
        SOURCE("t", "'topic' = 'x',\n 'properties.sasl.jaas.config' = 'x'"),
        "views.sql:2:2: 'sasl.jaas.config' is a property of Kafka's Java client, and Kafka is read through librdkafka here\n"
        "  2 |  'properties.sasl.jaas.config' = ...\n"
        "    |  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  write 'sasl.username' and 'sasl.password' (TALLY_KAFKA_SASL_PASSWORD keeps it out of the file)");
    is_refused(SOURCE("t", "'topic' = 'x',\n 'properties.plugin.library.paths' = './mine.so'"),
               "views.sql:2:2: a views file runs no programs and loads no libraries\n"
               "  2 |  'properties.plugin.library.paths' = ...\n"
               "    |  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
               "  set it with --kafka-property or in the environment (TALLY_KAFKA_...), if it is meant");
    is_refused(SOURCE("t", "\n 'topic-pattern' = 'x.*'"),
               "views.sql:2:2: this tally reads one topic a table, and no pattern yet\n"
               "  2 |  'topic-pattern' = 'x.*');\n"
               "    |  ^^^^^^^^^^^^^^^\n"
               "  write 'topic' = 'name', a table for each topic");
}

/* Local: the places that a table may say, without a broker. */
Test(source_log, where_a_table_begins_and_ends)
{
    char data[] = "/tmp/tally_source_log_XXXXXX", command[60];
    struct tl_common_options local = {.data = data, .log = "local"};
    struct tl_plan *plan = sql_plan(SOURCE("a", "'topic' = 'x'") SOURCE(
        "b", "'topic' = 'x', 'scan.startup.mode' = 'latest-offset', 'scan.bounded.mode' = 'specific-offsets', "
             "'scan.bounded.specific-offsets' = 'partition:0,offset:2'")
                                        SOURCE("c", "'topic' = 'x', 'scan.startup.mode' = 'specific-offsets', "
                                                    "'scan.startup.specific-offsets' = 'partition:0,offset:9'"));
    struct tl_log_record records[] = {
        {.partition = 0, .log_ms = 1, .value = TL_SV("a")},
        {.partition = 0, .log_ms = 2, .value = TL_SV("b")},
        {.partition = 0, .log_ms = 3, .value = TL_SV("c")}
    };
    struct tl_source_logs *logs = NULL;
    int64_t offset = -1;

    cr_assert_not_null(mkdtemp(data));
    cr_assert_eq(tl_source_logs_open(&local, plan, TL_LOG_APPEND, &logs, &err), TL_OK, "%s", err.message);
    cr_assert(shares(logs, 0, 1) && shares(logs, 0, 2));
    cr_assert_eq(tl_log_create_topic(tl_source_log(logs, 0), TL_SV("x"), 1, &err), TL_OK);
    cr_assert_eq(tl_log_append(tl_source_log(logs, 0), TL_SV("x"), records, 3, NULL, &err), TL_OK);
    cr_assert_eq(tl_source_start(logs, 0, 0, &offset, &err), TL_OK);
    cr_assert_eq(offset, 0);
    cr_assert_eq(tl_source_bound(logs, 0, 0, &offset, &err), TL_OK);
    cr_assert_eq(offset, INT64_MAX);
    cr_assert_eq(tl_source_start(logs, 1, 0, &offset, &err), TL_OK);
    cr_assert_eq(offset, 3);
    cr_assert_eq(tl_source_bound(logs, 1, 0, &offset, &err), TL_OK);
    cr_assert_eq(offset, 2);
    cr_assert_eq(tl_source_start(logs, 2, 0, &offset, &err), TL_ERR_LIMIT);
    cr_assert_not_null(strstr(err.message, "begins at offset 9, but the log has 0 to 3"), "%s", err.message);
    cr_assert_eq(tl_source_logs_refresh(logs, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_source_start(logs, 1, 0, &offset, &err), TL_OK);
    cr_assert_eq(offset, 3);
    tl_source_logs_close(logs);
    tl_plan_close(plan);
    snprintf(command, sizeof command, "rm -rf '%s'", data);
    cr_assert_eq(system(command), 0);
}
