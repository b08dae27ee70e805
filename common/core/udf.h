/* udf.h: functions from a shared library of the user's, in the same table as the built-in ones.
 *
 * The library is tried in a process of its own first: loaded, its tables read, its open() called, its functions called with made-up rows
 * (udf_trial.h). What crashes there, or hangs, is refused and takes nothing with it. Then it is loaded here, once a process.
 * A scalar function becomes a row of a catalog whose kernel calls it row by row (user_call.h); an aggregate becomes one with a shape
 * (agg_user.c). What a library promises, and may not do, is said in tally_function.h, which is installed. */
#ifndef TL_UDF_H
#define TL_UDF_H

#include "base/buf.h"
#include "sql/catalog.h"

struct tl_udf;

/* TL_ERR_DEFINITION: refused; *err names the file, and the function where it is one, and says what would be right. `builtin`: names that are taken. */
TL_MUST_USE enum tl_code tl_udf_open(const char *path, const struct tl_catalog *builtin, struct tl_udf **out, struct tl_err *err);
void tl_udf_close(struct tl_udf *udf);
/* Its next may be set. */
struct tl_catalog *tl_udf_catalog(struct tl_udf *udf);
/* "functions.so 1.0 xxh3:0011223344556677": the file's name, what the library says, the hash of its bytes. */
void tl_udf_version(const struct tl_udf *udf, struct tl_buf *out);

#endif
