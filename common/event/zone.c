/* zone.c: time zones: instants <-> the wall clock of a place, by the rules of the tz database. See zone.h. */
#include "event/zone.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "event/timestamp.h"

enum {
    NAME_BYTES_MAX = 64,      /* the longest of the database has 32 */
    FILE_BYTES_MAX = 1 << 16, /* the largest has less than 4 KiB */
    HOUR_S = 3600,
    DAY_S = 86400,
};

static const int64_t offset_min_ms = -25 * INT64_C(3600000); /* both excluded: RFC 9636, 3.2 */
static const int64_t offset_max_ms = 26 * INT64_C(3600000);

/* A day of the year in a TZ string, and the time of day at which the offset changes. */
struct rule_day {
    enum { DAY_OF_MONTH, DAY_JULIAN, DAY_OF_YEAR } form; /* Mm.w.d, Jn, n */
    int64_t month, week, day;
    int64_t time_s; /* of the clock that is on until then; -167 h to 167 h */
};

struct zone_row {
    int64_t from_ms, offset_ms;
};

/*     rows[0]      rows[1]   ...   rows[n-1]       the rule, where there is one
 *     INT64_MIN    from_ms         from_ms         rule_from_ms                                                  */
struct tl_zone {
    struct tl_sv name;
    struct zone_row *rows; /* of neighbours each has another offset */
    uint32_t rows_count;
    bool has_rule; /* two changes a year, for ever */
    int64_t rule_from_ms;
    int64_t standard_s, summer_s; /* offsets */
    struct rule_day summer_begin, summer_end;
};

/* Whole seconds to milliseconds. */
static int64_t ms_of(int64_t seconds)
{
    int64_t ms;

    if (!tl_mul_overflows(seconds, INT64_C(1000), &ms))
        return ms;
    return seconds < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* --- the rule ------------------------------------------------------------------------------------------------------------ */

static bool year_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the rule's day in that year. */
static int64_t rule_days(const struct rule_day *rule, int64_t year)
{
    int64_t first, days;

    switch (rule->form) {
    case DAY_JULIAN: /* 1 to 365; the leap day has no number */
        return tl_days_from_civil(year, 1, 1) + rule->day - 1 + (year_is_leap(year) && rule->day > 59);
    case DAY_OF_YEAR: return tl_days_from_civil(year, 1, 1) + rule->day;
    case DAY_OF_MONTH: break;
    }
    first = tl_days_from_civil(year, (unsigned)rule->month, 1);
    days = first + (rule->day - (first + 4) % 7 + 14) % 7 + (rule->week - 1) * 7; /* 1970-01-01 was a Thursday, 4 */
    while (days >=
           (rule->month == 12 ? tl_days_from_civil(year + 1, 1, 1) : tl_days_from_civil(year, (unsigned)rule->month + 1, 1)))
        days -= 7; /* the fifth means the last */
    return days;
}

/* The changes of five years around the instant: the farthest rule moves a change by a week, so one change lies at or before the
 * instant, and one behind it. Where both fall on one instant there is summer all year, and it stays. */
static struct tl_zone_span rule_span(const struct tl_zone *zone, int64_t instant_ms)
{
    struct {
        int64_t at_s, offset_s;
    } changes[10];
    int64_t instant_s = floor_div(instant_ms, 1000), year;
    struct tl_zone_span span = {INT64_MIN, INT64_MAX, 0};
    unsigned month, day, count = 0;

    tl_civil_from_days(floor_div(instant_s, DAY_S), &year, &month, &day);
    for (int64_t y = year - 2; y <= year + 2; y++) {
        int64_t begin_s = rule_days(&zone->summer_begin, y) * DAY_S + zone->summer_begin.time_s - zone->standard_s;
        int64_t end_s = rule_days(&zone->summer_end, y) * DAY_S + zone->summer_end.time_s - zone->summer_s;

        for (unsigned which = 0; which < 2; which++) {
            int64_t at_s = which == 0 ? end_s : begin_s;
            unsigned place = count++;

            while (place > 0 && changes[place - 1].at_s > at_s) {
                changes[place] = changes[place - 1];
                place--;
            }
            changes[place].at_s = at_s;
            changes[place].offset_s = which == 0 ? zone->standard_s : zone->summer_s;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (changes[i].at_s > instant_s) {
            span.to_ms = ms_of(changes[i].at_s);
            break;
        }
        span.from_ms = ms_of(changes[i].at_s);
        span.offset_ms = changes[i].offset_s * 1000;
    }
    span.from_ms = tl_max_i64(span.from_ms, zone->rule_from_ms);
    return span;
}

/* --- questions ----------------------------------------------------------------------------------------------------------- */

struct tl_sv tl_zone_name(const struct tl_zone *zone)
{
    return zone == NULL ? TL_SV("UTC") : zone->name;
}

struct tl_zone_span tl_zone_span(const struct tl_zone *zone, int64_t instant_ms)
{
    uint32_t low = 0, high;
    struct tl_zone_span span = {INT64_MIN, INT64_MAX, 0};

    if (zone == NULL)
        return span;
    if (zone->has_rule && instant_ms >= zone->rule_from_ms)
        return rule_span(zone, instant_ms);
    high = zone->rows_count; /* rows[low] is at or before the instant, rows[high] behind it */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (zone->rows[middle].from_ms <= instant_ms)
            low = middle;
        else
            high = middle;
    }
    span.from_ms = zone->rows[low].from_ms;
    span.offset_ms = zone->rows[low].offset_ms;
    if (high < zone->rows_count)
        span.to_ms = zone->rows[high].from_ms;
    else if (zone->has_rule)
        span.to_ms = zone->rule_from_ms;
    return span;
}

int64_t tl_zone_local_ms(const struct tl_zone *zone, int64_t instant_ms)
{
    return tl_add_sat_i64(instant_ms, tl_zone_span(zone, instant_ms).offset_ms);
}

/* The earliest instant that shows this wall clock or a later one. */
int64_t tl_zone_first_ms(const struct tl_zone *zone, int64_t local_ms)
{
    struct tl_zone_span span = tl_zone_span(zone, tl_add_sat_i64(local_ms, -offset_max_ms)); /* nothing before it comes so far */

    for (;;) {
        int64_t instant_ms = tl_max_i64(span.from_ms, tl_add_sat_i64(local_ms, -span.offset_ms));

        if (instant_ms < span.to_ms || span.to_ms == INT64_MAX)
            return instant_ms;
        span = tl_zone_span(zone, span.to_ms);
    }
}

/* The latest instant that shows this wall clock or an earlier one; where that is an earlier one, what follows it. */
int64_t tl_zone_last_ms(const struct tl_zone *zone, int64_t local_ms)
{
    const int64_t end_ms = tl_add_sat_i64(local_ms, -offset_min_ms); /* from here on all is later */
    struct tl_zone_span span = tl_zone_span(zone, tl_add_sat_i64(local_ms, -offset_max_ms));
    int64_t last_ms = span.from_ms;

    for (;;) {
        int64_t instant_ms = tl_add_sat_i64(local_ms, -span.offset_ms);

        if (instant_ms >= span.from_ms)
            last_ms = tl_min_i64(instant_ms, span.to_ms);
        if (span.to_ms >= end_ms)
            return last_ms;
        span = tl_zone_span(zone, span.to_ms);
    }
}

int64_t tl_zone_instant_ms(const struct tl_zone *zone, int64_t local_ms)
{
    int64_t first_ms = tl_zone_first_ms(zone, local_ms);

    if (first_ms == INT64_MIN || tl_zone_local_ms(zone, first_ms) <= local_ms)
        return first_ms;
    return tl_add_sat_i64(local_ms, -tl_zone_span(zone, first_ms - 1).offset_ms); /* a gap: as if the clock had gone on */
}

int64_t tl_zone_end_ms(const struct tl_zone *zone, int64_t local_ms)
{
    return tl_add_sat_i64(tl_zone_last_ms(zone, tl_add_sat_i64(local_ms, -1)), 1);
}

int64_t tl_zone_instant_near_ms(const struct tl_zone *zone, struct tl_zone_span *span, int64_t local_ms)
{
    const int64_t apart_ms = offset_max_ms - offset_min_ms; /* no two instants of one wall clock are farther apart */
    int64_t instant_ms = tl_add_sat_i64(local_ms, -span->offset_ms);

    if (tl_add_sat_i64(instant_ms, -apart_ms) >= span->from_ms && tl_add_sat_i64(instant_ms, apart_ms) < span->to_ms)
        return instant_ms;
    instant_ms = tl_zone_instant_ms(zone, local_ms);
    *span = tl_zone_span(zone, instant_ms);
    return instant_ms;
}

/* --- the TZ string behind the table -------------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool take(struct tl_sv *text, char c)
{
    if (text->size == 0 || text->data[0] != c)
        return false;
    text->data++;
    text->size--;
    return true;
}

static bool take_number(struct tl_sv *text, int64_t min, int64_t max, int64_t *out)
{
    int64_t value = 0;
    size_t digits = 0;

    for (; digits < 3 && digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9'; digits++)
        value = value * 10 + (text->data[digits] - '0');
    if (digits == 0 || value < min || value > max)
        return false;
    text->data += digits;
    text->size -= digits;
    *out = value;
    return true;
}

/* [+-]h[:mm[:ss]]. */
static bool take_time(struct tl_sv *text, int64_t hours_max, int64_t *out_s)
{
    bool minus = take(text, '-');
    int64_t hours, minutes = 0, seconds = 0;

    if (!minus)
        (void)take(text, '+');
    if (!take_number(text, 0, hours_max, &hours))
        return false;
    if (take(text, ':')) {
        if (!take_number(text, 0, 59, &minutes))
            return false;
        if (take(text, ':') && !take_number(text, 0, 59, &seconds))
            return false;
    }
    *out_s = (hours * HOUR_S + minutes * 60 + seconds) * (minus ? -1 : 1);
    return true;
}

/* Three letters or more, or anything in angle brackets. */
static bool take_abbreviation(struct tl_sv *text)
{
    size_t size = 0;

    if (take(text, '<'))
        return tl_sv_cut(text, '>').size >= 3;
    while (size < text->size && is_letter(text->data[size]))
        size++;
    text->data += size;
    text->size -= size;
    return size >= 3;
}

static bool take_rule_day(struct tl_sv *text, struct rule_day *out)
{
    if (!take(text, ','))
        return false;
    if (take(text, 'M')) {
        out->form = DAY_OF_MONTH;
        if (!take_number(text, 1, 12, &out->month) || !take(text, '.') || !take_number(text, 1, 5, &out->week) ||
            !take(text, '.') || !take_number(text, 0, 6, &out->day))
            return false;
    } else if (take(text, 'J')) {
        out->form = DAY_JULIAN;
        if (!take_number(text, 1, 365, &out->day))
            return false;
    } else {
        out->form = DAY_OF_YEAR;
        if (!take_number(text, 0, 365, &out->day))
            return false;
    }
    out->time_s = 2 * HOUR_S;
    return !take(text, '/') || take_time(text, 167, &out->time_s);
}

/* "CET-1CEST,M3.5.0,M10.5.0/3": offsets are west of Greenwich. *changes: there is summer time. */
static bool rule_read(struct tl_sv text, struct tl_zone *zone, bool *changes)
{
    int64_t west_s;

    if (!take_abbreviation(&text) || !take_time(&text, 24, &west_s))
        return false;
    zone->standard_s = -west_s;
    *changes = text.size > 0;
    if (text.size == 0)
        return true;
    zone->summer_s = zone->standard_s + HOUR_S;
    if (!take_abbreviation(&text))
        return false;
    if (text.size > 0 && text.data[0] != ',') {
        if (!take_time(&text, 24, &west_s))
            return false;
        zone->summer_s = -west_s;
    }
    return take_rule_day(&text, &zone->summer_begin) && take_rule_day(&text, &zone->summer_end) && text.size == 0;
}

/* --- TZif ---------------------------------------------------------------------------------------------------------------- */

/* The header (RFC 9636, 3.1), twice in files of version 2 and later: first with times of 4 bytes, then of 8.
 *
 *     0 "TZif"  4 version  5 unused  20 isut  24 isstd  28 leap  32 time  36 type  40 char  44
 *     time[leap..] * (4|8)   time * 1: the type from then on   type * 6: offset, summer, abbreviation   char   leap   isstd   isut   */
struct tzif_head {
    uint8_t version;
    uint32_t isut, isstd, leap, times, types, chars;
};

static uint64_t read_big(struct tl_reader *reader, size_t size)
{
    struct tl_sv bytes = tl_reader_bytes(reader, size);
    uint64_t value = 0;

    for (size_t i = 0; i < bytes.size; i++)
        value = value << 8 | (uint8_t)bytes.data[i];
    return value;
}

static int64_t read_time(struct tl_reader *reader, size_t size)
{
    uint64_t value = read_big(reader, size);

    return size == 4 ? (int32_t)(uint32_t)value : (int64_t)value;
}

static bool read_head(struct tl_reader *reader, struct tzif_head *out)
{
    if (!tl_sv_eq(tl_reader_bytes(reader, 4), TL_SV("TZif")))
        return false;
    out->version = tl_reader_u8(reader);
    (void)tl_reader_bytes(reader, 15);
    out->isut = (uint32_t)read_big(reader, 4);
    out->isstd = (uint32_t)read_big(reader, 4);
    out->leap = (uint32_t)read_big(reader, 4);
    out->times = (uint32_t)read_big(reader, 4);
    out->types = (uint32_t)read_big(reader, 4);
    out->chars = (uint32_t)read_big(reader, 4);
    return !reader->failed;
}

static uint64_t body_bytes(const struct tzif_head *head, uint64_t time_bytes)
{
    return head->times * (time_bytes + 1) + head->types * UINT64_C(6) + head->chars + head->leap * (time_bytes + 4) +
           head->isstd + head->isut;
}

static void add_row(struct tl_zone *zone, int64_t from_ms, int64_t offset_ms)
{
    if (zone->rows_count == 0 || zone->rows[zone->rows_count - 1].offset_ms != offset_ms)
        zone->rows[zone->rows_count++] = (struct zone_row){from_ms, offset_ms};
}

/* The table into rows. A text that says what is wrong, or NULL. */
static const char *read_table(struct tl_reader *reader, const struct tzif_head *head, size_t time_bytes, struct tl_zone *zone)
{
    struct tl_reader times = *reader, types, offsets;
    int64_t before_s = 0;

    (void)tl_reader_bytes(reader, head->times * time_bytes);
    types = *reader;
    (void)tl_reader_bytes(reader, head->times);
    offsets = *reader;
    (void)tl_reader_bytes(reader, head->types * (size_t)6 + head->chars + head->isstd + head->isut);
    for (uint32_t i = 0; i <= head->times; i++) { /* the first type holds before the first time */
        int64_t at_s = i == 0 ? 0 : read_time(&times, time_bytes), offset_ms;
        uint8_t type = i == 0 ? 0 : tl_reader_u8(&types);
        struct tl_reader offset = offsets;

        if (type >= head->types)
            return "it names a type that it does not have";
        if (i > 1 && at_s <= before_s)
            return "its times go back";
        (void)tl_reader_bytes(&offset, type * (size_t)6);
        offset_ms = read_time(&offset, 4) * 1000;
        if (offset_ms <= offset_min_ms || offset_ms >= offset_max_ms)
            return "an offset is longer than a day";
        zone->rule_from_ms = i == 0 ? INT64_MIN : ms_of(at_s);
        add_row(zone, zone->rule_from_ms, offset_ms);
        before_s = at_s;
    }
    return NULL;
}

/* Between two line ends; empty: the last type holds for ever. */
static const char *read_footer(struct tl_reader *reader, struct tl_zone *zone)
{
    struct tl_sv rest = {reader->at, (size_t)(reader->end - reader->at)}, text;
    bool changes = false;

    if (!take(&rest, '\n') || memchr(rest.data, '\n', rest.size) == NULL)
        return "its rule has no end";
    text = tl_sv_cut(&rest, '\n');
    if (text.size == 0)
        return NULL;
    if (!rule_read(text, zone, &changes))
        return "its rule cannot be read";
    if (!changes)
        add_row(zone, zone->rule_from_ms, zone->standard_s * 1000);
    zone->has_rule = changes;
    return NULL;
}

static const char *read_file(struct tl_reader *reader, struct tl_zone *zone, struct tl_arena *arena, bool *no_memory)
{
    struct tzif_head head;
    size_t time_bytes = 4;
    const char *wrong;

    if (!read_head(reader, &head))
        return "it does not begin as one does";
    if (head.version >= '2') {
        (void)tl_reader_bytes(reader, body_bytes(&head, 4));
        if (!read_head(reader, &head))
            return "it is cut short";
        time_bytes = 8;
    }
    if (body_bytes(&head, time_bytes) > (uint64_t)(reader->end - reader->at))
        return "it is cut short";
    if (head.types == 0)
        return "it has no offset";
    if (head.leap > 0)
        return "it counts leap seconds";
    zone->rows =
        tl_arena_alloc(arena, ((size_t)head.times + 2) * sizeof *zone->rows); /* and one each before and behind the times */
    *no_memory = zone->rows == NULL;
    if (*no_memory)
        return NULL;
    wrong = read_table(reader, &head, time_bytes, zone);
    return wrong == NULL && time_bytes == 8 ? read_footer(reader, zone) : wrong;
}

static enum tl_code zone_make(struct tl_sv name, struct tl_arena *arena, struct tl_zone **out, struct tl_err *err)
{
    struct tl_zone *zone = tl_arena_zalloc(arena, sizeof *zone);

    if (zone == NULL || !tl_arena_copy(arena, name, &zone->name))
        return tl_fail_memory(err, sizeof *zone);
    *out = zone;
    return TL_OK;
}

static const struct tl_zone *zone_or_utc(const struct tl_zone *zone)
{
    bool is_utc = !zone->has_rule && zone->rows_count == 1 && zone->rows[0].offset_ms == 0;

    return is_utc ? NULL : zone;
}

enum tl_code tl_zone_read(struct tl_sv name, struct tl_sv bytes, struct tl_arena *arena, const struct tl_zone **out,
                          struct tl_err *err)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_zone *zone = NULL;
    bool no_memory = false;
    const char *wrong;
    enum tl_code rc;

    TL_TRY(zone_make(name, arena, &zone, err));
    wrong = read_file(&reader, zone, arena, &no_memory);
    if (no_memory)
        TL_TRY(tl_fail_memory(err, bytes.size));
    if (wrong != NULL)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "the file of time zone '%.*s' is no TZif file: %s; install tzdata anew",
                       TL_SV_ARG(name), wrong));
    *out = zone_or_utc(zone);
out:
    return rc;
}

/* --- names --------------------------------------------------------------------------------------------------------------- */

static const char *database(void)
{
    const char *folder = getenv("TZDIR");

    return folder != NULL && folder[0] != '\0' ? folder : "/usr/share/zoneinfo";
}

/* Each part of a zone's name begins with a capital letter: what does not (posix, right, localtime, zone.tab) is no zone, and no name
 * leads out of the database. */
static bool part_is_fit(struct tl_sv part)
{
    for (size_t i = 0; i < part.size; i++) {
        char c = part.data[i];

        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '+')
            return false;
    }
    return part.size > 0 && part.data[0] >= 'A' && part.data[0] <= 'Z';
}

static bool name_is_fit(struct tl_sv name)
{
    bool fit = name.size > 0 && name.size <= NAME_BYTES_MAX && name.data[name.size - 1] != '/';

    while (fit && name.size > 0)
        fit = part_is_fit(tl_sv_cut(&name, '/'));
    return fit;
}

/* GMT and a sign, then H, HH, HHmm or HH:mm, at most 18:00: what java.util.TimeZone and java.time.ZoneId both take. */
static bool offset_read(struct tl_sv name, int64_t *out_ms)
{
    struct tl_sv text = name;
    int64_t hours, minutes = 0;
    bool minus;

    if (!take(&text, 'G') || !take(&text, 'M') || !take(&text, 'T'))
        return false;
    minus = take(&text, '-');
    if (!minus && !take(&text, '+'))
        return false;
    if (text.size == 4 || text.size == 5) {
        struct tl_sv half = {text.data + text.size - 2, 2};

        if ((text.size == 5 && text.data[2] != ':') || !take_number(&half, 0, 59, &minutes) || half.size > 0)
            return false;
        text.size = 2;
    }
    if (text.size > 2 || !take_number(&text, 0, 18, &hours) || text.size > 0)
        return false;
    *out_ms = (hours * 60 + minutes) * 60000 * (minus ? -1 : 1);
    return hours * 60 + minutes <= 18 * 60;
}

static enum tl_code offset_open(int64_t offset_ms, struct tl_arena *arena, const struct tl_zone **out, struct tl_err *err)
{
    int minutes = (int)(offset_ms / 60000), size = minutes < 0 ? -minutes : minutes;
    struct tl_zone *zone = NULL;
    enum tl_code rc;
    char name[16];

    snprintf(name, sizeof name, "GMT%c%02d:%02d", minutes < 0 ? '-' : '+', size / 60, size % 60);
    TL_TRY(zone_make(tl_sv_from(name), arena, &zone, err));
    zone->rows = tl_arena_alloc(arena, sizeof *zone->rows);
    if (zone->rows == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *zone->rows));
    add_row(zone, INT64_MIN, offset_ms);
    *out = zone_or_utc(zone);
out:
    return rc;
}

static enum tl_code not_found(struct tl_sv name, struct tl_err *err)
{
    struct stat info;

    if (stat(database(), &info) != 0)
        return tl_fail(err, TL_ERR_NOT_FOUND, "there is no time zone database in %s: install tzdata", database());
    return tl_fail(err, TL_ERR_NOT_FOUND,
                   "there is no time zone '%.*s'; there are UTC, names as 'Europe/Berlin' and offsets as 'GMT+05:30'",
                   (int)tl_min_i64((int64_t)name.size, NAME_BYTES_MAX), name.data);
}

static enum tl_code file_read(struct tl_sv name, struct tl_buf *out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    struct stat info;
    char path[4096], *room;
    ssize_t size;
    int fd;

    if (snprintf(path, sizeof path, "%s/%.*s", database(), TL_SV_ARG(name)) >= (int)sizeof path)
        return not_found(name, err);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait where something that is no file took the name */
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? not_found(name, err) : tl_fail_errno(err, TL_ERR_IO, "cannot open %s", path);
    if (fstat(fd, &info) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot read %s", path));
    if (S_ISDIR(info.st_mode))
        TL_TRY(not_found(name, err));
    if (!S_ISREG(info.st_mode) || info.st_size > FILE_BYTES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s is no TZif file", path));
    room = tl_buf_reserve(out, FILE_BYTES_MAX);
    if (room == NULL)
        TL_TRY(tl_fail_memory(err, FILE_BYTES_MAX));
    while ((size = read(fd, room + out->size, FILE_BYTES_MAX - out->size)) > 0)
        out->size += (size_t)size;
    if (size < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "cannot read %s", path));
out:
    close(fd);
    return rc;
}

enum tl_code tl_zone_open(struct tl_sv name, struct tl_arena *arena, const struct tl_zone **out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    struct tl_buf file;
    int64_t offset_ms;

    if (tl_sv_eq(name, TL_SV("UTC")) || tl_sv_eq(name, TL_SV("GMT")) || tl_sv_eq(name, TL_SV("Etc/UTC"))) {
        *out = NULL; /* also where there is no database */
        return TL_OK;
    }
    if (offset_read(name, &offset_ms))
        return offset_open(offset_ms, arena, out, err);
    if (!name_is_fit(name))
        return not_found(name, err);
    tl_buf_init(&file, 0);
    TL_TRY(file_read(name, &file, err));
    TL_TRY(tl_zone_read(name, tl_buf_sv(&file), arena, out, err));
out:
    tl_buf_done(&file);
    return rc;
}

/* --- the database -------------------------------------------------------------------------------------------------------- */

struct names {
    struct tl_arena *arena;
    struct tl_sv *list;
    size_t count, capacity;
    char path[4096], *inside; /* of the folder; where the name begins in it */
};

static bool names_add(struct names *names)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity * 2 + 256;
        struct tl_sv *list = tl_arena_alloc(names->arena, capacity * sizeof *list);

        if (list == NULL)
            return false;
        if (names->count > 0)
            memcpy(list, names->list, names->count * sizeof *list);
        names->list = list;
        names->capacity = capacity;
    }
    return tl_arena_copy(names->arena, tl_sv_from(names->inside), &names->list[names->count++]);
}

/* Everything in the folder that names->path says. False: out of memory. */
static bool names_walk(struct names *names)
{
    size_t size = strlen(names->path);
    DIR *folder = opendir(names->path);
    struct dirent *entry;
    bool well = true;

    if (folder == NULL)
        return true;
    while (well && (entry = readdir(folder)) != NULL) {
        int more = snprintf(names->path + size, sizeof names->path - size, "/%s", entry->d_name);
        struct stat info;

        if (more < 0 || (size_t)more >= sizeof names->path - size || !name_is_fit(tl_sv_from(names->inside)) ||
            stat(names->path, &info) != 0)
            continue;
        if (S_ISDIR(info.st_mode))
            well = names_walk(names);
        else if (S_ISREG(info.st_mode))
            well = names_add(names);
    }
    names->path[size] = '\0';
    closedir(folder);
    return well;
}

enum tl_code tl_zone_names(struct tl_arena *arena, struct tl_sv **out, size_t *count, struct tl_err *err)
{
    struct names names = {.arena = arena};
    int size = snprintf(names.path, sizeof names.path, "%s", database());

    if (size > 0 && (size_t)size + 1 < sizeof names.path) {
        names.inside = names.path + size + 1;
        if (!names_walk(&names))
            return tl_fail_memory(err, names.capacity * sizeof *names.list);
    }
    *out = names.list;
    *count = names.count;
    return TL_OK;
}

size_t tl_zone_version(char out[TL_ZONE_VERSION_BYTES])
{
    static const char mark[] = "# version ";
    char path[4096], line[64] = "";
    size_t size = 0;
    FILE *file = NULL;

    out[0] = '\0';
    if (snprintf(path, sizeof path, "%s/tzdata.zi", database()) < (int)sizeof path)
        file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof line, file) != NULL && strncmp(line, mark, sizeof mark - 1) == 0) {
        size = strcspn(line + sizeof mark - 1, "\n");
        if (size < TL_ZONE_VERSION_BYTES)
            memcpy(out, line + sizeof mark - 1, size);
        else
            size = 0;
        out[size] = '\0';
    }
    fclose(file);
    return size;
}

int64_t tl_zone_next_ms(const struct tl_zone *zone, int64_t of_day_ms, int64_t after_ms)
{
    int64_t local_ms = tl_zone_local_ms(zone, after_ms), next_ms;

    for (local_ms += of_day_ms - tl_ms_of_day(local_ms);; local_ms += TL_DAY_MS) {
        next_ms = tl_zone_first_ms(zone, local_ms);
        if (next_ms > after_ms)
            return next_ms;
    }
}
