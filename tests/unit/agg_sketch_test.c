/* agg_sketch_test.c: APPROX_COUNT_DISTINCT: DataSketches' coupons, registers and bytes, its error and its memory. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/agg_sketch.h"
#include "support/agg_run.h"

enum { HLL_BYTES = 40 + (1 << 14) };

static void add_range(struct tl_sketch *sketch, uint64_t first, uint64_t count, struct tl_arena *arena)
{
    for (uint64_t i = 0; i < count; i++)
        cr_assert(tl_sketch_add_word(sketch, first + i, arena));
}

static void check_bytes(const struct tl_sketch *sketch, const uint8_t *want, size_t size)
{
    struct tl_buf bytes;

    tl_buf_init(&bytes, 0);
    tl_sketch_save(sketch, &bytes);
    cr_assert_eq(bytes.size, size);
    cr_assert_arr_eq((const uint8_t *)bytes.data, want, size);
    tl_buf_done(&bytes);
}

/* What DataSketches 5 (PyPI) gives for the same values, its coupons put in order. */
Test(agg_sketch, known_answers)
{
    static const uint8_t of_nothing[] = {2, 1, 7, 14, 3, 12, 0, 8};
    static const uint8_t of_1_2_3[] = {2,    1,    7,    14,   3,    8,    3,    8,    0x2b, 0xf2,
                                       0xfb, 0x06, 0x75, 0x81, 0x66, 0x07, 0x86, 0x2f, 0xf9, 0x0d};
    static const uint8_t of_others[] = {2,    1,    7,    14,   3,    8,    3,    8,    0xaa, 0xc1,
                                        0x35, 0x04, 0xc0, 0xdc, 0x90, 0x08, 0x22, 0x82, 0x2a, 0x14};
    const double real = 1.5;
    uint64_t bits;
    struct tl_sketch sketch = {.count = 0}, others = {.count = 0};
    struct tl_arena arena;

    tl_arena_init(&arena, 4096, 0);
    check_bytes(&sketch, of_nothing, sizeof of_nothing);
    cr_assert_eq(tl_sketch_estimate(&sketch), 0);
    add_range(&sketch, 1, 3, &arena);
    add_range(&sketch, 1, 3, &arena);
    check_bytes(&sketch, of_1_2_3, sizeof of_1_2_3);
    memcpy(&bits, &real, sizeof bits);
    cr_assert(tl_sketch_add(&others, TL_SV("hello"), &arena) && tl_sketch_add_word(&others, bits, &arena) &&
              tl_sketch_add(&others, TL_SV("a longer text of more than sixteen bytes"), &arena));
    check_bytes(&others, of_others, sizeof of_others);
    tl_arena_done(&arena);
}

/* 1 to 100,000: the registers (as a weighted sum) and the sums of their powers, as DataSketches has them. */
Test(agg_sketch, known_registers)
{
    struct tl_sketch sketch = {.count = 0};
    struct tl_arena arena;
    struct tl_buf bytes;
    uint64_t sum = 0;
    double low;

    tl_arena_init(&arena, 4096, 0);
    tl_buf_init(&bytes, 0);
    add_range(&sketch, 1, 100000, &arena);
    tl_sketch_save(&sketch, &bytes);
    cr_assert_eq(bytes.size, HLL_BYTES);
    for (uint32_t i = 0; i < 1 << 14; i++)
        sum += (i + 1) * (uint64_t)(uint8_t)bytes.data[40 + i];
    memcpy(&low, bytes.data + 16, sizeof low);
    cr_assert_eq(sum, UINT64_C(0x1fa65e7d));
    cr_assert_eq(low, 1925.3285102844238);
    cr_assert_eq((uint8_t)bytes.data[32], 25);
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
}

/* Counts on both sides of each mode's end; the estimate is the count while coupons are kept. */
Test(agg_sketch, modes)
{
    static const struct {
        uint64_t count;
        uint8_t mode;
    } want[] = {
        {0,    8 },
        {1,    8 },
        {7,    8 },
        {8,    9 },
        {24,   9 },
        {25,   9 },
        {1536, 9 },
        {1537, 10},
        {5000, 10}
    };
    struct tl_arena arena;
    struct tl_buf bytes;

    tl_arena_init(&arena, 4096, 0);
    tl_buf_init(&bytes, 0);
    for (uint32_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct tl_sketch sketch = {.count = 0}, again = {.count = 0};

        add_range(&sketch, 1, want[i].count, &arena);
        tl_buf_clear(&bytes);
        tl_sketch_save(&sketch, &bytes);
        cr_assert_eq(bytes.data[7], want[i].mode, "%llu values: mode %d", (unsigned long long)want[i].count, bytes.data[7]);
        if (want[i].mode < 10)
            cr_assert_eq(tl_sketch_estimate(&sketch), want[i].count);
        cr_assert_eq(tl_sketch_load(&again, tl_buf_sv(&bytes), &arena), TL_OK);
        cr_assert_eq(tl_sketch_estimate(&again), tl_sketch_estimate(&sketch));
    }
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
}

/* The relative standard deviation over many sketches is what the header says, at each size, and the mean is not off. */
Test(agg_sketch, relative_error)
{
    static const uint64_t counts[] = {1600, 5000, 12000, 20000, 40000, 80000, 200000};
    const uint32_t sketches = 60;
    struct tl_arena arena;
    uint64_t next = 1;

    tl_arena_init(&arena, 1 << 16, 0);
    for (uint32_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        double squares = 0, mean = 0, deviation;

        for (uint32_t i = 0; i < sketches; i++) {
            struct tl_sketch sketch = {.count = 0};
            double error;

            add_range(&sketch, next, counts[c], &arena);
            next += counts[c];
            error = (double)tl_sketch_estimate(&sketch) / (double)counts[c] - 1;
            squares += error * error / sketches;
            mean += error / sketches;
            tl_arena_reset(&arena);
        }
        deviation = sqrt(squares);
        cr_log_info("%llu values: %.3f%% off, %.3f%% on the mean", (unsigned long long)counts[c], 100 * deviation, 100 * mean);
        cr_assert_leq(deviation, 0.01, "%llu values: %.3f%%", (unsigned long long)counts[c], 100 * deviation);
        cr_assert_leq(fabs(mean), 0.004, "%llu values: %.3f%%", (unsigned long long)counts[c], 100 * mean);
    }
    tl_arena_done(&arena);
}

Test(agg_sketch, memory_is_constant)
{
    struct tl_sketch sketch = {.count = 0};
    struct tl_arena arena;

    tl_arena_init(&arena, 1 << 10, 0);
    add_range(&sketch, 1, 1000000, &arena);
    cr_assert_leq(arena.held_bytes, 34000, "%zu bytes", arena.held_bytes);
    tl_arena_done(&arena);
}

/* Parts on both sides of the modes, in any order: the same bytes. */
Test(agg_sketch, any_order_and_grouping)
{
    const enum tl_kind kinds[] = {TL_BIGINT, TL_DOUBLE, TL_STRING};
    struct chance chance = chance_open("agg_sketch");

    for (int round = 0; round < 12; round++) {
        struct tl_agg_call call = {.agg = TL_AGG_APPROX_COUNT_DISTINCT, .kind = TL_BIGINT};
        enum tl_kind kind = kinds[round % 3];
        struct agg_run run;

        agg_run_open(&run, &call, &kind, 1, false, 1000 + chance_below(&chance, 4000));
        for (uint32_t i = 0; i < run.rows_count; i++) {
            uint32_t value = chance_below(&chance, 3000);
            char *text = tl_arena_printf(&run.arena, "%u", value);

            agg_run_put(&run, 0, i,
                        kind == TL_STRING   ? agg_text(text)
                        : kind == TL_DOUBLE ? agg_f64(kind, value / 7.0)
                                            : agg_i64(kind, value));
        }
        agg_run_check_parts(&run, &chance);
        agg_run_close(&run);
    }
}

/* One zero, one NaN; the empty text counts. */
Test(agg_sketch, what_is_the_same_value)
{
    struct tl_agg_call call = {.agg = TL_AGG_APPROX_COUNT_DISTINCT, .kind = TL_BIGINT};
    enum tl_kind real = TL_DOUBLE, text = TL_STRING;
    struct agg_run run;

    agg_run_open(&run, &call, &real, 1, false, 5);
    agg_run_put(&run, 0, 0, agg_f64(real, 0.0));
    agg_run_put(&run, 0, 1, agg_f64(real, -0.0));
    agg_run_put(&run, 0, 2, agg_f64(real, (double)NAN));
    agg_run_put(&run, 0, 3, agg_f64(real, -(double)NAN));
    agg_run_put(&run, 0, 4, agg_null(real));
    cr_assert_eq(agg_run_result(&run).i64, 2);
    agg_run_close(&run);
    agg_run_open(&run, &call, &text, 1, false, 2);
    agg_run_put(&run, 0, 0, agg_text(""));
    agg_run_put(&run, 0, 1, agg_null(text));
    cr_assert_eq(agg_run_result(&run).i64, 1);
    agg_run_close(&run);
}

Test(agg_sketch, broken_bytes)
{
    struct chance chance = chance_open("agg_sketch");
    struct tl_arena arena;
    struct tl_buf bytes;
    uint32_t refused = 0;

    tl_arena_init(&arena, 1 << 16, 0);
    tl_buf_init(&bytes, 0);
    for (int round = 0; round < 300; round++) {
        struct tl_sketch sketch = {.count = 0}, again = {.count = 0};
        size_t at;

        add_range(&sketch, chance_u64(&chance), round % 3 == 0 ? 3 : round % 3 == 1 ? 100 : 3000, &arena);
        tl_buf_clear(&bytes);
        tl_sketch_save(&sketch, &bytes);
        cr_assert_eq(tl_sketch_load(&again, (struct tl_sv){bytes.data, chance_below(&chance, (uint32_t)bytes.size)}, &arena),
                     TL_ERR_CORRUPT);
        at = chance_below(&chance, 2) ? chance_below(&chance, 40 < bytes.size ? 40 : (uint32_t)bytes.size)
                                      : chance_below(&chance, (uint32_t)bytes.size);
        bytes.data[at] ^= (char)(1 << chance_below(&chance, 8));
        again = (struct tl_sketch){.count = 0};
        if (tl_sketch_load(&again, tl_buf_sv(&bytes), &arena) == TL_OK)
            (void)tl_sketch_estimate(&again);
        else
            refused++;
        tl_arena_reset(&arena);
    }
    cr_assert_gt(refused, 100);
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
}

/* DataSketches itself reads our bytes, agrees on the estimate, and goes on with them. TALLY_PYTHON has it (tests/reference/requirements.txt); without
 * that variable, it may be that python3 has. */
Test(agg_sketch, datasketches_reads_it)
{
    const char *given = getenv("TALLY_PYTHON"), *python = given != NULL ? given : "python3";
    static const uint64_t counts[] = {0, 1, 7, 8, 100, 1536, 1537, 5000, 60000, 400000};
    const char *script = "tests/reference/sketch_reference.py";
    char path[] = "/tmp/agg_sketch_test.XXXXXX", command[4300];
    struct tl_arena arena;
    struct tl_buf bytes;
    int file = mkstemp(path), status;
    FILE *in = fdopen(file, "w"), *out;

    cr_assert_not_null(in);
    tl_arena_init(&arena, 1 << 16, 0);
    tl_buf_init(&bytes, 0);
    for (uint32_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct tl_sketch sketch = {.count = 0};

        add_range(&sketch, 1, counts[c], &arena);
        tl_buf_clear(&bytes);
        tl_sketch_save(&sketch, &bytes);
        for (size_t i = 0; i < bytes.size; i++)
            fprintf(in, "%02x", (unsigned)(uint8_t)bytes.data[i]);
        fprintf(in, " 1 %llu\n", (unsigned long long)counts[c] + 1);
    }
    cr_assert_eq(fclose(in), 0);
    snprintf(command, sizeof command, "%s %s < %s 2>&1", python, script, path);
    out = popen(command, "r");
    cr_assert_not_null(out);
    for (uint32_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct tl_sketch sketch = {.count = 0};
        double alone, both, ours;
        char line[256];
        int same;

        if (fgets(line, sizeof line, out) == NULL)
            break;
        cr_assert_eq(sscanf(line, "%lf %lf %d", &alone, &both, &same), 3, "%s", line);
        add_range(&sketch, 1, counts[c], &arena);
        ours = (double)tl_sketch_estimate(&sketch);
        cr_assert_leq(fabs(alone - ours), 0.005 * ours + 0.01, "%llu values: %f here, %f there", (unsigned long long)counts[c],
                      ours, alone);
        cr_assert(same, "%llu values: the union with the same values is another", (unsigned long long)counts[c]);
        cr_assert_leq(fabs(both - alone), 1e-6 * alone + 0.01, "%llu values: %f, then %f", (unsigned long long)counts[c], alone,
                      both);
    }
    status = pclose(out);
    remove(path);
    tl_buf_done(&bytes);
    tl_arena_done(&arena);
    if (given == NULL && WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127))
        cr_skip_test("python3 with datasketches (PyPI) is not here");
    cr_assert_eq(status, 0);
}
