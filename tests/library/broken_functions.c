/* broken_functions.c: a library of a scalar function and an aggregate that is good as it stands, and broken in one place by -D of a macro.
 *
 * udf_test.c compiles it in many ways. */
#include <signal.h>
#include <stdlib.h>
#include <tally_function.h>
#include <unistd.h>

#ifndef ABI
#define ABI TALLY_FUNCTION_ABI
#endif
#ifndef SCALAR_BYTES
#define SCALAR_BYTES sizeof(struct tally_scalar)
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef OPEN
#define OPEN opens
#endif
#ifndef NAME
#define NAME "TWICE"
#endif
#ifndef ARG
#define ARG TALLY_BIGINT
#endif
#ifndef RESULT
#define RESULT TALLY_BIGINT
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef CALL
#define CALL twice
#endif
#ifndef SCALARS
#define SCALARS scalars
#endif
#ifndef SCALARS_COUNT
#define SCALARS_COUNT 1
#endif
#ifndef TOTAL_NAME
#define TOTAL_NAME "TOTAL"
#endif
#ifndef TOTAL_ARG
#define TOTAL_ARG TALLY_BIGINT
#endif
#ifndef STATE_BYTES
#define STATE_BYTES sizeof(struct total)
#endif
#ifndef STEP
#define STEP total_step
#endif
#ifndef MERGE
#define MERGE total_merge
#endif
#ifndef SAVE
#define SAVE total_save
#endif
#ifndef LOAD
#define LOAD total_load
#endif
#ifndef FINISH
#define FINISH total_finish
#endif
#ifndef AGGREGATES_COUNT
#define AGGREGATES_COUNT 1
#endif

/* --- what libraries do that should not -------------------------------------------------------------------------------- */

void crash(void);
void crash(void)
{
    (void)raise(SIGSEGV);
}

#ifdef CONSTRUCTOR
__attribute__((constructor)) static void when_loaded(void)
{
    CONSTRUCTOR;
}
#endif

#ifdef DESTRUCTOR
__attribute__((destructor)) static void when_closed(void)
{
    DESTRUCTOR;
}
#endif

const char *opens(void), *open_refuses(void), *open_crashes(void), *open_hangs(void), *open_closes_all(void), *open_forks(void);
const char *opens(void)
{
    return NULL;
}
const char *open_refuses(void)
{
    return "its licence has ended";
}
const char *open_crashes(void)
{
    crash();
    return NULL;
}
const char *open_hangs(void)
{
    for (;;)
        (void)pause();
    return NULL;
}
const char *open_closes_all(void)
{
    for (int fd = 3; fd < 1000; fd++)
        (void)close(fd);
    return open_hangs();
}
/* What it leaves behind has all that the trial had open. */
const char *open_forks(void)
{
    if (fork() == 0) {
        (void)sleep(4);
        _exit(0);
    }
    return NULL;
}

/* --- the scalar function ----------------------------------------------------------------------------------------------- */

bool twice(struct tally_call *call, const struct tally_value *args, struct tally_value *result);
bool twice(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    (void)call;
    return !__builtin_mul_overflow(args[0].i64, 2, &result->i64);
}
bool call_crashes(struct tally_call *call, const struct tally_value *args, struct tally_value *result);
bool call_crashes(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    crash();
    return twice(call, args, result);
}
bool call_varies(struct tally_call *call, const struct tally_value *args, struct tally_value *result);
bool call_varies(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    static int64_t calls;

    (void)call;
    (void)args;
    result->i64 = calls++;
    return true;
}

/* --- the aggregate ----------------------------------------------------------------------------------------------------- */

struct total {
    int64_t sum, rows;
};

void total_step(struct tally_call *call, void *state, const struct tally_value *args);
void total_step(struct tally_call *call, void *state, const struct tally_value *args)
{
    struct total *total = state;

    (void)call;
    total->sum = (int64_t)((uint64_t)total->sum + (uint64_t)args[0].i64);
    total->rows++;
}
void step_keeps_last(struct tally_call *call, void *state, const struct tally_value *args);
void step_keeps_last(struct tally_call *call, void *state, const struct tally_value *args)
{
    (void)call;
    ((struct total *)state)->sum = args[0].i64;
}
void step_crashes(struct tally_call *call, void *state, const struct tally_value *args);
void step_crashes(struct tally_call *call, void *state, const struct tally_value *args)
{
    crash();
    total_step(call, state, args);
}
void total_merge(struct tally_call *call, void *into, const void *from);
void total_merge(struct tally_call *call, void *into, const void *from)
{
    struct total *total = into;
    const struct total *more = from;

    (void)call;
    total->sum = (int64_t)((uint64_t)total->sum + (uint64_t)more->sum);
    total->rows += more->rows;
}
void merge_forgets(struct tally_call *call, void *into, const void *from);
void merge_forgets(struct tally_call *call, void *into, const void *from)
{
    (void)call;
    ((struct total *)into)->rows += ((const struct total *)from)->rows;
}
void merge_takes(struct tally_call *call, void *into, const void *from);
void merge_takes(struct tally_call *call, void *into, const void *from)
{
    total_merge(call, into, from);
    *(struct total *)(uintptr_t)from = (struct total){0, 0};
}
void merge_counts(struct tally_call *call, void *into, const void *from);
void merge_counts(struct tally_call *call, void *into, const void *from)
{
    total_merge(call, into, from);
    ((struct total *)into)->rows += ((const struct total *)from)->rows == 0;
}
void total_save(struct tally_call *call, const void *state);
void total_save(struct tally_call *call, const void *state)
{
    tally_put(call, state, sizeof(struct total));
}
void save_varies(struct tally_call *call, const void *state);
void save_varies(struct tally_call *call, const void *state)
{
    static int64_t calls;

    total_save(call, state);
    calls++;
    tally_put(call, &calls, sizeof calls);
}
void save_wants(struct tally_call *call, const void *state);
void save_wants(struct tally_call *call, const void *state)
{
    if (tally_alloc(call, 8) != NULL)
        total_save(call, state);
}
bool total_load(struct tally_call *call, void *state, const void *bytes, size_t size);
bool total_load(struct tally_call *call, void *state, const void *bytes, size_t size)
{
    (void)call;
    if (size < sizeof(struct total))
        return false;
    __builtin_memcpy(state, bytes, sizeof(struct total));
    return true;
}
/* Another form of the same state. */
void save_marked(struct tally_call *call, const void *state);
void save_marked(struct tally_call *call, const void *state)
{
    tally_put(call, "2", 1);
    total_save(call, state);
}
bool load_marked(struct tally_call *call, void *state, const void *bytes, size_t size);
bool load_marked(struct tally_call *call, void *state, const void *bytes, size_t size)
{
    return size > 0 && *(const char *)bytes == '2' && total_load(call, state, (const char *)bytes + 1, size - 1);
}
bool load_refuses(struct tally_call *call, void *state, const void *bytes, size_t size);
bool load_refuses(struct tally_call *call, void *state, const void *bytes, size_t size)
{
    (void)call;
    (void)state;
    (void)bytes;
    (void)size;
    return false;
}
bool total_finish(struct tally_call *call, const void *state, struct tally_value *result);
bool total_finish(struct tally_call *call, const void *state, struct tally_value *result)
{
    (void)call;
    result->i64 = ((const struct total *)state)->sum;
    return true;
}
bool finish_by_place(struct tally_call *call, const void *state, struct tally_value *result);
bool finish_by_place(struct tally_call *call, const void *state, struct tally_value *result)
{
    (void)call;
    result->i64 = (int64_t)(uintptr_t)state;
    return true;
}

/* --- the library ------------------------------------------------------------------------------------------------------- */

extern const struct tally_scalar scalars[];
const struct tally_scalar scalars[] = {
    {NAME,    {ARG},          RESULT,    FLAGS, CALL },
    {"TWICE", {TALLY_BIGINT}, TALLY_INT, 0,     twice}, /* counted by SCALARS_COUNT=2 alone */
};
#ifndef NO_LIBRARY
static const struct tally_aggregate aggregates[] = {
    {TOTAL_NAME, {TOTAL_ARG}, TALLY_BIGINT, STATE_BYTES, STEP, MERGE, SAVE, LOAD, FINISH},
};

const struct tally_library tally_library = {
    ABI,          sizeof(struct tally_library),
    SCALAR_BYTES, sizeof(struct tally_aggregate),
    VERSION,      OPEN,
    SCALARS,      SCALARS_COUNT,
    aggregates,   AGGREGATES_COUNT,
};
#endif
