/* dead_topic.h: dead letters on their way to a topic of their own ('tally.dead-letter.topic'), beside the store's table.
 *
 * Each is a message: the bytes that could not be taken (the first 64 KiB), as key where they come from ("events/0/42/0": topic, partition,
 * offset, row), and the same with the reason in headers: tally.reason, tally.cause, tally.topic, tally.partition, tally.offset, tally.row,
 * tally.timestamp (of the log, in milliseconds).
 *
 * They are sent before their tick is committed, so none is lost; after a failure between the two they are sent again, with the same key. The
 * embedded log keeps neither key nor headers, so nothing is sent there: the table has it all. Runs on: the committer's thread. */
#ifndef TL_DEAD_TOPIC_H
#define TL_DEAD_TOPIC_H

#include "event/batch.h"
#include "main/option.h"
#include "sql/plan.h"

struct tl_dead_topic;

/* Of all sources of the plan. *out is NULL where none has such a topic, or the log is the embedded one. TL_ERR_NOT_FOUND: the topic is not there. */
TL_MUST_USE enum tl_code tl_dead_topic_open(const struct tl_common_options *common, const struct tl_plan *plan,
                                            struct tl_dead_topic **out, struct tl_err *err);
void tl_dead_topic_close(struct tl_dead_topic *topic); /* NULL is fine */
/* What comes from that partition of the topic `from`, which the source reads. Durable on return. NULL, or a source without a topic for dead
 * letters: nothing. */
TL_MUST_USE enum tl_code tl_dead_topic_send(struct tl_dead_topic *topic, uint32_t source, struct tl_sv from, uint32_t partition,
                                            const struct tl_dead *dead, size_t count, struct tl_err *err);

#endif
