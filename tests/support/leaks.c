/* leaks.c: what the address sanitizer is not to report as a leak. */

/* Read by the sanitizer; nobody else. */
const char *__lsan_default_suppressions(void);

/* MMDB_open (1.7.1) forgets some of what it has when the languages or the description of a file are damaged. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libmaxminddb.so\n";
}
