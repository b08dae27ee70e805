/* base64url_test.c: bytes as text for a URL, and back. */
#include <criterion/criterion.h>

#include "base/base64url.h"

Test(base64url, there_and_back)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } cases[] = {
  /* RFC 4648, section 10, without padding */
        {"",             0, ""        },
        {"f",            1, "Zg"      },
        {"fo",           2, "Zm8"     },
        {"foo",          3, "Zm9v"    },
        {"foob",         4, "Zm9vYg"  },
        {"fooba",        5, "Zm9vYmE" },
        {"foobar",       6, "Zm9vYmFy"},
        {"\xff\xef\xbe", 3, "_---"    },
        {"\0\0",         2, "AAA"     },
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_buf text, bytes;

        tl_buf_init(&text, 0);
        tl_buf_init(&bytes, 0);
        tl_base64url_put(&text, (struct tl_sv){cases[i].bytes, cases[i].size});
        cr_assert(tl_sv_eq(tl_buf_sv(&text), tl_sv_from(cases[i].text)), "%.*s", TL_SV_ARG(tl_buf_sv(&text)));
        cr_assert(tl_base64url_read(tl_sv_from(cases[i].text), &bytes));
        cr_assert(tl_sv_eq(tl_buf_sv(&bytes), (struct tl_sv){cases[i].bytes, cases[i].size}), "%s", cases[i].text);
        tl_buf_done(&text);
        tl_buf_done(&bytes);
    }
}

/* Bytes have one text each. */
Test(base64url, refused)
{
    static const char *const cases[] = {"Z", "Zg==", "Zh", "Zm9", "Zm9v+", "Zm9v/", " Zg", "Zg\n", "Zm9vY", "\xc3\xa4"};

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_buf bytes;

        tl_buf_init(&bytes, 0);
        tl_buf_put_str(&bytes, "kept");
        cr_assert(!tl_base64url_read(tl_sv_from(cases[i]), &bytes), "%s", cases[i]);
        cr_assert(tl_sv_eq(tl_buf_sv(&bytes), TL_SV("kept")));
        tl_buf_done(&bytes);
    }
}
