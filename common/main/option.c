/* option.c: reads flags and environment into structs, by tables; writes --help from the same rows. */
#include "main/option.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"

#define COMMON(field) offsetof(struct tl_common_options, field)
static const struct tl_option common_table[] = {
    {"views",          TL_OPT_FILE,   "FILE",        "the views file: tables, views and settings",                                  COMMON(views),      0  },
    {"checks",         TL_OPT_FILE,   "FILE",        "data-quality checks that batch makes (CHECKS.md)",                            COMMON(checks),     0  },
    {"functions",      TL_OPT_FILE,   "LIB.so",      "functions of your own, from a shared library",                                COMMON(functions),  0  },
    {"places",         TL_OPT_FILE,   "FILE.mmdb",   "where GET_LOCATION looks addresses up",                                       COMMON(places),     0  },
    {"user-agents",    TL_OPT_FILE,   "FILE",        "the rules of PARSE_USER_AGENT and IS_BOT (default uap-core's of the system)",
     COMMON(user_agents),                                                                                                                               0  },
    {"data",           TL_OPT_FILE,   "DIR",         "where local files live (default ./tally-data)",                               COMMON(data),       0  },
    {"log",            TL_OPT_CHOICE, "local|kafka", "where events come from (default local: DIR/log.db)",                          COMMON(log),        0  },
    {"kafka-property", TL_OPT_LIST,   "NAME=VALUE",  "a property of librdkafka's; again for more, and it wins over the views file",
     COMMON(kafka_properties),                                                                                                                          0  },
    {"store",          TL_OPT_URL,    "URL",
     "where rows are kept: sqlite:PATH (default DIR/views.db) or postgresql://HOST/DATABASE?schema=NAME",                           COMMON(store),      0  },
    {"log-format",     TL_OPT_CHOICE, "text|json",   "how stderr is written (default text)",                                        COMMON(log_format), 0  },
    {"verbose",        TL_OPT_FLAG,   NULL,          "says more on stderr",                                                         COMMON(verbose),    'v'},
};
static const struct tl_option daemon_table[] = {
    {"metrics-listen", TL_OPT_TEXT, "ADDR:PORT",
     "answers /metrics, /healthz, /readyz and /version there; :PORT is for this machine alone (off)", COMMON(metrics_listen), 0},
};

enum { OPTIONS_MAX = 64, LETTERS_MAX = 2 * OPTIONS_MAX + 4, HELP = OPTIONS_MAX };

/* The rows of both tables side by side, with the struct that each one fills. */
struct row {
    const struct tl_option *option;
    void *target;
};

struct rows {
    struct row items[OPTIONS_MAX];
    size_t count;
};

static void rows_add(struct rows *rows, const struct tl_option *options, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++) {
        assert(rows->count < OPTIONS_MAX);
        rows->items[rows->count++] = (struct row){&options[i], target};
    }
}

/* --- values ----------------------------------------------------------------------------------------------------------- */

static bool read_digits(struct tl_sv *rest, size_t count, int64_t *out)
{
    struct tl_sv digits = {rest->data, count};

    if (rest->size < count || count == 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (rest->data[i] < '0' || rest->data[i] > '9')
            return false;
    rest->data += count;
    rest->size -= count;
    return tl_sv_to_i64(digits, out);
}

static bool read_char(struct tl_sv *rest, const char *one_of, char *found)
{
    if (rest->size == 0 || strchr(one_of, rest->data[0]) == NULL || rest->data[0] == '\0')
        return false;
    if (found != NULL)
        *found = rest->data[0];
    rest->data++;
    rest->size--;
    return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static bool date_is_real(int64_t year, int64_t month, int64_t day)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (leap && month == 2 ? 1 : 0);
}

enum tl_code tl_option_time(struct tl_sv text, int64_t *out_ms, struct tl_err *err)
{
    struct tl_sv rest = text;
    int64_t year, month, day, day_ms, hour, minute, second, offset_hour = 0, offset_minute = 0, ms = 0, unit = 100;
    char sign;

    if (tl_sv_eq(text, TL_SV("now"))) {
        *out_ms = tl_clock_wall_ms();
        return TL_OK;
    }
    if (tl_sv_eq(text, TL_SV("today")) || tl_sv_eq(text, TL_SV("yesterday"))) {
        *out_ms = tl_clock_wall_ms();
        *out_ms -= *out_ms % 86400000 + (text.data[0] == 'y' ? 86400000 : 0);
        return TL_OK;
    }
    if (!read_digits(&rest, 4, &year) || !read_char(&rest, "-", NULL) || !read_digits(&rest, 2, &month) ||
        !read_char(&rest, "-", NULL) || !read_digits(&rest, 2, &day) || !date_is_real(year, month, day))
        goto refused;
    day_ms = days_from_civil(year, month, day) * 86400000;
    if (rest.size == 0) {
        *out_ms = day_ms;
        return TL_OK;
    }
    if (!read_char(&rest, "Tt ", NULL) || !read_digits(&rest, 2, &hour) || !read_char(&rest, ":", NULL) ||
        !read_digits(&rest, 2, &minute) || hour > 23 || minute > 59)
        goto refused;
    second = 0;
    if (read_char(&rest, ":", NULL) && (!read_digits(&rest, 2, &second) || second > 59))
        goto refused;
    if (read_char(&rest, ".", NULL)) {
        int64_t digit;

        if (!read_digits(&rest, 1, &digit))
            goto refused;
        do {
            ms += digit * unit;
            unit /= 10; /* what lies below a millisecond is cut off */
        } while (read_digits(&rest, 1, &digit));
    }
    if (rest.size == 0)
        return tl_fail(err, TL_ERR_USAGE, "'%.*s' does not say its zone; for UTC: '%.*sZ'", TL_SV_ARG(text), TL_SV_ARG(text));
    if (!read_char(&rest, "Zz", NULL)) {
        if (!read_char(&rest, "+-", &sign) || !read_digits(&rest, 2, &offset_hour) || !read_char(&rest, ":", NULL) ||
            !read_digits(&rest, 2, &offset_minute) || offset_hour > 23 || offset_minute > 59)
            goto refused;
        if (sign == '+') {
            offset_hour = -offset_hour;
            offset_minute = -offset_minute;
        }
    }
    if (rest.size != 0)
        goto refused;
    *out_ms = day_ms + (((hour + offset_hour) * 60 + minute + offset_minute) * 60 + second) * 1000 + ms;
    return TL_OK;
refused:
    return tl_fail(err, TL_ERR_USAGE,
                   "'%.*s' is no time; right would be 2026-03-01T02:00:00Z, 2026-03-01 (midnight UTC), yesterday, today or now",
                   TL_SV_ARG(text));
}

struct unit {
    char name[8];
    int64_t in_smallest;
};

/* A whole number and one of the units. */
static bool read_with_unit(struct tl_sv text, const struct unit *units, size_t units_count, int64_t *out)
{
    struct tl_sv number = {text.data, 0}, unit;
    int64_t value, all;

    while (number.size < text.size && text.data[number.size] >= '0' && text.data[number.size] <= '9')
        number.size++;
    unit = tl_sv_trim((struct tl_sv){text.data + number.size, text.size - number.size});
    if (!tl_sv_to_i64(number, &value))
        return false;
    for (size_t i = 0; i < units_count; i++)
        if (tl_sv_eq(unit, tl_sv_from(units[i].name)) && !tl_mul_overflows(value, units[i].in_smallest, &all)) {
            *out = all;
            return true;
        }
    return false;
}

enum tl_code tl_option_duration(struct tl_sv text, int64_t *out_ms, struct tl_err *err)
{
    static const struct unit units[] = {
        {"ms",   1       },
        {"s",    1000    },
        {"sec",  1000    },
        {"m",    60000   },
        {"min",  60000   },
        {"h",    3600000 },
        {"d",    86400000},
        {"day",  86400000},
        {"days", 86400000}
    };

    if (read_with_unit(text, units, TL_COUNT(units), out_ms))
        return TL_OK;
    return tl_fail(err, TL_ERR_USAGE, "'%.*s' is no duration; right would be 200ms, 30s, 15min, 1h or 7d", TL_SV_ARG(text));
}

enum tl_code tl_option_bytes(struct tl_sv text, int64_t *out, struct tl_err *err)
{
    static const struct unit units[] = {
        {"kB",  1000                  },
        {"KB",  1000                  },
        {"MB",  1000000               },
        {"GB",  1000000000            },
        {"TB",  INT64_C(1000000000000)},
        {"KiB", 1 << 10               },
        {"MiB", 1 << 20               },
        {"GiB", 1 << 30               },
        {"TiB", INT64_C(1) << 40      }
    };

    if (read_with_unit(text, units, TL_COUNT(units), out))
        return TL_OK;
    return tl_fail(err, TL_ERR_USAGE, "'%.*s' is no amount of memory; right would be 64MB or 2GB: a number and its unit",
                   TL_SV_ARG(text));
}

static enum tl_code read_choice(const struct tl_option *option, const char *text, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_from(option->value), given = tl_sv_from(text);

    while (rest.size > 0)
        if (tl_sv_eq(tl_sv_cut(&rest, '|'), given))
            return TL_OK;
    return tl_fail(err, TL_ERR_USAGE, "'%s' is none of %s", text, option->value);
}

static enum tl_code list_add(char *field, const struct tl_option *option, const char *text, struct tl_err *err)
{
    struct tl_option_list list;

    if (text[0] == '\0')
        return tl_fail(err, TL_ERR_USAGE, "is empty; %s goes there", option->value);
    memcpy(&list, field, sizeof list);
    if (list.count == TL_OPTION_LIST_MAX)
        return tl_fail(err, TL_ERR_USAGE, "is given more than %d times", TL_OPTION_LIST_MAX);
    list.items[list.count++] = text;
    memcpy(field, &list, sizeof list);
    return TL_OK;
}

/* memcpy: the field lies at an offset that only the table knows. */
static enum tl_code option_set(const struct row *row, const char *text, struct tl_err *err)
{
    const struct tl_option *option = row->option;
    char *field = (char *)row->target + option->at;
    enum tl_code rc = TL_OK;
    int64_t number;
    bool on = true;

    switch (option->kind) {
    case TL_OPT_FLAG: memcpy(field, &on, sizeof on); return TL_OK;
    case TL_OPT_TEXT:
    case TL_OPT_URL:
    case TL_OPT_FILE:
        if (text[0] == '\0')
            return tl_fail(err, TL_ERR_USAGE, "is empty; %s goes there", option->value);
        memcpy(field, &text, sizeof text);
        return TL_OK;
    case TL_OPT_LIST: return list_add(field, option, text, err);
    case TL_OPT_CHOICE:
        TL_TRY(read_choice(option, text, err));
        memcpy(field, &text, sizeof text);
        return TL_OK;
    case TL_OPT_COUNT:
        if (!tl_sv_to_i64(tl_sv_from(text), &number) || number < 0)
            return tl_fail(err, TL_ERR_USAGE, "'%s' is no whole number from 0 on", text);
        break;
    case TL_OPT_TIME: TL_TRY(tl_option_time(tl_sv_from(text), &number, err)); break;
    case TL_OPT_DURATION: TL_TRY(tl_option_duration(tl_sv_from(text), &number, err)); break;
    case TL_OPT_BYTES: TL_TRY(tl_option_bytes(tl_sv_from(text), &number, err)); break;
    default: assert(0 && "a kind of option that nobody reads"); return TL_ERR_USAGE;
    }
    memcpy(field, &number, sizeof number);
out:
    return rc;
}

/* --- the nearest name ------------------------------------------------------------------------------------------------- */

enum { NAME_MAX = 48 };

/* Levenshtein's distance, where two neighbours that changed places count as one step. */
static size_t distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    size_t rows[3][NAME_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    if (a_size > NAME_MAX || b_size > NAME_MAX)
        return SIZE_MAX;
    for (size_t k = 0; k <= b_size; k++)
        above[k] = before[k] = k;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *oldest = before;

        row[0] = i;
        for (size_t k = 1; k <= b_size; k++) {
            size_t best = above[k - 1] + (a[i - 1] != b[k - 1]);

            if (above[k] + 1 < best)
                best = above[k] + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && before[k - 2] + 1 < best)
                best = before[k - 2] + 1;
            row[k] = best;
        }
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_size];
}

const char *tl_option_nearest(const char *given, const char *const *names, size_t names_count)
{
    size_t size = strlen(given), nearest_distance = SIZE_MAX;
    const char *nearest = NULL;

    for (size_t i = 0; i < names_count; i++) {
        size_t d = distance(given, names[i]), longer = strlen(names[i]) > size ? strlen(names[i]) : size;

        /* A beginning is what somebody types who counts on abbreviations. */
        if (size >= 3 && strncmp(given, names[i], size) == 0)
            d = 1;
        if (d < nearest_distance && d <= (longer + 2) / 3) {
            nearest_distance = d;
            nearest = names[i];
        }
    }
    return nearest;
}

/* --- help ------------------------------------------------------------------------------------------------------------- */

static void help_rows(FILE *out, const struct tl_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char flag[80];

        snprintf(flag, sizeof flag, "%s%c%s--%s%s%s", options[i].letter ? "-" : "  ", options[i].letter ? options[i].letter : ' ',
                 options[i].letter ? ", " : " ", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        fprintf(out, "  %-30s %s\n", flag, options[i].help);
    }
}

static void help_print(FILE *out, const char *command, const struct tl_usage *usage)
{
    fprintf(out, "usage: tally %s [OPTION]...%s%s\n", command, usage->synopsis ? " " : "",
            usage->synopsis ? usage->synopsis : "");
    if (usage->text != NULL)
        fprintf(out, "\n%s\n", usage->text);
    if (usage->options_count > 0) {
        fputs("\noptions:\n", out);
        help_rows(out, usage->options, usage->options_count);
    }
    if (usage->daemon) {
        fputs("\noptions of commands that stay (each also as TALLY_METRICS_LISTEN and so on; the flag wins):\n", out);
        help_rows(out, daemon_table, TL_COUNT(daemon_table));
    }
    fputs("\noptions of all commands (each also as TALLY_VIEWS and so on; the flag wins):\n", out);
    help_rows(out, common_table, TL_COUNT(common_table));
    fprintf(out, "  %-30s %s\n", "-h, --help", "this text");
    if (usage->example != NULL)
        fprintf(out, "\nexample: %s\n", usage->example);
}

/* --- parsing ---------------------------------------------------------------------------------------------------------- */

static int refuse(const char *command, const char *fmt, const char *what, const char *nearest)
{
    fprintf(stderr, "tally %s: ", command);
    /* The two texts are this file's own formats, each with one %s for what was typed. */
    if (nearest != NULL)
        fprintf(stderr, "%s '%s'; did you mean '--%s'?\n", fmt, what, nearest);
    else
        fprintf(stderr, "%s '%s'; `tally %s --help` lists what there is\n", fmt, what, command);
    return tl_exit_status(TL_ERR_USAGE);
}

static int refuse_unknown(const char *command, const char *given, const struct rows *rows)
{
    const char *names[OPTIONS_MAX + 1];
    const char *from = given + strspn(given, "-");
    char name[NAME_MAX + 1];

    for (size_t i = 0; i < rows->count; i++)
        names[i] = rows->items[i].option->name;
    names[rows->count] = "help";
    snprintf(name, sizeof name, "%.*s", (int)strcspn(from, "="), from);
    return refuse(command, "there is no option", given, tl_option_nearest(name, names, rows->count + 1));
}

static enum tl_code environment_read(const struct rows *rows, const struct tl_common_options *common, struct tl_err *err)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->items[i];
        char variable[NAME_MAX + 8] = "TALLY_";
        size_t at = strlen(variable);
        struct tl_err why;
        const char *text;

        if (row->target != common)
            continue;
        for (const char *c = row->option->name; *c != '\0' && at < sizeof variable - 1; c++)
            variable[at++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        variable[at] = '\0';
        text = getenv(variable);
        if (text == NULL || text[0] == '\0')
            continue;
        if (row->option->kind == TL_OPT_FLAG && strcmp(text, "1") != 0 && strcmp(text, "0") != 0)
            return tl_fail(err, TL_ERR_USAGE, "environment variable %s: '%s' is neither 1 nor 0", variable, text);
        if (row->option->kind == TL_OPT_FLAG && strcmp(text, "0") == 0)
            continue;
        if (option_set(row, text, &why) != TL_OK)
            return tl_fail(err, TL_ERR_USAGE, "environment variable %s: %s", variable, why.message);
    }
    return TL_OK;
}

/* What getopt_long reads, made of the rows. */
static void getopt_tables(const struct rows *rows, struct option *longs, char *letters)
{
    size_t letters_count = 0;

    letters[letters_count++] = ':'; /* a missing value is told apart from an unknown option */
    letters[letters_count++] = 'h';
    for (size_t i = 0; i < rows->count; i++) {
        const struct tl_option *option = rows->items[i].option;
        bool takes_value = option->kind != TL_OPT_FLAG;

        longs[i] = (struct option){option->name, takes_value ? required_argument : no_argument, NULL, 256 + (int)i};
        if (option->letter != 0) {
            letters[letters_count++] = option->letter;
            if (takes_value)
                letters[letters_count++] = ':';
        }
    }
    longs[rows->count] = (struct option){"help", no_argument, NULL, 256 + HELP};
    longs[rows->count + 1] = (struct option){NULL, 0, NULL, 0};
    letters[letters_count] = '\0';
}

/* The row that getopt's answer means, or NULL. */
static const struct row *row_of(const struct rows *rows, int answer)
{
    if (answer >= 256)
        return (size_t)(answer - 256) < rows->count ? &rows->items[answer - 256] : NULL;
    for (size_t i = 0; i < rows->count; i++)
        if (rows->items[i].option->letter != 0 && rows->items[i].option->letter == (char)answer)
            return &rows->items[i];
    return NULL;
}

/* getopt_long takes `--lim` for --limit. A script that relies on it breaks on the day --limits is added, so names are whole. */
static bool is_abbreviated(const char *given, const char *name)
{
    size_t size;

    if (strncmp(given, "--", 2) != 0)
        return false;
    size = strcspn(given + 2, "=");
    return size != strlen(name);
}

bool tl_options_parse(const struct tl_usage *usage, int argc, char **argv, struct tl_common_options *common, void *own,
                      int *status)
{
    const char *command = argv[0];
    struct option longs[OPTIONS_MAX + 2];
    char letters[LETTERS_MAX];
    struct rows rows = {.count = 0};
    struct tl_err err;
    int answer;

    memset(common, 0, sizeof *common);
    common->data = "./tally-data";
    common->log = "local";
    common->log_format = "text";
    rows_add(&rows, usage->options, usage->options_count, own);
    rows_add(&rows, common_table, TL_COUNT(common_table), common);
    if (usage->daemon)
        rows_add(&rows, daemon_table, TL_COUNT(daemon_table), common);
    getopt_tables(&rows, longs, letters);
    if (environment_read(&rows, common, &err) != TL_OK) {
        fprintf(stderr, "tally %s: %s\n", command, err.message);
        goto wrong;
    }
    opterr = 0;
    optind = 0; /* glibc: begin anew, for a second parse in one process */
    for (;;) {
        int index = -1;
        const struct row *row;
        const char *given;

        answer = getopt_long(argc, argv, letters, longs, &index);
        if (answer == -1)
            break;
        /* getopt has moved arguments behind the options, so what it has just read stands before optind. */
        given = argv[optind > 0 ? optind - 1 : 0];
        if (answer == '?') {
            char letter[3] = {'-', (char)optopt, '\0'};

            if (optopt > 0 && optopt < 256)
                refuse_unknown(command, letter, &rows);
            else if (optopt >= 256)
                refuse(command, "takes no value:", given, NULL);
            else
                refuse_unknown(command, given, &rows);
            goto wrong;
        }
        if (answer == ':') {
            row = row_of(&rows, optopt);
            fprintf(stderr, "tally %s: --%s wants a value: %s\n", command, row ? row->option->name : "?",
                    row ? row->option->value : "");
            goto wrong;
        }
        if (index >= 0) {
            /* With a value in a word of its own, the name stands one before. */
            const char *name = longs[index].name;
            const char *word = optarg != NULL && optarg == given ? argv[optind - 2] : given;

            if (is_abbreviated(word, name)) {
                refuse_unknown(command, word, &rows);
                goto wrong;
            }
        }
        if (answer == 'h' || answer == 256 + HELP) {
            help_print(stdout, command, usage);
            *status = 0;
            return false;
        }
        row = row_of(&rows, answer);
        assert(row != NULL);
        if (option_set(row, optarg != NULL ? optarg : "", &err) != TL_OK) {
            fprintf(stderr, "tally %s: --%s: %s\n", command, row->option->name, err.message);
            goto wrong;
        }
    }
    common->args = argv + optind;
    common->args_count = argc - optind;
    if (common->args_count < usage->args_min || (usage->args_max >= 0 && common->args_count > usage->args_max)) {
        if (common->args_count < usage->args_min)
            fprintf(stderr, "tally %s: wants %s; ", command, usage->synopsis ? usage->synopsis : "an argument");
        else
            fprintf(stderr, "tally %s: does not know what to do with '%s'; ", command, common->args[usage->args_max]);
        fprintf(stderr, "`tally %s --help` shows an example\n", command);
        goto wrong;
    }
    if (common->store == NULL) {
        int size = snprintf(common->store_default, sizeof common->store_default, "sqlite:%s/views.db", common->data);

        if (size < 0 || (size_t)size >= sizeof common->store_default) {
            fprintf(stderr, "tally %s: --data: the path is longer than %zu bytes\n", command, sizeof common->store_default - 20);
            goto wrong;
        }
        common->store = common->store_default;
    }
    tl_diag_setup(command, strcmp(common->log_format, "json") == 0, common->verbose);
    return true;
wrong:
    *status = tl_exit_status(TL_ERR_USAGE);
    return false;
}

enum tl_code tl_options_need_views(const struct tl_common_options *common, struct tl_err *err)
{
    if (common->views != NULL)
        return TL_OK;
    return tl_fail(err, TL_ERR_USAGE, "no views file: give --views FILE or set TALLY_VIEWS");
}
