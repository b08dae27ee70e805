/* process_test.c: whether a process of a name is gone: certain only where it can be known. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

Test(process, runs)
{
    char name[TL_PROCESS_NAME_MAX];

    tl_process_name(name);
    cr_expect(!tl_process_is_gone(name), "%s", name);
    cr_expect(strstr(name, " since 0 ") == NULL && strstr(name, " space 0") == NULL, "what the system knows is missing: %s",
              name);
}

Test(process, ended)
{
    char name[TL_PROCESS_NAME_MAX] = "";
    int ends[2], status;
    pid_t child;

    cr_assert(pipe(ends) == 0);
    child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        tl_process_name(name);
        _exit(write(ends[1], name, sizeof name) == (ssize_t)sizeof name ? 0 : 1);
    }
    cr_assert(read(ends[0], name, sizeof name) == (ssize_t)sizeof name);
    cr_assert(waitid(P_PID, (id_t)child, &(siginfo_t){0}, WEXITED | WNOWAIT) == 0);
    cr_expect(tl_process_is_gone(name), "nobody has waited for it yet: %s", name);
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    cr_expect(tl_process_is_gone(name), "%s", name);
}

/* Another process has the pid by now. */
Test(process, pid_taken_again)
{
    char name[TL_PROCESS_NAME_MAX], changed[TL_PROCESS_NAME_MAX];
    char *at;
    uint64_t since;

    tl_process_name(name);
    at = strstr(name, " since ");
    cr_assert(at != NULL && sscanf(at, " since %" SCNu64, &since) == 1);
    snprintf(changed, sizeof changed, "%.*s since %" PRIu64 "%s", (int)(at - name), name, since - 1, strstr(name, " boot "));
    cr_expect(tl_process_is_gone(changed), "%s", changed);
}

Test(process, nobody_can_tell)
{
    static const char *const names[] = {
        "",
        "test",
        "web1 pid 1",
        "web1 pid 999999999 since 5 boot another space 4026531836",
        "web1 pid 999999999 since 0 boot 0 space 0",
        "web1 pid -1 since 1 boot x space 1",
    };

    for (size_t i = 0; i < TL_COUNT(names); i++)
        cr_expect(!tl_process_is_gone(names[i]), "%s", names[i]);
}

Test(process, words_for_people)
{
    char words[TL_PROCESS_NAME_MAX];

    tl_process_words("web1 pid 4711 since 88213 boot 5b3c1c6e space 4026531836", words);
    cr_expect_str_eq(words, "web1 pid 4711");
    tl_process_words("test", words);
    cr_expect_str_eq(words, "test");
}

Test(process, user)
{
    char user[TL_PROCESS_NAME_MAX], name[TL_PROCESS_NAME_MAX];
    const char *at;

    tl_process_user(user);
    tl_process_name(name);
    at = strchr(user, '@');
    cr_assert(at != NULL && at > user, "%s", user);
    cr_expect_eq(strncmp(name, at + 1, strlen(at + 1)), 0, "%s on %s", user, name);
}
