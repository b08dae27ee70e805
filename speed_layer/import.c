/* import.c: access logs and JSON Lines -> the log, or the master record as a topic of their own.
 *
 * A log's lines are held against what was imported before (import_progress.h), as far as that can make a difference: what is
 * known of the file itself (import_seen.h) is not read again, and a log that begins as no other one did is not compared. Then
 * the new lines are made records of by several threads (import_pipe.h) and appended here in their order, a span of lines in
 * one transaction, which also holds how far the log was taken: a kill at any moment loses nothing, and the same command goes
 * on behind the last transaction.
 *
 * In memory: the chunks of the pipe, and of the log at hand 8 bytes of hash for each line that differs from all others, at
 * most three quarters of a table full (repeats.h: 11 to 22 bytes a line), and 56 bytes a span. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/count_text.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/table.h"
#include "event/batch.h"
#include "main/command.h"
#include "main/data_dir.h"
#include "main/option.h"
#include "main/source_log.h"
#include "main/source_topics.h"
#include "main/progress.h"
#include "main/stop.h"
#include "main/views.h"
#include "speed_layer/access_log.h"
#include "speed_layer/import_archive.h"
#include "speed_layer/import_chunk.h"
#include "speed_layer/import_files.h"
#include "speed_layer/import_pipe.h"
#include "speed_layer/import_progress.h"
#include "speed_layer/import_seen.h"
#include "speed_layer/line_source.h"
#include "speed_layer/repeats.h"
#include "sql/plan.h"

enum { SHOWN_BYTES = 160 };
#define FILE_BYTES_ENOUGH (16 << 20) /* below it, the next log goes into the same data file */
#define SEEN_EVERY_BYTES (INT64_C(1) << 30)

struct import_options {
    const char *format, *into, *host, *topic;
    int64_t partitions, partition, file_bytes;
    bool reread;
};

/* Spans of the log at hand that were known, and not read: those whose time a new line has are read for their equal lines. */
struct passed {
    size_t count;
    bool *is_read;
    int64_t time_ms_max;          /* of those that were not */
    struct tl_line_source *again; /* NULL: not opened yet */
};

struct import {
    const struct tl_common_options *common;
    struct import_options options;
    struct tl_import_job job;
    struct tl_functions *functions;
    struct tl_plan *plan; /* NULL: --topic alone */
    uint32_t source;      /* of the plan */
    struct tl_source_logs *logs;
    struct tl_import_archive *archive;
    struct tl_import_files files;
    struct tl_import_progress progress;
    struct tl_import_seen *seen;
    struct tl_import_pipe *pipe;
    struct tl_repeats repeats;
    struct tl_user_agents *agents;
    bool agents_asked, host_said;
    /* the log at hand */
    struct tl_import_counts counts;
    struct passed passed;
    struct tl_lines lines;
    const struct tl_import_file *file;
    bool is_log;        /* or something else that lies in the folder */
    uint64_t looked_at; /* of something else: its first lines, and there are more; 0: all */
    bool file_failed;   /* what failed is this file, and no other */
    /* all of them */
    bool stopped;        /* by a signal, between two transactions */
    enum tl_code failed; /* the last file that did, which was said */
    struct tl_import_counts total;
    size_t logs_count;
    struct tl_progress bar;
    int64_t seen_bytes;                       /* done, when what is known of files was last written */
    int64_t done_bytes, read_from, all_bytes; /* done: before read_from of the log at hand; all 0: not known */
    struct tl_buf note, summary;              /* the summary: of logs whose lines are not durable yet */
};

/* ---- one log ---- */

static void show_broken(struct import *import, const struct tl_line_source *source, const struct tl_import_chunk *chunk)
{
    uint64_t shown = import->counts.broken, count = chunk->counts.broken;

    if (count > 0 && shown <= TL_IMPORT_SHOWN_MAX)
        tl_progress_end(&import->bar);
    for (size_t i = 0; i < TL_COUNT(chunk->broken) && i < count && shown < TL_IMPORT_SHOWN_MAX; i++, shown++) {
        struct tl_sv line = chunk->broken[i].text;
        char message[512], text[SHOWN_BYTES + 4];
        size_t size = line.size < SHOWN_BYTES ? line.size : SHOWN_BYTES;

        memcpy(text, line.data, size);
        for (size_t at = 0; at < size; at++)
            if (text[at] == '\0')
                text[at] = '?'; /* a text for people, which a zero would end */
        snprintf(text + size, sizeof text - size, "%s", line.size > size ? "..." : "");
        snprintf(message, sizeof message, "%.300s:%" PRIu64 ": %s", tl_line_source_name(source), chunk->broken[i].line + 1,
                 chunk->broken[i].why);
        tl_diag_event(TL_WARN, message,
                      (const struct tl_diag_kv[]){
                          {"line", text, 0}
        },
                      1);
    }
    if (import->counts.broken <= TL_IMPORT_SHOWN_MAX && import->counts.broken + count > TL_IMPORT_SHOWN_MAX)
        tl_diag(TL_WARN, "%s: further lines that cannot be read are counted, and not shown", tl_line_source_name(source));
}

static struct tl_log *log_of(const struct import *import, const struct tl_source_logs *logs)
{
    return tl_source_log(logs, import->plan != NULL ? import->source : 0);
}

static enum tl_code append(struct import *import, const struct tl_import_chunk *chunk, struct tl_sv key, struct tl_err *err)
{
    struct tl_import_entry entry;
    struct tl_log_note note;
    enum tl_code rc;

    tl_import_progress_entry(&import->progress, &entry);
    if (import->archive != NULL) {
        TL_TRY(tl_import_archive_append(import->archive, chunk, &entry, err));
        return TL_OK;
    }
    tl_buf_clear(&import->note);
    tl_import_entry_put(&import->note, &entry);
    TL_TRY(tl_buf_check(&import->note, "a note", err));
    note = (struct tl_log_note){key, tl_buf_sv(&import->note)};
    TL_TRY(tl_log_append(log_of(import, import->logs), import->job.kind.topic, chunk->records, chunk->records_count, &note, err));
out:
    return rc;
}

/* The failures of a log's file are its own: the others go on. */
static enum tl_code of_file(struct import *import, enum tl_code rc)
{
    import->file_failed = rc != TL_OK && rc != TL_ERR_MEMORY;
    return rc;
}

/* The bar shows bytes that are read: what is read twice counts twice, and what need not be read does not count. */
static void bar_step(struct import *import, int64_t read_bytes)
{
    tl_progress_step(&import->bar, (uint64_t)(import->done_bytes + read_bytes - import->read_from),
                     import->all_bytes > 0 ? (uint64_t)import->all_bytes : 0);
}

/* Reading goes on somewhere else in the file. */
static enum tl_code go_to(struct import *import, struct tl_line_source *source, int64_t place, struct tl_err *err)
{
    int64_t read_bytes = tl_line_source_read_bytes(source);

    import->done_bytes += read_bytes - import->read_from;
    import->all_bytes += import->all_bytes > 0 ? read_bytes - place : 0;
    import->read_from = place;
    return of_file(import, tl_line_source_seek(source, place, err));
}

static enum tl_code fail_stopped(struct import *import, const struct tl_line_source *source, struct tl_err *err)
{
    import->stopped = true;
    return tl_fail(err, TL_ERR_IO, "%s: stopped by a signal; the same command goes on where it was", tl_line_source_name(source));
}

/* ---- what is known of it ---- */

static bool is_access_log(const struct import *import)
{
    return import->job.kind.format != TL_IMPORT_JSONL;
}

/* From when to when the lines are, as far as they go into spans that may be read again. */
static void times_of(const struct import *import, const struct tl_line_source *source, const struct tl_lines *lines, int64_t *min,
                     int64_t *max)
{
    enum tl_access_format format = tl_import_access_format(import->job.kind.format);
    int64_t time_ms;

    *min = INT64_MAX;
    *max = INT64_MIN;
    if (!is_access_log(import) || !tl_line_source_is_plain(source))
        return;
    for (size_t i = 0; i < lines->count; i++)
        if (tl_access_line_time(format, lines->lines[i], &time_ms)) {
            *min = tl_min_i64(*min, time_ms);
            *max = tl_max_i64(*max, time_ms);
        }
}

/* Compares from where the source stands, as long as it can make a difference. *at_end: to the file's end. */
static enum tl_code compare(struct import *import, struct tl_line_source *source, bool *at_end, struct tl_err *err)
{
    struct tl_import_progress *progress = &import->progress;
    struct tl_lines *lines = &import->lines;
    enum tl_code rc = TL_OK;

    *at_end = false;
    while (tl_import_progress_wants_more(progress) && !*at_end) {
        int64_t min, max;

        if (tl_stop_requested())
            TL_TRY(fail_stopped(import, source, err));
        TL_TRY(of_file(import, tl_line_source_next(source, lines, err)));
        times_of(import, source, lines, &min, &max);
        TL_TRY(tl_import_progress_compare(progress, lines, min, max, err));
        *at_end = lines->at_end;
        bar_step(import, tl_line_source_read_bytes(source));
    }
out:
    return rc;
}
struct known {
    uint64_t lines; /* the first of the log */
    bool all;       /* and there are no others */
    bool noted;     /* because they were noted */
};

/* What was noted of the file saves reading it, where it is true. */
static enum tl_code compare_behind(struct import *import, struct tl_line_source *source, const struct tl_import_seen_file *seen,
                                   struct known *known, struct tl_err *err)
{
    uint64_t noted = seen->entry.lines_count + (seen->entry.has_tail ? 1 : 0);
    bool at_end;
    enum tl_code rc;

    if (seen->is_packed) {
        known->lines = noted;
        known->all = known->noted = true;
        TL_TRY(go_to(import, source, seen->identity.size, err));
        return TL_OK;
    }
    TL_TRY(tl_import_progress_begin_behind(&import->progress, &import->job.kind, seen->spans, seen->spans_count,
                                           seen->entry.first_line, err));
    TL_TRY(go_to(import, source, seen->spans_count > 0 ? seen->spans[seen->spans_count - 1].end : 0, err));
    TL_TRY(compare(import, source, &at_end, err));
    TL_TRY(tl_import_progress_known(&import->progress, tl_line_source_name(source), &known->lines, err));
    known->noted = known->lines >= seen->entry.lines_count; /* or the lines behind the spans are others */
    known->all = known->noted && at_end && known->lines == tl_import_progress_lines(&import->progress);
out:
    return rc;
}

/* A few lines may be those of another log that still lies there. */
static enum tl_code leave_anothers(struct import *import, struct tl_line_source *source, struct tl_err *err)
{
    struct tl_import_progress *progress = &import->progress;
    const struct tl_import_entry *best = progress->best;
    enum tl_code rc;

    if (best == NULL || progress->best_with_tail || best->lines_count >= TL_IMPORT_CHANCE_LINES ||
        best->lines_count == tl_import_progress_lines(progress))
        return TL_OK;
    TL_TRY(go_to(import, source, 0, err));
    TL_TRY(of_file(import, tl_line_source_next(source, &import->lines, err)));
    if (tl_import_seen_is_anothers(import->seen, source, best, &import->lines))
        progress->best = NULL;
out:
    return rc;
}

static enum tl_code find_known(struct import *import, struct tl_line_source *source, struct known *known, struct tl_err *err)
{
    const struct tl_import_seen_file *seen = NULL;
    uint64_t copied = 0;
    bool at_end;
    enum tl_code rc;

    *known = (struct known){0};
    if (!import->options.reread)
        seen = tl_import_seen_find(import->seen, source, &import->job.kind);
    if (seen != NULL && tl_import_progress_has(&import->progress, &seen->entry))
        TL_TRY(compare_behind(import, source, seen, known, err));
    if (known->noted)
        return TL_OK;
    TL_TRY(tl_import_progress_begin(&import->progress, &import->job.kind, err));
    TL_TRY(go_to(import, source, 0, err));
    TL_TRY(compare(import, source, &at_end, err));
    if (at_end && tl_import_progress_wants_more(&import->progress)) /* it ends before others that begin like it */
        copied = tl_import_seen_beginning(import->seen, &import->progress, &import->lines);
    TL_TRY(leave_anothers(import, source, err));
    TL_TRY(tl_import_progress_known(&import->progress, tl_line_source_name(source), &known->lines, err));
    known->lines = copied > known->lines ? copied : known->lines;
    known->all = at_end && known->lines == tl_import_progress_lines(&import->progress);
out:
    return rc;
}

/* ---- what is new ---- */

static enum tl_code pass_spans(struct import *import, struct tl_err *err)
{
    struct passed *passed = &import->passed;

    passed->count = import->progress.spans_count;
    passed->time_ms_max = INT64_MIN;
    passed->is_read = calloc(passed->count + 1, sizeof *passed->is_read);
    if (passed->is_read == NULL)
        return tl_fail_memory(err, passed->count);
    for (size_t i = 0; i < passed->count; i++)
        passed->time_ms_max = tl_max_i64(passed->time_ms_max, import->progress.spans[i].time_ms_max);
    return TL_OK;
}

static void passed_done(struct passed *passed)
{
    free(passed->is_read);
    tl_line_source_close(passed->again);
    *passed = (struct passed){0};
}

static enum tl_code read_passed(struct import *import, const struct tl_line_source *source, size_t at, struct tl_err *err)
{
    const struct tl_import_span *span = &import->progress.spans[at];
    struct passed *passed = &import->passed;
    struct tl_lines *lines = &import->lines;
    enum tl_code rc = TL_OK;

    if (passed->again == NULL)
        TL_TRY(of_file(import, tl_line_source_again(source, &passed->again, err)));
    TL_TRY(of_file(import, tl_line_source_seek(passed->again, at == 0 ? 0 : span[-1].end, err)));
    TL_TRY(of_file(import, tl_line_source_next(passed->again, lines, err)));
    if (lines->count != span->lines_count || !XXH128_isEqual(tl_import_span_hash(import->progress.state, lines), span->hash))
        TL_TRY(
            of_file(import, tl_fail(err, TL_ERR_CORRUPT, "%s: has been changed while it was read; the same command reads it anew",
                                    tl_line_source_name(source))));
    for (size_t i = 0; i < lines->count; i++) {
        uint64_t before;
        int64_t time_ms;

        if (tl_access_line_time(tl_import_access_format(import->job.kind.format), lines->lines[i], &time_ms))
            TL_TRY(tl_repeats_count(&import->repeats, tl_import_line_hash(&import->job, lines->lines[i]).low64, &before, err));
    }
    passed->is_read[at] = true;
out:
    return rc;
}

/* Equal lines have the same time. */
static enum tl_code look_back(struct import *import, const struct tl_line_source *source, int64_t time_ms, struct tl_err *err)
{
    struct passed *passed = &import->passed;
    int64_t max = INT64_MIN;
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < passed->count; i++) {
        const struct tl_import_span *span = &import->progress.spans[i];

        if (!passed->is_read[i] && span->time_ms_min <= time_ms && time_ms <= span->time_ms_max)
            TL_TRY(read_passed(import, source, i, err));
        if (!passed->is_read[i])
            max = tl_max_i64(max, span->time_ms_max);
    }
    passed->time_ms_max = max;
out:
    return rc;
}

/* Equal lines become different events. */
static enum tl_code number_equals(struct import *import, const struct tl_line_source *source, struct tl_import_chunk *chunk,
                                  struct tl_err *err)
{
    enum { AHEAD = 8 };
    enum tl_code rc = TL_OK;

    for (size_t i = 0; i < chunk->identities_count; i++) {
        const struct tl_import_identity *identity = &chunk->identities[i];
        bool is_new = identity->record != UINT32_MAX;
        uint64_t before;

        if (i + AHEAD < chunk->identities_count)
            tl_repeats_expect(&import->repeats, identity[AHEAD].hash.low64);
        if (is_new && identity->time_ms <= import->passed.time_ms_max)
            TL_TRY(look_back(import, source, identity->time_ms, err));
        TL_TRY(tl_repeats_count(&import->repeats, identity->hash.low64, &before, err));
        if (is_new && before > 0)
            tl_import_chunk_number(chunk, &import->job, identity, before);
    }
out:
    return rc;
}

static void counts_add(struct tl_import_counts *counts, const struct tl_import_counts *more)
{
    counts->lines += more->lines;
    counts->fresh += more->fresh;
    counts->known += more->known;
    counts->broken += more->broken;
    counts->blank += more->blank;
    counts->bots += more->bots;
    counts->files += more->files;
}

static enum tl_code take_chunk(struct import *import, const struct tl_line_source *source, struct tl_import_chunk *chunk,
                               struct tl_sv key, struct tl_err *err)
{
    uint64_t lines = chunk->lines_before + chunk->lines.count;
    enum tl_code rc;

    TL_TRY(tl_import_progress_take(&import->progress, &chunk->lines, chunk->hash, chunk->time_ms_min, chunk->time_ms_max, err));
    if (lines > import->job.known_lines && chunk->lines.count > 0) {
        TL_TRY(number_equals(import, source, chunk, err));
        show_broken(import, source, chunk);
        TL_TRY(append(import, chunk, key, err));
    } else if (!tl_line_source_is_plain(source)) {
        TL_TRY(number_equals(import, source, chunk, err));
    }
    counts_add(&import->counts, &chunk->counts); /* now they are in the log */
    bar_step(import, chunk->read_bytes);
out:
    return rc;
}

static enum tl_code take_lines(struct import *import, struct tl_line_source *source, uint64_t known, struct tl_sv key,
                               struct tl_err *err)
{
    struct tl_import_progress *progress = &import->progress;
    struct tl_import_chunk *chunk = NULL;
    int64_t place;
    enum tl_code rc;

    tl_import_progress_go_back(progress, tl_line_source_is_plain(source) ? known : 0);
    place = progress->spans_count > 0 ? progress->spans[progress->spans_count - 1].end : 0;
    tl_repeats_clear(&import->repeats);
    TL_TRY(pass_spans(import, err));
    TL_TRY(go_to(import, source, place, err));
    import->job.known_lines = known;
    import->counts.lines = import->counts.known = progress->spans_lines;
    TL_TRY(tl_import_pipe_begin(import->pipe, source, &import->job, progress->spans_lines, err));
    for (;;) {
        if (tl_stop_requested())
            TL_TRY(fail_stopped(import, source, err));
        TL_TRY(of_file(import, tl_import_pipe_take(import->pipe, &chunk, err)));
        if (chunk == NULL)
            break;
        TL_TRY(take_chunk(import, source, chunk, key, err));
        tl_import_pipe_give_back(import->pipe);
    }
out:
    tl_import_pipe_end(import->pipe);
    passed_done(&import->passed);
    return rc;
}

/* ---- one log ---- */

static void summary_put(struct import *import, const char *name, const struct tl_import_counts *counts)
{
    char lines[TL_COUNT_TEXT_BYTES], fresh[TL_COUNT_TEXT_BYTES], known[TL_COUNT_TEXT_BYTES], broken[TL_COUNT_TEXT_BYTES],
        other[TL_COUNT_TEXT_BYTES];
    bool bots = counts->fresh > 0 && import->job.agents != NULL;

    tl_diag_put(&import->summary, tl_sv_from(name));
    tl_buf_printf(&import->summary, ": %s line%s: %s new, %s known, %s broken", tl_count_text(counts->lines, lines),
                  counts->lines == 1 ? "" : "s", tl_count_text(counts->fresh, fresh), tl_count_text(counts->known, known),
                  tl_count_text(counts->broken, broken));
    if (counts->blank > 0)
        tl_buf_printf(&import->summary, ", %s blank", tl_count_text(counts->blank, other));
    if (bots)
        tl_buf_printf(&import->summary, "; %s by bots", tl_count_text(counts->bots, other));
    if (counts->fresh > 0 && is_access_log(import))
        tl_buf_printf(&import->summary, "%s %s for files", bots ? "," : ";", tl_count_text(counts->files, other));
    tl_buf_put_sv(&import->summary, TL_SV("\n"));
}

/* Said only of what cannot be lost any more. */
static void summary_print(struct import *import)
{
    tl_progress_end(&import->bar);
    if (import->summary.size > 0)
        fwrite(import->summary.data, 1, import->summary.size, stdout);
    fflush(stdout);
    tl_buf_clear(&import->summary);
}

static const struct {
    char name[16];
    enum tl_import_format format;
} formats[] = {
    {"jsonl",          TL_IMPORT_JSONL         },
    {"common",         TL_IMPORT_COMMON        },
    {"combined",       TL_IMPORT_COMBINED      },
    {"vhost_combined", TL_IMPORT_VHOST_COMBINED},
};

/* The format that more than half of the lines have; NULL: none. */
static const char *format_of(const struct tl_lines *lines)
{
    for (size_t f = 0; f < TL_COUNT(formats); f++) {
        size_t count = 0;

        for (size_t i = 0; i < lines->count; i++)
            count += tl_import_line_fits(formats[f].format, lines->lines[i]);
        if (count > lines->count / 2)
            return formats[f].name;
    }
    return NULL;
}

/* Does one of its lines read as the format says? A folder holds other things than logs, and logs of other formats. As many are
 * looked at as make a span: a log may begin with lines that were broken for minutes. *other: the format that they have instead. */
static enum tl_code looks_like_log(struct import *import, struct tl_line_source *source, bool *looks, const char **other,
                                   struct tl_err *err)
{
    struct tl_lines *lines = &import->lines;
    enum tl_code rc;

    TL_TRY(go_to(import, source, 0, err));
    tl_line_source_leave_tail(source, false); /* half a line tells too */
    TL_TRY(of_file(import, tl_line_source_next(source, lines, err)));
    tl_line_source_leave_tail(source, true);
    *looks = lines->count == 0;
    for (size_t i = 0; i < lines->count && !*looks; i++)
        *looks = tl_import_line_fits(import->job.kind.format, lines->lines[i]);
    *other = *looks ? NULL : format_of(lines);
    import->looked_at = lines->at_end ? 0 : lines->count;
    TL_TRY(of_file(import, tl_line_source_seek(source, 0, err))); /* a look is not worth a place in the bar */
out:
    return rc;
}

static void say_no_log(const struct import *import)
{
    const char *path = import->file->path, *format = import->options.format;
    char count[TL_COUNT_TEXT_BYTES];

    if (import->looked_at == 0)
        tl_diag(TL_INFO, "%s: passed over: none of its lines is %s", path, format);
    else
        tl_diag(TL_WARN, "%s: passed over: none of its first %s lines is %s; naming the file takes it as it is", path,
                tl_count_text(import->looked_at, count), format);
}

/* The rules of user agents, for the first log that has any. */
static enum tl_code ask_agents(struct import *import, struct tl_err *err)
{
    const char *path = import->common->user_agents;
    struct tl_err why;
    enum tl_code rc = TL_OK;

    if (import->agents_asked || !is_access_log(import) || import->job.kind.format == TL_IMPORT_COMMON)
        return TL_OK;
    import->agents_asked = true;
    if (path != NULL)
        TL_TRY(tl_user_agents_open(path, &import->agents, err));
    else if (tl_user_agents_open(TL_USER_AGENTS_PATH, &import->agents, &why) != TL_OK)
        tl_diag(TL_INFO, "bots are not counted: %s", why.message);
    import->job.agents = import->agents;
out:
    return rc;
}

/* An entry for what may come again in this very run, be it the whole copy of a file that breaks off. */
static enum tl_code know_what_was_taken(struct import *import, uint64_t known, struct tl_err *err)
{
    struct tl_import_entry entry;

    /* what was read and then not appended does not count */
    if (import->counts.lines <= known || import->counts.lines != tl_import_progress_lines(&import->progress))
        return TL_OK;
    tl_import_progress_entry(&import->progress, &entry);
    return tl_import_progress_add(&import->progress, &entry, err);
}

static enum tl_code take_new(struct import *import, struct tl_line_source *source, uint64_t known, struct tl_err *err)
{
    uint64_t number = 0;
    char key[40];
    enum tl_code rc, noted;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return tl_fail_errno(err, TL_ERR_IO, "no random number for a new import");
    snprintf(key, sizeof key, "import:%016" PRIx64, number);
    TL_TRY(ask_agents(import, err));
    rc = take_lines(import, source, known, tl_sv_from(key), err);
    noted = know_what_was_taken(import, known, err);
    if (noted != TL_OK)
        rc = noted;
    import->file_failed = import->file_failed && noted == TL_OK;
out:
    return rc;
}

static enum tl_code read_log(struct import *import, struct tl_line_source *source, struct tl_err *err)
{
    struct tl_file_identity opened = {0};
    struct known known;
    const char *other;
    enum tl_code rc;

    if (!tl_file_identity_of(source, &opened))
        opened.size = -1; /* standard input: it is not known again by what it is */
    tl_line_source_leave_tail(source, true);
    TL_TRY(find_known(import, source, &known, err));
    if (known.lines == 0) {
        TL_TRY(looks_like_log(import, source, &import->is_log, &other, err));
        if (!import->is_log && import->file->from_folder)
            return TL_OK;
        /* each line of it would be a dead letter, for good: a word too many or too few does not do that */
        if (!import->is_log && other != NULL)
            TL_TRY(of_file(import,
                           tl_fail(err, TL_ERR_USAGE, "%s: its lines are not %s but %s, and none is taken; --format %s would do",
                                   tl_line_source_name(source), import->options.format, other, other)));
        import->is_log = true; /* it was named, and is taken as it is */
    }
    if (known.all)
        import->counts.lines = import->counts.known = known.lines;
    else
        TL_TRY(take_new(import, source, known.lines, err));
    if (!(known.all && known.noted))
        TL_TRY(tl_import_seen_note(import->seen, source, &opened, &import->progress, err));
    if (tl_line_source_left_tail(source))
        tl_diag(TL_INFO, "%s: its last line has no end, and may be half written: it is left for the next import",
                tl_line_source_name(source));
    if (tl_line_source_was_cut(source))
        tl_diag(TL_WARN, "%s: was cut while it was read, as copytruncate does; the next import reads what it holds then",
                tl_line_source_name(source));
out:
    return rc;
}

static enum tl_code import_file(struct import *import, const struct tl_import_file *file, struct tl_err *err)
{
    struct tl_line_source *source = NULL;
    enum tl_code rc;

    import->counts = (struct tl_import_counts){0};
    import->file = file;
    import->is_log = true;
    import->file_failed = false;
    if (import->archive != NULL)
        tl_import_archive_begin(import->archive);
    TL_TRY(of_file(import, tl_line_source_open(file->path, import->common->data, &source, err)));
    TL_TRY(read_log(import, source, err));
    if (import->counts.fresh > 0 && import->job.kind.host.data == NULL && !import->host_said &&
        (import->job.kind.format == TL_IMPORT_COMMON || import->job.kind.format == TL_IMPORT_COMBINED)) {
        tl_progress_end(&import->bar);
        tl_diag(TL_INFO, "no --host: the events' host is NULL");
        import->host_said = true;
    }
    if (import->archive != NULL && tl_import_archive_waiting(import->archive) >= FILE_BYTES_ENOUGH)
        TL_TRY(tl_import_archive_commit(import->archive, err));
out:
    if (source != NULL)
        import->done_bytes += tl_line_source_read_bytes(source) - import->read_from;
    import->read_from = 0;
    /* what was taken before a failure stays; a file that gave nothing is no log */
    if (source != NULL && import->is_log && (rc == TL_OK || import->counts.fresh + import->counts.broken > 0)) {
        summary_put(import, tl_line_source_name(source), &import->counts);
        counts_add(&import->total, &import->counts);
        import->logs_count++;
    }
    if (import->archive == NULL || tl_import_archive_waiting(import->archive) == 0)
        summary_print(import);
    tl_line_source_close(source);
    return rc;
}

/* For the next import to be quick: it goes without. */
static void seen_write(struct import *import)
{
    struct tl_err err;

    if (import->seen != NULL && tl_import_seen_write(import->seen, &err) != TL_OK)
        tl_diag(TL_WARN, "%s; the next import reads these logs once more", err.message);
    import->seen_bytes = import->done_bytes;
}

/* A file that fails lets the others go on. */
static enum tl_code import_files(struct import *import, struct tl_err *err)
{
    for (size_t i = 0; i < import->files.count; i++) {
        const struct tl_import_file *file = &import->files.items[i];
        enum tl_code rc = import_file(import, file, err);

        if (import->done_bytes - import->seen_bytes > SEEN_EVERY_BYTES)
            seen_write(import);
        if (rc != TL_OK && !import->file_failed)
            return rc;
        if (rc == TL_OK && import->is_log)
            continue;
        tl_progress_end(&import->bar);
        if (rc == TL_OK) {
            say_no_log(import);
        } else if (file->from_folder && access(file->path, F_OK) != 0 && errno == ENOENT) {
            tl_diag(TL_INFO, "%s: passed over: it is gone since the folder was read", file->path);
        } else {
            tl_diag_err(err);
            import->failed = rc;
        }
    }
    return TL_OK;
}

/* ---- where to ---- */

static bool add_note(void *ctx, struct tl_sv key, struct tl_sv value)
{
    struct {
        struct tl_import_progress *progress;
        enum tl_code rc;
        struct tl_err *err;
    } *notes = ctx;
    struct tl_import_entry entry;

    if (!tl_import_entry_get(value, &entry))
        notes->rc = tl_fail(notes->err, TL_ERR_CORRUPT, "the log's note '%.*s' is damaged, or another tally's", TL_SV_ARG(key));
    else
        notes->rc = tl_import_progress_add(notes->progress, &entry, notes->err);
    return notes->rc == TL_OK;
}

/* What is in the log or in the record counts as known for both: the same line in both would count twice. */
static enum tl_code load_known(struct import *import, struct tl_err *err)
{
    struct {
        struct tl_import_progress *progress;
        enum tl_code rc;
        struct tl_err *err;
    } notes = {&import->progress, TL_OK, err};
    struct tl_source_logs *reader = NULL;
    enum tl_code rc;

    if (import->logs == NULL) {
        rc = tl_source_logs_open(import->common, import->plan, TL_LOG_READ, &reader, err);
        if (rc != TL_ERR_NOT_FOUND)
            TL_TRY(rc);
    }
    if (import->logs != NULL || reader != NULL) {
        TL_TRY(tl_log_notes(log_of(import, import->logs != NULL ? import->logs : reader), import->job.kind.topic,
                            TL_SV("import:"), add_note, &notes, err));
        TL_TRY(notes.rc);
    }
    TL_TRY(tl_import_archive_known(import->common->data, import->job.kind.topic, &import->progress, err));
out:
    tl_source_logs_close(reader);
    return rc;
}

static enum tl_code open_log(struct import *import, struct tl_err *err)
{
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_source_logs_open(import->common, import->plan, TL_LOG_APPEND, &import->logs, err));
    TL_TRY(tl_log_create_topic(log_of(import, import->logs), import->job.kind.topic,
                               import->options.partitions < 0 ? 0 : (uint32_t)import->options.partitions, err));
    TL_TRY(tl_log_topic(log_of(import, import->logs), import->job.kind.topic, &import->job.partitions, &identity, err));
    if (import->options.partition >= (int64_t)import->job.partitions)
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "--partition %" PRId64 ": topic %.*s has %" PRIu32 " partition%s, numbered from 0; --partitions %" PRId64
                       " would make more",
                       import->options.partition, TL_SV_ARG(import->job.kind.topic), import->job.partitions,
                       import->job.partitions == 1 ? "" : "s", import->options.partition + 1));
out:
    return rc;
}

/* "events, clicks, all that match 'site-.*'". *several: there is more than one to choose from. */
static void put_topics(const struct tl_plan *plan, struct tl_buf *names, bool *several)
{
    *several = false;
    for (uint32_t i = 0; i < plan->sources_count; i++) {
        const struct tl_source *source = &plan->sources[i];
        bool by_pattern = source->topic_pattern.data != NULL;

        tl_buf_put_str(names, i > 0 ? ", " : "");
        if (by_pattern)
            tl_buf_printf(names, "all that match '%.*s'", TL_SV_ARG(source->topic_pattern));
        else
            tl_buf_put_sv(names, source->topic);
        *several = *several || by_pattern || !tl_sv_eq(source->topic, plan->sources[0].topic);
    }
}

/* The first of the tables that read the topic. */
static enum tl_code find_source(struct import *import, struct tl_sv topic, bool *found, struct tl_err *err)
{
    struct tl_source_topics *topics = NULL;
    enum tl_code rc;

    *found = false;
    TL_TRY(tl_source_topics_open(import->plan, &topics, err));
    for (uint32_t s = 0; s < import->plan->sources_count && !*found; s++) {
        TL_TRY(tl_source_topics_match(topics, s, topic, found, err));
        import->source = s;
    }
out:
    tl_source_topics_close(topics);
    return rc;
}

/* The views file's one topic, or the one of its topics that --topic names. */
static enum tl_code choose_topic(struct import *import, struct tl_err *err)
{
    const char *wanted = import->options.topic;
    const struct tl_plan *plan = import->plan;
    struct tl_buf names;
    bool found = true, several = false;
    enum tl_code rc = TL_OK;

    tl_buf_init(&names, 512);
    if (plan == NULL) {
        import->job.kind.topic = tl_sv_from(wanted);
        return TL_OK;
    }
    if (plan->sources_count == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s: no view reads from a table, so there is no topic; --topic NAME names one",
                       import->common->views));
    put_topics(plan, &names, &several);
    if (several && wanted == NULL)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s reads from several topics; say --topic NAME with one of %.*s",
                       import->common->views, (int)names.size, names.data));
    import->job.kind.topic = wanted != NULL ? tl_sv_from(wanted) : plan->sources[0].topic;
    TL_TRY(find_source(import, import->job.kind.topic, &found, err));
    if (!found)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--topic %s: %s reads from %.*s", wanted, import->common->views, (int)names.size,
                       names.data));
out:
    tl_buf_done(&names);
    return rc;
}

static enum tl_code check_options(struct import *import, struct tl_err *err)
{
    const struct import_options *options = &import->options;
    bool into_archive = strcmp(options->into, "archive") == 0;

    if (options->format == NULL)
        return tl_fail(err, TL_ERR_USAGE,
                       "--format is missing: jsonl for events, combined for what nginx and Apache write, common, vhost_combined");
    for (size_t i = 0; i < TL_COUNT(formats); i++)
        if (strcmp(options->format, formats[i].name) == 0)
            import->job.kind.format = formats[i].format;
    if (options->host != NULL && import->job.kind.format == TL_IMPORT_JSONL)
        return tl_fail(err, TL_ERR_USAGE, "--host: events in JSON are taken as they are; --host is for access logs without one");
    if (options->host != NULL && import->job.kind.format == TL_IMPORT_VHOST_COMBINED)
        return tl_fail(err, TL_ERR_USAGE, "--host: vhost_combined has the host in each line; --host is for common and combined");
    if (into_archive && (options->partitions >= 0 || options->partition >= 0))
        return tl_fail(err, TL_ERR_USAGE,
                       "--partition and --partitions: the record of imports has one partition; they go with --into log");
    if (options->partitions == 0 || options->partitions > UINT32_MAX)
        return tl_fail(err, TL_ERR_USAGE, "--partitions: 1 or more");
    if (options->partition >= UINT32_MAX)
        return tl_fail(err, TL_ERR_USAGE, "--partition %" PRId64 " is too large", options->partition);
    if (import->common->views == NULL && (options->topic == NULL || into_archive))
        return tl_options_need_views(import->common, err);
    if (options->host != NULL)
        import->job.kind.host = tl_sv_from(options->host);
    import->job.host_seed =
        XXH3_64bits(import->job.kind.host.size > 0 ? import->job.kind.host.data : "", import->job.kind.host.size);
    return TL_OK;
}

/* The one that takes what they make is busy too: where there are two cores, packing is half of the work. */
static uint32_t threads_count(void)
{
    enum { THREADS_MAX = 4 };
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (uint32_t)cores;
}

static void bar_begin(struct import *import)
{
    bool all_known = true;

    for (size_t i = 0; i < import->files.count; i++)
        all_known = all_known && (import->files.items[i].bytes > 0 || strcmp(import->files.items[i].path, "-") != 0);
    import->all_bytes = all_known ? (int64_t)import->files.bytes : 0;
    tl_progress_begin(&import->bar, "import");
}

/* What is not there lets the others go on, and where there are none nothing is made. */
static enum tl_code find_files(struct import *import, struct tl_err *err)
{
    for (int i = 0; i < import->common->args_count; i++) {
        enum tl_code rc = tl_import_files_add(&import->files, import->common->args[i], err);

        if (rc == TL_ERR_MEMORY)
            return rc;
        if (rc != TL_OK) {
            tl_diag_err(err);
            import->failed = rc;
        }
    }
    return TL_OK;
}

static enum tl_code import_open(struct import *import, struct tl_lock **lock, struct tl_err *err)
{
    char *lock_path = NULL;
    enum tl_code rc;

    tl_buf_init(&import->note, 0);
    tl_buf_init(&import->summary, 0);
    tl_repeats_init(&import->repeats);
    TL_TRY(tl_import_progress_init(&import->progress, err));
    TL_TRY(check_options(import, err));
    if (import->common->views != NULL)
        TL_TRY(tl_views_open(import->common, import->common->views, &import->functions, &import->plan, err));
    TL_TRY(choose_topic(import, err));
    import->job.partition = import->options.partition;
    TL_TRY(find_files(import, err));
    if (import->failed != TL_OK && import->files.count == 0)
        return TL_OK;
    TL_TRY(tl_data_dir_make(import->common->data, err));
    if (asprintf(&lock_path, "%s/import.lock", import->common->data) < 0) {
        lock_path = NULL;
        TL_TRY(tl_fail_memory(err, strlen(import->common->data)));
    }
    TL_TRY(tl_lock_take(lock_path, "import", lock, err));
    import->job.into_record = strcmp(import->options.into, "archive") == 0;
    if (import->job.into_record)
        TL_TRY(tl_import_archive_open(import->common->data, import->plan, import->source, import->job.kind.topic,
                                      (uint64_t)import->options.file_bytes, &import->archive, err));
    else
        TL_TRY(open_log(import, err));
    TL_TRY(load_known(import, err));
    TL_TRY(tl_import_seen_open(import->common->data, &import->seen, err));
    TL_TRY(tl_import_pipe_open(threads_count(), &import->pipe, err));
    bar_begin(import);
out:
    free(lock_path);
    return rc;
}

static void import_done(struct import *import)
{
    tl_progress_end(&import->bar);
    tl_import_pipe_close(import->pipe);
    tl_import_seen_close(import->seen);
    tl_user_agents_close(import->agents);
    tl_import_files_done(&import->files);
    tl_lines_done(&import->lines);
    tl_import_archive_close(import->archive);
    tl_source_logs_close(import->logs);
    tl_views_close(import->functions, import->plan);
    tl_import_progress_done(&import->progress);
    tl_repeats_done(&import->repeats);
    tl_buf_done(&import->note);
    tl_buf_done(&import->summary);
}

#define AT(field) offsetof(struct import_options, field)
static const struct tl_option import_table[] = {
    {"format",     TL_OPT_CHOICE, "jsonl|combined|common|vhost_combined", "what the lines are; must be given",                             AT(format),     0},
    {"into",       TL_OPT_CHOICE, "log|archive",                          "the log (default), or the master record, for batch alone",      AT(into),       0},
    {"host",       TL_OPT_TEXT,   "NAME",                                 "the site of an access log that does not say it",                AT(host),       0},
    {"topic",      TL_OPT_TEXT,   "NAME",                                 "which topic, where the views read several",                     AT(topic),      0},
    {"partitions", TL_OPT_COUNT,  "N",                                    "into the log: make or raise the topic to N partitions",         AT(partitions), 0},
    {"partition",  TL_OPT_COUNT,  "N",                                    "append to this partition; otherwise a line's hash decides",     AT(partition),  0},
    {"file-bytes", TL_OPT_COUNT,  "N",                                    "into the archive: begin a new file at so many bytes (256 MiB)", AT(file_bytes), 0},
    {"reread",     TL_OPT_FLAG,   NULL,                                   "read files too that look as they did at the last import",       AT(reread),     0},
};

static const struct tl_usage import_usage = {
    .synopsis = "FILE|FOLDER...",
    .text =
        "Takes events in (JSON Lines, one event a line) and the access logs of web servers: plain, .gz or .zst; - is standard "
        "input.\n"
        "Of a folder, all that is in it and reads as the format says, the oldest rotation first (access.log.2.gz, access.log.1,\n"
        "access.log; dates too); folders inside are not gone into, and what is passed over is said.\n"
        "An access log's line becomes an event with event_id, url, method, referrer, user_agent, host, ip, event_time, status "
        "and\n"
        "bytes. Without --host the host of common and combined logs is NULL.\n"
        "A log is known again by its lines, whatever it is called and however it is packed: importing it a second time adds "
        "nothing,\n"
        "one that has grown or was rotated is continued. Lines that cannot be read are counted, shown (the first five) and "
        "kept:\n"
        "they become dead letters. A last line without a line feed is left for the next import as long as its file was changed "
        "within\n"
        "the last minute. A file that cannot be read is said, and the others go on (exit status 3).\n"
        "A file that is named and has lines of another format is refused, and nothing of it is taken (exit status 2).\n"
        "Of a file that is damaged the lines before the damage are taken. Of JSON Lines, broken is what is no object or array;\n"
        "an object that the views cannot read counts as new, and becomes a dead letter too.",
    .example = "tally import /var/log/nginx access.log.zst --format combined --host www.example.com --views views.sql",
    .options = import_table,
    .options_count = TL_COUNT(import_table),
    .args_min = 1,
    .args_max = -1,
};

/* What is in the writer becomes durable. It is whole transactions: not after an append that failed. */
static enum tl_code finish(struct import *import, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (import->archive != NULL && tl_import_archive_waiting(import->archive) > 0)
        TL_TRY(tl_import_archive_commit(import->archive, err));
    if (import->logs_count > 1) {
        char name[40];

        snprintf(name, sizeof name, "all %zu logs", import->logs_count);
        summary_put(import, name, &import->total);
    }
    summary_print(import);
out:
    return rc;
}

TL_COMMAND(import, "put access logs and JSON Lines into the log or the archive")
{
    struct tl_common_options common;
    struct import import = {
        .common = &common, .options = {.into = "log", .partitions = -1, .partition = -1, .file_bytes = 256 << 20}
    };
    struct tl_lock *lock = NULL;
    struct tl_err err = {0};
    int status = 0;
    enum tl_code rc;

    if (!tl_options_parse(&import_usage, argc, argv, &common, &import.options, &status))
        return status;
    tl_stop_install();
    TL_TRY(import_open(&import, &lock, &err));
    TL_TRY(import_files(&import, &err));
    TL_TRY(finish(&import, &err));
out:
    if (rc != TL_OK)
        tl_diag_err(&err);
    if (rc != TL_OK && import.stopped)
        rc = finish(&import, &err) == TL_OK ? rc : err.code;
    if (rc == TL_OK)
        rc = import.failed;
    seen_write(&import);
    import_done(&import);
    tl_lock_release(lock);
    return tl_exit_status(rc);
}
