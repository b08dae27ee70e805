/* cause_events_test.c: how late events were is counted once each, in the right step, and no more of them are kept than asked for. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "event/timestamp.h"
#include "serving/cause_events.h"

#define AT INT64_C(1772323200000)

static struct tl_cause_sample sample_at(int64_t offset, int64_t time_ms)
{
    return (struct tl_cause_sample){
        .view = 1, .event = {.offset = offset, .time_ms = time_ms}
    };
}

struct late_case {
    char name[40];
    int64_t late_ms;
    int step;
};

ParameterizedTestParameters(cause_events, steps)
{
    static struct late_case cases[] = {
        {"before the watermark", -1,                    0 },
        {"at the watermark",     0,                     0 },
        {"just behind it",       1,                     1 },
        {"below a second",       999,                   1 },
        {"a second",             1000,                  2 },
        {"below 5 s",            4999,                  2 },
        {"5 s",                  5000,                  3 },
        {"15 s",                 15000,                 4 },
        {"a minute",             60000,                 5 },
        {"5 min",                300000,                6 },
        {"15 min",               900000,                7 },
        {"an hour",              TL_HOUR_MS,            8 },
        {"6 h",                  6 * TL_HOUR_MS,        9 },
        {"a day",                TL_DAY_MS,             10},
        {"below 7 d",            7 * TL_DAY_MS - 1,     10},
        {"7 d",                  7 * TL_DAY_MS,         11},
        {"since 1926",           100 * 365 * TL_DAY_MS, 11},
    };

    return cr_make_param_array(struct late_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct late_case *c, cause_events, steps)
{
    struct tl_cause_events events;
    struct tl_cause_sample sample = sample_at(1, AT);

    tl_cause_events_init(&events, 0);
    cr_assert(tl_cause_events_add(&events, 0, TL_CAUSE_LATE_DROP, TL_SV(""), &sample, AT + c->late_ms));
    for (int s = 0; s < TL_LATE_STEPS; s++)
        cr_assert_eq(events.late_count[s], s == c->step, "%s: step %d", c->name, s);
    tl_cause_events_done(&events);
}

Test(cause_events, the_ends_of_time)
{
    struct tl_cause_events events;
    struct tl_cause_sample first = sample_at(1, INT64_MIN), last = sample_at(2, INT64_MAX);

    tl_cause_events_init(&events, 0);
    cr_assert(tl_cause_events_add(&events, 0, TL_CAUSE_LATE_DROP, TL_SV(""), &first, INT64_MAX));
    cr_assert(tl_cause_events_add(&events, 0, TL_CAUSE_LATE_DROP, TL_SV(""), &last, INT64_MIN + 1));
    cr_assert(tl_cause_events_add(&events, 0, TL_CAUSE_LATE_DROP, TL_SV(""), &last, INT64_MIN));
    cr_assert(events.late_count[TL_LATE_STEPS - 1] == 1 && events.late_count[0] == 1 && events.late_unknown_count == 1);
    tl_cause_events_done(&events);
}

/* Late in one view and partly late in another: two causes, one event. */
Test(cause_events, an_event_is_late_once)
{
    struct tl_cause_events events;
    struct tl_cause_sample sample = sample_at(1, AT);

    tl_cause_events_init(&events, 10);
    cr_assert(tl_cause_events_add(&events, 0, TL_CAUSE_DUPLICATE, TL_SV(""), &sample, AT + 2000));
    cr_assert(tl_cause_events_add(&events, 1u << TL_CAUSE_DUPLICATE, TL_CAUSE_LATE_PARTIAL, TL_SV(""), &sample, AT + 2000));
    cr_assert(tl_cause_events_add(&events, 1u << TL_CAUSE_DUPLICATE | 1u << TL_CAUSE_LATE_PARTIAL, TL_CAUSE_LATE_DROP, TL_SV(""),
                                  &sample, AT + 2000));
    cr_assert_eq(events.late_count[2], 1);
    cr_assert(events.groups->cause == TL_CAUSE_LATE_DROP && events.groups->next->cause == TL_CAUSE_LATE_PARTIAL &&
              events.groups->next->next->cause == TL_CAUSE_DUPLICATE);
    tl_cause_events_done(&events);
}

/* Whatever the order that they come in, the first by partition and offset are kept. */
Test(cause_events, so_many_samples_and_no_more)
{
    enum { EVENTS = 1009, STEP = 388 }; /* a prime, and so all of them, each once */
    struct tl_cause_events events;
    size_t bytes;

    tl_cause_events_init(&events, 100);
    for (int64_t e = 0; e < EVENTS; e++) {
        int64_t n = (e * STEP) % EVENTS;
        struct tl_cause_sample sample = sample_at(n / 3, AT);

        sample.event.partition = 1 - (uint32_t)(n % 2);
        sample.event.row = (uint32_t)(n % 3);
        cr_assert(tl_cause_events_add(&events, 0, TL_CAUSE_DQ_REJECT, n % 2 == 0 ? TL_SV("b") : TL_SV("a"), &sample, INT64_MIN));
    }
    tl_cause_events_settle(&events);
    cr_assert(tl_sv_eq(events.groups->check, TL_SV("a")) && tl_sv_eq(events.groups->next->check, TL_SV("b")));
    for (const struct tl_cause_group *g = events.groups; g != NULL; g = g->next) {
        cr_assert(g->events_count >= EVENTS / 2 && g->samples_count == 100);
        for (size_t s = 0; s < g->samples_count; s++) {
            int64_t n = (int64_t)(2 * s + (g == events.groups));

            cr_assert(g->samples[s].event.offset == n / 3 && g->samples[s].event.row == (uint32_t)(n % 3), "%zu", s);
        }
    }
    cr_assert_eq(events.late_unknown_count, 0);
    bytes = events.memory.held_bytes;
    for (int64_t e = 0; e < 100000; e++) {
        struct tl_cause_sample sample = sample_at(e, AT);

        cr_assert(tl_cause_events_add(&events, 0, TL_CAUSE_DQ_REJECT, TL_SV("a"), &sample, INT64_MIN));
    }
    cr_assert_eq(events.memory.held_bytes, bytes);
    tl_cause_events_done(&events);
}
