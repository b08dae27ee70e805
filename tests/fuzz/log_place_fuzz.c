/* log_place_fuzz.c: offsets by partition: what is taken is in order, each partition once; what is refused is shown where it stands. */
#include "event/log_place.h"
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1); /* of its own size, so that the sanitizer sees a read beyond it */
    struct tl_sv text = {copy, size}, wrong;
    struct tl_log_place place;
    struct tl_arena arena;

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    tl_arena_init(&arena, 4096, 0);
    if (tl_log_offsets_read(text, &arena, &place, &wrong)) {
        CHECK(place.kind == TL_PLACE_OFFSETS && place.offsets_count > 0);
        for (size_t i = 0; i < place.offsets_count; i++) {
            CHECK(place.offsets[i].offset >= 0 && place.offsets[i].partition <= INT32_MAX);
            CHECK(i == 0 || place.offsets[i - 1].partition < place.offsets[i].partition);
        }
    } else {
        CHECK(wrong.data >= text.data && wrong.data + wrong.size <= text.data + text.size);
    }
    tl_arena_done(&arena);
    free(copy);
    return 0;
}
