/* replay.c: the command: speed's tables made anew out of history, through the streaming path alone, and put in the place of those that serve.
 *
 *     live speed   ... ticks ... ticks ... ticks ... |      stands by      | goes on with the new tables
 *     replay       record ──> log ──> where speed stands by now ──> again ──| the rest, swap |
 *                  a build of its own beside the active one, without an epoch | with the epoch |
 *
 * A build is a definition of its own (store_replay.c), fed by the workers and the committer of speed (replay_lane.h) from the history (history.h). In
 * rounds it comes to where the active definitions stood when the round began. Once a round is short the epoch is taken from whoever ticks, so
 * that nobody moves on; the rest is read, and one transaction puts all builds in place. Where somebody reads the tables just then the epoch is given back,
 * and it is tried again. Whatever is killed when: the old tables serve or the new ones do, and the next replay goes on from the builds' last tick.
 *
 * Views of one family (which read each other) are replayed together: an outer view has the rows of the inner one in the tick that makes them final. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/process.h"
#include "event/partition.h"
#include "main/command.h"
#include "main/option.h"
#include "main/progress.h"
#include "main/stop.h"
#include "main/views.h"
#include "replay_lane.h"
#include "rounds.h"
#include "sql/shape.h"

enum {
    SWAP_PATIENCE_MS = 5000,
    SWAP_AGAIN_MS = 5000,
    MISSING_MS = 10000,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 5000,
};

struct replay_options {
    bool from_log, from_record, accept_gap, dry_run;
    int64_t tick_ms, workers;
};

struct replay {
    const struct tl_common_options *common;
    const struct replay_options *own;
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_lane_ground ground;
    struct tl_lane_patience patience;
    bool *wanted;                  /* per view */
    struct tl_replay *replays;     /* per view; active 0: not replayed */
    struct tl_standing *standings; /* per view, of the active one */
    struct tl_progress progress;
    char what[64];                     /* the progress line's beginning */
    uint64_t events_count;             /* read by this process */
    uint64_t tick_events;              /* of the lane that runs, as last looked at */
    uint64_t bytes_count;              /* of histories that are closed */
    uint64_t round_count, round_bytes; /* messages that the round has to read; bytes that were read before it */
    bool swapped, said_locked;
};

/* ---- which views ---- */

/* Whoever reads a view, and what it reads, comes along. */
static void add_families(struct replay *replay)
{
    const struct tl_plan *plan = replay->plan;

    for (bool more = true; more;) {
        more = false;
        for (uint32_t v = 0; v < plan->views_count; v++) {
            int32_t inner = plan->views[v].inner;

            if (inner < 0 || replay->wanted[v] == replay->wanted[inner])
                continue;
            replay->wanted[v] = replay->wanted[inner] = more = true;
        }
    }
}

static enum tl_code choose_views(struct replay *replay, struct tl_err *err)
{
    const struct tl_plan *plan = replay->plan;

    for (int a = 0; a < replay->common->args_count; a++) {
        uint32_t v = 0;

        while (v < plan->views_count && !tl_sv_eq(plan->views[v].name, tl_sv_from(replay->common->args[a])))
            v++;
        if (v == plan->views_count)
            return tl_views_unknown(plan, replay->common->args[a], err);
        replay->wanted[v] = true;
    }
    for (uint32_t v = 0; replay->common->args_count == 0 && v < plan->views_count; v++)
        replay->wanted[v] = true;
    add_families(replay);
    return TL_OK;
}

/* Where the active definitions stand. */
static enum tl_code read_standings(struct replay *replay, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < replay->plan->views_count; v++) {
        replay->standings[v].count = 0;
        if (replay->replays[v].active != 0)
            TL_TRY(tl_store_positions(replay->ground.store, replay->replays[v].active, tl_standing_add, &replay->standings[v],
                                      NULL, err));
    }
out:
    return rc;
}

/* The active definition of each wanted view that speed has counted something of; *any: there is one. */
static enum tl_code find_active(struct replay *replay, bool *any, struct tl_err *err)
{
    const struct tl_plan *plan = replay->plan;
    enum tl_code rc = TL_OK;

    *any = false;
    for (uint32_t v = 0; v < plan->views_count; v++) {
        struct tl_definition definition;
        int64_t id = 0;

        replay->replays[v] = (struct tl_replay){0};
        if (!replay->wanted[v])
            continue;
        TL_TRY(tl_store_find(replay->ground.store, plan->views[v].name, plan->views[v].hash, &id, err));
        if (id != 0)
            TL_TRY(tl_store_definition(replay->ground.store, id, &definition, err));
        if (id == 0 || definition.state != TL_DEFINITION_ACTIVE)
            TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                           "%s: view %.*s is not what the store serves: run speed with this file until it does, then replay",
                           replay->common->views, TL_SV_ARG(plan->views[v].name)));
        if (definition.speed_known)
            replay->replays[v].active = id;
        else
            tl_diag(TL_INFO, "view %.*s: speed has counted nothing of it yet", TL_SV_ARG(plan->views[v].name));
        *any = *any || definition.speed_known;
    }
out:
    return rc;
}

/* ---- the builds ---- */

static size_t list_builds(const struct replay *replay, struct tl_replay *out)
{
    size_t count = 0;

    for (uint32_t v = 0; v < replay->plan->views_count; v++)
        if (replay->replays[v].build != 0)
            out[count++] = replay->replays[v];
    return count;
}

static enum tl_code drop_builds(struct replay *replay, bool all, size_t *dropped, struct tl_err *err)
{
    int64_t *keep = calloc(replay->plan->views_count + 1u, sizeof *keep);
    int64_t pause_ms = RETRY_MIN_MS;
    size_t count = 0;
    enum tl_code rc;

    if (keep == NULL)
        return tl_fail_memory(err, replay->plan->views_count * sizeof *keep);
    for (uint32_t v = 0; !all && v < replay->plan->views_count; v++)
        if (replay->replays[v].build != 0)
            keep[count++] = replay->replays[v].build;
    while ((rc = tl_store_drop_replays(replay->ground.store, keep, count, dropped, err)) == TL_ERR_BUSY && !tl_stop_requested()) {
        tl_clock_sleep_ms(pause_ms); /* somebody writes or reads: nobody reads these */
        pause_ms = tl_min_i64(2 * pause_ms, RETRY_MAX_MS);
    }
    free(keep);
    return rc;
}

static enum tl_code define_builds(struct replay *replay, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < replay->plan->views_count; v++) {
        struct tl_shape shape;
        int64_t active;

        if (replay->replays[v].active == 0)
            continue;
        TL_TRY(tl_shape_of(replay->plan, &replay->plan->views[v], &shape, err));
        TL_TRY(tl_store_define_replay(replay->ground.store, &shape, &active, &replay->replays[v].build, err));
    }
out:
    return rc;
}

static enum tl_code read_builds(struct replay *replay, struct tl_standing *builds, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < replay->plan->views_count; v++) {
        builds[v].count = 0;
        if (replay->replays[v].build != 0)
            TL_TRY(tl_store_positions(replay->ground.store, replay->replays[v].build, tl_standing_add, &builds[v], NULL, err));
    }
out:
    return rc;
}

/* Builds that have ticked together stand together. */
static bool stand_together(const struct replay *replay, const struct tl_standing *builds, uint32_t source,
                           const struct tl_standing *together)
{
    for (uint32_t v = 0; v < replay->plan->views_count; v++)
        if (replay->replays[v].build != 0 && replay->plan->views[v].source == source &&
            !tl_standing_has_come_to(&builds[v], together))
            return false;
    return true;
}

/* ---- what 'scan.startup.mode' has left out when the view was new is left out again ---- */

struct left_out {
    struct tl_ledger lines; /* first and last offset, per partition: of a gap before which nothing was read */
};

static enum tl_code take_left_out(void *ctx, const struct tl_ledger_line *line, struct tl_err *err)
{
    struct tl_ledger *lines = &((struct left_out *)ctx)->lines;
    const struct tl_ledger_line *last = lines->count > 0 ? &lines->lines[lines->count - 1] : NULL;
    bool opens = line->row == 0 && line->watermark_ms == INT64_MIN && (last == NULL || last->partition != line->partition);
    bool closes = line->row == 1 && last != NULL && last->partition == line->partition && last->row == 0;

    if (line->cause != TL_CAUSE_OFFSET_GAP || (!opens && !closes))
        return TL_OK;
    return tl_ledger_add(lines, line) ? TL_OK : tl_fail_memory(err, sizeof *line);
}

static enum tl_code read_left_out(struct replay *replay, uint32_t v, struct left_out *out, struct tl_err *err)
{
    if (replay->replays[v].active == 0 || replay->plan->sources[replay->plan->views[v].source].startup.kind == TL_PLACE_EARLIEST)
        return TL_OK;
    return tl_store_ledger(replay->ground.store, replay->replays[v].active, 0, INT64_MIN, INT64_MAX, take_left_out, out, err);
}

/* Where each view's build begins that is new. */
static enum tl_code read_begins(struct replay *replay, struct tl_standing *begins, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < replay->plan->views_count; v++) {
        struct left_out left_out = {0};

        begins[v].count = 0;
        rc = read_left_out(replay, v, &left_out, err);
        for (size_t i = 1; rc == TL_OK && i < left_out.lines.count; i += 2)
            rc = tl_standing_add(&begins[v],
                                 &(struct tl_position){.partition = left_out.lines.lines[i].partition,
                                                       .next_offset = left_out.lines.lines[i].offset + 1,
                                                       .watermark_ms = INT64_MIN,
                                                       .judged_ms = INT64_MIN,
                                                       .log_ms = INT64_MIN,
                                                       .last_offset = INT64_MIN},
                                 err);
        free(left_out.lines.lines);
        TL_TRY(rc);
    }
out:
    return rc;
}

/* A build that is new begins where the active one began. */
static enum tl_code begin_where_it_began(struct replay *replay, uint32_t v, const struct tl_standing *begin, struct tl_err *err)
{
    struct left_out left_out = {0};
    int64_t build = replay->replays[v].build, change;
    enum tl_code rc;

    TL_TRY(read_left_out(replay, v, &left_out, err));
    TL_TRY(tl_store_begin_tick(replay->ground.store, 0, &change, err));
    TL_TRY(tl_store_put_ledger(replay->ground.store, build, 0, left_out.lines.lines, left_out.lines.count, err));
    for (uint32_t i = 0; i < begin->count; i++)
        TL_TRY(tl_store_put_position(replay->ground.store, build, &begin->positions[i], err));
    TL_TRY(tl_store_commit(replay->ground.store, err));
out:
    tl_store_rollback(replay->ground.store);
    free(left_out.lines.lines);
    return rc;
}

/* Has a build passed over something that this replay has? The earlier one was told to read the log alone, or a file has come back. */
static enum tl_code have_gaps(struct replay *replay, const struct tl_standing *begins, bool *have, struct tl_err *err)
{
    uint64_t causes[TL_CAUSES];
    enum tl_code rc = TL_OK;

    *have = false;
    for (uint32_t v = 0; v < replay->plan->views_count; v++) {
        if (replay->replays[v].build == 0)
            continue;
        TL_TRY(tl_store_ledger_counts(replay->ground.store, replay->replays[v].build, 0, causes, err));
        *have = *have || causes[TL_CAUSE_OFFSET_GAP] > 2 * begins[v].count;
    }
out:
    return rc;
}

/* Registers the builds, or finds those that an earlier replay of the same views has left. `builds`: where they begin when they are new; then,
 * where they stand. */
static enum tl_code open_builds(struct replay *replay, struct tl_standing *builds, bool whole, struct tl_err *err)
{
    const struct tl_plan *plan = replay->plan;
    struct tl_standing together = {0};
    size_t dropped = 0;
    bool fit = true, begun = false, gaps = false;
    enum tl_code rc;

    TL_TRY(define_builds(replay, err));
    TL_TRY(drop_builds(replay, false, &dropped, err));
    if (whole)
        TL_TRY(have_gaps(replay, builds, &gaps, err));
    TL_TRY(read_builds(replay, builds, err));
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        TL_TRY(tl_standings_meet(plan, builds, s, &together, err));
        fit = fit && stand_together(replay, builds, s, &together);
        begun = begun || together.count > 0;
    }
    if (begun && fit && !gaps && dropped == 0) {
        tl_diag(TL_INFO, "an earlier replay was not finished: going on where it stopped");
        goto out;
    }
    if (begun || gaps) { /* of other views, or with less */
        TL_TRY(drop_builds(replay, true, &dropped, err));
        TL_TRY(define_builds(replay, err));
    }
    TL_TRY(read_begins(replay, builds, err));
    for (uint32_t v = 0; v < plan->views_count; v++)
        if (builds[v].count > 0)
            TL_TRY(begin_where_it_began(replay, v, &builds[v], err));
out:
    tl_standing_done(&together);
    return rc;
}

/* ---- gaps, and what is read ---- */

/* Where the build begins in the partition, as far as it stands there. */
static int64_t begins_at(const struct replay *replay, const struct tl_standing *builds,
                         const struct tl_history_partition *partition)
{
    for (uint32_t v = 0; v < replay->plan->views_count; v++) {
        const struct tl_position *at = tl_standing_of(&builds[v], partition->partition);

        if (at != NULL && replay->plan->views[v].source == partition->source)
            return at->next_offset;
    }
    return 0;
}

/* What is gone is said first. *whole: nothing is. */
static enum tl_code look_at_gaps(struct replay *replay, const struct tl_standing *builds, bool *whole, struct tl_err *err)
{
    const struct tl_history *history = replay->ground.history;
    struct tl_standing goal = {0};
    enum tl_code rc = TL_OK;

    *whole = true;
    for (uint32_t p = 0; p < history->partitions_count; p++) {
        const struct tl_history_partition *partition = &history->partitions[p];
        const struct tl_position *until;
        int64_t begin = begins_at(replay, builds, partition);

        TL_TRY(tl_standings_meet(replay->plan, replay->standings, partition->source, &goal, err));
        until = tl_standing_of(&goal, partition->partition);
        for (uint32_t i = 0; until != NULL && i < partition->spans_count; i++) {
            const struct tl_history_span *span = &partition->spans[i];
            int64_t from = tl_max_i64(span->from, begin), to = tl_min_i64(span->to, until->next_offset);

            if (span->kind != TL_HISTORY_GAP || from >= to)
                continue;
            tl_diag(TL_WARN, "gone from the log and the master record: topic %.*s partition %u offsets %lld to %lld",
                    TL_SV_ARG(partition->topic), partition->in_topic, (long long)from, (long long)(to - 1));
            *whole = false;
        }
    }
    if (!*whole && !replay->own->accept_gap)
        TL_TRY(tl_fail(
            err, TL_ERR_GAP,
            "offsets of the history are gone: what was counted of them would be counted no more; --accept-gap passes over "
            "them and records them as an outage; nothing was changed"));
out:
    tl_standing_done(&goal);
    return rc;
}

static void print_span(const struct tl_history_partition *partition, const struct tl_history_span *span, int64_t to)
{
    static const char *const where[] = {
        [TL_HISTORY_IN_LOG] = "log", [TL_HISTORY_IN_RECORD] = "master record", [TL_HISTORY_GAP] = "gone"};

    if (span->kind != TL_HISTORY_EMPTY && span->from < to)
        printf("topic %.*s partition %u offsets %lld to %lld: %s\n", TL_SV_ARG(partition->topic), partition->in_topic,
               (long long)span->from, (long long)(to - 1), where[span->kind]);
}

/* Spans of one kind that touch are one line. */
static enum tl_code print_what_is_read(struct replay *replay, const struct tl_standing *builds, struct tl_err *err)
{
    const struct tl_history *history = replay->ground.history;
    struct tl_standing goal = {0};
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < replay->plan->views_count; v++)
        if (replay->replays[v].active != 0)
            printf("view %.*s\n", TL_SV_ARG(replay->plan->views[v].name));
    for (uint32_t p = 0; p < history->partitions_count; p++) {
        const struct tl_history_partition *partition = &history->partitions[p];
        const struct tl_position *until;

        TL_TRY(tl_standings_meet(replay->plan, replay->standings, partition->source, &goal, err));
        until = tl_standing_of(&goal, partition->partition);
        for (uint32_t i = 0; until != NULL && i < partition->spans_count && partition->spans[i].from < until->next_offset; i++) {
            struct tl_history_span span = partition->spans[i];

            while (i + 1 < partition->spans_count && partition->spans[i + 1].kind == span.kind)
                span.to = partition->spans[++i].to;
            span.from = tl_max_i64(span.from, begins_at(replay, builds, partition));
            print_span(partition, &span, tl_min_i64(span.to, until->next_offset));
        }
    }
    if (fflush(stdout) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot write to standard output"));
out:
    tl_standing_done(&goal);
    return rc;
}

/* ---- rounds ---- */

/* What is left is estimated by messages: of what is in the log alone nobody knows the bytes. */
static void note_tick(void *ctx, const struct tl_tick *tick)
{
    struct replay *replay = ctx;
    uint64_t bytes = atomic_load(&replay->ground.history->read_bytes), done = 0, left = 0;
    double each;

    replay->events_count += tick->events_count - replay->tick_events;
    replay->tick_events = tick->events_count;
    for (uint32_t p = 0; p < tick->lane->partitions_count; p++)
        done += tick->positions[p].messages_count - tick->lane->partitions[p].position.messages_count;
    each = done == 0 ? 0 : (double)(bytes - replay->round_bytes) / (double)done;
    if (done < replay->round_count)
        left = (uint64_t)(each * (double)(replay->round_count - done));
    snprintf(replay->what, sizeof replay->what, "replay  %llu events", (unsigned long long)replay->events_count);
    replay->progress.what = replay->what;
    bytes += replay->bytes_count;
    tl_progress_step(&replay->progress, bytes, done == 0 ? 0 : bytes + left);
}

static uint64_t messages_of(const struct tl_standing *standing)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < standing->count; i++)
        count += standing->positions[i].messages_count;
    return count;
}

static enum tl_code add_sources(struct replay *replay, struct tl_lane *lane, const struct tl_standing *builds, struct tl_err *err)
{
    const struct tl_plan *plan = replay->plan;
    struct tl_standing goal = {0}, begin = {0};
    enum tl_code rc = TL_OK;

    replay->round_count = 0;
    replay->round_bytes = atomic_load(&replay->ground.history->read_bytes);
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        TL_TRY(tl_standings_meet(plan, replay->standings, s, &goal, err));
        if (goal.count == 0)
            continue;
        TL_TRY(tl_standings_meet(plan, builds, s, &begin, err));
        replay->round_count +=
            messages_of(&goal) - (messages_of(&begin) < messages_of(&goal) ? messages_of(&begin) : messages_of(&goal));
        TL_TRY(tl_lane_add_source(lane, &replay->ground, s, &begin, &goal, err));
    }
out:
    tl_standing_done(&goal);
    tl_standing_done(&begin);
    return rc;
}

/* To where the active definitions stand by now. */
static enum tl_code run_round(struct replay *replay, struct tl_standing *builds, struct tl_err *err)
{
    const struct tl_plan *plan = replay->plan;
    const struct tl_replay_lane run = {.common = replay->common,
                                       .ground = &replay->ground,
                                       .tick_ms = replay->own->tick_ms,
                                       .workers = replay->own->workers,
                                       .ticked = note_tick,
                                       .ctx = replay};
    struct tl_lane lane;
    enum tl_code rc;

    TL_TRY(tl_lane_open(&lane, plan, err));
    TL_TRY(read_standings(replay, err));
    TL_TRY(read_builds(replay, builds, err));
    for (uint32_t v = 0; v < plan->views_count; v++) {
        struct tl_definition build;

        if (replay->replays[v].build == 0)
            continue;
        TL_TRY(tl_store_definition(replay->ground.store, replay->replays[v].build, &build, err));
        tl_lane_add_view(&lane, v, &build);
        lane.number = lane.number == 0 ? build.id : tl_min_i64(lane.number, build.id);
    }
    TL_TRY(add_sources(replay, &lane, builds, err));
    replay->tick_events = 0;
    if (lane.partitions_count > 0)
        TL_TRY(tl_replay_lane_run(&run, &lane, err));
out:
    tl_lane_close(&lane);
    return rc;
}

/* ---- the swap ---- */

/* What the two have read last is the same message: else the log, or the record, is not of the topic that was counted. */
static enum tl_code check_same_history(struct replay *replay, const struct tl_standing *builds, struct tl_err *err)
{
    for (uint32_t v = 0; v < replay->plan->views_count; v++)
        for (uint32_t i = 0; i < replay->standings[v].count; i++) {
            const struct tl_position *old = &replay->standings[v].positions[i];
            const struct tl_position *new = tl_standing_of(&builds[v], old->partition);

            if (new != NULL &&new->last_offset == old->last_offset &&new->fingerprint != old->fingerprint &&new->fingerprint !=
                    0 &&
                old->fingerprint != 0)
                return tl_fail(
                    err, TL_ERR_IO,
                    "topic %.*s partition %u: at offset %lld stands another message than the one that was counted; "
                    "nothing was swapped",
                    TL_SV_ARG(tl_source_topic_name(replay->ground.topics, replay->plan->views[v].source, old->partition)),
                    tl_partition_in_topic(old->partition), (long long)old->last_offset);
        }
    return TL_OK;
}

static enum tl_code put_versions(struct replay *replay, struct tl_err *err)
{
    struct tl_buf versions;
    enum tl_code rc;

    tl_buf_init(&versions, 0);
    tl_functions_versions(replay->functions, &versions);
    TL_TRY(tl_buf_check(&versions, "the versions", err));
    TL_TRY(tl_store_put_versions(replay->ground.store, replay->ground.epoch, tl_buf_sv(&versions), err));
out:
    tl_buf_done(&versions);
    return rc;
}

/* Whoever reads the old tables is waited for, but not for long: speed stands by meanwhile. */
static enum tl_code swap_patiently(struct replay *replay, struct tl_err *err)
{
    struct tl_replay *list = calloc(replay->plan->views_count + 1u, sizeof *list);
    int64_t until_ms = tl_clock_monotonic_ms() + SWAP_PATIENCE_MS;
    size_t count;
    enum tl_code rc;

    if (list == NULL)
        return tl_fail_memory(err, replay->plan->views_count * sizeof *list);
    count = list_builds(replay, list);
    while ((rc = tl_store_swap_replays(replay->ground.store, list, count, replay->ground.epoch, &replay->swapped, err)) ==
               TL_ERR_BUSY &&
           tl_clock_monotonic_ms() < until_ms && !tl_stop_requested())
        tl_clock_sleep_ms(RETRY_MIN_MS);
    free(list);
    return rc;
}

/* Nobody moves on while the epoch is ours. */
static enum tl_code take_over(struct replay *replay, struct tl_err *err)
{
    enum tl_code rc;

    while ((rc = tl_fence_take_away(replay->ground.store, replay->common->store, &replay->ground.fence, err)) == TL_ERR_BUSY &&
           !tl_stop_requested())
        tl_clock_sleep_ms(RETRY_MIN_MS);
    TL_TRY(rc);
    replay->ground.epoch = tl_fence_epoch(replay->ground.fence);
    TL_TRY(put_versions(replay, err));
out:
    return rc;
}

static void give_back(struct replay *replay)
{
    tl_fence_close(replay->ground.fence, replay->ground.store);
    replay->ground.fence = NULL;
    replay->ground.epoch = 0;
}

static enum tl_code finish(struct replay *replay, struct tl_standing *builds, struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(take_over(replay, err));
    TL_TRY(run_round(replay, builds, err));
    if (tl_stop_requested())
        goto out;
    TL_TRY(read_builds(replay, builds, err));
    TL_TRY(check_same_history(replay, builds, err));
    rc = swap_patiently(replay, err);
    if (rc == TL_ERR_BUSY && !tl_stop_requested()) {
        if (!replay->said_locked)
            tl_diag(TL_WARN, "somebody reads the tables, trying again: %s", err->message);
        replay->said_locked = true;
        rc = TL_OK;
    }
out:
    give_back(replay);
    return rc;
}

static enum tl_code run_rounds(struct replay *replay, struct tl_standing *builds, struct tl_err *err)
{
    struct tl_rounds rounds = {0};
    enum tl_code rc = TL_OK;

    while (!replay->swapped && !tl_stop_requested()) {
        int64_t begun_ms = tl_clock_monotonic_ms();

        TL_TRY(run_round(replay, builds, err));
        if (tl_stop_requested() || !tl_rounds_may_end(&rounds, tl_clock_monotonic_ms() - begun_ms))
            continue;
        TL_TRY(finish(replay, builds, err));
        for (int64_t until_ms = tl_clock_monotonic_ms() + SWAP_AGAIN_MS;
             !replay->swapped && !tl_stop_requested() && tl_clock_monotonic_ms() < until_ms;)
            tl_clock_sleep_ms(RETRY_MIN_MS);
    }
out:
    return rc;
}

/* ---- the command ---- */

static enum tl_history_from from_where(const struct replay_options *own)
{
    return own->from_log ? TL_HISTORY_LOG : own->from_record ? TL_HISTORY_RECORD : TL_HISTORY_EITHER;
}

/* Topics, logs and history of the plan. */
static enum tl_code open_history(struct replay *replay, struct tl_err *err)
{
    struct tl_lane_ground *ground = &replay->ground;
    enum tl_code rc;

    TL_TRY(tl_source_topics_open(replay->plan, &ground->topics, err));
    TL_TRY(tl_source_logs_open(replay->common, replay->plan, TL_LOG_READ, &ground->logs, err));
    for (uint32_t s = 0; s < replay->plan->sources_count; s++)
        TL_TRY(tl_source_topics_look(ground->topics, s, tl_source_log(ground->logs, s), err));
    if (replay->own->dry_run)
        TL_TRY(tl_source_topics_read(ground->topics, ground->store, err));
    else
        TL_TRY(tl_source_topics_number(ground->topics, ground->store, err));
    if (replay->own->dry_run)
        tl_source_topics_suppose(ground->topics);
    TL_TRY(tl_history_open(replay->common->data, replay->plan, ground->logs, ground->topics, from_where(replay->own),
                           &ground->history, err));
out:
    return rc;
}

static void close_history(struct replay *replay)
{
    struct tl_lane_ground *ground = &replay->ground;

    if (ground->history != NULL)
        replay->bytes_count += atomic_load(&ground->history->read_bytes);
    tl_history_close(ground->history);
    ground->history = NULL;
    tl_source_logs_close(ground->logs);
    ground->logs = NULL;
    tl_source_topics_close(ground->topics);
    ground->topics = NULL;
    replay->patience.gone_count = 0; /* whose names were of the topics' */
}

/* From what the store has to the end, or to a failure. */
static enum tl_code run_from_store(struct replay *replay, struct tl_err *err)
{
    struct tl_standing *builds = calloc(replay->plan->views_count + 1u, sizeof *builds);
    bool any, whole;
    enum tl_code rc;

    if (builds == NULL)
        return tl_fail_memory(err, replay->plan->views_count * sizeof *builds);
    TL_TRY(find_active(replay, &any, err));
    if (!any)
        goto out;
    TL_TRY(open_history(replay, err));
    TL_TRY(read_standings(replay, err));
    TL_TRY(read_begins(replay, builds, err));
    if (replay->own->dry_run) {
        TL_TRY(print_what_is_read(replay, builds, err));
        goto out;
    }
    TL_TRY(tl_views_take_secret(replay->functions, replay->ground.store, err));
    TL_TRY(look_at_gaps(replay, builds, &whole, err));
    TL_TRY(open_builds(replay, builds, whole, err));
    for (uint32_t v = 0; v < replay->plan->views_count; v++)
        replay->replays[v].whole = whole;
    TL_TRY(run_rounds(replay, builds, err));
out:
    for (uint32_t v = 0; v < replay->plan->views_count; v++)
        tl_standing_done(&builds[v]);
    free(builds);
    close_history(replay);
    return rc;
}

static void pause_for(int64_t ms)
{
    int64_t until_ms = tl_clock_monotonic_ms() + ms, left_ms;

    while (!tl_stop_requested() && (left_ms = until_ms - tl_clock_monotonic_ms()) > 0)
        tl_clock_sleep_ms(tl_min_i64(left_ms, RETRY_MIN_MS));
}

static enum tl_code say_done(const struct replay *replay, struct tl_err *err)
{
    int64_t ms = tl_max_i64(tl_clock_monotonic_ms() - replay->progress.started_ms, 1);
    double megabytes = (double)replay->bytes_count / 1e6;
    size_t views = 0;

    for (uint32_t v = 0; v < replay->plan->views_count; v++)
        views += replay->replays[v].build != 0;
    if (replay->own->dry_run || views == 0)
        return TL_OK;
    if (!replay->swapped)
        return tl_fail(err, TL_ERR_IO,
                       "stopped before the end: the old tables serve, and the next replay of these views goes on here");
    tl_diag(TL_INFO, "replayed %zu view%s: %llu events, %.1f MB in %.1f s, %.1f MB/s; the new tables serve", views,
            views == 1 ? "" : "s", (unsigned long long)replay->events_count, megabytes, (double)ms / 1000.0,
            megabytes * 1000.0 / (double)ms);
    return TL_OK;
}

/* The lock is the handle's, and so the handle stays: a session of PostgreSQL's that was lost has ended before the next one has the lock, and so has
 * what it still wrote. */
static enum tl_code run_patiently(struct replay *replay, struct tl_err *err)
{
    int64_t pause_ms = RETRY_MIN_MS;
    uint64_t events = 0;
    enum tl_code rc;

    while ((rc = run_from_store(replay, err)) != TL_OK && (rc == TL_ERR_UNKNOWN || rc == TL_ERR_FENCED || err->retriable) &&
           !tl_stop_requested() && !replay->own->dry_run) {
        if (replay->events_count > events)
            pause_ms = RETRY_MIN_MS;
        events = replay->events_count;
        tl_progress_end(&replay->progress);
        if (pause_ms == RETRY_MIN_MS)
            tl_diag(TL_WARN, "begins again from the store: %s", err->message);
        pause_for(pause_ms);
        pause_ms = tl_min_i64(pause_ms * 2, RETRY_MAX_MS);
    }
    return rc;
}

static enum tl_code replay_main(struct replay *replay, struct tl_err *err)
{
    char name[TL_PROCESS_NAME_MAX], who[TL_PROCESS_NAME_MAX];
    uint32_t views;
    enum tl_code rc;

    if (replay->own->from_log && replay->own->from_record)
        return tl_fail(err, TL_ERR_USAGE,
                       "--from-log and --from-record: one of them; without either the record is read where it "
                       "begins earlier than the log");
    TL_TRY(tl_options_need_views(replay->common, err));
    TL_TRY(tl_views_open(replay->common, replay->common->views, &replay->functions, &replay->plan, err));
    views = replay->plan->views_count;
    replay->wanted = calloc(views + 1u, sizeof *replay->wanted);
    replay->replays = calloc(views + 1u, sizeof *replay->replays);
    replay->standings = calloc(views + 1u, sizeof *replay->standings);
    if (replay->wanted == NULL || replay->replays == NULL || replay->standings == NULL)
        TL_TRY(tl_fail_memory(err, views * sizeof *replay->standings));
    TL_TRY(choose_views(replay, err));
    replay->patience.wait_ms = strcmp(replay->common->log, "kafka") == 0 ? MISSING_MS : 0;
    replay->ground = (struct tl_lane_ground){
        .plan = replay->plan, .patience = &replay->patience, .replays = true, .accept_gap = replay->own->accept_gap};
    TL_TRY(tl_store_open(replay->common->store, TL_STORE_READ, &replay->ground.store, err));
    if (!replay->own->dry_run) { /* one that is not there is not made */
        tl_store_close(replay->ground.store);
        replay->ground.store = NULL;
        TL_TRY(tl_store_open(replay->common->store, TL_STORE_WRITE, &replay->ground.store, err));
        tl_process_name(name);
        tl_process_words(name, who);
        TL_TRY(tl_store_lock(replay->ground.store, "replay", who, err));
    }
    tl_progress_begin(&replay->progress, "replay");
    rc = run_patiently(replay, err);
    tl_progress_end(&replay->progress);
    if (rc == TL_OK)
        rc = say_done(replay, err);
out:
    tl_store_close(replay->ground.store);
    for (uint32_t v = 0; replay->standings != NULL && v < replay->plan->views_count; v++)
        tl_standing_done(&replay->standings[v]);
    free(replay->wanted);
    free(replay->replays);
    free(replay->standings);
    free(replay->patience.gone);
    tl_views_close(replay->functions, replay->plan);
    return rc;
}

static const struct tl_option replay_table[] = {
    {"from-log",    TL_OPT_FLAG,     NULL,    "read the log alone",                                                                        offsetof(struct replay_options, from_log),    0},
    {"from-record", TL_OPT_FLAG,     NULL,
     "read the master record as far as it is complete, and the log behind it; else the record only where it begins earlier than "
     "the log",                                                                                                                            offsetof(struct replay_options, from_record), 0},
    {"accept-gap",  TL_OPT_FLAG,     NULL,    "pass over offsets that are gone from the log and the record, and record them as an outage",
     offsetof(struct replay_options,                                                                                                                                       accept_gap),  0},
    {"dry-run",     TL_OPT_FLAG,     NULL,    "say what would be read, and write nothing",                                                 offsetof(struct replay_options, dry_run),     0},
    {"tick",        TL_OPT_DURATION, "200ms", "how often at most what has changed is committed",
     offsetof(struct replay_options,                                                                                                                                       tick_ms),     0},
    {"workers",     TL_OPT_COUNT,    "N",     "threads; one per core unless set, never more than partitions",
     offsetof(struct replay_options,                                                                                                                                       workers),     0},
};

static const struct tl_usage replay_usage = {
    .synopsis = "[VIEW...]",
    .text = "Makes speed's tables anew out of history, through the streaming path alone (Kappa): reads the master record and the "
            "log into a "
            "build beside the tables that serve, and puts it in their place when it has come to where speed stands. Speed may "
            "run meanwhile; it "
            "stands by for the swap and goes on with the new tables. Views that read one another are replayed together.",
    .example = "tally replay --views views.sql --data tally-data",
    .options = replay_table,
    .options_count = TL_COUNT(replay_table),
    .args_max = TL_OPTION_LIST_MAX,
};

TL_COMMAND(replay, "make speed's tables anew out of history")
{
    struct replay_options own = {.tick_ms = 200};
    struct tl_common_options common;
    struct replay replay = {.common = &common, .own = &own};
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&replay_usage, argc, argv, &common, &own, &status))
        return status;
    tl_stop_install();
    rc = replay_main(&replay, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
