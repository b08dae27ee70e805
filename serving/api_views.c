/* api_views.c: /api/v1/views: which views there are, their columns, and how fresh each layer is. */
#include <string.h>

#include "api_call.h"
#include "columns.h"
#include "store/store_check.h"

/* ---- finding one ---- */

enum tl_code tl_api_find_view(struct tl_api_call *call, struct tl_sv name, const char *parameter, struct tl_definition *out,
                              struct tl_err *err)
{
    const struct tl_definition *definitions;
    size_t count;
    enum tl_code rc;

    TL_TRY(tl_store_definitions(call->store, &definitions, &count, err));
    for (size_t d = 0; d < count; d++)
        if (definitions[d].state == TL_DEFINITION_ACTIVE && tl_sv_eq(definitions[d].view, name)) {
            *out = definitions[d];
            return TL_OK;
        }
    tl_problem_set(call->problem, 404, parameter, "there is no view '%.*s'", (int)tl_min_i64((int64_t)name.size, 100), name.data);
    for (size_t d = 0; d < count; d++)
        if (definitions[d].state == TL_DEFINITION_ACTIVE)
            tl_problem_allow(call->problem, definitions[d].view);
    rc = TL_API_REFUSED;
out:
    return rc;
}

/* ---- its kind ---- */

static bool find_line(struct tl_sv text, struct tl_sv begins, struct tl_sv *rest)
{
    while (text.size > 0) {
        struct tl_sv line = tl_sv_cut(&text, '\n');

        if (tl_sv_starts(line, begins)) {
            *rest = (struct tl_sv){line.data + begins.size, line.size - begins.size};
            return true;
        }
    }
    return false;
}

/* Out of the definition's normalised text; a view on a view's rows has the windows of that one. */
static const char *kind_of(const struct tl_definition *definitions, size_t count, const struct tl_definition *definition)
{
    static const struct {
        const char *word, *kind;
    } kinds[] = {
        {"TUMBLE ",       "tumble"  },
        {"HOP ",          "hop"     },
        {"CUMULATE ",     "cumulate"},
        {"SESSION ",      "session" },
        {"COUNT_WINDOW ", "count"   },
    };

    for (size_t depth = 0; depth <= count; depth++) {
        struct tl_sv rest;
        size_t inner = 0;

        if (find_line(definition->normalised, TL_SV("window "), &rest))
            for (size_t k = 0; k < TL_COUNT(kinds); k++)
                if (tl_sv_starts(rest, tl_sv_from(kinds[k].word)))
                    return kinds[k].kind;
        if (!find_line(definition->normalised, TL_SV("view "), &rest))
            return "events";
        while (inner < count && !tl_sv_eq(rest, tl_sv_from(definitions[inner].hash)))
            inner++;
        if (inner == count)
            break;
        definition = &definitions[inner];
    }
    return definition->cut_per_key ? "session" : "tumble"; /* the inner view is not here any more */
}

/* ---- its layers ---- */

struct layers {
    int64_t from_ms, run, published_ms; /* INT64_MIN, 0: none */
    uint64_t kept_back;
    const struct tl_definition *definition;
};

static enum tl_code see_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct layers *layers = ctx;

    (void)err;
    if (layers->run == 0)
        layers->from_ms = range->from_ms;
    layers->run = tl_max_i64(layers->run, range->run);
    return TL_OK;
}

static enum tl_code see_publication(void *ctx, const struct tl_publication *publication, struct tl_err *err)
{
    struct layers *layers = ctx;

    (void)err;
    if (publication->undone_ms == INT64_MIN)
        layers->published_ms = tl_max_i64(layers->published_ms, publication->at_ms);
    return TL_OK;
}

static enum tl_code see_staged(void *ctx, const struct tl_staged_range *range, struct tl_err *err)
{
    struct layers *layers = ctx;

    (void)err;
    layers->kept_back += !range->published && (range->kept == TL_KEPT_CHECK || range->kept == TL_KEPT_CHAIN);
    return TL_OK;
}

/* The runs that keep something back, few as a rule. */
struct keepers {
    int64_t runs[64];
    size_t count;
};

static enum tl_code see_keeper(void *ctx, int64_t run, struct tl_err *err)
{
    struct keepers *keepers = ctx;

    (void)err;
    if (keepers->count < TL_COUNT(keepers->runs))
        keepers->runs[keepers->count++] = run;
    return TL_OK;
}

static enum tl_code put_view(struct tl_api_call *call, const struct tl_definition *definitions, size_t count,
                             const struct tl_definition *definition, const struct keepers *keepers, struct tl_err *err)
{
    struct layers layers = {.from_ms = INT64_MIN, .published_ms = INT64_MIN, .definition = definition};
    struct tl_buf *out = &call->answer->body;
    const char *kind = kind_of(definitions, count, definition);
    const struct tl_shape_column *columns;
    uint32_t columns_count;
    enum tl_code rc;

    TL_TRY(tl_store_columns(call->store, definition->id, &columns, &columns_count, err));
    TL_TRY(tl_store_ranges(call->store, definition->id, see_range, &layers, err));
    if (layers.run > 0)
        TL_TRY(tl_store_publications(call->store, layers.run, see_publication, &layers, err));
    for (size_t k = 0; k < keepers->count; k++)
        TL_TRY(tl_store_staged(call->store, keepers->runs[k], definition->id, see_staged, &layers, err));
    tl_buf_put_str(out, "{\"name\": ");
    tl_buf_put_json(out, definition->view);
    tl_buf_printf(out, ", \"kind\": \"%s\", \"columns\": ", kind);
    tl_columns_put(out, columns, columns_count, strcmp(kind, "events") != 0);
    tl_buf_put_str(out, ", \"boundary\": ");
    tl_api_put_time(out, definition->boundary_ms);
    tl_buf_put_str(out, ", \"published_from\": ");
    tl_api_put_time(out, layers.from_ms);
    tl_buf_put_str(out, ", \"speed\": {\"final_to\": ");
    tl_api_put_time(out, definition->final_ms);
    tl_buf_put_str(out, ", \"behind_s\": ");
    tl_api_put_seconds(out, definition->final_ms, call->now_ms);
    tl_buf_put_str(out, "}, \"batch\": {\"run\": ");
    tl_buf_printf(out, layers.run > 0 ? "%lld" : "null", (long long)layers.run);
    tl_buf_put_str(out, ", \"published_at\": ");
    tl_api_put_time(out, layers.published_ms);
    tl_buf_put_str(out, ", \"behind_s\": ");
    tl_api_put_seconds(out, definition->boundary_ms, call->now_ms);
    tl_buf_printf(out, "}, \"pending\": %llu}", (unsigned long long)layers.kept_back);
out:
    return rc;
}

enum tl_code tl_api_views(struct tl_api_call *call, struct tl_err *err)
{
    const struct tl_definition *definitions, *listed;
    struct keepers keepers = {.count = 0};
    struct tl_definition *copies;
    bool first = true;
    size_t count;
    enum tl_code rc;

    TL_TRY(tl_store_definitions(call->store, &listed, &count, err));
    /* The list is the store's until it is asked for again. */
    copies = tl_arena_alloc(call->arena, (count + 1) * sizeof *copies);
    if (copies == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *copies));
    if (count > 0)
        memcpy(copies, listed, count * sizeof *copies);
    definitions = copies;
    TL_TRY(tl_store_keepers(call->store, see_keeper, &keepers, err));
    tl_buf_put_str(&call->answer->body, "{\"views\": [");
    for (size_t d = 0; d < count; d++) {
        if (definitions[d].state != TL_DEFINITION_ACTIVE)
            continue;
        tl_buf_put_str(&call->answer->body, first ? "\n" : ",\n");
        first = false;
        TL_TRY(put_view(call, definitions, count, &definitions[d], &keepers, err));
    }
    tl_buf_put_str(&call->answer->body, "\n], ");
    tl_api_put_tail(call);
    call->answer->valid = TL_API_BRIEFLY;
out:
    return rc;
}
