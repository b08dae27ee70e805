/* time_pattern.c: patterns of letters for wall clocks: letters to parts, parts to text. time_pattern_read.c is the other way. */
#include "core/time_pattern.h"

#include <string.h>

#include "core/time_names.h"
#include "event/timestamp.h"

/* --- compile --------------------------------------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void number(struct tl_time_part *part, size_t count)
{
    part->digits_min = part->digits_max = (uint8_t)count;
    part->sign = TL_TIME_UNSIGNED;
    if (count == 1) {
        part->digits_max = 19;
        part->sign = TL_TIME_MINUS;
    }
}

static void year(struct tl_time_part *part, size_t count)
{
    number(part, count);
    part->two_digits = count == 2;
    if (count != 2) {
        part->digits_max = 19;
        part->sign = count < 4 ? TL_TIME_MINUS : TL_TIME_PLUS;
    }
}

/* One or two letters are a number or, with `texts_only`, the short text as well. */
static bool word(struct tl_time_part *part, size_t count, bool texts_only)
{
    static const uint8_t forms[] = {TL_TIME_SHORT, TL_TIME_SHORT, TL_TIME_SHORT, TL_TIME_FULL, TL_TIME_NARROW};

    if (count > 5)
        return false;
    number(part, count);
    if (count >= 3 || texts_only)
        part->form = forms[count - 1];
    return true;
}

/* So many of one letter. False: so many have no meaning. */
static bool java_time_letter(struct tl_time_part *part, size_t count)
{
    switch (part->letter) {
    case 'u':
    case 'y':
    case 'Y': year(part, count); return count <= 19;
    case 'L': part->letter = 'M'; return word(part, count, false);
    case 'q': part->letter = 'Q'; return word(part, count, false);
    case 'c': part->letter = 'e'; return count != 2 && word(part, count, false);
    case 'M':
    case 'Q':
    case 'e': return word(part, count, false);
    case 'E': part->letter = 'e'; return word(part, count, true);
    case 'G': return word(part, count, true);
    case 'a': part->form = TL_TIME_SHORT; return count == 1;
    case 'W':
    case 'F': number(part, count); return count == 1;
    case 'D':
        number(part, count);
        if (count == 2)
            part->digits_max = 3;
        return count <= 3;
    case 'S': part->digits_min = part->digits_max = (uint8_t)count; return count <= 9;
    case 'A':
    case 'n':
    case 'N':
        part->digits_min = (uint8_t)count;
        part->digits_max = 19;
        return count <= 19;
    default: number(part, count); return count <= 2;
    }
}

/* Letters that the two languages read differently become ones that neither has: i, f, I. */
static void java_text_letter(struct tl_time_part *part, size_t count)
{
    part->digits_min = part->digits_max = (uint8_t)count;
    part->sign = TL_TIME_MINUS;
    switch (part->letter) {
    case 'y':
    case 'Y': part->two_digits = count == 2; break;
    case 'u': part->letter = 'i'; break;
    case 'F': part->letter = 'f'; break;
    case 'S': part->letter = 'I'; break;
    case 'E':
        part->letter = 'e';
        part->form = count >= 4 ? TL_TIME_FULL : TL_TIME_SHORT;
        break;
    case 'L':
    case 'M':
        part->letter = 'M';
        if (count >= 3)
            part->form = count >= 4 ? TL_TIME_FULL : TL_TIME_SHORT;
        break;
    case 'G':
    case 'a': part->form = TL_TIME_SHORT; break;
    default: break;
    }
}

static enum tl_code put_letters(struct tl_time_pattern *p, struct tl_sv text, bool reads, struct tl_err *err)
{
    static const char *const letters[] = {"GyuYwWQqMLdDEecFaHkKhmsSAnN", "GyuYwWMLdDEFaHkKhmsS"};
    static const char *const readable[] = {"GyuMLdDEaHkKhmsSn", "yMLdEaHkKhmsS"};
    struct tl_time_part *part = &p->parts[p->parts_count++];
    const char letter = text.data[0];

    *part = (struct tl_time_part){.letter = letter};
    if (strchr("zZXxVvO", letter) != NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "the letter %c stands for a zone, and a wall clock has none: see CONVERT_TZ",
                       letter);
    if (strchr(letters[p->style], letter) == NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "the letter %c has no meaning in this pattern; text stands in quotes: ''%c''",
                       letter, letter);
    if (reads && strchr(readable[p->style], letter) == NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "the letter %c cannot be read, only printed%s", letter,
                       letter == 'Y' ? ": the year is yyyy" : "");
    if (p->style == TL_TIME_JAVA_TEXT)
        java_text_letter(part, text.size);
    else if (!java_time_letter(part, text.size))
        return tl_fail(err, TL_ERR_DEFINITION, "%.*s has no meaning: the letter %c is not written so often", TL_SV_ARG(text),
                       letter);
    if (reads && part->form == TL_TIME_NARROW)
        return tl_fail(err, TL_ERR_DEFINITION, "%.*s cannot be read: one letter stands for several names", TL_SV_ARG(text));
    if (reads && p->style == TL_TIME_JAVA_TEXT && letter == 'y' && text.size < 3)
        return tl_fail(err, TL_ERR_DEFINITION, "%.*s would be read by the date of today: write yyyy", TL_SV_ARG(text));
    return TL_OK;
}

static void put_literal(struct tl_time_pattern *p, uint32_t *literals_size, char c)
{
    struct tl_time_part *part = p->parts_count > 0 ? &p->parts[p->parts_count - 1] : NULL;

    if (part == NULL || part->letter != '\'') {
        part = &p->parts[p->parts_count++];
        *part = (struct tl_time_part){.letter = '\'', .at = (uint8_t)*literals_size};
    }
    p->literals[(*literals_size)++] = c;
    part->size++;
}

/* The quoted text from text[i], which is a quote; returns how many bytes it has, 0 where it does not end. Two quotes are one. Four
 * are one to java.time, which sees the outer two around the inner, and two to java.text. */
static size_t put_quoted(struct tl_time_pattern *p, uint32_t *literals_size, struct tl_sv text, size_t i)
{
    const size_t from = i++;

    if (i < text.size && text.data[i] == '\'' &&
        (p->style == TL_TIME_JAVA_TEXT || i + 1 == text.size || text.data[i + 1] != '\'')) {
        put_literal(p, literals_size, '\'');
        return 2;
    }
    for (; i < text.size; i++) {
        if (text.data[i] == '\'' && (i + 1 == text.size || text.data[i + 1] != '\''))
            return i + 1 - from;
        i += text.data[i] == '\'';
        put_literal(p, literals_size, text.data[i]);
    }
    return 0;
}

static bool is_number(const struct tl_time_part *part)
{
    return is_letter(part->letter) && part->form == TL_TIME_NUMBER;
}

/* Numbers without anything between them: in "yyyyMMdd" the first takes what the others leave. */
static void share_digits(struct tl_time_pattern *p)
{
    for (uint32_t i = 0; i < p->parts_count; i++) {
        struct tl_time_part *first = &p->parts[i];

        if (p->style == TL_TIME_JAVA_TEXT) {
            first->fixed = i + 1 < p->parts_count && is_number(first) && is_number(first + 1);
            continue;
        }
        if (!is_number(first))
            continue;
        for (; i + 1 < p->parts_count && is_number(&p->parts[i + 1]) && p->parts[i + 1].digits_min == p->parts[i + 1].digits_max;
             i++) {
            p->parts[i + 1].fixed = true;
            first->behind = (uint8_t)(first->behind + p->parts[i + 1].digits_max);
        }
    }
}

static bool has_letter(const struct tl_time_pattern *p, char letter)
{
    for (uint32_t i = 0; i < p->parts_count; i++)
        if (p->parts[i].letter == letter)
            return true;
    return false;
}

static uint32_t grain_of(const struct tl_time_pattern *p)
{
    uint32_t grain_ms = (uint32_t)TL_DAY_MS;

    for (uint32_t i = 0; i < p->parts_count; i++) {
        const char letter = p->parts[i].letter;
        uint32_t of_letter = (uint32_t)TL_DAY_MS;

        if (strchr("aHkKh", letter) != NULL)
            of_letter = 3600000;
        else if (letter == 'm')
            of_letter = 60000;
        else if (letter == 's')
            of_letter = 1000;
        else if (strchr("SInAN", letter) != NULL)
            of_letter = 1;
        grain_ms = of_letter < grain_ms ? of_letter : grain_ms;
    }
    return grain_ms;
}

enum tl_code tl_time_pattern_compile(struct tl_sv text, enum tl_time_style style, bool reads, struct tl_time_pattern *out,
                                     struct tl_err *err)
{
    uint32_t literals_size = 0, open = 0;
    size_t step;

    out->style = style;
    out->parts_count = 0;
    if (text.size > TL_TIME_PATTERN_MAX)
        return tl_fail(err, TL_ERR_DEFINITION, "a pattern has at most %d bytes, and this one %zu", TL_TIME_PATTERN_MAX,
                       text.size);
    for (size_t i = 0; i < text.size; i += step) {
        char c = text.data[i];

        step = 1;
        if (is_letter(c)) {
            enum tl_code rc;

            while (i + step < text.size && text.data[i + step] == c)
                step++;
            rc = put_letters(out, (struct tl_sv){text.data + i, step}, reads, err);
            if (rc != TL_OK)
                return rc;
        } else if (c == '\'') {
            step = put_quoted(out, &literals_size, text, i);
            if (step == 0)
                return tl_fail(err, TL_ERR_DEFINITION, "a quote in the pattern is not closed: %.*s", TL_SV_ARG(text));
        } else if (style == TL_TIME_JAVA_TIME && strchr("[]{}#", c) != NULL) {
            if (c == '[' ? open == 8 : c != ']' || open == 0)
                return tl_fail(err, TL_ERR_DEFINITION,
                               "%c has no meaning at this place of the pattern; text stands in quotes: ''%c''", c, c);
            open = c == '[' ? open + 1 : open - 1;
            out->parts[out->parts_count++] = (struct tl_time_part){.letter = c};
        } else {
            put_literal(out, &literals_size, c);
        }
    }
    if (style == TL_TIME_JAVA_TEXT && reads && has_letter(out, 'e') && !has_letter(out, 'd'))
        return tl_fail(err, TL_ERR_DEFINITION, "the letter E can be read beside d alone");
    for (; open > 0; open--)
        out->parts[out->parts_count++] = (struct tl_time_part){.letter = ']'};
    share_digits(out);
    out->grain_ms = grain_of(out);
    return TL_OK;
}

/* --- print ----------------------------------------------------------------------------------------------------------------- */

struct moment {
    int64_t days, year;
    unsigned month, day;
    uint32_t hour, minute, second, ms, ms_of_day;
};

static void moment_of(int64_t days, enum tl_time_style style, struct moment *out)
{
    out->days = days;
    if (style == TL_TIME_JAVA_TEXT && days < TL_GREGORIAN_DAYS)
        tl_julian_from_days(days, &out->year, &out->month, &out->day);
    else
        tl_civil_from_days(days, &out->year, &out->month, &out->day);
}

static int64_t day_of_year(const struct moment *m, enum tl_time_style style)
{
    bool julian = style == TL_TIME_JAVA_TEXT && (m->days < TL_GREGORIAN_DAYS || m->year == 1582);

    return m->days - (julian ? tl_days_from_julian(m->year, 1, 1) : tl_days_from_civil(m->year, 1, 1)) + 1;
}

/* A week is of the year that its Saturday is in. */
static void saturday_of(const struct moment *m, enum tl_time_style style, struct moment *out)
{
    moment_of(m->days + 6 - tl_weekday_of_days(m->days), style, out);
}

static int64_t week_value(const struct moment *m, enum tl_time_style style, char letter)
{
    struct moment saturday;

    saturday_of(m, style, &saturday);
    return letter == 'Y' ? saturday.year : (day_of_year(&saturday, style) - 1) / 7 + 1;
}

static int64_t value_of(const struct moment *m, enum tl_time_style style, char letter)
{
    switch (letter) {
    case 'G': return m->year > 0;
    case 'y': return m->year > 0 ? m->year : 1 - m->year;
    case 'u': return m->year;
    case 'Y':
    case 'w': return week_value(m, style, letter);
    case 'W': return (m->day - 1 + tl_weekday_of_days(m->days - (int64_t)m->day + 1)) / 7 + 1;
    case 'Q': return (m->month + 2) / 3;
    case 'M': return m->month;
    case 'd': return m->day;
    case 'D': return day_of_year(m, style);
    case 'e': return tl_weekday_of_days(m->days) + 1;
    case 'i': return (tl_weekday_of_days(m->days) + 6) % 7 + 1;
    case 'F': return (m->day - 1) % 7 + 1;
    case 'f': return (m->day - 1) / 7 + 1;
    case 'a': return m->hour >= 12;
    case 'H': return m->hour;
    case 'k': return m->hour == 0 ? 24 : m->hour;
    case 'K': return m->hour % 12;
    case 'h': return m->hour % 12 == 0 ? 12 : m->hour % 12;
    case 'm': return m->minute;
    case 's': return m->second;
    case 'I': return m->ms;
    case 'A': return m->ms_of_day;
    case 'N': return m->ms_of_day * INT64_C(1000000);
    default: return m->ms * INT64_C(1000000); /* n, S */
    }
}

static char *put_digits(char *at, uint64_t value, unsigned width)
{
    for (unsigned i = width; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

static char *put_number(char *at, const struct tl_time_part *part, int64_t value)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    unsigned digits = 1;

    if (part->digits_min == 2 && value >= 0 && size < 100) { /* nearly all of them */
        at[0] = (char)('0' + (uint32_t)size / 10);
        at[1] = (char)('0' + (uint32_t)size % 10);
        return at + 2;
    }
    if (part->two_digits)
        size %= 100;
    for (uint64_t rest = size / 10; rest > 0; rest /= 10)
        digits++;
    if (value < 0 && part->sign != TL_TIME_UNSIGNED)
        *at++ = '-';
    else if (part->sign == TL_TIME_PLUS && digits > part->digits_min)
        *at++ = '+';
    return put_digits(at, size, digits > part->digits_min ? digits : part->digits_min);
}

/* Only milliseconds are there. */
static char *put_fraction(char *at, const struct tl_time_part *part, uint32_t ms)
{
    char digits[] = "000000000";

    put_digits(digits, ms, 3);
    memcpy(at, digits, part->digits_min);
    return at + part->digits_min;
}

static char *put_name(char *at, const struct tl_time_part *part, int64_t value)
{
    struct tl_sv name = tl_time_name(part->letter, part->form, value);

    memcpy(at, name.data, name.size);
    return at + name.size;
}

static char *put_part(char *at, const struct tl_time_pattern *pattern, const struct tl_time_part *part, const struct moment *m)
{
    if (part->letter == 'S')
        return put_fraction(at, part, m->ms);
    if (part->form != TL_TIME_NUMBER)
        return put_name(at, part, value_of(m, pattern->style, part->letter));
    return put_number(at, part, value_of(m, pattern->style, part->letter));
}

size_t tl_time_pattern_print(const struct tl_time_pattern *pattern, int64_t local_ms, char out[TL_TIME_PATTERN_TEXT_MAX])
{
    struct moment moment;
    char *at = out;

    moment_of(tl_days_of_ms(local_ms), pattern->style, &moment);
    moment.ms_of_day = (uint32_t)tl_ms_of_day(local_ms);
    moment.ms = moment.ms_of_day % 1000;
    moment.second = moment.ms_of_day / 1000 % 60;
    moment.minute = moment.ms_of_day / 60000 % 60;
    moment.hour = moment.ms_of_day / 3600000;
    for (uint32_t i = 0; i < pattern->parts_count; i++) {
        const struct tl_time_part *part = &pattern->parts[i];

        if (is_letter(part->letter)) {
            at = put_part(at, pattern, part, &moment);
        } else if (part->letter == '\'') {
            for (uint32_t k = 0; k < part->size; k++)
                *at++ = pattern->literals[part->at + k];
        }
    }
    return (size_t)(at - out);
}
