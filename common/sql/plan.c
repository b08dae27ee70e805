/* plan.c: a views file -> a plan in one arena: read, parse, bind. */
#include "sql/plan.h"

#include <stdlib.h>
#include <string.h>

#include "sql/ast.h"
#include "sql/bind.h"

enum { ARENA_CHUNK_BYTES = 32 * 1024, ARENA_BYTES_MAX = 256 << 20 };

static enum tl_code plan_fill(struct tl_plan *plan, struct tl_sv text, const char *name, const struct tl_catalog *catalog,
                              struct tl_err *err)
{
    struct tl_script *script = tl_arena_zalloc(&plan->arena, sizeof *script);
    struct tl_plan_notes *notes = tl_arena_zalloc(&plan->arena, sizeof *notes);
    struct tl_bind bind = {.plan = plan, .arena = &plan->arena, .catalog = catalog, .script = script, .err = err, .notes = notes};
    struct tl_sv name_copy;
    enum tl_code rc;

    if (script == NULL || notes == NULL || !tl_arena_copy(&plan->arena, tl_sv_from(name), &name_copy))
        return tl_fail_memory(err, sizeof *notes);
    plan->notes = notes;
    TL_TRY(tl_sql_parse(TL_SQL_VIEWS, text, name_copy.data, &plan->arena, script, err));
    notes->file = name_copy.data;
    notes->catalog = catalog;
    notes->script = script;
    bind.text = &script->text;
    TL_TRY(tl_bind_script(&bind));
    notes->relations = bind.relations;
out:
    return rc;
}

enum tl_code tl_plan_parse(struct tl_sv text, const char *name, const struct tl_catalog *catalog, struct tl_plan **out,
                           struct tl_err *err)
{
    struct tl_plan *plan = calloc(1, sizeof *plan);
    enum tl_code rc;

    if (plan == NULL)
        return tl_fail_memory(err, sizeof *plan);
    tl_arena_init(&plan->arena, ARENA_CHUNK_BYTES, ARENA_BYTES_MAX);
    rc = plan_fill(plan, text, name, catalog, err);
    if (rc != TL_OK) {
        tl_plan_close(plan);
        return rc;
    }
    *out = plan;
    return TL_OK;
}

enum tl_code tl_plan_load(const char *path, const struct tl_catalog *catalog, struct tl_plan **out, struct tl_err *err)
{
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    TL_TRY(tl_sql_read("views", path, &text, err));
    rc = tl_plan_parse(tl_buf_sv(&text), path, catalog, out, err);
out:
    tl_buf_done(&text);
    return rc;
}

void tl_plan_close(struct tl_plan *plan)
{
    if (plan == NULL)
        return;
    tl_arena_done(&plan->arena);
    free(plan);
}

const struct tl_view *tl_plan_view(const struct tl_plan *plan, struct tl_sv name)
{
    for (uint32_t i = 0; i < plan->views_count; i++)
        if (tl_sv_eq(plan->views[i].name, name))
            return &plan->views[i];
    return NULL;
}

/* Source: Flink 2.3, TimeWindow.getWindowStartWithOffset (semantics.md 1.1). C's remainder has the sign of the time. */
int64_t tl_window_start_ms(int64_t time_ms, int64_t offset_ms, int64_t size_ms)
{
    /* Remainders first: time - offset may not fit, and |offset| < size. */
    int64_t remainder = (time_ms % size_ms - offset_ms % size_ms) % size_ms;

    if (remainder < 0)
        remainder += size_ms;
    return tl_add_sat_i64(time_ms, -remainder);
}

enum tl_code tl_plan_refuse(const struct tl_plan *plan, const struct tl_option_pair *pair, bool value, const char *hint,
                            const char *what, struct tl_err *err)
{
    const struct tl_script *script = plan->notes->script;

    for (const struct tl_ast_statement *s = script->statements; s != NULL; s = s->next)
        for (const struct tl_ast_option *o = s->options; o != NULL; o = o->next)
            if (o->key.at.place.line == pair->place.line && o->key.at.place.column == pair->place.column)
                return tl_mistake(err, &script->text, value ? o->value.at : o->key.at, hint, "%s", what);
    return tl_fail(err, TL_ERR_DEFINITION, "%s: %s; %s", plan->notes->file, what, hint);
}
