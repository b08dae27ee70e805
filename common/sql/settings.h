/* settings.h: SET keys and WITH options: what they may be, what they are unless set, and where each was set.
 *
 * A setting holds for the whole file wherever it stands (the last SET of a key wins), except 'tally.allowed-lateness', which
 * each view takes as it is where the view is created. So also on Flink: it reads the session's zone when a view is put into a sink, and
 * the script that `explain --flink` prints has all SETs above that. Keys of Flink that mean nothing here are taken and left alone. */
#ifndef TL_SETTINGS_H
#define TL_SETTINGS_H

#include "base/buf.h"
#include "sql/ast.h"
#include "sql/plan.h"

enum tl_setting {
    TL_SET_TIME_ZONE,
    TL_SET_LATENESS,
    TL_SET_FUTURE_SKEW,
    TL_SET_DEDUP_KEY,
    TL_SET_DEDUP_HORIZON,
    TL_SET_BATCH_GRACE,
    TL_SET_SPEED_RETENTION,
    TL_SET_EVENT_BYTES,
    TL_SETTINGS_COUNT,
};

/* All settings at one point of the file. */
struct tl_setting_values {
    struct tl_settings plan;
    int64_t lateness_ms;
    struct tl_sv dedup_key;                   /* of SET; empty: off. Meaningless unless its place is set */
    struct tl_span set_at[TL_SETTINGS_COUNT]; /* the value in SET; place.line 0: the default */
};

void tl_settings_init(struct tl_setting_values *values);
/* A time zone lives in the arena. */
TL_MUST_USE enum tl_code tl_settings_set(struct tl_setting_values *values, const struct tl_text *text,
                                         const struct tl_ast_name *key, const struct tl_ast_name *value, struct tl_arena *arena,
                                         struct tl_err *err);
/* RESET 'key', and RESET of all (key->text.data NULL). */
TL_MUST_USE enum tl_code tl_settings_reset(struct tl_setting_values *values, const struct tl_text *text,
                                           const struct tl_ast_name *key, struct tl_err *err);
const char *tl_setting_key(enum tl_setting setting);

/* Flink's form: a whole number and a unit ("30 s", "5min", "7 days"; milliseconds without one). */
TL_MUST_USE bool tl_duration_read(struct tl_sv text, int64_t *ms);
/* "15 s", "5 min", "1500 ms": in the largest unit that needs no fraction. */
void tl_duration_print(int64_t ms, struct tl_buf *out);

struct tl_table_options {
    struct tl_sv topic; /* data NULL: the table's name */
    enum tl_time_format time_format;
    int64_t idle_timeout_ms;
    const struct tl_option_pair *pairs;
    uint32_t pairs_count;
    bool periodic; /* 'on-periodic' was asked for: explain says that every event is followed all the same */
};

TL_MUST_USE enum tl_code tl_table_options_read(const struct tl_ast_option *options, const struct tl_text *text,
                                               struct tl_arena *arena, struct tl_table_options *out, struct tl_err *err);
/* What Kafka takes as a topic's name, and the store as a part of its own. */
bool tl_topic_is_fit(struct tl_sv name);

#endif
