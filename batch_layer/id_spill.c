/* id_spill.c: which of a sequence of event ids are duplicates, where the ids do not fit into memory. See id_spill.h.
 *
 * The ids' file is made of slots of one size. A slot holds a block, and a part is a chain of blocks; a block says where the next one will
 * be, so a part takes its next slot before it needs it:
 *
 *   next slot (u64; none: UINT64_MAX) | records (u64) | high (u64) low (u32) time (u32) number (u64) | high ...
 *
 * The verdicts' file: a row of u64 per part and round, ascending: number * 2, and 1 more for a conflict. Both are of this machine, in its
 * byte order, and nobody else reads them. */
#include "id_spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main/stop.h"

#ifdef TL_TINY
enum { BLOCK_BYTES_MIN = 64, BLOCK_BYTES_MAX = 64, VERDICTS_MIN = 2, VERDICTS_MAX = 2 };
#else
enum { BLOCK_BYTES_MIN = 4096, BLOCK_BYTES_MAX = 1 << 18, VERDICTS_MIN = 64, VERDICTS_MAX = 4096 };
#endif
enum { PARTS_MAX = 1024, ID_BYTES = 24 /* dedup.h */, FREE_SLOTS = 16 };

#define NO_SLOT UINT64_MAX
#define KNOWN (UINT64_C(1) << 63) /* in a record's number: a round before has had the id, with another time */

struct record {
    struct tl_id id;
    uint64_t number;
};

struct block {
    uint64_t next_slot, count;
    struct record records[];
};

struct chain {
    uint64_t first_slot, slot; /* of the block that is being filled */
    struct block *block;
};

/* The verdicts of one part and round. */
struct verdicts {
    uint64_t position, count; /* in the file: what has not been read yet */
    uint64_t *read;           /* room for verdicts_room */
    uint32_t read_count, at;
};

struct tl_id_spill {
    char *folder;
    int ids_fd, verdicts_fd;
    uint64_t memory_bytes, set_bytes_max;
    size_t block_bytes;
    uint32_t block_records, parts_count;
    struct chain *parts;
    uint64_t slots_count;
    uint64_t free_slots[FREE_SLOTS]; /* of blocks that have been read; what does not fit is given up */
    uint32_t free_count;
    uint64_t put_count, next_number;

    uint64_t *written; /* verdicts that wait to be written */
    uint32_t written_count, written_room;
    uint64_t verdicts_end; /* written to the file, in verdicts */
    struct verdicts *rows;
    uint32_t rows_count, rows_capacity;
    uint64_t *read_room; /* all rows' */
    uint32_t verdicts_room;
    uint32_t *heap; /* rows that have a verdict left, the lowest one first */
    uint32_t heap_count;
};

/* ---- files ---- */

static enum tl_code file_open(const struct tl_id_spill *spill, const char *name, int *fd, struct tl_err *err)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/_batch.%s", spill->folder, name);
    *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0 || unlink(path) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot make a file for the event ids that find no room in memory (--memory)",
                             path);
    return TL_OK;
}

static enum tl_code file_write(const struct tl_id_spill *spill, int fd, const void *bytes, size_t size, uint64_t position,
                               struct tl_err *err)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t written = pwrite(fd, at, size, (off_t)position);

        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0)
            return tl_fail_errno(err, TL_ERR_IO,
                                 "%s: cannot write there the event ids that find no room in memory: nothing is published; make "
                                 "room there, or give more --memory",
                                 spill->folder);
        at += written;
        position += (uint64_t)written;
        size -= (size_t)written;
    }
    return TL_OK;
}

static enum tl_code file_read(const struct tl_id_spill *spill, int fd, void *bytes, size_t size, uint64_t position,
                              struct tl_err *err)
{
    char *at = bytes;

    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t)position);

        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot read there the event ids that found no room in memory",
                                 spill->folder);
        at += got;
        position += (uint64_t)got;
        size -= (size_t)got;
    }
    return TL_OK;
}

/* ---- chains ---- */

static uint64_t slot_take(struct tl_id_spill *spill)
{
    return spill->free_count > 0 ? spill->free_slots[--spill->free_count] : spill->slots_count++;
}

static void slot_give(struct tl_id_spill *spill, uint64_t slot)
{
    if (spill->free_count < FREE_SLOTS)
        spill->free_slots[spill->free_count++] = slot;
}

static enum tl_code chain_write(struct tl_id_spill *spill, struct chain *chain, uint64_t next_slot, struct tl_err *err)
{
    size_t size = sizeof *chain->block + (size_t)chain->block->count * sizeof *chain->block->records;
    enum tl_code rc = TL_OK;

    chain->block->next_slot = next_slot;
    TL_TRY(file_write(spill, spill->ids_fd, chain->block, size, chain->slot * spill->block_bytes, err));
    chain->block->count = 0;
    chain->slot = next_slot;
out:
    return rc;
}

static enum tl_code chain_add(struct tl_id_spill *spill, struct chain *chain, const struct record *record, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (chain->first_slot == NO_SLOT)
        chain->first_slot = chain->slot = slot_take(spill);
    if (chain->block->count == spill->block_records)
        TL_TRY(chain_write(spill, chain, slot_take(spill), err));
    chain->block->records[chain->block->count++] = *record;
out:
    return rc;
}

static enum tl_code chain_end(struct tl_id_spill *spill, struct chain *chain, struct tl_err *err)
{
    return chain->first_slot == NO_SLOT ? TL_OK : chain_write(spill, chain, NO_SLOT, err);
}

/* ---- put ---- */

static uint32_t parts_for(const struct tl_id_spill *spill, uint64_t ids_expected)
{
    uint64_t room = spill->memory_bytes / 2 / BLOCK_BYTES_MIN, a_part = spill->set_bytes_max / 4 * 3 / ID_BYTES;

    return (uint32_t)tl_min_i64(tl_min_i64((int64_t)(ids_expected / a_part + 1), (int64_t)room), PARTS_MAX);
}

enum tl_code tl_id_spill_open(const char *folder, uint64_t memory_bytes, uint64_t ids_expected, struct tl_id_spill **out,
                              struct tl_err *err)
{
    struct tl_id_spill *spill = calloc(1, sizeof *spill);
    enum tl_code rc = TL_OK;

    if (spill == NULL)
        return tl_fail_memory(err, sizeof *spill);
    spill->ids_fd = spill->verdicts_fd = -1;
    spill->memory_bytes = memory_bytes > TL_ID_SPILL_MEMORY_MIN ? memory_bytes : TL_ID_SPILL_MEMORY_MIN;
    spill->set_bytes_max =
        spill->memory_bytes / 4 * 3; /* beside it: two blocks, verdicts, what the set's segments take as they grow */
    spill->parts_count = parts_for(spill, ids_expected);
    spill->block_bytes = spill->memory_bytes / 2 / spill->parts_count & ~(uint64_t)(BLOCK_BYTES_MIN - 1);
    if (spill->block_bytes > BLOCK_BYTES_MAX || spill->block_bytes > spill->memory_bytes / 16)
        spill->block_bytes = (size_t)tl_min_i64(BLOCK_BYTES_MAX, (int64_t)spill->memory_bytes / 16);
    spill->block_records = (uint32_t)((spill->block_bytes - sizeof(struct block)) / sizeof(struct record));
    spill->folder = strdup(folder);
    spill->parts = calloc(spill->parts_count, sizeof *spill->parts);
    if (spill->folder == NULL || spill->parts == NULL)
        TL_TRY(tl_fail_memory(err, spill->parts_count * sizeof *spill->parts));
    for (uint32_t p = 0; p < spill->parts_count; p++) {
        spill->parts[p].first_slot = NO_SLOT;
        spill->parts[p].block = malloc(spill->block_bytes);
        if (spill->parts[p].block == NULL)
            TL_TRY(tl_fail_memory(err, spill->block_bytes));
        spill->parts[p].block->count = 0;
    }
    TL_TRY(file_open(spill, "ids", &spill->ids_fd, err));
    TL_TRY(file_open(spill, "verdicts", &spill->verdicts_fd, err));
    *out = spill;
    spill = NULL;
out:
    tl_id_spill_close(spill);
    return rc;
}

static void parts_free(struct tl_id_spill *spill)
{
    for (uint32_t p = 0; spill->parts != NULL && p < spill->parts_count; p++) {
        free(spill->parts[p].block);
        spill->parts[p].block = NULL;
    }
}

void tl_id_spill_close(struct tl_id_spill *spill)
{
    if (spill == NULL)
        return;
    if (spill->ids_fd >= 0)
        close(spill->ids_fd);
    if (spill->verdicts_fd >= 0)
        close(spill->verdicts_fd);
    parts_free(spill);
    free(spill->parts);
    free(spill->written);
    free(spill->rows);
    free(spill->read_room);
    free(spill->heap);
    free(spill->folder);
    free(spill);
}

enum tl_code tl_id_spill_put(struct tl_id_spill *spill, struct tl_id id, struct tl_err *err)
{
    struct record record = {id, spill->put_count++};

    /* `low` chooses the part: `high` is what the set spreads by. */
    return chain_add(spill, &spill->parts[(uint64_t)id.low * spill->parts_count >> 32], &record, err);
}

/* ---- judge ---- */

static enum tl_code verdicts_flush(struct tl_id_spill *spill, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(file_write(spill, spill->verdicts_fd, spill->written, spill->written_count * sizeof *spill->written,
                      spill->verdicts_end * sizeof *spill->written, err));
    spill->verdicts_end += spill->written_count;
    spill->written_count = 0;
out:
    return rc;
}

static enum tl_code verdict_add(struct tl_id_spill *spill, uint64_t number, enum tl_seen seen, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (spill->written_count == spill->written_room)
        TL_TRY(verdicts_flush(spill, err));
    spill->written[spill->written_count++] = number * 2 + (seen == TL_SEEN_CONFLICT);
    spill->rows[spill->rows_count - 1].count++;
out:
    return rc;
}

/* Beyond its room the set learns nothing more, so what it does not know goes on. */
static enum tl_code judge_record(struct tl_id_spill *spill, struct tl_idset *set, struct chain *beyond, struct record record,
                                 struct tl_err *err)
{
    bool known = (record.number & KNOWN) != 0;
    enum tl_seen seen;
    enum tl_code rc = TL_OK;

    if (tl_idset_bytes(set) < spill->set_bytes_max) {
        TL_TRY(tl_idset_see(set, record.id, &seen, err));
    } else {
        seen = tl_idset_look(set, record.id);
        if (seen != TL_SEEN_DUPLICATE) {
            record.number |= seen == TL_SEEN_CONFLICT ? KNOWN : 0;
            TL_TRY(chain_add(spill, beyond, &record, err));
            goto out;
        }
    }
    if (seen == TL_SEEN_NEW && known)
        seen = TL_SEEN_CONFLICT;
    if (seen != TL_SEEN_NEW)
        TL_TRY(verdict_add(spill, record.number & ~KNOWN, seen, err));
out:
    return rc;
}

static enum tl_code judge_round(struct tl_id_spill *spill, uint64_t slot, struct block *block, struct chain *beyond,
                                struct tl_err *err)
{
    struct tl_idset *set = NULL;
    enum tl_code rc = TL_OK;

    TL_TRY(tl_idset_open(&set, err));
    if (spill->rows_count == spill->rows_capacity) {
        uint32_t capacity = spill->rows_capacity + spill->rows_capacity / 2 + 64;

        if (!TL_RESIZE(spill->rows, capacity))
            TL_TRY(tl_fail_memory(err, capacity * sizeof *spill->rows));
        spill->rows_capacity = capacity;
    }
    spill->rows[spill->rows_count++] = (struct verdicts){.position = spill->verdicts_end + spill->written_count};
    while (slot != NO_SLOT) {
        TL_TRY(file_read(spill, spill->ids_fd, block, sizeof *block, slot * spill->block_bytes, err));
        TL_TRY(file_read(spill, spill->ids_fd, block->records, (size_t)block->count * sizeof *block->records,
                         slot * spill->block_bytes + sizeof *block, err));
        slot_give(spill, slot);
        for (uint64_t i = 0; i < block->count; i++)
            TL_TRY(judge_record(spill, set, beyond, block->records[i], err));
        slot = block->next_slot;
    }
    TL_TRY(chain_end(spill, beyond, err));
    if (spill->rows[spill->rows_count - 1].count == 0)
        spill->rows_count--;
out:
    tl_idset_close(set);
    return rc;
}

static enum tl_code judge_parts(struct tl_id_spill *spill, struct block *block, struct chain *beyond, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < spill->parts_count; p++) {
        for (uint64_t slot = spill->parts[p].first_slot; slot != NO_SLOT; slot = beyond->first_slot) {
            if (tl_stop_requested())
                TL_TRY(tl_fail(err, TL_ERR_IO, "stopped before anything was published; the next run does its work"));
            beyond->first_slot = NO_SLOT;
            TL_TRY(judge_round(spill, slot, block, beyond, err));
        }
    }
out:
    return rc;
}

/* ---- next ---- */

static enum tl_code row_fill(struct tl_id_spill *spill, struct verdicts *row, struct tl_err *err)
{
    uint32_t count = (uint32_t)tl_min_i64((int64_t)row->count, spill->verdicts_room);
    enum tl_code rc = TL_OK;

    TL_TRY(file_read(spill, spill->verdicts_fd, row->read, count * sizeof *row->read, row->position * sizeof *row->read, err));
    row->position += count;
    row->count -= count;
    row->read_count = count;
    row->at = 0;
out:
    return rc;
}

static uint64_t row_first(const struct tl_id_spill *spill, uint32_t heap_at)
{
    const struct verdicts *row = &spill->rows[spill->heap[heap_at]];

    return row->read[row->at];
}

static void heap_sink(struct tl_id_spill *spill, uint32_t at)
{
    for (;;) {
        uint32_t least = at, row = spill->heap[at];

        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < spill->heap_count; child++)
            if (row_first(spill, child) < row_first(spill, least))
                least = child;
        if (least == at)
            return;
        spill->heap[at] = spill->heap[least];
        spill->heap[least] = row;
        at = least;
    }
}

static enum tl_code begin_merge(struct tl_id_spill *spill, struct tl_err *err)
{
    uint64_t room = spill->memory_bytes / 2 / sizeof(uint64_t) / (spill->rows_count + 1);
    enum tl_code rc = TL_OK;

    spill->verdicts_room = (uint32_t)tl_max_i64(tl_min_i64((int64_t)room, VERDICTS_MAX), VERDICTS_MIN);
    spill->read_room = malloc(((size_t)spill->rows_count + 1) * spill->verdicts_room * sizeof *spill->read_room);
    spill->heap = malloc(((size_t)spill->rows_count + 1) * sizeof *spill->heap);
    if (spill->read_room == NULL || spill->heap == NULL)
        TL_TRY(tl_fail_memory(err, (size_t)spill->rows_count * spill->verdicts_room * sizeof *spill->read_room));
    for (uint32_t r = 0; r < spill->rows_count; r++) {
        spill->rows[r].read = spill->read_room + (size_t)r * spill->verdicts_room;
        TL_TRY(row_fill(spill, &spill->rows[r], err));
        spill->heap[spill->heap_count++] = r;
    }
    for (uint32_t at = spill->heap_count / 2; at-- > 0;)
        heap_sink(spill, at);
out:
    return rc;
}

enum tl_code tl_id_spill_judge(struct tl_id_spill *spill, struct tl_err *err)
{
    struct block *block = NULL;
    struct chain beyond = {NO_SLOT, NO_SLOT, NULL};
    enum tl_code rc = TL_OK;

    for (uint32_t p = 0; p < spill->parts_count; p++)
        TL_TRY(chain_end(spill, &spill->parts[p], err));
    parts_free(spill);
    spill->written_room = VERDICTS_MAX;
    spill->written = malloc(spill->written_room * sizeof *spill->written);
    block = malloc(spill->block_bytes);
    beyond.block = malloc(spill->block_bytes);
    if (spill->written == NULL || block == NULL || beyond.block == NULL)
        TL_TRY(tl_fail_memory(err, spill->block_bytes));
    beyond.block->count = 0;
    TL_TRY(judge_parts(spill, block, &beyond, err));
    TL_TRY(verdicts_flush(spill, err));
    close(spill->ids_fd); /* gives its room back */
    spill->ids_fd = -1;
    TL_TRY(begin_merge(spill, err));
out:
    free(block);
    free(beyond.block);
    return rc;
}

static enum tl_code changed(struct tl_err *err)
{
    return tl_fail(err, TL_ERR_CORRUPT,
                   "the master record was not the same when it was read for the second time, to leave duplicates out: nothing is "
                   "published; run it again");
}

enum tl_code tl_id_spill_next(struct tl_id_spill *spill, enum tl_seen *seen, struct tl_err *err)
{
    uint64_t number = spill->next_number++, verdict;
    struct verdicts *row;
    enum tl_code rc = TL_OK;

    if (number == spill->put_count)
        return changed(err);
    *seen = TL_SEEN_NEW;
    if (spill->heap_count == 0 || (verdict = row_first(spill, 0)) / 2 != number)
        return TL_OK;
    *seen = verdict % 2 == 1 ? TL_SEEN_CONFLICT : TL_SEEN_DUPLICATE;
    row = &spill->rows[spill->heap[0]];
    if (++row->at == row->read_count && row->count > 0)
        TL_TRY(row_fill(spill, row, err));
    if (row->at == row->read_count)
        spill->heap[0] = spill->heap[--spill->heap_count];
    if (spill->heap_count > 0)
        heap_sink(spill, 0);
out:
    return rc;
}

enum tl_code tl_id_spill_end(const struct tl_id_spill *spill, struct tl_err *err)
{
    return spill->next_number == spill->put_count ? TL_OK : changed(err);
}
