/* fork_runner.c: runs Criterion's tests.
 *
 * Criterion's own runner starts the program anew for each case, which costs more than most of them: two thirds of the CPU time of the unit
 * tests, and more under the address sanitizer; and it maps an arena at an address that the thread sanitizer keeps for itself, and gives up. This
 * one walks the same linker sections (cr_tst, cr_sts), forks for each test and each case, looks for leaks at its end where the sanitizer does,
 * and closes with the same line. It stands in for what the assertions call in the library.
 * Understood: --filter=SUITE/TEST or --filter SUITE/TEST (with *, ? and extended patterns), and CRITERION_JOBS as Criterion knows it. */
#include <criterion/criterion.h>
#include <criterion/internal/parameterized.h>
#include <criterion/logging.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern struct criterion_test *__start_cr_tst[] __attribute__((weak));
extern struct criterion_test *__stop_cr_tst[] __attribute__((weak));
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

/* Of the address sanitizer, where it is linked. */
void __lsan_do_leak_check(void) __attribute__((weak));

enum { EXIT_FAILED = 101, EXIT_SKIPPED = 102, RUNNING_MAX = 16 };

/* In a child: what it runs. */
static struct criterion_test *test_now;
static struct criterion_suite *suite_now;
static void *parameter_now;

static void __attribute__((noreturn)) leave(int status)
{
    fflush(NULL);
    _exit(status);
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (!stats->passed)
        fprintf(stderr, "[----] %s:%u: Assertion Failed: %s\n", stats->file, stats->line, stats->message ? stats->message : "");
}

void criterion_abort_test(void)
{
    leave(EXIT_FAILED);
}

void criterion_continue_test(void)
{
    leave(EXIT_FAILED);
}

/* These two are declared without saying that they format. */
void criterion_skip_test(const char *format, ...) __attribute__((format(printf, 1, 2)));
void criterion_test_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void criterion_skip_test(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "[SKIP] %s::%s: ", test_now->category, test_now->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    leave(EXIT_SKIPPED);
}

/* cr_log_info() and its like: the library's own sends them to a runner that is not there. */
void cr_log(enum criterion_severity severity, const char *msg, ...)
{
    va_list args;

    (void)severity;
    fputs("[----] ", stderr);
    va_start(args, msg);
    vfprintf(stderr, msg, args);
    va_end(args);
    fputc('\n', stderr);
}

void criterion_test_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    leave(EXIT_FAILED);
}

void criterion_internal_test_setup(void)
{
    if (suite_now != NULL && suite_now->data != NULL && suite_now->data->init != NULL)
        suite_now->data->init();
    if (test_now->data->init != NULL)
        test_now->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
    if (test_now->data->kind_ == CR_TEST_PARAMETERIZED)
        ((void (*)(void *))fn)(parameter_now);
    else
        fn();
}

void criterion_internal_test_teardown(void)
{
    if (test_now->data->fini != NULL)
        test_now->data->fini();
    if (suite_now != NULL && suite_now->data != NULL && suite_now->data->fini != NULL)
        suite_now->data->fini();
}

static struct {
    pid_t pid;
    struct criterion_test *test;
    size_t number; /* of a parameterised test's case, from 0 */
    double began_s;
} running[RUNNING_MAX];
static int running_count, tested, passing, failing, crashing;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void reap(void)
{
    int status, signal_number, exit_code;
    pid_t pid = waitpid(-1, &status, 0);
    struct criterion_test *test = NULL;
    size_t number = 0;
    double took_s = 0;

    for (int i = 0; i < running_count; i++)
        if (running[i].pid == pid) {
            test = running[i].test;
            number = running[i].number;
            took_s = now_s() - running[i].began_s;
            running[i] = running[--running_count];
            break;
        }
    if (test == NULL)
        return;
    signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (exit_code == EXIT_SKIPPED)
        return;
    tested++;
    if (signal_number == test->data->signal && exit_code == test->data->exit_code) {
        passing++;
        fprintf(stderr, "[PASS] %s::%s (case %zu): %.2f s\n", test->category, test->name, number, took_s);
        return;
    }
    if (exit_code == EXIT_FAILED)
        failing++;
    else
        crashing++;
    fprintf(stderr, "[FAIL] %s::%s (case %zu): signal %d, exit status %d\n", test->category, test->name, number, signal_number,
            exit_code);
}

/* The test's own, or its suite's; 0: none. */
static double timeout_of(const struct criterion_test *test, const struct criterion_suite *suite)
{
    if (test->data->timeout > 0 || suite == NULL || suite->data == NULL)
        return test->data->timeout;
    return suite->data->timeout;
}

static void start(struct criterion_test *test, struct criterion_suite *suite, void *parameter, size_t number)
{
    static int jobs;
    pid_t pid;

    if (jobs == 0) {
        const char *wanted = getenv("CRITERION_JOBS");

        jobs = wanted != NULL ? atoi(wanted) : (int)sysconf(_SC_NPROCESSORS_ONLN);
        if (jobs < 1)
            jobs = 1;
        if (jobs > RUNNING_MAX)
            jobs = RUNNING_MAX;
    }
    while (running_count >= jobs)
        reap();
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        test_now = test;
        suite_now = suite;
        parameter_now = parameter;
        if (timeout_of(test, suite) > 0)
            alarm((unsigned)timeout_of(test, suite) + 1);
        test->test();
        if (__lsan_do_leak_check != NULL)
            __lsan_do_leak_check(); /* ends the process where there are some */
        leave(0);
    }
    running[running_count].pid = pid;
    running[running_count].number = number;
    running[running_count].began_s = now_s();
    running[running_count++].test = test;
}

static struct criterion_suite *suite_of(const struct criterion_test *test)
{
    for (struct criterion_suite **at = __start_cr_sts; at < __stop_cr_sts; at++)
        if (*at != NULL && strcmp((*at)->name, test->category) == 0)
            return *at;
    return NULL;
}

int main(int argc, char **argv)
{
    const char *filter = "*";

    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--filter=", 9) == 0)
            filter = argv[i] + 9;
        else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            filter = argv[++i];
    for (struct criterion_test **at = __start_cr_tst; at < __stop_cr_tst; at++) {
        struct criterion_test *test = *at;
        struct criterion_suite *suite;
        char name[256];

        if (test == NULL)
            continue;
        snprintf(name, sizeof name, "%s/%s", test->category, test->name);
        suite = suite_of(test);
        if (fnmatch(filter, name, FNM_EXTMATCH) != 0 || test->data->disabled || (suite && suite->data && suite->data->disabled))
            continue;
        if (test->data->kind_ == CR_TEST_PARAMETERIZED) {
            struct criterion_test_params cases = test->data->param_();

            for (size_t i = 0; i < cases.length; i++)
                start(test, suite, (char *)cases.params + i * cases.size, i);
        } else {
            start(test, suite, NULL, 0);
        }
    }
    while (running_count > 0)
        reap();
    fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: %d\n", tested, passing, failing,
            crashing);
    return failing + crashing > 0;
}
