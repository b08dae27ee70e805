/* uap_cases.c: reads uap-core's test files with libyaml. See uap_cases.h. */
#include "support/uap_cases.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <yaml.h>

const struct uap_file uap_files[] = {
    {UAP_TESTS "test_ua.yaml",                           TL_USER_AGENT_BROWSER},
    {UAP_TESTS "test_os.yaml",                           TL_USER_AGENT_OS     },
    {UAP_TESTS "test_device.yaml",                       TL_USER_AGENT_DEVICE },
    {UAP_RESOURCES "firefox_user_agent_strings.yaml",    TL_USER_AGENT_BROWSER},
    {UAP_RESOURCES "opera_mini_user_agent_strings.yaml", TL_USER_AGENT_BROWSER},
    {UAP_RESOURCES "podcasting_user_agent_strings.yaml", TL_USER_AGENT_BROWSER},
    {UAP_RESOURCES "pgts_browser_list.yaml",             TL_USER_AGENT_BROWSER},
    {UAP_RESOURCES "additional_os_tests.yaml",           TL_USER_AGENT_OS     },
};
const uint32_t uap_files_count = TL_COUNT(uap_files);

enum { CASES_MAX = 20000 };

static const char *const names[TL_USER_AGENT_SECTIONS][TL_USER_AGENT_FIELDS] = {
    [TL_USER_AGENT_BROWSER] = {"family", "major",       "minor", "patch"},
    [TL_USER_AGENT_OS] = {"family",        "major",              "minor",       "patch", "patch_minor"},
    [TL_USER_AGENT_DEVICE] = {"family", "brand", "model" },
};

static void value_put(struct uap_case *c, enum tl_user_agent_section section, const char *key, const yaml_event_t *event,
                      struct tl_arena *arena)
{
    const char *text = (const char *)event->data.scalar.value;
    bool is_null = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && (text[0] == '\0' || strcmp(text, "null") == 0);
    struct tl_sv value = {NULL, 0};

    if (!is_null)
        cr_assert(tl_arena_copy(arena, (struct tl_sv){text, event->data.scalar.length}, &value));
    if (strcmp(key, "user_agent_string") == 0)
        c->text = value;
    for (size_t i = 0; i < TL_USER_AGENT_FIELDS && names[section][i] != NULL; i++)
        if (strcmp(key, names[section][i]) == 0)
            c->fields[i] = value;
}

/* test_cases: and a list of mappings from text to text; depth 3 is inside of one. */
struct uap_case *uap_cases_read(const struct uap_file *file, struct tl_arena *arena, uint32_t *count)
{
    struct uap_case *cases = tl_arena_zalloc(arena, CASES_MAX * sizeof *cases);
    FILE *in = fopen(file->path, "rb");
    char key[64] = "";
    yaml_parser_t yaml;
    yaml_event_t event;
    uint32_t depth = 0;
    bool is_end = false;

    cr_assert(in != NULL && cases != NULL && yaml_parser_initialize(&yaml), "%s", file->path);
    yaml_parser_set_input_file(&yaml, in);
    *count = 0;
    while (!is_end) {
        cr_assert(yaml_parser_parse(&yaml, &event), "%s:%zu: %s", file->path, yaml.problem_mark.line + 1, yaml.problem);
        switch (event.type) {
        case YAML_MAPPING_START_EVENT:
        case YAML_SEQUENCE_START_EVENT: depth++; break;
        case YAML_SEQUENCE_END_EVENT: depth--; break;
        case YAML_MAPPING_END_EVENT: *count += depth-- == 3; break;
        case YAML_SCALAR_EVENT:
            if (depth != 3)
                break;
            cr_assert_lt(*count, CASES_MAX);
            if (key[0] == '\0') {
                snprintf(key, sizeof key, "%s", (const char *)event.data.scalar.value);
            } else {
                value_put(&cases[*count], file->section, key, &event, arena);
                key[0] = '\0';
            }
            break;
        case YAML_STREAM_END_EVENT: is_end = true; break;
        default: break;
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&yaml);
    fclose(in);
    return cases;
}
