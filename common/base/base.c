/* base.c: fills the error that a caller reads, and knows the exit status of each code. */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

size_t tl_disk_advice(int saved_errno, char *out, size_t size)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    int written = 0;

    out[0] = '\0';
    switch (saved_errno) {
    case ENOSPC: written = snprintf(out, size, "; free some space and try again"); break;
    case EDQUOT: written = snprintf(out, size, "; free some space, or have the quota raised, and try again"); break;
    case EROFS: written = snprintf(out, size, "; make it writable, or name another place, and try again"); break;
    case EFBIG:
        (void)getrlimit(RLIMIT_FSIZE, &limit);
        if (limit.rlim_cur != RLIM_INFINITY)
            written =
                snprintf(out, size, ": files may have %llu bytes here; raise that limit (ulimit -f, LimitFSIZE=) and try again",
                         (unsigned long long)limit.rlim_cur);
        break;
    default: break;
    }
    return written < 0 ? 0 : (size_t)written < size ? (size_t)written : size - 1;
}

bool tl_at_size_limit(const char *path)
{
    static const char *const beside[] = {"", "-wal", "-journal"};
    struct rlimit limit;
    bool reached = false;

    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    for (size_t i = 0; i < TL_COUNT(beside); i++) {
        char name[4200];
        struct stat facts;

        snprintf(name, sizeof name, "%s%s", path, beside[i]);
        reached = reached || (stat(name, &facts) == 0 && (rlim_t)facts.st_size >= limit.rlim_cur);
    }
    return reached;
}

/* The arguments may point into err->message (a caller that puts its own words before an error's), hence the copy. */
TL_PRINTF(4, 0) static void fill(struct tl_err *err, enum tl_code code, int saved_errno, const char *fmt, va_list args)
{
    char message[sizeof err->message];
    int size;

    assert(code != TL_OK);
    if (err == NULL)
        return;
    size = vsnprintf(message, sizeof message, fmt, args);
    if (size < 0)
        size = 0;
    if (saved_errno != 0 && (size_t)size < sizeof message) {
        char reason[128], advice[128];

        tl_disk_advice(saved_errno, advice, sizeof advice);
        snprintf(message + size, sizeof message - (size_t)size, ": %s%s", strerror_r(saved_errno, reason, sizeof reason), advice);
    }
    err->code = code;
    err->retriable = saved_errno == EINTR || saved_errno == EAGAIN;
    memcpy(err->message, message, strnlen(message, sizeof message - 1) + 1);
}

enum tl_code(tl_fail)(struct tl_err *err, enum tl_code code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fill(err, code, 0, fmt, args);
    va_end(args);
    return code;
}

enum tl_code(tl_fail_errno)(struct tl_err *err, enum tl_code code, const char *fmt, ...)
{
    int saved_errno = errno;
    va_list args;

    va_start(args, fmt);
    fill(err, code, saved_errno, fmt, args);
    va_end(args);
    errno = saved_errno;
    return code;
}

enum tl_code(tl_fail_memory)(struct tl_err *err, size_t bytes)
{
    return tl_fail(err, TL_ERR_MEMORY, "out of memory: no %zu bytes to be had", bytes);
}

int tl_exit_status(enum tl_code code)
{
    switch (code) {
    case TL_OK: return 0;
    case TL_ERR_ANSWER_NO: return 1;
    case TL_ERR_USAGE:
    case TL_ERR_DEFINITION: return 2;
    case TL_ERR_BUSY: return 75; /* EX_TEMPFAIL: cron tries again */
    case TL_ERR_IO:
    case TL_ERR_CORRUPT:
    case TL_ERR_LIMIT:
    case TL_ERR_MEMORY:
    case TL_ERR_FENCED:
    case TL_ERR_NOT_FOUND:
    case TL_ERR_GAP:
    case TL_ERR_UNKNOWN: return 3;
    }
    return 3;
}

bool tl_array_resize(void *array_at, size_t item_bytes, size_t items_count)
{
    void *array;
    size_t bytes;

    if (__builtin_mul_overflow(item_bytes, items_count, &bytes))
        return false;
    memcpy(&array, array_at, sizeof array); /* a pointer to whatever type */
    array = realloc(array, bytes > 0 ? bytes : 1);
    if (array == NULL)
        return false;
    memcpy(array_at, &array, sizeof array);
    return true;
}
