/* log_kafka_test.c: Kafka as the log, on a real broker (make kafka): the checks for every log, and what only a broker shows. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "log/kafka_handle.h"
#include "support/kafka_broker.h"
#include "support/kafka_raw.h"
#include "support/log_conformance.h"

#define ok(call) cr_assert_eq((call), TL_OK, "%s", err.message)
#define says(text) cr_assert_not_null(strstr(err.message, (text)), "%s", err.message)

static struct tl_err err;

/* ---- the checks for every log ---- */

/* An answer without entries comes at once: nobody waits for the end of a partition. */
static enum tl_code open_kafka(void *ctx, enum tl_log_mode mode, struct tl_log **out, struct tl_err *e)
{
    (void)ctx;
    return tl_log_open(kafka_spec_with(KAFKA_PLAIN, "fetch.wait.max.ms", "10", NULL), mode, out, e);
}

ParameterizedTestParameters(log_kafka, conformance)
{
    static size_t numbers[64];
    size_t count = 0;

    cr_assert_leq(log_checks_count, TL_COUNT(numbers));
    for (size_t i = 0; i < log_checks_count; i++)
        if (strcmp(log_checks[i].name, "gaps are passed over") != 0) /* nobody can take one entry away: below */
            numbers[count++] = i;
    return cr_make_param_array(size_t, numbers, count);
}

ParameterizedTest(size_t *number, log_kafka, conformance, .timeout = 60)
{
    struct log_under_test kafka = {.topic = kafka_topic("conformance"), .marker = 1, .open = open_kafka};

    cr_log_info("%s", log_checks[*number].name);
    log_checks[*number].run(&kafka);
}

/* ---- helpers ---- */

TestSuite(log_kafka, .timeout = 60);

static struct tl_log *opened(const struct tl_log_spec *spec, enum tl_log_mode mode)
{
    struct tl_log *log = NULL;

    ok(tl_log_open(spec, mode, &log, &err));
    return log;
}

static void put(struct tl_log *log, const char *topic, const char *value)
{
    const struct tl_log_record record = {.partition = 0, .log_ms = INT64_MIN, .value = tl_sv_from(value)};

    ok(tl_log_append(log, tl_sv_from(topic), &record, 1, NULL, &err));
}

/* "a b c|7": the values from `offset` on, and where to read on when at the end. */
static const char *all(struct tl_log *log, const char *topic, int64_t offset)
{
    static char text[4000];
    struct tl_log_entries entries = {.next_offset = offset};
    size_t at = 0;

    do {
        ok(tl_log_read_wait(log, tl_sv_from(topic), 0, entries.next_offset, 100, SIZE_MAX, 20000, &entries, &err));
        for (size_t i = 0; i < entries.count; i++) {
            struct tl_sv value = entries.messages[i].value;

            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", at > 0 ? " " : "",
                                   value.data != NULL ? (int)value.size : 4, value.data != NULL ? value.data : "none");
        }
    } while (!entries.at_end);
    snprintf(text + at, sizeof text - at, "|%lld", (long long)entries.next_offset);
    return text;
}

static void is_all(struct tl_log *log, const char *topic, int64_t offset, const char *want)
{
    cr_assert_str_eq(all(log, topic, offset), want);
}

/* What the first question to a log says. */
static enum tl_code first_answer(const struct tl_log_spec *spec, const char *topic)
{
    struct tl_log *log = NULL;
    uint32_t partitions;
    uint64_t identity;
    enum tl_code rc;

    err = (struct tl_err){0};
    rc = tl_log_open(spec, TL_LOG_READ, &log, &err);
    if (rc == TL_OK)
        rc = tl_log_topic(log, tl_sv_from(topic), &partitions, &identity, &err);
    tl_log_close(log);
    return rc;
}

/* ---- who may come in ---- */

ParameterizedTestParameters(log_kafka, right_means)
{
    static int listeners[] = {KAFKA_TLS, KAFKA_SASL_PLAIN, KAFKA_SASL_SCRAM_256, KAFKA_SASL_SCRAM_512};

    return cr_make_param_array(int, listeners, TL_COUNT(listeners));
}

ParameterizedTest(int *listener, log_kafka, right_means, .timeout = 60)
{
    const char *topic = kafka_topic("right-means");
    bool scram = *listener == KAFKA_SASL_SCRAM_256 || *listener == KAFKA_SASL_SCRAM_512;
    struct tl_log *log;

    if (scram && rd_kafka_version() < 0x020601ff) { /* the broker refuses it, rightly: the message must tell whose fault it is */
        cr_assert_eq(first_answer(kafka_spec((enum kafka_listener) * listener), topic), TL_ERR_IO);
        says("mended in librdkafka 2.6.1");
        return;
    }
    log = opened(kafka_spec((enum kafka_listener) * listener), TL_LOG_APPEND);

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    put(log, topic, "a");
    put(log, topic, "b");
    is_all(log, topic, 0, "a b|4");
    tl_log_close(log);
}

Test(log_kafka, a_locked_key_is_opened_with_its_password)
{
    const char *topic = kafka_topic("locked");

    cr_assert_eq(first_answer(kafka_spec_with(KAFKA_TLS, "ssl.key.location", kafka_env("KAFKA_CLIENT_LOCKED_KEY"),
                                              "ssl.key.password", kafka_env("KAFKA_CLIENT_KEY_PASSWORD"), NULL),
                              topic),
                 TL_ERR_NOT_FOUND, "%s", err.message);
    says("there is no topic locked-");
    cr_assert_eq(first_answer(kafka_spec_with(KAFKA_TLS, "ssl.key.location", kafka_env("KAFKA_CLIENT_LOCKED_KEY"),
                                              "ssl.key.password", "guessed-wrong", NULL),
                              topic),
                 TL_ERR_USAGE, "%s", err.message);
    says("ssl.key.location");
    cr_assert_null(strstr(err.message, "guessed-wrong"), "a secret is shown: %s", err.message);
}

struct refusal {
    char name[40];
    enum kafka_listener listener;
    char property[30], value[30]; /* an upper-case value names one of the environment */
    char also[30], also_value[30];
    char server_says[60], setting[60];
};

ParameterizedTestParameters(log_kafka, refusals)
{
    static struct refusal cases[] = {
        {"wrong password",           KAFKA_SASL_PLAIN,     "sasl.password",            "bob-secret",                 "",                 "", "Authentication failed",
         "look at sasl.mechanism, sasl"                                                                                                                                                         },
        {"wrong password, SCRAM",    KAFKA_SASL_SCRAM_256, "sasl.password",            "wrong-secret",               "",                 "", "uthentication failed",
         "sasl.password (TALLY_KAFKA_SASL_PASSWORD)"                                                                                                                                            },
        {"unknown user",             KAFKA_SASL_SCRAM_512, "sasl.username",            "mallory",                    "",                 "", "uthentication failed",  "sasl.username"           },
        {"wrong CA",                 KAFKA_SASL_PLAIN,     "ssl.ca.location",          "KAFKA_OTHER_CA",             "",                 "", "certificate",           "ssl.ca.location"         },
        {"wrong CA, TLS",            KAFKA_TLS,            "ssl.ca.location",          "KAFKA_OTHER_CA",             "",                 "", "certificate",           "ssl.ca.location"         },
        {"a stranger's certificate", KAFKA_TLS,            "ssl.certificate.location", "KAFKA_STRANGER_CERTIFICATE", "ssl.key.location",
         "KAFKA_STRANGER_KEY",                                                                                                               "",                      "ssl.certificate.location"},
    };

    return cr_make_param_array(struct refusal, cases, TL_COUNT(cases));
}

static const char *value_of(const char *value)
{
    return strncmp(value, "KAFKA_", 6) == 0 ? kafka_env(value) : value;
}

ParameterizedTest(struct refusal *c, log_kafka, refusals, .timeout = 60)
{
    const char *topic = kafka_topic("refused");
    int64_t began_ms = tl_clock_monotonic_ms();
    struct tl_log_spec *spec =
        c->also[0] != '\0' ? kafka_spec_with(c->listener, c->property, value_of(c->value), c->also, value_of(c->also_value), NULL)
                           : kafka_spec_with(c->listener, c->property, value_of(c->value), NULL);
    enum tl_code rc = first_answer(spec, topic);

    cr_assert_eq(rc, TL_ERR_IO, "%s: %d %s", c->name, rc, err.message);
    cr_assert_not(err.retriable, "%s: %s", c->name, err.message);
    cr_assert_not_null(strstr(err.message, c->server_says), "%s: %s", c->name, err.message);
    cr_assert_not_null(strstr(err.message, c->setting), "%s: %s", c->name, err.message);
    cr_assert_null(strstr(err.message, "secret"), "%s: a secret is shown: %s", c->name, err.message);
    cr_assert_null(strchr(err.message, '\n'), "one line");
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 4000, "%s: told at once", c->name);
}

Test(log_kafka, without_rights_the_right_is_named)
{
    const char *topic = kafka_topic("denied");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    struct tl_log_entries entries;

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    put(log, topic, "a");
    tl_log_close(log);
    raw_deny(kafka_env("KAFKA_USER"), topic, RD_KAFKA_ACL_OPERATION_READ);
    log = opened(kafka_spec(KAFKA_SASL_PLAIN), TL_LOG_READ);
    cr_assert_eq(tl_log_read_wait(log, tl_sv_from(topic), 0, 0, 10, 1000, 20000, &entries, &err), TL_ERR_IO, "%s", err.message);
    cr_assert_not(err.retriable);
    says("uthorization failed");
    says("READ on the topic");
    tl_log_close(log);
}

Test(log_kafka, a_right_that_is_taken_away_may_be_given_back)
{
    static const rd_kafka_AclOperation_t operations[] = {RD_KAFKA_ACL_OPERATION_READ, RD_KAFKA_ACL_OPERATION_DESCRIBE};
    const char *topic = kafka_topic("revoked");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    int64_t until_ms = tl_clock_monotonic_ms() + 20000;
    struct tl_log_entries entries;
    uint32_t partitions;
    uint64_t identity;

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    put(log, topic, "a");
    tl_log_close(log);
    log = opened(kafka_spec(KAFKA_SASL_PLAIN), TL_LOG_READ);
    ok(tl_log_topic(log, tl_sv_from(topic), &partitions, &identity, &err));
    ok(tl_log_read_wait(log, tl_sv_from(topic), 0, 0, 10, 1000, 20000, &entries, &err));
    ok(tl_log_fingerprint(log, tl_sv_from(topic), 0, 0, &identity, &err));
    for (size_t i = 0; i < TL_COUNT(operations); i++)
        raw_deny(kafka_env("KAFKA_USER"), topic, operations[i]);
    while (tl_log_read(log, tl_sv_from(topic), 0, 1, 10, 1000, &entries, &err) == TL_OK) {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms);
        tl_log_wait(log, 20);
    }
    cr_expect(err.retriable, "%s", err.message);
    says("uthorization failed");
    cr_expect_eq(tl_log_fingerprint(log, tl_sv_from(topic), 0, 0, &identity, &err), TL_ERR_IO);
    cr_expect(err.retriable, "%s", err.message);
    cr_expect_eq(tl_log_topic(log, tl_sv_from(topic), &partitions, &identity, &err), TL_ERR_IO);
    cr_expect(err.retriable, "%s", err.message);
    tl_log_close(log);
}

Test(log_kafka, no_secret_reaches_a_line_of_the_log)
{
    char path[] = "/tmp/tally_kafka_log_XXXXXX", *text = calloc(1, 1 << 22);
    int file = mkstemp(path), kept = dup(2);
    ssize_t size;

    tl_diag_setup("test", false, true); /* all that librdkafka has to say */
    fflush(stderr);
    dup2(file, 2);
    first_answer(kafka_spec_with(KAFKA_SASL_PLAIN, "sasl.password", "hush-hush", "debug", "all", NULL), "x");
    first_answer(
        kafka_spec_with(KAFKA_SASL_PLAIN, "sasl.password", "hush-hush", "debug", "conf,security", "linger.ms", "7", NULL), "x");
    fflush(stderr);
    dup2(kept, 2);
    size = pread(file, text, (1 << 22) - 1, 0);
    unlink(path);
    cr_assert_gt(size, 1000, "it was made to talk");
    cr_assert_null(strstr(text, "hush-hush"), "%.300s", strstr(text, "hush-hush") - 100);
    free(text);
    close(file);
    close(kept);
}

Test(log_kafka, a_broker_that_is_not_there)
{
    const struct tl_log_spec *spec = kafka_spec_with(KAFKA_PLAIN, "bootstrap.servers", "127.0.0.1:1", NULL);
    struct tl_log *log = opened(spec, TL_LOG_APPEND);
    struct tl_log_entries entries;
    struct tl_log_record record = {.partition = 0, .log_ms = 1, .value = TL_SV("x")};
    uint32_t partitions;
    uint64_t identity;
    enum tl_code rc = TL_OK;

    cr_assert_eq(tl_log_topic(log, TL_SV("x"), &partitions, &identity, &err), TL_ERR_IO);
    cr_assert(err.retriable, "%s", err.message);
    says("Kafka does not answer (bootstrap.servers 127.0.0.1:1)");
    says("Connection refused");
    for (int i = 0; i < 100 && rc == TL_OK; i++) {
        err = (struct tl_err){0};
        rc = tl_log_read(log, TL_SV("x"), 0, 0, 10, 1000, &entries, &err);
        tl_clock_sleep_ms(100);
    }
    cr_assert_eq(rc, TL_ERR_IO, "silence of the broker is none of the partition");
    cr_assert(err.retriable, "%s", err.message);
    err = (struct tl_err){0};
    cr_assert_eq(tl_log_append(log, TL_SV("x"), &record, 1, NULL, &err), TL_ERR_IO);
    cr_assert(err.retriable, "%s", err.message);
    tl_log_close(log);
    cr_assert_eq(first_answer(kafka_spec_with(KAFKA_PLAIN, "bootstrap.servers", "no.such.host.invalid:9092", NULL), "x"),
                 TL_ERR_IO);
    cr_assert(err.retriable);
    says("no.such.host.invalid");
}

/* ---- what is in a topic ---- */

static int codec_on_disk(const char *topic)
{
    char path[600];
    unsigned char header[23];
    int file;

    snprintf(path, sizeof path, "%s/data/%s-0/00000000000000000000.log", kafka_env("KAFKA_DIR"), topic);
    file = open(path, O_RDONLY);
    cr_assert_geq(file, 0, "%s", path);
    cr_assert_eq(read(file, header, sizeof header), (ssize_t)sizeof header);
    close(file);
    return header[22] & 7; /* of the first batch: RecordBatch.attributes */
}

struct codec_case {
    char name[8];
    int on_disk;
};

ParameterizedTestParameters(log_kafka, compression)
{
    static struct codec_case cases[] = {
        {"none",   0},
        {"gzip",   1},
        {"snappy", 2},
        {"lz4",    3},
        {"zstd",   4}
    };

    return cr_make_param_array(struct codec_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct codec_case *c, log_kafka, compression, .timeout = 60)
{
    const char *topic = kafka_topic(c->name);
    struct tl_log *log = opened(kafka_spec_with(KAFKA_PLAIN, "compression.codec", c->name, NULL), TL_LOG_APPEND);
    struct tl_log_record records[500];
    struct tl_log_entries entries = {.next_offset = 0};
    char value[200];
    size_t seen = 0;

    memset(value, 'v', sizeof value);
    for (size_t i = 0; i < TL_COUNT(records); i++)
        records[i] = (struct tl_log_record){
            .partition = 0, .log_ms = INT64_MIN, .value = {value, i % sizeof value}
        };
    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    ok(tl_log_append(log, tl_sv_from(topic), records, TL_COUNT(records), NULL, &err));
    cr_assert_eq(codec_on_disk(topic), c->on_disk);
    while (seen < TL_COUNT(records)) {
        ok(tl_log_read_wait(log, tl_sv_from(topic), 0, entries.next_offset, 100, SIZE_MAX, 20000, &entries, &err));
        for (size_t i = 0; i < entries.count; i++, seen++) {
            cr_assert_eq(entries.messages[i].offset, (int64_t)seen);
            cr_assert_eq(entries.messages[i].value.size, seen % sizeof value);
            cr_assert(memcmp(entries.messages[i].value.data, value, seen % sizeof value) == 0);
        }
    }
    tl_log_close(log);
}

/* librdkafka 2.0.2 stops for up to a second when its queue was full, sixty times here, unless it is nudged. */
Test(log_kafka, a_reader_that_is_slower_than_the_broker_does_not_stand_still)
{
    enum { ENTRIES = 60000 };
    const char *topic = kafka_topic("slow");
    struct tl_log *log = opened(kafka_spec_with(KAFKA_PLAIN, "queued.max.messages.kbytes", "1024", NULL), TL_LOG_APPEND);
    struct tl_log_record *records = calloc(ENTRIES, sizeof *records);
    struct tl_log_entries entries = {.next_offset = 0};
    char value[1024];
    int64_t began_ms;
    size_t count = 0;

    memset(value, 'v', sizeof value);
    for (size_t i = 0; i < ENTRIES; i++)
        records[i] = (struct tl_log_record){
            .partition = 0, .log_ms = INT64_MIN, .value = {value, sizeof value}
        };
    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    ok(tl_log_append(log, tl_sv_from(topic), records, ENTRIES, NULL, &err));
    began_ms = tl_clock_monotonic_ms();
    while (count < ENTRIES) {
        ok(tl_log_read_wait(log, tl_sv_from(topic), 0, entries.next_offset, 200, SIZE_MAX, 20000, &entries, &err));
        count += entries.count;
        tl_clock_sleep_ms(1);
    }
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 8000, "%lld ms", (long long)(tl_clock_monotonic_ms() - began_ms));
    free(records);
    tl_log_close(log);
}

/* Offsets: a 0, b 1, marker 2; x 3, marker 4; c 5; open 6; behind it d 7. */
Test(log_kafka, only_what_is_committed_is_read_and_gaps_are_passed_over)
{
    const char *topic = kafka_topic("transactions");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    rd_kafka_t *one = raw_producer("transactional.id", topic, NULL), *plain = raw_producer(NULL);
    struct tl_log_entries entries;
    int64_t first, end;

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    cr_assert_null(rd_kafka_init_transactions(one, 20000));
    cr_assert_null(rd_kafka_begin_transaction(one));
    raw_put(one, topic, "k", "a");
    raw_put(one, topic, NULL, "b");
    raw_commit(one);
    cr_assert_null(rd_kafka_begin_transaction(one));
    raw_put(one, topic, NULL, "aborted");
    raw_flush(one);
    raw_abort(one);
    raw_put(plain, topic, NULL, "c");
    raw_flush(plain);
    is_all(log, topic, 0, "a b c|6");
    is_all(log, topic, 2, "c|6");
    is_all(log, topic, 3, "c|6");
    is_all(log, topic, 6, "|6");

    cr_assert_null(rd_kafka_begin_transaction(one));
    raw_put(one, topic, NULL, "open");
    raw_flush(one);
    raw_put(plain, topic, NULL, "d");
    raw_flush(plain);
    ok(tl_log_range(log, tl_sv_from(topic), 0, &first, &end, &err));
    cr_assert_eq(end, 6, "what may still be aborted is not there yet, nor what stands behind it");
    is_all(log, topic, 0, "a b c|6");
    raw_commit(one);
    ok(tl_log_read_wait(log, tl_sv_from(topic), 0, 6, 100, SIZE_MAX, 20000, &entries, &err));
    while (entries.count == 0) /* the marker is on its way */
        ok(tl_log_read_wait(log, tl_sv_from(topic), 0, 6, 100, SIZE_MAX, 20000, &entries, &err));
    is_all(log, topic, 0, "a b c open d|9");
    rd_kafka_destroy(one);
    rd_kafka_destroy(plain);
    tl_log_close(log);
}

Test(log_kafka, tombstones_headers_and_keys)
{
    const char *topic = kafka_topic("headers");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    rd_kafka_t *plain = raw_producer(NULL);
    struct tl_log_entries entries;

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    raw_put(plain, topic, "key", "value");
    raw_put(plain, topic, "key", NULL);
    raw_put(plain, topic, "key", "");
    raw_flush(plain);
    is_all(log, topic, 0, "value none |3");
    ok(tl_log_read_wait(log, tl_sv_from(topic), 0, 1, 1, 100, 20000, &entries, &err));
    cr_assert_null(entries.messages[0].value.data, "a tombstone");
    ok(tl_log_read_wait(log, tl_sv_from(topic), 0, 2, 1, 100, 20000, &entries, &err));
    cr_assert_not_null(entries.messages[0].value.data, "an empty value is none");
    cr_assert_lt(llabs((long long)(entries.messages[0].log_ms - tl_clock_wall_ms())), 60000);
    rd_kafka_destroy(plain);
    tl_log_close(log);
}

/* Compaction takes whole segments but the last, so each value gets one. */
Test(log_kafka, what_compaction_took_is_passed_over)
{
    const char *topic = kafka_topic("compacted");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_READ);
    rd_kafka_t *plain = raw_producer(NULL);
    int64_t until_ms = tl_clock_monotonic_ms() + 30000;

    raw_create_topic(topic, "cleanup.policy", "compact", "segment.ms", "100", "min.cleanable.dirty.ratio", "0.01",
                     "min.compaction.lag.ms", "0", NULL);
    for (int i = 0; i < 6; i++) {
        char value[20];

        snprintf(value, sizeof value, "v%d", i);
        raw_put(plain, topic, i % 2 == 0 ? "even" : "odd", value);
        raw_flush(plain);
        tl_clock_sleep_ms(120); /* the next one begins a new segment */
    }
    while (strstr(all(log, topic, 0), "v1") != NULL) {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "%s", all(log, topic, 0));
        tl_clock_sleep_ms(200);
    }
    cr_assert_not_null(strstr(all(log, topic, 0), "v5|6"), "%s", all(log, topic, 0));
    cr_assert_null(strstr(all(log, topic, 1), "v0"));
    rd_kafka_destroy(plain);
    tl_log_close(log);
}

/* ---- a topic's life ---- */

Test(log_kafka, a_topic_that_was_made_again_has_other_fingerprints)
{
    const char *topic = kafka_topic("again");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    uint64_t before = 0, after = 0, identity, identity_after;
    struct tl_log_entries entries;
    uint32_t partitions;
    enum tl_code rc;

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    for (int i = 0; i < 5; i++)
        put(log, topic, "same");
    ok(tl_log_fingerprint(log, tl_sv_from(topic), 0, 2, &before, &err));
    ok(tl_log_topic(log, tl_sv_from(topic), &partitions, &identity, &err));
    is_all(log, topic, 0, "same same same same same|10");
    tl_log_close(log);

    raw_delete_topic(topic);
    tl_clock_sleep_ms(200);
    raw_create_topic(topic, NULL);
    log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    ok(tl_log_topic(log, tl_sv_from(topic), &partitions, &identity_after, &err));
    cr_assert_eq(identity, identity_after, "Kafka does not tell");
    for (int i = 0; i < 2; i++)
        put(log, topic, "same");
    ok(tl_log_fingerprint(log, tl_sv_from(topic), 0, 2, &after, &err));
    cr_assert_neq(before, after, "though the value is the same");
    rc = tl_log_read_wait(log, tl_sv_from(topic), 0, 10, 10, 1000, 20000, &entries, &err);
    cr_assert_eq(rc, TL_ERR_GAP);
    says("wanted from 10 on, but the log ends at 4; the 6 entries 4 to 9 are missing");
    tl_log_close(log);
}

/* What a read says in the end of a partition that is not there: first that it may pass, for a broker that lags knows no new topic. */
static enum tl_code missing_after(struct tl_log *log, const char *topic, uint32_t partition, int64_t offset)
{
    struct tl_log_entries entries;
    bool may_pass = false;
    enum tl_code rc = TL_OK;

    tl_kafka_of(log)->missing_ms = 300;
    for (int i = 0; i < 400 && (rc == TL_OK || (rc == TL_ERR_IO && err.retriable)); i++) {
        err = (struct tl_err){0};
        rc = tl_log_read(log, tl_sv_from(topic), partition, offset, 10, 1000, &entries, &err);
        may_pass = may_pass || (rc != TL_OK && err.retriable);
        tl_clock_sleep_ms(50);
    }
    cr_assert(may_pass, "believed at once: %d %s", rc, err.message);
    return rc;
}

Test(log_kafka, a_topic_that_goes_away_while_it_is_read)
{
    const char *topic = kafka_topic("gone");
    struct tl_log *log = opened(kafka_spec_with(KAFKA_PLAIN, "topic.metadata.refresh.interval.ms", "500", NULL), TL_LOG_APPEND);
    enum tl_code rc;

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    put(log, topic, "a");
    is_all(log, topic, 0, "a|2");
    raw_delete_topic(topic);
    rc = missing_after(log, topic, 0, 2);
    cr_assert_eq(rc, TL_ERR_NOT_FOUND, "%d %s", rc, err.message);
    says("there is no topic gone-");
    tl_log_close(log);
}

Test(log_kafka, what_is_not_there_is_named)
{
    const char *topic = kafka_topic("nothing");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    int64_t first, end;

    cr_assert_eq(missing_after(log, topic, 0, 0), TL_ERR_NOT_FOUND, "%s", err.message);
    says("there is no topic nothing-");
    ok(tl_log_create_topic(log, tl_sv_from(topic), 2, &err));
    cr_assert_eq(missing_after(log, topic, 2, 0), TL_ERR_NOT_FOUND, "%s", err.message);
    says("has 2 partitions, numbered from 0; there is no partition 2");
    cr_assert_eq(tl_log_range(log, tl_sv_from(topic), 7, &first, &end, &err), TL_ERR_NOT_FOUND);
    put(log, topic, "x");
    is_all(log, topic, 0, "x|2");
    cr_assert_eq(tl_log_create_topic(log, TL_SV("no/such/name"), 1, &err), TL_ERR_IO, "%s", err.message);
    cr_assert_not(tl_log_create_topic(log, TL_SV(""), 1, &err) == TL_OK);
    tl_log_close(log);
}

Test(log_kafka, a_group_says_where_to_begin)
{
    const char *topic = kafka_topic("group");
    const struct tl_log_place group = {.kind = TL_PLACE_GROUP};
    const struct tl_log_offset other = {5, 50};
    const struct tl_log_place offsets = {.kind = TL_PLACE_OFFSETS, .offsets = &other, .offsets_count = 1};
    struct tl_log *log = opened(kafka_spec_with(KAFKA_PLAIN, "group.id", topic, NULL), TL_LOG_APPEND);
    int64_t offset = -1;

    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    for (int i = 0; i < 4; i++)
        put(log, topic, "x");
    cr_assert_eq(tl_log_place(log, tl_sv_from(topic), 0, &group, &offset, &err), TL_ERR_NOT_FOUND);
    says("has committed no offset there");
    ok(tl_log_place(log, tl_sv_from(topic), 0, &offsets, &offset, &err));
    cr_assert_eq(offset, 0, "a partition that is not named begins at the log's start");
    raw_commit_offset(topic, topic, 4);
    ok(tl_log_place(log, tl_sv_from(topic), 0, &group, &offset, &err));
    cr_assert_eq(offset, 4);
    ok(tl_log_place(log, tl_sv_from(topic), 0, &offsets, &offset, &err));
    cr_assert_eq(offset, 4, "or where the group stands, as on Flink");
    is_all(log, topic, 4, "x x|8");
    tl_log_close(log);
    log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_READ);
    cr_assert_eq(tl_log_place(log, tl_sv_from(topic), 0, &group, &offset, &err), TL_ERR_NOT_FOUND);
    says("properties.group.id");
    tl_log_close(log);
}

/* ---- appending ---- */

static bool first_note(void *ctx, struct tl_sv key, struct tl_sv value)
{
    char *text = ctx;

    snprintf(text, 60, "%.*s=%.*s", TL_SV_ARG(key), TL_SV_ARG(value));
    return false;
}

/* A process that died before its transaction was over leaves it open: until the broker ends it, whether its note holds is not known. */
Test(log_kafka, a_topic_for_notes_that_forgets_is_refused)
{
    const struct tl_log_note note = {TL_SV("key"), TL_SV("value")};
    const char *topic = kafka_topic("forgetful");
    char notes[220];
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);

    snprintf(notes, sizeof notes, "%s.tally-notes", topic);
    raw_create_topic(notes, "cleanup.policy", "delete", NULL);
    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(tl_log_append(log, tl_sv_from(topic), NULL, 0, &note, &err), TL_ERR_USAGE, "%s", err.message);
        says("has cleanup.policy=delete");
    }
    tl_log_close(log);
}

/* Who keeps notes has one name a topic: the second process fences the first off, which is not told so before it appends again. */
Test(log_kafka, of_two_who_keep_notes_the_later_goes_on)
{
    const struct tl_log_note note = {TL_SV("key"), TL_SV("value")};
    const char *topic = kafka_topic("zombie");
    struct tl_log *first = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND), *second;
    struct tl_log_record record = {.partition = 0, .log_ms = INT64_MIN, .value = TL_SV("first")};

    ok(tl_log_create_topic(first, tl_sv_from(topic), 1, &err));
    ok(tl_log_append(first, tl_sv_from(topic), &record, 1, &note, &err));
    second = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    record.value = TL_SV("second");
    ok(tl_log_append(second, tl_sv_from(topic), &record, 1, &note, &err));
    record.value = TL_SV("zombie");
    cr_assert_eq(tl_log_append(first, tl_sv_from(topic), &record, 1, &note, &err), TL_ERR_IO, "%s", err.message);
    says("another process appends in its place");
    tl_log_close(first);
    record.value = TL_SV("third");
    ok(tl_log_append(second, tl_sv_from(topic), &record, 1, &note, &err));
    tl_log_close(second);
    second = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_READ);
    cr_assert_eq(strncmp(all(second, topic, 0), "first second third|", 19), 0, "%s", all(second, topic, 0));
    tl_log_close(second);
}

/* The broker's word comes while it is still handing over: what was handed over is thrown away, and the reason is not that. */
Test(log_kafka, of_two_who_append_much_the_later_goes_on_too)
{
    enum { MANY = 50000 };
    const struct tl_log_note note = {TL_SV("key"), TL_SV("value")};
    const char *topic = kafka_topic("zombie-many");
    struct tl_log *first = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND), *second;
    struct tl_log_record *records = calloc(MANY, sizeof *records);

    cr_assert_not_null(records);
    for (size_t i = 0; i < MANY; i++)
        records[i] = (struct tl_log_record){.partition = 0, .log_ms = INT64_MIN, .value = TL_SV("zombie")};
    ok(tl_log_create_topic(first, tl_sv_from(topic), 1, &err));
    ok(tl_log_append(first, tl_sv_from(topic), records, 1, &note, &err));
    second = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    ok(tl_log_append(second, tl_sv_from(topic), records, 1, &note, &err));
    cr_assert_eq(tl_log_append(first, tl_sv_from(topic), records, MANY, &note, &err), TL_ERR_IO, "%s", err.message);
    says("another process appends in its place");
    tl_log_close(first);
    tl_log_close(second);
    free(records);
}

Test(log_kafka, notes_wait_for_what_is_still_open)
{
    const char *topic = kafka_topic("notes");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    struct tl_log_note note = {TL_SV("k"), TL_SV("committed")};
    char notes[220], text[60] = "";
    rd_kafka_t *dying = raw_producer("transactional.id", topic, "transaction.timeout.ms", "1500", NULL);

    snprintf(notes, sizeof notes, "%s.tally-notes", topic);
    ok(tl_log_create_topic(log, tl_sv_from(topic), 1, &err));
    ok(tl_log_append(log, tl_sv_from(topic), NULL, 0, &note, &err));
    cr_assert_null(rd_kafka_init_transactions(dying, 20000));
    cr_assert_null(rd_kafka_begin_transaction(dying));
    raw_put(dying, notes, "k", "left open");
    raw_flush(dying);
    ok(tl_log_notes(log, tl_sv_from(topic), TL_SV(""), first_note, text, &err));
    cr_assert_str_eq(text, "k=committed");
    rd_kafka_destroy_flags(dying, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    tl_log_close(log);
}

Test(log_kafka, what_the_broker_finds_too_large_leaves_nothing)
{
    const char *topic = kafka_topic("large");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    char *bytes = calloc(1, 20000);
    struct tl_log_record records[] = {
        {.partition = 0, .log_ms = 1, .value = TL_SV("small")},
        {.partition = 0, .log_ms = 1, .value = {bytes, 20000}}
    };
    int64_t first, end;

    raw_create_topic(topic, "max.message.bytes", "10000", NULL);
    cr_assert_eq(tl_log_append(log, tl_sv_from(topic), records, 2, NULL, &err), TL_ERR_LIMIT, "%s", err.message);
    says("max.message.bytes");
    put(log, topic, "after");
    ok(tl_log_range(log, tl_sv_from(topic), 0, &first, &end, &err));
    cr_assert_str_eq(strtok(strdup(all(log, topic, 0)), "|"), "after");
    free(bytes);
    tl_log_close(log);
}

/* A broker gives the first batch whole, however small the fetches that are asked for: none of ours is as large as this. */
Test(log_kafka, an_event_larger_than_a_fetch_is_read)
{
    enum { LARGE = 20 << 20 };
    const char *topic = kafka_topic("larger");
    struct tl_log *log = opened(kafka_spec(KAFKA_PLAIN), TL_LOG_APPEND);
    char *bytes = malloc(LARGE);
    struct tl_log_record records[] = {
        {.partition = 0, .log_ms = 1, .value = {bytes, LARGE} },
        {.partition = 0, .log_ms = 2, .value = TL_SV("behind")}
    };
    struct tl_log_entries entries;

    memset(bytes, 'x', LARGE);
    raw_create_topic(topic, "max.message.bytes", "30000000", NULL);
    for (size_t i = 0; i < TL_COUNT(records); i++)
        ok(tl_log_append(log, tl_sv_from(topic), &records[i], 1, NULL, &err));
    ok(tl_log_read_wait(log, tl_sv_from(topic), 0, 0, 1, SIZE_MAX, 20000, &entries, &err));
    cr_assert_eq(entries.count, 1);
    cr_assert(tl_sv_eq(entries.messages[0].value, records[0].value));
    ok(tl_log_read_wait(log, tl_sv_from(topic), 0, entries.next_offset, 1, SIZE_MAX, 20000, &entries, &err));
    cr_assert_eq(entries.count, 1);
    cr_assert(tl_sv_eq(entries.messages[0].value, TL_SV("behind")));
    free(bytes);
    tl_log_close(log);
}

/* ---- a broker of its own, to be killed ---- */

static int broker(const char *what, const char *dir)
{
    char command[300];

    snprintf(command, sizeof command, "deploy/kafka/kafka.sh %s %s", what, dir);
    return system(command);
}

Test(log_kafka, a_broker_that_is_killed_and_comes_back, .timeout = 120)
{
    char dir[] = "/tmp/tally_broker_XXXXXX", path[60], url[60] = "", remove[60];
    struct tl_log *log;
    struct tl_log_entries entries;
    FILE *env;
    int64_t began_ms;
    enum tl_code rc = TL_OK;

    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(broker("up", dir), 0);
    snprintf(path, sizeof path, "%s/kafka.env", dir);
    env = fopen(path, "r");
    cr_assert_eq(fscanf(env, "KAFKA_URL=%50s", url), 1);
    fclose(env);
    log = opened(kafka_spec_with(KAFKA_PLAIN, "bootstrap.servers", url, NULL), TL_LOG_APPEND);
    ok(tl_log_create_topic(log, TL_SV("t"), 1, &err));
    put(log, "t", "before");
    is_all(log, "t", 0, "before|2");

    cr_assert_eq(broker("kill", dir), 0);
    began_ms = tl_clock_monotonic_ms();
    while (rc == TL_OK) {
        err = (struct tl_err){0};
        rc = tl_log_read(log, TL_SV("t"), 0, 2, 10, 1000, &entries, &err);
        cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 20000, "it is noticed");
        tl_clock_sleep_ms(50);
    }
    cr_assert_eq(rc, TL_ERR_IO);
    cr_assert(err.retriable, "%s", err.message);
    cr_assert_eq(broker("up", dir), 0);
    began_ms = tl_clock_monotonic_ms();
    do {
        rc = tl_log_read(log, TL_SV("t"), 0, 2, 10, 1000, &entries, &err);
        cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 30000, "it goes on by itself: %s", err.message);
        tl_clock_sleep_ms(50);
    } while (rc != TL_OK || !entries.at_end);
    put(log, "t", "after");
    is_all(log, "t", 0, "before after|4");
    tl_log_close(log);
    cr_assert_eq(broker("down", dir), 0);
    snprintf(remove, sizeof remove, "rm -rf %s", dir);
    cr_assert_eq(system(remove), 0);
}
