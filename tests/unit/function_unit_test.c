/* function_unit_test.c: FLOOR, CEIL, EXTRACT, TIMESTAMPADD, TIMESTAMPDIFF: values of Flink 2.3, what is said about mistakes. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "support/sql_case.h"
#include "support/sql_value.h"

ParameterizedTestParameters(function_unit, values)
{
    /* clang-format off */
    static struct sql_value cases[] = {
        {"", "FLOOR(at TO MILLISECOND)", "2024-03-01 10:00:00.123"},
        {"", "FLOOR(at TO SECOND)", "2024-03-01 10:00:00.000"},
        {"", "FLOOR(at TO HOUR)", "2024-03-01 10:00:00.000"},
        {"", "FLOOR(at TO DAY)", "2024-03-01 00:00:00.000"},
        {"", "FLOOR(at TO WEEK)", "2024-02-25 00:00:00.000"},
        {"", "FLOOR(at TO MONTH)", "2024-03-01 00:00:00.000"},
        {"", "FLOOR(at TO QUARTER)", "2024-01-01 00:00:00.000"},
        {"", "FLOOR(at TO YEAR)", "2024-01-01 00:00:00.000"},
        {"", "FLOOR(at TO DECADE)", "2020-01-01 00:00:00.000"},
        {"", "FLOOR(at TO CENTURY)", "2001-01-01 00:00:00.000"},
        {"", "FLOOR(at TO MILLENNIUM)", "2001-01-01 00:00:00.000"},
        {"small letters", "floor(at to day)", "2024-03-01 00:00:00.000"},
        {"", "CEIL(at TO MILLISECOND)", "2024-03-01 10:00:00.123"},
        {"", "CEIL(at TO SECOND)", "2024-03-01 10:00:01.000"},
        {"", "CEIL(at TO HOUR)", "2024-03-01 11:00:00.000"},
        {"already one", "CEIL(TIMESTAMP '2024-03-01 10:00:00' TO HOUR)", "2024-03-01 10:00:00.000"},
        {"", "CEIL(at TO DAY)", "2024-03-02 00:00:00.000"},
        {"", "CEIL(at TO WEEK)", "2024-03-03 00:00:00.000"},
        {"the day alone counts", "CEIL(at TO MONTH)", "2024-03-01 00:00:00.000"},
        {"", "CEIL(TIMESTAMP '2024-03-02 00:00:00' TO MONTH)", "2024-04-01 00:00:00.000"},
        {"", "CEIL(TIMESTAMP '2024-12-02 00:00:00' TO MONTH)", "2025-01-01 00:00:00.000"},
        {"", "CEIL(at TO QUARTER)", "2024-04-01 00:00:00.000"},
        {"a quarter's first day goes on", "CEIL(TIMESTAMP '2024-04-01 00:00:00' TO QUARTER)", "2024-07-01 00:00:00.000"},
        {"but the year's does not", "CEIL(TIMESTAMP '2024-01-01 00:00:00' TO QUARTER)", "2024-01-01 00:00:00.000"},
        {"", "CEIL(TIMESTAMP '2024-10-01 00:00:00' TO QUARTER)", "2025-01-01 00:00:00.000"},
        {"", "CEIL(at TO YEAR)", "2025-01-01 00:00:00.000"},
        {"", "CEIL(at TO DECADE)", "2030-01-01 00:00:00.000"},
        {"", "CEIL(at TO CENTURY)", "2101-01-01 00:00:00.000"},
        {"", "CEIL(at TO MILLENNIUM)", "3001-01-01 00:00:00.000"},
        {"", "CEILING(at TO DAY)", "2024-03-02 00:00:00.000"},
        {"hours before 1970 are right", "FLOOR(TIMESTAMP '1969-12-31 23:59:59' TO HOUR)", "1969-12-31 23:00:00.000"},
        {"", "CEIL(TIMESTAMP '1969-12-31 22:59:59' TO HOUR)", "1969-12-31 23:00:00.000"},
        {"and days", "FLOOR(TIMESTAMP '1969-12-31 23:59:59' TO DAY)", "1969-12-31 00:00:00.000"},
        {"months are cut towards 1970", "FLOOR(TIMESTAMP '1969-12-31 23:59:59' TO MONTH)", "1970-01-01 00:00:00.000"},
        {"", "FLOOR(TIMESTAMP '1969-12-30 23:59:59' TO MONTH)", "1969-12-01 00:00:00.000"},
        {"the Julian calendar", "FLOOR(TIMESTAMP '0001-05-05 23:59:59' TO MONTH)", "0001-05-01 00:00:00.000"},
        {"", "FLOOR(TIMESTAMP '1582-10-14 00:00:00' TO YEAR)", "1582-01-01 00:00:00.000"},
        {"the last of the calendar", "CEIL(TIMESTAMP '9999-12-31 23:59:59' TO HOUR)", "+10000-01-01 00:00:00.000"},
        {"", "FLOOR(CAST(NULL AS TIMESTAMP(3)) TO DAY)", "NULL"},
        {"", "EXTRACT(NANOSECOND FROM at)", "123000000"},
        {"", "EXTRACT(MICROSECOND FROM at)", "123000"},
        {"", "EXTRACT(MILLISECOND FROM at)", "123"},
        {"", "EXTRACT(SECOND FROM TIMESTAMP '2024-03-01 10:11:12.5')", "12"},
        {"", "EXTRACT(MINUTE FROM TIMESTAMP '2024-03-01 10:11:12.5')", "11"},
        {"", "EXTRACT(HOUR FROM at)", "10"},
        {"", "EXTRACT(DAY FROM at)", "1"},
        {"", "EXTRACT(WEEK FROM at)", "9"},
        {"", "EXTRACT(WEEK FROM TIMESTAMP '2021-01-03 00:00:00')", "53"},
        {"", "EXTRACT(ISOYEAR FROM TIMESTAMP '2021-01-03 00:00:00')", "2020"},
        {"", "EXTRACT(MONTH FROM at)", "3"},
        {"", "EXTRACT(QUARTER FROM at)", "1"},
        {"", "EXTRACT(YEAR FROM at)", "2024"},
        {"", "EXTRACT(DECADE FROM at)", "202"},
        {"", "EXTRACT(CENTURY FROM at)", "21"},
        {"", "EXTRACT(MILLENNIUM FROM at)", "3"},
        {"", "EXTRACT(EPOCH FROM at)", "1709287200"},
        {"", "EXTRACT(DOW FROM at)", "6"},
        {"", "EXTRACT(DOW FROM TIMESTAMP '2024-03-03 00:00:00')", "1"},
        {"", "EXTRACT(ISODOW FROM at)", "5"},
        {"", "EXTRACT(ISODOW FROM TIMESTAMP '2024-03-03 00:00:00')", "7"},
        {"", "EXTRACT(DOY FROM TIMESTAMP '2024-12-31 00:00:00')", "366"},
        {"before 1970 all is cut towards it", "EXTRACT(HOUR FROM TIMESTAMP '1969-12-31 22:59:59')", "-1"},
        {"", "EXTRACT(DAY FROM TIMESTAMP '1969-12-31 23:59:59')", "1"},
        {"", "EXTRACT(YEAR FROM TIMESTAMP '1969-12-31 23:59:59')", "1970"},
        {"", "EXTRACT(MONTH FROM TIMESTAMP '1969-12-30 00:00:00')", "12"},
        {"", "EXTRACT(MILLISECOND FROM TIMESTAMP '1969-12-31 23:59:59.250')", "-750"},
        {"", "YEAR(at) * 10000 + MONTH(at) * 100 + DAYOFMONTH(at)", "20240301"},
        {"", "QUARTER(ts) * 1000 + DAYOFYEAR(ts)", "1061"},
        {"", "WEEK(ts) * 10 + DAYOFWEEK(ts)", "96"},
        {"", "HOUR(ts) * 10000 + MINUTE(ts) * 100 + SECOND(ts)", "100000"},
        {"", "TIMESTAMPADD(SECOND, n, ts)", "2024-03-01 10:00:07.123"},
        {"", "TIMESTAMPADD(MINUTE, -1, at)", "2024-03-01 09:59:00.123"},
        {"", "TIMESTAMPADD(HOUR, 100, at)", "2024-03-05 14:00:00.123"},
        {"", "TIMESTAMPADD(DAY, n * 10, at)", "2024-05-10 10:00:00.123"},
        {"", "TIMESTAMPADD(WEEK, -1, TIMESTAMP '2024-05-31 10:00:00')", "2024-05-24 10:00:00.000"},
        {"", "TIMESTAMPADD(MONTH, -n, at)", "2023-08-01 10:00:00.123"},
        {"", "TIMESTAMPADD(MONTH, 1, TIMESTAMP '2024-01-31 10:00:00')", "2024-02-29 10:00:00.000"},
        {"", "TIMESTAMPADD(MONTH, -1, TIMESTAMP '1970-01-31 10:00:00')", "1969-12-31 10:00:00.000"},
        {"", "TIMESTAMPADD(QUARTER, -1, TIMESTAMP '2024-05-31 10:00:00')", "2024-02-29 10:00:00.000"},
        {"", "TIMESTAMPADD(YEAR, 1, TIMESTAMP '2024-02-29 10:00:00')", "2025-02-28 10:00:00.000"},
        {"", "TIMESTAMPADD(MILLISECOND, 3, at)", "2024-03-01 10:00:00.126"},
        {"", "TIMESTAMPADD(DECADE, 3, at)", "2054-03-01 10:00:00.123"},
        {"", "TIMESTAMPADD(CENTURY, 3, at)", "2324-03-01 10:00:00.123"},
        {"", "TIMESTAMPADD(MILLENNIUM, 3, at)", "5024-03-01 10:00:00.123"},
        {"no BIGINT of milliseconds", "TIMESTAMPADD(DAY, big * 1000000000, at)", "ERROR TIMESTAMPADD"},
        {"no INT of months", "TIMESTAMPADD(YEAR, big, at)", "ERROR TIMESTAMPADD"},
        {"", "TIMESTAMPADD(DAY, CAST(NULL AS INT), at)", "NULL"},
        {"", "TIMESTAMPDIFF(DAY, at, TIMESTAMP '2024-02-29 11:00:00')", "0"},
        {"", "TIMESTAMPDIFF(DAY, at, TIMESTAMP '2024-02-29 10:00:00')", "-1"},
        {"", "TIMESTAMPDIFF(WEEK, at, TIMESTAMP '2024-04-01 10:00:00')", "4"},
        {"", "TIMESTAMPDIFF(HOUR, at, TIMESTAMP '2024-03-02 09:00:00')", "22"},
        {"", "TIMESTAMPDIFF(MONTH, TIMESTAMP '2024-01-31 10:00:00', TIMESTAMP '2024-02-29 09:00:00')", "0"},
        {"", "TIMESTAMPDIFF(MONTH, TIMESTAMP '2024-01-31 10:00:00', TIMESTAMP '2024-02-29 10:00:00')", "1"},
        {"", "TIMESTAMPDIFF(MONTH, TIMESTAMP '2024-02-29 10:00:00', TIMESTAMP '2024-01-31 11:00:00')", "-1"},
        {"", "TIMESTAMPDIFF(QUARTER, at, TIMESTAMP '2025-04-30 09:00:00')", "4"},
        {"", "TIMESTAMPDIFF(YEAR, at, TIMESTAMP '2020-04-30 09:00:00')", "-3"},
        {"a week of seconds that went round", "TIMESTAMPDIFF(WEEK, TIMESTAMP '1920-10-18 20:51:31.370', TIMESTAMP '2000-01-30 12:00:00')", "-2964"},
        {"an INT goes round", "TIMESTAMPDIFF(SECOND, TIMESTAMP '0001-01-01 00:00:00', TIMESTAMP '9999-01-31 11:00:00')", "1976380592"},
        {"", "TIMESTAMPDIFF(SECOND, at, CAST(NULL AS TIMESTAMP(3)))", "NULL"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_value, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_value *c, function_unit, values)
{
    sql_value_check(c);
}

struct zoned {
    char zone[24];
    struct sql_value value;
};

/* Instants are written and shown on the clock of UTC. */
#define AT(text) "TO_TIMESTAMP_LTZ('" text "')"

ParameterizedTestParameters(function_unit, values_in_a_zone)
{
    /* clang-format off */
    static struct zoned cases[] = {
        {"America/Los_Angeles", {"", "FLOOR(ts TO DAY)", "2024-03-01 08:00:00.000"}},
        {"America/Los_Angeles", {"a TIMESTAMP has no zone", "FLOOR(at TO DAY)", "2024-03-01 00:00:00.000"}},
        {"America/Los_Angeles", {"an hour beside midnight", "FLOOR(" AT("2021-11-07 09:30:00") " TO DAY)", "2021-11-07 08:00:00.000"}},
        {"America/Los_Angeles", {"", "FLOOR(" AT("2021-11-07 08:30:00") " TO DAY)", "2021-11-07 07:00:00.000"}},
        {"America/Los_Angeles", {"", "CEIL(" AT("2021-11-07 08:30:00") " TO DAY)", "2021-11-08 07:00:00.000"}},
        {"America/Los_Angeles", {"", "FLOOR(" AT("2021-03-14 10:30:00") " TO MONTH)", "2021-03-01 07:00:00.000"}},
        {"America/Los_Angeles", {"", "FLOOR(" AT("2021-03-14 10:30:00") " TO HOUR)", "2021-03-14 10:00:00.000"}},
        {"Australia/Lord_Howe", {"an offset of half an hour", "FLOOR(" AT("2021-04-03 15:15:00") " TO HOUR)", "2021-04-03 14:30:00.000"}},
        {"Australia/Lord_Howe", {"", "CEIL(" AT("2021-10-02 15:45:00") " TO HOUR)", "2021-10-02 16:00:00.000"}},
        {"America/Los_Angeles", {"", "EXTRACT(HOUR FROM ts)", "2"}},
        {"America/Los_Angeles", {"", "EXTRACT(HOUR FROM at)", "10"}},
        {"America/Los_Angeles", {"of the wall clock", "EXTRACT(EPOCH FROM ts)", "1709258400"}},
        {"America/Los_Angeles", {"", "EXTRACT(DAY FROM " AT("2024-03-01 07:59:59") ")", "29"}},
        {"Australia/Lord_Howe", {"the second showing", "EXTRACT(MINUTE FROM " AT("2021-04-03 15:15:00") ")", "45"}},
        {"America/Los_Angeles", {"", "HOUR(" AT("2021-11-07 09:30:00") ")", "1"}},
        {"America/Los_Angeles", {"", "DAYOFWEEK(" AT("2024-03-01 07:59:59") ")", "5"}},
        {"America/Los_Angeles", {"instants are added to", "TIMESTAMPADD(DAY, 1, " AT("2021-03-13 20:00:00") ")", "2021-03-14 20:00:00.000"}},
        {"America/Los_Angeles", {"months too", "TIMESTAMPADD(MONTH, 1, " AT("2021-02-28 20:00:00") ")", "2021-03-28 20:00:00.000"}},
        {"America/Los_Angeles", {"", "TIMESTAMPADD(MONTH, 1, " AT("2024-03-01 07:30:00") ")", "2024-04-01 07:30:00.000"}},
        {"America/Los_Angeles", {"", "TIMESTAMPDIFF(DAY, " AT("2024-03-01 18:00:00.123") ", " AT("2024-05-01 06:30:00") ")", "60"}},
        {"America/Los_Angeles", {"", "TIMESTAMPDIFF(MONTH, " AT("2024-03-01 18:00:00.123") ", " AT("2024-05-01 06:30:00") ")", "1"}},
    };
    /* clang-format on */
    return cr_make_param_array(struct zoned, cases, TL_COUNT(cases));
}

ParameterizedTest(struct zoned *c, function_unit, values_in_a_zone)
{
    sql_value_check_in(c->zone, &c->value);
}

#define VIEW(expression) EVENTS "CREATE VIEW v AS SELECT " expression " AS x FROM t"

ParameterizedTestParameters(function_unit, mistakes)
{
    /* clang-format off */
    static struct sql_mistake cases[] = {
        {"no such unit", VIEW("FLOOR(at TO FORTNIGHT)"), 2, 25,
         "there is no unit FORTNIGHT here; there are MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR, DECADE, CENTURY, MILLENNIUM",
         "FLOOR", "FLOOR(TIMESTAMP TO unit) -> TIMESTAMP"},
        {"a unit without a sense", VIEW("CEIL(at TO ISOYEAR)"), 2, 25,
         "there is no unit ISOYEAR here; there are MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR, DECADE, CENTURY, MILLENNIUM",
         "CEIL", "CEIL(TIMESTAMP TO unit) -> TIMESTAMP"},
        {"not of this function", VIEW("TIMESTAMPDIFF(DECADE, at, at)"), 2, 25,
         "there is no unit DECADE here; there are SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR",
         "TIMESTAMPDIFF", "TIMESTAMPDIFF(unit, TIMESTAMP, TIMESTAMP) -> INT"},
        {"a text has no units", VIEW("YEAR(host)"), 2, 25, "YEAR does not take (STRING)", "YEAR",
         "there is YEAR(TIMESTAMP) -> BIGINT, YEAR(TIMESTAMP_LTZ) -> BIGINT"},
        {"two kinds of time", VIEW("TIMESTAMPDIFF(DAY, at, ts)"), 2, 25, "TIMESTAMPDIFF does not take (STRING, TIMESTAMP(3), TIMESTAMP_LTZ(3))",
         "TIMESTAMPDIFF", "there is TIMESTAMPDIFF(unit, TIMESTAMP, TIMESTAMP) -> INT, TIMESTAMPDIFF(unit, TIMESTAMP_LTZ, TIMESTAMP_LTZ) -> INT"},
        {"a type that is not there", VIEW("TO_DATE(host)"), 2, 25, "TO_DATE wants the types DATE and TIME, and these are not there", "TO_DATE",
         "a day is TO_TIMESTAMP(s, 'yyyy-MM-dd'), FLOOR(t TO DAY) or DATE_FORMAT(t, 'yyyy-MM-dd')"},
    };
    /* clang-format on */
    return cr_make_param_array(struct sql_mistake, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_mistake *c, function_unit, mistakes)
{
    sql_mistake_check(c);
}
