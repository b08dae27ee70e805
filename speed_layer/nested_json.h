/* nested_json.h: JSON that stands as a text in JSON, as in the columns headers and user_agent: {"headers":"{\"accept\":\"*\"}"}. */
#ifndef TL_NESTED_JSON_H
#define TL_NESTED_JSON_H

#include "base/buf.h"

/* JSON, as the inside of a JSON string: without the quotes around it. */
void tl_nested_json_put(struct tl_buf *out, struct tl_sv json);
/* A text, as a string of JSON that itself is the inside of a JSON string, with its inner quotes: \"a\". NUL, and bytes that are no UTF-8, become
 * U+FFFD. */
void tl_nested_json_put_text(struct tl_buf *out, struct tl_sv text);
/* The same without the inner quotes: for a string in parts, which end where characters end. */
void tl_nested_json_put_part(struct tl_buf *out, struct tl_sv text);

#endif
