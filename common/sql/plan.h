/* plan.h: what a views file means: sources, views, expressions, windows, aggregates. Plain data in one arena.
 *
 * Is:      the only thing that the core, the layers and the store know of a views file.
 * Is not:  text (ast.h has places and spelling), or code that runs (core/ runs it).
 *
 * Everything is resolved: temporary views and computed columns are inlined, types are decided, casts are explicit. */
#ifndef TL_PLAN_H
#define TL_PLAN_H

#include "base/arena.h"
#include "base/buf.h"
#include "event/log_place.h"
#include "event/schema.h"
#include "event/value.h"
#include "sql/catalog.h"

struct tl_zone; /* event/zone.h */

struct tl_place {
    uint32_t line, column; /* from 1; column counts characters; line 0: nowhere */
};

enum tl_expr_op {
    TL_EXPR_CONSTANT,
    TL_EXPR_SLOT, /* an input column: see the two slot spaces below */
    TL_EXPR_CALL, /* function over args; a cast is a call of "CAST" */
    TL_EXPR_AND,  /* two or more args, three-valued; later args are evaluated only where still undecided */
    TL_EXPR_OR,
    TL_EXPR_CASE,     /* args: condition, value, condition, value, ..., else (always there, NULL constant if unwritten) */
    TL_EXPR_COALESCE, /* first that is not NULL */
    TL_EXPR_AMONG,    /* args[0] is one of the constants of `state`, a struct tl_value_list: IN with a list from a file */
};

/* Values of one kind, none of them NULL, in the order of tl_value_order. */
struct tl_value_list {
    const struct tl_value *values;
    uint32_t count;
};

struct tl_expr {
    enum tl_expr_op op;
    enum tl_kind kind; /* of the result; never TL_NULL once bound */
    struct tl_value constant;
    uint32_t slot;
    const struct tl_function *function;
    const void *state; /* of function->prepare; AMONG: the list */
    struct tl_expr **args;
    uint32_t args_count;
    struct tl_place place;
};

/* Slots of a source: 0 .. fields_count-1 are schema.fields; this one is the event time, evaluated once per batch. */
#define TL_SLOT_EVENT_TIME UINT32_MAX
/* Slots of a group: window_start, window_end, window_time, closed_by (COUNT_WINDOW alone), then keys, then aggregates. */
enum { TL_SLOT_WINDOW_START, TL_SLOT_WINDOW_END, TL_SLOT_WINDOW_TIME, TL_SLOT_CLOSED_BY, TL_SLOT_KEYS };

struct tl_option_pair {
    struct tl_sv key, value;
    struct tl_place place;
};

struct tl_source {
    struct tl_sv name;              /* of the table */
    struct tl_sv topic;             /* 'topic' of its WITH clause, else the table's name; data NULL: it has a pattern */
    struct tl_sv topic_pattern;     /* 'topic-pattern': of all topics that it matches whole; data NULL: none */
    struct tl_sv dead_letter_topic; /* 'tally.dead-letter.topic'; empty: none */
    struct tl_log_place startup; /* 'scan.startup.mode': where a reader without a position begins; the log's start unless set */
    bool bounded;                /* 'scan.bounded.mode' */
    struct tl_log_place bound;   /* where a bounded one ends */
    const struct tl_option_pair
        *properties; /* 'properties.*' without that, as written; what they may be is the log's to say (log.h) */
    uint32_t properties_count;
    const struct tl_option_pair *options; /* the WITH clause as written */
    uint32_t options_count;
    struct tl_schema schema;    /* wanted physical columns only, dedup key and event time's inputs included */
    struct tl_sv time_name;     /* the column the watermark is for */
    enum tl_kind time_kind;     /* TL_TIMESTAMP or TL_TIMESTAMP_LTZ */
    struct tl_expr *time;       /* over schema slots: a physical column or a computed one */
    struct tl_expr *watermark;  /* over schema slots and TL_SLOT_EVENT_TIME; NULL result: no change */
    int64_t watermark_delay_ms; /* when the expression is time - INTERVAL: that interval; else INT64_MIN */
    int64_t idle_timeout_ms;    /* 0: never idle */
    int32_t dedup_slot;         /* schema slot of 'tally.dedup.key', -1: no deduplication */
};

enum tl_agg_kind {
    TL_AGG_COUNT_STAR,
    TL_AGG_COUNT,
    TL_AGG_SUM,
    TL_AGG_MIN,
    TL_AGG_MAX,
    TL_AGG_AVG,
    TL_AGG_STDDEV_POP,
    TL_AGG_STDDEV_SAMP,
    TL_AGG_VAR_POP,
    TL_AGG_VAR_SAMP,
    TL_AGG_FIRST_VALUE, /* by (event time, partition, offset, row), NULLs skipped */
    TL_AGG_LAST_VALUE,
    TL_AGG_LISTAGG, /* in that order too */
    TL_AGG_APPROX_COUNT_DISTINCT,
    TL_AGG_PERCENTILE,        /* exact, linear interpolation */
    TL_AGG_APPROX_PERCENTILE, /* from log-scale buckets */
    TL_AGG_WINDOW_FUNNEL,     /* longest chain of steps */
    TL_AGG_USER,              /* of a library: tl_agg_call.user says which */
};

/* Equal expressions among the arguments and filters of one view are one object: what is evaluated once can be told by its address. */
struct tl_agg_call {
    enum tl_agg_kind agg;
    struct tl_expr *
        *args; /* over source slots; none for COUNT(*). PERCENTILE: value [, frequency]; WINDOW_FUNNEL: time, step, step, ... */
    uint32_t args_count;
    struct tl_expr *where; /* FILTER (WHERE ...), or NULL */
    bool distinct;
    enum tl_kind kind;              /* of the result, by Flink's rules (semantics.md 7) */
    double point;                   /* PERCENTILE, APPROX_PERCENTILE: 0 to 1 */
    struct tl_sv separator;         /* LISTAGG */
    int64_t within_ms;              /* WINDOW_FUNNEL: from the first step to the last */
    const struct tl_function *user; /* USER */
};

enum tl_window_kind {
    TL_WINDOW_NONE,
    TL_WINDOW_TUMBLE,
    TL_WINDOW_HOP,
    TL_WINDOW_CUMULATE,
    TL_WINDOW_SESSION,
    TL_WINDOW_COUNT,
    TL_WINDOW_INNER, /* a view on a windowed view: the windows of the rows that it reads */
};

struct tl_window_spec {
    enum tl_window_kind window;
    int64_t size_ms;   /* > 0; SESSION: the gap; COUNT: the time-out */
    int64_t slide_ms;  /* HOP: the slide, CUMULATE: the step, both dividing size_ms; else equal to size_ms */
    int64_t offset_ms; /* TUMBLE, CUMULATE: |offset| < size, HOP: |offset| < slide */
    uint32_t rows_max; /* COUNT: rows of a whole window, >= 1 */
    /* Windows lie on the wall clock of this zone ('table.local-time-zone', where the time column is TIMESTAMP_LTZ). NULL: on UTC, or on the
     * clock of a TIMESTAMP column. */
    const struct tl_zone *zone;
};

struct tl_output {
    struct tl_sv name;
    enum tl_kind kind;
    struct tl_expr *expr; /* windowed: over group slots; without a window, and with inner_rows: over source slots */
};

/* A stored view: one definition. */
struct tl_view {
    struct tl_sv name, comment;
    struct tl_sv sql;        /* its statement as written */
    struct tl_sv normalised; /* the plan as text: what the hash is made of, and what explain prints */
    char hash[33];           /* XXH3-128 of `normalised`, hex, zero-terminated: the definition */
    uint32_t source;
    /* A view on a windowed view reads that one's final rows as its events: all that says "source slots" below then means the inner view's
     * outputs by number, and TL_SLOT_EVENT_TIME its window_time. -1: reads the source. The inner view stands before this one. */
    int32_t inner;
    struct tl_expr *filter; /* over source slots; NULL: all rows */
    struct tl_window_spec window;
    int64_t lateness_ms;   /* 'tally.allowed-lateness' as set where the view was created; TL_WINDOW_INNER: 0 */
    struct tl_expr **keys; /* over source slots; GROUP BY without the window columns */
    struct tl_sv *keys_name;
    uint32_t keys_count;
    bool inner_rows; /* TL_WINDOW_INNER without GROUP BY: a row for each row of the inner view, with its key; keys_count is 0 */
    struct tl_agg_call *aggs;
    uint32_t aggs_count;
    struct tl_expr *having;    /* over group slots; NULL: all groups */
    struct tl_output *outputs; /* the view's own columns, in their order */
    uint32_t outputs_count;
};

/* How long batch's ranges are, by the wall clock of 'table.local-time-zone'. Rows do not depend on it. */
enum tl_batch_range { TL_RANGE_DAY, TL_RANGE_HOUR, TL_RANGE_MONTH };

struct tl_settings {
    struct tl_sv time_zone;          /* 'table.local-time-zone' as tl_zone_name says it; "UTC" unless set */
    const struct tl_zone *zone;      /* the same; NULL: UTC */
    int64_t future_skew_max_ms;      /* 'tally.max-future-skew', 5 min */
    int64_t dedup_horizon_ms;        /* 'tally.dedup.horizon', 1 h of log timestamp */
    uint32_t dedup_ids_max;          /* 1,000,000 a partition */
    int64_t batch_grace_ms;          /* 'tally.batch-grace', 15 min */
    enum tl_batch_range batch_range; /* 'tally.batch-range', day */
    int64_t speed_retention_ms;      /* 'tally.speed-retention', 7 d */
    size_t event_bytes_max;          /* 'tally.max-event-bytes', 8 MiB */
};

struct tl_plan_notes; /* what explain says beside: where settings come from, the statements as written (bind.h) */

struct tl_plan {
    struct tl_arena arena;
    const struct tl_plan_notes *notes;
    struct tl_settings settings;
    struct tl_source *sources; /* only those that a stored view reads */
    uint32_t sources_count;
    struct tl_view *views;
    uint32_t views_count;
};

/* Reads, parses and binds the file. TL_ERR_DEFINITION: err->message holds file:line:column, the line, a caret and a hint;
 * nothing else is to be printed. `catalog` must outlive the plan. */
TL_MUST_USE enum tl_code tl_plan_load(const char *path, const struct tl_catalog *catalog, struct tl_plan **out,
                                      struct tl_err *err);
/* The same from text; `name` stands for the file in messages. */
TL_MUST_USE enum tl_code tl_plan_parse(struct tl_sv text, const char *name, const struct tl_catalog *catalog,
                                       struct tl_plan **out, struct tl_err *err);
void tl_plan_close(struct tl_plan *plan);
const struct tl_view *tl_plan_view(const struct tl_plan *plan, struct tl_sv name); /* NULL: no such view */
/* Refuses what stands in a WITH clause, as a mistake with its caret: under the value, or under the key. `pair` is of that source's options or
 * properties. */
TL_MUST_USE enum tl_code tl_plan_refuse(const struct tl_plan *plan, const struct tl_option_pair *pair, bool value,
                                        const char *hint, const char *what, struct tl_err *err);
/* What `tally explain` prints. */
void tl_plan_print(const struct tl_plan *plan, struct tl_buf *out);
/* Same meaning, node by node. */
bool tl_expr_same(const struct tl_expr *a, const struct tl_expr *b);
/* The expression in SQL, normalised: what error texts and `normalised` are made of. */
void tl_expr_print(const struct tl_expr *expr, const struct tl_source *source, const struct tl_view *view, struct tl_buf *out);

/* Event times whose windows are [start, end) with this end: TUMBLE's arithmetic, also below zero (semantics.md 1.1). */
int64_t tl_window_start_ms(int64_t time_ms, int64_t offset_ms, int64_t size_ms);

#endif
