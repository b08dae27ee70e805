/* left_out.c: what a run of batch leaves out because the record is damaged. See left_out.h. */
#include "left_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "event/timestamp.h"

enum tl_code tl_left_out_say(struct tl_left_out *out, const char *damage, struct tl_err *err)
{
    for (uint32_t i = 0; i < out->said_count; i++)
        if (strcmp(out->said[i], damage) == 0)
            return TL_OK;
    if (!TL_RESIZE(out->said, out->said_count + 1))
        return tl_fail_memory(err, sizeof *out->said);
    out->said[out->said_count++] = damage;
    tl_diag(TL_WARN, "%s", damage);
    return TL_OK;
}

enum tl_code tl_left_out_add(struct tl_left_out *out, const struct tl_scope *scope, const bool *views, int64_t from_ms,
                             int64_t to_ms, struct tl_err *err)
{
    if (out->views == NULL) {
        out->views_count = scope->plan->views_count;
        out->views = calloc(out->views_count, sizeof *out->views);
        if (out->views == NULL)
            return tl_fail_memory(err, out->views_count);
    }
    for (uint32_t v = 0; v < out->views_count; v++)
        out->views[v] = out->views[v] || views[v];
    out->from_ms = out->ranges_count == 0 ? from_ms : tl_min_i64(out->from_ms, from_ms);
    out->to_ms = out->ranges_count == 0 ? to_ms : tl_max_i64(out->to_ms, to_ms);
    out->ranges_count++;
    return TL_OK;
}

static void put_views(struct tl_buf *text, const struct tl_left_out *out, const struct tl_plan *plan)
{
    uint32_t count = 0;

    for (uint32_t v = 0; v < out->views_count; v++)
        if (out->views[v])
            tl_buf_printf(text, "%s%.*s", count++ == 0 ? "" : ", ", TL_SV_ARG(plan->views[v].name));
}

/* Names what is damaged that no range has named. */
static enum tl_code say_rest(struct tl_left_out *out, const struct tl_scope *scope, bool *lost, bool *keeps_sealed,
                             struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < scope->plan->sources_count; s++) {
        const struct tl_input *input = scope->inputs[s];

        for (uint32_t l = 0; l < input->lost_count; l++) {
            TL_TRY(tl_left_out_say(out, input->lost[l].damage, err));
            *lost = true;
        }
        for (uint32_t p = 0; p < input->partitions_count; p++) {
            for (uint32_t f = 0; f < input->partitions[p].files_count; f++) {
                if (!input->partitions[p].files[f].keeps_sealed)
                    continue;
                TL_TRY(tl_left_out_say(out, input->partitions[p].files[f].damage, err));
                *keeps_sealed = true;
            }
        }
    }
out:
    return rc;
}

enum tl_code tl_left_out_report(struct tl_left_out *out, const struct tl_scope *scope, struct tl_err *err)
{
    char from[TL_TIME_TEXT_BYTES] = "the beginning", to[TL_TIME_TEXT_BYTES];
    struct tl_buf text;
    bool lost = false, keeps_sealed = false;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    TL_TRY(say_rest(out, scope, &lost, &keeps_sealed, err));
    if (out->ranges_count > 0) {
        if (out->from_ms != INT64_MIN)
            tl_time_to_iso_z(out->from_ms, from);
        tl_time_to_iso_z(out->to_ms, to);
        put_views(&text, out, scope->plan);
        tl_buf_put_u8(&text, 0);
        TL_TRY(tl_buf_check(&text, "names of views", err));
        TL_TRY(
            tl_fail(err, TL_ERR_CORRUPT,
                    "the record is damaged: %u range%s between %s and %s stay%s as published (view%s %.500s); all else was done",
                    out->ranges_count, out->ranges_count == 1 ? "" : "s", from, to, out->ranges_count == 1 ? "s" : "",
                    strchr(text.data, ',') == NULL ? "" : "s", text.data));
    }
    if (lost)
        TL_TRY(
            tl_fail(err, TL_ERR_CORRUPT,
                    "the record is damaged: nobody can say of which days; what is published stays, and nothing else was to do"));
    if (keeps_sealed)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                       "the record is damaged: what came there for sealed days is not in the ledger yet; all else was done"));
out:
    tl_buf_done(&text);
    return rc;
}

void tl_left_out_done(struct tl_left_out *out)
{
    free(out->said);
    free(out->views);
    *out = (struct tl_left_out){0};
}
