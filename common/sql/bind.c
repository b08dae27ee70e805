/* bind.c: the statements of a file in their order: settings, tables, views; and at the end, which columns are wanted. */
#include "sql/bind.h"

#include <stdio.h>
#include <string.h>

#include "sql/plan_text.h"
#include "sql/shape.h"

/* --- names ---------------------------------------------------------------------------------------------------------------- */

static enum tl_code relation_add(struct tl_bind *bind, const struct tl_ast_statement *statement, struct tl_relation **out)
{
    struct tl_relation *relation = tl_arena_zalloc(bind->arena, sizeof *relation);

    if (relation == NULL)
        return tl_bind_no_memory(bind);
    relation->name = statement->name.text;
    relation->at = statement->name.at;
    relation->temporary = statement->temporary;
    relation->is_view = statement->kind == TL_AST_CREATE_VIEW;
    *out = relation;
    return TL_OK;
}

/* Only once it is complete: a view cannot read itself. */
static void relation_link(struct tl_bind *bind, struct tl_relation *relation)
{
    if (bind->relations_last != NULL)
        bind->relations_last->next = relation;
    else
        bind->relations = relation;
    bind->relations_last = relation;
}

/* *skip: the name is there, and IF NOT EXISTS says that this is fine. */
static enum tl_code name_check(struct tl_bind *bind, const struct tl_ast_statement *statement, bool *skip)
{
    const struct tl_relation *known = tl_bind_relation(bind, statement->name.text);

    *skip = false;
    if (known == NULL)
        return TL_OK;
    if (statement->if_not_exists) {
        *skip = true;
        return TL_OK;
    }
    return tl_mistake(bind->err, bind->text, statement->name.at, "choose another name", "'%.*s' is already the %s of line %u",
                      TL_SHOWN(statement->name.text), known->is_view ? "view" : "table", known->at.place.line);
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Of a definition that is being built, as in v_speed__a1b2c3d4. */
static bool ends_as_built(struct tl_sv name)
{
    enum { HASH = 8, ENDING = HASH + 2 };
    size_t at = name.size - HASH;

    if (name.size < ENDING || name.data[at - 1] != '_' || name.data[at - 2] != '_')
        return false;
    while (at < name.size &&
           ((name.data[at] >= '0' && name.data[at] <= '9') || ((name.data[at] | 32) >= 'a' && (name.data[at] | 32) <= 'f')))
        at++;
    return at == name.size;
}

/* A stored view's name becomes the name of tables in SQLite and PostgreSQL: <view>_speed, <view>_batch, <view>_state. */
static enum tl_code view_name_check(struct tl_bind *bind, const struct tl_ast_name *name)
{
    static const char *const reserved[] = {"tally_", "sqlite_", "pg_", "_"};
    static const char *const endings[] = {"", "_speed", "_batch", "_state"};
    struct tl_sv text = name->text;
    bool fit = text.size > 0 && text.size <= 48 && letter(text.data[0]);

    for (size_t i = 0; i < TL_COUNT(reserved); i++)
        if (text.size >= strlen(reserved[i]) &&
            tl_sv_eq_nocase((struct tl_sv){text.data, strlen(reserved[i])}, tl_sv_from(reserved[i])))
            return tl_mistake(bind->err, bind->text, name->at, "choose another name", "names that begin with %s are reserved",
                              reserved[i]);
    if (ends_as_built(text))
        return tl_mistake(bind->err, bind->text, name->at, "choose another name",
                          "names that end with __ and eight hexadecimal digits are reserved");
    for (size_t i = 0; fit && i < text.size; i++)
        fit = letter(text.data[i]) || (text.data[i] >= '0' && text.data[i] <= '9');
    if (!fit)
        return tl_mistake(bind->err, bind->text, name->at, "letters A to Z, digits and _, at most 48, the first no digit",
                          "'%.*s' cannot be the name of a stored view", TL_SHOWN(text));
    for (uint32_t i = 0; i < bind->plan->views_count; i++)
        for (size_t k = 0; k < TL_COUNT(endings) * 2; k++) {
            struct tl_sv other = bind->plan->views[i].name, longer = k % 2 ? other : text, shorter = k % 2 ? text : other;
            size_t ending = strlen(endings[k / 2]);

            if (longer.size == shorter.size + ending && tl_sv_eq_nocase((struct tl_sv){longer.data, shorter.size}, shorter) &&
                tl_sv_eq_nocase((struct tl_sv){longer.data + shorter.size, ending}, tl_sv_from(endings[k / 2])))
                return tl_mistake(bind->err, bind->text, name->at,
                                  "choose another name: a view v has the tables v_speed, v_batch and v_state, and case does not "
                                  "tell them apart",
                                  "'%.*s' and the view '%.*s' would share a table", TL_SHOWN(text), TL_SHOWN(other));
        }
    return TL_OK;
}

/* --- tables --------------------------------------------------------------------------------------------------------------- */

static const struct tl_ast_column *watermark_find(const struct tl_ast_statement *statement)
{
    for (const struct tl_ast_column *c = statement->columns; c != NULL; c = c->next)
        if (c->kind == TL_AST_WATERMARK)
            return c;
    return NULL;
}

static enum tl_code column_name_check(struct tl_bind *bind, const struct tl_ast_statement *statement,
                                      const struct tl_ast_column *column)
{
    for (const struct tl_ast_column *c = statement->columns; c != column; c = c->next)
        if (c->kind != TL_AST_WATERMARK && tl_sv_eq(c->name.text, column->name.text))
            return tl_mistake(bind->err, bind->text, column->name.at, "keep one of the two",
                              "the column '%.*s' is already in line %u", TL_SHOWN(column->name.text), c->name.at.place.line);
    return TL_OK;
}

/* Physical columns: each gets the one slot that everything shares. */
static enum tl_code fields_bind(struct tl_bind *bind, struct tl_bind_table *table, struct tl_query *physical)
{
    const struct tl_ast_statement *statement = table->statement;
    uint32_t count = 0;

    for (const struct tl_ast_column *c = statement->columns; c != NULL; c = c->next)
        count++;
    table->fields = tl_arena_zalloc(bind->arena, sizeof *table->fields * (count + 1u));
    table->slots = tl_arena_zalloc(bind->arena, sizeof(struct tl_expr *) * (count + 1u));
    table->wanted = tl_arena_zalloc(bind->arena, sizeof *table->wanted * (count + 1u));
    physical->columns = tl_arena_zalloc(bind->arena, sizeof *physical->columns * (count + 1u));
    if (table->fields == NULL || table->slots == NULL || table->wanted == NULL || physical->columns == NULL)
        return tl_bind_no_memory(bind);
    for (const struct tl_ast_column *c = statement->columns; c != NULL; c = c->next) {
        enum tl_kind kind;
        unsigned precision;
        uint32_t i = table->fields_count;
        enum tl_code rc = c->kind == TL_AST_WATERMARK ? TL_OK : column_name_check(bind, statement, c);

        if (rc == TL_OK && c->kind == TL_AST_PHYSICAL)
            rc = tl_bind_type(bind, &c->type, &kind, &precision);
        if (rc != TL_OK)
            return rc;
        if (c->kind != TL_AST_PHYSICAL)
            continue;
        table->fields[i] = (struct tl_field){c->name.text, kind};
        table->slots[i] = tl_bind_slot(bind, kind, i, c->name.at.place);
        if (table->slots[i] == NULL)
            return tl_bind_no_memory(bind);
        physical->columns[i] = (struct tl_bind_column){.name = c->name.text, .expr = table->slots[i]};
        physical->columns_count = ++table->fields_count;
    }
    return TL_OK;
}

/* All columns in the order of CREATE TABLE, computed ones bound over the physical ones. */
static enum tl_code columns_bind(struct tl_bind *bind, struct tl_bind_table *table, const struct tl_query *physical,
                                 struct tl_query *out)
{
    struct tl_scope scope = {.from = physical, .from_name = table->source.name, .clause = "a computed column"};
    uint32_t count = 0, field = 0;

    for (const struct tl_ast_column *c = table->statement->columns; c != NULL; c = c->next)
        count++;
    out->columns = tl_arena_zalloc(bind->arena, sizeof *out->columns * (count + 1u));
    if (out->columns == NULL)
        return tl_bind_no_memory(bind);
    for (const struct tl_ast_column *c = table->statement->columns; c != NULL; c = c->next) {
        struct tl_bind_column *column = &out->columns[out->columns_count];
        enum tl_code rc;

        if (c->kind == TL_AST_WATERMARK)
            continue;
        column->name = c->name.text;
        out->columns_count++;
        if (c->kind == TL_AST_PHYSICAL) {
            column->expr = table->slots[field++];
            continue;
        }
        rc = tl_bind_expr(bind, &scope, c->expr, &column->expr);
        if (rc != TL_OK)
            return rc;
        if (column->expr->kind == TL_NULL || column->expr->kind == TL_INTERVAL)
            return tl_mistake(bind->err, bind->text, c->expr->at, "CAST it to the column's type", "a column is not %s",
                              column->expr->kind == TL_NULL ? "NULL alone" : "an interval");
    }
    return TL_OK;
}

static struct tl_bind_column *column_of(struct tl_query *query, struct tl_sv name)
{
    for (uint32_t i = 0; i < query->columns_count; i++)
        if (tl_sv_eq(query->columns[i].name, name))
            return &query->columns[i];
    return NULL;
}

static enum tl_code time_precision_check(struct tl_bind *bind, const struct tl_bind_table *table,
                                         const struct tl_ast_column *watermark)
{
    for (const struct tl_ast_column *c = table->statement->columns; c != NULL; c = c->next)
        if (c->kind == TL_AST_PHYSICAL && tl_sv_eq(c->name.text, watermark->name.text)) {
            enum tl_kind kind;
            unsigned precision;
            enum tl_code rc = tl_bind_type(bind, &c->type, &kind, &precision);

            if (rc == TL_OK && precision != 3)
                return tl_mistake(bind->err, bind->text, c->type.at,
                                  kind == TL_TIMESTAMP ? "write TIMESTAMP(3)" : "write TIMESTAMP_LTZ(3)",
                                  "the event time has milliseconds");
            return rc;
        }
    return TL_OK;
}

/* Recognises `time` and `time - INTERVAL`: what may be told about the delay. */
static int64_t watermark_delay(const struct tl_bind_table *table, const struct tl_expr *expr)
{
    if (expr == table->event_time)
        return 0;
    if (expr->op == TL_EXPR_CALL && strcmp(expr->function->name, "-") == 0 && expr->args_count == 2 &&
        expr->args[0] == table->event_time && expr->args[1]->op == TL_EXPR_CONSTANT && expr->args[1]->kind == TL_INTERVAL &&
        !expr->args[1]->constant.is_null)
        return expr->args[1]->constant.i64;
    return INT64_MIN;
}

static enum tl_code watermark_bind(struct tl_bind *bind, struct tl_bind_table *table, struct tl_query *query)
{
    const struct tl_ast_column *watermark = watermark_find(table->statement);
    struct tl_scope scope = {.from = query, .from_name = table->source.name, .clause = "WATERMARK", .in_watermark = true};
    struct tl_source *source = &table->source;
    struct tl_bind_column *column;
    enum tl_code rc;

    if (watermark == NULL)
        return TL_OK;
    for (const struct tl_ast_column *c = watermark->next; c != NULL; c = c->next)
        if (c->kind == TL_AST_WATERMARK)
            return tl_mistake(bind->err, bind->text, c->at, "keep one of them", "the table's watermark is already in line %u",
                              watermark->at.place.line);
    column = column_of(query, watermark->name.text);
    if (column == NULL) {
        struct tl_nearest nearest = tl_nearest_to(watermark->name.text);
        char hint[100];

        for (uint32_t i = 0; i < query->columns_count; i++)
            tl_nearest_offer(&nearest, query->columns[i].name);
        return tl_mistake(bind->err, bind->text, watermark->name.at,
                          tl_nearest_hint(&nearest, hint, sizeof hint, "name the column that holds the event time"),
                          "there is no column '%.*s' in %.*s", TL_SHOWN(watermark->name.text), TL_SHOWN(source->name));
    }
    if (column->expr->kind != TL_TIMESTAMP && column->expr->kind != TL_TIMESTAMP_LTZ)
        return tl_mistake(
            bind->err, bind->text, watermark->name.at,
            "declare it TIMESTAMP(3) or TIMESTAMP_LTZ(3), or add a computed column: ts AS CAST(... AS TIMESTAMP(3))",
            "the event time is a timestamp, and '%.*s' is %s", TL_SHOWN(column->name), tl_kind_name(column->expr->kind));
    TL_TRY(time_precision_check(bind, table, watermark));
    source->time = column->expr;
    source->time_name = column->name;
    source->time_kind = column->expr->kind;
    table->event_time = tl_bind_slot(bind, source->time_kind, TL_SLOT_EVENT_TIME, watermark->name.at.place);
    if (table->event_time == NULL)
        return tl_bind_no_memory(bind);
    column->expr = table->event_time;
    column->is_time = true;
    TL_TRY(tl_bind_expr(bind, &scope, watermark->expr, &source->watermark));
    if (source->watermark->kind != source->time_kind)
        return tl_mistake(bind->err, bind->text, watermark->expr->at, "write column - INTERVAL '15' SECOND",
                          "the watermark is %s, the event time %s", tl_kind_name(source->watermark->kind),
                          tl_kind_name(source->time_kind));
    source->watermark_delay_ms = watermark_delay(table, source->watermark);
    if (source->watermark_delay_ms != INT64_MIN && source->watermark_delay_ms < 0)
        return tl_mistake(bind->err, bind->text, watermark->expr->at, "write column - INTERVAL '15' SECOND",
                          "a watermark ahead of the events makes every event late");
out:
    return rc;
}

static enum tl_code table_bind(struct tl_bind *bind, const struct tl_ast_statement *statement)
{
    struct tl_bind_table *table = tl_arena_zalloc(bind->arena, sizeof *table);
    struct tl_query physical = {0};
    struct tl_relation *relation = NULL;
    enum tl_code rc;
    bool skip;

    TL_TRY(name_check(bind, statement, &skip));
    if (skip)
        return TL_OK;
    if (table == NULL)
        return tl_bind_no_memory(bind);
    TL_TRY(relation_add(bind, statement, &relation));
    table->statement = statement;
    table->source.name = statement->name.text;
    table->source.watermark_delay_ms = INT64_MIN;
    table->source.dedup_slot = -1;
    TL_TRY(tl_table_options_read(statement->options, bind->text, bind->arena, &table->options, bind->err));
    if (table->options.topic_pattern.data == NULL)
        table->source.topic = table->options.topic.data != NULL ? table->options.topic : statement->name.text;
    if (table->options.topic_pattern.data == NULL && !tl_topic_is_fit(table->source.topic))
        return tl_mistake(bind->err, bind->text, statement->name.at,
                          "add to WITH: 'topic' = 'name' (letters, digits, '.', '_', '-')",
                          "'%.*s' cannot be the name of a topic", TL_SHOWN(table->source.topic));
    table->source.options = table->options.pairs;
    table->source.options_count = table->options.pairs_count;
    table->source.idle_timeout_ms = table->options.idle_timeout_ms;
    table->source.topic_pattern = table->options.topic_pattern;
    table->source.properties = table->options.properties;
    table->source.properties_count = table->options.properties_count;
    table->source.startup = table->options.startup;
    table->source.bounded = table->options.bounded;
    table->source.bound = table->options.bound;
    TL_TRY(fields_bind(bind, table, &physical));
    physical.table = relation->query.table = table;
    TL_TRY(columns_bind(bind, table, &physical, &relation->query));
    TL_TRY(watermark_bind(bind, table, &relation->query));
    relation_link(bind, relation);
out:
    return rc;
}

/* --- views ---------------------------------------------------------------------------------------------------------------- */

enum { OUTPUTS_MAX = 800 }; /* of PostgreSQL's 1,600 columns of a view, a time takes two */

static enum tl_code outputs_check(struct tl_bind *bind, const struct tl_query *query)
{
    if (query->outputs_count > OUTPUTS_MAX)
        return tl_mistake(bind->err, bind->text, query->outputs_at[OUTPUTS_MAX], "make two views of it",
                          "a stored view has at most %d outputs", OUTPUTS_MAX);
    for (uint32_t i = 0; i < query->outputs_count; i++) {
        struct tl_sv name = query->outputs[i].name;
        struct tl_span at = query->outputs_at[i];

        if (name.data[0] == '_')
            return tl_mistake(bind->err, bind->text, at, "give it another name with AS",
                              "'%.*s': names that begin with _ are reserved (_layer, _final)", TL_SHOWN(name));
        if (name.size > 63)
            return tl_mistake(bind->err, bind->text, at, "give it a shorter one with AS",
                              "the name of an output has at most 63 bytes");
        for (size_t k = 0; k < name.size; k++)
            if ((unsigned char)name.data[k] < 0x20 || name.data[k] == 0x7F)
                return tl_mistake(bind->err, bind->text, at, "give it another name with AS",
                                  "the name of an output has no control characters");
        for (uint32_t k = 0; k < i; k++)
            if (tl_sv_eq_nocase(query->outputs[k].name, name))
                return tl_mistake(bind->err, bind->text, at, "give one of them another name with AS",
                                  "'%.*s' and '%.*s' would share a column: case does not tell them apart",
                                  TL_SHOWN(query->outputs[k].name), TL_SHOWN(name));
    }
    return TL_OK;
}

static enum tl_code view_store(struct tl_bind *bind, const struct tl_ast_statement *statement, const struct tl_query *query)
{
    struct tl_view *view = &bind->plan->views[bind->plan->views_count];
    struct tl_bind_table *table = query->table;
    char hint[160];

    if (table->event_time == NULL) {
        snprintf(hint, sizeof hint, "add to CREATE TABLE %.*s: WATERMARK FOR column AS column - INTERVAL '15' SECOND",
                 TL_SHOWN(table->source.name));
        return tl_mistake(bind->err, bind->text, statement->select->from->at, hint,
                          "%.*s has no watermark, so no column is its event time", TL_SHOWN(table->source.name));
    }
    if (query->window.window != TL_WINDOW_NONE && !query->grouped)
        return tl_mistake(bind->err, bind->text, statement->select->at, "write GROUP BY window_start, window_end and the keys",
                          "a view over windows has a GROUP BY");
    *view = (struct tl_view){
        .name = statement->name.text,
        .comment = statement->comment,
        .sql = {bind->text->text.data + statement->at.offset, statement->at.bytes},
        .inner = query->inner != NULL ? (int32_t)query->inner->view : -1,
        .filter = query->filter,
        .window = query->window,
        .lateness_ms = bind->settings.lateness_ms,
        .keys = query->keys,
        .keys_name = query->keys_name,
        .keys_count = query->keys_count,
        .inner_rows = query->inner != NULL && !query->grouped,
        .aggs = query->aggs,
        .aggs_count = query->aggs_count,
        .having = query->having,
        .outputs = query->outputs,
        .outputs_count = query->outputs_count,
    };
    if (view->inner_rows)
        view->window.window = TL_WINDOW_INNER;
    if (view->window.window == TL_WINDOW_INNER) /* its rows are final when they come */
        view->lateness_ms = 0;
    if (!table->used) {
        table->used = true;
        table->number = bind->plan->sources_count++;
    }
    view->source = table->number;
    bind->notes->lateness_at[bind->plan->views_count++] = bind->settings.set_at[TL_SET_LATENESS];
    return TL_OK;
}

/* A stored view with windows is read by its outputs: its final rows are the events. */
static enum tl_code view_columns(struct tl_bind *bind, struct tl_relation *relation)
{
    const struct tl_view *view = &bind->plan->views[relation->view];
    struct tl_query query = {.table = relation->query.table, .inner = relation, .columns_count = view->outputs_count};

    query.columns = tl_arena_zalloc(bind->arena, sizeof *query.columns * (view->outputs_count + 1u));
    if (query.columns == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < view->outputs_count; i++) {
        struct tl_bind_column *column = &query.columns[i];
        enum tl_column_role role = tl_view_role(bind->plan, view, i);

        column->name = view->outputs[i].name;
        column->expr = tl_bind_slot(bind, view->outputs[i].kind, i, relation->query.outputs_at[i].place);
        if (column->expr == NULL)
            return tl_bind_no_memory(bind);
        column->is_window = role == TL_ROLE_WINDOW_START || role == TL_ROLE_WINDOW_END || role == TL_ROLE_WINDOW_TIME;
        column->is_time = role == TL_ROLE_WINDOW_TIME;
        column->window_slot = role == TL_ROLE_WINDOW_END    ? TL_SLOT_WINDOW_END
                              : role == TL_ROLE_WINDOW_TIME ? TL_SLOT_WINDOW_TIME
                                                            : TL_SLOT_WINDOW_START;
    }
    relation->query = query;
    return TL_OK;
}

static enum tl_code view_bind(struct tl_bind *bind, const struct tl_ast_statement *statement)
{
    struct tl_relation *relation = NULL;
    enum tl_code rc;
    bool skip;

    TL_TRY(name_check(bind, statement, &skip));
    if (skip)
        return TL_OK;
    if (!statement->temporary)
        TL_TRY(view_name_check(bind, &statement->name));
    TL_TRY(relation_add(bind, statement, &relation));
    TL_TRY(tl_bind_view_select(bind, statement, &relation->query));
    if (!statement->temporary) {
        TL_TRY(outputs_check(bind, &relation->query));
        relation->view = bind->plan->views_count;
        TL_TRY(view_store(bind, statement, &relation->query));
        if (bind->plan->views[relation->view].window.window != TL_WINDOW_NONE)
            TL_TRY(view_columns(bind, relation));
    }
    relation_link(bind, relation);
out:
    return rc;
}

/* --- the end of the file: which columns are wanted ------------------------------------------------------------------------ */

static void expr_want(struct tl_bind_table *table, const struct tl_expr *expr)
{
    if (expr == NULL)
        return;
    if (expr->op == TL_EXPR_SLOT && expr->slot != TL_SLOT_EVENT_TIME)
        table->wanted[expr->slot] = true;
    for (uint32_t i = 0; i < expr->args_count; i++)
        expr_want(table, expr->args[i]);
}

static enum tl_code dedup_find(struct tl_bind *bind, struct tl_bind_table *table, int32_t *field)
{
    struct tl_span at = bind->settings.set_at[TL_SET_DEDUP_KEY];
    struct tl_sv name = at.place.line > 0 ? bind->settings.dedup_key : TL_SV("event_id");
    struct tl_nearest nearest = tl_nearest_to(name);
    char hint[120];

    *field = -1;
    if (name.size == 0)
        return TL_OK;
    for (uint32_t i = 0; i < table->fields_count; i++) {
        tl_nearest_offer(&nearest, table->fields[i].name);
        if (tl_sv_eq(table->fields[i].name, name))
            *field = (int32_t)i;
    }
    if (*field >= 0 && table->fields[*field].kind == TL_STRING)
        return TL_OK;
    if (at.place.line == 0) { /* nobody asked for it */
        *field = -1;
        return TL_OK;
    }
    if (*field >= 0)
        return tl_mistake(bind->err, bind->text, at, "declare the column STRING: numbers are read as their text",
                          "an event's id is STRING, and '%.*s' in %.*s is %s", TL_SHOWN(name), TL_SHOWN(table->source.name),
                          tl_kind_name(table->fields[*field].kind));
    return tl_mistake(bind->err, bind->text, at,
                      tl_nearest_hint(&nearest, hint, sizeof hint, "name a column of the table, or '' for no deduplication"),
                      "there is no column '%.*s' in %.*s", TL_SHOWN(name), TL_SHOWN(table->source.name));
}

static enum tl_code source_finish(struct tl_bind *bind, struct tl_bind_table *table)
{
    struct tl_source *source = &table->source;
    struct tl_field *fields;
    uint32_t count = 0;
    int32_t dedup;
    enum tl_code rc = dedup_find(bind, table, &dedup);

    if (rc != TL_OK)
        return rc;
    if (dedup >= 0)
        table->wanted[dedup] = true;
    expr_want(table, source->time);
    expr_want(table, source->watermark);
    fields = tl_arena_zalloc(bind->arena, sizeof *fields * (table->fields_count + 1u));
    if (fields == NULL)
        return tl_bind_no_memory(bind);
    for (uint32_t i = 0; i < table->fields_count; i++) {
        if (!table->wanted[i])
            continue;
        fields[count] = table->fields[i];
        table->slots[i]->slot = count; /* the shared slot: all expressions now have the final number */
        if (dedup == (int32_t)i)
            source->dedup_slot = (int32_t)count;
        count++;
    }
    source->schema = (struct tl_schema){.fields = fields,
                                        .fields_count = count,
                                        .time_format = table->options.time_format,
                                        .event_bytes_max = bind->settings.plan.event_bytes_max,
                                        .depth_max = 1024};
    source->dead_letter_topic = bind->settings.dead_letter_topic;
    bind->plan->sources[table->number] = *source;
    bind->notes->periodic[table->number] = table->options.periodic;
    return TL_OK;
}

static void view_want(struct tl_bind_table *table, const struct tl_view *view)
{
    if (view->inner >= 0) /* reads another view's outputs */
        return;
    expr_want(table, view->filter);
    for (uint32_t i = 0; i < view->keys_count; i++)
        expr_want(table, view->keys[i]);
    for (uint32_t i = 0; i < view->aggs_count; i++) {
        for (uint32_t a = 0; a < view->aggs[i].args_count; a++)
            expr_want(table, view->aggs[i].args[a]);
        expr_want(table, view->aggs[i].where);
    }
    for (uint32_t i = 0; view->window.window == TL_WINDOW_NONE && i < view->outputs_count; i++)
        expr_want(table, view->outputs[i].expr);
}

/* Windows of an instant lie on the wall clock of the session's zone; those that count rows lie on no clock. */
static void zone_set(const struct tl_plan *plan, struct tl_view *view)
{
    switch (view->window.window) {
    case TL_WINDOW_TUMBLE:
    case TL_WINDOW_HOP:
    case TL_WINDOW_CUMULATE:
    case TL_WINDOW_SESSION:
        view->window.zone = plan->sources[view->source].time_kind == TL_TIMESTAMP_LTZ ? plan->settings.zone : NULL;
        break;
    case TL_WINDOW_INNER: view->window.zone = plan->views[view->inner].window.zone; break;
    case TL_WINDOW_NONE:
    case TL_WINDOW_COUNT: break;
    }
}

static enum tl_code script_finish(struct tl_bind *bind)
{
    struct tl_plan *plan = bind->plan;

    plan->settings = bind->settings.plan;
    bind->notes->settings = bind->settings;
    for (struct tl_relation *r = bind->relations; r != NULL; r = r->next) {
        enum tl_code rc;

        if (r->is_view || !r->query.table->used)
            continue;
        for (uint32_t i = 0; i < plan->views_count; i++)
            if (plan->views[i].source == r->query.table->number)
                view_want(r->query.table, &plan->views[i]);
        rc = source_finish(bind, r->query.table);
        if (rc != TL_OK)
            return rc;
    }
    for (uint32_t i = 0; i < plan->views_count; i++) {
        enum tl_code rc;

        zone_set(plan, &plan->views[i]);
        rc = tl_view_normalise(plan, &plan->views[i], bind->err);

        if (rc != TL_OK)
            return rc;
    }
    return TL_OK;
}

/* The zone that the last SET leaves, for expressions that are bound before it. A mistake ends it, and is told in its own turn. */
static const struct tl_zone *zone_of_file(const struct tl_bind *bind)
{
    struct tl_setting_values values;
    enum tl_code rc = TL_OK;

    tl_settings_init(&values);
    for (const struct tl_ast_statement *s = bind->script->statements; s != NULL && rc == TL_OK; s = s->next) {
        if (s->kind == TL_AST_SET)
            rc = tl_settings_set(&values, bind->text, &s->name, &s->value, bind->arena, NULL);
        else if (s->kind == TL_AST_RESET)
            rc = tl_settings_reset(&values, bind->text, &s->name, NULL);
    }
    return values.plan.zone;
}

enum tl_code tl_bind_script(struct tl_bind *bind)
{
    uint32_t views_max = bind->script->statements_count + 1u;
    struct tl_span last = bind->script->end;
    enum tl_code rc = TL_OK;

    tl_settings_init(&bind->settings);
    bind->zone = zone_of_file(bind);
    bind->plan->views = tl_arena_zalloc(bind->arena, sizeof *bind->plan->views * views_max);
    bind->plan->sources = tl_arena_zalloc(bind->arena, sizeof *bind->plan->sources * views_max);
    bind->notes->lateness_at = tl_arena_zalloc(bind->arena, sizeof *bind->notes->lateness_at * views_max);
    bind->notes->periodic = tl_arena_zalloc(bind->arena, sizeof *bind->notes->periodic * views_max);
    if (bind->plan->views == NULL || bind->plan->sources == NULL || bind->notes->lateness_at == NULL ||
        bind->notes->periodic == NULL)
        return tl_bind_no_memory(bind);
    for (const struct tl_ast_statement *s = bind->script->statements; s != NULL && rc == TL_OK; s = s->next) {
        switch (s->kind) {
        case TL_AST_SET: rc = tl_settings_set(&bind->settings, bind->text, &s->name, &s->value, bind->arena, bind->err); break;
        case TL_AST_RESET: rc = tl_settings_reset(&bind->settings, bind->text, &s->name, bind->err); break;
        case TL_AST_SHOW_SETTINGS: break;
        case TL_AST_CREATE_TABLE: rc = table_bind(bind, s); break;
        case TL_AST_CREATE_VIEW: rc = view_bind(bind, s); break;
        case TL_AST_ALTER_TABLE:
        case TL_AST_ALTER_VIEW: break; /* of a checks file alone */
        }
    }
    if (rc != TL_OK)
        return rc;
    for (const struct tl_ast_statement *s = bind->script->statements; s != NULL; s = s->next)
        last = s->name.text.data != NULL ? s->name.at : s->at;
    if (bind->plan->views_count == 0)
        return tl_mistake(bind->err, bind->text, last, "add CREATE VIEW name AS SELECT ... (a temporary view is not kept)",
                          "there is nothing to keep: the file has no CREATE VIEW");
    return script_finish(bind);
}
