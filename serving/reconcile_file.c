/* reconcile_file.c: what the last reconcile came to, for the textfile collector. See reconcile_file.h. */
#include "reconcile_file.h"

#include <stdio.h>

#include "main/metrics_file.h"

#define LAST_SUCCESS "tally_reconcile_last_success_timestamp_seconds"
#define GROUPS_TOTAL "tally_reconcile_groups_total"

static const struct tl_metric_family last_success = {
    .name = LAST_SUCCESS,
    .type = TL_GAUGE,
    .help = "When a reconcile last ended with exit status 0 and had compared something: nothing was unexplained."};
static const struct tl_metric_family status = {.name = "tally_reconcile_last_run_exit_status",
                                               .type = TL_GAUGE,
                                               .help =
                                                   "Exit status of the last reconcile: 0 all is equal or explained, 1 something "
                                                   "is unexplained, 2 wrong usage or definition, 3 something outside failed."};
static const struct tl_metric_family ended = {
    .name = "tally_reconcile_last_run_timestamp_seconds", .type = TL_GAUGE, .help = "When the last reconcile ended."};
static const struct tl_metric_family duration = {
    .name = "tally_reconcile_last_run_duration_seconds", .type = TL_GAUGE, .help = "How long the last reconcile took."};
static const struct tl_metric_family groups_total = {
    .name = GROUPS_TOTAL,
    .type = TL_COUNTER,
    .help = "Groups that were compared, by result, of all that were told to this file."};
static const struct tl_metric_family groups = {
    .name = "tally_reconcile_last_run_groups", .type = TL_GAUGE, .help = "Groups that the last reconcile compared, by result."};
static const struct tl_metric_family pending = {
    .name = "tally_reconcile_last_run_pending_groups",
    .type = TL_GAUGE,
    .help = "Groups whose difference the next commit or run of batch changes, of the last reconcile."};
static const struct tl_metric_family events = {.name = "tally_reconcile_last_run_events",
                                               .type = TL_GAUGE,
                                               .help = "Events behind the differences that the last reconcile found, by cause."};

static const struct {
    const char *result;
    size_t at;
} results[] = {
    {"equal",       offsetof(struct tl_reconciled_counts, equal)      },
    {"explained",   offsetof(struct tl_reconciled_counts, explained)  },
    {"unexplained", offsetof(struct tl_reconciled_counts, unexplained)},
};

static enum tl_code set(struct tl_metrics *metrics, const struct tl_metric_family *family, double value, struct tl_err *err)
{
    return tl_metrics_file_set(metrics, family, NULL, 0, value, err);
}

/* A counter stays where it was when there was no report. */
static enum tl_code set_groups(struct tl_metrics *metrics, const char *path, const struct tl_reconciliation *it, bool reported,
                               struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t r = 0; r < TL_COUNT(results); r++) {
        double count = (double)*(const uint64_t *)((const char *)&it->counts + results[r].at), before;
        const struct tl_metric_label label = {"result", tl_sv_from(results[r].result)};
        char series[80];

        snprintf(series, sizeof series, GROUPS_TOTAL "{result=\"%s\"}", results[r].result);
        before = tl_metrics_file_read(path, series);
        TL_TRY(tl_metrics_file_set(metrics, &groups_total, &label, 1, reported ? before + count : before, err));
        if (reported)
            TL_TRY(tl_metrics_file_set(metrics, &groups, &label, 1, count, err));
    }
out:
    return rc;
}

/* Of one view; a check that refused events is a cause of its own. */
static enum tl_code set_events(struct tl_metrics *metrics, const struct tl_reconciled_view *view, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t c = 0; c < view->causes_count; c++) {
        const struct tl_reconciled_cause *cause = &view->causes[c];
        const struct tl_metric_label labels[] = {
            {"view",  view->view                             },
            {"cause", tl_sv_from(tl_cause_name(cause->cause))},
            {"check", cause->check                           }
        };

        TL_TRY(tl_metrics_file_set(metrics, &events, labels, cause->check.size > 0 ? 3 : 2, (double)cause->events_count, err));
    }
out:
    return rc;
}

static bool has_compared(const struct tl_reconciliation *it)
{
    for (size_t v = 0; v < it->views_count; v++)
        if (it->views[v].from_ms < it->views[v].to_ms)
            return true;
    return false;
}

static enum tl_code set_all(struct tl_metrics *metrics, const char *path, const struct tl_reconciliation *it, bool reported,
                            struct tl_err *err)
{
    double success =
        it->exit_status == 0 && has_compared(it) ? (double)it->ended_ms / 1000 : tl_metrics_file_read(path, LAST_SUCCESS);
    enum tl_code rc = TL_OK;

    if (success > 0)
        TL_TRY(set(metrics, &last_success, success, err));
    TL_TRY(set(metrics, &status, it->exit_status, err));
    TL_TRY(set(metrics, &ended, (double)it->ended_ms / 1000, err));
    TL_TRY(set(metrics, &duration, (double)(it->ended_ms - it->started_ms) / 1000, err));
    TL_TRY(set_groups(metrics, path, it, reported, err));
    if (!reported)
        goto out;
    TL_TRY(set(metrics, &pending, (double)it->counts.pending, err));
    for (size_t v = 0; v < it->views_count; v++)
        TL_TRY(set_events(metrics, &it->views[v], err));
out:
    return rc;
}

enum tl_code tl_reconcile_file_write(const char *path, const struct tl_reconciliation *it, bool reported, struct tl_err *err)
{
    struct tl_metrics *metrics = NULL;
    enum tl_code rc;

    TL_TRY(tl_metrics_open(&metrics, err));
    TL_TRY(set_all(metrics, path, it, reported, err));
    TL_TRY(tl_metrics_file_write(path, metrics, err));
out:
    tl_metrics_close(metrics);
    return rc;
}
