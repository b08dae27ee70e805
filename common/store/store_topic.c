/* store_topic.c: the numbers of topics that tables with 'topic-pattern' read. */
#include "store/store_handle.h"

static const char sql_topics[] = "SELECT number, topic FROM tally_topic ORDER BY number";
static const char sql_number[] = "SELECT number FROM tally_topic WHERE topic = ?1";
static const char sql_highest[] = "SELECT COALESCE(MAX(number), 0) FROM tally_topic";
static const char sql_add[] = "INSERT INTO tally_topic (number, topic) VALUES (?1, ?2)";

static enum tl_code number_all(struct tl_store *store, const struct tl_sv *topics, size_t count, struct tl_err *err)
{
    struct tl_epoch now;
    int64_t highest, number;
    enum tl_code rc;

    TL_TRY(tl_store_lock_epoch(store, &now, err));
    TL_TRY(tl_database_get(store->database, sql_highest, &highest, NULL, err, ""));
    for (size_t i = 0; i < count; i++) {
        bool found = false;

        TL_TRY(tl_database_get(store->database, sql_number, &number, &found, err, "t", topics[i]));
        if (found)
            continue;
        if (highest >= TL_TOPIC_NUMBER_MAX)
            TL_TRY(tl_fail(
                err, TL_ERR_LIMIT,
                "%s: topic %.*s would be one too many: tables with 'topic-pattern' read %d topics at most, those that are "
                "gone included; a narrower pattern, in a new store, would do",
                store->database->place, TL_SV_ARG(topics[i]), TL_TOPIC_NUMBER_MAX));
        highest++;
        TL_TRY(tl_database_do(store->database, sql_add, err, "it", highest, topics[i]));
    }
out:
    return rc;
}

enum tl_code tl_store_number_topics(struct tl_store *store, const struct tl_sv *topics, size_t count, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_BETWEEN_TICKS, err));
    TL_TRY(tl_store_end(store, number_all(store, topics, count, err), err));
out:
    return rc;
}

enum tl_code tl_store_topics(struct tl_store *store,
                             enum tl_code (*each)(void *ctx, uint32_t number, struct tl_sv topic, struct tl_err *err), void *ctx,
                             struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_topics, &answer, err, ""));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        TL_TRY(each(ctx, (uint32_t)tl_answer_i64(answer, 0), tl_answer_text(answer, 1), err));
    }
out:
    tl_answer_close(answer);
    return rc;
}
