/* function_round_test.c: numbers: ROUND, MOD, powers and angles, GREATEST, digits. Values are Flink 2.3's. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "support/sql_value.h"

ParameterizedTestParameters(function_round, values)
{
    static struct sql_value cases[] = {
        {"",                          "ROUND(d)",                                        "2.0"                 },
        {"",                          "ROUND(-2.5)",                                     "-3.0"                },
        {"the decimal, not its bits", "ROUND(1.005, 2)",                                 "1.01"                },
        {"",                          "ROUND(2.675, 2)",                                 "2.68"                },
        {"",                          "ROUND(9.995, 2)",                                 "10.0"                },
        {"nines all the way",         "ROUND(0.9999, 2)",                                "1.0"                 },
        {"",                          "ROUND(0.0006, 3)",                                "0.001"               },
        {"",                          "ROUND(0.0004, 3)",                                "0.0"                 },
        {"no negative zero",          "ROUND(-0.4)",                                     "0.0"                 },
        {"a float",                   "ROUND(CAST(123.456 AS FLOAT), 1)",                "123.5"               },
        {"a float is widened first",  "ROUND(CAST(0.35 AS FLOAT), 1)",                   "0.3"                 },
        {"",                          "ROUND(CAST(0.15 AS FLOAT), 1)",                   "0.2"                 },
        {"",                          "ROUND(d, 400)",                                   "1.5"                 },
        {"",                          "ROUND(d, -400)",                                  "0.0"                 },
        {"",                          "ROUND(d, -2147483648)",                           "0.0"                 },
        {"",                          "ROUND(1E300, 2)",                                 "1.0E300"             },
        {"up to infinity",            "ROUND(1.7976931348623157E308, -308)",             "Infinity"            },
        {"",                          "ROUND(1E-300, 299)",                              "0.0"                 },
        {"",                          "ROUND(CAST('NaN' AS DOUBLE))",                    "ERROR ROUND"         },
        {"",                          "ROUND(CAST('-Infinity' AS DOUBLE), 1)",           "ERROR ROUND"         },
        {"",                          "ROUND(d, CAST(NULL AS INT))",                     "NULL"                },
        {"",                          "ROUND(1234, -2)",                                 "1200"                },
        {"",                          "ROUND(-1250, -2)",                                "-1300"               },
        {"",                          "ROUND(big, -9)",                                  "5000000000"          },
        {"",                          "ROUND(big, -10)",                                 "10000000000"         },
        {"wraps",                     "ROUND(CAST(127 AS TINYINT), -1)",                 "-126"                },
        {"",                          "ROUND(2147483647, -1)",                           "-2147483646"         },
        {"",                          "ROUND(9223372036854775807, -1)",                  "-9223372036854775806"},
        {"",                          "ROUND(9223372036854775807, -19)",                 "-8446744073709551616"},
        {"",                          "ROUND(7, -20)",                                   "0"                   },
        {"",                          "ROUND(n, 2)",                                     "7"                   },
        {"",                          "TRUNCATE(d)",                                     "1.0"                 },
        {"",                          "TRUNCATE(-42.345, 2)",                            "-42.34"              },
        {"",                          "TRUNCATE(1.15, 2)",                               "1.15"                },
        {"",                          "TRUNCATE(-0.5)",                                  "0.0"                 },
        {"",                          "TRUNCATE(CAST(42.345 AS FLOAT), 2)",              "42.34"               },
        {"",                          "TRUNCATE(CAST(0.7 AS FLOAT), 1)",                 "0.6"                 },
        {"",                          "TRUNCATE(-1299, -2)",                             "-1200"               },
        {"",                          "TRUNCATE(CAST('NaN' AS DOUBLE))",                 "ERROR TRUNCATE"      },
        {"",                          "FLOOR(-1.5)",                                     "-2.0"                },
        {"",                          "FLOOR(n)",                                        "7"                   },
        {"",                          "CEIL(d)",                                         "2.0"                 },
        {"",                          "CEILING(CAST(-1.5 AS FLOAT))",                    "-1.0"                },
        {"",                          "CEIL(big)",                                       "5000000000"          },
        {"",                          "SIGN(n)",                                         "1"                   },
        {"",                          "SIGN(-2.5)",                                      "-1.0"                },
        {"",                          "SIGN(-5000000000)",                               "-1"                  },
        {"",                          "SIGN(0.0)",                                       "0.0"                 },
        {"",                          "SIGN(CAST('NaN' AS DOUBLE))",                     "NaN"                 },
        {"",                          "MOD(-7, 3)",                                      "-1"                  },
        {"",                          "MOD(7, -3)",                                      "1"                   },
        {"",                          "MOD(big, 3)",                                     "2"                   },
        {"",                          "MOD(7, big)",                                     "7"                   },
        {"",                          "MOD(7, 0)",                                       "ERROR MOD"           },
        {"",                          "MOD(CAST('-9223372036854775808' AS BIGINT), -1)", "0"                   },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_round, values)
{
    sql_value_check(c);
}

ParameterizedTestParameters(function_round, reals)
{
    static struct sql_value cases[] = {
        {"",                                  "POWER(2, 10)",                          "1024.0"            },
        {"",                                  "POWER(big, 3)",                         "1.25E29"           },
        {"",                                  "POWER(0, 0)",                           "1.0"               },
        {"",                                  "POWER(-8, 1E0 / 3)",                    "NaN"               },
        {"Java's, not C's",                   "POWER(1, CAST('NaN' AS DOUBLE))",       "NaN"               },
        {"Java's, not C's",                   "POWER(-1, CAST('Infinity' AS DOUBLE))", "NaN"               },
        {"",                                  "SQRT(2)",                               "1.4142135623730951"},
        {"",                                  "SQRT(-1)",                              "NaN"               },
        {"",                                  "EXP(1)",                                "2.718281828459045" },
        {"",                                  "EXP(1000)",                             "Infinity"          },
        {"",                                  "LN(10)",                                "2.302585092994046" },
        {"",                                  "LN(0)",                                 "-Infinity"         },
        {"",                                  "LN(-1)",                                "NaN"               },
        {"",                                  "LOG(10)",                               "2.302585092994046" },
        {"",                                  "LOG(2, 8)",                             "3.0"               },
        {"the quotient of two logarithms",    "LOG(10, 1000)",                         "2.9999999999999996"},
        {"",                                  "LOG(1, 5)",                             "Infinity"          },
        {"",                                  "LOG2(10)",                              "3.3219280948873626"},
        {"",                                  "LOG10(1000)",                           "3.0"               },
        {"",                                  "SIN(1)",                                "0.8414709848078965"},
        {"",                                  "COS(1)",                                "0.5403023058681398"},
        {"",                                  "TAN(1)",                                "1.5574077246549023"},
        {"",                                  "COT(1)",                                "0.6420926159343306"},
        {"",                                  "COT(0)",                                "Infinity"          },
        {"",                                  "ASIN(1)",                               "1.5707963267948966"},
        {"",                                  "ASIN(2)",                               "NaN"               },
        {"",                                  "ACOS(0.5)",                             "1.0471975511965979"},
        {"",                                  "ATAN(1)",                               "0.7853981633974483"},
        {"",                                  "ATAN2(1, 2)",                           "0.4636476090008061"},
        {"",                                  "ATAN2(0, -1)",                          "3.141592653589793" },
        {"",                                  "SINH(1)",                               "1.1752011936438014"},
        {"Java is one off in the last digit", "COSH(1)",                               "1.5430806348152437"},
        {"",                                  "TANH(1)",                               "0.7615941559557649"},
        {"",                                  "DEGREES(1)",                            "57.29577951308232" },
        {"",                                  "DEGREES(PI())",                         "180.0"             },
        {"",                                  "RADIANS(180)",                          "3.141592653589793" },
        {"",                                  "PI()",                                  "3.141592653589793" },
        {"",                                  "E()",                                   "2.718281828459045" },
        {"",                                  "SQRT(CAST(NULL AS DOUBLE))",            "NULL"              },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_round, reals)
{
    sql_value_check(c);
}

ParameterizedTestParameters(function_round, others)
{
    static struct sql_value cases[] = {
        {"",                 "GREATEST(1, 2, 3)",                             "3"                                                                 },
        {"the common kind",  "GREATEST(n, big, d)",                           "5.0E9"                                                             },
        {"",                 "GREATEST(big, CAST(1.5 AS FLOAT))",             "5.0E9"                                                             },
        {"",                 "GREATEST(n, CAST(NULL AS INT))",                "NULL"                                                              },
        {"",                 "GREATEST('a', host)",                           "'www.example.com'"                                                 },
        {"",                 "GREATEST(at, TIMESTAMP '2024-03-01 10:00:00')", "2024-03-01 10:00:00.123"                                           },
        {"",                 "LEAST(ts, ts)",                                 "2024-03-01 10:00:00.123"                                           },
        {"",                 "GREATEST(TRUE, FALSE)",                         "TRUE"                                                              },
        {"",                 "GREATEST(n)",                                   "7"                                                                 },
        {"NaN is above all", "GREATEST(d, CAST('NaN' AS DOUBLE))",            "NaN"                                                               },
        {"NaN is above all", "LEAST(CAST('NaN' AS DOUBLE), d)",               "1.5"                                                               },
        {"",                 "LEAST(n, big)",                                 "7"                                                                 },
        {"",                 "LEAST('a', 'B', '')",                           "''"                                                                },
        {"by bytes",         "LEAST('～', '😀')",                          "'～'"                                                             },
        {"",                 "BIN(4)",                                        "'100'"                                                             },
        {"",                 "BIN(0)",                                        "'0'"                                                               },
        {"",                 "BIN(CAST(-1 AS TINYINT))",                      "'1111111111111111111111111111111111111111111111111111111111111111'"},
        {"",                 "BIN(big)",                                      "'100101010000001011111001000000000'"                               },
        {"",                 "HEX(255)",                                      "'FF'"                                                              },
        {"",                 "HEX(-1)",                                       "'FFFFFFFFFFFFFFFF'"                                                },
        {"",                 "HEX(big)",                                      "'12A05F200'"                                                       },
        {"",                 "HEX('é')",                                     "'C3A9'"                                                            },
        {"",                 "HEX('')",                                       "''"                                                                },
        {"",                 "IS_DIGIT('123')",                               "TRUE"                                                              },
        {"",                 "IS_DIGIT('')",                                  "FALSE"                                                             },
        {"",                 "IS_DIGIT('1.2')",                               "FALSE"                                                             },
        {"never NULL",       "IS_DIGIT(CAST(NULL AS STRING))",                "FALSE"                                                             },
        {"",                 "IS_DECIMAL('1e5')",                             "TRUE"                                                              },
        {"",                 "IS_DECIMAL(' 1 ')",                             "TRUE"                                                              },
        {"",                 "IS_DECIMAL('1f')",                              "TRUE"                                                              },
        {"",                 "IS_DECIMAL('NaN')",                             "TRUE"                                                              },
        {"",                 "IS_DECIMAL('')",                                "FALSE"                                                             },
        {"never NULL",       "IS_DECIMAL(CAST(NULL AS STRING))",              "FALSE"                                                             },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_round, others)
{
    sql_value_check(c);
}
