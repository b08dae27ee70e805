/* deadline.c: queues of deadlines, one for each length of time. See deadline.h. */
#include "net/deadline.h"

void tl_deadline_queue_init(struct tl_deadline_queue *queue, int64_t after_ms)
{
    queue->after_ms = after_ms;
    queue->ends.next = queue->ends.previous = &queue->ends;
}

void tl_deadline_clear(struct tl_deadline *deadline)
{
    if (deadline->next == NULL)
        return;
    deadline->next->previous = deadline->previous;
    deadline->previous->next = deadline->next;
    deadline->next = deadline->previous = NULL;
}

void tl_deadline_set(struct tl_deadline_queue *queue, struct tl_deadline *deadline, int64_t now_ms)
{
    tl_deadline_clear(deadline);
    deadline->at_ms = now_ms + queue->after_ms;
    deadline->next = &queue->ends;
    deadline->previous = queue->ends.previous;
    queue->ends.previous->next = deadline;
    queue->ends.previous = deadline;
}

struct tl_deadline *tl_deadline_first(struct tl_deadline_queue *queue)
{
    return queue->ends.next == &queue->ends ? NULL : queue->ends.next;
}

void tl_deadline_pass(struct tl_deadline_queue *queue, int64_t now_ms)
{
    struct tl_deadline *first;

    while ((first = tl_deadline_first(queue)) != NULL && first->at_ms <= now_ms) {
        tl_deadline_clear(first);
        first->passed(first);
    }
}
