/* chain_test.c: which ranges stay back with one that a check keeps back. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "batch_layer/chain.h"

/* One letter a span: f failed, p published before, r replaced, x refused, else '.'; what joins it to the next: '>' next needs it, '<' needs next,
 * '=' both, '|' they do not touch, '{' nor do they, and it needs the next; ' ' nothing. */
struct chain_case {
    char name[48], spans[24], want[12]; /* want: '.' goes out, K by its check, C by its chain, p, r, X as they were */
};

ParameterizedTestParameters(chain, settle)
{
    static struct chain_case cases[] = {
        {"none fails",                             ". . .",     "..."  },
        {"one alone",                              ". f .",     ".K."  },
        {"forward as far as carries changed",      "f>.>. .",   "KCC." },
        {"backward too",                           ". .<.<f .", ".CCK."},
        {"both ways, back and forth",              ".<f>.",     "CKC"  },
        {"what the next drags along",              ".=.>f",     "..K"  },
        {"backward through what joins both",       ".=.=f>.",   "CCKC" },
        {"a gap parts chains",                     "f|.",       "K."   },
        {"two failures",                           "f .<f",     "KCK"  },
        {"what is out stays out",                  "p=f>.",     "pKC"  },
        {"what was replaced goes out with nobody", "r>. .<r .", "rCCr."},
        {"nobody behind that it needs",            ". .{.",     ".C."  },
        {"what is refused keeps its chain",        ".<x>. .",   "CXC." },
    };

    return cr_make_param_array(struct chain_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct chain_case *c, chain, settle)
{
    struct tl_chain_span spans[12] = {0};
    struct tl_chain chain = {.spans = spans};
    int64_t at_ms = 0;
    char got[12] = "";

    for (const char *s = c->spans; *s != '\0'; s += s[1] != '\0' ? 2 : 1) {
        char join = s[1];

        spans[chain.count++] = (struct tl_chain_span){.from_ms = at_ms,
                                                      .to_ms = at_ms + (join == '|' || join == '{' ? 5 : 10),
                                                      .failed = *s == 'f',
                                                      .published = *s == 'p',
                                                      .kept = *s == 'r'   ? TL_KEPT_REPLACED
                                                              : *s == 'x' ? TL_KEPT_REFUSED
                                                                          : TL_KEPT_NOT,
                                                      .next_needs_it = join == '>' || join == '=',
                                                      .needs_next = join == '<' || join == '=' || join == '{'};
        at_ms += 10;
    }
    tl_chain_settle(&chain);
    for (uint32_t s = 0; s < chain.count; s++)
        got[s] = spans[s].published ? 'p' : ".KCrX"[spans[s].kept];
    cr_assert_str_eq(got, c->want, "%s: %s gives %s, not %s", c->name, c->spans, got, c->want);
}

Test(chain, find)
{
    struct tl_chain_span spans[] = {{.from_ms = INT64_MIN}, {.from_ms = 10}};
    struct tl_chain chain = {spans, 2, 2};

    cr_assert_eq(tl_chain_find(&chain, 10), &spans[1]);
    cr_assert_eq(tl_chain_find(&chain, INT64_MIN), &spans[0]);
    cr_assert_null(tl_chain_find(&chain, 11));
}
