/* merge_view.c: writes the SQL VIEW that joins <view>_batch and <view>_speed at the time boundary.
 *
 * Which rows of <view>_batch are published is asked row by row: a lookup of the first range that ends at or after the row, and whether
 * it points to the row's run. A join of the ranges with the table would read the same rows with fewer lookups, but then a query for one
 * hour walks through all ranges of a run that published many (SQLite takes one lower bound per column into the index: the range's or
 * the query's, never both). The runs are listed first, so that the primary key (_run, _end_ms, ...) serves the query's own range. */
#include "store/merge_view.h"

static void put_quoted(struct tl_buf *out, struct tl_sv text, char quote)
{
    tl_buf_put_u8(out, (uint8_t)quote);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == quote)
            tl_buf_put_u8(out, (uint8_t)quote);
        tl_buf_put_u8(out, (uint8_t)text.data[i]);
    }
    tl_buf_put_u8(out, (uint8_t)quote);
}

void tl_merge_view_put_name(struct tl_buf *out, struct tl_sv name)
{
    put_quoted(out, name, '"');
}

void tl_merge_view_put_text(struct tl_buf *out, struct tl_sv text)
{
    put_quoted(out, text, '\'');
}

void tl_merge_view_put_ms_name(struct tl_buf *out, struct tl_sv name)
{
    tl_buf_put_str(out, "\"_ms_");
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '"')
            tl_buf_put_u8(out, '"');
        tl_buf_put_u8(out, (uint8_t)name.data[i]);
    }
    tl_buf_put_u8(out, '"');
}

/* A comparison that the planner should not prefer to the query's own range. */
static void put_hint(struct tl_buf *out, enum tl_dialect dialect)
{
    if (dialect == TL_DIALECT_SQLITE)
        tl_buf_put_str(out, "likely");
}

static void put_columns(struct tl_buf *out, const struct tl_merge_view *view, enum tl_layer layer)
{
    for (uint32_t i = 0; i < view->columns_count; i++) {
        tl_merge_view_put_name(out, view->columns[i].name);
        tl_buf_put_str(out, ", ");
    }
    if (layer == TL_LAYER_BATCH)
        tl_buf_put_str(out, "'batch' AS _layer, 1 AS _final");
    else if (layer == TL_LAYER_SPEED)
        tl_buf_printf(
            out,
            "'speed' AS _layer, CASE WHEN _end_ms <= (SELECT g.final_ms FROM tally_progress AS g WHERE g.definition = %lld) "
            "THEN 1 ELSE 0 END AS _final",
            (long long)view->definition);
    else
        tl_buf_put_str(out, "_layer, _final");
    tl_buf_put_str(out, ", _start_ms, _end_ms");
    for (uint32_t i = 0; i < view->columns_count; i++) {
        const struct tl_shape_column *column = &view->columns[i];

        if (tl_merge_view_is_time(column->kind) && !tl_merge_view_is_window(column->role)) {
            tl_buf_put_str(out, ", ");
            tl_merge_view_put_ms_name(out, column->name);
        }
    }
    if (!view->windowed)
        tl_buf_put_str(out, ", _partition, _offset, _row");
}

static void put_boundary(struct tl_buf *out, const struct tl_merge_view *view)
{
    tl_buf_printf(out, "(SELECT g.boundary_ms FROM tally_progress AS g WHERE g.definition = %lld)", (long long)view->definition);
}

/* The run that the range around `row` points to, NULL where nothing is published. A range of windows is (from, to] of their ends, one
 * of single events [from, to) of their times. */
static void put_run_of(struct tl_buf *out, const struct tl_merge_view *view, const char *row)
{
    tl_buf_printf(
        out,
        "(SELECT CASE WHEN p.from_ms %s %s._end_ms THEN p.run END FROM tally_pointer AS p WHERE p.definition = %lld AND "
        "p.to_ms %s %s._end_ms ORDER BY p.to_ms LIMIT 1)",
        view->windowed ? "<" : "<=", row, (long long)view->definition, view->windowed ? ">=" : ">", row);
}

void tl_merge_view_put_read_by_run(struct tl_buf *out, const struct tl_merge_view *view, const char *row)
{
    tl_buf_printf(out, "%s._offset < COALESCE((SELECT o.next_offset FROM tally_run_offset AS o WHERE o.run = ", row);
    put_run_of(out, view, row);
    tl_buf_put_str(out, " AND o.topic = ");
    tl_merge_view_put_text(out, view->topic);
    tl_buf_printf(out, " AND o.partition = %s._partition), 0)", row);
}

static void put_batch(struct tl_buf *out, const struct tl_merge_view *view)
{
    tl_buf_put_str(out, "SELECT ");
    put_columns(out, view, TL_LAYER_BATCH);
    tl_buf_put_str(out, " FROM ");
    tl_merge_view_put_name(out, view->batch_table);
    tl_buf_printf(out, " AS b WHERE b._run IN (SELECT p.run FROM tally_pointer AS p WHERE p.definition = %lld) AND +b._run = ",
                  (long long)view->definition);
    put_run_of(out, view, "b");
}

static void put_speed(struct tl_buf *out, const struct tl_merge_view *view)
{
    tl_buf_put_str(out, "SELECT ");
    put_columns(out, view, TL_LAYER_SPEED);
    tl_buf_put_str(out, " FROM ");
    tl_merge_view_put_name(out, view->speed_table);
    tl_buf_put_str(out, " AS s");
}

void tl_merge_view_put(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view)
{
    tl_buf_put_str(out, "CREATE VIEW ");
    tl_merge_view_put_name(out, view->view);
    tl_buf_put_str(out, " AS ");
    put_batch(out, view);
    tl_buf_put_str(out, " AND ");
    put_hint(out, dialect);
    tl_buf_printf(out, "(b._end_ms %s ", view->windowed ? "<=" : "<");
    put_boundary(out, view);
    tl_buf_put_str(out, ") UNION ALL ");
    put_speed(out, view);
    if (view->windowed) {
        tl_buf_put_str(out, " WHERE ");
        put_hint(out, dialect);
        tl_buf_put_str(out, "(s._end_ms > ");
        put_boundary(out, view);
        tl_buf_put_str(out, ")");
        return;
    }
    tl_buf_put_str(out, " WHERE NOT (s._end_ms < ");
    put_boundary(out, view);
    tl_buf_put_str(out, " AND ");
    tl_merge_view_put_read_by_run(out, view, "s");
    tl_buf_put_str(out, ")");
}

void tl_merge_view_put_layer(struct tl_buf *out, const struct tl_merge_view *view, enum tl_layer layer)
{
    if (layer == TL_LAYER_BATCH) {
        put_batch(out, view);
    } else if (layer == TL_LAYER_SPEED) {
        put_speed(out, view);
    } else {
        tl_buf_put_str(out, "SELECT ");
        put_columns(out, view, TL_LAYER_MERGED);
        tl_buf_put_str(out, " FROM ");
        tl_merge_view_put_name(out, view->view);
    }
}
