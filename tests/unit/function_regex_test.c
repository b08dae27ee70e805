/* function_regex_test.c: REGEXP, REGEXP_EXTRACT and their like against values that Flink 2.3's classes gave. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "support/sql_case.h"
#include "support/sql_value.h"

ParameterizedTestParameters(function_regex, value)
{
    static struct sql_value cases[] = {
        {"a group",            "REGEXP_EXTRACT(url, '/(.)', 1)",                                                    "'a'"                },
        {"the whole",          "REGEXP_EXTRACT(url, '[a-z]\\?.*')",                                                 "'b?x=1'"            },
        {"no such group",      "REGEXP_EXTRACT(url, '/(.)', 2)",                                                    "NULL"               },
        {"below 0",            "REGEXP_EXTRACT(url, '/(.)', -1)",                                                   "NULL"               },
        {"far beyond",         "REGEXP_EXTRACT(url, '/(.)', 99999999999)",                                          "NULL"               },
        {"no match",           "REGEXP_EXTRACT(url, 'zz')",                                                         "NULL"               },
        {"took no part",       "REGEXP_EXTRACT(url, 'b(z)?', 1)",                                                   "NULL"               },
        {"empty",              "REGEXP_EXTRACT(url, '')",                                                           "''"                 },
        {"of nothing",         "REGEXP_EXTRACT('', 'a*')",                                                          "''"                 },
        {"bad, from a column", "REGEXP_EXTRACT(url, IF(n = 7, '(', ''))",                                           "NULL"               },
        {"NULL in",            "REGEXP_EXTRACT(url, CAST(NULL AS STRING))",                                         "NULL"               },
        {"a small index",      "REGEXP_EXTRACT(url, '/(.)', CAST(1 AS TINYINT))",                                   "'a'"                },
        {"quoted",             "REGEXP_REPLACE(url, '/(.)', '[$1]')",                                               "'[$1][$1]?x=1'"     },
        {"quoted",             "REGEXP_REPLACE(url, '/', '\\$')",                                                   "'\\$a\\$b?x=1'"     },
        {"empty matches",      "REGEXP_REPLACE(url, '', '-')",                                                      "'-/-a-/-b-?-x-=-1-'"},
        {"none",               "REGEXP_REPLACE(url, 'z', '$')",                                                     "'/a/b?x=1'"         },
        {"full, then empty",   "REGEXP_REPLACE(url, 'a*', 'X')",                                                    "'X/XX/XbX?XxX=X1X'" },
        {"whole characters",   "REGEXP_REPLACE('é😀a', '', '-')",                                                "'-é-😀-a-'"      },
        {"away",               "REGEXP_REPLACE(url, '\\?.*', '')",                                                  "'/a/b'"             },
        {"all away",           "REGEXP_REPLACE('aa', 'a', '')",                                                     "''"                 },
        {"empty for empty",    "REGEXP_REPLACE(url, 'z*', '')",                                                     "'/a/b?x=1'"         },
        {"bad",                "REGEXP_REPLACE(url, IF(n = 7, '(', ''), 'x')",                                      "NULL"               },
        {"",                   "REGEXP(url, '/a')",                                                                 "TRUE"               },
        {"",                   "REGEXP(url, '^a')",                                                                 "FALSE"              },
        {"empty is nowhere",   "REGEXP(url, '')",                                                                   "FALSE"              },
        {"bad is nowhere",     "REGEXP(url, IF(n = 7, '(', ''))",                                                   "FALSE"              },
        {"",                   "REGEXP(CAST(NULL AS STRING), 'a')",                                                 "NULL"               },
        {"",                   "REGEXP_COUNT(url, '[a-z]')",                                                        "3"                  },
        {"",                   "REGEXP_COUNT(url, '')",                                                             "9"                  },
        {"",                   "REGEXP_COUNT(url, 'a*')",                                                           "9"                  },
        {"no overlap",         "REGEXP_COUNT('aaa', 'aa')",                                                         "1"                  },
        {"",                   "REGEXP_COUNT(url, IF(n = 7, '(', ''))",                                             "NULL"               },
        {"",                   "REGEXP_SUBSTR(url, '[a-z]+')",                                                      "'a'"                },
        {"",                   "REGEXP_SUBSTR(url, 'zz')",                                                          "NULL"               },
        {"",                   "REGEXP_SUBSTR(url, '')",                                                            "''"                 },
        {"",                   "REGEXP_SUBSTR(url, IF(n = 7, '(', ''))",                                            "NULL"               },
        {"",                   "REGEXP_INSTR(url, '[a-z]')",                                                        "2"                  },
        {"Java counts halves", "REGEXP_INSTR('😀a', '[a-z]')",                                                    "3"                  },
        {"",                   "REGEXP_INSTR(url, 'zz')",                                                           "0"                  },
        {"",                   "REGEXP_INSTR(url, '')",                                                             "1"                  },
        {"",                   "REGEXP_INSTR(url, IF(n = 7, '(', ''))",                                             "NULL"               },
        {"a catastrophe",      "REGEXP('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '(a+)+$')",             "ERROR REGEXP"       },
        {"a catastrophe",      "REGEXP_REPLACE('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '(a+)+$', '')",
         "ERROR REGEXP_REPLACE"                                                                                                          },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_regex, value)
{
    sql_value_check(c);
}

ParameterizedTestParameters(function_regex, mistake)
{
    static struct sql_mistake cases[] = {
        {"a bad expression", EVENTS "CREATE VIEW v AS SELECT REGEXP_EXTRACT(host, 'é(b', 1) AS x FROM t", 2, 25,
         "the regular expression 'é(b' is refused at character 4: a ( is not closed",                                                                  "REGEXP_EXTRACT",
         "REGEXP_EXTRACT(STRING, STRING, BIGINT) -> STRING"                                                                                                                                                           },
        {"arguments",        EVENTS "CREATE VIEW v AS SELECT REGEXP(host, n) AS x FROM t",                 2, 25, "REGEXP does not take (STRING, INT)",
         "REGEXP",                                                                                                                                                        "there is REGEXP(STRING, STRING) -> BOOLEAN"},
    };
    return cr_make_param_array(struct sql_mistake, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_mistake *c, function_regex, mistake)
{
    sql_mistake_check(c);
}
