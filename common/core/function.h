/* function.h: the built-in functions and operators, as one catalog (sql/catalog.h).
 *
 * Results and NULL rules are Flink's (semantics.md 7, 8). Ours beyond Flink: IS_FILE_REQUEST(url) -> BOOLEAN: the path of the
 * URL (without query and fragment) ends in the extension of what a browser fetches by itself to show a page: styles, scripts, images,
 * fonts, sound and film (the list stands in function_text.c), in any case of letters. Documents and archives that a visitor asks for
 * (.pdf, .zip, .csv, .txt, .xml) and pages (.html, .php) are not file requests.
 *
 * Beside Flink: text orders as UTF-8 (Flink: UTF-16 beyond the basic plane); a CAST that does not read rejects the row (Flink's job
 * fails), and so does an integer's / or % by zero; a DOUBLE prints with the fewest digits, as JDK 19 and later do; CAST to DOUBLE takes
 * no hexadecimal; a LIKE pattern that is a column and longer than 1,024 bytes rejects the row. */
#ifndef TL_FUNCTION_H
#define TL_FUNCTION_H

#include "sql/catalog.h"

const struct tl_catalog *tl_function_catalog(void);

#endif
