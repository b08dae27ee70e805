/* live_test.c: what clients of /api/v1/live are told, message for message, over both stores; the connections are the test's own. */
#include "serving/live.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/timestamp.h"
#include "support/store_checks.h"

enum { S = 1000, MESSAGES_MAX = 400 };

struct client {
    struct tl_live_client *live;
    struct tl_blob *got[MESSAGES_MAX];
    size_t count, read;
    size_t backlog;
    bool takes_nothing; /* what it is sent waits */
    unsigned code;
    int status; /* of the problem that it got instead of messages */
};

static struct scene {
    struct tl_store *store;
    struct tl_changes *changes;
    struct tl_live *live;
    struct tl_live_limits limits;
    int64_t epoch, id;
    struct tl_live_now now;
    int64_t clock_ms, step_ms; /* of the clock that a turn works by, which goes on so much each time it is read */
    char file[600];
} scene;

static struct tl_blob *frame(enum tl_live_kind kind, int64_t seq, struct tl_sv text)
{
    (void)kind;
    (void)seq;
    return tl_blob_copy(text);
}

static void take(void *ctx, struct tl_blob *blob)
{
    struct client *client = ctx;

    cr_assert(client->count < MESSAGES_MAX);
    client->got[client->count++] = tl_blob_hold(blob);
    client->backlog += client->takes_nothing ? blob->size : 0;
}

static size_t backlog_of(void *ctx)
{
    return ((struct client *)ctx)->backlog;
}

static void end(void *ctx, unsigned code, const char *reason)
{
    (void)reason;
    ((struct client *)ctx)->code = code;
}

static void refuse(void *ctx, int status, struct tl_blob *problem)
{
    ((struct client *)ctx)->status = status;
    take(ctx, problem);
}

static int64_t clock_ms(void)
{
    return scene.clock_ms += scene.step_ms;
}

static void open_live(void)
{
    static const struct tl_live_calls calls = {frame, take, backlog_of, end, refuse, clock_ms};
    struct tl_changes_config config = tl_changes_usual();

    config.store = url;
    config.file = scene.file;
    OK(tl_changes_open(&config, &scene.changes, err));
    OK(tl_live_open(scene.changes, &scene.limits, &calls, &scene.live, err));
}

static void close_live(void)
{
    tl_live_close(scene.live);
    tl_changes_close(scene.changes);
}

static void begin(const struct store_backend *backend)
{
    char folder[400];

    scene = (struct scene){
        .store = fresh(backend), .limits = tl_live_usual_limits(), .now = {5000000, 7000}
    };
    scene.limits.backlog_bytes_max = 4000;
    scene.id = hits(scene.store);
    scene.epoch = store_epoch(scene.store);
    store_folder(folder);
    snprintf(scene.file, sizeof scene.file, "%s/live.db", folder);
    open_live();
}

static void finish(void)
{
    close_live();
    tl_store_close(scene.store);
}

static void turn(void)
{
    OK(tl_live_turn(scene.live, true, scene.now, err));
}

static void enter_by(struct client *client, enum tl_live_kind kind)
{
    *client = (struct client){.live = NULL};
    client->live = tl_live_join(scene.live, kind, client);
    cr_assert_not_null(client->live);
}

static void enter(struct client *client)
{
    enter_by(client, TL_LIVE_WEBSOCKET);
}

static void ask(struct client *client, const char *text)
{
    tl_live_take(scene.live, client->live, tl_sv_from(text), scene.now);
}

static void say(struct client *client, const char *text)
{
    ask(client, text);
    turn();
}

static void run_sqlite(const char *path, const char *text)
{
    sqlite3 *db;

    cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* The store does not answer, and then does. */
static void store_goes(const struct store_backend *backend, bool away)
{
    const char *text =
        away ? "ALTER TABLE tally_definition RENAME TO tally_away" : "ALTER TABLE tally_away RENAME TO tally_definition";

    if (backend == &store_sqlite)
        run_sqlite(store_path(url), text);
    else
        store_postgres_sql(url, text);
}

static void turn_away(void)
{
    struct tl_err why;

    cr_assert_neq(tl_live_turn(scene.live, true, scene.now, &why), TL_OK);
}

/* The next message, zero-terminated; "" where there is none. */
static const char *hear(struct client *client)
{
    static char text[200000];
    const struct tl_blob *blob;

    if (client->read == client->count)
        return "";
    blob = client->got[client->read++];
    snprintf(text, sizeof text, "%.*s", (int)blob->size, blob->data);
    return text;
}

static void expect_parts(const char *text, const char *const *parts)
{
    for (; *parts != NULL; parts++)
        cr_assert_not_null(strstr(text, *parts), "'%s' is not in: %s", *parts, text);
}
#define HEAR(client, ...) expect_parts(hear(client), (const char *const[]){__VA_ARGS__, NULL})
#define SILENCE(client) expect(hear(client), "")

static long long seq_of(const char *text)
{
    const char *at = strstr(text, "\"seq\":");

    cr_assert_not_null(at, "%s", text);
    return atoll(at + 6);
}

static void put(int64_t start_ms, int64_t end_ms, const char *host, int64_t value)
{
    store_put_speed(scene.store, scene.epoch, scene.id, start_ms, end_ms, host, value);
    turn();
}

static void put_final(int64_t final_ms)
{
    int64_t change;

    OK(tl_store_begin_tick(scene.store, scene.epoch, &change, err));
    OK(tl_store_put_final(scene.store, scene.id, final_ms, err));
    OK(tl_store_commit(scene.store, err));
    turn();
}

static void forget(struct client *client)
{
    for (size_t i = 0; i < client->count; i++)
        tl_blob_drop(client->got[i]);
    client->count = client->read = 0;
}

static enum tl_code see_undone(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    (void)ctx;
    (void)published;
    (void)run;
    (void)err;
    return TL_OK;
}

static void a_correction_says_old_new_and_cause(const struct store_backend *backend)
{
    struct client c;
    int64_t run;

    begin(backend);
    enter(&c);
    put(0, 10 * S, "a", 1);
    say(&c, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\"}");
    HEAR(&c, "{\"type\":\"snapshot\",\"id\":\"x\",\"view\":\"hits\",\"seq\":",
         "\"rows\":[{\"window_start\":\"1970-01-01T00:00:00.000Z\",\"window_end\":\"1970-01-01T00:00:10.000Z\",\"host\":\"a\","
         "\"num_"
         "hits\":1,\"_id\":\"",
         "\"_layer\":\"speed\",\"_final\":false}]",
         "\"columns\":[{\"name\": \"window_start\", \"type\": \"TIMESTAMP_LTZ(3)\", \"role\": \"window_start\"},",
         "\"truncated\":false", "\"boundary\":null");
    SILENCE(&c);
    put(0, 10 * S, "a", 2);
    HEAR(&c, "{\"type\":\"changes\",\"id\":\"x\"",
         "{\"op\":\"upsert\",\"key\":{\"window_start\":\"1970-01-01T00:00:00.000Z\",\"window_end\":\"1970-01-01T00:00:10.000Z\","
         "\"host\":\"a\",\"_id\":\"",
         "\"num_hits\":2");
    put_final(5 * S); /* the watermark is at 12 s less a millisecond: [0, 10) has ended and may still change */
    HEAR(&c, "{\"type\":\"status\",\"id\":\"x\"", "\"final_to\":\"1970-01-01T00:00:05.000Z\"");
    put(0, 10 * S, "a", 3);
    HEAR(&c, "{\"op\":\"correct\",\"key\":{", "\"old\":{\"window_start\":", "\"num_hits\":2", "\"row\":{", "\"num_hits\":3",
         "\"cause\":\"late_event\"}");
    run = store_run(scene.store, "1");
    store_stage(scene.store, run, scene.id, 0, 10 * S, "a", 4);
    store_stage_range(scene.store, run, scene.id, MIN_MS, 10 * S);
    OK(tl_store_publish(scene.store, run, 1, err));
    turn();
    HEAR(&c, "{\"op\":\"correct\"", "\"num_hits\":3", "\"_layer\":\"speed\"", "\"num_hits\":4",
         "\"_layer\":\"batch\",\"_final\":true", "\"cause\":\"publication\",\"run\":1}",
         "\"published\":[{\"from\":null,\"to\":\"1970-01-01T00:00:10.000Z\",\"run\":1,\"undone\":false}]",
         "\"boundary\":\"1970-01-01T00:00:10.000Z\"");
    OK(tl_store_unpublish(scene.store, 0, "me", 2, see_undone, NULL, err));
    turn();
    HEAR(&c, "{\"op\":\"correct\"", "\"cause\":\"rollback\",\"run\":1}", "\"undone\":true}]");
    /* Batch has the same numbers: no row, and a new boundary. */
    run = store_run(scene.store, "2");
    store_stage(scene.store, run, scene.id, 0, 10 * S, "a", 3);
    store_stage_range(scene.store, run, scene.id, MIN_MS, 10 * S);
    OK(tl_store_publish(scene.store, run, 1, err));
    turn();
    HEAR(&c, "\"rows\":[],\"published\":[", "\"boundary\":\"1970-01-01T00:00:10.000Z\"");
    SILENCE(&c);
    forget(&c);
    finish();
}

static void who_comes_back_misses_and_repeats_nothing(const struct store_backend *backend)
{
    struct client c;
    char text[200];
    long long seq, last;

    begin(backend);
    enter(&c);
    put(0, 10 * S, "a", 1);
    say(&c, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    seq = seq_of(hear(&c));
    put(0, 10 * S, "a", 2);
    forget(&c);
    close_live(); /* and so does the program */
    store_put_speed(scene.store, scene.epoch, scene.id, 0, 10 * S, "a", 3);
    open_live();
    turn();
    put(10 * S, 20 * S, "b", 7);
    enter(&c);
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"id\":\"y\",\"view\":\"hits\",\"since\":%lld}", seq);
    say(&c, text);
    HEAR(&c, "{\"type\":\"changes\",\"id\":\"y\"", "\"num_hits\":2");
    HEAR(&c, "\"num_hits\":3");
    HEAR(&c, "\"host\":\"b\"", "\"num_hits\":7");
    last = seq_of(hear(&c)); /* up to date */
    SILENCE(&c);
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"id\":\"y\",\"view\":\"hits\",\"since\":%lld}", last);
    say(&c, text);
    HEAR(&c, "\"rows\":[],");
    SILENCE(&c);
    say(&c, "{\"type\":\"subscribe\",\"id\":\"y\",\"view\":\"hits\",\"since\":99999}");
    HEAR(&c, "{\"type\":\"resync\",\"id\":\"y\"", "\"reason\":");
    HEAR(&c, "{\"type\":\"snapshot\"", "\"num_hits\":7");
    SILENCE(&c);
    forget(&c);
    finish();
}

/* A number of another file, or what was shown of another store with as many changes, is not gone on from. */
static void another_file_or_store_leads_nowhere(const struct store_backend *backend)
{
    struct client c;
    char text[200];
    long long seq;

    begin(backend);
    put(0, 10 * S, "a", 1);
    enter(&c);
    say(&c, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\"}");
    seq = seq_of(hear(&c));
    forget(&c);
    close_live();
    cr_assert_eq(unlink(scene.file), 0);
    open_live();
    enter(&c);
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\",\"since\":%lld}", seq);
    say(&c, text);
    HEAR(&c, "{\"type\":\"resync\"");
    seq = seq_of(hear(&c));
    forget(&c);
    close_live();
    tl_store_close(scene.store);
    scene.store = fresh(backend);
    scene.id = hits(scene.store);
    scene.epoch = store_epoch(scene.store);
    store_put_speed(scene.store, scene.epoch, scene.id, 0, 10 * S, "of the other store", 1);
    open_live();
    enter(&c);
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\",\"since\":%lld}", seq);
    say(&c, text);
    HEAR(&c, "{\"type\":\"resync\"");
    HEAR(&c, "\"rows\":[{", "\"host\":\"of the other store\"", "\"truncated\":false");
    cr_assert_null(memmem(c.got[1]->data, c.got[1]->size, "\"host\":\"a\"", 10));
    forget(&c);
    finish();
}

/* Each id makes a snapshot of its own, and who sends 64 of them must not have them all kept. */
static void snapshots_are_kept_up_to_a_limit(const struct store_backend *backend)
{
    struct client c;
    char text[100];
    unsigned kept = 0;

    begin(backend);
    put(0, 10 * S, "a", 1);
    close_live();
    scene.limits.snapshots_bytes_max = 2500;
    open_live();
    enter(&c);
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"id\":\"%d\",\"view\":\"hits\"}", i);
        say(&c, text);
    }
    cr_assert_eq(c.count, 40);
    for (size_t i = 0; i < c.count; i++)
        kept += atomic_load(&c.got[i]->refs) > 2 ? 1 : 0; /* it is counted too, as long as somebody has it */
    cr_assert(kept > 0 && kept < 10, "%u of 40 are kept", kept);
    put(0, 10 * S, "a", 2);
    for (size_t i = 0; i < 40; i++)
        cr_assert_eq(atomic_load(&c.got[i]->refs), 2, "one that is out of date is kept");
    forget(&c);
    finish();
}

/* Of long rows there are fewer: the newest, and it says so. */
static void a_snapshot_has_a_limit_in_bytes(const struct store_backend *backend)
{
    struct client c;
    const char *text;

    begin(backend);
    put(0, 10 * S, "a", 1);
    put(0, 20 * S, "b", 1);
    close_live();
    scene.limits.snapshot_bytes_max = 10;
    open_live();
    enter(&c);
    say(&c, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    text = hear(&c);
    cr_assert(strstr(text, "\"host\":\"b\"") != NULL && strstr(text, "\"truncated\":true") != NULL, "%s", text);
    cr_assert_null(strstr(text, "\"host\":\"a\""), "%s", text);
    forget(&c);
    finish();
}

static void filters_see_rows_come_and_go(const struct store_backend *backend)
{
    struct client c;

    begin(backend);
    enter(&c);
    put(0, 10 * S, "a", 5);
    put(0, 10 * S, "b", 1);
    say(&c, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\",\"where\":[\"num_hits:ge:3\",\"host:in:a,b\"]}");
    HEAR(&c, "\"host\":\"a\",\"num_hits\":5");
    cr_assert_null(memmem(c.got[0]->data, c.got[0]->size, "\"host\":\"b\"", 10));
    put(0, 10 * S, "b", 2);
    put(0, 10 * S, "c", 9);
    SILENCE(&c);
    put(0, 10 * S, "b", 3);
    HEAR(&c, "{\"op\":\"upsert\"", "\"host\":\"b\",\"num_hits\":3");
    put(0, 10 * S, "a", 2);
    HEAR(&c, "\"rows\":[{\"op\":\"delete\",\"key\":{", "\"host\":\"a\",\"_id\":\"");
    say(&c, "{\"type\":\"subscribe\",\"id\":\"l\",\"view\":\"hits\",\"last\":1}");
    HEAR(&c, "\"host\":\"c\"", "\"truncated\":true");
    say(&c, "{\"type\":\"unsubscribe\",\"id\":\"l\"}");
    say(&c, "{\"type\":\"subscribe\",\"id\":\"f\",\"view\":\"hits\",\"from\":\"1970-01-01T00:00:10Z\"}");
    HEAR(&c, "\"rows\":[]", "\"from\":\"1970-01-01T00:00:10.000Z\"");
    put(10 * S, 20 * S, "d", 1);
    HEAR(&c, "\"id\":\"f\"", "\"host\":\"d\"");
    SILENCE(&c);
    forget(&c);
    finish();
}

/* Of more rows than are read at once: those that end last, in order, whether some are passed over or not. */
static void a_snapshot_has_the_newest_rows_in_order(const struct store_backend *backend)
{
    enum { WINDOWS = 1500 };
    struct client c;
    struct store_rows rows;
    int64_t change;
    char text[200], want[200];

    begin(backend);
    store_rows_init(&rows, true, 2 * WINDOWS);
    for (int w = 0; w < WINDOWS; w++) {
        store_rows_add(&rows, w * S, (w + 1) * S, "a", w);
        store_rows_add(&rows, w * S, (w + 1) * S, "b", w % 500);
    }
    OK(tl_store_begin_tick(scene.store, scene.epoch, &change, err));
    OK(tl_store_put_speed_rows(scene.store, scene.id, &rows.rows, change, err));
    OK(tl_store_commit(scene.store, err));
    store_rows_done(&rows);
    enter(&c);
    for (int filtered = 0; filtered < 2; filtered++)
        for (int last = 1; last <= 4; last++) {
            int64_t seen = 0;
            size_t count = 0;
            const char *got;

            snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"last\":%d%s}", last,
                     filtered ? ",\"where\":[\"num_hits:eq:7\",\"host:eq:b\"]" : "");
            say(&c, text);
            got = hear(&c);
            for (const char *at = got; (at = strstr(at, "\"window_end\":\"")) != NULL; at++, count++) {
                int64_t end_ms = 0;

                cr_assert(tl_time_from_rfc3339((struct tl_sv){at + 14, 24}, &end_ms));
                cr_assert_geq(end_ms, seen, "in order");
                seen = end_ms;
            }
            cr_assert_eq(count, (size_t)tl_min_i64(last, filtered ? 3 : last), "%s", got);
            cr_assert_eq(seen, filtered ? 1008 * S : 1500 * S);
            snprintf(want, sizeof want, "],\"truncated\":%s", !filtered || last < 3 ? "true" : "false");
            cr_assert_not_null(strstr(got, want), "%s", got);
        }
    forget(&c);
    finish();
}

static void what_is_wrong_is_said_with_what_would_do(const struct store_backend *backend)
{
    struct client c;

    begin(backend);
    enter(&c);
    say(&c, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hitz\"}");
    HEAR(&c, "{\"type\":\"error\",\"id\":\"x\",\"status\":404,\"title\":\"Not Found\",\"detail\":\"there is no view 'hitz'\"",
         "\"allowed\":[\"hits\"]");
    say(&c, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\",\"where\":[\"hots:eq:a\"]}");
    HEAR(&c, "\"status\":400", "\"allowed\":[\"window_start\", \"window_end\", \"host\", \"num_hits\"]");
    say(&c, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\",\"where\":[\"host:is:a\"]}");
    HEAR(&c, "\"status\":400", "\"allowed\":[\"eq\", \"ne\"");
    say(&c, "{\"type\":\"subscribe\",\"view\":\"hits\",\"since\":-1}");
    HEAR(&c, "\"status\":400", "since is the seq");
    say(&c, "{\"type\":\"subscribe\",\"view\":\"hits\",\"colour\":1}");
    HEAR(&c, "\"status\":400");
    say(&c, "{\"type\":\"sub");
    HEAR(&c, "\"status\":400", "\"allowed\":[\"subscribe\", \"unsubscribe\", \"ping\"]");
    say(&c, "{\"type\":\"ping\"}");
    HEAR(&c, "{\"type\":\"pong\"}");
    SILENCE(&c);
    forget(&c);
    finish();
}

static void one_frame_goes_to_all_and_a_slow_one_harms_nobody(const struct store_backend *backend)
{
    struct client quick, slow;
    struct tl_live_figures figures;
    size_t before, bytes = 0;

    begin(backend);
    enter(&quick);
    enter(&slow);
    put(0, 10 * S, "a", 1);
    say(&quick, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\"}");
    say(&slow, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\"}");
    cr_assert_eq(quick.got[0], slow.got[0], "a snapshot is made once");
    put(0, 10 * S, "a", 2);
    cr_assert_eq(quick.got[1], slow.got[1], "a frame is made once");
    hear(&slow);
    hear(&slow);
    slow.backlog = 3900;
    before = quick.count;
    for (int i = 3; i < 50; i++)
        put(0, 10 * S, i % 2 ? "a" : "b", i);
    cr_assert_eq(quick.count, before + 47);
    SILENCE(&slow);
    slow.backlog = 0;
    turn();
    HEAR(&slow, "\"host\":\"a\",\"num_hits\":49", "\"host\":\"b\",\"num_hits\":48");
    cr_assert_eq(slow.read, slow.count, "all in one message");
    put(0, 10 * S, "a", 50);
    HEAR(&slow, "\"num_hits\":50");
    /* It does not take anything for too long. The clock that people set says nothing of how long. */
    slow.backlog = 3990;
    put(0, 10 * S, "a", 51);
    scene.now.wall_ms += 3600 * S;
    scene.now.monotonic_ms += scene.limits.lagging_ms - 1;
    turn();
    cr_assert_eq(slow.code, 0);
    cr_assert_eq(tl_live_figures(scene.live).lagging, 1);
    scene.now.wall_ms -= 7200 * S;
    scene.now.monotonic_ms += 2;
    turn();
    cr_assert_eq(slow.code, 1013);
    SILENCE(&slow);
    figures = tl_live_figures(scene.live);
    cr_assert_eq(figures.clients[TL_LIVE_WEBSOCKET], 2);
    cr_assert_eq(figures.clients[TL_LIVE_SSE], 0);
    cr_assert_eq(figures.subscriptions, 2);
    cr_assert_eq(figures.views, 1);
    cr_assert_gt(figures.journal_bytes, 50 * 20);
    cr_assert_eq(figures.messages, quick.count + slow.count);
    for (size_t i = 0; i < quick.count; i++)
        bytes += quick.got[i]->size;
    for (size_t i = 0; i < slow.count; i++)
        bytes += slow.got[i]->size;
    cr_assert_eq(figures.bytes, bytes);
    cr_assert_eq(figures.cut_off, 1);
    tl_live_leave(scene.live, slow.live);
    put(0, 10 * S, "a", 52);
    cr_assert_eq(quick.count, before + 50);
    figures = tl_live_figures(scene.live);
    cr_assert(figures.clients[TL_LIVE_WEBSOCKET] == 1 && figures.subscriptions == 1 && figures.lagging == 0);
    forget(&quick);
    forget(&slow);
    finish();
}

/* Who asks again and again for what takes long: who came before is given his all the same. */
static void who_waits_has_his_turn_among_those_who_always_ask(const struct store_backend *backend)
{
    enum { BUSY = 8, TURNS = 2 };
    struct client one, busy[BUSY];
    char text[100];

    begin(backend);
    put(0, 10 * S, "a", 1);
    enter(&one);
    for (int b = 0; b < BUSY; b++)
        enter(&busy[b]);
    ask(&one, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    scene.step_ms = 12; /* of 50 ms that a turn has: four are served */
    for (int t = 0; t < TURNS; t++) {
        for (int b = 0; b < BUSY; b++) {
            snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"last\":%d}", BUSY * t + b + 1);
            ask(&busy[b], text);
        }
        turn();
        cr_assert_eq(tl_live_pause_ms(scene.live), 0, "there is more to do");
    }
    turn();
    HEAR(&one, "\"type\":\"snapshot\"");
    scene.step_ms = 0;
    turn();
    for (int b = 0; b < BUSY; b++) {
        HEAR(&busy[b], "\"type\":\"snapshot\"");
        forget(&busy[b]);
    }
    forget(&one);
    finish();
}

/* Though nothing changes: what waits for it is much. */
static void who_does_not_take_a_large_snapshot_is_ended(const struct store_backend *backend)
{
    struct client quick, slow;
    char host[200];

    begin(backend);
    for (int i = 0; i < 10; i++) {
        snprintf(host, sizeof host, "%0150d", i);
        put(0, 10 * S, host, 1);
    }
    enter(&quick);
    enter(&slow);
    slow.takes_nothing = true;
    ask(&quick, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    say(&slow, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    cr_assert_gt(slow.backlog, scene.limits.backlog_bytes_max / 2);
    turn();
    cr_assert_eq(tl_live_figures(scene.live).lagging, 1);
    scene.now.monotonic_ms += scene.limits.lagging_ms;
    turn();
    cr_assert_eq(slow.code, 1013);
    cr_assert_eq(quick.code, 0);
    cr_assert(quick.count == 1 && slow.count == 1);
    forget(&quick);
    forget(&slow);
    finish();
}

/* Of little that waits, which is nothing to lag behind. */
static void who_takes_next_to_nothing_is_ended(const struct store_backend *backend)
{
    struct client none, little, enough;

    begin(backend);
    close_live();
    scene.limits.least_bytes = 100;
    open_live();
    put(0, 10 * S, "a", 1);
    enter(&none);
    enter(&little);
    enter(&enough);
    none.takes_nothing = little.takes_nothing = enough.takes_nothing = true;
    ask(&none, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    ask(&little, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    say(&enough, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    cr_assert(none.backlog > 300 && none.backlog * 2 < scene.limits.backlog_bytes_max);
    scene.now.monotonic_ms += S;
    turn();
    for (int i = 0; i < 3; i++) {
        scene.now.monotonic_ms += scene.limits.lagging_ms - 1;
        turn();
        cr_assert(i > 0 || (none.code == 0 && little.code == 0));
        little.backlog -= 30;
        enough.backlog -= 100;
        scene.now.monotonic_ms += S;
        turn();
        cr_assert(none.code == 1013 && little.code == 1013);
    }
    cr_assert_eq(enough.code, 0);
    cr_assert_eq(tl_live_figures(scene.live).cut_off, 2);
    enough.backlog = 0; /* all that there was */
    put(0, 10 * S, "a", 2);
    scene.now.monotonic_ms += 2 * scene.limits.lagging_ms;
    turn();
    cr_assert_eq(enough.code, 0);
    forget(&none);
    forget(&little);
    forget(&enough);
    finish();
}

/* Each with a snapshot of its own; but who wants the same as another has it at once. */
static void snapshots_beyond_a_limit_wait_for_their_turn(const struct store_backend *backend)
{
    enum { CLIENTS = 12 };
    struct client all[CLIENTS], same;
    size_t had, has = 0;
    char text[100];

    begin(backend);
    put(0, 10 * S, "a", 1);
    close_live();
    scene.limits.snapshots_bytes_max = 0;
    scene.limits.made_bytes_max = 1500;
    open_live();
    enter(&same);
    for (int i = 0; i < CLIENTS; i++) {
        enter(&all[i]);
        snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"last\":%d}", i + 1);
        ask(&all[i], text);
    }
    ask(&same, text);
    turn();
    HEAR(&same, "\"type\":\"snapshot\"");
    for (int rounds = 0; has < CLIENTS; rounds++) {
        cr_assert(rounds < CLIENTS);
        turn();
        cr_assert_gt(tl_live_pause_ms(scene.live), 0, "it does not look again without a pause");
        scene.now.monotonic_ms += 2 * scene.limits.lagging_ms;
        had = has;
        has = 0;
        for (int i = 0; i < CLIENTS; i++)
            has += all[i].read + all[i].count;
        cr_assert(has > had && has - had < 6, "%zu more", has - had);
        turn();
        for (int i = 0; i < CLIENTS; i++) /* they are taken */
            if (all[i].count > 0) {
                cr_assert(all[i].count == 1 && all[i].read == 0 && all[i].code == 0);
                forget(&all[i]);
                all[i].read = 1;
            }
        forget(&same);
    }
    cr_assert_eq(has, CLIENTS);
    finish();
}

static enum tl_code count_two(void *ctx, int64_t seq, struct tl_sv delta, bool *enough, struct tl_err *why)
{
    int *count = ctx;

    (void)seq;
    (void)delta;
    (void)why;
    *enough = ++*count == 2;
    return TL_OK;
}

static void keep_view(void *ctx, struct tl_changes_view *view)
{
    *(struct tl_changes_view **)ctx = view;
}

/* The journal is read up to where it has room, and what lies behind comes later, in one message. */
static void who_comes_back_is_told_what_he_has_room_for(const struct store_backend *backend)
{
    struct tl_changes_view *view = NULL;
    struct client c;
    char text[2100];
    long long seq;
    int count = 0;

    begin(backend);
    put(0, 10 * S, "a", 1);
    enter(&c);
    say(&c, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    seq = seq_of(hear(&c));
    tl_live_leave(scene.live, c.live);
    forget(&c);
    put(0, 10 * S, "a", 2);
    snprintf(text, sizeof text, "%02000d", 0);
    put(0, 10 * S, text, 3);
    put(0, 10 * S, "b", 4);
    tl_changes_each(scene.changes, keep_view, &view);
    OK(tl_changes_since(scene.changes, view, seq, count_two, &count, err));
    cr_assert_eq(count, 2);
    enter(&c);
    c.backlog = 1500;
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"since\":%lld}", seq);
    say(&c, text);
    HEAR(&c, "\"num_hits\":2");
    SILENCE(&c);
    c.backlog = 0;
    turn();
    HEAR(&c, "\"num_hits\":3", "\"num_hits\":4");
    SILENCE(&c);
    forget(&c);
    finish();
}

/* Of much that he has missed he gets each row once, with what he has as old; and so does whoever stands where he does, in the same frame. */
static void who_was_away_for_long_is_told_all_in_one(const struct store_backend *backend)
{
    struct client before, one, other, later;
    char text[200];
    long long seq;

    begin(backend);
    close_live();
    scene.limits.replay_bytes_max = 100;
    open_live();
    put(0, 10 * S, "a", 1);
    put(0, 10 * S, "b", 1);
    put_final(5 * S); /* the window has ended */
    enter(&before);
    say(&before, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    seq = seq_of(hear(&before));
    for (int i = 2; i < 20; i++)
        put(0, 10 * S, "a", i);
    put(0, 10 * S, "b", 2);
    put(0, 10 * S, "b", 1); /* as it was */
    forget(&before);
    enter(&one);
    enter(&other);
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"since\":%lld}", seq);
    ask(&one, text);
    say(&other, text);
    cr_assert_eq(one.got[0], other.got[0], "it is made once");
    HEAR(&one, "\"rows\":[{\"op\":\"correct\",\"key\":{", "\"old\":{", "\"num_hits\":1,", "\"row\":{", "\"num_hits\":19",
         "\"cause\":\"late_event\"}]");
    cr_assert_null(memmem(one.got[0]->data, one.got[0]->size, "\"host\":\"b\"", 10));
    HEAR(&one, "\"rows\":[],");
    SILENCE(&one);
    put(0, 10 * S, "a", 20);
    HEAR(&one, "\"num_hits\":20");
    SILENCE(&one);
    enter(&later);
    say(&later, text);
    HEAR(&later, "\"num_hits\":1,", "\"num_hits\":20");
    forget(&before);
    forget(&one);
    forget(&other);
    forget(&later);
    finish();
}

/* Of two who are to be given something the first cannot be: the second is, and the look counts as one. */
static void what_fails_for_one_ends_that_one_alone(const struct store_backend *backend)
{
    struct client whole, folded, fresh_one;
    char text[200];
    long long seq;

    begin(backend);
    put(0, 10 * S, "a", 1);
    enter(&folded);
    say(&folded, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    seq = seq_of(hear(&folded));
    folded.backlog = 3990;
    put(0, 10 * S, "a", 2);
    put(0, 10 * S, "a", 3);
    run_sqlite(scene.file, "UPDATE journal SET delta = x'07' WHERE seq = (SELECT max(seq) FROM journal)");
    enter(&fresh_one);
    enter(&whole);
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"since\":%lld}", seq);
    ask(&whole, text);
    ask(&fresh_one, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    folded.backlog = 0;
    turn();
    HEAR(&whole, "\"num_hits\":2");
    SILENCE(&whole);
    SILENCE(&folded);
    cr_assert(whole.code == 1011 && folded.code == 1011, "%u and %u", whole.code, folded.code);
    HEAR(&fresh_one, "\"type\":\"snapshot\"", "\"num_hits\":3");
    cr_assert_eq(fresh_one.code, 0);
    forget(&whole);
    forget(&folded);
    forget(&fresh_one);
    finish();
}

/* Who has no room is told when he has; who comes while it is away gets what was shown last, and is told. */
static void everybody_is_told_that_the_store_is_away(const struct store_backend *backend)
{
    struct client one, full, late, stream;

    begin(backend);
    put(0, 10 * S, "a", 1);
    enter(&one);
    enter(&full);
    say(&one, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    HEAR(&one, "\"type\":\"snapshot\"");
    full.backlog = 3990;
    store_goes(backend, true);
    turn_away();
    HEAR(&one, "{\"type\":\"status\",\"stale\":true}");
    SILENCE(&full);
    full.backlog = 0;
    turn_away();
    HEAR(&full, "{\"type\":\"status\",\"stale\":true}");
    enter(&late);
    enter_by(&stream, TL_LIVE_SSE);
    turn_away();
    HEAR(&late, "{\"type\":\"status\",\"stale\":true}");
    SILENCE(&stream);
    ask(&late, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    ask(&stream, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    turn_away();
    HEAR(&late, "\"type\":\"snapshot\"", "\"num_hits\":1");
    HEAR(&stream, "\"type\":\"snapshot\"", "\"num_hits\":1");
    HEAR(&stream, "{\"type\":\"status\",\"stale\":true}");
    full.backlog = 3990;
    store_goes(backend, false);
    ask(&late, "{\"type\":\"subscribe\",\"id\":\"n\",\"view\":\"none\"}");
    HEAR(&late, "\"status\":503"); /* the store is not asked for each of them, which may take long */
    turn();
    HEAR(&one, "{\"type\":\"status\",\"stale\":false}");
    HEAR(&late, "{\"type\":\"status\",\"stale\":false}");
    HEAR(&stream, "{\"type\":\"status\",\"stale\":false}");
    SILENCE(&full);
    full.backlog = 0;
    OK(tl_live_turn(scene.live, false, scene.now, err));
    HEAR(&full, "{\"type\":\"status\",\"stale\":false}");
    turn();
    SILENCE(&one);
    SILENCE(&full);
    SILENCE(&late);
    SILENCE(&stream);
    forget(&one);
    forget(&full);
    forget(&late);
    forget(&stream);
    finish();
}

/* What it lagged behind with it does not want any more: it begins anew. */
static void who_leaves_what_he_lags_behind_with_lags_no_more(const struct store_backend *backend)
{
    struct client c;

    begin(backend);
    enter(&c);
    for (int i = 0; i < 2; i++) {
        c.backlog = 0;
        say(&c, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
        c.backlog = 3990;
        put(0, 10 * S, "a", 1 + i);
        turn();
        cr_assert_eq(tl_live_figures(scene.live).lagging, 1);
        scene.now.monotonic_ms += scene.limits.lagging_ms - 1;
        say(&c, "{\"type\":\"unsubscribe\",\"id\":\"\"}");
        cr_assert_eq(tl_live_figures(scene.live).lagging, 0);
        scene.now.monotonic_ms += S;
    }
    c.backlog = 0;
    turn();
    cr_assert_eq(c.code, 0);
    tl_live_leave(scene.live, c.live);
    forget(&c);
    finish();
}

/* Its columns get other names. */
static void swap_columns(void)
{
    struct tl_shape shape = store_windowed("hits", 'b');
    struct tl_shape_column columns[4];
    int64_t id, change;
    bool swapped = false;

    memcpy(columns, shape.columns, sizeof columns);
    columns[2].name = TL_SV("site");
    shape.columns = columns;
    id = define(scene.store, shape);
    OK(tl_store_begin_tick(scene.store, scene.epoch, &change, err));
    OK(tl_store_put_ready(scene.store, id, err));
    OK(tl_store_commit(scene.store, err));
    OK(tl_store_swap(scene.store, id, scene.epoch, &swapped, err));
    cr_assert(swapped);
    turn();
}

static void a_stream_of_events_ends_with_its_subscription(const struct store_backend *backend)
{
    struct client wrong, one, socket;

    begin(backend);
    enter_by(&wrong, TL_LIVE_SSE);
    say(&wrong, "{\"type\":\"subscribe\",\"view\":\"none\"}");
    cr_assert_eq(wrong.status, 404);
    HEAR(&wrong, "\"type\": \"about:blank\"", "\"status\": 404", "\"allowed\": [\"hits\"]");
    turn();
    SILENCE(&wrong);
    enter_by(&one, TL_LIVE_SSE);
    enter(&socket);
    say(&one, "{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[\"host:eq:a\"]}");
    say(&socket, "{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[\"host:eq:a\"]}");
    HEAR(&one, "\"type\":\"snapshot\"");
    HEAR(&socket, "\"type\":\"snapshot\"");
    swap_columns();
    HEAR(&one, "\"type\":\"error\"", "other columns");
    cr_assert_eq(one.code, 1000, "nothing more can come over it");
    HEAR(&socket, "\"type\":\"error\"", "other columns");
    cr_assert_eq(socket.code, 0, "it can still ask for something else");
    say(&socket, "{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[\"site:eq:a\"]}");
    HEAR(&socket, "\"type\":\"snapshot\"");
    forget(&wrong);
    forget(&one);
    forget(&socket);
    finish();
}

static void events_themselves_are_pushed(const struct store_backend *backend)
{
    struct client c;
    struct store_rows rows;
    int64_t change, bots;

    begin(backend);
    bots = define(scene.store, store_windowless("bots", 'b'));
    enter(&c);
    say(&c, "{\"type\":\"subscribe\",\"id\":\"e\",\"view\":\"bots\",\"where\":[\"url:like:/x%\"]}");
    HEAR(&c, "\"type\":\"snapshot\"", "\"rows\":[]");
    store_rows_init(&rows, false, 2);
    store_rows_add_event(&rows, 5 * S, 3, 70, "/x<script>\"\\");
    store_rows_add_event(&rows, 6 * S, 3, 71, "/y");
    OK(tl_store_begin_tick(scene.store, scene.epoch, &change, err));
    OK(tl_store_put_speed_rows(scene.store, bots, &rows.rows, change, err));
    OK(tl_store_commit(scene.store, err));
    store_rows_done(&rows);
    turn();
    HEAR(&c, "{\"type\":\"events\",\"id\":\"e\"",
         "\"rows\":[{\"event_time\":\"1970-01-01T00:00:05.000Z\",\"url\":\"/"
         "x<script>\\\"\\\\\",\"_partition\":3,\"_offset\":70,\"_"
         "row\":0,\"_layer\":\"speed\"");
    SILENCE(&c);
    forget(&c);
    finish();
}

static const struct store_check checks[] = {
    CHECK(a_correction_says_old_new_and_cause),
    CHECK(who_comes_back_misses_and_repeats_nothing),
    CHECK(another_file_or_store_leads_nowhere),
    CHECK(snapshots_are_kept_up_to_a_limit),
    CHECK(a_snapshot_has_a_limit_in_bytes),
    CHECK(filters_see_rows_come_and_go),
    CHECK(a_snapshot_has_the_newest_rows_in_order),
    CHECK(what_is_wrong_is_said_with_what_would_do),
    CHECK(one_frame_goes_to_all_and_a_slow_one_harms_nobody),
    CHECK(who_leaves_what_he_lags_behind_with_lags_no_more),
    CHECK(who_waits_has_his_turn_among_those_who_always_ask),
    CHECK(who_does_not_take_a_large_snapshot_is_ended),
    CHECK(who_takes_next_to_nothing_is_ended),
    CHECK(snapshots_beyond_a_limit_wait_for_their_turn),
    CHECK(who_comes_back_is_told_what_he_has_room_for),
    CHECK(who_was_away_for_long_is_told_all_in_one),
    CHECK(what_fails_for_one_ends_that_one_alone),
    CHECK(everybody_is_told_that_the_store_is_away),
    CHECK(a_stream_of_events_ends_with_its_subscription),
    CHECK(events_themselves_are_pushed),
};
STORE_SUITE(live)
