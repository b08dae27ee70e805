/* check.c: a checks file -> checks in one arena: read, parse, bind; and what they say, as text. */
#include "sql/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "sql/bind.h"
#include "sql/plan_text.h"

enum { ARENA_CHUNK_BYTES = 16 * 1024, ARENA_BYTES_MAX = 256 << 20 };

const char *tl_violation_name(enum tl_violation violation)
{
    static const char *const names[] = {
        [TL_VIOLATION_WARN] = "warn", [TL_VIOLATION_DROP_ROW] = "drop row", [TL_VIOLATION_FAIL_UPDATE] = "fail update"};

    return names[violation];
}

/* --- text ------------------------------------------------------------------------------------------------------------------- */

void tl_row_check_print(const struct tl_plan *plan, const struct tl_row_check *check, struct tl_buf *out)
{
    tl_expr_print(check->expected, &plan->sources[check->source], NULL, out);
}

static void bound_print(const struct tl_table_check *check, double bound, struct tl_buf *out)
{
    if (check->measure == TL_MEASURE_FRESHNESS)
        tl_interval_print((int64_t)bound, out);
    else if (bound == floor(bound) && fabs(bound) < 1e15)
        tl_buf_printf(out, "%.0f", bound);
    else
        tl_double_print(bound, out);
}

static void bounds_print(const struct tl_table_check *check, struct tl_buf *out)
{
    if (check->low == check->high) {
        tl_buf_put_str(out, " = ");
        bound_print(check, check->low, out);
    } else if (isinf(check->low)) {
        tl_buf_put_str(out, check->high_open ? " < " : " <= ");
        bound_print(check, check->high_open ? nextafter(check->high, INFINITY) : check->high, out);
    } else if (isinf(check->high)) {
        tl_buf_put_str(out, check->low_open ? " > " : " >= ");
        bound_print(check, check->low_open ? nextafter(check->low, -INFINITY) : check->low, out);
    } else {
        tl_buf_put_str(out, " BETWEEN ");
        bound_print(check, check->low, out);
        tl_buf_put_str(out, " AND ");
        bound_print(check, check->high, out);
    }
    if (check->median_days > 0)
        tl_buf_printf(out, " PERCENT OF MEDIAN OVER %u DAY%s", check->median_days, check->median_days == 1 ? "" : "S");
}

static void columns_print(const struct tl_plan *plan, const struct tl_table_check *check, struct tl_buf *out)
{
    for (uint32_t i = 0; i < check->columns_count; i++) {
        tl_buf_put_str(out, i > 0 ? ", " : "");
        tl_name_print(plan->views[check->view].outputs[check->columns[i]].name, out);
    }
}

void tl_table_check_print(const struct tl_plan *plan, const struct tl_table_check *check, struct tl_buf *out)
{
    static const char *const names[] = {
        [TL_MEASURE_ROW_COUNT] = "ROW_COUNT",    [TL_MEASURE_SUM] = "SUM(",
        [TL_MEASURE_NULL_SHARE] = "NULL_SHARE(", [TL_MEASURE_UNIQUE] = "UNIQUE (",
        [TL_MEASURE_FRESHNESS] = "FRESHNESS",    [TL_MEASURE_ALLOWED] = "",
    };

    tl_buf_put_str(out, names[check->measure]);
    columns_print(plan, check, out);
    switch (check->measure) {
    case TL_MEASURE_SUM:
    case TL_MEASURE_NULL_SHARE: tl_buf_put_str(out, ")"); break;
    case TL_MEASURE_UNIQUE: tl_buf_put_str(out, ")"); return;
    case TL_MEASURE_ALLOWED:
        tl_buf_put_str(out, " IN (");
        for (uint32_t i = 0; i < check->allowed_count; i++) {
            tl_buf_put_str(out, i > 0 ? ", " : "");
            tl_constant_print(&check->allowed[i], out);
        }
        tl_buf_put_str(out, ")");
        return;
    case TL_MEASURE_ROW_COUNT:
    case TL_MEASURE_FRESHNESS: break;
    }
    bounds_print(check, out);
}

static void label_print(const char *label, struct tl_buf *out)
{
    tl_buf_printf(out, "  %-13s", label);
}

/* A list of 10,000 hosts is no help on a terminal. */
static void shortened_print(const struct tl_buf *text, struct tl_buf *out)
{
    enum { SHOWN = 400 };
    size_t size = text->size;

    if (size > SHOWN)
        for (size = SHOWN; size > 0 && ((unsigned char)text->data[size] & 0xC0u) == 0x80u; size--)
            ;
    tl_buf_put(out, text->data, size);
    tl_buf_put_str(out, size < text->size ? " ...\n" : "\n");
}

static void check_print(const char *what, struct tl_sv name, struct tl_sv of, struct tl_place place,
                        const struct tl_buf *expected, const char *otherwise, struct tl_buf *out)
{
    tl_buf_printf(out, "\n%s ", what);
    tl_name_print(name, out);
    tl_buf_put_str(out, " of ");
    tl_name_print(of, out);
    tl_buf_printf(out, "  (line %u)\n", place.line);
    label_print("expects", out);
    shortened_print(expected, out);
    label_print("otherwise", out);
    tl_buf_printf(out, "%s\n", otherwise);
}

void tl_checks_print(const struct tl_checks *checks, const struct tl_plan *plan, const struct tl_view *view, struct tl_buf *out)
{
    static const char *const of_rows[] = {
        [TL_VIOLATION_WARN] = "the event counts all the same; batch says how many there are",
        [TL_VIOLATION_DROP_ROW] = "the event is in no row of batch; it stands in tally_quarantine",
        [TL_VIOLATION_FAIL_UPDATE] = "the range is not published, in none of the table's views"};
    static const char *const of_tables[] = {
        [TL_VIOLATION_WARN] = "the range is published all the same; batch says what was measured",
        [TL_VIOLATION_FAIL_UPDATE] = "the range is not published, and what was published of it stays"};
    struct tl_buf text;

    tl_buf_init(&text, 0);
    for (uint32_t i = 0; i < checks->rows_count; i++) {
        const struct tl_row_check *check = &checks->rows[i];

        if (view != NULL && check->source != view->source)
            continue;
        tl_buf_clear(&text);
        tl_row_check_print(plan, check, &text);
        check_print("row check", check->name, plan->sources[check->source].name, check->place, &text, of_rows[check->violation],
                    out);
    }
    for (uint32_t i = 0; i < checks->tables_count; i++) {
        const struct tl_table_check *check = &checks->tables[i];

        if (view != NULL && check->view != (uint32_t)(view - plan->views))
            continue;
        tl_buf_clear(&text);
        tl_table_check_print(plan, check, &text);
        check_print("table check", check->name, plan->views[check->view].name, check->place, &text, of_tables[check->violation],
                    out);
    }
    out->failed = out->failed || text.failed;
    tl_buf_done(&text);
}

/* --- the file --------------------------------------------------------------------------------------------------------------- */

/* Of what is checked, not of how it is written. */
static enum tl_code hash_make(struct tl_checks *checks, const struct tl_plan *plan, struct tl_err *err)
{
    XXH128_canonical_t hash;
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 64u << 20);
    for (uint32_t i = 0; i < checks->rows_count; i++) {
        const struct tl_row_check *check = &checks->rows[i];

        tl_buf_put_block(&text, check->name);
        tl_buf_put_block(&text, plan->sources[check->source].name);
        tl_buf_put_str(&text, tl_violation_name(check->violation));
        tl_row_check_print(plan, check, &text);
        tl_buf_put_u8(&text, '\n');
    }
    for (uint32_t i = 0; i < checks->tables_count; i++) {
        const struct tl_table_check *check = &checks->tables[i];

        tl_buf_put_block(&text, check->name);
        tl_buf_put_block(&text, plan->views[check->view].name);
        tl_buf_put_str(&text, tl_violation_name(check->violation));
        tl_table_check_print(plan, check, &text);
        tl_buf_put_u8(&text, '\n');
    }
    TL_TRY(tl_buf_check(&text, "the checks", err));
    XXH128_canonicalFromHash(&hash, XXH3_128bits(text.data, text.size));
    for (size_t i = 0; i < sizeof hash.digest; i++)
        snprintf(checks->hash + 2 * i, 3, "%02x", hash.digest[i]);
out:
    tl_buf_done(&text);
    return rc;
}

static enum tl_code checks_fill(struct tl_checks *checks, struct tl_sv text, const char *name, struct tl_plan *plan,
                                struct tl_err *err)
{
    struct tl_script *script = tl_arena_zalloc(&checks->arena, sizeof *script);
    struct tl_plan_notes notes = *plan->notes; /* its settings are what they were */
    struct tl_bind bind = {.plan = plan,
                           .arena = &checks->arena,
                           .catalog = notes.catalog,
                           .script = script,
                           .err = err,
                           .settings = notes.settings,
                           .zone = plan->settings.zone,
                           .relations = notes.relations,
                           .notes = &notes};
    struct tl_sv copy;
    enum tl_code rc;

    if (script == NULL || !tl_arena_copy(&checks->arena, tl_sv_from(name), &copy))
        return tl_fail_memory(err, sizeof *script);
    TL_TRY(tl_sql_parse(TL_SQL_CHECKS, text, copy.data, &checks->arena, script, err));
    bind.text = &script->text;
    TL_TRY(tl_bind_checks(&bind, checks));
    TL_TRY(hash_make(checks, plan, err));
out:
    return rc;
}

enum tl_code tl_checks_parse(struct tl_sv text, const char *name, struct tl_plan *plan, struct tl_checks **out,
                             struct tl_err *err)
{
    struct tl_checks *checks = calloc(1, sizeof *checks);
    enum tl_code rc;

    if (checks == NULL)
        return tl_fail_memory(err, sizeof *checks);
    tl_arena_init(&checks->arena, ARENA_CHUNK_BYTES, ARENA_BYTES_MAX);
    rc = checks_fill(checks, text, name, plan, err);
    if (rc != TL_OK) {
        tl_checks_close(checks);
        return rc;
    }
    *out = checks;
    return TL_OK;
}

enum tl_code tl_checks_load(const char *path, struct tl_plan *plan, struct tl_checks **out, struct tl_err *err)
{
    struct tl_buf text;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    TL_TRY(tl_sql_read("checks", path, &text, err));
    rc = tl_checks_parse(tl_buf_sv(&text), path, plan, out, err);
out:
    tl_buf_done(&text);
    return rc;
}

void tl_checks_close(struct tl_checks *checks)
{
    if (checks == NULL)
        return;
    tl_arena_done(&checks->arena);
    free(checks);
}
