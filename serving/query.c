/* query.c: the command: rows of a view on the terminal, or for another program. */
#include <string.h>

#include "base/diag.h"
#include "main/command.h"
#include "main/option.h"
#include "main/print.h"
#include "store/store.h"

struct query_options {
    int64_t from_ms, to_ms, limit;
    const char *format, *layer;
};

/* CSV holds the view's own columns alone, so that it can be compared with what another program computes; people and JSON see the layer and
 * whether the row is final as well. */
struct query {
    struct tl_printer printer;
    size_t columns_count;
};

static enum tl_code print_head(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err)
{
    struct query *query = ctx;

    query->columns_count = count;
    while (query->printer.format == TL_PRINT_CSV && query->columns_count > 0 &&
           columns[query->columns_count - 1].name.data[0] == '_')
        query->columns_count--;
    return tl_printer_head(&query->printer, columns, query->columns_count, err);
}

static enum tl_code print_row(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err)
{
    struct query *query = ctx;

    (void)count;
    return tl_printer_row(&query->printer, values, query->columns_count, err);
}

static enum tl_code query_main(const struct tl_common_options *common, const struct query_options *own, struct tl_err *err)
{
    struct tl_query asked = {.view = tl_sv_from(common->args[0]),
                             .layer = strcmp(own->layer, "speed") == 0   ? TL_LAYER_SPEED
                                      : strcmp(own->layer, "batch") == 0 ? TL_LAYER_BATCH
                                                                         : TL_LAYER_MERGED,
                             .from_ms = own->from_ms,
                             .to_ms = own->to_ms == TL_TIME_NONE ? INT64_MAX : own->to_ms,
                             .limit = own->limit};
    struct query query;
    struct tl_store *store = NULL;
    enum tl_code rc = TL_OK;

    tl_printer_init(&query.printer, tl_print_format_of(own->format), stdout);
    if (own->from_ms != TL_TIME_NONE && own->to_ms != TL_TIME_NONE && own->from_ms >= own->to_ms)
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "--from must be before --to: rows are those whose window ends after --from, up to --to; --from 2026-03-01 "
                       "--to 2026-03-02 would do"));
    TL_TRY(tl_store_open(common->store, TL_STORE_READ, &store, err));
    TL_TRY(tl_store_begin_read(store, err));
    rc = tl_store_query(store, &asked, print_head, print_row, &query, err);
    if (rc == TL_ERR_NOT_FOUND) /* a mistyped view is a wrong word, not a failure of the store */
        rc = err->code = TL_ERR_USAGE;
    TL_TRY(rc);
    TL_TRY(tl_printer_end(&query.printer, err));
out:
    if (store != NULL)
        tl_store_rollback(store);
    tl_store_close(store);
    tl_printer_done(&query.printer);
    return rc;
}

static const struct tl_option query_table[] = {
    {"layer",  TL_OPT_CHOICE, "merged|speed|batch", "whose rows: the best known for every moment, or one layer's",
     offsetof(struct query_options,                                                                                                               layer),   0},
    {"from",   TL_OPT_TIME,   "TIME",               "rows whose window ends after this",                           offsetof(struct query_options, from_ms), 0},
    {"to",     TL_OPT_TIME,   "TIME",               "rows whose window ends at this time or before",               offsetof(struct query_options, to_ms),   0},
    {"limit",  TL_OPT_COUNT,  "N",                  "at most so many rows",                                        offsetof(struct query_options, limit),   0},
    {"format", TL_OPT_CHOICE, "table|csv|json",     "how rows are written",                                        offsetof(struct query_options, format),  0},
};

static const struct tl_usage query_usage = {
    .synopsis = "VIEW",
    .text = "Rows of a view, sorted by window and then by its columns. CSV holds the view's own columns; table and JSON also say "
            "which layer a row is "
            "from (_layer) and whether it can still change (_final).",
    .example = "tally query hits_5m --from 2026-03-01 --to 2026-03-02 --format csv",
    .options = query_table,
    .options_count = TL_COUNT(query_table),
    .args_min = 1,
    .args_max = 1,
};

TL_COMMAND(query, "rows of a view on the terminal")
{
    struct query_options own = {
        .from_ms = TL_TIME_NONE, .to_ms = TL_TIME_NONE, .limit = -1, .format = "table", .layer = "merged"};
    struct tl_common_options common;
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&query_usage, argc, argv, &common, &own, &status))
        return status;
    rc = query_main(&common, &own, &err);
    if (rc != TL_OK)
        tl_diag_err(&err);
    return tl_exit_status(rc);
}
