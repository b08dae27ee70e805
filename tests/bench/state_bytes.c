/* state_bytes.c: how much memory the state of a view takes: open sessions, distinct counts.
 *
 * bench_state_bytes VIEWS.sql VIEW COUNT
 *
 * COUNT events within four minutes, each with another address and another number, take the way of speed's: pushed into a worker's partial, after
 * every TICK_PUSHES pushes merged into the windows that last, which advance, hand out what has changed, and settle. No session of five
 * minutes ends, and one day's window holds all the numbers.
 * Prints one line: events, groups open at the end, bytes of the windows that last (tl_window_bytes), the same for each event, what the view's last
 * column came to in its last row, bytes of the worker's windows, and the peak of the process. */
#include "core/core.h"
#include "core/function.h"
#include "core/relay.h"
#include "event/timestamp.h"
#include "sql/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { EVENT_BYTES_MAX = 256, TICK_PUSHES = 128 /* as core_rate.c */ };
#define FIRST_MS INT64_C(1740960000000) /* 2025-03-03 */
#define SPAN_MS INT64_C(240000)

struct round {
    const struct tl_view *view;
    uint32_t number; /* of the view */
    struct tl_partial *partial, *all;
    struct tl_relay *relay;
    int64_t last; /* the view's last column, of the last row handed out */
};

/* splitmix64's finalizer: another number for each i. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static size_t write_event(uint64_t i, uint64_t count, char *out)
{
    uint32_t ip = (uint32_t)i * UINT32_C(0x9e3779b1); /* odd factor: different for each number below 2^32 */
    char time[TL_TIME_TEXT_BYTES + 1];

    time[tl_time_to_iso_z(FIRST_MS + (int64_t)(i * (uint64_t)SPAN_MS / count), time)] = 0;
    return (size_t)snprintf(
        out, EVENT_BYTES_MAX,
        "{\"host\":\"%s.semicomplete.com\",\"ip\":\"%u.%u.%u.%u\",\"number\":%" PRId64 ",\"event_time\":\"%s\"}",
        i % 7 == 0 ? "blog" : "www", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255, (int64_t)mix(i), time);
}

static enum tl_code keep_last(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    struct round *r = ctx;

    (void)err;
    r->last = rows->columns[r->view->outputs_count - 1].i64[rows->count - 1];
    return TL_OK;
}

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
    const struct tl_window_sink to = {
        .ctx = r, .rows = keep_last, .gone = drop_gone, .states = tl_view_state(r->view) == TL_STATE_BESIDE ? drop_states : NULL};
    struct tl_window *window = r->all->views[r->number].window;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_partial_merge_windows(r->all, r->partial, err));
    TL_TRY(tl_relay_advance(r->relay, r->all, &watermark_ms, err));
    TL_TRY(tl_window_changed(window, &to, err));
    TL_TRY(tl_window_settle(window, err));
    tl_partial_reset_notes(r->all);
out:
    return rc;
}

static enum tl_code run(const struct tl_plan *plan, struct round *r, uint64_t count, struct tl_err *err)
{
    static char texts[TL_BATCH_ROWS][EVENT_BYTES_MAX + TL_MESSAGE_PADDING];
    static struct tl_message messages[TL_BATCH_ROWS];
    struct tl_watermark_partition partition = {.partition = 0, .watermark_ms = INT64_MIN};
    bool *wanted = calloc(plan->views_count, sizeof *wanted);
    struct tl_core_config config = {.plan = plan, .ranges_count = 1, .views_wanted = wanted};
    struct tl_watermark watermark = {0};
    struct tl_core *core = NULL;
    uint64_t pushes = 0;
    enum tl_code rc = TL_OK;

    if (wanted == NULL)
        return tl_fail_memory(err, plan->views_count);
    wanted[r->number] = true;
    TL_TRY(tl_core_open(&config, &core, err));
    TL_TRY(tl_partial_open(plan, NULL, &r->partial, err));
    TL_TRY(tl_partial_open(plan, NULL, &r->all, err));
    TL_TRY(tl_relay_open(plan, NULL, &r->relay, err));
    TL_TRY(tl_watermark_init(&watermark, &partition, 1, INT64_MAX, INT64_MIN, INT64_MIN, err));
    for (uint64_t i = 0; i < count;) {
        struct tl_core_input input = {.messages = messages, .watermark = &watermark};

        for (; input.count < TL_BATCH_ROWS && i < count; i++, input.count++)
            messages[input.count] = (struct tl_message){
                (int64_t)i, FIRST_MS + SPAN_MS, {texts[input.count], write_event(i, count, texts[input.count])}
            };
        input.next_offset = (int64_t)i;
        TL_TRY(tl_core_push(core, &input, r->partial, err));
        if (++pushes % TICK_PUSHES == 0 || i == count)
            TL_TRY(tick(r, watermark.judge_ms, err));
    }
out:
    tl_watermark_done(&watermark);
    tl_core_close(core);
    free(wanted);
    return rc;
}

int main(int argc, char **argv)
{
    struct tl_err err = {0};
    struct tl_plan *plan = NULL;
    struct round r = {0};
    uint64_t count = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    const struct tl_window *window;
    struct rusage used;
    enum tl_code rc = TL_OK;

    if (count == 0 || count > UINT32_MAX) {
        fputs("usage: bench_state_bytes VIEWS.sql VIEW COUNT\n", stderr);
        return 2;
    }
    TL_TRY(tl_plan_load(argv[1], tl_function_catalog(), &plan, &err));
    r.view = tl_plan_view(plan, tl_sv_from(argv[2]));
    if (r.view == NULL || plan->sources_count != 1)
        TL_TRY(tl_fail(&err, TL_ERR_USAGE, "%s: no view %s, or several sources", argv[1], argv[2]));
    r.number = (uint32_t)(r.view - plan->views);
    TL_TRY(run(plan, &r, count, &err));
    window = r.all->views[r.number].window;
    getrusage(RUSAGE_SELF, &used);
    printf("events=%" PRIu64 " groups=%" PRIu64 " bytes=%zu bytes_per_event=%.1f last=%" PRId64
           " worker_bytes=%zu rss_bytes=%lld\n",
           count, tl_window_groups(window), tl_window_bytes(window), (double)tl_window_bytes(window) / (double)count, r.last,
           tl_window_bytes(r.partial->views[r.number].window), (long long)used.ru_maxrss * 1024);
out:
    if (rc != TL_OK)
        fprintf(stderr, "bench_state_bytes: %s\n", err.message);
    tl_relay_close(r.relay);
    tl_partial_close(r.all);
    tl_partial_close(r.partial);
    tl_plan_close(plan);
    return tl_exit_status(rc);
}
