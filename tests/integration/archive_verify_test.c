/* archive_verify_test.c: `tally archive --verify` says of a sound record that it is, and of any other what is wrong with it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "master/master.h"
#include "support/record.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES], views[256], data[256];
static struct run run;

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", record_views));
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    cr_assert_eq(unsetenv("TALLY_VIEWS"), 0);
}

static void folder_close(void)
{
    run_done(&run);
    run_folder_remove(dir);
}

TestSuite(archive_verify, .init = folder_open, .fini = folder_close);

static void archive(const char *file_bytes)
{
    run_done(&run);
    RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", file_bytes);
    cr_assert_eq(run.status, 0, "%s", run.err);
}

static void verify(void)
{
    run_done(&run);
    RUN(&run, "archive", "--verify", "--data", data, "--format", "csv");
}

/* Three files of partition 0: offsets 0 to 99, 100 to 199, 200 to 299. */
static void three_files(void)
{
    for (int64_t from = 0; from < 300; from += 100) {
        record_append(data, "events", 1, from, from + 100);
        archive("1000000");
    }
}

static void path_of(char out[400], int64_t first, const char *suffix)
{
    snprintf(out, 400, "%s/topics/events/partition=0/events+0+%010" PRId64 "%s", data, first, suffix);
}

static void says(const char *text)
{
    cr_assert_not_null(strstr(run.out, text), "%s\n%s", run.out, run.err);
}

static const char head[] = "topic,partition,what,wrong,first_offset,last_offset,files,messages,bytes,file,detail\r\n";

Test(archive_verify, an_empty_folder_is_sound)
{
    verify();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.out, head);
}

Test(archive_verify, a_sound_record)
{
    record_append(data, "events", 2, 0, 2000);
    archive("20000");
    verify();
    cr_assert_eq(run.status, 0, "%s", run.err);
    cr_assert_str_eq(run.err, "");
    says("\r\nevents,0,partition,false,0,1999,");
    says("\r\nevents,1,partition,false,0,1999,");
    cr_assert_eq(strstr(run.out, "true"), NULL, "%s", run.out);
    run_done(&run);
    RUN(&run, "archive", "--verify", "--data", data, "--format", "json");
    cr_assert_eq(run.status, 0, "%s", run.err);
    says("{\"topic\": \"events\", \"partition\": 1, \"what\": \"partition\", \"wrong\": false, \"first_offset\": 0, ");
}

struct wrong_case {
    char name[48];
    enum {
        FLIP,
        CUT,
        INDEX_GONE,
        INDEX_FLIP,
        OTHER_FLIP,
        FIRST_TWICE,
        FIRST_GONE,
        MIDDLE_GONE,
        LAST_GONE,
        STATEMENT,
        LEFTOVER
    } what;
    int status;
    char row[200];  /* of the answer */
    char named[60]; /* in it */
    bool next_said; /* the offsets that are gone are said to be missing */
};

ParameterizedTestParameters(archive_verify, what_is_wrong_is_found)
{
    static struct wrong_case cases[] = {
        {"a byte of the data",        FLIP,        1, "events,0,damaged,true,100,199,,,,", "events+0+0000000100.jsonl.zst", false},
        {"a file that was cut off",   CUT,         1, "events,0,damaged,true,100,199,,,,", "events+0+0000000100.jsonl.zst", false},
        {"an index that is gone",     INDEX_GONE,  1, "events,0,damaged,true,100,,,,,",    "events+0+0000000100.index",     false},
        {"a byte of an index",        INDEX_FLIP,  1, "events,0,damaged,true,100,,,,,",    "events+0+0000000100.index",     false},
        {"a byte of the others",      OTHER_FLIP,  1, "events,0,damaged,true,100,199,,,,", "events+0+0000000100.other.zst", false},
        {"a file twice",              FIRST_TWICE, 1, "events,0,overlap,true,0,99,,,,",    "events+0+0000000050.jsonl.zst", false},
        {"the first file is gone",    FIRST_GONE,  1, "events,0,missing,true,0,99,,,,",    "the file behind speaks of",     true },
        {"the middle file is gone",   MIDDLE_GONE, 1, "events,0,missing,true,100,199,,,,", "the file behind speaks of",     true },
        {"the last file is gone",     LAST_GONE,   1, "events,0,missing,true,200,299,,,,", "complete.json speaks of",       true },
        {"a statement of others",     STATEMENT,   1, "events,0,statement,true,,,,,,",     "complete.json",                 false},
        {"what a killed writer left", LEFTOVER,    0, "events,0,leftover,false,,,,,,",     "_events+0+0000000300.index",    false},
    };
    return cr_make_param_array(struct wrong_case, cases, sizeof cases / sizeof *cases);
}

static void remove_all_of(int64_t first)
{
    static const char *const suffixes[] = {".jsonl.zst", ".index", ".other.zst"};
    char path[400];

    for (size_t s = 0; s < TL_COUNT(suffixes); s++) {
        path_of(path, first, suffixes[s]);
        cr_assert_eq(unlink(path), 0, "%s", path);
    }
}

ParameterizedTest(struct wrong_case *c, archive_verify, what_is_wrong_is_found)
{
    char path[400], second[400], command[1000], expected[300];

    three_files();
    path_of(path, 100, ".jsonl.zst");
    switch (c->what) {
    case FLIP: record_flip(path, 200); break;
    case CUT: cr_assert_eq(truncate(path, 300), 0); break;
    case INDEX_GONE:
        path_of(path, 100, ".index");
        cr_assert_eq(unlink(path), 0);
        break;
    case INDEX_FLIP:
        path_of(path, 100, ".index");
        record_flip(path, 30);
        break;
    case OTHER_FLIP:
        path_of(path, 100, ".other.zst");
        record_flip(path, 40);
        break;
    case FIRST_TWICE: { /* a copy of a record that was cut elsewhere */
        static char texts[20][RECORD_TEXT_BYTES];
        struct tl_master *master = NULL;
        struct tl_master_writer *writer = NULL;
        struct tl_err err;

        cr_assert_eq(tl_master_open(data, &master, &err), TL_OK);
        cr_assert_eq(tl_master_writer_open(master, TL_SV("events"), 0, 1, &writer, &err), TL_OK);
        for (int64_t i = 0; i < 20; i++) {
            struct tl_message message = record_message(50 + i, texts[i]);

            cr_assert_eq(tl_master_writer_add(writer, &message, &(struct tl_master_facts){.watermark_ms = INT64_MIN}, &err),
                         TL_OK);
        }
        cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
        tl_master_close(master);
        break;
    }
    case FIRST_GONE: remove_all_of(0); break;
    case MIDDLE_GONE: remove_all_of(100); break;
    case LAST_GONE: remove_all_of(200); break;
    case STATEMENT:
        snprintf(path, sizeof path, "%s/topics/events/complete.json", data);
        record_flip(path, 60);
        break;
    case LEFTOVER:
        path_of(path, 100, ".index");
        snprintf(second, sizeof second, "%s/topics/events/partition=0/_events+0+0000000300.index", data);
        snprintf(command, sizeof command, "cp '%s' '%s'", path, second);
        cr_assert_eq(system(command), 0);
        break;
    }
    verify();
    cr_assert_eq(run.status, c->status, "%s: %s\n%s", c->name, run.out, run.err);
    snprintf(expected, sizeof expected, "\r\n%s", c->row);
    cr_assert_not_null(strstr(run.out, expected), "%s: %s\n%s", c->name, run.out, run.err);
    cr_assert_not_null(strstr(run.out, c->named), "%s: %s\n%s", c->name, run.out, run.err);
    cr_assert_eq(strstr(run.out, ",missing,") != NULL, c->next_said, "%s: %s", c->name, run.out);
    if (c->status == 1) {
        cr_assert_not_null(strstr(run.err, c->named), "%s: said for cron as well: %s", c->name, run.err);
        cr_assert_not_null(strstr(run.err, "is not sound: "), "%s: %s", c->name, run.err);
    }
}

/* Offsets that the log never had, or lost while it was said to be all right, are no lost file. */
Test(archive_verify, what_the_log_had_not_is_not_missing)
{
    struct tl_log *log = NULL;
    struct tl_err err;

    record_append(data, "events", 1, 0, 100);
    archive("1000000");
    record_append(data, "events", 1, 100, 200);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "local", .data_dir = data}, TL_LOG_APPEND, &log, &err), TL_OK);
    cr_assert_eq(tl_log_trim(log, TL_SV("events"), 0, 150, &err), TL_OK, "%s", err.message);
    tl_log_close(log);
    run_done(&run);
    RUN(&run, "archive", "--views", views, "--data", data, "--accept-gap");
    cr_assert_eq(run.status, 0, "%s", run.err);
    verify();
    cr_assert_eq(run.status, 0, "%s\n%s", run.out, run.err);
    says("events,0,partition,false,0,199,2,150,");
    record_append(data, "events", 1, 200, 250);
    archive("1000000");
    verify();
    cr_assert_eq(run.status, 0, "the chain goes on behind the gap: %s\n%s", run.out, run.err);
}

/* The second file is lost, and another is archived behind it: the loss is still seen. */
Test(archive_verify, what_was_lost_stays_lost_when_archive_goes_on)
{
    record_append(data, "events", 1, 0, 100);
    archive("1000000");
    record_append(data, "events", 1, 100, 200);
    archive("1000000");
    remove_all_of(100);
    record_append(data, "events", 1, 200, 300);
    archive("1000000");
    verify();
    cr_assert_eq(run.status, 1, "%s\n%s", run.out, run.err);
    says("events,0,missing,true,100,199,");
}
