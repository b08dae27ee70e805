/* evidence_test.c: what became of an event in each layer, as offsets, manifests and ledgers say. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "event/zone.h"
#include "serving/evidence.h"
#include "support/store_fixture.h"

#define IMPORTED TL_PARTITION_IMPORTED

static const struct tl_source_topic events[] = {
    {TL_SV("events"), 0}
};

struct judge_case {
    char name[72];
    uint32_t partition, row;
    int64_t offset, time_ms, end_ms;
    bool in_log_only;
    enum tl_cause speed, batch;
};

ParameterizedTestParameters(evidence, judge)
{
    static struct judge_case cases[] = {
        {"counted by both",                                               0,        0, 0,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"the last that speed has read",                                  0,        0, 9,  1500, 2000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"the first that it has not",                                     0,        0, 10, 1500, 2000, false, TL_CAUSE_NOT_YET_READ, TL_CAUSE_NONE                  },
        {"a partition unknown to speed",                                  3,        0, 0,  1500, 2000, false, TL_CAUSE_NOT_YET_READ, TL_CAUSE_ARCHIVED_AFTER_PUBLISH},
        {"the last that run 1 had read",                                  0,        0, 7,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"the first that it had not",                                     0,        0, 8,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_ARCHIVED_AFTER_PUBLISH},
        {"run 2 had read further",                                        0,        0, 8,  1000, 2000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"an event at the end of what is published",                      0,        0, 1,  2000, 3000, false, TL_CAUSE_NONE,         TL_CAUSE_ARCHIVED_AFTER_PUBLISH},
        {"in the log only",                                               0,        0, 9,  500,  1000, true,  TL_CAUSE_NONE,         TL_CAUSE_NOT_YET_ARCHIVED      },
        {"late for speed",                                                0,        0, 3,  500,  751,  false, TL_CAUSE_LATE_DROP,    TL_CAUSE_NONE                  },
        {"late, and by its own watermark it was not",                     0,        0, 3,  500,  752,  false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"its neighbour in the array is not",                             0,        1, 3,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"the same offset of another partition",                          1,        0, 3,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"a duplicate in both",                                           0,        0, 4,  500,  1000, false, TL_CAUSE_DUPLICATE,    TL_CAUSE_DUPLICATE             },
        {"a line that only flags",                                        0,        0, 5,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"an id conflict is counted",                                     0,        0, 6,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"partly late: the window was final",                             0,        0, 7,  600,  700,  false, TL_CAUSE_LATE_PARTIAL, TL_CAUSE_NONE                  },
        {"partly late: its last millisecond and the lateness had passed", 0,        0, 7,  600,  751,  false, TL_CAUSE_LATE_PARTIAL,
         TL_CAUSE_NONE                                                                                                                                              },
        {"partly late: the next window was open",                         0,        0, 7,  600,  752,  false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"a duplicate for batch",                                         0,        0, 2,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_DUPLICATE             },
        {"refused by a run that does not serve the range",                0,        0, 1,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"imported",                                                      IMPORTED, 0, 4,  500,  1000, false, TL_CAUSE_IMPORTED,     TL_CAUSE_NONE                  },
        {"imported after publication",                                    IMPORTED, 0, 5,  500,  1000, false, TL_CAUSE_IMPORTED,     TL_CAUSE_ARCHIVED_AFTER_PUBLISH},
        {"an import that batch refused",                                  IMPORTED, 0, 3,  500,  1000, false, TL_CAUSE_IMPORTED,     TL_CAUSE_DUPLICATE             },
        {"before a gap",                                                  1,        0, 4,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"the first of a gap",                                            1,        0, 5,  500,  1000, false, TL_CAUSE_OFFSET_GAP,   TL_CAUSE_NONE                  },
        {"the last of a gap",                                             1,        0, 7,  500,  1000, false, TL_CAUSE_OFFSET_GAP,   TL_CAUSE_NONE                  },
        {"behind a gap",                                                  1,        0, 8,  500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
        {"a gap of one",                                                  1,        0, 10, 500,  1000, false, TL_CAUSE_OFFSET_GAP,   TL_CAUSE_NONE                  },
        {"behind it",                                                     1,        0, 11, 500,  1000, false, TL_CAUSE_NONE,         TL_CAUSE_NONE                  },
    };

    return cr_make_param_array(struct judge_case, cases, sizeof cases / sizeof *cases);
}

static struct tl_ledger_line line(uint32_t partition, int64_t offset, uint32_t row, enum tl_cause cause, int64_t time_ms)
{
    return (struct tl_ledger_line){
        .partition = partition, .offset = offset, .row = row, .cause = cause, .watermark_ms = 800, .event_time_ms = time_ms};
}

static void put_speed(struct tl_store *store, int64_t definition)
{
    static const struct tl_position positions[] = {
        {.partition = 0, .next_offset = 10},
        {.partition = 1, .next_offset = 20}
    };
    struct tl_ledger_line lines[] = {
        line(0, 3, 0, TL_CAUSE_LATE_DROP, 500),
        line(0, 4, 0, TL_CAUSE_DUPLICATE, 500),
        line(0, 5, 0, TL_CAUSE_NONE, 500),
        line(0, 6, 0, TL_CAUSE_ID_CONFLICT, 500),
        line(0, 7, 0, TL_CAUSE_LATE_PARTIAL, 600),
        line(1, 5, 0, TL_CAUSE_OFFSET_GAP, INT64_MIN),
        line(1, 7, 1, TL_CAUSE_OFFSET_GAP, INT64_MIN),
        line(1, 10, 0, TL_CAUSE_OFFSET_GAP, INT64_MIN),
        line(1, 10, 1, TL_CAUSE_OFFSET_GAP, INT64_MIN),
        line(0, 9, 0, TL_CAUSE_EVAL_ERROR, 5000), /* beyond the span */
    };
    int64_t epoch = store_epoch(store), change;

    OK(tl_store_begin_tick(store, epoch, &change, err));
    for (size_t p = 0; p < TL_COUNT(positions); p++)
        OK(tl_store_put_position(store, definition, &positions[p], err));
    OK(tl_store_put_ledger(store, definition, 0, lines, TL_COUNT(lines), err));
    OK(tl_store_commit(store, err));
}

/* Run 1 publishes up to 1000, run 2 up to 2000. */
static void put_batch(struct tl_store *store, int64_t definition)
{
    struct tl_ledger_line first[] = {line(0, 2, 0, TL_CAUSE_DUPLICATE, 500), line(0, 4, 0, TL_CAUSE_DUPLICATE, 500),
                                     line(IMPORTED, 3, 0, TL_CAUSE_DUPLICATE, 500)};
    struct tl_ledger_line second[] = {line(0, 1, 0, TL_CAUSE_DUPLICATE, 500)};
    int64_t run = store_run(store, "first");

    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 0, 8, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 1, 20, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events.import"), 0, 5, err));
    OK(tl_store_stage_offset(store, run, TL_SV("other"), 0, 1000, err));
    OK(tl_store_stage_offset(store, run, TL_SV("import"), 3, 1000, err));
    OK(tl_store_put_ledger(store, definition, run, first, TL_COUNT(first), err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, definition, INT64_MIN, 1000);
    OK(tl_store_publish(store, run, 1, err));
    run = store_run(store, "second");
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 0, 30, err));
    OK(tl_store_put_ledger(store, definition, run, second, TL_COUNT(second), err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, definition, 1000, 2000);
    OK(tl_store_publish(store, run, 2, err));
}

static struct tl_store *open_evidence(struct tl_evidence *evidence)
{
    struct tl_shape shape = store_windowed("hits_5m", 'a');
    struct tl_definition definition;
    struct tl_store *store;
    char url[512];
    int64_t id = 0;

    shape.topic = TL_SV("events");
    shape.lateness_ms = 50;
    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    put_speed(store, id);
    put_batch(store, id);
    OK(tl_store_definition(store, id, &definition, err));
    OK(tl_evidence_init(evidence, store, &definition, events, 1, NULL, INT64_MIN, 2000, NULL, NULL, NULL, err));
    return store;
}

ParameterizedTest(struct judge_case *c, evidence, judge, .fini = store_folder_remove)
{
    struct tl_core_event event = {.partition = c->partition, .row = c->row, .offset = c->offset, .time_ms = c->time_ms};
    struct tl_evidence evidence;
    struct tl_store *store = open_evidence(&evidence);
    struct tl_judgement judged = tl_evidence_judge(&evidence, &event, c->end_ms, c->in_log_only);

    cr_assert_eq(judged.cause[TL_SIDE_SPEED], c->speed, "%s: speed: %s", c->name, tl_cause_name(judged.cause[TL_SIDE_SPEED]));
    cr_assert_eq(judged.cause[TL_SIDE_BATCH], c->batch, "%s: batch: %s", c->name, tl_cause_name(judged.cause[TL_SIDE_BATCH]));
    tl_evidence_done(&evidence);
    tl_store_close(store);
}

/* What came for a sealed range is not waited for. */
Test(evidence, sealed_days, .fini = store_folder_remove)
{
    const struct tl_core_event late = {.offset = 8, .time_ms = 500}, counted = {.offset = 7, .time_ms = 500},
                               not_sealed = {.offset = 30, .time_ms = 1500};
    struct tl_definition definition;
    struct tl_evidence evidence;
    struct tl_store *store = open_evidence(&evidence);

    OK(tl_store_definition(store, evidence.definition, &definition, err));
    tl_evidence_done(&evidence);
    OK(tl_store_begin(store, err));
    OK(tl_store_seal(store, TL_SV("others"), 2000, 1, err));
    OK(tl_store_seal(store, TL_SV("events"), 1000, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_evidence_init(&evidence, store, &definition, events, 1, NULL, INT64_MIN, 2000, NULL, NULL, NULL, err));
    cr_assert_eq(tl_evidence_judge(&evidence, &late, 1000, false).cause[TL_SIDE_BATCH], TL_CAUSE_SEALED_DAY);
    cr_assert_eq(tl_evidence_judge(&evidence, &counted, 1000, false).cause[TL_SIDE_BATCH], TL_CAUSE_NONE);
    cr_assert_eq(tl_evidence_judge(&evidence, &not_sealed, 2000, false).cause[TL_SIDE_BATCH], TL_CAUSE_ARCHIVED_AFTER_PUBLISH);
    tl_evidence_done(&evidence);
    tl_store_close(store);
}

/* Memory follows what refuses an event of the span. */
Test(evidence, what_is_kept, .fini = store_folder_remove)
{
    struct tl_evidence evidence;
    struct tl_store *store = open_evidence(&evidence);

    cr_assert_eq(evidence.lines.count, 5); /* late, duplicate in both, partly late, duplicate of batch, of the import */
    cr_assert_eq(evidence.gaps_count, 2);
    cr_assert_eq(evidence.ranges_count, 2);
    tl_evidence_done(&evidence);
    tl_store_close(store);
}

/* ... or of that of it which differs. */
Test(evidence, what_is_kept_where_units_differ, .fini = store_folder_remove)
{
    static const struct {
        int64_t from_ms, to_ms;
        uint32_t kept;
    } cases[] = {
        {0,   0,    0},
        {0,   2000, 5},
        {500, 501,  4},
        {501, 2000, 1},
    };
    struct tl_evidence evidence;
    struct tl_store *store = open_evidence(&evidence);
    struct tl_definition definition;

    OK(tl_store_definition(store, evidence.definition, &definition, err));
    tl_evidence_done(&evidence);
    for (size_t c = 0; c < TL_COUNT(cases); c++) {
        struct tl_time_spans spans = {0};

        if (cases[c].to_ms > cases[c].from_ms)
            cr_assert(tl_time_spans_add(&spans, cases[c].from_ms, cases[c].to_ms));
        tl_time_spans_settle(&spans);
        OK(tl_evidence_init(&evidence, store, &definition, events, 1, NULL, INT64_MIN, 2000, &spans, NULL, NULL, err));
        cr_assert_eq(evidence.lines.count, cases[c].kept, "case %zu: %u", c, evidence.lines.count);
        cr_assert_eq(evidence.gaps_count, 2);
        tl_evidence_done(&evidence);
        tl_time_spans_done(&spans);
    }
    tl_store_close(store);
}

static int64_t asked_ms;

static int64_t floor_of(const struct tl_recorded_source *of, uint32_t partition, int64_t from_ms, int64_t to_ms)
{
    (void)of;
    (void)to_ms;
    asked_ms = from_ms;
    return partition == 0 ? 5 : 6;
}

/* Speed's ledger is read from where something of the time may stand; a gap that goes on there is known by its end. Of sealed days nobody can say where that is. */
Test(evidence, what_lies_before_is_not_read, .fini = store_folder_remove)
{
    struct tl_core_event events_of[] = {
        {.offset = 3,     .time_ms = 500},
        {              .offset = 7, .time_ms = 600              },
        { .partition = 1, .offset = 7,               .time_ms = 600},
        { .partition = 1, .offset = 8,               .time_ms = 600}
    };
    const enum tl_cause want[][TL_COUNT(events_of)] = {
        {TL_CAUSE_NONE,      TL_CAUSE_LATE_PARTIAL, TL_CAUSE_OFFSET_GAP, TL_CAUSE_NONE},
        {TL_CAUSE_LATE_DROP, TL_CAUSE_LATE_PARTIAL, TL_CAUSE_OFFSET_GAP, TL_CAUSE_NONE},
    };
    struct tl_evidence evidence;
    struct tl_store *store = open_evidence(&evidence);
    struct tl_definition definition;

    OK(tl_store_definition(store, evidence.definition, &definition, err));
    tl_evidence_done(&evidence);
    for (size_t sealed = 0; sealed < 2; sealed++) {
        asked_ms = -1;
        OK(tl_evidence_init(&evidence, store, &definition, events, 1, NULL, 100, 2000, NULL, floor_of, NULL, err));
        cr_expect_eq(asked_ms, sealed ? -1 : 100);
        cr_expect_eq(evidence.gaps_count, 2);
        for (size_t e = 0; e < TL_COUNT(events_of); e++)
            cr_expect_eq(tl_evidence_judge(&evidence, &events_of[e], 700, false).cause[TL_SIDE_SPEED], want[sealed][e], "%zu %zu",
                         sealed, e);
        tl_evidence_done(&evidence);
        OK(tl_store_begin(store, err));
        OK(tl_store_seal(store, TL_SV("events"), 101, 1, err));
        OK(tl_store_commit(store, err));
    }
    tl_store_close(store);
}

/* Speed counted a split event, by the watermark of its line. */
Test(evidence, split_session, .fini = store_folder_remove)
{
    struct tl_core_event event = {.partition = 1, .offset = 12, .time_ms = 600};
    struct tl_ledger_line split = line(1, 12, 0, TL_CAUSE_SESSION_SPLIT, 600);
    struct tl_evidence evidence;
    struct tl_store *store = open_evidence(&evidence);
    struct tl_definition definition;
    struct tl_judgement judged;
    int64_t epoch = store_epoch(store), change;

    OK(tl_store_definition(store, evidence.definition, &definition, err));
    tl_evidence_done(&evidence);
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_ledger(store, definition.id, 0, &split, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_evidence_init(&evidence, store, &definition, events, 1, NULL, INT64_MIN, 2000, NULL, NULL, NULL, err));
    judged = tl_evidence_judge(&evidence, &event, 700, false);
    cr_assert_eq(judged.cause[TL_SIDE_SPEED], TL_CAUSE_NONE);
    cr_assert_eq(judged.cause[TL_SIDE_BATCH], TL_CAUSE_NONE);
    cr_assert(judged.split);
    cr_assert_eq(judged.watermark_ms, 800);
    event.offset = 13;
    judged = tl_evidence_judge(&evidence, &event, 700, false);
    cr_assert(!judged.split && judged.watermark_ms == INT64_MIN);
    tl_evidence_done(&evidence);
    tl_store_close(store);
}

struct gap_case {
    char name[72];
    int64_t end_ms; /* from the instant at which the clock goes from 02:00 to 03:00 */
    int64_t watermark_ms;
    bool passed;
};

enum { HOUR = 3600000 };
#define GAP_MS INT64_C(1615716000000) /* 2021-03-14T10:00:00Z, Los Angeles */

ParameterizedTestParameters(evidence, gaps)
{
    static struct gap_case cases[] = {
        {"an end before the gap fires 1 ms before it", -HOUR, -HOUR - 1, true },
        {"not earlier",                                -HOUR, -HOUR - 2, false},
        {"an end where the gap begins too",            0,     -1,        true },
        {"an end within the gap fires with the jump",  1,     -1,        false},
        {"then",                                       1,     0,         true },
    };

    return cr_make_param_array(struct gap_case, cases, sizeof cases / sizeof *cases);
}

/* A partly late event misses the windows that had fired: where the clock skips an hour, one that would end within it ends 1 ms behind the jump. */
ParameterizedTest(struct gap_case *c, evidence, gaps, .fini = store_folder_remove)
{
    struct tl_core_event event = {.partition = 1, .offset = 12, .time_ms = 600};
    struct tl_ledger_line late = line(1, 12, 0, TL_CAUSE_LATE_PARTIAL, 600);
    struct tl_window_spec window = {.window = TL_WINDOW_HOP, .size_ms = HOUR, .slide_ms = HOUR / 2};
    struct tl_evidence evidence;
    struct tl_store *store = open_evidence(&evidence);
    struct tl_definition definition;
    struct tl_arena arena;
    int64_t epoch = store_epoch(store), change;

    tl_arena_init(&arena, 1u << 16, 0);
    OK(tl_zone_open(TL_SV("America/Los_Angeles"), &arena, &window.zone, err));
    OK(tl_store_definition(store, evidence.definition, &definition, err));
    tl_evidence_done(&evidence);
    late.watermark_ms = GAP_MS + c->watermark_ms + definition.lateness_ms;
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_ledger(store, definition.id, 0, &late, 1, err));
    OK(tl_store_commit(store, err));
    OK(tl_evidence_init(&evidence, store, &definition, events, 1, &window, INT64_MIN, 2000, NULL, NULL, NULL, err));
    cr_assert_eq(tl_evidence_judge(&evidence, &event, GAP_MS + c->end_ms, false).cause[TL_SIDE_SPEED],
                 c->passed ? TL_CAUSE_LATE_PARTIAL : TL_CAUSE_NONE, "%s", c->name);
    tl_evidence_done(&evidence);
    tl_arena_done(&arena);
    tl_store_close(store);
}

/* What a run had read stands under the topics' names, and rows know their numbers. */
Test(evidence, topics_of_a_pattern, .fini = store_folder_remove)
{
    static const struct tl_source_topic topics[] = {
        {TL_SV("site-a"), 1                 },
        {TL_SV("site-b"), 2                 },
        {TL_SV("site-c"), TL_TOPIC_NO_NUMBER}, /* in the log, and read by nobody yet */
    };
    struct tl_shape shape = store_windowed("hits_5m", 'a');
    struct tl_evidence evidence;
    struct tl_definition definition;
    struct tl_store *store;
    char url[512];
    int64_t id = 0, run;

    shape.topic = TL_SV("site-.*");
    shape.by_pattern = true;
    store_sqlite.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    run = store_run(store, "first");
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b"), 3, 8, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-b.import"), 0, 5, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-c"), 0, 7, err));
    OK(tl_store_stage_offset(store, run, TL_SV("site-d.import"), 0, 7, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, INT64_MIN, 1000);
    OK(tl_store_publish(store, run, 1, err));
    OK(tl_store_definition(store, id, &definition, err));
    OK(tl_evidence_init(&evidence, store, &definition, topics, TL_COUNT(topics), NULL, INT64_MIN, 2000, NULL, NULL, NULL, err));
    cr_assert_eq(evidence.ranges_count, 1);
    cr_assert_eq(evidence.ranges[0].offsets_count, 2);
    cr_assert_eq(evidence.ranges[0].offsets[0].partition, tl_partition_number(2, 3));
    cr_assert_eq(evidence.ranges[0].offsets[0].next_offset, 8);
    cr_assert_eq(evidence.ranges[0].offsets[1].partition, IMPORTED | tl_partition_number(2, 0));
    tl_evidence_done(&evidence);
    tl_store_close(store);
}
