/* views.h: the views file of a command, with the functions that it may call. */
#ifndef TL_VIEWS_H
#define TL_VIEWS_H

#include "core/function.h"
#include "main/option.h"
#include "sql/plan.h"
#include "store/store.h"

/* Opens what --functions, --places and --user-agents name, and reads the file. On failure nothing is open. */
TL_MUST_USE enum tl_code tl_views_open(const struct tl_common_options *common, const char *path, struct tl_functions **functions,
                                       struct tl_plan **plan, struct tl_err *err);
/* Where the views call VISITOR_ID: takes the store's secret, before the first event; a store opened for writing makes it if need be. */
TL_MUST_USE enum tl_code tl_views_take_secret(struct tl_functions *functions, struct tl_store *store, struct tl_err *err);
/* TL_ERR_USAGE: the plan has no view of that name; which it has, and the nearest. */
TL_MUST_USE enum tl_code tl_views_unknown(const struct tl_plan *plan, const char *name, struct tl_err *err);
void tl_views_close(struct tl_functions *functions, struct tl_plan *plan);

#endif
