/* ws_crowd.c: many clients of /api/v1/live in one loop. See ws_crowd.h. */
#include "support/ws_crowd.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "support/chance.h"
#include "support/ws_frame.h"

enum { TURN_MS = 10, LITTLE_BYTES = 512, PARSED = 1024, STOPS_BYTES = 3000 };

const char *const ws_crowd_causes[WS_CROWD_CAUSES] = {"late_event", "publication", "rollback"};

struct client {
    size_t number, wish;
    int fd; /* -1: away */
    bool open, flighty, absent, slow;
    int64_t next_ms; /* when it comes back; of one that is there and flighty: when it leaves */
    struct tl_buf in;
    json_t *rows;     /* by id; NULL: no snapshot yet */
    json_int_t seq;   /* -1: none yet */
    bool expects_new; /* a resync has come: a snapshot follows */
    long snapshots;
    bool waits;       /* it reads by look_after alone */
    int64_t began_ms; /* when its connection did */
    size_t taken;     /* bytes, of this connection */
    long messages;
    uint64_t sum; /* of its rows' numbers */
};

/* Frames are the same for many: each is read once, and its rows are given numbers once (row_number). */
struct parsed {
    XXH128_hash_t hash;
    json_t *message;
};

/* What all rows are to be, as their count and the sum of their numbers, which does not depend on the order. */
struct wanted {
    XXH128_hash_t text;
    size_t count;
    uint64_t sum;
};

struct ws_crowd {
    const struct ws_crowd_wish *wishes;
    size_t wishes_count, clients_count;
    struct client *clients;
    struct parsed parsed[PARSED];
    struct wanted wanted;
    struct chance chance;
    int epoll_fd;
    pthread_t thread;
    pthread_mutex_t mutex; /* of all but the two atomics */
    atomic_uint port;
    atomic_bool stopping;
    bool settled;
    struct ws_crowd_counts counts;
    struct tl_buf why; /* zero-terminated; empty: all is well */
};

/* ---- what is wrong ---- */

static void blame(struct ws_crowd *crowd, const struct client *client, const char *what, json_t *message, json_t *had)
{
    char *text = json_dumps(message, JSON_COMPACT | JSON_ENCODE_ANY),
         *before = had == NULL ? NULL : json_dumps(had, JSON_COMPACT);
    const struct ws_crowd_wish *wish = &crowd->wishes[client->wish];

    if (crowd->why.size == 0) {
        tl_buf_printf(&crowd->why, "client %zu (%s, %s), at seq %lld: %s: %s; it has %s", client->number, wish->view,
                      wish->where != NULL ? wish->where : "all", (long long)client->seq, what, text,
                      before != NULL ? before : "nothing");
        tl_buf_put_u8(&crowd->why, '\0');
    }
    free(text);
    free(before);
}

/* ---- messages ---- */

/* A hash of the view's own columns, that the row carries from then on. */
static void number_row(json_t *row)
{
    json_t *own = json_copy(row), *value;
    const char *name;
    char *text;
    void *next;

    json_object_foreach_safe(own, next, name, value)
    {
        if (name[0] == '_')
            json_object_del(own, name);
    }
    text = json_dumps(own, JSON_COMPACT | JSON_SORT_KEYS);
    json_object_set_new(row, "_number", json_integer((json_int_t)(XXH3_64bits(text, strlen(text)) >> 1)));
    free(text);
    json_decref(own);
}

static void number_rows(json_t *message)
{
    json_t *item, *rows = json_object_get(message, "rows");
    size_t i;

    json_array_foreach(rows, i, item)
    {
        json_t *row = json_object_get(item, "row"), *old = json_object_get(item, "old");

        if (json_is_object(row))
            number_row(row);
        if (json_is_object(old))
            number_row(old);
        if (json_object_get(item, "key") == NULL)
            number_row(item);
    }
}

/* 0: there is no row. */
static uint64_t row_number(const json_t *row)
{
    return (uint64_t)json_integer_value(json_object_get(row, "_number"));
}

static bool is_same(const json_t *a, const json_t *b)
{
    return row_number(a) == row_number(b);
}

/* NULL: it goes. */
static void put_row(struct client *client, const char *id, json_t *row)
{
    client->sum += row_number(row) - row_number(json_object_get(client->rows, id));
    if (row != NULL)
        json_object_set(client->rows, id, row);
    else
        json_object_del(client->rows, id);
}

static const char *id_of(json_t *key)
{
    static _Thread_local char text[100];
    const char *id = json_string_value(json_object_get(key, "_id"));

    if (id == NULL) {
        snprintf(text, sizeof text, "%lld/%lld/%lld", (long long)json_integer_value(json_object_get(key, "_partition")),
                 (long long)json_integer_value(json_object_get(key, "_offset")),
                 (long long)json_integer_value(json_object_get(key, "_row")));
        return text;
    }
    return id;
}

static void take_snapshot(struct client *client, json_t *message)
{
    json_t *row;
    size_t i;

    json_decref(client->rows);
    client->rows = json_object();
    client->sum = 0;
    json_array_foreach(json_object_get(message, "rows"), i, row)
    {
        put_row(client, id_of(row), row);
    }
}

static void check_correction(struct ws_crowd *crowd, struct client *client, json_t *op, json_t *had)
{
    const char *cause = json_string_value(json_object_get(op, "cause"));
    json_t *old = json_object_get(op, "old");
    bool by_run = json_integer_value(json_object_get(op, "run")) > 0;

    for (int c = 0; c < WS_CROWD_CAUSES; c++) {
        if (cause == NULL || strcmp(cause, ws_crowd_causes[c]) != 0)
            continue;
        crowd->counts.corrections[c]++;
        if (had == NULL || !json_is_object(old) || !is_same(old, had))
            blame(crowd, client, "what is corrected is not what was shown", op, had);
        if (by_run != (c > 0))
            blame(crowd, client, "the cause has no run, or one too many", op, had);
        return;
    }
    blame(crowd, client, "a correction has no cause", op, had);
}

static void take_op(struct ws_crowd *crowd, struct client *client, json_t *op)
{
    const char *what = json_string_value(json_object_get(op, "op"));
    json_t *row = json_object_get(op, "row"), *had;
    char id[100];

    snprintf(id, sizeof id, "%s", id_of(json_object_get(op, "key")));
    had = json_object_get(client->rows, id);
    if (strcmp(what, "correct") == 0)
        check_correction(crowd, client, op, had);
    else
        *(row != NULL ? &crowd->counts.upserts : &crowd->counts.deletions) += 1;
    if (json_is_object(row)) {
        if (had != NULL && is_same(row, had))
            blame(crowd, client, "it is told what it has", op, had);
        put_row(client, id, row);
    } else {
        if (had == NULL)
            blame(crowd, client, "it is to delete what it does not have", op, had);
        put_row(client, id, NULL);
    }
}

static void take_event(struct ws_crowd *crowd, struct client *client, json_t *event)
{
    const char *id = id_of(event);

    if (json_object_get(client->rows, id) != NULL)
        blame(crowd, client, "an event is told twice", event, NULL);
    crowd->counts.events++;
    put_row(client, id, event);
}

static void take_changes(struct ws_crowd *crowd, struct client *client, json_t *message, bool events)
{
    json_int_t seq = json_integer_value(json_object_get(message, "seq"));
    json_t *rows = json_object_get(message, "rows"), *op;
    bool tells = json_array_size(rows) > 0 || json_object_get(message, "published") != NULL;
    size_t i;

    if (client->rows == NULL || client->expects_new) {
        blame(crowd, client, "changes before the snapshot", message, NULL);
        return;
    }
    if (seq < client->seq || (seq == client->seq && tells))
        blame(crowd, client, "a seq of before", message, NULL);
    crowd->counts.published += json_object_get(message, "published") != NULL;
    json_array_foreach(rows, i, op)
    {
        (events && json_object_get(op, "key") == NULL ? take_event : take_op)(crowd, client, op);
    }
    client->seq = seq;
}

static void take_message(struct ws_crowd *crowd, struct client *client, json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));

    crowd->counts.messages++;
    client->messages++;
    if (type == NULL) {
        blame(crowd, client, "this is no message", message, NULL);
    } else if (strcmp(type, "snapshot") == 0) {
        if (client->snapshots++ > 0 && !client->expects_new)
            blame(crowd, client, "a snapshot that nobody has asked for", message, NULL);
        client->expects_new = false;
        crowd->counts.snapshots++;
        take_snapshot(client, message);
        client->seq = json_integer_value(json_object_get(message, "seq"));
    } else if (strcmp(type, "changes") == 0 || strcmp(type, "events") == 0) {
        take_changes(crowd, client, message, type[0] == 'e');
    } else if (strcmp(type, "resync") == 0) {
        crowd->counts.resyncs++;
        client->expects_new = true;
    } else if (strcmp(type, "error") == 0 && json_integer_value(json_object_get(message, "status")) != 503) {
        blame(crowd, client, "it is refused", message, NULL);
    }
}

static json_t *parse(struct ws_crowd *crowd, struct tl_sv text)
{
    XXH128_hash_t hash = XXH3_128bits(text.data, text.size);
    struct parsed *parsed = &crowd->parsed[hash.low64 % PARSED];

    if (parsed->message == NULL || !XXH128_isEqual(parsed->hash, hash)) {
        json_decref(parsed->message);
        *parsed = (struct parsed){hash, json_loadb(text.data, text.size, 0, NULL)};
        number_rows(parsed->message);
    }
    return parsed->message;
}

/* ---- connections ---- */

static bool put(struct client *client, unsigned first, struct tl_sv payload)
{
    struct tl_buf frame;
    bool sent;

    tl_buf_init(&frame, 0);
    ws_frame_put(&frame, first, payload);
    sent = send(client->fd, frame.data, frame.size, MSG_NOSIGNAL) == (ssize_t)frame.size;
    tl_buf_done(&frame);
    return sent;
}

static void leave(struct ws_crowd *crowd, struct client *client, bool by_reset)
{
    const struct linger at_once = {.l_onoff = 1};

    if (by_reset)
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(client->fd);
    client->fd = -1;
    client->open = false;
    tl_buf_clear(&client->in);
    client->next_ms = tl_clock_monotonic_ms() + chance_below(&crowd->chance, client->absent && !crowd->settled ? 3000 : 60);
}

static void come(struct ws_crowd *crowd, struct client *client)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atomic_load(&crowd->port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char hello[] = WS_HANDSHAKE "\r\n";
    enum ws_crowd_reading reading = crowd->wishes[client->wish].reading;
    int window = 4096;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->slow || reading > WS_CROWD_READS)
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    if (at.sin_port == 0 || connect(client->fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        send(client->fd, hello, sizeof hello - 1, MSG_NOSIGNAL) < 0) {
        leave(crowd, client, false);
        return;
    }
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    client->began_ms = tl_clock_monotonic_ms();
    client->taken = 0;
    client->waits = false;
    epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, client->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = client});
    crowd->counts.connections++;
    client->next_ms = client->flighty ? tl_clock_monotonic_ms() + 50 + chance_below(&crowd->chance, 1500) : INT64_MAX;
}

static void subscribe(struct ws_crowd *crowd, struct client *client)
{
    const struct ws_crowd_wish *wish = &crowd->wishes[client->wish];
    struct tl_buf text;

    tl_buf_init(&text, 0);
    tl_buf_printf(&text, "{\"type\":\"subscribe\",\"view\":\"%s\"", wish->view);
    if (wish->own_id)
        tl_buf_printf(&text, ",\"id\":\"%zu\"", client->number);
    if (wish->where != NULL)
        tl_buf_printf(&text, ",\"where\":[\"%s\"]", wish->where);
    /* Without its snapshot after a resync there is nothing that a number would stand for. */
    if (client->seq >= 0 && !client->expects_new)
        tl_buf_printf(&text, ",\"since\":%lld", (long long)client->seq);
    else
        client->expects_new = true;
    crowd->counts.resumed += client->seq >= 0;
    tl_buf_put_u8(&text, '}');
    if (!put(client, WS_TEXT, tl_buf_sv(&text)))
        leave(crowd, client, false);
    tl_buf_done(&text);
}

static void take_frame(struct ws_crowd *crowd, struct client *client, const struct ws_frame *frame)
{
    if (frame->first == WS_TEXT) {
        take_message(crowd, client, parse(crowd, frame->payload));
    } else if (frame->first == WS_PING) {
        put(client, WS_PONG, frame->payload);
    } else if (frame->first == WS_CLOSE) {
        crowd->counts.closes++;
        crowd->counts.too_slow += ws_close_code(frame) == 1013;
        leave(crowd, client, false);
    }
}

/* What has come whole. */
static void take_input(struct ws_crowd *crowd, struct client *client)
{
    struct tl_sv rest = tl_buf_sv(&client->in);
    struct ws_frame frame;

    if (!client->open) {
        const char *end = rest.size == 0 ? NULL : memmem(rest.data, rest.size, "\r\n\r\n", 4);

        if (end == NULL)
            return;
        if (strncmp(rest.data, "HTTP/1.1 101", 12) != 0) {
            leave(crowd, client, false);
            return;
        }
        rest.size -= (size_t)(end + 4 - rest.data);
        rest.data = end + 4;
        client->open = true;
        subscribe(crowd, client);
    }
    while (client->fd >= 0 && ws_frame_read(rest, &frame)) {
        rest.data += frame.bytes;
        rest.size -= frame.bytes;
        take_frame(crowd, client, &frame);
    }
    if (client->fd < 0)
        return;
    memmove(client->in.data, rest.data, rest.size);
    client->in.size = rest.size;
}

/* How much it is to read by now. */
static size_t room_of(const struct ws_crowd *crowd, const struct client *client)
{
    size_t after_ms = (size_t)(tl_clock_monotonic_ms() - client->began_ms), may = 65536 + client->taken;

    if (!client->open || crowd->settled)
        return 65536;
    switch (crowd->wishes[client->wish].reading) {
    case WS_CROWD_MIXED: return client->slow ? LITTLE_BYTES : 65536;
    case WS_CROWD_READS: break;
    case WS_CROWD_READS_NOTHING: may = 0; break;
    case WS_CROWD_READS_A_BYTE: may = after_ms / 1000; break;
    case WS_CROWD_STOPS: may = STOPS_BYTES; break;
    case WS_CROWD_READS_SLOWLY: may = after_ms * 4; break;
    case WS_CROWD_READS_IN_TIME: may = after_ms * 25; break;
    }
    return may > client->taken ? may - client->taken : 0;
}

static void watch(struct ws_crowd *crowd, struct client *client, bool waits)
{
    client->waits = waits;
    epoll_ctl(crowd->epoll_fd, EPOLL_CTL_MOD, client->fd,
              &(struct epoll_event){.events = waits ? 0 : EPOLLIN, .data.ptr = client});
}

static void read_some(struct ws_crowd *crowd, struct client *client)
{
    size_t room = room_of(crowd, client);
    ssize_t got;

    if (client->waits != (room == 0))
        watch(crowd, client, room == 0);
    if (room == 0)
        return;
    got = recv(client->fd, tl_buf_reserve(&client->in, room), room, 0);
    if (got > 0) {
        client->in.size += (size_t)got;
        client->taken += client->open ? (size_t)got : 0;
        take_input(crowd, client);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        leave(crowd, client, false);
    }
}

static void look_after(struct ws_crowd *crowd)
{
    int64_t now_ms = tl_clock_monotonic_ms();

    for (size_t c = 0; c < crowd->clients_count; c++) {
        struct client *client = &crowd->clients[c];

        if (client->fd < 0 && now_ms >= client->next_ms && atomic_load(&crowd->port) != 0)
            come(crowd, client);
        else if (client->fd >= 0 && now_ms >= client->next_ms && !crowd->settled)
            leave(crowd, client, chance_below(&crowd->chance, 2) == 0);
        else if (client->fd >= 0 && client->waits)
            read_some(crowd, client);
    }
}

static void *crowd_main(void *arg)
{
    struct ws_crowd *crowd = arg;
    struct epoll_event events[64];

    while (!atomic_load(&crowd->stopping)) {
        int count = epoll_wait(crowd->epoll_fd, events, 64, TURN_MS);

        pthread_mutex_lock(&crowd->mutex);
        for (int i = 0; i < count; i++)
            if (((struct client *)events[i].data.ptr)->fd >= 0)
                read_some(crowd, events[i].data.ptr);
        look_after(crowd);
        pthread_mutex_unlock(&crowd->mutex);
    }
    return NULL;
}

/* ---- what the test asks ---- */

struct ws_crowd *ws_crowd_open(const struct ws_crowd_wish *wishes, size_t wishes_count, size_t clients, uint64_t seed)
{
    struct ws_crowd *crowd = calloc(1, sizeof *crowd);

    cr_assert_not_null(crowd);
    json_object_seed(1); /* within no thread */
    crowd->wishes = wishes;
    crowd->wishes_count = wishes_count;
    crowd->clients_count = clients;
    crowd->clients = calloc(clients, sizeof *crowd->clients);
    crowd->chance = (struct chance){seed, seed};
    crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    cr_assert(crowd->clients != NULL && crowd->epoll_fd >= 0);
    pthread_mutex_init(&crowd->mutex, NULL);
    tl_buf_init(&crowd->why, 0);
    for (size_t c = 0; c < clients; c++) {
        /* Each wish has clients of each kind. */
        size_t kind = wishes[c % wishes_count].reading == WS_CROWD_MIXED ? c / wishes_count : 0;

        crowd->clients[c] = (struct client){.number = c,
                                            .wish = c % wishes_count,
                                            .fd = -1,
                                            .flighty = kind % 4 == 1,
                                            .absent = kind % 4 == 2,
                                            .slow = kind % 4 == 3,
                                            .seq = -1};
        tl_buf_init(&crowd->clients[c].in, 0);
    }
    cr_assert_eq(pthread_create(&crowd->thread, NULL, crowd_main, crowd), 0);
    return crowd;
}

void ws_crowd_port(struct ws_crowd *crowd, uint16_t port)
{
    atomic_store(&crowd->port, port);
}

void ws_crowd_settle(struct ws_crowd *crowd)
{
    pthread_mutex_lock(&crowd->mutex);
    crowd->settled = true;
    for (size_t c = 0; c < crowd->clients_count; c++)
        if (crowd->clients[c].fd < 0)
            crowd->clients[c].next_ms = 0;
    pthread_mutex_unlock(&crowd->mutex);
}

size_t ws_crowd_here(struct ws_crowd *crowd)
{
    size_t count = 0;

    pthread_mutex_lock(&crowd->mutex);
    for (size_t c = 0; c < crowd->clients_count; c++)
        count += crowd->clients[c].rows != NULL;
    pthread_mutex_unlock(&crowd->mutex);
    return count;
}

static void read_wanted(struct wanted *wanted, const char *rows)
{
    XXH128_hash_t text = XXH3_128bits(rows, strlen(rows));

    if (XXH128_isEqual(text, wanted->text))
        return;
    *wanted = (struct wanted){.text = text};
    for (const char *line = rows; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        json_t *row = json_loadb(line, strcspn(line, "\n"), 0, NULL);

        number_row(row);
        wanted->sum += row_number(row);
        wanted->count++;
        json_decref(row);
    }
}

size_t ws_crowd_differing(struct ws_crowd *crowd, size_t wish, const char *rows)
{
    size_t count = 0;

    read_wanted(&crowd->wanted, rows);
    pthread_mutex_lock(&crowd->mutex);
    for (size_t c = wish; c < crowd->clients_count; c += crowd->wishes_count) {
        const struct client *client = &crowd->clients[c];

        count +=
            client->rows == NULL || json_object_size(client->rows) != crowd->wanted.count || client->sum != crowd->wanted.sum;
    }
    pthread_mutex_unlock(&crowd->mutex);
    return count;
}

long ws_crowd_messages(struct ws_crowd *crowd, size_t wish)
{
    long count = 0;

    pthread_mutex_lock(&crowd->mutex);
    for (size_t c = wish; c < crowd->clients_count; c += crowd->wishes_count)
        count += crowd->clients[c].messages;
    pthread_mutex_unlock(&crowd->mutex);
    return count;
}

void ws_crowd_check(struct ws_crowd *crowd, const char *said)
{
    pthread_mutex_lock(&crowd->mutex);
    cr_assert_eq(crowd->why.size, 0, "%s\n%s", crowd->why.data, said);
    pthread_mutex_unlock(&crowd->mutex);
}

struct ws_crowd_counts ws_crowd_counts(struct ws_crowd *crowd)
{
    struct ws_crowd_counts counts;

    pthread_mutex_lock(&crowd->mutex);
    counts = crowd->counts;
    pthread_mutex_unlock(&crowd->mutex);
    return counts;
}

void ws_crowd_close(struct ws_crowd *crowd)
{
    atomic_store(&crowd->stopping, true);
    pthread_join(crowd->thread, NULL);
    for (size_t c = 0; c < crowd->clients_count; c++) {
        if (crowd->clients[c].fd >= 0)
            close(crowd->clients[c].fd);
        tl_buf_done(&crowd->clients[c].in);
        json_decref(crowd->clients[c].rows);
    }
    for (size_t i = 0; i < PARSED; i++)
        json_decref(crowd->parsed[i].message);
    close(crowd->epoll_fd);
    pthread_mutex_destroy(&crowd->mutex);
    tl_buf_done(&crowd->why);
    free(crowd->clients);
    free(crowd);
}
