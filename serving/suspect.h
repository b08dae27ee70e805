/* suspect.h: what is likely behind a unit that is unexplained: two causes that no event tells of.
 *
 *   nondeterministic_udf   the unit's view calls a function of the user's, and the proof, made a second time, gives other rows than the first
 *   rules_changed          the view calls a function that works with data from outside (rules of user agents, places, suffixes, time zones, the
 *                          library itself); every layer whose rows do not come out has worked with another version of these than is here, and
 *                          so has not every layer whose rows do
 *
 * Whoever has the files of before can give them (--old-functions, --old-places, --old-user-agents): where each layer's rows come out with what is here,
 * or with what is given and the layer is known to have worked with, the unit is explained by rules_changed. Rows that speed made partly by one and
 * partly by the other come out with neither.
 * What they put into another group must be there: a group of theirs that neither layer has a row of is lost, where nothing but them made the layer's rows of
 * that time, by what comes out around it.
 * Otherwise such a unit stays unexplained, and the exit status 1: its rows have not been recomputed, so what is named for it may hide a forged row. The
 * cause stands among its causes with no event, no layer that lacks one, and no sample; what would be right is to be done (a function that gives
 * the same for the same; `tally batch --from` with the files of today), and then nothing is left to name. For a unit that is explained nothing is
 * named: it has come out.
 * A view on a view has what is named for the units that it is made of, where nothing else is wrong with it.
 * Source: semantics.md 10.2, the closed list. */
#ifndef TL_SUSPECT_H
#define TL_SUSPECT_H

#include "cause.h"
#include "versions.h"

/* What a run worked with. */
struct tl_suspect_run {
    int64_t run;
    struct tl_sv versions;
};

/* Which of a layer's rows of a view came out by the rules of before alone, and which not by them. */
struct tl_suspect_turn {
    int64_t last_before_ms, first_other_ms; /* start of the last one; of the first one; INT64_MIN, INT64_MAX: none */
};

struct tl_suspect {
    struct tl_cause_finder *finder;     /* that has proved */
    const struct tl_versions *versions; /* of speed's epochs and of here; what it says of batch is not looked at */
    struct tl_sv here;                  /* as tl_functions_versions says it */
    const struct tl_suspect_run *runs;
    size_t runs_count;
    struct tl_plan *before; /* with the functions and data of before; NULL: they are not here */
    struct tl_sv versions_before;
    uint64_t named_count;                      /* out */
    struct tl_suspect_turn (*turns)[TL_SIDES]; /* out: per view; NULL without `before` */
};

/* Names what there is to name, and counts it as the finder counts events: a group for each. Reads the record again where a function of the user's
 * is to be tried. */
TL_MUST_USE enum tl_code tl_suspect_name(struct tl_suspect *suspect, struct tl_err *err);
/* Of a unit that neither layer has a row of, with what came out by the rules of before: has a layer lost it? */
TL_MUST_USE enum tl_code tl_suspect_is_lost(const struct tl_suspect *suspect, const struct tl_unit *unit, bool *lost,
                                            struct tl_err *err);

#endif
