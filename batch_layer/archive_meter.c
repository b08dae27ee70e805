/* archive_meter.c: what `archive --follow` shows its operators of itself. See archive_meter.h. */
#include "archive_meter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "main/daemon.h"
#include "main/lag.h"
#include "main/watch.h"

static const struct tl_metric_family bytes_total = {
    .name = "tally_archive_bytes_total", .type = TL_COUNTER, .help = "Bytes of messages put on record, before compression."};
static const struct tl_metric_family messages_total = {
    .name = "tally_archive_messages_total", .type = TL_COUNTER, .help = "Messages put on record."};
static const struct tl_metric_family files_total = {
    .name = "tally_archive_files_total", .type = TL_COUNTER, .help = "Files of the master record that were finished."};
static const struct tl_metric_family failures_total = {
    .name = "tally_archive_failures_total", .type = TL_COUNTER, .help = "Passes that failed and were made again."};
static const struct tl_metric_family last_success = {.name = "tally_archive_last_success_timestamp_seconds",
                                                     .type = TL_GAUGE,
                                                     .help = "When a pass last came to its end, in seconds since 1970."};
static const struct tl_metric_family lag_events = {
    .name = "tally_archive_lag_events", .type = TL_GAUGE, .help = "Messages of the partition that are not on record yet."};

struct topic_series {
    struct tl_sv topic;
    struct tl_metric *bytes, *messages, *files;
};

struct tl_archive_meter {
    struct tl_daemon *daemon;
    struct tl_watch *watch;
    struct tl_lag lag;
    struct topic_series *topics;
    size_t topics_count;
    struct tl_metric *failures, *last_success;
    struct tl_health_check *pass;
};

static void see_log_range(void *ctx, struct tl_sv topic, uint32_t partition, int64_t first, int64_t end)
{
    struct tl_archive_meter *meter = ctx;

    tl_lag_see_range(&meter->lag, topic, partition, first, end);
}

static void see_topic_gone(void *ctx, struct tl_sv topic)
{
    struct tl_archive_meter *meter = ctx;

    tl_lag_see_gone(&meter->lag, topic);
}

enum tl_code tl_archive_meter_topic(struct tl_archive_meter *meter, struct tl_sv topic, struct tl_err *err)
{
    const struct tl_metric_label label = {"topic", topic};
    struct topic_series *series;
    struct tl_metrics *metrics;
    enum tl_code rc = TL_OK;

    if (meter == NULL)
        return TL_OK;
    if (!TL_RESIZE(meter->topics, meter->topics_count + 1))
        return tl_fail_memory(err, (meter->topics_count + 1) * sizeof *meter->topics);
    metrics = meter->daemon->metrics;
    series = &meter->topics[meter->topics_count];
    series->topic = topic;
    TL_TRY(tl_metrics_series(metrics, &bytes_total, &label, 1, &series->bytes, err));
    TL_TRY(tl_metrics_series(metrics, &messages_total, &label, 1, &series->messages, err));
    TL_TRY(tl_metrics_series(metrics, &files_total, &label, 1, &series->files, err));
    tl_metrics_begin(metrics);
    tl_metric_add(series->bytes, 0);
    tl_metric_add(series->messages, 0);
    tl_metric_add(series->files, 0);
    tl_metrics_end(metrics);
    meter->topics_count++;
out:
    return rc;
}

static enum tl_code series_open(struct tl_archive_meter *meter, struct tl_err *err)
{
    struct tl_metrics *metrics = meter->daemon->metrics;
    enum tl_code rc;

    TL_TRY(tl_health_check(meter->daemon->health, TL_SV("pass"), "no progress", &meter->pass, err));
    TL_TRY(tl_metrics_series(metrics, &failures_total, NULL, 0, &meter->failures, err));
    TL_TRY(tl_metrics_series(metrics, &last_success, NULL, 0, &meter->last_success, err));
    tl_metrics_begin(metrics);
    tl_metric_add(meter->failures, 0);
    tl_metrics_end(metrics);
out:
    return rc;
}

enum tl_code tl_archive_meter_open(const struct tl_common_options *common, const struct tl_plan *plan,
                                   struct tl_archive_meter **out, struct tl_err *err)
{
    struct tl_watch_config watch = {.common = common, .plan = plan, .log_range = see_log_range, .topic_gone = see_topic_gone};
    struct tl_archive_meter *meter = NULL;
    struct tl_daemon *daemon;
    enum tl_code rc;

    TL_TRY(tl_daemon_open("archive", common, &daemon, err));
    *out = NULL;
    if (daemon == NULL)
        return TL_OK;
    meter = calloc(1, sizeof *meter);
    if (meter == NULL) {
        tl_daemon_close(daemon);
        return tl_fail_memory(err, sizeof *meter);
    }
    meter->daemon = daemon;
    tl_lag_init(&meter->lag, daemon->metrics, NULL, &lag_events);
    TL_TRY(series_open(meter, err));
    watch.daemon = daemon;
    watch.ctx = meter;
    TL_TRY(tl_watch_open(&watch, &meter->watch, err));
    *out = meter;
    meter = NULL;
out:
    tl_archive_meter_close(meter);
    return rc;
}

void tl_archive_meter_close(struct tl_archive_meter *meter)
{
    if (meter == NULL)
        return;
    tl_watch_close(meter->watch);
    tl_daemon_close(meter->daemon);
    tl_lag_done(&meter->lag);
    free(meter->topics);
    free(meter);
}

/* ---- passes ---- */

void tl_archive_meter_begin(struct tl_archive_meter *meter)
{
    if (meter == NULL)
        return;
    tl_health_state(meter->daemon->health, true, "running");
    tl_health_owe(meter->pass, tl_clock_monotonic_ms());
}

void tl_archive_meter_wait(struct tl_archive_meter *meter)
{
    if (meter == NULL)
        return;
    tl_health_state(meter->daemon->health, false, "waiting for the log: there is none yet");
    tl_health_ok(meter->pass, tl_clock_monotonic_ms());
}

void tl_archive_meter_failed(struct tl_archive_meter *meter, const struct tl_err *why)
{
    if (meter == NULL)
        return;
    tl_health_retry(meter->pass, tl_clock_monotonic_ms(), why->message);
    tl_metrics_begin(meter->daemon->metrics);
    tl_metric_add(meter->failures, 1);
    tl_metrics_end(meter->daemon->metrics);
}

void tl_archive_meter_end(struct tl_archive_meter *meter)
{
    if (meter == NULL)
        return;
    tl_health_ok(meter->pass, tl_clock_monotonic_ms());
    tl_metrics_begin(meter->daemon->metrics);
    tl_metric_set(meter->last_success, (double)tl_clock_wall_ms() / 1000.0);
    tl_metrics_end(meter->daemon->metrics);
}

void tl_archive_meter_move(struct tl_archive_meter *meter)
{
    if (meter == NULL)
        return;
    tl_health_ok(meter->pass, tl_clock_monotonic_ms());
    tl_health_owe(meter->pass, tl_clock_monotonic_ms());
}

/* ---- figures ---- */

void tl_archive_meter_file(struct tl_archive_meter *meter, struct tl_sv topic, uint64_t messages, uint64_t bytes)
{
    const struct topic_series *series;

    if (meter == NULL)
        return;
    for (series = meter->topics; !tl_sv_eq(series->topic, topic);)
        series++;
    tl_metrics_begin(meter->daemon->metrics);
    tl_metric_add(series->bytes, (double)bytes);
    tl_metric_add(series->messages, (double)messages);
    tl_metric_add(series->files, 1);
    tl_metrics_end(meter->daemon->metrics);
}

void tl_archive_meter_place(struct tl_archive_meter *meter, struct tl_sv topic, uint32_t partition, int64_t next_offset)
{
    size_t number;

    if (meter == NULL)
        return;
    tl_lag_lock(&meter->lag);
    if (tl_lag_place(&meter->lag, topic, partition, &number, NULL) == TL_OK) {
        tl_metrics_begin(meter->daemon->metrics);
        tl_lag_set_next(&meter->lag, number, next_offset);
        tl_metrics_end(meter->daemon->metrics);
    }
    tl_lag_unlock(&meter->lag);
}
