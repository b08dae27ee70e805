/* log_place.c: reads offsets by partition. */
#include "event/log_place.h"

#include <stdlib.h>

struct written {
    struct tl_log_offset offset;
    size_t order;
};

/* "partition:" and digits. */
static bool labelled_read(struct tl_sv text, struct tl_sv label, int64_t *out)
{
    if (!tl_sv_starts(text, label))
        return false;
    text.data += label.size;
    text.size -= label.size;
    return text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9' && tl_sv_to_i64(text, out);
}

static bool pair_read(struct tl_sv pair, struct tl_log_offset *out)
{
    struct tl_sv first = tl_sv_cut(&pair, ',');
    int64_t partition;

    if (!labelled_read(first, TL_SV("partition:"), &partition) || !labelled_read(pair, TL_SV("offset:"), &out->offset) ||
        partition > INT32_MAX)
        return false;
    out->partition = (uint32_t)partition;
    return true;
}

static int by_partition(const void *a, const void *b)
{
    const struct written *x = a, *y = b;

    if (x->offset.partition != y->offset.partition)
        return x->offset.partition > y->offset.partition ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

bool tl_log_offsets_read(struct tl_sv text, struct tl_arena *arena, struct tl_log_place *out, struct tl_sv *wrong)
{
    struct written *written;
    struct tl_log_offset *offsets;
    struct tl_sv rest = text;
    size_t capacity = 1, written_count = 0, count = 0;

    for (size_t i = 0; i < text.size; i++)
        capacity += text.data[i] == ';';
    written = tl_arena_alloc(arena, capacity * sizeof *written);
    offsets = tl_arena_alloc(arena, capacity * sizeof *offsets);
    *wrong = (struct tl_sv){NULL, 0};
    if (written == NULL || offsets == NULL)
        return false;
    do { /* one ';' at the end is taken, as by Flink */
        struct tl_sv pair = tl_sv_cut(&rest, ';');

        written[written_count].order = written_count;
        if (!pair_read(pair, &written[written_count].offset)) {
            *wrong = pair.size > 0 ? pair : text;
            return false;
        }
        written_count++;
    } while (rest.size > 0);
    qsort(written, written_count, sizeof *written, by_partition);
    for (size_t i = 0; i < written_count; i++)
        if (i + 1 == written_count || written[i + 1].offset.partition != written[i].offset.partition)
            offsets[count++] = written[i].offset;
    *out = (struct tl_log_place){.kind = TL_PLACE_OFFSETS, .offsets = offsets, .offsets_count = count};
    return true;
}
