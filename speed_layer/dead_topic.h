/* dead_topic.h: dead letters on their way to a topic of their own ('tally.dead-letter.topic'), beside the store's table.
 *
 * Each is a message: the bytes that could not be taken (the first 64 KiB), as key where they come from ("events/0/42/0": topic, partition,
 * offset, row), and the same with the reason in headers: tally.reason, tally.cause, tally.topic, tally.partition, tally.offset, tally.row,
 * tally.timestamp (of the log, in milliseconds).
 *
 * The table is what counts: it has each letter once, in the tick's transaction. The topic is beside it. A tick waits until
 * its letters are in it, but two seconds at most, and one that is sent again after a failure has the same key. A topic that takes none, for whatever
 * reason, stops no ticks: letters wait in memory for the topic to come back (up to 64 MiB), and what has not been sent when the process ends, has
 * found no room, or is too large for the topic, is in the table alone, which is said.
 *
 * The embedded log keeps neither key nor headers, so nothing is sent there: the table has it all. Runs on: the committer's thread, with one of
 * its own that sends. */
#ifndef TL_DEAD_TOPIC_H
#define TL_DEAD_TOPIC_H

#include "event/batch.h"
#include "main/option.h"
#include "sql/plan.h"

struct tl_dead_topic;

/* Of all sources of the plan. *out is NULL where none has such a topic, or the log is the embedded one. The topics are
 * made where they are not there. `strict`: what waiting does not mend (no rights, no such name) is an error; without it, and where no broker answers
 * within two seconds, they are tried again when there are letters. */
TL_MUST_USE enum tl_code tl_dead_topic_open(const struct tl_common_options *common, const struct tl_plan *plan, bool strict,
                                            struct tl_dead_topic **out, struct tl_err *err);
/* Gives what is still on its way a few seconds, where the topic takes any. NULL is fine. */
void tl_dead_topic_close(struct tl_dead_topic *topic);
/* Takes copies of letters of a partition of the topic `from`. NULL, or a source without such a topic: nothing. */
TL_MUST_USE enum tl_code tl_dead_topic_send(struct tl_dead_topic *topic, uint32_t source, struct tl_sv from, uint32_t partition,
                                            const struct tl_dead *dead, size_t count, struct tl_err *err);
/* At the end of a tick: waits until all of them are in the topic, it shows that it takes none now, or the time is over. NULL is fine. */
void tl_dead_topic_flush(struct tl_dead_topic *topic);

#endif
