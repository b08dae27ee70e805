/* row_checks_test.c: row checks of batch, in either store: what they drop is in no row, in the ledger, in the quarantine, and explained by
 * reconcile for every kind of view. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/timestamp.h"
#include "store/store_quarantine.h"
#include "support/reconcile_scene.h"
#include "support/store_fixture.h"

static const char views[] =
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS hits, SUM(`bytes`) AS total\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW hops AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '30' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW steps AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW threes AS SELECT window_start, window_end, host, COUNT(*) AS hits, closed_by\n"
    "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host, closed_by;\n"
    "CREATE VIEW minutes AS SELECT window_start, window_end, SUM(hits) AS hits, MAX(total) AS most FROM hits\n"
    "    GROUP BY window_start, window_end;\n"
    "CREATE VIEW bodies AS SELECT event_id, host FROM events WHERE host <> 'noisy.example';\n";
static const char *const names[] = {"hits", "hops", "steps", "visits", "threes", "minutes", "bodies"};
enum { HITS, HOPS, STEPS, VISITS, THREES, MINUTES, BODIES, VIEWS };

static const char row_checks[] =
    "ALTER TABLE events ADD CONSTRAINT small EXPECT (`bytes` < 100) ON VIOLATION DROP ROW;\n"
    "ALTER TABLE events ADD CONSTRAINT quiet EXPECT (host <> 'noisy.example') ON VIOLATION DROP ROW;\n"
    "ALTER TABLE events ADD CONSTRAINT seldom EXPECT (event_id <> 'warn') ON VIOLATION WARN;\n";

struct place {
    struct scene scene;
    char url[512];
};

#define TALLY(place, want, command, ...)                                                                                         \
    do {                                                                                                                         \
        run_done(&(place)->scene.run);                                                                                           \
        RUN(&(place)->scene.run, command, "--views", (place)->scene.views, "--data", (place)->scene.dir, "--store",              \
            (place)->url __VA_OPT__(, ) __VA_ARGS__);                                                                            \
        EXPECT_STATUS(&(place)->scene, want);                                                                                    \
    } while (0)

static void batch(struct place *p, const char *from, const char *to)
{
    if (p->scene.checks[0] != '\0')
        TALLY(p, 0, "batch", "--to", to, "--checks", p->scene.checks, from != NULL ? "--from" : NULL, from);
    else
        TALLY(p, 0, "batch", "--to", to, from != NULL ? "--from" : NULL, from);
}

/* Two that are too large, one of them in a session with others; three of a host that makes noise; copies; one that only warns. */
static void play(struct place *p, const struct store_backend *backend)
{
    backend->url(p->url);
    scene_open(&p->scene, views, "");
    scene_checks(&p->scene, row_checks);
    APPEND(&p->scene, 0, 299, {"left", 40, "a.example", 1}, {"large", 48, "a.example", 100}, {"right", 57, "a.example", 1},
           {"noise-1", 70, "noisy.example", 5}, {"noise-2", 71, "noisy.example", 500}, {"noise-3", 90, "noisy.example", 5},
           {"large", 48, "a.example", 100}, {"noise-3", 90, "noisy.example", 5}, {"warn", 100, "b.example", 1},
           {"huge", 120, "c.example", INT64_MAX});
    append_body(&p->scene, 0, 60);
    TALLY(p, 0, "speed", "--once");
    scene_archive(&p->scene);
    batch(p, NULL, "2026-03-01T00:05:00Z");
}

static void close_place(struct place *p)
{
    scene_close(&p->scene);
    store_folder_remove();
}

static enum tl_code see_event(void *ctx, const struct tl_dropped *event, int64_t time_ms, struct tl_err *err)
{
    struct tl_buf *text = ctx;
    const char *id = strstr(event->raw.data, "\"event_id\":\"");

    (void)err;
    cr_assert_not_null(id);
    id += strlen("\"event_id\":\"");
    tl_buf_printf(text, "%s:%.*s@%" PRId64 " ", event->check, (int)strcspn(id, "\""), id, (time_ms - START_MS) / 1000);
    return TL_OK;
}

/* What a view's last run dropped. */
static const char *quarantine(const struct place *p, const char *view, int64_t run)
{
    static struct tl_buf text;
    struct tl_store *store = store_open(p->url, TL_STORE_READ);
    struct tl_definition definition = {0};

    tl_buf_clear(&text);
    OK(tl_store_begin_read(store, err));
    OK(tl_store_active(store, tl_sv_from(view), &definition, err));
    OK(tl_store_quarantine(store, definition.id, run, see_event, &text, err));
    OK(tl_store_commit(store, err));
    tl_buf_put_u8(&text, '\0');
    tl_store_close(store);
    return text.data;
}

static uint64_t outcome(const struct place *p, const char *view, enum tl_outcome which)
{
    struct tl_store *store = store_open(p->url, TL_STORE_READ);
    struct tl_definition definition = {0};
    uint64_t counts[TL_OUTCOMES];

    OK(tl_store_begin_read(store, err));
    OK(tl_store_active(store, tl_sv_from(view), &definition, err));
    OK(tl_store_outcomes(store, definition.id, -1, counts, err));
    OK(tl_store_commit(store, err));
    tl_store_close(store);
    return counts[which];
}

/* The sum of `hits` over what a view serves: batch up to the boundary, speed behind it. */
static int64_t served(struct place *p, const char *view)
{
    int64_t sum = 0;
    size_t column = 0;
    char *line, *rest;

    run_done(&p->scene.run);
    RUN(&p->scene.run, "query", view, "--views", p->scene.views, "--data", p->scene.dir, "--store", p->url, "--format", "csv");
    EXPECT_STATUS(&p->scene, 0);
    line = strtok_r(p->scene.run.out, "\r\n", &rest);
    for (const char *at = line; strncmp(at, "hits", 4) != 0; at = strchr(at, ',') + 1)
        column++;
    while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL) {
        const char *at = line;

        for (size_t c = 0; c < column; c++)
            at = strchr(at, ',') + 1;
        sum += strtoll(at, NULL, 10);
    }
    return sum;
}

static void expect_of_view(struct place *p, int view, const char *what, const char *want)
{
    char path[100];

    snprintf(path, sizeof path, "$.views[%d].%s", view, what);
    EXPECT(&p->scene, path, want);
}

static void what_is_dropped_is_explained(const struct store_backend *backend)
{
    static const char all[] = "{\"dq_reject:quiet\":2,\"dq_reject:small\":3}";
    static const char kept[] = "small:large@48 quiet:noise-1@70 small:noise-2@71 quiet:noise-3@90 small:huge@120 ";
    struct place p;

    play(&p, backend);
    TALLY(&p, 0, "reconcile", "--format", "json", "--limit", "100");
    EXPECT(&p.scene, "$.summary.unexplained", "0");
    EXPECT(&p.scene, "$.causes", all);
    for (int v = 0; v < VIEWS; v++) {
        expect_of_view(&p, v, "causes", v == BODIES ? "{\"dq_reject:small\":2}" : all);
        if (v == MINUTES)
            continue; /* reads no event */
        cr_assert_str_eq(quarantine(&p, names[v], 1), v == BODIES ? "small:large@48 small:huge@120 " : kept, "%s", names[v]);
        cr_assert_eq(outcome(&p, names[v], TL_OUT_REJECTED), v == BODIES ? 2u : 5u, "%s", names[v]);
        cr_assert_eq(outcome(&p, names[v], TL_OUT_DUPLICATE), 2, "%s", names[v]);
        cr_assert_eq(outcome(&p, names[v], TL_OUT_FILTERED), v == BODIES ? 3u : 0u, "%s", names[v]);
    }
    /* 63 accepted events up to the boundary, and the 60 behind it, whichever way they are cut. */
    cr_assert_eq(served(&p, "hits"), 123);
    cr_assert_eq(served(&p, "visits"), 123);
    cr_assert_eq(served(&p, "threes"), 123);
    TALLY(&p, 0, "reconcile");
    cr_assert_not_null(strstr(p.scene.run.out, "explained: 5 rejected events; 0 unexplained"), "%s", p.scene.run.out);
    cr_assert_not_null(
        strstr(p.scene.run.out, "\n  dq_reject:quiet                   2  refused by a data-quality check of batch\n"), "%s",
        p.scene.run.out);
    cr_assert_not_null(strstr(p.scene.run.out, "    dq_reject:small: 1 event not counted by batch\n"), "%s", p.scene.run.out);
    TALLY(&p, 0, "status");
    cr_assert_not_null(strstr(p.scene.run.out, "every event is accounted for"), "%s", p.scene.run.out);
    close_place(&p);
}

/* The run that serves a range says what was dropped in it: done again without checks nothing is, and what the first one dropped says nothing
 * more. */
static void a_range_done_again_without_checks_has_them_all(const struct store_backend *backend)
{
    struct place p;

    play(&p, backend);
    scene_checks(&p.scene, "");
    batch(&p, "2026-03-01T00:00:00Z", "2026-03-01T00:05:00Z");
    TALLY(&p, 0, "reconcile", "--format", "json");
    EXPECT(&p.scene, "$.summary.explained", "0");
    EXPECT(&p.scene, "$.causes", "{}");
    cr_assert_str_eq(quarantine(&p, "hits", 2), "");
    cr_assert_eq(outcome(&p, "hits", TL_OUT_REJECTED), 0);
    close_place(&p);
}

struct both_case {
    char name[24];
    bool postgres;
};

static struct criterion_test_params both_stores(void)
{
    static struct both_case cases[] = {
        {"sqlite",   false},
        {"postgres", true }
    };

    return cr_make_param_array(struct both_case, cases, TL_COUNT(cases));
}

ParameterizedTestParameters(row_checks, dropped)
{
    return both_stores();
}

ParameterizedTest(struct both_case *c, row_checks, dropped)
{
    what_is_dropped_is_explained(c->postgres ? &store_postgres : &store_sqlite);
}

ParameterizedTestParameters(row_checks, done_again)
{
    return both_stores();
}

ParameterizedTest(struct both_case *c, row_checks, done_again)
{
    a_range_done_again_without_checks_has_them_all(c->postgres ? &store_postgres : &store_sqlite);
}

/* The proof takes nobody's word: without the ledger's line batch's row does not come out of its events, and with one too many neither. */
Test(row_checks, what_the_ledger_says_wrongly_is_unexplained)
{
    static const char of_hits[] = "definition = (SELECT definition FROM tally_definition WHERE view = 'hits')";
    struct place p;
    char sql[600];

    play(&p, &store_sqlite);
    snprintf(p.scene.store, sizeof p.scene.store, "%.*s", PATH_BYTES - 1, store_path(p.url));
    snprintf(sql, sizeof sql,
             "INSERT INTO tally_ledger SELECT definition, run, partition, 0, 0, cause, flags, watermark_ms, %" PRId64
             ", function FROM tally_ledger WHERE %s AND cause = %d LIMIT 1",
             START_MS + 40000, of_hits, TL_CAUSE_DQ_REJECT);
    forge(&p.scene, sql);
    snprintf(sql, sizeof sql, "DELETE FROM tally_ledger WHERE %s AND function = 'quiet' AND event_time_ms = %" PRId64, of_hits,
             START_MS + 90000);
    forge(&p.scene, sql);
    TALLY(&p, 1, "reconcile", "--format", "json");
    EXPECT(&p.scene, "$.views[0].unexplained", "2");
    close_place(&p);
}

/* Nothing is begun with a file that does not hold: exit 2, and what would be right. */
Test(row_checks, a_mistake_ends_batch_before_it_begins)
{
    struct place p;

    store_sqlite.url(p.url);
    scene_open(&p.scene, views, "");
    scene_checks(&p.scene, "ALTER TABLE event ADD CONSTRAINT a EXPECT (host IS NOT NULL);");
    append_body(&p.scene, 0, 10);
    scene_archive(&p.scene);
    TALLY(&p, 2, "batch", "--to", "2026-03-01T00:01:00Z", "--checks", p.scene.checks);
    cr_assert_not_null(strstr(p.scene.run.err, "checks.sql:1:13: "), "%s", p.scene.run.err);
    cr_assert_not_null(strstr(p.scene.run.err, "did you mean 'events'?"), "%s", p.scene.run.err);
    TALLY(&p, 2, "batch", "--to", "2026-03-01T00:01:00Z", "--checks", "/no/such/checks.sql");
    cr_assert_not_null(strstr(p.scene.run.err, "the checks file /no/such/checks.sql cannot be opened: No such file"), "%s",
                       p.scene.run.err);
    cr_assert_neq(access(store_path(p.url), F_OK), 0, "a store was made");
    TALLY(&p, 2, "explain", "--checks", p.scene.checks);
    close_place(&p);
}
