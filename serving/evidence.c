/* evidence.c: what the store says of the events of one view. See evidence.h. */
#include "evidence.h"

#include <string.h>

#include "cause_events.h"

/* What the ledgers say of one event. */
struct refusal {
    int64_t watermark_ms; /* speed: by which it was judged */
    uint8_t cause[TL_SIDES];
    uint32_t check; /* dq_reject: which of evidence's */
};

enum { IDENTITY_BYTES = 16 };

static struct tl_sv identity_of(char out[IDENTITY_BYTES], uint32_t partition, int64_t offset, uint32_t row)
{
    memcpy(out, &offset, sizeof offset);
    memcpy(out + 8, &partition, sizeof partition);
    memcpy(out + 12, &row, sizeof row);
    return (struct tl_sv){out, IDENTITY_BYTES};
}

/* Lines of these causes only flag an event, or speak of offsets instead of an event. */
static bool refuses(enum tl_cause cause)
{
    switch (cause) {
    case TL_CAUSE_NONE:
    case TL_CAUSE_ID_CONFLICT:
    case TL_CAUSE_JSON_BAD_FIELD:
    case TL_CAUSE_OFFSET_GAP: return false;
    default: return true;
    }
}

/* A growing array in an arena, with room for the next power of two: the old one is left behind. NULL: out of memory. */
static void *grown(struct tl_arena *arena, const void *items, uint32_t count, size_t size)
{
    char *out = tl_arena_alloc(arena, (count == 0 ? 1 : 2 * (size_t)count) * size);

    if (out != NULL && count > 0)
        memcpy(out, items, count * size);
    return out;
}

#define APPEND(arena, items, count, item, err)                                                                                   \
    do {                                                                                                                         \
        if (((count) & ((count)-1)) == 0) {                                                                                      \
            void *room = grown((arena), (items), (count), sizeof *(items));                                                      \
                                                                                                                                 \
            if (room == NULL)                                                                                                    \
                return tl_fail_memory((err), (count) * sizeof *(items));                                                         \
            (items) = room;                                                                                                      \
        }                                                                                                                        \
        (items)[(count)++] = (item);                                                                                             \
    } while (0)

/* ---- positions, ranges, manifests ---- */

static enum tl_code add_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    struct tl_evidence *e = ctx;
    struct tl_evidence_partition mine = {position->partition, position->next_offset};

    APPEND(&e->memory, e->positions, e->positions_count, mine, err);
    return TL_OK;
}

struct span {
    struct tl_evidence *evidence;
    int64_t from_ms, to_ms;
    const struct tl_time_spans *spans;
    int64_t run; /* whose ledger is being read; 0: speed's */
};

static enum tl_code add_range(void *ctx, const struct tl_run_range *range, struct tl_err *err)
{
    struct span *span = ctx;
    struct tl_evidence *e = span->evidence;
    struct tl_evidence_range mine = {.run = range->run, .from_ms = range->from_ms, .to_ms = range->to_ms};

    if (range->to_ms > span->from_ms && range->from_ms < span->to_ms)
        APPEND(&e->memory, e->ranges, e->ranges_count, mine, err);
    return TL_OK;
}

struct manifest {
    struct tl_evidence *evidence;
    const struct tl_source_topic *topics;
    uint32_t topics_count;
    struct tl_evidence_partition *offsets;
    uint32_t count;
};

static bool number_of(const struct manifest *manifest, struct tl_sv name, uint32_t *number)
{
    for (uint32_t t = 0; t < manifest->topics_count; t++) {
        *number = manifest->topics[t].number;
        if (*number != TL_TOPIC_NO_NUMBER && tl_sv_eq(manifest->topics[t].name, name))
            return true;
    }
    return false;
}

static enum tl_code add_offset(void *ctx, struct tl_sv topic, uint32_t partition, int64_t next_offset, struct tl_err *err)
{
    const struct tl_sv import = TL_SV(".import");
    struct manifest *manifest = ctx;
    struct tl_evidence_partition mine = {0, next_offset};
    uint32_t number;

    if (!number_of(manifest, topic, &number)) {
        if (!tl_sv_ends(topic, import) || !number_of(manifest, (struct tl_sv){topic.data, topic.size - import.size}, &number))
            return TL_OK;
        mine.partition = TL_PARTITION_IMPORTED;
    }
    mine.partition |= tl_partition_number(number, partition);
    APPEND(&manifest->evidence->memory, manifest->offsets, manifest->count, mine, err);
    return TL_OK;
}

static enum tl_code read_manifests(struct tl_evidence *e, struct tl_store *store, const struct tl_source_topic *topics,
                                   uint32_t topics_count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t r = 0; r < e->ranges_count; r++) {
        struct tl_evidence_range *range = &e->ranges[r];
        struct manifest manifest = {.evidence = e, .topics = topics, .topics_count = topics_count};

        for (uint32_t other = 0; other < r; other++) {
            if (e->ranges[other].run == range->run) {
                range->offsets = e->ranges[other].offsets;
                range->offsets_count = e->ranges[other].offsets_count;
                break;
            }
        }
        if (range->offsets != NULL)
            continue;
        TL_TRY(tl_store_run_offsets(store, range->run, add_offset, &manifest, err));
        range->offsets = manifest.offsets;
        range->offsets_count = manifest.count;
    }
out:
    return rc;
}

static const struct tl_evidence_range *range_at(const struct tl_evidence *e, int64_t time_ms)
{
    uint32_t low = 0, high = e->ranges_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (e->ranges[middle].to_ms <= time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->ranges_count && e->ranges[low].from_ms <= time_ms ? &e->ranges[low] : NULL;
}

static int64_t next_offset_of(const struct tl_evidence_partition *partitions, uint32_t count, uint32_t partition)
{
    for (uint32_t p = 0; p < count; p++)
        if (partitions[p].partition == partition)
            return partitions[p].next_offset;
    return INT64_MIN; /* nothing of it has been read */
}

struct seals {
    struct tl_evidence *evidence;
    const struct tl_source_topic *topics;
    uint32_t topics_count;
};

static enum tl_code add_seal(void *ctx, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms, struct tl_err *err)
{
    const struct seals *seals = ctx;

    (void)sealed_ms;
    (void)err;
    for (uint32_t t = 0; t < seals->topics_count; t++)
        if (tl_sv_eq(seals->topics[t].name, topic))
            seals->evidence->sealed_ms = tl_max_i64(seals->evidence->sealed_ms, upto_ms);
    return TL_OK;
}

/* ---- ledgers ---- */

/* A gap is two lines: its first offset in row 0, its last one in row 1 (semantics of the speed layer's ledger). One without an end
 * reaches up to speed's position. */
static enum tl_code add_gap(struct tl_evidence *e, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct tl_evidence_gap gap = {line->partition, line->offset,
                                  next_offset_of(e->positions, e->positions_count, line->partition) - 1};

    if (line->row != 0 && e->gaps_count > 0 && e->gaps[e->gaps_count - 1].partition == line->partition) {
        e->gaps[e->gaps_count - 1].last_offset = line->offset; /* lines come in order of offset */
        return TL_OK;
    }
    if (line->row != 0) /* it begins before the floor */
        gap = (struct tl_evidence_gap){line->partition, INT64_MIN, line->offset};
    APPEND(&e->memory, e->gaps, e->gaps_count, gap, err);
    return TL_OK;
}

/* Of a session that took the row as speed judged it (session.c). */
static bool tells_watermark(const struct span *span, const struct tl_ledger_line *line)
{
    const struct tl_window_spec *window = span->evidence->window;

    return span->run == 0 && line->cause == TL_CAUSE_NONE && window != NULL && window->window == TL_WINDOW_SESSION;
}

/* The number of a check's name; there are few. */
static enum tl_code check_of(struct tl_evidence *e, const char *name, uint32_t *out, struct tl_err *err)
{
    struct tl_sv mine = tl_sv_from(name != NULL ? name : "");

    for (*out = 0; *out < e->checks_count; (*out)++)
        if (tl_sv_eq(e->checks[*out], mine))
            return TL_OK;
    if (!tl_arena_copy(&e->memory, mine, &mine))
        return tl_fail_memory(err, mine.size);
    APPEND(&e->memory, e->checks, e->checks_count, mine, err);
    return TL_OK;
}

static enum tl_code add_line(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct span *span = ctx;
    struct tl_evidence *e = span->evidence;
    char bytes[IDENTITY_BYTES];
    struct tl_sv identity = identity_of(bytes, line->partition, line->offset, line->row);
    struct refusal *refusal;
    bool is_new = false;
    enum tl_code rc = TL_OK;

    if (line->cause == TL_CAUSE_OFFSET_GAP && span->run == 0)
        return add_gap(e, line, err);
    if (span->run != 0) {
        const struct tl_evidence_range *range = range_at(e, line->event_time_ms);

        if (range == NULL || range->run != span->run)
            return TL_OK; /* of a range that a later run has published anew */
    }
    if ((!refuses(line->cause) && !tells_watermark(span, line)) || line->event_time_ms < span->from_ms ||
        line->event_time_ms >= span->to_ms ||
        (span->spans != NULL && !tl_time_spans_overlap(span->spans, line->event_time_ms, line->event_time_ms)))
        return TL_OK;
    refusal = tl_table_put(&e->lines, tl_hash_bytes(identity), identity, &is_new);
    if (refusal == NULL)
        return tl_fail_memory(err, sizeof *refusal);
    if (is_new)
        *refusal = (struct refusal){.watermark_ms = INT64_MIN};
    if (refuses(line->cause))
        refusal->cause[span->run == 0 ? TL_SIDE_SPEED : TL_SIDE_BATCH] = (uint8_t)line->cause;
    if (line->cause == TL_CAUSE_DQ_REJECT)
        TL_TRY(check_of(e, line->function, &refusal->check, err));
    if (span->run == 0)
        refusal->watermark_ms = line->watermark_ms;
out:
    return rc;
}

static enum tl_code find_floors(struct tl_evidence *e, int64_t from_ms, int64_t to_ms, tl_evidence_floor floor,
                                const struct tl_recorded_source *of, struct tl_err *err)
{
    e->floors = tl_arena_alloc(&e->memory, (e->positions_count + 1u) * sizeof *e->floors);
    if (e->floors == NULL)
        return tl_fail_memory(err, e->positions_count * sizeof *e->floors);
    for (uint32_t p = 0; p < e->positions_count; p++) {
        e->floors[p] = (struct tl_ledger_floor){e->positions[p].partition, INT64_MIN};
        if (floor != NULL && from_ms >= e->sealed_ms) /* else the record does not know any more what it had */
            e->floors[p].offset = floor(of, e->positions[p].partition, from_ms, to_ms);
    }
    return TL_OK;
}

/* Does somebody ask for events of the range? */
static bool is_wanted(const struct span *span, const struct tl_evidence_range *range)
{
    return span->spans == NULL || tl_time_spans_overlap(span->spans, range->from_ms, range->to_ms - 1);
}

static enum tl_code read_ledgers(struct tl_evidence *e, struct tl_store *store, struct span *span, struct tl_err *err)
{
    int64_t from_ms = span->from_ms, to_ms = span->to_ms;
    enum tl_code rc = TL_OK;

    if (span->spans != NULL) {
        size_t count = span->spans->count;

        from_ms = count == 0 ? to_ms : tl_max_i64(from_ms, span->spans->items[0].from_ms);
        to_ms = count == 0 ? to_ms : tl_min_i64(to_ms, span->spans->items[count - 1].to_ms);
    }
    span->run = 0;
    TL_TRY(tl_store_ledger_from(store, e->definition, e->floors, e->positions_count, from_ms, to_ms, add_line, span, err));
    for (uint32_t r = 0; r < e->ranges_count; r++) {
        bool known = !is_wanted(span, &e->ranges[r]);

        span->run = e->ranges[r].run;
        for (uint32_t other = 0; other < r && !known; other++)
            known = e->ranges[other].run == span->run && is_wanted(span, &e->ranges[other]);
        if (!known)
            TL_TRY(tl_store_ledger(store, e->definition, span->run, from_ms, to_ms, add_line, span, err));
    }
out:
    return rc;
}

enum tl_code tl_evidence_init(struct tl_evidence *e, struct tl_store *store, const struct tl_definition *definition,
                              const struct tl_source_topic *topics, uint32_t topics_count, const struct tl_window_spec *window,
                              int64_t from_ms, int64_t to_ms, const struct tl_time_spans *spans, tl_evidence_floor floor,
                              const struct tl_recorded_source *of, struct tl_err *err)
{
    struct span span = {.evidence = e, .from_ms = from_ms, .to_ms = to_ms, .spans = spans};
    struct seals seals = {e, topics, topics_count};
    uint64_t identity;
    enum tl_code rc = TL_OK;

    *e = (struct tl_evidence){.definition = definition->id,
                              .lateness_ms = definition->lateness_ms,
                              .final_ms = definition->final_ms,
                              .window = window,
                              .sealed_ms = INT64_MIN};
    tl_arena_init(&e->memory, 1u << 14, 0);
    tl_table_init(&e->lines, sizeof(struct refusal), 0);
    TL_TRY(tl_store_positions(store, e->definition, add_position, e, &identity, err));
    TL_TRY(tl_store_ranges(store, e->definition, add_range, &span, err));
    TL_TRY(read_manifests(e, store, topics, topics_count, err));
    TL_TRY(tl_store_sealed(store, add_seal, &seals, err));
    TL_TRY(find_floors(e, from_ms, to_ms, floor, of, err));
    TL_TRY(read_ledgers(e, store, &span, err));
out:
    return rc;
}

void tl_evidence_done(struct tl_evidence *e)
{
    tl_arena_done(&e->memory);
    tl_table_done(&e->lines);
}

/* ---- judging ---- */

/* Of causes that come of lateness: is the event missing in a window that had not fired by the watermark that judged it? One that is partly late is counted
 * there. Of the others, the line contradicts itself: no speed layer wrote it, and it explains nothing. A session's end is here that of the event alone, and
 * the end of a row of a count window the millisecond behind it: speed judges them by just these. A session that was split has counted the event. */
static bool was_open(const struct tl_evidence *e, const struct refusal *refusal, int64_t end_ms)
{
    enum tl_cause cause = (enum tl_cause)refusal->cause[TL_SIDE_SPEED];

    if (!tl_cause_is_late(cause) || cause == TL_CAUSE_SESSION_SPLIT)
        return false;
    if (e->window != NULL && e->window->window == TL_WINDOW_NONE)
        return true; /* rows without a window are never late */
    /* A window fires 1 ms before its end, also in a gap of the clock. */
    return refusal->watermark_ms < tl_add_sat_i64(end_ms - 1, e->lateness_ms);
}

static enum tl_cause judge_speed(const struct tl_evidence *e, const struct tl_core_event *event, const struct refusal *refusal,
                                 int64_t end_ms)
{
    if (event->partition >= TL_PARTITION_IMPORTED)
        return TL_CAUSE_IMPORTED;
    for (uint32_t g = 0; g < e->gaps_count; g++)
        if (e->gaps[g].partition == event->partition && event->offset >= e->gaps[g].first_offset &&
            event->offset <= e->gaps[g].last_offset)
            return TL_CAUSE_OFFSET_GAP;
    if (event->offset >= next_offset_of(e->positions, e->positions_count, event->partition))
        return TL_CAUSE_NOT_YET_READ;
    return refusal == NULL || was_open(e, refusal, end_ms) ? TL_CAUSE_NONE : (enum tl_cause)refusal->cause[TL_SIDE_SPEED];
}

static enum tl_cause judge_batch(const struct tl_evidence *e, const struct tl_core_event *event, const struct refusal *refusal,
                                 bool in_log_only)
{
    const struct tl_evidence_range *range = range_at(e, event->time_ms);

    if (in_log_only)
        return TL_CAUSE_NOT_YET_ARCHIVED;
    if (range == NULL || event->offset >= next_offset_of(range->offsets, range->offsets_count, event->partition))
        return range != NULL && range->from_ms < e->sealed_ms ? TL_CAUSE_SEALED_DAY : TL_CAUSE_ARCHIVED_AFTER_PUBLISH;
    return refusal == NULL ? TL_CAUSE_NONE : (enum tl_cause)refusal->cause[TL_SIDE_BATCH];
}

struct tl_judgement tl_evidence_judge(const struct tl_evidence *e, const struct tl_core_event *event, int64_t end_ms,
                                      bool in_log_only)
{
    char bytes[IDENTITY_BYTES];
    struct tl_sv identity = identity_of(bytes, event->partition, event->offset, event->row);
    const struct refusal *refusal = tl_table_find(&e->lines, tl_hash_bytes(identity), identity);
    struct tl_judgement judgement = {.watermark_ms = INT64_MIN};

    judgement.cause[TL_SIDE_SPEED] = judge_speed(e, event, refusal, end_ms);
    judgement.cause[TL_SIDE_BATCH] = judge_batch(e, event, refusal, in_log_only);
    if (judgement.cause[TL_SIDE_BATCH] == TL_CAUSE_DQ_REJECT)
        judgement.check = e->checks[refusal->check];
    judgement.split = judgement.cause[TL_SIDE_SPEED] == TL_CAUSE_SESSION_SPLIT;
    if (judgement.split)
        judgement.cause[TL_SIDE_SPEED] = TL_CAUSE_NONE;
    if (judgement.split || (refusal != NULL && refusal->cause[TL_SIDE_SPEED] == TL_CAUSE_NONE))
        judgement.watermark_ms = refusal->watermark_ms;
    return judgement;
}

int64_t tl_evidence_watermark(const struct tl_evidence *e, const struct tl_core_event *event)
{
    char bytes[IDENTITY_BYTES];
    struct tl_sv identity = identity_of(bytes, event->partition, event->offset, event->row);
    const struct refusal *refusal = tl_table_find(&e->lines, tl_hash_bytes(identity), identity);

    return refusal == NULL ? INT64_MIN : refusal->watermark_ms;
}
