/* api_query_fuzz.c: whatever stands in a query string, it becomes parameters that are text, or a refusal that is JSON; and what of it goes into a Link header
 * ends no line there. */
#include "core/json_path.h"
#include "fuzz/target.h"
#include "serving/api_call.h"

static const struct tl_api_taken taken[] = {
    {"from",  false},
    {"limit", false},
    {"layer", false},
    {"where", true },
};

static void check_text(struct tl_sv text)
{
    for (size_t i = 0, size; i < text.size; i += size) {
        size = tl_utf8_size(text.data + i, text.size - i);
        CHECK(size > 0 && text.data[i] != '\0');
    }
}

static void check_refusal(const struct tl_problem *problem)
{
    struct tl_arena arena;
    struct tl_buf out;
    const struct tl_json_path *path;
    struct tl_sv found;

    tl_arena_init(&arena, 1024, 0);
    tl_buf_init(&out, 0);
    tl_problem_put(&out, problem);
    check_text(tl_buf_sv(&out));
    CHECK(problem->status == 400);
    CHECK(tl_json_path_compile(TL_SV("$.detail"), &arena, &path, NULL) == TL_OK);
    CHECK(tl_json_path_find(path, tl_buf_sv(&out), &found) == TL_JSON_STRING);
    tl_buf_done(&out);
    tl_arena_done(&arena);
}

static enum tl_code read_all(struct tl_api_call *call, struct tl_sv query)
{
    static const char *const layers[] = {"merged", "speed", "batch", NULL};
    int64_t from_ms = 0, limit = 1;
    size_t layer = 0;
    enum tl_code rc;

    TL_TRY(tl_api_read_query(call, query, taken, TL_COUNT(taken)));
    for (size_t p = 0; p < call->parameters_count; p++) {
        CHECK(call->parameters[p].value.size > 0);
        check_text(call->parameters[p].value);
    }
    TL_TRY(tl_api_get_time(call, "from", &from_ms));
    TL_TRY(tl_api_get_count(call, "limit", 1, 100, &limit));
    TL_TRY(tl_api_get_choice(call, "layer", layers, &layer));
    CHECK(limit >= 1 && limit <= 100 && layer < 3);
out:
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv query = {(const char *)data, size};
    struct tl_problem problem;
    struct tl_arena arena;
    struct tl_api_call call = {.arena = &arena, .problem = &problem};
    struct tl_buf uri;
    enum tl_code rc;

    tl_arena_init(&arena, 4096, 0);
    tl_problem_init(&problem);
    tl_buf_init(&uri, 0);
    rc = read_all(&call, query);
    CHECK(rc == TL_OK || (rc == TL_API_REFUSED && problem.status != 0));
    if (rc != TL_OK)
        check_refusal(&problem);
    tl_api_put_uri(&uri, query);
    for (size_t i = 0; i < uri.size; i++)
        CHECK(uri.data[i] > ' ' && uri.data[i] < 0x7f && uri.data[i] != '<' && uri.data[i] != '>' && uri.data[i] != '"');
    tl_buf_done(&uri);
    tl_problem_done(&problem);
    tl_arena_done(&arena);
    return 0;
}
