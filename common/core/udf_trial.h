/* udf_trial.h: calls a library's functions with made-up rows, to see whether they keep what tally_function.h asks of them.
 *
 * Called in a process that may crash: udf.c. */
#ifndef TL_UDF_TRIAL_H
#define TL_UDF_TRIAL_H

#include "sql/catalog.h"

enum { TL_TRIAL_DOING_BYTES = 160 };

/* `doing` always says what is under way: "was tried: MY_FUNCTION". TL_ERR_DEFINITION: what is broken, without the file's name. */
TL_MUST_USE enum tl_code tl_udf_try(const struct tl_catalog *catalog, char doing[TL_TRIAL_DOING_BYTES], struct tl_err *err);

#endif
