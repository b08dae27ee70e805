/* feed.c: messages of the master record in the order in which duplicates are judged. See feed.h. */
#include "master/feed.h"

#include <stdlib.h>
#include <string.h>

/* An unpacked block. A reader's messages are good until its next read, so each unpacked block has a reader of its own; they are
 * reused through a list of free ones. */
struct tl_feed_block {
    struct tl_master_reader *reader;
    struct stream *stream;
    const struct block_ref *ref;
    bool ready; /* unpacked */
    const struct tl_message *messages;
    size_t count, at;
    uint32_t holders;             /* chunks that have messages of it, and the stream while it reads it */
    struct tl_feed_block *behind; /* the next one of the stream; NULL: nobody has claimed it, or there is none */
    struct tl_feed_block *next_free;
};

struct block_ref {
    struct tl_feed_ref ref;
    int64_t floor_ms; /* minimum of event times in this and all later blocks of the stream */
};

struct stream {
    uint32_t partition;
    struct block_ref *blocks;
    uint32_t blocks_count, blocks_capacity, next;
    struct tl_feed_block *current; /* block number `next`; NULL: nobody has claimed it, or there is none */
    struct tl_feed_block *last;    /* of those that are claimed */
    uint32_t claimed;
};

enum { AHEAD_MAX = 2 /* blocks, of all streams: a thread that unpacks keeps one that does not from waiting */ };

struct tl_feed {
    struct stream *streams;
    uint32_t streams_count, streams_capacity;
    struct stream **heap; /* those whose next message is known, the first of them first */
    uint32_t heap_count;
    uint32_t waiting; /* streams whose next message is not known yet */
    struct tl_feed_block *free_blocks;
    struct tl_feed_block **all_blocks;
    uint32_t all_count, all_capacity;
    uint32_t ahead_count;
    uint64_t bytes_count, bytes_done;
};

enum tl_code tl_feed_open(struct tl_feed **out, struct tl_err *err)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? tl_fail_memory(err, sizeof **out) : TL_OK;
}

static enum tl_code add_stream(struct tl_feed *feed, uint32_t partition, struct tl_err *err)
{
    if (feed->streams_count == feed->streams_capacity) {
        uint32_t capacity = feed->streams_capacity * 2 + 8;

        if (!TL_RESIZE(feed->streams, capacity) || !TL_RESIZE(feed->heap, capacity))
            return tl_fail_memory(err, capacity * sizeof *feed->streams);
        feed->streams_capacity = capacity;
    }
    feed->streams[feed->streams_count++] = (struct stream){.partition = partition};
    feed->waiting++;
    return TL_OK;
}

enum tl_code tl_feed_add(struct tl_feed *feed, uint32_t partition, const struct tl_feed_ref *ref, struct tl_err *err)
{
    struct stream *stream;
    enum tl_code rc = TL_OK;

    if (feed->streams_count == 0 || feed->streams[feed->streams_count - 1].partition != partition)
        TL_TRY(add_stream(feed, partition, err));
    stream = &feed->streams[feed->streams_count - 1];
    if (stream->blocks_count == stream->blocks_capacity) {
        uint32_t capacity = stream->blocks_capacity * 2 + 16;

        if (!TL_RESIZE(stream->blocks, capacity))
            TL_TRY(tl_fail_memory(err, capacity * sizeof *stream->blocks));
        stream->blocks_capacity = capacity;
    }
    for (uint32_t b = stream->blocks_count; b-- > 0 && stream->blocks[b].floor_ms > ref->min_ms;)
        stream->blocks[b].floor_ms = ref->min_ms;
    stream->blocks[stream->blocks_count++] = (struct block_ref){*ref, ref->min_ms};
    feed->bytes_count += ref->file->blocks[ref->block].raw_bytes;
out:
    return rc;
}

void tl_feed_close(struct tl_feed *feed)
{
    if (feed == NULL)
        return;
    for (uint32_t s = 0; s < feed->streams_count; s++)
        free(feed->streams[s].blocks);
    for (uint32_t b = 0; b < feed->all_count; b++) {
        tl_master_reader_close(feed->all_blocks[b]->reader);
        free(feed->all_blocks[b]);
    }
    free(feed->all_blocks);
    free(feed->streams);
    free(feed->heap);
    free(feed);
}

static enum tl_code free_block(struct tl_feed *feed, struct tl_feed_block **out, struct tl_err *err)
{
    struct tl_feed_block *block = feed->free_blocks;
    enum tl_code rc = TL_OK;

    if (block != NULL) {
        feed->free_blocks = block->next_free;
        *out = block;
        return TL_OK;
    }
    if (feed->all_count == feed->all_capacity) {
        uint32_t capacity = feed->all_capacity * 2 + 8;
        struct tl_feed_block **all = realloc(feed->all_blocks, capacity * sizeof *all);

        if (all == NULL)
            return tl_fail_memory(err, capacity * sizeof *all);
        feed->all_blocks = all;
        feed->all_capacity = capacity;
    }
    block = calloc(1, sizeof *block);
    if (block == NULL)
        return tl_fail_memory(err, sizeof *block);
    TL_TRY(tl_master_reader_open(&block->reader, err));
    feed->all_blocks[feed->all_count++] = block;
    *out = block;
    block = NULL;
out:
    free(block);
    return rc;
}

static void let_go(struct tl_feed *feed, struct tl_feed_block *block)
{
    if (--block->holders == 0) {
        block->next_free = feed->free_blocks;
        feed->free_blocks = block;
    }
}

static enum tl_code claim(struct tl_feed *feed, struct stream *stream, struct tl_feed_block **out, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    TL_TRY(free_block(feed, out, err));
    (*out)->stream = stream;
    (*out)->ref = &stream->blocks[stream->next + stream->claimed];
    (*out)->ready = false;
    (*out)->at = (*out)->count = 0;
    (*out)->holders = 1;
    (*out)->behind = NULL;
    if (stream->current == NULL)
        stream->current = *out;
    else
        stream->last->behind = *out;
    stream->last = *out;
    stream->claimed++;
out:
    return rc;
}

/* As far as is known: whoever unpacks it has not said yet. */
static size_t messages_left(const struct tl_feed_block *block)
{
    return block->ready ? block->count - block->at : 0;
}

/* Whose next block that is to be claimed is needed first. */
static bool needed_before(const struct stream *a, const struct stream *b)
{
    if (a->claimed != b->claimed)
        return a->claimed < b->claimed;
    return messages_left(a->current) < messages_left(b->current);
}

enum tl_code tl_feed_claim(struct tl_feed *feed, struct tl_feed_block **block, struct tl_err *err)
{
    struct stream *soonest = NULL;
    enum tl_code rc = TL_OK;

    *block = NULL;
    for (uint32_t s = 0; s < feed->streams_count; s++) {
        struct stream *stream = &feed->streams[s];

        if (stream->next + stream->claimed == stream->blocks_count)
            continue;
        if (stream->current == NULL) {
            TL_TRY(claim(feed, stream, block, err));
            goto out;
        }
        if (soonest == NULL || needed_before(stream, soonest))
            soonest = stream;
    }
    if (soonest != NULL && feed->ahead_count < AHEAD_MAX) {
        TL_TRY(claim(feed, soonest, block, err));
        feed->ahead_count++;
    }
out:
    return rc;
}

enum tl_code tl_feed_unpack(struct tl_feed_block *block, struct tl_err *err)
{
    const struct tl_feed_ref *ref = &block->ref->ref;
    enum tl_code rc = tl_master_read_block(block->reader, ref->file, ref->block, &block->messages, &block->count, err);

    if (rc != TL_OK)
        block->count = 0;
    return rc;
}

const struct tl_feed_ref *tl_feed_ref_of(const struct tl_feed_block *block)
{
    return &block->ref->ref;
}

/* ---- the streams in order of their next messages ---- */

static const struct tl_message *next_of(const struct stream *stream)
{
    return &stream->current->messages[stream->current->at];
}

static bool stream_before(const struct stream *a, const struct stream *b)
{
    return tl_message_before(next_of(a), a->partition, next_of(b), b->partition);
}

static void heap_sink(struct tl_feed *feed, uint32_t at)
{
    for (;;) {
        struct stream *stream = feed->heap[at];
        uint32_t first = at;

        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < feed->heap_count; child++)
            if (stream_before(feed->heap[child], feed->heap[first]))
                first = child;
        if (first == at)
            return;
        feed->heap[at] = feed->heap[first];
        feed->heap[first] = stream;
        at = first;
    }
}

static void heap_add(struct tl_feed *feed, struct stream *stream)
{
    uint32_t at = feed->heap_count++;

    for (; at > 0 && stream_before(stream, feed->heap[(at - 1) / 2]); at = (at - 1) / 2)
        feed->heap[at] = feed->heap[(at - 1) / 2];
    feed->heap[at] = stream;
}

/* Leaves the blocks behind that have been read to their end. True: the next message is known. */
static bool step(struct tl_feed *feed, struct stream *stream)
{
    while (stream->current != NULL && stream->current->ready && stream->current->at == stream->current->count) {
        struct tl_feed_block *behind = stream->current->behind;

        let_go(feed, stream->current);
        feed->ahead_count -= behind != NULL;
        stream->current = behind;
        stream->claimed--;
        stream->next++;
    }
    return stream->current != NULL && stream->current->ready;
}

void tl_feed_unpacked(struct tl_feed *feed, struct tl_feed_block *block)
{
    struct stream *stream = block->stream;

    block->ready = true;
    feed->bytes_done += block->ref->ref.file->blocks[block->ref->ref.block].raw_bytes;
    if (block != stream->current)
        return;
    if (step(feed, stream)) {
        feed->waiting--;
        heap_add(feed, stream);
    } else if (stream->next == stream->blocks_count) {
        feed->waiting--;
    }
}

bool tl_feed_ready(const struct tl_feed *feed)
{
    return feed->waiting == 0;
}

/* ---- chunks ---- */

static bool chunk_reserve(struct tl_chunk *chunk)
{
    if (chunk->capacity < TL_BATCH_ROWS) {
        struct tl_message *messages = realloc(chunk->messages, TL_BATCH_ROWS * sizeof *messages);
        uint32_t *partitions = realloc(chunk->partitions, TL_BATCH_ROWS * sizeof *partitions);

        if (messages != NULL)
            chunk->messages = messages;
        if (partitions != NULL)
            chunk->partitions = partitions;
        if (messages == NULL || partitions == NULL)
            return false;
        chunk->capacity = TL_BATCH_ROWS;
    }
    return true;
}

static bool chunk_hold(struct tl_chunk *chunk, struct tl_feed_block *block)
{
    for (size_t h = chunk->held_count; h-- > 0;)
        if (chunk->held[h] == block)
            return true;
    if (chunk->held_count == chunk->held_capacity) {
        size_t capacity = chunk->held_capacity * 2 + 8;
        struct tl_feed_block **held = realloc(chunk->held, capacity * sizeof *held);

        if (held == NULL)
            return false;
        chunk->held = held;
        chunk->held_capacity = capacity;
    }
    block->holders++;
    chunk->held[chunk->held_count++] = block;
    return true;
}

/* The stream that is next when the first one's messages stop to be: the first of its two children. NULL: there is no other. */
static const struct stream *runner_up(const struct tl_feed *feed)
{
    if (feed->heap_count < 2)
        return NULL;
    return feed->heap_count > 2 && stream_before(feed->heap[2], feed->heap[1]) ? feed->heap[2] : feed->heap[1];
}

/* The first stream has moved on, and may be at its end, or wait for its next block. */
static void reorder(struct tl_feed *feed)
{
    struct stream *stream = feed->heap[0];

    if (!step(feed, stream)) {
        feed->waiting += stream->next < stream->blocks_count;
        feed->heap[0] = feed->heap[--feed->heap_count];
    }
    if (feed->heap_count > 1)
        heap_sink(feed, 0);
}

enum tl_code tl_feed_next(struct tl_feed *feed, struct tl_chunk *chunk, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    chunk->count = 0;
    if (!chunk_reserve(chunk))
        return tl_fail_memory(err, TL_BATCH_ROWS * sizeof *chunk->messages);
    assert(tl_feed_ready(feed));
    /* A chunk ends early where the next block is still being unpacked. */
    while (chunk->count < TL_BATCH_ROWS && feed->heap_count > 0 && tl_feed_ready(feed)) {
        const struct stream *stream = feed->heap[0], *other = runner_up(feed);
        struct tl_feed_block *block = stream->current;

        if (!chunk_hold(chunk, block))
            TL_TRY(tl_fail_memory(err, sizeof block));
        do {
            chunk->messages[chunk->count] = block->messages[block->at++];
            chunk->partitions[chunk->count++] = stream->partition;
        } while (chunk->count < TL_BATCH_ROWS && block->at < block->count && (other == NULL || stream_before(stream, other)));
        reorder(feed);
    }
out:
    return rc;
}

void tl_feed_release(struct tl_feed *feed, struct tl_chunk *chunk)
{
    for (size_t h = 0; h < chunk->held_count; h++)
        let_go(feed, chunk->held[h]);
    chunk->held_count = chunk->count = 0;
}

void tl_chunk_done(struct tl_chunk *chunk)
{
    free(chunk->messages);
    free(chunk->partitions);
    free(chunk->held);
    *chunk = (struct tl_chunk){0};
}

int64_t tl_feed_floor_ms(const struct tl_feed *feed)
{
    int64_t floor_ms = INT64_MAX;

    for (uint32_t s = 0; s < feed->streams_count; s++)
        if (feed->streams[s].next < feed->streams[s].blocks_count)
            floor_ms = tl_min_i64(floor_ms, feed->streams[s].blocks[feed->streams[s].next].floor_ms);
    return floor_ms;
}

uint64_t tl_feed_bytes(const struct tl_feed *feed, uint64_t *done)
{
    *done = feed->bytes_done;
    return feed->bytes_count;
}
