/* udf.c: functions from a shared library of the user's. See udf.h. */
#include "core/udf.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/agg_state.h"
#include "core/tally_function.h"
#include "core/udf_trial.h"
#include "core/user_call.h"
#include "sql/bind.h"

enum { NAME_BYTES_MAX = 64, TRIAL_MS = 10000, FUNCTIONS_MAX = 10000 };

struct tl_udf {
    const char *path; /* the caller's */
    void *handle;
    const struct tally_library *library;
    uint64_t hash;
    struct tl_arena arena; /* signatures */
    struct tl_function *functions;
    struct tl_agg_shape *shapes; /* by aggregate */
    size_t functions_count;
    struct tl_catalog catalog;
};

#define refuse(udf, err, ...) refuse_as((udf)->path, (err), __VA_ARGS__)
TL_PRINTF(3, 4) static enum tl_code refuse_as(const char *path, struct tl_err *err, const char *fmt, ...)
{
    char why[700];
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return tl_fail(err, TL_ERR_DEFINITION, "functions %s: %s", path, why);
}

/* --- the file ---------------------------------------------------------------------------------------------------------- */

static enum tl_code file_hash(struct tl_udf *udf, struct tl_err *err)
{
    FILE *file = fopen(udf->path, "rbe");
    XXH3_state_t *state = XXH3_createState();
    enum tl_code rc = TL_OK;
    char bytes[16384];
    size_t size;

    if (file == NULL) {
        rc = refuse(udf, err, "%s", strerror(errno));
    } else if (state == NULL) {
        rc = tl_fail_memory(err, sizeof bytes);
    } else {
        (void)XXH3_64bits_reset(state);
        while ((size = fread(bytes, 1, sizeof bytes, file)) > 0)
            (void)XXH3_64bits_update(state, bytes, size);
        udf->hash = XXH3_64bits_digest(state);
        if (ferror(file))
            rc = refuse(udf, err, "it cannot be read: %s", strerror(errno));
    }
    if (file != NULL)
        fclose(file);
    XXH3_freeState(state);
    return rc;
}

static enum tl_code file_load(struct tl_udf *udf, struct tl_err *err)
{
    char *real = realpath(udf->path, NULL); /* a bare name would be searched for elsewhere */

    if (real == NULL)
        return refuse(udf, err, "%s", strerror(errno));
    udf->handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    free(real);
    if (udf->handle == NULL)
        return refuse(udf, err, "it is no shared library that can be loaded here: %s", dlerror());
    udf->library = dlsym(udf->handle, "tally_library");
    if (udf->library == NULL)
        return refuse(udf, err, "it has no symbol tally_library; tally_function.h shows how it is defined");
    if (udf->library->abi != TALLY_FUNCTION_ABI)
        return refuse(udf, err, "it is made for version %" PRIu32 " of tally_function.h, and this is version %d: compile it anew",
                      udf->library->abi, TALLY_FUNCTION_ABI);
    if (udf->library->library_bytes != sizeof(struct tally_library) ||
        udf->library->scalar_bytes != sizeof(struct tally_scalar) ||
        udf->library->aggregate_bytes != sizeof(struct tally_aggregate))
        return refuse(udf, err,
                      "its structs have other sizes than those of tally_function.h: begin tally_library with TALLY_LIBRARY_HEAD");
    if (udf->library->version == NULL || udf->library->version[0] == '\0')
        return refuse(udf, err, "it has no version: a text like \"1.0\"");
    return TL_OK;
}

/* --- the tables -------------------------------------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    size_t size = strlen(name);

    return name[0] >= 'A' && name[0] <= 'Z' && size < NAME_BYTES_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == size;
}

static bool is_built_in(const struct tl_catalog *builtin, const char *name)
{
    for (; builtin != NULL; builtin = builtin->next)
        for (size_t i = 0; i < builtin->functions_count; i++) {
            struct tl_sv own = tl_sv_from(builtin->functions[i].name);

            if (tl_sv_eq(tl_sv_cut(&own, ' '), tl_sv_from(name)))
                return true;
        }
    return tl_bind_name_is_taken(tl_sv_from(name));
}

static enum tl_code name_check(const struct tl_udf *udf, const struct tl_catalog *builtin, const char *name, const char *what,
                               size_t number, struct tl_err *err)
{
    if (name == NULL)
        return refuse(udf, err, "%s %zu has no name", what, number);
    if (!is_name(name))
        return refuse(udf, err, "%s %zu: '%.80s' is no name: write capitals, digits and _, a letter first, less than %d of them",
                      what, number, name, NAME_BYTES_MAX);
    if (is_built_in(builtin, name))
        return refuse(udf, err, "%s is a word of tally's own: take another name", name);
    return TL_OK;
}

/* The kinds of a row's arguments and result into the row of the catalog, and its signature. */
static enum tl_code signature_make(struct tl_udf *udf, const char *name, const enum tally_type *args, enum tally_type result,
                                   struct tl_function *out, struct tl_err *err)
{
    struct tl_buf text;
    struct tl_sv copy = {NULL, 0};

    out->name = name;
    for (uint32_t i = 0; i < TALLY_ARGS_MAX && args[i] != TALLY_NONE; i++) {
        if ((unsigned)args[i] > TALLY_TIMESTAMP_LTZ)
            return refuse(udf, err, "%s: its argument %u has the type %u, which there is not", name, i + 1, (unsigned)args[i]);
        out->args[i] = (enum tl_kind)args[i];
        out->args_min = out->args_max = (uint8_t)(i + 1);
    }
    if (result == TALLY_NONE || (unsigned)result > TALLY_TIMESTAMP_LTZ)
        return refuse(udf, err, "%s: its result has the type %u, which there is not", name, (unsigned)result);
    out->result = (enum tl_kind)result;
    tl_buf_init(&text, 0);
    tl_buf_printf(&text, "%s(", name);
    for (uint32_t i = 0; i < out->args_max; i++)
        tl_buf_printf(&text, "%s%s", i > 0 ? ", " : "", tl_kind_name(out->args[i]));
    tl_buf_printf(&text, ") -> %s", tl_kind_name(out->result));
    if (!text.failed && tl_arena_copy(&udf->arena, tl_buf_sv(&text), &copy))
        out->signature = copy.data;
    tl_buf_done(&text);
    return out->signature != NULL ? TL_OK : tl_fail_memory(err, NAME_BYTES_MAX);
}

static enum tl_code scalar_take(struct tl_udf *udf, const struct tally_scalar *own, struct tl_function *out, struct tl_err *err)
{
    enum tl_code rc;

    if (own->call == NULL)
        return refuse(udf, err, "%s has no call", own->name);
    if ((own->flags & ~TALLY_SEES_NULL) != 0)
        return refuse(udf, err, "%s has the flags %" PRIu32 ": TALLY_SEES_NULL alone is known", own->name, own->flags);
    rc = signature_make(udf, own->name, own->args, own->result, out, err);
    out->null_in_null_out = (own->flags & TALLY_SEES_NULL) == 0;
    out->can_fail = true;
    out->kernel = tl_user_scalar;
    out->own = own;
    return rc;
}

static enum tl_code aggregate_take(struct tl_udf *udf, const struct tally_aggregate *own, struct tl_agg_shape *shape,
                                   struct tl_function *out, struct tl_err *err)
{
    const struct {
        const char *name;
        bool there;
    } parts[] = {
        {"step",   own->step != NULL  },
        {"merge",  own->merge != NULL },
        {"save",   own->save != NULL  },
        {"load",   own->load != NULL  },
        {"finish", own->finish != NULL}
    };

    for (size_t i = 0; i < TL_COUNT(parts); i++)
        if (!parts[i].there)
            return refuse(udf, err, "%s has no %s: without it an aggregate cannot work in both layers", own->name, parts[i].name);
    if (own->args[0] == TALLY_NONE)
        return refuse(udf, err, "%s takes no argument: an aggregate takes one at least", own->name);
    if (own->state_bytes == 0 || own->state_bytes > TALLY_STATE_BYTES_MAX)
        return refuse(udf, err, "%s has a state of %zu bytes: 1 to %d, and let it point to more", own->name, own->state_bytes,
                      TALLY_STATE_BYTES_MAX);
    *shape = tl_agg_user(own->state_bytes);
    out->aggregate = shape;
    out->own = own;
    return signature_make(udf, own->name, own->args, own->result, out, err);
}

/* Two rows of one name: overloads, if both are of one sort and their arguments differ. */
static enum tl_code twins_check(const struct tl_udf *udf, struct tl_err *err)
{
    for (size_t i = 0; i < udf->functions_count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct tl_function *a = &udf->functions[i], *b = &udf->functions[k];

            if (strcmp(a->name, b->name) != 0)
                continue;
            if ((a->aggregate != NULL) != (b->aggregate != NULL))
                return refuse(udf, err, "%s is the name of a scalar function and of an aggregate", a->name);
            if (a->args_max == b->args_max && memcmp(a->args, b->args, sizeof a->args) == 0)
                return refuse(udf, err, "%s is there twice", a->signature);
        }
    return TL_OK;
}

static enum tl_code tables_take(struct tl_udf *udf, const struct tl_catalog *builtin, struct tl_err *err)
{
    const struct tally_library *library = udf->library;
    size_t scalars = library->scalars_count, aggregates = library->aggregates_count;
    enum tl_code rc;

    if (scalars > FUNCTIONS_MAX || aggregates > FUNCTIONS_MAX || scalars + aggregates == 0)
        return refuse(udf, err, "it says that it has %zu scalar functions and %zu aggregates: 1 to %d in all", scalars,
                      aggregates, FUNCTIONS_MAX);
    if ((scalars > 0 && library->scalars == NULL) || (aggregates > 0 && library->aggregates == NULL))
        return refuse(udf, err, "it counts functions and has no table of them");
    udf->functions = tl_arena_zalloc(&udf->arena, (scalars + aggregates) * sizeof *udf->functions);
    udf->shapes = tl_arena_zalloc(&udf->arena, (aggregates + 1) * sizeof *udf->shapes);
    if (udf->functions == NULL || udf->shapes == NULL)
        return tl_fail_memory(err, (scalars + aggregates) * sizeof *udf->functions);
    for (size_t i = 0; i < scalars; i++) {
        TL_TRY(name_check(udf, builtin, library->scalars[i].name, "scalar function", i + 1, err));
        TL_TRY(scalar_take(udf, &library->scalars[i], &udf->functions[udf->functions_count++], err));
    }
    for (size_t i = 0; i < aggregates; i++) {
        TL_TRY(name_check(udf, builtin, library->aggregates[i].name, "aggregate", i + 1, err));
        TL_TRY(aggregate_take(udf, &library->aggregates[i], &udf->shapes[i], &udf->functions[udf->functions_count++], err));
    }
    TL_TRY(twins_check(udf, err));
    udf->catalog = (struct tl_catalog){udf->functions, udf->functions_count, NULL, NULL};
out:
    return rc;
}

/* Loads the file and reads it; `doing` says how far it has come. */
static enum tl_code library_open(struct tl_udf *udf, const struct tl_catalog *builtin, char doing[TL_TRIAL_DOING_BYTES],
                                 struct tl_err *err)
{
    const char *why;
    enum tl_code rc;

    snprintf(doing, TL_TRIAL_DOING_BYTES, "was loaded");
    TL_TRY(file_load(udf, err));
    snprintf(doing, TL_TRIAL_DOING_BYTES, "was read");
    TL_TRY(tables_take(udf, builtin, err));
    snprintf(doing, TL_TRIAL_DOING_BYTES, "was opened");
    why = udf->library->open != NULL ? udf->library->open() : NULL;
    if (why != NULL)
        rc = refuse(udf, err, "it says: %.500s", why);
out:
    return rc;
}

/* --- the trial --------------------------------------------------------------------------------------------------------- */

/* What both processes see. */
struct trial {
    char doing[TL_TRIAL_DOING_BYTES];
    bool ended; /* with this: */
    enum tl_code rc;
    struct tl_err err;
};

/* In the child. A sanitizer's or tally's handlers would turn a crash into something else. Who asks tally to stop asks the parent, with whom the
 * child goes. */
static void trial_run(struct tl_udf *udf, const struct tl_catalog *builtin, struct trial *trial)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP}, stops[] = {SIGTERM, SIGINT, SIGHUP};
    const struct rlimit no_core = {0, 0};
    struct tl_err why = {0};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    for (size_t i = 0; i < TL_COUNT(crashes); i++)
        (void)signal(crashes[i], SIG_DFL);
    for (size_t i = 0; i < TL_COUNT(stops); i++)
        (void)signal(stops[i], SIG_IGN);
    trial->rc = library_open(udf, builtin, trial->doing, &trial->err);
    if (trial->rc == TL_OK)
        trial->rc = tl_udf_try(&udf->catalog, trial->doing, &why);
    if (trial->rc == TL_OK) {
        snprintf(trial->doing, sizeof trial->doing, "was closed");
        dlclose(udf->handle);
    }
    if (why.code == TL_ERR_DEFINITION)
        (void)refuse(udf, &trial->err, "%s", why.message);
    else if (why.code != TL_OK)
        trial->err = why;
    trial->ended = true;
}

/* Neither what the child closes nor what it leaves behind changes how long it is waited for. */
static bool ended_in_time(int pidfd)
{
    struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};
    int ready;

    do
        ready = poll(&pollfd, 1, TRIAL_MS);
    while (ready < 0 && errno == EINTR);
    return ready != 0;
}

static enum tl_code trial_verdict(const struct tl_udf *udf, const struct trial *trial, bool in_time, int status,
                                  struct tl_err *err)
{
    if (trial->ended) {
        if (trial->rc != TL_OK)
            *err = trial->err;
        return trial->rc;
    }
    if (!in_time)
        return refuse(udf, err, "it did not come back within %d s while it %s", TRIAL_MS / 1000, trial->doing);
    if (WIFSIGNALED(status))
        return refuse(udf, err, "it crashed (signal %d, SIG%s) while it %s", WTERMSIG(status), sigabbrev_np(WTERMSIG(status)),
                      trial->doing);
    return refuse(udf, err, "it ended the process (exit status %d) while it %s", WEXITSTATUS(status), trial->doing);
}

/* Everything in a child first. */
static enum tl_code trial_hold(const char *path, const struct tl_catalog *builtin, struct tl_err *err)
{
    struct tl_udf udf = {.path = path};
    struct trial *trial = mmap(NULL, sizeof *trial, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int pidfd = -1, status = 0;
    enum tl_code rc = TL_OK;
    bool in_time;
    pid_t pid;

    if (trial == MAP_FAILED)
        return tl_fail_memory(err, sizeof *trial);
    pid = fork();
    if (pid == 0) {
        tl_arena_init(&udf.arena, 4096, 0);
        trial_run(&udf, builtin, trial);
        _exit(0);
    }
    if (pid > 0)
        pidfd = pidfd_open(pid, 0);
    if (pidfd < 0)
        rc = tl_fail_errno(err, TL_ERR_IO, "functions %s: no process to try it in", path);
    in_time = pidfd >= 0 && ended_in_time(pidfd);
    if (pid > 0) {
        if (!in_time)
            (void)kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (pidfd >= 0) {
        rc = trial_verdict(&udf, trial, in_time, status, err);
        close(pidfd);
    }
    (void)munmap(trial, sizeof *trial);
    return rc;
}

/* --- in this process --------------------------------------------------------------------------------------------------- */

enum tl_code tl_udf_open(const char *path, const struct tl_catalog *builtin, struct tl_udf **out, struct tl_err *err)
{
    char doing[TL_TRIAL_DOING_BYTES];
    struct tl_udf *udf = calloc(1, sizeof *udf);
    enum tl_code rc;

    if (udf == NULL)
        return tl_fail_memory(err, sizeof *udf);
    udf->path = path;
    tl_arena_init(&udf->arena, 4096, 0);
    TL_TRY(file_hash(udf, err));
    TL_TRY(trial_hold(path, builtin, err));
    TL_TRY(library_open(udf, builtin, doing, err));
    *out = udf;
    udf = NULL;
out:
    tl_udf_close(udf);
    return rc;
}

void tl_udf_close(struct tl_udf *udf)
{
    if (udf == NULL)
        return;
    if (udf->handle != NULL)
        dlclose(udf->handle);
    tl_arena_done(&udf->arena);
    free(udf);
}

struct tl_catalog *tl_udf_catalog(struct tl_udf *udf)
{
    return &udf->catalog;
}

void tl_udf_version(const struct tl_udf *udf, struct tl_buf *out)
{
    const char *slash = strrchr(udf->path, '/');

    for (const char *c = slash != NULL ? slash + 1 : udf->path; *c != '\0'; c++)
        tl_buf_put_u8(out, *c != ' ' ? (uint8_t)*c : '_'); /* the name of an item is one word */
    tl_buf_printf(out, " %.60s xxh3:%016" PRIx64, udf->library->version, udf->hash);
}
