/* problem.c: a refusal as application/problem+json. See problem.h. */
#include "problem.h"

#include <stdio.h>

#include "net/http_server.h"

void tl_problem_init(struct tl_problem *problem)
{
    problem->status = 0;
    tl_buf_init(&problem->detail, 0);
    tl_buf_init(&problem->parameter, 0);
    tl_buf_init(&problem->allowed, 0);
}

void tl_problem_done(struct tl_problem *problem)
{
    tl_buf_done(&problem->detail);
    tl_buf_done(&problem->parameter);
    tl_buf_done(&problem->allowed);
}

void tl_problem_set(struct tl_problem *problem, int status, const char *parameter, const char *detail, ...)
{
    char text[2048];
    va_list args;

    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    problem->status = status;
    tl_buf_clear(&problem->detail);
    tl_buf_clear(&problem->parameter);
    tl_buf_clear(&problem->allowed);
    tl_buf_put_str(&problem->detail, text);
    tl_buf_put_str(&problem->parameter, parameter != NULL ? parameter : "");
}

void tl_problem_allow(struct tl_problem *problem, struct tl_sv word)
{
    tl_buf_put_str(&problem->allowed, problem->allowed.size > 0 ? ", " : "");
    tl_buf_put_json(&problem->allowed, word);
}

void tl_problem_put(struct tl_buf *out, const struct tl_problem *problem)
{
    tl_buf_printf(out,
                  "{\"type\": \"about:blank\", \"title\": \"%s\", \"status\": %d, \"detail\": ", tl_http_reason(problem->status),
                  problem->status);
    tl_buf_put_json(out, tl_buf_sv(&problem->detail));
    if (problem->parameter.size > 0) {
        tl_buf_put_str(out, ", \"parameter\": ");
        tl_buf_put_json(out, tl_buf_sv(&problem->parameter));
    }
    if (problem->allowed.size > 0) {
        tl_buf_put_str(out, ", \"allowed\": [");
        tl_buf_put_sv(out, tl_buf_sv(&problem->allowed));
        tl_buf_put_u8(out, ']');
    }
    tl_buf_put_str(out, "}\n");
}
