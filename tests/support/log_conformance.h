/* log_conformance.h: what every implementation of the log must do, as checks that take an opener. */
#ifndef TL_TEST_LOG_CONFORMANCE_H
#define TL_TEST_LOG_CONFORMANCE_H

#include "log/log.h"

struct log_under_test {
    void *ctx;
    const char *topic; /* the one that each check makes and fills; <topic>-other must be free too */
    /* How many offsets an append takes in each partition that it goes to, beside those of its entries: Kafka's marker of a commit. */
    int64_t marker;
    /* A further handle on the same log. */
    enum tl_code (*open)(void *ctx, enum tl_log_mode mode, struct tl_log **out, struct tl_err *err);
    /* Removes one entry from the middle, as a compacted topic has it. NULL: cannot be done. */
    void (*make_gap)(void *ctx, const char *topic, uint32_t partition, int64_t offset);
};

struct log_check {
    char name[60];
    void (*run)(const struct log_under_test *under_test);
};

/* Each wants a log of its own, still empty. */
extern const struct log_check log_checks[];
extern const size_t log_checks_count;

#endif
