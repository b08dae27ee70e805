/* function.h: the built-in functions and operators, as one catalog (sql/catalog.h).
 *
 * Results and NULL rules are Flink's (semantics.md 7, 8). Ours beyond Flink: IS_FILE_REQUEST(url) -> BOOLEAN: the path of the
 * URL (without query and fragment) ends in the extension of a static file (.js .css .png ...). */
#ifndef TL_FUNCTION_H
#define TL_FUNCTION_H

#include "sql/catalog.h"

const struct tl_catalog *tl_function_catalog(void);

#endif
