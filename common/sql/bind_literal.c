/* bind_literal.c: types as written, and the constants: numbers, timestamps, intervals. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/timestamp.h"
#include "sql/bind.h"

/* --- types ---------------------------------------------------------------------------------------------------------------- */

static const struct type_row {
    const char *name;
    enum tl_kind kind;
    uint32_t numbers_max;
} type_rows[] = {
    {"BOOLEAN",       TL_BOOLEAN,       0},
    {"TINYINT",       TL_TINYINT,       0},
    {"SMALLINT",      TL_SMALLINT,      0},
    {"INT",           TL_INT,           0},
    {"INTEGER",       TL_INT,           0},
    {"BIGINT",        TL_BIGINT,        0},
    {"FLOAT",         TL_FLOAT,         0},
    {"DOUBLE",        TL_DOUBLE,        0},
    {"STRING",        TL_STRING,        0},
    {"VARCHAR",       TL_STRING,        1},
    {"CHAR",          TL_STRING,        1},
    {"TIMESTAMP",     TL_TIMESTAMP,     1},
    {"TIMESTAMP_LTZ", TL_TIMESTAMP_LTZ, 1},
};

static enum tl_code type_unknown(struct tl_bind *bind, const struct tl_ast_type *type)
{
    static const char all[] =
        "types are BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, STRING, TIMESTAMP(3) and TIMESTAMP_LTZ(3)";
    static const struct {
        const char *name, *hint;
    } known[] = {
        {"DECIMAL",     "take DOUBLE, or BIGINT of the smallest unit (cents)"},
        {"DEC",         "take DOUBLE, or BIGINT of the smallest unit (cents)"},
        {"NUMERIC",     "take DOUBLE, or BIGINT of the smallest unit (cents)"},
        {"DATE",        "take TIMESTAMP(3), or STRING"                       },
        {"TIME",        "take TIMESTAMP(3), or STRING"                       },
        {"BYTES",       "take STRING"                                        },
        {"BINARY",      "take STRING"                                        },
        {"VARBINARY",   "take STRING"                                        },
        {"ARRAY",       "take STRING: it then holds the JSON text"           },
        {"MAP",         "take STRING: it then holds the JSON text"           },
        {"ROW",         "take STRING: it then holds the JSON text"           },
        {"TEXT",        "take STRING"                                        },
        {"LONG",        "take BIGINT"                                        },
        {"BOOL",        "take BOOLEAN"                                       },
        {"DATETIME",    "take TIMESTAMP(3) or TIMESTAMP_LTZ(3)"              },
        {"TIMESTAMPTZ", "take TIMESTAMP_LTZ(3)"                              },
    };
    struct tl_nearest nearest = tl_nearest_to(type->name);
    char hint[96];

    for (size_t i = 0; i < TL_COUNT(known); i++)
        if (tl_sv_eq_nocase(type->name, tl_sv_from(known[i].name)))
            return tl_mistake(bind->err, bind->text, type->at, known[i].hint, "there is no type %s", known[i].name);
    for (size_t i = 0; i < TL_COUNT(type_rows); i++)
        tl_nearest_offer(&nearest, tl_sv_from(type_rows[i].name));
    return tl_mistake(bind->err, bind->text, type->at, tl_nearest_hint(&nearest, hint, sizeof hint, all),
                      "there is no type '%.*s'", TL_SHOWN(type->name));
}

/* The words behind TIMESTAMP: compared without regard to the white space between them. */
static bool words_are(struct tl_sv text, const char *words)
{
    struct tl_sv want = tl_sv_from(words);

    while (want.size > 0) {
        struct tl_sv word = tl_sv_cut(&want, ' ');

        text = tl_sv_trim(text);
        if (text.size < word.size || !tl_sv_eq_nocase((struct tl_sv){text.data, word.size}, word))
            return false;
        text.data += word.size;
        text.size -= word.size;
    }
    return text.size == 0;
}

enum tl_code tl_bind_type(struct tl_bind *bind, const struct tl_ast_type *type, enum tl_kind *kind, unsigned *precision)
{
    const struct type_row *row = NULL;

    for (size_t i = 0; i < TL_COUNT(type_rows) && row == NULL; i++)
        if (tl_sv_eq_nocase(type->name, tl_sv_from(type_rows[i].name)))
            row = &type_rows[i];
    if (row == NULL)
        return type_unknown(bind, type);
    *kind = row->kind;
    *precision = 0;
    if (type->more.size > 0) {
        if (words_are(type->more, "METADATA"))
            return tl_mistake(bind->err, bind->text, type->at,
                              "partition and offset of an event stand beside each row of a view without a window",
                              "METADATA columns have no place here: a table's columns are fields of its JSON events");
        if (row->kind == TL_TIMESTAMP && words_are(type->more, "WITH LOCAL TIME ZONE"))
            *kind = TL_TIMESTAMP_LTZ;
        else if (!(row->kind == TL_TIMESTAMP && words_are(type->more, "WITHOUT TIME ZONE")) &&
                 !(row->kind == TL_DOUBLE && words_are(type->more, "PRECISION")))
            return tl_mistake(bind->err, bind->text, type->at,
                              row->kind == TL_TIMESTAMP ? "an instant is TIMESTAMP_LTZ(3), a wall clock is TIMESTAMP(3)"
                                                        : "behind a type stand NOT NULL and COMMENT 'text'",
                              "there is no type '%.*s %.*s'", TL_SHOWN(type->name), TL_SHOWN(type->more));
    }
    if (type->numbers_count > row->numbers_max)
        return tl_mistake(bind->err, bind->text, type->at, NULL, "%s takes %s", row->name,
                          row->numbers_max == 0 ? "no number" : "one number");
    if (*kind == TL_TIMESTAMP || *kind == TL_TIMESTAMP_LTZ) {
        uint64_t digits = type->numbers_count > 0 ? type->numbers[0] : 6; /* Flink's default */

        if (digits > 3)
            return tl_mistake(
                bind->err, bind->text, type->at, *kind == TL_TIMESTAMP ? "write TIMESTAMP(3)" : "write TIMESTAMP_LTZ(3)",
                "times are kept in milliseconds%s", type->numbers_count > 0 ? "" : ", and without a number Flink means (6)");
        *precision = (unsigned)digits;
    }
    return TL_OK;
}

/* --- literals ------------------------------------------------------------------------------------------------------------- */

/* Integers are INT, or BIGINT where that is too narrow. What has a point or an exponent is DOUBLE: a deviation from Flink,
 * which makes a DECIMAL of 1.5. */
enum tl_code tl_bind_number(struct tl_bind *bind, const struct tl_ast_expr *ast, bool negative, struct tl_span at,
                            struct tl_expr **out)
{
    struct tl_value value = {.kind = TL_INT};
    char digits[32];

    if (memchr(ast->text.data, '.', ast->text.size) || memchr(ast->text.data, 'e', ast->text.size) ||
        memchr(ast->text.data, 'E', ast->text.size)) {
        char text[320];

        value.kind = TL_DOUBLE;
        snprintf(text, sizeof text, "%.*s", (int)tl_min_i64((int64_t)ast->text.size, 310), ast->text.data);
        value.f64 = strtod(text, NULL); /* not tl_sv_to_f64: SQL also takes "1." and ".5" */
        if (ast->text.size > 310 || !isfinite(value.f64))
            return tl_mistake(bind->err, bind->text, at, "numbers with a point or an exponent are DOUBLE",
                              "%.*s is beyond DOUBLE", TL_SHOWN(ast->text));
        value.f64 = negative ? -value.f64 : value.f64;
        return tl_bind_constant(bind, value, at, out);
    }
    snprintf(digits, sizeof digits, "%s%.*s", negative ? "-" : "", (int)tl_min_i64((int64_t)ast->text.size, 30), ast->text.data);
    if (ast->text.size > 20 || !tl_sv_to_i64(tl_sv_from(digits), &value.i64))
        return tl_mistake(bind->err, bind->text, at, "with an exponent it is a DOUBLE: 1e19", "%.*s is beyond BIGINT",
                          TL_SHOWN(ast->text));
    if (value.i64 < INT32_MIN || value.i64 > INT32_MAX)
        value.kind = TL_BIGINT;
    return tl_bind_constant(bind, value, at, out);
}

enum tl_code tl_bind_timestamp(struct tl_bind *bind, const struct tl_ast_expr *ast, struct tl_expr **out)
{
    struct tl_value value = {.kind = TL_TIMESTAMP};
    const char *point = memchr(ast->text.data, '.', ast->text.size);
    bool clamped = false;

    if (!tl_time_from_sql(ast->text, &value.i64, &clamped))
        return tl_mistake(bind->err, bind->text, ast->at,
                          "write TIMESTAMP '2024-03-01 10:00:00' or TIMESTAMP '2024-03-01 10:00:00.123'",
                          "'%.*s' is no timestamp", TL_SHOWN(ast->text));
    if (clamped)
        return tl_mistake(bind->err, bind->text, ast->at, NULL, "there is no such day: '%.*s'", TL_SHOWN(ast->text));
    if (point != NULL && ast->text.data + ast->text.size - point > 4)
        return tl_mistake(bind->err, bind->text, ast->at, "write at most three digits behind the point",
                          "times are kept in milliseconds");
    return tl_bind_constant(bind, value, ast->at, out);
}

struct interval_unit {
    const char *name, *plural;
    int64_t ms;
};

static const struct interval_unit *interval_unit_find(struct tl_sv name)
{
    static const struct interval_unit units[] = {
        {"SECOND", "SECONDS", 1000    },
        {"MINUTE", "MINUTES", 60000   },
        {"HOUR",   "HOURS",   3600000 },
        {"DAY",    "DAYS",    86400000}
    };

    for (size_t i = 0; i < TL_COUNT(units); i++)
        if (tl_sv_eq_nocase(name, tl_sv_from(units[i].name)) || tl_sv_eq_nocase(name, tl_sv_from(units[i].plural)))
            return &units[i];
    return NULL;
}

static enum tl_code interval_unit_unknown(struct tl_bind *bind, const struct tl_ast_expr *ast)
{
    static const char *const calendar[] = {"MONTH", "MONTHS", "YEAR", "YEARS", "QUARTER", "QUARTERS", "WEEK", "WEEKS"};
    struct tl_span at = tl_span_at(bind->text, (size_t)(ast->unit.data - bind->text->text.data), ast->unit.size);

    for (size_t i = 0; i < TL_COUNT(calendar); i++)
        if (tl_sv_eq_nocase(ast->unit, tl_sv_from(calendar[i])))
            return tl_mistake(bind->err, bind->text, at,
                              i < 6 ? "months and years differ in length: take days, and roll them up in the query"
                                    : "write it in days: INTERVAL '7' DAY",
                              "an interval has the unit SECOND, MINUTE, HOUR or DAY");
    return tl_mistake(bind->err, bind->text, at, "write INTERVAL '5' MINUTE",
                      "an interval has the unit SECOND, MINUTE, HOUR or DAY");
}

/* Calcite gives an interval two digits unless more are asked for, so a file that says '180' MINUTE would not run on Flink. */
enum tl_code tl_bind_interval(struct tl_bind *bind, const struct tl_ast_expr *ast, bool negative, struct tl_span at,
                              struct tl_expr **out)
{
    struct tl_value value = {.kind = TL_INTERVAL};
    const struct interval_unit *unit = interval_unit_find(ast->unit);
    struct tl_sv fraction = tl_sv_trim(ast->text), whole;
    int64_t digits_max = ast->precision > 0 ? (int64_t)ast->precision : 2, count, limit = 1, ms = 0, scale = 100;
    char hint[120];

    if (unit == NULL)
        return interval_unit_unknown(bind, ast);
    if (fraction.size > 0 && (fraction.data[0] == '-' || fraction.data[0] == '+')) {
        negative = negative != (fraction.data[0] == '-');
        fraction.data++;
        fraction.size--;
    }
    whole = tl_sv_cut(&fraction, '.');
    if (whole.size == 0 || whole.data[0] < '0' || whole.data[0] > '9' || !tl_sv_to_i64(whole, &count) ||
        (whole.data + whole.size < ast->text.data + ast->text.size && *(whole.data + whole.size) == '.' && fraction.size == 0))
        return tl_mistake(bind->err, bind->text, ast->at, "write a whole number: INTERVAL '5' MINUTE", "'%.*s' is no interval",
                          TL_SHOWN(ast->text));
    if (fraction.size > 0 && unit->ms != 1000)
        return tl_mistake(bind->err, bind->text, ast->at, "write it in a smaller unit: INTERVAL '90' SECOND",
                          "only seconds have a fraction");
    for (size_t i = 0; i < fraction.size; i++) {
        if (fraction.data[i] < '0' || fraction.data[i] > '9')
            return tl_mistake(bind->err, bind->text, ast->at, "write INTERVAL '0.5' SECOND", "'%.*s' is no interval",
                              TL_SHOWN(ast->text));
        if (i >= 3 && fraction.data[i] != '0')
            return tl_mistake(bind->err, bind->text, ast->at, "write at most three digits behind the point",
                              "times are kept in milliseconds");
        ms += (fraction.data[i] - '0') * scale;
        scale /= 10;
    }
    for (int64_t i = 0; i < digits_max; i++)
        limit *= 10;
    if (count >= limit) {
        int digits = snprintf(NULL, 0, "%lld", (long long)count);

        if (digits > 10)
            return tl_mistake(bind->err, bind->text, ast->at, "ten digits are the most", "the interval is too long");
        snprintf(hint, sizeof hint, "write the number of digits: INTERVAL '%.*s' %s(%d)", TL_SHOWN(ast->text), unit->name,
                 digits);
        return tl_mistake(bind->err, bind->text, ast->at, hint, "%lld exceeds the precision of %s(%lld)", (long long)count,
                          unit->name, (long long)digits_max);
    }
    value.i64 = count * unit->ms + ms;
    value.i64 = negative ? -value.i64 : value.i64;
    return tl_bind_constant(bind, value, at, out);
}
