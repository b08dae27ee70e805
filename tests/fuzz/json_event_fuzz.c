/* json_event_fuzz.c: any bytes as a message: a dead letter or rows as the slow reference says, whichever columns are wanted, and what
 * both see of a column is the same; texts are well-formed UTF-8 without NUL, numbers finite and in range, times in the calendar. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/json_event.h"
#include "event/timestamp.h"
#include "support/json_reference.h"
#include "fuzz/target.h"

enum { BYTES_MAX = 4096, DEPTH_MAX = 12, FIELDS = 7, SETS = 4 };

static const struct tl_field all[FIELDS] = {
    {{"event_time", 10}, TL_TIMESTAMP_LTZ},
    {{"url", 3},         TL_STRING       },
    {{"n", 1},           TL_INT          },
    {{"d", 1},           TL_DOUBLE       },
    {{"b", 1},           TL_BOOLEAN      },
    {{"", 0},            TL_STRING       },
    {{"t", 1},           TL_TINYINT      }
};
/* All, none, and two parts of it. */
static const unsigned wanted[SETS] = {0x7f, 0, 0x15, 0x6a};
static struct set {
    struct tl_field fields[FIELDS];
    uint32_t from[FIELDS]; /* place in `all` */
    struct tl_schema schema;
    struct tl_json_event *parser;
    struct tl_batch *batch;
} sets[SETS];

static void open_all(void)
{
    for (unsigned s = 0; s < SETS; s++) {
        struct set *set = &sets[s];
        uint32_t count = 0;

        for (uint32_t f = 0; f < FIELDS; f++)
            if (wanted[s] >> f & 1) {
                set->from[count] = f;
                set->fields[count++] = all[f];
            }
        set->schema = (struct tl_schema){set->fields, count, TL_TIME_ISO_8601, BYTES_MAX, DEPTH_MAX};
        CHECK(tl_json_event_open(&set->schema, &set->parser, NULL) == TL_OK);
        CHECK(tl_batch_open(&set->schema, &set->batch, NULL) == TL_OK);
    }
}

static void check_value(const struct tl_value *value)
{
    int64_t min, max;

    if (value->is_null)
        return;
    if (value->kind == TL_STRING) {
        for (size_t i = 0, step; i < value->sv.size; i += step) {
            step = tl_utf8_size(value->sv.data + i, value->sv.size - i);
            CHECK(step > 0 && value->sv.data[i] != '\0');
        }
    } else if (value->kind == TL_DOUBLE) {
        CHECK(isfinite(value->f64));
    } else if (value->kind == TL_BOOLEAN) {
        CHECK(value->i64 == 0 || value->i64 == 1);
    } else if (value->kind == TL_TIMESTAMP_LTZ) {
        CHECK(value->i64 >= TL_TIME_MIN_MS && value->i64 <= TL_TIME_MAX_MS);
    } else {
        tl_kind_range(value->kind, &min, &max);
        CHECK(value->i64 >= min && value->i64 <= max);
    }
}

static void check_set(const struct set *set, const struct json_reference *reference)
{
    const struct tl_batch *batch = set->batch, *first = sets[0].batch;

    CHECK(batch->messages_count == 1 && batch->rows == first->rows && batch->dead_count == first->dead_count);
    if (reference->whole != 0) {
        CHECK(batch->rows == 0 && batch->dead_count == 1 && batch->dead[0].reason == reference->whole);
        return;
    }
    CHECK(batch->rows == reference->rows && batch->dead_count == reference->not_objects);
    for (uint32_t i = 0; i < batch->dead_count; i++)
        CHECK(batch->dead[i].reason == TL_DEAD_NOT_OBJECT && batch->dead[i].row == first->dead[i].row);
    for (uint32_t row = 0; row < batch->rows; row++) {
        CHECK(batch->row[row] == first->row[row]);
        for (uint32_t f = 0; f < set->schema.fields_count; f++) {
            struct tl_value value = tl_vec_get(&batch->column[f], row), same = tl_vec_get(&first->column[set->from[f]], row);
            uint8_t bad = batch->bad[(size_t)row * set->schema.fields_count + f];

            CHECK(tl_value_eq(&value, &same) && bad == first->bad[(size_t)row * FIELDS + set->from[f]]);
            CHECK(!bad || (value.is_null && (batch->flags[row] & TL_FLAG_BAD_FIELD) != 0));
            check_value(&value);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Exactly as large as promised, with brackets and quotes where a reader that went too far would find them. */
    char *bytes = malloc(size + TL_MESSAGE_PADDING);
    struct tl_message message = {
        7, 8, {bytes, size}
    };
    struct json_reference reference;

    CHECK(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data, size);
    memset(bytes + size, size % 2 ? '"' : '}', TL_MESSAGE_PADDING);
    if (sets[0].parser == NULL)
        open_all();
    reference = json_reference_judge(bytes, size, BYTES_MAX, DEPTH_MAX);
    for (unsigned s = 0; s < SETS; s++) {
        tl_batch_clear(sets[s].batch);
        CHECK(tl_json_event_parse(sets[s].parser, &message, sets[s].batch, NULL) == TL_OK);
        check_set(&sets[s], &reference);
    }
    free(bytes);
    return 0;
}
