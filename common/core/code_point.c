/* code_point.c: a text's code points: how many, where one begins, their order turned round. */
#include "core/code_point.h"

#include <string.h>

int64_t tl_code_points(struct tl_sv text)
{
    int64_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += !tl_code_point_goes_on(text.data[i]);
    return count;
}

int64_t tl_code_units(struct tl_sv text)
{
    int64_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += !tl_code_point_goes_on(text.data[i]) + ((unsigned char)text.data[i] >= 0xF0);
    return count;
}

struct tl_sv tl_code_point_take(struct tl_sv *rest)
{
    size_t size = 1;

    while (size < rest->size && tl_code_point_goes_on(rest->data[size]))
        size++;
    rest->size -= size;
    rest->data += size;
    return (struct tl_sv){rest->data - size, size};
}

size_t tl_code_point_at(struct tl_sv text, int64_t count)
{
    struct tl_sv rest = text;

    while (count-- > 0 && rest.size > 0)
        tl_code_point_take(&rest);
    return text.size - rest.size;
}

uint32_t tl_code_point_value(struct tl_sv one)
{
    static const unsigned char first_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t value = (unsigned char)one.data[0] & first_mask[one.size < TL_COUNT(first_mask) ? one.size : 1];

    for (size_t i = 1; i < one.size; i++)
        value = value << 6 | ((unsigned char)one.data[i] & 0x3F);
    return value;
}

bool tl_code_points_reverse(struct tl_sv text, struct tl_arena *arena, struct tl_sv *out)
{
    char *bytes = tl_arena_bytes(arena, text.size), *at = bytes + text.size;

    if (bytes == NULL)
        return false;
    *out = (struct tl_sv){bytes, text.size};
    while (text.size > 0) {
        struct tl_sv one = tl_code_point_take(&text);

        at -= one.size;
        memcpy(at, one.data, one.size);
    }
    return true;
}
