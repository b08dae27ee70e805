/* left_out.h: what a run of batch leaves out because the record is damaged: each damaged file is named once, and at the end the ranges that stay as
 * they are published. */
#ifndef TL_LEFT_OUT_H
#define TL_LEFT_OUT_H

#include "scope.h"

struct tl_left_out {
    const char **said; /* of the damages; the inputs keep the texts */
    uint32_t said_count;
    bool *views; /* per view of the plan: something of it was left out */
    uint32_t views_count, ranges_count;
    int64_t from_ms, to_ms; /* of the first range and the last one */
};

/* All zero before; `damage` as tl_input_damage gives it. */
TL_MUST_USE enum tl_code tl_left_out_say(struct tl_left_out *out, const char *damage, struct tl_err *err);
/* A range of these views. */
TL_MUST_USE enum tl_code tl_left_out_add(struct tl_left_out *out, const struct tl_scope *scope, const bool *views,
                                         int64_t from_ms, int64_t to_ms, struct tl_err *err);
/* TL_ERR_CORRUPT when something was left out, or may have been: a file of which nothing is known may have events for any day; and what came for sealed
 * days waits for its file. */
TL_MUST_USE enum tl_code tl_left_out_report(struct tl_left_out *out, const struct tl_scope *scope, struct tl_err *err);
void tl_left_out_done(struct tl_left_out *out);

#endif
