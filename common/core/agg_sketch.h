/* agg_sketch.h: how many different values there were, about: a HyperLogLog sketch in the bytes of Apache DataSketches.
 *
 * The hash of a value (MurmurHash3, 128 bits, seed 9001: of the 8 bytes of a number, least first, or the bytes of a text) gives a coupon:
 * 26 bits of address and a value v, one more than the zeros that its second half begins with. Up to 1,536 different coupons are kept as they
 * are, and their number is the answer; beyond that there are 2^14 registers, and each keeps the greatest v of the coupons whose address ends
 * in its number. Both are functions of the set of values alone: order and grouping cannot show, and merging is a maximum.
 *
 * Error: with registers, a relative standard deviation of 1.04 / sqrt(2^14) = 0.81% (Flink's APPROX_COUNT_DISTINCT asks for 1% and takes the
 * same number of registers); with coupons, next to none. Memory: at most 32 KiB, whatever comes: 16 of registers, 16 that the coupons leave behind.
 * The estimate is Ertl's (2017, "New cardinality estimation algorithms for HyperLogLog sketches", the improved raw estimator), from the
 * registers only: DataSketches' own one for sketches that saw values in order depends on that order.
 * Bytes: DataSketches' HLL_8 in compact form, modes LIST, SET and HLL (agg_sketch.c draws them); what it reads, it can go on with. */
#ifndef TL_AGG_SKETCH_H
#define TL_AGG_SKETCH_H

#include "base/arena.h"
#include "base/buf.h"

/* All zero: of nothing. */
struct tl_sketch {
    uint32_t *coupons;        /* in order; address in the lower 26 bits, v above */
    uint32_t count, capacity; /* of coupons */
    uint8_t *registers;       /* NULL: coupons */
};

/* False: out of memory. */
TL_MUST_USE bool tl_sketch_add(struct tl_sketch *sketch, struct tl_sv bytes, struct tl_arena *arena);
TL_MUST_USE bool tl_sketch_add_word(struct tl_sketch *sketch, uint64_t word, struct tl_arena *arena);
TL_MUST_USE bool tl_sketch_merge(struct tl_sketch *into, const struct tl_sketch *from, struct tl_arena *arena);
uint64_t tl_sketch_estimate(const struct tl_sketch *sketch);
void tl_sketch_save(const struct tl_sketch *sketch, struct tl_buf *out);
/* Fills a zeroed sketch from all of `bytes`. TL_ERR_CORRUPT: not what tl_sketch_save writes. */
TL_MUST_USE enum tl_code tl_sketch_load(struct tl_sketch *sketch, struct tl_sv bytes, struct tl_arena *arena);

#endif
