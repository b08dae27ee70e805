/* option.h: options as rows of a table: one row gives the flag, its place in a struct and its line in --help.
 *
 *     struct query_options {
 *         int64_t from_ms, to_ms, limit;
 *         const char *format;
 *     };
 *
 *     static const struct tl_option query_table[] = {
 *         {"from",   TL_OPT_TIME,   "TIME",           "rows whose window ends after this",  offsetof(struct query_options, from_ms)},
 *         {"limit",  TL_OPT_COUNT,  "N",              "at most so many rows",               offsetof(struct query_options, limit)},
 *         {"format", TL_OPT_CHOICE, "table|csv|json", "how rows are written",               offsetof(struct query_options, format)},
 *     };
 *     static const struct tl_usage query_usage = {
 *         .synopsis = "VIEW", .options = query_table, .options_count = TL_COUNT(query_table), .args_min = 1, .args_max = 1,
 *         .example = "tally query hits_5m --from 2026-03-01 --to 2026-03-02 --format csv",
 *     };
 *
 *     TL_COMMAND(query, "rows of a view on the terminal")
 *     {
 *         struct query_options own = {.from_ms = TL_TIME_NONE, .to_ms = TL_TIME_NONE, .limit = 100, .format = "table"};
 *         struct tl_common_options common;
 *         int status = 0;
 *
 *         if (!tl_options_parse(&query_usage, argc, argv, &common, &own, &status))
 *             return status;
 *         ... common.args[0] is the view
 *     }
 *
 * The caller puts the defaults into its struct before the call; a flag that is not given leaves its field alone. An option that
 * is given twice: the last one wins (TL_OPT_LIST: all are taken). `--name=value` and `--name value` are the same; a name must be written out in full.
 * Options and arguments may be mixed; what follows `--` is an argument.
 *
 * The options shared by all commands (tl_common_options) are always understood. Each has an environment variable as well,
 * TALLY_ and its name in capitals (--log-format: TALLY_LOG_FORMAT, -v: TALLY_VERBOSE=1); the flag wins, an empty variable counts
 * as none. So have those of the commands that stay (tl_usage.daemon), which the others do not know. */
#ifndef TL_OPTION_H
#define TL_OPTION_H

#include "base/base.h"
#include "base/sv.h"

/* The type of the field, and what is taken. */
enum tl_option_kind {
    TL_OPT_FLAG,     /* bool; takes no value */
    TL_OPT_TEXT,     /* const char *; any text, not empty */
    TL_OPT_URL,      /* const char *; the same, shown as a URL */
    TL_OPT_FILE,     /* const char *; the same, shown as a path; whether it exists is the command's to say */
    TL_OPT_CHOICE,   /* const char *; one of the words in `value`, which are separated by '|' */
    TL_OPT_COUNT,    /* int64_t; a whole number >= 0 */
    TL_OPT_TIME,     /* int64_t, milliseconds since 1970; tl_option_time says what is taken */
    TL_OPT_LIST,     /* struct tl_option_list; the option may be given again and again */
    TL_OPT_DURATION, /* int64_t, milliseconds; a whole number with a unit: 200ms 30s 15min 1h 7d */
    TL_OPT_BYTES,    /* int64_t; a whole number with a unit: 500kB 64MB 2GB, or 64MiB 2GiB */
};

/* A time that was not given. */
#define TL_TIME_NONE INT64_MIN

enum { TL_OPTION_LIST_MAX = 64 };

struct tl_option_list {
    const char *items[TL_OPTION_LIST_MAX];
    size_t count;
};

struct tl_option {
    const char *name; /* without the dashes */
    enum tl_option_kind kind;
    const char *value; /* what --help shows as the value: "FILE", "sqlite:DIR/views.db", "table|csv|json"; NULL for a flag */
    const char *help;
    size_t at;   /* offsetof the field in the command's struct */
    char letter; /* a short form, or 0 */
};

/* Texts point into argv or the environment and live as long as the process; `data` and `log` are never NULL. */
struct tl_common_options {
    const char *views;                      /* --views FILE; NULL: not given (tl_options_need_views refuses politely) */
    const char *checks;                     /* --checks FILE; NULL: none */
    const char *functions;                  /* --functions LIB.so; NULL: none */
    const char *places;                     /* --places FILE.mmdb, for GET_LOCATION; NULL: none */
    const char *user_agents;                /* --user-agents FILE, for PARSE_USER_AGENT and IS_BOT; NULL: where Debian has it */
    const char *data;                       /* --data DIR; "./tally-data" */
    const char *log;                        /* --log local|kafka; "local" */
    struct tl_option_list kafka_properties; /* --kafka-property K=V */
    const char *store;                      /* --store URL; "sqlite:DIR/views.db" with DIR from --data */
    const char *log_format;                 /* --log-format text|json; "text" */
    bool verbose;                           /* -v */
    const char *metrics_listen;             /* --metrics-listen ADDR:PORT, of commands that stay; NULL: off */
    char **args;                            /* what is no option, in order; args[args_count] is NULL */
    int args_count;
    char store_default[4200]; /* where `store` points when it was not given: do not copy this struct by value */
};

struct tl_usage {
    const char *synopsis; /* the arguments: "FILE..." or "VIEW"; NULL: none */
    const char *text;     /* some sentences for --help, or NULL */
    const char *example;  /* a command line that works when pasted */
    const struct tl_option *options;
    size_t options_count;
    int args_min, args_max; /* args_max -1: no limit */
    bool daemon;            /* it may stay, and takes the options of those that do (--metrics-listen) */
};

/* True: go on, *common and the fields of *own are filled and diag is set up. False: return *status: 0 after --help (written to
 * stdout), 2 after wrong usage (said on stderr, with the nearest name). `own` may be NULL where usage->options is. */
TL_MUST_USE bool tl_options_parse(const struct tl_usage *usage, int argc, char **argv, struct tl_common_options *common,
                                  void *own, int *status);
/* For commands that cannot do without: TL_ERR_USAGE with a message when --views was not given. */
TL_MUST_USE enum tl_code tl_options_need_views(const struct tl_common_options *common, struct tl_err *err);

/* A time as RFC 3339 with its zone (2026-03-01T02:00:00Z, 2026-03-01T02:00:00.250+01:00), a date, "today" or "yesterday" (midnight UTC), or "now".
 * A time without a zone is refused, and the message shows the right form. */
TL_MUST_USE enum tl_code tl_option_time(struct tl_sv text, int64_t *out_ms, struct tl_err *err);
TL_MUST_USE enum tl_code tl_option_duration(struct tl_sv text, int64_t *out_ms, struct tl_err *err);
TL_MUST_USE enum tl_code tl_option_bytes(struct tl_sv text, int64_t *out, struct tl_err *err);

/* The name in `names` that is nearest to `given` (at most a third of its letters differ), or NULL. */
const char *tl_option_nearest(const char *given, const char *const *names, size_t names_count);

#endif
