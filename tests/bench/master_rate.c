/* master_rate.c: how fast the master record is written, when nothing else is done: a record is read, and its messages are written once
 * more as another topic. Only the writing is timed.
 *
 * bench_master_rate DIR TOPIC [FILE_BYTES]      prints "seconds=1.2345 cpu_seconds=1.2 raw_bytes=123456789 messages=1000000" */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "master/master.h"

static int fail(const struct tl_err *err)
{
    fprintf(stderr, "bench_master_rate: %s\n", err->message);
    return 1;
}

struct rate {
    struct tl_master *master;
    struct tl_master_writer *writer;
    uint64_t raw_bytes, messages, file_bytes;
    int64_t spent_ns, cpu_ns;
};

static int64_t cpu_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum tl_code write_block(struct rate *rate, const struct tl_master_block *block, const struct tl_message *messages,
                                size_t count, struct tl_err *err)
{
    const struct tl_master_facts facts = {.events_count = 1, .time_ms = &block->time_ms_min, .watermark_ms = block->time_ms_min};
    int64_t begin_ns = tl_clock_monotonic_ns(), cpu_begin_ns = cpu_now_ns();
    enum tl_code rc = TL_OK;

    if (rate->writer == NULL)
        TL_TRY(tl_master_writer_open(rate->master, TL_SV("bench.again"), 0, 1, &rate->writer, err));
    for (size_t i = 0; i < count; i++) {
        TL_TRY(tl_master_writer_add(rate->writer, &messages[i], &facts, err));
        rate->raw_bytes += messages[i].value.size;
    }
    rate->messages += count;
    if (tl_master_writer_raw_bytes(rate->writer) >= rate->file_bytes) {
        struct tl_master_writer *writer = rate->writer;

        rate->writer = NULL;
        TL_TRY(tl_master_writer_finish(writer, err));
    }
out:
    rate->spent_ns += tl_clock_monotonic_ns() - begin_ns;
    rate->cpu_ns += cpu_now_ns() - cpu_begin_ns;
    return rc;
}

static enum tl_code write_again(struct rate *rate, struct tl_master_reader *reader, const char *topic, struct tl_err *err)
{
    const struct tl_master_file *files;
    size_t files_count;
    enum tl_code rc;

    TL_TRY(tl_master_list(rate->master, tl_sv_from(topic), &files, &files_count, err));
    for (size_t f = 0; f < files_count; f++)
        for (uint32_t b = 0; b < files[f].blocks_count; b++) {
            const struct tl_message *messages;
            size_t count;

            TL_TRY(tl_master_read_block(reader, &files[f], b, &messages, &count, err));
            TL_TRY(write_block(rate, &files[f].blocks[b], messages, count, err));
        }
    if (rate->writer != NULL) {
        int64_t begin_ns = tl_clock_monotonic_ns();

        TL_TRY(tl_master_writer_finish(rate->writer, err));
        rate->spent_ns += tl_clock_monotonic_ns() - begin_ns;
    }
out:
    return rc;
}

int main(int argc, char **argv)
{
    struct rate rate = {.file_bytes = 256 << 20};
    struct tl_master_reader *reader = NULL;
    struct tl_err err;

    if (argc < 3) {
        fprintf(stderr, "bench_master_rate DIR TOPIC [FILE_BYTES]\n");
        return 2;
    }
    if (argc > 3)
        rate.file_bytes = strtoull(argv[3], NULL, 10);
    if (tl_master_open(argv[1], &rate.master, &err) != TL_OK || tl_master_reader_open(&reader, &err) != TL_OK ||
        write_again(&rate, reader, argv[2], &err) != TL_OK)
        return fail(&err);
    printf("seconds=%.4f cpu_seconds=%.4f raw_bytes=%" PRIu64 " messages=%" PRIu64 "\n", (double)rate.spent_ns / 1e9,
           (double)rate.cpu_ns / 1e9, rate.raw_bytes, rate.messages);
    tl_master_reader_close(reader);
    tl_master_close(rate.master);
    return 0;
}
