/* leaks.c: where the address sanitizer looks for leaks: in the processes of tests, not in Criterion's runner, which now and then
 * loses 48 bytes of its own when a timeout ends. The runner starts each test with BXFI_MAP in its environment. */
#include <stdlib.h>

/* Read by the sanitizer; nobody else. */
int __lsan_is_turned_off(void);
const char *__lsan_default_suppressions(void);

int __lsan_is_turned_off(void)
{
    return getenv("BXFI_MAP") == NULL;
}

/* MMDB_open (1.7.1) forgets some of what it has when the languages or the description of a file are damaged. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libmaxminddb.so\n";
}
