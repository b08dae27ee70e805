/* kafka_error.h: what librdkafka and the brokers say, as errors with a setting to look at, and as lines for the operator.
 *
 * Runs on: any thread. librdkafka's threads write log lines; what its connections suffer is remembered here until somebody asks. */
#ifndef TL_KAFKA_ERROR_H
#define TL_KAFKA_ERROR_H

#include <pthread.h>

#include "log/kafka_conf.h"

/* What the connections have suffered since they last worked. */
struct tl_kafka_trouble {
    pthread_mutex_t lock;
    rd_kafka_resp_err_t refused; /* wrong password, certificate; 0: none */
    bool worked;                 /* a broker has answered once: a refusal since then may pass, as nothing of ours has changed */
    char refused_text[320];
    char text[320];                   /* the last that was heard: "connection refused" */
    rd_kafka_resp_err_t of_partition; /* came while a partition's queue was emptied, and is about that partition; 0: nothing */
    const struct tl_kafka_properties *properties;
    int64_t said_ms[8]; /* when a facility last wrote a line, by its hash */
};

void tl_kafka_trouble_init(struct tl_kafka_trouble *trouble, const struct tl_kafka_properties *properties);
void tl_kafka_trouble_done(struct tl_kafka_trouble *trouble);
/* A broker has answered: what was suffered before is over. */
void tl_kafka_trouble_clear(struct tl_kafka_trouble *trouble);
/* A connection has failed: librdkafka's code and words. */
void tl_kafka_trouble_hear(struct tl_kafka_trouble *trouble, rd_kafka_resp_err_t code, const char *reason);
/* Takes log lines and connection errors from handles made of the configuration; its opaque becomes the trouble. */
void tl_kafka_trouble_listen(struct tl_kafka_trouble *trouble, rd_kafka_conf_t *conf);
/* What came of a partition since this was last asked; 0: nothing. */
rd_kafka_resp_err_t tl_kafka_trouble_take(struct tl_kafka_trouble *trouble);
/* Some connection has failed since one last worked. */
bool tl_kafka_heard_failure(struct tl_kafka_trouble *trouble);
/* The brokers refuse who we say we are (or we them): fills *err, retriable once one of them has answered. */
bool tl_kafka_refused(struct tl_kafka_trouble *trouble, const char *doing, struct tl_err *err);
/* What one handle has found out holds for another one with the same properties. */
void tl_kafka_trouble_inherit(struct tl_kafka_trouble *trouble, struct tl_kafka_trouble *from);
/* They refuse, and none of them has ever answered: waiting does not help. */
bool tl_kafka_turned_away(struct tl_kafka_trouble *trouble);

/* `doing`: "topic events". `words` may be NULL: librdkafka's for the code. The code of the result: see log.h. */
enum tl_code tl_kafka_fail(struct tl_kafka_trouble *trouble, rd_kafka_resp_err_t code, const char *words, const char *doing,
                           struct tl_err *err);

#endif
