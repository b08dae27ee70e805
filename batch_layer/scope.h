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
    int64_t *definitions;     /* per view; 0: not in the store, and nothing is done for it */
    bool *wanted;             /* per view: all unless some are named, and then these and their families */
    struct tl_days *days;     /* per view */
    int64_t now_ms;           /* when the run began */
};

/* The views file, which of its views are wanted, and the checks file; then the record and the days. The store is opened in between: without one (to look only)
 * nothing is published, and no definition known. To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_scope_open_views(struct tl_scope *scope, const struct tl_option_list *names, struct tl_err *err);
/* The store for whoever only looks: where there is none yet, nothing is published. */
TL_MUST_USE enum tl_code tl_scope_open_to_look(struct tl_scope *scope, struct tl_err *err);
/* `writes`: definitions are registered, topics of patterns numbered; else the store stays as it is. */
TL_MUST_USE enum tl_code tl_scope_look(struct tl_scope *scope, const struct tl_days_wish *wish, bool writes, struct tl_err *err);
void tl_scope_close(struct tl_scope *scope);

#endif
