/* line_source.h: the lines of a file, plain or packed with zstd or gzip, a span at a time, and again from any span.
 *
 * A line is what stands between line feeds; a carriage return before one belongs to the end of the line. Zeros before a line
 * are no part of it: a server that does not append leaves them where its log was cut (logrotate's copytruncate).
 * A byte order mark at the beginning is no part of the first line.
 *
 * A span is as many lines as make TL_SPAN_BYTES, each with a line feed, or TL_SPAN_LINES, if that is less. So where spans
 * end follows from the lines of a log alone, however it is packed or grows: what is known of a span stays true of it.
 *
 * Is not: a parser. Runs on: one thread at a time; lines that were handed out belong to whoever asked for them. */
#ifndef TL_LINE_SOURCE_H
#define TL_LINE_SOURCE_H

#include "base/base.h"
#include "base/sv.h"

#ifdef TL_TINY
enum { TL_SPAN_BYTES = 512, TL_SPAN_LINES = 8 };
#else
enum { TL_SPAN_BYTES = 2 << 20, TL_SPAN_LINES = 16384 }; /* about 9,000 lines of an access log: one transaction */
#endif
#define TL_LINE_BYTES_MAX (64u << 20)
#define TL_TAIL_LEFT_MS 60000 /* a file that was changed so short a time ago may still be written */

struct tl_line_source;

/* Zeros to begin with, then filled again and again: it keeps its memory. */
struct tl_lines {
    struct tl_sv *lines; /* without their ends; TL_MESSAGE_PADDING bytes behind each are readable */
    size_t count;
    bool unfinished; /* the last of them has no line feed: the file ends there */
    bool at_end;
    bool whole;  /* a whole span: its end is where it would always be */
    int64_t end; /* of a plain file: where the next one begins in it */
    char *bytes;
    size_t bytes_capacity, lines_capacity;
};
void tl_lines_done(struct tl_lines *lines);
/* Those that have their line feed. */
static inline size_t tl_lines_finished(const struct tl_lines *lines)
{
    return lines->count - (lines->unfinished ? 1 : 0);
}

/* "-": standard input. What cannot be read twice (a pipe) is copied first, to a file without a name in `data_dir`, until it
 * ends or a signal asks to stop. TL_ERR_IO also for devices, and for bzip2 and the like, with the command that unpacks it. */
TL_MUST_USE enum tl_code tl_line_source_open(const char *path, const char *data_dir, struct tl_line_source **out,
                                             struct tl_err *err);
/* The same open file once more, at its beginning; plain files only. */
TL_MUST_USE enum tl_code tl_line_source_again(const struct tl_line_source *source, struct tl_line_source **out,
                                              struct tl_err *err);
void tl_line_source_close(struct tl_line_source *source);
/* A line longer than TL_LINE_BYTES_MAX is TL_ERR_LIMIT; a packed file that is damaged or breaks off is TL_ERR_CORRUPT. The whole
 * lines before the place are handed out first. */
TL_MUST_USE enum tl_code tl_line_source_next(struct tl_line_source *source, struct tl_lines *lines, struct tl_err *err);
/* To the beginning (0), or in a plain file to the end of a span that it handed out. */
TL_MUST_USE enum tl_code tl_line_source_seek(struct tl_line_source *source, int64_t place, struct tl_err *err);
/* From now on a last line without a line feed is left, where it may be half written: of a plain file with a name that was
 * changed within TL_TAIL_LEFT_MS. */
void tl_line_source_leave_tail(struct tl_line_source *source, bool leave);
/* One was, since reading last began somewhere. */
bool tl_line_source_left_tail(const struct tl_line_source *source);
bool tl_line_source_is_plain(const struct tl_line_source *source);
/* The file became shorter than what was read of it: reading ended there, behind a whole line. */
bool tl_line_source_was_cut(const struct tl_line_source *source);
/* How it is called in messages. */
const char *tl_line_source_name(const struct tl_line_source *source);
/* Bytes of the file (packed where it is packed): read so far, up to where lines were handed out or further. */
int64_t tl_line_source_read_bytes(const struct tl_line_source *source);
/* The open file, for what else is to be known of it; -1: it has no name of its own (standard input). */
int tl_line_source_file(const struct tl_line_source *source);

#endif
