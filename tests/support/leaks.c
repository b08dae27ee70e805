/* leaks.c: where the address sanitizer looks for leaks: in the processes of tests, not in Criterion's runner, which now and then
 * loses 48 bytes of its own when a timeout ends. The runner starts each test with BXFI_MAP in its environment. */
#include <stdlib.h>

int __lsan_is_turned_off(void); /* read by the sanitizer; nobody else */

int __lsan_is_turned_off(void)
{
    return getenv("BXFI_MAP") == NULL;
}
