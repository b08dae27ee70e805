/* diag_test.c: one line an event, and no value from outside can forge another one. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"

/* A file that stands in for stderr, and what has been written to it since. */
static FILE *screen;

static void screen_open(void)
{
    char path[] = "/tmp/tally-clock-XXXXXX";
    FILE *file;
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    file = fdopen(fd, "w");
    fputs("1772330407123", file);
    fclose(file);
    setenv("TALLY_CLOCK_FILE", path, 1);
    screen = tmpfile();
    cr_assert_not_null(screen);
    dup2(fileno(screen), STDERR_FILENO);
}

static void screen_close(void)
{
    unlink(getenv("TALLY_CLOCK_FILE"));
}

static const char *screen_text(void)
{
    static char text[65536];
    ssize_t size = pread(fileno(screen), text, sizeof text - 1, 0);

    cr_assert_geq(size, 0);
    text[size] = '\0';
    return text;
}

TestSuite(diag, .init = screen_open, .fini = screen_close);

Test(diag, a_line_of_text)
{
    struct tl_diag_kv pairs[] = {
        {"topic",     "events", 0    },
        {"partition", NULL,     3    },
        {"idle_ms",   NULL,     60000}
    };

    tl_diag_setup("speed", false, false);
    tl_diag_event(TL_WARN, "partition idle", pairs, TL_COUNT(pairs));
    tl_diag(TL_DEBUG, "only with -v");
    tl_diag(TL_INFO, "read %d files", 3);
    cr_assert_str_eq(screen_text(), "2026-03-01T02:00:07Z warn speed partition idle topic=events partition=3 idle_ms=60000\n"
                                    "2026-03-01T02:00:07Z info speed read 3 files\n");
}

Test(diag, a_line_of_json)
{
    struct tl_diag_kv pairs[] = {
        {"url",    "/a\"\n\x1b[31m", 0 },
        {"offset", NULL,             -1}
    };

    tl_diag_setup("batch", true, true);
    tl_diag_event(TL_ERROR, "bad\nline", pairs, TL_COUNT(pairs));
    tl_diag(TL_DEBUG, "told with -v");
    cr_assert_str_eq(screen_text(),
                     "{\"ts\":\"2026-03-01T02:00:07Z\",\"level\":\"error\",\"part\":\"batch\",\"message\":\"bad\\nline\","
                     "\"url\":\"/a\\\"\\n\\u001b[31m\",\"offset\":-1}\n"
                     "{\"ts\":\"2026-03-01T02:00:07Z\",\"level\":\"debug\",\"part\":\"batch\",\"message\":\"told with -v\"}\n");
}

struct value_case {
    char name[40], value[32], want[48];
};

ParameterizedTestParameters(diag, values)
{
    static struct value_case cases[] = {
        {"plain",               "/index.html?a", "/index.html?a"     },
        {"empty",               "",              "\"\""              },
        {"space",               "a b",           "\"a b\""           },
        {"equals sign",         "a=b",           "\"a=b\""           },
        {"quote and backslash", "a\"b\\",        "\"a\\\"b\\\\\""    },
        {"a forged line",       "x\n2026 error", "\"x\\n2026 error\""},
        {"return and tab",      "\r\t",          "\"\\r\\t\""        },
        {"terminal colours",    "\x1b[31m",      "\"\\x1b[31m\""     },
        {"delete",              "\x7f",          "\"\\x7f\""         },
        {"C1 control",          "\xc2\x9bm",     "\"\\xc2\\x9bm\""   },
        {"other alphabets",     "\xc3\xa4",      "\"\xc3\xa4\""      },
        {"no UTF-8",            "\xff\x9b",      "\"\\xff\\x9b\""    },
    };
    return cr_make_param_array(struct value_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct value_case *c, diag, values, .init = screen_open, .fini = screen_close)
{
    struct tl_diag_kv pair = {"url", c->value, 0};
    char want[200];

    tl_diag_setup("speed", false, false);
    tl_diag_event(TL_INFO, "m", &pair, 1);
    snprintf(want, sizeof want, "2026-03-01T02:00:07Z info speed m url=%s\n", c->want);
    cr_assert_str_eq(screen_text(), want, "%s: got %s", c->name, screen_text());
}

Test(diag, an_error_may_have_several_lines_but_no_escapes)
{
    struct tl_err err;

    tl_diag_setup("explain", false, false);
    (void)tl_fail(&err, TL_ERR_DEFINITION, "views.sql:3:14: no such column\n  SELECT \x1b[2J hst\n         ^");
    tl_diag_err(&err);
    tl_diag(TL_INFO, "one\nline");
    cr_assert_str_eq(screen_text(), "2026-03-01T02:00:07Z error explain views.sql:3:14: no such column\n  SELECT \\x1b[2J hst\n"
                                    "         ^\n2026-03-01T02:00:07Z info explain one\\nline\n");
}

static void *chatter(void *argument)
{
    for (int i = 0; i < 200; i++)
        tl_diag(TL_INFO, "%s", (const char *)argument);
    return NULL;
}

Test(diag, lines_of_two_threads_stay_whole)
{
    static char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b[] = "bbbbbbbbbbbbbbbbbbbb";
    pthread_t threads[2];
    const char *text;
    int lines = 0;

    tl_diag_setup("speed", false, false);
    pthread_create(&threads[0], NULL, chatter, a);
    pthread_create(&threads[1], NULL, chatter, b);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    for (text = screen_text(); *text != '\0'; lines++) {
        size_t size = strcspn(text, "\n");

        cr_assert(size == 31 + sizeof a || size == 31 + sizeof b, "%.*s", (int)size, text);
        text += size + 1;
    }
    cr_assert_eq(lines, 400);
}
