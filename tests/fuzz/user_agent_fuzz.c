/* user_agent_fuzz.c: any bytes as a user agent: looking for literals first changes nothing. And as a regular expression
 * whose literals are asked for, and as a text in which they are looked for. */
#include <stdlib.h>
#include <string.h>

#include "core/literal_index.h"
#include "core/user_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tl_user_agents *agents;
static struct tl_user_agent_scratch quick, slow;

static void open_rules(void)
{
    if (tl_user_agents_open(TL_USER_AGENTS_PATH, &agents, NULL) != TL_OK || !tl_user_agent_scratch_init(&quick, agents) ||
        !tl_user_agent_scratch_init(&slow, agents))
        abort();
    slow.every_rule = true;
}

static void check_same(struct tl_sv a, struct tl_sv b)
{
    if ((a.data == NULL) != (b.data == NULL) || !tl_sv_eq(a, b))
        abort();
}

static void check_user_agent(struct tl_sv text)
{
    struct tl_user_agent a, b;

    if (!tl_user_agent_parse(agents, &quick, text, &a) || !tl_user_agent_parse(agents, &slow, text, &b))
        abort();
    check_same(a.family, b.family);
    check_same(a.major, b.major);
    check_same(a.minor, b.minor);
    check_same(a.patch, b.patch);
    check_same(a.os.family, b.os.family);
    check_same(a.os.major, b.os.major);
    check_same(a.os.minor, b.os.minor);
    check_same(a.os.patch, b.os.patch);
    check_same(a.os.patch_minor, b.os.patch_minor);
    check_same(a.device.family, b.device.family);
    check_same(a.device.brand, b.device.brand);
    check_same(a.device.model, b.device.model);
    if (a.is_bot != b.is_bot)
        abort();
}

static void check_pattern(struct tl_sv text)
{
    const struct tl_literal_index *index;
    const struct tl_literal_set *sets;
    struct tl_arena arena;
    uint64_t *hits;
    uint32_t count;

    tl_arena_init(&arena, 4096, 0);
    if (!tl_regex_literals(text, &arena, &sets, &count) || !tl_literal_index_make(&arena, sets, count, &index))
        abort();
    hits = malloc((tl_literal_words(count) + 1) * sizeof *hits);
    if (hits == NULL)
        abort();
    tl_literal_index_scan(index, text, hits);
    free(hits);
    tl_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own size, so that the sanitizer sees a read beyond it. */
    char *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    if (agents == NULL)
        open_rules();
    check_user_agent((struct tl_sv){copy, size});
    check_pattern((struct tl_sv){copy, size});
    free(copy);
    return 0;
}
