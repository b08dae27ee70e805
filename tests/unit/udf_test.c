/* udf_test.c: a library of functions is taken, or refused with its name, what is wrong, and what would be right. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/function.h"
#include "core/udf.h"
#include "sql/plan.h"
#include "support/library.h"
#include "support/run.h"

#define SOURCE "tests/library/broken_functions.c"

struct refusal {
    char name[60], flags[120], want[200];
};

ParameterizedTestParameters(udf, refusals)
{
    static struct refusal cases[] = {
        {"no symbol",                "-DNO_LIBRARY",                           "it has no symbol tally_library; tally_function.h shows how it is defined"            },
        {"another ABI",              "-DABI=2",                                "it is made for version 2 of tally_function.h, and this is version 1: compile it anew"},
        {"other structs",            "-DSCALAR_BYTES=8",
         "its structs have other sizes than those of tally_function.h: begin tally_library with TALLY_LIBRARY_HEAD"                                                  },
        {"no version",               "-DVERSION=NULL",                         "it has no version: a text like \"1.0\""                                              },
        {"an empty version",         "-DVERSION='\"\"'",                       "it has no version: a text like \"1.0\""                                              },
        {"no functions",             "-DSCALARS_COUNT=0 -DAGGREGATES_COUNT=0",
         "it says that it has 0 scalar functions and 0 aggregates: 1 to 10000 in all"                                                                                },
        {"a count of rubbish",       "-DSCALARS_COUNT=1000000",
         "it says that it has 1000000 scalar functions and 1 aggregates: 1 to 10000 in all"                                                                          },
        {"no table",                 "-DSCALARS=NULL",                         "it counts functions and has no table of them"                                        },
        {"no name",                  "-DNAME=NULL",                            "scalar function 1 has no name"                                                       },
        {"a small name",             "-DNAME='\"twice\"'",
         "scalar function 1: 'twice' is no name: write capitals, digits and _, a letter first, less than 64 of them"                                                 },
        {"an empty name",            "-DNAME='\"\"'",
         "scalar function 1: '' is no name: write capitals, digits and _, a letter first, less than 64 of them"                                                      },
        {"the name of a function",   "-DNAME='\"LOWER\"'",                     "LOWER is a word of tally's own: take another name"                                   },
        {"of a call in words",       "-DNAME='\"TRY_CAST\"'",                  "TRY_CAST is a word of tally's own: take another name"                                },
        {"of a form",                "-DNAME='\"COALESCE\"'",                  "COALESCE is a word of tally's own: take another name"                                },
        {"of an aggregate",          "-DTOTAL_NAME='\"SUM\"'",                 "SUM is a word of tally's own: take another name"                                     },
        {"a reserved word",          "-DNAME='\"SELECT\"'",                    "SELECT is a word of tally's own: take another name"                                  },
        {"scalar and aggregate",     "-DTOTAL_NAME='\"TWICE\"'",               "TWICE is the name of a scalar function and of an aggregate"                          },
        {"the same signature twice", "-DSCALARS_COUNT=2",                      "TWICE(BIGINT) -> INT is there twice"                                                 },
        {"no such type",             "-DARG=99",                               "TWICE: its argument 1 has the type 99, which there is not"                           },
        {"no such result",           "-DRESULT=0",                             "TWICE: its result has the type 0, which there is not"                                },
        {"no such flag",             "-DFLAGS=4",                              "TWICE has the flags 4: TALLY_SEES_NULL alone is known"                               },
        {"no call",                  "-DCALL=NULL",                            "TWICE has no call"                                                                   },
        {"no step",                  "-DSTEP=NULL",                            "TOTAL has no step: without it an aggregate cannot work in both layers"               },
        {"no merge",                 "-DMERGE=NULL",                           "TOTAL has no merge: without it an aggregate cannot work in both layers"              },
        {"no save",                  "-DSAVE=NULL",                            "TOTAL has no save: without it an aggregate cannot work in both layers"               },
        {"no load",                  "-DLOAD=NULL",                            "TOTAL has no load: without it an aggregate cannot work in both layers"               },
        {"no finish",                "-DFINISH=NULL",                          "TOTAL has no finish: without it an aggregate cannot work in both layers"             },
        {"an aggregate of nothing",  "-DTOTAL_ARG=TALLY_NONE",                 "TOTAL takes no argument: an aggregate takes one at least"                            },
        {"no state",                 "-DSTATE_BYTES=0",                        "TOTAL has a state of 0 bytes: 1 to 65536, and let it point to more"                  },
        {"too large a state",        "-DSTATE_BYTES=100000",                   "TOTAL has a state of 100000 bytes: 1 to 65536, and let it point to more"             },
        {"open refuses",             "-DOPEN=open_refuses",                    "it says: its licence has ended"                                                      },
        {"open crashes",             "-DOPEN=open_crashes",                    "it crashed (signal 11, SIGSEGV) while it was opened"                                 },
        {"the constructor crashes",  "-DCONSTRUCTOR='crash()'",                "it crashed (signal 11, SIGSEGV) while it was loaded"                                 },
        {"the constructor aborts",   "-DCONSTRUCTOR='abort()'",                "it crashed (signal 6, SIGABRT) while it was loaded"                                  },
        {"the constructor ends it",  "-DCONSTRUCTOR='_exit(3)'",               "it ended the process (exit status 3) while it was loaded"                            },
        {"the destructor crashes",   "-DDESTRUCTOR='abort()'",                 "it crashed (signal 6, SIGABRT) while it was closed"                                  },
        {"a call crashes",           "-DCALL=call_crashes",                    "it crashed (signal 11, SIGSEGV) while it was tried: TWICE"                           },
        {"a call varies",            "-DCALL=call_varies",                     "TWICE gives different results for the same arguments"                                },
        {"a step crashes",           "-DSTEP=step_crashes",                    "it crashed (signal 11, SIGSEGV) while it was tried: TOTAL"                           },
        {"goes by the order",        "-DSTEP=step_keeps_last",                 "TOTAL: the bytes go by the order of the rows"                                        },
        {"merge forgets",            "-DMERGE=merge_forgets",                  "TOTAL: the bytes go by the order in which states are merged"                         },
        {"merge takes",              "-DMERGE=merge_takes",                    "TOTAL: merge changes the state that it reads"                                        },
        {"merge counts nothing",     "-DMERGE=merge_counts",                   "TOTAL: a state of no rows, merged, changes the bytes"                                },
        {"save wants memory",        "-DSAVE=save_wants",                      "TOTAL: there is not the memory that it asks for; in save there is none"              },
        {"save varies",              "-DSAVE=save_varies",                     "TOTAL: a state that was saved and loaded is saved as other bytes"                    },
        {"load refuses",             "-DLOAD=load_refuses",                    "TOTAL: load refuses what save has written"                                           },
        {"finish goes by the place", "-DFINISH=finish_by_place",               "TOTAL: a state that was saved and loaded gives another result"                       },
    };
    return cr_make_param_array(struct refusal, cases, sizeof cases / sizeof *cases);
}

static void refused(const char *path, const char *want)
{
    const struct tl_function_files files = {.library = path};
    struct tl_functions *functions = NULL;
    struct tl_err err = {0};
    char whole[500];

    cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_ERR_DEFINITION, "taken, or another error: %s", err.message);
    cr_assert_null(functions);
    snprintf(whole, sizeof whole, "functions %s: %s", path, want);
    cr_assert_str_eq(err.message, whole);
}

ParameterizedTest(struct refusal *c, udf, refusals)
{
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES];

    run_folder_make(dir);
    library_build(dir, "broken", SOURCE, c->flags, path);
    refused(path, c->want);
    run_folder_remove(dir);
}

Test(udf, what_does_not_come_back_is_given_up, .timeout = 60)
{
    static const char *const flags[] = {"-DOPEN=open_hangs", "-DOPEN=open_closes_all"};
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES];

    run_folder_make(dir);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        library_build(dir, "broken", SOURCE, flags[i], path);
        refused(path, "it did not come back within 10 s while it was opened");
    }
    run_folder_remove(dir);
}

/* The trial has ended when its process has: what that left behind is not waited for. */
Test(udf, what_is_left_behind_is_not_waited_for)
{
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES];
    struct tl_function_files files = {.library = path};
    struct tl_functions *functions;
    struct tl_err err = {0};
    int64_t begun_ms;

    run_folder_make(dir);
    library_build(dir, "good", SOURCE, "-DOPEN=open_forks", path);
    begun_ms = tl_clock_monotonic_ms();
    cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_OK, "%s", err.message);
    cr_assert_lt(tl_clock_monotonic_ms() - begun_ms, 3000);
    tl_functions_close(functions);
    run_folder_remove(dir);
}

/* Who stops the program while a library is tried is not told that the library has crashed. */
Test(udf, a_signal_to_all_of_it_is_no_crash)
{
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES], command[800];

    run_folder_make(dir);
    library_build(dir, "broken", SOURCE, "-DOPEN=open_hangs", path);
    snprintf(
        command, sizeof command,
        "timeout -s INT 1 '%s' up --data '%s' --functions '%s' --views deploy/examples/functions/views.sql 2>'%s/err'; ! grep "
        "crashed '%s/err'",
        run_program(), dir, path, dir, dir);
    cr_assert_eq(system(command), 0);
    run_folder_remove(dir);
}

Test(udf, files_that_are_no_library)
{
    struct tl_functions *functions;
    struct tl_function_files files;
    struct tl_err err = {0};
    char dir[RUN_DIR_BYTES];

    run_folder_make(dir);
    refused("/nowhere/functions.so", "No such file or directory");
    refused(dir, "it cannot be read: Is a directory");
    files = (struct tl_function_files){.library = run_file_write(dir, "text.so", "no library\n")};
    cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_ERR_DEFINITION);
    cr_assert(strstr(err.message, "text.so: it is no shared library that can be loaded here: ") != NULL, "%s", err.message);
    run_folder_remove(dir);
}

/* As it stands it is taken: its functions stand in the catalog, and its version is known. */
Test(udf, a_good_one)
{
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES];
    struct tl_function_files files = {.library = path};
    struct tl_functions *functions;
    struct tl_err err = {0};
    struct tl_buf versions;
    const char *library;
    unsigned found = 0;

    run_folder_make(dir);
    library_build(dir, "good", SOURCE, "", path);
    cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_OK, "%s", err.message);
    for (const struct tl_catalog *c = tl_functions_catalog(functions); c != NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count; i++)
            if (c->functions[i].own != NULL)
                found += strcmp(c->functions[i].signature, "TWICE(BIGINT) -> BIGINT") == 0   ? 1
                         : strcmp(c->functions[i].signature, "TOTAL(BIGINT) -> BIGINT") == 0 ? 16
                                                                                             : 256;
    cr_assert_eq(found, 17);
    tl_buf_init(&versions, 0);
    tl_functions_versions(functions, &versions);
    tl_buf_put_u8(&versions, 0);
    library = strstr(versions.data, "good.so 1.0 xxh3:");
    cr_assert(library != NULL && strlen(library) == 17 + 16, "%s", versions.data);
    tl_buf_done(&versions);
    tl_functions_close(functions);
    run_folder_remove(dir);
}

/* In the list of versions an item is named by its first word and ends at ';': what a library is called does not break it. */
Test(udf, a_version_is_one_item)
{
    char dir[RUN_DIR_BYTES], path[LIBRARY_PATH_BYTES];
    struct tl_function_files files = {.library = path};
    struct tl_functions *functions;
    struct tl_err err = {0};
    struct tl_buf versions;

    run_folder_make(dir);
    library_build(dir, "my own;2", SOURCE, "-DVERSION='\"1; beta\\n\\xff\"'", path);
    cr_assert_eq(tl_functions_open(&files, &functions, &err), TL_OK, "%s", err.message);
    tl_buf_init(&versions, 0);
    tl_functions_versions(functions, &versions);
    tl_buf_put_u8(&versions, 0);
    cr_assert_not_null(strstr(versions.data, "; my_own?2.so 1? beta?? xxh3:"), "%s", versions.data);
    tl_buf_done(&versions);
    tl_functions_close(functions);
    run_folder_remove(dir);
}
