/* schema.h: the columns of a source that the plan wants from each event, and how the source's JSON is read. */
#ifndef TL_SCHEMA_H
#define TL_SCHEMA_H

#include "event/value.h"

enum tl_time_format { TL_TIME_SQL, TL_TIME_ISO_8601 }; /* 'json.timestamp-format.standard' */

struct tl_field {
    struct tl_sv name; /* case-sensitive */
    enum tl_kind kind;
};

/* Borrowed by the parser: must outlive it. Only the wanted physical columns, in any order. */
struct tl_schema {
    const struct tl_field *fields;
    uint32_t fields_count;
    enum tl_time_format time_format;
    size_t event_bytes_max; /* 'tally.max-event-bytes', 8 MiB unless set */
    uint32_t depth_max;     /* 1,024 */
};

/* The normaliser's version: stamped on runs and speed tables. Raise it when the same bytes would give other values. */
#define TL_NORMALISER_VERSION 2

#endif
