/* change.c: two definitions of a view, side by side. See change.h. */
#include "change.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "sql/plan_text.h"

/* A definition, line by line. */
struct facts {
    struct tl_sv *lines;
    uint32_t count;
};

struct comparison {
    struct tl_arena *memory;
    struct tl_sv text[TL_BOTH];
    struct facts facts[TL_BOTH];
    struct tl_change *change;
    const char **words;
    struct tl_err *err;
};

static bool is_of(struct tl_sv line, const char *fact)
{
    struct tl_sv name = tl_sv_from(fact);

    return line.data != NULL && tl_sv_starts(line, name) && (line.size == name.size || line.data[name.size] == ' ');
}

static struct tl_sv behind(struct tl_sv line, const char *fact)
{
    size_t size = strlen(fact);

    return line.size > size ? (struct tl_sv){line.data + size + 1, line.size - size - 1} : (struct tl_sv){line.data, 0};
}

static enum tl_code split(struct comparison *c, int side, struct tl_sv text)
{
    struct facts *facts = &c->facts[side];

    for (size_t i = 0; i < text.size; i++)
        facts->count += text.data[i] == '\n';
    facts->lines = tl_arena_alloc(c->memory, (facts->count + 1u) * sizeof *facts->lines);
    if (facts->lines == NULL)
        return tl_fail_memory(c->err, facts->count * sizeof *facts->lines);
    for (uint32_t l = 0; l < facts->count; l++)
        facts->lines[l] = tl_sv_cut(&text, '\n');
    return TL_OK;
}

/* The first line of the fact. Data NULL: there is none. */
static struct tl_sv line_of(const struct facts *facts, const char *fact)
{
    for (uint32_t l = 0; l < facts->count; l++)
        if (is_of(facts->lines[l], fact))
            return facts->lines[l];
    return (struct tl_sv){NULL, 0};
}

static bool has_line(const struct facts *facts, struct tl_sv line)
{
    for (uint32_t l = 0; l < facts->count; l++)
        if (tl_sv_eq(facts->lines[l], line))
            return true;
    return false;
}

static uint32_t count_of(const struct facts *facts, const char *fact)
{
    uint32_t count = 0;

    for (uint32_t l = 0; l < facts->count; l++)
        count += is_of(facts->lines[l], fact);
    return count;
}

TL_PRINTF(2, 3) static enum tl_code say(struct comparison *c, const char *fmt, ...)
{
    struct tl_sv kept;
    char text[900];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!tl_arena_copy(c->memory, tl_sv_from(text), &kept))
        return tl_fail_memory(c->err, sizeof text);
    c->words[c->change->words_count++] = kept.data;
    return TL_OK;
}

/* ---- columns and keys ---- */

static enum tl_kind kind_named(struct tl_sv name)
{
    for (int kind = TL_BOOLEAN; kind <= TL_NULL; kind++)
        if (tl_sv_eq(tl_sv_from(tl_kind_name((enum tl_kind)kind)), name))
            return (enum tl_kind)kind;
    return TL_NULL;
}

/* A name as tl_name_print writes it, taken from the front of the text, with the space behind it. */
static struct tl_sv take_name(struct comparison *c, struct tl_sv *text)
{
    struct tl_buf plain;
    struct tl_sv name = {NULL, 0};
    size_t i = 1;

    if (text->size == 0 || text->data[0] != '`')
        return tl_sv_cut(text, ' ');
    tl_buf_init(&plain, 0);
    for (; i < text->size; i++) {
        if (text->data[i] == '`' && (++i == text->size || text->data[i] != '`'))
            break;
        tl_buf_put(&plain, text->data + i, 1);
    }
    if (plain.failed || !tl_arena_copy(c->memory, tl_buf_sv(&plain), &name))
        name = (struct tl_sv){NULL, 0};
    tl_buf_done(&plain);
    *text = i < text->size ? (struct tl_sv){text->data + i + 1, text->size - i - 1} : (struct tl_sv){text->data, 0};
    return name;
}

struct output {
    struct tl_sv name, expr;
    enum tl_kind kind;
};

static enum tl_code outputs_of(struct comparison *c, int side, struct output **out)
{
    const struct facts *facts = &c->facts[side];
    uint32_t count = count_of(facts, "output"), at = 0;
    struct output *outputs = tl_arena_zalloc(c->memory, (count + 1u) * sizeof *outputs);
    enum tl_kind *kinds = tl_arena_zalloc(c->memory, (count + 1u) * sizeof *kinds);

    if (outputs == NULL || kinds == NULL)
        return tl_fail_memory(c->err, count * sizeof *outputs);
    for (uint32_t l = 0; l < facts->count; l++) {
        struct tl_sv rest = behind(facts->lines[l], "output");

        if (!is_of(facts->lines[l], "output"))
            continue;
        outputs[at].name = take_name(c, &rest);
        outputs[at].kind = kinds[at] = kind_named(tl_sv_cut(&rest, ' '));
        outputs[at++].expr = rest;
    }
    c->change->column_kinds[side] = kinds;
    c->change->side_columns_count[side] = count;
    *out = outputs;
    return TL_OK;
}

static int32_t find_output(const struct output *outputs, uint32_t count, struct tl_sv name)
{
    for (uint32_t o = 0; o < count; o++)
        if (tl_sv_eq(outputs[o].name, name))
            return (int32_t)o;
    return -1;
}

static bool is_key(const struct facts *facts, const struct output *output)
{
    for (uint32_t l = 0; l < facts->count; l++) {
        struct tl_sv rest = behind(facts->lines[l], "key");

        if (!is_of(facts->lines[l], "key"))
            continue;
        (void)tl_sv_cut(&rest, ' ');
        if (tl_sv_eq(rest, output->expr))
            return true;
    }
    return false;
}

static bool names_group(const struct comparison *c, int side, const struct output *output)
{
    static const char *const bounds[] = {"window_start", "window_end", "window_time"};

    for (size_t b = 0; c->change->windowed[side] && b < TL_COUNT(bounds); b++)
        if (tl_sv_eq(output->expr, tl_sv_from(bounds[b])))
            return true;
    return is_key(&c->facts[side], output);
}

/* Without windows each row is an event: its numbers add up. */
static bool adds_up(const struct tl_change *change, int side, const struct output *output)
{
    return !change->windowed[side] ||
           ((tl_sv_starts(output->expr, TL_SV("COUNT(")) || tl_sv_starts(output->expr, TL_SV("SUM("))) &&
            !tl_sv_starts(output->expr, TL_SV("COUNT(DISTINCT ")) && !tl_sv_starts(output->expr, TL_SV("SUM(DISTINCT ")));
}

static void fill_column(struct comparison *c, struct tl_change_column *column, const struct output *old_output,
                        const struct output *new_output)
{
    enum tl_kind old_kind = old_output->kind, new_kind = new_output->kind;
    bool numbers = tl_kind_is_numeric(old_kind) && tl_kind_is_numeric(new_kind);

    column->compared = old_kind == new_kind || numbers;
    column->names_group = names_group(c, TL_OLD, old_output) && names_group(c, TL_NEW, new_output);
    column->number = numbers && !column->names_group;
    column->sums_up = column->number && adds_up(c->change, TL_OLD, old_output) && adds_up(c->change, TL_NEW, new_output);
}

static enum tl_code say_columns(struct comparison *c, const struct output *olds, const struct output *news)
{
    bool moved = false;
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < c->change->columns_count; i++) {
        const struct tl_change_column *column = &c->change->columns[i];
        const struct output *was = column->at[TL_OLD] >= 0 ? &olds[column->at[TL_OLD]] : NULL;
        const struct output *is = column->at[TL_NEW] >= 0 ? &news[column->at[TL_NEW]] : NULL;

        if (was == NULL && is != NULL) {
            TL_TRY(say(c, "column %.*s added: %s %.*s", TL_SV_ARG(column->name), tl_kind_name(is->kind), TL_SV_ARG(is->expr)));
        } else if (is == NULL) {
            TL_TRY(say(c, "column %.*s removed", TL_SV_ARG(column->name)));
        } else if (was != NULL) {
            if (was->kind != is->kind)
                TL_TRY(say(c, "column %.*s retyped: %s -> %s%s", TL_SV_ARG(column->name), tl_kind_name(was->kind),
                           tl_kind_name(is->kind), column->compared ? "" : "; its values are not compared"));
            if (!tl_sv_eq(was->expr, is->expr)) {
                c->change->values_differ = c->change->values_differ || !column->names_group;
                TL_TRY(say(c, "column %.*s: %.*s -> %.*s", TL_SV_ARG(column->name), TL_SV_ARG(was->expr), TL_SV_ARG(is->expr)));
            }
            moved = moved || column->at[TL_OLD] != column->at[TL_NEW];
        }
    }
    if (moved && c->change->words_count == 0)
        TL_TRY(say(c, "the columns stand in another order"));
out:
    return rc;
}

static enum tl_code compare_columns(struct comparison *c)
{
    struct tl_change *change = c->change;
    struct output *outputs[TL_BOTH];
    struct tl_change_column *columns;
    uint32_t count = 0, news, olds;
    enum tl_code rc;

    TL_TRY(outputs_of(c, TL_OLD, &outputs[TL_OLD]));
    TL_TRY(outputs_of(c, TL_NEW, &outputs[TL_NEW]));
    olds = change->side_columns_count[TL_OLD];
    news = change->side_columns_count[TL_NEW];
    columns = tl_arena_zalloc(c->memory, (olds + news + 1u) * sizeof *columns);
    if (columns == NULL)
        TL_TRY(tl_fail_memory(c->err, (olds + news) * sizeof *columns));
    for (uint32_t n = 0; n < news; n++) {
        struct tl_change_column *column = &columns[count++];

        column->name = outputs[TL_NEW][n].name;
        column->kind[TL_NEW] = outputs[TL_NEW][n].kind;
        column->at[TL_NEW] = (int32_t)n;
        column->at[TL_OLD] = find_output(outputs[TL_OLD], olds, column->name);
        if (column->at[TL_OLD] < 0)
            continue;
        column->kind[TL_OLD] = outputs[TL_OLD][column->at[TL_OLD]].kind;
        fill_column(c, column, &outputs[TL_OLD][column->at[TL_OLD]], &outputs[TL_NEW][n]);
    }
    for (uint32_t o = 0; o < olds; o++) {
        if (find_output(outputs[TL_NEW], news, outputs[TL_OLD][o].name) >= 0)
            continue;
        columns[count] = (struct tl_change_column){.name = outputs[TL_OLD][o].name};
        columns[count].at[TL_OLD] = (int32_t)o;
        columns[count].at[TL_NEW] = -1;
        columns[count++].kind[TL_OLD] = outputs[TL_OLD][o].kind;
    }
    change->columns = columns;
    change->columns_count = count;
    TL_TRY(say_columns(c, outputs[TL_OLD], outputs[TL_NEW]));
out:
    return rc;
}

/* The lines of the keys, in their order. */
static enum tl_code keys_of(struct comparison *c, int side, struct tl_sv **out)
{
    const struct facts *facts = &c->facts[side];
    uint32_t count = count_of(facts, "key"), at = 0;
    struct tl_sv *lines = tl_arena_zalloc(c->memory, (count + 1u) * sizeof *lines);
    enum tl_kind *kinds = tl_arena_zalloc(c->memory, (count + 1u) * sizeof *kinds);

    if (lines == NULL || kinds == NULL)
        return tl_fail_memory(c->err, count * sizeof *lines);
    for (uint32_t l = 0; l < facts->count; l++) {
        struct tl_sv rest = behind(facts->lines[l], "key");

        if (!is_of(facts->lines[l], "key"))
            continue;
        lines[at] = facts->lines[l];
        kinds[at++] = kind_named(tl_sv_cut(&rest, ' '));
    }
    c->change->key_kinds[side] = kinds;
    c->change->keys_count[side] = count;
    *out = lines;
    return TL_OK;
}

static enum tl_code compare_keys(struct comparison *c)
{
    struct tl_change *change = c->change;
    struct tl_sv *lines[TL_BOTH];
    uint32_t olds, news, paired = 0, *key_of, *common[TL_BOTH];
    enum tl_code rc;

    TL_TRY(keys_of(c, TL_OLD, &lines[TL_OLD]));
    TL_TRY(keys_of(c, TL_NEW, &lines[TL_NEW]));
    olds = change->keys_count[TL_OLD];
    news = change->keys_count[TL_NEW];
    key_of = tl_arena_zalloc(c->memory, (news + 1u) * sizeof *key_of);
    common[TL_OLD] = tl_arena_zalloc(c->memory, (news + 1u) * sizeof *key_of);
    common[TL_NEW] = tl_arena_zalloc(c->memory, (news + 1u) * sizeof *key_of);
    if (key_of == NULL || common[TL_OLD] == NULL || common[TL_NEW] == NULL)
        TL_TRY(tl_fail_memory(c->err, news * sizeof *key_of));
    for (uint32_t n = 0; n < news; n++)
        for (uint32_t o = 0; o < olds; o++)
            if (tl_sv_eq(lines[TL_OLD][o], lines[TL_NEW][n])) {
                key_of[n] = o;
                common[TL_OLD][change->common_count] = o;
                common[TL_NEW][change->common_count++] = n;
                break;
            }
    for (uint32_t n = 0; olds == news && n < news; n++)
        paired += change->key_kinds[TL_OLD][n] == change->key_kinds[TL_NEW][n];
    change->keys = olds != news                   ? TL_KEYS_OTHER
                   : change->common_count == news ? TL_KEYS_SAME
                   : paired == news               ? TL_KEYS_PAIRED
                                                  : TL_KEYS_OTHER;
    for (uint32_t n = 0; change->keys == TL_KEYS_PAIRED && n < news; n++)
        key_of[n] = n;
    change->key_of = key_of;
    change->common[TL_OLD] = common[TL_OLD];
    change->common[TL_NEW] = common[TL_NEW];
    for (int side = 0; side < TL_BOTH; side++)
        for (uint32_t k = 0; k < change->keys_count[side]; k++)
            if (!has_line(&c->facts[1 - side], lines[side][k]))
                TL_TRY(say(c, "key %s: %.*s", side == TL_OLD ? "removed" : "added", TL_SV_ARG(behind(lines[side][k], "key"))));
out:
    return rc;
}

/* ---- the other facts ---- */

static const struct {
    const char *fact, *word;
} single[] = {
    {"zone",                "time zone"          },
    {"topic",               "topic"              },
    {"topic-pattern",       "topics"             },
    {"time",                "event time"         },
    {"watermark",           "watermark"          },
    {"lateness",            "allowed lateness"   },
    {"skew",                "largest skew"       },
    {"event",               "largest event"      },
    {"dedup",               "key of duplicates"  },
    {"filter",              "filter"             },
    {"window",              "window"             },
    {"rows of the view",    "rows of the view"   },
    {"windows of the view", "windows of the view"},
    {"having",              "HAVING"             },
};

static enum tl_code say_single(struct comparison *c)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < TL_COUNT(single); i++) {
        const char *fact = single[i].fact, *word = single[i].word;
        struct tl_sv was = line_of(&c->facts[TL_OLD], fact), is = line_of(&c->facts[TL_NEW], fact);

        if (tl_sv_eq(was, is) && (was.data == NULL) == (is.data == NULL))
            continue;
        if (was.data == NULL)
            TL_TRY(say(c, "%s added: %.*s", word, TL_SV_ARG(behind(is, fact))));
        else if (is.data == NULL)
            TL_TRY(say(c, "%s removed: %.*s", word, TL_SV_ARG(behind(was, fact))));
        else
            TL_TRY(say(c, "%s: %.*s -> %.*s", word, TL_SV_ARG(behind(was, fact)), TL_SV_ARG(behind(is, fact))));
    }
    if (!tl_sv_eq(line_of(&c->facts[TL_OLD], "view"), line_of(&c->facts[TL_NEW], "view")))
        TL_TRY(say(c, "the view that it reads has changed"));
out:
    return rc;
}

static bool is_same(const struct comparison *c, const char *fact)
{
    return tl_sv_eq(line_of(&c->facts[TL_OLD], fact), line_of(&c->facts[TL_NEW], fact));
}

/* TIMESTAMP has no zone, and its windows none either. */
static bool clocks_match(const struct comparison *c)
{
    struct tl_sv kinds[TL_BOTH];

    for (int side = 0; side < TL_BOTH; side++) {
        struct tl_sv rest = behind(line_of(&c->facts[side], "time"), "time");

        kinds[side] = tl_sv_cut(&rest, ' ');
    }
    return is_same(c, "zone") && tl_sv_eq(kinds[TL_OLD], kinds[TL_NEW]);
}

static int64_t number_behind(struct tl_sv line, const char *word)
{
    int64_t number = -1;

    while (line.size > 0)
        if (tl_sv_eq(tl_sv_cut(&line, ' '), tl_sv_from(word)))
            return tl_sv_to_i64(tl_sv_cut(&line, ' '), &number) ? number : -1;
    return -1;
}

/* Is it TUMBLE, or as good as that: HOP and CUMULATE of one pane? */
static bool tumbles(struct tl_sv line, int64_t *size_ms, int64_t *offset_ms)
{
    int64_t pane_ms = number_behind(line, is_of(line, "window HOP") ? "slide" : is_of(line, "window CUMULATE") ? "step" : "size");

    *size_ms = number_behind(line, "size");
    *offset_ms = number_behind(line, "offset");
    if (*size_ms <= 0 || pane_ms != *size_ms)
        return false;
    *offset_ms = (*offset_ms % *size_ms + *size_ms) % *size_ms;
    return true;
}

static bool tumble_alike(struct tl_sv was, struct tl_sv is)
{
    int64_t size_ms[TL_BOTH], offset_ms[TL_BOTH];

    return tumbles(was, &size_ms[TL_OLD], &offset_ms[TL_OLD]) && tumbles(is, &size_ms[TL_NEW], &offset_ms[TL_NEW]) &&
           size_ms[TL_OLD] == size_ms[TL_NEW] && offset_ms[TL_OLD] == offset_ms[TL_NEW];
}

/* SESSION and COUNT_WINDOW: groups are held against each other by key and overlap, however long they are. */
static bool windows_match(const struct comparison *c)
{
    struct tl_sv was = line_of(&c->facts[TL_OLD], "window"), is = line_of(&c->facts[TL_NEW], "window");
    bool spans = (tl_sv_starts(was, TL_SV("window SESSION ")) && tl_sv_starts(is, TL_SV("window SESSION "))) ||
                 (tl_sv_starts(was, TL_SV("window COUNT_WINDOW ")) && tl_sv_starts(is, TL_SV("window COUNT_WINDOW ")));

    return (tl_sv_eq(was, is) || tumble_alike(was, is) || spans) && (was.data == NULL || clocks_match(c)) &&
           is_same(c, "rows of the view") && is_same(c, "windows of the view");
}

static void judge(struct comparison *c, bool inner_same)
{
    struct tl_change *change = c->change;

    change->windows_same = change->windowed[TL_OLD] == change->windowed[TL_NEW] && windows_match(c);
    change->comparable = change->windows_same && change->keys != TL_KEYS_OTHER && inner_same;
    change->window_differs = !is_same(c, "window");
    change->filter_differs = !is_same(c, "filter");
    change->events_same = tl_normalised_same_events(c->text[TL_OLD], c->text[TL_NEW]);
    change->values_differ = change->values_differ || !is_same(c, "having");
    for (int side = 0; side < TL_BOTH; side++)
        for (uint32_t l = 0; l < c->facts[side].count; l++)
            if (is_of(c->facts[side].lines[l], "aggregate") && !has_line(&c->facts[1 - side], c->facts[side].lines[l]))
                change->values_differ = true;
}

enum tl_code tl_change_of(struct tl_arena *memory, struct tl_sv old_text, struct tl_sv new_text, bool inner_same,
                          struct tl_change *out, struct tl_err *err)
{
    struct comparison c = {
        .memory = memory, .text = {old_text, new_text},
             .change = out, .err = err
    };
    enum tl_code rc;

    *out = (struct tl_change){0};
    TL_TRY(split(&c, TL_OLD, old_text));
    TL_TRY(split(&c, TL_NEW, new_text));
    c.words = tl_arena_zalloc(memory, (TL_COUNT(single) + 2 * (c.facts[TL_OLD].count + c.facts[TL_NEW].count) + 4u) *
                                          sizeof(const char *));
    if (c.words == NULL)
        TL_TRY(tl_fail_memory(err, TL_COUNT(single) * sizeof(const char *)));
    for (int side = 0; side < TL_BOTH; side++)
        out->windowed[side] = line_of(&c.facts[side], "window").data != NULL || line_of(&c.facts[side], "view").data != NULL;
    TL_TRY(say_single(&c));
    TL_TRY(compare_keys(&c));
    TL_TRY(compare_columns(&c));
    judge(&c, inner_same);
    if (out->words_count == 0 && !tl_sv_eq(old_text, new_text)) /* a column of another type, say */
        TL_TRY(say(&c, "columns that are read: %.*s -> %.*s", TL_SV_ARG(behind(line_of(&c.facts[TL_OLD], "columns"), "columns")),
                   TL_SV_ARG(behind(line_of(&c.facts[TL_NEW], "columns"), "columns"))));
    out->words = c.words;
out:
    return rc;
}

bool tl_change_loses_columns(const struct tl_change *change)
{
    for (uint32_t c = 0; c < change->columns_count; c++)
        if (change->columns[c].at[TL_OLD] >= 0 && !change->columns[c].compared)
            return true;
    return false;
}

bool tl_change_keys_stand(const struct tl_change *change)
{
    for (uint32_t n = 0; n < change->keys_count[TL_NEW]; n++)
        if (change->key_of[n] != n)
            return false;
    return change->keys == TL_KEYS_SAME;
}
