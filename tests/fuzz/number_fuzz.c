/* number_fuzz.c: any text as a number, as casts read it: refused, or in its kind's range and printed as a text that reads as
 * the same. */
#include <stdlib.h>
#include <string.h>

#include "core/function_number.h"
#include "fuzz/target.h"

static void whole_try(struct tl_sv text, enum tl_kind kind)
{
    char print[TL_NUMBER_TEXT_BYTES];
    int64_t value, again, min, max;

    if (!tl_i64_read(text, kind, &value))
        return;
    tl_kind_range(kind, &min, &max);
    CHECK(value >= min && value <= max);
    CHECK(tl_i64_read((struct tl_sv){print, tl_i64_print(value, print)}, kind, &again) && again == value);
}

static void real_try(struct tl_sv text, bool is_float, struct tl_arena *arena)
{
    char print[TL_NUMBER_TEXT_BYTES];
    double value, again;
    enum tl_read read = tl_f64_read(text, is_float, arena, &value);

    CHECK(read != TL_READ_MEMORY);
    if (read != TL_READ_OK)
        return;
    CHECK(tl_f64_read((struct tl_sv){print, tl_f64_print(value, is_float, print)}, is_float, arena, &again) == TL_READ_OK);
    CHECK(tl_f64_bits(value) == tl_f64_bits(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum tl_kind kinds[] = {TL_TINYINT, TL_SMALLINT, TL_INT, TL_BIGINT};
    char *copy = malloc(size > 0 ? size : 1); /* of its own size, so that the sanitizer sees a read behind it */
    struct tl_sv text = {copy, size};
    struct tl_arena arena;

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    tl_arena_init(&arena, 4096, 0);
    for (size_t i = 0; i < TL_COUNT(kinds); i++)
        whole_try(text, kinds[i]);
    real_try(text, false, &arena);
    real_try(text, true, &arena);
    tl_arena_done(&arena);
    free(copy);
    return 0;
}
