/* time_pattern_read.c: text to wall clock by a pattern of letters: java.time's strict reading, java.text's lenient one. */
#include <string.h>

#include "core/time_names.h"
#include "core/time_pattern.h"
#include "event/timestamp.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- java.time ------------------------------------------------------------------------------------------------------------- */

/* What was read, by letter. */
enum field {
    YEAR,
    YEAR_OF_ERA,
    ERA,
    MONTH,
    DAY,
    DAY_OF_YEAR,
    WEEKDAY,
    HALF,
    HOUR,
    HOUR_24,
    HOUR_11,
    HOUR_12,
    MINUTE,
    SECOND,
    NANO,
    FIELDS
};

struct fields {
    uint32_t set; /* bits */
    int64_t value[FIELDS];
};

static bool has(const struct fields *f, enum field field)
{
    return ((f->set >> field) & 1) != 0;
}

/* Two values of one field have to be equal. */
static bool set(struct fields *f, enum field field, int64_t value)
{
    if (has(f, field))
        return f->value[field] == value;
    f->set |= 1u << field;
    f->value[field] = value;
    return true;
}

static enum field field_of(char letter)
{
    static const uint8_t fields[] = {
        ['u'] = YEAR,    ['y'] = YEAR_OF_ERA, ['G'] = ERA,  ['M'] = MONTH,   ['d'] = DAY,     ['D'] = DAY_OF_YEAR,
        ['e'] = WEEKDAY, ['a'] = HALF,        ['H'] = HOUR, ['k'] = HOUR_24, ['K'] = HOUR_11, ['h'] = HOUR_12,
        ['m'] = MINUTE,  ['s'] = SECOND,      ['n'] = NANO, ['S'] = NANO};

    return fields[(unsigned char)letter];
}

static int64_t get(const struct fields *f, enum field field, int64_t otherwise)
{
    return has(f, field) ? f->value[field] : otherwise;
}

/* How many digits stand at text[at], at most `max`. */
static size_t digits_count(struct tl_sv text, size_t at, size_t max)
{
    size_t size = 0;

    while (size < max && at + size < text.size && is_digit(text.data[at + size]))
        size++;
    return size;
}

static bool digits_read(struct tl_sv text, size_t at, size_t size, int64_t *out)
{
    int64_t value = 0;

    if (size <= 18) {
        for (size_t i = 0; i < size; i++)
            value = value * 10 + (text.data[at + i] - '0');
    } else {
        for (size_t i = 0; i < size; i++)
            if (tl_mul_overflows(value, 10, &value) || tl_add_overflows(value, text.data[at + i] - '0', &value))
                return false;
    }
    *out = value;
    return true;
}

/* A number leaves their digits to those that stand behind it without anything between. */
static bool number_read(const struct tl_time_part *part, struct tl_sv text, size_t *at, int64_t *out)
{
    const bool minus = *at < text.size && text.data[*at] == '-', plus = *at < text.size && text.data[*at] == '+';
    size_t size;

    if ((minus && part->sign == TL_TIME_UNSIGNED) || (plus && part->sign != TL_TIME_PLUS))
        return false;
    *at += minus || plus;
    size = digits_count(text, *at, (size_t)part->digits_max + part->behind);
    if (size < part->digits_min)
        return false;
    if (part->behind > 0)
        size = size > (size_t)part->digits_min + part->behind ? size - part->behind : part->digits_min;
    if (!digits_read(text, *at, size, out) || (minus && *out == 0))
        return false;
    if (part->sign == TL_TIME_PLUS && !minus && (size > part->digits_min) != plus)
        return false;
    *at += size;
    *out = minus ? -*out : part->two_digits ? *out + 2000 : *out;
    return true;
}

static int64_t fraction_of(int64_t digits, unsigned count)
{
    for (; count < 9; count++)
        digits *= 10;
    return digits;
}

static bool part_read(const struct tl_time_pattern *p, const struct tl_time_part *part, struct tl_sv text, size_t *at,
                      struct fields *f)
{
    struct tl_sv rest = {text.data + *at, text.size - *at};
    int64_t value;

    if (part->letter == '\'') {
        if (rest.size < part->size || memcmp(rest.data, p->literals + part->at, part->size) != 0)
            return false;
        *at += part->size;
        return true;
    }
    if (part->form != TL_TIME_NUMBER) {
        size_t size = tl_time_name_read(part->letter, part->form, rest, false, &value);

        *at += size;
        return size > 0 && set(f, field_of(part->letter), value);
    }
    if (!number_read(part, text, at, &value))
        return false;
    return set(f, field_of(part->letter), part->letter == 'S' ? fraction_of(value, part->digits_min) : value);
}

/* Where the section that is open at parts[i] ends. */
static uint32_t section_end(const struct tl_time_pattern *p, uint32_t i)
{
    for (uint32_t depth = 1; depth > 0; i++)
        depth = p->parts[i].letter == '[' ? depth + 1 : p->parts[i].letter == ']' ? depth - 1 : depth;
    return i;
}

/* A section that does not fit is as if it were not there. */
static bool parts_read(const struct tl_time_pattern *p, struct tl_sv text, struct fields *f)
{
    struct {
        struct fields fields;
        size_t at;
    } open[8];
    uint32_t depth = 0, i = 0;
    size_t at = 0;

    while (i < p->parts_count) {
        const struct tl_time_part *part = &p->parts[i++];

        if (part->letter == '[') {
            open[depth].fields = *f;
            open[depth++].at = at;
        } else if (part->letter == ']') {
            assert(depth > 0);
            depth--;
        } else if (!part_read(p, part, text, &at, f)) {
            if (depth == 0)
                return false;
            *f = open[--depth].fields;
            at = open[depth].at;
            i = section_end(p, i);
        }
    }
    return at == text.size;
}

static bool in_range(const struct fields *f, enum field field, int64_t min, int64_t max)
{
    return !has(f, field) || (f->value[field] >= min && f->value[field] <= max);
}

/* y with G is u. */
static bool year_resolve(struct fields *f)
{
    int64_t year;

    if (!has(f, YEAR_OF_ERA))
        return in_range(f, YEAR, -999999999, 999999999);
    if (!in_range(f, YEAR_OF_ERA, 1, 999999999))
        return false;
    year = f->value[YEAR_OF_ERA];
    if (has(f, ERA) ? f->value[ERA] == 0 : has(f, YEAR) && f->value[YEAR] <= 0)
        year = 1 - year;
    return set(f, YEAR, year) && in_range(f, YEAR, -999999999, 999999999);
}

/* What was read beside the date has to be of it. */
static bool date_holds(const struct fields *f, int64_t days, bool by_day_of_year)
{
    int64_t year, weekday = tl_weekday_of_days(days) + 1;
    unsigned month, day;

    tl_civil_from_days(days, &year, &month, &day);
    if (by_day_of_year ? !in_range(f, MONTH, month, month) || !in_range(f, DAY, day, day)
                       : has(f, DAY_OF_YEAR) && f->value[DAY_OF_YEAR] != days - tl_days_from_civil(year, 1, 1) + 1)
        return false;
    return in_range(f, WEEKDAY, weekday, weekday) && in_range(f, ERA, year > 0, year > 0);
}

/* Without a whole date, what is there has to be one with 1970-01-01. */
static bool date_resolve(struct fields *f, int64_t *days, bool *whole)
{
    int64_t year, day;
    unsigned month, last;

    if (!year_resolve(f) || !in_range(f, MONTH, 1, 12) || !in_range(f, DAY, 1, 31))
        return false;
    year = get(f, YEAR, 1970);
    month = (unsigned)get(f, MONTH, 1);
    day = get(f, DAY, 1);
    last = tl_month_days(year, month);
    *whole = has(f, YEAR) && has(f, MONTH) && has(f, DAY);
    if (!*whole && has(f, YEAR) && has(f, DAY_OF_YEAR)) {
        if (!in_range(f, DAY_OF_YEAR, 1, 365 + (tl_month_days(year, 2) == 29)))
            return false;
        *whole = true;
        *days = tl_days_from_civil(year, 1, 1) + f->value[DAY_OF_YEAR] - 1;
        return date_holds(f, *days, true);
    }
    if (day > last && !*whole)
        return false;
    *days = tl_days_from_civil(year, month, (unsigned)(day > last ? last : day));
    return !*whole || date_holds(f, *days, false);
}

/* Hours of other clocks become those of the day. A half of the day alone is its middle. */
static bool hour_resolve(struct fields *f)
{
    if (!in_range(f, HOUR_24, 0, 24) || !in_range(f, HOUR_12, 0, 12))
        return false;
    if (has(f, HOUR_24) && !set(f, HOUR, f->value[HOUR_24] % 24))
        return false;
    if (has(f, HOUR_12) && !set(f, HOUR_11, f->value[HOUR_12] % 12))
        return false;
    if (!in_range(f, HOUR_11, 0, 11))
        return false;
    if (has(f, HALF) && has(f, HOUR_11))
        return set(f, HOUR, f->value[HALF] * 12 + f->value[HOUR_11]);
    if (has(f, HALF) && !has(f, HOUR) && !has(f, MINUTE) && !has(f, SECOND) && !has(f, NANO))
        return set(f, HOUR, f->value[HALF] * 12 + 6);
    return true;
}

static bool time_resolve(struct fields *f, int64_t *ms)
{
    int64_t hour, minute, second, nano;
    bool whole;

    if (!hour_resolve(f) || !in_range(f, MINUTE, 0, 59) || !in_range(f, SECOND, 0, 59) || !in_range(f, NANO, 0, 999999999))
        return false;
    whole = has(f, HOUR) && (has(f, MINUTE) ? has(f, SECOND) || !has(f, NANO) : !has(f, SECOND) && !has(f, NANO));
    hour = get(f, HOUR, 0);
    minute = get(f, MINUTE, 0);
    second = get(f, SECOND, 0);
    nano = get(f, NANO, 0);
    if (hour < 0 || hour > 24 || (hour == 24 && (!whole || minute != 0 || second != 0 || nano != 0)))
        return false;
    if (whole && (!in_range(f, HALF, hour % 24 / 12, hour % 24 / 12) || !in_range(f, HOUR_11, hour % 12, hour % 12)))
        return false;
    *ms = ((hour * 60 + minute) * 60 + second) * 1000 + nano / 1000000;
    return true;
}

bool tl_time_pattern_read(const struct tl_time_pattern *pattern, struct tl_sv text, int64_t *local_ms)
{
    struct fields f = {0};
    int64_t days, ms;
    bool whole;

    if (text.size == 0)
        text.data = "";
    if (!parts_read(pattern, text, &f) || !date_resolve(&f, &days, &whole) || !time_resolve(&f, &ms))
        return false;
    if (ms == TL_DAY_MS && !whole)
        ms = 0; /* 24:00 without a date: Java has no day to go on to */
    return !tl_mul_overflows(days, TL_DAY_MS, local_ms) && !tl_add_overflows(*local_ms, ms, local_ms);
}

/* --- java.text ------------------------------------------------------------------------------------------------------------- */

struct calendar {
    int64_t year, month, day, hour, half, hour_11, minute, second, ms;
    bool has_hour;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Java keeps the low 32 bits of what is larger. */
static bool number_read_lenient(const struct tl_time_part *part, struct tl_sv text, size_t *at, int64_t *out)
{
    const size_t end = *at + part->digits_min; /* of one of several numbers without anything between; blanks count */
    size_t size;
    bool minus;

    if (part->fixed) {
        if (end > text.size)
            return false;
        text.size = end;
    }
    while (*at < text.size && is_blank(text.data[*at]))
        ++*at;
    minus = *at < text.size && text.data[*at] == '-';
    *at += minus;
    size = digits_count(text, *at, SIZE_MAX);
    if (size == 0 || !digits_read(text, *at, size, out))
        return false;
    *at += size;
    *out = (int32_t)(uint32_t)(minus ? -*out : *out);
    return true;
}

/* Short and full names, in any case. */
static bool name_read_lenient(const struct tl_time_part *part, struct tl_sv text, size_t *at, int64_t *out)
{
    struct tl_sv rest = {text.data + *at, text.size - *at};
    size_t size = tl_time_name_read(part->letter, TL_TIME_FULL, rest, true, out);
    if (size == 0)
        size = tl_time_name_read(part->letter, TL_TIME_SHORT, rest, true, out);
    *at += size;
    return size > 0;
}

static void calendar_set(struct calendar *c, char letter, int64_t value)
{
    switch (letter) {
    case 'y': c->year = value; break;
    case 'M': c->month = value; break;
    case 'd': c->day = value; break;
    case 'H':
    case 'k':
        c->hour = letter == 'k' && value == 24 ? 0 : value;
        c->has_hour = true;
        break;
    case 'a': c->half = value; break;
    case 'K':
    case 'h': c->hour_11 = letter == 'h' && value == 12 ? 0 : value; break;
    case 'm': c->minute = value; break;
    case 's': c->second = value; break;
    case 'I': c->ms = value; break;
    default: break; /* a day of the week beside a date says nothing */
    }
}

/* Everything is carried on: the 31st of February is the 2nd of March. */
static bool calendar_ms(const struct calendar *c, int64_t *out)
{
    int64_t month = c->month - 1, year = c->year + month / 12 - (month % 12 < 0), days, ms;
    unsigned of_year = (unsigned)((month % 12 + 12) % 12) + 1;

    days = tl_days_from_civil(year, of_year, 1) + c->day - 1;
    if (days < TL_GREGORIAN_DAYS)
        days = tl_days_from_julian(year, of_year, 1) + c->day - 1;
    ms = (c->has_hour ? c->hour : c->half * 12 + c->hour_11) * 3600000 + c->minute * 60000 + c->second * 1000 + c->ms;
    return !tl_mul_overflows(days, TL_DAY_MS, out) && !tl_add_overflows(*out, ms, out);
}

bool tl_time_pattern_read_lenient(const struct tl_time_pattern *pattern, struct tl_sv text, int64_t *local_ms)
{
    struct calendar calendar = {.year = 1970, .month = 1, .day = 1};
    size_t at = 0;

    if (text.size == 0)
        text.data = "";
    for (uint32_t i = 0; i < pattern->parts_count; i++) {
        const struct tl_time_part *part = &pattern->parts[i];
        int64_t value = 0;

        if (part->letter == '\'') {
            if (text.size - at < part->size || memcmp(text.data + at, pattern->literals + part->at, part->size) != 0)
                return false;
            at += part->size;
        } else if (part->form == TL_TIME_NUMBER ? !number_read_lenient(part, text, &at, &value)
                                                : !name_read_lenient(part, text, &at, &value)) {
            return false;
        }
        if (part->letter != '\'')
            calendar_set(&calendar, part->letter, value);
    }
    return at > 0 && calendar_ms(&calendar, local_ms);
}
