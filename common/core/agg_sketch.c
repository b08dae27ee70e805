/* agg_sketch.c: accumulator of APPROX_COUNT_DISTINCT.
 *
 * Integers, timestamps and booleans are hashed as 8 bytes; FLOAT and DOUBLE as those of the double, with one zero and one NaN; texts as they
 * are. DataSketches does the same, but that it passes over the empty text, which here is a value like any other.
 *
 * Bytes, numbers little endian (Apache DataSketches, hll: PreambleUtil; flags 8 compact, 4 empty, 16 out of order: estimate from registers):
 *
 *     0  u8 size of the preamble in words of 4 bytes: 2 LIST, 3 SET, 10 HLL
 *     1  u8 1, version       2  u8 7, family         3  u8 14, log2 of the registers
 *     4  u8 log2 of the coupons' table: LIST 3, SET 5 or more, HLL 0
 *     5  u8 flags            6  u8 LIST: coupons, else 0                      7  u8 mode: 8 LIST, 9 SET, 10 HLL
 *     LIST (up to 7 coupons)        8  u32 coupons, ascending
 *     SET (8 to 1,536)              8  u32 number of coupons   12  u32 coupons, ascending
 *     HLL    8  f64 0               16 f64 sum of 2^-v over registers with v < 32    24 f64 over the others
 *            32 u32 registers that are 0                       36 u32 0              40 u8 registers
 *
 * Byte form: block of these */
#include "core/agg_sketch.h"

#include <math.h>
#include <string.h>

#include "core/agg_state.h"
#include "core/function_number.h"

enum { LOG_REGISTERS = 14, REGISTERS = 1 << LOG_REGISTERS, ADDRESS_BITS = 26, VALUE_MAX = 63 };
enum { LIST_MAX = 7, SET_MAX = 3 << (LOG_REGISTERS - 3 - 2), SET_LOG_MIN = 5 };
enum { PREAMBLE_LIST = 8, PREAMBLE_SET = 12, PREAMBLE_HLL = 40 };
enum { MODE_LIST = 8, MODE_SET, MODE_HLL, FLAG_EMPTY = 4, FLAG_COMPACT = 8, FLAG_OUT_OF_ORDER = 16 };
#define SEED UINT64_C(9001)

/* --- MurmurHash3_x64_128 (Austin Appleby, public domain) --------------------------------------------------------------- */

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static uint64_t finalize(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint64_t little(const char *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)(uint8_t)at[i] << (8 * i);
    return value;
}

static uint32_t coupon_of(struct tl_sv bytes)
{
    const uint64_t c1 = UINT64_C(0x87c37b91114253d5), c2 = UINT64_C(0x4cf5ad432745937f);
    uint64_t h1 = SEED, h2 = SEED;
    size_t at = 0, rest;
    uint32_t value;

    for (; bytes.size - at >= 16; at += 16) {
        h1 ^= rotate(little(bytes.data + at, 8) * c1, 31) * c2;
        h1 = (rotate(h1, 27) + h2) * 5 + 0x52dce729;
        h2 ^= rotate(little(bytes.data + at + 8, 8) * c2, 33) * c1;
        h2 = (rotate(h2, 31) + h1) * 5 + 0x38495ab5;
    }
    rest = bytes.size - at;
    if (rest > 8)
        h2 ^= rotate(little(bytes.data + at + 8, rest - 8) * c2, 33) * c1;
    if (rest > 0)
        h1 ^= rotate(little(bytes.data + at, rest > 8 ? 8 : rest) * c1, 31) * c2;
    h1 ^= bytes.size;
    h2 ^= bytes.size;
    h1 += h2;
    h2 += h1;
    h1 = finalize(h1);
    h2 = finalize(h2);
    h1 += h2;
    h2 += h1;
    value = h2 == 0 ? VALUE_MAX : (uint32_t)__builtin_clzll(h2) + 1;
    if (value > VALUE_MAX)
        value = VALUE_MAX;
    return value << ADDRESS_BITS | (uint32_t)(h1 & ((1 << ADDRESS_BITS) - 1));
}

/* --- coupons and registers --------------------------------------------------------------------------------------------- */

static void register_raise(uint8_t *registers, uint32_t coupon)
{
    uint8_t *at = &registers[coupon & (REGISTERS - 1)], value = (uint8_t)(coupon >> ADDRESS_BITS);

    if (value > *at)
        *at = value;
}

static bool registers_make(struct tl_sketch *sketch, struct tl_arena *arena)
{
    uint8_t *registers = tl_arena_zalloc(arena, REGISTERS);

    if (registers == NULL)
        return false;
    for (uint32_t i = 0; i < sketch->count; i++)
        register_raise(registers, sketch->coupons[i]);
    sketch->registers = registers;
    return true;
}

static bool coupon_add(struct tl_sketch *sketch, uint32_t coupon, struct tl_arena *arena)
{
    uint32_t low = 0, high = sketch->count;

    if (sketch->registers != NULL) {
        register_raise(sketch->registers, coupon);
        return true;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (sketch->coupons[middle] == coupon)
            return true;
        if (sketch->coupons[middle] < coupon)
            low = middle + 1;
        else
            high = middle;
    }
    if (sketch->count == SET_MAX) {
        if (!registers_make(sketch, arena))
            return false;
        register_raise(sketch->registers, coupon);
        return true;
    }
    if (!TL_AGG_GROW(sketch->coupons, sketch->capacity, (uint64_t)sketch->count + 1, arena))
        return false;
    memmove(sketch->coupons + low + 1, sketch->coupons + low, (sketch->count - low) * sizeof *sketch->coupons);
    sketch->coupons[low] = coupon;
    sketch->count++;
    return true;
}

bool tl_sketch_add(struct tl_sketch *sketch, struct tl_sv bytes, struct tl_arena *arena)
{
    return coupon_add(sketch, coupon_of(bytes), arena);
}

bool tl_sketch_add_word(struct tl_sketch *sketch, uint64_t word, struct tl_arena *arena)
{
    char bytes[8];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (char)(word >> (8 * i));
    return coupon_add(sketch, coupon_of((struct tl_sv){bytes, sizeof bytes}), arena);
}

bool tl_sketch_merge(struct tl_sketch *into, const struct tl_sketch *from, struct tl_arena *arena)
{
    if (from->registers == NULL) {
        for (uint32_t i = 0; i < from->count; i++)
            if (!coupon_add(into, from->coupons[i], arena))
                return false;
        return true;
    }
    if (into->registers == NULL && !registers_make(into, arena))
        return false;
    for (uint32_t i = 0; i < REGISTERS; i++)
        if (from->registers[i] > into->registers[i])
            into->registers[i] = from->registers[i];
    return true;
}

/* --- estimate ---------------------------------------------------------------------------------------------------------- */

/* Ertl's sigma and tau: sums that end when they change no more. */
static double sigma(double x)
{
    double y = 1, z = x, before;

    if (x == 1)
        return (double)INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x)
{
    double y = 1, z = 1 - x, before;

    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

uint64_t tl_sketch_estimate(const struct tl_sketch *sketch)
{
    const double half_over_ln2 = 0.72134752044448170367, m = REGISTERS;
    uint32_t histogram[VALUE_MAX + 1] = {0};
    double z, estimate;

    if (sketch->registers == NULL)
        return sketch->count;
    for (uint32_t i = 0; i < REGISTERS; i++)
        histogram[sketch->registers[i]]++;
    z = m * tau(1 - histogram[VALUE_MAX] / m);
    for (uint32_t v = VALUE_MAX - 1; v >= 1; v--)
        z = 0.5 * (z + histogram[v]);
    z += m * sigma(histogram[0] / m);
    estimate = half_over_ln2 * m * m / z;
    return estimate < 0x1p63 ? (uint64_t)(estimate + 0.5) : INT64_MAX;
}

/* --- bytes ------------------------------------------------------------------------------------------------------------- */

/* DataSketches doubles its table of coupons when it is more than three quarters full. */
static uint8_t set_log(uint32_t count)
{
    uint8_t log = SET_LOG_MIN;

    while (4 * count > 3u << log)
        log++;
    return log;
}

static void put_f64(struct tl_buf *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    tl_buf_put_u64(out, bits);
}

static void put_preamble(struct tl_buf *out, uint8_t words, uint8_t log, uint8_t flags, uint8_t count, uint8_t mode)
{
    const uint8_t bytes[8] = {words, 1, 7, LOG_REGISTERS, log, flags, count, mode};

    tl_buf_put(out, bytes, sizeof bytes);
}

static void save_registers(const uint8_t *registers, struct tl_buf *out)
{
    double low = 0, high = 0; /* sums of few bits: exact */
    uint32_t zeros = 0;

    for (uint32_t i = 0; i < REGISTERS; i++) {
        zeros += registers[i] == 0;
        *(registers[i] < 32 ? &low : &high) += ldexp(1, -registers[i]);
    }
    put_preamble(out, PREAMBLE_HLL / 4, 0, FLAG_COMPACT | FLAG_OUT_OF_ORDER, 0, MODE_HLL);
    put_f64(out, 0);
    put_f64(out, low);
    put_f64(out, high);
    tl_buf_put_u32(out, zeros);
    tl_buf_put_u32(out, 0);
    tl_buf_put(out, registers, REGISTERS);
}

void tl_sketch_save(const struct tl_sketch *sketch, struct tl_buf *out)
{
    if (sketch->registers != NULL) {
        save_registers(sketch->registers, out);
        return;
    }
    if (sketch->count <= LIST_MAX) {
        put_preamble(out, PREAMBLE_LIST / 4, 3, sketch->count == 0 ? FLAG_COMPACT | FLAG_EMPTY : FLAG_COMPACT,
                     (uint8_t)sketch->count, MODE_LIST);
    } else {
        put_preamble(out, PREAMBLE_SET / 4, set_log(sketch->count), FLAG_COMPACT, 0, MODE_SET);
        tl_buf_put_u32(out, sketch->count);
    }
    for (uint32_t i = 0; i < sketch->count; i++)
        tl_buf_put_u32(out, sketch->coupons[i]);
}

/* What saving writes is a function of coupons or registers: so these are read, and then everything must be as it would be written. */
static bool saves_as(const struct tl_sketch *sketch, struct tl_sv bytes, enum tl_code *rc)
{
    struct tl_buf again;
    bool same;

    tl_buf_init(&again, 0);
    tl_sketch_save(sketch, &again);
    *rc = again.failed ? TL_ERR_MEMORY : TL_OK;
    same = !again.failed && tl_sv_eq(tl_buf_sv(&again), bytes);
    tl_buf_done(&again);
    return same;
}

enum tl_code tl_sketch_load(struct tl_sketch *sketch, struct tl_sv bytes, struct tl_arena *arena)
{
    size_t head = bytes.size < PREAMBLE_LIST   ? bytes.size
                  : bytes.data[7] == MODE_LIST ? PREAMBLE_LIST
                  : bytes.data[7] == MODE_SET  ? PREAMBLE_SET
                                               : PREAMBLE_HLL;
    struct tl_reader reader = tl_reader_of(bytes);
    enum tl_code rc;

    (void)tl_reader_bytes(&reader, head);
    if (reader.failed || head < PREAMBLE_LIST)
        return TL_ERR_CORRUPT;
    if (head == PREAMBLE_HLL) {
        if (bytes.size != PREAMBLE_HLL + REGISTERS)
            return TL_ERR_CORRUPT;
        if (!registers_make(sketch, arena))
            return TL_ERR_MEMORY;
        memcpy(sketch->registers, reader.at, REGISTERS);
        for (uint32_t i = 0; i < REGISTERS; i++)
            if (sketch->registers[i] > VALUE_MAX)
                return TL_ERR_CORRUPT;
    } else {
        if (bytes.size - head > SET_MAX * sizeof(uint32_t))
            return TL_ERR_CORRUPT;
        while (!tl_reader_at_end(&reader) && !reader.failed) {
            uint32_t coupon = tl_reader_u32(&reader);

            if (reader.failed || coupon >> ADDRESS_BITS == 0)
                return TL_ERR_CORRUPT;
            if (!coupon_add(sketch, coupon, arena))
                return TL_ERR_MEMORY;
        }
    }
    if (saves_as(sketch, bytes, &rc))
        return TL_OK;
    return rc != TL_OK ? rc : TL_ERR_CORRUPT;
}

/* --- the shape --------------------------------------------------------------------------------------------------------- */

static bool step(const struct tl_agg_state *state, const struct tl_agg_rows *in, const struct tl_agg_selection *to)
{
    const struct tl_vec *arg = tl_agg_input(state, in, 0);
    enum tl_form form = tl_kind_form(arg->kind);

    for (uint32_t i = 0; i < to->count; i++) {
        struct tl_sketch *sketch = tl_agg_at(state, to->blocks[i]);
        uint32_t row = to->rows[i];
        bool ok = true;

        if (arg->null[row])
            continue;
        switch (form) {
        case TL_FORM_I64: ok = tl_sketch_add_word(sketch, (uint64_t)arg->i64[row], to->arenas[i]); break;
        case TL_FORM_F64:
            ok = tl_sketch_add_word(sketch, arg->f64[row] == 0 ? 0 : tl_f64_bits(arg->f64[row]), to->arenas[i]);
            break;
        case TL_FORM_TEXT: ok = tl_sketch_add(sketch, arg->sv[row], to->arenas[i]); break;
        }
        if (!ok)
            return false;
    }
    return true;
}

static bool merge(const struct tl_agg_state *state, void *into, const void *from, struct tl_arena *arena)
{
    return tl_sketch_merge(tl_agg_at(state, into), tl_agg_in(state, from), arena);
}

static bool finish(const struct tl_agg_state *state, const struct tl_agg_call *call, const void *const *blocks,
                   uint32_t blocks_count, struct tl_arena *arena, struct tl_vec *out)
{
    (void)call;
    (void)arena;
    for (uint32_t i = 0; i < blocks_count; i++) {
        out->null[i] = 0;
        out->i64[i] = (int64_t)tl_sketch_estimate(tl_agg_in(state, blocks[i]));
    }
    return true;
}

static void save(const struct tl_agg_state *state, const void *block, struct tl_buf *out)
{
    const struct tl_sketch *sketch = tl_agg_in(state, block);
    uint64_t size = sketch->registers != NULL   ? PREAMBLE_HLL + REGISTERS
                    : sketch->count <= LIST_MAX ? PREAMBLE_LIST + 4 * (uint64_t)sketch->count
                                                : PREAMBLE_SET + 4 * (uint64_t)sketch->count;

    tl_buf_put_varint(out, size);
    tl_sketch_save(sketch, out);
}

static enum tl_code load(const struct tl_agg_state *state, struct tl_reader *bytes, void *block, struct tl_arena *arena)
{
    struct tl_sv sketch = tl_reader_block(bytes);

    return bytes->failed ? TL_ERR_CORRUPT : tl_sketch_load(tl_agg_at(state, block), sketch, arena);
}

const struct tl_agg_shape tl_agg_approx_distinct = {sizeof(struct tl_sketch), step, merge, finish, save, load};
