/* source_topics.h: the topics that the tables of a plan read, and the numbers that the store has for them.
 *
 * A table with 'topic' reads that one, and it has number 0. One with 'topic-pattern' reads all topics whose whole name the pattern matches,
 * those too that come later: a regular expression of Java's (core/regex_java.h), as Flink asks Matcher.matches(). Never matched are Kafka's
 * internal topics and tally's notes (log.h does not list them), the views file's 'tally.dead-letter.topic', and names that end in ".import": on
 * record that is what was imported for another topic.
 *
 * What is known of a pattern's topics comes from the log, the master record and the store, and only grows.
 * Runs on: one thread. */
#ifndef TL_SOURCE_TOPICS_H
#define TL_SOURCE_TOPICS_H

#include "log/log.h"
#include "master/master.h"
#include "sql/plan.h"
#include "store/store.h"

#define TL_TOPIC_NO_NUMBER UINT32_MAX

struct tl_source_topic {
    struct tl_sv name; /* stays where it is until close */
    uint32_t number;   /* event/partition.h; TL_TOPIC_NO_NUMBER: the store has given it none yet */
};

struct tl_source_topics;

/* Of all tables of the plan, which it borrows. */
TL_MUST_USE enum tl_code tl_source_topics_open(const struct tl_plan *plan, struct tl_source_topics **out, struct tl_err *err);
void tl_source_topics_close(struct tl_source_topics *topics);
/* TL_ERR_DEFINITION: it is no regular expression, and why. */
TL_MUST_USE enum tl_code tl_topic_pattern_check(struct tl_sv pattern, struct tl_err *err);

/* Does the table read a topic of that name? TL_ERR_LIMIT: its pattern comes to no end with it. */
TL_MUST_USE enum tl_code tl_source_topics_match(struct tl_source_topics *topics, uint32_t source, struct tl_sv name,
                                                bool *matches, struct tl_err *err);
/* Does a pattern of whatever table match one of those that the table reads? Also where nobody can tell. */
TL_MUST_USE enum tl_code tl_source_topics_meet(const struct tl_source_topics *topics, uint32_t source, struct tl_sv pattern,
                                               bool *meets, struct tl_err *err);
/* From now on it is known, if the table reads it. */
TL_MUST_USE enum tl_code tl_source_topics_add(struct tl_source_topics *topics, uint32_t source, struct tl_sv name,
                                              struct tl_err *err);
/* So are those that the log has. */
TL_MUST_USE enum tl_code tl_source_topics_look(struct tl_source_topics *topics, uint32_t source, struct tl_log *log,
                                               struct tl_err *err);
/* And those of all patterns that are on record; what was imported for a topic that has no record of its own counts too. */
TL_MUST_USE enum tl_code tl_source_topics_recorded(struct tl_source_topics *topics, struct tl_master *master, struct tl_err *err);
/* The topic that a record is for: "events" of "events.import"; any other name is its own. */
struct tl_sv tl_topic_of_record(struct tl_sv record);
/* And those of all tables that the store has numbers for. */
TL_MUST_USE enum tl_code tl_source_topics_read(struct tl_source_topics *topics, struct tl_store *store, struct tl_err *err);
/* The same, and those that are known and have no number get one: the store is written to. */
TL_MUST_USE enum tl_code tl_source_topics_number(struct tl_source_topics *topics, struct tl_store *store, struct tl_err *err);
/* Those that are known and have none get one that nobody else knows of: for whoever only looks. */
void tl_source_topics_suppose(struct tl_source_topics *topics);

/* Those that are known; valid until the next of the calls above. */
const struct tl_source_topic *tl_source_topics_of(const struct tl_source_topics *topics, uint32_t source, uint32_t *count);
/* The topic that a partition of the table is of. Data NULL: none that is known. */
struct tl_sv tl_source_topic_name(const struct tl_source_topics *topics, uint32_t source, uint32_t partition);
/* A topic has so many partitions: TL_ERR_LIMIT when that is more than can be told apart. */
TL_MUST_USE enum tl_code tl_source_topic_check(struct tl_sv name, uint32_t partitions, struct tl_err *err);

#endif
