/* sql_value.h: what an expression of a views file comes to, as text: the way to test functions as they are called.
 *
 * Text is shown in quotes, 'it''s'; NULL; TRUE and FALSE; numbers as CAST AS STRING writes them; timestamps as 2024-03-01 10:00:00.123,
 * TIMESTAMP_LTZ on the clock of UTC; ERROR NAME where the row fails in that function. */
#ifndef SQL_VALUE_H
#define SQL_VALUE_H

#include "base/buf.h"
#include "sql/catalog.h"

/* Functions with the files that tests have. Lives as long as the process. */
const struct tl_catalog *sql_value_catalog(void);

struct sql_value {
    char name[80]; /* a case's; empty: the expression says it all */
    char expression[400];
    char want[400];
};

/* The expression is an output of a view on a table with (id, host, url, ip STRING, n INT, big BIGINT, d DOUBLE, ok BOOLEAN, at TIMESTAMP(3),
 * ts TIMESTAMP_LTZ(3), which is the event time). The one event has id 'a', host 'www.example.com', url '/a/b?x=1', ip '203.0.113.7', n 7, big 5000000000, d 1.5, ok TRUE,
 * at 2024-03-01 10:00:00.123, and the same in UTC for ts.
 * Its value has to be `want` as it stands, and once more with each constant argument of a call taken out of the plan and put into a column
 * (unless the function wants it to be constant). */
void sql_value_check(const struct sql_value *c);
/* With SET 'table.local-time-zone'. */
void sql_value_check_in(const char *zone, const struct sql_value *c);
/* The value itself, as it stands. False: refused, and `out` holds what is said. */
bool sql_value_of(const char *zone, const char *expression, struct tl_buf *out);

#endif
