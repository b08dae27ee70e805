/* standing.c: where definitions stand, and where they meet. See standing.h. */
#include "standing.h"

#include <stdlib.h>

void tl_standing_done(struct tl_standing *standing)
{
    free(standing->positions);
    *standing = (struct tl_standing){0};
}

enum tl_code tl_standing_add(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    struct tl_standing *standing = ctx;

    if (standing->count == standing->capacity) {
        uint32_t capacity = standing->capacity * 2 + 8;

        if (!TL_RESIZE(standing->positions, capacity))
            return tl_fail_memory(err, capacity * sizeof *standing->positions);
        standing->capacity = capacity;
    }
    standing->positions[standing->count++] = *position;
    return TL_OK;
}

static struct tl_position *find(const struct tl_standing *standing, uint32_t partition)
{
    for (uint32_t i = 0; i < standing->count; i++)
        if (standing->positions[i].partition == partition)
            return &standing->positions[i];
    return NULL;
}

const struct tl_position *tl_standing_of(const struct tl_standing *standing, uint32_t partition)
{
    return find(standing, partition);
}

enum tl_code tl_standings_meet(const struct tl_plan *plan, const struct tl_standing *standings, uint32_t source,
                               struct tl_standing *goal, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    goal->count = 0;
    for (uint32_t v = 0; v < plan->views_count; v++) {
        if (plan->views[v].source != source)
            continue;
        for (uint32_t i = 0; i < standings[v].count; i++) {
            const struct tl_position *position = &standings[v].positions[i];
            struct tl_position *met = find(goal, position->partition);

            if (met == NULL)
                TL_TRY(tl_standing_add(goal, position, err));
            else if (met->next_offset < position->next_offset)
                *met = *position;
        }
    }
out:
    return rc;
}

bool tl_standing_has_come_to(const struct tl_standing *standing, const struct tl_standing *goal)
{
    for (uint32_t g = 0; g < goal->count; g++) {
        const struct tl_position *mine = tl_standing_of(standing, goal->positions[g].partition);

        if (mine == NULL || mine->next_offset < goal->positions[g].next_offset)
            return false;
    }
    return true;
}
