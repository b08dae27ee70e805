/* id_spill_test.c: verdicts as without a limit, whatever the ids are; the memory that was promised; a disk that takes no more. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch_layer/id_spill.h"
#include "support/chance.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES];

static void folder_open(void)
{
    run_folder_make(dir);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(id_spill, .init = folder_open, .fini = folder_close, .timeout = 120);

static struct tl_err err;

#define OK(call) cr_assert_eq((call), TL_OK, "%s", err.message)

static struct tl_id id_of(uint64_t n, int64_t time_ms)
{
    return tl_id_of((struct tl_sv){(const char *)&n, sizeof n}, time_ms);
}

/* What a history is made of. */
struct kind {
    const char *name;
    uint32_t events, ids, times;
    uint64_t memory_bytes, expected; /* how many ids are said to come */
};

static const struct kind kinds[] = {
    {"hardly two alike",                     60000, 1u << 30, 1,        TL_ID_SPILL_MEMORY_MIN, 60000    },
    {"each ten times",                       60000, 6000,     1,        TL_ID_SPILL_MEMORY_MIN, 60000    },
    {"each id with a few times",             60000, 5000,     6,        TL_ID_SPILL_MEMORY_MIN, 60000    },
    {"nearly all are copies of a few",       60000, 3,        2,        TL_ID_SPILL_MEMORY_MIN, 60000    },
    {"one id, each event with its own time", 40000, 1,        1u << 30, TL_ID_SPILL_MEMORY_MIN, 40000    },
    {"one id, each time a few times",        40000, 1,        9000,     TL_ID_SPILL_MEMORY_MIN, 40000    },
    {"far more than was said",               60000, 1u << 30, 2,        TL_ID_SPILL_MEMORY_MIN, 1        },
    {"far fewer than was said",              5000,  4000,     2,        TL_ID_SPILL_MEMORY_MIN, 100000000},
    {"with room for all",                    60000, 20000,    2,        64u << 20,              60000    },
    {"one",                                  1,     1,        1,        TL_ID_SPILL_MEMORY_MIN, 0        },
    {"none",                                 0,     1,        1,        TL_ID_SPILL_MEMORY_MIN, 0        },
};

static void check_kind(const struct kind *kind, struct chance *chance)
{
    struct tl_id_spill *spill = NULL;
    struct tl_idset *set = NULL;
    struct chance replay;
    uint32_t verdicts[3] = {0};

    OK(tl_id_spill_open(dir, kind->memory_bytes, kind->expected, &spill, &err));
    OK(tl_idset_open(&set, &err));
    replay = *chance;
    for (uint32_t i = 0; i < kind->events; i++) {
        uint64_t n = chance_below(chance, kind->ids);

        OK(tl_id_spill_put(spill, id_of(n, chance_below(chance, kind->times)), &err));
    }
    OK(tl_id_spill_judge(spill, &err));
    for (uint32_t i = 0; i < kind->events; i++) {
        uint64_t n = chance_below(&replay, kind->ids);
        struct tl_id id = id_of(n, chance_below(&replay, kind->times));
        enum tl_seen want, got;

        OK(tl_idset_see(set, id, &want, &err));
        OK(tl_id_spill_next(spill, &got, &err));
        cr_assert_eq(got, want, "%s: event %u: %d where %d is right", kind->name, i, got, want);
        verdicts[got]++;
    }
    OK(tl_id_spill_end(spill, &err));
    printf("%s: %u new, %u duplicates, %u conflicts\n", kind->name, verdicts[0], verdicts[1], verdicts[2]);
    tl_idset_close(set);
    tl_id_spill_close(spill);
}

Test(id_spill, says_what_a_set_says_that_has_room_for_all)
{
    struct chance chance = chance_open("id_spill");

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        check_kind(&kinds[k], &chance);
}

static int names_in_folder(void)
{
    DIR *folder = opendir(dir);
    int count = 0;

    cr_assert_not_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* So kill -9 leaves nothing behind. */
Test(id_spill, its_files_have_no_names)
{
    struct tl_id_spill *spill = NULL;

    OK(tl_id_spill_open(dir, TL_ID_SPILL_MEMORY_MIN, 10000, &spill, &err));
    for (uint64_t n = 0; n < 10000; n++)
        OK(tl_id_spill_put(spill, id_of(n, 0), &err));
    cr_expect_eq(names_in_folder(), 0);
    OK(tl_id_spill_judge(spill, &err));
    cr_expect_eq(names_in_folder(), 0);
    tl_id_spill_close(spill);
}

Test(id_spill, a_second_reading_that_differs_is_found_out)
{
    struct tl_id_spill *spill = NULL;
    enum tl_seen seen;

    OK(tl_id_spill_open(dir, TL_ID_SPILL_MEMORY_MIN, 2, &spill, &err));
    OK(tl_id_spill_put(spill, id_of(1, 0), &err));
    OK(tl_id_spill_put(spill, id_of(2, 0), &err));
    OK(tl_id_spill_judge(spill, &err));
    OK(tl_id_spill_next(spill, &seen, &err));
    cr_expect_eq(tl_id_spill_end(spill, &err), TL_ERR_CORRUPT);
    OK(tl_id_spill_next(spill, &seen, &err));
    OK(tl_id_spill_end(spill, &err));
    cr_expect_eq(tl_id_spill_next(spill, &seen, &err), TL_ERR_CORRUPT);
    cr_expect(strstr(err.message, "nothing is published") != NULL, "%s", err.message);
    tl_id_spill_close(spill);
}

Test(id_spill, a_disk_that_takes_no_more_is_named)
{
    struct rlimit limit = {1 << 14, 1 << 14};
    struct tl_id_spill *spill = NULL;
    enum tl_code rc = TL_OK;

    signal(SIGXFSZ, SIG_IGN);
    OK(tl_id_spill_open(dir, TL_ID_SPILL_MEMORY_MIN, 100000, &spill, &err));
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (uint64_t n = 0; rc == TL_OK && n < 100000; n++)
        rc = tl_id_spill_put(spill, id_of(n, 0), &err);
    cr_expect_eq(rc, TL_ERR_IO);
    cr_expect(strstr(err.message, dir) != NULL && strstr(err.message, "nothing is published") != NULL, "%s", err.message);
    tl_id_spill_close(spill);
}

#if !defined TL_TINY && !defined TL_SANITIZED
/* VmHWM: the most that the process ever had in memory. */
static long peak_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    while (status != NULL && kib == 0 && fgets(line, sizeof line, status) != NULL)
        sscanf(line, "VmHWM: %ld kB", &kib);
    if (status != NULL)
        fclose(status);
    return kib;
}

/* 750,000 ids would take 18 MB; half of the events are duplicates or conflicts. */
static bool memory_holds(uint64_t memory_bytes, uint32_t times)
{
    const long more_kib = 1024;
    struct tl_id_spill *spill = NULL;
    enum tl_seen seen;
    long before, after;

    before = peak_kib();
    if (tl_id_spill_open(dir, memory_bytes, 1500000, &spill, &err) != TL_OK)
        return false;
    for (uint64_t n = 0; n < 1500000; n++)
        if (tl_id_spill_put(spill, id_of(n / 2, (int64_t)(n % times)), &err) != TL_OK)
            return false;
    if (tl_id_spill_judge(spill, &err) != TL_OK)
        return false;
    for (uint64_t n = 0; n < 1500000; n++)
        if (tl_id_spill_next(spill, &seen, &err) != TL_OK || seen != (n % 2 == 0   ? TL_SEEN_NEW
                                                                      : times == 1 ? TL_SEEN_DUPLICATE
                                                                                   : TL_SEEN_CONFLICT))
            return false;
    after = peak_kib();
    tl_id_spill_close(spill);
    return after - before <= (long)(memory_bytes / 1024) + more_kib;
}

Test(id_spill, memory_is_what_was_promised)
{
    const uint64_t memory_bytes[] = {1 << 20, 4 << 20};

    for (size_t i = 0; i < sizeof memory_bytes / sizeof *memory_bytes; i++)
        for (uint32_t times = 1; times <= 2; times++) {
            pid_t child = fork();
            int status = 0;

            cr_assert_geq(child, 0);
            if (child == 0)
                _exit(memory_holds(memory_bytes[i], times) ? 0 : 1);
            cr_assert_eq(waitpid(child, &status, 0), child);
            cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "with %llu bytes, %u times",
                      (unsigned long long)memory_bytes[i], times);
        }
}
#endif
