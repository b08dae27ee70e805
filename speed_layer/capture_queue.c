/* capture_queue.c: events in memory, in blocks. See capture_queue.h. */
#include "speed_layer/capture_queue.h"

#include <stdlib.h>

void tl_capture_queue_init(struct tl_capture_queue *queue, size_t block_bytes, uint64_t next)
{
    *queue = (struct tl_capture_queue){.block_bytes = block_bytes, .next = next};
}

/* One block of the usual size is kept: where few events come, each would make one and give it back. */
static void block_leave(struct tl_capture_queue *queue, struct tl_capture_block *block)
{
    if (--block->holders > 0)
        return;
    if (queue->spare == NULL && block->capacity == queue->block_bytes)
        queue->spare = block;
    else
        free(block);
}

void tl_capture_queue_done(struct tl_capture_queue *queue)
{
    tl_capture_queue_drop(queue, UINT64_MAX);
    free(queue->spare);
    queue->spare = NULL;
}

static struct tl_capture_block *block_add(struct tl_capture_queue *queue, size_t bytes)
{
    size_t capacity = bytes > queue->block_bytes ? bytes : queue->block_bytes;
    struct tl_capture_block *block = queue->spare;

    if (block != NULL && block->capacity >= bytes)
        queue->spare = NULL;
    else
        block = malloc(sizeof *block + capacity);
    if (block == NULL)
        return NULL;
    *block = (struct tl_capture_block){.first = queue->next, .end = queue->next, .capacity = capacity, .holders = 1};
    if (queue->tail != NULL)
        queue->tail->next = block;
    else
        queue->head = block;
    queue->tail = block;
    return block;
}

bool tl_capture_queue_put(struct tl_capture_queue *queue, struct tl_spool_record *record)
{
    struct tl_capture_block *block = queue->tail;
    size_t bytes = tl_spool_record_bytes(record);

    if (block == NULL || bytes > block->capacity - block->used)
        block = block_add(queue, bytes);
    if (block == NULL)
        return false;
    record->sequence = queue->next;
    tl_spool_record_write(block->records + block->used, record);
    block->used += bytes;
    block->end = ++queue->next;
    queue->bytes += (int64_t)bytes;
    return true;
}

uint64_t tl_capture_queue_first(const struct tl_capture_queue *queue)
{
    return queue->head != NULL ? queue->head->first : queue->next;
}

void tl_capture_queue_drop(struct tl_capture_queue *queue, uint64_t sequence)
{
    while (queue->head != NULL && queue->head->end <= sequence) {
        struct tl_capture_block *block = queue->head;

        queue->head = block->next;
        if (queue->head == NULL)
            queue->tail = NULL;
        queue->bytes -= (int64_t)block->used;
        block_leave(queue, block);
    }
}

void tl_capture_place_leave(struct tl_capture_queue *queue, struct tl_capture_place *place)
{
    if (place->block != NULL)
        block_leave(queue, place->block);
    place->block = NULL;
}

static bool place_find(struct tl_capture_queue *queue, struct tl_capture_place *place, uint64_t sequence)
{
    struct tl_capture_block *block = queue->head;
    struct tl_spool_record record;

    tl_capture_place_leave(queue, place);
    while (block != NULL && block->end <= sequence)
        block = block->next;
    if (block == NULL || sequence < block->first)
        return false;
    block->holders++;
    *place = (struct tl_capture_place){.block = block, .sequence = sequence};
    for (uint64_t at = block->first; at < sequence; at++)
        place->at += tl_spool_record_view(block->records + place->at, &record);
    return true;
}

bool tl_capture_place_look(struct tl_capture_queue *queue, struct tl_capture_place *place, uint64_t sequence,
                           struct tl_capture_run *out)
{
    struct tl_capture_block *block = place->block;

    if ((block == NULL || place->sequence != sequence || place->at == block->used) && !place_find(queue, place, sequence))
        return false;
    block = place->block;
    *out = (struct tl_capture_run){block->records + place->at, block->used - place->at, sequence, block->end};
    return true;
}

void tl_capture_place_pass(struct tl_capture_place *place, size_t bytes, uint64_t sequence)
{
    place->at += bytes;
    place->sequence = sequence;
}
