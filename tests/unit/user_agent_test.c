/* user_agent_test.c: user agents by uap-core's own test files, and rules with and without the search for literals. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/user_agent.h"
#include "support/chance.h"
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

/* uap-core's tests are of the rules and the specification both: every case passes. */
Test(user_agent, uap_core_tests, .timeout = 600)
{
    uint32_t all = 0;

    for (uint32_t f = 0; f < uap_files_count; f++) {
        uint32_t count, failed = 0;
        struct uap_case *cases = uap_cases_read(&uap_files[f], &arena, &count);

        for (uint32_t i = 0; i < count; i++) {
            struct tl_user_agent agent;
            struct tl_sv fields[TL_USER_AGENT_FIELDS];
            bool passed = true;

            cr_assert(tl_user_agent_parse(agents, &scratch, cases[i].text, &agent));
            fields_of(&agent, uap_files[f].section, fields);
            for (size_t k = 0; k < TL_USER_AGENT_FIELDS; k++)
                passed &= same(fields[k], cases[i].fields[k]);
            failed += !passed;
            if (!passed && failed > uap_files[f].deviations && failed < uap_files[f].deviations + 10) {
                fprintf(stderr, "%.*s:", TL_SV_ARG(cases[i].text));
                for (size_t k = 0; k < TL_USER_AGENT_FIELDS; k++)
                    fprintf(stderr, " [%.*s|%.*s]", TL_SV_ARG(fields[k]), TL_SV_ARG(cases[i].fields[k]));
                fputc('\n', stderr);
            }
        }
        fprintf(stderr, "%s %u failed %u\n", uap_files[f].path, count, failed);
        cr_expect_eq(failed, uap_files[f].deviations, "%s: %u of %u cases differ", uap_files[f].path, failed, count);
        all += count;
    }
    fprintf(stderr, "rules run %lu for %u\n", scratch.rules_run, all);
    cr_assert_gt(all, 18000);
}
