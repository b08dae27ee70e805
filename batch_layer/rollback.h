/* rollback.h: publications are undone by a person, whole and the newest first. */
#ifndef TL_ROLLBACK_H
#define TL_ROLLBACK_H

#include "store/store.h"

/* Up to and including the run, which must have published something that stands; NULL: the newest publication. Says on stdout what was undone and how far
 * each view is published now. The caller holds batch's lock. TL_ERR_USAGE: there is no such run; TL_ERR_ANSWER_NO: what would be seen again is gone. */
TL_MUST_USE enum tl_code tl_rollback(struct tl_store *store, const char *run, struct tl_err *err);

#endif
