/* regex_literal.h: what a text has to contain for a regular expression to match it, read off the expression.
 *
 * "; (Nexus|Pixel) \d+ Build" cannot match where neither "; nexus " nor "; pixel " occurs, nor where " build" does not. So
 * an expression gives sets of literals, and a text that it matches contains at least one literal of each set, in lower case
 * (ASCII) as the literals are. Whether the expression itself minds the case does not matter. What is not understood
 * (look-around, back references, flags, escapes beyond the common ones) gives no set at all: then every text has to be
 * tried. */
#ifndef TL_REGEX_LITERAL_H
#define TL_REGEX_LITERAL_H

#include "base/arena.h"
#include "base/base.h"
#include "base/sv.h"

struct tl_literal_set {
    const struct tl_sv *literals;
    uint32_t count;
};

/* `pattern` in the syntax of PCRE2 without its flags, as bytes. The sets lie in `arena`. False: out of memory. */
TL_MUST_USE bool tl_regex_literals(struct tl_sv pattern, struct tl_arena *arena, const struct tl_literal_set **out,
                                   uint32_t *count);

#endif
