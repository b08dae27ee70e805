/* like_fuzz.c: any pattern against any text, well-formed or not: it ends, and reads only what is there. */
#include <stdlib.h>
#include <string.h>

#include "core/case_map.h"
#include "core/like.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own size, so that the sanitizer sees a read beyond it. */
static struct tl_sv copy_of(struct tl_sv text)
{
    char *copy = malloc(text.size > 0 ? text.size : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, text.data, text.size);
    return (struct tl_sv){copy, text.size};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = {(const char *)data, size}, pattern, text, lower, upper, none = {NULL, 0};
    const struct tl_like *like;
    struct tl_arena arena;

    /* pattern NUL text */
    pattern = copy_of(tl_sv_cut(&rest, 0));
    text = copy_of(rest);
    tl_arena_init(&arena, 4096, 0);
    if (tl_like_compile(pattern, none, &arena, &like, NULL) == TL_OK)
        (void)tl_like_match(like, text);
    if (tl_like_compile(pattern, TL_SV("!"), &arena, &like, NULL) == TL_OK)
        (void)tl_like_match(like, text);
    if (!tl_case_lower(text, &arena, &lower) || !tl_case_upper(text, &arena, &upper))
        abort();
    tl_arena_done(&arena);
    free((void *)(uintptr_t)pattern.data);
    free((void *)(uintptr_t)text.data);
    return 0;
}
