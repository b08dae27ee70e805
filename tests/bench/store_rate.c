/* store_rate.c: how many rows a second go into a store: new rows of speed, the same rows once more, staged rows of batch.
 *
 * bench_store_rate URL [ROWS]
 *
 * Rows of a view of four columns (window, host, number), as hits_5m has them, with accumulators of 16 bytes; 1,024 a call, as the core hands them
 * over, and 10,000 a transaction. The store must be a new one. Prints one line. */
#include "base/arena.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALL_ROWS = 1024, TRANSACTION_ROWS = 10000, HOSTS = 500 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
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

struct rows {
    int64_t start_ms[CALL_ROWS], end_ms[CALL_ROWS], hits[CALL_ROWS];
    struct tl_sv key[CALL_ROWS], acc[CALL_ROWS], host[CALL_ROWS];
    uint8_t null[CALL_ROWS];
    char hosts[CALL_ROWS][32], accs[CALL_ROWS][16];
    struct tl_vec vecs[4];
};

static struct tl_rows fill(struct rows *r, int64_t first, uint32_t count, int64_t hits)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t window = (first + i) / HOSTS, host = (first + i) % HOSTS;
        int size = snprintf(r->hosts[i], sizeof r->hosts[i], "host-%03d.example.org", (int)(host * 7 % HOSTS));

        r->start_ms[i] = INT64_C(1740960000000) + window * 300000;
        r->end_ms[i] = r->start_ms[i] + 300000;
        r->host[i] = (struct tl_sv){r->hosts[i], (size_t)size};
        r->key[i] = (struct tl_sv){r->hosts[i], (size_t)size + 1};
        r->hits[i] = hits + host;
        memset(r->accs[i], (int)(hits + host), sizeof r->accs[i]);
        r->acc[i] = (struct tl_sv){r->accs[i], sizeof r->accs[i]};
    }
    r->vecs[0] = (struct tl_vec){.kind = TL_TIMESTAMP, .null = r->null, .i64 = r->start_ms};
    r->vecs[1] = (struct tl_vec){.kind = TL_TIMESTAMP, .null = r->null, .i64 = r->end_ms};
    r->vecs[2] = (struct tl_vec){.kind = TL_STRING, .null = r->null, .sv = r->host};
    r->vecs[3] = (struct tl_vec){.kind = TL_BIGINT, .null = r->null, .i64 = r->hits};
    return (struct tl_rows){
        .count = count, .start_ms = r->start_ms, .end_ms = r->end_ms, .key = r->key, .accumulators = r->acc, .columns = r->vecs};
}

/* run 0: as a tick of speed's writes them. */
static enum tl_code write_rows(struct tl_store *store, int64_t epoch, int64_t run, int64_t id, int64_t rows_count, int64_t hits,
                               double *rate, struct tl_err *err)
{
    static struct rows rows;
    double begin = now_s();
    int64_t change = 0;
    enum tl_code rc = TL_OK;

    for (int64_t at = 0; at < rows_count;) {
        int64_t end = tl_min_i64(at + TRANSACTION_ROWS, rows_count);

        if (run == 0)
            TL_TRY(tl_store_begin_tick(store, epoch, &change, err));
        else
            TL_TRY(tl_store_begin(store, err));
        while (at < end) {
            uint32_t count = (uint32_t)tl_min_i64(end - at, CALL_ROWS);
            struct tl_rows call = fill(&rows, at, count, hits);

            if (run == 0)
                TL_TRY(tl_store_put_speed_rows(store, id, &call, change, err));
            else
                TL_TRY(tl_store_stage_rows(store, run, id, &call, err));
            at += count;
        }
        TL_TRY(tl_store_commit(store, err));
    }
    *rate = (double)rows_count / (now_s() - begin);
out:
    return rc;
}

int main(int argc, char **argv)
{
    int64_t rows_count = argc > 2 ? strtoll(argv[2], NULL, 10) : 200000, id = 0, run = 0;
    struct tl_store *store = NULL;
    struct tl_epoch epoch = {0};
    struct tl_err err = {.message = ""};
    double inserted = 0, updated = 0, staged = 0;
    enum tl_code rc;

    if (argc < 2 || argc > 3 || rows_count < 1) {
        fputs("usage: bench_store_rate URL [ROWS]\n", stderr);
        return 2;
    }
    TL_TRY(tl_store_open(argv[1], TL_STORE_WRITE, &store, &err));
    TL_TRY(tl_store_define(store, &shape, &id, &err));
    TL_TRY(tl_store_take_epoch(store, "bench", NULL, &epoch, &err));
    TL_TRY(tl_store_run_begin(store, "bench", TL_SV(""), 0, &run, &err));
    TL_TRY(write_rows(store, epoch.epoch, 0, id, rows_count, 1, &inserted, &err));
    TL_TRY(write_rows(store, epoch.epoch, 0, id, rows_count, 2, &updated, &err));
    TL_TRY(write_rows(store, epoch.epoch, run, id, rows_count, 3, &staged, &err));
    printf("insert_rows_per_s=%.0f update_rows_per_s=%.0f stage_rows_per_s=%.0f rows=%lld\n", inserted, updated, staged,
           (long long)rows_count);
out:
    if (rc != TL_OK)
        fprintf(stderr, "bench_store_rate: %s\n", err.message);
    tl_store_close(store);
    return tl_exit_status(rc);
}
