/* dead_topic.c: makes a message of a dead letter, and appends it. See dead_topic.h. */
#include "dead_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/source_log.h"

enum { LETTERS_MAX = 256, KEY_BYTES = 320, NUMBER_BYTES = 24, HEADERS = 7 };

/* One message's texts, which the record's views are of. */
struct letter {
    char key[KEY_BYTES], partition[NUMBER_BYTES], offset[NUMBER_BYTES], row[NUMBER_BYTES], log_ms[NUMBER_BYTES];
    struct tl_log_header headers[HEADERS];
};

struct tl_dead_topic {
    const struct tl_plan *plan;
    struct tl_source_logs *logs;
    uint32_t *partitions; /* per source: of its topic for dead letters; 0: it has none */
    struct letter letters[LETTERS_MAX];
    struct tl_log_record records[LETTERS_MAX];
};

enum tl_code tl_dead_topic_open(const struct tl_common_options *common, const struct tl_plan *plan, struct tl_dead_topic **out,
                                struct tl_err *err)
{
    struct tl_dead_topic *topic = NULL;
    bool any = false;
    enum tl_code rc;

    for (uint32_t s = 0; s < plan->sources_count; s++)
        any = any || plan->sources[s].dead_letter_topic.size > 0;
    *out = NULL;
    if (!any || strcmp(common->log, "kafka") != 0)
        return TL_OK;
    topic = calloc(1, sizeof *topic);
    if (topic == NULL)
        return tl_fail_memory(err, sizeof *topic);
    topic->plan = plan;
    topic->partitions = calloc(plan->sources_count, sizeof *topic->partitions);
    if (topic->partitions == NULL)
        TL_TRY(tl_fail_memory(err, plan->sources_count * sizeof *topic->partitions));
    TL_TRY(tl_source_logs_open(common, plan, TL_LOG_APPEND, &topic->logs, err));
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        struct tl_sv name = plan->sources[s].dead_letter_topic;
        uint64_t identity;

        if (name.size == 0)
            continue;
        TL_TRY(tl_log_create_topic(tl_source_log(topic->logs, s), name, 0, err));
        TL_TRY(tl_log_topic(tl_source_log(topic->logs, s), name, &topic->partitions[s], &identity, err));
    }
    *out = topic;
    topic = NULL;
out:
    tl_dead_topic_close(topic);
    return rc;
}

void tl_dead_topic_close(struct tl_dead_topic *topic)
{
    if (topic == NULL)
        return;
    tl_source_logs_close(topic->logs);
    free(topic->partitions);
    free(topic);
}

static void fill(struct tl_dead_topic *topic, size_t i, uint32_t source, struct tl_sv name, uint32_t partition,
                 const struct tl_dead *dead)
{
    struct letter *letter = &topic->letters[i];

    snprintf(letter->partition, sizeof letter->partition, "%" PRIu32, partition);
    snprintf(letter->offset, sizeof letter->offset, "%" PRId64, dead->offset);
    snprintf(letter->row, sizeof letter->row, "%" PRIu32, dead->row);
    snprintf(letter->log_ms, sizeof letter->log_ms, "%" PRId64, dead->log_ms);
    snprintf(letter->key, sizeof letter->key, "%.*s/%s/%s/%s", TL_SV_ARG(name), letter->partition, letter->offset, letter->row);
    letter->headers[0] = (struct tl_log_header){"tally.reason", tl_sv_from(tl_dead_reason_text(dead->reason))};
    letter->headers[1] = (struct tl_log_header){"tally.cause", tl_sv_from(tl_dead_reason_cause(dead->reason))};
    letter->headers[2] = (struct tl_log_header){"tally.topic", name};
    letter->headers[3] = (struct tl_log_header){"tally.partition", tl_sv_from(letter->partition)};
    letter->headers[4] = (struct tl_log_header){"tally.offset", tl_sv_from(letter->offset)};
    letter->headers[5] = (struct tl_log_header){"tally.row", tl_sv_from(letter->row)};
    letter->headers[6] = (struct tl_log_header){"tally.timestamp", tl_sv_from(letter->log_ms)};
    topic->records[i] = (struct tl_log_record){
        .partition = partition % topic->partitions[source],
        .log_ms = INT64_MIN,
        .value = {dead->raw.size > 0 ? dead->raw.data : "", dead->raw.size},
        .key = tl_sv_from(letter->key),
        .headers = letter->headers,
        .headers_count = HEADERS
    };
}

enum tl_code tl_dead_topic_send(struct tl_dead_topic *topic, uint32_t source, struct tl_sv from, uint32_t partition,
                                const struct tl_dead *dead, size_t count, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    if (topic == NULL || topic->partitions[source] == 0)
        return TL_OK;
    while (count > 0) {
        size_t some = count < LETTERS_MAX ? count : LETTERS_MAX;

        for (size_t i = 0; i < some; i++)
            fill(topic, i, source, from, partition, &dead[i]);
        TL_TRY(tl_log_append(tl_source_log(topic->logs, source), topic->plan->sources[source].dead_letter_topic, topic->records,
                             some, NULL, err));
        dead += some;
        count -= some;
    }
out:
    return rc;
}
