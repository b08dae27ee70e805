/* serve_test.c: the API as programs ask it, over both stores: rows, pages, formats, what is refused, what is kept, and what is said while the store is away. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "support/serve_run.h"
#include "support/store_fixture.h"
#include "support/tcp_proxy.h"

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, url STRING, ms BIGINT, event_time TIMESTAMP_LTZ(3), WATERMARK FOR "
    "event_time AS event_time)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n, AVG(CAST(ms AS DOUBLE)) AS mean\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '30' MINUTE))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW pages AS SELECT event_time, host, url FROM events;\n";

static struct pipeline p;
static struct serve serve;
static char store_url[512];

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

TestSuite(serve, .init = open_pipeline, .fini = close_pipeline, .timeout = 120);

/* "sqlite": the pipeline's own file. */
static void use_store(const char *backend)
{
    if (strcmp(backend, "postgres") != 0)
        return;
    store_postgres.url(store_url);
    cr_assert_eq(setenv("TALLY_STORE", store_url, 1), 0);
}

/* Appends an event of the first of March. `url` as JSON has it between its quotes. */
static void put_event(struct tl_buf *lines, const char *id, const char *host, const char *time, const char *url)
{
    tl_buf_printf(lines, "{\"event_id\":\"%s\",\"host\":\"%s\",\"url\":\"%s\",\"ms\":%d,\"event_time\":\"2024-03-01T%s.000Z\"}\n",
                  id, host, url, (int)strlen(id), time);
}

static void import_lines(struct tl_buf *lines, const char *name)
{
    char path[300];

    tl_buf_put_u8(lines, '\0');
    snprintf(path, sizeof path, "%s", run_file_write(p.dir, name, lines->data));
    tl_buf_done(lines);
    TALLY(&p, 0, "import", path, "--format", "jsonl");
}

/* 24 hours of three hosts, of which batch has the first 24 published where `batch`. */
static void count_a_day(bool batch)
{
    struct tl_buf lines;

    tl_buf_init(&lines, 0);
    for (int hour = 0; hour < 24; hour++)
        for (int host = 0; host < 3; host++)
            for (int n = 0; n <= host; n++) {
                char id[32], name[16], time[16];

                snprintf(id, sizeof id, "%d-%d-%d", hour, host, n);
                snprintf(name, sizeof name, "h%d", host);
                snprintf(time, sizeof time, "%02d:%02d:00", hour, 10 * n);
                put_event(&lines, id, name, time, "/");
            }
    import_lines(&lines, "day.jsonl");
    TALLY(&p, 0, "speed", "--once");
    if (!batch)
        return;
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2024-03-02");
}

static void start(const char *const *args)
{
    serve_start(&serve, &p, args);
    serve_found(&serve);
}

#define START(...) start((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define SAYS(text, words) cr_assert_not_null(strstr((text), (words)), "'%s' is not in: %s", (words), (text))
#define SAYS_NOT(text, words) cr_assert_null(strstr((text), (words)), "'%s' is in: %s", (words), (text))

static int times_in(const char *text, const char *words)
{
    int times = 0;

    for (const char *at = text; (at = strstr(at, words)) != NULL; at += strlen(words))
        times++;
    return times;
}

static double sample(const char *series)
{
    struct http_answer answer = http_get(serve.monitor, "/metrics");
    double value = http_sample(answer.body, series);

    http_done(&answer);
    return value;
}

static char backends[][16] = {"sqlite", "postgres"};

#define ON_BOTH_STORES(name)                                                                                                     \
    static void name(void);                                                                                                      \
    ParameterizedTestParameters(serve, name)                                                                                     \
    {                                                                                                                            \
        return cr_make_param_array(char[16], backends, 2);                                                                       \
    }                                                                                                                            \
    ParameterizedTest(char backend[16], serve, name, .init = open_pipeline, .fini = close_pipeline, .timeout = 120)              \
    {                                                                                                                            \
        use_store(backend);                                                                                                      \
        name();                                                                                                                  \
    }                                                                                                                            \
    static void name(void)

/* ---- what is answered ---- */

ON_BOTH_STORES(every_resource_answers)
{
    struct serve_answer answer;

    count_a_day(true);
    TALLY(&p, 0, "reconcile");
    START();
    answer = serve_get(&serve, "/api/v1/views");
    cr_assert_eq(answer.status, 200, "%s", answer.http.all);
    cr_assert_str_eq(serve_header(&answer, "Content-Type"), "application/json");
    SAYS(answer.body, "{\"name\": \"hits\", \"kind\": \"tumble\", \"columns\": [{\"name\": \"window_start\", ");
    SAYS(answer.body, "{\"name\": \"host\", \"type\": \"STRING\", \"role\": \"key\"}");
    SAYS(answer.body, "{\"name\": \"visits\", \"kind\": \"session\"");
    SAYS(answer.body, "{\"name\": \"pages\", \"kind\": \"events\", \"columns\": [{\"name\": \"event_time\", \"type\": "
                      "\"TIMESTAMP_LTZ(3)\", \"role\": \"time\"}");
    SAYS(answer.body, "\"boundary\": \"2024-03-02T00:00:00.000Z\"");
    SAYS(answer.body, "\"pending\": 0");
    SAYS(answer.body, "\"stale\": false}\n");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/views/hits?limit=1");
    SAYS(answer.body,
         "\"rows\": [\n{\"window_start\":\"2024-03-01T00:00:00.000Z\",\"window_end\":\"2024-03-01T01:00:00.000Z\",\"host\":"
         "\"h0\",\"n\":1,\"mean\":5,\"_layer\":\"batch\",\"_final\":true}\n], \"next_cursor\": \"");
    SAYS(answer.body, "\"boundary\": \"2024-03-02T00:00:00.000Z\", \"freshness\": {\"final_to\": ");
    cr_assert_str_eq(serve_header(&answer, "Tally-Boundary"), "2024-03-02T00:00:00.000Z");
    cr_assert_str_eq(serve_header(&answer, "Tally-Stale"), "");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/runs");
    SAYS(answer.body, "{\"runs\": [\n{\"run\":1,\"state\":\"published\",\"reason\":");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/runs/1");
    SAYS(answer.body, "{\"run\": {\"run\":1,");
    SAYS(answer.body, "\"ranges\": [\n{\"view\":\"hits\",");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/checks");
    SAYS(answer.body, "{\"checks\": [");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/reconciliations");
    SAYS(answer.body, "{\"reconciliations\": [\n{\"id\": 1, ");
    SAYS(answer.body, "\"unexplained\": 0");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/reconciliations/1");
    SAYS(answer.body, "{\"reconciliation\": \n{\"id\": 1, ");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/status");
    SAYS(answer.body, "\"views\": [\n    {\"view\": \"hits\", ");
    SAYS(answer.body, "\"archive\": [\n    {\"topic\": \"events\", ");
    SAYS(answer.body, "\"agrees\": true,\n  \"as_of\": ");
    serve_done(&answer);
    answer = serve_ask(&serve, "HEAD", "/api/v1/views", "");
    cr_assert_eq(answer.status, 200);
    cr_assert_gt(answer.size, 100);
    cr_assert_str_eq(answer.body, "");
    serve_done(&answer);
    serve_stop(&serve);
}

/* The layers apart, and time: (from, to] of windows, [from, to) of events. */
ON_BOTH_STORES(rows_of_a_layer_and_a_time)
{
    static const struct {
        const char *query;
        int rows;
    } cases[] = {
        {"hits?limit=100",                                                72},
        {"hits?layer=speed&limit=100",                                    72},
        {"hits?layer=batch&limit=100",                                    72},
        {"hits?from=2024-03-01T10:00:00Z&to=2024-03-01T12:00:00Z",        6 },
        {"hits?from=2024-03-01T11:00:00%2B01:00&to=2024-03-01T12:00:00Z", 6 },
        {"hits?from=2024-03-01T11:00:00+01:00&to=2024-03-01T12:00:00Z",   6 },
        {"hits?from=2024-03-02",                                          0 },
        {"hits?where=host:eq:h2",                                         24},
        {"hits?where=host:in:h0,h2&where=n:gt:1",                         24},
        {"hits?where=n:ge:2&to=2024-03-01T01:00:00Z",                     2 },
        {"pages?from=2024-03-01T10:00:00Z&to=2024-03-01T10:10:00Z",       3 },
        {"pages?where=url:notnull&from=2024-03-01T23:00:00Z",             6 },
        {"visits?where=n:gt:2&limit=100",                                 24},
    };

    count_a_day(true);
    START();
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        char target[300];
        struct serve_answer answer;

        snprintf(target, sizeof target, "/api/v1/views/%s", cases[c].query);
        answer = serve_get(&serve, target);
        cr_expect_eq(answer.status, 200, "%s: %s", cases[c].query, answer.body);
        cr_expect_eq(times_in(answer.body, "\"_layer\":"), cases[c].rows, "%s: %d rows", cases[c].query,
                     times_in(answer.body, "\"_layer\":"));
        serve_done(&answer);
    }
    serve_stop(&serve);
}

ON_BOTH_STORES(pages_are_the_whole)
{
    char *whole, target[20000] = "/api/v1/views/hits?order=-n,host&limit=7&format=csv";
    struct serve_answer answer;
    struct tl_buf pages;
    int count = 0;

    count_a_day(true);
    START();
    answer = serve_get(&serve, "/api/v1/views/hits?order=-n,host&limit=100&format=csv");
    whole = strdup(answer.body);
    cr_assert_str_eq(serve_header(&answer, "Link"), "");
    serve_done(&answer);
    tl_buf_init(&pages, 0);
    for (;; count++) {
        const char *link;

        answer = serve_get(&serve, target);
        cr_assert_eq(answer.status, 200, "%s", answer.body);
        tl_buf_put_str(&pages, count == 0 ? answer.body : strchr(answer.body, '\n') + 1);
        link = serve_header(&answer, "Link");
        if (link[0] == '\0')
            break;
        cr_assert_eq(sscanf(link, "<%19999[^>]>; rel=\"next\"", target), 1, "%s", link);
        serve_done(&answer);
    }
    serve_done(&answer);
    tl_buf_put_u8(&pages, '\0');
    cr_assert_eq(count, 10);
    cr_assert_str_eq(pages.data, whole);
    tl_buf_done(&pages);
    free(whole);
    serve_stop(&serve);
}

ON_BOTH_STORES(what_is_wrong_is_said_with_what_would_do)
{
    static const struct {
        const char *target;
        int status;
        const char *words;
    } cases[] = {
        {"/api/v1/views/hitz",                               404, "\"allowed\": [\"hits\", \"visits\", \"pages\"]"                           },
        {"/api/v1/views/%68itz",                             404, "there is no view 'hitz'"                                                  },
        {"/api/v1/views/",                                   404, "\"allowed\": [\"/api/v1/views\", "                                        },
        {"/api/v1/views/hits/x",                             404, "there is no such path"                                                    },
        {"/nothing",                                         404, "\"/openapi.json\""                                                        },
        {"/api/v1/views/hits?lmit=1",                        400, "\"parameter\": \"lmit\", \"allowed\": [\"from\", \"to\", \"layer\", "     },
        {"/api/v1/views/hits?limit=1&limit=2",               400, "limit may be given once"                                                  },
        {"/api/v1/views/hits?limit=",                        400, "limit has no value"                                                       },
        {"/api/v1/views/hits?limit=0",                       400, "'0' is not a whole number from 1 to 10000"                                },
        {"/api/v1/views/hits?limit=10001",                   400, "\"parameter\": \"limit\""                                                 },
        {"/api/v1/views/hits?layer=both",                    400, "\"parameter\": \"layer\", \"allowed\": [\"merged\", \"speed\", \"batch\"]"},
        {"/api/v1/views/hits?format=xml",                    400, "\"allowed\": [\"json\", \"csv\", \"ndjson\"]"                             },
        {"/api/v1/views?format=csv",                         400, "\"allowed\": [\"json\"]"                                                  },
        {"/api/v1/views/hits?from=yesteryear",               400, "\"parameter\": \"from\""                                                  },
        {"/api/v1/views/hits?from=2024-03-01T00:00:00",      400, "does not say its zone"                                                    },
        {"/api/v1/views/hits?from=2024-03-02&to=2024-03-01", 400, "from must be before to"                                                   },
        {"/api/v1/views/hits?where=nix:eq:1",                400, "\"parameter\": \"where\", \"allowed\": [\"window_start\", "               },
        {"/api/v1/views/hits?where=host:is:1",               400, "\"allowed\": [\"eq\", \"ne\", \"lt\", "                                   },
        {"/api/v1/views/hits?where=n:eq:many",               400, "column 'n' is BIGINT"                                                     },
        {"/api/v1/views/hits?order=-nix",                    400, "\"parameter\": \"order\""                                                 },
        {"/api/v1/views/hits?cursor=AAAA",                   400, "\"parameter\": \"cursor\""                                                },
        {"/api/v1/views/hits?limit=%zz",                     400, "\"parameter\": \"limit\""                                                 },
        {"/api/v1/views/hits?where=host:eq:%00",             400, "percent-encoded UTF-8"                                                    },
        {"/api/v1/views/hits?where=host:eq:%ff",             400, "percent-encoded UTF-8"                                                    },
        {"/api/v1/views/%ff",                                400, "percent-encoded UTF-8"                                                    },
        {"/api/v1/runs/7",                                   404, "there is no run 7"                                                        },
        {"/api/v1/runs/x",                                   404, "'x': a run has a number"                                                  },
        {"/api/v1/runs/99999999999999999999",                404, "a run has a number"                                                       },
        {"/api/v1/reconciliations/1",                        404, "there is no reconciliation 1"                                             },
        {"/api/v1/reconciliations?view=hitz",                404, "\"parameter\": \"view\", \"allowed\": [\"hits\""                          },
        {"/api/v1/checks?failed=maybe",                      400, "\"allowed\": [\"false\", \"true\"]"                                       },
    };
    struct serve_answer answer;

    count_a_day(false);
    START();
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        answer = serve_get(&serve, cases[c].target);
        cr_expect_eq(answer.status, cases[c].status, "%s: %s", cases[c].target, answer.http.all);
        cr_expect_str_eq(serve_header(&answer, "Content-Type"), "application/problem+json", "%s", cases[c].target);
        cr_expect(strstr(answer.body, cases[c].words) != NULL, "%s: %s", cases[c].target, answer.body);
        serve_done(&answer);
    }
    answer = serve_ask(&serve, "DELETE", "/api/v1/views/hits", "");
    cr_assert_eq(answer.status, 405);
    cr_assert_str_eq(serve_header(&answer, "Allow"), "GET, HEAD, OPTIONS");
    serve_done(&answer);
    answer = serve_ask(&serve, "GET", "/api/v1/views/hits", "Accept: text/html\r\n");
    cr_assert_eq(answer.status, 406);
    SAYS(answer.body, "\"allowed\": [\"application/json\", \"text/csv\", \"application/x-ndjson\"]");
    serve_done(&answer);
    serve_stop(&serve);
}

Test(serve, formats_are_chosen_by_accept_or_by_the_query)
{
    static const struct {
        const char *target, *accept, *type;
    } cases[] = {
        {"/api/v1/views/hits",            "",                                                   "application/json"       },
        {"/api/v1/views/hits",            "Accept: */*\r\n",                                    "application/json"       },
        {"/api/v1/views/hits",            "Accept: text/html, */*;q=0.8\r\n",                   "application/json"       },
        {"/api/v1/views/hits",            "Accept: text/csv\r\n",                               "text/csv; charset=utf-8"},
        {"/api/v1/views/hits",            "Accept: TEXT/*\r\n",                                 "text/csv; charset=utf-8"},
        {"/api/v1/views/hits",            "Accept: application/x-ndjson\r\n",                   "application/x-ndjson"   },
        {"/api/v1/views/hits",            "Accept: text/csv;q=0.5, application/json;q=0.4\r\n", "text/csv; charset=utf-8"},
        {"/api/v1/views/hits",            "Accept: application/json;q=0, */*\r\n",              "text/csv; charset=utf-8"},
        {"/api/v1/views/hits?format=csv", "Accept: application/json\r\n",                       "text/csv; charset=utf-8"},
        {"/openapi.json",                 "",                                                   "application/json"       },
    };

    count_a_day(false);
    START();
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        struct serve_answer answer = serve_ask(&serve, "GET", cases[c].target, cases[c].accept);

        cr_expect_eq(answer.status, 200, "%s", answer.body);
        cr_expect_str_eq(serve_header(&answer, "Content-Type"), cases[c].type, "%s%s", cases[c].target, cases[c].accept);
        serve_done(&answer);
    }
    serve_stop(&serve);
}

/* Urls come from whoever asks a site: they stay texts. */
ON_BOTH_STORES(hostile_texts_are_texts)
{
    struct serve_answer answer;
    struct tl_buf lines;

    tl_buf_init(&lines, 0);
    put_event(&lines, "a", "x", "01:00:00", "<script>alert(1)</script>");
    put_event(&lines, "b", "x", "01:00:01", "a\\\"b\\\\c,\\u0001\\r\\nd");
    put_event(&lines, "c", "x", "01:00:02", "\\u202eevil\xf0\x9f\x98\x80");
    put_event(&lines, "d", "x", "01:00:03", "=cmd|' /C calc'!A0");
    put_event(&lines, "e", "x", "01:00:04", " @SUM(1)");
    import_lines(&lines, "hostile.jsonl");
    TALLY(&p, 0, "speed", "--once");
    START();
    answer = serve_get(&serve, "/api/v1/views/pages");
    SAYS(answer.body, "\"url\":\"<script>alert(1)</script>\"");
    SAYS(answer.body, "\"url\":\"a\\\"b\\\\c,\\u0001\\r\\nd\"");
    SAYS(answer.body, "\"url\":\"\xe2\x80\xae"
                      "evil\xf0\x9f\x98\x80\"");
    cr_assert_str_eq(serve_header(&answer, "X-Content-Type-Options"), "nosniff");
    SAYS(serve_header(&answer, "Content-Security-Policy"), "default-src 'none'");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/views/pages?format=csv");
    SAYS(answer.body, "x,\"a\"\"b\\c,\x01\r\nd\",speed");
    SAYS(answer.body, "x,'=cmd|' /C calc'!A0,speed");
    SAYS(answer.body, "x, '@SUM(1),speed");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/views/pages?format=ndjson");
    cr_assert_eq(times_in(answer.body, "\n"), 5);
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/views/pages?where=url:eq:%3Cscript%3Ealert(1)%3C/script%3E");
    cr_assert_eq(times_in(answer.body, "\"_layer\":"), 1);
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/views/%22%3Cscript%3E");
    cr_assert_eq(answer.status, 404);
    SAYS(answer.body, "there is no view '\\\"<script>'");
    serve_done(&answer);
    answer = serve_get(&serve, "/api/v1/views/pages?where=url:eq:'%20OR%201=1--");
    cr_assert_eq(times_in(answer.body, "\"_layer\":"), 0);
    serve_done(&answer);
    serve_stop(&serve);
}

/* As openapi.json says: each resource, and what Schemathesis comes to think of. */
ON_BOTH_STORES(openapi_and_the_answers_agree)
{
    const char *python = getenv("TALLY_SCHEMATHESIS");
    struct tl_buf lines;
    char command[600];

    if (python == NULL)
        python = "build/schemathesis/bin/python";
    if (access(python, X_OK) != 0)
        cr_skip_test("Schemathesis is not there (TALLY_SCHEMATHESIS)");
    count_a_day(true);
    tl_buf_init(&lines, 0);
    put_event(&lines, "late", "h0", "11:55:00", "<script>\\u202e");
    put_event(&lines, "next", "h9", "23:59:59", "/");
    import_lines(&lines, "more.jsonl");
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2024-03-02");
    TALLY(&p, -1, "reconcile");
    START();
    snprintf(command, sizeof command, "'%s' -B tests/reference/openapi_check.py http://127.0.0.1:%u hits visits pages 1>&2",
             python, (unsigned)serve.port);
    cr_assert_eq(system(command), 0, "%s", run_err_so_far(&serve.run));
    serve_stop(&serve);
}

/* A day's mean is none of the hours' means, and visitors of two hours are counted once. */
ON_BOTH_STORES(longer_spans_are_counted_as_if_they_were_windows)
{
    static const struct {
        const char *target;
        int status;
        const char *words;
    } cases[] = {
        {"hits?bucket=12h&format=csv",                             200,
         "window_start,window_end,n,mean,_layer,_final\r\n2024-03-01T00:00:00.000Z,2024-03-01T12:00:00.000Z,72,5.1"                  },
        {"hits?group_by=host&format=csv",                          200, "2024-03-01T00:00:00.000Z,2024-03-02T00:00:00.000Z,h2,72,5.5"},
        {"hits?group_by=host&bucket=1d&where=host:eq:h1&order=-n", 200, "\"host\":\"h1\",\"n\":48,\"mean\":5.5"                      },
        {"hits?bucket=1d&zone=Europe/Berlin&format=csv",           200, "2024-02-29T23:00:00.000Z,2024-03-01T23:00:00.000Z,138"      },
        {"hits?bucket=1h&limit=3",                                 200, "\"more\": true"                                             },
        {"hits?bucket=12h",                                        200, "\"next_cursor\": null, \"more\": false"                     },
        {"hits?bucket=90min",                                      400, "\"parameter\": \"bucket\""                                  },
        {"hits?bucket=soon",                                       400, "15min, 1h or 1d would do"                                   },
        {"hits?group_by=n",                                        400, "\"parameter\": \"group_by\", \"allowed\": [\"host\"]"       },
        {"hits?group_by=host,nix",                                 400, "\"parameter\": \"group_by\""                                },
        {"hits?zone=Europe/Berlin",                                400, "zone is for buckets"                                        },
        {"hits?bucket=1d&zone=../../etc/passwd",                   400, "\"parameter\": \"zone\""                                    },
        {"hits?bucket=1d&cursor=AAAA",                             400, "\"parameter\": \"cursor\""                                  },
        {"pages?bucket=1d",                                        400, "\"parameter\": \"bucket\""                                  },
    };

    count_a_day(true);
    START();
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        char target[300];
        struct serve_answer answer;

        snprintf(target, sizeof target, "/api/v1/views/%s", cases[c].target);
        answer = serve_get(&serve, target);
        cr_expect_eq(answer.status, cases[c].status, "%s: %s", cases[c].target, answer.body);
        cr_expect(strstr(answer.body, cases[c].words) != NULL, "%s: %s", cases[c].target, answer.body);
        serve_done(&answer);
    }
    serve_stop(&serve);
}

/* A roll-up has no pages, and CSV and NDJSON have no place to say so but the headers: who sums what a spreadsheet has got must know that it is not all. */
ON_BOTH_STORES(who_gets_a_part_of_a_rollup_is_told)
{
    static const struct {
        const char *target, *more;
    } cases[] = {
        {"bucket=1h&limit=3&format=csv",    "true"},
        {"bucket=1h&limit=3&format=ndjson", "true"},
        {"bucket=12h&format=csv",           ""    },
        {"bucket=12h&format=ndjson",        ""    },
        {"limit=3&format=csv",              "true"},
        {"limit=1000&format=csv",           ""    },
    };

    count_a_day(true);
    START();
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        char target[300];
        struct serve_answer answer;

        snprintf(target, sizeof target, "/api/v1/views/hits?%s", cases[c].target);
        answer = serve_get(&serve, target);
        cr_expect_eq(answer.status, 200, "%s: %s", cases[c].target, answer.body);
        cr_expect_str_eq(serve_header(&answer, "Tally-More"), cases[c].more, "%s", cases[c].target);
        serve_done(&answer);
    }
    serve_stop(&serve);
}

/* Whoever reads rows by the list of columns finds the same list wherever it stands. */
ON_BOTH_STORES(columns_are_the_same_wherever_they_are_listed)
{
    static const char *const views[] = {"hits", "visits", "pages"};
    struct serve_answer list, rows;

    count_a_day(true);
    START();
    list = serve_get(&serve, "/api/v1/views");
    SAYS(list.body, "{\"name\": \"window_start\", \"type\": \"TIMESTAMP_LTZ(3)\", \"role\": \"window_start\"}");
    for (size_t v = 0; v < TL_COUNT(views); v++) {
        char target[100], *columns;

        snprintf(target, sizeof target, "/api/v1/views/%s?limit=1", views[v]);
        rows = serve_get(&serve, target);
        columns = strstr(rows.body, "\"columns\": [");
        cr_assert_not_null(columns, "%s", rows.body);
        columns[strcspn(columns, "]")] = '\0';
        SAYS(list.body, columns);
        serve_done(&rows);
    }
    serve_done(&list);
    serve_stop(&serve);
}

/* ---- what is kept ---- */

static char *etag_of(const char *target)
{
    struct serve_answer answer = serve_get(&serve, target);
    char *etag = strdup(serve_header(&answer, "ETag"));

    cr_assert_eq(answer.status, 200, "%s", answer.body);
    serve_done(&answer);
    return etag;
}

static int status_with(const char *target, const char *etag)
{
    char header[200];
    struct serve_answer answer;
    int status;

    snprintf(header, sizeof header, "If-None-Match: \"x\", %s%s\r\n", etag[0] == 'W' ? "" : "W/", etag);
    answer = serve_ask(&serve, "GET", target, header);
    status = answer.status;
    if (status == 304)
        cr_assert_str_eq(serve_header(&answer, "ETag"), etag);
    serve_done(&answer);
    return status;
}

static void expect_changed(const char *target, const char *etag, const char *what)
{
    int64_t until = tl_clock_monotonic_ms() + 5000;

    while (status_with(target, etag) == 304 && tl_clock_monotonic_ms() < until)
        tl_clock_sleep_ms(20);
    cr_assert_eq(status_with(target, etag), 200, "%s: %s is as before", what, target);
}

ON_BOTH_STORES(an_answer_holds_until_the_store_says_otherwise)
{
    static const char left[] = "/api/v1/views/hits?to=2024-03-01T12:00:00Z&limit=100",
                      right[] = "/api/v1/views/hits?from=2024-03-01T20:00:00Z";
    char *left_etag, *right_etag;
    struct tl_buf lines;
    double asked;

    count_a_day(true);
    START();
    left_etag = etag_of(left);
    right_etag = etag_of(right);
    cr_assert_eq(status_with(left, left_etag), 304);
    cr_assert_eq(status_with(right, right_etag), 304);
    asked = sample("tally_serve_answers_total{from=\"store\"}");
    for (int i = 0; i < 20; i++) {
        free(etag_of(left));
        free(etag_of(right));
    }
    cr_assert_eq(sample("tally_serve_answers_total{from=\"store\"}"), asked, "what holds was asked for again");
    cr_assert_geq(sample("tally_serve_answers_total{from=\"cache\"}"), 40);

    /* A tick: what lies left of the boundary is as it was. */
    tl_buf_init(&lines, 0);
    put_event(&lines, "late", "h0", "11:55:00", "/");
    put_event(&lines, "more", "h0", "23:59:59", "/");
    put_event(&lines, "next", "h9", "23:59:59", "/");
    import_lines(&lines, "more.jsonl");
    TALLY(&p, 0, "speed", "--once");
    expect_changed(right, right_etag, "after a tick");
    cr_assert_eq(status_with(left, left_etag), 304, "a tick has changed what is published");

    /* A publication, with the event that came late; and back. */
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "2024-03-02");
    expect_changed(left, left_etag, "after a publication");
    free(left_etag);
    left_etag = etag_of(left);
    TALLY(&p, 0, "batch", "--rollback");
    expect_changed(left, left_etag, "after a rollback");
    free(left_etag);
    free(right_etag);
    serve_stop(&serve);
}

static double number_behind(const char *body, const char *name)
{
    const char *at = strstr(body, name);

    cr_assert_not_null(at, "%s: %s", name, body);
    return atof(at + strlen(name));
}

/* Left of the boundary rows stay what they are, but the layers fall behind all the same; who knows the rows is told that they are the same. */
ON_BOTH_STORES(how_fresh_an_answer_is_does_not_stand_still)
{
    static const char left[] = "/api/v1/views/hits?to=2024-03-01T12:00:00Z&limit=100", runs[] = "/api/v1/runs";
    struct serve_answer first, second;
    char *etag, *csv_etag, *runs_etag;
    double asked;

    count_a_day(true);
    START();
    first = serve_get(&serve, left);
    etag = etag_of(left);
    csv_etag = etag_of("/api/v1/views/hits?to=2024-03-01T12:00:00Z&limit=100&format=csv");
    runs_etag = etag_of(runs);
    cr_assert(etag[0] == 'W' && csv_etag[0] == '"', "%s %s", etag, csv_etag);
    tl_clock_sleep_ms(10500);
    asked = sample("tally_serve_answers_total{from=\"store\"}");
    free(csv_etag);
    csv_etag = etag_of("/api/v1/views/hits?to=2024-03-01T12:00:00Z&limit=100&format=csv");
    cr_assert_eq(sample("tally_serve_answers_total{from=\"store\"}"), asked, "of what has no freshness nothing is old");
    cr_assert_eq(status_with(left, etag), 304, "the rows are the same");
    cr_assert_eq(status_with(runs, runs_etag), 304, "the runs are the same");
    second = serve_get(&serve, left);
    cr_assert_geq(number_behind(second.body, "\"speed_behind_s\": "), number_behind(first.body, "\"speed_behind_s\": ") + 10);
    cr_assert_geq(number_behind(second.body, "\"batch_behind_s\": "), number_behind(first.body, "\"batch_behind_s\": ") + 10);
    cr_assert_str_neq(strstr(second.body, "\"as_of\": "), strstr(first.body, "\"as_of\": "));
    cr_assert_str_neq(serve_header(&second, "Tally-As-Of"), serve_header(&first, "Tally-As-Of"));
    cr_assert_str_eq(serve_header(&second, "ETag"), etag);
    serve_done(&first);
    serve_done(&second);
    free(etag);
    free(csv_etag);
    free(runs_etag);
    serve_stop(&serve);
}

Test(serve, answers_are_packed_for_who_takes_it)
{
    static const char target[] = "/api/v1/views/hits?limit=100";
    struct serve_answer plain, packed;
    char *unpacked = calloc(1, 1 << 20);
    z_stream stream = {.zalloc = NULL};

    count_a_day(true);
    START();
    plain = serve_get(&serve, target);
    cr_assert_str_eq(serve_header(&plain, "Content-Encoding"), "");
    packed = serve_ask(&serve, "GET", target, "Accept-Encoding: br, gzip\r\n");
    cr_assert_str_eq(serve_header(&packed, "Content-Encoding"), "gzip");
    SAYS(serve_header(&packed, "Vary"), "Accept-Encoding");
    cr_assert_str_neq(serve_header(&packed, "ETag"), serve_header(&plain, "ETag"));
    cr_assert_lt(packed.size * 4, plain.size);
    cr_assert_eq(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = (Bytef *)packed.body;
    stream.avail_in = (uInt)packed.size;
    stream.next_out = (Bytef *)unpacked;
    stream.avail_out = 1 << 20;
    cr_assert_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    inflateEnd(&stream);
    cr_assert(stream.total_out == plain.size && memcmp(unpacked, plain.body, plain.size) == 0);
    serve_done(&packed);
    packed = serve_ask(&serve, "GET", target, "Accept-Encoding: gzip, zstd\r\n");
    cr_assert_str_eq(serve_header(&packed, "Content-Encoding"), "zstd");
    cr_assert_eq(ZSTD_decompress(unpacked, 1 << 20, packed.body, packed.size), plain.size);
    cr_assert(memcmp(unpacked, plain.body, plain.size) == 0);
    serve_done(&packed);
    packed = serve_ask(&serve, "GET", target, "Accept-Encoding: gzip;q=0, zstd;q=0.0\r\n");
    cr_assert_str_eq(serve_header(&packed, "Content-Encoding"), "");
    serve_done(&packed);
    serve_done(&plain);
    free(unpacked);
    serve_stop(&serve);
}

/* ---- while the store is away ---- */

static void expect_stale_and_back(void (*away)(void), void (*back)(void))
{
    static const char known[] = "/api/v1/views/hits?limit=3", unknown[] = "/api/v1/views/hits?limit=4",
                      csv[] = "/api/v1/views/hits?limit=3&format=csv";
    struct serve_answer answer;
    char *ready;

    free(etag_of(known));
    free(etag_of(csv));
    away();
    answer = serve_wait(&serve, known, 200, "Tally-Stale: ");
    SAYS(answer.body, "\"window_start\":\"2024-03-01T00:00:00.000Z\"");
    SAYS(answer.body, "\"stale\": true}\n");
    SAYS_NOT(answer.body, "\"stale\": false");
    cr_assert_str_eq(serve_header(&answer, "ETag"), "");
    cr_assert_str_eq(serve_header(&answer, "Cache-Control"), "no-store");
    serve_done(&answer);
    answer = serve_get(&serve, csv);
    cr_assert_eq(answer.status, 200);
    cr_assert_str_neq(serve_header(&answer, "Tally-Stale"), "");
    serve_done(&answer);
    answer = serve_get(&serve, unknown);
    cr_assert_eq(answer.status, 503, "%s", answer.body);
    cr_assert_str_eq(serve_header(&answer, "Retry-After"), "1");
    SAYS(answer.body, "the store does not answer");
    serve_done(&answer);
    ready = http_wait_for(serve.monitor, "/readyz", 503, "store", 5000);
    cr_assert_not_null(ready);
    free(ready);
    cr_assert_gt(sample("tally_serve_answers_total{from=\"stale\"}"), 0);
    back();
    answer = serve_wait(&serve, known, 200, "\"stale\": false");
    cr_assert_str_eq(serve_header(&answer, "Tally-Stale"), "");
    serve_done(&answer);
    answer = serve_wait(&serve, unknown, 200, "\"stale\": false");
    serve_done(&answer);
    ready = http_wait_for(serve.monitor, "/readyz", 200, "", 5000);
    cr_assert_not_null(ready);
    free(ready);
}

static void rename_away(void)
{
    char other[300];

    snprintf(other, sizeof other, "%s.away", p.store);
    cr_assert_eq(rename(p.store, other), 0);
}

static void rename_back(void)
{
    char other[300];

    snprintf(other, sizeof other, "%s.away", p.store);
    cr_assert_eq(rename(other, p.store), 0);
}

Test(serve, the_last_answer_is_given_while_the_file_is_away)
{
    count_a_day(true);
    START();
    expect_stale_and_back(rename_away, rename_back);
    serve_stop(&serve);
}

/* Somebody has thrown the store away, and it was made anew: nobody goes on reading the file that has no name any more. */
Test(serve, a_store_that_was_made_anew_is_the_one_that_is_read)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    struct serve_answer answer;
    struct tl_buf lines;

    count_a_day(false);
    START("--readers", "1");
    free(etag_of("/api/v1/views/hits?where=host:eq:anew"));
    for (size_t e = 0; e < TL_COUNT(endings); e++) {
        char path[300];

        snprintf(path, sizeof path, "%s%s", p.store, endings[e]);
        (void)unlink(path);
    }
    tl_buf_init(&lines, 0);
    put_event(&lines, "new", "anew", "23:59:59", "/");
    import_lines(&lines, "anew.jsonl");
    TALLY(&p, 0, "speed", "--once");
    answer = serve_wait(&serve, "/api/v1/views/hits?where=host:eq:anew", 200, "\"host\":\"anew\"");
    serve_done(&answer);
    serve_stop(&serve);
}

static struct tcp_proxy *proxy;

static void cut(void)
{
    tcp_proxy_cut(proxy, TCP_PROXY_ALL, 1);
    tcp_proxy_drop(proxy);
}

static void pass(void)
{
    tcp_proxy_cut(proxy, TCP_PROXY_PASS, 1);
}

Test(serve, the_last_answer_is_given_while_the_server_is_away)
{
    char through[600], *port;

    use_store("postgres");
    count_a_day(true);
    port = strrchr(store_url, '@');
    port = strchr(port, ':') + 1;
    proxy = tcp_proxy_open("nothing of that kind", 20, (uint16_t)strtoul(port, NULL, 10));
    snprintf(through, sizeof through, "%.*s%u%s", (int)(port - store_url), store_url, (unsigned)tcp_proxy_port(proxy),
             strchr(port, '/'));
    cr_assert_eq(setenv("TALLY_STORE", through, 1), 0);
    START();
    expect_stale_and_back(cut, pass);
    serve_stop(&serve);
    tcp_proxy_close(proxy);
}

/* There is no store at all yet: whoever starts everything at once starts serve too. */
Test(serve, a_store_that_comes_later_is_found)
{
    struct serve_answer answer;

    serve_start(&serve, &p, (const char *const[]){NULL});
    answer = serve_get(&serve, "/api/v1/views");
    cr_assert_eq(answer.status, 503);
    serve_done(&answer);
    count_a_day(false);
    answer = serve_wait(&serve, "/api/v1/views", 200, "\"hits\"");
    serve_done(&answer);
    serve_stop(&serve);
}

/* ---- a slow query ---- */

Test(serve, a_query_that_takes_too_long_is_stopped_and_holds_up_nobody)
{
    struct serve_answer answer;
    PGconn *holder;
    PGresult *result;
    int64_t began_ms;
    char *schema;

    use_store("postgres");
    count_a_day(true);
    START("--query-timeout", "300ms", "--readers", "1");
    answer = serve_wait(&serve, "/api/v1/views/hits?limit=1", 200, "\"stale\": false");
    serve_done(&answer);
    /* Somebody has locked the table that each snapshot begins with. */
    schema = strstr(store_url, "schema=") + strlen("schema=");
    holder = PQconnectdb(store_server("POSTGRES_URL"));
    cr_assert_eq(PQstatus(holder), CONNECTION_OK);
    {
        char sql[300];

        snprintf(sql, sizeof sql, "BEGIN; LOCK TABLE \"%s\".tally_schema IN ACCESS EXCLUSIVE MODE", schema);
        result = PQexec(holder, sql);
        cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(holder));
        PQclear(result);
    }
    began_ms = tl_clock_monotonic_ms();
    answer = serve_get(&serve, "/api/v1/views/hits?limit=2");
    cr_assert(answer.status == 504, "%s", answer.http.all);
    cr_assert_str_eq(serve_header(&answer, "Retry-After"), "1");
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 2500, "%lld ms: %s", (long long)(tl_clock_monotonic_ms() - began_ms),
                 run_err_so_far(&serve.run));
    serve_done(&answer);
    cr_assert(run_says(&serve.run, "a query took too long", 5000));
    cr_assert(run_says(&serve.run, "due to statement timeout", 1000), "the server has not stopped it: %s",
              run_err_so_far(&serve.run));
    answer = serve_get(&serve, "/openapi.json");
    cr_assert_eq(answer.status, 200);
    serve_done(&answer);
    PQfinish(holder);
    answer = serve_wait(&serve, "/api/v1/views/hits?limit=2", 200, "\"stale\": false");
    serve_done(&answer);
    serve_stop(&serve);
}

/* A server that takes the connection and says nothing: pages need none of it. */
Test(serve, pages_come_while_the_store_hangs)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    struct serve_answer answer;
    char store[100];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t began_ms;

    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0 && listen(fd, 16) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(store, sizeof store, "postgresql://nobody@127.0.0.1:%u/nothing", ntohs(at.sin_port));
    cr_assert_eq(setenv("TALLY_STORE", store, 1), 0);
    serve_start(&serve, &p, (const char *const[]){"--readers", "1", "--query-timeout", "30s", NULL});
    began_ms = tl_clock_monotonic_ms();
    for (size_t i = 0; i < 3; i++) {
        answer = serve_ask(&serve, "GET", (const char *const[]){"/", "/app.js", "/app.css"}[i], "Accept-Encoding: gzip\r\n");
        cr_assert_eq(answer.status, 200);
        cr_assert_str_eq(serve_header(&answer, "Content-Encoding"), "gzip");
        serve_done(&answer);
    }
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 5000);
    run_done(&serve.run); /* it waits for the server, and so would we */
    close(fd);
}

/* What is larger than all that may be kept is given all the same. */
Test(serve, a_page_comes_where_next_to_nothing_is_kept)
{
    struct serve_answer answer;

    count_a_day(false);
    START("--cache", "1kB");
    answer = serve_get(&serve, "/app.js");
    cr_assert_eq(answer.status, 200);
    cr_assert_gt(answer.size, 1000);
    serve_done(&answer);
    answer = serve_ask(&serve, "GET", "/openapi.json", "Accept-Encoding: gzip\r\n");
    cr_assert_eq(answer.status, 200);
    serve_done(&answer);
    serve_stop(&serve);
}

/* ---- who may ask ---- */

/* What a server refuses to start with. */
static void expect_refused(const char *words, const char *const *args)
{
    struct run run;

    run_start(&run, args);
    run_wait(&run);
    cr_expect_eq(run.status, 2, "%d: %s", run.status, run.err);
    cr_expect(strstr(run.err, words) != NULL, "'%s' is not in: %s", words, run.err);
    run_done(&run);
}

#define REFUSED(words, ...) expect_refused((words), (const char *const[]){"serve", "--data", p.data, __VA_ARGS__, NULL})

Test(serve, beyond_the_loopback_nobody_is_let_in_without_a_secret)
{
    char file[300];

    REFUSED("--auth-file FILE", "--listen", "0.0.0.0:0");
    REFUSED("--auth-file FILE", "--listen", "[::]:0");
    snprintf(file, sizeof file, "%s", run_file_write(p.dir, "empty", "# nothing\n\n"));
    REFUSED("there is no secret in it", "--auth-file", file);
    snprintf(file, sizeof file, "%s", run_file_write(p.dir, "short", "token me short\n"));
    REFUSED("short:1: a token has at least 16 characters", "--auth-file", file);
    snprintf(file, sizeof file, "%s", run_file_write(p.dir, "other", "token a 0123456789abcdef\nbearer b 0123456789abcdef\n"));
    REFUSED("other:2: neither 'token NAME SECRET' nor 'basic USER PASSWORD'", "--auth-file", file);
    REFUSED("not the origin of a page", "--cors", "example.org");
    REFUSED("--tls-certificate and --tls-key", "--tls-key", file);
    REFUSED("--readers 0", "--readers", "0");
}

Test(serve, secrets_are_asked_for_and_never_shown)
{
    static const char secrets[] =
        "# who may\n"
        "token grafana 0123456789abcdef0123\n"
        "token packed sha256:9f735e0df9a1ddc702bf0a1a7b83033f9f7153a00c29de82cedadc9957289b05\n" /* testpassword */
        "basic ann pass word!\n";
    static const struct {
        const char *header;
        int status;
    } cases[] = {
        {"",                                                          401},
        {"Authorization: Bearer 0123456789abcdef0123\r\n",            200},
        {"Authorization: bearer  0123456789abcdef0123\r\n",           200},
        {"Authorization: Bearer testpassword\r\n",                    200},
        {"Authorization: Bearer 0123456789abcdef012\r\n",             401},
        {"Authorization: Bearer\r\n",                                 401},
        {"Authorization: Basic YW5uOnBhc3Mgd29yZCE=\r\n",             200}, /* ann:pass word! */
        {"Authorization: Basic Ym9iOnBhc3Mgd29yZCE=\r\n",             401}, /* bob:pass word! */
        {"Authorization: Basic YW5uOjAxMjM0NTY3ODlhYmNkZWYwMTIz\r\n", 401}, /* ann:0123456789abcdef0123 */
        {"Authorization: Bearer pass word!\r\n",                      401},
        {"Authorization: Basic ****\r\n",                             401},
    };
    struct serve_answer answer;
    char file[300], *said;

    count_a_day(false);
    snprintf(file, sizeof file, "%s", run_file_write(p.dir, "secrets", secrets));
    START("--auth-file", file);
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        answer = serve_ask(&serve, "GET", "/api/v1/views", cases[c].header);
        cr_expect_eq(answer.status, cases[c].status, "%s: %d", cases[c].header, answer.status);
        if (answer.status == 401)
            SAYS(answer.http.all, "WWW-Authenticate: Bearer\r\n");
        else
            cr_expect_str_eq(serve_header(&answer, "Cache-Control"), "private, no-cache");
        serve_done(&answer);
    }
    answer = serve_get(&serve, "/api/v1/views?token=0123456789abcdef0123");
    cr_assert_eq(answer.status, 401);
    serve_done(&answer);
    answer = serve_get(&serve, "/openapi.json");
    cr_assert_eq(answer.status, 401);
    serve_done(&answer);
    said = run_err_so_far(&serve.run);
    SAYS_NOT(said, "0123456789abcdef0123");
    free(said);
    serve_stop(&serve);
    cr_assert_eq(setenv("TALLY_SERVE_TOKEN", "fedcba98765432100123", 1), 0);
    START();
    answer = serve_ask(&serve, "GET", "/api/v1/views", "Authorization: Bearer fedcba98765432100123\r\n");
    cr_assert_eq(answer.status, 200);
    serve_done(&answer);
    serve_stop(&serve);
}

Test(serve, pages_of_others_read_only_what_they_may)
{
    static const char ours[] = "Origin: https://dashboard.example\r\n", theirs[] = "Origin: https://evil.example\r\n";
    struct serve_answer answer;
    struct http_answer raw;
    static const char rebound[] = "GET /api/v1/views HTTP/1.1\r\nHost: evil.example:8090\r\nConnection: close\r\n\r\n",
                      proxied[] = "GET /api/v1/views HTTP/1.1\r\nHost: numbers.example\r\nConnection: close\r\n\r\n";

    count_a_day(false);
    START("--cors", "https://dashboard.example", "--host", "numbers.example");
    answer = serve_ask(&serve, "GET", "/api/v1/views", ours);
    cr_assert_str_eq(serve_header(&answer, "Access-Control-Allow-Origin"), "https://dashboard.example");
    SAYS(serve_header(&answer, "Access-Control-Expose-Headers"), "ETag");
    serve_done(&answer);
    answer = serve_ask(&serve, "GET", "/api/v1/views", theirs);
    cr_assert_str_eq(serve_header(&answer, "Access-Control-Allow-Origin"), "");
    SAYS(answer.http.all, "Vary: Origin");
    serve_done(&answer);
    answer = serve_ask(&serve, "OPTIONS", "/api/v1/views",
                       "Origin: https://dashboard.example\r\nAccess-Control-Request-Method: GET\r\n"
                       "Access-Control-Request-Headers: authorization\r\n");
    cr_assert_eq(answer.status, 204);
    SAYS(serve_header(&answer, "Access-Control-Allow-Headers"), "Authorization");
    SAYS(serve_header(&answer, "Access-Control-Allow-Methods"), "GET");
    serve_done(&answer);
    answer = serve_ask(&serve, "OPTIONS", "/api/v1/views", theirs);
    cr_assert_str_eq(serve_header(&answer, "Access-Control-Allow-Methods"), "");
    serve_done(&answer);
    raw = http_send(serve.port, rebound, sizeof rebound - 1);
    cr_assert_eq(raw.status, 421, "%s", raw.all);
    http_done(&raw);
    raw = http_send(serve.port, proxied, sizeof proxied - 1);
    cr_assert_eq(raw.status, 200, "%s", raw.all);
    http_done(&raw);
    serve_stop(&serve);
}

Test(serve, who_asks_too_often_waits)
{
    struct serve_answer answer;
    int let_in = 0;

    count_a_day(false);
    START("--rate", "5");
    for (int i = 0; i < 30; i++) {
        answer = serve_get(&serve, "/api/v1/views");
        let_in += answer.status == 200;
        if (answer.status != 200) {
            cr_assert_eq(answer.status, 429);
            cr_assert_str_eq(serve_header(&answer, "Retry-After"), "1");
        }
        serve_done(&answer);
    }
    cr_assert(let_in >= 10 && let_in < 25, "%d", let_in);
    cr_assert_gt(sample("tally_serve_requests_total{status=\"429\"}"), 0);
    answer = serve_wait(&serve, "/api/v1/views", 200, "hits");
    serve_done(&answer);
    serve_stop(&serve);
}
