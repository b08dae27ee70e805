/* json_event_test.c: messages -> rows and dead letters: conversions, repairs, limits, and that being a dead letter asks no column.
 *
 * The suite of 318 JSON texts is read from TALLY_SHARED/data/json-test-suite (../shared unless set) and held against
 * tests/data/json_suite.tsv; without the folder those tests are skipped. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "event/json_event.h"
#include "event/timestamp.h"
#include "support/json_reference.h"

enum { BYTES_MAX = 8 << 20, DEPTH_MAX = 1024 };

/* ---- a parser, its batch, and one message at a time ---- */

struct rig {
    struct tl_schema schema;
    struct tl_field fields[8];
    struct tl_json_event *parser;
    struct tl_batch *batch;
    char *bytes;
};

static void rig_open(struct rig *rig, const struct tl_field *fields, uint32_t count, enum tl_time_format format)
{
    struct tl_err err;

    cr_assert_leq(count, TL_COUNT(rig->fields));
    if (count > 0)
        memcpy(rig->fields, fields, count * sizeof *fields);
    rig->schema = (struct tl_schema){rig->fields, count, format, BYTES_MAX, DEPTH_MAX};
    rig->bytes = NULL;
    cr_assert_eq(tl_json_event_open(&rig->schema, &rig->parser, &err), TL_OK);
    cr_assert_eq(tl_batch_open(&rig->schema, &rig->batch, &err), TL_OK);
}

static void rig_close(struct rig *rig)
{
    tl_json_event_close(rig->parser);
    tl_batch_close(rig->batch);
    free(rig->bytes);
}

/* In memory of its own that ends with the padding, which is made of what a reader that went too far would take for JSON. */
static void rig_parse(struct rig *rig, const void *bytes, size_t size)
{
    struct tl_message message = {.offset = 41, .log_ms = 42};
    struct tl_err err;

    free(rig->bytes);
    rig->bytes = malloc(size + TL_MESSAGE_PADDING);
    cr_assert_not_null(rig->bytes);
    if (size > 0)
        memcpy(rig->bytes, bytes, size);
    memset(rig->bytes + size, size % 2 ? '"' : '}', TL_MESSAGE_PADDING);
    message.value = (struct tl_sv){rig->bytes, size};
    tl_batch_clear(rig->batch);
    cr_assert_eq(tl_json_event_parse(rig->parser, &message, rig->batch, &err), TL_OK);
    cr_assert_eq(rig->batch->messages_count, 1);
    for (uint32_t i = 0; i < rig->batch->rows; i++)
        cr_assert(rig->batch->offset[i] == 41 && rig->batch->log_ms[i] == 42 && rig->batch->raw[i].data == rig->bytes &&
                  rig->batch->raw[i].size == size);
    for (uint32_t i = 0; i < rig->batch->dead_count; i++)
        cr_assert(rig->batch->dead[i].offset == 41 && rig->batch->dead[i].log_ms == 42 &&
                  rig->batch->dead[i].raw.data == rig->bytes && rig->batch->dead[i].raw.size == size);
}

static const char *reason_word(enum tl_dead_reason reason)
{
    static const char *const words[] = {"?",        "NOT_JSON", "EMPTY",        "NOT_OBJECT", "TOO_LARGE",
                                        "TOO_DEEP", "TRAILING", "TIME_MISSING", "TIME_BAD"};

    return words[reason];
}

static void print_value(struct tl_buf *out, const struct tl_batch *batch, uint32_t row, uint32_t field)
{
    struct tl_value value = tl_vec_get(&batch->column[field], row);
    bool bad = batch->bad[(size_t)row * batch->schema->fields_count + field] != 0;

    cr_assert(!bad || value.is_null);
    if (value.is_null) {
        tl_buf_put_str(out, bad ? "BAD" : "NULL");
    } else if (value.kind == TL_STRING) {
        for (size_t i = 0, step; i < value.sv.size; i += step) {
            step = tl_utf8_size(value.sv.data + i, value.sv.size - i);
            cr_assert(step > 0 && value.sv.data[i] != 0, "text is well-formed UTF-8 without NUL");
        }
        tl_buf_put_json(out, value.sv);
    } else if (tl_kind_form(value.kind) == TL_FORM_F64) {
        cr_assert(isfinite(value.f64));
        tl_buf_printf(out, "%.17g", value.f64);
    } else {
        tl_buf_printf(out, "%lld", (long long)value.i64);
    }
}

/* "row 0 DUP BAD: v, v; dead 1 NOT_OBJECT" */
static void print_batch(struct tl_buf *out, const struct tl_batch *batch)
{
    const char *separator = "";

    tl_buf_clear(out);
    for (uint32_t row = 0; row < batch->rows; row++) {
        tl_buf_printf(out, "%srow %u", separator, batch->row[row]);
        if (batch->flags[row] & TL_FLAG_DUP_KEY)
            tl_buf_put_str(out, " DUP");
        if (batch->flags[row] & TL_FLAG_BAD_FIELD)
            tl_buf_put_str(out, " BAD");
        if (batch->flags[row] & TL_FLAG_DATE_CLAMPED)
            tl_buf_put_str(out, " CLAMPED");
        cr_assert_eq(batch->flags[row] & ~(TL_FLAG_DUP_KEY | TL_FLAG_BAD_FIELD | TL_FLAG_DATE_CLAMPED), 0);
        for (uint32_t f = 0; f < batch->schema->fields_count; f++) {
            tl_buf_put_str(out, f == 0 ? ": " : ", ");
            print_value(out, batch, row, f);
        }
        separator = "; ";
    }
    for (uint32_t i = 0; i < batch->dead_count; i++) {
        tl_buf_printf(out, "%sdead %u %s", separator, batch->dead[i].row, reason_word(batch->dead[i].reason));
        separator = "; ";
    }
    tl_buf_put_u8(out, 0);
    cr_assert_not(out->failed);
}

/* ---- values ---- */

struct value_case {
    enum tl_kind kind;
    char json[112];
    char want[112];
};

ParameterizedTestParameters(json_event, value)
{
    static struct value_case cases[] = {
  /* STRING: Jackson's asText */
        {TL_STRING,        "\"x\"",                                                        "\"x\""                                               },
        {TL_STRING,        "\"\"",                                                         "\"\""                                                },
        {TL_STRING,        "\" x \"",                                                      "\" x \""                                             },
        {TL_STRING,        "null",                                                         "NULL"                                                },
        {TL_STRING,        "true",                                                         "\"true\""                                            },
        {TL_STRING,        "false",                                                        "\"false\""                                           },
        {TL_STRING,        "0",                                                            "\"0\""                                               },
        {TL_STRING,        "-0",                                                           "\"0\""                                               },
        {TL_STRING,        "-5",                                                           "\"-5\""                                              },
        {TL_STRING,        "123456789012345678901234567890",                               "\"123456789012345678901234567890\""                  },
        {TL_STRING,        "1.50",                                                         "\"1.5\""                                             },
        {TL_STRING,        "-0.0",                                                         "\"-0.0\""                                            },
        {TL_STRING,        "1e3",                                                          "\"1000.0\""                                          },
        {TL_STRING,        "1E10",                                                         "\"1.0E10\""                                          },
        {TL_STRING,        "1e7",                                                          "\"1.0E7\""                                           },
        {TL_STRING,        "9999999.0",                                                    "\"9999999.0\""                                       },
        {TL_STRING,        "1234567.5",                                                    "\"1234567.5\""                                       },
        {TL_STRING,        "12345678.5",                                                   "\"1.23456785E7\""                                    },
        {TL_STRING,        "0.001",                                                        "\"0.001\""                                           },
        {TL_STRING,        "0.0012",                                                       "\"0.0012\""                                          },
        {TL_STRING,        "0.0009",                                                       "\"9.0E-4\""                                          },
        {TL_STRING,        "1e-5",                                                         "\"1.0E-5\""                                          },
        {TL_STRING,        "100.0",                                                        "\"100.0\""                                           },
        {TL_STRING,        "0.1",                                                          "\"0.1\""                                             },
        {TL_STRING,        "2.2250738585072014e-308",                                      "\"2.2250738585072014E-308\""                         },
        {TL_STRING,        "4.9e-324",                                                     "\"4.9E-324\""                                        },
        {TL_STRING,        "5e-324",                                                       "\"4.9E-324\""                                        },
        {TL_STRING,        "1.7976931348623157e308",                                       "\"1.7976931348623157E308\""                          },
        {TL_STRING,        "2e23",                                                         "\"2.0E23\""                                          },
        {TL_STRING,        "1e999",                                                        "BAD"                                                 },
        {TL_STRING,        "1e-999",                                                       "\"0.0\""                                             },
        {TL_STRING,        "{\"k\" : \"v w\" , \"a\": [ 1 ,2.50, true,null, { } ,[ ] ] }",
         "\"{\\\"k\\\":\\\"v w\\\",\\\"a\\\":[1,2.50,true,null,{},[]]}\""                                                                        },
        {TL_STRING,        "[]",                                                           "\"[]\""                                              },
        {TL_STRING,        "{\"a\":\"\\u0000\\\"\"}",                                      "\"{\\\"a\\\":\\\"\\\\u0000\\\\\\\"\\\"}\""           },
        {TL_STRING,        "[1,]",                                                         "BAD"                                                 },
        {TL_STRING,        "[,1]",                                                         "BAD"                                                 },
        {TL_STRING,        "[1 2]",                                                        "BAD"                                                 },
        {TL_STRING,        "{\"a\"}",                                                      "BAD"                                                 },
        {TL_STRING,        "{\"a\":}",                                                     "BAD"                                                 },
        {TL_STRING,        "{\"a\":1,}",                                                   "BAD"                                                 },
        {TL_STRING,        "{a:1}",                                                        "BAD"                                                 },
        {TL_STRING,        "{1:1}",                                                        "BAD"                                                 },
        {TL_STRING,        "[01]",                                                         "BAD"                                                 },
        {TL_STRING,        "[1.]",                                                         "BAD"                                                 },
        {TL_STRING,        "[.5]",                                                         "BAD"                                                 },
        {TL_STRING,        "[1e]",                                                         "BAD"                                                 },
        {TL_STRING,        "[-]",                                                          "BAD"                                                 },
        {TL_STRING,        "[+1]",                                                         "BAD"                                                 },
        {TL_STRING,        "[NaN]",                                                        "BAD"                                                 },
        {TL_STRING,        "[tru]",                                                        "BAD"                                                 },
        {TL_STRING,        "[\"\\x\"]",                                                    "BAD"                                                 },
        {TL_STRING,        "[\"\\u12g4\"]",                                                "BAD"                                                 },
        {TL_STRING,        "tru",                                                          "BAD"                                                 },
        {TL_STRING,        "True",                                                         "BAD"                                                 },
        {TL_STRING,        "nulll",                                                        "BAD"                                                 },
        {TL_STRING,        "01",                                                           "BAD"                                                 },
        {TL_STRING,        "+1",                                                           "BAD"                                                 },
        {TL_STRING,        ".5",                                                           "BAD"                                                 },
        {TL_STRING,        "1.",                                                           "BAD"                                                 },
        {TL_STRING,        "-",                                                            "BAD"                                                 },
        {TL_STRING,        "NaN",                                                          "BAD"                                                 },
        {TL_STRING,        "'x'",                                                          "BAD"                                                 },
        {TL_STRING,        "1\"x\"",                                                       "BAD"                                                 },
 /* escapes */
        {TL_STRING,        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",                               "\"\\\"\\\\/\\b\\f\\n\\r\\t\""                        },
        {TL_STRING,        "\"\\u0041\\u00e9\\u20AC\"",                                    "\"A\303\251\342\202\254\""                           },
        {TL_STRING,        "\"\\ud83d\\ude00\"",                                           "\"\360\237\230\200\""                                },
        {TL_STRING,        "\"a\\u0000b\"",                                                "\"a\357\277\275b\""                                  },
        {TL_STRING,        "\"\\ud800\"",                                                  "\"\357\277\275\""                                    },
        {TL_STRING,        "\"\\udc00x\"",                                                 "\"\357\277\275x\""                                   },
        {TL_STRING,        "\"\\ud800\\ud83d\\ude00\"",                                    "\"\357\277\275\360\237\230\200\""                    },
        {TL_STRING,        "\"\\ud800\\n\"",                                               "\"\357\277\275\\n\""                                 },
        {TL_STRING,        "\"\\ud800\\u0041\"",                                           "\"\357\277\275A\""                                   },
        {TL_STRING,        "\"\\ud800\\ue000\"",                                           "\"\357\277\275\356\200\200\""                        },
        {TL_STRING,        "\"\\uffff\"",                                                  "\"\357\277\277\""                                    },
        {TL_STRING,        "\"\\x\"",                                                      "BAD"                                                 },
        {TL_STRING,        "\"\\u12\"",                                                    "BAD"                                                 },
        {TL_STRING,        "\"\\uD80\"",                                                   "BAD"                                                 },
        {TL_STRING,        "\"\\U0041\"",                                                  "BAD"                                                 },
 /* what the normaliser mends */
        {TL_STRING,        "\"a\tb\"",                                                     "\"a\\tb\""                                           },
        {TL_STRING,        "\"a\nb\x01\x1f\"",                                             "\"a\\nb\\u0001\\u001f\""                             },
        {TL_STRING,        "\"a\\\tb\"",                                                   "BAD"                                                 },
        {TL_STRING,        "\"\xff\"",                                                     "\"\357\277\275\""                                    },
        {TL_STRING,        "\"a\xe2\x82z\"",                                               "\"a\357\277\275z\""                                  },
        {TL_STRING,        "\"\xf0\x9f\x98\"",                                             "\"\357\277\275\""                                    },
        {TL_STRING,        "\"\xf0\x80\x80\"",                                             "\"\357\277\275\357\277\275\357\277\275\""            },
        {TL_STRING,        "\"\xf0\x90\x80z\xe0\xa0\"",                                    "\"\357\277\275z\357\277\275\""                       },
        {TL_STRING,        "\"\xed\xa0\x80\"",                                             "\"\357\277\275\357\277\275\357\277\275\""            },
        {TL_STRING,        "\"\xc0\xaf\"",                                                 "\"\357\277\275\357\277\275\""                        },
        {TL_STRING,        "\"\xf4\x90\x80\x80\"",                                         "\"\357\277\275\357\277\275\357\277\275\357\277\275\""},
        {TL_STRING,        "\"\xc3\"",                                                     "\"\357\277\275\""                                    },
        {TL_STRING,        "\"\\\xff\"",                                                   "BAD"                                                 },
        {TL_STRING,        "[\"\t\", \"\xff\"]",                                           "\"[\\\"\\\\t\\\",\\\"\357\277\275\\\"]\""            },
        {TL_STRING,        "\xff",                                                         "BAD"                                                 },
        {TL_STRING,        "1\x0c",                                                        "BAD"                                                 },
        {TL_STRING,        "\x0c",                                                         "BAD"                                                 },
 /* BOOLEAN: Boolean.parseBoolean of the text */
        {TL_BOOLEAN,       "true",                                                         "1"                                                   },
        {TL_BOOLEAN,       "false",                                                        "0"                                                   },
        {TL_BOOLEAN,       "\"true\"",                                                     "1"                                                   },
        {TL_BOOLEAN,       "\" TRUE \"",                                                   "1"                                                   },
        {TL_BOOLEAN,       "\"yes\"",                                                      "0"                                                   },
        {TL_BOOLEAN,       "1",                                                            "0"                                                   },
        {TL_BOOLEAN,       "{}",                                                           "0"                                                   },
        {TL_BOOLEAN,       "null",                                                         "NULL"                                                },
        {TL_BOOLEAN,       "tru",                                                          "BAD"                                                 },
        {TL_BOOLEAN,       "[1,]",                                                         "BAD"                                                 },
 /* integers */
        {TL_INT,           "5",                                                            "5"                                                   },
        {TL_INT,           "-0",                                                           "0"                                                   },
        {TL_INT,           "\" 5 \"",                                                      "5"                                                   },
        {TL_INT,           "\"\\t+5\\n\"",                                                 "5"                                                   },
        {TL_INT,           "\"-5\"",                                                       "-5"                                                  },
        {TL_INT,           "\"\\u0035\"",                                                  "5"                                                   },
        {TL_INT,           "\"\"",                                                         "BAD"                                                 },
        {TL_INT,           "\"x\"",                                                        "BAD"                                                 },
        {TL_INT,           "\"1.9\"",                                                      "BAD"                                                 },
        {TL_INT,           "1.9",                                                          "1"                                                   },
        {TL_INT,           "-1.9",                                                         "-1"                                                  },
        {TL_INT,           "1e3",                                                          "1000"                                                },
        {TL_INT,           "2147483647",                                                   "2147483647"                                          },
        {TL_INT,           "2147483648",                                                   "BAD"                                                 },
        {TL_INT,           "-2147483648",                                                  "-2147483648"                                         },
        {TL_INT,           "2147483647.0",                                                 "2147483647"                                          },
        {TL_INT,           "2147483647.5",                                                 "BAD"                                                 },
        {TL_INT,           "99999999999",                                                  "BAD"                                                 },
        {TL_INT,           "1e999",                                                        "BAD"                                                 },
        {TL_INT,           "true",                                                         "BAD"                                                 },
        {TL_INT,           "{}",                                                           "BAD"                                                 },
        {TL_INT,           "null",                                                         "NULL"                                                },
        {TL_TINYINT,       "127",                                                          "127"                                                 },
        {TL_TINYINT,       "128",                                                          "BAD"                                                 },
        {TL_TINYINT,       "-128",                                                         "-128"                                                },
        {TL_TINYINT,       "1.9",                                                          "BAD"                                                 },
        {TL_TINYINT,       "\" 7 \"",                                                      "7"                                                   },
        {TL_SMALLINT,      "32767",                                                        "32767"                                               },
        {TL_SMALLINT,      "-32769",                                                       "BAD"                                                 },
        {TL_SMALLINT,      "1e1",                                                          "BAD"                                                 },
        {TL_BIGINT,        "9223372036854775807",                                          "9223372036854775807"                                 },
        {TL_BIGINT,        "-9223372036854775808",                                         "-9223372036854775808"                                },
        {TL_BIGINT,        "9223372036854775808",                                          "BAD"                                                 },
        {TL_BIGINT,        "9223372036854775808.0",                                        "9223372036854775807"                                 },
        {TL_BIGINT,        "1e19",                                                         "BAD"                                                 },
        {TL_BIGINT,        "-1e19",                                                        "BAD"                                                 },
        {TL_BIGINT,        "-1.5",                                                         "-1"                                                  },
        {TL_BIGINT,        "\"12345678901\"",                                              "12345678901"                                         },
 /* DOUBLE and FLOAT */
        {TL_DOUBLE,        "1.5",                                                          "1.5"                                                 },
        {TL_DOUBLE,        "3",                                                            "3"                                                   },
        {TL_DOUBLE,        "-0.0",                                                         "-0"                                                  },
        {TL_DOUBLE,        "\" 1e3 \"",                                                    "1000"                                                },
        {TL_DOUBLE,        "\"1.5d\"",                                                     "1.5"                                                 },
        {TL_DOUBLE,        "\"+.5F\"",                                                     "0.5"                                                 },
        {TL_DOUBLE,        "\"1.\"",                                                       "1"                                                   },
        {TL_DOUBLE,        "\"d\"",                                                        "BAD"                                                 },
        {TL_DOUBLE,        "\"\"",                                                         "BAD"                                                 },
        {TL_DOUBLE,        "\"NaN\"",                                                      "BAD"                                                 },
        {TL_DOUBLE,        "\"Infinity\"",                                                 "BAD"                                                 },
        {TL_DOUBLE,        "\"0x10\"",                                                     "BAD"                                                 },
        {TL_DOUBLE,        "1e999",                                                        "BAD"                                                 },
        {TL_DOUBLE,        "-1e999",                                                       "BAD"                                                 },
        {TL_DOUBLE,        "\"1e999\"",                                                    "BAD"                                                 },
        {TL_DOUBLE,        "1e-400",                                                       "0"                                                   },
        {TL_DOUBLE,        "9007199254740993",                                             "9007199254740992"                                    },
        {TL_DOUBLE,        "true",                                                         "BAD"                                                 },
        {TL_DOUBLE,        "[]",                                                           "BAD"                                                 },
        {TL_DOUBLE,        "null",                                                         "NULL"                                                },
        {TL_FLOAT,         "0.1",                                                          "0.10000000149011612"                                 },
        {TL_FLOAT,         "16777217",                                                     "16777216"                                            },
        {TL_FLOAT,         "\"+0.1f\"",                                                    "0.10000000149011612"                                 },
        {TL_FLOAT,         "1e39",                                                         "BAD"                                                 },
        {TL_FLOAT,         "\"1e39\"",                                                     "BAD"                                                 },
        {TL_FLOAT,         "\"1e-60\"",                                                    "0"                                                   },
 /* a float's half way: rounded once, and by way of double */
        {TL_FLOAT,         "\"1.00000005960464477541\"",                                   "1.0000001192092896"                                  },
        {TL_FLOAT,         "1.00000005960464477541",                                       "1"                                                   },
 /* times */
        {TL_TIMESTAMP_LTZ, "\"2024-03-01T10:00:00.123Z\"",                                 "1709287200123"                                       },
        {TL_TIMESTAMP_LTZ, "\"2024-03-01T10:00:00\\u002e123\\u005a\"",                     "1709287200123"                                       },
        {TL_TIMESTAMP_LTZ, "\"1969-12-31T23:59:59.999Z\"",                                 "-1"                                                  },
        {TL_TIMESTAMP_LTZ, "\"9999-12-31T23:59:59.999Z\"",                                 "253402300799999"                                     },
        {TL_TIMESTAMP_LTZ, "\"2024-03-01T10:00:00.123\"",                                  "BAD"                                                 },
        {TL_TIMESTAMP_LTZ, "\" 2024-03-01T10:00:00.123Z\"",                                "BAD"                                                 },
        {TL_TIMESTAMP_LTZ, "1709287200123",                                                "BAD"                                                 },
        {TL_TIMESTAMP_LTZ, "true",                                                         "BAD"                                                 },
        {TL_TIMESTAMP_LTZ, "{}",                                                           "BAD"                                                 },
        {TL_TIMESTAMP_LTZ, "\"\"",                                                         "BAD"                                                 },
        {TL_TIMESTAMP_LTZ, "null",                                                         "NULL"                                                },
        {TL_TIMESTAMP,     "\"2024-03-01T10:00:00.123\"",                                  "1709287200123"                                       },
        {TL_TIMESTAMP,     "\"2024-03-01T10:00:00.123Z\"",                                 "BAD"                                                 },
    };
    return cr_make_param_array(struct value_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct value_case *c, json_event, value)
{
    struct tl_field field = {TL_SV("v"), c->kind};
    struct rig rig;
    struct tl_buf got;
    /* As the only value, between others, and with white space around it: it must not matter. */
    static const struct {
        const char *before, *behind;
    } forms[] = {
        {"{\"v\":",                 "}"                    },
        {"{\"a\":{\"v\":2},\"v\":", ",\"b\":[1,{\"v\":3}]}"},
        {" {\n\"v\" \t:\r ",        " \n, \"w\" : null } " }
    };
    char message[512];

    rig_open(&rig, &field, 1, TL_TIME_ISO_8601);
    tl_buf_init(&got, 0);
    for (size_t i = 0; i < TL_COUNT(forms); i++) {
        snprintf(message, sizeof message, "%s%s%s", forms[i].before, c->json, forms[i].behind);
        rig_parse(&rig, message, strlen(message));
        cr_assert_eq(rig.batch->rows, 1, "%s: %u rows", message, rig.batch->rows);
        tl_buf_clear(&got);
        print_value(&got, rig.batch, 0, 0);
        tl_buf_put_u8(&got, 0);
        cr_assert_str_eq(got.data, c->want, "%s as %s: got %s, want %s", message, tl_kind_name(c->kind), got.data, c->want);
        cr_assert_eq(rig.batch->flags[0], strcmp(c->want, "BAD") == 0 ? TL_FLAG_BAD_FIELD : 0, "%s", message);
    }
    tl_buf_done(&got);
    rig_close(&rig);
}

Test(json_event, time_formats)
{
    static const struct tl_field fields[] = {
        {{"z", 1}, TL_TIMESTAMP_LTZ},
        {{"w", 1}, TL_TIMESTAMP    }
    };
    static const struct {
        enum tl_time_format format;
        const char *json, *want;
    } cases[] = {
        {TL_TIME_ISO_8601, "{\"z\":\"2024-03-01T10:00:00Z\",\"w\":\"2024-03-01T10:00:00\"}",
         "row 0: 1709287200000, 1709287200000"                                                                                    },
        {TL_TIME_ISO_8601, "{\"z\":\"2024-03-01 10:00:00Z\",\"w\":\"2024-03-01 10:00:00\"}", "row 0 BAD: BAD, BAD"                },
        {TL_TIME_SQL,      "{\"z\":\"2024-03-01 10:00:00Z\",\"w\":\"2024-03-01 10:00:00\"}", "row 0: 1709287200000, 1709287200000"},
        {TL_TIME_SQL,      "{\"z\":\"2024-03-01T10:00:00Z\",\"w\":\"2024-03-01T10:00:00\"}", "row 0 BAD: BAD, BAD"                },
        {TL_TIME_SQL,      "{\"z\":\"2024-02-30 10:00:00Z\",\"w\":\"2024-02-30 10:00:00\"}",
         "row 0 CLAMPED: 1709200800000, 1709200800000"                                                                            },
        {TL_TIME_ISO_8601, "{\"z\":\"2024-02-30T10:00:00Z\",\"w\":\"2024-02-30T10:00:00\"}",
         "row 0 BAD CLAMPED: 1709200800000, BAD"                                                                                  },
    };
    struct tl_buf got;

    tl_buf_init(&got, 0);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct rig rig;

        rig_open(&rig, fields, 2, cases[i].format);
        rig_parse(&rig, cases[i].json, strlen(cases[i].json));
        print_batch(&got, rig.batch);
        cr_assert_str_eq(got.data, cases[i].want, "%s: got %s", cases[i].json, got.data);
        rig_close(&rig);
    }
    tl_buf_done(&got);
}

/* ---- messages ---- */

static const struct tl_field url_and_n[] = {
    {{"url", 3}, TL_STRING},
    {{"n", 1},   TL_INT   }
};

struct message_case {
    char json[112];
    char want[112];
};

ParameterizedTestParameters(json_event, message)
{
    static struct message_case cases[] = {
        {"{}",                                                    "row 0: NULL, NULL"                                },
        {" \t\r\n{ } \n",                                         "row 0: NULL, NULL"                                },
        {"{\"url\":\"/a\",\"n\":1}",                              "row 0: \"/a\", 1"                                 },
        {"{\"n\":1,\"url\":\"/a\"}",                              "row 0: \"/a\", 1"                                 },
        {"{\"URL\":\"/a\",\"N\":1}",                              "row 0: NULL, NULL"                                },
        {"{\"url\":\"/a\",\"url\":\"/b\"}",                       "row 0 DUP: \"/b\", NULL"                          },
        {"{\"url\":\"/a\",\"x\":1,\"x\":2,\"n\":1}",              "row 0: \"/a\", 1"                                 },
        {"{\"n\":\"x\",\"n\":2}",                                 "row 0 DUP: NULL, 2"                               },
        {"{\"n\":2,\"n\":\"x\"}",                                 "row 0 DUP BAD: NULL, BAD"                         },
        {"{\"n\":2,\"n\":null}",                                  "row 0 DUP: NULL, NULL"                            },
        {"{\"n\":{\"url\":\"inner\"},\"url\":\"outer\"}",         "row 0 BAD: \"outer\", BAD"                        },
        {"{\"\\u0075rl\":\"/a\",\"\\u006E\":3}",                  "row 0: \"/a\", 3"                                 },
        {"{\"url\":\"/a\",\"u\\u0072l\":\"/b\"}",                 "row 0 DUP: \"/b\", NULL"                          },
        {"{\"ur\\l\":\"/a\",\"\\u00\":1,\"\":2}",                 "row 0: NULL, NULL"                                },
        {"{\"url\\u0000\":\"/a\",\"\\\\\":1}",                    "row 0: NULL, NULL"                                },
 /* arrays */
        {"[{\"n\":1},{\"n\":2}]",                                 "row 0: NULL, 1; row 1: NULL, 2"                   },
        {"[{\"n\":1},2,\"x\",null,[{\"n\":3}],{\"n\":4}]",
         "row 0: NULL, 1; row 5: NULL, 4; dead 1 NOT_OBJECT; dead 2 NOT_OBJECT; dead 3 NOT_OBJECT; dead 4 NOT_OBJECT"},
        {"[{\"n\":1,\"n\":2},{}]",                                "row 0 DUP: NULL, 2; row 1: NULL, NULL"            },
        {"[]",                                                    "dead 0 EMPTY"                                     },
        {"[ ]\n",                                                 "dead 0 EMPTY"                                     },
        {"[1]",                                                   "dead 0 NOT_OBJECT"                                },
        {"[[]]",                                                  "dead 0 NOT_OBJECT"                                },
        {"[{\"n\":1},]",                                          "dead 0 NOT_JSON"                                  },
        {"[{\"n\":1} {\"n\":2}]",                                 "dead 0 NOT_JSON"                                  },
        {"[{\"n\":1},{\"n\":2}",                                  "dead 0 NOT_JSON"                                  },
        {"[{\"n\":1}}",                                           "dead 0 NOT_JSON"                                  },
        {"[,{\"n\":1}]",                                          "dead 0 NOT_JSON"                                  },
        {"[{\"n\":1},1:]",                                        "dead 0 NOT_JSON"                                  },
        {"[",                                                     "dead 0 NOT_JSON"                                  },
        {"[1",                                                    "dead 0 NOT_JSON"                                  },
        {"[{\"n\":1}]]",                                          "dead 0 TRAILING"                                  },
        {"[] []",                                                 "dead 0 TRAILING"                                  },
 /* no object */
        {"",                                                      "dead 0 EMPTY"                                     },
        {" \n\t\r",                                               "dead 0 EMPTY"                                     },
        {"123",                                                   "dead 0 NOT_OBJECT"                                },
        {" \"s\" ",                                               "dead 0 NOT_OBJECT"                                },
        {"null",                                                  "dead 0 NOT_OBJECT"                                },
        {"true\n",                                                "dead 0 NOT_OBJECT"                                },
        {"false",                                                 "dead 0 NOT_OBJECT"                                },
        {"-1.5e3",                                                "dead 0 NOT_OBJECT"                                },
        {"123 {}",                                                "dead 0 TRAILING"                                  },
        {"nul",                                                   "dead 0 NOT_JSON"                                  },
        {"hello world",                                           "dead 0 NOT_JSON"                                  },
        {"}",                                                     "dead 0 NOT_JSON"                                  },
        {"]",                                                     "dead 0 NOT_JSON"                                  },
        {",",                                                     "dead 0 NOT_JSON"                                  },
        {":",                                                     "dead 0 NOT_JSON"                                  },
        {"\"",                                                    "dead 0 NOT_JSON"                                  },
        {"\\",                                                    "dead 0 NOT_JSON"                                  },
        {"\xef\xbb\xbf{\"n\":1}",                                 "dead 0 NOT_JSON"                                  },
        {"\xff\xfe{",                                             "dead 0 NOT_JSON"                                  },
        {"\xff",                                                  "dead 0 NOT_JSON"                                  },
 /* not well-formed */
        {"{",                                                     "dead 0 NOT_JSON"                                  },
        {"{\"n\"",                                                "dead 0 NOT_JSON"                                  },
        {"{\"n\":",                                               "dead 0 NOT_JSON"                                  },
        {"{\"n\":1",                                              "dead 0 NOT_JSON"                                  },
        {"{\"n\":1,",                                             "dead 0 NOT_JSON"                                  },
        {"{\"n\":1,}",                                            "dead 0 NOT_JSON"                                  },
        {"{,\"n\":1}",                                            "dead 0 NOT_JSON"                                  },
        {"{\"n\" 1}",                                             "dead 0 NOT_JSON"                                  },
        {"{\"n\":1 \"url\":2}",                                   "dead 0 NOT_JSON"                                  },
        {"{\"n\":1,,\"url\":2}",                                  "dead 0 NOT_JSON"                                  },
        {"{\"n\"::1}",                                            "dead 0 NOT_JSON"                                  },
        {"{\"n\":,\"url\":1}",                                    "dead 0 NOT_JSON"                                  },
        {"{\"n\":}",                                              "dead 0 NOT_JSON"                                  },
        {"{\"n\"}",                                               "dead 0 NOT_JSON"                                  },
        {"{n:1}",                                                 "dead 0 NOT_JSON"                                  },
        {"{1:1}",                                                 "dead 0 NOT_JSON"                                  },
        {"{'n':1}",                                               "dead 0 NOT_JSON"                                  },
        {"{[:1}",                                                 "dead 0 NOT_JSON"                                  },
        {"{\"n\":1]",                                             "dead 0 NOT_JSON"                                  },
        {"{\"x\":[1}",                                            "dead 0 NOT_JSON"                                  },
        {"{\"x\":[1}}",                                           "dead 0 NOT_JSON"                                  },
        {"{\"x\":{\"y\":[1},2]}",                                 "dead 0 NOT_JSON"                                  },
        {"{\"x\":[[[}",                                           "dead 0 NOT_JSON"                                  },
        {"{\"x\":\"abc}",                                         "dead 0 NOT_JSON"                                  },
        {"{\"x\":\"abc\\\"}",                                     "dead 0 NOT_JSON"                                  },
        {"{\"x\":1 2}",                                           "dead 0 NOT_JSON"                                  },
        {"{\"x\":\"a\"1}",                                        "dead 0 NOT_JSON"                                  },
        {"{\"x\":\"a\"\"b\"}",                                    "dead 0 NOT_JSON"                                  },
        {"{\"x\":[1] 2}",                                         "dead 0 NOT_JSON"                                  },
        {"{\"x\":1}}",                                            "dead 0 TRAILING"                                  },
        {"{\"x\":1} x",                                           "dead 0 TRAILING"                                  },
        {"{\"x\":1},",                                            "dead 0 TRAILING"                                  },
        {"{\"x\":1}\n{\"x\":2}",                                  "dead 0 TRAILING"                                  },
        {"{} {",                                                  "dead 0 TRAILING"                                  },
 /* the inside of what is skipped is not checked */
        {"{\"x\":[1,,2 3:4],\"y\":{1:,},\"n\":5}",                "row 0: NULL, 5"                                   },
        {"{\"x\":tru,\"y\":-,\"z\":01,\"n\":5}",                  "row 0: NULL, 5"                                   },
        {"{\"x\":\"\\q\\u12\",\"n\":5}",                          "row 0: NULL, 5"                                   },
        {"{\"x\":1\"a\",\"n\":5}",                                "row 0: NULL, 5"                                   },
 /* raw control characters in strings, as in Flink, and bytes that are no UTF-8 */
        {"{\"x\":\"a\tb\",\"n\":5,\"u\x01\":1}",                  "row 0: NULL, 5"                                   },
        {"{\"x\":\"\xff\xfe\",\"\xff\":\"\xc0\",\"url\":\"ok\"}", "row 0: \"ok\", NULL"                              },
        {"{\"x\":\xff,\"n\":6}",                                  "row 0: NULL, 6"                                   },
        {"{\"x\":1\x0c,\"y\":\x1a"
         "2,\"n\":7}",                                   "row 0: NULL, 7"                                   },
        {"{\"x\":1,\x0c\"n\":7}",                                 "dead 0 NOT_JSON"                                  },
        {"{\"n\":7}\x0c",                                         "dead 0 TRAILING"                                  },
    };
    return cr_make_param_array(struct message_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct message_case *c, json_event, message)
{
    struct json_reference reference = json_reference_judge(c->json, strlen(c->json), BYTES_MAX, DEPTH_MAX);
    struct rig rig;
    struct tl_buf got;

    rig_open(&rig, url_and_n, 2, TL_TIME_ISO_8601);
    tl_buf_init(&got, 0);
    rig_parse(&rig, c->json, strlen(c->json));
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, c->want, "'%s': got '%s', want '%s'", c->json, got.data, c->want);
    if (reference.whole != 0)
        cr_assert(rig.batch->dead_count == 1 && rig.batch->dead[0].reason == reference.whole, "'%s': the reference says %s",
                  c->json, reason_word((enum tl_dead_reason)reference.whole));
    else
        cr_assert(rig.batch->rows == reference.rows && rig.batch->dead_count == reference.not_objects);
    tl_buf_done(&got);
    rig_close(&rig);
}

Test(json_event, tombstone_and_nul_bytes)
{
    static const char in_string[] = "{\"url\":\"a\0b\",\"n\":1}", outside[] = "{\"url\":\"a\",\"n\":1\0}",
                      behind[] = "{\"n\":1}\0", escaped[] = "{\"url\":\"a\\\0b\",\"n\":1}", alone[] = "\0";
    struct tl_message tombstone = {.offset = 1};
    struct rig rig;
    struct tl_buf got;
    struct tl_err err;

    rig_open(&rig, url_and_n, 2, TL_TIME_ISO_8601);
    tl_buf_init(&got, 0);
    cr_assert_eq(tl_json_event_parse(rig.parser, &tombstone, rig.batch, &err), TL_OK);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "dead 0 EMPTY");
    rig_parse(&rig, in_string, sizeof in_string - 1);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "row 0: \"a\357\277\275b\", 1");
    rig_parse(&rig, outside, sizeof outside - 1);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "row 0 BAD: \"a\", BAD");
    rig_parse(&rig, behind, sizeof behind - 1);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "dead 0 TRAILING");
    rig_parse(&rig, escaped, sizeof escaped - 1);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "row 0 BAD: BAD, 1");
    rig_parse(&rig, alone, 1);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "dead 0 NOT_JSON");
    tl_buf_done(&got);
    rig_close(&rig);
}

/* ---- what is wanted makes no difference ---- */

enum { WISHES = 5, SETS = 1 << WISHES };

static const struct tl_field wishes[WISHES] = {
    {{"event_time", 10},                   TL_TIMESTAMP_LTZ},
    {{"url", 3},                           TL_STRING       },
    {{"n", 1},                             TL_INT          },
    {{"", 0},                              TL_DOUBLE       },
    {{"a_name_of_more_than_16_bytes", 28}, TL_STRING       }
};
static struct rig sets[SETS];

static void sets_open(void)
{
    for (unsigned s = 0; s < SETS; s++) {
        struct tl_field fields[WISHES];
        uint32_t count = 0;

        for (unsigned f = 0; f < WISHES; f++)
            if (s >> f & 1)
                fields[count++] = wishes[f];
        rig_open(&sets[s], fields, count, TL_TIME_ISO_8601);
    }
}

static void sets_close(void)
{
    for (unsigned s = 0; s < SETS; s++)
        rig_close(&sets[s]);
}

static void fail_on(const void *bytes, size_t size, const char *what)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    tl_buf_put_json(&text, (struct tl_sv){bytes, size < 2000 ? size : 2000});
    cr_assert(false, "%s, of %zu bytes: %.*s", what, size, TL_SV_ARG(tl_buf_sv(&text)));
}

/* `step` 1: every subset; more: some of them. */
static void check_sets(const void *bytes, size_t size, unsigned step)
{
    struct json_reference reference = json_reference_judge(bytes, size, BYTES_MAX, DEPTH_MAX);
    const struct tl_batch *all = sets[SETS - 1].batch;

    for (unsigned s = 0; s < SETS; s++) {
        unsigned set = SETS - 1 - s;
        struct tl_batch *batch = sets[set].batch;
        uint32_t f = 0;

        if (s % step != 0)
            continue;
        rig_parse(&sets[set], bytes, size);
        if (reference.whole != 0 ? batch->rows != 0 || batch->dead_count != 1 || batch->dead[0].reason != reference.whole
                                 : batch->rows != reference.rows || batch->dead_count != reference.not_objects)
            fail_on(bytes, size, "not the rows or dead letters that the reference sees");
        for (uint32_t i = 0; i < batch->dead_count; i++)
            if (batch->dead[i].row != all->dead[i].row || batch->dead[i].reason != all->dead[i].reason)
                fail_on(bytes, size, "the dead letters depend on the columns");
        for (unsigned wish = 0; wish < WISHES; wish++) {
            if ((set >> wish & 1) == 0)
                continue;
            for (uint32_t row = 0; row < batch->rows; row++) {
                struct tl_value here = tl_vec_get(&batch->column[f], row), there = tl_vec_get(&all->column[wish], row);

                if (!tl_value_eq(&here, &there) || batch->row[row] != all->row[row] ||
                    batch->bad[(size_t)row * batch->schema->fields_count + f] != all->bad[(size_t)row * WISHES + wish])
                    fail_on(bytes, size, "a value depends on the other columns");
            }
            f++;
        }
    }
}

static const char full_event[] = "{\"event_time\":\"2024-03-01T10:00:00.123Z\",\"url\":\"/"
                                 "a\\u00e9?q=\303\251\",\"n\":5,\"\":1.5,\"a_name_of_more_than_16_bytes\""
                                 ":{\"k\":[1,{\"x\":\"]}\"}]},\"skipped\":[[],{},\"\\\"\\\\\",tru],\"last\":null}";

Test(json_event, every_subset_of_columns)
{
    static const char *const messages[] = {
        full_event,
        "{\"url\" 1}",
        "{\"url\":1,}",
        "{\"url\":1 \"n\":2}",
        "{url:1}",
        "{\"url\":[1,2}",
        "{\"url\":{\"n\":1}",
        "{\"url\":1,\"n\":[}]}",
        "{\"url\":\"\\x\",\"n\":tru,\"\":01}",
        "{\"url\":[1,],\"n\":{\"a\" 1},\"\":[tru]}",
        "{\"url\":,\"n\":1}",
        "{\"n\":1}{\"n\":1}",
        "[{\"n\":1},{\"url\":2},3,{\"n\":\"x\"}]",
        "[{\"n\":1},{\"url\" 2}]",
        "{\"\\u0075rl\":1,\"\\u006e\":2,\"a_name_of_more_than_16\\u005fbytes\":3,\"a_name_of_more_than_16_bytez\":4}",
        "{\"url\":\"\xff\",\"n\":\xff,\"\":\"\t\"}",
        "{\"n\":1\x0c,\"url\":\"x\"\x1a}",
    };

    sets_open();
    for (size_t i = 0; i < TL_COUNT(messages); i++)
        check_sets(messages[i], strlen(messages[i]), 1);
    cr_assert_eq(sets[SETS - 1].batch->dead_count, 1);
    sets_close();
}

Test(json_event, cut_at_every_byte)
{
    struct tl_buf got;

    sets_open();
    tl_buf_init(&got, 0);
    for (size_t size = 0; size < sizeof full_event; size++) {
        check_sets(full_event, size, 1);
        print_batch(&got, sets[SETS - 1].batch);
        if (size < sizeof full_event - 1)
            cr_assert_str_eq(got.data, size == 0 ? "dead 0 EMPTY" : "dead 0 NOT_JSON", "cut at %zu: %s", size, got.data);
    }
    cr_assert_str_eq(got.data,
                     "row 0: 1709287200123, \"/a\303\251?q=\303\251\", 5, 1.5, \"{\\\"k\\\":[1,{\\\"x\\\":\\\"]}\\\"}]}\"");
    tl_buf_done(&got);
    sets_close();
}

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 32) % limit);
}

static void mutate(int rounds)
{
    static const char odd[] = "{}[]:,\"\\ \t\n\r0-1.eatfnu\x00\x01\x0c\x1a\xff\xc3\xe2\x80\xf0\x7f";
    static const char *const seeds[] = {
        full_event,
        "[{\"n\":1,\"url\":\"/a\"},2,{\"\":\" 1e3 \",\"n\":1.9},[{\"n\":1}],{\"event_time\":\"2024-02-30T24:00:00Z\"}]",
        "{\"\\u0075rl\":\"a\\u0000b\\ud83d\\ude00\\ud800\",\"url\":[ 1 , { \"x\" : [ ] } ],\"n\":\" 5 \"}",
    };
    char bytes[1024];

    for (int round = 0; round < rounds; round++) {
        const char *seed = seeds[random_below(TL_COUNT(seeds))];
        size_t size = strlen(seed);

        memcpy(bytes, seed, size);
        for (uint32_t n = 1 + random_below(4); n > 0 && size > 0; n--) {
            size_t at = random_below((uint32_t)size), length = 1 + random_below(6);

            switch (random_below(4)) {
            case 0: bytes[at] = odd[random_below(sizeof odd - 1)]; break;
            case 1: /* out */
                length = length < size - at ? length : size - at;
                memmove(bytes + at, bytes + at + length, size - at - length);
                size -= length;
                break;
            case 2: /* in */
                if (size + 1 < sizeof bytes) {
                    memmove(bytes + at + 1, bytes + at, size - at);
                    bytes[at] = odd[random_below(sizeof odd - 1)];
                    size++;
                }
                break;
            default: /* twice */
                length = length < size - at ? length : size - at;
                if (size + length < sizeof bytes) {
                    memmove(bytes + at + length, bytes + at, size - at);
                    size += length;
                }
            }
        }
        check_sets(bytes, size, 7);
    }
}

Test(json_event, random_mutations)
{
    random_state = (uint64_t)time(NULL);
    printf("json_event_test: seed %llu\n", (unsigned long long)random_state);
    sets_open();
    mutate(20000);
    sets_close();
}

/* The same where simdjson has no SIMD: it is asked to pretend, before its first use in this process. */
Test(json_event, random_mutations_without_simd)
{
    static const char *const cases[][2] = {
        {"{\"url\":\"a\tb\",\"n\":1}", "row 0: NULL, \"a\\tb\", 1, NULL, NULL"             },
        {"{\"url\":\"\xff\",\"n\":1}", "row 0: NULL, \"\357\277\275\", 1, NULL, NULL"      },
        {"{\"url\":[\"\t\"]}",         "row 0: NULL, \"[\\\"\\\\t\\\"]\", NULL, NULL, NULL"},
        {"{\"n\":1,\"\":\" 2e3 \"}\n", "row 0: NULL, NULL, 1, 2000, NULL"                  },
    };
    struct tl_buf got;

    cr_assert_eq(setenv("SIMDJSON_FORCE_IMPLEMENTATION", "fallback", 1), 0);
    random_state = (uint64_t)time(NULL) + 1;
    printf("json_event_test: seed %llu\n", (unsigned long long)random_state);
    sets_open();
    tl_buf_init(&got, 0);
    check_sets("{\"url\":1\"x\",\"n\":\\\"}", 19, 1);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        check_sets(cases[i][0], strlen(cases[i][0]), 1);
        print_batch(&got, sets[SETS - 1].batch);
        cr_assert_str_eq(got.data, cases[i][1], "%s: got %s", cases[i][0], got.data);
    }
    tl_buf_done(&got);
    mutate(5000);
    sets_close();
}

/* ---- limits ---- */

static void put_deep(struct tl_buf *out, const char *before, char open, const char *middle, char close, size_t depth,
                     const char *after)
{
    tl_buf_clear(out);
    tl_buf_put_str(out, before);
    for (size_t i = 0; i < depth; i++)
        tl_buf_put_u8(out, (uint8_t)open);
    tl_buf_put_str(out, middle);
    for (size_t i = 0; i < depth && close != 0; i++)
        tl_buf_put_u8(out, (uint8_t)close);
    tl_buf_put_str(out, after);
}

static void *deep_nesting(void *unused)
{
    struct rig rig;
    struct tl_buf json, got;
    static const struct {
        size_t depth;
        const char *before, *after, *want;
        char open, close;
    } cases[] = {
        {1023,   "{\"n\":1,\"x\":",  "}",  "row 0: NULL, 1",    '[', ']'},
        {1024,   "{\"n\":1,\"x\":",  "}",  "dead 0 TOO_DEEP",   '[', ']'},
        {1022,   "[{\"n\":1,\"x\":", "}]", "row 0: NULL, 1",    '[', ']'},
        {1023,   "[{\"n\":1,\"x\":", "}]", "dead 0 TOO_DEEP",   '[', ']'},
        {1023,   "[",                "]",  "dead 0 NOT_OBJECT", '[', ']'},
        {1024,   "[",                "]",  "dead 0 TOO_DEEP",   '[', ']'},
        {10000,  "{\"n\":1,\"x\":",  "}",  "dead 0 TOO_DEEP",   '[', ']'},
        {10000,  "{\"n\":",          "}",  "dead 0 TOO_DEEP",   '[', ']'},
        {100000, "{\"url\":",        "}",  "dead 0 TOO_DEEP",   '[', ']'},
        {100000, "",                 "",   "dead 0 TOO_DEEP",   '[', 0  },
        {100000, "",                 "",   "dead 0 NOT_JSON",   '{', 0  },
        {100000, "",                 "",   "dead 0 NOT_JSON",   ']', 0  },
    };

    (void)unused;
    rig_open(&rig, url_and_n, 2, TL_TIME_ISO_8601);
    tl_buf_init(&json, 0);
    tl_buf_init(&got, 0);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        put_deep(&json, cases[i].before, cases[i].open, "", cases[i].close, cases[i].depth, cases[i].after);
        rig_parse(&rig, json.data, json.size);
        print_batch(&got, rig.batch);
        cr_assert_str_eq(got.data, cases[i].want, "%zu times %c: got %s", cases[i].depth, cases[i].open, got.data);
    }
    /* As a text: the deepest that is taken comes out as it went in. */
    put_deep(&json, "{\"url\":", '[', "", ']', 1023, "}");
    rig_parse(&rig, json.data, json.size);
    cr_assert(rig.batch->rows == 1 && tl_sv_eq(rig.batch->column[0].sv[0], (struct tl_sv){json.data + 7, 2046}));
    /* "{"x":" over and over: every level is an object. */
    tl_buf_clear(&json);
    for (int i = 0; i < 100000; i++)
        tl_buf_put_str(&json, "{\"x\":");
    rig_parse(&rig, json.data, json.size);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "dead 0 TOO_DEEP");
    tl_buf_done(&json);
    tl_buf_done(&got);
    rig_close(&rig);
    return NULL;
}

Test(json_event, the_depth_is_the_schemas)
{
    static const struct {
        uint32_t depth_max;
        const char *json, *want;
    } cases[] = {
        {0, "{}",           "dead 0 TOO_DEEP"  },
        {0, "[]",           "dead 0 TOO_DEEP"  },
        {1, "{\"n\":1}",    "row 0: NULL, 1"   },
        {1, "{\"x\":{}}",   "dead 0 TOO_DEEP"  },
        {1, "[1]",          "dead 0 NOT_OBJECT"},
        {1, "[{}]",         "dead 0 TOO_DEEP"  },
        {1, "[[]]",         "dead 0 TOO_DEEP"  },
        {2, "[{\"n\":1}]",  "row 0: NULL, 1"   },
        {2, "[{\"x\":[]}]", "dead 0 TOO_DEEP"  },
    };
    struct tl_buf got;

    tl_buf_init(&got, 0);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_schema schema = {url_and_n, 2, TL_TIME_ISO_8601, BYTES_MAX, cases[i].depth_max};
        char padded[64 + TL_MESSAGE_PADDING] = "";
        struct tl_message message = {
            .value = {padded, strlen(cases[i].json)}
        };
        struct tl_json_event *parser;
        struct tl_batch *batch;
        struct tl_err err;

        memcpy(padded, cases[i].json, message.value.size);
        cr_assert_eq(tl_json_event_open(&schema, &parser, &err), TL_OK);
        cr_assert_eq(tl_batch_open(&schema, &batch, &err), TL_OK);
        cr_assert_eq(tl_json_event_parse(parser, &message, batch, &err), TL_OK);
        print_batch(&got, batch);
        cr_assert_str_eq(got.data, cases[i].want, "%s with %u: got %s", cases[i].json, cases[i].depth_max, got.data);
        tl_json_event_close(parser);
        tl_batch_close(batch);
    }
    tl_buf_done(&got);
}

/* On a stack of 256 KiB: nothing recurses. */
Test(json_event, nesting)
{
    pthread_attr_t attr;
    pthread_t thread;

    cr_assert_eq(pthread_attr_init(&attr), 0);
    cr_assert_eq(pthread_attr_setstacksize(&attr, 256 << 10), 0);
    cr_assert_eq(pthread_create(&thread, &attr, deep_nesting, NULL), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attr);
}

Test(json_event, a_line_of_10_mb)
{
    const size_t size = 10000000;
    struct tl_buf json, got;
    struct rig rig;
    struct tl_err err;

    rig_open(&rig, url_and_n, 2, TL_TIME_ISO_8601);
    tl_buf_init(&json, 0);
    tl_buf_init(&got, 0);
    tl_buf_put_str(&json, "{\"n\":7,\"url\":\"");
    for (size_t i = 0; i < size; i++)
        tl_buf_put_u8(&json, (uint8_t)('a' + i % 26));
    tl_buf_put_str(&json, "\"}");
    rig_parse(&rig, json.data, json.size);
    print_batch(&got, rig.batch);
    cr_assert_str_eq(got.data, "dead 0 TOO_LARGE");
    cr_assert_eq(rig.batch->dead[0].raw.size, json.size, "kept whole");
    /* The limit is the setting's. */
    rig.schema.event_bytes_max = json.size;
    rig_parse(&rig, json.data, json.size);
    cr_assert(rig.batch->rows == 1 && rig.batch->column[1].i64[0] == 7);
    cr_assert_eq(rig.batch->column[0].sv[0].size, size);
    cr_assert_eq(rig.batch->column[0].sv[0].data, rig.bytes + 14, "a view into the message");
    rig.schema.event_bytes_max = json.size - 1;
    rig_parse(&rig, json.data, json.size);
    cr_assert_eq(rig.batch->dead_count, 1);
    /* With something to mend at its end, and with an escape. */
    rig.schema.event_bytes_max = BYTES_MAX * 2;
    json.data[json.size - 3] = '\t';
    rig_parse(&rig, json.data, json.size);
    cr_assert_eq(rig.batch->column[0].sv[0].size, size);
    cr_assert_eq(rig.batch->column[0].sv[0].data[size - 1], '\t');
    /* What the text needs cannot be had: the batch is as before. */
    tl_batch_clear(rig.batch);
    rig.batch->text.bytes_max = rig.batch->text.held_bytes;
    for (int i = 0; i < 2; i++) {
        struct tl_message message = {
            .value = {rig.bytes, json.size}
        };
        char padded[7 + TL_MESSAGE_PADDING] = "{\"n\":1}";
        struct tl_message small = {
            .value = {padded, 7}
        };
        enum tl_code rc = tl_json_event_parse(rig.parser, &message, rig.batch, &err);

        if (rc == TL_OK)
            continue; /* the arena's spare chunk took it */
        cr_assert_eq(rc, TL_ERR_MEMORY);
        cr_assert_eq(rig.batch->rows, 1);
        cr_assert_eq(rig.batch->dead_count, 0);
        cr_assert_eq(tl_json_event_parse(rig.parser, &small, rig.batch, &err), TL_OK);
        cr_assert_eq(rig.batch->column[1].i64[1], 1);
        i = 9;
    }
    tl_buf_done(&json);
    tl_buf_done(&got);
    rig_close(&rig);
}

Test(json_event, more_rows_than_a_batch_begins_with)
{
    const uint32_t rows = 2 * TL_BATCH_ROWS + 1;
    struct tl_buf json;
    struct rig rig;

    rig_open(&rig, url_and_n, 2, TL_TIME_ISO_8601);
    tl_buf_init(&json, 0);
    tl_buf_put_u8(&json, '[');
    for (uint32_t i = 0; i < rows; i++)
        tl_buf_printf(&json, "%s{\"n\":%u,\"url\":\"\\u0041%u\"}", i ? "," : "", i, i);
    tl_buf_put_u8(&json, ']');
    for (int round = 0; round < 2; round++) {
        uint64_t growths = rig.batch->allocations_count;

        rig_parse(&rig, json.data, json.size);
        cr_assert_eq(rig.batch->rows, rows);
        for (uint32_t i = 0; i < rows; i++) {
            char want[16];
            int size = snprintf(want, sizeof want, "A%u", i);

            cr_assert(rig.batch->row[i] == i && rig.batch->column[1].i64[i] == i &&
                      tl_sv_eq(rig.batch->column[0].sv[i], (struct tl_sv){want, (size_t)size}));
        }
        cr_assert_eq(rig.batch->allocations_count > growths, round == 0, "warm, nothing is allocated");
    }
    /* The last byte is gone: no row of it stays. */
    rig_parse(&rig, json.data, json.size - 1);
    cr_assert(rig.batch->rows == 0 && rig.batch->dead_count == 1 && rig.batch->dead[0].row == 0);
    tl_buf_done(&json);
    rig_close(&rig);
}

Test(json_event, many_columns)
{
    enum { COLUMNS = 300 };
    static struct tl_field fields[COLUMNS];
    static char names[COLUMNS][40];
    struct tl_schema schema = {fields, COLUMNS, TL_TIME_ISO_8601, BYTES_MAX, DEPTH_MAX};
    struct tl_message message = {.offset = 1};
    struct tl_json_event *parser;
    struct tl_batch *batch;
    struct tl_buf json;
    struct tl_err err;

    tl_buf_init(&json, 0);
    for (uint32_t i = 0; i < COLUMNS; i++) {
        /* Of 1 to 39 bytes, many with the same begin, end and length. */
        int size = snprintf(names[i], sizeof names[i], i % 3 == 0 ? "c%u" : i % 3 == 1 ? "same_begin_%u_same_end" : "a%ub", i);

        fields[i] = (struct tl_field){
            {names[i], (size_t)size},
            TL_INT
        };
        tl_buf_printf(&json, "%s\"%s\":%u,\"%sx\":-1,\"%.*s\":-2", i ? "," : "{", names[i], i, names[i], size - 1,
                      "################");
    }
    tl_buf_put_str(&json, "}");
    cr_assert_not(json.failed);
    message.value = tl_buf_sv(&json);
    cr_assert_not_null(tl_buf_reserve(&json, TL_MESSAGE_PADDING));
    message.value.data = json.data;
    cr_assert_eq(tl_json_event_open(&schema, &parser, &err), TL_OK);
    cr_assert_eq(tl_batch_open(&schema, &batch, &err), TL_OK);
    cr_assert_eq(tl_json_event_parse(parser, &message, batch, &err), TL_OK);
    cr_assert_eq(batch->rows, 1);
    cr_assert_eq(batch->flags[0], 0);
    for (uint32_t i = 0; i < COLUMNS; i++)
        cr_assert(!batch->column[i].null[0] && batch->column[i].i64[0] == i, "%s", names[i]);
    tl_json_event_close(parser);
    tl_json_event_close(NULL);
    tl_batch_close(batch);
    tl_buf_done(&json);
}

/* ---- the JSON test suite ---- */

static const char *suite_folder(void)
{
    static char folder[4096];
    const char *shared = getenv("TALLY_SHARED");
    DIR *dir;

    snprintf(folder, sizeof folder, "%s/data/json-test-suite", shared ? shared : "../shared");
    dir = opendir(folder);
    if (dir == NULL)
        cr_skip_test("the JSON test suite is not there: %s", folder);
    closedir(dir);
    return folder;
}

static void read_whole(const char *folder, const char *name, struct tl_buf *out)
{
    char path[8192], chunk[4096];
    FILE *file;
    size_t size;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    tl_buf_clear(out);
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0)
        tl_buf_put(out, chunk, size);
    fclose(file);
}

/* A long answer by its beginning. */
static void put_short(struct tl_buf *line, const struct tl_buf *answer)
{
    size_t size = answer->size - 1; /* its zero */

    if (size > 140)
        tl_buf_printf(line, "\t%.100s... (%zu bytes)", answer->data, size);
    else
        tl_buf_printf(line, "\t%s", answer->data);
}

static void suite_line(struct rig rigs[2], const char *name, const struct tl_buf *text, struct tl_buf *line)
{
    struct tl_buf field, answer;

    tl_buf_init(&field, 0);
    tl_buf_init(&answer, 0);
    tl_buf_clear(line);
    tl_buf_put_str(line, name);
    rig_parse(&rigs[0], text->data, text->size);
    print_batch(&answer, rigs[0].batch);
    put_short(line, &answer);
    tl_buf_put_str(&field, "{\"event_time\":\"2024-03-01T10:00:00.000Z\",\"url\":");
    tl_buf_put_sv(&field, tl_buf_sv(text));
    tl_buf_put_str(&field, "}");
    for (int i = 0; i < 2; i++) {
        rig_parse(&rigs[i], field.data, field.size);
        print_batch(&answer, rigs[i].batch);
        put_short(line, &answer);
    }
    cr_assert(rigs[0].batch->rows == rigs[1].batch->rows && rigs[0].batch->dead_count == rigs[1].batch->dead_count, "%s", name);
    tl_buf_put_u8(line, 0);
    tl_buf_done(&field);
    tl_buf_done(&answer);
}

Test(json_event, suite_as_events_and_as_values)
{
    static const struct tl_field fields[] = {
        {{"url", 3},         TL_STRING       },
        {{"event_time", 10}, TL_TIMESTAMP_LTZ}
    };
    const char *folder = suite_folder();
    FILE *table = fopen("tests/data/json_suite.tsv", "rb");
    char want[4096];
    struct rig rigs[2];
    struct tl_buf text, line;
    int count = 0;

    cr_assert_not_null(table, "tests/data/json_suite.tsv");
    rig_open(&rigs[0], fields, 2, TL_TIME_ISO_8601);
    rig_open(&rigs[1], fields + 1, 1, TL_TIME_ISO_8601);
    tl_buf_init(&text, 0);
    tl_buf_init(&line, 0);
    while (fgets(want, sizeof want, table) != NULL) {
        char name[256];

        want[strcspn(want, "\n")] = '\0';
        if (want[0] == '#' || want[0] == '\0')
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(want, "\t"), want);
        read_whole(folder, name, &text);
        suite_line(rigs, name, &text, &line);
        cr_assert_str_eq(line.data, want, "got\n%s\nwant\n%s", line.data, want);
        count++;
    }
    cr_assert_eq(count, 318, "the table has every text once");
    fclose(table);
    tl_buf_done(&text);
    tl_buf_done(&line);
    rig_close(&rigs[0]);
    rig_close(&rigs[1]);
}

Test(json_event, suite_with_every_subset_of_columns)
{
    const char *folder = suite_folder();
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct tl_buf text, field;
    int count = 0;

    sets_open();
    tl_buf_init(&text, 0);
    tl_buf_init(&field, 0);
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        read_whole(folder, entry->d_name, &text);
        check_sets(text.data, text.size, 1);
        for (unsigned wish = 1; wish < 3; wish++) {
            tl_buf_clear(&field);
            tl_buf_printf(&field, "{\"a\":[],\"%s\":", wishes[wish].name.data);
            tl_buf_put_sv(&field, tl_buf_sv(&text));
            tl_buf_put_str(&field, ",\"b\":{}}");
            check_sets(field.data, field.size, 1);
        }
        count++;
    }
    cr_assert_eq(count, 318);
    closedir(dir);
    tl_buf_done(&text);
    tl_buf_done(&field);
    sets_close();
}
