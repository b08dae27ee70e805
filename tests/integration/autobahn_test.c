/* autobahn_test.c: the Autobahn test suite, families 1 to 7 and 10, against a server that echoes (tests/data/echo_server.c), by
 * tests/reference/autobahn_suite.py.
 *
 * TALLY_AUTOBAHN names where the suite was installed; where it is not set there is no lib2to3, which Python has up to 3.12. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/run.h"

enum { AUTOBAHN_TIMEOUT_S = 120 };

/* It stands beside the program. */
static void echo_server(char *out, size_t out_bytes)
{
    const char *program = run_program(), *slash = strrchr(program, '/');

    snprintf(out, out_bytes, "%.*s/echo_server", slash != NULL ? (int)(slash - program) : 1, slash != NULL ? program : ".");
}

Test(autobahn, no_case_fails, .timeout = AUTOBAHN_TIMEOUT_S + 10)
{
    const char *folder = getenv("TALLY_AUTOBAHN");
    char server[1024], command[4096];

    if (folder == NULL || folder[0] == '\0')
        cr_skip_test("TALLY_AUTOBAHN is not set: a Python with lib2to3 is needed for it");
    echo_server(server, sizeof server);
    snprintf(command, sizeof command, "timeout %d '%s/bin/python' -B tests/reference/autobahn_suite.py run '%s' '%s' 1>&2",
             AUTOBAHN_TIMEOUT_S, folder, folder, server);
    cr_assert_eq(system(command), 0, "%s", command);
}
