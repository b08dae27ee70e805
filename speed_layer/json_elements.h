/* json_elements.h: the elements of a JSON array, or the lines of NDJSON, as texts of their own: what is wrong with one leaves the others alone. */
#ifndef TL_JSON_ELEMENTS_H
#define TL_JSON_ELEMENTS_H

#include "base/sv.h"

struct tl_json_element {
    struct tl_sv text;
    unsigned depth; /* of its brackets */
};

/* Into `out`, at most `max` of them; a text that is no array is one element. *count may be more: max + 1, where there are more. NULL, or what is wrong
 * with the array, and at which byte. Elements are not looked into: they may not be JSON. */
const char *tl_json_elements(struct tl_sv body, struct tl_json_element *out, size_t max, size_t *count, size_t *at);
/* The same of lines; empty ones are none. */
void tl_json_lines(struct tl_sv body, struct tl_json_element *out, size_t max, size_t *count);

#endif
