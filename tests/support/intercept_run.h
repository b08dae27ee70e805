/* intercept_run.h: `tally intercept` as a process, on a port of its own and with a folder of its own. */
#ifndef TL_TEST_INTERCEPT_RUN_H
#define TL_TEST_INTERCEPT_RUN_H

#include "support/run.h"
#include "support/site.h"

struct intercept {
    struct run run;
    char dir[RUN_DIR_BYTES];
    uint16_t port;
};

/* With one thread, in front of `site` (NULL: the arguments say where); returns when it listens. */
void intercept_start(struct intercept *intercept, const struct site *site, const char *const *args);
/* The same over the folder of one that has ended. */
void intercept_restart(struct intercept *intercept, const struct site *site, const char *const *args);
#define INTERCEPT(intercept, ...) intercept_start((intercept), __VA_ARGS__)
#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_ARGS ((const char *const[]){NULL})
/* SIGTERM; it must end well. */
void intercept_stop(struct intercept *intercept);
/* "http://127.0.0.1:PORT"; good for the next seven calls. */
const char *intercept_url(const char *scheme, uint16_t port);
/* The most memory that it has had so far, and what it has now, in bytes. */
size_t intercept_peak(const struct intercept *intercept);

/* How many events of a partition of the embedded log have the words in them; 0 where there is no such partition yet. */
int intercept_logged(const struct intercept *intercept, unsigned partition, const char *words);
/* Waits until they are so many, of partition 0; false: the time is over. */
bool intercept_has_logged(const struct intercept *intercept, const char *words, int count, int timeout_ms);
/* One request over a connection of its own; the body's beginning is in `body`. */
int intercept_get(const struct intercept *intercept, const char *target, struct wire_body *body);

#endif
