/* speed_kill_test.c: kill -9 of speed at random instants, again and again: the tables equal those of a run that was never killed (one
 * partition), and rows plus ledger equal the log (several). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "support/chance.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/visits.h"

enum { STEP_MS = 200 };

static char dir[RUN_DIR_BYTES], views[300];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(speed_kill, .init = folder_open, .fini = folder_close);

static const char *data_dir(const char *name)
{
    static char path[2][300];
    static int at;

    at = 1 - at;
    snprintf(path[at], sizeof path[at], "%s/%s", dir, name);
    mkdir(path[at], 0777);
    return path[at];
}

static void run_once(const char *data)
{
    struct run run = {0};

    RUN(&run, "speed", "--views", views, "--data", data, "--once");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
}

/* Appends in parts while speed follows with short ticks, and kills it `kills` times on the way. */
static void run_with_kills(const char *data, uint32_t partitions, int events, int kills, struct chance *chance)
{
    struct run run = {0};
    int killed = 0, part = events / (kills + 1);

    for (int k = 0; k <= kills; k++) {
        struct timespec nap = {.tv_nsec = (long)chance_below(chance, 60000000)};

        run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--tick", "3ms", NULL});
        visits_append(data, partitions, STEP_MS, k * part, k == kills ? events : (k + 1) * part);
        nanosleep(&nap, NULL);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        cr_assert_eq(run.status, 128 + SIGKILL, "%s", run.err);
        killed++;
        run_done(&run);
    }
    cr_assert_eq(killed, kills + 1);
    run_once(data);
}

static void expect_same(char *got, char *want)
{
    if (strcmp(got, want) != 0) {
        size_t at = 0, line;

        while (got[at] == want[at])
            at++;
        for (line = at; line > 0 && want[line - 1] != '\n'; line--)
            ;
        cr_assert(false, "differs from the calm run at:\n got  %.200s\n want %.200s", got + line, want + line);
    }
    free(got);
    free(want);
}

static const char *store_of(const char *data)
{
    static char path[2][400];
    static int at;

    at = 1 - at;
    snprintf(path[at], sizeof path[at], "%s/views.db", data);
    return path[at];
}

Test(speed_kill, one_partition_equals_a_run_that_was_never_killed, .timeout = 240)
{
    enum { EVENTS = 30000 };
    struct chance chance = chance_open("speed_kill/one_partition");
    const char *kills_wanted = getenv("TALLY_KILLS");
    const char *calm = data_dir("calm"), *rough = data_dir("rough");
    char *want;

    visits_append(calm, 1, STEP_MS, 0, EVENTS);
    run_once(calm);
    run_with_kills(rough, 1, EVENTS, kills_wanted != NULL ? atoi(kills_wanted) : 25, &chance);
    want = dump_speed(store_of(calm), "hits");
    cr_assert_gt(strlen(want), 10000);
    expect_same(dump_speed(store_of(rough), "hits"), want);
    expect_same(dump_speed(store_of(rough), "big"), dump_speed(store_of(calm), "big"));
}

Test(speed_kill, every_kind_of_window_equals_a_run_that_was_never_killed, .timeout = 240)
{
    enum { EVENTS = 9000 };
    struct chance chance = chance_open("speed_kill/every_kind_of_window");
    const char *kills_wanted = getenv("TALLY_KILLS");
    const char *calm = data_dir("calm"), *rough = data_dir("rough");

    snprintf(views, sizeof views, "%s", run_file_write(dir, "windows.sql", visits_windows));
    visits_append(calm, 1, STEP_MS, 0, EVENTS);
    run_once(calm);
    run_with_kills(rough, 1, EVENTS, kills_wanted != NULL ? atoi(kills_wanted) : 20, &chance);
    for (const char *const *name = visits_windows_names; *name != NULL; name++) {
        char *want = dump_speed(store_of(calm), *name);

        cr_assert_gt(strlen(want), 2000, "%s", *name);
        expect_same(dump_speed(store_of(rough), *name), want);
    }
}

Test(speed_kill, several_partitions_and_workers_account_for_every_event, .timeout = 240)
{
    enum { EVENTS = 20000 };
    struct chance chance = chance_open("speed_kill/several_partitions");
    const char *kills_wanted = getenv("TALLY_KILLS");
    const char *data = data_dir("data");
    char *sums;

    run_with_kills(data, 4, EVENTS, kills_wanted != NULL ? atoi(kills_wanted) : 15, &chance);
    /* Rows = counted; ledger lines = late, duplicate, future, rejected; dead letters; all together the log. */
    sums = dump_sql(store_of(data), "SELECT (SELECT sum(hits) FROM hits_speed) = o.counted,"
                                    " (SELECT count(*) FROM tally_ledger l WHERE l.definition = o.definition AND cause <> 0) = "
                                    "o.late + o.duplicate + o.future + o.rejected,"
                                    " (SELECT count(*) FROM tally_dead_letter) = o.dead_letter,"
                                    " o.counted + o.late + o.duplicate + o.future + o.rejected + o.filtered + o.dead_letter,"
                                    " (SELECT sum(events_count) FROM tally_offset f WHERE f.definition = o.definition),"
                                    " (SELECT sum(next_offset) FROM tally_offset f WHERE f.definition = o.definition)"
                                    " FROM tally_outcome o JOIN tally_definition d USING (definition) WHERE view = 'hits'");
    cr_expect_str_eq(sums, "1|1|1|20000|20000|20000\n");
    free(sums);
}
