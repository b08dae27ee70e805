/* api.c: routes, formats, refusals. See api.h. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "base/clock.h"

/* ---- routes ---- */

#define FORMATS_ALL "jcn"

static const struct tl_api_taken view_taken[] = {
    {"from",     false},
    {"to",       false},
    {"layer",    false},
    {"where",    true },
    {"group_by", false},
    {"bucket",   false},
    {"zone",     false},
    {"order",    false},
    {"limit",    false},
    {"cursor",   false},
};
static const struct tl_api_taken runs_taken[] = {
    {"limit", false},
};
static const struct tl_api_taken checks_taken[] = {
    {"view",    false},
    {"run",     false},
    {"failed",  false},
    {"history", false},
};
static const struct tl_api_taken reconciliations_taken[] = {
    {"view",   true },
    {"from",   false},
    {"to",     false},
    {"before", false},
    {"limit",  false},
};

static const struct route {
    const char *path;
    const struct tl_api_taken *taken; /* beside "format" */
    size_t taken_count;
    const char *formats; /* letters, of api.h */
    enum tl_code (*answer)(struct tl_api_call *call, struct tl_err *err);
} routes[] = {
    {"/api/v1/views",             NULL,                  0,                               "j",         tl_api_views          },
    {"/api/v1/views/*",           view_taken,            TL_COUNT(view_taken),            FORMATS_ALL, tl_api_view           },
    {"/api/v1/runs",              runs_taken,            TL_COUNT(runs_taken),            FORMATS_ALL, tl_api_runs           },
    {"/api/v1/runs/*",            NULL,                  0,                               "j",         tl_api_run            },
    {"/api/v1/checks",            checks_taken,          TL_COUNT(checks_taken),          FORMATS_ALL, tl_api_checks         },
    {"/api/v1/reconciliations",   reconciliations_taken, TL_COUNT(reconciliations_taken), "j",         tl_api_reconciliations},
    {"/api/v1/reconciliations/*", NULL,                  0,                               "j",         tl_api_reconciliation },
    {"/api/v1/status",            NULL,                  0,                               "j",         tl_api_status         },
};

/* *word: what stands for the *, as it was sent. */
static const struct route *find_route(struct tl_sv path, struct tl_sv *word)
{
    for (size_t r = 0; r < TL_COUNT(routes); r++) {
        struct tl_sv pattern = tl_sv_from(routes[r].path);
        bool open = tl_sv_ends(pattern, TL_SV("*"));

        pattern.size -= open;
        if (open ? !tl_sv_starts(path, pattern) || path.size == pattern.size : !tl_sv_eq(path, pattern))
            continue;
        *word = (struct tl_sv){path.data + pattern.size, path.size - pattern.size};
        if (!open || memchr(word->data, '/', word->size) == NULL)
            return &routes[r];
    }
    return NULL;
}

bool tl_api_has(struct tl_sv path)
{
    struct tl_sv word;

    return find_route(path, &word) != NULL;
}

static enum tl_code refuse_path(struct tl_api_call *call)
{
    tl_problem_set(call->problem, 404, NULL, "there is no such path");
    for (size_t r = 0; r < TL_COUNT(routes); r++)
        tl_problem_allow(call->problem, tl_sv_from(routes[r].path));
    tl_problem_allow(call->problem, TL_SV("/api/v1/live"));
    tl_problem_allow(call->problem, TL_SV("/api/v1/live/sse"));
    tl_problem_allow(call->problem, TL_SV("/openapi.json"));
    return TL_API_REFUSED;
}

/* ---- formats ---- */

static const struct {
    const char *word, *type, *range;
    char letter;
} formats[TL_API_FORMATS] = {
    [TL_API_JSON] = {"json",   "application/json",        "application/*", 'j'},
    [TL_API_CSV] = {"csv",    "text/csv; charset=utf-8", "text/*",        'c'},
    [TL_API_NDJSON] = {"ndjson", "application/x-ndjson",    "application/*", 'n'},
};

/* The media type without its parameters. */
static struct tl_sv bare(struct tl_sv type)
{
    return tl_sv_trim(tl_sv_cut(&type, ';'));
}

/* Thousandths; what is no number counts as 1. */
static int weight_of(struct tl_sv parameters)
{
    while (parameters.size > 0) {
        struct tl_sv value = tl_sv_trim(tl_sv_cut(&parameters, ';'));
        double weight;

        if (value.size > 2 && (value.data[0] | 0x20) == 'q' && value.data[1] == '=' &&
            tl_sv_to_f64((struct tl_sv){value.data + 2, value.size - 2}, &weight))
            return weight <= 0 ? 0 : weight >= 1 ? 1000 : (int)(weight * 1000);
    }
    return 1000;
}

/* The most specific range that has the format decides. Source: RFC 9110, 12.5.1. */
static int weight_in(struct tl_sv accept, enum tl_api_format format)
{
    int best = 0, specific = -1;

    while (accept.size > 0) {
        struct tl_sv rest = tl_sv_cut(&accept, ','), range = tl_sv_trim(tl_sv_cut(&rest, ';'));
        bool exact = tl_sv_eq_nocase(range, bare(tl_sv_from(formats[format].type))) ||
                     (format == TL_API_NDJSON && tl_sv_eq_nocase(range, TL_SV("application/ndjson")));
        int how = exact                                                       ? 2
                  : tl_sv_eq_nocase(range, tl_sv_from(formats[format].range)) ? 1
                  : tl_sv_eq(range, TL_SV("*/*"))                             ? 0
                                                                              : -1;

        if (how > specific) {
            specific = how;
            best = weight_of(rest);
        }
    }
    return best;
}

void tl_api_accept(struct tl_sv accept, char out[TL_API_FORMATS + 1])
{
    int weights[TL_API_FORMATS], count = 0;

    for (int f = 0; f < TL_API_FORMATS; f++)
        weights[f] = accept.size == 0 ? 1 : weight_in(accept, (enum tl_api_format)f);
    for (;;) {
        int best = -1;

        for (int f = 0; f < TL_API_FORMATS; f++)
            if (weights[f] > 0 && (best < 0 || weights[f] > weights[best]))
                best = f;
        if (best < 0)
            break;
        out[count++] = formats[best].letter;
        weights[best] = 0;
    }
    out[count] = '\0';
}

static enum tl_code choose_format(struct tl_api_call *call, const struct route *route, const char *accept)
{
    const char *words[TL_API_FORMATS + 1] = {NULL};
    char letters[TL_API_FORMATS];
    size_t count = 0, chosen = TL_API_FORMATS;
    enum tl_code rc = TL_OK;

    for (size_t f = 0; f < TL_API_FORMATS; f++)
        if (strchr(route->formats, formats[f].letter) != NULL) {
            letters[count] = formats[f].letter;
            words[count++] = formats[f].word;
        }
    TL_TRY(tl_api_get_choice(call, "format", words, &chosen));
    for (size_t a = 0; accept[a] != '\0' && chosen == TL_API_FORMATS; a++)
        for (size_t f = 0; f < count && chosen == TL_API_FORMATS; f++)
            chosen = letters[f] == accept[a] ? f : chosen;
    if (chosen == TL_API_FORMATS) {
        tl_problem_set(call->problem, 406, "Accept",
                       "none of the formats that Accept takes; format= in the query string decides over it");
        for (size_t f = 0; f < TL_API_FORMATS; f++)
            if (strchr(route->formats, formats[f].letter) != NULL)
                tl_problem_allow(call->problem, bare(tl_sv_from(formats[f].type)));
        return TL_API_REFUSED;
    }
    for (size_t f = 0; f < TL_API_FORMATS; f++)
        if (formats[f].letter == letters[chosen])
            call->format = (enum tl_api_format)f;
    call->answer->type = formats[call->format].type;
out:
    return rc;
}

/* ---- the answer ---- */

void tl_api_answer_init(struct tl_api_answer *answer)
{
    *answer = (struct tl_api_answer){.boundary_ms = INT64_MIN};
    tl_buf_init(&answer->body, 0);
    tl_buf_init(&answer->headers, 0);
}

void tl_api_answer_done(struct tl_api_answer *answer)
{
    tl_buf_done(&answer->body);
    tl_buf_done(&answer->headers);
}

static enum tl_code route_call(struct tl_api_call *call, const struct tl_api_request *request, struct tl_err *err)
{
    struct tl_api_taken taken[TL_API_PARAMETERS_MAX];
    struct tl_sv word = {NULL, 0};
    const struct route *route = find_route(request->path, &word);
    size_t count = 0;
    enum tl_code rc = TL_OK;

    if (route == NULL)
        return refuse_path(call);
    if (!tl_api_decode(call->arena, word, false, &call->word))
        return tl_api_refuse(call, 400, NULL, "the path is not percent-encoded UTF-8: a %% itself is written %%25");
    for (; count < route->taken_count; count++)
        taken[count] = route->taken[count];
    taken[count++] = (struct tl_api_taken){"format", false};
    TL_TRY(tl_api_read_query(call, request->query, taken, count));
    TL_TRY(choose_format(call, route, request->accept));
    TL_TRY(tl_store_begin_read(call->store, err));
    TL_TRY(route->answer(call, err));
    TL_TRY(tl_buf_check(&call->answer->body, "an answer", err));
    TL_TRY(tl_buf_check(&call->answer->headers, "an answer's headers", err));
    if (call->relative && call->answer->valid != TL_API_ONCE)
        call->answer->valid = TL_API_BRIEFLY;
out:
    tl_store_rollback(call->store);
    return rc;
}

enum tl_code tl_api_answer(const struct tl_api *api, struct tl_store *store, const struct tl_api_request *request,
                           struct tl_api_answer *answer, struct tl_err *err)
{
    struct tl_problem problem;
    struct tl_arena arena;
    struct tl_api_call *call = calloc(1, sizeof *call);
    enum tl_code rc = TL_OK;

    if (call == NULL)
        return tl_fail_memory(err, sizeof *call);
    tl_arena_init(&arena, 16384, 0);
    tl_problem_init(&problem);
    *call = (struct tl_api_call){.api = api,
                                 .request = request,
                                 .store = store,
                                 .arena = &arena,
                                 .now_ms = tl_clock_wall_ms(),
                                 .answer = answer,
                                 .problem = &problem};
    answer->status = 200;
    answer->as_of_ms = call->now_ms;
    rc = route_call(call, request, err);
    if (rc == TL_API_REFUSED && problem.status != 0) {
        tl_buf_clear(&answer->body);
        tl_buf_clear(&answer->headers);
        answer->status = problem.status;
        answer->type = TL_PROBLEM_TYPE;
        answer->valid = TL_API_ONCE;
        answer->has_tail = false;
        tl_problem_put(&answer->body, &problem);
        rc = tl_buf_check(&answer->body, "a refusal", err);
    }
    tl_problem_done(&problem);
    tl_arena_done(&arena);
    free(call);
    return rc;
}
