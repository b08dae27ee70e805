/* servers_kill_test.c: speed on Kafka and PostgreSQL, and kill -9 of any of the three at random instants: in the end the tables equal those of a run
 * that nobody disturbed; with several partitions, where which event is late differs between runs, rows and ledger together are the log.
 * TALLY_KILLS: how often (4; 100 and more are run by hand). The broker and the server are these tests' own. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "log/log.h"
#include "support/chance.h"
#include "support/postgres_dump.h"
#include "support/run.h"
#include "support/store_fixture.h"
#include "support/visits.h"

enum { STEP_MS = 200, PART = 200, PATIENCE_MS = 90000 };

static char dir[RUN_DIR_BYTES], views[300], data[300], broker[300], server[300], kafka_url[100], postgres_url[400];

/* ---- the servers ---- */

static void command(const char *script, const char *what, const char *where, const char *more)
{
    char line[1200];

    snprintf(line, sizeof line, "%s %s %s %s", script, what, where, more);
    cr_assert_eq(system(line), 0, "%s", line);
}

/* "NAME=value" or "NAME='value'" of an environment file. */
static void env_of(const char *file, const char *name, char *out, size_t size)
{
    char line[600];
    FILE *in = fopen(file, "r");
    size_t length = strlen(name);

    cr_assert_not_null(in, "%s", file);
    out[0] = '\0';
    while (fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == '=') {
            char *value = line + length + 1;

            value[strcspn(value, "\n")] = '\0';
            if (value[0] == '\'') {
                value++;
                value[strcspn(value, "'")] = '\0';
            }
            snprintf(out, size, "%s", value);
        }
    fclose(in);
    cr_assert(out[0] != '\0', "%s says nothing of %s", file, name);
}

static void folder_open(void)
{
    char file[400];

    run_folder_make(dir);
    cr_assert_eq(chmod(dir, 0755), 0); /* PostgreSQL's user goes through */
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(broker, sizeof broker, "%s/kafka", dir);
    snprintf(server, sizeof server, "%s/postgres", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    command("deploy/kafka/kafka.sh", "up", broker, "");
    command("deploy/postgres/server.sh", "start", server, "");
    snprintf(file, sizeof file, "%s/kafka.env", broker);
    env_of(file, "KAFKA_URL", kafka_url, sizeof kafka_url);
    snprintf(file, sizeof file, "%s.env", server);
    env_of(file, "POSTGRES_URL", postgres_url, sizeof postgres_url);
    cr_assert_eq(setenv("TALLY_KAFKA_BOOTSTRAP_SERVERS", kafka_url, 1), 0);
}

static void folder_close(void)
{
    command("deploy/kafka/kafka.sh", "down", broker, "");
    command("deploy/postgres/server.sh", "remove", server, "");
    run_folder_remove(dir);
}

TestSuite(servers_kill, .init = folder_open, .fini = folder_close, .timeout = 20000);

/* ---- the events ---- */

static void append(uint32_t partitions, int from, int to)
{
    struct tl_log_property at = {TL_SV("bootstrap.servers"), tl_sv_from(kafka_url)};
    struct tl_log_spec spec = {.kind = "kafka", .data_dir = data, .properties = &at, .properties_count = 1};
    struct tl_log *log = NULL;
    struct tl_err err;

    cr_assert_eq(tl_log_open(&spec, TL_LOG_APPEND, &log, &err), TL_OK, "%s", err.message);
    visits_append_to(log, "events", partitions, STEP_MS, from, to);
    tl_log_close(log);
}

/* ---- speed ---- */

static void schema(const char *name, char out[500])
{
    snprintf(out, 500, "%s?schema=%s", postgres_url, name);
}

static void follow(struct run *run, const char *url)
{
    run_start(run, (const char *const[]){"speed", "--views", views, "--data", data, "--log", "kafka", "--store", url, "--tick",
                                         "5ms", NULL});
}

static void kill_one(struct chance *chance, struct run *run, const char *url)
{
    switch (chance_below(chance, 3)) {
    case 0:
        run_signal(run, SIGKILL);
        run_wait(run);
        run_done(run);
        follow(run, url);
        return;
    case 1:
        command("deploy/kafka/kafka.sh", "kill", broker, "");
        tl_clock_sleep_ms((int64_t)chance_below(chance, 1500));
        command("deploy/kafka/kafka.sh", "up", broker, "");
        return;
    default: command("deploy/postgres/server.sh", "ctl", server, "restart -m immediate >/dev/null"); return;
    }
}

static bool all_read(const char *url, int events)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(100))
        if (strcmp(store_postgres_ask(url, "SELECT count(*) FROM pg_tables WHERE tablename = 'tally_epoch_versions' AND"
                                           " schemaname = current_schema()"),
                   "1\n") == 0 &&
            atoi(store_postgres_ask(url, "SELECT coalesce(min(n), 0) FROM (SELECT sum(messages_count) AS n FROM tally_offset"
                                         " GROUP BY definition) AS each")) == events)
            return true;
    return false;
}

/* Appends part after part while the three are killed in turn; gives how many events there are, all of which have been read. */
static int run_through_kills(const char *url, uint32_t partitions, const char *name)
{
    struct chance chance = chance_open(name);
    const char *asked = getenv("TALLY_KILLS");
    int kills = asked != NULL ? atoi(asked) : 4, events = PART;
    struct run run = {0};

    append(partitions, 0, PART);
    follow(&run, url);
    for (int k = 0; k < kills; k++, events += PART) {
        append(partitions, events, events + PART);
        tl_clock_sleep_ms((int64_t)chance_below(&chance, 400));
        kill_one(&chance, &run, url);
    }
    append(partitions, events, events + PART);
    events += PART;
    cr_expect(all_read(url, events), "%s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    return events;
}

Test(servers_kill, the_tables_equal_those_of_an_undisturbed_run)
{
    char killed[500], undisturbed[500], *got, *want;
    struct run once = {0};

    schema("killed", killed);
    schema("undisturbed", undisturbed);
    run_through_kills(killed, 1, "servers_kill/one_partition");
    RUN(&once, "speed", "--views", views, "--data", data, "--log", "kafka", "--store", undisturbed, "--once");
    cr_assert_eq(once.status, 0, "%s", once.err);
    run_done(&once);
    got = postgres_dump(killed);
    want = postgres_dump(undisturbed);
    cr_expect_gt(strlen(want), 2000);
    expect_same_lines(got, want);
    free(got);
    free(want);
}

Test(servers_kill, several_partitions_account_for_every_event)
{
    char killed[500], want[100];
    int events;

    schema("killed", killed);
    events = run_through_kills(killed, 4, "servers_kill/several_partitions");
    snprintf(want, sizeof want, "t t t %d\n", events);
    cr_expect_str_eq(
        store_postgres_ask(
            killed, "SELECT (SELECT sum(hits) FROM hits_speed) = o.counted,"
                    " (SELECT count(*) FROM tally_ledger AS l WHERE l.definition = o.definition AND cause <> 0)"
                    " = o.late + o.duplicate + o.future + o.rejected,"
                    " (SELECT count(*) FROM tally_dead_letter) = o.dead_letter,"
                    " o.counted + o.late + o.duplicate + o.future + o.rejected + o.filtered + o.dead_letter + o.partly_counted"
                    " FROM tally_outcome AS o JOIN tally_definition AS d USING (definition) WHERE view = 'hits'"),
        want);
}
