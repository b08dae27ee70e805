/* views.c: opens a views file with its functions. */
#include "main/views.h"

#include "base/nearest.h"
#include "main/source_log.h"

enum tl_code tl_views_open(const struct tl_common_options *common, const char *path, struct tl_functions **functions,
                           struct tl_plan **plan, struct tl_err *err)
{
    const struct tl_function_files files = {
        .library = common->functions, .places = common->places, .user_agents = common->user_agents};
    struct tl_functions *opened = NULL;
    struct tl_plan *loaded = NULL;
    enum tl_code rc;

    TL_TRY(tl_functions_open(&files, &opened, err));
    TL_TRY(tl_plan_load(path, tl_functions_catalog(opened), &loaded, err));
    TL_TRY(tl_source_logs_check(loaded, err));
    *plan = loaded;
    loaded = NULL;
    *functions = opened;
    opened = NULL;
out:
    tl_plan_close(loaded);
    tl_functions_close(opened);
    return rc;
}

enum tl_code tl_views_take_secret(struct tl_functions *functions, struct tl_store *store, struct tl_err *err)
{
    uint8_t secret[TL_SECRET_BYTES];
    enum tl_code rc = TL_OK;

    static_assert((int)TL_SECRET_BYTES == (int)TL_STORE_SECRET_BYTES, "the store's secret is the functions'");
    if (!tl_functions_want_secret(functions))
        return TL_OK;
    TL_TRY(tl_store_secret(store, TL_SV("visitor"), secret, err));
    tl_functions_secret_set(functions, secret);
out:
    return rc;
}

enum tl_code tl_views_unknown(const struct tl_plan *plan, const char *name, struct tl_err *err)
{
    struct tl_nearest nearest = tl_nearest_to(tl_sv_from(name));
    char hint[160];
    struct tl_buf all;
    enum tl_code rc;

    tl_buf_init(&all, 0);
    for (uint32_t v = 0; v < plan->views_count; v++) {
        tl_nearest_offer(&nearest, plan->views[v].name);
        tl_buf_printf(&all, "%s%.*s", v == 0 ? "" : ", ", TL_SV_ARG(plan->views[v].name));
    }
    rc = tl_fail(err, TL_ERR_USAGE, "the views file has no view '%s'; %s%sit has %.*s", name,
                 tl_nearest_hint(&nearest, hint, sizeof hint, ""), nearest.best.data != NULL ? " " : "",
                 (int)tl_min_i64((int64_t)all.size, 200), all.data);
    tl_buf_done(&all);
    return rc;
}

void tl_views_close(struct tl_functions *functions, struct tl_plan *plan)
{
    tl_plan_close(plan);
    tl_functions_close(functions);
}
