/* diag.c: writes what the operator reads: one line an event on stderr, as text or as JSON. */
#include "base/diag.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_BYTES_MAX = 64 * 1024 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    char part[32];
    atomic_bool json, verbose;
    tl_diag_writer writer;
    void *writer_ctx;
} setup = {.part = "tally"};

void tl_diag_setup(const char *part, bool json, bool verbose)
{
    snprintf(setup.part, sizeof setup.part, "%s", part);
    atomic_store(&setup.json, json);
    atomic_store(&setup.verbose, verbose);
}

void tl_diag_to(tl_diag_writer writer, void *ctx)
{
    setup.writer = writer;
    setup.writer_ctx = ctx;
}

static void put_time(struct tl_buf *line)
{
    int64_t now_ms = tl_clock_wall_ms();
    time_t now = (time_t)(now_ms >= 0 ? now_ms / 1000 : (now_ms - 999) / 1000);
    struct tm parts;
    char text[40] = "-";

    if (gmtime_r(&now, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    tl_buf_put_str(line, text);
}

enum escape { ESCAPE_MESSAGE, ESCAPE_LINES, ESCAPE_QUOTED };

/* Everything that could begin a line, move the cursor or colour the terminal is written as an escape: the control characters of
 * ASCII, those of U+0080 to U+009F, and bytes that are no UTF-8. Letters of other alphabets are let through. */
static void put_escaped(struct tl_buf *line, struct tl_sv text, enum escape how)
{
    size_t size;

    for (size_t i = 0; i < text.size; i += size) {
        unsigned char c = (unsigned char)text.data[i];
        bool hostile;

        size = tl_utf8_size(text.data + i, text.size - i);
        hostile = size == 0 || (size == 1 && (c < 0x20 || c == 0x7f)) ||
                  (size == 2 && c == 0xc2 && (unsigned char)text.data[i + 1] <= 0x9f);
        if (size == 0)
            size = 1;
        if (how == ESCAPE_QUOTED && (c == '"' || c == '\\'))
            tl_buf_printf(line, "\\%c", c);
        else if (how == ESCAPE_LINES && (c == '\n' || c == '\t'))
            tl_buf_put(line, &c, 1);
        else if (c == '\n')
            tl_buf_put_str(line, "\\n");
        else if (c == '\r')
            tl_buf_put_str(line, "\\r");
        else if (c == '\t')
            tl_buf_put_str(line, "\\t");
        else if (hostile)
            for (size_t k = 0; k < size; k++)
                tl_buf_printf(line, "\\x%02x", (unsigned char)text.data[i + k]);
        else
            tl_buf_put(line, text.data + i, size);
    }
}

void tl_diag_put(struct tl_buf *out, struct tl_sv text)
{
    put_escaped(out, text, ESCAPE_MESSAGE);
}

static void put_value(struct tl_buf *line, struct tl_sv text)
{
    bool quoted = text.size == 0;

    for (size_t i = 0; i < text.size && !quoted; i++) {
        unsigned char c = (unsigned char)text.data[i];

        quoted = c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f;
    }
    if (!quoted) {
        tl_buf_put_sv(line, text);
        return;
    }
    tl_buf_put_u8(line, '"');
    put_escaped(line, text, ESCAPE_QUOTED);
    tl_buf_put_u8(line, '"');
}

static void line_write(const struct tl_buf *line)
{
    static const char lost[] = "tally: a line for the operator was too long or found no memory\n";
    const char *at = line->failed ? lost : line->data;
    size_t left = line->failed ? sizeof lost - 1 : line->size;

    if (setup.writer != NULL) {
        setup.writer(setup.writer_ctx, (struct tl_sv){at, left});
        return;
    }
    while (left > 0) {
        ssize_t written = write(STDERR_FILENO, at, left);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; /* there is nowhere left to say so */
        at += written;
        left -= (size_t)written;
    }
}

static void emit(enum tl_level level, struct tl_sv message, enum escape how, const struct tl_diag_kv *pairs, size_t pairs_count)
{
    int saved_errno = errno;
    struct tl_buf line;

    if (level == TL_DEBUG && !atomic_load(&setup.verbose))
        return;
    tl_buf_init(&line, LINE_BYTES_MAX);
    if (atomic_load(&setup.json)) {
        tl_buf_put_str(&line, "{\"ts\":\"");
        put_time(&line);
        tl_buf_printf(&line, "\",\"level\":\"%s\",\"part\":", level_names[level]);
        tl_buf_put_json(&line, tl_sv_from(setup.part));
        tl_buf_put_str(&line, ",\"message\":");
        tl_buf_put_json(&line, message);
        for (size_t i = 0; i < pairs_count; i++) {
            tl_buf_put_u8(&line, ',');
            tl_buf_put_json(&line, tl_sv_from(pairs[i].key));
            tl_buf_put_u8(&line, ':');
            if (pairs[i].text != NULL)
                tl_buf_put_json(&line, tl_sv_from(pairs[i].text));
            else
                tl_buf_printf(&line, "%lld", (long long)pairs[i].number);
        }
        tl_buf_put_str(&line, "}\n");
    } else {
        put_time(&line);
        tl_buf_printf(&line, " %s %s ", level_names[level], setup.part);
        put_escaped(&line, message, how);
        for (size_t i = 0; i < pairs_count; i++) {
            tl_buf_printf(&line, " %s=", pairs[i].key);
            if (pairs[i].text != NULL)
                put_value(&line, tl_sv_from(pairs[i].text));
            else
                tl_buf_printf(&line, "%lld", (long long)pairs[i].number);
        }
        tl_buf_put_u8(&line, '\n');
    }
    line_write(&line);
    tl_buf_done(&line);
    errno = saved_errno;
}

void tl_diag(enum tl_level level, const char *fmt, ...)
{
    char message[2048];
    va_list args;
    int size;

    va_start(args, fmt);
    size = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (size < 0)
        return;
    emit(level, tl_sv_from(message), ESCAPE_MESSAGE, NULL, 0);
}

void tl_diag_err(const struct tl_err *err)
{
    emit(TL_ERROR, tl_sv_from(err->message), ESCAPE_LINES, NULL, 0);
}

void tl_diag_event(enum tl_level level, const char *message, const struct tl_diag_kv *pairs, size_t pairs_count)
{
    emit(level, tl_sv_from(message), ESCAPE_MESSAGE, pairs, pairs_count);
}
