/* kafka_producer.h: a feed (log.h) of Kafka: an idempotent producer that sends while its owner does something else. Private to common/log.
 *
 * What passes by itself, brokers that are away, leaders that move, librdkafka repeats for as long as it lasts, in order and each message once. So a feed
 * fails where the producer is done for, or a topic is gone or forbidden; then what is under way is waited for a while, and the rest is its owner's to
 * send again. */
#ifndef TL_KAFKA_PRODUCER_H
#define TL_KAFKA_PRODUCER_H

#include "log/log_ops.h"

enum tl_code tl_kafka_op_feed_open(struct tl_log *base, struct tl_sv topic, uint32_t *partitions, int wake,
                                   struct tl_log_feed **out, struct tl_err *err);

#endif
