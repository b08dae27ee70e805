/* line_source.h: the lines of a file, plain or zstd, a chunk at a time, and again from the beginning.
 *
 * Is not: a parser. A line is what stands between line feeds; a carriage return before one belongs to the end of the line.
 * Runs on: the thread that opened it. */
#ifndef TL_LINE_SOURCE_H
#define TL_LINE_SOURCE_H

#include "base/base.h"
#include "base/sv.h"

#ifdef TL_TINY
#define TL_LINES_CHUNK_BYTES 512
#else
#define TL_LINES_CHUNK_BYTES (2u << 20) /* about 9,000 lines of an access log: one transaction */
#endif
#define TL_LINE_BYTES_MAX (64u << 20)

struct tl_line_source;

struct tl_lines {
    const struct tl_sv
        *lines; /* without their ends; valid until the next call; TL_MESSAGE_PADDING bytes behind each are readable */
    size_t count;
    bool unfinished; /* the last of them has no line feed: the file ends there */
    bool at_end;
};

/* "-": standard input. What cannot be read twice (a pipe) is copied first, to a file without a name in `data_dir`. TL_ERR_IO
 * also for gzip and the like, with the command that unpacks it. */
TL_MUST_USE enum tl_code tl_line_source_open(const char *path, const char *data_dir, struct tl_line_source **out,
                                             struct tl_err *err);
void tl_line_source_close(struct tl_line_source *source);
/* A line longer than TL_LINE_BYTES_MAX is TL_ERR_LIMIT; a zstd file that is damaged or breaks off is TL_ERR_CORRUPT. */
TL_MUST_USE enum tl_code tl_line_source_next(struct tl_line_source *source, struct tl_lines *out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_line_source_rewind(struct tl_line_source *source, struct tl_err *err);
/* How it is called in messages. */
const char *tl_line_source_name(const struct tl_line_source *source);
/* Bytes of the file (packed where it is packed): taken so far, and in all (0: unknown). */
void tl_line_source_progress(const struct tl_line_source *source, uint64_t *taken, uint64_t *all);

#endif
