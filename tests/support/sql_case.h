/* sql_case.h: a views file with a mistake, and what is to be said about it. */
#ifndef SQL_CASE_H
#define SQL_CASE_H

#include "sql/plan.h"

/* The table that most cases read: line 1. */
#define EVENTS                                                                                                                   \
    "CREATE TABLE t (id STRING, host STRING, n INT, big BIGINT, f FLOAT, d DOUBLE, ok BOOLEAN, at TIMESTAMP(3), "                \
    "ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);\n"

struct sql_mistake {
    char name[48];
    char sql[900];
    unsigned line, column;
    char what[200];
    char under[80]; /* what the carets stand under */
    char hint[240]; /* empty: none */
};

/* The file is refused with exactly this place, sentence, caret and hint. */
void sql_mistake_check(const struct sql_mistake *c);
/* The same of a checks file (checks.sql) for the file `views`. */
void checks_mistake_check(const struct sql_mistake *c, const char *views);
/* The plan of a file without a mistake; fails the test otherwise. */
struct tl_plan *sql_plan(const char *sql);

#endif
