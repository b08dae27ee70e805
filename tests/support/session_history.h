/* session_history.h: random events of one key, cut into sessions by two layers: by speed as they arrive, by batch all that it has read.
 *
 * A model of its own, without the core: speed fires a session when the watermark passes its end, and what comes later opens one of its own
 * that may overlap it (semantics.md 5.4); batch merges whatever touches. So the layers often disagree about where a session begins. Each
 * event is a bit, so a row says which events it has counted. */
#ifndef TL_TESTS_SESSION_HISTORY_H
#define TL_TESTS_SESSION_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/chance.h"

enum { HISTORY_EVENTS_MAX = 16 };

struct history_row {
    int64_t start_ms, end_ms;
    uint64_t events; /* bit i: event i */
};

struct history_rows {
    struct history_row list[2 * HISTORY_EVENTS_MAX]; /* in descending order of end */
    size_t count;
};

struct history {
    int64_t gap_ms, delay_ms;
    int64_t time_ms[HISTORY_EVENTS_MAX]; /* in the order of arrival */
    uint64_t rejected;                   /* by batch: a check drops them */
    size_t events_count, arrived_count;
    int64_t watermark_ms;
    struct history_rows speed;
    struct history_rows changed_put, changed_gone; /* by the last arrival */
    int64_t boundary_ms;                           /* INT64_MIN: nothing is published */
    struct history_rows batch, carried;            /* published; open at the boundary */
    uint64_t read;                                 /* the events that the last publication had read and counted */
};

/* Of `reject_percent` of the events batch will know nothing. */
void history_open(struct history *history, struct chance *chance, uint32_t reject_percent);
/* Speed counts the next event; false: there is none. */
bool history_arrive(struct history *history);
/* Batch reads what has arrived and publishes up to `boundary_ms`. */
void history_publish(struct history *history, int64_t boundary_ms);
/* A boundary for the next publication: random, and not below the last one. */
int64_t history_next_boundary(const struct history *history, struct chance *chance);

/* Which of the events that both layers have counted are served by none of these rows, and which by more than one. What batch has not come
 * to yet (behind the boundary) it refuses to nobody; what it did not read, or rejected, before the boundary is its own matter. */
struct history_balance {
    int lost, doubled;
};
struct history_balance history_weigh(const struct history *history, const struct history_row *served, size_t count);

#endif
