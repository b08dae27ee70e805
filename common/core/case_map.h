/* case_map.h: lower and upper case of Unicode text: Java's String.toLowerCase and toUpperCase in the root locale.
 *
 * The full mappings of Unicode 14 without those of single languages: one character may become up to three, and a final sigma is
 * lower-cased by its place. From a table of our own, so every machine gives the same text whatever its C library knows. */
#ifndef TL_CASE_MAP_H
#define TL_CASE_MAP_H

#include "base/arena.h"
#include "base/sv.h"

/* A text that changes nothing is returned as it is, a view; else the result is in the arena. False: out of memory. */
TL_MUST_USE bool tl_case_lower(struct tl_sv text, struct tl_arena *arena, struct tl_sv *out);
TL_MUST_USE bool tl_case_upper(struct tl_sv text, struct tl_arena *arena, struct tl_sv *out);

#endif
