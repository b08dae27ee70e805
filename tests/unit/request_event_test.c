/* request_event_test.c: what becomes of a request in the log: each column, no secrets, JSON whatever a client sends. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/user_agent.h"
#include "event/json_event.h"
#include "event/json_text.h"
#include "speed_layer/event_id.h"
#include "speed_layer/request_event.h"

#define CHROME "Mozilla/5.0 (Windows NT 6.1) Chrome/33.0.1750.117"
#define CHROME_JSON                                                                                                              \
    "{\\\"family\\\":\\\"Chrome\\\",\\\"major\\\":\\\"33\\\",\\\"minor\\\":\\\"0\\\",\\\"patch\\\":\\\"1750\\\",\\\"os\\\":{"    \
    "\\\"family\\\":\\\"Windows\\\",\\\"major\\\":\\\"7\\\",\\\"minor\\\":null,\\\"patch\\\":null,\\\"patch_minor\\\":null},"    \
    "\\\"device\\\":{\\\"family\\\":\\\"Other\\\",\\\"brand\\\":null,\\\"model\\\":null},\\\"string\\\":\\\"" CHROME "\\\"}"

static const int64_t time_ms = INT64_C(1772330407123); /* 2026-03-01T02:00:07.123Z */
static struct tl_event_rules *rules;
static struct tl_event_maker *maker;
static struct tl_buf out;

#define FEW_AGENTS "tests/data/few_agents.yaml"

/* With few rules of user agents, which open at once, where the test names none. */
static void open_with(const struct tl_event_options *options)
{
    struct tl_event_options own = *options;
    struct tl_err err = {0};

    if (own.user_agents == NULL)
        own.user_agents = FEW_AGENTS;
    cr_assert_eq(tl_event_rules_open(&own, &rules, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_event_maker_open(rules, &maker, &err), TL_OK, "%s", err.message);
    tl_buf_init(&out, 0);
}

static void close_all(void)
{
    tl_buf_done(&out);
    tl_event_maker_close(maker);
    tl_event_rules_close(rules);
}

#define HEADERS_MAX 8

/* "Name: value\n..." */
static size_t headers_of(const char *lines, struct tl_http1_header headers[HEADERS_MAX])
{
    struct tl_sv rest = tl_sv_from(lines);
    size_t count = 0;

    while (rest.size > 0) {
        struct tl_sv line = tl_sv_cut(&rest, '\n');

        cr_assert_lt(count, HEADERS_MAX);
        headers[count].name = tl_sv_cut(&line, ':');
        headers[count++].value = tl_sv_trim(line);
    }
    return count;
}

/* The event as text, zero-terminated. */
static const char *event_of(const char *target, const char *host, const char *ip, const char *lines)
{
    struct tl_http1_header headers[HEADERS_MAX];
    struct tl_request request = {
        .time_ms = time_ms, .method = TL_SV("GET"), .target = tl_sv_from(target), .host = tl_sv_from(host), .ip = tl_sv_from(ip)};
    struct tl_request_answer answer = {0, -1, -1};
    struct tl_request_event event;

    request.headers = headers;
    request.headers_count = headers_of(lines, headers);
    tl_buf_clear(&out);
    cr_assert(tl_request_event_begin(maker, &request, &out, &event));
    cr_assert(tl_sv_eq((struct tl_sv){event.id, sizeof event.id}, (struct tl_sv){out.data + 13, 36}));
    tl_request_event_end(&out, &answer);
    tl_buf_put_u8(&out, 0);
    return out.data;
}

static void check_has(const char *name, const char *event, const char *want)
{
    cr_assert_not_null(strstr(event, want), "%s:\n got %s\nwant %s", name, event, want);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

Test(request_event, all_of_it)
{
    struct tl_event_options options = {.user_agents = TL_USER_AGENTS_PATH};
    struct tl_http1_header headers[HEADERS_MAX];
    struct tl_request request = {.time_ms = time_ms,
                                 .method = TL_SV("POST"),
                                 .target = TL_SV("/a/b?token=abc&page=2"),
                                 .host = TL_SV("WWW.Example.com:8443"),
                                 .ip = TL_SV("203.0.113.7")};
    struct tl_request_answer answer = {200, 12, 5120};
    struct tl_request_event event;

    open_with(&options);
    request.headers_count = headers_of("Host: WWW.Example.com:8443\nUser-Agent: " CHROME
                                       "\nReferer: https://x.com/?code=1&a=b\nAccept: text/html\nCookie: a=b\naccept: image/*",
                                       headers);
    request.headers = headers;
    cr_assert(tl_request_event_begin(maker, &request, &out, &event));
    tl_request_event_end(&out, &answer);
    tl_buf_put_u8(&out, 0);
    cr_assert_str_eq(
        out.data + 13 + 36,
        "\",\"url\":\"/a/b?token=[redacted]&page=2\",\"method\":\"POST\",\"referrer\":\"https://x.com/?code=[redacted]&a=b\","
        "\"user_agent\":\"" CHROME_JSON "\","
        "\"headers\":\"{\\\"host\\\":\\\"WWW.Example.com:8443\\\",\\\"user-agent\\\":\\\"" CHROME "\\\","
        "\\\"referer\\\":\\\"https://x.com/?code=[redacted]&a=b\\\",\\\"accept\\\":\\\"text/html, image/*\\\","
        "\\\"cookie\\\":\\\"[redacted]\\\"}\","
        "\"host\":\"www.example.com\",\"ip\":\"203.0.113.7\",\"event_time\":\"2026-03-01T02:00:07.123Z\",\"status\":200,"
        "\"duration_ms\":12,\"bytes\":5120}");
    cr_assert(tl_sv_eq(event.host, TL_SV("www.example.com")));
    cr_assert(tl_sv_eq(event.ip, TL_SV("203.0.113.7")));
    cr_assert(tl_sv_eq(event.user_agent, TL_SV(CHROME)));
    close_all();
}

Test(request_event, what_is_not_known_is_null)
{
    struct tl_event_options options = {0};

    open_with(&options);
    cr_assert_str_eq(
        event_of("/", "", "", "") + 13 + 36,
        "\",\"url\":\"/\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":null,\"headers\":\"{}\",\"host\":null,\"ip\":null,"
        "\"event_time\":\"2026-03-01T02:00:07.123Z\",\"status\":null,\"duration_ms\":null,\"bytes\":null}");
    close_all();
}

/* --- secrets -------------------------------------------------------------------------------------------------------------- */

struct mask_case {
    char url[140], want[170];
};

ParameterizedTestParameters(request_event, url)
{
    static struct mask_case cases[] = {
        {"/a?b=1&c=2#d",                                                                             "/a?b=1&c=2#d"                                    },
        {"/?token=a",                                                                                "/?token=[redacted]"                              },
        {"/?token=",                                                                                 "/?token=[redacted]"                              },
        {"/?a=1&TOKEN=a&b=2",                                                                        "/?a=1&TOKEN=[redacted]&b=2"                      },
        {"/?%74oken=a&t%4Fken=b",                                                                    "/?%74oken=[redacted]&t%4Fken=[redacted]"         },
        {"/?access_token=a&apiKey=b&api-key=c&pwd=d",
         "/?access_token=[redacted]&apiKey=[redacted]&api-key=[redacted]&pwd=[redacted]"                                                               },
        {"/?X-Amz-Signature=a&x=b",                                                                  "/?X-Amz-Signature=[redacted]&x=b"                },
        {"/?user[password]=a&user%5Bpass%5D[]=b&u.pin=c",
         "/?user[password]=[redacted]&user%5Bpass%5D[]=[redacted]&u.pin=[redacted]"                                                                    },
        {"/?password=a%26b;c/d?e&x=1",                                                               "/?password=[redacted]&x=1"                       },
        {"/?a=1;token=b;c=2",                                                                        "/?a=1;token=[redacted]"                          },
        {"/a;jsessionid=AB12/b;v=2?x=1",                                                             "/a;jsessionid=[redacted]/b;v=2?x=1"              },
        {"/cb#access_token=a&state=b",                                                               "/cb#access_token=[redacted]&state=b"             },
        {"/?next=/a?token=b&x=1",                                                                    "/?next=/a?token=[redacted]&x=1"                  },
        {"/?next=%2Fa%3Ftoken%3Db%26x%3D1&y=2",                                                      "/?next=%2Fa%3Ftoken%3D[redacted]%26x%3D1&y=2"    },
        {"/?next=%252Fa%253Ftoken%253Db%2526x&y=2",                                                  "/?next=%252Fa%253Ftoken%253D[redacted]%2526x&y=2"},
        {"http://me:pw@x.com/?a=b@c",                                                                "http://[redacted]@x.com/?a=b@c"                  },
        {"http://x.com/@me?pass=a",                                                                  "http://x.com/@me?pass=[redacted]"                },
        {"/?tokens=a&monkey=b&xcode=c&mykey=d",                                                      "/?tokens=a&monkey=b&xcode=c&mykey=[redacted]"    },
        {"/?token&secret&a=b",                                                                       "/?token&secret&a=b"                              },
        {"/?to%ken=a&%=b&=c&%zz=d&token%",                                                           "/?to%ken=[redacted]&%=b&=c&%zz=d&token%"         },
        {"/?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_password=a",
         "/?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_password=[redacted]"                                           },
    };
    return cr_make_param_array(struct mask_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct mask_case *c, request_event, url)
{
    struct tl_event_options options = {
        .mask_params = {.items = {"my_key"}, .count = 1}
    };
    char want[600], lines[300];
    const char *event;

    open_with(&options);
    snprintf(lines, sizeof lines, "Referer: %s", c->url);
    event = event_of(c->url, "x.com", "", lines);
    snprintf(want, sizeof want, "\"url\":\"%s\",", c->want);
    check_has(c->url, event, want);
    snprintf(want, sizeof want, "\"referrer\":\"%s\",", c->want);
    check_has(c->url, event, want);
    snprintf(want, sizeof want, "\"headers\":\"{\\\"referer\\\":\\\"%s\\\"}\"", c->want);
    check_has(c->url, event, want);
    close_all();
}

Test(request_event, headers_with_secrets)
{
    struct tl_event_options options = {
        .redact_headers = {.items = {"X-Mine"}, .count = 1}
    };

    open_with(&options);
    check_has(
        "", event_of("/", "x", "", "AUTHORIZATION: a\nx-mine: b\nX-Mine: c\nx-other: d\nX-Api-Key: e\nX-Original-URL: /?sig=f"),
        "\"headers\":\"{\\\"authorization\\\":\\\"[redacted]\\\",\\\"x-mine\\\":\\\"[redacted]\\\",\\\"x-other\\\":\\\"d\\\","
        "\\\"x-api-key\\\":\\\"[redacted]\\\",\\\"x-original-url\\\":\\\"/?sig=[redacted]\\\"}\"");
    close_all();
}

struct ip_case {
    char ip[44], want[44];
};

ParameterizedTestParameters(request_event, anonymous)
{
    static struct ip_case cases[] = {
        {"203.0.113.7",          "\"203.0.113.0\"" },
        {"2001:db8:1:2:3:4:5:6", "\"2001:db8:1::\""},
        {"::1",                  "\"::\""          },
        {"who",                  "null"            },
        {"",                     "null"            },
    };
    return cr_make_param_array(struct ip_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct ip_case *c, request_event, anonymous)
{
    struct tl_event_options options = {.anonymize_ip = true};
    char lines[300], want[60];
    const char *event;

    open_with(&options);
    snprintf(lines, sizeof lines, "X-Forwarded-For: %s\nForwarded: for=%s\nCF-Connecting-IP: %s\nX-Real-IP: %s", c->ip, c->ip,
             c->ip, c->ip);
    event = event_of("/", "x", c->ip, lines);
    snprintf(want, sizeof want, "\"ip\":%s,", c->want);
    check_has(c->ip, event, want);
    check_has(c->ip, event,
              "{\\\"x-forwarded-for\\\":\\\"[redacted]\\\",\\\"forwarded\\\":\\\"[redacted]\\\",\\\"cf-connecting-ip\\\":"
              "\\\"[redacted]\\\",\\\"x-real-ip\\\":\\\"[redacted]\\\"}");
    close_all();
}

/* --- JSON whatever comes -------------------------------------------------------------------------------------------------- */

enum { F_URL, F_AGENT, F_HEADERS, F_REFERRER, F_HOST, F_TIME, FIELDS };
static const struct tl_field fields[FIELDS] = {
    {{"url", 3},         TL_STRING       },
    {{"user_agent", 10}, TL_STRING       },
    {{"headers", 7},     TL_STRING       },
    {{"referrer", 8},    TL_STRING       },
    {{"host", 4},        TL_STRING       },
    {{"event_time", 10}, TL_TIMESTAMP_LTZ}
};
static const struct tl_schema schema = {fields, FIELDS, TL_TIME_ISO_8601, 8 << 20, 1024};
static const struct tl_field inner_fields[] = {
    {{"string", 6}, TL_STRING},
    {{"x-it", 4},   TL_STRING},
};
/* Inside the columns there is no time. */
static const struct tl_schema inner_schema = {inner_fields, TL_COUNT(inner_fields), TL_TIME_ISO_8601, 8 << 20, 1024};

static struct tl_sv parsed(const struct tl_schema *with, struct tl_sv text, uint32_t field, char *copy, size_t copy_bytes)
{
    struct tl_json_event *parser;
    struct tl_batch *batch;
    struct tl_message message = {
        0, 0, {NULL, 0}
    };
    struct tl_buf padded;
    struct tl_sv found = {copy, 0};
    struct tl_value value;
    struct tl_err err = {0};

    tl_buf_init(&padded, 0);
    tl_buf_put_sv(&padded, text);
    cr_assert_not_null(tl_buf_reserve(&padded, TL_MESSAGE_PADDING));
    memset(padded.data + padded.size, 0, TL_MESSAGE_PADDING);
    message.value = tl_buf_sv(&padded);
    cr_assert_eq(tl_json_event_open(with, &parser, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_batch_open(with, &batch, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_json_event_parse(parser, &message, batch, &err), TL_OK, "%s", err.message);
    cr_assert(batch->dead_count == 0 && batch->rows == 1, "%.*s", TL_SV_ARG(text));
    value = tl_vec_get(&batch->column[field], 0);
    cr_assert(!value.is_null && value.sv.size < copy_bytes);
    memcpy(copy, value.sv.data, value.sv.size);
    found.size = value.sv.size;
    tl_batch_close(batch);
    tl_json_event_close(parser);
    tl_buf_done(&padded);
    return found;
}

struct bytes_case {
    char text[60], want[80];
};

ParameterizedTestParameters(request_event, hostile_bytes)
{
    static struct bytes_case cases[] = {
        {"plain",                                    "plain"                                                        },
        {"\"quoted\" \\ back\\\\slash \\u0041 \\\"", "\"quoted\" \\ back\\\\slash \\u0041 \\\""                     },
        {"tab\tand\x01\x1f\x7f",                     "tab\tand\x01\x1f\x7f"                                         },
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",     "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"                         },
        {"\xff\xfe\xc3",                             "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"                         },
        {"\xed\xa0\x80 \xc0\xaf",                    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd"},
        {"'; DROP TABLE events; --",                 "'; DROP TABLE events; --"                                     },
        {"<script>alert(1)</script>",                "<script>alert(1)</script>"                                    },
        {"\xe2\x80\xae"
         "abc\xef\xbb\xbf\xe2\x80\xa8",     "\xe2\x80\xae"
         "abc\xef\xbb\xbf\xe2\x80\xa8"                              },
        {"{\"a\":[",                                 "{\"a\":["                                                     },
        {"%s%n%d ${jndi:ldap://x/a}",                "%s%n%d ${jndi:ldap://x/a}"                                    },
        {"\xcc\xb7\xcc\xa8"
         "Z\xcd\xad a\xcc\x81",             "\xcc\xb7\xcc\xa8"
         "Z\xcd\xad a\xcc\x81"                                              },
    };
    return cr_make_param_array(struct bytes_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct bytes_case *c, request_event, hostile_bytes)
{
    struct tl_event_options options = {0};
    static const uint32_t columns[] = {F_URL, F_REFERRER, F_AGENT, F_HEADERS};
    char lines[300], column[2000], text[400];

    open_with(&options);
    snprintf(lines, sizeof lines, "user-agent: %s\nreferer: %s\nx-it: %s", c->text, c->text, c->text);
    event_of(c->text, c->text, "", lines);
    for (size_t i = 0; i < TL_COUNT(columns); i++) {
        struct tl_sv value = parsed(&schema, (struct tl_sv){out.data, out.size - 1}, columns[i], column, sizeof column);

        if (columns[i] == F_AGENT || columns[i] == F_HEADERS)
            value = parsed(&inner_schema, value, columns[i] == F_HEADERS, text, sizeof text);
        cr_assert(tl_sv_eq(value, tl_sv_from(c->want)), "column %u: got '%.*s', want '%s'", columns[i], TL_SV_ARG(value),
                  c->want);
    }
    close_all();
}

/* A step of the writer ends within a character of several bytes. */
Test(request_event, long_values)
{
    struct tl_event_options options = {0};
    char lines[1000] = "x-it: ", column[4000], text[1000];

    open_with(&options);
    for (size_t shift = 0; shift < 5; shift++) {
        struct tl_sv value;
        size_t size = 6;

        for (size_t i = 0; i < shift; i++)
            lines[size++] = 'a';
        while (size < 800)
            size += (size_t)sprintf(lines + size, "\xf0\x9f\x98\x80\"");
        event_of("/", "x", "", lines);
        value = parsed(&schema, (struct tl_sv){out.data, out.size - 1}, F_HEADERS, column, sizeof column);
        value = parsed(&inner_schema, value, 1, text, sizeof text);
        cr_assert(tl_sv_eq(value, tl_sv_from(lines + 6)));
    }
    close_all();
}

Test(request_event, more_headers_than_a_message_may_have)
{
    struct tl_event_options options = {0};
    static struct tl_http1_header headers[TL_HTTP1_HEADERS_MAX + 1];
    struct tl_request request = {.target = TL_SV("/"), .headers = headers, .headers_count = TL_COUNT(headers)};
    struct tl_request_event event;

    open_with(&options);
    for (size_t i = 0; i < TL_COUNT(headers); i++)
        headers[i] = (struct tl_http1_header){TL_SV("a"), TL_SV("b")};
    cr_assert(tl_request_event_begin(maker, &request, &out, &event));
    close_all();
}

/* --- user agents ---------------------------------------------------------------------------------------------------------- */

#define UNREAD "\"user_agent\":\"{\\\"family\\\":null,"

Test(request_event, a_long_user_agent_is_not_read)
{
    struct tl_event_options options = {0};
    char lines[700] = "User-Agent: ";

    open_with(&options);
    memset(lines + 12, 'a', 512);
    check_has("512", event_of("/", "x", "", lines), "\"user_agent\":\"{\\\"family\\\":\\\"Other\\\"");
    lines[12 + 512] = 'a';
    check_has("513", event_of("/", "x", "", lines), UNREAD);
    check_has("513", event_of("/", "x", "", lines), "aaaa\\\"}\",\"headers\"");
    close_all();
}

/* Each takes milliseconds: the budget is spent after some of them, and those that are known stay known. */
Test(request_event, hostile_user_agents_cost_a_share_of_the_time)
{
    struct tl_event_options options = {.user_agents = TL_USER_AGENTS_PATH};
    size_t unread = 0, count = 0;
    char lines[700];

    open_with(&options);
    event_of("/", "x", "", "User-Agent: " CHROME);
    for (; unread == 0; count++) {
        int size = snprintf(lines, sizeof lines, "User-Agent: %zu", count);

        while (size < 500)
            size += sprintf(lines + size, "HTC  ");
        unread = strstr(event_of("/", "x", "", lines), UNREAD) != NULL;
        cr_assert_lt(count, 100000);
    }
    check_has("known", event_of("/", "x", "", "User-Agent: " CHROME), "\"user_agent\":\"" CHROME_JSON "\"");
    close_all();
}

/* --- what is logged ------------------------------------------------------------------------------------------------------- */

struct logged_case {
    char target[60], host[40], lines[60];
    bool plain, open; /* logged by the defaults; by the options of the test */
};

ParameterizedTestParameters(request_event, logged)
{
    static struct logged_case cases[] = {
        {"/",                   "x.com",              "",           true,  true },
        {"/a.css?v=1",          "x.com",              "",           false, true },
        {"/A.JS",               "x.com",              "",           false, true },
        {"/a.PDF?b=c.js",       "x.com",              "",           true,  false},
        {"/a.tar.gz",           "x.com",              "",           true,  false},
        {"/a.js/b",             "x.com",              "",           true,  true },
        {"/?a=/b.js",           "x.com",              "",           true,  true },
        {"/",                   "localhost",          "",           false, true },
        {"/",                   "LocalHost:8080",     "",           false, true },
        {"/",                   "a.b.localhost.",     "",           false, true },
        {"/",                   "mylocalhost",        "",           true,  true },
        {"/",                   "localhost.com",      "",           true,  true },
        {"/",                   "127.0.0.1:80",       "",           false, true },
        {"/",                   "127.8.9.1",          "",           false, true },
        {"/",                   "127.x.com",          "",           true,  true },
        {"/",                   "[::1]:80",           "",           false, true },
        {"/",                   "[::1]",              "",           false, true },
        {"/",                   "[::ffff:127.0.0.1]", "",           false, true },
        {"/",                   "[::2]",              "",           true,  true },
        {"/",                   "",                   "",           true,  true },
        {"/health",             "x.com",              "",           true,  false},
        {"/health?x=1",         "x.com",              "",           true,  false},
        {"/health/",            "x.com",              "",           true,  true },
        {"/admin/a/b",          "x.com",              "",           true,  false},
        {"/admin",              "x.com",              "",           true,  true },
        {"http://x.com/health", "x.com",              "",           true,  false},
        {"http://x.com",        "x.com",              "",           true,  true },
        {"/",                   "x.com",              "DNT: 1",     true,  false},
        {"/",                   "x.com",              "dnt: 0",     true,  true },
        {"/",                   "x.com",              "Sec-GPC: 1", true,  false},
    };
    return cr_make_param_array(struct logged_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct logged_case *c, request_event, logged)
{
    struct tl_event_options plain =
                                {
                                    0
    },
                            with = {.exclude = {.items = {"/health", "/admin/*"}, .count = 2},
                                    .file_extensions = ".pdf, GZ",
                                    .honor_dnt = true,
                                    .log_localhost = true};
    struct tl_http1_header headers[HEADERS_MAX];
    struct tl_request request = {.target = tl_sv_from(c->target), .host = tl_sv_from(c->host)};

    request.headers_count = headers_of(c->lines, headers);
    request.headers = headers;
    open_with(&plain);
    cr_assert_eq(tl_request_is_logged(rules, &request), c->plain, "%s at '%s' %s", c->target, c->host, c->lines);
    close_all();
    open_with(&with);
    cr_assert_eq(tl_request_is_logged(rules, &request), c->open, "with: %s at '%s' %s", c->target, c->host, c->lines);
    close_all();
}

Test(request_event, no_ending_is_a_files)
{
    struct tl_request request = {.target = TL_SV("/a.css"), .host = TL_SV("x.com")};

    open_with(&(struct tl_event_options){.file_extensions = "none"});
    cr_assert(tl_request_is_logged(rules, &request));
    close_all();
}

static void refused(const struct tl_event_options *options, const char *want)
{
    struct tl_err err = {0};

    cr_assert_eq(tl_event_rules_open(options, &rules, &err), TL_ERR_USAGE);
    cr_assert_str_eq(err.message, want);
}

Test(request_event, wrong_options)
{
    refused(
        &(struct tl_event_options){
            .exclude = {.items = {"admin"}, .count = 1}
    },
        "'admin' is no path to leave out: one begins with /, and a * may stand at its end");
    refused(
        &(struct tl_event_options){
            .exclude = {.items = {"/*/a"}, .count = 1}
    },
        "'/*/a' is no path to leave out: one begins with /, and a * may stand at its end");
    refused(&(struct tl_event_options){.file_extensions = ".js,.tar.gz"},
            "'tar.gz' is no ending of files: letters and digits behind a point, 11 at most");
}

/* --- ids ------------------------------------------------------------------------------------------------------------------ */

Test(request_event, ids_grow)
{
    static struct tl_event_ids ids;
    char before[TL_EVENT_ID_TEXT_BYTES] = "", id[TL_EVENT_ID_TEXT_BYTES];

    for (int i = 0; i < 20000; i++) {
        /* The clock stands still for 10000, then steps back, then goes on. */
        int64_t now_ms = i < 10000 ? time_ms : i < 15000 ? time_ms - 1000 : time_ms + i;

        cr_assert(tl_event_ids_next(&ids, now_ms, id));
        cr_assert(memcmp(before, id, sizeof id) < 0, "%.36s %.36s", before, id);
        cr_assert(id[14] == '7' && strchr("89ab", id[19]) != NULL && id[8] == '-' && id[13] == '-' && id[18] == '-' &&
                  id[23] == '-');
        memcpy(before, id, sizeof id);
    }
    cr_assert(tl_event_ids_next(&ids, INT64_C(0x0192aabbccdd) + INT64_C(0x10000000000), id));
    cr_assert(memcmp(id, "0292aabb-ccdd-7", 15) == 0, "%.36s", id);
}
