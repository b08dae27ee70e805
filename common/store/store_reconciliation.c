/* store_reconciliation.c: what reconciliations came to. See store_reconciliation.h. */
#include "store/store_reconciliation.h"

#include <string.h>

#include "store/store_handle.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number
#define KEPT 10000

static_assert(KEPT == TL_RECONCILIATIONS_KEPT, "the statements say so");

/* clang-format off */
#define COUNTS "groups_count, equal_count, explained_count, unexplained_count, pending_count"
static const char sql_put[] =
    "INSERT INTO tally_reconciliation (started_ms, ended_ms, from_ms, to_ms, compared_from_ms, compared_to_ms, cut, exit_status, " COUNTS ","
    " events_count, normaliser, versions, notes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
    " RETURNING reconciliation";
static const char sql_put_view[] =
    "INSERT INTO tally_reconciliation_view (reconciliation, view, definition, from_ms, to_ms, boundary_ms, runs, " COUNTS ")"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
static const char sql_put_cause[] =
    "INSERT INTO tally_reconciliation_cause (reconciliation, view, cause, check_name, events_count) VALUES (?1, ?2, ?3, ?4, ?5)";
static const char *const sql_prune[] = {
    "DELETE FROM tally_reconciliation_cause WHERE reconciliation <= ?1 - " TEXT_OF(KEPT),
    "DELETE FROM tally_reconciliation_view WHERE reconciliation <= ?1 - " TEXT_OF(KEPT),
    "DELETE FROM tally_reconciliation WHERE reconciliation <= ?1 - " TEXT_OF(KEPT),
};
static const char sql_list[] =
    "SELECT reconciliation, started_ms, ended_ms, from_ms, to_ms, compared_from_ms, compared_to_ms, cut, exit_status, " COUNTS ","
    " events_count, normaliser, versions, notes FROM tally_reconciliation WHERE (?1 = 0 OR reconciliation < ?1)"
    " AND (?2 = ?5 OR compared_to_ms > ?2) AND (?3 = ?6 OR compared_from_ms < ?3) ORDER BY reconciliation DESC LIMIT ?4";
/* These two say with each row how many there are. */
static const char sql_views[] =
    "SELECT count(*) OVER (), view, definition, from_ms, to_ms, boundary_ms, runs, " COUNTS " FROM tally_reconciliation_view WHERE reconciliation = ?1"
    " ORDER BY view";
static const char sql_causes[] =
    "SELECT count(*) OVER (), view, cause, check_name, events_count FROM tally_reconciliation_cause WHERE reconciliation = ?1"
    " ORDER BY view, cause, check_name";
/* clang-format on */

/* ---- putting ---- */

/* One a line, so no control character stays. */
static void put_note(struct tl_buf *out, struct tl_sv note)
{
    size_t size;

    for (size_t at = 0; at < note.size; at += size) {
        size = tl_utf8_size(note.data + at, note.size - at);
        if (size == 0) {
            size = tl_utf8_ill_formed_size(note.data + at, note.size - at);
            tl_buf_put_str(out, "\xef\xbf\xbd");
        } else if (size == 1 && ((unsigned char)note.data[at] < ' ' || note.data[at] == 0x7f)) {
            tl_buf_put_u8(out, ' ');
        } else {
            tl_buf_put(out, note.data + at, size);
        }
    }
}

static enum tl_code put_notes(struct tl_buf *out, const struct tl_reconciliation *it, struct tl_err *err)
{
    size_t shown = it->notes_count <= TL_RECONCILIATION_NOTES_MAX ? it->notes_count : TL_RECONCILIATION_NOTES_MAX - 1;

    for (size_t n = 0; n < shown; n++) {
        if (n > 0)
            tl_buf_put_u8(out, '\n');
        put_note(out, it->notes[n]);
    }
    if (shown < it->notes_count)
        tl_buf_printf(out, "\nand %zu notes more", it->notes_count - shown);
    return tl_buf_check(out, "the notes", err);
}

static enum tl_code put_causes(struct tl_store *store, int64_t id, struct tl_sv view, const struct tl_reconciled_cause *causes,
                               size_t count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t c = 0; c < count; c++)
        TL_TRY(tl_database_do(store->database, sql_put_cause, err, "ititi", id, view, (int64_t)causes[c].cause, causes[c].check,
                              (int64_t)causes[c].events_count));
out:
    return rc;
}

static enum tl_code put_view(struct tl_store *store, int64_t id, const struct tl_reconciled_view *view, struct tl_err *err)
{
    const struct tl_reconciled_counts *counts = &view->counts;
    enum tl_code rc;

    TL_TRY(tl_database_do(store->database, sql_put_view, err, "itiiiitiiiii", id, view->view, view->definition, view->from_ms,
                          view->to_ms, view->boundary_ms, view->runs, (int64_t)counts->groups, (int64_t)counts->equal,
                          (int64_t)counts->explained, (int64_t)counts->unexplained, (int64_t)counts->pending));
    TL_TRY(put_causes(store, id, view->view, view->causes, view->causes_count, err));
out:
    return rc;
}

static enum tl_code put_all(struct tl_store *store, const struct tl_reconciliation *it, struct tl_sv notes, int64_t *id,
                            struct tl_err *err)
{
    const struct tl_reconciled_counts *counts = &it->counts;
    enum tl_code rc;

    TL_TRY(tl_database_get(store->database, sql_put, id, NULL, err, "iiiiiiiiiiiiiiitt", it->started_ms, it->ended_ms,
                           it->from_ms, it->to_ms, it->compared_from_ms, it->compared_to_ms, (int64_t)it->cut,
                           (int64_t)it->exit_status, (int64_t)counts->groups, (int64_t)counts->equal, (int64_t)counts->explained,
                           (int64_t)counts->unexplained, (int64_t)counts->pending, (int64_t)it->events_count, it->normaliser,
                           it->versions, notes));
    TL_TRY(put_causes(store, *id, TL_SV(""), it->causes, it->causes_count, err));
    for (size_t v = 0; v < it->views_count; v++)
        TL_TRY(put_view(store, *id, &it->views[v], err));
    for (size_t p = 0; p < TL_COUNT(sql_prune); p++)
        TL_TRY(tl_database_do(store->database, sql_prune[p], err, "i", *id));
out:
    return rc;
}

enum tl_code tl_store_put_reconciliation(struct tl_store *store, const struct tl_reconciliation *it, int64_t *id,
                                         struct tl_err *err)
{
    struct tl_buf notes;
    int64_t put = 0;
    enum tl_code rc;

    tl_buf_init(&notes, 0);
    TL_TRY(put_notes(&notes, it, err));
    TL_TRY(tl_store_begin(store, err));
    TL_TRY(tl_store_end(store, put_all(store, it, tl_buf_sv(&notes), &put, err), err));
    *id = put;
out:
    tl_buf_done(&notes);
    return rc;
}

/* ---- reading ---- */

static enum tl_code copy(struct tl_arena *arena, struct tl_sv text, struct tl_sv *out, struct tl_err *err)
{
    return tl_arena_copy(arena, text, out) ? TL_OK : tl_fail_memory(err, text.size);
}

static struct tl_reconciled_counts take_counts(struct tl_answer *answer, int column)
{
    return (struct tl_reconciled_counts){.groups = (uint64_t)tl_answer_i64(answer, column),
                                         .equal = (uint64_t)tl_answer_i64(answer, column + 1),
                                         .explained = (uint64_t)tl_answer_i64(answer, column + 2),
                                         .unexplained = (uint64_t)tl_answer_i64(answer, column + 3),
                                         .pending = (uint64_t)tl_answer_i64(answer, column + 4)};
}

static enum tl_code split_notes(struct tl_arena *arena, struct tl_sv text, struct tl_reconciliation *out, struct tl_err *err)
{
    struct tl_sv lines, *notes;
    size_t count = text.size > 0;
    enum tl_code rc;

    TL_TRY(copy(arena, text, &lines, err));
    for (size_t i = 0; i < lines.size; i++)
        count += lines.data[i] == '\n';
    notes = tl_arena_alloc(arena, (count + 1) * sizeof *notes);
    if (notes == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *notes));
    for (size_t n = 0; n < count; n++) {
        const char *end = memchr(lines.data, '\n', lines.size);
        size_t size = end != NULL ? (size_t)(end - lines.data) : lines.size;

        notes[n] = (struct tl_sv){lines.data, size};
        lines = end != NULL ? (struct tl_sv){end + 1, lines.size - size - 1} : (struct tl_sv){lines.data + size, 0};
    }
    out->notes = notes;
    out->notes_count = count;
out:
    return rc;
}

/* The next row of an answer that says how many there are; with the first one, an array for all of them. */
static enum tl_code next(struct tl_answer *answer, struct tl_arena *arena, size_t size, void **array, bool *more,
                         struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_answer_next(answer, more, err));
    if (!*more || *array != NULL)
        goto out;
    *array = tl_arena_zalloc(arena, (size_t)tl_answer_i64(answer, 0) * size);
    if (*array == NULL)
        TL_TRY(tl_fail_memory(err, (size_t)tl_answer_i64(answer, 0) * size));
out:
    return rc;
}

static enum tl_code take_views(struct tl_store *store, struct tl_arena *arena, int64_t id, struct tl_reconciled_view **out,
                               size_t *count, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    void *array = NULL;
    bool more = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_views, &answer, err, "i", id));
    for (*count = 0;; ++*count) {
        struct tl_reconciled_view *view;

        TL_TRY(next(answer, arena, sizeof *view, &array, &more, err));
        if (!more)
            break;
        view = (struct tl_reconciled_view *)array + *count;
        *view = (struct tl_reconciled_view){.definition = tl_answer_i64(answer, 2),
                                            .from_ms = tl_answer_i64(answer, 3),
                                            .to_ms = tl_answer_i64(answer, 4),
                                            .boundary_ms = tl_answer_i64(answer, 5),
                                            .counts = take_counts(answer, 7)};
        TL_TRY(copy(arena, tl_answer_text(answer, 1), &view->view, err));
        TL_TRY(copy(arena, tl_answer_text(answer, 6), &view->runs, err));
    }
    *out = array;
out:
    tl_answer_close(answer);
    return rc;
}

/* They come in the order of the views, those over all views first. One that only a later tally knows is left out. */
static enum tl_code take_causes(struct tl_store *store, struct tl_arena *arena, struct tl_reconciliation *it,
                                struct tl_reconciled_view *views, struct tl_err *err)
{
    struct tl_answer *answer = NULL;
    void *array = NULL;
    size_t count = 0, v = 0;
    bool more = false;
    enum tl_code rc;

    TL_TRY(tl_database_ask(store->database, sql_causes, &answer, err, "i", it->id));
    for (;;) {
        struct tl_reconciled_cause *cause;
        struct tl_sv view;
        int64_t number;

        TL_TRY(next(answer, arena, sizeof *cause, &array, &more, err));
        if (!more)
            break;
        view = tl_answer_text(answer, 1);
        number = tl_answer_i64(answer, 2);
        while (view.size > 0 && v < it->views_count && !tl_sv_eq(views[v].view, view))
            v++;
        if (number <= TL_CAUSE_NONE || number >= TL_CAUSES || (view.size > 0 && v == it->views_count))
            continue;
        cause = (struct tl_reconciled_cause *)array + count++;
        *cause = (struct tl_reconciled_cause){.cause = (enum tl_cause)number, .events_count = (uint64_t)tl_answer_i64(answer, 4)};
        TL_TRY(copy(arena, tl_answer_text(answer, 3), &cause->check, err));
        if (view.size == 0) {
            it->causes = array;
            it->causes_count++;
        } else {
            views[v].causes = views[v].causes_count == 0 ? cause : views[v].causes;
            views[v].causes_count++;
        }
    }
out:
    tl_answer_close(answer);
    return rc;
}

static enum tl_code take(struct tl_store *store, struct tl_answer *answer, struct tl_arena *arena, struct tl_reconciliation *out,
                         struct tl_err *err)
{
    struct tl_reconciled_view *views;
    enum tl_code rc;

    *out = (struct tl_reconciliation){.id = tl_answer_i64(answer, 0),
                                      .started_ms = tl_answer_i64(answer, 1),
                                      .ended_ms = tl_answer_i64(answer, 2),
                                      .from_ms = tl_answer_i64(answer, 3),
                                      .to_ms = tl_answer_i64(answer, 4),
                                      .compared_from_ms = tl_answer_i64(answer, 5),
                                      .compared_to_ms = tl_answer_i64(answer, 6),
                                      .cut = tl_answer_i64(answer, 7) != 0,
                                      .exit_status = (int)tl_answer_i64(answer, 8),
                                      .counts = take_counts(answer, 9),
                                      .events_count = (uint64_t)tl_answer_i64(answer, 14),
                                      .normaliser = tl_answer_i64(answer, 15)};
    TL_TRY(copy(arena, tl_answer_text(answer, 16), &out->versions, err));
    TL_TRY(split_notes(arena, tl_answer_text(answer, 17), out, err));
    TL_TRY(take_views(store, arena, out->id, &views, &out->views_count, err));
    out->views = views;
    TL_TRY(take_causes(store, arena, out, views, err));
out:
    return rc;
}

enum tl_code tl_store_reconciliations(struct tl_store *store, const struct tl_reconciliation_query *query, struct tl_arena *arena,
                                      struct tl_reconciliation **out, size_t *count, struct tl_err *err)
{
    int64_t limit = query->limit < 0 ? KEPT : tl_min_i64(query->limit, KEPT);
    struct tl_answer *answer = NULL;
    struct tl_reconciliation *list = tl_arena_alloc(arena, ((size_t)limit + 1) * sizeof *list);
    size_t taken = 0;
    bool mine = false, more = false;
    enum tl_code rc;

    if (list == NULL)
        return tl_fail_memory(err, (size_t)limit * sizeof *list);
    TL_TRY(tl_store_read_begin(store, &mine, err));
    TL_TRY(tl_database_ask(store->database, sql_list, &answer, err, "iiiiii", query->before, query->from_ms, query->to_ms, limit,
                           INT64_MIN, INT64_MAX));
    for (;;) {
        TL_TRY(tl_answer_next(answer, &more, err));
        if (!more)
            break;
        TL_TRY(take(store, answer, arena, &list[taken++], err));
    }
    *out = list;
    *count = taken;
out:
    tl_answer_close(answer);
    tl_store_read_end(store, mine);
    return rc;
}
