/* access_log_fuzz.c: no line makes the reader of access logs run past its end, and what it takes is one event for the event parser,
 * with the line's time, status and size. The first byte chooses the format. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/json_event.h"

#include "fuzz/target.h"
#include "speed_layer/access_log.c" /* a layer's objects stand in no archive */

#define ID "01234567-89ab-8def-8123-456789abcdef"

enum { F_ID, F_TIME, F_STATUS, F_BYTES, F_URL, F_AGENT, F_HOST, FIELDS };
static const struct tl_field fields[FIELDS] = {
    {{"event_id", 8},    TL_STRING       },
    {{"event_time", 10}, TL_TIMESTAMP_LTZ},
    {{"status", 6},      TL_BIGINT       },
    {{"bytes", 5},       TL_BIGINT       },
    {{"url", 3},         TL_STRING       },
    {{"user_agent", 10}, TL_STRING       },
    {{"host", 4},        TL_STRING       }
};
static const struct tl_schema schema = {fields, FIELDS, TL_TIME_ISO_8601, 8 << 20, 1024};
static struct tl_json_event *parser;
static struct tl_batch *batch;
static struct tl_buf out, scratch;

static void check_number(int field, int64_t want)
{
    struct tl_value value = tl_vec_get(&batch->column[field], 0);

    CHECK(value.is_null == (want < 0));
    CHECK(value.is_null || value.i64 == want);
}

static void check_event(const struct tl_access_line *line)
{
    struct tl_message message = {
        0, 0, {NULL, 0}
    };
    struct tl_access_event event;
    struct tl_value value;
    size_t size;

    tl_buf_clear(&out);
    tl_access_event_put(&out, &scratch, line, TL_SV("here"), ID, &event);
    CHECK(!out.failed);
    size = out.size;
    CHECK(tl_buf_reserve(&out, TL_MESSAGE_PADDING) != NULL);
    memset(out.data + size, 0, TL_MESSAGE_PADDING);
    message.value = (struct tl_sv){out.data, size};
    tl_batch_clear(batch);
    CHECK(tl_json_event_parse(parser, &message, batch, NULL) == TL_OK);
    CHECK(batch->dead_count == 0 && batch->rows == 1 && batch->flags[0] == 0);
    value = tl_vec_get(&batch->column[F_ID], 0);
    CHECK(!value.is_null && tl_sv_eq(value.sv, TL_SV(ID)));
    value = tl_vec_get(&batch->column[F_TIME], 0);
    CHECK(!value.is_null && value.i64 == line->time_ms);
    check_number(F_STATUS, line->status);
    check_number(F_BYTES, line->bytes);
    CHECK(tl_vec_get(&batch->column[F_URL], 0).is_null == (line->request.data == NULL));
    CHECK(tl_vec_get(&batch->column[F_AGENT], 0).is_null == (line->user_agent.data == NULL));
    CHECK(!tl_vec_get(&batch->column[F_HOST], 0).is_null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_access_line line;
    char *text;

    if (size == 0)
        return 0;
    if (parser == NULL) {
        CHECK(tl_json_event_open(&schema, &parser, NULL) == TL_OK);
        CHECK(tl_batch_open(&schema, &batch, NULL) == TL_OK);
        tl_buf_init(&out, 0);
        tl_buf_init(&scratch, 0);
    }
    /* The line alone in its block. */
    text = malloc(size > 1 ? size - 1 : 1);
    CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    if (tl_access_line_read((enum tl_access_format)(data[0] % 3), (struct tl_sv){text, size - 1}, &line) == NULL)
        check_event(&line);
    free(text);
    return 0;
}
