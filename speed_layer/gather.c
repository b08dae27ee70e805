/* gather.c: a request for the collector. See gather.h. */
#include "speed_layer/gather.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"

enum { CHUNK_BYTES = 4096 };

struct tl_gather {
    struct tl_arena arena;
    struct tl_request request;
    struct tl_buf body;
    size_t body_bytes_max;
    struct tl_collect_answer answer;
    struct tl_capture *capture;
    struct tl_capture_answer word;
    atomic_uint left; /* words that are missing, and one until all events are handed over */
    atomic_bool lost;
};

static bool copy_request(struct tl_gather *gather, const struct tl_request *from)
{
    struct tl_arena *arena = &gather->arena;
    struct tl_http1_header *headers = tl_arena_alloc(arena, (from->headers_count + 1) * sizeof *headers);
    struct tl_request *to = &gather->request;

    *to = *from;
    if (headers == NULL)
        return false;
    to->headers = headers;
    for (size_t h = 0; h < from->headers_count; h++)
        if (!tl_arena_copy(arena, from->headers[h].name, &headers[h].name) ||
            !tl_arena_copy(arena, from->headers[h].value, &headers[h].value))
            return false;
    return tl_arena_copy(arena, from->method, &to->method) && tl_arena_copy(arena, from->target, &to->target) &&
           tl_arena_copy(arena, from->host, &to->host) && tl_arena_copy(arena, from->ip, &to->ip);
}

struct tl_gather *tl_gather_open(const struct tl_collect *collect, const struct tl_request *request)
{
    struct tl_gather *gather = calloc(1, sizeof *gather);

    if (gather == NULL)
        return NULL;
    tl_arena_init(&gather->arena, CHUNK_BYTES, 0);
    tl_buf_init(&gather->body, 0);
    tl_collect_answer_init(&gather->answer);
    gather->body_bytes_max = tl_collect_body_max(collect);
    if (copy_request(gather, request))
        return gather;
    tl_gather_close(gather);
    return NULL;
}

void tl_gather_close(struct tl_gather *gather)
{
    if (gather == NULL)
        return;
    tl_collect_answer_done(&gather->answer);
    tl_buf_done(&gather->body);
    tl_arena_done(&gather->arena);
    free(gather);
}

/* One byte more than is taken shows that it is too long. */
bool tl_gather_put(struct tl_gather *gather, struct tl_sv piece)
{
    size_t room = gather->body_bytes_max + 1 - gather->body.size;

    if (piece.size > room)
        piece.size = room;
    tl_buf_put_sv(&gather->body, piece);
    return !gather->body.failed;
}

bool tl_gather_is_full(const struct tl_gather *gather)
{
    return gather->body.size > gather->body_bytes_max;
}

/* ---- the queue's words ---- */

static void one_less(struct tl_gather *gather)
{
    if (atomic_fetch_sub(&gather->left, 1) == 1)
        gather->word.captured(gather->word.ctx, !atomic_load(&gather->lost));
}

static void on_captured(void *ctx, bool taken)
{
    struct tl_gather *gather = ctx;

    if (!taken)
        atomic_store(&gather->lost, true);
    one_less(gather);
}

static void put(void *ctx, const struct tl_capture_event *event)
{
    struct tl_gather *gather = ctx;

    if (gather->word.captured == NULL) {
        tl_capture_put(gather->capture, event, NULL);
        return;
    }
    atomic_fetch_add(&gather->left, 1);
    tl_capture_put(gather->capture, event, &(struct tl_capture_answer){on_captured, gather});
}

void tl_gather_finish(struct tl_gather *gather, const struct tl_gather_with *with, const struct tl_capture_answer *word)
{
    gather->capture = with->capture;
    if (word != NULL)
        gather->word = *word;
    atomic_store(&gather->left, 1);
    tl_collect_answer(with->collect, with->rules, with->maker, &gather->request, tl_buf_sv(&gather->body),
                      &(struct tl_collect_sink){put, gather}, &gather->answer);
    if (word != NULL)
        one_less(gather);
}

const struct tl_collect_answer *tl_gather_answer(const struct tl_gather *gather)
{
    return &gather->answer;
}
