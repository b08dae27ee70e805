/* master_lost_test.c: which files of the record are gone, and what is no loss. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/master.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES];
static struct tl_err err;
static struct tl_master *master;

static void record_open(void)
{
    run_folder_make(dir);
    cr_assert_eq(tl_master_open(dir, &master, &err), TL_OK, "%s", err.message);
}

static void record_close(void)
{
    tl_master_close(master);
    run_folder_remove(dir);
}

TestSuite(master_lost, .init = record_open, .fini = record_close);

static void file_write(int64_t begin, int64_t first, int64_t last)
{
    struct tl_master_writer *writer = NULL;

    cr_assert_eq(tl_master_writer_open(master, TL_SV("events"), 0, 77, &writer, &err), TL_OK, "%s", err.message);
    for (int64_t offset = first; offset <= last; offset++) {
        struct tl_message message = {offset, 0, TL_SV("{}")};

        cr_assert_eq(
            tl_master_writer_add(writer, &message,
                                 &(struct tl_master_facts){.events_count = 1, .time_ms = &offset, .watermark_ms = offset}, &err),
            TL_OK);
    }
    tl_master_writer_begin_at(writer, begin);
    cr_assert_eq(tl_master_writer_finish(writer, &err), TL_OK, "%s", err.message);
}

static void file_remove(int64_t first, const char *suffix)
{
    char path[RUN_DIR_BYTES + 100];

    snprintf(path, sizeof path, "%s/topics/events/partition=0/events+0+%010" PRId64 "%s", dir, first, suffix);
    cr_assert_eq(unlink(path), 0, "%s", path);
}

enum { FILES_MAX = 4 };
#define NOT_KNOWN TL_MASTER_BEGIN_UNKNOWN

struct lost_case {
    char name[60];
    int64_t files[FILES_MAX][3]; /* begin, first, last; last 0: no more */
    int64_t gone[2][2];          /* first offset of a file that goes; 1: its index too. -1: none */
    int64_t files_to, thinned_to;
    int64_t lost[2][3]; /* first, last (-1: not known), 1: its index tells. -1: none */
    int64_t gap[2];     /* -1: none */
};

ParameterizedTestParameters(master_lost, what_is_gone_is_found)
{
#define NONE                                                                                                                     \
    {                                                                                                                            \
        -1                                                                                                                       \
    }
    static struct lost_case cases[] = {
        {"nothing",                    {{0, 0, 9}, {10, 10, 19}, {20, 20, 29}},  {NONE, NONE},      30, 0,  {NONE, NONE},        {-1}    },
        {"offsets that the log lacks", {{0, 3, 9}, {10, 12, 19}, {20, 20, 29}},  {NONE, NONE},      30, 0,  {NONE, NONE},        {-1}    },
        {"the first",                  {{0, 3, 9}, {10, 10, 19}},                {{3, 0}, NONE},    20, 0,  {{3, 9, 1}, NONE},   {-1}    },
        {"the first, with its index",  {{0, 3, 9}, {10, 10, 19}},                {{3, 1}, NONE},    20, 0,  {{0, 9, 0}, NONE},   {-1}    },
        {"one between",                {{0, 0, 9}, {10, 12, 19}, {20, 20, 29}},  {{12, 0}, NONE},   30, 0,  {{12, 19, 1}, NONE}, {-1}    },
        {"two, one with its index",
         {{0, 0, 9}, {10, 10, 19}, {20, 20, 29}, {30, 30, 39}},
         {{10, 1}, {20, 0}},
         40,                                                                                            0,
         {{20, 29, 1}, {10, 19, 0}},
         {-1}                                                                                                                            },
        {"the last",                   {{0, 0, 9}, {10, 10, 19}},                {{10, 0}, NONE},   20, 0,  {{10, 19, 1}, NONE}, {-1}    },
        {"the last, with its index",   {{0, 0, 9}, {10, 10, 19}},                {{10, 1}, NONE},   20, 0,  {{10, 19, 0}, NONE}, {-1}    },
        {"all there was",              {{0, 0, 9}},                              {{0, 0}, NONE},    10, 0,  {{0, 9, 1}, NONE},   {-1}    },
        {"what was killed",            {{0, 0, 9}, {10, 10, 19}},                {{10, 0}, NONE},   10, 0,  {NONE, NONE},        {-1}    },
        {"what was taken",             {{0, 0, 9}, {10, 10, 19}, {20, 20, 29}},  {{0, 1}, {10, 0}}, 30, 20, {NONE, NONE},        {-1}    },
        {"behind what was taken",      {{0, 0, 9}, {10, 10, 19}, {20, 20, 29}},  {{0, 1}, {10, 0}}, 30, 10, {{10, 19, 1}, NONE}, {-1}    },
        {"an old index behind",        {{NOT_KNOWN, 0, 9}, {NOT_KNOWN, 20, 29}}, {NONE, NONE},      30, 0,  {NONE, NONE},        {10, 19}},
        {"old, but its index tells",
         {{0, 0, 9}, {NOT_KNOWN, 12, 19}, {NOT_KNOWN, 20, 29}},
         {{12, 0}, NONE},
         30,                                                                                            0,
         {{12, 19, 1}, NONE},
         {10, 11}                                                                                                                        },
    };
#undef NONE
    return cr_make_param_array(struct lost_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct lost_case *c, master_lost, what_is_gone_is_found)
{
    const struct tl_master_complete complete = {.files_offset = c->files_to, .offset = c->files_to},
                                    thinned = {.offset = c->thinned_to};
    struct tl_master_list list;
    size_t lost_count = 0;

    for (int f = 0; f < FILES_MAX && c->files[f][2] > 0; f++)
        file_write(c->files[f][0], c->files[f][1], c->files[f][2]);
    for (int g = 0; g < 2; g++) {
        if (c->gone[g][0] < 0)
            continue;
        file_remove(c->gone[g][0], ".jsonl.zst");
        if (c->gone[g][1] == 1)
            file_remove(c->gone[g][0], ".index");
    }
    cr_assert_eq(tl_master_list_sound(master, TL_SV("events"), &list, &err), TL_OK, "%s", err.message);
    cr_assert_eq(list.damage_count, 0);
    cr_assert_eq(tl_master_find_lost(master, TL_SV("events"), &complete, 1, &thinned, c->thinned_to > 0, &list, &err), TL_OK,
                 "%s: %s", c->name, err.message);
    for (; lost_count < 2 && c->lost[lost_count][0] >= 0; lost_count++) {
        const struct tl_master_damage *damage = &list.damage[lost_count];

        cr_assert_lt(lost_count, list.damage_count, "%s", c->name);
        cr_assert(damage->missing && damage->code == TL_ERR_CORRUPT, "%s", c->name);
        cr_assert_eq(damage->first_offset, c->lost[lost_count][0], "%s: %" PRId64, c->name, damage->first_offset);
        cr_assert_eq(damage->last_offset, c->lost[lost_count][1], "%s: %" PRId64, c->name, damage->last_offset);
        cr_assert_eq(damage->file != NULL, c->lost[lost_count][2] == 1, "%s", c->name);
        cr_assert_not_null(strstr(damage->message, "bring it back from a copy"), "%s: %s", c->name, damage->message);
    }
    cr_assert_eq(list.damage_count, lost_count, "%s: %zu", c->name, list.damage_count);
    cr_assert_eq(list.gaps_count, c->gap[0] >= 0, "%s: %zu", c->name, list.gaps_count);
    if (c->gap[0] >= 0)
        cr_assert(list.gaps[0].first_offset == c->gap[0] && list.gaps[0].last_offset == c->gap[1], "%s", c->name);
}

/* A folder is not read in one instant. */
Test(master_lost, a_file_that_came_meanwhile_is_not_gone)
{
    static const struct tl_master_complete complete = {.files_offset = 10, .offset = 10};
    struct tl_master_file seen[2];
    struct tl_master_list list;

    file_write(0, 0, 9);
    file_write(10, 10, 19);
    file_write(20, 20, 29);
    cr_assert_eq(tl_master_list_sound(master, TL_SV("events"), &list, &err), TL_OK, "%s", err.message);
    cr_assert_eq(list.files_count, 3);
    seen[0] = list.files[0];
    seen[1] = list.files[2];
    list.files = seen;
    list.files_count = 2;
    cr_assert_eq(tl_master_find_lost(master, TL_SV("events"), &complete, 1, NULL, 0, &list, &err), TL_OK, "%s", err.message);
    cr_assert_eq(list.damage_count, 0);
    cr_assert_eq(list.files_count, 3);
}
