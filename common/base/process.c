/* process.c: reads who a process is from /proc. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { BOOT_MAX = 40 };

struct facts {
    long pid;
    uint64_t since; /* ticks after the boot; 0: unknown */
    char boot[BOOT_MAX];
    uint64_t space;
};

static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd >= 0) {
        got = read(fd, out, size - 1);
        close(fd);
    }
    out[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Fields 3 and 22 of stat. Field 2, the program's name, stands in parentheses and may hold anything: the last ')' ends it. *since 0: it
 * cannot be read. */
static void read_stat(long pid, char *state, uint64_t *since)
{
    char path[40], text[1024], *at;

    *since = 0;
    *state = '?';
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (!read_file(path, text, sizeof text) || (at = strrchr(text, ')')) == NULL || at[1] != ' ')
        return;
    at++;
    *state = at[1];
    for (int field = 3; field < 22 && *at != '\0'; field++)
        at += 1 + strcspn(at + 1, " ");
    *since = strtoull(at, NULL, 10);
}

static void facts_of_self(struct facts *out)
{
    struct stat space;
    char state;

    *out = (struct facts){.pid = (long)getpid()};
    read_stat(out->pid, &state, &out->since);
    if (!read_file("/proc/sys/kernel/random/boot_id", out->boot, sizeof out->boot))
        snprintf(out->boot, sizeof out->boot, "0");
    out->boot[strcspn(out->boot, "\n")] = '\0';
    if (stat("/proc/self/ns/pid", &space) == 0)
        out->space = (uint64_t)space.st_ino;
}

static void host_name(struct utsname *host)
{
    if (uname(host) != 0 || host->nodename[0] == '\0')
        snprintf(host->nodename, sizeof host->nodename, "localhost");
}

void tl_process_user(char out[TL_PROCESS_NAME_MAX])
{
    char room[4096];
    struct passwd found, *user = NULL;
    struct utsname host;

    host_name(&host);
    if (getpwuid_r(geteuid(), &found, room, sizeof room, &user) == 0 && user != NULL)
        snprintf(out, TL_PROCESS_NAME_MAX, "%.64s@%.64s", user->pw_name, host.nodename);
    else
        snprintf(out, TL_PROCESS_NAME_MAX, "%lu@%.64s", (unsigned long)geteuid(), host.nodename);
}

void tl_process_name(char out[TL_PROCESS_NAME_MAX])
{
    struct utsname host;
    struct facts self;

    facts_of_self(&self);
    host_name(&host);
    snprintf(out, TL_PROCESS_NAME_MAX, "%.64s pid %ld since %" PRIu64 " boot %s space %" PRIu64, host.nodename, self.pid,
             self.since, self.boot, self.space);
}

bool tl_process_is_gone(const char *name)
{
    const char *at = strstr(name, " pid ");
    struct facts self, other = {0};
    uint64_t since;
    char state;

    if (at == NULL || sscanf(at, " pid %ld since %" SCNu64 " boot %39s space %" SCNu64, &other.pid, &other.since, other.boot,
                             &other.space) != 4)
        return false;
    facts_of_self(&self);
    if (other.since == 0 || other.space == 0 || other.pid <= 0 || strcmp(self.boot, other.boot) != 0 || self.space != other.space)
        return false;
    if (kill((pid_t)other.pid, 0) != 0 && errno == ESRCH)
        return true;
    read_stat(other.pid, &state, &since);
    /* It has ended and nobody has waited for it, or the pid is another process's by now. Of one that /proc hides nothing is known. */
    return state == 'Z' || state == 'X' || (since != 0 && since != other.since);
}

void tl_process_words(const char *name, char out[TL_PROCESS_NAME_MAX])
{
    char *rest;

    snprintf(out, TL_PROCESS_NAME_MAX, "%s", name);
    rest = strstr(out, " since ");
    if (rest != NULL)
        *rest = '\0';
}
