/* tally_function.h: functions of your own for tally's views, in C or C++: scalar functions and aggregates, in a shared library.
 *
 * This header is all that a library needs: nothing is linked with it. A whole one:
 *
 *     #include <tally_function.h>
 *
 *     static bool is_even(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
 *     {
 *         (void)call;
 *         result->i64 = args[0].i64 % 2 == 0;
 *         return true;
 *     }
 *
 *     static const struct tally_scalar scalars[] = {
 *         {"IS_EVEN", {TALLY_BIGINT}, TALLY_BOOLEAN, 0, is_even},
 *     };
 *
 *     const struct tally_library tally_library = {TALLY_LIBRARY_HEAD, "1.0", NULL, scalars, 1, NULL, 0};
 *
 *     $ cc -shared -fPIC -fvisibility=hidden -o functions.so functions.c
 *     $ tally speed --functions ./functions.so --views views.sql        (or TALLY_FUNCTIONS=./functions.so)
 *
 * A views file then calls IS_EVEN(n) as it calls a function of tally's own. Both layers call the same pointer.
 *
 * The rules:
 *
 * - Same arguments, same result: no clock, no chance, no file, no network, no locale, no memory of earlier calls. The batch layer computes
 *   again what the speed layer has computed, and `tally reconcile` compares.
 * - Functions are called from several threads at once. What open() has made is read and not changed.
 * - A function runs inside of tally: what it breaks, tally breaks with. tally tries a library in a process of its own before it takes it;
 *   one that crashes, hangs or gives varying results there is refused.
 * - A function that has changed its meaning should get another name: rows that are stored already are not computed again by themselves.
 *
 * An example with its Makefile and test is in deploy/examples/functions of tally's sources. */
#ifndef TALLY_FUNCTION_H
#define TALLY_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Structs grow at their ends alone. A library says how large its rows are (TALLY_LIBRARY_HEAD), so a later tally can read the tables of
 * an older library; a library that is newer than tally is refused. */
#define TALLY_FUNCTION_ABI 1

enum { TALLY_ARGS_MAX = 8, TALLY_STATE_BYTES_MAX = 65536, TALLY_ALLOC_BYTES_MAX = 64 << 20 };

/* SQL's types, and which member of a value holds one. */
enum tally_type {
    TALLY_NONE = 0,          /* behind the last argument */
    TALLY_BOOLEAN = 1,       /* i64: 0 or 1 */
    TALLY_TINYINT = 2,       /* i64, within the type's range; so all integers */
    TALLY_SMALLINT = 3,      /* i64 */
    TALLY_INT = 4,           /* i64 */
    TALLY_BIGINT = 5,        /* i64 */
    TALLY_FLOAT = 6,         /* f64, rounded to float */
    TALLY_DOUBLE = 7,        /* f64 */
    TALLY_STRING = 8,        /* text */
    TALLY_TIMESTAMP = 9,     /* i64: a wall clock without a zone, in milliseconds since 1970-01-01 as if it were UTC */
    TALLY_TIMESTAMP_LTZ = 10 /* i64: an instant, in milliseconds since 1970-01-01 UTC */
};

/* Well-formed UTF-8 without a NUL in it, and none behind it. */
struct tally_text {
    const char *data; /* may be NULL when size is 0 */
    size_t size;
};

struct tally_value {
    enum tally_type type;
    bool is_null;
    union {
        int64_t i64;
        double f64;
        struct tally_text text;
    };
};

/* What a function is called with: good for that one call. */
struct tally_call {
    void *(*alloc)(struct tally_call *call, size_t bytes);
    void (*put)(struct tally_call *call, const void *bytes, size_t size);
};

/* Memory for a result's text, or for what an aggregate's state points at. Aligned for any type, not zeroed, and never freed by you: it goes
 * with the result, or with the state. NULL when there is none: just return, tally sees to the rest (the state is not used again). In save()
 * there is none. More than TALLY_ALLOC_BYTES_MAX at once is too much: a scalar function has then no value for the row, and an aggregate
 * ends tally. */
static inline void *tally_alloc(struct tally_call *call, size_t bytes)
{
    return call->alloc(call, bytes);
}

/* In save() alone: writes the next bytes. */
static inline void tally_put(struct tally_call *call, const void *bytes, size_t size)
{
    call->put(call, bytes, size);
}

/* --- scalar functions ---------------------------------------------------------------------------------------------------- */

/* Gives the value of one row: fills *result, which comes with its type, not NULL, and zero or the empty text. A text may lie in an argument, in
 * the library, or in memory from tally_alloc(); it is copied before the next batch of events.
 * False: there is no value. The event is rejected by the views that needed it, and goes to the ledger as eval_error with the function's
 * name. The same happens to a result that its type does not have: a text that is no UTF-8, an INT of 2^40, a time beyond the years 0 to 9999. */
typedef bool (*tally_scalar_call)(struct tally_call *call, const struct tally_value *args, struct tally_value *result);

/* Also when an argument is NULL. Without it, NULL in gives NULL out, and the function is not called. */
#define TALLY_SEES_NULL 1u

struct tally_scalar {
    const char *name; /* capitals, digits and '_': the name in SQL, which knows no case. Several rows of one name are overloads */
    enum tally_type args[TALLY_ARGS_MAX]; /* up to the first TALLY_NONE. Numbers widen: an INT is given to a BIGINT */
    enum tally_type result;
    uint32_t flags;
    tally_scalar_call call;
};

/* --- aggregates ---------------------------------------------------------------------------------------------------------- */

/* An aggregate is a state that rows are added to. tally adds rows in any order, to several states of one group on several threads, and merges
 * these in any order; it writes states to the store and reads them again; the batch layer does it all in another order still. So the
 * state must depend on nothing but which rows there were: a sum of doubles does not do (its rounding goes by the order), a
 * sum of integers, a maximum, a set does. tally tries this when it loads the library.
 *
 * A state is state_bytes of memory, aligned to 8. All zero it is the state of no rows. It may point to more, from tally_alloc(): such memory
 * stays until the whole group goes, so what grows should double. tally may move a state to another place: it must not point into itself.
 * Rows with a NULL argument are skipped. */
struct tally_aggregate {
    const char *name;
    enum tally_type args[TALLY_ARGS_MAX]; /* one at least */
    enum tally_type result;
    size_t state_bytes;
    /* Adds a row. What args point at is gone after the call: copy it. */
    void (*step)(struct tally_call *call, void *state, const struct tally_value *args);
    /* Adds the rows of `from`, which stays as it is and may go first: copy what it points at. */
    void (*merge)(struct tally_call *call, void *into, const void *from);
    /* Writes the state with tally_put(), in a form of your own that does not depend on the machine. Equal rows, equal bytes. */
    void (*save)(struct tally_call *call, const void *state);
    /* Fills a state that is all zero from these bytes. False: they are no such form, and tally stops: a later library has to read what an
     * earlier one wrote, or give the aggregate another name. They come from a file that somebody may have damaged: never read beyond
     * `size`, nor believe a number in them. */
    bool (*load)(struct tally_call *call, void *state, const void *bytes, size_t size);
    /* Gives the result; see tally_scalar_call. A text may lie in what the state points at. False: NULL. */
    bool (*finish)(struct tally_call *call, const void *state, struct tally_value *result);
};

/* --- the library --------------------------------------------------------------------------------------------------------- */

#define TALLY_LIBRARY_HEAD                                                                                                       \
    TALLY_FUNCTION_ABI, sizeof(struct tally_library), sizeof(struct tally_scalar), sizeof(struct tally_aggregate)

struct tally_library {
    uint32_t abi;
    uint32_t library_bytes, scalar_bytes, aggregate_bytes;
    const char *version; /* what you call this one: it is kept with what was computed */
    /* May be NULL. Called once, before any function; gives NULL, or says why the library cannot be used (the text is not freed). */
    const char *(*open)(void);
    const struct tally_scalar *scalars;
    size_t scalars_count;
    const struct tally_aggregate *aggregates;
    size_t aggregates_count;
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct tally_library tally_library; /* the one symbol that tally looks for: define it */

#ifdef __cplusplus
}
#endif

#endif
