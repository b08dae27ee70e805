/* accept.c: a person overrules checks. See accept.h. */
#include "accept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "base/nearest.h"
#include "base/process.h"
#include "carry.h"
#include "main/check_text.h"
#include "publish.h"
#include "quality.h"
#include "run_offsets.h"
#include "sql/shape.h"

/* What a range was computed with. */
struct begun {
    int64_t definition, from_ms, carry_in; /* days.h */
};

struct accept {
    const struct tl_scope *scope;
    struct tl_quality quality;
    struct tl_arena memory;
    struct tl_sv *names; /* of the checks that are overruled */
    uint32_t names_count;
    struct tl_sv reason, who;
    int64_t *runs; /* that keep something back */
    uint32_t runs_count;
    /* Of the run at hand. */
    int64_t run;
    struct tl_chain *chains; /* per view; of roots */
    bool *named;             /* per view: its family has a range that one of the checks keeps back */
    struct begun *begun;     /* its ranges */
    uint32_t begun_count;
    struct tl_kept_range *released;
    uint32_t released_count;
    uint64_t published_count, left_count; /* in all; ranges of views */
};

/* ---- the checks' names ---- */

static bool is_named(const struct accept *accept, struct tl_sv check)
{
    for (uint32_t n = 0; n < accept->names_count; n++)
        if (tl_sv_eq(accept->names[n], check))
            return true;
    return false;
}

struct known {
    struct tl_sv name;
    struct tl_nearest nearest;
    bool found;
};

static void offer(struct known *known, struct tl_sv name)
{
    known->found = known->found || tl_sv_eq(known->name, name);
    tl_nearest_offer(&known->nearest, name);
}

static enum tl_code offer_result(void *ctx, const struct tl_stored_check *check, struct tl_err *err)
{
    (void)err;
    offer(ctx, check->result.check);
    return TL_OK;
}

/* One of the checks file, or that has results: the file may have lost it meanwhile. */
static enum tl_code find_check(struct accept *accept, struct tl_sv name, struct tl_err *err)
{
    const struct tl_checks *checks = accept->scope->checks;
    struct known known = {name, tl_nearest_to(name), false};
    char hint[160];
    enum tl_code rc;

    for (uint32_t c = 0; checks != NULL && c < checks->tables_count; c++)
        offer(&known, checks->tables[c].name);
    for (uint32_t c = 0; checks != NULL && c < checks->rows_count; c++)
        offer(&known, checks->rows[c].name);
    if (known.found)
        return TL_OK;
    known.nearest = tl_nearest_to(name); /* names of results are good during their call only */
    TL_TRY(tl_store_checks(accept->scope->store, TL_SV(""), 0, offer_result, &known, err));
    if (known.found)
        goto out;
    known.nearest = tl_nearest_to(name);
    for (uint32_t c = 0; checks != NULL && c < checks->tables_count; c++)
        offer(&known, checks->tables[c].name);
    for (uint32_t c = 0; checks != NULL && c < checks->rows_count; c++)
        offer(&known, checks->rows[c].name);
    TL_TRY(tl_fail(err, TL_ERR_USAGE, "--accept %.*s: there is no check of that name; %s", TL_SV_ARG(name),
                   tl_nearest_hint(&known.nearest, hint, sizeof hint, "tally checks shows those that there are")));
out:
    return rc;
}

static enum tl_code read_names(struct accept *accept, const char *names, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_from(names);
    enum tl_code rc = TL_OK;

    while (rest.size > 0) {
        struct tl_sv name = tl_sv_trim(tl_sv_cut(&rest, ','));

        if (name.size == 0 || is_named(accept, name))
            continue;
        TL_TRY(find_check(accept, name, err));
        if (!TL_RESIZE(accept->names, accept->names_count + 1))
            TL_TRY(tl_fail_memory(err, sizeof *accept->names));
        accept->names[accept->names_count++] = name;
    }
    if (accept->names_count == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--accept names no check; --accept volume --reason 'a holiday' would do"));
out:
    return rc;
}

/* ---- what keeps the ranges of a run back ---- */

static int64_t view_of(const struct accept *accept, int64_t definition)
{
    for (uint32_t v = 0; v < accept->scope->plan->views_count; v++)
        if (accept->scope->definitions[v] == definition)
            return v;
    return -1;
}

static enum tl_code see_failure(void *ctx, const struct tl_check_result *result, struct tl_err *err)
{
    struct accept *accept = ctx;
    int64_t view = view_of(accept, result->definition);
    bool named = is_named(accept, result->check);
    struct tl_chain_span *span;
    uint32_t root;

    (void)err;
    if (!tl_check_keeps_back(result))
        return TL_OK;
    if (view < 0) {
        if (named)
            tl_diag(TL_WARN,
                    "view %.*s: what check %.*s keeps back is of a definition that is not in the views file: it stays back",
                    TL_SV_ARG(result->view), TL_SV_ARG(result->check));
        accept->left_count += named;
        return TL_OK;
    }
    root = tl_view_root(accept->scope->plan, (uint32_t)view);
    span = tl_chain_find(&accept->chains[root], result->from_ms);
    if (span == NULL || span->published || span->kept == TL_KEPT_NOT)
        return TL_OK;
    span->failed = span->failed || !named;
    accept->named[root] = accept->named[root] || (named && (span->kept == TL_KEPT_CHECK || span->kept == TL_KEPT_CHAIN));
    return TL_OK;
}

/* ---- is it what would be computed now? ---- */

static void say(const struct accept *accept, uint32_t view, const struct tl_chain_span *span, const char *what)
{
    struct tl_buf range;

    tl_buf_init(&range, 0);
    tl_check_put_range(&range, span->from_ms, span->to_ms);
    if (!range.failed)
        tl_diag(TL_WARN, "view %.*s: %.*s: %s", TL_SV_ARG(accept->scope->plan->views[view].name), TL_SV_ARG(tl_buf_sv(&range)),
                what);
    tl_buf_done(&range);
}

static enum tl_code refuse_what_is_old(struct accept *accept, uint32_t root, struct tl_err *err)
{
    const struct tl_scope *scope = accept->scope;
    struct tl_chain *chain = &accept->chains[root];
    struct tl_run_offsets offsets;
    enum tl_code rc;

    TL_TRY(tl_run_offsets_open(&offsets, scope->store, accept->run, scope->inputs[scope->plan->views[root].source], err));
    for (uint32_t s = 0; s < chain->count; s++) {
        struct tl_chain_span *span = &chain->spans[s];

        if (span->published || (span->kept != TL_KEPT_CHECK && span->kept != TL_KEPT_CHAIN) ||
            !tl_run_offsets_have_new(&offsets, span->from_ms, span->to_ms))
            continue;
        say(accept, root, span, "events have come for it since it was computed: it stays back; tally batch computes it anew");
        span->failed = true;
    }
out:
    tl_run_offsets_close(&offsets);
    return rc;
}

/* ---- does it follow what is published now? ---- */

static enum tl_code add_begun(void *ctx, const struct tl_run_range *range, const struct tl_run_range_state *state,
                              struct tl_err *err)
{
    struct accept *accept = ctx;

    if (!TL_RESIZE(accept->begun, accept->begun_count + 1))
        return tl_fail_memory(err, sizeof *accept->begun);
    accept->begun[accept->begun_count++] = (struct begun){state->definition, range->from_ms, range->carry_in};
    return TL_OK;
}

static int64_t carry_in_of(const struct accept *accept, int64_t definition, int64_t from_ms)
{
    for (uint32_t b = 0; b < accept->begun_count; b++)
        if (accept->begun[b].definition == definition && accept->begun[b].from_ms == from_ms)
            return accept->begun[b].carry_in;
    return 0;
}

/* A rollback may have left a gap before it, or another run may have published another carry there. */
static enum tl_code follows(const struct accept *accept, uint32_t view, int64_t from_ms, bool *out, struct tl_err *err)
{
    const struct tl_scope *scope = accept->scope;
    int64_t id = scope->definitions[view], carry_in = carry_in_of(accept, id, from_ms);
    struct tl_definition definition;
    struct tl_buf carry;
    enum tl_code rc = TL_OK;

    tl_buf_init(&carry, 0);
    *out = true;
    if (from_ms == INT64_MIN)
        goto out;
    TL_TRY(tl_store_definition(scope->store, id, &definition, err));
    TL_TRY(tl_store_carry(scope->store, id, from_ms, &carry, err));
    *out = from_ms <= definition.boundary_ms && (carry_in == 0 || carry_in == tl_carry_hash(tl_buf_sv(&carry)));
out:
    tl_buf_done(&carry);
    return rc;
}

/* One that goes out with the range before it began with what that carries. */
static bool is_released(const struct tl_chain *chain, uint32_t s, const bool *was_kept)
{
    return was_kept[s] && chain->spans[s].kept == TL_KEPT_NOT;
}

/* *changed: one has turned out not to, and more may have to stay back with it. */
static enum tl_code refuse_what_does_not_follow(struct accept *accept, uint32_t root, const bool *was_kept, bool *changed,
                                                struct tl_err *err)
{
    const struct tl_plan *plan = accept->scope->plan;
    struct tl_chain *chain = &accept->chains[root];
    enum tl_code rc = TL_OK;

    *changed = false;
    for (uint32_t s = 0; s < chain->count; s++) {
        struct tl_chain_span *span = &chain->spans[s];
        bool fits = true;

        if (!is_released(chain, s, was_kept) ||
            (s > 0 && is_released(chain, s - 1, was_kept) && chain->spans[s - 1].to_ms == span->from_ms))
            continue;
        for (uint32_t v = root; v < plan->views_count && fits; v++)
            if (tl_view_root(plan, v) == root)
                TL_TRY(follows(accept, v, span->from_ms, &fits, err));
        if (fits)
            continue;
        say(accept, root, span,
            "what is published before it is not what it was computed with: it stays back; tally batch computes it anew");
        span->failed = *changed = true;
    }
out:
    return rc;
}

/* ---- a run ---- */

static enum tl_code release_family(struct accept *accept, uint32_t root, struct tl_err *err)
{
    const struct tl_plan *plan = accept->scope->plan;
    struct tl_chain *chain = &accept->chains[root];
    bool *was_kept = calloc(chain->count + 1, sizeof *was_kept), changed = true;
    enum tl_code rc = TL_OK;

    if (was_kept == NULL)
        TL_TRY(tl_fail_memory(err, chain->count));
    for (uint32_t s = 0; s < chain->count; s++)
        was_kept[s] =
            !chain->spans[s].published && (chain->spans[s].kept == TL_KEPT_CHECK || chain->spans[s].kept == TL_KEPT_CHAIN);
    TL_TRY(refuse_what_is_old(accept, root, err));
    while (changed) {
        tl_chain_settle(chain);
        TL_TRY(refuse_what_does_not_follow(accept, root, was_kept, &changed, err));
    }
    for (uint32_t v = root; v < plan->views_count; v++) {
        for (uint32_t s = 0; tl_view_root(plan, v) == root && s < chain->count; s++) {
            const struct tl_chain_span *span = &chain->spans[s];

            if (was_kept[s] && span->kept != TL_KEPT_NOT) {
                say(accept, v, span,
                    span->failed ? "stays back: another check has failed too, or it has to be computed anew"
                                 : "stays back with the range beside it");
                accept->left_count++;
            }
            if (!was_kept[s] || span->kept != TL_KEPT_NOT)
                continue;
            if (!TL_RESIZE(accept->released, accept->released_count + 1))
                TL_TRY(tl_fail_memory(err, sizeof *accept->released));
            accept->released[accept->released_count++] = (struct tl_kept_range){accept->scope->definitions[v], span->from_ms};
        }
    }
out:
    free(was_kept);
    return rc;
}

static enum tl_code accept_run(struct accept *accept, const char *checks, struct tl_err *err)
{
    const struct tl_scope *scope = accept->scope;
    struct tl_acceptance by = {.check = tl_sv_from(checks), .who = accept->who, .reason = accept->reason};
    uint32_t count = scope->plan->views_count;
    enum tl_code rc = TL_OK;

    accept->released_count = 0;
    accept->begun_count = 0;
    TL_TRY(tl_store_run_ranges(scope->store, accept->run, add_begun, accept, err));
    for (uint32_t v = 0; v < count; v++) {
        accept->named[v] = false;
        if (scope->plan->views[v].inner < 0)
            TL_TRY(tl_quality_open_chain(&accept->quality, v, accept->run, &accept->chains[v], err));
    }
    TL_TRY(tl_store_failed_checks(scope->store, accept->run, see_failure, accept, err));
    for (uint32_t v = 0; v < count; v++)
        if (accept->named[v])
            TL_TRY(release_family(accept, v, err));
    if (accept->released_count == 0)
        goto out;
    TL_TRY(
        tl_store_publish_kept(scope->store, accept->run, accept->released, accept->released_count, &by, tl_clock_wall_ms(), err));
    accept->published_count += accept->released_count;
    printf("run %lld: published on the word of %.*s: %u range%s\n", (long long)accept->run, TL_SV_ARG(accept->who),
           accept->released_count, accept->released_count == 1 ? "" : "s");
out:
    for (uint32_t v = 0; v < count; v++)
        tl_chain_close(&accept->chains[v]);
    return rc;
}

static enum tl_code add_run(void *ctx, int64_t run, struct tl_err *err)
{
    struct accept *accept = ctx;

    if (!TL_RESIZE(accept->runs, accept->runs_count + 1))
        return tl_fail_memory(err, sizeof *accept->runs);
    accept->runs[accept->runs_count++] = run;
    return TL_OK;
}

static enum tl_code accept_all(struct accept *accept, const char *names, struct tl_err *err)
{
    const struct tl_scope *scope = accept->scope;
    struct tl_buf checks;
    enum tl_code rc;

    tl_buf_init(&checks, 0);
    accept->chains = calloc(scope->plan->views_count, sizeof *accept->chains);
    accept->named = calloc(scope->plan->views_count, sizeof *accept->named);
    if (accept->chains == NULL || accept->named == NULL)
        TL_TRY(tl_fail_memory(err, scope->plan->views_count * sizeof *accept->chains));
    TL_TRY(read_names(accept, names, err));
    for (uint32_t n = 0; n < accept->names_count; n++)
        tl_buf_printf(&checks, "%s%.*s", n == 0 ? "" : ",", TL_SV_ARG(accept->names[n]));
    tl_buf_put_u8(&checks, '\0');
    TL_TRY(tl_buf_check(&checks, "the checks' names", err));
    TL_TRY(tl_store_keepers(scope->store, add_run, accept, err));
    for (uint32_t r = 0; r < accept->runs_count; r++) {
        accept->run = accept->runs[r];
        TL_TRY(accept_run(accept, checks.data, err));
    }
    if (accept->published_count > 0)
        TL_TRY(tl_publish_follow(scope, err));
    if (accept->published_count == 0 && accept->left_count == 0)
        TL_TRY(tl_fail(err, TL_ERR_ANSWER_NO, "nothing is kept back by %s; tally checks --failed shows what is", checks.data));
    if (accept->left_count > 0)
        TL_TRY(tl_fail(err, TL_ERR_ANSWER_NO, "%llu range%s could not be published", (unsigned long long)accept->left_count,
                       accept->left_count == 1 ? "" : "s"));
out:
    tl_buf_done(&checks);
    return rc;
}

enum tl_code tl_accept(const struct tl_scope *scope, const char *names, const char *reason, struct tl_err *err)
{
    char who[TL_PROCESS_NAME_MAX];
    struct accept accept = {
        .scope = scope, .quality = {scope->plan, scope->checks, scope->definitions, scope->store},
             .reason = tl_sv_from(reason)
    };
    enum tl_code rc;

    tl_process_user(who);
    accept.who = tl_sv_from(who);
    rc = accept_all(&accept, names, err);
    free(accept.names);
    free(accept.runs);
    free(accept.chains);
    free(accept.named);
    free(accept.begun);
    free(accept.released);
    return rc;
}
