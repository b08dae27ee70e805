/* collect_test.c: what browsers and servers send: what is taken, what is answered, who may say what. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "speed_layer/collect.h"

#define TOKEN "0123456789abcdef0123"
#define BROWSER "User-Agent: curl/8.5.0\nReferer: https://site.com/page\nCookie: a=b"

static const int64_t time_ms = INT64_C(1772330407123); /* 2026-03-01T02:00:07.123Z */
static struct tl_collect *collect;
static struct tl_event_rules *rules;
static struct tl_event_maker *maker;
static struct tl_collect_answer answer;
static struct tl_buf events; /* one a line */

static void open_with(const struct tl_event_options *options)
{
    struct tl_collect_options own = TL_COLLECT_OPTIONS_DEFAULT;
    struct tl_event_options event = *options;
    struct tl_err err = {0};

    event.user_agents = "tests/data/few_agents.yaml"; /* they open at once */

    own.origins = (struct tl_option_list){.items = {"https://www.other.com"}, .count = 1};
    own.events_max = 5;
    own.body_bytes_max = 20000;
    setenv("TALLY_COLLECT_TOKEN", TOKEN, 1);
    cr_assert_eq(tl_collect_open(&own, &collect, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_event_rules_open(&event, &rules, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_event_maker_open(rules, &maker, &err), TL_OK, "%s", err.message);
    tl_collect_answer_init(&answer);
    tl_buf_init(&events, 0);
}

static void open_plain(void)
{
    open_with(&(struct tl_event_options){.honor_dnt = true});
}

static void close_all(void)
{
    tl_buf_done(&events);
    tl_collect_answer_done(&answer);
    tl_event_maker_close(maker);
    tl_event_rules_close(rules);
    tl_collect_close(collect);
}

TestSuite(collect, .init = open_plain, .fini = close_all);

static void put_event(void *ctx, const struct tl_capture_event *event)
{
    tl_buf_put_sv(ctx, event->value);
    tl_buf_put_u8(ctx, '\n');
}

enum { HEADERS = 16 };

/* "POST /tally/collect" with "Name: value\n..." */
static int send_bytes(const char *what, const char *lines, struct tl_sv body)
{
    struct tl_http1_header headers[HEADERS];
    struct tl_sv target = tl_sv_from(what), method = tl_sv_cut(&target, ' '), rest = tl_sv_from(lines);
    struct tl_request request = {.time_ms = time_ms,
                                 .method = method,
                                 .target = target,
                                 .host = TL_SV("site.com:8080"),
                                 .ip = TL_SV("203.0.113.7"),
                                 .headers = headers};
    struct tl_collect_sink sink = {put_event, &events};

    while (rest.size > 0) {
        struct tl_sv one = tl_sv_cut(&rest, '\n');

        cr_assert_lt(request.headers_count, HEADERS);
        headers[request.headers_count].name = tl_sv_cut(&one, ':');
        headers[request.headers_count++].value = tl_sv_trim(one);
    }
    tl_buf_clear(&events);
    tl_collect_answer(collect, rules, maker, &request, body, &sink, &answer);
    tl_buf_put_u8(&events, 0);
    tl_buf_put_u8(&answer.lines, 0);
    tl_buf_put_u8(&answer.body, 0);
    answer.body.size--;
    return answer.status;
}

static int send(const char *what, const char *lines, const char *body)
{
    return send_bytes(what, lines, tl_sv_from(body));
}

#define POST(lines, body) send("POST /tally/collect", "Content-Type: application/json\n" lines, (body))
#define TRUSTED(body) POST("Authorization: Bearer " TOKEN "\nUser-Agent: node", (body))

static void check_event(const char *want)
{
    cr_assert_not_null(strstr(events.data, want), " got %s\nwant %s", events.data, want);
}

static void check_line(const char *want)
{
    cr_assert_not_null(strstr(answer.lines.data, want), " got %s\nwant %s", answer.lines.data, want);
}

static void check_no_line(const char *name)
{
    cr_assert_null(strstr(answer.lines.data, name), "%s", answer.lines.data);
}

/* --- events --------------------------------------------------------------------------------------------------------------- */

Test(collect, a_page_view)
{
    cr_assert_eq(POST(BROWSER, "{\"url\":\"https://Site.com/a?token=x&b=1#c\",\"referrer\":\"https://g.com/?sig=1\"}"), 204, "%s",
                 answer.body.data);
    cr_assert_str_eq(
        events.data + 13 + 36,
        "\",\"url\":\"/a?token=[redacted]&b=1#c\",\"method\":null,\"referrer\":\"https://g.com/?sig=[redacted]\","
        "\"user_agent\":\"{\\\"family\\\":\\\"curl\\\",\\\"major\\\":\\\"8\\\",\\\"minor\\\":\\\"5\\\",\\\"patch\\\":\\\"0\\\","
        "\\\"os\\\":{\\\"family\\\":\\\"Other\\\",\\\"major\\\":null,\\\"minor\\\":null,\\\"patch\\\":null,\\\"patch_minor\\\":"
        "null},"
        "\\\"device\\\":{\\\"family\\\":\\\"Other\\\",\\\"brand\\\":null,\\\"model\\\":null},\\\"string\\\":\\\"curl/"
        "8.5.0\\\"}\","
        "\"headers\":\"{\\\"content-type\\\":\\\"application/json\\\",\\\"user-agent\\\":\\\"curl/"
        "8.5.0\\\",\\\"referer\\\":\\\"https://"
        "site.com/page\\\",\\\"cookie\\\":\\\"[redacted]\\\"}\","
        "\"host\":\"site.com\",\"ip\":\"203.0.113.7\",\"event_time\":\"2026-03-01T02:00:07.123Z\",\"name\":\"page_view\","
        "\"props\":null,"
        "\"status\":null,\"duration_ms\":null,\"bytes\":null}\n");
    cr_assert_eq(answer.body.size, 0);
    cr_assert_eq(answer.taken_count, 1);
    check_line("Cache-Control: no-store\r\n");
}

Test(collect, what_an_event_says)
{
    POST("", "{\"url\":\"/a\",\"host\":\"WWW.x.com:80\",\"event_id\":\"01890A5D-AC96-774B-BCCE-B302099A8057\",\"name\":\"buy\","
             "\"props\":{\"n\":[1,0.1,true,null],\"to\":\"http://x.com/?password=a\",\"\xc3\xa4\":\"\\u0000\\n\"},\"other\":[]}");
    check_event("{\"event_id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"url\":\"/a\",");
    check_event("\"referrer\":null,\"user_agent\":null,");
    check_event("\"host\":\"www.x.com\",");
    check_event("\"name\":\"buy\",\"props\":\"{\\\"n\\\":[1,0.1,true,null],\\\"to\\\":\\\"http://x.com/?password=[redacted]\\\","
                "\\\"\xc3\xa4\\\":\\\"\\\\u0000\\\\n\\\"}\"");
    POST("", "{\"url\":\"http://u:p@y.com\",\"host\":null,\"name\":null,\"props\":null,\"ip\":null}");
    check_event("\"url\":\"/\",");
    check_event("\"host\":\"y.com\",\"ip\":\"203.0.113.7\",");
}

Test(collect, what_a_server_says)
{
    cr_assert_eq(TRUSTED("{\"url\":\"/a\",\"ip\":\"[2001:db8::1]:80\",\"user_agent\":\"curl/"
                         "8.5.0\",\"event_time\":\"2026-02-01T01:00:00+01:00\","
                         "\"method\":\"PUT\",\"status\":201,\"duration_ms\":12,\"bytes\":0,"
                         "\"headers\":{\"Accept\":\"a\",\"X-B\":[\"c\",\"d\"],\"Cookie\":\"s\",\"referer\":\"/r?sid=1\"}}"),
                 204, "%s", answer.body.data);
    check_event(
        "\"url\":\"/a\",\"method\":\"PUT\",\"referrer\":\"/r?sid=[redacted]\",\"user_agent\":\"{\\\"family\\\":\\\"curl\\\"");
    check_event("\"headers\":\"{\\\"accept\\\":\\\"a\\\",\\\"x-b\\\":\\\"c, "
                "d\\\",\\\"cookie\\\":\\\"[redacted]\\\",\\\"referer\\\":\\\"/r?sid=[redacted]\\\"}\"");
    check_event("\"ip\":\"2001:db8::1\",\"event_time\":\"2026-02-01T00:00:00.000Z\",");
    check_event("\"status\":201,\"duration_ms\":12,\"bytes\":0}");
    check_event("\"name\":null,"); /* a request, as intercept logs it; the script in the page tells of the view */
    /* The id is of now. */
    cr_assert(memcmp(events.data, "{\"event_id\":\"019ca", 18) == 0, "%.60s", events.data);
}

Test(collect, what_a_server_does_not_say)
{
    TRUSTED("{\"url\":\"/a\"}");
    check_event("\"string\\\":\\\"node\\\"}\"");
    check_event("\"ip\":\"203.0.113.7\",");
    TRUSTED("{\"url\":\"/a\",\"ip\":null,\"user_agent\":null,\"headers\":null}");
    check_event("\"user_agent\":null,\"headers\":\"{}\",\"host\":\"site.com\",\"ip\":null,");
}

Test(collect, a_servers_columns_as_intercept_writes_them)
{
    TRUSTED("{\"url\":\"/a\",\"user_agent\":\"{\\\"family\\\":null,\\\"string\\\":\\\"curl/"
            "8.5.0\\\"}\",\"headers\":\"{\\\"a\\\":\\\"b\\\"}\"}");
    check_event("\"user_agent\":\"{\\\"family\\\":\\\"curl\\\"");
    check_event("\\\"string\\\":\\\"curl/8.5.0\\\"}\",\"headers\":\"{\\\"a\\\":\\\"b\\\"}\"");
    TRUSTED("{\"url\":\"/a\",\"user_agent\":{\"string\":\"curl/8.5.0\"}}");
    check_event("\\\"string\\\":\\\"curl/8.5.0\\\"}\"");
    TRUSTED("{\"url\":\"/a\",\"user_agent\":\"{not json\"}");
    check_event("\\\"string\\\":\\\"{not json\\\"}\"");
}

struct reason_case {
    char event[300], reason[120];
    bool trusted;
};

/* clang-format off */
ParameterizedTestParameters(collect, refused)
{
    static struct reason_case cases[] = {
        {"{}", "url is missing", false},
        {"[]", "an event is an object", false},
        {"1", "an event is an object", false},
        {"{\"url\":null}", "url is missing", false},
        {"{\"url\":1}", "url is no text", false},
        {"{\"url\":\"\"}", "url is neither a path nor an address of http or https", false},
        {"{\"url\":\"a.html\"}", "url is neither a path nor an address of http or https", false},
        {"{\"url\":\"javascript:alert(1)\"}", "url is neither a path nor an address of http or https", false},
        {"{\"url\":\"http://\"}", "url is neither a path nor an address of http or https", false},
        {"{\"url\":\"http://a b/\"}", "url is neither a path nor an address of http or https", false},
        {"{\"url\":\"/\",\"host\":\"a/b\"}", "host is no name of a host", false},
        {"{\"url\":\"/\",\"referrer\":[]}", "referrer is no text", false},
        {"{\"url\":\"/\",\"event_id\":\"1\"}", "event_id is no UUID", false},
        {"{\"url\":\"/\",\"event_id\":\"01890a5d-ac96-774b-bcce-b302099a805g\"}", "event_id is no UUID", false},
        {"{\"url\":\"/\",\"name\":{}}", "name is no text", false},
        {"{\"url\":\"/\",\"props\":\"{}\"}", "props is no object", false},
        {"{\"url\":\"/\",\"ip\":\"1.2.3.4\"}", "ip is taken only from senders with the token", false},
        {"{\"url\":\"/\",\"user_agent\":\"x\"}", "user_agent is taken only from senders with the token", false},
        {"{\"url\":\"/\",\"headers\":{}}", "headers is taken only from senders with the token", false},
        {"{\"url\":\"/\",\"event_time\":\"2026-03-01T00:00:00Z\"}", "event_time is taken only from senders with the token", false},
        {"{\"url\":\"/\",\"status\":200}", "status is taken only from senders with the token", false},
        {"{\"url\":\"/\",\"ip\":\"localhost\"}", "ip is no address", true},
        {"{\"url\":\"/\",\"user_agent\":{}}", "user_agent has no text as its member string", true},
        {"{\"url\":\"/\",\"user_agent\":5}", "user_agent is no text", true},
        {"{\"url\":\"/\",\"headers\":\"[]\"}", "headers is no object, nor the text of one", true},
        {"{\"url\":\"/\",\"headers\":\"{\"}", "headers is no object, nor the text of one", true},
        {"{\"url\":\"/\",\"headers\":{\"a\":1}}", "headers has a value that is no text", true},
        {"{\"url\":\"/\",\"headers\":{\"a\":[{}]}}", "headers has a value that is no text", true},
        {"{\"url\":\"/\",\"event_time\":\"2026-03-01T00:00:00\"}", "event_time is no time like 2026-03-01T02:00:07.123Z", true},
        {"{\"url\":\"/\",\"method\":\"get\"}", "method is no method of HTTP", true},
        {"{\"url\":\"/\",\"status\":99}", "status is no whole number from 100 on", true},
        {"{\"url\":\"/\",\"duration_ms\":-1}", "duration_ms is no whole number from 0 on", true},
        {"{\"url\":\"/\",\"bytes\":1.5}", "bytes is no whole number from 0 on", true},
        {"{\"url\":\"/\",\"url\":\"/b\"}", "no JSON at its byte 16: duplicate object key near '\\\"url\\\"'", false},
        {"{\"url\":\"/", "no JSON at its byte 9: premature end of input near '\\\"/'", false},
        {"{\"url\":\"\xff\"}", "no JSON at its byte 8: unable to decode byte 0xff near '\\\"'", false},
        {"hello", "no JSON at its byte 5: invalid token near 'hello'", false},
        {"{\"url\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", "it is more than 32 levels deep", false},
    };
    return cr_make_param_array(struct reason_case, cases, TL_COUNT(cases));
}
/* clang-format on */

ParameterizedTest(struct reason_case *c, collect, refused)
{
    char want[300], batch[500];

    snprintf(want, sizeof want, "{\"accepted\":%d,\"rejected\":[{\"index\":%d,\"reason\":\"%s\"}]}\n", 0, 0, c->reason);
    if (c->event[0] != '[') {
        cr_assert_eq(c->trusted ? TRUSTED(c->event) : POST("", c->event), 400);
        cr_assert_str_eq(answer.body.data, want, "%s:\n got %s\nwant %s", c->event, answer.body.data, want);
        check_line("Content-Type: application/json\r\n");
        cr_assert_eq(answer.taken_count, 0);
    }
    /* And among good ones, but for one that does not end. */
    if (strstr(c->reason, "premature") != NULL)
        return;
    snprintf(batch, sizeof batch, " [{\"url\":\"/1\"} ,%s, {\"url\":\"/2\"}]\n", c->event);
    snprintf(want, sizeof want, "{\"accepted\":2,\"rejected\":[{\"index\":1,\"reason\":\"%s\"}]}\n", c->reason);
    cr_assert_eq(c->trusted ? TRUSTED(batch) : POST("", batch), 400);
    cr_assert_str_eq(answer.body.data, want, "%s:\n got %s\nwant %s", c->event, answer.body.data, want);
    cr_assert_eq(answer.taken_count, 2);
    check_event("\"url\":\"/1\"");
    check_event("\"url\":\"/2\"");
}

/* --- bodies --------------------------------------------------------------------------------------------------------------- */

struct body_case {
    char name[40], type[50], body[100];
    int status;
    size_t taken;
    char error[90]; /* "": none */
};

/* clang-format off */
ParameterizedTestParameters(collect, bodies)
{
    static struct body_case cases[] = {
        {"sendBeacon", "text/plain;charset=UTF-8", "{\"url\":\"/\"}", 204, 1, ""},
        {"white space", "Application/JSON ; a=b", " \r\n{\"url\":\"/\"}\t", 204, 1, ""},
        {"a batch", "application/json", "[{\"url\":\"/1\"},{\"url\":\"/2,]\\\"\"}]", 204, 2, ""},
        {"lines", "application/x-ndjson", "{\"url\":\"/1\"}\r\n\n{\"url\":\"/2\"}", 204, 2, ""},
        {"a bad line", "application/x-ndjson", "{\"url\":\"/1\"}\n{\"url\"\n{\"url\":\"/2\"}\n", 400, 2, "\"index\":1"},
        {"nothing", "application/json", "", 400, 0, "{\"error\":\"no JSON at byte 0: there is nothing\"}"},
        {"no lines", "application/x-ndjson", "\n \n", 400, 0, "there is nothing"},
        {"an empty array", "application/json", "[ ]", 400, 0, "no JSON at byte 2: there is nothing in the array"},
        {"an array that does not end", "application/json", "[{\"url\":\"/1\"},", 400, 0, "the array does not end"},
        {"a string that does not end", "application/json", "[{\"url\":\"/1\"},\"a\\", 400, 0, "the array does not end"},
        {"something behind", "application/json", "[{\"url\":\"/1\"}]]", 400, 0, "something stands behind the array"},
        {"a comma too many", "application/json", "[{\"url\":\"/1\"},]", 400, 1, "{\"accepted\":1,\"rejected\":[{\"index\":1,"},
        {"a brace too many", "application/json", "[{\"url\":\"/1\"}},1]", 400, 0, "a } that was not opened"},
        {"five", "application/json", "[{\"url\":\"/\"},{\"url\":\"/\"},{\"url\":\"/\"},{\"url\":\"/\"},{\"url\":\"/\"}]", 204, 5, ""},
        {"six", "application/json", "[{\"url\":\"/\"},{\"url\":\"/\"},{\"url\":\"/\"},{\"url\":\"/\"},{\"url\":\"/\"},1]", 413, 0, "{\"error\":\"more than 5 events\"}"},
        {"a form", "application/x-www-form-urlencoded", "url=/", 415, 0, "{\"error\":\"events are application/json"},
        {"no type", "", "{\"url\":\"/\"}", 415, 0, "{\"error\":\"events are application/json"},
    };
    return cr_make_param_array(struct body_case, cases, TL_COUNT(cases));
}
/* clang-format on */

ParameterizedTest(struct body_case *c, collect, bodies)
{
    char lines[100] = "";

    if (c->type[0] != '\0')
        snprintf(lines, sizeof lines, "Content-Type: %s", c->type);
    cr_assert_eq(send("POST /tally/collect", lines, c->body), c->status, "%s: %d %s", c->name, answer.status, answer.body.data);
    cr_assert_eq(answer.taken_count, c->taken, "%s", c->name);
    cr_assert(c->error[0] == '\0' ? answer.body.size == 0 : strstr(answer.body.data, c->error) != NULL, "%s: %s", c->name,
              answer.body.data);
}

Test(collect, long_texts_and_bodies)
{
    static char body[40000];
    size_t size = (size_t)sprintf(body, "{\"url\":\"/");

    memset(body + size, 'a', 8191);
    memcpy(body + size + 8191, "\"}", 3);
    cr_assert_eq(POST("", body), 204, "%s", answer.body.data);
    memcpy(body + size + 8191, "a\"}", 4);
    cr_assert_eq(POST("", body), 400);
    cr_assert_not_null(strstr(answer.body.data, "url has more than 8192 bytes"));
    size = (size_t)sprintf(body, "{\"url\":\"/\",\"props\":{\"a\":\"");
    memset(body + size, 'a', 17000);
    memcpy(body + size + 17000, "\"}}", 4);
    cr_assert_eq(POST("", body), 400);
    cr_assert_not_null(strstr(answer.body.data, "props has more than 16384 bytes"));
    memset(body, ' ', 20001);
    body[20001] = '\0';
    cr_assert_eq(POST("", body), 413);
    cr_assert_eq(send("POST /tally/collect", "Content-Type: application/json\nContent-Encoding: gzip", "{\"url\":\"/\"}"), 415);
}

/* --- who may ------------------------------------------------------------------------------------------------------------- */

Test(collect, tokens)
{
    static const char one[] = "{\"url\":\"/\",\"ip\":\"1.2.3.4\"}";

    cr_assert_eq(POST("Authorization: Bearer " TOKEN, one), 204);
    cr_assert_eq(POST("authorization: bearer  " TOKEN, one), 204);
    cr_assert_null(strstr(events.data, TOKEN));
    cr_assert_eq(POST("Authorization: Bearer " TOKEN "x", one), 401);
    check_line("WWW-Authenticate: Bearer\r\n");
    cr_assert_eq(POST("Authorization: Bearer", one), 401);
    cr_assert_eq(POST("Authorization: Basic " TOKEN, one), 400, "it is the site's, and gives no rights");
    cr_assert_eq(POST("Authorization: Basic " TOKEN, "{\"url\":\"/\"}"), 204);
}

Test(collect, origins)
{
    static const char one[] = "{\"url\":\"/\"}";

    cr_assert_eq(POST("", one), 204);
    check_no_line("Access-Control-Allow-Origin");
    cr_assert_eq(POST("Origin: https://www.other.com", one), 204);
    check_line("Access-Control-Allow-Origin: https://www.other.com\r\n");
    check_line("Vary: Origin\r\n");
    cr_assert_eq(POST("Origin: http://SITE.com:8080", one), 204);
    cr_assert_eq(POST("Origin: http://site.com", one), 403);
    cr_assert_not_null(strstr(answer.body.data, "--collect-origin"));
    check_no_line("Access-Control");
    cr_assert_eq(POST("Origin: https://www.other.com.evil.com", one), 403);
    cr_assert_eq(POST("Origin: null", one), 403);
    cr_assert_eq(answer.taken_count, 0);
}

Test(collect, preflight)
{
    cr_assert_eq(send("OPTIONS /tally/collect", "Origin: https://www.other.com\nAccess-Control-Request-Method: POST", ""), 204);
    check_line("Access-Control-Allow-Origin: https://www.other.com\r\n");
    check_line("Access-Control-Allow-Methods: POST\r\n");
    check_line("Access-Control-Allow-Headers: content-type, authorization\r\n");
    check_line("Access-Control-Max-Age: 86400\r\n");
    cr_assert_eq(send("OPTIONS /tally/collect", "Origin: https://evil.com\nAccess-Control-Request-Method: POST", ""), 403);
    check_no_line("Access-Control");
}

Test(collect, what_is_not_logged_is_not_logged)
{
    cr_assert_eq(POST("DNT: 1", "[{\"url\":\"/\"},{\"url\":1}]"), 400);
    cr_assert_not_null(strstr(answer.body.data, "{\"accepted\":1,"));
    cr_assert_eq(answer.taken_count, 0);
    cr_assert_eq(POST("", "[{\"url\":\"http://localhost/\"},{\"url\":\"/a.css\"}]"), 204);
    cr_assert_eq(answer.taken_count, 0);
    /* Of a server it is the visitor's header that counts. */
    cr_assert_eq(TRUSTED("[{\"url\":\"/\",\"headers\":{\"dnt\":\"1\"}},{\"url\":\"/\",\"headers\":{}}]"), 204);
    cr_assert_eq(answer.taken_count, 1);
}

Test(collect, anonymous)
{
    close_all();
    open_with(&(struct tl_event_options){.anonymize_ip = true});
    TRUSTED("{\"url\":\"/\",\"ip\":\"1.2.3.4\",\"headers\":{\"X-Forwarded-For\":\"1.2.3.4\"}}");
    check_event("\"ip\":\"1.2.3.0\"");
    check_event("\\\"x-forwarded-for\\\":\\\"[redacted]\\\"");
}

/* --- the rest ------------------------------------------------------------------------------------------------------------- */

Test(collect, targets)
{
    static const char *const mine[] = {"/tally/collect", "/tally/collect?x=1", "/tally/pixel.gif?url=/", "/tally/tally.js"},
                             *const others[] = {"/",
                                                "/tally",
                                                "/tally/",
                                                "/tally/collect/",
                                                "/tallyho/collect",
                                                "/a/tally/collect",
                                                "/tally/dashboard",
                                                "http://x/tally/collect"};

    for (size_t i = 0; i < TL_COUNT(mine); i++)
        cr_assert(tl_collect_is_mine(collect, tl_sv_from(mine[i])), "%s", mine[i]);
    for (size_t i = 0; i < TL_COUNT(others); i++)
        cr_assert_not(tl_collect_is_mine(collect, tl_sv_from(others[i])), "%s", others[i]);
}

Test(collect, methods)
{
    cr_assert_eq(send("GET /tally/collect", "", ""), 405);
    check_line("Allow: POST, OPTIONS\r\n");
    cr_assert_eq(send("POST /tally/pixel.gif", "", ""), 405);
    check_line("Allow: GET, HEAD\r\n");
    cr_assert_eq(send("DELETE /tally/tally.js", "", ""), 405);
    check_line("Allow: GET, HEAD\r\n");
}

Test(collect, the_pixel)
{
    cr_assert_eq(
        send("GET /tally/pixel.gif?url=https%3A%2F%2Fx.com%2Fa%3Fb%3D1+2%26token%3Dc&referrer=/r&name=op%c3%a4n&x", BROWSER, ""),
        200);
    cr_assert_eq(answer.body.size, 43);
    cr_assert(memcmp(answer.body.data, "GIF89a", 6) == 0);
    check_line("Content-Type: image/gif\r\n");
    check_line("Cache-Control: no-store\r\n");
    check_event("\"url\":\"/a?b=1 2&token=[redacted]\",\"method\":null,\"referrer\":\"/r\",");
    check_event("\"host\":\"x.com\",");
    check_event("\"name\":\"op\xc3\xa4n\",");
    cr_assert_eq(send("GET /tally/pixel.gif", BROWSER, ""), 200);
    check_event("\"url\":\"/page\",");
    check_event("\"referrer\":null,");
    cr_assert_eq(send("GET /tally/pixel.gif?url=%ff%00%2", "", ""), 200, "the image, whatever is wrong");
    cr_assert_eq(answer.body.size, 43);
    cr_assert_eq(answer.taken_count, 0);
    cr_assert_eq(send("GET /tally/pixel.gif?url=/%ff%00%2", "", ""), 200);
    check_event("\"url\":\"/\xef\xbf\xbd\\u0000%2\"");
    cr_assert_eq(send("HEAD /tally/pixel.gif?url=/", "", ""), 200);
    cr_assert_eq(answer.taken_count, 0);
}

Test(collect, the_script)
{
    char etag[200], *end;

    cr_assert_eq(send("GET /tally/tally.js", "", ""), 200);
    cr_assert(answer.body.size > 1000 && answer.body.size < 3000, "%zu", answer.body.size);
    cr_assert_not_null(strstr(answer.body.data, "sendBeacon"));
    check_line("Content-Type: text/javascript; charset=utf-8\r\n");
    check_line("Cache-Control: public, max-age=3600\r\n");
    snprintf(etag, sizeof etag, "If-None-Match: %s", strstr(answer.lines.data, "ETag: ") + 6);
    end = strchr(etag, '\r');
    *end = '\0';
    cr_assert_eq(send("GET /tally/tally.js", etag, ""), 304);
    cr_assert_eq(answer.body.size, 0);
}

static void refused_options(const struct tl_collect_options *options, const char *want)
{
    struct tl_collect *other;
    struct tl_err err = {0};

    cr_assert_eq(tl_collect_open(options, &other, &err), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, want), "%s", err.message);
}

Test(collect, options)
{
    struct tl_collect_options options = TL_COLLECT_OPTIONS_DEFAULT;
    char path[] = "/tmp/collect_test.XXXXXX";
    struct tl_collect *other;
    struct tl_err err = {0};
    int fd = mkstemp(path);

    cr_assert(fd >= 0 && write(fd, TOKEN "\n", sizeof TOKEN) == sizeof TOKEN);
    close(fd);
    options.token_file = path;
    cr_assert_eq(tl_collect_open(&options, &other, &err), TL_OK, "%s", err.message);
    tl_collect_close(other);
    options.path = "/tally/";
    refused_options(&options, "--collect-path /tally/: it is a path like /tally, without a / at its end");
    options.path = "/tally";
    options.origins = (struct tl_option_list){.items = {"https://x.com/"}, .count = 1};
    refused_options(&options, "--collect-origin https://x.com/: an origin is like https://www.example.com, without a path");
    options.origins = (struct tl_option_list){.items = {"*"}, .count = 1};
    options.token_file = "/nowhere/token";
    refused_options(&options, "--collect-token-file /nowhere/token: No such file or directory");
    options.token_file = NULL;
    setenv("TALLY_COLLECT_TOKEN", "short", 1);
    refused_options(&options, "TALLY_COLLECT_TOKEN: a token has 16 to 512 characters, this one has 5");
    setenv("TALLY_COLLECT_TOKEN", "", 1);
    cr_assert_eq(tl_collect_open(&options, &other, &err), TL_OK, "%s", err.message);
    tl_collect_close(collect);
    collect = other;
    cr_assert_eq(POST("Authorization: Bearer " TOKEN, "{\"url\":\"/\"}"), 401, "nobody has the token");
    cr_assert_eq(POST("Origin: https://any.com", "{\"url\":\"/\"}"), 204);
    remove(path);
}
