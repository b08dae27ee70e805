/* source_log.c: properties from three places, in the order in which they hold. */
#include "main/source_log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { SECRET_BYTES_MAX = 64 * 1024, SLICE_MS = 5 };

extern char **environ;

struct tl_source_logs {
    const struct tl_common_options *common;
    const struct tl_plan *plan;
    enum tl_log_mode mode;
    struct tl_log **handles; /* per source; several may be one */
    uint32_t sources_count;
    uint32_t partitions; /* tl_log_spec's */
};

struct properties {
    struct tl_arena arena;
    struct tl_log_property *items;
    size_t count, capacity;
};

static enum tl_code add(struct properties *properties, struct tl_sv name, struct tl_sv value, struct tl_err *err)
{
    if (properties->count == properties->capacity) {
        size_t capacity = properties->capacity * 2 + 16;

        if (!TL_RESIZE(properties->items, capacity))
            return tl_fail_memory(err, capacity * sizeof *properties->items);
        properties->capacity = capacity;
    }
    properties->items[properties->count++] = (struct tl_log_property){name, value};
    return TL_OK;
}

/* ---- the environment ---- */

/* What a file holds, without the line's end. */
static enum tl_code secret_read(struct properties *properties, const char *variable, const char *path, struct tl_sv *out,
                                struct tl_err *err)
{
    FILE *file = fopen(path, "rbe");
    char *bytes = tl_arena_bytes(&properties->arena, SECRET_BYTES_MAX);
    size_t size = 0;
    enum tl_code rc = TL_OK;

    if (file == NULL)
        return tl_fail_errno(err, TL_ERR_USAGE, "environment variable %s: %s", variable, path);
    if (bytes == NULL)
        TL_TRY(tl_fail_memory(err, SECRET_BYTES_MAX));
    size = fread(bytes, 1, SECRET_BYTES_MAX, file);
    if (ferror(file) || size == SECRET_BYTES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "environment variable %s: %s: %s", variable, path,
                       size == SECRET_BYTES_MAX ? "is too large for a property" : "cannot be read"));
    while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
        size--;
    *out = (struct tl_sv){bytes, size};
out:
    fclose(file);
    return rc;
}

/* TALLY_KAFKA_SSL_CA_LOCATION -> ssl.ca.location. No name of librdkafka's that can be set by a text has another sign than dots. */
static enum tl_code environment_add(struct properties *properties, struct tl_err *err)
{
    static const char prefix[] = "TALLY_KAFKA_";
    enum tl_code rc = TL_OK;

    for (char **at = environ; at != NULL && *at != NULL; at++) {
        struct tl_sv value = tl_sv_from(*at), variable = tl_sv_cut(&value, '=');
        struct tl_sv given = {variable.data + strlen(prefix), 0};
        char name[128];
        bool is_file;

        if (!tl_sv_starts(variable, TL_SV(prefix)) || value.size == 0 || variable.size >= sizeof name + strlen(prefix) ||
            tl_sv_eq(variable, TL_SV("TALLY_KAFKA_PROPERTY"))) /* --kafka-property's own */
            continue;
        given.size = variable.size - strlen(prefix);
        is_file = tl_sv_ends(given, TL_SV("_FILE"));
        if (is_file)
            given.size -= strlen("_FILE");
        for (size_t i = 0; i < given.size; i++)
            name[i] = given.data[i] == '_' ? '.' : (char)tolower((unsigned char)given.data[i]);
        if (is_file) {
            char spelled[160];

            snprintf(spelled, sizeof spelled, "%.*s", TL_SV_ARG(variable));
            TL_TRY(secret_read(properties, spelled, value.data, &value, err));
        }
        given.data = name;
        if (!tl_arena_copy(&properties->arena, given, &given))
            TL_TRY(tl_fail_memory(err, given.size));
        TL_TRY(add(properties, given, value, err));
    }
out:
    return rc;
}

static enum tl_code flags_add(struct properties *properties, const struct tl_common_options *common, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < common->kafka_properties.count; i++) {
        struct tl_sv value = tl_sv_from(common->kafka_properties.items[i]), name;

        if (strchr(common->kafka_properties.items[i], '=') == NULL)
            return tl_fail(err, TL_ERR_USAGE, "--kafka-property: number %zu wants NAME=VALUE, such as compression.codec=zstd",
                           i + 1);
        name = tl_sv_cut(&value, '=');
        TL_TRY(add(properties, tl_sv_trim(name), value, err));
    }
out:
    return rc;
}

/* ---- handles ---- */

static enum tl_code open_one(const struct tl_source_logs *logs, uint32_t source, struct tl_log **out, struct tl_err *err)
{
    const struct tl_common_options *common = logs->common;
    struct properties properties = {.items = NULL};
    struct tl_log_spec spec = {.kind = common->log, .data_dir = common->data};
    enum tl_code rc = TL_OK;

    if (strcmp(common->log, "local") == 0)
        return tl_log_open(&spec, logs->mode, out, err);
    tl_arena_init(&properties.arena, 4096, 0);
    for (uint32_t i = 0; logs->plan != NULL && i < logs->plan->sources[source].properties_count; i++)
        TL_TRY(add(&properties, logs->plan->sources[source].properties[i].key, logs->plan->sources[source].properties[i].value,
                   err));
    TL_TRY(environment_add(&properties, err));
    TL_TRY(flags_add(&properties, common, err));
    spec.properties = properties.items;
    spec.properties_count = properties.count;
    spec.partitions = logs->partitions;
    TL_TRY(tl_log_open(&spec, logs->mode, out, err));
out:
    free(properties.items);
    tl_arena_done(&properties.arena);
    return rc;
}

static bool is_same(const struct tl_source_logs *logs, uint32_t a, uint32_t b)
{
    const struct tl_source *x, *y;

    if (strcmp(logs->common->log, "local") == 0)
        return true;
    x = &logs->plan->sources[a];
    y = &logs->plan->sources[b];
    if (x->properties_count != y->properties_count)
        return false;
    for (uint32_t i = 0; i < x->properties_count; i++)
        if (!tl_sv_eq(x->properties[i].key, y->properties[i].key) || !tl_sv_eq(x->properties[i].value, y->properties[i].value))
            return false;
    return true;
}

/* Two sources that read one topic of Kafka have handles of their own: a handle has one place in a partition. */
static bool has_room(const struct tl_source_logs *logs, uint32_t source, uint32_t other)
{
    if (strcmp(logs->common->log, "local") == 0)
        return true;
    for (uint32_t s = 0; s < source; s++)
        if (logs->handles[s] == logs->handles[other] && tl_sv_eq(logs->plan->sources[s].topic, logs->plan->sources[source].topic))
            return false;
    return true;
}

static bool is_shared(const struct tl_source_logs *logs, uint32_t source)
{
    for (uint32_t s = 0; s < source; s++)
        if (logs->handles[s] == logs->handles[source])
            return true;
    return false;
}

static enum tl_code open_all(struct tl_source_logs *logs, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < logs->sources_count; s++) {
        uint32_t other = 0;

        while (other < s && !(is_same(logs, s, other) && has_room(logs, s, other)))
            other++;
        if (other < s)
            logs->handles[s] = logs->handles[other];
        else
            TL_TRY(open_one(logs, s, &logs->handles[s], err));
    }
out:
    return rc;
}

static void close_all(struct tl_source_logs *logs)
{
    for (uint32_t s = logs->sources_count; s-- > 0;) {
        if (!is_shared(logs, s))
            tl_log_close(logs->handles[s]);
        logs->handles[s] = NULL;
    }
}

static enum tl_code logs_open(const struct tl_common_options *common, const struct tl_plan *plan, enum tl_log_mode mode,
                              uint32_t partitions, struct tl_source_logs **out, struct tl_err *err)
{
    struct tl_source_logs *logs = calloc(1, sizeof *logs);
    enum tl_code rc;

    if (logs == NULL)
        return tl_fail_memory(err, sizeof *logs);
    if (plan != NULL && plan->sources_count == 0)
        plan = NULL;
    *logs = (struct tl_source_logs){common, plan, mode, NULL, plan != NULL ? plan->sources_count : 1, partitions};
    logs->handles = calloc(logs->sources_count + 1u, sizeof(struct tl_log *));
    if (logs->handles == NULL)
        TL_TRY(tl_fail_memory(err, logs->sources_count * sizeof(struct tl_log *)));
    TL_TRY(open_all(logs, err));
    *out = logs;
out:
    if (rc != TL_OK)
        tl_source_logs_close(logs);
    return rc;
}

enum tl_code tl_source_logs_open(const struct tl_common_options *common, const struct tl_plan *plan, enum tl_log_mode mode,
                                 struct tl_source_logs **out, struct tl_err *err)
{
    return logs_open(common, plan, mode, 0, out, err);
}

enum tl_code tl_source_logs_open_for(const struct tl_common_options *common, const struct tl_plan *plan, uint32_t partitions,
                                     struct tl_source_logs **out, struct tl_err *err)
{
    return logs_open(common, plan, TL_LOG_READ, partitions, out, err);
}

void tl_source_logs_close(struct tl_source_logs *logs)
{
    if (logs == NULL)
        return;
    if (logs->handles != NULL)
        close_all(logs);
    free(logs->handles);
    free(logs);
}

void tl_source_logs_stop(struct tl_source_logs *logs)
{
    if (logs == NULL ||
        strcmp(logs->common->log, "local") == 0) /* where no call waits, and whose handles are renewed (refresh) */
        return;
    for (uint32_t s = 0; s < logs->sources_count; s++)
        tl_log_stop(logs->handles[s]);
}

struct tl_log *tl_source_log(const struct tl_source_logs *logs, uint32_t source)
{
    return logs->handles[source];
}

enum tl_code tl_source_logs_refresh(struct tl_source_logs *logs, struct tl_err *err)
{
    struct tl_source_logs fresh = *logs;
    enum tl_code rc;

    if (strcmp(logs->common->log, "local") != 0)
        return TL_OK;
    fresh.handles = calloc(logs->sources_count + 1u, sizeof(struct tl_log *));
    if (fresh.handles == NULL)
        return tl_fail_memory(err, logs->sources_count * sizeof(struct tl_log *));
    rc = open_all(&fresh, err);
    if (rc == TL_OK) {
        struct tl_log **old = logs->handles;

        logs->handles = fresh.handles;
        fresh.handles = old;
    }
    close_all(&fresh);
    free(fresh.handles);
    return rc;
}

/* In turns where there are several: none of them can be woken by what another hears. */
bool tl_source_logs_wait(struct tl_source_logs *logs, int64_t timeout_ms)
{
    int64_t until_ms = tl_add_sat_i64(tl_clock_monotonic_ms(), timeout_ms);
    uint32_t several = 0;

    for (uint32_t s = 0; s < logs->sources_count; s++)
        several += !is_shared(logs, s);
    if (several == 1)
        return tl_log_wait(logs->handles[0], timeout_ms);
    for (;;) {
        int64_t left_ms = until_ms - tl_clock_monotonic_ms();

        for (uint32_t s = 0; s < logs->sources_count; s++)
            if (!is_shared(logs, s) && tl_log_wait(logs->handles[s], tl_max_i64(0, tl_min_i64(SLICE_MS, left_ms))))
                return true;
        if (left_ms <= 0)
            return false;
        if (several == 0)
            tl_clock_sleep_ms(tl_min_i64(SLICE_MS, left_ms));
    }
}

/* ---- places ---- */

enum tl_code tl_source_start(const struct tl_source_logs *logs, uint32_t source, uint32_t partition, int64_t *offset,
                             struct tl_err *err)
{
    const struct tl_source *table = &logs->plan->sources[source];
    int64_t first, end, wanted;
    enum tl_code rc;

    TL_TRY(tl_log_range(logs->handles[source], table->topic, partition, &first, &end, err));
    wanted = first;
    if (table->startup.kind != TL_PLACE_EARLIEST)
        TL_TRY(tl_log_place(logs->handles[source], table->topic, partition, &table->startup, &wanted, err));
    if (wanted < first || wanted > end)
        return tl_fail(err, TL_ERR_LIMIT,
                       "topic %.*s partition %u: 'scan.startup.mode' begins at offset %lld, but the log has %lld to %lld",
                       TL_SV_ARG(table->topic), partition, (long long)wanted, (long long)first, (long long)end);
    *offset = wanted;
out:
    return rc;
}

enum tl_code tl_source_bound(const struct tl_source_logs *logs, uint32_t source, uint32_t partition, int64_t *offset,
                             struct tl_err *err)
{
    const struct tl_source *table = &logs->plan->sources[source];

    *offset = INT64_MAX;
    if (!table->bounded)
        return TL_OK;
    return tl_log_place(logs->handles[source], table->topic, partition, &table->bound, offset, err);
}

/* ---- what may stand in WITH ---- */

static const struct tl_option_pair *option_find(const struct tl_source *source, const char *key)
{
    for (uint32_t i = 0; i < source->options_count; i++)
        if (tl_sv_eq(source->options[i].key, tl_sv_from(key)))
            return &source->options[i];
    return NULL;
}

enum tl_code tl_source_logs_check(const struct tl_plan *plan, struct tl_err *err)
{
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        const struct tl_source *source = &plan->sources[s];

        if (source->topic_pattern.data != NULL)
            return tl_plan_refuse(plan, option_find(source, "topic-pattern"), false,
                                  "write 'topic' = 'name', a table for each topic",
                                  "this tally reads one topic a table, and no pattern yet", err);
        for (uint32_t i = 0; i < source->properties_count; i++) {
            const struct tl_log_property property = {source->properties[i].key, source->properties[i].value};
            char hint[256];
            struct tl_err why = {0};
            enum tl_code rc;

            if (tl_log_property_is_code(property.name))
                return tl_plan_refuse(plan, &source->properties[i], false,
                                      "set it with --kafka-property or in the environment (TALLY_KAFKA_...), if it is meant",
                                      "a views file runs no programs and loads no libraries", err);
            rc = tl_log_property_check(&property, hint, sizeof hint, &why);

            if (rc == TL_ERR_NOT_FOUND || rc == TL_ERR_USAGE)
                return tl_plan_refuse(plan, &source->properties[i], rc == TL_ERR_USAGE, hint, why.message, err);
            if (rc != TL_OK)
                return tl_fail(err, rc, "%s", why.message);
        }
    }
    return TL_OK;
}
