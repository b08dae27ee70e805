/* accept.h: a person overrules checks: what they keep back is published, on record, with his name and reason.
 *
 * It is what it was when it was staged, so it is refused where that is not what would be computed now: a later run has staged the range
 * anew, events have come for it since, or its definition is another one. A range goes out with its chain, when none of it fails another check. */
#ifndef TL_ACCEPT_H
#define TL_ACCEPT_H

#include "scope.h"

/* `names`: of checks, with commas between. Says on stderr what stays back and why, on stdout what is published. TL_ERR_USAGE: there is no
 * check of that name. TL_ERR_ANSWER_NO: nothing is kept back by these checks, or something of it had to stay. */
TL_MUST_USE enum tl_code tl_accept(const struct tl_scope *scope, const char *names, const char *reason, struct tl_err *err);

#endif
