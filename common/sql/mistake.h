/* mistake.h: what is wrong in a views file: file:line:column, the line, a caret under the place, a hint.
 *
 *     views.sql:4:12: there is no column 'hots' in events
 *       4 |     SELECT hots FROM events
 *         |            ^^^^
 *       did you mean 'host'?
 *
 * Only the first mistake of a file is reported; the text becomes tl_err.message as a whole. */
#ifndef TL_MISTAKE_H
#define TL_MISTAKE_H

#include "base/base.h"
#include "base/nearest.h"
#include "base/sv.h"
#include "sql/plan.h"

/* The file's text and the name that stands for it in messages. */
struct tl_text {
    const char *name;
    struct tl_sv text;
};

/* Where something was written: its bytes in the text, and its first character as people count. */
struct tl_span {
    uint32_t offset, bytes;
    struct tl_place place;
};

/* From the first byte of `from` to the last of `to`. */
struct tl_span tl_span_join(struct tl_span from, struct tl_span to);
/* The span of `bytes` bytes at this offset: counts lines and characters from the text's begin. */
struct tl_span tl_span_at(const struct tl_text *text, size_t offset, size_t bytes);

/* Fills *err (which may be NULL); `hint` (may be NULL) says what would be right. */
TL_PRINTF(5, 6)
void tl_mistake_write(struct tl_err *err, const struct tl_text *text, struct tl_span at, const char *hint, const char *fmt, ...);
/* The same, and gives TL_ERR_DEFINITION: for `return tl_mistake(...)`. A macro, so that an analyser sees that it is never TL_OK. */
#define tl_mistake(...) (tl_mistake_write(__VA_ARGS__), TL_ERR_DEFINITION)

#endif
