/* timestamp_fuzz.c: any text as a time, in each of the forms, and as a duration: refused, or within the calendar and printed
 * as a text that says the same. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "event/timestamp.h"
#include "sql/settings.h"
#include "fuzz/target.h"

static void check_time(int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];
    int64_t again;
    bool clamped;

    /* 24:00 may lie behind the last day; an offset may lead out of the calendar at either end. */
    CHECK(ms >= TL_TIME_MIN_MS - TL_DAY_MS && ms <= TL_TIME_MAX_MS + TL_DAY_MS);
    if (ms < TL_TIME_MIN_MS || ms > TL_TIME_MAX_MS)
        return;
    CHECK(tl_time_from_iso_z((struct tl_sv){text, tl_time_to_iso_z(ms, text)}, &again, &clamped) && again == ms);
    CHECK(!clamped);
    CHECK(tl_time_from_sql((struct tl_sv){text, tl_time_to_sql(ms, text)}, &again, &clamped) && again == ms);
    CHECK(tl_time_from_rfc3339((struct tl_sv){text, tl_time_to_iso_z(ms, text)}, &again) && again == ms);
}

static void duration_try(struct tl_sv text)
{
    int64_t ms, again;
    struct tl_buf out;

    if (!tl_duration_read(text, &ms))
        return;
    CHECK(ms >= 0);
    tl_buf_init(&out, 0);
    tl_duration_print(ms, &out);
    CHECK(!out.failed && tl_duration_read(tl_buf_sv(&out), &again) && again == ms);
    tl_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1); /* of its own size, so that the sanitizer sees a read behind it */
    struct tl_sv text = {copy, size};
    int64_t ms;
    bool clamped;

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    if (tl_time_from_sql(text, &ms, &clamped))
        check_time(ms);
    if (tl_time_from_sql_z(text, &ms, &clamped))
        check_time(ms);
    if (tl_time_from_iso(text, &ms, &clamped))
        check_time(ms);
    if (tl_time_from_iso_z(text, &ms, &clamped))
        check_time(ms);
    if (tl_time_from_rfc3339(text, &ms))
        check_time(ms);
    if (tl_time_from_access_log(text, &ms))
        check_time(ms);
    duration_try(text);
    free(copy);
    return 0;
}
