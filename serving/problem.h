/* problem.h: a refusal as application/problem+json (RFC 9457): what is wrong, with which parameter, and what would do.
 *
 *   {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "...", "parameter": "layer", "allowed": ["merged", "speed", "batch"]}
 *
 * `parameter` and `allowed` stand there where they are known. */
#ifndef TL_PROBLEM_H
#define TL_PROBLEM_H

#include "base/buf.h"

#define TL_PROBLEM_TYPE "application/problem+json"

struct tl_problem {
    int status; /* 0: nothing is wrong */
    struct tl_buf detail, parameter;
    struct tl_buf allowed; /* JSON texts with ", " between them */
};

void tl_problem_init(struct tl_problem *problem);
void tl_problem_done(struct tl_problem *problem);
/* `parameter`: NULL: none. */
TL_PRINTF(4, 5) void tl_problem_set(struct tl_problem *problem, int status, const char *parameter, const char *detail, ...);
void tl_problem_allow(struct tl_problem *problem, struct tl_sv word);
void tl_problem_put(struct tl_buf *out, const struct tl_problem *problem);

#endif
