/* table_options.c: reads a WITH clause key by key, then looks at what belongs together. */
#include "sql/table_options.h"

#include <string.h>

#include "sql/settings.h"

const char tl_topic_hint[] = "a topic's name has letters, digits, '.', '_' and '-', at most 249";

static const char offsets_hint[] = "write 'partition:0,offset:42;partition:1,offset:300'";

/* What Flink knows that begins with scan. */
static const char *const scan_keys[] = {
    "scan.startup.mode",
    "scan.startup.specific-offsets",
    "scan.startup.timestamp-millis",
    "scan.bounded.mode",
    "scan.bounded.specific-offsets",
    "scan.bounded.timestamp-millis",
    "scan.watermark.idle-timeout",
    "scan.watermark.emit.strategy",
    "scan.topic-partition-discovery.interval",
    "scan.parallelism",
    "scan.watermark.alignment.group",
    "scan.watermark.alignment.max-drift",
    "scan.watermark.alignment.update-interval",
};

/* One end of what is read: 'scan.startup.*' or 'scan.bounded.*'. */
struct end {
    const char *mode_key, *timestamp_key, *offsets_key;
    const struct tl_ast_option *mode, *timestamp, *offsets; /* as written; NULL: not */
};

struct reading {
    const struct tl_text *text;
    struct tl_arena *arena;
    struct tl_table_options *out;
    struct end startup, bound;
    const struct tl_ast_option *topic, *pattern;
    struct tl_option_pair *properties;
    struct tl_err *err;
};

/* Quoted pieces of the file are cut, so that a hostile one cannot push the rest out of the message. */
static int shown(struct tl_sv text)
{
    return text.size < 60 ? (int)text.size : 60;
}

bool tl_topic_is_fit(struct tl_sv name)
{
    if (name.size == 0 || name.size > 249 || tl_sv_eq(name, TL_SV(".")) || tl_sv_eq(name, TL_SV("..")))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static enum tl_code choice_wrong(const struct reading *reading, const struct tl_ast_option *option, const char *hint)
{
    return tl_mistake(reading->err, reading->text, option->value.at, hint, "'%.*s' cannot be '%.*s'", shown(option->key.text),
                      option->key.text.data, shown(option->value.text), option->value.text.data);
}

static enum tl_code scan_unknown(const struct reading *reading, const struct tl_ast_option *option)
{
    struct tl_nearest nearest = tl_nearest_to(option->key.text);
    char hint[128];

    for (size_t i = 0; i < TL_COUNT(scan_keys); i++)
        tl_nearest_offer(&nearest, tl_sv_from(scan_keys[i]));
    return tl_mistake(reading->err, reading->text, option->key.at,
                      tl_nearest_hint(&nearest, hint, sizeof hint, "there are 'scan.startup.mode' and 'scan.bounded.mode'"),
                      "Flink's Kafka table has no option '%.*s'", shown(option->key.text), option->key.text.data);
}

/* True: it was one of this end's keys. */
static bool end_take(struct end *end, const struct tl_ast_option *option)
{
    struct tl_sv key = option->key.text;

    if (tl_sv_eq(key, tl_sv_from(end->mode_key)))
        end->mode = option;
    else if (tl_sv_eq(key, tl_sv_from(end->timestamp_key)))
        end->timestamp = option;
    else if (tl_sv_eq(key, tl_sv_from(end->offsets_key)))
        end->offsets = option;
    else
        return false;
    return true;
}

static enum tl_code scan_read(struct reading *reading, const struct tl_ast_option *option)
{
    struct tl_sv key = option->key.text, value = option->value.text;
    struct tl_table_options *out = reading->out;

    if (end_take(&reading->startup, option) || end_take(&reading->bound, option))
        return TL_OK;
    if (tl_sv_eq(key, TL_SV("scan.watermark.idle-timeout"))) {
        if (!tl_duration_read(value, &out->idle_timeout_ms))
            return choice_wrong(reading, option, tl_duration_hint);
        return TL_OK;
    }
    if (tl_sv_eq(key, TL_SV("scan.watermark.emit.strategy"))) {
        if (!tl_sv_eq(value, TL_SV("on-event")) && !tl_sv_eq(value, TL_SV("on-periodic")))
            return choice_wrong(reading, option, "watermarks follow every event: write 'on-event'");
        out->periodic = tl_sv_eq(value, TL_SV("on-periodic"));
        return TL_OK;
    }
    for (size_t i = 0; i < TL_COUNT(scan_keys); i++)
        if (tl_sv_eq(key, tl_sv_from(scan_keys[i])))
            return TL_OK; /* Flink's, and without a meaning here */
    return scan_unknown(reading, option);
}

static enum tl_code option_read(struct reading *reading, const struct tl_ast_option *option)
{
    struct tl_sv key = option->key.text, value = option->value.text;
    struct tl_table_options *out = reading->out;

    if (tl_sv_eq(key, TL_SV("topic"))) {
        if (!tl_topic_is_fit(value))
            return choice_wrong(reading, option, "a table reads one topic: letters, digits, '.', '_' and '-', at most 249");
        out->topic = value;
        reading->topic = option;
    } else if (tl_sv_eq(key, TL_SV("topic-pattern"))) {
        if (value.size == 0)
            return choice_wrong(reading, option, "write a regular expression: 'events-.*'");
        out->topic_pattern = value;
        reading->pattern = option;
    } else if (tl_sv_eq(key, TL_SV("format")) || tl_sv_eq(key, TL_SV("value.format"))) {
        if (!tl_sv_eq(value, TL_SV("json")))
            return choice_wrong(reading, option, "events are JSON objects: write 'format' = 'json'");
    } else if (tl_sv_eq(key, TL_SV("json.timestamp-format.standard")) ||
               tl_sv_eq(key, TL_SV("value.json.timestamp-format.standard"))) {
        if (tl_sv_eq(value, TL_SV("ISO-8601")))
            out->time_format = TL_TIME_ISO_8601;
        else if (tl_sv_eq(value, TL_SV("SQL")))
            out->time_format = TL_TIME_SQL;
        else
            return choice_wrong(reading, option,
                                "write 'SQL' (2024-03-01 10:00:00.123) or 'ISO-8601' (2024-03-01T10:00:00.123Z)");
    } else if (tl_sv_starts(key, TL_SV("properties."))) {
        reading->properties[out->properties_count++] = (struct tl_option_pair){
            {key.data + strlen("properties."), key.size - strlen("properties.")},
            value, option->key.at.place
        };
    } else if (tl_sv_starts(key, TL_SV("scan."))) {
        return scan_read(reading, option);
    } else if (tl_sv_starts(key, TL_SV("tally."))) {
        return tl_mistake(reading->err, reading->text, option->key.at, "write it as SET 'key' = 'value', which Flink passes over",
                          "'%.*s' in WITH: Flink refuses a table with it", shown(key), key.data);
    }
    return TL_OK;
}

/* --- where reading begins and ends ---------------------------------------------------------------------------------------- */

static enum tl_code wanted(const struct reading *reading, const struct end *end, const char *key, const char *hint)
{
    return tl_mistake(reading->err, reading->text, end->mode->value.at, hint, "'%s' = '%.*s' wants '%s'", end->mode_key,
                      shown(end->mode->value.text), end->mode->value.text.data, key);
}

static enum tl_code timestamp_read(const struct reading *reading, const struct end *end, struct tl_log_place *out)
{
    if (end->timestamp == NULL)
        return wanted(reading, end, end->timestamp_key, "add it: milliseconds since 1970, such as '1709287200000'");
    if (!tl_sv_to_i64(end->timestamp->value.text, &out->timestamp_ms) || out->timestamp_ms < 0)
        return choice_wrong(reading, end->timestamp, "write milliseconds since 1970, such as '1709287200000'");
    return TL_OK;
}

static enum tl_code offsets_read(const struct reading *reading, const struct end *end, struct tl_log_place *out)
{
    struct tl_sv wrong;
    struct tl_span at;

    if (end->offsets == NULL)
        return wanted(reading, end, end->offsets_key, "add it: 'partition:0,offset:42;partition:1,offset:300'");
    if (tl_log_offsets_read(end->offsets->value.text, reading->arena, out, &wrong))
        return TL_OK;
    if (wrong.data == NULL)
        return tl_fail_memory(reading->err, end->offsets->value.text.size);
    at = end->offsets->value.at;
    return tl_mistake(reading->err, reading->text, at, offsets_hint, "'%.*s' says no partition and offset", shown(wrong),
                      wrong.data);
}

/* Flink compares these words without regard to case. */
static enum tl_code end_read(const struct reading *reading, const struct end *end, bool is_bound, struct tl_log_place *out,
                             bool *bounded)
{
    struct tl_sv mode = end->mode != NULL ? end->mode->value.text : TL_SV("");

    *bounded = true;
    if (end->mode == NULL || (is_bound && tl_sv_eq_nocase(mode, TL_SV("unbounded")))) {
        *bounded = false;
        return TL_OK;
    }
    if (!is_bound && tl_sv_eq_nocase(mode, TL_SV("earliest-offset")))
        out->kind = TL_PLACE_EARLIEST;
    else if (tl_sv_eq_nocase(mode, TL_SV("latest-offset")))
        out->kind = TL_PLACE_LATEST;
    else if (tl_sv_eq_nocase(mode, TL_SV("group-offsets")))
        out->kind = TL_PLACE_GROUP;
    else if (tl_sv_eq_nocase(mode, TL_SV("timestamp")))
        out->kind = TL_PLACE_TIMESTAMP;
    else if (tl_sv_eq_nocase(mode, TL_SV("specific-offsets")))
        out->kind = TL_PLACE_OFFSETS;
    else
        return choice_wrong(reading, end->mode,
                            is_bound
                                ? "write 'unbounded', 'latest-offset', 'group-offsets', 'timestamp' or 'specific-offsets'"
                                : "write 'earliest-offset', 'latest-offset', 'group-offsets', 'timestamp' or 'specific-offsets'");
    if (out->kind == TL_PLACE_TIMESTAMP)
        return timestamp_read(reading, end, out);
    if (out->kind == TL_PLACE_OFFSETS && reading->pattern != NULL)
        return tl_mistake(reading->err, reading->text, end->mode->value.at, "write 'topic' = 'name' in place of 'topic-pattern'",
                          "offsets by partition are of one topic");
    return out->kind == TL_PLACE_OFFSETS ? offsets_read(reading, end, out) : TL_OK;
}

enum tl_code tl_table_options_read(const struct tl_ast_option *options, const struct tl_text *text, struct tl_arena *arena,
                                   struct tl_table_options *out, struct tl_err *err)
{
    struct reading reading = {
        .text = text,
        .arena = arena,
        .out = out,
        .startup = {"scan.startup.mode", "scan.startup.timestamp-millis", "scan.startup.specific-offsets", NULL, NULL, NULL},
        .bound = {"scan.bounded.mode", "scan.bounded.timestamp-millis", "scan.bounded.specific-offsets", NULL, NULL, NULL},
        .err = err
    };
    struct tl_option_pair *pairs;
    uint32_t count = 0;
    bool unused;
    enum tl_code rc = TL_OK;

    *out = (struct tl_table_options){.time_format = TL_TIME_SQL};
    for (const struct tl_ast_option *o = options; o != NULL; o = o->next)
        count++;
    pairs = tl_arena_zalloc(arena, sizeof *pairs * (count + 1u));
    reading.properties = tl_arena_zalloc(arena, sizeof *pairs * (count + 1u));
    if (pairs == NULL || reading.properties == NULL)
        return tl_fail_memory(err, sizeof *pairs * (count + 1u));
    out->pairs = pairs;
    out->properties = reading.properties;
    for (const struct tl_ast_option *o = options; o != NULL; o = o->next) {
        for (uint32_t i = 0; i < out->pairs_count; i++)
            if (tl_sv_eq(pairs[i].key, o->key.text))
                return tl_mistake(err, text, o->key.at, "keep one of the two", "'%.*s' was already given in line %u",
                                  shown(o->key.text), o->key.text.data, pairs[i].place.line);
        TL_TRY(option_read(&reading, o));
        pairs[out->pairs_count++] = (struct tl_option_pair){o->key.text, o->value.text, o->key.at.place};
    }
    if (reading.topic != NULL && reading.pattern != NULL)
        return tl_mistake(err, text, reading.pattern->key.at, "keep one of the two",
                          "'topic' and 'topic-pattern' exclude one another");
    TL_TRY(end_read(&reading, &reading.startup, false, &out->startup, &unused));
    TL_TRY(end_read(&reading, &reading.bound, true, &out->bound, &out->bounded));
out:
    return rc;
}
