/* others.c: definitions that the store has and the views file at hand does not. See others.h. */
#include "others.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sealed_note.h"
#include "sql/plan_text.h"

/* ---- which ---- */

static bool is_ours(const struct tl_scope *scope, int64_t definition)
{
    for (uint32_t v = 0; v < scope->plan->views_count; v++)
        if (scope->definitions[v] == definition)
            return true;
    return false;
}

static enum tl_code reads(const struct tl_scope *scope, uint32_t source, const struct tl_definition *definition, bool *out,
                          struct tl_err *err)
{
    uint32_t count;
    const struct tl_source_topic *topics = tl_source_topics_of(scope->topics, source, &count);

    if (definition->by_pattern)
        return tl_source_topics_meet(scope->topics, source, definition->topic, out, err);
    *out = false;
    for (uint32_t t = 0; t < count; t++)
        *out = *out || tl_sv_eq(topics[t].name, definition->topic);
    return TL_OK;
}

/* The definition that reads the source itself, and for whose rows this one is; NULL: it is not there any more. */
static const struct tl_definition *root_of(const struct tl_definition *definitions, size_t count,
                                           const struct tl_definition *definition)
{
    struct tl_sv hash;

    for (size_t d = 0; tl_normalised_inner(definition->normalised, &hash); d = 0) {
        while (d < count && !tl_sv_eq(tl_sv_from(definitions[d].hash), hash))
            d++;
        if (d == count)
            return NULL;
        definition = &definitions[d];
    }
    return definition;
}

static int32_t view_like(const struct tl_scope *scope, const struct tl_definition *root, const bool *read)
{
    const struct tl_plan *plan = scope->plan;

    for (uint32_t v = 0; root != NULL && v < plan->views_count; v++)
        if (plan->views[v].inner < 0 && read[plan->views[v].source] &&
            tl_normalised_same_events(plan->views[v].normalised, root->normalised))
            return (int32_t)v;
    return -1;
}

static enum tl_code add(struct tl_others *others, const struct tl_scope *scope, const struct tl_definition *definitions,
                        size_t count, const struct tl_definition *definition, struct tl_err *err)
{
    bool *read = tl_arena_zalloc(&others->arena, (scope->plan->sources_count + 1u) * sizeof *read), any = false;
    struct tl_other *other = &others->others[others->count];
    enum tl_code rc = TL_OK;

    if (read == NULL)
        return tl_fail_memory(err, scope->plan->sources_count);
    for (uint32_t s = 0; s < scope->plan->sources_count; s++) {
        TL_TRY(reads(scope, s, definition, &read[s], err));
        any = any || read[s];
    }
    if (!any)
        goto out;
    *other = (struct tl_other){
        .definition = definition->id, .reads = read, .like = view_like(scope, root_of(definitions, count, definition), read)};
    snprintf(other->hash, sizeof other->hash, "%.8s", definition->hash);
    if (!tl_arena_copy(&others->arena, definition->view, &other->view))
        TL_TRY(tl_fail_memory(err, definition->view.size));
    others->count++;
out:
    return rc;
}

static enum tl_code list(struct tl_others *others, const struct tl_scope *scope, struct tl_err *err)
{
    const struct tl_definition *definitions;
    size_t count;
    enum tl_code rc;

    TL_TRY(tl_store_begin_read(scope->store, err));
    TL_TRY(tl_store_definitions(scope->store, &definitions, &count, err));
    others->others = calloc(count + 1, sizeof *others->others);
    if (others->others == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *others->others));
    for (size_t d = 0; d < count; d++)
        if (!is_ours(scope, definitions[d].id))
            TL_TRY(add(others, scope, definitions, count, &definitions[d], err));
out:
    tl_store_rollback(scope->store);
    return rc;
}

/* ---- their days ---- */

/* What is published, and nothing more: what is to come of it is its own batch's business. */
static enum tl_code open_days(const struct tl_scope *scope, struct tl_other *other, struct tl_err *err)
{
    const struct tl_view *like = &scope->plan->views[other->like];
    struct tl_days_wish wish = {.from_ms = INT64_MIN, .now_ms = scope->now_ms};
    struct tl_definition stored;
    enum tl_code rc;

    TL_TRY(tl_store_definition(scope->store, other->definition, &stored, err));
    wish.to_ms = stored.boundary_ms;
    TL_TRY(tl_days_open(&other->days, scope->store, other->definition, scope->inputs[like->source], like, &wish, err));
out:
    return rc;
}

enum tl_code tl_others_open(struct tl_others *others, const struct tl_scope *scope, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *others = (struct tl_others){.others = NULL};
    tl_arena_init(&others->arena, 4096, 0);
    if (scope->store == NULL)
        goto out;
    TL_TRY(list(others, scope, err));
    for (size_t o = 0; o < others->count; o++)
        if (others->others[o].like >= 0)
            TL_TRY(open_days(scope, &others->others[o], err));
out:
    return rc;
}

void tl_others_close(struct tl_others *others)
{
    for (size_t o = 0; o < others->count; o++)
        if (others->others[o].like >= 0)
            tl_days_close(&others->others[o].days);
    free(others->others);
    tl_arena_done(&others->arena);
    *others = (struct tl_others){.others = NULL};
}

/* ---- what comes for their sealed days ---- */

/* As if its definition were that of the view like it: the same messages have the same events. */
enum tl_code tl_others_note_sealed(const struct tl_scope *scope, const struct tl_other *other, struct tl_err *err)
{
    uint32_t count = scope->plan->views_count;
    struct tl_scope as_other = *scope;
    uint64_t noted;
    enum tl_code rc;

    as_other.definitions = calloc(count, sizeof *as_other.definitions);
    as_other.wanted = calloc(count, sizeof *as_other.wanted);
    as_other.days = calloc(count, sizeof *as_other.days);
    if (as_other.definitions == NULL || as_other.wanted == NULL || as_other.days == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *as_other.days));
    as_other.definitions[other->like] = other->definition;
    as_other.wanted[other->like] = true;
    as_other.days[other->like] = other->days;
    TL_TRY(tl_sealed_note(&as_other, &noted, err));
out:
    free(as_other.definitions);
    free(as_other.wanted);
    free(as_other.days);
    return rc;
}
