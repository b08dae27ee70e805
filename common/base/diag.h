/* diag.h: what the operator reads: one line an event on stderr, as text or as JSON.
 *
 * 2026-03-01T02:00:07Z warn speed partition idle topic=events partition=3 idle_ms=60000
 * Values with spaces, quotes or control characters are quoted and escaped, so a hostile URL cannot forge a line.
 * common reports nothing by itself: the layer that handles an error reports it, once. Thread-safe (one write a line). */
#ifndef TL_DIAG_H
#define TL_DIAG_H

#include "base/base.h"
#include "base/buf.h"
#include "base/sv.h"

enum tl_level { TL_DEBUG, TL_INFO, TL_WARN, TL_ERROR };

/* `part` is the command's name. Debug lines appear with -v only. */
void tl_diag_setup(const char *part, bool json, bool verbose);
/* `fmt` makes the message, at most 2 KiB of it. Values that monitors look for, and those that come from outside, are pairs: tl_diag_event. */
TL_PRINTF(2, 3) void tl_diag(enum tl_level level, const char *fmt, ...);
void tl_diag_err(const struct tl_err *err); /* the error's message as it is (several lines allowed), level error */

struct tl_diag_kv {
    const char *key;
    const char *text; /* or NULL: then number */
    int64_t number;
};
void tl_diag_event(enum tl_level level, const char *message, const struct tl_diag_kv *pairs, size_t pairs_count);

/* What comes from outside (a file's name) as it stands in a message: on one line, and without harm to a terminal. */
void tl_diag_put(struct tl_buf *out, struct tl_sv text);

/* Where lines go instead of stderr; NULL: to stderr again. For a process of one thread. */
typedef void (*tl_diag_writer)(void *ctx, struct tl_sv line);
void tl_diag_to(tl_diag_writer writer, void *ctx);

#endif
