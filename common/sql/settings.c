/* settings.c: reads durations, sizes and choices; says what would be right where they are not. */
#include "sql/settings.h"

#include <stdio.h>
#include <string.h>

#include "event/zone.h"
#include "sql/table_options.h"

static const char *const keys[TL_SETTINGS_COUNT] = {
    [TL_SET_TIME_ZONE] = "table.local-time-zone",   [TL_SET_LATENESS] = "tally.allowed-lateness",
    [TL_SET_FUTURE_SKEW] = "tally.max-future-skew", [TL_SET_DEDUP_KEY] = "tally.dedup.key",
    [TL_SET_DEDUP_HORIZON] = "tally.dedup.horizon", [TL_SET_BATCH_GRACE] = "tally.batch-grace",
    [TL_SET_BATCH_RANGE] = "tally.batch-range",     [TL_SET_SPEED_RETENTION] = "tally.speed-retention",
    [TL_SET_EVENT_BYTES] = "tally.max-event-bytes", [TL_SET_DEAD_LETTER_TOPIC] = "tally.dead-letter.topic",
};

const char tl_duration_hint[] = "write a whole number and a unit: '200 ms', '30 s', '5 min', '1 h', '7 d'";

const char *tl_setting_key(enum tl_setting setting)
{
    return keys[setting];
}

void tl_settings_init(struct tl_setting_values *values)
{
    *values = (struct tl_setting_values){
        .plan = {.time_zone = TL_SV("UTC"),
                 .future_skew_max_ms = 5 * 60 * 1000,
                 .dedup_horizon_ms = 3600 * 1000,
                 .dedup_ids_max = 1000 * 1000,
                 .batch_grace_ms = 15 * 60 * 1000,
                 .batch_range = TL_RANGE_DAY,
                 .speed_retention_ms = 7 * INT64_C(86400000),
                 .event_bytes_max = 8u << 20},
    };
}

/* --- durations and sizes -------------------------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    int64_t size;
};

/* Source of the spellings: Flink 2.3, org.apache.flink.util.TimeUtils. Finer than milliseconds nothing here is. */
static const struct unit time_units[] = {
    {"ms",           1       },
    {"milli",        1       },
    {"millis",       1       },
    {"millisecond",  1       },
    {"milliseconds", 1       },
    {"s",            1000    },
    {"sec",          1000    },
    {"secs",         1000    },
    {"second",       1000    },
    {"seconds",      1000    },
    {"m",            60000   },
    {"min",          60000   },
    {"minute",       60000   },
    {"minutes",      60000   },
    {"h",            3600000 },
    {"hour",         3600000 },
    {"hours",        3600000 },
    {"d",            86400000},
    {"day",          86400000},
    {"days",         86400000},
};

/* Source: Flink 2.3, MemorySize; and the binary names beside. */
static const struct unit size_units[] = {
    {"b",         1      },
    {"bytes",     1      },
    {"k",         1 << 10},
    {"kb",        1 << 10},
    {"kib",       1 << 10},
    {"kibibytes", 1 << 10},
    {"m",         1 << 20},
    {"mb",        1 << 20},
    {"mib",       1 << 20},
    {"mebibytes", 1 << 20},
    {"g",         1 << 30},
    {"gb",        1 << 30},
    {"gib",       1 << 30},
    {"gibibytes", 1 << 30},
};

static bool quantity_read(struct tl_sv text, const struct unit *units, size_t units_count, int64_t *out)
{
    struct tl_sv number, unit;
    size_t digits = 0;
    int64_t value;

    text = tl_sv_trim(text);
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    number = (struct tl_sv){text.data, digits};
    unit = tl_sv_trim((struct tl_sv){text.data + digits, text.size - digits});
    if (digits == 0 || !tl_sv_to_i64(number, &value))
        return false;
    if (unit.size == 0) {
        *out = value;
        return true;
    }
    for (size_t i = 0; i < units_count; i++)
        if (tl_sv_eq_nocase(unit, tl_sv_from(units[i].name))) {
            if (tl_mul_overflows(value, units[i].size, &value))
                return false;
            *out = value;
            return true;
        }
    return false;
}

bool tl_duration_read(struct tl_sv text, int64_t *ms)
{
    return quantity_read(text, time_units, TL_COUNT(time_units), ms);
}

void tl_duration_print(int64_t ms, struct tl_buf *out)
{
    static const struct unit units[] = {
        {"d",   86400000},
        {"h",   3600000 },
        {"min", 60000   },
        {"s",   1000    }
    };

    for (size_t i = 0; i < TL_COUNT(units); i++)
        if (ms != 0 && ms % units[i].size == 0) {
            tl_buf_printf(out, "%lld %s", (long long)(ms / units[i].size), units[i].name);
            return;
        }
    tl_buf_printf(out, "%lld ms", (long long)ms);
}

/* --- SET ------------------------------------------------------------------------------------------------------------------ */

/* Quoted pieces of the file are cut, so that a hostile one cannot push the rest out of the message. */
static int shown(struct tl_sv text)
{
    return text.size < 60 ? (int)text.size : 60;
}

static enum tl_code duration_set(const struct tl_text *text, const struct tl_ast_name *key, const struct tl_ast_name *value,
                                 int64_t min_ms, int64_t *out, struct tl_err *err)
{
    const int64_t max_ms = INT64_C(3650) * 86400000; /* ten years: sums of times and durations then stay inside int64_t */
    int64_t ms;

    if (!tl_duration_read(value->text, &ms))
        return tl_mistake(err, text, value->at, tl_duration_hint, "'%.*s' is no duration", shown(value->text), value->text.data);
    if (ms < min_ms || ms > max_ms)
        return tl_mistake(err, text, value->at,
                          min_ms > 0 ? "write at least '1 ms' and at most '3650 d'" : "write at most '3650 d'",
                          "'%.*s' is out of range", shown(key->text), key->text.data);
    *out = ms;
    return TL_OK;
}

/* What was meant: the zone of a town that was named alone ("Berlin"), or the nearest name. Abbreviations are left alone: most are near
 * to one another. */
static enum tl_code time_zone_unknown(const struct tl_text *text, const struct tl_ast_name *value, struct tl_arena *arena,
                                      struct tl_err *err)
{
    struct tl_nearest nearest = tl_nearest_to(value->text);
    struct tl_sv *names = NULL;
    size_t count = 0;
    enum tl_code rc = tl_zone_names(arena, &names, &count, err);
    char hint[128];

    if (rc != TL_OK)
        return rc;
    for (size_t i = 0; value->text.size > 3 && i < count; i++) {
        const char *slash = memrchr(names[i].data, '/', names[i].size);
        size_t town = slash != NULL ? (size_t)(slash + 1 - names[i].data) : 0;

        tl_nearest_offer(&nearest, names[i]);
        if (tl_sv_eq_nocase(value->text, (struct tl_sv){names[i].data + town, names[i].size - town})) {
            nearest.best = names[i];
            nearest.distance = 0;
        }
    }
    return tl_mistake(err, text, value->at,
                      tl_nearest_hint(&nearest, hint, sizeof hint,
                                      count == 0 ? "there is no tz database here: install tzdata, or write 'UTC'"
                                                 : "write 'UTC', a place as 'Europe/Berlin', or an offset as 'GMT+05:30'"),
                      "there is no time zone '%.*s'", shown(value->text), value->text.data);
}

static enum tl_code time_zone_set(struct tl_setting_values *values, const struct tl_text *text, const struct tl_ast_name *value,
                                  struct tl_arena *arena, struct tl_err *err)
{
    const struct tl_zone *zone;
    enum tl_code rc;

    if (tl_sv_eq(value->text, TL_SV("default")))
        return tl_mistake(err, text, value->at, "write 'UTC', or the zone that is meant: 'Europe/Berlin'",
                          "'default' is another zone on another machine");
    rc = tl_zone_open(value->text, arena, &zone, err);
    if (rc == TL_ERR_NOT_FOUND)
        return time_zone_unknown(text, value, arena, err);
    if (rc != TL_OK)
        return rc;
    values->plan.zone = zone;
    values->plan.time_zone = tl_zone_name(zone);
    return TL_OK;
}

static enum tl_code event_bytes_set(struct tl_setting_values *values, const struct tl_text *text, const struct tl_ast_name *value,
                                    struct tl_err *err)
{
    int64_t bytes;

    if (!quantity_read(value->text, size_units, TL_COUNT(size_units), &bytes))
        return tl_mistake(err, text, value->at, "write a whole number and a unit: '512 kb', '8 mb'", "'%.*s' is no size",
                          shown(value->text), value->text.data);
    if (bytes < 1024 || bytes > 1 << 30)
        return tl_mistake(err, text, value->at, "write at least '1 kb' and at most '1 gb'",
                          "'tally.max-event-bytes' is out of range");
    values->plan.event_bytes_max = (size_t)bytes;
    return TL_OK;
}

static const char *const range_words[] = {[TL_RANGE_DAY] = "day", [TL_RANGE_HOUR] = "hour", [TL_RANGE_MONTH] = "month"};

const char *tl_batch_range_word(enum tl_batch_range range)
{
    return range_words[range];
}

static enum tl_code batch_range_set(struct tl_setting_values *values, const struct tl_text *text, const struct tl_ast_name *value,
                                    struct tl_err *err)
{
    for (size_t i = 0; i < TL_COUNT(range_words); i++)
        if (tl_sv_eq(value->text, tl_sv_from(range_words[i]))) {
            values->plan.batch_range = (enum tl_batch_range)i;
            return TL_OK;
        }
    return tl_mistake(err, text, value->at, "write 'hour', 'day' or 'month'", "'%.*s' is no length of a range",
                      shown(value->text), value->text.data);
}

static enum tl_code dead_letter_topic_set(struct tl_setting_values *values, const struct tl_text *text,
                                          const struct tl_ast_name *value, struct tl_err *err)
{
    if (value->text.size > 0 && !tl_topic_is_fit(value->text))
        return tl_mistake(err, text, value->at, tl_topic_hint, "'%.*s' cannot be the name of a topic", shown(value->text),
                          value->text.data);
    values->dead_letter_topic = value->text;
    return TL_OK;
}

static int setting_find(struct tl_sv key)
{
    for (int i = 0; i < TL_SETTINGS_COUNT; i++)
        if (tl_sv_eq(key, tl_sv_from(keys[i])))
            return i;
    return -1;
}

static enum tl_code key_unknown(const struct tl_text *text, const struct tl_ast_name *key, struct tl_err *err)
{
    struct tl_nearest nearest = tl_nearest_to(key->text);
    char hint[128];

    for (size_t i = 0; i < TL_SETTINGS_COUNT; i++)
        if (i != TL_SET_TIME_ZONE)
            tl_nearest_offer(&nearest, tl_sv_from(keys[i]));
    return tl_mistake(
        err, text, key->at,
        tl_nearest_hint(
            &nearest, hint, sizeof hint,
            "there are tally.allowed-lateness, tally.max-future-skew, tally.dedup.key, tally.dedup.horizon, "
            "tally.batch-grace, tally.batch-range, tally.speed-retention, tally.max-event-bytes and tally.dead-letter.topic"),
        "there is no setting '%.*s'", shown(key->text), key->text.data);
}

enum tl_code tl_settings_set(struct tl_setting_values *values, const struct tl_text *text, const struct tl_ast_name *key,
                             const struct tl_ast_name *value, struct tl_arena *arena, struct tl_err *err)
{
    int setting = setting_find(key->text);
    enum tl_code rc = TL_OK;

    switch (setting) {
    case TL_SET_TIME_ZONE: rc = time_zone_set(values, text, value, arena, err); break;
    case TL_SET_LATENESS: rc = duration_set(text, key, value, 0, &values->lateness_ms, err); break;
    case TL_SET_FUTURE_SKEW: rc = duration_set(text, key, value, 0, &values->plan.future_skew_max_ms, err); break;
    case TL_SET_DEDUP_KEY: values->dedup_key = value->text; break;
    case TL_SET_DEDUP_HORIZON: rc = duration_set(text, key, value, 1, &values->plan.dedup_horizon_ms, err); break;
    case TL_SET_BATCH_GRACE: rc = duration_set(text, key, value, 0, &values->plan.batch_grace_ms, err); break;
    case TL_SET_BATCH_RANGE: rc = batch_range_set(values, text, value, err); break;
    case TL_SET_SPEED_RETENTION: rc = duration_set(text, key, value, 0, &values->plan.speed_retention_ms, err); break;
    case TL_SET_EVENT_BYTES: rc = event_bytes_set(values, text, value, err); break;
    case TL_SET_DEAD_LETTER_TOPIC: rc = dead_letter_topic_set(values, text, value, err); break;
    default: return tl_sv_starts(key->text, TL_SV("tally.")) ? key_unknown(text, key, err) : TL_OK;
    }
    if (rc == TL_OK)
        values->set_at[setting] = value->at;
    return rc;
}

enum tl_code tl_settings_reset(struct tl_setting_values *values, const struct tl_text *text, const struct tl_ast_name *key,
                               struct tl_err *err)
{
    struct tl_setting_values fresh;
    int setting = key->text.data != NULL ? setting_find(key->text) : -1;

    tl_settings_init(&fresh);
    if (key->text.data == NULL) {
        *values = fresh;
        return TL_OK;
    }
    switch (setting) {
    case TL_SET_TIME_ZONE:
        values->plan.time_zone = fresh.plan.time_zone;
        values->plan.zone = fresh.plan.zone;
        break;
    case TL_SET_LATENESS: values->lateness_ms = fresh.lateness_ms; break;
    case TL_SET_FUTURE_SKEW: values->plan.future_skew_max_ms = fresh.plan.future_skew_max_ms; break;
    case TL_SET_DEDUP_KEY: break;
    case TL_SET_DEDUP_HORIZON: values->plan.dedup_horizon_ms = fresh.plan.dedup_horizon_ms; break;
    case TL_SET_BATCH_GRACE: values->plan.batch_grace_ms = fresh.plan.batch_grace_ms; break;
    case TL_SET_BATCH_RANGE: values->plan.batch_range = fresh.plan.batch_range; break;
    case TL_SET_SPEED_RETENTION: values->plan.speed_retention_ms = fresh.plan.speed_retention_ms; break;
    case TL_SET_EVENT_BYTES: values->plan.event_bytes_max = fresh.plan.event_bytes_max; break;
    case TL_SET_DEAD_LETTER_TOPIC: values->dead_letter_topic = fresh.dead_letter_topic; break;
    default: return tl_sv_starts(key->text, TL_SV("tally.")) ? key_unknown(text, key, err) : TL_OK;
    }
    values->set_at[setting] = (struct tl_span){0};
    return TL_OK;
}
