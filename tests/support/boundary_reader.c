/* boundary_reader.c: polls the merged views. See boundary_reader.h. */
#include "support/boundary_reader.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- one statement, in either database ---- */

enum { TOTALS, EVIDENCE, STATEMENTS, CELLS = 7, LINES_MAX = 4000 };

/* An answer of numbers; the key of a cut is text. */
struct line {
    int64_t cells[CELLS];
};
struct link {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    PGconn *server;
    struct line lines[LINES_MAX];
    size_t count;
};

static bool fail(struct boundary_reader *reader, const char *what, const char *why)
{
    tl_buf_printf(&reader->why, "%s: %s\n", what, why);
    return false;
}

static bool run(struct boundary_reader *reader, struct link *link, const char *sql)
{
    bool done;

    if (link->db != NULL)
        return sqlite3_exec(link->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(reader, sql, sqlite3_errmsg(link->db));
    {
        PGresult *result = PQexec(link->server, sql);

        done = PQresultStatus(result) == PGRES_COMMAND_OK;
        if (!done)
            fail(reader, sql, PQerrorMessage(link->server));
        PQclear(result);
    }
    return done;
}

static bool ask_sqlite(struct boundary_reader *reader, struct link *link, int what)
{
    sqlite3_stmt *statement = link->statements[what];
    int rc;

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW && link->count < LINES_MAX) {
        for (int c = 0; c < CELLS; c++)
            link->lines[link->count].cells[c] = sqlite3_column_int64(statement, c);
        link->count++;
    }
    sqlite3_reset(statement);
    return rc == SQLITE_DONE || fail(reader, "read", sqlite3_errmsg(link->db));
}

static bool ask(struct boundary_reader *reader, struct link *link, int what)
{
    PGresult *result;
    bool done;

    link->count = 0;
    if (link->db != NULL)
        return ask_sqlite(reader, link, what);
    result = PQexecPrepared(link->server, what == TOTALS ? "totals" : "evidence", 0, NULL, NULL, NULL, 0);
    done = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) < LINES_MAX;
    if (!done)
        fail(reader, "read", PQerrorMessage(link->server));
    for (int r = 0; done && r < PQntuples(result); r++, link->count++)
        for (int c = 0; c < CELLS; c++)
            link->lines[link->count].cells[c] = strtoll(PQgetvalue(result, r, c), NULL, 10);
    PQclear(result);
    return done;
}

/* ---- what is asked ---- */

static void put_totals(struct tl_buf *sql)
{
    tl_buf_put_str(sql, "SELECT -1, 0, 0, change, 0, 0, 0 FROM tally_change");
    for (int v = 0; v < MODEL_VIEWS; v++)
        tl_buf_printf(sql,
                      " UNION ALL SELECT %d, CAST(substr(host, 2) AS INTEGER), CASE _layer WHEN 'batch' THEN %d ELSE %d END, %s, "
                      "sum(w), count(*), 0 FROM %s%s GROUP BY host, _layer",
                      v, MODEL_BATCH, MODEL_SPEED, v == VIEW_RAW ? "count(*)" : "sum(c)", model_views[v],
                      v == VIEW_HOPS ? " WHERE _final" : ""); /* of others there is the next of each key only */
    tl_buf_put_u8(sql, 0);
}

enum { OF_PUBLICATIONS, OF_PROGRESS, OF_OFFSET, OF_RANGE, OF_CUT, OF_LEDGER };

static void put_evidence(struct tl_buf *sql, bool sqlite)
{
    tl_buf_printf(sql, "SELECT %d, 0, count(*), count(undone_ms), 0, 0, 0 FROM tally_publication", OF_PUBLICATIONS);
    for (int v = 0; v < MODEL_VIEWS; v++) {
        char of[120];

        snprintf(of, sizeof of,
                 "definition = (SELECT d.definition FROM tally_definition AS d WHERE d.view = '%s' AND d.state = 'active')",
                 model_views[v]);
        tl_buf_printf(sql, " UNION ALL SELECT %d, %d, boundary_ms, final_ms, pruned_ms, 0, 0 FROM tally_progress WHERE %s",
                      OF_PROGRESS, v, of);
        tl_buf_printf(sql, " UNION ALL SELECT %d, %d, partition, next_offset, 0, 0, 0 FROM tally_offset WHERE %s", OF_OFFSET, v,
                      of);
        tl_buf_printf(sql,
                      " UNION ALL SELECT %d, %d, p.from_ms, p.to_ms, o.partition, o.next_offset, 0 FROM tally_pointer AS p JOIN"
                      " tally_run_offset AS o ON o.run = p.run WHERE p.%s",
                      OF_RANGE, v, of);
        /* A key is 01, the text, 00. */
        if (v == VIEW_VISITS || v == VIEW_FIVES)
            tl_buf_printf(sql, " UNION ALL SELECT %d, %d, CAST(%s AS INTEGER), cut_ms, 0, 0, 0 FROM tally_cut WHERE %s", OF_CUT,
                          v, sqlite ? "substr(hex(\"key\"), 6, 1)" : "substr(encode(\"key\", 'hex'), 6, 1)", of);
        tl_buf_printf(sql,
                      " UNION ALL SELECT %d, %d, partition, \"offset\", cause, watermark_ms, 0 FROM tally_ledger WHERE run = 0 "
                      "AND cause <> 0 AND %s",
                      OF_LEDGER, v, of);
    }
    tl_buf_put_str(sql, " ORDER BY 1, 2, 3, 4, 5"); /* ranges are compared with those of before */
    tl_buf_put_u8(sql, 0);
}

static bool open_link(struct boundary_reader *reader, struct link *link)
{
    bool sqlite = strncmp(reader->url, "sqlite:", 7) == 0, done = true;
    struct tl_buf sql;

    tl_buf_init(&sql, 0);
    if (sqlite) {
        if (sqlite3_open_v2(reader->url + 7, &link->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
            done = fail(reader, reader->url, sqlite3_errmsg(link->db));
        sqlite3_busy_timeout(link->db, 20000);
    } else {
        char *schema = strstr(reader->url, "?schema="), url[600], set[200];

        snprintf(url, sizeof url, "%.*s", schema != NULL ? (int)(schema - reader->url) : 500, reader->url);
        link->server = PQconnectdb(url);
        snprintf(set, sizeof set, "SET search_path = \"%s\"", schema != NULL ? schema + 8 : "public");
        done = run(reader, link, set);
    }
    for (int i = 0; done && i < STATEMENTS; i++) {
        tl_buf_clear(&sql);
        if (i == TOTALS)
            put_totals(&sql);
        else
            put_evidence(&sql, sqlite);
        if (sqlite) {
            if (sqlite3_prepare_v3(link->db, sql.data, -1, SQLITE_PREPARE_PERSISTENT, &link->statements[i], NULL) != SQLITE_OK)
                done = fail(reader, sql.data, sqlite3_errmsg(link->db));
        } else {
            PGresult *result = PQprepare(link->server, i == TOTALS ? "totals" : "evidence", sql.data, 0, NULL);

            if (PQresultStatus(result) != PGRES_COMMAND_OK)
                done = fail(reader, sql.data, PQerrorMessage(link->server));
            PQclear(result);
        }
    }
    tl_buf_done(&sql);
    return done;
}

static void close_link(struct link *link)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(link->statements[i]);
    sqlite3_close(link->db);
    if (link->server != NULL)
        PQfinish(link->server);
    free(link);
}

/* ---- what an answer says ---- */

struct seen {
    int64_t change;
    struct model_totals totals;
    struct model_state state;
    struct model_lines lines;
    struct model_served served;
    bool pending[MODEL_VIEWS][MODEL_HOSTS];
};

static bool take_totals(struct boundary_reader *reader, const struct link *link, struct seen *out)
{
    memset(&out->totals, 0, sizeof out->totals);
    for (size_t i = 0; i < link->count; i++) {
        const int64_t *cells = link->lines[i].cells;

        if (cells[0] < 0) {
            out->change = cells[3];
            continue;
        }
        if (cells[0] >= MODEL_VIEWS || cells[1] < 0 || cells[1] >= MODEL_HOSTS)
            return fail(reader, "a total", "of a host that was not planted");
        out->totals.of[cells[0]][cells[1]][cells[2]] = (struct model_sum){cells[3], cells[4]};
    }
    return true;
}

static int event_at(const struct model *model, int64_t partition, int64_t offset)
{
    for (int i = 0; i < MODEL_EVENTS; i++)
        if (model->events[i].partition == partition && model->events[i].offset == offset)
            return i;
    return -1;
}

static bool take_range(struct boundary_reader *reader, struct model_view_state *view, const int64_t *cells)
{
    struct model_range *range = NULL;

    for (size_t r = 0; r < view->ranges_count && range == NULL; r++)
        if (view->ranges[r].from_ms == cells[2])
            range = &view->ranges[r];
    if (range == NULL) {
        if (view->ranges_count == MODEL_RANGES_MAX)
            return fail(reader, "the pointer", "too many ranges");
        range = &view->ranges[view->ranges_count++];
        *range = (struct model_range){.from_ms = cells[2], .to_ms = cells[3]};
    }
    range->next_offset[cells[4]] = cells[5];
    return true;
}

static bool take_line(struct boundary_reader *reader, struct model_lines *lines, const int64_t *cells)
{
    int event = event_at(reader->model, cells[2], cells[3]);
    struct model_line *line;

    if (event < 0)
        return fail(reader, "a line of the ledger", "of an event that was not planted");
    line = &lines->of[cells[1]][event];
    if (line->cause != 0 && (line->cause != cells[4] || line->watermark_ms != cells[5]))
        return fail(reader, "a line of the ledger", "has changed");
    *line = (struct model_line){(uint8_t)cells[4], cells[5]};
    return true;
}

static bool take_evidence(struct boundary_reader *reader, const struct link *link, struct seen *out)
{
    struct model_state *state = &out->state;
    bool done = true;

    memset(state, 0, sizeof *state);
    state->change = out->change;
    for (int v = 0; v < MODEL_VIEWS; v++)
        for (int h = 0; h < MODEL_HOSTS; h++)
            state->views[v].cut_ms[h] = INT64_MAX, state->views[v].kept_from_ms[h] = INT64_MIN;
    for (size_t i = 0; i < link->count && done; i++) {
        const int64_t *cells = link->lines[i].cells;
        struct model_view_state *view = &state->views[cells[1]];

        switch (cells[0]) {
        case OF_PUBLICATIONS: state->published = cells[2], state->undone = cells[3]; break;
        case OF_PROGRESS: view->boundary_ms = cells[2], view->final_ms = cells[3], view->pruned_ms = cells[4]; break;
        case OF_OFFSET: view->next_offset[cells[2]] = cells[3]; break;
        case OF_RANGE: done = take_range(reader, view, cells); break;
        case OF_CUT: view->cut_ms[cells[2]] = cells[3]; break;
        case OF_LEDGER: done = take_line(reader, &out->lines, cells); break;
        }
    }
    return done;
}

/* ---- what must be ---- */

/* Pruned is what lies below the key's cut. That may be lowered afterwards, so what has once been below it, since it was pruned, may be gone. */
static void note_pruned(struct model_state *now, const struct model_state *before)
{
    for (int v = 0; v < MODEL_VIEWS; v++)
        for (int h = 0; h < MODEL_HOSTS; h++) {
            struct model_view_state *view = &now->views[v];
            const struct model_view_state *old = &before->views[v];
            int64_t cut_ms = tl_min_i64(view->cut_ms[h], view->boundary_ms);

            if (view->pruned_ms > old->pruned_ms) /* under the cut of then, or of now */
                cut_ms = tl_max_i64(cut_ms, tl_min_i64(old->cut_ms[h], old->boundary_ms));
            view->kept_from_ms[h] = tl_max_i64(old->kept_from_ms[h], tl_min_i64(cut_ms, view->pruned_ms));
        }
}

/* What is missing of a key then are its oldest rows: they are pending (semantics.md 10.3). */
static bool is_pending(struct boundary_reader *reader, int v, uint32_t host, const struct model_sum *got, struct seen *now)
{
    for (int last = 0; last < MODEL_EVENTS; last++) {
        struct model_sum left = {0, 0};

        if (!now->served.gone[v][last] || reader->model->events[last].host != host)
            continue;
        for (int i = 0; i < MODEL_EVENTS; i++) {
            const struct model_event *event = &reader->model->events[i];

            if (event->host != host || now->served.times[v][i][MODEL_SPEED] == 0)
                continue;
            if (event->time_ms <= reader->model->events[last].time_ms)
                continue;
            left.count++;
            left.weight += event->weight;
        }
        if (left.count != got->count || left.weight != got->weight)
            continue;
        for (int i = 0; i < MODEL_EVENTS; i++)
            if (reader->model->events[i].host == host && reader->model->events[i].time_ms <= reader->model->events[last].time_ms)
                now->served.times[v][i][MODEL_SPEED] = 0;
        now->pending[v][host] = true;
        return true;
    }
    return false;
}

/* The events whose weights make up a difference: one, or two. */
static void put_difference(struct tl_buf *why, const struct model *model, int64_t weight)
{
    for (int i = 0; i < MODEL_EVENTS; i++)
        for (int k = i; k < MODEL_EVENTS; k++)
            for (int sign = -1; sign <= 1; sign += 2)
                if (weight * sign == model->events[i].weight + (k > i ? model->events[k].weight : 0)) {
                    tl_buf_printf(why, "    %s: event %d (partition %u, offset %lld, %lld)", sign > 0 ? "too much" : "missing", i,
                                  model->events[i].partition, (long long)model->events[i].offset,
                                  (long long)model->events[i].time_ms);
                    if (k > i)
                        tl_buf_printf(why, " and %d (%u, %lld, %lld)", k, model->events[k].partition,
                                      (long long)model->events[k].offset, (long long)model->events[k].time_ms);
                    tl_buf_put_str(why, "\n");
                    return;
                }
}

static bool check_totals(struct boundary_reader *reader, struct seen *now)
{
    struct model_totals want;
    bool right = true;

    memset(now->pending, 0, sizeof now->pending);
    model_add_up(reader->model, &now->served, &want);
    for (int v = 0; v < MODEL_VIEWS; v++) {
        const struct model_view_state *view = &now->state.views[v];

        for (uint32_t h = 0; h < MODEL_HOSTS; h++) {
            for (int layer = 0; layer < MODEL_LAYERS; layer++) {
                const struct model_sum *got = &now->totals.of[v][h][layer], *must = &want.of[v][h][layer];

                if ((got->count == must->count && got->weight == must->weight) ||
                    (layer == MODEL_SPEED && is_pending(reader, v, h, got, now)))
                    continue;
                tl_buf_printf(&reader->why,
                              "%s h%u, %s: %lld events are served, not %lld (change %lld, publications %lld, undone %lld, "
                              "boundary %lld, cut %lld, final %lld)\n",
                              model_views[v], h, layer == MODEL_BATCH ? "batch" : "speed", (long long)got->count,
                              (long long)must->count, (long long)now->change, (long long)now->state.published,
                              (long long)now->state.undone, (long long)view->boundary_ms, (long long)view->cut_ms[h],
                              (long long)view->final_ms);
                put_difference(&reader->why, reader->model, got->weight - must->weight);
                right = false;
            }
        }
    }
    return right;
}

/* What moves what: a tick offsets and watermark, a publication or a rollback the pointer. */
static bool check_movement(struct boundary_reader *reader, const struct model_state *old, const struct model_state *new)
{
    bool published = old->published != new->published || old->undone != new->undone, right = true;

    if (new->published < old->published || new->undone < old->undone || (published && new->change <= old->change))
        right = fail(reader, "publications", "have gone back, or have no change number");
    for (int v = 0; v < MODEL_VIEWS; v++) {
        const struct model_view_state *a = &old->views[v], *b = &new->views[v];

        if (!published && (a->boundary_ms != b->boundary_ms || a->ranges_count != b->ranges_count ||
                           memcmp(a->ranges, b->ranges, a->ranges_count * sizeof *a->ranges) != 0))
            right = fail(reader, model_views[v], "the pointer has moved without a publication or a rollback");
        if (b->final_ms < a->final_ms)
            right = fail(reader, model_views[v], "the watermark has gone back");
        for (int p = 0; p < MODEL_PARTITIONS; p++)
            if (b->next_offset[p] < a->next_offset[p])
                right = fail(reader, model_views[v], "an offset has gone back");
    }
    return right;
}

static bool explain(struct boundary_reader *reader, const struct seen *old, const struct seen *new)
{
    struct reader_counts *counts = &reader->counts;
    bool right = check_movement(reader, &old->state, &new->state);

    for (int v = 0; v < MODEL_VIEWS; v++)
        for (int i = 0; i < MODEL_EVENTS; i++) {
            int before = old->served.times[v][i][0] + old->served.times[v][i][1];
            int after = new->served.times[v][i][0] + new->served.times[v][i][1];
            enum model_reason reason;

            if (before == after)
                continue;
            if (!model_reason_of(reader->model, &new->lines, (enum model_view)v, i, &old->state, &new->state, &reason)) {
                tl_buf_printf(&reader->why, "%s: event %d is served %d times and was %d: nothing in the store says why\n",
                              model_views[v], i, after, before);
                right = false;
                continue;
            }
            *(after > before ? &counts->came[reason] : &counts->went[reason]) += 1;
        }
    for (int v = 0; v < MODEL_VIEWS; v++)
        for (int h = 0; h < MODEL_HOSTS; h++) {
            bool only_undone = old->state.undone != new->state.undone &&
                               old->state.published ==
                                   new->state.published &&memcmp(old->state.views[v].next_offset, new->state.views[v].next_offset,
                                                                 sizeof old->state.views[v].next_offset) == 0;

            counts->pending += new->pending[v][h] && !old->pending[v][h];
            if (new->pending[v][h] && !old->pending[v][h] && only_undone)
                right = fail(reader, model_views[v], "a rollback shows rows again that are gone");
        }
    if (memcmp(&old->totals, &new->totals, sizeof old->totals) != 0) {
        counts->changes++;
        counts->publications += new->state.published != old->state.published;
        counts->undone += new->state.undone != old->state.undone;
        counts->ticks += new->state.published == old->state.published &&new->state.undone == old->state.undone;
        if (new->change == old->change)
            right = fail(reader, "a total has changed", "and the change number has not");
    }
    return right;
}

/* ---- polls ---- */

static bool judge(struct boundary_reader *reader, struct link *link, struct seen *now, const struct seen *before, bool first)
{
    if (!first)
        now->lines = before->lines;
    else
        memset(&now->lines, 0, sizeof now->lines);
    if (!ask(reader, link, EVIDENCE) || !take_evidence(reader, link, now))
        return false;
    reader->counts.states++;
    note_pruned(&now->state, first ? &now->state : &before->state);
    model_serve(reader->model, &now->state, &now->lines, &now->served);
    return model_check_lines(reader->model, &now->state, &now->lines, &reader->why) &&
           model_check_cuts(reader->model, &now->state, &now->lines, &reader->why) && check_totals(reader, now) &&
           (first || explain(reader, before, now));
}

static void *poll_on(void *arg)
{
    struct boundary_reader *reader = arg;
    struct link *link = calloc(1, sizeof *link);
    struct seen *seen = calloc(2, sizeof *seen); /* the last, and the one before */
    const char *begin = strncmp(reader->url, "sqlite:", 7) == 0 ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    int64_t started_ns = tl_clock_monotonic_ns();
    bool right = link != NULL && seen != NULL && open_link(reader, link);
    int at = 0;

    for (bool first = true; right && !atomic_load(&reader->stop); reader->counts.polls++) {
        struct seen *now = &seen[at], *before = &seen[1 - at];

        right = run(reader, link, begin) && ask(reader, link, TOTALS) && take_totals(reader, link, now);
        if (right && (first || now->change != before->change || memcmp(&now->totals, &before->totals, sizeof now->totals) != 0)) {
            right = judge(reader, link, now, before, first);
            at = 1 - at;
            first = false;
        }
        right = run(reader, link, "COMMIT") && right;
    }
    reader->counts.ns += tl_clock_monotonic_ns() - started_ns;
    atomic_store(&reader->failed, !right);
    if (link != NULL)
        close_link(link);
    free(seen);
    return NULL;
}

void boundary_reader_start(struct boundary_reader *reader, const struct model *model, const char *url)
{
    reader->model = model;
    reader->url = url;
    atomic_store(&reader->stop, false);
    atomic_store(&reader->failed, false);
    tl_buf_init(&reader->why, 0);
    cr_assert_eq(pthread_create(&reader->thread, NULL, poll_on, reader), 0);
}

void boundary_reader_stop(struct boundary_reader *reader, const char *said)
{
    atomic_store(&reader->stop, true);
    pthread_join(reader->thread, NULL);
    tl_buf_put_u8(&reader->why, 0);
    if (atomic_load(&reader->failed))
        cr_assert(false, "%s%s", said, reader->why.data);
    tl_buf_done(&reader->why);
}
