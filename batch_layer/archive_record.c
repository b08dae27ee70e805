/* archive_record.c: the part of the master record that a views file reads. See archive_record.h. */
#include "archive_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/data_dir.h"

enum tl_code tl_archive_record_open(struct tl_archive_record *record, const struct tl_common_options *common, struct tl_err *err)
{
    char *lock_path = NULL;
    enum tl_code rc;

    TL_TRY(tl_options_need_views(common, err));
    TL_TRY(tl_views_open(common, common->views, &record->functions, &record->plan, err));
    TL_TRY(tl_data_dir_make(common->data, err));
    if (asprintf(&lock_path, "%s/record.lock", common->data) < 0) {
        lock_path = NULL;
        TL_TRY(tl_fail_memory(err, strlen(common->data)));
    }
    TL_TRY(tl_lock_take(lock_path, "archive --compact or --retention", &record->lock, err));
    TL_TRY(tl_master_open(common->data, &record->master, err));
    TL_TRY(tl_source_topics_open(record->plan, &record->topics, err));
    TL_TRY(tl_source_topics_recorded(record->topics, record->master, err));
out:
    free(lock_path);
    return rc;
}

void tl_archive_record_close(struct tl_archive_record *record)
{
    tl_source_topics_close(record->topics);
    tl_master_close(record->master);
    tl_lock_release(record->lock);
    tl_views_close(record->functions, record->plan);
}

static bool came_before(const struct tl_archive_record *record, uint32_t source, struct tl_sv name)
{
    for (uint32_t s = 0; s < source; s++) {
        uint32_t count;
        const struct tl_source_topic *topics = tl_source_topics_of(record->topics, s, &count);

        for (uint32_t t = 0; t < count; t++)
            if (tl_sv_eq(topics[t].name, name))
                return true;
    }
    return false;
}

enum tl_code tl_archive_record_each(struct tl_archive_record *record,
                                    enum tl_code (*each)(void *ctx, const struct tl_archive_topic *topic, struct tl_err *err),
                                    void *ctx, struct tl_err *err)
{
    char *import = NULL;
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < record->plan->sources_count; s++) {
        uint32_t count;
        const struct tl_source_topic *topics = tl_source_topics_of(record->topics, s, &count);

        for (uint32_t t = 0; t < count; t++) {
            if (came_before(record, s, topics[t].name))
                continue;
            TL_TRY(each(ctx, &(struct tl_archive_topic){topics[t].name, s}, err));
            if (asprintf(&import, "%.*s.import", TL_SV_ARG(topics[t].name)) < 0) {
                import = NULL;
                TL_TRY(tl_fail_memory(err, topics[t].name.size));
            }
            TL_TRY(each(ctx, &(struct tl_archive_topic){tl_sv_from(import), s}, err));
            free(import);
            import = NULL;
        }
    }
out:
    free(import);
    return rc;
}
