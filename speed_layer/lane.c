/* lane.c: what a lane reads, from where and how far, and whether the log is still the one that was read. See lane.h. */
#include "lane.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/diag.h"
#include "core/watermark.h"
#include "event/partition.h"
#include "main/stop.h"

enum { ASK_AGAIN_MS = 200 };

void tl_lane_close(struct tl_lane *lane)
{
    free(lane->views_wanted);
    free(lane->definitions);
    free(lane->final_ms);
    free(lane->identities);
    free(lane->topics);
    free(lane->partitions);
    *lane = (struct tl_lane){0};
}

enum tl_code tl_lane_open(struct tl_lane *lane, const struct tl_plan *plan, struct tl_err *err)
{
    *lane = (struct tl_lane){.plan = plan};
    lane->views_wanted = calloc(plan->views_count, sizeof *lane->views_wanted);
    lane->definitions = calloc(plan->views_count, sizeof *lane->definitions);
    lane->final_ms = calloc(plan->views_count, sizeof *lane->final_ms);
    lane->identities = calloc(plan->sources_count, sizeof *lane->identities);
    if (lane->views_wanted == NULL || lane->definitions == NULL || lane->final_ms == NULL || lane->identities == NULL)
        return tl_fail_memory(err, plan->views_count * sizeof *lane->definitions);
    return TL_OK;
}

bool tl_lane_is_bounded(const struct tl_lane *lane)
{
    for (uint32_t p = 0; p < lane->partitions_count; p++)
        if (lane->partitions[p].until_offset == INT64_MAX)
            return false;
    return lane->partitions_count > 0;
}

void tl_lane_add_view(struct tl_lane *lane, uint32_t v, const struct tl_definition *definition)
{
    lane->views_wanted[v] = true;
    lane->definitions[v] = definition->id;
    lane->final_ms[v] = definition->final_ms;
}

/* The stored offset must still make sense for the log as it is: never silently behind. */
static enum tl_code check_position(const struct tl_lane_ground *ground, const struct tl_lane_partition *mine, int64_t end,
                                   struct tl_err *err)
{
    const struct tl_position *position = &mine->position;

    if (position->next_offset > end)
        return tl_fail(err, TL_ERR_IO,
                       "topic %.*s partition %u: the store has read up to offset %lld, but the log ends at %lld: the topic was "
                       "deleted and made "
                       "again, or another log is in use; start with a new data directory, or bring the log back",
                       TL_SV_ARG(mine->topic), mine->in_topic, (long long)position->next_offset, (long long)end);
    if (position->next_offset >= mine->log_first)
        return TL_OK;
    if (!ground->accept_gap)
        return tl_fail(err, TL_ERR_GAP,
                       "topic %.*s partition %u: offsets %lld to %lld are gone from the log before they were counted; "
                       "--accept-gap goes on at %lld and records the gap as an outage",
                       TL_SV_ARG(mine->topic), mine->in_topic, (long long)position->next_offset, (long long)(mine->log_first - 1),
                       (long long)mine->log_first);
    return TL_OK;
}

static enum tl_code fail_made_again(struct tl_sv topic, uint32_t partition, const char *why, struct tl_err *err)
{
    return tl_fail(
        err, TL_ERR_IO,
        "topic %.*s partition %u: the topic was deleted and made again: %s; its offsets mean other events now; start with a new"
        " data directory and store, or bring the log back",
        TL_SV_ARG(topic), partition, why);
}

enum tl_code tl_lane_check_message(const struct tl_lane_ground *ground, const struct tl_lane_partition *partition,
                                   const struct tl_position *position, bool *other, struct tl_err *err)
{
    char why[100];
    uint64_t now;
    enum tl_code rc;

    if (other != NULL)
        *other = false;
    if (position->fingerprint == 0)
        return TL_OK;
    rc = tl_log_fingerprint(tl_source_log(ground->logs, partition->source), partition->topic, partition->in_topic,
                            position->last_offset, &now, err);
    if (rc == TL_ERR_NOT_FOUND)
        return TL_OK;
    if (rc != TL_OK || now == position->fingerprint)
        return rc;
    snprintf(why, sizeof why, "at offset %lld stands another message than the one that was read",
             (long long)position->last_offset);
    if (other != NULL)
        *other = true;
    return fail_made_again(partition->topic, partition->in_topic, why, err);
}

/* In a tick: what lies from `gap_from` to the position is left out by the lane's views of the source: two lines in the ledger, the gap's first offset
 * in row 0, its last one in row 1. */
static enum tl_code put_gap(const struct tl_lane_ground *ground, const struct tl_lane *lane, uint32_t source,
                            const struct tl_position *position, int64_t gap_from, struct tl_err *err)
{
    struct tl_ledger_line lines[2];
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < TL_COUNT(lines); i++)
        lines[i] = (struct tl_ledger_line){.partition = position->partition,
                                           .row = i,
                                           .offset = i == 0 ? gap_from : position->next_offset - 1,
                                           .cause = TL_CAUSE_OFFSET_GAP,
                                           .watermark_ms = position->watermark_ms,
                                           .event_time_ms = INT64_MIN};
    for (uint32_t v = 0; v < lane->plan->views_count; v++)
        if (lane->definitions[v] != 0 && lane->plan->views[v].source == source)
            TL_TRY(tl_store_put_ledger(ground->store, lane->definitions[v], 0, lines, TL_COUNT(lines), err));
out:
    return rc;
}

/* In a tick: the lane's views of the source go on from the position, in the topic as it is. What lies from `gap_from` to there is left out, if
 * anything. */
static enum tl_code put_place(const struct tl_lane_ground *ground, const struct tl_lane *lane, uint32_t source,
                              const struct tl_position *position, int64_t gap_from, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (gap_from < position->next_offset)
        TL_TRY(put_gap(ground, lane, source, position, gap_from, err));
    for (uint32_t v = 0; v < lane->plan->views_count; v++) {
        if (lane->definitions[v] == 0 || lane->plan->views[v].source != source)
            continue;
        TL_TRY(tl_store_put_position(ground->store, lane->definitions[v], position, err));
        TL_TRY(tl_store_put_identity(ground->store, lane->definitions[v], lane->identities[source], err));
    }
out:
    return rc;
}

static void say_gap(const char *why, const struct tl_lane_partition *mine, int64_t from, int64_t next)
{
    tl_diag(TL_WARN, "%s: topic %.*s partition %u offsets %lld to %lld", why, TL_SV_ARG(mine->topic), mine->in_topic,
            (long long)from, (long long)(next - 1));
}

static enum tl_code accept_gap(const struct tl_lane_ground *ground, const struct tl_lane *lane, struct tl_lane_partition *mine,
                               struct tl_err *err)
{
    int64_t change, from = mine->position.next_offset;
    enum tl_code rc;

    say_gap("gap accepted", mine, from, mine->log_first);
    mine->position.next_offset = mine->log_first;
    TL_TRY(tl_store_begin_tick(ground->store, ground->epoch, &change, err));
    TL_TRY(put_place(ground, lane, mine->source, &mine->position, from, err));
    TL_TRY(tl_store_commit(ground->store, err));
out:
    tl_store_rollback(ground->store);
    return rc;
}

enum tl_code tl_lane_topic(const struct tl_lane_ground *ground, uint32_t source, struct tl_sv name, uint32_t *partitions,
                           uint64_t *identity, struct tl_err *err)
{
    enum tl_code rc = tl_log_topic(tl_source_log(ground->logs, source), name, partitions, identity, err);

    if (rc != TL_ERR_NOT_FOUND)
        return rc;
    *partitions = 0;
    *identity = 0;
    return TL_OK;
}

/* Before the log is asked again whether it has the topic. *until_ms: 0 the first time. *over: it was asked for long enough. */
static enum tl_code wait_for_topic(const struct tl_lane_ground *ground, struct tl_sv topic, int64_t *until_ms, bool *over,
                                   struct tl_err *err)
{
    enum tl_code rc;

    if (*until_ms == 0)
        *until_ms = tl_clock_monotonic_ms() + ground->patience->wait_ms;
    *over = tl_clock_monotonic_ms() >= *until_ms;
    if (*over)
        return TL_OK;
    TL_TRY(tl_fence_check(ground->fence, err));
    if (tl_stop_requested()) {
        rc = tl_fail(err, TL_ERR_IO, "topic %.*s was read before and is not there now", TL_SV_ARG(topic));
        err->retriable = true;
        goto out;
    }
    tl_clock_sleep_ms(ASK_AGAIN_MS);
out:
    return rc;
}

static bool is_believed_gone(const struct tl_lane_patience *patience, uint32_t source, struct tl_sv name)
{
    for (uint32_t i = 0; i < patience->gone_count; i++)
        if (patience->gone[i].source == source && tl_sv_eq(patience->gone[i].name, name))
            return true;
    return false;
}

static enum tl_code believe_gone(struct tl_lane_patience *patience, uint32_t source, struct tl_sv name, struct tl_err *err)
{
    if (!TL_RESIZE(patience->gone, patience->gone_count + 1))
        return tl_fail_memory(err, (patience->gone_count + 1) * sizeof *patience->gone);
    patience->gone[patience->gone_count++] = (struct tl_lane_topic){.source = source, .name = name};
    return TL_OK;
}

enum tl_code tl_lane_known_topic(const struct tl_lane_ground *ground, uint32_t source, struct tl_sv name, uint32_t known,
                                 uint32_t *partitions, uint64_t *identity, struct tl_err *err)
{
    int64_t until_ms = 0;
    bool over = is_believed_gone(ground->patience, source, name);
    enum tl_code rc;

    TL_TRY(tl_lane_topic(ground, source, name, partitions, identity, err));
    while (*partitions < known && !over) {
        TL_TRY(wait_for_topic(ground, name, &until_ms, &over, err));
        TL_TRY(tl_lane_topic(ground, source, name, partitions, identity, err));
        if (over && *partitions == 0)
            TL_TRY(believe_gone(ground->patience, source, name, err));
    }
out:
    return rc;
}

/* The partition's, which the topic has as a broker said just now; another may not know of it yet. */
static enum tl_code find_range(const struct tl_lane_ground *ground, struct tl_lane_partition *mine, int64_t *end,
                               struct tl_err *err)
{
    struct tl_log *log = tl_source_log(ground->logs, mine->source);
    int64_t until_ms = 0;
    bool over = false;
    enum tl_code rc;

    while ((rc = tl_log_range(log, mine->topic, mine->in_topic, &mine->log_first, end, err)) == TL_ERR_NOT_FOUND && !over)
        TL_TRY(wait_for_topic(ground, mine->topic, &until_ms, &over, err));
    if (rc == TL_OK && ground->history != NULL)
        mine->history = tl_history_partition(ground->history, mine->source, mine->partition);
    if (mine->history != NULL)
        mine->log_first = ground->replays ? 0 : mine->history->first;
out:
    return rc;
}

/* How many partitions of the topic the standing has, as far as they are told apart by the highest. */
static uint32_t known_partitions(const struct tl_standing *standing, const struct tl_source_topic *topic)
{
    uint32_t known = 0;

    for (uint32_t i = 0; i < standing->count; i++) {
        uint32_t partition = standing->positions[i].partition;

        if (tl_partition_topic(partition) == topic->number && tl_partition_in_topic(partition) >= known)
            known = tl_partition_in_topic(partition) + 1;
    }
    return known;
}

/* How far the lane reads the partition: to the goal (of what that does not know, nothing), to the log's present end with --once, to
 * where 'scan.bounded.mode' ends the source. */
static enum tl_code set_end(const struct tl_lane_ground *ground, struct tl_lane_partition *mine, int64_t log_end,
                            const struct tl_standing *goal, struct tl_err *err)
{
    int64_t bound;
    enum tl_code rc;

    TL_TRY(tl_source_bound(ground->logs, mine->source, mine->topic, mine->in_topic, &bound, err));
    if (goal != NULL) {
        const struct tl_position *known = tl_standing_of(goal, mine->partition);

        mine->until_offset = known != NULL ? known->next_offset : INT64_MIN;
        mine->ends = known != NULL && known->watermark_ms == TL_WATERMARK_END;
    } else if (ground->once) {
        mine->until_offset = log_end;
    }
    mine->ends = mine->ends || (bound <= mine->until_offset && bound != INT64_MAX);
    mine->until_offset = tl_min_i64(mine->until_offset, bound);
out:
    return rc;
}

/* What has ended stays so: its windows are final, and whatever came behind its end would be late. */
static enum tl_code keep_ended(const struct tl_lane_ground *ground, struct tl_lane_partition *mine, int64_t log_end,
                               struct tl_err *err)
{
    if (!ground->plan->sources[mine->source].bounded)
        return tl_fail(
            err, TL_ERR_USAGE,
            "topic %.*s partition %u: it has ended at offset %lld, where 'scan.bounded.mode' said, and its windows are "
            "final; without that option start with a new data directory and store",
            TL_SV_ARG(mine->topic), mine->in_topic, (long long)mine->position.next_offset);
    if (log_end > mine->position.next_offset)
        tl_diag(TL_WARN,
                "topic %.*s partition %u: it has ended at offset %lld ('scan.bounded.mode'): what the log has behind that is not "
                "read",
                TL_SV_ARG(mine->topic), mine->in_topic, (long long)mine->position.next_offset);
    mine->until_offset = mine->position.next_offset;
    mine->ends = true;
    return TL_OK;
}

static bool all_ended(const struct tl_standing *standing)
{
    for (uint32_t i = 0; i < standing->count; i++)
        if (standing->positions[i].watermark_ms != TL_WATERMARK_END)
            return false;
    return standing->count > 0;
}

/* Where a definition begins that has read nothing of the source yet: where 'scan.startup.mode' says, which may leave events out, and not behind
 * those that it is to meet. */
static enum tl_code find_start(const struct tl_lane_ground *ground, struct tl_lane_partition *mine, struct tl_err *err)
{
    int64_t start = mine->log_first;
    enum tl_code rc = TL_OK;

    if (!ground->replays && (mine->history == NULL || ground->plan->sources[mine->source].startup.kind != TL_PLACE_EARLIEST))
        TL_TRY(tl_source_start(ground->logs, mine->source, mine->topic, mine->in_topic, &start, err));
    mine->position.next_offset = tl_max_i64(mine->log_first, tl_min_i64(start, mine->until_offset));
out:
    return rc;
}

/* All at once: a start that is interrupted must not take what it has not written for new partitions of a topic that is known. */
static enum tl_code put_starts(const struct tl_lane_ground *ground, const struct tl_lane *lane, uint32_t source,
                               struct tl_err *err)
{
    int64_t change;
    enum tl_code rc;

    TL_TRY(tl_store_begin_tick(ground->store, ground->epoch, &change, err));
    for (uint32_t p = 0; p < lane->partitions_count; p++) {
        const struct tl_lane_partition *mine = &lane->partitions[p];

        if (mine->source != source)
            continue;
        if (mine->log_first < mine->position.next_offset)
            say_gap("left out by 'scan.startup.mode'", mine, mine->log_first, mine->position.next_offset);
        TL_TRY(put_place(ground, lane, source, &mine->position, mine->log_first, err));
    }
    TL_TRY(tl_store_commit(ground->store, err));
out:
    tl_store_rollback(ground->store);
    return rc;
}

/* What was read of one of a pattern's topics stays counted. */
static enum tl_code check_gone(const struct tl_lane_ground *ground, const struct tl_source_topic *topic, struct tl_err *err)
{
    if (!ground->accept_gap)
        return tl_fail(err, TL_ERR_IO,
                       "topic %.*s was read before and is gone from the log: what it held and was not read is lost; --accept-gap "
                       "goes on without it",
                       TL_SV_ARG(topic->name));
    tl_diag(TL_WARN, "topic %.*s is gone from the log: goes on without it", TL_SV_ARG(topic->name));
    return TL_OK;
}

/* Positions that the topic has no partitions for any more. */
static enum tl_code check_partitions(const struct tl_lane_ground *ground, const struct tl_standing *standing,
                                     const struct tl_source_topic *topic, const struct tl_lane_topic *now, struct tl_err *err)
{
    for (uint32_t i = 0; i < standing->count; i++) {
        uint32_t known = standing->positions[i].partition;

        if (tl_partition_topic(known) != topic->number || tl_partition_in_topic(known) < now->partitions_count)
            continue;
        if (now->identity == 0 && topic->number != 0)
            return check_gone(ground, topic, err);
        return fail_made_again(topic->name, tl_partition_in_topic(known), "it has fewer partitions than before", err);
    }
    return TL_OK;
}

/* Of a gap on the way: it was not looked for. That nothing at all was read before says INT64_MIN, of what is left out at a start (replay.c asks). */
#define WATERMARK_UNKNOWN (INT64_MIN + 1)

/* Gaps in the history between where the lane begins and where it ends: in the ledger, as any other. */
static enum tl_code pass_over_gaps(const struct tl_lane_ground *ground, const struct tl_lane *lane,
                                   const struct tl_lane_partition *mine, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; mine->history != NULL && i < mine->history->spans_count; i++) {
        const struct tl_history_span *span = &mine->history->spans[i];
        struct tl_position behind = mine->position;
        int64_t from = tl_max_i64(span->from, mine->position.next_offset), change;

        behind.next_offset = tl_min_i64(span->to, mine->until_offset);
        behind.watermark_ms = WATERMARK_UNKNOWN;
        if (span->kind != TL_HISTORY_GAP || from >= behind.next_offset)
            continue;
        if (!ground->accept_gap)
            TL_TRY(
                tl_fail(err, TL_ERR_GAP,
                        "topic %.*s partition %u: offsets %lld to %lld are gone from the log and the master record; --accept-gap "
                        "passes over them and records the gap as an outage",
                        TL_SV_ARG(mine->topic), mine->in_topic, (long long)from, (long long)(behind.next_offset - 1)));
        if (!ground->replays)
            say_gap("gap accepted", mine, from, behind.next_offset);
        TL_TRY(tl_store_begin_tick(ground->store, ground->epoch, &change, err));
        TL_TRY(put_gap(ground, lane, mine->source, &behind, from, err));
        TL_TRY(tl_store_commit(ground->store, err));
    }
out:
    tl_store_rollback(ground->store);
    return rc;
}

static enum tl_code add_partition(struct tl_lane *lane, const struct tl_lane_ground *ground, struct tl_lane_partition *mine,
                                  const struct tl_standing *standing, const struct tl_standing *goal, struct tl_err *err)
{
    const struct tl_position *known = tl_standing_of(standing, mine->partition);
    int64_t end;
    enum tl_code rc;

    TL_TRY(tl_fence_check(ground->fence, err));
    TL_TRY(find_range(ground, mine, &end, err));
    mine->until_offset = INT64_MAX;
    mine->position = (struct tl_position){.partition = mine->partition,
                                          .next_offset = mine->log_first,
                                          .watermark_ms = INT64_MIN,
                                          .judged_ms = INT64_MIN,
                                          .log_ms = INT64_MIN,
                                          .last_offset = INT64_MIN};
    mine->is_new = known == NULL;
    if (known == NULL && all_ended(standing)) /* of a source that has ended, new partitions are no part */
        return TL_OK;
    TL_TRY(set_end(ground, mine, end, goal, err));
    if (known != NULL && known->watermark_ms == TL_WATERMARK_END) {
        mine->position = *known;
        TL_TRY(keep_ended(ground, mine, end, err));
    } else if (known != NULL) {
        mine->position = *known;
        TL_TRY(check_position(ground, mine, end, err));
        TL_TRY(tl_lane_check_message(ground, mine, &mine->position, NULL, err));
        if (mine->position.next_offset < mine->log_first)
            TL_TRY(accept_gap(ground, lane, mine, err));
    } else if (standing->count == 0) {
        TL_TRY(find_start(ground, mine, err));
    }
    TL_TRY(pass_over_gaps(ground, lane, mine, err));
    lane->partitions_count++;
out:
    return rc;
}

/* As it is now, `known` partitions of it at least; *number is lowered to that of the first topic that is there, whose identity is the source's. */
static enum tl_code add_topic(struct tl_lane *lane, const struct tl_lane_ground *ground, uint32_t s,
                              const struct tl_source_topic *topic, uint32_t known, uint32_t *number, struct tl_err *err)
{
    struct tl_lane_topic mine = {.source = s, .name = topic->name};
    enum tl_code rc;

    TL_TRY(tl_lane_known_topic(ground, s, topic->name, known, &mine.partitions_count, &mine.identity, err));
    TL_TRY(tl_source_topic_check(topic->name, mine.partitions_count, err));
    if (!TL_RESIZE(lane->topics, lane->topics_count + 1))
        TL_TRY(tl_fail_memory(err, (lane->topics_count + 1) * sizeof *lane->topics));
    lane->topics[lane->topics_count++] = mine;
    if (mine.identity != 0 && topic->number < *number) {
        *number = topic->number;
        lane->identities[s] = mine.identity;
    }
out:
    return rc;
}

static enum tl_code add_partitions(struct tl_lane *lane, const struct tl_lane_ground *ground, const struct tl_lane_topic *mine,
                                   const struct tl_source_topic *topic, const struct tl_standing *standing,
                                   const struct tl_standing *goal, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(check_partitions(ground, standing, topic, mine, err));
    if (!TL_RESIZE(lane->partitions, lane->partitions_count + mine->partitions_count + 1))
        TL_TRY(tl_fail_memory(err, mine->partitions_count * sizeof *lane->partitions));
    for (uint32_t p = 0; p < mine->partitions_count; p++) {
        struct tl_lane_partition *partition = &lane->partitions[lane->partitions_count];

        *partition = (struct tl_lane_partition){
            .source = mine->source, .partition = tl_partition_number(topic->number, p), .topic = topic->name, .in_topic = p};
        TL_TRY(add_partition(lane, ground, partition, standing, goal, err));
    }
out:
    return rc;
}

static enum tl_code add_topics(struct tl_lane *lane, const struct tl_lane_ground *ground, uint32_t s,
                               const struct tl_standing *standing, struct tl_err *err)
{
    uint32_t count, number = UINT32_MAX;
    const struct tl_source_topic *topics = tl_source_topics_of(ground->topics, s, &count);
    enum tl_code rc = TL_OK;

    for (uint32_t t = 0; t < count; t++)
        TL_TRY(add_topic(lane, ground, s, &topics[t], known_partitions(standing, &topics[t]), &number, err));
out:
    return rc;
}

enum tl_code tl_lane_identify(struct tl_lane *lane, const struct tl_lane_ground *ground, uint32_t s, struct tl_err *err)
{
    return add_topics(lane, ground, s, &(struct tl_standing){0}, err);
}

/* The topics first: what is written of a partition stands under the identity of them all. */
enum tl_code tl_lane_add_source(struct tl_lane *lane, const struct tl_lane_ground *ground, uint32_t s,
                                const struct tl_standing *standing, const struct tl_standing *goal, struct tl_err *err)
{
    uint32_t count, first = lane->topics_count;
    const struct tl_source_topic *topics = tl_source_topics_of(ground->topics, s, &count);
    enum tl_code rc;

    lane->history = ground->history;
    lane->replays = ground->replays;
    TL_TRY(add_topics(lane, ground, s, standing, err));
    for (uint32_t t = 0; t < count; t++)
        TL_TRY(add_partitions(lane, ground, &lane->topics[first + t], &topics[t], standing, goal, err));
    if (standing->count == 0 && !ground->replays && ground->plan->sources[s].startup.kind != TL_PLACE_EARLIEST)
        TL_TRY(put_starts(ground, lane, s, err));
out:
    return rc;
}
