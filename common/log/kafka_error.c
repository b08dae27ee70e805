/* kafka_error.c: which of Kafka's errors will pass, and which setting the others are about. */
#include "log/kafka_error.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/diag.h"

enum { REPEAT_MS = 10000 };

struct known {
    rd_kafka_resp_err_t code;
    enum tl_code as;
    bool retriable;
    const char *hint; /* the setting to look at */
};

static const struct known known[] = {
    {RD_KAFKA_RESP_ERR__AUTHENTICATION,                       TL_ERR_IO,        false,
     "look at sasl.mechanism, sasl.username and sasl.password (TALLY_KAFKA_SASL_PASSWORD)"                                                           },
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,            TL_ERR_IO,        false,
     "look at sasl.mechanism, sasl.username and sasl.password (TALLY_KAFKA_SASL_PASSWORD)"                                                           },
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM,            TL_ERR_IO,        false, "look at sasl.mechanism"                                      },
    {RD_KAFKA_RESP_ERR__SSL,                                  TL_ERR_IO,        false,
     "look at security.protocol, ssl.ca.location, ssl.certificate.location and ssl.key.location"                                                     },
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,            TL_ERR_IO,        false,
     "the user wants the rights DESCRIBE and READ on the topic, to append also WRITE and CREATE"                                                     },
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,            TL_ERR_IO,        false, "the user wants the right DESCRIBE on the group"              },
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,          TL_ERR_IO,        false,
     "the user wants a right on the cluster: CREATE for topics, IDEMPOTENT_WRITE to append"                                                          },
    {RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, TL_ERR_IO,        false,
     "the user wants the right WRITE on transactional ids that begin with tally, or with what transactional.id says"                                 },
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,                 TL_ERR_NOT_FOUND, true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,                        TL_ERR_NOT_FOUND, true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,                    TL_ERR_NOT_FOUND, true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,            TL_ERR_IO,        false,
     "the cluster has too few brokers for its default.replication.factor"                                                                            },
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION,                      TL_ERR_IO,        false, "the cluster has a policy for topics: make it by hand"        },
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,                    TL_ERR_LIMIT,     false, "the topic's max.message.bytes says how large an entry may be"},
    {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,           TL_ERR_IO,        false,
     "look at transaction.timeout.ms: the broker's transaction.max.timeout.ms is below it"                                                           },
    {RD_KAFKA_RESP_ERR__INVALID_ARG,                          TL_ERR_USAGE,     false, NULL                                                          },
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,                   TL_ERR_IO,        false, "the broker is too old: tally wants Kafka 2.4 or newer"       },
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,                  TL_ERR_IO,        false, "the broker is too old: tally wants Kafka 2.4 or newer"       },
    {RD_KAFKA_RESP_ERR__RESOLVE,                              TL_ERR_IO,        true,  "look at bootstrap.servers"                                   },
    {RD_KAFKA_RESP_ERR__TRANSPORT,                            TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__TIMED_OUT,                            TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,                      TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,                        TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,                     TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,                  TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__WAIT_COORD,                           TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__RETRY,                                TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__BAD_MSG,                              TL_ERR_IO,        true,  NULL                                                          },
 /* A producer says so whose transaction or itself has failed meanwhile; the next one is told why, if it is still so. */
    {RD_KAFKA_RESP_ERR__STATE,                                TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__FATAL,                                TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__FENCED,                               TL_ERR_IO,        true,  "another process appends in its place"                        },
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE,                          TL_ERR_IO,        true,  NULL                                                          },
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,                       TL_ERR_IO,        true,  NULL                                                          },
};

static const struct known *find(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < TL_COUNT(known); i++)
        if (known[i].code == code)
            return &known[i];
    return NULL;
}

void tl_kafka_trouble_init(struct tl_kafka_trouble *trouble, const struct tl_kafka_properties *properties)
{
    *trouble = (struct tl_kafka_trouble){.properties = properties};
    pthread_mutex_init(&trouble->lock, NULL);
}

void tl_kafka_trouble_done(struct tl_kafka_trouble *trouble)
{
    pthread_mutex_destroy(&trouble->lock);
}

void tl_kafka_trouble_clear(struct tl_kafka_trouble *trouble)
{
    pthread_mutex_lock(&trouble->lock);
    trouble->worked = true;
    trouble->refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    trouble->text[0] = '\0';
    pthread_mutex_unlock(&trouble->lock);
}

rd_kafka_resp_err_t tl_kafka_trouble_take(struct tl_kafka_trouble *trouble)
{
    rd_kafka_resp_err_t code;

    pthread_mutex_lock(&trouble->lock);
    code = trouble->of_partition;
    trouble->of_partition = RD_KAFKA_RESP_ERR_NO_ERROR;
    pthread_mutex_unlock(&trouble->lock);
    return code;
}

bool tl_kafka_heard_failure(struct tl_kafka_trouble *trouble)
{
    bool heard;

    pthread_mutex_lock(&trouble->lock);
    heard = trouble->text[0] != '\0';
    pthread_mutex_unlock(&trouble->lock);
    return heard;
}

/* "sasl_ssl://127.0.0.1:9093/bootstrap: Failed to connect ... (after 2ms in state CONNECT)": the part in brackets tells nobody anything. */
static void tidy(const struct tl_kafka_trouble *trouble, const char *text, char *out, size_t out_bytes)
{
    char *after;

    snprintf(out, out_bytes, "%s", text);
    after = strstr(out, " (after ");
    if (after != NULL)
        *after = '\0';
    tl_kafka_hide_secrets(trouble->properties, out);
}

/* A connection that was cut while both sides were still introducing themselves: librdkafka gives it the code of whatever stage that was. */
static bool was_cut(const char *reason)
{
    static const char *const words[] = {"unexpected eof", "SSL transport error", "Disconnected", "transport failure", "imed out"};

    for (size_t i = 0; i < TL_COUNT(words); i++)
        if (strstr(reason, words[i]) != NULL)
            return true;
    return false;
}

void tl_kafka_trouble_hear(struct tl_kafka_trouble *trouble, rd_kafka_resp_err_t code, const char *reason)
{
    /* TLS 1.3: the broker looks at a client's certificate when the client takes the connection for made, and then closes it with an alert. */
    bool alert = strstr(reason, "SSL alert number") != NULL;
    bool refused = alert || ((code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL) && !was_cut(reason));
    const struct known *what = find(code);

    pthread_mutex_lock(&trouble->lock);
    if (what != NULL && (what->as == TL_ERR_NOT_FOUND || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)) {
        trouble->of_partition = code; /* librdkafka tells it so, and not by a message in the partition's queue */
    } else if (refused) {
        trouble->refused = alert ? RD_KAFKA_RESP_ERR__SSL : code;
        tidy(trouble, reason, trouble->refused_text, sizeof trouble->refused_text);
    } else if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) { /* which says only that there were others before */
        tidy(trouble, reason, trouble->text, sizeof trouble->text);
    }
    pthread_mutex_unlock(&trouble->lock);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    tl_kafka_trouble_hear(opaque, (rd_kafka_resp_err_t)code, reason);
}

/* What comes up as an error too, or passes by itself. */
static bool is_quiet(const char *facility)
{
    static const char *const quiet[] = {"FAIL", "ERROR", "CONFWARN", "SSL", "GETPID", "TXNERR", "OFFSET"};

    for (size_t i = 0; i < TL_COUNT(quiet); i++)
        if (strcmp(facility, quiet[i]) == 0)
            return true;
    return false;
}

/* Lines of librdkafka's own. What connections suffer comes up as an error (on_error), and is said by whoever asked; librdkafka would say it at
 * each try. The rest is said at most once in ten seconds for each kind. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct tl_kafka_trouble *trouble = rd_kafka_opaque(rk);
    char line[1024];
    size_t kind = 0;
    bool quiet = level > LOG_WARNING || is_quiet(facility) || trouble == NULL;

    if (trouble != NULL) {
        for (const char *c = facility; *c != '\0'; c++)
            kind = kind * 31 + (unsigned char)*c;
        kind %= TL_COUNT(trouble->said_ms);
        tidy(trouble, text, line, sizeof line);
    } else {
        snprintf(line, sizeof line, "%s", facility); /* before the properties are known, nothing that could be one is shown */
    }
    if (!quiet) {
        int64_t now_ms = tl_clock_monotonic_ms();

        pthread_mutex_lock(&trouble->lock);
        quiet = trouble->said_ms[kind] != 0 && now_ms - trouble->said_ms[kind] < REPEAT_MS;
        if (!quiet)
            trouble->said_ms[kind] = now_ms;
        pthread_mutex_unlock(&trouble->lock);
    }
    tl_diag_event(quiet ? TL_DEBUG : TL_WARN, "kafka client",
                  (const struct tl_diag_kv[]){
                      {"facility", facility, 0},
                      {"text",     line,     0}
    },
                  2);
}

void tl_kafka_trouble_listen(struct tl_kafka_trouble *trouble, rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_opaque(conf, trouble);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
}

/* Up to 2.6.0 librdkafka sends the client's nonce twice, and brokers have come to look at it (librdkafka issue 4895, CVE-2024-56128). */
static bool scram_is_broken(const struct tl_kafka_trouble *trouble)
{
    const char *mechanism = tl_kafka_property(trouble->properties, "sasl.mechanism");

    return trouble->refused == RD_KAFKA_RESP_ERR__AUTHENTICATION && mechanism != NULL && strncmp(mechanism, "SCRAM-", 6) == 0 &&
           rd_kafka_version() < 0x020601ff;
}

bool tl_kafka_refused(struct tl_kafka_trouble *trouble, const char *doing, struct tl_err *err)
{
    bool refused;

    pthread_mutex_lock(&trouble->lock);
    refused = trouble->refused != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (refused) {
        tl_fail(err, TL_ERR_IO, "%s: %s; %s%s", doing, trouble->refused_text, find(trouble->refused)->hint,
                scram_is_broken(trouble)
                    ? "; and SCRAM as this librdkafka does it is refused by Kafka since 3.9 (mended in librdkafka "
                      "2.6.1): sasl.mechanism=PLAIN over TLS works"
                    : "");
        if (err != NULL)
            err->retriable = trouble->worked;
    }
    pthread_mutex_unlock(&trouble->lock);
    return refused;
}

void tl_kafka_trouble_inherit(struct tl_kafka_trouble *trouble, struct tl_kafka_trouble *from)
{
    pthread_mutex_lock(&from->lock);
    trouble->worked = from->worked;
    pthread_mutex_unlock(&from->lock);
}

bool tl_kafka_turned_away(struct tl_kafka_trouble *trouble)
{
    bool away;

    pthread_mutex_lock(&trouble->lock);
    away = trouble->refused != RD_KAFKA_RESP_ERR_NO_ERROR && !trouble->worked;
    pthread_mutex_unlock(&trouble->lock);
    return away;
}

enum tl_code tl_kafka_fail(struct tl_kafka_trouble *trouble, rd_kafka_resp_err_t code, const char *words, const char *doing,
                           struct tl_err *err)
{
    const struct known *what = find(code);
    enum tl_code as = what != NULL ? what->as : TL_ERR_IO;
    const char *servers = tl_kafka_property(trouble->properties, "bootstrap.servers");
    char text[400] = "";

    if ((code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
         code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__RESOLVE) &&
        tl_kafka_refused(trouble, doing, err))
        return TL_ERR_IO;
    pthread_mutex_lock(&trouble->lock);
    if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
        code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        snprintf(text, sizeof text, "Kafka does not answer (bootstrap.servers %s)%s%s", servers,
                 trouble->text[0] != '\0' ? ": " : "", trouble->text);
    else
        tidy(trouble, words != NULL ? words : rd_kafka_err2str(code), text, sizeof text);
    pthread_mutex_unlock(&trouble->lock);
    tl_fail(err, as, "%s: %s%s%s", doing, text, what != NULL && what->hint != NULL ? "; " : "",
            what != NULL && what->hint != NULL ? what->hint : "");
    if (err != NULL) /* an error of the broker's own that is not in the table above passes by itself: leaders move, disks fill */
        err->retriable = what != NULL ? what->retriable : code > 0 || code == RD_KAFKA_RESP_ERR_UNKNOWN;
    return as;
}
