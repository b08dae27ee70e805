/* user_agent_test.c: user agents by uap-core's own test files, and rules with and without the search for literals. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/user_agent.h"
#include "support/chance.h"
#include "support/run.h"
#include "support/uap_cases.h"

static struct tl_user_agents *agents;
static struct tl_user_agent_scratch scratch, plain; /* plain: every rule */
static struct tl_arena arena;

static void open_rules(void)
{
    struct tl_err err = {0};

    cr_assert_eq(tl_user_agents_open(TL_USER_AGENTS_PATH, &agents, &err), TL_OK, "%s", err.message);
    cr_assert(tl_user_agent_scratch_init(&scratch, agents) && tl_user_agent_scratch_init(&plain, agents));
    plain.every_rule = true;
    tl_arena_init(&arena, 1 << 16, 0);
}

static void close_rules(void)
{
    tl_arena_done(&arena);
    tl_user_agent_scratch_done(&plain);
    tl_user_agent_scratch_done(&scratch);
    tl_user_agents_close(agents);
}

TestSuite(user_agent, .init = open_rules, .fini = close_rules);

static void fields_of(const struct tl_user_agent *agent, enum tl_user_agent_section section,
                      struct tl_sv out[TL_USER_AGENT_FIELDS])
{
    const struct tl_sv all[TL_USER_AGENT_SECTIONS][TL_USER_AGENT_FIELDS] = {
        {agent->family,    agent->major,          agent->minor, agent->patch},
        {agent->os.family,                agent->os.major,                      agent->os.minor,    agent->os.patch, agent->os.patch_minor},
        {agent->device.family, agent->device.brand, agent->device.model         },
    };

    memcpy(out, all[section], sizeof all[section]);
}

static bool same(struct tl_sv a, struct tl_sv b)
{
    return (a.data == NULL) == (b.data == NULL) && tl_sv_eq(a, b);
}

/* uap-core's files test its rules and the reading of its specification both. */
Test(user_agent, uap_core_tests, .timeout = 600)
{
    uint32_t all = 0;

    for (uint32_t f = 0; f < uap_files_count; f++) {
        uint32_t count;
        struct uap_case *cases = uap_cases_read(&uap_files[f], &arena, &count);

        for (uint32_t i = 0; i < count; i++) {
            struct tl_user_agent agent;
            struct tl_sv fields[TL_USER_AGENT_FIELDS];

            cr_assert(tl_user_agent_parse(agents, &scratch, cases[i].text, &agent));
            fields_of(&agent, uap_files[f].section, fields);
            for (size_t k = 0; k < TL_USER_AGENT_FIELDS; k++)
                cr_expect(same(fields[k], cases[i].fields[k]), "%s: %.*s: field %zu is '%.*s', want '%.*s'", uap_files[f].path,
                          TL_SV_ARG(cases[i].text), k, TL_SV_ARG(fields[k]), TL_SV_ARG(cases[i].fields[k]));
        }
        all += count;
    }
    fprintf(stderr, "user_agent/uap_core_tests: %u cases, %.1f regular expressions each\n", all, (double)scratch.rules_run / all);
    cr_assert_geq(all, 18000);
    cr_assert_lt(scratch.rules_run, 20 * (uint64_t)all);
}

/* --- the search for literals changes nothing ------------------------------------------------------------------------------ */

static void check_prefilter(struct tl_sv text)
{
    struct tl_user_agent quick, slow;

    cr_assert(tl_user_agent_parse(agents, &scratch, text, &quick) && tl_user_agent_parse(agents, &plain, text, &slow));
    for (enum tl_user_agent_section section = 0; section < TL_USER_AGENT_SECTIONS; section++) {
        struct tl_sv a[TL_USER_AGENT_FIELDS], b[TL_USER_AGENT_FIELDS];

        fields_of(&quick, section, a);
        fields_of(&slow, section, b);
        for (size_t k = 0; k < TL_USER_AGENT_FIELDS; k++)
            cr_assert(same(a[k], b[k]), "%.*s: field %zu of section %d is '%.*s', and '%.*s' when every rule is tried",
                      TL_SV_ARG(text), k, section, TL_SV_ARG(a[k]), TL_SV_ARG(b[k]));
    }
    cr_assert_eq(quick.is_bot, slow.is_bot);
}

/* Another one like it: bytes changed, letters in the other case, pieces cut out, doubled, put behind. */
static struct tl_sv mutate(struct chance *chance, struct tl_sv text, struct tl_sv other)
{
    size_t room = text.size * 2 + other.size + 1, size = text.size;
    char *bytes = tl_arena_bytes(&arena, room);

    cr_assert_not_null(bytes);
    memcpy(bytes, text.data, size);
    for (uint32_t n = 1 + chance_below(chance, 4); n > 0 && size > 0; n--) {
        uint32_t at = chance_below(chance, (uint32_t)size);
        size_t piece = 1 + chance_below(chance, (uint32_t)(size - at));

        switch (chance_below(chance, 5)) {
        case 0: bytes[at] = (char)chance_below(chance, 256); break;
        case 1: bytes[at] = (char)(bytes[at] ^ 0x20); break;
        case 2:
            memmove(bytes + at, bytes + at + piece, size - at - piece);
            size -= piece;
            break;
        case 3:
            if (size + piece <= room) {
                memmove(bytes + at + piece, bytes + at, size - at);
                size += piece;
            }
            break;
        default:
            piece = other.size > 0 ? chance_below(chance, (uint32_t)other.size) : 0;
            if (size + piece <= room) {
                memcpy(bytes + size, other.data, piece);
                size += piece;
            }
            break;
        }
    }
    return (struct tl_sv){bytes, size};
}

/* Trying every rule takes 2 ms a text, so without TALLY_LONG one of SAMPLE is looked at. */
Test(user_agent, prefilter_changes_nothing, .timeout = 1800)
{
    enum { SAMPLE = 40 };
    struct chance chance = chance_open("user_agent/prefilter_changes_nothing");
    uint32_t step = getenv("TALLY_LONG") != NULL ? 1 : SAMPLE;

    for (uint32_t f = 0; f < uap_files_count; f++) {
        uint32_t count;
        struct uap_case *cases = uap_cases_read(&uap_files[f], &arena, &count);

        for (uint32_t i = chance_below(&chance, step); i < count; i += step) {
            check_prefilter(cases[i].text);
            check_prefilter(mutate(&chance, cases[i].text, cases[chance_below(&chance, count)].text));
        }
    }
}

/* --- what else the parser promises ---------------------------------------------------------------------------------------- */

static struct tl_user_agent parse(struct tl_sv text)
{
    struct tl_user_agent agent;

    cr_assert(tl_user_agent_parse(agents, &scratch, text, &agent));
    return agent;
}

Test(user_agent, knows_nothing_of_nothing)
{
    struct tl_user_agent agent = parse((struct tl_sv){NULL, 0});

    cr_assert(tl_sv_eq(agent.family, TL_SV("Other")) && tl_sv_eq(agent.os.family, TL_SV("Other")) &&
              tl_sv_eq(agent.device.family, TL_SV("Other")));
    cr_assert(agent.major.data == NULL && agent.os.major.data == NULL && agent.device.brand.data == NULL &&
              agent.device.model.data == NULL);
    cr_assert(agent.is_bot);
}

/* What stands within the first TL_USER_AGENT_BYTES_MAX bytes counts. */
Test(user_agent, long_ones_are_cut)
{
    char *text = malloc(TL_USER_AGENT_BYTES_MAX + 20);

    memset(text, 'x', TL_USER_AGENT_BYTES_MAX + 20);
    memcpy(text + TL_USER_AGENT_BYTES_MAX - 9, " curl/8.5", 9);
    cr_assert(tl_sv_eq(parse((struct tl_sv){text, TL_USER_AGENT_BYTES_MAX}).family, TL_SV("curl")));
    cr_assert(tl_sv_eq(parse((struct tl_sv){text, TL_USER_AGENT_BYTES_MAX + 20}).family, TL_SV("curl")));
    memcpy(text + TL_USER_AGENT_BYTES_MAX - 9, "xxxxxx curl/8.5", 15);
    cr_assert(tl_sv_eq(parse((struct tl_sv){text, TL_USER_AGENT_BYTES_MAX + 20}).family, TL_SV("Other")));
    free(text);
}

struct bot_case {
    char text[160];
    bool want;
};

ParameterizedTestParameters(user_agent_bots, cases)
{
    static struct bot_case cases[] = {
        {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",                                          true },
        {"curl/8.5.0",                                                                                                        true },
        {"Wget/1.21.3 (linux-gnu)",                                                                                           true },
        {"python-requests/2.6.0 CPython/2.7.5 Linux/3.10.0",                                                                  true },
        {"Go-http-client/2.0",                                                                                                true },
        {"Java/1.8.0_151",                                                                                                    true },
        {"okhttp/4.9.0",                                                                                                      true },
        {"Mozilla/5.0 (compatible; AllAfrica)",                                                                               true },
        {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/74.0.3729.169 Safari/537.36",
         true                                                                                                                      },
        {"Mozilla/5.0",                                                                                                       true },
        {"-",                                                                                                                 true },
        {"",                                                                                                                  true },
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
         false                                                                                                                     },
        {"Mozilla/5.0 (Linux; Android 4.2.2; CUBOT C10+ Build/JDQ39) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80 Mobile "
         "Safari",                                                                                                   false},
        {"Mozilla/4.08 [en] (Win98; I ;Nav)",                                                                                 false},
        {"Nokia6100/1.0 (04.01) Profile/MIDP-1.0 Configuration/CLDC-1.0",                                                     false},
        {"Lynx/2.8.7rel.2 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/1.0.1f",                                                        false},
        {"Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.16",                                                         false},
    };

    return cr_make_param_array(struct bot_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct bot_case *c, user_agent_bots, cases, .init = open_rules, .fini = close_rules)
{
    cr_assert_eq(parse(tl_sv_from(c->text)).is_bot, c->want, "%s", c->text);
}

/* --- files of one's own --------------------------------------------------------------------------------------------------- */

#define OS "os_parsers:\n  - regex: 'X'\n"
#define DEVICE "device_parsers:\n  - regex: 'X'\n"
#define BROWSER "user_agent_parsers:\n  - regex: 'X'\n"

enum { PATH_BYTES = RUN_DIR_BYTES + 20 };

static enum tl_code open_text(const char *text, struct tl_user_agents **out, char path[PATH_BYTES], struct tl_err *err)
{
    char dir[RUN_DIR_BYTES];
    enum tl_code rc;

    run_folder_make(dir);
    snprintf(path, PATH_BYTES, "%s", run_file_write(dir, "regexes.yaml", text));
    rc = tl_user_agents_open(path, out, err);
    run_folder_remove(dir);
    return rc;
}

struct refused_case {
    char name[40], text[300], want[160]; /* behind the file's name */
};

ParameterizedTestParameters(user_agent_rules, refused)
{
    static struct refused_case cases[] = {
        {"empty",                    "",                                                      ":1: user_agent_parsers is expected here" },
        {"no YAML",                  "user_agent_parsers: [",                                 ":2: it is no YAML: "                     },
        {"not YAML, but bytes",      "\xff\xfe\xff",                                          ":"                                       },
        {"a list",                   "- a\n- b\n",                                            ":1: user_agent_parsers is expected here" },
        {"a section is not there",   BROWSER OS,                                              ": it has no device_parsers"              },
        {"no list",                  "user_agent_parsers: none\n" OS DEVICE,                  ":1: a list of rules is expected here"    },
        {"no rule",                  "user_agent_parsers:\n  - 'X'\n" OS DEVICE,              ":2: a rule with a regex is expected here"},
        {"no regex",                 BROWSER "os_parsers:\n  - os_replacement: 'X'\n" DEVICE, ":4: the rule has no regex"               },
        {"a list as a regex",        BROWSER "os_parsers:\n  - regex: [a]\n" DEVICE,          ":4: a text is expected here"             },
        {"an unknown flag",          BROWSER OS "    regex_flag: 'x'\n" DEVICE,               ":4: regex_flag 'x' is not known"         },
        {"a bad regular expression", BROWSER OS "  - regex: 'a(b'\n" DEVICE,
         ":5: missing closing parenthesis, at byte 3 of the regular expression 'a(b'"                                                   },
    };

    return cr_make_param_array(struct refused_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct refused_case *c, user_agent_rules, refused)
{
    struct tl_user_agents *own = NULL;
    struct tl_err err = {0};
    char path[PATH_BYTES], want[PATH_BYTES + 200];

    cr_assert_eq(open_text(c->text, &own, path, &err), TL_ERR_DEFINITION, "%s", c->name);
    snprintf(want, sizeof want, "%s%s", path, c->want);
    cr_assert(strncmp(err.message, want, strlen(want)) == 0, "%s: '%s', want '%s'", c->name, err.message, want);
}

Test(user_agent_rules, a_missing_file_is_named)
{
    struct tl_user_agents *own = NULL;
    struct tl_err err = {0};

    cr_assert_eq(tl_user_agents_open("/nowhere/regexes.yaml", &own, &err), TL_ERR_DEFINITION);
    cr_assert(strstr(err.message, "/nowhere/regexes.yaml") != NULL && strstr(err.message, "No such file") != NULL, "%s",
              err.message);
    cr_assert_eq(tl_user_agents_open("/tmp", &own, &err), TL_ERR_DEFINITION);
    cr_assert(strstr(err.message, "/tmp") != NULL && strstr(err.message, "directory") != NULL, "%s", err.message);
}

/* Fields, replacements, groups, white space, order, and what a newer file may bring. */
Test(user_agent_rules, own_file)
{
    static const char text[] = "version: {a: [1, 2]}\n"
                               "user_agent_parsers:\n"
                               "  - regex: 'First(\\d+)?'\n"
                               "    family_replacement: 'One $1$2 $$1'\n"
                               "    v1_replacement: ' $1 '\n"
                               "    added_later: {b: [c]}\n"
                               "  - regex: '(First).(\\d)'\n"
                               "  - regex: '(fOO)(x)?(y)?(z)'\n"
                               "    regex_flag: 'i'\n" OS "device_parsers:\n"
                               "  - regex: '( +)(b+)'\n"
                               "    brand_replacement: '$2'\n";
    struct tl_user_agents *own = NULL;
    struct tl_user_agent_scratch mine;
    struct tl_user_agent a;
    struct tl_err err = {0};
    char path[PATH_BYTES];

    cr_assert_eq(open_text(text, &own, path, &err), TL_OK, "%s", err.message);
    cr_assert(tl_user_agent_scratch_init(&mine, own));
    cr_assert(tl_user_agent_parse(own, &mine, TL_SV("First7.5"), &a));
    cr_assert(tl_sv_eq(a.family, TL_SV("One 7 $7")), "%.*s", TL_SV_ARG(a.family));
    cr_assert(tl_sv_eq(a.major, TL_SV("7")) && a.minor.data == NULL);
    cr_assert(tl_user_agent_parse(own, &mine, TL_SV("First"), &a));
    cr_assert(tl_sv_eq(a.family, TL_SV("One  $")) && a.major.data == NULL, "%.*s", TL_SV_ARG(a.family));
    cr_assert(tl_user_agent_parse(own, &mine, TL_SV("a FoOyZ"), &a));
    cr_assert(tl_sv_eq(a.family, TL_SV("FoO")) && a.major.data == NULL && tl_sv_eq(a.minor, TL_SV("y")) &&
              tl_sv_eq(a.patch, TL_SV("Z")));
    cr_assert(tl_user_agent_parse(own, &mine, TL_SV("a  bb"), &a));
    cr_assert(tl_sv_eq(a.device.family, TL_SV("Other")) && tl_sv_eq(a.device.brand, TL_SV("bb")) && a.device.model.data == NULL);
    tl_user_agent_scratch_done(&mine);
    tl_user_agents_close(own);
}

/* A rule that backtracks for ever reaches its limit and does not match; the next ones have their turn. */
Test(user_agent_rules, catastrophe_ends, .timeout = 20)
{
    static const char text[] = "user_agent_parsers:\n  - regex: '(a+)+$'\n  - regex: '(a)'\n    v1_replacement: '2'\n" OS DEVICE;
    struct tl_user_agents *own = NULL;
    struct tl_user_agent_scratch mine;
    struct tl_user_agent a;
    struct tl_err err = {0};
    char path[PATH_BYTES], input[TL_USER_AGENT_BYTES_MAX];

    memset(input, 'a', sizeof input);
    input[sizeof input - 1] = '!';
    cr_assert_eq(open_text(text, &own, path, &err), TL_OK, "%s", err.message);
    cr_assert(tl_user_agent_scratch_init(&mine, own));
    cr_assert(tl_user_agent_parse(own, &mine, (struct tl_sv){input, sizeof input}, &a));
    cr_assert(tl_sv_eq(a.major, TL_SV("2")));
    tl_user_agent_scratch_done(&mine);
    tl_user_agents_close(own);
}
