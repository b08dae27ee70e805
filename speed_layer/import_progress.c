/* import_progress.c: which logs were imported before, by their content, and up to which line. */
#include "speed_layer/import_progress.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION_WHOLE = 1, VERSION = 2 };

/* ---- bytes ---- */

void tl_import_hash_put(struct tl_buf *out, XXH128_hash_t hash)
{
    tl_buf_put_u64(out, hash.low64);
    tl_buf_put_u64(out, hash.high64);
}

XXH128_hash_t tl_import_hash_get(struct tl_reader *reader)
{
    XXH128_hash_t hash;

    hash.low64 = tl_reader_u64(reader);
    hash.high64 = tl_reader_u64(reader);
    return hash;
}

void tl_import_entry_put(struct tl_buf *out, const struct tl_import_entry *entry)
{
    assert(entry->version == VERSION || entry->version == VERSION_WHOLE);
    tl_buf_put_u8(out, entry->version); /* the archive's list keeps those of version 1 as they are */
    tl_buf_put_u8(out, (uint8_t)entry->kind.format);
    tl_buf_put_varint(out, entry->lines_count);
    tl_import_hash_put(out, entry->hash);
    tl_buf_put_u8(out, entry->has_tail);
    tl_import_hash_put(out, entry->tail);
    tl_buf_put_u8(out, entry->kind.host.data != NULL);
    tl_buf_put_block(out, entry->kind.host);
    tl_buf_put_block(out, entry->kind.topic);
    if (entry->version == VERSION)
        tl_buf_put_u64(out, entry->first_line);
}

bool tl_import_entry_get(struct tl_sv bytes, struct tl_import_entry *out)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_import_entry entry = {0};
    uint8_t format, has_host;

    entry.version = tl_reader_u8(&reader);
    if (entry.version != VERSION && entry.version != VERSION_WHOLE)
        return false;
    format = tl_reader_u8(&reader);
    entry.kind.format = (enum tl_import_format)format;
    entry.lines_count = tl_reader_varint(&reader);
    entry.hash = tl_import_hash_get(&reader);
    entry.has_tail = tl_reader_u8(&reader) != 0;
    entry.tail = tl_import_hash_get(&reader);
    has_host = tl_reader_u8(&reader);
    entry.kind.host = tl_reader_block(&reader);
    entry.kind.topic = tl_reader_block(&reader);
    if (entry.version == VERSION)
        entry.first_line = tl_reader_u64(&reader);
    if (!has_host)
        entry.kind.host = (struct tl_sv){NULL, 0};
    if (!tl_reader_at_end(&reader) || format < TL_IMPORT_JSONL || format > TL_IMPORT_VHOST_COMBINED)
        return false;
    *out = entry;
    return true;
}

/* ---- hashes ---- */

static bool follows(const struct tl_sv *line, const struct tl_sv *next)
{
    return line->data + line->size + 1 == next->data;
}

void tl_import_hash_lines(XXH3_state_t *state, const struct tl_lines *lines, size_t from, size_t to)
{
    while (from < to) {
        const struct tl_sv *first = &lines->lines[from], *last = first;

        while (from + 1 < to && follows(last, last + 1)) { /* one after another in memory, each with its line feed */
            last++;
            from++;
        }
        XXH3_128bits_update(state, first->data, (size_t)(last->data - first->data) + last->size);
        XXH3_128bits_update(state, "\n", 1);
        from++;
    }
}

XXH128_hash_t tl_import_span_hash(XXH3_state_t *state, const struct tl_lines *lines)
{
    XXH3_128bits_reset(state);
    tl_import_hash_lines(state, lines, 0, tl_lines_finished(lines));
    return XXH3_128bits_digest(state);
}

static void chain_add(XXH3_state_t *chain, XXH128_hash_t hash)
{
    XXH128_canonical_t bytes;

    XXH128_canonicalFromHash(&bytes, hash);
    XXH3_128bits_update(chain, &bytes, sizeof bytes);
}

XXH128_hash_t tl_import_spans_hash(XXH3_state_t *state, const struct tl_import_span *spans, size_t count, uint64_t partial_lines,
                                   XXH128_hash_t partial)
{
    XXH3_128bits_reset(state);
    for (size_t i = 0; i < count; i++)
        chain_add(state, spans[i].hash);
    if (partial_lines > 0)
        chain_add(state, partial);
    return XXH3_128bits_digest(state);
}

/* Of the spans, and `partial` behind them where there are lines of it. Leaves `state` changed. */
static XXH128_hash_t chain_hash(const struct tl_import_progress *progress, uint64_t partial_lines, XXH128_hash_t partial)
{
    XXH3_copyState(progress->state, progress->chain);
    if (partial_lines > 0)
        chain_add(progress->state, partial);
    return XXH3_128bits_digest(progress->state);
}

/* ---- what is known ---- */

enum tl_code tl_import_progress_init(struct tl_import_progress *progress, struct tl_err *err)
{
    *progress =
        (struct tl_import_progress){.chain = XXH3_createState(), .state = XXH3_createState(), .whole = XXH3_createState()};
    tl_arena_init(&progress->arena, 4096, 0);
    return progress->chain != NULL && progress->state != NULL && progress->whole != NULL ? TL_OK : tl_fail_memory(err, 2048);
}

void tl_import_progress_done(struct tl_import_progress *progress)
{
    XXH3_freeState(progress->chain);
    XXH3_freeState(progress->state);
    XXH3_freeState(progress->whole);
    tl_arena_done(&progress->arena);
    free(progress->entries);
    free(progress->candidates);
    free(progress->spans);
    *progress = (struct tl_import_progress){0};
}

enum tl_code tl_import_progress_add(struct tl_import_progress *progress, const struct tl_import_entry *entry, struct tl_err *err)
{
    struct tl_import_entry *entries, *mine;

    if (progress->entries_count == progress->entries_capacity) {
        size_t capacity = progress->entries_capacity == 0 ? 16 : progress->entries_capacity * 2;

        entries = realloc(progress->entries, capacity * sizeof *entries);
        if (entries == NULL)
            return tl_fail_memory(err, capacity * sizeof *entries);
        progress->entries = entries;
        progress->entries_capacity = capacity;
    }
    mine = &progress->entries[progress->entries_count];
    *mine = *entry;
    if (!tl_arena_copy(&progress->arena, entry->kind.topic, &mine->kind.topic) ||
        (entry->kind.host.data != NULL && !tl_arena_copy(&progress->arena, entry->kind.host, &mine->kind.host)))
        return tl_fail_memory(err, entry->kind.topic.size + entry->kind.host.size);
    progress->entries_count++;
    return TL_OK;
}

/* ---- the log at hand ---- */

static int by_lines(const void *a, const void *b)
{
    const struct tl_import_entry *const *one = a, *const *two = b;

    return ((*one)->lines_count > (*two)->lines_count) - ((*one)->lines_count < (*two)->lines_count);
}

static bool same_host(const struct tl_import_kind *a, const struct tl_import_kind *b)
{
    return (a->host.data == NULL) == (b->host.data == NULL) && tl_sv_eq(a->host, b->host);
}

bool tl_import_kind_same(const struct tl_import_kind *a, const struct tl_import_kind *b)
{
    return a->format == b->format && tl_sv_eq(a->topic, b->topic) && same_host(a, b);
}

static uint64_t lines_here(const struct tl_import_progress *progress)
{
    return progress->spans_lines + progress->partial_lines;
}

/* The entries that have as many lines as were read: one of the wanted host is taken before others. `partial`: of the span's lines
 * so far. */
static void match_here(struct tl_import_progress *progress, uint64_t here, uint64_t partial_lines, XXH128_hash_t partial)
{
    const struct tl_import_entry *found = NULL;
    XXH128_hash_t hash;

    if (progress->candidates_at == progress->candidates_count ||
        progress->candidates[progress->candidates_at]->lines_count != here)
        return;
    hash = chain_hash(progress, partial_lines, partial);
    for (; progress->candidates_at < progress->candidates_count &&
           progress->candidates[progress->candidates_at]->lines_count == here;
         progress->candidates_at++) {
        const struct tl_import_entry *candidate = progress->candidates[progress->candidates_at];

        if (!XXH128_isEqual(candidate->hash, candidate->version == VERSION ? hash : XXH3_128bits_digest(progress->whole)))
            continue;
        if (found == NULL || same_host(&candidate->kind, &progress->kind))
            found = candidate;
    }
    /* The beginning alone says nothing: every log begins there. Only a tail makes such an entry one. */
    if (found != NULL && found->lines_count > 0) {
        progress->best = found;
        progress->best_with_tail = false;
    }
}

/* The line behind those of an entry: is it the one that had no line feed then? */
static void match_tail(struct tl_import_progress *progress, uint64_t here, struct tl_sv line)
{
    XXH128_hash_t hash = XXH3_128bits(line.data, line.size);

    for (size_t i = 0; i < progress->candidates_at; i++) {
        const struct tl_import_entry *candidate = progress->candidates[i];

        if (!candidate->has_tail || candidate->lines_count != here || !XXH128_isEqual(candidate->tail, hash))
            continue;
        if (candidate->lines_count > 0 && (progress->best == NULL || progress->best->lines_count != candidate->lines_count ||
                                           !XXH128_isEqual(progress->best->hash, candidate->hash)))
            continue;
        if (!progress->best_with_tail || same_host(&candidate->kind, &progress->kind)) {
            progress->best = candidate;
            progress->best_with_tail = true;
        }
    }
}

/* A tail that might be the next line. */
static bool tail_here(const struct tl_import_progress *progress, uint64_t here)
{
    for (size_t i = progress->candidates_at; i > 0 && progress->candidates[i - 1]->lines_count == here; i--)
        if (progress->candidates[i - 1]->has_tail)
            return true;
    return false;
}

static enum tl_code add_span(struct tl_import_progress *progress, const struct tl_import_span *span, struct tl_err *err)
{
    if (progress->spans_count == progress->spans_capacity) {
        size_t capacity = progress->spans_capacity == 0 ? 64 : progress->spans_capacity * 2;

        if (!TL_RESIZE(progress->spans, capacity))
            return tl_fail_memory(err, capacity * sizeof *span);
        progress->spans_capacity = capacity;
    }
    progress->spans[progress->spans_count++] = *span;
    progress->spans_lines += span->lines_count;
    chain_add(progress->chain, span->hash);
    return TL_OK;
}

enum tl_code tl_import_progress_begin_behind(struct tl_import_progress *progress, const struct tl_import_kind *kind,
                                             const struct tl_import_span *spans, size_t count, uint64_t first_line,
                                             struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    progress->kind = *kind;
    progress->best = NULL;
    progress->best_with_tail = false;
    progress->candidates_count = progress->candidates_at = 0;
    free(progress->candidates);
    progress->candidates = calloc(progress->entries_count + 1, sizeof(struct tl_import_entry *));
    if (progress->candidates == NULL)
        return tl_fail_memory(err, progress->entries_count * sizeof(struct tl_import_entry *));
    tl_import_progress_go_back(progress, 0);
    for (size_t i = 0; i < count; i++)
        TL_TRY(add_span(progress, &spans[i], err));
    progress->first_line = first_line;
    for (size_t i = 0; i < progress->entries_count; i++) {
        struct tl_import_entry *entry = &progress->entries[i];

        if (entry->kind.format == kind->format && tl_sv_eq(entry->kind.topic, kind->topic) &&
            entry->lines_count >= progress->spans_lines && (count == 0 || entry->version == VERSION))
            progress->candidates[progress->candidates_count++] = entry;
    }
    qsort(progress->candidates, progress->candidates_count, sizeof *progress->candidates, by_lines);
    match_here(progress, progress->spans_lines, 0, (XXH128_hash_t){0});
out:
    return rc;
}

enum tl_code tl_import_progress_begin(struct tl_import_progress *progress, const struct tl_import_kind *kind, struct tl_err *err)
{
    return tl_import_progress_begin_behind(progress, kind, NULL, 0, 0, err);
}

/* Those that begin with another line are other logs. */
static void drop_strangers(struct tl_import_progress *progress)
{
    size_t kept = progress->candidates_at;

    for (size_t i = progress->candidates_at; i < progress->candidates_count; i++) {
        struct tl_import_entry *candidate = progress->candidates[i];

        if (candidate->version != VERSION || candidate->first_line == progress->first_line)
            progress->candidates[kept++] = candidate;
    }
    progress->candidates_count = kept;
}

static void take_first_line(struct tl_import_progress *progress, const struct tl_lines *lines)
{
    if (lines_here(progress) == 0 && tl_lines_finished(lines) > 0)
        progress->first_line = XXH3_64bits(lines->lines[0].data, lines->lines[0].size);
}

bool tl_import_progress_wants_more(const struct tl_import_progress *progress)
{
    return progress->candidates_at < progress->candidates_count || tail_here(progress, lines_here(progress));
}

static bool of_version_1(const struct tl_import_progress *progress)
{
    for (size_t i = progress->candidates_at; i < progress->candidates_count; i++)
        if (progress->candidates[i]->version == VERSION_WHOLE)
            return true;
    return false;
}

enum tl_code tl_import_progress_compare(struct tl_import_progress *progress, const struct tl_lines *lines, int64_t time_ms_min,
                                        int64_t time_ms_max, struct tl_err *err)
{
    uint64_t before = progress->spans_lines;
    size_t finished = tl_lines_finished(lines), at = 0;
    bool whole_wanted;
    XXH128_hash_t hash;
    XXH3_state_t *span = XXH3_createState();
    enum tl_code rc;

    if (span == NULL)
        return tl_fail_memory(err, 1024);
    take_first_line(progress, lines);
    if (before == 0)
        drop_strangers(progress);
    whole_wanted = of_version_1(progress);
    XXH3_128bits_reset(span);
    for (;;) {
        bool is_candidate = progress->candidates_at < progress->candidates_count;
        uint64_t next = is_candidate ? progress->candidates[progress->candidates_at]->lines_count - before : UINT64_MAX;
        size_t to = next < finished ? (size_t)next : finished;

        if (at < lines->count && tail_here(progress, before + at))
            match_tail(progress, before + at, lines->lines[at]);
        if (at == finished)
            break;
        tl_import_hash_lines(span, lines, at, to);
        if (whole_wanted)
            tl_import_hash_lines(progress->whole, lines, at, to);
        at = to;
        if (to == next)
            match_here(progress, before + at, at, XXH3_128bits_digest(span));
    }
    hash = XXH3_128bits_digest(span);
    TL_TRY(tl_import_progress_take(progress, lines, hash, time_ms_min, time_ms_max, err));
out:
    XXH3_freeState(span);
    return rc;
}

enum tl_code tl_import_progress_known(const struct tl_import_progress *progress, const char *name, uint64_t *lines_count,
                                      struct tl_err *err)
{
    const struct tl_import_entry *best = progress->best;

    if (best != NULL && !same_host(&best->kind, &progress->kind)) {
        if (best->kind.host.data == NULL)
            return tl_fail(
                err, TL_ERR_USAGE,
                "%s: its lines 1 to %llu were imported without --host; leave it out to go on with this log, for the same lines "
                "under another host would count twice",
                name, (unsigned long long)best->lines_count);
        return tl_fail(
            err, TL_ERR_USAGE,
            "%s: its lines 1 to %llu were imported with --host %.*s; say so to go on with this log, for the same lines under "
            "another host would count twice",
            name, (unsigned long long)best->lines_count, TL_SV_ARG(best->kind.host));
    }
    *lines_count = best == NULL ? 0 : best->lines_count + (progress->best_with_tail ? 1 : 0);
    return TL_OK;
}

void tl_import_progress_go_back(struct tl_import_progress *progress, uint64_t lines_count)
{
    size_t kept = 0;

    progress->spans_lines = progress->partial_lines = 0;
    progress->has_tail = false;
    XXH3_128bits_reset(progress->chain);
    XXH3_128bits_reset(progress->whole);
    for (; kept < progress->spans_count && progress->spans_lines + progress->spans[kept].lines_count <= lines_count; kept++) {
        progress->spans_lines += progress->spans[kept].lines_count;
        chain_add(progress->chain, progress->spans[kept].hash);
    }
    progress->spans_count = kept;
    if (kept == 0)
        progress->first_line = 0;
}

enum tl_code tl_import_progress_take(struct tl_import_progress *progress, const struct tl_lines *lines, XXH128_hash_t hash,
                                     int64_t time_ms_min, int64_t time_ms_max, struct tl_err *err)
{
    assert(progress->partial_lines == 0); /* nothing comes behind what is no whole span */
    take_first_line(progress, lines);
    if (lines->whole) {
        const struct tl_import_span span = {hash, lines->count, lines->end, time_ms_min, time_ms_max};

        return add_span(progress, &span, err);
    }
    progress->partial_lines = tl_lines_finished(lines);
    progress->partial = hash;
    progress->has_tail = lines->unfinished;
    if (lines->unfinished) {
        const struct tl_sv *last = &lines->lines[lines->count - 1];

        progress->tail = XXH3_128bits(last->data, last->size);
    }
    return TL_OK;
}

uint64_t tl_import_progress_lines(const struct tl_import_progress *progress)
{
    return lines_here(progress) + (progress->has_tail ? 1 : 0);
}

void tl_import_progress_entry(const struct tl_import_progress *progress, struct tl_import_entry *out)
{
    *out = (struct tl_import_entry){.kind = progress->kind,
                                    .version = VERSION,
                                    .lines_count = lines_here(progress),
                                    .hash = chain_hash(progress, progress->partial_lines, progress->partial),
                                    .has_tail = progress->has_tail,
                                    .first_line = progress->first_line};
    if (progress->has_tail)
        out->tail = progress->tail;
}

bool tl_import_progress_has(const struct tl_import_progress *progress, const struct tl_import_entry *entry)
{
    for (size_t i = 0; i < progress->entries_count; i++) {
        const struct tl_import_entry *mine = &progress->entries[i];

        if (mine->version == entry->version && mine->lines_count == entry->lines_count &&
            XXH128_isEqual(mine->hash, entry->hash) && mine->has_tail == entry->has_tail &&
            (!mine->has_tail || XXH128_isEqual(mine->tail, entry->tail)) && tl_import_kind_same(&mine->kind, &entry->kind))
            return true;
    }
    return false;
}
