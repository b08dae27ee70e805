/* serve_live_test.c: clients of `tally serve` that listen: from an event in the log to a message, over the whole program and both stores. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/serve_run.h"
#include "support/store_fixture.h"
#include "support/wire.h"

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, host;\n"
    "CREATE TEMPORARY VIEW none AS SELECT * FROM events WHERE host = 'nobody';\n"
    "CREATE VIEW quiet AS SELECT window_start, window_end, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE none, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;\n"
    "CREATE VIEW seen AS SELECT event_time, host FROM events;\n";

static struct pipeline p;
static struct serve serve;

static void open_pipeline(void)
{
    pipeline_open(&p, views_text);
    unsetenv("TALLY_STORE");
    unsetenv("TALLY_SERVE_TOKEN");
}

static void close_pipeline(void)
{
    if (serve.run.pid != 0)
        run_done(&serve.run);
    unsetenv("TALLY_STORE");
    pipeline_close(&p);
    store_folder_remove();
}

TestSuite(serve_live, .init = open_pipeline, .fini = close_pipeline, .timeout = 120);

/* A file with an event of that host. */
static const char *write_event(const char *id, const char *host, const char *time)
{
    char name[20], line[200];

    snprintf(name, sizeof name, "%s.jsonl", id);
    snprintf(line, sizeof line, "{\"event_id\":\"%s\",\"host\":\"%s\",\"event_time\":\"2024-03-01T%s.000Z\"}\n", id, host, time);
    return run_file_write(p.dir, name, line);
}

/* And counted. */
static void count_event(const char *id, const char *host)
{
    char path[300];

    snprintf(path, sizeof path, "%s", write_event(id, host, "10:00:00"));
    TALLY(&p, 0, "import", path, "--format", "jsonl");
    TALLY(&p, 0, "speed", "--once");
}

static void start(const char *const *args)
{
    serve_start(&serve, &p, args);
    serve_found(&serve);
}

static void kill_serve(void)
{
    run_done(&serve.run); /* kill -9 */
    memset(&serve, 0, sizeof serve);
}

/* ---- server-sent events ---- */

static void listen_to(struct wire *wire, const char *query, const char *headers)
{
    wire_open(wire, serve.port);
    wire_say(wire, "GET /api/v1/live/sse?%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n", query, serve.port, headers);
    cr_assert(wire_head(wire));
}

/* What comes, until these words have; all of it since the last call. */
static const char *hear(struct wire *wire, const char *words)
{
    static char text[100000];
    size_t size = 0;

    for (text[0] = '\0'; strstr(text, words) == NULL;) {
        size_t more = wire_read(wire, text + size, sizeof text - 1 - size);

        cr_assert(more > 0, "'%s' does not come: %s", words, text);
        size += more;
        text[size] = '\0';
    }
    return text;
}

static long long last_id(const char *text)
{
    const char *at = NULL;

    for (const char *next = text; (next = strstr(next, "\nid: ")) != NULL; next++)
        at = next;
    cr_assert_not_null(at, "%s", text);
    return atoll(at + 5);
}

static char backends[][16] = {"sqlite", "postgres"};

static void use_store(const char *backend)
{
    char store[512];

    if (strcmp(backend, "postgres") != 0)
        return;
    store_postgres.url(store);
    cr_assert_eq(setenv("TALLY_STORE", store, 1), 0);
}

ParameterizedTestParameters(serve_live, what_is_counted_is_heard)
{
    return cr_make_param_array(char[16], backends, sizeof backends / sizeof *backends);
}

/* And once: through kill -9 of serve, and what changed meanwhile. */
ParameterizedTest(char (*backend)[16], serve_live, what_is_counted_is_heard)
{
    static struct wire wire;
    char header[100];
    const char *text;

    use_store(*backend);
    count_event("e1", "a");
    start((const char *const[]){NULL});
    listen_to(&wire, "view=hits", "");
    cr_assert_eq(wire.status, 200, "%s", wire.head);
    cr_assert_str_eq(wire_header(&wire, "x-content-type-options"), "nosniff");
    text = hear(&wire, "\"type\":\"snapshot\"");
    cr_assert_not_null(strstr(text, "\"host\":\"a\",\"n\":1"), "%s", text);
    count_event("e2", "a");
    text = hear(&wire, "\"n\":2");
    cr_assert_not_null(strstr(text, "\"type\":\"changes\""), "%s", text);
    snprintf(header, sizeof header, "Last-Event-ID: %lld\r\n", last_id(text));
    wire_cut(&wire);
    kill_serve();
    count_event("e3", "b");
    start((const char *const[]){NULL});
    count_event("e4", "a");
    listen_to(&wire, "view=hits", header);
    text = hear(&wire, "\"n\":3");
    cr_assert_not_null(strstr(text, "\"host\":\"b\""), "%s", text);
    cr_assert_null(strstr(text, "\"n\":2"), "it is told again: %s", text);
    cr_assert_null(strstr(text, "snapshot"), "%s", text);
    wire_close(&wire);
    listen_to(&wire, "view=seen", "");
    text = hear(&wire, "\"type\":\"snapshot\"");
    count_event("e5", "c");
    text = hear(&wire, "\"host\":\"c\"");
    cr_assert_not_null(strstr(text, "\"type\":\"events\""), "%s", text);
    cr_assert_not_null(strstr(text, "\"_partition\":0,\"_offset\":4,\"_row\":0"), "%s", text);
    wire_close(&wire);
    serve_stop(&serve);
}

/* Who is told of a change and asks at once gets it, though others have asked for the same until then. */
Test(serve_live, what_was_told_is_there_to_be_asked_for)
{
    static const char target[] = "/api/v1/views/hits?limit=1";
    static struct wire wire;
    struct serve_answer answer;
    struct run speed = {0};
    char line[200], words[16];

    count_event("e0", "a");
    run_start(&speed, (const char *const[]){"speed", "--views", p.views, "--data", p.data, "--tick", "20ms", NULL});
    start((const char *const[]){NULL});
    listen_to(&wire, "view=hits", "");
    (void)hear(&wire, "\"type\":\"snapshot\"");
    for (int n = 2; n < 22; n++) {
        snprintf(line, sizeof line, "{\"event_id\":\"e%d\",\"host\":\"a\",\"event_time\":\"2024-03-01T10:00:00.000Z\"}", n);
        snprintf(words, sizeof words, "\"n\":%d", n);
        answer = serve_get(&serve, target);
        serve_done(&answer);
        pipeline_append(&p, 1, &(struct tl_log_record){.log_ms = tl_clock_wall_ms(), .value = tl_sv_from(line)}, 1);
        (void)hear(&wire, words);
        answer = serve_get(&serve, target);
        cr_assert_not_null(strstr(answer.body, words), "%s is not in %s", words, answer.body);
        serve_done(&answer);
    }
    wire_close(&wire);
    serve_stop(&serve);
    run_done(&speed);
}

/* ---- as openapi.json says ---- */

ParameterizedTestParameters(serve_live, openapi_and_what_is_pushed_agree)
{
    return cr_make_param_array(char[16], backends, sizeof backends / sizeof *backends);
}

ParameterizedTest(char (*backend)[16], serve_live, openapi_and_what_is_pushed_agree)
{
    const char *python = getenv("TALLY_SCHEMATHESIS");
    bool is_file = strcmp(*backend, "sqlite") == 0;
    char grown[300], later[300], late[300], away[1200], command[4000];

    if (python == NULL)
        python = "build/schemathesis/bin/python";
    if (access(python, X_OK) != 0)
        cr_skip_test("Schemathesis is not there (TALLY_SCHEMATHESIS)");
    use_store(*backend);
    count_event("e1", "a");
    start((const char *const[]){NULL});
    snprintf(grown, sizeof grown, "%s", write_event("grown", "a", "10:30:00"));
    snprintf(later, sizeof later, "%s", write_event("later", "b", "23:59:59"));
    snprintf(late, sizeof late, "%s", write_event("late", "a", "10:40:00"));
    snprintf(away, sizeof away, "mv %s/views.db %s/away.db && sleep 2 && mv %s/away.db %s/views.db", p.data, p.data, p.data,
             p.data);
    snprintf(command, sizeof command,
             "TALLY_VIEWS='%s' TALLY_DATA='%s' PATH=\"$(dirname '%s'):$PATH\" '%s' -B tests/reference/live_check.py "
             "http://127.0.0.1:%u '%s' 'tally import %s --format jsonl && tally speed --once' "
             "'tally import %s %s --format jsonl && tally speed --once' "
             "'tally archive && tally batch --to 2024-03-01T11:00:00Z' '%s' 1>&2",
             p.views, p.data, run_program(), python, (unsigned)serve.port, is_file ? "stale" : "", grown, later, late,
             is_file ? away : ":");
    cr_assert_eq(system(command), 0, "%s", run_err_so_far(&serve.run));
    serve_stop(&serve);
}

/* ---- who may listen ---- */

static int upgrade(const char *headers)
{
    static struct wire wire;

    wire_open(&wire, serve.port);
    wire_say(&wire,
             "GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             serve.port, headers);
    cr_assert(wire_head(&wire));
    wire_close(&wire);
    return wire.status;
}

/* Any page may open a WebSocket to anywhere, and the browser sends what it knows: only the Origin tells. */
Test(serve_live, pages_of_others_do_not_listen)
{
    static struct wire wire;
    char own[100];

    count_event("e1", "a");
    start((const char *const[]){"--cors", "https://good.example", NULL});
    snprintf(own, sizeof own, "Origin: http://127.0.0.1:%u\r\n", serve.port);
    cr_assert_eq(upgrade(""), 101);
    cr_assert_eq(upgrade(own), 101);
    cr_assert_eq(upgrade("Origin: https://good.example\r\n"), 101);
    cr_assert_eq(upgrade("Origin: https://evil.example\r\n"), 403);
    cr_assert_eq(upgrade("Origin: null\r\n"), 403);
    listen_to(&wire, "view=hits", "Origin: https://good.example\r\n");
    cr_assert_str_eq(wire_header(&wire, "access-control-allow-origin"), "https://good.example");
    wire_close(&wire);
    listen_to(&wire, "view=hits", "Origin: https://evil.example\r\n");
    cr_assert_null(wire_header(&wire, "access-control-allow-origin"));
    wire_close(&wire);
    serve_stop(&serve);
}

Test(serve_live, a_secret_is_needed_here_too)
{
    static struct wire wire;

    count_event("e1", "a");
    cr_assert_eq(setenv("TALLY_SERVE_TOKEN", "a-secret-of-some-length", 1), 0);
    start((const char *const[]){NULL});
    cr_assert_eq(upgrade(""), 401);
    listen_to(&wire, "view=hits", "");
    cr_assert_eq(wire.status, 401);
    wire_close(&wire);
    cr_assert_eq(upgrade("Authorization: Bearer a-secret-of-some-length\r\n"), 101);
    unsetenv("TALLY_SERVE_TOKEN");
    serve_stop(&serve);
}

static int session(const char *method, const char *headers, char cookie[256])
{
    struct serve_answer answer = serve_ask(&serve, method, "/session", headers);
    const char *given = serve_header(&answer, "Set-Cookie");
    int status = answer.status;

    snprintf(cookie, 256, "%s", given);
    cr_expect_null(strstr(answer.http.all, "Basic"), "a browser would ask besides: %s", answer.http.all);
    serve_done(&answer);
    return status;
}

static int ask_with(const char *target, const char *headers)
{
    struct serve_answer answer = serve_ask(&serve, "GET", target, headers);
    int status = answer.status;

    serve_done(&answer);
    return status;
}

/* A browser can send no token by itself: the page that it gets sends it once, for a cookie. */
Test(serve_live, a_browser_signs_in_for_a_cookie)
{
    static const char secrets[] = "token wall a-secret-of-some-length\nbasic ann pass word!\n";
    static struct wire wire;
    char cookie[256], header[300], both[400], name[80], file[300];
    struct serve_answer answer;

    count_event("e1", "a");
    snprintf(file, sizeof file, "%s", run_file_write(p.dir, "secrets", secrets));
    start((const char *const[]){"--auth-file", file, "--cors", "https://good.example", NULL});
    answer = serve_ask(&serve, "GET", "/", "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n");
    cr_assert_eq(answer.status, 401);
    cr_assert_str_eq(serve_header(&answer, "Content-Type"), "text/html; charset=utf-8");
    cr_assert_str_eq(serve_header(&answer, "WWW-Authenticate"), "Bearer");
    cr_assert_not_null(strstr(serve_header(&answer, "Content-Security-Policy"), "script-src 'self'"));
    cr_assert_not_null(strstr(answer.body, "sign_in.js"));
    serve_done(&answer);
    answer = serve_ask(&serve, "GET", "/", "");
    cr_assert_str_eq(serve_header(&answer, "Content-Type"), "application/problem+json");
    serve_done(&answer);
    cr_assert_eq(ask_with("/sign_in.js", ""), 200);
    cr_assert_eq(ask_with("/app.css", ""), 200);
    cr_assert_eq(ask_with("/app.js", ""), 401);
    cr_assert_eq(ask_with("/sign_in.html", ""), 401);

    cr_assert_eq(session("POST", "", cookie), 401);
    cr_assert_eq(session("DELETE", "", cookie), 401);
    cr_assert_eq(session("POST", "Authorization: Bearer another-secret-of-it\r\n", cookie), 401);
    cr_assert_str_eq(cookie, "");
    cr_assert_eq(session("POST", "Authorization: Basic YW5uOnBhc3Mgd29yZCE=\r\n", cookie), 204);
    cr_assert_eq(session("POST", "Authorization: Bearer a-secret-of-some-length\r\n", cookie), 204);
    cr_assert_not_null(strstr(cookie, "; Path=/; HttpOnly; SameSite=Strict"), "%s", cookie);
    cr_assert_null(strstr(cookie, "a-secret"));
    *strchr(cookie, ';') = '\0';
    snprintf(name, sizeof name, "%.*s", (int)strcspn(cookie, "="), cookie);

    snprintf(header, sizeof header, "Cookie: %s\r\n", cookie);
    cr_assert_eq(ask_with("/", header), 200);
    cr_assert_eq(ask_with("/api/v1/views", header), 200);
    /* There it would see that somebody is in, and load itself again, and again. */
    cr_assert_eq(ask_with("/sign_in.html", header), 404);
    cr_assert_eq(upgrade(header), 101);
    snprintf(both, sizeof both, "%sOrigin: http://127.0.0.1:%u\r\n", header, serve.port);
    cr_assert_eq(upgrade(both), 101);
    /* A browser sends a cookie for whoever asks: what --cors lets in shows a secret of its own. */
    snprintf(both, sizeof both, "%sOrigin: https://good.example\r\n", header);
    cr_assert_eq(upgrade(both), 403);
    cr_assert_eq(upgrade("Authorization: Bearer a-secret-of-some-length\r\nOrigin: https://good.example\r\n"), 101);
    snprintf(both, sizeof both, "%sAuthorization: Bearer another-secret-of-it\r\n", header);
    cr_assert_eq(ask_with("/api/v1/views", both), 401);
    snprintf(both, sizeof both, "Cookie: a=b; %s=0; %s\r\n", name, cookie);
    cr_assert_eq(ask_with("/api/v1/views", both), 200);
    snprintf(both, sizeof both, "Cookie: %s0\r\n", cookie);
    cr_assert_eq(ask_with("/api/v1/views", both), 401);
    snprintf(both, sizeof both, "Cookie: %s=\r\n", name);
    cr_assert_eq(ask_with("/api/v1/views", both), 401);

    listen_to(&wire, "view=hits", header);
    (void)hear(&wire, "\"snapshot\"");
    cr_assert_eq(session("DELETE", header, cookie), 204);
    cr_assert_not_null(strstr(cookie, "; Max-Age=0"), "%s", cookie);
    cr_assert_eq(ask_with("/api/v1/views", header), 401);
    (void)hear(&wire, "0\r\n\r\n");
    wire_close(&wire);
    serve_stop(&serve);
}

/* By whichever way a wrong secret comes. */
Test(serve_live, who_guesses_at_the_door_waits)
{
    char cookie[256];
    int refused = 0;

    count_event("e1", "a");
    cr_assert_eq(setenv("TALLY_SERVE_TOKEN", "a-secret-of-some-length", 1), 0);
    start((const char *const[]){NULL});
    for (int i = 0; i < 30; i++)
        refused += session("POST", "Authorization: Bearer another-secret-of-it\r\n", cookie) == 429;
    cr_assert_geq(refused, 6);
    cr_assert_eq(session("POST",
                         "Authorization: Bearer a-secret-of-some-length\r\nOrigin: https://numbers.example\r\n"
                         "Sec-Fetch-Site: same-origin\r\n",
                         cookie),
                 204);
    cr_assert_not_null(strstr(cookie, "; Secure"), "a proxy has ended TLS: %s", cookie);
    unsetenv("TALLY_SERVE_TOKEN");
    serve_stop(&serve);
}

/* Where there are passwords alone the browser asks by itself, and where there is nothing to sign in to there is nothing to change. */
Test(serve_live, nobody_signs_in_who_need_not)
{
    char file[300];
    struct serve_answer answer;

    count_event("e1", "a");
    snprintf(file, sizeof file, "%s", run_file_write(p.dir, "secrets", "basic ann pass word!\n"));
    start((const char *const[]){"--auth-file", file, NULL});
    answer = serve_ask(&serve, "GET", "/", "Accept: text/html\r\n");
    cr_assert_eq(answer.status, 401);
    cr_assert_not_null(strstr(serve_header(&answer, "WWW-Authenticate"), "Basic realm=\"tally\""));
    serve_done(&answer);
    serve_stop(&serve);
    start((const char *const[]){NULL});
    answer = serve_ask(&serve, "POST", "/session", "Authorization: Bearer a-secret-of-some-length\r\n");
    cr_assert_eq(answer.status, 405);
    serve_done(&answer);
    serve_stop(&serve);
}

/* It says nothing of where the store is, and what there is instead. */
Test(serve_live, an_unknown_view_is_refused_with_those_that_there_are)
{
    struct serve_answer answer;

    count_event("e1", "a");
    start((const char *const[]){NULL});
    answer = serve_get(&serve, "/api/v1/live/sse?view=hitz");
    cr_assert_eq(answer.status, 404);
    cr_assert_not_null(strstr(answer.body, "there is no view 'hitz'"), "%s", answer.body);
    cr_assert_not_null(strstr(answer.body, "\"allowed\": [\"hits\""), "%s", answer.body);
    cr_assert_null(strstr(answer.body, p.dir), "%s", answer.body);
    serve_done(&answer);
    serve_stop(&serve);
}

/* ---- what monitors see ---- */

static double sample(const char *name)
{
    char *page = http_wait_for(serve.monitor, "/metrics", 200, name, 5000);
    double value;

    cr_assert_not_null(page, "%s", name);
    value = http_sample(page, name);
    free(page);
    return value;
}

static void wait_for_sample(const char *line)
{
    char *page = http_wait_for(serve.monitor, "/metrics", 200, line, 5000);

    cr_assert_not_null(page, "%s", line);
    free(page);
}

Test(serve_live, monitors_see_who_listens)
{
    static struct wire wire;

    count_event("e1", "a");
    start((const char *const[]){NULL});
    cr_assert_eq(sample("tally_serve_live_clients{kind=\"websocket\"}"), 0);
    listen_to(&wire, "view=hits", "");
    (void)hear(&wire, "\"type\":\"snapshot\"");
    count_event("e2", "a");
    (void)hear(&wire, "\"n\":2");
    wait_for_sample("\ntally_serve_live_messages_total 2\n");
    cr_assert_eq(sample("tally_serve_live_clients{kind=\"sse\"}"), 1);
    cr_assert_eq(sample("tally_serve_live_subscriptions"), 1);
    cr_assert_eq(sample("tally_serve_live_views"), 1);
    cr_assert_gt(sample("tally_serve_live_sent_bytes_total"), 200);
    cr_assert_gt(sample("tally_serve_live_journal_bytes"), 20);
    cr_assert_eq(sample("tally_serve_live_lagging_clients"), 0);
    cr_assert_eq(sample("tally_serve_live_cut_off_clients_total"), 0);
    cr_assert_eq(sample("tally_serve_requests_total{status=\"200\"}"), 1);
    cr_assert_eq(upgrade(""), 101);
    wait_for_sample("\ntally_serve_requests_total{status=\"101\"} 1\n");
    wire_close(&wire);
    wait_for_sample("\ntally_serve_live_clients{kind=\"sse\"} 0\n");
    serve_stop(&serve);
}
