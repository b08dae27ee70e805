/* json_simd.h: simdjson behind a C interface: where the tokens of a JSON text begin; and what C++ knows of numbers.
 *
 * Is:      simdjson's stage 1, which every mode of simdjson begins with, chosen for the processor at run time.
 * Is not:  a parser. What the tokens mean, json_event.c says.
 * Runs on: the thread that opened it. */
#ifndef TL_JSON_SIMD_H
#define TL_JSON_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tl_json_simd;

enum tl_json_simd_found {
    TL_JSON_SIMD_TOKENS,    /* well-formed UTF-8, every string closed, no raw control character in one */
    TL_JSON_SIMD_EMPTY,     /* nothing but white space */
    TL_JSON_SIMD_UNCLOSED,  /* a string without its end */
    TL_JSON_SIMD_REPAIR,    /* strings are closed, but there is ill-formed UTF-8 or a raw control character in a string */
    TL_JSON_SIMD_TOO_LARGE, /* beyond 4 GiB */
    TL_JSON_SIMD_NO_MEMORY,
};

/* NULL when malloc says no. */
struct tl_json_simd *tl_json_simd_open(void);
void tl_json_simd_close(struct tl_json_simd *simd);

/* Where tokens begin: each of {}[]:, outside strings, each opening quote, each first byte of anything else that is not white space
 * and does not follow such a byte directly. (Some processors' code also lists the bytes 0x0c and 0x1a outside strings.) Behind the
 * last one stands `size` itself. The tokens live until the next call. *grown is set when memory was allocated. */
enum tl_json_simd_found tl_json_simd_find(struct tl_json_simd *simd, const char *text, size_t size, const uint32_t **tokens,
                                          uint32_t *tokens_count, bool *grown);

/* Fewest digits that read back as the same double, and of those the nearest (finite, not 0). Value: 0.d1d2d3... * 10^exponent.
 * Returns how many digits there are, at most 17. */
unsigned tl_json_simd_shortest(double value, char digits[32], int *exponent);
/* The float nearest to a decimal number (no plus in front, no space), rounded once. False when it is not one or does not fit. */
bool tl_json_simd_to_float(const char *text, size_t size, float *out);

#ifdef __cplusplus
}
#endif

#endif
