/* kafka_notes.c: notes beside a topic: a compacted topic of its own, key -> value; the last of a key holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "log/kafka_handle.h"

enum { NOTES_MAX = 10000000, OPEN_MORE_MS = 60000 /* beyond what the broker gives a transaction */ };

struct note {
    struct tl_sv key, value; /* in one piece from malloc, the key first */
    size_t order;
};

struct notes {
    struct note *items;
    size_t count, capacity;
};

bool tl_kafka_notes_name(struct tl_sv topic, char *out, size_t out_bytes)
{
    int size = snprintf(out, out_bytes, "%.*s%s", TL_SV_ARG(topic), TL_KAFKA_NOTES);

    return size > 0 && (size_t)size < out_bytes;
}

static enum tl_code note_add(struct notes *notes, const rd_kafka_message_t *message, struct tl_err *err)
{
    char *bytes = malloc(message->key_len + message->len + 1);

    if (bytes == NULL)
        return tl_fail_memory(err, message->key_len + message->len);
    if (notes->count == notes->capacity) {
        if (notes->count >= NOTES_MAX || !TL_RESIZE(notes->items, notes->capacity * 2 + 64)) {
            free(bytes);
            return tl_fail_memory(err, (notes->capacity * 2 + 64) * sizeof *notes->items);
        }
        notes->capacity = notes->capacity * 2 + 64;
    }
    if (message->key_len > 0)
        memcpy(bytes, message->key, message->key_len);
    if (message->len > 0)
        memcpy(bytes + message->key_len, message->payload, message->len);
    notes->items[notes->count] = (struct note){
        {bytes,                                                      message->key_len},
        {message->payload == NULL ? NULL : bytes + message->key_len, message->len    },
        notes->count
    };
    notes->count++;
    return TL_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct note *x = a, *y = b;
    int compared = tl_sv_cmp(x->key, y->key);

    return compared != 0 ? compared : (x->order > y->order) - (x->order < y->order);
}

/* From the topic's begin to its end, on a queue of its own: keys are wanted, which tl_log_read does not give. An append that is in the middle of
 * being committed, or was left so by a killed process, is waited for: its note may be there or not, and that is what is asked. */
static enum tl_code notes_read(struct tl_kafka_log *log, struct tl_kafka_topic *topic, int64_t first, struct notes *notes,
                               struct tl_err *err)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(log->reader);
    int64_t until_ms = tl_clock_monotonic_ms() + TL_KAFKA_ASK_MS;
    rd_kafka_message_t *hand[256];
    enum tl_code rc = TL_OK;
    bool reading = false, done = false;

    if (queue == NULL)
        return tl_fail_memory(err, 1);
    if (rd_kafka_consume_start_queue(topic->handle, 0, first, queue) != 0)
        TL_TRY(tl_kafka_fail(&log->trouble, rd_kafka_last_error(), NULL, topic->name, err));
    reading = true;
    while (!done && rc == TL_OK) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 100, hand, TL_COUNT(hand));

        rd_kafka_poll(log->reader, 0);
        for (ssize_t i = 0; i < got; i++) {
            int64_t low, high;

            if (rc == TL_OK && hand[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                rc = note_add(notes, hand[i], err);
            } else if (rc == TL_OK && hand[i]->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                /* The end of what is committed; `high` is that of all, as of the same answer. */
                rd_kafka_get_watermark_offsets(log->reader, topic->name, 0, &low, &high);
                done = hand[i]->offset >= high;
                if (!done)
                    until_ms = tl_clock_monotonic_ms() + tl_kafka_transaction_ms(&log->properties) + OPEN_MORE_MS;
            } else if (rc == TL_OK) {
                rc = tl_kafka_fail(&log->trouble, hand[i]->err, rd_kafka_message_errstr(hand[i]), topic->name, err);
            }
            rd_kafka_message_destroy(hand[i]);
        }
        if (got > 0)
            until_ms = tl_max_i64(until_ms, tl_clock_monotonic_ms() + TL_KAFKA_ASK_MS);
        if (!done && rc == TL_OK && tl_clock_monotonic_ms() > until_ms)
            rc = tl_kafka_fail(&log->trouble, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, topic->name, err);
    }
out:
    if (reading)
        rd_kafka_consume_stop(topic->handle, 0);
    rd_kafka_queue_destroy(queue);
    return rc;
}

enum tl_code tl_kafka_op_notes(struct tl_log *base, struct tl_sv name, struct tl_sv prefix,
                               bool (*each)(void *ctx, struct tl_sv key, struct tl_sv value), void *ctx, struct tl_err *err)
{
    struct tl_kafka_log *log = tl_kafka_of(base);
    struct tl_kafka_topic *topic = NULL;
    struct notes notes = {NULL, 0, 0};
    char own[TL_KAFKA_NAME_BYTES];
    int64_t first, end;
    bool more = true;
    enum tl_code rc;

    if (!tl_kafka_notes_name(name, own, sizeof own))
        return TL_OK; /* such a name no topic has */
    rc = tl_kafka_op_range(base, tl_sv_from(own), 0, &first, &end, err);
    if (rc == TL_ERR_NOT_FOUND)
        return TL_OK;
    TL_TRY(rc);
    TL_TRY(tl_kafka_topic_find(log, tl_sv_from(own), &topic, err));
    TL_TRY(notes_read(log, topic, first, &notes, err));
    if (notes.count > 0)
        qsort(notes.items, notes.count, sizeof *notes.items, by_key);
    for (size_t i = 0; more && i < notes.count; i++) {
        const struct note *note = &notes.items[i];

        if (i + 1 < notes.count && tl_sv_eq(notes.items[i + 1].key, note->key))
            continue;
        if (note->value.data != NULL && tl_sv_starts(note->key, prefix))
            more = each(ctx, note->key, note->value);
    }
out:
    for (size_t i = 0; i < notes.count; i++) {
        union {
            const char *borrowed;
            char *owned;
        } bytes = {notes.items[i].key.data};

        free(bytes.owned);
    }
    free(notes.items);
    return rc;
}
