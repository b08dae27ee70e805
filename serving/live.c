/* live.c: who listens to which rows. See live.h.
 *
 *   view ──< group ──< subscription >── client
 *            (same filter, same id,     current    it has been sent all up to the view's seq
 *             same kind of connection:  behind     it has seq; what lies behind it comes out of the journal when there is room
 *             one frame for all)        new        a snapshot is due
 *
 * A look pushes its frame to those that are current and have room; whoever has none is behind from then on. So is who comes back with a number. The ones that are not current
 * are looked after at each turn, some of them: that is how a snapshot, a resumption, and catching up after a jam come about. */
#include "live.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/diag.h"
#include "columns.h"
#include "core/partial.h"
#include "event/timestamp.h"
#include "filter.h"
#include "main/print.h"
#include "net/http_server.h"
#include "problem.h"

enum { ID_BYTES_MAX = 64, WORK_MS = 50, STATUS_MS = 1000, OWED_MS = 1000, PAUSE_MS = 100, IDLE_MS = 1000 };

struct group {
    struct group *next;
    struct listening *listening;
    struct tl_arena memory; /* the filter's */
    struct tl_filter filter;
    char *name; /* what is the same for all: kind, id, and what was asked for */
    struct tl_sv id;
    enum tl_live_kind kind;
    int64_t from_ms, last;
    struct subscription *subscriptions;
    struct tl_blob *frame; /* of the look that is being pushed */
    bool framed;
    struct tl_blob *snapshot; /* as of snapshot_seq */
    int64_t snapshot_seq, snapshot_final_ms;
    /* What has come together behind folded_since, for whoever else stands there, within a turn. */
    bool is_folded;
    struct tl_blob *folded; /* NULL: there is nothing in it for them */
    int64_t folded_since, folded_seq;
};

/* What a view has of it. */
struct listening {
    struct tl_changes_view *view;
    struct group *groups;
    int64_t left_ms;   /* monotonic: when the last one left; INT64_MAX: somebody listens */
    int64_t status_ms; /* monotonic: when the last status was sent */
    bool status_due;
};

enum state { NEW, BEHIND, CURRENT };

struct subscription {
    struct subscription *next, *next_of_client;
    struct group *group;
    struct tl_live_client *client;
    enum state state;
    bool resumes; /* it is told each delta for itself, as it would have been, where they are not too many */
    int64_t seq;
};

struct tl_live_client {
    struct tl_live_client *next, **at;
    struct subscription *subscriptions;
    size_t subscriptions_count;
    void *ctx;
    enum tl_live_kind kind;
    int64_t lagging_since_ms; /* INT64_MAX: it does not */
    /* Of what it was sent it is to take so many bytes, counted from then. */
    int64_t sent_bytes, taken_bytes, owed_bytes, owed_since_ms;
    bool told, ended;
    bool stale; /* as it was told last: the store is away */
};

struct tl_live {
    struct tl_changes *changes;
    struct tl_live_limits limits;
    struct tl_live_calls calls;
    struct tl_live_client *clients;
    struct tl_buf text, removed, added, folded, identity; /* kept for their memory */
    struct tl_value *old_values, *new_values;
    size_t values_capacity;
    struct tl_live_now now;
    struct tl_live_figures figures;
    int waiting_count; /* subscriptions that are not current */
    /* What was made for one client or group, and has not gone yet. */
    struct tl_blob **made;
    size_t made_count, made_capacity, made_bytes;
    int64_t owed_ms;       /* monotonic: when it was looked last who takes what */
    size_t snapshots_left; /* of a turn: bytes of snapshots that may still be kept */
    bool stale, stale_due; /* the store is away; somebody has not been told which it is */
    bool has_more;         /* the last turn had no time for all that could be done */
};

struct tl_live_limits tl_live_usual_limits(void)
{
    return (struct tl_live_limits){.backlog_bytes_max = 1 << 20,
                                   .lagging_ms = 30000,
                                   .subscriptions_max = 64,
                                   .rows_max = 10000,
                                   .snapshot_bytes_max = 2 << 20,
                                   .snapshots_bytes_max = 16 << 20,
                                   .replay_bytes_max = 32 << 10,
                                   .made_bytes_max = 128 << 20,
                                   .least_bytes = 32 << 10,
                                   .linger_ms = 3600000};
}

/* ---- messages ---- */

static void put_time(struct tl_buf *out, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];

    if (ms == INT64_MIN || ms == INT64_MAX) {
        tl_buf_put_str(out, "null");
        return;
    }
    tl_time_to_iso_z(ms, text);
    tl_buf_put_json(out, tl_sv_from(text));
}

static void put_seconds(struct tl_buf *out, int64_t from_ms, int64_t now_ms)
{
    if (from_ms == INT64_MIN || from_ms == INT64_MAX)
        tl_buf_put_str(out, "null");
    else
        tl_buf_printf(out, "%.3f", (double)tl_max_i64(now_ms - from_ms, 0) / 1000);
}

static void put_freshness(struct tl_live *live, struct tl_buf *out, const struct tl_shown_view *is)
{
    tl_buf_put_str(out, ",\"boundary\":");
    put_time(out, is->boundary_ms);
    tl_buf_put_str(out, ",\"freshness\":{\"speed_behind_s\":");
    put_seconds(out, is->final_ms, live->now.wall_ms);
    tl_buf_put_str(out, ",\"batch_behind_s\":");
    put_seconds(out, is->boundary_ms, live->now.wall_ms);
    tl_buf_put_str(out, ",\"final_to\":");
    put_time(out, is->final_ms);
    tl_buf_put_str(out, "}");
}

static void put_head(struct tl_buf *out, const char *type, const struct group *group)
{
    tl_buf_printf(out, "{\"type\":\"%s\",\"id\":", type);
    tl_buf_put_json(out, group->id);
    tl_buf_put_str(out, ",\"view\":");
    tl_buf_put_json(out, group->listening->view->name);
}

/* Of an event its place; of a row of windows a hash that nobody who writes keys can aim at. */
static void put_identity(struct tl_live *live, struct tl_buf *out, const struct tl_changes_view *view, int64_t start_ms,
                         int64_t end_ms, struct tl_sv key)
{
    struct tl_buf *bytes = &live->identity;
    struct tl_event_place place;
    XXH128_hash_t hash;

    if (!view->columns.windowed && tl_event_key_read(key, &place)) {
        tl_buf_printf(out, "\"_partition\":%u,\"_offset\":%lld,\"_row\":%u", place.partition, (long long)place.offset, place.row);
        return;
    }
    tl_buf_clear(bytes);
    tl_buf_put_u64(bytes, (uint64_t)start_ms);
    tl_buf_put_u64(bytes, (uint64_t)end_ms);
    tl_buf_put_sv(bytes, key);
    out->failed = out->failed || bytes->failed;
    hash = XXH3_128bits_withSeed(bytes->data, bytes->size, tl_changes_seed(live->changes));
    tl_buf_printf(out, "\"_id\":\"%016llx%016llx\"", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

static void put_column(struct tl_buf *out, const struct tl_shape_column *column, const struct tl_value *value)
{
    tl_buf_put_json(out, column->name);
    tl_buf_put_u8(out, ':');
    tl_print_json(out, value);
    tl_buf_put_u8(out, ',');
}

static void put_key(struct tl_live *live, struct tl_buf *out, const struct tl_changes_view *view, const struct tl_delta_op *op,
                    const struct tl_value *values)
{
    tl_buf_put_u8(out, '{');
    for (uint32_t i = 0; i < view->columns.columns_count; i++)
        if (view->columns.columns[i].role != TL_ROLE_VALUE)
            put_column(out, &view->columns.columns[i], &values[i]);
    put_identity(live, out, view, op->start_ms, op->end_ms, op->key);
    tl_buf_put_u8(out, '}');
}

static void put_row(struct tl_live *live, struct tl_buf *out, const struct tl_changes_view *view, int64_t start_ms,
                    int64_t end_ms, struct tl_sv key, int64_t run, const struct tl_value *values)
{
    tl_buf_put_u8(out, '{');
    for (uint32_t i = 0; i < view->columns.columns_count; i++)
        put_column(out, &view->columns.columns[i], &values[i]);
    put_identity(live, out, view, start_ms, end_ms, key);
    tl_buf_printf(out, ",\"_layer\":\"%s\",\"_final\":%s}", run > 0 ? "batch" : "speed",
                  run > 0 || end_ms <= view->is.final_ms ? "true" : "false");
}

static bool is_wanted(struct tl_live *live, const struct group *group, bool there, const struct tl_delta_op *op,
                      const struct tl_delta_row *row, struct tl_value *values)
{
    (void)live;
    return there && op->end_ms > group->from_ms &&
           tl_delta_get_values(row->values, &group->listening->view->columns, op->start_ms, op->end_ms, values) &&
           tl_filter_takes(&group->filter, values);
}

/* One row's change as the group sees it. */
static void put_op(struct tl_live *live, const struct group *group, const struct tl_delta_op *op)
{
    const struct tl_changes_view *view = group->listening->view;
    bool had = is_wanted(live, group, op->had, op, &op->old, live->old_values);
    bool has = is_wanted(live, group, op->has, op, &op->now, live->new_values);
    bool corrects = had && op->had_ended;
    struct tl_buf *out = has ? &live->added : &live->removed;

    if (!had && !has)
        return;
    if (out->size > 0)
        tl_buf_put_u8(out, ',');
    if (!view->columns.windowed && has && !had) {
        put_row(live, out, view, op->start_ms, op->end_ms, op->key, op->now.run, live->new_values);
        return;
    }
    tl_buf_printf(out, "{\"op\":\"%s\",\"key\":", corrects ? "correct" : has ? "upsert" : "delete");
    put_key(live, out, view, op, has ? live->new_values : live->old_values);
    if (corrects) {
        tl_buf_put_str(out, ",\"old\":");
        put_row(live, out, view, op->start_ms, op->end_ms, op->key, op->old.run, live->old_values);
    }
    if (has) {
        tl_buf_put_str(out, ",\"row\":");
        put_row(live, out, view, op->start_ms, op->end_ms, op->key, op->now.run, live->new_values);
    } else if (corrects) {
        tl_buf_put_str(out, ",\"row\":null");
    }
    if (op->cause != TL_DELTA_NO_CAUSE)
        tl_buf_printf(out, ",\"cause\":\"%s\"", tl_delta_cause_name(op->cause));
    if (op->run != 0)
        tl_buf_printf(out, ",\"run\":%lld", (long long)op->run);
    tl_buf_put_u8(out, '}');
}

static bool make_room(struct tl_live *live, const struct tl_changes_view *view)
{
    size_t count = view->columns.columns_count;

    if (count <= live->values_capacity && live->old_values != NULL)
        return true;
    if (!TL_RESIZE(live->old_values, count + 1) || !TL_RESIZE(live->new_values, count + 1))
        return false;
    live->values_capacity = count;
    return true;
}

static struct tl_blob *frame_of(struct tl_live *live, enum tl_live_kind kind, int64_t seq, const struct tl_buf *text)
{
    return text->failed ? NULL : live->calls.frame(kind, seq, tl_buf_sv(text));
}

/* *told: there is something in it for the group; NULL all the same: it is damaged, or there is no memory. */
static struct tl_blob *changes_frame(struct tl_live *live, struct group *group, int64_t seq, struct tl_sv delta, bool always,
                                     bool *told)
{
    const struct tl_changes_view *view = group->listening->view;
    struct tl_reader reader = tl_reader_of(delta);
    struct tl_delta_item item;
    struct tl_buf *out = &live->text, ranges;
    struct tl_blob *frame = NULL;

    tl_buf_init(&ranges, 0);
    tl_buf_clear(out);
    tl_buf_clear(&live->removed);
    tl_buf_clear(&live->added);
    *told = true;
    if (!make_room(live, view))
        goto out;
    while (tl_delta_next(&reader, &item)) {
        if (!item.is_range) {
            put_op(live, group, &item.op);
            continue;
        }
        tl_buf_put_str(&ranges, ranges.size == 0 ? ",\"published\":[{\"from\":" : ",{\"from\":");
        put_time(&ranges, item.range.from_ms);
        tl_buf_put_str(&ranges, ",\"to\":");
        put_time(&ranges, item.range.to_ms);
        tl_buf_printf(&ranges, ",\"run\":%lld,\"undone\":%s}", (long long)item.range.run, item.range.undone ? "true" : "false");
    }
    *told = live->removed.size > 0 || live->added.size > 0 || ranges.size > 0 || reader.failed;
    if (reader.failed || (!*told && !always))
        goto out;
    put_head(out, view->columns.windowed ? "changes" : "events", group);
    tl_buf_printf(out, ",\"seq\":%lld,\"rows\":[", (long long)seq);
    tl_buf_put_sv(out, tl_buf_sv(&live->removed));
    if (live->removed.size > 0 && live->added.size > 0)
        tl_buf_put_u8(out, ',');
    tl_buf_put_sv(out, tl_buf_sv(&live->added));
    tl_buf_put_u8(out, ']');
    tl_buf_put_sv(out, tl_buf_sv(&ranges));
    tl_buf_put_str(out, ranges.size > 0 ? "],\"boundary\":" : ",\"boundary\":");
    put_time(out, view->is.boundary_ms);
    tl_buf_put_str(out, ",\"final_to\":");
    put_time(out, view->is.final_ms);
    tl_buf_put_u8(out, '}');
    if (!live->removed.failed && !live->added.failed && !ranges.failed)
        frame = frame_of(live, group->kind, seq, out);
out:
    tl_buf_done(&ranges);
    return frame;
}

/* ---- snapshots ---- */

struct snapping {
    struct tl_live *live;
    struct group *group;
    int64_t left;
    size_t *ends; /* of the rows in live->added, the newest first */
    size_t rows_count, rows_capacity;
    bool truncated;
};

static enum tl_code put_shown(void *ctx, const struct tl_shown_row *row, bool *enough, struct tl_err *err)
{
    struct snapping *s = ctx;
    const struct tl_changes_view *view = s->group->listening->view;

    if (!tl_delta_get_values(row->values, &view->columns, row->start_ms, row->end_ms, s->live->new_values))
        return tl_fail(err, TL_ERR_CORRUPT, "what was shown of view '%.*s' is damaged", TL_SV_ARG(view->name));
    if (!tl_filter_takes(&s->group->filter, s->live->new_values))
        return TL_OK;
    s->truncated = *enough = s->left-- == 0 || s->live->added.size >= s->live->limits.snapshot_bytes_max;
    if (*enough)
        return TL_OK;
    if (s->rows_count == s->rows_capacity) {
        s->rows_capacity = s->rows_capacity == 0 ? 64 : 2 * s->rows_capacity;
        if (!TL_RESIZE(s->ends, s->rows_capacity))
            return tl_fail_memory(err, s->rows_capacity * sizeof *s->ends);
    }
    put_row(s->live, &s->live->added, view, row->start_ms, row->end_ms, row->key, row->run, s->live->new_values);
    s->ends[s->rows_count++] = s->live->added.size;
    return TL_OK;
}

/* The newest are wanted, and not more than those are looked for; they stand in order. */
static enum tl_code put_newest(struct snapping *s, struct tl_buf *out, struct tl_err *err)
{
    struct tl_live *live = s->live;
    enum tl_code rc;

    tl_buf_clear(&live->added);
    TL_TRY(tl_changes_rows(live->changes, s->group->listening->view, s->group->from_ms, put_shown, s, err));
    TL_TRY(tl_buf_check(&live->added, "a snapshot", err));
    for (size_t i = s->rows_count; i-- > 0;) {
        size_t from = i > 0 ? s->ends[i - 1] : 0;

        tl_buf_put(out, live->added.data + from, s->ends[i] - from);
        if (i > 0)
            tl_buf_put_u8(out, ',');
    }
out:
    free(s->ends);
    return rc;
}

static bool snapshot_stands(const struct group *group)
{
    const struct tl_shown_view *is = &group->listening->view->is;

    return group->snapshot != NULL && group->snapshot_seq == is->seq && group->snapshot_final_ms == is->final_ms;
}

/* Counted until it has gone to all who are to have it. Without memory for that it is not. */
static void count_made(struct tl_live *live, struct tl_blob *blob)
{
    if (live->made_count == live->made_capacity) {
        size_t more = live->made_capacity == 0 ? 64 : 2 * live->made_capacity;

        if (!TL_RESIZE(live->made, more))
            return;
        live->made_capacity = more;
    }
    live->made[live->made_count++] = tl_blob_hold(blob);
    live->made_bytes += blob->size;
}

static void look_what_has_gone(struct tl_live *live)
{
    size_t count = 0;

    live->made_bytes = 0;
    for (size_t i = 0; i < live->made_count; i++) {
        struct tl_blob *blob = live->made[i];

        if (atomic_load(&blob->refs) == 1) {
            tl_blob_drop(blob);
        } else {
            live->made[count++] = blob;
            live->made_bytes += blob->size;
        }
    }
    live->made_count = count;
}

static enum tl_code snapshot_of(struct tl_live *live, struct group *group, struct tl_blob **out, struct tl_err *err)
{
    const struct tl_changes_view *view = group->listening->view;
    struct snapping s = {.live = live,
                         .group = group,
                         .left = group->last > 0 ? tl_min_i64(group->last, live->limits.rows_max) : live->limits.rows_max};
    enum tl_code rc = TL_OK;

    if (snapshot_stands(group)) {
        *out = group->snapshot;
        return TL_OK;
    }
    if (!make_room(live, view))
        TL_TRY(tl_fail_memory(err, view->columns.columns_count));
    tl_buf_clear(&live->text);
    put_head(&live->text, "snapshot", group);
    tl_buf_printf(&live->text, ",\"seq\":%lld,\"columns\":", (long long)view->is.seq);
    tl_columns_put(&live->text, view->columns.columns, view->columns.columns_count, view->columns.windowed);
    tl_buf_put_str(&live->text, ",\"rows\":[");
    TL_TRY(put_newest(&s, &live->text, err));
    tl_buf_printf(&live->text, "],\"truncated\":%s,\"from\":", s.truncated ? "true" : "false");
    put_time(&live->text, tl_max_i64(group->from_ms, view->is.floor_ms));
    put_freshness(live, &live->text, &view->is);
    tl_buf_put_u8(&live->text, '}');
    tl_blob_drop(group->snapshot);
    group->snapshot = frame_of(live, group->kind, view->is.seq, &live->text);
    if (group->snapshot == NULL)
        TL_TRY(tl_fail_memory(err, live->text.size));
    count_made(live, group->snapshot);
    group->snapshot_seq = view->is.seq;
    group->snapshot_final_ms = view->is.final_ms;
    *out = group->snapshot;
out:
    return rc;
}

/* ---- sending ---- */

static size_t backlog_of(struct tl_live *live, struct tl_live_client *client)
{
    return live->calls.backlog(client->ctx);
}

static void set_lagging(struct tl_live *live, struct tl_live_client *client, int64_t since_ms)
{
    live->figures.lagging -= client->lagging_since_ms != INT64_MAX;
    live->figures.lagging += since_ms != INT64_MAX;
    client->lagging_since_ms = since_ms;
}

static void end_client(struct tl_live *live, struct tl_live_client *client, unsigned code, const char *reason)
{
    if (!client->ended)
        live->calls.end(client->ctx, code, reason);
    client->ended = true;
}

static void send_blob(struct tl_live *live, struct tl_live_client *client, struct tl_blob *frame)
{
    if (client->ended)
        return;
    live->calls.send(client->ctx, frame);
    client->told = true;
    client->sent_bytes += (int64_t)frame->size;
    live->figures.messages++;
    live->figures.bytes += frame->size;
}

static void set_state(struct tl_live *live, struct subscription *sub, enum state state)
{
    live->waiting_count += (state != CURRENT) - (sub->state != CURRENT);
    sub->state = state;
}

/* A text for one client; it goes with it. */
static void send_text(struct tl_live *live, struct tl_live_client *client)
{
    struct tl_blob *frame = frame_of(live, client->kind, -1, &live->text);

    if (frame != NULL)
        send_blob(live, client, frame);
    else
        end_client(live, client, 1011, "out of memory");
    tl_blob_drop(frame);
}

static void send_resync(struct tl_live *live, struct subscription *sub, const char *reason)
{
    tl_buf_clear(&live->text);
    put_head(&live->text, "resync", sub->group);
    tl_buf_put_str(&live->text, ",\"reason\":");
    tl_buf_put_json(&live->text, tl_sv_from(reason));
    tl_buf_put_u8(&live->text, '}');
    send_text(live, sub->client);
}

static void refuse(struct tl_live *live, struct tl_live_client *client, const struct tl_problem *problem)
{
    struct tl_blob *body = live->text.failed ? NULL : tl_blob_copy(tl_buf_sv(&live->text));

    if (body == NULL)
        end_client(live, client, 1011, "out of memory");
    else if (!client->ended)
        live->calls.refuse(client->ctx, problem->status, body);
    client->ended = true;
    tl_blob_drop(body);
}

TL_PRINTF(6, 7)
static void send_error(struct tl_live *live, struct tl_live_client *client, struct tl_sv id, int status,
                       const struct tl_refusal *refusal, const char *fmt, ...)
{
    char detail[1200];
    struct tl_buf *out = &live->text;
    struct tl_problem problem;
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    tl_problem_init(&problem);
    tl_problem_set(&problem, status, NULL, "%s", detail);
    for (size_t i = 0; refusal != NULL && i < refusal->allowed_count; i++)
        tl_problem_allow(&problem, refusal->allowed[i]);
    tl_buf_clear(out);
    if (client->kind == TL_LIVE_SSE && !client->told) {
        tl_problem_put(out, &problem);
        refuse(live, client, &problem);
    } else {
        tl_buf_put_str(out, "{\"type\":\"error\",\"id\":");
        tl_buf_put_json(out, id);
        tl_buf_printf(out, ",\"status\":%d,\"title\":\"%s\",\"detail\":", status, tl_http_reason(status));
        tl_buf_put_json(out, tl_buf_sv(&problem.detail));
        if (problem.allowed.size > 0) {
            tl_buf_put_str(out, ",\"allowed\":[");
            tl_buf_put_sv(out, tl_buf_sv(&problem.allowed));
            tl_buf_put_u8(out, ']');
        }
        tl_buf_put_u8(out, '}');
        send_text(live, client);
        if (client->kind == TL_LIVE_SSE)
            end_client(live, client, 1000, "its subscription has ended");
    }
    tl_problem_done(&problem);
}

/* ---- groups and subscriptions ---- */

static void group_drop(struct group *group)
{
    struct group **at = &group->listening->groups;

    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    tl_blob_drop(group->snapshot);
    tl_blob_drop(group->frame);
    tl_blob_drop(group->folded);
    tl_arena_done(&group->memory);
    free(group->name);
    free(group);
}

static void unsubscribe(struct tl_live *live, struct subscription *sub)
{
    struct subscription **at = &sub->group->subscriptions;
    struct listening *listening = sub->group->listening;

    while (*at != sub)
        at = &(*at)->next;
    *at = sub->next;
    at = &sub->client->subscriptions;
    while (*at != sub)
        at = &(*at)->next_of_client;
    *at = sub->next_of_client;
    sub->client->subscriptions_count--;
    live->figures.subscriptions--;
    set_state(live, sub, CURRENT);
    if (sub->group->subscriptions == NULL)
        group_drop(sub->group);
    if (listening->groups == NULL)
        listening->left_ms = live->now.monotonic_ms;
    free(sub);
}

static struct listening *listen_to(struct tl_live *live, struct tl_changes_view *view)
{
    struct listening *listening = view->listeners;

    if (listening == NULL) {
        listening = calloc(1, sizeof *listening);
        if (listening == NULL)
            return NULL;
        *listening = (struct listening){.view = view, .left_ms = live->now.monotonic_ms, .status_ms = INT64_MIN};
        view->listeners = listening;
    }
    return listening;
}

struct wish {
    struct tl_sv id, view;
    struct tl_sv where[TL_SELECT_CONDITIONS_MAX];
    size_t where_count;
    int64_t from_ms, last, since;
};

static struct group *find_group(struct listening *listening, struct tl_sv name)
{
    for (struct group *group = listening->groups; group != NULL; group = group->next)
        if (tl_sv_eq(tl_sv_from(group->name), name))
            return group;
    return NULL;
}

/* The group that has all of this in common. */
static enum tl_code group_of(struct tl_live *live, struct listening *listening, enum tl_live_kind kind, const struct wish *wish,
                             struct group **out, struct tl_refusal *refusal, struct tl_err *err)
{
    struct tl_buf *name = &live->text;
    struct group *group = NULL;
    enum tl_code rc = TL_OK;

    tl_buf_clear(name);
    tl_buf_printf(name, "%d %lld %lld ", kind, (long long)wish->from_ms, (long long)wish->last);
    tl_buf_put_json(name, wish->id);
    for (size_t i = 0; i < wish->where_count; i++)
        tl_buf_put_json(name, wish->where[i]);
    TL_TRY(tl_buf_check(name, "a subscription", err));
    *out = find_group(listening, tl_buf_sv(name));
    if (*out != NULL)
        return TL_OK;
    group = calloc(1, sizeof *group);
    if (group == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *group));
    *group = (struct group){.listening = listening, .kind = kind, .from_ms = wish->from_ms, .last = wish->last};
    tl_arena_init(&group->memory, 512, 0);
    group->name = strndup(name->data, name->size);
    if (group->name == NULL || !tl_arena_copy(&group->memory, wish->id, &group->id))
        TL_TRY(tl_fail_memory(err, name->size));
    TL_TRY(
        tl_filter_read(&group->memory, &listening->view->columns, wish->where, wish->where_count, &group->filter, refusal, err));
    group->next = listening->groups;
    listening->groups = group;
    *out = group;
    group = NULL;
out:
    if (group != NULL) {
        tl_arena_done(&group->memory);
        free(group->name);
        free(group);
    }
    return rc;
}

static struct subscription *find_subscription(struct tl_live_client *client, struct tl_sv id)
{
    for (struct subscription *sub = client->subscriptions; sub != NULL; sub = sub->next_of_client)
        if (tl_sv_eq(sub->group->id, id))
            return sub;
    return NULL;
}

static void subscribe(struct tl_live *live, struct tl_live_client *client, const struct wish *wish)
{
    struct subscription *sub = find_subscription(client, wish->id);
    struct tl_changes_view *view = NULL;
    struct listening *listening;
    struct group *group = NULL;
    struct tl_refusal refusal = {.allowed_count = 0};
    struct tl_err err = {.message = ""};
    enum tl_code rc;

    if (sub != NULL)
        unsubscribe(live, sub);
    if (client->subscriptions_count >= live->limits.subscriptions_max) {
        send_error(live, client, wish->id, 400, NULL, "a connection has %zu subscriptions at most",
                   live->limits.subscriptions_max);
        return;
    }
    /* While it is away it is asked by the turn alone: each time may take as long as a connection that comes to nothing. */
    rc = live->stale && !tl_changes_has(live->changes, wish->view)
             ? TL_ERR_IO
             : tl_changes_watch(live->changes, wish->view, live->now.wall_ms, &view, &err);
    if (rc == TL_ERR_NOT_FOUND) {
        tl_changes_names(live->changes, &refusal);
        send_error(live, client, wish->id, 404, &refusal, "there is no view '%.*s'",
                   (int)tl_min_i64((int64_t)wish->view.size, 100), wish->view.data);
        return;
    }
    if (rc != TL_OK) { /* why is for the operator, who is told (live_http.c): it names the store's place */
        send_error(live, client, wish->id, 503, NULL, "the store does not answer; subscribe again in a while");
        return;
    }
    listening = listen_to(live, view);
    sub = listening == NULL ? NULL : calloc(1, sizeof *sub);
    rc = sub == NULL ? tl_fail_memory(&err, sizeof *sub) : group_of(live, listening, client->kind, wish, &group, &refusal, &err);
    if (rc != TL_OK) {
        free(sub);
        send_error(live, client, wish->id, rc == TL_ERR_MEMORY ? 500 : 400, &refusal, "%s", err.message);
        return;
    }
    *sub = (struct subscription){.next = group->subscriptions,
                                 .next_of_client = client->subscriptions,
                                 .group = group,
                                 .client = client,
                                 .state = CURRENT,
                                 .resumes = wish->since >= 0,
                                 .seq = wish->since};
    group->subscriptions = client->subscriptions = sub;
    client->subscriptions_count++;
    live->figures.subscriptions++;
    listening->left_ms = INT64_MAX;
    set_state(live, sub, wish->since >= 0 ? BEHIND : NEW);
}

/* ---- those that are not current ---- */

struct catching_up {
    struct tl_live *live;
    struct subscription *sub;
    bool full;
};

static bool has_room(struct tl_live *live, struct tl_live_client *client, size_t bytes)
{
    size_t backlog = backlog_of(live, client);

    return backlog == 0 || backlog + bytes <= live->limits.backlog_bytes_max;
}

static enum tl_code fail_frame(struct tl_err *err)
{
    return tl_fail(err, TL_ERR_MEMORY, "what has changed cannot be told: it is damaged, or out of memory");
}

static enum tl_code send_delta(void *ctx, int64_t seq, struct tl_sv delta, bool *enough, struct tl_err *err)
{
    struct catching_up *c = ctx;
    struct tl_blob *frame;
    bool told = false;

    frame = changes_frame(c->live, c->sub->group, seq, delta, false, &told);
    if (frame == NULL && told)
        return fail_frame(err);
    if (frame != NULL && !has_room(c->live, c->sub->client, frame->size)) {
        c->full = *enough = true;
        c->sub->resumes = false;
    } else {
        if (frame != NULL) {
            count_made(c->live, frame);
            send_blob(c->live, c->sub->client, frame);
        }
        c->sub->seq = seq;
    }
    tl_blob_drop(frame);
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

static void drop_folded(struct group *group)
{
    tl_blob_drop(group->folded);
    group->folded = NULL;
    group->is_folded = false;
}

/* All that has come together, each row once: made once for all who stand at the same place. */
static enum tl_code fold(struct tl_live *live, struct group *group, int64_t since, struct tl_err *err)
{
    const struct tl_changes_view *view = group->listening->view;
    struct tl_buf deltas;
    bool told = false;
    enum tl_code rc;

    tl_buf_init(&deltas, 0);
    if (group->is_folded && group->folded_since == since && group->folded_seq == view->is.seq)
        return TL_OK;
    drop_folded(group);
    TL_TRY(tl_changes_since(live->changes, view, since, collect, &deltas, err));
    TL_TRY(tl_buf_check(&deltas, "what has changed", err));
    tl_buf_clear(&live->folded);
    TL_TRY(tl_delta_fold(tl_buf_sv(&deltas), &live->folded, err));
    group->folded = changes_frame(live, group, view->is.seq, tl_buf_sv(&live->folded), false, &told);
    if (group->folded == NULL && told)
        TL_TRY(fail_frame(err));
    if (group->folded != NULL)
        count_made(live, group->folded);
    group->is_folded = true;
    group->folded_since = since;
    group->folded_seq = view->is.seq;
out:
    tl_buf_done(&deltas);
    return rc;
}

static enum tl_code send_folded(struct tl_live *live, struct subscription *sub, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(fold(live, sub->group, sub->seq, err));
    if (sub->group->folded != NULL)
        send_blob(live, sub->client, sub->group->folded);
    sub->seq = sub->group->folded_seq;
out:
    return rc;
}

static bool is_full(struct tl_live *live, struct tl_live_client *client)
{
    return backlog_of(live, client) * 2 > live->limits.backlog_bytes_max;
}

/* Who does not take it is one that lags, though nothing changes. */
static void come_up(struct tl_live *live, struct subscription *sub)
{
    set_state(live, sub, is_full(live, sub->client) ? BEHIND : CURRENT);
}

static enum tl_code bring_up(struct tl_live *live, struct subscription *sub, struct tl_err *err)
{
    struct catching_up c = {live, sub, false};
    const struct tl_changes_view *view = sub->group->listening->view;
    bool leads = false, acknowledges = sub->resumes;
    struct tl_blob *frame = NULL;
    int64_t behind_bytes = 0;
    enum tl_code rc = TL_OK;

    if (sub->state == BEHIND) {
        TL_TRY(tl_changes_leads_on(live->changes, view, sub->seq, &leads, err));
        if (leads && sub->resumes)
            TL_TRY(tl_changes_behind(live->changes, view, sub->seq, &behind_bytes, err));
        sub->resumes = sub->resumes && behind_bytes <= live->limits.replay_bytes_max;
        if (leads && (sub->resumes || !view->columns.windowed))
            TL_TRY(tl_changes_since(live->changes, view, sub->seq, send_delta, &c, err));
        else if (leads)
            TL_TRY(send_folded(live, sub, err));
        if (leads && !c.full) {
            sub->seq = view->is.seq;
            sub->resumes = false;
            come_up(live, sub);
            if (acknowledges) { /* so it knows the number that it has now, and where the boundary lies */
                frame = changes_frame(live, sub->group, sub->seq, TL_SV(""), true, &leads);
                if (frame == NULL)
                    TL_TRY(fail_frame(err));
                send_blob(live, sub->client, frame);
                tl_blob_drop(frame);
            }
        }
        if (leads || c.full || sub->state == CURRENT)
            return TL_OK;
        send_resync(live, sub, "what was told since then is not kept any more");
        set_state(live, sub, NEW);
    }
    TL_TRY(snapshot_of(live, sub->group, &frame, err));
    send_blob(live, sub->client, frame);
    sub->seq = view->is.seq;
    sub->resumes = false;
    come_up(live, sub);
out:
    return rc;
}

/* Clients from this one on come first at the next turn. */
static void begin_with(struct tl_live *live, struct tl_live_client *client, struct tl_live_client *last)
{
    struct tl_live_client *first = live->clients;

    if (client == first)
        return;
    *client->at = NULL;
    last->next = first;
    first->at = &last->next;
    live->clients = client;
    client->at = &live->clients;
}

/* What is shown cannot be read at all; else it is one client's alone, and the others are gone on with. */
static bool is_for_all(enum tl_code rc)
{
    return rc == TL_ERR_IO || rc == TL_ERR_BUSY;
}

static void end_failed(struct tl_live *live, struct tl_live_client *client, const struct tl_err *err)
{
    tl_diag(TL_WARN, "live: a client's connection ends: %s", err->message);
    end_client(live, client, 1011, "what it was to be told cannot be made");
}

static void end_slow(struct tl_live *live, struct tl_live_client *client)
{
    live->figures.cut_off++;
    end_client(live, client, 1013, "too slow for what changes");
}

/* Who takes next to nothing of little that waits lags behind nothing, and yet it waits for ever. */
static void look_who_takes(struct tl_live *live)
{
    if (live->now.monotonic_ms - live->owed_ms < OWED_MS)
        return;
    live->owed_ms = live->now.monotonic_ms;
    for (struct tl_live_client *client = live->clients; client != NULL; client = client->next) {
        int64_t waits_bytes = (int64_t)backlog_of(live, client), taken_bytes = client->sent_bytes - waits_bytes;

        if (waits_bytes == 0 || taken_bytes - client->taken_bytes >= client->owed_bytes) {
            client->taken_bytes = taken_bytes;
            client->owed_bytes = tl_min_i64(waits_bytes, live->limits.least_bytes);
            client->owed_since_ms = live->now.monotonic_ms;
        } else if (!client->ended && live->now.monotonic_ms - client->owed_since_ms >= live->limits.lagging_ms) {
            end_slow(live, client);
        }
    }
}

/* As many as there is time and room for; the next turn goes on with who had none. Who lagged and left what he lagged behind with lags no more. */
static enum tl_code bring_up_all(struct tl_live *live, struct tl_err *err)
{
    int64_t until_ms = live->calls.clock_ms() + WORK_MS;
    struct tl_live_client *next_time = NULL, *last = NULL;
    enum tl_code rc = TL_OK;

    live->has_more = false;
    look_what_has_gone(live);
    for (struct tl_live_client *client = live->clients; client != NULL && (live->waiting_count > 0 || live->figures.lagging > 0);
         client = client->next) {
        bool lags = false;

        last = client;
        for (struct subscription *sub = client->subscriptions, *next; sub != NULL && !client->ended; sub = next) {
            next = sub->next_of_client;
            if (sub->state == CURRENT)
                continue;
            if (is_full(live, client)) {
                lags = true;
            } else if (live->calls.clock_ms() >= until_ms) {
                live->has_more = true;
                next_time = next_time != NULL ? next_time : client;
            } else if (live->made_bytes >= live->limits.made_bytes_max && !(sub->state == NEW && snapshot_stands(sub->group))) {
                next_time = next_time != NULL ? next_time : client;
            } else {
                rc = bring_up(live, sub, err);
                if (is_for_all(rc))
                    TL_TRY(rc);
                if (rc != TL_OK)
                    end_failed(live, client, err);
                lags = lags || (sub->state != CURRENT && is_full(live, client));
            }
        }
        if (!lags || client->ended) {
            set_lagging(live, client, INT64_MAX);
        } else if (client->lagging_since_ms == INT64_MAX) {
            set_lagging(live, client, live->now.monotonic_ms);
        } else if (live->now.monotonic_ms - client->lagging_since_ms >= live->limits.lagging_ms) {
            end_slow(live, client);
        }
    }
    rc = TL_OK;
    if (next_time != NULL) /* who waits is not current, so `last` is the last of all */
        begin_with(live, next_time, last);
out:
    return rc;
}

/* ---- what a look has found ---- */

static void push(struct tl_live *live, struct group *group, const struct tl_changes_news *news)
{
    int64_t seq = group->listening->view->is.seq;
    bool told = false;

    tl_blob_drop(group->frame);
    group->frame = changes_frame(live, group, seq, news->delta, false, &told);
    for (struct subscription *sub = group->subscriptions; sub != NULL; sub = sub->next) {
        if (sub->state != CURRENT)
            continue;
        if (group->frame == NULL && !told) { /* nothing in it for them */
            sub->seq = seq;
        } else if (group->frame == NULL || !has_room(live, sub->client, group->frame->size)) {
            set_state(live, sub, BEHIND);
        } else {
            send_blob(live, sub->client, group->frame);
            sub->seq = seq;
        }
    }
    tl_blob_drop(group->frame);
    group->frame = NULL;
}

static void resync(struct tl_live *live, struct group *group, const char *reason)
{
    for (struct subscription *sub = group->subscriptions; sub != NULL; sub = sub->next) {
        if (sub->state != NEW)
            send_resync(live, sub, reason);
        set_state(live, sub, NEW);
    }
}

/* A filter names columns by their place and kind, which are others now. */
static void end_filters(struct tl_live *live, struct listening *listening)
{
    for (struct group *group = listening->groups, *next; group != NULL; group = next) {
        next = group->next;
        for (struct subscription *sub = group->filter.count > 0 ? group->subscriptions : NULL, *after; sub != NULL; sub = after) {
            after = sub->next;
            send_error(live, sub->client, group->id, 400, NULL, "the view has other columns now; subscribe again");
            unsubscribe(live, sub);
        }
    }
}

static void told(void *ctx, struct tl_changes_view *view, const struct tl_changes_news *news)
{
    struct tl_live *live = ctx;
    struct listening *listening = view->listeners;

    if (listening == NULL)
        return;
    if (news->other_columns)
        end_filters(live, listening);
    for (struct group *group = listening->groups; group != NULL; group = group->next)
        if (news->resync != NULL)
            resync(live, group, news->resync);
        else if (news->delta.size > 0)
            push(live, group, news);
    listening->status_due = listening->status_due || (news->moved && news->delta.size == 0 && news->resync == NULL);
}

static void send_status(struct tl_live *live, struct listening *listening)
{
    for (struct group *group = listening->groups; group != NULL; group = group->next) {
        struct tl_blob *frame;

        tl_buf_clear(&live->text);
        put_head(&live->text, "status", group);
        put_freshness(live, &live->text, &listening->view->is);
        tl_buf_put_u8(&live->text, '}');
        frame = frame_of(live, group->kind, -1, &live->text);
        for (struct subscription *sub = group->subscriptions; sub != NULL && frame != NULL; sub = sub->next)
            if (sub->state == CURRENT && has_room(live, sub->client, frame->size))
                send_blob(live, sub->client, frame);
        tl_blob_drop(frame);
    }
    listening->status_due = false;
    listening->status_ms = live->now.monotonic_ms;
}

/* An id of the client's own makes a group, so there may be any number of them. */
static void let_snapshots_go(struct tl_live *live, struct listening *listening)
{
    for (struct group *group = listening->groups; group != NULL; group = group->next) {
        drop_folded(group);
        if (group->snapshot == NULL)
            continue;
        if (group->snapshot_seq == listening->view->is.seq && group->snapshot->size <= live->snapshots_left) {
            live->snapshots_left -= group->snapshot->size;
            continue;
        }
        tl_blob_drop(group->snapshot);
        group->snapshot = NULL;
    }
}

/* Views that were live before, and nobody has asked for yet, are looked at all the same; where nobody does for long they are forgotten. */
static void look_after(void *ctx, struct tl_changes_view *view)
{
    struct tl_live *live = ctx;
    struct listening *listening = listen_to(live, view);
    struct tl_err ignored;

    live->figures.views++;
    live->figures.journal_bytes += (uint64_t)view->is.journal_bytes;
    if (listening == NULL)
        return;
    let_snapshots_go(live, listening);
    if (listening->status_due &&
        (listening->status_ms == INT64_MIN || live->now.monotonic_ms - listening->status_ms >= STATUS_MS))
        send_status(live, listening);
    if (listening->left_ms == INT64_MAX || live->now.monotonic_ms - listening->left_ms < live->limits.linger_ms)
        return;
    if (tl_changes_forget(live->changes, view, &ignored) == TL_OK)
        free(listening);
}

/* Whoever has no room is told when he has. */
static void tell_stale(struct tl_live *live)
{
    if (!live->stale_due)
        return;
    live->stale_due = false;
    for (struct tl_live_client *client = live->clients; client != NULL; client = client->next) {
        if (client->stale == live->stale || client->ended)
            continue;
        tl_buf_clear(&live->text);
        tl_buf_printf(&live->text, "{\"type\":\"status\",\"stale\":%s}", live->stale ? "true" : "false");
        if ((client->kind == TL_LIVE_SSE && !client->told) || !has_room(live, client, live->text.size)) {
            live->stale_due = true; /* the first one's may still be refused */
            continue;
        }
        send_text(live, client);
        client->stale = live->stale;
    }
}

enum tl_code tl_live_turn(struct tl_live *live, bool changed, struct tl_live_now now, struct tl_err *err)
{
    enum tl_code looked = TL_OK, rc;
    struct tl_err ignored;

    live->now = now;
    if (changed) {
        looked = tl_changes_look(live->changes, now.wall_ms, told, live, err);
        live->stale_due = live->stale_due || live->stale != (looked != TL_OK);
        live->stale = looked != TL_OK;
    }
    /* What was shown is there while the store is away. */
    TL_TRY(bring_up_all(live, looked == TL_OK ? err : &ignored));
    tell_stale(live);
    look_who_takes(live);
    live->snapshots_left = live->limits.snapshots_bytes_max;
    live->figures.views = live->figures.journal_bytes = 0;
    tl_changes_each(live->changes, look_after, live);
out:
    return looked != TL_OK ? looked : rc;
}

int64_t tl_live_pause_ms(const struct tl_live *live)
{
    return live->has_more ? 0 : live->waiting_count > 0 ? PAUSE_MS : IDLE_MS;
}

struct tl_live_figures tl_live_figures(const struct tl_live *live)
{
    return live->figures;
}

/* ---- what clients say ---- */

static bool is_number(const json_t *value, int64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = json_integer_value(value);
    return true;
}

static struct tl_sv text_of(const json_t *value)
{
    return (struct tl_sv){json_string_value(value), json_string_length(value)};
}

/* NULL: it is right; else what is not. */
static const char *read_wish(json_t *message, struct wish *wish)
{
    const char *name;
    json_t *value;

    *wish = (struct wish){.id = TL_SV(""), .from_ms = INT64_MIN, .since = -1};
    json_object_foreach(message, name, value)
    {
        if (strcmp(name, "type") == 0 || json_is_null(value))
            continue;
        if (strcmp(name, "id") == 0) {
            if (!json_is_string(value) || json_string_length(value) > ID_BYTES_MAX)
                return "id is a text of at most 64 bytes";
            wish->id = text_of(value);
        } else if (strcmp(name, "view") == 0) {
            if (!json_is_string(value))
                return "view is the name of one";
            wish->view = text_of(value);
        } else if (strcmp(name, "where") == 0) {
            size_t i;
            json_t *each;

            if (!json_is_array(value) || json_array_size(value) > TL_SELECT_CONDITIONS_MAX)
                return "where is an array of conditions, 64 at most, as in [\"host:eq:a.example\"]";
            json_array_foreach(value, i, each)
            {
                if (!json_is_string(each))
                    return "where is an array of texts, as in [\"host:eq:a.example\"]";
                wish->where[wish->where_count++] = text_of(each);
            }
        } else if (strcmp(name, "from") == 0) {
            if (!json_is_string(value) || !tl_time_from_rfc3339(text_of(value), &wish->from_ms))
                return "from is a time as in 2026-11-27T06:00:00Z";
        } else if (strcmp(name, "last") == 0) {
            if (!is_number(value, &wish->last))
                return "last is a number of rows";
        } else if (strcmp(name, "since") == 0) {
            if (!is_number(value, &wish->since))
                return "since is the seq of an earlier message";
        } else {
            return "a subscription has type, id, view, where, from, last and since";
        }
    }
    return wish->view.data == NULL ? "a subscription names a view" : NULL;
}

void tl_live_take(struct tl_live *live, struct tl_live_client *client, struct tl_sv text, struct tl_live_now now)
{
    static const struct tl_refusal types = {
        .allowed = {{"subscribe", 9}, {"unsubscribe", 11}, {"ping", 4}},
          .allowed_count = 3
    };
    json_t *message = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(message, "type")), *wrong;
    struct subscription *sub;
    struct wish wish;

    live->now = now;
    if (client->ended) { /* it may have said more before it heard of that */
        json_decref(message);
        return;
    }
    if (type == NULL) {
        send_error(live, client, TL_SV(""), 400, &types, "a message is a JSON object with a type");
    } else if (strcmp(type, "ping") == 0) {
        tl_buf_clear(&live->text);
        tl_buf_put_str(&live->text, "{\"type\":\"pong\"}");
        send_text(live, client);
    } else if (strcmp(type, "unsubscribe") == 0 || strcmp(type, "subscribe") == 0) {
        wrong = read_wish(message, &wish);
        sub = find_subscription(client, wish.id);
        if (type[0] == 'u' && sub != NULL)
            unsubscribe(live, sub);
        else if (type[0] == 'u')
            send_error(live, client, wish.id, 404, NULL, "there is no such subscription");
        else if (wrong != NULL)
            send_error(live, client, wish.id, 400, NULL, "%s", wrong);
        else
            subscribe(live, client, &wish);
    } else {
        send_error(live, client, TL_SV(""), 400, &types, "there is no message of type '%.60s'", type);
    }
    json_decref(message);
}

/* ---- clients ---- */

struct tl_live_client *tl_live_join(struct tl_live *live, enum tl_live_kind kind, void *ctx)
{
    struct tl_live_client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return NULL;
    *client = (struct tl_live_client){
        .next = live->clients, .at = &live->clients, .ctx = ctx, .kind = kind, .lagging_since_ms = INT64_MAX};
    if (client->next != NULL)
        client->next->at = &client->next;
    live->clients = client;
    live->stale_due = live->stale_due || live->stale;
    live->figures.clients[kind]++;
    return client;
}

void tl_live_leave(struct tl_live *live, struct tl_live_client *client)
{
    for (struct subscription *sub = client->subscriptions, *next; sub != NULL; sub = next) {
        next = sub->next_of_client;
        unsubscribe(live, sub);
    }
    set_lagging(live, client, INT64_MAX);
    live->figures.clients[client->kind]--;
    *client->at = client->next;
    if (client->next != NULL)
        client->next->at = client->at;
    free(client);
}

enum tl_code tl_live_open(struct tl_changes *changes, const struct tl_live_limits *limits, const struct tl_live_calls *calls,
                          struct tl_live **out, struct tl_err *err)
{
    struct tl_live *live = calloc(1, sizeof *live);

    if (live == NULL)
        return tl_fail_memory(err, sizeof *live);
    live->changes = changes;
    live->limits = *limits;
    live->calls = *calls;
    live->now = (struct tl_live_now){tl_clock_wall_ms(), tl_clock_monotonic_ms()};
    tl_buf_init(&live->text, 0);
    tl_buf_init(&live->removed, 0);
    tl_buf_init(&live->added, 0);
    tl_buf_init(&live->folded, 0);
    tl_buf_init(&live->identity, 0);
    *out = live;
    return TL_OK;
}

static void stop_listening(void *ctx, struct tl_changes_view *view)
{
    (void)ctx;
    free(view->listeners);
    view->listeners = NULL;
}

void tl_live_close(struct tl_live *live)
{
    if (live == NULL)
        return;
    for (struct tl_live_client *client = live->clients, *next; client != NULL; client = next) {
        next = client->next;
        tl_live_leave(live, client);
    }
    for (size_t i = 0; i < live->made_count; i++)
        tl_blob_drop(live->made[i]);
    free(live->made);
    tl_changes_each(live->changes, stop_listening, NULL);
    tl_buf_done(&live->text);
    tl_buf_done(&live->removed);
    tl_buf_done(&live->added);
    tl_buf_done(&live->folded);
    tl_buf_done(&live->identity);
    free(live->old_values);
    free(live->new_values);
    free(live);
}
