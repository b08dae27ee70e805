/* blob_test.c: bytes that are shared are there until the last one lets go, wherever they came from. */
#include <criterion/criterion.h>

#include "base/blob.h"

static void expect(const struct tl_blob *blob, const char *want)
{
    cr_assert(tl_sv_eq((struct tl_sv){blob->data, blob->size}, tl_sv_from(want)));
}

Test(blob, copied)
{
    char text[] = "a frame";
    struct tl_blob *blob = tl_blob_copy(tl_sv_from(text));

    cr_assert_not_null(blob);
    text[0] = 'x';
    tl_blob_drop(tl_blob_hold(blob));
    expect(blob, "a frame");
    tl_blob_drop(blob);
    tl_blob_drop(NULL);
}

/* A buffer's own memory: the sanitizers say whether it is freed once. */
Test(blob, taken)
{
    struct tl_buf buf;
    struct tl_blob *first, *second;

    tl_buf_init(&buf, 100);
    tl_buf_put_str(&buf, "an answer");
    first = tl_blob_take(&buf);
    cr_assert_not_null(first);
    cr_assert(buf.data == NULL && buf.size == 0 && buf.capacity == 0 && buf.bytes_max == 100);
    tl_buf_put_str(&buf, "the next");
    second = tl_blob_take(&buf);
    cr_assert_not_null(second);
    tl_buf_done(&buf);
    expect(first, "an answer");
    expect(second, "the next");
    tl_blob_drop(second);
    tl_blob_drop(tl_blob_hold(first));
    expect(first, "an answer");
    tl_blob_drop(first);
}

Test(blob, of_nothing)
{
    struct tl_buf buf;
    struct tl_blob *blob;

    tl_buf_init(&buf, 0);
    blob = tl_blob_take(&buf);
    cr_assert(blob != NULL && blob->size == 0 && blob->data != NULL);
    tl_blob_drop(blob);
    tl_buf_put_u8(&buf, 'x');
    tl_buf_clear(&buf);
    blob = tl_blob_take(&buf);
    cr_assert(blob != NULL && blob->size == 0 && blob->data != NULL);
    tl_blob_drop(blob);
    tl_buf_done(&buf);
}
