/* plan_text.c: writes plans and expressions.
 *
 * The normalised text is one line a fact, names and types written out, columns in alphabetical order: white space, comments,
 * the case of keywords, names of temporary views and the order of columns in CREATE TABLE leave it alone. Its XXH3 (128 bits)
 * is the definition, so a change of this text makes every stored view new: raise TL_NORMALISER_VERSION only for a reason. */
#include "sql/plan_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "event/timestamp.h"
#include "sql/bind.h"

void tl_name_print(struct tl_sv name, struct tl_buf *out)
{
    bool plain = name.size > 0 && !(name.data[0] >= '0' && name.data[0] <= '9') && tl_lex_keyword(name) == 0;

    for (size_t i = 0; i < name.size && plain; i++)
        plain = (name.data[i] >= 'a' && name.data[i] <= 'z') || (name.data[i] >= 'A' && name.data[i] <= 'Z') ||
                (name.data[i] >= '0' && name.data[i] <= '9') || name.data[i] == '_';
    if (plain) {
        tl_buf_put_sv(out, name);
        return;
    }
    tl_buf_put_u8(out, '`');
    for (size_t i = 0; i < name.size; i++) {
        tl_buf_put(out, name.data + i, 1);
        if (name.data[i] == '`')
            tl_buf_put_u8(out, '`');
    }
    tl_buf_put_u8(out, '`');
}

static void text_print(struct tl_sv text, struct tl_buf *out)
{
    tl_buf_put_u8(out, '\'');
    for (size_t i = 0; i < text.size; i++) {
        tl_buf_put(out, text.data + i, 1);
        if (text.data[i] == '\'')
            tl_buf_put_u8(out, '\'');
    }
    tl_buf_put_u8(out, '\'');
}

/* --- expressions ---------------------------------------------------------------------------------------------------------- */

void tl_interval_print(int64_t ms, struct tl_buf *out)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {
        {86400000, "DAY"   },
        {3600000,  "HOUR"  },
        {60000,    "MINUTE"},
        {1000,     "SECOND"}
    };
    uint64_t size = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

    for (size_t i = 0; i < TL_COUNT(units); i++)
        if (size != 0 && size % (uint64_t)units[i].ms == 0) {
            uint64_t count = size / (uint64_t)units[i].ms;
            int digits = snprintf(NULL, 0, "%llu", (unsigned long long)count);

            tl_buf_printf(out, "INTERVAL '%s%llu' %s", ms < 0 ? "-" : "", (unsigned long long)count, units[i].name);
            if (digits > 2)
                tl_buf_printf(out, "(%d)", digits);
            return;
        }
    tl_buf_printf(out, "INTERVAL '%s%llu.%03llu' SECOND", ms < 0 ? "-" : "", (unsigned long long)size / 1000,
                  (unsigned long long)size % 1000);
    if (size >= 100000)
        tl_buf_printf(out, "(%d)", snprintf(NULL, 0, "%llu", (unsigned long long)size / 1000));
}

/* The fewest digits that give the number back, always with a point or an exponent: an INT looks different. */
void tl_double_print(double value, struct tl_buf *out)
{
    char text[40];

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    tl_buf_put_str(out, text);
    if (strpbrk(text, ".eni") == NULL)
        tl_buf_put_str(out, ".0");
}

void tl_constant_print(const struct tl_value *value, struct tl_buf *out)
{
    char text[TL_TIME_TEXT_BYTES];
    bool bare = value->kind == TL_INT || (value->kind == TL_BIGINT && (value->i64 < INT32_MIN || value->i64 > INT32_MAX));

    if (value->is_null) {
        tl_buf_printf(out, "CAST(NULL AS %s)", tl_kind_name(value->kind));
        return;
    }
    switch (value->kind) {
    case TL_BOOLEAN: tl_buf_put_str(out, value->i64 ? "TRUE" : "FALSE"); break;
    case TL_TINYINT:
    case TL_SMALLINT:
    case TL_INT:
    case TL_BIGINT:
        tl_buf_printf(out, bare ? "%lld" : "CAST(%lld AS ", (long long)value->i64);
        if (!bare)
            tl_buf_printf(out, "%s)", tl_kind_name(value->kind));
        break;
    case TL_FLOAT:
        tl_buf_put_str(out, "CAST(");
        tl_double_print(value->f64, out);
        tl_buf_put_str(out, " AS FLOAT)");
        break;
    case TL_DOUBLE: tl_double_print(value->f64, out); break;
    case TL_STRING: text_print(value->sv, out); break;
    case TL_TIMESTAMP:
        tl_time_to_sql(value->i64, text);
        tl_buf_printf(out, "TIMESTAMP '%s'", text);
        break;
    case TL_TIMESTAMP_LTZ:
        tl_time_to_sql(value->i64, text);
        tl_buf_printf(out, "CAST(TIMESTAMP '%s' AS TIMESTAMP_LTZ(3))", text);
        break;
    case TL_INTERVAL: tl_interval_print(value->i64, out); break;
    case TL_NULL: tl_buf_put_str(out, "NULL"); break;
    }
}

static const char *aggregate_name(const struct tl_agg_call *call)
{
    static const char *const names[] = {[TL_AGG_COUNT_STAR] = "COUNT",
                                        [TL_AGG_COUNT] = "COUNT",
                                        [TL_AGG_SUM] = "SUM",
                                        [TL_AGG_MIN] = "MIN",
                                        [TL_AGG_MAX] = "MAX",
                                        [TL_AGG_AVG] = "AVG",
                                        [TL_AGG_STDDEV_POP] = "STDDEV_POP",
                                        [TL_AGG_STDDEV_SAMP] = "STDDEV_SAMP",
                                        [TL_AGG_VAR_POP] = "VAR_POP",
                                        [TL_AGG_VAR_SAMP] = "VAR_SAMP",
                                        [TL_AGG_FIRST_VALUE] = "FIRST_VALUE",
                                        [TL_AGG_LAST_VALUE] = "LAST_VALUE",
                                        [TL_AGG_LISTAGG] = "LISTAGG",
                                        [TL_AGG_APPROX_COUNT_DISTINCT] = "APPROX_COUNT_DISTINCT",
                                        [TL_AGG_PERCENTILE] = "PERCENTILE",
                                        [TL_AGG_APPROX_PERCENTILE] = "APPROX_PERCENTILE",
                                        [TL_AGG_WINDOW_FUNNEL] = "WINDOW_FUNNEL"};

    return call->agg == TL_AGG_USER ? call->user->name : names[call->agg];
}

static void aggregate_print(const struct tl_agg_call *call, const struct tl_source *source, struct tl_buf *out)
{
    tl_buf_printf(out, "%s(%s", aggregate_name(call), call->distinct ? "DISTINCT " : "");
    if (call->agg == TL_AGG_COUNT_STAR)
        tl_buf_put_u8(out, '*');
    if (call->agg == TL_AGG_WINDOW_FUNNEL) {
        tl_interval_print(call->within_ms, out);
        tl_buf_put_str(out, ", ");
    }
    for (uint32_t i = 0; i < call->args_count; i++) {
        tl_buf_put_str(out, i > 0 ? ", " : "");
        tl_expr_print(call->args[i], source, NULL, out);
        if (i == 0 && (call->agg == TL_AGG_PERCENTILE || call->agg == TL_AGG_APPROX_PERCENTILE)) {
            tl_buf_put_str(out, ", ");
            tl_double_print(call->point, out);
        }
    }
    if (call->agg == TL_AGG_LISTAGG) {
        tl_buf_put_str(out, ", ");
        text_print(call->separator, out);
    }
    tl_buf_put_u8(out, ')');
    if (call->where != NULL) {
        tl_buf_put_str(out, " FILTER (WHERE ");
        tl_expr_print(call->where, source, NULL, out);
        tl_buf_put_u8(out, ')');
    }
}

/* Are the outputs made of groups? Else of what the view reads, row by row. */
static bool outputs_of_groups(const struct tl_view *view)
{
    return view->window.window != TL_WINDOW_NONE && !view->inner_rows;
}

static void slot_print(const struct tl_expr *expr, const struct tl_source *source, const struct tl_view *view, struct tl_buf *out)
{
    static const char *const window_names[] = {"window_start", "window_end", "window_time", "closed_by"};
    uint32_t slot = expr->slot;

    if (view == NULL || !outputs_of_groups(view)) {
        if (slot == TL_SLOT_EVENT_TIME)
            tl_name_print(source->time_name, out);
        else
            tl_name_print(source->schema.fields[slot].name, out);
        return;
    }
    if (slot < TL_SLOT_KEYS)
        tl_buf_put_str(out, window_names[slot]);
    else if (slot - TL_SLOT_KEYS < view->keys_count)
        tl_expr_print(view->keys[slot - TL_SLOT_KEYS], source, NULL, out);
    else
        aggregate_print(&view->aggs[slot - TL_SLOT_KEYS - view->keys_count], source, out);
}

static void args_print(const struct tl_expr *expr, const char *between, const struct tl_source *source,
                       const struct tl_view *view, struct tl_buf *out)
{
    for (uint32_t i = 0; i < expr->args_count; i++) {
        if (i > 0)
            tl_buf_put_str(out, between);
        tl_expr_print(expr->args[i], source, view, out);
    }
}

static void call_print(const struct tl_expr *expr, const struct tl_source *source, const struct tl_view *view, struct tl_buf *out)
{
    const char *name = expr->function->name;
    bool word = name[0] >= 'A' && name[0] <= 'Z';

    if (strcmp(name, "CAST") == 0) {
        tl_buf_put_str(out, "CAST(");
        tl_expr_print(expr->args[0], source, view, out);
        tl_buf_printf(out, " AS %s)", tl_kind_name(expr->kind));
    } else if (strncmp(name, "IS ", 3) == 0 && expr->args_count == 1) {
        tl_buf_put_u8(out, '(');
        tl_expr_print(expr->args[0], source, view, out);
        tl_buf_printf(out, " %s)", name);
    } else if (strcmp(name, "NEGATE") == 0) {
        tl_buf_put_str(out, "(- ");
        tl_expr_print(expr->args[0], source, view, out);
        tl_buf_put_u8(out, ')');
    } else if (strcmp(name, "NOT") == 0) {
        tl_buf_put_str(out, "(NOT ");
        tl_expr_print(expr->args[0], source, view, out);
        tl_buf_put_u8(out, ')');
    } else if (strcmp(name, "LIKE") == 0) {
        tl_buf_put_u8(out, '(');
        tl_expr_print(expr->args[0], source, view, out);
        tl_buf_put_str(out, " LIKE ");
        tl_expr_print(expr->args[1], source, view, out);
        if (expr->args_count > 2) {
            tl_buf_put_str(out, " ESCAPE ");
            tl_expr_print(expr->args[2], source, view, out);
        }
        tl_buf_put_u8(out, ')');
    } else if (!word && expr->args_count == 2) {
        tl_buf_put_u8(out, '(');
        tl_expr_print(expr->args[0], source, view, out);
        tl_buf_printf(out, " %s ", name);
        tl_expr_print(expr->args[1], source, view, out);
        tl_buf_put_u8(out, ')');
    } else {
        tl_buf_printf(out, "%s(", name);
        args_print(expr, ", ", source, view, out);
        tl_buf_put_u8(out, ')');
    }
}

static void among_print(const struct tl_expr *expr, const struct tl_source *source, const struct tl_view *view,
                        struct tl_buf *out)
{
    const struct tl_value_list *list = expr->state;

    tl_buf_put_u8(out, '(');
    tl_expr_print(expr->args[0], source, view, out);
    for (uint32_t i = 0; i < list->count; i++) {
        tl_buf_put_str(out, i == 0 ? " IN (" : ", ");
        tl_constant_print(&list->values[i], out);
    }
    tl_buf_put_str(out, "))");
}

void tl_expr_print(const struct tl_expr *expr, const struct tl_source *source, const struct tl_view *view, struct tl_buf *out)
{
    switch (expr->op) {
    case TL_EXPR_CONSTANT: tl_constant_print(&expr->constant, out); break;
    case TL_EXPR_SLOT: slot_print(expr, source, view, out); break;
    case TL_EXPR_CALL: call_print(expr, source, view, out); break;
    case TL_EXPR_AND:
    case TL_EXPR_OR:
        tl_buf_put_u8(out, '(');
        args_print(expr, expr->op == TL_EXPR_AND ? " AND " : " OR ", source, view, out);
        tl_buf_put_u8(out, ')');
        break;
    case TL_EXPR_CASE:
        tl_buf_put_str(out, "CASE");
        for (uint32_t i = 0; i + 1 < expr->args_count; i++) {
            tl_buf_put_str(out, i % 2 == 0 ? " WHEN " : " THEN ");
            tl_expr_print(expr->args[i], source, view, out);
        }
        tl_buf_put_str(out, " ELSE ");
        tl_expr_print(expr->args[expr->args_count - 1], source, view, out);
        tl_buf_put_str(out, " END");
        break;
    case TL_EXPR_COALESCE:
        tl_buf_put_str(out, "COALESCE(");
        args_print(expr, ", ", source, view, out);
        tl_buf_put_u8(out, ')');
        break;
    case TL_EXPR_AMONG: among_print(expr, source, view, out); break;
    }
}

/* --- the normalised text and its hash ------------------------------------------------------------------------------------- */

static void expr_mark(const struct tl_expr *expr, const struct tl_source *source, bool *used)
{
    if (expr == NULL)
        return;
    if (expr->op == TL_EXPR_SLOT && expr->slot < source->schema.fields_count)
        used[expr->slot] = true;
    for (uint32_t i = 0; i < expr->args_count; i++)
        expr_mark(expr->args[i], source, used);
}

/* What the view reads, by names: its source, or the outputs of the view whose rows it reads. NULL: out of memory. */
static struct tl_source *reading_open(const struct tl_plan *plan, const struct tl_view *view)
{
    const struct tl_view *inner = view->inner >= 0 ? &plan->views[view->inner] : NULL;
    uint32_t count = inner != NULL ? inner->outputs_count : 0;
    struct tl_source *reading = malloc(sizeof *reading + count * sizeof(struct tl_field));
    struct tl_field *fields = (struct tl_field *)(reading + 1);

    if (reading == NULL)
        return NULL;
    *reading = plan->sources[view->source];
    if (inner == NULL)
        return reading;
    for (uint32_t i = 0; i < count; i++)
        fields[i] = (struct tl_field){inner->outputs[i].name, inner->outputs[i].kind};
    *reading = (struct tl_source){
        .name = inner->name,
        .schema = {.fields = fields, .fields_count = count},
        .time_name = TL_SV("window_time"),
        .time_kind = reading->time_kind,
        .dedup_slot = -1
    };
    return reading;
}

/* The columns that this view needs of its source: another view's columns are not its business. */
static void view_mark(const struct tl_view *view, const struct tl_source *source, bool *used)
{
    expr_mark(source->time, source, used);
    expr_mark(source->watermark, source, used);
    if (source->dedup_slot >= 0)
        used[source->dedup_slot] = true;
    expr_mark(view->filter, source, used);
    for (uint32_t i = 0; i < view->keys_count; i++)
        expr_mark(view->keys[i], source, used);
    for (uint32_t i = 0; i < view->aggs_count; i++) {
        for (uint32_t a = 0; a < view->aggs[i].args_count; a++)
            expr_mark(view->aggs[i].args[a], source, used);
        expr_mark(view->aggs[i].where, source, used);
    }
    for (uint32_t i = 0; !outputs_of_groups(view) && i < view->outputs_count; i++)
        expr_mark(view->outputs[i].expr, source, used);
}

/* The marked columns, each once, by name; `between` separates them. */
static void columns_print(const struct tl_source *source, const bool *used, const char *between, struct tl_buf *out)
{
    const struct tl_field *last = NULL;
    bool first = true;

    for (;;) {
        const struct tl_field *next = NULL;

        for (uint32_t i = 0; i < source->schema.fields_count; i++) {
            const struct tl_field *field = &source->schema.fields[i];

            if (used[i] && (last == NULL || tl_sv_cmp(field->name, last->name) > 0) &&
                (next == NULL || tl_sv_cmp(field->name, next->name) < 0))
                next = field;
        }
        if (next == NULL)
            return;
        if (!first)
            tl_buf_put_str(out, between);
        first = false;
        tl_name_print(next->name, out);
        tl_buf_printf(out, " %s", tl_kind_name(next->kind));
        last = next;
    }
}

static const char *time_format_name(const struct tl_source *source)
{
    return source->schema.time_format == TL_TIME_ISO_8601 ? "ISO-8601" : "SQL";
}

/* "topic events", or "topic-pattern 'events-.*'". */
static void topics_print(const struct tl_source *source, struct tl_buf *out)
{
    if (source->topic_pattern.data == NULL) {
        tl_buf_printf(out, "topic %.*s", TL_SV_ARG(source->topic));
        return;
    }
    tl_buf_put_str(out, "topic-pattern ");
    text_print(source->topic_pattern, out);
}

static void normal_source_print(const struct tl_plan *plan, const struct tl_view *view, const struct tl_source *source,
                                const bool *used, struct tl_buf *out)
{
    topics_print(source, out);
    tl_buf_printf(out, " json %s\ncolumns ", time_format_name(source));
    columns_print(source, used, ", ", out);
    tl_buf_printf(out, "\ntime %s ", tl_kind_name(source->time_kind));
    tl_expr_print(source->time, source, NULL, out);
    tl_buf_put_str(out, "\nwatermark ");
    tl_expr_print(source->watermark, source, NULL, out);
    tl_buf_printf(out, "\nlateness %lld ms\nskew %lld ms\nevent %zu bytes\ndedup ", (long long)view->lateness_ms,
                  (long long)plan->settings.future_skew_max_ms, plan->settings.event_bytes_max);
    if (source->dedup_slot >= 0)
        tl_name_print(source->schema.fields[source->dedup_slot].name, out);
    else
        tl_buf_put_str(out, "none");
}

static void normal_window_print(const struct tl_window_spec *window, bool inner_rows, struct tl_buf *out)
{
    long long size_ms = window->size_ms, slide_ms = window->slide_ms, offset_ms = window->offset_ms;

    switch (window->window) {
    case TL_WINDOW_NONE: break;
    case TL_WINDOW_TUMBLE: tl_buf_printf(out, "\nwindow TUMBLE size %lld ms offset %lld ms", size_ms, offset_ms); break;
    case TL_WINDOW_HOP:
        tl_buf_printf(out, "\nwindow HOP slide %lld ms size %lld ms offset %lld ms", slide_ms, size_ms, offset_ms);
        break;
    case TL_WINDOW_CUMULATE:
        tl_buf_printf(out, "\nwindow CUMULATE step %lld ms size %lld ms offset %lld ms", slide_ms, size_ms, offset_ms);
        break;
    case TL_WINDOW_SESSION: tl_buf_printf(out, "\nwindow SESSION gap %lld ms", size_ms); break;
    case TL_WINDOW_COUNT:
        tl_buf_printf(out, "\nwindow COUNT_WINDOW rows %u timeout %lld ms", (unsigned)window->rows_max, size_ms);
        break;
    case TL_WINDOW_INNER: tl_buf_put_str(out, inner_rows ? "\nrows of the view" : "\nwindows of the view"); break;
    }
}

static void normal_print(const struct tl_plan *plan, const struct tl_view *view, const struct tl_source *reading,
                         const bool *used, struct tl_buf *out)
{
    tl_buf_printf(out, "normaliser %d\nzone %.*s\n", TL_NORMALISER_VERSION, TL_SV_ARG(plan->settings.time_zone));
    if (view->inner < 0) {
        normal_source_print(plan, view, reading, used, out);
    } else { /* a changed view changes those that read it */
        tl_buf_printf(out, "view %s\ncolumns ", plan->views[view->inner].hash);
        columns_print(reading, used, ", ", out);
        tl_buf_printf(out, "\nlateness %lld ms", (long long)view->lateness_ms);
    }
    if (view->filter != NULL) {
        tl_buf_put_str(out, "\nfilter ");
        tl_expr_print(view->filter, reading, NULL, out);
    }
    normal_window_print(&view->window, view->inner_rows, out);
    for (uint32_t i = 0; i < view->keys_count; i++) {
        tl_buf_printf(out, "\nkey %s ", tl_kind_name(view->keys[i]->kind));
        tl_expr_print(view->keys[i], reading, NULL, out);
    }
    for (uint32_t i = 0; i < view->aggs_count; i++) {
        tl_buf_printf(out, "\naggregate %s ", tl_kind_name(view->aggs[i].kind));
        aggregate_print(&view->aggs[i], reading, out);
    }
    if (view->having != NULL) {
        tl_buf_put_str(out, "\nhaving ");
        tl_expr_print(view->having, reading, view, out);
    }
    for (uint32_t i = 0; i < view->outputs_count; i++) {
        tl_buf_put_str(out, "\noutput ");
        tl_name_print(view->outputs[i].name, out);
        tl_buf_printf(out, " %s ", tl_kind_name(view->outputs[i].kind));
        tl_expr_print(view->outputs[i].expr, reading, view, out);
    }
    tl_buf_put_str(out, "\n");
}

enum tl_code tl_view_normalise(struct tl_plan *plan, struct tl_view *view, struct tl_err *err)
{
    struct tl_source *reading = reading_open(plan, view);
    bool *used;
    XXH128_canonical_t hash;
    struct tl_buf buf;
    enum tl_code rc;

    tl_buf_init(&buf, 64u << 20);
    if (reading == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *reading));
    used = tl_arena_zalloc(&plan->arena, sizeof *used * (reading->schema.fields_count + 1u));
    if (used == NULL)
        TL_TRY(tl_fail_memory(err, reading->schema.fields_count));
    view_mark(view, reading, used);
    normal_print(plan, view, reading, used, &buf);
    TL_TRY(tl_buf_check(&buf, "the plan of a view", err));
    if (!tl_arena_copy(&plan->arena, tl_buf_sv(&buf), &view->normalised))
        TL_TRY(tl_fail_memory(err, buf.size));
    XXH128_canonicalFromHash(&hash, XXH3_128bits(view->normalised.data, view->normalised.size));
    for (size_t i = 0; i < sizeof hash.digest; i++)
        snprintf(view->hash + 2 * i, 3, "%02x", hash.digest[i]);
out:
    tl_buf_done(&buf);
    free(reading);
    return rc;
}

/* --- what two such texts have in common ----------------------------------------------------------------------------------- */

enum { LINE_NORMALISER, LINE_ZONE, LINE_TOPIC, LINE_TIME, LINE_SKEW, LINE_EVENT, LINES };

/* What the text says of which events there are, and when; false: its view reads another view. */
static bool event_lines(struct tl_sv text, struct tl_sv lines[LINES])
{
    static const char *const begin[LINES] = {"normaliser ", "zone ", "topic", "time ", "skew ", "event "};

    for (int i = 0; i < LINES; i++)
        lines[i] = (struct tl_sv){NULL, 0};
    while (text.size > 0) {
        struct tl_sv line = tl_sv_cut(&text, '\n');

        if (tl_sv_starts(line, TL_SV("dedup ")))
            return true;
        for (int i = 0; i < LINES; i++)
            if (lines[i].data == NULL && tl_sv_starts(line, tl_sv_from(begin[i])))
                lines[i] = line;
    }
    return false;
}

/* "time TIMESTAMP_LTZ(3) event_time": as it stands in the message. An expression may ask for the zone. */
static bool time_is_column(struct tl_sv line)
{
    (void)tl_sv_cut(&line, ' ');
    (void)tl_sv_cut(&line, ' ');
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] != '_' && !isalnum((unsigned char)line.data[i]))
            return false;
    return true;
}

bool tl_normalised_same_events(struct tl_sv one, struct tl_sv other)
{
    struct tl_sv lines[LINES], others[LINES];

    if (!event_lines(one, lines) || !event_lines(other, others))
        return false;
    for (int i = 0; i < LINES; i++)
        if (!tl_sv_eq(lines[i], others[i]) && (i != LINE_ZONE || !time_is_column(lines[LINE_TIME])))
            return false;
    return true;
}

bool tl_normalised_inner(struct tl_sv normalised, struct tl_sv *hash)
{
    while (normalised.size > 0) {
        struct tl_sv line = tl_sv_cut(&normalised, '\n');

        if (tl_sv_starts(line, TL_SV("topic")))
            return false;
        if (tl_sv_starts(line, TL_SV("view "))) {
            *hash = (struct tl_sv){line.data + 5, line.size - 5};
            return true;
        }
    }
    return false;
}

/* --- what `tally explain` prints ------------------------------------------------------------------------------------------ */

static void label_print(const char *label, struct tl_buf *out)
{
    tl_buf_printf(out, "  %-13s", label);
}

static void origin_print(struct tl_span at, struct tl_buf *out)
{
    if (at.place.line > 0)
        tl_buf_printf(out, "  (SET in line %u)\n", at.place.line);
    else
        tl_buf_put_str(out, "  (default)\n");
}

static void bytes_print(size_t bytes, struct tl_buf *out)
{
    if (bytes % (1u << 20) == 0)
        tl_buf_printf(out, "%zu MiB", bytes >> 20);
    else if (bytes % 1024 == 0)
        tl_buf_printf(out, "%zu KiB", bytes >> 10);
    else
        tl_buf_printf(out, "%zu bytes", bytes);
}

static void settings_print(const struct tl_plan *plan, struct tl_buf *out)
{
    const struct tl_setting_values *values = &plan->notes->settings;
    const struct tl_settings *s = &plan->settings;

    tl_buf_put_str(out, "\nsettings\n");
    for (int i = 0; i < TL_SETTINGS_COUNT; i++) {
        bool duration = true;
        int64_t ms = 0;

        tl_buf_printf(out, "  %-24s", tl_setting_key((enum tl_setting)i));
        switch ((enum tl_setting)i) {
        case TL_SET_TIME_ZONE:
            tl_buf_put_sv(out, s->time_zone);
            duration = false;
            break;
        case TL_SET_LATENESS: ms = values->lateness_ms; break;
        case TL_SET_FUTURE_SKEW: ms = s->future_skew_max_ms; break;
        case TL_SET_DEDUP_KEY:
            text_print(values->set_at[i].place.line > 0 ? values->dedup_key : TL_SV("event_id"), out);
            duration = false;
            break;
        case TL_SET_DEDUP_HORIZON: ms = s->dedup_horizon_ms; break;
        case TL_SET_BATCH_GRACE: ms = s->batch_grace_ms; break;
        case TL_SET_BATCH_RANGE:
            tl_buf_put_str(out, tl_batch_range_word(s->batch_range));
            duration = false;
            break;
        case TL_SET_SPEED_RETENTION: ms = s->speed_retention_ms; break;
        case TL_SET_EVENT_BYTES:
            bytes_print(s->event_bytes_max, out);
            duration = false;
            break;
        case TL_SET_DEAD_LETTER_TOPIC:
            tl_buf_put_sv(out, values->dead_letter_topic.size > 0 ? values->dead_letter_topic : TL_SV("none"));
            duration = false;
            break;
        case TL_SETTINGS_COUNT: break;
        }
        if (duration)
            tl_duration_print(ms, out);
        origin_print(values->set_at[i], out);
    }
}

static void place_print(const struct tl_log_place *place, struct tl_buf *out)
{
    static const char *const words[] = {[TL_PLACE_EARLIEST] = "the log's start",
                                        [TL_PLACE_LATEST] = "the log's end at the start",
                                        [TL_PLACE_GROUP] = "what the consumer group has committed",
                                        [TL_PLACE_TIMESTAMP] = "the first entry since ",
                                        [TL_PLACE_OFFSETS] = "offset by partition: "};
    char text[TL_TIME_TEXT_BYTES];

    tl_buf_put_str(out, words[place->kind]);
    if (place->kind == TL_PLACE_TIMESTAMP)
        tl_buf_put(out, text, tl_time_to_iso_z(place->timestamp_ms, text));
    for (size_t i = 0; place->kind == TL_PLACE_OFFSETS && i < place->offsets_count; i++)
        tl_buf_printf(out, "%s%u: %lld", i > 0 ? ", " : "", place->offsets[i].partition, (long long)place->offsets[i].offset);
    tl_buf_put_u8(out, '\n');
}

static void source_print(const struct tl_plan *plan, uint32_t number, struct tl_buf *out)
{
    const struct tl_source *source = &plan->sources[number];

    tl_buf_put_str(out, "\nsource ");
    tl_name_print(source->name, out);
    tl_buf_put_u8(out, '\n');
    label_print(source->topic_pattern.data != NULL ? "topics" : "topic", out);
    if (source->topic_pattern.data != NULL) {
        tl_buf_put_str(out, "all that match ");
        text_print(source->topic_pattern, out);
        tl_buf_put_str(out, " whole, later ones too");
    } else {
        tl_buf_put_sv(out, source->topic);
    }
    tl_buf_printf(out, ", JSON, times as %s\n", time_format_name(source));
    if (source->startup.kind != TL_PLACE_EARLIEST) {
        label_print("begins at", out);
        place_print(&source->startup, out);
    }
    if (source->bounded) {
        label_print("ends at", out);
        place_print(&source->bound, out);
    }
    label_print("reads", out);
    for (uint32_t i = 0; i < source->schema.fields_count; i++) {
        tl_buf_put_str(out, i > 0 ? ", " : "");
        tl_name_print(source->schema.fields[i].name, out);
        tl_buf_printf(out, " %s", tl_kind_name(source->schema.fields[i].kind));
    }
    tl_buf_put_u8(out, '\n');
    label_print("event time", out);
    tl_name_print(source->time_name, out);
    tl_buf_printf(out, " %s", tl_kind_name(source->time_kind));
    if (source->time->op != TL_EXPR_SLOT) {
        tl_buf_put_str(out, " = ");
        tl_expr_print(source->time, source, NULL, out);
    }
    tl_buf_put_u8(out, '\n');
    label_print("watermark", out);
    tl_expr_print(source->watermark, source, NULL, out);
    if (source->watermark_delay_ms != INT64_MIN) {
        tl_buf_put_str(out, ": ");
        tl_duration_print(source->watermark_delay_ms, out);
        tl_buf_put_str(out, " behind the latest event");
    }
    tl_buf_printf(out, "; follows every event%s\n", plan->notes->periodic[number] ? " (on-periodic is for Flink)" : "");
    label_print("idle", out);
    if (source->idle_timeout_ms > 0) {
        tl_buf_put_str(out, "a partition read to its end and quiet for ");
        tl_duration_print(source->idle_timeout_ms, out);
        tl_buf_put_u8(out, '\n');
    } else {
        tl_buf_put_str(out, "never\n");
    }
    label_print("duplicates", out);
    if (source->dedup_slot >= 0) {
        tl_buf_put_str(out, "same ");
        tl_name_print(source->schema.fields[source->dedup_slot].name, out);
        tl_buf_put_str(out, " in a partition within ");
        tl_duration_print(plan->settings.dedup_horizon_ms, out);
        tl_buf_put_u8(out, '\n');
    } else {
        tl_buf_put_str(out, "none are looked for\n");
    }
}

static void window_print(const struct tl_plan *plan, const struct tl_view *view, struct tl_buf *out)
{
    const struct tl_window_spec *window = &view->window;

    switch (window->window) {
    case TL_WINDOW_NONE: tl_buf_put_str(out, "none: one row per event\n"); return;
    case TL_WINDOW_INNER:
        tl_buf_put_str(out, "those of ");
        tl_name_print(plan->views[view->inner].name, out);
        tl_buf_put_str(out, view->inner_rows ? ": one row per row\n" : "\n");
        return;
    case TL_WINDOW_COUNT:
        tl_buf_printf(out, "COUNT_WINDOW %u row%s, or ", (unsigned)window->rows_max, window->rows_max == 1 ? "" : "s");
        tl_duration_print(window->size_ms, out);
        tl_buf_put_str(out, " from the first\n");
        return;
    case TL_WINDOW_TUMBLE: tl_buf_put_str(out, "TUMBLE "); break;
    case TL_WINDOW_HOP: tl_buf_put_str(out, "HOP "); break;
    case TL_WINDOW_CUMULATE: tl_buf_put_str(out, "CUMULATE "); break;
    case TL_WINDOW_SESSION: tl_buf_put_str(out, "SESSION gap "); break;
    }
    tl_duration_print(window->size_ms, out);
    if (window->window == TL_WINDOW_HOP || window->window == TL_WINDOW_CUMULATE) {
        tl_buf_put_str(out, window->window == TL_WINDOW_HOP ? ", slide " : ", step ");
        tl_duration_print(window->slide_ms, out);
    }
    if (window->offset_ms != 0) {
        tl_buf_put_str(out, ", offset ");
        tl_duration_print(window->offset_ms, out);
    }
    tl_buf_put_u8(out, '\n');
}

/* Keys, accumulators and HAVING of a view with groups. */
static void groups_print(const struct tl_view *view, const struct tl_source *reading, struct tl_buf *out)
{
    label_print("key", out);
    for (uint32_t i = 0; i < view->keys_count; i++) {
        tl_buf_put_str(out, i > 0 ? ", " : "");
        tl_expr_print(view->keys[i], reading, NULL, out);
        tl_buf_printf(out, " %s", tl_kind_name(view->keys[i]->kind));
    }
    tl_buf_put_str(out, view->keys_count > 0 ? "\n" : "none: one row per window\n");
    label_print("accumulators", out);
    for (uint32_t i = 0; i < view->aggs_count; i++) {
        tl_buf_put_str(out, i > 0 ? ", " : "");
        aggregate_print(&view->aggs[i], reading, out);
        tl_buf_printf(out, " %s", tl_kind_name(view->aggs[i].kind));
    }
    tl_buf_put_str(out, view->aggs_count > 0 ? "\n" : "none\n");
    if (view->having != NULL) {
        label_print("having", out);
        tl_expr_print(view->having, reading, view, out);
        tl_buf_put_u8(out, '\n');
    }
}

static void outputs_print(const struct tl_view *view, const struct tl_source *reading, struct tl_buf *out)
{
    for (uint32_t i = 0; i < view->outputs_count; i++) {
        label_print(i == 0 ? "outputs" : "", out);
        tl_name_print(view->outputs[i].name, out);
        tl_buf_printf(out, " %s = ", tl_kind_name(view->outputs[i].kind));
        tl_expr_print(view->outputs[i].expr, reading, view, out);
        tl_buf_put_u8(out, '\n');
    }
}

void tl_plan_print_view(const struct tl_plan *plan, const struct tl_view *view, struct tl_buf *out)
{
    uint32_t number = (uint32_t)(view - plan->views);
    struct tl_source *reading = reading_open(plan, view);
    bool *used = reading != NULL ? calloc(reading->schema.fields_count + 1u, sizeof *used) : NULL;

    if (used == NULL) {
        free(reading);
        out->failed = true;
        return;
    }
    view_mark(view, reading, used);
    tl_buf_put_str(out, "\nview ");
    tl_name_print(view->name, out);
    tl_buf_put_u8(out, '\n');
    if (view->comment.size > 0) {
        label_print("comment", out);
        tl_buf_put_sv(out, view->comment);
        tl_buf_put_u8(out, '\n');
    }
    label_print("definition", out);
    tl_buf_printf(out, "%s\n", view->hash);
    label_print("from", out);
    tl_name_print(reading->name, out);
    if (view->inner < 0) {
        tl_buf_put_str(out, " (");
        topics_print(reading, out);
        tl_buf_put_str(out, ")\n");
    } else {
        tl_buf_put_str(out, " (its final rows)\n");
    }
    label_print("columns", out);
    columns_print(reading, used, ", ", out);
    tl_buf_put_u8(out, '\n');
    label_print("filter", out);
    if (view->filter != NULL)
        tl_expr_print(view->filter, reading, NULL, out);
    else
        tl_buf_put_str(out, "none");
    tl_buf_put_u8(out, '\n');
    label_print("window", out);
    window_print(plan, view, out);
    if (view->window.window != TL_WINDOW_NONE) {
        label_print("lateness", out);
        tl_duration_print(view->lateness_ms, out);
        origin_print(plan->notes->lateness_at[number], out);
    }
    if (outputs_of_groups(view))
        groups_print(view, reading, out);
    outputs_print(view, reading, out);
    label_print("tables", out);
    tl_buf_printf(out, "%.*s_speed, %.*s_batch; %.*s merges them\n", TL_SV_ARG(view->name), TL_SV_ARG(view->name),
                  TL_SV_ARG(view->name));
    free(used);
    free(reading);
}

void tl_plan_print(const struct tl_plan *plan, struct tl_buf *out)
{
    tl_buf_printf(out, "%s: %u source%s, %u view%s\n", plan->notes->file, plan->sources_count,
                  plan->sources_count == 1 ? "" : "s", plan->views_count, plan->views_count == 1 ? "" : "s");
    settings_print(plan, out);
    for (uint32_t i = 0; i < plan->sources_count; i++)
        source_print(plan, i, out);
    for (uint32_t i = 0; i < plan->views_count; i++)
        tl_plan_print_view(plan, &plan->views[i], out);
}
