/* diff_stored.c: what OLD has published of a span, fetched by a thread of its own while NEW's rows are counted. See diff_inside.h.
 *
 * Which of the rows may be compared is known when all is counted, and asked then. */
#include <pthread.h>
#include <stdlib.h>

#include "diff_inside.h"

/* Into each pair's `fetched`; a row there: start, end (u64), size of the key, of the row (u32), both. */
struct tl_diff_fetch {
    struct tl_diff *diff;
    int64_t from_ms, to_ms;
    pthread_t thread;
    bool running;
    enum tl_code code;
    struct tl_err err;
};

static enum tl_code fetch_pair(struct tl_diff_fetch *fetch, uint32_t p, struct tl_err *err)
{
    struct tl_diff *d = fetch->diff;
    bool ends_open = d->pairs[p].shape[TL_NEW].ends_open;
    struct tl_store_cursor *cursor = NULL;
    struct tl_buf *out = &d->pairs[p].fetched;
    struct tl_buf row;
    enum tl_code rc;

    tl_buf_init(&row, 0);
    tl_buf_clear(out);
    TL_TRY(tl_store_cursor_open(d->store, d->pairs[p].definition, TL_LAYER_BATCH, fetch->from_ms - ends_open,
                                fetch->to_ms - ends_open, &cursor, err));
    for (;;) {
        const struct tl_stored_row *stored;

        TL_TRY(tl_store_cursor_next(cursor, &stored, err));
        if (stored == NULL)
            break;
        tl_buf_clear(&row);
        tl_preview_put_row(&d->views[p].preview, &row, TL_OLD, stored->columns);
        TL_TRY(tl_buf_check(&row, "a published row", err));
        tl_buf_put_u64(out, (uint64_t)stored->start_ms);
        tl_buf_put_u64(out, (uint64_t)stored->end_ms);
        tl_buf_put_u32(out, (uint32_t)stored->key.size);
        tl_buf_put_u32(out, (uint32_t)row.size);
        tl_buf_put_sv(out, stored->key);
        tl_buf_put_sv(out, tl_buf_sv(&row));
        TL_TRY(tl_buf_check(out, "the published rows", err));
    }
out:
    tl_buf_done(&row);
    if (cursor != NULL)
        tl_store_cursor_close(cursor);
    return rc;
}

static void *thread_main(void *arg)
{
    struct tl_diff_fetch *fetch = arg;
    struct tl_diff *d = fetch->diff;

    for (uint32_t p = 0; p < d->report.views_count && fetch->code == TL_OK; p++)
        if (d->views[p].compared && d->views[p].old_published)
            fetch->code = fetch_pair(fetch, p, &fetch->err);
    return NULL;
}

enum tl_code tl_diff_fetch(struct tl_diff *d, int64_t from_ms, int64_t to_ms, struct tl_diff_fetch **out, struct tl_err *err)
{
    struct tl_diff_fetch *fetch;
    bool any = false;
    enum tl_code rc = TL_OK;

    *out = NULL;
    for (uint32_t p = 0; p < d->report.views_count; p++)
        any = any || (d->views[p].compared && d->views[p].old_published);
    if (!any)
        return TL_OK;
    fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL)
        return tl_fail_memory(err, sizeof *fetch);
    *fetch = (struct tl_diff_fetch){.diff = d, .from_ms = from_ms, .to_ms = to_ms};
    *out = fetch;
    TL_TRY(tl_store_begin_read(d->store, err));
    fetch->running = d->threads > 1 && pthread_create(&fetch->thread, NULL, thread_main, fetch) == 0;
    if (!fetch->running)
        (void)thread_main(fetch);
out:
    return rc;
}

enum tl_code tl_diff_fetched(struct tl_diff_fetch *fetch, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (fetch == NULL)
        return TL_OK;
    if (fetch->running)
        pthread_join(fetch->thread, NULL);
    fetch->running = false;
    tl_store_rollback(fetch->diff->store);
    if (fetch->code != TL_OK) {
        *err = fetch->err;
        return fetch->code;
    }
    for (uint32_t p = 0; p < fetch->diff->report.views_count; p++) {
        struct tl_reader reader = tl_reader_of(tl_buf_sv(&fetch->diff->pairs[p].fetched));

        while (reader.at != reader.end) {
            int64_t start_ms = (int64_t)tl_reader_u64(&reader), end_ms = (int64_t)tl_reader_u64(&reader);
            uint32_t key_bytes = tl_reader_u32(&reader), row_bytes = tl_reader_u32(&reader);
            struct tl_sv key = tl_reader_bytes(&reader, key_bytes);

            TL_TRY(tl_diff_add_row(fetch->diff, p, TL_OLD, start_ms, end_ms, key, tl_reader_bytes(&reader, row_bytes), err));
        }
        tl_buf_clear(&fetch->diff->pairs[p].fetched);
    }
out:
    return rc;
}

void tl_diff_fetch_close(struct tl_diff_fetch *fetch)
{
    if (fetch == NULL)
        return;
    if (fetch->running)
        pthread_join(fetch->thread, NULL);
    free(fetch);
}
