/* user_agent_rules.c: regexes.yaml, read with libyaml. See user_agent_rules.h. */
#include "core/user_agent_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/table.h"

enum {
    FILE_BYTES_MAX = 1 << 26, /* today's has 200 KB */
    RULES_MAX = 1 << 16,      /* of a section; today's longest has 630 */
};

static const struct {
    const char *name;
    const char *fields[TL_USER_AGENT_FIELDS];
} sections[TL_USER_AGENT_SECTIONS] = {
    [TL_USER_AGENT_BROWSER] = {"user_agent_parsers",
                               {"family_replacement", "v1_replacement", "v2_replacement", "v3_replacement", "v4_replacement"}        },
    [TL_USER_AGENT_OS] = {"os_parsers",
                               {"os_replacement", "os_v1_replacement", "os_v2_replacement", "os_v3_replacement", "os_v4_replacement"}},
    [TL_USER_AGENT_DEVICE] = {"device_parsers",     {"device_replacement", "brand_replacement", "model_replacement", NULL, NULL}    },
};

struct reader {
    const char *path;
    yaml_parser_t yaml;
    yaml_event_t event; /* the current one */
    struct tl_arena *arena;
    struct tl_user_agent_rules *out;
    uint32_t capacity[TL_USER_AGENT_SECTIONS];
    struct tl_err *err;
};

static enum tl_code next(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->yaml, &r->event))
        return TL_OK;
    if (r->yaml.error == YAML_MEMORY_ERROR)
        return tl_fail_memory(r->err, 0);
    return tl_fail(r->err, TL_ERR_DEFINITION, "%s:%zu: it is no YAML: %s", r->path, r->yaml.problem_mark.line + 1,
                   r->yaml.problem != NULL ? r->yaml.problem : "unknown");
}

static uint32_t line_of(const struct reader *r)
{
    return (uint32_t)r->event.start_mark.line + 1;
}

static enum tl_code expect(struct reader *r, yaml_event_type_t type, const char *what)
{
    if (r->event.type == type)
        return TL_OK;
    return tl_fail(r->err, TL_ERR_DEFINITION, "%s:%u: %s is expected here: is it the regexes.yaml of uap-core?", r->path,
                   line_of(r), what);
}

static struct tl_sv scalar(const struct reader *r)
{
    return (struct tl_sv){(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
}

/* Passes over the node that the current event begins. */
static enum tl_code skip(struct reader *r)
{
    size_t depth = 0;
    enum tl_code rc = TL_OK;

    for (;;) {
        switch (r->event.type) {
        case YAML_SEQUENCE_START_EVENT:
        case YAML_MAPPING_START_EVENT: depth++; break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT: depth--; break;
        default: break;
        }
        if (depth == 0)
            return TL_OK;
        TL_TRY(next(r));
    }
out:
    return rc;
}

/* Where the value of this key goes; NULL: nowhere. */
static struct tl_sv *field_of(const struct reader *r, enum tl_user_agent_section section, struct tl_user_agent_rule *rule,
                              struct tl_sv *flags)
{
    struct tl_sv key = scalar(r);

    if (tl_sv_eq(key, TL_SV("regex")))
        return &rule->regex;
    if (tl_sv_eq(key, TL_SV("regex_flag")))
        return flags;
    for (size_t i = 0; i < TL_USER_AGENT_FIELDS && sections[section].fields[i] != NULL; i++)
        if (tl_sv_eq(key, tl_sv_from(sections[section].fields[i])))
            return &rule->replacement[i];
    return NULL;
}

/* The mapping of a rule, whose begin is the current event; leaves its end. */
static enum tl_code rule_read(struct reader *r, enum tl_user_agent_section section, struct tl_user_agent_rule *rule)
{
    struct tl_sv flags = {NULL, 0};
    enum tl_code rc;

    *rule = (struct tl_user_agent_rule){.line = line_of(r)};
    TL_TRY(expect(r, YAML_MAPPING_START_EVENT, "a rule with a regex"));
    for (;;) {
        struct tl_sv *field;

        TL_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        TL_TRY(expect(r, YAML_SCALAR_EVENT, "a key"));
        field = field_of(r, section, rule, &flags);
        TL_TRY(next(r));
        if (field == NULL) {
            TL_TRY(skip(r));
            continue;
        }
        TL_TRY(expect(r, YAML_SCALAR_EVENT, "a text"));
        if (r->event.data.scalar.length > 0 && !tl_arena_copy(r->arena, scalar(r), field))
            TL_TRY(tl_fail_memory(r->err, r->event.data.scalar.length));
    }
    if (rule->regex.size == 0)
        TL_TRY(tl_fail(r->err, TL_ERR_DEFINITION, "%s:%u: the rule has no regex", r->path, rule->line));
    if (flags.size > 0 && !tl_sv_eq(flags, TL_SV("i")))
        TL_TRY(tl_fail(r->err, TL_ERR_DEFINITION, "%s:%u: regex_flag '%.*s' is not known; 'i' is", r->path, rule->line,
                       TL_SV_ARG(flags)));
    rule->caseless = flags.size > 0;
out:
    return rc;
}

static enum tl_code section_read(struct reader *r, enum tl_user_agent_section section)
{
    enum tl_code rc;

    TL_TRY(expect(r, YAML_SEQUENCE_START_EVENT, "a list of rules"));
    for (;;) {
        uint32_t *count = &r->out->count[section];

        TL_TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (*count == RULES_MAX)
            TL_TRY(tl_fail(r->err, TL_ERR_DEFINITION, "%s:%u: more than %d rules", r->path, line_of(r), RULES_MAX));
        if (*count == r->capacity[section]) {
            uint32_t capacity = *count == 0 ? 1024 : *count * 2;
            struct tl_user_agent_rule *more = tl_arena_alloc(r->arena, capacity * sizeof *more);

            if (more == NULL)
                TL_TRY(tl_fail_memory(r->err, capacity * sizeof *more));
            if (*count > 0)
                memcpy(more, r->out->rules[section], *count * sizeof *more);
            r->out->rules[section] = more;
            r->capacity[section] = capacity;
        }
        TL_TRY(rule_read(r, section, &r->out->rules[section][*count]));
        (*count)++;
    }
out:
    return rc;
}

static enum tl_code sections_read(struct reader *r)
{
    enum tl_code rc;

    do { /* the begin of the stream and of the document */
        TL_TRY(next(r));
    } while (r->event.type == YAML_STREAM_START_EVENT || r->event.type == YAML_DOCUMENT_START_EVENT);
    TL_TRY(expect(r, YAML_MAPPING_START_EVENT, "user_agent_parsers"));
    for (;;) {
        size_t section = 0;

        TL_TRY(next(r));
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        TL_TRY(expect(r, YAML_SCALAR_EVENT, "user_agent_parsers"));
        while (section < TL_USER_AGENT_SECTIONS && !tl_sv_eq(scalar(r), tl_sv_from(sections[section].name)))
            section++;
        TL_TRY(next(r));
        if (section < TL_USER_AGENT_SECTIONS)
            TL_TRY(section_read(r, (enum tl_user_agent_section)section));
        else
            TL_TRY(skip(r));
    }
    for (size_t i = 0; i < TL_USER_AGENT_SECTIONS; i++)
        if (r->out->count[i] == 0)
            TL_TRY(tl_fail(r->err, TL_ERR_DEFINITION, "%s: it has no %s: is it the regexes.yaml of uap-core?", r->path,
                           sections[i].name));
out:
    return rc;
}

static enum tl_code file_read(const char *path, struct tl_buf *text, struct tl_err *err)
{
    FILE *file = fopen(path, "rb");
    char part[4096];
    size_t size;
    enum tl_code rc = TL_OK;

    if (file == NULL)
        return tl_fail_errno(err, TL_ERR_DEFINITION,
                             "the rules of user agents %s (Debian's package uap-core has them; --user-agents names others)",
                             path);
    while ((size = fread(part, 1, sizeof part, file)) > 0)
        tl_buf_put(text, part, size);
    if (ferror(file))
        TL_TRY(tl_fail_errno(err, TL_ERR_DEFINITION, "the rules of user agents %s", path));
    TL_TRY(tl_buf_check(text, path, err));
out:
    fclose(file);
    return rc;
}

enum tl_code tl_user_agent_rules_read(const char *path, struct tl_arena *arena, struct tl_user_agent_rules *out,
                                      struct tl_err *err)
{
    struct tl_user_agent_rules rules = {0};
    struct reader r = {.path = path, .arena = arena, .out = &rules, .err = err};
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, FILE_BYTES_MAX);
    TL_TRY(file_read(path, &text, err));
    rules.hash = tl_hash_bytes(tl_buf_sv(&text));
    if (!yaml_parser_initialize(&r.yaml))
        TL_TRY(tl_fail_memory(err, sizeof r.yaml));
    yaml_parser_set_input_string(&r.yaml, (const unsigned char *)(text.size > 0 ? text.data : ""), text.size);
    rc = sections_read(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.yaml);
    if (rc == TL_OK)
        *out = rules;
out:
    tl_buf_done(&text);
    return rc;
}
