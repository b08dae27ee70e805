/* like.h: SQL LIKE as Flink means it, compiled once and matched without backtracking.
 *
 * Case-sensitive. % is any text, newlines too. _ is one code point, but not a line end (\n \r U+0085 U+2028 U+2029: Java's `.`).
 * There is no escape character unless one is given; it may stand before %, _ and itself only (semantics.md 8).
 * A segment between two % costs time linear in the text; with _ in it, up to the text's length times the segment's. */
#ifndef TL_LIKE_H
#define TL_LIKE_H

#include "base/arena.h"
#include "base/sv.h"

struct tl_like;

/* `escape` is one character of the basic plane, or NULL data for none. The pattern's bytes are copied where they must be; *out lives
 * in the arena. TL_ERR_DEFINITION: an escape that is not allowed. */
TL_MUST_USE enum tl_code tl_like_compile(struct tl_sv pattern, struct tl_sv escape, struct tl_arena *arena,
                                         const struct tl_like **out, struct tl_err *err);
bool tl_like_match(const struct tl_like *like, struct tl_sv text);

#endif
