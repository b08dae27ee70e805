/* regex_fuzz.c: any pattern against any text: it ends, reads only what is there, and finds what lies in the text. */
#include <stdlib.h>

#include "core/regex.h"
#include "fuzz/target.h"

static bool is_utf8(struct tl_sv text)
{
    for (size_t i = 0, step; i < text.size; i += step) {
        step = tl_utf8_size(text.data + i, text.size - i);
        if (step == 0)
            return false;
    }
    return true;
}

static void match_all(struct tl_regex_scratch *scratch, const struct tl_regex *regex, struct tl_sv text)
{
    struct tl_sv group;

    for (size_t from = 0; from < text.size && tl_regex_match(regex, scratch, text, from) == TL_REGEX_FOUND;) {
        for (uint32_t i = 0; i <= tl_regex_groups(regex); i++)
            if (tl_regex_group(scratch, text, i, &group) &&
                (group.data < text.data || group.data + group.size > text.data + text.size))
                abort();
        if (!tl_regex_group(scratch, text, 0, &group))
            abort();
        from = (size_t)(group.data - text.data) + group.size;
        if (group.size == 0 && from < text.size)
            from += tl_utf8_size(text.data + from, text.size - from);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = {(const char *)data, size}, pattern, text;
    static struct tl_regex_scratch *scratch;
    const struct tl_regex *regex;
    struct tl_err err;
    struct tl_arena arena;

    if (scratch == NULL && (scratch = tl_regex_scratch_open()) == NULL)
        abort();
    /* pattern NUL text */
    pattern = fuzz_copy(tl_sv_cut(&rest, 0));
    text = fuzz_copy(rest);
    tl_arena_init(&arena, 4096, 0);
    if (is_utf8(pattern) && is_utf8(text) && pattern.size < 200 && text.size < 400)
        for (unsigned flags = 0; flags <= TL_REGEX_INTERPRETED; flags += TL_REGEX_INTERPRETED)
            if (tl_regex_compile(pattern, flags, &arena, &regex, &err) == TL_OK)
                match_all(scratch, regex, text);
    tl_arena_done(&arena);
    free((void *)(uintptr_t)pattern.data);
    free((void *)(uintptr_t)text.data);
    return 0;
}
