/* edge_test.c: what is known of sessions that are open where reading begins. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "serving/edge.h"

/* Read from 1000 on, gap 10, the range begins at 1100. Times of events, 0 at the end. */
struct edge_case {
    char name[60];
    int64_t events[6], later[3]; /* later: behind the beginning */
    int64_t start, end;          /* of a row of the key */
    bool hidden;
};

ParameterizedTestParameters(edge, hides)
{
    static struct edge_case cases[] = {
        {"a chain from the first millisecond",        {1000, 1009, 1018, 1092, 1096}, {0}, 1092, 1106, false},
        {"that goes on across the beginning",         {1090, 1096},                   {0}, 1090, 1106, false},
        {"nothing before W can reach it",             {1010, 1095},                   {0}, 1095, 1105, false},
        {"exactly a gap behind the last that may be", {1009, 1019, 1029, 1039, 1095}, {0}, 1095, 1105, false},
    };

    return cr_make_param_array(struct edge_case, cases, sizeof cases / sizeof *cases);
}

static bool hides(const int64_t *events, size_t count, const int64_t *later, size_t later_count, int64_t start, int64_t end,
                  uint32_t *unknown)
{
    struct tl_edge edge;
    bool hidden;

    tl_edge_init(&edge, 1000, 10);
    for (size_t i = 0; i < count && events[i] != 0; i++)
        cr_assert(tl_edge_note(&edge, TL_SV("k"), events[i], events[i] + 10));
    tl_edge_close(&edge, 1100);
    for (size_t i = 0; i < later_count && later[i] != 0; i++)
        cr_assert(tl_edge_note(&edge, TL_SV("k"), later[i], later[i] + 10));
    hidden = tl_edge_hides(&edge, TL_SV("k"), start, end);
    cr_assert(!tl_edge_hides(&edge, TL_SV("other"), start, end));
    *unknown = edge.unknown_count;
    tl_edge_done(&edge);
    return hidden;
}

ParameterizedTest(struct edge_case *c, edge, hides)
{
    uint32_t unknown;

    cr_expect_eq(hides(c->events, 6, c->later, 3, c->start, c->end, &unknown), c->hidden, "%s", c->name);
    cr_expect_eq(unknown, 0, "%s", c->name);
}

Test(edge, a_chain_from_within_the_gap_is_followed_until_it_ends)
{
    int64_t events[11], later[] = {1108, 1118, 1140}, exact[11];
    uint32_t unknown;

    for (int i = 0; i < 11; i++)
        events[i] = 1009 + 9 * i; /* 1009 may be joined by one at 999 */
    cr_expect(hides(events, 11, later, 3, 1008, 1128, &unknown));
    cr_expect_eq(unknown, 1);
    cr_expect(!hides(events, 11, later, 3, 1140, 1150, &unknown), "a gap behind its last event another session begins");
    for (int i = 0; i < 11; i++)
        exact[i] = 1010 + 9 * i; /* and one at 1010 by none */
    cr_expect(!hides(exact, 11, later, 3, 1010, 1128, &unknown));
    cr_expect_eq(unknown, 0);
}
