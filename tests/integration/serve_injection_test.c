/* serve_injection_test.c: texts that would be SQL if somebody let them: as values, columns, names of views, cursors and whatever else the API takes, on both stores. As a value each is a
 * text that is compared as it is, and finds the row that has it; everywhere else it is refused with what would do. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "support/serve_run.h"
#include "support/store_fixture.h"
#include "support/ws_frame.h"

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, host;\n";

/* What sqlmap and the lists that are about begin with: quotes of each kind, comments, a second statement, UNION, time, casts, functions of either store, patterns, other shapes of a quote. */
static const char *const payloads[] = {
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "%27",
    "')",
    "'))",
    "';",
    "--",
    "'--",
    "/*",
    "*/",
    "'/**/OR/**/1=1--",
    "' OR '1'='1",
    "' OR 1=1--",
    "\" OR \"\"=\"",
    "') OR ('1'='1",
    "1 OR 1=1",
    "1; DROP TABLE tally_schema",
    "'; DROP TABLE tally_schema; --",
    "'; DELETE FROM hits_speed; --",
    "' UNION SELECT 1,2,3,4--",
    "' UNION ALL SELECT NULL,NULL,NULL,NULL,NULL,NULL--",
    "') UNION SELECT sqlite_version()--",
    "' AND (SELECT count(*) FROM sqlite_master)>0--",
    "'||(SELECT version())||'",
    "'||pg_sleep(20)||'",
    "' AND 1=(SELECT 1 FROM pg_sleep(20))--",
    "'; SELECT pg_sleep(20)--",
    "' AND randomblob(1000000000)--",
    "' AND 1=CAST((SELECT current_user) AS int)--",
    "'||load_extension('x')||'",
    "'||lo_import('/etc/passwd')||'",
    "$$; SELECT 1; $$",
    "E'\\x27'",
    "U&'\\0027'",
    "CHAR(39)",
    "0x27206f7220313d31",
    "%",
    "_",
    "%' OR '%'='",
    "a' LIKE '%",
    "NULL",
    "null' IS NULL--",
    "?",
    "?1",
    "$1",
    ":a",
    "@a",
    "{{7*7}}",
    "${7*7}",
    "%s%n%x",
    "\xca\xbc OR 1=1",       /* U+02BC */
    "\xef\xbc\x87 OR 1=1--", /* U+FF07 */
    "\xe2\x80\x99 OR 1=1",   /* U+2019 */
    "\xe2\x80\xae'--",       /* right to left */
};

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
    run_done(&serve.run);
    unsetenv("TALLY_STORE");
    pipeline_close(&p);
    store_folder_remove();
}

/* An event for each of them as the host, and one of a usual one. */
static void count_payloads(void)
{
    struct tl_buf lines;
    char path[300];

    tl_buf_init(&lines, 0);
    for (size_t i = 0; i <= TL_COUNT(payloads); i++) {
        tl_buf_printf(&lines, "{\"event_id\":\"e%zu\",\"event_time\":\"2024-03-01T10:00:00.000Z\",\"host\":", i);
        tl_buf_put_json(&lines, tl_sv_from(i < TL_COUNT(payloads) ? payloads[i] : "www.example.com"));
        tl_buf_put_str(&lines, "}\n");
    }
    tl_buf_put_u8(&lines, '\0');
    snprintf(path, sizeof path, "%s", run_file_write(p.dir, "lines.jsonl", lines.data));
    tl_buf_done(&lines);
    TALLY(&p, 0, "import", path, "--format", "jsonl");
    TALLY(&p, 0, "speed", "--once");
}

static const char *encoded(const char *text)
{
    static char out[1000];
    size_t size = 0;

    for (; *text != '\0'; text++)
        size += (size_t)(isalnum((unsigned char)*text) ? snprintf(out + size, sizeof out - size, "%c", *text)
                                                       : snprintf(out + size, sizeof out - size, "%%%02X", (unsigned char)*text));
    return out;
}

/* The query with the payload, encoded, where it has a @@ */
static const char *target_of(const char *query, const char *payload)
{
    static char out[2000];
    const char *at = strstr(query, "@@");

    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - query), query, encoded(payload), at + 2);
    return out;
}

/* With a backslash before each of these, as `in` and `like` want them. */
static const char *escaped(const char *text, const char *these)
{
    static char out[500];
    size_t size = 0;

    for (; *text != '\0'; text++) {
        if (strchr(these, *text) != NULL)
            out[size++] = '\\';
        out[size++] = *text;
    }
    out[size] = '\0';
    return out;
}

static int rows_in(const char *body)
{
    int rows = 0;

    for (const char *at = body; (at = strstr(at, "\"_layer\":")) != NULL; at++)
        rows++;
    return rows;
}

static void expect_rows(const char *query, const char *payload, int rows)
{
    const char *target = target_of(query, payload);
    struct serve_answer answer = serve_get(&serve, target);

    cr_expect_eq(answer.status, 200, "%s: %s", payload, answer.body);
    cr_expect_eq(rows_in(answer.body), rows, "%s: %s: %d rows", payload, target, rows_in(answer.body));
    serve_done(&answer);
}

static void expect_refused(const char *query, const char *payload, int status, const char *words)
{
    const char *target = target_of(query, payload);
    struct serve_answer answer = serve_get(&serve, target);

    cr_expect_eq(answer.status, status, "%s: %s", target, answer.body);
    cr_expect(strstr(answer.body, words) != NULL, "%s: %s", target, answer.body);
    cr_expect_null(strstr(answer.http.all, "SELECT \""), "it shows a statement: %s", answer.body);
    serve_done(&answer);
}

static void expect_literal(const char *payload)
{
    const int all = (int)TL_COUNT(payloads) + 1;

    expect_rows("/api/v1/views/hits?limit=1000&where=host:eq:@@", payload, 1);
    expect_rows("/api/v1/views/hits?limit=1000&where=host:ne:@@", payload, all - 1);
    expect_rows("/api/v1/views/hits?limit=1000&where=host:eq:@@x", payload, 0);
    expect_rows("/api/v1/views/hits?limit=1000&where=host:in:@@,www.example.com", escaped(payload, "\\,"), 2);
    expect_rows("/api/v1/views/hits?limit=1000&where=host:like:@@", escaped(payload, "\\%_"), 1);
}

static void expect_no_other_place(const char *payload)
{
    static const char *const bad[] = {
        "/api/v1/views/hits?order=@@",
        "/api/v1/views/hits?order=-@@",
        "/api/v1/views/hits?where=@@:eq:a",
        "/api/v1/views/hits?where=host:@@:a",
        "/api/v1/views/hits?where=n:eq:@@",
        "/api/v1/views/hits?where=window_start:gt:@@",
        "/api/v1/views/hits?from=@@",
        "/api/v1/views/hits?to=@@",
        "/api/v1/views/hits?layer=@@",
        "/api/v1/views/hits?format=@@",
        "/api/v1/views/hits?cursor=@@",
        "/api/v1/views/hits?limit=@@",
        "/api/v1/views/hits@@?=1",
        "/api/v1/views/hits?group_by=@@",
        "/api/v1/views/hits?group_by=host,@@",
        "/api/v1/views/hits?bucket=@@",
        "/api/v1/views/hits?bucket=1d&zone=@@",
        "/api/v1/checks?failed=@@",
    };

    for (size_t b = 0; b < TL_COUNT(bad); b++)
        expect_refused(bad[b], payload, 400, "\"status\": 400");
    expect_refused("/api/v1/views/@@", payload, 404, "\"allowed\": [\"hits\"]");
    expect_refused("/api/v1/reconciliations?view=@@", payload, 404, "\"allowed\": [\"hits\"]");
    expect_refused("/api/v1/runs/@@", payload, 404, "\"status\": 404");
    expect_refused("/api/v1/reconciliations/@@", payload, 404, "\"status\": 404");
    expect_refused("/api/v1/live/sse?view=@@", payload, 404, "\"allowed\": [\"hits\"]");
    expect_refused("/api/v1/live/sse?view=hits&where=@@:eq:a", payload, 400, "\"status\": 400");
}

/* The same compare, made by serve itself. */
static void expect_literal_live(const char *payload)
{
    static struct wire wire;
    struct tl_buf text, where;
    const char *said;

    tl_buf_init(&text, 0);
    tl_buf_init(&where, 0);
    tl_buf_printf(&where, "host:eq:%s", payload);
    tl_buf_put_str(&text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[");
    tl_buf_put_json(&text, tl_buf_sv(&where));
    tl_buf_put_str(&text, "]}");
    tl_buf_put_u8(&text, '\0');
    wire_open(&wire, serve.port);
    cr_assert(ws_shake(&wire, ""));
    ws_say(&wire, text.data);
    said = ws_hear_words(&wire, "\"type\":\"snapshot\"");
    cr_expect_eq(rows_in(said), 1, "%s: %s", payload, said);
    wire_close(&wire);
    tl_buf_done(&text);
    tl_buf_done(&where);
}

ParameterizedTestParameters(serve_injection, what_would_be_sql_is_a_text)
{
    static char backends[][16] = {"sqlite", "postgres"};

    return cr_make_param_array(char[16], backends, sizeof backends / sizeof *backends);
}

ParameterizedTest(char (*backend)[16], serve_injection, what_would_be_sql_is_a_text, .init = open_pipeline,
                  .fini = close_pipeline, .timeout = 240)
{
    char store[512];
    struct serve_answer answer;

    if (strcmp(*backend, "postgres") == 0) {
        store_postgres.url(store);
        cr_assert_eq(setenv("TALLY_STORE", store, 1), 0);
    }
    count_payloads();
    serve_start(&serve, &p, (const char *const[]){"--live-horizon", "1000000h", NULL});
    serve_found(&serve);
    for (size_t i = 0; i < TL_COUNT(payloads); i++) {
        expect_literal(payloads[i]);
        expect_literal_live(payloads[i]);
        expect_no_other_place(payloads[i]);
    }
    answer = serve_get(&serve, "/api/v1/views/hits?limit=1000");
    cr_expect_eq(rows_in(answer.body), (int)TL_COUNT(payloads) + 1, "something of it was done");
    serve_done(&answer);
    serve_stop(&serve);
}
