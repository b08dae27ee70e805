/* base.h: result codes, the error a caller reads, and the one way out of a function.
 *
 * Is:      what every file of tally includes first.
 * Is not:  a log (diag.h writes what the operator reads; this only carries it up).
 *
 * A function that can fail returns enum tl_code and is TL_MUST_USE. It fills the caller's struct tl_err when it fails and
 * leaves it alone when it does not; *out parameters are written on success only. */
#ifndef TL_BASE_H
#define TL_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TL_MUST_USE __attribute__((warn_unused_result))
#define TL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum tl_code {
    TL_OK = 0,
    TL_ERR_USAGE,      /* a flag or argument is wrong: exit 2 */
    TL_ERR_DEFINITION, /* the views file is wrong: exit 2 */
    TL_ERR_IO,         /* the operating system, the log, the store or the disk failed: exit 3 */
    TL_ERR_CORRUPT,    /* a file or database is not what it says it is; nothing was written: exit 3 */
    TL_ERR_LIMIT,      /* a stated maximum was reached; the object is unchanged */
    TL_ERR_MEMORY,     /* malloc said no: exit 3 */
    TL_ERR_BUSY,       /* another run holds the lock: exit 75 */
    TL_ERR_FENCED,     /* a newer process has taken over the store: exit 3 */
    TL_ERR_NOT_FOUND,  /* the named thing is not there */
    TL_ERR_GAP,        /* offsets of the log that were wanted are gone: exit 3 */
    TL_ERR_ANSWER_NO,  /* the question was answered with 'no': exit 1 */
    TL_ERR_UNKNOWN, /* a commit whose answer was lost: it may have happened or not, and what is there must be read anew: exit 3 */
};

struct tl_err {
    enum tl_code code;
    bool retriable;
    char message[1024]; /* what, where, and what would do; may hold several lines for a mistake in a views file */
};

/* Fills *err (which may be NULL) and returns `code`, so that `return tl_fail(...)` and TL_TRY(tl_fail(...)) both read well. */
TL_PRINTF(3, 4) enum tl_code tl_fail(struct tl_err *err, enum tl_code code, const char *fmt, ...);
/* The same for a failed system call: appends ": " and the text of errno, and what would do where a disk refuses. */
TL_PRINTF(3, 4) enum tl_code tl_fail_errno(struct tl_err *err, enum tl_code code, const char *fmt, ...);
/* What to do about a disk that is full or read-only, or a limit on the size of files, to be put behind the reason: "; free some space and try again". Empty
 * for what is none of these. Returns the length. */
size_t tl_disk_advice(int saved_errno, char *out, size_t size);
/* Has this file, or the log or journal that SQLite keeps beside it, come to the limit on the size of files? SQLite does not tell why a write failed. */
bool tl_at_size_limit(const char *path);
TL_MUST_USE enum tl_code tl_fail_memory(struct tl_err *err, size_t bytes);
/* The macros hand back the caller's own constant: the compiler then knows that a failure is never TL_OK, and does not take what
 * only a success fills for uninitialised. */
static inline enum tl_code tl_code_known(enum tl_code filled, enum tl_code code)
{
    (void)filled;
    return code;
}
#define tl_fail(err, code, ...) tl_code_known(tl_fail((err), (code), __VA_ARGS__), (code))
#define tl_fail_errno(err, code, ...) tl_code_known(tl_fail_errno((err), (code), __VA_ARGS__), (code))
#define tl_fail_memory(err, bytes) tl_code_known(tl_fail_memory((err), (bytes)), TL_ERR_MEMORY)

/* The exit status that design.md gives to a code. */
int tl_exit_status(enum tl_code code);

/* The one hidden jump: needs `enum tl_code rc` and the label `out:`. */
#define TL_TRY(call)                                                                                                             \
    do {                                                                                                                         \
        rc = (call);                                                                                                             \
        if (rc != TL_OK)                                                                                                         \
            goto out;                                                                                                            \
    } while (0)

/* Checked arithmetic: true when the result does not fit (and *out is then unspecified). */
#define tl_add_overflows(a, b, out) __builtin_add_overflow((a), (b), (out))
#define tl_mul_overflows(a, b, out) __builtin_mul_overflow((a), (b), (out))

/* Gives an array from malloc (or NULL) room for so many items. False: out of memory, and the array is as it was. */
#define TL_RESIZE(array, items_count) tl_array_resize(&(array), sizeof *(array), (items_count))
TL_MUST_USE bool tl_array_resize(void *array_at, size_t item_bytes, size_t items_count);

static inline int64_t tl_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t tl_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
/* Adds and stays inside int64_t: times near the ends of the axis saturate. */
static inline int64_t tl_add_sat_i64(int64_t a, int64_t b)
{
    int64_t sum;

    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b < 0 ? INT64_MIN : INT64_MAX;
}

#endif
