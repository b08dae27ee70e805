/* batch_rate.c: how fast batch recomputes the master record, with the result in memory, and how fast the store takes such a result.
 *
 * bench_batch_rate VIEWS.sql DATA_DIR memory [JOBS]          the recomputation alone, as `tally batch` does it: every day a range
 * bench_batch_rate VIEWS.sql DATA_DIR sqlite:PATH [JOBS]     the same first, then its rows into an empty store, which is timed: the
 *                                                            store's own rate
 * bench_batch_rate VIEWS.sql DATA_DIR csv:PATH [JOBS]        the same first, then its rows into a file, to be compared: times in
 *                                                            milliseconds, texts as they are
 *
 * A store that keeps the staged rows in memory stands in for the real one: the linker hands the calls of recompute.c to the functions here
 * (--wrap, in the Makefile). Prints one line. */
#include "batch_layer/recompute.h"
#include "core/function.h"
#include "event/timestamp.h"
#include "sql/shape.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VIEWS_MAX = 8, COMMIT_ROWS = 50000 /* as recompute.c */ };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- a store in memory --------------------------------------------------------------------------------------------------- */

/* What one call staged: a copy with everything in one arena. */
struct piece {
    int64_t definition;
    struct tl_rows rows;
};

struct memory_store {
    const struct tl_shape *shapes;
    struct tl_arena arena;
    struct piece *pieces;
    size_t count, capacity;
    bool for_replay; /* what is no column too: times, keys and accumulators */
    uint64_t rows;
};

static void *copy(struct tl_arena *arena, const void *from, size_t bytes)
{
    void *to = tl_arena_alloc(arena, bytes > 0 ? bytes : 1);

    if (to != NULL && bytes > 0)
        memcpy(to, from, bytes);
    return to;
}

static struct tl_sv *copy_texts(struct tl_arena *arena, const struct tl_sv *from, size_t count)
{
    struct tl_sv *to = copy(arena, from, count * sizeof *from);
    size_t bytes = 0;
    char *at;

    for (size_t i = 0; i < count; i++)
        bytes += from[i].size;
    at = tl_arena_bytes(arena, bytes + 1);
    if (to == NULL || at == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (from[i].size > 0)
            memcpy(at, from[i].data, from[i].size);
        to[i].data = at;
        at += from[i].size;
    }
    return to;
}

static bool copy_rows(struct memory_store *m, const struct tl_shape *shape, const struct tl_rows *from, struct tl_rows *to)
{
    struct tl_vec *columns = tl_arena_alloc(&m->arena, shape->columns_count * sizeof *columns);
    bool ok = columns != NULL;

    *to = (struct tl_rows){.count = from->count, .columns = columns};
    if (m->for_replay) {
        ok = ok && (to->start_ms = copy(&m->arena, from->start_ms, from->count * sizeof *from->start_ms)) != NULL;
        ok = ok && (to->end_ms = copy(&m->arena, from->end_ms, from->count * sizeof *from->end_ms)) != NULL;
        ok = ok && (to->key = copy_texts(&m->arena, from->key, from->count)) != NULL;
        ok = ok && (to->accumulators = copy_texts(&m->arena, from->accumulators, from->count)) != NULL;
    }
    for (uint32_t c = 0; ok && c < shape->columns_count; c++) {
        const struct tl_vec *in = &from->columns[c];

        columns[c] = *in;
        ok = (columns[c].null = copy(&m->arena, in->null, from->count)) != NULL;
        if (tl_kind_form(in->kind) == TL_FORM_TEXT)
            ok = ok && (columns[c].sv = copy_texts(&m->arena, in->sv, from->count)) != NULL;
        else
            ok = ok && (columns[c].i64 = copy(&m->arena, in->i64, from->count * sizeof *in->i64)) != NULL;
    }
    return ok;
}

/* Who has this address for a store has the one in memory. */
static struct memory_store memory;

static bool is_memory(const struct tl_store *store)
{
    return (const void *)store == (const void *)&memory;
}

static enum tl_code memory_stage_rows(int64_t definition, const struct tl_rows *rows, struct tl_err *err)
{
    struct memory_store *m = &memory;

    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        struct piece *more = realloc(m->pieces, capacity * sizeof *more);

        if (more == NULL)
            return tl_fail_memory(err, capacity * sizeof *more);
        m->pieces = more;
        m->capacity = capacity;
    }
    m->pieces[m->count].definition = definition;
    if (!copy_rows(m, &m->shapes[definition], rows, &m->pieces[m->count].rows))
        return tl_fail_memory(err, 0);
    m->count++;
    m->rows += rows->count;
    return TL_OK;
}

/* What recompute.c calls, and nothing else. */
#define WRAPS(name, parameters, arguments, in_memory)                                                                            \
    enum tl_code __real_##name parameters;                                                                                       \
    enum tl_code __wrap_##name parameters;                                                                                       \
    enum tl_code __wrap_##name parameters                                                                                        \
    {                                                                                                                            \
        return is_memory(store) ? (in_memory) : __real_##name arguments;                                                         \
    }

WRAPS(tl_store_begin, (struct tl_store * store, struct tl_err *err), (store, err), TL_OK)
WRAPS(tl_store_commit, (struct tl_store * store, struct tl_err *err), (store, err), TL_OK)
WRAPS(tl_store_stage_rows,
      (struct tl_store * store, int64_t run, int64_t definition, const struct tl_rows *rows, struct tl_err *err),
      (store, run, definition, rows, err), memory_stage_rows(definition, rows, err))
/* What is open at the end of the record: rows like the others here. */
WRAPS(tl_store_stage_open,
      (struct tl_store * store, int64_t run, int64_t definition, int64_t to_ms, const struct tl_rows *rows, struct tl_err *err),
      (store, run, definition, to_ms, rows, err), memory_stage_rows(definition, rows, err))
WRAPS(tl_store_put_ledger,
      (struct tl_store * store, int64_t definition, int64_t run, const struct tl_ledger_line *lines, size_t count,
       struct tl_err *err),
      (store, definition, run, lines, count, err), TL_OK)
WRAPS(tl_store_stage_range, (struct tl_store * store, int64_t definition, const struct tl_run_range *range, struct tl_err *err),
      (store, definition, range, err), TL_OK)

void __real_tl_store_rollback(struct tl_store *store);
void __wrap_tl_store_rollback(struct tl_store *store);
void __wrap_tl_store_rollback(struct tl_store *store)
{
    if (!is_memory(store))
        __real_tl_store_rollback(store);
}

/* ---- the work ------------------------------------------------------------------------------------------------------------ */

/* Every midnight behind the first event to the one behind the last: the ranges that the nightly run would make. */
static int64_t *midnights(struct tl_input_times times, uint32_t *ranges_count)
{
    int64_t first = tl_window_start_ms(times.min_ms, 0, TL_DAY_MS), last = tl_window_start_ms(times.max_ms, 0, TL_DAY_MS);
    int64_t days = (last - first) / TL_DAY_MS + 1;
    int64_t *bounds = calloc((size_t)days + 1, sizeof *bounds);

    if (bounds == NULL)
        return NULL;
    bounds[0] = INT64_MIN;
    for (int64_t d = 1; d <= days; d++)
        bounds[d] = first + d * TL_DAY_MS;
    *ranges_count = (uint32_t)days;
    return bounds;
}

static enum tl_code recompute(const struct tl_plan *plan, const char *data, uint32_t jobs, double *seconds, uint64_t *events,
                              uint64_t *duplicates, struct tl_err *err)
{
    struct tl_master *master = NULL;
    struct tl_input *input = NULL;
    struct tl_buf carry[VIEWS_MAX];
    struct tl_sv nothing[VIEWS_MAX] = {
        {NULL, 0}
    };
    int64_t definitions[VIEWS_MAX];
    bool wanted[VIEWS_MAX];
    struct tl_recompute job = {.views_wanted = wanted,
                               .definitions = definitions,
                               .carry_in = nothing,
                               .carry_out = carry,
                               .jobs = jobs,
                               .store = (struct tl_store *)(void *)&memory,
                               .run = 1};
    struct tl_source_topics *topics = NULL;
    int64_t *bounds = NULL;
    double begin = now_s();
    enum tl_code rc = TL_OK;

    for (uint32_t v = 0; v < plan->views_count; v++) {
        tl_buf_init(&carry[v], 0);
        definitions[v] = v;
        wanted[v] = true;
    }
    TL_TRY(tl_master_open(data, &master, err));
    TL_TRY(tl_source_topics_open(plan, &topics, err));
    TL_TRY(tl_input_open(master, plan, 0, topics, &input, err));
    bounds = midnights(tl_input_times(input), &job.ranges_count);
    if (bounds == NULL)
        TL_TRY(tl_fail_memory(err, 0));
    job.bounds = bounds;
    job.input = input;
    TL_TRY(tl_recompute(&job, err));
    *seconds = now_s() - begin;
    *events = job.events_count;
    *duplicates = job.duplicates_count;
out:
    for (uint32_t v = 0; v < plan->views_count; v++)
        tl_buf_done(&carry[v]);
    free(bounds);
    tl_input_close(input);
    tl_source_topics_close(topics);
    tl_master_close(master);
    return rc;
}

static enum tl_code replay(const struct memory_store *m, const struct tl_plan *plan, const char *url, double *seconds,
                           struct tl_err *err)
{
    struct tl_store *store = NULL;
    int64_t ids[VIEWS_MAX], run = 0;
    uint64_t uncommitted = 0;
    double begin;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_store_open(url, TL_STORE_WRITE, &store, err));
    for (uint32_t v = 0; v < plan->views_count; v++)
        TL_TRY(tl_store_define(store, &m->shapes[v], &ids[v], err));
    TL_TRY(tl_store_run_begin(store, "bench", TL_SV(""), 0, &run, err));
    begin = now_s();
    TL_TRY(tl_store_begin(store, err));
    for (size_t i = 0; i < m->count; i++) {
        TL_TRY(tl_store_stage_rows(store, run, ids[m->pieces[i].definition], &m->pieces[i].rows, err));
        uncommitted += m->pieces[i].rows.count;
        if (uncommitted >= COMMIT_ROWS) {
            uncommitted = 0;
            TL_TRY(tl_store_commit(store, err));
            TL_TRY(tl_store_begin(store, err));
        }
    }
    TL_TRY(tl_store_commit(store, err));
    *seconds = now_s() - begin;
out:
    tl_store_close(store);
    return rc;
}

static enum tl_code write_csv(const struct memory_store *m, const char *path, struct tl_err *err)
{
    FILE *out = fopen(path, "w");
    bool failed;

    if (out == NULL)
        return tl_fail_errno(err, TL_ERR_IO, "%s", path);
    for (size_t i = 0; i < m->count; i++) {
        const struct tl_rows *rows = &m->pieces[i].rows;

        for (uint32_t row = 0; row < rows->count; row++) {
            for (uint32_t c = 0; c < m->shapes[m->pieces[i].definition].columns_count; c++) {
                const struct tl_vec *column = &rows->columns[c];

                fputs(c > 0 ? "," : "", out);
                if (column->null[row])
                    continue;
                if (tl_kind_form(column->kind) == TL_FORM_TEXT)
                    fwrite(column->sv[row].data, 1, column->sv[row].size, out);
                else
                    fprintf(out, "%" PRId64, column->i64[row]);
            }
            fputc('\n', out);
        }
    }
    failed = ferror(out) != 0;
    return fclose(out) != 0 || failed ? tl_fail_errno(err, TL_ERR_IO, "%s", path) : TL_OK;
}

int main(int argc, char **argv)
{
    struct tl_err err = {0};
    struct tl_plan *plan = NULL;
    struct tl_shape shapes[VIEWS_MAX];
    struct memory_store *m = &memory;
    long jobs = argc > 4 ? strtol(argv[4], NULL, 10) : 2;
    double seconds = 0, store_seconds = 0;
    uint64_t events = 0, duplicates = 0;
    enum tl_code rc = TL_OK;

    if (argc < 4 || argc > 5 || jobs < 1 || jobs > 256) {
        fputs("usage: bench_batch_rate VIEWS.sql DATA_DIR memory|sqlite:PATH|csv:PATH [JOBS]\n", stderr);
        return 2;
    }
    m->shapes = shapes;
    tl_arena_init(&m->arena, 1 << 20, 0);
    m->for_replay = strncmp(argv[3], "sqlite:", 7) == 0;
    TL_TRY(tl_plan_load(argv[1], tl_function_catalog(), &plan, &err));
    if (plan->sources_count != 1 || plan->views_count > VIEWS_MAX)
        TL_TRY(tl_fail(&err, TL_ERR_USAGE, "%s: the bench takes one source and up to %d views", argv[1], VIEWS_MAX));
    for (uint32_t v = 0; v < plan->views_count; v++)
        TL_TRY(tl_shape_of(plan, &plan->views[v], &shapes[v], &err));
    TL_TRY(recompute(plan, argv[2], (uint32_t)jobs, &seconds, &events, &duplicates, &err));
    printf("events_per_s=%.0f seconds=%.4f events=%" PRIu64 " rows=%" PRIu64 " duplicates=%" PRIu64, (double)events / seconds,
           seconds, events, m->rows, duplicates);
    if (m->for_replay) {
        TL_TRY(replay(m, plan, argv[3], &store_seconds, &err));
        printf(" store_seconds=%.4f rows_per_s=%.0f", store_seconds, (double)m->rows / store_seconds);
    }
    printf("\n");
    if (strncmp(argv[3], "csv:", 4) == 0)
        TL_TRY(write_csv(m, argv[3] + 4, &err));
out:
    if (rc != TL_OK)
        fprintf(stderr, "bench_batch_rate: %s\n", err.message);
    free(m->pieces);
    tl_arena_done(&m->arena);
    tl_plan_close(plan);
    return tl_exit_status(rc);
}
