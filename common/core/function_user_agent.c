/* function_user_agent.c: PARSE_USER_AGENT and IS_BOT. The rules are opened when a views file first calls one of them. */
#include <inttypes.h>

#include "core/function_files.h"
#include "core/function_rows.h"
#include "core/user_agent_cache.h"

static void rules_close(void *data)
{
    tl_user_agents_close(data);
}

static void rules_version(const void *data, struct tl_buf *out)
{
    tl_buf_printf(out, "uap-core regexes.yaml xxh3:%016" PRIx64, tl_user_agents_hash(data));
}

static enum tl_code rules_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    struct tl_function_resource *resource;
    struct tl_user_agents *agents;
    enum tl_code rc = TL_OK;

    if (with->functions == NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "it needs the rules of user agents, and files are not read here");
    resource = &with->functions->resources[TL_RESOURCE_USER_AGENTS];
    if (resource->data == NULL) {
        const char *path = with->functions->files.user_agents;

        TL_TRY(tl_user_agents_open(path != NULL ? path : TL_USER_AGENTS_PATH, &agents, err));
        *resource = (struct tl_function_resource){agents, rules_close, rules_version};
    }
    *state = resource->data;
out:
    return rc;
}

static const struct tl_memory_kind cache_kind = {tl_user_agent_cache_open, tl_user_agent_cache_close};

static bool parse_user_agent(const struct tl_call *call)
{
    struct tl_user_agent_answer answer;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_user_agent_cache_find(call->memory, call->state, call->args[0].sv[row], call->arena, &answer))
            return false;
        call->out->sv[row] = answer.json;
    }
    return true;
}

static bool is_bot(const struct tl_call *call)
{
    struct tl_user_agent_answer answer;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_user_agent_cache_find(call->memory, call->state, call->args[0].sv[row], call->arena, &answer))
            return false;
        call->out->i64[row] = answer.is_bot;
    }
    return true;
}

#define OF_USER_AGENT(NAME, RESULT, KERNEL)                                                                                      \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(STRING) -> " #RESULT, .args = {TL_STRING}, .args_min = 1, .args_max = 1,             \
        .result = TL_##RESULT, .null_in_null_out = true, .ours = true, .kernel = (KERNEL), .prepare = rules_prepare,             \
        .memory = &cache_kind, .works_with = "uap-core"                                                                          \
    }

static const struct tl_function functions[] = {
    OF_USER_AGENT("PARSE_USER_AGENT", STRING, parse_user_agent),
    OF_USER_AGENT("IS_BOT", BOOLEAN, is_bot),
};

const struct tl_catalog tl_functions_user_agent = {functions, TL_COUNT(functions), &tl_functions_visitor, NULL};
