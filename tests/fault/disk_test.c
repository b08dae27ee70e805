/* disk_test.c: archive and batch on a disk that is full or read-only, or with a limit on the size of files: a clear end, nothing half-published, and once
 * there is room the same command finishes and gives what an undisturbed run gives.
 *
 * The disk is a small tmpfs of its own, which needs root; the limit on the size of files needs nothing. PostgreSQL's disk is in
 * postgres_disk_test.c. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/chance.h"
#include "support/dump.h"
#include "support/run.h"
#include "support/small_disk.h"
#include "support/visits.h"

enum { EVENTS = 12000, STEP_MS = 17280 /* two days and a half */ };

static char dir[RUN_DIR_BYTES], views[300], data[300], store[400];
static bool mounted;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(store, sizeof store, "%s/views.db", data);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    if (mounted)
        small_disk_unmount(data);
    mounted = false;
    run_folder_remove(dir);
}

TestSuite(disk, .init = folder_open, .fini = folder_close, .timeout = 120);

static bool has_small_disk(void)
{
    mounted = small_disk_mount(data, "64m");
    return mounted;
}

static int tally(const char *command, const char *more, char said[600])
{
    struct run run = {0};
    int status;

    RUN(&run, command, "--views", views, "--data", data, more);
    status = run.status;
    snprintf(said, 600, "%s", run.err);
    run_done(&run);
    return status;
}

static void must(const char *command, const char *more)
{
    char said[600];

    cr_assert_eq(tally(command, more, said), 0, "%s: %s", command, said);
}

/* The rows of a run on a disk that has room. */
static char *calm_rows(void)
{
    char calm[300], calm_store[400];
    struct run run = {0};

    snprintf(calm, sizeof calm, "%s/calm", dir);
    snprintf(calm_store, sizeof calm_store, "%s/views.db", calm);
    cr_assert_eq(mkdir(calm, 0777), 0);
    visits_append(calm, 2, STEP_MS, 0, EVENTS);
    RUN(&run, "archive", "--views", views, "--data", calm);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    RUN(&run, "batch", "--views", views, "--data", calm, "--to=2026-03-04");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    return dump_batch(calm_store, "hits");
}

static void rows_are(const char *want)
{
    char *got = dump_batch(store, "hits"), *left;

    cr_expect(strcmp(got, want) == 0, "the rows differ from those of a run that nothing disturbed");
    free(got);
    left = dump_sql(store,
                    "SELECT count(*) FROM hits_batch WHERE _run NOT IN (SELECT run FROM tally_run WHERE state = 'published')");
    cr_expect_str_eq(left, "0\n", "what was staged is left");
    free(left);
}

/* All of a publication or nothing: the views' boundaries are one, and hits has rows exactly if there is one. */
static void is_whole(const char *when)
{
    char *seen;

    if (access(store, F_OK) != 0)
        return;
    seen = dump_sql(store, "SELECT count(DISTINCT boundary_ms), (SELECT count(*) > 0 FROM tally_pointer) ="
                           " (SELECT count(*) > 0 FROM hits WHERE _layer = 'batch') FROM tally_progress");
    cr_expect(strcmp(seen, "1|1\n") == 0 || strcmp(seen, "0|1\n") == 0, "%s: %s", when, seen);
    free(seen);
}

/* ---- a limit on the size of files ---- */

static int limited(const char *command, const char *more, rlim_t bytes, char said[600])
{
    struct rlimit before, now;
    int status;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    now = (struct rlimit){bytes, before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &now), 0);
    status = tally(command, more, said);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    return status;
}

Test(disk, a_limit_on_the_size_of_files_ends_a_run_with_its_name)
{
    char *want = calm_rows(), said[600];

    visits_append(data, 2, STEP_MS, 0, EVENTS);
    cr_expect_eq(limited("archive", NULL, 50000, said), 3, "%s", said);
    cr_expect(strstr(said, "jsonl.zst") != NULL && strstr(said, "files may have 50000 bytes here") != NULL, "%s", said);
    must("archive", NULL);
    must("speed", "--once"); /* makes the store */
    cr_expect_eq(limited("batch", "--to=2026-03-04", 100000, said), 3, "%s", said);
    cr_expect(strstr(said, "views.db") != NULL && strstr(said, "ulimit -f") != NULL, "%s", said);
    is_whole("limited");
    must("batch", "--to=2026-03-04");
    rows_are(want);
    free(want);
}

/* ---- a full disk ---- */

Test(disk, a_full_disk_while_archiving_and_then_room)
{
    char *want, said[600];

    if (!has_small_disk())
        return;
    want = calm_rows();
    visits_append(data, 2, STEP_MS, 0, EVENTS);
    must("speed", "--once"); /* the log's and the store's own files are there */
    for (size_t left = 0; left <= 60000; left += 20000) {
        small_disk_fill(data, left);
        cr_expect_eq(tally("archive", NULL, said), 3, "with %zu bytes: %s", left, said);
        cr_expect(strstr(said, data) != NULL && strstr(said, "free some space and try again") != NULL, "with %zu bytes: %s", left,
                  said);
        small_disk_make_room(data);
    }
    must("archive", NULL);
    must("batch", "--to=2026-03-04");
    rows_are(want);
    free(want);
}

/* Ever more room: first not even the run can begin, then staging ends somewhere, then it is the publication, or what follows it. */
Test(disk, a_full_disk_while_staging_and_then_room)
{
    struct chance chance = chance_open("disk");
    char *want, said[600];
    int refused = 0;

    if (!has_small_disk())
        return;
    want = calm_rows();
    visits_append(data, 2, STEP_MS, 0, EVENTS);
    must("archive", NULL);
    must("speed", "--once");
    for (size_t left = 0; left < (8u << 20); left += 50000 + chance_below(&chance, 200000)) {
        int status;

        small_disk_fill(data, left);
        status = tally("batch", "--to=2026-03-04", said);
        small_disk_make_room(data);
        is_whole("after a full disk");
        if (status == 0)
            break;
        refused++;
        cr_expect_eq(status, 3, "with %zu bytes: %s", left, said);
        cr_expect(strstr(said, data) != NULL, "with %zu bytes: %s", left, said);
    }
    cr_expect_gt(refused, 2, "the disk was never full");
    must("batch", "--to=2026-03-04");
    rows_are(want);
    free(want);
}

/* ---- a read-only disk ---- */

Test(disk, a_read_only_disk_is_said_to_be_one)
{
    char *want, said[600];

    if (!has_small_disk())
        return;
    want = calm_rows();
    visits_append(data, 2, STEP_MS, 0, EVENTS);
    must("speed", "--once");
    small_disk_remount(data, "64m", true);
    cr_expect_eq(tally("archive", NULL, said), 3, "%s", said);
    cr_expect(strstr(said, data) != NULL && strstr(said, "make it writable") != NULL, "%s", said);
    small_disk_remount(data, "64m", false);
    must("archive", NULL);
    small_disk_remount(data, "64m", true);
    cr_expect_eq(tally("batch", "--to=2026-03-04", said), 3, "%s", said);
    cr_expect(strstr(said, data) != NULL && strstr(said, "make it writable") != NULL, "%s", said);
    small_disk_remount(data, "64m", false);
    must("batch", "--to=2026-03-04");
    rows_are(want);
    free(want);
}

/* Somebody who has the file open, as speed would: a reader then finds what it wants in memory. */
static sqlite3 *hold(const char *name)
{
    char path[500];
    sqlite3 *db = NULL;

    snprintf(path, sizeof path, "%s/%s", data, name);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    return db;
}

/* The report and its status are there, and what was not stored is said, with what would help. */
Test(disk, a_reconcile_that_cannot_be_stored_is_reported)
{
    struct run run = {0};
    sqlite3 *log, *rows;
    char *count;

    if (!has_small_disk())
        return;
    visits_append(data, 2, STEP_MS, 0, EVENTS);
    must("speed", "--once");
    must("archive", NULL);
    must("batch", "--to=2026-03-04");
    log = hold("log.db");
    rows = hold("views.db");
    small_disk_fill(data, 0);
    RUN(&run, "reconcile", "--views", views, "--data", data);
    cr_expect_eq(run.status, 0, "%s", run.err);
    cr_expect(strstr(run.out, "; 0 unexplained\n") != NULL, "%s", run.out);
    cr_expect(strstr(run.err, " warn reconcile this reconciliation is not stored") != NULL &&
                  strstr(run.err, "free some space") != NULL,
              "%s", run.err);
    run_done(&run);
    small_disk_make_room(data);
    must("reconcile", NULL);
    sqlite3_close(log);
    sqlite3_close(rows);
    count = dump_sql(store, "SELECT count(*) FROM tally_reconciliation");
    cr_expect_str_eq(count, "1\n");
    free(count);
}
