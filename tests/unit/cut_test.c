/* cut_test.c: cuts per key serve each event once, whatever the two layers made of it: the simulation of semantics.md 10.3. */
#include "store/cut.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "support/chance.h"
#include "support/session_history.h"

/* ---- the walk ---- */

struct spans {
    struct tl_cut_span list[4];
    size_t count, at;
    bool fails;
};

static enum tl_code next_of_list(void *ctx, struct tl_cut_span *out, bool *there, struct tl_err *err)
{
    struct spans *spans = ctx;

    *there = spans->at < spans->count;
    if (!*there && spans->fails)
        return tl_fail(err, TL_ERR_IO, "no more");
    if (*there)
        *out = spans->list[spans->at++];
    return TL_OK;
}

struct walk_case {
    char name[64];
    struct spans speed, batch;
    int64_t from_ms, cut_ms;
};

ParameterizedTestParameters(cut, walk)
{
    static struct walk_case cases[] = {
        {"nothing there",                                 {.count = 0},                                 {.count = 0},            12,        12       },
        {"nothing is published",                          {{{0, 10}}, 1},                               {.count = 0},            INT64_MIN, INT64_MIN},
        {"inside",                                        {{{0, 20}}, 1},                               {.count = 0},            12,        0        },
        {"at its end it crosses nothing",                 {{{0, 12}}, 1},                               {.count = 0},            12,        12       },
        {"at its start neither",                          {{{12, 20}}, 1},                              {.count = 0},            12,        12       },
        {"the drawing",                                   {{{5, 15}, {0, 10}}, 2},                      {{{0, 15}}, 1},          12,        0        },
        {"from speed to batch to speed",                  {{{10, 20}, {2, 7}}, 2},                      {{{6, 11}}, 1},          12,        2        },
        {"where the layers agree it stays",               {{{20, 30}, {10, 15}, {0, 5}}, 3},            {{{10, 15}, {0, 5}}, 2}, 25,        20       },
        {"not below the first that ends where it stands", {{{10, 20}, {0, 10}}, 2},                     {{{0, 10}}, 1},          12,        10       },
        {"behind the boundary no matter",                 {{{40, 50}, {30, 35}, {10, 20}, {0, 11}}, 4}, {.count = 0},            12,        0        },
        {"two with one end",                              {{{5, 15}, {3, 15}}, 2},                      {{{4, 15}}, 1},          12,        3        },
        {"before 1970",                                   {{{-20, -5}}, 1},                             {{{-25, -19}}, 1},       -10,       -25      },
    };
    return cr_make_param_array(struct walk_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct walk_case *c, cut, walk)
{
    struct tl_cut_layer layers[2] = {
        {next_of_list, &c->speed},
        {next_of_list, &c->batch}
    };
    int64_t cut_ms = c->from_ms;
    struct tl_err err;

    cr_assert_eq(tl_cut_walk(layers, &cut_ms, &err), TL_OK);
    cr_assert_eq(cut_ms, c->cut_ms, "%s: %lld, not %lld", c->name, (long long)cut_ms, (long long)c->cut_ms);
    /* The other way round it is the same. */
    c->speed.at = c->batch.at = 0;
    layers[0].ctx = &c->batch;
    layers[1].ctx = &c->speed;
    cut_ms = c->from_ms;
    cr_assert_eq(tl_cut_walk(layers, &cut_ms, &err), TL_OK);
    cr_assert_eq(cut_ms, c->cut_ms, "%s: %lld, not %lld", c->name, (long long)cut_ms, (long long)c->cut_ms);
}

Test(cut, a_failure_leaves_the_cut_where_it_was)
{
    struct spans speed = {{{0, 20}}, .count = 1, .fails = true}, batch = {.count = 0};
    const struct tl_cut_layer layers[2] = {
        {next_of_list, &speed},
        {next_of_list, &batch}
    };
    int64_t cut_ms = 12;
    struct tl_err err;

    cr_assert_eq(tl_cut_walk(layers, &cut_ms, &err), TL_ERR_IO);
    cr_assert_eq(cut_ms, 12);
}

/* ---- the simulation ---- */

struct source {
    const struct history_rows *rows;
    size_t at;
};

static enum tl_code next_of_rows(void *ctx, struct tl_cut_span *out, bool *there, struct tl_err *err)
{
    struct source *source = ctx;

    (void)err;
    *there = source->at < source->rows->count;
    if (*there) {
        *out = (struct tl_cut_span){source->rows->list[source->at].start_ms, source->rows->list[source->at].end_ms};
        source->at++;
    }
    return TL_OK;
}

static int64_t walk_from(const struct history *h, int64_t cut_ms)
{
    struct source speed = {&h->speed, 0}, batch = {&h->batch, 0};

    cr_assert_eq(tl_cut_walk(
                     (struct tl_cut_layer[]){
                         {next_of_rows, &speed},
                         {next_of_rows, &batch}
    },
                     &cut_ms, NULL),
                 TL_OK);
    return cut_ms;
}

/* Rules that are nearly right, beside the right one. */
enum rule {
    RULE_CUT,
    RULE_BY_END_ALONE, /* batch with end <= B, speed with end > B */
    RULE_WITHOUT_CARRIED,
    RULE_WITHOUT_TICKS, /* cut at the publication only */
    RULE_ONE_STEP,      /* to the start of what crosses B, and no further */
};

struct rule_case {
    char name[40];
    enum rule rule;
    uint32_t reject_percent;
    bool right;
};

static int64_t begin_of(const struct history *h, enum rule rule)
{
    int64_t cut_ms = h->boundary_ms;

    for (size_t i = 0; rule != RULE_WITHOUT_CARRIED && i < h->carried.count; i++)
        cut_ms = h->carried.list[i].start_ms < cut_ms ? h->carried.list[i].start_ms : cut_ms;
    for (size_t i = 0; rule == RULE_ONE_STEP && i < h->speed.count; i++)
        if (h->speed.list[i].end_ms > h->boundary_ms && h->speed.list[i].start_ms < cut_ms)
            cut_ms = h->speed.list[i].start_ms;
    return cut_ms;
}

static struct history_balance serve(const struct history *h, enum rule rule, int64_t cut_ms)
{
    struct history_row served[4 * HISTORY_EVENTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < h->batch.count; i++)
        if (h->batch.list[i].end_ms <= (rule == RULE_BY_END_ALONE ? h->boundary_ms : cut_ms))
            served[count++] = h->batch.list[i];
    for (size_t i = 0; i < h->speed.count; i++)
        if (rule == RULE_BY_END_ALONE ? h->speed.list[i].end_ms > h->boundary_ms : h->speed.list[i].start_ms >= cut_ms)
            served[count++] = h->speed.list[i];
    return history_weigh(h, served, count);
}

static bool is_crossed(const struct history_rows *rows, int64_t cut_ms)
{
    for (size_t i = 0; i < rows->count; i++)
        if (tl_cut_crosses(rows->list[i].start_ms, rows->list[i].end_ms, cut_ms))
            return true;
    return false;
}

/* The definition, looked for step by step: the largest instant up to B that nothing crosses. */
static int64_t largest_uncrossed(const struct history *h)
{
    int64_t cut_ms = h->boundary_ms;

    for (;; cut_ms--) {
        bool carried = false;

        for (size_t i = 0; i < h->carried.count; i++)
            carried = carried || h->carried.list[i].start_ms < cut_ms;
        if (!carried && !is_crossed(&h->speed, cut_ms) && !is_crossed(&h->batch, cut_ms))
            return cut_ms;
    }
}

ParameterizedTestParameters(cut, serves_each_event_once)
{
    static struct rule_case cases[] = {
        {"the rule",                        RULE_CUT,             0,  true },
        {"the rule, a tenth rejected",      RULE_CUT,             10, true },
        {"by the end alone",                RULE_BY_END_ALONE,    0,  false},
        {"without what is carried",         RULE_WITHOUT_CARRIED, 0,  false},
        {"not lowered by ticks",            RULE_WITHOUT_TICKS,   0,  false},
        {"one step only, a tenth rejected", RULE_ONE_STEP,        10, false},
    };
    return cr_make_param_array(struct rule_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct rule_case *c, cut, serves_each_event_once)
{
    enum { HISTORIES = 20000 };
    struct chance chance = chance_open(c->name);
    int lost = 0, doubled = 0, lowered = 0, publications = 0;

    for (int i = 0; i < HISTORIES; i++) {
        struct history h;
        int64_t cut_ms = INT64_MIN;

        history_open(&h, &chance, c->reject_percent);
        for (bool more = true; more;) {
            struct history_balance balance;

            if (chance_below(&chance, 4) == 0) {
                history_publish(&h, history_next_boundary(&h, &chance));
                cut_ms = begin_of(&h, c->rule);
                if (c->rule != RULE_ONE_STEP)
                    cut_ms = walk_from(&h, cut_ms);
                if (c->rule == RULE_CUT)
                    cr_assert_eq(cut_ms, largest_uncrossed(&h), "TALLY_SEED=%llu", (unsigned long long)chance.seed);
                publications++;
                lowered += cut_ms < h.boundary_ms;
            } else {
                more = history_arrive(&h);
                if (c->rule != RULE_WITHOUT_TICKS && is_crossed(&h.changed_put, cut_ms))
                    cut_ms = walk_from(&h, cut_ms);
            }
            balance = serve(&h, c->rule, cut_ms);
            lost += balance.lost;
            doubled += balance.doubled;
        }
    }
    fprintf(stderr, "%s: %d publications, %d cut below, %d lost, %d doubled\n", c->name, publications, lowered, lost, doubled);
    cr_assert_gt(lowered, HISTORIES / 10);
    if (c->right)
        cr_assert(lost == 0 && doubled == 0, "%s: %d lost, %d doubled; TALLY_SEED=%llu", c->name, lost, doubled,
                  (unsigned long long)chance.seed);
    else
        cr_assert(lost > 0, "%s: a rule that is not right loses nothing, so this test says nothing", c->name);
}
