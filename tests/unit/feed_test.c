/* feed_test.c: messages of many partitions come in the order in which duplicates are judged, each once, whoever unpacks their blocks when; and
 * nobody who could unpack a block waits for one that another unpacks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch_layer/input.h"
#include "event/partition.h"
#include "support/chance.h"
#include "support/run.h"

enum { PARTITIONS_MAX = 40, MESSAGES = 6000, HELD_MAX = 4, AHEAD = 2 /* feed.c */, PAD = 600 };

static char dir[RUN_DIR_BYTES];
static struct tl_err err;

static void folder_open(void)
{
    run_folder_make(dir);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(feed, .init = folder_open, .fini = folder_close, .timeout = 60);

#define OK(call) cr_assert_eq((call), TL_OK, "%s", err.message)

struct entry {
    uint32_t partition;
    int64_t offset, log_ms;
};

static struct entry entries[MESSAGES];

/* In turn, or at random, or all but one in one partition. Log timestamps go forward, now and then a step back. */
static void write_record(struct tl_master *master, struct chance *chance, uint32_t partitions)
{
    struct tl_master_writer *writers[PARTITIONS_MAX] = {NULL};
    int64_t offsets[PARTITIONS_MAX] = {0};
    uint32_t deal = chance_below(chance, 3);
    static char line[PAD + 100];

    for (uint32_t p = 0; p < partitions; p++)
        OK(tl_master_writer_open(master, TL_SV("events"), p, 1, &writers[p], &err));
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t p = deal == 0     ? i % partitions
                     : deal == 1   ? chance_below(chance, partitions)
                     : i % 50 == 0 ? i / 50 % partitions
                                   : 0;
        int64_t log_ms = i / 3 - (chance_below(chance, 20) == 0 ? chance_below(chance, 500) : 0), time_ms = 0;
        struct tl_master_facts facts = {.events_count = 1, .time_ms = &time_ms, .watermark_ms = INT64_MIN};

        entries[i] = (struct entry){p, offsets[p], log_ms};
        snprintf(line, sizeof line, "{\"i\": %u, \"pad\": \"%0*u\"}", i, PAD, i);
        OK(tl_master_writer_add(
            writers[p], &(struct tl_message){.offset = offsets[p]++, .log_ms = log_ms, .value = tl_sv_from(line)}, &facts, &err));
    }
    for (uint32_t p = 0; p < partitions; p++)
        OK(tl_master_writer_finish(writers[p], &err));
}

/* What the feed's header says, done the long way: of all partitions' next messages the first. */
static void want_order(uint32_t partitions, struct entry *want)
{
    static struct entry by_partition[PARTITIONS_MAX][MESSAGES];
    uint32_t counts[PARTITIONS_MAX] = {0}, at[PARTITIONS_MAX] = {0};

    for (uint32_t i = 0; i < MESSAGES; i++)
        by_partition[entries[i].partition][counts[entries[i].partition]++] = entries[i];
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t first = UINT32_MAX;

        for (uint32_t p = 0; p < partitions; p++) {
            if (at[p] == counts[p])
                continue;
            if (first == UINT32_MAX || by_partition[p][at[p]].log_ms < by_partition[first][at[first]].log_ms)
                first = p;
        }
        want[i] = by_partition[first][at[first]++];
    }
}

static void input_make(struct tl_master *master, struct tl_input *input, struct tl_input_partition *partitions)
{
    static struct tl_input_file files[PARTITIONS_MAX];
    static struct tl_input_times times[PARTITIONS_MAX][MESSAGES];
    const struct tl_master_file *found;
    size_t count;

    OK(tl_master_list(master, TL_SV("events"), &found, &count, &err));
    for (size_t f = 0; f < count; f++) {
        cr_assert_leq(found[f].blocks_count, MESSAGES);
        files[f] = (struct tl_input_file){.file = &found[f], .blocks = times[f]};
        partitions[f] = (struct tl_input_partition){.partition = found[f].partition, .files = &files[f], .files_count = 1};
    }
    *input = (struct tl_input){.partitions = partitions, .partitions_count = (uint32_t)count};
}

/* Hands in up to HELD_MAX claimed blocks in an order of its own, as several threads do. */
static void read_all(const struct tl_input *input, struct chance *chance, const struct entry *want)
{
    struct tl_feed_block *held[HELD_MAX], *block;
    struct tl_feed *feed = NULL;
    struct tl_chunk chunks[2] = {0};
    uint32_t held_count = 0, seen = 0, turn = 0;
    bool ended = false;

    OK(tl_input_feed(input, 0, 1, &feed, &err));
    while (!ended) {
        struct tl_chunk *chunk = &chunks[turn++ % 2];

        block = NULL;
        if (held_count < HELD_MAX)
            OK(tl_feed_claim(feed, &block, &err));
        if (block != NULL) {
            held[held_count++] = block;
            if (chance_below(chance, 2) == 0)
                continue;
        }
        if (held_count > 0) {
            uint32_t one = chance_below(chance, held_count);

            OK(tl_feed_unpack(held[one], &err));
            tl_feed_unpacked(feed, held[one]);
            held[one] = held[--held_count];
        }
        if (!tl_feed_ready(feed))
            continue;
        tl_feed_release(feed, chunk);
        OK(tl_feed_next(feed, chunk, &err));
        ended = chunk->count == 0;
        for (size_t i = 0; i < chunk->count; i++, seen++) {
            cr_assert_lt(seen, MESSAGES);
            cr_assert_eq(chunk->partitions[i], want[seen].partition, "message %u", seen);
            cr_assert_eq(chunk->messages[i].offset, want[seen].offset, "message %u", seen);
        }
    }
    cr_assert_eq(seen, MESSAGES);
    for (int c = 0; c < 2; c++) {
        tl_feed_release(feed, &chunks[c]);
        tl_chunk_done(&chunks[c]);
    }
    tl_feed_close(feed);
}

Test(feed, messages_come_in_order_from_one_partition_and_from_many)
{
    const uint32_t partitions[] = {1, 2, 3, 7, PARTITIONS_MAX};
    struct chance chance = chance_open("feed");
    static struct entry want[MESSAGES];

    for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++) {
        struct tl_input_partition parts[PARTITIONS_MAX];
        struct tl_master *master = NULL;
        struct tl_input input;

        OK(tl_master_open(dir, &master, &err));
        write_record(master, &chance, partitions[i]);
        want_order(partitions[i], want);
        input_make(master, &input, parts);
        read_all(&input, &chance, want);
        tl_master_close(master);
        folder_close();
        folder_open();
    }
}

/* As many threads as come, each with a block, before the first is done with its own; and they are done in the other order. */
Test(feed, the_next_block_of_each_partition_and_two_more_are_unpacked_at_once)
{
    const uint32_t partitions[] = {1, 3};
    struct chance chance = chance_open("feed");

    for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++) {
        struct tl_input_partition parts[PARTITIONS_MAX];
        struct tl_feed_block *held[PARTITIONS_MAX], *block;
        struct tl_chunk chunk = {0};
        struct tl_master *master = NULL;
        struct tl_feed *feed = NULL;
        struct tl_input input;
        uint32_t count = 0;
        size_t messages;

        OK(tl_master_open(dir, &master, &err));
        write_record(master, &chance, partitions[i]);
        input_make(master, &input, parts);
        OK(tl_input_feed(&input, 0, 1, &feed, &err));
        do {
            OK(tl_feed_claim(feed, &block, &err));
            held[count] = block;
            count += block != NULL;
        } while (block != NULL);
        cr_assert_eq(count, partitions[i] + AHEAD);
        while (count > 0) {
            cr_assert_not(tl_feed_ready(feed));
            OK(tl_feed_unpack(held[--count], &err));
            tl_feed_unpacked(feed, held[count]);
        }
        cr_assert(tl_feed_ready(feed));
        OK(tl_feed_claim(feed, &block, &err));
        cr_assert_null(block, "there are no more before some are read");
        do {
            OK(tl_feed_next(feed, &chunk, &err));
            messages = chunk.count;
            tl_feed_release(feed, &chunk);
        } while (tl_feed_ready(feed) && messages > 0);
        OK(tl_feed_claim(feed, &block, &err));
        cr_assert_not_null(block);
        tl_chunk_done(&chunk);
        tl_feed_close(feed);
        tl_master_close(master);
        folder_close();
        folder_open();
    }
}
