/* json_path_fuzz.c: any path into any text: it ends, and reads only what is there. */
#include <stdlib.h>
#include <string.h>

#include "core/json_path.h"
#include "event/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own size, so that the sanitizer sees a read beyond it. */
static struct tl_sv copy_of(struct tl_sv text)
{
    char *copy = malloc(text.size > 0 ? text.size : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, text.size > 0 ? text.data : "", text.size);
    return (struct tl_sv){copy, text.size};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = {(const char *)data, size}, path, text, value = {NULL, 0};
    const struct tl_json_path *compiled;
    struct tl_err err;
    struct tl_arena arena;

    /* path NUL text */
    path = copy_of(tl_sv_cut(&rest, 0));
    text = copy_of(rest);
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
