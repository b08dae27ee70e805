/* kafka_broker.c: where the broker is stands in the environment; suites.sh has it from build/servers.env. */
#include "support/kafka_broker.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { PROPERTIES_MAX = 32 };

static struct tl_log_property properties[PROPERTIES_MAX];
static struct tl_log_spec spec;

const char *kafka_env(const char *name)
{
    const char *value = getenv(name);

    cr_assert_not_null(value, "%s is not set: the tests run through make, which starts a broker (make kafka)", name);
    return value;
}

static void add(const char *name, const char *value)
{
    cr_assert_lt(spec.properties_count, PROPERTIES_MAX);
    properties[spec.properties_count++] = (struct tl_log_property){tl_sv_from(name), tl_sv_from(value)};
}

struct tl_log_spec *kafka_spec(enum kafka_listener listener)
{
    static const char *const mechanisms[] = {
        [KAFKA_SASL_PLAIN] = "PLAIN", [KAFKA_SASL_SCRAM_256] = "SCRAM-SHA-256", [KAFKA_SASL_SCRAM_512] = "SCRAM-SHA-512"};

    spec = (struct tl_log_spec){.kind = "kafka", .data_dir = "/nowhere", .properties = properties};
    if (listener == KAFKA_PLAIN) {
        add("bootstrap.servers", kafka_env("KAFKA_URL"));
        return &spec;
    }
    add("bootstrap.servers", kafka_env(listener == KAFKA_TLS ? "KAFKA_SSL_URL" : "KAFKA_SASL_URL"));
    add("ssl.ca.location", kafka_env("KAFKA_CA"));
    add("security.protocol", listener == KAFKA_TLS ? "ssl" : "sasl_ssl");
    if (listener == KAFKA_TLS) {
        add("ssl.certificate.location", kafka_env("KAFKA_CLIENT_CERTIFICATE"));
        add("ssl.key.location", kafka_env("KAFKA_CLIENT_KEY"));
    } else {
        add("sasl.mechanism", mechanisms[listener]);
        add("sasl.username", kafka_env("KAFKA_USER"));
        add("sasl.password", kafka_env("KAFKA_PASSWORD"));
    }
    return &spec;
}

struct tl_log_spec *kafka_spec_with(enum kafka_listener listener, ...)
{
    va_list args;

    kafka_spec(listener);
    va_start(args, listener);
    for (const char *name; (name = va_arg(args, const char *)) != NULL;)
        add(name, va_arg(args, const char *));
    va_end(args);
    return &spec;
}

const char *kafka_topic(const char *purpose)
{
    static char name[200];
    static int number;

    snprintf(name, sizeof name, "%s-%ld-%lld-%d", purpose, (long)getpid(), (long long)tl_clock_wall_ms(), number++);
    return name;
}
