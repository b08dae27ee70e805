/* json_event_run_test.c: lines parsed together give what each gives by itself, whatever their neighbours are. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "event/json_event.h"

enum { LINES_MAX = 400, DEPTH_MAX = 16, EVENT_BYTES_MAX = 500 };

/* What is wrong with some would be mended, or hidden, by a neighbour if lines were not kept apart. */
static const char *const pieces[] = {
    "{\"n\":1,\"url\":\"/a\"}",
    "{\"url\":\"/b\\\"\",\"n\":\"2\"}",
    " {\"n\":3} \t",
    "{\"n\":4,\"x\":{\"y\":[1,2,{\"z\":\"}\"}]}}",
    "{}",
    "",
    "   ",
    "{\"n\":5",
    ",\"url\":\"c\"}",
    "{\"n\":",
    "6}",
    "{\"n\":7,\"url\":\"open",
    "shut\"}",
    "{\"n\":8}{\"n\":9}",
    "{\"n\":10} x",
    "[{\"n\":11},{\"n\":12},13]",
    "[{\"n\":14},",
    "15]",
    "{\"n\":16,\"url\":\"\xc3\"}",
    "{\"n\":17,\"url\":\"tab\there\"}",
    "{\"n\":18}\\",
    "\"",
    "\\\"{\"n\":19}",
    "{\"n\":20,\"url\":\"back\\",
    "\",\"n\":21}",
    "{\"n\":22}\xe2",
    "\x82\xac",
    "{\"n\":23}\f",
    "{\"n\":24,\"n\":25,\"url\":null}",
    "{\"n\":tru,\"url\":1.50}",
    "null",
    "\"n\":28}",
    "{\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]],\"n\":26}",
    "{\"n\":27,\"url\":\"/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/"
    "long/"
    "long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/"
    "long/"
    "long/long/long/long/long/long/long/long/long/long/long/long/long/long/\"}",
};

enum { FIELDS = 3 };
static struct tl_field fields[FIELDS] = {
    {.name = {"url", 3},         .kind = TL_STRING},
    {.name = {"n", 1},           .kind = TL_INT   },
    {.name = {"user_agent", 10}, .kind = TL_STRING}
};
static const struct tl_schema schema = {fields, FIELDS, TL_TIME_ISO_8601, EVENT_BYTES_MAX, DEPTH_MAX};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void batches_equal(const struct tl_batch *a, const struct tl_batch *b)
{
    cr_assert_eq(a->rows, b->rows);
    cr_assert_eq(a->messages_count, b->messages_count);
    cr_assert_eq(a->dead_count, b->dead_count);
    for (uint32_t r = 0; r < a->rows; r++) {
        cr_assert(a->offset[r] == b->offset[r] && a->log_ms[r] == b->log_ms[r] && a->row[r] == b->row[r] &&
                      a->flags[r] == b->flags[r] && a->raw[r].data == b->raw[r].data && a->raw[r].size == b->raw[r].size,
                  "row %u of message %lld", r, (long long)a->offset[r]);
        cr_assert(memcmp(a->bad + FIELDS * r, b->bad + FIELDS * r, FIELDS) == 0);
        for (uint32_t f = 0; f < FIELDS; f++) {
            struct tl_value x = tl_vec_get(&a->column[f], r), y = tl_vec_get(&b->column[f], r);

            cr_assert(tl_value_eq(&x, &y), "field %u of message %lld", f, (long long)a->offset[r]);
        }
    }
    for (uint32_t d = 0; d < a->dead_count; d++)
        cr_assert(a->dead[d].offset == b->dead[d].offset && a->dead[d].row == b->dead[d].row &&
                      a->dead[d].reason == b->dead[d].reason && a->dead[d].raw.data == b->dead[d].raw.data &&
                      a->dead[d].raw.size == b->dead[d].raw.size,
                  "dead letter %u: %u, alone %u", d, a->dead[d].reason, b->dead[d].reason);
}

/* `sound` of 8 lines are sound ones. */
static void compare(struct tl_json_event *parser, struct tl_batch *together, struct tl_batch *alone, uint64_t *random,
                    unsigned sound)
{
    static char text[LINES_MAX * 512 + TL_MESSAGE_PADDING];
    struct tl_message messages[LINES_MAX];
    size_t count = 1 + next_random(random) % LINES_MAX, at = 0;
    struct tl_err err;

    for (size_t i = 0; i < count; i++) {
        const char *piece =
            pieces[next_random(random) % 8 < sound ? next_random(random) % 5 : next_random(random) % TL_COUNT(pieces)];
        size_t size = strlen(piece);

        memcpy(text + at, piece, size);
        messages[i] = (struct tl_message){
            (int64_t)(2 * i), (int64_t)i, {text + at, size}
        };
        at += size;
        /* Now and then what stands between two messages is not a newline, or there is a gap, or no bytes at all. */
        text[at++] = next_random(random) % 16 == 0 ? '"' : '\n';
        if (next_random(random) % 32 == 0)
            text[at++] = '\n';
        if (next_random(random) % 64 == 0)
            messages[i].value.data = NULL;
    }
    memset(text + at, '"', TL_MESSAGE_PADDING);
    tl_batch_clear(together);
    tl_batch_clear(alone);
    cr_assert_eq(tl_json_event_parse_all(parser, messages, count, together, &err), TL_OK);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(tl_json_event_parse(parser, &messages[i], alone, &err), TL_OK);
    batches_equal(together, alone);
}

Test(json_event_run, together_is_as_alone)
{
    struct tl_batch *together, *alone;
    struct tl_json_event *parser;
    uint64_t random = 88172645463325252u;
    struct tl_err err;

    cr_assert_eq(tl_json_event_open(&schema, &parser, &err), TL_OK);
    cr_assert_eq(tl_batch_open(&schema, &together, &err), TL_OK);
    cr_assert_eq(tl_batch_open(&schema, &alone, &err), TL_OK);
    for (unsigned i = 0; i < 600; i++)
        compare(parser, together, alone, &random, i % 9);
    tl_json_event_close(parser);
    tl_batch_close(together);
    tl_batch_close(alone);
}

/* The same pairs of lines, so that each is seen before and behind each other one; and not only a newline stands between them. */
Test(json_event_run, every_pair)
{
    struct tl_batch *together, *alone;
    static const char between[] = {'\n', '{', '"', ' ', 'x', '\\', ','};
    struct tl_json_event *parser;
    struct tl_err err;

    cr_assert_eq(tl_json_event_open(&schema, &parser, &err), TL_OK);
    cr_assert_eq(tl_batch_open(&schema, &together, &err), TL_OK);
    cr_assert_eq(tl_batch_open(&schema, &alone, &err), TL_OK);
    for (size_t i = 0; i < TL_COUNT(pieces) * TL_COUNT(pieces) * sizeof between; i++) {
        size_t pair = i / sizeof between;
        const char *first = pieces[pair / TL_COUNT(pieces)], *second = pieces[pair % TL_COUNT(pieces)];
        char text[2048 + TL_MESSAGE_PADDING] = {0};
        struct tl_message messages[2];

        messages[0] = (struct tl_message){
            1, 1, {text, strlen(first)}
        };
        messages[1] = (struct tl_message){
            2, 2, {text + strlen(first) + 1, strlen(second)}
        };
        memcpy(text, first, strlen(first));
        text[strlen(first)] = between[i % sizeof between];
        memcpy(text + strlen(first) + 1, second, strlen(second));
        tl_batch_clear(together);
        tl_batch_clear(alone);
        cr_assert_eq(tl_json_event_parse_all(parser, messages, 2, together, &err), TL_OK);
        for (int m = 0; m < 2; m++)
            cr_assert_eq(tl_json_event_parse(parser, &messages[m], alone, &err), TL_OK);
        batches_equal(together, alone);
    }
    tl_json_event_close(parser);
    tl_batch_close(together);
    tl_batch_close(alone);
}

/* Keys alike, of every length about a word's, with escapes, and more of them than a parser expects again. */
#define TEN(k)                                                                                                                   \
    "\"" k "0\":0,\"" k "1\":0,\"" k "2\":0,\"" k "3\":0,\"" k "4\":0,\"" k "5\":0,\"" k "6\":0,\"" k "7\":0,\"" k "8\":0,\"" k  \
    "9\":0,"
static const char *const keyed[] = {
    "{\"n\":1,\"url\":\"a\"}",
    "{\"url\":\"b\",\"n\":2}",
    "{\"n\" :3, \"url\"\t:\"c\"}",
    "{\"\\u006e\":4,\"u\\u0072l\":\"d\"}",
    "{\"n\\\"\":5,\"n\":6}",
    "{\"n\\\\\":7,\"n\":8}",
    "{\"\":9,\"nn\":10,\"n\":11}",
    "{\"n\\\\\\\":\":12}",
    "{\"nrl\":13,\"url\":14}",
    "{\"urlurlu\":15,\"n\":16}",
    "{\"urlurlur\":17,\"n\":18}",
    "{\"urlurlurl\":19,\"n\":20}",
    "{\"urlurlurlurlurlu\":21,\"n\":22}",
    "{\"urlurlurlurlurlur\":23,\"n\":24}",
    "{\"urlurlurlurlurlux\":25,\"n\":26}",
    "{\"n\":27,\"n\":28}",
    "{\"user_agent\":32,\"n\":33}",
    "{\"user_agenx\":34,\"n\":35}",
    "{\"user_agen\":36,\"user_agent_\":37}",
    "{" TEN("a") TEN("b") TEN("c") "\"d\":0,\"n\":29,\"url\":\"e\"}",
    "{" TEN("a") TEN("b") TEN("c") "\"d\":0,\"e\":0,\"f\":0,\"n\":30,\"url\":\"f\"}",
    "{" TEN("a") TEN("b") TEN("c") "\"d\":0,\"url\":\"g\",\"n\":31}",
};

Test(json_event_run, the_keys_of_the_object_before_do_not_matter)
{
    struct tl_batch *behind, *alone;
    struct tl_err err;

    cr_assert_eq(tl_batch_open(&schema, &behind, &err), TL_OK);
    cr_assert_eq(tl_batch_open(&schema, &alone, &err), TL_OK);
    for (size_t i = 0; i < TL_COUNT(keyed) * TL_COUNT(keyed); i++) {
        const char *lines[] = {keyed[i / TL_COUNT(keyed)], keyed[i % TL_COUNT(keyed)]};
        struct tl_json_event *knows, *fresh;
        char text[2][1024 + TL_MESSAGE_PADDING] = {{0}};
        struct tl_message messages[2];

        cr_assert_eq(tl_json_event_open(&schema, &knows, &err), TL_OK);
        cr_assert_eq(tl_json_event_open(&schema, &fresh, &err), TL_OK);
        for (size_t m = 0; m < 2; m++) {
            memcpy(text[m], lines[m], strlen(lines[m]));
            messages[m] = (struct tl_message){
                (int64_t)m, 1, {text[m], strlen(lines[m])}
            };
            tl_batch_clear(behind);
            cr_assert_eq(tl_json_event_parse(knows, &messages[m], behind, &err), TL_OK);
        }
        tl_batch_clear(alone);
        cr_assert_eq(tl_json_event_parse(fresh, &messages[1], alone, &err), TL_OK);
        cr_assert_eq(alone->rows, 1, "%s", lines[1]);
        batches_equal(behind, alone);
        tl_json_event_close(knows);
        tl_json_event_close(fresh);
    }
    tl_batch_close(behind);
    tl_batch_close(alone);
}
