/* import_progress.h: which logs were imported before, by their content, and up to which line.
 *
 * A log is known by its first lines: what is kept of each import is how many lines it had taken and the XXH3-128 of all of
 * them, one after another, each with a line feed. A log that begins with just these lines is the same log, whatever it is
 * called now and however it is packed, and goes on behind them. An entry is never changed by a later run, which makes one of
 * its own: so an older, shorter copy of a log that has grown is known too.
 *
 * A last line without a line feed may be half written: it is imported, but stands apart from the others, so that the log is
 * known again when more has come behind it.
 *
 * As bytes (a note in the log, a line of the archive's list):
 *   u8 version 1, u8 format, varint lines, 16 bytes hash, u8 has tail, 16 bytes hash of the tail, u8 has host, block host,
 *   block topic
 *
 * Is not: the place where entries are kept (import.c: notes in the log; import_archive.c: a file). */
#ifndef TL_IMPORT_PROGRESS_H
#define TL_IMPORT_PROGRESS_H

#include <xxhash.h>

#include "base/arena.h"
#include "base/buf.h"

enum tl_import_format { TL_IMPORT_JSONL = 1, TL_IMPORT_COMMON, TL_IMPORT_COMBINED, TL_IMPORT_VHOST_COMBINED };

/* What makes the events of equal lines differ; part of the identity of an import. */
struct tl_import_kind {
    enum tl_import_format format;
    struct tl_sv topic;
    struct tl_sv host; /* data NULL: none was given */
};

struct tl_import_entry {
    struct tl_import_kind kind;
    uint64_t lines_count; /* with their line feeds */
    XXH128_hash_t hash;
    bool has_tail;
    XXH128_hash_t tail; /* of the last line, which has none */
};

void tl_import_entry_put(struct tl_buf *out, const struct tl_import_entry *entry);
/* Views into `bytes`. */
TL_MUST_USE bool tl_import_entry_get(struct tl_sv bytes, struct tl_import_entry *out);

/* All that is known, and the log at hand. */
struct tl_import_progress {
    struct tl_arena arena;
    struct tl_import_entry *entries;
    size_t entries_count, entries_capacity;
    /* the log at hand */
    struct tl_import_kind kind;
    XXH3_state_t *state;
    uint64_t lines_count;
    bool has_tail;
    XXH128_hash_t tail;
    /* while it is compared: the entries that it may yet match, by lines_count */
    struct tl_import_entry **candidates;
    size_t candidates_count, candidates_at;
    const struct tl_import_entry *best; /* the longest that matched */
    bool best_with_tail;
};

TL_MUST_USE enum tl_code tl_import_progress_init(struct tl_import_progress *progress, struct tl_err *err);
void tl_import_progress_done(struct tl_import_progress *progress);
TL_MUST_USE enum tl_code tl_import_progress_add(struct tl_import_progress *progress, const struct tl_import_entry *entry,
                                                struct tl_err *err);
/* A new log: nothing of it was read. */
TL_MUST_USE enum tl_code tl_import_progress_begin(struct tl_import_progress *progress, const struct tl_import_kind *kind,
                                                  struct tl_err *err);
/* Compares the next line; false: no further line can make a difference. `unfinished`: it has no line feed. */
bool tl_import_progress_compare(struct tl_import_progress *progress, struct tl_sv line, bool unfinished);
/* Behind the last compared line: how many lines are known. TL_ERR_USAGE: they were imported with another --host. */
TL_MUST_USE enum tl_code tl_import_progress_known(const struct tl_import_progress *progress, const char *name,
                                                  uint64_t *lines_count, struct tl_err *err);
/* Reading from the beginning again: takes each line in, known or new. */
void tl_import_progress_restart(struct tl_import_progress *progress);
void tl_import_progress_take(struct tl_import_progress *progress, struct tl_sv line, bool unfinished);
/* What is to be kept when all lines taken so far are in the log. */
void tl_import_progress_entry(const struct tl_import_progress *progress, struct tl_import_entry *out);

#endif
