/* recent_test.c: the cache of one thread finds what was put, or nothing. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/recent.h"

Test(recent, finds_what_was_put)
{
    struct tl_recent *recent = tl_recent_open();
    struct tl_sv value;

    cr_assert(!tl_recent_find(recent, TL_SV("a"), &value));
    tl_recent_put(recent, TL_SV("a"), TL_SV("A"));
    tl_recent_put(recent, TL_SV(""), (struct tl_sv){NULL, 0});
    cr_assert(tl_recent_find(recent, TL_SV("a"), &value) && tl_sv_eq(value, TL_SV("A")));
    cr_assert(tl_recent_find(recent, TL_SV(""), &value) && value.data == NULL);
    cr_assert(!tl_recent_find(recent, TL_SV("A"), &value));
    tl_recent_close(recent);
}

/* Far more than it holds: whatever is found is right, and what was put last is there. */
Test(recent, forgets_and_never_confuses)
{
    struct tl_recent *recent = tl_recent_open();
    unsigned found = 0;

    for (unsigned i = 0; i < 20000; i++) {
        char key[16], other[16], want[24];
        struct tl_sv value;

        snprintf(key, sizeof key, "%u", i);
        snprintf(want, sizeof want, "value of %u", i);
        tl_recent_put(recent, tl_sv_from(key), tl_sv_from(want));
        cr_assert(tl_recent_find(recent, tl_sv_from(key), &value) && tl_sv_eq(value, tl_sv_from(want)));
        snprintf(other, sizeof other, "%u", i / 2);
        snprintf(want, sizeof want, "value of %u", i / 2);
        if (tl_recent_find(recent, tl_sv_from(other), &value)) {
            cr_assert(tl_sv_eq(value, tl_sv_from(want)));
            found++;
        }
    }
    cr_assert_gt(found, 0);
    tl_recent_close(recent);
}

Test(recent, long_ones_are_not_kept)
{
    static char long_text[100000];
    struct tl_recent *recent = tl_recent_open();
    struct tl_sv key = {long_text, sizeof long_text}, value;

    memset(long_text, 'x', sizeof long_text);
    tl_recent_put(recent, key, TL_SV("v"));
    cr_assert(!tl_recent_find(recent, key, &value));
    tl_recent_close(recent);
}
