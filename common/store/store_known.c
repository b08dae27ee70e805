/* store_known.c: what a handle comes to know of definitions: their columns, which one is active, what their tables are called.
 *
 * What never changes of a definition is read once and kept until the handle is closed; its state, and with it the names of its tables, is read
 * anew when tables have come to be called otherwise. */
#include "store/store_handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/schema.h"

/* clang-format off */
static const char sql_active_of[] = "SELECT definition FROM tally_definition WHERE view = ?1 AND state = 'active'";
static const char sql_add_definition[] =
    "INSERT INTO tally_definition (view, hash, state, windowed, lateness_ms, normaliser, topic, comment, normalised, state_beside,"
    " cut_per_key, key_tail_bytes, ends_open, by_pattern)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) RETURNING definition";
static const char sql_add_column[] = "INSERT INTO tally_column VALUES (?1, ?2, ?3, ?4, ?5)";
static const char sql_add_progress[] = "INSERT INTO tally_progress (definition, final_ms, boundary_ms, speed_ready, identity) VALUES (?1, ?2, ?2, 0, 0)";
static const char sql_state[] = "SELECT state FROM tally_definition WHERE definition = ?1";
static const char sql_set_state[] = "UPDATE tally_definition SET state = ?2 WHERE definition = ?1";
static const char sql_facts[] =
    "SELECT view, hash, windowed, lateness_ms, topic, normalised, state_beside, cut_per_key, key_tail_bytes, ends_open, by_pattern"
    " FROM tally_definition WHERE definition = ?1";
static const char sql_columns_count[] = "SELECT count(*) FROM tally_column WHERE definition = ?1";
static const char sql_columns[] = "SELECT name, kind, role FROM tally_column WHERE definition = ?1 ORDER BY position";
static const char sql_progress[] =
    "SELECT g.final_ms, g.boundary_ms, g.speed_ready, EXISTS (SELECT 1 FROM tally_offset AS o WHERE o.definition = g.definition),"
    " g.pruned_ms"
    " FROM tally_progress AS g WHERE g.definition = ?1";
/* A replay's build (store_replay.c) is nobody's business but the replay's. */
static const char sql_all[] = "SELECT definition FROM tally_definition WHERE state <> 'retired' AND hash NOT LIKE 'r%' ORDER BY definition";
static const char sql_view_names[] = "SELECT view FROM tally_definition WHERE state = 'active' ORDER BY view";
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

void tl_known_put_table(struct tl_buf *out, struct tl_sv view, const char *what, const char *hash, enum tl_definition_state state)
{
    tl_buf_put_sv(out, view);
    tl_buf_put_str(out, what);
    if (state == TL_DEFINITION_BUILDING)
        tl_buf_printf(out, "__%.8s", hash);
}

struct tl_merge_view tl_known_view(const struct tl_known *d)
{
    return (struct tl_merge_view){
        .definition = d->id,
        .view = d->view,
        .topic = d->topic,
        .by_pattern = d->by_pattern,
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
                   store->database->place, (long long)id);
}

static enum tl_code load_columns(struct tl_store *store, struct tl_known *d, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    int64_t count = 0;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_columns_count, &count, NULL, err, "i", d->id));
    if (count < 0 || count > 100000)
        TL_TRY(fail_damaged(store, d->id, err));
    d->columns = tl_arena_zalloc(&store->lasting, (size_t)(count + 1) * sizeof *d->columns);
    d->stored = tl_arena_zalloc(&store->lasting, (size_t)(count + 1) * sizeof *d->stored);
    if (d->columns == NULL || d->stored == NULL)
        TL_TRY(tl_fail_memory(err, (size_t)count * sizeof *d->columns));
    TL_TRY(tl_database_ask(store->database, sql_columns, &answer, err, "i", d->id));
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

    TL_TRY(tl_database_ask(store->database, sql_facts, &answer, err, "i", id));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", store->database->place, (long long)id));
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
    d->by_pattern = tl_answer_i64(answer, 10) != 0;
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

    TL_TRY(tl_database_ask(store->database, sql_state, &answer, err, "i", d->id));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (!row)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no definition %lld", store->database->place, (long long)d->id));
    text = tl_answer_text(answer, 0);
    for (size_t i = 0; i < TL_COUNT(states) && !known; i++)
        if ((known = tl_sv_eq(text, tl_sv_from(states[i]))))
            d->state = (enum tl_definition_state)i;
    if (!known)
        TL_TRY(fail_damaged(store, d->id, err));
    tl_buf_clear(&d->speed_table);
    tl_buf_clear(&d->batch_table);
    tl_buf_clear(&d->state_table);
    tl_known_put_table(&d->speed_table, d->view, "_speed", d->hash, d->state);
    tl_known_put_table(&d->batch_table, d->view, "_batch", d->hash, d->state);
    tl_known_put_table(&d->state_table, d->view, "_state", d->hash, d->state);
    TL_TRY(tl_buf_check(&d->speed_table, "a table's name", err));
    TL_TRY(tl_buf_check(&d->batch_table, "a table's name", err));
    TL_TRY(tl_buf_check(&d->state_table, "a table's name", err));
    d->fresh = true;
out:
    tl_answer_close(answer);
    return rc;
}

enum tl_code tl_known_any(struct tl_store *store, int64_t id, struct tl_known **out, struct tl_err *err)
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

    TL_TRY(tl_known_any(store, id, &d, err));
    if (d->state == TL_DEFINITION_RETIRED)
        TL_TRY(tl_fail(err, TL_ERR_NOT_FOUND,
                       "%s: definition %lld of view '%.*s' has been replaced; start again with the present views file",
                       store->database->place, (long long)id, TL_SV_ARG(d->view)));
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
    TL_TRY(tl_database_get(store->database, sql_active_of, id, &found, err, "t", view));
    if (found)
        goto out;
    TL_TRY(tl_database_ask(store->database, sql_view_names, &answer, err, ""));
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
                     store->database->place, TL_SV_ARG(view));
    else
        rc = tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no view '%.*s'; there are: %.*s%s", store->database->place,
                     TL_SV_ARG(view), TL_SV_ARG(tl_buf_sv(&names)), names.failed ? " and more" : "");
out:
    tl_answer_close(answer);
    tl_buf_done(&names);
    return rc;
}

enum tl_code tl_known_fill(struct tl_store *store, int64_t id, struct tl_definition *out, struct tl_err *err)
{
    struct tl_known *d;
    struct tl_answer *answer = NULL;
    bool row = false;
    enum tl_code rc;

    TL_TRY(tl_known_any(store, id, &d, err));
    *out = (struct tl_definition){.id = id,
                                  .state = d->state,
                                  .lateness_ms = d->lateness_ms,
                                  .final_ms = INT64_MIN,
                                  .boundary_ms = INT64_MIN,
                                  .pruned_ms = INT64_MIN,
                                  .state_form = d->state_form,
                                  .cut_per_key = d->cut_per_key,
                                  .key_tail_bytes = d->key_tail_bytes,
                                  .ends_open = d->ends_open,
                                  .view = d->view,
                                  .topic = d->topic,
                                  .by_pattern = d->by_pattern,
                                  .normalised = d->normalised};
    memcpy(out->hash, d->hash, sizeof out->hash);
    TL_TRY(tl_database_ask(store->database, sql_progress, &answer, err, "i", id));
    TL_TRY(tl_answer_next(answer, &row, err));
    if (row) { /* a retired one has none */
        out->final_ms = tl_answer_i64(answer, 0);
        out->boundary_ms = tl_answer_i64(answer, 1);
        out->speed_ready = tl_answer_i64(answer, 2) != 0;
        out->speed_known = tl_answer_i64(answer, 3) != 0;
        out->pruned_ms = tl_answer_i64(answer, 4);
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
    TL_TRY(tl_known_fill(store, id, &found, err));
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
    TL_TRY(tl_known_fill(store, id, &found, err));
    *out = found;
out:
    tl_store_read_end(store, mine);
    return rc;
}

enum tl_code tl_store_columns(struct tl_store *store, int64_t definition, const struct tl_shape_column **out, uint32_t *count,
                              struct tl_err *err)
{
    struct tl_known *d;
    enum tl_code rc;

    TL_TRY(tl_known_find(store, definition, &d, err));
    *out = d->columns;
    *count = d->columns_count;
out:
    return rc;
}

enum tl_code tl_store_definitions(struct tl_store *store, const struct tl_definition **out, size_t *count, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    bool mine = false, row = false;
    size_t listed = 0;
    enum tl_code rc;

    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_ask(store->database, sql_all, &answer, err, ""));
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
        TL_TRY(tl_known_fill(store, tl_answer_i64(answer, 0), &store->list[listed], err));
        listed++;
    }
    *out = store->list;
    *count = listed;
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}

/* ---- writing one down ---- */

enum tl_code tl_known_add(struct tl_store *store, const struct tl_shape *shape, enum tl_definition_state state, int64_t *id,
                          struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_add_definition, id, NULL, err, "tttiiitttiiiii", shape->view,
                           tl_sv_from(shape->hash), tl_sv_from(states[state]), (int64_t)shape->windowed, shape->lateness_ms,
                           (int64_t)TL_NORMALISER_VERSION, shape->topic, shape->comment, shape->normalised,
                           (int64_t)(shape->state == TL_STATE_BESIDE), (int64_t)shape->cut_per_key,
                           (int64_t)shape->key_tail_bytes, (int64_t)shape->ends_open, (int64_t)shape->by_pattern));
    for (uint32_t i = 0; i < shape->columns_count; i++) {
        const char *role = NULL;

        for (size_t k = 0; k < TL_COUNT(roles); k++)
            if (roles[k].role == shape->columns[i].role)
                role = roles[k].name;
        assert(role != NULL);
        TL_TRY(tl_database_do(store->database, sql_add_column, err, "iittt", *id, (int64_t)i, shape->columns[i].name,
                              tl_sv_from(tl_kind_name(shape->columns[i].kind)), tl_sv_from(role)));
    }
    TL_TRY(tl_database_do(store->database, sql_add_progress, err, "ii", *id, INT64_MIN));
out:
    return rc;
}

enum tl_code tl_known_set_state(struct tl_store *store, int64_t id, enum tl_definition_state state, struct tl_err *err)
{
    return tl_database_do(store->database, sql_set_state, err, "it", id, tl_sv_from(states[state]));
}
