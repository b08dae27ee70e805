/* code_point.h: a text's code points, which is what Flink counts: how many, where one begins, their order turned round. */
#ifndef TL_CODE_POINT_H
#define TL_CODE_POINT_H

#include "base/arena.h"
#include "base/sv.h"

/* The byte is not the first of its code point. */
static inline bool tl_code_point_goes_on(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}
int64_t tl_code_points(struct tl_sv text);
int64_t tl_code_units(struct tl_sv text); /* in UTF-16, which is what Java counts: one beyond U+FFFF is two */
/* The byte at which number `count` (from 0) begins; the text's size where it has no more than these. `count` below 0 is 0. */
size_t tl_code_point_at(struct tl_sv text, int64_t count);
/* The first one (the text is not empty): its bytes, and what is left behind it. */
struct tl_sv tl_code_point_take(struct tl_sv *rest);
uint32_t tl_code_point_value(struct tl_sv one);
/* False: out of memory. */
TL_MUST_USE bool tl_code_points_reverse(struct tl_sv text, struct tl_arena *arena, struct tl_sv *out);

#endif
