/* store_ledger_test.c: the ledger, the dead letters and the outcomes in every kind of store, and when they go. */
#include "support/store_checks.h"

struct seen_lines {
    struct tl_ledger_line list[8];
    size_t count;
};

static enum tl_code see_line(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct seen_lines *seen = ctx;

    (void)err;
    seen->list[seen->count++] = *line;
    return TL_OK;
}

static void ledger_keeps_the_first_line(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store);
    struct tl_ledger_line lines[] = {
        {.partition = 1,
         .offset = 5,
         .row = 1,
         .cause = TL_CAUSE_LATE_DROP,
         .flags = 3,
         .watermark_ms = MIN_MS,
         .event_time_ms = -4},
        {.partition = 1,                        .offset = 5,           .row = 0, .cause = TL_CAUSE_NONE, .flags = 1, .watermark_ms = 9, .event_time_ms = MIN_MS},
        {.partition = 0, .offset = 7, .row = 0,            .cause = TL_CAUSE_FIRED_BY_IDLE,                   .watermark_ms = 9,                                 .event_time_ms = 4},
    };
    struct tl_ledger_line changed = lines[0];
    struct seen_lines seen = {.count = 0};
    uint64_t counts[TL_CAUSES];

    changed.cause = TL_CAUSE_DUPLICATE;
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, 3, err));
    OK(tl_store_put_ledger(store, id, 0, &changed, 1, err));
    OK(tl_store_put_ledger(store, id, 5, &changed, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_ledger(store, id, 0, INT64_MIN, INT64_MAX, see_line, &seen, err));
    cr_assert_eq(seen.count, 3);
    cr_assert_eq(seen.list[0].offset, 7);
    cr_assert_eq(seen.list[1].row, 0);
    cr_assert_eq(seen.list[1].event_time_ms, MIN_MS);
    cr_assert_eq(seen.list[2].row, 1);
    cr_assert_eq(seen.list[2].cause, TL_CAUSE_LATE_DROP);
    cr_assert_eq(seen.list[2].flags, 3);
    cr_assert_eq(seen.list[2].watermark_ms, MIN_MS);
    OK(tl_store_ledger_counts(store, id, 0, counts, err));
    cr_assert_eq(counts[TL_CAUSE_LATE_DROP], 1);
    cr_assert_eq(counts[TL_CAUSE_FIRED_BY_IDLE], 1);
    cr_assert_eq(counts[TL_CAUSE_DUPLICATE], 0);
    OK(tl_store_ledger_counts(store, id, 5, counts, err));
    cr_assert_eq(counts[TL_CAUSE_DUPLICATE], 1);
    tl_store_close(store);
}

static enum tl_code see_function(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%lld %s\n", (long long)line->offset, line->function != NULL ? line->function : "-");
    return TL_OK;
}

static enum tl_code see_failure(void *ctx, struct tl_sv function, uint64_t count, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%.*s %llu\n", TL_SV_ARG(function), (unsigned long long)count);
    return TL_OK;
}

static void the_ledger_names_the_function_that_failed(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store);
    const struct tl_ledger_line lines[] = {
        {.offset = 1,                   .cause = TL_CAUSE_EVAL_ERROR, .function = "CAST"},
        {.offset = 2,                   .cause = TL_CAUSE_LATE_DROP },
        {.offset = 3, .cause = TL_CAUSE_EVAL_ERROR,              .function = "/"                  },
        {.offset = 4, .cause = TL_CAUSE_EVAL_ERROR,              .function = "/"},
    };
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, TL_COUNT(lines), err));
    OK(tl_store_commit(store, err));
    OK(tl_store_ledger(store, id, 0, INT64_MIN, INT64_MAX, see_function, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "1 CAST\n2 -\n3 /\n4 /\n");
    tl_buf_clear(&text);
    OK(tl_store_ledger_failures(store, id, 0, see_failure, &text, err));
    OK(tl_store_ledger_failures(store, id, 1, see_failure, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "/ 2\nCAST 1\n");
    tl_buf_done(&text);
    tl_store_close(store);
}

/* A gap has no event time, and that of an event from the future places it nowhere. */
static void lines_of_a_range(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store);
    const struct tl_ledger_line lines[] = {
        {.offset = 1, .cause = TL_CAUSE_LATE_DROP, .event_time_ms = 99 },
        {.offset = 2, .cause = TL_CAUSE_LATE_DROP, .event_time_ms = 100},
        {.offset = 3, .cause = TL_CAUSE_NONE,      .flags = 1,           .event_time_ms = 199},
        {.offset = 4,           .cause = TL_CAUSE_LATE_DROP,                            .event_time_ms = 200          },
        {.offset = 5,           .cause = TL_CAUSE_FUTURE_EVENT,                            .event_time_ms = MAX_MS},
        {.offset = 6,           .cause = TL_CAUSE_OFFSET_GAP,                            .event_time_ms = MIN_MS            },
        {.offset = 7,           .cause = TL_CAUSE_DUPLICATE,                            .event_time_ms = MIN_MS},
    };
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, TL_COUNT(lines), err));
    OK(tl_store_commit(store, err));
    OK(tl_store_ledger(store, id, 0, 100, 200, see_function, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "2 -\n3 -\n5 -\n6 -\n");
    tl_buf_done(&text);
    tl_store_close(store);
}

/* What lies before a partition's floor, or in no partition that is asked for, is not there. */
static void lines_from_a_floor(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store);
    const struct tl_ledger_line lines[] = {
        {.partition = 0, .offset = 1, .cause = TL_CAUSE_LATE_DROP,    .event_time_ms = 150   },
        {.partition = 0, .offset = 2, .cause = TL_CAUSE_LATE_DROP,    .event_time_ms = 150   },
        {.partition = 0, .offset = 3, .cause = TL_CAUSE_LATE_DROP,    .event_time_ms = 99    },
        {.partition = 0, .offset = 4, .cause = TL_CAUSE_FUTURE_EVENT, .event_time_ms = MAX_MS},
        {.partition = 1, .offset = 5, .cause = TL_CAUSE_DUPLICATE,    .event_time_ms = 199   },
        {.partition = 1, .offset = 6, .cause = TL_CAUSE_OFFSET_GAP,   .event_time_ms = MIN_MS},
        {.partition = 2, .offset = 7, .cause = TL_CAUSE_LATE_DROP,    .event_time_ms = 150   },
    };
    const struct tl_ledger_floor floors[] = {
        {1, MIN_MS},
        {0, 2     },
        {9, 0     },
    };
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, lines, TL_COUNT(lines), err));
    OK(tl_store_put_ledger(store, id, 3, lines, TL_COUNT(lines), err));
    OK(tl_store_commit(store, err));
    OK(tl_store_ledger_from(store, id, floors, TL_COUNT(floors), 100, 200, see_function, &text, err));
    OK(tl_store_ledger_from(store, id, floors, 0, 100, 200, see_function, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "2 -\n5 -\n6 -\n");
    tl_buf_done(&text);
    tl_store_close(store);
}

static enum tl_code see_pair(void *ctx, const struct tl_ledger_pair *pair, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%u/%lld/%u at %lld: %s %u, %s %u\n", pair->partition, (long long)pair->offset, pair->row,
                  (long long)pair->event_time_ms, tl_cause_name(pair->speed), pair->speed_flags, tl_cause_name(pair->batch),
                  pair->batch_flags);
    return TL_OK;
}

/* Of the run that serves the event's time, and no other; in order over the definitions. */
static void lines_of_both_ledgers(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t ids[] = {hits(store), define(store, store_windowed("others", 'b'))}, superseded = store_run(store, "1"),
            first = store_run(store, "2"), second = store_run(store, "3");
    const uint32_t causes = 1u << TL_CAUSE_DUPLICATE | 1u << TL_CAUSE_NONE;
    const struct tl_ledger_line speed[] = {
        {.partition = 1,           .offset = 1, .cause = TL_CAUSE_DUPLICATE, .event_time_ms = 50       },
        {.partition = 1,           .offset = 2, .cause = TL_CAUSE_DUPLICATE, .event_time_ms = 150      },
        {.partition = 0,           .offset = 9, .cause = TL_CAUSE_NONE,      .event_time_ms = 99,        .flags = 1, .row = 3},
        {.partition = 0,                .offset = 8,                           .cause = TL_CAUSE_FUTURE_EVENT,                                         .event_time_ms = MAX_MS                                        },
        {.partition = 0, .offset = 7,            .cause = TL_CAUSE_LATE_DROP,.event_time_ms = 60},
    };
    const struct tl_ledger_line batch[] = {
        {.partition = 1, .offset = 1, .cause = TL_CAUSE_DQ_REJECT, .event_time_ms = 50 },
        {.partition = 1, .offset = 2, .cause = TL_CAUSE_DUPLICATE, .event_time_ms = 150},
        {.partition = 0, .offset = 9, .cause = TL_CAUSE_NONE,      .event_time_ms = 99,  .flags = 2, .row = 3},
        {.partition = 0,      .offset = 6,                 .cause = TL_CAUSE_DUPLICATE,                               .event_time_ms = 60                                  },
    };
    const struct tl_ledger_floor floors[] =
        {
            {0, MIN_MS},
            {1, MIN_MS}
    },
                                 later[] = {{1, 2}};
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_begin(store, err));
    for (size_t d = 0; d < TL_COUNT(ids); d++) {
        OK(tl_store_put_ledger(store, ids[d], 0, speed, TL_COUNT(speed), err));
        OK(tl_store_put_ledger(store, ids[d], superseded, batch, TL_COUNT(batch), err));
    }
    OK(tl_store_put_ledger(store, ids[0], first, batch, TL_COUNT(batch), err));
    OK(tl_store_put_ledger(store, ids[0], second, batch, 1, err)); /* not of its time */
    OK(tl_store_put_ledger(store, ids[1], second, batch + 1, 1, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, superseded, ids[0], MIN_MS, 100);
    OK(tl_store_publish(store, superseded, 1, err));
    store_stage_range(store, first, ids[0], MIN_MS, 100);
    OK(tl_store_publish(store, first, 2, err));
    store_stage_range(store, second, ids[0], 100, 200);
    store_stage_range(store, second, ids[1], MIN_MS, 200);
    OK(tl_store_publish(store, second, 3, err));
    OK(tl_store_ledger_pairs(store,
                             (const struct tl_ledger_span[]){
                                 {ids[0], MIN_MS, 200},
                                 {ids[1], 150,    200}
    },
                             2, floors, 2, causes, see_pair, &text, err));
    tl_buf_put_str(&text, "\n");
    OK(tl_store_ledger_pairs(store,
                             (const struct tl_ledger_span[]){
                                 {ids[1], MIN_MS, 200}
    },
                             1, later, 1, causes, see_pair, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "0/8/0 at 9223372036854775807: future_event 0, none 0\n"
                                "0/8/0 at 9223372036854775807: future_event 0, none 0\n"
                                "0/9/3 at 99: none 1, none 2\n"
                                "1/1/0 at 50: duplicate 0, dq_reject 0\n"
                                "1/2/0 at 150: duplicate 0, duplicate 0\n"
                                "\n"
                                "1/2/0 at 150: duplicate 0, duplicate 0\n");
    tl_buf_done(&text);
    tl_store_close(store);
}

static enum tl_code put_place(void *ctx, const struct tl_dead_place *dead, struct tl_err *err)
{
    (void)err;
    tl_buf_printf(ctx, "%u/%lld.%u at %lld: %s\n", dead->partition, (long long)dead->offset, dead->row, (long long)dead->log_ms,
                  tl_dead_reason_cause(dead->reason));
    return TL_OK;
}

/* In order of their places, those of a span of the log's time alone. */
static void dead_letters_are_found_by_the_log_s_time(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_dead dead[] = {
        {.offset = 9, .log_ms = 200, .row = 0, .reason = TL_DEAD_TIME_MISSING, .raw = {"a", 1} },
        {.offset = 4, .log_ms = 100, .row = 1, .reason = TL_DEAD_NOT_OBJECT,   .raw = {NULL, 0}},
        {.offset = 4, .log_ms = 100, .row = 0, .reason = TL_DEAD_NOT_JSON,     .raw = {"b", 1} },
        {.offset = 8, .log_ms = 99,  .row = 0, .reason = TL_DEAD_NOT_JSON,     .raw = {"c", 1} },
    };
    struct tl_buf text;

    tl_buf_init(&text, 0);
    OK(tl_store_begin(store, err));
    OK(tl_store_put_dead(store, TL_SV("events"), 1, &dead[3], 1, err));
    OK(tl_store_put_dead(store, TL_SV("events"), 1, &dead[2], 1, err));
    OK(tl_store_put_dead(store, TL_SV("events"), 0, dead, 3, err));
    OK(tl_store_put_dead(store, TL_SV("clicks"), 0, dead, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_dead(store, TL_SV("events"), 100, 200, put_place, &text, err));
    tl_buf_put_str(&text, "--\n");
    OK(tl_store_dead(store, TL_SV("clicks"), INT64_MIN, INT64_MAX, put_place, &text, err));
    tl_buf_put_u8(&text, '\0');
    cr_assert_str_eq(text.data, "0/4.0 at 100: json_bad_row\n0/4.1 at 100: json_bad_row\n1/4.0 at 100: json_bad_row\n--\n"
                                "0/9.0 at 200: bad_event_time\n");
    tl_buf_done(&text);
    tl_store_close(store);
}

static void dead_letters_are_kept_once(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_dead dead[] = {
        {.offset = 4, .row = 0, .reason = TL_DEAD_NOT_JSON,   .raw = {"\0\xff", 2}},
        {.offset = 4, .row = 1, .reason = TL_DEAD_NOT_OBJECT, .raw = {NULL, 0}    }
    };
    uint64_t count = 0;

    for (int i = 0; i < 2; i++) {
        OK(tl_store_begin(store, err));
        OK(tl_store_put_dead(store, TL_SV("events"), 0, dead, 2, err));
        OK(tl_store_commit(store, err));
    }
    OK(tl_store_dead_count(store, TL_SV("events"), &count, err));
    cr_assert_eq(count, 2);
    OK(tl_store_dead_count(store, TL_SV("clicks"), &count, err));
    cr_assert_eq(count, 0);
    tl_store_close(store);
}

static void outcomes_add_up(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), run;
    uint64_t some[TL_OUTCOMES] = {1, 2, 3, 4, 5, 6, 7, 8}, got[TL_OUTCOMES];
    struct tl_run_range range = {.from_ms = 0, .to_ms = 10};

    OK(tl_store_begin(store, err));
    OK(tl_store_add_outcomes(store, id, some, err));
    OK(tl_store_add_outcomes(store, id, some, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_outcomes(store, id, 0, got, err));
    for (int i = 0; i < TL_OUTCOMES; i++)
        cr_assert_eq(got[i], 2 * some[i]);
    run = store_run(store, "nightly");
    memcpy(range.outcomes, some, sizeof some);
    for (int i = 0; i < 3; i++) {
        range.run = run;
        OK(tl_store_begin(store, err));
        OK(tl_store_stage_range(store, id, &range, err));
        OK(tl_store_commit(store, err));
        range.from_ms += 10;
        range.to_ms += 10;
    }
    OK(tl_store_outcomes(store, id, -1, got, err));
    cr_assert_eq(got[TL_OUT_COUNTED], 0, "nothing is published yet");
    OK(tl_store_publish(store, run, 5, err));
    OK(tl_store_outcomes(store, id, -1, got, err));
    for (int i = 0; i < TL_OUTCOMES; i++)
        cr_assert_eq(got[i], 3 * some[i]);
    tl_store_close(store);
}

static void put_line(struct tl_store *store, int64_t id, int64_t offset, enum tl_cause cause, int64_t time_ms)
{
    struct tl_ledger_line line = {.offset = offset, .cause = cause, .event_time_ms = time_ms};

    OK(tl_store_begin(store, err));
    OK(tl_store_put_ledger(store, id, 0, &line, 1, err));
    OK(tl_store_commit(store, err));
}

static void old_speed_rows_are_pruned(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    int64_t id = hits(store), epoch = store_epoch(store), run = store_run(store, "1");
    struct seen_lines seen = {.count = 0};

    for (int64_t end = 10; end <= 50; end += 10)
        store_put_speed(store, epoch, id, end - 10, end, "s", end);
    put_line(store, id, 1, TL_CAUSE_LATE_DROP, 5);
    put_line(store, id, 2, TL_CAUSE_LATE_DROP, 10);
    put_line(store, id, 3, TL_CAUSE_LATE_DROP, MIN_MS);  /* a dead letter's, read by the run */
    put_line(store, id, 4, TL_CAUSE_OFFSET_GAP, MIN_MS); /* kept: what was never read */
    put_line(store, id, 9, TL_CAUSE_LATE_DROP, MIN_MS);  /* not yet read by it */
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 0, 5, err));
    OK(tl_store_put_final(store, id, 100, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, MIN_MS, 10);
    OK(tl_store_publish(store, run, 1000, err));
    run = store_run(store, "2");
    store_stage_range(store, run, id, 10, 20);
    OK(tl_store_publish(store, run, 2000, err));
    OK(tl_store_prune_speed(store, id, 1000, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 20), "0 10 s 10 speed 1\n10 20 s 20 speed 1\n");
    OK(tl_store_prune_speed(store, id, 1001, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 20), "10 20 s 20 speed 1\n");
    OK(tl_store_ledger(store, id, 0, INT64_MIN, INT64_MAX, see_line, &seen, err));
    cr_assert_eq(seen.count, 3);
    cr_assert_eq(seen.list[0].offset, 2);
    cr_assert_eq(seen.list[1].offset, 4);
    cr_assert_eq(seen.list[2].offset, 9);
    /* An open row stays: its accumulators are wanted. */
    OK(tl_store_begin(store, err));
    OK(tl_store_put_final(store, id, 15, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_prune_speed(store, id, MAX_MS, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 20), "10 20 s 20 speed 0\n");
    OK(tl_store_begin(store, err));
    OK(tl_store_put_final(store, id, 100, err));
    OK(tl_store_commit(store, err));
    OK(tl_store_prune_speed(store, id, MAX_MS, err));
    expect(store_answer(store, "hits", TL_LAYER_SPEED, MIN_MS, 30), "20 30 s 30 speed 1\n");
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(ledger_keeps_the_first_line),
    CHECK(the_ledger_names_the_function_that_failed),
    CHECK(lines_of_a_range),
    CHECK(lines_from_a_floor),
    CHECK(lines_of_both_ledgers),
    CHECK(dead_letters_are_kept_once),
    CHECK(dead_letters_are_found_by_the_log_s_time),
    CHECK(outcomes_add_up),
    CHECK(old_speed_rows_are_pruned),
};

STORE_SUITE(store_ledger)
