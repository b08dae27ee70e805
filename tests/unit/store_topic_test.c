/* store_topic_test.c: topics of a pattern in every kind of store: their numbers, and what stands under their own names. */
#include "support/store_checks.h"

static enum tl_code see_topic(void *ctx, uint32_t number, struct tl_sv topic, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%u %.*s\n", number, TL_SV_ARG(topic));
    return TL_OK;
}

static void expect_topics(struct tl_store *store, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_topics(store, see_topic, &text, err));
    tl_buf_put_u8(&text, '\0');
    expect(text.data, want);
    tl_buf_done(&text);
}

/* Whoever comes first gives the number, and the others read it. */
static void topics_are_numbered_once(const struct store_backend *backend)
{
    const struct tl_sv first[] = {TL_SV("site-b"), TL_SV("site-a")}, second[] = {TL_SV("site-c"), TL_SV("site-b"), TL_SV("it's")};
    struct tl_store *store = fresh(backend), *other = store_open(url, TL_STORE_WRITE);

    expect_topics(store, "");
    OK(tl_store_number_topics(store, first, 2, err));
    OK(tl_store_number_topics(other, second, 3, err));
    OK(tl_store_number_topics(store, first, 2, err));
    OK(tl_store_number_topics(store, NULL, 0, err));
    expect_topics(store, "1 site-b\n2 site-a\n3 site-c\n4 it's\n");
    tl_store_close(other);
    other = store_open(url, TL_STORE_READ);
    expect_topics(other, "1 site-b\n2 site-a\n3 site-c\n4 it's\n");
    tl_store_close(other);
    tl_store_close(store);
}

/* As many as there may be, or (SQL is quicker over a network) the last of them. */
static void fill_topics(const struct store_backend *backend, struct tl_store *store)
{
    static char names[TL_TOPIC_NUMBER_MAX][8];
    static struct tl_sv topics[TL_TOPIC_NUMBER_MAX];

    if (backend == &store_postgres) {
        store_postgres_sql(url, "INSERT INTO tally_topic VALUES (32766, 'last')");
        return;
    }
    for (size_t i = 0; i + 1 < TL_COUNT(topics); i++)
        topics[i] = (struct tl_sv){names[i], (size_t)snprintf(names[i], sizeof names[i], "t%zu", i)};
    OK(tl_store_number_topics(store, topics, TL_COUNT(topics) - 1, err));
}

static enum tl_code count_topic(void *ctx, uint32_t number, struct tl_sv topic, struct tl_err *err)
{
    (void)topic;
    (void)err;
    *(uint32_t *)ctx = number;
    return TL_OK;
}

static void a_topic_too_many_is_refused(const struct store_backend *backend)
{
    const struct tl_sv two[] = {TL_SV("one"), TL_SV("two")};
    struct tl_store *store = fresh(backend);
    uint32_t highest = 0;

    fill_topics(backend, store);
    FAILS(TL_ERR_LIMIT, "topic two would be one too many", tl_store_number_topics(store, two, 2, err));
    OK(tl_store_topics(store, count_topic, &highest, err));
    cr_assert_eq(highest, TL_TOPIC_NUMBER_MAX - 1, "none of the two was given a number, but %u was", highest);
    OK(tl_store_number_topics(store, two, 1, err));
    OK(tl_store_number_topics(store, two, 1, err));
    tl_store_close(store);
}

static struct tl_shape by_pattern(struct tl_shape shape)
{
    shape.topic = TL_SV("site-.*");
    shape.by_pattern = true;
    return shape;
}

/* What a run had read stands under the topic's own name and partition. */
static void single_events_of_several_topics_merge(const struct store_backend *backend)
{
    const struct tl_sv topics[] = {TL_SV("site-a"), TL_SV("site-b"), TL_SV("site-c")};
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, by_pattern(store_windowless("bots", 'a'))), epoch = store_epoch(store),
            run = store_run(store, "1"), change;
    uint32_t a = tl_partition_number(1, 0), a1 = tl_partition_number(1, 1), b1 = tl_partition_number(2, 1),
             c = tl_partition_number(3, 0);
    struct store_rows rows;

    cr_assert(about(store, id).by_pattern);
    OK(tl_store_number_topics(store, topics, 3, err));
    store_rows_init(&rows, false, 8);
    store_rows_add_event(&rows, 10, a, 4, "/a-read");
    store_rows_add_event(&rows, 11, a1, 4, "/a-1-not-read");
    store_rows_add_event(&rows, 12, b1, 6, "/b-read");
    store_rows_add_event(&rows, 13, b1, 7, "/b-not-read");
    store_rows_add_event(&rows, 14, c, 0, "/c-not-read");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_put_final(store, id, 1000, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-a"), 0, 5, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b"), 1, 7, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-.*"), 0, 100, err)); /* nobody's */
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, 0, 20);
    OK(tl_store_publish(store, run, 1, err));
    expect(MERGED(store, "bots"), "11 /a-1-not-read speed 1\n13 /b-not-read speed 1\n14 /c-not-read speed 1\n");
    OK(tl_store_prune_speed(store, id, 2, err));
    expect(store_answer(store, "bots", TL_LAYER_SPEED, MIN_MS, MAX_MS),
           "11 /a-1-not-read speed 1\n13 /b-not-read speed 1\n14 /c-not-read speed 1\n");
    store_rows_done(&rows);
    tl_store_close(store);
}

struct seen_lines {
    uint32_t partitions[4];
    size_t count;
};

static enum tl_code see_line(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct seen_lines *seen = ctx;

    (void)err;
    cr_assert_lt(seen->count, TL_COUNT(seen->partitions));
    seen->partitions[seen->count++] = line->partition;
    return TL_OK;
}

static void lines_of_several_topics_are_pruned(const struct store_backend *backend)
{
    const struct tl_sv topics[] = {TL_SV("site-a"), TL_SV("site-b")};
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, by_pattern(store_windowed("hits", 'a'))), run = store_run(store, "1");
    struct tl_ledger_line lines[3];
    struct seen_lines seen = {.count = 0};

    OK(tl_store_number_topics(store, topics, 2, err));
    for (uint32_t i = 0; i < TL_COUNT(lines); i++) /* dead letters of site-a/0, site-b/0 and site-b/1 */
        lines[i] = (struct tl_ledger_line){.partition = tl_partition_number(i == 0 ? 1 : 2, i == 2),
                                           .offset = 3,
                                           .cause = TL_CAUSE_LATE_DROP,
                                           .event_time_ms = MIN_MS};
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, TL_COUNT(lines), err));
    OK(tl_store_put_final(store, id, 100, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-a"), 0, 3, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b"), 0, 4, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b"), 1, 3, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1000, err));
    OK(tl_store_prune_speed(store, id, MAX_MS, err));
    OK(tl_store_ledger(store, id, 0, INT64_MIN, INT64_MAX, see_line, &seen, err));
    cr_assert_eq(seen.count, 2);
    cr_assert(seen.partitions[0] == lines[0].partition && seen.partitions[1] == lines[2].partition);
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(topics_are_numbered_once),
    CHECK(a_topic_too_many_is_refused),
    CHECK(single_events_of_several_topics_merge),
    CHECK(lines_of_several_topics_are_pruned),
};

STORE_SUITE(store_topic)
