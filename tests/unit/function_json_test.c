/* function_json_test.c: JSON_VALUE against values that Flink 2.3's SqlJsonUtils gave. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_path.h"
#include "support/sql_case.h"
#include "support/sql_value.h"

ParameterizedTestParameters(json, value)
{
    static struct sql_value cases[] = {
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'lax $.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                      "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":null}', 'lax $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                       "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', 'lax $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                        "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":{}}', 'lax $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                         "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":', 'lax $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'e'"                      },
        {"",                              "JSON_VALUE('', 'lax $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                   "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', 'lax $.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                        "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', 'lax $.a[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                       "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', 'lax $.a[5]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":null}', 'lax $.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":[{\"b\":1}]}', 'lax $.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",              "'e'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, 'lax $[', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",            "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, '$[', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, 'lax', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",               "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, 'lax ', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",              "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, 'strict', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",            "'r'"                      },
        {"",                              "JSON_VALUE('null', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                     "'r'"                      },
        {"",                              "JSON_VALUE('{}', 'lax $' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                   "'e'"                      },
        {"",                              "JSON_VALUE('5x', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                       "'r'"                      },
        {"",                              "JSON_VALUE('5 x', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                      "'5'"                      },
        {"",                              "JSON_VALUE('5,', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                       "'r'"                      },
        {"",                              "JSON_VALUE('truex', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'r'"                      },
        {"",                              "JSON_VALUE('true x', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                   "'true'"                   },
        {"",                              "JSON_VALUE('true,', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'true'"                   },
        {"",                              "JSON_VALUE('\"x\"y', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                   "'x'"                      },
        {"",                              "JSON_VALUE('5/', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                       "'r'"                      },
        {"",                              "JSON_VALUE('-', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                        "'r'"                      },
        {"",                              "JSON_VALUE('--1', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                      "'r'"                      },
        {"",                              "JSON_VALUE('-01', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                      "'r'"                      },
        {"",                              "JSON_VALUE('1e', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                       "'r'"                      },
        {"",                              "JSON_VALUE('1e+', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                      "'r'"                      },
        {"",                              "JSON_VALUE('nul', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                      "'r'"                      },
        {"",                              "JSON_VALUE('null1', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'r'"                      },
        {"",                              "JSON_VALUE('﻿5', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                     "'r'"                      },
        {"",                              "JSON_VALUE('[1,]', '$[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                  "'r'"                      },
        {"",                              "JSON_VALUE('[,1]', '$[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                  "'r'"                      },
        {"",                              "JSON_VALUE('[1 2]', '$[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                 "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                               "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1]', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                              "'r'"                      },
        {"",                              "JSON_VALUE('[1}', '$[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                   "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\"}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                               "'r'"                      },
        {"",                              "JSON_VALUE('{,}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1,,\"b\":2}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                             "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\011y\"}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\001y\"}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"\\u12\"}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                      "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"\\u12G4\"}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                    "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"\\''\"}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                       "'r'"                      },
        {"",                              "JSON_VALUE('\0135', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'r'"                      },
        {"",                              "JSON_VALUE('\0145', '$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}#', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                             "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, '$[''a', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",             "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, '$[''a''] [''b'']', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",  "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$[''a'' ]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                        "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, '$[a]', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",              "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$['''']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'r'"                      },
        {"",                              "JSON_VALUE('{\"\":1}', '$['''']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                           "'1'"                      },
        {"",                              "JSON_VALUE('{\"\":1}', IF(n = 7, '$.', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                 "'r'"                      },
        {"",                              "JSON_VALUE('{\"a.b\":1}', '$[''a.b'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'1'"                      },
        {"",                              "JSON_VALUE('{\"a]b\":1}', '$[''a]b'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\\\"b\":1}', '$[''a\"b'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                 "'1'"                      },
        {"",                              "JSON_VALUE('{\"a''b\":1}', '$[''a\\''b'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                 "'1'"                      },
        {"",                              "JSON_VALUE('{\"a,b\":1}', '$[''a,b'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'1'"                      },
        {"",                              "JSON_VALUE('{\"*\":1}', '$[''*'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                         "'1'"                      },
        {"",                              "JSON_VALUE('{\"a*\":1}', '$.a*' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', IF(n = 7, '$.a[+0]', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",         "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', IF(n = 7, '$.a[0.5]', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",        "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', '$.a[-0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                        "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', IF(n = 7, '$.a[--1]', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",        "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', IF(n = 7, '$.a[1-]', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",         "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', '$.a[2147483647]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', IF(n = 7, '$.a[2147483648]', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)", "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', '$.a[-2147483648]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",               "'r'"                      },
        {"",                              "JSON_VALUE('{\"0\":1}', '$[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                             "'r'"                      },
        {"",                              "JSON_VALUE('{\"0\":1}', '$.0' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                              "'1'"                      },
        {"",                              "JSON_VALUE('{\"0\":1}', '$[''0'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                         "'1'"                      },
        {"",                              "JSON_VALUE('[1]', '$.0' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$.[''a'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                        "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":2}}', '$.a[''b'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",               "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":2}}', '$[''a''].b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",               "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":2}}', 'a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                      "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":2}}', '[''a''][''b'']' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",           "'2'"                      },
        {"",                              "JSON_VALUE('[3]', '[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                    "'3'"                      },
        {"",                              "JSON_VALUE('{\"$\":1}', '$.$' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                              "'1'"                      },
        {"",                              "JSON_VALUE('{\"x$y\":1}', '$.x$y' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, '\011$.a', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",           "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', 'Lax $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', IF(n = 7, 'foo $.a', '') DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",           "'r'"                      },
        {"",                              "JSON_VALUE('{\"lax\":1}', 'lax' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$. a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'r'"                      },
        {"",                              "JSON_VALUE('{\" a\":1}', '$. a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\011b\":1}', '$.a\011b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                    "'r'"                      },
        {"",                              "JSON_VALUE('{\"a-b_c\":1}', '$.a-b_c' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                      "'1'"                      },
        {"",                              "JSON_VALUE('{\"a=b\":1}', '$.a=b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'1'"                      },
        {"",                              "JSON_VALUE('{\"a,b\":1}', '$.a,b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'1'"                      },
        {"",                              "JSON_VALUE('{\"a]\":1}', '$.a]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'1'"                      },
        {"",                              "JSON_VALUE('{\"a)\":1}', '$.a)' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'1'"                      },
        {"",                              "JSON_VALUE('{\"a?b\":1}', '$.a?b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'1'"                      },
        {"",                              "JSON_VALUE('{\"a''\":1}', '$.a''' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'1'"                      },
        {"",                              "JSON_VALUE('{\"a''\":1}', '$.''a''' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                        "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$.\"a\"' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'r'"                      },
        {"",                              "JSON_VALUE('{\"\\\"a\\\"\":1}', '$.\"a\"' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                  "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":1},\"a\":3}', '$.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",            "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":3,\"a\":{\"b\":1}}', '$.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",            "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":1,\"b\":{\"c\":1}}}', '$.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",    "'r'"                      },
        {"",                              "JSON_VALUE('{\"A\":1}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                              "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$.a')",                                                                        "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1.50}', '$.a')",                                                                     "'1.50'"                   },
        {"",                              "JSON_VALUE('{\"a\":1e3}', '$.a')",                                                                      "'1E+3'"                   },
        {"",                              "JSON_VALUE('{\"a\":1E-3}', '$.a')",                                                                     "'0.001'"                  },
        {"",                              "JSON_VALUE('{\"a\":1.0e400}', '$.a')",                                                                  "'1.0E+400'"               },
        {"",                              "JSON_VALUE('{\"a\":1e400}', '$.a')",                                                                    "'1E+400'"                 },
        {"",                              "JSON_VALUE('{\"a\":-0}', '$.a')",                                                                       "'0'"                      },
        {"",                              "JSON_VALUE('{\"a\":-0.0}', '$.a')",                                                                     "'0.0'"                    },
        {"",                              "JSON_VALUE('{\"a\":0e5}', '$.a')",                                                                      "'0E+5'"                   },
        {"",                              "JSON_VALUE('{\"a\":0.0000001}', '$.a')",                                                                "'1E-7'"                   },
        {"",                              "JSON_VALUE('{\"a\":0.00000012}', '$.a')",                                                               "'1.2E-7'"                 },
        {"",                              "JSON_VALUE('{\"a\":123e-10}', '$.a')",                                                                  "'1.23E-8'"                },
        {"",                              "JSON_VALUE('{\"a\":12345678901234567890123}', '$.a')",                                                  "'12345678901234567890123'"},
        {"",                              "JSON_VALUE('{\"a\":123e5}', '$.a')",                                                                    "'1.23E+7'"                },
        {"",                              "JSON_VALUE('{\"a\":1.5e1}', '$.a')",                                                                    "'15'"                     },
        {"",                              "JSON_VALUE('{\"a\":1e0}', '$.a')",                                                                      "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1e99999999999}', '$.a')",                                                            "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":1e2147483647}', '$.a')",                                                             "'1E+2147483647'"          },
        {"",                              "JSON_VALUE('{\"a\":1e-2147483648}', '$.a')",                                                            "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":100.00e-2}', '$.a')",                                                                "'1.0000'"                 },
        {"",                              "JSON_VALUE('{\"a\":01}', '$.a')",                                                                       "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":+1}', '$.a')",                                                                       "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":.5}', '$.a')",                                                                       "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":1.}', '$.a')",                                                                       "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":NaN}', '$.a')",                                                                      "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":true}', '$.a')",                                                                     "'true'"                   },
        {"",                              "JSON_VALUE('{\"a\":null}', '$.a')",                                                                     "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"\"}', '$.a')",                                                                     "''"                       },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$[\"a\"]')",                                                               "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$[''a'']')",                                                               "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$.\"a\"')",                                                                "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'a')",                                                                      "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', IF(n = 7, '$a', ''))",                                                      "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$')",                                                                      "NULL"                     },
        {"",                              "JSON_VALUE('\"x\"', '$')",                                                                              "'x'"                      },
        {"",                              "JSON_VALUE('5', '$')",                                                                                  "'5'"                      },
        {"",                              "JSON_VALUE(' 5 ', '$')",                                                                                "'5'"                      },
        {"",                              "JSON_VALUE('true', '$')",                                                                               "'true'"                   },
        {"",                              "JSON_VALUE('null', '$')",                                                                               "NULL"                     },
        {"",                              "JSON_VALUE('', '$')",                                                                                   "NULL"                     },
        {"",                              "JSON_VALUE(' ', '$')",                                                                                  "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', IF(n = 7, '', ''))",                                                        "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', IF(n = 7, ' ', ''))",                                                       "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'lax $.a')",                                                                "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'strict $.a')",                                                             "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'LAX $.a')",                                                                "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', ' lax $.a')",                                                               "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'lax  $.a ')",                                                              "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', IF(n = 7, 'lax$.a', ''))",                                                  "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'strict $.b')",                                                             "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'strict $.b' NULL ON EMPTY ERROR ON ERROR)",                                "ERROR JSON_VALUE ON"      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$.b' ERROR ON EMPTY)",                                                     "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$.b' ERROR ON ERROR)",                                                     "ERROR JSON_VALUE ON"      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                          "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', 'strict $.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                   "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":null}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                           "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":null}', 'strict $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                    "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', 'strict $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                     "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":{}}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                             "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":', 'strict $.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                         "'r'"                      },
        {"",                              "JSON_VALUE('', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                                       "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}x', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                             "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                             "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1} {\"a\":2}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                    "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":1, \"b\":tru}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                   "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1,}', '$.a')",                                                                       "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":1 \"b\":2}', '$.a')",                                                                "NULL"                     },
        {"",                              "JSON_VALUE('{a:1}', '$.a')",                                                                            "NULL"                     },
        {"",                              "JSON_VALUE('{''a'':1}', '$.a')",                                                                        "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":1/**/}', '$.a')",                                                                    "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":1,\"a\":2}', '$.a')",                                                                "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":1},\"a\":{\"c\":2}}', '$.a.b')",                                              "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":1}}', '$.a.b')",                                                              "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":1}}', '$[''a''][''b'']')",                                                    "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":1}}', IF(n = 7, '$.a.', ''))",                                                "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":{\"b\":1}}', IF(n = 7, '$.', ''))",                                                  "NULL"                     },
        {"",                              "JSON_VALUE('{\"User-Agent\":\"x\"}', '$.User-Agent')",                                                  "'x'"                      },
        {"",                              "JSON_VALUE('{\"a b\":\"x\"}', IF(n = 7, '$.a b', ''))",                                                 "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', IF(n = 7, ' $.a', ''))",                                                    "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$.a ')",                                                                   "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', IF(n = 7, '$ .a', ''))",                                                    "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', IF(n = 7, '$. a', ''))",                                                    "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$[ ''a'' ]')",                                                             "'x'"                      },
        {"",                              "JSON_VALUE('{\"é\":\"x\"}', '$.é')",                                                                  "'x'"                      },
        {"",                              "JSON_VALUE('{\"@a\":\"x\"}', '$.@a')",                                                                  "'x'"                      },
        {"",                              "JSON_VALUE('{\"a$\":\"x\"}', '$.a$')",                                                                  "'x'"                      },
        {"",                              "JSON_VALUE('{\"a:b\":\"x\"}', '$.a:b')",                                                                "'x'"                      },
        {"",                              "JSON_VALUE('{\"a/b\":\"x\"}', '$.a/b')",                                                                "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a[0]')",                                                                 "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a[1]')",                                                                 "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a[2]')",                                                                 "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a[-1]')",                                                                "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a[-3]')",                                                                "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', IF(n = 7, '$.a[last]', ''))",                                               "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a[ 1 ]')",                                                               "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a[01]')",                                                                "'2'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', IF(n = 7, '$.a[99999999999]', ''))",                                        "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', IF(n = 7, '$.a[]', ''))",                                                   "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', IF(n = 7, '$.a[', ''))",                                                    "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', IF(n = 7, '$.a[1', ''))",                                                   "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', IF(n = 7, '$.a[x]', ''))",                                                  "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a.[0]')",                                                                "'1'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1,2]}', '$.a.0')",                                                                  "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":1}', '$.a[0]')",                                                                     "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":1}', '$.a.b')",                                                                      "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":null}', '$.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                         "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":null}', '$.a[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                        "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                            "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":1}', '$.a[0]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                           "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', '$.a[5]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                         "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', 'strict $.a[5]' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                  "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[{\"b\":3}]}', '$.a.b' DEFAULT 'e' ON EMPTY DEFAULT 'r' ON ERROR)",                  "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[{\"b\":3}]}', '$.a[0].b')",                                                         "'3'"                      },
        {"",                              "JSON_VALUE('[5,6]', '$[1]')",                                                                           "'6'"                      },
        {"",                              "JSON_VALUE('[[5],6]', '$[0][0]')",                                                                      "'5'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"\\u00e9\\n\\ud83d\\ude00\"}', '$.a')",                                             "'é\n😀'"               },
        {"",                              "JSON_VALUE('{\"a\":\"\\ud83d\"}', '$.a')",                                                              "'�'"                    },
        {"",                              "JSON_VALUE('{\"a\":\"\\u0000x\"}', '$.a')",                                                             "'�x'"                   },
        {"",                              "JSON_VALUE('{\"a\":\"\\x\"}', '$.a')",                                                                  "NULL"                     },
        {"",                              "JSON_VALUE('{\"\\u0061\":\"x\"}', '$.a')",                                                              "'x'"                      },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$.b' ERROR ON EMPTY NULL ON ERROR)",                                       "NULL"                     },
        {"",                              "JSON_VALUE('{\"a\":\"x\"}', '$.b' ERROR ON EMPTY DEFAULT 'r' ON ERROR)",                                "'r'"                      },
        {"",                              "JSON_VALUE('{\"a\":[1]}', '$.a' ERROR ON ERROR)",                                                       "ERROR JSON_VALUE ON"      },
        {"",                              "JSON_VALUE('{\"a', '$.a' ERROR ON ERROR)",                                                              "ERROR JSON_VALUE ON"      },
        {"RETURNING INT",                 "JSON_VALUE('{\"a\":1}', '$.a' RETURNING INT)",                                                          "1"                        },
        {"an integer alone",              "JSON_VALUE('{\"a\":\"1\"}', '$.a' RETURNING INT DEFAULT 8 ON ERROR)",                                   "8"                        },
        {"no fraction",                   "JSON_VALUE('{\"a\":1.5}', '$.a' RETURNING INT)",                                                        "NULL"                     },
        {"out of range",                  "JSON_VALUE('{\"a\":99999999999}', '$.a' RETURNING INT ERROR ON ERROR)",                                 "ERROR JSON_VALUE ON"      },
        {"BOOLEAN",                       "JSON_VALUE('{\"a\":true}', '$.a' RETURNING BOOLEAN)",                                                   "TRUE"                     },
        {"BOOLEAN",                       "JSON_VALUE('{\"a\":false}', '$.a' RETURNING BOOLEAN)",                                                  "FALSE"                    },
        {"no text",                       "JSON_VALUE('{\"a\":\"true\"}', '$.a' RETURNING BOOLEAN DEFAULT FALSE ON ERROR)",                        "FALSE"                    },
        {"DOUBLE",                        "JSON_VALUE('{\"a\":1.5}', '$.a' RETURNING DOUBLE)",                                                     "1.5"                      },
        {"an integer is one too",         "JSON_VALUE('{\"a\":1}', '$.a' RETURNING DOUBLE)",                                                       "1.0"                      },
        {"too large",                     "JSON_VALUE('{\"a\":-1e400}', '$.a' RETURNING DOUBLE)",                                                  "-Infinity"                },
        {"empty",                         "JSON_VALUE('{}', 'lax $.a' RETURNING DOUBLE DEFAULT 2.5 ON EMPTY)",                                     "2.5"                      },
        {"the default is a column",       "JSON_VALUE('{}', 'lax $.a' RETURNING INT DEFAULT n ON EMPTY)",                                          "7"                        },
        {"NULL in",                       "JSON_VALUE(CAST(NULL AS STRING), '$.a' ERROR ON ERROR)",                                                "NULL"                     },
        {"the last of nested equal keys", "JSON_VALUE('{\"a\":{\"b\":1,\"b\":2},\"c\":{\"b\":3}}', '$.a.b')",                                      "'2'"                      },
        {"the key elsewhere",             "JSON_VALUE('{\"x\":{\"a\":1},\"y\":[{\"a\":2}],\"a\":3}', '$.a')",                                      "'3'"                      },
        {"from the end in the end",       "JSON_VALUE('[[1,2],[3,[4,5]]]', '$[-1][-1][-2]')",                                                      "'4'"                      },
        {"beyond the end",                "JSON_VALUE('[[1]]', '$[-1][-2]' DEFAULT 'r' ON ERROR)",                                                 "'r'"                      },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, json, value)
{
    sql_value_check(c);
}

static enum tl_json_kind find(const char *path, struct tl_sv text)
{
    const struct tl_json_path *compiled;
    struct tl_arena arena;
    enum tl_json_kind kind;
    struct tl_sv value;

    tl_arena_init(&arena, 1024, 0);
    cr_assert_eq(tl_json_path_compile(tl_sv_from(path), &arena, &compiled, NULL), TL_OK);
    kind = tl_json_path_find(compiled, text, &value);
    tl_arena_done(&arena);
    return kind;
}

/* Jackson's limits. */
Test(json, limits)
{
    static char text[4096];

    for (int depth = 999; depth <= 1001; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        cr_assert_eq(find("$", (struct tl_sv){text, 2 * (size_t)depth}), depth > 1000 ? TL_JSON_NOT_JSON : TL_JSON_CONTAINER);
    }
    memset(text, '1', sizeof text);
    cr_assert_eq(find("$", (struct tl_sv){text, 1000}), TL_JSON_INTEGER);
    cr_assert_eq(find("$", (struct tl_sv){text, 1001}), TL_JSON_NOT_JSON);
}

/* Each beginning of a text is another text: none is read beyond its end, and only the whole is JSON. */
Test(json, cut_anywhere)
{
    static const char whole[] = "{\"a\\u00e9\":[1.5e3,true,false,null,\"\\ud83d\\ude00\"],\"b\":{\"c\":-0}}";

    for (size_t size = 0; size < sizeof whole - 1; size++) {
        char *copy = malloc(size + 1);

        cr_assert_not_null(copy);
        memcpy(copy, whole, size);
        cr_assert_eq(find("$.b.c", (struct tl_sv){copy, size}), TL_JSON_NOT_JSON, "%zu", size);
        free(copy);
    }
    cr_assert_eq(find("$.b.c", TL_SV(whole)), TL_JSON_INTEGER);
}

ParameterizedTestParameters(json, mistake)
{
    static struct sql_mistake cases[] = {
        {"a wildcard", EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$.a[*]') AS x FROM t",        2, 25,
         "the JSON path '$.a[*]' is refused at character 5: a wildcard gives no one value",                  "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"no dot",     EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$a') AS x FROM t",            2, 25,
         "the JSON path '$a' is refused at character 2: a . or [ is missing",                                "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"a filter",   EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$.a[?(@ > 1)]') AS x FROM t", 2, 25,
         "the JSON path '$.a[?(@ > 1)]' is refused at character 5: a filter gives no one value",             "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"two dots",   EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$..a') AS x FROM t",          2, 25,
         "the JSON path '$..a' is refused at character 3: '..' gives no one value",                          "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"a slice",    EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$.a[0:1]') AS x FROM t",      2, 25,
         "the JSON path '$.a[0:1]' is refused at character 6: several places give no one value",             "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"open",       EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$.a[1') AS x FROM t",         2, 25,
         "the JSON path '$.a[1' is refused at character 6: a ] is missing",                                  "JSON_VALUE", "JSON_VALUE(STRING, STRING) -> STRING"},
        {"a blank",    EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$.a b') AS x FROM t",         2, 25,
         "the JSON path '$.a b' is refused at character 4: a key with a blank is to be written ['the key']", "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"in front",   EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, ' $.a') AS x FROM t",          2, 25,
         "the JSON path ' $.a' is refused at character 1: it begins with a blank",                           "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"a function", EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '$.a.size()') AS x FROM t",    2, 25,
         "the JSON path '$.a.size()' is refused at character 9: functions are not taken",                    "JSON_VALUE",
         "JSON_VALUE(STRING, STRING) -> STRING"                                                                                                                  },
        {"nothing",    EVENTS "CREATE VIEW v AS SELECT JSON_VALUE(host, '') AS x FROM t",              2, 25,
         "the JSON path '' is refused at character 1: it is empty",                                          "JSON_VALUE", "JSON_VALUE(STRING, STRING) -> STRING"},
    };
    return cr_make_param_array(struct sql_mistake, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_mistake *c, json, mistake)
{
    sql_mistake_check(c);
}
