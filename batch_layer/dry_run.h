/* dry_run.h: what a run would do now, and why: nothing is changed, and no lock taken. */
#ifndef TL_DRY_RUN_H
#define TL_DRY_RUN_H

#include "main/print.h"
#include "scope.h"

/* Prints a row a view and range; with `files` a row for each file that would be read for it. What a changed carry would make dirty behind a range
 * is only known when that is computed: it is shown as "perhaps", with the reason "carry". */
TL_MUST_USE enum tl_code tl_dry_run(const struct tl_scope *scope, enum tl_print_format format, bool files, struct tl_err *err);

#endif
