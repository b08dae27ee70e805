/* time_pattern.h: patterns of letters for wall clocks, as DATE_FORMAT and TO_TIMESTAMP take them: "yyyy-MM-dd'T'HH:mm".
 *
 * Is:      Java's two languages of such patterns, for Flink uses both: java.time's DateTimeFormatter for timestamps, and java.text's
 *          older SimpleDateFormat for the rest (DATE_FORMAT(STRING, f), UNIX_TIMESTAMP, FROM_UNIXTIME, CONVERT_TZ). Texts are
 *          English, weeks begin on Sunday, and the first week of a year is the one with 1 January: Java's locale "en".
 * Is not:  a zone: what is printed and read is a wall clock (zone.h), and letters that print a zone are refused.
 *
 *     letter        java.time                                 java.text
 *     G             era: AD, GGGG Anno Domini                 the same, AD alone
 *     y u           year of the era; year, negative too       year of the era; day of the week, Monday is 1
 *     Y w W         year of the week, week of it, of month    the same
 *     Q q           quarter: 1, 01, Q1, 1st quarter           -
 *     M L           month: 3, 03, Mar, March, M               without the last
 *     d D           day of the month, of the year             the same
 *     E             day of the week: Fri, EEEE Friday, F      without the last
 *     e c           day of the week, Sunday is 1; texts       -
 *     F             (day - 1) mod 7 + 1                       which Friday of the month
 *     a             AM, PM                                    the same
 *     H k K h       hour 0-23, 1-24, 0-11, 1-12               the same
 *     m s           minute, second                            the same
 *     S             digits of the fraction                    milliseconds as a number
 *     A n N         milliseconds of the day, nanoseconds of   -
 *                   the second, of the day
 *     ' [ ]         quoted text; sections that may be absent  quotes alone
 *
 * java.time counts the Gregorian calendar on into the past; java.text counts the Julian one before 1582-10-15.
 * Sources: the documentation of both classes and their results in Java 17. Differences: FLINK.md. */
#ifndef TL_TIME_PATTERN_H
#define TL_TIME_PATTERN_H

#include "base/base.h"
#include "base/sv.h"

enum {
    TL_TIME_PATTERN_MAX = 100,                          /* bytes of a pattern */
    TL_TIME_PATTERN_TEXT_MAX = TL_TIME_PATTERN_MAX * 20 /* bytes of what it prints */
};

enum tl_time_style { TL_TIME_JAVA_TIME, TL_TIME_JAVA_TEXT };

/* What a letter asks for. */
enum tl_time_form { TL_TIME_NUMBER, TL_TIME_SHORT, TL_TIME_FULL, TL_TIME_NARROW };
enum tl_time_sign {
    TL_TIME_UNSIGNED,
    TL_TIME_MINUS,
    TL_TIME_PLUS
}; /* TL_TIME_PLUS: one stands before more digits than asked for */

struct tl_time_part {
    char letter; /* '\'': literal text; '[' and ']': the ends of a section */
    uint8_t form, sign;
    uint8_t digits_min, digits_max;
    uint8_t at, size; /* of literal text, in `literals` */
    uint8_t behind;   /* reading: digits that numbers behind, with nothing between, leave to themselves */
    bool fixed;       /* reading: one of such numbers, of just so many digits */
    bool two_digits;  /* of a year */
};

/* Plain data: a pattern may be copied, kept and shared. */
struct tl_time_pattern {
    enum tl_time_style style;
    uint32_t parts_count;
    uint32_t grain_ms; /* what is printed holds so long, from a multiple of it on: a day, an hour, ... 1 */
    struct tl_time_part parts[TL_TIME_PATTERN_MAX + 8]; /* sections that are still open are closed behind the last */
    char literals[TL_TIME_PATTERN_MAX];
};

/* TL_ERR_DEFINITION: *err (may be NULL) names the letter. `reads`: it has to be one that can be read, not only printed. */
TL_MUST_USE enum tl_code tl_time_pattern_compile(struct tl_sv text, enum tl_time_style style, bool reads,
                                                 struct tl_time_pattern *out, struct tl_err *err);
/* The wall clock by the pattern; returns the length. */
size_t tl_time_pattern_print(const struct tl_time_pattern *pattern, int64_t local_ms, char out[TL_TIME_PATTERN_TEXT_MAX]);
/* The whole text, by java.time's rules (SMART): a day up to 31 that the month does not have is its last, 24:00 is the next day's
 * midnight, what the pattern does not ask for is of 1970-01-01 00:00:00. Cut to milliseconds. */
TL_MUST_USE bool tl_time_pattern_read(const struct tl_time_pattern *pattern, struct tl_sv text, int64_t *local_ms);
/* The beginning of the text, by java.text's rules: blanks before numbers do not matter, and 2024-02-31 is 2024-03-02. */
TL_MUST_USE bool tl_time_pattern_read_lenient(const struct tl_time_pattern *pattern, struct tl_sv text, int64_t *local_ms);

#endif
