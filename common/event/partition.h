/* partition.h: the number that a partition has within a table: in rows and their keys, ledger lines, positions and accumulators.
 *
 *   bit 31       set: of the master record's topic "<topic>.import" (events that were imported into the record)
 *   bits 30-16   the topic: 0 where the table names one ('topic'); of a table with 'topic-pattern' what the store calls it (store.h)
 *   bits 15-0    the partition of that topic
 *
 * So a table of one topic has the topic's own numbers, and no two partitions of a table share one. */
#ifndef TL_PARTITION_H
#define TL_PARTITION_H

#include <stdint.h>

#define TL_PARTITION_IMPORTED UINT32_C(0x80000000)

enum { TL_TOPIC_PARTITIONS_MAX = 1 << 16, TL_TOPIC_NUMBER_MAX = 0x7fff };

static inline uint32_t tl_partition_number(uint32_t topic, uint32_t in_topic)
{
    return topic << 16 | in_topic;
}

static inline uint32_t tl_partition_topic(uint32_t partition)
{
    return partition >> 16 & TL_TOPIC_NUMBER_MAX;
}

static inline uint32_t tl_partition_in_topic(uint32_t partition)
{
    return partition & 0xffff;
}

/* That of partition 0 of the same topic on record: all of them share it. */
static inline uint32_t tl_partition_base(uint32_t partition)
{
    return partition & ~UINT32_C(0xffff);
}

/* Which of two messages comes first where their times are equal: by the partition in the topic, then the offset; the topic ends the tie
 * (design.md). Topics are in the order of their numbers, which is that in which they were first seen. Imports come behind all others. */
static inline int tl_partition_order(uint32_t a, int64_t a_offset, uint32_t b, int64_t b_offset)
{
    uint32_t x = a & (TL_PARTITION_IMPORTED | 0xffff), y = b & (TL_PARTITION_IMPORTED | 0xffff);

    if (x != y)
        return x < y ? -1 : 1;
    if (a_offset != b_offset)
        return a_offset < b_offset ? -1 : 1;
    return (a > b) - (a < b);
}

#endif
