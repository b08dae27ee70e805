/* checks_fuzz.c: any bytes as a checks file: checks or one mistake with its place, never a crash.
 *
 * Checks that were made can be printed and mean the same again; no definition of the views changes, and every column that they read is there. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/function.h"
#include "sql/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char views[] =
    "CREATE TABLE t (id STRING, host STRING, n INT, big BIGINT, f FLOAT, d DOUBLE, ok BOOLEAN, at TIMESTAMP(3), ts "
    "TIMESTAMP_LTZ(3),"
    " lower AS LOWER(host), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);"
    "CREATE VIEW v AS SELECT window_start, window_end, host, COUNT(*) AS c, AVG(d) AS mean, MAX(at) AS latest FROM"
    " TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, host;"
    "CREATE VIEW w AS SELECT n, ok FROM t WHERE ok;";

static void check(bool good)
{
    if (!good)
        abort();
}

static struct tl_plan *plan_make(void)
{
    struct tl_plan *plan = NULL;
    struct tl_err err;

    check(tl_plan_parse(TL_SV(views), "views.sql", tl_function_catalog(), &plan, &err) == TL_OK);
    return plan;
}

static void slots_check(const struct tl_expr *expr, uint32_t fields_count)
{
    check(expr->op != TL_EXPR_SLOT || expr->slot == TL_SLOT_EVENT_TIME || expr->slot < fields_count);
    for (uint32_t i = 0; i < expr->args_count; i++)
        slots_check(expr->args[i], fields_count);
}

static void meaning_check(struct tl_sv text, struct tl_plan *plan, const struct tl_checks *checks)
{
    struct tl_plan *other = plan_make(), *plain = plan_make();
    struct tl_checks *again = NULL;
    struct tl_err err;
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_checks_print(checks, plan, NULL, &out);
    check(!out.failed);
    tl_buf_done(&out);
    check(checks->rows_count + checks->tables_count > 0);
    for (uint32_t c = 0; c < checks->rows_count; c++)
        slots_check(checks->rows[c].expected, plan->sources[checks->rows[c].source].schema.fields_count);
    for (uint32_t c = 0; c < checks->tables_count; c++)
        for (uint32_t i = 0; i < checks->tables[c].columns_count; i++)
            check(checks->tables[c].columns[i] < plan->views[checks->tables[c].view].outputs_count);
    check(tl_checks_parse(text, "again.sql", other, &again, &err) == TL_OK && strcmp(again->hash, checks->hash) == 0);
    for (uint32_t v = 0; v < plan->views_count; v++)
        check(strcmp(plan->views[v].hash, plain->views[v].hash) == 0);
    tl_checks_close(again);
    tl_plan_close(other);
    tl_plan_close(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_plan *plan = plan_make();
    struct tl_checks *checks = NULL;
    struct tl_err err = {0};
    struct tl_sv text = {(const char *)data, size};
    enum tl_code rc = tl_checks_parse(text, "checks.sql", plan, &checks, &err);

    if (rc == TL_OK) {
        meaning_check(text, plan, checks);
    } else {
        check(err.code == rc && strlen(err.message) > 0);
        check(rc != TL_ERR_DEFINITION || strncmp(err.message, "checks.sql:", 11) == 0);
    }
    tl_checks_close(checks);
    tl_plan_close(plan);
    return 0;
}
