/* store_check.c: data quality in the store: figures of rows, results of checks, ranges that are kept back. See store_check.h. */
#include "store/store_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_handle.h"

#define HUGE_NUMBER "1e290" /* 1e18 of them still have a sum: PostgreSQL fails where one has none */
/* enum tl_kept */
#define KEPT_BACK "1, 2"
#define KEPT_REPLACED "3"
#define KEPT_REFUSED "4"

/* clang-format off */
static const char sql_put_results[] =
    "INSERT INTO tally_check_result (run, definition, from_ms, to_ms, check_name, violation, measure, passed, violations_count, measured, low,"
    " high, detail) {ROWS} ON CONFLICT (run, definition, from_ms, check_name) DO UPDATE SET to_ms = excluded.to_ms,"
    " violation = excluded.violation, measure = excluded.measure, passed = excluded.passed,"
    " violations_count = excluded.violations_count, measured = excluded.measured, low = excluded.low, high = excluded.high,"
    " detail = excluded.detail";
static const char sql_past[] =
    "SELECT p.run, p.from_ms, p.to_ms, g.rows_count FROM tally_pointer AS p JOIN tally_run_range AS g ON g.run = p.run"
    " AND g.definition = p.definition AND g.from_ms = p.from_ms WHERE p.definition = ?1 AND p.to_ms > ?2 AND p.to_ms <= ?3"
    " ORDER BY p.to_ms";
static const char sql_measured[] =
    "SELECT measured FROM tally_check_result WHERE run = ?1 AND definition = ?2 AND from_ms = ?3 AND measure = ?4"
    " AND measured IS NOT NULL LIMIT 1";
/* Carries are compared where they stand: they may be large. Of ranges that do not overlap, the first that ends behind an instant tells whether one holds
 * it, or begins there. */
static const char sql_staged[] =
    "SELECT g.from_ms, g.to_ms, g.rows_count, g.blocked, g.published,"
    " (SELECT p.from_ms FROM tally_pointer AS p WHERE p.definition = g.definition AND p.to_ms > g.to_ms ORDER BY p.to_ms LIMIT 1),"
    " (SELECT count(*) FROM tally_pointer AS p JOIN tally_run_range AS o ON o.run = p.run AND o.definition = p.definition"
    " AND o.from_ms = p.from_ms WHERE p.definition = g.definition AND p.to_ms = g.to_ms AND o.carry = g.carry)"
    " FROM tally_run_range AS g WHERE g.run = ?1 AND g.definition = ?2 ORDER BY g.from_ms";
static const char sql_keep_back[] =
    "UPDATE tally_run_range SET blocked = ?4 WHERE run = ?1 AND definition = ?2 AND from_ms = ?3 AND blocked <> ?4";
static const char sql_keepers[] =
    "SELECT DISTINCT g.run FROM tally_run_range AS g JOIN tally_run AS r ON r.run = g.run WHERE g.blocked IN (" KEPT_BACK ")"
    " AND g.published IS NULL AND g.pruned = 0 AND r.state IN ('published', 'failed') ORDER BY g.run";
static const char sql_first_kept[] =
    "SELECT g.from_ms FROM tally_run_range AS g JOIN tally_run AS r ON r.run = g.run WHERE g.definition = ?1 AND g.blocked IN (" KEPT_BACK ")"
    " AND g.published IS NULL AND g.pruned = 0 AND r.state IN ('published', 'failed') ORDER BY g.from_ms LIMIT 1";
static const char sql_replace_kept[] =
    "UPDATE tally_run_range SET blocked = " KEPT_REPLACED " WHERE run < ?1 AND blocked IN (" KEPT_BACK ") AND published IS NULL"
    " AND EXISTS (SELECT 1 FROM tally_run_range AS n WHERE n.run = ?1 AND n.blocked <> " KEPT_REFUSED " AND n.definition = tally_run_range.definition"
    " AND n.from_ms < tally_run_range.to_ms AND n.to_ms > tally_run_range.from_ms)";
#define CHECK_COLUMNS                                                                                                            \
    "c.run, c.definition, c.from_ms, c.to_ms, c.check_name, c.violation, c.measure, c.passed, c.violations_count, c.measured, c.low,"\
    " c.high, c.detail, d.view"
static const char sql_failed[] =
    "SELECT " CHECK_COLUMNS " FROM tally_check_result AS c JOIN tally_definition AS d ON d.definition = c.definition"
    " JOIN tally_run_range AS g ON g.run = c.run AND g.definition = c.definition AND g.from_ms = c.from_ms"
    " WHERE c.run = ?1 AND c.passed = 0 ORDER BY c.definition, c.from_ms, c.check_name";
static const char sql_checks[] =
    "WITH latest AS (SELECT g.definition, g.from_ms, max(g.run) AS run FROM tally_run_range AS g JOIN tally_run AS r ON r.run = g.run"
    " WHERE r.state NOT IN ('staged', 'rolled back') AND g.blocked NOT IN (" KEPT_REPLACED ", " KEPT_REFUSED ")"
    " AND NOT EXISTS (SELECT 1 FROM tally_publication AS u WHERE u.published = g.published AND u.undone_ms IS NOT NULL) GROUP BY g.definition, g.from_ms)"
    " SELECT " CHECK_COLUMNS ", CASE WHEN l.run = c.run THEN 1 ELSE 0 END,"
    " CASE WHEN g.pruned <> 0 THEN " KEPT_REPLACED " ELSE g.blocked END, g.published, p.accepted, p.who, p.reason"
    " FROM tally_check_result AS c JOIN tally_definition AS d ON d.definition = c.definition JOIN tally_run AS r ON r.run = c.run"
    " JOIN tally_run_range AS g ON g.run = c.run AND g.definition = c.definition AND g.from_ms = c.from_ms"
    " LEFT JOIN latest AS l ON l.definition = c.definition AND l.from_ms = c.from_ms"
    " LEFT JOIN tally_publication AS p ON p.published = g.published AND p.undone_ms IS NULL"
    " WHERE d.state <> 'retired' AND r.state <> 'staged' AND (?1 = '' OR d.view = ?1) AND (?2 = 0 OR c.run = ?2)"
    " ORDER BY d.view, c.definition, c.check_name, c.to_ms DESC, c.run DESC";
/* clang-format on */

static_assert(TL_KEPT_CHECK == 1 && TL_KEPT_CHAIN == 2 && TL_KEPT_REPLACED == 3 && TL_KEPT_REFUSED == 4, "the statements say so");

/* ---- figures ---- */

/* The column as an expression over the table. */
static void put_column(struct tl_buf *sql, const struct tl_known *d, uint32_t column)
{
    switch (d->columns[column].role) {
    case TL_ROLE_WINDOW_START: tl_buf_put_str(sql, "_start_ms"); break;
    case TL_ROLE_WINDOW_END: tl_buf_put_str(sql, "_end_ms"); break;
    case TL_ROLE_WINDOW_TIME: tl_buf_put_str(sql, "(_end_ms - 1)"); break;
    case TL_ROLE_VALUE:
    case TL_ROLE_KEY: tl_store_put_stored_name(sql, &d->columns[column]); break;
    }
}

/* "count(CASE WHEN <column> <condition> THEN 1 END)" */
static void put_count_where(struct tl_buf *sql, const struct tl_known *d, uint32_t column, const char *condition)
{
    tl_buf_put_str(sql, "count(CASE WHEN ");
    put_column(sql, d, column);
    tl_buf_put_str(sql, condition);
    tl_buf_put_str(sql, " THEN 1 END)");
}

/* Four answers: the sum of what is neither huge nor infinite, and how many are not numbers, too large, too small. Both databases have NaN as the
 * largest number there is, and neither adds integers beyond BIGINT once they are doubles. */
static void put_sum(struct tl_buf *sql, const struct tl_known *d, uint32_t column)
{
    if (tl_kind_form(d->columns[column].kind) != TL_FORM_F64) {
        tl_buf_put_str(sql, "sum(CAST(");
        put_column(sql, d, column);
        tl_buf_put_str(sql, " AS DOUBLE PRECISION)), 0, 0, 0");
        return;
    }
    tl_buf_put_str(sql, "sum(CASE WHEN ");
    put_column(sql, d, column);
    tl_buf_put_str(sql, " > -" HUGE_NUMBER " AND ");
    put_column(sql, d, column);
    tl_buf_put_str(sql, " < " HUGE_NUMBER " THEN CAST(");
    put_column(sql, d, column);
    tl_buf_put_str(sql, " AS DOUBLE PRECISION) END), ");
    put_count_where(sql, d, column, " = 'NaN'");
    tl_buf_put_str(sql, ", ");
    put_count_where(sql, d, column, " >= " HUGE_NUMBER);
    tl_buf_put_str(sql, ", ");
    put_count_where(sql, d, column, " <= -" HUGE_NUMBER);
}

static void put_figure(struct tl_buf *sql, const struct tl_known *d, const struct tl_figure *figure)
{
    switch (figure->kind) {
    case TL_FIGURE_ALIKE: /* these two have a statement of their own */
    case TL_FIGURE_OTHERS:
    case TL_FIGURE_ROWS: tl_buf_put_str(sql, "count(*)"); break;
    case TL_FIGURE_SUM: put_sum(sql, d, figure->columns[0]); break;
    case TL_FIGURE_NULLS: put_count_where(sql, d, figure->columns[0], " IS NULL"); break;
    case TL_FIGURE_LATEST: tl_buf_put_str(sql, "max(_end_ms)"); break;
    }
}

static void put_from_range(struct tl_buf *sql, const struct tl_known *d)
{
    bool holds_from = tl_merge_view_holds_from(d->windowed, d->ends_open);

    tl_buf_put_str(sql, " FROM ");
    tl_merge_view_put_name(sql, tl_buf_sv(&d->batch_table));
    tl_buf_put_str(sql, holds_from ? " WHERE _run = ?1 AND _end_ms >= ?2 AND _end_ms < ?3"
                                   : " WHERE _run = ?1 AND _end_ms > ?2 AND _end_ms <= ?3");
}

static enum tl_code read_alike(struct tl_store *store, const struct tl_known *d, int64_t run, int64_t from_ms, int64_t to_ms,
                               const struct tl_figure *figure, double *out, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    struct tl_buf sql;
    bool row = false;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "SELECT CAST(COALESCE(sum(n - 1), 0) AS BIGINT) FROM (SELECT count(*) AS n");
    put_from_range(&sql, d);
    for (uint32_t i = 0; i < figure->columns_count; i++) {
        tl_buf_put_str(&sql, " AND ");
        put_column(&sql, d, figure->columns[i]);
        tl_buf_put_str(&sql, " IS NOT NULL");
    }
    tl_buf_put_str(&sql, " GROUP BY ");
    tl_buf_put_str(&sql, d->windowed ? "_end_ms, _start_ms, " : "");
    for (uint32_t i = 0; i < figure->columns_count; i++) {
        tl_buf_put_str(&sql, i == 0 ? "" : ", ");
        put_column(&sql, d, figure->columns[i]);
    }
    tl_buf_put_str(&sql, " HAVING count(*) > 1) AS g");
    TL_TRY(tl_database_stream_text(store->database, &sql, &answer, err, "iii", run, from_ms, to_ms));
    TL_TRY(tl_answer_next(answer, &row, err));
    *out = (double)tl_answer_i64(answer, 0);
out:
    tl_answer_close(answer);
    tl_buf_done(&sql);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    const struct tl_value *x = a, *y = b;

    switch (tl_kind_form(x->kind)) {
    case TL_FORM_I64: return (x->i64 > y->i64) - (x->i64 < y->i64);
    case TL_FORM_F64: return (x->f64 > y->f64) - (x->f64 < y->f64);
    case TL_FORM_TEXT: break;
    }
    return tl_sv_cmp(x->sv, y->sv);
}

/* Each value and how often it is there; the list may be too long for a statement. NaN is none of it. */
static enum tl_code count_others(struct tl_answer *answer, enum tl_kind kind, const struct tl_value *sorted, size_t count,
                                 double *out, struct tl_err *err)
{
    bool row = false;
    enum tl_code rc;

    *out = 0;
    for (;;) {
        struct tl_value value = {.kind = kind};
        bool allowed;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        switch (tl_kind_form(kind)) {
        case TL_FORM_I64: value.i64 = tl_answer_i64(answer, 0); break;
        case TL_FORM_F64: value.f64 = tl_answer_f64(answer, 0); break;
        case TL_FORM_TEXT: value.sv = tl_answer_text(answer, 0); break;
        }
        allowed = count > 0 && !(tl_kind_form(kind) == TL_FORM_F64 && isnan(value.f64)) &&
                  bsearch(&value, sorted, count, sizeof *sorted, by_value) != NULL;
        if (!allowed)
            *out += (double)tl_answer_i64(answer, 1);
    }
out:
    return rc;
}

static enum tl_code read_others(struct tl_store *store, const struct tl_known *d, int64_t run, int64_t from_ms, int64_t to_ms,
                                const struct tl_figure *figure, double *out, struct tl_err *err)
{
    enum tl_kind kind = d->columns[figure->columns[0]].kind;
    size_t bytes = figure->allowed_count * sizeof(struct tl_value);
    struct tl_value *sorted = malloc(bytes + 1);
    struct tl_answer *answer = NULL;
    struct tl_buf sql;
    enum tl_code rc = TL_OK;

    tl_buf_init(&sql, 0);
    if (sorted == NULL)
        TL_TRY(tl_fail_memory(err, bytes));
    if (bytes > 0) {
        memcpy(sorted, figure->allowed, bytes);
        qsort(sorted, figure->allowed_count, sizeof *sorted, by_value);
    }
    tl_buf_put_str(&sql, "SELECT ");
    put_column(&sql, d, figure->columns[0]);
    tl_buf_put_str(&sql, ", count(*)");
    put_from_range(&sql, d);
    tl_buf_put_str(&sql, " AND ");
    put_column(&sql, d, figure->columns[0]);
    tl_buf_put_str(&sql, " IS NOT NULL GROUP BY ");
    put_column(&sql, d, figure->columns[0]);
    TL_TRY(tl_database_stream_text(store->database, &sql, &answer, err, "iii", run, from_ms, to_ms));
    TL_TRY(count_others(answer, kind, sorted, figure->allowed_count, out, err));
out:
    tl_answer_close(answer);
    tl_buf_done(&sql);
    free(sorted);
    return rc;
}

static double read_sum(struct tl_answer *answer, int at)
{
    double sum = tl_answer_null(answer, at) ? 0 : tl_answer_f64(answer, at);
    bool nan = tl_answer_i64(answer, at + 1) > 0;
    bool huge = tl_answer_i64(answer, at + 2) > tl_answer_i64(answer, at + 1); /* NaN is counted there, too */
    bool low = tl_answer_i64(answer, at + 3) > 0;

    if (nan || (huge && low))
        return (double)NAN;
    return huge ? (double)INFINITY : low ? -(double)INFINITY : sum;
}

static void read_figures(struct tl_answer *answer, const struct tl_figure *figures, size_t count, double *out)
{
    int at = 0;

    for (size_t i = 0; i < count; i++) {
        switch (figures[i].kind) {
        case TL_FIGURE_SUM:
            out[i] = read_sum(answer, at);
            at += 4;
            break;
        case TL_FIGURE_LATEST:
            out[i] = tl_answer_null(answer, at) ? -(double)INFINITY : (double)tl_answer_i64(answer, at);
            at++;
            break;
        case TL_FIGURE_ALIKE:
        case TL_FIGURE_ROWS:
        case TL_FIGURE_NULLS:
        case TL_FIGURE_OTHERS: out[i] = (double)tl_answer_i64(answer, at++); break;
        }
    }
}

enum tl_code tl_store_figures(struct tl_store *store, int64_t definition, int64_t run, int64_t from_ms, int64_t to_ms,
                              const struct tl_figure *figures, size_t count, double *out, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_answer *answer = NULL;
    struct tl_buf sql;
    bool mine = false, row = false;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_known_find(store, definition, &d, err));
    tl_buf_put_str(&sql, "SELECT ");
    for (size_t i = 0; i < count; i++) {
        tl_buf_put_str(&sql, i == 0 ? "" : ", ");
        put_figure(&sql, d, &figures[i]);
    }
    put_from_range(&sql, d);
    TL_TRY(tl_database_stream_text(store->database, &sql, &answer, err, "iii", run, from_ms, to_ms));
    TL_TRY(tl_answer_next(answer, &row, err));
    read_figures(answer, figures, count, out);
    tl_answer_close(answer);
    answer = NULL;
    for (size_t i = 0; i < count; i++) {
        if (figures[i].kind == TL_FIGURE_ALIKE)
            TL_TRY(read_alike(store, d, run, from_ms, to_ms, &figures[i], &out[i], err));
        if (figures[i].kind == TL_FIGURE_OTHERS)
            TL_TRY(read_others(store, d, run, from_ms, to_ms, &figures[i], &out[i], err));
    }
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    tl_buf_done(&sql);
    return rc;
}

/* ---- results ---- */

#define RESULT_COLUMN(kind, field, nulls)                                                                                        \
    {                                                                                                                            \
        kind, &results->field, sizeof *results, nulls                                                                            \
    }

enum tl_code tl_store_put_check_results(struct tl_store *store, const struct tl_check_result *results, size_t count,
                                        struct tl_err *err)
{
    uint8_t *nulls = calloc(3, count + 1), *low = nulls + count, *high = nulls + 2 * count;
    int64_t *passed = calloc(count + 1, sizeof *passed);
    enum tl_code rc = TL_OK;

    if (nulls == NULL || passed == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *passed));
    for (size_t i = 0; i < count; i++) {
        nulls[i] = (uint8_t)(isnan(results[i].measured) != 0);
        low[i] = (uint8_t)(isinf(results[i].low) != 0);
        high[i] = (uint8_t)(isinf(results[i].high) != 0);
        passed[i] = results[i].passed;
    }
    TL_TRY(tl_database_bulk(store->database, sql_put_results, "iiiitttiiffft",
                            (struct tl_bulk_column[]){
                                RESULT_COLUMN(TL_LAYOUT_I64, run, NULL),
                                RESULT_COLUMN(TL_LAYOUT_I64, definition, NULL),
                                RESULT_COLUMN(TL_LAYOUT_I64, from_ms, NULL),
                                RESULT_COLUMN(TL_LAYOUT_I64, to_ms, NULL),
                                RESULT_COLUMN(TL_LAYOUT_SV, check, NULL),
                                RESULT_COLUMN(TL_LAYOUT_SV, violation, NULL),
                                RESULT_COLUMN(TL_LAYOUT_SV, measure, NULL),
                                {TL_LAYOUT_I64, passed, sizeof *passed, NULL},
                                RESULT_COLUMN(TL_LAYOUT_I64, violations_count, NULL),
                                RESULT_COLUMN(TL_LAYOUT_F64, measured, nulls),
                                RESULT_COLUMN(TL_LAYOUT_F64, low, low),
                                RESULT_COLUMN(TL_LAYOUT_F64, high, high),
                                RESULT_COLUMN(TL_LAYOUT_SV, detail, NULL),
    },
                            count, err));
out:
    free(nulls);
    free(passed);
    return rc;
}

enum tl_code tl_store_past(struct tl_store *store, int64_t definition, int64_t after_ms, int64_t upto_ms,
                           enum tl_code (*each)(void *ctx, const struct tl_past_range *range, struct tl_err *err), void *ctx,
                           struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_past, &answer, err, "iii", definition, after_ms, upto_ms));
    for (;;) {
        struct tl_past_range range;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        range = (struct tl_past_range){tl_answer_i64(answer, 0), tl_answer_i64(answer, 1), tl_answer_i64(answer, 2),
                                       (uint64_t)tl_answer_i64(answer, 3)};
        TL_TRY(each(ctx, &range, err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_measured(struct tl_store *store, int64_t definition, int64_t run, int64_t from_ms, struct tl_sv measure,
                               bool *found, double *out, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_measured, &answer, err, "iiit", run, definition, from_ms, measure));
    TL_TRY(tl_answer_next(answer, found, err));
    if (*found)
        *out = tl_answer_f64(answer, 0);
out:
    tl_answer_close(answer);
    return rc;
}

/* ---- what is kept back ---- */

enum tl_code tl_store_staged(struct tl_store *store, int64_t run, int64_t definition,
                             enum tl_code (*each)(void *ctx, const struct tl_staged_range *range, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_staged, &answer, err, "ii", run, definition));
    for (;;) {
        struct tl_staged_range range;
        bool inside, begins, same_carry;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        range = (struct tl_staged_range){
            .from_ms = tl_answer_i64(answer, 0),
            .to_ms = tl_answer_i64(answer, 1),
            .rows_count = (uint64_t)tl_answer_i64(answer, 2),
            .kept = (enum tl_kept)tl_answer_i64(answer, 3),
            .published = !tl_answer_null(answer, 4),
        };
        inside = !tl_answer_null(answer, 5) && tl_answer_i64(answer, 5) < range.to_ms; /* of a published range */
        begins = !tl_answer_null(answer, 5) && tl_answer_i64(answer, 5) == range.to_ms;
        same_carry = tl_answer_i64(answer, 6) > 0;
        range.next_needs_it =
            inside || !same_carry; /* what begins here began with the carry; where nothing ends here it would leave a gap */
        range.needs_next = inside || (begins && !same_carry);
        TL_TRY(each(ctx, &range, err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_keep_back(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms, enum tl_kept kept,
                                struct tl_err *err)
{
    return tl_database_do(store->database, sql_keep_back, err, "iiii", run, definition, from_ms, (int64_t)kept);
}

enum tl_code tl_store_replace_kept(struct tl_store *store, int64_t run, struct tl_err *err)
{
    return tl_database_do(store->database, sql_replace_kept, err, "i", run);
}

enum tl_code tl_store_keepers(struct tl_store *store, enum tl_code (*each)(void *ctx, int64_t run, struct tl_err *err), void *ctx,
                              struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_keepers, &answer, err, ""));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_i64(answer, 0), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_first_kept(struct tl_store *store, int64_t definition, int64_t *from_ms, struct tl_err *err)
{
    bool found = false;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_first_kept, from_ms, &found, err, "i", definition));
    if (!found)
        *from_ms = INT64_MAX;
out:
    return rc;
}

/* ---- reading ---- */

static double or_else(struct tl_answer *answer, int column, double otherwise)
{
    return tl_answer_null(answer, column) ? otherwise : tl_answer_f64(answer, column);
}

static struct tl_check_result read_result(struct tl_answer *answer)
{
    return (struct tl_check_result){
        .run = tl_answer_i64(answer, 0),
        .definition = tl_answer_i64(answer, 1),
        .from_ms = tl_answer_i64(answer, 2),
        .to_ms = tl_answer_i64(answer, 3),
        .check = tl_answer_text(answer, 4),
        .violation = tl_answer_text(answer, 5),
        .measure = tl_answer_text(answer, 6),
        .passed = tl_answer_i64(answer, 7) != 0,
        .violations_count = (uint64_t)tl_answer_i64(answer, 8),
        .measured = or_else(answer, 9, (double)NAN),
        .low = or_else(answer, 10, -(double)INFINITY),
        .high = or_else(answer, 11, (double)INFINITY),
        .detail = tl_answer_text(answer, 12),
        .view = tl_answer_text(answer, 13),
    };
}

enum tl_code tl_store_failed_checks(struct tl_store *store, int64_t run,
                                    enum tl_code (*each)(void *ctx, const struct tl_check_result *result, struct tl_err *err),
                                    void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_failed, &answer, err, "i", run));
    for (;;) {
        struct tl_check_result result;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        result = read_result(answer);
        TL_TRY(each(ctx, &result, err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_checks(struct tl_store *store, struct tl_sv view, int64_t run,
                             enum tl_code (*each)(void *ctx, const struct tl_stored_check *check, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool mine = false, row = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_stream(store->database, sql_checks, &answer, err, "ti", view, run));
    for (;;) {
        struct tl_stored_check check;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        check = (struct tl_stored_check){
            .result = read_result(answer),
            .newest = tl_answer_i64(answer, 14) != 0,
            .kept = (enum tl_kept)tl_answer_i64(answer, 15),
            .published = tl_answer_i64(answer, 16),
            .accepted = tl_answer_text(answer, 17),
            .who = tl_answer_text(answer, 18),
            .reason = tl_answer_text(answer, 19),
        };
        TL_TRY(each(ctx, &check, err));
    }
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}
