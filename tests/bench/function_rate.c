/* function_rate.c: how fast functions are once warm: an expression of a views file over batches of rows, on one thread.
 *
 * bench_function_rate [LOG]
 *
 * LOG is a web log of Apache's combined format, whose user agents are the rows in their order (those of ROWS_MAX lines at
 * most); without it they are made: 500 different ones, few of them most of the time. Each expression of the table below is a
 * view's output and is evaluated by tl_expr_eval() over batches of TL_BATCH_ROWS, the whole log again and again, for half a
 * second a round; the best of ROUNDS counts. Prints a line for each: name, events_per_s; and for PARSE_USER_AGENT what comes
 * before: load_ms, how long the rules take to open, and cold_per_s, different user agents a second when none is known yet. */
#include "core/core.h"
#include "core/expr.h"
#include "core/function.h"
#include "core/user_agent.h"
#include "event/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_MAX = 65536, ROUNDS = 5, MADE = 500 };
#define ROUND_SECONDS 0.5

/* `name` is what run.sh reads. */
static const struct {
    const char *name, *expression;
} functions[] = {
    {"PARSE_USER_AGENT", "PARSE_USER_AGENT(ua)"},
    {"IS_BOT",           "IS_BOT(ua)"          },
};

static struct tl_sv texts[ROWS_MAX];
static uint32_t texts_count;

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("function_rate: out of memory\n", stderr);
        exit(3);
    }
    return memory;
}

static void must_do(enum tl_code rc, const struct tl_err *err)
{
    if (rc != TL_OK) {
        fprintf(stderr, "function_rate: %s\n", err->message);
        exit(3);
    }
}

/* The last text in quotes. */
static void log_read(FILE *log)
{
    char line[16384];

    while (texts_count < ROWS_MAX && fgets(line, sizeof line, log) != NULL) {
        char *end = strrchr(line, '"'), *start;

        if (end == NULL)
            continue;
        *end = '\0';
        start = strrchr(line, '"');
        if (start != NULL)
            texts[texts_count++] = tl_sv_from(must(strdup(start + 1)));
    }
}

static void texts_make(void)
{
    char *made[MADE];
    uint64_t state = 1;

    for (uint32_t i = 0; i < MADE; i++) {
        char text[200];

        snprintf(text, sizeof text,
                 "Mozilla/5.0 (Windows NT %u.%u; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%u.0.%u.%u "
                 "Safari/537.36",
                 6 + i % 5, i % 3, 60 + i % 80, 3000 + i, i % 200);
        made[i] = must(strdup(text));
    }
    for (; texts_count < ROWS_MAX; texts_count++) {
        uint32_t pick;

        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        pick = (uint32_t)(state >> 40) % MADE;
        texts[texts_count] = tl_sv_from(made[pick * pick / MADE]);
    }
}

struct scene {
    struct tl_plan *plan;
    struct tl_memories memories;
    struct tl_arena arena;
    struct tl_vec *slots; /* one column, by batch */
    uint32_t batches_count;
};

static void scene_open(struct scene *s, const struct tl_catalog *catalog, const char *expression)
{
    char sql[500];
    struct tl_err err = {0};
    const struct tl_schema *schema;

    *s = (struct scene){.batches_count = (texts_count + TL_BATCH_ROWS - 1) / TL_BATCH_ROWS};
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (ua STRING, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);\n"
             "CREATE VIEW v AS SELECT %s AS x FROM t",
             expression);
    must_do(tl_plan_parse(tl_sv_from(sql), "function_rate", catalog, &s->plan, &err), &err);
    tl_arena_init(&s->arena, 1 << 20, 0);
    schema = &s->plan->sources[0].schema;
    s->slots = must(calloc((size_t)s->batches_count * schema->fields_count, sizeof *s->slots));
    for (uint32_t b = 0; b < s->batches_count; b++)
        for (uint32_t f = 0; f < schema->fields_count; f++) {
            struct tl_vec *slot = &s->slots[(size_t)b * schema->fields_count + f];

            *slot = (struct tl_vec){.kind = schema->fields[f].kind, .null = must(calloc(TL_BATCH_ROWS, 1))};
            if (slot->kind == TL_STRING)
                slot->sv = &texts[(size_t)b * TL_BATCH_ROWS];
        }
}

static void scene_close(struct scene *s)
{
    for (uint32_t i = 0; i < s->batches_count * s->plan->sources[0].schema.fields_count; i++)
        free(s->slots[i].null);
    free(s->slots);
    tl_memories_done(&s->memories);
    tl_arena_done(&s->arena);
    tl_plan_close(s->plan);
}

/* Once over all rows. */
static void evaluate(struct scene *s)
{
    static uint32_t rows[TL_BATCH_ROWS];
    const uint32_t fields = s->plan->sources[0].schema.fields_count;

    for (uint32_t b = 0; b < s->batches_count; b++) {
        uint32_t count = b + 1 < s->batches_count ? (uint32_t)TL_BATCH_ROWS : texts_count - b * (uint32_t)TL_BATCH_ROWS;
        struct tl_eval eval = {.slots = &s->slots[(size_t)b * fields],
                               .slots_count = fields,
                               .rows_count = count,
                               .arena = &s->arena,
                               .memories = &s->memories};
        struct tl_vec out;

        for (uint32_t i = 0; i < count; i++)
            rows[i] = i;
        tl_arena_reset(&s->arena);
        if (!tl_expr_eval(&eval, s->plan->views[0].outputs[0].expr, rows, count, &out))
            must(NULL);
    }
}

static double warm_rate(struct scene *s)
{
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double start = now_s(), seconds;
        uint64_t events = 0;

        do {
            evaluate(s);
            events += texts_count;
            seconds = now_s() - start;
        } while (seconds < ROUND_SECONDS);
        best = (double)events / seconds > best ? (double)events / seconds : best;
    }
    return best;
}

static int by_text(const void *a, const void *b)
{
    return tl_sv_cmp(*(const struct tl_sv *)a, *(const struct tl_sv *)b);
}

/* Opens the rules and parses each different user agent once. */
static void user_agents_print(void)
{
    struct tl_sv *sorted = must(malloc(texts_count * sizeof *sorted));
    struct tl_user_agent_scratch scratch;
    struct tl_user_agents *agents;
    struct tl_err err = {0};
    double start = now_s(), opened;
    uint32_t different = 0;

    must_do(tl_user_agents_open(TL_USER_AGENTS_PATH, &agents, &err), &err);
    opened = now_s();
    if (!tl_user_agent_scratch_init(&scratch, agents))
        must(NULL);
    memcpy(sorted, texts, texts_count * sizeof *sorted);
    qsort(sorted, texts_count, sizeof *sorted, by_text);
    printf("user_agents load_ms=%.1f", (opened - start) * 1e3);
    start = now_s();
    for (uint32_t i = 0; i < texts_count; i++) {
        struct tl_user_agent agent;

        if (i > 0 && tl_sv_eq(sorted[i], sorted[i - 1]))
            continue;
        if (!tl_user_agent_parse(agents, &scratch, sorted[i], &agent))
            must(NULL);
        different++;
    }
    printf(" different=%u of=%u cold_per_s=%.0f rules_each=%.1f\n", different, texts_count, different / (now_s() - start),
           (double)scratch.rules_run / different);
    tl_user_agent_scratch_done(&scratch);
    tl_user_agents_close(agents);
    free(sorted);
}

int main(int argc, char **argv)
{
    FILE *log = argc > 1 ? fopen(argv[1], "r") : NULL;
    struct tl_function_files files = {0};
    struct tl_functions *known;
    struct tl_err err = {0};

    if (argc > 1 && log == NULL) {
        perror(argv[1]);
        return 3;
    }
    if (log != NULL) {
        log_read(log);
        fclose(log);
    } else {
        texts_make();
    }
    must_do(tl_functions_open(&files, &known, &err), &err);
    user_agents_print();
    for (size_t i = 0; i < TL_COUNT(functions); i++) {
        struct scene s;

        scene_open(&s, tl_functions_catalog(known), functions[i].expression);
        evaluate(&s);
        printf("%s events_per_s=%.0f\n", functions[i].name, warm_rate(&s));
        scene_close(&s);
    }
    tl_functions_close(known);
    return 0;
}
