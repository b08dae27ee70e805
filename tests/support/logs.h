/* logs.h: logs to import, and what lies in the log or the record afterwards.
 *
 * The logs are all beginnings of one: line i is the same in each. What is verified is verified to the last line: every event once,
 * in order, with an id of its own. */
#ifndef TL_TEST_LOGS_H
#define TL_TEST_LOGS_H

#include "base/buf.h"
#include "log/log.h"
#include "support/run.h"

extern struct logs {
    char dir[RUN_DIR_BYTES], views[200], data[200];
    char path[300]; /* of what was written last */
    struct run run;
    struct tl_err err;
} logs;

void logs_open(void); /* a suite's init and fini */
void logs_close(void);

#define IMPORT(...) (run_done(&logs.run), RUN(&logs.run, "import", "--views", logs.views, "--data", logs.data, __VA_ARGS__))

/* It ended with 0, and wrote just these lines. */
void logs_says(const char *want);
void logs_write_file(const char *name, const char *bytes, size_t size);
/* Lines `from` to `to` of a combined log: every tenth repeats the one before it, every 97th is broken, every 89th is blank. */
void logs_write_lines(const char *name, int from, int to);
void logs_write_log(const char *name, int lines); /* from its beginning */
/* How many of the first `lines` are of which kind. */
void logs_count_lines(int lines, int *good, int *broken, int *blank);

struct tl_log *logs_log_open(void);
int64_t logs_log_end(struct tl_log *log, const char *topic, uint32_t partition);
struct tl_log_entries logs_log_read(struct tl_log *log, uint32_t partition);
/* The text between `before` and the next quote. */
struct tl_sv logs_field(struct tl_sv value, const char *before);
/* The log's partition 0, and the record, hold the first `lines` and nothing else. The record: how many files it has. */
void logs_verify_log(int lines);
int64_t logs_verify_record(int lines);

#endif
