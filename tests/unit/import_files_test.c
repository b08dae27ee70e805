/* import_files_test.c: the older rotation comes first, whatever it is called. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "speed_layer/import_files.h"

static int by_name(const void *a, const void *b)
{
    const char *const *one = a, *const *two = b;

    return tl_import_name_order(*one, *two);
}

static void comes_as(const char *const *want, size_t count)
{
    const char *names[40];

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < count; i++) /* the right order, the reverse, and turned */
            names[i] = want[round == 0 ? i : round == 1 ? count - 1 - i : (i + count / 2) % count];
        qsort(names, count, sizeof *names, by_name);
        for (size_t i = 0; i < count; i++)
            cr_assert_str_eq(names[i], want[i]);
    }
}

Test(import_files_order, numbers_as_logrotate_counts)
{
    static const char *const want[] = {"access.log.100.gz", "access.log.20.gz", "access.log.10.gz", "access.log.3.gz",
                                       "access.log.2.gz",   "access.log.1",     "access.log.1.gz",  "access.log"};

    comes_as(want, TL_COUNT(want));
}

Test(import_files_order, dates_as_logrotate_writes_them)
{
    static const char *const days[] = {"access.log-20251231.gz", "access.log-20260101", "access.log-2026-01-02",
                                       "access.log-20260103.zst", "access.log"};
    static const char *const hours[] = {"access.log-2026010106", "access.log-2026010107", "access.log-2026010200", "access.log"};
    static const char *const seconds[] = {"access.log-20260101-1767225600", "access.log-20260101-1767229200",
                                          "access.log-20260102-1767312000"};

    comes_as(days, TL_COUNT(days));
    comes_as(hours, TL_COUNT(hours));
    comes_as(seconds, TL_COUNT(seconds));
}

Test(import_files_order, before_an_extension_and_with_seconds)
{
    static const char *const want[] = {"access-20260301.log.gz", "access-20260302.log", "access.5.log", "access.4.log.gz",
                                       "access.log"};
    static const char *const seconds[] = {"access_log.1772323200", "access_log.1772409600", "access_log"};

    comes_as(want, TL_COUNT(want));
    comes_as(seconds, TL_COUNT(seconds));
}

/* Several logs: about in the order of time, not one after another. */
Test(import_files_order, logs_side_by_side)
{
    static const char *const want[] = {"a.log.2.gz", "b.log.2.gz", "a.log.1", "b.log.1", "a.log", "b.log", "ex260301.log"};

    comes_as(want, TL_COUNT(want));
}

Test(import_files_order, whatever_it_is_called_it_has_a_place)
{
    static const char *const names[] = {"",
                                        ".",
                                        "-",
                                        "1",
                                        "-1",
                                        ".1",
                                        "a.",
                                        "a.-",
                                        "a.1",
                                        "a-1",
                                        "a--1",
                                        "a.1-",
                                        "1.log",
                                        ".log",
                                        ".gz",
                                        "a.gz.gz",
                                        "99999999999999999999.1",
                                        "a.99999999999999999999999"};

    for (size_t i = 0; i < TL_COUNT(names); i++)
        for (size_t j = 0; j < TL_COUNT(names); j++) {
            int order = tl_import_name_order(names[i], names[j]), back = tl_import_name_order(names[j], names[i]);

            cr_assert_eq((order > 0) - (order < 0), (back < 0) - (back > 0), "%s and %s", names[i], names[j]);
            cr_assert_eq(order == 0, i == j, "%s and %s", names[i], names[j]);
            for (size_t k = 0; k < TL_COUNT(names); k++)
                cr_assert(!(order < 0 && tl_import_name_order(names[j], names[k]) < 0) ||
                          tl_import_name_order(names[i], names[k]) < 0);
        }
}
