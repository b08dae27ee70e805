/* edge.c: which sessions and count windows are known whole. See edge.h. */
#include "edge.h"

/* State of edge->keys. */
struct chains {
    struct tl_time_spans spans;
    size_t settle_count; /* so many are put in order next */
    bool followed;
};

enum { SETTLE_MIN = 16 };

void tl_edge_init(struct tl_edge *edge, int64_t read_ms, int64_t gap_ms)
{
    *edge = (struct tl_edge){.read_ms = read_ms, .gap_ms = gap_ms};
    tl_table_init(&edge->keys, sizeof(struct chains), 0);
    pthread_mutex_init(&edge->lock, NULL);
}

void tl_edge_done(struct tl_edge *edge)
{
    for (uint32_t i = 0; i < edge->keys.count; i++)
        tl_time_spans_done(&((struct chains *)tl_table_at(&edge->keys, i, NULL, NULL))->spans);
    tl_table_done(&edge->keys);
    pthread_mutex_destroy(&edge->lock);
}

static bool note(struct tl_edge *edge, uint64_t hash, struct tl_sv key, int64_t time_ms, int64_t end_ms)
{
    struct chains *mine;

    if (edge->closed) {
        mine = tl_table_find(&edge->keys, hash, key);
        if (mine == NULL || !mine->followed)
            return true;
    } else {
        mine = tl_table_put(&edge->keys, hash, key, NULL);
    }
    if (mine == NULL || !tl_time_spans_add(&mine->spans, time_ms, end_ms))
        return false;
    if (mine->spans.count >= mine->settle_count) { /* memory follows the chains, not the events */
        tl_time_spans_settle(&mine->spans);
        mine->settle_count = 2 * mine->spans.count + SETTLE_MIN;
    }
    return true;
}

bool tl_edge_note(struct tl_edge *edge, struct tl_sv key, int64_t time_ms, int64_t end_ms)
{
    uint64_t hash;
    bool noted;

    if (edge->read_ms == INT64_MIN || (edge->closed && edge->unknown_count == 0))
        return true;
    hash = tl_hash_bytes(key);
    pthread_mutex_lock(&edge->lock);
    noted = note(edge, hash, key, time_ms, end_ms);
    pthread_mutex_unlock(&edge->lock);
    return noted;
}

/* What may have begun before W: W - 1 is the last event that is not seen, and exactly a gap apart is one session. */
static bool is_unknown(const struct tl_edge *edge, const struct tl_time_span *chain)
{
    return chain->from_ms <= tl_add_sat_i64(edge->read_ms, edge->gap_ms - 1);
}

void tl_edge_close(struct tl_edge *edge, int64_t at_ms)
{
    edge->closed = true;
    for (uint32_t i = 0; i < edge->keys.count; i++) {
        struct chains *mine = tl_table_at(&edge->keys, i, NULL, NULL);

        tl_time_spans_settle(&mine->spans);
        for (size_t s = 0; s < mine->spans.count; s++)
            mine->followed = mine->followed || (is_unknown(edge, &mine->spans.items[s]) && mine->spans.items[s].to_ms >= at_ms);
        if (mine->followed)
            edge->unknown_count++;
        else
            tl_time_spans_done(&mine->spans);
    }
}

static bool hides(struct tl_edge *edge, struct tl_sv key, int64_t start_ms, int64_t end_ms)
{
    struct chains *mine = tl_table_find(&edge->keys, tl_hash_bytes(key), key);

    if (mine == NULL)
        return false;
    tl_time_spans_settle(&mine->spans);
    for (size_t s = 0; s < mine->spans.count; s++)
        if (is_unknown(edge, &mine->spans.items[s]) && mine->spans.items[s].from_ms < end_ms &&
            mine->spans.items[s].to_ms > start_ms)
            return true;
    return false;
}

bool tl_edge_hides(struct tl_edge *edge, struct tl_sv key, int64_t start_ms, int64_t end_ms)
{
    bool hidden;

    if (edge->closed && edge->unknown_count == 0)
        return false;
    pthread_mutex_lock(&edge->lock);
    hidden = hides(edge, key, start_ms, end_ms);
    pthread_mutex_unlock(&edge->lock);
    return hidden;
}
