/* speed_meter.c: what speed shows its operators of itself. See speed_meter.h. */
#include "speed_meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/relay.h"
#include "main/daemon.h"
#include "main/lag.h"
#include "main/watch.h"
#include "tick.h"

/* ---- what there is ---- */

/* 200 ms is the usual distance of two ticks; a tick that takes longer is behind. */
static const double tick_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30};

static const struct tl_metric_family events_total = {
    .name = "tally_events_total",
    .type = TL_COUNTER,
    .help = "What became of the events of the log, per view; the outcomes sum to tally_events_read_total."};
static const struct tl_metric_family events_read_total = {
    .name = "tally_events_read_total", .type = TL_COUNTER, .help = "Events of the log that were read for the view."};
static const struct tl_metric_family watermark_lag = {
    .name = "tally_watermark_lag_seconds", .type = TL_GAUGE, .help = "How far the view's watermark is behind the clock."};
static const struct tl_metric_family state_bytes = {
    .name = "tally_state_bytes",
    .type = TL_GAUGE,
    .help = "Memory for partials and event ids of a worker; of the committer, for open windows."};
static const struct tl_metric_family tick_duration = {.name = "tally_tick_duration_seconds",
                                                      .type = TL_HISTOGRAM,
                                                      .help = "From asking the workers for a tick to its commit.",
                                                      .bounds = tick_bounds,
                                                      .bounds_count = TL_COUNT(tick_bounds)};
static const struct tl_metric_family ticks_total = {
    .name = "tally_ticks_total", .type = TL_COUNTER, .help = "Transactions that were committed; one without news is none."};
static const struct tl_metric_family rows_written_total = {
    .name = "tally_rows_written_total", .type = TL_COUNTER, .help = "Rows that ticks have written, new or changed."};
static const struct tl_metric_family store_failures_total = {.name = "tally_store_failures_total",
                                                             .type = TL_COUNTER,
                                                             .help =
                                                                 "How often the store did not take a tick and was asked again."};
static const struct tl_metric_family log_lag_events = {
    .name = "tally_log_lag_events", .type = TL_GAUGE, .help = "Messages of the partition that are not counted yet."};
static const struct tl_metric_family epoch_number = {
    .name = "tally_epoch", .type = TL_GAUGE, .help = "The number under which this process writes; a takeover raises it."};
static const struct tl_metric_family standing_by = {
    .name = "tally_standing_by", .type = TL_GAUGE, .help = "1 while another process is at work and this one waits to take over."};

struct view_series {
    struct tl_metric *outcomes[TL_OUTCOMES], *read, *watermark;
    uint64_t totals[TL_OUTCOMES];
};

struct tl_speed_meter {
    const struct tl_plan *plan;
    struct tl_daemon *daemon;
    struct tl_watch *watch;
    struct view_series *views; /* as in the plan */
    struct tl_metric **workers, *committer;
    uint32_t workers_count; /* so many there have been at most */
    struct tl_metric *duration, *ticks, *rows, *failures, *epoch, *standing_by;
    struct tl_health_check *tick_check;
    uint64_t lane_ticks, lane_rows; /* of the lane's tick that were published */
    struct tl_lag lag;
    size_t *lane_places;    /* per partition of the lane: its number in lag */
    int64_t *places_offset; /* per place, while it is published: the least that the lane's readers of it have read */
};

/* ---- opening ---- */

static enum tl_code views_open(struct tl_speed_meter *meter, struct tl_err *err)
{
    struct tl_metrics *metrics = meter->daemon->metrics;
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < meter->plan->views_count; v++) {
        struct view_series *series = &meter->views[v];
        struct tl_metric_label labels[] = {
            {"view",    meter->plan->views[v].name},
            {"outcome", {NULL, 0}                 }
        };

        for (int o = 0; o < TL_OUTCOMES; o++) {
            labels[1].value = tl_sv_from(tl_outcome_name((enum tl_outcome)o));
            TL_TRY(tl_metrics_series(metrics, &events_total, labels, 2, &series->outcomes[o], err));
        }
        TL_TRY(tl_metrics_series(metrics, &events_read_total, labels, 1, &series->read, err));
        TL_TRY(tl_metrics_series(metrics, &watermark_lag, labels, 1, &series->watermark, err));
    }
out:
    return rc;
}

static enum tl_code series_open(struct tl_speed_meter *meter, struct tl_err *err)
{
    const struct {
        const struct tl_metric_family *family;
        struct tl_metric **series;
    } plain[] = {
        {&tick_duration,        &meter->duration   },
        {&ticks_total,          &meter->ticks      },
        {&rows_written_total,   &meter->rows       },
        {&store_failures_total, &meter->failures   },
        {&epoch_number,         &meter->epoch      },
        {&standing_by,          &meter->standing_by},
    };
    const struct tl_metric_label committer = {"worker", TL_SV("committer")};
    struct tl_metrics *metrics = meter->daemon->metrics;
    enum tl_code rc;

    TL_TRY(views_open(meter, err));
    for (size_t i = 0; i < TL_COUNT(plain); i++)
        TL_TRY(tl_metrics_series(metrics, plain[i].family, NULL, 0, plain[i].series, err));
    TL_TRY(tl_metrics_series(metrics, &state_bytes, &committer, 1, &meter->committer, err));
    TL_TRY(tl_health_check(meter->daemon->health, TL_SV("tick"), "the store has not taken a tick", &meter->tick_check, err));
    tl_metrics_begin(metrics);
    tl_metric_add(meter->ticks, 0);
    tl_metric_add(meter->rows, 0);
    tl_metric_add(meter->failures, 0);
    tl_metric_set(meter->standing_by, 0);
    tl_metrics_end(metrics);
out:
    return rc;
}

static void see_log_range(void *ctx, struct tl_sv topic, uint32_t partition, int64_t first, int64_t end)
{
    struct tl_speed_meter *meter = ctx;

    tl_lag_see_range(&meter->lag, topic, partition, first, end);
}

static void see_topic_gone(void *ctx, struct tl_sv topic)
{
    struct tl_speed_meter *meter = ctx;

    tl_lag_see_gone(&meter->lag, topic);
}

enum tl_code tl_speed_meter_open(const struct tl_common_options *common, const struct tl_plan *plan, struct tl_speed_meter **out,
                                 struct tl_err *err)
{
    struct tl_watch_config watch = {
        .common = common, .plan = plan, .store = true, .log_range = see_log_range, .topic_gone = see_topic_gone};
    struct tl_speed_meter *meter = NULL;
    struct tl_daemon *daemon = NULL;
    enum tl_code rc;

    TL_TRY(tl_daemon_open("speed", common, &daemon, err));
    *out = NULL;
    if (daemon == NULL)
        return TL_OK;
    meter = calloc(1, sizeof *meter);
    if (meter == NULL) {
        tl_daemon_close(daemon);
        return tl_fail_memory(err, sizeof *meter);
    }
    meter->plan = plan;
    meter->daemon = daemon;
    tl_lag_init(&meter->lag, daemon->metrics, daemon->health, &log_lag_events);
    meter->views = calloc(plan->views_count + 1u, sizeof *meter->views);
    if (meter->views == NULL)
        TL_TRY(tl_fail_memory(err, plan->views_count * sizeof *meter->views));
    TL_TRY(series_open(meter, err));
    watch.daemon = daemon;
    watch.ctx = meter;
    TL_TRY(tl_watch_open(&watch, &meter->watch, err));
    *out = meter;
    meter = NULL;
out:
    tl_speed_meter_close(meter);
    return rc;
}

void tl_speed_meter_close(struct tl_speed_meter *meter)
{
    if (meter == NULL)
        return;
    tl_watch_close(meter->watch);
    tl_daemon_close(meter->daemon);
    tl_lag_done(&meter->lag);
    free(meter->workers);
    free(meter->lane_places);
    free(meter->places_offset);
    free(meter->views);
    free(meter);
}

/* ---- states ---- */

void tl_speed_meter_wait(struct tl_speed_meter *meter, const char *what, const struct tl_err *why)
{
    if (meter != NULL)
        tl_health_state(meter->daemon->health, false, "%s: %s", what, why->message);
}

static void publish_one(struct tl_speed_meter *meter, struct tl_metric *gauge, double value)
{
    tl_metrics_begin(meter->daemon->metrics);
    tl_metric_set(gauge, value);
    tl_metrics_end(meter->daemon->metrics);
}

void tl_speed_meter_stand_by(struct tl_speed_meter *meter, const struct tl_err *why)
{
    if (meter == NULL)
        return;
    tl_speed_meter_wait(meter, "standing by", why);
    publish_one(meter, meter->standing_by, 1);
}

void tl_speed_meter_epoch(struct tl_speed_meter *meter, int64_t epoch)
{
    if (meter == NULL)
        return;
    publish_one(meter, meter->standing_by, 0);
    publish_one(meter, meter->epoch, (double)epoch);
    tl_health_state(meter->daemon->health, false, "starting");
}

void tl_speed_meter_due(struct tl_speed_meter *meter)
{
    if (meter != NULL)
        tl_health_owe(meter->tick_check, tl_clock_monotonic_ms());
}

void tl_speed_meter_refused(struct tl_speed_meter *meter, const struct tl_err *why)
{
    if (meter == NULL)
        return;
    tl_health_retry(meter->tick_check, tl_clock_monotonic_ms(), why->message);
    tl_metrics_begin(meter->daemon->metrics);
    tl_metric_add(meter->failures, 1);
    tl_metrics_end(meter->daemon->metrics);
}

/* ---- figures ---- */

static void publish_views(struct tl_speed_meter *meter, const struct tl_tick *tick)
{
    const struct tl_lane *lane = tick->lane;

    for (uint32_t v = 0; v < meter->plan->views_count; v++) {
        const struct view_series *series = &meter->views[v];
        uint64_t read = 0;

        if (lane->definitions[v] == 0)
            continue;
        for (uint32_t p = 0; p < lane->partitions_count; p++)
            if (lane->partitions[p].source == meter->plan->views[v].source)
                read += tick->positions[p].events_count;
        for (int o = 0; o < TL_OUTCOMES; o++)
            tl_metric_set(series->outcomes[o], (double)series->totals[o]);
        tl_metric_set(series->read, (double)read);
    }
}

static void publish_watermarks(struct tl_speed_meter *meter, const struct tl_tick *tick)
{
    for (uint32_t v = 0; v < meter->plan->views_count; v++) {
        int64_t watermark_ms = tl_relay_watermark_ms(meter->plan, v, tick->judged_ms);

        if (tick->lane->definitions[v] == 0)
            continue;
        if (watermark_ms == INT64_MIN)
            tl_metric_forget(meter->views[v].watermark);
        else
            tl_metric_set_since(meter->views[v].watermark, watermark_ms);
    }
}

/* Several sources may read one topic: the one that is furthest behind counts. */
static void publish_places(struct tl_speed_meter *meter, const struct tl_tick *tick)
{
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++)
        meter->places_offset[meter->lane_places[p]] = INT64_MAX;
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++) {
        int64_t *offset = &meter->places_offset[meter->lane_places[p]];

        *offset = tl_min_i64(*offset, tick->positions[p].next_offset);
    }
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++)
        tl_lag_set_next(&meter->lag, meter->lane_places[p], meter->places_offset[meter->lane_places[p]]);
}

/* Makes the series of the lane's partitions and workers. */
static enum tl_code lane_open(struct tl_speed_meter *meter, const struct tl_tick *tick, struct tl_err *err)
{
    const struct tl_lane *lane = tick->lane;
    size_t places_max = 0;
    enum tl_code rc = TL_OK;

    if (!TL_RESIZE(meter->lane_places, lane->partitions_count + 1u))
        return tl_fail_memory(err, lane->partitions_count * sizeof *meter->lane_places);
    for (uint32_t p = 0; p < lane->partitions_count; p++) {
        TL_TRY(tl_lag_place(&meter->lag, lane->partitions[p].topic, lane->partitions[p].in_topic, &meter->lane_places[p], err));
        places_max = meter->lane_places[p] >= places_max ? meter->lane_places[p] + 1 : places_max;
    }
    if (!TL_RESIZE(meter->places_offset, places_max + 1))
        return tl_fail_memory(err, places_max * sizeof *meter->places_offset);
    if (tick->workers_count > meter->workers_count && !TL_RESIZE(meter->workers, tick->workers_count))
        return tl_fail_memory(err, tick->workers_count * sizeof(struct tl_metric *));
    for (; meter->workers_count < tick->workers_count; meter->workers_count++) {
        char number[16];
        struct tl_metric_label label = {
            "worker", {number, 0}
        };

        label.value.size = (size_t)snprintf(number, sizeof number, "%" PRIu32, meter->workers_count);
        TL_TRY(tl_metrics_series(meter->daemon->metrics, &state_bytes, &label, 1, &meter->workers[meter->workers_count], err));
    }
out:
    return rc;
}

static enum tl_code load_totals(struct tl_speed_meter *meter, const struct tl_tick *tick, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_store_begin_read(tick->store, err));
    for (uint32_t v = 0; v < meter->plan->views_count; v++)
        if (tick->lane->definitions[v] != 0)
            TL_TRY(tl_store_outcomes(tick->store, tick->lane->definitions[v], 0, meter->views[v].totals, err));
out:
    tl_store_rollback(tick->store);
    return rc;
}

enum tl_code tl_speed_meter_lane(struct tl_speed_meter *meter, const struct tl_tick *tick, bool whole, struct tl_err *err)
{
    struct tl_metrics *metrics;
    enum tl_code rc;

    if (meter == NULL)
        return TL_OK;
    metrics = meter->daemon->metrics;
    TL_TRY(load_totals(meter, tick, err));
    meter->lane_ticks = meter->lane_rows = 0;
    tl_lag_lock(&meter->lag);
    tl_lag_deal(&meter->lag, whole); /* a lane that builds one view leaves the others' partitions alone for a while */
    rc = lane_open(meter, tick, err);
    if (rc == TL_OK) {
        tl_metrics_begin(metrics);
        publish_views(meter, tick);
        publish_places(meter, tick);
        for (uint32_t w = tick->workers_count; w < meter->workers_count; w++)
            tl_metric_forget(meter->workers[w]);
        tl_metrics_end(metrics);
    }
    tl_lag_unlock(&meter->lag);
    TL_TRY(rc);
    tl_health_state(meter->daemon->health, true, whole ? "running" : "building new definitions");
out:
    return rc;
}

void tl_speed_meter_tick(struct tl_speed_meter *meter, const struct tl_tick *tick, int64_t begun_ns)
{
    struct tl_metrics *metrics;
    bool committed;

    if (meter == NULL)
        return;
    metrics = meter->daemon->metrics;
    committed = tick->ticks_count > meter->lane_ticks;
    for (uint32_t v = 0; committed && v < meter->plan->views_count; v++)
        for (int o = 0; o < TL_OUTCOMES; o++)
            meter->views[v].totals[o] += tick->outcomes[v][o];
    tl_lag_lock(&meter->lag);
    tl_metrics_begin(metrics);
    publish_views(meter, tick);
    publish_watermarks(meter, tick);
    publish_places(meter, tick);
    if (committed) {
        tl_metric_observe(meter->duration, (double)(tl_clock_monotonic_ns() - begun_ns) / 1e9);
        tl_metric_add(meter->ticks, (double)(tick->ticks_count - meter->lane_ticks));
        tl_metric_add(meter->rows, (double)(tick->rows_count - meter->lane_rows));
    }
    for (uint32_t w = 0; w < tick->workers_count; w++)
        tl_metric_set(meter->workers[w], (double)atomic_load(&tick->workers[w].state_bytes));
    tl_metric_set(meter->committer, (double)tl_partial_bytes(tick->all));
    tl_metric_set(meter->epoch, (double)tick->epoch); /* it may have been raised meanwhile */
    tl_metrics_end(metrics);
    tl_lag_unlock(&meter->lag);
    meter->lane_ticks = tick->ticks_count;
    meter->lane_rows = tick->rows_count;
    tl_health_ok(meter->tick_check, tl_clock_monotonic_ms());
}
