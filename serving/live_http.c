/* live_http.c: connections that listen to what changes. See live_http.h.
 *
 * A guest is held by the loop, as long as there is a connection, and by the watcher, until it has read that there is none any more. What waits for a
 * client is what is on its way to the loop (queued) and what its connection has not taken (pending); both sides write to these two numbers alone. */
#include "live_http.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "net/websocket.h"

enum {
    MESSAGE_BYTES_MAX = 65536,
    UNREAD_BYTES_MAX = 256 << 10,
    PING_MS = 30000,
    PONG_MS = 20000,
    AWAY_MS = 1000,
    LOOK_MS = 200,
    READ_MS = 50
};
enum { HEARTBEAT_MS = 15000, HEARTBEAT_STEPS = 15 };

struct guest {
    struct tl_live_http *live;
    atomic_uint refs;
    enum tl_live_kind kind;
    atomic_size_t queued, pending;
    atomic_size_t unread; /* bytes of its letters */
    /* The loop's. */
    struct tl_websocket *ws;
    struct tl_http_stream *stream;
    struct tl_http_call *call; /* of SSE, before its first message */
    struct tl_pass_use use;
    /* The watcher's. */
    struct tl_live_client *client;
    int64_t said_ms; /* monotonic: when it was sent something last; INT64_MAX: never */
    struct guest *next, **at;
};

enum about { JOIN, TEXT, LEAVE };

struct letter {
    struct letter *next;
    enum about about;
    struct guest *guest;
    struct tl_blob *text;
};

struct item {
    struct guest *guest;
    struct tl_blob *frame; /* NULL: its end */
    int status;            /* not 0: the frame is a problem, and the guest's end */
    unsigned code;
    const char *reason;
};
struct batch {
    size_t count, capacity;
    struct item *items;
};

struct tl_live_http {
    struct tl_live_http_config config;
    struct tl_changes *changes;
    struct tl_live *live;
    pthread_t watcher;
    bool running;
    atomic_bool stopping;
    int wake_fd;
    pthread_mutex_t mutex;
    struct letter *first, **last;           /* under the mutex */
    struct tl_live_figures figures;         /* under the mutex: as of the last turn */
    struct letter *reading, **reading_last; /* the watcher's, as are the next: those that it has not read yet */
    struct guest *guests;
    struct batch *batch; /* of the turn */
    struct tl_live_now now;
    struct tl_blob *heartbeat;
    int64_t heartbeat_ms; /* when it is looked next who is to have one */
};

/* ---- guests and letters ---- */

static void guest_drop(struct guest *guest)
{
    if (atomic_fetch_sub(&guest->refs, 1) == 1) {
#ifndef __clang_analyzer__ /* which does not know who else holds it */
        free(guest);
#endif
    }
}

static struct guest *guest_hold(struct guest *guest)
{
    atomic_fetch_add(&guest->refs, 1);
    return guest;
}

static void wake(struct tl_live_http *live)
{
    uint64_t one = 1;

    while (write(live->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* False: out of memory. */
static bool post(struct guest *guest, enum about about, struct tl_sv text)
{
    struct tl_live_http *live = guest->live;
    struct letter *letter = calloc(1, sizeof *letter);

    if (letter == NULL)
        return false;
    *letter = (struct letter){.about = about, .guest = guest_hold(guest), .text = text.data == NULL ? NULL : tl_blob_copy(text)};
    if (text.data != NULL && letter->text == NULL) {
        guest_drop(guest);
        free(letter);
        return false;
    }
    atomic_fetch_add(&guest->unread, sizeof *letter + text.size);
    pthread_mutex_lock(&live->mutex);
    *live->last = letter;
    live->last = &letter->next;
    pthread_mutex_unlock(&live->mutex);
    wake(live);
    return true;
}

static void refuse(struct tl_live_http *live, struct tl_http_call *call, int status, const char *headers, const char *detail)
{
    tl_gate_refuse(live->config.gate, call, status, headers, detail);
}

/* ---- the loop: ends ---- */

static void leave(struct guest *guest)
{
    tl_pass_use_done(&guest->use);
    guest->ws = NULL;
    guest->stream = NULL;
    guest->call = NULL;
    if (!post(guest, LEAVE, (struct tl_sv){NULL, 0}))
        tl_diag(TL_WARN, "out of memory: a client that has left stays on the list of those who listen");
    guest_drop(guest);
}

static void on_ws_closed(struct tl_websocket *ws, unsigned code, void *ctx)
{
    (void)ws;
    (void)code;
    leave(ctx);
}

static void on_stream_closed(struct tl_http_stream *stream, void *ctx)
{
    (void)stream;
    leave(ctx);
}

static void on_ws_taken(struct tl_websocket *ws, void *ctx)
{
    struct guest *guest = ctx;

    atomic_store(&guest->pending, tl_websocket_pending(ws));
}

static void on_stream_taken(struct tl_http_stream *stream, void *ctx)
{
    struct guest *guest = ctx;

    atomic_store(&guest->pending, tl_http_stream_pending(stream));
}

static void on_ws_text(struct tl_websocket *ws, struct tl_sv text, void *ctx)
{
    struct guest *guest = ctx;

    if (atomic_load(&guest->unread) > guest->live->config.unread_bytes_max)
        tl_websocket_end(ws, 1008, "more than can be read");
    else if (!post(guest, TEXT, text.size > 0 ? text : TL_SV("")))
        tl_websocket_end(ws, 1011, "out of memory");
}

/* Before its first message. */
static void on_call_gone(struct tl_http_call *call)
{
    struct guest *guest = call->ctx;

    tl_http_answer(call, 503, (struct tl_sv){NULL, 0}, NULL); /* it goes nowhere */
    leave(guest);
}

/* ---- the loop: what comes to clients ---- */

/* A stream is one from its first message on: until then a refusal is an answer. */
static void begin_stream(struct guest *guest)
{
    static const struct tl_http_stream_calls calls = {
        .taken = on_stream_taken, .drained = on_stream_taken, .closed = on_stream_closed};
    struct tl_http_call *call = guest->call;
    struct tl_buf head;

    guest->call = NULL;
    call->gone = NULL;
    tl_buf_init(&head, 0);
    tl_buf_put_str(&head, "Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n");
    tl_gate_put_headers(guest->live->config.gate, call, false, &head);
    guest->stream = tl_http_answer_stream(call, 200, tl_buf_sv(&head), &calls, guest);
    tl_buf_done(&head);
    if (guest->stream == NULL)
        leave(guest);
    else
        tl_serve_meter_status(guest->live->config.meter, 200);
}

static void refuse_guest(struct guest *guest, int status, struct tl_blob *problem)
{
    struct tl_http_call *call = guest->call;

    call->gone = NULL;
    tl_gate_refuse_with(guest->live->config.gate, call, status, status == 503 ? "Retry-After: 1\r\n" : "", problem);
    leave(guest);
}

static void give(struct guest *guest, const struct item *item)
{
    if (guest->call != NULL && item->status != 0)
        refuse_guest(guest, item->status, tl_blob_hold(item->frame));
    else if (guest->call != NULL && item->frame != NULL)
        begin_stream(guest);
    if (guest->ws != NULL) {
        if (item->frame == NULL)
            tl_websocket_end(guest->ws, item->code, item->reason);
        else
            (void)tl_websocket_send_frame(guest->ws, item->frame);
        atomic_store(&guest->pending, tl_websocket_pending(guest->ws));
    } else if (guest->stream != NULL && item->frame != NULL) {
        (void)tl_http_stream_send(guest->stream, tl_blob_hold(item->frame));
        atomic_store(&guest->pending, tl_http_stream_pending(guest->stream));
    } else if (guest->stream != NULL) {
        tl_http_stream_end(guest->stream);
        leave(guest);
    } else if (guest->call != NULL) {
        guest->call->gone = NULL;
        refuse(guest->live, guest->call, 503, "Retry-After: 1\r\n", item->reason);
        leave(guest);
    }
}

static void on_pass_over(struct tl_pass_use *use)
{
    struct guest *guest = (struct guest *)((char *)use - offsetof(struct guest, use));

    give(guest, &(struct item){.code = 1008, .reason = "signed out"});
}

static void deliver(void *ctx)
{
    struct batch *batch = ctx;

    for (size_t i = 0; i < batch->count; i++) {
        struct item *item = &batch->items[i];

        give(item->guest, item);
        if (item->frame != NULL)
            atomic_fetch_sub(&item->guest->queued, item->frame->size);
        tl_blob_drop(item->frame);
        guest_drop(item->guest);
    }
    free(batch->items);
    free(batch);
}

/* ---- the loop: who comes ---- */

static struct guest *guest_open(struct tl_live_http *live, const struct tl_http_call *call, enum tl_live_kind kind)
{
    struct guest *guest = calloc(1, sizeof *guest);

    if (guest == NULL)
        return NULL;
    guest->live = live;
    guest->kind = kind;
    guest->said_ms = INT64_MAX;
    atomic_init(&guest->refs, 1);
    guest->use.over = on_pass_over;
    tl_gate_use(live->config.gate, call, &guest->use);
    return guest;
}

static void take_websocket(struct tl_live_http *live, struct tl_http_call *call)
{
    static const struct tl_websocket_calls calls = {
        .text = on_ws_text, .taken = on_ws_taken, .drained = on_ws_taken, .closed = on_ws_closed};
    static const struct tl_websocket_limits limits = {MESSAGE_BYTES_MAX, PING_MS, PONG_MS};
    int status = tl_websocket_wanted(call);
    struct guest *guest;

    if (status != 101) {
        refuse(live, call, status, status == 426 ? TL_WEBSOCKET_UPGRADE_HEADERS.data : "",
               "this is a WebSocket; /api/v1/live/sse is for clients that only read");
        return;
    }
    if (!tl_gate_origin_is_good(live->config.gate, call)) {
        refuse(live, call, 403, "", "this page may not listen; --cors says whose pages may");
        return;
    }
    guest = guest_open(live, call, TL_LIVE_WEBSOCKET);
    if (guest == NULL) {
        refuse(live, call, 503, "", "out of memory");
        return;
    }
    guest->ws = tl_websocket_accept(call, &limits, &calls, guest);
    if (guest->ws == NULL) {
        tl_pass_use_done(&guest->use);
        guest_drop(guest);
        return;
    }
    tl_serve_meter_status(live->config.meter, 101);
    if (!post(guest, JOIN, (struct tl_sv){NULL, 0}))
        tl_websocket_end(guest->ws, 1011, "out of memory");
}

/* %xx and + of a query's value; what is no such is itself. */
static void put_decoded(struct tl_buf *out, struct tl_sv text)
{
    for (size_t i = 0; i < text.size; i++) {
        bool coded = text.data[i] == '%' && i + 2 < text.size && tl_hex_digit(text.data[i + 1]) >= 0 &&
                     tl_hex_digit(text.data[i + 2]) >= 0;

        tl_buf_put_u8(out, coded                 ? (uint8_t)(tl_hex_digit(text.data[i + 1]) * 16 + tl_hex_digit(text.data[i + 2]))
                           : text.data[i] == '+' ? (uint8_t)' '
                                                 : (uint8_t)text.data[i]);
        i += coded ? 2 : 0;
    }
}

static bool is_digits(struct tl_sv text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.size > 0 && text.size < 19;
}

/* The query as the message that it stands for. NULL: it is right; else what is not. */
static const char *put_subscribe(struct tl_buf *out, const struct tl_http_call *call)
{
    struct tl_sv rest = call->query, since = tl_http_call_header(call, "last-event-id");
    struct tl_buf where, value;
    const char *wrong = NULL;

    tl_buf_init(&where, 0);
    tl_buf_init(&value, 0);
    tl_buf_put_str(out, "{\"type\":\"subscribe\"");
    while (rest.size > 0 && wrong == NULL) {
        struct tl_sv pair = tl_sv_cut(&rest, '&'), name = tl_sv_cut(&pair, '=');

        tl_buf_clear(&value);
        put_decoded(&value, pair);
        if (name.size == 0)
            continue;
        if (tl_sv_eq(name, TL_SV("where"))) {
            tl_buf_put_str(&where, where.size == 0 ? "[" : ",");
            tl_buf_put_json(&where, tl_buf_sv(&value));
        } else if (tl_sv_eq(name, TL_SV("view")) || tl_sv_eq(name, TL_SV("from")) || tl_sv_eq(name, TL_SV("id"))) {
            tl_buf_printf(out, ",\"%.*s\":", TL_SV_ARG(name));
            tl_buf_put_json(out, tl_buf_sv(&value));
        } else if (tl_sv_eq(name, TL_SV("last")) && is_digits(tl_buf_sv(&value))) {
            tl_buf_printf(out, ",\"last\":%.*s", TL_SV_ARG(tl_buf_sv(&value)));
        } else if (tl_sv_eq(name, TL_SV("since")) && is_digits(tl_buf_sv(&value))) {
            if (since.data == NULL)
                tl_buf_printf(out, ",\"since\":%.*s", TL_SV_ARG(tl_buf_sv(&value)));
        } else {
            wrong = "the parameters are view, where, from, last (a number of rows), since (a seq) and id";
        }
    }
    if (where.size > 0) {
        tl_buf_put_str(out, ",\"where\":");
        tl_buf_put_sv(out, tl_buf_sv(&where));
        tl_buf_put_u8(out, ']');
    }
    if (is_digits(since))
        tl_buf_printf(out, ",\"since\":%.*s", TL_SV_ARG(since));
    tl_buf_put_u8(out, '}');
    if (where.failed || value.failed || out->failed)
        wrong = "out of memory";
    tl_buf_done(&where);
    tl_buf_done(&value);
    return wrong;
}

static void take_sse(struct tl_live_http *live, struct tl_http_call *call)
{
    struct tl_buf message;
    const char *wrong;
    struct guest *guest;

    tl_buf_init(&message, 0);
    wrong = put_subscribe(&message, call);
    guest = wrong == NULL ? guest_open(live, call, TL_LIVE_SSE) : NULL;
    if (guest == NULL) {
        refuse(live, call, wrong != NULL ? 400 : 503, "", wrong != NULL ? wrong : "out of memory");
    } else {
        guest->call = call;
        call->ctx = guest;
        call->gone = on_call_gone;
        if (!post(guest, JOIN, (struct tl_sv){NULL, 0}) || !post(guest, TEXT, tl_buf_sv(&message))) {
            call->gone = NULL;
            refuse(live, call, 503, "", "out of memory");
            leave(guest);
        }
    }
    tl_buf_done(&message);
}

bool tl_live_http_take(struct tl_live_http *live, struct tl_http_call *call)
{
    bool ws = tl_sv_eq(call->path, TL_SV("/api/v1/live")), sse = tl_sv_eq(call->path, TL_SV("/api/v1/live/sse"));

    if (!ws && !sse)
        return false;
    if (!tl_sv_eq(call->method, TL_SV("GET")))
        refuse(live, call, 405, "Allow: GET\r\n", "only GET is for this");
    else if (atomic_load(&live->stopping))
        refuse(live, call, 503, "", "the server is going away");
    else if (ws)
        take_websocket(live, call);
    else
        take_sse(live, call);
    return true;
}

/* ---- the watcher ---- */

static struct tl_blob *frame(enum tl_live_kind kind, int64_t seq, struct tl_sv text)
{
    struct tl_buf out;
    struct tl_blob *blob = NULL;

    if (kind == TL_LIVE_WEBSOCKET)
        return tl_websocket_frame(text);
    tl_buf_init(&out, 0);
    tl_buf_put_str(&out, "data: "); /* a JSON text of ours is one line */
    tl_buf_put_sv(&out, text);
    if (seq >= 0)
        tl_buf_printf(&out, "\nid: %lld", (long long)seq);
    tl_buf_put_str(&out, "\n\n");
    if (!out.failed)
        blob = tl_blob_copy(tl_buf_sv(&out));
    tl_buf_done(&out);
    return blob;
}

/* Without memory for it the client would miss it without knowing: the batch that is there ends it. */
static void add_item(struct guest *guest, struct item item)
{
    struct tl_live_http *live = guest->live;
    struct batch *batch = live->batch;

    if (batch == NULL)
        batch = live->batch = calloc(1, sizeof *batch);
    if (batch != NULL && batch->count == batch->capacity) {
        size_t more = batch->capacity == 0 ? 64 : 2 * batch->capacity;

        if (TL_RESIZE(batch->items, more))
            batch->capacity = more;
        else
            batch = NULL;
    }
    if (batch == NULL) {
        tl_diag(TL_ERROR, "out of memory: clients that listen miss what has changed; the program ends");
        abort();
    }
    guest_hold(guest);
    batch->items[batch->count++] = item;
}

static void add_blob(struct guest *guest, int status, struct tl_blob *blob)
{
    atomic_fetch_add(&guest->queued, blob->size);
    add_item(guest, (struct item){.guest = guest, .status = status, .frame = tl_blob_hold(blob)});
}

static void send_frame(void *ctx, struct tl_blob *blob)
{
    struct guest *guest = ctx;

    guest->said_ms = guest->live->now.monotonic_ms;
    add_blob(guest, 0, blob);
}

static void refuse_client(void *ctx, int status, struct tl_blob *problem)
{
    add_blob(ctx, status, problem);
}

static size_t backlog(void *ctx)
{
    struct guest *guest = ctx;

    return atomic_load(&guest->queued) + atomic_load(&guest->pending);
}

static void end_guest(void *ctx, unsigned code, const char *reason)
{
    add_item(ctx, (struct item){.guest = ctx, .code = code, .reason = reason});
}

static void look_at_passes(void *gate)
{
    tl_gate_look(gate);
}

/* So that nobody in between takes a stream for dead: a comment to whoever has heard nothing for so long. Looked at a few times in that while, not each turn. */
static void beat(struct tl_live_http *live)
{
    int64_t now_ms = live->now.monotonic_ms, step_ms = live->config.heartbeat_ms / HEARTBEAT_STEPS;

    if (now_ms < live->heartbeat_ms)
        return;
    live->heartbeat_ms = now_ms + step_ms;
    (void)!tl_http_server_call(live->config.server, look_at_passes, live->config.gate); /* without memory, the next time */
    for (struct guest *guest = live->guests; guest != NULL; guest = guest->next)
        if (guest->kind == TL_LIVE_SSE && now_ms - guest->said_ms >= live->config.heartbeat_ms - step_ms && backlog(guest) == 0)
            send_frame(guest, live->heartbeat);
}

static void hand_over(struct tl_live_http *live)
{
    if (live->batch == NULL)
        return;
    if (!tl_http_server_call(live->config.server, deliver, live->batch)) {
        tl_diag(TL_ERROR, "out of memory: clients that listen miss what has changed; the program ends");
        abort();
    }
    live->batch = NULL;
}

static void join(struct tl_live_http *live, struct guest *guest)
{
    guest->client = tl_live_join(live->live, guest->kind, guest);
    guest->next = live->guests;
    guest->at = &live->guests;
    if (guest->next != NULL)
        guest->next->at = &guest->next;
    live->guests = guest;
    guest_hold(guest);
    if (guest->client == NULL)
        end_guest(guest, 1011, "out of memory");
}

static void part(struct tl_live_http *live, struct guest *guest)
{
    if (guest->at == NULL)
        return;
    if (guest->client != NULL)
        tl_live_leave(live->live, guest->client);
    guest->client = NULL;
    *guest->at = guest->next;
    if (guest->next != NULL)
        guest->next->at = guest->at;
    guest->at = NULL;
    guest_drop(guest);
}

/* For a while: who has much to say holds nobody up who listens. `read`: else nobody is there to read them to. */
static void read_letters(struct tl_live_http *live, bool read, int64_t until_ms)
{
    struct letter *letter;
    uint64_t count;

    (void)!eventfd_read(live->wake_fd, &count);
    pthread_mutex_lock(&live->mutex);
    if (live->first != NULL) {
        *live->reading_last = live->first;
        live->reading_last = live->last;
    }
    live->first = NULL;
    live->last = &live->first;
    pthread_mutex_unlock(&live->mutex);
    while ((letter = live->reading) != NULL && tl_clock_monotonic_ms() < until_ms) {
        struct guest *guest = letter->guest;

        live->reading = letter->next;
        if (read && letter->about == JOIN)
            join(live, guest);
        else if (read && letter->about == TEXT && guest->client != NULL)
            tl_live_take(live->live, guest->client, (struct tl_sv){letter->text->data, letter->text->size}, live->now);
        else if (letter->about == LEAVE)
            part(live, guest);
        atomic_fetch_sub(&guest->unread, sizeof *letter + (letter->text != NULL ? letter->text->size : 0));
        tl_blob_drop(letter->text);
        guest_drop(guest);
        free(letter);
    }
    if (letter == NULL)
        live->reading_last = &live->reading;
}

/* The store is away, or comes back: said once. */
static void report(bool *away, enum tl_code rc, const struct tl_err *err)
{
    if (rc != TL_OK && !*away)
        tl_diag(TL_WARN, "live: the store does not answer; it is tried again: %s", err->message);
    else if (rc == TL_OK && *away)
        tl_diag(TL_INFO, "live: the store answers again");
    *away = rc != TL_OK;
}

static int64_t pause_ms(const struct tl_live_http *live, bool away)
{
    return live->reading != NULL ? 0
           : away                ? AWAY_MS
                                 : tl_min_i64(tl_live_pause_ms(live->live), live->config.heartbeat_ms / HEARTBEAT_STEPS);
}

static void *watcher_main(void *arg)
{
    struct tl_live_http *live = arg;
    bool away = false, changed = true;

    while (!atomic_load(&live->stopping)) {
        struct tl_err err = {.message = ""};
        enum tl_code rc;

        rc = tl_changes_wait(live->changes, pause_ms(live, away), live->wake_fd, &changed, &err);
        live->now = (struct tl_live_now){tl_clock_wall_ms(), tl_clock_monotonic_ms()};
        read_letters(live, true, live->now.monotonic_ms + READ_MS);
        rc = tl_live_turn(live->live, changed || away || rc != TL_OK, live->now, &err);
        if (changed && live->batch != NULL && live->config.pulse != NULL)
            tl_pulse_look(live->config.pulse, LOOK_MS);
        beat(live);
        pthread_mutex_lock(&live->mutex);
        live->figures = tl_live_figures(live->live);
        pthread_mutex_unlock(&live->mutex);
        hand_over(live);
        report(&away, rc, &err);
        if (away)
            tl_clock_sleep_ms(AWAY_MS / 4);
    }
    read_letters(live, true, INT64_MAX);
    for (struct guest *guest = live->guests; guest != NULL; guest = guest->next)
        end_guest(guest, 1001, "the server is going away");
    hand_over(live);
    return NULL;
}

/* ---- open and close ---- */

enum tl_code tl_live_http_open(const struct tl_live_http_config *config, struct tl_live_http **out, struct tl_err *err)
{
    static const struct tl_live_calls calls = {frame, send_frame, backlog, end_guest, refuse_client, tl_clock_monotonic_ms};
    struct tl_live_http *live = calloc(1, sizeof *live);
    sigset_t all, before;
    int failure;
    enum tl_code rc;

    if (live == NULL)
        return tl_fail_memory(err, sizeof *live);
    live->config = *config;
    if (config->unread_bytes_max == 0)
        live->config.unread_bytes_max = UNREAD_BYTES_MAX;
    if (config->heartbeat_ms == 0)
        live->config.heartbeat_ms = HEARTBEAT_MS;
    live->heartbeat = tl_blob_copy(TL_SV(":\n\n"));
    live->last = &live->first;
    live->reading_last = &live->reading;
    pthread_mutex_init(&live->mutex, NULL);
    live->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (live->heartbeat == NULL)
        TL_TRY(tl_fail_memory(err, 0));
    if (live->wake_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "no eventfd"));
    TL_TRY(tl_changes_open(&config->changes, &live->changes, err));
    TL_TRY(tl_live_open(live->changes, &config->limits, &calls, &live->live, err));
    sigfillset(&all); /* they are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&live->watcher, NULL, watcher_main, live);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0)
        TL_TRY(tl_fail(err, TL_ERR_IO, "no thread to watch the store"));
    live->running = true;
    *out = live;
    live = NULL;
out:
    tl_live_http_close(live);
    return rc;
}

struct tl_live_figures tl_live_http_figures(struct tl_live_http *live)
{
    struct tl_live_figures figures;

    pthread_mutex_lock(&live->mutex);
    figures = live->figures;
    pthread_mutex_unlock(&live->mutex);
    return figures;
}

void tl_live_http_stop(struct tl_live_http *live)
{
    if (live == NULL || !live->running)
        return;
    atomic_store(&live->stopping, true);
    wake(live);
    pthread_join(live->watcher, NULL);
    live->running = false;
}

void tl_live_http_close(struct tl_live_http *live)
{
    if (live == NULL)
        return;
    tl_live_http_stop(live);
    if (live->live != NULL)
        read_letters(live, false, INT64_MAX);
    for (struct guest *guest = live->guests, *next; guest != NULL; guest = next) {
        next = guest->next;
        part(live, guest);
    }
    tl_live_close(live->live);
    tl_changes_close(live->changes);
    tl_blob_drop(live->heartbeat);
    if (live->wake_fd >= 0)
        close(live->wake_fd);
    pthread_mutex_destroy(&live->mutex);
    free(live);
}
