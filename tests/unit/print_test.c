/* print_test.c: rows as CSV by RFC 4180, as JSON that any reader takes, and as a table whose cells cannot break it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/print.h"

static struct tl_err err;

struct text_case {
    char name[40], text[40];
    size_t size;
    char csv[60], json[80];
};

ParameterizedTestParameters(print, text)
{
    static struct text_case cases[] = {
        {"plain",             "abc",      3, "abc",          "\"abc\""     },
        {"empty is not NULL", "",         0, "\"\"",         "\"\""        },
        {"a comma",           "a,b",      3, "\"a,b\"",      "\"a,b\""     },
        {"a quote",           "a\"b",     3, "\"a\"\"b\"",   "\"a\\\"b\""  },
        {"only quotes",       "\"\"",     2, "\"\"\"\"\"\"", "\"\\\"\\\"\""},
        {"a line feed",       "a\nb",     3, "\"a\nb\"",     "\"a\\nb\""   },
        {"a carriage return", "a\rb",     3, "\"a\rb\"",     "\"a\\rb\""   },
        {"a backslash",       "a\\b",     3, "a\\b",         "\"a\\\\b\""  },
        {"other letters",     "\xc3\xa9", 2, "\xc3\xa9",     "\"\xc3\xa9\""},
    };
    return cr_make_param_array(struct text_case, cases, sizeof cases / sizeof *cases);
}

/* One row of (text, BIGINT) in a format; the caller frees it. */
static char *printed(enum tl_print_format format, const struct tl_value *values, size_t count)
{
    static const struct tl_shape_column columns[] = {
        {.name = {"host", 4}, .kind = TL_STRING},
        {.name = {"n,m", 3},  .kind = TL_BIGINT}
    };
    struct tl_printer printer;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    cr_assert_not_null(out);
    tl_printer_init(&printer, format, out);
    cr_assert_eq(tl_printer_head(&printer, columns, count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_printer_row(&printer, values, count, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_printer_end(&printer, &err), TL_OK, "%s", err.message);
    tl_printer_done(&printer);
    fclose(out);
    return text;
}

ParameterizedTest(struct text_case *c, print, text)
{
    struct tl_value value = {
        .kind = TL_STRING, .sv = {c->text, c->size}
    };
    char want[200], *got = printed(TL_PRINT_CSV, &value, 1);

    snprintf(want, sizeof want, "host\r\n%s\r\n", c->csv);
    cr_expect_str_eq(got, want, "%s: CSV is <%s>, want <%s>", c->name, got, want);
    free(got);
    got = printed(TL_PRINT_JSON, &value, 1);
    snprintf(want, sizeof want, "[\n  {\"host\": %s}\n]\n", c->json);
    cr_expect_str_eq(got, want, "%s: JSON is <%s>, want <%s>", c->name, got, want);
    free(got);
}

struct value_case {
    char name[40];
    enum tl_kind kind;
    int64_t i64;
    double f64;
    char csv[40], json[40];
};

ParameterizedTestParameters(print, value)
{
    static struct value_case cases[] = {
        {"the largest BIGINT", TL_BIGINT,        INT64_MAX,     0,         "9223372036854775807",      "9223372036854775807"         },
        {"the smallest",       TL_BIGINT,        INT64_MIN,     0,         "-9223372036854775808",     "-9223372036854775808"        },
        {"true",               TL_BOOLEAN,       1,             0,         "true",                     "true"                        },
        {"false",              TL_BOOLEAN,       0,             0,         "false",                    "false"                       },
        {"an instant",         TL_TIMESTAMP_LTZ, 1431857100000, 0,         "2015-05-17T10:05:00.000Z", "\"2015-05-17T10:05:00.000Z\""},
        {"before 1970",        TL_TIMESTAMP_LTZ, -1,            0,         "1969-12-31T23:59:59.999Z", "\"1969-12-31T23:59:59.999Z\""},
        {"the shortest text",  TL_DOUBLE,        0,             0.1,       "0.1",                      "0.1"                         },
        {"all its digits",     TL_DOUBLE,        0,             0.1 + 0.2, "0.30000000000000004",      "0.30000000000000004"         },
        {"a round number",     TL_DOUBLE,        0,             5400,      "5400",                     "5400"                        },
        {"a large one",        TL_DOUBLE,        0,             1e22,      "1e+22",                    "1e+22"                       },
        {"the least",          TL_DOUBLE,        0,             5e-324,    "5e-324",                   "5e-324"                      },
        {"infinity",           TL_DOUBLE,        0,             INFINITY,  "Infinity",                 "\"Infinity\""                },
    };
    return cr_make_param_array(struct value_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct value_case *c, print, value)
{
    struct tl_value value = {.kind = c->kind};
    struct tl_buf out;

    if (c->kind == TL_DOUBLE)
        value.f64 = c->f64;
    else
        value.i64 = c->i64;
    tl_buf_init(&out, 0);
    tl_print_value(&out, &value);
    cr_expect(tl_sv_eq((struct tl_sv){out.data, out.size}, tl_sv_from(c->csv)), "%s: got %.*s, want %s", c->name, (int)out.size,
              out.data, c->csv);
    out.size = 0;
    tl_print_json(&out, &value);
    cr_expect(tl_sv_eq((struct tl_sv){out.data, out.size}, tl_sv_from(c->json)), "%s: got %.*s, want %s", c->name, (int)out.size,
              out.data, c->json);
    tl_buf_done(&out);
}

/* Without zeros at either end. */
static int digits_of(const char *number)
{
    int digits = 0, last = 0;

    for (; *number != '\0' && *number != 'e'; number++) {
        digits += isdigit((unsigned char)*number) && (digits > 0 || *number != '0');
        if (*number >= '1' && *number <= '9')
            last = digits;
    }
    return last;
}

/* Any double, by its bits: no text with fewer digits is read as the same number. */
Test(print, a_double_has_as_few_digits_as_it_needs)
{
    uint64_t bits = 1;
    struct tl_buf out;

    tl_buf_init(&out, 0);
    for (int i = 0; i < 20000; i++) {
        struct tl_value value = {.kind = TL_DOUBLE};
        char want[40];

        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(&value.f64, &bits, sizeof bits);
        if (i % 4 == 0)
            value.f64 = (double)(bits >> 40) / 1000;
        else if (i % 4 == 1)
            value.f64 = 5e-324 * (double)(bits >> 44);
        if (!isfinite(value.f64))
            continue;
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(want, sizeof want, "%.*g", digits, value.f64);
            if (strtod(want, NULL) == value.f64)
                break;
        }
        tl_buf_clear(&out);
        tl_print_value(&out, &value);
        tl_buf_put_u8(&out, '\0');
        cr_assert(strtod(out.data, NULL) == value.f64 && digits_of(out.data) == digits_of(want), "got %s, want %s", out.data,
                  want);
    }
    tl_buf_done(&out);
}

Test(print, null_is_an_empty_field_and_a_header_is_quoted_too)
{
    struct tl_value values[] = {
        {.kind = TL_STRING, .is_null = true},
        {.kind = TL_BIGINT, .is_null = true}
    };
    char *csv = printed(TL_PRINT_CSV, values, 2), *json = printed(TL_PRINT_JSON, values, 2);

    cr_expect_str_eq(csv, "host,\"n,m\"\r\n,\r\n");
    cr_expect_str_eq(json, "[\n  {\"host\": null, \"n,m\": null}\n]\n");
    free(csv);
    free(json);
}

Test(print, a_table_keeps_its_lines)
{
    struct tl_value value = {.kind = TL_STRING, .sv = tl_sv_from("a\nb\x1b[31m")};
    char *table = printed(TL_PRINT_TABLE, &value, 1);
    size_t lines = 0;

    for (const char *at = table; *at != '\0'; at++)
        lines += *at == '\n';
    cr_expect_eq(lines, 3, "the head, the rule, the row: %s", table);
    cr_expect_null(strchr(table, '\x1b'), "a terminal would obey it");
    free(table);
}

Test(print, what_cannot_be_written_is_an_error)
{
    static const struct tl_shape_column columns[] = {
        {.name = {"host", 4}, .kind = TL_STRING}
    };
    struct tl_value value = {.kind = TL_STRING, .sv = tl_sv_from("x")};
    FILE *full = fopen("/dev/full", "w");
    struct tl_printer printer;
    enum tl_code rc;

    cr_assert_not_null(full);
    tl_printer_init(&printer, TL_PRINT_CSV, full);
    rc = tl_printer_head(&printer, columns, 1, &err);
    if (rc == TL_OK)
        rc = tl_printer_row(&printer, &value, 1, &err);
    if (rc == TL_OK)
        rc = tl_printer_end(&printer, &err);
    cr_expect_eq(rc, TL_ERR_IO);
    tl_printer_done(&printer);
    fclose(full);
}
