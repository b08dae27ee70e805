/* spool_fuzz.c: any bytes as a segment of the spool, behind a header or not: the spool opens, and what it gives are whole records in ascending order, each of
 * which lies in the bytes; the next start finds the same. The last byte says where the record's checks are made right, so that what lies behind them is reached. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/target.h"
#include "speed_layer/spool.c" /* a layer's objects stand in no archive */

static char folder[64], segment[128], position[128];

static void folder_remove(void)
{
    unlink(segment);
    unlink(position);
    rmdir(folder);
}

static void segment_write(struct tl_sv bytes)
{
    int fd;

    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "%s/spool_fuzz_XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
        snprintf(segment, sizeof segment, "%s/%020d.spool", folder, 7);
        snprintf(position, sizeof position, "%s/position", folder);
        atexit(folder_remove);
    }
    fd = open(segment, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, bytes.data, bytes.size) == (ssize_t)bytes.size);
    close(fd);
    unlink(position);
}

/* Heads that may be some get their checks. */
static void make_right(char *bytes, size_t size)
{
    for (size_t at = HEADER_BYTES; at + TL_SPOOL_HEAD_BYTES <= size;) {
        size_t body = get32(bytes + at);

        if (body > size - at - TL_SPOOL_HEAD_BYTES || padded(body) > size - at - TL_SPOOL_HEAD_BYTES) {
            at += 8;
            continue;
        }
        seal(bytes + at, TL_SPOOL_HEAD_BYTES + padded(body));
        at += TL_SPOOL_HEAD_BYTES + padded(body);
    }
}

struct reading {
    uint64_t count, lost, hash;
};

static struct reading read_everything(struct tl_spool *spool, const struct tl_spool_found *found)
{
    struct tl_spool_reader *reader;
    struct reading reading = {0};
    struct tl_spool_batch batch;
    uint64_t before = 0;

    CHECK(tl_spool_reader_open(spool, &reader, NULL) == TL_OK);
    for (uint64_t next = found->front; next < found->next; next = batch.next) {
        CHECK(tl_spool_read(reader, next, found->next, &batch, NULL) == TL_OK);
        CHECK(batch.next > next && batch.next <= found->next);
        for (size_t i = 0; i < batch.count; i++) {
            const struct tl_spool_record *record = &batch.records[i];

            CHECK(record->sequence >= next && record->sequence < batch.next && record->sequence > before);
            before = record->sequence;
            reading.hash =
                reading.hash * 31 + XXH3_64bits(record->value.data, record->value.size) + record->key.size * 3 + record->id.size;
        }
        reading.count += batch.count;
        reading.lost += batch.lost;
    }
    tl_spool_reader_close(reader);
    CHECK(reading.count + reading.lost == found->events);
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv copy;
    struct reading readings[2] = {{0}};
    struct tl_spool *spool;
    struct tl_err err;

    if (size == 0)
        return 0;
    copy = fuzz_copy((struct tl_sv){(const char *)data, size - 1});
    if (data[size - 1] % 2 == 1) {
        union {
            const char *borrowed;
            char *bytes;
        } own = {copy.data};

        make_right(own.bytes, copy.size);
    }
    segment_write(copy);
    for (int i = 0; i < 2; i++) {
        struct tl_spool_found found;
        enum tl_code rc = tl_spool_open(folder, 1 << 20, &spool, &found, &err);

        CHECK(rc == TL_OK || rc == TL_ERR_CORRUPT);
        if (rc != TL_OK)
            break;
        readings[i] = read_everything(spool, &found);
        CHECK(i == 0 || (readings[0].count == readings[1].count && readings[0].hash == readings[1].hash));
        tl_spool_close(spool);
    }
    free((void *)(uintptr_t)copy.data);
    return 0;
}
