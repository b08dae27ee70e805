/* part_output.h: what a part writes to stderr, read through a pipe and handed on in blocks that stay together.
 *
 * A block is a line of diag's and what follows it that is none (the place of a mistake, several lines long), or lines that are not diag's at all:
 * an assertion, a sanitizer's report, a library's own words. It is whole when the next line of diag's begins, when the part has ended, or when
 * the part has been silent for a while: 0.1 s, or 1 s where it began without diag, for a crash takes its time to say what it has to. */
#ifndef TL_PART_OUTPUT_H
#define TL_PART_OUTPUT_H

#include "base/base.h"
#include "base/buf.h"

struct tl_part_output {
    int fd; /* the end that is read; -1: none */
    struct tl_buf held;
    int64_t heard_ms; /* when something came last, monotonic */
};

/* Whole lines, never none. `named`: they begin with a line of diag's, which names its part. */
typedef void (*tl_part_output_sink)(void *ctx, struct tl_sv lines, bool named);

/* *write_fd is for the part's stderr; the caller closes it. */
TL_MUST_USE enum tl_code tl_part_output_open(struct tl_part_output *output, int *write_fd, struct tl_err *err);
/* Reads what is there and hands on what is whole. Never waits. */
void tl_part_output_read(struct tl_part_output *output, int64_t now_ms, tl_part_output_sink sink, void *ctx);
/* The part has ended: hands on all that is left, a line without its end too. Also good for one that was never opened (fd -1). */
void tl_part_output_close(struct tl_part_output *output, tl_part_output_sink sink, void *ctx);

#endif
