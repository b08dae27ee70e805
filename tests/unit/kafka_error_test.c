/* kafka_error_test.c: which refusals are final. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "log/kafka_error.h"

static struct tl_kafka_properties none;
static struct tl_err err;

struct cut {
    char words[90];
    rd_kafka_resp_err_t code;
    bool refused;
};

ParameterizedTestParameters(kafka_error, cuts)
{
    static struct cut cases[] = {
        {"SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading", RD_KAFKA_RESP_ERR__SSL,            false},
        {"SSL handshake failed: SSL transport error: Broken pipe",                          RD_KAFKA_RESP_ERR__SSL,            false},
        {"SASL PLAIN mechanism handshake failed: Local: Broker transport failure",          RD_KAFKA_RESP_ERR__AUTHENTICATION, false},
        {"SASL authentication error: Authentication failed",                                RD_KAFKA_RESP_ERR__AUTHENTICATION, true },
        {"SSL handshake failed: error:0A000086:SSL routines::certificate verify failed",    RD_KAFKA_RESP_ERR__SSL,            true },
        {"error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",   RD_KAFKA_RESP_ERR__TRANSPORT,      true },
        {"Connect to ipv4#127.0.0.1:9092 failed: Connection refused",                       RD_KAFKA_RESP_ERR__TRANSPORT,      false},
    };

    return cr_make_param_array(struct cut, cases, TL_COUNT(cases));
}

ParameterizedTest(struct cut *c, kafka_error, cuts)
{
    struct tl_kafka_trouble trouble;

    tl_kafka_trouble_init(&trouble, &none);
    tl_kafka_trouble_hear(&trouble, c->code, c->words);
    cr_assert_eq(tl_kafka_refused(&trouble, "topic events", &err), c->refused, "%s", c->words);
    cr_assert_eq(tl_kafka_turned_away(&trouble), c->refused, "%s", c->words);
    tl_kafka_trouble_done(&trouble);
}

/* A transaction that fails while entries are still given to it. */
Test(kafka_error, a_producer_that_is_done_for_is_made_anew)
{
    static const rd_kafka_resp_err_t codes[] = {RD_KAFKA_RESP_ERR__STATE, RD_KAFKA_RESP_ERR__FATAL};
    struct tl_kafka_trouble trouble;

    tl_kafka_trouble_init(&trouble, &none);
    for (size_t i = 0; i < TL_COUNT(codes); i++) {
        cr_expect_eq(tl_kafka_fail(&trouble, codes[i], NULL, "append to topic events", &err), TL_ERR_IO);
        cr_expect(err.retriable, "%s", err.message);
    }
    tl_kafka_trouble_done(&trouble);
}

/* A password that was right a moment ago: a broker that has just started knows nobody yet, or somebody is changing it. */
Test(kafka_error, what_is_refused_after_it_has_worked_may_pass)
{
    struct tl_kafka_trouble trouble;

    tl_kafka_trouble_init(&trouble, &none);
    tl_kafka_trouble_hear(&trouble, RD_KAFKA_RESP_ERR__AUTHENTICATION, "Authentication failed");
    cr_assert(tl_kafka_refused(&trouble, "topic events", &err));
    cr_assert_not(err.retriable, "it has never worked");
    tl_kafka_trouble_clear(&trouble);
    cr_assert_not(tl_kafka_refused(&trouble, "topic events", NULL), "an answer is the end of it");
    tl_kafka_trouble_hear(&trouble, RD_KAFKA_RESP_ERR__AUTHENTICATION, "Authentication failed");
    cr_assert_not(tl_kafka_turned_away(&trouble));
    cr_assert_eq(tl_kafka_fail(&trouble, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, "topic events", &err), TL_ERR_IO);
    cr_assert(err.retriable, "%s", err.message);
    cr_assert_not_null(strstr(err.message, "Authentication failed"), "%s", err.message);
    tl_kafka_trouble_done(&trouble);
}
