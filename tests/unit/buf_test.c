/* buf_test.c: what is put comes back, no read runs past the end, and JSON text is always JSON. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "base/buf.h"

static const uint64_t samples[] = {0,          1,          127,        128,       300,        16383,     16384,
                                   UINT32_MAX, 1ull << 35, 1ull << 62, INT64_MAX, 1ull << 63, UINT64_MAX};

Test(buf, round_trip)
{
    struct tl_buf buf;
    struct tl_reader reader;

    tl_buf_init(&buf, 0);
    for (size_t i = 0; i < TL_COUNT(samples); i++) {
        tl_buf_put_u8(&buf, (uint8_t)samples[i]);
        tl_buf_put_u32(&buf, (uint32_t)samples[i]);
        tl_buf_put_u64(&buf, samples[i]);
        tl_buf_put_varint(&buf, samples[i]);
        tl_buf_put_zigzag(&buf, (int64_t)samples[i]);
        tl_buf_put_block(&buf, (struct tl_sv){"0123456789", i % 11});
    }
    cr_assert_eq(tl_buf_check(&buf, "round trip", NULL), TL_OK);
    reader = tl_reader_of(tl_buf_sv(&buf));
    for (size_t i = 0; i < TL_COUNT(samples); i++) {
        cr_assert_not(tl_reader_at_end(&reader));
        cr_assert_eq(tl_reader_u8(&reader), (uint8_t)samples[i]);
        cr_assert_eq(tl_reader_u32(&reader), (uint32_t)samples[i]);
        cr_assert_eq(tl_reader_u64(&reader), samples[i]);
        cr_assert_eq(tl_reader_varint(&reader), samples[i]);
        cr_assert_eq(tl_reader_zigzag(&reader), (int64_t)samples[i]);
        cr_assert(tl_sv_eq(tl_reader_block(&reader), (struct tl_sv){"0123456789", i % 11}));
    }
    cr_assert(tl_reader_at_end(&reader));
    tl_buf_done(&buf);
}

Test(buf, integers_are_little_endian_and_varints_short)
{
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_buf_put_u32(&buf, 0x04030201);
    cr_assert(tl_sv_eq(tl_buf_sv(&buf), TL_SV("\1\2\3\4")));
    tl_buf_clear(&buf);
    tl_buf_put_zigzag(&buf, -1);
    tl_buf_put_zigzag(&buf, 63);
    tl_buf_put_zigzag(&buf, -64);
    cr_assert_eq(buf.size, 3);
    tl_buf_done(&buf);
}

Test(buf, a_reader_never_runs_past_the_end)
{
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_buf_put_u64(&buf, 1);
    tl_buf_put_varint(&buf, UINT64_MAX);
    tl_buf_put_block(&buf, TL_SV("hello"));
    for (size_t size = 0; size < buf.size; size++) {
        struct tl_reader reader = tl_reader_of((struct tl_sv){buf.data, size});

        (void)tl_reader_u64(&reader);
        (void)tl_reader_varint(&reader);
        (void)tl_reader_block(&reader);
        cr_assert(reader.failed, "cut at %zu", size);
        cr_assert_not(tl_reader_at_end(&reader));
        cr_assert_eq(tl_reader_u8(&reader), 0);
        cr_assert_eq(tl_reader_block(&reader).size, 0);
    }
    tl_buf_done(&buf);
}

Test(buf, a_varint_of_more_than_64_bits_is_refused)
{
    struct tl_reader reader = tl_reader_of(TL_SV("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));

    cr_assert_eq(tl_reader_varint(&reader), 0);
    cr_assert(reader.failed);
    reader = tl_reader_of(TL_SV("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"));
    (void)tl_reader_varint(&reader);
    cr_assert(reader.failed);
    reader = tl_reader_of((struct tl_sv){NULL, 0});
    cr_assert(tl_reader_at_end(&reader));
    cr_assert_eq(tl_reader_bytes(&reader, 0).size, 0);
    cr_assert_not(reader.failed);
}

Test(buf, a_block_that_claims_too_much_is_refused)
{
    struct tl_reader reader = tl_reader_of(TL_SV("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xx"));

    cr_assert_eq(tl_reader_block(&reader).size, 0);
    cr_assert(reader.failed);
}

Test(buf, what_does_not_fit_is_dropped_whole_and_said_once)
{
    struct tl_buf buf;
    struct tl_err err = {0};

    tl_buf_init(&buf, 8);
    tl_buf_put_str(&buf, "1234");
    tl_buf_printf(&buf, "%s", "5678");
    cr_assert_not(buf.failed, "exactly full");
    tl_buf_put_u8(&buf, 'x');
    cr_assert(buf.failed);
    tl_buf_put(&buf, "", 0);
    cr_assert(tl_sv_eq(tl_buf_sv(&buf), TL_SV("12345678")));
    cr_assert_eq(tl_buf_check(&buf, "the tick's blob", &err), TL_ERR_LIMIT);
    cr_assert(strstr(err.message, "the tick's blob") != NULL && strstr(err.message, "8 bytes") != NULL, "%s", err.message);
    cr_assert_null(tl_buf_reserve(&buf, 1));
    tl_buf_clear(&buf);
    tl_buf_put_block(&buf, TL_SV("12345678"));
    cr_assert(buf.failed);
    cr_assert_eq(buf.size, 0, "no size without its bytes");
    tl_buf_clear(&buf);
    tl_buf_printf(&buf, "%d", 123456789);
    cr_assert(buf.failed);
    cr_assert_eq(buf.size, 0);
    cr_assert_null(tl_buf_reserve(&buf, SIZE_MAX));
    tl_buf_done(&buf);
}

Test(buf, grows_and_keeps_its_bytes)
{
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    for (int i = 0; i < 10000; i++)
        tl_buf_printf(&buf, "%04d", i);
    cr_assert_eq(buf.size, 40000);
    cr_assert(memcmp(buf.data + 4 * 5000, "5000", 4) == 0);
    cr_assert_not_null(tl_buf_reserve(&buf, 0));
    cr_assert_eq(buf.size, 40000);
    tl_buf_done(&buf);
    cr_assert_null(buf.data);
}

struct json_case {
    char name[40], text[32], want[64];
    size_t size;
};

ParameterizedTestParameters(buf, json)
{
    static struct json_case cases[] = {
        {"empty",                           "",                         "\"\"",                                     0},
        {"plain",                           "hits/5m",                  "\"hits/5m\"",                              7},
        {"quote and backslash",             "a\"b\\c",                  "\"a\\\"b\\\\c\"",                          5},
        {"short escapes",                   "\b\f\n\r\t",               "\"\\b\\f\\n\\r\\t\"",                      5},
        {"control characters",              "\x01\x1f",                 "\"\\u0001\\u001f\"",                       2},
        {"zero byte",                       "a\0b",                     "\"a\\u0000b\"",                            3},
        {"delete is no control in JSON",    "\x7f",                     "\"\x7f\"",                                 1},
        {"other alphabets as they are",     "\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\"",             6},
        {"what is no UTF-8 becomes U+FFFD", "a\xffz",                   "\"a\xef\xbf\xbdz\"",                       3},
        {"a character cut off",             "\xe2\x82",                 "\"\xef\xbf\xbd\xef\xbf\xbd\"",             2},
        {"surrogates",                      "\xed\xa0\x80",             "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", 3},
    };
    return cr_make_param_array(struct json_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct json_case *c, buf, json)
{
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_buf_put_json(&buf, (struct tl_sv){c->text, c->size});
    cr_assert(tl_sv_eq(tl_buf_sv(&buf), tl_sv_from(c->want)), "%s: got %.*s", c->name, TL_SV_ARG(tl_buf_sv(&buf)));
    tl_buf_done(&buf);
}

/* Eight bytes are looked at in one go: each byte, at each place of them. */
Test(buf, json_of_any_byte_anywhere)
{
    struct tl_buf alone, buf;
    char text[19];

    tl_buf_init(&alone, 0);
    tl_buf_init(&buf, 0);
    for (int byte = 0; byte < 256; byte++) {
        char one = (char)byte;

        tl_buf_clear(&alone);
        tl_buf_put_json(&alone, (struct tl_sv){&one, 1});
        for (size_t at = 0; at < sizeof text; at++) {
            size_t escaped = alone.size - 2;

            memset(text, 'x', sizeof text);
            text[at] = one;
            tl_buf_clear(&buf);
            tl_buf_put_json(&buf, (struct tl_sv){text, sizeof text});
            cr_assert_eq(buf.size, sizeof text - 1 + alone.size, "byte %d at %zu", byte, at);
            cr_assert_arr_eq(buf.data + 1 + at, alone.data + 1, escaped, "byte %d at %zu", byte, at);
            for (size_t i = 0; i < sizeof text - 1; i++)
                cr_assert_eq(buf.data[1 + i + (i < at ? 0 : escaped)], 'x', "byte %d at %zu", byte, at);
        }
    }
    tl_buf_done(&alone);
    tl_buf_done(&buf);
}

Test(buf, decimals)
{
    struct tl_buf buf;

    tl_buf_init(&buf, 0);
    tl_buf_put_decimal(&buf, 0);
    tl_buf_put_u8(&buf, ' ');
    tl_buf_put_decimal(&buf, 1090);
    tl_buf_put_u8(&buf, ' ');
    tl_buf_put_decimal(&buf, UINT64_MAX);
    cr_assert(tl_sv_eq(tl_buf_sv(&buf), TL_SV("0 1090 18446744073709551615")));
    tl_buf_done(&buf);
}
