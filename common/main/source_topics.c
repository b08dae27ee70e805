/* source_topics.c: the topics that the tables of a plan read. See source_topics.h. */
#include "main/source_topics.h"

#include <stdlib.h>

#include "base/table.h"
#include "core/regex.h"
#include "event/partition.h"
#include "sql/table_options.h"

/* Of one table. */
struct list {
    const struct tl_regex *pattern; /* NULL: it reads one topic */
    struct tl_source_topic *items;
    uint32_t count, capacity;
    struct tl_table numbers; /* name -> which of the items; keeps the names */
};

struct tl_source_topics {
    const struct tl_plan *plan;
    struct tl_arena patterns;
    struct tl_regex_scratch *scratch;
    struct list *lists;
};

/* ---- opening ---- */

/* A name is a short text, and matched a few times: no machine code is worth it. */
static enum tl_code compile(struct tl_sv pattern, struct tl_arena *arena, const struct tl_regex **out, struct tl_err *err)
{
    return tl_regex_compile(pattern, TL_REGEX_JAVA | TL_REGEX_WHOLE | TL_REGEX_INTERPRETED, arena, out, err);
}

enum tl_code tl_topic_pattern_check(struct tl_sv pattern, struct tl_err *err)
{
    const struct tl_regex *unused;
    struct tl_arena arena;
    enum tl_code rc;

    tl_arena_init(&arena, 4096, 0);
    rc = compile(pattern, &arena, &unused, err);
    tl_arena_done(&arena);
    return rc;
}

static enum tl_code put(struct list *list, struct tl_sv name, uint32_t number, struct tl_err *err)
{
    bool is_new = false;
    uint32_t *at = tl_table_put(&list->numbers, tl_hash_bytes(name), name, &is_new);

    if (at == NULL)
        return tl_fail_memory(err, name.size);
    if (is_new) {
        if (list->count == list->capacity) {
            uint32_t capacity = list->capacity * 2 + 8;

            if (!TL_RESIZE(list->items, capacity))
                return tl_fail_memory(err, capacity * sizeof *list->items);
            list->capacity = capacity;
        }
        *at = list->count++;
        list->items[*at].number = TL_TOPIC_NO_NUMBER;
        (void)tl_table_at(&list->numbers, *at, &list->items[*at].name, NULL);
    }
    if (number != TL_TOPIC_NO_NUMBER)
        list->items[*at].number = number;
    return TL_OK;
}

enum tl_code tl_source_topics_open(const struct tl_plan *plan, struct tl_source_topics **out, struct tl_err *err)
{
    struct tl_source_topics *topics = calloc(1, sizeof *topics);
    enum tl_code rc = TL_OK;

    if (topics == NULL)
        return tl_fail_memory(err, sizeof *topics);
    topics->plan = plan;
    tl_arena_init(&topics->patterns, 4096, 0);
    topics->lists = calloc(plan->sources_count + 1u, sizeof *topics->lists);
    topics->scratch = tl_regex_scratch_open();
    if (topics->lists == NULL || topics->scratch == NULL)
        TL_TRY(tl_fail_memory(err, plan->sources_count * sizeof *topics->lists));
    for (uint32_t s = 0; s < plan->sources_count; s++)
        tl_table_init(&topics->lists[s].numbers, sizeof(uint32_t), 0);
    for (uint32_t s = 0; s < plan->sources_count; s++) {
        if (plan->sources[s].topic_pattern.data != NULL)
            TL_TRY(compile(plan->sources[s].topic_pattern, &topics->patterns, &topics->lists[s].pattern, err));
        else
            TL_TRY(put(&topics->lists[s], plan->sources[s].topic, 0, err));
    }
    *out = topics;
    topics = NULL;
out:
    tl_source_topics_close(topics);
    return rc;
}

void tl_source_topics_close(struct tl_source_topics *topics)
{
    if (topics == NULL)
        return;
    for (uint32_t s = 0; topics->lists != NULL && s < topics->plan->sources_count; s++) {
        tl_table_done(&topics->lists[s].numbers);
        free(topics->lists[s].items);
    }
    free(topics->lists);
    tl_regex_scratch_close(topics->scratch);
    tl_arena_done(&topics->patterns);
    free(topics);
}

/* ---- which ---- */

static bool is_for_dead_letters(const struct tl_plan *plan, struct tl_sv name)
{
    for (uint32_t s = 0; s < plan->sources_count; s++)
        if (tl_sv_eq(plan->sources[s].dead_letter_topic, name))
            return true;
    return false;
}

enum tl_code tl_source_topics_match(struct tl_source_topics *topics, uint32_t source, struct tl_sv name, bool *matches,
                                    struct tl_err *err)
{
    struct list *list = &topics->lists[source];

    *matches = tl_table_find(&list->numbers, tl_hash_bytes(name), name) != NULL;
    if (*matches || list->pattern == NULL || !tl_topic_is_fit(name) || tl_sv_ends(name, TL_SV(".import")) ||
        is_for_dead_letters(topics->plan, name))
        return TL_OK;
    switch (tl_regex_match(list->pattern, topics->scratch, name, 0)) {
    case TL_REGEX_FOUND: *matches = true; break;
    case TL_REGEX_NONE: break;
    case TL_REGEX_NO_MEMORY: return tl_fail_memory(err, name.size);
    case TL_REGEX_LIMIT:
        return tl_fail(
            err, TL_ERR_LIMIT,
            "'topic-pattern' '%.*s' comes to no end with the topic %.*s: repeats of repeats, such as (a*)*, try each way; "
            "a simpler one would do",
            TL_SV_ARG(topics->plan->sources[source].topic_pattern), TL_SV_ARG(name));
    }
    return TL_OK;
}

enum tl_code tl_source_topics_meet(const struct tl_source_topics *topics, uint32_t source, struct tl_sv pattern, bool *meets,
                                   struct tl_err *err)
{
    const struct list *list = &topics->lists[source];
    const struct tl_regex *regex;
    struct tl_arena arena;
    enum tl_code rc;

    tl_arena_init(&arena, 4096, 0);
    *meets = false;
    rc = compile(pattern, &arena, &regex, err);
    if (rc == TL_ERR_DEFINITION) { /* by rules of another version */
        *meets = true;
        rc = TL_OK;
    }
    TL_TRY(rc);
    for (uint32_t i = 0; i < list->count && !*meets; i++) {
        enum tl_regex_found found = tl_regex_match(regex, topics->scratch, list->items[i].name, 0);

        if (found == TL_REGEX_NO_MEMORY)
            TL_TRY(tl_fail_memory(err, list->items[i].name.size));
        *meets = found != TL_REGEX_NONE;
    }
out:
    tl_arena_done(&arena);
    return rc;
}

enum tl_code tl_source_topics_add(struct tl_source_topics *topics, uint32_t source, struct tl_sv name, struct tl_err *err)
{
    bool matches;
    enum tl_code rc;

    TL_TRY(tl_source_topics_match(topics, source, name, &matches, err));
    if (matches)
        TL_TRY(put(&topics->lists[source], name, TL_TOPIC_NO_NUMBER, err));
out:
    return rc;
}

struct looking {
    struct tl_source_topics *topics;
    uint32_t source;
    enum tl_code rc;
    struct tl_err *err;
};

static bool see(void *ctx, struct tl_sv name)
{
    struct looking *looking = ctx;

    looking->rc = tl_source_topics_add(looking->topics, looking->source, name, looking->err);
    return looking->rc == TL_OK;
}

enum tl_code tl_source_topics_look(struct tl_source_topics *topics, uint32_t source, struct tl_log *log, struct tl_err *err)
{
    struct looking looking = {topics, source, TL_OK, err};
    enum tl_code rc;

    if (topics->lists[source].pattern == NULL)
        return TL_OK;
    TL_TRY(tl_log_topics(log, see, &looking, err));
    rc = looking.rc;
out:
    return rc;
}

struct tl_sv tl_topic_of_record(struct tl_sv record)
{
    const struct tl_sv import = TL_SV(".import");

    if (tl_sv_ends(record, import))
        record.size -= import.size;
    return record;
}

struct recorded {
    struct tl_source_topics *topics;
    uint32_t source;
};

static enum tl_code see_record(void *ctx, struct tl_sv name, struct tl_err *err)
{
    struct recorded *recorded = ctx;

    return tl_source_topics_add(recorded->topics, recorded->source, tl_topic_of_record(name), err);
}

enum tl_code tl_source_topics_recorded(struct tl_source_topics *topics, struct tl_master *master, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < topics->plan->sources_count; s++) {
        struct recorded recorded = {topics, s};

        if (topics->lists[s].pattern != NULL)
            TL_TRY(tl_master_topics(master, see_record, &recorded, err));
    }
out:
    return rc;
}

/* ---- numbers ---- */

static enum tl_code take_number(void *ctx, uint32_t number, struct tl_sv name, struct tl_err *err)
{
    struct tl_source_topics *topics = ctx;
    enum tl_code rc = TL_OK;

    for (uint32_t s = 0; s < topics->plan->sources_count; s++) {
        bool matches;

        if (topics->lists[s].pattern == NULL)
            continue;
        TL_TRY(tl_source_topics_match(topics, s, name, &matches, err));
        if (matches)
            TL_TRY(put(&topics->lists[s], name, number, err));
    }
out:
    return rc;
}

static bool has_patterns(const struct tl_source_topics *topics)
{
    for (uint32_t s = 0; s < topics->plan->sources_count; s++)
        if (topics->lists[s].pattern != NULL)
            return true;
    return false;
}

enum tl_code tl_source_topics_read(struct tl_source_topics *topics, struct tl_store *store, struct tl_err *err)
{
    return has_patterns(topics) ? tl_store_topics(store, take_number, topics, err) : TL_OK;
}

static int by_name(const void *a, const void *b)
{
    return tl_sv_cmp(*(const struct tl_sv *)a, *(const struct tl_sv *)b);
}

/* Those without a number, by name: so new ones that are seen together have their numbers in that order. Several tables may read one topic: the store
 * does not mind. The caller frees. */
static enum tl_code list_unnumbered(const struct tl_source_topics *topics, struct tl_sv **out, size_t *count, struct tl_err *err)
{
    size_t room = 0;

    *count = 0;
    for (uint32_t s = 0; s < topics->plan->sources_count; s++)
        room += topics->lists[s].count;
    *out = calloc(room + 1, sizeof **out);
    if (*out == NULL)
        return tl_fail_memory(err, room * sizeof **out);
    for (uint32_t s = 0; s < topics->plan->sources_count; s++)
        for (uint32_t i = 0; i < topics->lists[s].count; i++)
            if (topics->lists[s].items[i].number == TL_TOPIC_NO_NUMBER)
                (*out)[(*count)++] = topics->lists[s].items[i].name;
    qsort(*out, *count, sizeof **out, by_name);
    return TL_OK;
}

enum tl_code tl_source_topics_number(struct tl_source_topics *topics, struct tl_store *store, struct tl_err *err)
{
    struct tl_sv *names = NULL;
    size_t count = 0;
    enum tl_code rc;

    TL_TRY(tl_source_topics_read(topics, store, err));
    TL_TRY(list_unnumbered(topics, &names, &count, err));
    if (count == 0)
        goto out;
    TL_TRY(tl_store_number_topics(store, names, count, err));
    TL_TRY(tl_source_topics_read(topics, store, err));
out:
    free(names);
    return rc;
}

void tl_source_topics_suppose(struct tl_source_topics *topics)
{
    uint32_t next = 0;

    for (uint32_t s = 0; s < topics->plan->sources_count; s++)
        for (uint32_t i = 0; i < topics->lists[s].count; i++)
            if (topics->lists[s].items[i].number != TL_TOPIC_NO_NUMBER && topics->lists[s].items[i].number >= next)
                next = topics->lists[s].items[i].number + 1;
    for (uint32_t s = 0; s < topics->plan->sources_count; s++)
        for (uint32_t i = 0; i < topics->lists[s].count; i++)
            if (topics->lists[s].items[i].number == TL_TOPIC_NO_NUMBER && next <= TL_TOPIC_NUMBER_MAX)
                topics->lists[s].items[i].number = next++;
}

/* ---- questions ---- */

const struct tl_source_topic *tl_source_topics_of(const struct tl_source_topics *topics, uint32_t source, uint32_t *count)
{
    *count = topics->lists[source].count;
    return topics->lists[source].items;
}

struct tl_sv tl_source_topic_name(const struct tl_source_topics *topics, uint32_t source, uint32_t partition)
{
    const struct list *list = &topics->lists[source];

    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].number == tl_partition_topic(partition))
            return list->items[i].name;
    return (struct tl_sv){NULL, 0};
}

enum tl_code tl_source_topic_check(struct tl_sv name, uint32_t partitions, struct tl_err *err)
{
    if (partitions <= TL_TOPIC_PARTITIONS_MAX)
        return TL_OK;
    return tl_fail(err, TL_ERR_LIMIT, "topic %.*s has %u partitions, and %d of a topic can be told apart; fewer would do",
                   TL_SV_ARG(name), partitions, TL_TOPIC_PARTITIONS_MAX);
}
