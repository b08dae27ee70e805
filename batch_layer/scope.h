/* scope.h: what a run of batch looks at: the views, the store, the master record, and what is dirty. */
#ifndef TL_SCOPE_H
#define TL_SCOPE_H

#include "days.h"
#include "main/option.h"
#include "main/views.h"
#include "sql/check.h"

struct tl_scope {
    const struct tl_common_options *common;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_checks *checks; /* --checks; NULL: none */
    struct tl_store *store;
    struct tl_master *master;
    struct tl_source_topics *topics;
    struct tl_input **inputs; /* per source */
    int64_t *definitions;     /* per view */
    struct tl_days *days;     /* per view */
    int64_t now_ms;           /* when the run began */
};

/* The views file and the checks file; then the record and the days. The store is open in between. To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_scope_open_views(struct tl_scope *scope, struct tl_err *err);
TL_MUST_USE enum tl_code tl_scope_look(struct tl_scope *scope, const struct tl_days_wish *wish, struct tl_err *err);
void tl_scope_close(struct tl_scope *scope);

#endif
