/* user_function_rate.c: what it costs that a function comes from a library: the same one built in and of the library, rows a second.
 *
 * bench_user_function_rate LIBRARY.so [ROUNDS]
 *
 * The library is tests/library/rate_functions.c: its functions are the built-in ones statement by statement, and called row by row, where a
 * built-in kernel walks the column. Batches of 4096 rows through tl_expr_eval, the two in turn; the median of the rounds. One line a pair:
 * function=ABS builtin_per_s=... user_per_s=... ratio=... (user's time by built-in time). Results must be the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/expr.h"
#include "core/function.h"

enum { ROWS = 4096, BATCHES = 200, ROUNDS_MAX = 101 };

struct side {
    struct tl_expr expr, slot, *args[1];
    double seconds[ROUNDS_MAX];
    uint64_t sum; /* of the results */
};

/* Of this thread: what else the machine does is not counted. */
static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void side_open(struct side *side, const struct tl_catalog *catalog, const char *name, enum tl_kind kind)
{
    for (; catalog != NULL; catalog = catalog->next)
        for (size_t i = 0; i < catalog->functions_count; i++)
            if (strcmp(catalog->functions[i].name, name) == 0 && catalog->functions[i].args[0] == kind)
                side->expr.function = &catalog->functions[i];
    if (side->expr.function == NULL) {
        fprintf(stderr, "there is no %s\n", name);
        exit(1);
    }
    side->slot = (struct tl_expr){.op = TL_EXPR_SLOT, .kind = kind};
    side->args[0] = &side->slot;
    side->expr.op = TL_EXPR_CALL;
    side->expr.kind = side->expr.function->result;
    side->expr.args = side->args;
    side->expr.args_count = 1;
}

static void side_run(struct side *side, const struct tl_vec *column, struct tl_arena *arena, int round)
{
    static uint32_t rows[ROWS];
    static const char *failed[ROWS];
    struct tl_memories memories = {.count = 0};
    struct tl_eval eval = {
        .slots = column, .slots_count = 1, .rows_count = ROWS, .arena = arena, .failed = failed, .memories = &memories};
    struct tl_vec out;
    double from = now();

    for (uint32_t row = 0; row < ROWS; row++)
        rows[row] = row;
    side->sum = 0;
    for (int batch = 0; batch < BATCHES; batch++) {
        tl_arena_reset(arena);
        if (!tl_expr_eval(&eval, &side->expr, rows, ROWS, &out))
            abort();
        side->sum += (uint64_t)out.i64[batch] * (uint64_t)(batch + 1);
    }
    side->seconds[round] = now() - from;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double rate(struct side *side, int rounds)
{
    qsort(side->seconds, (size_t)rounds, sizeof *side->seconds, by_size);
    return ROWS * (double)BATCHES / side->seconds[rounds / 2];
}

static void compare(const struct tl_catalog *catalog, const char *builtin, const char *user, const struct tl_vec *column,
                    int rounds)
{
    struct side ours = {.sum = 0}, theirs = {.sum = 0};
    struct tl_arena arena;
    double our_rate, their_rate;

    side_open(&ours, catalog, builtin, column->kind);
    side_open(&theirs, catalog, user, column->kind);
    tl_arena_init(&arena, 1u << 20, 0);
    for (int round = 0; round < rounds; round++) {
        side_run(&ours, column, &arena, round);
        side_run(&theirs, column, &arena, round);
    }
    tl_arena_done(&arena);
    if (ours.sum != theirs.sum) {
        fprintf(stderr, "%s and %s differ\n", builtin, user);
        exit(1);
    }
    our_rate = rate(&ours, rounds);
    their_rate = rate(&theirs, rounds);
    printf("function=%s builtin_per_s=%.0f user_per_s=%.0f ratio=%.2f\n", builtin, our_rate, their_rate, our_rate / their_rate);
}

int main(int argc, char **argv)
{
    static const char *const urls[] = {
        "/",           "/shop/cart?id=7", "/style.css?v=2", "/img/logo.png", "/news/2025/03/something-happened",
        "/app.min.js", "/docs/a.b.c/d",   "/fonts/x.woff2"};
    struct tl_function_files files = {.library = argc > 1 ? argv[1] : NULL};
    int rounds = argc > 2 ? atoi(argv[2]) : 15;
    struct tl_functions *functions = NULL;
    struct tl_vec numbers, texts;
    struct tl_arena arena;
    struct tl_err err = {0};

    tl_arena_init(&arena, 1u << 20, 0);
    if (files.library == NULL || rounds < 1 || rounds > ROUNDS_MAX || !tl_vec_alloc(&arena, TL_BIGINT, ROWS, &numbers) ||
        !tl_vec_alloc(&arena, TL_STRING, ROWS, &texts) || tl_functions_open(&files, &functions, &err) != TL_OK) {
        fprintf(stderr, "usage: bench_user_function_rate LIBRARY.so [ROUNDS]\n%s\n", err.message);
        return 1;
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        tl_vec_set(&numbers, row, &(struct tl_value){.kind = TL_BIGINT, .i64 = (int64_t)(row * 2654435761u) - (1 << 30)});
        tl_vec_set(&texts, row,
                   &(struct tl_value){.kind = TL_STRING, .sv = tl_sv_from(urls[(row * 2654435761u >> 8) % TL_COUNT(urls)])});
    }
    compare(tl_functions_catalog(functions), "ABS", "USER_ABS", &numbers, rounds);
    compare(tl_functions_catalog(functions), "IS_FILE_REQUEST", "USER_IS_FILE_REQUEST", &texts, rounds);
    tl_functions_close(functions);
    tl_arena_done(&arena);
    return 0;
}
