/* import.c: access logs and JSON Lines -> the log, or the master record as a topic of its own.
 *
 * A log is read twice. The first time its lines are held against what was imported before (import_progress.h); where nothing
 * was, that pass is left out. The second time the new ones are appended, a chunk of lines in one transaction, which also holds
 * how far the log was taken: a kill at any moment loses nothing, and the same command goes on behind the last transaction.
 *
 * Blank lines are passed over. A line that cannot be read is appended as it stands, so that speed and batch find it and make
 * it a dead letter; one that happens to look like JSON gets words before it, for it must not become an event. */
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
#include "speed_layer/import_progress.h"
#include "speed_layer/line_source.h"
#include "speed_layer/repeats.h"
#include "sql/plan.h"

enum { SHOWN_MAX = 5, SHOWN_BYTES = 160 };
#define FILE_BYTES_ENOUGH (16 << 20) /* below it, the next log goes into the same data file */

static const struct tl_sv mark = {"unreadable line: ", 17};

struct import_options {
    const char *format, *into, *host, *topic;
    int64_t partitions, partition, file_bytes;
};

/* What became of the lines of one log. */
struct counts {
    uint64_t lines, fresh, known, broken, blank;
};

struct import {
    const struct tl_common_options *common;
    struct import_options options;
    struct tl_import_kind kind;
    struct tl_functions *functions;
    struct tl_plan *plan; /* NULL: --topic alone */
    uint32_t source;      /* of the plan */
    struct tl_source_logs *logs;
    struct tl_import_archive *archive;
    uint32_t partitions;
    struct tl_import_progress progress;
    struct tl_repeats repeats;
    struct tl_progress bar;
    uint64_t host_seed;
    bool host_said;
    struct tl_buf json, scratch, note;
    struct tl_log_record *records;
    size_t records_count, records_capacity;
    struct tl_buf summary; /* of logs whose lines are not durable yet */
};

/* ---- lines -> records ---- */

/* How a record that stands in import->json is marked until the buffer grows no more. */
static const struct tl_sv in_json = {NULL, 0};

static enum tl_code record_add(struct import *import, struct tl_sv line, struct tl_sv value, struct tl_err *err)
{
    struct tl_log_record *records;
    uint32_t partition = 0;

    if (import->records_count == import->records_capacity) {
        size_t capacity = import->records_capacity == 0 ? 1024 : import->records_capacity * 2;

        records = realloc(import->records, capacity * sizeof *records);
        if (records == NULL)
            return tl_fail_memory(err, capacity * sizeof *records);
        import->records = records;
        import->records_capacity = capacity;
    }
    if (import->options.partition >= 0)
        partition = (uint32_t)import->options.partition;
    else if (import->partitions > 1)
        partition = (uint32_t)(tl_hash_bytes(line) % import->partitions);
    import->records[import->records_count++] =
        (struct tl_log_record){.partition = partition, .log_ms = INT64_MIN, .value = value};
    return TL_OK;
}

static bool is_blank(struct tl_sv line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}

/* Behind what a reader of JSON passes over, a byte order mark among it: does an object or an array begin here? */
static bool looks_like_json(struct tl_sv line)
{
    size_t at = tl_sv_starts(line, TL_SV("\xef\xbb\xbf")) ? 3 : 0;

    while (at < line.size && (line.data[at] == ' ' || line.data[at] == '\t' || line.data[at] == '\r'))
        at++;
    return at < line.size && (line.data[at] == '{' || line.data[at] == '[');
}

static void show_broken(const struct tl_line_source *source, const struct counts *counts, struct tl_sv line, const char *why)
{
    char message[512], text[SHOWN_BYTES + 4];
    size_t size = line.size < SHOWN_BYTES ? line.size : SHOWN_BYTES;

    if (counts->broken > SHOWN_MAX)
        return;
    memcpy(text, line.data, size);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\0')
            text[i] = '?'; /* a text for people, which a zero would end */
    snprintf(text + size, sizeof text - size, "%s", line.size > size ? "..." : "");
    snprintf(message, sizeof message, "%.300s:%" PRIu64 ": %s", tl_line_source_name(source), counts->lines, why);
    tl_diag_event(TL_WARN, message,
                  (const struct tl_diag_kv[]){
                      {"line", text, 0}
    },
                  1);
    if (counts->broken == SHOWN_MAX)
        tl_diag(TL_WARN, "%s: further lines that cannot be read are counted, and not shown", tl_line_source_name(source));
}

/* The hash's bits with those of a UUID of version 8 (RFC 9562: of one's own making). */
static void id_write(XXH128_hash_t hash, char out[TL_EVENT_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t bytes;
    size_t at = 0;

    XXH128_canonicalFromHash(&bytes, hash);
    bytes.digest[6] = (unsigned char)(0x80 | (bytes.digest[6] & 0x0f));
    bytes.digest[8] = (unsigned char)(0x80 | (bytes.digest[8] & 0x3f));
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digits[bytes.digest[i] >> 4];
        out[at++] = digits[bytes.digest[i] & 15];
    }
}

/* An id of (host, line, how many equal lines came before): the same whenever the log is read. */
static enum tl_code line_identify(struct import *import, struct tl_sv line, char id[TL_EVENT_ID_BYTES], struct tl_err *err)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(line.data, line.size, import->host_seed);
    uint64_t before = 0;
    enum tl_code rc;

    TL_TRY(tl_repeats_count(&import->repeats, hash.low64, &before, err));
    if (before > 0) {
        struct {
            XXH128_canonical_t line;
            unsigned char before[8];
        } again;

        XXH128_canonicalFromHash(&again.line, hash);
        for (size_t i = 0; i < sizeof again.before; i++)
            again.before[i] = (unsigned char)(before >> (8 * i));
        hash = XXH3_128bits_withSeed(&again, sizeof again, import->host_seed);
    }
    id_write(hash, id);
out:
    return rc;
}

static enum tl_access_format access_format(enum tl_import_format format)
{
    return format == TL_IMPORT_COMMON     ? TL_ACCESS_COMMON
           : format == TL_IMPORT_COMBINED ? TL_ACCESS_COMBINED
                                          : TL_ACCESS_VHOST_COMBINED;
}

static enum tl_code json_line(struct import *import, struct tl_line_source *source, struct counts *counts, struct tl_sv line,
                              struct tl_err *err)
{
    struct tl_sv text = tl_sv_trim(line);
    char first = text.size > 0 ? text.data[0] : '\0', last = text.size > 0 ? text.data[text.size - 1] : '\0';
    enum tl_code rc;

    if ((first == '{' && last == '}') || (first == '[' && last == ']')) {
        counts->fresh++;
    } else {
        counts->broken++;
        show_broken(source, counts, line, "not a JSON object");
    }
    TL_TRY(record_add(import, line, line, err));
out:
    return rc;
}

static enum tl_code access_line(struct import *import, struct tl_line_source *source, struct counts *counts, struct tl_sv line,
                                const char id[TL_EVENT_ID_BYTES], struct tl_err *err)
{
    struct tl_access_line parts;
    const char *why = tl_access_line_read(access_format(import->kind.format), line, &parts);
    size_t before = import->json.size;
    enum tl_code rc;

    if (why == NULL) {
        counts->fresh++;
        tl_access_event_put(&import->json, &import->scratch, &parts, import->kind.host, id);
        TL_TRY(record_add(import, line, in_json, err));
        import->records[import->records_count - 1].value.size = import->json.size - before;
        return TL_OK;
    }
    counts->broken++;
    show_broken(source, counts, line, why);
    if (!looks_like_json(line)) {
        TL_TRY(record_add(import, line, line, err));
        return TL_OK;
    }
    tl_buf_put_sv(&import->json, mark);
    tl_buf_put_sv(&import->json, line);
    TL_TRY(record_add(import, line, in_json, err));
    import->records[import->records_count - 1].value.size = import->json.size - before;
out:
    return rc;
}

static enum tl_code one_line(struct import *import, struct tl_line_source *source, struct counts *counts, struct tl_sv line,
                             uint64_t known, struct tl_err *err)
{
    char id[TL_EVENT_ID_BYTES];
    bool is_known = counts->lines < known;
    enum tl_code rc = TL_OK;

    counts->lines++;
    counts->known += is_known;
    if (is_blank(line)) {
        counts->blank += !is_known;
        return TL_OK;
    }
    if (import->kind.format != TL_IMPORT_JSONL)
        TL_TRY(line_identify(import, line, id, err)); /* known lines count among the equal ones */
    if (is_known)
        return TL_OK;
    if (import->kind.format == TL_IMPORT_JSONL)
        TL_TRY(json_line(import, source, counts, line, err));
    else
        TL_TRY(access_line(import, source, counts, line, id, err));
out:
    return rc;
}

/* The buffer of JSON stands still now: its records get their place. */
static enum tl_code records_settle(struct import *import, struct tl_err *err)
{
    const char *at;
    enum tl_code rc;

    TL_TRY(tl_buf_check(&import->json, "events", err));
    at = tl_buf_reserve(&import->json, TL_MESSAGE_PADDING); /* behind the last of them */
    if (at == NULL)
        TL_TRY(tl_fail_memory(err, TL_MESSAGE_PADDING));
    at = import->json.data;
    for (size_t i = 0; i < import->records_count; i++)
        if (import->records[i].value.data == NULL) {
            import->records[i].value.data = at;
            at += import->records[i].value.size;
        }
out:
    return rc;
}

/* ---- one log ---- */

static struct tl_log *log_of(const struct import *import, const struct tl_source_logs *logs)
{
    return tl_source_log(logs, import->plan != NULL ? import->source : 0);
}

static enum tl_code append(struct import *import, struct tl_sv key, struct tl_err *err)
{
    struct tl_import_entry entry;
    struct tl_log_note note;
    enum tl_code rc;

    TL_TRY(records_settle(import, err));
    tl_import_progress_entry(&import->progress, &entry);
    if (import->archive != NULL) {
        TL_TRY(tl_import_archive_append(import->archive, import->records, import->records_count, &entry, err));
        return TL_OK;
    }
    tl_buf_clear(&import->note);
    tl_import_entry_put(&import->note, &entry);
    TL_TRY(tl_buf_check(&import->note, "a note", err));
    note = (struct tl_log_note){key, tl_buf_sv(&import->note)};
    TL_TRY(tl_log_append(log_of(import, import->logs), import->kind.topic, import->records, import->records_count, &note, err));
out:
    return rc;
}

static void bar_step(struct import *import, const struct tl_line_source *source)
{
    uint64_t taken, all;

    tl_line_source_progress(source, &taken, &all);
    tl_progress_step(&import->bar, taken, all);
}

static enum tl_code fail_stopped(const struct tl_line_source *source, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_IO, "%s: stopped by a signal; the same command goes on where it was", tl_line_source_name(source));
}

static enum tl_code find_known(struct import *import, struct tl_line_source *source, uint64_t *known, struct tl_err *err)
{
    struct tl_lines lines = {0};
    bool more;
    enum tl_code rc;

    TL_TRY(tl_import_progress_begin(&import->progress, &import->kind, err));
    more = import->progress.candidates_count > 0;
    while (more && !lines.at_end) {
        if (tl_stop_requested())
            TL_TRY(fail_stopped(source, err));
        TL_TRY(tl_line_source_next(source, &lines, err));
        for (size_t i = 0; i < lines.count && more; i++)
            more = tl_import_progress_compare(&import->progress, lines.lines[i], lines.unfinished && i == lines.count - 1);
    }
    TL_TRY(tl_import_progress_known(&import->progress, tl_line_source_name(source), known, err));
    TL_TRY(tl_line_source_rewind(source, err));
    tl_import_progress_restart(&import->progress);
out:
    return rc;
}

static enum tl_code take_lines(struct import *import, struct tl_line_source *source, struct counts *counts, uint64_t known,
                               struct tl_sv key, struct tl_err *err)
{
    struct tl_lines lines = {0};
    enum tl_code rc = TL_OK;

    while (!lines.at_end) {
        struct counts next = *counts; /* counted once they are in the log */

        if (tl_stop_requested())
            TL_TRY(fail_stopped(source, err));
        TL_TRY(tl_line_source_next(source, &lines, err));
        tl_buf_clear(&import->json);
        import->records_count = 0;
        for (size_t i = 0; i < lines.count; i++) {
            TL_TRY(one_line(import, source, &next, lines.lines[i], known, err));
            tl_import_progress_take(&import->progress, lines.lines[i], lines.unfinished && i == lines.count - 1);
        }
        if (next.lines > known && next.lines > counts->lines)
            TL_TRY(append(import, key, err));
        *counts = next;
        bar_step(import, source);
    }
out:
    return rc;
}

static void summary_put(struct import *import, const char *name, const struct counts *counts)
{
    char lines[TL_COUNT_TEXT_BYTES], fresh[TL_COUNT_TEXT_BYTES], known[TL_COUNT_TEXT_BYTES], broken[TL_COUNT_TEXT_BYTES],
        blank[TL_COUNT_TEXT_BYTES];

    tl_buf_printf(&import->summary, "%s: %s line%s: %s new, %s known, %s broken", name, tl_count_text(counts->lines, lines),
                  counts->lines == 1 ? "" : "s", tl_count_text(counts->fresh, fresh), tl_count_text(counts->known, known),
                  tl_count_text(counts->broken, broken));
    if (counts->blank > 0)
        tl_buf_printf(&import->summary, ", %s blank", tl_count_text(counts->blank, blank));
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

static enum tl_code import_file(struct import *import, const char *path, struct tl_err *err)
{
    struct tl_line_source *source = NULL;
    struct counts counts = {0};
    uint64_t known = 0, number = 0;
    char key[40];
    bool begun = false;
    enum tl_code rc;

    TL_TRY(tl_line_source_open(path, import->common->data, &source, err));
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "no random number for a new import"));
    snprintf(key, sizeof key, "import:%016" PRIx64, number);
    tl_progress_begin(&import->bar, "import");
    tl_repeats_clear(&import->repeats);
    if (import->archive != NULL)
        tl_import_archive_begin(import->archive);
    TL_TRY(find_known(import, source, &known, err));
    begun = true;
    TL_TRY(take_lines(import, source, &counts, known, tl_sv_from(key), err));
    if (counts.fresh > 0 && import->kind.host.data == NULL && !import->host_said &&
        (import->kind.format == TL_IMPORT_COMMON || import->kind.format == TL_IMPORT_COMBINED)) {
        tl_diag(TL_INFO, "no --host: the events' host is NULL");
        import->host_said = true;
    }
    if (counts.lines > known) { /* an entry for what may come again in this very run */
        struct tl_import_entry entry;

        tl_import_progress_entry(&import->progress, &entry);
        TL_TRY(tl_import_progress_add(&import->progress, &entry, err));
    }
    if (import->archive != NULL && tl_import_archive_waiting(import->archive) >= FILE_BYTES_ENOUGH)
        TL_TRY(tl_import_archive_commit(import->archive, err));
out:
    tl_progress_end(&import->bar);
    if (begun) /* what was taken before a failure stays */
        summary_put(import, tl_line_source_name(source), &counts);
    if (import->archive == NULL || tl_import_archive_waiting(import->archive) == 0)
        summary_print(import);
    tl_line_source_close(source);
    return rc;
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
        TL_TRY(tl_log_notes(log_of(import, import->logs != NULL ? import->logs : reader), import->kind.topic, TL_SV("import:"),
                            add_note, &notes, err));
        TL_TRY(notes.rc);
    }
    TL_TRY(tl_import_archive_known(import->common->data, import->kind.topic, &import->progress, err));
out:
    tl_source_logs_close(reader);
    return rc;
}

static enum tl_code open_log(struct import *import, struct tl_err *err)
{
    uint64_t identity;
    enum tl_code rc;

    TL_TRY(tl_source_logs_open(import->common, import->plan, TL_LOG_APPEND, &import->logs, err));
    TL_TRY(tl_log_create_topic(log_of(import, import->logs), import->kind.topic,
                               import->options.partitions < 0 ? 0 : (uint32_t)import->options.partitions, err));
    TL_TRY(tl_log_topic(log_of(import, import->logs), import->kind.topic, &import->partitions, &identity, err));
    if (import->options.partition >= (int64_t)import->partitions)
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "--partition %" PRId64 ": topic %.*s has %" PRIu32 " partition%s, numbered from 0; --partitions %" PRId64
                       " would make more",
                       import->options.partition, TL_SV_ARG(import->kind.topic), import->partitions,
                       import->partitions == 1 ? "" : "s", import->options.partition + 1));
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
        import->kind.topic = tl_sv_from(wanted);
        return TL_OK;
    }
    if (plan->sources_count == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s: no view reads from a table, so there is no topic; --topic NAME names one",
                       import->common->views));
    put_topics(plan, &names, &several);
    if (several && wanted == NULL)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "%s reads from several topics; say --topic NAME with one of %.*s",
                       import->common->views, (int)names.size, names.data));
    import->kind.topic = wanted != NULL ? tl_sv_from(wanted) : plan->sources[0].topic;
    TL_TRY(find_source(import, import->kind.topic, &found, err));
    if (!found)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--topic %s: %s reads from %.*s", wanted, import->common->views, (int)names.size,
                       names.data));
out:
    tl_buf_done(&names);
    return rc;
}

static enum tl_code check_options(struct import *import, struct tl_err *err)
{
    static const struct {
        char name[16];
        enum tl_import_format format;
    } formats[] = {
        {"jsonl",          TL_IMPORT_JSONL         },
        {"common",         TL_IMPORT_COMMON        },
        {"combined",       TL_IMPORT_COMBINED      },
        {"vhost_combined", TL_IMPORT_VHOST_COMBINED},
    };
    const struct import_options *options = &import->options;
    bool into_archive = strcmp(options->into, "archive") == 0;

    if (options->format == NULL)
        return tl_fail(err, TL_ERR_USAGE,
                       "--format is missing: jsonl for events, combined for what nginx and Apache write, common, vhost_combined");
    for (size_t i = 0; i < TL_COUNT(formats); i++)
        if (strcmp(options->format, formats[i].name) == 0)
            import->kind.format = formats[i].format;
    if (options->host != NULL && import->kind.format == TL_IMPORT_JSONL)
        return tl_fail(err, TL_ERR_USAGE, "--host: events in JSON are taken as they are; --host is for access logs without one");
    if (options->host != NULL && import->kind.format == TL_IMPORT_VHOST_COMBINED)
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
        import->kind.host = tl_sv_from(options->host);
    import->host_seed = XXH3_64bits(import->kind.host.size > 0 ? import->kind.host.data : "", import->kind.host.size);
    return TL_OK;
}

static enum tl_code import_open(struct import *import, struct tl_lock **lock, struct tl_err *err)
{
    char *lock_path = NULL;
    enum tl_code rc;

    tl_buf_init(&import->json, 0);
    tl_buf_init(&import->scratch, 0);
    tl_buf_init(&import->note, 0);
    tl_buf_init(&import->summary, 0);
    tl_repeats_init(&import->repeats);
    TL_TRY(tl_import_progress_init(&import->progress, err));
    TL_TRY(check_options(import, err));
    if (import->common->views != NULL)
        TL_TRY(tl_views_open(import->common, import->common->views, &import->functions, &import->plan, err));
    TL_TRY(choose_topic(import, err));
    for (int i = 0; i < import->common->args_count; i++)
        if (strcmp(import->common->args[i], "-") != 0 && access(import->common->args[i], R_OK) != 0)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", import->common->args[i]));
    TL_TRY(tl_data_dir_make(import->common->data, err));
    if (asprintf(&lock_path, "%s/import.lock", import->common->data) < 0) {
        lock_path = NULL;
        TL_TRY(tl_fail_memory(err, strlen(import->common->data)));
    }
    TL_TRY(tl_lock_take(lock_path, "import", lock, err));
    if (strcmp(import->options.into, "archive") == 0)
        TL_TRY(tl_import_archive_open(import->common->data, import->plan, import->source, import->kind.topic,
                                      (uint64_t)import->options.file_bytes, &import->archive, err));
    else
        TL_TRY(open_log(import, err));
    TL_TRY(load_known(import, err));
out:
    free(lock_path);
    return rc;
}

static void import_done(struct import *import)
{
    tl_import_archive_close(import->archive);
    tl_source_logs_close(import->logs);
    tl_views_close(import->functions, import->plan);
    tl_import_progress_done(&import->progress);
    tl_repeats_done(&import->repeats);
    tl_buf_done(&import->json);
    tl_buf_done(&import->scratch);
    tl_buf_done(&import->note);
    tl_buf_done(&import->summary);
    free(import->records);
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
};

static const struct tl_usage import_usage = {
    .synopsis = "FILE...",
    .text =
        "Takes events in (JSON Lines, one event a line) and the access logs of web servers: plain or .zst; - is standard input.\n"
        "An access log's line becomes an event with event_id, url, method, referrer, user_agent, host, ip, event_time, status "
        "and\n"
        "bytes. Without --host the host of common and combined logs is NULL.\n"
        "A log is known again by its lines, whatever it is called: importing it a second time adds nothing, one that has grown "
        "is\n"
        "continued. Lines that cannot be read are counted, shown (the first five) and kept: they become dead letters.",
    .example = "tally import access.log.zst access.log --format combined --host www.example.com --views views.sql",
    .options = import_table,
    .options_count = TL_COUNT(import_table),
    .args_min = 1,
    .args_max = -1,
};

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
    for (int i = 0; i < common.args_count; i++)
        TL_TRY(import_file(&import, common.args[i], &err));
out:
    if (import.archive != NULL && tl_import_archive_waiting(import.archive) > 0 && (rc == TL_OK || tl_stop_requested())) {
        struct tl_err late;
        enum tl_code commit = tl_import_archive_commit(import.archive, rc == TL_OK ? &err : &late);

        rc = rc == TL_OK ? commit : rc;
        if (commit == TL_OK)
            summary_print(&import);
    }
    if (rc != TL_OK)
        tl_diag_err(&err);
    import_done(&import);
    tl_lock_release(lock);
    return tl_exit_status(rc);
}
