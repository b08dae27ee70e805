/* cause_words.h: the causes of semantics.md 10.2 in words: for the headline, what each means, and what to do about it.
 *
 * CAUSES.md is this table for reading, and a test keeps the two equal (tests/unit/causes_md_test.c). A text has no line end. */
#ifndef TL_CAUSE_WORDS_H
#define TL_CAUSE_WORDS_H

#include "event/outcome.h"

struct tl_cause_words {
    const char *one, *many; /* "late event", "late events" */
    const char *meaning;    /* of such events: "came when ..." */
    const char *todo;
};

/* Of any cause but TL_CAUSE_NONE. */
const struct tl_cause_words *tl_cause_words(enum tl_cause cause);

#endif
