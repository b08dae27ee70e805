/* up_log.c: stderr and DIR/log/tally.log for up and its parts. See up_log.h. */
#include "main/up_log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "main/data_dir.h"
#include "main/line_file.h"

/* JSON_BYTES: so that escapes, six bytes for one, stay below what a line of diag's may have. */
enum { STDERR_PATIENCE_MS = 1000, JSON_BYTES = 8 * 1024 };

struct tl_up_log {
    struct tl_line_file *file;
    bool json, file_failed;
    bool stuck; /* stderr takes nothing */
    int64_t lines_left_out;
};

/* Waits, but not for ever. Behind poll() a pipe takes PIPE_BUF bytes without waiting. */
static bool stderr_takes(int wait_ms)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    int ready;

    do
        ready = poll(&out, 1, wait_ms);
    while (ready < 0 && errno == EINTR);
    return ready != 0; /* a failure is write's to find */
}

/* False: it takes no more. */
static bool stderr_write(struct tl_sv text, int wait_ms)
{
    while (text.size > 0) {
        ssize_t written;

        if (!stderr_takes(wait_ms))
            return false;
        written = write(STDERR_FILENO, text.data, text.size < PIPE_BUF ? text.size : PIPE_BUF);
        if (written < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (written <= 0)
            return true; /* nobody is there to read it, and there is nowhere left to say so */
        text.data += written;
        text.size -= (size_t)written;
    }
    return true;
}

static int64_t lines_in(struct tl_sv text)
{
    int64_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == '\n';
    return count;
}

static void put_stderr(struct tl_up_log *log, struct tl_sv lines)
{
    if (log->stuck && stderr_takes(0)) {
        char text[120];
        int size = snprintf(text, sizeof text, "\n... stderr took nothing for a while: %lld lines are in log/tally.log alone\n",
                            (long long)log->lines_left_out);

        log->stuck = !stderr_write((struct tl_sv){text, (size_t)size}, STDERR_PATIENCE_MS);
        log->lines_left_out = 0;
    }
    if (!log->stuck)
        log->stuck = !stderr_write(lines, STDERR_PATIENCE_MS);
    if (log->stuck)
        log->lines_left_out += lines_in(lines);
}

static void put(void *ctx, struct tl_sv lines)
{
    struct tl_up_log *log = ctx;
    bool failed_before = log->file_failed;
    struct tl_err err;

    put_stderr(log, lines);
    log->file_failed = tl_line_file_write(log->file, lines, &err) != TL_OK;
    if (log->file_failed && !failed_before)
        tl_diag(TL_WARN, "%s; what comes now is on stderr alone", err.message);
}

enum tl_code tl_up_log_open(const char *data_dir, bool json, struct tl_up_log **out, struct tl_err *err)
{
    struct tl_up_log *log = calloc(1, sizeof *log);
    char folder[PATH_MAX], path[PATH_MAX + 16];
    enum tl_code rc = TL_OK;
    int size = snprintf(folder, sizeof folder, "%s/log", data_dir);

    if (log == NULL)
        TL_TRY(tl_fail_memory(err, sizeof *log));
    if (size < 0 || (size_t)size >= sizeof folder)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--data: a path of at most %zu bytes is needed", sizeof folder - 5));
    TL_TRY(tl_data_dir_make(folder, err));
    snprintf(path, sizeof path, "%s/tally.log", folder);
    TL_TRY(tl_line_file_open(path, TL_UP_LOG_FILE_BYTES, TL_UP_LOG_FILES_KEPT, &log->file, err));
    log->json = json;
    tl_diag_to(put, log);
    *out = log;
    log = NULL;
out:
    free(log);
    return rc;
}

void tl_up_log_put(struct tl_up_log *log, const char *part, struct tl_sv lines, bool named)
{
    if (named) {
        put(log, lines);
        return;
    }
    if (!log->json) {
        tl_diag(TL_WARN, "%s wrote:", part);
        put(log, lines);
        return;
    }
    while (lines.size > 0) {
        char text[JSON_BYTES + 1];
        size_t size = lines.size < JSON_BYTES ? lines.size : JSON_BYTES;
        const struct tl_diag_kv pairs[] = {
            {"part",  part, 0},
            {"words", text, 0}
        };

        for (size_t i = 0; i < size; i++)
            text[i] = lines.data[i] != '\0' ? lines.data[i] : ' ';
        text[size] = '\0';
        tl_diag_event(TL_WARN, "a part wrote", pairs, TL_COUNT(pairs));
        lines.data += size;
        lines.size -= size;
    }
}

void tl_up_log_close(struct tl_up_log *log)
{
    if (log == NULL)
        return;
    tl_diag_to(NULL, NULL);
    tl_line_file_close(log->file);
    free(log);
}
