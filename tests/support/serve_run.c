/* serve_run.c: `tally serve` as a process. See serve_run.h. */
#include "support/serve_run.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

enum { PATIENCE_MS = 20000 };

static uint16_t port_of(const struct run *run)
{
    static const char words[] = " info serve listens url=127.0.0.1:";
    char *text;
    uint16_t port;

    cr_assert(run_says(run, words, PATIENCE_MS), "%s", run_err_so_far(run));
    text = run_err_so_far(run);
    port = (uint16_t)strtoul(strstr(text, words) + sizeof words - 1, NULL, 10);
    free(text);
    return port;
}

void serve_start(struct serve *serve, const struct pipeline *p, const char *const *args)
{
    const char *all[RUN_ARGS_MAX + 1] = {"serve",       "--data",  p->data, "--listen", "127.0.0.1:0", "--metrics-listen",
                                         "127.0.0.1:0", "--views", p->views};
    size_t count = 9;

    for (; *args != NULL; args++)
        all[count++] = *args;
    all[count] = NULL;
    memset(serve, 0, sizeof *serve);
    run_start(&serve->run, all);
    serve->monitor = http_port_said(&serve->run, "serve");
    serve->port = port_of(&serve->run);
}

void serve_found(const struct serve *serve)
{
    char *page = http_wait_for(serve->monitor, "/metrics", 200, "\ntally_store_reachable 1\n", PATIENCE_MS);

    cr_assert_not_null(page, "%s", run_err_so_far(&serve->run));
    free(page);
}

void serve_stop(struct serve *serve)
{
    if (serve->run.pid == 0)
        return;
    run_signal(&serve->run, SIGTERM);
    run_wait(&serve->run);
    cr_expect_eq(serve->run.status, 0, "%d: %s", serve->run.status, serve->run.err);
    run_done(&serve->run);
}

struct serve_answer serve_ask(const struct serve *serve, const char *method, const char *target, const char *headers)
{
    struct serve_answer answer;
    char *request = NULL;
    int size = asprintf(&request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n%s\r\n", method, target,
                        (unsigned)serve->port, headers);

    cr_assert_gt(size, 0);
    answer.http = http_send(serve->port, request, (size_t)size);
    free(request);
    answer.status = answer.http.status;
    answer.body = answer.http.body;
    answer.size = strtoul(serve_header(&answer, "Content-Length"), NULL, 10);
    return answer;
}

struct serve_answer serve_get(const struct serve *serve, const char *target)
{
    return serve_ask(serve, "GET", target, "");
}

void serve_done(struct serve_answer *answer)
{
    http_done(&answer->http);
}

const char *serve_header(const struct serve_answer *answer, const char *name)
{
    static char values[8][1024];
    static unsigned turn;
    char *value = values[turn++ % 8];
    size_t size = strlen(name);

    value[0] = '\0';
    for (const char *line = answer->http.all; line != NULL && line < answer->body; line = strstr(line, "\r\n")) {
        line += line == answer->http.all ? 0 : 2;
        if (strncasecmp(line, name, size) != 0 || line[size] != ':')
            continue;
        line += size + 1;
        line += strspn(line, " ");
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(line, "\r"), line);
        break;
    }
    return value;
}

struct serve_answer serve_wait(const struct serve *serve, const char *target, int status, const char *words)
{
    struct serve_answer answer = {.status = 0};

    for (int64_t until = tl_clock_monotonic_ms() + PATIENCE_MS; tl_clock_monotonic_ms() < until; tl_clock_sleep_ms(20)) {
        answer = serve_get(serve, target);
        if (answer.status == status && strstr(answer.http.all, words) != NULL)
            return answer;
        serve_done(&answer);
    }
    cr_assert_fail("%s never was %d with '%s': %s", target, status, words, run_err_so_far(&serve->run));
    return answer;
}
