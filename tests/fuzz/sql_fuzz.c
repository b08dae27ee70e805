/* sql_fuzz.c: any bytes as a views file: a plan or one mistake, never a crash.
 *
 * A plan that was made can be printed, and the statements that it holds give the same definitions again. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/function.h"
#include "sql/plan.h"
#include "sql/plan_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_plan *plan = NULL, *again = NULL;
    struct tl_err err = {0};
    struct tl_sv text = {(const char *)data, size};
    enum tl_code rc = tl_plan_parse(text, "views.sql", tl_function_catalog(), &plan, &err);
    struct tl_buf out;

    if (rc != TL_OK) {
        check(err.code == rc && strlen(err.message) > 0);
        check(rc != TL_ERR_DEFINITION || strncmp(err.message, "views.sql:", 10) == 0);
        return 0;
    }
    check(plan->views_count > 0);
    tl_buf_init(&out, 0);
    tl_plan_print(plan, &out);
    tl_plan_print_flink(plan, &out);
    check(!out.failed);
    tl_buf_done(&out);
    check(tl_plan_parse(text, "again.sql", tl_function_catalog(), &again, &err) == TL_OK &&
          again->views_count == plan->views_count);
    for (uint32_t i = 0; i < plan->views_count; i++)
        check(strcmp(plan->views[i].hash, again->views[i].hash) == 0);
    tl_plan_close(again);
    tl_plan_close(plan);
    return 0;
}
