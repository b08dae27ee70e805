/* function_part_test.c: parts of a text, and what is said about one: SUBSTRING, TRIM, SPLIT_INDEX, LOCATE. Values are Flink 2.3's. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "support/sql_case.h"
#include "support/sql_value.h"

ParameterizedTestParameters(function_part, values)
{
    static struct sql_value cases[] = {
        {"",                                      "SUBSTRING(host, 2)",                         "'ww.example.com'" },
        {"",                                      "SUBSTRING(host, 2, 3)",                      "'ww.'"            },
        {"0 is the beginning",                    "SUBSTRING(host, 0, 3)",                      "'www'"            },
        {"from the end",                          "SUBSTRING(host, -3)",                        "'com'"            },
        {"from the end, some",                    "SUBSTRING(host, -3, 2)",                     "'co'"             },
        {"from the first, counted from the end",  "SUBSTRING(host, -15, 5)",                    "'www.e'"          },
        {"before the beginning there is nothing", "SUBSTRING(host, -16, 5)",                    "''"               },
        {"behind the end",                        "SUBSTRING(host, 99)",                        "''"               },
        {"the smallest number",                   "SUBSTRING(host, -2147483648, 2147483647)",   "''"               },
        {"a negative count",                      "SUBSTRING(host, 2, -1)",                     "NULL"             },
        {"a negative count, of nothing",          "SUBSTRING('', 2, -1)",                       "NULL"             },
        {"no count",                              "SUBSTRING(host, 2, 0)",                      "''"               },
        {"too many",                              "SUBSTRING(host, 2, 2147483647)",             "'ww.example.com'" },
        {"of nothing",                            "SUBSTRING('', -1)",                          "''"               },
        {"NULL in",                               "SUBSTRING(host, CAST(NULL AS INT))",         "NULL"             },
        {"words",                                 "SUBSTRING(host FROM 2)",                     "'ww.example.com'" },
        {"all words",                             "SUBSTRING('héllo😀x' FROM 2 FOR 1)",      "'é'"             },
        {"a pair is one",                         "SUBSTR('a😀bc', 2, 1)",                    "'😀'"           },
        {"behind a pair",                         "SUBSTRING('a😀bc', 3, 1)",                 "'b'"              },
        {"",                                      "LEFT(host, 3)",                              "'www'"            },
        {"",                                      "LEFT(host, -1)",                             "''"               },
        {"",                                      "LEFT(host, 99)",                             "'www.example.com'"},
        {"",                                      "LEFT('a😀bc', 2)",                         "'a😀'"          },
        {"",                                      "RIGHT(host, 3)",                             "'com'"            },
        {"",                                      "RIGHT(host, 0)",                             "''"               },
        {"",                                      "RIGHT(host, -1)",                            "''"               },
        {"",                                      "RIGHT(host, 99)",                            "'www.example.com'"},
        {"",                                      "RIGHT(host, 15)",                            "'www.example.com'"},
        {"",                                      "RIGHT('a😀bc', 3)",                        "'😀bc'"         },
        {"",                                      "TRIM('  a b  ')",                            "'a b'"            },
        {"only blanks",                           "TRIM('   ')",                                "''"               },
        {"a tab stays",                           "TRIM('\t a\t')",                             "'\t a\t'"         },
        {"",                                      "TRIM(BOTH FROM '  a  ')",                    "'a'"              },
        {"",                                      "TRIM(LEADING FROM '  a  ')",                 "'a  '"            },
        {"",                                      "TRIM(TRAILING FROM '  a  ')",                "'  a'"            },
        {"",                                      "TRIM('x' FROM 'xxaxx')",                     "'a'"              },
        {"each of the characters",                "TRIM(BOTH 'xy' FROM 'xyaxyyx')",             "'a'"              },
        {"",                                      "TRIM(LEADING 'xy' FROM 'xyyxaxyyx')",        "'axyyx'"          },
        {"",                                      "TRIM(TRAILING 'x' FROM 'xxaxx')",            "'xxa'"            },
        {"no characters",                         "TRIM(BOTH '' FROM 'xax')",                   "'xax'"            },
        {"",                                      "TRIM(BOTH '😀é' FROM 'é😀aé')",       "'a'"              },
        {"no part of a character",                "TRIM(BOTH 'é' FROM 'èaè')",               "'èaè'"          },
        {"NULL characters",                       "TRIM(BOTH CAST(NULL AS STRING) FROM 'xax')", "NULL"             },
        {"",                                      "LTRIM('xyxa', 'xy')",                        "'a'"              },
        {"",                                      "LTRIM('  a  ')",                             "'a  '"            },
        {"",                                      "RTRIM('axyx', 'yx')",                        "'a'"              },
        {"",                                      "RTRIM('  a  ')",                             "'  a'"            },
        {"",                                      "BTRIM('xyaxy', 'yx')",                       "'a'"              },
        {"characters without end",                "LTRIM(host, REPEAT('x', 1025))",             "ERROR LTRIM"      },
        {"",                                      "SPLIT_INDEX('a,b,,c', ',', 2)",              "''"               },
        {"",                                      "SPLIT_INDEX('a,b,,c', ',', 3)",              "'c'"              },
        {"",                                      "SPLIT_INDEX('a,b,,c', ',', 4)",              "NULL"             },
        {"",                                      "SPLIT_INDEX('a,b,,c', ',', -1)",             "NULL"             },
        {"nothing has no part",                   "SPLIT_INDEX('', ',', 0)",                    "NULL"             },
        {"the separator alone",                   "SPLIT_INDEX(',', ',', 1)",                   "''"               },
        {"no separator in it",                    "SPLIT_INDEX('abc', ',', 0)",                 "'abc'"            },
        {"a long separator",                      "SPLIT_INDEX('a:::b', '::', 1)",              "':b'"             },
        {"white space",                           "SPLIT_INDEX('a b  c', '', 2)",               "''"               },
        {"wide white space",                      "SPLIT_INDEX('a　b', '', 1)",                "'b'"              },
        {"space that must not break",
         "SPLIT_INDEX('a\xC2\xA0"
         "b', '', 1)",                                                                          "NULL"             },
        {"by number",                             "SPLIT_INDEX('a,b', 44, 1)",                  "'b'"              },
        {"by number of Latin-1",                  "SPLIT_INDEX('aéb', 233, 1)",                "'b'"              },
        {"no such number",                        "SPLIT_INDEX('a,b', 256, 0)",                 "NULL"             },
        {"nor 0",                                 "SPLIT_INDEX('a,b', 0, 0)",                   "NULL"             },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_part, values)
{
    sql_value_check(c);
}

ParameterizedTestParameters(function_part, finds)
{
    static struct sql_value cases[] = {
        {"",                                "POSITION('b' IN 'abcb')",                                   "2"          },
        {"",                                "POSITION('x' IN 'abc')",                                    "0"          },
        {"nothing stands at the beginning", "POSITION('' IN 'abc')",                                     "1"          },
        {"",                                "POSITION('' IN '')",                                        "1"          },
        {"",                                "POSITION('b' IN '')",                                       "0"          },
        {"a pair is one",                   "POSITION('b' IN '😀b')",                                  "2"          },
        {"the text is a sum",               "POSITION('x' IN host || CAST(n AS STRING) || 'x')",         "6"          },
        {"",                                "LOCATE('b', 'abcb')",                                       "2"          },
        {"",                                "LOCATE('b', 'abcb', 3)",                                    "4"          },
        {"",                                "LOCATE('b', 'abcb', 0)",                                    "2"          },
        {"",                                "LOCATE('b', 'abcb', -1)",                                   "2"          },
        {"",                                "LOCATE('b', 'abcb', 5)",                                    "0"          },
        {"",                                "LOCATE('b', 'abcb', 99)",                                   "0"          },
        {"",                                "LOCATE('b', '😀b', 2)",                                   "2"          },
        {"nothing, wherever it begins",     "LOCATE('', 'abc', 9)",                                      "1"          },
        {"",                                "INSTR('abcb', 'b')",                                        "2"          },
        {"",                                "INSTR('abcb', 'b', 3)",                                     "4"          },
        {"",                                "INSTR('abcb', 'b', 1, 2)",                                  "4"          },
        {"",                                "INSTR('abcb', 'b', 1, 3)",                                  "0"          },
        {"",                                "INSTR('abcb', 'b', 0)",                                     "0"          },
        {"from the end",                    "INSTR('abcb', 'b', -1)",                                    "4"          },
        {"from the end, the second",        "INSTR('abcb', 'b', -1, 2)",                                 "2"          },
        {"overlapping",                     "INSTR('aaaa', 'aa', 1, 2)",                                 "2"          },
        {"overlapping from the end",        "INSTR('aaaa', 'aa', -1, 2)",                                "2"          },
        {"",                                "INSTR('aaaa', 'aa', -1, 1)",                                "3"          },
        {"from the end behind a pair",      "INSTR('é😀b😀', '😀', -2)",                          "2"          },
        {"overlapping by some",             "INSTR('abacabacaba', 'aba', 2, 2)",                         "9"          },
        {"",                                "INSTR('aabaabaab', 'aabaab', 1, 2)",                        "4"          },
        {"pairs that overlap",              "INSTR('é😀é😀é', 'é😀é', 1, 2)",                 "3"          },
        {"one pass over a long text",       "INSTR(REPEAT('a', 1000000), 'a', -1, 900000)",              "100001"     },
        {"and for a long one in it",        "INSTR(REPEAT('a', 1000000), REPEAT('a', 9999), 1, 900000)", "900000"     },
        {"nothing from the end",            "INSTR('abcb', '', -1)",                                     "5"          },
        {"nothing",                         "INSTR('abcb', '', 2)",                                      "1"          },
        {"nothing, a billion times",        "INSTR('abcb', '', 1, 2147483647)",                          "1"          },
        {"the smallest number",             "INSTR('abcb', 'b', -2147483648)",                           "0"          },
        {"no appearance",                   "INSTR('abcb', 'b', 1, 0)",                                  "ERROR INSTR"},
        {"",                                "CHAR_LENGTH('héllo')",                                     "5"          },
        {"",                                "CHAR_LENGTH('😀')",                                       "1"          },
        {"",                                "CHARACTER_LENGTH('')",                                      "0"          },
        {"",                                "CHAR_LENGTH(CAST(NULL AS STRING))",                         "NULL"       },
        {"",                                "STARTSWITH('abc', 'ab')",                                   "TRUE"       },
        {"",                                "STARTSWITH('abc', '')",                                     "TRUE"       },
        {"",                                "STARTSWITH('ab', 'abc')",                                   "FALSE"      },
        {"",                                "STARTSWITH('abc', CAST(NULL AS STRING))",                   "NULL"       },
        {"",                                "ENDSWITH('abc', 'bc')",                                     "TRUE"       },
        {"",                                "ENDSWITH('abc', 'ab')",                                     "FALSE"      },
        {"",                                "ENDSWITH('abc', '')",                                       "TRUE"       },
        {"",                                "ASCII('abc')",                                              "97"         },
        {"",                                "ASCII('')",                                                 "0"          },
        {"the first byte has a sign",       "ASCII('é')",                                               "-61"        },
        {"",                                "ASCII('😀')",                                             "-16"        },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_part, finds)
{
    sql_value_check(c);
}

/* --- calls that do not fit ------------------------------------------------------------------------------------------------ */

#define CALL(call) EVENTS "CREATE VIEW v AS SELECT " call " AS x FROM t"

ParameterizedTestParameters(function_part, mistakes)
{
    static struct sql_mistake cases[] = {
        {"a number is no text",   CALL("SUBSTRING(n, 2)"),             2, 25, "SUBSTRING does not take (INT, INT)",          "SUBSTRING",
         "there is SUBSTRING(STRING, from INT[, count INT]) -> STRING, SUBSTRING(STRING FROM INT [FOR INT]) -> STRING"                                                            },
        {"a place is no BIGINT",  CALL("LEFT(host, big)"),             2, 25, "LEFT does not take (STRING, BIGINT)",         "LEFT",
         "there is LEFT(STRING, INT) -> STRING"                                                                                                                                   },
        {"too few",               CALL("LPAD(host, 4)"),               2, 25, "LPAD does not take (STRING, INT)",            "LPAD",
         "there is LPAD(STRING, length INT, by STRING) -> STRING"                                                                                                                 },
        {"too many",              CALL("PI(1)"),                       2, 25, "PI does not take (INT)",                      "PI",        "there is PI() -> DOUBLE"               },
        {"none",                  CALL("CONCAT()"),                    2, 25, "CONCAT does not take ()",                     "CONCAT",    "there is CONCAT(STRING, ...) -> STRING"},
        {"no side",               CALL("TRIM(id FROM host FOR host)"), 2, 25, "TRIM takes BOTH, LEADING or TRAILING",        "TRIM",
         "TRIM({BOTH | LEADING | TRAILING} [STRING] FROM STRING) -> STRING"                                                                                                       },
        {"no such digest",        CALL("SHA2(host, 100)"),             2, 25, "SHA2 has 224, 256, 384 or 512 bits, not 100", "SHA2",
         "SHA2(STRING, bits BIGINT) -> STRING"                                                                                                                                    },
        {"digits of a DOUBLE",    CALL("HEX(d)"),                      2, 25, "HEX does not take (DOUBLE)",                  "HEX",
         "there is HEX(BIGINT) -> STRING, HEX(STRING) -> STRING"                                                                                                                  },
        {"no remainder of reals", CALL("MOD(d, 2)"),                   2, 25, "MOD does not take (DOUBLE, INT)",             "MOD",
         "there is MOD(BIGINT, TINYINT) -> TINYINT, MOD(BIGINT, SMALLINT) -> SMALLINT, MOD(BIGINT, INT) -> INT, MOD(BIGINT, "
         "BIGINT) -> BIGINT"                                                                                                                                                      },
    };
    return cr_make_param_array(struct sql_mistake, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_mistake *c, function_part, mistakes)
{
    sql_mistake_check(c);
}
