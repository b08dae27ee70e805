/* nearest.c: the edit distance, where two neighbours that changed places count as one step. */
#include "base/nearest.h"

#include <stdio.h>

enum { WORD_MAX = 64 }; /* longer names are not compared */

static char letter_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edit distance where two swapped neighbours count as one edit; case does not count. */
static size_t word_distance(struct tl_sv a, struct tl_sv b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.size; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t change = last[j - 1] + (letter_lower(a.data[i - 1]) != letter_lower(b.data[j - 1]));

            if (last[j] + 1 < change)
                change = last[j] + 1;
            if (row[j - 1] + 1 < change)
                change = row[j - 1] + 1;
            if (i > 1 && j > 1 && letter_lower(a.data[i - 1]) == letter_lower(b.data[j - 2]) &&
                letter_lower(a.data[i - 2]) == letter_lower(b.data[j - 1]) && before[j - 2] + 1 < change)
                change = before[j - 2] + 1;
            row[j] = change;
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[b.size];
}

struct tl_nearest tl_nearest_to(struct tl_sv given)
{
    return (struct tl_nearest){
        given, {NULL, 0},
         SIZE_MAX
    };
}

void tl_nearest_offer(struct tl_nearest *nearest, struct tl_sv name)
{
    size_t distance, longest = name.size > nearest->given.size ? name.size : nearest->given.size;

    if (name.size == 0 || nearest->given.size == 0 || longest > WORD_MAX)
        return;
    distance = word_distance(nearest->given, name);
    if (distance > (longest + 2) / 3 || distance >= nearest->distance || distance >= longest)
        return;
    nearest->best = name;
    nearest->distance = distance;
}

const char *tl_nearest_hint(const struct tl_nearest *nearest, char *out, size_t out_bytes, const char *otherwise)
{
    if (nearest->best.data == NULL)
        return otherwise;
    snprintf(out, out_bytes, "did you mean '%.*s'?", TL_SV_ARG(nearest->best));
    return out;
}
