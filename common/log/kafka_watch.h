/* kafka_watch.h: asks the brokers how far the partitions reach, beside the thread that reads.
 *
 * Is:      a thread of its own, which asks once a second, and at once when it is told to: the ends for gauges, whether a broker answers at all, and
 *          a nudge.
 * Is not:  a reader.
 *
 * The nudge: librdkafka 2.0.2 stops to fetch when its queue is full, and looks again only after a second or when something else comes from
 * that broker. A queue that lasts for a second at full speed would be of half a gigabyte; an answer to a question of ours is "something else". So a reader whose
 * queue runs low has the watch ask, and 16 MiB are enough.
 * Runs on: a thread of its own; the calls come from the reader's. */
#ifndef TL_KAFKA_WATCH_H
#define TL_KAFKA_WATCH_H

#include "log/kafka_error.h"

struct tl_kafka_watch;

/* Owns nothing of what it is given; it is closed before the reader is. Adds to the eventfd `wake` when it hears what the reader should look at. */
TL_MUST_USE enum tl_code tl_kafka_watch_open(rd_kafka_t *reader, struct tl_kafka_trouble *trouble, int wake,
                                             struct tl_kafka_watch **out, struct tl_err *err);
/* Does not wait for it: who closes several tells all of them first. */
void tl_kafka_watch_stop(struct tl_kafka_watch *watch);
void tl_kafka_watch_close(struct tl_kafka_watch *watch);
TL_MUST_USE enum tl_code tl_kafka_watch_add(struct tl_kafka_watch *watch, const char *topic, uint32_t partition,
                                            struct tl_err *err);
void tl_kafka_watch_remove(struct tl_kafka_watch *watch, const char *topic, uint32_t partition);
/* Ask now. At most once in some milliseconds: false, and cheap, when called more often. */
bool tl_kafka_watch_nudge(struct tl_kafka_watch *watch);
/* The partition's end as its leader said it, and when (monotonic). False: it has said nothing yet. */
bool tl_kafka_watch_end(struct tl_kafka_watch *watch, const char *topic, uint32_t partition, int64_t *end, int64_t *heard_ms);
/* What the last answer said of the partition: that there is no such one, for librdkafka tells a reader late or never. */
rd_kafka_resp_err_t tl_kafka_watch_error(struct tl_kafka_watch *watch, const char *topic, uint32_t partition);
/* The reader got something, so they do. */
void tl_kafka_watch_hear(struct tl_kafka_watch *watch);
/* The brokers have not answered for a while: since when (monotonic), 0: they answer, as far as is known. */
int64_t tl_kafka_watch_silent_since_ms(struct tl_kafka_watch *watch);

#endif
