/* json_path.h: a path into a JSON text, and what stands at its end, in one pass and without memory.
 *
 * $, then .key (up to the next . or [, without blanks and brackets), ['key'] or ["key"] (\' \" \\ inside), [0], [-1] from the end;
 * before it the word lax or strict. Without $ the path begins with its first key. Wildcards, slices, filters, .. and functions are
 * refused: they give no one value. The last of equal keys counts.
 *
 * The text is checked up to the end of its first value: JSON as RFC 8259 has it, 1,000 brackets deep at most, integers of 1,000 digits
 * at most, exponents that a 32-bit integer holds. What stands behind the value does not matter.
 * Source: what Flink 2's SqlJsonUtils makes of JsonPath and Jackson, by trying. */
#ifndef TL_JSON_PATH_H
#define TL_JSON_PATH_H

#include "base/arena.h"

struct tl_json_path;

/* *out lives in the arena. TL_ERR_DEFINITION: what is wrong and at which character. */
TL_MUST_USE enum tl_code tl_json_path_compile(struct tl_sv path, struct tl_arena *arena, const struct tl_json_path **out,
                                              struct tl_err *err);
/* What is not there is empty, and not an error: the path begins with the word lax. */
bool tl_json_path_is_lax(const struct tl_json_path *path);

enum tl_json_kind {
    TL_JSON_NOT_JSON,
    TL_JSON_ABSENT, /* or null */
    TL_JSON_CONTAINER,
    TL_JSON_STRING,
    TL_JSON_INTEGER,
    TL_JSON_REAL, /* with a point or an exponent */
    TL_JSON_TRUE,
    TL_JSON_FALSE,
};

/* *out is a view: a string without its quotes, escapes as they are written; a number as it is written; else nothing. */
enum tl_json_kind tl_json_path_find(const struct tl_json_path *path, struct tl_sv text, struct tl_sv *out);

#endif
