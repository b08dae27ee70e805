/* select_fuzz.c: a query as a client writes it: "w" and a condition, "o" and an order, "c" and a cursor, a line each; refused for a reason that the client can
 * see, or answered in pages that give each row once: never a statement that the store does not take. */
#include <stdio.h>
#include <unistd.h>

#include "fuzz/target.h"
#include "store/store_select.h"

enum { ROWS = 6, LINES = 8, COLUMNS = 7 };

static char folder[400];
static struct tl_store *store;

static void tidy(void)
{
    char command[450];

    tl_store_close(store);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
}

static void must(enum tl_code code, const struct tl_err *err)
{
    if (code != TL_OK)
        fprintf(stderr, "%s\n", err->message);
    CHECK(code == TL_OK);
}

static void make_store(void)
{
    static const struct tl_shape_column columns[COLUMNS] = {
        {{"window_start", 12}, TL_TIMESTAMP,     TL_ROLE_WINDOW_START},
        {{"window_end", 10},   TL_TIMESTAMP,     TL_ROLE_WINDOW_END  },
        {{"s", 1},             TL_STRING,        TL_ROLE_KEY         },
        {{"n", 1},             TL_BIGINT,        TL_ROLE_VALUE       },
        {{"x", 1},             TL_DOUBLE,        TL_ROLE_VALUE       },
        {{"b", 1},             TL_BOOLEAN,       TL_ROLE_VALUE       },
        {{"t", 1},             TL_TIMESTAMP_LTZ, TL_ROLE_VALUE       },
    };
    struct tl_shape shape = {.view = TL_SV("v"),
                             .hash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                             .topic = TL_SV("events"),
                             .windowed = true,
                             .columns = columns,
                             .columns_count = COLUMNS};
    const char *base = getenv("TMPDIR");
    int64_t id = 0, change = 0, starts[ROWS], ends[ROWS], numbers[ROWS] = {0, 1, -1, INT64_MAX, INT64_MIN, 0};
    double reals[ROWS] = {0, 0.5, -1e300, (double)__builtin_nanf(""), (double)__builtin_inff(), 0};
    struct tl_sv texts[ROWS] = {TL_SV(""), TL_SV("a"), TL_SV("it's"), TL_SV("100%_"), TL_SV("\xf0\x9f\x98\x80"), TL_SV("[*]")};
    uint8_t null[ROWS] = {0, 0, 0, 0, 0, 1}, never[ROWS] = {0};
    struct tl_vec vecs[COLUMNS] = {
        {.kind = TL_TIMESTAMP, .null = never},
        {.kind = TL_TIMESTAMP, .null = never}
    };
    struct tl_epoch epoch = {0};
    struct tl_err err = {.message = ""};
    char url[450];

    snprintf(folder, sizeof folder, "%s/tally-select-XXXXXX", base == NULL ? "/tmp" : base);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(url, sizeof url, "sqlite:%s/views.db", folder);
    must(tl_store_open(url, TL_STORE_WRITE, &store, &err), &err);
    CHECK(atexit(tidy) == 0);
    for (int i = 0; i < ROWS; i++) {
        starts[i] = i / 2 * 10;
        ends[i] = starts[i] + 10;
    }
    for (int i = 0; i < COLUMNS; i++) {
        vecs[i] = (struct tl_vec){.kind = columns[i].kind, .null = i > 2 ? null : never, .i64 = numbers};
        if (columns[i].kind == TL_STRING)
            vecs[i].sv = texts;
        else if (columns[i].kind == TL_DOUBLE)
            vecs[i].f64 = reals;
    }
    vecs[0].i64 = starts;
    vecs[1].i64 = vecs[6].i64 = ends;
    vecs[5].i64 = (int64_t[ROWS]){0, 1, 0, 1, 0, 0};
    must(tl_store_define(store, &shape, &id, &err), &err);
    must(tl_store_take_epoch(store, "fuzz", NULL, &epoch, &err), &err);
    must(tl_store_begin_tick(store, epoch.epoch, &change, &err), &err);
    must(tl_store_put_speed_rows(
             store, id, &(struct tl_rows){.count = ROWS, .start_ms = starts, .end_ms = ends, .key = texts, .columns = vecs},
             change, &err),
         &err);
    must(tl_store_commit(store, &err), &err);
}

static enum tl_code see_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    (void)ctx;
    (void)columns;
    (void)err;
    CHECK(count == COLUMNS + 2);
    return TL_OK;
}

static enum tl_code see_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    (void)values;
    (void)count;
    (void)err;
    ++*(int *)ctx;
    return TL_OK;
}

static enum tl_code ask(const struct tl_select *select, int *rows, struct tl_buf *next)
{
    struct tl_refusal refusal;
    struct tl_err err = {.message = ""};
    enum tl_code code = tl_store_select(store, select, see_head, see_row, rows, next, &refusal, &err);

    CHECK(code == TL_OK || (code == TL_ERR_USAGE && refusal.parameter != NULL));
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv copy = fuzz_copy((struct tl_sv){(const char *)data, size}), rest = copy;
    struct tl_condition conditions[LINES];
    struct tl_order orders[LINES];
    struct tl_select select = {
        .view = TL_SV("v"), .from_ms = INT64_MIN, .to_ms = INT64_MAX, .conditions = conditions, .orders = orders, .limit = -1};
    struct tl_buf next, cursor;
    int whole = 0, paged = 0;

    if (store == NULL)
        make_store();
    tl_buf_init(&next, 0);
    tl_buf_init(&cursor, 0);
    for (int i = 0; i < LINES && rest.size > 0; i++) {
        struct tl_sv line = tl_sv_cut(&rest, '\n'), text = {line.data + 1, line.size - 1};

        if (line.size == 0)
            continue;
        if (line.data[0] == 'w')
            select.conditions_count += tl_condition_read(text, &conditions[select.conditions_count], NULL, NULL) == TL_OK;
        else if (line.data[0] == 'o')
            orders[select.orders_count++] = tl_order_read(text);
        else if (line.data[0] == 'c')
            select.cursor = text;
    }
    if (ask(&select, &whole, NULL) == TL_OK && select.cursor.size == 0) {
        select.limit = 2;
        do {
            tl_buf_clear(&next);
            CHECK(ask(&select, &paged, &next) == TL_OK);
            tl_buf_clear(&cursor);
            tl_buf_put_sv(&cursor, tl_buf_sv(&next));
            select.cursor = tl_buf_sv(&cursor);
            CHECK(paged <= whole);
        } while (cursor.size > 0);
        CHECK(paged == whole);
    }
    tl_buf_done(&next);
    tl_buf_done(&cursor);
    free((char *)(uintptr_t)copy.data);
    return 0;
}
