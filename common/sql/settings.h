/* settings.h: SET keys: what they may be, what they are unless set, and where each was set.
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
    TL_SET_BATCH_RANGE,
    TL_SET_SPEED_RETENTION,
    TL_SET_EVENT_BYTES,
    TL_SET_DEAD_LETTER_TOPIC,
    TL_SETTINGS_COUNT,
};

/* All settings at one point of the file. */
struct tl_setting_values {
    struct tl_settings plan;
    int64_t lateness_ms;
    struct tl_sv dedup_key;                   /* of SET; empty: off. Meaningless unless its place is set */
    struct tl_sv dead_letter_topic;           /* empty: none */
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
const char *tl_batch_range_word(enum tl_batch_range range);
extern const char tl_duration_hint[]; /* what to write where that says no */
/* "15 s", "5 min", "1500 ms": in the largest unit that needs no fraction. */
void tl_duration_print(int64_t ms, struct tl_buf *out);

#endif
