/* user_agent.c: the rules of user agents, compiled, and one text held against them. See user_agent.h.
 *
 * Expressions are PCRE2's own here, and not core/regex.h: they match bytes, so that letters fold in ASCII alone and a text's
 * literals are those of its lower case. They are interpreted. The JIT would make a text's first time 7 us instead of 23, and
 * opening the rules 15 ms longer than its 35 to 50; but its limits count otherwise, so what a hostile text is would depend
 * on whether the system grants executable memory, and batch could differ from speed. */
#include "core/user_agent.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/table.h"
#include "core/literal_index.h"
#include "core/user_agent_bot.h"
#include "core/user_agent_rules.h"

enum {
    GROUPS = 10, /* $0 to $9 */
    REGEX_SHOWN = 100,
    /* Bounds of a match from one place in the text, in PCRE2's terms; what reaches one ends the search. uap-core's tests
     * need between 2000 and 10000 steps, and of the texts that its authors collected against backtracking the worst takes 12
     * ms, and of those that a search for worse ones found 18. */
    STEPS_MAX = 20000,
    DEPTH_MAX = 10000,
    HEAP_KIBIBYTES_MAX = 4096,
};

struct rule {
    pcre2_code *code;
    struct tl_sv replacement[TL_USER_AGENT_FIELDS];
    const uint32_t *sets; /* of literals: one of each is in every text that matches */
    uint32_t sets_count;
};

struct tl_user_agents {
    struct tl_arena arena;
    struct rule *rules[TL_USER_AGENT_SECTIONS];
    uint32_t rules_count[TL_USER_AGENT_SECTIONS];
    const struct tl_literal_index *literals;
    uint32_t sets_count, bot_set, browser_set;
    uint64_t hash;
};

/* --- opening -------------------------------------------------------------------------------------------------------------- */

/* Sets of literals by their number. Many rules share one ({" build", ") applewebkit"}), which then is looked for once. */
struct numbers {
    struct tl_table table; /* the set's text -> the set */
    struct tl_buf text;
    struct tl_arena arena; /* the literals, until the index is made */
};

static bool set_number(struct numbers *n, const struct tl_literal_set *set, uint32_t *out)
{
    struct tl_literal_set *state;

    tl_buf_clear(&n->text);
    for (uint32_t i = 0; i < set->count; i++)
        tl_buf_put_block(&n->text, set->literals[i]);
    if (n->text.failed)
        return false;
    state = tl_table_put(&n->table, tl_hash_bytes(tl_buf_sv(&n->text)), tl_buf_sv(&n->text), NULL);
    if (state == NULL)
        return false;
    *state = *set;
    *out = tl_table_number(&n->table, state);
    return true;
}

static bool rule_literals(struct tl_user_agents *agents, struct numbers *n, struct tl_sv regex, struct rule *out)
{
    const struct tl_literal_set *sets;
    uint32_t *numbers;

    if (!tl_regex_literals(regex, &n->arena, &sets, &out->sets_count))
        return false;
    numbers = tl_arena_alloc(&agents->arena, (out->sets_count + 1) * sizeof *numbers);
    for (uint32_t i = 0; numbers != NULL && i < out->sets_count; i++)
        if (!set_number(n, &sets[i], &numbers[i]))
            return false;
    out->sets = numbers;
    return numbers != NULL;
}

static enum tl_code rule_compile(const char *path, const struct tl_user_agent_rule *from, pcre2_code **out, struct tl_err *err)
{
    PCRE2_SIZE at;
    PCRE2_UCHAR why[128] = "";
    int code;

    *out = pcre2_compile((PCRE2_SPTR)from->regex.data, from->regex.size, from->caseless ? PCRE2_CASELESS : 0, &code, &at, NULL);
    if (*out != NULL)
        return TL_OK;
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return tl_fail_memory(err, from->regex.size);
    (void)pcre2_get_error_message(code, why, sizeof why);
    return tl_fail(err, TL_ERR_DEFINITION, "%s:%u: %s, at byte %zu of the regular expression '%.*s'", path, from->line,
                   (char *)why, at, (int)(from->regex.size > REGEX_SHOWN ? REGEX_SHOWN : from->regex.size), from->regex.data);
}

static enum tl_code section_compile(struct tl_user_agents *agents, const char *path, const struct tl_user_agent_rules *from,
                                    size_t section, struct numbers *n, struct tl_err *err)
{
    const uint32_t count = from->count[section];
    struct rule *rules = tl_arena_zalloc(&agents->arena, count * sizeof *rules);
    enum tl_code rc = TL_OK;

    if (rules == NULL)
        return tl_fail_memory(err, count * sizeof *rules);
    agents->rules[section] = rules;
    for (uint32_t i = 0; i < count; i++) {
        const struct tl_user_agent_rule *rule = &from->rules[section][i];

        TL_TRY(rule_compile(path, rule, &rules[i].code, err));
        agents->rules_count[section]++;
        memcpy(rules[i].replacement, rule->replacement, sizeof rule->replacement);
        if (!rule_literals(agents, n, rule->regex, &rules[i]))
            TL_TRY(tl_fail_memory(err, rule->regex.size));
    }
out:
    return rc;
}

static bool index_make(struct tl_user_agents *agents, struct numbers *n)
{
    struct tl_literal_set *sets;

    if (!set_number(n, &tl_bot_words, &agents->bot_set) || !set_number(n, &tl_browser_words, &agents->browser_set))
        return false;
    agents->sets_count = n->table.count;
    sets = tl_arena_alloc(&n->arena, agents->sets_count * sizeof *sets);
    for (uint32_t i = 0; sets != NULL && i < agents->sets_count; i++)
        sets[i] = *(const struct tl_literal_set *)tl_table_at(&n->table, i, NULL, NULL);
    return sets != NULL && tl_literal_index_make(&agents->arena, sets, agents->sets_count, &agents->literals);
}

enum tl_code tl_user_agents_open(const char *path, struct tl_user_agents **out, struct tl_err *err)
{
    struct tl_user_agents *agents = calloc(1, sizeof *agents);
    struct tl_user_agent_rules rules;
    struct numbers n;
    enum tl_code rc;

    if (agents == NULL)
        return tl_fail_memory(err, sizeof *agents);
    tl_arena_init(&agents->arena, 1u << 16, 0);
    tl_arena_init(&n.arena, 1u << 16, 0);
    tl_table_init(&n.table, sizeof(struct tl_literal_set), 0);
    tl_buf_init(&n.text, 0);
    TL_TRY(tl_user_agent_rules_read(path, &agents->arena, &rules, err));
    agents->hash = rules.hash;
    for (size_t section = 0; section < TL_USER_AGENT_SECTIONS; section++)
        TL_TRY(section_compile(agents, path, &rules, section, &n, err));
    if (!index_make(agents, &n))
        TL_TRY(tl_fail_memory(err, 0));
    *out = agents;
out:
    tl_buf_done(&n.text);
    tl_table_done(&n.table);
    tl_arena_done(&n.arena);
    if (rc != TL_OK)
        tl_user_agents_close(agents);
    return rc;
}

void tl_user_agents_close(struct tl_user_agents *agents)
{
    if (agents == NULL)
        return;
    for (size_t section = 0; section < TL_USER_AGENT_SECTIONS; section++)
        for (uint32_t i = 0; i < agents->rules_count[section]; i++)
            pcre2_code_free(agents->rules[section][i].code);
    tl_arena_done(&agents->arena);
    free(agents);
}

uint64_t tl_user_agents_hash(const struct tl_user_agents *agents)
{
    return agents->hash;
}

/* --- one text ------------------------------------------------------------------------------------------------------------- */

bool tl_user_agent_scratch_init(struct tl_user_agent_scratch *scratch, const struct tl_user_agents *agents)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);

    *scratch = (struct tl_user_agent_scratch){.match = pcre2_match_data_create(GROUPS, NULL),
                                              .limits = limits,
                                              .hits = calloc(tl_literal_words(agents->sets_count), sizeof *scratch->hits)};
    tl_arena_init(&scratch->text, 4096, 0);
    if (scratch->match == NULL || limits == NULL || scratch->hits == NULL) {
        tl_user_agent_scratch_done(scratch);
        return false;
    }
    pcre2_set_match_limit(limits, STEPS_MAX);
    pcre2_set_depth_limit(limits, DEPTH_MAX);
    pcre2_set_heap_limit(limits, HEAP_KIBIBYTES_MAX);
    return true;
}

void tl_user_agent_scratch_done(struct tl_user_agent_scratch *scratch)
{
    pcre2_match_data_free(scratch->match);
    pcre2_match_context_free(scratch->limits);
    free(scratch->hits);
    tl_arena_done(&scratch->text);
    *scratch = (struct tl_user_agent_scratch){0};
}

static bool rule_may_match(const struct rule *rule, const uint64_t *hits)
{
    for (uint32_t i = 0; i < rule->sets_count; i++)
        if (!tl_literal_hit(hits, rule->sets[i]))
            return false;
    return true;
}

/* What a group has matched; of data NULL where it took no part. */
static struct tl_sv group(const struct tl_user_agent_scratch *scratch, int groups, struct tl_sv text, int number)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(scratch->match);

    if (number >= groups || at[2 * number] == PCRE2_UNSET)
        return (struct tl_sv){NULL, 0};
    return (struct tl_sv){text.data + at[2 * number], at[2 * number + 1] - at[2 * number]};
}

static bool is_group(struct tl_sv replacement, size_t i)
{
    return replacement.data[i] == '$' && i + 1 < replacement.size && replacement.data[i + 1] >= '1' &&
           replacement.data[i + 1] <= '9';
}

/* The replacement with what $1 to $9 have matched; without these it is its own result. */
static bool replace(struct tl_user_agent_scratch *scratch, int groups, struct tl_sv text, struct tl_sv replacement,
                    struct tl_sv *out)
{
    size_t size = 0, room = replacement.size;
    char *bytes;

    for (size_t i = 0; i < replacement.size; i++)
        if (is_group(replacement, i))
            room += group(scratch, groups, text, replacement.data[i + 1] - '0').size;
    *out = replacement;
    if (memchr(replacement.data, '$', replacement.size) == NULL)
        return true;
    bytes = tl_arena_bytes(&scratch->text, room);
    if (bytes == NULL)
        return false;
    for (size_t i = 0; i < replacement.size; i++) {
        struct tl_sv part = {replacement.data + i, 1};

        if (is_group(replacement, i))
            part = group(scratch, groups, text, replacement.data[++i] - '0');
        if (part.size > 0)
            memcpy(bytes + size, part.data, part.size);
        size += part.size;
    }
    *out = (struct tl_sv){bytes, size};
    return true;
}

/* Which group a field is without a replacement: in turn for browsers and systems; of a device the first is family and model,
 * and none the brand. */
static int group_of(size_t section, size_t field)
{
    static const int device[TL_USER_AGENT_FIELDS] = {1, GROUPS, 1, GROUPS, GROUPS};

    return section == TL_USER_AGENT_DEVICE ? device[field] : (int)field + 1;
}

static bool rule_fields(struct tl_user_agent_scratch *scratch, const struct rule *rule, size_t section, int groups,
                        struct tl_sv text, struct tl_sv *fields)
{
    for (size_t i = 0; i < TL_USER_AGENT_FIELDS; i++) {
        struct tl_sv value = group(scratch, groups, text, group_of(section, i));

        if (rule->replacement[i].data != NULL && !replace(scratch, groups, text, rule->replacement[i], &value))
            return false;
        value = tl_sv_trim(value);
        fields[i] = value.size > 0 ? value : (struct tl_sv){NULL, 0};
    }
    return true;
}

/* The first rule of the section that matches. */
static bool section_parse(const struct tl_user_agents *agents, struct tl_user_agent_scratch *scratch, size_t section,
                          struct tl_sv text, struct tl_sv *fields)
{
    for (uint32_t i = 0; i < agents->rules_count[section]; i++) {
        const struct rule *rule = &agents->rules[section][i];
        int groups;

        if (!scratch->every_rule && !rule_may_match(rule, scratch->hits))
            continue;
        scratch->rules_run++;
        groups = pcre2_match(rule->code, (PCRE2_SPTR)text.data, text.size, 0, 0, scratch->match, scratch->limits);
        if (groups == PCRE2_ERROR_NOMEMORY)
            return false;
        if (groups < 0)
            continue;
        if (!rule_fields(scratch, rule, section, groups == 0 ? GROUPS : groups, text, fields))
            return false;
        break;
    }
    if (fields[0].data == NULL)
        fields[0] = TL_SV("Other");
    return true;
}

/* See user_agent_bot.h. */
static bool is_bot(const struct tl_user_agents *agents, const uint64_t *hits, const struct tl_user_agent *agent)
{
    return tl_sv_eq(agent->device.family, TL_SV("Spider")) || tl_literal_hit(hits, agents->bot_set) ||
           (tl_sv_eq(agent->device.family, TL_SV("Other")) && tl_sv_eq(agent->os.family, TL_SV("Other")) &&
            !tl_literal_hit(hits, agents->browser_set));
}

bool tl_user_agent_parse(const struct tl_user_agents *agents, struct tl_user_agent_scratch *scratch, struct tl_sv text,
                         struct tl_user_agent *out)
{
    struct tl_sv fields[TL_USER_AGENT_SECTIONS][TL_USER_AGENT_FIELDS] = {{{NULL, 0}}};
    const struct tl_sv *browser = fields[TL_USER_AGENT_BROWSER], *os = fields[TL_USER_AGENT_OS],
                       *device = fields[TL_USER_AGENT_DEVICE];

    if (text.size > TL_USER_AGENT_BYTES_MAX)
        text.size = TL_USER_AGENT_BYTES_MAX;
    if (text.size == 0)
        text.data = "";
    tl_arena_reset(&scratch->text);
    tl_literal_index_scan(agents->literals, text, scratch->hits);
    for (size_t section = 0; section < TL_USER_AGENT_SECTIONS; section++)
        if (!section_parse(agents, scratch, section, text, fields[section]))
            return false;
    *out = (struct tl_user_agent){
        .family = browser[0],
        .major = browser[1],
        .minor = browser[2],
        .patch = browser[3],
        .os = {os[0],  os[1], os[2], os[3], os[4]},
        .device = {device[0], device[1],      device[2]  },
    };
    out->is_bot = is_bot(agents, scratch->hits, out);
    return true;
}
