/* import_pipe.h: the chunks of a log, in its order, made by threads of their own.
 *
 *     source ══> [reads one after another: lines] ──> [side by side: records] ══> in order: whoever takes them
 *
 * Each thread reads the next span while no other does, and makes a chunk of it. Chunks go round: what was taken and given back
 * is filled again, and while none is free the threads wait. So memory is bounded by their number: two for each thread and one
 * for whoever takes them, each about five times TL_SPAN_BYTES (more where one line is longer than that).
 *
 * Runs on: one thread, which begins, takes, gives back and ends. */
#ifndef TL_IMPORT_PIPE_H
#define TL_IMPORT_PIPE_H

#include "speed_layer/import_chunk.h"

struct tl_import_pipe;

TL_MUST_USE enum tl_code tl_import_pipe_open(uint32_t threads_count, struct tl_import_pipe **out, struct tl_err *err);
void tl_import_pipe_close(struct tl_import_pipe *pipe); /* NULL is fine */
/* From where the source stands, behind lines_before lines. Source and job are the pipe's until the end. */
TL_MUST_USE enum tl_code tl_import_pipe_begin(struct tl_import_pipe *pipe, struct tl_line_source *source,
                                              const struct tl_import_job *job, uint64_t lines_before, struct tl_err *err);
/* The next one, good until it is given back; NULL behind the last. A chunk that could not be read or made is the failure. */
TL_MUST_USE enum tl_code tl_import_pipe_take(struct tl_import_pipe *pipe, struct tl_import_chunk **out, struct tl_err *err);
void tl_import_pipe_give_back(struct tl_import_pipe *pipe);
/* Whether or not all were taken. Twice is fine. */
void tl_import_pipe_end(struct tl_import_pipe *pipe);

#endif
