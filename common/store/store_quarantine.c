/* store_quarantine.c: the events that checks keep out of batch's rows. See store_quarantine.h. */
#include "store/store_quarantine.h"

#include "store/store_handle.h"

/* clang-format off */
static const char sql_put_quarantine[] =
    "INSERT INTO tally_quarantine (definition, run, partition, \"offset\", \"row\", check_name, event) {ROWS} ON CONFLICT DO NOTHING";
static const char sql_quarantine[] =
    "SELECT q.partition, q.\"offset\", q.\"row\", q.check_name, q.event, l.event_time_ms FROM tally_quarantine AS q"
    " JOIN tally_ledger AS l ON l.definition = q.definition AND l.run = q.run AND l.partition = q.partition AND l.\"offset\" = q.\"offset\""
    " AND l.\"row\" = q.\"row\" WHERE q.definition = ?1 AND q.run = ?2 AND l.cause = ?3 ORDER BY q.partition, q.\"offset\", q.\"row\"";
/* clang-format on */

enum tl_code tl_store_put_quarantine(struct tl_store *store, int64_t definition, int64_t run, const struct tl_dropped *events,
                                     size_t count, struct tl_err *err)
{
    if (count == 0)
        return TL_OK;
    return tl_database_bulk(store->database, sql_put_quarantine, "IIiiitb",
                            (struct tl_bulk_column[]){
                                {TL_LAYOUT_I64,     &definition,        0,              NULL},
                                {TL_LAYOUT_I64,     &run,               0,              NULL},
                                {TL_LAYOUT_U32,     &events->partition, sizeof *events, NULL},
                                {TL_LAYOUT_I64,     &events->offset,    sizeof *events, NULL},
                                {TL_LAYOUT_U32,     &events->row,       sizeof *events, NULL},
                                {TL_LAYOUT_CSTRING, &events->check,     sizeof *events, NULL},
                                {TL_LAYOUT_SV,      &events->raw,       sizeof *events, NULL},
    },
                            count, err);
}

enum tl_code tl_store_quarantine(struct tl_store *store, int64_t definition, int64_t run,
                                 enum tl_code (*each)(void *ctx, const struct tl_dropped *event, int64_t time_ms,
                                                      struct tl_err *err),
                                 void *ctx, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_quarantine, &answer, err, "iii", definition, run, (int64_t)TL_CAUSE_DQ_REJECT));
    for (;;) {
        struct tl_dropped event;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        event = (struct tl_dropped){.partition = (uint32_t)tl_answer_i64(answer, 0),
                                    .offset = tl_answer_i64(answer, 1),
                                    .row = (uint32_t)tl_answer_i64(answer, 2),
                                    .check = tl_answer_text(answer, 3).data,
                                    .raw = tl_answer_bytes(answer, 4)};
        TL_TRY(each(ctx, &event, tl_answer_i64(answer, 5), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}
