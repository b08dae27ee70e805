/* option_test.c: flags, environment and defaults in their order; wrong usage is refused with the right form. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main/command.h"
#include "main/option.h"

struct sample {
    int64_t from_ms, limit, tick_ms;
    const char *format, *host;
    bool once;
};

static const struct tl_option sample_table[] = {
    {"from",   TL_OPT_TIME,     "TIME",           "rows after this",        offsetof(struct sample, from_ms), 0  },
    {"limit",  TL_OPT_COUNT,    "N",              "at most so many rows",   offsetof(struct sample, limit),   'n'},
    {"tick",   TL_OPT_DURATION, "200ms",          "time between commits",   offsetof(struct sample, tick_ms), 0  },
    {"format", TL_OPT_CHOICE,   "table|csv|json", "how rows are written",   offsetof(struct sample, format),  0  },
    {"host",   TL_OPT_TEXT,     "NAME",           "where the log has none", offsetof(struct sample, host),    0  },
    {"once",   TL_OPT_FLAG,     NULL,             "to the present end",     offsetof(struct sample, once),    0  },
};

static const struct tl_usage sample_usage = {
    .synopsis = "VIEW...",
    .example = "tally sample hits_5m --limit 3",
    .options = sample_table,
    .options_count = TL_COUNT(sample_table),
    .args_min = 0,
    .args_max = 2,
};

static struct sample own;
static struct tl_common_options common;
static int status;

/* Cuts the line at its spaces, as a shell would. */
static bool parse(const char *line)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;

    snprintf(text, sizeof text, "sample %s", line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    own = (struct sample){.from_ms = TL_TIME_NONE, .limit = 100, .tick_ms = 200, .format = "table"};
    status = -1;
    return tl_options_parse(&sample_usage, argc, argv, &common, &own, &status);
}

Test(option, what_is_not_given_stays)
{
    cr_assert(parse(""));
    cr_assert_eq(own.from_ms, TL_TIME_NONE);
    cr_assert_eq(own.limit, 100);
    cr_assert_str_eq(own.format, "table");
    cr_assert_null(own.host);
    cr_assert_not(own.once);
    cr_assert_null(common.views);
    cr_assert_str_eq(common.data, "./tally-data");
    cr_assert_str_eq(common.log, "local");
    cr_assert_str_eq(common.store, "sqlite:./tally-data/views.db");
    cr_assert_eq(common.args_count, 0);
    cr_assert_null(common.args[0]);
    cr_assert_eq(tl_options_need_views(&common, NULL), TL_ERR_USAGE);
}

Test(option, flags_and_arguments_in_any_order)
{
    cr_assert(parse("hits_5m --from=2026-03-01 --limit 3 --views v.sql pages --once -v --tick 2s --host h --format csv"));
    cr_assert_eq(own.from_ms, INT64_C(1772323200000));
    cr_assert_eq(own.limit, 3);
    cr_assert_eq(own.tick_ms, 2000);
    cr_assert_str_eq(own.format, "csv");
    cr_assert_str_eq(own.host, "h");
    cr_assert(own.once && common.verbose);
    cr_assert_str_eq(common.views, "v.sql");
    cr_assert_eq(common.args_count, 2);
    cr_assert_str_eq(common.args[0], "hits_5m");
    cr_assert_str_eq(common.args[1], "pages");
    cr_assert_eq(tl_options_need_views(&common, NULL), TL_OK);
    cr_assert(parse("-n 5 --limit 6 -n7 -- --once"));
    cr_assert_eq(own.limit, 7, "the last one wins");
    cr_assert_str_eq(common.args[0], "--once");
}

Test(option, a_list_takes_all_that_are_given)
{
    setenv("TALLY_KAFKA_PROPERTY", "linger.ms=5", 1);
    cr_assert(parse("--kafka-property a=1 --kafka-property=b=2"));
    cr_assert_eq(common.kafka_properties.count, 3);
    cr_assert_str_eq(common.kafka_properties.items[0], "linger.ms=5", "the environment first, so that flags win");
    cr_assert_str_eq(common.kafka_properties.items[1], "a=1");
    cr_assert_str_eq(common.kafka_properties.items[2], "b=2");
}

Test(option, the_flag_wins_over_the_environment)
{
    setenv("TALLY_VIEWS", "env.sql", 1);
    setenv("TALLY_DATA", "", 1);
    setenv("TALLY_LOG_FORMAT", "json", 1);
    setenv("TALLY_VERBOSE", "0", 1);
    setenv("TALLY_LIMIT", "1", 1);
    cr_assert(parse(""));
    cr_assert_str_eq(common.views, "env.sql");
    cr_assert_str_eq(common.data, "./tally-data");
    cr_assert_str_eq(common.log_format, "json");
    cr_assert_not(common.verbose);
    cr_assert_eq(own.limit, 100, "only shared options have a variable");
    cr_assert(parse("--views flag.sql --data d"));
    cr_assert_str_eq(common.views, "flag.sql");
    cr_assert_str_eq(common.store, "sqlite:d/views.db");
    setenv("TALLY_STORE", "sqlite:e.db", 1);
    cr_assert(parse(""));
    cr_assert_str_eq(common.store, "sqlite:e.db");
}

struct wrong_case {
    char line[48], says[80];
};

ParameterizedTestParameters(option, wrong)
{
    static struct wrong_case cases[] = {
        {"--limti 3",                  "did you mean '--limit'"           },
        {"--formt=csv",                "did you mean '--format'"          },
        {"--veiws x",                  "did you mean '--views'"           },
        {"--lim 3",                    "did you mean '--limit'"           },
        {"--hel",                      "did you mean '--help'"            },
        {"--zzzzzz",                   "tally sample --help"              },
        {"-z",                         "'-z'"                             },
        {"--limit",                    "--limit wants a value: N"         },
        {"-n",                         "--limit wants a value: N"         },
        {"--limit -1",                 "no whole number"                  },
        {"--limit 1.5",                "no whole number"                  },
        {"--format xml",               "none of table|csv|json"           },
        {"--format table|csv",         "none of"                          },
        {"--host=",                    "is empty"                         },
        {"--kafka-property=",          "is empty"                         },
        {"--once=yes",                 "takes no value"                   },
        {"--from 2026-03-01T00:00:00", "'2026-03-01T00:00:00Z'"           },
        {"--from tomorrow",            "2026-03-01T02:00:00Z"             },
        {"--tick 5",                   "200ms, 30s"                       },
        {"a b c",                      "does not know what to do with 'c'"},
    };
    return cr_make_param_array(struct wrong_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct wrong_case *c, option, wrong)
{
    FILE *screen = tmpfile();
    char text[1000];
    ssize_t size;

    dup2(fileno(screen), STDERR_FILENO);
    cr_assert_not(parse(c->line), "'%s' was taken", c->line);
    cr_assert_eq(status, 2);
    size = pread(fileno(screen), text, sizeof text - 1, 0);
    cr_assert_gt(size, 0);
    text[size] = '\0';
    cr_assert_not_null(strstr(text, c->says), "'%s': got %s", c->line, text);
    cr_assert_eq(strchr(text, '\n'), text + size - 1, "one line: %s", text);
}

Test(option, help_is_made_of_the_table)
{
    FILE *screen = tmpfile();
    char text[4000];
    int kept = dup(STDOUT_FILENO);
    ssize_t size;

    dup2(fileno(screen), STDOUT_FILENO);
    cr_assert_not(parse("--help"));
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    cr_assert_eq(status, 0);
    size = pread(fileno(screen), text, sizeof text - 1, 0);
    cr_assert_gt(size, 0);
    text[size] = '\0';
    for (size_t i = 0; i < TL_COUNT(sample_table); i++) {
        cr_assert_not_null(strstr(text, sample_table[i].name));
        cr_assert_not_null(strstr(text, sample_table[i].help));
    }
    cr_assert_not_null(strstr(text, "--store URL"));
    cr_assert_str_eq(text + size - strlen("\nexample: tally sample hits_5m --limit 3\n"),
                     "\nexample: tally sample hits_5m --limit 3\n");
}

struct time_case {
    char text[40];
    bool taken;
    int64_t ms;
};

ParameterizedTestParameters(option, times)
{
    static struct time_case cases[] = {
        {"2026-03-01",                true,  1772323200000},
        {"2026-03-01T02:00:07Z",      true,  1772330407000},
        {"2026-03-01T02:00:07.25Z",   true,  1772330407250},
        {"2026-03-01T03:00:07+01:00", true,  1772330407000},
        {"2026-03-01T02:00:07",       false, 0            },
        {"2026-03-01T02:00:07 ",      false, 0            },
        {"2026-02-29",                false, 0            },
        {"2026-13-01",                false, 0            },
        {"2026-3-1",                  false, 0            },
        {"2026-03-01T25:00:00Z",      false, 0            },
        {"1772330407",                false, 0            },
        {"",                          false, 0            },
    };
    return cr_make_param_array(struct time_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct time_case *c, option, times)
{
    int64_t got = 4711;
    enum tl_code code = tl_option_time(tl_sv_from(c->text), &got, NULL);

    cr_assert_eq(code, c->taken ? TL_OK : TL_ERR_USAGE, "'%s'", c->text);
    cr_assert_eq(got, c->taken ? c->ms : 4711, "'%s': got %lld", c->text, (long long)got);
}

struct clock_case {
    char text[12];
    int64_t ms;
};

ParameterizedTestParameters(option, by_the_clock)
{
    static struct clock_case cases[] = {
        {"now",       INT64_C(1772330407123)},
        {"today",     INT64_C(1772323200000)}, /* 2026-03-01T00:00:00Z */
        {"yesterday", INT64_C(1772236800000)},
    };

    return cr_make_param_array(struct clock_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct clock_case *c, option, by_the_clock)
{
    char path[] = "/tmp/tally-clock-XXXXXX";
    int fd = mkstemp(path);
    int64_t ms = 0;

    cr_assert_eq(write(fd, "1772330407123", 13), 13);
    close(fd);
    setenv("TALLY_CLOCK_FILE", path, 1);
    cr_assert_eq(tl_option_time(tl_sv_from(c->text), &ms, NULL), TL_OK);
    unlink(path);
    cr_assert_eq(ms, c->ms, "%s: %lld", c->text, (long long)ms);
}

Test(option, durations)
{
    int64_t ms = 0;

    cr_assert_eq(tl_option_duration(TL_SV("200ms"), &ms, NULL), TL_OK);
    cr_assert_eq(ms, 200);
    cr_assert_eq(tl_option_duration(TL_SV("15 min"), &ms, NULL), TL_OK);
    cr_assert_eq(ms, 900000);
    cr_assert_eq(tl_option_duration(TL_SV("7d"), &ms, NULL), TL_OK);
    cr_assert_eq(ms, INT64_C(604800000));
    cr_assert_eq(tl_option_duration(TL_SV("ms"), &ms, NULL), TL_ERR_USAGE);
    cr_assert_eq(tl_option_duration(TL_SV("-1s"), &ms, NULL), TL_ERR_USAGE);
    cr_assert_eq(tl_option_duration(TL_SV("9223372036854775807d"), &ms, NULL), TL_ERR_USAGE);
    cr_assert_eq(ms, INT64_C(604800000));
}

Test(option, amounts_of_memory)
{
    struct tl_err err;
    int64_t bytes = 0;

    cr_assert_eq(tl_option_bytes(TL_SV("64MB"), &bytes, NULL), TL_OK);
    cr_assert_eq(bytes, 64000000);
    cr_assert_eq(tl_option_bytes(TL_SV("2 GiB"), &bytes, NULL), TL_OK);
    cr_assert_eq(bytes, INT64_C(2147483648));
    cr_assert_eq(tl_option_bytes(TL_SV("64"), &bytes, &err), TL_ERR_USAGE);
    cr_assert_str_eq(err.message, "'64' is no amount of memory; right would be 64MB or 2GB: a number and its unit");
    cr_assert_eq(tl_option_bytes(TL_SV("-1MB"), &bytes, NULL), TL_ERR_USAGE);
    cr_assert_eq(tl_option_bytes(TL_SV("9223372036854775807kB"), &bytes, NULL), TL_ERR_USAGE);
    cr_assert_eq(bytes, INT64_C(2147483648));
}

Test(option, the_nearest_name)
{
    const char *const names[] = {"speed", "batch", "serve", "reconcile"};

    cr_assert_str_eq(tl_option_nearest("sped", names, 4), "speed");
    cr_assert_str_eq(tl_option_nearest("bacth", names, 4), "batch");
    cr_assert_str_eq(tl_option_nearest("rec", names, 4), "reconcile");
    cr_assert_null(tl_option_nearest("dashboard", names, 4));
    cr_assert_null(tl_option_nearest("", names, 4));
}

TL_COMMAND(sample, "a command that a test has registered")
{
    return argc + (argv[argc] == NULL ? 0 : 100);
}

Test(option, a_command_registers_itself)
{
    char name[] = "sample", flag[] = "--once";
    char *argv[] = {name, flag, NULL};
    const struct tl_command *command = tl_command_find("sample");

    cr_assert_not_null(command);
    cr_assert_str_eq(command->help, "a command that a test has registered");
    cr_assert_eq(command->run(2, argv), 2);
    cr_assert_null(tl_command_find("samp"));
    for (size_t i = 0; tl_command_at(i + 1) != NULL; i++)
        cr_assert_lt(strcmp(tl_command_at(i)->name, tl_command_at(i + 1)->name), 0);
}

Test(option, what_only_a_daemon_takes_is_unknown_to_others)
{
    static const struct tl_usage stays = {.example = "tally stays", .daemon = true};
    char name[] = "stays", flag[] = "--metrics-listen", value[] = ":9464";
    char *argv[] = {name, flag, value, NULL}, *none[] = {name, NULL};

    cr_assert_not(parse("--metrics-listen :9464"));
    cr_expect_eq(status, 2);
    cr_assert(tl_options_parse(&stays, 3, argv, &common, NULL, &status));
    cr_expect_str_eq(common.metrics_listen, ":9464");
    cr_assert_eq(setenv("TALLY_METRICS_LISTEN", "[::1]:1", 1), 0);
    cr_assert(parse(""));
    cr_expect_null(common.metrics_listen, "the environment is the daemons' too");
    cr_assert(tl_options_parse(&stays, 1, none, &common, NULL, &status));
    cr_expect_str_eq(common.metrics_listen, "[::1]:1");
    cr_assert(tl_options_parse(&stays, 3, argv, &common, NULL, &status));
    cr_expect_str_eq(common.metrics_listen, ":9464", "the flag wins");
}
