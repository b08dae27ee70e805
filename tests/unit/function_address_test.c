/* function_address_test.c: ANONYMIZE_IP. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "core/address.h"
#include "support/sql_value.h"

ParameterizedTestParameters(function_address, anonymize)
{
    static struct sql_value cases[] = {
        {"",                           "ANONYMIZE_IP(ip)",                                                      "'203.0.113.0'"       },
        {"all bits set",               "ANONYMIZE_IP('255.255.255.255')",                                       "'255.255.255.0'"     },
        {"zeros",                      "ANONYMIZE_IP('0.0.0.0')",                                               "'0.0.0.0'"           },
        {"the 48 bits that are kept",  "ANONYMIZE_IP('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')",               "'ffff:ffff:ffff::'"  },
        {"lower case, without zeros",  "ANONYMIZE_IP('2001:0DB8:0000:0001::9')",                                "'2001:db8::'"        },
        {"one zero is not compressed", "ANONYMIZE_IP('2001:0:1:2::')",                                          "'2001:0:1::'"        },
        {"loopback",                   "ANONYMIZE_IP('::1')",                                                   "'::'"                },
        {"mapped",                     "ANONYMIZE_IP('::FFFF:203.0.113.255')",                                  "'::ffff:203.0.113.0'"},
        {"mapped, in hex",             "ANONYMIZE_IP('::ffff:cb00:71ff')",                                      "'::ffff:203.0.113.0'"},
        {"twice is once",              "ANONYMIZE_IP(ANONYMIZE_IP(ip))",                                        "'203.0.113.0'"       },
        {"NULL",                       "ANONYMIZE_IP(CAST(NULL AS STRING))",                                    "NULL"                },
        {"empty",                      "ANONYMIZE_IP('')",                                                      "NULL"                },
        {"a name",                     "ANONYMIZE_IP('localhost')",                                             "NULL"                },
        {"a port",                     "ANONYMIZE_IP('203.0.113.7:80')",                                        "NULL"                },
        {"brackets",                   "ANONYMIZE_IP('[2001:db8::1]')",                                         "NULL"                },
        {"a zone",                     "ANONYMIZE_IP('fe80::1%eth0')",                                          "NULL"                },
        {"a blank",                    "ANONYMIZE_IP(' 203.0.113.7')",                                          "NULL"                },
        {"octal?",                     "ANONYMIZE_IP('203.0.113.007')",                                         "NULL"                },
        {"three numbers",              "ANONYMIZE_IP('203.0.113')",                                             "NULL"                },
        {"a list",                     "ANONYMIZE_IP('203.0.113.7, 10.0.0.1')",                                 "NULL"                },
        {"256",                        "ANONYMIZE_IP('203.0.113.256')",                                         "NULL"                },
        {"long",                       "ANONYMIZE_IP('2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8')", "NULL"                },
    };
    return cr_make_param_array(struct sql_value, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_value *c, function_address, anonymize)
{
    sql_value_check(c);
}

Test(function_address, a_zero_byte_ends_nothing)
{
    struct tl_address address;

    cr_assert(!tl_address_read((struct tl_sv){"1.2.3.4\0", 8}, &address));
    cr_assert(!tl_address_read((struct tl_sv){"1.2.3.4\0.5", 10}, &address));
    cr_assert(!tl_address_read((struct tl_sv){NULL, 0}, &address));
}
