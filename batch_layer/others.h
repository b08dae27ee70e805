/* others.h: definitions that the store has and the views file at hand does not: of other views files, or of this one before it was changed.
 *
 * What they have published stands in the store: their ranges, and up to which offset each was made. Their days are those of a view at hand that
 * has the same events at the same times; where there is no such view, nobody can say here what they still need. */
#ifndef TL_OTHERS_H
#define TL_OTHERS_H

#include "scope.h"

struct tl_other {
    int64_t definition;
    struct tl_sv view;
    char hash[9];        /* as much of it as people are shown */
    const bool *reads;   /* per source of the plan: something of what it reads */
    int32_t like;        /* a view of the plan with the same events at the same times; -1: none */
    struct tl_days days; /* where there is one; what is not published as it should be is not clean */
};

struct tl_others {
    struct tl_arena arena;
    struct tl_other *others;
    size_t count;
};

/* All that read anything of what the plan reads, whether they serve or are still being built. `scope` has been looked at. To be closed also after a failure. */
TL_MUST_USE enum tl_code tl_others_open(struct tl_others *others, const struct tl_scope *scope, struct tl_err *err);
void tl_others_close(struct tl_others *others);
/* tl_sealed_note for one of them, which has a view like it. */
TL_MUST_USE enum tl_code tl_others_note_sealed(const struct tl_scope *scope, const struct tl_other *other, struct tl_err *err);

#endif
