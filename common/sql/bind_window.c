/* bind_window.c: window functions behind FROM: their arguments, what these may be, and the columns that a window adds.
 *
 * Source: Flink 2.3, WindowUtil.convertToWindowingStrategy and SliceAssigners (semantics.md 1.2 to 1.7, 5.7); COUNT_WINDOW is ours (6.4). */
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"
#include "sql/shape.h"

enum part {
    PART_DATA,
    PART_TIMECOL,
    PART_SIZE,
    PART_SLIDE,
    PART_STEP,
    PART_GAP,
    PART_ROWS,
    PART_TIMEOUT,
    PART_OFFSET,
    PARTS,
};

static const struct {
    const char *label, *word; /* in NAME => ...; in a sentence */
} parts[PARTS] = {
    [PART_DATA] = {"DATA",    "table"         },
      [PART_TIMECOL] = {"TIMECOL", "time column"   },
    [PART_SIZE] = {"SIZE",    "size"          },
      [PART_SLIDE] = {"SLIDE",   "slide"         },
    [PART_STEP] = {"STEP",    "step"          },
      [PART_GAP] = {"GAP",     "gap"           },
    [PART_ROWS] = {"ROWS",    "number of rows"},
      [PART_TIMEOUT] = {"TIMEOUT", "time-out"      },
    [PART_OFFSET] = {"OFFSET",  "offset"        },
};

enum { FORM_PARTS_MAX = 5 };

struct form {
    const char *name;
    enum tl_window_kind window;
    enum part parts[FORM_PARTS_MAX]; /* in the order of positions */
    uint32_t parts_count, parts_min;
    const char *takes, *labels, *hint;
};

static const struct form forms[] = {
    {"TUMBLE",
     TL_WINDOW_TUMBLE,   {PART_DATA, PART_TIMECOL, PART_SIZE, PART_OFFSET},
     4, 3,
     "a table, a time column, a size and perhaps an offset",                      "DATA, TIMECOL, SIZE and `OFFSET`",
     "write TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE)"                                   },
    {"HOP",
     TL_WINDOW_HOP,      {PART_DATA, PART_TIMECOL, PART_SLIDE, PART_SIZE, PART_OFFSET},
     5, 4,
     "a table, a time column, a slide, a size and perhaps an offset",             "DATA, TIMECOL, SLIDE, SIZE and `OFFSET`",
     "the slide comes first: HOP(TABLE t, DESCRIPTOR(time), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)"},
    {"CUMULATE",
     TL_WINDOW_CUMULATE, {PART_DATA, PART_TIMECOL, PART_STEP, PART_SIZE, PART_OFFSET},
     5, 4,
     "a table, a time column, a step, a size and perhaps an offset",              "DATA, TIMECOL, STEP, SIZE and `OFFSET`",
     "the step comes first: CUMULATE(TABLE t, DESCRIPTOR(time), INTERVAL '1' HOUR, INTERVAL '1' DAY)" },
    {"SESSION",
     TL_WINDOW_SESSION,  {PART_DATA, PART_TIMECOL, PART_GAP},
     3, 3,
     "a table with PARTITION BY, a time column and a gap",                        "DATA, TIMECOL and GAP",
     "write SESSION(TABLE t PARTITION BY key, DESCRIPTOR(time), INTERVAL '30' MINUTE)"                },
    {"COUNT_WINDOW",
     TL_WINDOW_COUNT,    {PART_DATA, PART_TIMECOL, PART_ROWS, PART_TIMEOUT},
     4, 4,
     "a table with PARTITION BY, a time column, a number of rows and a time-out", "DATA, TIMECOL, ROWS and TIMEOUT",
     "write COUNT_WINDOW(TABLE t PARTITION BY key, DESCRIPTOR(time), 3, INTERVAL '30' MINUTE)"        },
};

/* One call while it is bound. */
struct call {
    const struct form *form;
    const struct tl_ast_from *from;
    const struct tl_ast_arg *args[PARTS]; /* NULL: not given */
};

const char *tl_window_name(enum tl_window_kind window)
{
    for (size_t i = 0; i < TL_COUNT(forms); i++)
        if (forms[i].window == window)
            return forms[i].name;
    return "";
}

static bool window_has_partition(enum tl_window_kind window)
{
    return window == TL_WINDOW_SESSION || window == TL_WINDOW_COUNT;
}

/* --- arguments ------------------------------------------------------------------------------------------------------------ */

static enum tl_code form_find(struct tl_bind *bind, const struct tl_ast_name *name, const struct form **out)
{
    struct tl_nearest nearest = tl_nearest_to(name->text);
    char hint[80];

    for (size_t i = 0; i < TL_COUNT(forms); i++) {
        if (tl_sv_eq_nocase(name->text, tl_sv_from(forms[i].name))) {
            *out = &forms[i];
            return TL_OK;
        }
        tl_nearest_offer(&nearest, tl_sv_from(forms[i].name));
    }
    return tl_mistake(bind->err, bind->text, name->at,
                      tl_nearest_hint(&nearest, hint, sizeof hint, "windows are TUMBLE, HOP, CUMULATE, SESSION and COUNT_WINDOW"),
                      "there is no window function '%.*s'", TL_SHOWN(name->text));
}

/* The part that NAME => is for. */
static enum tl_code label_find(struct tl_bind *bind, const struct form *form, const struct tl_ast_name *label, uint32_t *out)
{
    struct tl_nearest nearest = tl_nearest_to(label->text);
    char hint[120], all[120];

    for (uint32_t i = 0; i < form->parts_count; i++) {
        struct tl_sv name = tl_sv_from(parts[form->parts[i]].label);

        if (tl_sv_eq_nocase(label->text, name)) {
            *out = i;
            return TL_OK;
        }
        tl_nearest_offer(&nearest, name);
    }
    snprintf(all, sizeof all, "%s has %s", form->name, form->labels);
    return tl_mistake(bind->err, bind->text, label->at, tl_nearest_hint(&nearest, hint, sizeof hint, all),
                      "%s has no argument '%.*s'", form->name, TL_SHOWN(label->text));
}

/* Puts the arguments in their places: by position, or by NAME =>. */
static enum tl_code args_place(struct tl_bind *bind, struct call *call)
{
    const struct form *form = call->form;
    const struct tl_ast_from *from = call->from;
    uint32_t at = 0;

    for (const struct tl_ast_arg *arg = from->args; arg != NULL; arg = arg->next, at++) {
        uint32_t position = at;

        if ((arg->label.text.data != NULL) != (from->args->label.text.data != NULL))
            return tl_mistake(bind->err, bind->text, arg->at, "give all arguments by name, or none",
                              "arguments by name and by position are mixed");
        if (arg->label.text.data != NULL) {
            enum tl_code rc = label_find(bind, form, &arg->label, &position);

            if (rc != TL_OK)
                return rc;
            if (at == 0 && position != 0)
                return tl_mistake(bind->err, bind->text, arg->label.at, "begin with DATA => TABLE t", "DATA comes first");
        }
        if (at == 1 && arg->kind == TL_AST_ARG_EXPR && from->args->partition.count > 0)
            return tl_mistake(bind->err, bind->text, arg->at, "write PARTITION BY (a, b)",
                              "several columns of PARTITION BY stand in brackets");
        if (position >= form->parts_count)
            return tl_mistake(bind->err, bind->text, arg->at, form->hint, "%s takes %s", form->name, form->takes);
        if (call->args[form->parts[position]] != NULL)
            return tl_mistake(bind->err, bind->text, arg->at, "keep one of the two", "%s was already given",
                              parts[form->parts[position]].label);
        call->args[form->parts[position]] = arg;
    }
    for (uint32_t i = 0; i < form->parts_min; i++)
        if (call->args[form->parts[i]] == NULL)
            return tl_mistake(bind->err, bind->text, from->name.at, form->hint, "%s lacks its %s", form->name,
                              parts[form->parts[i]].word);
    return TL_OK;
}

/* A constant of that kind. */
static enum tl_code constant_arg(struct tl_bind *bind, const struct call *call, enum part part, struct tl_expr **out)
{
    const struct tl_ast_arg *arg = call->args[part];
    struct tl_scope scope = {.clause = "a window"};
    bool rows = part == PART_ROWS;
    const char *wanted = rows ? "a whole number" : "an interval";
    enum tl_code rc;

    if (arg->kind != TL_AST_ARG_EXPR)
        return tl_mistake(bind->err, bind->text, arg->at, call->form->hint, "the %s of a window is %s", parts[part].word, wanted);
    rc = tl_bind_expr(bind, &scope, arg->expr, out);
    if (rc == TL_OK && ((*out)->op != TL_EXPR_CONSTANT || (*out)->constant.is_null ||
                        !(rows ? tl_kind_is_integer((*out)->kind) : (*out)->kind == TL_INTERVAL)))
        return tl_mistake(bind->err, bind->text, arg->at, rows ? "write 3" : "write INTERVAL '5' MINUTE",
                          "the %s of a window is %s", parts[part].word, wanted);
    return rc;
}

static enum tl_code interval_arg(struct tl_bind *bind, const struct call *call, enum part part, int64_t *ms)
{
    struct tl_expr *expr = NULL;
    enum tl_code rc = constant_arg(bind, call, part, &expr);

    if (rc != TL_OK)
        return rc;
    if (part != PART_OFFSET && expr->constant.i64 <= 0)
        return tl_mistake(bind->err, bind->text, call->args[part]->at, "write INTERVAL '5' MINUTE",
                          "the %s of a window is more than nothing", parts[part].word);
    *ms = expr->constant.i64;
    return TL_OK;
}

static enum tl_code rows_arg(struct tl_bind *bind, const struct call *call, uint32_t *rows)
{
    struct tl_expr *expr = NULL;
    enum tl_code rc = constant_arg(bind, call, PART_ROWS, &expr);

    if (rc != TL_OK)
        return rc;
    if (expr->constant.i64 < 1 || expr->constant.i64 > INT32_MAX)
        return tl_mistake(bind->err, bind->text, call->args[PART_ROWS]->at, "a window of 3 rows: write 3",
                          "the number of rows of a window is 1 to %d", INT32_MAX);
    *rows = (uint32_t)expr->constant.i64;
    return TL_OK;
}

/* HOP and CUMULATE: the pane divides the size, as Flink's streaming mode wants it; its batch mode does not, so the layers of the
 * same file could differ there. */
static enum tl_code pane_check(struct tl_bind *bind, const struct call *call, enum part pane, int64_t pane_ms, int64_t size_ms)
{
    struct tl_buf size, pane_text, fit;
    int64_t a = size_ms, b = pane_ms;
    char hint[160];

    assert(pane_ms > 0); /* interval_arg has seen to it */
    if (size_ms % pane_ms == 0)
        return TL_OK;
    while (b != 0) { /* Euclid: the largest that divides both */
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    tl_buf_init(&size, 64);
    tl_buf_init(&pane_text, 64);
    tl_buf_init(&fit, 64);
    tl_duration_print(size_ms, &size);
    tl_duration_print(pane_ms, &pane_text);
    tl_duration_print(a, &fit);
    if (pane_ms > size_ms)
        snprintf(hint, sizeof hint, "the %s comes first, then the size: change the two places", parts[pane].word);
    else
        snprintf(hint, sizeof hint, "a %s of %.*s would do", parts[pane].word, TL_SV_ARG(tl_buf_sv(&fit)));
    tl_mistake_write(bind->err, bind->text, call->args[pane]->at, hint,
                     "the size of a window is an integral multiple of its %s, and %.*s is none of %.*s", parts[pane].word,
                     TL_SV_ARG(tl_buf_sv(&size)), TL_SV_ARG(tl_buf_sv(&pane_text)));
    tl_buf_done(&size);
    tl_buf_done(&pane_text);
    tl_buf_done(&fit);
    return TL_ERR_DEFINITION;
}

/* Flink bounds the offset of TUMBLE alone. The windows of HOP repeat with the slide and those of CUMULATE with the size, so what is
 * left of a division says the same. */
static enum tl_code spec_bind(struct tl_bind *bind, const struct call *call, struct tl_window_spec *out)
{
    struct tl_window_spec spec = {.window = call->form->window};
    enum part pane = spec.window == TL_WINDOW_HOP ? PART_SLIDE : PART_STEP;
    enum part size = spec.window == TL_WINDOW_SESSION ? PART_GAP : spec.window == TL_WINDOW_COUNT ? PART_TIMEOUT : PART_SIZE;
    enum tl_code rc;

    if (spec.window == TL_WINDOW_COUNT)
        TL_TRY(rows_arg(bind, call, &spec.rows_max));
    if (call->args[pane] != NULL)
        TL_TRY(interval_arg(bind, call, pane, &spec.slide_ms));
    TL_TRY(interval_arg(bind, call, size, &spec.size_ms));
    if (call->args[pane] != NULL)
        TL_TRY(pane_check(bind, call, pane, spec.slide_ms, spec.size_ms));
    else
        spec.slide_ms = spec.size_ms;
    if (call->args[PART_OFFSET] != NULL) {
        TL_TRY(interval_arg(bind, call, PART_OFFSET, &spec.offset_ms));
        if (spec.window == TL_WINDOW_TUMBLE && (spec.offset_ms >= spec.size_ms || spec.offset_ms <= -spec.size_ms))
            return tl_mistake(bind->err, bind->text, call->args[PART_OFFSET]->at,
                              "windows repeat with their size: take the remainder",
                              "the offset of a window is smaller than its size");
        assert(spec.slide_ms > 0 && spec.size_ms > 0);
        spec.offset_ms %= spec.window == TL_WINDOW_HOP ? spec.slide_ms : spec.size_ms;
    }
    *out = spec;
out:
    return rc;
}

/* --- what is read ------------------------------------------------------------------------------------------------------------ */

/* The column must be the event time of the table, as the table or the views between hand it on; of a view with windows it is its
 * window_time. */
static enum tl_code descriptor_check(struct tl_bind *bind, const struct call *call, const struct tl_query *data,
                                     struct tl_sv data_name)
{
    const struct tl_ast_arg *arg = call->args[PART_TIMECOL];
    const struct tl_source *source = &data->table->source;
    const struct tl_bind_column *column;
    struct tl_sv time_name = {NULL, 0};
    struct tl_nearest nearest;
    char hint[200], nearest_hint[100];

    if (arg->kind != TL_AST_ARG_DESCRIPTOR || arg->names.count != 1)
        return tl_mistake(bind->err, bind->text, arg->at, "write DESCRIPTOR(column)",
                          "the time column of a window stands in DESCRIPTOR");
    for (uint32_t i = 0; i < data->columns_count; i++)
        if (data->columns[i].is_time)
            time_name = data->columns[i].name;
    if (data->table->event_time == NULL) {
        snprintf(hint, sizeof hint, "add to CREATE TABLE %.*s: WATERMARK FOR column AS column - INTERVAL '15' SECOND",
                 TL_SHOWN(source->name));
        return tl_mistake(bind->err, bind->text, arg->names.first->at, hint,
                          "%.*s has no watermark, so no column is its event time", TL_SHOWN(source->name));
    }
    column = tl_query_column(data, arg->names.first->text);
    if (column != NULL && column->is_time)
        return TL_OK;
    if (time_name.data != NULL)
        snprintf(hint, sizeof hint, "write DESCRIPTOR(%.*s)", TL_SHOWN(time_name));
    else if (data->inner == NULL)
        snprintf(hint, sizeof hint, "add %.*s to the columns of %.*s", TL_SHOWN(source->time_name), TL_SHOWN(data_name));
    else
        snprintf(hint, sizeof hint, "its time is window_time: add it to GROUP BY and, AS rowtime, to the outputs of %.*s",
                 TL_SHOWN(data->inner->name));
    if (column != NULL && data->inner != NULL)
        return tl_mistake(bind->err, bind->text, arg->names.first->at, hint,
                          "'%.*s' is not the event time: %.*s has windows, whose time is window_time", TL_SHOWN(column->name),
                          TL_SHOWN(data->inner->name));
    if (column != NULL)
        return tl_mistake(bind->err, bind->text, arg->names.first->at, hint,
                          "'%.*s' is not the event time: the watermark of %.*s is for %.*s", TL_SHOWN(column->name),
                          TL_SHOWN(source->name), TL_SHOWN(source->time_name));
    nearest = tl_nearest_to(arg->names.first->text);
    for (uint32_t i = 0; i < data->columns_count; i++)
        tl_nearest_offer(&nearest, data->columns[i].name);
    return tl_mistake(
        bind->err, bind->text, arg->names.first->at,
        time_name.data != NULL || data->inner != NULL ? hint : tl_nearest_hint(&nearest, nearest_hint, sizeof nearest_hint, hint),
        "there is no column '%.*s' in %.*s", TL_SHOWN(arg->names.first->text), TL_SHOWN(data_name));
}

static enum tl_code partition_bind(struct tl_bind *bind, const struct call *call, struct tl_sv data_name, struct tl_query *out)
{
    const struct tl_ast_names *names = &call->args[PART_DATA]->partition;
    uint32_t count = 0;

    if (names->count > 0 && !window_has_partition(call->form->window))
        return tl_mistake(bind->err, bind->text, names->first->at, "write the column into GROUP BY", "%s takes no PARTITION BY",
                          call->form->name);
    out->partition_names = names;
    out->partition = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * (names->count + 1u));
    if (out->partition == NULL)
        return tl_bind_no_memory(bind);
    for (const struct tl_ast_name *name = names->first; name != NULL; name = name->next) {
        const struct tl_bind_column *column = tl_query_column(out, name->text);
        struct tl_nearest nearest = tl_nearest_to(name->text);
        char hint[100];

        for (const struct tl_ast_name *other = names->first; other != name; other = other->next)
            if (tl_sv_eq(other->text, name->text))
                return tl_mistake(bind->err, bind->text, name->at, "keep one of the two", "'%.*s' stands twice in PARTITION BY",
                                  TL_SHOWN(name->text));
        for (uint32_t i = 0; i < out->columns_count; i++)
            tl_nearest_offer(&nearest, out->columns[i].name);
        if (column == NULL)
            return tl_mistake(bind->err, bind->text, name->at,
                              tl_nearest_hint(&nearest, hint, sizeof hint, "PARTITION BY takes columns of the table"),
                              "there is no column '%.*s' in %.*s", TL_SHOWN(name->text), TL_SHOWN(data_name));
        out->partition[count++] = column->expr;
    }
    return TL_OK;
}

/* Adds window_start, window_end and window_time, and closed_by where it is known. Flink takes a view with columns of these names as long as
 * nobody names them; GROUP BY names all but window_time. */
static enum tl_code columns_add(struct tl_bind *bind, const struct call *call, struct tl_query *query)
{
    static const char *const names[] = {"window_start", "window_end", "window_time", "closed_by"};
    uint32_t names_count = call->form->window == TL_WINDOW_COUNT ? TL_SLOT_CLOSED_BY + 1 : TL_SLOT_WINDOW_TIME + 1;
    uint32_t count = query->columns_count;
    struct tl_bind_column *columns = tl_arena_zalloc(bind->arena, sizeof *columns * (count + names_count));
    char hint[160];

    if (columns == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < count; i++) {
        columns[i] = query->columns[i];
        columns[i].is_time = columns[i].is_window = false; /* behind a window it is an ordinary column: semantics.md 1.5 */
    }
    for (uint32_t i = 0; i < names_count; i++) {
        const struct tl_bind_column *same = tl_query_column(query, tl_sv_from(names[i]));

        if (same != NULL && i == TL_SLOT_WINDOW_TIME) {
            columns[same - query->columns].is_twice = true;
            continue;
        }
        if (query->inner != NULL)
            snprintf(hint, sizeof hint, "give it another name in %.*s: %s AS inner_%s", TL_SHOWN(query->inner->name), names[i],
                     names[i]);
        if (same != NULL)
            return tl_mistake(bind->err, bind->text, call->from->name.at,
                              query->inner != NULL ? hint
                                                   : "rename it in a temporary view: SELECT ..., window_start AS other FROM ...",
                              "the %s has a column %s of its own", query->inner != NULL ? "view" : "table", names[i]);
        columns[count++] =
            (struct tl_bind_column){.name = tl_sv_from(names[i]), .is_window = true, .window_slot = TL_SLOT_WINDOW_START + i};
    }
    query->columns = columns;
    query->columns_count = count;
    return TL_OK;
}

enum tl_code tl_bind_window(struct tl_bind *bind, const struct tl_ast_from *from, struct tl_query *out)
{
    struct call call = {.from = from};
    const struct tl_ast_arg *data;
    const struct tl_relation *relation;
    enum tl_code rc;

    TL_TRY(form_find(bind, &from->name, &call.form));
    TL_TRY(args_place(bind, &call));
    data = call.args[PART_DATA];
    assert(data != NULL); /* all have it, and args_place wants it */
    if (data->kind != TL_AST_ARG_TABLE)
        return tl_mistake(bind->err, bind->text, data->at, call.form->hint, "the first argument of %s is TABLE and a name",
                          call.form->name);
    TL_TRY(tl_bind_relation_find(bind, data->names.first, &relation));
    *out = relation->query;
    if (out->window.window != TL_WINDOW_NONE)
        return tl_mistake(bind->err, bind->text, data->names.first->at, "read the table itself", "'%.*s' has windows already",
                          TL_SHOWN(relation->name));
    TL_TRY(descriptor_check(bind, &call, out, relation->name));
    if (call.form->window == TL_WINDOW_SESSION && out->inner != NULL &&
        tl_view_ends_open(bind->plan, &bind->plan->views[out->inner->view]))
        return tl_mistake(bind->err, bind->text, data->names.first->at, "read the table itself, with a longer gap",
                          "'%.*s' has sessions or count windows, and sessions of those are not kept", TL_SHOWN(relation->name));
    TL_TRY(partition_bind(bind, &call, relation->name, out));
    TL_TRY(spec_bind(bind, &call, &out->window));
    TL_TRY(columns_add(bind, &call, out));
out:
    return rc;
}

/* --- GROUP BY of SESSION and COUNT_WINDOW ---------------------------------------------------------------------------------------
 *
 * Their windows belong to a key: that of PARTITION BY. With another set of keys Flink makes an unbounded aggregation of it
 * (WindowUtil.validGroupKeyPartitionKey), and windows of different keys would fall together. */

static bool expr_is_among(const struct tl_expr *expr, struct tl_expr *const *among, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (tl_expr_same(expr, among[i]))
            return true;
    return false;
}

static enum tl_code keys_check(struct tl_bind *bind, const struct tl_ast_select *select, const struct tl_group *group)
{
    const struct tl_query *query = group->out;
    const char *name = tl_window_name(query->window.window);
    const struct tl_ast_name *column = query->partition_names->first;
    char hint[200];

    for (uint32_t i = 0; i < query->keys_count; i++) {
        const struct tl_ast_expr *ast = group->keys_ast[i];
        size_t size = 0;

        if (expr_is_among(query->keys[i], query->partition, query->partition_names->count))
            continue;
        if (ast->op != TL_AST_COLUMN)
            return tl_mistake(bind->err, bind->text, ast->at, "make it a column of a temporary view, and PARTITION BY that",
                              "%s groups by the columns of its PARTITION BY, and by no others", name);
        size = (size_t)snprintf(hint, sizeof hint, "write %s(TABLE t PARTITION BY (", name);
        for (const struct tl_ast_name *c = query->partition_names->first; c != NULL && size < sizeof hint; c = c->next)
            size += (size_t)snprintf(hint + size, sizeof hint - size, "%.*s, ", TL_SHOWN(c->text));
        if (size < sizeof hint)
            snprintf(hint + size, sizeof hint - size, "%.*s), ...", TL_SHOWN(ast->text));
        return tl_mistake(bind->err, bind->text, ast->at, hint,
                          "%s groups by the columns of its PARTITION BY, and '%.*s' is none", name, TL_SHOWN(ast->text));
    }
    for (uint32_t i = 0; i < query->partition_names->count; i++, column = column->next) {
        if (expr_is_among(query->partition[i], query->keys, query->keys_count))
            continue;
        snprintf(hint, sizeof hint, "add %.*s to GROUP BY, or leave it out of PARTITION BY", TL_SHOWN(column->text));
        return tl_mistake(bind->err, bind->text, select->group_at, hint,
                          "GROUP BY lacks '%.*s', and windows of different keys would fall together", TL_SHOWN(column->text));
    }
    return TL_OK;
}

/* The key of the first view of a chain that an output is, -1: none. */
static int64_t origin_key(const struct tl_plan *plan, const struct tl_view *view, uint32_t output)
{
    const struct tl_expr *expr = view->outputs[output].expr;

    if (expr->op != TL_EXPR_SLOT)
        return -1;
    if (view->inner_rows)
        return origin_key(plan, &plan->views[view->inner], expr->slot);
    if (expr->slot < TL_SLOT_KEYS || expr->slot - TL_SLOT_KEYS >= view->keys_count)
        return -1;
    if (view->window.window != TL_WINDOW_INNER)
        return expr->slot - TL_SLOT_KEYS;
    expr = view->keys[expr->slot - TL_SLOT_KEYS];
    return expr->op == TL_EXPR_SLOT ? origin_key(plan, &plan->views[view->inner], expr->slot) : -1;
}

/* The windows of the view that is read, where each belongs to a key: the same keys again, or windows would fall together. */
static enum tl_code inner_keys_check(struct tl_bind *bind, const struct tl_ast_select *select, const struct tl_group *group)
{
    const struct tl_query *query = group->out;
    const struct tl_plan *plan = bind->plan;
    const struct tl_view *read = &plan->views[query->inner->view], *origin = read;
    uint32_t found = 0;
    bool *seen;
    char hint[160];

    while (origin->window.window == TL_WINDOW_INNER)
        origin = &plan->views[origin->inner];
    if (!window_has_partition(origin->window.window))
        return TL_OK;
    seen = tl_arena_zalloc(bind->arena, sizeof *seen * (origin->keys_count + 1u));
    if (seen == NULL)
        return tl_bind_no_memory(bind);
    snprintf(hint, sizeof hint, "GROUP BY window_start, window_end and exactly the keys of %.*s", TL_SHOWN(origin->name));
    for (uint32_t i = 0; i < query->keys_count; i++) {
        const struct tl_expr *key = query->keys[i];
        int64_t number = key->op == TL_EXPR_SLOT ? origin_key(plan, read, key->slot) : -1;

        if (number < 0)
            return tl_mistake(bind->err, bind->text, group->keys_ast[i]->at, hint,
                              "each window of %.*s belongs to one of its keys", TL_SHOWN(origin->name));
        found += seen[number] ? 0 : 1;
        seen[number] = true;
    }
    if (found != origin->keys_count)
        return tl_mistake(bind->err, bind->text, select->group_at, hint,
                          "each window of %.*s belongs to one of its keys, and GROUP BY lacks a part of them",
                          TL_SHOWN(origin->name));
    return TL_OK;
}

enum tl_code tl_bind_window_keys(struct tl_bind *bind, const struct tl_ast_select *select, const struct tl_group *group)
{
    if (group->out->window.window == TL_WINDOW_INNER)
        return inner_keys_check(bind, select, group);
    return window_has_partition(group->out->window.window) ? keys_check(bind, select, group) : TL_OK;
}
