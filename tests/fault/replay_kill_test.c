/* replay_kill_test.c: kill -9 of a replay at random instants, again and again: the old tables or the new ones, whole, and the next one goes on; of replay
 * and of speed beside it, while events come: in the end the tables equal those of a run that nobody disturbed; and connections that are cut around each of a replay's
 * commits.
 * TALLY_KILLS: how often. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "support/chance.h"
#include "support/dump.h"
#include "support/postgres_dump.h"
#include "support/run.h"
#include "support/store_fixture.h"
#include "support/tcp_proxy.h"
#include "support/visits.h"

enum { STEP_MS = 200, EVENTS = 20000, PATIENCE_MS = 60000 };

static char dir[RUN_DIR_BYTES], views[300], data[300], path[400], url[512];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", visits_views));
    snprintf(data, sizeof data, "%s/data", dir);
    snprintf(path, sizeof path, "%s/views.db", data);
    snprintf(url, sizeof url, "sqlite:%s", path);
    cr_assert_eq(mkdir(data, 0777), 0);
}

static void folder_close(void)
{
    run_folder_remove(dir);
    store_folder_remove();
}

TestSuite(replay_kill, .init = folder_open, .fini = folder_close, .timeout = 600);

static int kills_of(int usual)
{
    const char *wanted = getenv("TALLY_KILLS");

    return wanted != NULL ? atoi(wanted) : usual;
}

static void start(struct run *run, const char *command, const char *option, const char *value)
{
    run_start(run, (const char *const[]){command, "--views", views, "--data", data, "--store", url, option, value, NULL});
}

static int finish(const char *command, const char *option)
{
    struct run run = {0};
    int status;

    start(&run, command, option, NULL);
    run_wait(&run);
    status = run.status;
    cr_assert(status == 0 || status == 75, "%s: %d: %s", command, status, run.err);
    run_done(&run);
    return status;
}

/* A session of PostgreSQL's whose process was killed may have the lock for a moment still. */
static void finish_replay(void)
{
    for (int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS; finish("replay", NULL) != 0; tl_clock_sleep_ms(100))
        cr_assert(tl_clock_monotonic_ms() < until_ms);
}

static char *dump(bool postgres)
{
    return postgres ? postgres_dump(url) : dump_speeds(path, (const char *const[]){"hits", "big", NULL});
}

static void spoil(bool postgres)
{
    static const char sql[] = "DELETE FROM hits_speed WHERE _start_ms % 7 < 4; UPDATE tally_outcome SET counted = counted + 5";
    char line[1200];

    if (postgres) {
        store_postgres_sql(url, sql);
        return;
    }
    snprintf(line, sizeof line, "sqlite3 '%s' '%s'", path, sql);
    cr_assert_eq(system(line), 0);
}

static void nap_below(struct chance *chance, unsigned ms)
{
    const struct timespec nap = {.tv_nsec = (long)chance_below(chance, ms * 1000000u)};

    nanosleep(&nap, NULL);
}

/* How long one takes that nobody stops: less than a second. */
static unsigned replay_ms(void)
{
    int64_t began_ms = tl_clock_monotonic_ms(), took_ms;
    struct run run = {0};

    start(&run, "replay", "--tick", "1ms");
    run_wait(&run);
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    took_ms = tl_clock_monotonic_ms() - began_ms;
    return (unsigned)(took_ms < 900 ? took_ms : 900);
}

struct store_case {
    char name[12];
    bool postgres;
};

ParameterizedTestParameters(replay_kill, the_old_tables_or_the_new_ones)
{
    static struct store_case cases[] = {
        {"sqlite",   false},
        {"postgres", true },
    };
    return cr_make_param_array(struct store_case, cases, sizeof cases / sizeof *cases);
}

/* The active definitions' own, whatever a build beside them holds. */
static char *served(bool postgres)
{
    if (!postgres)
        return dump(false);
    return strdup(store_postgres_ask(
        url, "SELECT (SELECT sum(hits) FROM hits), (SELECT count(*) FROM hits_speed), (SELECT count(*) FROM big), (SELECT"
             " string_agg(o.counted::text, ' ' ORDER BY view) FROM tally_outcome o JOIN tally_definition d USING (definition)"
             " WHERE state = 'active')"));
}

ParameterizedTest(struct store_case *c, replay_kill, the_old_tables_or_the_new_ones, .timeout = 600)
{
    struct chance chance = chance_open("replay_kill/old_or_new");
    int kills = kills_of(c->postgres ? 12 : 30), swaps = 0, went_on = 0;
    char *want, *spoiled, *right, *got;
    unsigned whole_ms;

    if (c->postgres)
        store_postgres.url(url);
    visits_append(data, 1, STEP_MS, 0, EVENTS);
    cr_assert_eq(finish("speed", "--once"), 0);
    whole_ms = replay_ms();
    want = dump(c->postgres);
    right = served(c->postgres);
    spoil(c->postgres);
    spoiled = served(c->postgres);
    for (int k = 0; k < kills; k++) {
        struct run run = {0};

        start(&run, "replay", "--tick", "1ms");
        nap_below(&chance, whole_ms + whole_ms / 10);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        went_on += strstr(run.err, "going on where it stopped") != NULL;
        got = served(c->postgres);
        if (strcmp(got, spoiled) != 0) {
            expect_same_lines(got, right);
            spoil(c->postgres);
            swaps++;
        }
        cr_assert(run.status != 0 || strcmp(got, right) == 0);
        free(got);
        run_done(&run);
    }
    finish_replay();
    got = dump(c->postgres);
    expect_same_lines(got, want);
    cr_expect(went_on > 0, "the test has missed the middle of %u ms", whole_ms);
    free(got);
    free(want);
    free(right);
    free(spoiled);
}

/* Somebody reads one of the old tables, so the swap waits when it comes to it: the other one's has been exchanged by then. */
Test(replay_kill, in_the_middle_of_a_swap)
{
    static const char waits[] = "SELECT count(*) FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation WHERE NOT l.granted"
                                " AND c.relname = 'big_speed' AND c.relnamespace = current_schema()::regnamespace";
    char *want, *spoiled, *right, *got;

    store_postgres.url(url);
    visits_append(data, 1, STEP_MS, 0, EVENTS / 10);
    cr_assert_eq(finish("speed", "--once"), 0);
    want = dump(true);
    right = served(true);
    spoil(true);
    spoiled = served(true);
    for (int k = 0; k < kills_of(3); k++) {
        int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;
        void *reader = store_postgres_hold(url, "BEGIN; LOCK TABLE big_speed IN ACCESS SHARE MODE");
        struct run run = {0};

        start(&run, "replay", "--tick", "1ms");
        while (strcmp(store_postgres_ask(url, waits), "0\n") == 0)
            cr_assert(tl_clock_monotonic_ms() < until_ms, "no swap has come to the table: %s", run.err);
        run_signal(&run, SIGKILL);
        run_wait(&run);
        cr_assert_eq(run.status, 128 + SIGKILL, "%d: %s", run.status, run.err);
        while (strcmp(store_postgres_ask(url, waits), "0\n") != 0) /* the server waits on for a while, for nobody */
            cr_assert(tl_clock_monotonic_ms() < until_ms);
        store_postgres_release(reader);
        got = served(true);
        cr_assert_str_eq(got, spoiled);
        free(got);
        run_done(&run);
    }
    finish_replay();
    got = served(true);
    cr_assert_str_eq(got, right);
    free(got);
    got = dump(true);
    expect_same_lines(got, want);
    free(got);
    free(want);
    free(right);
    free(spoiled);
}

Test(replay_kill, replay_and_speed_beside_it_while_events_come)
{
    struct chance chance = chance_open("replay_kill/beside");
    int kills = kills_of(15), part = EVENTS / (kills + 1);
    struct run speed = {0}, replay = {0};
    char *got, *want;

    visits_append(data, 1, STEP_MS, 0, part);
    cr_assert_eq(finish("speed", "--once"), 0);
    start(&speed, "speed", "--tick", "5ms");
    start(&replay, "replay", "--tick", "1ms");
    for (int k = 1; k <= kills; k++) {
        bool of_speed = chance_below(&chance, 3) == 0;
        struct run *victim = of_speed ? &speed : &replay;

        visits_append(data, 1, STEP_MS, k * part, k == kills ? EVENTS : (k + 1) * part);
        nap_below(&chance, 700);
        run_signal(victim, SIGKILL);
        run_wait(victim);
        cr_assert(victim->status == 0 || victim->status == 128 + SIGKILL, "%s", victim->err);
        run_done(victim);
        if (of_speed)
            start(&speed, "speed", "--tick", "5ms");
        else
            start(&replay, "replay", "--tick", "1ms");
    }
    run_wait(&replay);
    cr_assert_eq(replay.status, 0, "%s", replay.err);
    run_done(&replay);
    run_signal(&speed, SIGTERM);
    run_wait(&speed);
    /* It may have been started a moment ago, and not hear the signal yet. */
    cr_assert(speed.status == 0 || speed.status == 128 + SIGTERM, "%d: %s", speed.status, speed.err);
    run_done(&speed);
    cr_assert_eq(finish("speed", "--once"), 0);
    got = dump(false);
    cr_assert_eq(remove(path), 0);
    cr_assert_eq(finish("speed", "--once"), 0);
    want = dump(false);
    expect_same_lines(got, want);
    free(got);
    free(want);
}

/* The URL with another port. */
static const char *through(const char *place, uint16_t port, uint16_t *real)
{
    static char out[600];
    const char *at = strstr(place, "127.0.0.1:");
    char *rest;

    cr_assert_not_null(at, "%s", place);
    at += strlen("127.0.0.1:");
    *real = (uint16_t)strtoul(at, &rest, 10);
    snprintf(out, sizeof out, "%.*s%u%s&sslmode=disable", (int)(at - place), place, port, rest);
    return out;
}

/* Whether a commit is in the store nobody has heard: it is counted once, and the replay comes to its end by itself. */
Test(replay_kill, a_connection_that_is_cut_around_a_commit_counts_nothing_twice)
{
    static const enum tcp_proxy_cut kinds[] = {TCP_PROXY_BEFORE, TCP_PROXY_SENT, TCP_PROXY_AFTER};
    int cuts = 0;
    char *want, *got;

    store_postgres.url(url);
    visits_append(data, 1, STEP_MS, 0, 1500);
    cr_assert_eq(finish("speed", "--once"), 0);
    want = dump(true);
    for (size_t kind = 0; kind < 3; kind++) {
        bool uncut = false;

        for (int nth = 1; !uncut; nth++) {
            struct tcp_proxy *proxy;
            struct run run = {0};
            uint16_t port;

            spoil(true);
            (void)through(url, 0, &port);
            proxy = tcp_proxy_open("COMMIT", sizeof "COMMIT", port);
            tcp_proxy_cut(proxy, kinds[kind], nth);
            RUN(&run, "replay", "--views", views, "--data", data, "--tick", "1ms", "--store",
                through(url, tcp_proxy_port(proxy), &port));
            cr_assert_eq(run.status, 0, "commit %d: %s", nth, run.err);
            uncut = tcp_proxy_cuts(proxy) == 0;
            cuts += tcp_proxy_cuts(proxy);
            run_done(&run);
            tcp_proxy_close(proxy);
            got = dump(true);
            expect_same_lines(got, want);
            free(got);
        }
    }
    cr_expect_gt(cuts, 15);
    free(want);
}
