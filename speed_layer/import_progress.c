/* import_progress.c: which logs were imported before, by their content, and up to which line. */
#include "speed_layer/import_progress.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };

/* ---- bytes ---- */

static void put_hash(struct tl_buf *out, XXH128_hash_t hash)
{
    tl_buf_put_u64(out, hash.low64);
    tl_buf_put_u64(out, hash.high64);
}

static XXH128_hash_t get_hash(struct tl_reader *reader)
{
    XXH128_hash_t hash;

    hash.low64 = tl_reader_u64(reader);
    hash.high64 = tl_reader_u64(reader);
    return hash;
}

void tl_import_entry_put(struct tl_buf *out, const struct tl_import_entry *entry)
{
    tl_buf_put_u8(out, VERSION);
    tl_buf_put_u8(out, (uint8_t)entry->kind.format);
    tl_buf_put_varint(out, entry->lines_count);
    put_hash(out, entry->hash);
    tl_buf_put_u8(out, entry->has_tail);
    put_hash(out, entry->tail);
    tl_buf_put_u8(out, entry->kind.host.data != NULL);
    tl_buf_put_block(out, entry->kind.host);
    tl_buf_put_block(out, entry->kind.topic);
}

bool tl_import_entry_get(struct tl_sv bytes, struct tl_import_entry *out)
{
    struct tl_reader reader = tl_reader_of(bytes);
    struct tl_import_entry entry = {0};
    uint8_t format, has_host;

    if (tl_reader_u8(&reader) != VERSION)
        return false;
    format = tl_reader_u8(&reader);
    entry.kind.format = (enum tl_import_format)format;
    entry.lines_count = tl_reader_varint(&reader);
    entry.hash = get_hash(&reader);
    entry.has_tail = tl_reader_u8(&reader) != 0;
    entry.tail = get_hash(&reader);
    has_host = tl_reader_u8(&reader);
    entry.kind.host = tl_reader_block(&reader);
    entry.kind.topic = tl_reader_block(&reader);
    if (!has_host)
        entry.kind.host = (struct tl_sv){NULL, 0};
    if (!tl_reader_at_end(&reader) || format < TL_IMPORT_JSONL || format > TL_IMPORT_VHOST_COMBINED)
        return false;
    *out = entry;
    return true;
}

/* ---- what is known ---- */

enum tl_code tl_import_progress_init(struct tl_import_progress *progress, struct tl_err *err)
{
    *progress = (struct tl_import_progress){.state = XXH3_createState()};
    tl_arena_init(&progress->arena, 4096, 0);
    return progress->state != NULL ? TL_OK : tl_fail_memory(err, 1024);
}

void tl_import_progress_done(struct tl_import_progress *progress)
{
    XXH3_freeState(progress->state);
    tl_arena_done(&progress->arena);
    free(progress->entries);
    free(progress->candidates);
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

/* The entries that have as many lines as were read. One of the wanted host is taken before others. */
static void match_here(struct tl_import_progress *progress)
{
    const struct tl_import_entry *found = NULL;
    XXH128_hash_t hash;

    if (progress->candidates_at == progress->candidates_count ||
        progress->candidates[progress->candidates_at]->lines_count != progress->lines_count)
        return;
    hash = XXH3_128bits_digest(progress->state);
    for (; progress->candidates_at < progress->candidates_count &&
           progress->candidates[progress->candidates_at]->lines_count == progress->lines_count;
         progress->candidates_at++) {
        const struct tl_import_entry *candidate = progress->candidates[progress->candidates_at];

        /* The beginning alone says nothing: every log begins there. Only a tail makes such an entry one. */
        if (XXH128_isEqual(candidate->hash, hash) && (found == NULL || same_host(&candidate->kind, &progress->kind)))
            found = candidate;
    }
    if (found != NULL && found->lines_count > 0) {
        progress->best = found;
        progress->best_with_tail = false;
    }
}

/* The line behind those of an entry: is it the one that had no line feed then? */
static void match_tail(struct tl_import_progress *progress, struct tl_sv line)
{
    XXH128_hash_t hash = XXH3_128bits(line.data, line.size);

    for (size_t i = 0; i < progress->candidates_at; i++) {
        const struct tl_import_entry *candidate = progress->candidates[i];

        if (!candidate->has_tail || candidate->lines_count != progress->lines_count || !XXH128_isEqual(candidate->tail, hash))
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

enum tl_code tl_import_progress_begin(struct tl_import_progress *progress, const struct tl_import_kind *kind, struct tl_err *err)
{
    progress->kind = *kind;
    progress->best = NULL;
    progress->best_with_tail = false;
    progress->candidates_count = progress->candidates_at = 0;
    free(progress->candidates);
    progress->candidates = calloc(progress->entries_count + 1, sizeof(struct tl_import_entry *));
    if (progress->candidates == NULL)
        return tl_fail_memory(err, progress->entries_count * sizeof(struct tl_import_entry *));
    for (size_t i = 0; i < progress->entries_count; i++)
        if (progress->entries[i].kind.format == kind->format && tl_sv_eq(progress->entries[i].kind.topic, kind->topic))
            progress->candidates[progress->candidates_count++] = &progress->entries[i];
    qsort(progress->candidates, progress->candidates_count, sizeof *progress->candidates, by_lines);
    tl_import_progress_restart(progress);
    match_here(progress);
    return TL_OK;
}

bool tl_import_progress_compare(struct tl_import_progress *progress, struct tl_sv line, bool unfinished)
{
    uint64_t here = progress->lines_count;
    bool more;

    for (size_t i = progress->candidates_at; i > 0 && progress->candidates[i - 1]->lines_count == here; i--)
        if (progress->candidates[i - 1]->has_tail) {
            match_tail(progress, line);
            break;
        }
    tl_import_progress_take(progress, line, unfinished);
    if (!unfinished)
        match_here(progress);
    more = progress->candidates_at < progress->candidates_count;
    for (size_t i = progress->candidates_at; i > 0 && !more; i--)
        more = progress->candidates[i - 1]->has_tail && progress->candidates[i - 1]->lines_count == progress->lines_count;
    return more;
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

void tl_import_progress_restart(struct tl_import_progress *progress)
{
    XXH3_128bits_reset(progress->state);
    progress->lines_count = 0;
    progress->has_tail = false;
}

void tl_import_progress_take(struct tl_import_progress *progress, struct tl_sv line, bool unfinished)
{
    if (unfinished) {
        progress->has_tail = true;
        progress->tail = XXH3_128bits(line.data, line.size);
        return;
    }
    XXH3_128bits_update(progress->state, line.data, line.size);
    XXH3_128bits_update(progress->state, "\n", 1);
    progress->lines_count++;
}

void tl_import_progress_entry(const struct tl_import_progress *progress, struct tl_import_entry *out)
{
    *out = (struct tl_import_entry){.kind = progress->kind,
                                    .lines_count = progress->lines_count,
                                    .hash = XXH3_128bits_digest(progress->state),
                                    .has_tail = progress->has_tail};
    if (progress->has_tail)
        out->tail = progress->tail;
}
