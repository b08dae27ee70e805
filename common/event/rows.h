/* rows.h: a view's result rows as columns, and the shape of such rows: what core gives, the store keeps, reconcile compares. */
#ifndef TL_ROWS_H
#define TL_ROWS_H

#include "event/value.h"

enum tl_column_role {
    TL_ROLE_VALUE,
    TL_ROLE_KEY,          /* a bare GROUP BY column */
    TL_ROLE_WINDOW_START, /* equals start_ms: need not be stored again */
    TL_ROLE_WINDOW_END,
    TL_ROLE_WINDOW_TIME, /* end_ms - 1 */
};

/* What speed has to keep of a definition beside its rows, so that a restart finds it: accumulators that belong to no row of their own. */
enum tl_state_form {
    TL_STATE_IN_ROWS, /* TUMBLE: a row's accumulators are the state */
    TL_STATE_BESIDE,  /* slices, sessions, count windows, and where HAVING hides rows: struct tl_states */
};

/* Where an event's row, or the first event of a COUNT_WINDOW, stands in the log, as bytes of a key (core/partial.h, tl_event_key). */
enum { TL_EVENT_KEY_BYTES = 16 };

struct tl_shape_column {
    struct tl_sv name;
    enum tl_kind kind;
    enum tl_column_role role;
};

/* One definition of a view as the store needs it. */
struct tl_shape {
    struct tl_sv view;
    const char *hash; /* 32 hex digits */
    struct tl_sv comment, normalised, topic;
    bool by_pattern; /* `topic` is the pattern of 'topic-pattern' */
    bool windowed;   /* false: one row per event; start_ms = end_ms = event time */
    enum tl_state_form state;
    bool cut_per_key; /* sessions and count windows: the time boundary is a key's own (semantics.md 10.3) */
    bool ends_open;   /* a row that ends at the bound of a range belongs to the range behind it */
    /* Of cut_per_key: so many bytes at the end of a row's key are no part of the key but tell its rows apart where start and end do not
     * (COUNT_WINDOW: the place of the first event, semantics.md 6.4). */
    uint32_t key_tail_bytes;
    int64_t lateness_ms;
    const struct tl_shape_column *columns; /* the view's own, in their order */
    uint32_t columns_count;
};

/* Rows of one definition. Identity: (end_ms, start_ms, key). `key` is the group's key in the form of tl_value_put_key; for a view
 * without a window it is partition (u32), offset (i64, its sign flipped), row (u32), big-endian, and the three stand in columns of their own too. */
struct tl_rows {
    uint32_t count;
    const int64_t *start_ms, *end_ms; /* instants */
    const struct tl_sv *key;
    const struct tl_sv *accumulators; /* byte form of the group (agg.h); empty without a window */
    const struct tl_vec *columns;     /* as many as the shape has; roles WINDOW_* are filled too */
    const uint32_t *partition, *row;  /* without a window only, else NULL */
    const int64_t *offset;
};

/* State beside the rows. Identity: (start_ms, end_ms, key), all three the core's own business. Empty bytes: it is gone. */
struct tl_states {
    uint32_t count;
    const int64_t *start_ms, *end_ms;
    const struct tl_sv *key, *bytes;
};

#endif
