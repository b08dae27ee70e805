/* serve_meter.c: what `tally serve` counts. See serve_meter.h. */
#include "serve_meter.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
static const int statuses[] = {101, 200, 204, 304, 400, 401, 403, 404, 405, 406, 421, 426, 429, 500, 503, 504};

static const struct tl_metric_family requests_total = {.name = "tally_serve_requests_total",
                                                       .type = TL_COUNTER,
                                                       .help = "Requests, by the status of the answer; other: any other one."};
static const struct tl_metric_family answers_total = {
    .name = "tally_serve_answers_total",
    .type = TL_COUNTER,
    .help = "Answers of the API by where they came from; stale: the store was away, and the last one was given."};
static const struct tl_metric_family duration = {.name = "tally_serve_query_duration_seconds",
                                                 .type = TL_HISTOGRAM,
                                                 .help = "What it took to answer out of the store.",
                                                 .bounds = bounds,
                                                 .bounds_count = TL_COUNT(bounds)};
static const struct tl_metric_family connections = {
    .name = "tally_serve_open_connections", .type = TL_GAUGE, .help = "Connections of clients that are open."};
static const struct tl_metric_family waiting = {
    .name = "tally_serve_waiting_queries", .type = TL_GAUGE, .help = "Queries that wait for a reader of the store."};
static const struct tl_metric_family cached = {
    .name = "tally_serve_cached_bytes", .type = TL_GAUGE, .help = "Bytes of answers that are kept."};

static const struct tl_metric_family live_clients = {
    .name = "tally_serve_live_clients", .type = TL_GAUGE, .help = "Clients of /api/v1/live, by what they are told over."};

/* Of what is pushed, one number each. */
static const struct live_figure {
    struct tl_metric_family family;
    size_t at; /* in struct tl_live_figures */
} live_figures[] = {
    {{.name = "tally_serve_live_lagging_clients",
      .type = TL_GAUGE,
      .help = "Clients that have not taken what is there for them; after half a minute of that they are cut off."},
     offsetof(struct tl_live_figures, lagging)      },
    {{.name = "tally_serve_live_subscriptions", .type = TL_GAUGE, .help = "Subscriptions of clients to views."},
     offsetof(struct tl_live_figures, subscriptions)},
    {{.name = "tally_serve_live_views", .type = TL_GAUGE, .help = "Views whose changes are looked for."},
     offsetof(struct tl_live_figures, views)        },
    {{.name = "tally_serve_live_journal_bytes",
      .type = TL_GAUGE,
      .help = "Bytes of what was told, kept for clients that come back."},
     offsetof(struct tl_live_figures, journal_bytes)},
    {{.name = "tally_serve_live_messages_total", .type = TL_COUNTER, .help = "Messages to clients that listen."},
     offsetof(struct tl_live_figures, messages)     },
    {{.name = "tally_serve_live_sent_bytes_total", .type = TL_COUNTER, .help = "Bytes of these messages."},
     offsetof(struct tl_live_figures, bytes)        },
    {{.name = "tally_serve_live_cut_off_clients_total", .type = TL_COUNTER, .help = "Clients that lagged for too long."},
     offsetof(struct tl_live_figures, cut_off)      },
};

struct tl_serve_meter {
    struct tl_daemon *daemon;
    struct tl_serve_levels (*levels)(void *ctx);
    void *ctx;
    atomic_uint_fast64_t status[TL_COUNT(statuses) + 1]; /* the last: any other */
    atomic_uint_fast64_t served[TL_SERVED_KINDS];
    atomic_uint_fast64_t buckets[TL_COUNT(bounds) + 1], took_ns;
    struct tl_metric *status_series[TL_COUNT(statuses) + 1], *served_series[TL_SERVED_KINDS], *duration_series, *connections,
        *waiting, *cached, *live_clients[TL_LIVE_KINDS], *live_series[TL_COUNT(live_figures)];
};

void tl_serve_meter_status(struct tl_serve_meter *meter, int status)
{
    size_t s = 0;

    while (s < TL_COUNT(statuses) && statuses[s] != status)
        s++;
    atomic_fetch_add_explicit(&meter->status[s], 1, memory_order_relaxed);
}

void tl_serve_meter_served(struct tl_serve_meter *meter, enum tl_served from)
{
    atomic_fetch_add_explicit(&meter->served[from], 1, memory_order_relaxed);
}

void tl_serve_meter_query(struct tl_serve_meter *meter, int64_t took_ns)
{
    size_t b = 0;

    while (b < TL_COUNT(bounds) && (double)took_ns > bounds[b] * 1e9)
        b++;
    atomic_fetch_add_explicit(&meter->buckets[b], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&meter->took_ns, (uint64_t)tl_max_i64(took_ns, 0), memory_order_relaxed);
}

static void publish(void *ctx)
{
    struct tl_serve_meter *meter = ctx;
    struct tl_serve_levels levels = meter->levels(meter->ctx);
    uint64_t buckets[TL_COUNT(bounds) + 1];

    for (size_t b = 0; b < TL_COUNT(buckets); b++)
        buckets[b] = atomic_load_explicit(&meter->buckets[b], memory_order_relaxed);
    tl_metrics_begin(meter->daemon->metrics);
    for (size_t s = 0; s < TL_COUNT(meter->status); s++)
        tl_metric_set(meter->status_series[s], (double)atomic_load_explicit(&meter->status[s], memory_order_relaxed));
    for (size_t k = 0; k < TL_SERVED_KINDS; k++)
        tl_metric_set(meter->served_series[k], (double)atomic_load_explicit(&meter->served[k], memory_order_relaxed));
    tl_metric_set_buckets(meter->duration_series, buckets,
                          (double)atomic_load_explicit(&meter->took_ns, memory_order_relaxed) / 1e9);
    tl_metric_set(meter->connections, levels.connections);
    tl_metric_set(meter->waiting, levels.waiting);
    tl_metric_set(meter->cached, (double)levels.cached_bytes);
    for (size_t k = 0; k < TL_LIVE_KINDS; k++)
        tl_metric_set(meter->live_clients[k], (double)levels.live.clients[k]);
    for (size_t f = 0; f < TL_COUNT(live_figures); f++) {
        uint64_t value;

        memcpy(&value, (const char *)&levels.live + live_figures[f].at, sizeof value);
        tl_metric_set(meter->live_series[f], (double)value);
    }
    tl_metrics_end(meter->daemon->metrics);
}

static enum tl_code series(struct tl_serve_meter *meter, struct tl_err *err)
{
    static const char *const kinds[TL_SERVED_KINDS] = {"store", "cache", "stale"}, *const live_kinds[TL_LIVE_KINDS] = {
                                                                                       "websocket", "sse"};
    struct tl_metrics *metrics = meter->daemon->metrics;
    enum tl_code rc = TL_OK;

    for (size_t s = 0; s < TL_COUNT(meter->status_series); s++) {
        char text[16] = "other";
        struct tl_metric_label label = {.name = "status"};

        if (s < TL_COUNT(statuses))
            snprintf(text, sizeof text, "%d", statuses[s]);
        label.value = tl_sv_from(text);
        TL_TRY(tl_metrics_series(metrics, &requests_total, &label, 1, &meter->status_series[s], err));
    }
    for (size_t k = 0; k < TL_SERVED_KINDS; k++) {
        const struct tl_metric_label label = {"from", tl_sv_from(kinds[k])};

        TL_TRY(tl_metrics_series(metrics, &answers_total, &label, 1, &meter->served_series[k], err));
    }
    TL_TRY(tl_metrics_series(metrics, &duration, NULL, 0, &meter->duration_series, err));
    TL_TRY(tl_metrics_series(metrics, &connections, NULL, 0, &meter->connections, err));
    TL_TRY(tl_metrics_series(metrics, &waiting, NULL, 0, &meter->waiting, err));
    TL_TRY(tl_metrics_series(metrics, &cached, NULL, 0, &meter->cached, err));
    for (size_t k = 0; k < TL_LIVE_KINDS; k++) {
        const struct tl_metric_label label = {"kind", tl_sv_from(live_kinds[k])};

        TL_TRY(tl_metrics_series(metrics, &live_clients, &label, 1, &meter->live_clients[k], err));
    }
    for (size_t f = 0; f < TL_COUNT(live_figures); f++)
        TL_TRY(tl_metrics_series(metrics, &live_figures[f].family, NULL, 0, &meter->live_series[f], err));
out:
    return rc;
}

void tl_serve_meter_start(struct tl_serve_meter *meter)
{
    if (meter->daemon != NULL)
        tl_metrics_on_read(meter->daemon->metrics, publish, meter);
}

void tl_serve_meter_stop(struct tl_serve_meter *meter)
{
    if (meter != NULL && meter->daemon != NULL)
        tl_metrics_off_read(meter->daemon->metrics, publish, meter);
}

enum tl_code tl_serve_meter_open(struct tl_daemon *daemon, struct tl_serve_levels (*levels)(void *ctx), void *ctx,
                                 struct tl_serve_meter **out, struct tl_err *err)
{
    struct tl_serve_meter *meter = calloc(1, sizeof *meter);
    enum tl_code rc = TL_OK;

    if (meter == NULL)
        return tl_fail_memory(err, sizeof *meter);
    meter->levels = levels;
    meter->ctx = ctx;
    meter->daemon = daemon;
    if (daemon != NULL)
        TL_TRY(series(meter, err));
    *out = meter;
    meter = NULL;
out:
    free(meter);
    return rc;
}

void tl_serve_meter_close(struct tl_serve_meter *meter)
{
    free(meter);
}
