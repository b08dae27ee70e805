/* api_rows_test.c: room for many rows that is not there is no failure of the rows that there are. */
#include <criterion/criterion.h>

#include "serving/api_call.h"

Test(api_rows, room_that_there_is_not_is_done_without)
{
    enum { ROWS = 80, BYTES_MAX = 4096 };
    const struct tl_shape_column column = {.name = TL_SV("host"), .kind = TL_STRING};
    const struct tl_value value = {.kind = TL_STRING, .sv = TL_SV("a.example")};
    struct tl_err err = {.message = ""};
    struct tl_api_rows rows;
    struct tl_buf out;

    tl_buf_init(&out, BYTES_MAX);
    tl_api_rows_init(&rows, TL_API_NDJSON, &out);
    rows.rows_max = 10000; /* of which there are few */
    cr_assert_eq(tl_api_rows_head(&rows, &column, 1, &err), TL_OK);
    for (int r = 0; r < ROWS; r++)
        cr_assert_eq(tl_api_rows_add(&rows, &value, 1, &err), TL_OK, "row %d: %s", r, err.message);
    cr_assert_eq(out.size, ROWS * (sizeof "{\"host\":\"a.example\"}\n" - 1));
    for (int r = 0; r < BYTES_MAX && !out.failed; r++)
        (void)!tl_api_rows_add(&rows, &value, 1, &err);
    cr_assert_eq(tl_api_rows_add(&rows, &value, 1, &err), TL_ERR_LIMIT);
    tl_api_rows_done(&rows);
    tl_buf_done(&out);
}
