/* function_time_sum_test.c: functions on times over 5,000 random instants each, against sums of what Apache Flink 2.3 makes of the same. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/expr.h"
#include "event/timestamp.h"
#include "support/sql_case.h"

enum { INSTANTS = 5000 };

/* The sums are of DateTimeUtils (flink-table-common 2.3.0, Java 17) over the instants that draw() gives. */
/* clang-format off */
static const struct sum_case {
    char call[16], argument[48], zone[24];
    uint64_t sum; /* FNV-1a over the results as text, each with a newline behind */
} cases[] = {
    {"FLOOR TO", "HOUR", "UTC", UINT64_C(0x0bb5f7a2973e6523)},
    {"FLOOR TO", "DAY", "UTC", UINT64_C(0xb3e2389546a9c078)},
    {"FLOOR TO", "WEEK", "UTC", UINT64_C(0x1f41c9404ad9c7e7)},
    {"FLOOR TO", "MONTH", "UTC", UINT64_C(0xd763f4506cd83b96)},
    {"FLOOR TO", "QUARTER", "UTC", UINT64_C(0x6990f058067e6f00)},
    {"FLOOR TO", "YEAR", "UTC", UINT64_C(0x0630d1ff054bcc2b)},
    {"FLOOR TO", "DECADE", "UTC", UINT64_C(0x2f5648bd2d9bde07)},
    {"FLOOR TO", "CENTURY", "UTC", UINT64_C(0xd4562c88ccfbad52)},
    {"FLOOR TO", "MILLENNIUM", "UTC", UINT64_C(0x6d70b421bdc8c1aa)},
    {"CEIL TO", "HOUR", "UTC", UINT64_C(0xad9e2de90db30df3)},
    {"CEIL TO", "DAY", "UTC", UINT64_C(0xf6bb6ff946a2d749)},
    {"CEIL TO", "WEEK", "UTC", UINT64_C(0xf37bc75f94892abe)},
    {"CEIL TO", "MONTH", "UTC", UINT64_C(0x30b41cbb9922e799)},
    {"CEIL TO", "QUARTER", "UTC", UINT64_C(0xd08c61a359510b3e)},
    {"CEIL TO", "YEAR", "UTC", UINT64_C(0xdaad4294fa7364d3)},
    {"CEIL TO", "DECADE", "UTC", UINT64_C(0x5aee60aec09cabed)},
    {"CEIL TO", "CENTURY", "UTC", UINT64_C(0x2fca5efdc9cc0c6d)},
    {"CEIL TO", "MILLENNIUM", "UTC", UINT64_C(0x0cdea18678f3f8c5)},
    {"EXTRACT FROM", "NANOSECOND", "UTC", UINT64_C(0xc2fb0631abef31af)},
    {"EXTRACT FROM", "MICROSECOND", "UTC", UINT64_C(0x2833c58e61aa65b5)},
    {"EXTRACT FROM", "MILLISECOND", "UTC", UINT64_C(0x0172a94a0f117227)},
    {"EXTRACT FROM", "SECOND", "UTC", UINT64_C(0xc3d3ccbec51a77c0)},
    {"EXTRACT FROM", "MINUTE", "UTC", UINT64_C(0x9382b984426ae65a)},
    {"EXTRACT FROM", "HOUR", "UTC", UINT64_C(0xc3f5d56ff59f6d61)},
    {"EXTRACT FROM", "DAY", "UTC", UINT64_C(0xbdca7ab1fade4642)},
    {"EXTRACT FROM", "WEEK", "UTC", UINT64_C(0x28cf483562e583cc)},
    {"EXTRACT FROM", "MONTH", "UTC", UINT64_C(0x50689c4f67f6a458)},
    {"EXTRACT FROM", "QUARTER", "UTC", UINT64_C(0x2f11bd4730da082c)},
    {"EXTRACT FROM", "YEAR", "UTC", UINT64_C(0xa9004915d6681055)},
    {"EXTRACT FROM", "DECADE", "UTC", UINT64_C(0xa80f3bcb07dc533e)},
    {"EXTRACT FROM", "CENTURY", "UTC", UINT64_C(0x676c310a4116f291)},
    {"EXTRACT FROM", "MILLENNIUM", "UTC", UINT64_C(0x74df9441edb26252)},
    {"EXTRACT FROM", "EPOCH", "UTC", UINT64_C(0x17e8842f5c9ec117)},
    {"EXTRACT FROM", "DOW", "UTC", UINT64_C(0x9983e86b1281e623)},
    {"EXTRACT FROM", "ISODOW", "UTC", UINT64_C(0x84f50b3c5f20e453)},
    {"EXTRACT FROM", "DOY", "UTC", UINT64_C(0x01181ba21e37c1b2)},
    {"EXTRACT FROM", "ISOYEAR", "UTC", UINT64_C(0x3a007cfb10fc23cd)},
    {"FLOOR TO", "HOUR", "America/Los_Angeles", UINT64_C(0xc124e49f35c470f0)},
    {"FLOOR TO", "DAY", "America/Los_Angeles", UINT64_C(0x0ca3303a522e2fac)},
    {"FLOOR TO", "WEEK", "America/Los_Angeles", UINT64_C(0xa915acfc7c8dbe43)},
    {"FLOOR TO", "MONTH", "America/Los_Angeles", UINT64_C(0xd57435b69cdbd6c7)},
    {"FLOOR TO", "QUARTER", "America/Los_Angeles", UINT64_C(0xcb1a28bee9f6f019)},
    {"FLOOR TO", "YEAR", "America/Los_Angeles", UINT64_C(0xad7615fc474dabb5)},
    {"FLOOR TO", "DECADE", "America/Los_Angeles", UINT64_C(0x7fa0ef6d6d5e81a3)},
    {"FLOOR TO", "CENTURY", "America/Los_Angeles", UINT64_C(0x43eb4819a8597fa6)},
    {"FLOOR TO", "MILLENNIUM", "America/Los_Angeles", UINT64_C(0x4386c2a6798f1cfd)},
    {"CEIL TO", "HOUR", "America/Los_Angeles", UINT64_C(0x1c23894db0f2d9b1)},
    {"CEIL TO", "DAY", "America/Los_Angeles", UINT64_C(0x928addfc13a7270c)},
    {"CEIL TO", "WEEK", "America/Los_Angeles", UINT64_C(0x3f93b969f943534a)},
    {"CEIL TO", "MONTH", "America/Los_Angeles", UINT64_C(0x70dbc9699f3779bd)},
    {"CEIL TO", "QUARTER", "America/Los_Angeles", UINT64_C(0xec22f72c64c80ec5)},
    {"CEIL TO", "YEAR", "America/Los_Angeles", UINT64_C(0xe93f045f325940ce)},
    {"CEIL TO", "DECADE", "America/Los_Angeles", UINT64_C(0x2375c5d8f2ae33e0)},
    {"CEIL TO", "CENTURY", "America/Los_Angeles", UINT64_C(0x5ffec43c53a108fa)},
    {"CEIL TO", "MILLENNIUM", "America/Los_Angeles", UINT64_C(0xaa1a7e512bda830f)},
    {"EXTRACT FROM", "NANOSECOND", "America/Los_Angeles", UINT64_C(0x8a72d5ff1f04d288)},
    {"EXTRACT FROM", "MICROSECOND", "America/Los_Angeles", UINT64_C(0x76a29669898ab374)},
    {"EXTRACT FROM", "MILLISECOND", "America/Los_Angeles", UINT64_C(0xd990379ffee46058)},
    {"EXTRACT FROM", "SECOND", "America/Los_Angeles", UINT64_C(0x7d3fd433eef844b0)},
    {"EXTRACT FROM", "MINUTE", "America/Los_Angeles", UINT64_C(0xa493eca482684fb4)},
    {"EXTRACT FROM", "HOUR", "America/Los_Angeles", UINT64_C(0xc8f52e18b73edb18)},
    {"EXTRACT FROM", "DAY", "America/Los_Angeles", UINT64_C(0x130f5684d3cebf33)},
    {"EXTRACT FROM", "WEEK", "America/Los_Angeles", UINT64_C(0xb9a8caa8240f0e49)},
    {"EXTRACT FROM", "MONTH", "America/Los_Angeles", UINT64_C(0x693c08662e0dd22d)},
    {"EXTRACT FROM", "QUARTER", "America/Los_Angeles", UINT64_C(0xb521666923845e5f)},
    {"EXTRACT FROM", "YEAR", "America/Los_Angeles", UINT64_C(0x3cb27926c419a0fc)},
    {"EXTRACT FROM", "DECADE", "America/Los_Angeles", UINT64_C(0xb2d9804da759e48d)},
    {"EXTRACT FROM", "CENTURY", "America/Los_Angeles", UINT64_C(0x11b8d1a63dd8f612)},
    {"EXTRACT FROM", "MILLENNIUM", "America/Los_Angeles", UINT64_C(0x9b5ad8f42094c15c)},
    {"EXTRACT FROM", "EPOCH", "America/Los_Angeles", UINT64_C(0x81780649ac069b05)},
    {"EXTRACT FROM", "DOW", "America/Los_Angeles", UINT64_C(0xcd32114240718a6b)},
    {"EXTRACT FROM", "ISODOW", "America/Los_Angeles", UINT64_C(0xd73be8476f6ad144)},
    {"EXTRACT FROM", "DOY", "America/Los_Angeles", UINT64_C(0xa2fe1aeb61ff342e)},
    {"EXTRACT FROM", "ISOYEAR", "America/Los_Angeles", UINT64_C(0x2549fcae84aa371e)},
    {"FLOOR TO", "HOUR", "Australia/Lord_Howe", UINT64_C(0x049e6151c4531f35)},
    {"FLOOR TO", "DAY", "Australia/Lord_Howe", UINT64_C(0xce8f72a3a12edf41)},
    {"FLOOR TO", "WEEK", "Australia/Lord_Howe", UINT64_C(0x9022ddca63215720)},
    {"FLOOR TO", "MONTH", "Australia/Lord_Howe", UINT64_C(0x3f3e575b59ac03b3)},
    {"FLOOR TO", "QUARTER", "Australia/Lord_Howe", UINT64_C(0x64ea4f30f863d368)},
    {"FLOOR TO", "YEAR", "Australia/Lord_Howe", UINT64_C(0xb1a3388db7112ab0)},
    {"FLOOR TO", "DECADE", "Australia/Lord_Howe", UINT64_C(0x705cfe2c95e579a2)},
    {"FLOOR TO", "CENTURY", "Australia/Lord_Howe", UINT64_C(0x4696dfe3382763d1)},
    {"FLOOR TO", "MILLENNIUM", "Australia/Lord_Howe", UINT64_C(0xe088a87a9dcbb6d4)},
    {"CEIL TO", "HOUR", "Australia/Lord_Howe", UINT64_C(0xede3ce60b7141f76)},
    {"CEIL TO", "DAY", "Australia/Lord_Howe", UINT64_C(0xd8a62d8c7a8a9ba0)},
    {"CEIL TO", "WEEK", "Australia/Lord_Howe", UINT64_C(0xf279623b6e900c26)},
    {"CEIL TO", "MONTH", "Australia/Lord_Howe", UINT64_C(0x847318f046b76e64)},
    {"CEIL TO", "QUARTER", "Australia/Lord_Howe", UINT64_C(0x72133b296d00583f)},
    {"CEIL TO", "YEAR", "Australia/Lord_Howe", UINT64_C(0xfaf68b9c8a5d8ca5)},
    {"CEIL TO", "DECADE", "Australia/Lord_Howe", UINT64_C(0xc71eac0e8ff81598)},
    {"CEIL TO", "CENTURY", "Australia/Lord_Howe", UINT64_C(0xee137fec38727a1f)},
    {"CEIL TO", "MILLENNIUM", "Australia/Lord_Howe", UINT64_C(0x8a8c9192846baa20)},
    {"EXTRACT FROM", "NANOSECOND", "Australia/Lord_Howe", UINT64_C(0x8a72d5ff1f04d288)},
    {"EXTRACT FROM", "MICROSECOND", "Australia/Lord_Howe", UINT64_C(0x76a29669898ab374)},
    {"EXTRACT FROM", "MILLISECOND", "Australia/Lord_Howe", UINT64_C(0xd990379ffee46058)},
    {"EXTRACT FROM", "SECOND", "Australia/Lord_Howe", UINT64_C(0x7d3fd433eef844b0)},
    {"EXTRACT FROM", "MINUTE", "Australia/Lord_Howe", UINT64_C(0x134312780d1e37fa)},
    {"EXTRACT FROM", "HOUR", "Australia/Lord_Howe", UINT64_C(0xaa1faf0d872922fc)},
    {"EXTRACT FROM", "DAY", "Australia/Lord_Howe", UINT64_C(0xff36f6a23e8e9b30)},
    {"EXTRACT FROM", "WEEK", "Australia/Lord_Howe", UINT64_C(0x0f494f96e7f1b1f5)},
    {"EXTRACT FROM", "MONTH", "Australia/Lord_Howe", UINT64_C(0x11f90b992c3c681b)},
    {"EXTRACT FROM", "QUARTER", "Australia/Lord_Howe", UINT64_C(0xca9d4835a9fa7631)},
    {"EXTRACT FROM", "YEAR", "Australia/Lord_Howe", UINT64_C(0xda092b6af2ebe66c)},
    {"EXTRACT FROM", "DECADE", "Australia/Lord_Howe", UINT64_C(0x03e9fcf53e7027cf)},
    {"EXTRACT FROM", "CENTURY", "Australia/Lord_Howe", UINT64_C(0x11b8d1a63dd8f612)},
    {"EXTRACT FROM", "MILLENNIUM", "Australia/Lord_Howe", UINT64_C(0x9b5ad8f42094c15c)},
    {"EXTRACT FROM", "EPOCH", "Australia/Lord_Howe", UINT64_C(0x4b383944a4b219f7)},
    {"EXTRACT FROM", "DOW", "Australia/Lord_Howe", UINT64_C(0x3191decfaea34a48)},
    {"EXTRACT FROM", "ISODOW", "Australia/Lord_Howe", UINT64_C(0xa9a5d862b27ce45a)},
    {"EXTRACT FROM", "DOY", "Australia/Lord_Howe", UINT64_C(0x4d9ef83fdbba826f)},
    {"EXTRACT FROM", "ISOYEAR", "Australia/Lord_Howe", UINT64_C(0xd50458bb182dd3e1)},
    {"TIMESTAMPADD", "MONTH", "UTC", UINT64_C(0x90f19facfd708269)},
    {"TIMESTAMPDIFF", "MONTH", "UTC", UINT64_C(0xa604d93cadc68578)},
    {"DATE_FORMAT", "yyyy-MM-dd HH:mm:ss.SSS", "UTC", UINT64_C(0x4f9ebae3c13b49bc)},
    {"DATE_FORMAT", "yyyy-MM-dd HH:mm:ss.SSS", "America/Los_Angeles", UINT64_C(0xe1e204fa6f45224c)},
    {"DATE_FORMAT", "yyyy-MM-dd HH:mm:ss.SSS", "Australia/Lord_Howe", UINT64_C(0xbd385211647a7afd)},
    {"DATE_FORMAT", "YYYY w W e EEEE F D", "UTC", UINT64_C(0xadbdc808658cac27)},
    {"DATE_FORMAT", "YYYY w W e EEEE F D", "America/Los_Angeles", UINT64_C(0x2b8027d8c4e617fe)},
    {"DATE_FORMAT", "YYYY w W e EEEE F D", "Australia/Lord_Howe", UINT64_C(0x437e80c35001884f)},
    {"DATE_FORMAT", "uuuuu yy MMM MMMM LLLLL QQQ qqqq G a h K k", "UTC", UINT64_C(0x0cc94e8e3a693de7)},
    {"DATE_FORMAT", "uuuuu yy MMM MMMM LLLLL QQQ qqqq G a h K k", "America/Los_Angeles", UINT64_C(0x7d8bc7473607e526)},
    {"DATE_FORMAT", "uuuuu yy MMM MMMM LLLLL QQQ qqqq G a h K k", "Australia/Lord_Howe", UINT64_C(0x87632a3c0a2d858f)},
    {"DATE_FORMAT", "A N n SSSSSS DDD", "UTC", UINT64_C(0xa9ffa695986ec5e6)},
    {"DATE_FORMAT", "A N n SSSSSS DDD", "America/Los_Angeles", UINT64_C(0xcf6556edb3ad63c4)},
    {"DATE_FORMAT", "A N n SSSSSS DDD", "Australia/Lord_Howe", UINT64_C(0x7c70cf0c69cc58a5)},
    {"FROM_UNIXTIME", "yyyy-MM-dd HH:mm:ss", "UTC", UINT64_C(0x2bfda80501690949)},
    {"FROM_UNIXTIME", "yyyy-MM-dd HH:mm:ss", "America/Los_Angeles", UINT64_C(0x07c5ffdafbed2631)},
    {"FROM_UNIXTIME", "yyyy-MM-dd HH:mm:ss", "Australia/Lord_Howe", UINT64_C(0x670e5e931d0d7d34)},
    {"FROM_UNIXTIME", "YY w W E F D u G yy MMM MMMM a h K k", "UTC", UINT64_C(0x9f267c98b60eef51)},
    {"FROM_UNIXTIME", "YY w W E F D u G yy MMM MMMM a h K k", "America/Los_Angeles", UINT64_C(0x14cdb68759090275)},
    {"FROM_UNIXTIME", "YY w W E F D u G yy MMM MMMM a h K k", "Australia/Lord_Howe", UINT64_C(0x2cb2ee12bbdb0c99)},
};
/* clang-format on */

/* Knuth's linear congruential generator, so that it is quickly written in another language. */
static int64_t draw(uint64_t *state, int64_t from, int64_t until)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return from + (int64_t)((*state >> 1) % (uint64_t)(until - from));
}

static void sum_line(uint64_t *sum, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        *sum = (*sum ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
    *sum = (*sum ^ '\n') * UINT64_C(0x100000001b3);
}

static void expression_of(const struct sum_case *c, char *out, size_t bytes)
{
    if (strcmp(c->call, "FLOOR TO") == 0 || strcmp(c->call, "CEIL TO") == 0)
        snprintf(out, bytes, "%.*s(ts TO %s)", (int)strcspn(c->call, " "), c->call, c->argument);
    else if (strcmp(c->call, "EXTRACT FROM") == 0)
        snprintf(out, bytes, "EXTRACT(%s FROM ts)", c->argument);
    else if (strcmp(c->call, "TIMESTAMPADD") == 0)
        snprintf(out, bytes, "TIMESTAMPADD(%s, big, ts)", c->argument);
    else if (strcmp(c->call, "TIMESTAMPDIFF") == 0)
        snprintf(out, bytes, "TIMESTAMPDIFF(%s, ts, TO_TIMESTAMP_LTZ(big))", c->argument);
    else
        snprintf(out, bytes, "%s(%s, '%s')", c->call, strcmp(c->call, "FROM_UNIXTIME") == 0 ? "big" : "ts", c->argument);
}

/* The columns: ts, and big as the call wants it. */
static void columns_fill(const struct sum_case *c, int64_t *ts, int64_t *big)
{
    const bool utc = strcmp(c->zone, "UTC") == 0; /* elsewhere 1970 to 2037, where Java and the system know the same rules */
    const int64_t from = utc ? tl_days_from_civil(1, 1, 1) * TL_DAY_MS : 0;
    const int64_t until = utc ? TL_TIME_MAX_MS + 1 : tl_days_from_civil(2038, 1, 1) * TL_DAY_MS;
    uint64_t state = 42;

    for (uint32_t i = 0; i < INSTANTS; i++) {
        ts[i] = draw(&state, from, until);
        big[i] = (ts[i] - (ts[i] % 1000 + 1000) % 1000) / 1000;
        if (strcmp(c->call, "TIMESTAMPADD") == 0)
            big[i] = draw(&state, -1000, 1000);
        if (strcmp(c->call, "TIMESTAMPDIFF") == 0)
            big[i] = draw(&state, from, until);
    }
}

static void check(const struct sum_case *c)
{
    static uint32_t rows[INSTANTS];
    static const char *failed[INSTANTS];
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    char expression[120], sql[600], text[24];
    struct tl_vec slots[8], out, *ts = NULL, *big = NULL;
    struct tl_memories memories = {0};
    struct tl_arena arena;
    struct tl_plan *plan;

    expression_of(c, expression, sizeof expression);
    snprintf(sql, sizeof sql, "SET 'table.local-time-zone' = '%s';\n%sCREATE VIEW v AS SELECT %s AS x, big, ts FROM t", c->zone,
             EVENTS, expression);
    plan = sql_plan(sql);
    tl_arena_init(&arena, 65536, 0);
    for (uint32_t i = 0; i < plan->sources[0].schema.fields_count; i++) {
        cr_assert(tl_vec_alloc(&arena, plan->sources[0].schema.fields[i].kind, INSTANTS, &slots[i]));
        memset(slots[i].null, 0, INSTANTS);
        *(slots[i].kind == TL_BIGINT ? &big : &ts) = &slots[i];
    }
    cr_assert(ts != NULL && big != NULL);
    columns_fill(c, ts->i64, big->i64);
    for (uint32_t i = 0; i < INSTANTS; i++)
        rows[i] = i;
    cr_assert(tl_expr_eval(&(struct tl_eval){.slots = slots,
                                             .slots_count = plan->sources[0].schema.fields_count,
                                             .event_time = ts,
                                             .rows_count = INSTANTS,
                                             .arena = &arena,
                                             .failed = failed,
                                             .memories = &memories},
                           plan->views[0].outputs[0].expr, rows, INSTANTS, &out));
    for (uint32_t i = 0; i < INSTANTS; i++) {
        cr_assert(!out.null[i] && failed[i] == NULL, "%s is NULL in row %u", expression, i);
        if (out.kind == TL_STRING)
            sum_line(&sum, out.sv[i].data, out.sv[i].size);
        else
            sum_line(&sum, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)out.i64[i]));
    }
    cr_expect_eq(sum, c->sum, "%s in %s", expression, c->zone);
    tl_memories_done(&memories);
    tl_arena_done(&arena);
    tl_plan_close(plan);
}

Test(function_time_sum, flink_computes_the_same)
{
    for (size_t i = 0; i < TL_COUNT(cases); i++)
        check(&cases[i]);
}
