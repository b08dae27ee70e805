/* store_select.c: rows of a view: conditions, an order, pages. See store_select.h.
 *
 * A page of rows in order of time should cost what the page costs, and not what all rows cost that follow it. So where the end of the window comes
 * first in the order, time is cut into slices: the published ranges, then what lies behind them. A slice that one run has published is read by
 * that run's number alone, in the order of the table's key, without a sort; and reading ends with the page. Where slices are passed over for
 * nothing, more of them are read at once (SLICES_AT_ONCE).
 * Any other order is one statement over all of the time that was asked for: a SELECT for each slice where they are few (SLICES_MAX), else one that
 * looks each row's run up. */
#include "store/store_select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/base64url.h"
#include "base/nearest.h"
#include "event/timestamp.h"
#include "store/store_handle.h"

enum { SLICES_AT_ONCE = 32, SLICES_MAX = 64, LIKE_BYTES_MAX = 1000, CURSOR_VERSION = 1 };

/* Published ranges that touch (from, to]: a little more than that where theirs is [from, to). */
static const char sql_pieces[] =
    "SELECT from_ms, to_ms, run FROM tally_pointer WHERE definition = ?1 AND to_ms >= ?2 AND from_ms <= ?3 ORDER BY to_ms";

/* What a row has beside the view's own columns, numbered behind them. */
enum beside { BESIDE_LAYER, BESIDE_FINAL, BESIDE_END, BESIDE_START, BESIDE_KEY, BESIDE_ACC, BESIDE_COUNT };
static const struct {
    const char *name; /* NULL: not for conditions and orders */
    enum tl_kind kind;
} beside[BESIDE_COUNT] = {
    [BESIDE_LAYER] = {"_layer",    TL_STRING },
      [BESIDE_FINAL] = {"_final",    TL_BOOLEAN},
      [BESIDE_END] = {"_end_ms",   TL_BIGINT },
    [BESIDE_START] = {"_start_ms", TL_BIGINT },
      [BESIDE_KEY] = {NULL,        TL_STRING },
      [BESIDE_ACC] = {NULL,        TL_STRING },
};

static const struct {
    const char *name, *sql;
} operators[TL_OPERATORS] = {
    [TL_OP_EQ] = {"eq",      " = "         },
      [TL_OP_NE] = {"ne",      " <> "        },
    [TL_OP_LT] = {"lt",      " < "         },
      [TL_OP_LE] = {"le",      " <= "        },
    [TL_OP_GT] = {"gt",      " > "         },
      [TL_OP_GE] = {"ge",      " >= "        },
    [TL_OP_IN] = {"in",      " IN "        },
      [TL_OP_LIKE] = {"like",    " LIKE "      },
    [TL_OP_NULL] = {"null",    " IS NULL"    },
      [TL_OP_NOTNULL] = {"notnull", " IS NOT NULL"},
};

struct sorted {
    uint32_t column; /* 0 ..: the view's, then beside */
    bool descends;
};

struct placed {
    int at; /* where a row of the answer has it; -1: nowhere */
    enum tl_kind kind;
    enum source { FROM_ANSWER, FROM_LAYER, FROM_FINAL, FROM_END, FROM_START, FROM_BYTES, FROM_TIME } source;
};

struct slice {
    int64_t from_ms, to_ms; /* _end_ms in (from_ms, to_ms] */
    int64_t run;            /* 0: whichever the pointer names */
    bool batch, speed;
    bool whole; /* all of it is one layer's, and of a published run: the time alone says what the merged view serves */
};

struct taken {
    uint32_t column;
    enum tl_operator op;
    size_t first, count; /* of its values among the binds */
};

struct selection {
    struct tl_store *store;
    const struct tl_known *d;
    struct tl_merge_view view;
    const struct tl_select *asked;
    struct tl_refusal *refusal;
    bool wants_acc, by_time, descends /* the first column of the order */;
    struct placed *placed; /* by column */
    int width;
    struct tl_definition about;
    struct sorted *order;
    size_t order_count;
    int64_t from_ms, to_ms; /* as a slice has them */
    struct tl_arena arena;
    struct taken *conditions;
    struct tl_bind *binds;
    size_t binds_count, binds_capacity;
    struct tl_value *cursor; /* by order; NULL: there is none */
    struct slice *slices;
    size_t slices_count;
    /* The row at hand: */
    const struct slice *slice;
    int64_t end_ms;
    enum tl_layer layer;
};

/* ---- columns ---- */

static enum tl_kind kind_of(const struct selection *s, uint32_t column)
{
    const struct tl_known *d = s->d;

    if (column >= d->columns_count)
        return beside[column - d->columns_count].kind;
    return tl_merge_view_is_window(d->columns[column].role) ? TL_TIMESTAMP_LTZ : d->columns[column].kind;
}

static void put_column(struct tl_buf *sql, const struct selection *s, enum tl_layer layer, uint32_t column)
{
    enum tl_dialect dialect = s->store->database->dialect;
    const struct tl_shape_column *own;

    if (column >= s->d->columns_count) {
        switch ((enum beside)(column - s->d->columns_count)) {
        case BESIDE_LAYER: tl_merge_view_put_layer_name(sql, dialect, layer); return;
        case BESIDE_FINAL:
            tl_buf_put_str(sql, "(");
            tl_merge_view_put_final(sql, dialect, &s->view, layer);
            tl_buf_put_str(sql, ")");
            return;
        case BESIDE_END: tl_buf_put_str(sql, "_end_ms"); return;
        case BESIDE_START: tl_buf_put_str(sql, "_start_ms"); return;
        case BESIDE_KEY: tl_buf_put_str(sql, "_key"); return;
        case BESIDE_ACC:
        case BESIDE_COUNT: tl_buf_put_str(sql, "_acc"); return;
        }
    }
    own = &s->d->columns[column];
    switch (own->role) {
    case TL_ROLE_WINDOW_START: tl_buf_put_str(sql, "_start_ms"); break;
    case TL_ROLE_WINDOW_END: tl_buf_put_str(sql, "_end_ms"); break;
    case TL_ROLE_WINDOW_TIME: tl_buf_put_str(sql, "_end_ms - 1"); break;
    case TL_ROLE_VALUE:
    case TL_ROLE_KEY: tl_store_put_stored_name(sql, own); break;
    }
}

static void refuse(const struct selection *s, const char *parameter)
{
    if (s->refusal != NULL)
        s->refusal->parameter = parameter;
}

static void allow(const struct selection *s, struct tl_sv name)
{
    if (s->refusal != NULL && s->refusal->allowed_count < TL_REFUSAL_ALLOWED_MAX)
        s->refusal->allowed[s->refusal->allowed_count++] = name;
}

static void allow_operators(struct tl_refusal *refusal, bool text, struct tl_buf *all)
{
    if (refusal != NULL)
        *refusal = (struct tl_refusal){.parameter = "where"};
    for (size_t i = 0; i < TL_OPERATORS; i++) {
        if (i == TL_OP_LIKE && !text)
            continue;
        tl_buf_printf(all, "%s%s", all->size == 0 ? "" : ", ", operators[i].name);
        if (refusal != NULL)
            refusal->allowed[refusal->allowed_count++] = tl_sv_from(operators[i].name);
    }
}

static enum tl_code find_column(struct selection *s, const char *parameter, struct tl_sv name, uint32_t *out, struct tl_err *err)
{
    struct tl_nearest nearest = tl_nearest_to(name);
    char hint[160];
    struct tl_buf all;
    enum tl_code rc;

    for (uint32_t i = 0; i < s->d->columns_count; i++)
        if (tl_sv_eq(s->d->columns[i].name, name)) {
            *out = i;
            return TL_OK;
        }
    for (uint32_t i = 0; i < BESIDE_COUNT; i++)
        if (beside[i].name != NULL && tl_sv_eq(tl_sv_from(beside[i].name), name)) {
            *out = s->d->columns_count + i;
            return TL_OK;
        }
    tl_buf_init(&all, 0);
    refuse(s, parameter);
    for (uint32_t i = 0; i < s->d->columns_count + BESIDE_COUNT; i++) {
        bool own = i < s->d->columns_count;
        struct tl_sv other;

        if (!own && beside[i - s->d->columns_count].name == NULL)
            continue;
        other = own ? s->d->columns[i].name : tl_sv_from(beside[i - s->d->columns_count].name);
        allow(s, other);
        tl_nearest_offer(&nearest, other);
        tl_buf_printf(&all, "%s%.*s", i == 0 ? "" : ", ", TL_SV_ARG(other));
    }
    rc = tl_fail(err, TL_ERR_USAGE, "%s: view '%.*s' has no column '%.*s'; %s%sit has %.*s", parameter, TL_SV_ARG(s->d->view),
                 (int)tl_min_i64((int64_t)name.size, 100), name.data, tl_nearest_hint(&nearest, hint, sizeof hint, ""),
                 nearest.best.data != NULL ? " " : "", (int)tl_min_i64((int64_t)all.size, 400), all.data);
    tl_buf_done(&all);
    return rc;
}

/* ---- values ---- */

static bool is_text(struct tl_sv text)
{
    for (size_t at = 0, size; at < text.size; at += size) {
        size = tl_utf8_size(text.data + at, text.size - at);
        if (size == 0 || text.data[at] == '\0')
            return false;
    }
    return true;
}

static bool read_real(struct tl_sv text, double *out)
{
    if (tl_sv_eq_nocase(text, TL_SV("NaN")))
        *out = (double)NAN;
    else if (tl_sv_eq_nocase(text, TL_SV("Infinity")) || tl_sv_eq_nocase(text, TL_SV("+Infinity")))
        *out = (double)INFINITY;
    else if (tl_sv_eq_nocase(text, TL_SV("-Infinity")))
        *out = -(double)INFINITY;
    else
        return tl_sv_to_f64(text, out);
    return true;
}

static const char *form_of(enum tl_kind kind)
{
    switch (kind) {
    case TL_BOOLEAN: return "true or false";
    case TL_STRING: return "UTF-8 without NUL";
    case TL_FLOAT:
    case TL_DOUBLE: return "a number as in 0.25 or 1e6, or NaN, Infinity, -Infinity";
    case TL_TIMESTAMP:
    case TL_TIMESTAMP_LTZ: return "a time as in 2026-11-27T06:00:00Z, 2026-11-27T06:00:00+01:00 or 2026-11-27";
    default: return "a whole number";
    }
}

enum tl_code tl_condition_value(struct tl_sv column, enum tl_kind kind, struct tl_sv text, struct tl_value *out,
                                struct tl_err *err)
{
    bool good;

    *out = (struct tl_value){.kind = kind};
    switch (kind) {
    case TL_BOOLEAN:
        out->i64 = tl_sv_eq_nocase(text, TL_SV("true"));
        good = out->i64 != 0 || tl_sv_eq_nocase(text, TL_SV("false"));
        break;
    case TL_STRING:
        out->sv = text;
        good = is_text(text);
        break;
    case TL_FLOAT:
    case TL_DOUBLE:
        good = read_real(text, &out->f64);
        if (kind == TL_FLOAT)
            out->f64 = (double)(float)out->f64;
        break;
    case TL_TIMESTAMP:
    case TL_TIMESTAMP_LTZ: good = tl_time_from_rfc3339(text, &out->i64); break;
    default: good = tl_sv_to_i64(text, &out->i64); break;
    }
    if (good)
        return TL_OK;
    return tl_fail(err, TL_ERR_USAGE, "where: column '%.*s' is %s, and '%.*s' is none; %s would do", TL_SV_ARG(column),
                   tl_kind_name(kind), is_text(text) ? (int)tl_min_i64((int64_t)text.size, 100) : 0, text.data, form_of(kind));
}

static enum tl_code add_bind(struct selection *s, struct tl_bind bind, struct tl_err *err)
{
    if (s->binds_count == s->binds_capacity) {
        size_t more = s->binds_capacity == 0 ? 16 : 2 * s->binds_capacity;

        if (!TL_RESIZE(s->binds, more))
            return tl_fail_memory(err, more * sizeof *s->binds);
        s->binds_capacity = more;
    }
    s->binds[s->binds_count++] = bind;
    return TL_OK;
}

static struct tl_bind bind_of(const struct tl_value *value)
{
    if (value->kind == TL_BOOLEAN)
        return (struct tl_bind){.type = 'o', .i64 = value->i64};
    switch (tl_kind_form(value->kind)) {
    case TL_FORM_I64: return tl_bind_i64(value->i64);
    case TL_FORM_F64: return (struct tl_bind){.type = 'f', .f64 = value->f64};
    case TL_FORM_TEXT: break;
    }
    return tl_bind_text(value->sv);
}

/* ---- conditions ---- */

enum tl_code tl_condition_read(struct tl_sv text, struct tl_condition *out, struct tl_refusal *refusal, struct tl_err *err)
{
    struct tl_buf all;
    enum tl_code rc;

    for (size_t at = 0; at < text.size; at++) {
        struct tl_sv rest = {text.data + at + 1, text.size - at - 1}, name;

        if (text.data[at] != ':')
            continue;
        name = tl_sv_cut(&rest, ':');
        for (size_t i = 0; i < TL_OPERATORS; i++)
            if (tl_sv_eq(name, tl_sv_from(operators[i].name)) &&
                (at + 1 + name.size < text.size || i == TL_OP_NULL || i == TL_OP_NOTNULL)) {
                *out = (struct tl_condition){
                    {text.data, at},
                    (enum tl_operator)i, rest
                };
                return TL_OK;
            }
    }
    tl_buf_init(&all, 0);
    allow_operators(refusal, true, &all);
    rc = tl_fail(err, TL_ERR_USAGE,
                 "where: '%.*s' is no condition; COLUMN:OPERATOR:VALUE would do, as in host:eq:a.example; "
                 "operators are %.*s",
                 is_text(text) ? (int)tl_min_i64((int64_t)text.size, 100) : 0, text.data, TL_SV_ARG(tl_buf_sv(&all)));
    tl_buf_done(&all);
    return rc;
}

struct tl_order tl_order_read(struct tl_sv text)
{
    bool descends = tl_sv_starts(text, TL_SV("-"));

    return (struct tl_order){
        {text.data + descends, text.size - descends},
        descends
    };
}

static enum tl_code fail_like(struct tl_sv column, const char *what, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_USAGE, "where: like on column '%.*s': %s", TL_SV_ARG(column), what);
}

/* SQLite's LIKE does not tell upper from lower case, so the pattern becomes one of its GLOB. */
static enum tl_code read_like(struct selection *s, struct tl_sv column, struct tl_sv pattern, struct tl_value *out,
                              struct tl_err *err)
{
    bool sqlite = s->store->database->dialect == TL_DIALECT_SQLITE;
    struct tl_sv copy;
    struct tl_buf glob;
    enum tl_code rc = TL_OK;

    tl_buf_init(&glob, 0);
    if (pattern.size > LIKE_BYTES_MAX)
        TL_TRY(fail_like(column, "a pattern has 1000 bytes at most", err));
    TL_TRY(tl_condition_value(column, TL_STRING, pattern, out, err));
    for (size_t i = 0; i < pattern.size; i++) {
        char c = pattern.data[i];
        bool escaped = c == '\\';

        if (escaped) {
            c = ++i < pattern.size ? pattern.data[i] : '\0';
            if (c != '%' && c != '_' && c != '\\')
                TL_TRY(fail_like(column, "a backslash stands before %, _ and itself only", err));
        }
        if (!escaped && (c == '%' || c == '_'))
            tl_buf_put_u8(&glob, c == '%' ? '*' : '?');
        else if (c == '*' || c == '?' || c == '[')
            tl_buf_printf(&glob, "[%c]", c);
        else
            tl_buf_put_u8(&glob, (uint8_t)c);
    }
    TL_TRY(tl_buf_check(&glob, "a pattern", err));
    if (!tl_arena_copy(&s->arena, sqlite ? tl_buf_sv(&glob) : pattern, &copy))
        TL_TRY(tl_fail_memory(err, glob.size));
    out->sv = copy;
out:
    tl_buf_done(&glob);
    return rc;
}

/* The next of the values of `in`, put where `room` is. */
static struct tl_sv next_of(struct tl_sv *rest, char **room)
{
    struct tl_sv value = {*room, 0};
    size_t at = 0;

    for (; at < rest->size && rest->data[at] != ','; at++) {
        if (rest->data[at] == '\\' && at + 1 < rest->size && (rest->data[at + 1] == ',' || rest->data[at + 1] == '\\'))
            at++;
        *(*room)++ = rest->data[at];
    }
    value.size = (size_t)(*room - value.data);
    *rest = at < rest->size ? (struct tl_sv){rest->data + at + 1, rest->size - at - 1} : (struct tl_sv){NULL, 0};
    return value;
}

static enum tl_code take_condition(struct selection *s, const struct tl_condition *asked, struct taken *out, struct tl_err *err)
{
    struct tl_value value;
    struct tl_buf all;
    struct tl_sv rest = asked->value;
    enum tl_kind kind;
    char *room;
    enum tl_code rc;

    tl_buf_init(&all, 0);
    TL_TRY(find_column(s, "where", asked->column, &out->column, err));
    kind = kind_of(s, out->column);
    out->op = asked->op;
    out->first = s->binds_count;
    switch (asked->op) {
    case TL_OP_NULL:
    case TL_OP_NOTNULL:
        if (asked->value.size > 0)
            TL_TRY(tl_fail(err, TL_ERR_USAGE, "where: '%s' takes no value, as in %.*s:%s", operators[asked->op].name,
                           TL_SV_ARG(asked->column), operators[asked->op].name));
        break;
    case TL_OP_LIKE:
        if (kind != TL_STRING) {
            allow_operators(s->refusal, false, &all);
            TL_TRY(tl_fail(err, TL_ERR_USAGE, "where: column '%.*s' is %s, and like is for text; %.*s would do",
                           TL_SV_ARG(asked->column), tl_kind_name(kind), TL_SV_ARG(tl_buf_sv(&all))));
        }
        TL_TRY(read_like(s, asked->column, asked->value, &value, err));
        TL_TRY(add_bind(s, bind_of(&value), err));
        break;
    case TL_OP_IN:
        room = tl_arena_alloc(&s->arena, rest.size + 1);
        if (room == NULL)
            TL_TRY(tl_fail_memory(err, rest.size));
        do {
            if (s->binds_count >= TL_SELECT_VALUES_MAX)
                TL_TRY(tl_fail(err, TL_ERR_USAGE, "where: %d values at most", TL_SELECT_VALUES_MAX));
            TL_TRY(tl_condition_value(asked->column, kind, next_of(&rest, &room), &value, err));
            TL_TRY(add_bind(s, bind_of(&value), err));
        } while (rest.data != NULL);
        break;
    default:
        TL_TRY(tl_condition_value(asked->column, kind, asked->value, &value, err));
        TL_TRY(add_bind(s, bind_of(&value), err));
        break;
    }
    out->count = s->binds_count - out->first;
out:
    if (rc == TL_ERR_USAGE)
        refuse(s, "where");
    tl_buf_done(&all);
    return rc;
}

static void put_condition(struct tl_buf *sql, const struct selection *s, enum tl_layer layer, const struct taken *c)
{
    bool glob = c->op == TL_OP_LIKE && s->store->database->dialect == TL_DIALECT_SQLITE;

    tl_buf_put_str(sql, " AND ");
    put_column(sql, s, layer, c->column);
    tl_buf_put_str(sql, glob ? " GLOB " : operators[c->op].sql);
    for (size_t i = 0; i < c->count; i++)
        tl_buf_printf(sql, "%s?%zu", c->op != TL_OP_IN ? "" : i == 0 ? "(" : ", ", c->first + i + 1);
    if (c->op == TL_OP_IN)
        tl_buf_put_str(sql, ")");
}

/* ---- the order, and a place in it ---- */

static uint32_t beside_column(const struct selection *s, enum beside which)
{
    return s->d->columns_count + (uint32_t)which;
}

/* The window's columns are the row's own times; one column is in the order once. */
static void add_sorted(struct selection *s, uint32_t column, bool descends)
{
    if (column < s->d->columns_count && tl_merge_view_is_window(s->d->columns[column].role))
        column = beside_column(s, s->d->columns[column].role == TL_ROLE_WINDOW_START ? BESIDE_START : BESIDE_END);
    for (size_t i = 0; i < s->order_count; i++)
        if (s->order[i].column == column)
            return;
    s->order[s->order_count++] = (struct sorted){column, descends};
}

static enum tl_code take_order(struct selection *s, struct tl_err *err)
{
    const struct tl_select *asked = s->asked;
    uint32_t column;
    enum tl_code rc = TL_OK;

    s->order = tl_arena_alloc(&s->arena, (asked->orders_count + 3) * sizeof *s->order);
    if (s->order == NULL)
        TL_TRY(tl_fail_memory(err, asked->orders_count * sizeof *s->order));
    for (size_t i = 0; i < asked->orders_count; i++) {
        TL_TRY(find_column(s, "order", asked->orders[i].column, &column, err));
        add_sorted(s, column, asked->orders[i].descends);
    }
    s->descends = s->order_count > 0 && s->order[0].descends;
    /* Windows that end later do not begin earlier, so their starts' order is that of their ends, in which the rows stand. Sessions are other. */
    if (s->order_count == 1 && s->order[0].column == beside_column(s, BESIDE_START) && !s->d->cut_per_key)
        s->order_count = 0;
    add_sorted(s, beside_column(s, BESIDE_END), s->descends);
    add_sorted(s, beside_column(s, BESIDE_START), s->descends);
    add_sorted(s, beside_column(s, BESIDE_KEY), s->descends);
    s->by_time = s->order[0].column == beside_column(s, BESIDE_END);
out:
    return rc;
}

/* An answer has no more than it must: what is stored, and the row's identity. Which layer a row is from the slice knows, where it has one alone; a
 * window's columns are its bounds, and _final is worked out. */
static enum source source_of(const struct selection *s, uint32_t column)
{
    if (column < s->d->columns_count)
        switch (s->d->columns[column].role) {
        case TL_ROLE_WINDOW_START: return FROM_START;
        case TL_ROLE_WINDOW_END: return FROM_END;
        case TL_ROLE_WINDOW_TIME: return FROM_TIME;
        default: return FROM_ANSWER;
        }
    switch ((enum beside)(column - s->d->columns_count)) {
    case BESIDE_LAYER: return FROM_LAYER;
    case BESIDE_FINAL: return FROM_FINAL;
    case BESIDE_END: return FROM_END;
    case BESIDE_START: return FROM_START;
    default: return FROM_BYTES;
    }
}

static enum tl_code place_columns(struct selection *s, struct tl_err *err)
{
    const struct tl_known *d = s->d;
    uint32_t count = d->columns_count + BESIDE_COUNT;

    s->placed = tl_arena_alloc(&s->arena, count * sizeof *s->placed);
    if (s->placed == NULL)
        return tl_fail_memory(err, count * sizeof *s->placed);
    for (uint32_t i = 0; i < count; i++)
        s->placed[i] = (struct placed){-1, kind_of(s, i), source_of(s, i)};
    for (uint32_t i = 0; i < d->stored_count; i++)
        s->placed[d->stored[i]].at = s->width++;
    s->placed[beside_column(s, BESIDE_END)].at = s->width++;
    s->placed[beside_column(s, BESIDE_START)].at = s->width++;
    s->placed[beside_column(s, BESIDE_KEY)].at = s->width++;
    if (s->wants_acc)
        s->placed[beside_column(s, BESIDE_ACC)].at = s->width++;
    for (size_t i = 0; i < s->order_count; i++)
        if (s->order[i].column == beside_column(s, BESIDE_FINAL))
            s->placed[s->order[i].column].at = s->width++;
    s->placed[beside_column(s, BESIDE_LAYER)].at = s->width++; /* the last: not where there is one layer */
    return TL_OK;
}

static bool has_layer(const struct slice *slice)
{
    return slice->batch && slice->speed;
}

/* Two queries whose cursors may be mixed up differ in it. The limit is not part of it. */
static enum tl_code fingerprint(const struct selection *s, uint64_t *out, struct tl_err *err)
{
    const struct tl_select *asked = s->asked;
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    tl_buf_put_block(&text, s->d->view);
    tl_buf_put_block(&text, tl_sv_from(s->d->hash));
    tl_buf_put_u8(&text, (uint8_t)asked->layer);
    tl_buf_put_zigzag(&text, asked->from_ms);
    tl_buf_put_zigzag(&text, asked->to_ms);
    tl_buf_put_varint(&text, asked->conditions_count);
    for (size_t i = 0; i < asked->conditions_count; i++) {
        tl_buf_put_block(&text, asked->conditions[i].column);
        tl_buf_put_u8(&text, (uint8_t)asked->conditions[i].op);
        tl_buf_put_block(&text, asked->conditions[i].value);
    }
    for (size_t i = 0; i < s->order_count; i++) {
        tl_buf_put_varint(&text, s->order[i].column);
        tl_buf_put_u8(&text, s->order[i].descends);
    }
    TL_TRY(tl_buf_check(&text, "a cursor", err));
    *out = XXH3_64bits(text.data, text.size);
out:
    tl_buf_done(&text);
    return rc;
}

/* A cursor: its version (u8), the query's fingerprint (u64), then for each column of the order 0 for NULL, or 1 and the value: a number's 8 bytes,
 * or a text as a block. */
static void put_place(struct tl_buf *out, const struct tl_value *value)
{
    uint64_t bits;

    tl_buf_put_u8(out, !value->is_null);
    if (value->is_null)
        return;
    switch (tl_kind_form(value->kind)) {
    case TL_FORM_I64: tl_buf_put_u64(out, (uint64_t)value->i64); break;
    case TL_FORM_F64:
        memcpy(&bits, &value->f64, sizeof bits);
        tl_buf_put_u64(out, bits);
        break;
    case TL_FORM_TEXT: tl_buf_put_block(out, value->sv); break;
    }
}

static bool read_place(struct tl_reader *in, enum tl_kind kind, bool bytes, struct tl_value *out)
{
    uint8_t there = tl_reader_u8(in);
    uint64_t bits;

    *out = (struct tl_value){.kind = kind, .is_null = there == 0};
    if (there == 0)
        return true;
    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: out->i64 = (int64_t)tl_reader_u64(in); break;
    case TL_FORM_F64:
        bits = tl_reader_u64(in);
        memcpy(&out->f64, &bits, sizeof bits);
        break;
    case TL_FORM_TEXT: out->sv = tl_reader_block(in); break;
    }
    return there == 1 && (kind != TL_BOOLEAN || (out->i64 & ~INT64_C(1)) == 0) &&
           (kind != TL_STRING || bytes || is_text(out->sv));
}

static bool is_identity(const struct selection *s, uint32_t column)
{
    return column == beside_column(s, BESIDE_END) || column == beside_column(s, BESIDE_START) ||
           column == beside_column(s, BESIDE_KEY);
}

static enum tl_code take_cursor(struct selection *s, struct tl_err *err)
{
    struct tl_buf bytes;
    struct tl_reader in;
    struct tl_sv copy;
    uint64_t wanted, found;
    bool good;
    enum tl_code rc = TL_OK;

    tl_buf_init(&bytes, 0);
    if (s->asked->cursor.size == 0)
        goto out;
    TL_TRY(fingerprint(s, &wanted, err));
    good = tl_base64url_read(s->asked->cursor, &bytes);
    TL_TRY(tl_buf_check(&bytes, "a cursor", err));
    s->cursor = tl_arena_alloc(&s->arena, s->order_count * sizeof *s->cursor);
    if (s->cursor == NULL || !tl_arena_copy(&s->arena, tl_buf_sv(&bytes), &copy))
        TL_TRY(tl_fail_memory(err, bytes.size));
    in = tl_reader_of(copy);
    good = good && tl_reader_u8(&in) == CURSOR_VERSION;
    found = tl_reader_u64(&in);
    if (good && !in.failed && found != wanted) {
        refuse(s, "cursor");
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "cursor: it is of another query, or the view has another definition now; the query that "
                       "it was given for, or none at all would do"));
    }
    for (size_t i = 0; i < s->order_count && good; i++) {
        uint32_t column = s->order[i].column;

        good = read_place(&in, kind_of(s, column), column == beside_column(s, BESIDE_KEY), &s->cursor[i]) &&
               !(s->cursor[i].is_null && is_identity(s, column));
    }
    if (!good || !tl_reader_at_end(&in)) {
        refuse(s, "cursor");
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "cursor: not one that was given out; what stands as the next cursor of an answer would do, "
                       "or none at all"));
    }
out:
    tl_buf_done(&bytes);
    return rc;
}

/* "(a > ?4 OR (a = ?4 AND (b > ?5 ...)))": the rows behind the cursor's place. The binds begin at `first`. */
static void put_behind(struct tl_buf *sql, const struct selection *s, enum tl_layer layer, size_t first)
{
    size_t at = first;

    tl_buf_put_str(sql, " AND (");
    for (size_t i = 0; i < s->order_count; i++) {
        bool null = s->cursor[i].is_null, down = s->order[i].descends, last = i + 1 == s->order_count;
        uint32_t column = s->order[i].column;

        at += !null;
        if (null && down) { /* nothing comes behind it */
            tl_buf_put_str(sql, "FALSE");
        } else {
            put_column(sql, s, layer, column);
            if (null)
                tl_buf_put_str(sql, " IS NOT NULL");
            else
                tl_buf_printf(sql, " %s ?%zu", down ? "<" : ">", at);
            if (!null && down && !is_identity(s, column)) {
                tl_buf_put_str(sql, " OR ");
                put_column(sql, s, layer, column);
                tl_buf_put_str(sql, " IS NULL");
            }
        }
        if (last)
            break;
        tl_buf_put_str(sql, " OR (");
        put_column(sql, s, layer, column);
        if (null)
            tl_buf_put_str(sql, " IS NULL AND (");
        else
            tl_buf_printf(sql, " = ?%zu AND (", at);
    }
    for (size_t i = 1; i < s->order_count; i++)
        tl_buf_put_str(sql, "))");
    tl_buf_put_str(sql, ")");
}

/* ---- slices of time ---- */

static enum tl_code add_slice(struct selection *s, size_t *capacity, struct slice slice, struct tl_err *err)
{
    struct slice *last = s->slices_count > 0 ? &s->slices[s->slices_count - 1] : NULL;

    if (slice.from_ms >= slice.to_ms)
        return TL_OK;
    if (last != NULL && last->to_ms == slice.from_ms && last->run == slice.run && last->batch == slice.batch &&
        last->speed == slice.speed && last->whole == slice.whole) {
        last->to_ms = slice.to_ms;
        return TL_OK;
    }
    if (s->slices_count == *capacity) {
        size_t more = *capacity == 0 ? 16 : 2 * *capacity;

        if (!TL_RESIZE(s->slices, more))
            return tl_fail_memory(err, more * sizeof *s->slices);
        *capacity = more;
    }
    assert(s->slices != NULL);
    s->slices[s->slices_count++] = slice;
    return TL_OK;
}

/* Of the merged view batch serves nothing that ends behind the boundary. Before it, speed may serve something where each key has a boundary of its
 * own, or where rows are single events. */
static enum tl_code list_slices(struct selection *s, struct tl_err *err)
{
    const struct tl_known *d = s->d;
    enum tl_layer layer = s->asked->layer;
    bool open = tl_merge_view_holds_from(d->windowed, d->ends_open), both = d->cut_per_key || !d->windowed, row = false;
    struct tl_answer *answer = NULL;
    struct slice all = {s->from_ms, s->to_ms, 0, layer != TL_LAYER_SPEED, layer != TL_LAYER_BATCH, false};
    int64_t at = s->from_ms, edge = INT64_MAX;
    size_t capacity = 0;
    enum tl_code rc = TL_OK;

    if (layer == TL_LAYER_SPEED) {
        TL_TRY(add_slice(s, &capacity, all, err));
        goto out;
    }
    if (layer == TL_LAYER_MERGED)
        edge = open && !d->cut_per_key ? tl_add_sat_i64(s->about.boundary_ms, -1) : s->about.boundary_ms;
    TL_TRY(tl_database_ask(s->store->database, sql_pieces, &answer, err, "iii", d->id, s->from_ms, s->to_ms));
    for (;;) {
        struct slice slice;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        slice = (struct slice){tl_max_i64(s->from_ms, tl_add_sat_i64(tl_answer_i64(answer, 0), open ? -1 : 0)),
                               tl_min_i64(tl_min_i64(s->to_ms, edge), tl_add_sat_i64(tl_answer_i64(answer, 1), open ? -1 : 0)),
                               tl_answer_i64(answer, 2),
                               true,
                               layer == TL_LAYER_MERGED && both,
                               !both};
        if (slice.from_ms >= slice.to_ms)
            continue;
        if (slice.speed)
            TL_TRY(add_slice(s, &capacity, (struct slice){at, slice.from_ms, 0, false, true, false}, err));
        TL_TRY(add_slice(s, &capacity, slice, err));
        at = slice.to_ms;
    }
    if (layer == TL_LAYER_MERGED)
        TL_TRY(add_slice(s, &capacity, (struct slice){both ? at : tl_max_i64(at, edge), s->to_ms, 0, false, true, !both}, err));
    if (!s->by_time && s->slices_count > SLICES_MAX) {
        s->slices_count = 0;
        TL_TRY(add_slice(s, &capacity, all, err));
    }
out:
    tl_answer_close(answer);
    return rc;
}

/* The next `width` of them as one, in the direction of the order. */
static struct slice take_slices(const struct selection *s, size_t done, size_t width)
{
    size_t first = s->descends ? s->slices_count - done - width : done;
    struct slice all = s->slices[first];

    for (size_t i = first + 1; i < first + width; i++) {
        all.to_ms = s->slices[i].to_ms;
        all.batch |= s->slices[i].batch;
        all.speed |= s->slices[i].speed;
        all.run = 0;
        all.whole = false;
    }
    return all;
}

/* ---- the statement ---- */

/* Slices that are read one by one share a statement. */
static void put_bound(struct tl_buf *sql, const struct selection *s, const char *before, int64_t bound, size_t bind)
{
    if (s->by_time)
        tl_buf_printf(sql, "%s?%zu", before, s->binds_count + bind);
    else
        tl_buf_printf(sql, "%s%lld", before, (long long)bound);
}

static void put_part(struct tl_buf *sql, const struct selection *s, enum tl_layer layer, const struct slice *slice,
                     bool says_layer)
{
    enum tl_dialect dialect = s->store->database->dialect;
    size_t conditions = s->asked->conditions_count,
           values = conditions == 0 ? 0 : s->conditions[conditions - 1].first + s->conditions[conditions - 1].count;

    tl_buf_put_str(sql, "SELECT ");
    for (int place = 0, count = says_layer ? s->width : s->width - 1; place < count; place++)
        for (uint32_t i = 0; i < s->d->columns_count + BESIDE_COUNT; i++)
            if (s->placed[i].at == place) {
                tl_buf_put_str(sql, place == 0 ? "" : ", ");
                put_column(sql, s, layer, i);
            }
    tl_merge_view_put_from(sql, &s->view, layer);
    put_bound(sql, s, "_end_ms <= ", slice->to_ms, 3);
    if (slice->from_ms != INT64_MIN) /* it would be looked up instead of the time boundary */
        put_bound(sql, s, " AND _end_ms > ", slice->from_ms, 2);
    if (layer == TL_LAYER_BATCH && slice->run != 0) {
        put_bound(sql, s, " AND _run = ", slice->run, 1);
    } else if (layer == TL_LAYER_BATCH) {
        tl_buf_put_str(sql, " AND ");
        tl_merge_view_put_published(sql, &s->view);
    }
    if (s->asked->layer == TL_LAYER_MERGED && !slice->whole) {
        tl_buf_put_str(sql, " AND ");
        tl_merge_view_put_served(sql, dialect, &s->view, layer);
    }
    for (size_t i = 0; i < conditions; i++)
        put_condition(sql, s, layer, &s->conditions[i]);
    if (s->cursor != NULL)
        put_behind(sql, s, layer, values);
}

/* `all`: what they are together. */
static void put_statement(struct tl_buf *sql, const struct selection *s, const struct slice *slices, size_t count,
                          const struct slice *all)
{
    const char *glue = "";

    for (size_t i = 0; i < 2 * count; i++) {
        enum tl_layer layer = i % 2 == 0 ? TL_LAYER_BATCH : TL_LAYER_SPEED;

        if (!(layer == TL_LAYER_BATCH ? slices[i / 2].batch : slices[i / 2].speed))
            continue;
        tl_buf_put_str(sql, glue);
        put_part(sql, s, layer, &slices[i / 2], has_layer(all));
        glue = " UNION ALL ";
    }
    glue = " ORDER BY ";
    for (size_t i = 0; i < s->order_count; i++) {
        const struct sorted *by = &s->order[i];
        bool nulls =
            s->store->database->dialect == TL_DIALECT_POSTGRES && !is_identity(s, by->column); /* as they are in SQLite */

        if (by->column == beside_column(s, BESIDE_LAYER) && !has_layer(all))
            continue;
        tl_buf_printf(sql, "%s%d%s%s", glue, s->placed[by->column].at + 1, by->descends ? " DESC" : "",
                      !nulls         ? ""
                      : by->descends ? " NULLS LAST"
                                     : " NULLS FIRST");
        glue = ", ";
    }
    if (s->asked->limit >= 0)
        tl_buf_printf(sql, " LIMIT %lld", (long long)tl_add_sat_i64(s->asked->limit, tl_add_sat_i64(s->asked->limit, 1)));
}

/* ---- the rows ---- */

static void begin_row(struct selection *s, struct tl_answer *answer)
{
    s->end_ms = tl_answer_i64(answer, s->placed[beside_column(s, BESIDE_END)].at);
    if (has_layer(s->slice))
        s->layer = tl_sv_eq(tl_answer_text(answer, s->placed[beside_column(s, BESIDE_LAYER)].at), TL_SV("batch"))
                       ? TL_LAYER_BATCH
                       : TL_LAYER_SPEED;
    else
        s->layer = s->slice->batch ? TL_LAYER_BATCH : TL_LAYER_SPEED;
}

static bool is_final(const struct selection *s)
{
    return s->layer == TL_LAYER_BATCH || s->end_ms <= s->about.final_ms;
}

/* Of the row at hand. */
static void value_of(const struct selection *s, struct tl_answer *answer, uint32_t column, struct tl_value *out)
{
    const struct placed *placed = &s->placed[column];

    *out = (struct tl_value){.kind = placed->kind};
    switch (placed->source) {
    case FROM_ANSWER: tl_answer_value(answer, placed->at, out); break;
    case FROM_LAYER: out->sv = s->layer == TL_LAYER_BATCH ? TL_SV("batch") : TL_SV("speed"); break;
    case FROM_FINAL: out->i64 = is_final(s); break;
    case FROM_END: out->i64 = s->end_ms; break;
    case FROM_START: out->i64 = tl_answer_i64(answer, s->placed[beside_column(s, BESIDE_START)].at); break;
    case FROM_BYTES: out->sv = tl_answer_bytes(answer, placed->at); break;
    case FROM_TIME: out->i64 = s->end_ms - 1; break;
    }
}

typedef enum tl_code (*each_row)(void *ctx, const struct selection *s, struct tl_answer *answer, struct tl_err *err);

/* Into the buffer, as a cursor's bytes. */
static enum tl_code note_place(const struct selection *s, struct tl_answer *answer, struct tl_buf *out, struct tl_err *err)
{
    uint64_t print;
    enum tl_code rc;

    tl_buf_clear(out);
    TL_TRY(fingerprint(s, &print, err));
    tl_buf_put_u8(out, CURSOR_VERSION);
    tl_buf_put_u64(out, print);
    for (size_t i = 0; i < s->order_count; i++) {
        struct tl_value value;

        value_of(s, answer, s->order[i].column, &value);
        put_place(out, &value);
    }
    TL_TRY(tl_buf_check(out, "a cursor", err));
out:
    return rc;
}

struct page {
    each_row each;
    void *ctx;
    struct tl_buf *next;
    struct tl_buf place; /* of the last row, once the page is full */
    int64_t rows;
    bool full, over; /* full: it may end here; over: it has ended */
};

static enum tl_code give_row(struct page *page, struct selection *s, struct tl_answer *answer, struct tl_err *err)
{
    int64_t limit = s->asked->limit;
    enum tl_code rc = TL_OK;

    if (page->full) {
        page->over = true;
        tl_base64url_put(page->next, tl_buf_sv(&page->place));
        TL_TRY(tl_buf_check(page->next, "a cursor", err));
        return TL_OK;
    }
    if (limit >= 0 && page->rows / 2 >= limit)
        TL_TRY(tl_fail(err, TL_ERR_LIMIT,
                       "view '%.*s': the rows at the end of the page have keys that are longer than a cursor may be; "
                       "a range of time instead of a page, or another limit would do",
                       TL_SV_ARG(s->d->view)));
    begin_row(s, answer);
    TL_TRY(page->each(page->ctx, s, answer, err));
    page->rows++;
    if (limit < 0 || page->rows < limit)
        return TL_OK;
    if (page->next == NULL) {
        page->over = true;
        return TL_OK;
    }
    TL_TRY(note_place(s, answer, &page->place, err));
    page->full = (page->place.size + 2) / 3 * 4 <= TL_SELECT_CURSOR_BYTES_MAX;
out:
    return rc;
}

static bool same_statement(const struct slice *a, const struct slice *b)
{
    return a->batch == b->batch && a->speed == b->speed && a->whole == b->whole && (a->run != 0) == (b->run != 0) &&
           (a->from_ms == INT64_MIN) == (b->from_ms == INT64_MIN);
}

static enum tl_code prepare(const struct selection *s, const struct slice *slices, size_t count, const struct slice *all,
                            struct tl_statement **out, struct tl_err *err)
{
    struct tl_buf sql, types;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_init(&types, 0);
    put_statement(&sql, s, slices, count, all);
    for (size_t i = 0; i < s->binds_count; i++)
        tl_buf_put_u8(&types, (uint8_t)s->binds[i].type);
    tl_buf_put_str(&types, s->by_time ? "iii" : "");
    tl_buf_put_u8(&types, '\0');
    TL_TRY(tl_buf_check(&types, "a statement", err));
    TL_TRY(tl_database_prepare(s->store->database, &sql, types.data, out, err, "read %.*s", TL_SV_ARG(s->d->view)));
out:
    tl_buf_done(&sql);
    tl_buf_done(&types);
    return rc;
}

static enum tl_code give_page(struct selection *s, struct page *page, struct tl_err *err)
{
    struct tl_statement *statement = NULL;
    struct tl_answer *answer = NULL;
    struct slice prepared = {.batch = false}, slice;
    size_t own = s->binds_count;
    bool row = false;
    enum tl_code rc = TL_OK;

    page->over = s->asked->limit == 0;
    for (size_t done = 0, width = 1, wide = 1; done < s->slices_count && !page->over; done += width) {
        int64_t before = page->rows;

        width = s->by_time && wide < s->slices_count - done ? wide : s->slices_count - done;
        slice = take_slices(s, done, width);
        s->slice = &slice;
        if (statement == NULL || !same_statement(&prepared, &slice)) {
            tl_statement_close(statement);
            statement = NULL;
            TL_TRY(s->by_time ? prepare(s, &slice, 1, &slice, &statement, err)
                              : prepare(s, s->slices, s->slices_count, &slice, &statement, err));
            prepared = slice;
        }
        TL_TRY(add_bind(s, tl_bind_i64(slice.run), err));
        TL_TRY(add_bind(s, tl_bind_i64(slice.from_ms), err));
        TL_TRY(add_bind(s, tl_bind_i64(slice.to_ms), err));
        s->binds_count = own;
        TL_TRY(tl_statement_stream_binds(statement, s->binds, &answer, err));
        while (!page->over) {
            TL_TRY(tl_answer_next(answer, &row, err));
            if (!row)
                break;
            TL_TRY(give_row(page, s, answer, err));
        }
        wide = page->rows > before ? 1 : wide < SLICES_AT_ONCE ? 2 * wide : wide;
        tl_answer_close(answer);
        answer = NULL;
    }
out:
    s->slice = NULL;
    tl_answer_close(answer);
    tl_statement_close(statement);
    return rc;
}

static enum tl_code take_query(struct selection *s, struct tl_err *err)
{
    const struct tl_select *asked = s->asked;
    enum tl_code rc = TL_OK;

    if (asked->conditions_count > TL_SELECT_CONDITIONS_MAX) {
        refuse(s, "where");
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "where: %d conditions at most", TL_SELECT_CONDITIONS_MAX));
    }
    s->conditions = tl_arena_alloc(&s->arena, (asked->conditions_count + 1) * sizeof *s->conditions);
    if (s->conditions == NULL)
        TL_TRY(tl_fail_memory(err, asked->conditions_count * sizeof *s->conditions));
    for (size_t i = 0; i < asked->conditions_count; i++)
        TL_TRY(take_condition(s, &asked->conditions[i], &s->conditions[i], err));
    TL_TRY(take_order(s, err));
    TL_TRY(place_columns(s, err));
    TL_TRY(take_cursor(s, err));
    s->from_ms = s->d->windowed ? asked->from_ms : tl_add_sat_i64(asked->from_ms, -1);
    s->to_ms = s->d->windowed ? asked->to_ms : tl_add_sat_i64(asked->to_ms, -1);
    for (size_t i = 0; s->cursor != NULL && i < s->order_count; i++)
        if (!s->cursor[i].is_null)
            TL_TRY(add_bind(s,
                            s->order[i].column == beside_column(s, BESIDE_KEY)
                                ? (struct tl_bind){.type = 'b', .sv = s->cursor[i].sv}
                                : bind_of(&s->cursor[i]),
                            err));
    if (s->cursor != NULL && s->by_time && s->descends)
        s->to_ms = tl_min_i64(s->to_ms, s->cursor[0].i64);
    else if (s->cursor != NULL && s->by_time)
        s->from_ms = tl_max_i64(s->from_ms, tl_add_sat_i64(s->cursor[0].i64, -1));
    TL_TRY(tl_known_fill(s->store, s->d->id, &s->about, err));
    TL_TRY(list_slices(s, err));
out:
    return rc;
}

/* `start` is called once all is known to be right. */
static enum tl_code select_rows(struct tl_store *store, const struct tl_select *asked, bool wants_acc,
                                enum tl_code (*start)(void *ctx, const struct selection *s, struct tl_err *err), each_row each,
                                void *ctx, struct tl_buf *next, struct tl_refusal *refusal, struct tl_err *err)
{
    struct selection s = {.store = store, .asked = asked, .refusal = refusal, .wants_acc = wants_acc};
    struct page page = {.each = each, .ctx = ctx, .next = next};
    struct tl_known *d;
    bool mine = false;
    int64_t id = 0;
    enum tl_code rc;

    tl_arena_init(&s.arena, 4096, 0);
    tl_buf_init(&page.place, 0);
    if (refusal != NULL)
        *refusal = (struct tl_refusal){0};
    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_known_active(store, asked->view, &id, err));
    TL_TRY(tl_known_find(store, id, &d, err));
    s.d = d;
    s.view = tl_known_view(d);
    TL_TRY(take_query(&s, err));
    TL_TRY(start(ctx, &s, err));
    TL_TRY(give_page(&s, &page, err));
out:
    tl_store_read_end(store, mine);
    tl_buf_done(&page.place);
    tl_arena_done(&s.arena);
    free(s.binds);
    free(s.slices);
    return rc;
}

/* ---- as values ---- */

struct valued {
    enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count, struct tl_err *err);
    enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err);
    void *ctx;
    struct tl_shape_column *columns;
    struct tl_value *values;
    size_t count;
};

static enum tl_code valued_start(void *ctx, const struct selection *s, struct tl_err *err)
{
    struct valued *v = ctx;
    enum tl_code rc;

    v->count = s->d->columns_count + BESIDE_END;
    v->columns = calloc(v->count, sizeof *v->columns);
    v->values = calloc(v->count, sizeof *v->values);
    if (v->columns == NULL || v->values == NULL)
        TL_TRY(tl_fail_memory(err, v->count * sizeof *v->values));
    for (uint32_t i = 0; i < v->count; i++) {
        bool own = i < s->d->columns_count;

        v->columns[i] =
            own ? s->d->columns[i]
                : (struct tl_shape_column){.name = tl_sv_from(beside[i - s->d->columns_count].name), .role = TL_ROLE_VALUE};
        v->columns[i].kind = tl_merge_view_is_time(kind_of(s, i)) ? TL_TIMESTAMP_LTZ : kind_of(s, i);
    }
    TL_TRY(v->head(v->ctx, v->columns, v->count, err));
out:
    return rc;
}

static enum tl_code valued_row(void *ctx, const struct selection *s, struct tl_answer *answer, struct tl_err *err)
{
    struct valued *v = ctx;

    for (uint32_t i = 0; i < v->count; i++) {
        value_of(s, answer, i, &v->values[i]);
        v->values[i].kind = v->columns[i].kind;
    }
    return v->row(v->ctx, v->values, v->count, err);
}

enum tl_code tl_store_select(struct tl_store *store, const struct tl_select *select,
                             enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count,
                                                  struct tl_err *err),
                             enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err),
                             void *ctx, struct tl_buf *next, struct tl_refusal *refusal, struct tl_err *err)
{
    struct valued v = {.head = head, .row = row, .ctx = ctx};
    enum tl_code rc;

    if (select->orders_count > TL_SELECT_ORDERS_MAX) {
        if (refusal != NULL)
            *refusal = (struct tl_refusal){.parameter = "order"};
        return tl_fail(err, TL_ERR_USAGE, "order: %d columns at most", TL_SELECT_ORDERS_MAX);
    }
    rc = select_rows(store, select, false, valued_start, valued_row, &v, next, refusal, err);

    free(v.columns);
    free(v.values);
    return rc;
}

/* ---- as they are stored ---- */

struct stored {
    enum tl_code (*each)(void *ctx, const struct tl_selected_row *row, struct tl_err *err);
    void *ctx;
    struct tl_value *columns;
};

static enum tl_code stored_start(void *ctx, const struct selection *s, struct tl_err *err)
{
    struct stored *all = ctx;

    all->columns = calloc((size_t)s->d->columns_count + 1, sizeof *all->columns);
    return all->columns != NULL ? TL_OK : tl_fail_memory(err, s->d->columns_count * sizeof *all->columns);
}

static enum tl_code stored_row(void *ctx, const struct selection *s, struct tl_answer *answer, struct tl_err *err)
{
    struct stored *all = ctx;
    const struct placed *beside_placed = s->placed + s->d->columns_count;

    for (uint32_t i = 0; i < s->d->columns_count; i++)
        value_of(s, answer, i, &all->columns[i]);
    return all->each(all->ctx,
                     &(struct tl_selected_row){
                         .stored = {.start_ms = tl_answer_i64(answer, beside_placed[BESIDE_START].at),
                                    .end_ms = s->end_ms,
                                    .key = tl_answer_bytes(answer, beside_placed[BESIDE_KEY].at),
                                    .accumulators = tl_answer_bytes(answer, beside_placed[BESIDE_ACC].at),
                                    .columns = all->columns,
                                    .columns_count = s->d->columns_count},
                         .layer = s->layer,
                         .is_final = is_final(s)
    },
                     err);
}

enum tl_code tl_store_select_rows(struct tl_store *store, const struct tl_select *select,
                                  enum tl_code (*each)(void *ctx, const struct tl_selected_row *row, struct tl_err *err),
                                  void *ctx, struct tl_refusal *refusal, struct tl_err *err)
{
    struct stored all = {.each = each, .ctx = ctx};
    enum tl_code rc = select_rows(store, select, true, stored_start, stored_row, &all, NULL, refusal, err);

    free(all.columns);
    return rc;
}

/* ---- all rows of a view, in an order that people see ---- */

/* By window and then by the view's other columns. */
static enum tl_code orders_of(struct tl_store *store, struct tl_sv view, struct tl_order **out, size_t *count, struct tl_err *err)
{
    struct tl_order *orders = NULL;
    struct tl_known *d;
    int64_t id = 0;
    enum tl_code rc;

    TL_TRY(tl_known_active(store, view, &id, err));
    TL_TRY(tl_known_find(store, id, &d, err));
    orders = calloc(d->stored_count + (size_t)2, sizeof *orders);
    if (orders == NULL)
        TL_TRY(tl_fail_memory(err, d->stored_count * sizeof *orders));
    orders[0].column = TL_SV("_end_ms");
    orders[1].column = TL_SV("_start_ms");
    for (uint32_t i = 0; i < d->stored_count; i++)
        orders[2 + i].column = d->columns[d->stored[i]].name;
    *out = orders;
    *count = d->stored_count + (size_t)2;
out:
    return rc;
}

enum tl_code tl_store_query(struct tl_store *store, const struct tl_query *query,
                            enum tl_code (*head)(void *ctx, const struct tl_shape_column *columns, size_t count,
                                                 struct tl_err *err),
                            enum tl_code (*row)(void *ctx, const struct tl_value *values, size_t count, struct tl_err *err),
                            void *ctx, struct tl_err *err)
{
    struct tl_select select = {
        .view = query->view, .layer = query->layer, .from_ms = query->from_ms, .to_ms = query->to_ms, .limit = query->limit};
    struct valued v = {.head = head, .row = row, .ctx = ctx};
    struct tl_order *orders = NULL;
    bool mine = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(orders_of(store, query->view, &orders, &select.orders_count, err));
    select.orders = orders;
    TL_TRY(select_rows(store, &select, false, valued_start, valued_row, &v, NULL, NULL, err));
out:
    tl_store_read_end(store, mine);
    free(v.columns);
    free(v.values);
    free(orders);
    return rc;
}
