/* kafka_conf.h: Kafka's properties under librdkafka's names: which may be set, which tally owns, and which are Java's.
 *
 * Is:      properties -> a configuration of librdkafka; what is secret in it.
 * Is not:  a connection. */
#ifndef TL_KAFKA_CONF_H
#define TL_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>

#include "base/buf.h"
#include "log/log.h"

enum tl_kafka_role {
    TL_KAFKA_READER,
    TL_KAFKA_ASKER,    /* a reader of one entry at a time, whose other questions are not to wait behind it */
    TL_KAFKA_ONLOOKER, /* sees what is not committed too, and is asked for ends alone */
    TL_KAFKA_WRITER,
    TL_KAFKA_FEEDER /* a writer without transactions, which waits for brokers as long as it takes */
};

/* Copies of the properties, each name once, and what must not be shown of them. */
struct tl_kafka_properties {
    struct tl_log_property *items; /* zero-terminated texts */
    size_t count;
    uint32_t partitions; /* tl_log_spec's */
};

/* Checks every one of them. */
TL_MUST_USE enum tl_code tl_kafka_properties_open(const struct tl_log_spec *spec, struct tl_kafka_properties *out,
                                                  struct tl_err *err);
void tl_kafka_properties_done(struct tl_kafka_properties *properties);
/* NULL: it was not set. */
const char *tl_kafka_property(const struct tl_kafka_properties *properties, const char *name);
/* How long the broker gives a transaction (transaction.timeout.ms). */
int64_t tl_kafka_transaction_ms(const struct tl_kafka_properties *properties);
/* A new configuration: what was set, with tally's defaults below and what tally owns above. */
TL_MUST_USE enum tl_code tl_kafka_conf_make(const struct tl_kafka_properties *properties, enum tl_kafka_role role,
                                            rd_kafka_conf_t **out, struct tl_err *err);
/* How large a batch of messages may be: lower than what was set; as it stands (`otherwise` where that cannot be told). */
TL_MUST_USE enum tl_code tl_kafka_conf_batch_bytes(rd_kafka_conf_t *conf, int64_t bytes, struct tl_err *err);
int64_t tl_kafka_conf_batch_bytes_of(const rd_kafka_conf_t *conf, int64_t otherwise);
/* librdkafka's words about a whole that it does not take, with the values of the properties that they name: they name no file. */
void tl_kafka_name_values(const struct tl_kafka_properties *properties, char *words, size_t words_bytes);
/* Passwords and keys among the values become *** wherever they stand in the text. */
void tl_kafka_hide_secrets(const struct tl_kafka_properties *properties, char *text);

#endif
