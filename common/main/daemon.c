/* daemon.c: the pages of a command that stays. See daemon.h. */
#include "main/daemon.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/diag.h"
#include "main/command.h"
#include "main/stop.h"

static const struct tl_metric_family build_info = {
    .name = "tally_build_info", .type = TL_GAUGE, .help = "1, with the program's version and the command as labels."};
static const struct tl_metric_family ready = {
    .name = "tally_ready", .type = TL_GAUGE, .help = "1 where /readyz says 200: the part gets on with its work."};

/* ---- pages ---- */

static bool is_ready(struct tl_daemon *daemon, struct tl_buf *json)
{
    if (tl_stop_requested())
        tl_health_state(daemon->health, false, "draining: it was told to stop");
    return tl_health_ready(daemon->health, tl_clock_monotonic_ms(), json);
}

static int write_metrics(void *ctx, struct tl_buf *out)
{
    struct tl_daemon *daemon = ctx;

    tl_metrics_text(daemon->metrics, tl_clock_wall_ms(), out);
    return 200;
}

static int write_healthz(void *ctx, struct tl_buf *out)
{
    (void)ctx;
    tl_buf_put_str(out, "ok\n");
    return 200;
}

static int write_readyz(void *ctx, struct tl_buf *out)
{
    return is_ready(ctx, out) ? 200 : 503;
}

static int write_version(void *ctx, struct tl_buf *out)
{
    const struct tl_daemon *daemon = ctx;

    tl_buf_printf(out, "{\"program\": \"tally\", \"part\": \"%s\", \"version\": \"%s\"}\n", daemon->part, TL_VERSION);
    return 200;
}

static const struct tl_monitor_page pages[] = {
    {"/metrics", TL_METRICS_CONTENT_TYPE,     write_metrics},
    {"/healthz", "text/plain; charset=utf-8", write_healthz},
    {"/readyz",  "application/json",          write_readyz },
    {"/version", "application/json",          write_version},
};

/* ---- opening ---- */

static void publish_ready(void *ctx)
{
    struct tl_daemon *daemon = ctx;
    struct tl_buf unread;
    bool yes;

    tl_buf_init(&unread, 0);
    yes = is_ready(daemon, &unread);
    tl_buf_done(&unread);
    tl_metrics_begin(daemon->metrics);
    tl_metric_set(daemon->ready, yes ? 1 : 0);
    tl_metrics_end(daemon->metrics);
}

static enum tl_code metrics_open(struct tl_daemon *daemon, struct tl_err *err)
{
    const struct tl_metric_label labels[] = {
        {"version", TL_SV(TL_VERSION)       },
        {"part",    tl_sv_from(daemon->part)}
    };
    struct tl_metric *build;
    enum tl_code rc;

    TL_TRY(tl_metrics_open(&daemon->metrics, err));
    TL_TRY(tl_metrics_series(daemon->metrics, &build_info, labels, TL_COUNT(labels), &build, err));
    TL_TRY(tl_metrics_series(daemon->metrics, &ready, NULL, 0, &daemon->ready, err));
    tl_metrics_begin(daemon->metrics);
    tl_metric_set(build, 1);
    tl_metrics_end(daemon->metrics);
    tl_metrics_on_read(daemon->metrics, publish_ready, daemon);
    TL_TRY(tl_process_metrics_add(&daemon->process, daemon->metrics, err));
out:
    return rc;
}

static void say_where(const struct tl_daemon *daemon)
{
    char listen[TL_LISTEN_TEXT_BYTES], url[TL_LISTEN_TEXT_BYTES + 32];
    const struct tl_diag_kv pairs[] = {
        {"url", url, 0}
    };

    snprintf(url, sizeof url, "http://%s/metrics", tl_listen_text(tl_monitor_listen(daemon->monitor), listen));
    tl_diag_event(TL_INFO, "answers monitors", pairs, TL_COUNT(pairs));
}

enum tl_code tl_daemon_open(const char *part, const struct tl_common_options *common, struct tl_daemon **out, struct tl_err *err)
{
    struct tl_daemon *daemon = NULL;
    struct tl_listen listen;
    enum tl_code rc = TL_OK;

    if (common->metrics_listen == NULL) {
        *out = NULL;
        return TL_OK;
    }
    TL_TRY(tl_listen_parse(common->metrics_listen, &listen, err));
    daemon = calloc(1, sizeof *daemon);
    if (daemon == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *daemon));
    daemon->part = part;
    TL_TRY(tl_health_open(part, &daemon->health, err));
    TL_TRY(metrics_open(daemon, err));
    TL_TRY(tl_monitor_open(&listen, pages, TL_COUNT(pages), daemon, &daemon->monitor, err));
    say_where(daemon);
    *out = daemon;
    daemon = NULL;
out:
    tl_daemon_close(daemon);
    return rc;
}

void tl_daemon_close(struct tl_daemon *daemon)
{
    if (daemon == NULL)
        return;
    tl_monitor_close(daemon->monitor);
    tl_metrics_close(daemon->metrics);
    tl_health_close(daemon->health);
    free(daemon);
}
