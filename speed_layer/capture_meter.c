/* capture_meter.c: what the capture shows its operators of itself. See capture_meter.h. */
#include "speed_layer/capture_meter.h"

#include "base/clock.h"

static const struct tl_metric_family received_total = {
    .name = "tally_intercept_events_received_total",
    .type = TL_COUNTER,
    .help = "Events that were handed over, those found in the spool at the start included: delivered + spooled + dropped."};
static const struct tl_metric_family delivered_total = {
    .name = "tally_intercept_events_delivered_total", .type = TL_COUNTER, .help = "Events that the log has acknowledged."};
static const struct tl_metric_family dropped_total = {
    .name = "tally_intercept_events_dropped_total", .type = TL_COUNTER, .help = "Events that never reach the log, by reason."};
static const struct tl_metric_family spool_events = {
    .name = "tally_spool_events", .type = TL_GAUGE, .help = "Events that wait for the log, in memory or on disk."};
static const struct tl_metric_family spool_bytes = {
    .name = "tally_spool_bytes", .type = TL_GAUGE, .help = "What the spool has on disk."};
static const struct tl_metric_family spool_oldest = {.name = "tally_spool_oldest_seconds",
                                                     .type = TL_GAUGE,
                                                     .help = "How long the first event that waits for the log has waited."};

const char *tl_capture_reason_name(enum tl_capture_reason reason)
{
    static const char *const names[] = {[TL_CAPTURE_SPOOL_FULL] = "spool_full",
                                        [TL_CAPTURE_TOO_LARGE] = "too_large",
                                        [TL_CAPTURE_DAMAGED] = "damaged",
                                        [TL_CAPTURE_IO] = "io",
                                        [TL_CAPTURE_MEMORY] = "memory"};

    return names[reason];
}

static void publish(void *ctx)
{
    struct tl_capture_meter *meter = ctx;
    struct tl_capture_figures figures;

    meter->read(meter->ctx, &figures);
    tl_metrics_begin(meter->daemon->metrics);
    tl_metric_set(meter->received, (double)figures.received);
    tl_metric_set(meter->delivered, (double)figures.delivered);
    for (int i = 0; i < TL_CAPTURE_REASONS; i++)
        tl_metric_set(meter->dropped[i], (double)figures.dropped[i]);
    tl_metric_set(meter->spooled, (double)figures.spooled);
    tl_metric_set(meter->spool_bytes, (double)figures.spool_bytes);
    if (figures.spooled == 0)
        tl_metric_set(meter->oldest, 0);
    else
        tl_metric_set_since(meter->oldest, figures.oldest_ms);
    tl_metrics_end(meter->daemon->metrics);
}

enum tl_code tl_capture_meter_open(struct tl_capture_meter *meter, struct tl_daemon *daemon,
                                   void (*read)(void *ctx, struct tl_capture_figures *out), void *ctx, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *meter = (struct tl_capture_meter){.read = read, .ctx = ctx};
    if (daemon == NULL)
        return TL_OK;
    TL_TRY(tl_metrics_series(daemon->metrics, &received_total, NULL, 0, &meter->received, err));
    TL_TRY(tl_metrics_series(daemon->metrics, &delivered_total, NULL, 0, &meter->delivered, err));
    for (int i = 0; i < TL_CAPTURE_REASONS; i++) {
        const struct tl_metric_label label = {"reason", tl_sv_from(tl_capture_reason_name((enum tl_capture_reason)i))};

        TL_TRY(tl_metrics_series(daemon->metrics, &dropped_total, &label, 1, &meter->dropped[i], err));
    }
    TL_TRY(tl_metrics_series(daemon->metrics, &spool_events, NULL, 0, &meter->spooled, err));
    TL_TRY(tl_metrics_series(daemon->metrics, &spool_bytes, NULL, 0, &meter->spool_bytes, err));
    TL_TRY(tl_metrics_series(daemon->metrics, &spool_oldest, NULL, 0, &meter->oldest, err));
    TL_TRY(tl_health_check(daemon->health, TL_SV("log"), "the log has not taken an event", &meter->log, err));
    TL_TRY(tl_health_check(daemon->health, TL_SV("spool"), "the spool was not written", &meter->spool, err));
    meter->daemon = daemon;
    tl_metrics_on_read(daemon->metrics, publish, meter);
out:
    return rc;
}

void tl_capture_meter_close(struct tl_capture_meter *meter)
{
    if (meter->daemon != NULL)
        tl_metrics_off_read(meter->daemon->metrics, publish, meter);
    meter->daemon = NULL;
}

static void check(struct tl_capture_meter *meter, struct tl_health_check *check, const char *why)
{
    int64_t now_ms = tl_clock_monotonic_ms();

    if (meter->daemon == NULL)
        return;
    if (why == NULL)
        tl_health_ok(check, now_ms);
    else
        tl_health_fail(check, now_ms, why);
}

void tl_capture_meter_log(struct tl_capture_meter *meter, const char *why)
{
    check(meter, meter->log, why);
}

void tl_capture_meter_spool(struct tl_capture_meter *meter, const char *why)
{
    check(meter, meter->spool, why);
}
