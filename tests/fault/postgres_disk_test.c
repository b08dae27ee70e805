/* postgres_disk_test.c: batch and speed on a PostgreSQL server whose disk is full or read-only: a clear end, nothing half-published, and once there is
 * room the same command finishes and gives what an undisturbed run gives; who follows the log waits, and goes on alone.
 *
 * The server is these tests' own. What is full is a tablespace, where its tables lie, on a small tmpfs, which needs root. */
#include <criterion/criterion.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/chance.h"
#include "support/postgres_dump.h"
#include "support/run.h"
#include "support/small_disk.h"
#include "support/store_fixture.h"
#include "support/visits.h"

enum { EVENTS = 12000, STEP_MS = 17280, PATIENCE_MS = 30000 };

static char dir[RUN_DIR_BYTES], views[300], data[300], space[300], calm[700], store[700];
static bool mounted, started;

static void folder_open(void)
{
    run_folder_make(dir);
    cr_assert_eq(chmod(dir, 0755), 0); /* PostgreSQL's user goes through */
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(space, sizeof space, "%s/space", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    cr_assert_eq(mkdir(space, 0777), 0);
}

static void server_sh(const char *action, const char *more)
{
    char command[600];

    snprintf(command, sizeof command, "deploy/postgres/server.sh %s %s/server %s </dev/null >/dev/null", action, dir, more);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void folder_close(void)
{
    if (started)
        server_sh("remove", "");
    if (mounted)
        small_disk_unmount(space);
    started = mounted = false;
    run_folder_remove(dir);
}

TestSuite(postgres_disk, .init = folder_open, .fini = folder_close, .timeout = 120);

/* POSTGRES_URL and POSTGRES_ADMIN_URL of the server. */
static void urls_of_server(char url[500], char admin[500])
{
    char path[300], line[600];
    FILE *file;

    snprintf(path, sizeof path, "%s/server.env", dir);
    file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "POSTGRES_URL='%499[^']'", url) == 0)
            sscanf(line, "POSTGRES_ADMIN_URL='%499[^']'", admin);
    fclose(file);
}

/* A server that keeps its tables on the small disk. */
static bool has_small_disk(void)
{
    char url[500] = "", admin[500] = "", statement[400];
    const struct passwd *owner = getpwnam("postgres");

    mounted = small_disk_mount(space, "64m");
    if (!mounted)
        return false;
    cr_assert(owner != NULL && chown(space, owner->pw_uid, owner->pw_gid) == 0);
    started = true;
    server_sh("start", "");
    urls_of_server(url, admin);
    snprintf(calm, sizeof calm, "%s?schema=calm", url);
    snprintf(store, sizeof store, "%s?schema=full", url);
    snprintf(statement, sizeof statement, "CREATE TABLESPACE small LOCATION '%s'", space);
    store_postgres_sql(admin, statement);
    store_postgres_sql(admin, "GRANT CREATE ON TABLESPACE small TO tally");
    store_postgres_sql(admin, "ALTER DATABASE tally SET default_tablespace = small");
    return true;
}

static int tally(const char *command, const char *url, const char *more, char said[1200])
{
    struct run run = {0};
    int status;

    RUN(&run, command, "--views", views, "--data", data, "--store", url, more);
    status = run.status;
    snprintf(said, 1200, "%s", run.err);
    run_done(&run);
    return status;
}

static void must(const char *command, const char *url, const char *more)
{
    char said[1200];

    cr_assert_eq(tally(command, url, more, said), 0, "%s: %s", command, said);
}

static const char full[] = "the server's disk is full; free some space there and try again";

/* ---- batch ---- */

/* What readers see of batch, how far it is, and what is staged beside it. */
static char *rows_of(const char *url)
{
    static const char sql[] =
        "SELECT * FROM (SELECT 'hits', window_start, window_end, host, hits, total FROM hits WHERE _layer = 'batch' UNION ALL"
        " SELECT 'big', NULL, NULL, event_id, n, NULL FROM big WHERE _layer = 'batch' UNION ALL"
        " SELECT 'boundary', NULL, NULL, view, boundary_ms, NULL FROM tally_progress JOIN tally_definition USING (definition))"
        " AS r ORDER BY 1, 2, 4, 5";

    return strdup(store_postgres_ask(url, sql));
}

/* Two days, of which the first is published: of the second, readers see all or nothing. */
static void two_days(char **before, char **want)
{
    visits_append(data, 2, STEP_MS, 0, EVENTS);
    must("archive", calm, NULL);
    must("batch", calm, "--to=2026-03-02");
    must("batch", calm, "--to=2026-03-03");
    must("batch", store, "--to=2026-03-02");
    *before = rows_of(store);
    *want = rows_of(calm);
    cr_assert_gt(strlen(*want), strlen(*before) + 100000);
}

static void expect_published(const char *want)
{
    char *got = rows_of(store);

    expect_same_lines(got, want);
    free(got);
    cr_expect_str_eq(store_postgres_ask(store, "SELECT run, state, failure FROM tally_run ORDER BY run"),
                     "1 published \n2 published \n", "the run that found no room is the one that is gone on with");
}

/* Ever more room: first not even the run can begin, then staging ends somewhere. */
Test(postgres_disk, a_full_disk_while_staging_and_then_room)
{
    struct chance chance = chance_open("postgres_disk");
    char *before, *want, said[1200];
    int refused = 0;

    if (!has_small_disk())
        return;
    two_days(&before, &want);
    for (size_t left = 0; left < (8u << 20); left += 20000 + chance_below(&chance, 60000)) {
        char *seen;
        int status;

        small_disk_fill(space, left);
        status = tally("batch", store, "--to=2026-03-03", said);
        seen = rows_of(store);
        small_disk_make_room(space);
        cr_expect(strcmp(seen, before) == 0 || strcmp(seen, want) == 0, "with %zu bytes: readers see half of it", left);
        free(seen);
        if (status == 0)
            break;
        refused++;
        cr_expect_eq(status, 3, "with %zu bytes: %s", left, said);
        cr_expect(strstr(said, full) != NULL, "with %zu bytes: %s", left, said);
    }
    cr_expect_gt(refused, 2, "the disk was never full");
    must("batch", store, "--to=2026-03-03");
    expect_published(want);
    free(before);
    free(want);
}

/* A first publication writes into tables that are empty: where there is just too little room, it is too little for that alone. */
Test(postgres_disk, a_full_disk_while_publishing_and_then_room)
{
    size_t enough = 2u << 20, little = 0;
    char *want, *seen, lacking[700] = "", said[1200];

    if (!has_small_disk())
        return;
    visits_append(data, 2, STEP_MS, 0, EVENTS / 4);
    must("archive", calm, NULL);
    must("batch", calm, "--to=2026-03-01T10:00:00Z");
    want = rows_of(calm);
    for (int attempt = 0; enough - little > 8192; attempt++) {
        size_t left = (enough + little) / 2;
        char *before;
        int status;

        snprintf(strstr(store, "schema="), 40, "schema=full_%d", attempt);
        must("speed", store, "--once"); /* makes the tables */
        before = rows_of(store);
        small_disk_fill(space, left);
        status = tally("batch", store, "--to=2026-03-01T10:00:00Z", said);
        small_disk_make_room(space);
        seen = rows_of(store);
        expect_same_lines(seen, status == 0 ? want : before);
        free(before);
        free(seen);
        if (status == 0) {
            enough = left;
            continue;
        }
        cr_expect_eq(status, 3, "with %zu bytes: %s", left, said);
        cr_expect(strstr(said, full) != NULL, "with %zu bytes: %s", left, said);
        little = left;
        snprintf(lacking, sizeof lacking, "%s", store);
    }
    cr_assert_neq(lacking[0], '\0', "the disk was never full");
    cr_expect_str_eq(store_postgres_ask(lacking, "SELECT state, (SELECT count(*) FROM tally_pointer) FROM tally_run"),
                     "staged 0\n");
    cr_expect_eq(tally("batch", lacking, "--to=2026-03-01T10:00:00Z", said), 0, "%s", said);
    cr_expect(strstr(said, "3 of 3 ranges are staged already") != NULL, "%s", said);
    seen = rows_of(lacking);
    expect_same_lines(seen, want);
    free(seen);
    free(want);
}

/* The server says of such a disk what it says of a right that a role lacks (42501). */
Test(postgres_disk, a_read_only_disk_is_said_to_be_one)
{
    char *before, *want, *seen, said[1200];

    if (!has_small_disk())
        return;
    two_days(&before, &want);
    server_sh("ctl", "stop -m fast"); /* a disk that something is written to does not become read-only */
    small_disk_remount(space, "64m", true);
    server_sh("start", "");
    cr_expect_eq(tally("batch", store, "--to=2026-03-03", said), 3, "%s", said);
    cr_expect(strstr(said, "Read-only file system") != NULL && strstr(said, "make it writable") != NULL, "%s", said);
    small_disk_remount(space, "64m", false);
    seen = rows_of(store);
    expect_same_lines(seen, before);
    free(seen);
    must("batch", store, "--to=2026-03-03");
    seen = rows_of(store);
    expect_same_lines(seen, want);
    free(seen);
    free(before);
    free(want);
}

/* ---- speed ---- */

static bool has_read(int messages)
{
    char want[40];

    snprintf(want, sizeof want, "%d\n", messages);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until_ms; tl_clock_sleep_ms(20))
        if (strcmp(store_postgres_ask(store, "SELECT min(messages_count) FROM tally_offset"), want) == 0)
            return true;
    return false;
}

Test(postgres_disk, who_follows_the_log_waits_for_room)
{
    struct run run = {0};
    char *got, *want;

    if (!has_small_disk())
        return;
    visits_append(data, 1, STEP_MS, 0, 40);
    must("speed", store, "--once");
    visits_append(data, 1, STEP_MS, 40, EVENTS);
    must("speed", calm, "--once");
    small_disk_fill(space, 0);
    run_start(&run, (const char *const[]){"speed", "--views", views, "--data", data, "--store", store, NULL});
    cr_expect(run_says(&run, full, PATIENCE_MS), "%s", run_err_so_far(&run));
    small_disk_make_room(space);
    cr_expect(has_read(EVENTS), "%s", run_err_so_far(&run));
    run_signal(&run, SIGTERM);
    run_wait(&run);
    cr_expect_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    got = postgres_dump(store);
    want = postgres_dump(calm);
    expect_same_lines(got, want);
    free(got);
    free(want);
}
