/* import_progress.h: which logs were imported before, by their content, and up to which line.
 *
 * A log is known by its first lines: what is kept of each import is how many lines it had taken and a hash of all of them. A
 * log that begins with just these lines is the same log, whatever it is called now and however it is packed, and goes on
 * behind them. An entry is never changed by a later run, which makes one of its own: so an older, shorter copy of a log that
 * has grown is known too.
 *
 * The hash is XXH3-128 of the XXH3-128 of each span (line_source.h) from the beginning on, the last one as far as it goes; a
 * span's is that of its lines, each with a line feed. So whoever has the hashes of a log's spans (import_seen.h) goes on with
 * it without reading it again. The hash of the first line tells logs apart before more than that was read.
 *
 * A last line without a line feed is left while its file is written (line_source.h). When nobody has written there for a
 * while it is imported, but stands apart from the others, so that the log is known again when more has come behind it.
 *
 * As bytes (a note in the log, a line of the archive's list):
 *   u8 version 2, u8 format, varint lines, 16 bytes hash, u8 has tail, 16 bytes hash of the tail, u8 has host, block host,
 *   block topic, u64 XXH3 of the first line
 * Version 1 ends with the topic, and its hash is that of all lines in one; it is still known, and no longer written.
 *
 * Is not: the place where entries are kept (import.c: notes in the log; import_archive.c: a file). */
#ifndef TL_IMPORT_PROGRESS_H
#define TL_IMPORT_PROGRESS_H

#include <xxhash.h>

#include "base/arena.h"
#include "base/buf.h"
#include "speed_layer/line_source.h"

enum tl_import_format { TL_IMPORT_JSONL = 1, TL_IMPORT_COMMON, TL_IMPORT_COMBINED, TL_IMPORT_VHOST_COMBINED };

/* What makes the events of equal lines differ; part of the identity of an import. */
struct tl_import_kind {
    enum tl_import_format format;
    struct tl_sv topic;
    struct tl_sv host; /* data NULL: none was given */
};

struct tl_import_entry {
    struct tl_import_kind kind;
    uint8_t version;
    uint64_t lines_count; /* with their line feeds */
    XXH128_hash_t hash;
    bool has_tail;
    XXH128_hash_t tail;  /* of the last line, which has none */
    uint64_t first_line; /* its hash; 0: there is none with a line feed, or version 1 */
};

void tl_import_hash_put(struct tl_buf *out, XXH128_hash_t hash); /* 16 bytes */
XXH128_hash_t tl_import_hash_get(struct tl_reader *reader);
void tl_import_entry_put(struct tl_buf *out, const struct tl_import_entry *entry);
/* Views into `bytes`. */
TL_MUST_USE bool tl_import_entry_get(struct tl_sv bytes, struct tl_import_entry *out);

/* A whole span of a log. */
struct tl_import_span {
    XXH128_hash_t hash;
    uint64_t lines_count;
    int64_t end;                      /* of a plain file: where the next one begins there */
    int64_t time_ms_min, time_ms_max; /* of an access log: of its lines that can be read; min > max: none, or not asked for */
};

/* Of lines one after another, each with a line feed, `lines` of them from `from` on. */
void tl_import_hash_lines(XXH3_state_t *state, const struct tl_lines *lines, size_t from, size_t to);
/* Of a span as far as it goes: without a last line that has no line feed. */
XXH128_hash_t tl_import_span_hash(XXH3_state_t *state, const struct tl_lines *lines);

/* The hash of an entry: of spans, and what is behind them where there is any. Leaves `state` changed. */
XXH128_hash_t tl_import_spans_hash(XXH3_state_t *state, const struct tl_import_span *spans, size_t count, uint64_t partial_lines,
                                   XXH128_hash_t partial);

/* All that is known, and the log at hand. */
struct tl_import_progress {
    struct tl_arena arena;
    struct tl_import_entry *entries;
    size_t entries_count, entries_capacity;
    /* the log at hand */
    struct tl_import_kind kind;
    struct tl_import_span *spans; /* whole ones, from the beginning */
    size_t spans_count, spans_capacity;
    uint64_t spans_lines;   /* of all of them */
    uint64_t partial_lines; /* of the one behind them */
    XXH128_hash_t partial;
    bool has_tail;
    XXH128_hash_t tail;
    uint64_t first_line;
    XXH3_state_t *chain, *state, *whole; /* of the spans' hashes; scratch; version 1's, of all lines */
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
/* The same, where its first spans are known (copied); their lines are not to be compared. */
TL_MUST_USE enum tl_code tl_import_progress_begin_behind(struct tl_import_progress *progress, const struct tl_import_kind *kind,
                                                         const struct tl_import_span *spans, size_t count, uint64_t first_line,
                                                         struct tl_err *err);
/* Could further lines make a difference? */
bool tl_import_progress_wants_more(const struct tl_import_progress *progress);
/* Compares the lines of the next span, and takes it in. `time_ms_min`, `time_ms_max`: as in tl_import_span. */
TL_MUST_USE enum tl_code tl_import_progress_compare(struct tl_import_progress *progress, const struct tl_lines *lines,
                                                    int64_t time_ms_min, int64_t time_ms_max, struct tl_err *err);
/* Behind the last compared line: how many lines are known. TL_ERR_USAGE: they were imported with another --host. */
TL_MUST_USE enum tl_code tl_import_progress_known(const struct tl_import_progress *progress, const char *name,
                                                  uint64_t *lines_count, struct tl_err *err);
/* Forgets the spans that are not within the first lines_count lines; what lines are taken next stand behind the others. */
void tl_import_progress_go_back(struct tl_import_progress *progress, uint64_t lines_count);
/* Takes in a span, known or new, whose hash is `hash`. */
TL_MUST_USE enum tl_code tl_import_progress_take(struct tl_import_progress *progress, const struct tl_lines *lines,
                                                 XXH128_hash_t hash, int64_t time_ms_min, int64_t time_ms_max,
                                                 struct tl_err *err);
/* So far, one that has no line feed among them. */
uint64_t tl_import_progress_lines(const struct tl_import_progress *progress);
/* What is to be kept when all lines taken so far are in the log. */
void tl_import_progress_entry(const struct tl_import_progress *progress, struct tl_import_entry *out);
/* Is there such an entry? */
bool tl_import_progress_has(const struct tl_import_progress *progress, const struct tl_import_entry *entry);
bool tl_import_kind_same(const struct tl_import_kind *a, const struct tl_import_kind *b);

#endif
