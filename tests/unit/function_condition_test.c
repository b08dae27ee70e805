/* function_condition_test.c: IF, NULLIF, IFNULL, COALESCE, TRY_CAST: their edges. Values are Flink 2.3's. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "support/sql_value.h"

ParameterizedTestParameters(function_condition, values)
{
    static struct sql_value cases[] = {
        {"a NULL condition",                "IF(CAST(NULL AS BOOLEAN), 1, 2)",                      "2"                      },
        {"the common kind",                 "IF(TRUE, n, d)",                                       "7.0"                    },
        {"the common kind, of integers",    "IF(n < 5, n, big)",                                    "5000000000"             },
        {"only what is asked is evaluated", "IF(n = 0, 1 / (n - 7), 2)",                            "2"                      },
        {"equal",                           "NULLIF(n, 7)",                                         "NULL"                   },
        {"equal across kinds",              "NULLIF(n, 7E0)",                                       "NULL"                   },
        {"the first one's kind stays",      "NULLIF(n, big)",                                       "7"                      },
        {"",                                "NULLIF(big, n)",                                       "5000000000"             },
        {"",                                "NULLIF(d, 1.5)",                                       "NULL"                   },
        {"NULL is equal to nothing",        "NULLIF(n, CAST(NULL AS INT))",                         "7"                      },
        {"",                                "NULLIF(CAST(NULL AS INT), 7)",                         "NULL"                   },
        {"NaN is equal to nothing",         "NULLIF(CAST('NaN' AS DOUBLE), CAST('NaN' AS DOUBLE))", "NaN"                    },
        {"",                                "IFNULL(n, big)",                                       "7"                      },
        {"",                                "IFNULL(n, d)",                                         "7.0"                    },
        {"",                                "IFNULL(NULL, 1)",                                      "1"                      },
        {"",                                "COALESCE(NULL, 1)",                                    "1"                      },
        {"",                                "COALESCE(n, big, d)",                                  "7.0"                    },
        {"",                                "TRY_CAST('7' AS TINYINT)",                             "7"                      },
        {"",                                "TRY_CAST('300' AS TINYINT)",                           "NULL"                   },
        {"",                                "TRY_CAST('40000' AS SMALLINT)",                        "NULL"                   },
        {"",                                "TRY_CAST('7.9' AS INT)",                               "7"                      },
        {"blanks around",                   "TRY_CAST(' 7 ' AS INT)",                               "7"                      },
        {"no other space",                  "TRY_CAST('7\t' AS INT)",                               "NULL"                   },
        {"",                                "TRY_CAST('' AS INT)",                                  "NULL"                   },
        {"only blanks",                     "TRY_CAST('  ' AS INT)",                                "NULL"                   },
        {"",                                "TRY_CAST('-' AS INT)",                                 "NULL"                   },
        {"",                                "TRY_CAST('5.' AS INT)",                                "5"                      },
        {"",                                "TRY_CAST('99999999999' AS INT)",                       "NULL"                   },
        {"",                                "TRY_CAST('9223372036854775808' AS BIGINT)",            "NULL"                   },
        {"",                                "TRY_CAST('x' AS FLOAT)",                               "NULL"                   },
        {"",                                "TRY_CAST('1e400' AS DOUBLE)",                          "Infinity"               },
        {"",                                "TRY_CAST(' 1.5 ' AS DOUBLE)",                          "1.5"                    },
        {"",                                "TRY_CAST('x' AS DOUBLE)",                              "NULL"                   },
        {"",                                "TRY_CAST('maybe' AS BOOLEAN)",                         "NULL"                   },
        {"",                                "TRY_CAST('yes' AS BOOLEAN)",                           "TRUE"                   },
        {"",                                "TRY_CAST(' true' AS BOOLEAN)",                         "NULL"                   },
        {"a day is cut to the month",       "TRY_CAST('2024-02-30' AS TIMESTAMP(3))",               "2024-02-29 00:00:00.000"},
        {"",                                "TRY_CAST('2024-13-03 10:00:00' AS TIMESTAMP(3))",      "NULL"                   },
        {"",                                "TRY_CAST(' 2024-02-03 10:00:00 ' AS TIMESTAMP(3))",    "NULL"                   },
        {"",                                "TRY_CAST('nonsense' AS TIMESTAMP_LTZ(3))",             "NULL"                   },
        {"",                                "TRY_CAST('2024-02-03 10:00:00' AS TIMESTAMP_LTZ(3))",  "2024-02-03 10:00:00.000"},
        {"what cannot fail is CAST",        "TRY_CAST(big AS INT)",                                 "705032704"              },
        {"",                                "TRY_CAST(d AS INT)",                                   "1"                      },
        {"",                                "TRY_CAST(n AS STRING)",                                "'7'"                    },
        {"",                                "TRY_CAST(ok AS INT)",                                  "1"                      },
        {"over a column",                   "TRY_CAST(host AS INT)",                                "NULL"                   },
        {"over a column",                   "TRY_CAST(url AS TIMESTAMP(3))",                        "NULL"                   },
        {"over a column",                   "TRY_CAST(ip AS DOUBLE)",                               "NULL"                   },
        {"",                                "TRY_CAST(CAST(NULL AS STRING) AS INT)",                "NULL"                   },
        {"what stands inside fails on",     "TRY_CAST(CAST(host AS INT) AS STRING)",                "ERROR CAST"             },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_condition, values)
{
    sql_value_check(c);
}
