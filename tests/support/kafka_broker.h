/* kafka_broker.h: the broker that `make kafka` has started, as tests reach it. */
#ifndef TL_TEST_KAFKA_BROKER_H
#define TL_TEST_KAFKA_BROKER_H

#include "log/log.h"

enum kafka_listener { KAFKA_PLAIN, KAFKA_TLS, KAFKA_SASL_PLAIN, KAFKA_SASL_SCRAM_256, KAFKA_SASL_SCRAM_512 };

/* How to get in there by right means. Lives until the next call of this listener. */
struct tl_log_spec *kafka_spec(enum kafka_listener listener);
/* The same with further properties, name after value, ended by NULL: the later of two holds. */
struct tl_log_spec *kafka_spec_with(enum kafka_listener listener, ...);
/* A name that no other test has; lives as long as the process. */
const char *kafka_topic(const char *purpose);
/* What the environment says (build/servers.env); fails the test where it does not. */
const char *kafka_env(const char *name);

#endif
