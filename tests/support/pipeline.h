/* pipeline.h: a folder with a views file and a data directory, and the commands run over them: for tests of the whole program.
 *
 *     struct pipeline p;
 *
 *     pipeline_open(&p, views_text);
 *     pipeline_append(&p, 2, 0, log_ms, TL_SV("{...}"));
 *     TALLY(&p, 0, "speed", "--once");            fails the test unless the exit status is 0; p.run has the output
 *     rows = pipeline_rows(&p, "hits", "batch");  as CSV with lines ending in LF
 *     pipeline_close(&p); */
#ifndef TL_TEST_PIPELINE_H
#define TL_TEST_PIPELINE_H

#include <stdint.h>

#include "base/sv.h"
#include "log/log.h"
#include "support/run.h"

struct pipeline {
    char dir[RUN_DIR_BYTES];
    char views[RUN_DIR_BYTES + 32], data[RUN_DIR_BYTES + 32], store[RUN_DIR_BYTES + 48];
    struct run run; /* the last command */
};

void pipeline_open(struct pipeline *p, const char *views_text);
/* Another text for the same views file. */
void pipeline_define(struct pipeline *p, const char *views_text);
void pipeline_close(struct pipeline *p);

/* Runs `tally ARGS... --views ... --data ...`; with `status` -1 any exit status is right. */
void pipeline_tally(struct pipeline *p, int status, const char *const *args);
#define TALLY(p, status, ...) pipeline_tally((p), (status), (const char *const[]){__VA_ARGS__, NULL})

/* The caller frees. `layer`: merged, speed or batch. */
char *pipeline_rows(struct pipeline *p, const char *view, const char *layer);
/* Appends to the topic `events`, which is made with (or raised to) that many partitions. */
void pipeline_append(struct pipeline *p, uint32_t partitions, const struct tl_log_record *records, size_t count);
/* The answer of an SQL query on the store as a number. */
long long pipeline_number(struct pipeline *p, const char *sql);

/* A path below the shared data (TALLY_SHARED, else ../shared beside the repository), or NULL where it is not there: the test is to
 * skip with SHARED_SKIP. Good until the next call. */
const char *shared_path(const char *name);
#define SHARED_SKIP "the shared data is not there (../shared, or TALLY_SHARED)"

#endif
