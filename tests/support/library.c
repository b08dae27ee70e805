/* library.c: builds a shared library of functions for tally. */
#include "support/library.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

void library_build(const char *dir, const char *name, const char *source, const char *flags, char path[LIBRARY_PATH_BYTES])
{
    char command[1000];

    snprintf(path, LIBRARY_PATH_BYTES, "%s/%s.so", dir, name);
    snprintf(command, sizeof command, "cc -std=c11 -Wall -Wextra -Icommon/core -shared -fPIC %s -o '%s' '%s' -lm", flags, path,
             source);
    cr_assert_eq(system(command), 0, "%s", command);
}
