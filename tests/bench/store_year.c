/* store_year.c: what a year of windows costs: ticks, reads and publications on a store that has one day of them, and on the same store with a year.
 *
 * bench_store_year URL [DAYS]
 *
 * The view of store_rate.c: windows of 5 minutes for 20 hosts, 5,760 rows a day. Speed has all days (nothing was pruned), batch has published each but the last in
 * a run of its own; an hour of ticks' event ids stands beside them. The newest day is the same in both, so what is asked for has as many rows. The
 * store must be a new one. Prints a line for each thing: the median with a day, with DAYS of them (365), and the ratio. */
#include "base/arena.h"
#include "event/timestamp.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOSTS = 20, WINDOWS = 288, DAY_ROWS = HOSTS * WINDOWS, TIMES = 51, IDS_BYTES = 1600, BLOBS = 18000 };
#define NEWEST_MS INT64_C(1772323200000) /* the last day begins */
#define WINDOW_MS INT64_C(300000)

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static const struct tl_shape_column columns[] = {
    {{"window_start", 12}, TL_TIMESTAMP, TL_ROLE_WINDOW_START},
    {{"window_end", 10},   TL_TIMESTAMP, TL_ROLE_WINDOW_END  },
    {{"host", 4},          TL_STRING,    TL_ROLE_KEY         },
    {{"num_hits", 8},      TL_BIGINT,    TL_ROLE_VALUE       },
};
static const struct tl_shape shape = {
    .view = {"hits",     4},
    .hash = "0123456789abcdef0123456789abcdef",
    .comment = {"hits",     4},
    .normalised = {"SELECT 1", 8},
    .topic = {"events",   6},
    .windowed = true,
    .columns = columns,
    .columns_count = TL_COUNT(columns)
};

static struct rows {
    int64_t start_ms[DAY_ROWS], end_ms[DAY_ROWS], hits[DAY_ROWS];
    struct tl_sv key[DAY_ROWS], acc[DAY_ROWS], host[DAY_ROWS];
    uint8_t null[DAY_ROWS];
    char hosts[DAY_ROWS][32], accs[DAY_ROWS][16];
    struct tl_vec vecs[4];
} all;

static struct tl_rows fill(int64_t day_ms, uint32_t first_window, uint32_t windows)
{
    struct rows *r = &all;
    uint32_t count = windows * HOSTS;

    for (uint32_t i = 0; i < count; i++) {
        int size = snprintf(r->hosts[i], sizeof r->hosts[i], "host-%03d.example.org", (int)(i % HOSTS));

        r->start_ms[i] = day_ms + (first_window + i / HOSTS) * WINDOW_MS;
        r->end_ms[i] = r->start_ms[i] + WINDOW_MS;
        r->host[i] = (struct tl_sv){r->hosts[i], (size_t)size};
        r->key[i] = (struct tl_sv){r->hosts[i], (size_t)size + 1};
        r->hits[i]++;
        r->acc[i] = (struct tl_sv){r->accs[i], sizeof r->accs[i]};
    }
    r->vecs[0] = (struct tl_vec){.kind = TL_TIMESTAMP, .null = r->null, .i64 = r->start_ms};
    r->vecs[1] = (struct tl_vec){.kind = TL_TIMESTAMP, .null = r->null, .i64 = r->end_ms};
    r->vecs[2] = (struct tl_vec){.kind = TL_STRING, .null = r->null, .sv = r->host};
    r->vecs[3] = (struct tl_vec){.kind = TL_BIGINT, .null = r->null, .i64 = r->hits};
    return (struct tl_rows){
        .count = count, .start_ms = r->start_ms, .end_ms = r->end_ms, .key = r->key, .accumulators = r->acc, .columns = r->vecs};
}

struct bench {
    struct tl_store *store;
    int64_t id, epoch, offset, run;
    uint64_t rows_seen;
};

/* ---- filling ---- */

static enum tl_code put_day(struct bench *b, int64_t day_ms, struct tl_err *err)
{
    struct tl_rows rows = fill(day_ms, 0, WINDOWS);
    int64_t change;
    enum tl_code rc;

    TL_TRY(tl_store_begin_tick(b->store, b->epoch, &change, err));
    TL_TRY(tl_store_put_speed_rows(b->store, b->id, &rows, change, err));
    TL_TRY(tl_store_commit(b->store, err));
out:
    return rc;
}

static enum tl_code stage_day(struct bench *b, int64_t day_ms, struct tl_err *err)
{
    struct tl_rows rows = fill(day_ms, 0, WINDOWS);
    struct tl_run_range range = {.from_ms = day_ms, .to_ms = day_ms + TL_DAY_MS, .rows_count = rows.count};
    enum tl_code rc;

    TL_TRY(tl_store_run_begin(b->store, "bench", TL_SV(""), 0, &b->run, err));
    range.run = b->run;
    TL_TRY(tl_store_begin(b->store, err));
    TL_TRY(tl_store_stage_rows(b->store, b->run, b->id, &rows, err));
    TL_TRY(tl_store_stage_range(b->store, b->id, &range, err));
    TL_TRY(tl_store_commit(b->store, err));
out:
    return rc;
}

static enum tl_code put_ids(struct bench *b, struct tl_err *err)
{
    static const char ids[IDS_BYTES];
    int64_t change;
    enum tl_code rc;

    TL_TRY(tl_store_begin_tick(b->store, b->epoch, &change, err));
    for (int i = 0; i < BLOBS; i++) {
        b->offset++;
        TL_TRY(tl_store_put_dedup(b->store, 0, TL_SV("events"), 0, b->offset, b->offset, (struct tl_sv){ids, sizeof ids}, err));
    }
    TL_TRY(tl_store_commit(b->store, err));
out:
    return rc;
}

/* ---- what is measured ---- */

static enum tl_code tick(struct bench *b, struct tl_err *err)
{
    static const char ids[IDS_BYTES];
    struct tl_rows rows = fill(NEWEST_MS, WINDOWS - 1, 1);
    struct tl_position position = {.next_offset = ++b->offset};
    uint64_t counts[TL_OUTCOMES] = {[TL_OUT_COUNTED] = 100};
    int64_t change;
    enum tl_code rc;

    TL_TRY(tl_store_begin_tick(b->store, b->epoch, &change, err));
    TL_TRY(tl_store_put_speed_rows(b->store, b->id, &rows, change, err));
    TL_TRY(tl_store_add_outcomes(b->store, b->id, counts, err));
    TL_TRY(tl_store_put_final(b->store, b->id, NEWEST_MS + (WINDOWS - 1) * WINDOW_MS + b->offset, err));
    TL_TRY(tl_store_put_position(b->store, b->id, &position, err));
    TL_TRY(tl_store_put_dedup(b->store, 0, TL_SV("events"), 0, b->offset, b->offset, (struct tl_sv){ids, sizeof ids}, err));
    TL_TRY(tl_store_commit(b->store, err));
out:
    return rc;
}

/* What a tick does once in a while. */
static enum tl_code drop_ids(struct bench *b, struct tl_err *err)
{
    int64_t change;
    enum tl_code rc;

    TL_TRY(tl_store_begin_tick(b->store, b->epoch, &change, err));
    TL_TRY(tl_store_drop_dedup(b->store, 0, TL_SV("events"), 0, b->offset - BLOBS, err));
    TL_TRY(tl_store_commit(b->store, err));
out:
    return rc;
}

static enum tl_code see_columns(void *ctx, const struct tl_shape_column *seen, size_t count, struct tl_err *err)
{
    (void)ctx, (void)seen, (void)count, (void)err;
    return TL_OK;
}

static enum tl_code see_values(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    (void)values, (void)count, (void)err;
    ((struct bench *)ctx)->rows_seen++;
    return TL_OK;
}

static enum tl_code query(struct bench *b, int64_t from_ms, int64_t to_ms, uint64_t want, struct tl_err *err)
{
    const struct tl_query day = {
        .view = TL_SV("hits"), .layer = TL_LAYER_MERGED, .from_ms = from_ms, .to_ms = to_ms, .limit = -1};
    enum tl_code rc;

    b->rows_seen = 0;
    TL_TRY(tl_store_query(b->store, &day, see_columns, see_values, b, err));
    if (b->rows_seen != want)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "the view has %llu rows of a day", (unsigned long long)b->rows_seen));
out:
    return rc;
}

static enum tl_code read_speed_day(struct bench *b, struct tl_err *err)
{
    return query(b, NEWEST_MS, NEWEST_MS + TL_DAY_MS, DAY_ROWS, err);
}

static enum tl_code read_batch_day(struct bench *b, struct tl_err *err)
{
    return query(b, NEWEST_MS - TL_DAY_MS, NEWEST_MS, DAY_ROWS, err);
}

static enum tl_code see_row(void *ctx, const struct tl_stored_row *row, struct tl_err *err)
{
    (void)row, (void)err;
    ((struct bench *)ctx)->rows_seen++;
    return TL_OK;
}

static enum tl_code see_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    (void)ctx, (void)position, (void)err;
    return TL_OK;
}

/* What speed reads when it starts: the open rows. */
static enum tl_code start(struct bench *b, struct tl_err *err)
{
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_store_rows(b->store, b->id, TL_LAYER_SPEED, NEWEST_MS + (WINDOWS - 1) * WINDOW_MS, INT64_MAX, see_row, b, err));
    TL_TRY(tl_store_positions(b->store, b->id, see_position, NULL, &identity, err));
out:
    return rc;
}

static enum tl_code status(struct bench *b, struct tl_err *err)
{
    uint64_t counts[TL_OUTCOMES], causes[TL_CAUSES], identity;
    const struct tl_definition *list;
    size_t count;
    enum tl_code rc;

    TL_TRY(tl_store_begin_read(b->store, err));
    TL_TRY(tl_store_definitions(b->store, &list, &count, err));
    TL_TRY(tl_store_positions(b->store, b->id, see_position, NULL, &identity, err));
    TL_TRY(tl_store_outcomes(b->store, b->id, 0, counts, err));
    TL_TRY(tl_store_outcomes(b->store, b->id, -1, counts, err));
    TL_TRY(tl_store_ledger_counts(b->store, b->id, 0, causes, err));
out:
    tl_store_rollback(b->store);
    return rc;
}

static enum tl_code stage(struct bench *b, struct tl_err *err)
{
    return stage_day(b, NEWEST_MS - TL_DAY_MS, err);
}

static enum tl_code publish(struct bench *b, struct tl_err *err)
{
    return tl_store_publish(b->store, b->run, 1, err);
}

static enum tl_code prune(struct bench *b, struct tl_err *err)
{
    return tl_store_prune_speed(b->store, b->id, 0, err);
}

/* ---- */

static const struct {
    const char *name;
    enum tl_code (*does)(struct bench *b, struct tl_err *err);
    int times;
} things[] = {
    {"tick of 20 rows",            tick,           TIMES},
    {"ids that are too old",       drop_ids,       TIMES},
    {"a day of the view, speed's", read_speed_day, TIMES},
    {"a day of the view, batch's", read_batch_day, TIMES},
    {"speed starts",               start,          TIMES},
    {"status",                     status,         TIMES},
    {"a day is staged",            stage,          1    },
    {"a day is published",         publish,        1    },
    {"nothing to prune",           prune,          5    },
};

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

/* Staging and publishing go together: both once a round, nine rounds. */
static enum tl_code measure(struct bench *b, double medians[TL_COUNT(things)], struct tl_err *err)
{
    static double took[TL_COUNT(things)][9 * TIMES];
    size_t counts[TL_COUNT(things)] = {0};
    enum tl_code rc = TL_OK;

    for (int round = 0; round < 9; round++)
        for (size_t i = 0; i < TL_COUNT(things); i++)
            for (int n = 0; n < (things[i].times + 8) / 9; n++) {
                double begun = now_ms();

                TL_TRY(things[i].does(b, err));
                took[i][counts[i]++] = now_ms() - begun;
            }
    for (size_t i = 0; i < TL_COUNT(things); i++) {
        qsort(took[i], counts[i], sizeof took[i][0], by_size);
        medians[i] = took[i][counts[i] / 2];
    }
out:
    return rc;
}

static enum tl_code fill_days(struct bench *b, int days, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (int day = days - 1; day >= 2; day--) {
        TL_TRY(put_day(b, NEWEST_MS - day * TL_DAY_MS, err));
        TL_TRY(stage_day(b, NEWEST_MS - day * TL_DAY_MS, err));
        TL_TRY(tl_store_publish(b->store, b->run, 1, err));
    }
    TL_TRY(put_ids(b, err));
out:
    return rc;
}

int main(int argc, char **argv)
{
    int days = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 365;
    double with_day[TL_COUNT(things)], with_year[TL_COUNT(things)];
    struct bench b = {0};
    struct tl_epoch epoch = {0};
    struct tl_err err = {.message = ""};
    enum tl_code rc;

    if (argc < 2 || argc > 3 || days < 2) {
        fputs("usage: bench_store_year URL [DAYS]\n", stderr);
        return 2;
    }
    TL_TRY(tl_store_open(argv[1], TL_STORE_WRITE, &b.store, &err));
    TL_TRY(tl_store_define(b.store, &shape, &b.id, &err));
    TL_TRY(tl_store_take_epoch(b.store, "bench", NULL, &epoch, &err));
    b.epoch = epoch.epoch;
    TL_TRY(put_day(&b, NEWEST_MS - TL_DAY_MS, &err));
    TL_TRY(put_day(&b, NEWEST_MS, &err));
    TL_TRY(measure(&b, with_day, &err));
    TL_TRY(fill_days(&b, days, &err));
    TL_TRY(measure(&b, with_year, &err));
    for (size_t i = 0; i < TL_COUNT(things); i++)
        printf("%-28s day %8.3f ms  %d days %8.3f ms  ratio %.2f\n", things[i].name, with_day[i], days, with_year[i],
               with_year[i] / with_day[i]);
out:
    if (rc != TL_OK)
        fprintf(stderr, "bench_store_year: %s\n", err.message);
    tl_store_close(b.store);
    return tl_exit_status(rc);
}
