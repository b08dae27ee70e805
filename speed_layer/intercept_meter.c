/* intercept_meter.c: the interceptor's figures. See intercept_meter.h. */
#include "speed_layer/intercept_meter.h"

#include <stdlib.h>

static const struct tl_metric_family requests_total = {
    .name = "tally_intercept_requests_total",
    .type = TL_COUNTER,
    .help = "Requests that were understood: each is answered once, by the site or by a page of tally's own."};
static const struct tl_metric_family refused_total = {
    .name = "tally_intercept_refused_total",
    .type = TL_COUNTER,
    .help = "Requests that were not passed on: not HTTP, too large, for no site here."};
static const struct tl_metric_family failed_total = {
    .name = "tally_intercept_failed_total", .type = TL_COUNTER, .help = "Requests that the site did not answer, or not whole."};
static const struct tl_metric_family retried_total = {
    .name = "tally_intercept_retried_total", .type = TL_COUNTER, .help = "Requests that went over a second connection."};
static const struct tl_metric_family not_logged_total = {.name = "tally_intercept_not_logged_total",
                                                         .type = TL_COUNTER,
                                                         .help =
                                                             "Requests that were passed on without an event, as was asked for."};
static const struct tl_metric_family collected_total = {
    .name = "tally_intercept_collected_total", .type = TL_COUNTER, .help = "Events that browsers and servers have sent."};
static const struct tl_metric_family answers_total = {.name = "tally_intercept_answers_total",
                                                      .type = TL_COUNTER,
                                                      .help = "Answers to clients, by the first digit of their status."};
static const struct tl_metric_family bytes_total = {
    .name = "tally_intercept_bytes_total", .type = TL_COUNTER, .help = "Bytes from clients and to them."};
static const struct tl_metric_family connections_total = {
    .name = "tally_intercept_connections_total", .type = TL_COUNTER, .help = "Connections of clients."};
static const struct tl_metric_family open_connections = {
    .name = "tally_intercept_open_connections", .type = TL_GAUGE, .help = "Connections that are open: of clients, and to sites."};
static const struct tl_metric_family idle_connections = {.name = "tally_intercept_idle_site_connections",
                                                         .type = TL_GAUGE,
                                                         .help = "Connections to sites that wait for the next request."};
static const struct tl_metric_family duration = {.name = "tally_intercept_answer_duration_seconds",
                                                 .type = TL_HISTOGRAM,
                                                 .help = "From a request's head to its answer's.",
                                                 .bounds = tl_duration_bounds,
                                                 .bounds_count = TL_DURATION_BOUNDS};

enum { PLAIN = 7, CLASSES = 5 };

struct tl_intercept_meter {
    struct tl_daemon *daemon;
    struct tl_loop **loops;
    size_t loops_count;
    struct tl_metric *plain[PLAIN], *classes[CLASSES], *bytes_in, *bytes_out, *guests, *links, *idle_links, *duration;
};

static const struct {
    const struct tl_metric_family *family;
    size_t at; /* in the loop's counts */
} plain[PLAIN] = {
    {&requests_total,    offsetof(struct tl_loop_counts, requests)   },
    {&refused_total,     offsetof(struct tl_loop_counts, refused)    },
    {&failed_total,      offsetof(struct tl_loop_counts, failed)     },
    {&retried_total,     offsetof(struct tl_loop_counts, retried)    },
    {&not_logged_total,  offsetof(struct tl_loop_counts, not_logged) },
    {&collected_total,   offsetof(struct tl_loop_counts, collected)  },
    {&connections_total, offsetof(struct tl_loop_counts, connections)},
};

/* The sum over the loops of the count at `at`. */
static uint64_t sum(const struct tl_intercept_meter *meter, size_t at)
{
    uint64_t total = 0;

    for (size_t l = 0; l < meter->loops_count; l++)
        total +=
            atomic_load_explicit((atomic_ullong *)(uintptr_t)((const char *)&meter->loops[l]->counts + at), memory_order_relaxed);
    return total;
}

static double sum_open(const struct tl_intercept_meter *meter, size_t at)
{
    long total = 0;

    for (size_t l = 0; l < meter->loops_count; l++)
        total +=
            atomic_load_explicit((atomic_long *)(uintptr_t)((const char *)&meter->loops[l]->counts + at), memory_order_relaxed);
    return (double)total;
}

static void publish(void *ctx)
{
    struct tl_intercept_meter *meter = ctx;
    uint64_t buckets[TL_DURATION_BOUNDS + 1];

    for (size_t b = 0; b < TL_COUNT(buckets); b++)
        buckets[b] = sum(meter, offsetof(struct tl_loop_counts, duration_buckets) + b * sizeof(atomic_ullong));
    tl_metrics_begin(meter->daemon->metrics);
    for (size_t p = 0; p < PLAIN; p++)
        tl_metric_set(meter->plain[p], (double)sum(meter, plain[p].at));
    for (size_t c = 0; c < CLASSES; c++)
        tl_metric_set(meter->classes[c],
                      (double)sum(meter, offsetof(struct tl_loop_counts, answers) + (c + 1) * sizeof(atomic_ullong)));
    tl_metric_set(meter->bytes_in, (double)sum(meter, offsetof(struct tl_loop_counts, bytes_in)));
    tl_metric_set(meter->bytes_out, (double)sum(meter, offsetof(struct tl_loop_counts, bytes_out)));
    tl_metric_set(meter->guests, sum_open(meter, offsetof(struct tl_loop_counts, guests)));
    tl_metric_set(meter->links, sum_open(meter, offsetof(struct tl_loop_counts, links)));
    tl_metric_set(meter->idle_links, sum_open(meter, offsetof(struct tl_loop_counts, idle_links)));
    tl_metric_set_buckets(meter->duration, buckets, (double)sum(meter, offsetof(struct tl_loop_counts, duration_us)) / 1e6);
    tl_metrics_end(meter->daemon->metrics);
}

static enum tl_code labelled(struct tl_metrics *metrics, const struct tl_metric_family *family, const char *label,
                             const char *value, struct tl_metric **out, struct tl_err *err)
{
    return tl_metrics_series(metrics, family, &(struct tl_metric_label){label, tl_sv_from(value)}, 1, out, err);
}

static enum tl_code series_open(struct tl_intercept_meter *meter, struct tl_err *err)
{
    static const char *const classes[CLASSES] = {"1xx", "2xx", "3xx", "4xx", "5xx"};
    struct tl_metrics *metrics = meter->daemon->metrics;
    enum tl_code rc;

    for (size_t p = 0; p < PLAIN; p++)
        TL_TRY(tl_metrics_series(metrics, plain[p].family, NULL, 0, &meter->plain[p], err));
    for (size_t c = 0; c < CLASSES; c++)
        TL_TRY(labelled(metrics, &answers_total, "status", classes[c], &meter->classes[c], err));
    TL_TRY(labelled(metrics, &bytes_total, "direction", "in", &meter->bytes_in, err));
    TL_TRY(labelled(metrics, &bytes_total, "direction", "out", &meter->bytes_out, err));
    TL_TRY(labelled(metrics, &open_connections, "side", "client", &meter->guests, err));
    TL_TRY(labelled(metrics, &open_connections, "side", "site", &meter->links, err));
    TL_TRY(tl_metrics_series(metrics, &idle_connections, NULL, 0, &meter->idle_links, err));
    TL_TRY(tl_metrics_series(metrics, &duration, NULL, 0, &meter->duration, err));
out:
    return rc;
}

enum tl_code tl_intercept_meter_open(struct tl_daemon *daemon, struct tl_loop **loops, size_t loops_count,
                                     struct tl_intercept_meter **out, struct tl_err *err)
{
    struct tl_intercept_meter *meter;
    enum tl_code rc;

    *out = NULL;
    if (daemon == NULL)
        return TL_OK;
    meter = calloc(1, sizeof *meter);
    if (meter == NULL)
        return tl_fail_memory(err, sizeof *meter);
    meter->daemon = daemon;
    meter->loops = loops;
    meter->loops_count = loops_count;
    rc = series_open(meter, err);
    if (rc != TL_OK) {
        free(meter);
        return rc;
    }
    tl_metrics_on_read(daemon->metrics, publish, meter);
    *out = meter;
    return TL_OK;
}

void tl_intercept_meter_close(struct tl_intercept_meter *meter)
{
    if (meter == NULL)
        return;
    tl_metrics_off_read(meter->daemon->metrics, publish, meter);
    free(meter);
}
