/* golden_test.c: the cases of tests/golden, each in many ways that must make no difference.
 *
 * A case is three files, tests/golden/NAME.sql, NAME.events and NAME.want, and NAME.checks where batch has row checks (tests/golden/README
 * says how they are written). It runs as stream, as
 * batch in one pass and range by range, cut by restarts, and on 1, 2 and 3 workers; one that is marked `-- shuffle` also in other orders
 * within the lateness bound and dealt to other partitions. What comes out is NAME.want each time. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event/timestamp.h"
#include "simulate.h"
#include "support/chance.h"

#define FOLDER "tests/golden"
enum { CASES_MAX = 200, BOUNDS_MAX = 5, ORDERS = 6, RESTARTS = 6 };
#define BOUND_LAST (INT64_C(1) << 58)

struct golden_case {
    char name[64];
};

struct golden {
    char name[64];
    char *sql, *events, *want;
    int64_t shuffle_ms; /* -1: only in this order */
    struct tl_plan *plan;
    char *checks_sql;
    struct tl_checks *checks; /* NULL: none */
    struct sim_history history;
    struct tl_buf speed, ended, batch, ledger, ledger_batch, flags, outcomes, outcomes_batch, dropped,
        found; /* as wanted; ended: of speed, when its input has ended */
};

static char *read_file(const char *name, const char *ending)
{
    char path[200], *text = NULL;
    size_t size = 0, got;
    FILE *file;

    snprintf(path, sizeof path, FOLDER "/%s.%s", name, ending);
    file = fopen(path, "rb");
    cr_assert(file != NULL, "%s: %s", path, strerror(errno));
    do {
        text = realloc(text, size + 65537);
        cr_assert_not_null(text);
        got = fread(text + size, 1, 65536, file);
        size += got;
    } while (got > 0);
    text[size] = 0;
    fclose(file);
    return text;
}

/* ---- the three files ---- */

static int64_t time_of(const struct golden *g, const char *text, size_t size)
{
    struct tl_sv sv = {text, size};
    int64_t ms;

    cr_assert(tl_sv_to_i64(sv, &ms) || tl_time_from_rfc3339(sv, &ms), "%s.events: not a time: %.*s", g->name, (int)size, text);
    return ms;
}

static void read_events(struct golden *g)
{
    uint32_t partition = 0;
    int64_t log_ms = 0;

    for (char *line = g->events, *end; *line != 0; line = end + 1) {
        end = strchr(line, '\n');
        cr_assert_not_null(end, "%s.events: the last line has no end", g->name);
        *end = 0;
        if (*line == '#')
            continue;
        for (; *line == '@'; line += strspn(line, " ")) {
            size_t word = strcspn(line, " ");

            if (strncmp(line, "@partition=", 11) == 0)
                partition = (uint32_t)strtoul(line + 11, NULL, 10);
            else if (strncmp(line, "@log=", 5) == 0)
                log_ms = time_of(g, line + 5, word - 5) - 1;
            else
                cr_assert_fail("%s.events: what is %.*s?", g->name, (int)word, line);
            line += word;
            if (*line == 0)
                break;
        }
        if (line < end)
            sim_add(&g->history, partition, ++log_ms, strcmp(line, "(empty)") == 0 ? "" : line);
    }
    cr_assert_gt(g->history.count, 0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_text(struct tl_buf *text)
{
    char *lines[1000], *copy;
    size_t count = 0;

    tl_buf_put_u8(text, 0);
    copy = strdup(text->data);
    cr_assert(copy != NULL && !text->failed);
    for (char *at = copy, *end; *at != 0; at = end + 1) {
        end = strchr(at, '\n');
        *end = 0;
        cr_assert_lt(count, TL_COUNT(lines));
        lines[count++] = at;
    }
    qsort(lines, count, sizeof *lines, by_text);
    tl_buf_clear(text);
    for (size_t i = 0; i < count; i++)
        tl_buf_printf(text, "%s\n", lines[i]);
    tl_buf_put_u8(text, 0);
    free(copy);
}

static void read_want(struct golden *g)
{
    struct {
        char word[16];
        struct tl_buf *to[3];
    } kinds[] = {
        {"row ",           {&g->speed, &g->ended, &g->batch}},
        {"later ",         {&g->ended, &g->batch}           },
        {"batch ",         {&g->batch}                      },
        {"speed ",         {&g->speed, &g->ended}           },
        {"speed_open ",    {&g->speed}                      },
        {"speed_later ",   {&g->ended}                      },
        {"batch_ledger ",  {&g->ledger_batch}               },
        {"speed_ledger ",  {&g->ledger}                     },
        {"ledger ",        {&g->ledger}                     },
        {"flag ",          {&g->flags}                      },
        {"batch_outcome ", {&g->outcomes_batch}             },
        {"dropped ",       {&g->dropped}                    },
        {"found ",         {&g->found}                      },
        {"outcome ",       {&g->outcomes}                   }
    };

    for (size_t k = 0; k < TL_COUNT(kinds); k++)
        for (size_t i = 0; i < TL_COUNT(kinds[k].to) && kinds[k].to[i] != NULL; i++)
            if (kinds[k].to[i]->data == NULL)
                tl_buf_init(kinds[k].to[i], 0);
    for (char *line = g->want, *end; *line != 0; line = end + 1) {
        size_t k = 0;

        end = strchr(line, '\n');
        cr_assert_not_null(end, "%s.want: the last line has no end", g->name);
        *end = 0;
        if (*line == '#' || *line == 0)
            continue;
        while (k < TL_COUNT(kinds) && strncmp(line, kinds[k].word, strlen(kinds[k].word)) != 0)
            k++;
        cr_assert_lt(k, TL_COUNT(kinds), "%s.want: what is this? %s", g->name, line);
        line += strlen(kinds[k].word);
        for (size_t i = 0; i < TL_COUNT(kinds[k].to) && kinds[k].to[i] != NULL; i++)
            tl_buf_printf(kinds[k].to[i], "%s\n", line);
        /* Nothing is late in batch, and what is in the future goes without a word: speed has told it. */
        if (strcmp(kinds[k].word, "ledger ") == 0 && strstr(line, " late_") == NULL && strstr(line, " session_") == NULL &&
            strstr(line, " future_event") == NULL)
            tl_buf_printf(&g->ledger_batch, "%s\n", line);
    }
    sort_text(&g->speed);
    sort_text(&g->ended);
    sort_text(&g->batch);
    sort_text(&g->ledger);
    sort_text(&g->ledger_batch);
    sort_text(&g->flags);
    sort_text(&g->outcomes);
    sort_text(&g->outcomes_batch);
    sort_text(&g->dropped);
    sort_text(&g->found);
}

static bool has_checks(const char *name)
{
    char path[200];

    snprintf(path, sizeof path, FOLDER "/%s.checks", name);
    return access(path, F_OK) == 0;
}

static void golden_open(struct golden *g, const char *name)
{
    const char *shuffle;

    memset(g, 0, sizeof *g);
    snprintf(g->name, sizeof g->name, "%s", name);
    g->sql = read_file(name, "sql");
    g->events = read_file(name, "events");
    g->want = read_file(name, "want");
    shuffle = strstr(g->sql, "-- shuffle ");
    g->shuffle_ms = shuffle != NULL ? strtoll(shuffle + 11, NULL, 10) : -1;
    g->plan = sim_plan(g->sql);
    g->checks_sql = has_checks(name) ? read_file(name, "checks") : NULL;
    if (g->checks_sql != NULL)
        g->checks = sim_checks(g->plan, g->checks_sql);
    read_events(g);
    read_want(g);
}

static void golden_close(struct golden *g)
{
    tl_checks_close(g->checks);
    tl_plan_close(g->plan);
    sim_history_done(&g->history);
    tl_buf_done(&g->speed);
    tl_buf_done(&g->ended);
    tl_buf_done(&g->batch);
    tl_buf_done(&g->ledger);
    tl_buf_done(&g->ledger_batch);
    tl_buf_done(&g->flags);
    tl_buf_done(&g->outcomes);
    tl_buf_done(&g->outcomes_batch);
    tl_buf_done(&g->dropped);
    tl_buf_done(&g->found);
    free(g->checks_sql);
    free(g->sql);
    free(g->events);
    free(g->want);
}

/* ---- runs ---- */

static void check_rows(const struct golden *g, const struct tl_buf *got, const struct tl_buf *want, const char *how)
{
    cr_assert_str_eq(got->data, want->data, "%s, %s: rows are\n%sand should be\n%s", g->name, how, got->data, want->data);
}

/* `open`: also those that are provisional. Which windows are open yet depends on the watermark, which several partitions hold back
 * in other orders. */
static void check_speed_rows(const struct golden *g, const struct sim_result *got, bool open, const char *how)
{
    char ended[120];

    snprintf(ended, sizeof ended, "%s, input ended", how);
    if (open)
        check_rows(g, &got->rows, &g->speed, how);
    check_rows(g, &got->ended, &g->ended, ended);
}

static void check_ledger(const struct golden *g, const struct sim_result *got, const struct tl_buf *want, uint32_t ranges_count,
                         const char *how)
{
    cr_assert_str_eq(got->ledger.data, want->data, "%s, %s: the ledger is\n%sand should be\n%s", g->name, how, got->ledger.data,
                     want->data);
    /* The same id with another time may lie on another day: recomputed by itself, neither day shows a conflict. */
    if (ranges_count > 1 && strstr(g->flags.data, "id_conflict") != NULL)
        return;
    cr_assert_str_eq(got->flags.data, g->flags.data, "%s, %s: the flags are\n%sand should be\n%s", g->name, how, got->flags.data,
                     g->flags.data);
}

static void put_outcomes(const struct golden *g, const struct sim_result *got, struct tl_buf *text)
{
    for (uint32_t v = 0; v < g->plan->views_count; v++) {
        if (g->plan->views[v].inner >= 0)
            continue; /* reads no event */
        tl_buf_printf(text, "%.*s", TL_SV_ARG(g->plan->views[v].name));
        for (int o = 0; o < TL_OUTCOMES; o++)
            if (got->outcomes[v][o] > 0)
                tl_buf_printf(text, " %s=%" PRIu64, tl_outcome_name((enum tl_outcome)o), got->outcomes[v][o]);
        tl_buf_put_u8(text, '\n');
    }
    sort_text(text);
}

/* Each event has one outcome in each view; those of the case are named where it names some. */
static void check_outcomes(const struct golden *g, const struct sim_result *got, const struct tl_buf *want, const char *how)
{
    struct tl_buf text;

    for (uint32_t v = 0; v < g->plan->views_count; v++) {
        uint64_t sum = 0;

        for (int o = 0; o < TL_OUTCOMES; o++)
            sum += got->outcomes[v][o];
        if (g->plan->views[v].inner < 0 && want == &g->outcomes) /* batch looks at dead letters and the future elsewhere */
            cr_assert_eq(sum, got->events_count, "%s, %s: %" PRIu64 " outcomes of %" PRIu64 " events", g->name, how, sum,
                         got->events_count);
    }
    if (want->data[0] == 0)
        return;
    tl_buf_init(&text, 0);
    put_outcomes(g, got, &text);
    cr_assert_str_eq(text.data, want->data, "%s, %s: outcomes are\n%sand should be\n%s", g->name, how, text.data, want->data);
    tl_buf_done(&text);
}

static void check_checks(const struct golden *g, const struct sim_result *got, const char *how)
{
    cr_assert_str_eq(got->found.data, g->found.data, "%s, %s: checks found\n%sand should\n%s", g->name, how, got->found.data,
                     g->found.data);
    cr_assert_str_eq(got->dropped.data, g->dropped.data, "%s, %s: dropped are\n%sand should be\n%s", g->name, how,
                     got->dropped.data, g->dropped.data);
}

/* Which event is late is settled where there is one partition; with more of them a case has none. */
static void run_streams(const struct golden *g, struct chance *chance)
{
    struct sim_stream how = {.workers_count = 1, .seed = 1, .tick_percent = 100, .read_max = 1};
    bool one = g->history.partitions_count == 1;
    struct sim_result got;
    char say[80];

    sim_stream(g->plan, &g->history, &how, &got);
    check_speed_rows(g, &got, true, "stream, a tick after each event");
    if (one)
        check_ledger(g, &got, &g->ledger, 1, "stream, a tick after each event");
    check_outcomes(g, &got, &g->outcomes, "stream, a tick after each event");
    sim_result_done(&got);
    for (uint32_t i = 0; i < RESTARTS * 3; i++) {
        how = (struct sim_stream){.workers_count = 1 + i % 3,
                                  .seed = (unsigned)chance_u64(chance),
                                  .tick_percent = 40,
                                  .restart_percent = i < 3 ? 0 : 45,
                                  .read_max = 1 + i % 7};
        snprintf(say, sizeof say, "stream, %u workers, seed %u%s", how.workers_count, how.seed, i < 3 ? "" : ", restarts");
        sim_stream(g->plan, &g->history, &how, &got);
        check_speed_rows(g, &got, true, say);
        if (one)
            check_ledger(g, &got, &g->ledger, 1, say);
        check_outcomes(g, &got, &g->outcomes, say);
        sim_result_done(&got);
    }
}

/* Bounds at which a day could end: anywhere in a window, at its edges and beside them. */
static uint32_t choose_bounds(const struct golden *g, struct chance *chance, int64_t bounds[BOUNDS_MAX + 1])
{
    struct {
        int64_t start_ms, end_ms;
    } spans[1000];
    size_t spans_count = 0;
    uint32_t count = 0;

    for (const char *line = g->batch.data; *line != 0 && spans_count < TL_COUNT(spans); line = strchr(line, '\n') + 1) {
        cr_assert_eq(sscanf(line, "%*s %" SCNd64 " %" SCNd64, &spans[spans_count].start_ms, &spans[spans_count].end_ms), 2);
        spans_count++;
    }
    bounds[count++] = INT64_MIN;
    for (int i = 0; i < 12 && count < BOUNDS_MAX && spans_count > 0; i++) {
        size_t s = chance_below(chance, (uint32_t)spans_count);
        int64_t size_ms = spans[s].end_ms - spans[s].start_ms;
        int64_t bound = chance_below(chance, 2) == 0 ? spans[s].end_ms - 1 + (int64_t)chance_below(chance, 3)
                                                     : spans[s].start_ms + (int64_t)chance_below(chance, (uint32_t)size_ms + 1);
        bool fits = bound > INT64_MIN;

        for (uint32_t b = 1; b < count; b++)
            fits &= bounds[b] != bound;
        if (!fits)
            continue;
        bounds[count] = bound;
        for (uint32_t b = count++; b > 1 && bounds[b - 1] > bounds[b]; b--) {
            bound = bounds[b];
            bounds[b] = bounds[b - 1];
            bounds[b - 1] = bound;
        }
    }
    bounds[count] = BOUND_LAST;
    return count;
}

static void run_batches(const struct golden *g, const struct sim_history *history, bool ledger, struct chance *chance)
{
    for (unsigned i = 0; i < 9; i++) {
        bool one_pass = i % 2 == 0;
        int64_t bounds[BOUNDS_MAX + 1] = {INT64_MIN, BOUND_LAST};
        struct sim_batch how = {.workers_count = 1 + i % 3,
                                .seed = (unsigned)chance_u64(chance),
                                .bounds = bounds,
                                .ranges_count = 1,
                                .one_pass = one_pass,
                                .chunk_max = 1 + i * 3,
                                .checks = g->checks};
        struct sim_result got;
        char say[80];

        if (i > 0)
            how.ranges_count = choose_bounds(g, chance, bounds);
        snprintf(say, sizeof say, "batch, %u ranges %s, %u workers, seed %u", how.ranges_count,
                 one_pass ? "in one pass" : "one by one", how.workers_count, how.seed);
        sim_batch(g->plan, history, &how, &got);
        check_rows(g, &got.rows, &g->batch, say);
        check_outcomes(g, &got, &g->outcomes_batch, say);
        if (ledger)
            check_ledger(g, &got, &g->ledger_batch, how.ranges_count, say);
        if (ledger)
            check_checks(g, &got, say);
        sim_result_done(&got);
    }
}

/* ---- other orders ---- */

struct arrival {
    int64_t at_ms;
    size_t index;
};

static int by_arrival(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* An event arrives up to the bound after its event time: then the watermark has never reached it. */
static void shuffle(const struct golden *g, struct chance *chance, uint32_t partitions, struct sim_history *out)
{
    static const char key[] = "\"event_time\":";
    struct arrival *arrivals = calloc(g->history.count, sizeof *arrivals);
    int64_t at_ms = 0, log_ms = g->history.events[g->history.count - 1].log_ms;

    cr_assert_not_null(arrivals);
    for (size_t i = 0; i < g->history.count; i++) {
        const char *found = strstr(g->history.events[i].text, key);
        int64_t time_ms;

        if (found != NULL) {
            found += strlen(key);
            found += strspn(found, " \"");
            if (tl_time_from_rfc3339((struct tl_sv){found, strcspn(found, "\"")}, &time_ms))
                at_ms = time_ms + (int64_t)chance_below(chance, (uint32_t)g->shuffle_ms);
        }
        arrivals[i] = (struct arrival){at_ms, i};
    }
    qsort(arrivals, g->history.count, sizeof *arrivals, by_arrival);
    for (size_t i = 0; i < g->history.count; i++)
        sim_add(out, chance_below(chance, partitions), ++log_ms, g->history.events[arrivals[i].index].text);
    if (out->partitions_count < partitions)
        out->partitions_count = partitions;
    free(arrivals);
}

static void run_shuffled(const struct golden *g, struct chance *chance)
{
    for (uint32_t order = 0; order < ORDERS; order++) {
        struct sim_history history = {0};
        struct sim_stream how = {.workers_count = 1 + order % 3,
                                 .seed = (unsigned)chance_u64(chance),
                                 .tick_percent = 40,
                                 .restart_percent = order % 2 ? 40 : 0,
                                 .read_max = 4};
        struct sim_result got;
        char say[80];

        shuffle(g, chance, 1 + order / 2, &history);
        snprintf(say, sizeof say, "shuffled, %u partitions, %u workers", history.partitions_count, how.workers_count);
        sim_stream(g->plan, &history, &how, &got);
        check_speed_rows(g, &got, history.partitions_count == 1, say);
        check_outcomes(g, &got, &g->outcomes, say);
        sim_result_done(&got);
        run_batches(g, &history, false, chance);
        sim_history_done(&history);
    }
}

/* ---- all cases ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct golden_case *)a)->name, ((const struct golden_case *)b)->name);
}

ParameterizedTestParameters(golden, each_way_gives_what_is_wanted)
{
    static struct golden_case cases[CASES_MAX];
    struct dirent *entry;
    size_t count = 0;
    DIR *dir = opendir(FOLDER);

    if (dir == NULL) {
        fprintf(stderr, "golden: %s: %s (tests run in the repository's folder)\n", FOLDER, strerror(errno));
        exit(3);
    }
    while ((entry = readdir(dir)) != NULL && count < CASES_MAX) {
        size_t size = strlen(entry->d_name);

        if (size > 4 && size - 4 < sizeof cases[0].name && strcmp(entry->d_name + size - 4, ".sql") == 0) {
            memcpy(cases[count].name, entry->d_name, size - 4);
            cases[count++].name[size - 4] = 0;
        }
    }
    closedir(dir);
    qsort(cases, count, sizeof *cases, by_name);
    return cr_make_param_array(struct golden_case, cases, count);
}

ParameterizedTest(struct golden_case *c, golden, each_way_gives_what_is_wanted, .timeout = 60)
{
    struct chance chance = chance_open(c->name);
    struct golden g;

    golden_open(&g, c->name);
    run_streams(&g, &chance);
    run_batches(&g, &g.history, g.history.partitions_count == 1, &chance);
    if (g.shuffle_ms > 0)
        run_shuffled(&g, &chance);
    golden_close(&g);
}
