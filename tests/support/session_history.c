/* session_history.c: random events of one key, cut into sessions by two layers. */
#include "support/session_history.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct arrival {
    int64_t time_ms, at_ms;
};

static int by_arrival(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;

    return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms)
                                : (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

void history_open(struct history *h, struct chance *chance, uint32_t reject_percent)
{
    struct arrival arrivals[HISTORY_EVENTS_MAX];
    uint32_t latest_ms = chance_below(chance, 40);

    *h = (struct history){.watermark_ms = INT64_MIN, .boundary_ms = INT64_MIN};
    h->gap_ms = 3 + chance_below(chance, 12);
    h->delay_ms = chance_below(chance, 8);
    h->events_count = 2 + chance_below(chance, HISTORY_EVENTS_MAX - 1);
    for (size_t i = 0; i < h->events_count; i++) {
        arrivals[i].time_ms = (int64_t)chance_below(chance, 100) - 20;
        arrivals[i].at_ms = arrivals[i].time_ms + (int64_t)chance_below(chance, latest_ms + 1);
    }
    qsort(arrivals, h->events_count, sizeof *arrivals, by_arrival);
    for (size_t i = 0; i < h->events_count; i++) {
        h->time_ms[i] = arrivals[i].time_ms;
        if (chance_below(chance, 100) < reject_percent)
            h->rejected |= UINT64_C(1) << i;
    }
}

static void add(struct history_rows *rows, struct history_row row)
{
    size_t i = rows->count++;

    cr_assert(i < sizeof rows->list / sizeof *rows->list);
    for (; i > 0 && rows->list[i - 1].end_ms < row.end_ms; i--)
        rows->list[i] = rows->list[i - 1];
    rows->list[i] = row;
}

static void take_out(struct history_rows *rows, size_t at)
{
    rows->count--;
    for (size_t i = at; i < rows->count; i++)
        rows->list[i] = rows->list[i + 1];
}

static bool touch(const struct history_row *a, const struct history_row *b)
{
    return a->start_ms <= b->end_ms && b->start_ms <= a->end_ms;
}

static void join(struct history_row *row, const struct history_row *other)
{
    row->start_ms = other->start_ms < row->start_ms ? other->start_ms : row->start_ms;
    row->end_ms = other->end_ms > row->end_ms ? other->end_ms : row->end_ms;
    row->events |= other->events;
}

bool history_arrive(struct history *h)
{
    size_t number = h->arrived_count;
    int64_t time_ms;
    struct history_row row;
    bool joined = false;

    h->changed_put.count = h->changed_gone.count = 0;
    if (number == h->events_count)
        return false;
    h->arrived_count++;
    time_ms = h->time_ms[number];
    row = (struct history_row){time_ms, time_ms + h->gap_ms, UINT64_C(1) << number};
    for (size_t i = 0; i < h->speed.count;) {
        const struct history_row *open = &h->speed.list[i];

        if (open->end_ms - 1 <= h->watermark_ms || !touch(open, &row)) {
            i++;
            continue;
        }
        add(&h->changed_gone, *open);
        join(&row, open);
        take_out(&h->speed, i);
        joined = true;
        i = 0; /* the larger one may touch more */
    }
    if (joined || row.end_ms - 1 > h->watermark_ms) { /* else it comes too late */
        add(&h->speed, row);
        add(&h->changed_put, row);
    }
    if (time_ms - h->delay_ms > h->watermark_ms)
        h->watermark_ms = time_ms - h->delay_ms;
    return true;
}

void history_publish(struct history *h, int64_t boundary_ms)
{
    struct history_rows all = {.count = 0};

    h->boundary_ms = boundary_ms;
    h->batch.count = h->carried.count = 0;
    h->read = 0;
    for (size_t number = 0; number < h->arrived_count; number++) {
        struct history_row row = {h->time_ms[number], h->time_ms[number] + h->gap_ms, UINT64_C(1) << number};

        if (h->time_ms[number] >= boundary_ms || (h->rejected & row.events) != 0)
            continue;
        h->read |= row.events;
        for (size_t i = 0; i < all.count;) {
            if (!touch(&all.list[i], &row)) {
                i++;
                continue;
            }
            join(&row, &all.list[i]);
            take_out(&all, i);
            i = 0;
        }
        add(&all, row);
    }
    for (size_t i = 0; i < all.count; i++) /* an event at the boundary itself may still join what ends there */
        add(all.list[i].end_ms < boundary_ms ? &h->batch : &h->carried, all.list[i]);
}

int64_t history_next_boundary(const struct history *h, struct chance *chance)
{
    int64_t boundary_ms = (int64_t)chance_below(chance, 130) - 25;

    return boundary_ms > h->boundary_ms ? boundary_ms : h->boundary_ms;
}

struct history_balance history_weigh(const struct history *h, const struct history_row *served, size_t count)
{
    struct history_balance balance = {0, 0};
    uint64_t counted = 0;

    for (size_t i = 0; i < h->speed.count; i++)
        counted |= h->speed.list[i].events;
    for (size_t number = 0; number < h->arrived_count; number++) {
        uint64_t event = UINT64_C(1) << number;
        int times = 0;

        for (size_t i = 0; i < count; i++)
            times += (served[i].events & event) != 0;
        balance.doubled += times > 1;
        balance.lost += times == 0 && (counted & event) != 0 && (h->time_ms[number] >= h->boundary_ms || (h->read & event) != 0);
    }
    return balance;
}
