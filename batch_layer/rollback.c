/* rollback.c: publications are undone by a person. See rollback.h. */
#include "rollback.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/process.h"
#include "event/timestamp.h"

struct undone {
    struct tl_buf lines;
    int64_t run;
};

/* A run may have several: those that a person accepted later. */
static enum tl_code see_undone(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    struct undone *undone = ctx;

    (void)published;
    (void)err;
    if (run != undone->run)
        tl_buf_printf(&undone->lines, "run %lld is rolled back\n", (long long)run);
    undone->run = run;
    return TL_OK;
}

static enum tl_code print_boundaries(struct tl_store *store, struct tl_err *err)
{
    const struct tl_definition *definitions;
    size_t count;
    enum tl_code rc;

    TL_TRY(tl_store_begin_read(store, err));
    TL_TRY(tl_store_definitions(store, &definitions, &count, err));
    for (size_t d = 0; d < count; d++) {
        char boundary[TL_TIME_TEXT_BYTES] = "";

        if (definitions[d].state != TL_DEFINITION_ACTIVE)
            continue;
        if (definitions[d].boundary_ms != INT64_MIN)
            tl_time_to_iso_z(definitions[d].boundary_ms, boundary);
        printf("view %.*s: %s%s\n", TL_SV_ARG(definitions[d].view),
               boundary[0] != '\0' ? "published up to " : "nothing is published", boundary);
    }
out:
    tl_store_rollback(store);
    return rc;
}

enum tl_code tl_rollback(struct tl_store *store, const char *run, struct tl_err *err)
{
    struct undone undone = {.run = 0};
    char who[TL_PROCESS_NAME_MAX];
    int64_t number = 0;
    enum tl_code rc = TL_OK;

    tl_buf_init(&undone.lines, 0);
    tl_process_user(who);
    if (run != NULL && (!tl_sv_to_i64(tl_sv_from(run), &number) || number <= 0))
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--rollback %s: a run has a number, as `tally runs` shows it; --rollback 14 would do",
                       run));
    rc = tl_store_unpublish(store, number, who, tl_clock_wall_ms(), see_undone, &undone, err);
    if (rc == TL_ERR_NOT_FOUND || rc == TL_ERR_LIMIT)
        rc = err->code = rc == TL_ERR_LIMIT ? TL_ERR_ANSWER_NO : TL_ERR_USAGE;
    TL_TRY(rc);
    TL_TRY(tl_buf_check(&undone.lines, "the answer", err));
    fwrite(undone.lines.data, 1, undone.lines.size, stdout);
    TL_TRY(print_boundaries(store, err));
    tl_diag(TL_INFO,
            "what was published there is not computed again by itself; tally batch --from TIME --to TIME, or --force, does");
out:
    tl_buf_done(&undone.lines);
    return rc;
}
