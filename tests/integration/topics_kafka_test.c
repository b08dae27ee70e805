/* topics_kafka_test.c: a table with 'topic-pattern' on a real Kafka: topics that come, those that are never meant, and one that is deleted. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "support/dump.h"
#include "support/http_get.h"
#include "support/kafka_broker.h"
#include "support/kafka_raw.h"
#include "support/run.h"
#include "support/visits.h"

enum { STEP_MS = 200, PATIENCE_MS = 30000 };

static char dir[RUN_DIR_BYTES], data[300], store[400], views[300], stem[150], names[4][200], dead[200];
static struct tl_log *log_; /* to append to */
static struct tl_err err;

/* The topics <stem>-a, -b and -c, and <stem>-dead for dead letters: the pattern would match that too. */
static void scene_open(void)
{
    static const char place[] = "'topic' = 'events'";
    const char *at = strstr(visits_views, place);
    char sql[8000];

    run_folder_make(dir);
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
    snprintf(stem, sizeof stem, "%s", kafka_topic("pattern"));
    for (int i = 0; i < 3; i++)
        snprintf(names[i], sizeof names[i], "%s-%c", stem, 'a' + i);
    snprintf(dead, sizeof dead, "%s-dead", stem);
    cr_assert_not_null(at);
    snprintf(sql, sizeof sql, "SET 'tally.dead-letter.topic' = '%s';\n%.*s'topic-pattern' = '%s-.*'%s", dead,
             (int)(at - visits_views), visits_views, stem, at + strlen(place));
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", sql));
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_env("KAFKA_URL"), 1), 0);
    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND, &log_, &err), TL_OK, "%s", err.message);
}

static void scene_close(void)
{
    tl_log_close(log_);
    run_folder_remove(dir);
}

TestSuite(topics_kafka, .init = scene_open, .fini = scene_close, .timeout = 120);

#define TALLY(run, want, ...)                                                                                                    \
    do {                                                                                                                         \
        run_done(run);                                                                                                           \
        RUN(run, __VA_ARGS__, "--views", views, "--data", data, "--log", "kafka");                                               \
        cr_assert_eq((run)->status, want, "%s%s", (run)->out, (run)->err);                                                       \
    } while (0)

static void says(const struct run *run, const char *part)
{
    cr_assert(strstr(run->out, part) != NULL || strstr(run->err, part) != NULL, "'%s' is not in\n%s%s", part, run->out, run->err);
}

static long number_of(const char *sql)
{
    char *text = dump_sql(store, sql);
    long number = strtol(text, NULL, 10);

    free(text);
    return number;
}

static bool has_read(long messages)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(20))
        if (access(store, F_OK) == 0 && number_of("SELECT count(*) FROM sqlite_master WHERE name = 'tally_topic'") == 1 &&
            number_of("SELECT coalesce(sum(o.messages_count), 0) FROM tally_offset o JOIN tally_definition d USING (definition)"
                      " WHERE d.view = 'hits'") == messages)
            return true;
    return false;
}

/* One transaction without a note would leave no topic for notes, which must not be read either. */
static void put_note(const char *topic)
{
    const struct tl_log_note note = {TL_SV("a note"), TL_SV("x")};

    cr_assert_eq(tl_log_append(log_, tl_sv_from(topic), NULL, 0, &note, &err), TL_OK, "%s", err.message);
}

static void put_no_json(const char *topic)
{
    rd_kafka_t *producer = raw_producer(NULL, NULL);

    raw_put(producer, topic, NULL, "no JSON");
    raw_flush(producer);
    rd_kafka_destroy(producer);
}

static void has_metric(uint16_t port, const char *topic, const char *partition)
{
    char want[400];
    char *page;

    snprintf(want, sizeof want, "tally_log_lag_events{topic=\"%s\",partition=\"%s\"} 0", topic, partition);
    page = http_wait_for(port, "/metrics", 200, want, PATIENCE_MS);
    cr_assert_not_null(page, "%s", want);
    free(page);
}

static void has_dead_letter(const char *topic)
{
    struct tl_log_entries entries;
    struct tl_log *reader = NULL;
    char want[500];
    const char *got = "";
    bool found = false;

    cr_assert_eq(tl_log_open(kafka_spec(KAFKA_PLAIN), TL_LOG_READ, &reader, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_log_read_wait(reader, tl_sv_from(dead), 0, 0, 1000, SIZE_MAX, 20000, &entries, &err), TL_OK, "%s",
                 err.message);
    snprintf(want, sizeof want, "%s/0/", topic);
    for (size_t i = 0; i < entries.count && !found; i++) {
        if (!tl_sv_eq(entries.messages[i].value, TL_SV("no JSON")))
            continue;
        got = raw_key_and_headers(dead, entries.messages[i].offset);
        found = strncmp(got, want, strlen(want)) == 0;
    }
    snprintf(want, sizeof want, "tally.topic=%s tally.partition=0", topic);
    cr_assert(found && strstr(got, want) != NULL, "%s", got);
    tl_log_close(reader);
}

Test(topics_kafka, all_that_match_in_every_layer)
{
    struct run speed = {0}, run = {0};

    visits_append_to(log_, names[0], 2, STEP_MS, 0, 300);
    put_note(names[0]);
    visits_append_to(log_, names[1], 1, STEP_MS, 300, 400);
    put_no_json(names[1]);
    run_start(&speed, (const char *const[]){"speed", "--views", views, "--data", data, "--log", "kafka", "--tick", "20ms",
                                            "--metrics-listen", ":0", NULL});
    cr_assert(has_read(401), "%s", run_err_so_far(&speed));
    visits_append_to(log_, names[2], 2, STEP_MS, 400, 500); /* while it runs */
    cr_assert(has_read(501), "%s", run_err_so_far(&speed));
    has_metric(http_port_said(&speed, "speed"), names[0], "1");
    has_metric(http_port_said(&speed, "speed"), names[2], "1");
    has_dead_letter(names[1]);
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_assert_eq(speed.status, 0, "%s", speed.err);
    run_done(&speed);
    cr_assert_eq(number_of("SELECT count(*) FROM tally_topic"), 3,
                 "no others: not dead letters, notes, what Kafka keeps for itself");
    TALLY(&run, 0, "archive");
    TALLY(&run, 0, "batch", "--to", "now");
    TALLY(&run, 0, "reconcile", "--format", "json");
    says(&run, "\"unexplained\": 0");
    TALLY(&run, 0, "status");
    says(&run, "every event is accounted for");
    run_done(&run);
}

Test(topics_kafka, one_that_is_deleted_ends_the_program_unless_that_is_accepted)
{
    char want[300];
    struct run speed = {0}, run = {0};

    visits_append_to(log_, names[0], 1, STEP_MS, 0, 100);
    visits_append_to(log_, names[1], 1, STEP_MS, 100, 200);
    run_start(&speed, (const char *const[]){"speed", "--views", views, "--data", data, "--log", "kafka", "--tick", "20ms", NULL});
    cr_assert(has_read(200), "%s", run_err_so_far(&speed));
    raw_delete_topic(names[0]);
    cr_assert(run_wait_for(&speed, PATIENCE_MS), "%s", run_err_so_far(&speed));
    cr_assert_eq(speed.status, 3, "%s", speed.err);
    says(&speed, names[0]);
    run_done(&speed);
    TALLY(&run, 3, "speed", "--once");
    snprintf(want, sizeof want, "topic %s was read before and is gone from the log", names[0]);
    says(&run, want);
    visits_append_to(log_, names[1], 1, STEP_MS, 200, 300);
    run_start(&speed, (const char *const[]){"speed", "--views", views, "--data", data, "--log", "kafka", "--tick", "20ms",
                                            "--accept-gap", NULL});
    cr_assert(has_read(300), "%s", run_err_so_far(&speed));
    visits_append_to(log_, names[2], 1, STEP_MS, 300, 310);
    cr_assert(has_read(310), "%s", run_err_so_far(&speed));
    raw_delete_topic(names[2]); /* and while it runs: goes on without it */
    visits_append_to(log_, names[1], 1, STEP_MS, 310, 320);
    cr_assert(has_read(320), "%s", run_err_so_far(&speed));
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_assert_eq(speed.status, 0, "%s", speed.err);
    run_done(&speed);
    run_done(&run);
}
