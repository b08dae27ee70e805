/* visits.h: events that are the same for the same numbers: some late, some copies, some that conflict, some broken; and views over them. */
#ifndef TL_TEST_VISITS_H
#define TL_TEST_VISITS_H

#include <stdint.h>

/* "hits": 10-second windows by host; "big": a view without a window. The watermark is 5 s behind. */
extern const char visits_views[];
/* Every other kind of window, HAVING, and views on views: the names are in visits_windows_names, the last one is NULL. */
extern const char visits_windows[];
extern const char *const visits_windows_names[];
#define VISITS_START_MS INT64_C(1772323200000) /* 2026-03-01T00:00:00Z */

/* Appends events number `from` .. `to`-1 to a log, or to the embedded log of `data`, one every step_ms, dealt to the partitions in turn. */
struct tl_log;
void visits_append_to(struct tl_log *log, const char *topic, uint32_t partitions, int64_t step_ms, int from, int to);
void visits_append(const char *data, uint32_t partitions, int64_t step_ms, int from, int to);

#endif
