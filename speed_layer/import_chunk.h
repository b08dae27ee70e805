/* import_chunk.h: the lines of a span -> records for the log or the master record, and what is counted of them.
 *
 * All of it that needs no other span: several threads make chunks of one log side by side (import_pipe.h). What is left to
 * whoever takes the chunks in order is how many equal lines came before (repeats.h), which is part of an event's id.
 *
 * Blank lines are passed over. A line that cannot be read becomes a record as it stands, so that speed and batch find it and
 * make it a dead letter; one that happens to look like JSON gets words before it, for it must not become an event. */
#ifndef TL_IMPORT_CHUNK_H
#define TL_IMPORT_CHUNK_H

#include "core/user_agent_cache.h"
#include "log/log.h"
#include "speed_layer/access_log.h"
#include "speed_layer/import_progress.h"
#include "speed_layer/line_source.h"

/* What became of lines. */
struct tl_import_counts {
    uint64_t lines, fresh, known, broken, blank; /* fresh: new, and could be read */
    uint64_t bots, files;                        /* of the fresh: by bots (IS_BOT), for files (IS_FILE_REQUEST) */
};

/* How the lines of a log are read: the same for all of its chunks. */
struct tl_import_job {
    struct tl_import_kind kind;
    uint64_t host_seed;
    uint64_t known_lines; /* the first of the log, which become no records */
    int64_t partition;    /* -1: a line's hash decides */
    uint32_t partitions;
    const struct tl_user_agents *agents; /* NULL: bots are not counted */
    bool into_record;                    /* and not into the log: the forms of the records are wanted */
};

/* A line that may have equals: those that become events, and the known ones before them. */
struct tl_import_identity {
    XXH128_hash_t hash; /* of host and line */
    int64_t time_ms;
    uint32_t record; /* UINT32_MAX: it is known */
};

enum { TL_IMPORT_SHOWN_MAX = 5 };

struct tl_import_chunk {
    struct tl_lines lines;
    uint64_t lines_before;
    int64_t read_bytes; /* of the file, when the lines had been read */
    int64_t now_ms;     /* when it was read: never before that of the chunk before it */
    enum tl_code rc;
    struct tl_err err;
    /* made of the lines */
    struct tl_import_counts counts;
    XXH128_hash_t hash; /* of the span, as far as it goes */
    int64_t time_ms_min, time_ms_max;
    struct tl_buf json;
    struct tl_log_record *records; /* values stand in `json` or are lines; TL_MESSAGE_PADDING bytes are behind each */
    int64_t *times;                /* of each record's event; INT64_MIN: the line could not be read, or it is JSON */
    uint8_t *forms;                /* of each record, enum tl_master_form; only where job->into_record */
    struct tl_import_identity *identities;
    size_t records_count, identities_count, records_capacity; /* the capacity of all four arrays */
    struct {
        uint64_t line; /* of the log, from 0 */
        struct tl_sv text;
        const char *why;
    } broken[TL_IMPORT_SHOWN_MAX]; /* the first of them */
};

void tl_import_chunk_init(struct tl_import_chunk *chunk);
void tl_import_chunk_done(struct tl_import_chunk *chunk);

/* What a thread needs, for one chunk after another. */
struct tl_import_maker {
    struct tl_buf scratch;
    XXH3_state_t *state;
    struct tl_user_agent_cache *agents;
    struct tl_arena batch; /* what the cache gives up while a chunk is made */
};

TL_MUST_USE enum tl_code tl_import_maker_init(struct tl_import_maker *maker, struct tl_err *err);
void tl_import_maker_done(struct tl_import_maker *maker);
/* Fills the chunk from its lines. */
TL_MUST_USE enum tl_code tl_import_chunk_make(struct tl_import_maker *maker, const struct tl_import_job *job,
                                              struct tl_import_chunk *chunk, struct tl_err *err);
/* The identity's record becomes the event of a line that `before` equal ones came before. */
void tl_import_chunk_number(struct tl_import_chunk *chunk, const struct tl_import_job *job,
                            const struct tl_import_identity *identity, uint64_t before);
/* The hash that an identity holds of a line. */
XXH128_hash_t tl_import_line_hash(const struct tl_import_job *job, struct tl_sv line);
enum tl_access_format tl_import_access_format(enum tl_import_format format);
/* Can a log of the format have such a line? */
bool tl_import_line_fits(enum tl_import_format format, struct tl_sv line);
bool tl_import_line_is_blank(struct tl_sv line);

#endif
