/* trend.h: what reconciliations came to, out of the store, and how it has changed: `tally reconcile --history`.
 *
 * A reconciliation is compared with the one before of the same length: both over all that was there, or over ranges that are equally long (days of
 * 23 and 25 hours among days). Of a longer one more events are late, and that says nothing.
 *
 * JSON, {"reconciliations": [...]}, the newest first; keys always in this order; times are instants, null where there is none:
 *   {id, started, seconds, exit_status, range: {from, to: as asked, null: no bound; cut}, compared: {from, to}, summary: {groups, equal, explained,
 *    unexplained, pending}, causes: {cause: events}, events_read, normaliser, versions, notes: [text],
 *    views: [{name, definition, runs, from, to, boundary, groups, equal, explained, unexplained, pending, causes}]}
 * where words mean what they mean in report.h. CSV: a row for each reconciliation (view empty) and for each of its views, a column for each cause. */
#ifndef TL_TREND_H
#define TL_TREND_H

#include "store/store_reconciliation.h"

struct tl_trend_query {
    char *const *views; /* those that compared one of them, and of them these; none: all */
    int views_count;
    int64_t from_ms, to_ms; /* those that compared something of (from, to] */
    int64_t before;         /* those with a smaller id; 0: from the newest on */
    int64_t limit;
    const char *format; /* "text", "csv" or "json" */
};

/* To stdout. TL_ERR_USAGE: no reconciliation that is stored has a view of that name. */
TL_MUST_USE enum tl_code tl_trend_print(struct tl_store *store, const struct tl_trend_query *query, struct tl_err *err);
/* What stands between the brackets of that JSON: `limit` of them at most. *last: the last one's id; 0: there is none. */
TL_MUST_USE enum tl_code tl_trend_list_json(struct tl_store *store, const struct tl_trend_query *query, struct tl_buf *out,
                                            int64_t *last, struct tl_err *err);
/* One of them as JSON, of its views those that the query names. */
void tl_trend_json(const struct tl_reconciliation *it, const struct tl_trend_query *query, struct tl_buf *out);

#endif
