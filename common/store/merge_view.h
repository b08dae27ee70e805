/* merge_view.h: the text of the SQL VIEW that serves each window once: batch up to the time boundary, speed after it.
 *
 * Is:      text only; it reads boundary, pointer and final_ms from the tally_ tables at the moment of the query, so a publication or
 *          a tick changes what it shows without making it anew. The two databases differ in a hint and in how a time is
 *          written (enum tl_dialect).
 * Is not:  a place that runs SQL.
 *
 * Columns: the view's own in their order (times as ISO text; in PostgreSQL timestamptz, TIMESTAMP without a zone as timestamp), then
 *   _layer     'batch' or 'speed'
 *   _final     1 (true): will not change until a later run or rollback; 0 (false): may still grow
 *   _start_ms, _end_ms   the window as instants; without a window both are the event time. _end_ms is what to cut ranges by: indexed
 *   _ms_<name> for each column of the view's own that holds a time: milliseconds since 1970
 *   _partition, _offset, _row   without a window: which event
 *
 * A published range is (from, to] of its rows' ends, or [from, to): tl_merge_view_holds_from.
 *
 * A row of a window is served by batch when it stands in the run that its range points to and _end_ms <= B; by speed when
 * _end_ms > B. Where each key has a boundary of its own (sessions, count windows), B_k is the key's row of tally_cut, else B, and a row is
 * served by batch when _end_ms <= B_k, by speed when _start_ms >= B_k (cut.h). A row without a window is served by batch when it stands in the run that [from, to) points to and its event time < B;
 * by speed unless its event time < B and its offset lies below the one up to which that run had read its partition.
 * Source: design.md "serving", semantics.md 10.3. */
#ifndef TL_MERGE_VIEW_H
#define TL_MERGE_VIEW_H

#include "base/buf.h"
#include "event/rows.h"
#include "store/store.h"

enum tl_dialect {
    TL_DIALECT_SQLITE, /* likely(x): a hint that x cuts little away, so that a range which the query asks for is looked up instead */
    TL_DIALECT_POSTGRES, /* has statistics for that */
};

struct tl_merge_view {
    int64_t definition;
    struct tl_sv view, topic, speed_table, batch_table; /* bare names */
    bool by_pattern; /* `topic` is a pattern: tally_topic says which topic a row's partition is of */
    bool windowed, cut_per_key, ends_open;
    uint32_t key_tail_bytes; /* as in the shape */
    const struct tl_shape_column *columns;
    uint32_t columns_count;
};

/* CREATE VIEW ... AS ... */
void tl_merge_view_put(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view);
/* Its pieces, for who puts a SELECT together himself. A layer's rows go by the alias b (batch) or s (speed):
 * " FROM <table> AS b WHERE "; that a row of batch is published; that the merged view serves such a row, or one of speed, and not the other
 * layer's; what stands in _layer and _final. */
void tl_merge_view_put_from(struct tl_buf *out, const struct tl_merge_view *view, enum tl_layer layer);
void tl_merge_view_put_published(struct tl_buf *out, const struct tl_merge_view *view);
void tl_merge_view_put_served(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, enum tl_layer layer);
void tl_merge_view_put_layer_name(struct tl_buf *out, enum tl_dialect dialect, enum tl_layer layer);
void tl_merge_view_put_final(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, enum tl_layer layer);

/* A condition on the row of speed's table that goes by the alias `row`, of a view without a window: the published run of the row's range
 * had read it. */
void tl_merge_view_put_read_by_run(struct tl_buf *out, const struct tl_merge_view *view, const char *row);

/* A condition on the row `o` of tally_run_offset: it is about the partition that `partition` is an expression for. Imports are not asked for:
 * speed has none. */
void tl_merge_view_put_is_offset_of(struct tl_buf *out, const struct tl_merge_view *view, const char *partition);

/* What stands in a unique index instead of a key: PostgreSQL's B-tree takes some 2,700 bytes and no more, and who sends a long URL must not be
 * able to stop a tick. */
#define TL_POSTGRES_INDEXED(key) "(CASE WHEN octet_length(" key ") > 1000 THEN sha256(" key ") ELSE " key " END)"
void tl_merge_view_put_indexed(struct tl_buf *out, enum tl_dialect dialect, const char *key);
/* Are two keys the same? By that index. */
void tl_merge_view_put_same_key(struct tl_buf *out, enum tl_dialect dialect, const char *one, const char *other);

/* The key that the rows of one key share, of the row that goes by the alias `row` (NULL: without one, as an index wants it). */
void tl_merge_view_put_key(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, const char *row);
/* Is it the key that `other` stands for? */
void tl_merge_view_put_has_key(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, const char *row,
                               const char *other);
/* Its time boundary B_k; of cut_per_key only. */
void tl_merge_view_put_cut(struct tl_buf *out, enum tl_dialect dialect, const struct tl_merge_view *view, const char *row);
/* The run that the published range around the row `row` points to; NULL where nothing is published. */
void tl_merge_view_put_run_of(struct tl_buf *out, const struct tl_merge_view *view, const char *row);

/* The one place where an identifier is quoted, and the one for a text constant. */
void tl_merge_view_put_name(struct tl_buf *out, struct tl_sv name);
void tl_merge_view_put_text(struct tl_buf *out, struct tl_sv text);
/* The stored form of a column that holds a time: "_ms_<name>". */
void tl_merge_view_put_ms_name(struct tl_buf *out, struct tl_sv name);

/* Whether a published range is [from, to) of its rows' ends, and not (from, to]: single events, whose end is their time; and where a
 * session may end at `to` and is carried, for an event at that instant still joins it (semantics.md 5.9; ends_open in the shape). */
static inline bool tl_merge_view_holds_from(bool windowed, bool ends_open)
{
    return !windowed || ends_open;
}
static inline bool tl_merge_view_is_time(enum tl_kind kind)
{
    return kind == TL_TIMESTAMP || kind == TL_TIMESTAMP_LTZ;
}
static inline bool tl_merge_view_is_window(enum tl_column_role role)
{
    return role == TL_ROLE_WINDOW_START || role == TL_ROLE_WINDOW_END || role == TL_ROLE_WINDOW_TIME;
}

#endif
