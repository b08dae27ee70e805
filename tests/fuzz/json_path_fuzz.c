/* json_path_fuzz.c: any path into any text: it ends, and reads only what is there. */
#include <stdlib.h>

#include "core/json_path.h"
#include "event/json_text.h"
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = {(const char *)data, size}, path, text, value = {NULL, 0};
    const struct tl_json_path *compiled;
    struct tl_err err;
    struct tl_arena arena;

    /* path NUL text */
    path = fuzz_copy(tl_sv_cut(&rest, 0));
    text = fuzz_copy(rest);
    tl_arena_init(&arena, 4096, 0);
    if (tl_json_path_compile(path, &arena, &compiled, &err) == TL_OK) {
        enum tl_json_kind kind = tl_json_path_find(compiled, text, &value);
        size_t plain_size;
        char *plain = tl_arena_bytes(&arena, value.size + 1);

        if (plain == NULL || (kind == TL_JSON_STRING && !tl_json_unescape(value, plain, &plain_size)))
            abort();
    }
    tl_arena_done(&arena);
    free((void *)(uintptr_t)path.data);
    free((void *)(uintptr_t)text.data);
    return 0;
}
