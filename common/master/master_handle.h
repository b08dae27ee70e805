/* master_handle.h: the handle of the master record, and what it has handed out of each topic. For common/master alone. */
#ifndef TL_MASTER_HANDLE_H
#define TL_MASTER_HANDLE_H

#include "base/arena.h"
#include "master/master.h"

struct tl_master_topic {
    struct tl_master_topic *next;
    struct tl_sv topic; /* in `names` */
    struct tl_arena names, files, complete, thinned;
    bool held; /* what was listed may be read: the topic is locked */
};

struct tl_master {
    char *data_dir;
    struct tl_master_topic *topics;
    int lock_fd; /* -1: not open (yet) */
};

/* Locks of topics: a byte of DIR/record.lock each, by the topic's hash (fcntl's locks of open files, which flock's on the same file do not meet). A
 * file system without them, or on which the file cannot be had, has no compaction either, for that wants one. */
int tl_master_lock_open(const char *data_dir); /* -1: none to be had */
/* F_RDLCK, F_WRLCK or F_UNLCK; false, with errno, where that cannot be, or (without `waits`) not now. */
bool tl_master_lock_set(int fd, struct tl_sv topic, short how, bool waits);
/* Shares the topic's lock by *fd, which is opened where it is -1. Without a lock (see above) it goes on; TL_ERR_IO where there is one and it cannot
 * be had just now. */
TL_MUST_USE enum tl_code tl_master_lock_share(int *fd, const char *data_dir, struct tl_sv topic, struct tl_err *err);

/* What was handed out about a topic stands in arenas of its own, so that asking about one topic leaves the others alone. */
TL_MUST_USE enum tl_code tl_master_topic_find(struct tl_master *master, struct tl_sv name, struct tl_master_topic **out,
                                              struct tl_err *err);
/* TL_ERR_CORRUPT where it is no ordinary file. */
TL_MUST_USE enum tl_code tl_master_file_size(int fd, const char *path, uint64_t *out, struct tl_err *err);

/* The files of one partition's folder, wherever it stands; `encoded`: the topic as in names. */
TL_MUST_USE enum tl_code tl_master_list_folder(struct tl_arena *arena, struct tl_sv topic, const char *encoded,
                                               uint32_t partition, const char *folder, struct tl_master_list *out,
                                               struct tl_err *err);
/* What is wrong with one file, by the name of its data file. *found: false where nothing is. */
TL_MUST_USE enum tl_code tl_master_damage_of(struct tl_arena *arena, struct tl_sv topic, const char *encoded, uint32_t partition,
                                             const char *folder, const char *name, struct tl_master_damage *out, bool *found,
                                             struct tl_err *err);
/* A writer that writes into this folder, which is there. */
TL_MUST_USE enum tl_code tl_master_writer_open_in(struct tl_master *master, struct tl_sv topic, uint32_t partition,
                                                  uint64_t time_rule, const char *folder, struct tl_master_writer **out,
                                                  struct tl_err *err);
/* Replaces the statement of that name on the topic's partitions, atomically. */
TL_MUST_USE enum tl_code tl_master_write_statement(struct tl_master *master, struct tl_sv topic, const char *name,
                                                   const struct tl_master_complete *complete, size_t count, uint64_t identity,
                                                   struct tl_err *err);
/* What was listed of the topic becomes ours alone: waits until nobody else reads or writes it. TL_ERR_BUSY: the time is over, and nothing of
 * it is locked any more. Given back by tl_master_let_go. */
TL_MUST_USE enum tl_code tl_master_topic_alone(struct tl_master *master, struct tl_sv topic, int64_t wait_ms, struct tl_err *err);

#endif
