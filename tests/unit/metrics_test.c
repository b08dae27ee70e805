/* metrics_test.c: the text that Prometheus reads, byte for byte; what belongs together is read together. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/metrics.h"
#include "base/process_metrics.h"
#include "support/http_get.h"

static struct tl_metrics *metrics;

static void metrics_open(void)
{
    cr_assert_eq(tl_metrics_open(&metrics, NULL), TL_OK);
}

static void metrics_close(void)
{
    tl_metrics_close(metrics);
}

TestSuite(metrics, .init = metrics_open, .fini = metrics_close);

/* The caller frees. */
static char *text_at(int64_t now_ms)
{
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_metrics_text(metrics, now_ms, &out);
    tl_buf_put_u8(&out, 0);
    cr_assert_not(out.failed);
    return out.data;
}

static void expect_text(const char *want)
{
    char *got = text_at(10500);

    cr_expect_str_eq(got, want);
    free(got);
}

static struct tl_metric *series_of(const struct tl_metric_family *family, const struct tl_metric_label *labels, size_t count)
{
    struct tl_metric *series;

    cr_assert_eq(tl_metrics_series(metrics, family, labels, count, &series, NULL), TL_OK);
    return series;
}

static const struct tl_metric_family events = {.name = "tally_events_total", .type = TL_COUNTER, .help = "Events."};
static const struct tl_metric_family lag = {.name = "tally_lag_seconds", .type = TL_GAUGE, .help = "How far behind."};

Test(metrics, families_have_a_head_and_series_their_labels)
{
    const struct tl_metric_label late[] = {
        {"view",    TL_SV("hits")},
        {"outcome", TL_SV("late")}
    };
    struct tl_metric *one = series_of(&events, late, 2), *other = series_of(&lag, NULL, 0), *counted;
    struct tl_metric_label label[] = {
        {"view",    TL_SV("hits")   },
        {"outcome", TL_SV("counted")}
    };

    counted = series_of(&events, label, 2);
    tl_metrics_begin(metrics);
    tl_metric_add(one, 2);
    tl_metric_add(one, 3);
    tl_metric_set(other, -1.5);
    tl_metric_set(counted, 9007199254740991.0);
    tl_metrics_end(metrics);
    expect_text("# HELP tally_events_total Events.\n"
                "# TYPE tally_events_total counter\n"
                "tally_events_total{view=\"hits\",outcome=\"late\"} 5\n"
                "tally_events_total{view=\"hits\",outcome=\"counted\"} 9007199254740991\n"
                "# HELP tally_lag_seconds How far behind.\n"
                "# TYPE tally_lag_seconds gauge\n"
                "tally_lag_seconds -1.5\n");
}

Test(metrics, what_has_no_value_is_not_shown)
{
    struct tl_metric *one = series_of(&events, NULL, 0), *other = series_of(&lag, NULL, 0);

    expect_text("");
    tl_metrics_begin(metrics);
    tl_metric_add(one, 0);
    tl_metric_set(other, 1);
    tl_metric_forget(other);
    tl_metrics_end(metrics);
    expect_text("# HELP tally_events_total Events.\n# TYPE tally_events_total counter\ntally_events_total 0\n");
}

Test(metrics, the_same_labels_are_the_same_series)
{
    const struct tl_metric_label a = {"view", TL_SV("a")}, b = {"view", TL_SV("b")};

    cr_expect_eq(series_of(&events, &a, 1), series_of(&events, &a, 1));
    cr_expect_neq(series_of(&events, &a, 1), series_of(&events, &b, 1));
    cr_expect_neq(series_of(&events, &a, 1), series_of(&lag, &a, 1));
}

Test(metrics, labels_and_help_are_escaped)
{
    static const struct tl_metric_family odd = {.name = "odd", .type = TL_GAUGE, .help = "Back\\slash, \"quote\",\nline."};
    const struct tl_metric_label label = {"view", TL_SV("a\"b\\c\nd\xff\xc3\xa4\xe2\x82")};
    struct tl_metric *series = series_of(&odd, &label, 1);

    tl_metrics_begin(metrics);
    tl_metric_set(series, 1);
    tl_metrics_end(metrics);
    expect_text("# HELP odd Back\\\\slash, \"quote\",\\nline.\n"
                "# TYPE odd gauge\n"
                "odd{view=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\"} 1\n");
}

struct number_case {
    double value;
    char text[40];
};

ParameterizedTestParameters(metrics, numbers)
{
    static struct number_case cases[] = {
        {0,                  "0"                 },
        {-0.0,               "0"                 },
        {1e15,               "1000000000000000"  },
        {9007199254740992.0, "9007199254740992"  },
        {0.1,                "0.1"               },
        {1.0 / 3,            "0.3333333333333333"},
        {1e-7,               "1e-07"             },
        {123456789.125,      "123456789.125"     },
        {1e300,              "1e+300"            },
        {INFINITY,           "+Inf"              },
        {-INFINITY,          "-Inf"              },
        {NAN,                "NaN"               },
    };

    return cr_make_param_array(struct number_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct number_case *c, metrics, numbers)
{
    struct tl_metric *series = series_of(&lag, NULL, 0);
    char want[200];

    tl_metrics_begin(metrics);
    tl_metric_set(series, c->value);
    tl_metrics_end(metrics);
    snprintf(want, sizeof want,
             "# HELP tally_lag_seconds How far behind.\n# TYPE tally_lag_seconds gauge\ntally_lag_seconds %s\n", c->text);
    expect_text(want);
}

Test(metrics, an_instant_is_shown_as_the_time_since)
{
    struct tl_metric *series = series_of(&lag, NULL, 0);
    char *later;

    tl_metrics_begin(metrics);
    tl_metric_set_since(series, 10000);
    tl_metrics_end(metrics);
    expect_text("# HELP tally_lag_seconds How far behind.\n# TYPE tally_lag_seconds gauge\ntally_lag_seconds 0.5\n");
    later = text_at(70000);
    cr_expect_eq(http_sample(later, "tally_lag_seconds"), 60.0, "it grows while nobody publishes: %s", later);
    free(later);
    tl_metrics_begin(metrics);
    tl_metric_set(series, 3);
    tl_metrics_end(metrics);
    later = text_at(70000);
    cr_expect_eq(http_sample(later, "tally_lag_seconds"), 3.0);
    free(later);
}

Test(metrics, a_bucket_holds_all_that_is_not_above_its_bound)
{
    static const double bounds[] = {0.1, 1, 2.5};
    static const struct tl_metric_family took = {
        .name = "took_seconds", .type = TL_HISTOGRAM, .help = "H.", .bounds = bounds, .bounds_count = TL_COUNT(bounds)};
    const struct tl_metric_label label = {"part", TL_SV("x")};
    struct tl_metric *series = series_of(&took, &label, 1);

    tl_metrics_begin(metrics);
    tl_metric_observe(series, 0.05);
    tl_metric_observe(series, 0.1); /* on the bound is below it */
    tl_metric_observe(series, 0.5);
    tl_metric_observe(series, 2.5);
    tl_metric_observe(series, 100);
    tl_metrics_end(metrics);
    expect_text("# HELP took_seconds H.\n"
                "# TYPE took_seconds histogram\n"
                "took_seconds_bucket{part=\"x\",le=\"0.1\"} 2\n"
                "took_seconds_bucket{part=\"x\",le=\"1\"} 3\n"
                "took_seconds_bucket{part=\"x\",le=\"2.5\"} 4\n"
                "took_seconds_bucket{part=\"x\",le=\"+Inf\"} 5\n"
                "took_seconds_sum{part=\"x\"} 103.15\n"
                "took_seconds_count{part=\"x\"} 5\n");
}

/* ---- together or not at all ---- */

enum { PARTS = 8, READERS = 3, READINGS = 3000 };

static struct tl_metric *parts[PARTS], *all;
static atomic_int readers_left;

/* What a committer does: it moves several counters, whose sum is another one's. */
static void *publish(void *arg)
{
    uint64_t done = 0;

    (void)arg;
    for (int round = 0; atomic_load(&readers_left) > 0; round++) {
        tl_metrics_begin(metrics);
        for (int p = 0; p < PARTS; p++) {
            tl_metric_add(parts[p], (double)(round % (p + 2)));
            done += (uint64_t)(round % (p + 2));
        }
        tl_metric_set(all, (double)done);
        tl_metrics_end(metrics);
    }
    return NULL;
}

static void *read_often(void *arg)
{
    size_t *torn = arg;

    for (int reading = 0; reading < READINGS; reading++) {
        char *text = text_at(0);

        if (http_sample_sum(text, "parts_total{") != http_sample(text, "all_total"))
            (*torn)++;
        free(text);
    }
    atomic_fetch_sub(&readers_left, 1);
    return NULL;
}

Test(metrics, a_reader_never_sees_half_a_publication, .timeout = 60)
{
    static const struct tl_metric_family parts_total = {.name = "parts_total", .type = TL_COUNTER, .help = "P."};
    static const struct tl_metric_family all_total = {.name = "all_total", .type = TL_COUNTER, .help = "A."};
    static const char *const names[PARTS] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    pthread_t publisher, readers[READERS];
    size_t torn[READERS] = {0};

    for (int p = 0; p < PARTS; p++) {
        const struct tl_metric_label label = {"part", tl_sv_from(names[p])};

        parts[p] = series_of(&parts_total, &label, 1);
    }
    all = series_of(&all_total, NULL, 0);
    tl_metrics_begin(metrics);
    tl_metric_set(all, 0);
    tl_metrics_end(metrics);
    atomic_store(&readers_left, READERS);
    cr_assert_eq(pthread_create(&publisher, NULL, publish, NULL), 0);
    for (int r = 0; r < READERS; r++)
        cr_assert_eq(pthread_create(&readers[r], NULL, read_often, &torn[r]), 0);
    pthread_join(publisher, NULL);
    for (int r = 0; r < READERS; r++) {
        pthread_join(readers[r], NULL);
        cr_expect_eq(torn[r], 0, "reader %d saw %zu halves", r, torn[r]);
    }
}

Test(metrics, a_process_says_what_it_uses)
{
    struct tl_process_metrics process;
    char *text;

    cr_assert_eq(tl_process_metrics_add(&process, metrics, NULL), TL_OK);
    text = text_at(0);
    cr_expect(http_sample(text, "process_resident_memory_bytes") > 500000, "%s", text);
    cr_expect(http_sample(text, "process_virtual_memory_bytes") >= http_sample(text, "process_resident_memory_bytes"), "%s",
              text);
    cr_expect(http_sample(text, "process_open_fds") >= 1 && http_sample(text, "process_open_fds") < 10000, "%s", text);
    cr_expect(http_sample(text, "process_max_fds") >= http_sample(text, "process_open_fds"), "%s", text);
    cr_expect(http_sample(text, "process_cpu_seconds_total") >= 0, "%s", text);
    cr_expect(fabs((double)time(NULL) - http_sample(text, "process_start_time_seconds")) < 600, "%s", text);
    free(text);
}
