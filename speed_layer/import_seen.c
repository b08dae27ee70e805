/* import_seen.c: which files were imported before, by their identity. See import_seen.h. */
#include "speed_layer/import_seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/table.h"
#include "speed_layer/whole_file.h"

enum {
    SEEN_VERSION_NO_PATHS = 1,
    SEEN_VERSION = 2,
    SAMPLES = 16,
    EDGES = 2,
    EDGE_BYTES = 64 << 10,
    SEEN_BYTES_MAX = 64 << 20,
    SETTLED_MS = 2000
};
static const char seen_name[] = "imports.seen";
static const char seen_magic[8] = {'T', 'L', 'Y', 'I', 'S', 'E', 'E', 'N'};

struct tl_import_seen {
    const char *data_dir;
    struct tl_import_seen_file *files; /* each with texts and spans of its own */
    size_t files_count, files_capacity;
    XXH3_state_t *state;
    struct tl_lines lines;
    bool has_changed;
};

/* ---- files ---- */

static void file_done(struct tl_import_seen_file *file)
{
    free((char *)(uintptr_t)file->entry.kind.topic.data);
    free((char *)(uintptr_t)file->path.data);
    free((char *)(uintptr_t)file->entry.kind.host.data);
    free(file->spans);
}

static bool copy_text(struct tl_sv text, struct tl_sv *out)
{
    char *bytes = NULL;

    if (text.data != NULL) {
        bytes = malloc(text.size + 1);
        if (bytes == NULL)
            return false;
        memcpy(bytes, text.data, text.size);
        bytes[text.size] = '\0';
    }
    *out = (struct tl_sv){bytes, text.size};
    return true;
}

/* A copy of it, at the end: the latest. */
static enum tl_code file_add(struct tl_import_seen *seen, const struct tl_import_seen_file *file, struct tl_err *err)
{
    struct tl_import_seen_file mine = *file;
    size_t spans_bytes = file->spans_count * sizeof *file->spans;
    enum tl_code rc = TL_OK;

    mine.entry.kind.topic = mine.entry.kind.host = mine.path = (struct tl_sv){NULL, 0};
    mine.spans = malloc(spans_bytes + 1);
    if (mine.spans == NULL || !copy_text(file->entry.kind.topic, &mine.entry.kind.topic) ||
        !copy_text(file->entry.kind.host, &mine.entry.kind.host) || !copy_text(file->path, &mine.path))
        TL_TRY(tl_fail_memory(err, spans_bytes));
    if (spans_bytes > 0)
        memcpy(mine.spans, file->spans, spans_bytes);
    if (seen->files_count == seen->files_capacity) {
        size_t capacity = seen->files_capacity == 0 ? 16 : seen->files_capacity * 2;

        if (!TL_RESIZE(seen->files, capacity))
            TL_TRY(tl_fail_memory(err, capacity * sizeof mine));
        seen->files_capacity = capacity;
    }
    seen->files[seen->files_count++] = mine;
out:
    if (rc != TL_OK)
        file_done(&mine);
    return rc;
}

static void file_remove(struct tl_import_seen *seen, size_t at)
{
    file_done(&seen->files[at]);
    memmove(&seen->files[at], &seen->files[at + 1], (seen->files_count - at - 1) * sizeof *seen->files);
    seen->files_count--;
    seen->has_changed = true;
}

/* The latest met. */
static const struct tl_import_seen_file *file_to_end(struct tl_import_seen *seen, size_t at)
{
    struct tl_import_seen_file file = seen->files[at];

    if (at + 1 < seen->files_count) {
        memmove(&seen->files[at], &seen->files[at + 1], (seen->files_count - at - 1) * sizeof file);
        seen->files[seen->files_count - 1] = file;
        seen->has_changed = true;
    }
    return &seen->files[seen->files_count - 1];
}

static bool is_same_file(const struct tl_import_seen_file *file, const struct tl_file_identity *identity,
                         const struct tl_import_kind *kind)
{
    return file->identity.device == identity->device && file->identity.inode == identity->inode &&
           tl_import_kind_same(&file->entry.kind, kind);
}

/* ---- bytes ---- */

static void file_put(struct tl_buf *out, struct tl_buf *entry, const struct tl_import_seen_file *file)
{
    int64_t end = 0;

    tl_buf_put_u64(out, file->identity.device);
    tl_buf_put_u64(out, file->identity.inode);
    tl_buf_put_zigzag(out, file->identity.size);
    tl_buf_put_zigzag(out, file->identity.changed_ns);
    tl_buf_put_zigzag(out, file->identity.inode_changed_ns);
    tl_buf_put_u8(out, file->is_settled);
    tl_buf_put_u8(out, file->is_packed);
    tl_buf_clear(entry);
    tl_import_entry_put(entry, &file->entry);
    tl_buf_put_block(out, tl_buf_sv(entry));
    tl_buf_put_u64(out, file->head);
    tl_buf_put_u64(out, file->tail);
    tl_buf_put_block(out, file->path);
    tl_buf_put_varint(out, file->spans_count);
    for (size_t i = 0; i < file->spans_count; i++) {
        const struct tl_import_span *span = &file->spans[i];

        tl_import_hash_put(out, span->hash);
        tl_buf_put_varint(out, span->lines_count);
        tl_buf_put_varint(out, (uint64_t)(span->end - end));
        tl_buf_put_zigzag(out, span->time_ms_min);
        tl_buf_put_zigzag(out, span->time_ms_max);
        end = span->end;
    }
}

/* Views into `bytes`; the spans are file->spans, which has room for `room`. */
static bool file_get(struct tl_sv bytes, uint32_t version, struct tl_import_seen_file *file, size_t room)
{
    struct tl_reader reader = tl_reader_of(bytes);
    int64_t end = 0;
    uint64_t count;

    file->identity.device = tl_reader_u64(&reader);
    file->identity.inode = tl_reader_u64(&reader);
    file->identity.size = tl_reader_zigzag(&reader);
    file->identity.changed_ns = tl_reader_zigzag(&reader);
    file->identity.inode_changed_ns = tl_reader_zigzag(&reader);
    file->is_settled = tl_reader_u8(&reader) != 0;
    file->is_packed = tl_reader_u8(&reader) != 0;
    if (!tl_import_entry_get(tl_reader_block(&reader), &file->entry))
        return false;
    file->head = tl_reader_u64(&reader);
    file->tail = tl_reader_u64(&reader);
    file->path = version == SEEN_VERSION_NO_PATHS ? (struct tl_sv){NULL, 0} : tl_reader_block(&reader);
    count = tl_reader_varint(&reader);
    if (reader.failed || count > room)
        return false;
    for (file->spans_count = 0; file->spans_count < count; file->spans_count++) {
        struct tl_import_span *span = &file->spans[file->spans_count];
        uint64_t bytes_count;

        span->hash = tl_import_hash_get(&reader);
        span->lines_count = tl_reader_varint(&reader);
        bytes_count = tl_reader_varint(&reader);
        span->time_ms_min = tl_reader_zigzag(&reader);
        span->time_ms_max = tl_reader_zigzag(&reader);
        if (bytes_count > (uint64_t)(INT64_MAX - end))
            return false;
        end += (int64_t)bytes_count;
        span->end = end;
    }
    return tl_reader_at_end(&reader);
}

/* TL_ERR_CORRUPT: without words; whoever opens says them. */
static enum tl_code seen_decode(struct tl_import_seen *seen, struct tl_sv bytes, struct tl_err *err)
{
    enum { SPAN_BYTES_MIN = 20 };
    struct tl_import_seen_file file = {0};
    struct tl_reader reader, end;
    uint32_t version;
    enum tl_code rc = TL_OK;

    if (bytes.size < sizeof seen_magic + 12 || memcmp(bytes.data, seen_magic, sizeof seen_magic) != 0)
        return TL_ERR_CORRUPT;
    end = tl_reader_of((struct tl_sv){bytes.data + bytes.size - 8, 8});
    if (tl_reader_u64(&end) != tl_hash_bytes((struct tl_sv){bytes.data, bytes.size - 8}))
        return TL_ERR_CORRUPT;
    reader = tl_reader_of((struct tl_sv){bytes.data, bytes.size - 8});
    (void)tl_reader_bytes(&reader, sizeof seen_magic);
    version = tl_reader_u32(&reader);
    if (version != SEEN_VERSION && version != SEEN_VERSION_NO_PATHS)
        return TL_ERR_CORRUPT;
    while (rc == TL_OK && !tl_reader_at_end(&reader)) {
        struct tl_sv block = tl_reader_block(&reader);
        size_t room = block.size / SPAN_BYTES_MIN;

        file.spans = calloc(room + 1, sizeof *file.spans);
        if (file.spans == NULL)
            return tl_fail_memory(err, room * sizeof *file.spans);
        rc = !reader.failed && file_get(block, version, &file, room) ? file_add(seen, &file, err) : TL_ERR_CORRUPT;
        free(file.spans);
    }
    return rc;
}

static enum tl_code seen_read(struct tl_import_seen *seen, struct tl_err *err)
{
    struct tl_buf bytes;
    enum tl_code rc;

    tl_buf_init(&bytes, SEEN_BYTES_MAX);
    rc = tl_whole_file_read(seen->data_dir, seen_name, &bytes, err);
    if (rc == TL_OK)
        rc = seen_decode(seen, tl_buf_sv(&bytes), err);
    if (rc != TL_OK && rc != TL_ERR_NOT_FOUND && rc != TL_ERR_MEMORY) {
        tl_diag(TL_WARN, "%s/%s: damaged, or another tally's: logs that were imported before are read once more", seen->data_dir,
                seen_name);
        while (seen->files_count > 0)
            file_remove(seen, seen->files_count - 1);
    }
    tl_buf_done(&bytes);
    return rc == TL_ERR_MEMORY ? rc : TL_OK;
}

enum tl_code tl_import_seen_open(const char *data_dir, struct tl_import_seen **out, struct tl_err *err)
{
    struct tl_import_seen *seen = calloc(1, sizeof *seen);
    enum tl_code rc;

    if (seen == NULL)
        return tl_fail_memory(err, sizeof *seen);
    seen->data_dir = data_dir;
    seen->state = XXH3_createState();
    if (seen->state == NULL)
        TL_TRY(tl_fail_memory(err, 1024));
    TL_TRY(seen_read(seen, err));
    *out = seen;
out:
    if (rc != TL_OK)
        tl_import_seen_close(seen);
    return rc;
}

void tl_import_seen_close(struct tl_import_seen *seen)
{
    if (seen == NULL)
        return;
    for (size_t i = 0; i < seen->files_count; i++)
        file_done(&seen->files[i]);
    free(seen->files);
    tl_lines_done(&seen->lines);
    XXH3_freeState(seen->state);
    free(seen);
}

/* Files go and leave what was noted of them: of many the latest met are kept. */
static size_t first_kept(const struct tl_import_seen *seen)
{
    enum { FILE_BYTES = 200, SPAN_BYTES = 56 }; /* at most, but for long names of topics and hosts */
    size_t bytes = 0, at = seen->files_count;

    while (at > 0) {
        const struct tl_import_seen_file *file = &seen->files[at - 1];

        bytes += FILE_BYTES + file->entry.kind.topic.size + file->entry.kind.host.size + file->path.size +
                 file->spans_count * SPAN_BYTES;
        if (bytes > SEEN_BYTES_MAX / 2)
            break;
        at--;
    }
    return at;
}

enum tl_code tl_import_seen_write(struct tl_import_seen *seen, struct tl_err *err)
{
    struct tl_buf bytes, file, entry;
    enum tl_code rc;

    if (!seen->has_changed)
        return TL_OK;
    tl_buf_init(&bytes, SEEN_BYTES_MAX);
    tl_buf_init(&file, SEEN_BYTES_MAX);
    tl_buf_init(&entry, 0);
    tl_buf_put(&bytes, seen_magic, sizeof seen_magic);
    tl_buf_put_u32(&bytes, SEEN_VERSION);
    for (size_t i = first_kept(seen); i < seen->files_count; i++) {
        tl_buf_clear(&file);
        file_put(&file, &entry, &seen->files[i]);
        TL_TRY(tl_buf_check(&file, "what is known of files", err));
        tl_buf_put_block(&bytes, tl_buf_sv(&file));
    }
    tl_buf_put_u64(&bytes, tl_hash_bytes(tl_buf_sv(&bytes)));
    TL_TRY(tl_buf_check(&entry, "what is known of files", err));
    TL_TRY(tl_buf_check(&bytes, "what is known of files", err));
    TL_TRY(tl_whole_file_replace(seen->data_dir, seen_name, tl_buf_sv(&bytes), err));
    seen->has_changed = false;
out:
    tl_buf_done(&bytes);
    tl_buf_done(&file);
    tl_buf_done(&entry);
    return rc;
}

/* ---- is it the same? ---- */

static int64_t ns_of(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

bool tl_file_identity_of(const struct tl_line_source *source, struct tl_file_identity *out)
{
    int fd = tl_line_source_file(source);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    *out = (struct tl_file_identity){(uint64_t)st.st_dev, (uint64_t)st.st_ino, st.st_size, ns_of(st.st_mtim), ns_of(st.st_ctim)};
    return true;
}

/* As much as there is of `size` bytes from `at` on. */
static size_t read_at(int fd, char *to, size_t size, int64_t at)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, to + done, size - done, at + (int64_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

/* Of the file's first and last bytes. */
static bool hash_edges(int fd, int64_t size, uint64_t *head, uint64_t *tail)
{
    size_t bytes = size < EDGE_BYTES ? (size_t)size : EDGE_BYTES;
    char *edge = malloc(EDGE_BYTES);
    bool ok = edge != NULL && read_at(fd, edge, bytes, 0) == bytes;

    if (ok) {
        *head = XXH3_64bits(edge, bytes);
        ok = read_at(fd, edge, bytes, size - (int64_t)bytes) == bytes;
    }
    if (ok)
        *tail = XXH3_64bits(edge, bytes);
    free(edge);
    return ok;
}

static bool span_is_same(struct tl_import_seen *seen, struct tl_line_source *source, const struct tl_import_span *spans, size_t i)
{
    struct tl_err err; /* what cannot be read here will be met again */

    return tl_line_source_seek(source, i == 0 ? 0 : spans[i - 1].end, &err) == TL_OK &&
           tl_line_source_next(source, &seen->lines, &err) == TL_OK && seen->lines.whole &&
           seen->lines.count == spans[i].lines_count &&
           XXH128_isEqual(tl_import_span_hash(seen->state, &seen->lines), spans[i].hash);
}

static bool spans_are_same(struct tl_import_seen *seen, struct tl_line_source *source, const struct tl_import_seen_file *file,
                           size_t samples_max)
{
    size_t count = file->spans_count, samples = count < samples_max ? count : samples_max;
    bool same = true;

    for (size_t i = 0; i < samples && same; i++)
        same = span_is_same(seen, source, file->spans, samples == 1 ? 0 : i * (count - 1) / (samples - 1));
    return same;
}

static bool is_true_still(struct tl_import_seen *seen, const struct tl_import_seen_file *file,
                          const struct tl_file_identity *identity, struct tl_line_source *source)
{
    bool unchanged =
        identity->size == file->identity.size && identity->changed_ns == file->identity.changed_ns && file->is_settled;
    bool untouched;
    uint64_t head, tail;

    if (file->is_packed == tl_line_source_is_plain(source))
        return false;
    if (file->is_packed)
        return unchanged && hash_edges(tl_line_source_file(source), identity->size, &head, &tail) && head == file->head &&
               tail == file->tail;
    untouched = unchanged && identity->inode_changed_ns == file->identity.inode_changed_ns;
    return (unchanged || identity->size > file->identity.size) && spans_are_same(seen, source, file, untouched ? EDGES : SAMPLES);
}

const struct tl_import_seen_file *tl_import_seen_find(struct tl_import_seen *seen, struct tl_line_source *source,
                                                      const struct tl_import_kind *kind)
{
    struct tl_file_identity identity;

    if (!tl_file_identity_of(source, &identity))
        return NULL;
    for (size_t i = seen->files_count; i > 0; i--)
        if (is_same_file(&seen->files[i - 1], &identity, kind))
            return is_true_still(seen, &seen->files[i - 1], &identity, source) ? file_to_end(seen, i - 1) : NULL;
    return NULL;
}

/* The file itself, if it lies where it lay, be it longer; NULL: it does not. */
static struct tl_line_source *still_there(const struct tl_import_seen *seen, const struct tl_import_seen_file *file)
{
    struct tl_line_source *source = NULL;
    struct tl_file_identity now;
    struct tl_err err; /* a file that is not there, or not for us, is none */
    struct stat st;

    if (file->path.size == 0 || stat(file->path.data, &st) != 0 || !S_ISREG(st.st_mode) ||
        tl_line_source_open(file->path.data, seen->data_dir, &source, &err) != TL_OK)
        return NULL;
    if (tl_file_identity_of(source, &now) && now.device == file->identity.device && now.inode == file->identity.inode)
        return source;
    tl_line_source_close(source);
    return NULL;
}

/* How many lines are the same, from the first on. */
static size_t same_lines(const struct tl_lines *a, const struct tl_lines *b, size_t max)
{
    size_t same = 0;

    while (same < max && tl_sv_eq(a->lines[same], b->lines[same]))
        same++;
    return same;
}

static bool goes_another_way(struct tl_import_seen *seen, const struct tl_import_seen_file *file, uint64_t lines_count,
                             const struct tl_lines *first)
{
    struct tl_line_source *source = still_there(seen, file);
    struct tl_err err;
    bool another = false;

    if (source != NULL && tl_line_source_next(source, &seen->lines, &err) == TL_OK) {
        size_t mine = tl_lines_finished(&seen->lines), both = mine < tl_lines_finished(first) ? mine : tl_lines_finished(first);
        size_t same = same_lines(&seen->lines, first, both);

        another = same >= lines_count && (same < both || (seen->lines.at_end && mine == lines_count));
    }
    tl_line_source_close(source);
    return another;
}

bool tl_import_seen_is_anothers(struct tl_import_seen *seen, const struct tl_line_source *source,
                                const struct tl_import_entry *entry, const struct tl_lines *first)
{
    struct tl_file_identity identity = {0};
    bool has_identity = tl_file_identity_of(source, &identity), another = false;

    for (size_t i = 0; i < seen->files_count && !another; i++) {
        const struct tl_import_seen_file *file = &seen->files[i];

        if (tl_import_kind_same(&file->entry.kind, &entry->kind) && file->entry.first_line == entry->first_line &&
            !(has_identity && is_same_file(file, &identity, &entry->kind)))
            another = goes_another_way(seen, file, entry->lines_count, first);
    }
    return another;
}

/* Of the lines behind the file's first `at` spans: those that were imported, which its entry vouches for; 0: they are others. */
static size_t imported_lines(struct tl_import_seen *seen, const struct tl_import_seen_file *file, size_t at)
{
    const struct tl_lines *lines = &seen->lines;
    XXH128_hash_t hash;
    uint64_t left = file->entry.lines_count;

    if (at < file->spans_count)
        return lines->whole && XXH128_isEqual(tl_import_span_hash(seen->state, lines), file->spans[at].hash) ? lines->count : 0;
    for (size_t i = 0; i < at; i++)
        left -= file->spans[i].lines_count;
    if (left > tl_lines_finished(lines))
        return 0;
    XXH3_128bits_reset(seen->state);
    tl_import_hash_lines(seen->state, lines, 0, (size_t)left);
    hash = XXH3_128bits_digest(seen->state);
    hash = tl_import_spans_hash(seen->state, file->spans, at, left, hash);
    return XXH128_isEqual(hash, file->entry.hash) ? (size_t)left : 0;
}

/* Do the lines stand in the file behind its first `at` spans? */
static bool lines_stand_there(struct tl_import_seen *seen, const struct tl_import_seen_file *file, size_t at,
                              const struct tl_lines *lines)
{
    struct tl_line_source *source = still_there(seen, file);
    size_t finished = tl_lines_finished(lines), there;
    struct tl_err err;
    bool stand = source != NULL && tl_line_source_is_plain(source) &&
                 tl_line_source_seek(source, at == 0 ? 0 : file->spans[at - 1].end, &err) == TL_OK &&
                 tl_line_source_next(source, &seen->lines, &err) == TL_OK;

    if (stand) {
        there = imported_lines(seen, file, at);
        stand = lines->count <= there && same_lines(lines, &seen->lines, finished) == finished &&
                (!lines->unfinished || tl_sv_starts(seen->lines.lines[finished], lines->lines[finished]));
    }
    tl_line_source_close(source);
    return stand;
}

uint64_t tl_import_seen_beginning(struct tl_import_seen *seen, const struct tl_import_progress *progress,
                                  const struct tl_lines *last)
{
    uint64_t all = tl_import_progress_lines(progress), best = 0;

    if (all < TL_IMPORT_CHANCE_LINES)
        return 0;
    for (size_t f = seen->files_count; f > 0 && best < all; f--) {
        const struct tl_import_seen_file *file = &seen->files[f - 1];
        uint64_t lines = 0;
        size_t at = 0;

        if (file->is_packed || !tl_import_kind_same(&file->entry.kind, &progress->kind) ||
            file->entry.first_line != progress->first_line || file->entry.lines_count < all ||
            !tl_import_progress_has(progress, &file->entry))
            continue;
        for (; at < file->spans_count && at < progress->spans_count &&
               XXH128_isEqual(file->spans[at].hash, progress->spans[at].hash);
             at++)
            lines += file->spans[at].lines_count;
        if (lines < all && at == progress->spans_count && lines_stand_there(seen, file, at, last))
            lines = all;
        best = lines > best ? lines : best;
    }
    return best;
}

enum tl_code tl_import_seen_note(struct tl_import_seen *seen, const struct tl_line_source *source,
                                 const struct tl_file_identity *opened, const struct tl_import_progress *progress,
                                 struct tl_err *err)
{
    struct tl_import_seen_file file = {.is_packed = !tl_line_source_is_plain(source)};
    int64_t read_bytes = tl_line_source_read_bytes(source), changed_ns;
    char *path;
    bool is_whole;
    enum tl_code rc;

    if (!tl_file_identity_of(source, &file.identity))
        return TL_OK;
    for (size_t i = seen->files_count; i > 0; i--)
        if (is_same_file(&seen->files[i - 1], &file.identity, &progress->kind))
            file_remove(seen, i - 1);
    is_whole = file.identity.size == read_bytes;
    changed_ns = tl_max_i64(file.identity.changed_ns, file.identity.inode_changed_ns);
    file.is_settled = is_whole && tl_clock_wall_ms() - file.identity.changed_ns / 1000000 >= SETTLED_MS;
    if (tl_clock_wall_ms() - changed_ns / 1000000 < SETTLED_MS)
        file.identity.inode_changed_ns = 0; /* so it will not be the same */
    if (tl_line_source_was_cut(source) || file.identity.size < read_bytes)
        return TL_OK;
    if (file.is_packed &&
        (!file.is_settled || opened->size != file.identity.size || opened->changed_ns != file.identity.changed_ns ||
         !hash_edges(tl_line_source_file(source), file.identity.size, &file.head, &file.tail)))
        return TL_OK;
    file.identity.size = read_bytes;
    tl_import_progress_entry(progress, &file.entry);
    file.spans = progress->spans;
    file.spans_count = file.is_packed ? 0 : progress->spans_count;
    seen->has_changed = true;
    path = realpath(tl_line_source_name(source), NULL);
    file.path = path != NULL ? tl_sv_from(path) : (struct tl_sv){NULL, 0};
    rc = file_add(seen, &file, err);
    free(path);
    return rc;
}
