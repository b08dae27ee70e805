/* explain.c: `tally explain`: what a views file means, and the same file as a script for Flink. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "main/command.h"
#include "main/option.h"
#include "main/views.h"
#include "sql/check.h"
#include "sql/plan.h"
#include "sql/plan_text.h"

struct explain_options {
    bool flink;
};

static const struct tl_option explain_table[] = {
    {"flink", TL_OPT_FLAG, NULL, "print the file as a script for Apache Flink", offsetof(struct explain_options, flink), 0},
};

static const struct tl_usage explain_usage = {
    .synopsis = "[VIEWS.sql] [VIEW]",
    .text = "Prints the plan of a views file: settings and where each was set, sources with the columns that are read, and for "
            "each view\n"
            "its definition, filter, window, key, accumulators, outputs and tables. With VIEW, of that view alone. With --checks "
            "FILE also what\n"
            "the checks expect of it, or of all, and what happens otherwise.",
    .example = "tally explain views.sql",
    .options = explain_table,
    .options_count = TL_COUNT(explain_table),
    .args_max = 2,
};

/* An argument is the file when it looks like one, or when nothing else names it. */
static bool is_file(const char *arg, const struct tl_common_options *common, const char *path)
{
    return tl_sv_ends(tl_sv_from(arg), TL_SV(".sql")) || strchr(arg, '/') != NULL || (path == NULL && common->views == NULL);
}

static enum tl_code view_print(const struct tl_plan *plan, const char *name, struct tl_buf *out, struct tl_err *err)
{
    const struct tl_view *view = tl_plan_view(plan, tl_sv_from(name));
    const char *names[64], *nearest;
    char copies[64][80];
    size_t count = 0;

    if (view != NULL) {
        tl_plan_print_view(plan, view, out);
        return TL_OK;
    }
    for (uint32_t i = 0; i < plan->views_count && count < TL_COUNT(names); i++) {
        snprintf(copies[count], sizeof copies[count], "%.*s", TL_SV_ARG(plan->views[i].name));
        names[count] = copies[count];
        count++;
    }
    nearest = tl_option_nearest(name, names, count);
    return tl_fail(err, TL_ERR_USAGE, "there is no stored view '%s'%s%s%s", name, nearest != NULL ? "; did you mean '" : "",
                   nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

static enum tl_code explain(const struct tl_common_options *common, const struct explain_options *own, struct tl_err *err)
{
    const char *path = common->views, *view = NULL;
    struct tl_functions *functions = NULL;
    struct tl_plan *plan = NULL;
    struct tl_checks *checks = NULL;
    struct tl_buf out;
    enum tl_code rc;

    tl_buf_init(&out, 0);
    for (int i = 0; i < common->args_count; i++) {
        if (is_file(common->args[i], common, i > 0 ? path : NULL))
            path = common->args[i];
        else if (view == NULL)
            view = common->args[i];
        else
            TL_TRY(tl_fail(err, TL_ERR_USAGE, "explain takes one view at a time"));
    }
    if (path == NULL)
        TL_TRY(tl_options_need_views(common, err));
    TL_TRY(tl_views_open(common, path, &functions, &plan, err));
    if (common->checks != NULL)
        TL_TRY(tl_checks_load(common->checks, plan, &checks, err));
    if (own->flink)
        tl_plan_print_flink(plan, &out);
    else if (view != NULL)
        TL_TRY(view_print(plan, view, &out, err));
    else
        tl_plan_print(plan, &out);
    if (checks != NULL && !own->flink)
        tl_checks_print(checks, plan, view != NULL ? tl_plan_view(plan, tl_sv_from(view)) : NULL, &out);
    TL_TRY(tl_buf_check(&out, "the plan", err));
    if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "the plan cannot be written"));
out:
    tl_buf_done(&out);
    tl_checks_close(checks);
    tl_views_close(functions, plan);
    return rc;
}

TL_COMMAND(explain, "what a views file means: columns, windows, keys, tables")
{
    struct explain_options own = {0};
    struct tl_common_options common;
    struct tl_err err = {0};
    enum tl_code rc;
    int status = 0;

    if (!tl_options_parse(&explain_usage, argc, argv, &common, &own, &status))
        return status;
    rc = explain(&common, &own, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
