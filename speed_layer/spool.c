/* spool.c: segments of events on disk. See spool.h. */
#include "speed_layer/spool.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"

enum {
    HEADER_BYTES = 40,
    NAME_DIGITS = 20,
    SLOT_BYTES = 16,
    RECORDS_MAX = 2048, /* of a batch */
    READ_BYTES = 1 << 20,
    POSITION_MS =
        50, /* as often is kept how far all is acknowledged: what was acknowledged since then is sent twice after kill -9 */
    HEAD_CHECK_AT = 4,
    BODY_BYTES_MAX = 1 << 30
};

static const char magic[8] = {'T', 'L', 's', 'p', 'o', 'o', 'l', '1'};

struct segment {
    uint64_t first, end; /* end is behind the last whole record that counts; UINT64_MAX: not known yet */
    int64_t bytes;       /* so many of the file count */
    int64_t made_ms;     /* wall clock */
    struct segment *next;
};

struct tl_spool {
    char *folder;
    int folder_fd, position_fd;
    int64_t segment_bytes;
    pthread_mutex_t mutex; /* the list, and bytes */
    struct segment *head, *tail;
    int64_t bytes;
    /* The writer's. */
    int fd; /* of the tail, which is written to; -1: nothing is */
    uint64_t synced_end;
    int64_t synced_bytes;
    uint64_t kept;
    bool fresh; /* the file's name is not on disk for good yet */
    uint64_t position, position_kept;
    int64_t kept_ms;
    unsigned slot;
};

struct tl_spool_reader {
    struct tl_spool *spool;
    int fd; /* -1: no segment is open */
    struct segment of;
    uint64_t expected;    /* the sequence that is to come at the place */
    int64_t at, good_end; /* in the file: the place, and behind the last whole record */
    int64_t broken_at;    /* where damage began; -1: nothing is damaged here */
    char *buf;            /* the file from buf_at on */
    int64_t buf_at;
    size_t buf_size, buf_capacity;
    struct tl_spool_record *records;
};

/* ---- records ---- */

static size_t padded(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

static void put16(char *at, uint16_t value)
{
    value = htole16(value);
    memcpy(at, &value, sizeof value);
}

static void put32(char *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static void put64(char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

static uint16_t get16(const char *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof value);
    return le16toh(value);
}

static uint32_t get32(const char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint64_t get64(const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static size_t body_bytes(const struct tl_spool_record *record)
{
    return record->key.size + record->id.size + record->value.size;
}

size_t tl_spool_record_bytes(const struct tl_spool_record *record)
{
    return TL_SPOOL_HEAD_BYTES + padded(body_bytes(record));
}

static char *put_sv(char *at, struct tl_sv bytes)
{
    if (bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

void tl_spool_record_write(char *at, const struct tl_spool_record *record)
{
    char *body = at + TL_SPOOL_HEAD_BYTES, *end = body + padded(body_bytes(record));

    assert(record->key.size <= TL_SPOOL_SMALL_MAX && record->id.size <= TL_SPOOL_SMALL_MAX &&
           record->value.size <= BODY_BYTES_MAX - 2 * (size_t)TL_SPOOL_SMALL_MAX);
    put32(at, (uint32_t)body_bytes(record));
    put64(at + 8, record->sequence);
    put64(at + 24, (uint64_t)record->taken_ms);
    put32(at + 32, (uint32_t)record->value.size);
    put16(at + 36, (uint16_t)record->key.size);
    put16(at + 38, (uint16_t)record->id.size);
    body = put_sv(put_sv(put_sv(body, record->key), record->id), record->value);
    memset(body, 0, (size_t)(end - body));
}

size_t tl_spool_record_view(const char *at, struct tl_spool_record *out)
{
    const char *body = at + TL_SPOOL_HEAD_BYTES;

    *out = (struct tl_spool_record){
        .sequence = get64(at + 8),
        .taken_ms = (int64_t)get64(at + 24),
        .key = {body,                                   get16(at + 36)},
        .id = {body + get16(at + 36),                  get16(at + 38)},
        .value = {body + get16(at + 36) + get16(at + 38), get32(at + 32)}
    };
    return TL_SPOOL_HEAD_BYTES + padded(get32(at));
}

/* Without the field that holds it. */
static uint32_t head_check(const char *at)
{
    char head[TL_SPOOL_HEAD_BYTES];

    memcpy(head, at, sizeof head);
    memset(head + HEAD_CHECK_AT, 0, sizeof(uint32_t));
    return (uint32_t)XXH3_64bits(head, sizeof head);
}

/* Fills in the checks of records that lie one behind the other. */
static void seal(char *records, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        size_t body = get32(records + at);

        put64(records + at + 16, XXH3_64bits(records + at + TL_SPOOL_HEAD_BYTES, padded(body)));
        put32(records + at + HEAD_CHECK_AT, head_check(records + at));
        at += TL_SPOOL_HEAD_BYTES + padded(body);
    }
}

enum look { WHOLE, CUT, DAMAGED };

/* What lies at the beginning of the bytes. CUT: as far as one can see a record of *size bytes. */
static enum look record_look(struct tl_sv bytes, struct tl_spool_record *out, size_t *size)
{
    size_t body;

    *size = TL_SPOOL_HEAD_BYTES;
    if (bytes.size < TL_SPOOL_HEAD_BYTES)
        return CUT;
    body = get32(bytes.data);
    if (get32(bytes.data + HEAD_CHECK_AT) != head_check(bytes.data) || body > BODY_BYTES_MAX ||
        body != (size_t)get32(bytes.data + 32) + get16(bytes.data + 36) + get16(bytes.data + 38) ||
        get64(bytes.data + 8) > INT64_MAX)
        return DAMAGED;
    *size = TL_SPOOL_HEAD_BYTES + padded(body);
    if (bytes.size < *size)
        return CUT;
    if (get64(bytes.data + 16) != XXH3_64bits(bytes.data + TL_SPOOL_HEAD_BYTES, padded(body)))
        return DAMAGED;
    tl_spool_record_view(bytes.data, out);
    return WHOLE;
}

/* ---- files ---- */

static void segment_name(uint64_t first, char out[NAME_DIGITS + 8])
{
    snprintf(out, NAME_DIGITS + 8, "%0*" PRIu64 ".spool", NAME_DIGITS, first);
}

static enum tl_code fail_file(const struct tl_spool *spool, const char *name, const char *what, struct tl_err *err)
{
    tl_fail_errno(err, TL_ERR_IO, "the spool: %s/%s: %s", spool->folder, name, what);
    if (err != NULL)
        err->retriable = true;
    return TL_ERR_IO;
}

static bool write_all(int fd, const char *bytes, size_t size, int64_t at)
{
    while (size > 0) {
        ssize_t wrote = pwrite(fd, bytes, size, at);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            errno = wrote == 0 ? ENOSPC : errno;
            return false;
        }
        bytes += wrote;
        at += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

static enum tl_code read_all(int fd, char *bytes, size_t size, int64_t at, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t more = pread(fd, bytes + *got, size - *got, at + (int64_t)*got);

        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return TL_ERR_IO;
        if (more == 0)
            break;
        *got += (size_t)more;
    }
    return TL_OK;
}

/* ---- how far all is acknowledged ---- */

static uint64_t position_check(const char *slot)
{
    return XXH3_64bits_withSeed(slot, sizeof(uint64_t), get64(magic));
}

static uint64_t position_load(int fd)
{
    uint64_t position = 1;

    for (unsigned i = 0; i < 2; i++) {
        char slot[SLOT_BYTES];
        size_t got;

        if (read_all(fd, slot, sizeof slot, (int64_t)i * SLOT_BYTES, &got) == TL_OK && got == sizeof slot &&
            get64(slot + 8) == position_check(slot) && get64(slot) > position)
            position = get64(slot);
    }
    return position;
}

static bool position_keep(struct tl_spool *spool)
{
    char slot[SLOT_BYTES];

    put64(slot, spool->position);
    put64(slot + 8, position_check(slot));
    spool->kept_ms = tl_clock_monotonic_ms();
    if (!write_all(spool->position_fd, slot, sizeof slot, (int64_t)(spool->slot++ % 2) * SLOT_BYTES))
        return false; /* what is sent twice has the same event_id */
    spool->position_kept = spool->position;
    return true;
}

/* ---- the list ---- */

/* With the mutex. */
static void list_add(struct tl_spool *spool, struct segment *segment)
{
    segment->next = NULL;
    if (spool->tail != NULL)
        spool->tail->next = segment;
    else
        spool->head = segment;
    spool->tail = segment;
    spool->bytes += segment->bytes;
}

static void writing_ends(struct tl_spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}

static void head_remove(struct tl_spool *spool)
{
    struct segment *gone = spool->head;
    char name[NAME_DIGITS + 8];

    if (gone == spool->tail)
        writing_ends(spool);
    pthread_mutex_lock(&spool->mutex);
    spool->head = gone->next;
    if (spool->head == NULL)
        spool->tail = NULL;
    spool->bytes -= gone->bytes;
    pthread_mutex_unlock(&spool->mutex);
    segment_name(gone->first, name);
    unlinkat(spool->folder_fd, name, 0);
    free(gone);
}

/* The tail counts up to where it was last on disk for good. */
static void tail_distrust(struct tl_spool *spool)
{
    struct segment *tail = spool->tail, *before = NULL;
    char name[NAME_DIGITS + 8];

    if (spool->fd < 0)
        return;
    if (ftruncate(spool->fd, spool->synced_bytes) != 0)
        errno = 0; /* the next segment says where this one ends */
    writing_ends(spool);
    pthread_mutex_lock(&spool->mutex);
    spool->bytes -= tail->bytes - spool->synced_bytes;
    tail->bytes = spool->synced_bytes;
    tail->end = spool->synced_end;
    if (tail->end == tail->first) {
        for (struct segment *at = spool->head; at != tail; at = at->next)
            before = at;
        spool->bytes -= tail->bytes;
        spool->tail = before;
        if (before != NULL)
            before->next = NULL;
        else
            spool->head = NULL;
    } else {
        tail = NULL;
    }
    pthread_mutex_unlock(&spool->mutex);
    if (tail == NULL)
        return;
    segment_name(tail->first, name);
    unlinkat(spool->folder_fd, name, 0);
    free(tail);
}

/* ---- writing ---- */

static enum tl_code segment_make(struct tl_spool *spool, uint64_t first, struct tl_err *err)
{
    struct segment *segment = calloc(1, sizeof *segment);
    char name[NAME_DIGITS + 8], header[HEADER_BYTES];
    int64_t now_ms = tl_clock_wall_ms();
    enum tl_code rc = TL_OK;

    if (segment == NULL)
        return tl_fail_memory(err, sizeof *segment);
    segment_name(first, name);
    spool->fd = openat(spool->folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (spool->fd < 0)
        TL_TRY(fail_file(spool, name, "cannot be made", err));
    memcpy(header, magic, sizeof magic);
    put64(header + 8, first);
    put64(header + 16, spool->tail != NULL ? spool->tail->end : first);
    put64(header + 24, (uint64_t)now_ms);
    put64(header + 32, XXH3_64bits(header, 32));
    if (!write_all(spool->fd, header, sizeof header, 0)) {
        rc = fail_file(spool, name, "cannot be written", err);
        writing_ends(spool);
        unlinkat(spool->folder_fd, name, 0);
        goto out;
    }
    spool->fresh = true;
    *segment = (struct segment){.first = first, .end = first, .bytes = HEADER_BYTES, .made_ms = now_ms};
    spool->synced_end = first;
    spool->synced_bytes = HEADER_BYTES;
    pthread_mutex_lock(&spool->mutex);
    list_add(spool, segment);
    pthread_mutex_unlock(&spool->mutex);
    segment = NULL;
out:
    free(segment);
    return rc;
}

enum tl_code tl_spool_append(struct tl_spool *spool, char *records, size_t bytes, uint64_t first, uint64_t end,
                             struct tl_err *err)
{
    char name[NAME_DIGITS + 8];
    enum tl_code rc = TL_OK;

    if (spool->fd >= 0 && (first != spool->tail->end || (spool->tail->end > spool->tail->first &&
                                                         spool->tail->bytes + (int64_t)bytes > spool->segment_bytes))) {
        TL_TRY(tl_spool_sync(spool, err));
        writing_ends(spool);
    }
    if (spool->fd < 0)
        TL_TRY(segment_make(spool, first, err));
    seal(records, bytes);
    if (!write_all(spool->fd, records, bytes, spool->tail->bytes)) {
        segment_name(spool->tail->first, name);
        rc = fail_file(spool, name, "cannot be written", err);
        tail_distrust(spool);
        goto out;
    }
    pthread_mutex_lock(&spool->mutex);
    spool->tail->bytes += (int64_t)bytes;
    spool->tail->end = end;
    spool->bytes += (int64_t)bytes;
    pthread_mutex_unlock(&spool->mutex);
out:
    return rc;
}

enum tl_code tl_spool_sync(struct tl_spool *spool, struct tl_err *err)
{
    char name[NAME_DIGITS + 8];
    enum tl_code rc;

    if (spool->fd < 0 || (spool->synced_end == spool->tail->end && !spool->fresh))
        return TL_OK;
    if (fdatasync(spool->fd) != 0 || (spool->fresh && fsync(spool->folder_fd) != 0)) {
        segment_name(spool->tail->first, name);
        rc = fail_file(spool, name, "cannot be written for good", err);
        tail_distrust(spool);
        return rc;
    }
    spool->fresh = false;
    spool->synced_end = spool->kept = spool->tail->end;
    spool->synced_bytes = spool->tail->bytes;
    return TL_OK;
}

uint64_t tl_spool_kept(const struct tl_spool *spool)
{
    return spool->kept;
}

void tl_spool_release(struct tl_spool *spool, uint64_t sequence, bool now)
{
    bool removes = spool->head != NULL && spool->head->end <= sequence && spool->head->end > spool->head->first;

    if (sequence > spool->position)
        spool->position = sequence;
    if (spool->position != spool->position_kept && spool->head != NULL &&
        (now || removes || tl_clock_monotonic_ms() - spool->kept_ms >= POSITION_MS))
        (void)position_keep(spool);
    if (now)
        fdatasync(spool->position_fd);
    while (spool->head != NULL && spool->head->end <= sequence && spool->head->end > spool->head->first)
        head_remove(spool);
}

int64_t tl_spool_bytes(struct tl_spool *spool)
{
    int64_t bytes;

    pthread_mutex_lock(&spool->mutex);
    bytes = spool->bytes;
    pthread_mutex_unlock(&spool->mutex);
    return bytes;
}

/* ---- reading ---- */

static void reader_leave(struct tl_spool_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

enum tl_code tl_spool_reader_open(struct tl_spool *spool, struct tl_spool_reader **out, struct tl_err *err)
{
    struct tl_spool_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL)
        return tl_fail_memory(err, sizeof *reader);
    reader->records = calloc(RECORDS_MAX, sizeof *reader->records);
    if (reader->records == NULL) {
        free(reader);
        return tl_fail_memory(err, RECORDS_MAX * sizeof *reader->records);
    }
    reader->spool = spool;
    reader->fd = -1;
    *out = reader;
    return TL_OK;
}

void tl_spool_reader_rest(struct tl_spool_reader *reader)
{
    reader_leave(reader);
    free(reader->buf);
    reader->buf = NULL;
    reader->buf_size = reader->buf_capacity = 0;
}

void tl_spool_reader_close(struct tl_spool_reader *reader)
{
    if (reader == NULL)
        return;
    tl_spool_reader_rest(reader);
    free(reader->records);
    free(reader);
}

static enum tl_code reader_enter(struct tl_spool_reader *reader, const struct segment *segment, struct tl_err *err)
{
    char name[NAME_DIGITS + 8];

    reader_leave(reader);
    segment_name(segment->first, name);
    reader->fd = openat(reader->spool->folder_fd, name, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0)
        return fail_file(reader->spool, name, "cannot be read", err);
    reader->of = *segment;
    reader->expected = segment->first;
    reader->at = reader->good_end = HEADER_BYTES;
    reader->broken_at = -1;
    reader->buf_at = HEADER_BYTES;
    reader->buf_size = 0;
    return TL_OK;
}

/* Has the segment open in which `from`, or what comes first behind it, is. False: there is none. */
static bool reader_find(struct tl_spool_reader *reader, uint64_t from, struct tl_err *err, enum tl_code *rc)
{
    struct tl_spool *spool = reader->spool;
    struct segment found = {0};
    bool any = false;

    *rc = TL_OK;
    pthread_mutex_lock(&spool->mutex);
    for (const struct segment *at = spool->head; at != NULL && !any; at = at->next)
        if (at->end > from && at->end > at->first) {
            found = *at;
            any = true;
        }
    pthread_mutex_unlock(&spool->mutex);
    if (!any)
        return false;
    if (reader->fd >= 0 && reader->of.first == found.first && reader->expected <= from) {
        reader->of = found; /* it may have grown */
        return true;
    }
    *rc = reader_enter(reader, &found, err);
    return true;
}

/* From the place on, at least `size` bytes where the file has them. */
static enum tl_code reader_load(struct tl_spool_reader *reader, size_t size, struct tl_err *err)
{
    char name[NAME_DIGITS + 8];
    int64_t left = reader->of.bytes - reader->at;
    size_t wanted = size < READ_BYTES ? READ_BYTES : size;

    if ((int64_t)wanted > left)
        wanted = (size_t)left;
    if (wanted > reader->buf_capacity) {
        if (!TL_RESIZE(reader->buf, wanted))
            return tl_fail_memory(err, wanted);
        reader->buf_capacity = wanted;
    }
    reader->buf_at = reader->at;
    reader->buf_size = 0;
    if (read_all(reader->fd, reader->buf, wanted, reader->at, &reader->buf_size) != TL_OK) {
        segment_name(reader->of.first, name);
        return fail_file(reader->spool, name, "cannot be read", err);
    }
    if (reader->buf_size < wanted) /* somebody has cut it */
        reader->of.bytes = reader->buf_at + (int64_t)reader->buf_size;
    return TL_OK;
}

enum step { STEP_RECORD, STEP_END, STEP_LOAD };

/* The next whole record that belongs here, over what is damaged. STEP_LOAD: *size bytes are wanted for that. */
static enum step reader_step(struct tl_spool_reader *reader, struct tl_spool_record *out, size_t *size)
{
    for (;;) {
        size_t offset = (size_t)(reader->at - reader->buf_at);
        int64_t left = reader->of.bytes - reader->at;
        struct tl_sv bytes = {NULL, 0};
        enum look look;

        if (left < TL_SPOOL_HEAD_BYTES)
            return STEP_END;
        if (offset < reader->buf_size)
            bytes = (struct tl_sv){reader->buf + offset, reader->buf_size - offset};
        look = record_look(bytes, out, size);
        if (look == CUT && (int64_t)*size <= left)
            return STEP_LOAD;
        if (look == WHOLE && out->sequence >= reader->expected && out->sequence < reader->of.end)
            return STEP_RECORD;
        if (reader->broken_at < 0)
            reader->broken_at = reader->at;
        reader->at += 8;
    }
}

static void note_lost(struct tl_spool_reader *reader, uint64_t from, uint64_t to, uint64_t wanted, struct tl_spool_batch *out)
{
    char name[NAME_DIGITS + 8];

    from = from < wanted ? wanted : from;
    if (to <= from)
        return;
    segment_name(reader->of.first, name);
    if (out->lost == 0)
        snprintf(out->damage, sizeof out->damage, "%.200s/%s is damaged at byte %" PRId64, reader->spool->folder, name,
                 reader->broken_at >= 0 ? reader->broken_at : reader->at);
    out->lost += to - from;
}

/* Records of the open segment. */
static enum tl_code reader_take(struct tl_spool_reader *reader, uint64_t from, uint64_t until, struct tl_spool_batch *out,
                                struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    while (out->count < RECORDS_MAX && reader->expected < reader->of.end && reader->expected < until) {
        struct tl_spool_record record;
        size_t size;
        enum step step = reader_step(reader, &record, &size);

        if (step == STEP_LOAD && out->count > 0)
            break; /* what was given lies in the buffer */
        if (step == STEP_LOAD) {
            TL_TRY(reader_load(reader, size, err));
            continue;
        }
        if (step == STEP_END) {
            if (reader->of.end != UINT64_MAX)
                note_lost(reader, reader->expected, reader->of.end, from, out);
            reader->expected = reader->of.end;
            break;
        }
        if (record.sequence >= until) {
            note_lost(reader, reader->expected, until, from, out);
            reader->expected = until;
            break;
        }
        note_lost(reader, reader->expected, record.sequence, from, out);
        reader->expected = record.sequence + 1;
        reader->at += (int64_t)size;
        reader->good_end = reader->at;
        reader->broken_at = -1;
        if (record.sequence >= from)
            reader->records[out->count++] = record;
    }
    if (reader->expected > out->next)
        out->next = reader->expected;
out:
    return rc;
}

enum tl_code tl_spool_read(struct tl_spool_reader *reader, uint64_t from, uint64_t until, struct tl_spool_batch *out,
                           struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    *out = (struct tl_spool_batch){.records = reader->records, .next = from};
    while (out->count == 0 && out->lost == 0 && out->next < until) {
        if (!reader_find(reader, out->next, err, &rc)) {
            out->next = until;
            break;
        }
        if (rc != TL_OK)
            break;
        if (reader->of.first >= until) {
            out->next = until;
            break;
        }
        if (reader->of.first > out->next)
            out->next = reader->of.first;
        TL_TRY(reader_take(reader, out->next, until, out, err));
    }
    out->next = out->next < until ? out->next : until;
out:
    return rc;
}

/* ---- what the last run has left ---- */

static void cut_file(struct tl_spool *spool, uint64_t first, int64_t bytes)
{
    char name[NAME_DIGITS + 8];
    int fd;

    segment_name(first, name);
    fd = openat(spool->folder_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (ftruncate(fd, bytes) != 0)
        errno = 0; /* it is cut off in the list, and read no further */
    close(fd);
}

/* Reads the segment to find where it ends, and cuts off what is torn. */
static enum tl_code segment_scan(struct tl_spool *spool, struct segment *segment, int64_t *cut_bytes, struct tl_err *err)
{
    struct tl_spool_reader *reader = NULL;
    struct tl_spool_batch batch = {.count = 0};
    uint64_t end = segment->first;
    enum tl_code rc;

    TL_TRY(tl_spool_reader_open(spool, &reader, err));
    segment->end = UINT64_MAX;
    TL_TRY(reader_enter(reader, segment, err));
    do {
        batch.count = 0;
        TL_TRY(reader_take(reader, segment->first, UINT64_MAX, &batch, err));
        if (batch.count > 0)
            end = reader->records[batch.count - 1].sequence + 1;
    } while (batch.count > 0);
    segment->end = end;
    if (segment->bytes > reader->good_end) {
        *cut_bytes += segment->bytes - reader->good_end;
        cut_file(spool, segment->first, reader->good_end);
        segment->bytes = reader->good_end;
    }
out:
    tl_spool_reader_close(reader);
    return rc;
}

struct header {
    bool whole;
    uint64_t before; /* where the segment before ends */
};

static enum tl_code header_read(struct tl_spool *spool, struct segment *segment, struct header *out, struct tl_err *err)
{
    char name[NAME_DIGITS + 8], header[HEADER_BYTES];
    struct stat st = {0};
    size_t got = 0;
    enum tl_code rc = TL_OK;
    int fd;

    *out = (struct header){false, 0};
    segment_name(segment->first, name);
    fd = openat(spool->folder_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || read_all(fd, header, sizeof header, 0, &got) != TL_OK)
        TL_TRY(fail_file(spool, name, "cannot be read", err));
    segment->bytes = st.st_size;
    if (got < sizeof header || get64(header + 32) != XXH3_64bits(header, 32))
        goto out; /* its records say what they are */
    if (memcmp(header, magic, sizeof magic) != 0)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "the spool: %s/%s was written by another version of tally: let that one send it",
                       spool->folder, name));
    *out = (struct header){get64(header + 8) == segment->first, get64(header + 16)};
    segment->made_ms = (int64_t)get64(header + 24);
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

static bool first_of(const char *name, uint64_t *first)
{
    if (strlen(name) != NAME_DIGITS + strlen(".spool") || strspn(name, "0123456789") != NAME_DIGITS ||
        strcmp(name + NAME_DIGITS, ".spool") != 0)
        return false;
    errno = 0;
    *first = strtoull(name, NULL, 10);
    return errno == 0 && *first > 0 && *first <= INT64_MAX;
}

static int by_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static enum tl_code list_names(const struct tl_spool *spool, uint64_t **firsts, size_t *count, struct tl_err *err)
{
    int fd = openat(spool->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    enum tl_code rc = TL_OK;

    if (dir == NULL)
        return tl_fail_errno(err, TL_ERR_IO, "the spool: %s cannot be read", spool->folder);
    while ((entry = readdir(dir)) != NULL) {
        uint64_t first;

        if (!first_of(entry->d_name, &first))
            continue;
        if (!TL_RESIZE(*firsts, *count + 1))
            TL_TRY(tl_fail_memory(err, (*count + 1) * sizeof **firsts));
        (*firsts)[(*count)++] = first;
    }
    if (*count > 0)
        qsort(*firsts, *count, sizeof **firsts, by_first);
out:
    closedir(dir);
    return rc;
}

static enum tl_code segment_load(struct tl_spool *spool, uint64_t first, struct header *header, struct tl_err *err)
{
    struct segment *segment = calloc(1, sizeof *segment);
    enum tl_code rc;

    if (segment == NULL)
        return tl_fail_memory(err, sizeof *segment);
    segment->first = first;
    rc = header_read(spool, segment, header, err);
    if (rc == TL_OK)
        list_add(spool, segment);
    else
        free(segment);
    return rc;
}

/* Where a segment ends stands in the header of the next; of the last one it is looked for. */
static enum tl_code list_load(struct tl_spool *spool, int64_t *cut_bytes, struct tl_err *err)
{
    struct header *headers = NULL, *after;
    uint64_t *firsts = NULL;
    size_t count = 0;
    enum tl_code rc;

    TL_TRY(list_names(spool, &firsts, &count, err));
    headers = calloc(count + 1, sizeof *headers);
    if (headers == NULL)
        TL_TRY(tl_fail_memory(err, count * sizeof *headers));
    for (size_t i = 0; i < count; i++)
        TL_TRY(segment_load(spool, firsts[i], &headers[i], err));
    after = headers;
    for (struct segment *segment = spool->head; segment != NULL; segment = segment->next) {
        int64_t bytes = segment->bytes;

        after++;
        if (after->whole && after->before > segment->first && after->before <= segment->next->first)
            segment->end = after->before;
        else
            TL_TRY(segment_scan(spool, segment, cut_bytes, err));
        spool->bytes += segment->bytes - bytes;
    }
out:
    free(headers);
    free(firsts);
    return rc;
}

/* Segments that hold nothing, or nothing that is still to be sent. */
static void list_clean(struct tl_spool *spool)
{
    struct segment **at = &spool->head;

    spool->tail = NULL;
    while (*at != NULL) {
        struct segment *segment = *at;
        char name[NAME_DIGITS + 8];

        if (segment->end > segment->first && segment->end > spool->position) {
            spool->tail = segment;
            at = &segment->next;
            continue;
        }
        segment_name(segment->first, name);
        unlinkat(spool->folder_fd, name, 0);
        spool->bytes -= segment->bytes;
        *at = segment->next;
        free(segment);
    }
}

static void found_of(const struct tl_spool *spool, struct tl_spool_found *found)
{
    found->front = found->next = spool->position;
    if (spool->head == NULL)
        return;
    if (spool->head->first > found->front)
        found->front = found->next = spool->head->first;
    found->oldest_ms = spool->head->made_ms;
    for (const struct segment *at = spool->head; at != NULL; at = at->next) {
        uint64_t first = at->first > found->next ? at->first : found->next;

        found->events += at->end > first ? at->end - first : 0;
        found->next = at->end > found->next ? at->end : found->next;
    }
}

enum tl_code tl_spool_open(const char *folder, int64_t segment_bytes, struct tl_spool **out, struct tl_spool_found *found,
                           struct tl_err *err)
{
    struct tl_spool *spool = calloc(1, sizeof *spool);
    enum tl_code rc = TL_OK;

    if (spool == NULL)
        return tl_fail_memory(err, sizeof *spool);
    *spool = (struct tl_spool){.folder_fd = -1, .position_fd = -1, .fd = -1, .segment_bytes = segment_bytes};
    pthread_mutex_init(&spool->mutex, NULL);
    *found = (struct tl_spool_found){0};
    spool->folder = strdup(folder);
    if (spool->folder == NULL)
        TL_TRY(tl_fail_memory(err, strlen(folder)));
    spool->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->folder_fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "the spool: %s cannot be read", folder));
    spool->position_fd = openat(spool->folder_fd, "position", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (spool->position_fd < 0)
        TL_TRY(fail_file(spool, "position", "cannot be written", err));
    spool->position = position_load(spool->position_fd);
    if (!position_keep(spool))
        TL_TRY(fail_file(spool, "position", "cannot be written", err));
    TL_TRY(list_load(spool, &found->cut_bytes, err));
    list_clean(spool);
    found_of(spool, found);
    *out = spool;
    spool = NULL;
out:
    tl_spool_close(spool);
    return rc;
}

void tl_spool_close(struct tl_spool *spool)
{
    if (spool == NULL)
        return;
    writing_ends(spool);
    while (spool->head != NULL) {
        struct segment *segment = spool->head;

        spool->head = segment->next;
        free(segment);
    }
    if (spool->position_fd >= 0)
        close(spool->position_fd);
    if (spool->folder_fd >= 0)
        close(spool->folder_fd);
    free(spool->folder);
    pthread_mutex_destroy(&spool->mutex);
    free(spool);
}
