/* store_postgres_fault_test.c: the connection to PostgreSQL is cut, the server goes and comes back: each tick is there once.
 *
 * What a tick writes adds up (outcomes), so a tick that is there twice shows, as one does that is lost. Whoever ticks does as design.md
 * says: a failure that is known is tried again; where the outcome of a commit is unknown, the epoch is raised first, which waits for the old
 * connection's transaction, and then the position is read.
 *
 * Cuts around a COMMIT: 500 on each side with TALLY_FAULT_ALL=1, otherwise a sample. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "speed_layer/fence.h"
#include "support/chance.h"
#include "support/store_fixture.h"
#include "support/tcp_proxy.h"

static char url[512], proxied[600];

/* What COMMIT looks like in libpq's Parse: no name, the text. */
static const char commit_word[] = "\0COMMIT";

/* ---- who ticks ---- */

struct ticker {
    struct tl_store *store;
    int64_t id, epoch, next; /* the offset that it will write next, counted from 0 */
    int unknown, failed;
};

static int64_t position_of(struct tl_store *store, int64_t id);

static void ticker_open(struct ticker *t, const char *to)
{
    struct tl_shape shape = store_windowed("hits", 'a');

    *t = (struct ticker){.store = store_open(to, TL_STORE_WRITE)};
    OK(tl_store_define(t->store, &shape, &t->id, err));
    t->epoch = store_epoch(t->store);
}

static enum tl_code raise_epoch(struct ticker *t, struct tl_err *err)
{
    struct tl_epoch mine;
    enum tl_code rc = tl_store_take_epoch(t->store, "after an unknown commit", NULL, &mine, err);

    if (rc == TL_OK)
        t->epoch = mine.epoch;
    return rc;
}

/* Each tick counts one event, writes the same row anew and moves the position by one. */
static enum tl_code try_tick(struct ticker *t, struct tl_err *err)
{
    uint64_t one[TL_OUTCOMES] = {[TL_OUT_COUNTED] = 1};
    struct tl_position position = {.next_offset = t->next + 1};
    struct tl_ledger_line line = {.offset = t->next, .cause = TL_CAUSE_LATE_DROP};
    struct store_rows rows;
    int64_t change = 0;
    enum tl_code rc;

    store_rows_init(&rows, true, 2);
    store_rows_add(&rows, 0, 10, "all", t->next + 1);
    store_rows_add(&rows, t->next, t->next + 1, "each", t->next);
    TL_TRY(tl_store_begin_tick(t->store, t->epoch, &change, err));
    TL_TRY(tl_store_put_speed_rows(t->store, t->id, &rows.rows, change, err));
    TL_TRY(tl_store_add_outcomes(t->store, t->id, one, err));
    TL_TRY(tl_store_put_ledger(t->store, t->id, 0, &line, 1, err));
    TL_TRY(tl_store_put_position(t->store, t->id, &position, err));
    TL_TRY(tl_store_commit(t->store, err));
    t->next++;
out:
    store_rows_done(&rows);
    tl_store_rollback(t->store);
    return rc;
}

static enum tl_code see_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    (void)err;
    *(int64_t *)ctx = position->next_offset;
    return TL_OK;
}

static enum tl_code read_position(struct tl_store *store, int64_t id, int64_t *next, struct tl_err *err)
{
    *next = 0;
    return tl_store_positions(store, id, see_position, next, NULL, err);
}

static int64_t position_of(struct tl_store *store, int64_t id)
{
    int64_t next = 0;

    OK(read_position(store, id, &next, err));
    return next;
}

/* A forked process says so itself: Criterion does not know it. */
static bool alone;

TL_PRINTF(1, 2) static void give_up(const char *text, ...)
{
    char message[1500];
    va_list args;

    va_start(args, text);
    vsnprintf(message, sizeof message, text, args);
    va_end(args);
    if (!alone)
        cr_assert_fail("%s", message);
    fprintf(stderr, "%s\n", message);
    _exit(1);
}

/* Until it stands. */
static void tick(struct ticker *t)
{
    struct tl_err why = {.message = ""};
    enum tl_code rc = try_tick(t, &why);

    for (int attempt = 0; rc != TL_OK; attempt++) {
        if ((rc != TL_ERR_UNKNOWN && (rc != TL_ERR_IO || !why.retriable)) || attempt == 3000)
            give_up("attempt %d, code %d: %s", attempt, (int)rc, why.message);
        if (rc == TL_ERR_UNKNOWN) {
            int64_t before = t->next;

            t->unknown++;
            rc = raise_epoch(t, &why);
            if (rc == TL_OK)
                rc = read_position(t->store, t->id, &t->next, &why);
            if (rc == TL_OK) {
                if (t->next == before + 1)
                    return;
                if (t->next != before)
                    give_up("at %lld, not %lld", (long long)t->next, (long long)before);
                rc = try_tick(t, &why);
            } else {
                rc = TL_ERR_UNKNOWN; /* still */
                t->next = before;
                usleep(10000);
            }
            continue;
        }
        t->failed++;
        usleep(10000);
        rc = try_tick(t, &why);
    }
}

static void check(const char *to, int64_t id, int64_t ticks)
{
    struct tl_store *store = store_open(to, TL_STORE_READ);
    uint64_t outcomes[TL_OUTCOMES], causes[TL_CAUSES];
    const char *answer;
    int64_t lines = 0;
    char all[64];

    OK(tl_store_outcomes(store, id, 0, outcomes, err));
    cr_assert_eq(outcomes[TL_OUT_COUNTED], (uint64_t)ticks, "%llu of %lld", (unsigned long long)outcomes[TL_OUT_COUNTED],
                 (long long)ticks);
    OK(tl_store_ledger_counts(store, id, 0, causes, err));
    cr_assert_eq(causes[TL_CAUSE_LATE_DROP], (uint64_t)ticks);
    cr_assert_eq(position_of(store, id), ticks);
    answer = store_answer(store, "hits", TL_LAYER_MERGED, INT64_MIN, INT64_MAX);
    snprintf(all, sizeof all, "0 10 all %lld speed 0\n", (long long)ticks);
    cr_assert_not_null(strstr(answer, all), "%s", answer);
    for (; *answer != '\0'; answer++)
        lines += *answer == '\n';
    cr_assert_eq(lines, ticks + 1);
    tl_store_close(store);
}

/* ---- cuts ---- */

static struct tcp_proxy *open_proxied(void)
{
    const char *server = store_server("POSTGRES_URL"), *port = strrchr(server, ':'), *schema;
    struct tcp_proxy *proxy = tcp_proxy_open(commit_word, sizeof commit_word, (uint16_t)strtol(port + 1, NULL, 10));

    store_postgres.url(url);
    schema = strstr(url, "schema=");
    snprintf(proxied, sizeof proxied, "%.*s:%d%.*s?sslmode=disable&%s", (int)(port - server), server, tcp_proxy_port(proxy),
             (int)strlen(strchr(port, '/')), strchr(port, '/'), schema);
    return proxy;
}

struct side {
    char name[40];
    enum tcp_proxy_cut how;
    int there; /* 1: the tick is there afterwards; 0: it is not; -1: either */
};

ParameterizedTestParameters(store_postgres_fault, around_a_commit)
{
    static struct side sides[] = {
        {"before it reaches the server", TCP_PROXY_BEFORE, 0 },
        {"as soon as it is sent",        TCP_PROXY_SENT,   -1},
        {"before the answer",            TCP_PROXY_AFTER,  1 },
        {"a pooler says so itself",      TCP_PROXY_SAY,    -1},
    };
    return cr_make_param_array(struct side, sides, sizeof sides / sizeof *sides);
}

ParameterizedTest(struct side *side, store_postgres_fault, around_a_commit, .fini = store_folder_remove)
{
    int cuts = getenv("TALLY_FAULT_ALL") != NULL ? 500 : 25;
    struct tcp_proxy *proxy = open_proxied();
    struct chance chance = chance_open("around_a_commit");
    struct ticker t;
    int64_t ticks = 0;

    ticker_open(&t, proxied);
    for (int i = 0; i < cuts; i++) {
        int64_t before;
        struct tl_err why = {.message = ""};

        for (uint32_t quiet = chance_below(&chance, 3); quiet > 0; quiet--, ticks++)
            tick(&t);
        tcp_proxy_cut(proxy, side->how, 1);
        before = t.next;
        cr_assert_eq(try_tick(&t, &why), TL_ERR_UNKNOWN, "%s: %s", side->name, why.message);
        cr_assert_not_null(strstr(why.message, "not known"), "%s", why.message);
        OK(raise_epoch(&t, err));
        t.next = position_of(t.store, t.id);
        cr_assert(t.next == before || t.next == before + 1);
        cr_assert(side->there < 0 || t.next == before + side->there, "%s", side->name);
        if (t.next == before)
            tick(&t);
        ticks++;
    }
    cr_assert_eq(tcp_proxy_cuts(proxy), cuts);
    tl_store_close(t.store);
    check(url, t.id, ticks);
    tcp_proxy_close(proxy);
}

/* A commit of a call's own: whoever calls again finds it done, or does it. */
Test(store_postgres_fault, a_publication_is_published_once, .fini = store_folder_remove)
{
    struct tcp_proxy *proxy = open_proxied();
    struct ticker t;
    int64_t run;

    ticker_open(&t, proxied);
    for (int i = 0; i < 6; i++) {
        run = store_run(t.store, "again");
        store_stage(t.store, run, t.id, 0, 10, "x", i);
        store_stage_range(t.store, run, t.id, 0, 10);
        tcp_proxy_cut(proxy, (enum tcp_proxy_cut)(TCP_PROXY_BEFORE + i % 3), 1);
        FAILS(TL_ERR_UNKNOWN, "not known", tl_store_publish(t.store, run, 5, err));
        OK(tl_store_publish(t.store, run, 5, err));
    }
    cr_assert_str_eq(
        store_postgres_ask(url, "SELECT count(*), max(published), (SELECT change FROM tally_change) FROM tally_publication"),
        "6 6 6\n");
    tl_store_close(t.store);
    tcp_proxy_close(proxy);
}

/* Anywhere else in a transaction it is known that nothing of it has happened. */
Test(store_postgres_fault, in_the_middle_of_a_transaction, .fini = store_folder_remove)
{
    struct tcp_proxy *proxy = open_proxied();
    struct tl_err why = {.message = ""};
    uint64_t one[TL_OUTCOMES] = {[TL_OUT_COUNTED] = 1};
    struct ticker t;
    int64_t change;

    ticker_open(&t, proxied);
    for (int i = 0; i < 10; i++) {
        enum tl_code rc;

        OK(tl_store_begin_tick(t.store, t.epoch, &change, err));
        OK(tl_store_add_outcomes(t.store, t.id, one, err));
        tcp_proxy_drop(proxy);
        rc = tl_store_put_final(t.store, t.id, 1, &why);
        if (rc == TL_OK)
            rc = tl_store_drop_states(t.store, 99, 1, &why); /* asks, and so hears of it */
        cr_assert(rc == TL_ERR_IO && why.retriable, "%d: %s", (int)rc, why.message);
        cr_assert_not_null(strstr(why.message, "connection is lost"), "%s", why.message);
        /* What is called in spite of it fails too, and writes nothing on a new connection. */
        FAILS(TL_ERR_IO, "connection is lost", tl_store_add_outcomes(t.store, t.id, one, err));
        tl_store_rollback(t.store);
    }
    tick(&t);
    tl_store_close(t.store);
    check(url, t.id, 1);
    tcp_proxy_close(proxy);
}

/* While nothing is under way nobody needs to hear of it. */
Test(store_postgres_fault, an_idle_connection_is_made_anew, .fini = store_folder_remove)
{
    struct tcp_proxy *proxy = open_proxied();
    struct ticker t;
    int64_t version;

    ticker_open(&t, proxied);
    for (int i = 0; i < 5; i++) {
        struct tl_err why = {.message = ""};

        tcp_proxy_drop(proxy);
        cr_assert_eq(try_tick(&t, &why), TL_OK, "%s", why.message);
        tcp_proxy_drop(proxy);
        OK(tl_store_version(t.store, &version, err));
        tcp_proxy_drop(proxy);
        cr_assert_eq(position_of(t.store, t.id), i + 1);
    }
    tl_store_close(t.store);
    check(url, t.id, 5);
    tcp_proxy_close(proxy);
}

Test(store_postgres_fault, a_server_that_is_away, .fini = store_folder_remove)
{
    struct tcp_proxy *proxy = open_proxied();
    struct tl_err why = {.message = ""};
    struct ticker t;

    ticker_open(&t, proxied);
    tcp_proxy_cut(proxy, TCP_PROXY_ALL, 0);
    tcp_proxy_drop(proxy);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(try_tick(&t, &why), TL_ERR_IO);
        cr_assert(why.retriable, "%s", why.message);
    }
    tcp_proxy_cut(proxy, TCP_PROXY_PASS, 0);
    cr_assert_eq(try_tick(&t, &why), TL_OK, "%s", why.message);
    tl_store_close(t.store);
    check(url, t.id, 1);
    tcp_proxy_close(proxy);
}

/* Its connection lives, and it does not answer: that is waited for no longer than it is wise. */
Test(store_postgres_fault, a_server_that_stands_still, .fini = store_folder_remove)
{
    struct tcp_proxy *proxy = open_proxied();
    struct tl_err why = {.message = ""};
    struct ticker t;

    snprintf(proxied + strlen(proxied), sizeof proxied - strlen(proxied), "&tcp_user_timeout=500");
    ticker_open(&t, proxied);
    tick(&t);
    tcp_proxy_cut(proxy, TCP_PROXY_HOLD, 1);
    cr_assert_eq(try_tick(&t, &why), TL_ERR_UNKNOWN, "%s", why.message);
    cr_assert_not_null(strstr(why.message, "the server has not answered for 1 s"), "%s", why.message);
    tcp_proxy_drop(proxy); /* the server's end of it goes on waiting for us, and holds the epoch's row */
    OK(raise_epoch(&t, err));
    cr_assert_eq(position_of(t.store, t.id), 1);
    tick(&t);
    tl_store_close(t.store);
    check(url, t.id, 2);
    tcp_proxy_close(proxy);
}

/* Whose connection was cut is not locked out by the session that the server takes for alive. */
Test(store_postgres_fault, work_goes_on_after_a_cut, .fini = store_folder_remove)
{
    struct tcp_proxy *proxy = open_proxied();
    struct tl_err why = {.message = ""};
    struct ticker t;

    snprintf(proxied + strlen(proxied), sizeof proxied - strlen(proxied), "&tcp_user_timeout=500");
    ticker_open(&t, proxied);
    OK(tl_store_lock(t.store, "batch", "web1 pid 7", err));
    tcp_proxy_cut(proxy, TCP_PROXY_HOLD, 1);
    cr_assert_eq(try_tick(&t, &why), TL_ERR_UNKNOWN, "%s", why.message);
    cr_assert_eq(raise_epoch(&t, &why), TL_OK, "%s", why.message);
    tl_store_close(t.store);
    tcp_proxy_close(proxy);
}

/* ---- whoever ticks stands still ---- */

enum { LARGE_TICK_ROWS = 20000 };

/* In the middle of a tick of which the server has got a good part already. */
static void stop_in_a_large_tick(void)
{
    struct store_rows rows;
    struct tl_err err;
    struct ticker t;
    int64_t change;

    alone = true;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ticker_open(&t, url);
    tick(&t);
    store_rows_init(&rows, true, LARGE_TICK_ROWS);
    for (int i = 0; i < LARGE_TICK_ROWS; i++)
        store_rows_add(&rows, i, i + 1, "each", i);
    if (tl_store_begin_tick(t.store, t.epoch, &change, &err) != TL_OK ||
        tl_store_put_speed_rows(t.store, t.id, &rows.rows, change, &err) != TL_OK)
        give_up("%s", err.message);
    raise(SIGSTOP);
    _exit(2);
}

/* The server counts how long it has been kept waiting. */
static bool is_counted(void)
{
    for (int i = 0; i < 200; i++, usleep(10000))
        if (strcmp(store_postgres_ask(url, "SELECT count(*) FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid) WHERE"
                                           " l.relation = 'tally_epoch'::regclass AND l.mode = 'RowShareLock' AND"
                                           " a.state = 'idle in transaction'"),
                   "1\n") == 0)
            return true;
    return false;
}

Test(store_postgres_fault, one_that_stops_in_a_large_tick_is_taken_over, .fini = store_folder_remove)
{
    struct tl_fence *fence = NULL;
    struct tl_store *store;
    int64_t begun_ms;
    int status;
    pid_t child;

    store_postgres.url(url);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        stop_in_a_large_tick();
    cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
    begun_ms = tl_clock_monotonic_ms();
    cr_assert(WIFSTOPPED(status), "%d", status);
    cr_expect(is_counted());
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_fence_take(store, url, NULL, NULL, &fence, err));
    cr_expect_lt(tl_clock_monotonic_ms() - begun_ms, 10000);
    cr_expect_eq(tl_fence_epoch(fence), 2);
    tl_fence_close(fence, store);
    tl_store_close(store);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    cr_expect_str_eq(store_postgres_ask(url, "SELECT count(*) FROM hits_speed"), "2\n",
                     "of the tick that stopped there is nothing");
}

/* A cursor that was being walked fails, and the handle is of use again. */
Test(store_postgres_fault, in_the_middle_of_reading, .fini = store_folder_remove)
{
    struct tcp_proxy *proxy = open_proxied();
    struct tl_store_cursor *cursor = NULL;
    const struct tl_stored_row *row;
    struct tl_err why = {.message = ""};
    struct ticker t;
    enum tl_code rc;

    ticker_open(&t, proxied);
    for (int i = 0; i < 40; i++)
        tick(&t);
    OK(tl_store_cursor_open(t.store, t.id, TL_LAYER_SPEED, INT64_MIN, INT64_MAX, &cursor, err));
    OK(tl_store_cursor_next(cursor, &row, err));
    tcp_proxy_drop(proxy);
    do
        rc = tl_store_cursor_next(cursor, &row, &why);
    while (rc == TL_OK && row != NULL);
    cr_assert(rc == TL_ERR_IO && why.retriable, "%d: %s", (int)rc, why.message);
    tl_store_cursor_close(cursor);
    tick(&t);
    tl_store_close(t.store);
    check(url, t.id, 41);
    tcp_proxy_close(proxy);
}

/* ---- the server ---- */

/* Ticks in a process of its own until it is told to stop, and says how many there were. */
static pid_t start_ticking(int answer[2], int stop[2])
{
    pid_t child;
    char ready;

    cr_assert_eq(pipe(answer), 0);
    cr_assert_eq(pipe(stop), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct ticker t;
        int64_t said[4];

        alone = true;
        close(stop[1]);
        ticker_open(&t, url);
        (void)!write(answer[1], "", 1);
        for (;;) {
            fd_set set;
            struct timeval now = {0, 0};

            FD_ZERO(&set);
            FD_SET(stop[0], &set);
            if (select(stop[0] + 1, &set, NULL, NULL, &now) > 0)
                break;
            tick(&t);
        }
        said[0] = t.id;
        said[1] = t.next;
        said[2] = t.unknown;
        said[3] = t.failed;
        (void)!write(answer[1], said, sizeof said);
        tl_store_close(t.store);
        _exit(0);
    }
    close(answer[1]);
    close(stop[0]);
    cr_assert_eq(read(answer[0], &ready, 1), 1);
    return child;
}

static int64_t stop_ticking(pid_t child, const int answer[2], const int stop[2], int64_t *id, int64_t *troubles)
{
    int64_t said[4] = {0};
    int status;

    close(stop[1]);
    cr_assert_eq(read(answer[0], said, sizeof said), (ssize_t)sizeof said, "whoever ticked has given up");
    close(answer[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    *id = said[0];
    *troubles = said[2] + said[3];
    return said[1];
}

Test(store_postgres_fault, sessions_are_terminated, .fini = store_folder_remove)
{
    int answer[2], stop[2];
    int64_t id, ticks, troubles, terminated = 0;
    pid_t child;

    store_postgres.url(url);
    child = start_ticking(answer, stop);
    for (int i = 0; i < 30; i++) {
        char query[300];

        usleep(50000);
        /* Only those of this test: they have its schema in their path. */
        snprintf(
            query, sizeof query,
            "SELECT count(pg_terminate_backend(l.pid)) FROM (SELECT DISTINCT a.pid FROM pg_stat_activity AS a JOIN pg_locks AS k"
            " ON k.pid = a.pid WHERE k.relation = to_regclass('%s.tally_schema') AND a.pid <> pg_backend_pid()) AS l",
            strstr(url, "schema=") + 7);
        terminated += strtol(store_postgres_ask(store_server("POSTGRES_URL"), query), NULL, 10);
    }
    ticks = stop_ticking(child, answer, stop, &id, &troubles);
    cr_assert_gt(terminated, 0);
    cr_assert_gt(troubles, 0);
    check(url, id, ticks);
}

static void server_sh(const char *arguments)
{
    char command[900];

    snprintf(command, sizeof command, "deploy/postgres/server.sh %s </dev/null >/dev/null", arguments);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* A server of the test's own, which is killed and comes back while somebody ticks. */
Test(store_postgres_fault, the_server_is_killed, .fini = store_folder_remove)
{
    char folder[400], env[500], line[600], arguments[1100];
    int answer[2], stop[2];
    int64_t id, ticks, troubles;
    pid_t child;
    FILE *file;

    store_folder(folder);
    snprintf(env, sizeof env, "%s/env", folder);
    snprintf(arguments, sizeof arguments, "start %s/server %s", folder, env);
    server_sh(arguments);
    file = fopen(env, "r");
    cr_assert(file != NULL && fgets(line, sizeof line, file) != NULL);
    fclose(file);
    line[strcspn(line, "\n") - 1] = '\0';
    snprintf(url, sizeof url, "%s", strchr(line, '\'') + 1);
    child = start_ticking(answer, stop);
    for (int i = 0; i < 3; i++) {
        usleep(400000);
        snprintf(arguments, sizeof arguments, "ctl %s/server stop -m immediate -w", folder);
        server_sh(arguments);
        usleep(100000);
        snprintf(arguments, sizeof arguments, "start %s/server %s", folder, env);
        server_sh(arguments);
    }
    usleep(400000);
    ticks = stop_ticking(child, answer, stop, &id, &troubles);
    cr_assert_gt(troubles, 0);
    cr_assert_gt(ticks, 3);
    check(url, id, ticks);
    snprintf(arguments, sizeof arguments, "remove %s/server %s", folder, env);
    server_sh(arguments);
}
