/* import_chunk.c: the lines of a span -> records. See import_chunk.h. */
#include "speed_layer/import_chunk.h"

#include <stdlib.h>

#include "base/table.h"
#include "event/batch.h"
#include "master/master.h"

static const struct tl_sv mark = {"unreadable line: ", 17};

/* How a record that stands in chunk->json is marked until the buffer grows no more. */
static const struct tl_sv in_json = {NULL, 0};

void tl_import_chunk_init(struct tl_import_chunk *chunk)
{
    *chunk = (struct tl_import_chunk){0};
    tl_buf_init(&chunk->json, 0);
}

void tl_import_chunk_done(struct tl_import_chunk *chunk)
{
    tl_lines_done(&chunk->lines);
    tl_buf_done(&chunk->json);
    free(chunk->records);
    free(chunk->times);
    free(chunk->identities);
    free(chunk->forms);
}

enum tl_code tl_import_maker_init(struct tl_import_maker *maker, struct tl_err *err)
{
    *maker = (struct tl_import_maker){.state = XXH3_createState(), .agents = tl_user_agent_cache_open()};
    tl_buf_init(&maker->scratch, 0);
    tl_arena_init(&maker->batch, 4096, 0);
    return maker->state != NULL && maker->agents != NULL ? TL_OK : tl_fail_memory(err, sizeof *maker->agents);
}

void tl_import_maker_done(struct tl_import_maker *maker)
{
    tl_buf_done(&maker->scratch);
    tl_arena_done(&maker->batch);
    XXH3_freeState(maker->state);
    if (maker->agents != NULL)
        tl_user_agent_cache_close(maker->agents);
}

/* ---- lines ---- */

bool tl_import_line_is_blank(struct tl_sv line)
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

static bool is_json(struct tl_sv line)
{
    struct tl_sv text = tl_sv_trim(line);
    char first = text.size > 0 ? text.data[0] : '\0', last = text.size > 0 ? text.data[text.size - 1] : '\0';

    return (first == '{' && last == '}') || (first == '[' && last == ']');
}

enum tl_access_format tl_import_access_format(enum tl_import_format format)
{
    return format == TL_IMPORT_COMMON     ? TL_ACCESS_COMMON
           : format == TL_IMPORT_COMBINED ? TL_ACCESS_COMBINED
                                          : TL_ACCESS_VHOST_COMBINED;
}

bool tl_import_line_fits(enum tl_import_format format, struct tl_sv line)
{
    struct tl_access_line parts;

    return format == TL_IMPORT_JSONL ? is_json(line) : tl_access_line_read(tl_import_access_format(format), line, &parts) == NULL;
}

/* ---- ids ---- */

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

XXH128_hash_t tl_import_line_hash(const struct tl_import_job *job, struct tl_sv line)
{
    return XXH3_128bits_withSeed(line.data, line.size, job->host_seed);
}

/* An id of (host, line, how many equal lines came before): the same whenever the log is read. */
void tl_import_chunk_number(struct tl_import_chunk *chunk, const struct tl_import_job *job,
                            const struct tl_import_identity *identity, uint64_t before)
{
    const char *value = chunk->records[identity->record].value.data;
    struct {
        XXH128_canonical_t line;
        unsigned char before[8];
    } again;

    XXH128_canonicalFromHash(&again.line, identity->hash);
    for (size_t i = 0; i < sizeof again.before; i++)
        again.before[i] = (unsigned char)(before >> (8 * i));
    id_write(XXH3_128bits_withSeed(&again, sizeof again, job->host_seed),
             chunk->json.data + (value - chunk->json.data) + TL_EVENT_ID_AT);
}

/* ---- records ---- */

static enum tl_code make_room(struct tl_import_chunk *chunk, struct tl_err *err)
{
    size_t count = chunk->lines.count;

    if (count <= chunk->records_capacity)
        return TL_OK;
    if (!TL_RESIZE(chunk->records, count) || !TL_RESIZE(chunk->times, count) || !TL_RESIZE(chunk->identities, count) ||
        !TL_RESIZE(chunk->forms, count))
        return tl_fail_memory(err, count * sizeof *chunk->records);
    chunk->records_capacity = count;
    return TL_OK;
}

static void record_add(const struct tl_import_job *job, struct tl_import_chunk *chunk, struct tl_sv line, struct tl_sv value,
                       int64_t time_ms)
{
    uint32_t partition = 0;

    if (job->partition >= 0)
        partition = (uint32_t)job->partition;
    else if (job->partitions > 1)
        partition = (uint32_t)(tl_hash_bytes(line) % job->partitions);
    chunk->times[chunk->records_count] = time_ms;
    chunk->records[chunk->records_count++] = (struct tl_log_record){.partition = partition, .log_ms = INT64_MIN, .value = value};
}

static void note_broken(struct tl_import_chunk *chunk, size_t line, const char *why)
{
    if (chunk->counts.broken < TL_COUNT(chunk->broken)) {
        chunk->broken[chunk->counts.broken].line = chunk->lines_before + line;
        chunk->broken[chunk->counts.broken].text = chunk->lines.lines[line];
        chunk->broken[chunk->counts.broken].why = why;
    }
    chunk->counts.broken++;
}

static void json_line(const struct tl_import_job *job, struct tl_import_chunk *chunk, size_t i)
{
    struct tl_sv line = chunk->lines.lines[i];

    if (is_json(line))
        chunk->counts.fresh++;
    else
        note_broken(chunk, i, "not a JSON object");
    record_add(job, chunk, line, line, INT64_MIN);
}

static enum tl_code count_event(struct tl_import_maker *maker, const struct tl_import_job *job, struct tl_import_chunk *chunk,
                                const struct tl_access_event *event, struct tl_err *err)
{
    struct tl_user_agent_answer answer;

    chunk->counts.fresh++;
    chunk->counts.files += event->is_file_request;
    if (job->agents == NULL || event->user_agent.data == NULL)
        return TL_OK;
    if (!tl_user_agent_cache_find(maker->agents, job->agents, event->user_agent, &maker->batch, &answer))
        return tl_fail_memory(err, event->user_agent.size);
    chunk->counts.bots += answer.is_bot;
    return TL_OK;
}

static void widen_times(struct tl_import_chunk *chunk, int64_t time_ms)
{
    chunk->time_ms_min = tl_min_i64(chunk->time_ms_min, time_ms);
    chunk->time_ms_max = tl_max_i64(chunk->time_ms_max, time_ms);
}

static enum tl_code access_line(struct tl_import_maker *maker, const struct tl_import_job *job, struct tl_import_chunk *chunk,
                                size_t i, struct tl_err *err)
{
    struct tl_sv line = chunk->lines.lines[i];
    struct tl_access_line parts;
    const char *why = tl_access_line_read(tl_import_access_format(job->kind.format), line, &parts);
    size_t before = chunk->json.size;
    enum tl_code rc = TL_OK;

    if (why == NULL) {
        XXH128_hash_t hash = tl_import_line_hash(job, line);
        struct tl_access_event event;
        char id[TL_EVENT_ID_BYTES];

        id_write(hash, id);
        tl_access_event_put(&chunk->json, &maker->scratch, &parts, job->kind.host, id, &event);
        chunk->identities[chunk->identities_count++] =
            (struct tl_import_identity){hash, parts.time_ms, (uint32_t)chunk->records_count};
        record_add(job, chunk, line, in_json, parts.time_ms);
        widen_times(chunk, parts.time_ms);
        TL_TRY(count_event(maker, job, chunk, &event, err));
    } else {
        note_broken(chunk, i, why);
        if (!looks_like_json(line)) {
            record_add(job, chunk, line, line, INT64_MIN);
            return TL_OK;
        }
        tl_buf_put_sv(&chunk->json, mark);
        tl_buf_put_sv(&chunk->json, line);
        record_add(job, chunk, line, in_json, INT64_MIN);
    }
    chunk->records[chunk->records_count - 1].value.size = chunk->json.size - before;
out:
    return rc;
}

/* It counts among the equal ones before the new lines, and in a plain file by its time (import_seen.h). */
static void known_line(const struct tl_import_job *job, struct tl_import_chunk *chunk, size_t i)
{
    struct tl_sv line = chunk->lines.lines[i];
    int64_t time_ms;

    chunk->counts.known++;
    if (job->kind.format == TL_IMPORT_JSONL || !tl_access_line_time(tl_import_access_format(job->kind.format), line, &time_ms))
        return;
    widen_times(chunk, time_ms);
    chunk->identities[chunk->identities_count++] =
        (struct tl_import_identity){tl_import_line_hash(job, line), time_ms, UINT32_MAX};
}

/* The buffer of JSON stands still now: its records get their place; and the record's writer, which has enough to do, their forms. */
static enum tl_code records_settle(const struct tl_import_job *job, struct tl_import_chunk *chunk, struct tl_err *err)
{
    const char *at;
    enum tl_code rc;

    TL_TRY(tl_buf_check(&chunk->json, "events", err));
    at = tl_buf_reserve(&chunk->json, TL_MESSAGE_PADDING); /* behind the last of them */
    if (at == NULL)
        TL_TRY(tl_fail_memory(err, TL_MESSAGE_PADDING));
    at = chunk->json.data;
    for (size_t i = 0; i < chunk->records_count; i++)
        if (chunk->records[i].value.data == NULL) {
            chunk->records[i].value.data = at;
            at += chunk->records[i].value.size;
        }
    for (size_t i = 0; job->into_record && i < chunk->records_count; i++)
        chunk->forms[i] = (uint8_t)tl_master_form_of(chunk->records[i].value);
out:
    return rc;
}

enum tl_code tl_import_chunk_make(struct tl_import_maker *maker, const struct tl_import_job *job, struct tl_import_chunk *chunk,
                                  struct tl_err *err)
{
    enum tl_code rc;

    chunk->counts = (struct tl_import_counts){.lines = chunk->lines.count};
    chunk->records_count = chunk->identities_count = 0;
    chunk->time_ms_min = INT64_MAX;
    chunk->time_ms_max = INT64_MIN;
    tl_buf_clear(&chunk->json);
    tl_arena_reset(&maker->batch);
    TL_TRY(make_room(chunk, err));
    chunk->hash = tl_import_span_hash(maker->state, &chunk->lines);
    for (size_t i = 0; i < chunk->lines.count; i++) {
        if (chunk->lines_before + i < job->known_lines)
            known_line(job, chunk, i);
        else if (tl_import_line_is_blank(chunk->lines.lines[i]))
            chunk->counts.blank++;
        else if (job->kind.format == TL_IMPORT_JSONL)
            json_line(job, chunk, i);
        else
            TL_TRY(access_line(maker, job, chunk, i, err));
    }
    TL_TRY(records_settle(job, chunk, err));
    if (maker->scratch.failed)
        TL_TRY(tl_fail_memory(err, maker->scratch.size));
out:
    return rc;
}
