/* store_sqlite_definition.c: definitions in the SQLite store: their tables and columns, which one is active, the swap.
 *
 * An active definition's tables are <view>_speed and <view>_batch, and <view>_state where it has state beside its rows; one that is being
 * built beside it has <view>_speed__<8 hex> and so on.
 * The swap is one transaction: the old tables go, the new ones take their names, and the merged view is made for them. legacy_alter_table
 * is on for writers, so that a rename neither rewrites nor trips over views that people made on top of ours. */
#include "store/store_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/schema.h"

/* clang-format off */
static const char sql_by_hash[] = "SELECT definition FROM tally_definition WHERE view = ?1 AND hash = ?2 AND state <> 'retired'";
static const char sql_active_of[] = "SELECT definition FROM tally_definition WHERE view = ?1 AND state = 'active'";
static const char sql_object_named[] = "SELECT count(*) FROM sqlite_master WHERE name = ?1 COLLATE NOCASE";
static const char sql_add_definition[] =
    "INSERT INTO tally_definition (view, hash, state, windowed, lateness_ms, normaliser, topic, comment, normalised, state_beside,"
    " cut_per_key, key_tail_bytes, ends_open) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) RETURNING definition";
static const char sql_add_column[] = "INSERT INTO tally_column VALUES (?1, ?2, ?3, ?4, ?5)";
static const char sql_add_progress[] = "INSERT INTO tally_progress VALUES (?1, ?2, ?2, 0, 0)";
static const char sql_state[] = "SELECT state FROM tally_definition WHERE definition = ?1";
static const char sql_set_state[] = "UPDATE tally_definition SET state = ?2 WHERE definition = ?1";
static const char sql_facts[] =
    "SELECT view, hash, windowed, lateness_ms, topic, normalised, state_beside, cut_per_key, key_tail_bytes, ends_open FROM tally_definition"
    " WHERE definition = ?1";
static const char sql_columns_count[] = "SELECT count(*) FROM tally_column WHERE definition = ?1";
static const char sql_columns[] = "SELECT name, kind, role FROM tally_column WHERE definition = ?1 ORDER BY position";
static const char sql_progress[] =
    "SELECT g.final_ms, g.boundary_ms, g.speed_ready, EXISTS (SELECT 1 FROM tally_offset AS o WHERE o.definition = g.definition)"
    " FROM tally_progress AS g WHERE g.definition = ?1";
static const char sql_all[] = "SELECT definition FROM tally_definition WHERE state <> 'retired' ORDER BY definition";
static const char sql_view_names[] = "SELECT view FROM tally_definition WHERE state = 'active' ORDER BY view";
static const char sql_older_of_view[] =
    "SELECT definition FROM tally_definition WHERE view = ?1 AND definition <> ?2 AND (state = 'active' OR (state = 'building' AND definition < ?2))";
static const char *const sql_forget[] = {
    "DELETE FROM tally_progress WHERE definition = ?1", "DELETE FROM tally_offset WHERE definition = ?1",
    "DELETE FROM tally_outcome WHERE definition = ?1",  "DELETE FROM tally_ledger WHERE definition = ?1",
    "DELETE FROM tally_pointer WHERE definition = ?1",  "DELETE FROM tally_cut WHERE definition = ?1",
    "DELETE FROM tally_quarantine WHERE definition = ?1", "DELETE FROM tally_dedup WHERE lane = ?1",
    "DELETE FROM tally_open WHERE definition = ?1",
    /* What `tally runs` counts stays; the carry was the old definition's. */
    "UPDATE tally_run_range SET carry = x'' WHERE definition = ?1",
};
static const char sql_drop_lane[] = "DELETE FROM tally_dedup WHERE lane = ?1";
/* clang-format on */

static const struct {
    enum tl_column_role role;
    const char *name;
} roles[] = {
    {TL_ROLE_VALUE,        "value"       },
    {TL_ROLE_KEY,          "key"         },
    {TL_ROLE_WINDOW_START, "window_start"},
    {TL_ROLE_WINDOW_END,   "window_end"  },
    {TL_ROLE_WINDOW_TIME,  "window_time" },
};

static const char *const states[] = {
    [TL_DEFINITION_BUILDING] = "building", [TL_DEFINITION_ACTIVE] = "active", [TL_DEFINITION_RETIRED] = "retired"};

/* ---- names and tables ---- */

static void put_table_name(struct tl_buf *out, struct tl_sv view, const char *what, const char *hash,
                           enum tl_definition_state state)
{
    tl_buf_put_sv(out, view);
    tl_buf_put_str(out, what);
    if (state == TL_DEFINITION_BUILDING)
        tl_buf_printf(out, "__%.8s", hash);
}

static void put_type(struct tl_buf *out, enum tl_kind kind)
{
    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: tl_buf_put_str(out, " INTEGER"); break;
    case TL_FORM_F64: tl_buf_put_str(out, " REAL"); break;
    case TL_FORM_TEXT: tl_buf_put_str(out, " TEXT"); break;
    }
}

/* Batch's table has _run in front of the key, speed's has _change. */
static void put_create_table(struct tl_buf *out, const struct tl_shape *shape, struct tl_sv table, bool batch)
{
    tl_buf_put_str(out, "CREATE TABLE ");
    tl_merge_view_put_name(out, table);
    tl_buf_put_str(out, " (");
    for (uint32_t i = 0; i < shape->columns_count; i++) {
        const struct tl_shape_column *column = &shape->columns[i];

        if (tl_merge_view_is_window(column->role))
            continue;
        tl_sq_put_stored_name(out, column);
        put_type(out, column->kind);
        tl_buf_put_str(out, ", ");
    }
    if (batch)
        tl_buf_put_str(out, "_run INTEGER NOT NULL, ");
    tl_buf_put_str(out, "_end_ms INTEGER NOT NULL, _start_ms INTEGER NOT NULL, _key BLOB NOT NULL, ");
    if (!shape->windowed)
        tl_buf_put_str(out, "_partition INTEGER NOT NULL, _offset INTEGER NOT NULL, _row INTEGER NOT NULL, ");
    if (!batch)
        tl_buf_put_str(out, "_change INTEGER NOT NULL, ");
    tl_buf_printf(out, "_acc BLOB NOT NULL, PRIMARY KEY (%s_end_ms, _start_ms, _key)) WITHOUT ROWID", batch ? "_run, " : "");
}

struct tl_merge_view tl_sq_merge_view(const struct tl_sq_definition *d)
{
    return (struct tl_merge_view){
        .definition = d->id,
        .view = d->view,
        .topic = d->topic,
        .speed_table = tl_buf_sv(&d->speed_table),
        .batch_table = tl_buf_sv(&d->batch_table),
        .windowed = d->windowed,
        .cut_per_key = d->cut_per_key,
        .key_tail_bytes = d->key_tail_bytes,
        .ends_open = d->ends_open,
        .columns = d->columns,
        .columns_count = d->columns_count,
    };
}

void tl_sq_close_own(struct tl_sq_definition *d)
{
    for (size_t i = 0; i < TL_COUNT(d->own); i++) {
        sqlite3_finalize(d->own[i]);
        d->own[i] = NULL;
    }
}

static enum tl_code exec_buf(struct tl_sq *s, struct tl_buf *sql, struct tl_err *err)
{
    enum tl_code rc;

    tl_buf_put_u8(sql, '\0');
    TL_TRY(tl_buf_check(sql, "a statement", err));
    TL_TRY(tl_sq_exec(s, sql->data, err));
out:
    return rc;
}

/* ---- looking definitions up ---- */

static enum tl_code copy(struct tl_sq *s, struct tl_sv text, struct tl_sv *out, struct tl_err *err)
{
    return tl_arena_copy(&s->lasting, text, out) ? TL_OK : tl_fail_memory(err, text.size);
}

static enum tl_code fail_damaged(struct tl_sq *s, int64_t id, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: what it says of definition %lld makes no sense", s->path,
                   (long long)id);
}

static enum tl_code load_columns(struct tl_sq *s, struct tl_sq_definition *d, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    int64_t count = 0;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_sq_get(s, sql_columns_count, &count, NULL, err, "i", d->id));
    if (count < 0 || count > 100000)
        TL_TRY(fail_damaged(s, d->id, err));
    d->columns = tl_arena_zalloc(&s->lasting, (size_t)(count + 1) * sizeof *d->columns);
    d->stored = tl_arena_zalloc(&s->lasting, (size_t)(count + 1) * sizeof *d->stored);
    if (d->columns == NULL || d->stored == NULL)
        TL_TRY(tl_fail_memory(err, (size_t)count * sizeof *d->columns));
    TL_TRY(tl_sq_statement(s, sql_columns, &statement, err, "i", d->id));
    for (uint32_t i = 0; i < (uint32_t)count; i++) {
        struct tl_shape_column *column = &d->columns[i];
        bool has_kind = false, has_role = false;
        struct tl_sv kind, role;

        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row)
            TL_TRY(fail_damaged(s, d->id, err));
        TL_TRY(copy(s, tl_sq_column_text(statement, 0), &column->name, err));
        kind = tl_sq_column_text(statement, 1);
        role = tl_sq_column_text(statement, 2);
        for (enum tl_kind k = TL_BOOLEAN; k < TL_INTERVAL && !has_kind; k++)
            if ((has_kind = tl_sv_eq(kind, tl_sv_from(tl_kind_name(k)))))
                column->kind = k;
        for (size_t k = 0; k < TL_COUNT(roles) && !has_role; k++)
            if ((has_role = tl_sv_eq(role, tl_sv_from(roles[k].name))))
                column->role = roles[k].role;
        if (!has_kind || !has_role)
            TL_TRY(fail_damaged(s, d->id, err));
        if (!tl_merge_view_is_window(column->role))
            d->stored[d->stored_count++] = i;
        d->columns_count++;
    }
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

static enum tl_code load(struct tl_sq *s, int64_t id, struct tl_sq_definition **out, struct tl_err *err)
{
    struct tl_sq_definition *d;
    sqlite3_stmt *statement = NULL;
    bool row = false;
    struct tl_sv hash;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_facts, &statement, err, "i", id));
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", s->path, (long long)id));
    d = tl_arena_zalloc(&s->lasting, sizeof *d);
    if (d == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *d));
    d->id = id;
    TL_TRY(copy(s, tl_sq_column_text(statement, 0), &d->view, err));
    hash = tl_sq_column_text(statement, 1);
    snprintf(d->hash, sizeof d->hash, "%.*s", TL_SV_ARG(hash));
    d->windowed = sqlite3_column_int(statement, 2) != 0;
    d->lateness_ms = sqlite3_column_int64(statement, 3);
    TL_TRY(copy(s, tl_sq_column_text(statement, 4), &d->topic, err));
    TL_TRY(copy(s, tl_sq_column_text(statement, 5), &d->normalised, err));
    d->state_form = sqlite3_column_int(statement, 6) != 0 ? TL_STATE_BESIDE : TL_STATE_IN_ROWS;
    d->cut_per_key = sqlite3_column_int(statement, 7) != 0;
    d->key_tail_bytes = (uint32_t)sqlite3_column_int64(statement, 8);
    d->ends_open = sqlite3_column_int(statement, 9) != 0;
    TL_TRY(load_columns(s, d, err));
    tl_buf_init(&d->speed_table, 0);
    tl_buf_init(&d->batch_table, 0);
    tl_buf_init(&d->state_table, 0);
    d->next = s->definitions;
    s->definitions = d;
    *out = d;
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

static enum tl_code load_state(struct tl_sq *s, struct tl_sq_definition *d, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = false, known = false;
    struct tl_sv text;
    enum tl_code rc;

    TL_TRY(tl_sq_statement(s, sql_state, &statement, err, "i", d->id));
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", s->path, (long long)d->id));
    text = tl_sq_column_text(statement, 0);
    for (size_t i = 0; i < TL_COUNT(states) && !known; i++)
        if ((known = tl_sv_eq(text, tl_sv_from(states[i]))))
            d->state = (enum tl_definition_state)i;
    if (!known)
        TL_TRY(fail_damaged(s, d->id, err));
    tl_buf_clear(&d->speed_table);
    tl_buf_clear(&d->batch_table);
    tl_buf_clear(&d->state_table);
    put_table_name(&d->speed_table, d->view, "_speed", d->hash, d->state);
    put_table_name(&d->batch_table, d->view, "_batch", d->hash, d->state);
    put_table_name(&d->state_table, d->view, "_state", d->hash, d->state);
    TL_TRY(tl_buf_check(&d->speed_table, "a table's name", err));
    TL_TRY(tl_buf_check(&d->batch_table, "a table's name", err));
    TL_TRY(tl_buf_check(&d->state_table, "a table's name", err));
    d->known = true;
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

static enum tl_code find(struct tl_sq *s, int64_t id, struct tl_sq_definition **out, struct tl_err *err)
{
    struct tl_sq_definition *d = s->definitions;
    enum tl_code rc = TL_OK;

    while (d != NULL && d->id != id)
        d = d->next;
    if (d == NULL)
        TL_TRY(load(s, id, &d, err));
    if (!d->known)
        TL_TRY(load_state(s, d, err));
    *out = d;
out:
    return rc;
}

enum tl_code tl_sq_definition(struct tl_sq *s, int64_t id, struct tl_sq_definition **out, struct tl_err *err)
{
    struct tl_sq_definition *d;
    enum tl_code rc;

    TL_TRY(find(s, id, &d, err));
    if (d->state == TL_DEFINITION_RETIRED)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND,
                       "%s: definition %lld of view '%.*s' has been replaced; start again with the present views file", s->path,
                       (long long)id, TL_SV_ARG(d->view)));
    *out = d;
out:
    return rc;
}

enum tl_code tl_sq_active(struct tl_sq *s, struct tl_sv view, int64_t *id, struct tl_err *err)
{
    sqlite3_stmt *statement = NULL;
    struct tl_buf names;
    bool found = false, row = false;
    enum tl_code rc;

    tl_buf_init(&names, 700);
    TL_TRY(tl_sq_get(s, sql_active_of, id, &found, err, "t", view));
    if (found)
        goto out;
    TL_TRY(tl_sq_statement(s, sql_view_names, &statement, err, ""));
    for (;;) {
        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row)
            break;
        tl_buf_put_str(&names, names.size == 0 ? "" : ", ");
        tl_buf_put_sv(&names, tl_sq_column_text(statement, 0));
    }
    if (names.size == 0)
        rc = tl_fail(err, TL_ERR_NOT_FOUND,
                     "%s: there is no view '%.*s', nor any other yet; `tally speed` or `tally batch` makes them", s->path,
                     TL_SV_ARG(view));
    else
        rc = tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no view '%.*s'; there are: %.*s%s", s->path, TL_SV_ARG(view),
                     TL_SV_ARG(tl_buf_sv(&names)), names.failed ? " and more" : "");
out:
    tl_sq_statement_close(s, statement);
    tl_buf_done(&names);
    return rc;
}

static enum tl_code fill(struct tl_sq *s, int64_t id, struct tl_definition *out, struct tl_err *err)
{
    struct tl_sq_definition *d;
    sqlite3_stmt *statement = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(find(s, id, &d, err));
    *out = (struct tl_definition){.id = id,
                                  .state = d->state,
                                  .lateness_ms = d->lateness_ms,
                                  .final_ms = INT64_MIN,
                                  .boundary_ms = INT64_MIN,
                                  .state_form = d->state_form,
                                  .cut_per_key = d->cut_per_key,
                                  .key_tail_bytes = d->key_tail_bytes,
                                  .ends_open = d->ends_open,
                                  .view = d->view,
                                  .topic = d->topic,
                                  .normalised = d->normalised};
    memcpy(out->hash, d->hash, sizeof out->hash);
    TL_TRY(tl_sq_statement(s, sql_progress, &statement, err, "i", id));
    TL_TRY(tl_sq_step(s, statement, &row, err));
    if (row) { /* a retired one has none */
        out->final_ms = sqlite3_column_int64(statement, 0);
        out->boundary_ms = sqlite3_column_int64(statement, 1);
        out->speed_ready = sqlite3_column_int(statement, 2) != 0;
        out->speed_known = sqlite3_column_int(statement, 3) != 0;
    }
out:
    tl_sq_statement_close(s, statement);
    return rc;
}

enum tl_code tl_sq_definition_get(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_definition found;
    bool mine = false;
    enum tl_code rc;

    TL_TRY(tl_sq_read_begin(s, &mine, err));
    TL_TRY(fill(s, id, &found, err));
    *out = found;
out:
    tl_sq_read_end(s, mine);
    return rc;
}

enum tl_code tl_sq_active_get(struct tl_store *store, struct tl_sv view, struct tl_definition *out, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    struct tl_definition found;
    bool mine = false;
    int64_t id = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_read_begin(s, &mine, err));
    TL_TRY(tl_sq_active(s, view, &id, err));
    TL_TRY(fill(s, id, &found, err));
    *out = found;
out:
    tl_sq_read_end(s, mine);
    return rc;
}

enum tl_code tl_sq_definitions(struct tl_store *store, const struct tl_definition **out, size_t *count, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    sqlite3_stmt *statement = NULL;
    bool mine = false, row = false;
    size_t listed = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_read_begin(s, &mine, err));
    TL_TRY(tl_sq_statement(s, sql_all, &statement, err, ""));
    for (;;) {
        TL_TRY(tl_sq_step(s, statement, &row, err));
        if (!row)
            break;
        if (listed == s->list_capacity) {
            size_t capacity = s->list_capacity == 0 ? 16 : 2 * s->list_capacity;
            struct tl_definition *list = realloc(s->list, capacity * sizeof *list);

            if (list == NULL)
                TL_TRY(tl_fail_memory(err, capacity * sizeof *list));
            s->list = list;
            s->list_capacity = capacity;
        }
        TL_TRY(fill(s, sqlite3_column_int64(statement, 0), &s->list[listed], err));
        listed++;
    }
    *out = s->list;
    *count = listed;
out:
    tl_sq_statement_close(s, statement);
    tl_sq_read_end(s, mine);
    return rc;
}

/* ---- making one ---- */

static enum tl_code check_free(struct tl_sq *s, const struct tl_shape *shape, struct tl_sv name, struct tl_err *err)
{
    int64_t count = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_get(s, sql_object_named, &count, NULL, err, "t", name));
    if (count != 0)
        TL_TRY(tl_fail(
            err, TL_ERR_DEFINITION,
            "view '%.*s': the store %s already has something named '%.*s' (names differ there by more than upper and lower "
            "case); another name for the view would do",
            TL_SV_ARG(shape->view), s->path, TL_SV_ARG(name)));
out:
    return rc;
}

/* SQLite takes 'Host' and 'host' for one name, and some names are the store's own. */
static enum tl_code check_columns(const struct tl_shape *shape, struct tl_err *err)
{
    static const char *const own[] = {"_end_ms", "_start_ms", "_key", "_run",    "_change",   "_acc",
                                      "_layer",  "_final",    "_row", "_offset", "_partition"};
    enum tl_code rc = TL_OK;

    for (uint32_t i = 0; i < shape->columns_count; i++) {
        struct tl_sv name = shape->columns[i].name;

        for (size_t k = 0; k < TL_COUNT(own); k++)
            if (tl_sv_eq_nocase(name, tl_sv_from(own[k])))
                TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                               "view '%.*s': the column name '%.*s' is one of the store's own; another name would do (AS ...)",
                               TL_SV_ARG(shape->view), TL_SV_ARG(name)));
        for (uint32_t k = 0; k < shape->columns_count; k++) {
            struct tl_sv other = shape->columns[k].name;
            struct tl_sv ms = {other.data, other.size};

            if (k < i && tl_sv_eq_nocase(name, other))
                TL_TRY(tl_fail(
                    err, TL_ERR_DEFINITION,
                    "view '%.*s': the columns '%.*s' and '%.*s' would be one in the store, which takes upper and lower case for "
                    "the same; another name for one of them would do (AS ...)",
                    TL_SV_ARG(shape->view), TL_SV_ARG(other), TL_SV_ARG(name)));
            if (tl_merge_view_is_time(shape->columns[k].kind) && name.size == ms.size + 4 &&
                tl_sv_eq_nocase((struct tl_sv){name.data, 4}, TL_SV("_ms_")) &&
                tl_sv_eq_nocase((struct tl_sv){name.data + 4, ms.size}, ms))
                TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                               "view '%.*s': the column name '%.*s' is what the store calls the milliseconds of '%.*s'; another "
                               "name would do",
                               TL_SV_ARG(shape->view), TL_SV_ARG(name), TL_SV_ARG(other)));
        }
    }
out:
    return rc;
}

static enum tl_code add_facts(struct tl_sq *s, const struct tl_shape *shape, enum tl_definition_state state, int64_t *id,
                              struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_sq_get(s, sql_add_definition, id, NULL, err, "tttiiitttiiii", shape->view, tl_sv_from(shape->hash),
                     tl_sv_from(states[state]), (int64_t)shape->windowed, shape->lateness_ms, (int64_t)TL_NORMALISER_VERSION,
                     shape->topic, shape->comment, shape->normalised, (int64_t)(shape->state == TL_STATE_BESIDE),
                     (int64_t)shape->cut_per_key, (int64_t)shape->key_tail_bytes, (int64_t)shape->ends_open));
    for (uint32_t i = 0; i < shape->columns_count; i++) {
        const char *role = NULL;

        for (size_t k = 0; k < TL_COUNT(roles); k++)
            if (roles[k].role == shape->columns[i].role)
                role = roles[k].name;
        assert(role != NULL);
        TL_TRY(tl_sq_do(s, sql_add_column, err, "iittt", *id, (int64_t)i, shape->columns[i].name,
                        tl_sv_from(tl_kind_name(shape->columns[i].kind)), tl_sv_from(role)));
    }
    TL_TRY(tl_sq_do(s, sql_add_progress, err, "ii", *id, INT64_MIN));
out:
    return rc;
}

static enum tl_code make_key_index(struct tl_sq *s, const struct tl_merge_view *view, const char *layer, struct tl_sv table,
                                   struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_printf(&sql, "CREATE INDEX tally_key_%s_%lld ON ", layer, (long long)view->definition);
    tl_merge_view_put_name(&sql, table);
    tl_buf_put_str(&sql, " (");
    tl_merge_view_put_key(&sql, TL_DIALECT_SQLITE, view, NULL);
    tl_buf_put_str(&sql, ", _end_ms)");
    TL_TRY(exec_buf(s, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

/* An index keeps its name when its table is renamed. */
static enum tl_code make_tables(struct tl_sq *s, const struct tl_shape *shape, const struct tl_merge_view *view,
                                struct tl_sv state_table, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    put_create_table(&sql, shape, view->speed_table, false);
    TL_TRY(exec_buf(s, &sql, err));
    tl_buf_clear(&sql);
    put_create_table(&sql, shape, view->batch_table, true);
    TL_TRY(exec_buf(s, &sql, err));
    tl_buf_clear(&sql);
    tl_buf_printf(&sql, "CREATE INDEX tally_change_%lld ON ", (long long)view->definition);
    tl_merge_view_put_name(&sql, view->speed_table);
    tl_buf_put_str(&sql, " (_change)");
    TL_TRY(exec_buf(s, &sql, err));
    if (shape->cut_per_key) {
        TL_TRY(make_key_index(s, view, "speed", view->speed_table, err));
        TL_TRY(make_key_index(s, view, "batch", view->batch_table, err));
    }
    if (shape->state == TL_STATE_BESIDE) {
        tl_buf_clear(&sql);
        tl_buf_put_str(&sql, "CREATE TABLE ");
        tl_merge_view_put_name(&sql, state_table);
        tl_buf_put_str(&sql, " (_end_ms INTEGER NOT NULL, _start_ms INTEGER NOT NULL, _key BLOB NOT NULL, _bytes BLOB NOT NULL,"
                             " PRIMARY KEY (_end_ms, _start_ms, _key)) WITHOUT ROWID");
        TL_TRY(exec_buf(s, &sql, err));
    }
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code make_view(struct tl_sq *s, const struct tl_merge_view *view, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_merge_view_put(&sql, TL_DIALECT_SQLITE, view);
    TL_TRY(exec_buf(s, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code define(struct tl_sq *s, const struct tl_shape *shape, int64_t *id, struct tl_err *err)
{
    enum tl_definition_state state;
    struct tl_merge_view view;
    struct tl_buf speed, batch, beside;
    int64_t active = 0;
    bool found = false;
    enum tl_code rc;

    tl_buf_init(&speed, 0);
    tl_buf_init(&batch, 0);
    tl_buf_init(&beside, 0);
    TL_TRY(tl_sq_get(s, sql_by_hash, id, &found, err, "tt", shape->view, tl_sv_from(shape->hash)));
    if (found)
        goto out;
    TL_TRY(check_columns(shape, err));
    if (shape->view.size == 0 ||
        tl_sv_eq_nocase((struct tl_sv){shape->view.data, shape->view.size < 6 ? shape->view.size : 6}, TL_SV("tally_")) ||
        tl_sv_eq_nocase((struct tl_sv){shape->view.data, shape->view.size < 7 ? shape->view.size : 7}, TL_SV("sqlite_")))
        TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                       "view '%.*s': names that begin with tally_ or sqlite_ are the store's own; another would do",
                       TL_SV_ARG(shape->view)));
    TL_TRY(tl_sq_get(s, sql_active_of, &active, &found, err, "t", shape->view));
    state = found ? TL_DEFINITION_BUILDING : TL_DEFINITION_ACTIVE;
    put_table_name(&speed, shape->view, "_speed", shape->hash, state);
    put_table_name(&batch, shape->view, "_batch", shape->hash, state);
    put_table_name(&beside, shape->view, "_state", shape->hash, state);
    TL_TRY(tl_buf_check(&speed, "a table's name", err));
    TL_TRY(tl_buf_check(&batch, "a table's name", err));
    TL_TRY(tl_buf_check(&beside, "a table's name", err));
    if (state == TL_DEFINITION_ACTIVE)
        TL_TRY(check_free(s, shape, shape->view, err));
    TL_TRY(check_free(s, shape, tl_buf_sv(&speed), err));
    TL_TRY(check_free(s, shape, tl_buf_sv(&batch), err));
    if (shape->state == TL_STATE_BESIDE)
        TL_TRY(check_free(s, shape, tl_buf_sv(&beside), err));
    TL_TRY(add_facts(s, shape, state, id, err));
    view = (struct tl_merge_view){.definition = *id,
                                  .view = shape->view,
                                  .topic = shape->topic,
                                  .speed_table = tl_buf_sv(&speed),
                                  .batch_table = tl_buf_sv(&batch),
                                  .windowed = shape->windowed,
                                  .cut_per_key = shape->cut_per_key,
                                  .key_tail_bytes = shape->key_tail_bytes,
                                  .ends_open = shape->ends_open,
                                  .columns = shape->columns,
                                  .columns_count = shape->columns_count};
    TL_TRY(make_tables(s, shape, &view, tl_buf_sv(&beside), err));
    if (state == TL_DEFINITION_ACTIVE)
        TL_TRY(make_view(s, &view, err));
out:
    tl_buf_done(&speed);
    tl_buf_done(&batch);
    tl_buf_done(&beside);
    return rc;
}

enum tl_code tl_sq_define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    int64_t found = 0;
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    rc = define(s, shape, &found, err);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
    else
        *id = found;
out:
    return rc;
}

/* ---- the swap ---- */

static enum tl_code drop(struct tl_sq *s, const char *what, struct tl_sv name, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_printf(&sql, "DROP %s ", what);
    tl_merge_view_put_name(&sql, name);
    TL_TRY(exec_buf(s, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code rename_table(struct tl_sq *s, struct tl_sv from, struct tl_sv to, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "ALTER TABLE ");
    tl_merge_view_put_name(&sql, from);
    tl_buf_put_str(&sql, " RENAME TO ");
    tl_merge_view_put_name(&sql, to);
    TL_TRY(exec_buf(s, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code retire(struct tl_sq *s, int64_t id, struct tl_err *err)
{
    struct tl_sq_definition *old;
    enum tl_code rc;

    TL_TRY(find(s, id, &old, err));
    if (old->state == TL_DEFINITION_ACTIVE)
        TL_TRY(drop(s, "VIEW", old->view, err));
    TL_TRY(drop(s, "TABLE", tl_buf_sv(&old->speed_table), err));
    TL_TRY(drop(s, "TABLE", tl_buf_sv(&old->batch_table), err));
    if (old->state_form == TL_STATE_BESIDE)
        TL_TRY(drop(s, "TABLE", tl_buf_sv(&old->state_table), err));
    for (size_t i = 0; i < TL_COUNT(sql_forget); i++)
        TL_TRY(tl_sq_do(s, sql_forget[i], err, "i", id));
    TL_TRY(tl_sq_do(s, sql_set_state, err, "it", id, tl_sv_from(states[TL_DEFINITION_RETIRED])));
out:
    return rc;
}

static enum tl_code swap(struct tl_sq *s, int64_t id, bool *swapped, struct tl_err *err)
{
    struct tl_sq_definition *d;
    struct tl_definition is, other;
    struct tl_merge_view view;
    struct tl_buf speed, batch, beside;
    int64_t active = 0, older = 0;
    bool found = false;
    enum tl_code rc;

    tl_buf_init(&speed, 0);
    tl_buf_init(&batch, 0);
    tl_buf_init(&beside, 0);
    TL_TRY(tl_sq_definition(s, id, &d, err));
    if (d->state == TL_DEFINITION_ACTIVE)
        goto out;
    TL_TRY(fill(s, id, &is, err));
    TL_TRY(tl_sq_get(s, sql_active_of, &active, &found, err, "t", d->view));
    if (found) {
        TL_TRY(fill(s, active, &other, err));
        if ((other.speed_known && !is.speed_ready) || is.boundary_ms < other.boundary_ms)
            goto out;
    }
    /* Older ones that were still being built when the definition changed again go too. */
    for (;;) {
        TL_TRY(tl_sq_get(s, sql_older_of_view, &older, &found, err, "ti", d->view, id));
        if (!found)
            break;
        TL_TRY(retire(s, older, err));
    }
    put_table_name(&speed, d->view, "_speed", d->hash, TL_DEFINITION_ACTIVE);
    put_table_name(&batch, d->view, "_batch", d->hash, TL_DEFINITION_ACTIVE);
    put_table_name(&beside, d->view, "_state", d->hash, TL_DEFINITION_ACTIVE);
    TL_TRY(tl_buf_check(&speed, "a table's name", err));
    TL_TRY(tl_buf_check(&batch, "a table's name", err));
    TL_TRY(tl_buf_check(&beside, "a table's name", err));
    TL_TRY(rename_table(s, tl_buf_sv(&d->speed_table), tl_buf_sv(&speed), err));
    TL_TRY(rename_table(s, tl_buf_sv(&d->batch_table), tl_buf_sv(&batch), err));
    if (d->state_form == TL_STATE_BESIDE)
        TL_TRY(rename_table(s, tl_buf_sv(&d->state_table), tl_buf_sv(&beside), err));
    TL_TRY(tl_sq_do(s, sql_set_state, err, "it", id, tl_sv_from(states[TL_DEFINITION_ACTIVE])));
    /* From now on it stands where the other active ones stand, in their lane of event ids. */
    TL_TRY(tl_sq_do(s, sql_drop_lane, err, "i", id));
    view = tl_sq_merge_view(d);
    view.speed_table = tl_buf_sv(&speed);
    view.batch_table = tl_buf_sv(&batch);
    TL_TRY(make_view(s, &view, err));
    *swapped = true;
out:
    tl_buf_done(&speed);
    tl_buf_done(&batch);
    tl_buf_done(&beside);
    return rc;
}

enum tl_code tl_sq_swap(struct tl_store *store, int64_t id, bool *swapped, struct tl_err *err)
{
    struct tl_sq *s = tl_sq_of(store);
    bool done = false;
    enum tl_code rc;

    TL_TRY(tl_sq_begin(s, err));
    rc = swap(s, id, &done, err);
    if (rc == TL_OK)
        rc = tl_sq_commit(s, err);
    if (rc != TL_OK)
        tl_sq_rollback(s);
    else
        *swapped = done;
out:
    return rc;
}

/* ---- rows ---- */

void tl_sq_put_insert(struct tl_buf *out, const struct tl_sq_definition *d, const struct tl_buf *table, const char *own)
{
    uint32_t count = 5 + d->stored_count + (d->windowed ? 0 : 3);

    tl_buf_put_str(out, "INSERT INTO ");
    tl_merge_view_put_name(out, tl_buf_sv(table));
    tl_buf_printf(out, " (%s, _end_ms, _start_ms, _key, _acc", own);
    if (!d->windowed)
        tl_buf_put_str(out, ", _partition, _offset, _row");
    for (uint32_t i = 0; i < d->stored_count; i++) {
        tl_buf_put_str(out, ", ");
        tl_sq_put_stored_name(out, &d->columns[d->stored[i]]);
    }
    tl_buf_put_str(out, ") VALUES (?1");
    for (uint32_t i = 2; i <= count; i++)
        tl_buf_printf(out, ", ?%u", i);
    tl_buf_put_str(out, ")");
}

void tl_sq_put_stored_name(struct tl_buf *out, const struct tl_shape_column *column)
{
    if (tl_merge_view_is_time(column->kind))
        tl_merge_view_put_ms_name(out, column->name);
    else
        tl_merge_view_put_name(out, column->name);
}

int tl_sq_bind_row(sqlite3_stmt *statement, const struct tl_sq_definition *d, const struct tl_rows *rows, uint32_t i)
{
    const char *key = rows->key[i].size == 0 ? "" : rows->key[i].data;
    const char *accumulators = rows->accumulators == NULL || rows->accumulators[i].size == 0 ? "" : rows->accumulators[i].data;
    int at = 2, rc = SQLITE_OK;

    rc |= sqlite3_bind_int64(statement, at++, rows->end_ms[i]);
    rc |= sqlite3_bind_int64(statement, at++, rows->start_ms[i]);
    rc |= sqlite3_bind_blob64(statement, at++, key, rows->key[i].size, SQLITE_STATIC);
    rc |= sqlite3_bind_blob64(statement, at++, accumulators, rows->accumulators == NULL ? 0 : rows->accumulators[i].size,
                              SQLITE_STATIC);
    if (!d->windowed) {
        rc |= sqlite3_bind_int64(statement, at++, rows->partition[i]);
        rc |= sqlite3_bind_int64(statement, at++, rows->offset[i]);
        rc |= sqlite3_bind_int64(statement, at++, rows->row[i]);
    }
    for (uint32_t k = 0; k < d->stored_count; k++, at++) {
        const struct tl_vec *vec = &rows->columns[d->stored[k]];

        if (vec->null[i])
            rc |= sqlite3_bind_null(statement, at);
        else
            switch (tl_kind_form(d->columns[d->stored[k]].kind)) {
            case TL_FORM_I64: rc |= sqlite3_bind_int64(statement, at, vec->i64[i]); break;
            case TL_FORM_F64:
                rc |= vec->f64[i] != vec->f64[i] ? sqlite3_bind_text(statement, at, TL_SQ_NAN, -1, SQLITE_STATIC)
                                                 : sqlite3_bind_double(statement, at, vec->f64[i]);
                break;
            case TL_FORM_TEXT:
                rc |= sqlite3_bind_text64(statement, at, vec->sv[i].size == 0 ? "" : vec->sv[i].data, vec->sv[i].size,
                                          SQLITE_STATIC, SQLITE_UTF8);
                break;
            }
    }
    return rc;
}
