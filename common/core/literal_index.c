/* literal_index.c: the automaton of Aho and Corasick. See literal_index.h.
 *
 * A state is a beginning of some literal: what has just been read, as far as it can still become one. Bytes that no literal
 * has are one class, and each other byte has a class of its own (capitals that of their small letter), so the table of steps
 * is states x classes: the 4 MB of a table with 256 columns become 1 MB for the rules of user agents. */
#include "core/literal_index.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES = 256 };

/* Sets that end at a state, as a list. */
struct ending {
    uint32_t set;
    uint32_t next; /* 0: the last */
};

struct tl_literal_index {
    uint8_t class_of[BYTES];
    uint32_t classes, sets_count;
    uint32_t states;
    uint32_t *step;       /* [state * classes + class]: the next state */
    uint32_t *ends;       /* by state: first of `endings`, or 0 */
    uint32_t *fail;       /* by state: the longest proper ending that is a state too */
    uint32_t *ends_below; /* by state: itself or the nearest along fail that has endings; 0: none */
    struct ending *endings;
    uint32_t endings_count;
};

static void classes_set(struct tl_literal_index *index, const struct tl_literal_set *sets, uint32_t sets_count)
{
    bool used[BYTES] = {false};

    for (uint32_t s = 0; s < sets_count; s++)
        for (uint32_t l = 0; l < sets[s].count; l++)
            for (size_t i = 0; i < sets[s].literals[l].size; i++)
                used[(unsigned char)sets[s].literals[l].data[i]] = true;
    index->classes = 1;
    for (unsigned c = 0; c < BYTES; c++)
        if (used[c] && !(c >= 'A' && c <= 'Z'))
            index->class_of[c] = (uint8_t)index->classes++;
    for (unsigned c = 'A'; c <= 'Z'; c++)
        index->class_of[c] = index->class_of[c + 32];
}

/* The trie: `step` holds children alone, and 0 for none. */
static void literal_add(struct tl_literal_index *index, struct tl_sv literal, uint32_t set)
{
    uint32_t state = 0;

    for (size_t i = 0; i < literal.size; i++) {
        uint32_t *child = &index->step[(size_t)state * index->classes + index->class_of[(unsigned char)literal.data[i]]];

        if (*child == 0)
            *child = index->states++;
        state = *child;
    }
    index->endings[++index->endings_count] = (struct ending){set, index->ends[state]};
    index->ends[state] = index->endings_count;
}

/* Breadth first, so that what `fail` points at is complete before it is read. Turns the trie's missing children into steps. */
static void steps_complete(struct tl_literal_index *index, uint32_t *queue)
{
    const uint32_t classes = index->classes;
    uint32_t head = 0, tail = 0;

    queue[tail++] = 0;
    while (head < tail) {
        uint32_t state = queue[head++], fail = index->fail[state];
        uint32_t *step = &index->step[(size_t)state * classes];
        const uint32_t *fall = &index->step[(size_t)fail * classes];

        index->ends_below[state] = index->ends[state] != 0 || state == 0 ? state : index->ends_below[fail];
        for (uint32_t c = 0; c < classes; c++) {
            if (step[c] == 0) {
                step[c] = state == 0 ? 0 : fall[c];
            } else {
                index->fail[step[c]] = state == 0 ? 0 : fall[c];
                queue[tail++] = step[c];
            }
        }
    }
}

/* The steps were made as large as all literals together; many begin alike. */
static bool steps_shrink(struct tl_literal_index *index, struct tl_arena *arena)
{
    size_t bytes = (size_t)index->states * index->classes * sizeof *index->step;
    uint32_t *step = tl_arena_alloc(arena, bytes);

    if (step != NULL)
        memcpy(step, index->step, bytes);
    free(index->step);
    index->step = step;
    return step != NULL;
}

static bool index_alloc(struct tl_literal_index *index, struct tl_arena *arena, size_t states_max, size_t endings_max)
{
    index->ends = tl_arena_zalloc(arena, states_max * sizeof *index->ends);
    index->fail = tl_arena_zalloc(arena, states_max * sizeof *index->fail);
    index->ends_below = tl_arena_zalloc(arena, states_max * sizeof *index->ends_below);
    index->endings = tl_arena_zalloc(arena, endings_max * sizeof *index->endings);
    return index->ends != NULL && index->fail != NULL && index->ends_below != NULL && index->endings != NULL;
}

bool tl_literal_index_make(struct tl_arena *arena, const struct tl_literal_set *sets, uint32_t sets_count,
                           const struct tl_literal_index **out)
{
    struct tl_literal_index *index = tl_arena_zalloc(arena, sizeof *index);
    size_t states_max = 1, endings_max = 1;
    uint32_t *queue;

    for (uint32_t s = 0; s < sets_count; s++)
        for (uint32_t l = 0; l < sets[s].count; l++) {
            states_max += sets[s].literals[l].size;
            endings_max++;
        }
    if (states_max > UINT32_MAX / BYTES || index == NULL || !index_alloc(index, arena, states_max, endings_max))
        return false;
    classes_set(index, sets, sets_count);
    index->sets_count = sets_count;
    index->states = 1;
    index->step = calloc(states_max * index->classes, sizeof *index->step);
    queue = malloc(states_max * sizeof *queue);
    if (index->step == NULL || queue == NULL) {
        free(index->step);
        free(queue);
        return false;
    }
    for (uint32_t s = 0; s < sets_count; s++)
        for (uint32_t l = 0; l < sets[s].count; l++)
            literal_add(index, sets[s].literals[l], s);
    steps_complete(index, queue);
    free(queue);
    *out = index;
    return steps_shrink(index, arena);
}

static void mark(const struct tl_literal_index *index, uint32_t state, uint64_t *hits)
{
    for (uint32_t at = index->ends_below[state];; at = index->ends_below[index->fail[at]]) {
        for (uint32_t e = index->ends[at]; e != 0; e = index->endings[e].next)
            hits[index->endings[e].set / 64] |= UINT64_C(1) << (index->endings[e].set % 64);
        if (at == 0)
            return;
    }
}

void tl_literal_index_scan(const struct tl_literal_index *index, struct tl_sv text, uint64_t *hits)
{
    const uint32_t classes = index->classes;
    uint32_t state = 0;

    memset(hits, 0, tl_literal_words(index->sets_count) * sizeof *hits);
    mark(index, 0, hits);
    for (size_t i = 0; i < text.size; i++) {
        state = index->step[(size_t)state * classes + index->class_of[(unsigned char)text.data[i]]];
        if (index->ends_below[state] != 0)
            mark(index, state, hits);
    }
}

uint32_t tl_literal_index_states(const struct tl_literal_index *index)
{
    return index->states;
}
