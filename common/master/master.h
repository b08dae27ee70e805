/* master.h: the master record: immutable files, each one contiguous offset range of one partition.
 *
 *   DIR/topics/<topic>/partition=<n>/<topic>+<n>+<first offset, 10 digits>.jsonl.zst    a line is one message, byte for byte
 *                                    same name .other.zst    messages that are no line: tombstones, embedded newlines, binary
 *                                    same name .index        offset and log timestamp of every message, facts about them
 *   DIR/topics/<topic>/complete.json                         per partition: complete up to which offset, as of when
 *
 * Written to a name that begins with '_', fsynced, renamed (the .jsonl.zst last: a file is there when that name is), the folder
 * fsynced. The data file is a row of zstd frames ("blocks") of about TL_MASTER_BLOCK_BYTES, each with whole lines, so that zstdcat,
 * DuckDB, ClickHouse and Spark read the file as it is, and several threads can read blocks side by side.
 * Files never change once they are there. An index that does not fit its file is TL_ERR_CORRUPT, which names the file. An index or
 * other file without its data file is what a killed writer left, ignored, and overwritten by the next; or it is of a file that was there and is
 * gone: where others speak of its offsets (tl_master_find_lost).
 * Topic names in paths are percent-encoded outside [A-Za-z0-9._-], and so is a '.' or '_' at their beginning: "..", and names that
 * Spark and Hive take for hidden, are then names like any other.
 *
 * What is a line: 1 byte to TL_MASTER_LINE_BYTES_MAX of valid UTF-8 without control characters but the tab, that begins and ends (spaces
 * and tabs aside) as a JSON text does: { }, [ ], " ", a number, true, false, null. Whether it is one all through is not asked: what is
 * not is one bad line to other readers (DuckDB: read_json with ignore_errors, newline_delimited and the columns named passes over
 * it), and a dead letter for both layers alike. */
#ifndef TL_MASTER_H
#define TL_MASTER_H

#include "base/base.h"
#include "event/batch.h"

#ifdef TL_TINY
#define TL_MASTER_BLOCK_BYTES 256
#else
#define TL_MASTER_BLOCK_BYTES (1u << 20)
#endif

/* The largest line: DuckDB's read_json gives up on a file with a line of more than 16 MiB; 'tally.max-event-bytes' is 8 MiB unless set. */
#define TL_MASTER_LINE_BYTES_MAX (8u << 20)

struct tl_master;

TL_MUST_USE enum tl_code tl_master_open(const char *data_dir, struct tl_master **out, struct tl_err *err);
void tl_master_close(struct tl_master *master);

/* ---- what is there ---- */

struct tl_master_day {
    int32_t day; /* days since 1970-01-01 UTC */
    uint64_t events_count;
};

struct tl_master_block {
    uint64_t position, packed_bytes, raw_bytes; /* the zstd frame in the data file */
    uint32_t messages_count;                    /* lines and others */
    int64_t first_offset, last_offset;
    int64_t log_ms_min, log_ms_max;
    int64_t time_ms_min, time_ms_max; /* of the events that are neither dead letters nor in the future; min > max: none */
};

#define TL_MASTER_BEGIN_UNKNOWN INT64_C(-1)

struct tl_master_file {
    struct tl_sv topic;
    uint32_t partition;
    const char *path;     /* of the data file */
    int64_t begin_offset; /* the log had no message from there up to first_offset; TL_MASTER_BEGIN_UNKNOWN in old indexes */
    int64_t first_offset, last_offset;
    uint64_t messages_count, raw_bytes;
    uint64_t time_rule;               /* which event-time rule the facts were made with: tl_master_facts */
    int64_t time_ms_min, time_ms_max; /* min > max: none */
    int64_t watermark_ms;             /* highest watermark that an event of this file gave; INT64_MIN: none */
    const struct tl_master_day *days; /* ascending */
    uint32_t days_count;
    const struct tl_master_block *blocks;
    uint32_t blocks_count;
    const struct tl_master_index *index; /* for the reader: where each part lies in the three files (master_index.h) */
};

/* Calls `each` for every topic that is on record, those of imports too, in no order. */
TL_MUST_USE enum tl_code tl_master_topics(struct tl_master *master,
                                          enum tl_code (*each)(void *ctx, struct tl_sv topic, struct tl_err *err), void *ctx,
                                          struct tl_err *err);
/* The topic's files by partition, then first offset; valid until tl_master_let_go or close. Reads and checks the indexes. Gaps
 * between files are allowed (compaction, trimmed logs), overlaps are TL_ERR_CORRUPT. No such topic: count 0. Files that are not named
 * like ours are none of ours and are passed over. The bytes of blocks are checked when they are read. */
TL_MUST_USE enum tl_code tl_master_list(struct tl_master *master, struct tl_sv topic, const struct tl_master_file **files,
                                        size_t *count, struct tl_err *err);

/* A file that cannot be used: its index or its length does not fit, or another file has offsets of it as well; or it is gone. */
struct tl_master_damage {
    enum tl_code code; /* TL_ERR_CORRUPT, or TL_ERR_IO where the system does not give it out */
    bool overlaps, missing;
    uint32_t partition;
    int64_t first_offset;              /* by its name; -1: it is not named like ours */
    int64_t last_offset;               /* -1: nobody can say */
    const char *path;                  /* of the data file; "" where its name is not known */
    const char *message;               /* names the file, and says what would be right */
    const struct tl_master_file *file; /* what its index says; NULL: nobody can say */
};

/* Offsets that no file has: the log had none, or a file is gone; what stands behind them is too old to tell. */
struct tl_master_gap {
    uint32_t partition;
    int64_t first_offset, last_offset;
};

struct tl_master_list {
    const struct tl_master_file *files; /* as above */
    size_t files_count;
    const struct tl_master_damage *damage;
    size_t damage_count;
    const struct tl_master_gap *gaps; /* tl_master_find_lost finds them */
    size_t gaps_count;
};
/* The same, but what is damaged is set aside. */
TL_MUST_USE enum tl_code tl_master_list_sound(struct tl_master *master, struct tl_sv topic, struct tl_master_list *out,
                                              struct tl_err *err);
/* What was listed of the topic is not read any more: compaction and retention may have it. */
void tl_master_let_go(struct tl_master *master, struct tl_sv topic);

struct tl_master_complete {
    uint32_t partition;
    int64_t offset;       /* every message below it is on record */
    int64_t end_ms;       /* wall-clock time at which that was the log's end; INT64_MIN: it never was */
    int64_t files_offset; /* behind the last message that had a file then; 0: none had, or it is not known */
};
/* No statement yet: count 0, *identity 0. *out is valid until close or the next call for that topic. */
TL_MUST_USE enum tl_code tl_master_read_complete(struct tl_master *master, struct tl_sv topic,
                                                 const struct tl_master_complete **out, size_t *count, uint64_t *identity,
                                                 struct tl_err *err);
/* Replaces the topic's statement, atomically. `identity` is the log's (log.h): an archive refuses to go on under another one. */
TL_MUST_USE enum tl_code tl_master_write_complete(struct tl_master *master, struct tl_sv topic,
                                                  const struct tl_master_complete *complete, size_t count, uint64_t identity,
                                                  struct tl_err *err);

/* What retention has taken away: per partition, the offset below which no file is any more. The same form and rules as the statement above, in
 * thinned.json; the other fields are 0. */
TL_MUST_USE enum tl_code tl_master_read_thinned(struct tl_master *master, struct tl_sv topic,
                                                const struct tl_master_complete **out, size_t *count, struct tl_err *err);
/* Removes the files of each partition that lie below its `offset` (which is where a file begins), for ever: thinned.json first, so that whatever is
 * killed, no file is missing that it does not tell of, and the next call (of no partitions, if need be) does the rest. Waits so long for
 * those who read or write it: TL_ERR_BUSY. Behind it the topic is to be listed anew. */
TL_MUST_USE enum tl_code tl_master_thin(struct tl_master *master, struct tl_sv topic, const struct tl_master_complete *offsets,
                                        size_t count, int64_t wait_ms, struct tl_err *err);

/* Adds to the list's damage what is gone, for others speak of it: each file says behind which offset it was begun, and `complete` where the last one
 * ended. Where its index still stands, it tells what was in it. Offsets that the log never had are not gone, nor what `thinned` says was taken. `complete` is of before
 * the topic was listed, for archive writes files before it; `thinned` of behind that. Lists anew where files came meanwhile. */
TL_MUST_USE enum tl_code tl_master_find_lost(struct tl_master *master, struct tl_sv topic,
                                             const struct tl_master_complete *complete, size_t complete_count,
                                             const struct tl_master_complete *thinned, size_t thinned_count,
                                             struct tl_master_list *list, struct tl_err *err);

/* ---- reading ---- */

struct tl_master_reader; /* one a thread */
TL_MUST_USE enum tl_code tl_master_reader_open(struct tl_master_reader **out, struct tl_err *err);
void tl_master_reader_close(struct tl_master_reader *reader);
/* All messages of the block in offset order, padded; valid until the next read on this reader. Warm, nothing is allocated. */
TL_MUST_USE enum tl_code tl_master_read_block(struct tl_master_reader *reader, const struct tl_master_file *file, uint32_t block,
                                              const struct tl_message **messages, size_t *count, struct tl_err *err);

/* All that can be held against all else: the hashes of the whole files, and every block's bytes, counts and offsets. The first thing that
 * does not fit is the error, and names the file. Event times are not read anew: the index that has them has a hash. */
TL_MUST_USE enum tl_code tl_master_check(struct tl_master_reader *reader, const struct tl_master_file *file, struct tl_err *err);
/* Bytes that this reads. */
uint64_t tl_master_packed_bytes(const struct tl_master_file *file);

/* What a killed writer, compaction or retention left of the topic: temporary names, folders made anew, an index or other file without its data
 * file. None of it is read, unless the file is gone (tl_master_find_lost). */
TL_MUST_USE enum tl_code tl_master_leftovers(struct tl_master *master, struct tl_sv topic,
                                             enum tl_code (*each)(void *ctx, uint32_t partition, const char *path,
                                                                  struct tl_err *err),
                                             void *ctx, struct tl_err *err);

/* ---- writing ---- */

enum tl_master_form { TL_MASTER_FORM_UNKNOWN, TL_MASTER_FORM_LINE, TL_MASTER_FORM_OTHER };
/* What is a line, above: one of the two. */
enum tl_master_form tl_master_form_of(struct tl_sv value);

/* What the writer's caller knows of one message's events (core/intake.h tells it). */
struct tl_master_facts {
    uint32_t events_count;  /* events with a usable time: neither dead letters nor in the future */
    const int64_t *time_ms; /* their event times */
    int64_t watermark_ms;   /* the highest that one of them gave; INT64_MIN: none */
    /* tl_master_form_of of the message, where it has been asked already (on another thread, say). */
    enum tl_master_form form;
};

struct tl_master_writer;
/* Starts a file of the partition. The writer holds one file's statistics and one block in memory. Leftover temporary files of the
 * partition are removed. `time_rule`: a hash that says how event times were read; kept in the index. */
TL_MUST_USE enum tl_code tl_master_writer_open(struct tl_master *master, struct tl_sv topic, uint32_t partition,
                                               uint64_t time_rule, struct tl_master_writer **out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_master_writer_add(struct tl_master_writer *writer, const struct tl_message *message,
                                              const struct tl_master_facts *facts, struct tl_err *err);
uint64_t tl_master_writer_raw_bytes(const struct tl_master_writer *writer);
/* The log has no message from `begin_offset` up to the file's first one: where the file before ends, and 0 where there is none. Unless said,
 * the file begins with its first message. TL_MASTER_BEGIN_UNKNOWN is taken, too. */
void tl_master_writer_begin_at(struct tl_master_writer *writer, int64_t begin_offset);
/* Makes the file durable and visible; a writer to which nothing was added leaves no file. The writer is gone either way. */
TL_MUST_USE enum tl_code tl_master_writer_finish(struct tl_master_writer *writer, struct tl_err *err);
void tl_master_writer_abandon(struct tl_master_writer *writer); /* removes what it wrote; NULL is fine */

/* ---- other files with the same messages ----
 *
 *   topics/events/partition=0     a b c d     what readers list
 *   topics/_events/partition=0    abc         what is written here: one file instead of three
 *                                 abc d       then links to the files that stay
 *        exchange                             one system call: readers list a b c d, or abc d
 *   topics/_events/partition=0    a b c d     the old folder, which is removed a while later
 *
 * So there is no moment at which an offset is in no file or in two, for whatever lists the folder, DuckDB too, and whatever is killed: what
 * stands in "_events" is read by nobody, and removed by the next who begins there. Whoever has listed a topic (or has a file of it open to write)
 * holds a lock on it, shared, until tl_master_let_go or close; the exchange wants that lock alone. So no reader of ours is left with
 * names that are gone. One that takes no lock may be: it is told that a file is not there. That it is not caught in the middle of listing the
 * old folder is what the while is for. Two that make files anew keep out of each other's way by a lock of their caller's. */
struct tl_master_swap;
/* Removes the old folders of the topic, and what killed ones have left. */
TL_MUST_USE enum tl_code tl_master_swap_clean(struct tl_master *master, struct tl_sv topic, struct tl_err *err);
/* The topic has been listed by this handle. */
TL_MUST_USE enum tl_code tl_master_swap_open(struct tl_master *master, struct tl_sv topic, uint32_t partition,
                                             struct tl_master_swap **out, struct tl_err *err);
TL_MUST_USE enum tl_code tl_master_swap_writer(struct tl_master_swap *swap, uint64_t time_rule, struct tl_master_writer **out,
                                               struct tl_err *err);
/* The files that were written; valid until the next call or close. */
TL_MUST_USE enum tl_code tl_master_swap_list(struct tl_master_swap *swap, const struct tl_master_file **files, size_t *count,
                                             struct tl_err *err);
/* They stand instead of `replaced`, files of the partition as it was listed. Waits so long for those who read or write the topic: TL_ERR_BUSY.
 * Behind it, as behind any failure, the topic is to be listed anew. TL_ERR_LIMIT: the file system exchanges no folders. */
TL_MUST_USE enum tl_code tl_master_swap_commit(struct tl_master_swap *swap, const struct tl_master_file *const *replaced,
                                               size_t count, int64_t wait_ms, struct tl_err *err);
void tl_master_swap_close(struct tl_master_swap *swap); /* removes what was not put in place; NULL is fine */

#endif
