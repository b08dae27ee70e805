/* access_log_test.c: lines of access logs as servers write them, and the events that they become. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "speed_layer/access_log.h"

#define ID "00000000-0000-8000-8000-000000000000"

struct event_case {
    char name[60];
    enum tl_access_format format;
    char line[420];
    char want[700]; /* the event behind its id; empty: the line is refused */
};

/* clang-format off */
ParameterizedTestParameters(access_log, event)
{
    static struct event_case cases[] = {
        {"combined", TL_ACCESS_COMBINED,
         "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /a.html?q=1 HTTP/1.1\" 200 203023 \"http://x.com/\" \"Mozilla/5.0 (X11)\"",
         "\"url\":\"/a.html?q=1\",\"method\":\"GET\",\"referrer\":\"http://x.com/\",\"user_agent\":\"Mozilla/5.0 (X11)\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"83.149.9.216\",\"event_time\":\"2015-05-17T10:05:03.000Z\",\"status\":200,\"bytes\":203023}"},
        {"common", TL_ACCESS_COMMON,
         "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /apache_pb.gif HTTP/1.0\" 200 2326",
         "\"url\":\"/apache_pb.gif\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"127.0.0.1\",\"event_time\":\"2000-10-10T20:55:36.000Z\",\"status\":200,\"bytes\":2326}"},
        {"vhost_combined: the host of the line, without its port", TL_ACCESS_VHOST_COMBINED,
         "www.x.com:443 10.0.0.1 - - [01/Jan/2026:00:00:00 +0100] \"POST / HTTP/2.0\" 304 - \"-\" \"curl\"",
         "\"url\":\"/\",\"method\":\"POST\",\"referrer\":null,\"user_agent\":\"curl\",\"headers\":null,"
         "\"host\":\"www.x.com\",\"ip\":\"10.0.0.1\",\"event_time\":\"2025-12-31T23:00:00.000Z\",\"status\":304,\"bytes\":null}"},
        {"vhost_combined: IPv6 on both sides", TL_ACCESS_VHOST_COMBINED,
         "[2001:db8::1]:80 2001:db8::2 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"",
         "\"url\":\"/\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"[2001:db8::1]\",\"ip\":\"2001:db8::2\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"IPv6", TL_ACCESS_COMBINED,
         "::1 - - [29/Feb/2024:23:59:59 +0530] \"HEAD / HTTP/1.1\" 200 0 \"-\" \"a\"",
         "\"url\":\"/\",\"method\":\"HEAD\",\"referrer\":null,\"user_agent\":\"a\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"::1\",\"event_time\":\"2024-02-29T18:29:59.000Z\",\"status\":200,\"bytes\":0}"},
        {"escapes are read", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /\\\"q\\\" HTTP/1.1\" 200 1 \"a\\\\b\\tc\\x41\\n\" \"say \\\"hi\\\" \\x7\\q\"",
         "\"url\":\"/\\\"q\\\"\",\"method\":\"GET\",\"referrer\":\"a\\\\b\\tcA\\n\",\"user_agent\":\"say \\\"hi\\\" \\\\x7\\\\q\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"an escaped backslash before a quote does not escape it", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"C:\\\\\" \"b\"",
         "\"url\":\"/\",\"method\":\"GET\",\"referrer\":\"C:\\\\\",\"user_agent\":\"b\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"UTF-8 stays, other bytes become U+FFFD", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /\\xc3\\xa4\\xff\\x00 HTTP/1.1\" 200 1 \"\xc3\xa4\xe4\" \"\"",
         "\"url\":\"/\xc3\xa4\xef\xbf\xbd\\u0000\",\"method\":\"GET\",\"referrer\":\"\xc3\xa4\xef\xbf\xbd\",\"user_agent\":\"\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"no request at all", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"-\" 408 - \"-\" \"-\"",
         "\"url\":null,\"method\":null,\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":408,\"bytes\":null}"},
        {"TLS on the plain port", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"\\x16\\x03\\x01 a\" 400 226 \"-\" \"-\"",
         "\"url\":\"\\u0016\\u0003\\u0001 a\",\"method\":null,\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":400,\"bytes\":226}"},
        {"a request without a version, a url with spaces", TL_ACCESS_COMMON,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /a b c\" 200 1",
         "\"url\":\"/a b c\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"a word alone is no method", TL_ACCESS_COMMON,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"QUIT\" 400 1",
         "\"url\":\"QUIT\",\"method\":null,\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":400,\"bytes\":1}"},
        {"quotes that nobody escaped", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /?q=\"x\" HTTP/1.1\" 200 1 \"http://g?\"y\"z\" \"the \"best\"one\"",
         "\"url\":\"/?q=\\\"x\\\"\",\"method\":\"GET\",\"referrer\":\"http://g?\\\"y\\\"z\",\"user_agent\":\"the \\\"best\\\"one\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"a user agent that was cut off", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"Mozilla/5.0 (compatible; Goo",
         "\"url\":\"/\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":\"Mozilla/5.0 (compatible; Goo\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"what servers put behind is passed over", TL_ACCESS_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"ua\" \"10.0.0.9\" 0.123",
         "\"url\":\"/\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":\"ua\",\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"a user with a space and a bracket", TL_ACCESS_COMMON,
         "1.1.1.1 - john [x] doe [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
         "\"url\":\"/\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":200,\"bytes\":1}"},
        {"a status that is none", TL_ACCESS_COMMON,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" - -",
         "\"url\":\"/\",\"method\":\"GET\",\"referrer\":null,\"user_agent\":null,\"headers\":null,"
         "\"host\":\"site\",\"ip\":\"1.1.1.1\",\"event_time\":\"2026-01-01T00:00:00.000Z\",\"status\":null,\"bytes\":null}"},
        {"nothing", TL_ACCESS_COMBINED, "x", ""},
        {"a time without a zone", TL_ACCESS_COMMON, "1.1.1.1 - - [01/Jan/2026:00:00:00] \"GET / HTTP/1.1\" 200 1", ""},
        {"a day that is none", TL_ACCESS_COMMON, "1.1.1.1 - - [31/Feb/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1", ""},
        {"a month that is none", TL_ACCESS_COMMON, "1.1.1.1 - - [01/Mai/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1", ""},
        {"no quotes", TL_ACCESS_COMMON, "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] GET / HTTP/1.1 200 1", ""},
        {"a request without an end", TL_ACCESS_COMMON, "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1", ""},
        {"no size", TL_ACCESS_COMMON, "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200", ""},
        {"a size beyond all sizes", TL_ACCESS_COMMON,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 99999999999999999999", ""},
        {"a size below zero", TL_ACCESS_COMMON, "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 -5", ""},
        {"common is not combined", TL_ACCESS_COMBINED, "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1", ""},
        {"combined is not common", TL_ACCESS_COMMON,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"", ""},
        {"combined has no host", TL_ACCESS_VHOST_COMBINED,
         "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"", ""},
        {"vhost_combined has one more", TL_ACCESS_COMBINED,
         "x.com:80 1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\"", ""},
        {"no user agent", TL_ACCESS_COMBINED, "1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\"", ""},
        {"an event in JSON", TL_ACCESS_COMBINED, "{\"event_time\":\"2026-01-01T00:00:00Z\"}", ""},
        {"an empty line", TL_ACCESS_COMBINED, "", ""},
    };
    return cr_make_param_array(struct event_case, cases, sizeof cases / sizeof *cases);
}
/* clang-format on */

ParameterizedTest(struct event_case *c, access_log, event)
{
    struct tl_access_line line;
    struct tl_buf out, scratch;
    struct tl_access_event event;
    int64_t time_ms;
    char want[800];
    /* As long as it is and no longer: the address sanitizer sees a read behind it. */
    size_t size = strlen(c->line);
    char *text = malloc(size > 0 ? size : 1);
    const char *why;

    memcpy(text, c->line, size);
    why = tl_access_line_read(c->format, (struct tl_sv){text, size}, &line);
    if (c->want[0] == '\0') {
        cr_assert_not_null(why, "%s: was taken", c->name);
    } else {
        cr_assert_null(why, "%s: %s", c->name, why);
        tl_buf_init(&out, 0);
        tl_buf_init(&scratch, 0);
        tl_access_event_put(&out, &scratch, &line, TL_SV("site"), ID, &event);
        cr_assert(tl_access_line_time(c->format, (struct tl_sv){text, size}, &time_ms) && time_ms == line.time_ms, "%s", c->name);
        snprintf(want, sizeof want, "{\"event_id\":\"" ID "\",%s", c->want);
        cr_assert(tl_sv_eq(tl_buf_sv(&out), tl_sv_from(want)), "%s:\n got %.*s\nwant %s", c->name, (int)out.size, out.data, want);
        tl_buf_done(&out);
        tl_buf_done(&scratch);
    }
    free(text);
}

Test(access_log, a_log_without_a_host_gives_none)
{
    struct tl_access_event event;
    struct tl_access_line line;
    struct tl_buf out, scratch;

    cr_assert_null(
        tl_access_line_read(TL_ACCESS_COMMON, TL_SV("1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1"), &line));
    tl_buf_init(&out, 0);
    tl_buf_init(&scratch, 0);
    tl_access_event_put(&out, &scratch, &line, (struct tl_sv){NULL, 0}, ID, &event);
    tl_buf_put_u8(&out, 0);
    cr_assert_not_null(strstr(out.data, "\"host\":null,"));
    tl_buf_done(&out);
    tl_buf_done(&scratch);
}

/* However a line is cut short, it is read or refused, and no byte behind it is looked at. */
Test(access_log, every_beginning_of_a_line)
{
    static const char whole[] =
        "x.com:80 ::1 - u [01/Jan/2026:00:00:00 +0000] \"GET /\\x41\\\" HTTP/1.1\" 200 17 \"\\\\\" \"a\\\"b\" \"more\"";
    struct tl_buf out, scratch;

    tl_buf_init(&out, 0);
    tl_buf_init(&scratch, 0);
    for (size_t size = 0; size < sizeof whole; size++)
        for (enum tl_access_format format = TL_ACCESS_COMMON; format <= TL_ACCESS_VHOST_COMBINED; format++) {
            char *text = malloc(size > 0 ? size : 1);
            struct tl_access_event event;
            struct tl_access_line line;

            memcpy(text, whole, size);
            tl_buf_clear(&out);
            if (tl_access_line_read(format, (struct tl_sv){text, size}, &line) == NULL)
                tl_access_event_put(&out, &scratch, &line, (struct tl_sv){NULL, 0}, ID, &event);
            free(text);
        }
    tl_buf_done(&out);
    tl_buf_done(&scratch);
}

static FILE *shared_log(void)
{
    const char *shared = getenv("TALLY_SHARED");
    char path[500];

    snprintf(path, sizeof path, "%s/data/apache_logs", shared != NULL && shared[0] != '\0' ? shared : "../shared");
    return fopen(path, "r");
}

Test(access_log, a_real_log_is_read_whole)
{
    FILE *file = shared_log();
    char *text = NULL;
    size_t room = 0, count = 0;
    ssize_t size;

    if (file == NULL)
        cr_skip_test("the shared access log is not there (../shared, or TALLY_SHARED)");
    while ((size = getline(&text, &room, file)) > 0) {
        struct tl_access_line line;
        const char *why = tl_access_line_read(TL_ACCESS_COMBINED, (struct tl_sv){text, (size_t)size - 1}, &line);

        count++;
        cr_assert_null(why, "line %zu: %s: %s", count, why, text);
        cr_assert(line.time_ms >= 1431857100000 && line.time_ms < 1432155960000, "line %zu", count);
    }
    cr_assert_eq(count, 10000);
    free(text);
    fclose(file);
}
