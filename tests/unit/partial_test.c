/* partial_test.c: what a partial weighs: by that a worker knows when it must wait for the committer. */
#include <criterion/criterion.h>

#include "core/function.h"
#include "core/partial.h"

static const char views[] = "CREATE TABLE events (host STRING, at TIMESTAMP_LTZ(3), WATERMARK FOR at AS at)\n"
                            "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json');\n"
                            "CREATE VIEW hosts AS SELECT host FROM events;\n";

Test(partial, its_load_follows_what_is_in_it_and_is_nothing_after_a_reset)
{
    static char raw[100000];
    struct tl_dead dead = {
        .raw = {raw, sizeof raw}
    };
    struct tl_ledger_line line = {.offset = 7};
    struct tl_partial *partial = NULL;
    struct tl_partial_partition *partition;
    struct tl_plan *plan = NULL;
    struct tl_err err;
    size_t empty, before;

    cr_assert_eq(tl_plan_parse(tl_sv_from(views), "views.sql", tl_function_catalog(), &plan, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_partial_open(plan, NULL, &partial, &err), TL_OK, "%s", err.message);
    empty = tl_partial_load(partial);
    cr_assert_eq(empty, 0);
    partition = tl_partial_partition(partial, 0, 0);
    for (int i = 0; i < 10; i++) {
        dead.offset = i; /* a message is kept once, whatever it has of bad rows */
        cr_assert(tl_partial_add_dead(partial, partition, &dead, 1));
    }
    cr_expect(tl_partial_load(partial) >= 10 * TL_DEAD_BYTES_MAX, "%zu", tl_partial_load(partial));
    before = tl_partial_load(partial);
    for (int i = 0; i < 1000; i++)
        cr_assert(tl_ledger_add(&partial->views[0].ledger, &line) && tl_ledger_add(&partial->sources[0].ledger, &line));
    cr_expect_eq(tl_partial_load(partial), before + 2000 * sizeof line);
    tl_partial_reset(partial);
    cr_expect_eq(tl_partial_load(partial), 0);
    tl_partial_close(partial);
    tl_plan_close(plan);
}
