/* kafka_conf.c: checks properties one by one; makes configurations of them. */
#include "log/kafka_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

enum { ERROR_BYTES = 512, SECRET_BYTES_MIN = 4 };
/* What librdkafka may hold of all partitions of the process: 16 MiB of each where there are few (`defaults` below). */
enum { QUEUES_KBYTES = 256 << 10, QUEUE_KBYTES_MIN = 256, QUEUE_KBYTES_MAX = 16384 };
/* What a broker may send of one partition and of all of them in one answer; an entry that is larger comes alone. */
enum { FETCH_KBYTES_MAX = 2048, FETCH_ALL_BYTES = 16 << 20, FETCH_ALL_BYTES_MIN = 1000, FRAME_BYTES = 512 };

struct rule {
    const char *name, *hint;
};

/* What makes a count exact, or what tally hears the end of a partition by. */
static const struct rule owned[] = {
    {"enable.auto.commit",       "leave it out: offsets live in the store, in one transaction with the rows"                  },
    {"auto.commit.enable",       "leave it out: offsets live in the store, in one transaction with the rows"                  },
    {"enable.auto.offset.store", "leave it out: offsets live in the store, in one transaction with the rows"                  },
    {"auto.offset.reset",        "leave it out: where to begin is 'scan.startup.mode', and an offset that is gone is an error"},
    {"enable.idempotence",       "leave it out: what tally appends is appended once"                                          },
    {"isolation.level",          "leave it out: what is not committed is not counted"                                         },
    {"acks",                     "leave it out: what tally appends is on all in-sync replicas"                                },
    {"request.required.acks",    "leave it out: what tally appends is on all in-sync replicas"                                },
    {"enable.partition.eof",     "leave it out: tally must hear that a partition was read to its end"                         },
};

/* Java's names, which stand in many a Flink script, and what is meant. Source: Kafka 4.2, ConsumerConfig, ProducerConfig, SslConfigs,
 * SaslConfigs. */
static const struct rule java[] = {
    {"sasl.jaas.config",                         "write 'sasl.username' and 'sasl.password' (TALLY_KAFKA_SASL_PASSWORD keeps it out of the file)"},
    {"sasl.login.callback.handler.class",        "leave it out; OAuth is set with 'sasl.oauthbearer.method'"                                     },
    {"sasl.client.callback.handler.class",       "leave it out; OAuth is set with 'sasl.oauthbearer.method'"                                     },
    {"sasl.login.class",                         "leave it out; OAuth is set with 'sasl.oauthbearer.method'"                                     },
    {"sasl.oauthbearer.token.endpoint.url.java", "write 'sasl.oauthbearer.token.endpoint.url'"                                                   },
    {"ssl.truststore.location",                  "write 'ssl.ca.location', a file of PEM certificates"                                           },
    {"ssl.truststore.certificates",              "write 'ssl.ca.pem'"                                                                            },
    {"ssl.truststore.password",                  "leave it out: 'ssl.ca.location' names a PEM file, which has no password"                       },
    {"ssl.truststore.type",                      "leave it out: 'ssl.ca.location' names a PEM file"                                              },
    {"ssl.keystore.type",                        "leave it out: 'ssl.certificate.location' and 'ssl.key.location' name PEM files"                },
    {"ssl.keystore.key",                         "write 'ssl.key.pem'"                                                                           },
    {"ssl.keystore.certificate.chain",           "write 'ssl.certificate.pem'"                                                                   },
    {"ssl.protocol",                             "leave it out: the best that both sides know is taken"                                          },
    {"ssl.enabled.protocols",                    "leave it out: the best that both sides know is taken"                                          },
    {"ssl.provider",                             "write 'ssl.providers'"                                                                         },
    {"key.deserializer",                         "leave it out: 'format' says how values are read"                                               },
    {"value.deserializer",                       "leave it out: 'format' says how values are read"                                               },
    {"key.serializer",                           "leave it out: values are written as they are"                                                  },
    {"value.serializer",                         "leave it out: values are written as they are"                                                  },
    {"max.poll.records",                         "leave it out: rows are taken in batches of a size that was measured"                           },
    {"fetch.max.wait.ms",                        "write 'fetch.wait.max.ms'"                                                                     },
    {"send.buffer.bytes",                        "write 'socket.send.buffer.bytes'"                                                              },
    {"receive.buffer.bytes",                     "write 'socket.receive.buffer.bytes'"                                                           },
    {"default.api.timeout.ms",                   "write 'socket.timeout.ms'"                                                                     },
    {"socket.connection.setup.timeout.max.ms",   "write 'socket.connection.setup.timeout.ms'"                                                    },
    {"client.dns.lookup",                        "leave it out: all addresses of a name are tried"                                               },
    {"max.request.size",                         "write 'message.max.bytes'"                                                                     },
    {"buffer.memory",                            "write 'queue.buffering.max.kbytes'"                                                            },
    {"max.block.ms",                             "leave it out"                                                                                  },
    {"interceptor.classes",                      "leave it out: there are no Java classes here"                                                  },
    {"metric.reporters",                         "leave it out: /metrics has the figures"                                                        },
    {"exclude.internal.topics",                  "leave it out: a table names its topic"                                                         },
};

/* Names without a default: rd_kafka_conf_dump leaves them out. */
static const char *const nameless[] = {
    "bootstrap.servers",
    "metadata.broker.list",
    "acks",
    "linger.ms",
    "compression.type",
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "group.id",
    "group.instance.id",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.crl.location",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.cipher.suites",
    "ssl.curves.list",
    "ssl.sigalgs.list",
    "transactional.id",
    "retries",
    "max.partition.fetch.bytes",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.kerberos.keytab",
    "compression.level",
    "request.timeout.ms",
};

/* librdkafka's two names for one thing, and the one that it has here: of two values the later holds, whatever each is called. */
static const struct rule aliases[] = {
    {"metadata.broker.list",      "bootstrap.servers"                    },
    {"sasl.mechanisms",           "sasl.mechanism"                       },
    {"compression.type",          "compression.codec"                    },
    {"queue.buffering.max.ms",    "linger.ms"                            },
    {"message.send.max.retries",  "retries"                              },
    {"max.partition.fetch.bytes", "fetch.message.max.bytes"              },
    {"delivery.timeout.ms",       "message.timeout.ms"                   },
    {"max.in.flight",             "max.in.flight.requests.per.connection"},
};

/* Flink's connector's own, which stand among 'properties.*' and say nothing of where the events are. Source: KafkaSourceOptions. */
static const char *const passed_over[] = {"client.id.prefix", "partition.discovery.interval.ms", "register.consumer.metrics",
                                          "commit.offsets.on.checkpoint"};

/* Libraries that are loaded and commands that are run. */
static const char *const code[] = {"plugin.library.paths", "sasl.kerberos.kinit.cmd", "ssl.engine.location"};

static const char *const secret[] = {
    "sasl.password",          "ssl.key.password", "ssl.key.pem", "ssl.keystore.password", "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config"};

/* What tally would rather have than librdkafka's defaults; whoever sets it has it otherwise. A queue of 16 MiB a partition, for the
 * watch asks for more in time (kafka_watch.h); fetches of 2 MiB, which cost a broker half of what those of 1 MiB do. That a partition was read to its
 * end is told by an answer without entries, which a broker holds back for as long as fetch.wait.max.ms says. A broker that is back is found within two
 * seconds; an entry of any size can be read. */
static const struct rule defaults[] = {
    {"client.id",                          "tally"     },
    {"queued.min.messages",                "100000"    },
    {"fetch.wait.max.ms",                  "100"       },
    {"fetch.error.backoff.ms",             "100"       },
    {"reconnect.backoff.ms",               "50"        },
    {"reconnect.backoff.max.ms",           "2000"      },
    {"topic.metadata.refresh.interval.ms", "30000"     },
    {"topic.metadata.propagation.max.ms",  "5000"      },
    {"receive.message.max.bytes",          "2147483647"},
    {"log.connection.close",               "false"     },
    {"transaction.timeout.ms",             "30000"     },
};

static const struct rule writer_defaults[] = {
    {"message.max.bytes", "1000000000"},
};

/* Batches of 5 ms, packed by what costs least. A message waits for its broker without end, for whoever hands it over keeps it until it is there; what
 * librdkafka holds of them is bounded. */
static const struct rule feeder_defaults[] = {
    {"linger.ms",                  "5"    },
    {"compression.codec",          "lz4"  },
    {"message.timeout.ms",         "0"    },
    {"queue.buffering.max.kbytes", "16384"},
};

/* message.max.bytes is a writer's; a reader's fetch.max.bytes must not be below it. */
static const struct rule fixed_reader[] = {
    {"enable.auto.commit",       "false"         },
    {"enable.auto.offset.store", "false"         },
    {"auto.offset.reset",        "error"         },
    {"isolation.level",          "read_committed"},
    {"enable.partition.eof",     "true"          },
    {"message.max.bytes",        "1000"          },
};

static const struct rule of_asker[] = {
    {"fetch.wait.max.ms",          "1"    },
    {"queued.min.messages",        "1"    },
    {"queued.max.messages.kbytes", "1024" },
    {"fetch.message.max.bytes",    "65536"},
};

static const struct rule fixed_writer[] = {
    {"enable.idempotence",         "true" },
    {"acks",                       "all"  },
    {"delivery.report.only.error", "false"},
};

static const char *rule_find(const struct rule *rules, size_t count, struct tl_sv name)
{
    for (size_t i = 0; i < count; i++)
        if (tl_sv_eq(tl_sv_from(rules[i].name), name))
            return rules[i].hint;
    return NULL;
}

static bool is_among(const char *const *names, size_t count, struct tl_sv name)
{
    for (size_t i = 0; i < count; i++)
        if (tl_sv_eq(tl_sv_from(names[i]), name))
            return true;
    return false;
}

static bool is_secret(struct tl_sv name)
{
    return is_among(secret, TL_COUNT(secret), name);
}

bool tl_log_property_is_code(struct tl_sv name)
{
    return is_among(code, TL_COUNT(code), name);
}

static void nearest_name(struct tl_sv name, char *hint, size_t hint_bytes)
{
    struct tl_nearest nearest = tl_nearest_to(name);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    size_t count = 0;
    const char **dump = rd_kafka_conf_dump(conf, &count);
    char text[160];

    for (size_t i = 0; i + 1 < count; i += 2)
        if (strstr(dump[i], "_cb") == NULL && strncmp(dump[i], "test.", 5) != 0)
            tl_nearest_offer(&nearest, tl_sv_from(dump[i]));
    for (size_t i = 0; i < TL_COUNT(nameless); i++)
        tl_nearest_offer(&nearest, tl_sv_from(nameless[i]));
    snprintf(hint, hint_bytes, "%s",
             tl_nearest_hint(&nearest, text, sizeof text, "the names are librdkafka's: its CONFIGURATION.md has them all"));
    rd_kafka_conf_dump_free(dump, count);
    rd_kafka_conf_destroy(conf);
}

/* A keystore of Java's own form begins with these bytes; under the same name librdkafka takes PKCS #12. */
static bool is_jks(const char *path)
{
    static const unsigned char magic[] = {0xfe, 0xed, 0xfe, 0xed};
    unsigned char begin[sizeof magic] = {0};
    size_t size = strlen(path);
    FILE *file;

    if (size > 4 && strcmp(path + size - 4, ".jks") == 0)
        return true;
    file = fopen(path, "rbe");
    if (file == NULL)
        return false;
    size = fread(begin, 1, sizeof begin, file);
    fclose(file);
    return size == sizeof magic && memcmp(begin, magic, sizeof magic) == 0;
}

/* librdkafka's own words, without its address of a page that has moved. */
static enum tl_code refuse(rd_kafka_conf_res_t result, char *words, struct tl_sv name, char *hint, size_t hint_bytes,
                           struct tl_err *err)
{
    char *see = strstr(words, ", see http");

    if (see == NULL)
        see = strstr(words, " See http");
    if (see != NULL)
        *see = '\0';
    if (result == RD_KAFKA_CONF_UNKNOWN)
        nearest_name(name, hint, hint_bytes);
    return tl_fail(err, result == RD_KAFKA_CONF_UNKNOWN ? TL_ERR_NOT_FOUND : TL_ERR_USAGE, "%s", words);
}

static enum tl_code set(rd_kafka_conf_t *conf, const char *name, const char *value, char *hint, size_t hint_bytes,
                        struct tl_err *err)
{
    char words[ERROR_BYTES] = "";
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, words, sizeof words);

    if (result == RD_KAFKA_CONF_OK)
        return TL_OK;
    return refuse(result, words, tl_sv_from(name), hint, hint_bytes, err);
}

static enum tl_code check(rd_kafka_conf_t *scratch, const struct tl_log_property *property, char *hint, size_t hint_bytes,
                          struct tl_err *err)
{
    char *name = strndup(property->name.data, property->name.size), *value = strndup(property->value.data, property->value.size);
    const char *why;
    enum tl_code rc = TL_OK;

    hint[0] = '\0';
    if (name == NULL || value == NULL)
        TL_TRY(tl_fail_memory(err, property->name.size + property->value.size));
    if (is_among(passed_over, TL_COUNT(passed_over), property->name))
        goto out;
    why = rule_find(owned, TL_COUNT(owned), property->name);
    if (why != NULL) {
        snprintf(hint, hint_bytes, "%s", why);
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "'%.100s' is tally's own to set", name));
    }
    why = rule_find(java, TL_COUNT(java), property->name);
    if (why != NULL || (strcmp(name, "ssl.keystore.location") == 0 && is_jks(value))) {
        snprintf(hint, hint_bytes, "%s",
                 why != NULL ? why
                             : "write 'ssl.certificate.location' and 'ssl.key.location', PEM files; or convert it to PKCS #12");
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "'%.100s' is %s, and Kafka is read through librdkafka here", name,
                       why != NULL ? "a property of Kafka's Java client" : "a keystore of Java's"));
    }
    if (strlen(name) != property->name.size || strstr(name, "_cb") != NULL || strcmp(name, "opaque") == 0 ||
        strcmp(name, "default_topic_conf") == 0 || strcmp(name, "interceptors") == 0 || strncmp(name, "test.mock", 9) == 0) {
        nearest_name(property->name, hint, hint_bytes);
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "No such configuration property: \"%.100s\"", name));
    }
    TL_TRY(set(scratch, name, value, hint, hint_bytes, err));
out:
    free(name);
    free(value);
    return rc;
}

enum tl_code tl_log_property_check(const struct tl_log_property *property, char *hint, size_t hint_bytes, struct tl_err *err)
{
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    enum tl_code rc = check(scratch, property, hint, hint_bytes, err);

    rd_kafka_conf_destroy(scratch);
    return rc;
}

/* --- a handle's properties ---------------------------------------------------------------------------------------------- */

static bool copy(struct tl_sv text, struct tl_sv *out)
{
    char *bytes = malloc(text.size + 1);

    if (bytes == NULL)
        return false;
    if (text.size > 0)
        memcpy(bytes, text.data, text.size);
    bytes[text.size] = '\0';
    *out = (struct tl_sv){bytes, text.size};
    return true;
}

static void property_free(struct tl_log_property *property)
{
    union {
        const char *borrowed;
        char *owned;
    } name = {property->name.data}, value = {property->value.data};

    if (value.owned != NULL)
        explicit_bzero(value.owned, property->value.size);
    free(name.owned);
    free(value.owned);
    *property = (struct tl_log_property){
        {NULL, 0},
        {NULL, 0}
    };
}

enum tl_code tl_kafka_properties_open(const struct tl_log_spec *spec, struct tl_kafka_properties *out, struct tl_err *err)
{
    struct tl_kafka_properties properties = {calloc(spec->properties_count + 1, sizeof *properties.items), 0, spec->partitions};
    enum tl_code rc = TL_OK;

    if (properties.items == NULL)
        return tl_fail_memory(err, (spec->properties_count + 1) * sizeof *properties.items);
    for (size_t i = 0; i < spec->properties_count; i++) {
        struct tl_log_property *item = &properties.items[0];
        struct tl_sv name = spec->properties[i].name;
        const char *one_name = rule_find(aliases, TL_COUNT(aliases), name);
        char hint[256];
        struct tl_err why = {0};

        if (tl_log_property_check(&spec->properties[i], hint, sizeof hint, &why) != TL_OK)
            TL_TRY(tl_fail(err, TL_ERR_USAGE, "kafka property %.*s: %s%s%s", TL_SV_ARG(spec->properties[i].name), why.message,
                           hint[0] != '\0' ? "; " : "", hint));
        if (is_among(passed_over, TL_COUNT(passed_over), name))
            continue;
        if (one_name != NULL)
            name = tl_sv_from(one_name);
        while (item < properties.items + properties.count && !tl_sv_eq(item->name, name))
            item++;
        if (item < properties.items + properties.count)
            property_free(item);
        else
            properties.count++;
        if (!copy(name, &item->name) || !copy(spec->properties[i].value, &item->value))
            TL_TRY(tl_fail_memory(err, spec->properties[i].value.size));
    }
    *out = properties;
out:
    if (rc != TL_OK)
        tl_kafka_properties_done(&properties);
    return rc;
}

void tl_kafka_properties_done(struct tl_kafka_properties *properties)
{
    for (size_t i = 0; i < properties->count; i++)
        property_free(&properties->items[i]);
    free(properties->items);
    *properties = (struct tl_kafka_properties){.items = NULL};
}

const char *tl_kafka_property(const struct tl_kafka_properties *properties, const char *name)
{
    for (size_t i = 0; i < properties->count; i++)
        if (strcmp(properties->items[i].name.data, name) == 0)
            return properties->items[i].value.data;
    return NULL;
}

/* As it is set, or the default. librdkafka has taken it, so it is a number. */
static int64_t number_of(const struct tl_kafka_properties *properties, const char *name)
{
    const char *text = tl_kafka_property(properties, name);
    int64_t number;

    if (text == NULL)
        text = rule_find(defaults, TL_COUNT(defaults), tl_sv_from(name));
    return tl_sv_to_i64(tl_sv_from(text), &number) ? number : 0;
}

int64_t tl_kafka_transaction_ms(const struct tl_kafka_properties *properties)
{
    return number_of(properties, "transaction.timeout.ms");
}

static enum tl_code set_rules(rd_kafka_conf_t *conf, const struct rule *rules, size_t count, struct tl_err *err)
{
    char hint[160];
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < count; i++)
        TL_TRY(set(conf, rules[i].name, rules[i].hint, hint, sizeof hint, err));
out:
    return rc;
}

static enum tl_code set_number(rd_kafka_conf_t *conf, const char *name, int64_t number, struct tl_err *err)
{
    char text[24], hint[160];

    snprintf(text, sizeof text, "%lld", (long long)number);
    return set(conf, name, text, hint, sizeof hint, err);
}

/* librdkafka fetches for as long as a queue is below its bound: so one fetch is to be no more than the queue holds. */
static enum tl_code set_shares(rd_kafka_conf_t *conf, const struct tl_kafka_properties *properties, struct tl_err *err)
{
    int64_t kbytes = QUEUE_KBYTES_MAX, room = number_of(properties, "receive.message.max.bytes") - FRAME_BYTES;
    enum tl_code rc;

    if (properties->partitions > 0)
        kbytes = tl_max_i64(QUEUE_KBYTES_MIN, tl_min_i64(QUEUE_KBYTES_MAX, QUEUES_KBYTES / properties->partitions));
    TL_TRY(set_number(conf, "queued.max.messages.kbytes", kbytes, err));
    TL_TRY(set_number(conf, "fetch.message.max.bytes", tl_min_i64(FETCH_KBYTES_MAX, kbytes) << 10, err));
    TL_TRY(set_number(conf, "fetch.max.bytes", tl_max_i64(FETCH_ALL_BYTES_MIN, tl_min_i64(FETCH_ALL_BYTES, room)), err));
out:
    return rc;
}

enum tl_code tl_kafka_conf_make(const struct tl_kafka_properties *properties, enum tl_kafka_role role, rd_kafka_conf_t **out,
                                struct tl_err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool writes = role == TL_KAFKA_WRITER || role == TL_KAFKA_FEEDER;
    char hint[160];
    enum tl_code rc = TL_OK;

    TL_TRY(set_rules(conf, defaults, TL_COUNT(defaults), err));
    if (writes)
        TL_TRY(set_rules(conf, writer_defaults, TL_COUNT(writer_defaults), err));
    else
        TL_TRY(set_shares(conf, properties, err));
    if (role == TL_KAFKA_FEEDER)
        TL_TRY(set_rules(conf, feeder_defaults, TL_COUNT(feeder_defaults), err));
    for (size_t i = 0; i < properties->count; i++) {
        const struct tl_log_property *item = &properties->items[i];

        /* A reader belongs to no group: it takes its partitions itself, and its offsets live in the store. */
        if (strcmp(item->name.data, "group.id") == 0 || strcmp(item->name.data, "group.instance.id") == 0 ||
            strcmp(item->name.data, "transactional.id") == 0) /* a writer's begins with it */
            continue;
        TL_TRY(set(conf, item->name.data, item->value.data, hint, sizeof hint, err));
    }
    if (role == TL_KAFKA_ASKER)
        TL_TRY(set_rules(conf, of_asker, TL_COUNT(of_asker), err));
    TL_TRY(set_rules(conf, writes ? fixed_writer : fixed_reader, writes ? TL_COUNT(fixed_writer) : TL_COUNT(fixed_reader), err));
    if (role == TL_KAFKA_ONLOOKER)
        TL_TRY(set(conf, "isolation.level", "read_uncommitted", hint, sizeof hint, err));
    *out = conf;
out:
    if (rc != TL_OK)
        rd_kafka_conf_destroy(conf);
    return rc;
}

int64_t tl_kafka_conf_batch_bytes_of(const rd_kafka_conf_t *conf, int64_t otherwise)
{
    char text[32];
    size_t size = sizeof text;
    int64_t bytes;

    if (rd_kafka_conf_get(conf, "batch.size", text, &size) != RD_KAFKA_CONF_OK || !tl_sv_to_i64(tl_sv_from(text), &bytes))
        return otherwise;
    return bytes;
}

enum tl_code tl_kafka_conf_batch_bytes(rd_kafka_conf_t *conf, int64_t bytes, struct tl_err *err)
{
    return set_number(conf, "batch.size", tl_min_i64(bytes, tl_kafka_conf_batch_bytes_of(conf, bytes)), err);
}

void tl_kafka_hide_secrets(const struct tl_kafka_properties *properties, char *text)
{
    for (size_t i = 0; i < properties->count; i++) {
        const struct tl_log_property *item = &properties->items[i];
        char *at = text;

        if (!is_secret(item->name) || item->value.size < SECRET_BYTES_MIN)
            continue;
        while ((at = strstr(at, item->value.data)) != NULL) {
            memmove(at + 3, at + item->value.size, strlen(at + item->value.size) + 1);
            memset(at, '*', 3);
            at += 3;
        }
    }
}

void tl_kafka_name_values(const struct tl_kafka_properties *properties, char *words, size_t words_bytes)
{
    size_t said = strlen(words);

    tl_kafka_hide_secrets(properties, words);
    for (size_t i = 0; i < properties->count; i++) {
        const struct tl_log_property *item = &properties->items[i];
        const char *at = strstr(words, item->name.data);
        size_t end = strlen(words);

        if (at == NULL || at >= words + said || is_secret(item->name) || strstr(words, item->value.data) != NULL)
            continue;
        snprintf(words + end, words_bytes - end, " (%s is %s)", item->name.data, item->value.data);
    }
}
