/* kafka_conf_test.c: Kafka's properties without a broker: what is taken, what is refused and with which words, what is hidden. */
#include "log/kafka_conf.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct tl_err err;

struct check_case {
    char name[50], value[50];
    enum tl_code rc;
    char what[100], hint[100]; /* beginnings */
};

ParameterizedTestParameters(kafka_conf, checks)
{
    /* clang-format off */
    static struct check_case cases[] = {
        {"bootstrap.servers", "a:9092,b:9092", TL_OK, "", ""},
        {"security.protocol", "sasl_ssl", TL_OK, "", ""},
        {"ssl.endpoint.identification.algorithm", "none", TL_OK, "", ""},
        {"compression.codec", "zstd", TL_OK, "", ""},
        {"compression.type", "lz4", TL_OK, "", ""},
        {"linger.ms", "5", TL_OK, "", ""},
        {"request.timeout.ms", "5000", TL_OK, "", ""},
        {"group.id", "g", TL_OK, "", ""},
        {"ssl.keystore.location", "/etc/client.p12", TL_OK, "", ""},
        {"enable.auto.commit", "false", TL_ERR_NOT_FOUND, "'enable.auto.commit' is tally's own to set", "leave it out: offsets live in the store"},
        {"enable.auto.offset.store", "true", TL_ERR_NOT_FOUND, "'enable.auto.offset.store' is tally's own to set", "leave it out: offsets live in the store"},
        {"auto.offset.reset", "earliest", TL_ERR_NOT_FOUND, "'auto.offset.reset' is tally's own to set", "leave it out: where to begin is 'scan.startup.mode'"},
        {"enable.idempotence", "false", TL_ERR_NOT_FOUND, "'enable.idempotence' is tally's own to set", "leave it out"},
        {"isolation.level", "read_uncommitted", TL_ERR_NOT_FOUND, "'isolation.level' is tally's own to set", "leave it out: what is not committed"},
        {"acks", "1", TL_ERR_NOT_FOUND, "'acks' is tally's own to set", "leave it out"},
        {"request.required.acks", "1", TL_ERR_NOT_FOUND, "'request.required.acks' is tally's own to set", "leave it out"},
        {"enable.partition.eof", "false", TL_ERR_NOT_FOUND, "'enable.partition.eof' is tally's own to set", "leave it out"},
        {"sasl.jaas.config", "org.apache...", TL_ERR_NOT_FOUND, "'sasl.jaas.config' is a property of Kafka's Java client", "write 'sasl.username' and 'sasl.password'"},
        {"ssl.truststore.location", "/t.jks", TL_ERR_NOT_FOUND, "'ssl.truststore.location' is a property of Kafka's Java client", "write 'ssl.ca.location'"},
        {"ssl.truststore.password", "x", TL_ERR_NOT_FOUND, "'ssl.truststore.password' is a property of Kafka's Java client", "leave it out: 'ssl.ca.location'"},
        {"ssl.keystore.location", "/etc/client.jks", TL_ERR_NOT_FOUND, "'ssl.keystore.location' is a keystore of Java's", "write 'ssl.certificate.location' and 'ssl.key.location'"},
        {"ssl.keystore.type", "PEM", TL_ERR_NOT_FOUND, "'ssl.keystore.type' is a property of Kafka's Java client", "leave it out"},
        {"key.deserializer", "x", TL_ERR_NOT_FOUND, "'key.deserializer' is a property of Kafka's Java client", "leave it out"},
        {"max.poll.records", "500", TL_ERR_NOT_FOUND, "'max.poll.records' is a property of Kafka's Java client", "leave it out"},
        {"fetch.max.wait.ms", "500", TL_ERR_NOT_FOUND, "'fetch.max.wait.ms' is a property of Kafka's Java client", "write 'fetch.wait.max.ms'"},
        {"bootstrap.server", "a:1", TL_ERR_NOT_FOUND, "No such configuration property: \"bootstrap.server\"", "did you mean 'bootstrap.servers'?"},
        {"sasl.user", "a", TL_ERR_NOT_FOUND, "No such configuration property: \"sasl.user\"", "did you mean 'sasl.username'?"},
        {"fetch.min.byte", "1", TL_ERR_NOT_FOUND, "No such configuration property: \"fetch.min.byte\"", "did you mean 'fetch.min.bytes'?"},
        {"colour", "red", TL_ERR_NOT_FOUND, "No such configuration property: \"colour\"", "the names are librdkafka's"},
        {"", "x", TL_ERR_NOT_FOUND, "No such configuration property: \"\"", "the names are librdkafka's"},
        {"log_cb", "x", TL_ERR_NOT_FOUND, "No such configuration property: \"log_cb\"", ""},
        {"opaque", "x", TL_ERR_NOT_FOUND, "No such configuration property: \"opaque\"", ""},
        {"test.mock.num.brokers", "3", TL_ERR_NOT_FOUND, "No such configuration property: \"test.mock.num.brokers\"", ""},
        {"security.protocol", "tls", TL_ERR_USAGE, "Invalid value \"tls\" for configuration property \"security.protocol\"", ""},
        {"linger.ms", "soon", TL_ERR_USAGE, "Invalid value for configuration property", ""},
        {"fetch.wait.max.ms", "-1", TL_ERR_USAGE, "Configuration property \"fetch.wait.max.ms\" value -1 is outside", ""},
        {"compression.codec", "brotli", TL_ERR_USAGE, "Invalid value \"brotli\"", ""},
    };
    /* clang-format on */
    return cr_make_param_array(struct check_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct check_case *c, kafka_conf, checks)
{
    const struct tl_log_property property = {tl_sv_from(c->name), tl_sv_from(c->value)};
    char hint[256] = "";
    enum tl_code rc;

    err = (struct tl_err){0};
    rc = tl_log_property_check(&property, hint, sizeof hint, &err);
    cr_assert_eq(rc, c->rc, "%s = %s: %d %s", c->name, c->value, rc, err.message);
    cr_assert(strncmp(err.message, c->what, strlen(c->what)) == 0, "%s: %s", c->name, err.message);
    cr_assert(strncmp(hint, c->hint, strlen(c->hint)) == 0, "%s: %s", c->name, hint);
}

Test(kafka_conf, a_java_keystore_is_known_by_its_first_bytes)
{
    char path[] = "/tmp/tally_keystore_XXXXXX", hint[256];
    int file = mkstemp(path);
    const struct tl_log_property property = {TL_SV("ssl.keystore.location"), tl_sv_from(path)};

    cr_assert_eq(write(file, "\xfe\xed\xfe\xed\0\0\0\2", 8), 8);
    close(file);
    cr_assert_eq(tl_log_property_check(&property, hint, sizeof hint, &err), TL_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(hint, "ssl.certificate.location"));
    unlink(path);
}

static struct tl_kafka_properties opened(const struct tl_log_property *items, size_t count)
{
    const struct tl_log_spec spec = {.kind = "kafka", .properties = items, .properties_count = count};
    struct tl_kafka_properties properties;

    cr_assert_eq(tl_kafka_properties_open(&spec, &properties, &err), TL_OK, "%s", err.message);
    return properties;
}

Test(kafka_conf, of_two_with_one_name_the_later_holds)
{
    const struct tl_log_property items[] = {
        {TL_SV("linger.ms"),         TL_SV("1")  },
        {TL_SV("bootstrap.servers"), TL_SV("a:1")},
        {TL_SV("linger.ms"),         TL_SV("2")  }
    };
    struct tl_kafka_properties properties = opened(items, 3);

    cr_assert_eq(properties.count, 2);
    cr_assert_str_eq(tl_kafka_property(&properties, "linger.ms"), "2");
    cr_assert_str_eq(tl_kafka_property(&properties, "bootstrap.servers"), "a:1");
    cr_assert_null(tl_kafka_property(&properties, "group.id"));
    tl_kafka_properties_done(&properties);
}

Test(kafka_conf, of_two_names_for_one_thing_the_later_holds_too)
{
    const struct tl_log_property items[] = {
        {TL_SV("bootstrap.servers"),    TL_SV("of-the-table:1")},
        {TL_SV("sasl.mechanisms"),      TL_SV("PLAIN")         },
        {TL_SV("compression.codec"),    TL_SV("zstd")          },
        {TL_SV("metadata.broker.list"), TL_SV("of-the-flag:1") },
        {TL_SV("sasl.mechanism"),       TL_SV("SCRAM-SHA-256") },
        {TL_SV("compression.type"),     TL_SV("lz4")           }
    };
    struct tl_kafka_properties properties = opened(items, TL_COUNT(items));

    cr_assert_eq(properties.count, 3);
    cr_assert_str_eq(tl_kafka_property(&properties, "bootstrap.servers"), "of-the-flag:1");
    cr_assert_str_eq(tl_kafka_property(&properties, "sasl.mechanism"), "SCRAM-SHA-256");
    cr_assert_str_eq(tl_kafka_property(&properties, "compression.codec"), "lz4");
    tl_kafka_properties_done(&properties);
}

Test(kafka_conf, what_is_flinks_own_is_passed_over)
{
    const struct tl_log_property items[] = {
        {TL_SV("client.id.prefix"),                TL_SV("mine") },
        {TL_SV("partition.discovery.interval.ms"), TL_SV("10000")},
        {TL_SV("register.consumer.metrics"),       TL_SV("true") },
        {TL_SV("commit.offsets.on.checkpoint"),    TL_SV("false")}
    };
    struct tl_kafka_properties properties = opened(items, TL_COUNT(items));

    cr_assert_eq(properties.count, 0);
    tl_kafka_properties_done(&properties);
}

static const char *reader_value(uint32_t partitions, const struct tl_log_property *item, size_t count, const char *name)
{
    static char value[32];
    const struct tl_log_spec spec = {.kind = "kafka", .properties = item, .properties_count = count, .partitions = partitions};
    struct tl_kafka_properties properties;
    rd_kafka_conf_t *conf = NULL;
    size_t size = sizeof value;

    cr_assert_eq(tl_kafka_properties_open(&spec, &properties, &err), TL_OK, "%s", err.message);
    cr_assert_eq(tl_kafka_conf_make(&properties, TL_KAFKA_READER, &conf, &err), TL_OK, "%s", err.message);
    cr_assert_eq(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    rd_kafka_conf_destroy(conf);
    tl_kafka_properties_done(&properties);
    return value;
}

/* 16 MiB of each would be 16 GiB of a thousand. */
Test(kafka_conf, many_partitions_share_the_memory)
{
    static const char queue[] = "queued.max.messages.kbytes", fetch[] = "fetch.message.max.bytes";
    const struct tl_log_property set = {TL_SV("queued.max.messages.kbytes"), TL_SV("5000")};
    const struct tl_log_property java = {TL_SV("max.partition.fetch.bytes"), TL_SV("7000")};

    cr_assert_str_eq(reader_value(0, NULL, 0, queue), "16384");
    cr_assert_str_eq(reader_value(3, NULL, 0, queue), "16384");
    cr_assert_str_eq(reader_value(64, NULL, 0, queue), "4096");
    cr_assert_str_eq(reader_value(100000, NULL, 0, queue), "256");
    cr_assert_str_eq(reader_value(1000, &set, 1, queue), "5000", "who sets it has it so");
    cr_assert_str_eq(reader_value(0, NULL, 0, fetch), "2097152");
    cr_assert_str_eq(reader_value(64, NULL, 0, fetch), "2097152");
    cr_assert_str_eq(reader_value(100000, NULL, 0, fetch), "262144", "a fetch is no more than its queue");
    cr_assert_str_eq(reader_value(100000, &java, 1, fetch), "7000", "who sets it has it so");
    cr_assert_str_eq(reader_value(0, NULL, 0, "fetch.max.bytes"), "16777216");
}

/* A client of librdkafka's has it, or says why not. */
static const char *client_value(struct tl_log_property item, enum tl_kafka_role role, const char *name)
{
    static char value[300];
    struct tl_kafka_properties properties = opened(&item, 1);
    rd_kafka_conf_t *conf = NULL;
    size_t size = sizeof value;
    rd_kafka_t *client;

    cr_assert_eq(tl_kafka_conf_make(&properties, role, &conf, &err), TL_OK, "%s", err.message);
    cr_assert_eq(rd_kafka_conf_set(conf, "log_level", "0", NULL, 0), RD_KAFKA_CONF_OK);
    client = rd_kafka_new(role == TL_KAFKA_WRITER || role == TL_KAFKA_FEEDER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, value,
                          sizeof value);
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
    } else {
        cr_assert_eq(rd_kafka_conf_get(rd_kafka_conf(client), name, value, &size), RD_KAFKA_CONF_OK);
        rd_kafka_destroy(client);
    }
    tl_kafka_properties_done(&properties);
    return value;
}

struct size_case {
    char name[50], value[50], shown[50], want[50];
    enum tl_kafka_role role;
};

/* librdkafka holds sizes against one another: none that is tally's own may be what makes it refuse a user's. */
ParameterizedTestParameters(kafka_conf, sizes)
{
    /* clang-format off */
    static struct size_case cases[] = {
        {"fetch.max.bytes", "52428800", "fetch.max.bytes", "52428800", TL_KAFKA_READER},
        {"fetch.max.bytes", "52428800", "fetch.max.bytes", "52428800", TL_KAFKA_ASKER},
        {"fetch.max.bytes", "52428800", "fetch.max.bytes", "52428800", TL_KAFKA_ONLOOKER},
        {"fetch.max.bytes", "52428800", "message.max.bytes", "1000000000", TL_KAFKA_WRITER},
        {"fetch.max.bytes", "65536", "fetch.max.bytes", "65536", TL_KAFKA_READER},
        {"receive.message.max.bytes", "100000000", "receive.message.max.bytes", "100000000", TL_KAFKA_READER},
        {"receive.message.max.bytes", "100000000", "fetch.max.bytes", "16777216", TL_KAFKA_READER},
        {"receive.message.max.bytes", "8000512", "fetch.max.bytes", "8000000", TL_KAFKA_READER},
        {"receive.message.max.bytes", "100000000", "receive.message.max.bytes", "100000000", TL_KAFKA_WRITER},
        {"message.max.bytes", "20000000", "fetch.max.bytes", "16777216", TL_KAFKA_READER},
        {"message.max.bytes", "20000000", "message.max.bytes", "20000000", TL_KAFKA_WRITER},
        {"client.id", "x", "fetch.max.bytes", "16777216", TL_KAFKA_READER},
        {"client.id", "x", "receive.message.max.bytes", "2147483647", TL_KAFKA_READER},
        {"client.id", "x", "message.max.bytes", "1000000000", TL_KAFKA_WRITER},
        {"client.id", "x", "queue.buffering.max.kbytes", "16384", TL_KAFKA_FEEDER},
        {"fetch.max.bytes", "52428800", "queue.buffering.max.kbytes", "16384", TL_KAFKA_FEEDER},
        {"queue.buffering.max.kbytes", "65536", "queue.buffering.max.kbytes", "65536", TL_KAFKA_FEEDER},
        {"client.id", "x", "linger.ms", "5", TL_KAFKA_FEEDER},
        {"queue.buffering.max.ms", "100", "linger.ms", "100", TL_KAFKA_FEEDER},
        {"client.id", "x", "compression.codec", "lz4", TL_KAFKA_FEEDER},
        {"compression.type", "zstd", "compression.codec", "zstd", TL_KAFKA_FEEDER},
        {"client.id", "x", "enable.idempotence", "true", TL_KAFKA_FEEDER},
    };
    /* clang-format on */
    return cr_make_param_array(struct size_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct size_case *c, kafka_conf, sizes)
{
    const struct tl_log_property item = {tl_sv_from(c->name), tl_sv_from(c->value)};
    const char *got = client_value(item, c->role, c->shown);

    cr_assert_str_eq(got, c->want, "%s = %s: %s of role %d", c->name, c->value, c->shown, c->role);
}

Test(kafka_conf, a_mistake_names_the_property)
{
    const struct tl_log_property items[] = {
        {TL_SV("bootstrap.servers"), TL_SV("a:1")   },
        {TL_SV("acks"),              TL_SV("secret")}
    };
    const struct tl_log_spec spec = {.kind = "kafka", .properties = items, .properties_count = 2};
    struct tl_kafka_properties properties;
    struct tl_log *log = NULL;

    cr_assert_eq(tl_kafka_properties_open(&spec, &properties, &err), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "kafka property acks: 'acks' is tally's own to set; leave it out"), "%s", err.message);
    cr_assert_eq(tl_log_open(&spec, TL_LOG_READ, &log, &err), TL_ERR_USAGE);
    cr_assert_null(log);
}

Test(kafka_conf, without_a_broker_the_setting_is_named)
{
    const struct tl_log_spec spec = {.kind = "kafka"};
    struct tl_log *log = NULL;

    cr_assert_eq(tl_log_open(&spec, TL_LOG_READ, &log, &err), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "'properties.bootstrap.servers'"), "%s", err.message);
    cr_assert_not_null(strstr(err.message, "TALLY_KAFKA_BOOTSTRAP_SERVERS"), "%s", err.message);
}

/* What only the whole shows. */
Test(kafka_conf, what_librdkafka_finds_wrong_in_the_whole)
{
    const struct tl_log_property items[] = {
        {TL_SV("bootstrap.servers"), TL_SV("a:1")               },
        {TL_SV("security.protocol"), TL_SV("ssl")               },
        {TL_SV("ssl.ca.location"),   TL_SV("/no/such/place.pem")}
    };
    const struct tl_log_property unknown[] = {
        {TL_SV("bootstrap.servers"), TL_SV("a:1")           },
        {TL_SV("security.protocol"), TL_SV("sasl_plaintext")},
        {TL_SV("sasl.mechanism"),    TL_SV("TELEPATHY")     }
    };
    struct tl_log *log = NULL;

    cr_assert_eq(
        tl_log_open(&(struct tl_log_spec){.kind = "kafka", .properties = items, .properties_count = 3}, TL_LOG_READ, &log, &err),
        TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "ssl.ca.location"), "%s", err.message);
    cr_assert_eq(tl_log_open(&(struct tl_log_spec){.kind = "kafka", .properties = unknown, .properties_count = 3}, TL_LOG_READ,
                             &log, &err),
                 TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "TELEPATHY"), "%s", err.message);
}

static const char *value_of(rd_kafka_conf_t *conf, const char *name)
{
    static char value[100];
    size_t size = sizeof value;

    cr_assert_eq(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK, "%s", name);
    return value;
}

Test(kafka_conf, what_a_reader_and_a_writer_get)
{
    const struct tl_log_property items[] = {
        {TL_SV("client.id"),         TL_SV("mine")},
        {TL_SV("group.id"),          TL_SV("g")   },
        {TL_SV("linger.ms"),         TL_SV("77")  },
        {TL_SV("fetch.wait.max.ms"), TL_SV("7")   }
    };
    struct tl_kafka_properties properties = opened(items, 4);
    rd_kafka_conf_t *conf = NULL;
    char group[10];
    size_t size = sizeof group;

    cr_assert_eq(tl_kafka_conf_make(&properties, TL_KAFKA_READER, &conf, &err), TL_OK, "%s", err.message);
    cr_assert_str_eq(value_of(conf, "client.id"), "mine");
    cr_assert_str_eq(value_of(conf, "fetch.wait.max.ms"), "7");
    cr_assert_str_eq(value_of(conf, "queued.max.messages.kbytes"), "16384");
    cr_assert_str_eq(value_of(conf, "isolation.level"), "read_committed");
    cr_assert_str_eq(value_of(conf, "enable.auto.commit"), "false");
    cr_assert_str_eq(value_of(conf, "enable.auto.offset.store"), "false");
    cr_assert_str_eq(value_of(conf, "enable.partition.eof"), "true");
    cr_assert_neq(rd_kafka_conf_get(conf, "group.id", group, &size), RD_KAFKA_CONF_OK, "a reader is in no group");
    rd_kafka_conf_destroy(conf);
    cr_assert_eq(tl_kafka_conf_make(&properties, TL_KAFKA_WRITER, &conf, &err), TL_OK, "%s", err.message);
    cr_assert_str_eq(value_of(conf, "enable.idempotence"), "true");
    cr_assert_str_eq(value_of(conf, "linger.ms"), "77");
    rd_kafka_conf_destroy(conf);
    tl_kafka_properties_done(&properties);
}

Test(kafka_conf, secrets_become_stars)
{
    const struct tl_log_property items[] = {
        {TL_SV("sasl.password"),    TL_SV("swordfish")},
        {TL_SV("ssl.key.password"), TL_SV("abc")      },
        {TL_SV("sasl.username"),    TL_SV("alice")    }
    };
    struct tl_kafka_properties properties = opened(items, 3);
    char text[] = "alice said swordfish, and swordfish again; abc";

    tl_kafka_hide_secrets(&properties, text);
    cr_assert_str_eq(text, "alice said ***, and *** again; abc", "what is shorter than four letters stands in any word");
    tl_kafka_properties_done(&properties);
}
