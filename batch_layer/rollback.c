/* rollback.c: publications are undone by a person. See rollback.h. */
#include "rollback.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/process.h"
#include "event/timestamp.h"

/* Runs, the newest publication first. A run may have several: those that a person accepted later. */
static enum tl_code see_undone(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    struct tl_buf *runs = ctx;

    (void)published;
    (void)err;
    if (runs->size == 0 || memcmp(runs->data + runs->size - sizeof run, &run, sizeof run) != 0)
        tl_buf_put(runs, &run, sizeof run);
    return TL_OK;
}

static enum tl_code see_standing(void *ctx, const struct tl_publication *publication, struct tl_err *err)
{
    bool *stands = ctx;

    (void)err;
    *stands = *stands || publication->undone_ms == INT64_MIN;
    return TL_OK;
}

static enum tl_code print_undone(struct tl_store *store, const struct tl_buf *runs, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t at = 0; at < runs->size; at += sizeof(int64_t)) {
        bool stands = false;
        int64_t run;

        memcpy(&run, runs->data + at, sizeof run);
        TL_TRY(tl_store_publications(store, run, see_standing, &stands, err));
        printf(stands ? "run %lld: what was accepted of it is rolled back, the rest stands\n" : "run %lld is rolled back\n",
               (long long)run);
    }
out:
    return rc;
}

static enum tl_code print_outcome(struct tl_store *store, const struct tl_buf *runs, struct tl_err *err)
{
    const struct tl_definition *definitions;
    size_t count;
    enum tl_code rc;

    TL_TRY(tl_store_begin_read(store, err));
    TL_TRY(print_undone(store, runs, err));
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
    struct tl_buf undone;
    char who[TL_PROCESS_NAME_MAX];
    int64_t number = 0;
    enum tl_code rc = TL_OK;

    tl_buf_init(&undone, 0);
    tl_process_user(who);
    if (run != NULL && (!tl_sv_to_i64(tl_sv_from(run), &number) || number <= 0))
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--rollback %s: a run has a number, as `tally runs` shows it; --rollback 14 would do",
                       run));
    rc = tl_store_unpublish(store, number, who, tl_clock_wall_ms(), see_undone, &undone, err);
    if (rc == TL_ERR_NOT_FOUND || rc == TL_ERR_LIMIT)
        rc = err->code = rc == TL_ERR_LIMIT ? TL_ERR_ANSWER_NO : TL_ERR_USAGE;
    TL_TRY(rc);
    TL_TRY(tl_buf_check(&undone, "the answer", err));
    TL_TRY(print_outcome(store, &undone, err));
    tl_diag(TL_INFO,
            "what was published there is not computed again by itself; tally batch --from TIME --to TIME, or --force, does");
out:
    tl_buf_done(&undone);
    return rc;
}
