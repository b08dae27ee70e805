/* archive_record.h: the part of the master record that a views file reads, held by one who keeps it in order: no other one at a time. */
#ifndef TL_ARCHIVE_RECORD_H
#define TL_ARCHIVE_RECORD_H

#include "base/lock.h"
#include "main/option.h"
#include "main/source_topics.h"
#include "main/views.h"
#include "master/master.h"

struct tl_archive_record {
    struct tl_functions *functions;
    struct tl_plan *plan;
    struct tl_source_topics *topics;
    struct tl_master *master;
    struct tl_lock *lock;
};

/* All zero before. TL_ERR_BUSY: another one holds DIR/record.lock. */
TL_MUST_USE enum tl_code tl_archive_record_open(struct tl_archive_record *record, const struct tl_common_options *common,
                                                struct tl_err *err);
void tl_archive_record_close(struct tl_archive_record *record);

struct tl_archive_topic {
    struct tl_sv name; /* of the master record: "<topic>" or "<topic>.import" */
    uint32_t source;   /* the first that reads it: its rule of event time is the one that the indexes are made by */
};
/* Each topic once, those of imports too. */
TL_MUST_USE enum tl_code tl_archive_record_each(struct tl_archive_record *record,
                                                enum tl_code (*each)(void *ctx, const struct tl_archive_topic *topic,
                                                                     struct tl_err *err),
                                                void *ctx, struct tl_err *err);

#endif
