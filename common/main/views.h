/* views.h: the views file of a command, with the functions that it may call. */
#ifndef TL_VIEWS_H
#define TL_VIEWS_H

#include "core/function.h"
#include "main/option.h"
#include "sql/plan.h"

/* Opens what --functions, --places and --user-agents name, and reads the file. On failure nothing is open. */
TL_MUST_USE enum tl_code tl_views_open(const struct tl_common_options *common, const char *path, struct tl_functions **functions,
                                       struct tl_plan **plan, struct tl_err *err);
void tl_views_close(struct tl_functions *functions, struct tl_plan *plan);

#endif
