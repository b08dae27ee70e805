/* function_test.c: the built-in functions: one table row for each rule. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/expr.h"
#include "core/function.h"
#include "core/function_number.h"
#include "event/zone.h"

/* Arguments and results as text: "NULL", "ERROR" (the row failed), else the value as its kind writes it. Kind 0: no such argument. */
struct call_case {
    char name[56], function[16];
    enum tl_kind a;
    char a_text[48];
    enum tl_kind b;
    char b_text[48];
    enum tl_kind result;
    char want[48];
};

static const struct tl_function *find(const char *name, const enum tl_kind *kinds, uint32_t count, enum tl_kind result)
{
    for (const struct tl_catalog *c = tl_function_catalog(); c != NULL; c = c->next) {
        for (size_t i = 0; i < c->functions_count; i++) {
            const struct tl_function *f = &c->functions[i];

            if (strcmp(f->name, name) == 0 && count >= f->args_min && count <= f->args_max && f->result == result &&
                memcmp(f->args, kinds, count * sizeof *kinds) == 0)
                return f;
        }
    }
    return NULL;
}

static struct tl_value value_of(enum tl_kind kind, const char *text)
{
    struct tl_value value = {.kind = kind, .is_null = strcmp(text, "NULL") == 0};

    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: value.i64 = value.is_null ? 0 : strtoll(text, NULL, 10); break;
    case TL_FORM_F64: value.f64 = value.is_null ? 0 : strtod(text, NULL); break;
    case TL_FORM_TEXT: value.sv = value.is_null ? (struct tl_sv){NULL, 0} : tl_sv_from(text); break;
    }
    return value;
}

static bool same(const struct tl_value *got, const char *want)
{
    struct tl_value value = value_of(got->kind, want);

    if (tl_kind_form(got->kind) == TL_FORM_F64 && !got->is_null && !value.is_null && signbit(got->f64) != signbit(value.f64) &&
        !isnan(value.f64))
        return false;
    return tl_value_eq(got, &value);
}

static const struct tl_zone *zone; /* 'table.local-time-zone', for prepare */

/* Calls the function on constants (prepared as such) or on columns of three rows, of which the first and the last are selected. */
static void check(const struct call_case *c, bool constant)
{
    enum tl_kind kinds[2] = {c->a, c->b};
    uint32_t count = c->b ? 2 : 1, rows[2] = {0, 2};
    const struct tl_function *function = find(c->function, kinds, count, c->result);
    struct tl_arena arena;
    struct tl_vec slots[2], out;
    const char *failed[3] = {NULL};
    struct tl_value values[2];
    struct tl_expr args[2] = {{.op = TL_EXPR_SLOT}, {.op = TL_EXPR_SLOT}}, *arg_list[2] = {&args[0], &args[1]};
    struct tl_expr call = {.op = TL_EXPR_CALL, .kind = c->result, .args = arg_list, .args_count = count};
    struct tl_eval eval = {.slots = slots, .slots_count = 2, .rows_count = 3, .arena = &arena, .failed = failed};

    cr_assert_not_null(function, "%s: no such row", c->name);
    call.function = function;
    tl_arena_init(&arena, 4096, 0);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = value_of(kinds[i], i == 0 ? c->a_text : c->b_text);
        args[i].kind = kinds[i];
        args[i].slot = i;
        if (constant) {
            args[i].op = TL_EXPR_CONSTANT;
            args[i].constant = values[i];
        }
        cr_assert(tl_vec_alloc(&arena, kinds[i], 3, &slots[i]));
        memset(slots[i].null, 0x55, 3);
        for (uint32_t r = 0; r < 3; r += 2)
            tl_vec_set(&slots[i], r, &values[i]);
    }
    if (function->prepare != NULL) {
        static const struct tl_value columns[2] = {
            {.kind = TL_NULL, .is_null = true},
            {.kind = TL_NULL, .is_null = true}
        };
        struct tl_err err;

        cr_assert_eq(function->prepare(
                         &(struct tl_prepare){
                             .constants = constant ? values : columns, .args_count = count, .zone = zone, .arena = &arena},
                         &call.state, &err),
                     TL_OK, "%s: %s", c->name, err.message);
    }
    cr_assert(tl_expr_eval(&eval, &call, rows, 2, &out));
    for (uint32_t r = 0; r < 3; r += 2) {
        struct tl_value got = tl_vec_get(&out, r);

        if (strcmp(c->want, "ERROR") == 0) {
            cr_assert(failed[r] && got.is_null, "%s: no error", c->name);
            cr_assert_str_eq(failed[r], c->function);
            cr_assert(function->can_fail, "%s: may fail, and does not say so", c->name);
        } else if (got.kind == TL_STRING) {
            cr_assert(same(&got, c->want) && !failed[r], "%s: got '%.*s', want '%s'", c->name, TL_SV_ARG(got.sv), c->want);
        } else {
            cr_assert(same(&got, c->want) && !failed[r], "%s: got %lld or %g (null %d, failed %d), want %s", c->name,
                      (long long)got.i64, got.f64, got.is_null, failed[r] != NULL, c->want);
        }
    }
    cr_assert_null(failed[1], "%s: a row that is not selected", c->name);
    tl_arena_done(&arena);
}

ParameterizedTestParameters(function, calls)
{
    static struct call_case cases[] = {
        {"equal",                            "=",            TL_INT,           "3",                    TL_INT,           "3",                   TL_BOOLEAN,       "1"                   },
        {"NULL in, NULL out",                "=",            TL_INT,           "NULL",                 TL_INT,           "3",                   TL_BOOLEAN,       "NULL"                },
        {"NULL = NULL is NULL",              "=",            TL_STRING,        "NULL",                 TL_STRING,        "NULL",                TL_BOOLEAN,       "NULL"                },
        {"text: no padding",                 "=",            TL_STRING,        "a",                    TL_STRING,        "a ",                  TL_BOOLEAN,       "0"                   },
        {"text: binary order",               "<",            TL_STRING,        "B",                    TL_STRING,        "a",                   TL_BOOLEAN,       "1"                   },
        {"text: a beginning is less",        "<",            TL_STRING,        "ab",                   TL_STRING,        "abc",                 TL_BOOLEAN,       "1"                   },
        {"text: bytes are unsigned",         ">",            TL_STRING,        "\xC3\xA9",             TL_STRING,        "z",                   TL_BOOLEAN,       "1"                   },
        {"text: UTF-8 order beyond the BMP", "<",            TL_STRING,        "\xEF\xBD\x9E",         TL_STRING,        "\xF0\x9F\x98\x80",    TL_BOOLEAN,       "1"                   },
        {"text: empty",                      "<>",           TL_STRING,        "",                     TL_STRING,        "",                    TL_BOOLEAN,       "0"                   },
        {"NaN equals nothing",               "=",            TL_DOUBLE,        "nan",                  TL_DOUBLE,        "nan",                 TL_BOOLEAN,       "0"                   },
        {"NaN differs from itself",          "<>",           TL_DOUBLE,        "nan",                  TL_DOUBLE,        "nan",                 TL_BOOLEAN,       "1"                   },
        {"NaN is not less",                  "<=",           TL_DOUBLE,        "nan",                  TL_DOUBLE,        "1",                   TL_BOOLEAN,       "0"                   },
        {"the zeros are equal",              "=",            TL_DOUBLE,        "-0.0",                 TL_DOUBLE,        "0.0",                 TL_BOOLEAN,       "1"                   },
        {"booleans",                         "<",            TL_BOOLEAN,       "0",                    TL_BOOLEAN,       "1",                   TL_BOOLEAN,       "1"                   },
        {"timestamps",                       ">=",           TL_TIMESTAMP,     "-5",                   TL_TIMESTAMP,     "-5",                  TL_BOOLEAN,       "1"                   },
        {"instants",                         ">",            TL_TIMESTAMP_LTZ, "7",                    TL_TIMESTAMP_LTZ, "8",                   TL_BOOLEAN,       "0"                   },
        {"bigint ends",                      "<",            TL_BIGINT,        "-9223372036854775808", TL_BIGINT,        "9223372036854775807", TL_BOOLEAN,       "1"                   },
        {"less or equal",                    "<=",           TL_SMALLINT,      "4",                    TL_SMALLINT,      "4",                   TL_BOOLEAN,       "1"                   },
        {"unequal floats",                   "<>",           TL_FLOAT,         "0.5",                  TL_FLOAT,         "0.25",                TL_BOOLEAN,       "1"                   },

        {"not true",                         "NOT",          TL_BOOLEAN,       "1",                    0,                "",                    TL_BOOLEAN,       "0"                   },
        {"not NULL",                         "NOT",          TL_BOOLEAN,       "NULL",                 0,                "",                    TL_BOOLEAN,       "NULL"                },
        {"is null",                          "IS NULL",      TL_STRING,        "NULL",                 0,                "",                    TL_BOOLEAN,       "1"                   },
        {"empty is not null",                "IS NULL",      TL_STRING,        "",                     0,                "",                    TL_BOOLEAN,       "0"                   },
        {"is not null",                      "IS NOT NULL",  TL_DOUBLE,        "NULL",                 0,                "",                    TL_BOOLEAN,       "0"                   },
        {"zero is not null",                 "IS NOT NULL",  TL_BIGINT,        "0",                    0,                "",                    TL_BOOLEAN,       "1"                   },
        {"NULL is true",                     "IS TRUE",      TL_BOOLEAN,       "NULL",                 0,                "",                    TL_BOOLEAN,       "0"                   },
        {"NULL is false",                    "IS FALSE",     TL_BOOLEAN,       "NULL",                 0,                "",                    TL_BOOLEAN,       "0"                   },
        {"false is false",                   "IS FALSE",     TL_BOOLEAN,       "0",                    0,                "",                    TL_BOOLEAN,       "1"                   },
        {"NULL is not true",                 "IS NOT TRUE",  TL_BOOLEAN,       "NULL",                 0,                "",                    TL_BOOLEAN,       "1"                   },
        {"NULL is not false",                "IS NOT FALSE", TL_BOOLEAN,       "NULL",                 0,                "",                    TL_BOOLEAN,       "1"                   },
        {"false is not false",               "IS NOT FALSE", TL_BOOLEAN,       "0",                    0,                "",                    TL_BOOLEAN,       "0"                   },

        {"int + wraps in its width",         "+",            TL_INT,           "2147483647",           TL_INT,           "1",                   TL_INT,           "-2147483648"         },
        {"tinyint + wraps",                  "+",            TL_TINYINT,       "127",                  TL_TINYINT,       "1",                   TL_TINYINT,       "-128"                },
        {"bigint + wraps",                   "+",            TL_BIGINT,        "9223372036854775807",  TL_BIGINT,        "1",                   TL_BIGINT,        "-9223372036854775808"},
        {"smallint - wraps",                 "-",            TL_SMALLINT,      "-32768",               TL_SMALLINT,      "1",                   TL_SMALLINT,      "32767"               },
        {"int * wraps",                      "*",            TL_INT,           "65536",                TL_INT,           "65536",               TL_INT,           "0"                   },
        {"bigint * wraps",                   "*",            TL_BIGINT,        "9223372036854775807",  TL_BIGINT,        "2",                   TL_BIGINT,        "-2"                  },
        {"division truncates toward zero",   "/",            TL_INT,           "-7",                   TL_INT,           "2",                   TL_INT,           "-3"                  },
        {"division by zero fails",           "/",            TL_BIGINT,        "1",                    TL_BIGINT,        "0",                   TL_BIGINT,        "ERROR"               },
        {"NULL / 0 is NULL",                 "/",            TL_INT,           "NULL",                 TL_INT,           "0",                   TL_INT,           "NULL"                },
        {"int minimum / -1 wraps",           "/",            TL_INT,           "-2147483648",          TL_INT,           "-1",                  TL_INT,           "-2147483648"         },
        {"bigint minimum / -1 wraps",        "/",            TL_BIGINT,        "-9223372036854775808", TL_BIGINT,        "-1",                  TL_BIGINT,        "-9223372036854775808"},
        {"the rest has the dividend's sign", "%",            TL_INT,           "-7",                   TL_INT,           "2",                   TL_INT,           "-1"                  },
        {"rest by zero fails",               "%",            TL_INT,           "1",                    TL_INT,           "0",                   TL_INT,           "ERROR"               },
        {"bigint minimum % -1",              "%",            TL_BIGINT,        "-9223372036854775808", TL_BIGINT,        "-1",                  TL_BIGINT,        "0"                   },
        {"negate wraps",                     "NEGATE",       TL_TINYINT,       "-128",                 0,                "",                    TL_TINYINT,       "-128"                },
        {"negate bigint minimum",            "NEGATE",       TL_BIGINT,        "-9223372036854775808", 0,                "",                    TL_BIGINT,        "-9223372036854775808"},
        {"negate",                           "NEGATE",       TL_INT,           "5",                    0,                "",                    TL_INT,           "-5"                  },
        {"negate zero",                      "NEGATE",       TL_DOUBLE,        "0.0",                  0,                "",                    TL_DOUBLE,        "-0.0"                },
        {"abs",                              "ABS",          TL_INT,           "-5",                   0,                "",                    TL_INT,           "5"                   },
        {"abs wraps",                        "ABS",          TL_INT,           "-2147483648",          0,                "",                    TL_INT,           "-2147483648"         },
        {"abs of a double",                  "ABS",          TL_DOUBLE,        "-0.5",                 0,                "",                    TL_DOUBLE,        "0.5"                 },
        {"double + rounds",                  "+",            TL_DOUBLE,        "0.1",                  TL_DOUBLE,        "0.2",                 TL_DOUBLE,        "0.30000000000000004" },
        {"double / 0 is infinite",           "/",            TL_DOUBLE,        "1",                    TL_DOUBLE,        "0",                   TL_DOUBLE,        "inf"                 },
        {"double 0 / 0 is NaN",              "/",            TL_DOUBLE,        "0",                    TL_DOUBLE,        "0",                   TL_DOUBLE,        "nan"                 },
        {"double %",                         "%",            TL_DOUBLE,        "-7.5",                 TL_DOUBLE,        "2",                   TL_DOUBLE,        "-1.5"                },
        {"float + rounds to float",          "+",            TL_FLOAT,         "16777216",             TL_FLOAT,         "1",                   TL_FLOAT,         "16777216"            },
        {"float * overflows to infinity",    "*",            TL_FLOAT,         "0x1p127",              TL_FLOAT,         "2",                   TL_FLOAT,         "inf"                 },

        {"timestamp + interval",             "+",            TL_TIMESTAMP,     "1000",                 TL_INTERVAL,      "500",                 TL_TIMESTAMP,     "1500"                },
        {"interval + instant",               "+",            TL_INTERVAL,      "500",                  TL_TIMESTAMP_LTZ, "1000",                TL_TIMESTAMP_LTZ, "1500"                },
        {"instant - interval",               "-",            TL_TIMESTAMP_LTZ, "1000",                 TL_INTERVAL,      "15000",               TL_TIMESTAMP_LTZ, "-14000"              },
        {"times saturate",                   "-",            TL_TIMESTAMP,     "-9223372036854775808", TL_INTERVAL,      "1",                   TL_TIMESTAMP,     "-9223372036854775808"},
        {"and at the other end",             "-",            TL_TIMESTAMP,     "9223372036854775807",  TL_INTERVAL,      "-1",                  TL_TIMESTAMP,
         "9223372036854775807"                                                                                                                                                          },

        {"like",                             "LIKE",         TL_STRING,        "/shop/1",              TL_STRING,        "/shop/%",             TL_BOOLEAN,       "1"                   },
        {"like NULL",                        "LIKE",         TL_STRING,        "x",                    TL_STRING,        "NULL",                TL_BOOLEAN,       "NULL"                },
        {"lower",                            "LOWER",        TL_STRING,        "Caf\xC3\x89",          0,                "",                    TL_STRING,        "caf\xC3\xA9"         },
        {"upper",                            "UPPER",        TL_STRING,        "Caf\xC3\xA9",          0,                "",                    TL_STRING,        "CAF\xC3\x89"         },
        {"upper NULL",                       "UPPER",        TL_STRING,        "NULL",                 0,                "",                    TL_STRING,        "NULL"                },
    };
    return cr_make_param_array(struct call_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct call_case *c, function, calls)
{
    check(c, false);
    check(c, true);
}

ParameterizedTestParameters(function, casts)
{
    static struct call_case cases[] = {
        {"int narrows",                              "CAST", TL_INT,           "-12",                          0, "", TL_TINYINT,       "-12"                    },
        {"int narrows by bits",                      "CAST", TL_INT,           "1234567",                      0, "", TL_TINYINT,       "-121"                   },
        {"bigint to int",                            "CAST", TL_BIGINT,        "-3276913443134",               0, "", TL_INT,           "146603714"              },
        {"bigint to float rounds once",              "CAST", TL_BIGINT,        "9007199791611905",             0, "", TL_FLOAT,         "9007200328482816"       },
        {"bigint to double",                         "CAST", TL_BIGINT,        "9007199254740993",             0, "", TL_DOUBLE,        "9007199254740992"       },
        {"double truncates",                         "CAST", TL_DOUBLE,        "-123.99",                      0, "", TL_INT,           "-123"                   },
        {"double to tinyint saturates at int first", "CAST", TL_DOUBLE,        "1e20",                         0, "", TL_TINYINT,       "-1"                     },
        {"double to smallint",                       "CAST", TL_DOUBLE,        "123456.7890",                  0, "", TL_SMALLINT,      "-7616"                  },
        {"double to int saturates",                  "CAST", TL_DOUBLE,        "9234567891.12345",             0, "", TL_INT,           "2147483647"             },
        {"double to int saturates below",            "CAST", TL_DOUBLE,        "-1e300",                       0, "", TL_INT,           "-2147483648"            },
        {"double to bigint saturates",               "CAST", TL_DOUBLE,        "1e300",                        0, "", TL_BIGINT,        "9223372036854775807"    },
        {"double to bigint saturates below",         "CAST", TL_DOUBLE,        "-1e300",                       0, "", TL_BIGINT,        "-9223372036854775808"   },
        {"NaN to bigint",                            "CAST", TL_DOUBLE,        "nan",                          0, "", TL_BIGINT,        "0"                      },
        {"float to bigint",                          "CAST", TL_FLOAT,         "9234568192",                   0, "", TL_BIGINT,        "9234568192"             },
        {"double to float",                          "CAST", TL_DOUBLE,        "0.1",                          0, "", TL_FLOAT,         "0x1.99999ap-4"          },
        {"double to float overflows",                "CAST", TL_DOUBLE,        "1e300",                        0, "", TL_FLOAT,         "inf"                    },
        {"float to double",                          "CAST", TL_FLOAT,         "0x1.99999ap-4",                0, "", TL_DOUBLE,        "0x1.99999ap-4"          },
        {"boolean to int",                           "CAST", TL_BOOLEAN,       "1",                            0, "", TL_INT,           "1"                      },
        {"boolean to double",                        "CAST", TL_BOOLEAN,       "1",                            0, "", TL_DOUBLE,        "1"                      },
        {"int to boolean",                           "CAST", TL_INT,           "-7",                           0, "", TL_BOOLEAN,       "1"                      },
        {"zero to boolean",                          "CAST", TL_BIGINT,        "0",                            0, "", TL_BOOLEAN,       "0"                      },
        {"double to boolean",                        "CAST", TL_DOUBLE,        "0.25",                         0, "", TL_BOOLEAN,       "1"                      },
        {"a zero with a sign to boolean",            "CAST", TL_DOUBLE,        "-0.0",                         0, "", TL_BOOLEAN,       "0"                      },
        {"NaN to boolean",                           "CAST", TL_DOUBLE,        "NaN",                          0, "", TL_BOOLEAN,       "1"                      },
        {"float to boolean",                         "CAST", TL_FLOAT,         "0.0",                          0, "", TL_BOOLEAN,       "0"                      },
        {"a high bit to boolean",                    "CAST", TL_BIGINT,        "4294967296",                   0, "", TL_BOOLEAN,       "1"                      },
        {"NULL stays",                               "CAST", TL_STRING,        "NULL",                         0, "", TL_INT,           "NULL"                   },

        {"text to int",                              "CAST", TL_STRING,        "+42",                          0, "", TL_INT,           "42"                     },
        {"a fraction is cut off",                    "CAST", TL_STRING,        "-1.999",                       0, "", TL_INT,           "-1"                     },
        {"only a point behind",                      "CAST", TL_STRING,        "5.",                           0, "", TL_INT,           "5"                      },
        {"blanks around a number",                   "CAST", TL_STRING,        " 5  ",                         0, "", TL_INT,           "5"                      },
        {"no other white space",                     "CAST", TL_STRING,        "5\t",                          0, "", TL_INT,           "ERROR"                  },
        {"empty",                                    "CAST", TL_STRING,        "",                             0, "", TL_INT,           "ERROR"                  },
        {"sign only",                                "CAST", TL_STRING,        "-",                            0, "", TL_INT,           "ERROR"                  },
        {"word",                                     "CAST", TL_STRING,        "foo",                          0, "", TL_INT,           "ERROR"                  },
        {"bad fraction",                             "CAST", TL_STRING,        "1.x",                          0, "", TL_INT,           "ERROR"                  },
        {"exponent",                                 "CAST", TL_STRING,        "1e3",                          0, "", TL_BIGINT,        "ERROR"                  },
        {"tinyint out of range",                     "CAST", TL_STRING,        "-130",                         0, "", TL_TINYINT,       "ERROR"                  },
        {"smallint out of range",                    "CAST", TL_STRING,        "-32769",                       0, "", TL_SMALLINT,      "ERROR"                  },
        {"int out of range",                         "CAST", TL_STRING,        "2147483648",                   0, "", TL_INT,           "ERROR"                  },
        {"int minimum",                              "CAST", TL_STRING,        "-2147483648",                  0, "", TL_INT,           "-2147483648"            },
        {"bigint minimum",                           "CAST", TL_STRING,        "-9223372036854775808",         0, "", TL_BIGINT,        "-9223372036854775808"   },
        {"bigint maximum",                           "CAST", TL_STRING,        "9223372036854775807",          0, "", TL_BIGINT,        "9223372036854775807"    },
        {"bigint out of range",                      "CAST", TL_STRING,        "9223372036854775808",          0, "", TL_BIGINT,        "ERROR"                  },
        {"text to double",                           "CAST", TL_STRING,        " -1.5e3 ",                     0, "", TL_DOUBLE,        "-1500"                  },
        {"Java's suffix",                            "CAST", TL_STRING,        "1.5d",                         0, "", TL_DOUBLE,        "1.5"                    },
        {"Java's infinity",                          "CAST", TL_STRING,        "-Infinity",                    0, "", TL_DOUBLE,        "-inf"                   },
        {"Java's NaN",                               "CAST", TL_STRING,        "NaN",                          0, "", TL_DOUBLE,        "nan"                    },
        {"too large is infinite",                    "CAST", TL_STRING,        "1e999",                        0, "", TL_DOUBLE,        "inf"                    },
        {"no other words",                           "CAST", TL_STRING,        "inf",                          0, "", TL_DOUBLE,        "ERROR"                  },
        {"hexadecimal is refused",                   "CAST", TL_STRING,        "0x1p3",                        0, "", TL_DOUBLE,        "ERROR"                  },
        {"only a suffix",                            "CAST", TL_STRING,        "d",                            0, "", TL_DOUBLE,        "ERROR"                  },
        {"only a point",                             "CAST", TL_STRING,        ".",                            0, "", TL_DOUBLE,        "ERROR"                  },
        {"no exponent",                              "CAST", TL_STRING,        "1e",                           0, "", TL_DOUBLE,        "ERROR"                  },
        {"no exponent behind its sign",              "CAST", TL_STRING,        "1e+",                          0, "", TL_DOUBLE,        "ERROR"                  },
        {"two numbers",                              "CAST", TL_STRING,        "1 2",                          0, "", TL_DOUBLE,        "ERROR"                  },
        {"text to float rounds once",                "CAST", TL_STRING,        "1.00000017881393432617187499", 0, "", TL_FLOAT,         "0x1.000002p0"           },
        {"true",                                     "CAST", TL_STRING,        "True",                         0, "", TL_BOOLEAN,       "1"                      },
        {"yes",                                      "CAST", TL_STRING,        "y",                            0, "", TL_BOOLEAN,       "1"                      },
        {"no",                                       "CAST", TL_STRING,        "NO",                           0, "", TL_BOOLEAN,       "0"                      },
        {"neither",                                  "CAST", TL_STRING,        "maybe",                        0, "", TL_BOOLEAN,       "ERROR"                  },
        {"two",                                      "CAST", TL_STRING,        "2",                            0, "", TL_BOOLEAN,       "ERROR"                  },

        {"boolean to text",                          "CAST", TL_BOOLEAN,       "1",                            0, "", TL_STRING,        "TRUE"                   },
        {"boolean to text",                          "CAST", TL_BOOLEAN,       "0",                            0, "", TL_STRING,        "FALSE"                  },
        {"int to text",                              "CAST", TL_INT,           "-42",                          0, "", TL_STRING,        "-42"                    },
        {"bigint minimum to text",                   "CAST", TL_BIGINT,        "-9223372036854775808",         0, "", TL_STRING,        "-9223372036854775808"   },
        {"zero to text",                             "CAST", TL_TINYINT,       "0",                            0, "", TL_STRING,        "0"                      },
        {"timestamp to text",                        "CAST", TL_TIMESTAMP,     "1431857100000",                0, "", TL_STRING,        "2015-05-17 10:05:00.000"},
        {"instant to text",                          "CAST", TL_TIMESTAMP_LTZ, "-1",                           0, "", TL_STRING,        "1969-12-31 23:59:59.999"},
        {"text to timestamp",                        "CAST", TL_STRING,        "2015-05-17 10:05:00.1239",     0, "", TL_TIMESTAMP,     "1431857100123"          },
        {"a date",                                   "CAST", TL_STRING,        "2015-05-17",                   0, "", TL_TIMESTAMP,     "1431820800000"          },
        {"single digits",                            "CAST", TL_STRING,        "2024-3-1 5:6:7",               0, "", TL_TIMESTAMP,     "1709269567000"          },
        {"text to instant",                          "CAST", TL_STRING,        "1970-01-01 00:00:01",          0, "", TL_TIMESTAMP_LTZ, "1000"                   },
        {"before 1970",                              "CAST", TL_STRING,        "1969-12-31 23:59:59.999",      0, "", TL_TIMESTAMP,     "-1"                     },
        {"the day is cut to the month",              "CAST", TL_STRING,        "2024-02-30",                   0, "", TL_TIMESTAMP,     "1709164800000"          },
        {"24:00 is the next day",                    "CAST", TL_STRING,        "2024-03-01 24:00:00",          0, "", TL_TIMESTAMP,     "1709337600000"          },
        {"24:00:01 is not",                          "CAST", TL_STRING,        "2024-03-01 24:00:01",          0, "", TL_TIMESTAMP,     "ERROR"                  },
        {"a T",                                      "CAST", TL_STRING,        "2024-03-01T10:00:00",          0, "", TL_TIMESTAMP,     "ERROR"                  },
        {"a Z",                                      "CAST", TL_STRING,        "2024-03-01 10:00:00Z",         0, "", TL_TIMESTAMP_LTZ, "ERROR"                  },
        {"no seconds",                               "CAST", TL_STRING,        "2024-03-01 10:00",             0, "", TL_TIMESTAMP,     "ERROR"                  },
        {"month 13",                                 "CAST", TL_STRING,        "2024-13-01",                   0, "", TL_TIMESTAMP,     "ERROR"                  },
        {"day 32",                                   "CAST", TL_STRING,        "2024-01-32",                   0, "", TL_TIMESTAMP,     "ERROR"                  },
        {"year 0",                                   "CAST", TL_STRING,        "0000-01-01",                   0, "", TL_TIMESTAMP,     "ERROR"                  },
        {"minute 60",                                "CAST", TL_STRING,        "2024-01-01 10:60:00",          0, "", TL_TIMESTAMP,     "ERROR"                  },
        {"timestamp to instant",                     "CAST", TL_TIMESTAMP,     "5",                            0, "", TL_TIMESTAMP_LTZ, "5"                      },
        {"instant to timestamp",                     "CAST", TL_TIMESTAMP_LTZ, "5",                            0, "", TL_TIMESTAMP,     "5"                      },
        {"text to text",                             "CAST", TL_STRING,        "x",                            0, "", TL_STRING,        "x"                      },
    };
    return cr_make_param_array(struct call_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct call_case *c, function, casts)
{
    check(c, false);
}

/* --- numbers as Java prints them --------------------------------------------------------------------------------------- */

struct zoned_case {
    char zone[24];
    struct call_case call;
};

ParameterizedTestParameters(function, casts_in_a_zone)
{
    /* clang-format off */
    /* What Flink 2.3's DateTimeUtils gave. */
    static struct zoned_case cases[] = {
        {"America/Los_Angeles", {"before the gap", "CAST", TL_STRING, "2021-03-14 01:59:59.999", 0, "", TL_TIMESTAMP_LTZ, "1615715999999"}},
        {"America/Los_Angeles", {"in the gap", "CAST", TL_STRING, "2021-03-14 02:30:00", 0, "", TL_TIMESTAMP_LTZ, "1615717800000"}},
        {"America/Los_Angeles", {"in the overlap", "CAST", TL_STRING, "2021-11-07 01:30:00", 0, "", TL_TIMESTAMP_LTZ, "1636273800000"}},
        {"Australia/Lord_Howe", {"half an hour's gap", "CAST", TL_STRING, "2024-10-06 02:15:00", 0, "", TL_TIMESTAMP_LTZ, "1728143100000"}},
        {"Asia/Kathmandu", {"a date", "CAST", TL_STRING, "2024-03-01", 0, "", TL_TIMESTAMP_LTZ, "1709230500000"}},
        {"Pacific/Apia", {"the day that never was", "CAST", TL_STRING, "2011-12-30 12:00:00", 0, "", TL_TIMESTAMP_LTZ, "1325282400000"}},
        {"Africa/Monrovia", {"seconds in the offset", "CAST", TL_STRING, "1971-06-01 00:00:00", 0, "", TL_TIMESTAMP_LTZ, "44585070000"}},
        {"Europe/Berlin", {"in the year 2150", "CAST", TL_STRING, "2150-03-29 02:30:00", 0, "", TL_TIMESTAMP_LTZ, "5687803800000"}},
        {"GMT+05:30", {"cut and carried", "CAST", TL_STRING, "2024-02-30 24:00:00", 0, "", TL_TIMESTAMP_LTZ, "1709231400000"}},
        {"America/Los_Angeles", {"no time", "CAST", TL_STRING, "soon", 0, "", TL_TIMESTAMP_LTZ, "ERROR"}},
        {"America/Los_Angeles", {"NULL", "CAST", TL_STRING, "NULL", 0, "", TL_TIMESTAMP_LTZ, "NULL"}},
        {"America/Los_Angeles", {"a TIMESTAMP has no zone", "CAST", TL_STRING, "2021-03-14 02:30:00", 0, "", TL_TIMESTAMP, "1615689000000"}},
        {"America/Los_Angeles", {"wall clock to instant", "CAST", TL_TIMESTAMP, "1615689000000", 0, "", TL_TIMESTAMP_LTZ, "1615717800000"}},
        {"America/Los_Angeles", {"instant to wall clock", "CAST", TL_TIMESTAMP_LTZ, "1615717800000", 0, "", TL_TIMESTAMP, "1615692600000"}},
        {"America/Los_Angeles", {"instant to text", "CAST", TL_TIMESTAMP_LTZ, "1615717800000", 0, "", TL_STRING, "2021-03-14 03:30:00.000"}},
        {"America/Los_Angeles", {"the second time round", "CAST", TL_TIMESTAMP_LTZ, "1636277400000", 0, "", TL_STRING, "2021-11-07 01:30:00.000"}},
        {"America/Los_Angeles", {"wall clock to text", "CAST", TL_TIMESTAMP, "1615689000000", 0, "", TL_STRING, "2021-03-14 02:30:00.000"}},
        {"Pacific/Apia", {"a day later", "CAST", TL_TIMESTAMP_LTZ, "1325282400000", 0, "", TL_STRING, "2011-12-31 12:00:00.000"}},
        {"Africa/Monrovia", {"seconds go away again", "CAST", TL_TIMESTAMP_LTZ, "44585070000", 0, "", TL_STRING, "1971-06-01 00:00:00.000"}},
        {"America/Los_Angeles", {"intervals are of instants", "+", TL_TIMESTAMP_LTZ, "1615715999999", TL_INTERVAL, "3600000", TL_TIMESTAMP_LTZ, "1615719599999"}},
    };
    /* clang-format on */
    return cr_make_param_array(struct zoned_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct zoned_case *c, function, casts_in_a_zone)
{
    struct tl_arena arena;
    struct tl_err err = {0};

    tl_arena_init(&arena, 4096, 0);
    cr_assert_eq(tl_zone_open(tl_sv_from(c->zone), &arena, &zone, &err), TL_OK, "%s", err.message);
    check(&c->call, false);
    check(&c->call, true);
    tl_arena_done(&arena);
}

struct print_case {
    char text[32];
    double value;
    bool is_float;
};

ParameterizedTestParameters(function, prints)
{
    static struct print_case cases[] = {
        {"0.0",                     0.0,                     false},
        {"-0.0",                    -0.0,                    false},
        {"1.0",                     1.0,                     false},
        {"0.1",                     0.1,                     false},
        {"0.5",                     0.5,                     false},
        {"-2.5",                    -2.5,                    false},
        {"100.0",                   100.0,                   false},
        {"123.456",                 123.456,                 false},
        {"0.001",                   0.001,                   false},
        {"0.0012",                  0.0012,                  false},
        {"9.999E-4",                9.999e-4,                false},
        {"1.0E-5",                  1e-5,                    false},
        {"9999999.0",               9999999.0,               false},
        {"1.0E7",                   1e7,                     false},
        {"1.2345678E7",             12345678.0,              false},
        {"0.30000000000000004",     0.1 + 0.2,               false},
        {"0.002",                   2e-3,                    false},
        {"1.7976931348623157E308",  1.7976931348623157e308,  false},
        {"4.9E-324",                4.9e-324,                false},
        {"2.2250738585072014E-308", 2.2250738585072014e-308, false},
        {"9.007199254740992E15",    9007199254740992.0,      false},
        {"2.0E23",                  2e23,                    false},
        {"5.684341886080802E-14",   0x1p-44,                 false},
        {"Infinity",                (double)INFINITY,        false},
        {"-Infinity",               -(double)INFINITY,       false},
        {"NaN",                     (double)NAN,             false},
        {"0.1",                     0x1.99999ap-4,           true },
        {"3.4028235E38",            0x1.fffffep127,          true },
        {"1.4E-45",                 0x1p-149,                true },
        {"1.1754944E-38",           0x1p-126,                true },
        {"1.6777216E7",             16777216.0,              true },
        {"123.456",                 0x1.edd2f2p6,            true },
    };
    return cr_make_param_array(struct print_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct print_case *c, function, prints)
{
    char text[TL_NUMBER_TEXT_BYTES + 1];
    size_t size = tl_f64_print(c->value, c->is_float, text);

    text[size] = 0;
    cr_assert_str_eq(text, c->text);
}

/* --- LIKE and its preparation ------------------------------------------------------------------------------------------ */

Test(function, like_mistakes_are_found_when_bound)
{
    const enum tl_kind kinds[] = {TL_STRING, TL_STRING, TL_STRING};
    const struct tl_function *like = find("LIKE", kinds, 3, TL_BOOLEAN);
    struct tl_value column = {.kind = TL_NULL, .is_null = true}, null = {.kind = TL_STRING, .is_null = true};
    struct tl_value bad = {.kind = TL_STRING, .sv = TL_SV("a!b")}, good = {.kind = TL_STRING, .sv = TL_SV("a!%")};
    struct tl_value escape = {.kind = TL_STRING, .sv = TL_SV("!")}, two = {.kind = TL_STRING, .sv = TL_SV("!!")};
    const void *state;
    struct tl_arena arena;
    struct tl_err err;

    cr_assert_not_null(like);
    tl_arena_init(&arena, 4096, 0);
    cr_assert_eq(like->prepare(
                     &(struct tl_prepare){
                         .constants = (struct tl_value[]){column, bad, escape},
                            .args_count = 3, .arena = &arena
    },
                     &state, &err),
                 TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "a!b"), "%s", err.message);
    cr_assert_eq(like->prepare(
                     &(struct tl_prepare){
                         .constants = (struct tl_value[]){column, column, two},
                            .args_count = 3, .arena = &arena
    },
                     &state, &err),
                 TL_ERR_DEFINITION);
    cr_assert_eq(like->prepare(
                     &(struct tl_prepare){
                         .constants = (struct tl_value[]){column, good, escape},
                            .args_count = 3, .arena = &arena
    },
                     &state, &err),
                 TL_OK);
    cr_assert_not_null(state);
    cr_assert_eq(like->prepare(
                     &(struct tl_prepare){
                         .constants = (struct tl_value[]){column, column, escape},
                            .args_count = 3, .arena = &arena
    },
                     &state, &err),
                 TL_OK);
    cr_assert_null(state, "a pattern that is a column is compiled row by row");
    cr_assert_eq(like->prepare(
                     &(struct tl_prepare){
                         .constants = (struct tl_value[]){column, null, escape},
                            .args_count = 3, .arena = &arena
    },
                     &state, &err),
                 TL_OK);
    tl_arena_done(&arena);
}

/* A mistake in a pattern that is a column fails its row alone. */
Test(function, like_with_columns)
{
    const enum tl_kind kinds[] = {TL_STRING, TL_STRING, TL_STRING};
    static const struct tl_sv texts[] = {TL_SV("100%"), TL_SV("100%"), TL_SV("x"), TL_SV("x")};
    static const struct tl_sv patterns[] = {TL_SV("100!%"), TL_SV("1!0"), TL_SV("_"), TL_SV("_")};
    static const struct tl_sv escapes[] = {TL_SV("!"), TL_SV("!"), TL_SV(""), TL_SV("!")};
    const char *failed[4] = {NULL};
    struct tl_arena arena;
    struct tl_vec slots[3], out;
    struct tl_expr args[3], *list[3];
    struct tl_expr call = {.op = TL_EXPR_CALL, .kind = TL_BOOLEAN, .args = list, .args_count = 3};
    struct tl_eval eval = {.slots = slots, .slots_count = 3, .rows_count = 4, .arena = &arena, .failed = failed};

    tl_arena_init(&arena, 4096, 0);
    call.function = find("LIKE", kinds, 3, TL_BOOLEAN);
    for (uint32_t i = 0; i < 3; i++) {
        args[i] = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = TL_STRING, .slot = i};
        list[i] = &args[i];
        cr_assert(tl_vec_alloc(&arena, TL_STRING, 4, &slots[i]));
        memset(slots[i].null, 0, 4);
        memcpy(slots[i].sv, i == 0 ? texts : i == 1 ? patterns : escapes, 4 * sizeof(struct tl_sv));
    }
    cr_assert(tl_expr_eval(&eval, &call, (const uint32_t[]){0, 1, 2, 3}, 4, &out));
    cr_assert(!failed[0] && !out.null[0] && out.i64[0] == 1);
    cr_assert(failed[1] && out.null[1]);
    cr_assert(failed[2] && out.null[2], "the empty text is no escape");
    cr_assert(!failed[3] && !out.null[3] && out.i64[3] == 1);
    tl_arena_done(&arena);
}

/* --- IS_FILE_REQUEST --------------------------------------------------------------------------------------------------- */

ParameterizedTestParameters(function, file_requests)
{
#define URL(text, want)                                                                                                          \
    {                                                                                                                            \
        "file request", "IS_FILE_REQUEST", TL_STRING, text, 0, "", TL_BOOLEAN, want                                              \
    }
    static struct call_case cases[] = {
        URL("/style.css", "1"),
        URL("/a/b/LOGO.PNG", "1"),
        URL("/app.js?v=1.2", "1"),
        URL("/app.js#top", "1"),
        URL("https://example.com/a/font.woff2", "1"),
        URL("https://example.com/a/font.woff2?x=/y.html", "1"),
        URL("//cdn.example.com/x.svg", "1"),
        URL("logo.gif", "1"),
        URL("/.css", "1"),
        URL("/a.min.js", "1"),
        URL("/redirect/http://x.js", "1"),
        URL("/", "0"),
        URL("", "0"),
        URL("/page", "0"),
        URL("/page.html", "0"),
        URL("/download.pdf", "0"),
        URL("/style.css/", "0"),
        URL("/style.css/page", "0"),
        URL("/page?file=a.css", "0"),
        URL("/page#a.css", "0"),
        URL("/css", "0"),
        URL("css", "0"),
        URL("/a.cssx", "0"),
        URL("/a.", "0"),
        URL("/a.webmanifestx", "0"),
        URL("/a.webmanifest", "1"),
        URL("https://cdn.js", "0"),
        URL("https://cdn.js?x", "0"),
        URL("//cdn.js", "0"),
        URL("https://cdn.js/", "0"),
        URL("NULL", "NULL"),
    };
    return cr_make_param_array(struct call_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct call_case *c, function, file_requests)
{
    snprintf(c->name, sizeof c->name, "%s", c->a_text);
    check(c, false);
}

/* --- the catalog itself ------------------------------------------------------------------------------------------------ */

Test(function, every_row_is_whole_and_reachable)
{
    for (const struct tl_catalog *c = tl_function_catalog(); c != NULL; c = c->next) {
        for (size_t i = 0; i < c->functions_count; i++) {
            const struct tl_function *f = &c->functions[i];

            cr_assert_not_null(f->signature);
            cr_assert_not_null(f->kernel, "%s", f->signature);
            cr_assert(f->args_min <= f->args_max && f->args_max <= TL_ARGS_MAX - f->of_event, "%s", f->signature);
            cr_assert(f->result >= TL_BOOLEAN && f->result <= TL_INTERVAL, "%s", f->signature);
            cr_assert_eq(find(f->name, f->args, f->args_min, f->result), f, "%s is hidden by an earlier row", f->signature);
        }
    }
}

/* An evaluator has room for what functions keep, even where a views file calls them all. */
Test(function, all_memories_have_room)
{
    const struct tl_memory_kind *kinds[64];
    size_t count = 0;

    for (const struct tl_catalog *c = tl_function_catalog(); c != NULL; c = c->next)
        for (size_t i = 0; i < c->functions_count; i++) {
            const struct tl_memory_kind *kind = c->functions[i].memory;
            size_t k = 0;

            while (k < count && kinds[k] != kind)
                k++;
            if (kind != NULL && k == count)
                kinds[count++] = kind;
        }
    cr_assert(count > 0 && count <= TL_MEMORY_KINDS_MAX, "%zu kinds", count);
}

Test(function, every_kind_compares_with_itself_and_casts_to_itself)
{
    static const char operators[][4] = {"=", "<>", "<", "<=", ">", ">="};

    for (enum tl_kind kind = TL_BOOLEAN; kind <= TL_TIMESTAMP_LTZ; kind++) {
        const enum tl_kind kinds[] = {kind, kind};

        for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
            cr_assert_not_null(find(operators[i], kinds, 2, TL_BOOLEAN), "%s %s", tl_kind_name(kind), operators[i]);
        cr_assert_not_null(find("IS NULL", kinds, 1, TL_BOOLEAN));
        cr_assert_not_null(find("IS NOT NULL", kinds, 1, TL_BOOLEAN));
        cr_assert_not_null(find("CAST", kinds, 1, kind), "%s", tl_kind_name(kind));
        cr_assert_not_null(find("CAST", kinds, 1, TL_STRING), "%s", tl_kind_name(kind));
        cr_assert_not_null(find("CAST", (const enum tl_kind[]){TL_STRING}, 1, kind), "%s", tl_kind_name(kind));
    }
}
