/* store_quarantine_test.c: events that checks keep out of batch, in every kind of store: kept beside their ledger lines, and gone with their run. */
#include "store/store_quarantine.h"

#include "support/store_checks.h"

static enum tl_code see_event(void *ctx, const struct tl_dropped *event, int64_t time_ms, struct tl_err *err)
{
    struct tl_buf *text = ctx;

    (void)err;
    tl_buf_printf(text, "%u %lld %u %s %.*s %lld\n", event->partition, (long long)event->offset, event->row, event->check,
                  TL_SV_ARG(event->raw), (long long)time_ms);
    return TL_OK;
}

static void expect_events(struct tl_store *store, int64_t id, int64_t run, const char *want)
{
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_quarantine(store, id, run, see_event, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, want);
    tl_buf_done(&text);
}

static void put(struct tl_store *store, int64_t id, int64_t run, const struct tl_dropped *events, size_t count)
{
    OK(tl_store_begin(store, err));
    OK(tl_store_put_quarantine(store, id, run, events, count, err));
    for (size_t i = 0; i < count; i++) {
        struct tl_ledger_line line = {.partition = events[i].partition,
                                      .row = events[i].row,
                                      .offset = events[i].offset,
                                      .cause = TL_CAUSE_DQ_REJECT,
                                      .event_time_ms = 100 + events[i].offset,
                                      .function = events[i].check};

        OK(tl_store_put_ledger(store, id, run, &line, 1, err));
    }
    OK(tl_store_commit(store, err));
}

static void events_stand_with_their_run(const struct store_backend *backend)
{
    static const char zeros[] = "a\0b";
    const struct tl_dropped events[] = {
        {.partition = 1,    .offset = 7,                .check = "late \"one\"", .raw = {zeros, 3}          },
        {.partition = 0,    .offset = INT64_C(1) << 40, .row = 2,                .check = "host",             .raw = TL_SV("{}")},
        {.partition = 0,                 .offset = INT64_C(1) << 40,                              .row = 3,           .check = "host", .raw = {NULL, 0}},
        {.partition = 0x80000001, .offset = 0,                           .check = "host",                            .raw = TL_SV("\xff\xfe")                                           },
    };
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), other = define(store, store_windowed("other", 'b')), kept = store_run(store, "kept"), lost;

    put(store, id, kept, events, TL_COUNT(events));
    put(store, other, kept, events, 1);
    expect_events(store, other, kept, "1 7 0 late \"one\" a 107\n"); /* a zero byte ends what is printed */
    OK(tl_store_begin(store, err));
    OK(tl_store_put_quarantine(store, id, kept, events, 2, err)); /* once more */
    OK(tl_store_commit(store, err));
    expect_events(store, id, kept,
                  "0 1099511627776 2 host {} 1099511627876\n0 1099511627776 3 host  1099511627876\n"
                  "1 7 0 late \"one\" a 107\n2147483649 0 0 host \xff\xfe 100\n");
    store_stage_range(store, kept, id, MIN_MS, 10);
    OK(tl_store_publish(store, kept, 5, err));
    lost = store_run(store, "lost");
    put(store, id, lost, events, 2);
    OK(tl_store_discard_staged(store, err));
    expect_events(store, id, lost, "");
    expect_events(store, other, kept, "1 7 0 late \"one\" a 107\n");
    tl_store_close(store);
}

/* Of a run that is gone on with, what lies in ranges that are computed again goes. */
static void events_go_with_their_range(const struct store_backend *backend)
{
    const struct tl_dropped events[] = {
        {.offset = 1, .check = "host", .raw = TL_SV("one") }, /* at 101 */
        {.offset = 5, .check = "host", .raw = TL_SV("five")},
        {.offset = 9, .check = "host", .raw = TL_SV("nine")},
    };
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), other = define(store, store_windowed("other", 'b')), run = store_run(store, "killed");

    put(store, id, run, events, TL_COUNT(events));
    put(store, other, run, events, TL_COUNT(events));
    OK(tl_store_unstage(store, run, id, 102, 109, err));
    expect_events(store, id, run, "0 1 0 host one 101\n0 9 0 host nine 109\n");
    expect_events(store, other, run, "0 1 0 host one 101\n0 5 0 host five 105\n0 9 0 host nine 109\n");
    put(store, id, run, &(struct tl_dropped){.offset = 5, .check = "other", .raw = TL_SV("again")}, 1);
    expect_events(store, id, run, "0 1 0 host one 101\n0 5 0 other again 105\n0 9 0 host nine 109\n");
    tl_store_close(store);
}

static const struct store_check checks[] = {CHECK(events_stand_with_their_run), CHECK(events_go_with_their_range)};

STORE_SUITE(store_quarantine)
