/* merge_view.c: writes the SQL VIEW that joins <view>_batch and <view>_speed at the time boundary.
 *
 * Which rows of <view>_batch are published is asked row by row: a lookup of the first range that ends at or after the row, and whether
 * it points to the row's run. A join of the ranges with the table would read the same rows with fewer lookups, but then a query for one
 * hour walks through all ranges of a run that published many (SQLite takes one lower bound per column into the index: the range's or
 * the query's, never both). The runs are listed first, so that the primary key (_run, _end_ms, ...) serves the query's own range. */
#include "store/merge_view.h"

#include <stdio.h>

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

/* PostgreSQL's times reach from 4714 BC to 294276 AD, ours further: what lies outside is infinity there, and breaks no query. */
#define POSTGRES_MIN_MS "-210866803200000"
#define POSTGRES_END_MS "9224318016000000"

/* A time as people read it: ISO text; in PostgreSQL a timestamptz, or a timestamp where it is a wall clock's. Computed here and not by a
 * generated column of the table: SQLite computes those at each INSERT too, virtual ones as well, and two of them cost 40% of the rows per
 * second. `ms` is an expression. */
static void put_time(struct tl_buf *out, enum tl_dialect dialect, const char *ms, bool wall_clock)
{
    const char *type = wall_clock ? "timestamp" : "timestamptz";

    if (dialect == TL_DIALECT_SQLITE) {
        tl_buf_printf(out, "strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', %s / 1000.0, 'unixepoch')", ms);
        return;
    }
    tl_buf_printf(out,
                  "CASE WHEN %s >= " POSTGRES_END_MS " THEN 'infinity'::%s WHEN %s < " POSTGRES_MIN_MS
                  " THEN '-infinity'::%s ELSE (to_timestamp(%s / 1000) + %s %% 1000 * interval '1 millisecond')%s END",
                  ms, type, ms, type, ms, ms, wall_clock ? " AT TIME ZONE 'UTC'" : "");
}

static void put_column(struct tl_buf *out, enum tl_dialect dialect, const struct tl_shape_column *column)
{
    struct tl_buf ms;

    if (column->role == TL_ROLE_WINDOW_START) {
        put_time(out, dialect, "_start_ms", false);
    } else if (column->role == TL_ROLE_WINDOW_END) {
        put_time(out, dialect, "_end_ms", false);
    } else if (column->role == TL_ROLE_WINDOW_TIME) {
        put_time(out, dialect, "(_end_ms - 1)", false);
    } else if (tl_merge_view_is_time(column->kind)) {
        tl_buf_init(&ms, 0);
        tl_merge_view_put_ms_name(&ms, column->name);
        tl_buf_put_u8(&ms, '\0');
        if (ms.failed)
            out->failed = true;
        else
            put_time(out, dialect, ms.data, column->kind == TL_TIMESTAMP);
        tl_buf_done(&ms);
    }
    if (tl_merge_view_is_window(column->role) || tl_merge_view_is_time(column->kind))
        tl_buf_put_str(out, " AS ");
    tl_merge_view_put_name(out, column->name);
    tl_buf_put_str(out, ", ");
}

void tl_merge_view_put_layer_name(struct tl_buf *out, enum tl_dialect dialect, enum tl_layer layer)
{
    tl_buf_put_str(out, layer == TL_LAYER_BATCH ? "'batch'" : "'speed'");
    if (dialect == TL_DIALECT_POSTGRES)
        tl_buf_put_str(out, "::text");
}

void tl_merge_view_put_final(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, enum tl_layer layer)
{
    bool sqlite = dialect == TL_DIALECT_SQLITE;

    if (layer == TL_LAYER_BATCH) {
        tl_buf_put_str(out, sqlite ? "1" : "TRUE");
        return;
    }
    tl_buf_printf(out, "%s_end_ms <= (SELECT g.final_ms FROM tally_progress AS g WHERE g.definition = %lld)%s",
                  sqlite ? "CASE WHEN " : "", (long long)view->definition, sqlite ? " THEN 1 ELSE 0 END" : "");
}

static void put_columns(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, enum tl_layer layer)
{
    for (uint32_t i = 0; i < view->columns_count; i++)
        put_column(out, dialect, &view->columns[i]);
    tl_merge_view_put_layer_name(out, dialect, layer);
    tl_buf_put_str(out, " AS _layer, ");
    tl_merge_view_put_final(out, dialect, view, layer);
    tl_buf_put_str(out, " AS _final");
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

void tl_merge_view_put_indexed(struct tl_buf *out, enum tl_dialect dialect, const char *key)
{
    if (dialect == TL_DIALECT_SQLITE)
        tl_buf_put_str(out, key);
    else
        tl_buf_printf(out, TL_POSTGRES_INDEXED("%s"), key, key, key);
}

void tl_merge_view_put_same_key(struct tl_buf *out, enum tl_dialect dialect, const char *one, const char *other)
{
    if (dialect == TL_DIALECT_POSTGRES) {
        tl_merge_view_put_indexed(out, dialect, one);
        tl_buf_put_str(out, " = ");
        tl_merge_view_put_indexed(out, dialect, other);
        tl_buf_put_str(out, " AND ");
    }
    tl_buf_printf(out, "%s = %s", one, other);
}

void tl_merge_view_put_key(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, const char *row)
{
    const char *alias = row == NULL ? "" : row, *dot = row == NULL ? "" : ".";

    if (view->key_tail_bytes == 0)
        tl_buf_printf(out, "%s%s_key", alias, dot);
    else
        tl_buf_printf(out,
                      dialect == TL_DIALECT_SQLITE ? "substr(%s%s_key, 1, length(%s%s_key) - %u)"
                                                   : "substring(%s%s_key FROM 1 FOR octet_length(%s%s_key) - %u)",
                      alias, dot, alias, dot, view->key_tail_bytes);
}

void tl_merge_view_put_has_key(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, const char *row,
                               const char *other)
{
    struct tl_buf key;

    tl_buf_init(&key, 0);
    tl_merge_view_put_key(&key, dialect, view, row);
    tl_buf_put_u8(&key, '\0');
    if (key.failed)
        out->failed = true;
    else
        tl_merge_view_put_same_key(out, dialect, other, key.data);
    tl_buf_done(&key);
}

void tl_merge_view_put_cut(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, const char *row)
{
    tl_buf_printf(out, "COALESCE((SELECT c.cut_ms FROM tally_cut AS c WHERE c.definition = %lld AND ",
                  (long long)view->definition);
    tl_merge_view_put_has_key(out, dialect, view, row, "c.\"key\"");
    tl_buf_put_str(out, "), ");
    put_boundary(out, view);
    tl_buf_put_str(out, ")");
}

void tl_merge_view_put_run_of(struct tl_buf *out, const struct tl_merge_view *view, const char *row)
{
    bool holds_from = tl_merge_view_holds_from(view->windowed, view->ends_open);

    tl_buf_printf(
        out,
        "(SELECT CASE WHEN p.from_ms %s %s._end_ms THEN p.run END FROM tally_pointer AS p WHERE p.definition = %lld AND "
        "p.to_ms %s %s._end_ms ORDER BY p.to_ms LIMIT 1)",
        holds_from ? "<=" : "<", row, (long long)view->definition, holds_from ? ">" : ">=", row);
}

void tl_merge_view_put_is_offset_of(struct tl_buf *out, const struct tl_merge_view *view, const char *partition)
{
    tl_buf_put_str(out, "o.topic = ");
    if (view->by_pattern) {
        tl_buf_printf(out, "(SELECT t.topic FROM tally_topic AS t WHERE t.number = %s >> 16) AND o.partition = (%s & 65535)",
                      partition, partition);
        return;
    }
    tl_merge_view_put_text(out, view->topic);
    tl_buf_printf(out, " AND o.partition = %s", partition);
}

void tl_merge_view_put_read_by_run(struct tl_buf *out, const struct tl_merge_view *view, const char *row)
{
    char partition[40];

    tl_buf_printf(out, "%s._offset < COALESCE((SELECT o.next_offset FROM tally_run_offset AS o WHERE o.run = ", row);
    tl_merge_view_put_run_of(out, view, row);
    tl_buf_put_str(out, " AND ");
    snprintf(partition, sizeof partition, "%s._partition", row);
    tl_merge_view_put_is_offset_of(out, view, partition);
    tl_buf_put_str(out, "), 0)");
}

/* No row of speed that ends at or before it is served. It says nothing new, but it is what a query without a range of its own looks speed's
 * rows up by; one lookup, in the index of tally_cut by cut_ms. */
static void put_lowest_cut(struct tl_buf *out, const struct tl_merge_view *view)
{
    tl_buf_printf(out, "COALESCE((SELECT MIN(c.cut_ms) FROM tally_cut AS c WHERE c.definition = %lld), ",
                  (long long)view->definition);
    put_boundary(out, view);
    tl_buf_put_str(out, ")");
}

void tl_merge_view_put_published(struct tl_buf *out, const struct tl_merge_view *view)
{
    tl_buf_printf(out, "b._run IN (SELECT p.run FROM tally_pointer AS p WHERE p.definition = %lld) AND b._run = ",
                  (long long)view->definition);
    tl_merge_view_put_run_of(out, view, "b");
}

static void put_batch_served(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view)
{
    put_hint(out, dialect);
    tl_buf_printf(out, "(b._end_ms %s ",
                  view->cut_per_key || !tl_merge_view_holds_from(view->windowed, view->ends_open) ? "<=" : "<");
    if (view->cut_per_key)
        tl_merge_view_put_cut(out, dialect, view, "b");
    else
        put_boundary(out, view);
    tl_buf_put_str(out, ")");
}

static void put_speed_served(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view)
{
    if (view->cut_per_key) {
        put_hint(out, dialect);
        tl_buf_put_str(out, "(s._end_ms > ");
        put_lowest_cut(out, view);
        tl_buf_put_str(out, ") AND ");
        put_hint(out, dialect);
        tl_buf_put_str(out, "(s._start_ms >= ");
        tl_merge_view_put_cut(out, dialect, view, "s");
        tl_buf_put_str(out, ")");
    } else if (view->windowed) {
        put_hint(out, dialect);
        tl_buf_printf(out, "(s._end_ms %s ", view->ends_open ? ">=" : ">");
        put_boundary(out, view);
        tl_buf_put_str(out, ")");
    } else {
        tl_buf_put_str(out, "NOT (s._end_ms < ");
        put_boundary(out, view);
        tl_buf_put_str(out, " AND ");
        tl_merge_view_put_read_by_run(out, view, "s");
        tl_buf_put_str(out, ")");
    }
}

void tl_merge_view_put_served(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, enum tl_layer layer)
{
    (layer == TL_LAYER_BATCH ? put_batch_served : put_speed_served)(out, dialect, view);
}

void tl_merge_view_put_from(struct tl_buf *out, const struct tl_merge_view *view, enum tl_layer layer)
{
    tl_buf_put_str(out, " FROM ");
    tl_merge_view_put_name(out, layer == TL_LAYER_BATCH ? view->batch_table : view->speed_table);
    tl_buf_put_str(out, layer == TL_LAYER_BATCH ? " AS b WHERE " : " AS s WHERE ");
}

void tl_merge_view_put(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view)
{
    tl_buf_put_str(out, "CREATE VIEW ");
    tl_merge_view_put_name(out, view->view);
    tl_buf_put_str(out, " AS SELECT ");
    put_columns(out, dialect, view, TL_LAYER_BATCH);
    tl_merge_view_put_from(out, view, TL_LAYER_BATCH);
    tl_merge_view_put_published(out, view);
    tl_buf_put_str(out, " AND ");
    tl_merge_view_put_served(out, dialect, view, TL_LAYER_BATCH);
    tl_buf_put_str(out, " UNION ALL SELECT ");
    put_columns(out, dialect, view, TL_LAYER_SPEED);
    tl_merge_view_put_from(out, view, TL_LAYER_SPEED);
    tl_merge_view_put_served(out, dialect, view, TL_LAYER_SPEED);
}
