/* function_build_test.c: texts put together: ||, CONCAT, REPEAT, REPLACE, LPAD; and digests. Values are Flink 2.3's. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "support/sql_value.h"

ParameterizedTestParameters(function_build, values)
{
    static struct sql_value cases[] = {
        {"",                                  "'a' || 'b' || host",                                 "'abwww.example.com'"        },
        {"",                                  "'a' || CAST(NULL AS STRING)",                        "NULL"                       },
        {"",                                  "CONCAT('a', host, 'c')",                             "'awww.example.comc'"        },
        {"",                                  "CONCAT('a')",                                        "'a'"                        },
        {"",                                  "CONCAT('', '')",                                     "''"                         },
        {"",                                  "CONCAT('a', NULL, 'c')",                             "NULL"                       },
        {"NULL is passed over",               "CONCAT_WS(',', 'a', CAST(NULL AS STRING), '', 'c')", "'a,,c'"                     },
        {"the first is NULL",                 "CONCAT_WS(',', CAST(NULL AS STRING), 'c')",          "'c'"                        },
        {"",                                  "CONCAT_WS(',', '', 'a', '')",                        "',a,'"                      },
        {"",                                  "CONCAT_WS(', ', host, url)",                         "'www.example.com, /a/b?x=1'"},
        {"nothing to join",                   "CONCAT_WS(',')",                                     "''"                         },
        {"all NULL",                          "CONCAT_WS(',', CAST(NULL AS STRING))",               "''"                         },
        {"no separator",                      "CONCAT_WS(CAST(NULL AS STRING), 'a', 'c')",          "NULL"                       },
        {"",                                  "REPEAT('ab', 3)",                                    "'ababab'"                   },
        {"",                                  "REPEAT('ab', 0)",                                    "''"                         },
        {"",                                  "REPEAT('ab', -1)",                                   "''"                         },
        {"nothing, often",                    "REPEAT('', 2147483647)",                             "''"                         },
        {"too often",                         "REPEAT('ab', 2147483647)",                           "ERROR REPEAT"               },
        {"the limit",                         "CHAR_LENGTH(REPEAT('ab', 524288))",                  "1048576"                    },
        {"beyond the limit",                  "REPEAT('ab', 524289)",                               "ERROR REPEAT"               },
        {"together beyond the limit",         "REPEAT('ab', 524288) || 'a'",                        "ERROR ||"                   },
        {"",                                  "CONCAT('a', REPEAT('ab', 524288))",                  "ERROR CONCAT"               },
        {"",                                  "CONCAT_WS(',', 'a', REPEAT('ab', 524288))",          "ERROR CONCAT_WS"            },
        {"",                                  "REPLACE('abcabc', 'b', 'XY')",                       "'aXYcaXYc'"                 },
        {"",                                  "REPLACE('abc', 'b', '')",                            "'ac'"                       },
        {"from the left",                     "REPLACE('aaa', 'aa', 'b')",                          "'ba'"                       },
        {"at both ends",                      "REPLACE('aba', 'a', 'c')",                           "'cbc'"                      },
        {"not there",                         "REPLACE('abc', 'abcd', 'x')",                        "'abc'"                      },
        {"nothing is everywhere",             "REPLACE('abc', '', 'X')",                            "'XaXbXcX'"                  },
        {"nothing in nothing",                "REPLACE('', '', 'X')",                               "'X'"                        },
        {"nothing inside a pair",             "REPLACE('😀a', '', '-')",                          "'-?-?-a-'"                  },
        {"",                                  "REPLACE('abc', CAST(NULL AS STRING), 'b')",          "NULL"                       },
        {"replaced beyond the limit",         "REPLACE(REPEAT('a', 1000), 'a', REPEAT('b', 2000))", "ERROR REPLACE"              },
        {"nothing replaced beyond the limit", "REPLACE(REPEAT('a', 1000), '', REPEAT('b', 2000))",  "ERROR REPLACE"              },
        {"",                                  "LPAD('hi', 5, 'xy')",                                "'xyxhi'"                    },
        {"cut",                               "LPAD('hi', 1, 'xy')",                                "'h'"                        },
        {"",                                  "LPAD('hi', 0, 'xy')",                                "''"                         },
        {"",                                  "LPAD('hi', -1, 'xy')",                               "NULL"                       },
        {"",                                  "LPAD('hi', 5, '')",                                  "NULL"                       },
        {"",                                  "LPAD('hi', 1, '')",                                  "NULL"                       },
        {"",                                  "LPAD('', 3, 'x')",                                   "'xxx'"                      },
        {"a pair counts two",                 "LPAD('😀', 4, 'x')",                               "'xx😀'"                   },
        {"half a pair",                       "LPAD('😀', 1, 'x')",                               "'?'"                        },
        {"half a pair of the padding",        "LPAD('hi', 5, '😀')",                              "'😀?hi'"                  },
        {"longer than may be",                "LPAD('hi', 2147483647, 'x')",                        "ERROR LPAD"                 },
        {"",                                  "RPAD('hi', 5, 'xy')",                                "'hixyx'"                    },
        {"",                                  "RPAD('hi', 1, 'xy')",                                "'h'"                        },
        {"",                                  "RPAD('hi', -1, 'xy')",                               "NULL"                       },
        {"",                                  "RPAD('hi', 5, '😀')",                              "'hi😀?'"                  },
        {"",                                  "REVERSE('héllo😀')",                              "'😀olléh'"               },
        {"",                                  "REVERSE('')",                                        "''"                         },
        {"",                                  "INITCAP('hello wORLD')",                             "'Hello World'"              },
        {"",                                  "INITCAP('o''neil mc-donald x1y 1ab')",               "'O''Neil Mc-Donald X1y 1ab'"},
        {"ASCII alone",                       "INITCAP('élan über straße ÀB')",                 "'éLan üBer StraßE ÀB'"  },
        {"",                                  "CHR(65)",                                            "'A'"                        },
        {"",                                  "CHR(233)",                                           "'é'"                       },
        {"the low byte",                      "CHR(353)",                                           "'a'"                        },
        {"",                                  "CHR(-1)",                                            "''"                         },
        {"no text holds it",                  "CHR(256)",                                           "ERROR CHR"                  },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_build, values)
{
    sql_value_check(c);
}

ParameterizedTestParameters(function_build, digests)
{
#define SHA384_ABC "'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'"
#define SHA512_ABC                                                                                                               \
    "'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94f"  \
    "a54ca49f'"
    static struct sql_value cases[] = {
        {"",                      "MD5('abc')",                     "'900150983cd24fb0d6963f7d28e17f72'"                                },
        {"",                      "MD5('')",                        "'d41d8cd98f00b204e9800998ecf8427e'"                                },
        {"",                      "MD5('é😀')",                  "'62b3afe3b01f6f80152b567d9b216cde'"                                },
        {"",                      "MD5(CAST(NULL AS STRING))",      "NULL"                                                              },
        {"",                      "SHA1('abc')",                    "'a9993e364706816aba3e25717850c26c9cd0d89d'"                        },
        {"",                      "SHA224('abc')",                  "'23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7'"        },
        {"",                      "SHA256('abc')",                  "'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'"},
        {"",                      "SHA384('abc')",                  SHA384_ABC                                                          },
        {"",                      "SHA512('abc')",                  SHA512_ABC                                                          },
        {"",                      "SHA2('abc', 224)",               "'23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7'"        },
        {"",                      "SHA2(host, 256)",                "'80fc0fb9266db7b83f85850fa0e6548b6d70ee68c8b5b412f1deea6ebdef0404'"},
        {"",                      "SHA2('abc', 384)",               SHA384_ABC                                                          },
        {"",                      "SHA2('abc', 512)",               SHA512_ABC                                                          },
        {"",                      "SHA2('abc', CAST(NULL AS INT))", "NULL"                                                              },
        {"a size of the event's", "SHA2('abc', n)",                 "ERROR SHA2"                                                        },
        {"two of one thread",     "MD5('abc') || SHA1('abc')",
         "'900150983cd24fb0d6963f7d28e17f72a9993e364706816aba3e25717850c26c9cd0d89d'"                                                   },
    };
    return cr_make_param_array(struct sql_value, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct sql_value *c, function_build, digests)
{
    sql_value_check(c);
}
