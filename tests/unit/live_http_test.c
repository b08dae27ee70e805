/* live_http_test.c: /api/v1/live over real connections: WebSocket and server-sent events, from a tick of the store to the client. */
#include "serving/live_http.h"

#include "base/clock.h"
#include "support/http_scene.h"
#include "support/store_checks.h"
#include "support/wire.h"

enum { S = 1000, TEXT = 0x81, CLOSE = 0x88 };

static struct {
    struct http_scene http;
    struct tl_live_http *live;
    struct tl_serve_meter *meter;
    struct tl_gate *gate;
    struct tl_store *store;
    int64_t epoch, id;
    char file[600];
    size_t unread_bytes_max;
    int64_t heartbeat_ms;
    struct tl_gate_options options;
} scene;

static void on_request(void *ctx, struct tl_http_call *call)
{
    (void)ctx;
    if (!tl_gate_let_in(scene.gate, call))
        return;
    if (!tl_live_http_take(scene.live, call))
        tl_http_answer_problem(call, 404, (struct tl_sv){NULL, 0}, "nothing here");
}

static void open_live(void)
{
    struct tl_http_server_config config = http_scene_config(on_request, NULL);
    struct tl_live_http_config live = {.changes = tl_changes_usual(), .limits = tl_live_usual_limits()};

    http_scene_start(&scene.http, &config);
    OK(tl_serve_meter_open(NULL, NULL, NULL, &scene.meter, err));
    OK(tl_gate_open(&scene.options, tl_http_server_listen(scene.http.server), scene.meter, &scene.gate, err));
    live.server = scene.http.server;
    live.meter = scene.meter;
    live.gate = scene.gate;
    live.changes.store = url;
    live.changes.file = scene.file;
    live.unread_bytes_max = scene.unread_bytes_max;
    live.heartbeat_ms = scene.heartbeat_ms;
    OK(tl_live_http_open(&live, &scene.live, err));
}

static void close_live(void)
{
    tl_live_http_stop(scene.live);
    http_scene_close(&scene.http);
    tl_live_http_close(scene.live);
    tl_gate_close(scene.gate);
    tl_serve_meter_close(scene.meter);
}

static void begin(const struct store_backend *backend)
{
    char folder[400];

    scene.store = fresh(backend);
    scene.id = hits(scene.store);
    scene.epoch = store_epoch(scene.store);
    store_folder(folder);
    snprintf(scene.file, sizeof scene.file, "%s/live.db", folder);
    open_live();
}

static void put(const char *host, int64_t value)
{
    store_put_speed(scene.store, scene.epoch, scene.id, 0, 10 * S, host, value);
}

static void open_client_with(struct wire *wire, const char *headers)
{
    wire_open(wire, scene.http.port);
    wire_say(wire,
             "GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             headers);
    cr_assert(wire_head(wire));
    cr_assert_eq(wire->status, 101, "%s", wire->head);
}

static void open_client(struct wire *wire)
{
    open_client_with(wire, "");
}

/* Masked with zeros; less than 126 bytes. */
static void say(struct wire *wire, const char *text)
{
    unsigned char frame[200] = {TEXT, (unsigned char)(0x80 | strlen(text))};

    cr_assert(strlen(text) < 126);
    memcpy(frame + 6, text, strlen(text));
    cr_assert(wire_send(wire, frame, 6 + strlen(text)));
}

/* The next frame's text, zero-terminated. */
static const char *hear(struct wire *wire, unsigned first)
{
    static char text[70000];
    unsigned char head[2] = {0}, more[2];
    size_t size;

    cr_assert(wire_read_all(wire, head, 2));
    cr_assert_eq(head[0], first, "%x", head[0]);
    size = head[1];
    cr_assert(size < 127);
    if (size == 126) {
        cr_assert(wire_read_all(wire, more, 2));
        size = (size_t)more[0] << 8 | more[1];
    }
    cr_assert(wire_read_all(wire, text, size));
    text[size] = '\0';
    return text;
}

static void expect_part(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "'%s' is not in: %s", part, text);
}

static void a_tick_reaches_every_client(const struct store_backend *backend)
{
    static struct wire one, two;
    const char *end;

    begin(backend);
    put("a", 1);
    open_client(&one);
    open_client(&two);
    say(&one, "{\"type\":\"subscribe\",\"id\":\"x\",\"view\":\"hits\"}");
    expect_part(hear(&one, TEXT), "\"num_hits\":1");
    say(&two, "{\"type\":\"subscribe\",\"id\":\"y\",\"view\":\"hits\",\"where\":[\"host:eq:b\"]}");
    expect_part(hear(&two, TEXT), "\"rows\":[]");
    put("b", 2);
    expect_part(hear(&one, TEXT), "\"host\":\"b\",\"num_hits\":2");
    expect_part(hear(&two, TEXT), "\"id\":\"y\"");
    wire_cut(&two); /* one that goes without a word harms nobody */
    put("b", 3);
    expect_part(hear(&one, TEXT), "\"num_hits\":3");
    tl_live_http_stop(scene.live);
    end = hear(&one, CLOSE);
    cr_assert_eq((unsigned char)end[0] << 8 | (unsigned char)end[1], 1001);
    wire_close(&one);
    close_live();
    tl_store_close(scene.store);
}

/* What is said faster than the watcher reads must not pile up; what has been read no longer counts. */
static void who_says_too_much_is_cut_off(const struct store_backend *backend)
{
    static struct wire wire;
    static const char ping[] = "{\"type\":\"ping\"}";
    enum { PINGS = 500, PING_BYTES = 6 + sizeof ping - 1 };
    static char all[PINGS * PING_BYTES];
    unsigned char head[2] = {0}, more[125];

    scene.unread_bytes_max = 1000;
    begin(backend);
    open_client(&wire);
    for (int i = 0; i < 50; i++) {
        say(&wire, ping);
        expect_part(hear(&wire, TEXT), "pong");
    }
    for (int i = 0; i < PINGS; i++) {
        const char frame[6] = {(char)TEXT, (char)(0x80 | (sizeof ping - 1))};

        memcpy(all + i * PING_BYTES, frame, sizeof frame);
        memcpy(all + i * PING_BYTES + sizeof frame, ping, sizeof ping - 1);
    }
    cr_assert(wire_send(&wire, all, sizeof all)); /* at once: the loop has them before the watcher has read fifteen */
    do {
        cr_assert(wire_read_all(&wire, head, 2));
        cr_assert(head[1] <= sizeof more && wire_read_all(&wire, more, head[1]));
    } while (head[0] == TEXT);
    cr_assert_eq(head[0], CLOSE);
    cr_assert_eq(more[0] << 8 | more[1], 1008);
    wire_close(&wire);
    close_live();
    scene.unread_bytes_max = 0;
    tl_store_close(scene.store);
}

/* Up to the empty line behind a message. */
static const char *hear_event(struct wire *wire)
{
    static char text[70000];
    size_t size = 0;
    bool in_data = false;
    char c;

    /* Chunks: their sizes stand on lines of their own. */
    for (text[0] = '\0'; size < 2 || strcmp(text + size - 2, "\n\n") != 0;) {
        char line[20];
        size_t at = 0, left;

        for (;;) {
            cr_assert(wire_read_all(wire, &c, 1), "the stream has ended");
            if (c == '\n')
                break;
            if (at + 1 < sizeof line)
                line[at++] = c;
        }
        line[at] = '\0';
        left = strtoul(line, NULL, 16);
        if (left == 0 && in_data)
            continue; /* the end of a chunk */
        cr_assert(size + left + 1 < sizeof text);
        cr_assert(wire_read_all(wire, text + size, left));
        size += left;
        text[size] = '\0';
        in_data = true;
    }
    return text;
}

static long long id_of(const char *event)
{
    const char *at = strstr(event, "\nid: ");

    cr_assert_not_null(at, "%s", event);
    return atoll(at + 5);
}

static void ask_events(struct wire *wire, const char *query, const char *header)
{
    wire_open(wire, scene.http.port);
    wire_say(wire, "GET /api/v1/live/sse?%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", query, header);
    cr_assert(wire_head(wire));
}

static void simple_clients_get_events_and_come_back(const struct store_backend *backend)
{
    static struct wire wire;
    char header[80];
    long long seq;

    begin(backend);
    put("a b", 1);
    ask_events(&wire, "view=hits&where=host:in:a%20b,c+d", "");
    cr_assert_eq(wire.status, 200, "%s", wire.head);
    cr_assert_str_eq(wire_header(&wire, "content-type"), "text/event-stream");
    expect_part(hear_event(&wire), "data: {\"type\":\"snapshot\",");
    put("c d", 2);
    seq = id_of(hear_event(&wire));
    wire_cut(&wire);
    close_live();
    put("c d", 3);
    put("e", 4);
    open_live();
    snprintf(header, sizeof header, "Last-Event-ID: %lld\r\n", seq);
    ask_events(&wire, "view=hits&where=host:in:a%20b,c+d", header);
    cr_assert_eq(wire.status, 200, "%s", wire.head);
    expect_part(hear_event(&wire), "\"host\":\"c d\",\"num_hits\":3");
    wire_close(&wire);
    close_live();
    tl_store_close(scene.store);
}

/* Proxies cut what says nothing for a minute. */
static void a_stream_is_never_silent_for_long(const struct store_backend *backend)
{
    static struct wire wire, socket;
    const char *simple;

    scene.heartbeat_ms = 300;
    begin(backend);
    open_client(&socket);
    say(&socket, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    expect_part(hear(&socket, TEXT), "\"type\":\"snapshot\"");
    ask_events(&wire, "view=hits", "");
    expect_part(hear_event(&wire), "data: {\"type\":\"snapshot\",");
    for (int i = 0; i < 3; i++) {
        int64_t began_ms = tl_clock_monotonic_ms();

        expect(hear_event(&wire), ":\n\n");
        cr_assert_gt(tl_clock_monotonic_ms() - began_ms, 150, "once in a while, not each turn");
    }
    put("a", 1);
    do {
        simple = hear_event(&wire);
    } while (simple[0] == ':');
    expect_part(simple, "\"num_hits\":1");
    expect_part(hear(&socket, TEXT), "\"num_hits\":1"); /* and nothing before it: a WebSocket has pings */
    wire_close(&wire);
    wire_close(&socket);
    close_live();
    scene.heartbeat_ms = 0;
    tl_store_close(scene.store);
}

static void who_asks_wrongly_is_answered(const struct store_backend *backend)
{
    static const struct {
        const char *query;
        int status;
    } cases[] = {
        {"view=none",                 404},
        {"view=hits&where=host:is:a", 400},
        {"view=hits&last=x",          400},
        {"view=hits&colour=red",      400},
        {"where=host:eq:a",           400},
        {"view=hits&from=yesterday",  400},
    };
    static struct wire wire;

    begin(backend);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        ask_events(&wire, cases[i].query, "");
        cr_assert_eq(wire.status, cases[i].status, "%s: %d", cases[i].query, wire.status);
        cr_assert_str_eq(wire_header(&wire, "content-type"), "application/problem+json");
        wire_close(&wire);
    }
    wire_open(&wire, scene.http.port);
    wire_say(&wire, "GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 426);
    wire_close(&wire);
    close_live();
    tl_store_close(scene.store);
}

/* ---- who has signed in ---- */

#define BEARER "Authorization: Bearer a-secret-of-some-length\r\n"

static void ask_session(const char *method, const char *headers, char cookie[200])
{
    static struct wire wire;
    const char *given;

    wire_open(&wire, scene.http.port);
    wire_say(&wire, "%s /session HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, headers);
    cr_assert(wire_head(&wire));
    cr_assert_eq(wire.status, 204, "%s", wire.head);
    given = wire_header(&wire, "set-cookie");
    snprintf(cookie, 200, "Cookie: %.*s\r\n", (int)strcspn(given, ";"), given);
    wire_close(&wire);
}

static void follow(struct wire *socket, struct wire *stream, const char *headers)
{
    open_client_with(socket, headers);
    say(socket, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    expect_part(hear(socket, TEXT), "\"type\":\"snapshot\"");
    ask_events(stream, "view=hits", headers);
    expect_part(hear_event(stream), "data: {\"type\":\"snapshot\",");
}

static void expect_signed_out(struct wire *socket, struct wire *stream)
{
    const char *end = hear(socket, CLOSE);
    char bytes[8];

    cr_assert_eq((unsigned char)end[0] << 8 | (unsigned char)end[1], 1008);
    cr_assert_str_eq(end + 2, "signed out");
    cr_assert(wire_read_all(stream, bytes, 2));                                  /* of the chunk before */
    while (wire_read_all(stream, bytes, 5) && memcmp(bytes, "3\r\n:\n", 5) == 0) /* comments */
        cr_assert(wire_read_all(stream, bytes, 3));
    cr_assert_eq(memcmp(bytes, "0\r\n\r\n", 5), 0, "%.5s", bytes);
    wire_close(socket);
    wire_close(stream);
}

static void expect_heard(struct wire *socket, struct wire *stream, const char *part)
{
    const char *event;

    expect_part(hear(socket, TEXT), part);
    do {
        event = hear_event(stream);
    } while (event[0] == ':');
    expect_part(event, part);
}

static void who_has_signed_out_hears_no_more(const struct store_backend *backend)
{
    static struct wire sockets[3], streams[3];
    char cookie[200], other[200], none[200];

    cr_assert_eq(setenv("TALLY_SERVE_TOKEN", "a-secret-of-some-length", 1), 0);
    scene.heartbeat_ms = 300;
    begin(backend);
    ask_session("POST", BEARER, cookie);
    ask_session("POST", BEARER, other);
    follow(&sockets[0], &streams[0], cookie);
    follow(&sockets[1], &streams[1], other);
    follow(&sockets[2], &streams[2], BEARER);
    ask_session("DELETE", cookie, none);
    put("a", 1);
    expect_signed_out(&sockets[0], &streams[0]);
    for (int i = 1; i < 3; i++) {
        expect_heard(&sockets[i], &streams[i], "\"num_hits\":1");
        wire_close(&sockets[i]);
        wire_close(&streams[i]);
    }
    close_live();

    scene.options.pass_ms = 1500; /* in place of 30 days */
    open_live();
    ask_session("POST", BEARER, cookie);
    follow(&sockets[0], &streams[0], cookie);
    follow(&sockets[2], &streams[2], BEARER);
    expect(hear_event(&streams[0]), ":\n\n"); /* it goes on for now */
    expect_signed_out(&sockets[0], &streams[0]);
    put("a", 2);
    expect_heard(&sockets[2], &streams[2], "\"num_hits\":2");
    wire_close(&sockets[2]);
    wire_close(&streams[2]);
    close_live();
    scene.options.pass_ms = 0;
    scene.heartbeat_ms = 0;
    unsetenv("TALLY_SERVE_TOKEN");
    tl_store_close(scene.store);
}

/* Many ask for much that takes long to answer, more than can be answered at once; and who only listens is told what happens. */
static void who_says_much_holds_up_nobody(const struct store_backend *backend)
{
    enum { MANY = 24, TIMES_MAX = 900 };
    static const char ask[] = "{\"type\":\"subscribe\",\"view\":\"none\"}";
    static struct wire listener, many[MANY];
    static unsigned char frames[TIMES_MAX * (sizeof ask + 5)];
    size_t times = backend == &store_sqlite ? TIMES_MAX : TIMES_MAX / 10; /* PostgreSQL takes that much longer */
    uint64_t before, answered;

    for (size_t at = 0; at < sizeof frames; at += sizeof ask + 5) {
        frames[at] = TEXT;
        frames[at + 1] = 0x80 | (sizeof ask - 1);
        memcpy(frames + at + 6, ask, sizeof ask - 1);
    }
    begin(backend);
    open_client(&listener);
    say(&listener, "{\"type\":\"subscribe\",\"view\":\"hits\"}");
    expect_part(hear(&listener, TEXT), "\"rows\":[]");
    for (int m = 0; m < MANY; m++)
        open_client(&many[m]);
    for (int m = 0; m < MANY; m++)
        cr_assert(wire_send(&many[m], frames, times * (sizeof ask + 5)));
    tl_clock_sleep_ms(100);
    put("a", 1);
    before = tl_live_http_figures(scene.live).messages;
    expect_part(hear(&listener, TEXT), "\"num_hits\":1");
    answered = tl_live_http_figures(scene.live).messages;
    cr_assert_lt(answered - before, (MANY * times - before) / 2, "%llu, then %llu of %zu were read first",
                 (unsigned long long)before, (unsigned long long)answered, MANY * times);
    for (int m = 0; m < MANY; m++)
        wire_cut(&many[m]);
    wire_close(&listener);
    close_live();
    tl_store_close(scene.store);
}

static const struct store_check checks[] = {
    CHECK(a_tick_reaches_every_client),
    CHECK(who_says_too_much_is_cut_off),
    CHECK(simple_clients_get_events_and_come_back),
    CHECK(who_says_much_holds_up_nobody),
    CHECK(a_stream_is_never_silent_for_long),
    CHECK(who_asks_wrongly_is_answered),
    CHECK(who_has_signed_out_hears_no_more),
};
STORE_SUITE(live_http)
