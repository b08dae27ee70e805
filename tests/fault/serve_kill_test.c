/* serve_kill_test.c: kill -9 of serve under many clients that listen, again and again, while speed writes, batch publishes and takes back: each client ends
 * with exactly what the merged view shows, has missed no change on the way and was told none twice.
 *
 * Clients hold each message against what they have (support/ws_crowd.h). Nobody may get a second snapshot: it would hide what was missed.
 * TALLY_CLIENTS, TALLY_KILLS: how many (`make test-crowd`); else a sample. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "event/timestamp.h"
#include "support/chance.h"
#include "support/serve_run.h"
#include "support/store_fixture.h"
#include "support/ws_crowd.h"

enum { CLIENTS = 64, KILLS = 8, PART = 30, STEP_MS = 2000, HOSTS = 5, LATE_MS = 60000, PATIENCE_MS = 20000, AGREE_MS = 120000 };
#define START_MS INT64_C(1772323200000) /* 2026-03-01T00:00:00Z */

static const char views_text[] =
    "SET 'tally.allowed-lateness' = '60 s';\n"
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time - "
    "INTERVAL '5' SECOND)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND)) GROUP BY window_start, window_end, "
    "host;\n"
    "CREATE VIEW hops AS SELECT window_start, window_end, COUNT(*) AS n\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND, INTERVAL '60' SECOND))\n"
    "    GROUP BY window_start, window_end;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '15' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW seen AS SELECT event_time, event_id, host FROM events;\n";

static const struct ws_crowd_wish wishes[] = {
    {"hits",   NULL        },
    {"hits",   "host:eq:h1"},
    {"hits",   "n:ge:3"    }, /* rows come into it and leave it */
    {"hops",   NULL        },
    {"visits", NULL        },
    {"visits", "n:gt:2"    },
    {"seen",   NULL        },
    {"seen",   "host:eq:h2"},
};

static struct pipeline p;
static struct serve serve;
static struct run speed;
static struct chance chance;
static char said[20000];
static int appended;
static int64_t publish_ms = 100;

static void open_pipeline(void)
{
    pipeline_open(&p, views_text);
    unsetenv("TALLY_STORE");
    unsetenv("TALLY_SERVE_TOKEN");
}

static void close_pipeline(void)
{
    run_done(&serve.run);
    run_done(&speed);
    unsetenv("TALLY_STORE");
    pipeline_close(&p);
    store_folder_remove();
}

TestSuite(serve_kill, .timeout = 3600);

static void say(const char *what)
{
    size_t size = strlen(said);

    snprintf(said + size, sizeof said - size, "%s\n", what);
}

static void nap_ms(int64_t below_ms)
{
    tl_clock_sleep_ms(chance_below(&chance, (uint32_t)below_ms + 1));
}

/* Most are in time, some late and counted, a few so late that batch alone counts them. */
static void append(int count)
{
    struct tl_log_record records[PART];
    static char texts[PART][200];

    cr_assert_leq(count, PART);
    for (int i = 0; i < count; i++, appended++) {
        int64_t log_ms = START_MS + (int64_t)appended * STEP_MS, time_ms = log_ms;
        uint32_t fate = chance_below(&chance, 10);
        char time[TL_TIME_TEXT_BYTES];

        if (fate < 3)
            time_ms -= chance_below(&chance, LATE_MS);
        else if (fate == 3)
            time_ms -= 2 * LATE_MS + chance_below(&chance, 5 * LATE_MS);
        if (time_ms < START_MS)
            time_ms = START_MS;
        tl_time_to_iso_z(time_ms, time);
        snprintf(texts[i], sizeof texts[i], "{\"event_id\":\"e%d\",\"host\":\"h%u\",\"event_time\":\"%s\"}", appended,
                 chance_below(&chance, HOSTS), time);
        records[i] = (struct tl_log_record){.log_ms = log_ms, .value = tl_sv_from(texts[i])};
    }
    pipeline_append(&p, 1, records, (size_t)count);
}

static void start_serve(struct ws_crowd *crowd)
{
    serve_start(&serve, &p, (const char *const[]){"--live-horizon", "1000h", NULL});
    ws_crowd_port(crowd, serve.port);
}

static void kill_serve(struct ws_crowd *crowd)
{
    run_done(&serve.run); /* kill -9 */
    memset(&serve, 0, sizeof serve);
    ws_crowd_port(crowd, 0);
}

/* batch, over all of it up to somewhat before where events have come to, or --rollback: begun, and what is killed is serve. */
static void begin_batch(struct run *run, bool back)
{
    char from[TL_TIME_TEXT_BYTES], to[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(START_MS - TL_HOUR_MS, from);
    tl_time_to_iso_z(START_MS + (int64_t)(appended - (int)chance_below(&chance, 2 * PART)) * STEP_MS, to);
    say(back ? "rollback" : to);
    if (!back)
        TALLY(&p, 0, "archive");
    run_start(run, back ? (const char *const[]){"batch", "--rollback", "--views", p.views, "--data", p.data, NULL}
                        : (const char *const[]){"batch", "--force", "--from", from, "--to", to, "--views", p.views, "--data",
                                                p.data, NULL});
}

static void cycle(struct ws_crowd *crowd, int number)
{
    bool back = number % 4 == 3, publishes = back || number % 2 == 1;
    struct run run = {0};
    int64_t began_ms = 0;

    for (uint32_t parts = 1 + chance_below(&chance, 3); parts > 0; parts--) {
        append(1 + (int)chance_below(&chance, PART));
        nap_ms(150);
    }
    if (publishes) {
        begin_batch(&run, back);
        began_ms = tl_clock_monotonic_ms();
        nap_ms(publish_ms + 50);
    }
    kill_serve(crowd);
    append(1 + (int)chance_below(&chance, PART / 2));
    nap_ms(200); /* much may happen while nobody looks */
    if (publishes) {
        run_wait(&run);
        cr_assert(run.status == 0 || (back && run.status == 2 /* nothing is published */), "%d: %s", run.status, run.err);
        publish_ms = tl_min_i64(publish_ms, tl_clock_monotonic_ms() - began_ms);
        run_done(&run);
    }
    say("killed");
    start_serve(crowd);
    ws_crowd_check(crowd, said);
}

/* All rows as the API gives them, one a line; the caller frees. */
static char *rows_of(const struct ws_crowd_wish *wish)
{
    char target[1000], *rows;
    struct serve_answer answer;

    snprintf(target, sizeof target, "/api/v1/views/%s?limit=10000&format=ndjson%s%s", wish->view,
             wish->where != NULL ? "&where=" : "", wish->where != NULL ? wish->where : "");
    answer = serve_get(&serve, target);
    cr_assert_eq(answer.status, 200, "%s: %s", target, answer.http.all);
    cr_assert_str_eq(serve_header(&answer, "Link"), "", "more rows than a page has");
    rows = strdup(answer.body);
    serve_done(&answer);
    return rows;
}

static void expect_all_agree(struct ws_crowd *crowd)
{
    int64_t began_ms = tl_clock_monotonic_ms();

    for (size_t w = 0; w < TL_COUNT(wishes); w++) {
        char *rows = rows_of(&wishes[w]);
        size_t differing;

        cr_assert_gt(strlen(rows), 100, "%s", rows);
        while ((differing = ws_crowd_differing(crowd, w, rows)) > 0 && tl_clock_monotonic_ms() - began_ms < AGREE_MS)
            tl_clock_sleep_ms(20);
        ws_crowd_check(crowd, said);
        cr_assert_eq(differing, 0, "%s%zu clients of %s (%s) have other rows", said, differing, wishes[w].view,
                     wishes[w].where != NULL ? wishes[w].where : "all");
        free(rows);
    }
    fprintf(stderr, "  all agree %lld ms after the last start of serve\n", (long long)(tl_clock_monotonic_ms() - began_ms));
}

static int number_of(const char *name, int otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? atoi(text) : otherwise;
}

static void report(const char *store, int clients, int kills, const struct ws_crowd_counts *c)
{
    fprintf(stderr,
            "serve_kill on %s: %d clients, %d kills of serve, %d events; %ld connections, %ld of them with a place; %ld "
            "snapshots, %ld messages, %ld upserts, %ld deletions, %ld events, %ld publications of events told; corrections:",
            store, clients, kills, appended, c->connections, c->resumed, c->snapshots, c->messages, c->upserts, c->deletions,
            c->events, c->published);
    for (int cause = 0; cause < WS_CROWD_CAUSES; cause++)
        fprintf(stderr, " %ld %s", c->corrections[cause], ws_crowd_causes[cause]);
    fprintf(stderr, "\n");
}

static void prove(const char *store)
{
    int clients = number_of("TALLY_CLIENTS", CLIENTS), kills = number_of("TALLY_KILLS", KILLS);
    struct ws_crowd_counts counts;
    struct ws_crowd *crowd;

    chance = chance_open("serve_kill");
    append(PART);
    TALLY(&p, 0, "speed", "--once");
    run_start(&speed, (const char *const[]){"speed", "--views", p.views, "--data", p.data, "--tick", "40ms", NULL});
    crowd = ws_crowd_open(wishes, TL_COUNT(wishes), (size_t)clients, chance.seed);
    start_serve(crowd);
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; ws_crowd_here(crowd) < (size_t)clients; tl_clock_sleep_ms(20))
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "%zu of %d clients got a snapshot", ws_crowd_here(crowd), clients);
    for (int k = 0; k < kills; k++)
        cycle(crowd, k);
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    cr_assert_eq(speed.status, 0, "%s", speed.err);
    kill_serve(crowd);
    ws_crowd_settle(crowd);
    start_serve(crowd);
    serve_found(&serve);
    expect_all_agree(crowd);
    counts = ws_crowd_counts(crowd);
    report(store, clients, kills + 1, &counts);
    cr_assert_eq(counts.snapshots, clients, "%ld snapshots for %d clients", counts.snapshots, clients);
    cr_assert_eq(counts.resyncs, 0);
    cr_assert_geq(counts.resumed, (long)clients * kills / 2);
    for (int cause = 0; cause < WS_CROWD_CAUSES; cause++)
        cr_expect_gt(counts.corrections[cause], 0, "nobody was told of a %s", ws_crowd_causes[cause]);
    ws_crowd_close(crowd);
    serve_stop(&serve);
}

Test(serve_kill, every_client_has_what_the_view_shows, .init = open_pipeline, .fini = close_pipeline)
{
    prove("SQLite");
}

Test(serve_kill, so_on_postgresql, .init = open_pipeline, .fini = close_pipeline)
{
    char url[512];

    store_postgres.url(url);
    cr_assert_eq(setenv("TALLY_STORE", url, 1), 0);
    prove("PostgreSQL");
}
