/* live_frames_test.c: what may come over /api/v1/live that is not right: frames against the protocol, texts that are none, messages that mean nothing. Each has
 * its close code or its error, and who listens beside it is told as before.
 *
 * The framing itself is the Autobahn suite's (autobahn_test.c, over an echo server); here it is the whole program. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/serve_run.h"
#include "support/ws_frame.h"

enum { MESSAGE_BYTES_MAX = 65536 };

static const char views_text[] =
    "CREATE TABLE events (event_id STRING, host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)\n"
    "    WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');\n"
    "CREATE VIEW hits AS SELECT window_start, window_end, host, COUNT(*) AS n\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, host;\n";

static struct pipeline p;
static struct serve serve;
static struct wire listener; /* who does nothing wrong */
static int counted;

static void count_event(void)
{
    char line[200], path[300];

    snprintf(line, sizeof line, "{\"event_id\":\"e%d\",\"host\":\"a\",\"event_time\":\"2024-03-01T10:00:00.000Z\"}\n", ++counted);
    snprintf(path, sizeof path, "%s", run_file_write(p.dir, "line.jsonl", line));
    TALLY(&p, 0, "import", path, "--format", "jsonl");
    TALLY(&p, 0, "speed", "--once");
}

static void open_client(struct wire *wire)
{
    wire_open(wire, serve.port);
    cr_assert(ws_shake(wire, ""), "%s", wire->head);
}

static void open_scene(void)
{
    pipeline_open(&p, views_text);
    unsetenv("TALLY_STORE");
    unsetenv("TALLY_SERVE_TOKEN");
    count_event();
    serve_start(&serve, &p, (const char *const[]){NULL});
    serve_found(&serve);
    open_client(&listener);
    ws_say(&listener, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    ws_hear_words(&listener, "\"type\":\"snapshot\"");
}

/* The listener is told what happens now, and serve ends well. */
static void close_scene(void)
{
    char words[20];

    count_event();
    snprintf(words, sizeof words, "\"n\":%d", counted);
    ws_hear_words(&listener, words);
    wire_close(&listener);
    serve_stop(&serve);
    pipeline_close(&p);
}

TestSuite(live_frames, .init = open_scene, .fini = close_scene, .timeout = 120);

/* ---- frames ---- */

static void put_head(struct tl_buf *out, unsigned first, unsigned size)
{
    tl_buf_put_u8(out, (uint8_t)first);
    tl_buf_put_u8(out, (uint8_t)size);
}

static void put_large(struct tl_buf *out, unsigned first, size_t size)
{
    char *text = malloc(size);

    memset(text, ' ', size);
    ws_frame_put(out, first, (struct tl_sv){text, size});
    free(text);
}

static void put_invalid_utf8(struct tl_buf *out)
{
    ws_frame_put(out, WS_TEXT, TL_SV("{\"type\":\"\xc3\x28\"}"));
}
static void put_half_a_character(struct tl_buf *out)
{
    ws_frame_put(out, WS_TEXT, TL_SV("\xf0\x9f\x98"));
}
static void put_surrogate(struct tl_buf *out)
{
    ws_frame_put(out, WS_TEXT_BEGINS, TL_SV("ok"));
    ws_frame_put(out, 0x80, TL_SV("\xed\xa0\x80"));
}
static void put_binary(struct tl_buf *out)
{
    ws_frame_put(out, WS_BINARY, TL_SV("{\"type\":\"ping\"}"));
}
static void put_too_large(struct tl_buf *out)
{
    put_large(out, WS_TEXT, MESSAGE_BYTES_MAX + 1);
}
static void put_too_large_together(struct tl_buf *out)
{
    put_large(out, WS_TEXT_BEGINS, MESSAGE_BYTES_MAX);
    put_large(out, 0x80, 1);
}
static void put_far_too_large(struct tl_buf *out)
{
    put_head(out, WS_TEXT, 0x80 | 127);
    tl_buf_put(out, "\x00\x00\x00\x10\x00\x00\x00\x00mask{", 13);
}
static void put_size_with_its_top_bit(struct tl_buf *out)
{
    put_head(out, WS_TEXT, 0x80 | 127);
    tl_buf_put(out, "\x80\x00\x00\x00\x00\x00\x00\x00mask{", 13);
}
static void put_long_ping(struct tl_buf *out)
{
    put_large(out, WS_PING, 126);
}
static void put_long_close(struct tl_buf *out)
{
    put_large(out, WS_CLOSE, 126);
}
static void put_ping_in_pieces(struct tl_buf *out)
{
    ws_frame_put(out, 0x09, TL_SV("x"));
}
static void put_reserved_bit(struct tl_buf *out)
{
    ws_frame_put(out, WS_TEXT | 0x40, TL_SV("{}"));
}
static void put_unknown_opcode(struct tl_buf *out)
{
    ws_frame_put(out, 0x83, TL_SV("x"));
}
static void put_unmasked(struct tl_buf *out)
{
    put_head(out, WS_TEXT, 2);
    tl_buf_put_str(out, "{}");
}
static void put_end_without_a_beginning(struct tl_buf *out)
{
    ws_frame_put(out, 0x80, TL_SV("x"));
}
static void put_text_within_a_text(struct tl_buf *out)
{
    ws_frame_put(out, WS_TEXT_BEGINS, TL_SV("{"));
    ws_frame_put(out, WS_TEXT, TL_SV("}"));
}
static void put_half_a_code(struct tl_buf *out)
{
    ws_frame_put(out, WS_CLOSE, TL_SV("\x03"));
}
static void put_code_that_nobody_may_send(struct tl_buf *out)
{
    ws_frame_put(out, WS_CLOSE, TL_SV("\x03\xed")); /* 1005 */
}
static void put_close(struct tl_buf *out)
{
    ws_frame_put(out, WS_CLOSE, TL_SV("\x03\xe8 bye"));
}
static void put_too_many(struct tl_buf *out)
{
    for (int i = 0; i < 3000; i++)
        ws_frame_put(out, WS_PONG, TL_SV("")); /* that nobody has asked for */
}

Test(live_frames, what_is_against_the_protocol_ends_with_its_code)
{
    static const struct {
        const char *what;
        void (*put)(struct tl_buf *out);
        unsigned code;
    } cases[] = {
        {"invalid UTF-8",                            put_invalid_utf8,              1007},
        {"half a character",                         put_half_a_character,          1007},
        {"a surrogate in a second piece",            put_surrogate,                 1007},
        {"binary",                                   put_binary,                    1003},
        {"one byte too many",                        put_too_large,                 1009},
        {"too large in pieces",                      put_too_large_together,        1009},
        {"a size of 64 GiB",                         put_far_too_large,             1009},
        {"a size with its top bit",                  put_size_with_its_top_bit,     1002},
        {"a ping of 126 bytes",                      put_long_ping,                 1002},
        {"a close of 126 bytes",                     put_long_close,                1002},
        {"a ping in pieces",                         put_ping_in_pieces,            1002},
        {"a reserved bit",                           put_reserved_bit,              1002},
        {"an opcode that there is not",              put_unknown_opcode,            1002},
        {"not masked",                               put_unmasked,                  1002},
        {"the end of a text that has not begun",     put_end_without_a_beginning,   1002},
        {"a text before the one before it is there", put_text_within_a_text,        1002},
        {"a close with one byte",                    put_half_a_code,               1002},
        {"a close with 1005",                        put_code_that_nobody_may_send, 1002},
        {"a close as it should be",                  put_close,                     1000},
        {"3000 frames at once",                      put_too_many,                  1008},
    };

    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        static struct wire wire;
        struct tl_buf bytes;
        unsigned code;

        tl_buf_init(&bytes, 0);
        open_client(&wire);
        ws_say(&wire, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
        ws_hear_words(&wire, "\"type\":\"snapshot\"");
        cases[c].put(&bytes);
        wire_send(&wire, bytes.data, bytes.size);
        tl_buf_done(&bytes);
        code = ws_hear_close(&wire);
        cr_expect_eq(code, cases[c].code, "%s: closed with %u, not %u", cases[c].what, code, cases[c].code);
        wire_close(&wire);
    }
}

/* ---- messages ---- */

static void expect_error(struct wire *wire, const char *said, int status, const char *words)
{
    char beginning[40];
    const char *text;

    text = ws_hear_words(wire, "\"type\":\"error\"");
    snprintf(beginning, sizeof beginning, "\"status\":%d,", status);
    cr_expect(strstr(text, beginning) != NULL && strstr(text, words) != NULL, "%.80s: %s", said, text);
    cr_expect_null(strstr(text, p.dir), "it says where things are: %s", text);
}

Test(live_frames, what_means_nothing_is_answered_and_the_connection_goes_on)
{
    static const struct {
        const char *text;
        int status;
        const char *words;
    } cases[] = {
        {"",                                                                             400, "\"allowed\":[\"subscribe\", \"unsubscribe\", \"ping\"]"},
        {"{",                                                                            400, "a message is a JSON object with a type"                },
        {"[]",                                                                           400, "a message is a JSON object with a type"                },
        {"null",                                                                         400, "a message is a JSON object with a type"                },
        {"\"subscribe\"",                                                                400, "a message is a JSON object with a type"                },
        {"{}",                                                                           400, "\"allowed\":[\"subscribe\", \"unsubscribe\", \"ping\"]"},
        {"{\"type\":5}",                                                                 400, "a message is a JSON object with a type"                },
        {"{\"type\":\"ping\",\"type\":\"ping\"}",                                        400, "a message is a JSON object with a type"                },
        {"{\"type\":\"ping\"} x",                                                        400, "a message is a JSON object with a type"                },
        {"{\"type\":\"drop\"}",                                                          400, "there is no message of type 'drop'"                    },
        {"{\"type\":\"<script>\\\"\\n\"}",                                               400, "there is no message of type '<script>\\\"\\n'"         },
        {"{\"type\":\"subscribe\"}",                                                     400, "a subscription names a view"                           },
        {"{\"type\":\"subscribe\",\"view\":7}",                                          400, "view is the name of one"                               },
        {"{\"type\":\"subscribe\",\"view\":\"hitz\"}",                                   404, "\"allowed\":[\"hits\"]"                                },
        {"{\"type\":\"subscribe\",\"view\":\"hits'; DROP TABLE x--\"}",                  404, "\"allowed\":[\"hits\"]"                                },
        {"{\"type\":\"subscribe\",\"view\":\"hits\\u0000\"}",                            400, "a message is a JSON object with a type"                },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"colour\":1}",                      400, "a subscription has type, id, view"                     },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":\"host:eq:a\"}",           400, "where is an array"                                     },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[7]}",                     400, "where is an array of texts"                            },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[\"nix:eq:a\"]}",          400, "\"allowed\":[\"window_start\","                        },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[\"host:is:a\"]}",         400, "\"allowed\":[\"eq\","                                  },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"where\":[\"n:eq:many\"]}",         400, "BIGINT"                                                },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"from\":\"yesterday\"}",            400, "from is a time"                                        },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"last\":-1}",                       400, "last is a number"                                      },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"since\":\"1\"}",                   400, "since is the seq"                                      },
        {"{\"type\":\"subscribe\",\"view\":\"hits\",\"since\":99999999999999999999999}", 400,
         "a message is a JSON object with a type"                                                                                                     },
        {"{\"type\":\"unsubscribe\",\"id\":\"nobody\"}",                                 404, "there is no such subscription"                         },
    };
    static struct wire wire;
    static char deep[60001], text[2000];

    open_client(&wire);
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        ws_say(&wire, cases[c].text);
        expect_error(&wire, cases[c].text, cases[c].status, cases[c].words);
    }
    memset(deep, '[', sizeof deep - 1);
    ws_say(&wire, deep);
    expect_error(&wire, "deep", 400, "a message is a JSON object with a type");
    memset(deep, 'i', 65);
    snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"id\":\"%.65s\"}", deep);
    ws_say(&wire, text);
    expect_error(&wire, text, 400, "id is a text of at most 64 bytes");
    for (int i = 0; i <= 64; i++) {
        snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"id\":\"%d\",\"last\":1}", i);
        ws_say(&wire, text);
    }
    expect_error(&wire, text, 400, "64 subscriptions at most");
    ws_say(&wire, "{\"type\":\"ping\"}");
    ws_hear_words(&wire, "{\"type\":\"pong\"}");
    /* As large as a message may be. */
    memset(deep, ' ', sizeof deep);
    snprintf(deep, sizeof deep, "%s", "{\"type\":\"ping\"}");
    deep[strlen(deep)] = ' ';
    deep[sizeof deep - 1] = '\0';
    ws_say(&wire, deep);
    ws_hear_words(&wire, "{\"type\":\"pong\"}");
    wire_close(&wire);
}

/* A seq that nobody was told leads nowhere: it is said, and a snapshot follows. */
Test(live_frames, a_place_that_there_is_not_gets_a_snapshot)
{
    static const char *const places[] = {"0", "1", "9223372036854775807"};
    static struct wire wire;

    for (size_t i = 0; i < TL_COUNT(places); i++) {
        char text[200];

        open_client(&wire);
        snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"view\":\"hits\",\"since\":%s}", places[i]);
        ws_say(&wire, text);
        ws_hear_words(&wire, "\"type\":\"resync\"");
        ws_hear_words(&wire, "\"type\":\"snapshot\"");
        wire_close(&wire);
    }
}
