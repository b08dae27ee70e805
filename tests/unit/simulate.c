/* simulate.c: both layers around the real core. See simulate.h. */
#include "simulate.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/relay.h"
#include "event/timestamp.h"
#include "sql/shape.h"
#include "support/sql_value.h"

#define MUST(call)                                                                                                               \
    do {                                                                                                                         \
        if ((call) != TL_OK)                                                                                                     \
            cr_assert(false, "%s: %s", #call, err.message);                                                                      \
    } while (0)

enum { PARTITIONS_MAX = 8, WORKERS_MAX = 8 };

struct tl_plan *sim_plan(const char *sql)
{
    struct tl_plan *plan = NULL;
    struct tl_err err = {0};

    MUST(tl_plan_parse(tl_sv_from(sql), "test.sql", sql_value_catalog(), &plan, &err));
    return plan;
}

struct tl_checks *sim_checks(struct tl_plan *plan, const char *sql)
{
    struct tl_checks *checks = NULL;
    struct tl_err err = {0};

    MUST(tl_checks_parse(tl_sv_from(sql), "checks.sql", plan, &checks, &err));
    return checks;
}

void sim_add(struct sim_history *history, uint32_t partition, int64_t log_ms, const char *text)
{
    size_t size = strlen(text);
    int64_t offset = 0;
    char *copy = calloc(1, size + TL_MESSAGE_PADDING);

    for (size_t i = history->count; i-- > 0;) {
        if (history->events[i].partition == partition) {
            offset = history->events[i].offset + 1;
            break;
        }
    }
    if (history->count == history->capacity) {
        history->capacity = history->capacity * 2 + 64;
        history->events = realloc(history->events, history->capacity * sizeof *history->events);
    }
    cr_assert(copy != NULL && history->events != NULL);
    memcpy(copy, text, size);
    history->events[history->count++] = (struct sim_event){partition, offset, log_ms, copy};
    if (partition >= history->partitions_count)
        history->partitions_count = partition + 1;
}

void sim_history_done(struct sim_history *history)
{
    for (size_t i = 0; i < history->count; i++)
        free(history->events[i].text);
    free(history->events);
}

void sim_result_done(struct sim_result *result)
{
    tl_buf_done(&result->flags);
    tl_buf_done(&result->rows);
    tl_buf_done(&result->ended);
    tl_buf_done(&result->ledger);
    tl_buf_done(&result->dropped);
    tl_buf_done(&result->found);
}

/* ---- lines ---- */

static void put_value(struct tl_buf *out, const struct tl_vec *column, uint32_t row)
{
    struct tl_value value = tl_vec_get(column, row);

    tl_buf_put_u8(out, ' ');
    if (value.is_null)
        tl_buf_put_str(out, "NULL");
    else if (tl_kind_form(value.kind) == TL_FORM_TEXT)
        tl_buf_put_json(out, value.sv);
    else if (tl_kind_form(value.kind) == TL_FORM_F64)
        tl_buf_printf(out, "%.17g", value.f64);
    else
        tl_buf_printf(out, "%" PRId64, value.i64);
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct tl_buf *text)
{
    size_t count = 0;
    char **lines, *at, *copy;

    tl_buf_put_u8(text, 0);
    cr_assert(!text->failed);
    copy = strdup(text->data);
    lines = calloc(text->size + 1, sizeof *lines);
    cr_assert(copy != NULL && lines != NULL);
    for (at = copy; *at != 0;) {
        char *end = strchr(at, '\n');

        *end = 0;
        lines[count++] = at;
        at = end + 1;
    }
    qsort(lines, count, sizeof *lines, by_line);
    tl_buf_clear(text);
    for (size_t i = 0; i < count; i++)
        tl_buf_printf(text, "%s\n", lines[i]);
    tl_buf_put_u8(text, 0);
    free(lines);
    free(copy);
}

static void put_ledger(struct tl_buf *out, const struct tl_plan *plan, uint32_t v, const struct tl_ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        const struct tl_ledger_line *line = &ledger->lines[i];
        bool rejected = line->cause == TL_CAUSE_DQ_REJECT;

        if (line->cause != TL_CAUSE_NONE)
            tl_buf_printf(out, "%.*s %u %" PRId64 " %u %s%s%s\n", TL_SV_ARG(plan->views[v].name), line->partition, line->offset,
                          line->row, tl_cause_name(line->cause), rejected ? ":" : "", rejected ? line->function : "");
    }
}

static void put_flags(struct tl_buf *out, const struct tl_ledger *ledger)
{
    static const char *const names[] = {"dup_key", "json_bad_field", "date_clamped", "id_conflict"};

    for (size_t i = 0; i < ledger->count; i++) {
        const struct tl_ledger_line *line = &ledger->lines[i];

        if (line->cause != TL_CAUSE_NONE)
            continue;
        tl_buf_printf(out, "%u %" PRId64 " %u", line->partition, line->offset, line->row);
        for (unsigned f = 0; f < TL_COUNT(names); f++)
            if (line->flags & 1u << f)
                tl_buf_printf(out, " %s", names[f]);
        tl_buf_put_u8(out, '\n');
    }
}

static void put_dropped(struct tl_buf *out, const struct tl_partial *partial)
{
    for (size_t i = 0; i < partial->dropped_count; i++) {
        const struct tl_dropped *dropped = &partial->dropped[i];

        tl_buf_printf(out, "%u %" PRId64 " %u %s %.*s\n", dropped->partition, dropped->offset, dropped->row, dropped->check,
                      TL_SV_ARG(dropped->raw));
    }
}

/* ---- the stream ---- */

struct stored_row {
    uint32_t view;
    int64_t start_ms, end_ms;
    char *key, *accumulators, *line;
    size_t key_size, accumulators_size;
};

/* What outlives a restart: rows and states by identity (a state has bytes and no line). */
struct stored {
    struct stored_row *rows;
    size_t count, capacity;
};

struct disk {
    struct stored rows, states;
    int64_t next[PARTITIONS_MAX]; /* index into the history */
    int64_t watermark_ms[PARTITIONS_MAX], judged_ms;
    struct tl_buf ids[PARTITIONS_MAX];
    struct tl_buf ledger;
};

struct stream_worker {
    struct stream *stream;
    struct tl_core *core;
    struct tl_partial *partial;
    struct tl_watermark watermark;
};

struct stream {
    struct tl_plan *plan;
    const struct sim_history *history;
    const struct sim_stream *how;
    struct sim_result *out;
    struct disk disk;
    struct stream_worker workers[WORKERS_MAX];
    struct tl_horizon *horizons[PARTITIONS_MAX];
    int64_t next[PARTITIONS_MAX];
    struct tl_partial *all;
    struct tl_relay *relay;
    unsigned seed;
};

static enum tl_code see_stream(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids, const int64_t *time_ms,
                               const int64_t *log_ms, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    struct stream *stream = ((struct stream_worker *)ctx)->stream;
    enum tl_code rc = TL_OK;

    (void)source;
    (void)time_ms;
    for (uint32_t i = 0; i < count; i++) {
        enum tl_seen answer;

        TL_TRY(tl_horizon_see(stream->horizons[partition], ids[i], log_ms[i], &answer, err));
        seen[i] = (uint8_t)answer;
    }
out:
    return rc;
}

static struct stored_row *find(struct stored *stored, uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key)
{
    for (size_t r = stored->count; r-- > 0;) {
        struct stored_row *row = &stored->rows[r];

        if (row->view == view && row->end_ms == end_ms && row->start_ms == start_ms && row->key_size == key.size &&
            memcmp(row->key, key.data, key.size) == 0)
            return row;
    }
    return NULL;
}

static void save(struct stored *stored, uint32_t view, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes,
                 struct tl_sv line)
{
    struct stored_row *row = find(stored, view, start_ms, end_ms, key);

    if (row == NULL) {
        if (stored->count == stored->capacity) {
            stored->capacity = stored->capacity * 2 + 64;
            stored->rows = realloc(stored->rows, stored->capacity * sizeof *stored->rows);
            cr_assert(stored->rows != NULL);
        }
        row = &stored->rows[stored->count++];
        *row = (struct stored_row){.view = view, .start_ms = start_ms, .end_ms = end_ms};
        row->key_size = key.size;
        row->key = malloc(key.size + 1);
        cr_assert(row->key != NULL);
        memcpy(row->key, key.data, key.size);
    }
    free(row->line);
    free(row->accumulators);
    row->line = strndup(line.size > 0 ? line.data : "", line.size);
    row->accumulators_size = bytes.size;
    row->accumulators = malloc(bytes.size + 1);
    cr_assert(row->line != NULL && row->accumulators != NULL);
    if (bytes.size > 0)
        memcpy(row->accumulators, bytes.data, bytes.size);
}

static void drop(struct stored *stored, struct stored_row *row)
{
    if (row == NULL)
        return;
    free(row->line);
    free(row->key);
    free(row->accumulators);
    *row = stored->rows[--stored->count];
}

struct rows_ctx {
    const struct tl_plan *plan;
    uint32_t view;
    struct disk *disk;   /* stream: rows are kept by identity */
    struct tl_buf *text; /* batch: rows are written */
    int64_t upto_ms;
};

static enum tl_code take_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct rows_ctx *take = ctx;
    const struct tl_view *view = &take->plan->views[take->view];
    struct tl_buf line;

    (void)err;
    tl_buf_init(&line, 0);
    for (uint32_t i = 0; i < rows->count; i++) {
        tl_buf_clear(&line);
        tl_buf_printf(&line, "%.*s %" PRId64 " %" PRId64, TL_SV_ARG(view->name), rows->start_ms[i], rows->end_ms[i]);
        for (uint32_t o = 0; o < view->outputs_count; o++)
            put_value(&line, &rows->columns[o], i);
        tl_buf_put_u8(&line, '\n');
        if (take->disk != NULL)
            save(&take->disk->rows, take->view, rows->start_ms[i], rows->end_ms[i], rows->key[i],
                 rows->accumulators != NULL ? rows->accumulators[i] : (struct tl_sv){NULL, 0}, tl_buf_sv(&line));
        else
            tl_buf_put_sv(take->text, tl_buf_sv(&line));
    }
    tl_buf_done(&line);
    return TL_OK;
}

/* What has changed comes by identity, for stores. */
static enum tl_code take_changed(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    for (uint32_t i = 1; i < rows->count; i++) {
        int64_t by_end = rows->end_ms[i] - rows->end_ms[i - 1], by_start = rows->start_ms[i] - rows->start_ms[i - 1];

        if (by_end < 0 || (by_end == 0 && (by_start < 0 || (by_start == 0 && tl_sv_cmp(rows->key[i - 1], rows->key[i]) >= 0))))
            return tl_fail(err, TL_ERR_CORRUPT, "row %u of what has changed is out of order", i);
    }
    return take_rows(ctx, rows, err);
}

static enum tl_code drop_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct rows_ctx *take = ctx;

    (void)err;
    for (uint32_t i = 0; i < rows->count; i++) {
        cr_assert_lt(rows->end_ms[i], INT64_MAX, "%.*s: a row of no window has gone",
                     TL_SV_ARG(take->plan->views[take->view].name));
        drop(&take->disk->rows, find(&take->disk->rows, take->view, rows->start_ms[i], rows->end_ms[i], rows->key[i]));
    }
    return TL_OK;
}

static enum tl_code take_states(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    struct rows_ctx *take = ctx;
    struct tl_sv nothing = {NULL, 0};

    (void)err;
    for (uint32_t i = 0; i < states->count; i++) {
        if (states->bytes[i].size > 0)
            save(&take->disk->states, take->view, states->start_ms[i], states->end_ms[i], states->key[i], states->bytes[i],
                 nothing);
        else
            drop(&take->disk->states,
                 find(&take->disk->states, take->view, states->start_ms[i], states->end_ms[i], states->key[i]));
    }
    return TL_OK;
}

static bool state_is_beside(struct tl_plan *plan, uint32_t v)
{
    struct tl_shape shape;
    struct tl_err err = {0};

    MUST(tl_shape_of(plan, &plan->views[v], &shape, &err));
    return shape.state == TL_STATE_BESIDE;
}

static void load_windows(struct stream *s)
{
    struct tl_err err = {0};

    for (uint32_t v = 0; v < s->plan->views_count; v++) {
        struct tl_window *window = s->all->views[v].window;
        bool beside = state_is_beside(s->plan, v);
        const struct stored *from = beside ? &s->disk.states : &s->disk.rows;

        if (window == NULL)
            continue;
        tl_window_resume(window, s->out->final_ms[v]);
        for (size_t r = 0; r < from->count; r++) {
            const struct stored_row *row = &from->rows[r];
            struct tl_sv key = {row->key, row->key_size}, bytes = {row->accumulators, row->accumulators_size};

            if (row->view != v)
                continue;
            if (beside)
                MUST(tl_window_load_state(window, row->start_ms, row->end_ms, key, bytes, &err));
            else if (row->end_ms > s->out->final_ms[v])
                MUST(tl_window_load_row(window, row->start_ms, row->end_ms, key, bytes, &err));
        }
    }
}

static void stream_open(struct stream *s)
{
    struct tl_err err = {0};
    uint32_t workers = s->how->workers_count;

    MUST(tl_partial_open(s->plan, NULL, &s->all, &err));
    MUST(tl_relay_open(s->plan, NULL, &s->relay, &err));
    load_windows(s);
    for (uint32_t p = 0; p < s->history->partitions_count; p++) {
        s->next[p] = s->disk.next[p];
        MUST(tl_horizon_open(s->plan->settings.dedup_horizon_ms, s->plan->settings.dedup_ids_max, &s->horizons[p], &err));
        MUST(tl_horizon_load(s->horizons[p], tl_buf_sv(&s->disk.ids[p]), &err));
    }
    for (uint32_t w = 0; w < workers; w++) {
        struct stream_worker *worker = &s->workers[w];
        struct tl_core_config config = {.plan = s->plan, .dedup = see_stream, .dedup_ctx = worker};
        struct tl_watermark_partition own[PARTITIONS_MAX];
        uint32_t count = 0;
        int64_t others_ms = INT64_MAX;

        for (uint32_t p = 0; p < s->history->partitions_count; p++) {
            if (p % workers == w)
                own[count++] = (struct tl_watermark_partition){p, s->disk.watermark_ms[p], false};
            else
                others_ms = tl_min_i64(others_ms, s->disk.watermark_ms[p]);
        }
        worker->stream = s;
        MUST(tl_core_open(&config, &worker->core, &err));
        MUST(tl_partial_open(s->plan, NULL, &worker->partial, &err));
        MUST(tl_watermark_init(&worker->watermark, own, count, others_ms, s->disk.judged_ms, s->disk.judged_ms, &err));
    }
}

static void stream_close(struct stream *s)
{
    for (uint32_t w = 0; w < s->how->workers_count; w++) {
        tl_core_close(s->workers[w].core);
        tl_partial_close(s->workers[w].partial);
        tl_watermark_done(&s->workers[w].watermark);
    }
    for (uint32_t p = 0; p < s->history->partitions_count; p++)
        tl_horizon_close(s->horizons[p]);
    tl_relay_close(s->relay);
    tl_partial_close(s->all);
}

/* The event of the partition at or behind history index `from`; history->count: none. */
static int64_t next_of(const struct sim_history *history, uint32_t partition, int64_t from)
{
    while ((size_t)from < history->count && history->events[from].partition != partition)
        from++;
    return from;
}

static bool stream_read(struct stream *s, uint32_t partition)
{
    struct stream_worker *worker = &s->workers[partition % s->how->workers_count];
    struct tl_message messages[64];
    struct tl_core_input input = {.partition = partition,
                                  .messages = messages,
                                  .watermark = &worker->watermark,
                                  .watermark_index = partition / s->how->workers_count};
    uint32_t limit = 1 + (uint32_t)rand_r(&s->seed) % s->how->read_max;
    struct tl_err err = {0};

    for (int64_t at = next_of(s->history, partition, s->next[partition]); (size_t)at < s->history->count && input.count < limit;
         at = next_of(s->history, partition, at + 1)) {
        const struct sim_event *event = &s->history->events[at];

        messages[input.count++] = (struct tl_message){event->offset, event->log_ms, tl_sv_from(event->text)};
        input.next_offset = event->offset + 1;
        s->next[partition] = at + 1;
    }
    if (input.count > 0)
        MUST(tl_core_push(worker->core, &input, worker->partial, &err));
    return input.count > 0;
}

static void store_view(struct stream *s, uint32_t v, int64_t watermark_ms)
{
    struct rows_ctx take = {.plan = s->plan, .view = v, .disk = &s->disk};
    struct tl_window_sink sink = {.ctx = &take, .rows = take_changed, .gone = drop_rows, .states = take_states};
    struct tl_window *window = s->all->views[v].window;
    struct tl_err err = {0};
    int64_t upto_ms;

    if (window == NULL)
        return;
    for (int o = 0; o < TL_OUTCOMES; o++)
        s->out->outcomes[v][o] += s->all->views[v].outcomes[0][o];
    put_ledger(&s->disk.ledger, s->plan, v, &s->all->views[v].ledger);
    if (!state_is_beside(s->plan, v))
        sink.states = NULL;
    MUST(tl_window_changed(window, &sink, &err));
    upto_ms = tl_window_states_upto_ms(window);
    for (size_t r = 0; sink.states != NULL && r < s->disk.states.count;) {
        struct stored_row *row = &s->disk.states.rows[r];

        if (row->view == v && row->end_ms <= upto_ms)
            drop(&s->disk.states, row);
        else
            r++;
    }
    MUST(tl_window_settle(window, &err));
    s->out->final_ms[v] = tl_max_i64(s->out->final_ms[v], tl_window_final_ms(&s->plan->views[v], watermark_ms));
}

/* Lets the windows advance, and keeps what has changed. */
static void advance(struct stream *s, int64_t watermark_ms)
{
    struct tl_err err = {0};

    MUST(tl_relay_advance(s->relay, s->all, &watermark_ms, &err));
    for (uint32_t v = 0; v < s->plan->views_count; v++)
        store_view(s, v, tl_relay_watermark_ms(s->plan, v, &watermark_ms));
    tl_partial_reset_notes(s->all);
}

static void stream_tick(struct stream *s)
{
    uint32_t workers = s->how->workers_count;
    struct tl_watermark_partition marks[PARTITIONS_MAX];
    struct tl_watermark_sum sum = TL_WATERMARK_NOTHING;
    int64_t judged_ms = INT64_MAX, combined_ms;
    struct tl_err err = {0};

    for (uint32_t w = 0; w < workers; w++) {
        struct tl_partial *partial = s->workers[w].partial;

        if (s->workers[w].watermark.partitions_count > 0)
            judged_ms = tl_min_i64(judged_ms, s->workers[w].watermark.judge_ms);
        MUST(tl_partial_merge_windows(s->all, partial, &err));
        put_flags(&s->out->flags, &partial->sources[0].ledger);
        for (uint32_t v = 0; v < s->plan->views_count; v++) {
            if (s->plan->views[v].inner >= 0)
                continue; /* reads no event */
            for (int o = 0; o < TL_OUTCOMES; o++)
                s->out->outcomes[v][o] += partial->views[v].outcomes[0][o] + partial->sources[0].outcomes[0][o];
            put_ledger(&s->disk.ledger, s->plan, v, &partial->views[v].ledger);
            put_ledger(&s->disk.ledger, s->plan, v, &partial->sources[0].ledger);
            if (partial->views[v].events != NULL) {
                struct rows_ctx take = {.plan = s->plan, .view = v, .disk = &s->disk};
                struct tl_rows rows = tl_event_rows_view(partial->views[v].events);

                MUST(take_rows(&take, &rows, &err));
            }
        }
        for (uint32_t p = 0; p < partial->partitions_count; p++)
            s->out->events_count += partial->partitions[p].events_count;
        tl_partial_reset(partial);
    }
    advance(s, judged_ms);
    for (uint32_t p = 0; p < s->history->partitions_count; p++) {
        s->disk.next[p] = s->next[p];
        s->disk.watermark_ms[p] = s->workers[p % workers].watermark.partitions[p / workers].watermark_ms;
        marks[p] = s->workers[p % workers].watermark.partitions[p / workers];
        tl_watermark_add(&sum, marks[p].watermark_ms, marks[p].idle);
        tl_horizon_save(s->horizons[p], &s->disk.ids[p]);
        tl_horizon_saved(s->horizons[p]);
    }
    combined_ms = tl_watermark_combined(&sum);
    s->disk.judged_ms = tl_max_i64(s->disk.judged_ms, combined_ms);
    for (uint32_t w = 0; w < workers; w++) {
        int64_t others_ms = INT64_MAX;

        for (uint32_t p = 0; p < s->history->partitions_count; p++)
            if (p % workers != w && !marks[p].idle)
                others_ms = tl_min_i64(others_ms, marks[p].watermark_ms);
        tl_watermark_hear(&s->workers[w].watermark, &(struct tl_watermark_heard){others_ms, combined_ms, others_ms, combined_ms});
    }
}

static void put_stored(const struct stored *stored, struct tl_buf *out)
{
    for (size_t r = 0; r < stored->count; r++)
        tl_buf_put_str(out, stored->rows[r].line);
}

/* Flink sends Long.MAX (semantics.md 3.6). What has been judged stays so: only rows change. */
static void end_input(struct stream *s, unsigned *seed)
{
    int64_t final_ms[TL_COUNT(s->out->final_ms)];

    if (rand_r(seed) % 100 < s->how->restart_percent) {
        stream_close(s);
        stream_open(s);
    }
    memcpy(final_ms, s->out->final_ms, sizeof final_ms);
    advance(s, INT64_MAX);
    memcpy(s->out->final_ms, final_ms, sizeof final_ms);
}

void sim_stream(struct tl_plan *plan, const struct sim_history *history, const struct sim_stream *how, struct sim_result *out)
{
    static struct stream s;
    unsigned seed = how->seed;
    bool more = true;

    s = (struct stream){.plan = plan, .history = history, .how = how, .out = out, .seed = how->seed ^ 0x9e3779b9u};
    cr_assert(plan->sources_count == 1 && history->partitions_count <= PARTITIONS_MAX && plan->views_count <= 16);
    *out = (struct sim_result){0};
    tl_buf_init(&out->rows, 0);
    tl_buf_init(&out->ended, 0);
    tl_buf_init(&out->ledger, 0);
    tl_buf_init(&out->flags, 0);
    tl_buf_init(&s.disk.ledger, 0);
    s.disk.judged_ms = INT64_MIN;
    for (uint32_t v = 0; v < plan->views_count; v++)
        out->final_ms[v] = INT64_MIN;
    for (uint32_t p = 0; p < PARTITIONS_MAX; p++) {
        tl_buf_init(&s.disk.ids[p], 0);
        s.disk.watermark_ms[p] = INT64_MIN;
    }
    stream_open(&s);
    while (more) {
        uint32_t first = (uint32_t)rand_r(&seed) % history->partitions_count;

        more = false;
        for (uint32_t i = 0; i < history->partitions_count && !more; i++)
            more = stream_read(&s, (first + i) % history->partitions_count);
        if (rand_r(&seed) % 100 >= how->tick_percent && more)
            continue;
        stream_tick(&s);
        if (rand_r(&seed) % 100 < how->restart_percent) {
            stream_close(&s);
            stream_open(&s);
        } else if (rand_r(&seed) % 100 < how->restart_percent) {
            (void)stream_read(&s, first); /* killed with work that no tick has kept */
            stream_close(&s);
            stream_open(&s);
            more = true;
        }
    }
    stream_tick(&s); /* the workers have heard of each other */
    put_stored(&s.disk.rows, &out->rows);
    end_input(&s, &seed);
    put_stored(&s.disk.rows, &out->ended);
    stream_close(&s);
    while (s.disk.rows.count > 0)
        drop(&s.disk.rows, &s.disk.rows.rows[0]);
    while (s.disk.states.count > 0)
        drop(&s.disk.states, &s.disk.states.rows[0]);
    tl_buf_put_sv(&out->ledger, tl_buf_sv(&s.disk.ledger));
    sort_lines(&out->rows);
    sort_lines(&out->ended);
    sort_lines(&out->ledger);
    sort_lines(&out->flags);
    tl_buf_done(&s.disk.ledger);
    for (uint32_t p = 0; p < PARTITIONS_MAX; p++)
        tl_buf_done(&s.disk.ids[p]);
    free(s.disk.rows.rows);
    free(s.disk.states.rows);
}

/* ---- batch ---- */

struct batch {
    const struct sim_batch *how;
    struct tl_idset **ids; /* per range */
};

static enum tl_code see_batch(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids, const int64_t *time_ms,
                              const int64_t *log_ms, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    struct batch *batch = ctx;
    enum tl_code rc = TL_OK;

    (void)source;
    (void)partition;
    (void)log_ms;
    for (uint32_t i = 0; i < count; i++) {
        enum tl_seen answer;
        uint32_t range = 0;

        while (time_ms[i] >= batch->how->bounds[range + 1])
            range++;
        if (batch->ids[range] == NULL)
            TL_TRY(tl_idset_open(&batch->ids[range], err));
        TL_TRY(tl_idset_see(batch->ids[range], ids[i], &answer, err));
        seen[i] = (uint8_t)answer;
    }
out:
    return rc;
}

static int by_log(const void *a, const void *b)
{
    const struct sim_event *x = a, *y = b;

    if (x->log_ms != y->log_ms)
        return x->log_ms < y->log_ms ? -1 : 1;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* One pass over the events, as recompute.c makes it: rounds, and behind each what nothing unread can belong to retires. */
struct batch_pass {
    struct tl_plan *plan;
    const int64_t *bounds;
    uint32_t ranges_count, workers_count;
    struct tl_partial *partials[WORKERS_MAX], *all;
    struct tl_relay *relay;
    uint32_t cut; /* ranges whose end has been cut */
    struct tl_buf *carry;
    struct tl_check_count *found;
    struct sim_result *out;
};

/* The event time, where the text says it in the usual way and once; INT64_MIN: it may be any. */
static int64_t time_of(const char *text)
{
    static const char before[] = "\"event_time\": \"";
    const char *at = strstr(text, before);
    int64_t ms;

    if (at == NULL || strstr(at + 1, before) != NULL)
        return INT64_MIN;
    at += sizeof before - 1;
    return tl_time_from_iso_z((struct tl_sv){at, strcspn(at, "\"")}, &ms, &(bool){false}) ? ms : INT64_MIN;
}

static void take_round(struct batch_pass *pass)
{
    struct tl_plan *plan = pass->plan;
    struct sim_result *out = pass->out;
    struct tl_err err = {0};

    for (uint32_t w = 0; w < pass->workers_count; w++) {
        struct tl_partial *partial = pass->partials[w];

        MUST(tl_partial_merge_windows(pass->all, partial, &err));
        put_flags(&out->flags, &partial->sources[0].ledger);
        put_dropped(&out->dropped, partial);
        for (uint32_t r = 0; r < pass->ranges_count; r++)
            for (uint32_t c = 0; c < partial->checks_count; c++)
                tl_check_count_add(&pass->found[c], &partial->checks[r * partial->checks_count + c]);
        for (uint32_t v = 0; v < plan->views_count; v++) {
            struct rows_ctx take = {.plan = plan, .view = v, .text = &out->rows};

            if (plan->views[v].inner >= 0)
                continue;
            for (uint32_t r = 0; r < pass->ranges_count; r++)
                for (int o = 0; o < TL_OUTCOMES; o++)
                    out->outcomes[v][o] += partial->views[v].outcomes[r][o] + partial->sources[0].outcomes[r][o];
            put_ledger(&out->ledger, plan, v, &partial->views[v].ledger);
            put_ledger(&out->ledger, plan, v, &partial->sources[0].ledger);
            if (partial->views[v].events != NULL) {
                struct tl_rows rows = tl_event_rows_view(partial->views[v].events);

                MUST(take_rows(&take, &rows, &err));
            }
        }
        tl_partial_reset(partial);
    }
}

static void retire_upto(struct batch_pass *pass, int64_t upto_ms)
{
    struct tl_err err = {0};

    for (uint32_t v = 0; v < pass->plan->views_count; v++) {
        struct rows_ctx take = {.plan = pass->plan, .view = v, .text = &pass->out->rows};

        if (pass->all->views[v].window != NULL)
            MUST(tl_relay_retire(pass->relay, pass->all, v, upto_ms, take_rows, &take, &err));
    }
}

static void retire(struct batch_pass *pass, int64_t floor_ms)
{
    struct tl_err err = {0};

    for (; pass->cut < pass->ranges_count && pass->bounds[pass->cut + 1] <= floor_ms; pass->cut++) {
        /* Twice, so that what retires before its range ends is seen too. */
        retire_upto(pass, pass->bounds[pass->cut] / 2 + pass->bounds[pass->cut + 1] / 2);
        retire_upto(pass, pass->bounds[pass->cut + 1]);
        for (uint32_t v = 0; v < pass->plan->views_count; v++) {
            if (pass->all->views[v].window == NULL)
                continue;
            tl_buf_clear(&pass->carry[v]);
            MUST(tl_window_cut(pass->all->views[v].window, &pass->carry[v], &err));
        }
    }
    if (pass->cut < pass->ranges_count && floor_ms > pass->bounds[pass->cut])
        retire_upto(pass, floor_ms);
}

static void batch_pass(struct tl_plan *plan, const struct sim_event *events, size_t count, const struct sim_batch *how,
                       const int64_t *bounds, uint32_t ranges_count, struct tl_buf *carry, unsigned *seed,
                       struct tl_check_count *found, struct sim_result *out)
{
    struct batch_pass pass = {.plan = plan,
                              .bounds = bounds,
                              .ranges_count = ranges_count,
                              .workers_count = how->workers_count,
                              .carry = carry,
                              .found = found,
                              .out = out};
    struct sim_batch mine = {.bounds = bounds, .ranges_count = ranges_count};
    struct batch batch = {.how = &mine};
    struct tl_core_config config = {.plan = plan,
                                    .bounds = bounds,
                                    .ranges_count = ranges_count,
                                    .dedup = see_batch,
                                    .dedup_ctx = &batch,
                                    .checks = how->checks};
    struct tl_core *core = NULL;
    struct tl_window_options options = {.bounds = bounds, .ranges_count = ranges_count};
    int64_t *floors_ms = calloc(count + 1, sizeof *floors_ms); /* of the events from each on */
    struct tl_err err = {0};

    batch.ids = calloc(ranges_count, sizeof(struct tl_idset *));
    cr_assert(batch.ids != NULL && floors_ms != NULL);
    floors_ms[count] = INT64_MAX;
    for (size_t e = count; e-- > 0;)
        floors_ms[e] = tl_min_i64(floors_ms[e + 1], time_of(events[e].text));
    MUST(tl_core_open(&config, &core, &err));
    MUST(tl_partial_open(plan, &options, &pass.all, &err));
    MUST(tl_relay_open(plan, &options, &pass.relay, &err));
    for (uint32_t w = 0; w < how->workers_count; w++) {
        MUST(tl_partial_open(plan, &options, &pass.partials[w], &err));
        MUST(tl_partial_want_checks(pass.partials[w], how->checks != NULL ? how->checks->rows_count : 0, &err));
    }
    for (uint32_t v = 0; v < plan->views_count; v++)
        if (pass.all->views[v].window != NULL && carry[v].size > 0)
            MUST(tl_window_restore(pass.all->views[v].window, tl_buf_sv(&carry[v]), &err));
    for (size_t at = 0; at < count;) {
        struct tl_message messages[64];
        uint32_t partitions[64];
        struct tl_core_input input = {.messages = messages, .partitions = partitions};
        uint32_t limit = 1 + (uint32_t)rand_r(seed) % how->chunk_max;

        for (; at < count && input.count < limit; at++) {
            messages[input.count] = (struct tl_message){events[at].offset, events[at].log_ms, tl_sv_from(events[at].text)};
            partitions[input.count++] = events[at].partition;
        }
        MUST(tl_core_push(core, &input, pass.partials[(uint32_t)rand_r(seed) % how->workers_count], &err));
        if (rand_r(seed) % 3 == 0) {
            take_round(&pass);
            retire(&pass, floors_ms[at]);
        }
    }
    take_round(&pass);
    retire(&pass, INT64_MAX);
    tl_relay_close(pass.relay);
    for (uint32_t r = 0; r < ranges_count; r++)
        tl_idset_close(batch.ids[r]);
    free(batch.ids);
    free(floors_ms);
    for (uint32_t w = 0; w < how->workers_count; w++)
        tl_partial_close(pass.partials[w]);
    tl_partial_close(pass.all);
    tl_core_close(core);
}

void sim_batch(struct tl_plan *plan, const struct sim_history *history, const struct sim_batch *how, struct sim_result *out)
{
    struct sim_event *events = calloc(history->count + 1, sizeof *events);
    struct tl_check_count found[16] = {0};
    struct tl_buf carry[16];
    unsigned seed = how->seed;

    cr_assert(events != NULL && how->chunk_max <= 64 && how->workers_count <= WORKERS_MAX && plan->views_count <= 16);
    memcpy(events, history->events, history->count * sizeof *events);
    qsort(events, history->count, sizeof *events, by_log);
    *out = (struct sim_result){0};
    tl_buf_init(&out->rows, 0);
    tl_buf_init(&out->ended, 0);
    tl_buf_init(&out->ledger, 0);
    tl_buf_init(&out->flags, 0);
    tl_buf_init(&out->dropped, 0);
    tl_buf_init(&out->found, 0);
    for (uint32_t v = 0; v < plan->views_count; v++)
        tl_buf_init(&carry[v], 0);
    if (how->one_pass) {
        batch_pass(plan, events, history->count, how, how->bounds, how->ranges_count, carry, &seed, found, out);
    } else {
        for (uint32_t r = 0; r < how->ranges_count; r++)
            batch_pass(plan, events, history->count, how, how->bounds + r, 1, carry, &seed, found, out);
    }
    for (uint32_t c = 0; how->checks != NULL && c < how->checks->rows_count; c++)
        if (found[c].violations_count > 0)
            tl_buf_printf(&out->found, "%s %" PRIu64 " %" PRIu64 "\n", how->checks->rows[c].name.data, found[c].violations_count,
                          found[c].failures_count);
    sort_lines(&out->rows);
    sort_lines(&out->dropped);
    sort_lines(&out->found);
    sort_lines(&out->ledger);
    sort_lines(&out->flags);
    for (uint32_t v = 0; v < plan->views_count; v++)
        tl_buf_done(&carry[v]);
    free(events);
}
