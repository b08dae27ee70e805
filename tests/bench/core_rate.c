/* core_rate.c: how fast the core is: JSON bytes in memory -> the rows of a views file, through the general plan, on one thread.
 *
 * bench_core_rate VIEWS.sql FILE.jsonl [ROUNDS [retire|ticks]]
 *
 *   retire  TL_BATCH_ROWS messages at a time are pushed, and windows that the watermark has passed are retired: each row leaves once
 *   ticks   as a worker and its committer do it, without log and store: after TICK_PUSHES pushes the partial is merged into the windows
 *           that last, these advance, and what has changed is handed out, provisional rows and states for a restart too
 *
 * Rows are formatted as CSV into a buffer that is thrown away; the views begin with window_start and window_end. The end of the file closes
 * what is open. Where the lines end is known before the clock starts, as a log knows it of its messages; the yardstick needs no line
 * ends, for simdjson finds the documents of a whole text by itself.
 * Prints one line as yardstick.cpp does: events/s (of the median round), events, rows, late, and the same checksum over the rows, made
 * in a pass of its own (of views.sql alone, hits and hits_by_referrer: window start, host, referrer, count; else 0); push_ns, what an event took until it was in
 * its window, and rows_ns, what the rest took, per row; and how often memory was allocated in the second half of the last timed round
 * (all of the process: malloc itself is counted), per event. */
#include "core/core.h"
#include "core/function.h"
#include "core/relay.h"
#include "event/timestamp.h"
#include "sql/shape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

/* ---- malloc, counted --------------------------------------------------------------------------------------------------- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS_ALLOCATIONS 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define COUNTS_ALLOCATIONS 0
#endif
#ifndef COUNTS_ALLOCATIONS
#define COUNTS_ALLOCATIONS 1
#endif

static uint64_t allocations;

#if COUNTS_ALLOCATIONS
/* glibc lets a program bring its own malloc and keeps the original under these names. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    allocations++;
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}
#endif

/* ---- rows -------------------------------------------------------------------------------------------------------------- */

enum { OUT_BYTES = 1 << 20, VIEWS_MAX = 8, ROUNDS_MAX = 100 };

struct sink {
    const struct tl_view *view;
    uint8_t number; /* of the view, for the checksum */
    bool check;
    char *out;
    size_t used;
    uint64_t rows, bytes, checksum;
    int64_t start_ms, end_ms; /* whose texts are in `times` */
    char times[2 * TL_TIME_TEXT_BYTES];
    size_t times_length;
};

static char *put_uint(char *at, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

static char *put_int(char *at, int64_t value)
{
    if (value < 0)
        *at++ = '-';
    return put_uint(at, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* view, start, count, host, whether there is a referrer, referrer: as in yardstick.cpp */
static uint64_t row_checksum(const struct sink *s, const struct tl_rows *rows, uint32_t row)
{
    const struct tl_vec *host = &rows->columns[2], *referrer = s->view->keys_count > 1 ? &rows->columns[3] : NULL;
    const struct tl_vec *count = &rows->columns[s->view->outputs_count - 1];
    bool has = referrer != NULL && !referrer->null[row];
    size_t size = 19 + host->sv[row].size + (has ? referrer->sv[row].size : 0);
    char *text = calloc(1, size);
    uint64_t sum;

    if (text == NULL)
        abort();
    text[0] = (char)s->number;
    memcpy(text + 1, &rows->start_ms[row], 8);
    memcpy(text + 9, &count->i64[row], 8);
    text[17] = has;
    memcpy(text + 18, host->sv[row].data, host->sv[row].size);
    if (has && referrer->sv[row].size > 0)
        memcpy(text + 19 + host->sv[row].size, referrer->sv[row].data, referrer->sv[row].size);
    sum = XXH3_64bits(text, size);
    free(text);
    return sum;
}

static enum tl_code sink_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct sink *s = ctx;

    s->rows += rows->count;
    for (uint32_t i = 0; i < rows->count; i++) {
        size_t most = sizeof s->times + 24 * s->view->outputs_count;
        char *at;

        if (rows->start_ms[i] != s->start_ms || s->times_length == 0) {
            s->start_ms = rows->start_ms[i];
            s->times_length = tl_time_to_iso_z(s->start_ms, s->times);
            s->times[s->times_length++] = ',';
            s->times_length += tl_time_to_iso_z(rows->end_ms[i], s->times + s->times_length);
        }
        for (uint32_t c = 2; c < s->view->outputs_count; c++)
            if (tl_kind_form(rows->columns[c].kind) == TL_FORM_TEXT)
                most += rows->columns[c].sv[i].size;
        if (s->used + most > OUT_BYTES) {
            s->bytes += s->used;
            s->used = 0;
        }
        if (most > OUT_BYTES)
            return tl_fail(err, TL_ERR_LIMIT, "a row of %zu bytes: the bench has room for %d", most, OUT_BYTES);
        at = s->out + s->used;
        memcpy(at, s->times, s->times_length);
        at += s->times_length;
        for (uint32_t c = 2; c < s->view->outputs_count; c++) {
            const struct tl_vec *column = &rows->columns[c];

            *at++ = ',';
            if (column->null[i])
                continue;
            if (tl_kind_form(column->kind) == TL_FORM_TEXT) {
                if (column->sv[i].size > 0)
                    memcpy(at, column->sv[i].data, column->sv[i].size);
                at += column->sv[i].size;
            } else {
                at = put_int(at, column->i64[i]);
            }
        }
        *at++ = '\n';
        s->used = (size_t)(at - s->out);
        if (s->check)
            s->checksum += row_checksum(s, rows, i);
    }
    return TL_OK;
}

/* ---- deduplication, where the views file asks for it --------------------------------------------------------------------- */

static enum tl_code see_ids(void *ctx, uint32_t source, uint32_t partition, const struct tl_id *ids, const int64_t *time_ms,
                            const int64_t *log_ms, uint32_t count, uint8_t *seen, struct tl_err *err)
{
    struct tl_horizon *horizon = ctx;

    (void)source;
    (void)partition;
    (void)time_ms;
    for (uint32_t i = 0; i < count; i++) {
        enum tl_seen answer;
        enum tl_code rc = tl_horizon_see(horizon, ids[i], log_ms[i], &answer, err);

        if (rc != TL_OK)
            return rc;
        seen[i] = (uint8_t)answer;
    }
    return TL_OK;
}

/* ---- a round ------------------------------------------------------------------------------------------------------------ */

struct file {
    char *data;
    size_t size;
    struct tl_message *messages; /* its lines */
    size_t count;
};

struct figures {
    double seconds, push_seconds;                                /* all of it; until events were in their windows */
    uint64_t events, rows, late, dropped, checksum, allocations; /* allocations: of the second half */
};

enum { TICK_PUSHES = 128 }; /* some 100 ms at full speed: the default tick */

/* One worker, and with `all` its committer. */
struct round {
    const struct tl_plan *plan;
    struct tl_partial *partial, *all; /* all NULL: windows are retired where they were filled */
    struct tl_relay *relay;
    struct sink sinks[VIEWS_MAX];
    uint64_t ledgered, dropped;
};

/* The thread's own time: what else the machine does in between does not count. */
static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static enum tl_code retire(struct round *r, int64_t watermark_ms, struct tl_err *err)
{
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        int64_t upto_ms = watermark_ms == INT64_MAX ? INT64_MAX : tl_window_final_ms(&r->plan->views[v], watermark_ms);
        enum tl_code rc = tl_window_retire(r->partial->views[v].window, upto_ms, sink_rows, &r->sinks[v], err);

        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

/* What goes to the store beside rows is made and thrown away. */
static enum tl_code drop_gone(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    (void)ctx;
    (void)rows;
    (void)err;
    return TL_OK;
}

static enum tl_code drop_states(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    (void)ctx;
    (void)states;
    (void)err;
    return TL_OK;
}

static enum tl_code tick(struct round *r, int64_t watermark_ms, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(tl_partial_merge_windows(r->all, r->partial, err));
    TL_TRY(tl_relay_advance(r->relay, r->all, &watermark_ms, err));
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        const struct tl_view *view = &r->plan->views[v];
        const struct tl_window_sink to = {.ctx = &r->sinks[v],
                                          .rows = sink_rows,
                                          .gone = drop_gone,
                                          .states = tl_view_state(view) == TL_STATE_BESIDE ? drop_states : NULL};

        TL_TRY(tl_window_changed(r->all->views[v].window, &to, err));
        TL_TRY(tl_window_settle(r->all->views[v].window, err));
        r->ledgered += r->all->views[v].ledger.count;
    }
    tl_partial_reset_notes(r->all);
out:
    return rc;
}

/* What the committer takes at a tick is thrown away here. */
static void drop_ledger(struct round *r)
{
    for (uint32_t v = 0; v < r->plan->views_count; v++) {
        r->ledgered += r->partial->views[v].ledger.count;
        r->partial->views[v].ledger.count = 0;
    }
    for (uint32_t s = 0; s < r->plan->sources_count; s++)
        r->partial->sources[s].ledger.count = 0;
}

/* What batch takes beside the windows, thrown away too. */
static void drop_dropped(struct round *r)
{
    r->dropped += r->partial->dropped_count;
    r->partial->dropped_count = 0;
    tl_arena_reset(&r->partial->text);
    r->partial->text_bytes = 0;
}

/* `checks`: row checks as batch makes them, or NULL. */
static enum tl_code run(const struct tl_plan *plan, const struct tl_checks *checks, const struct file *file, bool ticks,
                        bool check, char *out, struct figures *f, struct tl_err *err)
{
    struct tl_watermark_partition partition = {.partition = 0, .watermark_ms = INT64_MIN};
    struct tl_core_config config = {.plan = plan, .ranges_count = 1, .checks = checks};
    struct round r = {.plan = plan};
    struct tl_watermark watermark = {0};
    struct tl_horizon *horizon = NULL;
    struct tl_core *core = NULL;
    uint64_t half = 0, pushes = 0;
    bool halved = false;
    double begin;
    enum tl_code rc;

    *f = (struct figures){0};
    for (uint32_t v = 0; v < plan->views_count; v++)
        r.sinks[v] = (struct sink){.view = &plan->views[v], .number = (uint8_t)v, .check = check, .out = out};
    if (plan->sources[0].dedup_slot >= 0) {
        TL_TRY(tl_horizon_open(plan->settings.dedup_horizon_ms, plan->settings.dedup_ids_max, &horizon, err));
        config.dedup = see_ids;
        config.dedup_ctx = horizon;
    }
    TL_TRY(tl_core_open(&config, &core, err));
    TL_TRY(tl_partial_open(plan, NULL, &r.partial, err));
    TL_TRY(tl_partial_want_checks(r.partial, checks != NULL ? checks->rows_count : 0, err));
    if (ticks) {
        TL_TRY(tl_partial_open(plan, NULL, &r.all, err));
        TL_TRY(tl_relay_open(plan, NULL, &r.relay, err));
    }
    TL_TRY(tl_watermark_init(&watermark, &partition, 1, INT64_MAX, INT64_MIN, INT64_MIN, err));
    begin = now_s();
    while (f->events < file->count) {
        struct tl_core_input input = {.messages = file->messages + f->events, .watermark = &watermark};
        double pushed = now_s();

        input.count = file->count - f->events < TL_BATCH_ROWS ? file->count - f->events : TL_BATCH_ROWS;
        f->events += input.count;
        input.next_offset = (int64_t)f->events;
        TL_TRY(tl_core_push(core, &input, r.partial, err));
        f->push_seconds += now_s() - pushed;
        if (!ticks)
            TL_TRY(retire(&r, watermark.judge_ms, err));
        else if (++pushes % TICK_PUSHES == 0)
            TL_TRY(tick(&r, watermark.judge_ms, err));
        drop_ledger(&r);
        if (checks != NULL)
            drop_dropped(&r);
        if (horizon != NULL)
            tl_horizon_saved(horizon);
        if (!halved && f->events >= file->count / 2) {
            halved = true;
            half = allocations;
        }
    }
    f->allocations = allocations - half;
    TL_TRY(ticks ? tick(&r, INT64_MAX, err) : retire(&r, INT64_MAX, err));
    f->seconds = now_s() - begin;
    /* Each late event is late for each view, and each that a check drops is dropped for each. */
    f->late = r.ledgered / plan->views_count - r.dropped;
    f->dropped = r.dropped;
    for (uint32_t v = 0; v < plan->views_count; v++) {
        f->rows += r.sinks[v].rows;
        f->checksum += r.sinks[v].checksum;
    }
out:
    tl_watermark_done(&watermark);
    tl_relay_close(r.relay);
    tl_partial_close(r.all);
    tl_partial_close(r.partial);
    tl_core_close(core);
    tl_horizon_close(horizon);
    return rc;
}

static enum tl_code load(const char *path, struct file *out, struct tl_err *err)
{
    FILE *in = fopen(path, "rb");
    enum tl_code rc = TL_OK;
    long size;

    if (in == NULL)
        return tl_fail_errno(err, TL_ERR_IO, "%s", path);
    if (fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) <= 0 || fseek(in, 0, SEEK_SET) != 0) {
        rc = tl_fail_errno(err, TL_ERR_IO, "%s: empty, or not a file", path);
    } else if ((out->data = calloc(1, (size_t)size + TL_MESSAGE_PADDING)) == NULL) {
        rc = tl_fail_memory(err, (size_t)size);
    } else {
        out->size = fread(out->data, 1, (size_t)size, in);
        if (out->size != (size_t)size)
            rc = tl_fail_errno(err, TL_ERR_IO, "%s: could not be read whole", path);
    }
    fclose(in);
    return rc;
}

static enum tl_code find_lines(struct file *file, struct tl_err *err)
{
    const char *at = file->data, *end = at + file->size;
    size_t capacity = 0;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;

        if (file->count == capacity) {
            struct tl_message *more = realloc(file->messages, (capacity = capacity * 2 + 4096) * sizeof *more);

            if (more == NULL)
                return tl_fail_memory(err, capacity * sizeof *more);
            file->messages = more;
        }
        /* The log's clock: far ahead of every event, so none is in the future. */
        file->messages[file->count] = (struct tl_message){
            (int64_t)file->count, INT64_C(4102444800000), {at, (size_t)(stop - at)}
        };
        file->count++;
        at = stop + 1;
    }
    return TL_OK;
}

static int by_seconds(const void *a, const void *b)
{
    double x = ((const struct figures *)a)->seconds, y = ((const struct figures *)b)->seconds;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct tl_err err = {0};
    struct tl_plan *plan = NULL;
    struct file file = {0};
    struct figures f[ROUNDS_MAX] = {{0}}, checked = {0};
    char *out = malloc(OUT_BYTES);
    long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
    bool ticks = argc > 4 && strcmp(argv[4], "ticks") == 0;
    struct tl_checks *checks = NULL;
    const struct figures *median;
    uint64_t warm;
    enum tl_code rc = TL_OK;

    if (argc < 3 || argc > 6 || rounds < 1 || rounds > ROUNDS_MAX || (argc >= 5 && !ticks && strcmp(argv[4], "retire") != 0)) {
        fprintf(stderr, "usage: bench_core_rate VIEWS.sql FILE.jsonl [ROUNDS, at most %d [retire|ticks [CHECKS.sql]]]\n",
                ROUNDS_MAX);
        free(out);
        return 2;
    }
    if (out == NULL)
        TL_TRY(tl_fail_memory(&err, OUT_BYTES));
    TL_TRY(tl_plan_load(argv[1], tl_function_catalog(), &plan, &err));
    if (plan->sources_count != 1 || plan->views_count > VIEWS_MAX)
        TL_TRY(tl_fail(&err, TL_ERR_USAGE, "%s: the bench takes one source and up to %d views", argv[1], VIEWS_MAX));
    if (argc > 5)
        TL_TRY(tl_checks_load(argv[5], plan, &checks, &err));
    TL_TRY(load(argv[2], &file, &err));
    TL_TRY(find_lines(&file, &err));
    for (long i = 0; i < rounds; i++)
        TL_TRY(run(plan, checks, &file, ticks, false, out, &f[i], &err));
    warm = f[rounds - 1].allocations;
    qsort(f, (size_t)rounds, sizeof *f, by_seconds);
    median = &f[rounds / 2];
    if (tl_plan_view(plan, TL_SV("hits_by_referrer")) != NULL)
        TL_TRY(run(plan, checks, &file, ticks, true, out, &checked, &err));
    printf("events_per_s=%.0f seconds=%.4f events=%" PRIu64 " rows=%" PRIu64 " late=%" PRIu64 " dropped=%" PRIu64
           " checksum=%016" PRIx64,
           (double)median->events / median->seconds, median->seconds, median->events, median->rows, median->late, median->dropped,
           checked.checksum);
    printf(" push_ns=%.1f rows_ns=%.1f", 1e9 * median->push_seconds / (double)median->events,
           1e9 * (median->seconds - median->push_seconds) / (double)(median->rows > 0 ? median->rows : 1));
    if (COUNTS_ALLOCATIONS)
        printf(" allocations=%" PRIu64 " allocations_per_event=%.6f\n", warm, (double)warm / ((double)median->events / 2));
    else
        printf(" allocations=uncounted\n");
out:
    if (rc != TL_OK)
        fprintf(stderr, "bench_core_rate: %s\n", err.message);
    free(file.data);
    free(file.messages);
    free(out);
    tl_checks_close(checks);
    tl_plan_close(plan);
    return tl_exit_status(rc);
}
