/* function.h: the functions that a views file may call: the built-in ones, and what some of them work with.
 *
 * FUNCTIONS.md (common/sql) has each with an example. Results and NULL rules are Flink's (semantics.md 7, 8), and differences stand in FLINK.md.
 * Functions of one noun are a file function_<noun>.c with a table of rows (sql/catalog.h), which names the next; function.c begins.
 *
 * What lies outside of the program is opened once a process and shared by its threads: files that the user names, the rules of user agents, a
 * shared library of functions (udf.h), the secret of VISITOR_ID. A file is opened when the views file first calls a function that needs it,
 * so a missing one is a mistake with a place, and costs nothing where it is not wanted. */
#ifndef TL_FUNCTION_H
#define TL_FUNCTION_H

#include "base/buf.h"
#include "sql/catalog.h"

/* Built-in functions alone; those that need files are refused. */
const struct tl_catalog *tl_function_catalog(void);

enum { TL_SECRET_BYTES = 32 };

/* Paths; NULL: as said. */
struct tl_function_files {
    const char *library;     /* functions of the user's; NULL: none */
    const char *places;      /* .mmdb of GET_LOCATION; NULL: a views file that calls it is refused */
    const char *user_agents; /* uap-core's regexes.yaml; NULL: where Debian has it */
};

/* The texts of `files` must outlive it. TL_ERR_DEFINITION: the library is refused, *err says why. */
TL_MUST_USE enum tl_code tl_functions_open(const struct tl_function_files *files, struct tl_functions **out, struct tl_err *err);
void tl_functions_close(struct tl_functions *functions); /* after all plans that were bound with it */
const struct tl_catalog *tl_functions_catalog(const struct tl_functions *functions);
/* A bound plan calls VISITOR_ID: the store's secret is to be set before the first event. */
bool tl_functions_want_secret(const struct tl_functions *functions);
void tl_functions_secret_set(struct tl_functions *functions, const uint8_t secret[TL_SECRET_BYTES]);
/* The versions of the time zones and of what was opened, for the record of a run: "tzdata 2026f; uap-core regexes.yaml xxh3:0011223344556677". */
void tl_functions_versions(const struct tl_functions *functions, struct tl_buf *out);

#endif
