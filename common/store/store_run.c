/* store_run.c: what is read of batch's runs: published ranges, staged ones, carries, offsets, the list of runs. */
#include "store/store_handle.h"

#include "event/schema.h"

/* clang-format off */
static const char sql_ranges[] =
    "SELECT r.run, r.from_ms, r.to_ms, r.rows_count, r.carry_in, r.dead_letter, r.future, r.duplicate, r.filtered, r.rejected, r.late,"
    " r.partly_counted, r.counted FROM tally_pointer AS p JOIN tally_run_range AS r ON r.run = p.run"
    " AND r.definition = p.definition AND r.from_ms = p.from_ms WHERE p.definition = ?1 ORDER BY p.to_ms";
static const char sql_carry[] =
    "SELECT r.carry FROM tally_pointer AS p JOIN tally_run_range AS r ON r.run = p.run AND r.definition = p.definition"
    " AND r.from_ms = p.from_ms WHERE p.definition = ?1 AND p.to_ms = ?2";
static const char sql_run_offsets[] =
    "SELECT topic, partition, next_offset FROM tally_run_offset WHERE run = ?1 ORDER BY topic, partition";
static const char sql_run_unread[] =
    "SELECT topic, partition, first_offset, last_offset FROM tally_run_unread WHERE run = ?1 ORDER BY topic, partition, first_offset";
#define RUN_COLUMNS \
    "SELECT r.run, r.started_ms, r.ended_ms, r.state, r.reason, r.versions, r.normaliser, r.checks, r.failure, r.events_count," \
    " r.bytes_count, r.duplicates_count, count(g.run), CAST(COALESCE(sum(g.rows_count), 0) AS BIGINT)," \
    " CAST(COALESCE(sum(CASE WHEN g.published IS NOT NULL THEN 1 ELSE 0 END), 0) AS BIGINT)," \
    " CAST(COALESCE(sum(CASE WHEN g.blocked <> 0 AND g.published IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT)," \
    " (SELECT count(*) FROM tally_check_result AS c WHERE c.run = r.run AND c.passed = 1)," \
    " (SELECT count(*) FROM tally_check_result AS c WHERE c.run = r.run AND c.passed = 0 AND c.violation <> 'fail update')," \
    " (SELECT count(*) FROM tally_check_result AS c WHERE c.run = r.run AND c.passed = 0 AND c.violation = 'fail update')" \
    " FROM tally_run AS r LEFT JOIN tally_run_range AS g ON g.run = r.run"
static const char sql_runs[] = RUN_COLUMNS " GROUP BY r.run ORDER BY r.run";
static const char sql_newest_runs[] = RUN_COLUMNS " GROUP BY r.run ORDER BY r.run DESC";
static const char sql_one_run[] = RUN_COLUMNS " WHERE r.run = ?1 GROUP BY r.run";
static const char sql_staged_run[] = RUN_COLUMNS " WHERE r.state = 'staged' GROUP BY r.run ORDER BY r.run DESC LIMIT 1";
static const char sql_run_ranges[] =
    "SELECT r.from_ms, r.to_ms, r.rows_count, r.carry_in, r.blocked, r.published, r.pruned, d.view, r.definition, d.state = 'retired',"
    " EXISTS (SELECT 1 FROM tally_pointer AS p WHERE p.definition = r.definition AND p.to_ms = r.to_ms AND p.run = r.run),"
    " EXISTS (SELECT 1 FROM tally_publication AS b WHERE b.published = r.published AND b.undone_ms IS NOT NULL),"
    " r.dead_letter, r.future, r.duplicate, r.filtered, r.rejected, r.late, r.partly_counted, r.counted"
    " FROM tally_run_range AS r JOIN tally_definition AS d ON d.definition = r.definition WHERE r.run = ?1"
    " ORDER BY d.view, r.definition, r.from_ms";
static const char sql_staged_carry[] =
    "SELECT carry FROM tally_run_range WHERE run = ?1 AND definition = ?2 AND from_ms = ?3";
static const char sql_publications[] =
    "SELECT published, run, at_ms, change, accepted, who, reason, undone_ms, undone_by FROM tally_publication WHERE ?1 = 0 OR run = ?1"
    " ORDER BY published";
/* clang-format on */

enum tl_code tl_store_ranges(struct tl_store *store, int64_t definition,
                             enum tl_code (*each)(void *ctx, const struct tl_run_range *range, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_ranges, &answer, err, "i", definition));
    for (;;) {
        struct tl_run_range range;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        range = (struct tl_run_range){
            .run = tl_answer_i64(answer, 0),
            .from_ms = tl_answer_i64(answer, 1),
            .to_ms = tl_answer_i64(answer, 2),
            .rows_count = (uint64_t)tl_answer_i64(answer, 3),
            .carry_in = tl_answer_i64(answer, 4),
        };
        for (int i = 0; i < TL_OUTCOMES; i++)
            range.outcomes[i] = (uint64_t)tl_answer_i64(answer, 5 + i);
        TL_TRY(each(ctx, &range, err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_carry(struct tl_store *store, int64_t definition, int64_t to_ms, struct tl_buf *out, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_carry, &answer, err, "ii", definition, to_ms));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row)
        tl_buf_put_sv(out, tl_answer_bytes(answer, 0));
    TL_TRY(tl_buf_check(out, "carry", err));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_run_offsets(struct tl_store *store, int64_t run,
                                  enum tl_code (*each)(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset,
                                                       struct tl_err *err),
                                  void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_run_offsets, &answer, err, "i", run));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_text(answer, 0), (uint32_t)tl_answer_i64(answer, 1), tl_answer_i64(answer, 2), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_run_unread(struct tl_store *store, int64_t run,
                                 enum tl_code (*each)(void *ctx, struct tl_sv topic, uint32_t partition, int64_t first_offset,
                                                      int64_t last_offset, struct tl_err *err),
                                 void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_run_unread, &answer, err, "i", run));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_text(answer, 0), (uint32_t)tl_answer_i64(answer, 1), tl_answer_i64(answer, 2),
                    tl_answer_i64(answer, 3), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_staged_carry(struct tl_store *store, int64_t run, int64_t definition, int64_t from_ms, struct tl_buf *out,
                                   struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_staged_carry, &answer, err, "iii", run, definition, from_ms));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row)
        tl_buf_put_sv(out, tl_answer_bytes(answer, 0));
    TL_TRY(tl_buf_check(out, "carry", err));
out:
    tl_answer_close(answer);
    return rc;
}

/* ---- the runs ---- */

static enum tl_code next_run(struct tl_answer *answer, bool *there, struct tl_run *run, struct tl_err *err)
{
    static const char *const states[] = {[TL_RUN_STAGED] = "staged",
                                         [TL_RUN_PUBLISHED] = "published",
                                         [TL_RUN_FAILED] = "failed",
                                         [TL_RUN_ROLLED_BACK] = "rolled back"};
    enum tl_code rc;

    TL_TRY(tl_answer_next(answer, there, err));
    if (!*there)
        goto out;
    *run = (struct tl_run){
        .id = tl_answer_i64(answer, 0),
        .started_ms = tl_answer_i64(answer, 1),
        .ended_ms = tl_answer_null(answer, 2) ? INT64_MIN : tl_answer_i64(answer, 2),
        .reason = tl_answer_text(answer, 4),
        .versions = tl_answer_text(answer, 5),
        .same_normaliser = tl_answer_i64(answer, 6) == TL_NORMALISER_VERSION,
        .checks = tl_answer_text(answer, 7),
        .failure = tl_answer_text(answer, 8),
        .totals = {(uint64_t)tl_answer_i64(answer, 9), (uint64_t)tl_answer_i64(answer, 10), (uint64_t)tl_answer_i64(answer, 11)},
        .ranges_count = (uint64_t)tl_answer_i64(answer, 12),
        .rows_count = (uint64_t)tl_answer_i64(answer, 13),
        .published_count = (uint64_t)tl_answer_i64(answer, 14),
        .blocked_count = (uint64_t)tl_answer_i64(answer, 15),
        .checks_passed = (uint64_t)tl_answer_i64(answer, 16),
        .checks_warned = (uint64_t)tl_answer_i64(answer, 17),
        .checks_failed = (uint64_t)tl_answer_i64(answer, 18),
    };
    for (size_t i = 0; i < TL_COUNT(states); i++)
        if (tl_sv_eq(tl_answer_text(answer, 3), tl_sv_from(states[i])))
            run->state = (enum tl_run_state)i;
out:
    return rc;
}

static enum tl_code walk_runs(struct tl_answer *answer, int64_t limit,
                              enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err), void *ctx,
                              struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int64_t n = 0; limit < 0 || n < limit; n++) {
        struct tl_run run;
        bool there;

        TL_TRY(next_run(answer, &there, &run, err));
        if (!there)
            break;
        TL_TRY(each(ctx, &run, err));
    }
out:
    return rc;
}

enum tl_code tl_store_runs(struct tl_store *store, enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err),
                           void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_runs, &answer, err, ""));
    TL_TRY(walk_runs(answer, -1, each, ctx, err));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_newest_runs(struct tl_store *store, int64_t limit,
                                  enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err), void *ctx,
                                  struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_newest_runs, &answer, err, ""));
    TL_TRY(walk_runs(answer, limit, each, ctx, err));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_run(struct tl_store *store, int64_t run,
                          enum tl_code (*each)(void *ctx, const struct tl_run *run, struct tl_err *err), void *ctx,
                          struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    enum tl_code rc;

    if (run == TL_STORE_STAGED_RUN)
        TL_TRY(tl_database_ask(store->database, sql_staged_run, &answer, err, ""));
    else
        TL_TRY(tl_database_ask(store->database, sql_one_run, &answer, err, "i", run));
    TL_TRY(walk_runs(answer, 1, each, ctx, err));
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_run_ranges(struct tl_store *store, int64_t run,
                                 enum tl_code (*each)(void *ctx, const struct tl_run_range *range,
                                                      const struct tl_run_range_state *state, struct tl_err *err),
                                 void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_run_ranges, &answer, err, "i", run));
    for (;;) {
        struct tl_run_range_state state;
        struct tl_run_range range;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        range = (struct tl_run_range){.run = run,
                                      .from_ms = tl_answer_i64(answer, 0),
                                      .to_ms = tl_answer_i64(answer, 1),
                                      .rows_count = (uint64_t)tl_answer_i64(answer, 2),
                                      .carry_in = tl_answer_i64(answer, 3)};
        state = (struct tl_run_range_state){.view = tl_answer_text(answer, 7),
                                            .definition = tl_answer_i64(answer, 8),
                                            .retired = tl_answer_i64(answer, 9) != 0,
                                            .blocked = tl_answer_i64(answer, 4) != 0,
                                            .published = tl_answer_i64(answer, 5),
                                            .pruned = tl_answer_i64(answer, 6) != 0,
                                            .serves = tl_answer_i64(answer, 10) != 0,
                                            .undone = tl_answer_i64(answer, 11) != 0};
        for (int i = 0; i < TL_OUTCOMES; i++)
            range.outcomes[i] = (uint64_t)tl_answer_i64(answer, 12 + i);
        TL_TRY(each(ctx, &range, &state, err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_publications(struct tl_store *store, int64_t run,
                                   enum tl_code (*each)(void *ctx, const struct tl_publication *publication, struct tl_err *err),
                                   void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_publications, &answer, err, "i", run));
    for (;;) {
        struct tl_publication publication;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        publication = (struct tl_publication){
            .published = tl_answer_i64(answer, 0),
            .run = tl_answer_i64(answer, 1),
            .at_ms = tl_answer_i64(answer, 2),
            .change = tl_answer_i64(answer, 3),
            .accepted = {tl_answer_text(answer, 4), tl_answer_text(answer, 5), tl_answer_text(answer, 6)},
            .undone_ms = tl_answer_null(answer, 7) ? INT64_MIN : tl_answer_i64(answer, 7),
            .undone_by = tl_answer_text(answer, 8)
        };
        TL_TRY(each(ctx, &publication, err));
    }
out:
    tl_answer_close(answer);
    return rc;
}
