/* check.h: what a checks file means: row checks over a table's events, table checks over a view's new rows. Plain data in one arena.
 *
 *   ALTER TABLE events ADD CONSTRAINT has_host EXPECT (host IS NOT NULL) ON VIOLATION DROP ROW;
 *   ALTER VIEW hits_5m ADD CONSTRAINT volume EXPECT (ROW_COUNT BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS) ON VIOLATION FAIL UPDATE;
 *   ALTER VIEW hits_5m ADD CONSTRAINT sums   EXPECT (SUM(num_hits) BETWEEN 1 AND 1000000);
 *   ALTER VIEW hits_5m ADD CONSTRAINT nulls  EXPECT (NULL_SHARE(host) <= 0.01) ON VIOLATION FAIL UPDATE;
 *   ALTER VIEW hits_5m ADD CONSTRAINT one    EXPECT (UNIQUE (host));
 *   ALTER VIEW hits_5m ADD CONSTRAINT fresh  EXPECT (FRESHNESS <= INTERVAL '2' HOUR);
 *   ALTER VIEW hits_5m ADD CONSTRAINT known  EXPECT (host IN ('a.example', 'b.example'));
 *
 * Flink has no such statement, so checks stand in a file of their own; CHECKS.md has the language. Without ON VIOLATION a check warns.
 * Names of checks are unique in the file and end with a zero byte.
 * Source: the words are those of Databricks' expectations (CONSTRAINT ... EXPECT ... ON VIOLATION DROP ROW | FAIL UPDATE). */
#ifndef TL_CHECK_H
#define TL_CHECK_H

#include "sql/plan.h"

enum tl_violation { TL_VIOLATION_WARN, TL_VIOLATION_DROP_ROW /* row checks alone */, TL_VIOLATION_FAIL_UPDATE };
const char *tl_violation_name(enum tl_violation violation); /* "warn", "drop row", "fail update", as the store has them */

struct tl_row_check {
    struct tl_sv name;
    uint32_t source;          /* of the plan */
    struct tl_expr *expected; /* over the source's slots; BOOLEAN. FALSE is a violation, NULL is none (as SQL's CHECK) */
    enum tl_violation violation;
    struct tl_place place;
};

enum tl_measure {
    TL_MEASURE_ROW_COUNT,
    TL_MEASURE_SUM,        /* of `columns[0]`, a number */
    TL_MEASURE_NULL_SHARE, /* of `columns[0]`, 0 to 1 */
    TL_MEASURE_UNIQUE,     /* rows of a window with equal `columns`; none are expected */
    TL_MEASURE_FRESHNESS,  /* ms from the latest row's end to the range's end */
    TL_MEASURE_ALLOWED,    /* rows whose `columns[0]` is not among `allowed`; NULL is allowed */
};

struct tl_table_check {
    struct tl_sv name;
    uint32_t view; /* of the plan */
    enum tl_measure measure;
    uint32_t *columns; /* of the view's outputs */
    uint32_t columns_count;
    /* Inclusive: of whole numbers x < 5 is x <= 4, of others the largest double below 5 (then high_open, for those who read it). -INFINITY,
     * INFINITY: unbounded. With median_days in percent of the median. UNIQUE, ALLOWED: 0 to 0, the rows that violate it. */
    double low, high;
    bool low_open, high_open;
    uint32_t median_days; /* 0: bounds are absolute; else of the published ranges of the same length in the last so many days */
    struct tl_value *allowed; /* of the column's kind, as written; none of them is NULL */
    uint32_t allowed_count;
    enum tl_violation violation; /* WARN or FAIL_UPDATE */
    struct tl_place place;
};

struct tl_checks {
    struct tl_arena arena;
    char hash[33]; /* of the file's meaning: what runs are told apart by; "" where there is no file */
    struct tl_row_check *rows;
    uint32_t rows_count;
    struct tl_table_check *tables;
    uint32_t tables_count;
};

/* Reads, parses and binds the file against the plan of its views file; 'hosts.txt' of IN (FILE 'hosts.txt') lies beside it. Columns that only a
 * row check reads are added behind the others of the plan's sources (no definition's hash changes), so this comes before a core is opened.
 * TL_ERR_DEFINITION: as tl_plan_load. The plan must outlive the checks. */
TL_MUST_USE enum tl_code tl_checks_load(const char *path, struct tl_plan *plan, struct tl_checks **out, struct tl_err *err);
/* The same from text; `name` stands for the file in messages, and says where lists lie. */
TL_MUST_USE enum tl_code tl_checks_parse(struct tl_sv text, const char *name, struct tl_plan *plan, struct tl_checks **out,
                                         struct tl_err *err);
void tl_checks_close(struct tl_checks *checks);
/* What is expected, in SQL, without the words around it: "host IS NOT NULL", "ROW_COUNT BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS". */
void tl_row_check_print(const struct tl_plan *plan, const struct tl_row_check *check, struct tl_buf *out);
void tl_table_check_print(const struct tl_plan *plan, const struct tl_table_check *check, struct tl_buf *out);
/* What `tally explain --checks` prints: all of them, or those of a view and of the table that it reads. */
void tl_checks_print(const struct tl_checks *checks, const struct tl_plan *plan, const struct tl_view *view, struct tl_buf *out);

#endif
