/* functions_test.c: functions of the user's own in the whole program: the example that is shipped, late events, and what is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/library.h"
#include "support/pipeline.h"
#include "support/reconcile_scene.h"

#define EXAMPLE "deploy/examples/functions"

/* By its own Makefile, as a user builds it. The path is good until the next call. */
static const char *example_build(const char *dir)
{
    static char path[LIBRARY_PATH_BYTES];
    char command[700];

    snprintf(path, sizeof path, "%s/example.so", dir);
    snprintf(
        command, sizeof command,
        "env -u MAKEFLAGS -u MAKELEVEL make -s -C %s INCLUDE=\"$PWD/common/core\" OUT='%s' CFLAGS='-O1 -g -Werror -Wpedantic'",
        EXAMPLE, dir);
    cr_assert_eq(system(command), 0, "%s", command);
    return path;
}

/* test.sh: tumbling, sliding and counted windows, sessions, a view on a view; restarts in the middle; equal rows in both layers. */
Test(functions, the_example_and_its_test)
{
    char dir[RUN_DIR_BYTES], command[1000];

    run_folder_make(dir);
    snprintf(command, sizeof command,
             "TALLY_BIN='%s' WORK_DIR='%s' %s/test.sh '%s' >'%s/test.out' 2>&1 || { cat '%s/test.out' >&2; false; }",
             run_program(), dir, EXAMPLE, example_build(dir), dir, dir);
    cr_assert_eq(system(command), 0, "%s", command);
    run_folder_remove(dir);
}

static const char views[] =
    "CREATE VIEW hops AS SELECT window_start, window_end, host, LONGEST(event_id) AS id, GEOMETRIC_MEAN(`bytes`) AS mean\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '30' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW steps AS SELECT window_start, window_end, window_time, LONGEST(event_id) AS id, GEOMETRIC_MEAN(`bytes`) AS "
    "mean\n"
    "    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))\n"
    "    GROUP BY window_start, window_end, window_time;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, LONGEST(event_id) AS id, GEOMETRIC_MEAN(`bytes`) AS mean\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, host HAVING LONGEST(event_id) <> 'none';\n"
    "CREATE VIEW of_hops AS SELECT window_start, window_end, LONGEST(id) AS id, GEOMETRIC_MEAN(mean) AS mean FROM hops\n"
    "    GROUP BY window_start, window_end;\n"
    "CREATE VIEW sessions AS SELECT window_start, window_end, SUM(HEX_TO_BIGINT(event_id)) AS total\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n";

/* What only batch has counted is explained: reconcile computes both rows again through the library. Two workers merge states. */
Test(functions, late_events_are_explained)
{
    struct scene scene;
    char dir[RUN_DIR_BYTES];

    run_folder_make(dir);
    setenv("TALLY_FUNCTIONS", example_build(dir), 1);
    scene_open(&scene, views, "");
    APPEND(&scene, 0, 299, {"a1", 270, "a.example", 100}, {"b22", 271, "b.example", 7}, {"c3", 273, "a.example", 1000});
    APPEND(&scene, 1, 299, {"d44", 272, "a.example", 3}, {"e5", 274, "b.example", 90});
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    APPEND(&scene, 0, 300, {"the-longest-of-all", 275, "a.example", 2}, {"ff", 12, "a.example", 4});
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, "--limit", "200");
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT(&scene, "$.summary.pending", "0");
    cr_assert_gt(report_count(&scene, "$.summary.explained"), 5);
    cr_assert_gt(report_count(&scene, "$.summary.equal"), 50, "%s", scene.run.out);
    cr_assert_gt(report_count(&scene, "$.refused_by_both.eval_error"), 0, "%s", scene.run.out);
    scene_close(&scene);
    run_folder_remove(dir);
}

/* The library is another one after a restart, and reads no states of the first: the view and the aggregate are named. */
Test(functions, states_of_another_form)
{
    struct scene scene;
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES];

    run_folder_make(dir);
    library_build(dir, "total", "tests/library/broken_functions.c", "", path);
    setenv("TALLY_FUNCTIONS", path, 1);
    scene_open(
        &scene,
        "CREATE VIEW totals AS SELECT window_start, window_end, COUNT(*) AS hits, TOTAL(`bytes`) AS total\n"
        "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;\n",
        "");
    append_body(&scene, 0, 30);
    scene_speed(&scene);
    library_build(dir, "total", "tests/library/broken_functions.c", "-DSAVE=save_marked -DLOAD=load_marked", path);
    append_body(&scene, 30, 30);
    RUN(&scene.run, "speed", "--views", scene.views, "--data", scene.dir, "--once");
    cr_assert_eq(scene.run.status, 3, "%d %s", scene.run.status, scene.run.err);
    cr_assert_not_null(strstr(scene.run.err, "view totals: stored accumulators cannot be read; TOTAL is of a library: it has to "
                                             "read what it wrote before"),
                       "%s", scene.run.err);
    run_done(&scene.run);
    scene_close(&scene);
    run_folder_remove(dir);
}

/* The views file calls what is not there: the hint says where functions come from. */
Test(functions, without_the_library)
{
    struct run run;

    unsetenv("TALLY_FUNCTIONS");
    RUN(&run, "explain", "--views", EXAMPLE "/views.sql");
    cr_assert_eq(run.status, 2);
    cr_assert(strstr(run.err, "there is no function UTM_SOURCE") != NULL && strstr(run.err, "--functions LIB.so") != NULL, "%s",
              run.err);
    run_done(&run);
}

/* A library that crashes is refused by every command that reads views, and the command ends as one with a wrong definition. */
Test(functions, a_library_that_crashes_takes_nothing_with_it)
{
    static const char *const commands[] = {"speed", "archive", "batch", "reconcile", "explain"};
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES];

    run_folder_make(dir);
    library_build(dir, "crashes", "tests/library/broken_functions.c", "-DCONSTRUCTOR='crash()'", path);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct run run;

        RUN(&run, commands[i], "--functions", path, "--views", EXAMPLE "/views.sql", "--data", dir);
        cr_assert_eq(run.status, 2, "%s ended with %d: %s", commands[i], run.status, run.err);
        cr_assert(strstr(run.err, "crashes.so: it crashed (signal 11, SIGSEGV) while it was loaded") != NULL, "%s", run.err);
        run_done(&run);
    }
    run_folder_remove(dir);
}

/* What explain prints names the functions; the script for Flink says that they are none of its own. */
Test(functions, explain_knows_them)
{
    char dir[RUN_DIR_BYTES];
    const char *library;
    struct run run;

    run_folder_make(dir);
    library = example_build(dir);
    RUN(&run, "explain", "--functions", library, "--views", EXAMPLE "/views.sql");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert(strstr(run.out, "GEOMETRIC_MEAN(") != NULL && strstr(run.out, "UTM_SOURCE(") != NULL, "%s", run.out);
    run_done(&run);
    RUN(&run, "explain", "--flink", "--functions", library, "--views", EXAMPLE "/views.sql");
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert(strstr(run.out, "-- LONGEST(STRING) -> STRING comes from a library for tally: register one of that name") != NULL,
              "%s", run.out);
    run_done(&run);
    run_folder_remove(dir);
}

/* The header stands alone, in C and in C++, and the library in its first comment works as either. */
Test(functions, the_header_and_its_example)
{
    static const char *const compilers[] = {"cc -x c -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wstrict-prototypes",
                                            "c++ -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Wconversion"};
    char dir[RUN_DIR_BYTES], library[LIBRARY_PATH_BYTES], command[900];

    run_folder_make(dir);
    snprintf(library, sizeof library, "%s/even.so", dir);
    for (size_t i = 0; i < sizeof compilers / sizeof *compilers; i++) {
        const char *sql = run_file_write(dir, "views.sql",
                                         "CREATE TABLE t (n INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts);\n"
                                         "CREATE VIEW v AS SELECT n FROM t WHERE IS_EVEN(n);\n");
        struct run run;

        snprintf(command, sizeof command,
                 "sed -n '/^ \\*     #include <tally_function/,/^ \\*     const struct tally_library/s/^ \\*  *//p' "
                 "common/core/tally_function.h | sed 's/^ \\*$//' | %s -Werror -Icommon/core -shared -fPIC -fvisibility=hidden "
                 "-o '%s' -",
                 compilers[i], library);
        cr_assert_eq(system(command), 0, "%s", command);
        RUN(&run, "explain", "--functions", library, "--views", sql);
        cr_assert_eq(run.status, 0, "%s", run.err);
        cr_assert(strstr(run.out, "IS_EVEN(") != NULL, "%s", run.out);
        run_done(&run);
    }
    run_folder_remove(dir);
}
