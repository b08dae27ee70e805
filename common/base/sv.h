/* sv.h: a string view: bytes that somebody else owns. */
#ifndef TL_SV_H
#define TL_SV_H

#include "base/base.h"

struct tl_sv {
    const char *data; /* may be NULL when size is 0; never zero-terminated by promise */
    size_t size;
};

#define TL_SV(literal) ((struct tl_sv){(literal), sizeof(literal) - 1})
#define TL_SV_ARG(sv) (int)(sv).size, (sv).data /* for %.*s */

struct tl_sv tl_sv_from(const char *text); /* up to the terminating zero */
bool tl_sv_eq(struct tl_sv a, struct tl_sv b);
bool tl_sv_eq_nocase(struct tl_sv a, struct tl_sv b); /* ASCII letters only */
int tl_sv_cmp(struct tl_sv a, struct tl_sv b);        /* memcmp, then the shorter first: the order of text in tally */
bool tl_sv_starts(struct tl_sv text, struct tl_sv prefix);
bool tl_sv_ends(struct tl_sv text, struct tl_sv suffix);
struct tl_sv tl_sv_trim(struct tl_sv text); /* ASCII white space at both ends */
/* Cuts the text at the first `by`: returns what is before it and leaves the rest; without one, all, and the rest is empty. */
struct tl_sv tl_sv_cut(struct tl_sv *rest, char by);

/* The whole text must be the number (no white space); false otherwise and when it does not fit. */
TL_MUST_USE bool tl_sv_to_i64(struct tl_sv text, int64_t *out);
TL_MUST_USE bool tl_sv_to_f64(struct tl_sv text, double *out); /* decimal notation only; no hex, inf, nan; refuses overflow */

/* 0 to 15; -1: it is none. */
int tl_hex_digit(char c);

/* How many bytes the UTF-8 sequence at `text` has, of which `left` (> 0) are there; 0 where it is not well-formed (Unicode 15,
 * table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF). */
size_t tl_utf8_size(const char *text, size_t left);
/* How many bytes at `text`, where that is 0, are one maximal subpart of an ill-formed sequence (Unicode 15, chapter 3.9): what one
 * U+FFFD replaces. */
size_t tl_utf8_ill_formed_size(const char *text, size_t left);

#endif
