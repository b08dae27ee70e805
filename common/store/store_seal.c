/* store_seal.c: topics whose record has lost events on purpose: ranges from before are never computed again. */
#include "store/store_handle.h"

/* clang-format off */
static const char sql_seal[] =
    "INSERT INTO tally_sealed (topic, upto_ms, sealed_ms) VALUES (?1, ?2, ?3) ON CONFLICT (topic) DO UPDATE SET"
    " upto_ms = excluded.upto_ms, sealed_ms = excluded.sealed_ms WHERE tally_sealed.upto_ms < excluded.upto_ms";
static const char sql_sealed[] = "SELECT topic, upto_ms, sealed_ms FROM tally_sealed ORDER BY topic";
static const char sql_lines[] =
    "SELECT count(*) FROM tally_ledger WHERE definition = ?1 AND run = ?2 AND cause = ?3 AND event_time_ms >= ?4 AND event_time_ms < ?5";
static const char sql_add_late[] =
    "UPDATE tally_run_range SET late = late + ?4 WHERE run = ?1 AND definition = ?2 AND from_ms = ?3";
/* clang-format on */

enum tl_code tl_store_seal(struct tl_store *store, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms, struct tl_err *err)
{
    return tl_database_do(store->database, sql_seal, err, "tii", topic, upto_ms, sealed_ms);
}

enum tl_code tl_store_sealed(struct tl_store *store,
                             enum tl_code (*each)(void *ctx, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms,
                                                  struct tl_err *err),
                             void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_sealed, &answer, err, ""));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, tl_answer_text(answer, 0), tl_answer_i64(answer, 1), tl_answer_i64(answer, 2), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code count_lines(struct tl_store *store, int64_t definition, const struct tl_run_range *range, int64_t *count,
                                struct tl_err *err)
{
    return tl_database_get(store->database, sql_lines, count, NULL, err, "iiiii", definition, range->run,
                           (int64_t)TL_CAUSE_SEALED_DAY, range->from_ms, range->to_ms);
}

enum tl_code tl_store_put_sealed(struct tl_store *store, int64_t definition, const struct tl_run_range *range,
                                 const struct tl_ledger_line *lines, size_t count, uint64_t *added, struct tl_err *err)
{
    int64_t before, after;
    enum tl_code rc;

    TL_TRY(count_lines(store, definition, range, &before, err));
    TL_TRY(tl_store_put_ledger(store, definition, range->run, lines, count, err));
    TL_TRY(count_lines(store, definition, range, &after, err));
    if (after > before)
        TL_TRY(
            tl_database_do(store->database, sql_add_late, err, "iiii", range->run, definition, range->from_ms, after - before));
    *added = (uint64_t)(after - before);
out:
    return rc;
}
