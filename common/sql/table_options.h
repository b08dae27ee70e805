/* table_options.h: the WITH clause of a table: which log entries are its events, and how they are written.
 *
 * Source of names, values and rules: Flink's Kafka connector 4.0 (KafkaConnectorOptions, KafkaConnectorOptionsUtil) and FactoryUtil. Two differ,
 * and FLINK.md says so: where to begin is 'earliest-offset' unless set, for positions live in the store and not in a group; and 'topic' names
 * one topic. What a 'topic-pattern' may be is main/source_topics.h's to say. What 'properties.*' may be is the log's to say (log.h). */
#ifndef TL_TABLE_OPTIONS_H
#define TL_TABLE_OPTIONS_H

#include "sql/ast.h"
#include "sql/plan.h"

struct tl_table_options {
    struct tl_sv topic;         /* data NULL: the table's name */
    struct tl_sv topic_pattern; /* data NULL: none */
    enum tl_time_format time_format;
    int64_t idle_timeout_ms;
    struct tl_log_place startup, bound;
    bool bounded;
    const struct tl_option_pair *pairs;
    uint32_t pairs_count;
    const struct tl_option_pair *properties; /* 'properties.*' without that */
    uint32_t properties_count;
    bool periodic; /* 'on-periodic' was asked for: explain says that every event is followed all the same */
};

TL_MUST_USE enum tl_code tl_table_options_read(const struct tl_ast_option *options, const struct tl_text *text,
                                               struct tl_arena *arena, struct tl_table_options *out, struct tl_err *err);
/* What Kafka takes as a topic's name, and the store as a part of its own. */
bool tl_topic_is_fit(struct tl_sv name);
extern const char tl_topic_hint[];

#endif
