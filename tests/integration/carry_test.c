/* carry_test.c: a late event makes exactly those ranges dirty whose rows or carries it changes, and no more. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/timestamp.h"
#include "log/log.h"
#include "support/dump.h"
#include "support/pipeline.h"

#define TABLE                                                                                                                    \
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3),\n"                                          \
    "    WATERMARK FOR event_time AS event_time) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json',\n"          \
    "    'json.timestamp-format.standard' = 'ISO-8601');\n"
#define VIEW(what, window, by)                                                                                                   \
    "CREATE VIEW v AS SELECT window_start, window_end, " what " FROM TABLE(" window ") GROUP BY window_start, window_end" by ";" \
    "\n"
#define OF "TABLE events, DESCRIPTOR(event_time), "
#define HOSTS "TABLE events PARTITION BY host, DESCRIPTOR(event_time), "

struct carry_case {
    char name[96];
    char view[800];
    char events[5][24]; /* of host a; the days are the 1st to the 9th of March 2026 */
    char late[24];      /* comes when all is published */
    char want[40];      /* the days that are done again */
};

static void use_memory(void)
{
    if (access("/dev/shm", W_OK) == 0) /* nothing here is about a disk */
        cr_assert_eq(setenv("TMPDIR", "/dev/shm", 1), 0);
}

TestSuite(carry, .init = use_memory, .timeout = 60);

ParameterizedTestParameters(carry, what_is_done_again)
{
    /* clang-format off */
    static struct carry_case cases[] = {
        {"a session that an event makes longer over midnight",
         VIEW("host, COUNT(*) AS c", "SESSION(" HOSTS "INTERVAL '30' MINUTE)", ", host"),
         {"01T12:00", "02T23:50", "05T12:00"},
         "03T00:10", "3"},
        {"a session that begins to cross midnight",
         VIEW("host, COUNT(*) AS c", "SESSION(" HOSTS "INTERVAL '30' MINUTE)", ", host"),
         {"01T12:00", "02T23:20", "05T12:00"},
         "02T23:45", "2 3"},
        {"a session that ends exactly at midnight is the next day's",
         VIEW("host, COUNT(*) AS c", "SESSION(" HOSTS "INTERVAL '30' MINUTE)", ", host"),
         {"01T12:00", "03T12:00", "05T12:00"},
         "02T23:30", "2 3"},
        {"a millisecond less, and it is not",
         VIEW("host, COUNT(*) AS c", "SESSION(" HOSTS "INTERVAL '30' MINUTE)", ", host"),
         {"01T12:00", "03T12:00", "05T12:00"},
         "02T23:29:59.999", "2"},
        {"HOP over three days",
         VIEW("host, COUNT(*) AS c", "HOP(" OF "INTERVAL '1' DAY, INTERVAL '3' DAY)", ", host"),
         {"01T12:00", "03T12:00", "08T12:00"},
         "03T13:00", "3 4 5"},
        {"a late event that changes no accumulator that crosses midnight",
         VIEW("host, MAX(host) AS m", "HOP(" OF "INTERVAL '1' DAY, INTERVAL '3' DAY)", ", host"),
         {"01T12:00", "03T12:00", "08T12:00"},
         "03T13:00", "3"},
        {"COUNT_WINDOW that stays open for days",
         VIEW("host, COUNT(*) AS c", "COUNT_WINDOW(" HOSTS "3, INTERVAL '6' DAY)", ", host"),
         {"01T12:00", "05T12:00", "06T12:00", "07T12:00"},
         "02T12:00", "2 3 4 5 6 7 8 9"},
        {"COUNT_WINDOW whose time-out comes on its day",
         VIEW("host, COUNT(*) AS c", "COUNT_WINDOW(" HOSTS "3, INTERVAL '2' HOUR)", ", host"),
         {"01T12:00", "02T12:00", "06T12:00", "07T12:00"},
         "02T13:00", "2"},
        {"CUMULATE of a day ends with the day",
         VIEW("host, COUNT(*) AS c", "CUMULATE(" OF "INTERVAL '6' HOUR, INTERVAL '1' DAY)", ", host"),
         {"01T12:00", "03T12:00", "08T12:00"},
         "03T13:00", "3"},
        {"TUMBLE of seven hours: the next day's window changes, and the day behind is given the same",
         VIEW("COUNT(*) AS c", "TUMBLE(" OF "INTERVAL '7' HOUR)", ""),
         {"01T12:00", "03T12:00", "08T12:00"},
         "03T23:00", "3 4"},
        {"without a window nothing is given on",
         "CREATE VIEW v AS SELECT event_time, host FROM events;\n", {"01T12:00", "03T12:00", "08T12:00"},
         "03T23:59:59.999", "3"                                                                        },
        {"and an instant later it is the next day's",
         "CREATE VIEW v AS SELECT event_time, host FROM events;\n",{"01T12:00", "03T12:00", "08T12:00"},
         "04T00:00", "4"                                                                                                                },
        {"a view on sessions: the outer window of the day behind",
         "CREATE VIEW s AS SELECT window_start AS ws, window_end AS we, window_time AS wt, host FROM TABLE(SESSION(" HOSTS
         "INTERVAL '30' MINUTE))"
         " GROUP BY window_start, window_end, window_time, host;\n"
         "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(wt), INTERVAL "
         "'1' DAY))"
         " GROUP BY window_start, window_end;\n", {"01T12:00", "03T12:00", "08T12:00"},
         "03T23:45", "3 4 5"                                                                                           },
    };
    /* clang-format on */

    return cr_make_param_array(struct carry_case, cases, TL_COUNT(cases));
}

/* "03T12:00" */
static int64_t ms_of(const char *when)
{
    char text[48];
    int64_t ms = 0;

    snprintf(text, sizeof text, "2026-03-%sZ", when);
    cr_assert(tl_time_from_rfc3339(tl_sv_from(text), &ms), "%s", text);
    return ms;
}

static void append(struct pipeline *p, const char *when, const char *id)
{
    char text[200], iso[TL_TIME_TEXT_BYTES];
    struct tl_log_record record = {.log_ms = ms_of("20T00:00")};

    tl_time_to_iso_z(ms_of(when), iso);
    snprintf(text, sizeof text, "{\"event_id\": \"%s\", \"host\": \"a\", \"event_time\": \"%s\"}", id, iso);
    record.value = tl_sv_from(text);
    pipeline_append(p, 1, &record, 1);
}

ParameterizedTest(struct carry_case *c, carry, what_is_done_again)
{
    struct pipeline p;
    char sql[1300], got[100] = "";
    char *ranges;

    snprintf(sql, sizeof sql, TABLE "%s", c->view);
    pipeline_open(&p, sql);
    for (size_t i = 0; i < TL_COUNT(c->events) && c->events[i][0] != '\0'; i++)
        append(&p, c->events[i], c->events[i]);
    for (int day = 1; day < 10; day++) { /* each day has an event, so each is a range */
        char when[24];

        snprintf(when, sizeof when, "%02dT06:00", day);
        append(&p, when, "");
    }
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2026-03-10");
    append(&p, c->late, "late");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2026-03-10");
    ranges = dump_sql(p.store,
                      "SELECT from_ms FROM tally_run_range JOIN tally_definition USING (definition) WHERE run = 2 AND view = 'v'"
                      " ORDER BY from_ms");
    for (char *at = ranges; *at != '\0'; at = strchr(at, '\n') + 1)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", got[0] != '\0' ? " " : "",
                 (int)((strtoll(at, NULL, 10) - ms_of("01T00:00")) / TL_DAY_MS + 1));
    cr_expect_str_eq(got, c->want, "%s: %s", c->name, got);
    free(ranges);
    pipeline_close(&p);
}
