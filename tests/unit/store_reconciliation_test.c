/* store_reconciliation_test.c: what reconciliations came to, in every kind of store. */
#include "store/store_reconciliation.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "support/store_checks.h"

static const struct tl_reconciled_cause all_causes[] = {
    {TL_CAUSE_LATE_DROP, {"", 0},         312},
    {TL_CAUSE_DUPLICATE, {"", 0},         41 },
    {TL_CAUSE_DQ_REJECT, {"has_host", 8}, 2  },
    {TL_CAUSE_DQ_REJECT, {"it's", 4},     3  },
};
static const struct tl_reconciled_cause hits_causes[] = {
    {TL_CAUSE_LATE_DROP, {"", 0}, 312},
};
static const struct tl_reconciled_view two_views[] = {
    {.view = {"big", 3}, .definition = 2, .from_ms = MIN_MS,                                   .to_ms = MIN_MS, .boundary_ms = MIN_MS},
    { .view = {"hits \xc3\xa9", 7},
     .definition = 1,
     .from_ms = -5,
     .to_ms = 100,
     .boundary_ms = 200,
     .runs = {"3-9, 12", 7},
     .counts = {.groups = 1000, .equal = 990, .explained = 9, .unexplained = 1, .pending = 4},
     .causes = hits_causes,
     .causes_count = TL_COUNT(hits_causes)},
};
#define NOTE(text)                                                                                                               \
    {                                                                                                                            \
        (text), sizeof(text) - 1                                                                                                 \
    }
static const struct tl_sv two_notes[] = {
    NOTE("view hits: the range is cut at \"B\""),
    NOTE("topic a\nb\x1b[2J: \xff\xfe lost"),
};

/* That began at `at_ms` and compared (from, to]. */
static struct tl_reconciliation whole(int64_t at_ms, int64_t from_ms, int64_t to_ms)
{
    return (struct tl_reconciliation){
        .started_ms = at_ms,
        .ended_ms = at_ms + 7,
        .from_ms = MIN_MS,
        .to_ms = MAX_MS,
        .compared_from_ms = from_ms,
        .compared_to_ms = to_ms,
        .cut = true,
        .exit_status = 1,
        .counts = {.groups = 1000,    .equal = 990, .explained = 9, .unexplained = 1, .pending = 4},
        .events_count = UINT64_C(5000000000),
        .normaliser = 1,
        .versions = {"tzdata 2026a", 12},
        .notes = two_notes,
        .notes_count = TL_COUNT(two_notes),
        .causes = all_causes,
        .causes_count = TL_COUNT(all_causes),
        .views = two_views,
        .views_count = TL_COUNT(two_views),
    };
}

static int64_t put(struct tl_store *store, const struct tl_reconciliation *it)
{
    int64_t id = 0;

    OK(tl_store_put_reconciliation(store, it, &id, err));
    return id;
}

static void put_causes(struct tl_buf *out, const struct tl_reconciled_cause *causes, size_t count)
{
    for (size_t c = 0; c < count; c++)
        tl_buf_printf(out, " %s:%.*s=%llu", tl_cause_name(causes[c].cause), TL_SV_ARG(causes[c].check),
                      (unsigned long long)causes[c].events_count);
    tl_buf_put_u8(out, '\n');
}

static void put_counts(struct tl_buf *out, const struct tl_reconciled_counts *counts)
{
    tl_buf_printf(out, " %llu=%llu+%llu+%llu (%llu)", (unsigned long long)counts->groups, (unsigned long long)counts->equal,
                  (unsigned long long)counts->explained, (unsigned long long)counts->unexplained,
                  (unsigned long long)counts->pending);
}

static void put_text(struct tl_buf *out, const struct tl_reconciliation *it)
{
    tl_buf_printf(out, "%lld-%lld (%lld, %lld] (%lld, %lld] cut %d status %d events %llu normaliser %lld %.*s",
                  (long long)it->started_ms, (long long)it->ended_ms, (long long)it->from_ms, (long long)it->to_ms,
                  (long long)it->compared_from_ms, (long long)it->compared_to_ms, it->cut, it->exit_status,
                  (unsigned long long)it->events_count, (long long)it->normaliser, TL_SV_ARG(it->versions));
    put_counts(out, &it->counts);
    put_causes(out, it->causes, it->causes_count);
    for (size_t v = 0; v < it->views_count; v++) {
        const struct tl_reconciled_view *view = &it->views[v];

        tl_buf_printf(out, "%.*s %lld (%lld, %lld] B %lld runs %.*s", TL_SV_ARG(view->view), (long long)view->definition,
                      (long long)view->from_ms, (long long)view->to_ms, (long long)view->boundary_ms, TL_SV_ARG(view->runs));
        put_counts(out, &view->counts);
        put_causes(out, view->causes, view->causes_count);
    }
    for (size_t n = 0; n < it->notes_count; n++)
        tl_buf_printf(out, "note %.*s\n", TL_SV_ARG(it->notes[n]));
    tl_buf_put_u8(out, '\0');
}

static void all_comes_back(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_reconciliation it = whole(1000, -5, 100),
                             bare = {.started_ms = 1, .compared_from_ms = MIN_MS, .compared_to_ms = MIN_MS}, *list;
    static const struct tl_reconciliation_query everything = {.from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};
    struct tl_arena arena;
    struct tl_buf want, got;
    size_t count = 7;

    tl_arena_init(&arena, 1024, 0);
    tl_buf_init(&want, 0);
    tl_buf_init(&got, 0);
    OK(tl_store_reconciliations(store, &everything, &arena, &list, &count, err));
    cr_assert_eq(count, 0);
    cr_assert_eq(put(store, &it), 1);
    cr_assert_eq(put(store, &bare), 2);
    OK(tl_store_reconciliations(store, &everything, &arena, &list, &count, err));
    cr_assert_eq(count, 2);
    cr_assert(list[0].id == 2 && list[1].id == 1, "the newest first");
    cr_assert(list[0].notes_count == 0 && list[0].views_count == 0 && list[0].causes_count == 0 && !list[0].cut);
    it.notes = (const struct tl_sv[]){two_notes[0], TL_SV("topic a b [2J: \xef\xbf\xbd\xef\xbf\xbd lost")};
    put_text(&want, &it);
    put_text(&got, &list[1]);
    expect(got.data, want.data);
    tl_buf_done(&want);
    tl_buf_done(&got);
    tl_arena_done(&arena);
    tl_store_close(store);
}

static void expect_listed(struct tl_store *store, struct tl_reconciliation_query query, const char *want)
{
    struct tl_reconciliation *list;
    struct tl_arena arena;
    struct tl_buf text;
    size_t count;

    tl_arena_init(&arena, 1024, 0);
    tl_buf_init(&text, 0);
    OK(tl_store_reconciliations(store, &query, &arena, &list, &count, err));
    for (size_t i = 0; i < count; i++)
        tl_buf_printf(&text, "%lld ", (long long)list[i].id);
    tl_buf_put_u8(&text, '\0');
    expect(text.data, want);
    tl_buf_done(&text);
    tl_arena_done(&arena);
}

#define LISTED(want, ...) expect_listed(store, (struct tl_reconciliation_query){__VA_ARGS__}, want)

static void a_page_at_a_time(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    static const int64_t compared[][2] = {
        {MIN_MS, 10    },
        {10,     20    },
        {5,      30    },
        {MIN_MS, MIN_MS}, /* nothing */
    };

    for (size_t i = 0; i < TL_COUNT(compared); i++) {
        struct tl_reconciliation it = whole((int64_t)i, compared[i][0], compared[i][1]);

        put(store, &it);
    }
    LISTED("4 3 ", .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = 2);
    LISTED("2 1 ", .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = 2, .before = 3);
    LISTED("", .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = 2, .before = 1);
    LISTED("", .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = 0);
    LISTED("3 2 ", .from_ms = 10, .to_ms = MAX_MS, .limit = -1); /* (.., 10] has nothing of (10, ..] */
    LISTED("3 ", .from_ms = 20, .to_ms = MAX_MS, .limit = -1);
    LISTED("4 3 1 ", .from_ms = MIN_MS, .to_ms = 10, .limit = -1);
    LISTED("3 1 ", .from_ms = 0, .to_ms = 6, .limit = -1);
    tl_store_close(store);
}

/* One number from the database behind the store. */
static int64_t ask(const struct store_backend *backend, const char *query)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number;

    if (backend == &store_postgres)
        return strtoll(store_postgres_ask(url, query), NULL, 10);
    cr_assert_eq(sqlite3_open(store_path(url), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    number = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static void the_newest_are_kept(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_reconciliation it = whole(1000, 0, 100);

    for (int i = 0; i < 3; i++)
        put(store, &it);
    /* As if so many had come in between. */
    if (backend == &store_postgres)
        store_postgres_sql(url, "ALTER TABLE tally_reconciliation ALTER COLUMN reconciliation RESTART WITH 10002");
    else
        ask(backend, "UPDATE tally_reconciliation SET reconciliation = 10001 WHERE reconciliation = 3");
    cr_assert_eq(put(store, &it), 10002);
    cr_assert_eq(ask(backend, "SELECT count(*) FROM tally_reconciliation"), 2);
    cr_assert_eq(ask(backend, "SELECT min(reconciliation) FROM tally_reconciliation_view"), 3);
    cr_assert_eq(ask(backend, "SELECT min(reconciliation) FROM tally_reconciliation_cause"), 3);
    tl_store_close(store);
}

/* A note for each hole of a damaged record: the list ends with how many there were. */
static void of_many_notes_some(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_reconciliation it = whole(1000, 0, 100), *list;
    struct tl_sv notes[TL_RECONCILIATION_NOTES_MAX + 20];
    struct tl_arena arena;
    size_t count;

    for (size_t n = 0; n < TL_COUNT(notes); n++)
        notes[n] = TL_SV("a hole");
    it.notes = notes;
    tl_arena_init(&arena, 1024, 0);
    for (it.notes_count = TL_RECONCILIATION_NOTES_MAX; it.notes_count <= TL_COUNT(notes); it.notes_count += 20) {
        put(store, &it);
        OK(tl_store_reconciliations(store, &(struct tl_reconciliation_query){.from_ms = MIN_MS, .to_ms = MAX_MS, .limit = 1},
                                    &arena, &list, &count, err));
        cr_assert_eq(list[0].notes_count, TL_RECONCILIATION_NOTES_MAX);
        cr_assert(tl_sv_eq(list[0].notes[TL_RECONCILIATION_NOTES_MAX - 1],
                           it.notes_count > TL_RECONCILIATION_NOTES_MAX ? TL_SV("and 21 notes more") : TL_SV("a hole")));
    }
    tl_arena_done(&arena);
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(all_comes_back),
    CHECK(a_page_at_a_time),
    CHECK(the_newest_are_kept),
    CHECK(of_many_notes_some),
};
STORE_SUITE(store_reconciliation)
