/* store_select_test.c: conditions, orders and pages over a view's rows, in every kind of store. */
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "store/store_select.h"
#include "support/chance.h"
#include "support/store_checks.h"

/* ---- a view with a column of each form ---- */

enum { NAME, COUNT, SHARE, GOOD, SEEN, KINDS };
static const struct tl_shape_column kinds[KINDS + 2] = {
    {{"name", 4},          TL_STRING,        TL_ROLE_KEY         },
    {{"n\";DROP", 7},      TL_BIGINT,        TL_ROLE_VALUE       },
    {{"share", 5},         TL_DOUBLE,        TL_ROLE_VALUE       },
    {{"good", 4},          TL_BOOLEAN,       TL_ROLE_VALUE       },
    {{"seen", 4},          TL_TIMESTAMP_LTZ, TL_ROLE_VALUE       },
    {{"window_start", 12}, TL_TIMESTAMP,     TL_ROLE_WINDOW_START},
    {{"window_end", 10},   TL_TIMESTAMP,     TL_ROLE_WINDOW_END  },
};

/* Empty name, negative count: NULL in all columns but the key's bytes. */
struct item {
    const char *name;
    int64_t end_ms, count;
    double share;
    bool null;
};
static const struct item items[] = {
    {"plain",                         10, 5,         0.5,       false},
    {"Plain",                         10, -7,        -0.0,      false},
    {"it's; DROP TABLE tally_run;--", 20, INT64_MAX, 1e300,     false},
    {"100%_sure\\",                   20, 0,         NAN,       false},
    {"100 percent",                   30, INT64_MIN, INFINITY,  false},
    {"[a-z]*?",                       30, 1,         -INFINITY, false},
    {"\xc3\xa4\xf0\x9f\x98\x80",      40, 2,         0.1,       false},
    {"a,b",                           40, 3,         2,         false},
    {"",                              50, 4,         3,         false},
    {"nothing",                       50, 0,         0,         true },
};

static void fill_rows(struct tl_store *store, int64_t id, int64_t epoch, const struct item *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct item *it = &from[i];
        int64_t start = it->end_ms - 10, change, good = it->count > 0, seen = it->end_ms * 1000, number = it->count;
        double share = it->share;
        struct tl_sv name = tl_sv_from(it->name), key = {it->name, strlen(it->name) + 1}, none = {NULL, 0};
        uint8_t null = it->null, never = 0;
        struct tl_vec vecs[KINDS + 2] = {
            {.kind = TL_STRING,        .null = &never},
            {.kind = TL_BIGINT,        .null = &null },
            {.kind = TL_DOUBLE,        .null = &null },
            {.kind = TL_BOOLEAN,       .null = &null },
            {.kind = TL_TIMESTAMP_LTZ, .null = &null },
            {.kind = TL_TIMESTAMP,     .null = &never},
            {.kind = TL_TIMESTAMP,     .null = &never}
        };
        struct tl_rows rows = {
            .count = 1, .start_ms = &start, .end_ms = &it->end_ms, .key = &key, .accumulators = &none, .columns = vecs};
        int64_t end = it->end_ms;

        vecs[NAME].sv = &name;
        vecs[COUNT].i64 = &number;
        vecs[SHARE].f64 = &share;
        vecs[GOOD].i64 = &good;
        vecs[SEEN].i64 = &seen;
        vecs[KINDS].i64 = &start;
        vecs[KINDS + 1].i64 = &end;
        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_put_speed_rows(store, id, &rows, change, err));
        OK(tl_store_put_final(store, id, 20, err));
        OK(tl_store_commit(store, err));
    }
}

static struct tl_store *filled(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("kinds", 'a');

    shape.columns = kinds;
    shape.columns_count = TL_COUNT(kinds);
    fill_rows(store, define(store, shape), store_epoch(store), items, TL_COUNT(items));
    return store;
}

/* ---- asking ---- */

struct asked {
    struct tl_buf text; /* a line for each row: its columns with a blank between */
    int64_t rows;
};

static enum tl_code asked_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct asked *asked = ctx;

    (void)err;
    asked->rows++;
    for (size_t i = 0; i < count; i++) {
        tl_buf_put_str(&asked->text, i == 0 ? "" : " ");
        if (values[i].is_null)
            tl_buf_put_str(&asked->text, "NULL");
        else if (values[i].kind == TL_STRING)
            tl_buf_put_sv(&asked->text, values[i].sv);
        else if (values[i].kind == TL_DOUBLE)
            tl_buf_printf(&asked->text, "%g", values[i].f64 + 0.0); /* -0.0 may come back as 0.0 */
        else
            tl_buf_printf(&asked->text, "%lld", (long long)values[i].i64);
    }
    tl_buf_put_str(&asked->text, "\n");
    return TL_OK;
}

static struct tl_select all_of(const char *view)
{
    return (struct tl_select){.view = tl_sv_from(view), .from_ms = MIN_MS, .to_ms = MAX_MS, .limit = -1};
}

/* Texts with a blank between: "-hits host". */
static size_t orders_from(const char *text, struct tl_order orders[TL_SELECT_ORDERS_MAX])
{
    struct tl_sv rest = tl_sv_from(text);
    size_t count = 0;

    while (rest.size > 0)
        orders[count++] = tl_order_read(tl_sv_cut(&rest, ' '));
    return count;
}

/* ---- conditions ---- */

#define ALL "plain,Plain,it's; DROP TABLE tally_run;--,100%_sure\\,100 percent,[a-z]*?,\xc3\xa4\xf0\x9f\x98\x80,a,b,,nothing,"

static enum tl_code see_item(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    bool *there = ctx;

    (void)count;
    (void)err;
    for (size_t k = 0; k < TL_COUNT(items); k++)
        if (tl_sv_eq(values[NAME].sv, tl_sv_from(items[k].name))) {
            cr_assert(!there[k]);
            there[k] = true;
            return TL_OK;
        }
    cr_assert_fail("a row that nobody wrote: %.*s", TL_SV_ARG(values[NAME].sv));
    return TL_OK;
}

static void conditions_take_rows(const struct store_backend *backend)
{
    static const struct {
        const char *where, *names;
    } cases[] = {
        {"name:eq:plain",                                                     "plain,"                                                                                            },
        {"name:eq:it's; DROP TABLE tally_run;--",                             "it's; DROP TABLE tally_run;--,"                                                                    },
        {"name:eq:' OR 1=1 --",                                               ""                                                                                                  },
        {"name:eq:\" OR \"\"=\"",                                             ""                                                                                                  },
        {"name:eq:",                                                          ","                                                                                                 },
        {"name:ne:plain",
         "Plain,it's; DROP TABLE tally_run;--,100%_sure\\,100 percent,[a-z]*?,\xc3\xa4\xf0\x9f\x98\x80,a,b,,nothing,"                                                             },
        {"name:ge:n",                                                         "plain,\xc3\xa4\xf0\x9f\x98\x80,nothing,"                                                           },
        {"name:lt:1",                                                         ","                                                                                                 },
        {"name:in:plain,a\\,b,no",                                            "plain,a,b,"                                                                                        },
        {"name:in:,100%_sure\\\\",                                            "100%_sure\\,,"                                                                                     },
        {"name:in:plain,",                                                    "plain,,"                                                                                           },
        {"name:like:%lain",                                                   "plain,Plain,"                                                                                      },
        {"name:like:p%",                                                      "plain,"                                                                                            },
        {"name:like:100%",                                                    "100%_sure\\,100 percent,"                                                                          },
        {"name:like:100\\%%",                                                 "100%_sure\\,"                                                                                      },
        {"name:like:100%\\_%",                                                "100%_sure\\,"                                                                                      },
        {"name:like:%\\\\",                                                   "100%_sure\\,"                                                                                      },
        {"name:like:[a-z]*?",                                                 "[a-z]*?,"                                                                                          },
        {"name:like:[a-z]__",                                                 "[a-z]*?,"                                                                                          },
        {"name:like:__",                                                      "\xc3\xa4\xf0\x9f\x98\x80,"                                                                         },
        {"name:like:%",                                                       ALL                                                                                                 },
        {"name:like:",                                                        ","                                                                                                 },
        {"name:notnull",                                                      ALL                                                                                                 },
        {"name:null",                                                         ""                                                                                                  },
        {"n\";DROP:eq:5",                                                     "plain,"                                                                                            },
        {"n\";DROP:lt:0",                                                     "Plain,100 percent,"                                                                                },
        {"n\";DROP:eq:9223372036854775807",                                   "it's; DROP TABLE tally_run;--,"                                                                    },
        {"n\";DROP:in:-9223372036854775808,1,77",                             "100 percent,[a-z]*?,"                                                                              },
        {"n\";DROP:null",                                                     "nothing,"                                                                                          },
        {"n\";DROP:null:",                                                    "nothing,"                                                                                          },
        {"share:eq:NaN",                                                      "100%_sure\\,"                                                                                      },
        {"share:gt:1e300",                                                    "100%_sure\\,100 percent,"                                                                          },
        {"share:ge:infinity",                                                 "100%_sure\\,100 percent,"                                                                          },
        {"share:le:-Infinity",                                                "[a-z]*?,"                                                                                          },
        {"share:eq:0.1",                                                      "\xc3\xa4\xf0\x9f\x98\x80,"                                                                         },
        {"share:eq:0",                                                        "Plain,"                                                                                            },
        {"share:ne:0",                                                        "plain,it's; DROP TABLE tally_run;--,100%_sure\\,100 percent,[a-z]*?,\xc3\xa4\xf0\x9f\x98\x80,a,b,,"},
        {"good:eq:true",                                                      "plain,it's; DROP TABLE tally_run;--,[a-z]*?,\xc3\xa4\xf0\x9f\x98\x80,a,b,,"                        },
        {"good:eq:FALSE",                                                     "Plain,100%_sure\\,100 percent,"                                                                    },
        {"seen:eq:1970-01-01T00:00:20Z",                                      "it's; DROP TABLE tally_run;--,100%_sure\\,"                                                        },
        {"seen:le:1970-01-01T01:00:10+01:00",                                 "plain,Plain,"                                                                                      },
        {"window_end:gt:1970-01-01T00:00:00.040Z",                            ",nothing,"                                                                                         },
        {"window_start:in:1970-01-01T00:00:00.000Z,1970-01-01T00:00:00.020Z", "plain,Plain,100 percent,[a-z]*?,"                                                                  },
        {"_end_ms:ge:40",                                                     "\xc3\xa4\xf0\x9f\x98\x80,a,b,,nothing,"                                                            },
        {"_start_ms:eq:0",                                                    "plain,Plain,"                                                                                      },
        {"_final:eq:true",                                                    "plain,Plain,it's; DROP TABLE tally_run;--,100%_sure\\,"                                            },
        {"_layer:eq:speed",                                                   ALL                                                                                                 },
        {"_layer:ne:speed",                                                   ""                                                                                                  },
    };
    struct tl_store *store = filled(backend);

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_select select = all_of("kinds");
        struct tl_condition condition;
        bool there[TL_COUNT(items)] = {false};
        char names[256] = "";

        OK(tl_condition_read(tl_sv_from(cases[i].where), &condition, NULL, err));
        select.conditions = &condition;
        select.conditions_count = 1;
        OK(tl_store_select(store, &select, any_head, see_item, there, NULL, NULL, err));
        for (size_t k = 0; k < TL_COUNT(items); k++)
            if (there[k])
                snprintf(names + strlen(names), sizeof names - strlen(names), "%s,", items[k].name);
        cr_assert_str_eq(names, cases[i].names, "%s: got %s, want %s", cases[i].where, names, cases[i].names);
    }
    tl_store_close(store);
}

static void what_is_wrong_is_said(const struct store_backend *backend)
{
    static const struct {
        const char *where, *order, *cursor, *message, *allowed;
    } cases[] = {
        {"names:eq:x",                      "",       "",         "did you mean 'name'? it has name, n\";DROP, share",                    "name"},
        {"_key:eq:x",                       "",       "",         "no column '_key'",                                                     "name"},
        {"_acc:null",                       "",       "",         "no column '_acc'",                                                     "name"},
        {"name:similar:x",                  "",       "",         "operators are eq, ne, lt, le, gt, ge, in, like, null, notnull",        "eq"  },
        {"name:eq",                         "",       "",         "COLUMN:OPERATOR:VALUE would do",                                       "eq"  },
        {"name",                            "",       "",         "COLUMN:OPERATOR:VALUE would do",                                       "eq"  },
        {"",                                "",       "",         "COLUMN:OPERATOR:VALUE would do",                                       "eq"  },
        {"n\";DROP:eq:5.5",                 "",       "",         "is BIGINT, and '5.5' is none; a whole number would do",                NULL  },
        {"n\";DROP:eq:9223372036854775808", "",       "",         "is BIGINT",                                                            NULL  },
        {"n\";DROP:in:1,,2",                "",       "",         "is BIGINT",                                                            NULL  },
        {"n\";DROP:like:5%",                "",       "",         "like is for text; eq, ne, lt, le, gt, ge, in, null, notnull would do", "eq"  },
        {"share:lt:0x1p3",                  "",       "",         "is DOUBLE",                                                            NULL  },
        {"good:eq:1",                       "",       "",         "true or false would do",                                               NULL  },
        {"seen:lt:yesterday",               "",       "",         "2026-11-27T06:00:00Z",                                                 NULL  },
        {"seen:lt:2026-11-27T06:00:00",     "",       "",         "'2026-11-27T06:00:00' is none",                                        NULL  },
        {"name:eq:\xff",                    "",       "",         "UTF-8 without NUL would do",                                           NULL  },
        {"name:like:\\n",                   "",       "",         "a backslash stands before %, _ and itself only",                       NULL  },
        {"name:like:100\\",                 "",       "",         "a backslash stands before %, _ and itself only",                       NULL  },
        {"name:null:x",                     "",       "",         "takes no value",                                                       NULL  },
        {NULL,                              "nope",   "",         "order: view 'kinds' has no column 'nope'",                             "name"},
        {NULL,                              "-",      "",         "order: view 'kinds' has no column ''",                                 "name"},
        {NULL,                              "--name", "",         "no column '-name'; did you mean 'name'?",                              "name"},
        {NULL,                              "",       "nonsense", "cursor: not one that was given out",                                   NULL  },
        {NULL,                              "",       "!",        "cursor: not one that was given out",                                   NULL  },
        {NULL,                              "",       "AQ",       "cursor: not one that was given out",                                   NULL  },
    };
    struct tl_store *store = filled(backend);
    struct tl_select select = all_of("nope");

    FAILS(TL_ERR_NOT_FOUND, "there are: kinds", tl_store_select(store, &select, any_head, asked_row, NULL, NULL, NULL, err));
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_condition condition;
        struct tl_order orders[TL_SELECT_ORDERS_MAX];
        struct tl_refusal refusal = {0};
        struct tl_err err = {.message = ""};
        enum tl_code code = TL_OK;

        select = all_of("kinds");
        select.orders_count = orders_from(cases[i].order, orders);
        select.orders = orders;
        select.cursor = tl_sv_from(cases[i].cursor);
        if (cases[i].where != NULL)
            code = tl_condition_read(tl_sv_from(cases[i].where), &condition, &refusal, &err);
        if (code == TL_OK) {
            select.conditions = &condition;
            select.conditions_count = cases[i].where != NULL;
            code = tl_store_select(store, &select, any_head, asked_row, NULL, NULL, &refusal, &err);
        }
        cr_assert_eq(code, TL_ERR_USAGE, "%s: code %d", cases[i].message, (int)code);
        cr_assert(strstr(err.message, cases[i].message) != NULL, "'%s' is not in: %s", cases[i].message, err.message);
        cr_assert_str_eq(refusal.parameter, cases[i].where != NULL ? "where" : cases[i].order[0] != '\0' ? "order" : "cursor");
        cr_assert_eq(refusal.allowed_count > 0, cases[i].allowed != NULL, "%s", cases[i].message);
        if (cases[i].allowed != NULL)
            cr_assert(tl_sv_eq(refusal.allowed[0], tl_sv_from(cases[i].allowed)));
    }
    {
        struct tl_condition nul = {TL_SV("name"), TL_OP_EQ, TL_SV("a\0b")};

        select = all_of("kinds");
        select.conditions = &nul;
        select.conditions_count = 1;
        FAILS(TL_ERR_USAGE, "UTF-8 without NUL", tl_store_select(store, &select, any_head, asked_row, NULL, NULL, NULL, err));
        nul.op = TL_OP_LIKE;
        FAILS(TL_ERR_USAGE, "UTF-8 without NUL", tl_store_select(store, &select, any_head, asked_row, NULL, NULL, NULL, err));
    }
    tl_store_close(store);
}

/* ---- orders and pages ---- */

static const char *orders[] = {
    "",
    "-window_end",
    "-window_start",
    "window_start",
    "window_end -share",
    "-window_end share",
    "name",
    "-name",
    "n\";DROP",
    "-n\";DROP name",
    "share",
    "-share",
    "good -seen",
    "-good seen -name",
    "_final -_layer _start_ms",
    "-seen",
};

/* All rows at once, or page by page. */
static void ask_all(struct tl_store *store, struct tl_select *select, int64_t page, struct asked *asked)
{
    struct tl_buf cursor, next;
    int pages = 0;

    tl_buf_init(&cursor, 0);
    tl_buf_init(&next, 0);
    select->limit = page;
    do {
        int64_t before = asked->rows;

        select->cursor = tl_buf_sv(&cursor);
        tl_buf_clear(&next);
        OK(tl_store_select(store, select, any_head, asked_row, asked, page < 0 ? NULL : &next, NULL, err));
        if (page >= 0 && next.size > 0)
            cr_assert_eq(asked->rows - before, page);
        for (size_t i = 0; i < next.size; i++)
            cr_assert(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", next.data[i]) != NULL);
        tl_buf_clear(&cursor);
        tl_buf_put_sv(&cursor, tl_buf_sv(&next));
        cr_assert(pages++ < 10000);
    } while (cursor.size > 0);
    tl_buf_put_u8(&asked->text, '\0');
    tl_buf_done(&cursor);
    tl_buf_done(&next);
}

static void pages_are_the_whole(struct tl_store *store, const char *view, const char *const *list, size_t count, int64_t page_min)
{
    for (size_t i = 0; i < count; i++)
        for (int layer = TL_LAYER_MERGED; layer <= TL_LAYER_BATCH; layer++)
            for (int64_t page = page_min; page < page_min + 7; page += page_min + 1) {
                struct tl_order wanted[TL_SELECT_ORDERS_MAX];
                struct tl_select select = all_of(view);
                struct asked whole = {0}, paged = {0};

                tl_buf_init(&whole.text, 0);
                tl_buf_init(&paged.text, 0);
                select.orders_count = orders_from(list[i], wanted);
                select.orders = wanted;
                select.layer = (enum tl_layer)layer;
                ask_all(store, &select, -1, &whole);
                ask_all(store, &select, page, &paged);
                cr_assert_str_eq(paged.text.data, whole.text.data, "order '%s', layer %d, pages of %lld", list[i], layer,
                                 (long long)page);
                tl_buf_done(&whole.text);
                tl_buf_done(&paged.text);
            }
}

static const char *in_order(struct tl_store *store, const char *view, const char *order)
{
    static struct asked asked;
    struct tl_order wanted[TL_SELECT_ORDERS_MAX];
    struct tl_select select = all_of(view);

    tl_buf_done(&asked.text);
    tl_buf_init(&asked.text, 0);
    select.orders_count = orders_from(order, wanted);
    select.orders = wanted;
    ask_all(store, &select, -1, &asked);
    return asked.text.data;
}

static void rows_come_in_order(const struct store_backend *backend)
{
    struct tl_store *store = filled(backend);

    expect(in_order(store, "kinds", "-share"),
           "100%_sure\\ 0 nan 0 20000 10 20 speed 1\n100 percent -9223372036854775808 inf 0 30000 20 30 speed 0\n"
           "it's; DROP TABLE tally_run;-- 9223372036854775807 1e+300 1 20000 10 20 speed 1\n 4 3 1 50000 40 50 speed 0\n"
           "a,b 3 2 1 40000 30 40 speed 0\nplain 5 0.5 1 10000 0 10 speed 1\n"
           "\xc3\xa4\xf0\x9f\x98\x80 2 0.1 1 40000 30 40 speed 0\nPlain -7 0 0 10000 0 10 speed 1\n"
           "[a-z]*? 1 -inf 1 30000 20 30 speed 0\nnothing NULL NULL NULL NULL 40 50 speed 0\n");
    expect(
        in_order(store, "kinds", "good -window_end name"),
        "nothing NULL NULL NULL NULL 40 50 speed 0\n100 percent -9223372036854775808 inf 0 30000 20 30 speed 0\n"
        "100%_sure\\ 0 nan 0 20000 10 20 speed 1\nPlain -7 0 0 10000 0 10 speed 1\n 4 3 1 50000 40 50 speed 0\n"
        "a,b 3 2 1 40000 30 40 speed 0\n\xc3\xa4\xf0\x9f\x98\x80 2 0.1 1 40000 30 40 speed 0\n"
        "[a-z]*? 1 -inf 1 30000 20 30 speed 0\nit's; DROP TABLE tally_run;-- 9223372036854775807 1e+300 1 20000 10 20 speed 1\n"
        "plain 5 0.5 1 10000 0 10 speed 1\n");
    pages_are_the_whole(store, "kinds", orders, TL_COUNT(orders), 1);
    tl_store_close(store);
}

/* What another tool sees in the SQL view, as asked_row has it. */
static const char *sql_view(const struct store_backend *backend, const char *view, const char *order)
{
    static struct tl_buf text;
    char sql[300];

    snprintf(sql, sizeof sql, "SELECT _start_ms, _end_ms, host, num_hits, _layer, CAST(_final AS INTEGER) FROM %s ORDER BY %s",
             view, order);
    tl_buf_done(&text);
    tl_buf_init(&text, 0);
    if (backend == &store_postgres) {
        tl_buf_put_str(&text, store_postgres_ask(url, sql));
    } else {
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;

        cr_assert_eq(sqlite3_open_v2(store_path(url), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
        cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
        while (sqlite3_step(statement) == SQLITE_ROW)
            for (int i = 0; i < 6; i++)
                tl_buf_printf(&text, "%s%s", (const char *)sqlite3_column_text(statement, i), i == 5 ? "\n" : " ");
        sqlite3_finalize(statement);
        sqlite3_close(db);
    }
    tl_buf_put_u8(&text, '\0');
    return text.data;
}

static const char *small_orders[] = {"",          "-_end_ms", "-window_start", "window_start -num_hits",
                                     "-num_hits", "host",     "-host num_hits"};

/* `windows` of two hosts, of which batch has published all up to `published`, a run for every 3, and one range more behind a gap. */
static int64_t fill_layers(struct tl_store *store, struct tl_shape shape, int64_t windows, int64_t published)
{
    int64_t id = define(store, shape), epoch = store_epoch(store), change;
    struct store_rows rows;

    store_rows_init(&rows, true, (uint32_t)(2 * windows));
    for (int64_t i = 1; i <= windows; i++) {
        store_rows_add(&rows, i * 10 - 10, i * 10, i % 2 ? "a" : "b", i % 5);
        store_rows_add(&rows, i * 10 - (i % 3 == 0 && shape.cut_per_key ? 20 : 10), i * 10, "c", i % 3);
    }
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_put_final(store, id, windows * 10 - 20, err));
    OK(tl_store_commit(store, err));
    for (int64_t from = 0; from < windows; from += 3) {
        int64_t run, bounds[2] = {from * 10, (from + 3) * 10};

        if (from >= published && from != published + 3)
            continue;
        run = store_run(store, "r");
        store_rows_clear(&rows);
        for (int64_t i = from + 1; i <= from + 3; i++) {
            store_rows_add(&rows, i * 10 - 10, i * 10 - shape.ends_open, i % 2 ? "a" : "b", 100 + i % 5);
            store_rows_add(&rows, i * 10 - 10, i * 10 - shape.ends_open, "c", 100 + i % 3);
        }
        OK(tl_store_begin(store, err));
        OK(tl_store_stage_rows(store, run, id, &rows.rows, err));
        OK(tl_store_commit(store, err));
        store_stage_range(store, run, id, bounds[0], bounds[1]);
        OK(tl_store_publish(store, run, 1, err));
    }
    store_rows_done(&rows);
    return id;
}

static void layers_are_merged(const struct store_backend *backend)
{
    struct tl_store *store = fresh(backend);
    static const char *views[] = {"tumbled", "visits", "ended", "many"};
    struct tl_shape ended = store_windowed("ended", 'c');

    ended.ends_open = true;
    fill_layers(store, store_windowed("tumbled", 'a'), 30, 18);
    fill_layers(store, store_sessions("visits", 'b', 0), 30, 18);
    fill_layers(store, ended, 30, 18);
    fill_layers(store, store_windowed("many", 'd'), 240, 210); /* more ranges than one statement has SELECTs */
    for (size_t v = 0; v < TL_COUNT(views); v++) {
        expect(in_order(store, views[v], "window_end window_start host num_hits"),
               sql_view(backend, views[v], "_end_ms, _start_ms, host, num_hits"));
        expect(in_order(store, views[v], "-num_hits host -window_end"),
               sql_view(backend, views[v], "num_hits DESC, host, _end_ms DESC"));
        pages_are_the_whole(store, views[v], small_orders, TL_COUNT(small_orders), v + 1 == TL_COUNT(views) ? 61 : 3);
        /* As the SQL view has them; each range of time too. */
        for (int64_t from = -10; from <= 310; from += 70)
            for (int64_t to = from; to <= 320; to += 85) {
                struct tl_order order[TL_SELECT_ORDERS_MAX];
                struct tl_select select = all_of(views[v]);
                struct asked asked = {0};

                for (int layer = TL_LAYER_MERGED; layer <= TL_LAYER_BATCH; layer++) {
                    const char *want = store_answer(store, views[v], (enum tl_layer)layer, from, to);

                    tl_buf_init(&asked.text, 0);
                    select.layer = (enum tl_layer)layer;
                    select.from_ms = from;
                    select.to_ms = to;
                    select.orders_count = orders_from("window_end window_start host num_hits", order);
                    select.orders = order;
                    ask_all(store, &select, 4, &asked);
                    cr_assert_str_eq(asked.text.data, want, "%s %lld %lld %d:\n%s", views[v], (long long)from, (long long)to,
                                     layer, asked.text.data);
                    tl_buf_done(&asked.text);
                    tl_buf_init(&asked.text, 0);
                    select.orders_count = orders_from("host window_end num_hits", order);
                    ask_all(store, &select, 4, &asked);
                    cr_assert_eq(asked.text.size, strlen(want) + 1, "%s", asked.text.data);
                    tl_buf_done(&asked.text);
                }
            }
    }
    tl_store_close(store);
}

/* ---- what changes between two pages ---- */

/* Rows that are never touched are given once each, whatever is put, dropped, published and finished around them. */
static void changes_move_no_other_row(const struct store_backend *backend)
{
    enum { ROWS = 120 };
    static const char *const list[] = {"", "-window_end", "host", "-num_hits host", "num_hits -window_end"};
    struct chance chance = chance_open("changes_move_no_other_row");

    for (size_t o = 0; o < TL_COUNT(list); o++) {
        struct tl_store *store = fresh(backend);
        int64_t id = hits(store), epoch = store_epoch(store), change, published = 0;
        struct tl_order wanted[TL_SELECT_ORDERS_MAX];
        struct tl_select select = all_of("hits");
        struct store_rows rows;
        struct tl_buf cursor, next;
        struct asked asked = {0};
        int pages = 0;

        tl_buf_init(&asked.text, 0);
        tl_buf_init(&cursor, 0);
        tl_buf_init(&next, 0);
        select.orders_count = orders_from(list[o], wanted);
        select.orders = wanted;
        select.limit = 10;
        store_rows_init(&rows, true, ROWS);
        for (int i = 0; i < ROWS; i++) { /* those that stay begin with s */
            char host[16];

            snprintf(host, sizeof host, "%c%d", i % 2 ? 's' : 'm', i);
            store_rows_add(&rows, i / 6 * 10, i / 6 * 10 + 10, host, i % 7);
        }
        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
        OK(tl_store_commit(store, err));
        do {
            select.cursor = tl_buf_sv(&cursor);
            tl_buf_clear(&next);
            OK(tl_store_select(store, &select, any_head, asked_row, &asked, &next, NULL, err));
            tl_buf_clear(&cursor);
            tl_buf_put_sv(&cursor, tl_buf_sv(&next));
            for (int i = 0; i < 5; i++) {
                int64_t end = 10 + 10 * chance_below(&chance, 20);
                char host[16];

                snprintf(host, sizeof host, "m%u", chance_below(&chance, 200));
                if (chance_below(&chance, 2) == 0)
                    drop_speed(store, epoch, id, end - 10, end, host);
                else
                    store_put_speed(store, epoch, id, end - 10, end, host, chance_below(&chance, 9));
            }
            if (chance_below(&chance, 3) == 0 && published < 180) { /* the same rows, from the other layer */
                int64_t run = store_run(store, "r");
                struct store_rows same;

                store_rows_init(&same, true, ROWS);
                for (int i = 1; i < ROWS; i += 2)
                    if (rows.rows.end_ms[i] > published && rows.rows.end_ms[i] <= published + 20) {
                        char host[16];

                        snprintf(host, sizeof host, "s%d", i);
                        store_rows_add(&same, rows.rows.start_ms[i], rows.rows.end_ms[i], host, i % 7);
                    }
                OK(tl_store_begin(store, err));
                OK(tl_store_stage_rows(store, run, id, &same.rows, err));
                OK(tl_store_commit(store, err));
                store_stage_range(store, run, id, published, published + 20);
                OK(tl_store_publish(store, run, 5, err));
                published += 20;
                store_rows_done(&same);
            }
            cr_assert(pages++ < 1000);
        } while (cursor.size > 0);
        tl_buf_put_u8(&asked.text, '\0');
        for (int i = 1; i < ROWS; i += 2) {
            char line[32];
            const char *at;

            snprintf(line, sizeof line, " s%d %d ", i, i % 7);
            at = strstr(asked.text.data, line);
            cr_assert(at != NULL, "order '%s': s%d is not there", list[o], i);
            cr_assert(strstr(at + 1, line) == NULL, "order '%s': s%d came twice", list[o], i);
        }
        store_rows_done(&rows);
        tl_buf_done(&asked.text);
        tl_buf_done(&cursor);
        tl_buf_done(&next);
        tl_store_close(store);
    }
}

static void a_cursor_is_of_its_query(const struct store_backend *backend)
{
    struct tl_store *store = filled(backend);
    struct tl_order order =
                        {
                            TL_SV("name"), false
    },
                    others[] = {{TL_SV("name"), true}, {TL_SV("share"), false}};
    struct tl_condition where = {TL_SV("name"), TL_OP_NE, TL_SV("x")};
    struct tl_select select = all_of("kinds"), other;
    struct tl_buf next;
    struct asked asked = {0};
    struct tl_shape shape = store_windowed("kinds", 'b');

    tl_buf_init(&asked.text, 0);
    tl_buf_init(&next, 0);
    select.orders = &order;
    select.orders_count = 1;
    select.limit = 3;
    OK(tl_store_select(store, &select, any_head, asked_row, &asked, &next, NULL, err));
    cr_assert_gt(next.size, 0);
    select.cursor = tl_buf_sv(&next);
#define REFUSED(change)                                                                                                          \
    do {                                                                                                                         \
        other = select;                                                                                                          \
        change;                                                                                                                  \
        FAILS(TL_ERR_USAGE, "cursor: it is of another query",                                                                    \
              tl_store_select(store, &other, any_head, asked_row, &asked, NULL, NULL, err));                                     \
    } while (0)
    REFUSED(other.orders = &others[0]);
    REFUSED(other.orders = &others[1]);
    REFUSED(other.orders_count = 0);
    REFUSED(other.layer = TL_LAYER_SPEED);
    REFUSED(other.from_ms = 5);
    REFUSED(other.to_ms = 500);
    REFUSED(other.conditions = &where; other.conditions_count = 1);
    other = select;
    other.limit = 7;
    OK(tl_store_select(store, &other, any_head, asked_row, &asked, NULL, NULL, err));
    for (size_t i = 0; i < next.size; i++) { /* cut short, and with a letter changed: refused, or a place all the same */
        struct tl_err err = {.message = ""};
        char kept = next.data[i];
        enum tl_code code;

        other.cursor = (struct tl_sv){next.data, i};
        if (i > 0)
            cr_assert_eq(tl_store_select(store, &other, any_head, asked_row, &asked, NULL, NULL, &err), TL_ERR_USAGE);
        other.cursor = tl_buf_sv(&next);
        next.data[i] = kept == 'A' ? 'z' : 'A';
        code = tl_store_select(store, &other, any_head, asked_row, &asked, NULL, NULL, &err);
        cr_assert(code == TL_OK || code == TL_ERR_USAGE, "%zu: %d %s", i, (int)code, err.message);
        next.data[i] = kept;
    }
    shape.columns = kinds;
    shape.columns_count = TL_COUNT(kinds);
    {
        bool swapped = false;
        int64_t id = define(store, shape), epoch = store_epoch(store), change;

        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_put_ready(store, id, err));
        OK(tl_store_commit(store, err));
        OK(tl_store_swap(store, id, epoch, &swapped, err));
        cr_assert(swapped);
    }
    REFUSED((void)0);
    tl_buf_done(&asked.text);
    tl_buf_done(&next);
    tl_store_close(store);
}

/* A key that is longer than a cursor may be: the page goes on to a row that is shorter, or says so. */
static void long_keys_end_no_page(const struct store_backend *backend)
{
    enum { LONG = 20000 };
    static char names[12][LONG + 1];
    struct item some[12];
    struct tl_store *store = fresh(backend);
    struct tl_shape shape = store_windowed("kinds", 'a');
    struct tl_select select = all_of("kinds");
    struct tl_buf next;
    struct asked asked = {0};

    shape.columns = kinds;
    shape.columns_count = TL_COUNT(kinds);
    for (int i = 0; i < 12; i++) {
        memset(names[i], 'a' + i, i >= 4 && i < 10 ? LONG : 3);
        some[i] = (struct item){names[i], 10, i, 0, false};
    }
    fill_rows(store, define(store, shape), store_epoch(store), some, 12);
    tl_buf_init(&asked.text, 0);
    tl_buf_init(&next, 0);
    select.limit = 8;
    OK(tl_store_select(store, &select, any_head, asked_row, &asked, &next, NULL, err));
    cr_assert_eq(asked.rows, 11, "%lld", (long long)asked.rows);
    cr_assert_leq(next.size, TL_SELECT_CURSOR_BYTES_MAX);
    select.cursor = tl_buf_sv(&next);
    OK(tl_store_select(store, &select, any_head, asked_row, &asked, NULL, NULL, err));
    cr_assert_eq(asked.rows, 12);
    select.cursor.size = 0;
    select.limit = 5;
    tl_buf_clear(&next);
    FAILS(TL_ERR_LIMIT, "longer than a cursor may be",
          tl_store_select(store, &select, any_head, asked_row, &asked, &next, NULL, err));
    select.limit = 12;
    tl_buf_clear(&next);
    OK(tl_store_select(store, &select, any_head, asked_row, &asked, &next, NULL, err));
    cr_assert_eq(next.size, 0);
    select.limit = 0;
    OK(tl_store_select(store, &select, any_head, asked_row, &asked, &next, NULL, err));
    cr_assert_eq(next.size, 0);
    tl_buf_done(&asked.text);
    tl_buf_done(&next);
    tl_store_close(store);
}

/* ---- rows without a window ---- */

static void single_events_are_paged(const struct store_backend *backend)
{
    static const char *const list[] = {"", "-_end_ms", "url", "-url _end_ms", "-event_time"};
    struct tl_store *store = fresh(backend);
    int64_t id = define(store, store_windowless("bots", 'a')), epoch = store_epoch(store), run = store_run(store, "1"), change;
    struct store_rows rows;

    store_rows_init(&rows, false, 40);
    for (int i = 0; i < 40; i++)
        store_rows_add_event(&rows, i / 4 * 5, (uint32_t)i % 2, i, i % 3 ? "/a" : "/b");
    OK(tl_store_begin_tick(store, epoch, &change, err));
    OK(tl_store_put_speed_rows(store, id, &rows.rows, change, err));
    OK(tl_store_commit(store, err));
    store_rows_clear(&rows);
    for (int i = 0; i < 20; i += 2)
        store_rows_add_event(&rows, i / 4 * 5, 0, i, "/batch");
    OK(tl_store_begin(store, err));
    OK(tl_store_stage_rows(store, run, id, &rows.rows, err));
    OK(tl_store_stage_offset(store, run, TL_SV("events"), 0, 19, err));
    OK(tl_store_commit(store, err));
    store_stage_range(store, run, id, 0, 25);
    OK(tl_store_publish(store, run, 1, err));
    pages_are_the_whole(store, "bots", list, TL_COUNT(list), 1);
    {
        struct tl_select select = all_of("bots");
        struct asked asked = {0};

        tl_buf_init(&asked.text, 0);
        select.from_ms = 15;
        select.to_ms = 25; /* event times in [from, to) */
        ask_all(store, &select, 3, &asked);
        expect(asked.text.data, "15 /batch batch 1\n15 /batch batch 1\n15 /a speed 0\n15 /b speed 0\n20 /batch batch 1\n"
                                "20 /batch batch 1\n20 /a speed 0\n20 /a speed 0\n");
        tl_buf_done(&asked.text);
    }
    store_rows_done(&rows);
    tl_store_close(store);
}

/* ---- what is read for it ---- */

static int64_t steps; /* of SQLite's machine, by all statements since: the same on every computer */

static int count_steps(unsigned what, void *ctx, void *statement, void *time)
{
    (void)what;
    (void)ctx;
    (void)time;
    steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
}

static int watch(sqlite3 *db, const char **message, const void *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_steps, NULL);
}

/* A range of time, or a page in order of time, costs what it gives: not all rows of the view, nor all that follow. */
Test(store_select, reads_what_it_gives, .fini = store_folder_remove)
{
    static const struct {
        const char *order;
        int64_t from_ms, to_ms, limit;
        enum tl_layer layer;
        int64_t rows;
    } cases[] = {
        {"",                      MIN_MS, MAX_MS, 20, TL_LAYER_MERGED, 20},
        {"-window_end",           MIN_MS, MAX_MS, 20, TL_LAYER_MERGED, 20},
        {"-window_start",         MIN_MS, MAX_MS, 20, TL_LAYER_MERGED, 20},
        {"-window_end -num_hits", MIN_MS, MAX_MS, 20, TL_LAYER_MERGED, 20},
        {"window_end",            9000,   MAX_MS, 20, TL_LAYER_MERGED, 20},
        {"-window_end",           MIN_MS, 9000,   20, TL_LAYER_BATCH,  20},
        {"-window_end",           MIN_MS, 9000,   20, TL_LAYER_SPEED,  20},
        {"",                      9000,   9100,   -1, TL_LAYER_MERGED, 20},
        {"-num_hits",             9000,   9100,   -1, TL_LAYER_MERGED, 20},
        {"host num_hits",         18900,  18950,  -1, TL_LAYER_MERGED, 10},
        {"-num_hits",             9000,   9100,   -1, TL_LAYER_SPEED,  20},
        {"-num_hits",             9000,   9100,   -1, TL_LAYER_BATCH,  20},
    };
    struct tl_store *store;

    cr_assert_eq(sqlite3_auto_extension((void (*)(void))(uintptr_t)watch), SQLITE_OK);
    store = fresh(&store_sqlite);
    fill_layers(store, store_windowed("tumbled", 'a'), 1950, 1500);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct tl_order wanted[TL_SELECT_ORDERS_MAX];
        struct tl_select select = all_of("tumbled");
        struct asked asked = {0};
        struct tl_buf next;

        tl_buf_init(&asked.text, 0);
        tl_buf_init(&next, 0);
        select.orders_count = orders_from(cases[i].order, wanted);
        select.orders = wanted;
        select.from_ms = cases[i].from_ms;
        select.to_ms = cases[i].to_ms;
        select.layer = cases[i].layer;
        select.limit = cases[i].limit;
        for (int page = 0; page < 2; page++) { /* the second from a cursor, where there is one */
            struct tl_buf after;

            tl_buf_init(&after, 0);
            steps = asked.rows = 0;
            select.cursor = tl_buf_sv(&next);
            OK(tl_store_select(store, &select, any_head, asked_row, &asked, &after, NULL, err));
            cr_assert_eq(asked.rows, cases[i].rows, "%zu: %lld", i, (long long)asked.rows);
            cr_assert_lt(steps, 6000, "order '%s' from %lld to %lld, layer %d, page %d: %lld steps", cases[i].order,
                         (long long)cases[i].from_ms, (long long)cases[i].to_ms, (int)cases[i].layer, page, (long long)steps);
            tl_buf_clear(&next);
            tl_buf_put_sv(&next, tl_buf_sv(&after));
            tl_buf_done(&after);
            if (next.size == 0)
                break;
        }
        tl_buf_done(&asked.text);
        tl_buf_done(&next);
    }
    sqlite3_reset_auto_extension();
    tl_store_close(store);
}

static const struct store_check checks[] = {
    CHECK(conditions_take_rows),  CHECK(what_is_wrong_is_said),     CHECK(rows_come_in_order),
    CHECK(layers_are_merged),     CHECK(changes_move_no_other_row), CHECK(a_cursor_is_of_its_query),
    CHECK(long_keys_end_no_page), CHECK(single_events_are_paged),
};

STORE_SUITE(store_select)
