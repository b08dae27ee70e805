/* kafka_raw.h: librdkafka itself, for what other programs do to a topic: transactions that are left open, headers, groups, deletions. */
#ifndef TL_TEST_KAFKA_RAW_H
#define TL_TEST_KAFKA_RAW_H

#include <librdkafka/rdkafka.h>

/* On the plaintext listener; properties as name, value, ..., NULL. */
rd_kafka_t *raw_producer(const char *name, ...);
/* Each fails the test where it does not work. */
void raw_put(rd_kafka_t *producer, const char *topic, const char *key,
             const char *value); /* in the open transaction, or without one */
void raw_flush(rd_kafka_t *producer);
void raw_commit(rd_kafka_t *producer);
void raw_abort(rd_kafka_t *producer);
void raw_delete_topic(const char *topic);
/* "KEY name=value name=value": of the message at that offset of partition 0; good until the next call. */
const char *raw_key_and_headers(const char *topic, int64_t offset);
void raw_create_topic(const char *topic, const char *name, ...); /* of one partition; settings as name, value, ..., NULL */
void raw_commit_offset(const char *group, const char *topic, int64_t offset);
void raw_deny(const char *user, const char *topic, rd_kafka_AclOperation_t operation);
/* Who is allowed something on a topic is allowed nothing else there, and others nothing at all. */
void raw_allow(const char *user, const char *topic, rd_kafka_AclOperation_t operation);

#endif
