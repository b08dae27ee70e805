/* changes_test.c: what clients are told of a view, held against what it shows: random histories of the store, a watcher that is killed at random.
 *
 * The watcher is a process of its own; what it tells goes through a pipe, as over a connection: a message that was cut off has not come. The client
 * applies what comes, and at each number must have just what the merged view showed at that change of the store. */
#include "serving/changes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/chance.h"
#include "support/store_checks.h"

enum { S = 1000, WINDOW = 10 * S, HORIZON = 120 * S, LATENESS = 20 * S, STEPS = 260, VIEWS = 4, CHANGES_MAX = 8000 };
enum { TUMBLE, HIDING, SESSIONS, EVENTS };
static const char *const names[VIEWS] = {"hits", "hiding", "visits", "bots"};

static struct chance chance;
static char file[600];

static struct tl_changes_config config_of(void)
{
    struct tl_changes_config config = tl_changes_usual();

    config.store = url;
    config.file = file;
    config.horizon_ms = HORIZON;
    config.events_max = 50;
    config.delta_bytes_max = 20000;
    return config;
}

static struct tl_shape shape_of(int view, char hash)
{
    struct tl_shape shape = view == EVENTS     ? store_windowless(names[view], hash)
                            : view == SESSIONS ? store_sessions(names[view], hash, 0)
                                               : store_windowed(names[view], hash);

    shape.lateness_ms = LATENESS;
    if (view == HIDING)
        shape.state = TL_STATE_BESIDE;
    return shape;
}

/* ---- the watcher: a process ---- */

struct message {
    char type; /* 's' a snapshot, 'd' a delta, 'l' it has looked */
    int view;
    int64_t seq, floor_ms, change, size;
};

struct watcher {
    int fd;
    struct tl_changes *changes;
    struct tl_changes_view *views[VIEWS];
};

static void write_all(int fd, const void *bytes, size_t size)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t count = write(fd, at, size);

        if (count <= 0)
            _exit(3);
        at += count;
        size -= (size_t)count;
    }
}

/* Numbers begin there: what lies behind it is the store's change number, by which the history knows what it showed. */
static int64_t first_number(const struct watcher *w)
{
    return (int64_t)(tl_changes_seed(w->changes) >> 13);
}

static void say(const struct watcher *w, char type, int view, int64_t seq, struct tl_sv bytes)
{
    struct message message = {
        type, view, seq - first_number(w), w->views[view]->is.floor_ms, w->views[view]->is.change, (int64_t)bytes.size};
    struct tl_buf both;

    tl_buf_init(&both, 0);
    tl_buf_put(&both, &message, sizeof message);
    tl_buf_put_sv(&both, bytes);
    write_all(w->fd, both.data, both.size);
    tl_buf_done(&both);
}

static enum tl_code add_shown(void *ctx, const struct tl_shown_row *row, bool *enough, struct tl_err *err)
{
    struct tl_delta_op op = {.start_ms = row->start_ms, .end_ms = row->end_ms, .key = row->key, .has = true};

    (void)enough;
    (void)err;
    op.now = (struct tl_delta_row){row->run, row->values};
    tl_delta_put_op(ctx, &op);
    return TL_OK;
}

static void must(enum tl_code rc, const struct tl_err *err)
{
    if (rc == TL_OK)
        return;
    fprintf(stderr, "the watcher: %s\n", err->message);
    _exit(4);
}

static void say_snapshot(const struct watcher *w, int view)
{
    struct tl_buf rows;
    struct tl_err err;

    tl_buf_init(&rows, 0);
    must(tl_changes_rows(w->changes, w->views[view], INT64_MIN, add_shown, &rows, &err), &err);
    say(w, 's', view, w->views[view]->is.seq, tl_buf_sv(&rows));
    tl_buf_done(&rows);
}

struct saying {
    const struct watcher *w;
    int view;
};

static enum tl_code say_again(void *ctx, int64_t seq, struct tl_sv delta, bool *enough, struct tl_err *err)
{
    const struct saying *saying = ctx;

    (void)enough;
    (void)err;
    say(saying->w, 'd', saying->view, seq, delta);
    return TL_OK;
}

static enum tl_code collect(void *ctx, int64_t seq, struct tl_sv delta, bool *enough, struct tl_err *err)
{
    (void)seq;
    (void)enough;
    (void)err;
    tl_buf_put_sv(ctx, delta);
    return TL_OK;
}

/* What has come together since, as one. */
static void say_folded(const struct watcher *w, int view, int64_t since)
{
    struct tl_buf deltas, folded;
    struct tl_err err;

    tl_buf_init(&deltas, 0);
    tl_buf_init(&folded, 0);
    must(tl_changes_since(w->changes, w->views[view], since, collect, &deltas, &err), &err);
    must(tl_delta_fold(tl_buf_sv(&deltas), &folded, &err), &err);
    if (w->views[view]->is.seq > since)
        say(w, 'd', view, w->views[view]->is.seq, tl_buf_sv(&folded));
    tl_buf_done(&deltas);
    tl_buf_done(&folded);
}

static void told(void *ctx, struct tl_changes_view *view, const struct tl_changes_news *news)
{
    const struct watcher *w = ctx;

    for (int v = 0; v < VIEWS; v++)
        if (w->views[v] == view) {
            if (news->resync != NULL)
                say_snapshot(w, v);
            else if (news->delta.size > 0)
                say(w, 'd', v, view->is.seq, news->delta);
            say(w, 'l', v, view->is.seq, TL_SV(""));
        }
}

static void watch(int fd, const int64_t since[VIEWS])
{
    struct tl_changes_config config = config_of();
    struct watcher w = {.fd = fd};
    struct tl_err err = {.message = "?"};

    must(tl_changes_open(&config, &w.changes, &err), &err);
    for (int v = 0; v < VIEWS; v++) {
        struct saying saying = {&w, v};
        int64_t number = since[v] + first_number(&w);
        bool leads = false;

        must(tl_changes_watch(w.changes, tl_sv_from(names[v]), INT64_C(1) << 50, &w.views[v], &err), &err);
        if (since[v] >= 0)
            must(tl_changes_leads_on(w.changes, w.views[v], number, &leads, &err), &err);
        if (leads && since[v] % 2 == 0)
            say_folded(&w, v, number);
        else if (leads)
            must(tl_changes_since(w.changes, w.views[v], number, say_again, &saying, &err), &err);
        else
            say_snapshot(&w, v);
        say(&w, 'l', v, w.views[v]->is.seq, TL_SV(""));
    }
    for (;;) {
        bool changed;

        must(tl_changes_wait(w.changes, 20000, -1, &changed, &err), &err);
        must(tl_changes_look(w.changes, INT64_C(1) << 50, told, &w, &err), &err);
    }
}

/* ---- what the views showed ---- */

struct history {
    struct tl_store *store;
    int64_t epoch, ids[VIEWS], final_ms, change;
    char *showed[VIEWS][CHANGES_MAX];
    struct event {
        int64_t time_ms, change;
    } events[20000];
    int64_t events_count;
    char hash;
    int swaps, replays, rollbacks, publications;
};

/* "start end host hits" of rows that end behind it, a line each, sorted. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted(char *text, int64_t floor_ms)
{
    static char *lines[20000];
    size_t count = 0;
    struct tl_buf out;

    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        long long start_ms, end_ms;

        cr_assert_eq(sscanf(line, "%lld %lld", &start_ms, &end_ms), 2, "%s", line);
        if (end_ms > floor_ms)
            lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, by_text);
    tl_buf_init(&out, 0);
    for (size_t i = 0; i < count; i++)
        tl_buf_printf(&out, "%s\n", lines[i]);
    tl_buf_put_u8(&out, '\0');
    return out.data;
}

static void note(struct history *h)
{
    struct tl_store_mark mark = {0};

    OK(tl_store_begin_read(h->store, err));
    OK(tl_store_mark(h->store, &mark, err));
    cr_assert(mark.change < CHANGES_MAX);
    for (int v = 0; v < EVENTS; v++) {
        char *text = strdup(store_answer(h->store, names[v], TL_LAYER_MERGED, INT64_MIN, INT64_MAX)), *at = text, *to = text;

        /* without layer and finality */
        for (char *line = strtok(at, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            char *last = strrchr(line, ' ');

            *last = '\0';
            last = strrchr(line, ' ');
            *last = '\0';
            memmove(to, line, strlen(line));
            to += strlen(line);
            *to++ = '\n';
        }
        *to = '\0';
        free(h->showed[v][mark.change]);
        h->showed[v][mark.change] = text;
    }
    tl_store_rollback(h->store);
    h->change = mark.change;
}

/* ---- the client ---- */

struct client {
    int64_t seq[VIEWS], floor_ms[VIEWS], looked[VIEWS];
    struct row {
        int64_t start_ms, end_ms;
        char key[64], text[160];
        size_t key_size;
    } rows[VIEWS][4000];
    size_t rows_count[VIEWS];
    struct tl_buf heard;
    int expected; /* what has happened since it was up to date: a cause, or -1: several things */
    int64_t run;
    uint64_t causes[TL_DELTA_CAUSES], corrections, snapshots, deltas, resumed, ranges;
};

static struct row *find_row(struct client *c, int v, const struct tl_delta_op *op)
{
    for (size_t i = 0; i < c->rows_count[v]; i++) {
        struct row *row = &c->rows[v][i];

        if (row->start_ms == op->start_ms && row->end_ms == op->end_ms && row->key_size == op->key.size &&
            memcmp(row->key, op->key.data, op->key.size) == 0)
            return row;
    }
    return NULL;
}

static void text_of(int v, const struct tl_delta_op *op, struct tl_sv values, char out[160])
{
    struct tl_shape shape = shape_of(v, 'a');
    struct tl_served_columns columns = {shape.columns, shape.columns_count, shape.windowed};
    struct tl_value row[4];

    cr_assert(tl_delta_get_values(values, &columns, op->start_ms, op->end_ms, row));
    if (v == EVENTS)
        snprintf(out, 160, "%lld %lld %.*s", (long long)op->end_ms, (long long)row[0].i64, TL_SV_ARG(row[1].sv));
    else
        snprintf(out, 160, "%lld %lld %.*s %lld", (long long)row[0].i64, (long long)row[1].i64, TL_SV_ARG(row[2].sv),
                 (long long)row[3].i64);
}

static void expect_cause(struct client *c, int v, const struct tl_delta_op *op)
{
    if (c->expected < 0 || v == EVENTS)
        return;
    if (c->expected == TL_DELTA_LATE_EVENT || c->expected == TL_DELTA_REPLAY)
        cr_assert(op->cause == (enum tl_delta_cause)c->expected || (op->cause == TL_DELTA_NO_CAUSE && !op->had_ended), "%s: %d",
                  names[v], op->cause);
    else
        cr_assert_eq((int)op->cause, c->expected, "%s: %d, not %d", names[v], op->cause, c->expected);
    if (c->expected == TL_DELTA_PUBLICATION)
        cr_assert_eq(op->run, c->run, "%lld, not %lld", (long long)op->run, (long long)c->run);
}

static void apply(struct client *c, int v, const struct tl_delta_op *op)
{
    struct row *row = find_row(c, v, op);
    char text[160];

    cr_assert_eq(op->had, row != NULL, "%s: a row that is %s was told of as %s", names[v], row != NULL ? "here" : "not here",
                 op->had ? "here" : "new");
    if (op->had) {
        text_of(v, op, op->old.values, text);
        cr_assert_str_eq(text, row->text, "%s: old is %s, we have %s", names[v], text, row->text);
        *row = c->rows[v][--c->rows_count[v]];
    }
    c->causes[op->cause]++;
    c->corrections += op->had_ended;
    if (!op->has)
        return;
    cr_assert(c->rows_count[v] < TL_COUNT(c->rows[v]) && op->key.size <= sizeof row->key);
    row = &c->rows[v][c->rows_count[v]++];
    *row = (struct row){.start_ms = op->start_ms, .end_ms = op->end_ms, .key_size = op->key.size};
    memcpy(row->key, op->key.data, op->key.size);
    text_of(v, op, op->now.values, row->text);
}

static void expect_shown(struct client *c, const struct history *h, int v)
{
    struct tl_buf have;
    char *got, *want, *copy;

    cr_assert(c->seq[v] < CHANGES_MAX && h->showed[v][c->seq[v]] != NULL, "%s: no such change: %lld", names[v],
              (long long)c->seq[v]);
    tl_buf_init(&have, 0);
    for (size_t i = 0; i < c->rows_count[v];)
        if (c->rows[v][i].end_ms <= c->floor_ms[v])
            c->rows[v][i] = c->rows[v][--c->rows_count[v]];
        else
            tl_buf_printf(&have, "%s\n", c->rows[v][i++].text);
    tl_buf_put_u8(&have, '\0');
    copy = strdup(h->showed[v][c->seq[v]]);
    want = sorted(copy, c->floor_ms[v]);
    got = sorted(have.data, c->floor_ms[v]);
    cr_assert_str_eq(got, want, "%s at %lld, behind %lld: got\n%swant\n%s", names[v], (long long)c->seq[v],
                     (long long)c->floor_ms[v], got, want);
    free(copy);
    free(got);
    free(want);
    tl_buf_done(&have);
}

/* Each event that a tick has written since, once. */
static void expect_events(const struct history *h, int64_t since, int64_t seq, int64_t floor_ms, size_t told_count)
{
    size_t want = 0;

    for (int64_t i = 0; i < h->events_count; i++)
        want += h->events[i].change > since && h->events[i].change <= seq && h->events[i].time_ms > floor_ms;
    cr_assert_eq(told_count, want, "events of (%lld, %lld]: %zu, not %zu", (long long)since, (long long)seq, told_count, want);
}

static void take(struct client *c, const struct history *h, const struct message *message, struct tl_sv bytes)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_delta_item item;
    int v = message->view;
    size_t ops = 0;

    if (message->type == 'l') {
        c->looked[v] = message->change;
        return;
    }
    if (message->type == 's') {
        c->rows_count[v] = 0;
        c->snapshots++;
    } else {
        cr_assert(message->seq > c->seq[v], "%s: %lld is told again, we are at %lld", names[v], (long long)message->seq,
                  (long long)c->seq[v]);
        c->deltas++;
    }
    c->floor_ms[v] = message->floor_ms;
    while (tl_delta_next(&reader, &item)) {
        if (item.is_range) {
            c->ranges++;
            continue;
        }
        if (message->type == 'd')
            expect_cause(c, v, &item.op);
        if (v != EVENTS || item.op.end_ms > c->floor_ms[v]) {
            apply(c, v, &item.op);
            ops++;
        }
    }
    cr_assert(tl_reader_at_end(&reader));
    if (v == EVENTS && message->type == 'd')
        expect_events(h, c->seq[v], message->seq, message->floor_ms, ops);
    c->seq[v] = message->seq;
    if (v != EVENTS)
        expect_shown(c, h, v);
}

/* Whole messages that lie in the pipe. */
static void hear(struct client *c, const struct history *h, int fd, int wait_ms)
{
    struct pollfd pipe_end = {.fd = fd, .events = POLLIN};
    size_t at = 0;

    while (poll(&pipe_end, 1, wait_ms) > 0 && (pipe_end.revents & POLLIN)) {
        char *room = tl_buf_reserve(&c->heard, 65536);
        ssize_t count = read(fd, room, 65536);

        if (count <= 0)
            break;
        c->heard.size += (size_t)count;
        wait_ms = 0;
    }
    while (c->heard.size - at >= sizeof(struct message)) {
        struct message message;

        memcpy(&message, c->heard.data + at, sizeof message);
        if (c->heard.size - at - sizeof message < (size_t)message.size)
            break;
        take(c, h, &message, (struct tl_sv){c->heard.data + at + sizeof message, (size_t)message.size});
        at += sizeof message + (size_t)message.size;
    }
    if (at > 0)
        memmove(c->heard.data, c->heard.data + at, c->heard.size - at);
    c->heard.size -= at;
}

/* ---- the watcher's life ---- */

struct run {
    pid_t pid; /* 0: there is none */
    int fd;
};

static void begin_watcher(struct run *run, struct client *c)
{
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    run->pid = fork();
    if (run->pid == 0) {
        close(fds[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that fails */
        watch(fds[1], c->seq);
        _exit(0);
    }
    close(fds[1]);
    run->fd = fds[0];
    c->resumed++;
}

static void kill_watcher(struct run *run, struct client *c, const struct history *h)
{
    int status;

    if (run->pid == 0)
        return;
    kill(run->pid, SIGKILL);
    cr_assert_eq(waitpid(run->pid, &status, 0), run->pid);
    cr_assert(WIFSIGNALED(status), "the watcher ended by itself: %d", status);
    hear(c, h, run->fd, 0);
    tl_buf_clear(&c->heard); /* what was cut off has not come */
    close(run->fd);
    run->pid = 0;
}

static bool is_up_to_date(const struct client *c, const struct history *h)
{
    for (int v = 0; v < VIEWS; v++)
        if (c->looked[v] < h->change)
            return false;
    return true;
}

static void catch_up(struct run *run, struct client *c, const struct history *h)
{
    int64_t until_ms = tl_clock_monotonic_ms() + 30000;

    if (run->pid == 0)
        begin_watcher(run, c);
    do {
        int status;

        hear(c, h, run->fd, 20);
        cr_assert_eq(waitpid(run->pid, &status, WNOHANG), 0, "the watcher has ended: %d", status);
        cr_assert(tl_clock_monotonic_ms() < until_ms, "the watcher does not catch up");
    } while (!is_up_to_date(c, h));
}

/* ---- the history ---- */

static const char *host(void)
{
    static const char *const hosts[] = {"a", "b", "c", "d", "e"};

    return hosts[chance_below(&chance, TL_COUNT(hosts))];
}

static int64_t near(int64_t at_ms, uint32_t back, uint32_t ahead)
{
    return at_ms + ((int64_t)chance_below(&chance, back + ahead) - (int64_t)back) * S;
}

static bool has_row(const struct store_rows *rows, int64_t start_ms, int64_t end_ms, const char *name)
{
    for (uint32_t i = 0; i < rows->rows.count; i++)
        if (rows->rows.start_ms[i] == start_ms && rows->rows.end_ms[i] == end_ms && strcmp(rows->rows.key[i].data, name) == 0)
            return true;
    return false;
}

/* A row of a view that may still change: it ends behind what is final. */
static void add_open_row(struct store_rows *rows, int view, int64_t final_ms, int64_t to_ms)
{
    int64_t end_ms = final_ms + 1 + (int64_t)chance_below(&chance, (uint32_t)(to_ms - final_ms)), start_ms;
    const char *name = host();

    if (view == SESSIONS) {
        start_ms = end_ms - 1 - (int64_t)chance_below(&chance, 30 * S);
        start_ms -= start_ms % S;
        end_ms += S - end_ms % S;
    } else {
        end_ms += WINDOW - end_ms % WINDOW;
        start_ms = end_ms - WINDOW;
    }
    if (!has_row(rows, start_ms, end_ms, name))
        store_rows_add(rows, start_ms, end_ms, name, chance_below(&chance, 6));
}

/* Of one definition, in a tick that is open. */
static void put_rows(struct history *h, int view, int64_t id, int64_t change)
{
    struct store_rows rows, gone;

    store_rows_init(&rows, view != EVENTS, 40);
    store_rows_init(&gone, view != EVENTS, 40);
    if (view == EVENTS) {
        for (uint32_t n = chance_below(&chance, 6); n > 0; n--) {
            h->events[h->events_count] = (struct event){near(h->final_ms, 60, 40), change};
            store_rows_add_event(&rows, h->events[h->events_count].time_ms, 0, h->events_count, "/x");
            h->events_count++;
        }
    } else {
        for (uint32_t n = chance_below(&chance, 12); n > 0; n--)
            add_open_row(&rows, view, h->final_ms, h->final_ms + 50 * S);
        for (uint32_t n = view == TUMBLE ? 0 : chance_below(&chance, 12); n > 0; n--)
            add_open_row(&gone, view, h->final_ms, h->final_ms + 50 * S);
    }
    if (gone.rows.count > 0)
        OK(tl_store_drop_speed_rows(h->store, id, &gone.rows, err));
    if (rows.rows.count > 0)
        OK(tl_store_put_speed_rows(h->store, id, &rows.rows, change, err));
    store_rows_done(&rows);
    store_rows_done(&gone);
}

static void tick(struct history *h)
{
    int64_t change = 0;

    OK(tl_store_begin_tick(h->store, h->epoch, &change, err));
    for (int v = 0; v < VIEWS; v++)
        if (chance_below(&chance, 3) > 0)
            put_rows(h, v, h->ids[v], change);
    if (chance_below(&chance, 3) == 0)
        h->final_ms += (int64_t)chance_below(&chance, 12) * S;
    for (int v = 0; v < VIEWS; v++)
        OK(tl_store_put_final(h->store, h->ids[v], h->final_ms, err));
    OK(tl_store_commit(h->store, err));
    note(h);
}

/* Batch's rows of the range: what speed has, or something else. */
static void stage_range(struct history *h, int64_t run, int view, int64_t id, int64_t from_ms, int64_t to_ms)
{
    int64_t begin_ms = tl_max_i64(from_ms, to_ms - 60 * S);
    struct store_rows rows;

    store_rows_init(&rows, view != EVENTS, 100);
    for (uint32_t n = view == EVENTS ? 0 : chance_below(&chance, 16); n > 0; n--) {
        int64_t end_ms = begin_ms + (int64_t)chance_below(&chance, (uint32_t)(to_ms - begin_ms)), start_ms;
        const char *name = host();

        end_ms -= end_ms % (view == SESSIONS ? S : WINDOW);
        if (view != SESSIONS)
            end_ms += WINDOW;
        start_ms = view == SESSIONS ? end_ms - (int64_t)(1 + chance_below(&chance, 30)) * S : end_ms - WINDOW;
        if (view == SESSIONS ? end_ms < begin_ms || end_ms >= to_ms : end_ms <= begin_ms || end_ms > to_ms)
            continue;
        if (!has_row(&rows, start_ms, end_ms, name))
            store_rows_add(&rows, start_ms, end_ms, name, chance_below(&chance, 6));
    }
    if (rows.rows.count > 0) {
        OK(tl_store_begin(h->store, err));
        OK(tl_store_stage_rows(h->store, run, id, &rows.rows, err));
        OK(tl_store_commit(h->store, err));
    }
    store_rows_done(&rows);
    store_stage_range(h->store, run, id, from_ms, to_ms);
    if (view == SESSIONS && chance_below(&chance, 2) == 0)
        store_stage_open(h->store, run, id, to_ms, to_ms - (int64_t)(1 + chance_below(&chance, 20)) * S, host());
}

struct ranges {
    int64_t from_ms[4000], to_ms[4000];
    size_t count;
};

static enum tl_code add_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct ranges *ranges = ctx;

    (void)err;
    ranges->from_ms[ranges->count] = range->from_ms;
    ranges->to_ms[ranges->count++] = range->to_ms;
    return TL_OK;
}

static const struct ranges *ranges_of(struct history *h, int64_t id)
{
    static struct ranges ranges;

    ranges.count = 0;
    OK(tl_store_ranges(h->store, id, add_range, &ranges, err));
    return &ranges;
}

/* Of each view the next range, or one of the last again. */
static int64_t publish(struct history *h)
{
    bool again = chance_below(&chance, 3) == 0;
    int64_t run = store_run(h->store, "some");

    for (int v = 0; v < VIEWS; v++) {
        const struct ranges *ranges = ranges_of(h, h->ids[v]);
        size_t which = ranges->count - 1 -
                       chance_below(&chance, (uint32_t)(ranges->count == 0  ? 1
                                                        : ranges->count < 6 ? ranges->count
                                                                            : 6));
        int64_t boundary_ms = about(h->store, h->ids[v]).boundary_ms;
        int64_t to_ms = (h->final_ms - h->final_ms % WINDOW) + ((int64_t)chance_below(&chance, 4) - 2) * WINDOW;

        if (to_ms <= boundary_ms)
            to_ms = boundary_ms + WINDOW;
        if (again && ranges->count > 0)
            stage_range(h, run, v, h->ids[v], ranges->from_ms[which], ranges->to_ms[which]);
        else
            stage_range(h, run, v, h->ids[v], boundary_ms, to_ms);
    }
    OK(tl_store_publish(h->store, run, 1, err));
    note(h);
    h->publications++;
    return run;
}

static enum tl_code see_undone(void *ctx, int64_t published, int64_t run, struct tl_err *err)
{
    (void)ctx;
    (void)published;
    (void)run;
    (void)err;
    return TL_OK;
}

static bool roll_back(struct history *h)
{
    struct tl_err err;
    enum tl_code rc = tl_store_unpublish(h->store, 0, "me", 2, see_undone, NULL, &err);

    cr_assert(rc == TL_OK || rc == TL_ERR_LIMIT || rc == TL_ERR_NOT_FOUND, "%s", err.message);
    note(h);
    h->rollbacks += rc == TL_OK;
    return rc == TL_OK;
}

/* The view is computed in another way: built beside, published as far, swapped in. */
static void swap(struct history *h, int view)
{
    int64_t id, change = 0, boundary_ms = about(h->store, h->ids[view]).boundary_ms;
    bool swapped = false;

    h->hash = (char)(h->hash + (h->hash == 'q' ? 2 : 1)); /* 'r' begins that of a replay's build */
    id = define(h->store, shape_of(view, h->hash));
    note(h);
    for (int i = 0; i < 3; i++) {
        OK(tl_store_begin_tick(h->store, h->epoch, &change, err));
        if (view != EVENTS)
            put_rows(h, view, id, change);
        OK(tl_store_put_final(h->store, id, h->final_ms, err));
        OK(tl_store_put_ready(h->store, id, err));
        OK(tl_store_commit(h->store, err));
        note(h);
    }
    if (boundary_ms != INT64_MIN) {
        const struct ranges *ranges = ranges_of(h, h->ids[view]);
        int64_t run = store_run(h->store, "new definition");

        for (size_t i = 0; i < ranges->count; i++)
            stage_range(h, run, view, id, ranges->from_ms[i], ranges->to_ms[i]);
        OK(tl_store_publish(h->store, run, 1, err));
        note(h);
    }
    for (int tries = 0; !swapped; tries++) {
        struct tl_err err;
        enum tl_code rc = tl_store_swap(h->store, id, h->epoch, &swapped, &err);

        cr_assert(rc == TL_OK || (rc == TL_ERR_BUSY && tries < 200), "%s", err.message);
        cr_assert(swapped || rc == TL_ERR_BUSY);
    }
    h->ids[view] = id;
    note(h);
    h->swaps++;
}

static void replay(struct history *h, int view)
{
    struct tl_shape shape = shape_of(view, '0');
    struct tl_definition active = about(h->store, h->ids[view]);
    struct tl_replay one = {.whole = true};
    bool swapped = false;
    int64_t change = 0;

    shape.hash = active.hash;
    OK(tl_store_define_replay(h->store, &shape, &one.active, &one.build, err));
    note(h);
    OK(tl_store_begin_tick(h->store, 0, &change, err));
    put_rows(h, view, one.build, change);
    OK(tl_store_put_final(h->store, one.build, h->final_ms, err));
    OK(tl_store_commit(h->store, err));
    for (int tries = 0; !swapped; tries++) {
        struct tl_err err;
        enum tl_code rc = tl_store_swap_replays(h->store, &one, 1, h->epoch, &swapped, &err);

        cr_assert(rc == TL_OK || (rc == TL_ERR_BUSY && tries < 200), "%s", err.message);
        cr_assert(swapped || rc == TL_ERR_BUSY);
    }
    note(h);
    h->replays++;
}

/* One step; what it makes clients hear as a cause, -1: several things. */
static int step(struct history *h, int64_t *run)
{
    uint32_t what = chance_below(&chance, 100);

    *run = 0;
    if (what < 70) {
        tick(h);
        return TL_DELTA_LATE_EVENT;
    }
    if (what < 84) {
        *run = publish(h);
        return TL_DELTA_PUBLICATION;
    }
    if (what < 92)
        return roll_back(h) ? TL_DELTA_ROLLBACK : -1;
    if (what < 96 && h->hash < 'z') {
        swap(h, (int)chance_below(&chance, EVENTS));
        return -1;
    }
    replay(h, (int)chance_below(&chance, EVENTS));
    return TL_DELTA_REPLAY;
}

static void each_number_is_what_the_view_showed(const struct store_backend *backend)
{
    static struct history h;
    static struct client c;
    struct run run = {0};
    char folder[400];

    memset(&h, 0, sizeof h);
    memset(&c, 0, sizeof c);
    chance = chance_open("changes");
    h.store = fresh(backend);
    h.epoch = store_epoch(h.store);
    h.hash = 'a';
    h.final_ms = 1000 * S;
    store_folder(folder);
    snprintf(file, sizeof file, "%s/live.db", folder);
    for (int v = 0; v < VIEWS; v++) {
        h.ids[v] = define(h.store, shape_of(v, 'a'));
        c.seq[v] = -1;
    }
    tl_buf_init(&c.heard, 0);
    note(&h);
    for (int i = 0; i < STEPS; i++) {
        uint32_t what = chance_below(&chance, 10);
        int expected;

        if (what < 6)
            catch_up(&run, &c, &h);
        else if (what == 6)
            kill_watcher(&run, &c, &h);
        else if (run.pid == 0)
            begin_watcher(&run, &c);
        c.expected = -1;
        expected = step(&h, &c.run);
        if (run.pid != 0 && what < 6) {
            c.expected = expected;
            catch_up(&run, &c, &h);
        } else if (run.pid != 0 && chance_below(&chance, 3) == 0) {
            usleep(chance_below(&chance, 3000)); /* into the midst of a look */
            kill_watcher(&run, &c, &h);
        }
    }
    c.expected = -1;
    catch_up(&run, &c, &h);
    kill_watcher(&run, &c, &h);
    fprintf(
        stderr,
        "%d publications, %d rollbacks, %d swaps, %d replays; %llu snapshots, %llu deltas, %llu watchers, %llu corrections; by "
        "cause: %llu late, %llu publication, %llu rollback, %llu definition, %llu replay; %llu ranges\n",
        h.publications, h.rollbacks, h.swaps, h.replays, (unsigned long long)c.snapshots, (unsigned long long)c.deltas,
        (unsigned long long)c.resumed, (unsigned long long)c.corrections, (unsigned long long)c.causes[1],
        (unsigned long long)c.causes[2], (unsigned long long)c.causes[3], (unsigned long long)c.causes[4],
        (unsigned long long)c.causes[5], (unsigned long long)c.ranges);
    for (int cause = TL_DELTA_LATE_EVENT; cause < TL_DELTA_CAUSES; cause++)
        cr_assert(c.causes[cause] > 0, "nothing was told of %s", tl_delta_cause_name((enum tl_delta_cause)cause));
    cr_assert(c.snapshots < c.resumed / 2 + 20, "%llu snapshots: resuming leads on", (unsigned long long)c.snapshots);
    tl_buf_done(&c.heard);
    for (int v = 0; v < VIEWS; v++)
        for (int i = 0; i < CHANGES_MAX; i++)
            free(h.showed[v][i]);
    tl_store_close(h.store);
}

static const struct store_check checks[] = {
    CHECK(each_number_is_what_the_view_showed),
};
STORE_SUITE(changes)
