/* json_text.h: the words of JSON: strings with escapes, numbers. */
#ifndef TL_JSON_TEXT_H
#define TL_JSON_TEXT_H

#include "base/sv.h"

/* The four digits behind \u; -1 when they are none. */
int32_t tl_json_hex_four(const char *at, const char *end);
/* Takes the escapes out. `out` has room for as many bytes as `in` has: no escape is shorter than what it stands for. NUL and half
 * surrogate pairs become U+FFFD. False when an escape is none of JSON's. */
TL_MUST_USE bool tl_json_unescape(struct tl_sv in, char *out, size_t *out_size);

struct tl_json_number {
    const char *end;
    bool is_integer;
};

/* The number that begins at `at`, by RFC 8259's grammar. False: there is none. */
TL_MUST_USE bool tl_json_number_scan(const char *at, const char *end, struct tl_json_number *out);
/* How many of its digits stand behind the point, the exponent taken in: 1.50 has 2, 1e3 has -3. False: no 32-bit integer holds it. */
TL_MUST_USE bool tl_json_number_scale(struct tl_sv number, int64_t *out);

#endif
