/* store_definition.c: definitions in the store: their tables and columns, which one is active, the swap.
 *
 * An active definition's tables are <view>_speed and <view>_batch, and <view>_state where it has state beside its rows; one that is being
 * built beside it has <view>_speed__<8 hex> and so on.
 * The swap is one transaction: the old tables go, the new ones take their names, and the merged view is made for them. In SQLite
 * legacy_alter_table is on for writers, so that a rename neither rewrites nor trips over views that people made on top of ours: a view is a
 * text there. In PostgreSQL it holds its tables, whatever they are called, so it is made first, and only then may the old ones go. */
#include "store/store_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/schema.h"

/* clang-format off */
static const char sql_by_hash[] = "SELECT definition FROM tally_definition WHERE view = ?1 AND hash = ?2 AND state <> 'retired'";
static const char sql_active_of[] = "SELECT definition FROM tally_definition WHERE view = ?1 AND state = 'active'";
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
};
/* What `tally runs` counts stays; the carry was the old definition's. */
static const char sql_forget_carry[] = "UPDATE tally_run_range SET carry = ?2 WHERE definition = ?1";
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

static void put_type(struct tl_buf *out, enum tl_dialect dialect, enum tl_kind kind)
{
    if (dialect == TL_DIALECT_SQLITE) {
        switch (tl_kind_form(kind)) {
        case TL_FORM_I64: tl_buf_put_str(out, " INTEGER"); break;
        case TL_FORM_F64: tl_buf_put_str(out, " REAL"); break;
        case TL_FORM_TEXT: tl_buf_put_str(out, " TEXT"); break;
        }
        return;
    }
    switch (kind) {
    case TL_BOOLEAN: tl_buf_put_str(out, " BOOLEAN"); break;
    case TL_TINYINT:
    case TL_SMALLINT: tl_buf_put_str(out, " SMALLINT"); break;
    case TL_INT: tl_buf_put_str(out, " INTEGER"); break;
    case TL_FLOAT: tl_buf_put_str(out, " REAL"); break;
    case TL_DOUBLE: tl_buf_put_str(out, " DOUBLE PRECISION"); break;
    default: tl_buf_put_str(out, tl_kind_form(kind) == TL_FORM_TEXT ? " TEXT COLLATE \"C\"" : " BIGINT"); break;
    }
}

void tl_store_put_row_key(struct tl_buf *out, enum tl_dialect dialect)
{
    tl_buf_put_str(out, "_end_ms, _start_ms, ");
    tl_merge_view_put_indexed(out, dialect, "_key");
}

/* "_acc BLOB NOT NULL, PRIMARY KEY (_end_ms, ...)", or without: an index of PostgreSQL that holds an expression is made by itself. */
static void put_last_column(struct tl_buf *out, enum tl_dialect dialect, const char *name, const char *before)
{
    if (dialect == TL_DIALECT_SQLITE)
        tl_buf_printf(out, "%s BLOB NOT NULL, PRIMARY KEY (%s_end_ms, _start_ms, _key)) WITHOUT ROWID", name, before);
    else
        tl_buf_printf(out, "%s BYTEA NOT NULL)", name);
}

/* Batch's table has _run in front of the key, speed's has _change. */
static void put_create_table(struct tl_buf *out, enum tl_dialect dialect, const struct tl_shape *shape, struct tl_sv table,
                             bool batch)
{
    const char *integer = dialect == TL_DIALECT_SQLITE ? "INTEGER NOT NULL, " : "BIGINT NOT NULL, ";

    tl_buf_put_str(out, "CREATE TABLE ");
    tl_merge_view_put_name(out, table);
    tl_buf_put_str(out, " (");
    for (uint32_t i = 0; i < shape->columns_count; i++) {
        const struct tl_shape_column *column = &shape->columns[i];

        if (tl_merge_view_is_window(column->role))
            continue;
        tl_store_put_stored_name(out, column);
        put_type(out, dialect, column->kind);
        tl_buf_put_str(out, ", ");
    }
    if (batch)
        tl_buf_printf(out, "_run %s", integer);
    tl_buf_printf(out, "_end_ms %s_start_ms %s_key %s", integer, integer,
                  dialect == TL_DIALECT_SQLITE ? "BLOB NOT NULL, " : "BYTEA NOT NULL, ");
    if (!shape->windowed)
        tl_buf_printf(out, "_partition %s_offset %s_row %s", integer, integer, integer);
    if (!batch)
        tl_buf_printf(out, "_change %s", integer);
    put_last_column(out, dialect, "_acc", batch ? "_run, " : "");
}

struct tl_merge_view tl_known_view(const struct tl_known *d)
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

void tl_known_close(struct tl_known *d)
{
    for (size_t i = 0; i < TL_COUNT(d->own); i++) {
        tl_statement_close(d->own[i]);
        d->own[i] = NULL;
    }
}

/* ---- looking definitions up ---- */

static enum tl_code copy(struct tl_store *store, struct tl_sv text, struct tl_sv *out, struct tl_err *err)
{
    return tl_arena_copy(&store->lasting, text, out) ? TL_OK : tl_fail_memory(err, text.size);
}

static enum tl_code fail_damaged(struct tl_store *store, int64_t id, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_CORRUPT, "%s: the database is damaged: what it says of definition %lld makes no sense",
                   store->session->place, (long long)id);
}

static enum tl_code load_columns(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    int64_t count = 0;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_session_get(store->session, sql_columns_count, &count, NULL, err, "i", d->id));
    if (count < 0 || count > 100000)
        TL_TRY(fail_damaged(store, d->id, err));
    d->columns = tl_arena_zalloc(&store->lasting, (size_t)(count + 1) * sizeof *d->columns);
    d->stored = tl_arena_zalloc(&store->lasting, (size_t)(count + 1) * sizeof *d->stored);
    if (d->columns == NULL || d->stored == NULL)
        TL_TRY(tl_fail_memory(err, (size_t)count * sizeof *d->columns));
    TL_TRY(tl_session_ask(store->session, sql_columns, &answer, err, "i", d->id));
    for (uint32_t i = 0; i < (uint32_t)count; i++) {
        struct tl_shape_column *column = &d->columns[i];
        bool has_kind = false, has_role = false;
        struct tl_sv kind, role;

        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            TL_TRY(fail_damaged(store, d->id, err));
        TL_TRY(copy(store, tl_answer_text(answer, 0), &column->name, err));
        kind = tl_answer_text(answer, 1);
        role = tl_answer_text(answer, 2);
        for (enum tl_kind k = TL_BOOLEAN; k < TL_INTERVAL && !has_kind; k++)
            if ((has_kind = tl_sv_eq(kind, tl_sv_from(tl_kind_name(k)))))
                column->kind = k;
        for (size_t k = 0; k < TL_COUNT(roles) && !has_role; k++)
            if ((has_role = tl_sv_eq(role, tl_sv_from(roles[k].name))))
                column->role = roles[k].role;
        if (!has_kind || !has_role)
            TL_TRY(fail_damaged(store, d->id, err));
        if (!tl_merge_view_is_window(column->role))
            d->stored[d->stored_count++] = i;
        d->columns_count++;
    }
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code load(struct tl_store *store, int64_t id, struct tl_known **out, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_answer *answer = NULL;
    bool row = false;
    struct tl_sv hash;
    enum tl_code rc;

    TL_TRY(tl_session_ask(store->session, sql_facts, &answer, err, "i", id));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", store->session->place, (long long)id));
    d = tl_arena_zalloc(&store->lasting, sizeof *d);
    if (d == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *d));
    d->id = id;
    TL_TRY(copy(store, tl_answer_text(answer, 0), &d->view, err));
    hash = tl_answer_text(answer, 1);
    snprintf(d->hash, sizeof d->hash, "%.*s", TL_SV_ARG(hash));
    d->windowed = tl_answer_i64(answer, 2) != 0;
    d->lateness_ms = tl_answer_i64(answer, 3);
    TL_TRY(copy(store, tl_answer_text(answer, 4), &d->topic, err));
    TL_TRY(copy(store, tl_answer_text(answer, 5), &d->normalised, err));
    d->state_form = tl_answer_i64(answer, 6) != 0 ? TL_STATE_BESIDE : TL_STATE_IN_ROWS;
    d->cut_per_key = tl_answer_i64(answer, 7) != 0;
    d->key_tail_bytes = (uint32_t)tl_answer_i64(answer, 8);
    d->ends_open = tl_answer_i64(answer, 9) != 0;
    TL_TRY(load_columns(store, d, err));
    tl_buf_init(&d->speed_table, 0);
    tl_buf_init(&d->batch_table, 0);
    tl_buf_init(&d->state_table, 0);
    d->next = store->known;
    store->known = d;
    *out = d;
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code load_state(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool row = false, known = false;
    struct tl_sv text;
    enum tl_code rc;

    TL_TRY(tl_session_ask(store->session, sql_state, &answer, err, "i", d->id));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", store->session->place, (long long)d->id));
    text = tl_answer_text(answer, 0);
    for (size_t i = 0; i < TL_COUNT(states) && !known; i++)
        if ((known = tl_sv_eq(text, tl_sv_from(states[i]))))
            d->state = (enum tl_definition_state)i;
    if (!known)
        TL_TRY(fail_damaged(store, d->id, err));
    tl_buf_clear(&d->speed_table);
    tl_buf_clear(&d->batch_table);
    tl_buf_clear(&d->state_table);
    put_table_name(&d->speed_table, d->view, "_speed", d->hash, d->state);
    put_table_name(&d->batch_table, d->view, "_batch", d->hash, d->state);
    put_table_name(&d->state_table, d->view, "_state", d->hash, d->state);
    TL_TRY(tl_buf_check(&d->speed_table, "a table's name", err));
    TL_TRY(tl_buf_check(&d->batch_table, "a table's name", err));
    TL_TRY(tl_buf_check(&d->state_table, "a table's name", err));
    d->fresh = true;
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code find(struct tl_store *store, int64_t id, struct tl_known **out, struct tl_err *err)
{
    struct tl_known *d = store->known;
    enum tl_code rc = TL_OK;

    while (d != NULL && d->id != id)
        d = d->next;
    if (d == NULL)
        TL_TRY(load(store, id, &d, err));
    if (!d->fresh)
        TL_TRY(load_state(store, d, err));
    *out = d;
out:
    return rc;
}

enum tl_code tl_known_find(struct tl_store *store, int64_t id, struct tl_known **out, struct tl_err *err)
{
    struct tl_known *d;
    enum tl_code rc;

    TL_TRY(find(store, id, &d, err));
    if (d->state == TL_DEFINITION_RETIRED)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND,
                       "%s: definition %lld of view '%.*s' has been replaced; start again with the present views file",
                       store->session->place, (long long)id, TL_SV_ARG(d->view)));
    *out = d;
out:
    return rc;
}

enum tl_code tl_known_active(struct tl_store *store, struct tl_sv view, int64_t *id, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    struct tl_buf names;
    bool found = false, row = false;
    enum tl_code rc;

    tl_buf_init(&names, 700);
    TL_TRY(tl_session_get(store->session, sql_active_of, id, &found, err, "t", view));
    if (found)
        goto out;
    TL_TRY(tl_session_ask(store->session, sql_view_names, &answer, err, ""));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        tl_buf_put_str(&names, names.size == 0 ? "" : ", ");
        tl_buf_put_sv(&names, tl_answer_text(answer, 0));
    }
    if (names.size == 0)
        rc = tl_fail(err, TL_ERR_NOT_FOUND,
                     "%s: there is no view '%.*s', nor any other yet; `tally speed` or `tally batch` makes them",
                     store->session->place, TL_SV_ARG(view));
    else
        rc = tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no view '%.*s'; there are: %.*s%s", store->session->place,
                     TL_SV_ARG(view), TL_SV_ARG(tl_buf_sv(&names)), names.failed ? " and more" : "");
out:
    tl_answer_close(answer);
    tl_buf_done(&names);
    return rc;
}

static enum tl_code fill(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(find(store, id, &d, err));
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
    TL_TRY(tl_session_ask(store->session, sql_progress, &answer, err, "i", id));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row) { /* a retired one has none */
        out->final_ms = tl_answer_i64(answer, 0);
        out->boundary_ms = tl_answer_i64(answer, 1);
        out->speed_ready = tl_answer_i64(answer, 2) != 0;
        out->speed_known = tl_answer_i64(answer, 3) != 0;
    }
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_store_definition(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err)
{
    struct tl_definition found;
    bool mine = false;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(fill(store, id, &found, err));
    *out = found;
out:
    tl_store_read_end(store, mine);
    return rc;
}

enum tl_code tl_store_active(struct tl_store *store, struct tl_sv view, struct tl_definition *out, struct tl_err *err)
{
    struct tl_definition found;
    bool mine = false;
    int64_t id = 0;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_known_active(store, view, &id, err));
    TL_TRY(fill(store, id, &found, err));
    *out = found;
out:
    tl_store_read_end(store, mine);
    return rc;
}

enum tl_code tl_store_definitions(struct tl_store *store, const struct tl_definition **out, size_t *count, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool mine = false, row = false;
    size_t listed = 0;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_session_ask(store->session, sql_all, &answer, err, ""));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &row, err));
        if (!row)
            break;
        if (listed == store->list_capacity) {
            size_t capacity = store->list_capacity == 0 ? 16 : 2 * store->list_capacity;
            struct tl_definition *list = realloc(store->list, capacity * sizeof *list);

            if (list == NULL)
                TL_TRY(tl_fail_memory(err, capacity * sizeof *list));
            store->list = list;
            store->list_capacity = capacity;
        }
        TL_TRY(fill(store, tl_answer_i64(answer, 0), &store->list[listed], err));
        listed++;
    }
    *out = store->list;
    *count = listed;
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}

/* ---- making one ---- */

static enum tl_code check_free(struct tl_store *store, const struct tl_shape *shape, struct tl_sv name, struct tl_err *err)
{
    bool there = false;
    enum tl_code rc;

    TL_TRY(tl_session_has_object(store->session, name, &there, err));
    if (there)
        TL_TRY(tl_fail(
            err, TL_ERR_DEFINITION,
            "view '%.*s': the store %s already has something named '%.*s' (names differ there by more than upper and lower "
            "case); another name for the view would do",
            TL_SV_ARG(shape->view), store->session->place, TL_SV_ARG(name)));
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

static enum tl_code add_facts(struct tl_store *store, const struct tl_shape *shape, enum tl_definition_state state, int64_t *id,
                              struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_session_get(store->session, sql_add_definition, id, NULL, err, "tttiiitttiiii", shape->view,
                          tl_sv_from(shape->hash), tl_sv_from(states[state]), (int64_t)shape->windowed, shape->lateness_ms,
                          (int64_t)TL_NORMALISER_VERSION, shape->topic, shape->comment, shape->normalised,
                          (int64_t)(shape->state == TL_STATE_BESIDE), (int64_t)shape->cut_per_key, (int64_t)shape->key_tail_bytes,
                          (int64_t)shape->ends_open));
    for (uint32_t i = 0; i < shape->columns_count; i++) {
        const char *role = NULL;

        for (size_t k = 0; k < TL_COUNT(roles); k++)
            if (roles[k].role == shape->columns[i].role)
                role = roles[k].name;
        assert(role != NULL);
        TL_TRY(tl_session_do(store->session, sql_add_column, err, "iittt", *id, (int64_t)i, shape->columns[i].name,
                             tl_sv_from(tl_kind_name(shape->columns[i].kind)), tl_sv_from(role)));
    }
    TL_TRY(tl_session_do(store->session, sql_add_progress, err, "ii", *id, INT64_MIN));
out:
    return rc;
}

/* An index keeps its name when its table is renamed. */
static enum tl_code make_index(struct tl_store *store, const char *what, const char *name, int64_t definition, struct tl_sv table,
                               const struct tl_buf *columns, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_printf(&sql, "CREATE %s tally_%s_%lld ON ", what, name, (long long)definition);
    tl_merge_view_put_name(&sql, table);
    tl_buf_put_str(&sql, " (");
    tl_buf_put_sv(&sql, tl_buf_sv(columns));
    tl_buf_put_str(&sql, ")");
    TL_TRY(tl_session_do_text(store->session, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code make_key_index(struct tl_store *store, const struct tl_merge_view *view, const char *name, struct tl_sv table,
                                   struct tl_err *err)
{
    struct tl_buf key, columns;
    enum tl_code rc;

    tl_buf_init(&key, 0);
    tl_buf_init(&columns, 0);
    tl_merge_view_put_key(&key, store->session->dialect, view, NULL);
    tl_buf_put_u8(&key, '\0');
    TL_TRY(tl_buf_check(&key, "an index", err));
    tl_merge_view_put_indexed(&columns, store->session->dialect, key.data);
    tl_buf_put_str(&columns, ", _end_ms");
    TL_TRY(make_index(store, "INDEX", name, view->definition, table, &columns, err));
out:
    tl_buf_done(&key);
    tl_buf_done(&columns);
    return rc;
}

static enum tl_code make_identity_index(struct tl_store *store, int64_t definition, const char *name, struct tl_sv table,
                                        const char *before, struct tl_err *err)
{
    struct tl_buf columns;
    enum tl_code rc = TL_OK;

    tl_buf_init(&columns, 0);
    if (store->session->dialect == TL_DIALECT_SQLITE)
        goto out; /* it is the primary key */
    tl_buf_put_str(&columns, before);
    tl_store_put_row_key(&columns, store->session->dialect);
    TL_TRY(make_index(store, "UNIQUE INDEX", name, definition, table, &columns, err));
out:
    tl_buf_done(&columns);
    return rc;
}

static enum tl_code make_state_table(struct tl_store *store, int64_t definition, struct tl_sv table, struct tl_err *err)
{
    enum tl_dialect dialect = store->session->dialect;
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "CREATE TABLE ");
    tl_merge_view_put_name(&sql, table);
    tl_buf_put_str(&sql, dialect == TL_DIALECT_SQLITE
                             ? " (_end_ms INTEGER NOT NULL, _start_ms INTEGER NOT NULL, _key BLOB NOT NULL, "
                             : " (_end_ms BIGINT NOT NULL, _start_ms BIGINT NOT NULL, _key BYTEA NOT NULL, ");
    put_last_column(&sql, dialect, "_bytes", "");
    TL_TRY(tl_session_do_text(store->session, &sql, err));
    TL_TRY(make_identity_index(store, definition, "state", table, "", err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code make_tables(struct tl_store *store, const struct tl_shape *shape, const struct tl_merge_view *view,
                                struct tl_sv state_table, struct tl_err *err)
{
    struct tl_buf sql, change;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_init(&change, 0);
    put_create_table(&sql, store->session->dialect, shape, view->speed_table, false);
    TL_TRY(tl_session_do_text(store->session, &sql, err));
    tl_buf_clear(&sql);
    put_create_table(&sql, store->session->dialect, shape, view->batch_table, true);
    TL_TRY(tl_session_do_text(store->session, &sql, err));
    TL_TRY(make_identity_index(store, view->definition, "speed", view->speed_table, "", err));
    TL_TRY(make_identity_index(store, view->definition, "batch", view->batch_table, "_run, ", err));
    tl_buf_put_str(&change, "_change");
    TL_TRY(make_index(store, "INDEX", "change", view->definition, view->speed_table, &change, err));
    if (shape->cut_per_key) {
        TL_TRY(make_key_index(store, view, "key_speed", view->speed_table, err));
        TL_TRY(make_key_index(store, view, "key_batch", view->batch_table, err));
    }
    if (shape->state == TL_STATE_BESIDE)
        TL_TRY(make_state_table(store, view->definition, state_table, err));
out:
    tl_buf_done(&sql);
    tl_buf_done(&change);
    return rc;
}

static enum tl_code make_view(struct tl_store *store, const struct tl_merge_view *view, bool replaces, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_merge_view_put(&sql, store->session->dialect, view);
    if (replaces)
        TL_TRY(tl_session_replace_view(store->session, view->view, &sql, err));
    else
        TL_TRY(tl_session_do_text(store->session, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err)
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
    TL_TRY(tl_session_get(store->session, sql_by_hash, id, &found, err, "tt", shape->view, tl_sv_from(shape->hash)));
    if (found)
        goto out;
    TL_TRY(check_columns(shape, err));
    if (shape->view.size == 0 ||
        tl_sv_eq_nocase((struct tl_sv){shape->view.data, shape->view.size < 6 ? shape->view.size : 6}, TL_SV("tally_")) ||
        tl_sv_eq_nocase((struct tl_sv){shape->view.data, shape->view.size < 7 ? shape->view.size : 7}, TL_SV("sqlite_")))
        TL_TRY(tl_fail(err, TL_ERR_DEFINITION,
                       "view '%.*s': names that begin with tally_ or sqlite_ are the store's own; another would do",
                       TL_SV_ARG(shape->view)));
    TL_TRY(tl_session_get(store->session, sql_active_of, &active, &found, err, "t", shape->view));
    state = found ? TL_DEFINITION_BUILDING : TL_DEFINITION_ACTIVE;
    put_table_name(&speed, shape->view, "_speed", shape->hash, state);
    put_table_name(&batch, shape->view, "_batch", shape->hash, state);
    put_table_name(&beside, shape->view, "_state", shape->hash, state);
    TL_TRY(tl_buf_check(&speed, "a table's name", err));
    TL_TRY(tl_buf_check(&batch, "a table's name", err));
    TL_TRY(tl_buf_check(&beside, "a table's name", err));
    if (state == TL_DEFINITION_ACTIVE)
        TL_TRY(check_free(store, shape, shape->view, err));
    TL_TRY(check_free(store, shape, tl_buf_sv(&speed), err));
    TL_TRY(check_free(store, shape, tl_buf_sv(&batch), err));
    if (shape->state == TL_STATE_BESIDE)
        TL_TRY(check_free(store, shape, tl_buf_sv(&beside), err));
    TL_TRY(add_facts(store, shape, state, id, err));
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
    TL_TRY(make_tables(store, shape, &view, tl_buf_sv(&beside), err));
    if (state == TL_DEFINITION_ACTIVE)
        TL_TRY(make_view(store, &view, false, err));
out:
    tl_buf_done(&speed);
    tl_buf_done(&batch);
    tl_buf_done(&beside);
    return rc;
}

enum tl_code tl_store_define(struct tl_store *store, const struct tl_shape *shape, int64_t *id, struct tl_err *err)
{
    int64_t found = 0;
    enum tl_code rc;

    TL_TRY(tl_store_begin_how(store, TL_BEGIN_DEFINE, err));
    TL_TRY(tl_store_end(store, define(store, shape, &found, err), err));
    *id = found;
out:
    return rc;
}

/* ---- the swap ---- */

static enum tl_code drop_table(struct tl_store *store, struct tl_sv name, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "DROP TABLE ");
    tl_merge_view_put_name(&sql, name);
    TL_TRY(tl_session_do_text(store->session, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code rename_table(struct tl_store *store, struct tl_sv from, struct tl_sv to, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "ALTER TABLE ");
    tl_merge_view_put_name(&sql, from);
    tl_buf_put_str(&sql, " RENAME TO ");
    tl_merge_view_put_name(&sql, to);
    TL_TRY(tl_session_do_text(store->session, &sql, err));
out:
    tl_buf_done(&sql);
    return rc;
}

static enum tl_code retire(struct tl_store *store, int64_t id, struct tl_err *err)
{
    struct tl_known *old;
    enum tl_code rc;

    TL_TRY(find(store, id, &old, err));
    TL_TRY(drop_table(store, tl_buf_sv(&old->speed_table), err));
    TL_TRY(drop_table(store, tl_buf_sv(&old->batch_table), err));
    if (old->state_form == TL_STATE_BESIDE)
        TL_TRY(drop_table(store, tl_buf_sv(&old->state_table), err));
    for (size_t i = 0; i < TL_COUNT(sql_forget); i++)
        TL_TRY(tl_session_do(store->session, sql_forget[i], err, "i", id));
    TL_TRY(tl_session_do(store->session, sql_forget_carry, err, "ib", id, (struct tl_sv){NULL, 0}));
    TL_TRY(tl_session_do(store->session, sql_set_state, err, "it", id, tl_sv_from(states[TL_DEFINITION_RETIRED])));
out:
    return rc;
}

/* Older ones that were still being built when the definition changed again go too. */
static enum tl_code retire_older(struct tl_store *store, const struct tl_known *d, struct tl_err *err)
{
    int64_t older = 0;
    bool found = false;
    enum tl_code rc;

    for (;;) {
        TL_TRY(tl_session_get(store->session, sql_older_of_view, &older, &found, err, "ti", d->view, d->id));
        if (!found)
            break;
        TL_TRY(retire(store, older, err));
    }
out:
    return rc;
}

static enum tl_code swap(struct tl_store *store, int64_t id, bool *swapped, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_definition is, other;
    struct tl_merge_view view;
    struct tl_buf speed, batch, beside;
    int64_t active = 0;
    bool found = false;
    enum tl_code rc;

    tl_buf_init(&speed, 0);
    tl_buf_init(&batch, 0);
    tl_buf_init(&beside, 0);
    TL_TRY(tl_known_find(store, id, &d, err));
    if (d->state == TL_DEFINITION_ACTIVE)
        goto out;
    TL_TRY(fill(store, id, &is, err));
    TL_TRY(tl_session_get(store->session, sql_active_of, &active, &found, err, "t", d->view));
    if (found) {
        TL_TRY(fill(store, active, &other, err));
        if ((other.speed_known && !is.speed_ready) || is.boundary_ms < other.boundary_ms)
            goto out;
    }
    TL_TRY(tl_session_names_changed(store->session, err));
    view = tl_known_view(d);
    if (store->session->dialect == TL_DIALECT_POSTGRES)
        TL_TRY(make_view(store, &view, found, err));
    TL_TRY(retire_older(store, d, err));
    put_table_name(&speed, d->view, "_speed", d->hash, TL_DEFINITION_ACTIVE);
    put_table_name(&batch, d->view, "_batch", d->hash, TL_DEFINITION_ACTIVE);
    put_table_name(&beside, d->view, "_state", d->hash, TL_DEFINITION_ACTIVE);
    TL_TRY(tl_buf_check(&speed, "a table's name", err));
    TL_TRY(tl_buf_check(&batch, "a table's name", err));
    TL_TRY(tl_buf_check(&beside, "a table's name", err));
    TL_TRY(rename_table(store, view.speed_table, tl_buf_sv(&speed), err));
    TL_TRY(rename_table(store, view.batch_table, tl_buf_sv(&batch), err));
    if (d->state_form == TL_STATE_BESIDE)
        TL_TRY(rename_table(store, tl_buf_sv(&d->state_table), tl_buf_sv(&beside), err));
    TL_TRY(tl_session_do(store->session, sql_set_state, err, "it", id, tl_sv_from(states[TL_DEFINITION_ACTIVE])));
    /* From now on it stands where the other active ones stand, in their lane of event ids. */
    TL_TRY(tl_session_do(store->session, sql_drop_lane, err, "i", id));
    view.speed_table = tl_buf_sv(&speed);
    view.batch_table = tl_buf_sv(&batch);
    if (store->session->dialect == TL_DIALECT_SQLITE)
        TL_TRY(make_view(store, &view, found, err));
    *swapped = true;
out:
    tl_buf_done(&speed);
    tl_buf_done(&batch);
    tl_buf_done(&beside);
    return rc;
}

enum tl_code tl_store_swap(struct tl_store *store, int64_t id, bool *swapped, struct tl_err *err)
{
    bool done = false;
    enum tl_code rc;

    rc = tl_store_begin_how(store, TL_BEGIN_SWAP, err);
    if (rc == TL_OK)
        rc = tl_store_end(store, swap(store, id, &done, err), err);
    if (rc == TL_ERR_BUSY) { /* the next time, then */
        done = false;
        rc = TL_OK;
    }
    if (rc == TL_OK)
        *swapped = done;
    return rc;
}

/* ---- rows ---- */

static char letter_of(enum tl_kind kind)
{
    if (kind == TL_BOOLEAN)
        return 'o';
    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: return 'i';
    case TL_FORM_F64: return 'f';
    case TL_FORM_TEXT: break;
    }
    return 't';
}

enum tl_code tl_known_put_insert(struct tl_store *store, struct tl_buf *out, const struct tl_known *d, const struct tl_buf *table,
                                 const char *own, struct tl_buf *types, struct tl_err *err)
{
    enum tl_code rc;

    tl_buf_put_str(out, "INSERT INTO ");
    tl_merge_view_put_name(out, tl_buf_sv(table));
    tl_buf_printf(out, " (%s, _end_ms, _start_ms, _key, _acc", own);
    tl_buf_put_str(types, "Iiibb");
    if (!d->windowed) {
        tl_buf_put_str(out, ", _partition, _offset, _row");
        tl_buf_put_str(types, "iii");
    }
    for (uint32_t i = 0; i < d->stored_count; i++) {
        const struct tl_shape_column *column = &d->columns[d->stored[i]];

        tl_buf_put_str(out, ", ");
        tl_store_put_stored_name(out, column);
        tl_buf_put_u8(types, (uint8_t)letter_of(column->kind));
    }
    tl_buf_put_u8(types, '\0');
    TL_TRY(tl_buf_check(types, "a statement", err));
    tl_buf_put_str(out, ") ");
    tl_session_put_rows(out, store->session->dialect, types->data);
out:
    return rc;
}

/* How a column of rows lies in memory. */
static struct tl_bulk_column column_of(const struct tl_vec *vec, enum tl_kind kind)
{
    switch (tl_kind_form(kind)) {
    case TL_FORM_I64: return (struct tl_bulk_column){TL_LAYOUT_I64, vec->i64, sizeof *vec->i64, vec->null};
    case TL_FORM_F64: return (struct tl_bulk_column){TL_LAYOUT_F64, vec->f64, sizeof *vec->f64, vec->null};
    case TL_FORM_TEXT: break;
    }
    return (struct tl_bulk_column){TL_LAYOUT_SV, vec->sv, sizeof *vec->sv, vec->null};
}

enum tl_code tl_known_insert(struct tl_statement *statement, const struct tl_known *d, int64_t own, const struct tl_rows *rows,
                             struct tl_err *err)
{
    static const struct tl_sv none = {NULL, 0};
    size_t count = 8 + d->stored_count, at = 0;
    struct tl_bulk_column *columns = malloc(count * sizeof *columns);
    enum tl_code rc;

    if (columns == NULL)
        return tl_fail_memory(err, count * sizeof *columns);
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, &own, 0, NULL};
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, rows->end_ms, sizeof *rows->end_ms, NULL};
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, rows->start_ms, sizeof *rows->start_ms, NULL};
    columns[at++] = (struct tl_bulk_column){TL_LAYOUT_SV, rows->key, sizeof *rows->key, NULL};
    columns[at++] = rows->accumulators != NULL
                        ? (struct tl_bulk_column){TL_LAYOUT_SV, rows->accumulators, sizeof *rows->accumulators, NULL}
                        : (struct tl_bulk_column){TL_LAYOUT_SV, &none, 0, NULL};
    if (!d->windowed) {
        columns[at++] = (struct tl_bulk_column){TL_LAYOUT_U32, rows->partition, sizeof *rows->partition, NULL};
        columns[at++] = (struct tl_bulk_column){TL_LAYOUT_I64, rows->offset, sizeof *rows->offset, NULL};
        columns[at++] = (struct tl_bulk_column){TL_LAYOUT_U32, rows->row, sizeof *rows->row, NULL};
    }
    for (uint32_t i = 0; i < d->stored_count; i++)
        columns[at++] = column_of(&rows->columns[d->stored[i]], d->columns[d->stored[i]].kind);
    rc = tl_statement_bulk(statement, columns, rows->count, err);
    free(columns);
    return rc;
}

void tl_store_put_stored_name(struct tl_buf *out, const struct tl_shape_column *column)
{
    if (tl_merge_view_is_time(column->kind))
        tl_merge_view_put_ms_name(out, column->name);
    else
        tl_merge_view_put_name(out, column->name);
}
