/* batch_file.c: what the last run came to, for the textfile collector. See batch_file.h. */
#include "batch_file.h"

#include "main/metrics_file.h"

#define LAST_SUCCESS "tally_batch_last_success_timestamp_seconds"

static const struct tl_metric_family last_success = {
    .name = LAST_SUCCESS,
    .type = TL_GAUGE,
    .help = "When a run of batch last ended with exit status 0, whether there was work or not."};
static const struct tl_metric_family boundary = {
    .name = "tally_batch_boundary_timestamp_seconds", .type = TL_GAUGE, .help = "Up to where batch has published the view."};
static const struct {
    struct tl_metric_family family;
    size_t at;
} counts[] = {
    {{"tally_batch_last_run_ranges", TL_GAUGE, "Ranges that the last run computed.", NULL, 0},
     offsetof(struct tl_batch_outcome, ranges_count)    },
    {{"tally_batch_last_run_rows", TL_GAUGE, "Rows that the last run staged.", NULL, 0},
     offsetof(struct tl_batch_outcome, rows_count)      },
    {{"tally_batch_last_run_events", TL_GAUGE, "Events that the last run read.", NULL, 0},
     offsetof(struct tl_batch_outcome, events_count)    },
    {{"tally_batch_last_run_bytes", TL_GAUGE, "Bytes of the master record that the last run read, unpacked.", NULL, 0},
     offsetof(struct tl_batch_outcome, bytes_count)     },
    {{"tally_batch_last_run_duplicates", TL_GAUGE, "Events that the last run removed as duplicates.", NULL, 0},
     offsetof(struct tl_batch_outcome, duplicates_count)},
    {{"tally_batch_blocked_ranges", TL_GAUGE,
      "Ranges that the last run did not publish: a check keeps them back, or the record is damaged.", NULL, 0},
     offsetof(struct tl_batch_outcome, kept_count)      },
};
static const struct tl_metric_family status = {.name = "tally_batch_last_run_exit_status",
                                               .type = TL_GAUGE,
                                               .help = "Exit status of the last run: 0 done, 1 something is kept back, 2 wrong "
                                                       "usage or definition, 3 something outside failed."};
static const struct tl_metric_family ended = {
    .name = "tally_batch_last_run_timestamp_seconds", .type = TL_GAUGE, .help = "When the last run ended."};
static const struct tl_metric_family duration = {
    .name = "tally_batch_last_run_duration_seconds", .type = TL_GAUGE, .help = "How long the last run took."};

/* A store that cannot be asked (it may be the reason of the failure) tells nothing of the views. */
static enum tl_code set_boundaries(struct tl_metrics *metrics, const struct tl_scope *scope, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; scope->definitions != NULL && v < scope->plan->views_count; v++) {
        struct tl_definition definition;
        struct tl_err ignored = {0};

        if (scope->definitions[v] == 0 ||
            tl_store_definition(scope->store, scope->definitions[v], &definition, &ignored) != TL_OK ||
            definition.boundary_ms == INT64_MIN)
            continue;
        TL_TRY(tl_metrics_file_set(metrics, &boundary, &(struct tl_metric_label){"view", scope->plan->views[v].name}, 1,
                                   (double)definition.boundary_ms / 1000, err));
    }
out:
    return rc;
}

static enum tl_code set_all(struct tl_metrics *metrics, const char *path, const struct tl_scope *scope,
                            const struct tl_batch_outcome *outcome, struct tl_err *err)
{
    double success = outcome->exit_status == 0 ? (double)outcome->ended_ms / 1000 : tl_metrics_file_read(path, LAST_SUCCESS);
    enum tl_code rc = TL_OK;

    if (success > 0)
        TL_TRY(tl_metrics_file_set(metrics, &last_success, NULL, 0, success, err));
    TL_TRY(tl_metrics_file_set(metrics, &status, NULL, 0, outcome->exit_status, err));
    TL_TRY(tl_metrics_file_set(metrics, &ended, NULL, 0, (double)outcome->ended_ms / 1000, err));
    TL_TRY(tl_metrics_file_set(metrics, &duration, NULL, 0, (double)(outcome->ended_ms - outcome->started_ms) / 1000, err));
    for (size_t i = 0; i < TL_COUNT(counts); i++)
        TL_TRY(tl_metrics_file_set(metrics, &counts[i].family, NULL, 0,
                                   (double)*(const uint64_t *)((const char *)outcome + counts[i].at), err));
    TL_TRY(set_boundaries(metrics, scope, err));
out:
    return rc;
}

enum tl_code tl_batch_file_write(const char *path, const struct tl_scope *scope, const struct tl_batch_outcome *outcome,
                                 struct tl_err *err)
{
    struct tl_metrics *metrics = NULL;
    enum tl_code rc;

    TL_TRY(tl_metrics_open(&metrics, err));
    TL_TRY(set_all(metrics, path, scope, outcome, err));
    TL_TRY(tl_metrics_file_write(path, metrics, err));
out:
    tl_metrics_close(metrics);
    return rc;
}
